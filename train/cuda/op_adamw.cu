/* adamw: all segments in one launch; a moment as FP32 or BF16, a gradient as a float or a real. */
#include "train/cuda/cuda_device.cuh"
#include "train/cuda/cuda_ops.h"

#include "base/check.h"

#include <float.h>
#include <math.h>

enum { SEGMENTS_MAX = 8 };

/* From the doubles of the call: keep = 1 - rate decay, step = rate / (1 - beta1^t), root = 1 / sqrt(1 - beta2^t). */
struct job {
    float *parameters;
    void *gradients, *m, *v;
    size_t start[SEGMENTS_MAX], end[SEGMENTS_MAX];
    float keep[SEGMENTS_MAX];
    size_t segments;
    float step, root, beta1, beta2, rest1, rest2, epsilon, grad_scale;
};

template <class T> static __device__ inline float moved(T *moments, size_t i, float beta, float added)
{
    const float value = beta * widen(moments[i]) + added, kept = fabsf(value) < FLT_MIN ? 0.0F : value;
    narrow_to(&moments[i], kept);
    return value;
}

template <class T, class G> static __global__ void adamw_items(struct job job)
{
    T *m = (T *)job.m, *v = (T *)job.v;
    G *gradients = (G *)job.gradients;
    for (size_t s = 0; s < job.segments; s++)
        for (size_t i = job.start[s] + item_index(); i < job.end[s]; i += item_step()) {
            const float gradient = widen(gradients[i]) * job.grad_scale;
            const float mean = moved(m, i, job.beta1, job.rest1 * gradient);
            const float square = moved(v, i, job.beta2, job.rest2 * gradient * gradient);
            job.parameters[i] =
                job.parameters[i] * job.keep[s] - job.step * (mean / (sqrtf(square) * job.root + job.epsilon));
            narrow_to(&gradients[i], 0);
        }
}

template <class G> static void (*kernel_of(bool bf16))(struct job)
{
    return bf16 ? adamw_items<__nv_bfloat16, G> : adamw_items<float, G>;
}

static void adamw(struct op_context *context, const struct op_adamw *a)
{
    struct job job = {};
    const double step = (double)a->step;
    size_t items = 0;
    q_check(a->segment_count <= SEGMENTS_MAX);
    job.parameters = a->parameters;
    job.gradients = a->gradients;
    job.m = a->m;
    job.v = a->v;
    job.segments = a->segment_count;
    for (size_t s = 0; s < a->segment_count; s++) {
        job.start[s] = a->segments[s].start;
        job.end[s] = a->segments[s].start + a->segments[s].count;
        job.keep[s] = (float)(1.0 - a->rate * (double)a->segments[s].decay);
        items = Q_MAX(items, a->segments[s].count);
    }
    job.step = (float)(a->rate / (1.0 - pow(a->beta1, step)));
    job.root = (float)(1.0 / sqrt(1.0 - pow(a->beta2, step)));
    job.beta1 = (float)a->beta1;
    job.beta2 = (float)a->beta2;
    job.rest1 = (float)(1.0 - a->beta1);
    job.rest2 = (float)(1.0 - a->beta2);
    job.epsilon = (float)a->epsilon;
    job.grad_scale = (float)a->grad_scale;
    launch(context, "adamw", cuda_plan_items(items), a->narrow ? kernel_of<real>(a->bf16) : kernel_of<float>(a->bf16),
           job);
}

void CUDA_NAME(op_adamw)(struct op_table *table)
{
    table->adamw = adamw;
}
