#include "corpus/html/html_clean.h"

#include "base/check.h"
#include "corpus/html/html_hints.h"

enum { DATELINE_LETTERS_MAX = 120 }; /* a longer run is the first paragraph */

/* Whether an element is to go although it stands in the main text. */
static bool is_clutter(const struct html_tree *tree, const struct html_main *main, size_t i)
{
    const struct html_node *node = &tree->nodes[i];
    uint32_t letters = html_letters_in(main, i, node->end);
    double links = html_link_density(main, i, node->end);
    switch (node->tag) {
    case HTML_TAG_figcaption:
    case HTML_TAG_figure:
        return true;
    case HTML_TAG_form:
    case HTML_TAG_fieldset:
        return letters < 200;
    case HTML_TAG_ul:
    case HTML_TAG_ol:
    case HTML_TAG_dl:
    case HTML_TAG_table:
        /* In a manual, tables are of names that lead to their sections; the head of a function may be one, of one run. */
        if (tree->head.manual)
            return links > 0.9 && node->end > i + 2;
        return links > 0.6;
    case HTML_TAG_div:
    case HTML_TAG_section:
    case HTML_TAG_header:
        return links > 0.6 || (node->hints & HTML_HINT_WEAK && letters < 200);
    case HTML_TAG_p:
        return links > (tree->head.manual ? 0.9 : 0.7);
    default:
        return node->hints & HTML_HINT_WEAK && letters < 200;
    }
}

uint32_t html_taken_letters(const struct html_tree *tree, const struct html_main *main)
{
    uint32_t letters = 0;
    for (size_t i = 0; i < tree->count; i++)
        if (html_is_run(&tree->nodes[i]) && main->state[i] == HTML_STATE_TAKEN)
            letters += html_letters_in(main, i, i + 1);
    return letters;
}

static void drop_clutter(const struct html_tree *tree, struct html_main *main)
{
    uint32_t all = html_taken_letters(tree, main);
    for (size_t i = 1; i < tree->count; i++) {
        if (html_is_run(&tree->nodes[i]) || main->state[i] != HTML_STATE_TAKEN || !is_clutter(tree, main, i))
            continue;
        if (html_letters_in(main, i, tree->nodes[i].end) * (uint64_t)2 > all)
            continue; /* then it is the text */
        html_set_state(main, i, tree->nodes[i].end, HTML_STATE_PRUNED);
        i = tree->nodes[i].end - 1;
    }
}

/* Above the text: a line that is an address, or that says when and no more. */
static bool is_dateline(q_string text)
{
    bool space = false, time = false, year = false;
    unsigned digits = 0;
    for (size_t i = 0; i <= text.size; i++) {
        char c = i < text.size ? text.data[i] : ' ';
        if (c >= '0' && c <= '9') {
            digits++;
            continue;
        }
        year |= digits == 4 && (text.data[i - 4] == '1' || text.data[i - 4] == '2');
        time |= c == ':' && digits && digits <= 2 && i + 1 < text.size && text.data[i + 1] >= '0' &&
                text.data[i + 1] <= '5';
        space |= c == ' ' && i < text.size;
        digits = 0;
    }
    return (year && time) || (!space && q_string_starts(text, "http"));
}

/* The lines between the heading and the first paragraph. */
static void drop_datelines(const struct html_tree *tree, struct html_main *main)
{
    for (size_t i = 1; i < tree->count; i++) {
        const struct html_node *node = &tree->nodes[i];
        if (!html_is_run(node) || main->state[i] != HTML_STATE_TAKEN || html_is_heading(node->tag))
            continue;
        if (main->run_letters[i] >= DATELINE_LETTERS_MAX || node->flags & HTML_NODE_PRE)
            break;
        if (is_dateline(html_node_text(tree, node)))
            main->state[i] = HTML_STATE_PRUNED;
    }
}

/* Headings whose text was taken away from under them: up to the next heading of their level, or the end, nothing is left and something was. */
static void drop_bare_headings(const struct html_tree *tree, struct html_main *main)
{
    const struct html_node *next = NULL;
    bool lost = false;
    for (size_t i = tree->count; i-- > 1;) {
        const struct html_node *node = &tree->nodes[i];
        if (!html_is_run(node) || main->state[i] == HTML_STATE_OUT)
            continue;
        if (main->state[i] == HTML_STATE_PRUNED) {
            lost = true;
        } else if (lost && html_is_heading(node->tag) &&
                   (!next || (html_is_heading(next->tag) && next->tag <= node->tag))) {
            main->state[i] = HTML_STATE_PRUNED;
        } else {
            next = node;
            lost = false;
        }
    }
}

void html_clean(const struct html_tree *tree, struct html_main *main)
{
    drop_clutter(tree, main);
    if (!tree->head.manual)
        drop_datelines(tree, main);
    drop_bare_headings(tree, main);
}
