#include "corpus/text/normalise.h"

#include "base/check.h"
#include "corpus/text/unicode_nfc.h"

enum { ORDINARY = 0, CONTROL = 1, RETURN = 2, LEAD_C2 = 3, LEAD_E2 = 4, LEAD_EF = 5 };

/* What a byte may begin; all but these are copied in spans. */
static unsigned kind_of(unsigned char c)
{
    if (c == '\r')
        return RETURN;
    if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7F)
        return CONTROL;
    return c == 0xC2 ? LEAD_C2 : c == 0xE2 ? LEAD_E2 : c == 0xEF ? LEAD_EF : ORDINARY;
}

/* Bytes of the special character at `at` and whether it is a line end; 0 where it is an ordinary one. The text is valid UTF-8, so the
 * bytes behind a lead byte are there. */
static size_t special_size(const unsigned char *at, const unsigned char *end, bool *line_end)
{
    *line_end = false;
    switch (kind_of(*at)) {
    case RETURN:
        *line_end = true;
        return end - at > 1 && at[1] == '\n' ? 2 : 1;
    case CONTROL:
        return 1;
    case LEAD_C2: /* U+0080 to U+009F */
        *line_end = at[1] == 0x85;
        return at[1] < 0xA0 ? 2 : 0;
    case LEAD_E2: /* U+2028, U+2029 */
        *line_end = at[1] == 0x80 && (at[2] == 0xA8 || at[2] == 0xA9);
        return *line_end ? 3 : 0;
    case LEAD_EF: /* U+FEFF, U+FFFE, U+FFFF, U+FDD0 to U+FDEF */
        return (at[1] == 0xBB && at[2] == 0xBF) || (at[1] == 0xBF && at[2] >= 0xBE) ||
                       (at[1] == 0xB7 && at[2] >= 0x90 && at[2] <= 0xAF)
                   ? 3
                   : 0;
    default:
        return 0;
    }
}

static void clean_bytes(q_string text, struct q_buffer *out, struct corpus_changes *changes)
{
    const unsigned char *at = (const unsigned char *)text.data, *end = at + text.size, *from = at;
    while (at < end) {
        bool line_end;
        size_t size = kind_of(*at) == ORDINARY ? 0 : special_size(at, end, &line_end);
        if (!size) {
            at++;
            continue;
        }
        memcpy(out->data + out->size, from, (size_t)(at - from));
        out->size += (size_t)(at - from);
        if (line_end)
            out->data[out->size++] = '\n';
        *(line_end ? &changes->line_ends : &changes->controls) += 1;
        from = at += size;
    }
    memcpy(out->data + out->size, from, (size_t)(at - from));
    out->size += (size_t)(at - from);
}

/* Nothing below U+0300 composes or is composed of others, so text without a lead byte from 0xCC on is in NFC (Unicode, UAX 15). */
static bool needs_look(q_string text)
{
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.data[i] >= 0xCC)
            return true;
    return false;
}

static bool append(void *context, const char *bytes, size_t count)
{
    return q_buffer_append(context, bytes, count) == Q_OK;
}

static q_status compose(struct q_buffer *out, struct q_buffer *scratch, struct corpus_changes *changes)
{
    if (out->size > INT32_MAX)
        return q_fail(Q_ERR_INPUT, "a text of %zu bytes is larger than can be normalised", out->size);
    if (!needs_look(q_buffer_string(out)) || corpus_nfc_is(out->data, out->size))
        return Q_OK;
    q_buffer_clear(scratch);
    if (!corpus_nfc_write(out->data, out->size, append, scratch))
        return q_fail(Q_ERR_SYSTEM, "NFC failed; is ICU's data there?");
    struct q_buffer swap = *out;
    *out = *scratch;
    *scratch = swap;
    changes->composed++;
    return Q_OK;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* Whole blank lines go at the beginning (the first line's indentation stays), all white space at the end. */
static void trim(struct q_buffer *out, struct corpus_changes *changes)
{
    size_t from = 0, at = 0, to = out->size;
    while (to && is_blank(out->data[to - 1]))
        to--;
    while (at < to && is_blank(out->data[at]))
        if (out->data[at++] == '\n')
            from = at;
    changes->trimmed += from != 0 || to != out->size;
    if (to > from)
        memmove(out->data, out->data + from, to - from);
    out->size = to > from ? to - from : 0;
}

q_status corpus_normalise(q_string text, struct q_buffer *out, struct q_buffer *scratch, struct corpus_changes *changes)
{
    q_buffer_clear(out);
    Q_TRY(q_buffer_reserve(out, text.size + 1)); /* nothing grows here */
    clean_bytes(text, out, changes);
    Q_TRY(compose(out, scratch, changes));
    trim(out, changes);
    return Q_OK;
}
