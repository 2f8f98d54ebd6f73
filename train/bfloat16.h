/* BF16: the upper half of an FP32 number. Widening is exact; narrowing rounds to the nearest, ties to even. */
#ifndef QUERN_TRAIN_BFLOAT16_H
#define QUERN_TRAIN_BFLOAT16_H

#include <stdint.h>
#include <string.h>

static inline float bfloat16_to_float(uint16_t code)
{
    const uint32_t bits = (uint32_t)code << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Half a unit is added, less one where the last bit stays even. NaN stays NaN; what is too large becomes infinite. */
static inline uint16_t bfloat16_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value)
        return (uint16_t)(bits >> 16 | 0x40); /* the rounding could make an infinity of it */
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

#endif
