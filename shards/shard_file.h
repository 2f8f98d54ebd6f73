/* One shard file, open for reading (docs/formats/shards.md).
 *
 * Opening checks what can be checked without reading the data: the seek table, the header, the place, kind and plain size of every frame, the
 * boundary ids. Reading a frame checks its checksums and its ids against the vocabulary. shard_file_verify reads everything and compares all that the
 * file says twice. One thread at a time; open the file again for another.
 */
#ifndef QUERN_SHARDS_SHARD_FILE_H
#define QUERN_SHARDS_SHARD_FILE_H

#include "base/seekable.h"
#include "shards/shard_format.h"

struct shard_file {
    struct q_arena arena;
    const char *path;
    struct q_seekable_reader *reader;
    struct shard_header header;
    uint32_t frames;        /* of data */
    uint32_t *boundaries;   /* [frames - 1]: the first id of data frame f + 1 */
    struct q_buffer stored; /* the last frame read, as stored */
    uint32_t stored_frame;  /* its number; UINT32_MAX: none */
};

q_status shard_file_open(const char *path, struct shard_file **out) Q_MUST_USE;
void shard_file_close(struct shard_file *file); /* NULL is allowed */

/* ids[0..T]: T + 1 ids of sequence `sequence` of this file (< header.sequences). Decompresses one frame, none where the last one read holds it. */
q_status shard_file_sequence(struct shard_file *file, uint64_t sequence, uint32_t *ids) Q_MUST_USE;
/* ids[0..count): from place `first` of the stream on; first + count <= header.tokens. */
q_status shard_file_ids(struct shard_file *file, uint64_t first, uint64_t count, uint32_t *ids) Q_MUST_USE;

/* The tables, in the caller's arena. Documents need the statistics' number of languages. */
q_status shard_file_statistics(struct shard_file *file, struct q_arena *arena, struct shard_statistics *out) Q_MUST_USE;
q_status shard_file_documents(struct shard_file *file, size_t language_count, struct q_arena *arena,
                              struct shard_document **out) Q_MUST_USE;
q_status shard_file_provenance(struct shard_file *file, struct q_buffer *out) Q_MUST_USE;

/* Reads every byte: frames, boundaries, each document's begin and end, counts of ids, languages and lengths against each other. Q_ERR_INPUT. */
q_status shard_file_verify(struct shard_file *file) Q_MUST_USE;

#endif
