/* What a tokenizer.json does to a text beside its vocab and merges: private to the reader and the writer. */
#ifndef QUERN_TOKENIZER_VOCABULARY_PIPELINE_H
#define QUERN_TOKENIZER_VOCABULARY_PIPELINE_H

#include "base/json.h"
#include "tokenizer/vocabulary/vocabulary.h"

/* The pattern that ByteLevel brings where use_regex is true: GPT-2's. */
#define VOCABULARY_BYTE_LEVEL_PATTERN                                                                                  \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/* Reads normalizer, pre_tokenizer, decoder and the model's settings into `out`; Q_ERR_INPUT names what cannot be reproduced. */
q_status vocabulary_read_pipeline(const json_t *root, const char *name, struct vocabulary *out) Q_MUST_USE;
/* "'NAME' has WHAT 'VALUE', which quern cannot reproduce". */
q_status vocabulary_refuse(const char *name, const char *what, q_string value);

/* Appends the members "normalizer", "pre_tokenizer", "post_processor" and "decoder". */
q_status vocabulary_write_pipeline(const struct vocabulary *vocabulary, struct q_buffer *out) Q_MUST_USE;
/* Appends a quoted JSON string. */
q_status vocabulary_put_quoted(struct q_buffer *out, q_string text) Q_MUST_USE;

#endif
