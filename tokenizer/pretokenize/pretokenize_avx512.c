/* The fast way with AVX-512 (BW): a window is a vector, and a comparison gives a mask. */
#if defined(__x86_64__)
#include "tokenizer/pretokenize/pretokenize_pattern.h"

#include <immintrin.h>

static ALWAYS_INLINE __m512i load(const uint8_t *bytes)
{
    return _mm512_loadu_si512(bytes);
}

/* Where the byte is first..last. */
static ALWAYS_INLINE uint64_t range(__m512i x, uint8_t first, uint8_t last)
{
    return _mm512_cmple_epu8_mask(_mm512_sub_epi8(x, _mm512_set1_epi8((char)first)),
                                  _mm512_set1_epi8((char)(last - first)));
}

static ALWAYS_INLINE uint64_t equal(__m512i x, uint8_t byte)
{
    return _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8((char)byte));
}

static ALWAYS_INLINE __m512i set_bits(__m512i x, uint8_t bits)
{
    return _mm512_or_si512(x, _mm512_set1_epi8((char)bits));
}

/* The byte of the set by the upper three of the six bits, the bit in it by the lower three. */
static ALWAYS_INLINE uint64_t low_six_in(__m512i x, uint64_t set)
{
    const __m512i seven = _mm512_set1_epi8(7), bits = _mm512_set1_epi64((long long)0x8040201008040201ull);
    __m512i bit = _mm512_shuffle_epi8(bits, _mm512_and_si512(x, seven));
    __m512i byte =
        _mm512_shuffle_epi8(_mm512_set1_epi64((long long)set), _mm512_and_si512(_mm512_srli_epi16(x, 3), seven));
    return _mm512_test_epi8_mask(byte, bit);
}

#include "tokenizer/pretokenize/pretokenize_windows.h"

PRETOKENIZE_WAY(avx512);
#endif
