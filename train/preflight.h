/* Preflight: what a run will take of memory and disk, known before anything is taken.
 *
 * Memory is planned exactly where it is large (tensors and workspace, by the same functions that take them); what else a process has (shards' frames, tables,
 * the program) is an allowance. Of the disk: the checkpoints that are kept and the one being written beside them, the finished model, and an
 * estimate of the lines of metrics. Over ranks the memory is one rank's: what it has of experts and moments, and the copy on rank 0 that checkpoints are
 * written from.
 */
#ifndef QUERN_TRAIN_PREFLIGHT_H
#define QUERN_TRAIN_PREFLIGHT_H

#include "base/json.h"
#include "train/comm/comm.h"
#include "train/model/model_config.h"
#include "train/train_settings.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes. */
struct preflight {
    uint64_t parameters, gradients, moments, activations, workspace;
    uint64_t ema; /* 0: there is none */
    uint64_t
        snapshot;   /* what a checkpoint in the background is written from; 0 where train.checkpoint.background is no */
    uint64_t rest;  /* the allowance */
    bool on_device; /* all of the above but it is memory of a GPU */
    uint64_t checkpoint;       /* one, on disk */
    uint64_t checkpoints_kept; /* how many stay in the end, with those that stay for ever */
    uint64_t metrics, model;   /* on disk */
};

/* A run of `settings` with sequences of so many tokens, over so many ranks (those that share experts at least) of so many threads; takes no tensors. */
q_status preflight_plan(const struct model_config *config, const struct train_settings *settings,
                        uint64_t sequence_tokens, unsigned threads, unsigned ranks, struct preflight *out) Q_MUST_USE;
uint64_t preflight_memory(const struct preflight *plan, bool with_snapshot);
/* At the fullest moment of a run that has so many checkpoints already: what must still be free. */
uint64_t preflight_disk(const struct preflight *plan, uint64_t checkpoints_there);

/* Compares with what the machine (or its container) has available and with what is free where the folder lies. Q_ERR_MEMORY and
 * Q_ERR_SYSTEM give the figures by kind. *background says whether checkpoints are to be written in the background. comm: of all ranks, which call it before
 * they take memory and are told alike; those of one machine must fit it together. NULL: one rank. */
q_status preflight_check(const struct preflight *plan, const struct train_settings *settings, const char *run_folder,
                         struct comm *comm, bool *background) Q_MUST_USE;
/* The comparisons alone, for any machine; 0 bytes of memory: unknown, fits. beside: of what is available, bytes for other ranks. */
q_status preflight_check_memory(const struct preflight *plan, int background, uint64_t available, uint64_t beside,
                                bool *in_background) Q_MUST_USE;
q_status preflight_check_disk(const struct preflight *plan, uint64_t checkpoints_there, uint64_t free_bytes,
                              const char *run_folder) Q_MUST_USE;

/* Members "memory" and "disk" of the open object, by kind, with "total". */
void preflight_put(const struct preflight *plan, struct q_json *json);

#endif
