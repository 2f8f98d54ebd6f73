/* The line-wise corrections of RefinedWeb (Penedo et al., "The RefinedWeb dataset for Falcon LLM", 2023, appendix G.2), as DCLM's baseline applies them
 * (dclm_baseline_refinedweb.yaml; Li et al., "DataComp-LM", 2024): lines are taken out, and the document goes where too many of its words went with them. */
#include "base/check.h"
#include "corpus/rules/rules.h"
#include "corpus/rules/rules_tables.h"
#include "corpus/text/text_lines.h"

#include <strings.h>

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

static bool is_word_byte(unsigned char byte)
{
    return byte >= 0x80 || byte == '_' || (byte >= '0' && byte <= '9') ||
           ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

/* A number, perhaps in thousands or millions, and what it counts: nothing else but punctuation around. */
static bool is_counter(q_string line)
{
    static const char *const counted[] = {"likes",     "shares",  "comments",  "retweets",  "reposts", "quotes",
                                          "bookmarks", "upvotes", "downvotes", "downloads", "views",   "followers"};
    size_t at = 0, digits, space;
    while (at < line.size && !is_word_byte((unsigned char)line.data[at]))
        at++;
    for (digits = at; at < line.size && (strchr(",.", line.data[at]) || (line.data[at] >= '0' && line.data[at] <= '9'));
         at++)
        if (at == digits && (line.data[at] == ',' || line.data[at] == '.'))
            return false;
    if (at == digits || at == line.size)
        return false;
    at += strchr("kKmMbB", line.data[at]) != NULL;
    for (space = at; at < line.size && (line.data[at] == ' ' || line.data[at] == '\t'); at++)
        ;
    q_string word = q_string_slice(line, at, line.size);
    while (word.size && !is_word_byte((unsigned char)word.data[word.size - 1]))
        word.size--;
    for (size_t i = 0; i < Q_COUNT_OF(counted) && at > space; i++)
        if (word.size == strlen(counted[i]) && strncasecmp(word.data, counted[i], word.size) == 0)
            return true;
    return false;
}

static const char *line_reason(const struct corpus_dclm_settings *dclm, q_string line,
                               const struct corpus_line_shape *shape)
{
    if (corpus_ratio(shape->upper, shape->characters) > dclm->uppercase_max)
        return "dclm.uppercase";
    if (corpus_ratio(shape->digits, shape->characters) > dclm->digits_max)
        return "dclm.digits";
    if (dclm->counters && is_counter(line))
        return "dclm.counter";
    return (double)shape->chunks < dclm->line_words_min ? "dclm.line-words" : NULL;
}

/* Appends the line without the phrases of shops and portals. */
static q_status append_line(struct q_buffer *out, q_string line, const struct corpus_line_shape *shape,
                            bool boilerplate)
{
    enum { WORDS_MAX = 10 };
    static const char cart[] = "items in cart", more[] = "Read more...", sign_in[] = "Sign-in";
    if (!boilerplate || shape->chunks > WORDS_MAX)
        return q_buffer_append_string(out, line);
    if (q_string_starts(line, sign_in))
        line = q_string_slice(line, sizeof sign_in - 1, line.size);
    if (q_string_ends(line, more))
        line.size -= sizeof more - 1;
    for (size_t at; (at = q_string_find(line, Q_STRING("items in cart"), 0)) != SIZE_MAX;) {
        Q_TRY(q_buffer_append_string(out, q_string_slice(line, 0, at)));
        line = q_string_slice(line, at + sizeof cart - 1, line.size);
    }
    return q_buffer_append_string(out, line);
}

static q_status edit(struct corpus_subject *s, struct corpus_line_edit *edit, bool *changed)
{
    const uint16_t *classes = corpus_character_classes();
    const struct corpus_dclm_settings *dclm = &s->rules->dclm;
    q_string rest = s->text, line;
    while (q_string_next_line(&rest, &line)) {
        struct corpus_line_shape shape;
        corpus_line_measure(classes, line, &shape);
        s->edit.chunks_before += shape.chunks;
        const char *reason = line_reason(dclm, line, &shape);
        *changed |= reason != NULL;
        if (reason && shape.chunks)
            corpus_count_line(edit->counts, reason, line.size);
        if (reason)
            continue;
        s->edit.chunks_after += shape.chunks;
        if (edit->out->size)
            Q_TRY(q_buffer_append_byte(edit->out, '\n'));
        size_t from = edit->out->size;
        Q_TRY(append_line(edit->out, line, &shape, dclm->boilerplate));
        *changed |= edit->out->size - from != line.size;
    }
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
