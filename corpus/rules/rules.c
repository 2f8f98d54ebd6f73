#include "corpus/rules/rules.h"

#include <math.h>

const struct corpus_rule_family *const corpus_rule_families[] = {&corpus_gopher_family, NULL};

static double bound(const struct corpus_settings *settings, size_t offset, double none)
{
    return offset == CORPUS_NO_BOUND ? none : *(const double *)(const void *)((const char *)settings + offset);
}

struct corpus_verdict corpus_rule_judge(const struct corpus_rule *rule, const struct corpus_settings *settings,
                                        const struct corpus_subject *subject)
{
    struct corpus_verdict verdict = {.measure = rule->measure(subject),
                                     .min = bound(settings, rule->min, -INFINITY),
                                     .max = bound(settings, rule->max, INFINITY)};
    verdict.pass = !(verdict.measure < verdict.min) && !(verdict.measure > verdict.max); /* NaN passes */
    return verdict;
}

const struct corpus_rule *corpus_rules_judge(const struct corpus_settings *settings,
                                             const struct corpus_subject *subject)
{
    for (size_t f = 0; corpus_rule_families[f]; f++) {
        const struct corpus_rule_family *family = corpus_rule_families[f];
        if (!corpus_family_enabled(family, settings))
            continue;
        for (const struct corpus_rule *rule = family->rules; rule->name; rule++)
            if (!corpus_rule_judge(rule, settings, subject).pass)
                return rule;
    }
    return NULL;
}
