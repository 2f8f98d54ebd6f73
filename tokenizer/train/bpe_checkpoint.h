/* The merges of a training that is under way, in a file (docs/formats/merges.md): all that is needed to go on to the same vocabulary, since they can be done
 * again on the same pieces (bpe_replay.c). */
#ifndef QUERN_TOKENIZER_BPE_CHECKPOINT_H
#define QUERN_TOKENIZER_BPE_CHECKPOINT_H

#include "base/hash.h"
#include "base/status.h"
#include "tokenizer/vocabulary/vocabulary.h"

/* Ready when zeroed; q_buffer_release(&file) in the end. */
struct bpe_checkpoint {
    struct q_buffer file;
    size_t count;
};

/* Publishes them. identity: of the counts and the options that the merges follow from. */
q_status bpe_checkpoint_write(const char *path, q_hash identity, const struct vocabulary_merge *merges,
                              const uint64_t *merge_counts, size_t count) Q_MUST_USE;
/* Q_ERR_INPUT for a file that is cut, damaged or of another version, or belongs to another training. */
q_status bpe_checkpoint_read(const char *path, q_hash identity, struct bpe_checkpoint *out) Q_MUST_USE;
/* Merge i < count: the ids that it joins, which the reader checks, and how often the pair was there. */
void bpe_checkpoint_get(const struct bpe_checkpoint *checkpoint, size_t i, uint32_t *left, uint32_t *right,
                        uint64_t *count);

#endif
