/* The layout of count files (docs/formats/counts.md), for those who write and read them. */
#ifndef QUERN_TOKENIZER_COUNTS_FORMAT_H
#define QUERN_TOKENIZER_COUNTS_FORMAT_H

#define COUNTS_MAGIC "QRNCOUNT"

enum {
    COUNTS_VERSION = 2,
    COUNTS_VERSION_OLDEST = 1, /* has its totals in the header and no frame behind the entries */

    /* The header: the first frame, skippable, of kind 0. */
    COUNTS_HEADER_KIND = 0,
    COUNTS_HEADER_BYTES = 96,
    COUNTS_AT_VERSION = 8,
    COUNTS_AT_SCALE = 12,
    COUNTS_AT_TOTALS_1 = 16, /* version 1: entries, sum, documents, bytes; later 0 */
    COUNTS_AT_PRETOKENIZER = 48,
    COUNTS_PRETOKENIZER_BYTES = 32,
    COUNTS_AT_UNICODE = 80,
    COUNTS_UNICODE_BYTES = 16,

    /* The totals: the last frame, skippable, of kind 1. They are known when the last entry is. */
    COUNTS_TOTALS_KIND = 1,
    COUNTS_TOTALS_BYTES = 32,

    COUNTS_FRAME_BYTES = 1 << 20, /* a frame is closed by the first entry that reaches it */
    COUNTS_VARINT_BYTES = 10,
};

#endif
