/* HTML as tokens: text, opening tags with the attributes that extraction wants, closing tags.
 *
 * A scanner, not a validator: any bytes give tokens, every byte is looked at a bounded number of times, nothing is copied. Comments and
 * declarations are passed over here; what a script or style holds is one token of text. It follows the WHATWG tokenizer (HTML Standard, 13.2.5) where pages of
 * the world rely on it: quotes matter only behind '=', "</script" ends a script whatever quotes it holds, "<" before a non-letter is text.
 */
#ifndef QUERN_CORPUS_HTML_TOKEN_H
#define QUERN_CORPUS_HTML_TOKEN_H

#include "base/string.h"

#include <stdbool.h>
#include <stdint.h>

/* The elements that mean something to extraction; X(name, flags, attributes wanted), sorted by name. */
#define HTML_TAGS(X)                                                                                                   \
    X(a, HTML_INLINE, HTML_WANTS_A)                                                                                    \
    X(abbr, HTML_INLINE, 0)                                                                                            \
    X(address, HTML_BLOCK, HTML_WANTS_BOX)                                                                             \
    X(annotation, HTML_SKIP, HTML_WANTS_ANNOTATION)                                                                    \
    X(area, HTML_INLINE | HTML_VOID, 0)                                                                                \
    X(article, HTML_BLOCK, HTML_WANTS_BOX)                                                                             \
    X(aside, HTML_BLOCK, HTML_WANTS_BOX)                                                                               \
    X(audio, HTML_SKIP, 0)                                                                                             \
    X(b, HTML_INLINE, 0)                                                                                               \
    X(base, HTML_INLINE | HTML_VOID, 0)                                                                                \
    X(blockquote, HTML_BLOCK, HTML_WANTS_BOX)                                                                          \
    X(body, HTML_BLOCK, 0)                                                                                             \
    X(br, HTML_INLINE | HTML_VOID, 0)                                                                                  \
    X(button, HTML_SKIP, 0)                                                                                            \
    X(canvas, HTML_SKIP, 0)                                                                                            \
    X(caption, HTML_BLOCK, HTML_WANTS_BOX)                                                                             \
    X(center, HTML_BLOCK, HTML_WANTS_BOX)                                                                              \
    X(code, HTML_INLINE, HTML_WANTS_CODE)                                                                              \
    X(col, HTML_INLINE | HTML_VOID, 0)                                                                                 \
    X(dd, HTML_BLOCK, HTML_WANTS_BOX)                                                                                  \
    X(details, HTML_BLOCK, HTML_WANTS_BOX)                                                                             \
    X(dialog, HTML_BLOCK, HTML_WANTS_BOX)                                                                              \
    X(dir, HTML_BLOCK, HTML_WANTS_BOX)                                                                                 \
    X(div, HTML_BLOCK, HTML_WANTS_BOX)                                                                                 \
    X(dl, HTML_BLOCK, HTML_WANTS_BOX)                                                                                  \
    X(dt, HTML_BLOCK, HTML_WANTS_BOX)                                                                                  \
    X(embed, HTML_INLINE | HTML_VOID, 0)                                                                               \
    X(fieldset, HTML_BLOCK, HTML_WANTS_BOX)                                                                            \
    X(figcaption, HTML_BLOCK, HTML_WANTS_BOX)                                                                          \
    X(figure, HTML_BLOCK, HTML_WANTS_BOX)                                                                              \
    X(footer, HTML_BLOCK, HTML_WANTS_BOX)                                                                              \
    X(form, HTML_BLOCK, HTML_WANTS_BOX)                                                                                \
    X(frame, HTML_INLINE | HTML_VOID, 0)                                                                               \
    X(frameset, HTML_BLOCK, HTML_WANTS_BOX)                                                                            \
    X(h1, HTML_BLOCK, HTML_WANTS_BOX)                                                                                  \
    X(h2, HTML_BLOCK, HTML_WANTS_BOX)                                                                                  \
    X(h3, HTML_BLOCK, HTML_WANTS_BOX)                                                                                  \
    X(h4, HTML_BLOCK, HTML_WANTS_BOX)                                                                                  \
    X(h5, HTML_BLOCK, HTML_WANTS_BOX)                                                                                  \
    X(h6, HTML_BLOCK, HTML_WANTS_BOX)                                                                                  \
    X(head, HTML_BLOCK, 0)                                                                                             \
    X(header, HTML_BLOCK, HTML_WANTS_BOX)                                                                              \
    X(hgroup, HTML_BLOCK, HTML_WANTS_BOX)                                                                              \
    X(hr, HTML_BLOCK | HTML_VOID, 0)                                                                                   \
    X(html, HTML_BLOCK, HTML_WANTS_HTML)                                                                               \
    X(i, HTML_INLINE, HTML_WANTS_SPAN)                                                                                 \
    X(iframe, HTML_SKIP | HTML_RAW, 0)                                                                                 \
    X(img, HTML_INLINE | HTML_VOID, HTML_WANTS_IMG)                                                                    \
    X(input, HTML_INLINE | HTML_VOID, 0)                                                                               \
    X(label, HTML_INLINE, 0)                                                                                           \
    X(legend, HTML_BLOCK, HTML_WANTS_BOX)                                                                              \
    X(li, HTML_BLOCK, HTML_WANTS_BOX)                                                                                  \
    X(link, HTML_INLINE | HTML_VOID, HTML_WANTS_LINK)                                                                  \
    X(listing, HTML_BLOCK, HTML_WANTS_BOX)                                                                             \
    X(main, HTML_BLOCK, HTML_WANTS_BOX)                                                                                \
    X(map, HTML_INLINE, 0)                                                                                             \
    X(math, HTML_INLINE, HTML_WANTS_MATH)                                                                              \
    X(menu, HTML_BLOCK, HTML_WANTS_BOX)                                                                                \
    X(meta, HTML_INLINE | HTML_VOID, HTML_WANTS_META)                                                                  \
    X(nav, HTML_BLOCK, HTML_WANTS_BOX)                                                                                 \
    X(noembed, HTML_SKIP | HTML_RAW, 0)                                                                                \
    X(noframes, HTML_SKIP | HTML_RAW, 0)                                                                               \
    X(noscript, HTML_SKIP, 0)                                                                                          \
    X(object, HTML_INLINE, 0)                                                                                          \
    X(ol, HTML_BLOCK, HTML_WANTS_BOX)                                                                                  \
    X(option, HTML_BLOCK, HTML_WANTS_BOX)                                                                              \
    X(p, HTML_BLOCK, HTML_WANTS_BOX)                                                                                   \
    X(param, HTML_INLINE | HTML_VOID, 0)                                                                               \
    X(pre, HTML_BLOCK, HTML_WANTS_PRE)                                                                                 \
    X(script, HTML_SKIP | HTML_RAW, HTML_WANTS_SCRIPT)                                                                 \
    X(section, HTML_BLOCK, HTML_WANTS_BOX)                                                                             \
    X(select, HTML_SKIP, 0)                                                                                            \
    X(small, HTML_INLINE, HTML_WANTS_SPAN)                                                                             \
    X(source, HTML_INLINE | HTML_VOID, 0)                                                                              \
    X(span, HTML_INLINE, HTML_WANTS_SPAN)                                                                              \
    X(strong, HTML_INLINE, 0)                                                                                          \
    X(style, HTML_SKIP | HTML_RAW, 0)                                                                                  \
    X(summary, HTML_BLOCK, HTML_WANTS_BOX)                                                                             \
    X(sup, HTML_INLINE, HTML_WANTS_SPAN)                                                                               \
    X(svg, HTML_SKIP, 0)                                                                                               \
    X(table, HTML_BLOCK, HTML_WANTS_BOX)                                                                               \
    X(tbody, HTML_BLOCK, HTML_WANTS_BOX)                                                                               \
    X(td, HTML_BLOCK, HTML_WANTS_BOX)                                                                                  \
    X(template, HTML_SKIP, 0)                                                                                          \
    X(textarea, HTML_SKIP | HTML_RAW, 0)                                                                               \
    X(tfoot, HTML_BLOCK, HTML_WANTS_BOX)                                                                               \
    X(th, HTML_BLOCK, HTML_WANTS_BOX)                                                                                  \
    X(thead, HTML_BLOCK, HTML_WANTS_BOX)                                                                               \
    X(time, HTML_INLINE, HTML_WANTS_TIME)                                                                              \
    X(title, HTML_INLINE | HTML_RAW, 0)                                                                                \
    X(tr, HTML_BLOCK, HTML_WANTS_BOX)                                                                                  \
    X(track, HTML_INLINE | HTML_VOID, 0)                                                                               \
    X(ul, HTML_BLOCK, HTML_WANTS_BOX)                                                                                  \
    X(video, HTML_SKIP, 0)                                                                                             \
    X(wbr, HTML_INLINE | HTML_VOID, 0)                                                                                 \
    X(xmp, HTML_BLOCK, HTML_WANTS_BOX)

enum {
    HTML_INLINE = 1 << 0, /* goes on in the line of text it stands in */
    HTML_BLOCK = 1 << 1,  /* begins a line of its own: a node of the tree */
    HTML_SKIP = 1 << 2,   /* holds nothing to read */
    HTML_VOID = 1 << 3,   /* has no closing tag */
    HTML_RAW = 1 << 4,    /* holds text up to its closing tag, no tags */
};

enum html_tag {
    HTML_TAG_OTHER = 0, /* a name not in the list: treated as inline */
#define X(name, flags, wants) HTML_TAG_##name,
    HTML_TAGS(X)
#undef X
        HTML_TAG_COUNT
};

/* Attributes that extraction looks at; X(C name, HTML name). */
#define HTML_ATTRIBUTES(X)                                                                                             \
    X(class, "class")                                                                                                  \
    X(id, "id")                                                                                                        \
    X(role, "role")                                                                                                    \
    X(hidden, "hidden")                                                                                                \
    X(aria_hidden, "aria-hidden")                                                                                      \
    X(style, "style")                                                                                                  \
    X(itemprop, "itemprop")                                                                                            \
    X(data_lang, "data-lang")                                                                                          \
    X(href, "href")                                                                                                    \
    X(rel, "rel")                                                                                                      \
    X(lang, "lang")                                                                                                    \
    X(xml_lang, "xml:lang")                                                                                            \
    X(name, "name")                                                                                                    \
    X(property, "property")                                                                                            \
    X(content, "content")                                                                                              \
    X(datetime, "datetime")                                                                                            \
    X(type, "type")                                                                                                    \
    X(alt, "alt")                                                                                                      \
    X(alttext, "alttext")                                                                                              \
    X(encoding, "encoding")

enum html_attribute {
#define X(name, text) HTML_ATTRIBUTE_##name,
    HTML_ATTRIBUTES(X)
#undef X
        HTML_ATTRIBUTE_COUNT
};

/* Bits of the attributes that an element's meaning hangs on: only these are kept, and a tag that wants none is passed over by its '>'. */
#define HTML_WANTS(attribute) (1u << HTML_ATTRIBUTE_##attribute)
enum {
    HTML_WANTS_SPAN =
        HTML_WANTS(class) | HTML_WANTS(id) | HTML_WANTS(hidden) | HTML_WANTS(aria_hidden) | HTML_WANTS(style),
    HTML_WANTS_BOX = HTML_WANTS_SPAN | HTML_WANTS(role) | HTML_WANTS(itemprop),
    HTML_WANTS_PRE = HTML_WANTS_BOX | HTML_WANTS(data_lang),
    HTML_WANTS_CODE = HTML_WANTS(class) | HTML_WANTS(data_lang),
    HTML_WANTS_A = HTML_WANTS_SPAN | HTML_WANTS(href),
    HTML_WANTS_LINK = HTML_WANTS(rel) | HTML_WANTS(href),
    HTML_WANTS_HTML = HTML_WANTS(lang) | HTML_WANTS(xml_lang),
    HTML_WANTS_META = HTML_WANTS(name) | HTML_WANTS(property) | HTML_WANTS(itemprop) | HTML_WANTS(content),
    HTML_WANTS_TIME = HTML_WANTS(datetime) | HTML_WANTS(itemprop),
    HTML_WANTS_SCRIPT = HTML_WANTS(type),
    HTML_WANTS_IMG = HTML_WANTS(class) | HTML_WANTS(alt),
    HTML_WANTS_MATH = HTML_WANTS(alttext),
    HTML_WANTS_ANNOTATION = HTML_WANTS(encoding),
};

enum html_token_type { HTML_TOKEN_TEXT, HTML_TOKEN_OPEN, HTML_TOKEN_CLOSE };

struct html_token {
    enum html_token_type type;
    enum html_tag tag; /* OPEN, CLOSE */
    q_string text;     /* TEXT: as it stands in the page, character references included */
    bool closed;       /* OPEN: ends in "/>", which means something in XML only */
    uint32_t has;      /* OPEN: bit of each wanted attribute that is there (the first of a name counts) */
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
extern const uint8_t html_tag_flags[HTML_TAG_COUNT];
const char *html_tag_name(enum html_tag tag);
enum html_tag html_tag_find(q_string name); /* any case */

static inline bool html_has(const struct html_token *token, enum html_attribute attribute)
{
    return token->has >> attribute & 1;
}

/* An attribute's value, empty where it is absent. */
static inline q_string html_value(const struct html_token *token, enum html_attribute attribute)
{
    return html_has(token, attribute) ? token->values[attribute] : (q_string){0};
}

#endif
