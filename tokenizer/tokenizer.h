/* The byte-level BPE tokenizer: text to ids and back (docs/formats/tokenizer.md).
 *
 * A tokenizer is read-only once loaded and may be used by any number of threads; what changes while encoding (scratch memory) is in a
 * struct tokenizer_scratch, one per thread. Ids are u32, 0 <= id < tokenizer_size. Any bytes encode, valid UTF-8 or not, and decode to the
 * same bytes (special tokens decode to their text).
 *
 * Source: Hugging Face tokenizers' byte-level BPE; ids are equal to its for every text of valid UTF-8.
 */
#ifndef QUERN_TOKENIZER_TOKENIZER_H
#define QUERN_TOKENIZER_TOKENIZER_H

#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/string.h"

#include <stdbool.h>
#include <stdint.h>

struct tokenizer;

/* Loads FILE (a tokenizer.json) or FOLDER/tokenizer.json. What this build cannot reproduce is refused by name (Q_ERR_INPUT). */
q_status tokenizer_load(const char *path, struct tokenizer **out) Q_MUST_USE;
void tokenizer_release(struct tokenizer *tokenizer);

uint32_t tokenizer_size(const struct tokenizer *tokenizer); /* ids, all kinds: the highest + 1 */

/* Special tokens are found by their text, never by a number (docs/formats/tokenizer.md has the texts). */
enum tokenizer_special {
    TOKENIZER_BEGIN,
    TOKENIZER_END,
    TOKENIZER_PADDING,
    TOKENIZER_FIM_HOLE,
    TOKENIZER_FIM_BEGIN,
    TOKENIZER_FIM_END,
    TOKENIZER_SPECIAL_COUNT,
};
/* The id, or UINT32_MAX where the vocabulary has no such token. */
uint32_t tokenizer_special_id(const struct tokenizer *tokenizer, enum tokenizer_special special);
bool tokenizer_is_special(const struct tokenizer *tokenizer, uint32_t id);
/* The bytes an id stands for (a special token: its text). Borrowed; empty for an unused id. */
q_string tokenizer_bytes(const struct tokenizer *tokenizer, uint32_t id);
/* The special tokens' texts, in the order that a newly trained vocabulary gets them: enum tokenizer_special's first, then roles and tools. */
extern const char *const tokenizer_special_texts[];
extern const size_t tokenizer_special_texts_count;

struct tokenizer_ids {
    uint32_t *ids;
    size_t count, capacity;
};
void tokenizer_ids_release(struct tokenizer_ids *ids);
/* Q_ERR_MEMORY leaves the ids as they were. */
q_status tokenizer_ids_append(struct tokenizer_ids *out, uint32_t id) Q_MUST_USE;

struct tokenizer_scratch;
q_status tokenizer_scratch_create(const struct tokenizer *tokenizer, struct tokenizer_scratch **out) Q_MUST_USE;
void tokenizer_scratch_release(struct tokenizer_scratch *scratch);

/* What a special token's text in the input means: text like any other, or the token. */
enum tokenizer_special_mode { TOKENIZER_SPECIAL_AS_TEXT, TOKENIZER_SPECIAL_PARSE };

/* Appends the ids of a whole text (pieces never cross texts). No begin or end token is added. */
q_status tokenizer_encode(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, q_string text,
                          enum tokenizer_special_mode mode, struct tokenizer_ids *out) Q_MUST_USE;

/* The bytes of the text that an id stands for: text[start, end). */
struct tokenizer_span {
    size_t start, end;
};
struct tokenizer_spans {
    struct tokenizer_span *items;
    size_t count, capacity;
};
void tokenizer_spans_release(struct tokenizer_spans *spans);
/* As tokenizer_encode, and a span for each id. Spans are of the text as it came: where normalization changed it, all that a changed part came from.
 * They rise, and a span may be a part of a character, or empty for a space that the tokenizer puts before the text. An added token's has the white
 * space that it takes. */
q_status tokenizer_encode_spans(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, q_string text,
                                enum tokenizer_special_mode mode, struct tokenizer_ids *out,
                                struct tokenizer_spans *spans) Q_MUST_USE;

/* Randomness for training data; zeroed there is none. What comes out is a pure function of the text and these, and decodes to the same text. */
struct tokenizer_noise {
    double dropout; /* 0..1: the probability of bpe_dropout.h; ignore_merges has no meaning where it is above 0 */
    double boundary_split; /* 0..1: the share of boundary_split.h */
    uint64_t seed;
    q_hash document;   /* the document's key */
    uint64_t position; /* of the text in its document, in bytes: for documents encoded in parts */
};

/* Q_ERR_USAGE: a share is not 0..1. */
q_status tokenizer_noise_check(const struct tokenizer_noise *noise) Q_MUST_USE;
/* As tokenizer_encode, with noise. Q_ERR_USAGE: as tokenizer_noise_check. */
q_status tokenizer_encode_noisy(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, q_string text,
                                enum tokenizer_special_mode mode, const struct tokenizer_noise *noise,
                                struct tokenizer_ids *out) Q_MUST_USE;
/* An id out of range is Q_ERR_INPUT. */
q_status tokenizer_check_ids(const struct tokenizer *tokenizer, const uint32_t *ids, size_t count) Q_MUST_USE;
/* Appends the bytes of the ids; of none where one is out of range, which is Q_ERR_INPUT. */
q_status tokenizer_decode(const struct tokenizer *tokenizer, const uint32_t *ids, size_t count,
                          struct q_buffer *out) Q_MUST_USE;

#endif
