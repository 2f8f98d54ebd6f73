/* Shingles: the runs of `size` words of a document (Broder, "On the resemblance and containment of documents",
 * 1997), each as a 64-bit hash. A document of fewer words has one shingle, all of it; one without words has none.
 *
 * The Jaccard index of two documents is that of their sets of shingles. Sets of hashes stand for sets of shingles:
 * two different shingles share a hash once in 2^64 pairs.
 */
#ifndef QUERN_DEDUP_SHINGLES_H
#define QUERN_DEDUP_SHINGLES_H

#include "base/memory.h"
#include "base/status.h"

#include <stdint.h>

/* How many shingles (not yet a set) a document of so many words has. */
static inline size_t shingles_count(size_t words, unsigned size)
{
    return words == 0 ? 0 : words < size ? 1 : words - size + 1;
}

/* The hashes of shingles first .. first + count - 1 of a document's words (all of them below shingles_count), to
 * out[count]. The result for a shingle does not depend on `first`. */
void shingles_hash(const uint64_t *words, size_t word_count, unsigned size, size_t first, size_t count, uint64_t *out);

/* A document's set of shingles, ascending, each once. Ready when zeroed; filled again and again. */
struct shingle_set {
    uint64_t *hashes;
    size_t count, capacity;
};

void shingle_set_release(struct shingle_set *set);
q_status shingle_set_fill(struct shingle_set *set, const uint64_t *words, size_t word_count, unsigned size) Q_MUST_USE;

/* How many elements two ascending sets have in common. */
size_t shingle_sets_common(const uint64_t *a, size_t a_count, const uint64_t *b, size_t b_count);

/* |A and B| / |A or B|; two empty sets are not alike: 0. */
static inline double shingles_jaccard(size_t a_count, size_t b_count, size_t common)
{
    size_t together = a_count + b_count - common;
    return together ? (double)common / (double)together : 0.0;
}

#endif
