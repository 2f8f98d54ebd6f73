#include "corpus/html/html_token.h"

#include "base/check.h"

#include <strings.h>

/* Names with zeros behind them up to the length of a key, so that two are compared as two words. */
enum { HTML_KEY_BYTES = 16, HTML_NAME_MAX = 10 /* "blockquote", "figcaption" */ };

static const char names[HTML_TAG_COUNT][HTML_KEY_BYTES] = {"",
#define X(name, flags, wants) #name,
                                                           HTML_TAGS(X)
#undef X
};

const uint8_t html_tag_flags[HTML_TAG_COUNT] = {HTML_INLINE,
#define X(name, flags, wants) flags,
                                                HTML_TAGS(X)
#undef X
};

static const uint32_t tag_wants[HTML_TAG_COUNT] = {0,
#define X(name, flags, wants) wants,
                                                   HTML_TAGS(X)
#undef X
};

/* The first tag of each letter; 0 where there is none. They are sorted, so that those of a letter are neighbours. */
static const uint8_t first_tags[26] = {
    ['a' - 'a'] = HTML_TAG_a,    ['b' - 'a'] = HTML_TAG_b,      ['c' - 'a'] = HTML_TAG_canvas,
    ['d' - 'a'] = HTML_TAG_dd,   ['e' - 'a'] = HTML_TAG_embed,  ['f' - 'a'] = HTML_TAG_fieldset,
    ['h' - 'a'] = HTML_TAG_h1,   ['i' - 'a'] = HTML_TAG_i,      ['l' - 'a'] = HTML_TAG_label,
    ['m' - 'a'] = HTML_TAG_main, ['n' - 'a'] = HTML_TAG_nav,    ['o' - 'a'] = HTML_TAG_object,
    ['p' - 'a'] = HTML_TAG_p,    ['s' - 'a'] = HTML_TAG_script, ['t' - 'a'] = HTML_TAG_table,
    ['u' - 'a'] = HTML_TAG_ul,   ['v' - 'a'] = HTML_TAG_video,  ['w' - 'a'] = HTML_TAG_wbr,
    ['x' - 'a'] = HTML_TAG_xmp,
};

static const struct {
    const char *name;
    size_t size;
} attributes[HTML_ATTRIBUTE_COUNT] = {
#define X(name, text) {text, sizeof(text) - 1},
    HTML_ATTRIBUTES(X)
#undef X
};

/* What a byte means inside a tag. */
enum { SPACE = 1, SLASH = 2, END = 4, EQUALS = 8 };
static const uint8_t kinds[256] = {[' '] = SPACE,  ['\n'] = SPACE, ['\t'] = SPACE, ['\r'] = SPACE,
                                   ['\f'] = SPACE, ['/'] = SLASH,  ['>'] = END,    ['='] = EQUALS};

static bool is_kind(char c, unsigned which)
{
    return kinds[(unsigned char)c] & which;
}

static bool is_letter(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

const char *html_tag_name(enum html_tag tag)
{
    return names[tag];
}

enum html_tag html_tag_find(q_string name)
{
    char key[HTML_KEY_BYTES] = {0};
    if (name.size == 0 || name.size > HTML_NAME_MAX || !is_letter(name.data[0]))
        return HTML_TAG_OTHER;
    for (size_t i = 0; i < name.size; i++)
        key[i] = (char)(is_letter(name.data[i]) ? name.data[i] | 0x20 : name.data[i]);
    unsigned tag = first_tags[key[0] - 'a'];
    for (; tag && tag < HTML_TAG_COUNT && names[tag][0] == key[0]; tag++)
        if (memcmp(names[tag], key, HTML_KEY_BYTES) == 0)
            return (enum html_tag)tag;
    return HTML_TAG_OTHER;
}

static void keep_attribute(struct html_token *token, uint32_t wants, q_string name, q_string value)
{
    for (uint32_t left = wants & ~token->has; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctz(left);
        if (attributes[i].size != name.size || strncasecmp(attributes[i].name, name.data, name.size) != 0)
            continue;
        token->has |= 1u << i;
        token->values[i] = value;
        return;
    }
}

/* Value behind '=', in quotes or up to a space or '>'. Returns where the scan goes on. */
static const char *scan_value(const char *at, const char *end, q_string *value)
{
    while (at < end && is_kind(*at, SPACE))
        at++;
    if (at < end && (*at == '"' || *at == '\'')) {
        const char *from = at + 1, *close = memchr(from, *at, (size_t)(end - from));
        *value = (q_string){from, (size_t)((close ? close : end) - from)};
        return close ? close + 1 : end;
    }
    const char *from = at;
    while (at < end && !is_kind(*at, SPACE | END))
        at++;
    *value = (q_string){from, (size_t)(at - from)};
    return at;
}

/* From behind the tag's name to behind its '>'. */
static const char *scan_attributes(const char *at, const char *end, uint32_t wants, struct html_token *token)
{
    /* Where nothing is wanted and no quote stands before the next '>', that one ends the tag. */
    for (const char *close = at; !wants && close < end && *close != '"' && *close != '\''; close++)
        if (*close == '>') {
            token->closed = close[-1] == '/';
            return close + 1;
        }
    while (at < end && *at != '>') {
        if (is_kind(*at, SPACE | SLASH)) {
            at++;
            continue;
        }
        const char *from = at++; /* a leading '=' belongs to the name, as in the standard */
        while (at < end && !is_kind(*at, SPACE | EQUALS | END | SLASH))
            at++;
        q_string name = {from, (size_t)(at - from)}, value = {0};
        while (at < end && is_kind(*at, SPACE))
            at++;
        if (at < end && *at == '=')
            at = scan_value(at + 1, end, &value);
        if (wants & ~token->has)
            keep_attribute(token, wants, name, value);
    }
    token->closed = at < end && at[-1] == '/';
    return at < end ? at + 1 : end;
}

/* Behind a comment, declaration or instruction that begins at `at` ("<!", "<?" or "</" before a non-letter). */
static const char *skip_markup(const char *at, const char *end)
{
    size_t left = (size_t)(end - at);
    if (left >= 4 && memcmp(at, "<!--", 4) == 0) {
        const char *close = at + 3; /* "<!-->" is a whole comment */
        while ((close = memchr(close + 1, '>', (size_t)(end - close - 1))) && !(close[-1] == '-' && close[-2] == '-'))
            ;
        return close ? close + 1 : end;
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
    while (at < end && !is_kind(*at, SPACE | END | SLASH))
        at++;
    token->tag = html_tag_find((q_string){from, (size_t)(at - from)});
    token->has = 0;
    uint32_t wants = token->type == HTML_TOKEN_OPEN ? tag_wants[token->tag] : 0;
    scanner->at = scan_attributes(at, end, wants, token);
    if (token->type == HTML_TOKEN_OPEN && html_tag_flags[token->tag] & HTML_RAW && !(scanner->xml && token->closed))
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
