/* quern-tokenizer audit: what a vocabulary's tokens are, and which of them no text gives. */
#include "base/check.h"
#include "base/progress.h"
#include "base/report.h"
#include "base/threads.h"
#include "tokenizer/cmd_tokenizer.h"
#include "tokenizer/inspect/audit.h"

#include <stdio.h>

#define AT(member) offsetof(struct audit_options, member)

const struct q_option audit_table[] = {
    {"tokenizer", 't', Q_OPTION_TEXT, AT(tokenizer), "PATH", "a tokenizer.json, or a folder that holds one"},
    {"format", 0, Q_OPTION_TEXT, AT(format), "FORMAT", "auto (by name), text or jsonl"},
    {"list", 0, Q_OPTION_TEXT, AT(list), "WHICH",
     "a line per token (id, token, reach, uses) of: unreachable, partial, line-breaks, longest, unused, rare, added, "
     "all"},
    {0},
};

static q_status run(struct audit *audit, const struct tokenizer *tokenizer, struct text_source *source,
                    uint64_t threads)
{
    struct q_pool *pool;
    Q_TRY(q_pool_create((unsigned)threads, &pool));
    q_progress_start("audit", "bytes", source ? text_source_bytes(source) : 0);
    q_status status = audit_run(audit, tokenizer, source, pool);
    q_progress_finish();
    q_pool_release(pool);
    return status;
}

static q_status publish_page(const struct audit *audit, const char *path)
{
    struct q_report *report;
    Q_TRY(q_report_create("Vocabulary audit", &report));
    q_status status = audit_report(audit, report);
    if (!status)
        status = q_report_publish(report, path);
    q_report_release(report);
    return status;
}

static q_status print(const struct audit *audit, const struct audit_options *options)
{
    struct q_buffer text = {0};
    q_status status = options->list          ? audit_list(audit, options->list, &text)
                      : options->common.json ? audit_json(audit, &text)
                                             : audit_print(audit, &text);
    if (!status)
        fwrite(text.data, 1, text.size, stdout); /* failures are found when the program ends */
    q_buffer_release(&text);
    return status;
}

q_status cmd_audit(void *given, const char *const *arguments, size_t count)
{
    const struct audit_options *options = given;
    struct tokenizer *tokenizer = NULL;
    struct text_source *source = NULL;
    struct audit audit = {0};
    q_status status;
    Q_TRY(audit_list_check(options->list, count > 0));
    Q_TRY_GOTO(done, load_tokenizer(options->tokenizer, &tokenizer));
    if (count)
        Q_TRY_GOTO(done, open_texts(arguments, count, options->format, &source));
    Q_TRY_GOTO(done, run(&audit, tokenizer, source, options->common.threads));
    if (options->common.out)
        Q_TRY_GOTO(done, publish_page(&audit, options->common.out));
    status = print(&audit, options);
done:
    audit_release(&audit);
    text_source_close(source);
    tokenizer_release(tokenizer);
    return status;
}
