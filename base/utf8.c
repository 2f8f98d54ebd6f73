#include "base/json.h"

#include "base/json_private.h"

/* Length of the valid sequence that begins at p (1..4), or 0 where none does; then *subpart is the length of its maximal subpart: the longest
 * beginning of some valid sequence, at least 1 (Unicode 15, section 3.9, "U+FFFD substitution of maximal subparts"; table 3-7). */
static size_t sequence_length(const unsigned char *p, size_t left, size_t *subpart)
{
    unsigned char first = p[0], low = 0x80, high = 0xbf;
    size_t length;
    *subpart = 1;
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    /* The second byte's range shuts out overlong forms, surrogates and what lies beyond U+10FFFF. */
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < length; i++) {
        if (i >= left || p[i] < low || p[i] > high)
            return 0;
        *subpart = i + 1;
        low = 0x80;
        high = 0xbf;
    }
    return length;
}

bool q_utf8_valid_plain(q_string bytes)
{
    size_t subpart;
    for (size_t i = 0; i < bytes.size;) {
        size_t length = sequence_length((const unsigned char *)bytes.data + i, bytes.size - i, &subpart);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

q_status q_utf8_repair(q_string bytes, struct q_buffer *out, uint64_t *out_replaced)
{
    uint64_t replaced = 0;
    size_t copied = 0;
    for (size_t i = 0; i < bytes.size;) {
        size_t subpart, length = sequence_length((const unsigned char *)bytes.data + i, bytes.size - i, &subpart);
        if (length > 0) {
            i += length;
            continue;
        }
        Q_TRY(q_buffer_append(out, bytes.data + copied, i - copied));
        Q_TRY(q_buffer_append(out, "\xef\xbf\xbd", 3));
        i += subpart;
        copied = i;
        replaced++;
    }
    if (copied < bytes.size)
        Q_TRY(q_buffer_append(out, bytes.data + copied, bytes.size - copied));
    if (out_replaced)
        *out_replaced = replaced;
    return Q_OK;
}

char *q_show(char *out, size_t out_size, q_string text)
{
    size_t used = 0, i = 0;
    while (i < text.size) {
        unsigned char first = (unsigned char)text.data[i];
        size_t subpart, length = sequence_length((const unsigned char *)text.data + i, text.size - i, &subpart);
        /* Room is kept for the dots and the NUL. */
        if (used + (length ? length : 1) + 4 > out_size) {
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        if (length == 0 || first < 0x20 || first == 0x7f)
            out[used++] = '?';
        else
            for (size_t k = 0; k < length; k++)
                out[used++] = text.data[i + k];
        i += length ? length : subpart;
    }
    out[used] = '\0';
    return out;
}
