/* The tree of a page while it grows: open blocks, the run that is being written. Internal to html_tree. */
#ifndef QUERN_CORPUS_HTML_BUILDER_H
#define QUERN_CORPUS_HTML_BUILDER_H

#include "corpus/html/html_tree.h"

/* `stack` holds the open blocks, root first; `open` counts them by tag, so that a stray closing tag costs nothing. */
struct html_builder {
    struct html_tree *tree;
    struct html_scanner scanner;
    uint32_t stack[HTML_DEPTH_MAX];
    q_string classes[HTML_DEPTH_MAX]; /* of the open blocks */
    size_t depth;
    uint32_t overflow; /* blocks opened beyond HTML_DEPTH_MAX and not closed yet */
    uint16_t open[HTML_TAG_COUNT];
    size_t run_from;     /* where the current run begins in the text */
    size_t run_links;    /* bytes of it inside links */
    size_t link_depth;   /* depth at which the open link began; 0: none (the root's depth is 1) */
    size_t link_from;    /* where in the text it began */
    bool link_here;      /* it leads to a place of this page */
    unsigned pre;        /* open pre blocks */
    uint32_t pre_lines;  /* blocks opened inside a pre, where they are lines of its text */
    uint32_t line_table; /* open table that is a line of text: its depth, 0: none */
    bool pre_begins;  /* a line end here is not content: the first in a pre, and one behind a block that was a line */
    unsigned rescues; /* from elements to skip that are never closed */
};

q_status html_builder_begin(struct html_builder *b, struct html_tree *tree, q_string page) Q_MUST_USE;
/* Closes all that is open. */
q_status html_builder_end(struct html_builder *b) Q_MUST_USE;
q_status html_builder_open(struct html_builder *b, const struct html_token *token) Q_MUST_USE;
q_status html_builder_close(struct html_builder *b, enum html_tag tag) Q_MUST_USE;
/* Text with its references. */
q_status html_builder_text(struct html_builder *b, q_string bytes) Q_MUST_USE;
/* One line break: the second in a row ends the paragraph. */
q_status html_builder_break(struct html_builder *b) Q_MUST_USE;
void html_builder_open_link(struct html_builder *b, q_string href);
void html_builder_close_link(struct html_builder *b);
/* Notes the language of the code in the innermost pre, where a class or data-lang of it or in it says one. */
q_status html_builder_code(struct html_builder *b, const struct html_token *token) Q_MUST_USE;

/* Whether a block's end tag, or the end of a line of code, begins a line that was not there. */
/* What hides an element: its attributes, or a name that no text bears (heading anchors, line numbers, texts for screen readers). */
bool html_is_hidden(const struct html_token *token);

#endif
