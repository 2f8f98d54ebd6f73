/* Added tokens in a text: what Hugging Face's library finds with the same flags (tests/peers/pipelines_hf.py compares the two on random ones). */
#include "tokenizer/encode/added_tokens.h"

#include "tests/base/cmocka_all.h"

#include <string.h>

enum { PLAIN = 0, WORD = 1, LEFT = 2, RIGHT = 4 };

struct token {
    const char *text;
    int flags;
};

/* What is found, as text: matches in brackets as [number:covered], gaps as they are. */
static void find_all(const struct token *tokens, size_t count, const char *text, struct q_buffer *out)
{
    struct vocabulary_added added[8];
    struct vocabulary vocabulary = {.added = added, .added_count = count};
    struct added_tokens *automaton;
    struct added_walk walk = {0};
    struct added_match match;
    q_string all = q_string_of(text);
    for (size_t i = 0; i < count; i++)
        added[i] = (struct vocabulary_added){.text = q_string_of(tokens[i].text),
                                             .match = q_string_of(tokens[i].text),
                                             .id = (uint32_t)i,
                                             .single_word = tokens[i].flags & WORD,
                                             .lstrip = tokens[i].flags & LEFT,
                                             .rstrip = tokens[i].flags & RIGHT};
    assert_ok(added_tokens_create(&vocabulary, false, &automaton));
    q_buffer_clear(out);
    while (added_tokens_next(automaton, all, &walk, &match)) {
        assert_ok(q_buffer_append_string(out, q_string_slice(all, match.gap, match.start)));
        assert_ok(
            q_buffer_printf(out, "[%u:%.*s]", match.id, Q_STRING_ARGS(q_string_slice(all, match.start, match.end))));
    }
    assert_ok(q_buffer_append_string(out, q_string_slice(all, walk.done, all.size)));
    assert_ok(q_buffer_terminate(out));
    added_tokens_release(automaton);
}

#define FINDS(tokens, text, wanted)                                                                                    \
    do {                                                                                                               \
        struct q_buffer out_ = {0};                                                                                    \
        find_all(tokens, sizeof(tokens) / sizeof((tokens)[0]), text, &out_);                                           \
        assert_string_equal(out_.data, wanted);                                                                        \
        q_buffer_release(&out_);                                                                                       \
    } while (0)

static void the_leftmost_and_longest_is_found(void **state)
{
    static const struct token tokens[] = {{"x<", PLAIN}, {"<b", PLAIN}, {"<bc", PLAIN}, {"bcd", PLAIN}, {"aab", PLAIN}};
    (void)state;
    FINDS(tokens, "x<bc <bc <b c", "[0:x<]bc [2:<bc] [1:<b] c");
    FINDS(tokens, "<bcd", "[2:<bc]d"); /* not "bcd", which begins later */
    FINDS(tokens, "xbcd", "x[3:bcd]");
    FINDS(tokens, "aaab aab", "a[4:aab] [4:aab]");
    FINDS(tokens, "", "");
    FINDS(tokens, "nothing", "nothing");
}

static void a_token_inside_a_longer_one_that_fails_is_found(void **state)
{
    static const struct token tokens[] = {{"abcde", PLAIN}, {"bc", PLAIN}, {"cdx", PLAIN}};
    (void)state;
    FINDS(tokens, "abcdx", "a[1:bc]dx"); /* "cdx" overlaps it, and began later */
    FINDS(tokens, "abcde", "[0:abcde]");
    FINDS(tokens, "acdx", "a[2:cdx]");
}

static void strips_take_the_white_space_beside(void **state)
{
    static const struct token tokens[] = {{"<a>", LEFT | RIGHT}, {"<b>", LEFT}, {"<c>", RIGHT}};
    (void)state;
    FINDS(tokens, "x <a> y", "x[0: <a> ]y");
    FINDS(tokens, "x <a>  <b> y", "x[0: <a>  ][1:<b>] y"); /* the first has taken it already */
    FINDS(tokens, "\n<a>\xE3\x80\x80\xC2\xA0x", "[0:\n<a>\xE3\x80\x80\xC2\xA0]x");
    FINDS(tokens, "<c> <c>", "[2:<c> ][2:<c>]");
    FINDS(tokens, "  <a>", "[0:  <a>]");
    FINDS(tokens, "\xA0<b>", "\xA0[1:<b>]"); /* a broken byte is no space */
}

static void a_token_may_overlap_what_was_taken_before_it(void **state)
{
    static const struct token plain[] = {{"q", RIGHT}, {" ", PLAIN}, {" d", PLAIN}};
    static const struct token strips[] = {{"q", RIGHT}, {" ", LEFT}};
    (void)state;
    FINDS(plain, "q -", "[0:q ][1: ]-");
    FINDS(plain, "q  d", "[0:q  ][1: ][2: d]");
    FINDS(strips, "q -", "[0:q ]-");
}

static void a_single_word_has_no_word_beside_it(void **state)
{
    static const struct token tokens[] = {{"<w>", WORD}, {"w", PLAIN}};
    (void)state;
    FINDS(tokens, "<w>", "[0:<w>]");
    FINDS(tokens, "a<w> <w>b <w>  <w>_", "a<w> <w>b [0:<w>]  <w>_"); /* passed over whole: no "w" inside */
    FINDS(tokens, "\xC3\xA9<w>-<w>\xCC\x81", "\xC3\xA9<w>-<w>\xCC\x81");
    FINDS(tokens, "\xE2\x82\xAC<w>\xE2\x82\xAC", "\xE2\x82\xAC[0:<w>]\xE2\x82\xAC");
}

/* All prefixes of a long token are tokens' beginnings, and the text is made of them: linear, or this takes minutes. */
static void a_text_of_beginnings_is_searched_in_one_pass(void **state)
{
    enum { LONG = 5000, TEXT = 2000000 };
    struct q_buffer token = {0}, text = {0}, out = {0};
    (void)state;
    for (int i = 0; i < LONG; i++)
        assert_ok(q_buffer_append_byte(&token, 'a'));
    assert_ok(q_buffer_append(&token, "b", 2));
    for (int i = 0; i < TEXT; i++)
        assert_ok(q_buffer_append_byte(&text, 'a'));
    assert_ok(q_buffer_append(&text, "b", 2));
    const struct token tokens[] = {{token.data, PLAIN}};
    find_all(tokens, 1, text.data, &out);
    assert_int_equal(out.size, TEXT + 1 + strlen("[0:]"));
    q_buffer_release(&token);
    q_buffer_release(&text);
    q_buffer_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_leftmost_and_longest_is_found),
        cmocka_unit_test(a_token_inside_a_longer_one_that_fails_is_found),
        cmocka_unit_test(strips_take_the_white_space_beside),
        cmocka_unit_test(a_token_may_overlap_what_was_taken_before_it),
        cmocka_unit_test(a_single_word_has_no_word_beside_it),
        cmocka_unit_test(a_text_of_beginnings_is_searched_in_one_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
