/* Text on its way: charsets, normal form, language, metrics, rules, manual pages. */
#include "base/check.h"
#include "base/json.h"
#include "corpus/lang/lang.h"
#include "corpus/text/charset.h"
#include "corpus/text/man_text.h"
#include "corpus/text/unicode_nfc.h"
#include "tests/base/cmocka_all.h"

#include <stdio.h>
#include <string.h>

/* --- charsets ---------------------------------------------------------------------------------------------------------------------- */

static struct corpus_decoder *decoder;

/* "text", or "?" where no charset fits. */
static const char *decoded_from(const char *bytes, size_t size, bool html, const char *transport)
{
    static char text[4096];
    struct corpus_changes changes = {0};
    q_string utf8;
    bool known;
    assert_ok(corpus_decode(decoder, (q_string){bytes, size}, html, transport, &utf8, &known, &changes));
    if (!known)
        return "?";
    assert_true(q_utf8_valid(utf8));
    snprintf(text, sizeof text, "%.*s", Q_STRING_ARGS(utf8));
    return text;
}
static const char *decoded(const char *bytes, size_t size, bool html)
{
    return decoded_from(bytes, size, html, NULL);
}
#define DECODED(literal, html) decoded(literal, sizeof(literal) - 1, html)

static void test_charsets(void **state)
{
    (void)state;
    assert_string_equal(DECODED("plain", false), "plain");
    assert_string_equal(DECODED("caf\xC3\xA9", false), "caf\xC3\xA9");
    assert_string_equal(DECODED("\xEF\xBB\xBFmark", false), "mark");
    assert_string_equal(DECODED("\xFF\xFEh\0i\0\xE9\0", false), "hi\xC3\xA9");
    assert_string_equal(DECODED("\xFE\xFF\0h\0i", false), "hi");
    assert_string_equal(DECODED("<meta charset=windows-1252>\x93q\x94 caf\xE9", true),
                        "<meta charset=windows-1252>\xE2\x80\x9Cq\xE2\x80\x9D caf\xC3\xA9");
    assert_string_equal(DECODED("<meta content='text/html; charset=ISO-8859-1'>\x80", true),
                        "<meta content='text/html; charset=ISO-8859-1'>\xE2\x82\xAC"); /* as the web means it */
    assert_string_equal(DECODED("<meta charset=\"koi8-r\">\xED\xC5\xCC\xD8", true),
                        "<meta charset=\"koi8-r\">\xD0\x9C\xD0\xB5\xD0\xBB\xD1\x8C");
    assert_string_equal(DECODED("<meta charset=shift_jis>\x93\xFA\x96\x7B", true),
                        "<meta charset=shift_jis>\xE6\x97\xA5\xE6\x9C\xAC");
    /* what it is outweighs what it says */
    assert_string_equal(DECODED("<meta charset=iso-8859-1>caf\xC3\xA9", true), "<meta charset=iso-8859-1>caf\xC3\xA9");
    assert_string_equal(DECODED("<meta charset=nonsense>caf\xC3\xA9", true), "<meta charset=nonsense>caf\xC3\xA9");
}

/* What HTTP says stands between what the bytes are and what the page says. */
static void test_charset_of_the_transport(void **state)
{
    (void)state;
#define FROM(literal, transport) decoded_from(literal, sizeof(literal) - 1, true, transport)
    assert_string_equal(FROM("<meta charset=koi8-r>caf\xE9", "ISO-8859-1"), "<meta charset=koi8-r>caf\xC3\xA9");
    assert_string_equal(FROM("<meta charset=koi8-r>\xED\xC5", ""), "<meta charset=koi8-r>\xD0\x9C\xD0\xB5");
    assert_string_equal(FROM("<meta charset=koi8-r>\xED\xC5", "no-such"), "<meta charset=koi8-r>\xD0\x9C\xD0\xB5");
    assert_string_equal(FROM("<meta charset=koi8-r>\xED\xC5", "UTF-8"), "<meta charset=koi8-r>\xD0\x9C\xD0\xB5");
    assert_string_equal(FROM("caf\xC3\xA9", "ISO-8859-1"), "caf\xC3\xA9");
    assert_string_equal(FROM("\xFF\xFEh\0i\0", "koi8-r"), "hi");
    assert_string_equal(FROM("\x1B$BF|K\\\x1B(B", "ISO-2022-JP"), "\xE6\x97\xA5\xE6\x9C\xAC");
}

static void test_detected_and_damaged(void **state)
{
    (void)state;
    const char *german =
        "Die M\xFChle steht am Flu\xDF und mahlt f\xFCr die Bauern, die von weither kommen, das Korn zu Mehl.";
    const char *text = decoded(german, strlen(german), false);
    assert_non_null(strstr(text, "M\xC3\xBChle"));
    assert_non_null(strstr(text, "Flu\xC3\x9F"));
    /* ten good characters to one bad: UTF-8 with damage */
    text =
        DECODED("\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9 and \xC3 bad", false);
    assert_non_null(strstr(text, "and \xEF\xBF\xBD bad"));
    assert_string_equal(decoded("", 0, true), "");
    uint64_t dice = 11; /* any bytes: a text or none, never an error */
    for (unsigned round = 0; round < 3000; round++) {
        char bytes[40];
        size_t size = dice_roll(&dice) % sizeof bytes;
        for (size_t i = 0; i < size; i++)
            bytes[i] = (char)dice_roll(&dice);
        decoded(bytes, size, round % 2);
    }
}

/* --- normal form ------------------------------------------------------------------------------------------------------------------- */

static struct q_buffer normal, scratch;
static struct corpus_changes changes;

static const char *normalised(const char *text)
{
    changes = (struct corpus_changes){0};
    assert_ok(corpus_normalise(q_string_of(text), &normal, &scratch, &changes));
    assert_ok(q_buffer_terminate(&normal));
    return normal.data;
}

static void test_normal_form(void **state)
{
    (void)state;
    assert_string_equal(normalised("a\r\nb\rc\xC2\x85"
                                   "d\xE2\x80\xA8"
                                   "e\xE2\x80\xA9"
                                   "f"),
                        "a\nb\nc\nd\ne\nf");
    assert_int_equal(changes.line_ends, 5);
    assert_string_equal(normalised("a\x01\x1B[0m\x7F\xC2\x9F\tb\xEF\xBB\xBF"
                                   "c\xEF\xBF\xBE"),
                        "a[0m\tbc");
    assert_int_equal(changes.controls, 6);
    assert_string_equal(normalised("e\xCC\x81 \xC3\xA9"), "\xC3\xA9 \xC3\xA9");
    assert_int_equal(changes.composed, 1);
    assert_string_equal(normalised(" \n\t\n  indented\n\nx \n \n"), "  indented\n\nx");
    assert_int_equal(changes.trimmed, 1);
    assert_string_equal(normalised("already so"), "already so");
    assert_int_equal(changes.trimmed + changes.composed + changes.controls + changes.line_ends, 0);
    assert_string_equal(normalised(""), "");
    assert_string_equal(normalised(" \r\n "), "");
    /* neighbours of what is removed stay */
    assert_string_equal(normalised("\xC2\xA0.\xE2\x80\xA7.\xE2\x80\xAF.\xEF\xBF\xBD.\xEF\xBB\xBE.\xEF\xB7\x8F"),
                        "\xC2\xA0.\xE2\x80\xA7.\xE2\x80\xAF.\xEF\xBF\xBD.\xEF\xBB\xBE.\xEF\xB7\x8F");
}

/* What is seen by nobody, or laid out by the reader's program. */
static void test_invisible(void **state)
{
    (void)state;
    assert_string_equal(normalised("a\u061Cb\u200Ec\u200Fd\u202Ae\u202Ef\u2066g\u2069h"), "abcdefgh");
    assert_int_equal(changes.bidi, 7);
    assert_string_equal(normalised("Donau\u00ADdampf"), "Donaudampf");
    assert_int_equal(changes.soft_hyphens, 1);
    assert_string_equal(normalised("\u200Ba\u200Bb\u2060c \u200B"), "abc");
    assert_int_equal(changes.zero_widths, 4);
    /* U+200B parts words of Khmer, Thai, Burmese, Lao and Tibetan, once; U+2060 does not */
    assert_string_equal(normalised("\u1780\u200B\u1780\u200B\u200B\u0E01\u200B\u2060x"),
                        "\u1780\u200B\u1780\u200B\u0E01\u200Bx");
    assert_int_equal(changes.zero_widths, 2);
    assert_string_equal(normalised("\u1000\u200B\u0E81\u200B\u0F40\u200B\u3042\u200B\u0939\u200B"),
                        "\u1000\u200B\u0E81\u200B\u0F40\u200B\u3042\u0939");
    /* Persian, Devanagari and emoji are written with U+200C and U+200D */
    assert_string_equal(normalised("\u0645\u06CC\u200C\u0634 \u0915\u094D\u200D\u0937 \U0001F468\u200D\U0001F469"),
                        "\u0645\u06CC\u200C\u0634 \u0915\u094D\u200D\u0937 \U0001F468\u200D\U0001F469");
}

static void test_blanks(void **state)
{
    (void)state;
    assert_string_equal(normalised("a \t\n  b  c\t\r\n\td \xC2\xAD\n"), "a\n  b  c\n\td");
    assert_int_equal(changes.trailing_blanks, 3);
    assert_string_equal(normalised("a\n\n\nb\n\n\n\n\nc\n \n\t\n\n\nd\n\ne"), "a\n\n\nb\n\n\nc\n\n\nd\n\ne");
    assert_int_equal(changes.blank_lines, 2);
    assert_int_equal(changes.trailing_blanks, 2);
    assert_int_equal(changes.trimmed, 0);
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80)
        return out[0] = (char)c, 1;
    if (c < 0x800)
        return out[0] = (char)(0xC0 | c >> 6), out[1] = (char)(0x80 | (c & 0x3F)), 2;
    if (c >= 0x10000) {
        out[0] = (char)(0xF0 | c >> 18);
        out[1] = (char)(0x80 | (c >> 12 & 0x3F));
        out[2] = (char)(0x80 | (c >> 6 & 0x3F));
        out[3] = (char)(0x80 | (c & 0x3F));
        return 4;
    }
    out[0] = (char)(0xE0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3F));
    out[2] = (char)(0x80 | (c & 0x3F));
    return 3;
}

static bool append(void *context, const char *bytes, size_t count)
{
    return q_buffer_append(context, bytes, count) == Q_OK;
}

/* The quick looks give what plain composing gives: on texts of letters, marks and jamo, thrown by dice. */
static void test_normal_form_against_plain(void **state)
{
    (void)state;
    static const uint32_t letters[] = {'a',    'e',    ' ',    0xE9,   0x12F,  0x2FF,  0x300, 0x301,
                                       0x323,  0x345,  0x3B1,  0x410,  0x5D0,  0x915,  0x93C, 0x1100,
                                       0x1161, 0x11A8, 0xAC00, 0x212B, 0x3042, 0x3099, 0xF900};
    uint64_t dice = 5;
    for (unsigned round = 0; round < 20000; round++) {
        char text[64];
        size_t size = 0, count = 1 + dice_roll(&dice) % 12;
        text[size++] = 'x';
        for (size_t i = 0; i < count; i++)
            size += put_utf8(text + size, letters[dice_roll(&dice) % Q_COUNT_OF(letters)]);
        text[size++] = 'x';
        text[size] = 0;
        struct q_buffer plain = {0};
        assert_true(corpus_nfc_write(text, size, append, &plain));
        assert_ok(q_buffer_terminate(&plain));
        assert_string_equal(normalised(text), plain.data);
        assert_string_equal(normalised(plain.data), plain.data);
        assert_int_equal(changes.composed, 0);
        q_buffer_release(&plain);
    }
}

/* Normalising character by character, plainly. */
static void plain_normal_form(const uint32_t *c, size_t count, struct q_buffer *into)
{
    uint32_t kept[64];
    size_t n = 0, from = 0, first = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t last = n ? kept[n - 1] : 0;
        bool asian = (last >= 0xE00 && last < 0x10A0) || (last >= 0x1780 && last < 0x1800);
        bool end = c[i] == '\n' || c[i] == '\r' || c[i] == 0x85 || c[i] == 0x2028 || c[i] == 0x2029;
        if (c[i] == '\n' && i && c[i - 1] == '\r')
            continue;
        if (end) {
            while (n && (kept[n - 1] == ' ' || kept[n - 1] == '\t'))
                n--;
            if (!(n >= 3 && kept[n - 1] == '\n' && kept[n - 2] == '\n' && kept[n - 3] == '\n'))
                kept[n++] = '\n';
        } else if ((c[i] == '\t' || c[i] >= 0x20) && !(c[i] >= 0x7F && c[i] < 0xA0) && c[i] != 0xAD && c[i] != 0x61C &&
                   (c[i] != 0x200B || asian) && c[i] != 0x200E && c[i] != 0x200F &&
                   !(c[i] >= 0x202A && c[i] <= 0x202E) && c[i] != 0x2060 && !(c[i] >= 0x2066 && c[i] <= 0x2069) &&
                   c[i] != 0xFEFF && c[i] < 0xFFFE && !(c[i] >= 0xFDD0 && c[i] <= 0xFDEF)) {
            kept[n++] = c[i];
        }
    }
    while (n && (kept[n - 1] == ' ' || kept[n - 1] == '\t' || kept[n - 1] == '\n'))
        n--;
    for (; first < n && (kept[first] == ' ' || kept[first] == '\t' || kept[first] == '\n'); first++)
        from = kept[first] == '\n' ? first + 1 : from;
    char text[256];
    size_t size = 0;
    for (size_t i = from; i < n; i++)
        size += put_utf8(text + size, kept[i]);
    assert_true(corpus_nfc_write(text, size, append, into));
}

static void test_clean_against_plain(void **state)
{
    (void)state;
    static const uint32_t letters[] = {'a',    ' ',    '\n',   '\n',   '\r',   '\t',   1,      0x7F,   0x80,   0x85,
                                       0xA0,   0xAD,   0xE9,   0x61B,  0x61C,  0x200A, 0x200B, 0x200C, 0x200E, 0x200F,
                                       0x2010, 0x201C, 0x2028, 0x2029, 0x202A, 0x202E, 0x202F, 0x2060, 0x2061, 0x2066,
                                       0x2069, 0x206A, 0xE01,  0x1780, 0x3042, 0xFDCF, 0xFDD0, 0xFDEF, 0xFDF0, 0xFEFE,
                                       0xFEFF, 0xFFFD, 0xFFFE, 0xFFFF, 'b',    'c',    'd',    0x4E2D, 0x301};
    uint64_t dice = 23;
    for (unsigned round = 0; round < 100000; round++) {
        uint32_t c[48];
        char text[256];
        size_t size = 0, count = 1 + dice_roll(&dice) % 48;
        for (size_t i = 0; i < count; i++) {
            c[i] = dice_roll(&dice) % 3 ? 'a' + (uint32_t)i % 26 : letters[dice_roll(&dice) % Q_COUNT_OF(letters)];
            size += put_utf8(text + size, c[i]);
        }
        text[size] = 0;
        struct q_buffer plain = {0};
        plain_normal_form(c, count, &plain);
        assert_ok(q_buffer_terminate(&plain));
        assert_string_equal(normalised(text), plain.data);
        assert_string_equal(normalised(plain.data), plain.data); /* twice is once */
        q_buffer_release(&plain);
    }
}

/* The quick look may only pass what composing leaves alone: every character by itself and between letters, in every place of a block. */
static void test_every_character(void **state)
{
    (void)state;
    for (uint32_t c = 0xA0; c < 0x110000; c += c == 0xD7FF ? 0x801 : 1) {
        char text[64] = "0123456789abcdef";
        size_t at = c % 16, size = at + put_utf8(text + at, c);
        memcpy(text + size, "eaeaeaeaeaeaeaeaeaeaeaea", 25);
        size += 24;
        if (!corpus_nfc_is(text, size)) {
            normalised(text);
            assert_int_equal(changes.composed, 1);
        }
    }
}

/* Marks of two classes in turn, and one that becomes two by composition: the first of a row stay, in order, wherever in the text it lies. */
static void test_rows_of_marks(void **state)
{
    (void)state;
    static const char *const marks[] = {"\xCC\x81\xCC\xA3", "\xCD\x84", "\xE0\xBD\xB3"};
    struct q_buffer text = {0}, once = {0}, twice = {0};
    for (unsigned round = 0; round < 24; round++) {
        struct corpus_changes counts = {0};
        q_buffer_clear(&text);
        for (unsigned i = 0; i < round * 97; i++)
            assert_ok(q_buffer_append_byte(&text, 'x'));
        for (unsigned i = 0; i < (round % 8 ? 100000 : 500); i++)
            assert_ok(q_buffer_append_string(&text, q_string_of(marks[round % 3])));
        assert_ok(q_buffer_append_string(&text, Q_STRING("end")));
        assert_ok(corpus_normalise(q_buffer_string(&text), &once, &scratch, &counts));
        assert_int_equal(counts.controls > 0, round % 8 != 0);
        assert_true(once.size <= round * 97 + 3 * CORPUS_NFC_ROW_MAX + 3);
        assert_true(q_string_ends(q_buffer_string(&once), "end") && q_utf8_valid(q_buffer_string(&once)));
        assert_true(corpus_nfc_is(once.data, once.size));
        assert_ok(corpus_normalise(q_buffer_string(&once), &twice, &scratch, &counts));
        assert_true(q_string_equal(q_buffer_string(&once), q_buffer_string(&twice)));
    }
    q_buffer_release(&text);
    q_buffer_release(&once);
    q_buffer_release(&twice);
}

static void test_nothing_below_300_composes(void **state)
{
    (void)state;
    for (uint32_t a = 0xA0; a < 0x300; a++)
        for (uint32_t b = 0xA0; b < 0x300; b += 7) {
            char text[8];
            size_t size = put_utf8(text, a);
            size += put_utf8(text + size, b);
            assert_true(corpus_nfc_is(text, size));
        }
}

/* --- language ---------------------------------------------------------------------------------------------------------------------- */

static void expect_language(const char *text, const char *code)
{
    struct corpus_langs langs;
    corpus_lang_identify(text, strlen(text), &langs);
    assert_string_equal(langs.langs[0].code, code);
    assert_true(langs.langs[0].score >= 0 && langs.langs[0].score <= 1);
}

static void test_languages(void **state)
{
    (void)state;
    expect_language("The mill stands by the river and grinds the corn that the farmers bring from far away.", "en");
    expect_language("Die M\xC3\xBChle steht am Fluss und mahlt das Korn, das die Bauern von weither bringen.", "de");
    expect_language("\xE6\xB0\xB4\xE8\xBB\x8A\xE3\x81\xAF\xE5\xB7\x9D\xE3\x81\xAE\xE3\x81\xBB\xE3\x81\xA8\xE3\x82\x8A"
                    "\xE3\x81\xAB\xE3\x81\x82\xE3\x82\x8A\xE3\x81\xBE\xE3\x81\x99\xE3\x80\x82",
                    "ja");
    expect_language("", "und");
    expect_language("12345 67890 ---", "und");
}

/* The last letter is of another script than those before it. */
static void test_nothing_behind_the_text_counts(void **state)
{
    (void)state;
    static const char text[] = "M\xC3\xBChle\xC3\xA0the be to of and that have with \xC2\xB9\xE2\x80\x9E"
                               "\xE0\xB8\x97\xE0\xB8\xA2n stehen \xE3\x81\x82\xE6\xB0\xB4"
                               "a";
    const size_t size = sizeof text - 1;
    struct corpus_langs first, langs;
    char bytes[sizeof text + 64];
    for (int fill = 0; fill < 256; fill++) {
        memset(bytes, fill, sizeof bytes);
        memcpy(bytes, text, size);
        corpus_lang_identify(bytes, size, fill ? &langs : &first);
        assert_true(!fill || (langs.count == first.count && langs.langs[0].score == first.langs[0].score));
    }
}

/* Of a long text three windows count: one third in another language shows. Cut inside characters, nothing breaks. */
static void test_long_and_mixed(void **state)
{
    (void)state;
    static const char *const german[] = {"M\xC3\xBChle", "Fluss", "Bauern",     "mahlen",   "steht",  "Wasser",
                                         "und",          "nicht", "f\xC3\xBCr", "zwischen", "Felder", "wieder"};
    static const char *const english[] = {"mill", "river", "farmers", "grinding", "stands", "water",
                                          "and",  "not",   "through", "between",  "fields", "again"};
    struct q_buffer text = {0};
    struct corpus_langs langs;
    uint64_t dice = 13;
    for (unsigned i = 0; i < 5000; i++)
        assert_ok(q_buffer_printf(&text, "%s ", german[dice_roll(&dice) % Q_COUNT_OF(german)]));
    for (size_t cut = 0; cut < 8; cut++) {
        corpus_lang_identify(text.data + cut, text.size - 2 * cut, &langs);
        assert_string_equal(langs.langs[0].code, "de");
    }
    for (unsigned i = 0; i < 8000; i++)
        assert_ok(q_buffer_printf(&text, "%s ", english[dice_roll(&dice) % Q_COUNT_OF(english)]));
    corpus_lang_identify(text.data, text.size, &langs);
    assert_int_equal(langs.count, 2);
    assert_string_equal(langs.langs[0].code, "en");
    assert_string_equal(langs.langs[1].code, "de");
    q_buffer_release(&text);
}

/* --- manual pages ------------------------------------------------------------------------------------------------------------------ */

static void expect_manual(const char *source, const char *wanted, const char *wanted_title)
{
    struct q_buffer out = {0}, title = {0};
    assert_ok(man_text(q_string_of(source), &out, &title));
    assert_ok(q_buffer_terminate(&out));
    assert_ok(q_buffer_terminate(&title));
    assert_string_equal(out.data, wanted);
    assert_string_equal(title.data, wanted_title);
    q_buffer_release(&out);
    q_buffer_release(&title);
}

static void test_manual_pages(void **state)
{
    (void)state;
    expect_manual(".\\\" no\n.TH QUERN 1 2026 quern\n.SH NAME\nquern \\- a \\fBmill\\fP\n.SH OPTIONS\n.TP\n.BR \\-j , "
                  "\" --threads\"\nhow many\nof them\n.PP\nEnd.\n",
                  "NAME\n\nquern - a mill\n\nOPTIONS\n\n-j, --threads\nhow many of them\n\nEnd.", "quern(1)");
    expect_manual(".nf\na  b\n  c\n.fi\nd\ne\n", "a  b\n  c\n\nd e", "");
    expect_manual(
        ".de XX\nhidden\n..\n.if n \\{\\\nhidden\n.\\}\n.ie t hidden\n.el hidden\nshown \\(em \\[u00E9] \\\"no\n",
        "shown \xE2\x80\x94 \xC3\xA9 ", "");
    expect_manual(".TS\ntab(:);\nl l.\na:b\n_\nc:T{\nlong\nT}\n.TE\n", "a | b\nc\nlong", "");
    expect_manual(".Dd 2026\n.Dt QUERN 8\n.Sh NAME\n.Nm quern\n.Nd a mill\n.Pp\nSee\n.Xr dedup 1 .\n.Op Fl v Ar file\n",
                  "NAME\n\nquern a mill\n\nSee dedup(1). -v file", "quern(8)");
    expect_manual("\xE7\xA3\xA8\\\xE5\x9D\x8A, a\\fR\xC3\xA9\n", "\xE7\xA3\xA8\xE5\x9D\x8A, a\xC3\xA9", "");
    uint64_t dice = 9; /* any lines: text in whole characters, never an error */
    static const char *const pieces[] = {".",  "\\",   "\\f",  "\\(",      "\\[",          "\\s",  "\\h'", "\"",
                                         " ",  "x",    "\n",   ".TS\n",    ".B ",          "\\{",  "\\}",  ".if ",
                                         "T{", "\\*[", "\\*(", "\xC3\xA9", "\xE7\xA3\xA8", ".TH ", "tab(", ".UR "};
    for (unsigned round = 0; round < 20000; round++) {
        char page[128] = "";
        size_t size = 0;
        for (unsigned i = 0; i < 20; i++)
            size +=
                (size_t)snprintf(page + size, sizeof page - size, "%s", pieces[dice_roll(&dice) % Q_COUNT_OF(pieces)]);
        struct q_buffer out = {0}, title = {0};
        assert_ok(man_text((q_string){page, size}, &out, &title));
        assert_true(q_utf8_valid((q_string){out.data, out.size}) && q_utf8_valid((q_string){title.data, title.size}));
        q_buffer_release(&out);
        q_buffer_release(&title);
    }
}

static int start(void **state)
{
    (void)state;
    assert_ok(corpus_decoder_create(&decoder));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    corpus_decoder_release(decoder);
    q_buffer_release(&normal);
    q_buffer_release(&scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_charsets),
                                       cmocka_unit_test(test_charset_of_the_transport),
                                       cmocka_unit_test(test_detected_and_damaged),
                                       cmocka_unit_test(test_normal_form),
                                       cmocka_unit_test(test_invisible),
                                       cmocka_unit_test(test_blanks),
                                       cmocka_unit_test(test_normal_form_against_plain),
                                       cmocka_unit_test(test_clean_against_plain),
                                       cmocka_unit_test(test_every_character),
                                       cmocka_unit_test(test_rows_of_marks),
                                       cmocka_unit_test(test_nothing_below_300_composes),
                                       cmocka_unit_test(test_languages),
                                       cmocka_unit_test(test_nothing_behind_the_text_counts),
                                       cmocka_unit_test(test_long_and_mixed),
                                       cmocka_unit_test(test_manual_pages)};
    return cmocka_run_group_tests(tests, start, stop);
}
