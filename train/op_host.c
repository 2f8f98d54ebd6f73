#include "train/op_host.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"

#include <string.h>

q_status op_host_memory_create(struct op_context *context, size_t bytes, void *out_pointer)
{
    (void)context;
    void *memory;
    Q_TRY(q_alloc_aligned(bytes, 1, &memory));
    memset(memory, 0, bytes);
    memcpy(out_pointer, &memory, sizeof(memory));
    return Q_OK;
}

void op_host_memory_release(struct op_context *context, void *memory)
{
    (void)context;
    q_release(memory);
}

q_status op_host_memory_room(struct op_context *context, size_t *free_bytes, size_t *all_bytes)
{
    (void)context;
    *free_bytes = *all_bytes = 0;
    return Q_OK;
}

void op_host_copy(struct op_context *context, void *to, const void *from, size_t bytes)
{
    (void)context;
    if (bytes)
        memcpy(to, from, bytes);
}

void op_host_zero(struct op_context *context, void *memory, size_t bytes)
{
    (void)context;
    if (bytes)
        memset(memory, 0, bytes);
}

q_status op_host_synchronize(struct op_context *context)
{
    (void)context;
    return Q_OK;
}

static double *marks_of(struct op_context *context)
{
    return ((struct op_host *)(void *)context)->marks;
}

void op_host_mark(struct op_context *context, size_t i)
{
    q_check(i < OP_MARKS);
    marks_of(context)[i] = q_seconds();
}

double op_host_mark_seconds(struct op_context *context, size_t from, size_t to)
{
    q_check(from < OP_MARKS && to < OP_MARKS);
    return marks_of(context)[to] - marks_of(context)[from];
}
