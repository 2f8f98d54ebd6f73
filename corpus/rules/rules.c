#include "corpus/rules/rules.h"

#include "base/check.h"

#include <math.h>

const struct corpus_rule_family *const corpus_rule_families[] = {
    &corpus_lists_family,   &corpus_repetition_family, &corpus_gopher_family, &corpus_c4_family,
    &corpus_fineweb_family, &corpus_dclm_family,       &corpus_code_family,   NULL};

static double bound(const struct corpus_rules *rules, size_t offset, double none)
{
    return offset == CORPUS_NO_BOUND ? none : *(const double *)(const void *)((const char *)rules + offset);
}

struct corpus_verdict corpus_rule_bounds(const struct corpus_rule *rule, const struct corpus_rules *rules)
{
    return (struct corpus_verdict){.measure = NAN,
                                   .min = bound(rules, rule->min, -INFINITY),
                                   .max = bound(rules, rule->max, INFINITY),
                                   .pass = true};
}

struct corpus_verdict corpus_rule_judge(const struct corpus_rule *rule, const struct corpus_subject *subject)
{
    struct corpus_verdict verdict = corpus_rule_bounds(rule, subject->rules);
    verdict.measure = rule->measure(subject);
    verdict.pass = !(verdict.measure < verdict.min) && !(verdict.measure > verdict.max); /* NaN passes */
    return verdict;
}

void corpus_count_line(struct corpus_line_count *counts, const char *reason, size_t bytes)
{
    size_t i = 0;
    while (counts[i].reason && strcmp(counts[i].reason, reason) != 0)
        i++;
    q_check(i + 1 < CORPUS_LINE_REASONS_MAX);
    counts[i].reason = reason;
    counts[i].lines++;
    counts[i].bytes += bytes;
}

/* --- the judge --------------------------------------------------------------------------------------------------------------------- */

struct corpus_judge {
    struct corpus_words words;
    struct corpus_hash_set set;
    struct corpus_repetition_scratch scratch;
    struct corpus_metrics metrics;
    struct corpus_repetition repetition;
    struct q_buffer texts[2]; /* what edits make, in turn */
    unsigned turn;
    bool measured, repeated; /* metrics, repetition are of subject->text */
};

q_status corpus_judge_create(struct corpus_judge **out)
{
    return q_alloc_zero(1, sizeof **out, out);
}

void corpus_judge_release(struct corpus_judge *judge)
{
    if (!judge)
        return;
    corpus_words_release(&judge->words);
    corpus_hash_set_release(&judge->set);
    corpus_repetition_release(&judge->scratch);
    q_buffer_release(&judge->texts[0]);
    q_buffer_release(&judge->texts[1]);
    q_release(judge);
}

static q_status edit_text(struct corpus_judge *j, const struct corpus_rule_family *family,
                          struct corpus_subject *subject, struct corpus_line_count *counts)
{
    struct corpus_line_edit edit = {.out = &j->texts[j->turn], .counts = counts};
    bool changed = false;
    q_buffer_clear(edit.out);
    subject->edit = (struct corpus_edit){0};
    Q_TRY(family->edit(subject, &edit, &changed));
    if (!changed)
        return Q_OK;
    subject->text = q_buffer_string(edit.out);
    j->turn = !j->turn;
    j->measured = j->repeated = false;
    return Q_OK;
}

/* How many of the listed stop words the text has. */
static q_status count_stop_words(struct corpus_judge *j, struct corpus_subject *subject)
{
    static const char *const english[] = {"the", "be", "to", "of", "and", "that", "have", "with"};
    const struct q_texts *given = &subject->rules->gopher.stop_words;
    const char *const *list = given->count ? (const char *const *)given->items : english;
    size_t count = given->count ? given->count : Q_COUNT_OF(english);
    subject->stop_words = 0;
    Q_TRY(corpus_hash_set_begin(&j->set, count, corpus_hash_key(subject->text)));
    for (size_t i = 0; i < count; i++)
        corpus_hash_set_slot(&j->set, corpus_word_hash(q_string_of(list[i])))->count = 1;
    for (size_t i = 0; i < j->words.count && subject->stop_words < count; i++) {
        struct corpus_hash_slot *slot = corpus_hash_set_find(&j->set, j->words.items[i].hash);
        if (slot && slot->count == 1) {
            slot->count = 2;
            subject->stop_words++;
        }
    }
    return Q_OK;
}

static q_status measure(struct corpus_judge *j, const struct corpus_rule_family *family, struct corpus_subject *subject)
{
    if (family->flags & CORPUS_WITHOUT_METRICS)
        return Q_OK;
    if (!j->measured) {
        Q_TRY(corpus_words_cut(subject->text, &j->words));
        Q_TRY(corpus_measure(subject->text, &j->words, &j->set, &j->metrics));
        j->measured = true;
    }
    if (family->flags & CORPUS_NEEDS_REPETITION && !j->repeated) {
        Q_TRY(corpus_repetition_measure(subject->text, &j->words, &j->scratch, &j->repetition));
        j->repeated = true;
    }
    return family->flags & CORPUS_NEEDS_STOP_WORDS ? count_stop_words(j, subject) : Q_OK;
}

static const struct corpus_rule *ask(const struct corpus_rule_family *family, const struct corpus_subject *subject,
                                     const struct corpus_verdict_visitor *visitor)
{
    const struct corpus_rule *first = NULL;
    for (const struct corpus_rule *rule = family->rules; rule->name && (visitor || !first); rule++) {
        struct corpus_verdict verdict = corpus_rule_judge(rule, subject);
        if (visitor)
            visitor->visit(visitor->context, rule, &verdict);
        if (!verdict.pass && !first)
            first = rule;
    }
    return first;
}

q_status corpus_judge_text(struct corpus_judge *j, struct corpus_subject *subject, struct corpus_line_count *counts,
                           const struct corpus_verdict_visitor *visitor, const struct corpus_rule **out)
{
    *out = NULL;
    j->measured = j->repeated = false;
    subject->words = &j->words;
    subject->metrics = &j->metrics;
    subject->repetition = &j->repetition;
    bool as_code = subject->code && subject->rules->code.enabled;
    for (size_t f = 0; corpus_rule_families[f] && (visitor || !*out); f++) {
        const struct corpus_rule_family *family = corpus_rule_families[f];
        if (!corpus_family_enabled(family, subject->rules) || as_code != ((family->flags & CORPUS_FOR_CODE) != 0))
            continue;
        if (family->edit)
            Q_TRY(edit_text(j, family, subject, counts));
        Q_TRY(measure(j, family, subject));
        const struct corpus_rule *failed = ask(family, subject, visitor);
        if (failed && !*out)
            *out = failed;
    }
    return Q_OK;
}
