#include "corpus/text/charset.h"

#include "base/check.h"
#include "base/json.h"

#include <stdio.h>
#include <strings.h>
#include <unicode/ucnv.h>
#include <unicode/ucsdet.h>

enum {
    LABEL_BYTES_MAX = 40,
    DECLARATION_BYTES = 1024,    /* of a page, where its charset must be declared (HTML Standard, 4.2.5.4) */
    DETECTION_BYTES = 64 * 1024, /* as much as ICU gets to see */
    CONFIDENCE_MIN = 20,         /* of 100 */
};

struct corpus_decoder {
    UCharsetDetector *detector;
    struct q_buffer text;
};

q_status corpus_decoder_create(struct corpus_decoder **out)
{
    struct corpus_decoder *decoder;
    UErrorCode error = U_ZERO_ERROR;
    Q_TRY(q_alloc_zero(1, sizeof *decoder, &decoder));
    decoder->detector = ucsdet_open(&error);
    if (U_FAILURE(error)) {
        q_release(decoder);
        return q_fail(Q_ERR_SYSTEM, "ICU's charset detector does not start: %s", u_errorName(error));
    }
    *out = decoder;
    return Q_OK;
}

void corpus_decoder_release(struct corpus_decoder *decoder)
{
    if (!decoder)
        return;
    ucsdet_close(decoder->detector);
    q_buffer_release(&decoder->text);
    q_release(decoder);
}

static const char *meant_by(const char *label)
{
    static const char *const pairs[][2] = {
        {"iso-8859-1", "windows-1252"},
        {"latin1", "windows-1252"},
        {"us-ascii", "windows-1252"},
        {"ascii", "windows-1252"},
        {"iso-8859-9", "windows-1254"},
        {"iso-8859-11", "windows-874"},
        {"tis-620", "windows-874"},
        {"gb2312", "gb18030"},
        {"gbk", "gb18030"},
        {"x-gbk", "gb18030"},
        {"ks_c_5601-1987", "windows-949"},
        {"euc-kr", "windows-949"},
        {"shift_jis", "windows-31j"},
        {"x-sjis", "windows-31j"},
        {"utf-16", "utf-8"},
        {"utf-16le", "utf-8"}, /* a page whose ASCII declaration could be read is not in UTF-16 */
    };
    for (size_t i = 0; i < Q_COUNT_OF(pairs); i++)
        if (strcasecmp(label, pairs[i][0]) == 0)
            return pairs[i][1];
    return label;
}

/* The label behind "charset=" or "encoding=" near the beginning of a page; false where there is none. */
static bool find_declared(q_string page, char label[LABEL_BYTES_MAX + 1])
{
    q_string head = q_string_slice(page, 0, DECLARATION_BYTES);
    for (size_t at = 0; at + 9 < head.size; at++) {
        size_t word = strncasecmp(head.data + at, "charset=", 8) == 0    ? 8
                      : strncasecmp(head.data + at, "encoding=", 9) == 0 ? 9
                                                                         : 0;
        if (!word)
            continue;
        at += word;
        while (at < head.size && (head.data[at] == '"' || head.data[at] == '\'' || head.data[at] == ' '))
            at++;
        size_t size = 0;
        while (at + size < head.size && size < LABEL_BYTES_MAX && !strchr("\"' >;/?\t\r\n", head.data[at + size]))
            size++;
        memcpy(label, head.data + at, size);
        label[size] = 0;
        return size > 0;
    }
    return false;
}

static uint64_t count_replacements(q_string text)
{
    uint64_t count = 0;
    for (size_t at = 0; (at = q_string_find(text, Q_STRING("\xEF\xBF\xBD"), at)) != SIZE_MAX; at += 3)
        count++;
    return count;
}

/* Converts by ICU into decoder->text; *good = false where there is no such charset or the bytes do not fit it (over one bad in a hundred). */
static q_status convert(struct corpus_decoder *decoder, q_string bytes, const char *label, bool *good,
                        uint64_t *replaced)
{
    UErrorCode error = U_ZERO_ERROR;
    UConverter *converter = ucnv_open(label, &error);
    *good = false;
    if (U_FAILURE(error))
        return Q_OK;
    struct q_buffer *text = &decoder->text;
    q_buffer_clear(text);
    q_status status = bytes.size > INT32_MAX / 4 ? Q_OK : q_buffer_reserve(text, bytes.size * 4 + 16);
    if (status == Q_OK && bytes.size <= INT32_MAX / 4) {
        int32_t size = ucnv_toAlgorithmic(UCNV_UTF8, converter, text->data, (int32_t)(bytes.size * 4 + 16), bytes.data,
                                          (int32_t)bytes.size, &error);
        if (U_SUCCESS(error)) {
            text->size = (size_t)size;
            *replaced = count_replacements(q_buffer_string(text));
            *good = *replaced * 100 <= bytes.size && q_utf8_valid(q_buffer_string(text));
        }
    }
    ucnv_close(converter);
    return status;
}

static size_t mark_size(q_string bytes, const char **label)
{
    static const struct {
        const char *mark;
        size_t size;
        const char *label;
    } marks[] = {{"\xEF\xBB\xBF", 3, NULL},
                 {"\xFF\xFE\0\0", 4, "utf-32le"},
                 {"\0\0\xFE\xFF", 4, "utf-32be"},
                 {"\xFF\xFE", 2, "utf-16le"},
                 {"\xFE\xFF", 2, "utf-16be"}};
    for (size_t i = 0; i < Q_COUNT_OF(marks); i++)
        if (bytes.size >= marks[i].size && memcmp(bytes.data, marks[i].mark, marks[i].size) == 0)
            return *label = marks[i].label, marks[i].size;
    *label = NULL;
    return 0;
}

/* UTF-8 with a little damage: into decoder->text, *good as found. */
static q_status repair(struct corpus_decoder *decoder, q_string bytes, bool *good, uint64_t *replaced)
{
    struct q_buffer *text = &decoder->text;
    uint64_t leads = 0;
    q_buffer_clear(text);
    Q_TRY(q_utf8_repair(bytes, text, replaced));
    for (size_t i = 0; i < text->size; i++)
        leads += (unsigned char)text->data[i] >= 0xC0;
    *good = leads >= *replaced * 11; /* the replacements themselves are among the leads */
    return Q_OK;
}

static q_status detect(struct corpus_decoder *decoder, q_string bytes, bool html, bool *good, uint64_t *replaced)
{
    UErrorCode error = U_ZERO_ERROR;
    *good = false;
    ucsdet_enableInputFilter(decoder->detector, html);
    ucsdet_setText(decoder->detector, bytes.data, (int32_t)Q_MIN(bytes.size, (size_t)DETECTION_BYTES), &error);
    const UCharsetMatch *match = ucsdet_detect(decoder->detector, &error);
    if (U_FAILURE(error) || !match || ucsdet_getConfidence(match, &error) < CONFIDENCE_MIN)
        return Q_OK;
    const char *name = ucsdet_getName(match, &error);
    return U_FAILURE(error) ? Q_OK : convert(decoder, bytes, meant_by(name), good, replaced);
}

/* The charsets that hide in ASCII: their escape sequences say so. */
static bool hides_in_ascii(q_string bytes, const char *label)
{
    return strncasecmp(label, "iso-2022-", 9) == 0 && memchr(bytes.data, 0x1B, bytes.size);
}

/* By a label that somebody gave. One that says UTF-8 adds nothing: such bytes would be valid, or are repaired. */
static q_status convert_labelled(struct corpus_decoder *decoder, q_string bytes, const char *label, bool *good,
                                 uint64_t *replaced)
{
    *good = false;
    if (!label[0] || strcasecmp(meant_by(label), "utf-8") == 0)
        return Q_OK;
    return convert(decoder, bytes, meant_by(label), good, replaced);
}

q_status corpus_decode(struct corpus_decoder *decoder, q_string bytes, bool html, const char *transport, q_string *text,
                       bool *known, struct corpus_changes *changes)
{
    char label[LABEL_BYTES_MAX + 1] = "";
    const char *marked, *outer = transport ? transport : "";
    uint64_t replaced = 0;
    bool declared = html && find_declared(bytes, label);
    *known = true;
    bytes = q_string_slice(bytes, mark_size(bytes, &marked), bytes.size);
    *text = bytes;
    bool hidden = hides_in_ascii(bytes, outer) || (declared && hides_in_ascii(bytes, label));
    if (!marked && !hidden && q_utf8_valid(bytes))
        return Q_OK;
    bool good = false, utf8 = false;
    if (marked)
        Q_TRY(convert(decoder, bytes, marked, &good, &replaced));
    else
        Q_TRY(convert_labelled(decoder, bytes, outer, &good, &replaced));
    if (!good && !marked && declared)
        Q_TRY(convert_labelled(decoder, bytes, label, &good, &replaced));
    if (!good && !marked) {
        Q_TRY(repair(decoder, bytes, &good, &replaced));
        utf8 = good;
    }
    if (!good && !marked)
        Q_TRY(detect(decoder, bytes, html, &good, &replaced));
    *known = good;
    *text = good ? q_buffer_string(&decoder->text) : (q_string){0};
    if (good) {
        changes->charset += !utf8;
        changes->repaired += replaced;
    }
    return Q_OK;
}
