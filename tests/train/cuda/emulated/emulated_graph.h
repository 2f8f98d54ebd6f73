/* What the emulated device does, it does at once, or, while its stream is captured, when the graph is launched: with the arguments that it was called with. */
#ifndef QUERN_TESTS_EMULATED_GRAPH_H
#define QUERN_TESTS_EMULATED_GRAPH_H

#include "cuda_runtime_api.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef cudaError_t emulated_work(void *argument);

/* Calls the work with the argument, or keeps a copy of its bytes and calls it with that for each launch of the graph. */
cudaError_t emulated_submit(cudaStream_t stream, emulated_work *work, const void *argument, size_t bytes);
bool emulated_is_captured(cudaStream_t stream);
/* What is not allowed while any stream is captured ends that: an error then, else cudaSuccess. */
cudaError_t emulated_end_capture(void);

#ifdef __cplusplus
}
#endif
#endif
