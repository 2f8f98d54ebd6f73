/* What the `report` verbs of all stages have in common: their options, and where the page goes. */
#ifndef QUERN_BASE_REPORT_VERB_H
#define QUERN_BASE_REPORT_VERB_H

#include "base/options.h"
#include "base/report.h"

struct q_report_options {
    struct q_common common;
    bool fragment;
};

/* The rows of struct q_report_options, ended by {0}. */
extern const struct q_option q_report_option_table[];

/* With `fragment` the report goes to standard output as a fragment, for the page of a run; else it is published under `out` (NULL: FOLDER/report.html)
 * and that path is printed. */
q_status q_report_deliver(struct q_report *report, const char *folder, const char *out, bool fragment) Q_MUST_USE;

#endif
