/* Words, metrics, repetition, and every family of rules with worked examples. The verdicts of datatrove 0.9 on the same texts are compared in
 * tests/peers/rules.sh. */
#include "base/check.h"
#include "base/fs.h"
#include "corpus/corpus_settings.h"
#include "corpus/rules/rules.h"
#include "corpus/text/count_bytes.h"
#include "corpus/text/text_lines.h"
#include "tests/base/cmocka_all.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct q_arena arena;
static struct corpus_judge *judge;
static struct corpus_words words;
static struct corpus_hash_set set;
static struct corpus_repetition_scratch scratch;

/* --- words ------------------------------------------------------------------------------------------------------------------------- */

/* Whether the text is cut into the pieces of `wanted`, which stand between '|'. */
static void expect_words(const char *text, const char *wanted)
{
    q_string rest = q_string_of(wanted);
    assert_ok(corpus_words_cut(q_string_of(text), &words));
    for (size_t i = 0; i < words.count; i++) {
        size_t end = Q_MIN(q_string_find(rest, Q_STRING("|"), 0), rest.size);
        q_string word = q_string_slice(rest, 0, end);
        uint32_t characters = 0;
        for (size_t k = 0; k < word.size; k++)
            characters += (word.data[k] & 0xC0) != 0x80;
        if (words.items[i].hash != corpus_word_hash(word) || words.items[i].characters != characters)
            fail_msg("'%s': word %zu is not '%.*s'", text, i, Q_STRING_ARGS(word));
        rest = q_string_slice(rest, end + 1, rest.size);
    }
    if (rest.size)
        fail_msg("'%s': '%.*s' is missing", text, Q_STRING_ARGS(rest));
}

/* As spaCy 3.8's blank English pipeline cuts them, white space dropped. */
static void test_words(void **state)
{
    (void)state;
    expect_words("", "");
    expect_words("The mill, and 42 wheels...", "The|mill|,|and|42|wheels|...");
    expect_words("(\"Well?\") he said.", "(|\"|Well|?|\"|)|he|said|.");
    expect_words("I don't; she'll. John's dogs' U.S. end.", "I|do|n't|;|she|'ll|.|John|'s|dogs|'|U.S.|end|.");
    expect_words("Mr. Smith, e.g. this. Inc.", "Mr.|Smith|,|e.g.|this|.|Inc.");
    expect_words("well-known mother-in-law 1-2 a-1 --x", "well|-|known|mother|-|in|-|law|1|-|2|a-1|--x");
    expect_words("word,word end.Next 3.14 1,000 and/or x/y", "word|,|word|end|.|Next|3.14|1,000|and/or|x|/|y");
    expect_words("see http://a.org/b-c, www.x.org or me@x.org!", "see|http://a.org/b-c|,|www.x.org|or|me@x.org|!");
    expect_words("10km 5% $7 9\xE2\x82\xAC +4 +x 7+", "10|km|5|%|$|7|9|\xE2\x82\xAC|+4|+|x|7|+");
    expect_words("it\xE2\x80\x99s \xE2\x80\x9Cq\xE2\x80\x9D don\xE2\x80\x99t a\xE2\x80\x94"
                 "b wait\xE2\x80\xA6",
                 "it|\xE2\x80\x99s|\xE2\x80\x9C|q|\xE2\x80\x9D|do|n\xE2\x80\x99t|a|\xE2\x80\x94|b|wait|\xE2\x80\xA6");
    expect_words("cannot f(x) [1] a..b \xC2\xA9x", "can|not|f(x|)|[|1|]|a|..|b|\xC2\xA9|x");
    expect_words("a\xC2\xA0"
                 "b\xE3\x80\x80"
                 "c",
                 "a|b|c"); /* spaces beyond ASCII */
}

/* Scripts without spaces: two letters of Han and kana, four of Thai; Latin words among them are words, and Korean has spaces. */
static void test_scripts_without_spaces(void **state)
{
    (void)state;
    expect_words("\xE6\xB0\xB4\xE8\xBB\x8A\xE3\x81\xAF\xE5\xB7\x9D\xE3\x80\x82",
                 "\xE6\xB0\xB4\xE8\xBB\x8A|\xE3\x81\xAF\xE5\xB7\x9D|\xE3\x80\x82");
    expect_words("LibreOffice\xE3\x81\xAE\xE6\x96\x87\xE6\x9B\xB8",
                 "LibreOffice|\xE3\x81\xAE\xE6\x96\x87|\xE6\x9B\xB8");
    expect_words("\xE0\xB8\x81\xE0\xB8\xB2\xE0\xB8\xA3\xE0\xB8\x97\xE0\xB8\x94",
                 "\xE0\xB8\x81\xE0\xB8\xB2\xE0\xB8\xA3\xE0\xB8\x97|\xE0\xB8\x94");
    expect_words("\xED\x95\x9C\xEA\xB5\xAD\xEC\x96\xB4 \xEB\xAC\xB8\xEC\x84\x9C",
                 "\xED\x95\x9C\xEA\xB5\xAD\xEC\x96\xB4|\xEB\xAC\xB8\xEC\x84\x9C");
}

/* Takes the white space out of the text; returns the size that is left. */
static size_t without_space(char *text, size_t size)
{
    const uint16_t *classes = corpus_character_classes();
    size_t left = 0;
    for (size_t at = 0, bytes; at < size; at += bytes) {
        uint32_t character = corpus_character_at((const uint8_t *)text + at, &bytes);
        if (corpus_character_class(classes, character) & CORPUS_SPACE)
            continue;
        memmove(text + left, text + at, bytes);
        left += bytes;
    }
    return left;
}

/* Any text: the words are pieces of it, in order, and cover all that is not white space. */
static void test_words_cover_the_text(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a",
                                         "B",
                                         "word",
                                         "'s",
                                         "n't",
                                         ".",
                                         "..",
                                         "...",
                                         ",",
                                         "-",
                                         "--",
                                         "/",
                                         ":",
                                         "(",
                                         ")",
                                         "\"",
                                         "'",
                                         "10",
                                         "km",
                                         "%",
                                         "+",
                                         "$",
                                         "@",
                                         "\n",
                                         " ",
                                         "\t",
                                         "#",
                                         "www.",
                                         "http://",
                                         "\xE6\xB0\xB4",
                                         "\xE0\xB8\x81",
                                         "\xE2\x80\x99",
                                         "\xC2\xA0",
                                         "\xC2\xA9",
                                         "\xE2\x80\xA6",
                                         "\xF0\x9F\x98\x80"};
    uint64_t dice = 21;
    for (unsigned round = 0; round < 20000; round++) {
        char text[256];
        size_t size = 0;
        for (unsigned i = 0; i < 24; i++)
            size +=
                (size_t)snprintf(text + size, sizeof text - size, "%s", pieces[dice_roll(&dice) % Q_COUNT_OF(pieces)]);
        assert_ok(corpus_words_cut((q_string){text, size}, &words));
        size = without_space(text, size);
        size_t at = 0;
        for (size_t i = 0; i < words.count; i++) {
            size_t begin = at, bytes;
            for (uint32_t left = words.items[i].characters; left > 0 && at < size; left--, at += bytes)
                corpus_character_at((const uint8_t *)text + at, &bytes);
            assert_true(at > begin);
            assert_true(words.items[i].hash == corpus_word_hash((q_string){text + begin, at - begin}));
        }
        assert_int_equal(at, size);
    }
}

/* --- metrics ----------------------------------------------------------------------------------------------------------------------- */

static struct corpus_metrics measure(const char *text)
{
    struct corpus_metrics m;
    assert_ok(corpus_words_cut(q_string_of(text), &words));
    assert_ok(corpus_measure(q_string_of(text), &words, &set, &m));
    return m;
}

static void test_metrics(void **state)
{
    (void)state;
    struct corpus_metrics m = measure("The mill, and 42 wheels...\n\n- to #1\nwait\xE2\x80\xA6");
    assert_int_equal(m.words, 13); /* The mill , and 42 wheels ... - to # 1 wait U+2026 */
    assert_int_equal(m.plain_words, 8);
    assert_int_equal(m.plain_characters, 3 + 4 + 3 + 2 + 6 + 2 + 1 + 4);
    assert_int_equal(m.letter_words, 6);
    assert_int_equal(m.chunks, 9);
    assert_int_equal(m.characters, 41);
    assert_int_equal(m.newlines, 3);
    assert_int_equal(m.lines, 4);
    assert_int_equal(m.text_lines, 3);
    assert_int_equal(m.short_lines, 3);
    assert_int_equal(m.longest_line, 26);
    assert_int_equal(m.bullet_lines, 1);
    assert_int_equal(m.ellipsis_lines, 2);
    assert_int_equal(m.stopped_lines, 1);
    assert_int_equal(m.ellipses, 2);
    assert_int_equal(m.hashes, 1);
    assert_int_equal(measure("......").ellipses, 2);
    assert_int_equal(measure(".. .").ellipses, 0);
    assert_int_equal(measure("One. Two! Three?\nFour").sentences, 4);
    assert_int_equal(measure("He said \"Stop.\" Then e.g. nothing").sentences, 2);
    m = measure("a a\na a\nb\na a");
    assert_int_equal(m.duplicate_lines, 2);
    assert_int_equal(m.duplicate_line_characters, 6);
    assert_int_equal(m.repeated_lines, 3);
    assert_int_equal(m.repeated_line_characters, 9);
    m = measure("");
    assert_int_equal(m.words + m.lines + m.characters + m.sentences, 0);
}

/* Every length and offset of bytes of every kind against the plain way. */
static void test_count_bytes(void **state)
{
    (void)state;
    char text[64];
    uint64_t dice = 3;
    for (unsigned round = 0; round < 20000; round++) {
        size_t size = dice_roll(&dice) % sizeof text;
        uint64_t characters = 0, newlines = 0;
        for (size_t i = 0; i < size; i++) {
            text[i] = dice_roll(&dice) % 4 ? (char)dice_roll(&dice) : "\n\x0B\x8A\x80"[dice_roll(&dice) % 4];
            characters += (text[i] & 0xC0) != 0x80;
            newlines += text[i] == '\n';
        }
        assert_int_equal(corpus_count_characters((q_string){text, size}), characters);
        assert_int_equal(corpus_count_byte((q_string){text, size}, '\n'), newlines);
    }
}

static void test_phrases(void **state)
{
    (void)state;
    static const struct corpus_phrase phrases[] = {{"javascript", 0}, {"use cookies", 7}, {"e c", 0}};
    assert_int_equal(corpus_phrases_in(Q_STRING("JavaScrip"), phrases, 3), 0);
    assert_int_equal(corpus_phrases_in(Q_STRING("xJavaScriptx"), phrases, 3), 1);
    assert_int_equal(corpus_phrases_in(Q_STRING("We USE Cookies"), phrases, 3), 6);
    assert_int_equal(corpus_phrases_in(Q_STRING("se cookies"), phrases, 3), 4);
    assert_int_equal(corpus_phrases_in(Q_STRING(""), phrases, 3), 0);
}

/* More lines than the table of lines has room for in the beginning: none is lost when it grows. */
static void test_many_lines(void **state)
{
    (void)state;
    enum { LINES = 5 * CORPUS_HASH_SET_FEW };
    struct q_buffer text = {0};
    struct corpus_metrics m;
    for (unsigned i = 0; i < 2 * LINES; i++)
        assert_ok(q_buffer_printf(&text, "%05x\n", i % LINES));
    assert_ok(corpus_words_cut(q_buffer_string(&text), &words));
    assert_ok(corpus_measure(q_buffer_string(&text), &words, &set, &m));
    assert_int_equal(m.text_lines, 2 * LINES);
    assert_int_equal(m.duplicate_lines, LINES);
    assert_int_equal(m.repeated_lines, 2 * LINES);
    q_buffer_release(&text);
}

/* --- repetition -------------------------------------------------------------------------------------------------------------------- */

static struct corpus_repetition repetition(q_string text)
{
    static const size_t turn_grams[] = {0, 1, 20}; /* in one turn, in 16, in a few: small ones, in which hashes crowd */
    struct corpus_repetition fast, plain;
    assert_ok(corpus_words_cut(text, &words));
    assert_ok(corpus_repetition_plain(text, &words, &scratch, &plain));
    for (size_t i = 0; i < Q_COUNT_OF(turn_grams); i++) {
        scratch.turn_grams = turn_grams[i];
        assert_ok(corpus_repetition_measure(text, &words, &scratch, &fast));
        assert_memory_equal(&fast, &plain, sizeof fast);
    }
    return fast;
}

static void test_repetition(void **state)
{
    (void)state;
    struct corpus_repetition r = repetition(Q_STRING("a b a b c a b"));
    assert_int_equal(r.extra_top_grams[0], 3 * 3); /* "a b" three times */
    assert_int_equal(r.every_top_grams[0], 3 * 2);
    assert_int_equal(r.extra_top_grams[1], 5); /* nothing three words long is there twice: the first */
    r = repetition(Q_STRING("a b c d e a b c d e a b c d e"));
    assert_int_equal(r.extra_grams[0], 10); /* five words: the second and the third time */
    assert_int_equal(r.every_grams[0], 15);
    assert_int_equal(r.extra_grams[5], 10); /* ten words from the sixth on are the first ten */
    assert_int_equal(r.every_grams[5], 15);
    r = repetition(Q_STRING("x y\n\nz\n\n\nx y\n\nx y"));
    assert_int_equal(r.paragraphs, 4);
    assert_int_equal(r.extra_paragraphs, 2);
    assert_int_equal(r.extra_paragraph_characters, 6);
    assert_int_equal(r.every_paragraphs, 3);
    r = repetition(Q_STRING("a\nb\n\na\nb"));
    assert_int_equal(r.extra_paragraph_characters, 3);
    assert_int_equal(r.every_paragraph_characters, 4); /* all of the characters of lines */
    r = repetition(Q_STRING(""));
    assert_int_equal(r.paragraphs + r.word_characters + r.extra_top_grams[0], 0);
    r = repetition(Q_STRING("one"));
    assert_int_equal(r.extra_top_grams[0], 0);
}

/* The fast way and the plain one, on texts of few words, which repeat in every way, and of many. */
static void test_repetition_against_plain(void **state)
{
    (void)state;
    struct q_buffer text = {0};
    uint64_t dice = 5;
    for (unsigned round = 0; round < 3000; round++) {
        unsigned vocabulary = 1 + (unsigned)(dice_roll(&dice) % (round % 3 ? 6 : 200)),
                 count = (unsigned)(dice_roll(&dice) % 120);
        q_buffer_clear(&text);
        for (unsigned i = 0; i < count; i++)
            assert_ok(q_buffer_printf(&text, "%.*s%s", 1 + (int)(dice_roll(&dice) % vocabulary % 7),
                                      "abcdefghij" + dice_roll(&dice) % vocabulary % 3,
                                      dice_roll(&dice) % 9   ? " "
                                      : dice_roll(&dice) % 2 ? "\n"
                                                             : "\n\n"));
        repetition(q_buffer_string(&text));
    }
    q_buffer_release(&text);
}

/* --- families ---------------------------------------------------------------------------------------------------------------------- */

static struct corpus_settings settings_of(const char *yaml)
{
    struct corpus_settings settings;
    struct q_node *section = NULL;
    if (yaml)
        assert_ok(q_yaml_parse(q_string_of(yaml), "recipe.yaml", &arena, &section));
    assert_ok(corpus_settings_load(section, QUERN_SOURCE "/recipes", &arena, &settings));
    return settings;
}

static struct corpus_line_count counts[CORPUS_LINE_REASONS_MAX];

/* The reason, "kept" where there is none; what is left of the text goes to *left. */
static const char *verdict_on(const struct corpus_settings *settings, const char *text, const char *lang, bool code,
                              const char **left)
{
    static char kept[4096];
    struct corpus_subject subject = {.text = q_string_of(text),
                                     .lang = q_string_of(lang),
                                     .lang_score = 1,
                                     .code = code,
                                     .rules = corpus_rules_for(settings, q_string_of(lang))};
    const struct corpus_rule *rule;
    memset(counts, 0, sizeof counts);
    assert_ok(corpus_judge_text(judge, &subject, counts, NULL, &rule));
    snprintf(kept, sizeof kept, "%.*s", Q_STRING_ARGS(subject.text));
    if (left)
        *left = kept;
    return rule ? rule->name : "kept";
}

static const char *verdict(const struct corpus_settings *settings, const char *text, const char *lang)
{
    return verdict_on(settings, text, lang, false, NULL);
}

static struct q_buffer built;
/* `piece` so many times, between them `gap`. */
static const char *times(unsigned count, const char *piece, const char *gap)
{
    q_buffer_clear(&built);
    for (unsigned i = 0; i < count; i++)
        assert_ok(q_buffer_printf(&built, "%s%s", i ? gap : "", piece));
    assert_ok(q_buffer_terminate(&built));
    return built.data;
}

static void test_gopher(void **state)
{
    (void)state;
    const struct corpus_settings standard = settings_of(NULL), off = settings_of("gopher: {enabled: false}"),
                                 german = settings_of("gopher: {stop_words: [die, der]}");
    char text[4096], good[1024];
    snprintf(good, sizeof good, "%s", times(6, "The old mill stands with its wheel by the river.", "\n"));
    assert_string_equal(verdict(&standard, good, "en"), "kept");
    assert_string_equal(verdict(&standard, "Too short to be kept.", "en"), "gopher.words");
    assert_string_equal(verdict(&off, "Too short to be kept.", "en"), "kept");
    snprintf(text, sizeof text, "%s #########", good);
    assert_string_equal(verdict(&standard, text, "en"), "gopher.hash-ratio");
    snprintf(text, sizeof text, "%s %s", good, times(10, "...", " x "));
    assert_string_equal(verdict(&standard, text, "en"), "gopher.ellipsis-ratio");
    assert_string_equal(verdict(&standard, times(60, "of", " "), "en"), "gopher.mean-word-length");
    assert_string_equal(verdict(&standard, times(20, "- the mill of farmers", "\n"), "en"), "gopher.bullet-lines");
    assert_string_equal(
        verdict(&standard, times(6, "the mill of the old man by the river and\nmore of all that there is ...", "\n"),
                "en"),
        "gopher.ellipsis-lines");
    assert_string_equal(verdict(&standard, times(20, "the mill 1234 of", "\n"), "en"), "gopher.letter-words");
    struct corpus_settings symbols = standard;
    symbols.rules.gopher.symbols_are_words = true;
    snprintf(text, sizeof text, "%s", times(20, "the mills of old (again).", "\n"));
    assert_string_equal(verdict(&standard, text, "en"), "kept");
    assert_string_equal(verdict(&symbols, text, "en"), "gopher.letter-words");
    snprintf(text, sizeof text, "%s", times(30, "alte M\xC3\xBChlen", " "));
    assert_string_equal(verdict(&standard, text, "en-GB"), "gopher.stop-words");
    assert_string_equal(verdict(&standard, text, "de"), "kept"); /* the standard list is asked of English only, */
    assert_string_equal(verdict(&german, text, "de"), "gopher.stop-words"); /* a given one of all */
    snprintf(text, sizeof text, "%s der die der", times(30, "alte M\xC3\xBChlen", " "));
    assert_string_equal(verdict(&german, text, "de"), "kept");
}

struct seen {
    const char *name;
    struct corpus_verdict verdict;
};
static void note(void *context, const struct corpus_rule *rule, const struct corpus_verdict *verdict)
{
    struct seen *seen = context;
    if (strcmp(rule->name, seen->name) == 0)
        seen->verdict = *verdict;
}

/* Mean word length of a text without spaces: no number, and so no verdict. A visitor sees every rule, also behind a failure. */
static void test_a_rule_that_does_not_apply(void **state)
{
    (void)state;
    const struct corpus_settings standard = settings_of(NULL);
    struct seen seen = {.name = "gopher.mean-word-length"};
    const struct corpus_verdict_visitor visitor = {note, &seen};
    const char *text = times(10, "\xE6\xB0\xB4\xE8\xBB\x8A\xE3\x80\x82", "");
    struct corpus_subject subject = {.text = q_string_of(text), .lang = Q_STRING("ja"), .rules = &standard.rules};
    const struct corpus_rule *rule;
    assert_ok(corpus_judge_text(judge, &subject, counts, &visitor, &rule));
    assert_string_equal(rule->name, "gopher.words");
    assert_true(isnan(seen.verdict.measure) && seen.verdict.pass);
    assert_string_equal(verdict(&standard, times(60, "\xE6\xB0\xB4\xE8\xBB\x8A\xE3\x80\x82", ""), "ja"), "kept");
}

static void test_repetition_rules(void **state)
{
    (void)state;
    const struct corpus_settings extra = settings_of("{gopher: {enabled: false}, repetition: {enabled: true}}");
    const struct corpus_settings every =
        settings_of("{gopher: {enabled: false}, repetition: {enabled: true, counting: every}}");
    assert_string_equal(verdict(&extra,
                                "one line of many words that are all quite different\nand another one which says "
                                "something else again\nthen a third",
                                "en"),
                        "kept");
    assert_string_equal(verdict(&extra, "one\n\none\n\none\n\ntwo", "en"), "repetition.paragraphs");
    assert_string_equal(
        verdict(&extra, "a long line that is there twice\nshort\nand\nsweet\nof\nall\na long line that is there twice",
                "en"),
        "repetition.line-characters");
    assert_string_equal(verdict(&extra, "a b\nc d e f g h i j k l m n o p q r s t u v w x y z\na b", "en"),
                        "repetition.lines");
    assert_string_equal(verdict(&extra, "so so so so so so", "en"), "repetition.top-2");
    q_buffer_clear(&built); /* a hundred words, the first of them once more */
    for (unsigned i = 0; i < 130; i++)
        assert_ok(q_buffer_printf(&built, "w%u ", i < 100 ? i : i - 100));
    assert_ok(q_buffer_terminate(&built));
    assert_string_equal(verdict(&extra, built.data, "en"), "repetition.grams-5");
    /* One line twice among ten is a tenth of the lines extra, two tenths of every: a bound between tells them apart. */
    const char *ten = "ten lines\nof which nine\nare quite different\nand so are\nall their words\nbut not this\nfor "
                      "every one\nwould count twice\nand extra once\nten lines";
    assert_string_equal(verdict(&extra, ten, "en"), "kept");
    struct corpus_settings strict = every;
    strict.rules.repetition.lines_max = 0.15;
    assert_string_equal(verdict(&strict, ten, "en"), "repetition.lines");
    strict.rules.repetition.counting = CORPUS_COUNT_EXTRA;
    assert_string_equal(verdict(&strict, ten, "en"), "kept");
}

static uint64_t lines_out(const char *reason)
{
    for (size_t i = 0; counts[i].reason; i++)
        if (strcmp(counts[i].reason, reason) == 0)
            return counts[i].lines;
    return 0;
}

static void test_c4(void **state)
{
    (void)state;
    const struct corpus_settings c4 = settings_of("{gopher: {enabled: false}, c4: {enabled: true}}");
    const struct corpus_settings fineweb =
        settings_of("{gopher: {enabled: false}, c4: {enabled: true, terminal_punctuation: false}}");
    const char *left, *text = "Home | About | Contact us\n"
                              "  The mill[12] stood here for years. It ground the corn.  \n"
                              "\n"
                              "Please enable JavaScript to read on.\n"
                              "We use cookies on this site.\n"
                              "Too short.\n"
                              "It was sold in 1900[citation needed]. The wheel was gone! Nobody asked why.\n"
                              "And so it went on...";
    assert_string_equal(verdict_on(&c4, text, "en", false, &left), "kept");
    assert_string_equal(left, "The mill stood here for years. It ground the corn.\n"
                              "It was sold in 1900. The wheel was gone! Nobody asked why.");
    assert_int_equal(lines_out("c4.terminal-punctuation"), 2);
    assert_int_equal(lines_out("c4.javascript"), 1);
    assert_int_equal(lines_out("c4.policy"), 1);
    assert_int_equal(lines_out("c4.line-words"), 1); /* the blank line is none */
    assert_string_equal(verdict_on(&fineweb, text, "en", false, &left), "kept");
    assert_non_null(strstr(left, "Home | About | Contact us\nThe mill"));
    assert_string_equal(verdict(&c4, "One two three. One two three. One two three. One two three.", "en"),
                        "c4.sentences");
    const char *five = "One two three. One two three. One two three. One two three. One two three.";
    assert_string_equal(verdict(&c4, five, "en"), "kept");
    char more[512];
    snprintf(more, sizeof more, "%s\nThen int main() { it ends.", five);
    assert_string_equal(verdict(&c4, more, "en"), "c4.curly-bracket");
    snprintf(more, sizeof more, "%s\nWe use[1] cookies on this site for you.",
             five); /* a phrase without the citation */
    assert_string_equal(verdict_on(&c4, more, "en", false, &left), "kept");
    assert_string_equal(left, five);
    snprintf(more, sizeof more, "%s\n{\n", five); /* in a line that goes anyway */
    assert_string_equal(verdict(&c4, more, "en"), "kept");
    snprintf(more, sizeof more, "%s\nHere is Lorem Ipsum for you.", five);
    assert_string_equal(verdict(&c4, more, "en"), "c4.lorem-ipsum");
    assert_string_equal(verdict(&c4, "", "en"), "c4.sentences");
}

static void test_fineweb(void **state)
{
    (void)state;
    const struct corpus_settings fineweb = settings_of("{gopher: {enabled: false}, fineweb: {enabled: true}}");
    char text[2048];
    assert_string_equal(verdict(&fineweb, "A line that is long enough to be one, and that ends well.", "en"), "kept");
    assert_string_equal(
        verdict(&fineweb, times(9, "A line that is long enough to be one, and that has no end", "\n"), "en"),
        "fineweb.stopped-lines");
    assert_string_equal(verdict(&fineweb, "One short line.\nAnd two.\nAnd three.", "en"), "fineweb.short-lines");
    snprintf(text, sizeof text, "%s", times(2, "A line that is long enough to be one, and that ends well.", "\n"));
    assert_string_equal(verdict(&fineweb, text, "en"), "fineweb.duplicate-characters");
    assert_string_equal(
        verdict(&fineweb,
                "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbb\nBbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.\n"
                "Cccccccccccccccccccccccccccccccccccccccccccc\nDddddddddddddddddddddddddddddddddddd",
                "en"),
        "fineweb.newlines-per-word");
}

static void test_dclm(void **state)
{
    (void)state;
    const struct corpus_settings dclm = settings_of("{gopher: {enabled: false}, dclm: {enabled: true}}");
    struct corpus_settings loose = dclm;
    loose.rules.dclm.removed_words_max = 1;
    const char *left, *text = "READ THIS NOW OR NEVER\n12345\n1.2K Likes\nalone\n3 apples\nSign-in to read Read "
                              "more...\n2 items in cart here\nSign-in Read more...\n\u2022 3 likes"
                              "\n3\u00A0likes\n1,200 views!\n3 \u00FClikes";
    assert_string_equal(verdict_on(&loose, text, "en", false, &left), "kept");
    assert_string_equal(left, "3 apples\nto read\n2  here\n3 \u00FClikes");
    assert_int_equal(lines_out("dclm.uppercase"), 1);
    assert_int_equal(lines_out("dclm.digits"), 1);
    assert_int_equal(lines_out("dclm.counter"), 4);
    assert_int_equal(lines_out("dclm.line-words"), 1);
    assert_int_equal(lines_out("dclm.boilerplate"), 1);
    assert_string_equal(verdict(&dclm, text, "en"), "dclm.removed-words");
    assert_string_equal(verdict(&dclm, times(40, "twenty good words", " "), "en"), "kept");
}

static void test_code(void **state)
{
    (void)state;
    const struct corpus_settings code = settings_of("code: {enabled: true}");
    const char *left, *text = "#!/bin/sh\n# Copyright 2026 somebody\n# All rights reserved\n\necho hello\nexit 0\n";
    assert_string_equal(verdict_on(&code, text, "en", true, &left), "kept");
    assert_string_equal(left, "#!/bin/sh\necho hello\nexit 0\n");
    assert_int_equal(lines_out("code.licence-header"), 2);
    assert_string_equal(verdict_on(&code, "/* Licensed to all\n * of you */\nint x;\n", "en", true, &left), "kept");
    assert_string_equal(left, "int x;\n");
    assert_string_equal(verdict_on(&code, "/* What it is for */\nint x;\n", "en", true, &left), "kept");
    assert_string_equal(left, "/* What it is for */\nint x;\n");
    assert_string_equal(verdict(&code, "int x;\n", "en"), "gopher.words"); /* prose by its name */
    assert_string_equal(verdict_on(&code, "// Code generated by a tool. DO NOT EDIT.\nint x;\n", "en", true, NULL),
                        "code.generated");
    assert_string_equal(verdict_on(&code, "/* Copyright 2026 */\n#include <a.h>\n\tint x;\n", "en", true, &left),
                        "kept");
    assert_string_equal(left, "#include <a.h>\n\tint x;\n");
    const char *guard = "#ifndef LICENSE_H\n#define LICENSE_H\n#include <stdio.h>\n\nint license_check(void);\n";
    assert_string_equal(verdict_on(&code, guard, "en", true, &left), "kept");
    assert_string_equal(left, guard);
    assert_string_equal(verdict_on(&code, "/*! x | Copyright (c) y */(function(){})();\nvar b=2;", "en", true, &left),
                        "kept");
    assert_string_equal(left, "(function(){})();\nvar b=2;");
    assert_string_equal(verdict_on(&code, "/* Copyright 2026 */ int x;", "en", true, &left), "kept");
    assert_string_equal(left, "int x;");
    assert_string_equal(verdict_on(&code, "/* Generated by a tool.\n * Copyright 2026 */\nint x;\n", "en", true, NULL),
                        "code.generated");
    assert_string_equal(verdict_on(&code, times(300, "int x;", " "), "en", true, NULL), "code.line-length");
    assert_string_equal(verdict_on(&code, times(30, "int x;", " "), "en", true, NULL), "code.mean-line-length");
    assert_string_equal(verdict_on(&code, times(20, "{ ( [ ; ] ) }", "\n"), "en", true, NULL), "code.alphanumeric");
    assert_string_equal(verdict_on(&code, times(20, "12, 34, 56,", "\n"), "en", true, NULL), "code.letters");
}

/* --- settings ---------------------------------------------------------------------------------------------------------------------- */

static void test_profiles(void **state)
{
    (void)state;
    static const char *const names[] = {"fineweb", "fineweb-2", "c4", "gopher", "dclm", "deepseek"};
    for (size_t i = 0; i < Q_COUNT_OF(names); i++) {
        char yaml[64];
        snprintf(yaml, sizeof yaml, "profile: %s", names[i]);
        assert_string_equal(settings_of(yaml).profile, names[i]);
    }
    struct corpus_settings s = settings_of("{profile: fineweb, gopher: {words_min: 20}, languages: [de, en]}");
    assert_true(s.rules.c4.enabled && !s.rules.c4.terminal_punctuation); /* the profile's */
    assert_float_equal(s.rules.gopher.words_min, 20, 0);                 /* the recipe's own */
    assert_float_equal(s.rules.gopher.words_max, 100000, 0);             /* the standard */
    assert_int_equal(s.languages.count, 2);                              /* a list is replaced whole */
    struct q_node *section;
    assert_ok(q_yaml_parse(Q_STRING("profile: finweb"), "recipe.yaml", &arena, &section));
    assert_fails(corpus_settings_load(section, NULL, &arena, &s), Q_ERR_USAGE, "recipe.yaml:1: no profile 'finweb'");
}

static void test_by_language(void **state)
{
    (void)state;
    struct corpus_settings s =
        settings_of("{gopher: {words_min: 20, words_max: 9}, by_language: [{lang: de, gopher: {words_min: 5}}, "
                    "{lang: zh-Hant, gopher: {words_min: 6}}, {lang: zh, c4: {enabled: true}}]}");
    assert_float_equal(corpus_rules_for(&s, Q_STRING("en"))->gopher.words_min, 20, 0);
    assert_float_equal(corpus_rules_for(&s, Q_STRING("de"))->gopher.words_min, 5, 0);
    assert_float_equal(corpus_rules_for(&s, Q_STRING("de-AT"))->gopher.words_min, 5, 0);
    assert_float_equal(corpus_rules_for(&s, Q_STRING("de"))->gopher.words_max, 9, 0);
    assert_float_equal(corpus_rules_for(&s, Q_STRING("zh-Hant-TW"))->gopher.words_min, 6, 0);
    assert_true(corpus_rules_for(&s, Q_STRING("zh-Hans"))->c4.enabled);
    assert_false(corpus_rules_for(&s, Q_STRING("zh-Hant"))->c4.enabled);
    assert_true(corpus_rules_for(&s, Q_STRING("d")) == &s.rules);
    static const struct {
        const char *yaml, *error;
    } wrong[] = {
        {"by_language:\n  - gopher: {words_min: 5}", "recipe.yaml:2: 'by_language.0.lang' must be given"},
        {"by_language:\n  - lang: de\n  - lang: de", "recipe.yaml:3: 'by_language.1.lang' 'de' is there twice"},
        {"by_language:\n  - lang: de\n    code: {sources: [x]}",
         "recipe.yaml:3: 'by_language.0.code.sources' cannot be given for one language; write 'corpus.code.sources'"},
        {"by_language: [{lang: de, gopher: {word_min: 5}}]", "did you mean 'words_min'?"}};
    for (size_t i = 0; i < Q_COUNT_OF(wrong); i++) {
        struct q_node *section;
        assert_ok(q_yaml_parse(q_string_of(wrong[i].yaml), "recipe.yaml", &arena, &section));
        assert_fails(corpus_settings_load(section, NULL, &arena, &s), Q_ERR_USAGE, wrong[i].error);
    }
}

/* --- failures ---------------------------------------------------------------------------------------------------------------------- */

/* Every allocation may fail: the judge says so, and judges the same as before when there is memory again. */
static void test_no_memory(void **state)
{
    (void)state;
    const struct corpus_settings all = settings_of("{profile: fineweb, dclm: {enabled: true}}");
    const char *text = times(40, "The old mill stands with its wheel by the river.\nRead on here.", "\n\n");
    for (uint64_t k = 1;; k++) {
        struct corpus_judge *own = NULL;
        struct corpus_subject subject = {.text = q_string_of(text), .lang = Q_STRING("en"), .rules = &all.rules};
        const struct corpus_rule *rule = NULL;
        q_memory_fail_at(k, 0);
        q_status status = corpus_judge_create(&own);
        if (status == Q_OK)
            status = corpus_judge_text(own, &subject, counts, NULL, &rule);
        q_memory_fail_at(0, 0);
        if (status == Q_OK) {
            assert_true(k > 5);
            corpus_judge_release(own);
            return;
        }
        assert_int_equal(status, Q_ERR_MEMORY);
        if (own) {
            subject.text = q_string_of(text);
            assert_ok(corpus_judge_text(own, &subject, counts, NULL, &rule));
            assert_string_equal(rule->name, "repetition.paragraphs");
        }
        corpus_judge_release(own);
    }
}

static int start(void **state)
{
    (void)state;
    assert_ok(corpus_judge_create(&judge));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    corpus_judge_release(judge);
    corpus_words_release(&words);
    corpus_hash_set_release(&set);
    corpus_repetition_release(&scratch);
    q_buffer_release(&built);
    q_arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words),
                                       cmocka_unit_test(test_scripts_without_spaces),
                                       cmocka_unit_test(test_words_cover_the_text),
                                       cmocka_unit_test(test_metrics),
                                       cmocka_unit_test(test_count_bytes),
                                       cmocka_unit_test(test_phrases),
                                       cmocka_unit_test(test_many_lines),
                                       cmocka_unit_test(test_repetition),
                                       cmocka_unit_test(test_repetition_against_plain),
                                       cmocka_unit_test(test_gopher),
                                       cmocka_unit_test(test_a_rule_that_does_not_apply),
                                       cmocka_unit_test(test_repetition_rules),
                                       cmocka_unit_test(test_c4),
                                       cmocka_unit_test(test_fineweb),
                                       cmocka_unit_test(test_dclm),
                                       cmocka_unit_test(test_code),
                                       cmocka_unit_test(test_profiles),
                                       cmocka_unit_test(test_by_language),
                                       cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests(tests, start, stop);
}
