#include "corpus/html/html_tree.h"

#include "base/check.h"
#include "corpus/html/html_entities.h"
#include "corpus/html/html_hints.h"

#include <strings.h>

/* State of one reading. `stack` holds the open blocks, root first; `open` counts them by tag, so that a stray closing tag costs nothing. */
struct builder {
    struct html_tree *tree;
    struct html_scanner scanner;
    uint32_t stack[HTML_DEPTH_MAX];
    size_t depth;
    uint32_t overflow; /* blocks opened beyond HTML_DEPTH_MAX and not closed yet */
    uint16_t open[HTML_TAG_COUNT];
    size_t run_from;   /* where the current run begins in the text */
    size_t run_links;  /* bytes of it inside links */
    size_t link_depth; /* depth at which the open link began; 0: none (the root's depth is 1) */
    unsigned pre;      /* open pre blocks */
    bool pre_begins;   /* the first line end in a pre is not content */
    /* Rescue from an element to skip that is never closed: where to go on, a bounded number of times. */
    unsigned rescues;
};

enum { RESCUES_MAX = 8 };

static struct html_node *top(struct builder *b)
{
    return &b->tree->nodes[b->stack[b->depth - 1]];
}

static q_status add_node(struct builder *b, struct html_node node, uint32_t *out_index)
{
    struct html_tree *tree = b->tree;
    Q_TRY(q_grow(&tree->nodes, &tree->capacity, tree->count + 1, sizeof(struct html_node)));
    *out_index = (uint32_t)tree->count;
    tree->nodes[tree->count++] = node;
    return Q_OK;
}

static bool ends_in_space(const struct builder *b)
{
    const struct q_buffer *text = &b->tree->text;
    return text->size == b->run_from || text->data[text->size - 1] == ' ' || text->data[text->size - 1] == '\n';
}

/* Closes the current run; spaces at its end go. */
static q_status end_run(struct builder *b)
{
    struct q_buffer *text = &b->tree->text;
    while (text->size > b->run_from && (text->data[text->size - 1] == ' ' || text->data[text->size - 1] == '\n'))
        text->size--;
    if (text->size > b->run_from && b->tree->count < HTML_NODES_MAX) {
        uint32_t index, size = (uint32_t)(text->size - b->run_from);
        struct html_node run = {.tag = top(b)->tag,
                                .flags = (uint8_t)(HTML_NODE_RUN | (b->pre ? HTML_NODE_PRE : 0)),
                                .parent = b->stack[b->depth - 1],
                                .from = (uint32_t)b->run_from,
                                .to = (uint32_t)text->size,
                                .link_bytes = (uint32_t)Q_MIN(b->run_links, size)};
        Q_TRY(add_node(b, run, &index));
        b->tree->nodes[index].end = index + 1;
    } else {
        b->tree->cut |= text->size > b->run_from;
        text->size = b->run_from;
    }
    b->run_from = text->size;
    b->run_links = 0;
    return Q_OK;
}

static void pop(struct builder *b)
{
    struct html_node *node = top(b);
    node->end = (uint32_t)b->tree->count;
    node->to = (uint32_t)b->run_from;
    b->open[node->tag]--;
    b->pre -= node->tag == HTML_TAG_pre || node->tag == HTML_TAG_listing || node->tag == HTML_TAG_xmp;
    b->depth--;
    if (b->depth < b->link_depth)
        b->link_depth = 0; /* a link that is not closed ends with the block it began in */
}

/* What a closing tag, or a tag that implies one, cannot reach across. */
static bool is_wall(enum html_tag open, enum html_tag closing)
{
    switch (closing) {
    case HTML_TAG_li:
        return open == HTML_TAG_ul || open == HTML_TAG_ol || open == HTML_TAG_menu || open == HTML_TAG_dir ||
               open == HTML_TAG_table;
    case HTML_TAG_dt:
    case HTML_TAG_dd:
        return open == HTML_TAG_dl || open == HTML_TAG_table;
    case HTML_TAG_td:
    case HTML_TAG_th:
    case HTML_TAG_tr:
    case HTML_TAG_tbody:
    case HTML_TAG_thead:
    case HTML_TAG_tfoot:
        return open == HTML_TAG_table;
    case HTML_TAG_table:
        return false;
    default:
        return open == HTML_TAG_td || open == HTML_TAG_th || open == HTML_TAG_table;
    }
}

/* Closes the blocks down to the nearest open `tag`, unless a wall stands before it. */
static bool close_to(struct builder *b, enum html_tag tag)
{
    if (!b->open[tag])
        return false;
    size_t at = b->depth;
    while (at > 1 && b->tree->nodes[b->stack[at - 1]].tag != tag)
        if (is_wall((enum html_tag)b->tree->nodes[b->stack[--at]].tag, tag))
            return false;
    if (at <= 1)
        return false;
    while (b->depth >= at)
        pop(b);
    return true;
}

static bool is_heading(unsigned tag)
{
    return tag >= HTML_TAG_h1 && tag <= HTML_TAG_h6;
}

/* What the standard closes by itself before `tag` opens (13.2.6.4.7). */
static void close_implied(struct builder *b, enum html_tag tag)
{
    unsigned open = top(b)->tag;
    if (open == HTML_TAG_p || (is_heading(open) && is_heading(tag)))
        pop(b);
    switch (tag) {
    case HTML_TAG_li:
        close_to(b, HTML_TAG_li);
        break;
    case HTML_TAG_dt:
    case HTML_TAG_dd:
        if (!close_to(b, HTML_TAG_dd))
            close_to(b, HTML_TAG_dt);
        break;
    case HTML_TAG_td:
    case HTML_TAG_th:
        if (!close_to(b, HTML_TAG_td))
            close_to(b, HTML_TAG_th);
        break;
    case HTML_TAG_tr:
        close_to(b, HTML_TAG_tr);
        break;
    case HTML_TAG_tbody:
    case HTML_TAG_tfoot:
        if (!close_to(b, HTML_TAG_tbody))
            close_to(b, HTML_TAG_thead);
        break;
    default:
        break;
    }
}

static bool has_word(q_string value, const char *const *words)
{
    for (; *words; words++)
        if (value.size == strlen(*words) && strncasecmp(value.data, *words, value.size) == 0)
            return true;
    return false;
}

static uint8_t node_flags(const struct html_token *token)
{
    static const char *const aside[] = {"navigation", "banner",      "contentinfo", "complementary",
                                        "dialog",     "alertdialog", "menu",        "menubar",
                                        "search",     "toolbar",     "tablist",     NULL};
    static const char *const main_role[] = {"main", NULL};
    static const char *const yes[] = {"true", NULL};
    q_string style = html_value(token, HTML_ATTRIBUTE_style), role = html_value(token, HTML_ATTRIBUTE_role);
    unsigned flags = 0;
    if (token->has >> HTML_ATTRIBUTE_hidden & 1 || has_word(html_value(token, HTML_ATTRIBUTE_aria_hidden), yes) ||
        q_string_find(style, Q_STRING("display:none"), 0) != SIZE_MAX ||
        q_string_find(style, Q_STRING("display: none"), 0) != SIZE_MAX)
        flags |= HTML_NODE_HIDDEN;
    if (has_word(role, aside))
        flags |= HTML_NODE_ROLE;
    if (has_word(role, main_role))
        flags |= HTML_NODE_MAIN;
    return (uint8_t)flags;
}

static uint8_t node_hints(const struct html_token *token)
{
    unsigned hints = html_hints(html_value(token, HTML_ATTRIBUTE_class)) |
                     html_hints(html_value(token, HTML_ATTRIBUTE_id)) |
                     html_hints(html_value(token, HTML_ATTRIBUTE_itemprop));
    return (uint8_t)hints;
}

static q_status open_block(struct builder *b, const struct html_token *token)
{
    Q_TRY(end_run(b));
    close_implied(b, token->tag);
    if (token->tag == HTML_TAG_html || token->tag == HTML_TAG_head || token->tag == HTML_TAG_body ||
        token->tag == HTML_TAG_hr)
        return Q_OK;
    if (b->depth == HTML_DEPTH_MAX || b->tree->count >= HTML_NODES_MAX) {
        b->overflow++;
        b->tree->cut = true;
        return Q_OK;
    }
    uint32_t index, at = (uint32_t)b->run_from;
    struct html_node node = {.tag = (uint8_t)token->tag,
                             .flags = node_flags(token),
                             .hints = node_hints(token),
                             .parent = b->stack[b->depth - 1],
                             .from = at,
                             .to = at};
    Q_TRY(add_node(b, node, &index));
    b->stack[b->depth++] = index;
    b->open[token->tag]++;
    if (token->tag == HTML_TAG_pre || token->tag == HTML_TAG_listing || token->tag == HTML_TAG_xmp) {
        b->pre++;
        b->pre_begins = true;
    }
    return Q_OK;
}

static q_status close_block(struct builder *b, enum html_tag tag)
{
    Q_TRY(end_run(b));
    if (tag == HTML_TAG_html || tag == HTML_TAG_head || tag == HTML_TAG_body)
        return Q_OK;
    if (b->overflow) /* which one it closes is not known any more: count them down */
        b->overflow--;
    else if (is_heading(tag) && is_heading(top(b)->tag))
        pop(b); /* </h2> closes any open heading */
    else
        close_to(b, tag);
    return Q_OK;
}

/* One line break: the second in a row ends the paragraph. */
static q_status add_break(struct builder *b)
{
    struct q_buffer *text = &b->tree->text;
    if (b->pre)
        return q_buffer_append_byte(text, '\n');
    while (text->size > b->run_from && text->data[text->size - 1] == ' ')
        text->size--;
    if (text->size > b->run_from && text->data[text->size - 1] == '\n')
        return end_run(b);
    return text->size > b->run_from ? q_buffer_append_byte(text, '\n') : Q_OK;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

static bool is_no_break_space(const char *at, const char *end)
{
    return end - at >= 2 && (unsigned char)at[0] == 0xC2 && (unsigned char)at[1] == 0xA0;
}

/* Text outside pre: a run of white space, &nbsp; among it, becomes one space, none at a line's beginning. */
static q_status add_collapsed(struct builder *b, q_string bytes)
{
    struct q_buffer *text = &b->tree->text;
    const char *at = bytes.data, *end = at + bytes.size;
    Q_TRY(q_buffer_reserve(text, bytes.size)); /* no reference is shorter than its UTF-8 */
    while (at < end) {
        const char *from = at;
        while (at < end && !is_space(*at) && *at != '&' && (unsigned char)*at != 0xC2)
            at++;
        memcpy(text->data + text->size, from, (size_t)(at - from));
        text->size += (size_t)(at - from);
        if (at == end)
            break;
        uint32_t code = 0;
        size_t used = *at == '&' ? html_entity((q_string){at, (size_t)(end - at)}, &code) : 0;
        bool no_break = is_no_break_space(at, end);
        if (is_space(*at) || no_break || (used && (code == 0xA0 || code == ' ' || code == '\n' || code == '\t'))) {
            if (!ends_in_space(b))
                text->data[text->size++] = ' ';
            at += no_break ? 2 : used ? used : 1;
        } else if (used) {
            text->size += html_utf8(code, text->data + text->size);
            at += used;
        } else {
            text->data[text->size++] = *at++;
        }
    }
    return Q_OK;
}

static q_status add_text(struct builder *b, q_string bytes)
{
    struct q_buffer *text = &b->tree->text;
    size_t before = text->size;
    if (!b->pre) {
        Q_TRY(add_collapsed(b, bytes));
    } else {
        if (b->pre_begins && bytes.size && bytes.data[0] == '\n')
            bytes = q_string_slice(bytes, 1, bytes.size);
        b->pre_begins = false;
        Q_TRY(html_decode(bytes, text));
    }
    if (b->link_depth)
        b->run_links += text->size - before;
    return Q_OK;
}

/* Passes over an element with nothing to read. One that is never closed must not swallow the page: then only its tag is passed over. */
static void skip_element(struct builder *b, enum html_tag tag)
{
    struct html_scanner start = b->scanner;
    struct html_token token;
    unsigned nested = 1;
    while (html_scan(&b->scanner, &token)) {
        if (token.type == HTML_TOKEN_TEXT || token.tag != tag)
            continue;
        if (token.type == HTML_TOKEN_CLOSE)
            nested--;
        else if (!(b->scanner.xml && token.closed))
            nested++;
        if (!nested)
            return;
    }
    if (html_tag_flags[tag] & HTML_RAW || b->rescues++ >= RESCUES_MAX)
        return; /* an open script holds the rest of the page, as in a browser */
    b->scanner = start;
}

static q_status set_once(struct q_buffer *field, q_string value)
{
    if (field->size || !value.size)
        return Q_OK;
    return html_decode(q_string_trim(value), field);
}

/* Programs that write manuals, as they name themselves in <meta name=generator>. */
static bool is_manual(q_string generator)
{
    static const char *const programs[] = {"DocBook",  "publican", "Sphinx",   "Doxygen",     "Docutils",
                                           "makeinfo", "Texinfo",  "texi2any", "Asciidoctor", "MkDocs",
                                           "mdBook",   "javadoc",  "gtk-doc"};
    for (size_t i = 0; i < Q_COUNT_OF(programs); i++)
        if (q_string_find(generator, q_string_of(programs[i]), 0) != SIZE_MAX)
            return true;
    return false;
}

static q_status read_meta(struct html_tree *tree, const struct html_token *token)
{
    q_string content = html_value(token, HTML_ATTRIBUTE_content), name = html_value(token, HTML_ATTRIBUTE_property);
    if (!name.size)
        name = html_value(token, HTML_ATTRIBUTE_name);
    if (q_string_is(name, "generator"))
        tree->manual |= is_manual(content);
    if (q_string_is(name, "og:title"))
        return set_once(&tree->og_title, content);
    if (q_string_is(name, "article:published_time") || q_string_is(name, "date") || q_string_is(name, "dc.date"))
        return set_once(&tree->date, content);
    if (q_string_is(name, "og:url"))
        return set_once(&tree->url, content);
    return Q_OK;
}

static q_status read_title(struct builder *b)
{
    struct html_token token;
    if (!b->scanner.raw || !html_scan(&b->scanner, &token) || token.type != HTML_TOKEN_TEXT)
        return Q_OK;
    return set_once(&b->tree->title, token.text);
}

static q_status open_inline(struct builder *b, const struct html_token *token)
{
    switch (token->tag) {
    case HTML_TAG_a:
        b->link_depth = token->has >> HTML_ATTRIBUTE_href & 1 && !(b->scanner.xml && token->closed) ? b->depth : 0;
        return Q_OK;
    case HTML_TAG_br:
        return add_break(b);
    case HTML_TAG_title:
        return read_title(b);
    case HTML_TAG_meta:
        return read_meta(b->tree, token);
    case HTML_TAG_link:
        if (q_string_is(html_value(token, HTML_ATTRIBUTE_rel), "canonical"))
            return set_once(&b->tree->url, html_value(token, HTML_ATTRIBUTE_href));
        return Q_OK;
    default:
        return Q_OK;
    }
}

static q_status open_tag(struct builder *b, const struct html_token *token)
{
    unsigned flags = html_tag_flags[token->tag];
    if (token->tag == HTML_TAG_html) {
        Q_TRY(set_once(&b->tree->lang, html_value(token, HTML_ATTRIBUTE_lang)));
        Q_TRY(set_once(&b->tree->lang, html_value(token, HTML_ATTRIBUTE_xml_lang)));
    }
    if (flags & HTML_SKIP) {
        if (!(b->scanner.xml && token->closed))
            skip_element(b, token->tag);
        return Q_OK;
    }
    if (!(flags & HTML_BLOCK))
        return open_inline(b, token);
    Q_TRY(open_block(b, token));
    return b->scanner.xml && token->closed && !(flags & HTML_VOID) ? close_block(b, token->tag) : Q_OK;
}

static q_status close_tag(struct builder *b, enum html_tag tag)
{
    if (tag == HTML_TAG_a)
        b->link_depth = 0;
    else if (tag == HTML_TAG_br)
        return add_break(b); /* </br> is a line break in every browser */
    else if (html_tag_flags[tag] & HTML_BLOCK)
        return close_block(b, tag);
    return Q_OK;
}

static void clear(struct html_tree *tree)
{
    tree->count = 0;
    tree->cut = tree->manual = false;
    struct q_buffer *fields[] = {&tree->text, &tree->title, &tree->og_title, &tree->lang, &tree->url, &tree->date};
    for (size_t i = 0; i < Q_COUNT_OF(fields); i++)
        q_buffer_clear(fields[i]);
}

q_status html_tree_read(struct html_tree *tree, q_string page)
{
    if (page.size > HTML_PAGE_BYTES_MAX)
        return q_fail(Q_ERR_INPUT, "a page of %zu bytes is larger than quern reads (%d)", page.size,
                      HTML_PAGE_BYTES_MAX);
    clear(tree);
    struct builder b = {.tree = tree, .scanner = {.at = page.data, .end = page.data + page.size}};
    b.scanner.xml = q_string_starts(q_string_trim(q_string_slice(page, 0, 64)), "<?xml");
    uint32_t root;
    Q_TRY(q_buffer_reserve(&tree->text, 1));
    Q_TRY(add_node(&b, (struct html_node){.tag = HTML_TAG_body}, &root));
    b.stack[b.depth++] = root;
    b.open[HTML_TAG_body]++;
    struct html_token token;
    while (html_scan(&b.scanner, &token)) {
        if (token.type == HTML_TOKEN_TEXT)
            Q_TRY(add_text(&b, token.text));
        else if (token.type == HTML_TOKEN_OPEN)
            Q_TRY(open_tag(&b, &token));
        else
            Q_TRY(close_tag(&b, token.tag));
    }
    Q_TRY(end_run(&b));
    while (b.depth)
        pop(&b);
    return Q_OK;
}

void html_tree_release(struct html_tree *tree)
{
    struct q_buffer *fields[] = {&tree->text, &tree->title, &tree->og_title, &tree->lang, &tree->url, &tree->date};
    for (size_t i = 0; i < Q_COUNT_OF(fields); i++)
        q_buffer_release(fields[i]);
    q_release(tree->nodes);
    *tree = (struct html_tree){0};
}
