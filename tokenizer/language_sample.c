#include "tokenizer/language_sample.h"

#include "base/document.h"

struct language {
    q_string name;
    uint64_t documents, bytes, tokens;
};

struct language_sample {
    uint64_t bytes_max;
    struct q_arena arena; /* the names */
    struct language *languages;
    size_t count, capacity;
    /* While copying: */
    struct q_documents_writer *writer;
    /* While encoding: */
    const struct tokenizer *tokenizer;
    struct tokenizer_scratch *scratch;
    struct tokenizer_ids ids;
};

q_status language_sample_create(uint64_t bytes_max, struct language_sample **out)
{
    Q_TRY(q_alloc_zero(1, sizeof(**out), out));
    (*out)->bytes_max = bytes_max;
    return Q_OK;
}

void language_sample_release(struct language_sample *sample)
{
    if (!sample)
        return;
    tokenizer_ids_release(&sample->ids);
    q_arena_release(&sample->arena);
    q_release(sample->languages);
    q_release(sample);
}

static q_status language_of(struct language_sample *sample, q_string name, struct language **out)
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

static q_status copy_document(struct language_sample *sample, const struct text_document *document)
{
    struct q_document copy = {.id = document->id, .text = document->text, .lang = document->lang, .quality = -1};
    return q_documents_append(sample->writer, &copy);
}

static q_status encode_document(struct language_sample *sample, const struct text_document *document,
                                struct language *language)
{
    sample->ids.count = 0;
    Q_TRY(
        tokenizer_encode(sample->tokenizer, sample->scratch, document->text, TOKENIZER_SPECIAL_AS_TEXT, &sample->ids));
    language->tokens += sample->ids.count;
    return Q_OK;
}

static q_status take_document(void *context, const struct text_document *document)
{
    struct language_sample *sample = context;
    struct language *language;
    Q_TRY(language_of(sample, document->lang, &language));
    if (language->bytes >= sample->bytes_max)
        return Q_OK;
    language->documents++;
    language->bytes += document->text.size;
    return sample->writer ? copy_document(sample, document) : encode_document(sample, document, language);
}

q_status language_sample_copy(struct language_sample *sample, struct text_source *source, const char *path,
                              struct q_file_identity *identity)
{
    Q_TRY(q_documents_create(path, &sample->writer));
    q_status status = text_source_each(source, take_document, sample);
    if (status)
        q_documents_abandon(sample->writer);
    else
        status = q_documents_commit(sample->writer, identity);
    sample->writer = NULL;
    return status;
}

q_status language_sample_encode(struct language_sample *sample, struct text_source *source,
                                const struct tokenizer *tokenizer)
{
    sample->tokenizer = tokenizer;
    Q_TRY(tokenizer_scratch_create(tokenizer, &sample->scratch));
    q_status status = text_source_each(source, take_document, sample);
    tokenizer_scratch_release(sample->scratch);
    sample->scratch = NULL;
    return status;
}

q_status language_sample_json(const struct language_sample *sample, json_t **out)
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
