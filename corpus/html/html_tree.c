#include "corpus/html/html_tree.h"

#include "corpus/html/html_builder.h"

/* What is left is for reading, for looking ahead in a formula, and for a tag where that or an inline element ended. */
enum { RESCUES_MAX = HTML_WORK_MAX - 4 };

/* The next token, its bytes counted. */
static bool scan(struct html_builder *b, struct html_scanner *scanner, struct html_token *token)
{
    const char *from = scanner->at;
    bool more = html_scan(scanner, token);
    b->tree->work += (size_t)(scanner->at - from);
    return more;
}

/* Passes over an element with nothing to read. One that is never closed must not swallow the page: then only its tag is passed over, and after a few
 * of them no element is searched to its end any more, so that work stays linear. An open script holds the rest of the page, as in a browser. */
static void skip_element(struct html_builder *b, enum html_tag tag)
{
    struct html_scanner start = b->scanner;
    struct html_token token;
    unsigned nested = 1;
    bool raw = html_tag_flags[tag] & HTML_RAW;
    if (!raw && b->rescues >= RESCUES_MAX)
        return;
    while (scan(b, &b->scanner, &token)) {
        if (token.type == HTML_TOKEN_TEXT || token.tag != tag)
            continue;
        if (token.type == HTML_TOKEN_CLOSE)
            nested--;
        else if (!(b->scanner.xml && token.closed))
            nested++;
        if (!nested)
            return;
    }
    if (raw)
        return;
    b->rescues++;
    b->scanner = start;
}

/* Passes over an inline element, at most up to the next block. */
static void skip_inline(struct html_builder *b, enum html_tag tag)
{
    struct html_token token;
    unsigned nested = 1;
    while (nested) {
        struct html_scanner before = b->scanner;
        if (!scan(b, &b->scanner, &token))
            return;
        if (token.type == HTML_TOKEN_TEXT)
            continue;
        if (html_tag_flags[token.tag] & HTML_BLOCK) {
            b->scanner = before;
            return;
        }
        if (token.tag == tag)
            nested += token.type == HTML_TOKEN_CLOSE ? -1u : !(b->scanner.xml && token.closed);
    }
}

/* A formula is read as its source in TeX where the page has it: as alttext or as an annotation; else as its characters. Looks ahead to the
 * formula's end, the next formula or the next block, so that nothing is scanned more than twice. */
static q_status open_math(struct html_builder *b, const struct html_token *math)
{
    q_string source = html_value(math, HTML_ATTRIBUTE_alttext);
    struct html_scanner ahead = b->scanner;
    struct html_token token;
    while (!source.size && scan(b, &ahead, &token) && token.tag != HTML_TAG_math &&
           !(html_tag_flags[token.tag] & HTML_BLOCK))
        if (token.type == HTML_TOKEN_OPEN && token.tag == HTML_TAG_annotation &&
            q_string_ends(html_value(&token, HTML_ATTRIBUTE_encoding), "tex") && scan(b, &ahead, &token) &&
            token.type == HTML_TOKEN_TEXT)
            source = token.text;
    if (!source.size)
        return Q_OK;
    skip_inline(b, HTML_TAG_math);
    return html_builder_text(b, source);
}

/* A formula as a picture, with its source as the text beside it (Sphinx, MediaWiki, LaTeX2HTML). */
static q_status open_image(struct html_builder *b, const struct html_token *token)
{
    q_string alt = html_value(token, HTML_ATTRIBUTE_alt), class = html_value(token, HTML_ATTRIBUTE_class);
    bool formula = q_string_starts(alt, "$") || q_string_starts(alt, "\\(") ||
                   q_string_find(class, Q_STRING("math"), 0) != SIZE_MAX ||
                   q_string_find(class, Q_STRING("latex"), 0) != SIZE_MAX;
    return formula ? html_builder_text(b, alt) : Q_OK;
}

/* What the raw element that was just opened holds, "" where it is empty. */
static q_string read_raw(struct html_builder *b)
{
    struct html_scanner start = b->scanner;
    struct html_token token;
    if (start.raw && scan(b, &b->scanner, &token) && token.type == HTML_TOKEN_TEXT)
        return token.text;
    b->scanner = start;
    return (q_string){0};
}

/* A script is passed over but for what it says about the page, and for formulas (MathJax 2). */
static q_status open_script(struct html_builder *b, const struct html_token *token)
{
    q_string type = html_value(token, HTML_ATTRIBUTE_type);
    if (q_string_is(type, "application/ld+json"))
        return html_head_json(&b->tree->head, read_raw(b));
    return q_string_starts(type, "math/tex") ? html_builder_text(b, read_raw(b)) : Q_OK;
}

static q_status open_inline(struct html_builder *b, const struct html_token *token)
{
    if (token->has && html_is_hidden(token)) {
        if (!(b->scanner.xml && token->closed))
            skip_inline(b, token->tag);
        return Q_OK;
    }
    switch (token->tag) {
    case HTML_TAG_a:
        b->link_depth = 0;
        if (html_has(token, HTML_ATTRIBUTE_href) && !(b->scanner.xml && token->closed))
            html_builder_open_link(b, html_value(token, HTML_ATTRIBUTE_href));
        return Q_OK;
    case HTML_TAG_br:
        return html_builder_break(b);
    case HTML_TAG_code:
        return html_builder_code(b, token);
    case HTML_TAG_img:
        return open_image(b, token);
    case HTML_TAG_math:
        return b->scanner.xml && token->closed ? Q_OK : open_math(b, token);
    case HTML_TAG_span: /* in Sphinx's lists of parameters, which set a colon before it by style */
        return q_string_is(html_value(token, HTML_ATTRIBUTE_class), "classifier")
                   ? html_builder_text(b, Q_STRING(" : "))
                   : Q_OK;
    case HTML_TAG_title:
        return html_head_title(&b->tree->head, read_raw(b));
    case HTML_TAG_meta:
    case HTML_TAG_link:
    case HTML_TAG_time:
        return html_head_tag(&b->tree->head, token);
    default:
        return Q_OK;
    }
}

static q_status open_tag(struct html_builder *b, const struct html_token *token)
{
    unsigned flags = html_tag_flags[token->tag];
    if (token->tag == HTML_TAG_html)
        Q_TRY(html_head_tag(&b->tree->head, token));
    if (token->tag == HTML_TAG_script)
        Q_TRY(open_script(b, token));
    if (flags & HTML_SKIP) {
        if (!(b->scanner.xml && token->closed))
            skip_element(b, token->tag);
        return Q_OK;
    }
    if (!(flags & HTML_BLOCK))
        return open_inline(b, token);
    if (b->pre && token->has && html_is_hidden(token)) { /* in code there are no blocks to prune later */
        skip_element(b, token->tag);
        return Q_OK;
    }
    Q_TRY(html_builder_open(b, token));
    return b->scanner.xml && token->closed && !(flags & HTML_VOID) ? html_builder_close(b, token->tag) : Q_OK;
}

static q_status close_tag(struct html_builder *b, enum html_tag tag)
{
    if (tag == HTML_TAG_a)
        html_builder_close_link(b);
    else if (tag == HTML_TAG_br)
        return html_builder_break(b); /* </br> is a line break in every browser */
    else if (html_tag_flags[tag] & HTML_BLOCK)
        return html_builder_close(b, tag);
    return Q_OK;
}

q_status html_tree_read(struct html_tree *tree, q_string page)
{
    struct html_builder b;
    struct html_token token;
    if (page.size > HTML_PAGE_BYTES_MAX)
        return q_fail(Q_ERR_INPUT, "a page of %zu bytes is larger than quern reads (%d)", page.size,
                      HTML_PAGE_BYTES_MAX);
    tree->count = 0;
    tree->cut = false;
    tree->work = 0;
    q_buffer_clear(&tree->text);
    q_buffer_clear(&tree->languages);
    html_head_clear(&tree->head);
    Q_TRY(html_builder_begin(&b, tree, page));
    while (scan(&b, &b.scanner, &token)) {
        if (token.type == HTML_TOKEN_TEXT)
            Q_TRY(html_builder_text(&b, token.text));
        else if (token.type == HTML_TOKEN_OPEN)
            Q_TRY(open_tag(&b, &token));
        else
            Q_TRY(close_tag(&b, token.tag));
    }
    return html_builder_end(&b);
}

void html_tree_release(struct html_tree *tree)
{
    html_head_release(&tree->head);
    q_buffer_release(&tree->text);
    q_buffer_release(&tree->languages);
    q_release(tree->nodes);
    *tree = (struct html_tree){0};
}
