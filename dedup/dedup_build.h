/* A build of the dedup stage: its inputs, its three steps, and what they share.
 *
 *     corpus parts --sign--> part-P.sig.zst          for each document: hash of its text, digests of its bands (map)
 *                  --group-> part-00000.verdicts...  for each document that is not alone: who stays, who goes (one)
 *                  --filter> part-P.jsonl.zst        the documents that stay (map)
 *                            part-P.evidence...      and why the others went
 *
 * The parts are those of the inputs, one input's after the other's: part P here is part P of the only input, or of
 * several counted through.
 */
#ifndef QUERN_DEDUP_DEDUP_BUILD_H
#define QUERN_DEDUP_DEDUP_BUILD_H

#include "base/manifest.h"
#include "base/threads.h"
#include "dedup/dedup_settings.h"

enum {
    /* Raised by hand when a step's output changes for the same input and settings. */
    DEDUP_SIGN_VERSION = 1,
    DEDUP_GROUP_VERSION = 1,
    DEDUP_FILTER_VERSION = 1,
    DEDUP_STEPS = 3,
};

enum dedup_step { DEDUP_STEP_SIGN, DEDUP_STEP_GROUP, DEDUP_STEP_FILTER };

struct dedup_build {
    struct q_arena arena;
    struct dedup_settings settings;
    struct q_manifest *inputs;
    size_t input_count, input_capacity;
    const char **documents; /* path of each part's documents */
    size_t part_count, part_capacity;
    uint64_t text_bytes; /* of all documents, as the inputs' accounting says: for progress */
    double held_out;
    uint64_t held_out_seed;
    struct q_step steps[DEDUP_STEPS];
    struct q_task task;
    struct q_pool *pool;
};

/* Reads the inputs (folders of finished steps that made documents) and fixes the three identities. Inputs that
 * disagree on held-out documents are Q_ERR_USAGE. dedup_build_release also after a failure. */
q_status dedup_build_init(struct dedup_build *build, const struct dedup_settings *settings, const char *const *folders,
                          size_t count) Q_MUST_USE;
void dedup_build_release(struct dedup_build *build);

/* "sign", "group", "filter"; false where there is no such step. */
extern const char *const dedup_step_names[DEDUP_STEPS + 1];
bool dedup_step_find(const char *name, enum dedup_step *step);
/* Parts of a step: those of the documents, and one for group. */
uint64_t dedup_step_parts(const struct dedup_build *build, enum dedup_step step);

/* Opens the step's folder: WORK/KEY for the first two, OUT for the last. */
q_status dedup_step_open(struct dedup_build *build, enum dedup_step step, const char *out, const char *work,
                         bool force) Q_MUST_USE;

/* Builds the parts that are missing and that the task has, each published when it is whole. The step is open, and so
 * are those it needs. Q_STOPPED after a request to stop. */
q_status dedup_sign(struct dedup_build *build) Q_MUST_USE;
q_status dedup_group(struct dedup_build *build) Q_MUST_USE;
q_status dedup_filter(struct dedup_build *build) Q_MUST_USE;
/* What filter's manifest says of the whole: the sum of its parts' statistics. New reference. */
q_status dedup_filter_statistics(struct dedup_build *build, json_t **out) Q_MUST_USE;

#endif
