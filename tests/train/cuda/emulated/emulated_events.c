/* Events of the emulated device: what was called before one is through when it is recorded. */
#include "base/clock.h"
#include "base/memory.h"

#include "emulated_graph.h"

struct emulated_event {
    bool recorded;
    double at;
};

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    return q_alloc_zero(1, sizeof **event, event) == Q_OK ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    q_release(event);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    *event = (struct emulated_event){!emulated_is_captured(stream), q_seconds()}; /* captured: an edge of the graph */
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    return event && event->recorded ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end)
{
    if (!start || !end || !start->recorded || !end->recorded)
        return cudaErrorInvalidValue;
    *milliseconds = (float)((end->at - start->at) * 1e3);
    return cudaSuccess;
}
