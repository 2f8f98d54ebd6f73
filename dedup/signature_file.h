/* Signature files (docs/formats/signatures.md): what the sign step leaves of each document of a part.
 *
 * Block k describes the documents of the part's k-th data frame, in their order, in two frames: heads (who, where,
 * how good) and digests (the bands). Whoever needs heads only does not read the digests, which are the bulk.
 */
#ifndef QUERN_DEDUP_SIGNATURE_FILE_H
#define QUERN_DEDUP_SIGNATURE_FILE_H

#include "base/hash.h"
#include "base/memory.h"
#include "base/seekable.h"
#include "base/status.h"

#include <stdint.h>

enum {
    SIGNATURE_VERSION = 1,
    SIGNATURE_HEAD_BYTES = 56,
    SIGNATURE_LEVEL = 1, /* of zstd: hashes do not shrink */
};

/* What every file of a step has in common. */
struct signature_shape {
    uint32_t bands; /* 0: no digests, only exact duplicates are looked for */
    uint32_t rows;
    uint32_t words; /* in a shingle */
};

/* A document. */
struct signature_head {
    q_hash key;          /* of the id: q_document_key */
    q_hash text;         /* normal_text_hash */
    uint32_t offset;     /* of its line in the frame's plain bytes */
    uint32_t line_bytes; /* with the line's end */
    uint32_t text_bytes;
    uint32_t words; /* at most: 2^32 - 1 */
    float quality;  /* 0..1; -1: absent */
    uint32_t date;  /* YYYYMMDD; 0: absent */
};

void signature_head_write(const struct signature_head *head, unsigned char bytes[SIGNATURE_HEAD_BYTES]);
void signature_head_read(const unsigned char bytes[SIGNATURE_HEAD_BYTES], struct signature_head *head);

/* Creates the file with its header. Then two frames per block, each compressed by q_seekable_compress or added
 * plain. */
q_status signature_file_create(const char *path, const struct signature_shape *shape,
                               struct q_seekable_writer **out) Q_MUST_USE;

struct signature_file {
    struct q_seekable_reader *reader;
    const char *path; /* borrowed */
    struct signature_shape shape;
    uint32_t blocks;
    uint64_t documents;
    struct q_buffer plain;
};

/* Reads the header and checks that version and sizes fit together; Q_ERR_INPUT. Safe to close when zeroed. */
q_status signature_file_open(struct signature_file *file, const char *path) Q_MUST_USE;
void signature_file_close(struct signature_file *file);
q_status signature_file_block_count(const struct signature_file *file, uint32_t block, uint32_t *documents) Q_MUST_USE;
/* The heads of a block into heads[], for which *capacity (documents) grows. */
q_status signature_file_heads(struct signature_file *file, uint32_t block, struct signature_head **heads,
                              size_t *capacity, uint32_t *count) Q_MUST_USE;
/* Digest b of document i of the block is (*digests)[i * bands + b]; valid until the next read. */
q_status signature_file_digests(struct signature_file *file, uint32_t block, const uint64_t **digests) Q_MUST_USE;

#endif
