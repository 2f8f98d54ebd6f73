/* A run of the training: made, its loop, released. */
#include "train/trainer_private.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/progress.h"
#include "train/plan/preflight.h"

#include <inttypes.h>

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
    size_t batch = train_micro_batch(trainer->setup.settings), length = trainer->shards->sequence_tokens;
    struct q_arena *arena = &trainer->arena;
    Q_TRY(q_arena_alloc(arena, batch * length, sizeof(int32_t), &trainer->ids));
    Q_TRY(q_arena_alloc(arena, batch * length, sizeof(int32_t), &trainer->targets));
    Q_TRY(q_arena_alloc(arena, batch, sizeof(uint32_t), &trainer->sources));
    Q_TRY(q_arena_alloc(arena, batch * length, sizeof(op_acc), &trainer->losses));
    Q_TRY(q_arena_alloc(arena, trainer->shards->source_count, sizeof *trainer->source_sums, &trainer->source_sums));
    Q_TRY(q_arena_alloc(arena, model_counts_size(trainer->model), sizeof(int64_t), &trainer->counts));
    Q_TRY(q_arena_alloc(arena, 4 + 2 * trainer->shards->source_count, sizeof(double), &trainer->rank_sums));
    for (size_t i = 0; i < trainer->shards->source_count; i++)
        trainer->source_sums[i].name = trainer->shards->sources[i].name;
    return Q_OK;
}

/* That the run fits the machine, and its GPU, is known before anything is taken. */
static q_status check_room(struct trainer *trainer)
{
    struct preflight plan;
    size_t free_bytes, all_bytes;
    const struct trainer_setup *setup = &trainer->setup;
    const struct memory_request request = {.config = setup->config,
                                           .settings = setup->settings,
                                           .sequence_tokens = trainer->shards->sequence_tokens,
                                           .threads = setup->threads,
                                           .ranks = trainer->ranks};
    Q_TRY(preflight_plan(&request, &plan));
    Q_TRY(trainer->ops->memory_room(trainer->context, &free_bytes, &all_bytes));
    return preflight_check(&plan, setup->settings, setup->run_folder, setup->comm, free_bytes, all_bytes,
                           &trainer->background);
}

static q_status create_model(struct trainer *trainer)
{
    const struct train_settings *settings = trainer->setup.settings;
    Q_TRY(op_table_of((enum op_device)settings->backend, (enum op_precision)settings->precision,
                      settings->deterministic, &trainer->ops));
    Q_TRY(op_table_check(trainer->ops));
    Q_TRY(q_pool_create(trainer->setup.threads, &trainer->pool));
    Q_TRY(trainer->ops->create(trainer->pool, &trainer->context));
    Q_TRY(check_room(trainer));
    struct model_shape shape = {.batch = train_micro_batch(settings),
                                .sequence = trainer->shards->sequence_tokens,
                                .training = true,
                                .narrow_gradients = settings->gradients == OP_BF16,
                                .recompute = (enum model_recompute)settings->recompute,
                                .expert_ranks = trainer->groups.expert_ranks,
                                .experts = trainer->groups.experts};
    Q_TRY(model_create(trainer->setup.config, trainer->ops, trainer->context, &shape, &trainer->model));
    const struct optimizer_settings optimizer = train_optimizer_settings(settings);
    return optimizer_create(trainer->model, &optimizer, &trainer->groups, &trainer->optimizer);
}

uint64_t trainer_sequences_left(const struct trainer *trainer)
{
    const uint64_t positions = mixture_positions(trainer->feed.mixture),
                   passed = trainer->position.samples + skips_ahead(&trainer->skips, trainer->position.samples);
    return positions > passed ? positions - passed : 0;
}

/* Where the run ends, seen from where it stands. That the data reach so far is told now and not days later. */
static q_status find_end(struct trainer *trainer)
{
    const struct train_settings *settings = trainer->setup.settings;
    const uint64_t length = trainer->shards->sequence_tokens;
    uint64_t steps, tokens;
    /* The last step ends less than a batch behind settings->tokens: what stands further on was trained under another schedule. */
    if (trainer->position.tokens >= settings->tokens + settings->batch.sequences * length)
        return q_fail(Q_ERR_USAGE,
                      "the run stands at %" PRIu64 " tokens, behind the %" PRIu64
                      " of 'train.tokens'; raise it, or train anew in another folder",
                      trainer->position.tokens, settings->tokens);
    schedule_length(settings, length, trainer->position.tokens, &steps, &tokens);
    const uint64_t left = trainer_sequences_left(trainer);
    if (left < tokens / length) /* another epochs_max is another run */
        return q_fail(Q_ERR_USAGE,
                      "the run needs %" PRIu64
                      " more sequences, and every source has ended by its epochs_max after %" PRIu64
                      "; lower 'train.tokens'%s",
                      tokens / length, left, trainer->position.tokens ? "" : " or raise 'inputs.N.epochs_max'");
    trainer->steps_total = trainer->position.step + steps;
    trainer->tokens_total = trainer->position.tokens + tokens;
    return q_arena_alloc(&trainer->arena, (size_t)steps, sizeof(double), &trainer->step_losses);
}

static q_status create_all(struct trainer *trainer)
{
    const struct trainer_setup *setup = &trainer->setup;
    trainer->ranks = setup->comm ? comm_ranks(setup->comm) : 1;
    trainer->rank = setup->comm ? comm_rank(setup->comm) : 0;
    trainer->leads = trainer->rank == 0;
    Q_TRY(q_context(comm_groups_create(setup->comm, (unsigned)setup->settings->expert_parallel, &trainer->groups),
                    "'train.expert_parallel'"));
    Q_TRY(shards_open(setup->shards_folder, SHARDS_TRAIN, &trainer->shards));
    Q_TRY(check_fit(trainer));
    Q_TRY(feed_create(trainer->shards, setup->recipe, &trainer->feed));
    Q_TRY(create_model(trainer));
    Q_TRY(create_buffers(trainer));
    Q_TRY(trainer_begin(trainer));
    trainer->first = trainer->position;
    Q_TRY(find_end(trainer));
    /* Now, and not at the first checkpoint: to touch so much memory for the first time takes seconds. Over ranks the copy is also where the moments come
     * together. */
    Q_TRY(trainer_create_writer(trainer));
    return trainer_create_watch(trainer);
}

q_status trainer_create(const struct trainer_setup *setup, struct trainer **out)
{
    struct trainer *trainer;
    Q_TRY(q_alloc_zero(1, sizeof *trainer, &trainer));
    trainer->setup = *setup;
    trainer->refused_at = UINT64_MAX;
    q_status status = create_all(trainer);
    trainer->failed = status != Q_OK;
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
    comm_groups_release(&trainer->groups, trainer->failed);
    if (trainer->ops)
        trainer->ops->release(trainer->context);
    q_pool_release(trainer->pool);
    feed_release(&trainer->feed);
    skips_release(&trainer->skips);
    shards_close(trainer->shards);
    q_arena_release(&trainer->arena);
    q_release(trainer);
}

/* Whether the step's samples are there. Skipped ones may have brought the end of the data before that of the run. */
static q_status look_ahead(struct trainer *trainer, const struct schedule_point *point)
{
    if (trainer_sequences_left(trainer) >= point->sequences)
        return Q_OK;
    Q_TRY(trainer_save_now(trainer));
    return q_fail(Q_ERR_INPUT,
                  "every source has ended by its epochs_max, for samples were skipped; the state is saved at %" PRIu64
                  " tokens: lower 'train.tokens' to that and run again",
                  trainer->position.tokens);
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
    Q_TRY(look_ahead(trainer, &point));
    Q_TRY(trainer_attempt_step(trainer, &point, 0, &result));
    if (result.stopped)
        return Q_OK;
    Q_TRY(trainer_look_at(trainer, &point, &result, &taken));
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
    if (trainer->leads)
        q_progress_note("step %" PRIu64 ", loss %.3f", step.position.step, step.loss);
    Q_TRY(watch_end_step(trainer->watch, &step, trainer->counts));
    const uint64_t hash_every = trainer->setup.settings->hash_every;
    return hash_every > 0 && trainer->position.step % hash_every == 0 ? trainer_note_hashes(trainer) : Q_OK;
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

/* A step and, where it is time, its checkpoint. Behind the last one: *ended, and all is saved. */
static q_status advance(struct trainer *trainer, bool *ended)
{
    bool stop;
    Q_TRY(trainer_agree_written(trainer, trainer_collect_checkpoint(trainer, false)));
    *ended = trainer->position.tokens >= trainer->setup.settings->tokens;
    if (*ended)
        return trainer_save_now(trainer);
    Q_TRY(stop_wanted(trainer, &stop));
    if (stop) {
        Q_TRY(trainer_save_now(trainer));
        Q_TRY(trainer_note(trainer, "stopped"));
        return q_fail(Q_STOPPED, "stopped at step %" PRIu64 " of %" PRIu64 "; the state is saved, run again to go on",
                      trainer->position.step, trainer->steps_total);
    }
    Q_TRY(step_once(trainer));
    return trainer->position.step > 0 && trainer->position.step % trainer->setup.settings->checkpoint.every == 0
               ? trainer_save(trainer)
               : Q_OK;
}

static q_status run_steps(struct trainer *trainer)
{
    bool ended = false;
    while (!ended) {
        const q_status status = advance(trainer, &ended);
        Q_TRY(trainer_leave_refused(trainer, status));
        ended = ended && !status;
    }
    return trainer_note(trainer, "finished");
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
        if (trainer_collect_checkpoint(trainer, true))
            q_log_warning("%s", q_error_text());
        status = q_error_put(&error);
    }
    trainer->failed = status && status != Q_STOPPED;
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
