/* Files of WARC and ARC records in memory, for tests. Failures are the machine's and end the test program. */
#ifndef QUERN_TESTS_MAKE_RECORDS_H
#define QUERN_TESTS_MAKE_RECORDS_H

#include "base/memory.h"

/* A record: `length` is what Content-Length says, NULL: the truth; `type` "response", ... or NULL: an ARC record of that url, IP and date. */
struct made_record {
    const char *type, *url, *content_type;
    const void *block;
    size_t size; /* 0: strlen(block) */
    const char *length;
};

/* Appends the record with the blank lines behind it. Record number N has the id <urn:test:N> and the date 2024-05-18T01:58:NN, so that files are the same always. */
void add_record(struct q_buffer *out, unsigned number, const struct made_record *record);
/* Appends "filedesc:...", the first record of an ARC. */
void add_arc_begin(struct q_buffer *out);
/* Appends `bytes` as one member ("gzip", "zstd"); "": as they are. */
void add_member(struct q_buffer *out, const char *coding, const void *bytes, size_t size);
/* Appends `bytes` as a zstd frame that needs the dictionary, and the skippable frame with it, packed itself or not. */
void add_dictionary(struct q_buffer *out, q_string dictionary, bool packed);
void add_dictionary_frame(struct q_buffer *out, q_string dictionary, const void *bytes, size_t size);
/* Appends text as deflate has it, with nothing pressed: raw, or in a zlib stream; and as brotli has it (up to 65,536 bytes). */
void add_deflate(struct q_buffer *out, bool zlib, q_string text);
void add_brotli(struct q_buffer *out, q_string text);

#endif
