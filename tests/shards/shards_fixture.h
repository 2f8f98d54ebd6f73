/* A finished folder of documents and a small tokenizer.json, for tests of whole builds. */
#ifndef QUERN_TESTS_SHARDS_SHARDS_FIXTURE_H
#define QUERN_TESTS_SHARDS_SHARDS_FIXTURE_H

#include "base/memory.h"
#include "base/status.h"

#include <stdint.h>

/* Special tokens, the bytes and some merges; ids up to `size` - 1 (at least 300), the last one an added token, so that 70,000 makes u32 shards. */
q_status fixture_tokenizer(const char *path, uint32_t size, bool with_fim) Q_MUST_USE;

struct fixture_documents {
    uint64_t parts;
    uint64_t documents; /* of each part; the last part has none */
    uint64_t words_max; /* of a document; some have none at all */
    double held_out;
    uint64_t seed;
};

/* A folder as corpus or dedup leave it: the first half of the parts of source "novels", the others of "papers"; languages de, en, none. */
q_status fixture_documents(const char *folder, const struct fixture_documents *shape) Q_MUST_USE;

#endif
