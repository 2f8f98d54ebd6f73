/* Pretokenizers: a text cut into pieces, which the merges of BPE never cross.
 *
 * A pretokenizer is a sequence of rules, as in a tokenizer.json; each cuts the pieces of the one before. Those that the world's vocabularies use are built
 * in: one pass, by hand, as fast as the processor allows. Any other sequence is cut rule by rule, its patterns by PCRE2 where the build has it.
 *
 * It is told how far the cut has come, so that a text of any length is cut with a small array of ends:
 *
 *     size_t at = 0, ends[512], count, start = 0;
 *     for (;;) {
 *         Q_TRY(pretokenizer_cut(pretokenizer, &scratch, text, &at, ends, 512, &count));
 *         if (count == 0)
 *             break;
 *         for (size_t i = 0; i < count; start = ends[i++])
 *             piece(text.data + start, ends[i] - start);
 *     }
 *
 * Pieces are never empty and together are the text. Bytes that are not UTF-8 are cut as the U+FFFD that would replace them (unicode/utf8_decode.h), and
 * kept.
 *
 * A text that comes in parts is cut up to pretokenizer_final; what lies behind waits for more.
 */
#ifndef QUERN_TOKENIZER_PRETOKENIZE_H
#define QUERN_TOKENIZER_PRETOKENIZE_H

#include "base/status.h"
#include "base/string.h"

#include <stdbool.h>
#include <stddef.h>

enum pretokenize_kind {
    PRETOKENIZE_REGEX,  /* what the pattern, a regular expression, matches */
    PRETOKENIZE_STRING, /* what equals the pattern */
    PRETOKENIZE_DIGITS, /* runs of numbers (Unicode's N, as Rust's char::is_numeric), or each of them alone; no pattern */
};

/* What becomes of a match and of what lies between matches ("Removed" would lose bytes and has no place here). */
enum pretokenize_behavior {
    PRETOKENIZE_ISOLATED,             /* each is a piece */
    PRETOKENIZE_MERGED_WITH_PREVIOUS, /* a match goes to the end of the piece before it */
    PRETOKENIZE_MERGED_WITH_NEXT,     /* a match goes to the start of the piece behind it */
    PRETOKENIZE_CONTIGUOUS,           /* matches that touch are one piece */
};

/* One entry of a tokenizer.json's sequence: Split or Digits. ByteLevel's use_regex is a REGEX rule with GPT-2's pattern, isolated. */
struct pretokenize_rule {
    enum pretokenize_kind kind;
    q_string pattern;
    enum pretokenize_behavior behavior;
    bool invert;            /* the pattern tells what lies between matches */
    bool individual_digits; /* DIGITS: each number by itself (behavior isolated), else runs of them (contiguous) */
};

enum { PRETOKENIZE_RULES_MAX = 16, PRETOKENIZE_PATTERN_BYTES_MAX = 1 << 16 };

/* Immutable, for any number of threads. */
struct pretokenizer {
    /* A built-in's own ("deepseek-v3"), else "rules-" and 16 hexadecimal digits of the hash of its rules. Part of the identity of a count. Below 32 bytes. */
    const char *name;
    const struct pretokenize_rule *rules;
    size_t rule_count;
    const struct pretokenize_general *general; /* NULL: built in */
};

/* What a thread needs while it cuts; ready when zeroed, may serve one pretokenizer only, and one text at a time (at = 0 begins the next). */
struct pretokenize_scratch {
    struct pretokenize_passes *passes; /* NULL for the built-ins, which need nothing */
};
void pretokenize_scratch_release(struct pretokenize_scratch *scratch);

extern const struct pretokenizer *const pretokenizers[]; /* the built-ins; ends with NULL; the first is the standard */

/* A built-in by name; NULL where there is none. */
const struct pretokenizer *pretokenizer_named(q_string name);

/* The built-in whose rules are exactly these, else a new one (the rules are copied). Q_ERR_INPUT names the pattern and what is wrong with it, or
 * that this build has no PCRE2. Zero rules: a text is one piece. */
q_status pretokenizer_create(const struct pretokenize_rule *rules, size_t count,
                             const struct pretokenizer **out) Q_MUST_USE;
/* One more owner / one owner less; both do nothing for built-ins, release also for NULL. */
const struct pretokenizer *pretokenizer_keep(const struct pretokenizer *pretokenizer);
void pretokenizer_release(const struct pretokenizer *pretokenizer);

/* Fills ends[0..max) with the offsets behind the next pieces, from *at on, and moves *at behind the last one; *count = 0 at the end of the text. Few calls
 * with room for some hundred ends are faster than many with little. A text is cut from 0; built-ins also go on from any cut in it. Fails only where
 * a pattern is not built in: Q_ERR_INPUT when it takes too many steps at some place of the text (never without end), Q_ERR_MEMORY. */
q_status pretokenizer_cut(const struct pretokenizer *pretokenizer, struct pretokenize_scratch *scratch, q_string text,
                          size_t *at, size_t *ends, size_t max, size_t *count) Q_MUST_USE;

/* How much of a text, of which more is to come, can be cut already: whatever follows, there is a cut at the result, and the pieces before it are those of
 * text[0, result) as a whole text. So `text` is to begin at such a cut, or at its true start. 0 where nothing is certain: wait for more, twice as much, so that
 * the work stays linear. Always 0 for rules that are not built in. */
size_t pretokenizer_final(const struct pretokenizer *pretokenizer, q_string text);

#endif
