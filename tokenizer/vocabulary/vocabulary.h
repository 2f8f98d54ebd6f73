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
#include "tokenizer/pretokenize/pretokenize.h"
#include "tokenizer/unicode/normalization.h"

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

/* A token outside BPE, found by its text, with Hugging Face's flags (docs/formats/tokenizer.md has the rules). Those without `normalized`
 * are looked for in the text as it came; those with it after the others, in the normal form of what these leave. */
struct vocabulary_added {
    q_string text;  /* what it decodes to */
    q_string match; /* what is looked for: the text, in its normal form where `normalized` */
    uint32_t id;
    bool special; /* a control token: left out of decoded text where the caller says so */
    bool normalized;
    bool single_word; /* matches only where no word character (\w) is its neighbour */
    bool lstrip;      /* takes the white space before it, up to the token before */
    bool rstrip;      /* takes the white space behind it */
};

/* Bits of `kinds`: what an id is. 0: the file leaves the id out. */
enum {
    VOCABULARY_MODEL = 1 << 0, /* in the model's vocab */
    VOCABULARY_BYTES = 1 << 1, /* of the model, and spelled in ByteLevel's characters: BPE may give it */
    VOCABULARY_ADDED = 1 << 2, /* one of `added` */
};

struct vocabulary {
    struct q_arena arena;             /* owns all that follows */
    enum normalization normalization; /* of the text, before all else */
    bool
        prefix_space; /* a space goes before each text (between added tokens) that does not begin with one: ByteLevel's add_prefix_space */
    bool ignore_merges; /* a piece that is a token (VOCABULARY_BYTES) is that token, whatever the merges say */
    const struct pretokenizer *pretokenizer; /* one owner of it */
    q_string *tokens;                        /* [size]; an added token's bytes are its text */
    uint8_t *kinds;                          /* [size] */
    uint32_t size;
    uint32_t byte_id[256]; /* the token of each byte: there is one for all */
    struct vocabulary_merge *merges;
    size_t merge_count;
    /* Of a vocabulary that was trained here, whether in one go or resumed; for reports, no part of tokenizer.json: */
    uint64_t *merge_counts; /* [merge_count]: how often the pair was there when it was merged. NULL: not known */
    uint64_t counted_bytes; /* of all pieces, times their counts: the tokens before the first merge */
    struct vocabulary_added *added; /* in the file's order */
    size_t added_count;
};

void vocabulary_release(struct vocabulary *vocabulary);

/* Fills `kinds`, and `match` of the added tokens, of a vocabulary made in memory: every token is in the model, added ones too. */
q_status vocabulary_complete(struct vocabulary *vocabulary) Q_MUST_USE;

/* Reads FILE, a tokenizer.json or a .tiktoken (by its name: vocabulary_tiktoken.h), or FOLDER/tokenizer.json. Q_ERR_INPUT names what is
 * broken or what this build cannot reproduce. *out is to be zeroed before, and released after a failure too. */
q_status vocabulary_read(const char *path, struct vocabulary *out) Q_MUST_USE;
/* The same from the bytes of the file; `name` is for the errors. */
q_status vocabulary_parse(q_string text, const char *name, struct vocabulary *out) Q_MUST_USE;
/* The tokenizer.json, appended. The same bytes for the same vocabulary. */
q_status vocabulary_write(const struct vocabulary *vocabulary, struct q_buffer *out) Q_MUST_USE;
/* The parts of older layouts: vocab.json, merges.txt (GPT-2's two files), special_tokens_map.json. */
q_status vocabulary_write_vocab(const struct vocabulary *vocabulary, struct q_buffer *out) Q_MUST_USE;
q_status vocabulary_write_merges(const struct vocabulary *vocabulary, struct q_buffer *out) Q_MUST_USE;
q_status vocabulary_write_special_map(const struct vocabulary *vocabulary, struct q_buffer *out) Q_MUST_USE;
/* Q_ERR_INPUT where readers of vocab.json and merges.txt, which all cut by GPT-2's pattern, would give other ids. */
q_status vocabulary_check_gpt2(const struct vocabulary *vocabulary, const char *name) Q_MUST_USE;
/* The tokenizer_config.json beside it, by which transformers finds class and special tokens. */
q_status vocabulary_write_config(const struct vocabulary *vocabulary, struct q_buffer *out) Q_MUST_USE;

#endif
