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

/* What the work launches now does not run. What fails meanwhile is a failure of this try alone: the same calls are made again without it. */
static cudaError_t capture(struct op_context *context, void (*work)(void *argument), void *argument,
                           cudaGraphExec_t *exec)
{
    cudaGraph_t graph = NULL;
    cudaError_t error = cudaStreamBeginCapture(context->stream, cudaStreamCaptureModeThreadLocal);
    if (error)
        return error;
    context->capturing = true;
    work(argument);
    context->capturing = false;
    error = cudaStreamEndCapture(context->stream, &graph);
    if (context->error)
        error = context->error;
    context->error = cudaSuccess;
    if (!error)
        error = cudaGraphInstantiate(exec, graph, 0);
    if (graph)
        (void)cudaGraphDestroy(graph);
    return error;
}

void cuda_repeat(struct op_context *context, const void *key, size_t key_bytes, void (*work)(void *argument),
                 void *argument)
{
    q_check(key_bytes <= OP_KEY_MAX);
    if (context->error)
        return;
    struct cuda_graph *graph = place_of(context, key, key_bytes);
    const bool again = graph->used > 0;
    graph->used = ++context->repeats;
    if (again && !graph->exec && !graph->refused && capture(context, work, argument, &graph->exec)) {
        (void)cudaGetLastError(); /* it does not stick; one of the device's does, and comes again */
        graph->refused = true;
    }
    if (graph->exec)
        cuda_note(context, cudaGraphLaunch(graph->exec, context->stream), "a graph of launches");
    else
        work(argument);
}
