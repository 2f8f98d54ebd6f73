#include "corpus/read/warc_record.h"

#include "base/check.h"

#include <stdio.h>

enum { FIELDS_MAX = 512, FOLD_BYTES = 2048 };

static const struct {
    const char *name, *reason;
} types[] = {
    [WARC_RESPONSE] = {"response", NULL},
    [WARC_RESOURCE] = {"resource", NULL},
    [WARC_CONVERSION] = {"conversion", NULL},
    [WARC_REQUEST] = {"request", "warc-request"},
    [WARC_METADATA] = {"metadata", "warc-metadata"},
    [WARC_WARCINFO] = {"warcinfo", "warc-warcinfo"},
    [WARC_REVISIT] = {"revisit", "warc-revisit"},
    [WARC_CONTINUATION] = {"continuation", "warc-continuation"},
    [WARC_OTHER] = {"", "warc-other"},
};

const char *warc_type_reason(enum warc_type type)
{
    return types[type].reason;
}

/* --- fields ------------------------------------------------------------------------------------------------------------------------ */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Appends the lines that go on with the value, each with a space before it. */
static q_string unfold(q_string value, q_string *rest, char *fold, size_t fold_size)
{
    q_string line;
    size_t size = Q_MIN(value.size, fold_size);
    memcpy(fold, value.data, size);
    while (rest->size && is_blank(rest->data[0]) && q_string_next_line(rest, &line)) {
        line = q_string_trim(line);
        size_t more = size < fold_size ? Q_MIN(line.size, fold_size - size - 1) : 0;
        if (more) {
            fold[size++] = ' ';
            memcpy(fold + size, line.data, more);
            size += more;
        }
    }
    return (q_string){fold, size};
}

bool warc_next_field(q_string *rest, char *fold, size_t fold_size, q_string *name, q_string *value)
{
    q_string line;
    while (q_string_next_line(rest, &line)) {
        if (line.size == 0 || (line.size == 1 && line.data[0] == '\r'))
            return false;
        const char *colon = memchr(line.data, ':', line.size);
        if (!colon)
            continue;
        size_t at = (size_t)(colon - line.data);
        *name = q_string_trim(q_string_slice(line, 0, at));
        *value = q_string_trim(q_string_slice(line, at + 1, line.size));
        if (rest->size && is_blank(rest->data[0]))
            *value = unfold(*value, rest, fold, fold_size);
        return true;
    }
    return false;
}

/* --- WARC -------------------------------------------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "WARC/1.0" and the end of its line. */
static bool warc_line(q_string bytes)
{
    if (bytes.size < 9 || memcmp(bytes.data, "WARC/", 5) != 0 || !is_digit(bytes.data[5]) || bytes.data[6] != '.')
        return false;
    size_t at = 7;
    while (at < bytes.size && at < WARC_BEGIN_BYTES - 1 && is_digit(bytes.data[at]))
        at++;
    while (at < bytes.size && at < WARC_BEGIN_BYTES - 1 && (bytes.data[at] == '\r' || bytes.data[at] == ' '))
        at++;
    return at > 7 && at < bytes.size && bytes.data[at] == '\n';
}

static bool parse_length(q_string text, uint64_t *length)
{
    return q_parse_u64(text, length) == Q_OK && *length <= WARC_LENGTH_MAX;
}

static enum warc_type type_of(q_string name)
{
    for (size_t i = 0; i < WARC_OTHER; i++)
        if (q_string_is_any_case(name, types[i].name))
            return (enum warc_type)i;
    return WARC_OTHER;
}

/* wget wrote <http://example.com/>. */
static q_string without_brackets(q_string url)
{
    bool both = url.size >= 2 && url.data[0] == '<' && url.data[url.size - 1] == '>';
    return both ? q_string_slice(url, 1, url.size - 1) : url;
}

static const char *parse_warc(q_string head, struct warc_record *record)
{
    q_string line, name, value;
    char fold[FOLD_BYTES];
    bool length = false;
    unsigned fields = 0;
    q_string_next_line(&head, &line);
    while (warc_next_field(&head, fold, sizeof fold, &name, &value)) {
        if (++fields > FIELDS_MAX)
            return "the header has too many fields";
        if (q_string_is_any_case(name, "WARC-Type"))
            record->type = type_of(value);
        if (q_string_is_any_case(name, "Content-Length") && !(length = parse_length(value, &record->length)))
            return "Content-Length is no length";
        if (value.data == fold)
            continue; /* only what nobody keeps is ever folded */
        if (q_string_is_any_case(name, "WARC-Target-URI"))
            record->url = without_brackets(value);
        if (q_string_is_any_case(name, "WARC-Date"))
            record->date = value;
        if (q_string_is_any_case(name, "WARC-Record-ID"))
            record->id = without_brackets(value);
        if (q_string_is_any_case(name, "Content-Type"))
            record->content_type = value;
    }
    return length ? NULL : "the header has no Content-Length";
}

/* --- ARC --------------------------------------------------------------------------------------------------------------------------- */

/* Takes the last word off a line. */
static bool last_word(q_string *line, q_string *word)
{
    size_t end = line->size;
    while (end > 0 && line->data[end - 1] != ' ')
        end--;
    *word = q_string_slice(*line, end, line->size);
    *line = q_string_slice(*line, 0, end ? end - 1 : 0);
    return word->size > 0;
}

static bool is_date(q_string word)
{
    for (size_t i = 0; i < word.size; i++)
        if (!is_digit(word.data[i]))
            return false;
    return word.size == 14;
}

/* "URL IP DATE TYPE [RESULT CHECKSUM LOCATION OFFSET FILENAME] LENGTH": read from its end, for URLs have been seen with spaces in them. */
static bool parse_arc_line(q_string line, struct warc_record *record)
{
    q_string word, type = {0};
    unsigned words = 0;
    if (line.size && line.data[line.size - 1] == '\r')
        line.size--;
    const char *colon = memchr(line.data, ':', Q_MIN(line.size, (size_t)32));
    if (!colon || colon == line.data || !last_word(&line, &word) || !parse_length(word, &record->length))
        return false;
    for (; words < 8 && last_word(&line, &word) && !is_date(word); words++)
        type = word;
    if (!words || !is_date(word))
        return false;
    snprintf(record->arc_date, sizeof record->arc_date, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", word.data, word.data + 4,
             word.data + 6, word.data + 8, word.data + 10, word.data + 12);
    if (!last_word(&line, &word) || !line.size) /* the address, and the URL is left */
        return false;
    record->url = line;
    record->content_type = type;
    record->type = q_string_starts(line, "filedesc:") ? WARC_WARCINFO : WARC_RESPONSE;
    return true;
}

static bool arc_line(q_string bytes)
{
    struct warc_record record;
    const char *end = memchr(bytes.data, '\n', Q_MIN(bytes.size, (size_t)WARC_HEAD_BYTES_MAX));
    return end && parse_arc_line(q_string_slice(bytes, 0, (size_t)(end - bytes.data)), &record);
}

/* --- both -------------------------------------------------------------------------------------------------------------------------- */

bool warc_begins(q_string bytes, bool arc)
{
    return bytes.size && (arc ? arc_line(bytes) : warc_line(bytes));
}

size_t warc_find(q_string bytes, bool arc, size_t *again)
{
    size_t at = 0, need = arc ? WARC_HEAD_BYTES_MAX : WARC_BEGIN_BYTES;
    const char *end;
    *again = bytes.size;
    while (at < bytes.size && (end = memchr(bytes.data + at, '\n', bytes.size - at))) {
        at = (size_t)(end - bytes.data) + 1;
        q_string line = q_string_slice(bytes, at, bytes.size);
        if (warc_begins(line, arc))
            return at;
        if (line.size < need && (!arc || !line.size || !memchr(line.data, '\n', line.size))) {
            *again = Q_MIN(*again, at - 1);
            if (arc)
                break;
        }
    }
    return SIZE_MAX;
}

/* The line that ends with the LF at `end`; of one that is longer than a record's beginning, its last bytes. */
static q_string short_line(q_string bytes, size_t end)
{
    size_t start = end;
    while (start > 0 && end - start < WARC_BEGIN_BYTES && bytes.data[start - 1] != '\n')
        start--;
    return q_string_slice(bytes, start, end + 1);
}

size_t warc_head_size(q_string bytes, bool arc, size_t *scanned)
{
    const q_string head = q_string_slice(bytes, 0, WARC_HEAD_BYTES_MAX);
    const char *end;
    while (*scanned < head.size && (end = memchr(head.data + *scanned, '\n', head.size - *scanned))) {
        *scanned = (size_t)(end - head.data) + 1;
        q_string line = short_line(head, *scanned - 1);
        if (arc || line.data[0] == '\n' || (line.size == 2 && line.data[0] == '\r'))
            return *scanned;
        if (line.data != head.data && warc_line(line))
            return SIZE_MAX;
    }
    *scanned = Q_MAX(*scanned, head.size);
    return 0;
}

const char *warc_parse(q_string head, bool arc, struct warc_record *record)
{
    *record = (struct warc_record){.type = WARC_OTHER};
    if (!arc)
        return parse_warc(head, record);
    q_string line;
    if (!q_string_next_line(&head, &line) || !parse_arc_line(line, record))
        return "the line is not that of an ARC record";
    record->date = q_string_of(record->arc_date);
    return NULL;
}
