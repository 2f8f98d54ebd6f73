/* balance: the sequence-wise balance loss, a sequence per tile. */
#include "train/cpu/cpu_ops.h"
#include "train/cpu/cpu_topk.h"

#include "base/check.h"

struct job {
    const struct op_context *context;
    const struct op_balance *balance;
};

/* often[e] = E / (K T) * how many tokens of the sequence have e among their top K scores. */
static void count_best(const struct op_balance *b, const float *scores, float *often, uint8_t *allowed)
{
    memset(often, 0, b->experts * sizeof(float));
    for (size_t t = 0; t < b->sequence; t++) {
        memset(allowed, 1, b->experts);
        for (size_t k = 0; k < b->top_k; k++) {
            size_t e = cpu_best(scores + t * b->experts, allowed, b->experts);
            allowed[e] = 0;
            often[e] += 1.0F;
        }
    }
    float factor = (float)b->experts / ((float)b->top_k * (float)b->sequence);
    for (size_t e = 0; e < b->experts; e++)
        often[e] *= factor;
}

/* With S = sum_j s_j and u = sum_i f_i s_i / S of a token: loss = alpha / T sum_t u_t, du/ds_e = (f_e - u) / S. */
static void balance_sequence(void *context, unsigned worker, size_t sequence)
{
    const struct job *job = context;
    const struct op_balance *b = job->balance;
    float *often = cpu_scratch(job->context, worker);
    size_t start = sequence * b->sequence * b->experts;
    const float *scores = b->scores + start;
    float *dscores = b->dscores + start;
    count_best(b, scores, often, (uint8_t *)(often + b->experts));
    float step = b->alpha / (float)b->sequence;
    double total = 0;
    for (size_t t = 0; t < b->sequence; t++, scores += b->experts, dscores += b->experts) {
        float sum = 0, weighted = 0;
        for (size_t e = 0; e < b->experts; e++) {
            sum += scores[e];
            weighted += often[e] * scores[e];
        }
        float inverse = 1.0F / (sum + 1e-20F), u = weighted * inverse;
        total += (double)u;
        for (size_t e = 0; e < b->experts; e++)
            dscores[e] = b->grad_scale * step * inverse * (often[e] - u);
    }
    b->loss[sequence] = (float)(total * (double)step);
}

static void balance(struct op_context *context, const struct op_balance *balance)
{
    struct job job = {context, balance};
    q_pool_for(context->pool, balance->batch, balance_sequence, &job);
}

void CPU_NAME(op_balance)(struct op_table *table)
{
    table->balance = balance;
}
