#include "tokenizer/inspect/language_sample.h"

#include "base/document.h"

struct sampled_language {
    q_string name;
    uint64_t bytes;
};

struct language_sample {
    struct q_documents_writer *writer; /* NULL once committed */
    struct q_arena arena;              /* the names */
    struct sampled_language *languages;
    size_t count, capacity;
    uint64_t bytes_max; /* while taking */
};

q_status language_sample_create(const char *path, struct language_sample **out)
{
    struct language_sample *sample;
    Q_TRY(q_alloc_zero(1, sizeof(*sample), &sample));
    q_status status = q_documents_create(path, &sample->writer);
    if (status)
        q_release(sample);
    else
        *out = sample;
    return status;
}

void language_sample_release(struct language_sample *sample)
{
    if (!sample)
        return;
    if (sample->writer)
        q_documents_abandon(sample->writer);
    q_arena_release(&sample->arena);
    q_release(sample->languages);
    q_release(sample);
}

static q_status language_of(struct language_sample *sample, q_string name, struct sampled_language **out)
{
    for (size_t i = 0; i < sample->count; i++) {
        *out = &sample->languages[i];
        if (q_string_equal((*out)->name, name))
            return Q_OK;
    }
    Q_TRY(q_grow(&sample->languages, &sample->capacity, sample->count + 1, sizeof(*sample->languages)));
    *out = &sample->languages[sample->count];
    **out = (struct sampled_language){0};
    Q_TRY(q_arena_string(&sample->arena, name, &(*out)->name));
    sample->count++;
    return Q_OK;
}

static q_status take_document(void *context, const struct text_document *document)
{
    struct language_sample *sample = context;
    struct sampled_language *language;
    Q_TRY(language_of(sample, document->lang, &language));
    if (language->bytes >= sample->bytes_max)
        return Q_OK;
    language->bytes += document->text.size;
    struct q_document copy = {.id = document->id, .text = document->text, .lang = document->lang, .quality = -1};
    return q_documents_append(sample->writer, &copy);
}

q_status language_sample_take(struct language_sample *sample, struct text_source *source, uint64_t bytes_max)
{
    sample->bytes_max = bytes_max;
    return text_source_each(source, take_document, sample);
}

q_status language_sample_commit(struct language_sample *sample, struct q_file_identity *identity)
{
    struct q_documents_writer *writer = sample->writer;
    sample->writer = NULL;
    return q_documents_commit(writer, identity);
}

static q_status take_part(struct language_sample *sample, struct q_manifest *counted, size_t part, const char *suffix)
{
    uint64_t share = (uint64_t)LANGUAGE_SAMPLE_BYTES_MAX * (part + 1) / counted->part_count;
    for (size_t i = 0; i < counted->parts[part].file_count; i++) {
        const char *name = counted->parts[part].files[i].name, *path;
        struct text_source *source;
        if (!q_string_ends(q_string_of(name), suffix))
            continue;
        Q_TRY(q_manifest_path(counted, name, &path));
        Q_TRY(text_source_open_part(path, 0, 0, &source));
        q_status status = language_sample_take(sample, source, share);
        text_source_close(source);
        Q_TRY(status);
    }
    return Q_OK;
}

q_status language_sample_join(struct q_manifest *counted, const char *suffix, const char *path,
                              struct q_file_identity *identity)
{
    struct language_sample *sample;
    Q_TRY(language_sample_create(path, &sample));
    q_status status = Q_OK;
    for (size_t part = 0; part < counted->part_count && !status; part++)
        status = take_part(sample, counted, part, suffix);
    if (!status)
        status = language_sample_commit(sample, identity);
    language_sample_release(sample);
    return status;
}
