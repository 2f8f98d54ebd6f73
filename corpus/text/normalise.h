/* The form that every text has behind stage 1: valid UTF-8 in NFC, lines ended by LF, no control characters but tab and LF, no byte order
 * marks inside, no blank at either end. Every change is counted. */
#ifndef QUERN_CORPUS_NORMALISE_H
#define QUERN_CORPUS_NORMALISE_H

#include "base/memory.h"

struct corpus_changes {
    uint64_t charset;   /* documents converted from another charset */
    uint64_t repaired;  /* broken UTF-8 sequences replaced by U+FFFD */
    uint64_t line_ends; /* CR LF, CR, NEL, U+2028, U+2029 made LF */
    uint64_t controls;  /* control characters, byte order marks and noncharacters removed */
    uint64_t composed;  /* documents that were not in NFC */
    uint64_t trimmed;   /* documents with white space cut from an end */
    uint64_t mojibake;  /* runs of characters that were UTF-8 read in another charset, repaired (mojibake.h) */
    uint64_t emails, ips, phones, ibans, cards; /* places replaced (pii.h) */
};

/* Writes the normal form of `text` (valid UTF-8) into `out` (cleared first); `scratch` is used where NFC changes it. Adds to *changes. */
q_status corpus_normalise(q_string text, struct q_buffer *out, struct q_buffer *scratch,
                          struct corpus_changes *changes) Q_MUST_USE;

#endif
