/* Compressed bytes as plain ones, step by step and with the ends of members told: gzip, zlib and raw deflate by ISA-L, zstd, brotli where the build has it.
 * libarchive (reader_archive.c) hides where a member ends and what lies behind a damaged one; records of the web need both.
 *
 * ISA-L was chosen by measurement: the 822 members of a crawl (2.5 MB, 11.2 MB plain) at 150 MB/s of file on one core, zlib at 83, libdeflate at 184;
 * but libdeflate wants a member wholly in memory and room for all of its text, which a reader does not know beforehand.
 */
#ifndef QUERN_CORPUS_DECOMPRESS_H
#define QUERN_CORPUS_DECOMPRESS_H

#include "base/memory.h"

enum corpus_coding {
    CORPUS_PLAIN,
    CORPUS_GZIP,
    CORPUS_ZLIB,
    CORPUS_DEFLATE, /* raw */
    CORPUS_ZSTD,
    CORPUS_BROTLI,
};

enum corpus_unpacked {
    CORPUS_UNPACKED_MORE, /* all input was taken, or the room is full */
    CORPUS_UNPACKED_END,  /* the member is over and its checksum is right; input stands behind it */
    CORPUS_UNPACKED_BAD,
};

/* One per thread. 90 KB; zstd adds its window, of at most 128 MiB, where it is used. */
struct corpus_decompressor;

q_status corpus_decompressor_create(struct corpus_decompressor **out) Q_MUST_USE;
void corpus_decompressor_release(struct corpus_decompressor *decompressor); /* NULL is allowed */

/* Whether the build can undo the coding: false for brotli where its library was not found. */
bool corpus_decompressor_knows(enum corpus_coding coding);
/* Begins a member: any coding but plain, one that the build knows. A member that was not at its end is forgotten. */
q_status corpus_decompressor_begin(struct corpus_decompressor *decompressor, enum corpus_coding coding) Q_MUST_USE;
/* A dictionary for all zstd frames that are begun from now on; copied. *good = false: it is damaged. */
q_status corpus_decompressor_dictionary(struct corpus_decompressor *decompressor, q_string dictionary,
                                        bool *good) Q_MUST_USE;
/* Goes on with the member: takes bytes off *in, appends to `out` within its capacity (which the caller reserves). */
enum corpus_unpacked corpus_decompressor_step(struct corpus_decompressor *decompressor, q_string *in,
                                              struct q_buffer *out);

#endif
