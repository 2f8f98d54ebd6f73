#include "cuda.h"
#include "cuda_runtime.h"
#include "emulated_threads.h"

#include "emulated_blas.h"
#include "emulated_graph.h"
#include "train/bfloat16.h"

#include <cstdio>
#include <cstdlib>
#include <link.h>
#include <map>
#include <sys/mman.h>
#include <ucontext.h>

struct emulated_stream {
    bool backwards;
};

alignas(1024) char emulated_dynamic_shared[EMULATED_CLUSTER_MAX][EMULATED_SHARED_AHEAD + EMULATED_SHARED_BYTES_MAX];
dim3 threadIdx, blockIdx, blockDim, gridDim;
struct emulated_device emulated_device = {false, false, false, 3, 0, 0, 0, cudaSuccess, 227 << 10, 0, 0, 0, 0, false};
struct emulated_blas emulated_blas;

namespace
{

enum {
    WARP = 32,
    THREADS_MAX = EMULATED_THREADS_MAX,
    STACK_BYTES = 128 << 10,
    STAGGERED = 64, /* stacks that would all lie in the same few sets of a cache */
    STAGGER_BYTES = 320,
    JUMP_WORDS = 5,          /* of __builtin_setjmp */
    SHARED_BYTES = 48 << 10, /* of a block that has not asked for more */
    FUNCTIONS_MAX = 64,
    ARGUMENT_BYTES = 4096 /* CUDA's own bound of a kernel's arguments */
};
constexpr size_t MEMORY_BYTES = static_cast<size_t>(4) << 30, RUBBISH_BYTES_MAX = 256 << 10;
enum Wait { NOTHING, BLOCK, LANES, CONDITION, ENDED, WAITS };

struct Thread {
    bool (*ready)(const void *); /* CONDITION */
    const void *condition;
    void *here[JUMP_WORDS]; /* where it left off */
    char *stack;            /* once it has begun */
    dim3 index, block;
    unsigned rank; /* of its block in the cluster */
};

/* Of each lane a bit. */
struct Warp {
    unsigned waits[WAITS];
    unsigned mask[WARP], from[WARP]; /* the lanes waited for; the one whose value is wanted */
    uint64_t given[WARP], taken[WARP];
};

Thread threads[THREADS_MAX];
Warp warps[THREADS_MAX / WARP];
unsigned waiting[EMULATED_CLUSTER_MAX]
                [WAITS];               /* of a block, how many have begun to wait for its barrier, or have ended */
uint32_t fragments[2][THREADS_MAX][6]; /* of mma, of one and of the next: a, then b */
bool next_fragments[THREADS_MAX];
void *scheduler[JUMP_WORDS];
bool backwards;
emulated_stream streams[2] = {{false}, {true}};
unsigned stream_count;
unsigned current, thread_count, block_threads; /* of the blocks that run together: one, or a cluster */
void (*body)(void *);
void *body_argument;
struct {
    const void *function;
    size_t bytes;
} shared_of[FUNCTIONS_MAX]; /* kernels that have asked for more */

char *memory; /* of the device: one region, given out from its beginning */
size_t memory_used;
struct Piece {
    size_t bytes, room;
};
std::map<const char *, Piece> pieces; /* that are taken */

[[noreturn]] void die(const char *what)
{
    fprintf(stderr, "emulated GPU: block %u, thread %u: %s\n", blockIdx.x, current, what);
    abort();
}

/* By the compiler's setjmp: the library's guards its addresses and walks what is to be cleaned up, swapcontext asks the kernel each time. It wants its
 * longjmp in another function, and callers that count on no register (noipa). */
[[noreturn, gnu::noipa]] void jump(void **there)
{
    __builtin_longjmp(there, 1);
}

[[gnu::noipa]] void leave()
{
    if (__builtin_setjmp(threads[current].here) == 0)
        jump(scheduler);
}

void wait_for(Wait what, unsigned mask)
{
    Warp &warp = warps[current / WARP];
    const unsigned lane = current % WARP;
    warp.waits[NOTHING] &= ~(1U << lane);
    warp.waits[what] |= 1U << lane;
    warp.mask[lane] = mask;
    waiting[emulated_block()][what]++;
    leave();
}

void enter()
{
    for (;;) {
        body(body_argument);
        wait_for(ENDED, 0);
    }
}

/* In a function of its own: getcontext returns twice, as far as the compiler knows. */
bool take_context(ucontext_t *context)
{
    return getcontext(context) == 0;
}

/* On a stack of its own, which it keeps for the kernels that come. */
[[noreturn]] void begin(Thread *thread)
{
    static ucontext_t context;
    thread->stack = static_cast<char *>(malloc(STACK_BYTES));
    if (!thread->stack || !take_context(&context))
        die("no memory for its stack");
    context.uc_stack.ss_sp = thread->stack;
    context.uc_stack.ss_size = STACK_BYTES - static_cast<size_t>(current) % STAGGERED * STAGGER_BYTES;
    makecontext(&context, enter, 0);
    setcontext(&context);
    die("its stack cannot be entered");
}

[[gnu::noipa]] void resume(unsigned i)
{
    current = i;
    threadIdx = threads[i].index;
    blockIdx = threads[i].block;
    if (__builtin_setjmp(scheduler) != 0)
        return;
    if (!threads[i].stack)
        begin(&threads[i]);
    jump(threads[i].here);
}

void go_on(Warp *warp, Wait from, unsigned lanes)
{
    warp->waits[from] &= ~lanes;
    warp->waits[NOTHING] |= lanes;
}

/* Whether all of these lanes wait, for the same ones. */
bool lanes_have_come(const Warp &warp, unsigned mask)
{
    bool same = (warp.waits[LANES] & mask) == mask;
    for (unsigned lane = 0; same && lane < WARP; lane++)
        same = !(mask >> lane & 1) || warp.mask[lane] == mask;
    return same;
}

/* Values change hands while all lanes stand still. */
void exchange(Warp *warp, unsigned mask)
{
    for (unsigned lane = 0; lane < WARP; lane++) {
        const bool there = warp->from[lane] < WARP && mask >> warp->from[lane] & 1;
        if (mask >> lane & 1)
            warp->taken[lane] = warp->given[there ? warp->from[lane] : lane];
    }
}

/* Lanes that have all come go on together. */
bool release_lanes(Warp *warp)
{
    bool any = false;
    for (unsigned left = warp->waits[LANES]; left; left &= left - 1) {
        const unsigned first = left & -left, mask = warp->mask[__builtin_ctz(left)];
        if (!lanes_have_come(*warp, mask))
            continue;
        exchange(warp, mask);
        go_on(warp, LANES, mask);
        left &= ~mask | first;
        any = true;
    }
    return any;
}

bool release_block(unsigned block)
{
    const unsigned block_warps = block_threads / WARP;
    if (waiting[block][BLOCK] < block_threads)
        return false;
    for (unsigned i = 0; i < block_warps; i++)
        go_on(&warps[block * block_warps + i], BLOCK, ~0U);
    waiting[block][BLOCK] = 0;
    return true;
}

bool release_blocks()
{
    bool any = false;
    for (unsigned block = 0; block < thread_count / block_threads; block++)
        any |= release_block(block);
    return any;
}

bool all_have_ended()
{
    bool all = true;
    for (unsigned block = 0; block < thread_count / block_threads; block++)
        all = all && emulated_block_has_ended(block);
    return all;
}

bool release_ready()
{
    bool any = false;
    for (unsigned i = 0; i < thread_count / WARP; i++)
        for (unsigned left = warps[i].waits[CONDITION]; left; left &= left - 1) {
            const unsigned lane = static_cast<unsigned>(__builtin_ctz(left));
            const Thread &thread = threads[i * WARP + lane];
            if (!thread.ready(thread.condition))
                continue;
            go_on(&warps[i], CONDITION, 1U << lane);
            any = true;
        }
    return any;
}

/* The n-th of `count`, in the order of this stream. */
unsigned in_order(unsigned n, unsigned count)
{
    return backwards ? count - 1 - n : n;
}

/* As far as it comes without the others. */
void run_warp(unsigned i)
{
    Warp *warp = &warps[i];
    do
        while (const unsigned ready = warp->waits[NOTHING])
            resume(i * WARP +
                   static_cast<unsigned>(backwards ? WARP - 1 - __builtin_clz(ready) : __builtin_ctz(ready)));
    while (release_lanes(warp));
}

/* One warp after the other, each up to the next barrier of the block: where one is missing the first is far ahead of the last. Blocks of a cluster
 * likewise. */
void run_together()
{
    for (unsigned i = 0; i < thread_count / WARP; i++) {
        memset(warps[i].waits, 0, sizeof warps[i].waits);
        warps[i].waits[NOTHING] = ~0U;
    }
    memset(waiting, 0, sizeof waiting);
    for (;;) {
        for (unsigned n = 0; n < thread_count / WARP; n++)
            run_warp(in_order(n, thread_count / WARP));
        if (all_have_ended())
            break;
        if (!release_blocks() && !release_ready() && !emulated_hopper_go_on())
            die("threads wait at different barriers, for some that have ended, or for what does not come");
    }
    if (emulated_copies_left())
        die("a copy is still under way at the end of its block");
}

size_t shared_allowed(const void *function)
{
    for (const auto &each : shared_of)
        if (each.function == function && function)
            return each.bytes;
    return SHARED_BYTES;
}

/* Static shared memory of all kernels, templates' too, is what this thread has for itself (thread_local), with whatever else the program keeps there: that
 * is put away while kernels run. */
class SharedMemory
{
  public:
    SharedMemory()
    {
        dl_iterate_phdr(find, this);
        kept = static_cast<char *>(malloc(bytes));
        if (!kept)
            die("no memory for what the thread keeps");
        memcpy(kept, begin, bytes);
    }
    ~SharedMemory()
    {
        memcpy(begin, kept, bytes);
        free(kept);
    }
    void spoil() const
    {
        memset(begin, 0xff, bytes); /* NaN: nothing may count on what was there */
    }

  private:
    char *begin = nullptr, *kept = nullptr;
    size_t bytes = 0;

    /* The program itself comes first. */
    static int find(struct dl_phdr_info *object, size_t size, void *context)
    {
        auto *self = static_cast<SharedMemory *>(context);
        (void)size;
        for (unsigned i = 0; i < object->dlpi_phnum; i++)
            if (object->dlpi_phdr[i].p_type == PT_TLS) {
                self->begin = static_cast<char *>(object->dlpi_tls_data);
                self->bytes = object->dlpi_phdr[i].p_memsz;
            }
        return 1;
    }
};

/* Of all its memory, what it has. */
size_t memory_size()
{
    const char *text = getenv("QUERN_EMULATED_MEMORY");
    const size_t bytes = emulated_device.memory_bytes ? emulated_device.memory_bytes
                         : text                       ? strtoull(text, nullptr, 10)
                                                      : 0;
    return bytes && bytes < MEMORY_BYTES ? bytes : MEMORY_BYTES;
}

bool is_hopper()
{
    return emulated_device.hopper || getenv("QUERN_EMULATED_HOPPER");
}

struct Launch {
    cudaLaunchConfig_t config; /* its attribute is beside it: the caller's is gone when a graph is launched */
    cudaLaunchAttribute attribute;
    void (*kernel)(void *);
    alignas(64) char argument[ARGUMENT_BYTES]; /* the kernel and its arguments */
};

/* Blocks of a cluster, side by side along x: the one attribute that a launch has here. */
unsigned cluster_of(const cudaLaunchConfig_t &config)
{
    return config.numAttrs ? config.attrs[0].val.clusterDim.x : 1;
}

bool is_cluster_possible(const cudaLaunchConfig_t &config)
{
    const unsigned cluster = cluster_of(config);
    const dim3 block = config.blockDim;
    if (config.numAttrs == 0)
        return true;
    return is_hopper() && config.numAttrs == 1 && config.attrs[0].id == cudaLaunchAttributeClusterDimension &&
           config.attrs[0].val.clusterDim.y == 1 && config.attrs[0].val.clusterDim.z == 1 && cluster > 0 &&
           cluster <= EMULATED_CLUSTER_MAX && config.gridDim.x % cluster == 0 &&
           cluster * block.x * block.y * block.z <= THREADS_MAX;
}

dim3 place_in(dim3 grid, unsigned i)
{
    return dim3(i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y);
}

cudaError_t run_launch(void *what)
{
    auto *launch = static_cast<Launch *>(what);
    launch->config.attrs = &launch->attribute;
    const dim3 grid = launch->config.gridDim, block = launch->config.blockDim;
    backwards = launch->config.stream->backwards;
    const unsigned cluster = cluster_of(launch->config);
    gridDim = grid;
    blockDim = block;
    block_threads = block.x * block.y * block.z;
    thread_count = cluster * block_threads;
    for (unsigned i = 0; i < thread_count; i++) {
        threads[i].index = dim3(i % block.x, i / block.x % block.y, i % block_threads / block.x / block.y);
        threads[i].rank = i / block_threads;
    }
    body = launch->kernel;
    body_argument = launch->argument;
    const unsigned blocks = grid.x * grid.y * grid.z;
    const SharedMemory shared;
    emulated_begin();
    for (unsigned n = 0; n < blocks / cluster; n++) {
        const unsigned first = in_order(n, blocks / cluster) * cluster;
        for (unsigned i = 0; i < thread_count; i++)
            threads[i].block = place_in(grid, first + threads[i].rank);
        for (unsigned i = 0; i < cluster; i++)
            memset(emulated_dynamic_shared[i], 0xff, EMULATED_SHARED_AHEAD + launch->config.dynamicSmemBytes);
        shared.spoil();
        emulated_hopper_begin(thread_count);
        run_together();
        emulated_hopper_end(thread_count);
    }
    emulated_end();
    return cudaSuccess;
}

struct Copy {
    void *to;
    const void *from;
    size_t bytes;
};

cudaError_t run_copy(void *what)
{
    const auto *copy = static_cast<const Copy *>(what);
    emulated_begin();
    memmove(copy->to, copy->from, copy->bytes);
    emulated_end();
    return cudaSuccess;
}

struct Fill {
    void *to;
    int value;
    size_t bytes;
};

cudaError_t run_fill(void *what)
{
    const auto *fill = static_cast<const Fill *>(what);
    emulated_begin();
    memset(fill->to, fill->value, fill->bytes);
    emulated_end();
    return cudaSuccess;
}

cudaError_t last_error;

cudaError_t note(cudaError_t error)
{
    if (error)
        last_error = error;
    return error;
}

} // namespace

unsigned emulated_thread(void)
{
    return current;
}

unsigned emulated_block(void)
{
    return threads[current].rank;
}

bool emulated_block_has_ended(unsigned block)
{
    return waiting[block][ENDED] == block_threads;
}

bool emulated_is_backwards(void)
{
    return backwards;
}

void emulated_die(const char *what)
{
    die(what);
}

void emulated_wait_until(bool (*ready)(const void *), const void *what)
{
    threads[current].ready = ready;
    threads[current].condition = what;
    wait_for(CONDITION, 0);
}

extern "C" {

cudaError_t emulated_next_call(void)
{
    if (emulated_device.fail_at && --emulated_device.fail_at == 0)
        return emulated_device.fail_with;
    return cudaSuccess;
}

uint32_t emulated_shared_address(const void *at)
{
    return static_cast<uint32_t>(static_cast<const char *>(at) - emulated_dynamic_shared[emulated_block()]) +
           EMULATED_SHARED_BEGIN;
}

unsigned emulated_lane(void)
{
    return current % WARP;
}

void *emulated_shared(void)
{
    return emulated_dynamic_shared[emulated_block()] + EMULATED_SHARED_AHEAD;
}

void emulated_begin(void)
{
    if (memory_used && mprotect(memory, memory_used, PROT_READ | PROT_WRITE) != 0)
        die("its memory cannot be opened");
}

void emulated_end(void)
{
    if (memory_used && mprotect(memory, memory_used, PROT_NONE) != 0)
        die("its memory cannot be closed");
}

bool emulated_is_device(const void *at, size_t bytes)
{
    const char *first = static_cast<const char *>(at);
    auto piece = pieces.upper_bound(first);
    return piece != pieces.begin() && bytes <= (--piece)->second.bytes &&
           static_cast<size_t>(first - piece->first) <= piece->second.bytes - bytes;
}

void __syncthreads(void)
{
    wait_for(BLOCK, 0);
}

void __syncwarp(unsigned mask)
{
    wait_for(LANES, mask);
}

uint64_t emulated_exchange(unsigned mask, uint64_t value, unsigned from)
{
    Warp &warp = warps[current / WARP];
    const unsigned lane = emulated_lane();
    if (!(mask >> lane & 1))
        die("an exchange between lanes that it is no part of");
    warp.given[lane] = value;
    warp.from[lane] = from;
    wait_for(LANES, mask);
    return warp.taken[lane];
}

/* Word w of a lane's fragments of A has row l / 4 + w % 2 * 8, of B column l / 4; both numbers k = l % 4 * 2 + w / 2 * 8 (of B: w * 8) and the next. */
void emulated_mma(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    const unsigned lane = emulated_lane();
    const bool next = next_fragments[current] = !next_fragments[current];
    memcpy(fragments[next][current], a, 4 * sizeof *a);
    memcpy(fragments[next][current] + 4, b, 2 * sizeof *b);
    __syncwarp(); /* none is two ahead of another */
    const uint32_t(*lanes)[6] = fragments[next] + (current - lane);
    for (unsigned i = 0; i < 4; i++)
        for (unsigned pair = 0; pair < 8; pair++) {
            const uint32_t left = lanes[lane / 4 * 4 + pair % 4][i / 2 + pair / 4 * 2],
                           right = lanes[(lane % 4 * 2 + i % 2) * 4 + pair % 4][4 + pair / 4];
            d[i] += bfloat16_to_float(static_cast<uint16_t>(left)) * bfloat16_to_float(static_cast<uint16_t>(right));
            d[i] += bfloat16_to_float(static_cast<uint16_t>(left >> 16)) *
                    bfloat16_to_float(static_cast<uint16_t>(right >> 16));
        }
}

cudaError_t emulated_launch(const cudaLaunchConfig_t *config, const void *function, void (*kernel)(void *),
                            const void *argument, size_t bytes)
{
    const dim3 grid = config->gridDim, block = config->blockDim;
    cudaError_t error = emulated_next_call();
    if (error)
        return note(error);
    if (block.x * block.y * block.z > THREADS_MAX || block.x * block.y * block.z % WARP ||
        config->dynamicSmemBytes > shared_allowed(function) || grid.x == 0 || grid.y == 0 || grid.z == 0 ||
        grid.y > 65535 || bytes > sizeof(Launch::argument) || !is_cluster_possible(*config))
        return note(cudaErrorInvalidValue);
    Launch launch = {*config, {}, kernel, {}};
    if (config->numAttrs)
        launch.attribute = config->attrs[0];
    memcpy(launch.argument, argument, bytes);
    return note(emulated_submit(config->stream, run_launch, &launch, sizeof launch));
}

cudaError_t emulated_allow_shared(const void *function, int bytes)
{
    if (static_cast<size_t>(bytes) > emulated_device.shared_max)
        return note(cudaErrorInvalidValue);
    for (auto &each : shared_of)
        if (!each.function || each.function == function) {
            each = {function, static_cast<size_t>(bytes)};
            return note(emulated_next_call());
        }
    die("too many kernels with shared memory of their own");
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device)
{
    (void)device;
    *value = attribute == cudaDevAttrMultiProcessorCount            ? static_cast<int>(emulated_device.multiprocessors)
             : attribute == cudaDevAttrComputeCapabilityMajor       ? (is_hopper()             ? 9
                                                                       : emulated_device.older ? 7
                                                                                               : 8)
             : attribute == cudaDevAttrMaxSharedMemoryPerBlockOptin ? static_cast<int>(emulated_device.shared_max)
                                                                    : (emulated_device.older ? 5 : 0);
    return note(emulated_next_call());
}

cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned version,
                                             unsigned long long flags, enum cudaDriverEntryPointQueryResult *found)
{
    (void)version;
    (void)flags;
    *found = strcmp(name, "cuTensorMapEncodeTiled") ? cudaDriverEntryPointSymbolNotFound : cudaDriverEntryPointSuccess;
    *function = *found ? nullptr : reinterpret_cast<void *>(cuTensorMapEncodeTiled);
    return note(emulated_next_call());
}

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = emulated_device.absent ? 0 : 1;
    return emulated_device.absent ? cudaErrorNoDevice : note(emulated_next_call());
}

cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *attributes, const void *kernel)
{
    *attributes = {};
    attributes->sharedSizeBytes = is_hopper() && !emulated_device.hopper_plain ? SHARED_BYTES : 0;
    (void)kernel;
    return note(emulated_device.older ? cudaErrorNoKernelImageForDevice : emulated_next_call());
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    (void)flags;
    *stream = &streams[stream_count++ % 2];
    return note(emulated_next_call());
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    (void)stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    const cudaError_t error = emulated_next_call();
    return note(error ? error : emulated_is_captured(stream) ? emulated_end_capture() : cudaSuccess);
}

cudaError_t cudaMalloc(void **out, size_t bytes)
{
    const size_t size = (bytes + 4095) / 4096 * 4096;
    cudaError_t error = emulated_next_call();
    if (!error)
        error = emulated_end_capture();
    if (error)
        return note(error);
    if (!memory)
        memory = static_cast<char *>(
            mmap(nullptr, MEMORY_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (memory_used > memory_size() || size > memory_size() - memory_used)
        return note(cudaErrorMemoryAllocation);
    *out = memory + memory_used;
    pieces[memory + memory_used] = {bytes, size};
    memory_used += size;
    emulated_begin();
    memset(*out, 0xff,
           bytes < RUBBISH_BYTES_MAX ? bytes : RUBBISH_BYTES_MAX); /* pages that were touched make mprotect slow */
    emulated_end();
    return cudaSuccess;
}

/* Its pages go back, which keeps mprotect fast, and what lies behind the last piece is given out again. */
cudaError_t cudaFree(void *piece)
{
    const auto found = pieces.find(static_cast<char *>(piece));
    if (!piece)
        return cudaSuccess;
    if (emulated_end_capture())
        return note(cudaErrorStreamCaptureUnsupported);
    if (found == pieces.end() || madvise(piece, found->second.room, MADV_DONTNEED) != 0)
        return note(cudaErrorInvalidValue);
    pieces.erase(found);
    memory_used =
        pieces.empty() ? 0 : static_cast<size_t>(pieces.rbegin()->first - memory) + pieces.rbegin()->second.room;
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *all_bytes)
{
    *all_bytes = memory_size();
    *free_bytes = *all_bytes > memory_used ? *all_bytes - memory_used : 0;
    return note(emulated_next_call());
}

cudaError_t cudaMallocHost(void **out, size_t bytes)
{
    const cudaError_t error = emulated_next_call();
    *out = error ? nullptr : malloc(bytes);
    return note(error);
}

cudaError_t cudaFreeHost(void *pinned)
{
    free(pinned);
    return cudaSuccess;
}

/* To the host or from there only when it is called: no memory here is pinned as a graph wants it. */
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    const Copy copy = {to, from, bytes};
    cudaError_t error = emulated_next_call();
    (void)kind;
    if (emulated_is_captured(stream) && (!emulated_is_device(to, bytes) || !emulated_is_device(from, bytes)))
        error = emulated_end_capture();
    const cudaError_t submitted = error ? error : emulated_submit(stream, run_copy, &copy, sizeof copy);
    return note(submitted);
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream)
{
    const Fill fill = {to, value, bytes};
    const cudaError_t error = emulated_next_call();
    return note(error ? error : emulated_submit(stream, run_fill, &fill, sizeof fill));
}

cudaError_t cudaGetLastError(void)
{
    const cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}

const char *cudaGetErrorString(cudaError_t error)
{
    return error == cudaSuccess                 ? "no error"
           : error == cudaErrorMemoryAllocation ? "out of memory"
           : error == cudaErrorNoDevice         ? "no CUDA-capable device is detected"
                                                : "an emulated failure";
}

} // extern "C"
