/* adamw: blocks of each segment in parallel, all four arenas in one pass. */
#include "train/cpu/cpu_ops.h"

#include "base/check.h"

enum { BLOCK = 1 << 14 };

struct job {
    const struct op_adamw *adamw;
    const struct op_segment *segment;
    /* in floats, from the doubles of the call: keep = 1 - rate decay, step = rate / (1 - beta1^t), root = 1 / sqrt(1 - beta2^t) */
    float keep, step, root, beta1, beta2, rest1, rest2, epsilon, grad_scale;
};

static void update_one(const struct job *job, float *p, float *g, float *m, float *v)
{
    float gradient = *g * job->grad_scale;
    *m = job->beta1 * *m + job->rest1 * gradient;
    *v = job->beta2 * *v + job->rest2 * gradient * gradient;
    *p = *p * job->keep - job->step * *m / (sqrtf(*v) * job->root + job->epsilon);
    *g = 0;
}

static void update_block(void *context, unsigned worker, size_t block)
{
    (void)worker;
    const struct job *job = context;
    const struct op_adamw *a = job->adamw;
    size_t first = job->segment->start + block * BLOCK;
    size_t end = Q_MIN(first + BLOCK, job->segment->start + job->segment->count), i = first;
    vec keep = vec_set(job->keep), step = vec_set(job->step), root = vec_set(job->root),
        epsilon = vec_set(job->epsilon);
    vec beta1 = vec_set(job->beta1), beta2 = vec_set(job->beta2), rest1 = vec_set(job->rest1),
        rest2 = vec_set(job->rest2);
    vec scale = vec_set(job->grad_scale);
    for (; i + VEC_LANES <= end; i += VEC_LANES) {
        vec g = vec_load(a->gradients + i) * scale;
        vec m = beta1 * vec_load(a->m + i) + rest1 * g;
        vec v = beta2 * vec_load(a->v + i) + rest2 * g * g;
        vec_store(a->m + i, m);
        vec_store(a->v + i, v);
        vec_store(a->parameters + i, vec_load(a->parameters + i) * keep - step * m / (vec_sqrt(v) * root + epsilon));
        vec_store(a->gradients + i, vec_zero());
    }
    for (; i < end; i++)
        update_one(job, a->parameters + i, a->gradients + i, a->m + i, a->v + i);
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
        q_pool_for(context->pool, (size_t)q_ceil_div(job.segment->count, BLOCK), update_block, &job);
    }
}

void CPU_NAME(op_adamw)(struct op_table *table)
{
    table->adamw = adamw;
}
