/* Added tokens found in a text, with Hugging Face's rules.
 *
 * An automaton (Aho and Corasick 1975, with the failures of leftmost-longest search: a state at which some token has ended fails to
 * nothing, so that only longer tokens from the same start go on) gives the tokens from left to right: the leftmost, of these the longest,
 * never two that overlap. Then, for each:
 *
 *     single_word   a word character (\w) beside it: it is passed over, and the search goes on behind it
 *     lstrip        it takes the white space on its left, up to the token before
 *     rstrip        it takes the white space on its right
 *
 * A token that begins with white space may lie in what an rstrip before it took: both are given, unless nothing is left of it.
 *
 *     text      "Hi  <sep>  there"       <sep> with lstrip and rstrip
 *     matches       [2..........11)      between them: "Hi", "there"
 *
 * There are two lists: tokens without `normalized` are looked for in the text as it came, those with it in the normal form of what the first leave.
 * Source: Hugging Face tokenizers 0.23.3, AddedVocabulary::find_matches.
 */
#ifndef QUERN_TOKENIZER_ADDED_TOKENS_H
#define QUERN_TOKENIZER_ADDED_TOKENS_H

#include "base/status.h"
#include "base/string.h"
#include "tokenizer/vocabulary/vocabulary.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Immutable, for any number of threads. */
struct added_tokens;

/* The automaton of the tokens whose `normalized` is this. The vocabulary must outlive it. */
q_status added_tokens_create(const struct vocabulary *vocabulary, bool normalized,
                             struct added_tokens **out) Q_MUST_USE;
void added_tokens_release(struct added_tokens *added);
/* No token at all: the text is one gap. */
bool added_tokens_none(const struct added_tokens *added);

struct added_match {
    size_t
        gap; /* text[gap, start) lies between the match before (or the start of the text) and this one; empty where gap >= start */
    size_t start, end; /* with the white space it takes */
    uint32_t id;
};

/* Zeroed, it begins a text. At the end text[done, text.size) is the last gap. */
struct added_walk {
    size_t at;   /* where the search goes on */
    size_t done; /* the end of the last match */
};

/* The next match; false at the end of the text. Skips what cannot begin a token at some 0.1 cycles a byte where all tokens begin with the same
 * byte ("<"), else at about one. */
bool added_tokens_next(const struct added_tokens *added, q_string text, struct added_walk *walk,
                       struct added_match *match);

#endif
