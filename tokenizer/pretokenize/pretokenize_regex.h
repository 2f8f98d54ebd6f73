/* Regular expressions as Oniguruma reads them in Hugging Face's `tokenizers`, by PCRE2's matcher, with the classes of Unicode 16. Private to this folder.
 *
 * PCRE2's own classes are of whatever Unicode its version knows, and some signs of the two languages differ. So a pattern is rewritten first
 * (pretokenize_rewrite.c): every class becomes the ranges of its code points by our tables, and what has no exact counterpart is refused by name.
 */
#ifndef QUERN_TOKENIZER_PRETOKENIZE_REGEX_H
#define QUERN_TOKENIZER_PRETOKENIZE_REGEX_H

#include "base/memory.h"

#include <stdbool.h>
#include <stddef.h>

/* The pattern in PCRE2's language, appended. Q_ERR_INPUT names what cannot be said in it. */
q_status pretokenize_rewrite(q_string pattern, struct q_buffer *out) Q_MUST_USE;

struct pretokenize_regex;   /* compiled; for any number of threads */
struct pretokenize_matcher; /* what a thread needs to match it */

/* Q_ERR_INPUT: the pattern is wrong or refused, or this build has no PCRE2; the text names the pattern. */
q_status pretokenize_regex_create(q_string pattern, struct pretokenize_regex **out) Q_MUST_USE;
void pretokenize_regex_release(struct pretokenize_regex *regex);

q_status pretokenize_matcher_create(const struct pretokenize_regex *regex, struct pretokenize_matcher **out) Q_MUST_USE;
void pretokenize_matcher_release(struct pretokenize_matcher *matcher);

/* The first match in `subject` (valid UTF-8) from `from` on; *found = false where there is none. Q_ERR_INPUT where it takes too many steps. */
q_status pretokenize_regex_find(const struct pretokenize_regex *regex, struct pretokenize_matcher *matcher,
                                q_string subject, size_t from, bool *found, size_t *start, size_t *end) Q_MUST_USE;

#endif
