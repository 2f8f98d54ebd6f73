#include "train/cuda/cuda_workspace.h"

#include "base/check.h"
#include "train/cuda/cuda_dnn_plan.h"
#include "train/cuda/cuda_plan.h"

size_t cuda_workspace_piece(size_t count, size_t element_bytes)
{
    return (size_t)q_ceil_div(count * element_bytes, 256) * 256;
}

size_t cuda_route_chunks(size_t slots)
{
    return (size_t)q_ceil_div(slots, CUDA_ROUTE_SLOTS);
}

/* Twice the experts (cuda_topk.cuh), and twice key and value (op_attention_backward). */
q_status cuda_limits_check(const struct op_limits *limits)
{
    const size_t room = CUDA_SHARED_BYTES / sizeof(float) / 2, head = limits->nope + limits->rope + limits->v;
    if (limits->experts > room)
        return q_fail(Q_ERR_USAGE, "the GPU's router has room for %zu experts, not for %zu; choose the backend 'cpu'",
                      room, limits->experts);
    if (head > room)
        return q_fail(Q_ERR_USAGE,
                      "the GPU's attention has room for heads whose key and value have %zu numbers together, not %zu; "
                      "choose the backend 'cpu'",
                      room, head);
    return Q_OK;
}

/* First place of each id (op_embedding). */
static size_t embedding(const struct op_limits *l)
{
    return cuda_workspace_piece(l->vocabulary, sizeof(int32_t));
}

/* Sums of columns, by chunks of rows (op_rmsnorm). */
static size_t rmsnorm(const struct op_limits *l)
{
    return cuda_workspace_piece(CUDA_CHUNKS_MAX * l->width, sizeof(float));
}

/* cuBLASLt's own, and a wide matrix as three of BF16 beside three times the other one (op_matmul). */
static size_t matmul(const struct op_limits *l, size_t real_bytes)
{
    const size_t wide = real_bytes < sizeof(float) ? 3 * real_bytes * l->experts : 0;
    return CUDA_BLAS_WORKSPACE + cuda_workspace_piece(l->batch * l->sequence, wide) +
           cuda_workspace_piece(l->width, wide);
}

/* What is known of each query, and the heads' parts of the shared key (op_attention_backward). */
static size_t attention(const struct op_limits *l)
{
    const size_t rows = l->batch * l->sequence * l->heads;
    return cuda_workspace_piece(cuda_attention_sums(l->batch, l->heads, l->sequence), sizeof(float)) +
           cuda_workspace_piece(rows * l->rope, sizeof(float));
}

/* Sums and counts of sequences and of tokens (op_balance). */
static size_t balance(const struct op_limits *l)
{
    return cuda_workspace_piece(l->batch * l->experts, sizeof(float)) +
           cuda_workspace_piece(l->batch * l->experts, sizeof(int32_t)) +
           cuda_workspace_piece(l->batch * l->sequence, sizeof(float));
}

/* How often each piece of slots has each expert (op_permutation). */
static size_t permutation(const struct op_limits *l)
{
    const size_t chunks = cuda_route_chunks(l->batch * l->sequence * l->top_k);
    return cuda_workspace_piece(chunks * l->experts, sizeof(int32_t));
}

/* cuBLASLt's, logits as FP32, and their gradient as reals where that is another type (op_cross_entropy). */
static size_t cross_entropy(const struct op_limits *l, size_t real_bytes)
{
    const size_t count = cuda_logits_max(l->batch * l->sequence, l->vocabulary, real_bytes);
    return CUDA_BLAS_WORKSPACE + cuda_workspace_piece(count, sizeof(float)) +
           (real_bytes < sizeof(float) ? cuda_workspace_piece(count, real_bytes) : 0);
}

static size_t sum_squares(const struct op_limits *l)
{
    return cuda_workspace_piece((size_t)q_ceil_div(l->parameters, CUDA_SUM_ITEMS) + 1, sizeof(double));
}

size_t cuda_workspace_bytes(const struct op_limits *limits, size_t real_bytes, bool dnn, bool deterministic)
{
    const size_t each[] = {
        embedding(limits), rmsnorm(limits),     matmul(limits, real_bytes), attention(limits),
        balance(limits),   permutation(limits), sum_squares(limits),        cross_entropy(limits, real_bytes)};
    size_t bytes = dnn ? cuda_dnn_workspace(limits, deterministic) : 0;
    for (size_t i = 0; i < Q_COUNT_OF(each); i++)
        bytes = Q_MAX(bytes, each[i]);
    return bytes;
}

static size_t plan_fp32(const struct op_limits *limits, unsigned threads)
{
    (void)threads;
    return cuda_workspace_bytes(limits, sizeof(float), false, true);
}

static size_t plan_bf16(const struct op_limits *limits, unsigned threads)
{
    (void)threads;
    return cuda_workspace_bytes(limits, sizeof(uint16_t), false, true);
}

static size_t plan_dnn_bf16(const struct op_limits *limits, unsigned threads)
{
    (void)threads;
    return cuda_workspace_bytes(limits, sizeof(uint16_t), true, true);
}

static size_t plan_dnn_bf16_nondeterministic(const struct op_limits *limits, unsigned threads)
{
    (void)threads;
    return cuda_workspace_bytes(limits, sizeof(uint16_t), true, false);
}

/* Of each kind the deterministic one first. */
#define OUTLINES(title, bytes, plan, other_plan)                                                                       \
    {                                                                                                                  \
        {.name = title, .real_bytes = bytes, .workspace_plan = plan},                                                  \
        {                                                                                                              \
            .name = title "-nondeterministic", .real_bytes = bytes, .nondeterministic = true,                          \
            .workspace_plan = other_plan                                                                               \
        }                                                                                                              \
    }

const struct op_table *cuda_table_outline(enum op_device device, enum op_precision precision, bool deterministic)
{
    static const struct op_table fp32[] = OUTLINES("cuda", sizeof(float), plan_fp32, plan_fp32),
                                 bf16[] = OUTLINES("cuda-bf16", sizeof(uint16_t), plan_bf16, plan_bf16),
                                 dnn_bf16[] = OUTLINES("cuda-dnn-bf16", sizeof(uint16_t), plan_dnn_bf16,
                                                       plan_dnn_bf16_nondeterministic);
    const struct op_table *kind = precision == OP_FP32 ? fp32 : device == OP_CUDA_DNN ? dnn_bf16 : bf16;
    return &kind[!deterministic];
}
