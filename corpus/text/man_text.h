/* Manual pages (troff with the man or mdoc macros) as plain text: sections as headings, paragraphs filled, lists as "term" and text, examples as they
 * stand. A reader of what manuals use, not a troff: definitions, conditions and registers are passed over. */
#ifndef QUERN_CORPUS_MAN_TEXT_H
#define QUERN_CORPUS_MAN_TEXT_H

#include "base/memory.h"

/* Appends the page's text. page: valid UTF-8. *title gets the .TH or .Dt line's name and section, "ls(1)", in `title_buffer`. Linear in the page. */
q_status man_text(q_string page, struct q_buffer *out, struct q_buffer *title) Q_MUST_USE;

#endif
