/* The form that every text has behind stage 1: valid UTF-8 in NFC, lines ended by LF, and none of these, of which every change is counted:
 *   - control characters but tab and LF, byte order marks inside, noncharacters;
 *   - marks of direction (U+061C, U+200E, U+200F), embeddings, overrides and isolates (U+202A to U+202E, U+2066 to U+2069): they lay out what a reader's
 *     program orders by the letters' own directions, and hide things in text. U+200C and U+200D stay: Persian, the scripts of India and emoji are
 *     written with them;
 *   - soft hyphens, and U+200B and U+2060, which cannot be seen; but U+200B stays behind a letter of Thai, Lao, Tibetan, Burmese and Khmer, where it
 *     parts words;
 *   - blanks (space and tab) at the end of a line, more than two empty lines in a row, and white space at either end of the text. Indentation stays,
 *     that of the first line too, and so do blanks within lines.
 *   - of more than 1,024 combining marks (or whatever else cannot begin a normal form) in a row, those beyond: unicode_nfc.h.
 * Normalising twice is normalising once. The text is read once at memory speed where nothing special stands, and once more by ICU only where a character
 * stands that NFC may change.
 */
#ifndef QUERN_CORPUS_NORMALISE_H
#define QUERN_CORPUS_NORMALISE_H

#include "base/memory.h"

struct corpus_changes {
    uint64_t charset;   /* documents converted from another charset */
    uint64_t repaired;  /* broken UTF-8 sequences replaced by U+FFFD */
    uint64_t line_ends; /* CR LF, CR, NEL, U+2028, U+2029 made LF */
    uint64_t controls;  /* control characters, byte order marks, noncharacters, and the marks of endless rows removed */
    uint64_t composed;  /* documents that were not in NFC */
    uint64_t trimmed;   /* documents with white space cut from an end */
    uint64_t bidi, soft_hyphens, zero_widths;   /* characters removed */
    uint64_t trailing_blanks;                   /* lines that ended in blanks */
    uint64_t blank_lines;                       /* places with more than two empty lines, made two */
    uint64_t mojibake;                          /* runs repaired (mojibake.h) */
    uint64_t emails, ips, phones, ibans, cards; /* places replaced (pii.h) */
};

/* Writes the normal form of `text` (valid UTF-8) into `out` (cleared first); `scratch` is used where NFC changes it. Adds to *changes. */
q_status corpus_normalise(q_string text, struct q_buffer *out, struct q_buffer *scratch,
                          struct corpus_changes *changes) Q_MUST_USE;

#endif
