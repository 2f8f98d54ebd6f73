/* Manifests and steps: what a result is, that it is whole, and where it came from (docs/formats/manifest.md).
 *
 * A step's folder:
 *
 *     step.json             its identity, written before any work: stage, step, output version, seed, settings that matter, input hashes
 *     part-00000.*          the part's files, by the stage's own names, each published whole
 *     part-00000.json       the part's record, published after them: files with bytes and hashes, accounting, statistics
 *     manifest.json         written last, when every record is there: the sum of it all. The same bytes on any machine
 *     provenance.json       what differs from run to run: program hash, threads, times, processor. Never part of an identity
 *
 *     not begun --open--> step.json --part_publish (any order, any process)--> all records --finish--> manifest.json = done
 *
 * KEY is the first twelve hex digits of the XXH3-128 of step.json's bytes. A killed step goes on at its first part without a record. "Done"
 * means that the manifest is well formed and every file it lists has its size; q_manifest_verify reads every byte.
 */
#ifndef QUERN_BASE_MANIFEST_H
#define QUERN_BASE_MANIFEST_H

#include "base/accounting.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/publish.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { Q_KEY_SIZE = 13, Q_PARTS_MAX = 1000000 };

/* A result that is done, read back. */
struct q_manifest_file {
    const char *name; /* relative to the folder, no '/' */
    uint64_t bytes;
    q_hash hash;
};

struct q_manifest_part {
    struct q_manifest_file *files;
    size_t file_count;
    const json_t *record; /* the part's record: borrowed from `json` */
};

struct q_manifest {
    struct q_arena arena;
    json_t *json;
    q_hash hash; /* of manifest.json's bytes: what the next step's identity holds */
    const char *folder;
    const char *stage, *step;
    char key[Q_KEY_SIZE];
    uint64_t seed;
    double held_out; /* share of documents held out (document.h); 0 where the result is not documents */
    uint64_t held_out_seed;
    struct q_manifest_part *parts;
    size_t part_count;
    struct q_accounting accounting; /* all zero where the step has none */
};

/* Reads and checks FOLDER/manifest.json and the sizes of its files. Absent: Q_ERR_INPUT that says which command builds it. */
q_status q_manifest_read(const char *folder, struct q_manifest *out) Q_MUST_USE;
void q_manifest_release(struct q_manifest *manifest);
/* Reads every file and compares its hash; the first difference is Q_ERR_INPUT. */
q_status q_manifest_verify(const struct q_manifest *manifest) Q_MUST_USE;
/* Whether the folder holds a whole result; never fails on what is missing, only on what cannot be looked at. */
q_status q_manifest_done(const char *folder, bool *done) Q_MUST_USE;
/* The one file of a part that holds its documents, part-NNNNN.jsonl.zst (docs/formats/documents.md); what else a step writes has another name. Borrowed.
 * Q_ERR_INPUT where the part has none: the result is not one of documents. */
q_status q_manifest_documents(const struct q_manifest *manifest, size_t part,
                              const struct q_manifest_file **out) Q_MUST_USE;
/* FOLDER/NAME in the manifest's arena. */
q_status q_manifest_path(struct q_manifest *manifest, const char *name, const char **out) Q_MUST_USE;

/* A step on its way. One thread at a time may use it: paths and names live in its arena. */
struct q_step {
    struct q_arena arena;
    const char *stage, *name;
    json_t *identity;
    char key[Q_KEY_SIZE];
    const char *folder; /* NULL until opened */
    bool done;          /* found whole when opened */
    double started;
    unsigned threads; /* for provenance */
};

/* Begins an identity. `settings`: q_settings_json(..., Q_TAG_IDENTITY, steps); the reference is taken. output_version: raised by hand when the
 * step's output changes for the same input and settings. */
q_status q_step_begin(struct q_step *step, const char *stage, const char *name, uint32_t output_version, uint64_t seed,
                      json_t *settings) Q_MUST_USE;
/* Adds an input by a name that is no path of the machine ("corpus", or the input's name in the recipe), in the recipe's order. */
q_status q_step_add_input(struct q_step *step, const char *name, q_hash hash) Q_MUST_USE;
/* Fixes the key. No input may be added after it. */
q_status q_step_seal(struct q_step *step) Q_MUST_USE;
/* Hash of the identity's bytes as step.json has them, all of it where the key is twelve digits: what a later step of the same stage takes as its input, so
 * that `plan` knows its key before this one is built; and what a run's checkpoints belong to. */
q_status q_step_hash(const struct q_step *step, q_hash *out) Q_MUST_USE;
/* Makes or enters the folder and compares step.json. Another identity is Q_ERR_USAGE naming the first setting or input that differs;
 * with `force` its files are removed (only files that a step wrote). A folder with other things in it and no step.json is refused always. */
q_status q_step_open(struct q_step *step, const char *folder, bool force) Q_MUST_USE;
void q_step_release(struct q_step *step);

/* FOLDER/part-00012SUFFIX, e.g. suffix ".jsonl.zst". In the step's arena. */
q_status q_step_part_path(struct q_step *step, uint64_t part, const char *suffix, const char **out) Q_MUST_USE;
q_status q_step_part_done(struct q_step *step, uint64_t part, bool *done) Q_MUST_USE;
/* Whether this task builds the part: part mod N = I. */
static inline bool q_task_has(struct q_task task, uint64_t part)
{
    return task.count <= 1 || part % task.count == task.index;
}

/* A published file of a part, for its record. */
struct q_part_file {
    const char *name; /* base name */
    struct q_file_identity identity;
};
/* Publishes the record. accounting may be NULL; `statistics` (may be NULL) is an object, reference taken. */
q_status q_step_part_publish(struct q_step *step, uint64_t part, const struct q_part_file *files, size_t file_count,
                             const struct q_accounting *accounting, json_t *statistics) Q_MUST_USE;
/* Whether a file's name is that of a part's record: "part-00012.json". */
bool q_is_record_name(const char *name);
/* The record of a part that is done; new reference. */
q_status q_step_part_record(struct q_step *step, uint64_t part, json_t **out) Q_MUST_USE;

/* Which of `parts` parts still lack a record: the first one, or `parts` where none does. */
q_status q_step_first_missing(struct q_step *step, uint64_t parts, uint64_t *out) Q_MUST_USE;

struct q_finish {
    uint64_t parts;
    json_t *statistics; /* of the whole step, may be NULL; reference taken */
    json_t *
        schedule; /* settings tagged schedule that it was built under, may be NULL; reference taken. Member "schedule" */
    double held_out;
    uint64_t held_out_seed;
    const char *program; /* "quern-corpus" */
    /* What the documents came from: the sum's `in` must be what these kept, or a part has lost or repeated some (each part alone balances by construction).
     * NULL: not compared. */
    const struct q_manifest *inputs;
    size_t input_count;
};
/* Sums the records, writes provenance.json and then manifest.json. Every record must be there (Q_ERR_SYSTEM names the first missing one), and the
 * documents those of the inputs (Q_ERR_INPUT).
 * *sum (may be NULL) gets the accounting. */
q_status q_step_finish(struct q_step *step, const struct q_finish *finish, struct q_accounting *sum) Q_MUST_USE;

/* What the system calls this machine's (first) processor, cut to out_size; "" where it does not say. */
void q_processor_name(char *out, size_t out_size);

#endif
