/* What a token is made of, and how it is shown: for reports and audits. */
#ifndef QUERN_TOKENIZER_TOKEN_KINDS_H
#define QUERN_TOKENIZER_TOKEN_KINDS_H

#include "base/memory.h"
#include "base/string.h"

#include <stdbool.h>
#include <stddef.h>

/* The script of the first letter that has one ("Latin", "Cyrillic", "Han", ... of Unicode 16; "other letters" where none has); without letters "digits",
 * "punctuation" or "white space"; "part of a character" where the bytes are not whole UTF-8; "controls" for the rest. Never NULL. */
const char *token_kind(q_string token);

/* Where a token begins and ends within characters of UTF-8. */
struct token_shape {
    size_t head; /* bytes at its start that end a character begun before it: 0..3 */
    size_t tail; /* bytes at its end that begin a character which ends behind it: 0..3 */
    bool broken; /* with neither of them, still not UTF-8: no valid text can hold it */
};
struct token_shape token_shape(q_string token);

/* Appends the token in quotes: blanks as "␣", line ends and tabs as \n, \r, \t, characters that cannot be seen as \u{200b}, bytes of broken
 * characters as \xe4. Cut with "..." when `bytes_max` are written. */
q_status token_show(q_string token, size_t bytes_max, struct q_buffer *out) Q_MUST_USE;

#endif
