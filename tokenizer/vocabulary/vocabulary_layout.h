/* The layout of a trained vocabulary's ids: which kind of token has which.
 *
 *     plain          special tokens (tokenizer_special_texts) | 256 bytes | merges
 *
 *     deepseek-v3    begin, end, pad | 256 bytes | merges | placeholders | fill in the middle | roles, tools
 *                    0..2              3..258      259..    V - 15 - P..   V - 15..V - 13       V - 12..V - 1
 *
 * V is tokenizer.vocab_size and counts everything; P = V / 161, which at V = 128,815 is DeepSeek-V3's: 800 placeholders from 128,000 on, and the other
 * borders are its own too (259, 128,000, 128,800, 128,803). Texts and flags are its too. Where the text has no more to merge the part behind the merges
 * moves down: no id is left out.
 *
 * A layout renumbers a finished vocabulary. It keeps the order of bytes and merges among themselves, so equal counts are decided in training as they
 * always are (by the smaller ids), and the merges are the same in every layout that has room for as many.
 *
 * Source: tokenizer.json of DeepSeek-V3 (https://huggingface.co/deepseek-ai/DeepSeek-V3).
 */
#ifndef QUERN_TOKENIZER_VOCABULARY_LAYOUT_H
#define QUERN_TOKENIZER_VOCABULARY_LAYOUT_H

#include "base/memory.h"
#include "base/status.h"
#include "tokenizer/vocabulary/vocabulary.h"

enum vocabulary_layout { VOCABULARY_PLAIN, VOCABULARY_DEEPSEEK_V3 };
/* Of the setting tokenizer.layout, in the order of the enum; ends with NULL. */
extern const char *const vocabulary_layout_names[];

/* The texts of the special tokens that a vocabulary of this size has in this layout, in the order in which training is to be given them. Owned by the
 * arena. */
q_status vocabulary_layout_special(enum vocabulary_layout layout, uint64_t vocab_size, struct q_arena *arena,
                                   const char *const **texts, size_t *count) Q_MUST_USE;

/* Renumbers what training with these special tokens has made. All ids change together: tokens, bytes, merges and added tokens, which are put in the order
 * of their ids. Q_ERR_MEMORY leaves the vocabulary as it was. */
q_status vocabulary_layout_apply(enum vocabulary_layout layout, struct vocabulary *vocabulary) Q_MUST_USE;

/* Whether the text is that of a placeholder: an id kept free for a special token to come. */
bool vocabulary_is_placeholder(q_string text);

#endif
