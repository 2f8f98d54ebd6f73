#include "train/cuda/cuda_graph.h"

#include "base/check.h"
#include "train/cuda/cuda_context.h"

#include <string.h>

static void forget(struct cuda_graph *graph)
{
    if (graph->exec)
        (void)cudaGraphExecDestroy(graph->exec); /* one that is under way ends first */
    *graph = (struct cuda_graph){0};
}

void cuda_graphs_forget(struct op_context *context)
{
    for (size_t i = 0; i < CUDA_GRAPHS; i++)
        forget(&context->graphs[i]);
}

static bool has_key(const struct cuda_graph *graph, const void *key, size_t key_bytes)
{
    return graph->used > 0 && graph->key_bytes == key_bytes && memcmp(graph->key, key, key_bytes) == 0;
}

/* The key's place; one that is new takes that of the one not wanted for longest. */
static struct cuda_graph *place_of(struct op_context *context, const void *key, size_t key_bytes)
{
    struct cuda_graph *place = &context->graphs[0];
    for (size_t i = 0; i < CUDA_GRAPHS; i++) {
        if (has_key(&context->graphs[i], key, key_bytes))
            return &context->graphs[i];
        if (context->graphs[i].used < place->used)
            place = &context->graphs[i];
    }
    forget(place);
    memcpy(place->key, key, key_bytes);
    place->key_bytes = key_bytes;
    return place;
}

/* What the work launches now does not run. What fails meanwhile is a failure of this try alone: the same calls are made again without it. *failed: what it
 * was. */
static cudaError_t capture(struct op_context *context, void (*work)(void *argument), void *argument,
                           cudaGraphExec_t *exec, const char **failed)
{
    cudaGraph_t graph = NULL;
    *failed = "its begin";
    cudaError_t error = cudaStreamBeginCapture(context->stream, cudaStreamCaptureModeThreadLocal);
    if (error)
        return error;
    context->capturing = true;
    work(argument);
    context->capturing = false;
    *failed = "its end";
    error = cudaStreamEndCapture(context->stream, &graph);
    if (context->error) {
        error = context->error;
        *failed = context->failed;
    }
    context->error = cudaSuccess;
    if (!error) {
        *failed = "its instantiation";
        error = cudaGraphInstantiate(exec, graph, 0);
    }
    if (graph)
        (void)cudaGraphDestroy(graph);
    return error;
}

static void try_capture(struct op_context *context, struct cuda_graph *graph, void (*work)(void *argument),
                        void *argument)
{
    const char *failed;
    const cudaError_t error = capture(context, work, argument, &graph->exec, &failed);
    if (!error) {
        cuda_way_count(context, "graphs", "captured");
        return;
    }
    cuda_way_refused(context, "graphs", "refused", "%s: %s", failed, cudaGetErrorString(error));
    (void)cudaGetLastError(); /* it does not stick; one of the device's does, and comes again */
    graph->refused = true;
}

static void call_plainly(struct op_context *context, void (*work)(void *argument), void *argument)
{
    cuda_way_count(context, "graphs", "call by call");
    work(argument);
}

void cuda_repeat(struct op_context *context, const void *key, size_t key_bytes, void (*work)(void *argument),
                 void *argument)
{
    q_check(key_bytes <= OP_KEY_MAX);
    if (context->error)
        return;
    if (!cuda_way_open(context, CUDA_WAY_GRAPHS)) {
        call_plainly(context, work, argument);
        return;
    }
    struct cuda_graph *graph = place_of(context, key, key_bytes);
    const bool again = graph->used > 0;
    graph->used = ++context->repeats;
    if (again && !graph->exec && !graph->refused)
        try_capture(context, graph, work, argument);
    if (!graph->exec) {
        call_plainly(context, work, argument);
        return;
    }
    cuda_way_count(context, "graphs", "launched");
    cuda_note(context, cudaGraphLaunch(graph->exec, context->stream), "a graph of launches");
}
