/* MinHash signatures cut into bands (Broder 1997; banding: Leskovec, Rajaraman, Ullman, "Mining of Massive
 * Datasets", 3.4).
 *
 *     shingles, as 32-bit values x
 *     minima[i] = least a[i] x + b[i] mod 2^32 over all x
 *     digest[j] = hash of minima[j r .. j r + r - 1]        band j of r rows
 *
 * Two documents with Jaccard index J agree in one minimum with probability J, so in a whole band of r rows with J^r,
 * and in at least one of b bands with 1 - (1 - J^r)^b: then they are a *candidate* pair. 14 bands of 8 rows: .05 at
 * J = .5, .56 at .7, .92 at .8.
 *
 * 32-bit multiply-add is enough because only the order of the values counts and candidates are verified; it makes
 * the kernel about 70 times as fast as 64-bit arithmetic modulo a prime. The kernel has a plain and an AVX2 form;
 * both give the same bits.
 */
#ifndef QUERN_DEDUP_MINHASH_H
#define QUERN_DEDUP_MINHASH_H

#include "base/status.h"

#include <stdint.h>

enum {
    MINHASH_BANDS_MAX = 256,
    MINHASH_ROWS_MAX = 64,
    MINHASH_HASHES_MAX = 1024, /* bands x rows at most */
    MINHASH_LANES = 8,         /* arrays are filled up to a multiple of this */
};

struct minhash {
    unsigned bands, rows;
    unsigned lanes;  /* bands x rows, rounded up to MINHASH_LANES */
    uint32_t *a, *b; /* lanes each; a odd, so that x -> a x + b is a permutation */
};

/* bands 1..256, rows 1..64, together at most 1,024 hashes. The functions are fixed for ever: signatures of two
 * corpora can be compared. */
q_status minhash_create(struct minhash *minhash, unsigned bands, unsigned rows) Q_MUST_USE;
void minhash_release(struct minhash *minhash); /* zeroed is allowed */

/* The digests (bands of them) of a document given as the hashes of its words. Without words there is no shingle and
 * every digest is 0: such a document has no candidates. */
void minhash_digests(const struct minhash *minhash, const uint64_t *words, size_t word_count, unsigned shingle_size,
                     uint64_t *digests);
void minhash_digests_plain(const struct minhash *minhash, const uint64_t *words, size_t word_count,
                           unsigned shingle_size, uint64_t *digests);

/* The probability that two documents of that Jaccard index are candidates. */
double minhash_candidate_probability(unsigned bands, unsigned rows, double jaccard);

/* The kernel: minima[i] = min(minima[i], a[i] x[j] + b[i]) for every i < lanes and j < count. minima aligned to 32
 * bytes. */
void minhash_update_plain(const struct minhash *minhash, const uint32_t *x, size_t count, uint32_t *minima);
void minhash_update_avx2(const struct minhash *minhash, const uint32_t *x, size_t count, uint32_t *minima);

#endif
