/* Text to ids, without added tokens.
 *
 *     text --cut--> pieces --hard cuts--> shorter pieces --queue, 128 at a time--> cache --+--> ids
 *                                                                                          +-- (seldom) bpe_merge: bpe_short, bpe_match
 *
 * A queue goes through in steps, so that neither the latencies of memory nor a piece that is new hold up the others:
 *
 *     fill      each piece is hashed, and its line of the cache fetched
 *     look up   all keys are compared with the later line of their set; those not found are listed, without a branch
 *     find      the ids of those listed: in the earlier line, in the long lines, or by merging
 *     put out   all ids in the order of the pieces
 *     keep      what was found goes into the later lines
 */
#include "tokenizer/encode/bpe_encode.h"

#include "base/check.h"
#include "tokenizer/encode/bpe_borders.h"
#include "tokenizer/encode/bpe_cache.h"

enum {
    QUEUE = 128,
    ENDS = 512,
    CUTS = 64,
    QUEUED_BYTES = 1 << 16, /* longer pieces are not queued */
    FILL_AFTER = 1 << 18,   /* bytes of text: filling the cache takes as long as 200 KB of these */
};

struct queued {
    const uint8_t *at;
    size_t size;
    struct bpe_key key;
    struct bpe_set *set;             /* where pieces up to BPE_KEY_BYTES are; an empty one for others */
    struct bpe_long_line *long_line; /* where these are */
    const uint32_t *ids;             /* when looked up */
    size_t count;
};

struct bpe_encoder {
    struct bpe_cache *cache;
    struct bpe_set empty; /* of long pieces */
    struct bpe_workspace workspace;
    struct pretokenize_scratch cut;
    uint32_t *found; /* ids of the new pieces of a queue */
    size_t found_capacity;
    size_t queued;
    struct queued queue[QUEUE];
    size_t text_bytes; /* so far, up to FILL_AFTER */
};

q_status bpe_encoder_create(struct bpe_encoder **out)
{
    struct bpe_encoder *encoder;
    Q_TRY(q_alloc_zero(1, sizeof(*encoder), &encoder));
    q_status status = q_alloc_pages(sizeof(*encoder->cache), &encoder->cache);
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
    q_release(encoder->found);
    q_release_pages(encoder->cache, sizeof(*encoder->cache));
    q_release(encoder);
}

static q_status reserve(struct tokenizer_ids *out, size_t more)
{
    size_t room;
    if (!q_add_size(out->count, more, &room))
        return q_fail(Q_ERR_MEMORY, "a text of more than %zu tokens is too long", out->count);
    return room > out->capacity ? q_grow(&out->ids, &out->capacity, room, sizeof(*out->ids)) : Q_OK;
}

static inline struct bpe_set *set_of(const struct bpe_encoder *encoder, struct bpe_key key)
{
    return &encoder->cache->sets[bpe_key_hash(key) >> (64 - BPE_CACHE_LOG)];
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
        piece->set = set_of(encoder, piece->key);
        __builtin_prefetch(piece->set);
    } else {
        struct bpe_key last = {q_load_u64(at + size - 16), q_load_u64(at + size - 8)};
        struct bpe_key mixed = {all.low ^ (last.high >> 7 | last.high << 57), all.high ^ last.low};
        piece->key = (struct bpe_key){0, 1ull << 56}; /* any key with a size, which no empty line has */
        piece->set = &encoder->empty;
        piece->long_line = &encoder->cache->long_lines[bpe_key_hash(mixed) >> (64 - BPE_LONG_LOG)];
        __builtin_prefetch(piece->long_line);
    }
}

/* Lists the pieces that are not in the later line of their set. */
static size_t look_up(struct bpe_encoder *encoder, size_t queued, uint8_t others[QUEUE])
{
    size_t count = 0;
    for (size_t i = 0; i < queued; i++) {
        struct queued *piece = &encoder->queue[i];
        piece->ids = piece->set->wide.ids;
        piece->count = bpe_line_count(&piece->set->lines[0]);
        others[count] = (uint8_t)i;
        count += !bpe_line_holds(&piece->set->lines[0], piece->key);
    }
    return count;
}

static void long_key(const struct queued *piece, uint64_t words[8])
{
    uint8_t bytes[BPE_LONG_BYTES + 1] = {0};
    memcpy(bytes, piece->at, piece->size);
    bytes[BPE_LONG_BYTES] = (uint8_t)piece->size;
    memcpy(words, bytes, sizeof(bytes));
}

static bool look_up_long(struct queued *piece)
{
    const struct bpe_long_line *line = piece->long_line;
    uint64_t words[8];
    if (piece->size <= BPE_KEY_BYTES || piece->size > BPE_LONG_BYTES)
        return false;
    long_key(piece, words);
    piece->ids = line->ids;
    piece->count = line->count;
    return bpe_long_line_holds(line, words);
}

/* The ids go to `found`, so that all that is to be kept has them where no line moves. */
static bool look_up_earlier(struct queued *piece, uint32_t *found)
{
    const struct bpe_line *line = &piece->set->lines[1];
    if (!bpe_line_holds(line, piece->key))
        return false;
    piece->ids = memcpy(found, line->ids, sizeof(line->ids));
    piece->count = bpe_line_count(line);
    return true;
}

/* The ids of the pieces listed. */
static q_status find(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, const uint8_t *others,
                     size_t count)
{
    size_t room = BPE_LONG_IDS; /* that many may be read behind the last */
    for (size_t i = 0; i < count; i++)
        room += Q_MAX(encoder->queue[others[i]].size, (size_t)BPE_CACHE_IDS);
    Q_TRY(q_grow(&encoder->found, &encoder->found_capacity, room, sizeof(*encoder->found)));
    uint32_t *found = encoder->found;
    for (size_t i = 0; i < count; i++) {
        struct queued *piece = &encoder->queue[others[i]];
        if (look_up_long(piece))
            continue;
        if (!look_up_earlier(piece, found)) {
            Q_TRY(bpe_merge(tokenizer, &encoder->workspace, piece->at, piece->size, found, &piece->count));
            piece->ids = found;
        }
        found += piece->count;
    }
    return Q_OK;
}

static q_status put_out(const struct bpe_encoder *encoder, size_t queued, struct tokenizer_ids *out)
{
    Q_TRY(reserve(out, QUEUE * BPE_CACHE_IDS));
    uint32_t *to = out->ids + out->count;
    for (size_t i = 0; i < queued; i++) {
        const struct queued *piece = &encoder->queue[i];
        if (piece->count <= BPE_CACHE_IDS) {
            memcpy(to, piece->ids, BPE_CACHE_IDS * sizeof(*to)); /* all of them: one size for the compiler */
        } else {
            out->count = (size_t)(to - out->ids);
            Q_TRY(reserve(out, piece->count + QUEUE * BPE_CACHE_IDS));
            to = out->ids + out->count;
            memcpy(to, piece->ids, piece->count * sizeof(*to));
        }
        to += piece->count;
    }
    out->count = (size_t)(to - out->ids);
    return Q_OK;
}

static void keep_in_set(const struct queued *piece)
{
    struct bpe_set *set = piece->set;
    bool wide = piece->count > BPE_CACHE_IDS;
    if (bpe_line_holds(&set->lines[0], piece->key)) /* it was in the queue twice */
        return;
    set->lines[1] = wide || bpe_set_is_wide(set) ? (struct bpe_line){0} : set->lines[0];
    set->wide.key = (struct bpe_key){piece->key.low, piece->key.high | (uint64_t)piece->count << 60};
    if (wide)
        memcpy(set->wide.ids, piece->ids, piece->count * sizeof(*piece->ids));
    else
        memcpy(set->wide.ids, piece->ids, BPE_CACHE_IDS * sizeof(*piece->ids)); /* one size for the compiler */
}

static void keep(const struct queued *piece)
{
    if (piece->size <= BPE_KEY_BYTES && piece->count <= BPE_WIDE_IDS) {
        keep_in_set(piece);
    } else if (piece->size > BPE_KEY_BYTES && piece->size <= BPE_LONG_BYTES && piece->count <= BPE_LONG_IDS) {
        struct bpe_long_line *line = piece->long_line;
        if (piece->ids == line->ids) /* it was found there */
            return;
        long_key(piece, line->words);
        line->count = (uint32_t)piece->count;
        memcpy(line->ids, piece->ids, sizeof(line->ids));
    }
}

/* The ids of all pieces in the queue, and an empty queue. */
static q_status flush(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, struct tokenizer_ids *out)
{
    uint8_t others[QUEUE];
    size_t queued = encoder->queued, count = look_up(encoder, queued, others);
    encoder->queued = 0;
    if (count)
        Q_TRY(find(tokenizer, encoder, others, count));
    Q_TRY(put_out(encoder, queued, out));
    for (size_t i = 0; i < count; i++)
        keep(&encoder->queue[others[i]]);
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

/* A piece of any other length, for which the queue has room. */
__attribute__((always_inline)) static inline q_status encode_piece(const struct tokenizer *tokenizer,
                                                                   struct bpe_encoder *encoder, const uint8_t *at,
                                                                   size_t size, size_t readable,
                                                                   struct tokenizer_ids *out)
{
    if (size > QUEUED_BYTES)
        return encode_huge(tokenizer, encoder, at, size, out);
    queue_piece(encoder, at, size, readable);
    return Q_OK;
}

/* Whether to look for hard cuts: not in a piece that the cache may hold as it is, and come to hold: words of letters of one or two bytes come again, clauses
 * in scripts of three bytes do not. */
static inline bool worth_cutting(const uint8_t *piece, size_t size)
{
    bool of_three = size > BPE_KEY_BYTES && (piece[0] >= 0xE0 || piece[1] >= 0xE0 || piece[2] >= 0xE0);
    return of_three || (size > BPE_LONG_BYTES && piece[1] >= 0x80);
}

/* The pieces that text is full of, in a loop of their own: short, with 16 bytes of memory to be read. Stops at the first that is another, or at
 * `count`, for which the queue has room; how many it queued. Not inlined: it wants all registers. */
__attribute__((noinline)) static size_t queue_short(struct bpe_encoder *encoder, q_string text, size_t start,
                                                    const size_t *ends, size_t count)
{
    struct queued *piece = &encoder->queue[encoder->queued];
    size_t i;
    for (i = 0; i < count; start = ends[i++], piece++) {
        const uint8_t *at = (const uint8_t *)text.data + start;
        size_t size = ends[i] - start;
        if (size > BPE_KEY_BYTES || text.size - start < 16)
            break;
        piece->at = at;
        piece->size = size;
        piece->key = bpe_key_cut((struct bpe_key){q_load_u64(at), q_load_u64(at + 8)}, size);
        piece->set = set_of(encoder, piece->key);
        __builtin_prefetch(piece->set);
    }
    encoder->queued += i;
    return i;
}

static q_status encode_cut(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, q_string text, size_t start,
                           size_t end, struct tokenizer_ids *out);

/* Pieces, or parts of one, which are cut no further. */
static q_status encode_pieces(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, q_string text,
                              size_t start, const size_t *ends, size_t count, bool parts, struct tokenizer_ids *out)
{
    for (size_t i = 0; i < count;) {
        if (encoder->queued == QUEUE)
            Q_TRY(flush(tokenizer, encoder, out));
        size_t most = Q_MIN(count - i, QUEUE - encoder->queued),
               queued = queue_short(encoder, text, start, ends + i, most);
        i += queued;
        start = queued ? ends[i - 1] : start;
        if (queued == most)
            continue;
        const uint8_t *at = (const uint8_t *)text.data + start;
        if (!parts && worth_cutting(at, ends[i] - start))
            Q_TRY(encode_cut(tokenizer, encoder, text, start, ends[i], out));
        else
            Q_TRY(encode_piece(tokenizer, encoder, at, ends[i] - start, text.size - start, out));
        start = ends[i++];
    }
    return Q_OK;
}

/* A piece cut at its hard borders. */
static q_status encode_cut(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, q_string text, size_t start,
                           size_t end, struct tokenizer_ids *out)
{
    const uint8_t *bytes = (const uint8_t *)text.data;
    size_t at = start, ends[CUTS], count;
    while ((count = bpe_borders_cut(tokenizer->borders, bytes, text.size, &at, end, ends, CUTS)) > 0) {
        Q_TRY(encode_pieces(tokenizer, encoder, text, start, ends, count, true, out));
        start = at;
    }
    return Q_OK;
}

/* Where pieces may be tokens whatever the merges say. */
static q_status encode_wholes(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, q_string text,
                              size_t start, const size_t *ends, size_t count, struct tokenizer_ids *out)
{
    for (size_t i = 0; i < count; start = ends[i++]) {
        uint32_t whole = bpe_wholes_find(tokenizer, (const uint8_t *)text.data + start, ends[i] - start);
        if (whole == UINT32_MAX) {
            Q_TRY(encode_pieces(tokenizer, encoder, text, start, ends + i, 1, false, out));
            continue;
        }
        Q_TRY(flush(tokenizer, encoder, out));
        Q_TRY(reserve(out, 1));
        out->ids[out->count++] = whole;
    }
    return Q_OK;
}

/* A token as a line of the cache, where there is an empty one. */
static void fill_line(const struct queued *piece, uint32_t id)
{
    struct bpe_line *lines = piece->set->lines, *line = &lines[!bpe_line_is_empty(&lines[0])];
    if (bpe_line_is_empty(line) && !bpe_line_holds(&lines[0], piece->key) && !bpe_set_is_wide(piece->set))
        *line = (struct bpe_line){{piece->key.low, piece->key.high | 1ull << 60}, {id}};
}

/* The tokens as lines of the cache (bpe_cache.h). By the queue, which is empty, so that lines are fetched ahead here, too. */
static void fill_cache(const struct tokenizer *tokenizer, struct bpe_encoder *encoder)
{
    const struct bpe_trees *t = &tokenizer->trees;
    for (uint32_t number = 0, first; number < t->count;) {
        uint32_t ids[QUEUE];
        for (first = number; number < t->count && number - first < QUEUE; number++) {
            q_string token = tokenizer->vocabulary.tokens[t->ids[number]];
            ids[encoder->queued] = t->ids[number];
            if (token.size <= BPE_KEY_BYTES)
                queue_piece(encoder, (const uint8_t *)token.data, token.size, token.size);
        }
        for (size_t i = 0; i < encoder->queued; i++)
            fill_line(&encoder->queue[i], ids[i]);
        encoder->queued = 0;
    }
}

q_status bpe_encode(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, q_string text,
                    struct tokenizer_ids *out)
{
    size_t at = 0, start = 0, ends[ENDS], count;
    encoder->queued = 0; /* there may be some after a failure */
    if (encoder->text_bytes < FILL_AFTER) {
        encoder->text_bytes += Q_MIN(text.size, FILL_AFTER);
        if (encoder->text_bytes >= FILL_AFTER)
            fill_cache(tokenizer, encoder);
    }
    for (;;) {
        Q_TRY(pretokenizer_cut(tokenizer->vocabulary.pretokenizer, &encoder->cut, text, &at, ends, ENDS, &count));
        if (count == 0)
            return flush(tokenizer, encoder, out);
        if (tokenizer->wholes.count)
            Q_TRY(encode_wholes(tokenizer, encoder, text, start, ends, count, out));
        else
            Q_TRY(encode_pieces(tokenizer, encoder, text, start, ends, count, false, out));
        start = ends[count - 1];
    }
}
