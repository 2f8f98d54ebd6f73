#include "tokenizer/inspect/vocabulary_growth.h"

#include "base/check.h"
#include "tokenizer/encode/bpe_index.h"

#include <stdio.h>

enum { FEWEST_MERGES = 512 };

/* The tokenizer with the first `merges` of them; the tokens of the others stay, and nothing leads to them. *all is how many there are. */
static q_status load_first(const char *path, size_t merges, struct tokenizer **out, size_t *all)
{
    struct vocabulary vocabulary = {0};
    q_status status = vocabulary_read(path, &vocabulary);
    if (status) {
        vocabulary_release(&vocabulary);
        return status;
    }
    *all = vocabulary.merge_count;
    vocabulary.merge_count = Q_MIN(merges, vocabulary.merge_count);
    vocabulary.ignore_merges = false; /* else tokens would come back without their merges */
    return tokenizer_create(&vocabulary, out);
}

static q_status measure(const struct tokenizer *tokenizer, const char *texts, struct q_pool *pool,
                        struct text_measure *out)
{
    struct text_source *source;
    Q_TRY(text_source_open_part(texts, 0, 0, &source));
    q_status status = text_measure(source, pool, &tokenizer, 1, false, out);
    text_source_close(source);
    return status;
}

static double rate(const struct measured_language *language)
{
    return language->tokens[0] ? (double)language->bytes / (double)language->tokens[0] : 0;
}

/* Languages are in the order of their bytes, which no vocabulary changes. */
static void add_point(struct vocabulary_growth *growth, const struct text_measure *measured, size_t merges)
{
    size_t point = growth->points++;
    growth->merges[point] = (double)merges;
    growth->lines = 1 + Q_MIN(measured->language_count, (size_t)GROWTH_LANGUAGES);
    growth->bytes_per_token[0][point] = rate(&measured->all);
    (void)snprintf(growth->names[0], sizeof(growth->names[0]), "all");
    for (size_t i = 1; i < growth->lines; i++) {
        const struct measured_language *language = &measured->languages[i - 1];
        growth->bytes_per_token[i][point] = rate(language);
        (void)snprintf(growth->names[i], sizeof(growth->names[i]), "%.*s", Q_STRING_ARGS(language->name));
    }
}

q_status vocabulary_growth_measure(const char *vocabulary, const char *texts, struct q_pool *pool,
                                   struct vocabulary_growth *out)
{
    size_t all = SIZE_MAX;
    *out = (struct vocabulary_growth){0};
    for (size_t merges = FEWEST_MERGES; out->points < GROWTH_POINTS_MAX; merges *= 2) {
        struct tokenizer *tokenizer;
        struct text_measure measured = {0};
        Q_TRY(load_first(vocabulary, merges, &tokenizer, &all));
        q_status status = measure(tokenizer, texts, pool, &measured);
        if (!status)
            add_point(out, &measured, Q_MIN(merges, all));
        text_measure_release(&measured);
        tokenizer_release(tokenizer);
        Q_TRY(status);
        if (merges >= all)
            break;
    }
    return Q_OK;
}
