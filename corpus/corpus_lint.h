/* Lint: what in a recipe's section `corpus` cannot mean what it says. A recipe with findings is a valid one; the findings are for a person.
 *
 *   never      a rule of an enabled family that no document can fail, a stop word that is not one word; entries of lists that none can be listed by
 *   always     bounds that every document fails: the least above the most, more stop words asked for than there are
 *   unused     settings that change nothing: of a family that is not enabled, of a language that is not kept, an input that is not there; entries of lists that
 *              are there twice
 *   language   what is no language as documents bear it
 */
#ifndef QUERN_CORPUS_LINT_H
#define QUERN_CORPUS_LINT_H

#include "corpus/corpus_plan.h"

struct corpus_finding {
    const char *kind;    /* as above */
    const char *setting; /* "corpus.gopher.words_min" */
    const char *text;    /* one line */
};

struct corpus_findings {
    struct corpus_finding *items;
    size_t count, capacity;
};

/* plan: begun (corpus_plan_begin); its lists are loaded, which may fail. Texts live in its arena. Otherwise it fails for want of memory only. */
q_status corpus_lint(struct corpus_plan *plan, struct corpus_findings *out) Q_MUST_USE;
void corpus_findings_release(struct corpus_findings *findings);

#endif
