#include "orchestrate/run_state.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* How long a lock is waited for: the child of a killed run dies within milliseconds. */
static const double LOCK_WAIT_S = 5;

static q_status read_process(const char *path, long *out)
{
    struct q_buffer text = {0};
    int64_t number = 0;
    *out = 0;
    if (q_fs_read_file(path, 64, &text) == Q_OK && q_parse_i64(q_string_trim(q_buffer_string(&text)), &number) == Q_OK)
        *out = (long)number;
    q_buffer_release(&text);
    return Q_OK;
}

static q_status refuse(const char *run, const char *path)
{
    long process;
    Q_TRY(read_process(path, &process));
    return q_fail(Q_ERR_SYSTEM, "another 'quern run' is at work in '%s' (process %ld); wait for it or stop it", run,
                  process);
}

static q_status take_lock(struct run_state *state, const char *path, enum run_mode mode)
{
    state->lock_fd = q_fs()->open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (state->lock_fd < 0)
        return q_fail_errno(errno, "'%s'", path);
    double until = q_seconds() + LOCK_WAIT_S;
    for (;;) {
        bool taken;
        Q_TRY(q_fs_lock(state->lock_fd, path, mode == RUN_ALONE ? LOCK_EX : LOCK_SH, &taken));
        if (taken)
            break;
        if (q_seconds() > until)
            return refuse(state->graph->run, path);
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    if (mode == RUN_TASK)
        return Q_OK;
    char text[32];
    int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (q_fs()->ftruncate(state->lock_fd, 0))
        return q_fail_errno(errno, "lock '%s'", path);
    return q_fs_write_all(state->lock_fd, path, text, (size_t)size);
}

static q_status open_all(struct run_state *state, struct q_arena *arena, enum run_mode mode)
{
    const char *path, *run = state->graph->run;
    Q_TRY(q_fs_join(arena, run, "logs", &path));
    Q_TRY(q_fs_make_directories(path));
    Q_TRY(q_fs_join(arena, run, "lock", &path));
    Q_TRY(take_lock(state, path, mode));
    if (mode == RUN_TASK)
        return Q_OK;
    Q_TRY(q_fs_join(arena, run, "journal", &path));
    q_status status = q_journal_open(path, &state->journal);
    if (status != Q_ERR_INPUT)
        return status;
    struct q_error damage;
    q_error_take(&damage, status);
    return q_fail(status, "%s; move it away to go on with a new one", damage.text);
}

q_status run_state_open(struct run_state *state, const struct graph *graph, enum run_mode mode)
{
    *state = (struct run_state){.graph = graph, .lock_fd = -1};
    struct q_arena arena = {0};
    q_status status = open_all(state, &arena, mode);
    q_arena_release(&arena);
    if (status != Q_OK)
        run_state_close(state);
    return status;
}

void run_state_close(struct run_state *state)
{
    if (state->journal)
        q_journal_close(state->journal);
    q_fs_close(state->lock_fd); /* and with it the lock */
    state->journal = NULL;
    state->lock_fd = -1;
}

q_status run_state_event(struct run_state *state, const char *event, json_t *fields)
{
    return q_journal_append(state->journal, event, fields);
}

static void put_step(struct q_json *json, const struct graph_step *step)
{
    q_json_open(json, NULL, '{');
    q_json_put_string(json, "step", q_string_of(step->name));
    q_json_put_string(json, "kind", q_string_of(step_kind_name(step->kind)));
    q_json_put_string(json, "state", q_string_of(graph_state_name(step->state)));
    if (step->key[0])
        q_json_put_string(json, "key", q_string_of(step->key));
    q_json_put_u64(json, "parts", step->parts);
    q_json_put_u64(json, "parts_done", step->parts_done);
    q_json_put_u64(json, "bytes", step->bytes);
    q_json_close(json, '}');
}

void run_state_put_stages(const struct graph *graph, struct q_json *json, const char *key)
{
    q_json_open(json, key, '[');
    for (size_t i = 0; i < STAGE_COUNT; i++) {
        const struct graph_stage *stage = &graph->stages[i];
        q_json_open(json, NULL, '{');
        q_json_put_string(json, "stage", q_string_of(stages[i].name));
        q_json_put_string(json, "state", q_string_of(graph_state_name(stage->state)));
        if (stage->resolved)
            q_json_put_string(json, "key", q_string_of(stage->key));
        q_json_open(json, "steps", '[');
        for (size_t s = 0; s < stage->step_count; s++)
            put_step(json, &stage->steps[s]);
        q_json_close(json, ']');
        q_json_close(json, '}');
    }
    q_json_close(json, ']');
}

static q_status write_status(const struct graph *graph, const char *what, size_t stage, struct q_buffer *out)
{
    char now[21];
    q_time_text(now);
    struct q_json json = q_json_begin(out);
    q_json_open(&json, NULL, '{');
    q_json_put_string(&json, "format", Q_STRING("quern-run-status"));
    q_json_put_u64(&json, "version", 1);
    q_json_put_string(&json, "name", q_string_of(graph->recipe.name));
    q_json_put_string(&json, "state", q_string_of(what));
    q_json_put_i64(&json, "process", getpid());
    q_json_put_string(&json, "at", q_string_of(now));
    if (stage < STAGE_COUNT)
        q_json_put_string(&json, "stage", q_string_of(stages[stage].name));
    run_state_put_stages(graph, &json, "stages");
    q_json_close(&json, '}');
    q_json_newline(&json);
    return q_json_end(&json);
}

q_status run_state_publish(struct run_state *state, const char *what, size_t stage)
{
    struct q_buffer text = {0};
    struct q_arena arena = {0};
    const char *path;
    q_status status = write_status(state->graph, what, stage, &text);
    if (status == Q_OK)
        status = q_fs_join(&arena, state->graph->run, "status", &path);
    if (status == Q_OK)
        status = q_publish_bytes(path, text.data, text.size, NULL);
    q_buffer_release(&text);
    q_arena_release(&arena);
    return status;
}

static q_status look_at_lock(const char *path, bool *at_work, long *out_process)
{
    bool there;
    Q_TRY(q_fs_look(path, &there, NULL));
    if (!there)
        return Q_OK;
    int fd;
    Q_TRY(q_fs_open_read(path, &fd));
    bool free;
    q_status status = q_fs_lock(fd, path, LOCK_SH, &free);
    q_fs_close(fd);
    Q_TRY(status);
    if (!free) {
        *at_work = true;
        return read_process(path, out_process);
    }
    return Q_OK;
}

q_status run_state_at_work(const char *run, bool *at_work, long *out_process)
{
    struct q_arena arena = {0};
    const char *path;
    *at_work = false;
    *out_process = 0;
    q_status status = q_fs_join(&arena, run, "lock", &path);
    if (status == Q_OK)
        status = look_at_lock(path, at_work, out_process);
    q_arena_release(&arena);
    return status;
}

q_status run_state_log_path(struct graph *graph, size_t stage, const char *step, struct q_task task, const char **out)
{
    const char *name = stages[stage].name, *key = graph->stages[stage].key;
    if (task.count > 1)
        return q_arena_printf(&graph->arena, out, "%s/logs/%s-%s.%s.%llu-of-%llu.log", graph->run, name, key, step,
                              (unsigned long long)task.index, (unsigned long long)task.count);
    return q_arena_printf(&graph->arena, out, "%s/logs/%s-%s.log", graph->run, name, key);
}
