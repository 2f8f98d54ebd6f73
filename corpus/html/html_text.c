#include "corpus/html/html_text.h"

#include "base/check.h"
/* What stands between two runs. */
enum gap { GAP_CELL, GAP_LINE, GAP_PARAGRAPH };

struct writer {
    const struct html_tree *tree;
    bool markdown;
    struct q_buffer *out;
    uint32_t last;      /* run written before, 0: none */
    uint32_t last_item; /* list item whose mark was written last, 0: none */
    uint32_t number;    /* of that item in its list */
    uint32_t cells[2];  /* the cells looked at last, and what was found: so that no cell is walked once per run */
    bool plain[2];
};

static const struct html_node *node_at(const struct writer *w, uint32_t i)
{
    return &w->tree->nodes[i];
}

/* The nearest ancestor (or the node itself) with one of two tags, at or above `i`, stopping at a cell or the root; 0: none. */
static uint32_t ancestor(const struct writer *w, uint32_t i, enum html_tag a, enum html_tag b)
{
    for (; i; i = node_at(w, i)->parent)
        if (!(node_at(w, i)->flags & HTML_NODE_RUN) && (node_at(w, i)->tag == a || node_at(w, i)->tag == b))
            return i;
    return 0;
}

/* A cell with one run in it is written in its row's line; one with more is a box of layout, written as blocks. */
static bool is_plain_cell(struct writer *w, uint32_t cell)
{
    for (unsigned i = 0; i < 2; i++)
        if (w->cells[i] == cell)
            return w->plain[i];
    unsigned runs = 0;
    for (uint32_t i = cell + 1; i < node_at(w, cell)->end && runs < 2; i++)
        runs += node_at(w, i)->flags & HTML_NODE_RUN;
    w->cells[0] = w->cells[1];
    w->plain[0] = w->plain[1];
    w->cells[1] = cell;
    return w->plain[1] = runs == 1;
}

static enum gap gap_before(struct writer *w, uint32_t run)
{
    uint32_t item = ancestor(w, run, HTML_TAG_li, HTML_TAG_dd),
             last_item = ancestor(w, w->last, HTML_TAG_li, HTML_TAG_dd);
    uint32_t cell = ancestor(w, run, HTML_TAG_td, HTML_TAG_th),
             last_cell = ancestor(w, w->last, HTML_TAG_td, HTML_TAG_th);
    if (cell && last_cell && cell != last_cell && is_plain_cell(w, cell) && is_plain_cell(w, last_cell)) {
        uint32_t row = ancestor(w, cell, HTML_TAG_tr, HTML_TAG_tr),
                 last_row = ancestor(w, last_cell, HTML_TAG_tr, HTML_TAG_tr);
        if (row && row == last_row)
            return GAP_CELL;
        if (row && last_row && node_at(w, row)->parent == node_at(w, last_row)->parent)
            return GAP_LINE;
    }
    if (item && item != last_item && (last_item || node_at(w, w->last)->tag == HTML_TAG_dt))
        return GAP_LINE;
    return GAP_PARAGRAPH;
}

/* Number of an item in its ordered list, counted on from the item marked before where that stands in the same list. */
static uint32_t item_number(const struct writer *w, uint32_t item)
{
    uint32_t list = node_at(w, item)->parent, from = list + 1, number = 0;
    if (w->last_item && w->last_item < item && node_at(w, w->last_item)->parent == list) {
        from = node_at(w, w->last_item)->end;
        number = w->number;
    }
    for (uint32_t i = from; i <= item; i = node_at(w, i)->end)
        number += !(node_at(w, i)->flags & HTML_NODE_RUN) && node_at(w, i)->tag == HTML_TAG_li;
    return number;
}

/* The mark of a list item that begins with this run: "- " or, in an ordered list, its number; two spaces per list around. */
static q_status write_mark(struct writer *w, uint32_t run)
{
    enum { INDENT_MAX = 8 };
    uint32_t item = ancestor(w, run, HTML_TAG_li, HTML_TAG_li);
    if (!item || item == w->last_item || (w->last > item && w->last < node_at(w, item)->end))
        return Q_OK; /* no item, or a later paragraph of one that has its mark */
    uint32_t list = node_at(w, item)->parent, up = list;
    for (unsigned depth = 0; depth < INDENT_MAX; depth++) {
        up = ancestor(w, node_at(w, up)->parent, HTML_TAG_ul, HTML_TAG_ol);
        if (!up)
            break;
        Q_TRY(q_buffer_append(w->out, "  ", 2));
    }
    w->number = item_number(w, item);
    w->last_item = item;
    if (node_at(w, list)->tag != HTML_TAG_ol)
        return q_buffer_append(w->out, "- ", 2);
    return q_buffer_printf(w->out, "%u. ", w->number);
}

static q_status write_heading_mark(struct writer *w, unsigned tag)
{
    static const char marks[] = "###### ";
    if (!w->markdown || tag < HTML_TAG_h1 || tag > HTML_TAG_h6)
        return Q_OK;
    unsigned level = tag - HTML_TAG_h1 + 1;
    return q_buffer_append(w->out, marks + 6 - level, level + 1);
}

static q_status write_run(struct writer *w, uint32_t run)
{
    static const char *const gaps[] = {" | ", "\n", "\n\n"};
    const struct html_node *node = node_at(w, run);
    bool fence = w->markdown && node->flags & HTML_NODE_PRE;
    if (w->last)
        Q_TRY(q_buffer_append_string(w->out, q_string_of(gaps[gap_before(w, run)])));
    Q_TRY(write_mark(w, run));
    Q_TRY(write_heading_mark(w, node->tag));
    if (fence)
        Q_TRY(q_buffer_append(w->out, "```\n", 4));
    Q_TRY(q_buffer_append_string(w->out, html_node_text(w->tree, node)));
    if (fence)
        Q_TRY(q_buffer_append(w->out, "\n```", 4));
    w->last = run;
    return Q_OK;
}

q_status html_text_write(const struct html_tree *tree, const uint8_t *state, bool markdown, struct q_buffer *out)
{
    struct writer w = {.tree = tree, .markdown = markdown, .out = out};
    for (uint32_t i = 1; i < tree->count; i++)
        if (tree->nodes[i].flags & HTML_NODE_RUN && state[i] == HTML_STATE_TAKEN)
            Q_TRY(write_run(&w, i));
    return Q_OK;
}
