#include "tokenizer/inspect/compare.h"

#include "base/check.h"
#include "base/fs.h"

#include <math.h>
#include <stdlib.h>

void comparison_release(struct comparison *comparison)
{
    text_measure_release(&comparison->measure);
    for (size_t i = 0; i < comparison->count; i++)
        tokenizer_release(comparison->tokenizers[i]);
    q_arena_release(&comparison->arena);
    *comparison = (struct comparison){0};
}

/* "run/tokenizer/3fa0" and "run/tokenizer/3fa0/tokenizer.json" are "3fa0", "data/qwen2_5.tokenizer.json" is "qwen2_5". */
static q_string name_of(q_string path)
{
    static const char *const endings[] = {"/tokenizer.json", ".tokenizer.json", ".json", ".tiktoken"};
    while (path.size > 1 && path.data[path.size - 1] == '/')
        path.size--;
    for (size_t i = 0; i < Q_COUNT_OF(endings); i++)
        if (q_string_ends(path, endings[i]) && path.size > strlen(endings[i]))
            path.size -= strlen(endings[i]);
    size_t start = path.size;
    while (start > 0 && path.data[start - 1] != '/')
        start--;
    return q_string_slice(path, start, path.size);
}

/* NAME=PATH, unless there is a file of that whole name or the "=" is in a folder's. */
static q_status split_given(struct q_arena *arena, const char *given, const char **name, const char **path)
{
    const char *equals = strchr(given, '='), *slash = strchr(given, '/');
    q_string chosen = name_of(q_string_of(given));
    struct stat st;
    bool exists;
    *path = given;
    Q_TRY(q_fs_look(given, &exists, &st));
    if (equals && equals != given && (!slash || slash > equals) && !exists) {
        chosen = q_string_slice(q_string_of(given), 0, (size_t)(equals - given));
        *path = equals + 1;
    }
    return q_arena_cstring(arena, chosen, name);
}

q_status comparison_load(struct comparison *comparison, const char *const *given, size_t count)
{
    if (count < 1 || count > TEXT_MEASURE_VOCABULARIES_MAX)
        return q_fail(Q_ERR_USAGE, "compare which vocabularies? give 1 to %d of -t [NAME=]PATH, not %zu",
                      TEXT_MEASURE_VOCABULARIES_MAX, count);
    for (size_t i = 0; i < count; i++) {
        const char *path;
        Q_TRY(split_given(&comparison->arena, given[i], &comparison->names[i], &path));
        for (size_t k = 0; k < i; k++)
            if (!strcmp(comparison->names[k], comparison->names[i]))
                return q_fail(Q_ERR_USAGE, "two vocabularies are called '%s'; name them with -t NAME=PATH",
                              comparison->names[i]);
        Q_TRY(tokenizer_load(path, &comparison->tokenizers[i]));
        comparison->count++;
    }
    return Q_OK;
}

static int by_bytes(const void *left, const void *right)
{
    return q_string_compare(*(const q_string *)left, *(const q_string *)right);
}

/* The tokens that are no special ones, sorted, without repetition. */
static q_status sorted_tokens(const struct tokenizer *tokenizer, q_string **out, uint32_t *count)
{
    uint32_t used = 0;
    q_string *tokens;
    Q_TRY(q_alloc(tokenizer_size(tokenizer), sizeof(*tokens), &tokens));
    *count = 0;
    for (uint32_t id = 0; id < tokenizer_size(tokenizer); id++)
        if (tokenizer_bytes(tokenizer, id).size && !tokenizer_is_special(tokenizer, id))
            tokens[used++] = tokenizer_bytes(tokenizer, id);
    qsort(tokens, used, sizeof(*tokens), by_bytes);
    for (uint32_t i = 0; i < used; i++)
        if (i == 0 || !q_string_equal(tokens[i], tokens[*count - 1]))
            tokens[(*count)++] = tokens[i];
    *out = tokens;
    return Q_OK;
}

static uint32_t count_shared(const q_string *a, uint32_t a_count, const q_string *b, uint32_t b_count)
{
    uint32_t shared = 0;
    for (uint32_t i = 0, k = 0; i < a_count && k < b_count;) {
        int order = q_string_compare(a[i], b[k]);
        shared += order == 0;
        i += order <= 0;
        k += order >= 0;
    }
    return shared;
}

static q_status measure_overlaps(struct comparison *comparison)
{
    q_string *tokens[TEXT_MEASURE_VOCABULARIES_MAX] = {0};
    uint32_t counts[TEXT_MEASURE_VOCABULARIES_MAX] = {0};
    q_status status = Q_OK;
    for (size_t i = 0; i < comparison->count && !status; i++)
        status = sorted_tokens(comparison->tokenizers[i], &tokens[i], &counts[i]);
    for (size_t i = 0; i < comparison->count && !status; i++)
        for (size_t k = i; k < comparison->count; k++)
            comparison->shared[i][k] = comparison->shared[k][i] =
                i == k ? counts[i] : count_shared(tokens[i], counts[i], tokens[k], counts[k]);
    for (size_t i = 0; i < comparison->count; i++)
        q_release(tokens[i]);
    return status;
}

q_status comparison_run(struct comparison *comparison, struct text_source *source, bool held_out_only,
                        struct q_pool *pool)
{
    Q_TRY(measure_overlaps(comparison));
    return text_measure(source, pool, (const struct tokenizer *const *)comparison->tokenizers, comparison->count,
                        held_out_only, &comparison->measure);
}

double comparison_figure(const struct measured_language *language, size_t vocabulary, enum compare_figure figure)
{
    double tokens = (double)language->tokens[vocabulary];
    if (tokens <= 0)
        return 0;
    switch (figure) {
    case COMPARE_BYTES_PER_TOKEN:
        return (double)language->bytes / tokens;
    case COMPARE_CHARACTERS_PER_TOKEN:
        return (double)language->characters / tokens;
    case COMPARE_TOKENS_PER_WORD:
        return measured_words_make_sense(language) ? tokens / (double)language->words : 0;
    }
    return 0;
}

bool comparison_is_best(const struct comparison *comparison, const struct measured_language *language, double value,
                        enum compare_figure figure)
{
    static const double shown = 100;
    if (comparison->count < 2 || value <= 0)
        return false;
    for (size_t i = 0; i < comparison->count; i++) {
        double other = round(shown * comparison_figure(language, i, figure)), mine = round(shown * value);
        if (figure == COMPARE_TOKENS_PER_WORD ? other < mine : other > mine)
            return false;
    }
    return true;
}

double comparison_tokens_to_first(const struct comparison *comparison, size_t vocabulary)
{
    const uint64_t *tokens = comparison->measure.all.tokens;
    return tokens[0] ? (double)tokens[vocabulary] / (double)tokens[0] : 0;
}

double comparison_mean_to_first(const struct comparison *comparison, size_t vocabulary)
{
    double sum = 0, count = 0;
    for (size_t i = 0; i < comparison->measure.language_count; i++) {
        const uint64_t *tokens = comparison->measure.languages[i].tokens;
        if (tokens[0] == 0 || tokens[vocabulary] == 0)
            continue;
        sum += log((double)tokens[vocabulary] / (double)tokens[0]);
        count++;
    }
    return count > 0 ? exp(sum / count) : 0;
}
