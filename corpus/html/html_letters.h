/* How much a text has to read. */
#ifndef QUERN_CORPUS_HTML_LETTERS_H
#define QUERN_CORPUS_HTML_LETTERS_H

#include "base/string.h"

struct html_letters {
    uint32_t
        letters; /* characters; those of East Asia (lead bytes E3 to ED, from U+3000 on) for two, since their text is about twice as dense */
    uint32_t
        commas; /* ',' and U+060C, U+3001, U+3002, U+FF0C: commas of Arabic, commas and stops of Japanese and Chinese */
};

/* text: UTF-8 below 1 GiB. Blocks of 16 bytes; html_letters_plain is the same byte by byte, the twin that a test compares it with. */
struct html_letters html_letters(q_string text);
struct html_letters html_letters_plain(q_string text);

#endif
