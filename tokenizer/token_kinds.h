/* What a token is made of, coarsely: for reports and audits. */
#ifndef QUERN_TOKENIZER_TOKEN_KINDS_H
#define QUERN_TOKENIZER_TOKEN_KINDS_H

#include "base/string.h"

#include <stddef.h>

/* "Latin", "Cyrillic", "Han", ... of the first letter in the token (a mark or a letter of no script named here is "other letters"); without letters "digits",
 * "punctuation" or "white space"; "part of a character" where the bytes are not whole UTF-8; "controls" for the rest. Never NULL. */
const char *token_kind(q_string token);

#endif
