/* tensor_floats FILE NAME: the tensor's numbers as floats on standard output. For tests/peers/train_export.py. */
#include "train/files/safetensors.h"

#include <stdio.h>

static q_status print(const char *path, const char *name)
{
    struct safetensors file;
    float *values = NULL;
    q_status status = safetensors_open(path, &file);
    const struct safetensors_tensor *tensor = status ? NULL : safetensors_find(&file, name);
    if (!status && !tensor)
        status = q_fail(Q_ERR_INPUT, "%s: there is no '%s'", path, name);
    if (!status)
        status = q_alloc((size_t)tensor->count, sizeof *values, &values);
    if (!status)
        status = safetensors_read_floats(&file, tensor, values);
    if (!status && fwrite(values, sizeof *values, (size_t)tensor->count, stdout) != tensor->count)
        status = q_fail(Q_ERR_SYSTEM, "cannot write");
    q_release(values);
    safetensors_close(&file);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 3 || print(argv[1], argv[2]) != Q_OK) {
        fprintf(stderr, "tensor_floats: %s\n", argc == 3 ? q_error_text() : "FILE NAME");
        return 1;
    }
    return 0;
}
