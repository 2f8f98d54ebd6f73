#include "corpus/read/reader_level.h"

#include "base/check.h"
#include "base/fs.h"

#include <errno.h>
#include <stdio.h>

/* --- levels ------------------------------------------------------------------------------------------------------------------------ */

static void release_level(struct corpus_level *level)
{
    if (level->archive)
        archive_read_free(level->archive);
    corpus_records_release(level->records);
    corpus_table_release(level->table);
    corpus_parquet_release(level->parquet);
    q_buffer_release(&level->head);
    q_release(level->block);
    q_release(level);
}

/* Lines and rows are items; what an archive or a record holds may be anything, and more archives. */
static bool is_container(enum corpus_level_kind kind)
{
    return kind == CORPUS_LEVEL_ARCHIVE || kind == CORPUS_LEVEL_RECORDS;
}

static void pop_level(struct corpus_reader *reader)
{
    struct corpus_level *level = reader->top;
    reader->top = level->outer;
    reader->depth -= is_container(level->kind);
    release_level(level);
}

static q_status open_level(struct corpus_level *level, const struct corpus_records_look *look, const char **reason)
{
    switch (level->kind) {
    case CORPUS_LEVEL_ARCHIVE:
        return corpus_archive_open(level, reason);
    case CORPUS_LEVEL_RECORDS:
        return corpus_records_open(level, look, reason);
    case CORPUS_LEVEL_PARQUET:
        return corpus_parquet_open(level, reason);
    case CORPUS_LEVEL_CSV:
    case CORPUS_LEVEL_TSV:
        return corpus_table_open(level);
    default:
        return Q_OK;
    }
}

/* Opens the current entry as a level; its first bytes move from reader->head. */
static q_status push_level(struct corpus_reader *reader, enum corpus_level_kind kind, bool whole,
                           const struct corpus_records_look *look, const char **reason)
{
    struct corpus_level *level;
    *reason = NULL;
    Q_TRY(q_alloc_zero(1, sizeof *level, &level));
    q_status status = q_alloc(CORPUS_BLOCK_BYTES, 1, &level->block);
    level->reader = reader;
    level->outer = reader->top;
    level->kind = kind;
    level->name_size = level->entry_name_size = reader->name.size;
    level->whole = whole;
    level->head = reader->head;
    reader->head = (struct q_buffer){0};
    if (status == Q_OK)
        status = open_level(level, look, reason);
    if (status == Q_OK)
        status = reader->status;
    if (status != Q_OK || *reason) {
        release_level(level);
        return status;
    }
    reader->top = level;
    reader->depth += is_container(kind);
    return Q_OK;
}

/* Name by which an entry is sniffed: its own, or the file's. */
static q_string sniffed_name(const struct corpus_reader *reader, bool single)
{
    q_string name = reader->name.size ? q_buffer_string(&reader->name) : q_string_of(reader->path);
    if (!single)
        return name;
    /* a compressed file's content has its name without the last ending */
    for (size_t i = name.size; i > 0 && name.data[i - 1] != '/'; i--)
        if (name.data[i - 1] == '.')
            return q_string_slice(name, 0, i - 1);
    return name;
}

/* All of the current entry into reader->head, for what must be read with seeking. *whole = false: it is too large, and *have, or its source has failed. */
static q_status read_whole(struct corpus_reader *reader, struct corpus_item *item, bool *have, bool *whole)
{
    const uint64_t max = reader->options.item_bytes_max;
    bool ended, good;
    Q_TRY(corpus_source_fill(reader, reader->top, &reader->head, max + 1, &ended, &good));
    *whole = good && reader->head.size <= max;
    *have = good && !*whole; /* else the level outside reports its failure */
    if (*have)
        corpus_item_refuse(reader, item, "too-large", true,
                           Q_MAX(corpus_entry_bytes(reader, reader->top), (uint64_t)reader->head.size));
    return Q_OK;
}

static q_status open_container(struct corpus_reader *reader, const struct corpus_records_look *look,
                               struct corpus_item *item, bool *have)
{
    struct corpus_level *outer = reader->top;
    uint64_t bytes = corpus_entry_bytes(reader, outer);
    bool whole = false;
    const char *reason;
    *have = true;
    if (reader->depth >= reader->options.depth_max) {
        corpus_item_refuse(reader, item, "too-deep", true, bytes);
        return Q_OK;
    }
    if (outer && !look->records && corpus_needs_seek(q_buffer_string(&reader->head))) {
        Q_TRY(read_whole(reader, item, have, &whole));
        if (!whole)
            return Q_OK;
        *have = true;
    }
    Q_TRY(push_level(reader, look->records ? CORPUS_LEVEL_RECORDS : CORPUS_LEVEL_ARCHIVE, whole, look, &reason));
    if (outer && outer->failure)
        return *have = false, Q_OK;
    if (reason)
        corpus_item_refuse(reader, item, reason, true, bytes);
    *have = reason != NULL;
    return Q_OK;
}

/* --- entries ----------------------------------------------------------------------------------------------------------------------- */

bool corpus_format_wanted(enum q_input_format wanted, enum corpus_format format)
{
    switch (wanted) {
    case Q_FORMAT_JSONL:
        return format == CORPUS_JSONL;
    case Q_FORMAT_HTML:
        return format == CORPUS_HTML;
    case Q_FORMAT_TEXT:
        return format == CORPUS_TEXT || format == CORPUS_MAN;
    case Q_FORMAT_CSV:
        return format == CORPUS_CSV;
    case Q_FORMAT_TSV:
        return format == CORPUS_TSV;
    case Q_FORMAT_PARQUET:
        return format == CORPUS_PARQUET;
    default:
        return format != CORPUS_NOT_PROSE && !corpus_is_table(format);
    }
}

/* Format of an entry that is no archive. A format that the recipe states holds for the file itself, also where it is compressed; inside of archives
 * it selects. */
static enum corpus_format leaf_format(const struct corpus_reader *reader, const char **dropped)
{
    static const enum corpus_format stated[] = {CORPUS_UNKNOWN, CORPUS_JSONL, CORPUS_HTML,   CORPUS_TEXT,
                                                CORPUS_CSV,     CORPUS_TSV,   CORPUS_PARQUET};
    struct corpus_level *outer = reader->top;
    bool itself = reader->name.size == 0;
    enum corpus_format format =
        corpus_format_of(sniffed_name(reader, outer && outer->single), q_buffer_string(&reader->head));
    if (itself && format == CORPUS_BINARY && q_string_starts(q_buffer_string(&reader->head), "PAR1"))
        format = CORPUS_PARQUET;
    const enum q_input_format wanted = reader->options.format;
    bool binary = format == CORPUS_BINARY || (format == CORPUS_PARQUET && wanted != Q_FORMAT_AUTO &&
                                              wanted != Q_FORMAT_PARQUET); /* whatever else it is said to be */
    *dropped = format == CORPUS_EMPTY ? "empty" : binary ? "not-text" : NULL;
    if (*dropped || (itself && corpus_is_table(format) && wanted == Q_FORMAT_AUTO))
        return format;
    if (itself && wanted != Q_FORMAT_AUTO)
        return format == CORPUS_MAN && wanted == Q_FORMAT_TEXT ? format : stated[wanted];
    *dropped = corpus_format_wanted(wanted, format) ? NULL : "format";
    return format;
}

q_status corpus_piece_kind_of(const char *path, q_string head, const struct corpus_reader_options *options,
                              enum corpus_piece_kind *kind)
{
    const q_string name = q_string_of(path);
    const enum q_input_format format = options->format;
    struct corpus_records_look look;
    Q_TRY(corpus_records_look(name, head, &look));
    enum corpus_format sniffed = corpus_format_of(name, head);
    bool archive = corpus_is_archive(head) || corpus_format_by_name(name) == CORPUS_ARCHIVE;
    bool leaf =
        !look.records && !archive && sniffed != CORPUS_EMPTY && sniffed != CORPUS_BINARY && sniffed != CORPUS_PARQUET;
    bool lines = leaf && (format == Q_FORMAT_AUTO ? sniffed == CORPUS_JSONL : format == Q_FORMAT_JSONL);
    bool records = look.records && options->depth_max > 0;
    *kind = lines ? CORPUS_PIECE_OF_LINES : records ? CORPUS_PIECE_OF_RECORDS : CORPUS_WHOLE_FILE;
    return Q_OK;
}

/* Lines, and rows of tables. Parquet has its table of contents at its end: what is not a file of its own is read whole. */
static q_status open_rows(struct corpus_reader *reader, enum corpus_format format, struct corpus_item *item, bool *have)
{
    const enum corpus_level_kind kind = format == CORPUS_JSONL ? CORPUS_LEVEL_LINES
                                        : format == CORPUS_CSV ? CORPUS_LEVEL_CSV
                                        : format == CORPUS_TSV ? CORPUS_LEVEL_TSV
                                                               : CORPUS_LEVEL_PARQUET;
    const char *reason;
    bool whole = false;
    if (kind == CORPUS_LEVEL_PARQUET && reader->top) {
        Q_TRY(read_whole(reader, item, have, &whole));
        if (!whole)
            return Q_OK;
    }
    Q_TRY(push_level(reader, kind, whole, NULL, &reason));
    *have = reason != NULL;
    if (reason)
        corpus_item_refuse(reader, item, reason, true, corpus_entry_bytes(reader, reader->top));
    return Q_OK;
}

static q_status read_leaf(struct corpus_reader *reader, struct corpus_item *item, bool *have)
{
    const char *dropped;
    bool ended, good;
    enum corpus_format format = leaf_format(reader, &dropped);
    uint64_t max = reader->options.item_bytes_max;
    *have = true;
    if (dropped) {
        corpus_item_refuse(reader, item, dropped, false,
                           Q_MAX(corpus_entry_bytes(reader, reader->top), (uint64_t)reader->head.size));
        return Q_OK;
    }
    if (format == CORPUS_JSONL || corpus_is_table(format))
        return open_rows(reader, format, item, have);
    struct q_buffer swap = reader->bytes;
    reader->bytes = reader->head;
    reader->head = swap;
    Q_TRY(corpus_source_fill(reader, reader->top, &reader->bytes, max + 1, &ended, &good));
    if (!good)
        return *have = false, Q_OK;
    if (reader->bytes.size > max) {
        corpus_item_refuse(reader, item, "too-large", true,
                           Q_MAX(corpus_entry_bytes(reader, reader->top), (uint64_t)reader->bytes.size));
        return Q_OK;
    }
    corpus_item_begin(reader, item);
    item->format = format;
    item->bytes = q_buffer_string(&reader->bytes);
    item->in_bytes = item->bytes.size;
    return Q_OK;
}

/* The file, or the entry at which the top level stands. */
static q_status enter(struct corpus_reader *reader, struct corpus_item *item, bool *have)
{
    struct corpus_level *outer = reader->top;
    bool ended, good;
    *have = true;
    if (reader->name.size > CORPUS_NAME_BYTES_MAX) {
        corpus_item_refuse(reader, item, "name-too-long", true, corpus_entry_bytes(reader, outer));
        return Q_OK;
    }
    /* What the name says to be no text is not unpacked, where libarchive knows its size and can pass over it. */
    bool sized = outer && !outer->single && archive_entry_size_is_set(outer->entry);
    enum corpus_format named = corpus_format_by_name(sniffed_name(reader, outer && outer->single));
    bool unwanted = named == CORPUS_BINARY || (named == CORPUS_NOT_PROSE && reader->options.format != Q_FORMAT_JSONL) ||
                    (corpus_is_table(named) && !corpus_format_wanted(reader->options.format, named));
    if (sized && unwanted && !q_string_ends(q_buffer_string(&reader->name), ".json")) {
        if (corpus_count_unpacked(reader, outer, corpus_entry_bytes(reader, outer)))
            corpus_item_refuse(reader, item, named == CORPUS_BINARY ? "not-text" : "format", false,
                               corpus_entry_bytes(reader, outer));
        else
            *have = false;
        return Q_OK;
    }
    q_buffer_clear(&reader->head);
    Q_TRY(corpus_source_fill(reader, outer, &reader->head, CORPUS_SNIFF_BYTES, &ended, &good));
    if (!good && !reader->head.size)
        return *have = false, Q_OK; /* else what came before the damage may hold items */
    struct corpus_records_look look;
    Q_TRY(corpus_records_look(sniffed_name(reader, outer && outer->single), q_buffer_string(&reader->head), &look));
    /* What is called an archive is opened as one: damage at its beginning is damage, not text. */
    bool archive = corpus_is_archive(q_buffer_string(&reader->head)) || (named == CORPUS_ARCHIVE && reader->head.size);
    return archive || look.records ? open_container(reader, &look, item, have) : read_leaf(reader, item, have);
}

/* The current entry of the top level, or the level itself, is damaged: one failed item for the outermost level that the damage reaches. What
 * stands behind a damaged entry is read where the archive allows it. */
static void report_damage(struct corpus_reader *reader, const char *reason, struct corpus_item *item, bool *have)
{
    struct corpus_level *level = reader->top;
    bool entry = level->failure != NULL, goes_on = entry && !level->fatal;
    reader->name.size = entry ? level->entry_name_size : level->name_size;
    *have = !(level->outer && level->outer->failure);
    if (*have)
        corpus_item_refuse(reader, item, reason, true, 0);
    level->failure = NULL;
    if (!goes_on)
        pop_level(reader);
    while (reader->top && reader->unpacked > reader->unpacked_max) /* nothing more comes out of a bomb */
        pop_level(reader);
}

static q_status next_of_level(struct corpus_level *level, struct corpus_item *item, bool *ended)
{
    switch (level->kind) {
    case CORPUS_LEVEL_LINES:
        return corpus_lines_next(level, item, ended);
    case CORPUS_LEVEL_CSV:
    case CORPUS_LEVEL_TSV:
        return corpus_table_next(level, item, ended);
    case CORPUS_LEVEL_PARQUET:
        return corpus_parquet_next(level, item, ended);
    default:
        return corpus_records_next(level, item, ended);
    }
}

static q_status step_records(struct corpus_reader *reader, struct corpus_item *item, bool *have)
{
    struct corpus_level *level = reader->top;
    bool ended;
    reader->name.size = level->name_size;
    Q_TRY(next_of_level(level, item, &ended));
    *have = !ended;
    if (level->failure)
        report_damage(reader, level->failure, item, have);
    else if (ended)
        pop_level(reader);
    return Q_OK;
}

/* One step of the top level. */
static q_status step(struct corpus_reader *reader, struct corpus_item *item, bool *have)
{
    struct corpus_level *level = reader->top;
    enum corpus_step what = CORPUS_STEP_FAILED;
    const char *reason = level->failure;
    *have = false;
    if (level->kind != CORPUS_LEVEL_ARCHIVE)
        return step_records(reader, item, have);
    if (!reason)
        Q_TRY(corpus_archive_step(level, &what, &reason));
    if (what == CORPUS_STEP_ENTRY)
        return enter(reader, item, have);
    if (what == CORPUS_STEP_END) {
        *have = level->entries == 0; /* nothing at all: said, so that no file goes unmentioned */
        if (*have)
            corpus_item_refuse(reader, item, "empty", false, 0);
        pop_level(reader);
    }
    if (what == CORPUS_STEP_FAILED)
        report_damage(reader, reason, item, have);
    return Q_OK;
}

/* A piece of lines is opened as what it is, wherever it begins. */
static q_status enter_lines(struct corpus_reader *reader)
{
    const struct corpus_piece *piece = &reader->options.piece;
    const char *reason;
    reader->offset = piece->from;
    reader->end = piece->to;
    Q_TRY(push_level(reader, CORPUS_LEVEL_LINES, false, NULL, &reason));
    reader->top->block_offset = piece->from;
    return Q_OK;
}

/* How the records are packed, and their dictionary, stand at the file's beginning. */
static q_status enter_records(struct corpus_reader *reader, struct corpus_item *item, bool *have)
{
    struct corpus_records_look look;
    bool ended, good;
    const char *reason;
    Q_TRY(corpus_source_fill(reader, NULL, &reader->head, CORPUS_SNIFF_BYTES, &ended, &good));
    Q_TRY(corpus_records_look(q_string_of(reader->path), q_buffer_string(&reader->head), &look));
    Q_TRY(push_level(reader, CORPUS_LEVEL_RECORDS, false, &look, &reason));
    *have = reason != NULL;
    if (reason)
        corpus_item_refuse(reader, item, reason, true, reader->size);
    return reason ? Q_OK : corpus_records_seek(reader->top);
}

static q_status begin(struct corpus_reader *reader, struct corpus_item *item, bool *have)
{
    switch (reader->options.piece.kind) {
    case CORPUS_PIECE_OF_LINES:
        return enter_lines(reader);
    case CORPUS_PIECE_OF_RECORDS:
    case CORPUS_LOOK_AT_RECORDS:
    case CORPUS_SEARCH_OF_RECORDS:
        return enter_records(reader, item, have);
    default:
        return enter(reader, item, have);
    }
}

q_status corpus_reader_next(struct corpus_reader *reader, struct corpus_item *item, bool *more)
{
    bool have = false;
    *more = true;
    if (reader->bytes.capacity > CORPUS_LARGE_BYTES)
        q_buffer_release(&reader->bytes);
    bool damaged = false; /* then the note is about what is still to be reported */
    for (struct corpus_level *level = reader->top; level; level = level->outer)
        damaged |= level->failure != NULL;
    if (!damaged)
        reader->note[0] = 0;
    if (!reader->begun) {
        reader->begun = true;
        Q_TRY(begin(reader, item, &have));
    }
    while (!have && reader->top)
        Q_TRY(step(reader, item, &have));
    *more = have;
    return Q_OK;
}

q_status corpus_reader_open(const char *path, const struct corpus_reader_options *options, struct corpus_reader **out)
{
    struct corpus_reader *reader;
    struct stat stat;
    int fd;
    Q_TRY(q_fs_open_read(path, &fd));
    if (q_fs()->fstat(fd, &stat) != 0) {
        q_status status = q_fail_errno(errno, "'%s' cannot be looked at", path);
        q_fs_close(fd);
        return status;
    }
    q_status status = q_alloc_zero(1, sizeof *reader, &reader);
    if (status != Q_OK) {
        q_fs_close(fd);
        return status;
    }
    reader->options = *options;
    reader->path = path;
    reader->fd = fd;
    reader->size = (uint64_t)Q_MAX(stat.st_size, 0);
    reader->end = UINT64_MAX;
    const struct corpus_piece *piece = &options->piece;
    reader->stored = piece->kind ? Q_MIN(piece->to, reader->size) - Q_MIN(piece->from, reader->size) : reader->size;
    const bool bounded = piece->kind != CORPUS_LOOK_AT_RECORDS && piece->kind != CORPUS_SEARCH_OF_RECORDS;
    if (!bounded || !q_mul_u64(reader->stored, options->unpack_ratio_max, &reader->unpacked_max) ||
        !q_add_u64(reader->unpacked_max, CORPUS_UNPACK_FREE_BYTES, &reader->unpacked_max))
        reader->unpacked_max = UINT64_MAX;
    *out = reader;
    return Q_OK;
}

uint64_t corpus_reader_position(const struct corpus_reader *reader)
{
    uint64_t from = reader->options.piece.from; /* of the whole file: 0 */
    return Q_MIN(Q_MAX(reader->offset, from) - from, reader->stored);
}

void corpus_reader_close(struct corpus_reader *reader)
{
    if (!reader)
        return;
    while (reader->top)
        pop_level(reader);
    q_fs_close(reader->fd);
    q_buffer_release(&reader->name);
    q_buffer_release(&reader->head);
    q_buffer_release(&reader->bytes);
    q_release(reader);
}
