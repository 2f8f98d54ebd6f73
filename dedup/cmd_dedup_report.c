/* quern-dedup report: the page of stage 2. */
#include "dedup/cmd_dedup.h"

#include "base/report_verb.h"
#include "dedup/dedup_report.h"

q_status cmd_dedup_report(void *opaque, const char *const *arguments, size_t count)
{
    const struct q_report_options *options = opaque;
    struct q_manifest manifest;
    struct q_report *report = NULL;
    (void)count;
    Q_TRY(q_manifest_read(arguments[0], &manifest));
    q_status status = q_report_create("Dedup", &report);
    if (status == Q_OK)
        status = dedup_report_add(report, &manifest);
    if (status == Q_OK)
        status = q_report_deliver(report, arguments[0], options->common.out, options->fragment);
    q_report_release(report);
    q_manifest_release(&manifest);
    return status;
}
