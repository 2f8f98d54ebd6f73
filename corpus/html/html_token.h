/* HTML as tokens: text, opening tags with the attributes that extraction wants, closing tags.
 *
 * A scanner, not a validator: any bytes give tokens, every byte is looked at a bounded number of times, nothing is copied. Comments,
 * declarations and what scripts and styles hold are passed over here. It follows the WHATWG tokenizer (HTML Standard, 13.2.5) where pages of
 * the world rely on it: quotes matter only behind '=', "</script" ends a script whatever quotes it holds, "<" before a non-letter is text.
 */
#ifndef QUERN_CORPUS_HTML_TOKEN_H
#define QUERN_CORPUS_HTML_TOKEN_H

#include "base/string.h"

#include <stdbool.h>
#include <stdint.h>

/* The elements that mean something to extraction; X(name, flags), sorted by name so that a name is found by halving. */
#define HTML_TAGS(X)                                                                                                   \
    X(a, HTML_INLINE)                                                                                                  \
    X(abbr, HTML_INLINE)                                                                                               \
    X(address, HTML_BLOCK)                                                                                             \
    X(area, HTML_INLINE | HTML_VOID)                                                                                   \
    X(article, HTML_BLOCK)                                                                                             \
    X(aside, HTML_BLOCK)                                                                                               \
    X(audio, HTML_SKIP)                                                                                                \
    X(b, HTML_INLINE)                                                                                                  \
    X(base, HTML_INLINE | HTML_VOID)                                                                                   \
    X(blockquote, HTML_BLOCK)                                                                                          \
    X(body, HTML_BLOCK)                                                                                                \
    X(br, HTML_INLINE | HTML_VOID)                                                                                     \
    X(button, HTML_SKIP)                                                                                               \
    X(canvas, HTML_SKIP)                                                                                               \
    X(caption, HTML_BLOCK)                                                                                             \
    X(center, HTML_BLOCK)                                                                                              \
    X(code, HTML_INLINE)                                                                                               \
    X(col, HTML_INLINE | HTML_VOID)                                                                                    \
    X(dd, HTML_BLOCK)                                                                                                  \
    X(details, HTML_BLOCK)                                                                                             \
    X(dialog, HTML_BLOCK)                                                                                              \
    X(dir, HTML_BLOCK)                                                                                                 \
    X(div, HTML_BLOCK)                                                                                                 \
    X(dl, HTML_BLOCK)                                                                                                  \
    X(dt, HTML_BLOCK)                                                                                                  \
    X(embed, HTML_INLINE | HTML_VOID)                                                                                  \
    X(fieldset, HTML_BLOCK)                                                                                            \
    X(figcaption, HTML_BLOCK)                                                                                          \
    X(figure, HTML_BLOCK)                                                                                              \
    X(footer, HTML_BLOCK)                                                                                              \
    X(form, HTML_BLOCK)                                                                                                \
    X(frame, HTML_INLINE | HTML_VOID)                                                                                  \
    X(frameset, HTML_BLOCK)                                                                                            \
    X(h1, HTML_BLOCK)                                                                                                  \
    X(h2, HTML_BLOCK)                                                                                                  \
    X(h3, HTML_BLOCK)                                                                                                  \
    X(h4, HTML_BLOCK)                                                                                                  \
    X(h5, HTML_BLOCK)                                                                                                  \
    X(h6, HTML_BLOCK)                                                                                                  \
    X(head, HTML_BLOCK)                                                                                                \
    X(header, HTML_BLOCK)                                                                                              \
    X(hgroup, HTML_BLOCK)                                                                                              \
    X(hr, HTML_BLOCK | HTML_VOID)                                                                                      \
    X(html, HTML_BLOCK)                                                                                                \
    X(iframe, HTML_SKIP | HTML_RAW)                                                                                    \
    X(img, HTML_INLINE | HTML_VOID)                                                                                    \
    X(input, HTML_INLINE | HTML_VOID)                                                                                  \
    X(label, HTML_INLINE)                                                                                              \
    X(legend, HTML_BLOCK)                                                                                              \
    X(li, HTML_BLOCK)                                                                                                  \
    X(link, HTML_INLINE | HTML_VOID)                                                                                   \
    X(listing, HTML_BLOCK)                                                                                             \
    X(main, HTML_BLOCK)                                                                                                \
    X(map, HTML_INLINE)                                                                                                \
    X(math, HTML_INLINE)                                                                                               \
    X(menu, HTML_BLOCK)                                                                                                \
    X(meta, HTML_INLINE | HTML_VOID)                                                                                   \
    X(nav, HTML_BLOCK)                                                                                                 \
    X(noembed, HTML_SKIP | HTML_RAW)                                                                                   \
    X(noframes, HTML_SKIP | HTML_RAW)                                                                                  \
    X(noscript, HTML_SKIP)                                                                                             \
    X(object, HTML_INLINE)                                                                                             \
    X(ol, HTML_BLOCK)                                                                                                  \
    X(option, HTML_BLOCK)                                                                                              \
    X(p, HTML_BLOCK)                                                                                                   \
    X(param, HTML_INLINE | HTML_VOID)                                                                                  \
    X(pre, HTML_BLOCK)                                                                                                 \
    X(script, HTML_SKIP | HTML_RAW)                                                                                    \
    X(section, HTML_BLOCK)                                                                                             \
    X(select, HTML_SKIP)                                                                                               \
    X(source, HTML_INLINE | HTML_VOID)                                                                                 \
    X(span, HTML_INLINE)                                                                                               \
    X(strong, HTML_INLINE)                                                                                             \
    X(style, HTML_SKIP | HTML_RAW)                                                                                     \
    X(summary, HTML_BLOCK)                                                                                             \
    X(svg, HTML_SKIP)                                                                                                  \
    X(table, HTML_BLOCK)                                                                                               \
    X(tbody, HTML_BLOCK)                                                                                               \
    X(td, HTML_BLOCK)                                                                                                  \
    X(template, HTML_SKIP)                                                                                             \
    X(textarea, HTML_SKIP | HTML_RAW)                                                                                  \
    X(tfoot, HTML_BLOCK)                                                                                               \
    X(th, HTML_BLOCK)                                                                                                  \
    X(thead, HTML_BLOCK)                                                                                               \
    X(time, HTML_INLINE)                                                                                               \
    X(title, HTML_INLINE | HTML_RAW)                                                                                   \
    X(tr, HTML_BLOCK)                                                                                                  \
    X(track, HTML_INLINE | HTML_VOID)                                                                                  \
    X(ul, HTML_BLOCK)                                                                                                  \
    X(video, HTML_SKIP)                                                                                                \
    X(wbr, HTML_INLINE | HTML_VOID)                                                                                    \
    X(xmp, HTML_BLOCK)

enum {
    HTML_INLINE = 1 << 0, /* goes on in the line of text it stands in */
    HTML_BLOCK = 1 << 1,  /* begins a line of its own: a node of the tree */
    HTML_SKIP = 1 << 2,   /* holds nothing to read */
    HTML_VOID = 1 << 3,   /* has no closing tag */
    HTML_RAW = 1 << 4,    /* holds text up to its closing tag, no tags */
};

enum html_tag {
    HTML_TAG_OTHER = 0, /* a name not in the list: treated as inline */
#define X(name, flags) HTML_TAG_##name,
    HTML_TAGS(X)
#undef X
        HTML_TAG_COUNT
};

/* Attributes that extraction looks at; X(C name, HTML name). */
#define HTML_ATTRIBUTES(X)                                                                                             \
    X(class, "class")                                                                                                  \
    X(id, "id")                                                                                                        \
    X(lang, "lang")                                                                                                    \
    X(role, "role")                                                                                                    \
    X(name, "name")                                                                                                    \
    X(property, "property")                                                                                            \
    X(content, "content")                                                                                              \
    X(charset, "charset")                                                                                              \
    X(http_equiv, "http-equiv")                                                                                        \
    X(itemprop, "itemprop")                                                                                            \
    X(href, "href")                                                                                                    \
    X(rel, "rel")                                                                                                      \
    X(hidden, "hidden")                                                                                                \
    X(aria_hidden, "aria-hidden")                                                                                      \
    X(style, "style")                                                                                                  \
    X(xml_lang, "xml:lang")                                                                                            \
    X(datetime, "datetime")

enum html_attribute {
#define X(name, text) HTML_ATTRIBUTE_##name,
    HTML_ATTRIBUTES(X)
#undef X
        HTML_ATTRIBUTE_COUNT
};

enum html_token_type { HTML_TOKEN_TEXT, HTML_TOKEN_OPEN, HTML_TOKEN_CLOSE };

struct html_token {
    enum html_token_type type;
    enum html_tag tag; /* OPEN, CLOSE */
    q_string text;     /* TEXT: as it stands in the page, character references included */
    bool closed;       /* OPEN: ends in "/>", which means something in XML only */
    uint32_t has;      /* OPEN: bit of each attribute below that is there (the first of a name counts) */
    q_string values[HTML_ATTRIBUTE_COUNT]; /* as they stand in the page; only those with their bit set */
};

/* Where the scanner stands. Begin with {page.data, page.data + page.size}. */
struct html_scanner {
    const char *at, *end;
    enum html_tag raw; /* inside this raw element; HTML_TAG_OTHER: none */
    bool xml;          /* the page is XML: "/>" closes an element, so a raw one holds nothing */
};

/* The next token; false at the end of the page. Strings borrow from the page. */
bool html_scan(struct html_scanner *scanner, struct html_token *token);

/* Flags of an element (HTML_INLINE ...); inline for HTML_TAG_OTHER. */
unsigned html_tag_flags(enum html_tag tag);
const char *html_tag_name(enum html_tag tag);
enum html_tag html_tag_find(q_string name); /* any case */

/* An attribute's value, empty where it is absent. */
static inline q_string html_value(const struct html_token *token, enum html_attribute attribute)
{
    return token->has >> attribute & 1 ? token->values[attribute] : (q_string){0};
}

#endif
