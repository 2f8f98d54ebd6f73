#include "train/checkpoint/checkpoint.h"

#include "base/check.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/publish.h"
#include "train/checkpoint/checkpoint_damage.h"
#include "train/checkpoint/state_hash.h"
#include "train/files/model_files.h"
#include "train/watch/step_log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { CHECKPOINT_VERSION = 1, TRAINER_JSON_BYTES_MAX = 1 << 26, NAME_SIZE = 32 };

static const char step_format[] = "step-%08" PRIu64;

/* XXH3-128 of the canonical text (docs/formats/manifest.md) of everything but the member `hash`, which must not be in it. */
static q_status hash_position(const json_t *json, q_hash *out)
{
    struct q_buffer text = {0};
    q_status status = q_json_dump(json, 1, &text);
    *out = q_hash_string(q_buffer_string(&text));
    q_buffer_release(&text);
    return status;
}

static q_status write_trainer_json(const char *folder, const struct checkpoint_state *state,
                                   const struct state_hashes *hashes, const struct model_file_list *list,
                                   struct q_arena *arena)
{
    const struct train_position *position = &state->position;
    json_t *window;
    char hex[Q_HASH_HEX];
    json_t *json =
        json_pack("{s:s,s:i,s:I,s:I,s:I,s:s,s:[]}", "format", "quern-checkpoint", "version", CHECKPOINT_VERSION, "step",
                  (json_int_t)position->step, "samples", (json_int_t)position->samples, "tokens",
                  (json_int_t)position->tokens, "run", q_hash_hex(state->run, hex), "files");
    if (!json)
        return q_fail(Q_ERR_MEMORY, "no memory for trainer.json");
    json_t *files = json_object_get(json, "files");
    q_status status = Q_OK;
    for (size_t i = 0; i < list->count && !status; i++) {
        json_t *tensors;
        status = checkpoint_tensors_json(&list->tensors[i], &tensors);
        if (!status)
            status = q_json_push(files, json_pack("{s:s,s:I,s:s,s:o*}", "name", list->files[i].name, "bytes",
                                                  (json_int_t)list->files[i].identity.bytes, "hash",
                                                  q_hash_hex(list->files[i].identity.hash, hex), "tensors", tensors));
    }
    const char *path;
    q_hash hash;
    if (!status && (position->shown.high || position->shown.low))
        status = q_json_set(json, "mixture", json_string(q_hash_hex(position->shown, hex)));
    if (!status)
        status = state_hashes_put(hashes, json);
    if (!status && state->window && state->window->count && !(status = guard_window_json(state->window, &window)))
        status = q_json_set(json, "guard", window);
    if (!status)
        status = hash_position(json, &hash);
    if (!status)
        status = q_json_set(json, "hash", json_string(q_hash_hex(hash, hex)));
    if (!status)
        status = q_fs_join(arena, folder, "trainer.json", &path);
    if (!status)
        status = q_json_publish(path, json);
    json_decref(json);
    return status;
}

static q_status write_files(const char *folder, const struct checkpoint_state *state, struct q_arena *arena,
                            struct checkpoint_written *written)
{
    struct model_file_list list = {0};
    Q_TRY(q_fs_make_directories(folder));
    Q_TRY(model_files_write(state->model, folder, arena, &list));
    Q_TRY(optimizer_files_write(state->model, state->optimizer, folder, arena, &list));
    if (state->tokenizer_folder)
        Q_TRY(model_files_copy_tokenizer(state->tokenizer_folder, folder, arena, &list));
    Q_TRY(write_trainer_json(folder, state, &written->hashes, &list, arena));
    for (size_t i = 0; i < list.count; i++)
        written->bytes += list.files[i].identity.bytes;
    return Q_OK;
}

bool checkpoint_step_of(const char *name, uint64_t *step)
{
    char again[NAME_SIZE];
    if (strncmp(name, "step-", 5) != 0 || q_parse_u64(q_string_of(name + 5), step) != Q_OK)
        return false;
    snprintf(again, sizeof again, step_format, *step);
    return strcmp(again, name) == 0;
}

/* Removes the checkpoints that are neither among the newest up to `present` nor at a multiple to be kept; `names` ascend. Those behind `present` are of a
 * course that was given up when `latest` was set back: they are no newer ones, and stay until the run comes by. */
static q_status prune(const char *checkpoints, uint64_t present, const struct checkpoint_keep *keep,
                      struct q_arena *arena)
{
    const char **names;
    size_t count, whole = 0, seen = 0;
    uint64_t step;
    Q_TRY(q_fs_list(checkpoints, arena, &names, &count));
    for (size_t i = 0; i < count; i++)
        whole += checkpoint_step_of(names[i], &step) && step <= present;
    for (size_t i = 0; i < count; i++) {
        if (!checkpoint_step_of(names[i], &step) || step > present || ++seen + keep->last > whole ||
            (keep->every && step % keep->every == 0))
            continue;
        const char *path;
        Q_TRY(q_fs_join(arena, checkpoints, names[i], &path));
        Q_TRY(q_fs_remove_tree(path));
    }
    return Q_OK;
}

q_status checkpoint_latest(const char *run_folder, struct q_arena *arena, const char **out)
{
    const char *latest, *name;
    struct q_buffer text = {0};
    uint64_t step;
    Q_TRY(q_fs_join(arena, run_folder, "latest", &latest));
    q_status status = q_fs_read_file(latest, NAME_SIZE, &text);
    if (!status)
        status = q_arena_cstring(arena, q_string_trim(q_buffer_string(&text)), &name);
    q_buffer_release(&text);
    Q_TRY(status);
    if (!checkpoint_step_of(name, &step))
        return q_fail(Q_ERR_INPUT, "'%s' does not name a checkpoint", latest);
    return q_arena_printf(arena, out, "%s/checkpoints/%s", run_folder, name);
}

/* Whether `latest` names the folder and it is whole: then it holds this very state. Of any other one of the same step, only a fresh one is sure to. */
static q_status is_latest(const char *run_folder, const char *folder, struct q_arena *arena, bool *same)
{
    const char *latest;
    struct train_position position;
    *same = false;
    q_status status = checkpoint_latest(run_folder, arena, &latest);
    if (!status && !strcmp(q_fs_base_name(latest), q_fs_base_name(folder)))
        *same = checkpoint_verify(folder, &position, NULL) == Q_OK;
    return status == Q_ERR_INPUT ? Q_OK : status;
}

/* Nothing can be gone on with from such a state; a good checkpoint would make way for it. */
static q_status check_finite(const struct state_hashes *hashes)
{
    return hashes->not_finite
               ? q_fail(
                     Q_ERR_INPUT,
                     "not written, for '%s' (itself, a moment or its average) holds a number that is not finite; run "
                     "again: it goes on from the checkpoint before; where this comes again, lower 'train.rate.peak' or "
                     "set 'train.guard.rule: back'",
                     hashes->not_finite)
               : Q_OK;
}

/* What a device has given since it failed is rubbish: no checkpoint is made of it. */
static q_status check_given(const struct checkpoint_state *state)
{
    return model_ops(state->model)->synchronize(model_context(state->model));
}

static q_status write_in(struct q_arena *arena, const char *run_folder, const struct checkpoint_state *state,
                         const struct checkpoint_keep *keep, struct checkpoint_written *written)
{
    char name[NAME_SIZE];
    const char *checkpoints, *folder, *partial, *latest;
    snprintf(name, sizeof name, step_format, state->position.step);
    Q_TRY(q_fs_join(arena, run_folder, "checkpoints", &checkpoints));
    Q_TRY(q_fs_join(arena, checkpoints, name, &folder));
    Q_TRY(q_arena_printf(arena, &partial, "%s.partial", folder));
    Q_TRY(q_fs_join(arena, run_folder, "latest", &latest));
    bool same;
    Q_TRY(is_latest(run_folder, folder, arena, &same));
    Q_TRY(state_hash(state->model, state->optimizer, &written->hashes));
    Q_TRY(check_given(state));
    Q_TRY(check_finite(&written->hashes));
    if (!same) {
        Q_TRY(q_fs_remove_tree(partial));
        Q_TRY(write_files(partial, state, arena, written));
        Q_TRY(check_given(state));
        Q_TRY(q_fs_sync_directory(partial));
        Q_TRY(q_fs_remove_tree(folder)); /* of a kill before `latest` moved, or of a course that was given up */
        if (q_fs()->rename(partial, folder) != 0)
            return q_fail_errno(errno, "cannot rename '%s'", partial);
        Q_TRY(q_fs_sync_directory(checkpoints));
    }
    /* A run that goes on from here writes no line again of the steps before. */
    Q_TRY(step_log_flush(run_folder, "metrics.jsonl"));
    Q_TRY(step_log_flush(run_folder, "experts.jsonl"));
    Q_TRY(q_publish_bytes(latest, name, strlen(name), NULL));
    return prune(checkpoints, state->position.step, keep, arena);
}

q_status checkpoint_prune(const char *run_folder, uint64_t present, const struct checkpoint_keep *keep)
{
    struct q_arena arena = {0};
    const char *checkpoints;
    q_status status = q_fs_join(&arena, run_folder, "checkpoints", &checkpoints);
    if (!status)
        status = prune(checkpoints, present, keep, &arena);
    q_arena_release(&arena);
    return status;
}

q_status checkpoint_write(const char *run_folder, const struct checkpoint_state *state,
                          const struct checkpoint_keep *keep, struct checkpoint_written *written)
{
    struct q_arena arena = {0};
    struct checkpoint_written done = {0};
    q_status status = write_in(&arena, run_folder, state, keep, &done);
    if (written)
        *written = done;
    q_arena_release(&arena);
    return q_context(status, "checkpoint of step %" PRIu64, state->position.step);
}

/* Throws away what a kill left half-written. */
static q_status clear_partial(const char *checkpoints, struct q_arena *arena)
{
    const char **names, *path;
    size_t count;
    if (!q_fs_is_directory(checkpoints))
        return Q_OK;
    Q_TRY(q_fs_list(checkpoints, arena, &names, &count));
    for (size_t i = 0; i < count; i++) {
        if (!q_string_ends(q_string_of(names[i]), ".partial"))
            continue;
        Q_TRY(q_fs_join(arena, checkpoints, names[i], &path));
        Q_TRY(q_fs_remove_tree(path));
    }
    return Q_OK;
}

/* What a checkpoint says beside its position. */
struct checkpoint_facts {
    struct guard_window *window; /* NULL: not asked for */
    struct state_hashes hashes;
    bool hashed;
};

/* The position has no second copy to compare with, so the file vouches for itself. Takes the member `hash` out. */
static q_status verify_position(const char *folder, json_t *json)
{
    q_string hex;
    q_hash stored, hash;
    Q_TRY(q_json_get_string(json, folder, "hash", &hex));
    Q_TRY(q_hash_parse(hex, &stored));
    (void)json_object_del(json, "hash");
    Q_TRY(hash_position(json, &hash));
    if (!q_hash_equal(hash, stored))
        return q_fail(Q_ERR_INPUT, "'%s/trainer.json' is damaged: its hash is not that of its content", folder);
    return Q_OK;
}

static q_status check_head(const char *folder, json_t *json, q_hash *run)
{
    uint64_t version;
    q_string format, hex;
    Q_TRY(q_json_get_string(json, folder, "format", &format));
    Q_TRY(q_json_get_u64(json, folder, "version", &version));
    if (!q_string_is(format, "quern-checkpoint") || version != CHECKPOINT_VERSION)
        return q_fail(Q_ERR_INPUT, "'%s/trainer.json' is of version %" PRIu64 "; this program reads version %d", folder,
                      version, CHECKPOINT_VERSION);
    Q_TRY(verify_position(folder, json));
    Q_TRY(q_json_get_string(json, folder, "run", &hex));
    return q_hash_parse(hex, run);
}

/* The file that vouches for itself; new reference. */
static q_status read_trainer_json(const char *folder, struct q_arena *arena, json_t **out, q_hash *run)
{
    const char *path;
    json_t *json;
    Q_TRY(q_fs_join(arena, folder, "trainer.json", &path));
    Q_TRY(q_json_read_file(path, TRAINER_JSON_BYTES_MAX, &json));
    q_status status = check_head(folder, json, run);
    if (status)
        json_decref(json);
    else
        *out = json;
    return status;
}

static q_status verify_list(const char *folder, const json_t *json, struct q_arena *arena,
                            struct train_position *position, struct checkpoint_facts *facts)
{
    json_t *files, *entry;
    size_t i;
    q_string hex;
    Q_TRY(q_json_get_u64(json, folder, "step", &position->step));
    Q_TRY(q_json_get_u64(json, folder, "samples", &position->samples));
    Q_TRY(q_json_get_u64(json, folder, "tokens", &position->tokens));
    position->shown = (q_hash){0};
    if (json_object_get(json, "mixture")) {
        Q_TRY(q_json_get_string(json, folder, "mixture", &hex));
        Q_TRY(q_hash_parse(hex, &position->shown));
    }
    Q_TRY(q_json_get_array(json, folder, "files", &files));
    json_array_foreach(files, i, entry) Q_TRY(checkpoint_check_file(folder, entry, arena));
    Q_TRY(facts->window ? guard_window_read(json_object_get(json, "guard"), folder, facts->window) : Q_OK);
    return state_hashes_read(json, folder, &facts->hashes, &facts->hashed);
}

static q_status verify(const char *folder, struct train_position *position, q_hash *out_run,
                       struct checkpoint_facts *facts)
{
    struct q_arena arena = {0};
    json_t *json = NULL;
    q_hash run;
    q_status status = read_trainer_json(folder, &arena, &json, &run);
    if (!status && out_run)
        *out_run = run;
    if (!status)
        status = verify_list(folder, json, &arena, position, facts);
    json_decref(json);
    q_arena_release(&arena);
    return status;
}

q_status checkpoint_verify(const char *folder, struct train_position *position, q_hash *out_run)
{
    struct checkpoint_facts facts = {0};
    return verify(folder, position, out_run, &facts);
}

q_status checkpoint_hashes(const char *folder, struct train_position *position, struct state_hashes *hashes,
                           bool *hashed)
{
    struct checkpoint_facts facts = {0};
    Q_TRY(verify(folder, position, NULL, &facts));
    *hashes = facts.hashes;
    *hashed = facts.hashed;
    return Q_OK;
}

/* The newest checkpoint before `step` (UINT64_MAX: of all) that is whole and of this run; NULL where there is none. What fails here is not what is to be
 * told. */
static const char *find_whole(const char *run_folder, uint64_t step, q_hash run, struct q_arena *arena)
{
    const char *checkpoints, **names, *path;
    size_t count;
    uint64_t at;
    if (q_fs_join(arena, run_folder, "checkpoints", &checkpoints) || q_fs_list(checkpoints, arena, &names, &count))
        return NULL;
    for (size_t i = count; i-- > 0;) { /* by bytes: of steps below 10^8 the newest comes last */
        struct train_position position;
        q_hash seen;
        if (!checkpoint_step_of(names[i], &at) || at >= step || q_fs_join(arena, checkpoints, names[i], &path))
            continue;
        if (checkpoint_verify(path, &position, &seen) == Q_OK && q_hash_equal(seen, run))
            return names[i];
    }
    return NULL;
}

/* Appends to the text of a failure to read the checkpoint of this step (UINT64_MAX: none is named) the one before it, and how to go on from it. Returns
 * `status`. */
static q_status offer_earlier(q_status status, const char *run_folder, uint64_t step, q_hash run)
{
    struct q_arena arena = {0};
    struct q_error told;
    q_error_take(&told, status);
    const char *before = step == UINT64_MAX ? "" : " before it", *earlier = find_whole(run_folder, step, run, &arena);
    if (earlier)
        status = q_fail(status, "%s; '%s'%s is whole: write that name into '%s/latest' to go on from there", told.text,
                        earlier, before, run_folder);
    else
        status = q_fail(status, "%s; no checkpoint%s is whole, so train anew in another folder", told.text, before);
    q_arena_release(&arena);
    return status;
}

/* Whether the checkpoint that `latest` names is of this run. */
static q_status belongs(struct q_arena *arena, const char *run_folder, q_hash run, bool *own)
{
    const char *folder;
    json_t *json = NULL;
    q_hash seen;
    uint64_t step = UINT64_MAX;
    q_status status = checkpoint_latest(run_folder, arena, &folder);
    if (!status) {
        (void)checkpoint_step_of(q_fs_base_name(folder), &step);
        status = read_trainer_json(folder, arena, &json, &seen);
    }
    json_decref(json);
    *own = !status && q_hash_equal(seen, run);
    return status == Q_ERR_INPUT ? offer_earlier(status, run_folder, step, run) : status;
}

/* Of this folder, `latest` first, so that it never names what is half removed. */
static q_status remove_all(const char *run_folder, const char *latest, const char *checkpoints)
{
    Q_TRY(q_fs_unlink(latest));
    Q_TRY(q_fs_sync_directory(run_folder));
    return q_fs_remove_tree(checkpoints);
}

/* There is no `latest`. A kill may have come before it named the run's first checkpoint: then that one is whole, and the only one. More of them, and somebody
 * has removed it: which course they belong to is not known, and to begin at step 0 would write over them. */
static q_status find_unnamed(struct q_arena *arena, const char *run_folder, const char *latest, const char *checkpoints,
                             q_hash run, bool anew, bool *found)
{
    const char **names;
    size_t count, steps = 0;
    uint64_t step;
    *found = false;
    if (!q_fs_is_directory(checkpoints))
        return Q_OK;
    Q_TRY(q_fs_list(checkpoints, arena, &names, &count));
    for (size_t i = 0; i < count; i++)
        steps += checkpoint_step_of(names[i], &step);
    if (steps == 0)
        return Q_OK;
    if (anew)
        return remove_all(run_folder, latest, checkpoints);
    const char *whole = find_whole(run_folder, UINT64_MAX, run, arena);
    if (!whole)
        return q_fail(
            Q_ERR_INPUT,
            "'%s' is missing, and no checkpoint in '%s' is a whole one of this run; choose another folder, or "
            "give --force to remove them and begin anew",
            latest, checkpoints);
    if (steps > 1)
        return q_fail(Q_ERR_INPUT,
                      "'%s' is missing; the newest whole checkpoint is '%s': write that name into it to go on from "
                      "there, or give --force to remove all of them and begin anew",
                      latest, whole);
    *found = true;
    return q_publish_bytes(latest, whole, strlen(whole), NULL);
}

static q_status find_in(struct q_arena *arena, const char *run_folder, q_hash run, bool anew, bool *found)
{
    const char *latest, *checkpoints;
    bool named;
    Q_TRY(q_fs_join(arena, run_folder, "latest", &latest));
    Q_TRY(q_fs_join(arena, run_folder, "checkpoints", &checkpoints));
    Q_TRY(clear_partial(checkpoints, arena));
    Q_TRY(q_fs_look(latest, &named, NULL));
    if (!named)
        return find_unnamed(arena, run_folder, latest, checkpoints, run, anew, found);
    Q_TRY(belongs(arena, run_folder, run, found));
    if (*found)
        return Q_OK;
    if (!anew)
        return q_fail(Q_ERR_INPUT, "'%s' holds checkpoints of another run; choose another folder or give --force",
                      run_folder);
    return remove_all(run_folder, latest, checkpoints);
}

q_status checkpoint_find(const char *run_folder, q_hash run, bool anew, bool *found)
{
    struct q_arena arena = {0};
    q_status status = find_in(&arena, run_folder, run, anew, found);
    q_arena_release(&arena);
    return status;
}

/* What a whole checkpoint holds, into model and optimizer. */
static q_status read_state(const char *folder, struct model *model, struct optimizer *optimizer,
                           const struct train_position *position, const struct checkpoint_facts *facts)
{
    Q_TRY(model_files_read(model, folder));
    Q_TRY(optimizer_files_read(model, optimizer, folder));
    optimizer_set_steps(optimizer, position->step);
    struct state_hashes hashes;
    Q_TRY(facts->hashed ? state_hash(model, optimizer, &hashes) : Q_OK);
    const bool known = facts->hashed && optimizer_leads(optimizer); /* over ranks the first one has the hash */
    const char *differs = known ? state_hashes_differ(&hashes, &facts->hashes) : NULL;
    return differs ? q_fail(Q_ERR_INPUT,
                            "'%s': the %s are not those that were written, though the files are; "
                            "is this machine's memory sound?",
                            folder, differs)
                   : Q_OK;
}

static q_status read_in(struct q_arena *arena, const char *run_folder, struct model *model, struct optimizer *optimizer,
                        q_hash run, struct train_position *position, struct guard_window *window)
{
    const char *folder;
    uint64_t step;
    q_hash seen;
    Q_TRY(checkpoint_latest(run_folder, arena, &folder));
    struct checkpoint_facts facts = {.window = window};
    q_status status = verify(folder, position, &seen, &facts);
    if (!status && !q_hash_equal(seen, run))
        return q_fail(Q_ERR_INPUT, "'%s' is of another run; going on from it would make a result of neither", folder);
    if (!status)
        status = read_state(folder, model, optimizer, position, &facts);
    if (status != Q_ERR_INPUT || !checkpoint_step_of(q_fs_base_name(folder), &step))
        return status;
    return offer_earlier(status, run_folder, step, run);
}

q_status checkpoint_read(const char *run_folder, struct model *model, struct optimizer *optimizer, q_hash run,
                         struct train_position *position, struct guard_window *window)
{
    struct q_arena arena = {0};
    q_status status = read_in(&arena, run_folder, model, optimizer, run, position, window);
    q_arena_release(&arena);
    return status;
}
