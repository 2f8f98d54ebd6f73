/* Whether bytes are one JSON value: the grammar of RFC 8259, without building anything. For values that are carried along as they came. */
#include "base/json.h"

#include "base/json_private.h"

/* What is left to look at; functions move it forward and say whether what they looked for was there. */
struct scan {
    const char *at, *end;
};

static void skip_spaces(struct scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r'))
        scan->at++;
}

static bool take(struct scan *scan, char c)
{
    if (scan->at >= scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

static bool take_word(struct scan *scan, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
        return false;
    scan->at += length;
    return true;
}

static bool take_digits(struct scan *scan)
{
    const char *from = scan->at;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return scan->at > from;
}

static bool take_number(struct scan *scan)
{
    (void)take(scan, '-');
    if (!take(scan, '0') && !take_digits(scan))
        return false;
    if (take(scan, '.') && !take_digits(scan))
        return false;
    if (take(scan, 'e') || take(scan, 'E')) {
        if (!take(scan, '+'))
            (void)take(scan, '-');
        return take_digits(scan);
    }
    return true;
}

/* Four hexadecimal digits, or -1. */
static int take_unit(struct scan *scan)
{
    int unit = 0;
    if (scan->end - scan->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = *scan->at++;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* Behind the backslash. Half a surrogate pair is no character. */
static bool take_escape(struct scan *scan)
{
    if (scan->at >= scan->end)
        return false;
    char c = *scan->at++;
    if (c != 'u')
        return c && strchr("\"\\/bfnrt", c);
    int unit = take_unit(scan);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return false;
    if (unit < 0xd800 || unit > 0xdbff)
        return true;
    int low = take_word(scan, "\\u") ? take_unit(scan) : -1;
    return low >= 0xdc00 && low <= 0xdfff;
}

static bool take_string(struct scan *scan)
{
    if (!take(scan, '"'))
        return false;
    while (scan->at < scan->end) {
        unsigned char c = (unsigned char)*scan->at++;
        if (c == '"')
            return true;
        if (c < 0x20 || (c == '\\' && !take_escape(scan)))
            return false;
    }
    return false;
}

static bool take_scalar(struct scan *scan)
{
    if (scan->at >= scan->end)
        return false;
    switch (*scan->at) {
    case '"':
        return take_string(scan);
    case 't':
        return take_word(scan, "true");
    case 'f':
        return take_word(scan, "false");
    case 'n':
        return take_word(scan, "null");
    default:
        return take_number(scan);
    }
}

/* "key" : */
static bool take_key(struct scan *scan)
{
    skip_spaces(scan);
    if (!take_string(scan))
        return false;
    skip_spaces(scan);
    return take(scan, ':');
}

/* No recursion: the open brackets are kept in `closing`, so that hostile depth costs an array and not the stack. */
static bool take_value(struct scan *scan)
{
    char closing[Q_JSON_DEPTH_MAX];
    size_t depth = 0;
    for (;;) {
        skip_spaces(scan);
        bool object = scan->at < scan->end && *scan->at == '{';
        if (object || (scan->at < scan->end && *scan->at == '[')) {
            if (depth == Q_JSON_DEPTH_MAX)
                return false;
            scan->at++;
            closing[depth++] = object ? '}' : ']';
            skip_spaces(scan);
            if (scan->at < scan->end && *scan->at != closing[depth - 1]) {
                if (object && !take_key(scan))
                    return false;
                continue;
            }
        } else if (!take_scalar(scan)) {
            return false;
        }
        /* A value ended: close what it was the last of. */
        for (skip_spaces(scan); depth > 0 && take(scan, closing[depth - 1]); skip_spaces(scan))
            depth--;
        if (depth == 0)
            return true;
        if (!take(scan, ',') || (closing[depth - 1] == '}' && !take_key(scan)))
            return false;
    }
}

bool q_json_valid(q_string text)
{
    struct scan scan = {text.data, text.data + text.size};
    if (!text.data || !q_utf8_valid(text) || !take_value(&scan))
        return false;
    skip_spaces(&scan);
    return scan.at == scan.end;
}
