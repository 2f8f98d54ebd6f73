/* quern-corpus phases: where the time goes between the stored bytes and the documents, on one thread. */
#include "base/check.h"
#include "base/document.h"
#include "base/fs.h"
#include "base/json.h"
#include "corpus/cmd_corpus.h"
#include "corpus/corpus_document.h"
#include "corpus/corpus_plan.h"

#include <stdlib.h>
#include <unistd.h>

struct phases {
    struct corpus_plan plan;
    struct corpus_worker *worker;
    struct corpus_reader *reader;
    struct q_documents_writer *writer;
    struct corpus_clock clock;
    struct q_buffer path;
    uint64_t items, documents;
    double seconds;
};

static const char *phase_name(enum corpus_phase phase)
{
    static const char *const names[CORPUS_PHASES] = {
        [CORPUS_PHASE_READ] = "read",
        [CORPUS_PHASE_BODY] = "body",
        [CORPUS_PHASE_LINE] = "line",
        [CORPUS_PHASE_CHARSET] = "charset",
        [CORPUS_PHASE_EXTRACT] = "extract",
        [CORPUS_PHASE_MOJIBAKE] = "mojibake",
        [CORPUS_PHASE_NORMALISE] = "normalise",
        [CORPUS_PHASE_LANGUAGE] = "language",
        [CORPUS_PHASE_RULES] = "rules",
        [CORPUS_PHASE_QUALITY] = "quality",
        [CORPUS_PHASE_PII] = "pii",
        [CORPUS_PHASE_WRITE] = "write",
    };
    return names[phase];
}

static q_status work_on(struct phases *p, const struct corpus_origin *origin, const struct corpus_item *item)
{
    struct corpus_outcome outcome;
    p->items++;
    Q_TRY(corpus_work(p->worker, origin, item, NULL, &outcome));
    if (outcome.reason)
        return Q_OK;
    p->documents++;
    Q_TRY(q_documents_append(p->writer, &outcome.document));
    corpus_clock_end(&p->clock, CORPUS_PHASE_WRITE, outcome.document.text.size);
    return Q_OK;
}

static q_status time_file(struct phases *p, const struct corpus_source *source, const struct corpus_file *file)
{
    const struct corpus_reader_options options = corpus_plan_reader(&p->plan, source);
    const struct corpus_origin origin = {source->input, file->name};
    uint64_t position = 0;
    bool more = true;
    Q_TRY(corpus_reader_open(file->path, &options, &p->reader));
    while (more) {
        struct corpus_item item;
        Q_TRY(corpus_reader_next(p->reader, &item, &more));
        uint64_t now = corpus_reader_position(p->reader);
        corpus_clock_end(&p->clock, CORPUS_PHASE_READ, (size_t)(now - position));
        position = now;
        if (more)
            Q_TRY(work_on(p, &origin, &item));
    }
    corpus_reader_close(p->reader);
    p->reader = NULL;
    return Q_OK;
}

static q_status print(const struct phases *p)
{
    struct q_buffer text = {0};
    struct q_json json = q_json_begin(&text);
    q_json_open(&json, NULL, '{');
    q_json_put_fixed(&json, "seconds", p->seconds, 4);
    q_json_put_u64(&json, "items", p->items);
    q_json_put_u64(&json, "documents", p->documents);
    q_json_open(&json, "phases", '{');
    for (int i = 0; i < CORPUS_PHASES; i++) {
        if (!p->clock.phases[i].calls)
            continue;
        q_json_open(&json, phase_name((enum corpus_phase)i), '{');
        q_json_put_fixed(&json, "share", p->clock.phases[i].seconds / p->seconds, 4);
        q_json_put_fixed(&json, "seconds", p->clock.phases[i].seconds, 4);
        q_json_put_fixed(&json, "mb_per_s", (double)p->clock.phases[i].bytes / 1e6 / p->clock.phases[i].seconds, 1);
        q_json_put_u64(&json, "bytes", p->clock.phases[i].bytes);
        q_json_put_u64(&json, "calls", p->clock.phases[i].calls);
        q_json_close(&json, '}');
    }
    q_json_close(&json, '}');
    q_json_put_u64(&json, "peak_bytes", q_memory_peak_bytes());
    q_json_close(&json, '}');
    return corpus_print_json(&json, &text);
}

/* The documents are written to a file of the folder for temporary ones and then forgotten. */
static q_status time_all(struct phases *p, const struct q_common *common, const char *const *arguments, size_t count)
{
    const char *folder = getenv("TMPDIR");
    Q_TRY(corpus_plan_begin(common->recipe, &common->set, &p->plan));
    Q_TRY(corpus_plan_files(&p->plan, arguments, count));
    Q_TRY(corpus_plan_models(&p->plan));
    Q_TRY(corpus_worker_create(&p->plan.settings, &p->plan.models, &p->worker));
    Q_TRY(q_buffer_printf(&p->path, "%s/quern-phases-%ld.jsonl.zst", folder ? folder : "/tmp", (long)getpid()));
    Q_TRY(q_buffer_terminate(&p->path));
    Q_TRY(q_documents_create(p->path.data, &p->writer));
    corpus_worker_time(p->worker, &p->clock);
    double start = p->clock.last = q_seconds();
    for (size_t s = 0; s < p->plan.source_count; s++)
        for (size_t f = 0; f < p->plan.sources[s].file_count; f++)
            Q_TRY(time_file(p, &p->plan.sources[s], &p->plan.sources[s].files[f]));
    p->seconds = q_seconds() - start;
    return print(p);
}

q_status corpus_phases_verb(void *options, const char *const *arguments, size_t count)
{
    struct phases p = {0};
    q_status status = time_all(&p, options, arguments, count);
    q_documents_abandon(p.writer);
    corpus_reader_close(p.reader);
    corpus_worker_release(p.worker);
    q_buffer_release(&p.path);
    corpus_plan_release(&p.plan);
    return status;
}
