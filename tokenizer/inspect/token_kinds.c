#include "tokenizer/inspect/token_kinds.h"

#include "base/check.h"
#include "base/json.h"
#include "tokenizer/unicode/unicode_classes.h"
#include "tokenizer/unicode/unicode_scripts.h"
#include "tokenizer/unicode/utf8_decode.h"

/* A letter of no script of its own ("ª" is Latin, but "ー" belongs to both kana) does not decide, the next one does. */
const char *token_kind(q_string token)
{
    const uint8_t *at = (const uint8_t *)token.data, *end = at + token.size;
    unsigned classes = 0;
    bool letters = false;
    if (!q_utf8_valid(token))
        return "part of a character";
    while (at < end) {
        struct utf8_code decoded = utf8_decode(at, end);
        unsigned class = unicode_class(decoded.code);
        if (class & (UNICODE_LETTER | UNICODE_MARK)) {
            unsigned script = unicode_script(decoded.code);
            if (script > UNICODE_SCRIPT_INHERITED)
                return unicode_script_names[script];
            letters = true;
        }
        classes |= class;
        at += decoded.bytes;
    }
    if (letters)
        return "other letters";
    if (classes & UNICODE_NUMBER)
        return "digits";
    if (classes & (UNICODE_PUNCTUATION | UNICODE_SYMBOL))
        return "punctuation";
    return classes & UNICODE_SPACE ? "white space" : "controls";
}

struct token_shape token_shape(q_string token)
{
    const uint8_t *at = (const uint8_t *)token.data, *end = at + token.size;
    struct token_shape shape = {0};
    while (shape.head < token.size && shape.head < 3 && utf8_is_tail(at[shape.head]))
        shape.head++;
    /* The last lead byte within reach, with fewer bytes behind it than it asks for. */
    for (size_t back = 1; back <= 3 && back + shape.head <= token.size; back++) {
        uint8_t byte = end[-(ptrdiff_t)back];
        if (utf8_is_tail(byte))
            continue;
        size_t wanted = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC2 ? 2 : 1;
        if (byte <= 0xF4 && wanted > back) {
            shape.tail = back;
            struct utf8_code cut = utf8_decode(end - back, end);
            if (cut.bytes != back) /* its second byte does not fit it */
                shape.broken = true;
        }
        break;
    }
    q_string middle = q_string_slice(token, shape.head, token.size - shape.tail);
    shape.broken = shape.broken || !q_utf8_valid(middle);
    return shape;
}

q_status token_show(q_string token, size_t bytes_max, struct q_buffer *out)
{
    const uint8_t *at = (const uint8_t *)token.data, *end = at + token.size;
    size_t start = out->size;
    Q_TRY(q_buffer_append_byte(out, '"'));
    while (at < end && out->size - start <= bytes_max) {
        struct utf8_code decoded = utf8_decode(at, end);
        unsigned class = unicode_class(decoded.code);
        bool whole = q_utf8_valid((q_string){(const char *)at, decoded.bytes});
        if (decoded.code == ' ') /* a blank would run together with its neighbours */
            Q_TRY(q_buffer_append_string(out, Q_STRING("␣")));
        else if (decoded.code == '\n' || decoded.code == '\t' || decoded.code == '\r')
            Q_TRY(q_buffer_printf(out, "\\%c", decoded.code == '\n' ? 'n' : decoded.code == '\t' ? 't' : 'r'));
        else if (whole &&
                 class & (UNICODE_LETTER | UNICODE_MARK | UNICODE_NUMBER | UNICODE_PUNCTUATION | UNICODE_SYMBOL))
            Q_TRY(q_buffer_append(out, at, decoded.bytes));
        else if (whole && decoded.code >= 0x80)
            Q_TRY(q_buffer_printf(out, "\\u{%x}", decoded.code));
        else
            for (uint32_t i = 0; i < decoded.bytes; i++)
                Q_TRY(q_buffer_printf(out, "\\x%02x", at[i]));
        at += decoded.bytes;
    }
    return q_buffer_append_string(out, at < end ? Q_STRING("...\"") : Q_STRING("\""));
}
