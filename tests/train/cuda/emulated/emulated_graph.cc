#include "emulated_graph.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace
{

enum { ALIGNMENT = 128 }; /* of what is handed to kernels */

struct Free {
    void operator()(void *memory) const
    {
        free(memory);
    }
};

struct Node {
    emulated_work *work;
    std::shared_ptr<void> argument;
};

using Nodes = std::vector<Node>;

struct {
    cudaStream_t stream; /* NULL: none is captured */
    bool broken;
    Nodes nodes;
} capture;

std::shared_ptr<void> copy_of(const void *argument, size_t bytes)
{
    std::shared_ptr<void> copy(aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT), Free());
    memcpy(copy.get(), argument, bytes);
    return copy;
}

} // namespace

struct emulated_graph {
    Nodes nodes;
};

struct emulated_graph_exec {
    Nodes nodes;
};

extern "C" {

bool emulated_is_captured(cudaStream_t stream)
{
    return capture.stream == stream;
}

cudaError_t emulated_end_capture(void)
{
    if (!capture.stream)
        return cudaSuccess;
    capture.broken = true;
    return cudaErrorStreamCaptureUnsupported;
}

cudaError_t emulated_submit(cudaStream_t stream, emulated_work *work, const void *argument, size_t bytes)
{
    emulated_device.submitted++;
    if (!emulated_is_captured(stream)) {
        const std::shared_ptr<void> copy = copy_of(argument, bytes); /* a closure may be const for who has it */
        return work(copy.get());
    }
    if (capture.broken)
        return cudaErrorStreamCaptureInvalidated;
    capture.nodes.push_back({work, copy_of(argument, bytes)});
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    const cudaError_t error = emulated_next_call();
    if (error || capture.stream || mode != cudaStreamCaptureModeThreadLocal)
        return error ? error : cudaErrorInvalidValue;
    emulated_device.captures++;
    capture = {stream, false, {}};
    return cudaSuccess;
}

/* Whatever comes of it, the stream is captured no more. */
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    const cudaError_t error = emulated_next_call();
    *graph = nullptr;
    if (!emulated_is_captured(stream))
        return cudaErrorInvalidValue;
    if (!error && !capture.broken) {
        *graph = new emulated_graph{std::move(capture.nodes)};
        emulated_device.graphs++;
    }
    capture = {};
    return error ? error : *graph ? cudaSuccess : cudaErrorStreamCaptureInvalidated;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags)
{
    const cudaError_t error = emulated_next_call();
    if (error || flags)
        return error ? error : cudaErrorInvalidValue;
    *exec = new emulated_graph_exec{graph->nodes};
    emulated_device.graphs++;
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    emulated_device.graphs--;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    delete exec;
    emulated_device.graphs--;
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    cudaError_t error = emulated_next_call();
    if (!error)
        error = emulated_is_captured(stream) ? cudaErrorInvalidValue : cudaSuccess;
    emulated_device.submitted++;
    emulated_device.graph_launches++;
    for (size_t i = 0; i < exec->nodes.size() && !error; i++)
        error = exec->nodes[i].work(exec->nodes[i].argument.get());
    return error;
}

} // extern "C"
