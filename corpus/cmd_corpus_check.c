/* quern-corpus check: each document's verdicts. */
#include "base/check.h"
#include "base/fs.h"
#include "base/json.h"
#include "corpus/cmd_corpus.h"
#include "corpus/corpus_document.h"
#include "corpus/corpus_plan.h"

#include <math.h>

static void put_verdict(struct q_json *json, const struct corpus_rule *rule, const struct corpus_verdict *verdict)
{
    q_json_open(json, rule->name, '{');
    q_json_put_fixed(json, "measure", verdict->measure, 4); /* null where the rule does not apply */
    if (!isinf(verdict->min))
        q_json_put_double(json, "min", verdict->min);
    if (!isinf(verdict->max))
        q_json_put_double(json, "max", verdict->max);
    q_json_put_bool(json, "pass", verdict->pass);
    q_json_close(json, '}');
}

/* The verdicts of one document, in the order in which its rules were asked. */
struct verdicts {
    struct {
        const struct corpus_rule *rule;
        struct corpus_verdict verdict;
    } items[CORPUS_RULES_MAX];
    size_t count;
};

static void note_verdict(void *context, const struct corpus_rule *rule, const struct corpus_verdict *verdict)
{
    struct verdicts *verdicts = context;
    q_check(verdicts->count < CORPUS_RULES_MAX);
    verdicts->items[verdicts->count].rule = rule;
    verdicts->items[verdicts->count++].verdict = *verdict;
}

static void put_rules(struct q_json *json, const struct verdicts *verdicts)
{
    q_json_open(json, "rules", '{');
    for (size_t i = 0; i < verdicts->count; i++)
        put_verdict(json, verdicts->items[i].rule, &verdicts->items[i].verdict);
    q_json_close(json, '}');
}

/* Lines that rules took out of the text. */
static void put_lines(struct q_json *json, const struct corpus_line_count *lines)
{
    if (!lines[0].reason)
        return;
    q_json_open(json, "lines", '{');
    for (size_t i = 0; lines[i].reason; i++)
        q_json_put_u64(json, lines[i].reason, lines[i].lines);
    q_json_close(json, '}');
}

static q_status put_outcome(const struct verdicts *verdicts, const struct corpus_origin *origin,
                            const struct corpus_item *item, const struct corpus_outcome *outcome, struct q_buffer *id,
                            struct q_buffer *out)
{
    struct q_json json = q_json_begin(out);
    q_buffer_clear(id);
    Q_TRY(corpus_document_id(origin, item, id));
    q_json_open(&json, NULL, '{');
    q_json_put_string(&json, "id", q_buffer_string(id));
    q_json_put_bool(&json, "kept", outcome->reason == NULL);
    if (outcome->reason)
        q_json_put_string(&json, outcome->failed ? "failed" : "reason", q_string_of(outcome->reason));
    if (item->note)
        q_json_put_string(&json, "note", q_string_of(item->note));
    if (outcome->readable) {
        q_json_put_string(&json, "lang", outcome->document.lang);
        q_json_put_fixed(&json, "lang_score", outcome->document.lang_score, 2);
        if (outcome->document.quality >= 0)
            q_json_put_fixed(&json, "quality", outcome->document.quality, 4);
        q_json_put_u64(&json, "bytes", outcome->document.text.size);
        if (outcome->document.meta.size)
            q_json_put_raw(&json, "meta", outcome->document.meta);
        put_rules(&json, verdicts);
        put_lines(&json, outcome->lines);
    }
    q_json_close(&json, '}');
    q_json_newline(&json);
    return q_json_end(&json);
}

struct checking {
    struct corpus_plan plan;
    struct corpus_worker *worker;
    struct corpus_reader *reader;
    struct q_buffer id, out;
};

static q_status check_file(struct checking *c, const struct corpus_source *source, const struct corpus_file *file)
{
    const struct corpus_settings *settings = &c->plan.settings;
    const struct corpus_reader_options options = {.item_bytes_max = settings->item_bytes_max,
                                                  .unpack_ratio_max = settings->unpack_ratio_max,
                                                  .depth_max = (unsigned)settings->depth_max,
                                                  .format = (enum q_input_format)source->input->format,
                                                  .text_field = source->input->text_field};
    const struct corpus_origin origin = {source->input, file->name};
    bool more = true;
    Q_TRY(corpus_reader_open(file->path, &options, &c->reader));
    while (more) {
        struct corpus_item item;
        struct corpus_outcome outcome;
        struct verdicts verdicts = {.count = 0};
        const struct corpus_verdict_visitor visitor = {note_verdict, &verdicts};
        Q_TRY(corpus_reader_next(c->reader, &item, &more));
        if (!more)
            break;
        Q_TRY(corpus_work(c->worker, &origin, &item, &visitor, &outcome));
        q_buffer_clear(&c->out);
        Q_TRY(put_outcome(&verdicts, &origin, &item, &outcome, &c->id, &c->out));
        Q_TRY(corpus_print(q_buffer_string(&c->out)));
    }
    corpus_reader_close(c->reader);
    c->reader = NULL;
    return Q_OK;
}

static q_status check(struct checking *c, const struct q_common *common, const char *const *arguments, size_t count)
{
    Q_TRY(corpus_plan_begin(common->recipe, &common->set, &c->plan));
    Q_TRY(corpus_plan_files(&c->plan, arguments, count));
    Q_TRY(corpus_plan_models(&c->plan));
    Q_TRY(corpus_worker_create(&c->plan.settings, &c->plan.models, &c->worker));
    for (size_t s = 0; s < c->plan.source_count; s++)
        for (size_t f = 0; f < c->plan.sources[s].file_count; f++)
            Q_TRY(check_file(c, &c->plan.sources[s], &c->plan.sources[s].files[f]));
    return Q_OK;
}

q_status corpus_check_verb(void *options, const char *const *arguments, size_t count)
{
    struct checking c = {0};
    q_status status = check(&c, options, arguments, count);
    corpus_reader_close(c.reader);
    corpus_worker_release(c.worker);
    q_buffer_release(&c.id);
    q_buffer_release(&c.out);
    corpus_plan_release(&c.plan);
    return status;
}
