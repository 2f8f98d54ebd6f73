/* What a page's author calls its parts: the words of class, id, role and itemprop, and what they say about the content. */
#ifndef QUERN_CORPUS_HTML_HINTS_H
#define QUERN_CORPUS_HTML_HINTS_H

#include "base/string.h"

enum html_hint {
    HTML_HINT_BODY = 1 << 0, /* "article-body", "entry-content": this is the text */
    HTML_HINT_GOOD = 1 << 1, /* "article", "content": around or in the text */
    HTML_HINT_WEAK = 1 << 2, /* "meta", "author": seldom text */
    HTML_HINT_BAD = 1 << 3,  /* "sidebar", "comments", "share": not the text */
    HTML_HINT_FOOT = 1 << 5, /* "footer", "copyright": not the text of a manual either */
    HTML_HINT_NONE = 1 << 4, /* "headerlink", "lineno", "sr-only": never text, whatever is in it, inside a line too */
};

/* The hints (bits of enum html_hint) of an attribute's value. Words begin at a letter behind a non-letter or at a capital behind a small letter; '-'
 * and '_' inside a known word are passed over, so that "article-body", "article_body" and "articleBody" are one. The longest known word
 * from each beginning counts. Linear in the value's size, which is cut at 512 bytes. */
unsigned html_hints(q_string value);

#endif
