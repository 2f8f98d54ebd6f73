/* Workspace of the emulated device (the linker's --wrap=cuda_take): an operation finds rubbish in what it takes, whatever was left there. */
#include "train/cuda/cuda_context.h"

#include "base/check.h"

enum { RUBBISH_BYTES_MAX = 16 << 10 }; /* pages that were touched make mprotect slow */

void *__real_cuda_take(struct op_context *context, size_t *offset, size_t count, size_t element_bytes);
void *__wrap_cuda_take(struct op_context *context, size_t *offset, size_t count, size_t element_bytes);

void *__wrap_cuda_take(struct op_context *context, size_t *offset, size_t count, size_t element_bytes)
{
    void *piece = __real_cuda_take(context, offset, count, element_bytes);
    const size_t bytes = count * element_bytes;
    emulated_begin();
    memset(piece, 0xff, Q_MIN(bytes, (size_t)RUBBISH_BYTES_MAX));
    emulated_end();
    return piece;
}
