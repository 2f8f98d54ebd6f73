/* The tables of the CUDA backend: every file's operations. */
#include "train/cuda/cuda_context.h"
#include "train/cuda/cuda_ops.h"

#include <pthread.h>

#define CUDA_TABLE(precision, title, bytes)                                                                            \
    void cuda_table_##precision(struct op_table *table)                                                                \
    {                                                                                                                  \
        *table = (struct op_table){.name = title, .real_bytes = bytes, .rounds_factors = bytes < sizeof(float)};       \
        cuda_context_install(table, bytes);                                                                            \
        op_adamw_##precision(table);                                                                                   \
        op_attention_##precision(table);                                                                               \
        op_attention_backward_##precision(table);                                                                      \
        op_average_##precision(table);                                                                                 \
        op_balance_##precision(table);                                                                                 \
        op_cross_entropy_##precision(table);                                                                           \
        op_embedding_##precision(table);                                                                               \
        op_grouped_##precision(table);                                                                                 \
        op_matmul_##precision(table);                                                                                  \
        op_narrow_##precision(table);                                                                                  \
        op_permutation_##precision(table);                                                                             \
        op_rmsnorm_##precision(table);                                                                                 \
        op_rope_##precision(table);                                                                                    \
        op_router_##precision(table);                                                                                  \
        op_sum_squares_##precision(table);                                                                             \
        op_swiglu_##precision(table);                                                                                  \
    }

CUDA_TABLE(fp32, "cuda", sizeof(float))
CUDA_TABLE(bf16, "cuda-bf16", sizeof(uint16_t))

/* The same operations: attention asks its context for cuDNN. */
void cuda_table_dnn_bf16(struct op_table *table)
{
    cuda_table_bf16(table);
    table->name = "cuda-dnn-bf16";
    cuda_context_install_dnn(table);
}

enum { FP32, BF16, DNN_BF16, TABLES };

static struct op_table tables[TABLES], nondeterministic[TABLES];

static void fill_tables(void)
{
    cuda_table_fp32(&tables[FP32]);
    cuda_table_bf16(&tables[BF16]);
    cuda_table_dnn_bf16(&tables[DNN_BF16]);
    for (int i = 0; i < TABLES; i++) {
        nondeterministic[i] = tables[i];
        cuda_context_install_nondeterministic(&nondeterministic[i]);
    }
}

q_status cuda_table_find(enum op_device device, enum op_precision precision, bool deterministic,
                         const struct op_table **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, fill_tables);
    const int which = precision == OP_FP32 ? FP32 : device == OP_CUDA_DNN ? DNN_BF16 : BF16;
    *out = deterministic ? &tables[which] : &nondeterministic[which];
    return Q_OK;
}
