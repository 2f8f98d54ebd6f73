#include "corpus/html/html_builder.h"

#include "base/check.h"
#include "corpus/html/html_code.h"
#include "corpus/html/html_collapse.h"
#include "corpus/html/html_entities.h"
#include "corpus/html/html_hints.h"

static struct html_node *top(struct html_builder *b)
{
    return &b->tree->nodes[b->stack[b->depth - 1]];
}

static q_status add_node(struct html_builder *b, struct html_node node, uint32_t *out_index)
{
    struct html_tree *tree = b->tree;
    Q_TRY(q_grow(&tree->nodes, &tree->capacity, tree->count + 1, sizeof(struct html_node)));
    *out_index = (uint32_t)tree->count;
    tree->nodes[tree->count++] = node;
    return Q_OK;
}

/* Doxygen writes code as <div class="fragment"> with a div a line. */
static bool is_pre(const struct html_token *token)
{
    return token->tag == HTML_TAG_pre || token->tag == HTML_TAG_listing || token->tag == HTML_TAG_xmp ||
           (token->tag == HTML_TAG_div && q_string_is(html_value(token, HTML_ATTRIBUTE_class), "fragment"));
}

/* --- runs -------------------------------------------------------------------------------------------------------------------------- */

/* Closes the current run; spaces at its end go, and a column of line numbers beside code goes as a whole. */
static q_status end_run(struct html_builder *b)
{
    struct q_buffer *text = &b->tree->text;
    while (text->size > b->run_from && (text->data[text->size - 1] == ' ' || text->data[text->size - 1] == '\n'))
        text->size--;
    q_string run = {text->data + b->run_from, text->size - b->run_from};
    bool beside = b->open[HTML_TAG_td] > 0; /* a single number stands for a column only beside code */
    bool wanted = run.size && !(b->pre && html_is_number_column(run, beside ? 1 : 2));
    if (wanted && b->tree->count < HTML_NODES_MAX) {
        uint32_t index;
        struct html_node node = {.tag = top(b)->tag,
                                 .flags = (uint8_t)(HTML_NODE_RUN | (b->pre ? HTML_NODE_PRE : 0)),
                                 .parent = b->stack[b->depth - 1],
                                 .from = (uint32_t)b->run_from,
                                 .to = (uint32_t)text->size,
                                 .link_bytes = (uint32_t)Q_MIN(b->run_links, run.size)};
        Q_TRY(add_node(b, node, &index));
        b->tree->nodes[index].end = index + 1;
    } else {
        b->tree->cut |= wanted;
        text->size = b->run_from;
    }
    b->run_from = text->size;
    b->run_links = 0;
    return Q_OK;
}

q_status html_builder_break(struct html_builder *b)
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

/* In code they stand for spaces. */
static void replace_no_break_spaces(struct q_buffer *text, size_t from)
{
    size_t out = from;
    if (q_string_find(q_buffer_string(text), Q_STRING("\xC2\xA0"), from) == SIZE_MAX)
        return;
    for (size_t at = from; at < text->size; at++) {
        bool no_break = text->data[at] == '\xC2' && at + 1 < text->size && text->data[at + 1] == '\xA0';
        text->data[out++] = no_break ? ' ' : text->data[at];
        at += no_break;
    }
    text->size = out;
}

q_status html_builder_text(struct html_builder *b, q_string bytes)
{
    struct q_buffer *text = &b->tree->text;
    size_t before = text->size;
    if (!b->pre) {
        Q_TRY(html_collapse(text, b->run_from, bytes));
    } else {
        if (b->pre_begins && bytes.size && bytes.data[0] == '\n')
            bytes = q_string_slice(bytes, 1, bytes.size);
        b->pre_begins = false;
        Q_TRY(html_decode(bytes, text));
        replace_no_break_spaces(text, before);
    }
    if (b->link_depth)
        b->run_links += text->size - before;
    return Q_OK;
}

void html_builder_open_link(struct html_builder *b, q_string href)
{
    b->link_depth = b->depth;
    b->link_from = b->tree->text.size;
    b->link_here = q_string_starts(href, "#");
}

/* Heading anchors: a link to the heading it stands at, with a mark for its text. */
static bool is_anchor_mark(q_string text)
{
    static const char *const marks[] = {"#", "\xC2\xB6", "\xC2\xA7", "\xF0\x9F\x94\x97", "\xE2\x9A\x93", NULL};
    for (size_t i = 0; marks[i]; i++)
        if (q_string_is(text, marks[i]))
            return true;
    return false;
}

void html_builder_close_link(struct html_builder *b)
{
    struct q_buffer *text = &b->tree->text;
    if (b->link_depth && b->link_here && b->link_from >= b->run_from) {
        q_string inside = q_string_slice(q_buffer_string(text), b->link_from, text->size);
        if (is_anchor_mark(q_string_trim(inside))) {
            b->run_links -= Q_MIN(b->run_links, inside.size);
            text->size = b->link_from;
        }
    }
    b->link_depth = 0;
}

/* --- blocks ------------------------------------------------------------------------------------------------------------------------ */

static void pop(struct html_builder *b)
{
    struct html_node *node = top(b);
    node->end = (uint32_t)b->tree->count;
    node->to = (uint32_t)b->run_from;
    b->open[node->tag]--;
    if (node->flags & HTML_NODE_PRE) {
        b->pre--;
        b->pre_lines = 0;
    }
    if (b->depth == b->line_table)
        b->line_table = 0;
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
static bool close_to(struct html_builder *b, enum html_tag tag)
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

/* What the standard closes by itself before `tag` opens (13.2.6.4.7). */
static void close_implied(struct html_builder *b, enum html_tag tag)
{
    unsigned open = top(b)->tag;
    if (open == HTML_TAG_p || (html_is_heading(open) && html_is_heading(tag)))
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

static bool is_display_none(q_string style)
{
    size_t at = q_string_find(style, Q_STRING("display"), 0);
    if (at == SIZE_MAX)
        return false;
    for (at += 7; at < style.size && (style.data[at] == ' ' || style.data[at] == ':'); at++)
        ;
    return q_string_starts(q_string_slice(style, at, style.size), "none");
}

/* Of variants that are all hidden until a script picks one, the one named "default..." stays (LibreOffice's help). */
static bool is_hidden_by_attributes(const struct html_token *token)
{
    if (q_string_starts(html_value(token, HTML_ATTRIBUTE_id), "default"))
        return false;
    return html_has(token, HTML_ATTRIBUTE_hidden) ||
           q_string_is_any_case(html_value(token, HTML_ATTRIBUTE_aria_hidden), "true") ||
           is_display_none(html_value(token, HTML_ATTRIBUTE_style));
}

bool html_is_hidden(const struct html_token *token)
{
    return is_hidden_by_attributes(token) || html_hints(html_value(token, HTML_ATTRIBUTE_class)) & HTML_HINT_NONE;
}

static uint8_t node_flags(const struct html_token *token)
{
    static const char *const asides[] = {"navigation", "banner",      "contentinfo", "complementary",
                                         "dialog",     "alertdialog", "menu",        "menubar",
                                         "search",     "toolbar",     "tablist"};
    unsigned flags = is_hidden_by_attributes(token) ? HTML_NODE_HIDDEN : 0;
    q_string role = html_value(token, HTML_ATTRIBUTE_role);
    for (size_t i = 0; role.size && i < Q_COUNT_OF(asides); i++)
        if (q_string_is_any_case(role, asides[i]))
            flags |= HTML_NODE_ROLE;
    if (token->tag == HTML_TAG_main || q_string_is_any_case(role, "main"))
        flags |= HTML_NODE_MAIN;
    if (q_string_is_any_case(html_value(token, HTML_ATTRIBUTE_itemprop), "articleBody"))
        flags |= HTML_NODE_BODY;
    return (uint8_t)flags;
}

static uint8_t node_hints(const struct html_token *token)
{
    unsigned hints = html_hints(html_value(token, HTML_ATTRIBUTE_class)) |
                     html_hints(html_value(token, HTML_ATTRIBUTE_id)) |
                     html_hints(html_value(token, HTML_ATTRIBUTE_itemprop));
    return (uint8_t)hints;
}

/* A block inside preformatted text that is a line of it. */
static bool is_line_of_pre(const struct html_builder *b, enum html_tag tag)
{
    return b->pre && (tag == HTML_TAG_div || tag == HTML_TAG_p || tag == HTML_TAG_li || tag == HTML_TAG_ol);
}

static q_status end_line_of_pre(struct html_builder *b)
{
    const struct q_buffer *text = &b->tree->text;
    if (text->size > b->run_from && text->data[text->size - 1] != '\n')
        return q_buffer_append_byte(&b->tree->text, '\n');
    return Q_OK;
}

/* How far above a pre its language is looked for: Sphinx sets code with line numbers into a table. */
enum { LANGUAGE_UP_MAX = 8 };

q_status html_builder_code(struct html_builder *b, const struct html_token *token)
{
    struct html_node *node = top(b);
    if (!(node->flags & HTML_NODE_PRE) || node->language)
        return Q_OK;
    q_string language = html_value(token, HTML_ATTRIBUTE_data_lang);
    if (!language.size)
        language = html_code_language(html_value(token, HTML_ATTRIBUTE_class), token->tag == HTML_TAG_pre);
    for (size_t up = 2; !language.size && token->tag == HTML_TAG_pre && up <= LANGUAGE_UP_MAX && up <= b->depth; up++)
        language = html_code_language(b->classes[b->depth - up], false);
    if (!language.size || language.size > HTML_LANGUAGE_BYTES_MAX)
        return Q_OK;
    node->language = (uint32_t)b->tree->languages.size + 1;
    Q_TRY(q_buffer_append_string(&b->tree->languages, language));
    return q_buffer_append_byte(&b->tree->languages, 0);
}

/* Doxygen writes a function's head as a table whose cells, in one line, are its words. */
static bool is_part_of_line_table(const struct html_builder *b, enum html_tag tag)
{
    return b->line_table && (tag == HTML_TAG_tr || tag == HTML_TAG_td || tag == HTML_TAG_tbody);
}

q_status html_builder_open(struct html_builder *b, const struct html_token *token)
{
    if (is_part_of_line_table(b, token->tag))
        return html_builder_text(b, Q_STRING(" "));
    if (is_line_of_pre(b, token->tag)) {
        b->pre_lines++;
        return end_line_of_pre(b);
    }
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
    bool pre = is_pre(token);
    struct html_node node = {.tag = (uint8_t)token->tag,
                             .flags = (uint8_t)(node_flags(token) | (pre ? HTML_NODE_PRE : 0)),
                             .hints = node_hints(token),
                             .parent = b->stack[b->depth - 1],
                             .from = at,
                             .to = at};
    Q_TRY(add_node(b, node, &index));
    b->classes[b->depth] = html_value(token, HTML_ATTRIBUTE_class);
    b->stack[b->depth++] = index;
    b->open[token->tag]++;
    if (token->tag == HTML_TAG_table && q_string_is(html_value(token, HTML_ATTRIBUTE_class), "memname"))
        b->line_table = (uint32_t)b->depth;
    if (!pre)
        return Q_OK;
    b->pre++;
    b->pre_begins = true;
    return html_builder_code(b, token);
}

q_status html_builder_close(struct html_builder *b, enum html_tag tag)
{
    if (is_part_of_line_table(b, tag))
        return Q_OK;
    if (b->pre_lines && is_line_of_pre(b, tag)) {
        b->pre_lines--;
        b->pre_begins = true;
        return end_line_of_pre(b);
    }
    Q_TRY(end_run(b));
    if (tag == HTML_TAG_html || tag == HTML_TAG_head || tag == HTML_TAG_body)
        return Q_OK;
    if (b->overflow) /* which one it closes is not known any more: count them down */
        b->overflow--;
    else if (html_is_heading(tag) && html_is_heading(top(b)->tag))
        pop(b); /* </h2> closes any open heading */
    else
        close_to(b, tag);
    return Q_OK;
}

q_status html_builder_begin(struct html_builder *b, struct html_tree *tree, q_string page)
{
    uint32_t root;
    *b = (struct html_builder){.tree = tree, .scanner = {.at = page.data, .end = page.data + page.size}};
    b->scanner.xml = q_string_starts(q_string_trim(q_string_slice(page, 0, 64)), "<?xml");
    Q_TRY(q_buffer_reserve(&tree->text, 1));
    Q_TRY(add_node(b, (struct html_node){.tag = HTML_TAG_body}, &root));
    b->stack[b->depth++] = root;
    b->open[HTML_TAG_body]++;
    return Q_OK;
}

q_status html_builder_end(struct html_builder *b)
{
    Q_TRY(end_run(b));
    while (b->depth)
        pop(b);
    return Q_OK;
}
