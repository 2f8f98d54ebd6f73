/* Writes the chosen runs of a page as plain text.
 *
 * Paragraphs and headings are set off by an empty line, list items begin with "- " or their number, the cells of a table's row are joined by " | ",
 * preformatted text stays as it stands. With `markdown`, headings get their '#' and preformatted blocks their fences. */
#ifndef QUERN_CORPUS_HTML_TEXT_H
#define QUERN_CORPUS_HTML_TEXT_H

#include "corpus/html/html_main.h"

/* Appends the runs whose state is HTML_STATE_TAKEN. Linear in nodes and text. */
q_status html_text_write(const struct html_tree *tree, const uint8_t *state, bool markdown,
                         struct q_buffer *out) Q_MUST_USE;

#endif
