#include "base/json_private.h"

#include "base/json.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include <string.h>

/* Writes what one byte becomes inside a JSON string. */
static char *escape_byte(char *to, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    /* The letter of the two-byte form, where a control character has one. */
    static const char letters[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (byte == '"' || byte == '\\') {
        *to++ = '\\';
        *to++ = (char)byte;
    } else if (byte >= 0x20) {
        *to++ = (char)byte;
    } else if (letters[byte]) {
        *to++ = '\\';
        *to++ = letters[byte];
    } else {
        memcpy(to, "\\u00", 4);
        to[4] = hex[byte >> 4];
        to[5] = hex[byte & 15];
        to += 6;
    }
    return to;
}

char *q_json_escape_plain(char *to, const char *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to = escape_byte(to, (unsigned char)from[i]);
    return to;
}

/* copy16 copies 16 bytes and returns how many of them come before the first that wants an escape (16: none does). What it copies behind that
 * byte is written over. */
#if defined(__SSE2__)
static inline unsigned copy16(char *to, const char *from)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)from);
    _mm_storeu_si128((__m128i *)(void *)to, bytes);
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control));
    return (unsigned)__builtin_ctz(mask | 0x10000u);
}
#define HAVE_COPY16 1
#elif defined(__aarch64__) && defined(__ARM_NEON)
static inline unsigned copy16(char *to, const char *from)
{
    uint8x16_t bytes = vld1q_u8((const uint8_t *)from);
    vst1q_u8((uint8_t *)to, bytes);
    uint8x16_t special = vorrq_u8(vorrq_u8(vceqq_u8(bytes, vdupq_n_u8('"')), vceqq_u8(bytes, vdupq_n_u8('\\'))),
                                  vcltq_u8(bytes, vdupq_n_u8(0x20)));
    /* Four bits a byte: NEON's way to a mask. */
    uint64_t mask = vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(special), 4)), 0);
    return mask ? (unsigned)__builtin_ctzll(mask) / 4 : 16;
}
#define HAVE_COPY16 1
#endif

char *q_json_escape(char *to, const char *from, size_t count)
{
#ifdef HAVE_COPY16
    while (count >= 16) {
        unsigned clean = copy16(to, from);
        if (clean == 16) { /* by a constant, so that the next block need not wait for what this one holds */
            to += 16;
            from += 16;
            count -= 16;
            continue;
        }
        to = escape_byte(to + clean, (unsigned char)from[clean]);
        from += clean + 1;
        count -= clean + 1;
    }
#endif
    return q_json_escape_plain(to, from, count);
}

q_status q_json_append_escaped(struct q_buffer *out, q_string value)
{
    /* In pieces, so that the room asked for is six times a piece and not six times a document. */
    enum { PIECE = 8192 };
    for (size_t i = 0; i < value.size;) {
        size_t count = value.size - i < PIECE ? value.size - i : PIECE;
        Q_TRY(q_buffer_reserve(out, count * Q_JSON_ESCAPE_MAX + Q_JSON_ESCAPE_SLACK));
        out->size = (size_t)(q_json_escape(out->data + out->size, value.data + i, count) - out->data);
        i += count;
    }
    return Q_OK;
}

static q_status append_quoted(struct q_buffer *out, q_string value)
{
    Q_TRY(q_buffer_append_byte(out, '"'));
    Q_TRY(q_json_append_escaped(out, value));
    return q_buffer_append_byte(out, '"');
}

q_status q_json_append_string(struct q_buffer *out, q_string value)
{
    size_t before = out->size;
    struct q_buffer repaired = {0};
    q_status status = Q_OK;
    if (!q_utf8_valid(value)) {
        Q_TRY_GOTO(done, q_utf8_repair(value, &repaired, NULL));
        value = q_buffer_string(&repaired);
    }
    status = append_quoted(out, value);
done:
    if (status)
        out->size = before;
    q_buffer_release(&repaired);
    return status;
}
