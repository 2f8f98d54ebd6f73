/* Text of a page outside pre: white space collapsed, references decoded. */
#ifndef QUERN_CORPUS_HTML_COLLAPSE_H
#define QUERN_CORPUS_HTML_COLLAPSE_H

#include "base/memory.h"

/* Appends to a run that begins at text->data[run_from]: a row of white space (&nbsp; and U+00A0 among it) becomes one space, none where the run begins or
 * already ends in a space or line break. Never appends more than bytes.size. Blocks of 16 bytes with nothing to change are copied at once. */
q_status html_collapse(struct q_buffer *text, size_t run_from, q_string bytes) Q_MUST_USE;

/* The same, byte by byte: the twin that a test compares it with. */
q_status html_collapse_plain(struct q_buffer *text, size_t run_from, q_string bytes) Q_MUST_USE;

/* HTML's white space. */
static inline bool html_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

#endif
