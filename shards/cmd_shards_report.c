/* quern-shards report: the page of stage 4. */
#include "shards/cmd_shards.h"

#include "base/report_verb.h"
#include "shards/shards_report.h"

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
        status = q_report_deliver(report, arguments[0], options->common.out, options->fragment);
    q_report_release(report);
    tokenizer_release(tokenizer);
    survey_release(&survey);
    return status;
}
