/* What is behind a struct shards: for the programs of this folder; training needs shards.h only. */
#ifndef QUERN_SHARDS_SHARDS_READ_H
#define QUERN_SHARDS_SHARDS_READ_H

#include "shards/shard_file.h"
#include "shards/shards.h"

/* A file of the split, as the manifest says. Ordered by source, then by part: first_sequence ascends. */
struct shards_file {
    const char *path;
    uint32_t source;
    uint64_t first_sequence;
    uint64_t sequences; /* may be 0 */
    uint64_t tokens;
    uint64_t text_bytes;
};

extern const char *const shards_split_names[2]; /* by enum shards_split: "train", "heldout" */
/* ".train.zst", ".heldout.zst": the end of a shard file's name. */
q_status shards_split_suffix(enum shards_split split, struct q_arena *arena, const char **out) Q_MUST_USE;

/* Whether the open file is the one that `said` speaks of; Q_ERR_INPUT. */
q_status shards_file_check(const struct shards *shards, const struct shards_file *said,
                           const struct shard_file *file) Q_MUST_USE;

#endif
