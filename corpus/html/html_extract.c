#include "corpus/html/html_extract.h"

#include "base/check.h"

enum { HEADING_BYTES_MAX = 400, TITLE_BYTES_MAX = 1000 }; /* looked at */

/* The page's own heading: its run, 0 where there is none. Of the h1 to h3 whose text the <title> holds, the first of those that are best: not a link (to the
 * site's first page), h1, in the main text. But before a lower one goes an h1 that is no link and stands in the main text or holds the lower one's. Where
 * there is none, the first h1, one that is no link before others. */
static uint32_t find_heading(const struct html_tree *tree, const uint8_t *state)
{
    enum { TAKEN = 1, TOP = 2, UNLINKED = 4 };
    uint32_t first = 0, best = 0;
    unsigned first_rank = 0, best_rank = 0;
    q_string title = q_string_slice(q_buffer_string(&tree->head.title), 0, TITLE_BYTES_MAX);
    for (uint32_t i = 1; i < tree->count; i++) {
        const struct html_node *node = &tree->nodes[i];
        if (!html_is_run(node) || node->tag < HTML_TAG_h1 || node->tag > HTML_TAG_h3 ||
            node->to - node->from > HEADING_BYTES_MAX)
            continue;
        unsigned rank = (node->link_bytes < node->to - node->from ? UNLINKED : 0u) |
                        (node->tag == HTML_TAG_h1 ? TOP : 0u) | (state[i] == HTML_STATE_TAKEN ? TAKEN : 0u);
        if (rank & TOP && (!first || (rank | TAKEN) > (first_rank | TAKEN))) {
            first = i;
            first_rank = rank;
        }
        if ((!best || rank > best_rank) && q_string_find(title, html_node_text(tree, node), 0) != SIZE_MAX) {
            best = i;
            best_rank = rank;
        }
    }
    if (!best || best_rank & TOP || !(first_rank & UNLINKED))
        return best ? best : first;
    /* "Class Wheel" above "Wheel"; but a site's name above a page's */
    q_string lower = html_node_text(tree, &tree->nodes[best]), upper = html_node_text(tree, &tree->nodes[first]);
    return first_rank & TAKEN || q_string_find(upper, lower, 0) != SIZE_MAX ? first : best;
}

static q_string choose_title(const struct html_tree *tree, uint32_t heading)
{
    q_string title = q_buffer_string(&tree->head.title), og = q_buffer_string(&tree->head.og_title);
    q_string h1 = heading ? html_node_text(tree, &tree->nodes[heading]) : (q_string){0};
    if (h1.size && (!title.size || q_string_find(title, h1, 0) != SIZE_MAX))
        return h1;
    return og.size ? og : title;
}

q_status html_extract(struct html_extractor *extractor, const struct html_options *options, q_string page,
                      struct html_page *out)
{
    struct html_tree *tree = &extractor->tree;
    Q_TRY(html_tree_read(tree, page));
    if (options->scope == HTML_SCOPE_ALL)
        Q_TRY(html_main_all(tree, &extractor->main));
    else
        Q_TRY(html_main_find(tree, &extractor->main));
    uint32_t heading = find_heading(tree, extractor->main.state);
    if (heading)
        extractor->main.state[heading] = options->heading ? HTML_STATE_TAKEN : HTML_STATE_OUT;
    Q_TRY(html_text_write(tree, extractor->main.state, options->markdown, &extractor->text));
    *out = (struct html_page){.text = q_buffer_string(&extractor->text.out),
                              .title = choose_title(tree, heading),
                              .lang = q_buffer_string(&tree->head.lang),
                              .url = q_buffer_string(&tree->head.url),
                              .date = q_buffer_string(&tree->head.date),
                              .cut = tree->cut};
    return Q_OK;
}

void html_extractor_release(struct html_extractor *extractor)
{
    html_tree_release(&extractor->tree);
    html_main_release(&extractor->main);
    html_text_release(&extractor->text);
}
