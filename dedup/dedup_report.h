/* The page of stage 2: what was dropped and why, how large clusters are, and what they look like. */
#ifndef QUERN_DEDUP_DEDUP_REPORT_H
#define QUERN_DEDUP_DEDUP_REPORT_H

#include "base/manifest.h"
#include "base/report.h"

/* Adds everything to the report. `manifest` is that of a filter step. */
q_status dedup_report_add(struct q_report *report, const struct q_manifest *manifest) Q_MUST_USE;

#endif
