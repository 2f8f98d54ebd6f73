/* Rules: each has a measure and bounds; a document whose measure lies outside is dropped under the rule's name.
 *
 * A family is a table of rules in a file of its own (rules_gopher.c). All measures come from the one pass of text_metrics.h and from what is known of
 * the document; a rule that does not apply to a document (stop words of a language that is not English) measures NaN and lets it pass.
 */
#ifndef QUERN_CORPUS_RULES_H
#define QUERN_CORPUS_RULES_H

#include "corpus/corpus_settings.h"
#include "corpus/text/text_metrics.h"

/* What a rule may look at. */
struct corpus_subject {
    const struct corpus_metrics *metrics;
    q_string lang;
    double lang_score;
};

struct corpus_rule {
    const char *name;                                        /* the reason under which it drops: "gopher.words" */
    double (*measure)(const struct corpus_subject *subject); /* NaN: does not apply */
    size_t min, max; /* offsets of its bounds (double) in struct corpus_settings; CORPUS_NO_BOUND: none */
};
#define CORPUS_NO_BOUND SIZE_MAX

struct corpus_rule_family {
    const char *name;
    size_t enabled;                  /* offset of the bool in struct corpus_settings that switches it */
    const struct corpus_rule *rules; /* ended by a NULL name */
};

/* In the order in which they are asked; NULL ends. The first rule that fails names the reason. */
extern const struct corpus_rule_family *const corpus_rule_families[];
extern const struct corpus_rule_family corpus_gopher_family;

struct corpus_verdict {
    double measure;  /* NaN: the rule does not apply */
    double min, max; /* -INFINITY, INFINITY where there is no bound */
    bool pass;
};

struct corpus_verdict corpus_rule_judge(const struct corpus_rule *rule, const struct corpus_settings *settings,
                                        const struct corpus_subject *subject);

/* The first rule of an enabled family that the document fails; NULL: it is kept. */
const struct corpus_rule *corpus_rules_judge(const struct corpus_settings *settings,
                                             const struct corpus_subject *subject);

static inline bool corpus_family_enabled(const struct corpus_rule_family *family,
                                         const struct corpus_settings *settings)
{
    return *(const bool *)((const char *)settings + family->enabled);
}

#endif
