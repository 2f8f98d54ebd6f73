/* quern-corpus bench: how fast pages become text, on one thread. */
#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "corpus/cmd_corpus.h"
#include "corpus/html/html_extract.h"
#include "corpus/text/charset.h"

#include <stdlib.h>

enum { RUNS_MAX = 1000 };

const struct q_option corpus_bench_table[] = {
    {"all", 0, Q_OPTION_FLAG, offsetof(struct corpus_bench_options, all), NULL, "as extract's"},
    {"markdown", 0, Q_OPTION_FLAG, offsetof(struct corpus_bench_options, markdown), NULL, "as extract's"},
    {"runs", 0, Q_OPTION_U64, offsetof(struct corpus_bench_options, runs), "N",
     "how often all pages are extracted (standard: 5); the rate is the median's"},
    {0}};

struct bench {
    struct html_options options;
    struct corpus_decoder *decoder;
    struct html_extractor extractor;
    struct corpus_changes changes;
    struct q_buffer file, pages; /* the pages as UTF-8, one behind the other */
    size_t *ends;
    size_t count, capacity;
    uint64_t text_bytes;
    double seconds[RUNS_MAX];
};

static q_status read_page(struct bench *b, const char *path)
{
    q_string utf8;
    Q_TRY(corpus_read_page(path, b->decoder, &b->file, &utf8, &b->changes));
    Q_TRY(q_grow(&b->ends, &b->capacity, b->count + 1, sizeof *b->ends));
    Q_TRY(q_buffer_append_string(&b->pages, utf8));
    b->ends[b->count++] = b->pages.size;
    return Q_OK;
}

static q_status extract_all(struct bench *b, double *seconds)
{
    double start = q_seconds();
    b->text_bytes = 0;
    for (size_t i = 0; i < b->count; i++) {
        struct html_page page;
        q_string bytes = q_string_slice(q_buffer_string(&b->pages), i ? b->ends[i - 1] : 0, b->ends[i]);
        Q_TRY(html_extract(&b->extractor, &b->options, bytes, &page));
        b->text_bytes += page.text.size;
    }
    *seconds = q_seconds() - start;
    return Q_OK;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static q_status print(struct bench *b, double seconds)
{
    struct q_buffer text = {0};
    struct q_json json = q_json_begin(&text);
    q_json_open(&json, NULL, '{');
    q_json_put_fixed(&json, "mb_per_s", (double)b->pages.size / 1e6 / seconds, 1);
    q_json_put_fixed(&json, "pages_per_s", (double)b->count / seconds, 0);
    q_json_put_u64(&json, "bytes", b->pages.size);
    q_json_put_u64(&json, "pages", b->count);
    q_json_put_u64(&json, "text_bytes", b->text_bytes);
    q_json_put_u64(&json, "peak_bytes", q_memory_peak_bytes());
    q_json_close(&json, '}');
    return corpus_print_json(&json, &text);
}

static q_status run(struct bench *b, const char *const *files, size_t count, uint64_t runs)
{
    double warm_up;
    Q_TRY(corpus_decoder_create(&b->decoder));
    for (size_t i = 0; i < count; i++)
        Q_TRY(read_page(b, files[i]));
    Q_TRY(extract_all(b, &warm_up));
    for (uint64_t i = 0; i < runs; i++)
        Q_TRY(extract_all(b, &b->seconds[i]));
    qsort(b->seconds, (size_t)runs, sizeof *b->seconds, compare);
    return print(b, b->seconds[runs / 2]);
}

q_status corpus_bench_verb(void *options, const char *const *arguments, size_t count)
{
    const struct corpus_bench_options *o = options;
    struct bench *b;
    uint64_t runs = o->runs ? o->runs : 5;
    if (runs > RUNS_MAX)
        return q_fail(Q_ERR_USAGE, "--runs is at most %d", RUNS_MAX);
    Q_TRY(q_alloc_zero(1, sizeof *b, &b));
    b->options = (struct html_options){
        .scope = o->all ? HTML_SCOPE_ALL : HTML_SCOPE_ARTICLE, .markdown = o->markdown, .heading = true};
    q_status status = run(b, arguments, count, runs);
    corpus_decoder_release(b->decoder);
    html_extractor_release(&b->extractor);
    q_buffer_release(&b->file);
    q_buffer_release(&b->pages);
    q_release(b->ends);
    q_release(b);
    return status;
}
