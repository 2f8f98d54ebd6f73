/* Preflight: what a run will take of memory and disk, known before anything is taken.
 *
 * Memory is the plan of memory_plan.h; over ranks one rank's, with the copy on rank 0 that checkpoints are written from. Of the disk: the checkpoints that
 * are kept and the one being written beside them, the finished model, and an estimate of the lines of metrics.
 */
#ifndef QUERN_TRAIN_PREFLIGHT_H
#define QUERN_TRAIN_PREFLIGHT_H

#include "train/comm/comm.h"
#include "train/plan/memory_plan.h"

/* Bytes. */
struct preflight {
    struct memory_plan memory;
    struct memory_request request; /* what was planned; its config and settings are borrowed */
    uint64_t checkpoint;           /* one, on disk */
    uint64_t checkpoints_kept;     /* how many stay in the end, with those that stay for ever */
    uint64_t metrics, model;       /* on disk */
};

/* Takes no tensors. */
q_status preflight_plan(const struct memory_request *request, struct preflight *out) Q_MUST_USE;
/* At the fullest moment of a run that has so many checkpoints already: what must still be free. */
uint64_t preflight_disk(const struct preflight *plan, uint64_t checkpoints_there);

/* Compares with what the machine (or its container) has available, with what is free where the folder lies, and with a GPU's memory (op memory_room).
 * Q_ERR_MEMORY and Q_ERR_SYSTEM give the figures by kind, and the settings that would take less. *background says whether checkpoints are to be written in
 * the background. comm: of all ranks, which call it before they take memory and are told alike; those of one machine must fit it together. NULL: one rank. */
q_status preflight_check(const struct preflight *plan, const struct train_settings *settings, const char *run_folder,
                         struct comm *comm, uint64_t device_free, uint64_t device_all, bool *background) Q_MUST_USE;
/* The comparisons alone, for any machine; 0 bytes of memory: unknown, fits. beside: of what is available, bytes for other ranks. */
q_status preflight_check_memory(const struct preflight *plan, int background, uint64_t available, uint64_t beside,
                                bool *in_background) Q_MUST_USE;
q_status preflight_check_device(const struct preflight *plan, uint64_t device_free, uint64_t device_all) Q_MUST_USE;
q_status preflight_check_disk(const struct preflight *plan, uint64_t checkpoints_there, uint64_t free_bytes,
                              const char *run_folder) Q_MUST_USE;

/* Members "disk", "memory" and, where a GPU has tensors, "gpu" of the open object, by kind, with "total". */
void preflight_put(const struct preflight *plan, struct q_json *json);

#endif
