/* The numbers of docs/formats/seekable.md, for the writer and the reader. */
#ifndef QUERN_BASE_SEEKABLE_FORMAT_H
#define QUERN_BASE_SEEKABLE_FORMAT_H

#include <stdint.h>

static const uint32_t SEEKABLE_MAGIC_FRAME = 0xFD2FB528u;     /* a zstd frame */
static const uint32_t SEEKABLE_MAGIC_SKIPPABLE = 0x184D2A50u; /* + kind 0..15 */
static const uint32_t SEEKABLE_MAGIC_END = 0x8F92EAB1u;       /* the last four bytes of the file */
static const uint32_t SEEKABLE_EMPTY_CHECKSUM =
    0x51D8E999u; /* low XXH64 of nothing: the table's word for skippable frames */

enum {
    SEEKABLE_KIND_TABLE = 14,
    SEEKABLE_KIND_GUARD = 15,
    SEEKABLE_HEADER_BYTES = 8, /* of a skippable frame: magic, size */
    SEEKABLE_HASH_BYTES = 8,   /* at the end of a skippable frame of ours */
    SEEKABLE_ENTRY_BYTES = 12, /* stored size, plain size, checksum */
    SEEKABLE_FOOTER_BYTES = 9, /* frames, descriptor, magic */
    SEEKABLE_GUARD_BYTES = SEEKABLE_HEADER_BYTES + 8 + SEEKABLE_HASH_BYTES,
    SEEKABLE_DESCRIPTOR = 0x80,       /* entries have checksums; every other bit is reserved */
    SEEKABLE_CHECKSUM_FLAG = 0x04,    /* in byte 4 of a zstd frame: it ends with a checksum of its content */
    SEEKABLE_FRAMES_MAX = 0x8000000,  /* zstd's own bound */
    SEEKABLE_FRAME_BYTES_MIN = 9,     /* header 5, empty block 3, and more; a data frame is never shorter */
    SEEKABLE_EXPANSION_MAX = 1 << 15, /* a zstd block of 4 bytes (a run) gives at most 128 KiB */
};

#endif
