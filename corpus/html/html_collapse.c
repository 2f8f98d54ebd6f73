#include "corpus/html/html_collapse.h"

#include "base/bytes16.h"
#include "base/check.h"
#include "corpus/html/html_entities.h"

/* Whether 16 bytes go as they are: no white space but single spaces, no reference, no lead byte of U+0080 to U+00BF. Reads 17 bytes. */
static bool goes_as_is(const char *at)
{
    q_bytes16 bytes = q_bytes16_load(at), next = q_bytes16_load(at + 1);
    return !q_bytes16_any((q_bytes16)(bytes < 0x20) | Q_IS16(bytes, '&') | Q_IS16(bytes, 0xC2) |
                          (Q_IS16(bytes, ' ') & Q_IS16(next, ' ')));
}

static bool is_no_break_space(const char *at, const char *end)
{
    return end - at >= 2 && (unsigned char)at[0] == 0xC2 && (unsigned char)at[1] == 0xA0;
}

/* Bytes of the white space or reference to white space at `at`; 0: it is none. *used, *code: what the reference there is, if it is one. */
static size_t space_at(const char *at, const char *end, size_t *used, uint32_t *code)
{
    *used = 0;
    if (html_is_space(*at))
        return 1;
    if (*at != '&')
        return is_no_break_space(at, end) ? 2 : 0;
    *used = html_entity((q_string){at, (size_t)(end - at)}, code);
    bool space = *code == 0xA0 || *code == ' ' || *code == '\n' || *code == '\t';
    return *used && space ? *used : 0;
}

static bool ends_in_space(const struct q_buffer *text, size_t run_from)
{
    return text->size == run_from || text->data[text->size - 1] == ' ' || text->data[text->size - 1] == '\n';
}

/* One character, reference or row of white space; the room is there. Returns where the next begins. */
static const char *collapse_one(struct q_buffer *text, size_t run_from, const char *at, const char *end)
{
    size_t used = 0;
    uint32_t code = 0;
    size_t space = space_at(at, end, &used, &code);
    if (space) {
        if (!ends_in_space(text, run_from))
            text->data[text->size++] = ' ';
        at += space;
        while (at < end && html_is_space(*at))
            at++;
        return at;
    }
    if (!used) {
        text->data[text->size++] = *at;
        return at + 1;
    }
    text->size += html_utf8(code, text->data + text->size);
    return at + used;
}

q_status html_collapse_plain(struct q_buffer *text, size_t run_from, q_string bytes)
{
    const char *at = bytes.data, *end = at + bytes.size;
    Q_TRY(q_buffer_reserve(text, bytes.size)); /* no reference is shorter than its UTF-8 */
    while (at < end)
        at = collapse_one(text, run_from, at, end);
    return Q_OK;
}

q_status html_collapse(struct q_buffer *text, size_t run_from, q_string bytes)
{
    const char *at = bytes.data, *end = at + bytes.size;
    Q_TRY(q_buffer_reserve(text, bytes.size));
    while (at < end) {
        /* A block that begins with a space might stand behind one. */
        while (end - at > (ptrdiff_t)sizeof(q_bytes16) && *at != ' ' && goes_as_is(at)) {
            memcpy(text->data + text->size, at, sizeof(q_bytes16));
            text->size += sizeof(q_bytes16);
            at += sizeof(q_bytes16);
        }
        at = collapse_one(text, run_from, at, end);
        while (at < end && (unsigned char)*at > ' ' && *at != '&' && (unsigned char)*at != 0xC2)
            text->data[text->size++] = *at++;
    }
    return Q_OK;
}
