#include "tokenizer/inspect/text_measure.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/progress.h"
#include "tokenizer/unicode/unicode_classes.h"
#include "tokenizer/unicode/unicode_scripts.h"
#include "tokenizer/unicode/utf8_decode.h"

#include <math.h>
#include <stdlib.h>

struct measure_worker {
    struct text_measure sum;
    struct tokenizer_scratch *scratch[TEXT_MEASURE_VOCABULARIES_MAX];
    struct q_jsonl_parser *parser;
    struct tokenizer_ids ids;
    bool held_out_only;
};

struct measuring {
    struct text_source *source;
    struct measure_worker *workers;
};

void text_measure_release(struct text_measure *measure)
{
    for (size_t i = 0; i < measure->count; i++)
        q_release(measure->uses[i]);
    q_release(measure->languages);
    q_arena_release(&measure->arena);
    *measure = (struct text_measure){0};
}

static q_status measure_init(struct text_measure *measure, const struct tokenizer *const *tokenizers, size_t count)
{
    *measure = (struct text_measure){.count = count, .all.name = Q_STRING("all")};
    memcpy(measure->tokenizers, tokenizers, count * sizeof(*tokenizers));
    for (size_t i = 0; i < count; i++)
        Q_TRY(q_alloc_zero(tokenizer_size(tokenizers[i]), sizeof(uint64_t), &measure->uses[i]));
    return Q_OK;
}

static q_status language_named(struct text_measure *measure, q_string name, struct measured_language **out)
{
    if (!name.size)
        name = Q_STRING("und");
    for (size_t i = 0; i < measure->language_count; i++) {
        *out = &measure->languages[i];
        if (q_string_equal((*out)->name, name))
            return Q_OK;
    }
    Q_TRY(q_grow(&measure->languages, &measure->language_capacity, measure->language_count + 1,
                 sizeof(*measure->languages)));
    *out = &measure->languages[measure->language_count];
    **out = (struct measured_language){0};
    Q_TRY(q_arena_string(&measure->arena, name, &(*out)->name));
    measure->language_count++;
    return Q_OK;
}

static bool is_unspaced(uint32_t code)
{
    static const char *const names[] = {"Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan"};
    if (code < 0x0E00) /* nothing below the Thai block */
        return false;
    const char *script = unicode_script_names[unicode_script(code)];
    for (size_t i = 0; i < Q_COUNT_OF(names); i++)
        if (!strcmp(script, names[i]))
            return true;
    return false;
}

static void count_characters(q_string text, struct measured_language *language)
{
    const uint8_t *at = (const uint8_t *)text.data, *end = at + text.size;
    bool in_word = false; /* the word has been counted */
    while (at < end) {
        struct utf8_code decoded = *at < 0x80 ? (struct utf8_code){*at, 1} : utf8_decode(at, end);
        unsigned class = unicode_class(decoded.code);
        at += decoded.bytes;
        language->characters++;
        if (class & UNICODE_SPACE) {
            in_word = false;
        } else if (class & (UNICODE_LETTER | UNICODE_MARK | UNICODE_NUMBER)) {
            language->words += !in_word;
            in_word = true;
            language->letters++;
            language->unspaced += is_unspaced(decoded.code);
        }
    }
}

/* Whether the ids are the text's bytes: what a program gets back that decodes them. */
static bool comes_back(const struct tokenizer *tokenizer, const struct tokenizer_ids *ids, q_string text)
{
    size_t at = 0;
    for (size_t i = 0; i < ids->count; i++) {
        q_string token = tokenizer_bytes(tokenizer, ids->ids[i]);
        if (token.size > text.size - at || memcmp(text.data + at, token.data, token.size) != 0)
            return false;
        at += token.size;
    }
    return at == text.size;
}

static q_status measure_document(void *context, const struct text_document *document)
{
    struct measure_worker *worker = context;
    struct text_measure *sum = &worker->sum;
    struct measured_language *language;
    if (worker->held_out_only && !document->held_out)
        return Q_OK;
    Q_TRY(language_named(sum, document->lang, &language));
    language->documents++;
    language->bytes += document->text.size;
    count_characters(document->text, language);
    for (size_t i = 0; i < sum->count; i++) {
        worker->ids.count = 0;
        Q_TRY(tokenizer_encode(sum->tokenizers[i], worker->scratch[i], document->text, TOKENIZER_SPECIAL_AS_TEXT,
                               &worker->ids));
        language->tokens[i] += worker->ids.count;
        for (size_t k = 0; k < worker->ids.count; k++)
            sum->uses[i][worker->ids.ids[k]]++;
        sum->changed[i] += !comes_back(sum->tokenizers[i], &worker->ids, document->text);
    }
    return Q_OK;
}

static void add_figures(struct measured_language *to, const struct measured_language *from, size_t count)
{
    to->documents += from->documents;
    to->bytes += from->bytes;
    to->characters += from->characters;
    to->words += from->words;
    to->letters += from->letters;
    to->unspaced += from->unspaced;
    for (size_t i = 0; i < count; i++)
        to->tokens[i] += from->tokens[i];
}

static q_status add_worker(struct text_measure *to, const struct text_measure *from)
{
    for (size_t i = 0; i < from->language_count; i++) {
        struct measured_language *language;
        Q_TRY(language_named(to, from->languages[i].name, &language));
        add_figures(language, &from->languages[i], to->count);
        add_figures(&to->all, &from->languages[i], to->count);
    }
    for (size_t i = 0; i < to->count; i++) {
        to->changed[i] += from->changed[i];
        for (uint32_t id = 0; id < tokenizer_size(to->tokenizers[i]); id++)
            to->uses[i][id] += from->uses[i][id];
    }
    return Q_OK;
}

static q_status measure_next(void *context, void **slot, bool *more)
{
    struct measuring *measuring = context;
    struct text_batch *batch = *slot;
    if (q_stop_requested())
        return q_fail(Q_STOPPED, "stopped while measuring");
    if (!batch) {
        Q_TRY(q_alloc_zero(1, sizeof(*batch), &batch));
        *slot = batch;
    }
    return text_source_next(measuring->source, batch, more);
}

static q_status measure_work(void *context, unsigned index, void *slot)
{
    struct measuring *measuring = context;
    struct measure_worker *worker = &measuring->workers[index];
    return text_batch_each(slot, worker->parser, measure_document, worker);
}

static q_status worker_init(struct measure_worker *worker, const struct text_measure *out)
{
    Q_TRY(q_jsonl_create(&worker->parser));
    Q_TRY(measure_init(&worker->sum, out->tokenizers, out->count));
    for (size_t i = 0; i < out->count; i++)
        Q_TRY(tokenizer_scratch_create(out->tokenizers[i], &worker->scratch[i]));
    return Q_OK;
}

static q_status measure_merge(void *context, void *slot)
{
    const struct text_batch *batch = slot;
    (void)context;
    q_progress_add(batch->stored);
    return Q_OK;
}

static void measure_release(void *context, void *slot)
{
    (void)context;
    text_batch_release(slot);
    q_release(slot);
}

static int by_falling_bytes(const void *left, const void *right)
{
    const struct measured_language *a = left, *b = right;
    return a->bytes != b->bytes ? (a->bytes < b->bytes) - (a->bytes > b->bytes) : q_string_compare(a->name, b->name);
}

static void worker_release(struct measure_worker *worker)
{
    for (size_t i = 0; i < TEXT_MEASURE_VOCABULARIES_MAX; i++)
        tokenizer_scratch_release(worker->scratch[i]);
    text_measure_release(&worker->sum);
    q_jsonl_release(worker->parser);
    tokenizer_ids_release(&worker->ids);
}

q_status text_measure(struct text_source *source, struct q_pool *pool, const struct tokenizer *const *tokenizers,
                      size_t count, bool held_out_only, struct text_measure *out)
{
    unsigned threads = q_pool_threads(pool);
    struct measuring measuring = {.source = source};
    struct q_stream stream = {&measuring, measure_next, measure_work, measure_merge, measure_release};
    q_check(count >= 1 && count <= TEXT_MEASURE_VOCABULARIES_MAX);
    Q_TRY(measure_init(out, tokenizers, count));
    Q_TRY(q_alloc_zero(threads, sizeof(*measuring.workers), &measuring.workers));
    q_status status = Q_OK;
    for (unsigned i = 0; i < threads && !status; i++) {
        measuring.workers[i].held_out_only = held_out_only;
        status = worker_init(&measuring.workers[i], out);
    }
    if (!status)
        status = q_pool_stream(pool, 2 * (size_t)threads, &stream);
    for (unsigned i = 0; i < threads; i++) {
        if (!status)
            status = add_worker(out, &measuring.workers[i].sum);
        worker_release(&measuring.workers[i]);
    }
    q_release(measuring.workers);
    for (size_t i = 0; i < out->language_count; i++)
        if (!measured_words_make_sense(&out->languages[i]))
            out->all.words = 0; /* a sum over some of the languages would be compared with one over all */
    if (out->language_count)
        qsort(out->languages, out->language_count, sizeof(*out->languages), by_falling_bytes);
    return status;
}

bool measured_words_make_sense(const struct measured_language *language)
{
    return language->words > 0 && language->unspaced * 5 <= language->letters;
}

uint32_t measured_used(const struct text_measure *measure, size_t vocabulary)
{
    uint32_t used = 0;
    for (uint32_t id = 0; id < tokenizer_size(measure->tokenizers[vocabulary]); id++)
        used += measure->uses[vocabulary][id] > 0;
    return used;
}

double measured_evenness(const struct text_measure *measure, size_t vocabulary)
{
    static const double order = 2.5;
    uint32_t size = tokenizer_size(measure->tokenizers[vocabulary]);
    double total = (double)measure->all.tokens[vocabulary], sum = 0;
    if (total <= 0 || size < 2)
        return 0;
    for (uint32_t id = 0; id < size; id++)
        if (measure->uses[vocabulary][id])
            sum += pow((double)measure->uses[vocabulary][id] / total, order);
    return log(sum) / (1 - order) / log(size);
}

void measured_language_json(const struct measured_language *language, struct q_json *json)
{
    q_json_put_u64(json, "documents", language->documents);
    q_json_put_u64(json, "bytes", language->bytes);
    q_json_put_u64(json, "characters", language->characters);
    if (measured_words_make_sense(language))
        q_json_put_u64(json, "words", language->words);
    else
        q_json_put_raw(json, "words", Q_STRING("null"));
}
