/* quern-dedup report: the page of stage 2. */
#include "dedup/cmd_dedup.h"

#include "base/fs.h"
#include "base/log.h"
#include "dedup/dedup_report.h"

#include <stdio.h>

static q_status publish(struct q_report *report, const struct dedup_report_options *options, const char *folder)
{
    struct q_arena arena = {0};
    struct q_buffer fragment = {0};
    const char *path = options->common.out;
    q_status status = Q_OK;
    if (options->fragment) {
        status = q_report_fragment(report, &fragment);
        if (status == Q_OK)
            (void)fwrite(fragment.data, 1, fragment.size, stdout); /* flushed and checked by q_program_main */
    } else {
        if (!path)
            status = q_fs_join(&arena, folder, "report.html", &path);
        if (status == Q_OK)
            status = q_report_publish(report, path);
        if (status == Q_OK)
            q_log_info("report: %s", path);
    }
    q_buffer_release(&fragment);
    q_arena_release(&arena);
    return status;
}

q_status cmd_dedup_report(void *opaque, const char *const *arguments, size_t count)
{
    const struct dedup_report_options *options = opaque;
    struct q_manifest manifest;
    struct q_report *report = NULL;
    (void)count;
    Q_TRY(q_manifest_read(arguments[0], &manifest));
    q_status status = q_report_create("Dedup", &report);
    if (status == Q_OK)
        status = dedup_report_add(report, &manifest);
    if (status == Q_OK)
        status = publish(report, options, arguments[0]);
    q_report_release(report);
    q_manifest_release(&manifest);
    return status;
}
