/* quern-tokenizer compare: what several vocabularies make of the same texts. */
#include "base/check.h"
#include "base/progress.h"
#include "base/report.h"
#include "base/threads.h"
#include "tokenizer/cmd_tokenizer.h"
#include "tokenizer/inspect/compare.h"

#include <stdio.h>

#define AT(member) offsetof(struct compare_options, member)

const struct q_option compare_table[] = {
    {"tokenizer", 't', Q_OPTION_TEXTS, AT(tokenizers), "[NAME=]PATH", "a vocabulary; give several"},
    {"format", 0, Q_OPTION_TEXT, AT(format), "FORMAT", "auto (by name), text or jsonl"},
    {"figure", 0, Q_OPTION_TEXT, AT(figure), "WHICH",
     "of the table: bytes (per token, standard), characters (per token) or words (tokens per word)"},
    {"held-out", 0, Q_OPTION_FLAG, AT(held_out), NULL,
     "of folders of documents only those that are held out of training"},
    {0},
};

static q_status parse_figure(const char *value, enum compare_figure *out)
{
    static const char *const names[] = {"bytes", "characters", "words"};
    for (size_t i = 0; i < Q_COUNT_OF(names); i++)
        if (!strcmp(value ? value : "bytes", names[i])) {
            *out = (enum compare_figure)i;
            return Q_OK;
        }
    return q_fail(Q_ERR_USAGE, "'--figure' is '%s'; it must be bytes, characters or words", value);
}

static q_status measure(struct comparison *comparison, struct text_source *source, bool held_out, uint64_t threads)
{
    struct q_pool *pool;
    Q_TRY(q_pool_create((unsigned)threads, &pool));
    q_progress_start("compare", "bytes", text_source_bytes(source));
    q_status status = comparison_run(comparison, source, held_out, pool);
    q_progress_finish();
    q_pool_release(pool);
    if (!status && comparison->measure.all.bytes == 0)
        status = q_fail(Q_ERR_INPUT, "the files hold no text to compare on");
    return status;
}

static q_status publish_page(const struct comparison *comparison, const char *path)
{
    struct q_report *report;
    Q_TRY(q_report_create("Vocabularies compared", &report));
    q_status status = comparison_report(comparison, report);
    if (!status)
        status = q_report_publish(report, path);
    q_report_release(report);
    return status;
}

q_status cmd_compare(void *given, const char *const *arguments, size_t count)
{
    const struct compare_options *options = given;
    struct comparison comparison = {0};
    struct text_source *source = NULL;
    struct q_buffer text = {0};
    enum compare_figure figure;
    q_status status;
    Q_TRY(parse_figure(options->figure, &figure));
    Q_TRY_GOTO(done, comparison_load(&comparison, options->tokenizers.items, options->tokenizers.count));
    Q_TRY_GOTO(done, open_texts(arguments, count, options->format, &source));
    Q_TRY_GOTO(done, measure(&comparison, source, options->held_out, options->common.threads));
    if (options->common.out)
        Q_TRY_GOTO(done, publish_page(&comparison, options->common.out));
    status = options->common.json ? comparison_json(&comparison, &text) : comparison_print(&comparison, figure, &text);
    if (!status)
        fwrite(text.data, 1, text.size, stdout); /* failures are found when the program ends */
done:
    q_buffer_release(&text);
    text_source_close(source);
    comparison_release(&comparison);
    return status;
}
