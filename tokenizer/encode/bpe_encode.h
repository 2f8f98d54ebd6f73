/* Text to ids by one thread, as fast as it goes: the pretokenizer, hard cuts, the cache, and bpe_merge for what is new (bpe_encode.c has the way through). */
#ifndef QUERN_TOKENIZER_BPE_ENCODE_H
#define QUERN_TOKENIZER_BPE_ENCODE_H

#include "tokenizer/encode/bpe_index.h"

/* What a thread needs, of a fixed size but for very long pieces. It may serve one tokenizer only. */
struct bpe_encoder;
q_status bpe_encoder_create(struct bpe_encoder **out) Q_MUST_USE;
void bpe_encoder_release(struct bpe_encoder *encoder);

/* Appends the ids of a text, in which nothing is special. */
q_status bpe_encode(const struct tokenizer *tokenizer, struct bpe_encoder *encoder, q_string text,
                    struct tokenizer_ids *out) Q_MUST_USE;

#endif
