#include "cuda.h"
#include "cuda_runtime.h"
#include "emulated_threads.h"

#include "train/bfloat16.h"

#include <cstring>
#include <deque>
#include <vector>

namespace
{

enum { WARPGROUP = 128, LANES = 32, DEPTH = 16, QUAD = 4, BOX_BYTES = 128, NAMES = 16, ARRIVALS_MAX = 1 << 20 };

/* PTX ISA, "mbarrier": 8 bytes in shared memory. */
struct Barrier {
    uint16_t arrivals, pending;
    uint32_t phase : 1;
    int32_t bytes : 31; /* told of and not there yet: below 2^20 */
};
static_assert(sizeof(Barrier) == 8, "as CUDA's");

/* To a block of the cluster, asked for by one, which may be another. */
struct Load {
    uint32_t to, barrier;
    unsigned block, by;
    CUtensorMap map;
    int at[3];
    const void *from; /* of `bytes` that lie one after the other, without a map; else NULL */
    uint32_t bytes;
};

struct Product {
    float *d;
    uint64_t a, b;
    bool mn_a, mn_b;
    unsigned columns;
    bool add;
    const uint32_t *left[QUAD]; /* A in registers, of the four lanes that have this thread's rows; else NULL */
};

/* Of a thread: products that are not in a group yet, and the groups under way; those that were computed at once are not in them. */
struct Products {
    bool fenced;
    std::vector<Product> open;
    std::deque<std::vector<Product>> groups;
};

struct Name {
    unsigned come, turn;
};

std::vector<Load> loads;
std::vector<uint32_t> arrivals; /* at barriers of other blocks, on their way there */
unsigned waiting, turn;         /* threads that wait for products; how often such have been let go */
Products products[EMULATED_THREADS_MAX];
Name names[EMULATED_CLUSTER_MAX][NAMES], cluster_name;
unsigned thread_count;

/* What is at an address of this block, as an address of the cluster's. */
uint32_t in_block(uint32_t address, unsigned block)
{
    if (address >> EMULATED_BLOCK_SHIFT)
        emulated_die("an address of the cluster's where one of the block's is wanted");
    return address | (block + 1) << EMULATED_BLOCK_SHIFT;
}

Barrier *barrier_at(uint32_t address)
{
    if (address % sizeof(Barrier))
        emulated_die("an mbarrier that is not aligned");
    return reinterpret_cast<Barrier *>(emulated_shared_at(address, sizeof(Barrier)));
}

/* Of the address, bits 4 to 6 by bits 7 to 9 (PTX ISA, "Swizzling Modes"). */
uint32_t swizzle(uint32_t address)
{
    return address ^ ((address >> 7 & 7) << 4);
}

void end_phase(Barrier *barrier)
{
    if (barrier->pending || barrier->bytes)
        return;
    barrier->phase = ~barrier->phase & 1U;
    barrier->pending = barrier->arrivals;
}

/* An element of the tensor, or zero outside of it. */
uint16_t element(const CUtensorMap &map, const int64_t at[3])
{
    for (int i = 0; i < 3; i++)
        if (at[i] < 0 || static_cast<uint64_t>(at[i]) >= map.size[i])
            return 0;
    const char *row = reinterpret_cast<const char *>(map.base) + static_cast<uint64_t>(at[1]) * map.stride[0] +
                      static_cast<uint64_t>(at[2]) * map.stride[1];
    return reinterpret_cast<const uint16_t *>(row)[at[0]];
}

/* The load's bytes are there. Another block's may come before the barrier is told of them: it cannot be over without its own thread's arrival. */
void arrive(const Load &load, uint32_t bytes)
{
    Barrier *barrier = barrier_at(in_block(load.barrier, load.block));
    barrier->bytes -= static_cast<int32_t>(bytes);
    if (barrier->bytes < 0 && (load.block == load.by || barrier->pending == 0))
        emulated_die("TMA brings bytes that its mbarrier was not told of");
    end_phase(barrier);
}

void perform(const Load &load)
{
    const uint32_t to = in_block(load.to, load.block);
    if (emulated_block_has_ended(load.block))
        emulated_die("TMA brings bytes to a block that has ended");
    if (load.from) {
        memcpy(emulated_shared_at(to, load.bytes), load.from, load.bytes);
        arrive(load, load.bytes);
        return;
    }
    const uint32_t width = load.map.box[0], rows = load.map.box[1] * load.map.box[2];
    for (uint32_t row = 0; row < rows; row++)
        for (uint32_t x = 0; x < width; x++) {
            const int64_t at[3] = {load.at[0] + static_cast<int64_t>(x),
                                   load.at[1] + static_cast<int64_t>(row % load.map.box[1]),
                                   load.at[2] + static_cast<int64_t>(row / load.map.box[1])};
            const uint16_t number = element(load.map, at);
            memcpy(emulated_shared_at(swizzle(to + row * BOX_BYTES + x * 2), sizeof number), &number, sizeof number);
        }
    arrive(load, rows * width * 2);
}

/* At once, or later, in any order. */
void begin(const Load &load)
{
    if (emulated_is_backwards())
        loads.push_back(load);
    else
        perform(load);
}

/* An operand's numbers (i, p) to (i, p + 7), p a multiple of 8, of one that is MN-major (i, p) to (i + 7, p), i a multiple: eight, side by side. See
 * train/cuda/cuda_wgmma.cuh. */
const uint16_t *eight_at(uint64_t descriptor, bool mn_major, uint32_t i, uint32_t p)
{
    const uint32_t start = (descriptor & 0x3fff) << 4, leading = (descriptor >> 16 & 0x3fff) << 4,
                   stride = (descriptor >> 32 & 0x3fff) << 4;
    const uint32_t at = mn_major ? i / 64 * leading + i % 64 * 2 + p / 8 * stride + p % 8 * BOX_BYTES
                                 : i / 8 * stride + i % 8 * BOX_BYTES + p * 2;
    return reinterpret_cast<const uint16_t *>(emulated_shared_at(swizzle(start + at), 8 * sizeof(uint16_t)));
}

/* Its numbers of line i. */
void line_of(uint64_t descriptor, bool mn_major, uint32_t i, float line[DEPTH])
{
    if (mn_major)
        for (unsigned p = 0; p < DEPTH; p++)
            line[p] = bfloat16_to_float(eight_at(descriptor, true, i - i % 8, p)[i % 8]);
    else
        for (unsigned half = 0; half < 2; half++) {
            const uint16_t *eight = eight_at(descriptor, false, i, half * 8);
            for (unsigned k = 0; k < 8; k++)
                line[half * 8 + k] = bfloat16_to_float(eight[k]);
        }
}

/* A's row of this thread, or the one 8 further: see train/cuda/cuda_wgmma.cuh. */
void row_of(const Product &product, unsigned half, float row[DEPTH])
{
    const unsigned thread = emulated_thread() % WARPGROUP;
    if (!product.left[0])
        line_of(product.a, product.mn_a, thread / LANES * 16 + thread % LANES / QUAD + half * 8, row);
    for (unsigned p = 0; product.left[0] && p < DEPTH; p++)
        row[p] = bfloat16_to_float(static_cast<uint16_t>(product.left[p % 8 / 2][half + p / 8 * 2] >> 16 * (p % 2)));
}

typedef float Four __attribute__((vector_size(16)));

/* This thread's sums of a product. */
void perform(const Product &product)
{
    float a[2][DEPTH], b[2][DEPTH];
    row_of(product, 0, a[0]);
    row_of(product, 1, a[1]);
    for (unsigned column = emulated_thread() % QUAD * 2; column < product.columns; column += 8) {
        float *sums = product.d + column / 8 * 4; /* two columns of a row, then of the one 8 further */
        line_of(product.b, product.mn_b, column, b[0]);
        line_of(product.b, product.mn_b, column + 1, b[1]);
        Four sum = {};
        if (product.add)
            memcpy(&sum, sums, sizeof sum);
        for (unsigned p = 0; p < DEPTH; p++)
            sum += Four{a[0][p], a[0][p], a[1][p], a[1][p]} * Four{b[0][p], b[1][p], b[0][p], b[1][p]};
        memcpy(sums, &sum, sizeof sum);
    }
}

void check_descriptor(uint64_t descriptor)
{
    if (descriptor >> 62 != 1 || (descriptor >> 49 & 7) != 0 || (descriptor & 0x3fff) == 0)
        emulated_die("a descriptor that is not swizzled by 128 bytes from an atom's beginning");
}

/* A product is issued. */
void issue(const Product &product)
{
    Products &mine = products[emulated_thread()];
    if (!product.left[0])
        check_descriptor(product.a);
    check_descriptor(product.b);
    if (!mine.fenced)
        emulated_die("a product without a fence before it");
    emulated_device.products++;
    if (emulated_is_backwards())
        perform(product);
    else
        mine.open.push_back(product);
}

bool is_over(const void *what)
{
    const uint32_t *barrier = static_cast<const uint32_t *>(what); /* its address, and a parity */
    return barrier_at(barrier[0])->phase != barrier[1];
}

bool is_let(const void *what)
{
    return turn != *static_cast<const unsigned *>(what);
}

bool is_complete(const void *what)
{
    const unsigned *name =
        static_cast<const unsigned *>(what); /* its block and number, and the turn that is waited for */
    return names[name[0]][name[1]].turn != name[2];
}

bool cluster_is_complete(const void *what)
{
    return cluster_name.turn != *static_cast<const unsigned *>(what);
}

/* As late as may be: an arrival is there when somebody waits for it, not when it is sent. */
void arrive_late(void)
{
    const uint32_t barrier = arrivals.back();
    arrivals.pop_back();
    if (emulated_block_has_ended((barrier >> EMULATED_BLOCK_SHIFT) - 1))
        emulated_die("an arrival at an mbarrier of a block that has ended");
    emulated_mbarrier_arrive(barrier, 0);
}

} // namespace

void emulated_hopper_begin(unsigned threads)
{
    memset(names, 0, sizeof names);
    cluster_name = {0, 0};
    thread_count = threads;
    for (unsigned i = 0; i < threads; i++)
        products[i].fenced = false;
}

void emulated_hopper_end(unsigned threads)
{
    if (!loads.empty())
        emulated_die("the block has ended before TMA");
    if (!arrivals.empty())
        emulated_die("the block has ended before an arrival at its mbarrier");
    for (unsigned i = 0; i < threads; i++)
        if (!products[i].open.empty() || !products[i].groups.empty())
            emulated_die("the block has ended before its products");
}

bool emulated_hopper_go_on(void)
{
    if (!arrivals.empty()) {
        arrive_late();
        return true;
    }
    if (loads.empty()) {
        const bool any = waiting > 0;
        waiting = 0;
        turn += any;
        return any;
    }
    const Load load = loads.back(); /* they may come in any order */
    loads.pop_back();
    perform(load);
    return true;
}

extern "C" {

/* CUDA Driver API, cuTensorMapEncodeTiled: what it says must hold. */
CUresult cuTensorMapEncodeTiled(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank, void *base,
                                const cuuint64_t *size, const cuuint64_t *stride, const cuuint32_t *box,
                                const cuuint32_t *element_stride, CUtensorMapInterleave interleave,
                                CUtensorMapSwizzle swizzling, CUtensorMapL2promotion promotion,
                                CUtensorMapFloatOOBfill fill)
{
    (void)type, (void)interleave, (void)swizzling, (void)promotion, (void)fill;
    bool good = rank == 3 && reinterpret_cast<uintptr_t>(base) % 16 == 0 && box[0] * 2 == BOX_BYTES;
    *map = {static_cast<const uint16_t *>(base), {size[0], size[1], size[2]}, {stride[0], stride[1]}, {}};
    for (int i = 0; i < 3; i++) {
        good = good && size[i] > 0 && size[i] <= 1ULL << 32 && box[i] > 0 && box[i] <= 256 && element_stride[i] == 1;
        map->box[i] = box[i];
    }
    for (int i = 0; i < 2; i++)
        good = good && stride[i] % 16 == 0 && stride[i] < 1ULL << 40;
    return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

void emulated_mbarrier_init(uint32_t address, unsigned arrivals)
{
    const uint16_t count = static_cast<uint16_t>(arrivals);
    *barrier_at(address) = {count, count, 0, 0};
}

void emulated_mbarrier_arrive(uint32_t address, unsigned bytes)
{
    Barrier *barrier = barrier_at(address);
    if (barrier->pending == 0 || barrier->pending > barrier->arrivals || barrier->arrivals > EMULATED_THREADS_MAX ||
        bytes >= ARRIVALS_MAX)
        emulated_die("more has arrived at an mbarrier than it was made for, or it was not made");
    barrier->pending--;
    barrier->bytes += static_cast<int32_t>(bytes);
    end_phase(barrier);
}

void emulated_mbarrier_arrive_at(uint32_t address, unsigned block)
{
    if (block == emulated_block())
        emulated_mbarrier_arrive(address, 0);
    else
        arrivals.push_back(in_block(address, block));
}

void emulated_mbarrier_wait(uint32_t address, unsigned parity)
{
    const uint32_t what[2] = {in_block(address, emulated_block()), parity};
    if (!is_over(what))
        emulated_wait_until(is_over, what);
}

void emulated_tensor_load(uint32_t to, const CUtensorMap *map, int x, int y, int z, uint32_t barrier)
{
    emulated_tensor_load_to(to, map, x, y, z, barrier, 1U << emulated_block());
}

void emulated_tensor_load_to(uint32_t to, const CUtensorMap *map, int x, int y, int z, uint32_t barrier,
                             unsigned blocks)
{
    if (to % BOX_BYTES)
        emulated_die("TMA wants multiples of 128 bytes");
    for (unsigned block = 0; block < EMULATED_CLUSTER_MAX; block++)
        if (blocks >> block & 1)
            begin({to, barrier, block, emulated_block(), *map, {x, y, z}, nullptr, 0});
}

void emulated_bulk_load(uint32_t to, const void *from, unsigned bytes, uint32_t barrier)
{
    if ((to | reinterpret_cast<uintptr_t>(from) | bytes) % 16)
        emulated_die("TMA wants multiples of 16 bytes");
    begin({to, barrier, emulated_block(), emulated_block(), {}, {}, from, bytes});
}

void emulated_named_barrier(unsigned number, unsigned count)
{
    Name *name = &names[emulated_block()][number];
    const unsigned what[3] = {emulated_block(), number, name->turn};
    if (++name->come < count) {
        emulated_wait_until(is_complete, what);
        return;
    }
    name->come = 0;
    name->turn++;
}

void emulated_cluster_barrier(void)
{
    const unsigned now = cluster_name.turn;
    if (++cluster_name.come < thread_count) {
        emulated_wait_until(cluster_is_complete, &now);
        return;
    }
    cluster_name.come = 0;
    cluster_name.turn++;
}

void emulated_wgmma_fence(void)
{
    products[emulated_thread()].fenced = true;
}

void emulated_wgmma(float *d, uint64_t a, uint64_t b, bool mn_a, bool mn_b)
{
    issue({d, a, b, mn_a, mn_b, 256, true, {}});
}

void emulated_wgmma_shared(float *d, uint64_t a, uint64_t b, unsigned columns, bool add)
{
    issue({d, a, b, false, false, columns, add, {}});
}

void emulated_wgmma_registers(float *d, const uint32_t *a, uint64_t b, unsigned columns)
{
    static const uint32_t *given[EMULATED_THREADS_MAX];
    const unsigned first = emulated_thread() / QUAD * QUAD;
    given[emulated_thread()] = a;
    __syncwarp(); /* lanes of a warp issue together */
    issue({d, 0, b, false, true, columns, true, {given[first], given[first + 1], given[first + 2], given[first + 3]}});
    __syncwarp();
}

void emulated_wgmma_commit(void)
{
    Products &mine = products[emulated_thread()];
    mine.groups.push_back(std::move(mine.open));
    mine.open.clear();
    mine.fenced = false;
}

void emulated_wgmma_wait(unsigned groups)
{
    Products &mine = products[emulated_thread()];
    const unsigned now = turn;
    if (mine.groups.size() > groups && !emulated_is_backwards()) {
        waiting++;
        emulated_wait_until(is_let, &now);
    }
    while (mine.groups.size() > groups) {
        for (const Product &each : mine.groups.front())
            perform(each);
        mine.groups.pop_front();
    }
    __syncwarp(); /* lanes of a warp wait together */
}

} // extern "C"
