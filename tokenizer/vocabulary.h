/* A vocabulary: what a tokenizer is, apart from how it is stored or searched.
 *
 *     tokenizer.json --read--+                       +--write--> tokenizer.json
 *                            +--> struct vocabulary --+
 *     counts --bpe_train-----+                       +--index--> struct tokenizer (tokenizer.h)
 *
 * Every id below `size` has bytes, or none where the file leaves the id out (such an id is never given and decodes to nothing).
 */
#ifndef QUERN_TOKENIZER_VOCABULARY_H
#define QUERN_TOKENIZER_VOCABULARY_H

#include "base/memory.h"
#include "base/status.h"
#include "base/string.h"
#include "tokenizer/pretokenize.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    VOCABULARY_SIZE_MAX = 1 << 24,        /* ids; a bound for input that is not to be trusted */
    VOCABULARY_TOKEN_BYTES_MAX = 1 << 16, /* of one token */
};

/* Merge `rank` is merges[rank]: the neighbours `left` and `right` become `id`, whose bytes are theirs put together. The lower rank goes first. */
struct vocabulary_merge {
    uint32_t left, right, id;
};

/* A token outside BPE, found by its text. Those with `normalized` are looked for after the others, in what these leave (Hugging Face's order). */
struct vocabulary_added {
    q_string text;
    uint32_t id;
    bool special;
    bool normalized;
};

struct vocabulary {
    struct q_arena arena; /* owns all that follows */
    const struct pretokenizer *pretokenizer;
    q_string *tokens; /* [size]; an added token's bytes are its text */
    uint32_t size;
    uint32_t byte_id[256]; /* the token of each byte: there is one for all */
    struct vocabulary_merge *merges;
    size_t merge_count;
    struct vocabulary_added *added;
    size_t added_count;
};

void vocabulary_release(struct vocabulary *vocabulary);

/* Reads FILE, or FOLDER/tokenizer.json. Q_ERR_INPUT names what is broken or what this build cannot reproduce. *out is to be zeroed before, and released
 * after a failure too. */
q_status vocabulary_read(const char *path, struct vocabulary *out) Q_MUST_USE;
/* The same from the bytes of the file; `name` is for the errors. */
q_status vocabulary_parse(q_string text, const char *name, struct vocabulary *out) Q_MUST_USE;
/* The tokenizer.json, appended. The same bytes for the same vocabulary. */
q_status vocabulary_write(const struct vocabulary *vocabulary, struct q_buffer *out) Q_MUST_USE;
/* The tokenizer_config.json beside it, by which transformers finds class and special tokens. */
q_status vocabulary_write_config(const struct vocabulary *vocabulary, struct q_buffer *out) Q_MUST_USE;

#endif
