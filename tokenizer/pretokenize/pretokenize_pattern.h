/* What the built-in patterns have in common, and where they differ: one description that both the plain way (pretokenize_step.c) and the fast one
 * (pretokenize_windows.h) are made of. Private to this folder.
 *
 * All of them cut a text into
 *
 *     words      letters (some: and marks), with at most one character before them, and some with an English contraction before or behind
 *     numbers    one, three or any number of them
 *     signs      all else but white space, with at most one space before them and (some) all line ends behind them
 *     space      runs of white space; the last character is left to what follows, (some) all that lies behind the last line end, too
 *     unmatched  DeepSeek-V3 alone: characters that no class holds
 */
#ifndef QUERN_TOKENIZER_PRETOKENIZE_PATTERN_H
#define QUERN_TOKENIZER_PRETOKENIZE_PATTERN_H

#include "tokenizer/pretokenize/pretokenize.h"
#include "tokenizer/unicode/unicode_classes.h"

#include <stdint.h>

#define ALWAYS_INLINE inline __attribute__((always_inline))

enum pretokenize_join { PRETOKENIZE_JOIN_NONE, PRETOKENIZE_JOIN_ASCII, PRETOKENIZE_JOIN_ANY };
enum pretokenize_contraction {
    PRETOKENIZE_NO_CONTRACTION,
    PRETOKENIZE_CONTRACTION_LOWER,  /* "'s", "'ll" are pieces; lower case only */
    PRETOKENIZE_CONTRACTION_ANY,    /* in any case: also "'S", and U+017F, which folds to s */
    PRETOKENIZE_CONTRACTION_BEHIND, /* in any case, and a part of the word before it */
};

struct pretokenize_pattern {
    uint32_t word;       /* the categories of words */
    uint32_t sign;       /* the categories of signs; o200k's runs of signs hold marks, which also are in words */
    unsigned digits_max; /* numbers in a piece; 0: any number, and a space may go before them */
    bool
        any_prefix; /* a word may begin with any white space but a line end, and an unmatched character; else with a space only */
    enum pretokenize_join
        join; /* a word may begin with a sign: an ASCII one before ASCII letters, which then are all; or any before any */
    enum pretokenize_contraction contraction;
    bool borders;   /* numbers, and changes to and from UNICODE_CJK, are as the end of a text to what is beside them */
    bool line_ends; /* belong to the signs before them, and end a run of white space */
    bool slashes;   /* so do slashes, where line ends do */
    bool cases;     /* a word is upper case, then lower case: "HTMLParser", "camel" + "Case" */
    bool last_space_whole; /* white space at the end of a text is one piece */
};

/* The order of pretokenizers[]. */
enum pretokenize_built_in {
    PRETOKENIZE_DEEPSEEK_V3,
    PRETOKENIZE_GPT2,
    PRETOKENIZE_CL100K,
    PRETOKENIZE_O200K,
    PRETOKENIZE_LLAMA3,
    PRETOKENIZE_QWEN2,
    PRETOKENIZE_BUILT_INS,
};

#define PRETOKENIZE_NOT_SIGN                                                                                           \
    (UNICODE_LETTER | UNICODE_NUMBER | UNICODE_SPACE) /* what the others write as [^\s\p{L}\p{N}] */
#define PRETOKENIZE_UPPER                                                                                              \
    (UNICODE_BIT(UNICODE_LU) | UNICODE_BIT(UNICODE_LT)) /* o200k's [\p{Lu}\p{Lt}..] without what follows */
#define PRETOKENIZE_BOTH (UNICODE_BIT(UNICODE_LM) | UNICODE_BIT(UNICODE_LO) | UNICODE_MARK) /* in both of its classes */

/* Not behind a pointer, so that each user's code is made for one pattern. */
static const struct pretokenize_pattern pretokenize_patterns[PRETOKENIZE_BUILT_INS] = {
    [PRETOKENIZE_DEEPSEEK_V3] = {.word = UNICODE_LETTER | UNICODE_MARK,
                                 .sign = UNICODE_PUNCTUATION | UNICODE_SYMBOL,
                                 .digits_max = 3,
                                 .any_prefix = true,
                                 .join = PRETOKENIZE_JOIN_ASCII,
                                 .borders = true,
                                 .line_ends = true},
    [PRETOKENIZE_GPT2] = {.word = UNICODE_LETTER,
                          .sign = ~PRETOKENIZE_NOT_SIGN,
                          .contraction = PRETOKENIZE_CONTRACTION_LOWER},
    [PRETOKENIZE_CL100K] = {.word = UNICODE_LETTER,
                            .sign = ~PRETOKENIZE_NOT_SIGN,
                            .digits_max = 3,
                            .any_prefix = true,
                            .join = PRETOKENIZE_JOIN_ANY,
                            .contraction = PRETOKENIZE_CONTRACTION_ANY,
                            .line_ends = true,
                            .last_space_whole = true},
    [PRETOKENIZE_O200K] = {.word = UNICODE_LETTER | UNICODE_MARK,
                           .sign = ~PRETOKENIZE_NOT_SIGN,
                           .digits_max = 3,
                           .any_prefix = true,
                           .join = PRETOKENIZE_JOIN_ANY,
                           .contraction = PRETOKENIZE_CONTRACTION_BEHIND,
                           .line_ends = true,
                           .slashes = true,
                           .cases = true},
    [PRETOKENIZE_LLAMA3] = {.word = UNICODE_LETTER,
                            .sign = ~PRETOKENIZE_NOT_SIGN,
                            .digits_max = 3,
                            .any_prefix = true,
                            .join = PRETOKENIZE_JOIN_ANY,
                            .contraction = PRETOKENIZE_CONTRACTION_ANY,
                            .line_ends = true},
    [PRETOKENIZE_QWEN2] = {.word = UNICODE_LETTER,
                           .sign = ~PRETOKENIZE_NOT_SIGN,
                           .digits_max = 1,
                           .any_prefix = true,
                           .join = PRETOKENIZE_JOIN_ANY,
                           .contraction = PRETOKENIZE_CONTRACTION_ANY,
                           .line_ends = true},
};

/* The bytes of a contraction behind its apostrophe, 0 where there is none: s t re ve m ll d. */
static inline unsigned pretokenize_contraction(enum pretokenize_contraction kind, const uint8_t *at, const uint8_t *end)
{
    if (at == end)
        return 0;
    unsigned fold = kind == PRETOKENIZE_CONTRACTION_LOWER ? 0 : 0x20, second = at + 1 < end ? at[1] | fold : 0;
    switch (at[0] | fold) {
    case 's':
    case 't':
    case 'm':
    case 'd':
        return 1;
    case 'l':
        return second == 'l' ? 2 : 0;
    case 'r':
    case 'v':
        return second == 'e' ? 2 : 0;
    default: /* U+017F is C5 BF */
        return fold && at[0] == 0xC5 && at + 1 < end && at[1] == 0xBF ? 2 : 0;
    }
}

/* The end of the piece that begins at `at` < end, the plain way: a character at a time, what all else is held against. */
const uint8_t *pretokenize_step(const struct pretokenize_pattern *pattern, const uint8_t *at, const uint8_t *end);

/* One built-in's pretokenizer_cut, which cannot fail. */
typedef size_t pretokenize_cut_function(q_string text, size_t *at, size_t *ends, size_t max);

/* The ways to cut that this processor has, fastest first; `plain` is the last of them. */
struct pretokenize_way {
    const char *name; /* "avx512", "avx2", "neon", "plain" */
    pretokenize_cut_function *cut[PRETOKENIZE_BUILT_INS];
};
extern const struct pretokenize_way pretokenize_avx512, pretokenize_avx2, pretokenize_neon, pretokenize_plain;

/* ways[4]; returns how many. */
size_t pretokenize_ways(const struct pretokenize_way *ways[4]);

#endif
