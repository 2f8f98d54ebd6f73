#include "shards/shards_part.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/progress.h"
#include "shards/shards_encode.h"

enum { BATCH_BYTES = 1 << 20 };

unsigned shards_id_bytes(uint32_t vocabulary)
{
    return vocabulary <= 65536 ? 2 : 4;
}

q_status shards_encoding_check(const struct shards_encoding *encoding)
{
    static const char *const names[TOKENIZER_SPECIAL_COUNT] = {"begin",    "end",       "padding",
                                                               "fim hole", "fim begin", "fim end"};
    for (int special = 0; special < TOKENIZER_SPECIAL_COUNT; special++) {
        const bool fim =
            special == TOKENIZER_FIM_HOLE || special == TOKENIZER_FIM_BEGIN || special == TOKENIZER_FIM_END;
        const bool needed =
            special == TOKENIZER_BEGIN || special == TOKENIZER_END || (fim && encoding->settings->fim_rate > 0);
        if (needed && tokenizer_special_id(encoding->tokenizer, (enum tokenizer_special)special) == UINT32_MAX)
            return q_fail(Q_ERR_INPUT, "the tokenizer has no %s token%s", names[special],
                          fim ? "; set shards.fim_rate to 0 or take a tokenizer that has it" : "");
    }
    if (tokenizer_size(encoding->tokenizer) > SHARD_VOCABULARY_MAX)
        return q_fail(Q_ERR_INPUT, "the tokenizer has %u ids, shards hold at most %d",
                      tokenizer_size(encoding->tokenizer), SHARD_VOCABULARY_MAX);
    return Q_OK;
}

/* Reading: batches of lines go to the workers in order and come back in order. */
struct part_reader {
    const struct shards_encoding *encoding;
    const char *const *files;
    size_t file_count, file; /* file: the one being read, or next to open */
    struct q_lines_reader *lines;
    uint64_t next_line;
    uint64_t position; /* in the stored file, for progress */
    struct encode_worker *workers;
    struct shards_part *part;
};

static uint64_t count_lines(const struct q_buffer *lines)
{
    uint64_t count = 0;
    for (const char *at = lines->data, *end = at + lines->size; at < end; count++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        at = line_end ? line_end + 1 : end;
    }
    return count;
}

/* Fills the batch from the files; an empty one at the end of the last. */
static q_status read_lines(struct part_reader *reader, struct encoded_batch *batch)
{
    q_buffer_clear(&batch->lines);
    while (reader->file < reader->file_count) {
        if (!reader->lines) {
            Q_TRY(q_lines_open(reader->files[reader->file], &reader->lines));
            reader->next_line = 1;
            reader->position = 0;
        }
        Q_TRY(q_lines_next(reader->lines, BATCH_BYTES, &batch->lines));
        const uint64_t position = q_lines_position(reader->lines);
        q_progress_add(position - reader->position);
        reader->position = position;
        if (batch->lines.size > 0) {
            batch->file = reader->files[reader->file];
            batch->first_line = reader->next_line;
            reader->next_line += count_lines(&batch->lines);
            return Q_OK;
        }
        q_lines_close(reader->lines);
        reader->lines = NULL;
        reader->file++;
    }
    return Q_OK;
}

static q_status next_batch(void *context, void **job, bool *more)
{
    struct part_reader *reader = context;
    if (q_stop_requested())
        return q_fail(Q_STOPPED, "stopped");
    if (!*job)
        Q_TRY(q_alloc_zero(1, sizeof(struct encoded_batch), job));
    struct encoded_batch *batch = *job;
    Q_TRY(read_lines(reader, batch));
    *more = batch->lines.size > 0;
    return Q_OK;
}

static q_status work_batch(void *context, unsigned worker, void *job)
{
    const struct part_reader *reader = context;
    return encode_batch(reader->encoding, &reader->workers[worker], job);
}

static void release_batch(void *context, void *job)
{
    (void)context;
    encoded_batch_release(job);
    q_release(job);
}

/* The index of a language's name, added where it is new: some dozens at most, the last one first. */
static q_status language_index(struct shards_part *part, q_string name, uint32_t *out)
{
    for (size_t i = part->language_count; i-- > 0;) {
        if (q_string_equal(part->languages[i], name)) {
            *out = (uint32_t)i;
            return Q_OK;
        }
    }
    Q_TRY(q_grow(&part->languages, &part->language_capacity, part->language_count + 1, sizeof *part->languages));
    Q_TRY(q_arena_string(&part->arena, name, &part->languages[part->language_count]));
    *out = (uint32_t)part->language_count++;
    return Q_OK;
}

static q_status check_source(struct shards_part *part, q_string source)
{
    if (!part->has_source)
        Q_TRY(q_arena_string(&part->arena, source, &part->source));
    part->has_source = true;
    if (!q_string_equal(part->source, source))
        return q_fail(Q_ERR_INPUT, "the part holds documents of two sources, '%.*s' and '%.*s'",
                      Q_STRING_ARGS(part->source), Q_STRING_ARGS(source));
    return Q_OK;
}

static q_status keep_document(struct shards_part *part, const struct encoded_document *document, const uint32_t *ids)
{
    struct shards_part_split *split = &part->splits[document->split];
    const size_t count = split->count, width = part->id_bytes;
    Q_TRY(q_grow(&split->documents, &split->document_capacity, count + 1, sizeof *split->documents));
    Q_TRY(q_grow(&split->keys, &split->key_capacity, count + 1, sizeof *split->keys));
    Q_TRY(q_grow(&split->places, &split->place_capacity, count + 1, sizeof *split->places));
    struct shard_document *out = &split->documents[count];
    *out =
        (struct shard_document){.tokens = document->tokens, .text_bytes = document->text_bytes, .fim = document->fim};
    Q_TRY(q_arena_string(&part->arena, document->id, &out->id));
    Q_TRY(language_index(part, document->language, &out->language));
    split->keys[count] = document->key;
    split->places[count] = split->ids.size / width;
    Q_TRY(q_buffer_reserve(&split->ids, document->tokens * width));
    shard_ids_narrow(ids, document->tokens, part->id_bytes, split->ids.data + split->ids.size);
    split->ids.size += document->tokens * width;
    split->count++;
    return Q_OK;
}

static q_status merge_batch(void *context, void *job)
{
    struct part_reader *reader = context;
    const struct encoded_batch *batch = job;
    const uint32_t *ids = batch->ids.ids;
    for (size_t i = 0; i < batch->count; i++) {
        const struct encoded_document *document = &batch->documents[i];
        Q_TRY(check_source(reader->part, document->source));
        if (document->tokens == 0) {
            Q_TRY(q_account_dropped(&reader->part->accounting, "empty", document->text_bytes));
            continue;
        }
        Q_TRY(keep_document(reader->part, document, ids));
        Q_TRY(q_account_kept(&reader->part->accounting, document->text_bytes, document->text_bytes));
        ids += document->tokens;
    }
    return Q_OK;
}

q_status shards_part_read(const struct shards_encoding *encoding, struct q_pool *pool, const char *const *files,
                          size_t file_count, struct shards_part *part)
{
    enum { BATCHES_IN_FLIGHT = 3 }; /* per thread */
    *part = (struct shards_part){.id_bytes = shards_id_bytes(tokenizer_size(encoding->tokenizer))};
    const unsigned threads = q_pool_threads(pool);
    struct part_reader reader = {.encoding = encoding, .files = files, .file_count = file_count, .part = part};
    q_status status;
    Q_TRY(q_alloc_zero(threads, sizeof *reader.workers, &reader.workers));
    for (unsigned i = 0; i < threads; i++)
        Q_TRY_GOTO(out, encode_worker_init(&reader.workers[i], encoding->tokenizer));
    const struct q_stream batches = {&reader, next_batch, work_batch, merge_batch, release_batch};
    Q_TRY_GOTO(out, q_pool_stream(pool, (size_t)threads * BATCHES_IN_FLIGHT, &batches));
out:
    for (unsigned i = 0; i < threads; i++)
        encode_worker_release(&reader.workers[i]);
    q_release(reader.workers);
    if (reader.lines)
        q_lines_close(reader.lines);
    return status;
}

void shards_part_release(struct shards_part *part)
{
    for (int i = 0; i < 2; i++) {
        struct shards_part_split *split = &part->splits[i];
        q_buffer_release(&split->ids);
        q_release(split->documents);
        q_release(split->keys);
        q_release(split->places);
    }
    q_release(part->languages);
    q_accounting_release(&part->accounting);
    q_arena_release(&part->arena);
    *part = (struct shards_part){0};
}

/* Sorting: an index with its key, so that the comparison needs no context. */
struct sort_entry {
    q_hash key;
    size_t index;
};

static int compare_entries(const void *a, const void *b)
{
    return q_hash_compare(((const struct sort_entry *)a)->key, ((const struct sort_entry *)b)->key);
}

static q_status sort_documents(const struct shards_part_split *split, struct q_arena *arena,
                               struct shard_document **out_documents, uint64_t **out_places)
{
    struct sort_entry *entries;
    Q_TRY(q_arena_alloc(arena, split->count, sizeof *entries, &entries));
    Q_TRY(q_arena_alloc(arena, split->count, sizeof **out_documents, out_documents));
    Q_TRY(q_arena_alloc(arena, split->count, sizeof **out_places, out_places));
    for (size_t i = 0; i < split->count; i++)
        entries[i] = (struct sort_entry){split->keys[i], i};
    qsort(entries, split->count, sizeof *entries, compare_entries);
    for (size_t i = 0; i < split->count; i++) {
        if (i > 0 && q_hash_equal(entries[i - 1].key, entries[i].key)) {
            const q_string id = split->documents[entries[i].index].id;
            return q_fail(Q_ERR_INPUT, "the document id '%.*s' occurs twice", Q_STRING_ARGS(id));
        }
        (*out_documents)[i] = split->documents[entries[i].index];
        (*out_places)[i] = split->places[entries[i].index];
    }
    return Q_OK;
}

/* The names of the split's languages, sorted, and the documents' indices changed from those of arrival. */
static q_status sort_languages(const struct shards_part *part, struct q_arena *arena, struct shard_stream *stream)
{
    bool *used;
    uint32_t *place; /* of a language of the part in the sorted list */
    q_string *names;
    Q_TRY(q_arena_alloc(arena, part->language_count, sizeof *used, &used));
    Q_TRY(q_arena_alloc(arena, part->language_count, sizeof *place, &place));
    Q_TRY(q_arena_alloc(arena, part->language_count, sizeof *names, &names));
    for (size_t i = 0; i < stream->count; i++)
        used[stream->documents[i].language] = true;
    for (uint32_t i = 0; i < part->language_count; i++) {
        for (uint32_t j = 0; j < part->language_count; j++)
            place[i] += used[j] && q_string_compare(part->languages[j], part->languages[i]) < 0;
        if (used[i]) {
            names[place[i]] = part->languages[i];
            stream->language_count++;
        }
    }
    for (size_t i = 0; i < stream->count; i++)
        stream->documents[i].language = place[stream->documents[i].language];
    stream->languages = names;
    return Q_OK;
}

static struct shard_header header_of(const struct shards_encoding *encoding, const struct shards_part *part,
                                     uint32_t number, enum shards_split split)
{
    const uint64_t sequence_bytes = encoding->settings->sequence_tokens * part->id_bytes;
    const uint64_t sequences = Q_MAX(encoding->settings->frame_bytes / sequence_bytes, 1);
    return (struct shard_header){
        .id_bytes = (uint8_t)part->id_bytes,
        .split = split,
        .part = number,
        .sequence_tokens = (uint32_t)encoding->settings->sequence_tokens,
        .frame_ids = (uint32_t)(sequences * encoding->settings->sequence_tokens),
        .vocabulary = tokenizer_size(encoding->tokenizer),
        .begin_id = tokenizer_special_id(encoding->tokenizer, TOKENIZER_BEGIN),
        .end_id = tokenizer_special_id(encoding->tokenizer, TOKENIZER_END),
        .tokenizer = encoding->tokenizer_hash,
        .input = encoding->input_hash,
        .source = part->source,
    };
}

q_status shards_part_write(const struct shards_encoding *encoding, struct q_pool *pool, struct shards_part *part,
                           uint32_t number, enum shards_split split, q_string provenance, const char *path,
                           struct shard_header *header, struct q_file_identity *identity)
{
    const struct shards_part_split *documents = &part->splits[split];
    struct q_arena arena = {0};
    uint64_t *places = NULL;
    struct shard_stream stream = {.header = header_of(encoding, part, number, split),
                                  .count = documents->count,
                                  .ids = documents->ids.data,
                                  .provenance = provenance};
    q_status status;
    Q_TRY_GOTO(out, sort_documents(documents, &arena, &stream.documents, &places));
    stream.places = places;
    Q_TRY_GOTO(out, sort_languages(part, &arena, &stream));
    Q_TRY_GOTO(out, shard_write(path, (int)encoding->settings->level, pool, &stream, identity));
    *header = stream.header;
out:
    q_arena_release(&arena);
    return status;
}
