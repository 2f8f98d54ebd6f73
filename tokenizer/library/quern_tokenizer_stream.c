/* The public face of the tokenizer: streams. quern_tokenizer.h is the manual. */
#include "tokenizer/encode/tokenizer_stream.h"

#include "base/check.h"
#include "tokenizer/library/quern_tokenizer_private.h"

#define SAME(a, b) _Static_assert((int)(a) == (int)(b), #a " is " #b)
SAME(QUERN_TOKENIZER_BYTES, TOKENIZER_BYTES);
SAME(QUERN_TOKENIZER_WHOLE_CHARACTERS, TOKENIZER_WHOLE_CHARACTERS);
SAME(QUERN_TOKENIZER_REPLACED_CHARACTERS, TOKENIZER_REPLACED_CHARACTERS);

struct quern_tokenizer_stream {
    struct tokenizer_stream *core;
    struct tokenizer_ids ids; /* of the last call */
};

enum quern_tokenizer_status quern_tokenizer_stream_create(const struct quern_tokenizer *tokenizer, int parse_special,
                                                          struct quern_tokenizer_stream **out)
{
    struct quern_tokenizer_stream *stream;
    if (!tokenizer || !out)
        return FACE(q_fail(Q_ERR_USAGE, "the tokenizer or the place for the stream is NULL"));
    q_status status = q_alloc_zero(1, sizeof(*stream), &stream);
    if (status)
        return FACE(status);
    status = tokenizer_stream_create(
        tokenizer->core, parse_special ? TOKENIZER_SPECIAL_PARSE : TOKENIZER_SPECIAL_AS_TEXT, &stream->core);
    if (status)
        q_release(stream);
    else
        *out = stream;
    return FACE(status);
}

void quern_tokenizer_stream_release(struct quern_tokenizer_stream *stream)
{
    if (!stream)
        return;
    tokenizer_stream_release(stream->core);
    tokenizer_ids_release(&stream->ids);
    q_release(stream);
}

enum quern_tokenizer_status quern_tokenizer_stream_feed(struct quern_tokenizer_stream *stream, const char *text,
                                                        size_t size, struct quern_tokenizer_ids *out)
{
    if (!stream || (!text && size) || !out)
        return FACE(q_fail(Q_ERR_USAGE, "the stream, the text or the place for the ids is NULL"));
    stream->ids.count = 0;
    q_status status = tokenizer_stream_feed(stream->core, (q_string){text, size}, &stream->ids);
    if (!status)
        *out = (struct quern_tokenizer_ids){stream->ids.ids, stream->ids.count};
    return FACE(status);
}

enum quern_tokenizer_status quern_tokenizer_stream_finish(struct quern_tokenizer_stream *stream,
                                                          struct quern_tokenizer_ids *out)
{
    if (!stream || !out)
        return FACE(q_fail(Q_ERR_USAGE, "the stream or the place for the ids is NULL"));
    stream->ids.count = 0;
    q_status status = tokenizer_stream_finish(stream->core, &stream->ids);
    if (!status)
        *out = (struct quern_tokenizer_ids){stream->ids.ids, stream->ids.count};
    return FACE(status);
}

struct quern_tokenizer_decoder {
    struct tokenizer_decoding core;
    struct q_buffer text; /* of the last call */
};

enum quern_tokenizer_status quern_tokenizer_decoder_create(const struct quern_tokenizer *tokenizer,
                                                           enum quern_tokenizer_characters characters,
                                                           struct quern_tokenizer_decoder **out)
{
    struct quern_tokenizer_decoder *decoder;
    if (!tokenizer || !out)
        return FACE(q_fail(Q_ERR_USAGE, "the tokenizer or the place for the decoder is NULL"));
    if ((unsigned)characters > QUERN_TOKENIZER_REPLACED_CHARACTERS)
        return FACE(q_fail(Q_ERR_USAGE, "%d is no enum quern_tokenizer_characters", (int)characters));
    q_status status = q_alloc_zero(1, sizeof(*decoder), &decoder);
    if (status)
        return FACE(status);
    decoder->core.tokenizer = tokenizer->core;
    decoder->core.characters = (enum tokenizer_characters)characters;
    *out = decoder;
    return QUERN_TOKENIZER_OK;
}

void quern_tokenizer_decoder_release(struct quern_tokenizer_decoder *decoder)
{
    if (!decoder)
        return;
    q_buffer_release(&decoder->text);
    q_release(decoder);
}

/* Gives the text out, a NUL behind it. */
static enum quern_tokenizer_status give_text(struct quern_tokenizer_decoder *decoder, struct quern_tokenizer_text *out)
{
    *out = (struct quern_tokenizer_text){decoder->text.data, decoder->text.size};
    decoder->text.data[decoder->text.size] = 0; /* the room was made before */
    return QUERN_TOKENIZER_OK;
}

/* Room that suffices for what `count` ids can give, so that an id that was taken cannot be lost for want of memory. */
static q_status make_room(struct quern_tokenizer_decoder *decoder, const uint32_t *ids, size_t count)
{
    enum { HELD_AND_NUL = 16 };
    size_t bytes = HELD_AND_NUL, token;
    q_buffer_clear(&decoder->text);
    for (size_t i = 0; i < count; i++) /* a broken byte becomes the three of U+FFFD */
        if (!q_mul_size(3, tokenizer_bytes(decoder->core.tokenizer, ids[i]).size, &token) ||
            !q_add_size(bytes, token, &bytes))
            return q_fail(Q_ERR_MEMORY, "%zu ids are too many", count);
    return q_buffer_reserve(&decoder->text, bytes);
}

enum quern_tokenizer_status quern_tokenizer_decoder_feed(struct quern_tokenizer_decoder *decoder, const uint32_t *ids,
                                                         size_t count, struct quern_tokenizer_text *out)
{
    if (!decoder || (!ids && count) || !out)
        return FACE(q_fail(Q_ERR_USAGE, "the decoder, the ids or the place for the text is NULL"));
    q_status status = make_room(decoder, ids, count);
    if (!status)
        status = tokenizer_decoding_feed(&decoder->core, ids, count, &decoder->text);
    return status ? FACE(status) : give_text(decoder, out);
}

enum quern_tokenizer_status quern_tokenizer_decoder_finish(struct quern_tokenizer_decoder *decoder,
                                                           struct quern_tokenizer_text *out)
{
    if (!decoder || !out)
        return FACE(q_fail(Q_ERR_USAGE, "the decoder or the place for the text is NULL"));
    q_status status = make_room(decoder, NULL, 0);
    if (!status)
        status = tokenizer_decoding_finish(&decoder->core, &decoder->text);
    return status ? FACE(status) : give_text(decoder, out);
}
