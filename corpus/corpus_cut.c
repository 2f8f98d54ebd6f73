#include "corpus/corpus_cut.h"

#include "base/check.h"
#include "base/fs.h"
#include "base/manifest.h"
#include "corpus/read/reader.h"

enum { BLOCK_BYTES = 1 << 20 };

static q_status holds_lines(int fd, const char *path, uint64_t bytes, const struct q_input *input, char *block,
                            bool *lines)
{
    size_t size = (size_t)Q_MIN(bytes, (uint64_t)CORPUS_SNIFF_BYTES);
    Q_TRY(q_fs_read_at(fd, path, 0, block, size));
    return corpus_reads_lines(path, (q_string){block, size}, (enum q_input_format)input->format, lines);
}

/* The beginning of the first line that begins at `from` > 0 or behind it; `bytes` where there is none. */
static q_status next_line(int fd, const char *path, uint64_t bytes, uint64_t from, char *block, uint64_t *out)
{
    for (uint64_t at = from - 1; at < bytes;) {
        size_t size = (size_t)Q_MIN(bytes - at, (uint64_t)BLOCK_BYTES);
        Q_TRY(q_fs_read_at(fd, path, at, block, size));
        const char *end = memchr(block, '\n', size);
        if (end) {
            *out = at + (uint64_t)(end - block) + 1;
            return Q_OK;
        }
        at += size;
    }
    *out = bytes;
    return Q_OK;
}

static q_status find_cuts(int fd, const char *path, uint64_t bytes, uint64_t part_bytes, char *block,
                          struct corpus_cut *cuts, size_t pieces, size_t *count)
{
    for (size_t k = 1; k < pieces; k++) {
        uint64_t from = k * part_bytes, offset;
        if (from <= cuts[*count - 1].offset)
            continue; /* a line reaches over it */
        Q_TRY(next_line(fd, path, bytes, from, block, &offset));
        if (offset >= bytes)
            return Q_OK;
        cuts[(*count)++].offset = offset;
    }
    return Q_OK;
}

q_status corpus_cut_file(const char *path, uint64_t bytes, const struct q_input *input, uint64_t part_bytes,
                         struct q_arena *arena, struct corpus_cut **cuts, size_t *count)
{
    /* One more than there may be parts is refused by the plan, and costs no memory. */
    size_t pieces = (size_t)Q_MIN(Q_MAX(bytes / part_bytes, (uint64_t)1), (uint64_t)Q_PARTS_MAX + 1);
    bool lines = false;
    char *block = NULL;
    int fd = -1;
    *count = 1;
    Q_TRY(q_arena_alloc(arena, pieces, sizeof **cuts, cuts));
    if (pieces == 1)
        return Q_OK;
    q_status status = q_fs_open_read(path, &fd);
    if (status == Q_OK)
        status = q_alloc(BLOCK_BYTES, 1, &block);
    if (status == Q_OK)
        status = holds_lines(fd, path, bytes, input, block, &lines);
    if (status == Q_OK && lines)
        status = find_cuts(fd, path, bytes, part_bytes, block, *cuts, pieces, count);
    q_release(block);
    q_fs_close(fd);
    return status;
}

/* --- counting ---------------------------------------------------------------------------------------------------------------------- */

/* Lines that are not blank, over blocks: a line counts at its first character that is not white space. */
struct line_counter {
    uint64_t lines;
    bool counted; /* the line at hand was */
};

static void count_lines(struct line_counter *c, const char *at, const char *end)
{
    while (at < end) {
        if (c->counted) {
            at = memchr(at, '\n', (size_t)(end - at));
            if (!at)
                return;
            c->counted = false;
        } else if (*at != ' ' && (*at < '\t' || *at > '\r')) {
            c->lines++;
            c->counted = true;
        }
        at++;
    }
}

/* Counts the block that begins at `offset`, and notes what was counted before each cut in it. */
static void count_block(struct line_counter *c, uint64_t offset, const char *block, size_t size,
                        struct corpus_cut *cuts, size_t count, size_t *next)
{
    const char *at = block;
    for (; *next < count && cuts[*next].offset < offset + size; ++*next) {
        const char *cut = block + (cuts[*next].offset - offset);
        count_lines(c, at, cut);
        cuts[*next].index = c->lines;
        at = cut;
    }
    count_lines(c, at, block + size);
}

q_status corpus_cut_count(const char *path, struct corpus_cut *cuts, size_t count, uint64_t *bytes, q_hash *hash)
{
    q_status status = Q_OK;
    struct q_hasher *hasher = NULL;
    struct line_counter counter = {0};
    char *block = NULL;
    int fd = -1;
    size_t next = 0, got;
    *bytes = 0;
    Q_TRY_GOTO(out, q_fs_open_read(path, &fd));
    Q_TRY_GOTO(out, q_hasher_create(&hasher));
    Q_TRY_GOTO(out, q_alloc(BLOCK_BYTES, 1, &block));
    do {
        Q_TRY_GOTO(out, q_fs_read_some(fd, path, block, BLOCK_BYTES, &got));
        q_hasher_add(hasher, block, got);
        count_block(&counter, *bytes, block, got, cuts, count, &next);
        *bytes += got;
    } while (got > 0);
    *hash = q_hasher_digest(hasher);
out:
    q_release(block);
    q_hasher_release(hasher);
    q_fs_close(fd);
    return status;
}
