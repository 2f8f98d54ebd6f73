/* A GPU of the tests: the part of CUDA's runtime that train/cuda/ uses, on the processor, so that its kernels are checked where there is no GPU. This
 * folder stands before CUDA's own headers when the backend is compiled a second time, as C++. Device memory is filled with rubbish, and can be touched
 * by kernels and copies alone: what the host reads of it is a crash. Everything happens at once, in order. Names and meanings are CUDA's (CUDA Runtime
 * API, version 13). */
#ifndef QUERN_TESTS_CUDA_RUNTIME_API_H
#define QUERN_TESTS_CUDA_RUNTIME_API_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cudaError {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidDeviceFunction = 98,
    cudaErrorNoDevice = 100,
    cudaErrorNoKernelImageForDevice = 209,
    cudaErrorIllegalAddress = 700,
    cudaErrorLaunchFailure = 719,
    cudaErrorNotSupported = 801,
    cudaErrorStreamCaptureUnsupported = 900,
    cudaErrorStreamCaptureInvalidated = 901,
    cudaErrorUnknown = 999
} cudaError_t;

enum cudaMemcpyKind {
    cudaMemcpyHostToDevice = 1,
    cudaMemcpyDeviceToHost = 2,
    cudaMemcpyDeviceToDevice = 3,
    cudaMemcpyDefault = 4
};
enum { cudaStreamNonBlocking = 1 };
enum cudaDeviceAttr {
    cudaDevAttrMultiProcessorCount = 16,
    cudaDevAttrComputeCapabilityMajor = 75,
    cudaDevAttrComputeCapabilityMinor = 76,
    cudaDevAttrMaxSharedMemoryPerBlockOptin = 97
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum { cudaEnableDefault = 0 };
enum cudaStreamCaptureMode { cudaStreamCaptureModeGlobal = 0, cudaStreamCaptureModeThreadLocal = 1 };
enum cudaDriverEntryPointQueryResult { cudaDriverEntryPointSuccess = 0, cudaDriverEntryPointSymbolNotFound = 1 };
struct cudaFuncAttributes {
    size_t sharedSizeBytes;
};

typedef struct emulated_stream *cudaStream_t;
typedef struct emulated_event *cudaEvent_t;
typedef struct emulated_graph *cudaGraph_t;
typedef struct emulated_graph_exec *cudaGraphExec_t;

cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device);
cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned version,
                                             unsigned long long flags, enum cudaDriverEntryPointQueryResult *found);
cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *attributes, const void *kernel);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaEventCreate(cudaEvent_t *event);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end);
cudaError_t cudaMalloc(void **memory, size_t bytes);
cudaError_t cudaFree(void *memory);
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *all_bytes);
cudaError_t cudaMallocHost(void **memory, size_t bytes);
cudaError_t cudaFreeHost(void *memory);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaGetLastError(void);
const char *cudaGetErrorString(cudaError_t error);

/* For the tests: no device is found; it is of compute capability 9.0 (also with QUERN_EMULATED_HOPPER in the environment), or an older one, 7.5, that
 * nothing was compiled for, else 8.0, and has so many multiprocessors; so much memory (0: what the environment's QUERN_EMULATED_MEMORY says, else 4 GiB),
 * given out by 4 KiB; the k-th call from now fails with the error (0: none does). The code for 9.0 was compiled without what Hopper alone has (hopper_plain).
 * On every second stream that is made blocks and threads run from the last to the first: what depends on an order gives other bits there. */
struct emulated_device {
    bool absent, hopper, older;
    unsigned multiprocessors;
    unsigned long products; /* wgmma, of all threads so far */
    size_t memory_bytes;
    unsigned fail_at;
    cudaError_t fail_with;
    size_t shared_max; /* bytes that a kernel may ask for: Hopper's, and no more */
    /* So far: what was given to streams (kernels, copies, zeros, products of cuBLASLt, and a graph as one), graphs of those, and begun captures. And graphs of
     * both kinds that were not destroyed. */
    unsigned long submitted, graph_launches, captures, graphs;
    bool hopper_plain;
};
extern struct emulated_device emulated_device;

/* While the device works: its memory may be touched. */
void emulated_begin(void);
void emulated_end(void);
bool emulated_is_device(const void *memory, size_t bytes); /* whether it is all of one piece of device memory */
cudaError_t emulated_next_call(void);                      /* what the call that is made now is to fail with */

#ifdef __cplusplus
}
#endif
#endif
