/* Writes the chosen runs of a page as plain text or light Markdown.
 *
 *                     plain                                     Markdown
 *     heading         set off by an empty line                  with its '#'
 *     list item       "- " or its number, two spaces a list     the same, nested by what the mark takes; later paragraphs indented
 *     table           a line a row, cells joined by " | "       a table with a line under its first row
 *     term, meaning   a line each                               ": " before the meaning
 *     preformatted    as it stands                              between fences, with its language where the page says it
 *
 * A table whose cells hold more than a line each is layout: its cells are written as blocks. */
#ifndef QUERN_CORPUS_HTML_TEXT_H
#define QUERN_CORPUS_HTML_TEXT_H

#include "corpus/html/html_main.h"

/* Zeroed is ready; used again from page to page. */
struct html_text {
    struct q_buffer out;
    uint32_t *runs; /* taken runs before node i; one entry more than nodes */
    size_t capacity;
};

/* Fills text->out with the runs whose state is HTML_STATE_TAKEN. Linear in nodes and text. */
q_status html_text_write(const struct html_tree *tree, const uint8_t *state, bool markdown,
                         struct html_text *text) Q_MUST_USE;
void html_text_release(struct html_text *text);

#endif
