/* Whether \w matches a character, as of Unicode 16.0 (generate_word.py says what that is). For the few places beside added tokens: a binary search. */
#ifndef QUERN_TOKENIZER_UNICODE_WORD_H
#define QUERN_TOKENIZER_UNICODE_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool unicode_is_word(uint32_t code);

#endif
