/* router, balance, route, gather, combine, bias_update. Choices are found by counting who is better: slow, but nothing can be forgotten. */
#include "train/plain/plain_ops.h"

#include <math.h>
#include <string.h>

/* How many of the values come before value i in falling order, the lower index first where two are equal. */
static size_t rank_of(const op_acc *values, size_t count, size_t i)
{
    size_t rank = 0;
    for (size_t j = 0; j < count; j++)
        rank += values[j] > values[i] || (values[j] == values[i] && j < i);
    return rank;
}

static op_acc choice_of(const struct op_router *r, size_t token, size_t e)
{
    return r->scores[token * r->experts + e] + r->bias[e];
}

/* The sum of a group's two best choices (of its only one, where it has one). */
static op_acc group_of(const struct op_router *r, size_t token, size_t group)
{
    size_t size = r->experts / r->groups, first = group * size;
    op_acc best[2] = {-INFINITY, -INFINITY};
    for (size_t i = 0; i < size; i++) {
        op_acc c = choice_of(r, token, first + i);
        if (c > best[0]) {
            best[1] = best[0];
            best[0] = c;
        } else if (c > best[1]) {
            best[1] = c;
        }
    }
    return size > 1 ? best[0] + best[1] : best[0];
}

static bool group_is_open(const struct op_router *r, size_t token, size_t group)
{
    size_t better = 0;
    for (size_t g = 0; g < r->groups; g++) {
        op_acc mine = group_of(r, token, group), other = group_of(r, token, g);
        better += other > mine || (other == mine && g < group);
    }
    return better < r->top_groups;
}

/* Rank of expert e among those of open groups. */
static size_t rank_among_open(const struct op_router *r, size_t token, size_t e)
{
    size_t rank = 0, size = r->experts / r->groups;
    op_acc mine = choice_of(r, token, e);
    for (size_t group = 0; group < r->groups; group++) {
        const size_t behind = group_is_open(r, token, group) ? (group + 1) * size : 0;
        for (size_t j = group * size; j < behind; j++) {
            op_acc other = choice_of(r, token, j);
            rank += other > mine || (other == mine && j < e);
        }
    }
    return rank;
}

static op_acc weight_factor(const struct op_router *r, size_t token)
{
    op_acc sum = 0;
    for (size_t k = 0; k < r->top_k; k++)
        sum += r->scores[token * r->experts + (size_t)r->chosen[token * r->top_k + k]];
    return r->normalise ? r->scaling / (sum + (op_acc)1e-20) : r->scaling;
}

static void router(struct op_context *context, const struct op_router *r)
{
    (void)context;
    for (size_t token = 0; token < r->tokens; token++) {
        for (size_t e = 0; e < r->experts; e++)
            r->scores[token * r->experts + e] = (op_acc)(1.0 / (1.0 + exp(-(double)r->logits[token * r->experts + e])));
        for (size_t e = 0; e < r->experts; e++) {
            if (!group_is_open(r, token, e / (r->experts / r->groups)))
                continue;
            size_t rank = rank_among_open(r, token, e);
            if (rank >= r->top_k)
                continue;
            r->chosen[token * r->top_k + rank] = (int32_t)e;
            if (r->counts)
                r->counts[e]++;
        }
        for (size_t k = 0; k < r->top_k; k++)
            r->weights[token * r->top_k + k] =
                r->scores[token * r->experts + (size_t)r->chosen[token * r->top_k + k]] * weight_factor(r, token);
    }
}

/* w_k = c s_k / sum_j s_j: dw_k / ds_m = c (k == m) / sum - c s_k / sum^2. */
static void router_backward(struct op_context *context, const struct op_router *r)
{
    (void)context;
    for (size_t token = 0; token < r->tokens; token++) {
        const op_acc *scores = r->scores + token * r->experts, *dweights = r->dweights + token * r->top_k;
        const int32_t *chosen = r->chosen + token * r->top_k;
        op_acc factor = weight_factor(r, token), *dlogits = r->dlogits + token * r->experts;
        for (size_t e = 0; e < r->experts; e++)
            dlogits[e] = r->dscores ? r->dscores[token * r->experts + e] : 0;
        for (size_t m = 0; m < r->top_k; m++)
            for (size_t k = 0; k < r->top_k; k++) {
                op_acc derivative =
                    (k == m ? factor : 0) - (r->normalise ? factor * factor / r->scaling * scores[chosen[k]] : 0);
                dlogits[chosen[m]] += dweights[k] * derivative;
            }
        for (size_t e = 0; e < r->experts; e++)
            dlogits[e] *= scores[e] * (1 - scores[e]);
    }
}

/* f_e of a sequence whose scores are given. */
static op_acc often(const struct op_balance *b, const op_acc *scores, size_t e)
{
    size_t count = 0;
    for (size_t t = 0; t < b->sequence; t++)
        count += rank_of(scores + t * b->experts, b->experts, e) < b->top_k;
    return (op_acc)b->experts * (op_acc)count / ((op_acc)b->top_k * (op_acc)b->sequence);
}

static op_acc sum_of(const op_acc *scores, size_t count)
{
    op_acc sum = (op_acc)1e-20;
    for (size_t i = 0; i < count; i++)
        sum += scores[i];
    return sum;
}

/* d (s_e / S) / d s_m = (e == m) / S - s_e / S^2. */
static void balance(struct op_context *context, const struct op_balance *b)
{
    (void)context;
    for (size_t q = 0; q < b->batch; q++) {
        size_t start = q * b->sequence * b->experts;
        b->loss[q] = 0;
        for (size_t i = 0; i < b->sequence * b->experts; i++)
            b->dscores[start + i] = 0;
        for (size_t e = 0; e < b->experts; e++) {
            op_acc f = often(b, b->scores + start, e);
            for (size_t t = 0; t < b->sequence; t++) {
                const op_acc *scores = b->scores + start + t * b->experts;
                op_acc *dscores = b->dscores + start + t * b->experts, sum = sum_of(scores, b->experts);
                op_acc share = b->alpha * f / (op_acc)b->sequence;
                b->loss[q] += share * scores[e] / sum;
                for (size_t m = 0; m < b->experts; m++)
                    dscores[m] += b->grad_scale * share * ((e == m ? 1 / sum : 0) - scores[e] / (sum * sum));
            }
        }
    }
}

static void route(struct op_context *context, const struct op_route *r)
{
    (void)context;
    int32_t row = 0;
    for (size_t e = 0; e < r->experts; e++) {
        r->offsets[e] = row;
        for (size_t slot = 0; slot < r->tokens * r->top_k; slot++)
            if (r->chosen[slot] == (int32_t)e) {
                r->source[row] = (int32_t)(slot / r->top_k);
                if (r->choice)
                    r->choice[row] = (int32_t)slot;
                r->position[slot] = row++;
            }
    }
    r->offsets[r->experts] = row;
}

static void gather(struct op_context *context, void *out, const void *x, const int32_t *source, size_t slots,
                   size_t row_bytes)
{
    (void)context;
    for (size_t i = 0; i < slots; i++)
        memcpy((char *)out + i * row_bytes, (const char *)x + (size_t)source[i] * row_bytes, row_bytes);
}

static void gather_backward(struct op_context *context, op_real *dx, const op_real *dout, const int32_t *position,
                            size_t tokens, size_t top_k, size_t hidden)
{
    (void)context;
    for (size_t slot = 0; slot < tokens * top_k; slot++)
        for (size_t j = 0; j < hidden; j++)
            reals_out(dx)[slot / top_k * hidden + j] += reals(dout)[(size_t)position[slot] * hidden + j];
}

static void combine(struct op_context *context, op_real *out, const op_real *base, const op_real *y,
                    const int32_t *position, const op_acc *weights, size_t tokens, size_t top_k, size_t hidden)
{
    (void)context;
    for (size_t i = 0; i < tokens; i++)
        for (size_t j = 0; j < hidden; j++) {
            op_acc sum = base ? reals(base)[i * hidden + j] : 0;
            for (size_t k = 0; k < top_k; k++)
                sum += weights[i * top_k + k] * reals(y)[(size_t)position[i * top_k + k] * hidden + j];
            reals_out(out)[i * hidden + j] = sum;
        }
}

static void combine_backward(struct op_context *context, op_acc *dweights, op_real *dinner, op_real *inner,
                             const int32_t *position, const op_acc *weights, size_t tokens, size_t top_k, size_t width)
{
    (void)context;
    for (size_t slot = 0; slot < tokens * top_k; slot++) {
        dweights[slot] = 0;
        for (size_t j = 0; j < width; j++) {
            size_t at = (size_t)position[slot] * width + j;
            dweights[slot] += reals(dinner)[at] * reals(inner)[at];
            reals_out(dinner)[at] *= weights[slot];
            reals_out(inner)[at] *= weights[slot];
        }
    }
}

static void bias_update(struct op_context *context, op_acc *bias, const int64_t *counts, size_t experts, double gamma)
{
    (void)context;
    double total = 0;
    for (size_t e = 0; e < experts; e++)
        total += (double)counts[e];
    for (size_t e = 0; e < experts; e++) {
        double lack = total / (double)experts - (double)counts[e];
        bias[e] += (op_acc)(lack > 0 ? gamma : lack < 0 ? -gamma : 0);
    }
}

void plain_experts(struct op_table *table)
{
    table->router = router;
    table->router_backward = router_backward;
    table->balance = balance;
    table->route = route;
    table->gather = gather;
    table->gather_backward = gather_backward;
    table->combine = combine;
    table->combine_backward = combine_backward;
    table->bias_update = bias_update;
}
