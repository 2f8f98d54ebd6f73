/* CUDA's BF16, on the processor (see cuda_runtime_api.h). */
#ifndef QUERN_TESTS_CUDA_BF16_H
#define QUERN_TESTS_CUDA_BF16_H

#include "train/bfloat16.h"

struct __nv_bfloat16 {
    uint16_t code;
};

static inline float __bfloat162float(__nv_bfloat16 x)
{
    return bfloat16_to_float(x.code);
}

static inline __nv_bfloat16 __float2bfloat16_rn(float x)
{
    return {bfloat16_of_float(x)};
}

#endif
