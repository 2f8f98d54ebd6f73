/* Text that comes in parts, encoded as it comes.
 *
 *     raw --added tokens--> gaps --normal form--> normal --added tokens, normalized--> gaps --> text --pretokenizer--> pieces --> ids
 *
 * Each buffer holds what the step behind it cannot yet decide; when a gap between added tokens ends, the steps behind it are brought to their ends.
 */
#include "tokenizer/encode/tokenizer_stream.h"

#include "base/check.h"
#include "tokenizer/encode/bpe_encode.h"

enum {
    ATTEMPT_BYTES = 1 << 12, /* so much waits before a step looks whether something is certain */
    ENDLESS_BYTES = 1 << 18, /* a piece of so much is taken to have no end; longer than any token */
    PIECE_MARGIN = 64,       /* that far before the end of the text a piece may still lose something to the next */
    LOOK_BEHIND = 4,         /* bytes behind an added token that its flags look at */
};

struct tokenizer_stream {
    const struct tokenizer *tokenizer;
    bool parse, built_in;
    struct bpe_encoder *encoder;
    struct bpe_workspace workspace;
    struct pretokenize_scratch cut;
    struct {
        struct q_buffer held;
        size_t longest; /* added token that is looked for here, with LOOK_BEHIND; 0: none is */
        bool flags;     /* some take white space, or look at what is beside them */
    } lists[2];
    struct q_buffer gap; /* not in its normal form yet */
    struct q_buffer text;
    size_t attempt_at; /* size of `text` at which to look again */
    bool begun;        /* the text between two added tokens has given something already */
    uint32_t before;   /* inside an endless piece: the last token given, else BPE_NO_TREE */
    struct tokenizer_ids numbers;
};

static void drop(struct q_buffer *buffer, size_t count)
{
    if (count)
        memmove(buffer->data, buffer->data + count, buffer->size - count);
    buffer->size -= count;
}

q_status tokenizer_stream_create(const struct tokenizer *tokenizer, enum tokenizer_special_mode mode,
                                 struct tokenizer_stream **out)
{
    struct tokenizer_stream *stream;
    const struct vocabulary *v = &tokenizer->vocabulary;
    Q_TRY(q_alloc_zero(1, sizeof(*stream), &stream));
    q_status status = bpe_encoder_create(&stream->encoder);
    if (status) {
        q_release(stream);
        return status;
    }
    stream->tokenizer = tokenizer;
    stream->parse = mode == TOKENIZER_SPECIAL_PARSE;
    stream->before = BPE_NO_TREE;
    for (size_t i = 0; pretokenizers[i]; i++)
        stream->built_in |= pretokenizers[i] == v->pretokenizer;
    for (size_t i = 0; i < v->added_count && stream->parse; i++) {
        const struct vocabulary_added *added = &v->added[i];
        size_t size = Q_MAX(added->match.size, added->text.size) + LOOK_BEHIND;
        stream->lists[added->normalized].longest = Q_MAX(stream->lists[added->normalized].longest, size);
        stream->lists[added->normalized].flags |= added->lstrip || added->rstrip || added->single_word;
    }
    *out = stream;
    return Q_OK;
}

void tokenizer_stream_release(struct tokenizer_stream *stream)
{
    if (!stream)
        return;
    bpe_encoder_release(stream->encoder);
    bpe_workspace_release(&stream->workspace);
    pretokenize_scratch_release(&stream->cut);
    q_buffer_release(&stream->lists[0].held);
    q_buffer_release(&stream->lists[1].held);
    q_buffer_release(&stream->gap);
    q_buffer_release(&stream->text);
    tokenizer_ids_release(&stream->numbers);
    q_release(stream);
}

size_t tokenizer_stream_held(const struct tokenizer_stream *stream)
{
    return stream->lists[0].held.size + stream->lists[1].held.size + stream->gap.size + stream->text.size;
}

static q_status append_numbers(struct tokenizer_stream *stream, size_t count, struct tokenizer_ids *out)
{
    Q_TRY(q_grow(&out->ids, &out->capacity, out->count + count, sizeof(*out->ids)));
    for (size_t i = 0; i < count; i++)
        out->ids[out->count++] = bpe_tree_id(&stream->tokenizer->trees, stream->numbers.ids[i]);
    return Q_OK;
}

/* Gives out what is settled of a piece that fills all of the text. Nothing may be. */
static q_status give_endless(struct tokenizer_stream *stream, size_t size, struct tokenizer_ids *out)
{
    const struct bpe_trees *trees = &stream->tokenizer->trees;
    const uint8_t *piece = (const uint8_t *)stream->text.data;
    struct tokenizer_ids *numbers = &stream->numbers;
    size_t count, bytes;
    Q_TRY(q_grow(&numbers->ids, &numbers->capacity, 2 * size, sizeof(*numbers->ids)));
    Q_TRY(bpe_match_settled(trees, &stream->workspace, stream->before, piece, size, numbers->ids, &count, &bytes));
    Q_TRY(append_numbers(stream, count, out));
    if (count)
        stream->before = numbers->ids[count - 1];
    drop(&stream->text, bytes);
    return Q_OK;
}

/* The end of an endless piece, `size` bytes of text. */
static q_status give_rest(struct tokenizer_stream *stream, size_t size, struct tokenizer_ids *out)
{
    struct tokenizer_ids *numbers = &stream->numbers;
    size_t count;
    Q_TRY(q_grow(&numbers->ids, &numbers->capacity, size, sizeof(*numbers->ids)));
    Q_TRY(bpe_match_numbers(&stream->tokenizer->trees, &stream->workspace, stream->before,
                            (const uint8_t *)stream->text.data, size, numbers->ids, &count));
    q_check(count > 0); /* what was given is how the encoding begins */
    stream->before = BPE_NO_TREE;
    drop(&stream->text, size);
    return append_numbers(stream, count, out);
}

static q_status first_piece(struct tokenizer_stream *stream, size_t *end)
{
    size_t at = 0, count;
    return pretokenizer_cut(stream->tokenizer->vocabulary.pretokenizer, &stream->cut, q_buffer_string(&stream->text),
                            &at, end, 1, &count);
}

/* Encodes what is certain of the text, or all of it where it ends here. */
static q_status give_text(struct tokenizer_stream *stream, bool end, struct tokenizer_ids *out)
{
    struct q_buffer *text = &stream->text;
    size_t certain, piece;
    if (text->size && !stream->begun && stream->tokenizer->vocabulary.prefix_space && text->data[0] != ' ') {
        Q_TRY(q_buffer_append_byte(text, ' '));
        memmove(text->data + 1, text->data, text->size - 1);
        text->data[0] = ' ';
    }
    stream->begun |= text->size > 0;
    if (!end && text->size < Q_MAX(stream->attempt_at, (size_t)ATTEMPT_BYTES))
        return Q_OK;
    certain = end ? text->size : pretokenizer_final(stream->tokenizer->vocabulary.pretokenizer, q_buffer_string(text));
    if (certain && stream->before != BPE_NO_TREE) {
        Q_TRY(first_piece(stream, &piece));
        Q_TRY(give_rest(stream, piece, out));
        certain -= piece;
    }
    if (certain) {
        Q_TRY(bpe_encode(stream->tokenizer, stream->encoder, q_string_slice(q_buffer_string(text), 0, certain), out));
        drop(text, certain);
    } else if (text->size >= ENDLESS_BYTES && stream->built_in && stream->tokenizer->trees.ordered) {
        Q_TRY(first_piece(stream, &piece));
        if (piece + PIECE_MARGIN >= text->size)
            Q_TRY(give_endless(stream, text->size - PIECE_MARGIN, out));
    }
    stream->attempt_at = 2 * text->size;
    stream->begun &= !end;
    return Q_OK;
}

static q_status put_text(struct tokenizer_stream *stream, q_string text, bool end, struct tokenizer_ids *out)
{
    Q_TRY(q_buffer_append_string(&stream->text, text));
    return give_text(stream, end, out);
}

/* The last place of text[at, limit] behind punctuation, or `at`: there a text may be parted though some added token takes white space, or looks at
 * its neighbour. */
static size_t harmless(q_string text, size_t at, size_t limit)
{
    while (limit > at && !memchr("!\"#$%&'()*+,-./:;=?@[\\]^`{|}~", text.data[limit - 1], 29))
        limit--;
    return limit;
}

static q_status give_list(struct tokenizer_stream *stream, int which, bool end, struct tokenizer_ids *out);

/* A part of a gap: into its normal form and to the second list; or to the pretokenizer. */
static q_status put_gap(struct tokenizer_stream *stream, int which, q_string gap, bool end, struct tokenizer_ids *out)
{
    enum normalization form = stream->tokenizer->vocabulary.normalization;
    if (which == 1)
        return put_text(stream, gap, end, out);
    struct q_buffer *held = &stream->lists[1].held;
    if (form == NORMALIZATION_NONE) {
        Q_TRY(q_buffer_append_string(held, gap));
        return give_list(stream, 1, end, out);
    }
    Q_TRY(q_buffer_append_string(&stream->gap, gap));
    q_string all = q_buffer_string(&stream->gap);
    size_t certain = end ? all.size : normalization_final_prefix(form, all);
    if (certain) {
        Q_TRY(normalization_apply(form, q_string_slice(all, 0, certain), held, NULL));
        drop(&stream->gap, certain);
    }
    return give_list(stream, 1, end, out);
}

/* Looks for the added tokens of a list in what is held before it. A match is certain when all that it may be, or look at, is there. */
static q_status give_list(struct tokenizer_stream *stream, int which, bool end, struct tokenizer_ids *out)
{
    struct q_buffer *held = &stream->lists[which].held;
    const size_t longest = stream->lists[which].longest;
    q_string text = q_buffer_string(held);
    size_t limit = end ? text.size : text.size > longest ? text.size - longest : 0;
    const bool flags = stream->lists[which].flags && !end;
    struct added_walk walk = {0};
    struct added_match match;
    size_t done = 0;
    if (flags)
        limit = harmless(text, 0, limit);
    while (longest && added_tokens_next(stream->tokenizer->added[which], text, &walk, &match)) {
        bool certain = match.end + LOOK_BEHIND <= text.size && (!flags || match.end <= limit);
        if (!end && (match.start >= limit || !certain)) {
            limit = Q_MIN(limit, match.start);
            limit = flags && limit == match.start ? harmless(text, done, limit) : limit;
            break;
        }
        q_string gap = {text.data + match.gap, match.gap < match.start ? match.start - match.gap : 0};
        Q_TRY(put_gap(stream, which, gap, true, out));
        Q_TRY(tokenizer_ids_append(out, match.id));
        done = match.end;
    }
    limit = Q_MAX(limit, done);
    Q_TRY(put_gap(stream, which, q_string_slice(text, done, limit), end, out));
    drop(held, limit);
    return Q_OK;
}

q_status tokenizer_stream_feed(struct tokenizer_stream *stream, q_string text, struct tokenizer_ids *out)
{
    enum { BLOCK = 1 << 16 }; /* so that no step holds more than it must */
    for (size_t at = 0; at < text.size; at += BLOCK) {
        Q_TRY(q_buffer_append_string(&stream->lists[0].held, q_string_slice(text, at, Q_MIN(text.size, at + BLOCK))));
        Q_TRY(give_list(stream, 0, false, out));
    }
    return Q_OK;
}

q_status tokenizer_stream_finish(struct tokenizer_stream *stream, struct tokenizer_ids *out)
{
    return give_list(stream, 0, true, out);
}
