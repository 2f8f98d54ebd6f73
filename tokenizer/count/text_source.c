#include "tokenizer/count/text_source.h"

#include "base/check.h"
#include "base/fs.h"
#include "base/manifest.h"

enum { BATCH_BYTES = 1 << 20 };

struct text_file {
    const char *path;
    bool lines;
    double held_out;
    uint64_t held_out_seed;
    uint64_t bytes;
};

struct text_source {
    struct q_arena arena;
    struct text_file *files;
    size_t file_count, file_capacity;
    size_t at;                     /* the file whose turn it is */
    struct q_lines_reader *reader; /* of it, where it has lines and is open */
    uint64_t line, stored;         /* in it */
    struct text_bounds bounds;
    int fd;               /* of the plain text that comes in parts; -1: none is open */
    struct q_buffer rest; /* of it: read, and not given yet */
    bool continued;       /* a part of it was given */
};

static q_status add_file(struct text_source *source, struct text_file file)
{
    struct stat st;
    bool exists = true;
    if (strcmp(file.path, "-") != 0) {
        Q_TRY(q_fs_look(file.path, &exists, &st));
        if (!exists)
            return q_fail(Q_ERR_INPUT, "'%s' does not exist", file.path);
        file.bytes = (uint64_t)st.st_size;
    }
    Q_TRY(q_grow(&source->files, &source->file_capacity, source->file_count + 1, sizeof(*source->files)));
    source->files[source->file_count++] = file;
    return Q_OK;
}

static q_status add_folder(struct text_source *source, const char *path)
{
    struct q_manifest manifest = {0};
    q_status status = q_manifest_read(path, &manifest);
    for (size_t i = 0; !status && i < manifest.part_count; i++) {
        struct text_file file = {.lines = true, .held_out = manifest.held_out, .held_out_seed = manifest.held_out_seed};
        const struct q_manifest_file *documents;
        status = q_manifest_documents(&manifest, i, &documents);
        if (!status)
            status = q_fs_join(&source->arena, path, documents->name, &file.path);
        if (!status)
            status = add_file(source, file);
    }
    q_manifest_release(&manifest);
    return status;
}

static bool has_lines(const char *path, enum text_format format)
{
    q_string name = q_string_of(q_fs_base_name(path));
    if (format != TEXT_FORMAT_AUTO)
        return format == TEXT_FORMAT_JSONL;
    return q_string_find(name, Q_STRING(".jsonl"), 0) != SIZE_MAX ||
           q_string_find(name, Q_STRING(".ndjson"), 0) != SIZE_MAX;
}

static q_status create(struct text_source **out)
{
    Q_TRY(q_alloc_zero(1, sizeof(**out), out));
    (*out)->bounds = (struct text_bounds){BATCH_BYTES, Q_DOCUMENT_LINE_BYTES_MAX, NULL};
    (*out)->fd = -1;
    return Q_OK;
}

void text_source_bound(struct text_source *source, const struct text_bounds *bounds)
{
    source->bounds = *bounds;
}

q_status text_source_open(const char *const *paths, size_t count, enum text_format format, struct text_source **out)
{
    struct text_source *source;
    q_status status = Q_OK;
    Q_TRY(create(&source));
    for (size_t i = 0; i < count && !status; i++) {
        if (q_fs_is_directory(paths[i]))
            status = add_folder(source, paths[i]);
        else
            status = add_file(source, (struct text_file){.path = paths[i], .lines = has_lines(paths[i], format)});
    }
    if (status)
        text_source_close(source);
    else
        *out = source;
    return status;
}

q_status text_source_open_part(const char *path, double held_out, uint64_t held_out_seed, struct text_source **out)
{
    struct text_source *source;
    Q_TRY(create(&source));
    struct text_file file = {.path = path, .lines = true, .held_out = held_out, .held_out_seed = held_out_seed};
    q_status status = add_file(source, file);
    if (status)
        text_source_close(source);
    else
        *out = source;
    return status;
}

void text_source_close(struct text_source *source)
{
    if (!source)
        return;
    if (source->reader)
        q_lines_close(source->reader);
    if (source->fd > 0)
        q_fs_close(source->fd);
    q_buffer_release(&source->rest);
    q_release(source->files);
    q_arena_release(&source->arena);
    q_release(source);
}

uint64_t text_source_bytes(const struct text_source *source)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < source->file_count; i++) {
        if (!strcmp(source->files[i].path, "-"))
            return 0;
        sum += source->files[i].bytes;
    }
    return sum;
}

static uint64_t count_lines(q_string bytes)
{
    uint64_t lines = 0;
    q_string line;
    while (q_string_next_line(&bytes, &line))
        lines++;
    return lines;
}

/* Lines of the file whose turn it is; batch->bytes empty when it has no more. */
static q_status next_lines(struct text_source *source, const struct text_file *file, struct text_batch *batch)
{
    if (!source->reader) {
        Q_TRY(q_lines_open(file->path, &source->reader));
        q_lines_bound(source->reader, source->bounds.text_bytes_max);
        source->line = 1;
        source->stored = 0;
    }
    Q_TRY(q_lines_next(source->reader, source->bounds.batch_bytes, &batch->bytes));
    uint64_t stored = q_lines_position(source->reader);
    batch->stored = stored - source->stored;
    source->stored = stored;
    batch->first_line = source->line;
    source->line += count_lines(q_buffer_string(&batch->bytes));
    return Q_OK;
}

/* Reads on until some of the rest can be cut off, twice as much each time. *end: how much that is; *at_end: it is the last of the text. */
static q_status read_part(struct text_source *source, const struct text_file *file, size_t *end, bool *at_end)
{
    struct q_buffer *rest = &source->rest;
    size_t wanted = rest->size + source->bounds.batch_bytes, got = 1;
    for (*end = 0; *end == 0; wanted *= 2) {
        while (rest->size < wanted && got > 0) {
            Q_TRY(q_buffer_reserve(rest, wanted - rest->size));
            Q_TRY(q_fs_read_some(source->fd, file->path, rest->data + rest->size, wanted - rest->size, &got));
            rest->size += got;
        }
        *at_end = got == 0;
        *end = *at_end ? rest->size : pretokenizer_final(source->bounds.cut, q_buffer_string(rest));
        if (rest->size > source->bounds.text_bytes_max)
            return q_fail(Q_ERR_INPUT,
                          "'%s' has more than %zu bytes in which no cut is certain, which is what memory was given for",
                          file->path, source->bounds.text_bytes_max);
        if (*at_end)
            return Q_OK;
    }
    return Q_OK;
}

/* The next part of a plain text; no part left moves on to the next file. An empty text is one part. */
static q_status next_part(struct text_source *source, const struct text_file *file, struct text_batch *batch)
{
    struct q_buffer *rest = &source->rest;
    size_t end;
    bool at_end;
    if (source->fd < 0) {
        source->fd = 0;
        if (strcmp(file->path, "-") != 0)
            Q_TRY(q_fs_open_read(file->path, &source->fd));
        source->continued = false;
    }
    Q_TRY(read_part(source, file, &end, &at_end));
    Q_TRY(q_buffer_append(&batch->bytes, rest->data, end));
    rest->size -= end;
    if (rest->size)
        memmove(rest->data, rest->data + end, rest->size);
    batch->continued = source->continued;
    batch->stored = end;
    source->continued = true;
    if (at_end) {
        if (source->fd > 0)
            q_fs_close(source->fd);
        source->fd = -1;
        q_buffer_release(rest);
        source->at++;
    }
    return Q_OK;
}

q_status text_source_next(struct text_source *source, struct text_batch *batch, bool *more)
{
    q_buffer_clear(&batch->bytes);
    for (; source->at < source->file_count; source->at++) {
        const struct text_file *file = &source->files[source->at];
        batch->lines = file->lines;
        batch->name = file->path;
        batch->held_out = file->held_out;
        batch->held_out_seed = file->held_out_seed;
        batch->continued = false;
        *more = true;
        if (!file->lines && source->bounds.cut)
            return next_part(source, file, batch);
        if (!file->lines) {
            source->at++;
            batch->stored = file->bytes;
            return q_fs_read_file(file->path, Q_DOCUMENT_BYTES_MAX, &batch->bytes);
        }
        Q_TRY(next_lines(source, file, batch));
        if (batch->bytes.size)
            return Q_OK;
        q_lines_close(source->reader);
        source->reader = NULL;
    }
    *more = false;
    return Q_OK;
}

void text_batch_release(struct text_batch *batch)
{
    q_buffer_release(&batch->bytes);
}

static q_status parse_line(const struct text_batch *batch, struct q_jsonl_parser *parser, q_string line,
                           struct text_document *out)
{
    const struct q_jsonl_member *members;
    size_t count;
    bool has_text = false;
    *out = (struct text_document){0};
    Q_TRY(q_jsonl_parse(parser, line, &members, &count));
    for (size_t i = 0; i < count; i++) {
        if (members[i].type != Q_JSONL_TEXT)
            continue;
        if (q_string_is(members[i].key, "text")) {
            out->text = members[i].text;
            has_text = true;
        } else if (q_string_is(members[i].key, "id")) {
            out->id = members[i].text;
        } else if (q_string_is(members[i].key, "lang")) {
            out->lang = members[i].text;
        } else if (q_string_is(members[i].key, "source")) {
            out->source = members[i].text;
        }
    }
    if (!has_text)
        return q_fail(Q_ERR_INPUT, "the line has no member 'text' that is a string");
    out->held_out = batch->held_out > 0 && q_document_held_out(out->id, batch->held_out_seed, batch->held_out);
    return Q_OK;
}

q_status text_batch_each(const struct text_batch *batch, struct q_jsonl_parser *parser,
                         q_status (*document)(void *context, const struct text_document *document), void *context)
{
    q_string rest = q_buffer_string(&batch->bytes), line;
    struct text_document parsed = {.text = rest, .continued = batch->continued};
    if (!batch->lines)
        return document(context, &parsed);
    for (uint64_t number = batch->first_line; q_string_next_line(&rest, &line); number++) {
        if (q_string_trim(line).size == 0)
            continue;
        q_status status = parse_line(batch, parser, line, &parsed);
        if (status)
            return q_context(status, "'%s', line %llu", batch->name, (unsigned long long)number);
        Q_TRY(document(context, &parsed));
    }
    return Q_OK;
}

q_status text_source_each(struct text_source *source,
                          q_status (*document)(void *context, const struct text_document *document), void *context)
{
    struct q_jsonl_parser *parser;
    struct text_batch batch = {0};
    bool more = true;
    Q_TRY(q_jsonl_create(&parser));
    q_status status = Q_OK;
    while (more && !status) {
        status = text_source_next(source, &batch, &more);
        if (!status && more)
            status = text_batch_each(&batch, parser, document, context);
    }
    text_batch_release(&batch);
    q_jsonl_release(parser);
    return status;
}
