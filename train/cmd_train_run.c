/* quern-train run and plan: from a recipe and finished shards to a finished model. */
#include "base/check.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/manifest.h"
#include "base/plan.h"
#include "base/recipe.h"
#include "base/threads.h"
#include "shards/mixture.h"
#include "shards/shards.h"
#include "tokenizer/tokenizer.h"
#include "train/cmd_train.h"
#include "train/comm/comm.h"
#include "train/files/model_files.h"
#include "train/plan/plan_table.h"
#include "train/schedule.h"
#include "train/step_inputs.h"
#include "train/trainer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
#define INPUT_OPTIONS \
    {"shards", 0, Q_OPTION_TEXT, offsetof(struct train_run_options, shards), "DIR", "folder of finished shards"}, \
    {"tokenizer", 't', Q_OPTION_TEXT, offsetof(struct train_run_options, tokenizer), "DIR", "folder of the finished tokenizer"}
/* clang-format on */

const struct q_option train_plan_table[] = {INPUT_OPTIONS,
                                            {"gpu-memory", 0, Q_OPTION_BYTES,
                                             offsetof(struct train_run_options, gpu_memory), "BYTES",
                                             "of the GPU that is planned for, say 80GB (standard: this machine's)"},
                                            {0}};

const struct q_option train_run_table[] = {
    INPUT_OPTIONS,
    {"ranks", 0, Q_OPTION_TEXT, offsetof(struct train_run_options, ranks), "KIND",
     "self (standard): this process alone; mpi: one of those that mpirun or srun has started, data parallel"},
    {0}};

/* All that a run is made from. */
struct run {
    const struct train_run_options *options;
    struct q_recipe recipe;
    struct train_settings settings;
    struct model_config config;
    struct q_manifest shards;
    struct q_step step;
    json_t *schedule;        /* settings tagged schedule */
    const char *from_folder; /* of 'train.from'; NULL: none */
    struct comm *comm;       /* NULL: one rank */
    bool leads;              /* rank 0, or the only one: the folder is its own */
};

static void release(struct run *run)
{
    q_step_release(&run->step);
    q_manifest_release(&run->shards);
    json_decref(run->schedule);
    q_recipe_release(&run->recipe);
}

/* The recipe's part: settings and model, checked without any input. */
static q_status load_recipe(struct run *run)
{
    const struct q_common *common = &run->options->common;
    if (!common->recipe)
        return q_fail(Q_ERR_USAGE, "which recipe? give --recipe FILE");
    Q_TRY(q_recipe_load(common->recipe, &common->set, &run->recipe));
    struct q_arena *arena = &run->recipe.arena;
    Q_TRY(q_settings_load(&train_settings_table, q_recipe_section(&run->recipe, "train"), arena, &run->settings));
    Q_TRY(train_settings_check(&run->settings, run->recipe.file));
    struct mixture_piece *pieces;
    size_t count;
    Q_TRY(mixture_pieces(&run->recipe, arena, &pieces, &count)); /* what is wrong with them is told before any work */
    Q_TRY(model_config_load(q_recipe_section(&run->recipe, "model"), run->recipe.folder, arena, &run->config));
    if (run->settings.from)
        Q_TRY(q_fs_join(arena, run->recipe.folder, run->settings.from, &run->from_folder));
    return q_settings_json(&train_settings_table, &run->settings, Q_TAG_SCHEDULE, 0, &run->schedule);
}

/* The ids of begin and end are the vocabulary's, whatever the recipe's model says. */
static q_status take_special_ids(struct run *run)
{
    struct tokenizer *tokenizer;
    Q_TRY(tokenizer_load(run->options->tokenizer, &tokenizer));
    uint32_t begin = tokenizer_special_id(tokenizer, TOKENIZER_BEGIN),
             end = tokenizer_special_id(tokenizer, TOKENIZER_END);
    run->config.bos_token_id = begin == UINT32_MAX ? -1 : (int64_t)begin;
    run->config.eos_token_id = end == UINT32_MAX ? -1 : (int64_t)end;
    tokenizer_release(tokenizer);
    return Q_OK;
}

/* {"SOURCE": {"weight": 1, ...}, ...}: which sequence is seen when depends on it. */
static q_status mixture_json(const struct run *run, json_t **out)
{
    json_t *mixture = json_object(), *one;
    const struct q_input *inputs = run->recipe.inputs.items;
    q_status status = mixture ? Q_OK : q_fail(Q_ERR_MEMORY, "no memory for the mixture");
    for (size_t i = 0; i < run->recipe.inputs.count && !status; i++) {
        status = q_settings_json(&q_input_table, &inputs[i], Q_TAG_IDENTITY, Q_INPUT_FOR_TRAIN, &one);
        if (!status)
            status = q_json_set(mixture, inputs[i].name, one);
    }
    if (status)
        json_decref(mixture);
    else
        *out = mixture;
    return status;
}

/* The settings that matter: the training's, the model's, and the mixture. */
static q_status identity_settings(const struct run *run, json_t **out)
{
    json_t *settings = NULL, *model = NULL, *mixture = NULL;
    Q_TRY(q_settings_json(&train_settings_table, &run->settings, Q_TAG_IDENTITY, 0, &settings));
    q_status status = model_config_json(&run->config, &model);
    if (!status)
        status = q_json_set(settings, "model", model);
    if (!status)
        status = mixture_json(run, &mixture);
    if (!status)
        status = q_json_set(settings, "mixture", mixture);
    if (status)
        json_decref(settings);
    else
        *out = settings;
    return status;
}

static q_status seal_step(struct run *run)
{
    json_t *settings;
    Q_TRY(q_manifest_read(run->options->shards, &run->shards));
    Q_TRY(take_special_ids(run));
    Q_TRY(identity_settings(run, &settings));
    Q_TRY(q_step_begin(&run->step, "train", "run", TRAIN_OUTPUT_VERSION, run->recipe.seed, settings));
    Q_TRY(step_add_data(&run->step, &run->shards, run->options->tokenizer));
    if (run->from_folder)
        Q_TRY(q_context(step_add_weights(&run->step, &run->config, run->from_folder), "'train.from'"));
    return q_step_seal(&run->step);
}

/* What a rank of the run will take, of as many ranks as share experts: how many there will be is the launcher's to say. Sequences longer than the
 * model's positions are refused by the run itself, which knows the shards. */
static q_status request_of(const struct run *run, struct memory_request *out)
{
    uint64_t length;
    Q_TRY(train_sequence_length(&run->recipe, &length));
    *out = (struct memory_request){.config = &run->config,
                                   .settings = &run->settings,
                                   .sequence_tokens = Q_MIN(length, run->config.max_position_embeddings),
                                   .threads = q_cpu_count(),
                                   .ranks = (unsigned)run->settings.expert_parallel};
    return Q_OK;
}

/* What this machine's GPU has left; 0 where it has none, which is no failure of a plan. */
static uint64_t device_room(const struct train_settings *settings)
{
    const struct op_table *ops;
    struct op_context *context = NULL;
    size_t free_bytes = 0, all_bytes;
    if (op_table_of((enum op_device)settings->backend, (enum op_precision)settings->precision, settings->deterministic,
                    &ops) != Q_OK)
        return 0;
    if (ops->create(NULL, &context) != Q_OK || ops->memory_room(context, &free_bytes, &all_bytes) != Q_OK)
        free_bytes = 0;
    ops->release(context);
    return free_bytes;
}

static q_status print_table(const struct run *run, const struct preflight *plan)
{
    struct plan_room room = {.device = run->options->gpu_memory};
    struct q_buffer text = {0};
    if (!room.device) { /* else it is of another machine that is spoken */
        room.host = q_memory_available_bytes();
        room.device = plan->memory.on_device ? device_room(&run->settings) : 0;
    }
    const q_status status = plan_table(run->recipe.name, plan, &room, &text);
    if (!status)
        fwrite(text.data, 1, text.size, stdout);
    q_buffer_release(&text);
    return status;
}

static q_status print_plan(const struct run *run, bool sealed)
{
    struct memory_request request;
    struct preflight room;
    Q_TRY(request_of(run, &request));
    Q_TRY(preflight_plan(&request, &room));
    if (!run->options->common.json)
        return print_table(run, &room);
    const struct q_plan_step step = {.step = &run->step, .kind = "gang", .parts = 1, .schedule = run->schedule};
    struct q_buffer text = {0};
    struct q_json json = q_json_begin(&text);
    q_json_open(&json, NULL, '{');
    q_json_put_u64(&json, "active_parameters", model_config_active_parameters(&run->config));
    preflight_put(&room, &json);
    q_json_put_u64(&json, "mtp_parameters", model_config_mtp_parameters(&run->config));
    q_json_put_u64(&json, "parameters", model_config_parameters(&run->config));
    q_status status = q_plan_put(&json, "train", &step, sealed);
    q_json_close(&json, '}');
    q_json_newline(&json);
    if (!status)
        status = q_json_end(&json);
    if (!status)
        fwrite(text.data, 1, text.size, stdout);
    q_buffer_release(&text);
    return status;
}

static q_status plan_in(struct run *run)
{
    Q_TRY(load_recipe(run));
    bool sealed = run->options->shards && run->options->tokenizer;
    if (sealed)
        Q_TRY(seal_step(run));
    return print_plan(run, sealed);
}

q_status train_plan(void *options, const char *const *arguments, size_t count)
{
    (void)arguments, (void)count;
    struct run run = {.options = options};
    q_status status = plan_in(&run);
    release(&run);
    return status;
}

/* Whether the finished result in the folder is that of the schedule. Another schedule can act only on steps that are still to come: where there are none,
 * the model would be the old one under a manifest that says something else. */
static q_status is_through(const struct run *run, bool *through)
{
    struct q_manifest manifest;
    uint64_t tokens = 0;
    Q_TRY(q_manifest_read(run->step.folder, &manifest));
    *through = json_equal(json_object_get(manifest.json, "schedule"), run->schedule);
    const json_t *statistics = json_object_get(manifest.json, "statistics");
    q_status status = *through ? Q_OK : q_json_get_u64(statistics, run->step.folder, "tokens", &tokens);
    if (!status && !*through && tokens >= run->settings.tokens)
        status =
            q_fail(Q_ERR_USAGE,
                   "'%s' is trained to its end, %" PRIu64
                   " tokens, under another schedule; raise 'train.tokens' to go on with it, or train in another folder",
                   run->step.folder, tokens);
    q_manifest_release(&manifest);
    return status;
}

/* A run that goes further is no finished result any more: its manifest goes first, so that a kill leaves it unfinished. */
static q_status unfinish(struct run *run)
{
    const char *manifest, *record;
    Q_TRY(q_fs_join(&run->step.arena, run->step.folder, "manifest.json", &manifest));
    Q_TRY(q_step_part_path(&run->step, 0, ".json", &record));
    Q_TRY(q_fs_unlink(manifest));
    Q_TRY(q_fs_unlink(record));
    /* Or a power cut may bring the manifest back when the model's files, of the same sizes, are others. */
    Q_TRY(q_fs_sync_directory(run->step.folder));
    run->step.done = false;
    return Q_OK;
}

/* The model is that of the last checkpoint, which was written at the run's end: it lies there whole, however many ranks have it in parts. */
static q_status write_result(struct run *run, const struct model *model, struct model_file_list *list)
{
    struct q_arena *arena = &run->step.arena;
    struct tensor_set set;
    const char *checkpoint;
    Q_TRY(checkpoint_latest(run->step.folder, arena, &checkpoint));
    q_status status = model_files_open(model, checkpoint, run->settings.ema.result ? "ema" : "model", &set);
    if (!status)
        status = model_files_copy(model, &set, SAFETENSORS_F32, run->step.folder, arena, list);
    tensor_set_close(&set);
    return status;
}

static q_status finish(struct run *run, const struct trainer *trainer)
{
    struct model_file_list list = {0};
    struct trainer_summary summary;
    Q_TRY(write_result(run, trainer_model(trainer), &list));
    Q_TRY(model_files_copy_tokenizer(run->options->tokenizer, run->step.folder, &run->step.arena, &list));
    trainer_summary(trainer, &summary);
    json_t *statistics = json_pack("{s:I,s:I,s:I,s:I,s:I}", "steps", (json_int_t)summary.position.step, "samples",
                                   (json_int_t)summary.position.samples, "tokens", (json_int_t)summary.position.tokens,
                                   "parameters", (json_int_t)model_config_parameters(&run->config), "active_parameters",
                                   (json_int_t)model_config_active_parameters(&run->config));
    if (!statistics)
        return q_fail(Q_ERR_MEMORY, "no memory for the statistics");
    Q_TRY(q_step_part_publish(&run->step, 0, list.files, list.count, NULL, json_incref(statistics)));
    struct q_finish end = {
        .parts = 1, .statistics = statistics, .schedule = json_incref(run->schedule), .program = "quern-train"};
    return q_step_finish(&run->step, &end, NULL);
}

static void print_summary(const struct run *run, const struct trainer *trainer)
{
    struct trainer_summary summary;
    trainer_summary(trainer, &summary);
    char tokens[32], parameters[32];
    fprintf(stderr, "train: %s parameters, %" PRIu64 " steps, %s tokens; ",
            q_format_count(parameters, (double)model_config_parameters(&run->config)), summary.position.step,
            q_format_count(tokens, (double)summary.position.tokens));
    if (summary.steps_here)
        fprintf(stderr, "loss %.3f to %.3f in the %" PRIu64 " steps of this run; %.0f tokens/s\n", summary.first_loss,
                summary.last_loss, summary.steps_here, summary.tokens_per_s);
    else
        fprintf(stderr, "no step was left to take\n");
}

static q_status train_model(struct run *run)
{
    struct trainer_setup setup = {.recipe = &run->recipe,
                                  .settings = &run->settings,
                                  .config = &run->config,
                                  .shards_folder = run->options->shards,
                                  .tokenizer_folder = run->options->tokenizer,
                                  .from_folder = run->from_folder,
                                  .run_folder = run->options->common.out,
                                  .comm = run->comm,
                                  .force = run->options->common.force,
                                  .threads = (unsigned)run->options->common.threads};
    struct trainer *trainer;
    Q_TRY(q_step_hash(&run->step, &setup.run));
    Q_TRY(trainer_create(&setup, &trainer));
    /* Not before it is known that the run can go on. */
    q_status status = run->leads && run->step.done ? unfinish(run) : Q_OK;
    if (run->comm)
        status = comm_agree(run->comm, status);
    if (!status)
        status = trainer_run(trainer);
    if (!status && run->leads)
        status = finish(run, trainer);
    if (run->comm)
        status = comm_agree(run->comm, status);
    if (!status && run->leads)
        print_summary(run, trainer);
    trainer_release(trainer);
    return status;
}

static q_status begin_ranks(struct run *run)
{
    const char *kind = run->options->ranks;
    if (!kind || strcmp(kind, "self") == 0)
        return Q_OK;
    if (strcmp(kind, "mpi") != 0)
        return q_fail(Q_ERR_USAGE, "'--ranks %s' is not known; it is self or mpi", kind);
    Q_TRY(comm_mpi(&run->comm));
    run->leads = comm_rank(run->comm) == 0;
    return Q_OK;
}

/* What is to go further without a checkpoint would begin anew, and its result take the finished one's place: only where that is wanted. */
static q_status check_can_go_on(struct run *run)
{
    const char *checkpoints;
    Q_TRY(q_fs_join(&run->step.arena, run->step.folder, "checkpoints", &checkpoints));
    if (run->options->common.force || q_fs_is_directory(checkpoints))
        return Q_OK;
    return q_fail(Q_ERR_USAGE,
                  "'%s' is finished, and '%s' to go on from is gone; bring it back, train in another folder, or give "
                  "--force to begin anew in the place of what is there",
                  run->step.folder, checkpoints);
}

/* Opens the folder. *through: it holds the finished result, and nothing is to be done. One that is to go further stays finished for now. */
static q_status open_folder(struct run *run, bool *through)
{
    const struct q_common *common = &run->options->common;
    Q_TRY(q_step_open(&run->step, common->out, common->force));
    if (!run->step.done)
        return Q_OK;
    Q_TRY(is_through(run, through));
    if (!*through)
        return check_can_go_on(run);
    q_log_info("already trained: %s", common->out);
    return Q_OK;
}

static q_status run_in(struct run *run)
{
    const struct q_common *common = &run->options->common;
    bool through = false;
    Q_TRY(begin_ranks(run));
    Q_TRY(step_check_whole(common));
    Q_TRY(load_recipe(run));
    if (!run->options->shards || !run->options->tokenizer || !common->out)
        return q_fail(Q_ERR_USAGE,
                      "give the finished shards (--shards DIR), the tokenizer (-t DIR) and where to (-o DIR)");
    Q_TRY(seal_step(run));
    run->step.threads = (unsigned)common->threads;
    q_status status = run->leads ? open_folder(run, &through) : Q_OK;
    if (run->comm)
        status = comm_agree(run->comm, status);
    if (!status && run->comm)
        status = comm_broadcast(run->comm, &through, sizeof through, 0);
    return status || through ? status : train_model(run);
}

q_status train_run(void *options, const char *const *arguments, size_t count)
{
    (void)arguments, (void)count;
    struct run run = {.options = options, .leads = true};
    q_status status = run_in(&run);
    if (status && status != Q_STOPPED) /* where all stop, they stop together */
        comm_abandon(run.comm);
    else
        comm_release(run.comm);
    release(&run);
    return status;
}
