/* Mojibake: what is repaired and what stays, over all charsets, in any mixture. */
#include "base/clock.h"
#include "base/json.h"
#include "corpus/text/mojibake.h"
#include "tests/base/cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <unicode/ucnv.h>

static struct mojibake *mojibake;
static struct q_buffer out, scratch;
static struct corpus_changes changes;

static q_string repaired(q_string text)
{
    bool found;
    assert_ok(mojibake_repair(mojibake, text, &out, &scratch, &found, &changes));
    assert_true(!found || q_utf8_valid(q_buffer_string(&out)));
    return found ? q_buffer_string(&out) : text;
}

static void becomes(const char *text, const char *wanted)
{
    q_string now = repaired(q_string_of(text));
    if (!q_string_is(now, wanted))
        fail_msg("'%s' became '%.*s', not '%s'", text, Q_STRING_ARGS(now), wanted);
}

static void test_usual_cases(void **state)
{
    (void)state;
    becomes("caf\u00C3\u00A9", "caf\u00E9");
    becomes("it\u00E2\u20AC\u2122s \u00E2\u20AC\u0153so\u00E2\u20AC\xC2\x9D", "it\u2019s \u201Cso\u201D");
    becomes("20\u00C2\u00B0C", "20\u00B0C");
    becomes("10 \u00E2\u201A\u00AC", "10 \u20AC");
    becomes("caf\u00C3\u0192\u00C2\u00A9", "caf\u00E9");                         /* twice over */
    becomes("it\u00C3\u00A2\u00E2\u201A\u00AC\u00E2\u201E\u00A2s", "it\u2019s"); /* twice over */
    becomes("\u0420\u045F\u0421\u0402\u0420\u0451\u0420\u0406\u0420\u00B5\u0421\u201A",
            "\u041F\u0440\u0438\u0432\u0435\u0442"); /* 1251 */
    becomes("\u00E4\u00B8\u00AD\u00E6\u2013\u2021\u00E5\u00AD\u2014", "\u4E2D\u6587\u5B57");
    becomes("hi \u00F0\u0178\u02DC\u20AC", "hi \U0001F600");
    becomes("caf\u221A\u00A9 it\u201A\u00C4\u00F4s", "caf\u00E9 it\u2019s");                         /* Mac OS Roman */
    becomes("caf\u251C\u2310 it\u0393\u00C7\u00D6s", "caf\u00E9 it\u2019s");                         /* code page 437 */
    becomes("na\u0102\u017Bve \u00E2\u20AC\u017Ex\u00E2\u20AC\xC2\x9D", "na\u00EFve \u201Ex\u201D"); /* 1250 */
    /* good and bad in one line, in one text */
    becomes("\u201Cgood\u201D caf\u00C3\u00A9 \u4E2D\u6587", "\u201Cgood\u201D caf\u00E9 \u4E2D\u6587");
    becomes("\u00C9t\u00E9\ncaf\u00C3\u00A9\n\u4E2D", "\u00C9t\u00E9\ncaf\u00E9\n\u4E2D");
    /* weak alone, but not among others */
    becomes("\u00C3\u20AC la", "\u00C3\u20AC la");
    becomes("\u00C3\u20AC la caf\u00C3\u00A9", "\u00C0 la caf\u00E9");
    changes = (struct corpus_changes){0};
    becomes("caf\u00C3\u00A9 caf\u00C3\u00A9", "caf\u00E9 caf\u00E9");
    assert_int_equal(changes.mojibake, 2);
}

static void test_what_stays(void **state)
{
    (void)state;
    static const char *const good[] = {
        "",
        "plain",
        "\u00ABJOS\u00C9\u00BB, \u201C\u00C5\u201D",
        "jusqu\u2019\u00E0\u00A0\u00BB",
        "\u201C\u2026fianc\u00E9\u2026\u201D",
        "NESTL\u00C9\u00AE CAF\u00C9\u2122",
        "d\u00E9\u0161\u0165",
        "\u0433\u043B\u0435\u0434\u0430\u0458\u045C\u0438",
        "\u0420\u0456\u043A, \u0421\u0456\u0447",
        "\u2554\u2550\u2550\u2557\n\u2551ab\u2551\n\u255A\u2550\u2550\u255D",
        "\u250C\u2500\u252C\u2500\u2510\n\u251C\u2500\u253C\u2500\u2524\n\u2514\u2500\u2534\u2500\u2518",
        "\u00C3, \u00C2, \u00E2, \u20AC",
        "x = StrConv(\"\u00C9\u00CF\u00BA\u00A3\u00CA\u00D0ABC\")", /* GB 2312 read as Latin-1: bytes of another charset */
        "\u00D1and\u00FA, ping\u00FCino, \u00A1\u00BFqu\u00E9?!",
        "Stra\u00DFe\u201C",
        "\u03B1\u00B2+\u03B2\u00B2",
        "\u221Ax\u00B2\u2248y",
        "\uFB01n \uF8FF",
        "\u00BD\u00BC\u00BE",
        "\u017D\u00CDT"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        becomes(good[i], good[i]);
}

/* Reads the UTF-8 of `text` in a charset, `times` times; false where the charset cannot hold the bytes. */
static bool broken(const char *charset, q_string text, unsigned times, struct q_buffer *into)
{
    UErrorCode error = U_ZERO_ERROR;
    UConverter *converter = ucnv_open(charset, &error);
    assert_true(U_SUCCESS(error));
    ucnv_setToUCallBack(converter, UCNV_TO_U_CALLBACK_STOP, NULL, NULL, NULL, &error);
    struct q_buffer now = {0};
    assert_ok(q_buffer_append_string(&now, text));
    for (unsigned i = 0; i < times && U_SUCCESS(error); i++) {
        assert_ok(q_buffer_reserve(into, now.size * 4 + 16));
        int32_t size = ucnv_toAlgorithmic(UCNV_UTF8, converter, into->data, (int32_t)into->capacity, now.data,
                                          (int32_t)now.size, &error);
        into->size = (size_t)size;
        q_buffer_clear(&now);
        if (U_SUCCESS(error))
            assert_ok(q_buffer_append_string(&now, q_buffer_string(into)));
    }
    q_buffer_release(&now);
    ucnv_close(converter);
    return U_SUCCESS(error);
}

/* Sentences of many languages come back, broken once in every charset, and twice in those where that happens. */
static void test_every_charset(void **state)
{
    (void)state;
    enum { TWICE = 4 };
    static const char *const charsets[] = {"iso-8859-1",   "windows-1252", "windows-1254", "windows-1250",
                                           "windows-1251", "windows-1253", "windows-1257", "koi8-r",
                                           "ibm-866",      "ibm-437",      "ibm-850",      "macintosh"};
    static const char *const texts[] = {
        "Die M\u00FChle l\u00E4uft \u00FCber N\u00E4chte, sagt J\u00F6rg.",
        "L\u2019\u00E9t\u00E9 d\u00E9j\u00E0 pass\u00E9, les for\u00EAts br\u00FBl\u00E8rent.",
        "Ma\u00F1ana ser\u00E1 otro d\u00EDa, se\u00F1or.",
        "Za\u017C\u00F3\u0142\u0107 g\u0119\u015Bl\u0105 ja\u017A\u0144.",
        "P\u0159\u00EDli\u0161 \u017Elu\u0165ou\u010Dk\u00FD k\u016F\u0148.",
        "\u041C\u0435\u043B\u044C\u043D\u0438\u0446\u0430 \u0441\u0442\u043E\u0438\u0442 \u0443 "
        "\u0440\u0435\u043A\u0438, \u0438 \u0435\u0451 \u0437\u0430\u043C\u0435\u043B\u0438 \u044D\u0445\u043E.",
        "\u039F \u03BC\u03CD\u03BB\u03BF\u03C2 \u03B4\u03AF\u03C0\u03BB\u03B1 \u03C3\u03C4\u03BF "
        "\u03C0\u03BF\u03C4\u03AC\u03BC\u03B9.",
        "De\u011Firmen \u0131rma\u011F\u0131n yan\u0131nda.",
        "\u78E8\u574A\u5728\u6CB3\u8FB9\uFF0C\u6C34\u8F66\u65E5\u591C\u8F6C\u52A8\u3002",
        "\u6C34\u8ECA\u306F\u5DDD\u306E\u307B\u3068\u308A\u306B\u3042\u308A\u307E\u3059\u3002",
        "\uBB3C\uB808\uBC29\uC544\uB294 \uAC15\uAC00\uC5D0 \uC788\uB2E4.",
        "\u0627\u0644\u0637\u0627\u062D\u0648\u0646\u0629 \u0628\u062C\u0627\u0646\u0628 "
        "\u0627\u0644\u0646\u0647\u0631.",
        "\u05D4\u05D8\u05D7\u05E0\u05D4 \u05DC\u05D9\u05D3 \u05D4\u05E0\u05D4\u05E8.",
        "\u0E42\u0E23\u0E07\u0E2A\u0E35\u0E2D\u0E22\u0E39\u0E48\u0E23\u0E34\u0E21\u0E41\u0E21\u0E48\u0E19\u0E49\u0E33",
        "\u091A\u0915\u094D\u0915\u0940 \u0928\u0926\u0940 \u0915\u0947 \u0915\u093F\u0928\u093E\u0930\u0947 "
        "\u0939\u0948\u0964"};
    unsigned tried = 0, missed = 0;
    for (size_t i = 0; i < sizeof charsets / sizeof *charsets; i++)
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
            for (unsigned times = 1; times <= (i < TWICE ? 2 : 1); times++) {
                struct q_buffer bad = {0};
                if (broken(charsets[i], q_string_of(texts[k]), times, &bad)) {
                    tried++;
                    bool good = q_string_is(repaired(q_buffer_string(&bad)), texts[k]);
                    missed += !good;
                    if (!good)
                        print_message("%s x %u: '%s' stays '%.*s'\n", charsets[i], times, texts[k],
                                      Q_STRING_ARGS(q_buffer_string(&bad)));
                }
                q_buffer_release(&bad);
            }
    assert_true(tried > 150);
    assert_int_equal(missed, 0);
}

/* Any text of the characters that mojibake is made of: valid, once is enough, never longer. */
static void test_any_text(void **state)
{
    (void)state;
    static const char *const pieces[] = {"\u00C3",
                                         "\u00C2",
                                         "\u00E2",
                                         "\u20AC",
                                         "\u2122",
                                         "\u00A9",
                                         "\u0192",
                                         "\u0420",
                                         "\u00A0",
                                         "\u0421",
                                         "\u201A",
                                         "\u0453",
                                         "\u251C",
                                         "\u2310",
                                         "\u221A",
                                         "\u00F0",
                                         "\u0178",
                                         "\u02DC",
                                         "\xC2\x80",
                                         "\xC2\x95",
                                         "a",
                                         "B",
                                         " ",
                                         "\n",
                                         "\u00E0",
                                         "\u00B8",
                                         "\u043F",
                                         "\u2568",
                                         "\u042F",
                                         "\u4E2D",
                                         "caf\u00C3\u00A9",
                                         "\u00E2\u20AC\u2122",
                                         "\u201D",
                                         "\u00D0\u00B0",
                                         "\uF8FF",
                                         "\U0001F600"};
    uint64_t dice = 17, changed = 0;
    struct q_buffer once = {0};
    for (unsigned round = 0; round < 100000; round++) {
        char text[256];
        size_t size = 0;
        for (unsigned i = 0, count = 1 + (unsigned)(dice_roll(&dice) % 20); i < count; i++)
            size += (size_t)snprintf(text + size, sizeof text - size, "%s",
                                     pieces[dice_roll(&dice) % (sizeof pieces / sizeof *pieces)]);
        q_string first = repaired((q_string){text, size});
        assert_true(first.size <= size);
        changed += first.data != text;
        q_buffer_clear(&once);
        assert_ok(q_buffer_append_string(&once, first));
        if (!q_string_equal(repaired(q_buffer_string(&once)), q_buffer_string(&once)))
            fail_msg("'%.*s' became '%.*s', and that '%.*s'", (int)size, text, Q_STRING_ARGS(q_buffer_string(&once)),
                     Q_STRING_ARGS(q_buffer_string(&out)));
    }
    assert_true(changed > 20000 && changed < 90000);
    q_buffer_release(&once);
}

/* The quick look sees in blocks of 16 bytes what it sees byte by byte at the end of a text: blanks around change nothing. */
static void test_in_every_place(void **state)
{
    (void)state;
    static const char *const bad[] = {"caf\u00C3\u00A9",       "it\u00E2\u20AC\u2122s",
                                      "Stra\u00C3\u0178e",     "caf\u221A\u00A9",
                                      "it\u201A\u00C4\u00F4s", "caf\u251C\u2310",
                                      "it\u0393\u00C7\u00D6s", "it\u00D4\u00C7\u00D6s",
                                      "f\u251C\u00F1r",        "l\u00C3\u0192\u00C2\u00A4uft",
                                      "na\u00C3\u00AFve"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (unsigned before = 1; before <= 20; before++)
            for (unsigned after = 1; after <= 40; after += 39) {
                char text[128], wanted[128];
                int size = snprintf(text, sizeof text, "%*s%s%*s", (int)before, "", bad[i], (int)after, "");
                q_string now = repaired((q_string){text, (size_t)size});
                assert_ptr_not_equal(now.data, text);
                snprintf(wanted, sizeof wanted, "%.*s", Q_STRING_ARGS(q_string_trim(now)));
                assert_true(q_string_is(q_string_trim(repaired(q_string_of(bad[i]))), wanted));
            }
}

/* More layers than are taken off: the text stays as it came. */
static void test_too_often(void **state)
{
    (void)state;
    struct q_buffer bad = {0};
    assert_true(broken("iso-8859-1", Q_STRING("caf\u00E9 \u4E2D\u6587"), 4, &bad));
    assert_true(q_string_is(repaired(q_buffer_string(&bad)), "caf\u00E9 \u4E2D\u6587"));
    assert_true(broken("iso-8859-1", Q_STRING("caf\u00E9 \u4E2D\u6587"), 6, &bad));
    changes = (struct corpus_changes){0};
    assert_ptr_equal(repaired(q_buffer_string(&bad)).data, bad.data);
    assert_int_equal(changes.mojibake, 0);
    q_buffer_release(&bad);
}

static void test_linear(void **state)
{
    (void)state;
    static const char *const attacks[] = {"\u00C3",         "\u00E2\u20AC",       "\u00C3\u00A9",
                                          "\u0420\u0405",   "\u00F0\u0178\u02DC", "\u00C3\u00A9 ",
                                          "\u00C3\u00A9\n", "\u00E9\u00BB"};
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        struct q_buffer text = {0};
        while (text.size < 1u << 20)
            assert_ok(q_buffer_append_string(&text, q_string_of(attacks[i])));
        double start = q_seconds();
        repaired(q_buffer_string(&text));
        assert_true(q_seconds() - start < 10); /* quadratic: hours */
        q_buffer_release(&text);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) {
        struct mojibake *fresh = NULL;
        struct q_buffer a = {0}, b = {0};
        bool found;
        q_memory_fail_at(k, 0);
        q_status status = mojibake_create(&fresh);
        if (status == Q_OK)
            status = mojibake_repair(fresh, Q_STRING("caf\u00C3\u0192\u00C2\u00A9"), &a, &b, &found, &changes);
        bool failed = q_memory_fail_at(0, 0) >= k;
        assert_int_equal(status, failed ? Q_ERR_MEMORY : Q_OK);
        mojibake_release(fresh);
        q_buffer_release(&a);
        q_buffer_release(&b);
        if (!failed) {
            assert_true(k > 2);
            break;
        }
    }
}

static int start(void **state)
{
    (void)state;
    assert_ok(mojibake_create(&mojibake));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    mojibake_release(mojibake);
    q_buffer_release(&out);
    q_buffer_release(&scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_usual_cases),    cmocka_unit_test(test_what_stays),
                                       cmocka_unit_test(test_every_charset),  cmocka_unit_test(test_any_text),
                                       cmocka_unit_test(test_in_every_place), cmocka_unit_test(test_too_often),
                                       cmocka_unit_test(test_linear),         cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests(tests, start, stop);
}
