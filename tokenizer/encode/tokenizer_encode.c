/* Text to ids and back: added tokens in the text, noise, decoding. What lies between added tokens goes to bpe_encode. */
#include "tokenizer/tokenizer.h"

#include "base/check.h"
#include "tokenizer/encode/boundary_split.h"
#include "tokenizer/encode/bpe_dropout.h"
#include "tokenizer/encode/bpe_encode.h"

enum { ENDS = 128 };

/* Where the text being encoded lies in the text as it came. */
struct placing {
    struct tokenizer_spans *spans;
    size_t gap;    /* where the text between two added tokens begins */
    bool edited;   /* it was changed by normalization, as `edits` says */
    size_t hint;   /* into the edits */
    size_t normal; /* in its normal form, where the text between two normalized added tokens begins */
    size_t prefix; /* bytes put before that */
};

struct tokenizer_scratch {
    struct placing *placing; /* NULL: spans are not wanted */
    struct normalization_edits edits;
    struct bpe_encoder *encoder;
    struct pretokenize_scratch cut;    /* for the dropout */
    const struct bpe_dropout *dropout; /* of the text being encoded; NULL: none */
    uint64_t position;                 /* of the next piece in its document: for the dropout */
    struct bpe_workspace dropping;
    struct tokenizer_ids ordinary; /* of a text, for the pieces that the dropout spares */
    struct boundary_split_workspace splitting;
    struct q_buffer normal, prefixed; /* copies of the text, where it is not encoded as it came */
};

q_status tokenizer_scratch_create(const struct tokenizer *tokenizer, struct tokenizer_scratch **out)
{
    (void)tokenizer; /* the cache belongs to one tokenizer, though it does not need it yet */
    struct tokenizer_scratch *scratch;
    Q_TRY(q_alloc_zero(1, sizeof(*scratch), &scratch));
    q_status status = bpe_encoder_create(&scratch->encoder);
    if (status) {
        q_release(scratch);
        return status;
    }
    *out = scratch;
    return Q_OK;
}

void tokenizer_scratch_release(struct tokenizer_scratch *scratch)
{
    if (!scratch)
        return;
    pretokenize_scratch_release(&scratch->cut);
    bpe_workspace_release(&scratch->dropping);
    tokenizer_ids_release(&scratch->ordinary);
    boundary_split_workspace_release(&scratch->splitting);
    q_buffer_release(&scratch->normal);
    q_buffer_release(&scratch->prefixed);
    normalization_edits_release(&scratch->edits);
    bpe_encoder_release(scratch->encoder);
    q_release(scratch);
}

void tokenizer_ids_release(struct tokenizer_ids *ids)
{
    q_release(ids->ids);
    *ids = (struct tokenizer_ids){0};
}

void tokenizer_spans_release(struct tokenizer_spans *spans)
{
    q_release(spans->items);
    *spans = (struct tokenizer_spans){0};
}

q_status tokenizer_ids_append(struct tokenizer_ids *out, uint32_t id)
{
    if (out->count == out->capacity)
        Q_TRY(q_grow(&out->ids, &out->capacity, out->count + 1, sizeof(*out->ids)));
    out->ids[out->count++] = id;
    return Q_OK;
}

/* One piece with dropout. */
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
    return Q_OK;
}

/* The ordinary ids of ordinary->ids[*next...] that are a piece of `size` bytes, taken over where the dropout spares it. */
static q_status take_spared(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, size_t size,
                            size_t *next, struct tokenizer_ids *out, bool *spared)
{
    const uint32_t *ids = scratch->ordinary.ids + *next;
    size_t count = 0;
    for (size_t bytes = 0; bytes < size; bytes += tokenizer->vocabulary.tokens[ids[count++]].size)
        ;
    *next += count;
    *spared = bpe_dropout_spares(scratch->dropout, scratch->position, size - count);
    if (!*spared)
        return Q_OK;
    Q_TRY(q_grow(&out->ids, &out->capacity, out->count + count, sizeof(*out->ids)));
    for (size_t i = 0; i < count; i++)
        out->ids[out->count++] = ids[i];
    return Q_OK;
}

/* What a piece becomes depends on its place, so no table knows it. But at most places nothing is left out, which the ordinary ids tell. */
static q_status encode_text_dropped(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, q_string text,
                                    struct tokenizer_ids *out)
{
    const bool ordinary = tokenizer->wholes.count == 0; /* else ordinary ids are not what merging gives */
    size_t at = 0, start = 0, next = 0, ends[ENDS], count;
    scratch->ordinary.count = 0;
    if (ordinary)
        Q_TRY(bpe_encode(tokenizer, scratch->encoder, text, &scratch->ordinary));
    do {
        Q_TRY(pretokenizer_cut(tokenizer->vocabulary.pretokenizer, &scratch->cut, text, &at, ends, ENDS, &count));
        for (size_t i = 0; i < count; start = ends[i++]) {
            const size_t size = ends[i] - start;
            bool spared = false;
            if (ordinary)
                Q_TRY(take_spared(tokenizer, scratch, size, &next, out, &spared));
            if (!spared)
                Q_TRY(encode_dropped(tokenizer, scratch, (const uint8_t *)text.data + start, size, out));
            scratch->position += size;
        }
    } while (count > 0);
    return Q_OK;
}

/* [start, end) of the normal form of a gap, as a span of the text as it came. */
static q_status push_span(struct tokenizer_scratch *scratch, size_t start, size_t end)
{
    struct placing *placing = scratch->placing;
    struct tokenizer_spans *spans = placing->spans;
    if (placing->edited)
        normalization_original(&scratch->edits, &placing->hint, start, end, &start, &end);
    Q_TRY(q_grow(&spans->items, &spans->capacity, spans->count + 1, sizeof(*spans->items)));
    spans->items[spans->count++] = (struct tokenizer_span){placing->gap + start, placing->gap + end};
    return Q_OK;
}

/* The spans of ids that together are a text. */
static q_status push_spans(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, const uint32_t *ids,
                           size_t count)
{
    const size_t prefix = scratch->placing->prefix, first = scratch->placing->normal;
    for (size_t i = 0, at = 0; i < count; i++) {
        size_t end = at + tokenizer->vocabulary.tokens[ids[i]].size;
        Q_TRY(push_span(scratch, first + (at > prefix ? at - prefix : 0), first + (end > prefix ? end - prefix : 0)));
        at = end;
    }
    return Q_OK;
}

static q_status encode_text(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, q_string text,
                            struct tokenizer_ids *out)
{
    const size_t before = out->count;
    Q_TRY(scratch->dropout ? encode_text_dropped(tokenizer, scratch, text, out)
                           : bpe_encode(tokenizer, scratch->encoder, text, out));
    return scratch->placing ? push_spans(tokenizer, scratch, out->ids + before, out->count - before) : Q_OK;
}

/* ByteLevel's add_prefix_space: a text that does not begin with a space gets one. */
static q_status encode_prefixed(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, q_string text,
                                struct tokenizer_ids *out)
{
    const bool prefix = text.size && tokenizer->vocabulary.prefix_space && text.data[0] != ' ';
    if (scratch->placing)
        scratch->placing->prefix = prefix;
    if (!prefix)
        return text.size ? encode_text(tokenizer, scratch, text, out) : Q_OK;
    q_buffer_clear(&scratch->prefixed);
    Q_TRY(q_buffer_append_byte(&scratch->prefixed, ' '));
    Q_TRY(q_buffer_append_string(&scratch->prefixed, text));
    return encode_text(tokenizer, scratch, q_buffer_string(&scratch->prefixed), out);
}

static q_status encode_parsed(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, q_string text,
                              bool normal, struct tokenizer_ids *out);

/* A text without the added tokens that are looked for first: in its normal form, where the others are looked for. */
static q_status encode_normalized(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, q_string text,
                                  bool parse, struct tokenizer_ids *out)
{
    enum normalization form = tokenizer->vocabulary.normalization;
    const bool edited = normalization_normal_prefix(form, text) < text.size;
    if (edited) {
        q_buffer_clear(&scratch->normal);
        scratch->edits.count = 0;
        Q_TRY(normalization_apply(form, text, &scratch->normal, scratch->placing ? &scratch->edits : NULL));
        text = q_buffer_string(&scratch->normal);
    }
    if (scratch->placing) {
        scratch->placing->edited = edited;
        scratch->placing->hint = scratch->placing->normal = 0;
    }
    return parse ? encode_parsed(tokenizer, scratch, text, true, out) : encode_prefixed(tokenizer, scratch, text, out);
}

/* Cuts the text at the added tokens of one list; what lies between goes to the next list, and in the end to the pretokenizer. */
static q_status encode_parsed(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, q_string text,
                              bool normal, struct tokenizer_ids *out)
{
    struct added_walk walk = {0};
    struct added_match match;
    struct placing *placing = scratch->placing;
    for (bool more = true; more;) {
        more = added_tokens_next(tokenizer->added[normal], text, &walk, &match);
        size_t start = more ? match.gap : walk.done, end = more ? match.start : text.size;
        q_string gap = q_string_slice(text, start, end);
        if (placing)
            *(normal ? &placing->normal : &placing->gap) = start;
        if (gap.size)
            Q_TRY(normal ? encode_prefixed(tokenizer, scratch, gap, out)
                         : encode_normalized(tokenizer, scratch, gap, true, out));
        if (more)
            Q_TRY(tokenizer_ids_append(out, match.id));
        if (more && placing && !normal)
            placing->gap = 0, placing->edited = false;
        if (more && placing)
            Q_TRY(push_span(scratch, match.start, match.end));
    }
    return Q_OK;
}

q_status tokenizer_encode(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, q_string text,
                          enum tokenizer_special_mode mode, struct tokenizer_ids *out)
{
    return mode == TOKENIZER_SPECIAL_PARSE ? encode_parsed(tokenizer, scratch, text, false, out)
                                           : encode_normalized(tokenizer, scratch, text, false, out);
}

q_status tokenizer_encode_spans(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, q_string text,
                                enum tokenizer_special_mode mode, struct tokenizer_ids *out,
                                struct tokenizer_spans *spans)
{
    struct placing placing = {.spans = spans};
    scratch->placing = &placing;
    q_status status = tokenizer_encode(tokenizer, scratch, text, mode, out);
    scratch->placing = NULL;
    return status;
}

q_status tokenizer_noise_check(const struct tokenizer_noise *noise)
{
    if (!(noise->dropout >= 0 && noise->dropout <= 1))
        return q_fail(Q_ERR_USAGE, "a dropout of %g is not 0 to 1", noise->dropout);
    if (!(noise->boundary_split >= 0 && noise->boundary_split <= 1))
        return q_fail(Q_ERR_USAGE, "a share of %g of the boundaries to split is not 0 to 1", noise->boundary_split);
    return Q_OK;
}

q_status tokenizer_encode_noisy(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, q_string text,
                                enum tokenizer_special_mode mode, const struct tokenizer_noise *noise,
                                struct tokenizer_ids *out)
{
    Q_TRY(tokenizer_noise_check(noise));
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

q_status tokenizer_check_ids(const struct tokenizer *tokenizer, const uint32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i] >= tokenizer->vocabulary.size)
            return q_fail(Q_ERR_INPUT, "id %u is not below %u, the size of the vocabulary", ids[i],
                          tokenizer->vocabulary.size);
    return Q_OK;
}

q_status tokenizer_decode(const struct tokenizer *tokenizer, const uint32_t *ids, size_t count, struct q_buffer *out)
{
    enum { FEW = 1024 }; /* whose bytes are reserved at once */
    Q_TRY(tokenizer_check_ids(tokenizer, ids, count));
    for (size_t first = 0; first < count; first += FEW) {
        size_t last = Q_MIN(first + FEW, count), room = 0;
        for (size_t i = first; i < last; i++)
            room += tokenizer->vocabulary.tokens[ids[i]].size;
        Q_TRY(q_buffer_reserve(out, room));
        char *to = out->data + out->size;
        for (size_t i = first; i < last; i++) {
            q_string token = tokenizer->vocabulary.tokens[ids[i]];
            if (token.size) /* an id without a token has no bytes, at no address */
                memcpy(to, token.data, token.size);
            to += token.size;
        }
        out->size += room;
    }
    return Q_OK;
}
