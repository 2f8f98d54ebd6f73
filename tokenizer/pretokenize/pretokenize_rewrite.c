/* From Oniguruma's language to PCRE2's.
 *
 * Written otherwise: classes and properties (explicit ranges of our tables' code points; nested classes and && are worked out), \s \d \w \h and their
 * opposites, \b \B (looks around by our \w), \v, {,n}, and {n,m}+, which here is a repetition of a repetition and there takes all and gives nothing back.
 * Copied: characters, ^ $ . | ( ) * + ? and their lazy and possessive forms, groups (?: (?= (?! (?<= (?<! (?> (?i: (?-i: (?i) \A \z \Z, numbered back
 * references, \x and \u.
 * All else is refused by name; so is what case-insensitive matching would fold to more than one character (ß is ss).
 */
#include "tokenizer/pretokenize/pretokenize_regex.h"

#include "base/check.h"
#include "tokenizer/pretokenize/pretokenize_sets.h"
#include "tokenizer/unicode/unicode_classes.h"
#include "tokenizer/unicode/utf8_decode.h"

#include <stdio.h>

enum { NESTING_MAX = 100 };

struct rewriting {
    q_string pattern;
    size_t at;
    struct q_buffer *out;
    size_t atom;                    /* where the last atom began in `out`: what a repetition repeats */
    size_t group_atom[NESTING_MAX]; /* where each open group began */
    bool group_caseless[NESTING_MAX];
    size_t depth;
    bool caseless;
    uint8_t before; /* the last character, where it was a plain letter under (?i) */
};

static q_status refuse(const struct rewriting *r, const char *what, size_t from, size_t to)
{
    q_string part = q_string_slice(r->pattern, from, to);
    return q_fail(Q_ERR_INPUT, "the pretokenizer's pattern '%.*s' has %s '%.*s', which quern cannot reproduce",
                  (int)Q_MIN(r->pattern.size, (size_t)200), r->pattern.data, what, (int)Q_MIN(part.size, (size_t)40),
                  part.data);
}

static int peek(const struct rewriting *r, size_t ahead)
{
    return r->at + ahead < r->pattern.size ? (uint8_t)r->pattern.data[r->at + ahead] : -1;
}

static bool starts_with(const struct rewriting *r, const char *text)
{
    return q_string_starts(q_string_slice(r->pattern, r->at, r->pattern.size), text);
}

static uint32_t take_code(struct rewriting *r)
{
    const uint8_t *at = (const uint8_t *)r->pattern.data + r->at;
    struct utf8_code decoded = utf8_decode(at, (const uint8_t *)r->pattern.data + r->pattern.size);
    r->at += decoded.bytes;
    return decoded.code;
}

static q_status new_set(struct code_set **out)
{
    return q_alloc_zero(1, sizeof(**out), out);
}

static int hex_digit(int byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Digits of a number in base 16, at most `most` of them. */
static uint32_t take_hex(struct rewriting *r, unsigned most)
{
    uint32_t value = 0;
    for (; most > 0 && hex_digit(peek(r, 0)) >= 0 && value < UNICODE_CODE_POINTS; most--, r->at++)
        value = value * 16 + (uint32_t)hex_digit(peek(r, 0));
    return value;
}

/* An escape that is one character, with `at` behind its backslash. *code = UINT32_MAX where it is none. */
static q_status take_escaped_code(struct rewriting *r, uint32_t *code)
{
    static const struct {
        char letter;
        uint8_t code;
    } controls[] = {{'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'f', '\f'}, {'v', '\v'}, {'a', 7}, {'e', 27}};
    size_t from = r->at - 1;
    int letter = peek(r, 0);
    *code = UINT32_MAX;
    if (letter < 0)
        return refuse(r, "at its end", from, r->at);
    for (size_t i = 0; i < Q_COUNT_OF(controls); i++)
        if (letter == controls[i].letter)
            *code = controls[i].code;
    if (*code != UINT32_MAX) {
        r->at++;
    } else if (letter == 'x' || letter == 'u') {
        bool braces = peek(r, 1) == '{' && letter == 'x';
        r->at += braces ? 2 : 1;
        size_t digits = r->at;
        *code = take_hex(r, braces ? 8 : letter == 'x' ? 2 : 4);
        if (r->at == digits || *code >= UNICODE_CODE_POINTS || *code - 0xD800 < 0x800 ||
            (letter == 'x' && !braces && *code > 0x7F) || (braces && peek(r, 0) != '}'))
            return refuse(r, "the code point", from, r->at + 1);
        r->at += braces;
    } else if (letter >= 0x80 || !((letter >= '0' && letter <= '9') || (letter >= 'A' && letter <= 'Z') ||
                                   (letter >= 'a' && letter <= 'z'))) {
        *code = take_code(r);
    }
    return Q_OK;
}

/* \p{..}, \s and the like, with `at` at the letter: added to the set. *is = false where it is none of them. */
static q_status take_escaped_set(struct rewriting *r, struct code_set *set, bool *is)
{
    size_t from = r->at - 1;
    int letter = peek(r, 0), lower = letter | 0x20;
    bool negated = letter >= 'A' && letter <= 'Z', cased = false, known = true;
    *is = letter > 0 && strchr("pswdh", lower) != NULL;
    if (!*is)
        return Q_OK;
    struct code_set *own;
    Q_TRY(new_set(&own));
    r->at++;
    if (lower == 'p') {
        size_t name = r->at + 1, end = q_string_find(r->pattern, Q_STRING("}"), r->at);
        known = peek(r, 0) == '{' && end != SIZE_MAX;
        if (known && peek(r, 1) == '^') {
            negated = !negated;
            name++;
        }
        known = known && code_set_add_property(own, q_string_slice(r->pattern, name, end), &cased);
        r->at = end == SIZE_MAX ? r->pattern.size : end + 1;
    } else if (lower == 's') {
        code_set_add_categories(own, UNICODE_SPACE);
    } else if (lower == 'd') {
        code_set_add_categories(own, UNICODE_BIT(UNICODE_ND));
    } else if (lower == 'w') {
        code_set_add_word(own);
    } else {
        code_set_add(own, '0', '9');
        code_set_add(own, 'A', 'F');
        code_set_add(own, 'a', 'f');
    }
    if (negated)
        code_set_complement(own);
    code_set_add_set(set, own);
    q_release(own);
    if (r->caseless && (lower == 'p' || lower == 'w' || lower == 'h'))
        return refuse(r, "under (?i) the class", from, r->at);
    return known ? Q_OK : refuse(r, "the class", from, r->at);
}

/* A member of a class: a character, a range, an escaped set. */
static q_status take_member(struct rewriting *r, struct code_set *set)
{
    uint32_t first, last;
    size_t from = r->at;
    bool is;
    if (peek(r, 0) == '\\') {
        r->at++;
        Q_TRY(take_escaped_set(r, set, &is));
        if (is)
            return Q_OK;
        Q_TRY(take_escaped_code(r, &first));
        if (first == UINT32_MAX)
            return refuse(r, "in a class", from, r->at + 1);
    } else {
        first = take_code(r);
    }
    last = first;
    if (peek(r, 0) == '-' && peek(r, 1) >= 0 && peek(r, 1) != ']') {
        r->at++;
        if (peek(r, 0) == '\\') {
            r->at++;
            Q_TRY(take_escaped_code(r, &last));
        } else {
            last = peek(r, 0) == '[' ? UINT32_MAX : take_code(r);
        }
    }
    if (last == UINT32_MAX || last < first || (r->caseless && last >= 0x80))
        return refuse(r, "the range", from, r->at);
    code_set_add(set, first, last);
    return Q_OK;
}

/* A class, with `at` at its '['; nested ones by recursion. Under (?i) only plain ones, whose letters get both cases by PCRE2: *negated is told apart there. */
static q_status take_class(struct rewriting *r, struct code_set *set, unsigned depth, bool *negated)
{
    size_t from = r->at++;
    struct code_set *own = NULL, *left = NULL; /* left: what stands before && */
    q_status status = Q_OK;
    bool first = true, not = peek(r, 0) == '^';
    r->at += not ;
    if (depth > 10)
        return refuse(r, "too deep a class", from, from + 1);
    Q_TRY(new_set(&own));
    for (; !status && (peek(r, 0) != ']' || first); first = false) {
        if (peek(r, 0) < 0) {
            status = refuse(r, "a class without end", from, r->pattern.size);
        } else if (starts_with(r, "[:") || (r->caseless && (peek(r, 0) == '[' || starts_with(r, "&&")))) {
            status = refuse(r, "the class", r->at, r->at + 12);
        } else if (peek(r, 0) == '[') {
            bool unused = false;
            status = take_class(r, own, depth + 1, &unused);
        } else if (starts_with(r, "&&")) {
            r->at += 2;
            if (left) {
                code_set_intersect(left, own);
                memset(own, 0, sizeof(*own));
            } else {
                left = own;
                own = NULL;
                status = new_set(&own);
            }
        } else {
            status = take_member(r, own);
        }
    }
    r->at++;
    if (!status && left)
        code_set_intersect(own, left);
    if (!status && not &&r->caseless)
        *negated = true;
    else if (!status && not )
        code_set_complement(own);
    if (!status)
        code_set_add_set(set, own);
    q_release(own);
    q_release(left);
    return status;
}

static q_status put_class(struct rewriting *r)
{
    struct code_set *set;
    bool negated = false;
    Q_TRY(new_set(&set));
    q_status status = take_class(r, set, 0, &negated);
    if (!status)
        status = code_set_write(set, negated, r->out);
    q_release(set);
    return status;
}

/* \b and \B, by what \w is here. */
static q_status put_border(struct rewriting *r, bool border)
{
    struct code_set *set;
    Q_TRY(new_set(&set));
    code_set_add_word(set);
    static const char *const looks[2][4] = {{"(?:(?<=", ")(?=", ")|(?<!", ")(?!"},
                                            {"(?:(?<=", ")(?!", ")|(?<!", ")(?="}};
    q_status status = Q_OK;
    for (int i = 0; i < 4 && !status; i++) {
        status = q_buffer_printf(r->out, "%s", looks[border][i]);
        if (!status)
            status = code_set_write(set, false, r->out);
    }
    q_release(set);
    return status ? status : q_buffer_printf(r->out, "))");
}

static q_status put_code(struct rewriting *r, uint32_t code, size_t from)
{
    static const char *const folded[] = {"ss", "st", "ff", "fi", "fl"};
    bool letter = (code | 0x20) - 'a' < 26;
    if (r->caseless) {
        char pair[3] = {(char)r->before, (char)(code | 0x20), 0};
        if (code >= 0x80)
            return refuse(r, "under (?i) the character", from, r->at);
        for (size_t i = 0; i < Q_COUNT_OF(folded); i++)
            if (letter && strcmp(pair, folded[i]) == 0)
                return refuse(r, "under (?i), where one character may stand for two,", from - 1, r->at);
        r->before = letter ? (uint8_t)(code | 0x20) : 0;
    }
    return letter || (code >= '0' && code <= '9') ? q_buffer_append_byte(r->out, (char)code)
                                                  : q_buffer_printf(r->out, "\\x{%X}", code);
}

static q_status rewrite_escape(struct rewriting *r)
{
    size_t from = r->at++;
    int letter = peek(r, 0);
    uint32_t code;
    bool is;
    if (letter == 'b' || letter == 'B') {
        r->at++;
        return put_border(r, letter == 'b');
    }
    if (letter == 'A' || letter == 'z' || letter == 'Z' ||
        (letter >= '1' && letter <= '9' && hex_digit(peek(r, 1)) < 0)) {
        r->at++;
        return q_buffer_printf(r->out, "\\%c", letter);
    }
    struct code_set *set;
    Q_TRY(new_set(&set));
    q_status status = take_escaped_set(r, set, &is);
    if (!status && is)
        status = code_set_write(set, false, r->out);
    q_release(set);
    if (status || is)
        return status;
    Q_TRY(take_escaped_code(r, &code));
    return code == UINT32_MAX ? refuse(r, "the escape", from, r->at + 1) : put_code(r, code, from);
}

static q_status rewrite_group(struct rewriting *r)
{
    static const char *const kinds[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"};
    bool at_start = r->at == 0 || r->pattern.data[r->at - 1] == '(' || r->pattern.data[r->at - 1] == ':',
         caseless = r->caseless;
    size_t from = r->at, size = 0;
    for (size_t i = 0; i < Q_COUNT_OF(kinds); i++)
        if (starts_with(r, kinds[i]))
            size = strlen(kinds[i]);
    if (starts_with(r, "(?i)") ||
        starts_with(r, "(?-i)")) { /* inside a group the two languages differ in what it holds for */
        if (!at_start)
            return refuse(r, "behind other signs", from, from + 4);
        r->caseless = starts_with(r, "(?i)");
        r->at += r->caseless ? 4 : 5;
        return q_buffer_append_string(r->out, q_string_slice(r->pattern, from, r->at));
    }
    if (starts_with(r, "(?i:") || starts_with(r, "(?-i:")) {
        caseless = starts_with(r, "(?i:");
        size = caseless ? 4 : 5;
    }
    if (size == 0 && peek(r, 1) == '?')
        return refuse(r, "the group", from, from + 4);
    if (r->depth == NESTING_MAX)
        return refuse(r, "too many groups at", from, r->pattern.size);
    size = size ? size : 1;
    r->group_atom[r->depth] = r->out->size;
    r->group_caseless[r->depth++] = r->caseless;
    r->caseless = caseless;
    r->at += size;
    return q_buffer_append_string(r->out, q_string_slice(r->pattern, from, r->at));
}

/* {n}, {n,}, {,m} or {n,m} with `at` at its '{'. *size = 0 where it is none, and so a plain character. */
static void read_interval(const struct rewriting *r, size_t *size, int *least, int *most)
{
    size_t i = 1;
    *least = *most = -1;
    for (*size = 0; peek(r, i) >= '0' && peek(r, i) <= '9' && *least < 10000; i++)
        *least = Q_MAX(*least, 0) * 10 + peek(r, i) - '0';
    bool comma = peek(r, i) == ',';
    i += comma;
    for (; comma && peek(r, i) >= '0' && peek(r, i) <= '9' && *most < 10000; i++)
        *most = Q_MAX(*most, 0) * 10 + peek(r, i) - '0';
    if (peek(r, i) != '}' || (*least < 0 && *most < 0))
        return;
    if (!comma)
        *most = *least;
    *least = Q_MAX(*least, 0);
    *size = i + 1;
}

static q_status rewrite_interval(struct rewriting *r)
{
    size_t size, from = r->at;
    int least, most;
    read_interval(r, &size, &least, &most);
    if (size == 0) {
        r->at++;
        r->atom = r->out->size;
        return put_code(r, '{', from);
    }
    r->at += size;
    if ((most >= 0 && least > most) || (peek(r, 0) == '?' && least == most) || peek(r, 1) == '{' ||
        (peek(r, 0) == '+' && peek(r, 1) > 0 && strchr("*+?{", peek(r, 1))))
        return refuse(r, "the repetition", from, r->at + 1);
    char most_text[16] = "";
    if (most >= 0)
        (void)snprintf(most_text, sizeof(most_text), "%d", most);
    Q_TRY(q_buffer_printf(r->out, "{%d,%s}", least, most_text));
    if (peek(r, 0) != '+')
        return Q_OK;
    Q_TRY(q_buffer_printf(r->out, "(?:)")); /* room for what goes around the atom */
    r->out->size -= 4;
    memmove(r->out->data + r->atom + 3, r->out->data + r->atom, r->out->size - r->atom);
    memcpy(r->out->data + r->atom, "(?:", 3);
    r->out->size += 3;
    return q_buffer_append_byte(r->out, ')'); /* the + is copied next */
}

static q_status rewrite_one(struct rewriting *r)
{
    int byte = peek(r, 0);
    size_t atom = r->out->size, from = r->at;
    uint8_t before = r->before;
    r->before = 0;
    switch (byte) {
    case '*':
    case '+':
    case '?':
        r->at++;
        return q_buffer_append_byte(r->out, (char)byte);
    case '{':
        return rewrite_interval(r);
    case ')':
        if (r->depth == 0)
            return refuse(r, "a group without start", from, from + 1);
        r->atom = r->group_atom[--r->depth];
        r->caseless = r->group_caseless[r->depth];
        r->at++;
        return q_buffer_append_byte(r->out, ')');
    case '(':
        return rewrite_group(r);
    case '|':
    case '^':
    case '$':
    case '.':
        r->at++;
        r->atom = atom;
        return q_buffer_append_byte(r->out, (char)byte);
    case '[':
        r->atom = atom;
        return put_class(r);
    case '\\':
        r->atom = atom;
        return rewrite_escape(r);
    default:
        r->atom = atom;
        r->before = before;
        return put_code(r, take_code(r), from);
    }
}

q_status pretokenize_rewrite(q_string pattern, struct q_buffer *out)
{
    struct rewriting r = {.pattern = pattern, .out = out};
    while (r.at < pattern.size)
        Q_TRY(rewrite_one(&r));
    return r.depth ? refuse(&r, "a group without end", 0, pattern.size) : Q_OK;
}
