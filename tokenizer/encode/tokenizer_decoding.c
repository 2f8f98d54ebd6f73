/* Ids that come in parts, decoded as they come. */
#include "base/json.h"
#include "tokenizer/encode/tokenizer_stream.h"
#include "tokenizer/unicode/utf8_decode.h"

/* How many bytes at the end of the text begin a character that is not whole, but may be when more comes: 0 to 3. */
static size_t unfinished(q_string text)
{
    const uint8_t *end = (const uint8_t *)text.data + text.size;
    for (size_t count = 1; count <= 3 && count <= text.size; count++) {
        uint8_t lead = end[-(ptrdiff_t)count];
        if (utf8_is_tail(lead))
            continue;
        size_t needed = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
        struct utf8_code c = utf8_decode(end - count, end);
        return needed > count && lead >= 0xC2 && lead <= 0xF4 && c.bytes == count ? count : 0;
    }
    return 0;
}

/* `bytes` lie behind `from` in `out`; what waited is before them. Takes off what waits now, and repairs the rest where that is asked for. */
static q_status sort_out(struct tokenizer_decoding *decoding, size_t from, struct q_buffer *out)
{
    q_string text = q_string_slice(q_buffer_string(out), from, out->size);
    size_t held = unfinished(text);
    char tail[4];
    struct q_buffer copy = {0};
    q_status status = Q_OK;
    for (size_t i = 0; i < held; i++)
        tail[i] = text.data[text.size - held + i];
    out->size -= held;
    text.size -= held;
    if (decoding->characters == TOKENIZER_REPLACED_CHARACTERS && text.size) {
        status = q_buffer_append_string(&copy, text);
        out->size = from;
        if (!status)
            status = q_utf8_repair(q_buffer_string(&copy), out, NULL);
        q_buffer_release(&copy);
    }
    if (status)
        return status;
    memcpy(decoding->held, tail, held);
    decoding->held_count = held;
    return Q_OK;
}

q_status tokenizer_decoding_feed(struct tokenizer_decoding *decoding, const uint32_t *ids, size_t count,
                                 struct q_buffer *out)
{
    const size_t from = out->size;
    q_status status = q_buffer_append(out, decoding->held, decoding->held_count);
    if (!status)
        status = tokenizer_decode(decoding->tokenizer, ids, count, out);
    if (!status && decoding->characters != TOKENIZER_BYTES)
        status = sort_out(decoding, from, out);
    if (status)
        out->size = from;
    return status;
}

q_status tokenizer_decoding_finish(struct tokenizer_decoding *decoding, struct q_buffer *out)
{
    size_t count = decoding->held_count;
    decoding->held_count = 0;
    if (decoding->characters == TOKENIZER_REPLACED_CHARACTERS && count)
        return q_buffer_append(out, "\xEF\xBF\xBD", 3);
    return q_buffer_append(out, decoding->held, count);
}
