/* The main text of a page: which runs of its tree belong to it.
 *
 *   1 prune   what its tag, role or author's words say is not text (nav, aside, "sidebar", ...), unless it holds most of the page
 *   2 manual  of a page that a program for manuals made, take the rest, or what stands in <main>; else
 *     body    where the author marks the text ("article-body", itemprop articleBody), take that and its like; else
 *     score   every paragraph adds to its ancestors, half at each step, as its length and commas say; link density takes away (after
 *             Arc90's Readability); the best node is taken with those of its siblings that read alike; too little text: the whole page
 *   3 clean   inside what was taken: blocks that are mostly links, captions, short lines of meta data, dates above the text,
 *             headings under which nothing is left
 *
 * Work is a fixed number of passes over the nodes; the result depends on the page alone.
 */
#ifndef QUERN_CORPUS_HTML_MAIN_H
#define QUERN_CORPUS_HTML_MAIN_H

#include "corpus/html/html_tree.h"

/* Results and scratch of html_main_find, one entry per node; used again from page to page. */
struct html_main {
    uint8_t *state;        /* enum html_state */
    float *score;          /* elements */
    uint32_t *letters;     /* cumulated over runs: characters before node i; count + 1 entries */
    uint32_t *linked;      /* the same inside links */
    uint32_t *run_letters; /* of each run: what it counts */
    uint32_t *run_commas;
    size_t capacity[6];
};

enum html_state {
    HTML_STATE_OUT = 0,   /* not part of the main text */
    HTML_STATE_TAKEN = 1, /* part of it; for a run: to be written */
    HTML_STATE_PRUNED = 2,
};

/* Fills main->state. */
q_status html_main_find(const struct html_tree *tree, struct html_main *main) Q_MUST_USE;
/* All runs but those that are hidden: what `html: all` takes. */
q_status html_main_all(const struct html_tree *tree, struct html_main *main) Q_MUST_USE;
void html_main_release(struct html_main *main);

#endif
