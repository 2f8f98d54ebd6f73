/* The state of writing a page's text, and what of Markdown takes more than a mark. Internal to html_text. */
#ifndef QUERN_CORPUS_HTML_WRITER_H
#define QUERN_CORPUS_HTML_WRITER_H

#include "corpus/html/html_main.h"

struct html_open_list {
    uint32_t list;
    uint32_t next;   /* child not counted yet */
    uint32_t number; /* items before it */
};

struct html_writer {
    const struct html_tree *tree;
    const uint8_t *state;
    const uint32_t *runs; /* taken runs before node i */
    bool markdown;
    struct q_buffer *out;
    uint32_t last;      /* run written before, 0: none */
    uint32_t last_item; /* list item whose mark was written last, 0: none */
    uint32_t section;   /* list item that began with a heading and so has no mark, 0: none */
    unsigned indent;    /* of the present run's further lines, in Markdown */
    size_t list_count;
    struct html_open_list lists[HTML_DEPTH_MAX]; /* ordered lists around the last item */
};

/* The nearest ancestor (or the node itself) with one of two tags, at or above `i`; 0: none. */
uint32_t html_ancestor(const struct html_tree *tree, uint32_t i, enum html_tag a, enum html_tag b);

static inline uint32_t html_taken_runs(const struct html_writer *w, uint32_t node)
{
    return w->runs[w->tree->nodes[node].end] - w->runs[node];
}

/* Text, with w->indent spaces before its second and further lines. */
q_status html_write_lines(struct html_writer *w, q_string text) Q_MUST_USE;
/* A preformatted run between fences, longer than any it holds. */
q_status html_write_fenced(struct html_writer *w, uint32_t run) Q_MUST_USE;
/* Columns of a table that can be written as one: no table and nothing preformatted in it, at most one run in a cell, two rows and two columns
 * at least, HTML_COLUMNS_MAX at most; else 0. */
unsigned html_table_columns(const struct html_writer *w, uint32_t table);
q_status html_write_table(struct html_writer *w, uint32_t table, unsigned columns) Q_MUST_USE;

enum { HTML_COLUMNS_MAX = 64 };

#endif
