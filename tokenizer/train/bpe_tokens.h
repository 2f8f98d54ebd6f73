/* The tokens of a vocabulary that is being trained, and what they are called. Private to training. */
#ifndef QUERN_TOKENIZER_BPE_TOKENS_H
#define QUERN_TOKENIZER_BPE_TOKENS_H

#include "tokenizer/train/bpe_trainer.h"

/* Begins the vocabulary: the tokens of the one that is extended, or none; special tokens; bytes. */
q_status bpe_tokens_init(struct bpe_trainer *trainer) Q_MUST_USE;
/* Writes a merge down: *made is the token with the bytes of both, made where there is none. */
q_status bpe_tokens_merge(struct bpe_trainer *trainer, bpe_pair pair, uint64_t count, uint32_t *made) Q_MUST_USE;
/* Whether a merge that has yet to be written down can be: both tokens are there, and there is room. */
bool bpe_tokens_have(const struct bpe_trainer *trainer, uint32_t left, uint32_t right);
/* The vocabulary is done, or given up: it owns its merges. */
q_status bpe_tokens_settle(struct bpe_trainer *trainer) Q_MUST_USE;
/* Every id gets its kind. */
q_status bpe_tokens_complete(struct bpe_trainer *trainer) Q_MUST_USE;

#endif
