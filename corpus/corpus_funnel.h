/* The funnel: how many documents are left behind each step of the way, by source and by language, as tables of a report; with an alarm where nearly all of a
 * source or of a language is lost. */
#ifndef QUERN_CORPUS_FUNNEL_H
#define QUERN_CORPUS_FUNNEL_H

#include "base/json.h"
#include "base/report.h"
#include "corpus/corpus_statistics.h"

/* sources: the manifest's `statistics.sources`. Q_ERR_INPUT where it is not that. */
q_status corpus_report_funnels(struct q_report *report, struct q_arena *arena, const json_t *sources,
                               struct corpus_statistics *statistics) Q_MUST_USE;

#endif
