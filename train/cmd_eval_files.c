/* quern-eval bpb and report. */
#include "base/check.h"
#include "base/document.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/report_verb.h"
#include "tokenizer/tokenizer.h"
#include "train/cmd_eval.h"
#include "train/eval/eval_bits.h"

#include <inttypes.h>
#include <stdio.h>

enum { BATCH_BYTES = 1 << 20, TEXT_BYTES_MAX = 1 << 30, RESULTS_BYTES_MAX = 1 << 28 };

/* Measures texts one after the other. */
struct measure {
    struct opened_model model;
    struct tokenizer *tokenizer;
    struct tokenizer_scratch *scratch;
    struct tokenizer_ids ids;
    struct q_jsonl_parser *parser;
    uint32_t *token_bytes;
    int32_t *inputs, *targets;
    op_acc *losses;
    struct eval_bits bits;
};

static void release(struct measure *measure)
{
    tokenizer_scratch_release(measure->scratch);
    tokenizer_ids_release(&measure->ids);
    tokenizer_release(measure->tokenizer);
    q_jsonl_release(measure->parser);
    q_release(measure->token_bytes);
    q_release(measure->inputs);
    q_release(measure->targets);
    q_release(measure->losses);
    opened_model_close(&measure->model);
}

static q_status create(const struct eval_options *options, struct measure *measure)
{
    struct model_shape one = {.batch = 1};
    Q_TRY(eval_window(options, UINT64_MAX, &one.sequence));
    Q_TRY(opened_model_open(options->model, &one, (unsigned)options->common.threads, &measure->model));
    Q_TRY(tokenizer_load(options->tokenizer ? options->tokenizer : options->model, &measure->tokenizer));
    Q_TRY(tokenizer_scratch_create(measure->tokenizer, &measure->scratch));
    Q_TRY(q_jsonl_create(&measure->parser));
    uint32_t vocabulary = tokenizer_size(measure->tokenizer);
    if (vocabulary > model_config_ids(&measure->model.config))
        return q_fail(Q_ERR_INPUT, "the tokenizer has %u ids, the model %" PRIu64 "; they do not belong together",
                      vocabulary, model_config_ids(&measure->model.config));
    size_t length = measure->model.shape.sequence;
    Q_TRY(q_alloc(vocabulary, sizeof(uint32_t), &measure->token_bytes));
    Q_TRY(q_alloc(length, sizeof(int32_t), &measure->inputs));
    Q_TRY(q_alloc(length, sizeof(int32_t), &measure->targets));
    Q_TRY(q_alloc(length, sizeof(op_acc), &measure->losses));
    eval_token_bytes(measure->tokenizer, vocabulary, measure->token_bytes);
    return Q_OK;
}

static q_status push_special(struct measure *measure, enum tokenizer_special special)
{
    uint32_t id = tokenizer_special_id(measure->tokenizer, special);
    if (id == UINT32_MAX)
        return Q_OK;
    Q_TRY(q_grow(&measure->ids.ids, &measure->ids.capacity, measure->ids.count + 1, sizeof(uint32_t)));
    measure->ids.ids[measure->ids.count++] = id;
    return Q_OK;
}

/* One document: begin, its ids, end; in windows that share one id, so that each id behind the first is a target once. */
static q_status measure_text(struct measure *measure, q_string text)
{
    measure->ids.count = 0;
    Q_TRY(push_special(measure, TOKENIZER_BEGIN));
    Q_TRY(tokenizer_encode(measure->tokenizer, measure->scratch, text, TOKENIZER_SPECIAL_AS_TEXT, &measure->ids));
    Q_TRY(push_special(measure, TOKENIZER_END));
    const uint32_t *ids = measure->ids.ids;
    for (size_t at = 0; at + 1 < measure->ids.count;) {
        size_t count = Q_MIN(measure->model.shape.sequence, measure->ids.count - 1 - at);
        for (size_t i = 0; i < count; i++) {
            measure->inputs[i] = (int32_t)ids[at + i];
            measure->targets[i] = (int32_t)ids[at + i + 1];
            measure->bits.bytes += measure->token_bytes[ids[at + i + 1]];
        }
        struct model_batch batch = {.batch = 1, .sequence = count, .ids = measure->inputs, .targets = measure->targets};
        Q_TRY(model_forward(measure->model.model, &batch, measure->losses));
        for (size_t i = 0; i < count; i++)
            measure->bits.nats += (double)measure->losses[i];
        measure->bits.targets += count;
        at += count;
    }
    return Q_OK;
}

static q_status measure_lines(struct measure *measure, const char *path)
{
    struct q_lines_reader *reader;
    struct q_buffer batch = {0};
    Q_TRY(q_lines_open(path, &reader));
    q_status status;
    while (!(status = q_lines_next(reader, BATCH_BYTES, &batch)) && batch.size > 0) {
        q_string rest = q_buffer_string(&batch), line;
        while (!status && q_string_next_line(&rest, &line)) {
            struct q_document document;
            status = q_context(q_document_parse(measure->parser, line, &document), "'%s'", path);
            if (!status)
                status = measure_text(measure, document.text);
        }
        if (status)
            break;
    }
    q_buffer_release(&batch);
    q_lines_close(reader);
    return status;
}

static q_status measure_file(struct measure *measure, const char *path)
{
    if (strstr(q_fs_base_name(path), ".jsonl"))
        return measure_lines(measure, path);
    struct q_buffer text = {0};
    q_status status = q_fs_read_file(path, TEXT_BYTES_MAX, &text);
    if (!status)
        status = measure_text(measure, q_buffer_string(&text));
    q_buffer_release(&text);
    return status;
}

q_status eval_bpb(void *given, const char *const *arguments, size_t count)
{
    const struct eval_options *options = given;
    struct measure measure = {0};
    if (!options->model)
        return q_fail(Q_ERR_USAGE, "which model? give --model DIR");
    q_status status = create(options, &measure);
    for (size_t i = 0; i < count && !status; i++)
        status = measure_file(&measure, arguments[i]);
    if (!status && measure.bits.bytes == 0)
        status = q_fail(Q_ERR_INPUT, "the files hold no text to measure on");
    if (!status)
        printf(options->common.json ? "{\"bits_per_byte\":%.6f,\"bytes\":%" PRIu64 ",\"tokens\":%" PRIu64 "}\n"
                                    : "%.4f bits per byte over %" PRIu64 " bytes, %" PRIu64 " tokens\n",
               eval_bits_per_byte(&measure.bits), measure.bits.bytes, measure.bits.targets);
    release(&measure);
    return status;
}

static double bits_of(const json_t *row, const char *which)
{
    return json_number_value(json_object_get(json_object_get(row, which), "bits_per_byte"));
}

static q_status fill(struct q_report *report, json_t *results, struct q_arena *arena)
{
    static const char *const header[] = {"source", "tokens", "before training", "after", "unigram"};
    json_t *sources = json_object_get(results, "sources"), *row, *heldout = json_object_get(results, "heldout"), *entry;
    const char *name, **cells;
    size_t rows = json_object_size(sources), i = 0;
    char figure[32];
    q_report_heading(report, "Evaluation");
    snprintf(figure, sizeof figure, "%.3f", bits_of(heldout, "final"));
    q_report_figure(report, figure, "bits per byte on held-out text");
    if (json_object_get(heldout, "initial")) {
        snprintf(figure, sizeof figure, "%.3f", bits_of(heldout, "initial"));
        q_report_figure(report, figure, "before training");
    }
    snprintf(figure, sizeof figure, "%.3f", bits_of(heldout, "unigram"));
    q_report_figure(report, figure, "a unigram model over the same tokens");
    Q_TRY(q_arena_alloc(arena, rows * Q_COUNT_OF(header), sizeof *cells, &cells));
    json_object_foreach(sources, name, row)
    {
        cells[i++] = name;
        Q_TRY(q_arena_printf(arena, &cells[i++], "%" PRId64,
                             (int64_t)json_integer_value(json_object_get(row, "tokens"))));
        if (json_object_get(row, "initial"))
            Q_TRY(q_arena_printf(arena, &cells[i++], "%.3f", bits_of(row, "initial")));
        else
            cells[i++] = "";
        Q_TRY(q_arena_printf(arena, &cells[i++], "%.3f", bits_of(row, "final")));
        Q_TRY(q_arena_printf(arena, &cells[i++], "%.3f", bits_of(row, "unigram")));
    }
    q_report_table(report,
                   &(struct q_table){.header = header, .columns = Q_COUNT_OF(header), .cells = cells, .rows = rows});
    json_array_foreach(json_object_get(results, "continuations"), i, entry)
    {
        const char *prompt = json_string_value(json_object_get(entry, "prompt")),
                   *text = json_string_value(json_object_get(entry, "text")), *whole;
        Q_TRY(q_arena_printf(arena, &whole, "%s%s", prompt ? prompt : "", text ? text : ""));
        q_report_sample(report, "A continuation", q_string_of(whole), 2000);
    }
    return Q_OK;
}

q_status eval_report(void *opaque, const char *const *arguments, size_t count)
{
    const struct eval_options *options = opaque;
    (void)count;
    struct q_arena arena = {0};
    struct q_report *report = NULL;
    json_t *results = NULL;
    const char *path;
    q_status status = q_fs_join(&arena, arguments[0], "results.json", &path);
    if (!status)
        status = q_json_read_file(path, RESULTS_BYTES_MAX, &results);
    if (!status)
        status = q_report_create("Evaluation", &report);
    if (!status)
        status = fill(report, results, &arena);
    if (!status)
        status = q_report_deliver(report, arguments[0], options->common.out, options->fragment);
    q_report_release(report);
    json_decref(results);
    q_arena_release(&arena);
    return status;
}
