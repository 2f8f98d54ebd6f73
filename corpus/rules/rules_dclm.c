/* The line-wise corrections of RefinedWeb (Penedo et al., "The RefinedWeb dataset for Falcon LLM", 2023, appendix G.2), as DCLM's baseline applies them
 * (dclm_baseline_refinedweb.yaml; Li et al., "DataComp-LM", 2024): lines are taken out, and the document goes where too many of its words went with them. */
#include "base/check.h"
#include "corpus/rules/rules.h"
#include "corpus/rules/rules_tables.h"
#include "corpus/text/text_lines.h"

#define BOUND(field, default_text, least, most, words)                                                                 \
    CORPUS_ROW_BOUND(corpus_dclm_settings, field, default_text, least, most, words)
#define SWITCH(field, words) CORPUS_ROW_SWITCH(corpus_dclm_settings, field, "true", words)

static const struct q_setting rows[] = {
    CORPUS_ROW_ENABLED(corpus_dclm_settings, "false"),
    BOUND(uppercase_max, "0.5", 0, 1, "lines with a larger share of capitals are taken out"),
    BOUND(digits_max, "0.999999", 0, 1, "lines with a larger share of digits are taken out"),
    BOUND(line_words_min, "2", 0, 1e9, "lines with fewer words are taken out, blank ones too"),
    SWITCH(counters, "take out lines that only count (\"3 likes\")"),
    SWITCH(boilerplate, "in lines of at most ten words take out \"items in cart\", \"Read more...\" at the end, "
                        "\"Sign-in\" at the beginning"),
    BOUND(removed_words_max, "0.05", 0, 1, "larger share of words gone with the lines: dropped as dclm.removed-words"),
    {0}};

const struct q_settings_table corpus_dclm_table = {"dclm", rows, sizeof(struct corpus_dclm_settings)};

/* --- lines ------------------------------------------------------------------------------------------------------------------------- */

static bool is_word(const uint16_t *classes, uint32_t character)
{
    return character == '_' || corpus_character_class(classes, character) & (CORPUS_LETTER | CORPUS_DIGIT);
}

/* The line from its first character of a word to its last. */
static q_string between_words(const uint16_t *classes, q_string line)
{
    const uint8_t *at = (const uint8_t *)line.data, *end = at + line.size;
    size_t size;
    for (; at < end && !is_word(classes, corpus_character_at(at, &size)); at += size)
        ;
    for (; at < end && !is_word(classes, corpus_character_before(at, end, &size)); end -= size)
        ;
    return (q_string){(const char *)at, (size_t)(end - at)};
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* A number, perhaps in thousands or millions, and what it counts: nothing else but punctuation around. */
static bool is_counter(const uint16_t *classes, q_string line)
{
    static const char *const counted[] = {"likes",     "shares",  "comments",  "retweets",  "reposts", "quotes",
                                          "bookmarks", "upvotes", "downvotes", "downloads", "views",   "followers"};
    q_string inner = between_words(classes, line);
    size_t at = 0;
    while (at < inner.size && (is_digit(inner.data[at]) || (at && (inner.data[at] == ',' || inner.data[at] == '.'))))
        at++;
    if (!at || at == inner.size)
        return false;
    at += memchr("kKmMbB", inner.data[at], 6) != NULL;
    q_string behind = q_string_slice(inner, at, inner.size), word = corpus_line_strip(classes, behind);
    for (size_t i = 0; i < Q_COUNT_OF(counted) && word.size < behind.size; i++)
        if (q_string_is_any_case(word, counted[i]))
            return true;
    return false;
}

static const char *line_reason(const struct corpus_dclm_settings *dclm, const uint16_t *classes, q_string line,
                               const struct corpus_line_shape *shape)
{
    if (corpus_ratio(shape->upper, shape->characters) > dclm->uppercase_max)
        return "dclm.uppercase";
    if (corpus_ratio(shape->digits, shape->characters) > dclm->digits_max)
        return "dclm.digits";
    if (dclm->counters && is_counter(classes, line))
        return "dclm.counter";
    return (double)shape->chunks < dclm->line_words_min ? "dclm.line-words" : NULL;
}

/* Appends the line without the phrases of shops and portals; where one went, without white space at the ends too. */
static q_status append_line(const uint16_t *classes, struct q_buffer *out, q_string line,
                            const struct corpus_line_shape *shape, bool boilerplate)
{
    enum { WORDS_MAX = 10 };
    static const char cart[] = "items in cart", more[] = "Read more...", sign_in[] = "Sign-in";
    const size_t from = out->size, whole = line.size;
    if (!boilerplate || shape->chunks > WORDS_MAX)
        return q_buffer_append_string(out, line);
    if (q_string_starts(line, sign_in))
        line = q_string_slice(line, sizeof sign_in - 1, line.size);
    if (q_string_ends(line, more))
        line.size -= sizeof more - 1;
    for (size_t at; (at = q_string_find(line, q_string_of(cart), 0)) != SIZE_MAX;) {
        Q_TRY(q_buffer_append_string(out, q_string_slice(line, 0, at)));
        line = q_string_slice(line, at + sizeof cart - 1, line.size);
    }
    Q_TRY(q_buffer_append_string(out, line));
    if (out->size - from == whole)
        return Q_OK;
    q_string left = corpus_line_strip(classes, q_string_slice(q_buffer_string(out), from, out->size));
    if (left.size)
        memmove(out->data + from, left.data, left.size);
    out->size = from + left.size;
    return Q_OK;
}

/* A line that is nothing but such phrases goes, as one that a rule takes out. */
static q_status edit_line(struct corpus_subject *s, struct corpus_line_edit *edit, q_string line, bool *changed)
{
    const uint16_t *classes = corpus_character_classes();
    const struct corpus_dclm_settings *dclm = &s->rules->dclm;
    struct corpus_line_shape shape;
    corpus_line_measure(classes, line, &shape);
    s->edit.chunks_before += shape.chunks;
    const char *reason = line_reason(dclm, classes, line, &shape);
    const size_t before = edit->out->size, from = before + (before > 0);
    if (!reason) {
        if (before)
            Q_TRY(q_buffer_append_byte(edit->out, '\n'));
        Q_TRY(append_line(classes, edit->out, line, &shape, dclm->boilerplate));
        *changed |= edit->out->size - from != line.size;
        if (edit->out->size > from || !line.size) {
            s->edit.chunks_after += shape.chunks;
            return Q_OK;
        }
        edit->out->size = before;
        reason = "dclm.boilerplate";
    }
    *changed = true;
    if (shape.chunks)
        corpus_count_line(edit->counts, reason, line.size);
    return Q_OK;
}

static q_status edit(struct corpus_subject *s, struct corpus_line_edit *edit, bool *changed)
{
    q_string rest = s->text, line;
    while (q_string_next_line(&rest, &line))
        Q_TRY(edit_line(s, edit, line, changed));
    return Q_OK;
}

static double removed_words(const struct corpus_subject *s)
{
    return corpus_ratio(s->edit.chunks_before - s->edit.chunks_after, s->edit.chunks_before);
}

static const struct corpus_rule rules[] = {
    {"dclm.removed-words", removed_words, CORPUS_NO_BOUND, offsetof(struct corpus_rules, dclm.removed_words_max), 0, 1},
    {0}};

const struct corpus_rule_family corpus_dclm_family = {
    .name = "dclm", .enabled = offsetof(struct corpus_rules, dclm.enabled), .rules = rules, .edit = edit};
