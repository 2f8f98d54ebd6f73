#include "train/cuda/cuda_ways.h"

#include "base/check.h"
#include "train/cuda/cuda_context.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[CUDA_WAYS] = {
    [CUDA_WGMMA_GROUPED] = "wgmma-grouped",
    [CUDA_WGMMA_ATTENTION] = "wgmma-attention",
    [CUDA_WGMMA_ATTENTION_BACKWARD] = "wgmma-attention-backward",
    [CUDA_MMA_GROUPED] = "mma-grouped",
    [CUDA_MMA_ATTENTION] = "mma-attention",
    [CUDA_CUBLASLT] = "cublaslt",
    [CUDA_WAY_CLUSTERS] = "clusters",
    [CUDA_WAY_GRAPHS] = "graphs",
};

/* Names of the bits, with commas between. */
static void list_names(unsigned bits, char out[OP_WAYS_TEXT])
{
    size_t used = 0;
    out[0] = 0;
    for (unsigned i = 0; i < CUDA_WAYS; i++)
        if (bits >> i & 1)
            used += (size_t)snprintf(out + used, OP_WAYS_TEXT - used, "%s%s", used ? "," : "", names[i]);
    q_check(used < OP_WAYS_TEXT);
}

static q_status find_name(const char *name, size_t length, unsigned *bit)
{
    char all[OP_WAYS_TEXT];
    for (unsigned i = 0; i < CUDA_WAYS; i++)
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0) {
            *bit = 1U << i;
            return Q_OK;
        }
    list_names((1U << CUDA_WAYS) - 1, all);
    return q_fail(Q_ERR_USAGE, "QUERN_CUDA_WITHOUT: there is no '%.*s' to leave out; give some of %s",
                  (int)Q_MIN(length, (size_t)OP_WAYS_TEXT), name, all);
}

q_status cuda_ways_read(struct cuda_ways *ways)
{
    const char *text = getenv("QUERN_CUDA_WITHOUT");
    while (text && *text) {
        const size_t length = strcspn(text, ",");
        unsigned bit = 0;
        Q_TRY(find_name(text, length, &bit));
        ways->left_out |= bit;
        text += length + (text[length] == ',');
    }
    list_names(ways->left_out, ways->taken.left_out);
    return Q_OK;
}

bool cuda_way_open(const struct op_context *context, enum cuda_way way)
{
    return !(context->ways.left_out >> way & 1);
}

static struct op_way *row_of(struct op_ways *taken, const char *operation, const char *way)
{
    for (size_t i = 0; i < taken->count; i++)
        if (strcmp(taken->rows[i].operation, operation) == 0 && strcmp(taken->rows[i].way, way) == 0)
            return &taken->rows[i];
    q_check(taken->count < OP_WAYS_MAX);
    struct op_way *row = &taken->rows[taken->count++];
    row->operation = operation;
    row->way = way;
    return row;
}

void cuda_way_count(struct op_context *context, const char *operation, const char *way)
{
    row_of(&context->ways.taken, operation, way)->times++;
}

void cuda_way_refused(struct op_context *context, const char *operation, const char *way, const char *format, ...)
{
    struct op_way *row = row_of(&context->ways.taken, operation, way);
    if (row->times++ > 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(row->why, sizeof row->why, format, arguments);
    va_end(arguments);
}
