#include "tokenizer/stage_statistics.h"

#include "base/check.h"
#include "base/threads.h"
#include "tokenizer/encode/bpe_index.h"
#include "tokenizer/inspect/text_measure.h"

/* Merges by their ranks, ever further apart: about 20 for each factor of ten. */
static q_status put_merge_counts(const struct vocabulary *vocabulary, json_t *statistics)
{
    static const double step = 1.12;
    json_t *curve = json_object(), *ranks = json_array(), *counts = json_array();
    q_status status = q_json_set(statistics, "merge_counts", curve);
    if (!status)
        status = q_json_set(curve, "ranks", ranks);
    else
        json_decref(ranks);
    if (!status)
        status = q_json_set(curve, "per_million_bytes", counts);
    else
        json_decref(counts);
    for (size_t rank = 0; !status && vocabulary->merge_counts && rank < vocabulary->merge_count;) {
        double count = (double)vocabulary->merge_counts[rank], bytes = (double)vocabulary->counted_bytes;
        status = q_json_push(ranks, json_integer((json_int_t)rank));
        if (!status)
            status = q_json_push(counts, json_real(1e6 * count / Q_MAX(bytes, 1)));
        size_t next = (size_t)((double)(rank + 1) * step);
        rank = Q_MAX(next, rank + 1);
    }
    return status;
}

static q_status put_language(const struct measured_language *language, json_t *sample)
{
    struct q_arena arena = {0};
    const char *name;
    json_t *words = measured_words_make_sense(language) ? json_integer((json_int_t)language->words) : json_null();
    q_status status = q_arena_cstring(&arena, language->name, &name);
    if (!status)
        status = q_json_set(sample, name,
                            json_pack("{s:I,s:I,s:I,s:o,s:I}", "documents", (json_int_t)language->documents, "bytes",
                                      (json_int_t)language->bytes, "characters", (json_int_t)language->characters,
                                      "words", words, "tokens", (json_int_t)language->tokens[0]));
    else
        json_decref(words);
    q_arena_release(&arena);
    return status;
}

static q_status measure_sample(const struct tokenizer *tokenizer, const char *path, unsigned threads,
                               struct text_measure *measure)
{
    struct text_source *source;
    struct q_pool *pool;
    Q_TRY(text_source_open_part(path, 0, 0, &source));
    q_status status = q_pool_create(threads, &pool);
    if (!status) {
        status = text_measure(source, pool, &tokenizer, 1, false, measure);
        q_pool_release(pool);
    }
    text_source_close(source);
    return status;
}

static q_status put_sample(struct vocabulary *vocabulary, const char *path, unsigned threads, json_t *statistics)
{
    struct tokenizer *tokenizer;
    struct text_measure measure = {0};
    json_t *sample = json_object();
    Q_TRY(q_json_set(statistics, "sample", sample));
    Q_TRY(tokenizer_create(vocabulary, &tokenizer));
    q_status status = measure_sample(tokenizer, path, threads, &measure);
    for (size_t i = 0; i < measure.language_count && !status; i++)
        status = put_language(&measure.languages[i], sample);
    text_measure_release(&measure);
    tokenizer_release(tokenizer);
    return status;
}

q_status stage_statistics(struct vocabulary *vocabulary, const struct counts_total *total, uint64_t distinct,
                          const char *sample, unsigned threads, json_t **out)
{
    json_t *statistics = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "vocabulary", (json_int_t)vocabulary->size, "merges",
                                   (json_int_t)vocabulary->merge_count, "documents", (json_int_t)total->documents,
                                   "text_bytes", (json_int_t)total->bytes, "pieces", (json_int_t)total->pieces,
                                   "distinct_pieces", (json_int_t)distinct);
    q_status status = statistics ? Q_OK : q_fail(Q_ERR_MEMORY, "no memory for the statistics");
    if (!status)
        status = put_merge_counts(vocabulary, statistics);
    if (!status)
        status = put_sample(vocabulary, sample, threads, statistics);
    else
        vocabulary_release(vocabulary);
    if (status)
        json_decref(statistics);
    else
        *out = statistics;
    return status;
}
