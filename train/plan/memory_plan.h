/* The memory plan: what a training takes of memory, kind by kind, before anything is taken.
 *
 *     parameters, their copy in BF16, gradients, activations, tables, workspace   model_memory of an outline
 *     moments, moving average                                                     optimizer_memory of that outline
 *     copy that checkpoints are written from                                      the same two, of a shadow
 *     the largest tensor, on its way to a file                                    model_largest_parameter
 *     other                                                                       an allowance
 *
 * Each figure but the last is asked of whoever takes the memory, and is what is asked of the allocator: tests/train/test_memory_plan.c counts both. Pure host
 * code: a run on a GPU is planned where there is none, and in a build without CUDA.
 */
#ifndef QUERN_TRAIN_MEMORY_PLAN_H
#define QUERN_TRAIN_MEMORY_PLAN_H

#include "base/json.h"
#include "train/model/model_config.h"
#include "train/train_settings.h"

#include <stdbool.h>
#include <stdint.h>

enum memory_kind {
    MEMORY_PARAMETERS, /* FP32: the master weights */
    MEMORY_WEIGHTS,    /* their copy in BF16, which products read */
    MEMORY_GRADIENTS,
    MEMORY_MOMENTS,
    MEMORY_EMA,
    MEMORY_ACTIVATIONS,
    MEMORY_TABLES, /* routing biases, counts, cosines and sines */
    MEMORY_WORKSPACE,
    MEMORY_SNAPSHOT, /* what a checkpoint in the background is written from */
    MEMORY_BUFFER,   /* the largest tensor, on its way to a file */
    MEMORY_REST,     /* an allowance: the program, shards' frames; kernels, and what an allocator rounds up */
    MEMORY_KINDS
};

/* Bytes of one rank, the one that has most: the first. */
struct memory_plan {
    bool on_device; /* the tensors are in a GPU's memory; else `device` is nothing */
    uint64_t host[MEMORY_KINDS], device[MEMORY_KINDS];
};

/* Of sequences of so many tokens, over so many ranks (those that share experts at least) of so many threads. */
struct memory_request {
    const struct model_config *config;
    const struct train_settings *settings;
    uint64_t sequence_tokens;
    unsigned threads, ranks;
};

q_status memory_plan_make(const struct memory_request *request, struct memory_plan *out) Q_MUST_USE;
/* Sums that would not fit are the largest number. */
uint64_t memory_plan_total(const uint64_t bytes[MEMORY_KINDS], bool with_snapshot);

/* What another value of a setting, alone, would take less where the tensors are. */
struct memory_saving {
    char setting[48]; /* "train.micro_batch: 2" */
    uint64_t bytes;
};
enum { MEMORY_SAVINGS_MAX = 7 };

/* Those that take less: half the micro-batch, BF16, more recomputation, gradients in BF16 where that is the precision, moments in BF16, sums in any order. */
q_status memory_plan_savings(const struct memory_request *request, const struct memory_plan *plan,
                             struct memory_saving out[MEMORY_SAVINGS_MAX], size_t *count) Q_MUST_USE;

/* "parameters 1.2 GB, gradients ...": the kinds that are there. */
q_status memory_plan_describe(const uint64_t bytes[MEMORY_KINDS], bool with_snapshot, struct q_buffer *out) Q_MUST_USE;
/* Rows of kind, bytes and share, with their total. */
q_status memory_plan_table(const uint64_t bytes[MEMORY_KINDS], struct q_buffer *out) Q_MUST_USE;
/* Members of the open object, by kind, with "total". */
void memory_plan_put(const uint64_t bytes[MEMORY_KINDS], struct q_json *json);

#endif
