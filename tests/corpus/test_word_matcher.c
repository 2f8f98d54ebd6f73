/* The word matcher: examples, any text and entries against the definition, linear time, every allocation. */
#include "base/check.h"
#include "corpus/text/character_class.h"
#include "corpus/text/word_matcher.h"
#include "tests/base/cmocka_all.h"

#include <string.h>
#include <unicode/uchar.h>

static struct corpus_matcher *matcher_of(const char *const *entries, bool anywhere)
{
    struct corpus_matcher *matcher;
    bool taken;
    assert_ok(corpus_matcher_create(anywhere, &matcher));
    for (; *entries; entries++)
        assert_ok(corpus_matcher_add(matcher, q_string_of(*entries), &taken));
    assert_ok(corpus_matcher_finish(matcher));
    return matcher;
}

/* --- examples ---------------------------------------------------------------------------------------------------------------------- */

static void test_examples(void **state)
{
    (void)state;
    static const char *const entries[] = {"ass",
                                          "Bad Word",
                                          "word",
                                          "c++",
                                          "@home",
                                          "\xC3\x9C"
                                          "bel",                                  /* Übel */
                                          "cafe\xCC\x81",                         /* café, not in NFC */
                                          "\xE5\xA5\xB3\xE5\x84\xAA",             /* two letters of Han */
                                          "\xE0\xB8\x81\xE0\xB8\xB2",             /* a letter of Thai and its vowel */
                                          "\xE0\xA4\x95\xE0\xA5\x81\xE0\xA4\xA4", /* Hindi */
                                          "AV\xE5\xA5\xB3",
                                          NULL};
    static const struct {
        const char *text;
        uint64_t count;
    } cases[] = {
        {"", 0},
        {"ass", 1},
        {"class, assess, ass_1, 1ass", 0},
        {"ASS. (Ass) ass-ass", 4},
        {"a bad word", 1}, /* and not "word" in it once more */
        {"a bad\n \xC2\xA0 WORD", 1},
        {"bad words, badword", 0},
        {"badly word", 1},
        {"c++ c++x xc++ c+++", 2},
        {"@home me@home", 1},
        {"\xC3\xBC"
         "bel \xC3\x9C"
         "BEL \xC3\xBC"
         "bell",
         2},
        {"CAF\xC3\x89", 1},
        {"\xE7\x9C\x8B\xE5\xA5\xB3\xE5\x84\xAAx\xE5\xA5\xB3\xE5\x84\xAA", 2}, /* anywhere */
        {"\xE7\x9C\x8B"
         "ass\xE7\x9C\x8B",
         1}, /* Han beside it is no side */
        {"JAV\xE5\xA5\xB3 av\xE5\xA5\xB3\xE7\x9C\x8B", 1},
        {"\xE0\xB8\x82\xE0\xB8\x81\xE0\xB8\xB2\xE0\xB8\x82", 1},
        {"\xE0\xA4\x95\xE0\xA5\x81\xE0\xA4\xA4\xE0\xA5\x8D\xE0\xA4\xA4\xE0\xA4\xBE", 0}, /* goes on with a mark */
        {"\xE0\xA4\x95\xE0\xA5\x81\xE0\xA4\xA4 ", 1},
        {"\xE2\x84\xAA ass\xF0\x90\x90\x80", 0}, /* Deseret, beyond the table, is a letter */
        {"ass\xF0\x9F\x98\x80", 1},
    };
    struct corpus_matcher *matcher = matcher_of(entries, false);
    assert_int_equal(corpus_matcher_entries(matcher), Q_COUNT_OF(entries) - 1);
    for (size_t i = 0; i < Q_COUNT_OF(cases); i++)
        if (corpus_matcher_count(matcher, q_string_of(cases[i].text)) != cases[i].count)
            fail_msg("'%s' does not have %d", cases[i].text, (int)cases[i].count);
    corpus_matcher_release(matcher);
}

static void test_anywhere(void **state)
{
    (void)state;
    static const char *const entries[] = {"bad", "ad", "sub", NULL};
    struct corpus_matcher *matcher = matcher_of(entries, true);
    assert_int_equal(corpus_matcher_count(matcher, Q_STRING("xBADxadxs")), 2);
    assert_int_equal(corpus_matcher_count(matcher, Q_STRING("1sub2subs")), 2);
    assert_int_equal(corpus_matcher_entries(matcher), 3);
    corpus_matcher_release(matcher);
}

static void test_what_is_taken(void **state)
{
    (void)state;
    static const struct {
        const char *entry;
        bool taken;
    } cases[] = {{"x", true}, {"", false},  {" \t", false},        {"!?", false},
                 {"7", true}, {"X ", true}, {"\xE5\xA5\xB3", true}};
    struct corpus_matcher *matcher;
    assert_ok(corpus_matcher_create(false, &matcher));
    for (size_t i = 0; i < Q_COUNT_OF(cases); i++) {
        bool taken;
        assert_ok(corpus_matcher_add(matcher, q_string_of(cases[i].entry), &taken));
        assert_int_equal(taken, cases[i].taken);
    }
    assert_ok(corpus_matcher_finish(matcher));
    assert_int_equal(corpus_matcher_entries(matcher), 3); /* "x" and "X " are one */
    assert_int_equal(corpus_matcher_count(matcher, Q_STRING("! ?!? x!")), 1);
    corpus_matcher_release(matcher);
    static const char *const none[] = {NULL};
    matcher = matcher_of(none, false);
    assert_int_equal(corpus_matcher_count(matcher, Q_STRING("a text")), 0);
    corpus_matcher_release(matcher);
}

static void test_word_runs(void **state)
{
    (void)state;
    assert_int_equal(corpus_word_runs(Q_STRING("")), 0);
    assert_int_equal(corpus_word_runs(Q_STRING("The mill, it's 7 x_y ...")), 6);
    assert_int_equal(corpus_word_runs(Q_STRING("\xE5\xA5\xB3\xE5\x84\xAA\xE5\xA5\xB3 x\xE5\xA5\xB3y")), 4);
    assert_int_equal(corpus_word_runs(Q_STRING("\xE0\xB8\x81\xE0\xB8\xB2\xE0\xB8\xA3\xE0\xB8\x97\xE0\xB8\x94")), 2);
}

/* --- against the definition -------------------------------------------------------------------------------------------------------- */

enum { CHARACTERS_MAX = 512 };

struct characters {
    uint32_t c[CHARACTERS_MAX];
    bool word[CHARACTERS_MAX], unsided[CHARACTERS_MAX];
    size_t count;
};

static void characters_of(q_string text, bool trim, struct characters *out)
{
    out->count = 0;
    for (size_t at = 0, size; at < text.size; at += size) {
        uint32_t c = corpus_character_at((const uint8_t *)text.data + at, &size);
        const unsigned class = corpus_character_class(corpus_character_classes(), c);
        c = class & CORPUS_SPACE ? ' ' : (uint32_t)u_foldCase((UChar32)c, U_FOLD_CASE_DEFAULT);
        if (c == ' ' && out->count && out->c[out->count - 1] == ' ')
            continue;
        if (c == ' ' && !out->count && trim)
            continue;
        const size_t i = out->count++;
        const uint32_t mask = U_GET_GC_MASK((UChar32)c);
        out->c[i] = c;
        out->unsided[i] = (class & (CORPUS_DENSE | CORPUS_SPARSE)) != 0;
        out->word[i] = !out->unsided[i] && (mask & (U_GC_L_MASK | U_GC_M_MASK | U_GC_N_MASK | U_GC_PC_MASK));
    }
    if (trim && out->count && out->c[out->count - 1] == ' ')
        out->count--;
}

static bool stands_at(const struct characters *text, const struct characters *entry, size_t end, bool anywhere)
{
    const size_t from = end - entry->count;
    for (size_t i = 0; i < entry->count; i++)
        if (text->c[from + i] != entry->c[i])
            return false;
    const bool left = anywhere || entry->unsided[0], right = anywhere || entry->unsided[entry->count - 1];
    return (left || from == 0 || !text->word[from - 1]) && (right || end == text->count || !text->word[end]);
}

static bool is_taken(const struct characters *entry)
{
    for (size_t i = 0; i < entry->count; i++)
        if (entry->word[i] || entry->unsided[i])
            return true;
    return false;
}

static uint64_t count_plainly(const struct characters *entries, size_t count, bool anywhere, q_string bytes)
{
    static struct characters text;
    characters_of(bytes, false, &text);
    uint64_t found = 0;
    size_t behind = 0;
    for (size_t end = 1; end <= text.count; end++)
        for (size_t i = 0; i < count; i++)
            if (is_taken(&entries[i]) && entries[i].count <= end - behind &&
                stands_at(&text, &entries[i], end, anywhere)) {
                found++;
                behind = end;
                break;
            }
    return found;
}

/* xorshift64 (Marsaglia 2003) */
static uint64_t throw_dice(uint64_t *dice)
{
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    return *dice;
}

static size_t throw_text(uint64_t *dice, char *out, size_t pieces_max)
{
    static const char *const pieces[] = {"a",
                                         "A",
                                         "b",
                                         "ab",
                                         "ba",
                                         "aab",
                                         " ",
                                         "  ",
                                         "\n",
                                         "-",
                                         "+",
                                         "_",
                                         "1",
                                         "\xC2\xA0",
                                         "\xC3\xA4",
                                         "\xC3\x84",
                                         "\xE5\xA5\xB3",
                                         "\xE5\x84\xAA",
                                         "\xE5\x84\xAB",
                                         "\xE0\xB8\x81",
                                         "\xE0\xB8\xB2",
                                         "\xE0\xA5\x8D",
                                         "\xE2\x84\xAA",
                                         "k",
                                         "\xF0\x90\x90\x80",
                                         "\xF0\x90\x90\xA8",
                                         "\xF0\x9F\x98\x80",
                                         "\xE2\x80\x94"};
    const uint64_t count = throw_dice(dice) % pieces_max, few = throw_dice(dice) % 3 ? 7 : Q_COUNT_OF(pieces);
    size_t size = 0;
    for (uint64_t i = 0; i < count; i++) {
        const char *piece = pieces[throw_dice(dice) % few];
        memcpy(out + size, piece, strlen(piece));
        size += strlen(piece);
    }
    return size;
}

/* Entries of other letters, so many that the states behind a few bytes have no rows. */
static void add_crowd(struct corpus_matcher *matcher)
{
    for (unsigned i = 0; i < 10000; i++) {
        const char entry[] = {(char)('q' + i % 10), (char)('q' + i / 10 % 10), (char)('q' + i / 100 % 10),
                              (char)('q' + i / 1000)};
        bool taken;
        assert_ok(corpus_matcher_add(matcher, (q_string){entry, sizeof entry}, &taken));
    }
}

static void test_against_the_definition(void **state)
{
    (void)state;
    static struct characters plain[12];
    uint64_t dice = 20, found = 0;
    for (unsigned round = 0; round < 6000; round++) {
        const bool anywhere = throw_dice(&dice) % 4 == 0, crowded = round % 128 == 0;
        const size_t count = throw_dice(&dice) % (Q_COUNT_OF(plain) + 1);
        struct corpus_matcher *matcher;
        bool taken;
        char bytes[CHARACTERS_MAX];
        assert_ok(corpus_matcher_create(anywhere, &matcher));
        if (crowded)
            add_crowd(matcher);
        for (size_t i = 0; i < count; i++) {
            const q_string entry = {bytes, throw_text(&dice, bytes, 7)};
            characters_of(entry, true, &plain[i]);
            assert_ok(corpus_matcher_add(matcher, entry, &taken));
            assert_int_equal(taken, is_taken(&plain[i]));
        }
        assert_ok(corpus_matcher_finish(matcher));
        for (unsigned i = 0; i < (crowded ? 500 : 8); i++) {
            const q_string text = {bytes, throw_text(&dice, bytes, 60)};
            const uint64_t wanted = count_plainly(plain, count, anywhere, text);
            if (corpus_matcher_count(matcher, text) != wanted)
                fail_msg("round %u: '%.*s' has %d", round, Q_STRING_ARGS(text), (int)wanted);
            found += wanted;
        }
        corpus_matcher_release(matcher);
    }
    assert_true(found > 50000);
}

/* --- bounds ------------------------------------------------------------------------------------------------------------------------ */

/* A text that follows a long entry again and again and never to its end: a search that began anew at each word would take a million times a thousand
 * steps, and time out. */
static void test_linear(void **state)
{
    (void)state;
    enum { REPEATS = 4000000, ENTRY = 20000 };
    static char text[REPEATS * 2];
    struct corpus_matcher *matcher;
    bool taken;
    for (size_t i = 0; i < REPEATS; i++)
        memcpy(text + 2 * i, "a ", 2);
    assert_ok(corpus_matcher_create(false, &matcher));
    text[ENTRY - 2] = 'b';
    assert_ok(corpus_matcher_add(matcher, (q_string){text, ENTRY}, &taken));
    text[ENTRY - 2] = 'a';
    assert_ok(corpus_matcher_finish(matcher));
    assert_int_equal(corpus_matcher_count(matcher, (q_string){text, sizeof text}), 0);
    text[sizeof text - 2] = 'b';
    assert_int_equal(corpus_matcher_count(matcher, (q_string){text, sizeof text}), 1);
    corpus_matcher_release(matcher);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) {
        struct corpus_matcher *matcher = NULL;
        bool taken;
        q_memory_fail_at(k, 0);
        q_status status = corpus_matcher_create(false, &matcher);
        if (status == Q_OK)
            status = corpus_matcher_add(matcher, Q_STRING("cafe\xCC\x81"), &taken);
        if (status == Q_OK)
            status = corpus_matcher_add(matcher, Q_STRING("\xE5\xA5\xB3"), &taken);
        if (status == Q_OK)
            status = corpus_matcher_finish(matcher);
        q_memory_fail_at(0, 0);
        if (status == Q_OK)
            assert_int_equal(corpus_matcher_count(matcher, Q_STRING("caf\xC3\xA9 x\xE5\xA5\xB3")), 2);
        corpus_matcher_release(matcher);
        if (status == Q_OK) {
            assert_true(k > 8);
            return;
        }
        assert_int_equal(status, Q_ERR_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_anywhere),
        cmocka_unit_test(test_what_is_taken),
        cmocka_unit_test(test_word_runs),
        cmocka_unit_test(test_against_the_definition),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
