/* Sets of code points, for the classes of regular expressions: a bit for each. Private to this folder. */
#ifndef QUERN_TOKENIZER_PRETOKENIZE_SETS_H
#define QUERN_TOKENIZER_PRETOKENIZE_SETS_H

#include "base/memory.h"

#include <stdbool.h>
#include <stdint.h>

enum { CODE_SET_WORDS = 0x110000 / 64 };

/* 136 KiB: from q_alloc_zero. */
struct code_set {
    uint64_t words[CODE_SET_WORDS];
};

static inline bool code_set_has(const struct code_set *set, uint32_t code)
{
    return set->words[code / 64] >> (code % 64) & 1;
}
void code_set_add(struct code_set *set, uint32_t first, uint32_t last);  /* first <= last < 0x110000 */
void code_set_add_categories(struct code_set *set, uint32_t categories); /* UNICODE_BIT(...) */
void code_set_add_set(struct code_set *set, const struct code_set *other);
void code_set_intersect(struct code_set *set, const struct code_set *other);
void code_set_complement(struct code_set *set);

/* Adds what a name in \p{NAME} stands for: a general category ("L", "Lu", "Letter", "Uppercase_Letter"), a script ("Han"), "Any". Case, spaces, '-' and
 * '_' do not matter. False where it is none of these. *cased: the set has letters of one case alone. */
bool code_set_add_property(struct code_set *set, q_string name, bool *cased);
/* \w as Oniguruma has it: letters, marks, decimal and letter numbers, connectors, the circled and squared letters, and six
 * numbers of Latin-1. */
void code_set_add_word(struct code_set *set);

/* As a class of PCRE2, "[\x{..}-\x{..}...]" or "[^...]", without surrogates, which no text has; the widest ranges first, since it looks from the left. */
q_status code_set_write(const struct code_set *set, bool negated, struct q_buffer *out) Q_MUST_USE;

#endif
