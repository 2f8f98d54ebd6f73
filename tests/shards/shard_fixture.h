/* Streams of invented documents to make shard files from, for the tests of this folder. */
#ifndef QUERN_TESTS_SHARDS_SHARD_FIXTURE_H
#define QUERN_TESTS_SHARDS_SHARD_FIXTURE_H

#include "base/threads.h"
#include "shards/shard_file.h"
#include "shards/shard_writer.h"

struct fixture {
    struct q_arena arena;
    struct shard_stream stream;
    uint32_t *ids; /* the stream as it must come out */
    uint64_t tokens;
};

struct fixture_shape {
    uint32_t vocabulary, sequence_tokens, frame_sequences;
    size_t documents;
    uint64_t length_max; /* of a document; at least 2 */
    uint64_t seed;
    uint64_t exact_tokens; /* > 0: one document of this many tokens instead */
};

/* Ids below the vocabulary with begin 0 and end 1; languages de, en, zh; every fifth document marked as rearranged. Arrival differs from the stream's order. */
q_status fixture_create(const struct fixture_shape *shape, struct fixture *out) Q_MUST_USE;
void fixture_release(struct fixture *fixture);
q_status fixture_write(struct fixture *fixture, const char *path, unsigned threads) Q_MUST_USE;

#endif
