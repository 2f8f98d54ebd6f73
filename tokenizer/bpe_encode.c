/* Text to ids, without added tokens.
 *
 *     text --cut--> pieces --hard cuts--> shorter pieces --queue, 128 at a time--> cache --+--> ids
 *                                                                                          +-- (seldom) bpe_merge
 *
 * All pieces of a queue are hashed and their lines fetched before the first is looked at, so that the latencies of memory overlap.
 */
#include "tokenizer/bpe_encode.h"

#include "base/check.h"
#include "tokenizer/bpe_borders.h"
#include "tokenizer/bpe_cache.h"

enum {
    QUEUE = 128,
    ENDS = 512,
    CUTS = 64,
    UNCUT_BYTES = 6,
    QUEUED_BYTES = 1 << 16, /* longer pieces are not queued */
};

struct queued {
    const uint8_t *at;
    size_t size;
    struct bpe_key key; /* of pieces up to BPE_KEY_BYTES; else such as no line has */
    union {
        struct bpe_set *set;
        struct bpe_long_line
            *long_line; /* of pieces above BPE_KEY_BYTES, which have no set: any may be read in its place */
    };
};

struct bpe_encoder {
    struct bpe_cache cache;
    struct bpe_workspace workspace;
    struct pretokenize_scratch cut;
    size_t queued;
    struct queued queue[QUEUE];
};

enum {
    SETS_BYTES = (1 << BPE_CACHE_LOG) * sizeof(struct bpe_set),
    LONG_BYTES = (1 << BPE_LONG_LOG) * sizeof(struct bpe_long_line),
};

q_status bpe_encoder_create(struct bpe_encoder **out)
{
    struct bpe_encoder *encoder;
    Q_TRY(q_alloc_zero(1, sizeof(*encoder), &encoder));
    q_status status = q_alloc_pages(SETS_BYTES, &encoder->cache.sets);
    if (!status)
        status = q_alloc_pages(LONG_BYTES, &encoder->cache.long_lines);
    if (status)
        bpe_encoder_release(encoder);
    else
        *out = encoder;
    return status;
}

void bpe_encoder_release(struct bpe_encoder *encoder)
{
    if (!encoder)
        return;
    bpe_workspace_release(&encoder->workspace);
    pretokenize_scratch_release(&encoder->cut);
    q_release_pages(encoder->cache.sets, SETS_BYTES);
    q_release_pages(encoder->cache.long_lines, LONG_BYTES);
    q_release(encoder);
}

static q_status reserve(struct tokenizer_ids *out, size_t more)
{
    size_t room;
    if (!q_add_size(out->count, more, &room))
        return q_fail(Q_ERR_MEMORY, "a text of more than %zu tokens is too long", out->count);
    return room > out->capacity ? q_grow(&out->ids, &out->capacity, room, sizeof(*out->ids)) : Q_OK;
}

/* Appends a piece to the queue, which has room, and has its line fetched. `readable`: bytes of memory from `at` on. */
__attribute__((always_inline)) static inline void queue_piece(struct bpe_encoder *encoder, const uint8_t *at,
                                                              size_t size, size_t readable)
{
    struct queued *piece = &encoder->queue[encoder->queued++];
    struct bpe_key all = bpe_key_load(at, readable);
    piece->at = at;
    piece->size = size;
    if (size <= BPE_KEY_BYTES) {
        piece->key = bpe_key_cut(all, size);
        piece->set = &encoder->cache.sets[bpe_key_hash(piece->key) >> (64 - BPE_CACHE_LOG)];
        __builtin_prefetch(piece->set);
    } else {
        struct bpe_key last = {q_load_u64(at + size - 16), q_load_u64(at + size - 8)};
        struct bpe_key mixed = {all.low ^ (last.high >> 7 | last.high << 57), all.high ^ last.low};
        piece->key = (struct bpe_key){0, UINT64_MAX >> 4};
        piece->long_line = &encoder->cache.long_lines[bpe_key_hash(mixed) >> (64 - BPE_LONG_LOG)];
        __builtin_prefetch(piece->long_line);
    }
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
    struct bpe_set *set = piece->set;
    set->lines[1] = set->lines[0];
    set->lines[0].key = (struct bpe_key){piece->key.low, piece->key.high | (uint64_t)count << 60};
    memcpy(set->lines[0].ids, ids, sizeof(set->lines[0].ids));
    return Q_OK;
}

static q_status encode_long(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, const struct queued *piece,
                            struct tokenizer_ids *out)
{
    size_t count;
    uint32_t *ids = out->ids + out->count;
    struct bpe_long_line *line = piece->long_line;
    uint64_t words[4] = {0};
    if (piece->size <= BPE_LONG_BYTES) {
        memcpy(words, piece->at, piece->size);
        words[3] |= (uint64_t)(piece->size - 16) << 56;
        if (bpe_long_line_holds(line, words)) {
            memcpy(ids, line->ids, sizeof(line->ids));
            out->count += line->words[3] >> 60;
            return Q_OK;
        }
    }
    Q_TRY(bpe_merge(tokenizer, &encoder->workspace, piece->at, piece->size, ids, &count));
    out->count += count;
    if (piece->size > BPE_LONG_BYTES || count > BPE_LONG_IDS)
        return Q_OK;
    memcpy(line->words, words, sizeof(words));
    line->words[3] |= (uint64_t)count << 60;
    memcpy(line->ids, ids, sizeof(line->ids));
    return Q_OK;
}

/* A piece that no set has; afterwards there is room for the rest of the queue. */
static q_status encode_new(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, const struct queued *piece,
                           struct tokenizer_ids *out)
{
    Q_TRY(reserve(out, piece->size + BPE_LONG_IDS));
    Q_TRY(piece->size <= BPE_KEY_BYTES ? encode_short(tokenizer, encoder, piece, out)
                                       : encode_long(tokenizer, encoder, piece, out));
    return reserve(out, QUEUE * BPE_CACHE_IDS);
}

/* Keeps the compiler from making a branch of what depends on a value that no processor foresees. */
static inline void unforeseen(size_t *value)
{
    __asm__("" : "+r"(*value));
}

/* The ids of all pieces in the queue, and an empty queue. */
static q_status flush(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, struct tokenizer_ids *out)
{
    const struct queued *end = encoder->queue + encoder->queued;
    encoder->queued = 0;
    Q_TRY(reserve(out, QUEUE * BPE_CACHE_IDS));
    uint32_t *to = out->ids + out->count;
    for (const struct queued *piece = encoder->queue; piece < end; piece++) {
        const struct bpe_line *lines = piece->set->lines;
        size_t which = !bpe_line_holds(&lines[0], piece->key);
        unforeseen(&which);
        const struct bpe_line *line = &lines[which];
        if (bpe_line_holds(line, piece->key)) {
            memcpy(to, line->ids, sizeof(line->ids)); /* all of them: one size for the compiler */
            to += bpe_line_count(line);
            continue;
        }
        out->count = (size_t)(to - out->ids);
        Q_TRY(encode_new(tokenizer, encoder, piece, out));
        to = out->ids + out->count;
    }
    out->count = (size_t)(to - out->ids);
    return Q_OK;
}

/* A piece of any length, past the queue. */
static q_status encode_huge(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, const uint8_t *piece,
                            size_t size, struct tokenizer_ids *out)
{
    size_t count;
    Q_TRY(flush(tokenizer, encoder, out));
    Q_TRY(reserve(out, size));
    Q_TRY(bpe_merge(tokenizer, &encoder->workspace, piece, size, out->ids + out->count, &count));
    out->count += count;
    return Q_OK;
}

__attribute__((always_inline)) static inline q_status encode_piece(const struct tokenizer *tokenizer,
                                                                   struct bpe_encoder *encoder, const uint8_t *at,
                                                                   size_t size, size_t readable,
                                                                   struct tokenizer_ids *out)
{
    if (size > QUEUED_BYTES)
        return encode_huge(tokenizer, encoder, at, size, out);
    if (encoder->queued == QUEUE)
        Q_TRY(flush(tokenizer, encoder, out));
    queue_piece(encoder, at, size, readable);
    return Q_OK;
}

/* Whether to look for hard cuts: not in ASCII, and not in a piece that is likely to be in the cache as it is: of a character or two, or a short word of a script
 * of two bytes a letter. */
static inline bool worth_cutting(const uint8_t *piece, size_t size)
{
    return size > UNCUT_BYTES && piece[1] >= 0x80 && (size > BPE_KEY_BYTES || piece[0] >= 0xE0 || piece[1] >= 0xE0);
}

/* A piece cut at its hard borders. */
static q_status encode_cut(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, q_string text, size_t start,
                           size_t end, struct tokenizer_ids *out)
{
    const uint8_t *bytes = (const uint8_t *)text.data;
    size_t at = start, ends[CUTS], count;
    while ((count = bpe_borders_cut(tokenizer->borders, bytes, text.size, &at, end, ends, CUTS)) > 0)
        for (size_t i = 0; i < count; start = ends[i++])
            Q_TRY(encode_piece(tokenizer, encoder, bytes + start, ends[i] - start, text.size - start, out));
    return Q_OK;
}

q_status bpe_encode(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, q_string text,
                    struct tokenizer_ids *out)
{
    const uint8_t *bytes = (const uint8_t *)text.data;
    size_t at = 0, start = 0, ends[ENDS], count;
    encoder->queued = 0; /* there may be some after a failure */
    for (;;) {
        Q_TRY(pretokenizer_cut(tokenizer->vocabulary.pretokenizer, &encoder->cut, text, &at, ends, ENDS, &count));
        if (count == 0)
            return flush(tokenizer, encoder, out);
        for (size_t i = 0; i < count; start = ends[i++]) {
            size_t size = ends[i] - start;
            uint32_t whole = tokenizer->wholes.count ? bpe_wholes_find(tokenizer, bytes + start, size) : UINT32_MAX;
            if (whole != UINT32_MAX) {
                Q_TRY(flush(tokenizer, encoder, out));
                Q_TRY(reserve(out, 1));
                out->ids[out->count++] = whole;
                continue;
            }
            if (worth_cutting(bytes + start, size))
                Q_TRY(encode_cut(tokenizer, encoder, text, start, ends[i], out));
            else
                Q_TRY(encode_piece(tokenizer, encoder, bytes + start, size, text.size - start, out));
        }
    }
}
