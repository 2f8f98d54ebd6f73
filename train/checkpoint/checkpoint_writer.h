/* The checkpoint writer: checkpoints that are written while training goes on.
 *
 *     start: parameters, biases, moments and average are copied into a shadow (one copy of each arena: the only stall) ---> the training goes on
 *                                              \--> a thread: checkpoint_write of the shadow, `latest` last ----> poll, wait
 *
 * One checkpoint at a time. What a kill leaves behind is what checkpoint_write leaves behind: the old one or the new one. The files are those of
 * a checkpoint written at once, byte for byte: the same function writes them, from the same numbers. The shadow lies in the host's memory, whatever the
 * training's backend: the thread asks nothing of a device.
 */
#ifndef QUERN_TRAIN_CHECKPOINT_WRITER_H
#define QUERN_TRAIN_CHECKPOINT_WRITER_H

#include "train/checkpoint/checkpoint.h"

struct checkpoint_writer;

/* Takes the shadow's memory (model_shadow_bytes and as much as the optimizer's arenas). Of `state` the model, optimizer, run and tokenizer_folder count; all is
 * borrowed, `run_folder` too. Over several ranks, rank 0 has the writer. */
q_status checkpoint_writer_create(const char *run_folder, const struct checkpoint_state *state,
                                  struct checkpoint_writer **out) Q_MUST_USE;
/* Waits for what is being written. NULL is allowed. */
void checkpoint_writer_release(struct checkpoint_writer *writer);

/* Begins to write the state as it is now. Over several ranks the others call optimizer_shadow_copy with NULL at the same time. Nothing may be under way:
 * what was started must have been reported by poll. Q_ERR_SYSTEM where no thread can be had. */
q_status checkpoint_writer_start(struct checkpoint_writer *writer, const struct train_position *position,
                                 const struct guard_window *window, const struct checkpoint_keep *keep) Q_MUST_USE;

/* What became of the checkpoint under way: *finished is true once for each that was started, when it is done, with its place and what was written; a failure of
 * writing it is this call's, with place and hashes all the same. With `wait` it waits for the end. Nothing under way: *finished is false. */
q_status checkpoint_writer_poll(struct checkpoint_writer *writer, bool wait, bool *finished,
                                struct train_position *position, struct checkpoint_written *written) Q_MUST_USE;

#endif
