/* The page of stage 4: what the shards hold, how it is packed, what training will see. */
#ifndef QUERN_SHARDS_SHARDS_REPORT_H
#define QUERN_SHARDS_SHARDS_REPORT_H

#include "base/report.h"
#include "shards/shards_survey.h"
#include "tokenizer/tokenizer.h"

/* Adds the sections of a folder of shards to a report. tokenizer may be NULL: then ids have no texts and there are no samples. It must be the one that
 * made the shards (Q_ERR_INPUT is for the caller to find). */
q_status shards_report_add(struct q_report *report, const char *folder, const struct survey *survey,
                           const struct tokenizer *tokenizer) Q_MUST_USE;

#endif
