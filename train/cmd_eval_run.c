/* quern-eval run and plan: the sixth stage. results.json (docs/formats/evaluation.md) is its one file. */
#include "base/check.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/manifest.h"
#include "base/plan.h"
#include "base/progress.h"
#include "base/recipe.h"
#include "shards/shards.h"
#include "tokenizer/tokenizer.h"
#include "train/cmd_eval.h"
#include "train/eval/eval_bits.h"
#include "train/eval/eval_generate.h"
#include "train/eval/eval_settings.h"
#include "train/files/model_files.h"
#include "train/step_inputs.h"

#include <inttypes.h>
#include <stdio.h>

const struct q_option eval_run_table[] = {
    {"model", 0, Q_OPTION_TEXT, offsetof(struct eval_options, model), "DIR", "folder of the finished training"},
    {"shards", 0, Q_OPTION_TEXT, offsetof(struct eval_options, shards), "DIR", "folder of the finished shards"},
    {"tokenizer", 't', Q_OPTION_TEXT, offsetof(struct eval_options, tokenizer), "DIR",
     "folder of the finished tokenizer"},
    {"fragment", 0, Q_OPTION_FLAG, offsetof(struct eval_options, fragment), NULL,
     "(report) print what goes into a run's page"},
    {0}};

struct evaluation {
    const struct eval_options *options;
    struct q_recipe recipe;
    struct eval_settings settings;
    struct q_manifest trained, sharded;
    struct q_step step;
    const char *from_folder; /* of the weights that the run began with; NULL: those of its seed, or not at hand */
    bool knows_initial;      /* the model before its training can be made again */
    /* What is measured with. */
    struct shards *heldout, *train;
    struct tokenizer *tokenizer;
    struct opened_model model;
    uint32_t *token_bytes;
    uint64_t *counts;
    /* What came out, by source. */
    struct eval_bits *initial, *final, *unigram;
    json_t *continuations;
};

static void release(struct evaluation *evaluation)
{
    json_decref(evaluation->continuations);
    opened_model_close(&evaluation->model);
    tokenizer_release(evaluation->tokenizer);
    shards_close(evaluation->heldout);
    shards_close(evaluation->train);
    q_step_release(&evaluation->step);
    q_manifest_release(&evaluation->trained);
    q_manifest_release(&evaluation->sharded);
    q_recipe_release(&evaluation->recipe);
}

static q_status load_recipe(struct evaluation *evaluation)
{
    const struct q_common *common = &evaluation->options->common;
    if (!common->recipe)
        return q_fail(Q_ERR_USAGE, "which recipe? give --recipe FILE");
    Q_TRY(q_recipe_load(common->recipe, &common->set, &evaluation->recipe));
    return q_settings_load(&eval_settings_table, q_recipe_section(&evaluation->recipe, "eval"),
                           &evaluation->recipe.arena, &evaluation->settings);
}

/* What one build of the shards holds out another one may have trained on: held-out means something for the shards that the model was trained on only. */
static q_status check_trained_on(const struct evaluation *evaluation)
{
    const char *folder = evaluation->options->model;
    char hash[Q_HASH_HEX];
    json_t *identity, *inputs, *input;
    size_t i;
    bool same = false;
    Q_TRY(q_json_get_object(evaluation->trained.json, folder, "identity", &identity));
    Q_TRY(q_json_get_array(identity, folder, "inputs", &inputs));
    q_hash_hex(evaluation->sharded.hash, hash);
    json_array_foreach(inputs, i, input)
    {
        q_string seen;
        Q_TRY(q_json_get_string(input, folder, "hash", &seen));
        same = same || q_string_is(seen, hash);
    }
    return same ? Q_OK
                : q_fail(Q_ERR_INPUT,
                         "the model in '%s' was not trained on the shards in '%s', and may have seen what these hold "
                         "out; use 'bpb' for other text",
                         folder, evaluation->options->shards);
}

/* The hash of the weights that the run began with; empty: those of its seed. */
static q_status recorded_weights(const struct evaluation *evaluation, q_string *out)
{
    const char *folder = evaluation->options->model;
    json_t *identity, *inputs, *input;
    size_t i;
    *out = (q_string){0};
    Q_TRY(q_json_get_object(evaluation->trained.json, folder, "identity", &identity));
    Q_TRY(q_json_get_array(identity, folder, "inputs", &inputs));
    json_array_foreach(inputs, i, input)
    {
        q_string name;
        Q_TRY(q_json_get_string(input, folder, "name", &name));
        if (q_string_is(name, "from"))
            Q_TRY(q_json_get_string(input, folder, "hash", out));
    }
    return Q_OK;
}

/* 'train.from' of the recipe, which says where the weights lie that the run began with; they must be those. */
static q_status add_weights(struct evaluation *evaluation, q_string recorded)
{
    char hex[Q_HASH_HEX];
    q_hash hash;
    const struct q_node *section = q_recipe_section(&evaluation->recipe, "train");
    const struct q_node *from = section ? q_node_child(section, "from") : NULL;
    const char *path, **folder = &evaluation->from_folder;
    evaluation->knows_initial = from && from->kind == Q_NODE_SCALAR && from->text.size > 0;
    if (!evaluation->knows_initial)
        return Q_OK;
    Q_TRY(q_arena_cstring(&evaluation->recipe.arena, from->text, &path));
    Q_TRY(q_fs_join(&evaluation->recipe.arena, evaluation->recipe.folder, path, folder));
    if (!q_fs_is_directory(*folder))
        return q_fail(Q_ERR_USAGE,
                      "'train.from': there is no folder '%s'; give --set train.from= to evaluate without what the "
                      "model was before its training",
                      *folder);
    Q_TRY(q_context(step_weights_hash(*folder, &hash), "'train.from'"));
    if (!q_string_is(recorded, q_hash_hex(hash, hex)))
        return q_fail(Q_ERR_INPUT,
                      "'train.from': '%s' does not hold the weights that the run in '%s' began with; give --set "
                      "train.from= to evaluate without them",
                      *folder, evaluation->options->model);
    return q_step_add_input(&evaluation->step, "from", hash);
}

/* How the model was before its training is in the identity: with the folder of the weights that it began with, or without. */
static q_status add_beginning(struct evaluation *evaluation)
{
    q_string recorded;
    Q_TRY(recorded_weights(evaluation, &recorded));
    evaluation->knows_initial = recorded.size == 0;
    return evaluation->knows_initial ? Q_OK : add_weights(evaluation, recorded);
}

static q_status seal_step(struct evaluation *evaluation)
{
    json_t *settings;
    Q_TRY(q_manifest_read(evaluation->options->model, &evaluation->trained));
    Q_TRY(q_manifest_read(evaluation->options->shards, &evaluation->sharded));
    Q_TRY(check_trained_on(evaluation));
    Q_TRY(q_settings_json(&eval_settings_table, &evaluation->settings, Q_TAG_IDENTITY, 0, &settings));
    struct q_step *step = &evaluation->step;
    Q_TRY(q_step_begin(step, "eval", "run", EVAL_OUTPUT_VERSION, evaluation->recipe.seed, settings));
    Q_TRY(q_step_add_input(step, "train", evaluation->trained.hash));
    Q_TRY(step_add_data(step, &evaluation->sharded, evaluation->options->tokenizer));
    Q_TRY(add_beginning(evaluation));
    return q_step_seal(step);
}

static bool has_inputs(const struct eval_options *options)
{
    return options->model && options->shards && options->tokenizer;
}

static q_status plan_in(struct evaluation *evaluation)
{
    Q_TRY(load_recipe(evaluation));
    if (!has_inputs(evaluation->options))
        return q_plan_print("eval", NULL, 0);
    Q_TRY(seal_step(evaluation));
    const struct q_plan_step step = {.step = &evaluation->step, .kind = "gang", .parts = 1};
    return q_plan_print("eval", &step, 1);
}

q_status eval_plan(void *options, const char *const *arguments, size_t count)
{
    (void)arguments, (void)count;
    struct evaluation evaluation = {.options = options};
    q_status status = plan_in(&evaluation);
    release(&evaluation);
    return status;
}

static q_status open_all(struct evaluation *evaluation)
{
    const struct eval_options *options = evaluation->options;
    struct q_arena *arena = &evaluation->step.arena;
    Q_TRY(shards_open(options->shards, SHARDS_HELDOUT, &evaluation->heldout));
    Q_TRY(shards_open(options->shards, SHARDS_TRAIN, &evaluation->train));
    const struct shards *heldout = evaluation->heldout;
    if (heldout->sequences == 0)
        return q_fail(Q_ERR_INPUT, "'%s' has no held-out sequence; raise 'corpus.held_out' or give more text",
                      options->shards);
    Q_TRY(tokenizer_load(options->tokenizer, &evaluation->tokenizer));
    struct model_shape shape = {.batch = EVAL_BATCH, .sequence = heldout->sequence_tokens};
    Q_TRY(opened_model_open(options->model, &shape, (unsigned)options->common.threads, &evaluation->model));
    if (heldout->vocabulary > model_config_ids(&evaluation->model.config))
        return q_fail(Q_ERR_INPUT, "the shards have ids up to %u, the model in '%s' only %" PRIu64,
                      heldout->vocabulary - 1, options->model, model_config_ids(&evaluation->model.config));
    Q_TRY(q_arena_alloc(arena, heldout->vocabulary, sizeof(uint32_t), &evaluation->token_bytes));
    Q_TRY(q_arena_alloc(arena, heldout->vocabulary, sizeof(uint64_t), &evaluation->counts));
    Q_TRY(q_arena_alloc(arena, heldout->source_count, sizeof(struct eval_bits), &evaluation->initial));
    Q_TRY(q_arena_alloc(arena, heldout->source_count, sizeof(struct eval_bits), &evaluation->final));
    Q_TRY(q_arena_alloc(arena, heldout->source_count, sizeof(struct eval_bits), &evaluation->unigram));
    eval_token_bytes(evaluation->tokenizer, heldout->vocabulary, evaluation->token_bytes);
    return shards_token_counts(evaluation->train, evaluation->counts);
}

static q_status continue_prompts(struct evaluation *evaluation)
{
    const struct eval_settings *settings = &evaluation->settings;
    evaluation->continuations = json_array();
    if (!evaluation->continuations)
        return q_fail(Q_ERR_MEMORY, "no memory for the continuations");
    for (size_t i = 0; i < settings->prompts.count; i++) {
        struct eval_sampling sampling = {.tokens = settings->prompt_tokens,
                                         .temperature = settings->temperature,
                                         .top_p = settings->top_p,
                                         .seed = evaluation->recipe.seed};
        struct q_buffer text = {0};
        q_string prompt = q_string_of(settings->prompts.items[i]);
        q_status status = eval_generate(&evaluation->model, evaluation->tokenizer, prompt, &sampling, &text);
        if (!status)
            status = q_json_push(evaluation->continuations, json_pack("{s:o,s:o}", "prompt", q_json_string(prompt),
                                                                      "text", q_json_string(q_buffer_string(&text))));
        q_buffer_release(&text);
        Q_TRY(status);
    }
    return Q_OK;
}

/* Weights of a folder that does not say which of its rows are padding may have more of them than the trained model has ids. */
static q_status read_beginning(struct evaluation *evaluation)
{
    struct opened_model *opened = &evaluation->model;
    struct model_config source, config = opened->config;
    Q_TRY(model_config_read(evaluation->from_folder, &source));
    if (source.unpadded_vocab_size == 0 && source.vocab_size > config.vocab_size) {
        config.unpadded_vocab_size = model_config_ids(&config);
        config.vocab_size = source.vocab_size;
        model_release(opened->model);
        opened->model = NULL;
        Q_TRY(model_create(&config, opened->ops, opened->context, &opened->shape, &opened->model));
    }
    return q_context(model_files_read(opened->model, evaluation->from_folder), "'train.from'");
}

/* The trained model, its continuations, the unigram model, and last the model as it was before training: it takes the trained one's place. */
static q_status measure(struct evaluation *evaluation)
{
    struct eval_selection selection = eval_select(evaluation->heldout, evaluation->settings.sequences_max);
    q_progress_start("eval", "tokens",
                     (evaluation->knows_initial ? 2 : 1) * selection.count * evaluation->heldout->sequence_tokens);
    Q_TRY(eval_bits_of_model(&selection, &evaluation->model, evaluation->token_bytes, evaluation->final));
    Q_TRY(continue_prompts(evaluation));
    Q_TRY(eval_bits_of_unigram(&selection, evaluation->counts, evaluation->token_bytes, evaluation->unigram));
    if (!evaluation->knows_initial)
        return Q_OK;
    Q_TRY(evaluation->from_folder ? read_beginning(evaluation)
                                  : model_init(evaluation->model.model, evaluation->trained.seed, evaluation->model.pool));
    return eval_bits_of_model(&selection, &evaluation->model, evaluation->token_bytes, evaluation->initial);
}

static json_t *bits_json(const struct eval_bits *bits)
{
    return json_pack("{s:f,s:f}", "bits_per_byte", eval_bits_per_byte(bits), "nats_per_token",
                     bits->targets ? bits->nats / (double)bits->targets : 0);
}

/* One row: of a source, or of all of them together. `initial` NULL: not known. */
static json_t *row_json(const struct eval_bits *initial, const struct eval_bits *final, const struct eval_bits *unigram)
{
    return json_pack("{s:I,s:I,s:o*,s:o,s:o}", "tokens", (json_int_t) final->targets, "bytes",
                     (json_int_t) final->bytes, "initial", initial ? bits_json(initial) : NULL, "final",
                     bits_json(final), "unigram", bits_json(unigram));
}

static q_status results_json(const struct evaluation *evaluation, json_t **out)
{
    size_t count = evaluation->heldout->source_count;
    struct eval_bits initial = eval_bits_sum(evaluation->initial, count),
                     final = eval_bits_sum(evaluation->final, count),
                     unigram = eval_bits_sum(evaluation->unigram, count);
    json_t *sources = json_object();
    json_t *results = json_pack("{s:s,s:i,s:o,s:o,s:O}", "format", "quern-evaluation", "version", 1, "heldout",
                                row_json(evaluation->knows_initial ? &initial : NULL, &final, &unigram), "sources",
                                sources, "continuations", evaluation->continuations);
    if (!results)
        return q_fail(Q_ERR_MEMORY, "no memory for the results");
    q_status status = Q_OK;
    for (size_t i = 0; i < count && !status; i++) {
        if (evaluation->final[i].targets)
            status = q_json_set(sources, evaluation->heldout->sources[i].name,
                                row_json(evaluation->knows_initial ? &evaluation->initial[i] : NULL,
                                         &evaluation->final[i], &evaluation->unigram[i]));
    }
    if (status)
        json_decref(results);
    else
        *out = results;
    return status;
}

/* A continuation on one line: line ends are shown by a sign. */
static void print_continuation(const json_t *entry)
{
    const char *text = json_string_value(json_object_get(entry, "text"));
    fprintf(stderr, "eval: \"%s\" ->", json_string_value(json_object_get(entry, "prompt")));
    for (const char *c = text; c && *c; c++)
        fputs(*c == '\n' ? "\u23ce" : (const char[]){*c, 0}, stderr);
    fputc('\n', stderr);
}

static void print_summary(const struct evaluation *evaluation)
{
    size_t count = evaluation->heldout->source_count, i;
    struct eval_bits initial = eval_bits_sum(evaluation->initial, count),
                     final = eval_bits_sum(evaluation->final, count),
                     unigram = eval_bits_sum(evaluation->unigram, count);
    double after = eval_bits_per_byte(&final), floor = eval_bits_per_byte(&unigram);
    char before[64] = "";
    json_t *entry;
    if (evaluation->knows_initial)
        snprintf(before, sizeof before, "%.3f bits per byte before training, ", eval_bits_per_byte(&initial));
    fprintf(stderr,
            "eval: %" PRIu64 " held-out tokens, %" PRIu64
            " bytes: %s%.3f%s after; a unigram model has %.3f (%.1f%% %s it)\n",
            final.targets, final.bytes, before, after, before[0] ? "" : " bits per byte", floor,
            100 * (after < floor ? 1 - after / floor : after / floor - 1), after < floor ? "below" : "above");
    json_array_foreach(evaluation->continuations, i, entry) print_continuation(entry);
}

static q_status publish(struct evaluation *evaluation)
{
    const char *path;
    json_t *results = NULL;
    struct q_part_file file = {.name = "results.json"};
    Q_TRY(q_fs_join(&evaluation->step.arena, evaluation->step.folder, file.name, &path));
    Q_TRY(results_json(evaluation, &results));
    q_status status = q_json_publish(path, results);
    if (!status)
        status = q_fs_hash_file(path, &file.identity.bytes, &file.identity.hash);
    if (!status)
        status =
            q_step_part_publish(&evaluation->step, 0, &file, 1, NULL, json_incref(json_object_get(results, "heldout")));
    struct q_finish end = {
        .parts = 1, .program = "quern-eval", .statistics = json_incref(json_object_get(results, "heldout"))};
    if (status)
        json_decref(end.statistics);
    else
        status = q_step_finish(&evaluation->step, &end, NULL);
    json_decref(results);
    return status;
}

static q_status run_in(struct evaluation *evaluation)
{
    const struct q_common *common = &evaluation->options->common;
    Q_TRY(step_check_whole(common));
    Q_TRY(load_recipe(evaluation));
    if (!has_inputs(evaluation->options) || !common->out)
        return q_fail(
            Q_ERR_USAGE,
            "give the model (--model DIR), the shards (--shards DIR), the tokenizer (-t DIR) and where to (-o DIR)");
    Q_TRY(seal_step(evaluation));
    evaluation->step.threads = (unsigned)common->threads;
    Q_TRY(q_step_open(&evaluation->step, common->out, common->force));
    if (evaluation->step.done) {
        q_log_info("already measured: %s", common->out);
        return Q_OK;
    }
    Q_TRY(open_all(evaluation));
    q_status status = measure(evaluation);
    q_progress_finish();
    Q_TRY(status);
    Q_TRY(publish(evaluation));
    print_summary(evaluation);
    return Q_OK;
}

q_status eval_run(void *options, const char *const *arguments, size_t count)
{
    (void)arguments, (void)count;
    struct evaluation evaluation = {.options = options};
    q_status status = run_in(&evaluation);
    release(&evaluation);
    return status;
}
