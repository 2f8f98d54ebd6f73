#include "train/trainer.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/journal.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/threads.h"
#include "train/checkpoint_writer.h"
#include "train/feed.h"
#include "train/guard.h"
#include "train/model/model.h"
#include "train/model_files.h"
#include "train/optimizer.h"
#include "train/preflight.h"
#include "train/schedule.h"
#include "train/watch.h"

#include <inttypes.h>
#include <math.h>
#include <unistd.h>

struct trainer {
    struct trainer_setup setup;
    unsigned rank, ranks;
    bool leads; /* rank 0, or the only one: writes journal, metrics and checkpoints */
    struct q_arena arena;
    struct shards *shards;
    struct feed feed;
    struct q_pool *pool;
    const struct op_table *ops;
    struct op_context *context;
    struct model *model;
    struct optimizer *optimizer;
    struct q_journal *journal;
    struct watch *watch;
    bool background;                  /* checkpoints are written while training goes on */
    double stall_seconds;             /* how long training stood still for the newest checkpoint */
    struct checkpoint_writer *writer; /* NULL: they are not */

    struct train_position position;
    struct guard_window window;
    struct skips skips;
    uint64_t steps_total,
        tokens_total;    /* where the run ends: the present position and what the schedule asks for from there */
    uint64_t saved_step; /* of the newest checkpoint */

    /* One micro-batch: B sequences of T. */
    int32_t *ids, *targets; /* [B, T] */
    uint32_t *sources;      /* [B] */
    op_acc *losses;         /* [B, T] */
    /* One step. */
    struct metrics_source *source_sums;
    int64_t *counts; /* [routers, experts] */

    /* Of this process alone. */
    struct train_position first; /* where it began */
    double seconds;              /* in trainer_run */
    double *step_losses;         /* [steps_total - first.step]: all that this process takes */
};

static q_status check_fit(const struct trainer *trainer)
{
    const struct model_config *config = trainer->setup.config;
    const struct shards *shards = trainer->shards;
    if (shards->sequences == 0)
        return q_fail(Q_ERR_INPUT, "'%s' holds no whole sequence of %u tokens to train on", shards->folder,
                      shards->sequence_tokens);
    if (shards->vocabulary > model_config_ids(config))
        return q_fail(Q_ERR_USAGE,
                      "the shards have ids up to %u, the model a vocabulary of %" PRIu64 "; raise 'model.%s'",
                      shards->vocabulary - 1, model_config_ids(config),
                      config->unpadded_vocab_size ? "unpadded_vocab_size" : "vocab_size");
    if (shards->sequence_tokens > config->max_position_embeddings)
        return q_fail(Q_ERR_USAGE, "the shards have sequences of %u tokens, the model at most %" PRIu64 " positions",
                      shards->sequence_tokens, config->max_position_embeddings);
    return Q_OK;
}

static q_status create_buffers(struct trainer *trainer)
{
    size_t batch = (size_t)trainer->setup.settings->micro_batch, length = trainer->shards->sequence_tokens;
    struct q_arena *arena = &trainer->arena;
    Q_TRY(q_arena_alloc(arena, batch * length, sizeof(int32_t), &trainer->ids));
    Q_TRY(q_arena_alloc(arena, batch * length, sizeof(int32_t), &trainer->targets));
    Q_TRY(q_arena_alloc(arena, batch, sizeof(uint32_t), &trainer->sources));
    Q_TRY(q_arena_alloc(arena, batch * length, sizeof(op_acc), &trainer->losses));
    Q_TRY(q_arena_alloc(arena, trainer->shards->source_count, sizeof *trainer->source_sums, &trainer->source_sums));
    Q_TRY(q_arena_alloc(arena, model_counts_size(trainer->model), sizeof(int64_t), &trainer->counts));
    for (size_t i = 0; i < trainer->shards->source_count; i++)
        trainer->source_sums[i].name = trainer->shards->sources[i].name;
    return Q_OK;
}

/* That the run fits the machine is known before anything is taken. */
static q_status check_room(struct trainer *trainer)
{
    struct preflight plan;
    const struct trainer_setup *setup = &trainer->setup;
    Q_TRY(preflight_plan(setup->config, setup->settings, trainer->shards->sequence_tokens, setup->threads, &plan));
    return preflight_check(&plan, setup->settings, setup->run_folder, &trainer->background);
}

static q_status create_model(struct trainer *trainer)
{
    const struct train_settings *settings = trainer->setup.settings;
    Q_TRY(check_room(trainer));
    trainer->ops = op_table_cpu();
    Q_TRY(op_table_check(trainer->ops));
    Q_TRY(q_pool_create(trainer->setup.threads, &trainer->pool));
    Q_TRY(trainer->ops->create(trainer->pool, &trainer->context));
    struct model_shape shape = {.batch = (size_t)settings->micro_batch,
                                .sequence = trainer->shards->sequence_tokens,
                                .training = true,
                                .recompute = settings->recompute == RECOMPUTE_NORMS};
    Q_TRY(model_create(trainer->setup.config, trainer->ops, trainer->context, &shape, &trainer->model));
    struct optimizer_settings optimizer = {.beta1 = settings->optimizer.beta1,
                                           .beta2 = settings->optimizer.beta2,
                                           .epsilon = settings->optimizer.epsilon,
                                           .weight_decay = settings->optimizer.weight_decay,
                                           .decay_norms = settings->optimizer.decay_norms,
                                           .clip = settings->optimizer.clip};
    return optimizer_create(trainer->model, &optimizer, trainer->setup.comm, &trainer->optimizer);
}

static q_status place_json(const struct train_position *at, json_t **out)
{
    *out = json_pack("{s:I,s:I,s:I}", "step", (json_int_t)at->step, "samples", (json_int_t)at->samples, "tokens",
                     (json_int_t)at->tokens);
    return *out ? Q_OK : q_fail(Q_ERR_MEMORY, "no memory for the journal");
}

/* All lines go through here: those of the rank that leads are written. Takes the fields. */
static q_status journal_line(struct trainer *trainer, const char *event, json_t *fields)
{
    if (trainer->leads)
        return q_journal_append(trainer->journal, event, fields);
    json_decref(fields);
    return Q_OK;
}

/* A failure of one rank is one of all, told alike. */
static q_status agree(const struct trainer *trainer, q_status status)
{
    return trainer->setup.comm ? comm_agree(trainer->setup.comm, status) : status;
}

/* What rank 0 says, on all of them. */
static q_status follow(const struct trainer *trainer, bool *what)
{
    return trainer->setup.comm ? comm_broadcast(trainer->setup.comm, what, sizeof *what, 0) : Q_OK;
}

/* An event of the journal with the present place. */
static q_status note(struct trainer *trainer, const char *event)
{
    json_t *fields;
    Q_TRY(place_json(&trainer->position, &fields));
    return journal_line(trainer, event, fields);
}

/* The same with the schedule from here on: it may change between two starts, and the manifest holds only the last one. */
static q_status note_start(struct trainer *trainer, const char *event)
{
    json_t *fields, *schedule;
    Q_TRY(place_json(&trainer->position, &fields));
    q_status status = q_settings_json(&train_settings_table, trainer->setup.settings, Q_TAG_SCHEDULE, 0, &schedule);
    if (!status)
        status = q_json_set(fields, "schedule", schedule);
    if (!status) /* bits are the same on one backend and instruction set only */
        status = q_json_set(fields, "backend", json_string(trainer->ops->name));
    if (!status && trainer->ranks > 1)
        status = q_json_set(fields, "ranks", json_integer((json_int_t)trainer->ranks));
    if (!status)
        return journal_line(trainer, event, fields);
    json_decref(fields);
    return status;
}

/* A checkpoint of another run in the folder: --force has put this run in its place, or somebody has put it there by hand. */
static q_status drop_foreign(struct trainer *trainer, bool *found)
{
    const char *folder = trainer->setup.run_folder;
    bool own;
    Q_TRY(checkpoint_belongs(folder, trainer->setup.run, &own));
    if (own)
        return Q_OK;
    if (!trainer->setup.force)
        return q_fail(Q_ERR_INPUT, "'%s' holds checkpoints of another run; choose another folder or give --force",
                      folder);
    *found = false;
    return checkpoint_remove_all(folder);
}

static struct checkpoint_keep keep_of(const struct trainer *trainer)
{
    const struct train_settings *settings = trainer->setup.settings;
    return (struct checkpoint_keep){settings->checkpoint.keep_last, settings->checkpoint.keep_every};
}

static q_status read_latest(struct trainer *trainer)
{
    Q_TRY(checkpoint_read(trainer->setup.run_folder, trainer->model, trainer->optimizer, trainer->setup.run,
                          &trainer->position, &trainer->window));
    trainer->saved_step = trainer->position.step;
    return Q_OK;
}

static q_status begin_fresh(struct trainer *trainer)
{
    Q_TRY(model_init(trainer->model, trainer->setup.recipe->seed));
    if (trainer->setup.from_folder)
        Q_TRY(q_context(model_files_read(trainer->model, trainer->setup.from_folder), "'train.from'"));
    optimizer_clear(trainer->optimizer);
    trainer->position = (struct train_position){0};
    trainer->window.count = 0;
    trainer->saved_step = UINT64_MAX;
    return Q_OK;
}

static q_status read_skips(struct trainer *trainer, const char *journal)
{
    json_t *lines;
    Q_TRY(q_journal_read(journal, &lines));
    q_status status = skips_from_journal(lines, trainer->setup.run, &trainer->skips);
    json_decref(lines);
    return status;
}

/* Rank 0 looks whether there is a checkpoint of this run. The journal's lock keeps a second run away before anything is read or cleared. */
static q_status look_for_checkpoint(struct trainer *trainer, const char *journal, bool *found)
{
    if (!trainer->leads)
        return Q_OK;
    Q_TRY(q_journal_open(journal, &trainer->journal));
    Q_TRY(checkpoint_find(trainer->setup.run_folder, found));
    return *found ? drop_foreign(trainer, found) : Q_OK;
}

/* Fresh parameters by the seed, or the latest checkpoint. */
static q_status begin_or_go_on(struct trainer *trainer)
{
    const char *path;
    bool found = false;
    Q_TRY(q_fs_join(&trainer->arena, trainer->setup.run_folder, "journal", &path));
    Q_TRY(agree(trainer, look_for_checkpoint(trainer, path, &found)));
    Q_TRY(follow(trainer, &found));
    q_status status = read_skips(trainer, path);
    if (!status)
        status = found ? read_latest(trainer) : begin_fresh(trainer);
    Q_TRY(agree(trainer, status));
    const struct checkpoint_keep keep = keep_of(trainer);
    if (found && trainer->leads)
        Q_TRY(checkpoint_prune(trainer->setup.run_folder, trainer->position.step, &keep));
    return note_start(trainer, found ? "resumed" : "started");
}

/* Where the run ends, seen from where it stands. That the data reach so far is told now and not days later. */
static q_status find_end(struct trainer *trainer)
{
    const struct train_settings *settings = trainer->setup.settings;
    const uint64_t length = trainer->shards->sequence_tokens, positions = mixture_positions(trainer->feed.mixture);
    uint64_t steps, tokens;
    /* The last step ends less than a batch behind settings->tokens: what stands further on was trained under another schedule. */
    if (trainer->position.tokens >= settings->tokens + settings->batch.sequences * length)
        return q_fail(Q_ERR_USAGE,
                      "the run stands at %" PRIu64 " tokens, behind the %" PRIu64
                      " of 'train.tokens'; raise it, or train anew in another folder",
                      trainer->position.tokens, settings->tokens);
    schedule_length(settings, length, trainer->position.tokens, &steps, &tokens);
    const uint64_t passed = trainer->position.samples + skips_ahead(&trainer->skips, trainer->position.samples);
    if (positions < passed || positions - passed < tokens / length)
        return q_fail(Q_ERR_USAGE,
                      "the run needs %" PRIu64 " sequences, and every source has ended by its epochs_max after %" PRIu64
                      "; lower 'train.tokens' or raise 'inputs.N.epochs_max'",
                      passed + tokens / length, positions);
    trainer->steps_total = trainer->position.step + steps;
    trainer->tokens_total = trainer->position.tokens + tokens;
    return q_arena_alloc(&trainer->arena, (size_t)steps, sizeof(double), &trainer->step_losses);
}

/* Also where the run goes back: what is written of the steps behind its place is cut off. */
static q_status create_watch(struct trainer *trainer)
{
    const struct shards *shards = trainer->shards;
    struct watch_setup setup = {.run_folder = trainer->setup.run_folder,
                                .settings = trainer->setup.settings,
                                .model = trainer->model,
                                .pool = trainer->pool,
                                .source_count = shards->source_count,
                                .micro_batch = (size_t)trainer->setup.settings->micro_batch,
                                .sequence = shards->sequence_tokens,
                                .position = trainer->position,
                                .steps_total = trainer->steps_total};
    const char **names;
    Q_TRY(q_arena_alloc(&trainer->arena, shards->source_count, sizeof *names, &names));
    for (size_t i = 0; i < shards->source_count; i++)
        names[i] = shards->sources[i].name;
    setup.sources = names;
    watch_release(trainer->watch);
    trainer->watch = NULL;
    return trainer->leads ? watch_create(&setup, &trainer->watch) : Q_OK;
}

static struct checkpoint_state state_of(const struct trainer *trainer)
{
    return (struct checkpoint_state){.model = trainer->model,
                                     .optimizer = trainer->optimizer,
                                     .window = &trainer->window,
                                     .position = trainer->position,
                                     .run = trainer->setup.run,
                                     .tokenizer_folder = trainer->setup.tokenizer_folder};
}

static q_status create_all(struct trainer *trainer)
{
    const struct trainer_setup *setup = &trainer->setup;
    trainer->ranks = setup->comm ? comm_ranks(setup->comm) : 1;
    trainer->rank = setup->comm ? comm_rank(setup->comm) : 0;
    trainer->leads = trainer->rank == 0;
    Q_TRY(shards_open(setup->shards_folder, SHARDS_TRAIN, &trainer->shards));
    Q_TRY(check_fit(trainer));
    Q_TRY(feed_create(trainer->shards, setup->recipe, &trainer->feed));
    Q_TRY(create_model(trainer));
    Q_TRY(create_buffers(trainer));
    Q_TRY(begin_or_go_on(trainer));
    trainer->first = trainer->position;
    Q_TRY(find_end(trainer));
    /* Now, and not at the first checkpoint: to touch so much memory for the first time takes seconds. Over ranks the copy is also where the moments come
     * together. */
    trainer->background = trainer->background || trainer->ranks > 1;
    if (trainer->background && trainer->leads) {
        const struct checkpoint_state state = state_of(trainer);
        Q_TRY(checkpoint_writer_create(setup->run_folder, &state, &trainer->writer));
    }
    return create_watch(trainer);
}

q_status trainer_create(const struct trainer_setup *setup, struct trainer **out)
{
    struct trainer *trainer;
    Q_TRY(q_alloc_zero(1, sizeof *trainer, &trainer));
    trainer->setup = *setup;
    q_status status = create_all(trainer);
    if (status)
        trainer_release(trainer);
    else
        *out = trainer;
    return status;
}

void trainer_release(struct trainer *trainer)
{
    if (!trainer)
        return;
    checkpoint_writer_release(trainer->writer);
    watch_release(trainer->watch);
    q_journal_close(trainer->journal);
    optimizer_release(trainer->optimizer);
    model_release(trainer->model);
    if (trainer->ops)
        trainer->ops->release(trainer->context);
    q_pool_release(trainer->pool);
    feed_release(&trainer->feed);
    skips_release(&trainer->skips);
    shards_close(trainer->shards);
    q_arena_release(&trainer->arena);
    q_release(trainer);
}

/* Sums the losses of a micro-batch, sequence by sequence in order and in double: the same for any number of threads. */
static double sum_losses(struct trainer *trainer, size_t sequences)
{
    size_t length = trainer->shards->sequence_tokens;
    double total = 0;
    for (size_t i = 0; i < sequences; i++) {
        double sum = 0;
        for (size_t t = 0; t < length; t++)
            sum += (double)trainer->losses[i * length + t];
        struct metrics_source *source = &trainer->source_sums[trainer->sources[i]];
        source->loss += sum;
        source->targets += length;
        total += sum;
    }
    return total;
}

/* The MTP modules' losses in a micro-batch: summed over its sequences, divided by a sequence's targets, the mean over the modules; 0 where they rest. */
static double sum_mtp_losses(struct trainer *trainer)
{
    size_t length = trainer->shards->sequence_tokens;
    size_t modules = (size_t)trainer->setup.config->num_nextn_predict_layers;
    double total = 0;
    for (size_t d = 1; d <= modules; d++) {
        size_t count = model_mtp_losses(trainer->model, d, trainer->losses);
        double sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += (double)trainer->losses[i];
        total += sum / (double)(length - d);
    }
    return modules ? total / (double)modules : 0;
}

/* What forward and backward of a step's whole batch came to. */
struct step_result {
    double loss;     /* mean over its targets */
    double mtp_loss; /* mean over the MTP modules of the means over theirs; NaN where there are none, or they rest */
    double z_loss;   /* with its weight, mean over the targets; 0 where there is none */
    double balance_loss; /* mean over its sequences */
    double norm;         /* of the gradients */
    uint64_t samples;    /* the place in the data order behind its samples */
};

/* Where a rank's share of a step's sequences begins: as even as they allow, in the order of the data. */
static uint64_t share_begin(uint64_t sequences, unsigned rank, unsigned ranks)
{
    return sequences * rank / ranks;
}

/* Goes by so many samples that other ranks take. */
static void pass_samples(const struct trainer *trainer, uint64_t count, uint64_t *position)
{
    for (uint64_t i = 0; i < count; i++)
        *position = skips_next(&trainer->skips, *position) + 1;
}

/* Forward and backward of this rank's share of a step's batch, micro-batch by micro-batch. */
static q_status accumulate(struct trainer *trainer, const struct schedule_point *point, struct step_result *result)
{
    size_t length = trainer->shards->sequence_tokens, micro = (size_t)trainer->setup.settings->micro_batch;
    struct model_scale scale = {.loss = 1.0 / ((double)point->sequences * (double)length),
                                .balance_alpha = point->alpha,
                                .balance = 1.0 / (double)point->sequences,
                                .mtp = point->lambda,
                                .z_loss = trainer->setup.settings->z_loss};
    const uint64_t from = share_begin(point->sequences, trainer->rank, trainer->ranks),
                   end = share_begin(point->sequences, trainer->rank + 1, trainer->ranks);
    pass_samples(trainer, from, &result->samples);
    for (uint64_t done = from; done < end;) {
        size_t count = (size_t)Q_MIN((uint64_t)micro, end - done);
        Q_TRY(feed_read(&trainer->feed, &trainer->skips, &result->samples, count, trainer->ids, trainer->targets,
                        trainer->sources));
        struct model_batch batch = {
            .batch = count, .sequence = length, .ids = trainer->ids, .targets = trainer->targets};
        double balance = 0;
        Q_TRY(model_forward_backward(trainer->model, &batch, &scale, trainer->losses, &balance));
        if (trainer->leads)
            watch_micro_batch(trainer->watch, trainer->sources, count);
        result->loss += sum_losses(trainer, count);
        result->mtp_loss += sum_mtp_losses(trainer);
        if (scale.z_loss > 0)
            result->z_loss += scale.z_loss * model_squared_log_z(trainer->model);
        result->balance_loss += balance;
        done += count;
        if (trainer->leads)
            q_progress_add(count * length);
    }
    pass_samples(trainer, point->sequences - end, &result->samples);
    if (trainer->leads)
        q_progress_add((point->sequences - end) * length); /* the other ranks' */
    result->loss /= (double)point->sequences * (double)length;
    result->z_loss /= (double)point->sequences * (double)length;
    result->balance_loss /= (double)point->sequences;
    const bool modules = trainer->setup.config->num_nextn_predict_layers > 0 && point->lambda != 0.0;
    result->mtp_loss = modules ? result->mtp_loss / (double)point->sequences : (double)NAN;
    return Q_OK;
}

/* What all ranks saw of the step, on each of them; gradients are summed by optimizer_norm. */
static q_status sum_ranks(struct trainer *trainer, struct step_result *result)
{
    struct comm *comm = trainer->setup.comm;
    double losses[4] = {result->loss, result->mtp_loss, result->z_loss, result->balance_loss};
    if (!comm)
        return Q_OK;
    Q_TRY(comm_sum(comm, losses, Q_COUNT_OF(losses), COMM_F64));
    result->loss = losses[0], result->mtp_loss = losses[1], result->z_loss = losses[2],
    result->balance_loss = losses[3];
    for (size_t i = 0; i < trainer->shards->source_count; i++) {
        int64_t targets = (int64_t)trainer->source_sums[i].targets;
        Q_TRY(comm_sum(comm, &trainer->source_sums[i].loss, 1, COMM_F64));
        Q_TRY(comm_sum(comm, &targets, 1, COMM_I64));
        trainer->source_sums[i].targets = (uint64_t)targets;
    }
    model_get_counts(trainer->model, trainer->counts);
    Q_TRY(comm_sum(comm, trainer->counts, model_counts_size(trainer->model), COMM_I64));
    model_put_counts(trainer->model, trainer->counts);
    return Q_OK;
}

/* One attempt at the step that the run stands before: gradients and counts are there, parameters, moments and biases are as before. */
static q_status attempt_step(struct trainer *trainer, const struct schedule_point *point, unsigned attempt,
                             struct step_result *result)
{
    const struct guard_fault *fault = guard_fault();
    for (size_t i = 0; i < trainer->shards->source_count; i++)
        trainer->source_sums[i].loss = 0, trainer->source_sums[i].targets = 0;
    *result = (struct step_result){.samples = skips_next(&trainer->skips, trainer->position.samples)};
    const uint64_t first = result->samples;
    if (trainer->leads)
        watch_begin_step(trainer->watch, trainer->position.step + 1);
    Q_TRY(agree(trainer, accumulate(trainer, point, result)));
    Q_TRY(sum_ranks(trainer, result));
    if (fault)
        fault->behind_backward(fault->context, trainer->model, trainer->position.step, first, attempt, &result->loss);
    return optimizer_norm(trainer->optimizer, &result->norm);
}

/* Forgets the attempt. */
static void drop_attempt(struct trainer *trainer)
{
    model_clear_gradients(trainer->model);
    model_update_bias(trainer->model, 0);
}

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* A number that need not be finite, for the journal. */
static json_t *any_number(double value)
{
    return isfinite(value) ? json_real(value) : json_string(isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
}

/* The journal's line of a step that was run twice. */
static q_status note_rerun(struct trainer *trainer, const char *reason, const struct step_result *first,
                           const struct step_result *again, bool believed)
{
    json_t *fields;
    const bool same = same_bits(first->loss, again->loss) && same_bits(first->norm, again->norm);
    Q_TRY(place_json(&trainer->position, &fields));
    q_status status = q_json_set(fields, "reason", json_string(reason));
    if (!status)
        status = q_json_set(fields, "loss", any_number(first->loss));
    if (!status)
        status = q_json_set(fields, "norm", any_number(first->norm));
    if (!status)
        status = q_json_set(fields, "loss_again", any_number(again->loss));
    if (!status)
        status = q_json_set(fields, "norm_again", any_number(again->norm));
    if (!status)
        status = q_json_set(fields, "same", json_boolean(same));
    if (!status)
        status = q_json_set(fields, "believed", json_boolean(believed));
    if (!status)
        return journal_line(trainer, "rerun", fields);
    json_decref(fields);
    return status;
}

/* The journal's line of samples from .. to - 1 that are left out, and the decision itself. The line comes first: a kill in between, and the next start does
 * what was decided. The place is where the run goes on. */
static q_status skip(struct trainer *trainer, const char *rule, const char *reason, uint64_t to)
{
    json_t *fields;
    char hex[Q_HASH_HEX];
    const uint64_t from = skips_next(&trainer->skips, trainer->position.samples);
    Q_TRY(place_json(&trainer->position, &fields));
    q_status status = q_json_set(fields, "run", json_string(q_hash_hex(trainer->setup.run, hex)));
    if (!status)
        status = q_json_set(fields, "rule", json_string(rule));
    if (!status)
        status = q_json_set(fields, "reason", json_string(reason));
    if (!status)
        status = q_json_set(fields, "from", json_integer((json_int_t)from));
    if (!status)
        status = q_json_set(fields, "to", json_integer((json_int_t)to));
    if (status) {
        json_decref(fields);
        return status;
    }
    Q_TRY(journal_line(trainer, "skipped", fields));
    return skips_add(&trainer->skips, from, to);
}

/* A line of the journal with a place and the hashes of the state there. stall: seconds that a checkpoint held the training up; NAN: says nothing. */
static q_status note_state(struct trainer *trainer, const char *event, const struct train_position *at,
                           const struct state_hashes *hashes, double stall)
{
    json_t *fields;
    Q_TRY(place_json(at, &fields));
    q_status status = state_hashes_put(hashes, fields);
    if (!status && isfinite(stall))
        status = q_json_set(fields, "stall_seconds", json_real(stall));
    if (!status)
        return journal_line(trainer, event, fields);
    json_decref(fields);
    return status;
}

/* Looks after the checkpoint that is being written in the background: what became of it is told here, and only what is known to be whole goes into the
 * journal. With `wait` none is under way behind it. */
static q_status collect_checkpoint(struct trainer *trainer, bool wait)
{
    struct train_position at;
    struct checkpoint_written written;
    bool finished = false;
    if (trainer->writer)
        Q_TRY(checkpoint_writer_poll(trainer->writer, wait, &finished, &at, &written));
    if (!finished)
        return Q_OK;
    trainer->saved_step = at.step;
    return note_state(trainer, "checkpoint", &at, &written.hashes, trainer->stall_seconds);
}

/* Back to the last checkpoint, or to the beginning where there is none yet; metrics behind it go. */
static q_status go_back(struct trainer *trainer)
{
    bool found = false;
    q_status status = collect_checkpoint(trainer, true);
    if (!status && trainer->leads)
        status = checkpoint_find(trainer->setup.run_folder, &found);
    Q_TRY(agree(trainer, status));
    Q_TRY(follow(trainer, &found));
    Q_TRY(agree(trainer, found ? read_latest(trainer) : begin_fresh(trainer)));
    q_check(trainer->position.step >= trainer->first.step);
    return create_watch(trainer);
}

/* The step came out wrong twice: what the recipe says. Behind Q_OK the run stands at a place to go on from. */
static q_status follow_rule(struct trainer *trainer, const char *reason, const struct step_result *result)
{
    static const char *const rules[] = {"stop", "skip", "back"};
    const struct guard_settings *guard = &trainer->setup.settings->guard;
    const uint64_t step = trainer->position.step + 1;
    if (guard->rule == GUARD_STOP)
        return q_fail(Q_ERR_INPUT,
                      "%s at step %" PRIu64 ", twice (loss %g, norm %g); lower 'train.rate.peak' or choose a "
                      "'train.guard.rule', and run again: it goes on from the last checkpoint",
                      reason, step, result->loss, result->norm);
    if (trainer->skips.decisions >= guard->skips_max)
        return q_fail(Q_ERR_INPUT,
                      "%s at step %" PRIu64 ", twice (loss %g, norm %g), and samples were skipped %" PRIu64
                      " times already; look at the run, then raise 'train.guard.skips_max' to go on",
                      reason, step, result->loss, result->norm, trainer->skips.decisions);
    if (guard->rule == GUARD_BACK)
        Q_TRY(go_back(trainer));
    q_log_warning("%s at step %" PRIu64 ", twice: samples %" PRIu64 " to %" PRIu64
                  " are skipped, the run goes on at step %" PRIu64,
                  reason, step, trainer->position.samples, result->samples, trainer->position.step + 1);
    return skip(trainer, rules[guard->rule], reason, result->samples);
}

/* Looks at the attempt in *result. Where it is not to be believed the step is run again. *taken = false: the run stands at another place now. */
static q_status look_at(struct trainer *trainer, const struct schedule_point *point, struct step_result *result,
                        bool *taken)
{
    const struct guard_settings *guard = &trainer->setup.settings->guard;
    const struct step_result first = *result;
    *taken = true;
    const enum guard_verdict verdict = guard_check(guard, &trainer->window, first.loss, first.norm);
    if (verdict == GUARD_FINE)
        return Q_OK;
    drop_attempt(trainer);
    Q_TRY(attempt_step(trainer, point, 1, result));
    *taken = guard_check(guard, &trainer->window, result->loss, result->norm) == GUARD_FINE;
    Q_TRY(note_rerun(trainer, guard_verdict_text(verdict), &first, result, *taken));
    if (*taken) {
        q_log_warning("%s at step %" PRIu64 " (loss %g, norm %g), and was not when it was run again: the machine erred",
                      guard_verdict_text(verdict), trainer->position.step + 1, first.loss, first.norm);
        return Q_OK;
    }
    drop_attempt(trainer);
    return follow_rule(trainer, guard_verdict_text(verdict), result);
}

static q_status note_hashes(struct trainer *trainer)
{
    struct state_hashes hashes;
    Q_TRY(state_hash(trainer->model, trainer->optimizer, &hashes));
    return note_state(trainer, "hash", &trainer->position, &hashes, (double)NAN);
}

/* One optimizer step, or a decision of the guards. */
static q_status step_once(struct trainer *trainer)
{
    double started = q_seconds();
    size_t length = trainer->shards->sequence_tokens;
    struct schedule_point point =
        schedule_at(trainer->setup.settings, length, trainer->position.step, trainer->position.tokens);
    struct step_result result;
    bool taken;
    Q_TRY(attempt_step(trainer, &point, 0, &result));
    Q_TRY(look_at(trainer, &point, &result, &taken));
    if (!taken)
        return Q_OK;
    model_get_counts(trainer->model, trainer->counts);
    model_update_bias(trainer->model, point.gamma);
    Q_TRY(optimizer_apply(trainer->optimizer, point.rate, result.norm));
    guard_accept(&trainer->setup.settings->guard, &trainer->window, result.loss, result.norm);
    trainer->step_losses[trainer->position.step - trainer->first.step] = result.loss;
    trainer->position.step++;
    trainer->position.samples = result.samples;
    trainer->position.tokens += point.sequences * length;
    struct metrics_step step = {.position = trainer->position,
                                .point = point,
                                .loss = result.loss,
                                .mtp_loss = result.mtp_loss,
                                .z_loss = result.z_loss,
                                .balance_loss = result.balance_loss,
                                .gradient_norm = result.norm,
                                .seconds = q_seconds() - started,
                                .sources = trainer->source_sums,
                                .source_count = trainer->shards->source_count};
    if (trainer->leads) {
        q_progress_note("step %" PRIu64 ", loss %.3f", step.position.step, step.loss);
        Q_TRY(watch_end_step(trainer->watch, &step, trainer->counts));
    }
    const uint64_t hash_every = trainer->setup.settings->hash_every;
    return hash_every > 0 && trainer->position.step % hash_every == 0 ? note_hashes(trainer) : Q_OK;
}

/* Saves the present place at once, by this thread. */
static q_status write_now(struct trainer *trainer)
{
    Q_TRY(collect_checkpoint(trainer, true));
    if (trainer->saved_step == trainer->position.step)
        return Q_OK;
    const struct checkpoint_keep keep = keep_of(trainer);
    const struct checkpoint_state state = state_of(trainer);
    struct checkpoint_written written;
    const double started = q_seconds();
    Q_TRY(checkpoint_write(trainer->setup.run_folder, &state, &keep, &written));
    trainer->saved_step = trainer->position.step;
    return note_state(trainer, "checkpoint", &trainer->position, &written.hashes, q_seconds() - started);
}

/* A rank that does not lead gives its moments to the one that does. */
static q_status start_writing(struct trainer *trainer)
{
    const struct checkpoint_keep keep = keep_of(trainer);
    if (trainer->leads)
        return checkpoint_writer_start(trainer->writer, &trainer->position, &trainer->window, &keep);
    trainer->saved_step = trainer->position.step;
    return optimizer_shadow_copy(NULL, trainer->optimizer);
}

/* Begins to save the present place; the step before which it is done collects it. */
static q_status save(struct trainer *trainer)
{
    if (!trainer->background)
        return write_now(trainer);
    const double started = q_seconds();
    Q_TRY(agree(trainer, collect_checkpoint(trainer, true)));
    if (trainer->saved_step == trainer->position.step)
        return Q_OK;
    Q_TRY(agree(trainer, start_writing(trainer)));
    trainer->stall_seconds = q_seconds() - started;
    return Q_OK;
}

/* Saves the present place and has it saved behind Q_OK: at the end and on a stop. Over ranks the moments come together in the writer's copy. */
static q_status save_now(struct trainer *trainer)
{
    if (trainer->ranks == 1)
        return write_now(trainer);
    Q_TRY(save(trainer));
    return agree(trainer, collect_checkpoint(trainer, true));
}

/* Whether any rank was asked to stop: all do, at the same step. */
static q_status stop_wanted(const struct trainer *trainer, bool *wanted)
{
    int64_t asked = q_stop_requested();
    if (trainer->setup.comm)
        Q_TRY(comm_sum(trainer->setup.comm, &asked, 1, COMM_I64));
    *wanted = asked > 0;
    return Q_OK;
}

static q_status run_steps(struct trainer *trainer)
{
    while (trainer->position.tokens < trainer->setup.settings->tokens) {
        bool stop;
        Q_TRY(agree(trainer, collect_checkpoint(trainer, false)));
        Q_TRY(stop_wanted(trainer, &stop));
        if (stop) {
            Q_TRY(save_now(trainer));
            Q_TRY(note(trainer, "stopped"));
            return q_fail(Q_STOPPED,
                          "stopped at step %" PRIu64 " of %" PRIu64 "; the state is saved, run again to go on",
                          trainer->position.step, trainer->steps_total);
        }
        Q_TRY(step_once(trainer));
        if (trainer->position.step > 0 && trainer->position.step % trainer->setup.settings->checkpoint.every == 0)
            Q_TRY(save(trainer));
    }
    Q_TRY(save_now(trainer));
    return note(trainer, "finished");
}

q_status trainer_run(struct trainer *trainer)
{
    double started = q_seconds();
    if (trainer->leads)
        q_progress_start("train", "tokens", trainer->tokens_total - trainer->position.tokens);
    q_status status = run_steps(trainer);
    if (status) { /* a checkpoint under way still becomes one, and the journal has it */
        struct q_error error;
        q_error_take(&error, status);
        if (collect_checkpoint(trainer, true))
            q_log_warning("%s", q_error_text());
        status = q_error_put(&error);
    }
    if (trainer->leads)
        q_progress_finish();
    trainer->seconds += q_seconds() - started;
    return status;
}

static double mean(const double *values, uint64_t count)
{
    double sum = 0;
    for (uint64_t i = 0; i < count; i++)
        sum += values[i];
    return count ? sum / (double)count : 0;
}

void trainer_summary(const struct trainer *trainer, struct trainer_summary *out)
{
    uint64_t steps = trainer->position.step - trainer->first.step, tenth = q_ceil_div(steps, 10);
    double tokens = (double)(trainer->position.tokens - trainer->first.tokens);
    *out = (struct trainer_summary){.position = trainer->position,
                                    .steps_here = steps,
                                    .first_loss = mean(trainer->step_losses, tenth),
                                    .last_loss = mean(trainer->step_losses + (steps - tenth), tenth),
                                    .tokens_per_s = trainer->seconds > 0 ? tokens / trainer->seconds : 0};
}

const struct model *trainer_model(const struct trainer *trainer)
{
    return trainer->model;
}
