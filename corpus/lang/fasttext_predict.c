#include "base/check.h"
#include "corpus/lang/fasttext_private.h"

#include <math.h>

struct fasttext_scratch {
    float *hidden;        /* [dimensions] */
    float *output;        /* [labels] */
    double *reached;      /* [2 labels - 1]: probability of reaching a node of the tree; NULL without one */
    struct q_buffer word; /* with its marks: "<word>" */
    uint32_t *hashes;     /* of the words, where the model has n-grams of them */
    size_t hash_count, hash_capacity;
    uint64_t rows; /* summed in `hidden` */
};

q_status fasttext_scratch_create(const struct fasttext_model *model, struct fasttext_scratch **out)
{
    struct fasttext_scratch *scratch;
    Q_TRY(q_alloc_zero(1, sizeof *scratch, &scratch));
    q_status status = q_alloc(model->dimensions, sizeof(float), &scratch->hidden);
    if (status == Q_OK)
        status = q_alloc(model->label_count, sizeof(float), &scratch->output);
    if (status == Q_OK && model->nodes)
        status = q_alloc(2 * (size_t)model->label_count - 1, sizeof(double), &scratch->reached);
    if (status == Q_OK)
        *out = scratch;
    else
        fasttext_scratch_release(scratch);
    return status;
}

void fasttext_scratch_release(struct fasttext_scratch *scratch)
{
    if (!scratch)
        return;
    q_release(scratch->hidden);
    q_release(scratch->output);
    q_release(scratch->reached);
    q_release(scratch->hashes);
    q_buffer_release(&scratch->word);
    q_release(scratch);
}

/* --- what a text is made of -------------------------------------------------------------------------------------------------------- */

static void add_row(const struct fasttext_model *m, struct fasttext_scratch *s, uint64_t row)
{
    const float *values = m->input + row * m->dimensions;
    for (uint32_t i = 0; i < m->dimensions; i++)
        s->hidden[i] += values[i];
    s->rows++;
}

static void add_bucket(const struct fasttext_model *m, struct fasttext_scratch *s, uint32_t bucket)
{
    if (!m->pruned) {
        add_row(m, s, m->word_count + (uint64_t)bucket);
    } else if (m->kept) {
        const uint32_t row = m->kept[fasttext_kept_slot(m, bucket)].row;
        if (row != UINT32_MAX)
            add_row(m, s, row);
    }
}

static bool inside_character(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

/* The n-grams of minn to maxn characters of "<word>", all but the two marks alone. */
static void add_subwords(const struct fasttext_model *m, struct fasttext_scratch *s, q_string marked)
{
    for (size_t from = 0; from < marked.size; from++) {
        if (inside_character(marked.data[from]))
            continue;
        uint32_t hash = FASTTEXT_HASH_START;
        size_t to = from;
        for (uint32_t n = 1; n <= m->maxn && to < marked.size; n++) {
            do
                hash = fasttext_hash_byte(hash, marked.data[to++]);
            while (to < marked.size && inside_character(marked.data[to]));
            const bool mark = n == 1 && (from == 0 || to == marked.size);
            if (n >= m->minn && !mark)
                add_bucket(m, s, hash % m->buckets);
        }
    }
}

static q_status add_word(const struct fasttext_model *m, struct fasttext_scratch *s, q_string word, uint32_t entry)
{
    if (entry != UINT32_MAX)
        add_row(m, s, entry);
    if (!m->maxn)
        return Q_OK;
    q_buffer_clear(&s->word);
    Q_TRY(q_buffer_append_byte(&s->word, '<'));
    Q_TRY(q_buffer_append_string(&s->word, word));
    Q_TRY(q_buffer_append_byte(&s->word, '>'));
    add_subwords(m, s, q_buffer_string(&s->word));
    return Q_OK;
}

/* One word of the line; *last: nothing counts behind it. The line's end is a word too, "</s>", which has no subwords. */
static q_status add_token(const struct fasttext_model *m, struct fasttext_scratch *s, q_string token, bool *last)
{
    const uint32_t hash = fasttext_hash_bytes(token.data, token.size);
    const uint32_t slot = m->slots[fasttext_slot(m, token, hash)], entry = slot ? slot - 1 : UINT32_MAX;
    *last = q_string_is(token, "</s>");
    if (slot ? entry >= m->word_count : q_string_starts(token, "__label__"))
        return Q_OK;
    if (m->word_ngrams > 1) {
        Q_TRY(q_grow(&s->hashes, &s->hash_capacity, s->hash_count + 1, sizeof *s->hashes));
        s->hashes[s->hash_count++] = hash;
    }
    if (!*last)
        return add_word(m, s, token, entry);
    if (slot)
        add_row(m, s, entry);
    return Q_OK;
}

/* Hashes are taken as signed and widened, as fastText keeps them. */
static void add_word_ngrams(const struct fasttext_model *m, struct fasttext_scratch *s)
{
    for (size_t i = 0; i < s->hash_count; i++) {
        uint64_t hash = (uint64_t)(int64_t)(int32_t)s->hashes[i];
        for (size_t j = i + 1; j < s->hash_count && j < i + m->word_ngrams; j++) {
            hash = hash * 116049371u + (uint64_t)(int64_t)(int32_t)s->hashes[j];
            add_bucket(m, s, (uint32_t)(hash % m->buckets));
        }
    }
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0;
}

static q_status add_text(const struct fasttext_model *m, struct fasttext_scratch *s, q_string text)
{
    bool last = false;
    for (size_t at = 0; at < text.size && !last;) {
        while (at < text.size && is_space(text.data[at]))
            at++;
        const size_t from = at;
        while (at < text.size && !is_space(text.data[at]))
            at++;
        if (at > from)
            Q_TRY(add_token(m, s, q_string_slice(text, from, at), &last));
    }
    if (!last)
        Q_TRY(add_token(m, s, Q_STRING("</s>"), &last));
    add_word_ngrams(m, s);
    return Q_OK;
}

/* --- what the labels make of it ---------------------------------------------------------------------------------------------------- */

/* output = matrix x hidden. Each label's sum is in the order of the dimensions, as a plain product of a row would have it; the labels go side by side. */
static void multiply(const struct fasttext_model *m, struct fasttext_scratch *s)
{
    memset(s->output, 0, m->label_count * sizeof *s->output);
    for (uint32_t i = 0; i < m->dimensions; i++) {
        const float *column = m->output + (size_t)i * m->label_count;
        const float value = s->hidden[i];
        for (uint32_t j = 0; j < m->label_count; j++)
            s->output[j] += column[j] * value;
    }
}

static void softmax(float *output, uint32_t count)
{
    float most = output[0], sum = 0;
    for (uint32_t i = 1; i < count; i++)
        most = Q_MAX(most, output[i]);
    for (uint32_t i = 0; i < count; i++) {
        output[i] = (float)exp((double)(output[i] - most));
        sum += output[i];
    }
    for (uint32_t i = 0; i < count; i++)
        output[i] /= sum;
}

/* fastText looks the sigmoid up in a table of 512 steps from -8 to 8. */
static float stepped_sigmoid(float x)
{
    if (x < -8)
        return 0;
    if (x > 8)
        return 1;
    const double step = floor((double)((x + 8) * 512 / 8 / 2));
    return (float)(1 / (1 + exp(-(step / 32 - 8))));
}

/* From the root down: a node's probability is split between its children. */
static void descend(const struct fasttext_model *m, struct fasttext_scratch *s)
{
    const uint32_t labels = m->label_count;
    s->reached[2 * labels - 2] = 1;
    for (uint32_t node = 2 * labels - 2; node >= labels; node--) {
        const double right = (float)(1 / (1 + exp(-(double)s->output[node - labels])));
        s->reached[m->nodes[node].left] = s->reached[node] * (1 - right + 1e-5);
        s->reached[m->nodes[node].right] = s->reached[node] * (right + 1e-5);
    }
    for (uint32_t i = 0; i < labels; i++)
        s->output[i] = (float)s->reached[i];
}

static void judge(const struct fasttext_model *m, struct fasttext_scratch *s)
{
    const float added = m->loss == FASTTEXT_HS ? 0 : 1e-5f;
    multiply(m, s);
    if (m->loss == FASTTEXT_HS)
        descend(m, s);
    else if (m->loss == FASTTEXT_SOFTMAX)
        softmax(s->output, m->label_count);
    else
        for (uint32_t i = 0; i < m->label_count; i++)
            s->output[i] = stepped_sigmoid(s->output[i]);
    for (uint32_t i = 0; i < m->label_count; i++)
        s->output[i] = fminf(s->output[i] + added, 1);
}

q_status fasttext_predict(const struct fasttext_model *model, struct fasttext_scratch *scratch, q_string text,
                          const float **probabilities)
{
    memset(scratch->hidden, 0, model->dimensions * sizeof *scratch->hidden);
    scratch->rows = scratch->hash_count = 0;
    *probabilities = NULL;
    Q_TRY(add_text(model, scratch, text));
    if (!scratch->rows)
        return Q_OK;
    const float share = (float)(1.0 / (double)scratch->rows);
    for (uint32_t i = 0; i < model->dimensions; i++)
        scratch->hidden[i] *= share;
    judge(model, scratch);
    *probabilities = scratch->output;
    return Q_OK;
}
