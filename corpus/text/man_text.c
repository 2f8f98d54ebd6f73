#include "corpus/text/man_text.h"

#include "base/check.h"
#include "corpus/html/html_entities.h"

#include <ctype.h>
#include <stdio.h>

/* State between lines. */
struct page {
    struct q_buffer *out;
    bool begun;       /* something is written */
    bool paragraph;   /* the next text begins a paragraph */
    bool fill;        /* lines of text run on (not in .nf) */
    bool line_open;   /* the last line of `out` can be run on */
    bool tag_follows; /* .TP: the next line is a term, what comes behind it a new line */
    bool ignoring;    /* inside of a macro's definition, up to ".." */
    unsigned braces;  /* inside of a conditional block: open "\\{" */
    enum {
        TABLE_NONE,
        TABLE_FORMAT,
        TABLE_ROWS
    } table;        /* tbl(1): .TS, lines of format up to one that ends in '.', rows, .TE */
    char table_tab; /* between the cells of a row */
};

enum { MACRO_ARGUMENTS_MAX = 32 };
#define ACCENTED 0x80000000u /* mark of a pair: combining accent << 8 | letter */

/* \(xx and \[name]: the glyphs that manuals use (groff_char(7)). */
static uint32_t glyph(q_string name)
{
    static const struct {
        const char *name;
        uint32_t code;
    } glyphs[] = {{"aq", '\''},   {"dq", '"'},    {"lq", 0x201C}, {"rq", 0x201D}, {"oq", 0x2018}, {"cq", 0x2019},
                  {"em", 0x2014}, {"en", 0x2013}, {"hy", '-'},    {"mi", 0x2212}, {"bu", 0x2022}, {"co", 0xA9},
                  {"rg", 0xAE},   {"tm", 0x2122}, {"ti", '~'},    {"ha", '^'},    {"ga", '`'},    {"aa", 0xB4},
                  {"rs", '\\'},   {"sl", '/'},    {"or", '|'},    {"ba", '|'},    {"->", 0x2192}, {"<-", 0x2190},
                  {"<=", 0x2264}, {">=", 0x2265}, {"!=", 0x2260}, {"+-", 0xB1},   {"mu", 0xD7},   {"Fo", 0xAB},
                  {"Fc", 0xBB},   {"de", 0xB0},   {"lB", '['},    {"rB", ']'},    {"lC", '{'},    {"rC", '}'},
                  {"at", '@'},    {"sh", '#'},    {"Do", '$'},    {"12", 0xBD},   {"14", 0xBC},   {"34", 0xBE},
                  {"pl", '+'},    {"eq", '='},    {"ss", 0xDF},   {"ua", 0x2191}, {"da", 0x2193}, {"pc", 0xB7}};
    for (size_t i = 0; i < Q_COUNT_OF(glyphs); i++)
        if (q_string_is(name, glyphs[i].name))
            return glyphs[i].code;
    static const struct {
        char mark;
        uint32_t combining;
    } accents[] = {{'\'', 0x301}, {'`', 0x300}, {'^', 0x302}, {':', 0x308}, {'~', 0x303}, {',', 0x327}};
    if (name.size == 2 && isalpha((unsigned char)name.data[1]))
        for (size_t i = 0; i < Q_COUNT_OF(accents); i++)
            if (name.data[0] == accents[i].mark)
                return ACCENTED | accents[i].combining << 8 | (unsigned char)name.data[1];
    uint32_t code = 0; /* \[u20AC] */
    if (name.size >= 5 && name.size <= 7 && name.data[0] == 'u') {
        for (size_t i = 1; i < name.size; i++) {
            unsigned char c = (unsigned char)name.data[i];
            if (!isxdigit(c))
                return 0;
            code = code * 16 + (uint32_t)(isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
        }
        return code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF) ? code : 0;
    }
    return 0;
}

static q_status put_glyph(struct q_buffer *out, q_string name)
{
    char utf8[4];
    uint32_t code = glyph(name);
    if (!code)
        return Q_OK;
    if (code & ACCENTED) { /* a letter and its accent: NFC joins them later */
        Q_TRY(q_buffer_append_byte(out, (char)(code & 0xFF)));
        code = (code & ~ACCENTED) >> 8;
    }
    return q_buffer_append(out, utf8, html_utf8(code, utf8));
}

/* Length of the name of an escape's argument at `at`: one character, "(xx" or "[name]"; *name gets it. */
static size_t escape_name(q_string text, size_t at, q_string *name)
{
    *name = (q_string){0};
    if (at >= text.size)
        return 0;
    if (text.data[at] == '(') {
        *name = q_string_slice(text, at + 1, at + 3);
        return Q_MIN((size_t)3, text.size - at);
    }
    if (text.data[at] == '[') {
        const char *close = memchr(text.data + at, ']', text.size - at);
        size_t end = close ? (size_t)(close - text.data) : text.size;
        *name = q_string_slice(text, at + 1, end);
        return end - at + (close != NULL);
    }
    *name = q_string_slice(text, at, at + 1);
    return 1;
}

/* Length of a quoted argument at `at`: 'x...x' with any x. */
static size_t escape_quoted(q_string text, size_t at)
{
    if (at >= text.size)
        return 0;
    const char *close = memchr(text.data + at + 1, text.data[at], text.size - at - 1);
    return close ? (size_t)(close - text.data) - at + 1 : text.size - at;
}

/* One escape behind the backslash at `at`; returns the bytes used. */
static q_status put_escape(struct q_buffer *out, q_string text, size_t at, size_t *used)
{
    q_string name;
    char c = text.data[at];
    *used = 1;
    switch (c) {
    case '-':
        return q_buffer_append_byte(out, '-');
    case 'e':
    case '\\':
        return q_buffer_append_byte(out, '\\');
    case ' ':
    case '~':
    case '0':
        return q_buffer_append_byte(out, ' ');
    case 't':
        return q_buffer_append_byte(out, '\t');
    case '\'':
    case '`':
    case '.':
        return q_buffer_append_byte(out, c);
    case '(':
    case '[':
        *used = escape_name(text, at, &name);
        return put_glyph(out, name);
    case '*':
        *used = 1 + escape_name(text, at + 1, &name);
        return put_glyph(out, q_string_is(name, "Aq")  ? Q_STRING("aq")
                              : q_string_is(name, "R") ? Q_STRING("rg")
                                                       : name);
    case 'f':
    case 'F':
    case 'm':
    case 'M':
    case 'g':
    case 'k':
    case 'n':
        *used = 1 + escape_name(text, at + 1, &name);
        return Q_OK;
    case 's': /* \s0, \s+1, \s-2, \s'...' */
        if (at + 1 < text.size && (text.data[at + 1] == '+' || text.data[at + 1] == '-'))
            (*used)++;
        *used += escape_name(text, at + *used, &name);
        return Q_OK;
    case 'h':
    case 'v':
    case 'w':
    case 'l':
    case 'L':
    case 'o':
    case 'X':
    case 'D':
    case 'N':
    case 'Z':
        *used = 1 + escape_quoted(text, at + 1);
        return Q_OK;
    default:                     /* \& \| \^ \/ \, \: \c \% and what is not known: nothing to see */
        *used = (c & 0x80) == 0; /* before a letter beyond ASCII the backslash is a slip: the letter stands */
        return Q_OK;
    }
}

/* Text with its escapes resolved; what stands behind \" is a comment. An escape's name or delimiter is a whole character. */
static q_status put_text(struct q_buffer *out, q_string text)
{
    for (size_t at = 0; at < text.size;) {
        const char *stop = memchr(text.data + at, '\\', text.size - at);
        size_t plain = stop ? (size_t)(stop - text.data) - at : text.size - at, used = 0;
        Q_TRY(q_buffer_append(out, text.data + at, plain));
        at += plain + 1;
        if (at >= text.size || text.data[at] == '"' || text.data[at] == '#')
            break;
        Q_TRY(put_escape(out, text, at, &used));
        at += used;
        while (used && at < text.size && (text.data[at] & 0xC0) == 0x80)
            at++;
    }
    return Q_OK;
}

/* What stands between the text so far and what comes. */
static q_status put_gap(struct page *p, bool heading)
{
    if (p->begun && (p->paragraph || heading))
        Q_TRY(q_buffer_append(p->out, "\n\n", 2));
    else if (p->begun)
        Q_TRY(q_buffer_append_byte(p->out, p->fill && p->line_open ? ' ' : '\n'));
    p->begun = true;
    p->paragraph = heading;
    p->line_open = true;
    return Q_OK;
}

static q_status put_line(struct page *p, q_string text)
{
    Q_TRY(put_gap(p, false));
    Q_TRY(put_text(p->out, p->fill ? q_string_trim(text) : text));
    if (p->tag_follows)
        p->line_open = p->tag_follows = false;
    return Q_OK;
}

/* Arguments of a macro line, quotes taken off ("" inside quotes is one). The pieces borrow from the line. */
static size_t split_arguments(q_string line, q_string *arguments)
{
    size_t count = 0, at = 0;
    while (count < MACRO_ARGUMENTS_MAX) {
        while (at < line.size && (line.data[at] == ' ' || line.data[at] == '\t'))
            at++;
        if (at >= line.size || (line.data[at] == '\\' && at + 1 < line.size && line.data[at + 1] == '"'))
            break;
        bool quoted = line.data[at] == '"';
        size_t from = at += quoted;
        while (at < line.size && (quoted ? line.data[at] != '"' : line.data[at] != ' ')) {
            if (line.data[at] == '\\' && at + 1 < line.size)
                at++;
            at++;
        }
        at = Q_MIN(at, line.size);
        arguments[count++] = q_string_slice(line, from, at);
        at += quoted;
    }
    return count;
}

static bool is_one_of(q_string name, const char *const *names)
{
    for (; *names; names++)
        if (q_string_is(name, *names))
            return true;
    return false;
}

/* The arguments as text, joined by spaces; `tight`: without (the font-alternating .BR and its kin). mdoc's punctuation sticks to what is before. */
static q_status put_arguments(struct page *p, const q_string *arguments, size_t count, bool tight)
{
    static const char *const stops[] = {".", ",", ":", ";", ")", "]", "?", "!", NULL};
    Q_TRY(put_gap(p, false));
    for (size_t i = 0; i < count; i++) {
        if (i && !tight && !is_one_of(arguments[i], stops))
            Q_TRY(q_buffer_append_byte(p->out, ' '));
        Q_TRY(put_text(p->out, arguments[i]));
    }
    if (p->tag_follows)
        p->line_open = p->tag_follows = false;
    return Q_OK;
}

static q_status put_title(struct q_buffer *title, const q_string *arguments, size_t count)
{
    if (title->size || !count)
        return Q_OK;
    Q_TRY(put_text(title, arguments[0]));
    for (size_t i = 0; i < title->size; i++)
        title->data[i] = (char)tolower((unsigned char)title->data[i]);
    return count > 1 ? q_buffer_printf(title, "(%.*s)", Q_STRING_ARGS(arguments[1])) : Q_OK;
}

static q_status put_heading(struct page *p, const q_string *arguments, size_t count)
{
    p->fill = true;
    if (!count)
        return p->paragraph = true, Q_OK;
    Q_TRY(put_gap(p, true));
    for (size_t i = 0; i < count; i++) {
        if (i)
            Q_TRY(q_buffer_append_byte(p->out, ' '));
        Q_TRY(put_text(p->out, arguments[i]));
    }
    p->paragraph = true;
    return Q_OK;
}

/* mdoc(7) inline macros: what they print around their arguments. Macros called inside a line (".Op Fl a Ar file") print their names away. */
static q_status put_mdoc(struct page *p, q_string name, const q_string *arguments, size_t count)
{
    static const char *const callable[] = {"Fl", "Ar", "Op", "Cm", "Pa", "Xr", "Nm", "Em", "Sy", "Ic", "Li",
                                           "Va", "Vt", "Fa", "Fn", "Ft", "Ns", "Dq", "Sq", "Pq", "Ql", "Ev",
                                           "Er", "Dv", "No", "Ad", "An", "Mt", "Lk", "Bq", "Aq", "Tn", NULL};
    Q_TRY(put_gap(p, false));
    q_string macro = name;
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (is_one_of(arguments[i], callable)) {
            macro = arguments[i];
            continue;
        }
        bool stop = arguments[i].size == 1 && strchr(".,:;)]", arguments[i].data[0]);
        bool section =
            q_string_is(macro, "Xr") && i && arguments[i].size == 1 && isdigit((unsigned char)arguments[i].data[0]);
        if (!first && !stop && !section)
            Q_TRY(q_buffer_append_byte(p->out, ' '));
        if (q_string_is(macro, "Fl") && !stop)
            Q_TRY(q_buffer_append_byte(p->out, '-'));
        Q_TRY(section ? q_buffer_printf(p->out, "(%.*s)", Q_STRING_ARGS(arguments[i]))
                      : put_text(p->out, arguments[i]));
        first = false;
    }
    if (p->tag_follows)
        p->line_open = p->tag_follows = false;
    return Q_OK;
}

/* Requests that only change the state. */
static bool change_state(struct page *p, q_string name)
{
    static const char *const paragraph[] = {"PP", "P",  "LP", "Pp", "HP", "sp", "RS", "RE", "Bl",
                                            "El", "Bd", "Ed", "EE", "fi", "YE", "SY", NULL};
    static const char *const line[] = {"br", "ti", "in", NULL};
    if (is_one_of(name, paragraph)) {
        p->paragraph = true;
        p->fill |= q_string_is(name, "EE") || q_string_is(name, "fi") || q_string_is(name, "Ed");
        return true;
    }
    if (is_one_of(name, line))
        return p->line_open = false, true;
    if (q_string_is(name, "nf") || q_string_is(name, "EX"))
        return p->fill = false, p->line_open = false, p->paragraph = true, true;
    if (q_string_is(name, "de") || q_string_is(name, "ig") || q_string_is(name, "am"))
        return p->ignoring = true;
    if (q_string_is(name, "TS")) {
        p->table = TABLE_FORMAT;
        p->table_tab = '\t';
        p->paragraph = true;
        return true;
    }
    return false;
}

static unsigned count_of(q_string line, const char *what)
{
    unsigned count = 0;
    for (size_t at = 0; (at = q_string_find(line, q_string_of(what), at)) != SIZE_MAX; at += 2)
        count++;
    return count;
}

/* Lines that are not for the reader: definitions, and what stands under a condition. True: passed over. */
static bool pass_over(struct page *p, q_string line)
{
    if (p->ignoring) {
        q_string end = q_string_trim(line);
        bool ends =
            end.size >= 2 && end.data[0] == '.' && q_string_is(q_string_trim(q_string_slice(end, 1, end.size)), ".");
        p->ignoring = !ends; /* ".." or ". ." */
        return true;
    }
    bool conditional = q_string_starts(line, ".if") || q_string_starts(line, ".ie") || q_string_starts(line, ".el");
    if (!conditional && !p->braces)
        return q_string_starts(line, ".\\\"") || q_string_starts(line, "'\\\"");
    unsigned open = count_of(line, "\\{"), closed = count_of(line, "\\}");
    p->braces += open;
    p->braces -= Q_MIN(closed, p->braces);
    return true;
}

/* A line of a table: its options and format are read for the cells' separator, its rows written with " | " between cells. */
static q_status table_line(struct page *p, q_string line)
{
    q_string trimmed = q_string_trim(line);
    if (q_string_starts(line, ".TE"))
        return p->table = TABLE_NONE, p->paragraph = true, Q_OK;
    if (p->table == TABLE_FORMAT) {
        size_t tab = q_string_find(line, Q_STRING("tab("), 0);
        if (tab != SIZE_MAX && tab + 4 < line.size)
            p->table_tab = line.data[tab + 4];
        if (trimmed.size && trimmed.data[trimmed.size - 1] == '.')
            p->table = TABLE_ROWS;
        return Q_OK;
    }
    if (!trimmed.size || trimmed.data[0] == '.' || q_string_is(trimmed, "_") || q_string_is(trimmed, "=") ||
        q_string_is(trimmed, "T}"))
        return Q_OK;
    bool first = true;
    p->line_open = false;
    while (trimmed.size) {
        const char *stop = memchr(trimmed.data, p->table_tab, trimmed.size);
        q_string cell = q_string_slice(trimmed, 0, stop ? (size_t)(stop - trimmed.data) : trimmed.size);
        trimmed = q_string_slice(trimmed, cell.size + (stop != NULL), trimmed.size);
        cell = q_string_trim(cell);
        if (q_string_is(cell, "T{") || q_string_is(cell, "T}") || !cell.size)
            continue;
        Q_TRY(first ? put_gap(p, false) : q_buffer_append(p->out, " | ", 3));
        Q_TRY(put_text(p->out, cell));
        first = false;
    }
    p->line_open = false;
    return Q_OK;
}

static q_status macro(struct page *p, q_string line, struct q_buffer *title)
{
    static const char *const text[] = {"B", "I", "SM", "SB", "R", NULL};
    static const char *const tight[] = {"BR", "BI", "IB", "IR", "RB", "RI", NULL};
    q_string arguments[MACRO_ARGUMENTS_MAX];
    line = q_string_trim(q_string_slice(line, 1, line.size));
    size_t end = 0;
    while (end < line.size && line.data[end] != ' ' && line.data[end] != '\t')
        end++;
    q_string name = q_string_slice(line, 0, end), rest = q_string_slice(line, end, line.size);
    size_t count = split_arguments(rest, arguments);
    if (change_state(p, name))
        return Q_OK;
    if (q_string_is(name, "TH") || q_string_is(name, "Dt"))
        return put_title(title, arguments, count);
    if (q_string_is(name, "SH") || q_string_is(name, "SS") || q_string_is(name, "Sh") || q_string_is(name, "Ss"))
        return put_heading(p, arguments, count);
    if (q_string_is(name, "TP") || q_string_is(name, "TQ"))
        return p->paragraph = q_string_is(name, "TP"), p->tag_follows = true, p->line_open = false, Q_OK;
    if (q_string_is(name, "IP") || q_string_is(name, "It")) {
        p->paragraph = true;
        if (!count)
            return Q_OK;
        p->tag_follows = true;
        return q_string_is(name, "It") ? put_mdoc(p, name, arguments, count) : put_arguments(p, arguments, 1, false);
    }
    if (is_one_of(name, tight) && count)
        return put_arguments(p, arguments, count, true);
    if (is_one_of(name, text) && count)
        return put_arguments(p, arguments, count, false);
    if (q_string_is(name, "UR") || q_string_is(name, "MT") || q_string_is(name, "OP"))
        return count ? put_arguments(p, arguments, count, false) : Q_OK;
    bool mdoc = name.size == 2 && isupper((unsigned char)name.data[0]) && islower((unsigned char)name.data[1]);
    static const char *const silent[] = {"Dd", "Os", "Bk", "Ek", "Ns", "Rs", "Re", NULL};
    return mdoc && count && !is_one_of(name, silent) ? put_mdoc(p, name, arguments, count) : Q_OK;
}

q_status man_text(q_string page, struct q_buffer *out, struct q_buffer *title)
{
    struct page p = {.out = out, .fill = true};
    q_string line;
    while (q_string_next_line(&page, &line)) {
        if (line.size && line.data[line.size - 1] == '\r')
            line.size--;
        if (pass_over(&p, line))
            continue;
        if (p.table != TABLE_NONE) {
            Q_TRY(table_line(&p, line));
            continue;
        }
        if (line.size && (line.data[0] == '.' || line.data[0] == '\''))
            Q_TRY(macro(&p, line, title));
        else if (q_string_trim(line).size == 0)
            p.paragraph = true;
        else
            Q_TRY(put_line(&p, line));
    }
    return Q_OK;
}
