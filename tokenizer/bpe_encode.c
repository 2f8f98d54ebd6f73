/* Text to ids, without added tokens.
 *
 *     text --cut--> pieces --hard cuts--> shorter pieces --queue, 128 at a time--> cache --+--> ids
 *                                                                                          +-- (seldom) a token as it is, or merged
 *
 * All pieces of a queue are hashed and their lines fetched before the first is looked at, so that the memory's latencies overlap.
 */
#include "tokenizer/bpe_encode.h"

#include "base/check.h"
#include "tokenizer/bpe_borders.h"
#include "tokenizer/bpe_cache.h"
#include "tokenizer/bpe_index.h"
#include "tokenizer/piece_hash.h"

enum {
    QUEUE = 128,
    ENDS = 512,
    UNCUT_BYTES = 12, /* pieces up to here are looked up without looking for hard cuts */
};

struct queued {
    const uint8_t *at;
    size_t size;
    struct bpe_cache_line *line;
    uint64_t low, high;
};

struct bpe_encoder {
    struct bpe_cache_line *lines; /* and one more, which stays empty, for pieces that fit in none */
    struct bpe_long_line *long_lines;
    struct bpe_workspace workspace;
    struct pretokenize_scratch cut;
    size_t queued;
    struct queued queue[QUEUE];
};

q_status bpe_encoder_create(struct bpe_encoder **out)
{
    struct bpe_encoder *encoder;
    Q_TRY(q_alloc_zero(1, sizeof(*encoder), &encoder));
    q_status status = q_alloc_aligned((1 << BPE_CACHE_LOG) + 1, sizeof(*encoder->lines), &encoder->lines);
    if (!status)
        status = q_alloc_aligned(1 << BPE_LONG_LOG, sizeof(*encoder->long_lines), &encoder->long_lines);
    if (status) {
        bpe_encoder_release(encoder);
        return status;
    }
    memset(encoder->lines, 0, ((1 << BPE_CACHE_LOG) + 1) * sizeof(*encoder->lines));
    memset(encoder->long_lines, 0, (1 << BPE_LONG_LOG) * sizeof(*encoder->long_lines));
    *out = encoder;
    return Q_OK;
}

void bpe_encoder_release(struct bpe_encoder *encoder)
{
    if (!encoder)
        return;
    bpe_workspace_release(&encoder->workspace);
    pretokenize_scratch_release(&encoder->cut);
    q_release(encoder->lines);
    q_release(encoder->long_lines);
    q_release(encoder);
}

/* Room for `more` ids and what the queue may write beside them. */
static q_status reserve(struct tokenizer_ids *out, size_t more)
{
    size_t room;
    if (!q_add_size(out->count, more, &room) || !q_add_size(room, (QUEUE + 1) * BPE_CACHE_IDS, &room))
        return q_fail(Q_ERR_MEMORY, "a text of %zu bytes is too long", more);
    return room > out->capacity ? q_grow(&out->ids, &out->capacity, room, sizeof(*out->ids)) : Q_OK;
}

static q_status encode_short(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, const struct queued *piece,
                             struct tokenizer_ids *out)
{
    size_t count;
    uint32_t *ids = out->ids + out->count;
    Q_TRY(bpe_merge(tokenizer, &encoder->workspace, piece->at, piece->size, ids, &count));
    out->count += count;
    if (count > BPE_CACHE_IDS)
        return Q_OK;
    piece->line->low = piece->low;
    piece->line->high = piece->high | (uint64_t)count << 60;
    memcpy(piece->line->ids, ids, sizeof(piece->line->ids));
    return Q_OK;
}

static q_status encode_long(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, const struct queued *piece,
                            struct tokenizer_ids *out)
{
    size_t count;
    struct bpe_long_line *line = NULL;
    uint64_t words[4] = {0}, hash = piece_hash(piece->at, piece->size);
    if (piece->size <= BPE_LONG_BYTES) {
        line = &encoder->long_lines[hash >> (64 - BPE_LONG_LOG)];
        memcpy(words, piece->at, piece->size);
        words[3] |= (uint64_t)(piece->size - 16) << 56;
        if (((line->words[0] ^ words[0]) | (line->words[1] ^ words[1]) | (line->words[2] ^ words[2]) |
             (line->words[3] ^ words[3]) << 4) == 0 &&
            line->words[3] >> 60) {
            memcpy(out->ids + out->count, line->ids, sizeof(line->ids));
            out->count += line->words[3] >> 60;
            return Q_OK;
        }
    }
    Q_TRY(reserve(out, piece->size + BPE_LONG_IDS));
    uint32_t *ids = out->ids + out->count;
    Q_TRY(bpe_merge(tokenizer, &encoder->workspace, piece->at, piece->size, ids, &count));
    out->count += count;
    if (!line || count > BPE_LONG_IDS)
        return Q_OK;
    memcpy(line->words, words, sizeof(words));
    line->words[3] |= (uint64_t)count << 60;
    memcpy(line->ids, ids, sizeof(line->ids));
    return Q_OK;
}

/* The ids of all pieces in the queue, and an empty queue. */
static q_status flush(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, struct tokenizer_ids *out)
{
    size_t queued = encoder->queued;
    encoder->queued = 0;
    Q_TRY(reserve(out, 2 * BPE_CACHE_BYTES));
    for (size_t i = 0; i < queued; i++) {
        const struct queued *piece = &encoder->queue[i];
        const struct bpe_cache_line *line = piece->line;
        if (bpe_cache_holds(line, piece->low, piece->high)) {
            memcpy(out->ids + out->count, line->ids, sizeof(line->ids)); /* all of them: one size for the compiler */
            out->count += line->high >> 60;
        } else if (piece->size <= BPE_CACHE_BYTES) {
            Q_TRY(encode_short(tokenizer, encoder, piece, out));
            Q_TRY(reserve(out, 2 * BPE_CACHE_BYTES));
        } else {
            Q_TRY(encode_long(tokenizer, encoder, piece, out));
            Q_TRY(reserve(out, 2 * BPE_CACHE_BYTES));
        }
    }
    return Q_OK;
}

/* Appends a piece to the queue, which has room, and has its line fetched. `readable`: bytes of memory from `at` on. */
static inline void queue_piece(struct bpe_encoder *encoder, const uint8_t *at, size_t size, size_t readable)
{
    struct queued *piece = &encoder->queue[encoder->queued++];
    uint64_t low, high;
    piece->at = at;
    piece->size = size;
    if (size > BPE_CACHE_BYTES) {
        piece->line = &encoder->lines[1 << BPE_CACHE_LOG];
        piece->low = piece->high = UINT64_MAX;
        return;
    }
    if (readable >= 16) {
        low = q_load_u64(at);
        high = q_load_u64(at + 8);
    } else {
        uint8_t bytes[16] = {0};
        memcpy(bytes, at, size);
        low = q_load_u64(bytes);
        high = q_load_u64(bytes + 8);
    }
    low &= bpe_mask(size);
    high &= size > 8 ? bpe_mask(size - 8) : 0;
    high |= (uint64_t)size << 56;
    piece->low = low;
    piece->high = high;
    piece->line = &encoder->lines[bpe_cache_index(low, high)];
    __builtin_prefetch(piece->line);
}

/* A piece cut at its hard borders. */
static q_status encode_cut(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, q_string text, size_t start,
                           size_t end, struct tokenizer_ids *out)
{
    const uint8_t *bytes = (const uint8_t *)text.data;
    size_t at = start, ends[ENDS], count;
    while ((count = bpe_borders_cut(tokenizer->borders, bytes, text.size, &at, end, ends, ENDS)) > 0)
        for (size_t i = 0; i < count; start = ends[i++]) {
            if (encoder->queued == QUEUE)
                Q_TRY(flush(tokenizer, encoder, out));
            queue_piece(encoder, bytes + start, ends[i] - start, text.size - start);
        }
    return Q_OK;
}

q_status bpe_encode(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, q_string text,
                    struct tokenizer_ids *out)
{
    const uint8_t *bytes = (const uint8_t *)text.data;
    size_t at = 0, start = 0, ends[ENDS], count;
    for (;;) {
        Q_TRY(pretokenizer_cut(tokenizer->vocabulary.pretokenizer, &encoder->cut, text, &at, ends, ENDS, &count));
        if (count == 0)
            return flush(tokenizer, encoder, out);
        for (size_t i = 0; i < count; start = ends[i++]) {
            size_t size = ends[i] - start;
            uint32_t whole = tokenizer->wholes.count ? bpe_wholes_find(tokenizer, bytes + start, size) : UINT32_MAX;
            if (whole != UINT32_MAX) {
                Q_TRY(flush(tokenizer, encoder, out));
                out->ids[out->count++] = whole; /* flush leaves room */
                continue;
            }
            if (size > UNCUT_BYTES && bytes[start + 1] >= 0x80) {
                Q_TRY(encode_cut(tokenizer, encoder, text, start, ends[i], out));
                continue;
            }
            if (encoder->queued == QUEUE)
                Q_TRY(flush(tokenizer, encoder, out));
            queue_piece(encoder, bytes + start, size, text.size - start);
        }
    }
}
