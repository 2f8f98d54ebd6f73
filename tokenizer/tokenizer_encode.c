/* Text to ids and back.
 *
 * A piece is looked for, in this order: among the pieces of this thread that came before (the cache), among the tokens that are whole pieces, and then it is
 * merged. The cache is direct-mapped, one line of 64 bytes a piece, and never grows:
 *
 *     | size | count | the piece's bytes, up to 30 | its ids, up to 8 |
 */
#include "tokenizer/tokenizer.h"

#include "base/check.h"
#include "tokenizer/boundary_split.h"
#include "tokenizer/bpe_dropout.h"
#include "tokenizer/bpe_index.h"
#include "tokenizer/piece_hash.h"

enum {
    CACHE_LINES = 1 << 14, /* 1 MiB: about what a core keeps near */
    CACHE_BYTES = 30,
    CACHE_IDS = 8,
    ENDS = 128,
};

struct cached_piece {
    uint8_t size; /* 0: empty */
    uint8_t count;
    uint8_t bytes[CACHE_BYTES];
    uint32_t ids[CACHE_IDS];
};
_Static_assert(sizeof(struct cached_piece) == 64, "one line of the processor's cache");

struct tokenizer_scratch {
    struct cached_piece *cache;
    struct bpe_workspace workspace;
    struct pretokenize_scratch cut;
    const struct bpe_dropout *dropout; /* of the text being encoded; NULL: none */
    uint64_t position;                 /* of the next piece in its document: for the dropout */
    struct bpe_dropout_workspace dropping;
    struct boundary_split_workspace splitting;
};

q_status tokenizer_scratch_create(const struct tokenizer *tokenizer, struct tokenizer_scratch **out)
{
    (void)tokenizer; /* the cache belongs to one tokenizer, though it does not need it yet */
    struct tokenizer_scratch *scratch;
    Q_TRY(q_alloc_zero(1, sizeof(*scratch), &scratch));
    q_status status = q_alloc_aligned(CACHE_LINES, sizeof(*scratch->cache), &scratch->cache);
    if (status) {
        q_release(scratch);
        return status;
    }
    for (size_t i = 0; i < CACHE_LINES; i++)
        scratch->cache[i].size = 0;
    *out = scratch;
    return Q_OK;
}

void tokenizer_scratch_release(struct tokenizer_scratch *scratch)
{
    if (!scratch)
        return;
    bpe_workspace_release(&scratch->workspace);
    pretokenize_scratch_release(&scratch->cut);
    bpe_dropout_workspace_release(&scratch->dropping);
    boundary_split_workspace_release(&scratch->splitting);
    q_release(scratch->cache);
    q_release(scratch);
}

void tokenizer_ids_release(struct tokenizer_ids *ids)
{
    q_release(ids->ids);
    *ids = (struct tokenizer_ids){0};
}

static q_status append(struct tokenizer_ids *out, uint32_t id)
{
    if (out->count == out->capacity)
        Q_TRY(q_grow(&out->ids, &out->capacity, out->count + 1, sizeof(*out->ids)));
    out->ids[out->count++] = id;
    return Q_OK;
}

/* The piece that is in no table: merged into `out`, and into the cache where it fits. */
static q_status encode_merged(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch,
                              const uint8_t *piece, size_t size, struct cached_piece *line, struct tokenizer_ids *out)
{
    size_t count, room;
    if (!q_add_size(out->count, size, &room))
        return q_fail(Q_ERR_MEMORY, "a text of %zu bytes is too long", size);
    if (room > out->capacity)
        Q_TRY(q_grow(&out->ids, &out->capacity, room, sizeof(*out->ids)));
    uint32_t *ids = out->ids + out->count;
    Q_TRY(bpe_merge(tokenizer, &scratch->workspace, piece, size, ids, &count));
    out->count += count;
    if (line && count <= CACHE_IDS) {
        line->size = (uint8_t)size;
        line->count = (uint8_t)count;
        memcpy(line->bytes, piece, size);
        memcpy(line->ids, ids, count * sizeof(*ids));
    }
    return Q_OK;
}

static q_status encode_piece(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, const uint8_t *piece,
                             size_t size, struct tokenizer_ids *out)
{
    if (size == 1)
        return append(out, tokenizer->vocabulary.byte_id[*piece]);
    uint64_t hash = piece_hash(piece, size);
    struct cached_piece *line = NULL;
    if (size <= CACHE_BYTES) {
        line = &scratch->cache[hash >> 32 & (CACHE_LINES - 1)];
        if (line->size == size && memcmp(line->bytes, piece, size) == 0) {
            if (out->capacity - out->count < CACHE_IDS)
                Q_TRY(q_grow(&out->ids, &out->capacity, out->count + CACHE_IDS, sizeof(*out->ids)));
            memcpy(out->ids + out->count, line->ids, sizeof(line->ids)); /* all of them: one size for the compiler */
            out->count += line->count;
            return Q_OK;
        }
    }
    uint32_t whole = size <= tokenizer->whole_bytes_max ? bpe_find_whole(tokenizer, piece, size, hash) : UINT32_MAX;
    if (whole == UINT32_MAX)
        return encode_merged(tokenizer, scratch, piece, size, line, out);
    if (line) {
        line->size = (uint8_t)size;
        line->count = 1;
        memcpy(line->bytes, piece, size);
        line->ids[0] = whole;
    }
    return append(out, whole);
}

/* Past all tables: what a piece becomes depends on its place. */
static q_status encode_dropped(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch,
                               const uint8_t *piece, size_t size, struct tokenizer_ids *out)
{
    size_t count, room;
    if (!q_add_size(out->count, size, &room))
        return q_fail(Q_ERR_MEMORY, "a text of %zu bytes is too long", size);
    if (room > out->capacity)
        Q_TRY(q_grow(&out->ids, &out->capacity, room, sizeof(*out->ids)));
    Q_TRY(bpe_dropout_merge(tokenizer, &scratch->dropping, scratch->dropout, scratch->position, piece, size,
                            out->ids + out->count, &count));
    out->count += count;
    scratch->position += size;
    return Q_OK;
}

static q_status encode_text(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, q_string text,
                            struct tokenizer_ids *out)
{
    size_t at = 0, start = 0, ends[ENDS], count;
    do {
        Q_TRY(pretokenizer_cut(tokenizer->vocabulary.pretokenizer, &scratch->cut, text, &at, ends, ENDS, &count));
        for (size_t i = 0; i < count; start = ends[i++]) {
            const uint8_t *piece = (const uint8_t *)text.data + start;
            Q_TRY(scratch->dropout ? encode_dropped(tokenizer, scratch, piece, ends[i] - start, out)
                                   : encode_piece(tokenizer, scratch, piece, ends[i] - start, out));
        }
    } while (count > 0);
    return Q_OK;
}

/* Cuts the text at the literals of list `which`; what lies between goes to the next list, and in the end to the pretokenizer. */
static q_status encode_parsed(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, q_string text,
                              int which, struct tokenizer_ids *out)
{
    if (which == 2)
        return encode_text(tokenizer, scratch, text, out);
    const struct literal_list *list = &tokenizer->literals[which];
    size_t start = 0;
    for (size_t at = 0; at < text.size && list->count;) {
        const struct literal *found = list->starts[(uint8_t)text.data[at]] ? literal_at(list, text, at) : NULL;
        if (!found) {
            at++;
            continue;
        }
        Q_TRY(encode_parsed(tokenizer, scratch, q_string_slice(text, start, at), which + 1, out));
        Q_TRY(append(out, found->id));
        start = at += found->text.size;
    }
    return encode_parsed(tokenizer, scratch, q_string_slice(text, start, text.size), which + 1, out);
}

q_status tokenizer_encode(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, q_string text,
                          enum tokenizer_special_mode mode, struct tokenizer_ids *out)
{
    return encode_parsed(tokenizer, scratch, text, mode == TOKENIZER_SPECIAL_PARSE ? 0 : 2, out);
}

q_status tokenizer_encode_noisy(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, q_string text,
                                enum tokenizer_special_mode mode, const struct tokenizer_noise *noise,
                                struct tokenizer_ids *out)
{
    if (!(noise->dropout >= 0 && noise->dropout <= 1 && noise->boundary_split >= 0 && noise->boundary_split <= 1))
        return q_fail(Q_ERR_USAGE, "the dropout and the share of boundaries to split are 0 to 1");
    const size_t before = out->count;
    const struct bpe_dropout dropout = bpe_dropout_of(noise->dropout, noise->seed, noise->document);
    const struct boundary_split split = boundary_split_of(noise->boundary_split, noise->seed, noise->document);
    scratch->dropout = noise->dropout > 0 ? &dropout : NULL;
    scratch->position = noise->position;
    q_status status = tokenizer_encode(tokenizer, scratch, text, mode, out);
    scratch->dropout = NULL;
    if (!status && noise->boundary_split > 0)
        status = boundary_split_apply(tokenizer, &scratch->splitting, &split, noise->position, before, out);
    return status;
}

q_status tokenizer_decode(const struct tokenizer *tokenizer, const uint32_t *ids, size_t count, struct q_buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] >= tokenizer->vocabulary.size)
            return q_fail(Q_ERR_INPUT, "id %u is not below %u, the size of the vocabulary", ids[i],
                          tokenizer->vocabulary.size);
        Q_TRY(q_buffer_append_string(out, tokenizer->vocabulary.tokens[ids[i]]));
    }
    return Q_OK;
}
