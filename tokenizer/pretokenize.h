/* Pretokenizers: a text cut into pieces, which the merges of BPE never cross.
 *
 * A pretokenizer is a function that is told how far the cut has come, so that a text of any length is cut with a small array of ends:
 *
 *     size_t at = 0, ends[64], count, start = 0;
 *     while ((count = pretokenizer->cut(text, &at, ends, 64)) > 0)
 *         for (size_t i = 0; i < count; start = ends[i++])
 *             piece(text.data + start, ends[i] - start);
 *
 * Pieces are never empty and together are the text. What a pattern of Hugging Face's `Split` leaves unmatched is a piece as well ("isolated").
 * Bytes that are not UTF-8 are cut as the U+FFFD that would replace them (unicode/utf8_decode.h), and kept.
 *
 * A pretokenizer is named by its patterns: it is used for a tokenizer.json that holds exactly these. Others get their row in the table.
 */
#ifndef QUERN_TOKENIZER_PRETOKENIZE_H
#define QUERN_TOKENIZER_PRETOKENIZE_H

#include "base/string.h"

#include <stddef.h>

enum { PRETOKENIZE_PATTERNS_MAX = 4 };

struct pretokenizer {
    const char *name; /* "deepseek-v3": the setting's value, and part of the identity of a count */
    /* The regular expressions of its `Split`s (behavior Isolated), in order, as tokenizer.json has them; ends with NULL. */
    const char *patterns[PRETOKENIZE_PATTERNS_MAX + 1];
    /* Fills ends[0..max) with the offsets behind the next pieces, from *at on, and moves *at behind the last one. 0 at the end of the text. */
    size_t (*cut)(q_string text, size_t *at, size_t *ends, size_t max);
};

extern const struct pretokenizer *const pretokenizers[]; /* ends with NULL; the first is the standard */

/* By name; NULL where there is none. */
const struct pretokenizer *pretokenizer_named(q_string name);

/* DeepSeek-V3's cut in one pass from left to right (pretokenize.c has its rules). */
size_t pretokenize_deepseek(q_string text, size_t *at, size_t *ends, size_t max);

#endif
