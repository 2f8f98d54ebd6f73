/* The fast way with AVX2 (and BMI, for the loops over bits): 32 bytes at a time. */
#if defined(__x86_64__)
#include "tokenizer/pretokenize/pretokenize_pattern.h"

#include <immintrin.h>

/* A window. */
struct pair {
    __m256i low, high;
};

static ALWAYS_INLINE struct pair load(const uint8_t *bytes)
{
    return (struct pair){_mm256_loadu_si256((const __m256i *)bytes),
                         _mm256_loadu_si256((const __m256i *)(bytes + sizeof(__m256i)))};
}

/* The top bit of each byte. */
static ALWAYS_INLINE uint64_t top_bits(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

static ALWAYS_INLINE __m256i in_range(__m256i x, uint8_t first, uint8_t last)
{
    __m256i distance = _mm256_sub_epi8(x, _mm256_set1_epi8((char)first));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(distance, _mm256_set1_epi8((char)(last - first))), distance);
}

/* Where the byte is first..last. */
static ALWAYS_INLINE uint64_t range(struct pair p, uint8_t first, uint8_t last)
{
    return top_bits(in_range(p.low, first, last), in_range(p.high, first, last));
}

static ALWAYS_INLINE uint64_t equal(struct pair p, uint8_t byte)
{
    __m256i wanted = _mm256_set1_epi8((char)byte);
    return top_bits(_mm256_cmpeq_epi8(p.low, wanted), _mm256_cmpeq_epi8(p.high, wanted));
}

static ALWAYS_INLINE struct pair set_bits(struct pair p, uint8_t bits)
{
    __m256i set = _mm256_set1_epi8((char)bits);
    return (struct pair){_mm256_or_si256(p.low, set), _mm256_or_si256(p.high, set)};
}

/* The byte of the set by the upper three of the six bits, the bit in it by the lower three. */
static ALWAYS_INLINE __m256i low_six(__m256i x, __m256i set)
{
    const __m256i seven = _mm256_set1_epi8(7), bits = _mm256_set1_epi64x((long long)0x8040201008040201ull);
    __m256i bit = _mm256_shuffle_epi8(bits, _mm256_and_si256(x, seven));
    __m256i byte = _mm256_shuffle_epi8(set, _mm256_and_si256(_mm256_srli_epi16(x, 3), seven));
    return _mm256_cmpeq_epi8(_mm256_and_si256(byte, bit), bit);
}

static ALWAYS_INLINE uint64_t low_six_in(struct pair p, uint64_t set)
{
    __m256i table = _mm256_set1_epi64x((long long)set);
    return top_bits(low_six(p.low, table), low_six(p.high, table));
}

#include "tokenizer/pretokenize/pretokenize_windows.h"

PRETOKENIZE_WAY(avx2);
#endif
