/* A page as a tree of blocks with its text beside it.
 *
 * Nodes stand in the order of the page; a node's descendants are the nodes behind it up to `end`. Leaves that hold text are *runs*: what stands
 * between two block boundaries, white space collapsed (kept in pre), references decoded, inline elements dissolved. All runs share
 * one buffer, in order, so that the text of any subtree is one span of it:
 *
 *     page    <div><p>One <b>two</b></p><p>three</p></div>
 *     nodes   0 root [0,6)   1 div [1,6)   2 p [2,4)   3 run "One two"   4 p [4,6)   5 run "three"
 *     text    One twothree
 *
 * Limits: HTML_DEPTH_MAX open blocks (deeper ones are read as if they were not there), HTML_NODES_MAX nodes (what follows is cut off; `cut`).
 * Work is linear in the page's size: HTML_WORK_MAX.
 */
#ifndef QUERN_CORPUS_HTML_TREE_H
#define QUERN_CORPUS_HTML_TREE_H

#include "base/memory.h"
#include "corpus/html/html_head.h"
#include "corpus/html/html_token.h"

enum {
    HTML_DEPTH_MAX = 256,
    HTML_NODES_MAX = 1 << 20,
    HTML_PAGE_BYTES_MAX = 1 << 30,
    HTML_WORK_MAX = 12,
};

enum html_node_flag {
    HTML_NODE_RUN = 1 << 0,    /* a run of text; `tag` is that of its parent */
    HTML_NODE_PRE = 1 << 1,    /* preformatted: white space kept */
    HTML_NODE_HIDDEN = 1 << 2, /* hidden, aria-hidden, display:none */
    HTML_NODE_ROLE = 1 << 3,   /* role of navigation, banner, dialog and the like */
    HTML_NODE_MAIN = 1 << 4,   /* <main>, role=main */
    HTML_NODE_BODY = 1 << 5,   /* itemprop=articleBody */
};

struct html_node {
    uint8_t tag;   /* enum html_tag; the root has HTML_TAG_body */
    uint8_t flags; /* enum html_node_flag */
    uint8_t hints; /* enum html_hint */
    uint32_t parent;
    uint32_t end;        /* index behind the last descendant */
    uint32_t from, to;   /* span of the tree's text */
    uint32_t link_bytes; /* run: of that text, inside links */
    uint32_t language;   /* pre: of its code, 1 + offset in the tree's languages; 0: not said */
};

struct html_tree {
    struct html_node *nodes;
    size_t count, capacity;
    struct q_buffer text;
    struct q_buffer languages; /* of code, each with a zero behind it */
    struct html_head head;
    bool cut;
    uint64_t work; /* bytes scanned, those that were looked at again each time; at most HTML_WORK_MAX times the page */
};

/* Reads a page (UTF-8, at most HTML_PAGE_BYTES_MAX bytes). The tree may be used again and again; zeroed is empty. */
q_status html_tree_read(struct html_tree *tree, q_string page) Q_MUST_USE;
void html_tree_release(struct html_tree *tree);

static inline q_string html_node_text(const struct html_tree *tree, const struct html_node *node)
{
    return q_string_slice(q_buffer_string(&tree->text), node->from, node->to);
}

static inline bool html_is_run(const struct html_node *node)
{
    return node->flags & HTML_NODE_RUN;
}

static inline bool html_is_heading(unsigned tag)
{
    return tag >= HTML_TAG_h1 && tag <= HTML_TAG_h6;
}

#endif
