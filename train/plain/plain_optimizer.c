/* sum_squares, adamw, average and narrow. */
#include "train/bfloat16.h"
#include "train/plain/plain_ops.h"

#include <float.h>
#include <math.h>

static void sum_squares(struct op_context *context, double *out, const void *x, bool narrow, size_t count)
{
    (void)context, (void)narrow;
    *out = 0;
    for (size_t i = 0; i < count; i++)
        *out += (double)((const op_acc *)x)[i] * (double)((const op_acc *)x)[i];
}

static double moment_at(const void *moments, size_t i, bool bf16)
{
    return bf16 ? (double)bfloat16_to_float(((const uint16_t *)moments)[i]) : (double)((const op_acc *)moments)[i];
}

static void put_moment(void *moments, size_t i, bool bf16, double value)
{
    if (fabs(value) < FLT_MIN)
        value = 0;
    if (bf16)
        ((uint16_t *)moments)[i] = bfloat16_of_float((float)value);
    else
        ((op_acc *)moments)[i] = (op_acc)value;
}

static void adamw(struct op_context *context, const struct op_adamw *a)
{
    (void)context;
    double rest1 = 1.0 - pow(a->beta1, (double)a->step), rest2 = 1.0 - pow(a->beta2, (double)a->step);
    op_acc *gradients = a->gradients;
    for (size_t s = 0; s < a->segment_count; s++)
        for (size_t i = a->segments[s].start; i < a->segments[s].start + a->segments[s].count; i++) {
            double g = (double)gradients[i] * a->grad_scale;
            double m = a->beta1 * moment_at(a->m, i, a->bf16) + (1.0 - a->beta1) * g;
            double v = a->beta2 * moment_at(a->v, i, a->bf16) + (1.0 - a->beta2) * g * g;
            double p = (double)a->parameters[i] * (1.0 - a->rate * (double)a->segments[s].decay);
            a->parameters[i] = (op_acc)(p - a->rate * (m / rest1) / (sqrt(v / rest2) + a->epsilon));
            put_moment(a->m, i, a->bf16, m);
            put_moment(a->v, i, a->bf16, v);
            gradients[i] = 0;
        }
}

static void average(struct op_context *context, op_acc *mean, const op_acc *x, size_t count, double share)
{
    (void)context;
    for (size_t i = 0; i < count; i++)
        mean[i] += (op_acc)(share * ((double)x[i] - (double)mean[i]));
}

static void narrow(struct op_context *context, op_real *out, const op_acc *x, size_t count)
{
    (void)context;
    for (size_t i = 0; i < count; i++)
        reals_out(out)[i] = x[i];
}

void plain_optimizer(struct op_table *table)
{
    table->sum_squares = sum_squares;
    table->adamw = adamw;
    table->average = average;
    table->narrow = narrow;
}
