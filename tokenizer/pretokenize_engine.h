/* How a pretokenizer cuts: what pretokenize.c asks of each kind. Private to this folder. */
#ifndef QUERN_TOKENIZER_PRETOKENIZE_ENGINE_H
#define QUERN_TOKENIZER_PRETOKENIZE_ENGINE_H

#include "tokenizer/pretokenize.h"

#include <stdint.h>

struct pretokenize_engine {
    /* pretokenizer_cut of a built-in: it cannot fail. */
    size_t (*cut)(q_string text, size_t *at, size_t *ends, size_t max);
};

/* DeepSeek-V3's cut in one pass from left to right (pretokenize_deepseek.c has its rules). */
size_t pretokenize_deepseek(q_string text, size_t *at, size_t *ends, size_t max);

#endif
