/* libcudnn.so.9 of the tests: what is looked for in it by name. The rest is in the program (emulated_cudnn.cc). */
#include "emulated_dnn.h"

#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

struct emulated_dnn_handle {
    void *stream;
};

EXPORT int cudnnCreate(struct emulated_dnn_handle **handle);
EXPORT int cudnnSetStream(struct emulated_dnn_handle *handle, void *stream);
EXPORT int cudnnGetStream(struct emulated_dnn_handle *handle, void **stream);
EXPORT int cudnnDestroy(struct emulated_dnn_handle *handle);

enum { SUCCESS = 0, NOT_INITIALIZED = 1001 };

int cudnnCreate(struct emulated_dnn_handle **handle)
{
    *handle = emulated_dnn.no_start ? NULL : calloc(1, sizeof **handle);
    if (!*handle)
        return NOT_INITIALIZED;
    emulated_dnn.alive++;
    return SUCCESS;
}

int cudnnSetStream(struct emulated_dnn_handle *handle, void *stream)
{
    handle->stream = stream;
    return SUCCESS;
}

int cudnnGetStream(struct emulated_dnn_handle *handle, void **stream)
{
    *stream = handle->stream;
    return SUCCESS;
}

int cudnnDestroy(struct emulated_dnn_handle *handle)
{
    emulated_dnn.alive--;
    free(handle);
    return SUCCESS;
}
