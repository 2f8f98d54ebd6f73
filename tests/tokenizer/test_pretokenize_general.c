/* Rules that are not built in: against the built-in ones, which the same patterns by PCRE2 must equal; behaviors; what is refused. */
#include "base/json.h"
#include "tests/base/cmocka_all.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/pretokenize/pretokenize_general.h"
#include "tokenizer/pretokenize/pretokenize_pattern.h"

#include <string.h>

enum { BYTES_MAX = 1 << 12 };

static bool has_pcre2;

static int look_for_pcre2(void **state)
{
    const struct pretokenizer *made;
    const struct pretokenize_rule rule = {.pattern = Q_STRING("a")};
    (void)state;
    has_pcre2 = pretokenizer_create(&rule, 1, &made) == Q_OK;
    if (has_pcre2)
        pretokenizer_release(made);
    else
        assert_non_null(strstr(q_error_text(), "built without PCRE2"));
    return 0;
}

static size_t cut(const struct pretokenizer *pretokenizer, struct pretokenize_scratch *scratch, q_string text,
                  size_t batch, size_t *ends)
{
    size_t at = 0, count = 0, got;
    do {
        assert_ok(pretokenizer_cut(pretokenizer, scratch, text, &at, ends + count, batch, &got));
        count += got;
    } while (got > 0);
    assert_int_equal(at, text.size);
    return count;
}

/* The built-in's own rules, by PCRE2. */
static void patterns_cut_as_the_built_in_ones(void **state)
{
    static size_t want[BYTES_MAX], got[BYTES_MAX];
    struct q_buffer text = {0};
    uint64_t dice = 13;
    (void)state;
    if (!has_pcre2)
        skip();
    for (size_t i = 0; pretokenizers[i]; i++) {
        const struct pretokenizer *built_in = pretokenizers[i], *made;
        struct pretokenize_rule rules[4];
        struct pretokenize_scratch scratch = {0};
        memcpy(rules, built_in->rules, built_in->rule_count * sizeof(*rules));
        assert_ok(pretokenize_general_create(rules, built_in->rule_count, &made));
        assert_true(q_string_starts(q_string_of(made->name), "rules-"));
        for (int round = 0; round < 1500; round++) {
            random_text(&dice, 1 + (unsigned)(dice_roll(&dice) % 60), round % 2, &text);
            size_t wanted = cut(built_in, &scratch, q_buffer_string(&text), BYTES_MAX, want);
            size_t count = cut(made, &scratch, q_buffer_string(&text), 1 + (size_t)round % 9, got);
            if (count != wanted || memcmp(want, got, count * sizeof(*got)) != 0)
                fail_msg("%s: '%.*s' is cut otherwise", built_in->name, Q_STRING_ARGS(q_buffer_string(&text)));
        }
        pretokenize_scratch_release(&scratch);
        pretokenizer_release(made);
    }
    q_buffer_release(&text);
}

/* The pieces joined by |; what Hugging Face's tokenizers 0.23.3 gives. */
static void check_pieces(const struct pretokenize_rule *rules, size_t count, const char *text, const char *wanted)
{
    const struct pretokenizer *made;
    struct pretokenize_scratch scratch = {0};
    struct q_buffer joined = {0};
    size_t ends[64], start = 0;
    assert_ok(pretokenizer_create(rules, count, &made));
    for (int turn = 0; turn < 2; turn++) { /* the second text of a scratch is as the first */
        q_buffer_clear(&joined);
        start = 0;
        size_t pieces = cut(made, &scratch, q_string_of(text), 3, ends);
        for (size_t i = 0; i < pieces; start = ends[i++])
            assert_ok(q_buffer_printf(&joined, "%s%.*s", i ? "|" : "", (int)(ends[i] - start), text + start));
        assert_ok(q_buffer_terminate(&joined));
        assert_string_equal(joined.data, wanted);
    }
    q_buffer_release(&joined);
    pretokenize_scratch_release(&scratch);
    pretokenizer_release(made);
}

static void behaviors_are_those_of_hugging_face(void **state)
{
    static const struct {
        struct pretokenize_rule rule;
        const char *text, *pieces;
    } known[] = {
        {{.kind = PRETOKENIZE_STRING, .pattern = {"-", 1}}, "the-final--countdown", "the|-|final|-|-|countdown"},
        {{.kind = PRETOKENIZE_STRING, .pattern = {"-", 1}, .behavior = PRETOKENIZE_CONTIGUOUS},
         "the-final--countdown",
         "the|-|final|--|countdown"},
        {{.kind = PRETOKENIZE_STRING, .pattern = {"-", 1}, .behavior = PRETOKENIZE_MERGED_WITH_PREVIOUS},
         "-the-final--countdown-",
         "-|the-|final-|-|countdown-"},
        {{.kind = PRETOKENIZE_STRING, .pattern = {"-", 1}, .behavior = PRETOKENIZE_MERGED_WITH_NEXT},
         "-the-final--countdown-",
         "-the|-final|-|-countdown|-"},
        {{.kind = PRETOKENIZE_STRING, .pattern = {"-", 1}, .behavior = PRETOKENIZE_MERGED_WITH_NEXT, .invert = true},
         "-the-final--",
         "-|the-|final-|-"},
        {{.kind = PRETOKENIZE_STRING, .pattern = {"", 0}}, "abc", "abc"},
        {{.kind = PRETOKENIZE_DIGITS}, "a12½b3", "a|12½|b|3"},
        {{.kind = PRETOKENIZE_DIGITS, .individual_digits = true}, "a12½b3", "a|1|2|½|b|3"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        check_pieces(&known[i].rule, 1, known[i].text, known[i].pieces);
    check_pieces(NULL, 0, "one piece", "one piece");
    const struct pretokenize_rule two[] = {
        {.kind = PRETOKENIZE_STRING, .pattern = {" ", 1}, .behavior = PRETOKENIZE_MERGED_WITH_NEXT},
        {.kind = PRETOKENIZE_DIGITS}};
    check_pieces(two, 2, "a1 b22 c", "a|1| b|22| c");
}

static void expressions_are_read_as_by_oniguruma(void **state)
{
    static const struct {
        const char *pattern, *text, *pieces;
    } known[] = {
        {"a$", "a\nba", "a|\nb|a"},
        {"^b", "bb\nb", "b|b\n|b"},
        {"\\p{N}{1,3}+", "1234567x", "1234567|x"},
        {"(?:ab){1,2}+", "ababababc", "abababab|c"},
        {"\\p{N}{1,3}", "1234567x", "123|456|7|x"},
        {"\\h+", "abz \t1", "ab|z \t|1"},
        {"[\\p{L}&&[^a-c]]+", "abcdef", "abc|def"},
        {"[a-c[x-z]]+", "abxdzc", "abx|d|zc"},
        {"[^\\P{L}a]+", "abca1", "a|bc|a1"},
        {"(?i:'s)", "'ſx'Sx'sx", "'ſ|x|'S|x|'s|x"},
        {"(?i)[b-d]+", "aBcA", "a|Bc|A"},
        {"a{,2}", "aaaab", "aa|aa|b"},
        {"a{,x", "a{,x", "a{,x"},
        {"(?=b)", "abab", "a|ba|b"},
        {"x*", "axxb", "a|xx|b"},
        {"\\bd", "d dd-éd", "d| |d|d-éd"},
        {"(?<=a)b", "abab", "a|b|a|b"},
        {"\\p{Han}+", "a中文b", "a|中文|b"},
        {"[^\\s]+", "ab cd", "ab| |cd"},
        {"\\x41\\u0042\\x{43}+", "ABCCD", "ABCC|D"},
        {".", "a\nb", "a|\n|b"},
        {"\\v", "a\vb\n", "a|\v|b\n"},
        {"(a)\\1", "aaa", "aa|a"},
    };
    (void)state;
    if (!has_pcre2)
        skip();
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const struct pretokenize_rule rule = {.pattern = q_string_of(known[i].pattern)};
        if (known[i].text)
            check_pieces(&rule, 1, known[i].text, known[i].pieces);
    }
}

static void what_cannot_be_reproduced_is_refused_by_name(void **state)
{
    static const struct {
        const char *pattern, *error;
    } known[] = {
        {"[[:punct:]]+", "the class '[:punct:]"},
        {"\\p{Greek_Extended}", "the class '\\p{Greek_Extended}'"},
        {"\\p{L", "the class '\\p{L'"},
        {"\\R", "the escape '\\R'"},
        {"[\\X]", "in a class '\\X'"},
        {"a{2}?", "the repetition '{2}?'"},
        {"a{3,2}", "the repetition"},
        {"a(?i)b", "behind other signs '(?i)'"},
        {"(?m:a)", "the group '(?m:'"},
        {"(?i)\\p{Lu}", "under (?i) the class '\\p{Lu}'"},
        {"(?i:ss)", "under (?i), where one character may stand for two, 'ss'"},
        {"(?i:é)", "under (?i) the character 'é'"},
        {"(a", "a group without end"},
        {"a)", "a group without start"},
        {"[a", "a class without end"},
        {"a\\", "at its end"},
        {"*a", "is no regular expression that quern knows"},
        {"(?<!a+)b", "is no regular expression that quern knows: lookbehind assertion is not fixed length"},
        {"[z-a]", "the range 'z-a'"},
    };
    (void)state;
    if (!has_pcre2)
        skip();
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const struct pretokenizer *made = NULL;
        const struct pretokenize_rule rule = {.pattern = q_string_of(known[i].pattern)};
        if (known[i].error)
            assert_fails(pretokenizer_create(&rule, 1, &made), Q_ERR_INPUT, known[i].error);
    }
}

/* A pattern that goes back and back is stopped, and named. */
static void endless_patterns_are_stopped(void **state)
{
    const struct pretokenize_rule rule = {.pattern = Q_STRING("(?:a|aa|aaa)+(?!.)(?:b|c)")};
    const struct pretokenizer *made;
    struct pretokenize_scratch scratch = {0};
    struct q_buffer text = {0};
    size_t at = 0, end, count;
    (void)state;
    if (!has_pcre2)
        skip();
    assert_ok(pretokenizer_create(&rule, 1, &made));
    for (int i = 0; i < 200; i++)
        assert_ok(q_buffer_append_byte(&text, 'a'));
    assert_fails(pretokenizer_cut(made, &scratch, q_buffer_string(&text), &at, &end, 1, &count), Q_ERR_INPUT,
                 "takes too many steps");
    pretokenize_scratch_release(&scratch);
    pretokenizer_release(made);
    q_buffer_release(&text);
}

static void names_tell_rules_apart(void **state)
{
    const struct pretokenize_rule rules[] = {{.kind = PRETOKENIZE_DIGITS},
                                             {.kind = PRETOKENIZE_DIGITS, .individual_digits = true}};
    const struct pretokenizer *a, *b, *again, *built_in;
    (void)state;
    assert_ok(pretokenizer_create(&rules[0], 1, &a));
    assert_ok(pretokenizer_create(&rules[0], 1, &again));
    assert_ok(pretokenizer_create(&rules[1], 1, &b));
    assert_string_equal(a->name, again->name);
    assert_string_not_equal(a->name, b->name);
    assert_int_equal(strlen(a->name), 22);
    assert_int_equal(pretokenizer_final(a, Q_STRING("a b c")), 0);
    pretokenizer_release(pretokenizer_keep(a));
    pretokenizer_release(a);
    pretokenizer_release(again);
    pretokenizer_release(b);
    assert_ok(pretokenizer_create(pretokenizers[3]->rules, pretokenizers[3]->rule_count, &built_in));
    assert_ptr_equal(built_in, pretokenizers[3]);
}

static void every_failed_allocation_is_survived(void **state)
{
    const struct pretokenize_rule rules[] = {{.pattern = Q_STRING("\\p{L}+|[^a-z&&\\w]")},
                                             {.kind = PRETOKENIZE_DIGITS}};
    (void)state;
    if (!has_pcre2)
        skip();
    for (uint64_t k = 1;; k++) {
        const struct pretokenizer *made = NULL;
        struct pretokenize_scratch scratch = {0};
        size_t at = 0, ends[64], count;
        q_memory_fail_at(k, 0);
        q_status status = pretokenizer_create(rules, 2, &made);
        if (!status)
            status = pretokenizer_cut(made, &scratch, Q_STRING("grain 12 \xFF of rye"), &at, ends, 64, &count);
        uint64_t calls = q_memory_fail_at(0, 0);
        pretokenize_scratch_release(&scratch);
        pretokenizer_release(made);
        if (calls < k) {
            assert_int_equal(status, Q_OK);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_cut_as_the_built_in_ones),
        cmocka_unit_test(behaviors_are_those_of_hugging_face),
        cmocka_unit_test(expressions_are_read_as_by_oniguruma),
        cmocka_unit_test(what_cannot_be_reproduced_is_refused_by_name),
        cmocka_unit_test(endless_patterns_are_stopped),
        cmocka_unit_test(names_tell_rules_apart),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, look_for_pcre2, NULL);
}
