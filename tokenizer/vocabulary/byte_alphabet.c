#include "tokenizer/vocabulary/byte_alphabet.h"

#include "tokenizer/unicode/utf8_decode.h"

enum { SHIFTED_FIRST = 0x100, CODES = SHIFTED_FIRST + 68 };

static bool stands_for_itself(uint32_t byte)
{
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

uint32_t byte_alphabet_code(uint8_t byte)
{
    if (stands_for_itself(byte))
        return byte;
    if (byte <= 0x20)
        return SHIFTED_FIRST + byte;
    return SHIFTED_FIRST + (byte == 0xAD ? 67u : 0x21u + byte - 0x7Fu);
}

/* The other way; -1 for a code point that stands for no byte. */
static int byte_of(uint32_t code)
{
    if (code < SHIFTED_FIRST)
        return stands_for_itself(code) ? (int)code : -1;
    if (code >= CODES)
        return -1;
    uint32_t shifted = code - SHIFTED_FIRST;
    return shifted == 67 ? 0xAD : (int)(shifted <= 0x20 ? shifted : shifted - 0x21 + 0x7F);
}

uint8_t byte_alphabet_at(unsigned rank)
{
    for (uint32_t code = 0; code < CODES; code++)
        if (byte_of(code) >= 0 && rank-- == 0)
            return (uint8_t)byte_of(code);
    return 0; /* rank >= 256: outside the contract */
}

q_status byte_alphabet_write(q_string bytes, struct q_buffer *out)
{
    Q_TRY(q_buffer_reserve(out, 2 * bytes.size));
    for (size_t i = 0; i < bytes.size; i++) {
        uint32_t code = byte_alphabet_code((uint8_t)bytes.data[i]);
        if (code < 0x80) {
            out->data[out->size++] = (char)code;
        } else {
            out->data[out->size++] = (char)(0xC0 | code >> 6);
            out->data[out->size++] = (char)(0x80 | (code & 0x3F));
        }
    }
    return Q_OK;
}

q_status byte_alphabet_read(q_string characters, struct q_buffer *out, bool *all)
{
    size_t start = out->size;
    const uint8_t *at = (const uint8_t *)characters.data, *end = at + characters.size;
    Q_TRY(q_buffer_reserve(out, characters.size));
    *all = true;
    while (at < end) {
        struct utf8_code decoded = utf8_decode(at, end);
        int byte = byte_of(decoded.code);
        if (byte < 0) {
            out->size = start;
            *all = false;
            return Q_OK;
        }
        out->data[out->size++] = (char)byte;
        at += decoded.bytes;
    }
    return Q_OK;
}
