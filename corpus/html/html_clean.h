/* Inside the main text: what is to go all the same. And the measures of nodes that this and the choice of the main text share. Internal to html_main. */
#ifndef QUERN_CORPUS_HTML_CLEAN_H
#define QUERN_CORPUS_HTML_CLEAN_H

#include "corpus/html/html_main.h"

/* Prunes, of what is taken: blocks that are mostly links, captions, short lines of meta data; outside manuals dates and addresses above the text; headings
 * under which nothing is left. */
void html_clean(const struct html_tree *tree, struct html_main *main);

/* Letters of the runs that are taken. */
uint32_t html_taken_letters(const struct html_tree *tree, const struct html_main *main);

/* Letters, and those in links, of the nodes from `from` up to `to`, those pruned at first left out. */
static inline uint32_t html_letters_in(const struct html_main *main, size_t from, size_t to)
{
    return main->letters[to] - main->letters[from];
}

static inline uint32_t html_linked_in(const struct html_main *main, size_t from, size_t to)
{
    return main->linked[to] - main->linked[from];
}

static inline double html_link_density(const struct html_main *main, size_t from, size_t to)
{
    uint32_t letters = html_letters_in(main, from, to);
    return letters ? (double)html_linked_in(main, from, to) / letters : 0;
}

static inline void html_set_state(struct html_main *main, size_t from, size_t to, enum html_state state)
{
    memset(main->state + from, (int)state, to - from);
}

#endif
