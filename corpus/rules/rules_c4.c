/* The rules of C4 (Raffel et al., "Exploring the limits of transfer learning", 2020, section 2.2), as datatrove 0.9's C4QualityFilter applies them:
 * lines are stripped and taken out one by one, blank ones among them, and what is left is asked for sentences. With terminal_punctuation off it is the
 * filter of FineWeb's pipeline.
 */
#include "base/check.h"
#include "corpus/rules/rules.h"
#include "corpus/rules/rules_tables.h"
#include "corpus/text/text_lines.h"

#include <math.h>

#define BOUND(field, default_text, least, most, words)                                                                 \
    CORPUS_ROW_BOUND(corpus_c4_settings, field, default_text, least, most, words)
#define SWITCH(field, words) CORPUS_ROW_SWITCH(corpus_c4_settings, field, "true", words)

static const struct q_setting rows[] = {
    CORPUS_ROW_ENABLED(corpus_c4_settings, "false"),
    SWITCH(terminal_punctuation, "take out lines that do not end in . ? ! or a quote, or end in an ellipsis"),
    SWITCH(citations, "take [1], [edit], [citation needed] out of lines"),
    SWITCH(javascript, "take out lines that speak of javascript"),
    SWITCH(policies, "take out lines that speak of terms of use, privacy and cookie policies"),
    BOUND(word_length_max, "1000", 1, 1e9, "lines with a longer word are taken out"),
    BOUND(line_words_min, "3", 0, 1e9, "lines with fewer words are taken out"),
    BOUND(lorem_ipsum_max, "0", 0, 1, "0: documents that say lorem ipsum are dropped as c4.lorem-ipsum; 1: kept"),
    BOUND(curly_brackets_max, "0", 0, 1, "0: documents with a '{' are dropped as c4.curly-bracket; 1: kept"),
    BOUND(sentences_min, "5", 0, 1e9, "fewer sentences in what is left: dropped as c4.sentences"),
    {0}};

const struct q_settings_table corpus_c4_table = {"c4", rows, sizeof(struct corpus_c4_settings)};

/* --- lines ------------------------------------------------------------------------------------------------------------------------- */

enum phrase { JAVASCRIPT, LOREM_IPSUM, FIRST_POLICY };
static const struct corpus_phrase phrases[] = {{"javascript", 0},      {"lorem ipsum", 4},   {"terms of use", 7},
                                               {"privacy policy", 3},  {"cookie policy", 3}, {"uses cookies", 8},
                                               {"use of cookies", 10}, {"use cookies", 7}};
#define ALL_PHRASES ((1u << Q_COUNT_OF(phrases)) - 1)

/* Which phrases the line has, of those asked for: a bit each. */
static unsigned phrases_of(q_string line, unsigned asked)
{
    unsigned found = 0;
    for (unsigned i = 0; asked >> i; i++)
        if (asked >> i & 1 && corpus_has_any_case(line, phrases[i].text))
            found |= 1u << i;
    return found;
}

/* Bytes of a citation at `at`: "[" digits "]", "[edit]", "[citation needed]"; 0: none. */
static size_t citation_at(q_string line, size_t at)
{
    q_string rest = q_string_slice(line, at, line.size);
    size_t size = 1;
    if (q_string_starts(rest, "[edit]"))
        return 6;
    if (q_string_starts(rest, "[citation needed]"))
        return 17;
    while (size < rest.size && rest.data[size] >= '0' && rest.data[size] <= '9')
        size++;
    return size < rest.size && rest.data[size] == ']' ? size + 1 : 0;
}

/* Appends the line without its citations. */
static q_status append_line(struct q_buffer *out, q_string line, bool citations)
{
    size_t from = 0;
    const char *bracket = citations && line.size ? memchr(line.data, '[', line.size) : NULL;
    while (bracket) {
        size_t at = (size_t)(bracket - line.data), size = citation_at(line, at);
        if (size) {
            Q_TRY(q_buffer_append_string(out, q_string_slice(line, from, at)));
            from = at + size;
        }
        at += size ? size : 1;
        bracket = at < line.size ? memchr(line.data + at, '[', line.size - at) : NULL;
    }
    return q_buffer_append_string(out, q_string_slice(line, from, line.size));
}

static bool ends_well(q_string line)
{
    static const char ends[] = ".?!\"'";
    return line.size && memchr(ends, line.data[line.size - 1], sizeof ends - 1) && !q_string_ends(line, "...");
}

/* Why the line is taken out; NULL: it stays. `line` is without citations, `words` says what it was with them. The order is datatrove's, and matters: what a
 * line that is taken out says does not count against the document. */
static const char *line_reason(struct corpus_subject *s, q_string line, const struct corpus_line_shape *words,
                               unsigned asked)
{
    const struct corpus_c4_settings *c4 = &s->rules->c4;
    if ((double)words->longest > c4->word_length_max)
        return "c4.word-length";
    if (c4->terminal_punctuation && !ends_well(line))
        return "c4.terminal-punctuation";
    if ((double)words->chunks < c4->line_words_min)
        return "c4.line-words";
    unsigned found = asked ? phrases_of(line, asked) : 0;
    s->edit.lorem_ipsum |= found >> LOREM_IPSUM & 1;
    if (c4->javascript && found >> JAVASCRIPT & 1)
        return "c4.javascript";
    s->edit.curly_bracket |= line.size && memchr(line.data, '{', line.size);
    return c4->policies && found >> FIRST_POLICY ? "c4.policy" : NULL;
}

static q_status edit(struct corpus_subject *s, struct corpus_line_edit *edit, bool *changed)
{
    const uint16_t *classes = corpus_character_classes();
    unsigned in_text = corpus_phrases_in(s->text, phrases, Q_COUNT_OF(phrases));
    struct q_buffer *out = edit->out;
    q_string rest = s->text, line;
    while (q_string_next_line(&rest, &line)) {
        struct corpus_line_shape words;
        q_string inner = corpus_line_strip(classes, line);
        corpus_line_measure(classes, inner, &words);
        size_t before = out->size, from = before + (before > 0);
        if (before)
            Q_TRY(q_buffer_append_byte(out, '\n'));
        Q_TRY(append_line(out, inner, s->rules->c4.citations));
        /* A phrase may stand there only since a citation went out of it. */
        const unsigned asked = out->size - from == inner.size ? in_text : ALL_PHRASES;
        const char *reason = line_reason(s, q_string_slice(q_buffer_string(out), from, out->size), &words, asked);
        *changed |= reason || out->size - from != line.size;
        if (!reason)
            continue;
        out->size = before;
        if (inner.size)
            corpus_count_line(edit->counts, reason, line.size);
    }
    return Q_OK;
}

/* --- rules ------------------------------------------------------------------------------------------------------------------------- */

static double lorem_ipsum(const struct corpus_subject *s)
{
    return s->edit.lorem_ipsum;
}

static double curly_bracket(const struct corpus_subject *s)
{
    return s->edit.curly_bracket;
}

static double sentences(const struct corpus_subject *s)
{
    return (double)s->metrics->sentences;
}

#define AT(field) offsetof(struct corpus_rules, c4.field)

static const struct corpus_rule rules[] = {
    {"c4.lorem-ipsum", lorem_ipsum, CORPUS_NO_BOUND, AT(lorem_ipsum_max), 0, 1},
    {"c4.curly-bracket", curly_bracket, CORPUS_NO_BOUND, AT(curly_brackets_max), 0, 1},
    {"c4.sentences", sentences, AT(sentences_min), CORPUS_NO_BOUND, 0, INFINITY},
    {0}};

const struct corpus_rule_family corpus_c4_family = {
    .name = "c4", .enabled = offsetof(struct corpus_rules, c4.enabled), .rules = rules, .edit = edit};
