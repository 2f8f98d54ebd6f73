#include "corpus/html/html_token.h"

#include "base/check.h"

#include <strings.h>

static const struct {
    const char *name;
    unsigned flags;
} tags[HTML_TAG_COUNT] = {{"", HTML_INLINE},
#define X(name, flags) {#name, flags},
                          HTML_TAGS(X)
#undef X
};

static const char *const attributes[HTML_ATTRIBUTE_COUNT] = {
#define X(name, text) text,
    HTML_ATTRIBUTES(X)
#undef X
};

enum { HTML_NAME_MAX = 10 }; /* "blockquote", "figcaption" */

unsigned html_tag_flags(enum html_tag tag)
{
    return tags[tag].flags;
}

const char *html_tag_name(enum html_tag tag)
{
    return tags[tag].name;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

enum html_tag html_tag_find(q_string name)
{
    char key[HTML_NAME_MAX + 1] = {0};
    if (name.size == 0 || name.size > HTML_NAME_MAX)
        return HTML_TAG_OTHER;
    for (size_t i = 0; i < name.size; i++)
        key[i] = lower(name.data[i]);
    int low = 1, high = HTML_TAG_COUNT - 1;
    while (low <= high) {
        int middle = (low + high) / 2, order = strcmp(key, tags[middle].name);
        if (order == 0)
            return (enum html_tag)middle;
        if (order < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return HTML_TAG_OTHER;
}

static void keep_attribute(struct html_token *token, q_string name, q_string value)
{
    for (unsigned i = 0; i < HTML_ATTRIBUTE_COUNT; i++) {
        const char *known = attributes[i];
        if (lower(name.data[0]) != known[0] || strlen(known) != name.size ||
            strncasecmp(known, name.data, name.size) != 0)
            continue;
        if (!(token->has >> i & 1)) {
            token->has |= 1u << i;
            token->values[i] = value;
        }
        return;
    }
}

/* Value behind '=', in quotes or up to a space or '>'. Returns where the scan goes on. */
static const char *scan_value(const char *at, const char *end, q_string *value)
{
    while (at < end && is_space(*at))
        at++;
    if (at < end && (*at == '"' || *at == '\'')) {
        const char *from = at + 1, *close = memchr(from, *at, (size_t)(end - from));
        *value = (q_string){from, (size_t)((close ? close : end) - from)};
        return close ? close + 1 : end;
    }
    const char *from = at;
    while (at < end && !is_space(*at) && *at != '>')
        at++;
    *value = (q_string){from, (size_t)(at - from)};
    return at;
}

/* From behind the tag's name to behind its '>'. */
static const char *scan_attributes(const char *at, const char *end, struct html_token *token)
{
    while (at < end && *at != '>') {
        if (is_space(*at) || *at == '/') {
            at++;
            continue;
        }
        const char *from = at++; /* a leading '=' belongs to the name, as in the standard */
        while (at < end && !is_space(*at) && *at != '=' && *at != '>' && *at != '/')
            at++;
        q_string name = {from, (size_t)(at - from)}, value = {0};
        while (at < end && is_space(*at))
            at++;
        if (at < end && *at == '=')
            at = scan_value(at + 1, end, &value);
        keep_attribute(token, name, value);
    }
    token->closed = at < end && at[-1] == '/';
    return at < end ? at + 1 : end;
}

/* Behind a comment, declaration or instruction that begins at `at` ("<!", "<?" or "</" before a non-letter). */
static const char *skip_markup(const char *at, const char *end)
{
    size_t left = (size_t)(end - at);
    if (left >= 4 && memcmp(at, "<!--", 4) == 0) {
        const char *close = memmem(at + 2, left - 2, "-->", 3); /* "<!-->" is a whole comment */
        return close ? close + 3 : end;
    }
    const char *close = memchr(at, '>', left);
    return close ? close + 1 : end;
}

static bool begins_markup(const char *at, const char *end)
{
    return end - at >= 2 && (is_letter(at[1]) || at[1] == '!' || at[1] == '?' || (at[1] == '/' && end - at >= 3));
}

/* Where the closing tag of the raw element begins, or the end of the page. */
static const char *raw_end(const char *at, const char *end, const char *name)
{
    size_t length = strlen(name);
    while ((at = memchr(at, '<', (size_t)(end - at)))) {
        if ((size_t)(end - at) >= length + 2 && at[1] == '/' && strncasecmp(at + 2, name, length) == 0 &&
            ((size_t)(end - at) == length + 2 || !is_letter(at[length + 2])))
            return at;
        at++;
    }
    return end;
}

static bool scan_tag(struct html_scanner *scanner, struct html_token *token)
{
    const char *at = scanner->at + 1, *end = scanner->end;
    token->type = *at == '/' ? HTML_TOKEN_CLOSE : HTML_TOKEN_OPEN;
    at += *at == '/';
    const char *from = at;
    while (at < end && !is_space(*at) && *at != '>' && *at != '/')
        at++;
    token->tag = html_tag_find((q_string){from, (size_t)(at - from)});
    token->has = 0;
    scanner->at = scan_attributes(at, end, token);
    if (token->type == HTML_TOKEN_OPEN && html_tag_flags(token->tag) & HTML_RAW && !(scanner->xml && token->closed))
        scanner->raw = token->tag;
    return true;
}

bool html_scan(struct html_scanner *scanner, struct html_token *token)
{
    if (scanner->raw) {
        const char *close = raw_end(scanner->at, scanner->end, html_tag_name(scanner->raw));
        token->type = HTML_TOKEN_TEXT;
        token->tag = HTML_TAG_OTHER;
        token->text = (q_string){scanner->at, (size_t)(close - scanner->at)};
        scanner->at = close;
        scanner->raw = HTML_TAG_OTHER;
        if (token->text.size)
            return true;
    }
    while (scanner->at < scanner->end) {
        const char *at = scanner->at, *end = scanner->end;
        if (*at == '<' && begins_markup(at, end)) {
            if (is_letter(at[1]) || (at[1] == '/' && is_letter(at[2])))
                return scan_tag(scanner, token);
            scanner->at = skip_markup(at, end);
            continue;
        }
        /* Text goes up to the next '<' that begins markup. */
        const char *stop = at + 1;
        while ((stop = memchr(stop, '<', (size_t)(end - stop))) && !begins_markup(stop, end))
            stop++;
        stop = stop ? stop : end;
        token->type = HTML_TOKEN_TEXT;
        token->tag = HTML_TAG_OTHER;
        token->text = (q_string){at, (size_t)(stop - at)};
        scanner->at = stop;
        return true;
    }
    return false;
}
