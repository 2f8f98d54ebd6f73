/* sum_squares and adamw. */
#include "train/plain/plain_ops.h"

#include <math.h>

static void sum_squares(struct op_context *context, double *out, const op_acc *x, size_t count)
{
    (void)context;
    *out = 0;
    for (size_t i = 0; i < count; i++)
        *out += (double)x[i] * (double)x[i];
}

static void adamw(struct op_context *context, const struct op_adamw *a)
{
    (void)context;
    double rest1 = 1.0 - pow(a->beta1, (double)a->step), rest2 = 1.0 - pow(a->beta2, (double)a->step);
    for (size_t s = 0; s < a->segment_count; s++)
        for (size_t i = a->segments[s].start; i < a->segments[s].start + a->segments[s].count; i++) {
            double g = (double)a->gradients[i] * a->grad_scale;
            double m = a->beta1 * (double)a->m[i] + (1.0 - a->beta1) * g;
            double v = a->beta2 * (double)a->v[i] + (1.0 - a->beta2) * g * g;
            double p = (double)a->parameters[i] * (1.0 - a->rate * (double)a->segments[s].decay);
            a->parameters[i] = (op_acc)(p - a->rate * (m / rest1) / (sqrt(v / rest2) + a->epsilon));
            a->m[i] = (op_acc)m;
            a->v[i] = (op_acc)v;
            a->gradients[i] = 0;
        }
}

void plain_optimizer(struct op_table *table)
{
    table->sum_squares = sum_squares;
    table->adamw = adamw;
}
