/* Character references: &amp; &#233; &#xE9; and the names of HTML 4 with a few of HTML 5's. */
#ifndef QUERN_CORPUS_HTML_ENTITIES_H
#define QUERN_CORPUS_HTML_ENTITIES_H

#include "base/memory.h"

/* Reads the reference that begins at bytes.data[0] == '&'. Gives its code point (U+FFFD where the number is none, the Windows-1252 meaning of 128
 * to 159, as browsers do) and returns the bytes used; 0 where it is not a reference and the '&' stands for itself. A name without ';' counts
 * for the characters of Latin-1 only, and not before a letter, digit or '='. (HTML Standard, 13.2.5.72) */
size_t html_entity(q_string bytes, uint32_t *out_code);

/* Appends text with its references replaced. */
q_status html_decode(q_string text, struct q_buffer *out) Q_MUST_USE;

/* UTF-8 of a code point (not a surrogate, at most U+10FFFF) into out[4]; returns the bytes used. */
size_t html_utf8(uint32_t code, char out[4]);

#endif
