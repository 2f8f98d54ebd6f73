/* Safetensors: tensors in one file (the format of Hugging Face's safetensors 0.x; docs/formats/safetensors.md).
 *
 *     OFFSET    SIZE     DESCRIPTION
 *     0         8        N, length of the header, little endian
 *     8         N        JSON: {"NAME": {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}, .., "__metadata__": {"k": "v"}}
 *     8 + N     ..       data; offsets count from here
 *
 * Read strictly: the header at most 100 MB, no duplicate names, every tensor's length its shape times its type, begin and end inside the
 * file, no two tensors overlapping, no byte unused. Written so that the same tensors give the same bytes: in the order added, header
 * padded with spaces so that data begins at a multiple of 8.
 */
#ifndef QUERN_TRAIN_SAFETENSORS_H
#define QUERN_TRAIN_SAFETENSORS_H

#include "base/memory.h"
#include "base/publish.h"
#include "base/status.h"

enum safetensors_type {
    SAFETENSORS_F32,
    SAFETENSORS_BF16,
    SAFETENSORS_F16,
    SAFETENSORS_F64,
    SAFETENSORS_I64,
    SAFETENSORS_I32,
    SAFETENSORS_U8,
    SAFETENSORS_F8_E4M3
};

enum { SAFETENSORS_RANK_MAX = 8 };

const char *safetensors_type_name(enum safetensors_type type); /* "F32" */
uint64_t safetensors_type_bytes(enum safetensors_type type);

struct safetensors_tensor {
    const char *name;
    enum safetensors_type type;
    unsigned rank;
    uint64_t shape[SAFETENSORS_RANK_MAX];
    uint64_t count;        /* elements */
    uint64_t begin, bytes; /* begin: from the start of the file */
    q_hash hash;           /* XXH3-128 of the data, of a tensor that was written */
};

struct safetensors {
    struct q_arena arena;
    int fd;
    const char *path;
    struct safetensors_tensor *tensors; /* in the order of the file's data */
    size_t count;
};

/* Opens and checks the header; the data is read by safetensors_read. Q_ERR_INPUT names the file and the tensor. Close also after a failure. */
q_status safetensors_open(const char *path, struct safetensors *out) Q_MUST_USE;
void safetensors_close(struct safetensors *file);
/* NULL where there is none of that name. */
const struct safetensors_tensor *safetensors_find(const struct safetensors *file, const char *name);
/* Elements first .. first + count - 1 of a tensor, as a list: for reading a part of it. They lie inside. */
struct safetensors_tensor safetensors_part(const struct safetensors_tensor *tensor, uint64_t first, uint64_t count);
/* All elements as floats (F32, BF16, F16, F8_E4M3 without scales: tensor_set.h) or as 64-bit numbers (I64, I32); other types are Q_ERR_INPUT. */
q_status safetensors_read_floats(const struct safetensors *file, const struct safetensors_tensor *tensor,
                                 float *out) Q_MUST_USE;
q_status safetensors_read_i64(const struct safetensors *file, const struct safetensors_tensor *tensor,
                              int64_t *out) Q_MUST_USE;

/* XXH3-128 of a tensor's data as it lies in the file. */
q_status safetensors_hash(const struct safetensors *file, const struct safetensors_tensor *tensor,
                          q_hash *out) Q_MUST_USE;

/* Writing: declare every tensor, begin, give the data in the same order, each tensor at once or piece by piece, commit.
 * Zeroed struct to start with; abandon after a failure. */
struct safetensors_writer {
    struct q_arena arena;
    struct q_publish publish;
    struct q_hasher *hasher; /* of the tensor whose data is due */
    struct safetensors_tensor *tensors;
    size_t count, capacity;
    size_t next;     /* tensor whose data is due */
    uint64_t filled; /* elements of it that were given */
    uint64_t data_bytes;
};

q_status safetensors_declare(struct safetensors_writer *writer, const char *name, enum safetensors_type type,
                             unsigned rank, const uint64_t *shape) Q_MUST_USE;
/* Opens PATH (by base/publish.h) and writes the header; metadata gets {"format": "pt"}, which transformers asks for. */
q_status safetensors_begin(struct safetensors_writer *writer, const char *path) Q_MUST_USE;
/* The next tensor's data, or the next piece of it. Floats are written to F32 tensors as they are, to BF16 ones rounded to the nearest, ties
 * to even; Q_ERR_INPUT where a finite one would become infinite. */
q_status safetensors_write_floats(struct safetensors_writer *writer, const float *values, uint64_t count) Q_MUST_USE;
q_status safetensors_write_i64(struct safetensors_writer *writer, const int64_t *values, uint64_t count) Q_MUST_USE;
/* With all data given, writer->tensors have their hashes; commit forgets them. */
q_status safetensors_commit(struct safetensors_writer *writer, struct q_file_identity *identity) Q_MUST_USE;
void safetensors_abandon(struct safetensors_writer *writer);

#endif
