#include "train/eval/eval_generate.h"

#include "base/check.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>

struct candidate {
    double weight; /* exp of the scaled logit, less the largest */
    uint32_t id;
};

/* Heavier first, smaller id first where equal. */
static int by_weight(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static uint32_t likeliest(const op_acc *logits, size_t vocabulary)
{
    size_t best = 0;
    for (size_t id = 1; id < vocabulary; id++)
        best = logits[id] > logits[best] ? id : best;
    return (uint32_t)best;
}

q_status eval_draw(const op_acc *logits, size_t vocabulary, const struct eval_sampling *sampling, double unit,
                   uint32_t *out)
{
    uint32_t best = likeliest(logits, vocabulary);
    if (sampling->temperature <= 0) {
        *out = best;
        return Q_OK;
    }
    struct candidate *candidates;
    double sum = 0, kept = 0, nucleus = 0;
    Q_TRY(q_alloc(vocabulary, sizeof *candidates, &candidates));
    for (size_t id = 0; id < vocabulary; id++) {
        candidates[id].id = (uint32_t)id;
        candidates[id].weight = exp(((double)logits[id] - (double)logits[best]) / sampling->temperature);
        sum += candidates[id].weight;
    }
    qsort(candidates, vocabulary, sizeof *candidates, by_weight);
    size_t count = 0;
    while (count < vocabulary && nucleus < sampling->top_p * sum)
        nucleus += candidates[count++].weight;
    count = Q_MAX(count, (size_t)1);
    size_t i = 0;
    for (; i + 1 < count; i++) {
        kept += candidates[i].weight;
        if (unit * nucleus < kept)
            break;
    }
    *out = candidates[i].id;
    q_release(candidates);
    return Q_OK;
}

/* Logits behind the last of `count` ids. The whole window is computed anew for each token: right for small models and short texts. */
static q_status next_logits(struct opened_model *model, const int32_t *window, size_t count, op_acc *logits)
{
    struct model_batch batch = {.batch = 1, .sequence = count, .ids = window};
    Q_TRY(model_forward(model->model, &batch, NULL));
    return model_logits(model->model, count - 1, 1, logits);
}

struct generation {
    struct tokenizer_ids prompt;
    struct tokenizer_scratch *scratch;
    int32_t *window; /* [sequence] */
    size_t count;
    op_acc *logits;
};

/* Puts an id behind the window; a full window goes on from its last half. */
static void push(struct generation *state, size_t capacity, uint32_t id)
{
    if (state->count == capacity) {
        size_t half = capacity / 2;
        memmove(state->window, state->window + (capacity - half), half * sizeof *state->window);
        state->count = half;
    }
    state->window[state->count++] = (int32_t)id;
}

static q_status start(struct opened_model *model, const struct tokenizer *tokenizer, q_string prompt,
                      struct generation *state)
{
    size_t capacity = model->shape.sequence;
    if (capacity < 2)
        return q_fail(Q_ERR_USAGE, "a model with a window of %zu tokens cannot go on from a prompt", capacity);
    Q_TRY(tokenizer_scratch_create(tokenizer, &state->scratch));
    Q_TRY(q_alloc(capacity, sizeof *state->window, &state->window));
    Q_TRY(q_alloc((size_t)model->config.vocab_size, sizeof *state->logits, &state->logits));
    Q_TRY(tokenizer_encode(tokenizer, state->scratch, prompt, TOKENIZER_SPECIAL_AS_TEXT, &state->prompt));
    uint32_t begin = tokenizer_special_id(tokenizer, TOKENIZER_BEGIN);
    if (begin != UINT32_MAX)
        push(state, capacity, begin);
    for (size_t i = 0; i < state->prompt.count; i++)
        push(state, capacity, state->prompt.ids[i]);
    return state->count ? Q_OK : q_fail(Q_ERR_USAGE, "the prompt is empty and the vocabulary has no begin token");
}

static q_status generate(struct opened_model *model, const struct tokenizer *tokenizer, q_string prompt,
                         const struct eval_sampling *sampling, struct generation *state, struct q_buffer *out)
{
    uint32_t end = tokenizer_special_id(tokenizer, TOKENIZER_END), id;
    size_t vocabulary = Q_MIN((size_t)model->config.vocab_size, (size_t)tokenizer_size(tokenizer));
    q_random_key key = q_random_key_of(sampling->seed, "generate", 0, 0);
    Q_TRY(start(model, tokenizer, prompt, state));
    for (uint64_t i = 0; i < sampling->tokens; i++) {
        Q_TRY(next_logits(model, state->window, state->count, state->logits));
        Q_TRY(eval_draw(state->logits, vocabulary, sampling, q_random_unit(key, i), &id));
        if (id == end)
            break;
        Q_TRY(tokenizer_decode(tokenizer, &id, 1, out));
        push(state, model->shape.sequence, id);
    }
    return Q_OK;
}

q_status eval_generate(struct opened_model *model, const struct tokenizer *tokenizer, q_string prompt,
                       const struct eval_sampling *sampling, struct q_buffer *out)
{
    struct generation state = {0};
    q_status status = generate(model, tokenizer, prompt, sampling, &state, out);
    tokenizer_ids_release(&state.prompt);
    tokenizer_scratch_release(state.scratch);
    q_release(state.window);
    q_release(state.logits);
    return status;
}
