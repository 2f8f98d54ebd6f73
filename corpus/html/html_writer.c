#include "corpus/html/html_writer.h"

#include "base/check.h"

uint32_t html_ancestor(const struct html_tree *tree, uint32_t i, enum html_tag a, enum html_tag b)
{
    for (; i; i = tree->nodes[i].parent)
        if (!html_is_run(&tree->nodes[i]) && (tree->nodes[i].tag == a || tree->nodes[i].tag == b))
            return i;
    return 0;
}

static q_status start_line(struct html_writer *w)
{
    Q_TRY(q_buffer_append_byte(w->out, '\n'));
    for (unsigned i = 0; i < w->indent; i++)
        Q_TRY(q_buffer_append_byte(w->out, ' '));
    return Q_OK;
}

q_status html_write_lines(struct html_writer *w, q_string text)
{
    q_string line;
    if (!w->indent)
        return q_buffer_append_string(w->out, text);
    for (bool first = true; q_string_next_line(&text, &line); first = false) {
        if (!first)
            Q_TRY(start_line(w));
        Q_TRY(q_buffer_append_string(w->out, line));
    }
    return Q_OK;
}

/* --- code -------------------------------------------------------------------------------------------------------------------------- */

static size_t longest_fence(q_string text)
{
    size_t longest = 0, row = 0;
    for (size_t i = 0; i < text.size; i++) {
        row = text.data[i] == '`' ? row + 1 : 0;
        longest = Q_MAX(longest, row);
    }
    return longest;
}

static q_status write_fence(struct html_writer *w, size_t ticks)
{
    for (size_t i = 0; i < ticks; i++)
        Q_TRY(q_buffer_append_byte(w->out, '`'));
    return Q_OK;
}

q_status html_write_fenced(struct html_writer *w, uint32_t run)
{
    const struct html_tree *tree = w->tree;
    q_string text = html_node_text(tree, &tree->nodes[run]);
    size_t ticks = Q_MAX(longest_fence(text) + 1, (size_t)3);
    uint32_t pre = html_ancestor(tree, run, HTML_TAG_pre, HTML_TAG_pre);
    Q_TRY(write_fence(w, ticks));
    if (pre && tree->nodes[pre].language)
        Q_TRY(q_buffer_append_string(w->out, q_string_of(tree->languages.data + tree->nodes[pre].language - 1)));
    Q_TRY(start_line(w));
    Q_TRY(html_write_lines(w, text));
    Q_TRY(start_line(w));
    return write_fence(w, ticks);
}

/* --- tables ------------------------------------------------------------------------------------------------------------------------ */

static bool is_cell(const struct html_node *node)
{
    return !html_is_run(node) && (node->tag == HTML_TAG_td || node->tag == HTML_TAG_th);
}

static bool is_row(const struct html_node *node)
{
    return !html_is_run(node) && node->tag == HTML_TAG_tr;
}

unsigned html_table_columns(const struct html_writer *w, uint32_t table)
{
    const struct html_node *nodes = w->tree->nodes;
    unsigned columns = 0, rows = 0, cells = 0;
    for (uint32_t i = table + 1; i < nodes[table].end; i++) {
        if (nodes[i].tag == HTML_TAG_table && !html_is_run(&nodes[i]))
            return 0;
        if (nodes[i].flags & HTML_NODE_PRE && w->state[i] == HTML_STATE_TAKEN)
            return 0;
        if (is_row(&nodes[i])) {
            rows += html_taken_runs(w, i) > 0;
            cells = 0;
        } else if (is_cell(&nodes[i])) {
            if (html_taken_runs(w, i) > 1)
                return 0;
            cells++;
            columns = Q_MAX(columns, cells);
        }
    }
    return rows >= 2 && columns >= 2 && columns <= HTML_COLUMNS_MAX ? columns : 0;
}

/* The cell's text on one line, '|' with a backslash. */
static q_status write_cell(struct html_writer *w, uint32_t cell)
{
    const struct html_node *nodes = w->tree->nodes;
    Q_TRY(q_buffer_append(w->out, " ", 1));
    for (uint32_t i = cell + 1; i < nodes[cell].end; i++) {
        if (!html_is_run(&nodes[i]) || w->state[i] != HTML_STATE_TAKEN)
            continue;
        q_string text = html_node_text(w->tree, &nodes[i]);
        for (size_t c = 0; c < text.size; c++) {
            if (text.data[c] == '|')
                Q_TRY(q_buffer_append_byte(w->out, '\\'));
            Q_TRY(q_buffer_append_byte(w->out, text.data[c] == '\n' ? ' ' : text.data[c]));
        }
        w->last = i;
    }
    return q_buffer_append(w->out, " |", 2);
}

static q_status write_row(struct html_writer *w, uint32_t row, unsigned columns)
{
    const struct html_node *nodes = w->tree->nodes;
    unsigned written = 0;
    Q_TRY(q_buffer_append_byte(w->out, '|'));
    for (uint32_t i = row + 1; i < nodes[row].end; i++)
        if (is_cell(&nodes[i])) {
            Q_TRY(write_cell(w, i));
            written++;
            i = nodes[i].end - 1;
        }
    for (; written < columns; written++)
        Q_TRY(q_buffer_append(w->out, "  |", 3));
    return Q_OK;
}

q_status html_write_table(struct html_writer *w, uint32_t table, unsigned columns)
{
    const struct html_node *nodes = w->tree->nodes;
    bool first = true;
    for (uint32_t i = table + 1; i < nodes[table].end; i++) {
        if (html_is_run(&nodes[i]) && w->state[i] == HTML_STATE_TAKEN) { /* a caption */
            if (w->last)
                Q_TRY(q_buffer_append(w->out, "\n\n", 2));
            Q_TRY(q_buffer_append_string(w->out, html_node_text(w->tree, &nodes[i])));
            w->last = i;
        }
        if (!is_row(&nodes[i]) || !html_taken_runs(w, i))
            continue;
        if (w->last)
            Q_TRY(q_buffer_append(w->out, "\n\n", first ? 2 : 1));
        Q_TRY(write_row(w, i, columns));
        i = nodes[i].end - 1;
        if (first) {
            Q_TRY(q_buffer_append(w->out, "\n|", 2));
            for (unsigned c = 0; c < columns; c++)
                Q_TRY(q_buffer_append(w->out, " --- |", 6));
        }
        first = false;
    }
    return Q_OK;
}
