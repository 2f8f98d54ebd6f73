/* DeepSeek-V3's three splits, done literally: a backtracking matcher for each alternative, one split after the other. Slow, and as close to the regular
 * expressions as C can be: what the one-pass pretokenizer is held against. */
#ifndef QUERN_TESTS_REGEX_TWIN_H
#define QUERN_TESTS_REGEX_TWIN_H

#include "base/string.h"

#include <stddef.h>

/* Fills ends[] (room for text.size) with the offset behind each piece; returns how many. The text must be valid UTF-8. */
size_t regex_twin_cut(q_string text, size_t *ends);

#endif
