/* ByteLevel's alphabet: 256 visible characters that stand for the 256 bytes in a tokenizer.json (GPT-2's bytes_to_unicode).
 *
 * Bytes 0x21-0x7E, 0xA1-0xAC and 0xAE-0xFF stand for themselves; the other 68, in their order, are U+0100, U+0101, ... So a space is "Ġ" (U+0120)
 * and a line feed "Ċ". A new vocabulary gives ids to the bytes in the order of these characters.
 */
#ifndef QUERN_TOKENIZER_BYTE_ALPHABET_H
#define QUERN_TOKENIZER_BYTE_ALPHABET_H

#include "base/memory.h"
#include "base/string.h"

#include <stdbool.h>
#include <stdint.h>

/* The code point that stands for a byte: 0x21..0x143. */
uint32_t byte_alphabet_code(uint8_t byte);
/* The byte whose character is the rank-th by code point, rank < 256. */
uint8_t byte_alphabet_at(unsigned rank);

/* Appends the characters of the bytes, as UTF-8. */
q_status byte_alphabet_write(q_string bytes, struct q_buffer *out) Q_MUST_USE;
/* Appends the bytes of the characters; *all = false, and `out` as it was, where one of them is not of the alphabet. */
q_status byte_alphabet_read(q_string characters, struct q_buffer *out, bool *all) Q_MUST_USE;

#endif
