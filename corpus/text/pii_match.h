/* What pii.c is made of: a matcher for each kind. Positions are bytes of the whole text, so that neighbours are seen; a match never begins before `from`, where
 * the last replacement ended. */
#ifndef QUERN_CORPUS_PII_MATCH_H
#define QUERN_CORPUS_PII_MATCH_H

#include "base/string.h"

struct pii_match {
    size_t from, to;
    bool keep; /* it is one, but nobody's: stays as it is */
};

static inline bool pii_is_digit(unsigned char c)
{
    return (unsigned char)(c - '0') < 10;
}

static inline bool pii_is_letter(unsigned char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

/* ASCII only: a byte of another script is a boundary. */
static inline bool pii_is_word(unsigned char c)
{
    return pii_is_digit(c) || pii_is_letter(c) || c == '_';
}

/* The byte at `at`, or 0 outside the text. */
static inline unsigned char pii_byte(q_string text, size_t at)
{
    return at < text.size ? (unsigned char)text.data[at] : 0;
}

/* Whether the digit at `at` is not inside a word, nor a name or a longer number with points. */
static inline bool pii_begins(q_string text, size_t at)
{
    unsigned char before = at ? pii_byte(text, at - 1) : 0;
    return !pii_is_word(before) && !(before == '.' && at > 1 && pii_is_word(pii_byte(text, at - 2)));
}

/* Whether what goes up to `at` is not the beginning of a word, a name or an address. */
static inline bool pii_ends(q_string text, size_t at)
{
    unsigned char next = pii_byte(text, at);
    return !pii_is_word(next) && !((next == '.' || next == ':') && pii_is_word(pii_byte(text, at + 1)));
}

/* Around the '@' at `at`, with what hangs on to it. Looks back to `from` at most, and ahead to the end of the characters that addresses are made of. */
bool pii_match_email(q_string text, size_t from, size_t at, struct pii_match *match);
/* The others begin with the digit at `at`, the first of its run; phone numbers and IBANs may have up to two characters before it. They look at no more than
 * 64 bytes. */
bool pii_match_ip(q_string text, size_t at, struct pii_match *match, bool *version_6);
bool pii_match_phone(q_string text, size_t from, size_t at, struct pii_match *match);
bool pii_match_iban(q_string text, size_t from, size_t at, struct pii_match *match);
bool pii_match_card(q_string text, size_t at, struct pii_match *match);

#endif
