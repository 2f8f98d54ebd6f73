#include "train/cuda/cuda_context.h"

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "train/cuda/cuda_blas.h"
#include "train/cuda/cuda_dnn.h"
#include "train/cuda/cuda_probe.h"
#include "train/cuda/cuda_tensor_map.h"
#include "train/cuda/cuda_workspace.h"

#include <string.h>

void cuda_note(struct op_context *context, cudaError_t error, const char *what)
{
    if (error == cudaSuccess || context->error)
        return;
    context->error = error;
    context->failed = what;
}

static q_status fail_cuda(cudaError_t error, const char *what)
{
    return q_fail(error == cudaErrorMemoryAllocation ? Q_ERR_MEMORY : Q_ERR_SYSTEM, "the GPU: %s: %s", what,
                  cudaGetErrorString(error));
}

/* No room for so many bytes, or an earlier failure that the device tells of only now. */
static q_status fail_room(struct op_context *context, cudaError_t error, size_t bytes, const char *what)
{
    if (error != cudaErrorMemoryAllocation) {
        cuda_note(context, error, what);
        return fail_cuda(error, what);
    }
    (void)cudaGetLastError(); /* it does not stick */
    return q_fail(Q_ERR_MEMORY, "the GPU has no %zu MiB left for %s", (bytes >> 20) + 1, what);
}

static q_status find_device(void)
{
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error || count == 0)
        return q_fail(Q_ERR_SYSTEM, "there is no GPU to train on: %s; choose the backend 'cpu'",
                      cudaGetErrorString(error ? error : cudaErrorNoDevice));
    return Q_OK;
}

static cudaError_t find_capability(int *major, int *minor)
{
    const cudaError_t error = cudaDeviceGetAttribute(major, cudaDevAttrComputeCapabilityMajor, 0);
    return error ? error : cudaDeviceGetAttribute(minor, cudaDevAttrComputeCapabilityMinor, 0);
}

/* Whether this build has code for it, and whether that is Hopper's. */
static q_status check_architecture(bool *hopper)
{
    int major = 0, minor = 0;
    cudaError_t error = cuda_find_code(hopper);
    if (error == cudaSuccess)
        return Q_OK;
    if (error != cudaErrorNoKernelImageForDevice && error != cudaErrorInvalidDeviceFunction)
        return fail_cuda(error, "its code");
    if ((error = find_capability(&major, &minor)))
        return fail_cuda(error, "its compute capability");
    return q_fail(Q_ERR_SYSTEM,
                  "the GPU has compute capability %d.%d, and this quern has code for " QUERN_CUDA_ARCHITECTURES
                  " alone; build it with that one in QUERN_CUDA_ARCHITECTURES (8.0 is the least), name another GPU in "
                  "CUDA_VISIBLE_DEVICES, or choose the backend 'cpu'",
                  major, minor);
}

static void context_release(struct op_context *context)
{
    if (!context)
        return;
    if (context->stream)
        (void)cudaStreamSynchronize(context->stream);
    for (size_t i = 0; i < OP_MARKS; i++)
        if (context->marks[i])
            (void)cudaEventDestroy(context->marks[i]);
    cuda_graphs_forget(context);
    cuda_blas_release(context->blas);
    cuda_dnn_release(context->dnn);
    (void)cudaFree(context->workspace);
    (void)cudaFreeHost(context->host);
    if (context->stream)
        (void)cudaStreamDestroy(context->stream);
    q_release(context);
}

/* What kernels are chosen by. */
static cudaError_t look_at_device(struct op_context *context, bool hopper)
{
    int count = 0, shared = 0;
    cudaError_t error = cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, 0);
    if (!error)
        error = cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0);
    if (!error && hopper)
        error = cuda_tensor_map_load(&context->encode_tiled);
    context->multiprocessors = (unsigned)count;
    context->shared_max = (size_t)shared;
    return error;
}

static q_status open_device(struct op_context *context)
{
    void *host = NULL;
    bool hopper = false;
    Q_TRY(find_device());
    Q_TRY(check_architecture(&hopper));
    cudaError_t error = look_at_device(context, hopper);
    if (error)
        return fail_cuda(error, "its properties");
    error = cudaStreamCreateWithFlags(&context->stream, cudaStreamNonBlocking);
    if (error)
        return fail_cuda(error, "a stream");
    if ((error = cudaMallocHost(&host, sizeof *context->host)))
        return fail_cuda(error, "pinned memory");
    context->host = host;
    return cuda_blas_create(context->deterministic, &context->blas);
}

static q_status create(size_t real_bytes, bool dnn, bool deterministic, struct op_context **out)
{
    struct op_context *context;
    Q_TRY(q_alloc_zero(1, sizeof *context, &context));
    context->real_bytes = real_bytes;
    context->deterministic = deterministic;
    q_status status = cuda_ways_read(&context->ways);
    if (!status)
        status = open_device(context);
    if (!status && dnn)
        status = cuda_dnn_create(context->stream, deterministic, &context->dnn);
    if (status) {
        context_release(context);
        return status;
    }
    if (context->ways.left_out)
        q_log_warning("QUERN_CUDA_WITHOUT leaves out %s: results may have other bits than without it",
                      context->ways.taken.left_out);
    *out = context;
    return Q_OK;
}

/* One for each table. */
#define CREATE(table, real_bytes, dnn, deterministic)                                                                  \
    static q_status create_##table(struct q_pool *pool, struct op_context **out)                                       \
    {                                                                                                                  \
        (void)pool;                                                                                                    \
        return create(real_bytes, dnn, deterministic, out);                                                            \
    }

CREATE(fp32, sizeof(float), false, true)
CREATE(bf16, sizeof(uint16_t), false, true)
CREATE(dnn_bf16, sizeof(uint16_t), true, true)
CREATE(fp32_nondeterministic, sizeof(float), false, false)
CREATE(bf16_nondeterministic, sizeof(uint16_t), false, false)
CREATE(dnn_bf16_nondeterministic, sizeof(uint16_t), true, false)

static q_status reserve(struct op_context *context, const struct op_limits *limits)
{
    void *workspace = NULL;
    Q_TRY(cuda_limits_check(limits));
    const size_t bytes =
        cuda_workspace_bytes(limits, context->real_bytes, context->dnn != NULL, context->deterministic);
    cuda_graphs_forget(context);
    (void)cudaFree(context->workspace);
    context->workspace = NULL;
    context->workspace_size = 0;
    const cudaError_t error = cudaMalloc(&workspace, bytes);
    if (error)
        return fail_room(context, error, bytes, "the workspace");
    context->workspace = workspace;
    context->workspace_size = bytes;
    return Q_OK;
}

static size_t workspace_bytes(const struct op_context *context)
{
    return context->workspace_size;
}

void *cuda_take(struct op_context *context, size_t *offset, size_t count, size_t element_bytes)
{
    const size_t first = *offset, bytes = cuda_workspace_piece(count, element_bytes);
    q_check(bytes <= context->workspace_size && first <= context->workspace_size - bytes);
    *offset = first + bytes;
    return context->workspace + first;
}

static q_status memory_create(struct op_context *context, size_t bytes, void *out_pointer)
{
    void *memory = NULL;
    cudaError_t error = cudaMalloc(&memory, Q_MAX(bytes, (size_t)1));
    if (error)
        return fail_room(context, error, bytes, "tensors");
    error = cudaMemsetAsync(memory, 0, bytes, context->stream);
    if (!error)
        error = cudaStreamSynchronize(context->stream); /* another context may write to it first */
    if (error) {
        (void)cudaFree(memory);
        return fail_cuda(error, "zeros");
    }
    memcpy(out_pointer, &memory, sizeof memory);
    return Q_OK;
}

static void memory_release(struct op_context *context, void *memory)
{
    if (!memory) /* an outline has neither memory nor a context */
        return;
    cuda_graphs_forget(context);
    cuda_note(context, cudaFree(memory), "release of memory");
}

static q_status memory_room(struct op_context *context, size_t *free_bytes, size_t *all_bytes)
{
    (void)context;
    const cudaError_t error = cudaMemGetInfo(free_bytes, all_bytes);
    return error ? fail_cuda(error, "its free memory") : Q_OK;
}

static void copy_in(struct op_context *context, void *to, const void *host, size_t bytes)
{
    if (context->error || bytes == 0)
        return;
    cuda_note(context, cudaMemcpyAsync(to, host, bytes, cudaMemcpyDefault, context->stream), "copy to the GPU");
    cuda_note(context, cudaStreamSynchronize(context->stream),
              "copy to the GPU"); /* the caller may write to `host` now */
}

static void copy_out(struct op_context *context, void *host, const void *from, size_t bytes)
{
    if (context->error || bytes == 0)
        return;
    cuda_note(context, cudaMemcpyAsync(host, from, bytes, cudaMemcpyDefault, context->stream), "copy from the GPU");
    cuda_note(context, cudaStreamSynchronize(context->stream), "copy from the GPU");
}

static void zero(struct op_context *context, void *memory, size_t bytes)
{
    if (!context->error && bytes > 0)
        cuda_note(context, cudaMemsetAsync(memory, 0, bytes, context->stream), "zeros");
}

static q_status synchronize(struct op_context *context)
{
    if (!context->error)
        cuda_note(context, cudaStreamSynchronize(context->stream), "synchronize");
    return context->error ? fail_cuda(context->error, context->failed) : Q_OK;
}

static const struct op_ways *ways(const struct op_context *context)
{
    return &context->ways.taken;
}

static void mark(struct op_context *context, size_t i)
{
    q_check(i < OP_MARKS);
    if (context->capturing) /* it would be an edge of the graph, and never be made */
        cuda_note(context, cudaErrorStreamCaptureUnsupported, "a mark");
    if (!context->error && !context->marks[i])
        cuda_note(context, cudaEventCreate(&context->marks[i]), "a mark");
    if (!context->error)
        cuda_note(context, cudaEventRecord(context->marks[i], context->stream), "a mark");
}

static double mark_seconds(struct op_context *context, size_t from, size_t to)
{
    float milliseconds = 0;
    q_check(from < OP_MARKS && to < OP_MARKS);
    if (!context->error)
        cuda_note(context, cudaEventSynchronize(context->marks[to]), "a mark");
    if (!context->error)
        cuda_note(context, cudaEventElapsedTime(&milliseconds, context->marks[from], context->marks[to]), "a mark");
    return 1e-3 * (double)milliseconds;
}

void cuda_context_install(struct op_table *table, size_t real_bytes)
{
    const bool narrow = real_bytes == sizeof(uint16_t);
    table->ways = ways;
    table->create = narrow ? create_bf16 : create_fp32;
    table->release = context_release;
    table->reserve = reserve;
    table->workspace_bytes = workspace_bytes;
    table->workspace_plan = cuda_table_outline(OP_CUDA, narrow ? OP_BF16 : OP_FP32, true)->workspace_plan;
    table->memory_create = memory_create;
    table->memory_release = memory_release;
    table->memory_room = memory_room;
    table->copy_in = copy_in;
    table->copy_out = copy_out;
    table->zero = zero;
    table->synchronize = synchronize;
    table->mark = mark;
    table->mark_seconds = mark_seconds;
    table->repeat = cuda_repeat;
}

void cuda_context_install_dnn(struct op_table *table)
{
    table->create = create_dnn_bf16;
    table->workspace_plan = cuda_table_outline(OP_CUDA_DNN, OP_BF16, true)->workspace_plan;
}

void cuda_context_install_nondeterministic(struct op_table *table)
{
    const bool dnn = table->create == create_dnn_bf16, narrow = table->real_bytes == sizeof(uint16_t);
    const struct op_table *outline = cuda_table_outline(dnn ? OP_CUDA_DNN : OP_CUDA, narrow ? OP_BF16 : OP_FP32, false);
    table->name = outline->name;
    table->nondeterministic = true;
    table->workspace_plan = outline->workspace_plan;
    table->create = dnn      ? create_dnn_bf16_nondeterministic
                    : narrow ? create_bf16_nondeterministic
                             : create_fp32_nondeterministic;
}
