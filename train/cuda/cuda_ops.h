/* The files of operations: each fills in its entries of a table. A name without a precision is joined with one (cuda_device.cuh). */
#ifndef QUERN_TRAIN_CUDA_OPS_H
#define QUERN_TRAIN_CUDA_OPS_H

#include "train/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CUDA_OPS(precision)                                                                                            \
    void op_adamw_##precision(struct op_table *table);                                                                 \
    void op_attention_##precision(struct op_table *table);                                                             \
    void op_attention_backward_##precision(struct op_table *table);                                                    \
    void op_average_##precision(struct op_table *table);                                                               \
    void op_balance_##precision(struct op_table *table);                                                               \
    void op_cross_entropy_##precision(struct op_table *table);                                                         \
    void op_embedding_##precision(struct op_table *table);                                                             \
    void op_grouped_##precision(struct op_table *table);                                                               \
    void op_matmul_##precision(struct op_table *table);                                                                \
    void op_narrow_##precision(struct op_table *table);                                                                \
    void op_permutation_##precision(struct op_table *table);                                                           \
    void op_rmsnorm_##precision(struct op_table *table);                                                               \
    void op_rope_##precision(struct op_table *table);                                                                  \
    void op_router_##precision(struct op_table *table);                                                                \
    void op_sum_squares_##precision(struct op_table *table);                                                           \
    void op_swiglu_##precision(struct op_table *table);
CUDA_OPS(fp32)
CUDA_OPS(bf16)
#undef CUDA_OPS

/* op_grouped_hopper.cu, of BF16: true where the device and the shape suit, and the product is on its way. */
bool grouped_hopper(struct op_context *context, const struct op_grouped *product);

/* op_grouped_mma.cu, of BF16: likewise, on every GPU. */
bool grouped_mma(struct op_context *context, const struct op_grouped *product);

/* op_attention_hopper.cu, of BF16: likewise. */
bool attention_hopper(struct op_context *context, const struct op_attention *attention);

/* op_attention_backward_hopper.cu, of BF16: likewise, all but dk_rope, of which the heads' parts go to rotary[b, h, t]. `sums` has room for
 * cuda_attention_sums. */
bool attention_backward_hopper(struct op_context *context, const struct op_attention *attention, float *sums,
                               float *rotary);

/* op_attention_dnn.cu, of BF16: where the context has cuDNN, and that has a way for the shape on this device. */
bool attention_dnn(struct op_context *context, const struct op_attention *attention);
bool attention_backward_dnn(struct op_context *context, const struct op_attention *attention);

/* The tables "cuda", "cuda-bf16" and "cuda-dnn-bf16". */
void cuda_table_fp32(struct op_table *table);
void cuda_table_bf16(struct op_table *table);
void cuda_table_dnn_bf16(struct op_table *table);
/* One of these, or its twin whose libraries may add in any order ("cuda-nondeterministic" and so on), which stays: of a device but OP_CPU. Q_ERR_USAGE where
 * this build has no CUDA (cuda_none.c). */
q_status cuda_table_find(enum op_device device, enum op_precision precision, bool deterministic,
                         const struct op_table **out) Q_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
