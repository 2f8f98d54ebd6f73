#include "train/checkpoint/checkpoint_writer.h"

#include "base/check.h"
#include "base/memory.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

struct checkpoint_writer {
    const char *run_folder;
    struct model *model; /* shadows */
    struct optimizer *optimizer;
    const struct model *from_model;
    const struct optimizer *from_optimizer;
    struct guard_window window;
    struct checkpoint_state state;
    struct checkpoint_keep keep;

    bool under_way;   /* a thread is there to be joined */
    atomic_bool done; /* it has nothing more to do */
    pthread_t thread;
    struct checkpoint_written written;
    struct q_error error; /* status Q_OK where it went well */
};

q_status checkpoint_writer_create(const char *run_folder, const struct checkpoint_state *state,
                                  struct checkpoint_writer **out)
{
    struct checkpoint_writer *writer;
    Q_TRY(q_alloc_zero(1, sizeof *writer, &writer));
    writer->run_folder = run_folder;
    writer->from_model = state->model;
    writer->from_optimizer = state->optimizer;
    writer->state = *state;
    q_status status = model_shadow_create(state->model, op_table_cpu(OP_FP32), &writer->model);
    if (!status)
        status = optimizer_shadow_create(state->optimizer, writer->model, &writer->optimizer);
    writer->state.model = writer->model;
    writer->state.optimizer = writer->optimizer;
    writer->state.window = &writer->window;
    if (status)
        checkpoint_writer_release(writer);
    else
        *out = writer;
    return q_context(status, "memory to copy the state for checkpoints ('train.checkpoint.background: no' needs none)");
}

void checkpoint_writer_release(struct checkpoint_writer *writer)
{
    if (!writer)
        return;
    if (writer->under_way)
        (void)pthread_join(writer->thread, NULL);
    optimizer_release(writer->optimizer);
    model_release(writer->model);
    q_release(writer);
}

static void *write_state(void *context)
{
    struct checkpoint_writer *writer = context;
    const q_status status = checkpoint_write(writer->run_folder, &writer->state, &writer->keep, &writer->written);
    writer->error.status = Q_OK;
    if (status)
        q_error_take(&writer->error, status);
    atomic_store(&writer->done, true);
    return NULL;
}

/* Signals are for the threads that train: the one that writes has none to be interrupted by. */
static int start_thread(struct checkpoint_writer *writer)
{
    sigset_t all, before;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int code = pthread_create(&writer->thread, NULL, write_state, writer);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

q_status checkpoint_writer_start(struct checkpoint_writer *writer, const struct train_position *position,
                                 const struct guard_window *window, const struct checkpoint_keep *keep)
{
    q_check(!writer->under_way);
    model_shadow_copy(writer->model, writer->from_model);
    Q_TRY(optimizer_shadow_copy(writer->optimizer, writer->from_optimizer));
    Q_TRY(model_ops(writer->from_model)->synchronize(model_context(writer->from_model))); /* whether a device gave it */
    writer->window = *window;
    writer->state.position = *position;
    writer->keep = *keep;
    atomic_store(&writer->done, false);
    const int code = start_thread(writer);
    if (code)
        return q_fail_errno(code, "cannot start a thread to write the checkpoint of step %llu",
                            (unsigned long long)position->step);
    writer->under_way = true;
    return Q_OK;
}

q_status checkpoint_writer_poll(struct checkpoint_writer *writer, bool wait, bool *finished,
                                struct train_position *position, struct checkpoint_written *written)
{
    *finished = writer->under_way && (wait || atomic_load(&writer->done));
    if (!*finished)
        return Q_OK;
    (void)pthread_join(writer->thread, NULL);
    writer->under_way = false;
    *position = writer->state.position;
    *written = writer->written;
    return writer->error.status ? q_error_put(&writer->error) : Q_OK;
}
