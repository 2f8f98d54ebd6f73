/* adamw: blocks of each segment in parallel, all four arenas in one pass. It is step * (m / ...), not step * m / ...: m may be the smallest normal number, and
 * a product below it would take the processor a hundred cycles. */
#include "train/cpu/cpu_ops.h"
#include "train/cpu/cpu_real.h"

#include "base/check.h"

#include <float.h>

enum { BLOCK = 1 << 14 };

struct job {
    const struct op_adamw *adamw;
    const struct op_segment *segment;
    /* in floats, from the doubles of the call: keep = 1 - rate decay, step = rate / (1 - beta1^t), root = 1 / sqrt(1 - beta2^t) */
    float keep, step, root, beta1, beta2, rest1, rest2, epsilon, grad_scale;
};

/* Moments as FP32 and as BF16: the same code for both, compiled for each. */
static inline vec load_moments(const void *moments, size_t i, bool bf16)
{
    return bf16 ? vec_load_bf16((const uint16_t *)moments + i) : vec_load((const float *)moments + i);
}

static inline void store_moments(void *moments, size_t i, bool bf16, vec values)
{
    if (bf16)
        vec_store_bf16((uint16_t *)moments + i, vec_normal(values));
    else
        vec_store((float *)moments + i, vec_normal(values));
}

static inline float load_moment(const void *moments, size_t i, bool bf16)
{
    return bf16 ? bfloat16_to_float(((const uint16_t *)moments)[i]) : ((const float *)moments)[i];
}

static inline void store_moment(void *moments, size_t i, bool bf16, float value)
{
    value = fabsf(value) < FLT_MIN ? 0 : value;
    if (bf16)
        ((uint16_t *)moments)[i] = bfloat16_of_float(value);
    else
        ((float *)moments)[i] = value;
}

/* Gradients that were read become zero. */
static inline vec take_gradients(const struct op_adamw *a, size_t i)
{
    vec g;
    if (a->narrow) {
        g = real_load((real *)a->gradients + i);
        real_store((real *)a->gradients + i, vec_zero());
    } else {
        g = vec_load((float *)a->gradients + i);
        vec_store((float *)a->gradients + i, vec_zero());
    }
    return g;
}

static inline float take_gradient(const struct op_adamw *a, size_t i)
{
    const float g = cpu_gradient(a->gradients, a->narrow, i);
    if (a->narrow)
        ((real *)a->gradients)[i] = 0;
    else
        ((float *)a->gradients)[i] = 0;
    return g;
}

static inline void update_one(const struct job *job, size_t i, bool bf16)
{
    const struct op_adamw *a = job->adamw;
    const float gradient = take_gradient(a, i) * job->grad_scale;
    const float m = job->beta1 * load_moment(a->m, i, bf16) + job->rest1 * gradient;
    const float v = job->beta2 * load_moment(a->v, i, bf16) + job->rest2 * gradient * gradient;
    a->parameters[i] = a->parameters[i] * job->keep - job->step * (m / (sqrtf(v) * job->root + job->epsilon));
    store_moment(a->m, i, bf16, m);
    store_moment(a->v, i, bf16, v);
}

static inline void update_block(const struct job *job, size_t block, bool bf16)
{
    const struct op_adamw *a = job->adamw;
    size_t first = job->segment->start + block * BLOCK;
    size_t end = Q_MIN(first + BLOCK, job->segment->start + job->segment->count), i = first;
    vec keep = vec_set(job->keep), step = vec_set(job->step), root = vec_set(job->root),
        epsilon = vec_set(job->epsilon);
    vec beta1 = vec_set(job->beta1), beta2 = vec_set(job->beta2), rest1 = vec_set(job->rest1),
        rest2 = vec_set(job->rest2);
    vec scale = vec_set(job->grad_scale);
    for (; i + VEC_LANES <= end; i += VEC_LANES) {
        vec g = take_gradients(a, i) * scale;
        vec m = beta1 * load_moments(a->m, i, bf16) + rest1 * g;
        vec v = beta2 * load_moments(a->v, i, bf16) + rest2 * g * g;
        store_moments(a->m, i, bf16, m);
        store_moments(a->v, i, bf16, v);
        vec_store(a->parameters + i, vec_load(a->parameters + i) * keep - step * (m / (vec_sqrt(v) * root + epsilon)));
    }
    for (; i < end; i++)
        update_one(job, i, bf16);
}

static void update_fp32(void *job, unsigned worker, size_t block)
{
    (void)worker;
    update_block(job, block, false);
}

static void update_bf16(void *job, unsigned worker, size_t block)
{
    (void)worker;
    update_block(job, block, true);
}

static void adamw(struct op_context *context, const struct op_adamw *a)
{
    double step = (double)a->step;
    struct job job = {.adamw = a,
                      .step = (float)(a->rate / (1.0 - pow(a->beta1, step))),
                      .root = (float)(1.0 / sqrt(1.0 - pow(a->beta2, step))),
                      .beta1 = (float)a->beta1,
                      .beta2 = (float)a->beta2,
                      .rest1 = (float)(1.0 - a->beta1),
                      .rest2 = (float)(1.0 - a->beta2),
                      .epsilon = (float)a->epsilon,
                      .grad_scale = (float)a->grad_scale};
    for (size_t i = 0; i < a->segment_count; i++) {
        job.segment = &a->segments[i];
        job.keep = (float)(1.0 - a->rate * (double)job.segment->decay);
        q_pool_for(context->pool, (size_t)q_ceil_div(job.segment->count, BLOCK), a->bf16 ? update_bf16 : update_fp32,
                   &job);
    }
}

void CPU_NAME(op_adamw)(struct op_table *table)
{
    table->adamw = adamw;
}
