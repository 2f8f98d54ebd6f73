/* How a vocabulary does on some text, by language: bytes and tokens, for the report. */
#ifndef QUERN_TOKENIZER_ENCODING_SAMPLE_H
#define QUERN_TOKENIZER_ENCODING_SAMPLE_H

#include "base/json.h"
#include "base/status.h"
#include "tokenizer/bpe_index.h"
#include "tokenizer/text_source.h"

struct encoding_sample;

q_status encoding_sample_create(const struct tokenizer *tokenizer, struct encoding_sample **out) Q_MUST_USE;
void encoding_sample_release(struct encoding_sample *sample);
/* Encodes documents of the source, in order, until `bytes_max` of text are reached. Held-out ones are left out. */
q_status encoding_sample_add(struct encoding_sample *sample, struct text_source *source, uint64_t bytes_max) Q_MUST_USE;
/* {"LANG": {"documents": 3, "bytes": 1200, "tokens": 310}, ...}; texts without a language are "und". New reference. */
q_status encoding_sample_json(const struct encoding_sample *sample, json_t **out) Q_MUST_USE;

#endif
