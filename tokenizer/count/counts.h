/* Counts of pieces: how often each piece of a text occurs, in 64 bits.
 *
 * A hash table in memory; a sorted file on disk (docs/formats/counts.md). Counts add: those of two halves of a corpus are those of the whole, in any
 * order, which is what makes counting a map step. Training needs nothing else of the text.
 *
 *     slots [capacity], a power of two, linear probing        bytes
 *     +------+--------+-------+------+                        +-----------------------
 *     | hash | offset | count | size |  -- offset, size -->   | the pieces end to end
 *     +------+--------+-------+------+                        +-----------------------
 *     count = 0: empty
 */
#ifndef QUERN_TOKENIZER_COUNTS_H
#define QUERN_TOKENIZER_COUNTS_H

#include "base/memory.h"
#include "base/publish.h"
#include "base/status.h"
#include "base/string.h"
#include "tokenizer/count/counts_file.h"
#include "tokenizer/pretokenize/pretokenize.h"

#include <stdbool.h>
#include <stdint.h>

struct counts_slot {
    uint64_t hash;
    uint64_t offset;
    uint64_t count;
    uint32_t size;
};

/* Ready when zeroed but for the pretokenizer. */
struct counts {
    const struct pretokenizer *pretokenizer;
    uint32_t scale; /* counts are in units of 1/scale: COUNT_SCALE, else 1; 0 is the same as 1 */
    struct counts_total total;
    struct counts_slot *slots;
    size_t capacity;
    size_t used; /* distinct pieces */
    struct q_buffer bytes;
    struct pretokenize_scratch scratch;
};

void counts_release(struct counts *counts);

/* Adds `count` > 0 to a piece's count and to the sum of all, which must stay below 2^64 (Q_ERR_INPUT). */
q_status counts_add(struct counts *counts, q_string piece, uint64_t count) Q_MUST_USE;
/* Counts a text's pieces once each, and the text in the totals. */
q_status counts_add_text(struct counts *counts, q_string text) Q_MUST_USE;
/* Adds all of `more`, whose pretokenizer must be the same (Q_ERR_INPUT). */
q_status counts_add_all(struct counts *counts, const struct counts *more) Q_MUST_USE;
/* The count of a piece, 0 where it never came. */
uint64_t counts_of(const struct counts *counts, q_string piece);

static inline q_string counts_piece(const struct counts *counts, const struct counts_slot *slot)
{
    return (q_string){counts->bytes.data + slot->offset, slot->size};
}

struct count_stream;
/* Adds all that a stream (count_stream.h) gives from where it is, with the same checks. Where one of both has the finer scale, the sum has. */
q_status counts_add_stream(struct counts *counts, struct count_stream *stream) Q_MUST_USE;
void counts_info(const struct counts *counts, struct count_info *out);

/* Publishes the counts; the same bytes for the same counts, however they came together. identity may be NULL. */
q_status counts_write(const struct counts *counts, const char *path, struct q_file_identity *identity) Q_MUST_USE;
/* Adds what a file holds. Q_ERR_INPUT for a file that is cut, damaged, of another version or of another pretokenizer (where
 * counts->pretokenizer is NULL it is taken from the file). Scales as in counts_add_stream. */
q_status counts_read(struct counts *counts, const char *path) Q_MUST_USE;

#endif
