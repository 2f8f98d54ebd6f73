/* Random texts that look for trouble: all of Unicode, the characters that patterns name more often than others, and broken UTF-8. */
#ifndef QUERN_TESTS_RANDOM_TEXT_H
#define QUERN_TESTS_RANDOM_TEXT_H

#include "base/memory.h"

#include <stdbool.h>
#include <stdint.h>

/* Replaces *out by a text of about `characters`; with `broken` some bytes are no UTF-8. The same state gives the same text. */
void random_text(uint64_t *state, unsigned characters, bool broken, struct q_buffer *out);

/* Appends a code point as UTF-8. */
void put_code(uint32_t code, struct q_buffer *out);

#endif
