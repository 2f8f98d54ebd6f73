#include "dedup/minhash.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "dedup/processor.h"
#include "dedup/shingles.h"

#include <math.h>

q_status minhash_create(struct minhash *minhash, unsigned bands, unsigned rows)
{
    *minhash = (struct minhash){.bands = bands, .rows = rows};
    if (bands < 1 || bands > MINHASH_BANDS_MAX || rows < 1 || rows > MINHASH_ROWS_MAX ||
        bands * rows > MINHASH_HASHES_MAX)
        return q_fail(Q_ERR_USAGE,
                      "%u bands of %u rows are not possible; at most %d bands, %d rows and %d hashes together", bands,
                      rows, MINHASH_BANDS_MAX, MINHASH_ROWS_MAX, MINHASH_HASHES_MAX);
    minhash->lanes = (bands * rows + MINHASH_LANES - 1) / MINHASH_LANES * MINHASH_LANES;
    Q_TRY(q_alloc_aligned(minhash->lanes, 2 * sizeof(*minhash->a), &minhash->a));
    minhash->b = minhash->a + minhash->lanes;
    q_random_key key = q_random_key_of(0, "dedup-minhash", 0, 0);
    for (unsigned i = 0; i < minhash->lanes; i++) {
        uint64_t draw = q_random_u64(key, i);
        minhash->a[i] = (uint32_t)draw | 1;
        minhash->b[i] = (uint32_t)(draw >> 32);
    }
    return Q_OK;
}

void minhash_release(struct minhash *minhash)
{
    q_release(minhash->a);
    *minhash = (struct minhash){0};
}

void minhash_update_plain(const struct minhash *minhash, const uint32_t *x, size_t count, uint32_t *minima)
{
    for (unsigned i = 0; i < minhash->lanes; i++) {
        for (size_t j = 0; j < count; j++) {
            uint32_t value = minhash->a[i] * x[j] + minhash->b[i];
            minima[i] = Q_MIN(minima[i], value);
        }
    }
}

typedef void minhash_update(const struct minhash *minhash, const uint32_t *x, size_t count, uint32_t *minima);

static void digests_by(minhash_update *update, const struct minhash *minhash, const uint64_t *words, size_t word_count,
                       unsigned shingle_size, uint64_t *digests)
{
    enum { BATCH = 512 }; /* shingles at a time: they stay in the first cache beside the parameters */
    _Alignas(64) uint32_t minima[MINHASH_HASHES_MAX];
    uint64_t hashes[BATCH];
    uint32_t x[BATCH];
    size_t total = shingles_count(word_count, shingle_size);
    memset(minima, 0xff, minhash->lanes * sizeof(*minima));
    for (size_t first = 0; first < total; first += BATCH) {
        size_t count = Q_MIN((size_t)BATCH, total - first);
        shingles_hash(words, word_count, shingle_size, first, count, hashes);
        for (size_t i = 0; i < count; i++)
            x[i] = (uint32_t)(hashes[i] >> 32);
        update(minhash, x, count, minima);
    }
    /* The band's number is the seed: equal rows of different bands give different digests, so that bands can be
     * sorted together. */
    for (unsigned band = 0; band < minhash->bands; band++)
        digests[band] = total ? q_hash64(minima + band * minhash->rows, minhash->rows * sizeof(*minima), band) : 0;
}

void minhash_digests(const struct minhash *minhash, const uint64_t *words, size_t word_count, unsigned shingle_size,
                     uint64_t *digests)
{
    minhash_update *update = processor_has_avx2() ? minhash_update_avx2 : minhash_update_plain;
    digests_by(update, minhash, words, word_count, shingle_size, digests);
}

void minhash_digests_plain(const struct minhash *minhash, const uint64_t *words, size_t word_count,
                           unsigned shingle_size, uint64_t *digests)
{
    digests_by(minhash_update_plain, minhash, words, word_count, shingle_size, digests);
}

double minhash_candidate_probability(unsigned bands, unsigned rows, double jaccard)
{
    return 1 - pow(1 - pow(jaccard, rows), bands);
}
