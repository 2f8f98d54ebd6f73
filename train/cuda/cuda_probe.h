/* What this build can run on. */
#ifndef QUERN_TRAIN_CUDA_PROBE_H
#define QUERN_TRAIN_CUDA_PROBE_H

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Not cudaSuccess where the device is of an architecture that nothing was compiled for. The driver decides: it knows which run the code of which. */
cudaError_t cuda_find_code(void);

#ifdef __cplusplus
}
#endif
#endif
