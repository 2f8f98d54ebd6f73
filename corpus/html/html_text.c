#include "corpus/html/html_text.h"

#include "base/check.h"
#include "corpus/html/html_writer.h"

/* What stands between two runs. */
enum gap { GAP_CELL, GAP_LINE, GAP_PARAGRAPH };

/* A cell with one run in it is written in its row's line; one with more, or with preformatted text, is a box of layout, written as blocks. */
static bool is_plain_cell(const struct html_writer *w, uint32_t cell)
{
    return html_taken_runs(w, cell) == 1;
}

static enum gap gap_before(const struct html_writer *w, uint32_t run)
{
    const struct html_tree *tree = w->tree;
    if (html_is_heading(tree->nodes[run].tag))
        return GAP_PARAGRAPH;
    uint32_t item = html_ancestor(tree, run, HTML_TAG_li, HTML_TAG_dd),
             last_item = html_ancestor(tree, w->last, HTML_TAG_li, HTML_TAG_dd);
    uint32_t cell = html_ancestor(tree, run, HTML_TAG_td, HTML_TAG_th),
             last_cell = html_ancestor(tree, w->last, HTML_TAG_td, HTML_TAG_th);
    bool pre = (tree->nodes[run].flags | tree->nodes[w->last].flags) & HTML_NODE_PRE;
    if (cell && last_cell && cell != last_cell && !pre && is_plain_cell(w, cell) && is_plain_cell(w, last_cell)) {
        uint32_t row = html_ancestor(tree, cell, HTML_TAG_tr, HTML_TAG_tr),
                 last_row = html_ancestor(tree, last_cell, HTML_TAG_tr, HTML_TAG_tr);
        if (row && row == last_row)
            return GAP_CELL;
        if (row && last_row &&
            html_ancestor(tree, row, HTML_TAG_table, HTML_TAG_table) ==
                html_ancestor(tree, last_row, HTML_TAG_table, HTML_TAG_table))
            return GAP_LINE;
    }
    if (item && item != last_item && (last_item || tree->nodes[w->last].tag == HTML_TAG_dt))
        return GAP_LINE;
    return GAP_PARAGRAPH;
}

/* Number of an item in its ordered list, counted on from the item before that has a mark. The lists that are open are a stack, so that each item is
 * counted once. */
static uint32_t item_number(struct html_writer *w, uint32_t item)
{
    const struct html_node *nodes = w->tree->nodes;
    uint32_t list = nodes[item].parent;
    while (w->list_count && nodes[w->lists[w->list_count - 1].list].end <= item)
        w->list_count--;
    if (!w->list_count || w->lists[w->list_count - 1].list != list)
        w->lists[w->list_count++] = (struct html_open_list){.list = list, .next = list + 1};
    struct html_open_list *open = &w->lists[w->list_count - 1];
    for (; open->next <= item; open->next = nodes[open->next].end)
        open->number += !html_is_run(&nodes[open->next]) && nodes[open->next].tag == HTML_TAG_li;
    return open->number;
}

/* What the mark of a list's present item takes: two for a dash, a number's digits and two. */
static unsigned mark_width(const struct html_writer *w, uint32_t list)
{
    unsigned width = 3;
    if (w->tree->nodes[list].tag != HTML_TAG_ol)
        return 2;
    for (size_t i = w->list_count; i-- > 0;)
        if (w->lists[i].list == list)
            for (uint32_t number = w->lists[i].number; number >= 10; number /= 10)
                width++;
    return width;
}

/* How far an item's mark stands to the right: in Markdown what the marks of the lists around take, in plain text two a list. */
static unsigned list_indent(const struct html_writer *w, uint32_t item)
{
    enum { LISTS_MAX = 8 };
    const struct html_tree *tree = w->tree;
    unsigned indent = 0, lists = 0;
    for (uint32_t up = tree->nodes[item].parent; lists < LISTS_MAX; lists++) {
        up = html_ancestor(tree, tree->nodes[up].parent, HTML_TAG_ul, HTML_TAG_ol);
        if (!up)
            break;
        indent += w->markdown ? mark_width(w, up) : 2;
    }
    return indent;
}

static q_status write_spaces(struct html_writer *w, unsigned count)
{
    static const char spaces[] = "                                        ";
    return q_buffer_append(w->out, spaces, Q_MIN(count, sizeof spaces - 1));
}

/* The mark of a list item that begins with this run: "- " or, in an ordered list, its number. Sets w->indent for the run's further lines. */
static q_status write_mark(struct html_writer *w, uint32_t run)
{
    const struct html_node *nodes = w->tree->nodes;
    uint32_t item = html_ancestor(w->tree, run, HTML_TAG_li, HTML_TAG_li);
    w->indent = 0;
    if (!item || item == w->section)
        return Q_OK;
    uint32_t list = nodes[item].parent;
    bool marked = item == w->last_item || (w->last > item && w->last < nodes[item].end); /* by an earlier run */
    uint32_t number = !marked && nodes[list].tag == HTML_TAG_ol ? item_number(w, item) : 0;
    unsigned before = list_indent(w, item);
    w->indent = w->markdown ? before + mark_width(w, list) : 0;
    if (marked)
        return write_spaces(w, w->indent);
    w->last_item = item;
    if (html_is_heading(nodes[run].tag)) { /* a section that its maker calls an item */
        w->section = item;
        w->indent = 0;
        return Q_OK;
    }
    Q_TRY(write_spaces(w, before));
    return number ? q_buffer_printf(w->out, "%u. ", number) : q_buffer_append(w->out, "- ", 2);
}

static q_status write_heading_mark(struct html_writer *w, unsigned tag)
{
    static const char marks[] = "###### ";
    if (!w->markdown || !html_is_heading(tag))
        return Q_OK;
    unsigned level = tag - HTML_TAG_h1 + 1;
    return q_buffer_append(w->out, marks + 6 - level, level + 1);
}

static q_status write_run(struct html_writer *w, uint32_t run)
{
    static const char *const gaps[] = {" | ", "\n", "\n\n"};
    const struct html_node *node = &w->tree->nodes[run];
    enum gap gap = w->last ? gap_before(w, run) : GAP_PARAGRAPH;
    if (w->last)
        Q_TRY(q_buffer_append_string(w->out, q_string_of(gaps[gap])));
    w->indent = 0;
    if (gap != GAP_CELL)
        Q_TRY(write_mark(w, run));
    if (w->markdown && node->flags & HTML_NODE_PRE) {
        Q_TRY(html_write_fenced(w, run));
    } else {
        Q_TRY(write_heading_mark(w, node->tag));
        if (w->markdown && node->tag == HTML_TAG_dd)
            Q_TRY(q_buffer_append(w->out, ": ", 2));
        Q_TRY(html_write_lines(w, html_node_text(w->tree, node)));
    }
    w->last = run;
    return Q_OK;
}

/* runs[i]: how many runs before node i are taken. */
static q_status count_runs(const struct html_tree *tree, const uint8_t *state, struct html_text *text)
{
    uint32_t runs = 0;
    Q_TRY(q_grow(&text->runs, &text->capacity, tree->count + 1, sizeof *text->runs));
    for (size_t i = 0; i < tree->count; i++) {
        text->runs[i] = runs;
        runs += html_is_run(&tree->nodes[i]) && state[i] == HTML_STATE_TAKEN;
    }
    text->runs[tree->count] = runs;
    return Q_OK;
}

q_status html_text_write(const struct html_tree *tree, const uint8_t *state, bool markdown, struct html_text *text)
{
    q_buffer_clear(&text->out);
    Q_TRY(count_runs(tree, state, text));
    struct html_writer w = {.tree = tree, .state = state, .runs = text->runs, .markdown = markdown, .out = &text->out};
    for (uint32_t i = 1; i < tree->count; i++) {
        const struct html_node *node = &tree->nodes[i];
        unsigned columns = 0;
        if (html_is_run(node)) {
            if (state[i] == HTML_STATE_TAKEN)
                Q_TRY(write_run(&w, i));
        } else if (markdown && node->tag == HTML_TAG_table && (columns = html_table_columns(&w, i))) {
            Q_TRY(html_write_table(&w, i, columns));
            i = node->end - 1;
        }
    }
    return Q_OK;
}

void html_text_release(struct html_text *text)
{
    q_buffer_release(&text->out);
    q_release(text->runs);
    *text = (struct html_text){0};
}
