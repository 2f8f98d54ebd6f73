#include "corpus/corpus_cut.h"

#include "base/check.h"
#include "base/fs.h"
#include "base/manifest.h"

enum { BLOCK_BYTES = 1 << 20 };

struct cutting {
    const char *path;
    uint64_t bytes, part_bytes;
    const struct corpus_reader_options *options;
    int fd;
    char *block;     /* BLOCK_BYTES */
    uint64_t barren; /* up to here nothing was found behind the last cut */
};

static q_status look(const struct cutting *c, enum corpus_piece_kind *kind)
{
    size_t size = (size_t)Q_MIN(c->bytes, (uint64_t)CORPUS_SNIFF_BYTES);
    Q_TRY(q_fs_read_at(c->fd, c->path, 0, c->block, size));
    return corpus_piece_kind_of(c->path, (q_string){c->block, size}, c->options, kind);
}

/* The beginning of the first line that begins at `from` > 0 or behind it; `bytes` where there is none. */
static q_status next_line(struct cutting *c, uint64_t from, uint64_t *out)
{
    for (uint64_t at = from - 1; at < c->bytes;) {
        size_t size = (size_t)Q_MIN(c->bytes - at, (uint64_t)BLOCK_BYTES);
        Q_TRY(q_fs_read_at(c->fd, c->path, at, c->block, size));
        const char *end = memchr(c->block, '\n', size);
        if (end) {
            *out = at + (uint64_t)(end - c->block) + 1;
            return Q_OK;
        }
        at += size;
    }
    *out = c->barren = c->bytes;
    return Q_OK;
}

/* The same for records, and their members. Where none begins up to the next multiple, no more than that is searched: *out = bytes, and c->barren
 * tells how far. */
static q_status next_record(struct cutting *c, uint64_t last, uint64_t from, uint64_t *out)
{
    const uint64_t lead = CORPUS_CUT_LEAD_BYTES, to = from + Q_MAX(c->part_bytes, lead);
    struct corpus_reader_options options = *c->options;
    const bool certain = from - last <= lead; /* the last cut is near: a record begins there */
    options.piece = (struct corpus_piece){certain ? CORPUS_LOOK_AT_RECORDS : CORPUS_SEARCH_OF_RECORDS,
                                          certain ? last : from - lead, to};
    struct corpus_reader *reader;
    struct corpus_item item;
    bool more = true, found = false;
    Q_TRY(corpus_reader_open(c->path, &options, &reader));
    q_status status = Q_OK;
    while (status == Q_OK && more && !found) {
        status = corpus_reader_next(reader, &item, &more);
        found = status == Q_OK && more && !item.failed && !item.inside && item.index >= from;
    }
    *out = found ? item.index : c->bytes;
    if (!found)
        c->barren = to;
    corpus_reader_close(reader);
    return status;
}

static q_status find_cuts(struct cutting *c, size_t most, struct corpus_pieces *pieces)
{
    for (size_t k = 1; k < most; k++) {
        const uint64_t from = k * c->part_bytes, last = pieces->cuts[pieces->count - 1];
        uint64_t offset;
        if (from <= last || from < c->barren)
            continue; /* a line or a record reaches over it */
        Q_TRY(pieces->kind == CORPUS_PIECE_OF_LINES ? next_line(c, from, &offset)
                                                    : next_record(c, last, from, &offset));
        if (offset < c->bytes)
            pieces->cuts[pieces->count++] = offset;
    }
    if (pieces->count == 1)
        pieces->kind = CORPUS_WHOLE_FILE;
    return Q_OK;
}

q_status corpus_cut_file(const char *path, uint64_t bytes, const struct corpus_reader_options *options,
                         uint64_t part_bytes, struct q_arena *arena, struct corpus_pieces *pieces)
{
    /* One more than there may be parts is refused by the plan, and costs no memory. */
    size_t most = (size_t)Q_MIN(Q_MAX(bytes / part_bytes, (uint64_t)1), (uint64_t)Q_PARTS_MAX + 1);
    struct cutting c = {.path = path, .bytes = bytes, .part_bytes = part_bytes, .options = options, .fd = -1};
    *pieces = (struct corpus_pieces){.kind = CORPUS_WHOLE_FILE, .count = 1};
    Q_TRY(q_arena_alloc(arena, most, sizeof *pieces->cuts, &pieces->cuts));
    if (most == 1)
        return Q_OK;
    q_status status = q_fs_open_read(path, &c.fd);
    if (status == Q_OK)
        status = q_alloc(BLOCK_BYTES, 1, &c.block);
    if (status == Q_OK)
        status = look(&c, &pieces->kind);
    if (status == Q_OK && pieces->kind != CORPUS_WHOLE_FILE)
        status = find_cuts(&c, most, pieces);
    q_release(c.block);
    q_fs_close(c.fd);
    return status;
}
