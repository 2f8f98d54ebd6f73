/* The fast way with AVX-512 (BW): a window is a vector, and a comparison gives a mask. */
#if defined(__x86_64__)
#include "tokenizer/pretokenize_pattern.h"

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

#include "tokenizer/pretokenize_windows.h"

PRETOKENIZE_WAY(avx512);
#endif
