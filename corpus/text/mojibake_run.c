#include "corpus/text/mojibake_run.h"

#include "base/check.h"
#include "base/memory.h"
#include "corpus/text/mojibake.h"

#include <unicode/uchar.h>
#include <unicode/ucnv.h>
#include <unicode/uscript.h>

/* --- charsets ---------------------------------------------------------------------------------------------------------------------- */

/* The first stands for windows-1252, windows-1254 and iso-8859-1 together: no character has two bytes among them. */
static const char *const names[] = {"windows-1252", "windows-1250", "windows-1251", "windows-1253", "windows-1257",
                                    "koi8-r",       "ibm-866",      "ibm-437",      "ibm-850",      "macintosh"};
_Static_assert(Q_COUNT_OF(names) == MOJIBAKE_CHARSETS, "as many names as tables");

static void add_character(struct mojibake *m, unsigned charset, uint32_t c, unsigned byte)
{
    unsigned slot = mojibake_slot(c);
    if (c < 0x80 || byte < 0x80 || !slot || m->byte_of[charset][slot])
        return;
    m->byte_of[charset][slot] = (uint8_t)byte;
    if (byte >= 0xC2 && byte <= 0xF4)
        m->leads[slot] |= (uint16_t)(1u << charset);
    if (byte < 0xC0)
        m->inners[slot] |= (uint16_t)(1u << charset);
}

/* The upper half of a charset; a byte without a character is the C1 control of its number, as in the WHATWG Encoding Standard. */
static bool add_charset(struct mojibake *m, unsigned charset, const char *name)
{
    enum { MICRO_SIGN = 0xB5, GREEK_MU = 0x3BC };
    UErrorCode error = U_ZERO_ERROR;
    UConverter *converter = ucnv_open(name, &error);
    for (unsigned byte = 0x80; byte < 0x100 && U_SUCCESS(error); byte++) {
        char from = (char)byte;
        UChar to[4];
        int32_t size = ucnv_toUChars(converter, to, Q_COUNT_OF(to), &from, 1, &error);
        if (U_SUCCESS(error) && size == 1)
            add_character(m, charset, to[0], byte);
    }
    ucnv_close(converter);
    add_character(m, charset, MICRO_SIGN, m->byte_of[charset][GREEK_MU]); /* DOS has one for both */
    for (unsigned byte = 0x80; byte < 0xA0; byte++)
        add_character(m, charset, byte, byte);
    return U_SUCCESS(error);
}

q_status mojibake_create(struct mojibake **out)
{
    struct mojibake *m;
    Q_TRY(q_alloc_zero(1, sizeof *m, &m));
    bool good = true;
    for (unsigned i = 0; i < MOJIBAKE_CHARSETS; i++)
        good = good && add_charset(m, i, names[i]);
    if (!good || !add_charset(m, 0, "windows-1254")) {
        q_release(m);
        return q_fail(Q_ERR_SYSTEM, "ICU lacks a charset; is its data there?");
    }
    *out = m;
    return Q_OK;
}

void mojibake_release(struct mojibake *m)
{
    q_release(m);
}

/* --- roughness --------------------------------------------------------------------------------------------------------------------- */

enum kind { NEUTRAL, DIGIT, SMALL, CAPITAL, LETTER, SYMBOL, OPENING, QUOTE, DASH, CONTROL };

/* Where the count of a text's roughness stands. */
struct seam {
    enum kind kind, before;
    uint32_t last;
    UScriptCode script; /* of the last character, a letter */
    int64_t roughness;
};

static bool is_letter(enum kind kind)
{
    return kind == SMALL || kind == CAPITAL || kind == LETTER;
}

static enum kind kind_of(uint32_t c)
{
    static const uint16_t symbols[] = {0xA7, 0xAA, 0xB5, 0xB6, 0xBA, 0x192, 0x2C6, 0x2020, 0x2021, 0x2022, 0x2030};
    if (c < 0x80)
        return c - '0' < 10 ? DIGIT : (c | 0x20) - 'a' < 26 ? (c & 0x20 ? SMALL : CAPITAL) : NEUTRAL;
    for (size_t i = 0; i < Q_COUNT_OF(symbols); i++)
        if (c == symbols[i])
            return SYMBOL;
    switch (u_charType((UChar32)c)) {
    case U_LOWERCASE_LETTER:
        return SMALL;
    case U_UPPERCASE_LETTER:
    case U_TITLECASE_LETTER:
        return CAPITAL;
    case U_OTHER_LETTER:
    case U_MODIFIER_LETTER:
    case U_NON_SPACING_MARK:
    case U_COMBINING_SPACING_MARK:
        return LETTER;
    case U_MATH_SYMBOL:
    case U_CURRENCY_SYMBOL:
    case U_MODIFIER_SYMBOL:
    case U_OTHER_SYMBOL:
    case U_OTHER_NUMBER:
        return SYMBOL;
    case U_START_PUNCTUATION:
        return OPENING;
    case U_INITIAL_PUNCTUATION:
    case U_FINAL_PUNCTUATION:
        return c == 0x2019 ? NEUTRAL : QUOTE; /* the apostrophe stands within words */
    case U_DASH_PUNCTUATION:
        return DASH;
    case U_OTHER_PUNCTUATION:
        return c == 0xA1 || c == 0xBF ? OPENING : c == 0xB7 ? NEUTRAL : QUOTE;
    case U_CONTROL_CHAR:
    case U_PRIVATE_USE_CHAR:
    case U_UNASSIGNED:
        return CONTROL;
    default:
        return NEUTRAL;
    }
}

/* Han, kana and Hangul stand in one word. */
static UScriptCode script_of(uint32_t c)
{
    UErrorCode error = U_ZERO_ERROR;
    UScriptCode script = c < 0x80 ? USCRIPT_LATIN : uscript_getScript((UChar32)c, &error);
    return script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA || script == USCRIPT_HANGUL ? USCRIPT_HAN : script;
}

static bool is_box(uint32_t c)
{
    return c >= 0x2500 && c < 0x2600;
}

/* What the step from a seam's last character to the next costs. */
static unsigned cost(const struct seam *s, enum kind kind, uint32_t c, UScriptCode script)
{
    bool foreign = c >= 0x80 || s->last >= 0x80;
    if (kind == CONTROL || s->kind == CONTROL)
        return 2;
    if (!foreign)
        return 0;
    if (s->kind == SMALL && kind == CAPITAL)
        return 2;
    if (is_letter(s->kind) && is_letter(kind))
        return s->script != script && s->script > USCRIPT_INHERITED && script > USCRIPT_INHERITED;
    if (s->kind == SYMBOL && kind == SYMBOL)
        return c != s->last && !(is_box(c) && is_box(s->last));
    if (s->kind == SYMBOL || kind == SYMBOL)
        return is_letter(s->kind) || is_letter(kind) || s->kind == DASH || kind == DASH;
    if (is_letter(s->kind))
        return kind == OPENING;
    if (s->kind == DIGIT)
        return kind == SMALL || kind == CAPITAL;
    return is_letter(kind) && is_letter(s->before) && (s->kind == QUOTE || s->kind == OPENING);
}

static void step(struct seam *s, uint32_t c)
{
    enum kind kind = kind_of(c);
    UScriptCode script = is_letter(kind) ? script_of(c) : USCRIPT_COMMON;
    s->roughness += cost(s, kind, c, script);
    s->before = s->kind;
    s->kind = kind;
    s->last = c;
    s->script = script;
}

/* --- runs -------------------------------------------------------------------------------------------------------------------------- */

unsigned mojibake_sequence(const struct mojibake *m, unsigned charset, const unsigned char *at,
                           const unsigned char *end, const unsigned char **next, unsigned char utf8[4])
{
    if (at == end || *at < 0x80)
        return 0;
    unsigned slot = mojibake_slot(mojibake_next(&at));
    if (!(m->leads[slot] >> charset & 1))
        return 0;
    utf8[0] = m->byte_of[charset][slot];
    unsigned size = utf8[0] < 0xE0 ? 2 : utf8[0] < 0xF0 ? 3 : 4;
    for (unsigned i = 1; i < size; i++) {
        if (at == end || *at < 0x80)
            return 0;
        slot = mojibake_slot(mojibake_next(&at));
        if (!(m->inners[slot] >> charset & 1))
            return 0;
        utf8[i] = m->byte_of[charset][slot];
    }
    bool whole = (utf8[0] != 0xE0 || utf8[1] >= 0xA0) && (utf8[0] != 0xED || utf8[1] < 0xA0) &&
                 (utf8[0] != 0xF0 || utf8[1] >= 0x90) && (utf8[0] != 0xF4 || utf8[1] < 0x90);
    if (!whole)
        return 0;
    *next = at;
    return size;
}

/* A letter or symbol of the charset beside a run and in none: what is there is not UTF-8, but bytes of yet another charset. */
static bool is_stray(const struct mojibake *m, unsigned charset, uint32_t c)
{
    enum kind kind = kind_of(c);
    return m->byte_of[charset][mojibake_slot(c)] && (is_letter(kind) || kind == SYMBOL);
}

/* The seam behind the two characters before `at`. */
static struct seam seam_before(const unsigned char *begin, const unsigned char *at)
{
    struct seam seam = {0};
    const unsigned char *from = at;
    for (unsigned i = 0; i < 2 && from > begin; i++)
        do
            from--;
        while (from > begin && (*from & 0xC0) == 0x80);
    while (from < at)
        step(&seam, mojibake_next(&from));
    seam.roughness = 0;
    return seam;
}

struct mojibake_run mojibake_measure(const struct mojibake *m, unsigned charset, const unsigned char *begin,
                                     const unsigned char *at, const unsigned char *end)
{
    enum { STRAY = 2 };
    struct mojibake_run run = {0};
    bool stray_before = false;
    struct seam broken = {0}, whole = {0};
    const unsigned char *from = at, *next = at, *decoded;
    unsigned char utf8[4];
    for (unsigned size; (size = mojibake_sequence(m, charset, at, end, &next, utf8)) != 0;) {
        if (!run.sequences++) {
            broken = whole = seam_before(begin, at);
            stray_before = is_stray(m, charset, broken.last);
        }
        while (at < next)
            step(&broken, mojibake_next(&at));
        decoded = utf8;
        step(&whole, mojibake_next(&decoded));
        run.gain += size - 2;
    }
    if (!run.sequences)
        return run;
    run.gain -= stray_before ? STRAY : 0;
    if (at < end) {
        next = at;
        uint32_t behind = mojibake_next(&next);
        run.gain -= is_stray(m, charset, behind) ? STRAY : 0;
        step(&broken, behind);
        step(&whole, behind);
    }
    run.size = (size_t)(at - from);
    run.gain += broken.roughness - whole.roughness;
    return run;
}
