/* What this build can run on. */
#ifndef QUERN_TRAIN_CUDA_PROBE_H
#define QUERN_TRAIN_CUDA_PROBE_H

#include <cuda_runtime_api.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Not cudaSuccess where the device is of an architecture that nothing was compiled for. The driver decides: it knows which run the code of which. *hopper:
 * whether what it takes has Hopper's instructions (cuda_wgmma.cuh). A build for 9.0 instead of 90a has not, whatever the device. */
cudaError_t cuda_find_code(bool *hopper);

#ifdef __cplusplus
}
#endif
#endif
