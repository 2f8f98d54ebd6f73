#include "tests/corpus/make_fasttext.h"

#include "base/bytes.h"
#include "base/check.h"

#include <stdlib.h>

static void must(q_status status)
{
    if (status != Q_OK)
        abort();
}

static void put(struct q_buffer *out, const void *bytes, size_t count)
{
    must(q_buffer_append(out, bytes, count));
}

static void put_i32(struct q_buffer *out, int64_t value)
{
    char bytes[4];
    q_store_u32(bytes, (uint32_t)value);
    put(out, bytes, sizeof bytes);
}

static void put_i64(struct q_buffer *out, int64_t value)
{
    char bytes[8];
    q_store_u64(bytes, (uint64_t)value);
    put(out, bytes, sizeof bytes);
}

static uint64_t roll(uint64_t *dice)
{
    *dice = *dice * 6364136223846793005u + 1442695040888963407u;
    return *dice >> 33;
}

static float put_float(struct q_buffer *out, uint64_t *dice)
{
    const float value = (float)(roll(dice) % 4001) / 1000 - 2;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_i32(out, bits);
    return value;
}

static size_t count_of(const char *const *names)
{
    size_t count = 0;
    while (count < MADE_NAMES_MAX && names[count])
        count++;
    return count;
}

static void put_entries(struct q_buffer *out, const char *const *names, size_t count, char type)
{
    for (size_t i = 0; i < count; i++) {
        put(out, names[i], strlen(names[i]) + 1);
        put_i64(out, i + 1 < count ? 10 - 2 * (int64_t)Q_MIN(i, (size_t)4) : 1);
        put(out, &type, 1);
    }
}

/* dimensions x 256 floats behind the four numbers. */
static float *put_quantiser(struct q_buffer *out, int dimensions, int part, uint64_t *dice)
{
    float *centroids;
    const int last = dimensions % part ? dimensions % part : part;
    put_i32(out, dimensions);
    put_i32(out, (dimensions + part - 1) / part);
    put_i32(out, part);
    put_i32(out, last);
    must(q_alloc((size_t)dimensions * 256, sizeof(float), &centroids));
    for (size_t i = 0; i < (size_t)dimensions * 256; i++)
        centroids[i] = put_float(out, dice);
    return centroids;
}

static void put_quantised(const struct made_fasttext *made, struct q_buffer *out, size_t rows, float *matrix,
                          uint64_t *dice)
{
    const size_t columns = (size_t)made->dimensions, part = (size_t)made->part, parts = (columns + part - 1) / part;
    unsigned char *codes;
    must(q_alloc(rows * parts + rows, 1, &codes));
    for (size_t i = 0; i < rows * parts + rows; i++)
        codes[i] = (unsigned char)roll(dice);
    put(out, &made->norms, 1);
    put_i64(out, (int64_t)rows);
    put_i64(out, made->dimensions);
    put_i32(out, (int64_t)(rows * parts));
    put(out, codes, rows * parts);
    float *centroids = put_quantiser(out, made->dimensions, made->part, dice), *norms = NULL;
    if (made->norms) {
        put(out, codes + rows * parts, rows);
        norms = put_quantiser(out, 1, 1, dice);
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++) {
            const size_t p = c / part, size = p + 1 == parts ? columns - p * part : part;
            const float value = centroids[p * 256 * part + codes[r * parts + p] * size + c % part];
            matrix[r * columns + c] = norms ? norms[codes[rows * parts + r]] * value : value;
        }
    q_release(codes);
    q_release(centroids);
    q_release(norms);
}

static void put_dense(const struct made_fasttext *made, struct q_buffer *out, size_t rows, float *matrix,
                      uint64_t *dice)
{
    put_i64(out, (int64_t)rows);
    put_i64(out, made->dimensions);
    for (size_t i = 0; i < rows * (size_t)made->dimensions; i++)
        matrix[i] = put_float(out, dice);
}

static void put_header(const struct made_fasttext *made, struct q_buffer *out, size_t words, size_t labels)
{
    put_i32(out, 793712314);
    put_i32(out, made->version);
    put_i32(out, made->dimensions);
    for (int i = 0; i < 4; i++)
        put_i32(out, 5); /* ws, epoch, minCount, neg */
    put_i32(out, made->word_ngrams);
    put_i32(out, made->loss);
    put_i32(out, 3); /* supervised */
    put_i32(out, made->buckets);
    put_i32(out, made->minn);
    put_i32(out, made->maxn);
    put_i32(out, 100);
    put_i64(out, 0);
    put_i32(out, (int64_t)(words + labels));
    put_i32(out, (int64_t)words);
    put_i32(out, (int64_t)labels);
    put_i64(out, 1000);
    put_i64(out, made->pruned);
    put_entries(out, made->words, words, 0);
    put_entries(out, made->labels, labels, 1);
    for (int i = 0; i < made->pruned; i++) {
        put_i32(out, 2 * i + 1);
        put_i32(out, made->pruned - 1 - i);
    }
}

void make_fasttext(const struct made_fasttext *made, struct q_buffer *out, struct made_matrices *m)
{
    const size_t words = count_of(made->words), columns = (size_t)made->dimensions;
    uint64_t dice = made->dice;
    q_buffer_clear(out);
    m->labels = count_of(made->labels);
    m->rows = words + (size_t)(made->pruned >= 0 ? made->pruned : made->buckets);
    must(q_alloc(m->rows * columns, sizeof(float), &m->input));
    must(q_alloc(m->labels * columns, sizeof(float), &m->output));
    put_header(made, out, words, m->labels);
    put(out, &made->quantised, 1);
    (made->quantised ? put_quantised : put_dense)(made, out, m->rows, m->input, &dice);
    put(out, &made->quantised_output, 1);
    (made->quantised_output ? put_quantised : put_dense)(made, out, m->labels, m->output, &dice);
}
