/* What backends put into their tables whose memory is the host's, and whose operations are through when they return. */
#ifndef QUERN_TRAIN_OP_HOST_H
#define QUERN_TRAIN_OP_HOST_H

#include "train/ops.h"

/* The op_context of such a backend begins with it. */
struct op_host {
    double marks[OP_MARKS];
};

q_status op_host_memory_create(struct op_context *context, size_t bytes, void *out_pointer);
void op_host_memory_release(struct op_context *context, void *memory);
q_status op_host_memory_room(struct op_context *context, size_t *free_bytes, size_t *all_bytes);
void op_host_copy(struct op_context *context, void *to, const void *from, size_t bytes);
void op_host_zero(struct op_context *context, void *memory, size_t bytes);
q_status op_host_synchronize(struct op_context *context);
void op_host_mark(struct op_context *context, size_t i);
double op_host_mark_seconds(struct op_context *context, size_t from, size_t to);

/* Here, since a table of double is another type. */
static inline void op_host_install(struct op_table *table)
{
    table->memory_create = op_host_memory_create;
    table->memory_release = op_host_memory_release;
    table->memory_room = op_host_memory_room;
    table->copy_in = op_host_copy;
    table->copy_out = op_host_copy;
    table->zero = op_host_zero;
    table->synchronize = op_host_synchronize;
    table->mark = op_host_mark;
    table->mark_seconds = op_host_mark_seconds;
    table->repeat = op_repeat_plainly;
}

#endif
