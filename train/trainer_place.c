/* Where a run stands, outside of this process: its journal, the checkpoint it goes on from, those it writes; and that all ranks stand at the same place. */
#include "train/trainer_private.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"
#include "train/files/model_files.h"

#include <inttypes.h>
#include <math.h>

q_status trainer_agree(const struct trainer *trainer, q_status status)
{
    return trainer->setup.comm ? comm_agree(trainer->setup.comm, status) : status;
}

/* What rank 0 says, on all of them. */
static q_status follow(const struct trainer *trainer, bool *what)
{
    return trainer->setup.comm ? comm_broadcast(trainer->setup.comm, what, sizeof *what, 0) : Q_OK;
}

q_status trainer_place_json(const struct train_position *at, json_t **out)
{
    *out = json_pack("{s:I,s:I,s:I}", "step", (json_int_t)at->step, "samples", (json_int_t)at->samples, "tokens",
                     (json_int_t)at->tokens);
    return *out ? Q_OK : q_fail(Q_ERR_MEMORY, "no memory for the journal");
}

q_status trainer_journal_line(struct trainer *trainer, const char *event, json_t *fields)
{
    if (trainer->leads)
        return q_journal_append(trainer->journal, event, fields);
    json_decref(fields);
    return Q_OK;
}

q_status trainer_note(struct trainer *trainer, const char *event)
{
    json_t *fields;
    Q_TRY(trainer_place_json(&trainer->position, &fields));
    return trainer_journal_line(trainer, event, fields);
}

/* What is not computed as this backend otherwise does. */
static q_status put_left_out(const struct trainer *trainer, json_t *fields)
{
    const struct op_ways *ways = trainer->ops->ways ? trainer->ops->ways(trainer->context) : NULL;
    if (!ways || !ways->left_out[0])
        return Q_OK;
    return q_json_set(fields, "backend_without", json_string(ways->left_out));
}

/* The same with the schedule from here on: it may change between two starts, and the manifest holds only the last one. */
static q_status note_start(struct trainer *trainer, const char *event)
{
    json_t *fields, *schedule;
    Q_TRY(trainer_place_json(&trainer->position, &fields));
    q_status status = q_settings_json(&train_settings_table, trainer->setup.settings, Q_TAG_SCHEDULE, 0, &schedule);
    if (!status)
        status = q_json_set(fields, "schedule", schedule);
    if (!status) /* bits are the same on one backend and instruction set only */
        status = q_json_set(fields, "backend", json_string(trainer->ops->name));
    if (!status && trainer->ops->nondeterministic) /* and not even there */
        status = q_json_set(fields, "deterministic", json_false());
    if (!status)
        status = put_left_out(trainer, fields);
    if (!status && trainer->ranks > 1)
        status = q_json_set(fields, "ranks", json_integer((json_int_t)trainer->ranks));
    if (!status && trainer->groups.expert_ranks > 1)
        status = q_json_set(fields, "expert_parallel", json_integer((json_int_t)trainer->groups.expert_ranks));
    if (!status)
        return trainer_journal_line(trainer, event, fields);
    json_decref(fields);
    return status;
}

/* A line of the journal with a place and the hashes of the state there. stall: seconds that a checkpoint held the training up; NAN: says nothing. */
static q_status note_state(struct trainer *trainer, const char *event, const struct train_position *at,
                           const struct state_hashes *hashes, double stall)
{
    json_t *fields;
    Q_TRY(trainer_place_json(at, &fields));
    q_status status = state_hashes_put(hashes, fields);
    if (!status && isfinite(stall))
        status = q_json_set(fields, "stall_seconds", json_real(stall));
    if (!status)
        return trainer_journal_line(trainer, event, fields);
    json_decref(fields);
    return status;
}

q_status trainer_note_hashes(struct trainer *trainer)
{
    struct state_hashes hashes;
    Q_TRY(state_hash(trainer->model, trainer->optimizer, &hashes));
    return note_state(trainer, "hash", &trainer->position, &hashes, (double)NAN);
}

static struct checkpoint_keep keep_of(const struct trainer *trainer)
{
    const struct train_settings *settings = trainer->setup.settings;
    return (struct checkpoint_keep){settings->checkpoint.keep_last, settings->checkpoint.keep_every};
}

static q_hash shown_hash(const struct trainer *trainer)
{
    return mixture_hash(trainer->feed.mixture, trainer->position.samples);
}

static q_status read_latest(struct trainer *trainer)
{
    Q_TRY(checkpoint_read(trainer->setup.run_folder, trainer->model, trainer->optimizer, trainer->setup.run,
                          &trainer->position, &trainer->window));
    trainer->saved_step = trainer->position.step;
    const q_hash shown = trainer->position.shown, planned = shown_hash(trainer);
    const bool known = shown.high || shown.low; /* older checkpoints do not say */
    if (known && !q_hash_equal(shown, planned))
        return q_fail(Q_ERR_USAGE,
                      "the recipe's mixture differs before the %" PRIu64
                      " tokens that the run has been shown; set 'train.mixture' back to what it was up to there",
                      trainer->position.samples * trainer->shards->sequence_tokens);
    return Q_OK;
}

static q_status begin_fresh(struct trainer *trainer)
{
    Q_TRY(model_init(trainer->model, trainer->setup.recipe->seed, trainer->pool));
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

/* Skips behind the last checkpoint are all that the training takes out of the journal: the same samples come by again, and are judged again. */
static q_status open_journal(const char *path, struct q_journal **out)
{
    struct q_error damage;
    q_status status = q_journal_open(path, out);
    if (status != Q_ERR_INPUT)
        return status;
    q_error_take(&damage, status);
    return q_fail(status,
                  "%s; move it away to go on from the last checkpoint with a new one: which samples behind that are "
                  "skipped is then decided anew",
                  damage.text);
}

/* Rank 0 looks whether there is a checkpoint of this run. The journal's lock keeps a second run away before anything is read or cleared. */
static q_status look_for_checkpoint(struct trainer *trainer, const char *journal, bool *found)
{
    if (!trainer->leads)
        return Q_OK;
    Q_TRY(open_journal(journal, &trainer->journal));
    return checkpoint_find(trainer->setup.run_folder, trainer->setup.run, trainer->setup.force, found);
}

q_status trainer_begin(struct trainer *trainer)
{
    const char *path;
    bool found = false;
    Q_TRY(q_fs_join(&trainer->arena, trainer->setup.run_folder, "journal", &path));
    Q_TRY(trainer_agree(trainer, look_for_checkpoint(trainer, path, &found)));
    Q_TRY(follow(trainer, &found));
    q_status status = read_skips(trainer, path);
    if (!status)
        status = found ? read_latest(trainer) : begin_fresh(trainer);
    Q_TRY(trainer_agree(trainer, status));
    const struct checkpoint_keep keep = keep_of(trainer);
    if (found && trainer->leads)
        Q_TRY(checkpoint_prune(trainer->setup.run_folder, trainer->position.step, &keep));
    return note_start(trainer, found ? "resumed" : "started");
}

q_status trainer_create_watch(struct trainer *trainer)
{
    const struct shards *shards = trainer->shards;
    struct watch_setup setup = {.run_folder = trainer->setup.run_folder,
                                .settings = trainer->setup.settings,
                                .model = trainer->model,
                                .pool = trainer->pool,
                                .comm = trainer->setup.comm,
                                .source_count = shards->source_count,
                                .micro_batch = train_micro_batch(trainer->setup.settings),
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
    return trainer_agree(trainer, watch_create(&setup, &trainer->watch));
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

q_status trainer_create_writer(struct trainer *trainer)
{
    const struct checkpoint_state state = state_of(trainer);
    return trainer->background && trainer->leads
               ? checkpoint_writer_create(trainer->setup.run_folder, &state, &trainer->writer)
               : Q_OK;
}

/* What writing a checkpoint of this place came to: into the journal, or into refused_at. */
static q_status take_written(struct trainer *trainer, q_status status, const struct train_position *at,
                             const struct checkpoint_written *written, double stall)
{
    trainer->refused_at = status && written->hashes.not_finite ? at->samples : UINT64_MAX;
    Q_TRY(status);
    trainer->saved_step = at->step;
    return note_state(trainer, "checkpoint", at, &written->hashes, stall);
}

q_status trainer_agree_written(struct trainer *trainer, q_status status)
{
    status = trainer_agree(trainer, status);
    if (!status || !trainer->setup.comm || trainer->setup.settings->guard.rule != GUARD_BACK)
        return status;
    struct q_error error;
    q_error_take(&error, status);
    Q_TRY(comm_broadcast(trainer->setup.comm, &trainer->refused_at, sizeof trainer->refused_at, 0));
    return q_error_put(&error);
}

q_status trainer_collect_checkpoint(struct trainer *trainer, bool wait)
{
    struct train_position at;
    struct checkpoint_written written = {0};
    bool finished = false;
    q_status status = Q_OK;
    if (trainer->writer)
        status = checkpoint_writer_poll(trainer->writer, wait, &finished, &at, &written);
    return finished ? take_written(trainer, status, &at, &written, trainer->stall_seconds) : status;
}

q_status trainer_go_back(struct trainer *trainer, uint64_t *to)
{
    bool found = false;
    q_status status = trainer_agree_written(trainer, trainer_collect_checkpoint(trainer, true));
    if (status && trainer->refused_at == UINT64_MAX)
        return status;
    if (status)
        *to = trainer->refused_at;
    trainer->refused_at = UINT64_MAX;
    status = trainer->leads ? checkpoint_find(trainer->setup.run_folder, trainer->setup.run, false, &found) : Q_OK;
    Q_TRY(trainer_agree(trainer, status));
    Q_TRY(follow(trainer, &found));
    Q_TRY(trainer_agree(trainer, found ? read_latest(trainer) : begin_fresh(trainer)));
    q_check(trainer->position.step >= trainer->first.step);
    return trainer_create_watch(trainer);
}

/* Saves the present place at once, by this thread. */
static q_status write_now(struct trainer *trainer)
{
    Q_TRY(trainer_collect_checkpoint(trainer, true));
    if (trainer->saved_step == trainer->position.step)
        return Q_OK;
    trainer->position.shown = shown_hash(trainer);
    const struct checkpoint_keep keep = keep_of(trainer);
    const struct checkpoint_state state = state_of(trainer);
    struct checkpoint_written written;
    const double started = q_seconds();
    const q_status status = checkpoint_write(trainer->setup.run_folder, &state, &keep, &written);
    return take_written(trainer, status, &trainer->position, &written, q_seconds() - started);
}

/* A rank that does not lead gives its moments to the one that does. */
static q_status start_writing(struct trainer *trainer)
{
    const struct checkpoint_keep keep = keep_of(trainer);
    trainer->position.shown = shown_hash(trainer);
    if (trainer->leads)
        return checkpoint_writer_start(trainer->writer, &trainer->position, &trainer->window, &keep);
    trainer->saved_step = trainer->position.step;
    return optimizer_shadow_copy(NULL, trainer->optimizer);
}

q_status trainer_save(struct trainer *trainer)
{
    if (!trainer->background)
        return write_now(trainer);
    const double started = q_seconds();
    Q_TRY(trainer_agree_written(trainer, trainer_collect_checkpoint(trainer, true)));
    if (trainer->saved_step == trainer->position.step)
        return Q_OK;
    Q_TRY(trainer_agree(trainer, start_writing(trainer)));
    trainer->stall_seconds = q_seconds() - started;
    return Q_OK;
}

q_status trainer_save_now(struct trainer *trainer)
{
    if (trainer->ranks == 1)
        return write_now(trainer);
    Q_TRY(trainer_save(trainer));
    return trainer_agree_written(trainer, trainer_collect_checkpoint(trainer, true));
}
