/* Hashes: XXH3 of bytes. 128 bits name things (documents, files, steps); 64 bits guard frames. Not cryptographic: they
 * detect accidents, not attackers.
 */
#ifndef QUERN_BASE_HASH_H
#define QUERN_BASE_HASH_H

#include "base/status.h"
#include "base/string.h"

#include <stdbool.h>
#include <stdint.h>

/* XXH3-128 of some bytes with seed 0; compared and sorted as the number high * 2^64 + low. */
typedef struct q_hash {
    uint64_t high;
    uint64_t low;
} q_hash;

enum { Q_HASH_HEX = 33 }; /* 32 digits, most significant first (xxhsum's order), and NUL */

q_hash q_hash_bytes(const void *bytes, size_t size);
static inline q_hash q_hash_string(q_string string)
{
    return q_hash_bytes(string.data, string.size);
}
uint64_t q_hash64(const void *bytes, size_t size, uint64_t seed);

int q_hash_compare(q_hash a, q_hash b);
static inline bool q_hash_equal(q_hash a, q_hash b)
{
    return a.high == b.high && a.low == b.low;
}

char *q_hash_hex(q_hash hash, char out[Q_HASH_HEX]);
q_status q_hash_parse(q_string hex, q_hash *out) Q_MUST_USE; /* 32 hex digits, else Q_ERR_INPUT */

/* Bytes in pieces. The digest may be read at any time and the stream goes on. */
struct q_hasher;
q_status q_hasher_create(struct q_hasher **out) Q_MUST_USE;
void q_hasher_add(struct q_hasher *hasher, const void *bytes, size_t size);
q_hash q_hasher_digest(const struct q_hasher *hasher);
void q_hasher_reset(struct q_hasher *hasher);
void q_hasher_release(struct q_hasher *hasher);

#endif
