#include "orchestrate/stages.h"

#include "base/check.h"

const struct stage stages[STAGE_COUNT] = {
    [STAGE_CORPUS] = {.name = "corpus",
                      .program = "quern-corpus",
                      .verb = "build",
                      .summary = "read, extract, normalise, filter: containers in, documents out",
                      .steps = {{"build", STEP_MAP}},
                      .step_count = 1},
    [STAGE_DEDUP] = {.name = "dedup",
                     .program = "quern-dedup",
                     .verb = "build",
                     .summary = "drop what is there twice, exactly or nearly",
                     .inputs = {{STAGE_CORPUS, NULL}},
                     .input_count = 1,
                     .steps = {{"sign", STEP_MAP}, {"group", STEP_ONE}, {"filter", STEP_MAP}},
                     .step_count = 3},
    [STAGE_TOKENIZER] = {.name = "tokenizer",
                         .program = "quern-tokenizer",
                         .verb = "train",
                         .summary = "count words, merge pairs: a byte-level BPE tokenizer",
                         .inputs = {{STAGE_DEDUP, NULL}},
                         .input_count = 1,
                         .steps = {{"count", STEP_MAP}, {"train", STEP_ONE}},
                         .step_count = 2,
                         .report_reads_recipe = true},
    [STAGE_SHARDS] = {.name = "shards",
                      .program = "quern-shards",
                      .verb = "build",
                      .summary = "encode and pack documents into sequences of tokens",
                      .inputs = {{STAGE_DEDUP, NULL}, {STAGE_TOKENIZER, "-t"}},
                      .input_count = 2,
                      .steps = {{"build", STEP_MAP}},
                      .step_count = 1,
                      .report_decodes = true},
    [STAGE_TRAIN] = {.name = "train",
                     .program = "quern-train",
                     .verb = "run",
                     .summary = "train the mixture-of-experts model",
                     .inputs = {{STAGE_SHARDS, "--shards"}, {STAGE_TOKENIZER, "-t"}},
                     .input_count = 2,
                     .steps = {{"run", STEP_GANG}},
                     .step_count = 1},
    [STAGE_EVAL] = {.name = "eval",
                    .program = "quern-eval",
                    .verb = "run",
                    .summary = "measure the model on the held-out documents",
                    .inputs = {{STAGE_TRAIN, "--model"}, {STAGE_SHARDS, "--shards"}, {STAGE_TOKENIZER, "-t"}},
                    .input_count = 3,
                    .steps = {{"run", STEP_GANG}},
                    .step_count = 1},
};

static q_status parse_stage(q_string text, size_t *out)
{
    const char *names[STAGE_COUNT + 1] = {NULL};
    for (size_t i = 0; i < STAGE_COUNT; i++) {
        if (q_string_is(text, stages[i].name) || (text.size == 1 && text.data[0] == (char)('1' + i))) {
            *out = i;
            return Q_OK;
        }
        names[i] = stages[i].name;
    }
    const char *nearest = q_nearest_name(text, names);
    if (nearest)
        return q_fail(Q_ERR_USAGE, "no stage '%.*s'; did you mean '%s'?", Q_STRING_ARGS(text), nearest);
    return q_fail(Q_ERR_USAGE, "no stage '%.*s'; stages are 1..%d or corpus, dedup, tokenizer, shards, train, eval",
                  Q_STRING_ARGS(text), STAGE_COUNT);
}

q_status stages_parse_range(const char *text, size_t *first, size_t *last)
{
    q_string all = q_string_of(text);
    size_t dots = q_string_find(all, Q_STRING(".."), 0), from = 0, to = STAGE_COUNT - 1;
    if (dots == SIZE_MAX) {
        Q_TRY(parse_stage(all, &from));
        to = from;
    } else {
        q_string low = q_string_slice(all, 0, dots), high = q_string_slice(all, dots + 2, all.size);
        if (low.size)
            Q_TRY(parse_stage(low, &from));
        if (high.size)
            Q_TRY(parse_stage(high, &to));
    }
    if (from > to)
        return q_fail(Q_ERR_USAGE, "stages '%s' run backwards: %s comes before %s", text, stages[to].name,
                      stages[from].name);
    *first = from;
    *last = to;
    return Q_OK;
}

static const char *const kind_names[] = {[STEP_MAP] = "map", [STEP_ONE] = "one", [STEP_GANG] = "gang"};

const char *step_kind_name(enum step_kind kind)
{
    return kind_names[kind];
}

q_status step_kind_parse(q_string name, enum step_kind *out)
{
    for (size_t i = 0; i < Q_COUNT_OF(kind_names); i++)
        if (q_string_is(name, kind_names[i])) {
            *out = (enum step_kind)i;
            return Q_OK;
        }
    return q_fail(Q_ERR_INPUT, "no kind of step is called '%.*s'", Q_STRING_ARGS(name));
}
