/* A line's shape, for the rules that keep lines or take them out. */
#ifndef QUERN_CORPUS_TEXT_LINES_H
#define QUERN_CORPUS_TEXT_LINES_H

#include "base/string.h"
#include "corpus/text/character_class.h"

/* The line without white space at its ends, Unicode's too. */
q_string corpus_line_strip(const uint16_t *classes, q_string line);

/* The class of the last character of a line that is not empty; *size gets its bytes. */
unsigned corpus_line_last_class(const uint16_t *classes, q_string line, size_t *size);

/* Words between white space, and the characters of the longest. */
struct corpus_line_shape {
    size_t chunks, longest;
    size_t characters, upper, digits; /* code points; general category Lu; 0 to 9 */
};
void corpus_line_measure(const uint16_t *classes, q_string line, struct corpus_line_shape *out);

/* Whether `needle` (lower-case ASCII) stands in the text in any case. */
bool corpus_has_any_case(q_string text, const char *needle);

/* Which of some phrases stand in a text, whatever the case: a bit each. One pass for all of them: a byte that few texts have much of is looked for in
 * each phrase, and the phrase compared around it. */
struct corpus_phrase {
    const char *text; /* lower-case ASCII */
    unsigned anchor;  /* offset of its rarest byte */
};
enum { CORPUS_PHRASES_MAX = 8 };
unsigned corpus_phrases_in(q_string text, const struct corpus_phrase *phrases, size_t count);

#endif
