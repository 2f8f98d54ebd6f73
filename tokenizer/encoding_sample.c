#include "tokenizer/encoding_sample.h"

struct language {
    q_string name;
    uint64_t documents, bytes, tokens;
};

struct encoding_sample {
    const struct tokenizer *tokenizer;
    struct tokenizer_scratch *scratch;
    struct q_jsonl_parser *parser;
    struct tokenizer_ids ids;
    struct q_arena arena; /* the names */
    struct language *languages;
    size_t count, capacity;
    uint64_t left; /* bytes still wanted of this source */
};

q_status encoding_sample_create(const struct tokenizer *tokenizer, struct encoding_sample **out)
{
    struct encoding_sample *sample;
    Q_TRY(q_alloc_zero(1, sizeof(*sample), &sample));
    sample->tokenizer = tokenizer;
    q_status status = tokenizer_scratch_create(tokenizer, &sample->scratch);
    if (!status)
        status = q_jsonl_create(&sample->parser);
    if (status)
        encoding_sample_release(sample);
    else
        *out = sample;
    return status;
}

void encoding_sample_release(struct encoding_sample *sample)
{
    if (!sample)
        return;
    tokenizer_scratch_release(sample->scratch);
    q_jsonl_release(sample->parser);
    tokenizer_ids_release(&sample->ids);
    q_arena_release(&sample->arena);
    q_release(sample->languages);
    q_release(sample);
}

static q_status language_of(struct encoding_sample *sample, q_string name, struct language **out)
{
    if (!name.size)
        name = Q_STRING("und");
    for (size_t i = 0; i < sample->count; i++) {
        *out = &sample->languages[i];
        if (q_string_equal((*out)->name, name))
            return Q_OK;
    }
    Q_TRY(q_grow(&sample->languages, &sample->capacity, sample->count + 1, sizeof(*sample->languages)));
    *out = &sample->languages[sample->count];
    **out = (struct language){0};
    Q_TRY(q_arena_string(&sample->arena, name, &(*out)->name));
    sample->count++;
    return Q_OK;
}

static q_status add_document(void *context, const struct text_document *document)
{
    struct encoding_sample *sample = context;
    struct language *language;
    if (document->held_out || sample->left == 0)
        return Q_OK;
    sample->left -= document->text.size < sample->left ? document->text.size : sample->left;
    sample->ids.count = 0;
    Q_TRY(
        tokenizer_encode(sample->tokenizer, sample->scratch, document->text, TOKENIZER_SPECIAL_AS_TEXT, &sample->ids));
    Q_TRY(language_of(sample, document->lang, &language));
    language->documents++;
    language->bytes += document->text.size;
    language->tokens += sample->ids.count;
    return Q_OK;
}

q_status encoding_sample_add(struct encoding_sample *sample, struct text_source *source, uint64_t bytes_max)
{
    struct text_batch batch = {0};
    bool more = true;
    q_status status = Q_OK;
    sample->left = bytes_max;
    while (sample->left && !status) {
        status = text_source_next(source, &batch, &more);
        if (status || !more)
            break;
        status = text_batch_each(&batch, sample->parser, add_document, sample);
    }
    text_batch_release(&batch);
    return status;
}

q_status encoding_sample_json(const struct encoding_sample *sample, json_t **out)
{
    json_t *object = json_object();
    q_status status = object ? Q_OK : q_fail(Q_ERR_MEMORY, "no memory for the sample");
    struct q_arena arena = {0};
    for (size_t i = 0; i < sample->count && !status; i++) {
        const struct language *language = &sample->languages[i];
        const char *name;
        status = q_arena_cstring(&arena, language->name, &name);
        if (!status)
            status = q_json_set(object, name,
                                json_pack("{s:I,s:I,s:I}", "documents", (json_int_t)language->documents, "bytes",
                                          (json_int_t)language->bytes, "tokens", (json_int_t)language->tokens));
    }
    q_arena_release(&arena);
    if (status)
        json_decref(object);
    else
        *out = object;
    return status;
}
