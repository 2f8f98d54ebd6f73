/* Seekable zstd files (docs/formats/seekable.md): frames that decode on their own, a table of them at the end. Any zstd tool
 * decodes the file; skippable frames carry what is not data (headers, tables, statistics).
 *
 * Checksums are always written and always verified: each data frame has zstd's own content checksum and the low 32 bits of its XXH64 in the
 * table; each skippable frame ends with the XXH3-64 of its payload. No length read from a file is believed before it is
 * compared with what remains and with the bounds below.
 *
 * Writing is publishing (publish.h): nothing shows under the name before commit. Not thread-safe; different files are independent.
 */
#ifndef QUERN_BASE_SEEKABLE_H
#define QUERN_BASE_SEEKABLE_H

#include "base/memory.h"
#include "base/publish.h"

enum {
    Q_SEEKABLE_FRAME_BYTES_MAX = 1 << 30, /* plain bytes of a frame, writer's and reader's bound */
    Q_SEEKABLE_LEVEL = 3,                 /* zstd level where a caller has no reason for another */
};

struct q_seekable_writer;

q_status q_seekable_create(const char *path, int level, struct q_seekable_writer **out) Q_MUST_USE;
/* One data frame holding exactly these bytes. An empty one is allowed. */
q_status q_seekable_add_frame(struct q_seekable_writer *writer, const void *bytes, size_t count) Q_MUST_USE;
/* The same for a frame compressed elsewhere (q_seekable_compress), so that workers compress and one thread writes. */
q_status q_seekable_add_compressed(struct q_seekable_writer *writer, const void *frame, size_t frame_bytes, size_t plain_bytes,
                                   uint32_t checksum) Q_MUST_USE;
/* A skippable frame of kind 0..14 (magic 0x184D2A50 + kind; 14 is the seek table's own and refused). */
q_status q_seekable_add_skippable(struct q_seekable_writer *writer, unsigned kind, const void *bytes, size_t count) Q_MUST_USE;
uint32_t q_seekable_frames(const struct q_seekable_writer *writer); /* added so far, skippable ones counted */
/* Writes the table and publishes. The writer is released either way. */
q_status q_seekable_commit(struct q_seekable_writer *writer, struct q_file_identity *identity) Q_MUST_USE;
void q_seekable_abandon(struct q_seekable_writer *writer); /* NULL is allowed */

/* Compresses one frame into `out` (cleared first); pure, so any thread may. context: see below, one per thread. */
struct q_compressor;
q_status q_compressor_create(int level, struct q_compressor **out) Q_MUST_USE;
q_status q_seekable_compress(struct q_compressor *compressor, const void *bytes, size_t count, struct q_buffer *out,
                             uint32_t *out_checksum) Q_MUST_USE;
void q_compressor_release(struct q_compressor *compressor);
/* The bytes of exactly one such frame into `out` (cleared first), verified: for what is compressed inside a skippable frame. Q_ERR_INPUT where it is damaged or
 * holds more than `plain_max` bytes. */
q_status q_seekable_decompress(const void *frame, size_t frame_bytes, size_t plain_max, struct q_buffer *out) Q_MUST_USE;

struct q_seekable_reader;

enum q_frame_kind { Q_FRAME_DATA, Q_FRAME_SKIPPABLE };

struct q_frame_info {
    enum q_frame_kind kind;
    unsigned skippable_kind; /* 0..14 */
    uint64_t offset;         /* of the compressed frame in the file */
    uint32_t stored_bytes;
    uint32_t plain_bytes; /* 0 for a skippable frame */
};

/* Reads and checks the table. Q_ERR_INPUT for a file that is cut, damaged or of another kind. */
q_status q_seekable_open(const char *path, struct q_seekable_reader **out) Q_MUST_USE;
void q_seekable_close(struct q_seekable_reader *reader);
uint32_t q_seekable_frame_count(const struct q_seekable_reader *reader);
q_status q_seekable_frame(const struct q_seekable_reader *reader, uint32_t frame, struct q_frame_info *out) Q_MUST_USE;
uint64_t q_seekable_plain_bytes(const struct q_seekable_reader *reader); /* of all data frames */
/* The bytes of one frame (a skippable one without its checksum), verified, into `out` (cleared first). One reader serves one thread at a
 * time; open the file again for another. */
q_status q_seekable_read_frame(struct q_seekable_reader *reader, uint32_t frame, struct q_buffer *out) Q_MUST_USE;
/* The data frame that was read and verified last as it is stored, and its checksum: for q_seekable_add_compressed into another file.
 * Empty where it does not state its size, as frames of q_seekable_compress do. Valid until the next read. */
q_string q_seekable_stored_frame(const struct q_seekable_reader *reader, uint32_t *out_checksum);

#endif
