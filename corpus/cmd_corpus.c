/* quern-corpus: stage 1. The verbs are in cmd_corpus_*.c. */
#include "corpus/cmd_corpus.h"

#include "base/report_verb.h"

#include "base/fs.h"
#include "corpus/corpus_settings.h"

#include <stdio.h>

static const struct q_option extract_table[] = {{"all", 0, Q_OPTION_FLAG, offsetof(struct corpus_extract_options, all),
                                                 NULL, "all text of the page, not the main text only"},
                                                {"markdown", 0, Q_OPTION_FLAG,
                                                 offsetof(struct corpus_extract_options, markdown), NULL,
                                                 "headings, lists, tables and code as Markdown"},
                                                {0}};

static const struct q_verb verbs[] = {
    {.name = "build",
     .synopsis = "[INPUT...] [--recipe FILE] -o DIR",
     .summary = "containers in, documents out",
     .details = "Reads the recipe's inputs, or the files, folders and patterns named here (each is then an input "
                "called after itself): archives in\n"
                "archives, compressed files, crawls, HTML, JSON lines, tables, manual pages, plain text. Writes "
                "documents as JSON "
                "lines in seekable zstd, in parts, and\n"
                "says what became of every item. A build that was stopped goes on where it stood; one that is done is "
                "not done again.\n\n"
                "  quern-corpus build libreoffice-help-de_*.deb -o corpus\n"
                "  quern-corpus build --recipe recipes/demo.yaml -o corpus\n"
                "  quern-corpus build pages/ -o corpus --set corpus.gopher.words_min=20\n"
                "  quern-corpus build --recipe big.yaml -o corpus --task 3/64     (then once without --task)",
     .takes = Q_TAKES_OUT | Q_TAKES_THREADS | Q_TAKES_RECIPE | Q_TAKES_FORCE | Q_TAKES_TASK,
     .options_size = sizeof(struct q_common),
     .arguments_max = SIZE_MAX,
     .run = corpus_build_verb},
    {.name = "plan",
     .synopsis = "[INPUT...] [--recipe FILE] [--json]",
     .summary = "what a build would be: its key and its parts",
     .details = "  quern-corpus plan --recipe recipes/demo.yaml --json",
     .takes = Q_TAKES_RECIPE | Q_TAKES_JSON,
     .options_size = sizeof(struct q_common),
     .arguments_max = SIZE_MAX,
     .run = corpus_plan_verb},
    {.name = "cat",
     .synopsis = "PATH...",
     .summary = "documents as JSON lines",
     .details = "PATH is the folder of a build, or a file of documents.\n\n  quern-corpus cat corpus | head -1",
     .options_size = sizeof(struct q_common),
     .arguments_min = 1,
     .arguments_max = SIZE_MAX,
     .run = corpus_cat_verb},
    {.name = "extract",
     .synopsis = "[FILE...] [--json]",
     .summary = "HTML to text",
     .details = "Without a file, or for '-', reads standard input. --json gives one object: file name without .html to "
                "{\"articleBody\", \"title\", "
                "\"lang\"}.\n\n"
                "  quern-corpus extract page.html\n"
                "  quern-corpus extract --json pages/*.html > texts.json",
     .takes = Q_TAKES_JSON,
     .options = extract_table,
     .options_size = sizeof(struct corpus_extract_options),
     .arguments_max = SIZE_MAX,
     .run = corpus_extract_verb},
    {.name = "bench",
     .synopsis = "FILE... [--runs N]",
     .summary = "how fast pages become text, on one thread, as JSON",
     .details = "Reads all pages, then extracts them again and again. mb_per_s is of the pages' UTF-8.\n\n"
                "  quern-corpus bench pages/*.html",
     .options = corpus_bench_table,
     .options_size = sizeof(struct corpus_bench_options),
     .arguments_min = 1,
     .arguments_max = SIZE_MAX,
     .run = corpus_bench_verb},
    {.name = "phases",
     .synopsis = "FILE... [--recipe FILE]",
     .summary = "where the time of a build goes, on one thread, as JSON",
     .details = "Each phase has its share of the time, the bytes that went into it and their rate. The documents are "
                "thrown away.\n\n"
                "  quern-corpus phases crawl.warc.gz --set corpus.profile=fineweb",
     .takes = Q_TAKES_RECIPE,
     .options_size = sizeof(struct q_common),
     .arguments_max = SIZE_MAX,
     .run = corpus_phases_verb},
    {.name = "check",
     .synopsis = "FILE... [--recipe FILE]",
     .summary = "the verdict of every rule on every document, as JSON lines",
     .details =
         "  quern-corpus check pages.deb | jq 'select(.reason == \"gopher.words\") | .rules[\"gopher.words\"].measure'",
     .takes = Q_TAKES_RECIPE,
     .options_size = sizeof(struct q_common),
     .arguments_min = 1,
     .arguments_max = SIZE_MAX,
     .run = corpus_check_verb},
    {.name = "lint",
     .synopsis = "RECIPE [--json]",
     .summary = "what in the recipe's section cannot mean what it says",
     .details = "Rules that no document or every document fails, settings that change nothing, languages that are "
                "none. Exit 2 where "
                "there is a finding.\n\n"
                "  quern-corpus lint recipe.yaml",
     .takes = Q_TAKES_JSON | Q_TAKES_RECIPE,
     .options_size = sizeof(struct q_common),
     .arguments_min = 1,
     .arguments_max = 1,
     .run = corpus_lint_verb},
    {.name = "report",
     .synopsis = "DIR [-o FILE.html]",
     .summary = "what was kept and what was dropped, as one HTML page",
     .details = "  quern-corpus report corpus -o corpus.html",
     .takes = Q_TAKES_OUT,
     .options = q_report_option_table,
     .options_size = sizeof(struct q_report_options),
     .arguments_min = 1,
     .arguments_max = 1,
     .run = corpus_report_verb},
    {0}};

static const struct q_program program = {.name = "quern-corpus",
                                         .summary = "stage 1: from archives and pages to clean documents",
                                         .verbs = verbs,
                                         .section = "corpus",
                                         .settings = &corpus_settings_table};

q_status corpus_print(q_string bytes)
{
    return q_fs_write_all(1, "standard output", bytes.data, bytes.size);
}

q_status corpus_print_json(struct q_json *json, struct q_buffer *text)
{
    q_json_newline(json);
    q_status status = q_json_end(json);
    if (status == Q_OK)
        status = corpus_print(q_buffer_string(text));
    q_buffer_release(text);
    return status;
}

q_status corpus_read_page(const char *path, struct corpus_decoder *decoder, struct q_buffer *file, q_string *utf8,
                          struct corpus_changes *changes)
{
    enum { PAGE_BYTES_MAX = 256 << 20 };
    bool known;
    q_buffer_clear(file);
    Q_TRY(q_fs_read_file(path, PAGE_BYTES_MAX, file));
    Q_TRY(corpus_decode(decoder, q_buffer_string(file), true, NULL, utf8, &known, changes));
    return known ? Q_OK : q_fail(Q_ERR_INPUT, "'%s' is in no charset that can be told", path);
}

int main(int argc, char **argv)
{
    return q_program_main(&program, argc, argv);
}
