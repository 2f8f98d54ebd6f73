/* The fast way with NEON, which every AArch64 processor has: 16 bytes at a time. */
#if defined(__aarch64__)
#include "tokenizer/pretokenize/pretokenize_pattern.h"

#include <arm_neon.h>

static ALWAYS_INLINE uint8x16x4_t load(const uint8_t *bytes)
{
    return (uint8x16x4_t){{vld1q_u8(bytes), vld1q_u8(bytes + 16), vld1q_u8(bytes + 32), vld1q_u8(bytes + 48)}};
}

/* One bit of each byte, which is all ones or zero. Three rounds of adding neighbours put eight bytes' bits into one. */
static ALWAYS_INLINE uint64_t gather(uint8x16x4_t x)
{
    static const uint8_t bit_of[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t bit = vld1q_u8(bit_of);
    uint8x16_t low = vpaddq_u8(vandq_u8(x.val[0], bit), vandq_u8(x.val[1], bit));
    uint8x16_t high = vpaddq_u8(vandq_u8(x.val[2], bit), vandq_u8(x.val[3], bit));
    uint8x16_t sum = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sum, sum)), 0);
}

/* Where the byte is first..last. */
static ALWAYS_INLINE uint64_t range(uint8x16x4_t x, uint8_t first, uint8_t last)
{
    for (int i = 0; i < 4; i++)
        x.val[i] = vcleq_u8(vsubq_u8(x.val[i], vdupq_n_u8(first)), vdupq_n_u8((uint8_t)(last - first)));
    return gather(x);
}

static ALWAYS_INLINE uint64_t equal(uint8x16x4_t x, uint8_t byte)
{
    for (int i = 0; i < 4; i++)
        x.val[i] = vceqq_u8(x.val[i], vdupq_n_u8(byte));
    return gather(x);
}

static ALWAYS_INLINE uint8x16x4_t set_bits(uint8x16x4_t x, uint8_t bits)
{
    for (int i = 0; i < 4; i++)
        x.val[i] = vorrq_u8(x.val[i], vdupq_n_u8(bits));
    return x;
}

/* The byte of the set by the upper three of the six bits, the bit in it by the lower three. */
static ALWAYS_INLINE uint64_t low_six_in(uint8x16x4_t x, uint64_t set)
{
    const uint8x16_t seven = vdupq_n_u8(7), one = vdupq_n_u8(1);
    uint8x16_t table = vreinterpretq_u8_u64(vdupq_n_u64(set));
    for (int i = 0; i < 4; i++) {
        uint8x16_t byte = vqtbl1q_u8(table, vandq_u8(vshrq_n_u8(x.val[i], 3), seven));
        uint8x16_t bit = vshlq_u8(one, vreinterpretq_s8_u8(vandq_u8(x.val[i], seven)));
        x.val[i] = vtstq_u8(byte, bit);
    }
    return gather(x);
}

#include "tokenizer/pretokenize/pretokenize_windows.h"

PRETOKENIZE_WAY(neon);
#endif
