#include "tokenizer/vocabulary/vocabulary_scan.h"

#include "base/json.h"

enum { DEPTH_MAX = 200, REST_BYTES_MAX = 32 << 20 };

static void skip_spaces(struct vocabulary_scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t' || *scan->at == '\r'))
        scan->at++;
}

bool vocabulary_scan_take(struct vocabulary_scan *scan, char c)
{
    skip_spaces(scan);
    if (scan->at == scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

q_status vocabulary_scan_fail(const struct vocabulary_scan *scan, const char *what)
{
    size_t line = 1;
    for (const char *at = scan->begin; at < scan->at; at++)
        line += *at == '\n';
    return q_fail(Q_ERR_INPUT, "%s: line %zu: %s", scan->name, line, what);
}

/* Behind the quote that ends the string which begins at the scan's place; false where it does not end. */
static bool skip_string(struct vocabulary_scan *scan, bool *backslash)
{
    *backslash = false;
    for (const char *at = scan->at + 1; at < scan->end; at++) {
        if (*at == '\\') {
            *backslash = true;
            at++;
        } else if (*at == '"') {
            scan->at = at + 1;
            return true;
        }
    }
    return false;
}

/* A string with escapes is rare: base/json.h reads it. */
static q_status unescape(struct vocabulary_scan *scan, q_string quoted, q_string *out)
{
    json_t *array;
    q_buffer_clear(&scan->escaped);
    Q_TRY(q_buffer_append_byte(&scan->escaped, '['));
    Q_TRY(q_buffer_append_string(&scan->escaped, quoted));
    Q_TRY(q_buffer_append_byte(&scan->escaped, ']'));
    q_status status = q_json_parse(q_buffer_string(&scan->escaped), scan->name, &array);
    if (status)
        return status == Q_ERR_MEMORY ? status : vocabulary_scan_fail(scan, "a string with a broken escape");
    q_buffer_clear(&scan->escaped);
    const json_t *string = json_array_get(array, 0);
    status = q_buffer_append(&scan->escaped, json_string_value(string), json_string_length(string));
    json_decref(array);
    *out = q_buffer_string(&scan->escaped);
    return status;
}

q_status vocabulary_scan_string(struct vocabulary_scan *scan, q_string *out, bool *is_string)
{
    bool backslash;
    skip_spaces(scan);
    const char *start = scan->at;
    *is_string = scan->at < scan->end && *scan->at == '"';
    if (!*is_string)
        return Q_OK;
    if (!skip_string(scan, &backslash))
        return vocabulary_scan_fail(scan, "a string does not end");
    *out = (q_string){start + 1, (size_t)(scan->at - start) - 2};
    for (size_t i = 0; i < out->size; i++)
        if ((unsigned char)out->data[i] < 0x20)
            return vocabulary_scan_fail(scan, "a control character in a string");
    return backslash ? unescape(scan, (q_string){start, (size_t)(scan->at - start)}, out) : Q_OK;
}

bool vocabulary_scan_number(struct vocabulary_scan *scan, uint64_t max, uint64_t *out)
{
    skip_spaces(scan);
    const char *at = scan->at;
    uint64_t value = 0;
    while (at < scan->end && *at >= '0' && *at <= '9' && value <= max)
        value = value * 10 + (uint64_t)(*at++ - '0');
    bool zero_first = at - scan->at > 1 && *scan->at == '0';
    bool goes_on = at < scan->end && (*at == '.' || *at == 'e' || *at == 'E' || (*at >= '0' && *at <= '9'));
    if (at == scan->at || value > max || zero_first || goes_on)
        return false;
    scan->at = at;
    *out = value;
    return true;
}

/* Behind one value of any kind: brackets are counted, strings passed over, all else is a run of other characters. */
static q_status skip_value(struct vocabulary_scan *scan)
{
    char closing[DEPTH_MAX];
    size_t depth = 0;
    bool backslash;
    skip_spaces(scan);
    const char *start = scan->at;
    while (scan->at < scan->end) {
        char c = *scan->at;
        if (c == '"') {
            if (!skip_string(scan, &backslash))
                return vocabulary_scan_fail(scan, "a string does not end");
            if (!depth)
                return Q_OK;
            continue;
        }
        if (!depth && (c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n'))
            return scan->at > start ? Q_OK : vocabulary_scan_fail(scan, "a value is missing");
        scan->at++;
        if (c == '{' || c == '[') {
            if (depth == DEPTH_MAX)
                return vocabulary_scan_fail(scan, "brackets are nested deeper than 200");
            closing[depth++] = c == '{' ? '}' : ']';
        } else if (c == '}' || c == ']') {
            if (closing[--depth] != c)
                return vocabulary_scan_fail(scan, "brackets do not match");
            if (!depth)
                return Q_OK;
        }
    }
    return depth ? vocabulary_scan_fail(scan, "the file ends inside brackets") : Q_OK;
}

/* What is in an object's member: its key is `key`. */
struct member {
    q_string key, value;
};

/* The next member of the object whose bracket is behind the scan; *more false, and behind its end, where there is none. */
static q_status next_member(struct vocabulary_scan *scan, bool first, bool enter_model, struct member *member,
                            bool *more)
{
    bool is_string;
    *more = false;
    if (vocabulary_scan_take(scan, '}'))
        return Q_OK;
    if (!first && !vocabulary_scan_take(scan, ','))
        return vocabulary_scan_fail(scan, "',' or '}' is missing");
    Q_TRY(vocabulary_scan_string(scan, &member->key, &is_string));
    if (!is_string || !vocabulary_scan_take(scan, ':'))
        return vocabulary_scan_fail(scan, "a key and ':' are missing");
    skip_spaces(scan);
    *more = true;
    if (enter_model && q_string_is(member->key, "model") && scan->at < scan->end && *scan->at == '{')
        return Q_OK; /* the caller goes in */
    const char *start = scan->at;
    Q_TRY(skip_value(scan));
    member->value = (q_string){start, (size_t)(scan->at - start)};
    return Q_OK;
}

static q_status scan_model(struct vocabulary_scan *scan, struct vocabulary_spans *spans)
{
    struct member member;
    bool more;
    scan->at++;
    for (bool first = true;; first = false) {
        Q_TRY(next_member(scan, first, false, &member, &more));
        if (!more)
            return Q_OK;
        if (q_string_is(member.key, "vocab") && member.value.data[0] == '{')
            spans->vocab = member.value;
        if (q_string_is(member.key, "merges") && member.value.data[0] == '[')
            spans->merges = member.value;
    }
}

static q_status scan_root(struct vocabulary_scan *scan, struct vocabulary_spans *spans)
{
    struct member member;
    bool more;
    if (!vocabulary_scan_take(scan, '{'))
        return vocabulary_scan_fail(scan, "not a JSON object");
    for (bool first = true;; first = false) {
        member = (struct member){0};
        Q_TRY(next_member(scan, first, true, &member, &more));
        if (!more)
            return Q_OK;
        if (!member.value.data)
            Q_TRY(scan_model(scan, spans));
    }
}

/* `null`, and the line ends of what it stands for. */
static q_status put_null(q_string span, struct q_buffer *rest)
{
    Q_TRY(q_buffer_append_string(rest, Q_STRING("null")));
    for (size_t i = 0; i < span.size; i++)
        if (span.data[i] == '\n')
            Q_TRY(q_buffer_append_byte(rest, '\n'));
    return Q_OK;
}

q_status vocabulary_scan_spans(q_string text, const char *name, struct vocabulary_spans *spans, struct q_buffer *rest)
{
    struct vocabulary_scan scan = {.name = name, .begin = text.data, .at = text.data, .end = text.data + text.size};
    *spans = (struct vocabulary_spans){0};
    q_status status = scan_root(&scan, spans);
    q_buffer_release(&scan.escaped);
    if (status)
        return status;
    if (text.size - spans->vocab.size - spans->merges.size > REST_BYTES_MAX)
        return q_fail(Q_ERR_INPUT, "'%s' has more than %d MiB beside its vocab and merges", name, REST_BYTES_MAX >> 20);
    bool vocab_first = spans->vocab.data < spans->merges.data;
    q_string cuts[2] = {vocab_first ? spans->vocab : spans->merges, vocab_first ? spans->merges : spans->vocab};
    const char *at = text.data;
    for (int i = 0; i < 2; i++) {
        if (!cuts[i].data)
            continue;
        Q_TRY(q_buffer_append(rest, at, (size_t)(cuts[i].data - at)));
        Q_TRY(put_null(cuts[i], rest));
        at = cuts[i].data + cuts[i].size;
    }
    return q_buffer_append(rest, at, (size_t)(text.data + text.size - at));
}
