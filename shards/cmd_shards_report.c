/* quern-shards report: the page of stage 4. */
#include "shards/cmd_shards.h"

#include "base/fs.h"
#include "base/log.h"
#include "shards/shards_report.h"

#include <stdio.h>

static q_status publish(struct q_report *report, const struct shards_show_options *options, const char *folder)
{
    struct q_arena arena = {0};
    struct q_buffer fragment = {0};
    const char *path = options->common.out;
    q_status status = Q_OK;
    if (options->fragment) {
        status = q_report_fragment(report, &fragment);
        if (!status)
            (void)fwrite(fragment.data, 1, fragment.size, stdout);
    } else {
        if (!path)
            status = q_fs_join(&arena, folder, "report.html", &path);
        if (!status)
            status = q_report_publish(report, path);
        if (!status)
            q_log_info("report: %s", path);
    }
    q_buffer_release(&fragment);
    q_arena_release(&arena);
    return status;
}

q_status cmd_shards_report(void *opaque, const char *const *arguments, size_t count)
{
    const struct shards_show_options *options = opaque;
    struct survey survey = {0};
    struct tokenizer *tokenizer = NULL;
    struct q_report *report = NULL;
    (void)count;
    q_status status = survey_path(&survey, arguments[0]);
    if (!status && options->tokenizer)
        status = cmd_shards_tokenizer(options->tokenizer, survey.tokenizer, &tokenizer);
    if (!status)
        status = q_report_create("Shards", &report);
    if (!status)
        status = shards_report_add(report, arguments[0], &survey, tokenizer);
    if (!status)
        status = publish(report, options, arguments[0]);
    q_report_release(report);
    tokenizer_release(tokenizer);
    survey_release(&survey);
    return status;
}
