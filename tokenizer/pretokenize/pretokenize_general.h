/* Rules that are not built in: one pass per rule, each over the pieces of the one before. Private to this folder. */
#ifndef QUERN_TOKENIZER_PRETOKENIZE_GENERAL_H
#define QUERN_TOKENIZER_PRETOKENIZE_GENERAL_H

#include "tokenizer/pretokenize/pretokenize.h"

q_status pretokenize_general_create(const struct pretokenize_rule *rules, size_t count,
                                    const struct pretokenizer **out) Q_MUST_USE;
void pretokenize_general_keep(const struct pretokenize_general *general);
void pretokenize_general_release(const struct pretokenize_general *general);

/* pretokenizer_cut of such rules. */
q_status pretokenize_general_cut(const struct pretokenize_general *general, struct pretokenize_passes **passes,
                                 q_string text, size_t *at, size_t *ends, size_t max, size_t *count) Q_MUST_USE;
void pretokenize_passes_release(struct pretokenize_passes *passes);

#endif
