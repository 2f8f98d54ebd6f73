/* Rules: each has a measure and bounds; a document whose measure lies outside is dropped under the rule's name.
 *
 * A family is a file (rules_NAME.c): its settings, its table of rules, and, for C4 and DCLM, the lines that it takes out before its rules are asked. Families
 * are asked in the order of `corpus_rule_families`, which is that of the public pipelines. All measures come from what is computed once per text
 * (text_metrics.h, repetition.h); a rule that does not apply to a document measures NaN and lets it pass.
 */
#ifndef QUERN_CORPUS_RULES_H
#define QUERN_CORPUS_RULES_H

#include "base/memory.h"
#include "corpus/rules/rules_settings.h"
#include "corpus/text/repetition.h"
#include "corpus/text/text_metrics.h"

/* What a family took out of the texts, line by line. */
struct corpus_line_count {
    const char *reason; /* "c4.javascript" */
    uint64_t lines, bytes;
};
enum { CORPUS_LINE_REASONS_MAX = 16 };

/* What a rule may look at. */
struct corpus_subject {
    q_string text; /* of the document: what the families before left of it */
    q_string lang;
    double lang_score;
    q_string url; /* empty: unknown */
    bool code;    /* source code, as its file's name says */
    const struct corpus_rules *rules;
    const struct corpus_words *words;
    const struct corpus_metrics *metrics;
    const struct corpus_repetition *repetition; /* for families that need it */
    struct corpus_edit {                        /* what the family's own edit saw */
        uint64_t chunks_before, chunks_after;   /* words between white space */
        bool lorem_ipsum, curly_bracket, generated;
    } edit;
    unsigned stop_words; /* how many of the listed ones are there */
};

struct corpus_rule {
    const char *name;                                        /* the reason under which it drops: "gopher.words" */
    double (*measure)(const struct corpus_subject *subject); /* NaN: does not apply */
    size_t min, max;    /* offsets of its bounds (double) in struct corpus_rules; CORPUS_NO_BOUND: none */
    double least, most; /* what it can measure */
};
#define CORPUS_NO_BOUND SIZE_MAX

/* A family's view of the text's lines while it takes some out: the lines that stay are appended to `out`. */
struct corpus_line_edit {
    struct q_buffer *out;
    struct corpus_line_count *counts; /* CORPUS_LINE_REASONS_MAX, ended by a NULL reason */
};

enum corpus_family_flag {
    CORPUS_NEEDS_REPETITION = 1 << 0,
    CORPUS_NEEDS_STOP_WORDS = 1 << 1,
    CORPUS_FOR_CODE = 1 << 2, /* asked of source code only, and then the families without this flag are not asked */
    CORPUS_WITHOUT_METRICS = 1 << 3, /* looks at the URL and the bytes of the text alone */
};

struct corpus_rule_family {
    const char *name;
    unsigned flags;
    size_t enabled;                  /* offset of the bool in struct corpus_rules that switches it */
    const struct corpus_rule *rules; /* ended by a NULL name */
    /* Takes lines out of subject->text, or changes them, and fills subject->edit; *changed says whether edit->out is another text. NULL: none. */
    q_status (*edit)(struct corpus_subject *subject, struct corpus_line_edit *edit, bool *changed);
};

enum { CORPUS_RULES_MAX = 64 }; /* of all families */

/* In the order in which they are asked; NULL ends. */
extern const struct corpus_rule_family *const corpus_rule_families[];
extern const struct corpus_rule_family corpus_lists_family, corpus_repetition_family, corpus_gopher_family,
    corpus_c4_family, corpus_fineweb_family, corpus_dclm_family, corpus_code_family;

struct corpus_verdict {
    double measure;  /* NaN: the rule does not apply */
    double min, max; /* -INFINITY, INFINITY where there is no bound */
    bool pass;
};

/* The bounds alone; the measure is NaN. */
struct corpus_verdict corpus_rule_bounds(const struct corpus_rule *rule, const struct corpus_rules *rules);
/* The measure beside its bounds; one that is a bound passes, and so does a rule that does not apply. subject: filled as corpus_judge_text fills it, with
 * `repetition` where the rule's family needs it. Pure, cannot fail. */
struct corpus_verdict corpus_rule_judge(const struct corpus_rule *rule, const struct corpus_subject *subject);

static inline bool corpus_family_enabled(const struct corpus_rule_family *family, const struct corpus_rules *rules)
{
    return *(const bool *)((const char *)rules + family->enabled);
}

/* Asks the families. One per thread; it keeps its memory from text to text. That is, at most, 29 bytes a word (repetition.h, words.h) and a table of 32 MiB,
 * or of 3 bytes a word where that is more: of prose 6 bytes per byte of text, of text in which every byte is a word 32. And 72 bytes for each different
 * line. */
struct corpus_judge;
q_status corpus_judge_create(struct corpus_judge **out) Q_MUST_USE;
void corpus_judge_release(struct corpus_judge *judge); /* NULL is allowed */

/* For who wants every verdict: called for each rule of each enabled family in order. */
struct corpus_verdict_visitor {
    void (*visit)(void *context, const struct corpus_rule *rule, const struct corpus_verdict *verdict);
    void *context;
};

/* subject: text (valid UTF-8, normalised), lang, lang_score, url, code and rules are given; the rest is filled. *out: the first rule that the document
 * fails, NULL: it is kept. subject->text is then what is left of it, and borrows from the judge until its next use. counts (CORPUS_LINE_REASONS_MAX,
 * ended by a NULL reason) are added to. Without a visitor it stops at the first failure. Fails for want of memory only. */
q_status corpus_judge_text(struct corpus_judge *judge, struct corpus_subject *subject, struct corpus_line_count *counts,
                           const struct corpus_verdict_visitor *visitor, const struct corpus_rule **out) Q_MUST_USE;

/* Adds a line to the counts under its reason. */
void corpus_count_line(struct corpus_line_count *counts, const char *reason, size_t bytes);

#endif
