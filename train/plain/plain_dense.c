/* embed, rmsnorm, matmul, grouped, rope, swiglu, cross_entropy. */
#include "train/plain/plain_ops.h"

#include <math.h>

static void embed(struct op_context *context, op_real *out, const op_real *table, const int32_t *ids, size_t tokens,
                  size_t hidden)
{
    (void)context;
    for (size_t i = 0; i < tokens; i++)
        for (size_t j = 0; j < hidden; j++)
            reals_out(out)[i * hidden + j] = reals(table)[(size_t)ids[i] * hidden + j];
}

/* Narrow or not is one here, as wide or not is in products. */
static void embed_backward(struct op_context *context, void *dtable, bool narrow, const op_real *dout,
                           const int32_t *ids, size_t tokens, size_t hidden, size_t vocabulary)
{
    (void)context, (void)narrow, (void)vocabulary;
    for (size_t i = 0; i < tokens; i++)
        for (size_t j = 0; j < hidden; j++)
            ((op_acc *)dtable)[(size_t)ids[i] * hidden + j] += reals(dout)[i * hidden + j];
}

static void rmsnorm(struct op_context *context, op_real *out, op_acc *rstd, op_real *sum, const op_real *x,
                    size_t x_stride, const op_real *delta, const op_acc *weight, size_t rows, size_t width,
                    double epsilon)
{
    (void)context;
    for (size_t row = 0; row < rows; row++) {
        const real *in = reals(x) + row * x_stride;
        if (delta) {
            for (size_t i = 0; i < width; i++)
                reals_out(sum)[row * width + i] = in[i] + reals(delta)[row * width + i];
            in = reals(sum) + row * width;
        }
        double squares = 0;
        for (size_t i = 0; i < width; i++)
            squares += (double)in[i] * (double)in[i];
        rstd[row] = (op_acc)(1.0 / sqrt(squares / (double)width + epsilon));
        for (size_t i = 0; i < width; i++)
            reals_out(out)[row * width + i] = in[i] * rstd[row] * weight[i];
    }
}

/* out_i = x_i r w_i with r = (mean x^2 + eps)^-1/2, dr/dx_j = -r^3 x_j / width. */
static void rmsnorm_backward(struct op_context *context, op_real *dx, size_t dx_stride, bool accumulate, void *dweight,
                             bool narrow, const op_real *dout, const op_real *x, size_t x_stride, const op_acc *rstd,
                             const op_acc *weight, size_t rows, size_t width)
{
    (void)context, (void)narrow;
    for (size_t row = 0; row < rows; row++) {
        const real *in = reals(x) + row * x_stride, *d = reals(dout) + row * width;
        op_acc r = rstd[row], along = 0;
        for (size_t i = 0; i < width; i++) {
            along += d[i] * weight[i] * in[i];
            ((op_acc *)dweight)[i] += d[i] * in[i] * r;
        }
        for (size_t i = 0; i < width; i++) {
            op_acc value = d[i] * weight[i] * r - in[i] * r * r * r * along / (op_acc)width;
            real *to = reals_out(dx) + row * dx_stride + i;
            *to = accumulate ? *to + value : value;
        }
    }
}

/* A's numbers (i, k) and B's (k, j), as each kind has them. Wide or not is one here. */
static void matmul(struct op_context *context, const struct op_matmul *p)
{
    (void)context;
    const real *left = p->a, *right = reals(p->b);
    const size_t a_row = p->kind == OP_TN ? 1 : p->a_stride, a_next = p->kind == OP_TN ? p->a_stride : 1;
    const size_t b_column = p->kind == OP_NT ? p->b_stride : 1, b_next = p->kind == OP_NT ? 1 : p->b_stride;
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++) {
            const real *a = left + i * a_row, *b = right + j * b_column;
            op_acc sum = 0;
            for (size_t k = 0; k < p->k; k++)
                sum += (op_acc)a[k * a_next] * b[k * b_next];
            op_acc *c = (op_acc *)p->c + i * p->c_stride + j;
            *c = p->accumulate ? *c + sum : sum;
        }
}

static void grouped(struct op_context *context, const struct op_grouped *p)
{
    for (size_t e = 0; e < p->experts; e++) {
        size_t first = (size_t)p->offsets[e], rows = (size_t)p->offsets[e + 1] - first;
        bool weights = p->kind == OP_TN;
        const real *b = reals(p->b) + (weights ? first * p->n : e * p->expert_stride);
        struct op_matmul product = {.kind = p->kind,
                                    .m = weights ? p->m : rows,
                                    .n = p->n,
                                    .k = weights ? rows : p->k,
                                    .a = reals(p->a) + first * (weights ? p->m : p->k),
                                    .a_stride = weights ? p->m : p->k,
                                    .b = (const op_real *)(const void *)b,
                                    .b_stride = p->kind == OP_NT ? p->k : p->n,
                                    .c = (real *)p->c + (weights ? e * p->expert_stride : first * p->n),
                                    .c_stride = p->n,
                                    .accumulate = p->accumulate};
        matmul(context, &product);
    }
}

static void rope(struct op_context *context, const struct op_rope *r)
{
    (void)context;
    for (size_t row = 0; row < r->rows; row++)
        for (size_t g = 0; g < r->groups; g++)
            for (size_t i = 0; i < r->rope; i += 2) {
                real *x = reals_out(r->x) + row * r->stride + g * r->group_stride + i;
                op_acc cosine = r->table[row % r->sequence * r->rope + i],
                       sine = r->table[row % r->sequence * r->rope + i + 1];
                op_acc a = x[0], b = x[1];
                sine = r->inverse ? -sine : sine;
                x[0] = a * cosine - b * sine;
                x[1] = a * sine + b * cosine;
            }
}

static op_acc sigmoid(op_acc x)
{
    return (op_acc)(1.0 / (1.0 + exp(-(double)x)));
}

static void swiglu(struct op_context *context, op_real *out, const op_real *gate_up, size_t rows, size_t inner)
{
    (void)context;
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < inner; i++) {
            op_acc gate = reals(gate_up)[row * 2 * inner + i], up = reals(gate_up)[row * 2 * inner + inner + i];
            reals_out(out)[row * inner + i] = gate * sigmoid(gate) * up;
        }
}

static void swiglu_backward(struct op_context *context, op_real *dgate_up, const op_real *dout, const op_real *gate_up,
                            size_t rows, size_t inner)
{
    (void)context;
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < inner; i++) {
            op_acc gate = reals(gate_up)[row * 2 * inner + i], up = reals(gate_up)[row * 2 * inner + inner + i],
                   d = reals(dout)[row * inner + i];
            op_acc s = sigmoid(gate);
            reals_out(dgate_up)[row * 2 * inner + i] = d * up * (s + gate * s * (1 - s));
            reals_out(dgate_up)[row * 2 * inner + inner + i] = d * gate * s;
        }
}

/* Logit v of token i. */
static op_acc logit(const struct op_cross_entropy *l, size_t i, size_t v)
{
    op_acc sum = 0;
    for (size_t j = 0; j < l->hidden; j++)
        sum += reals(l->x)[i * l->hidden + j] * reals(l->weight)[v * l->hidden + j];
    return sum;
}

static void cross_entropy(struct op_context *context, const struct op_cross_entropy *l)
{
    (void)context;
    for (size_t i = 0; i < l->tokens; i++) {
        for (size_t j = 0; l->dx && j < l->hidden; j++)
            reals_out(l->dx)[i * l->hidden + j] = 0;
        l->losses[i] = 0;
        if (l->log_z)
            l->log_z[i] = 0;
        if (l->targets[i] < 0)
            continue;
        op_acc max = -INFINITY, sum = 0;
        for (size_t v = 0; v < l->vocabulary; v++)
            max = (op_acc)fmax((double)max, (double)logit(l, i, v));
        for (size_t v = 0; v < l->vocabulary; v++)
            sum += (op_acc)exp((double)(logit(l, i, v) - max));
        op_acc log_z = max + (op_acc)log((double)sum), factor = 1 + 2 * l->z_loss * log_z;
        l->losses[i] = log_z - logit(l, i, (size_t)l->targets[i]);
        if (l->log_z)
            l->log_z[i] = log_z;
        for (size_t v = 0; l->dx && v < l->vocabulary; v++) {
            op_acc p = (op_acc)exp((double)(logit(l, i, v) - max)) / sum;
            op_acc d = p * factor - (v == (size_t)l->targets[i] ? 1 : 0);
            for (size_t j = 0; j < l->hidden; j++) {
                reals_out(l->dx)[i * l->hidden + j] += l->grad_scale * d * reals(l->weight)[v * l->hidden + j];
                ((op_acc *)l->dweight)[v * l->hidden + j] += l->grad_scale * d * reals(l->x)[i * l->hidden + j];
            }
        }
    }
}

void plain_dense(struct op_table *table)
{
    table->embed = embed;
    table->embed_backward = embed_backward;
    table->rmsnorm = rmsnorm;
    table->rmsnorm_backward = rmsnorm_backward;
    table->matmul = matmul;
    table->grouped = grouped;
    table->rope = rope;
    table->swiglu = swiglu;
    table->swiglu_backward = swiglu_backward;
    table->cross_entropy = cross_entropy;
}
