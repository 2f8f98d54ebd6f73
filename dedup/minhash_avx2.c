/* The MinHash kernel for AVX2: eight functions in a register, seven registers of minima at a time.
 *
 * The minima and the multipliers of 7 x 8 = 56 functions stay in 14 of the 16 registers; the addends come from the
 * first cache. 14 bands of 8 rows are two such rounds over a batch of shingles. Bound: a multiplication, an addition
 * and a minimum for each eight functions, of which the multiplication is the dear one (two a cycle at best, one on
 * many processors).
 */
#include "dedup/minhash.h"
#include "dedup/processor.h"

#if QUERN_X86_64
#include <immintrin.h>

enum { ROUND = 7 };

/* `vectors` is a constant where this is inlined, so that the loops over it are unrolled. */
__attribute__((target("avx2"), always_inline)) static inline void
update_round(const uint32_t *a, const uint32_t *b, const uint32_t *x, size_t count, uint32_t *minima, unsigned vectors)
{
    __m256i least[ROUND], factor[ROUND];
#pragma GCC unroll 8
    for (unsigned v = 0; v < vectors; v++) {
        least[v] = _mm256_load_si256((const __m256i *)minima + v);
        factor[v] = _mm256_loadu_si256((const __m256i *)a + v);
    }
    for (size_t j = 0; j < count; j++) {
        const __m256i shingle = _mm256_set1_epi32((int)x[j]);
#pragma GCC unroll 8
        for (unsigned v = 0; v < vectors; v++) {
            __m256i value = _mm256_mullo_epi32(factor[v], shingle);
            value = _mm256_add_epi32(value, _mm256_loadu_si256((const __m256i *)b + v));
            least[v] = _mm256_min_epu32(least[v], value);
        }
    }
#pragma GCC unroll 8
    for (unsigned v = 0; v < vectors; v++)
        _mm256_store_si256((__m256i *)minima + v, least[v]);
}

__attribute__((target("avx2"))) void minhash_update_avx2(const struct minhash *minhash, const uint32_t *x, size_t count,
                                                         uint32_t *minima)
{
    unsigned lane = 0;
    for (; lane + ROUND * MINHASH_LANES <= minhash->lanes; lane += ROUND * MINHASH_LANES)
        update_round(minhash->a + lane, minhash->b + lane, x, count, minima + lane, ROUND);
    for (; lane < minhash->lanes; lane += MINHASH_LANES)
        update_round(minhash->a + lane, minhash->b + lane, x, count, minima + lane, 1);
}

#else

void minhash_update_avx2(const struct minhash *minhash, const uint32_t *x, size_t count, uint32_t *minima)
{
    minhash_update_plain(minhash, x, count, minima);
}

#endif
