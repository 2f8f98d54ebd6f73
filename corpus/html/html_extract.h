/* A page in, its main text, title, language, address and date out: the face of the html_* files.
 *
 *     html_token      bytes -> tokens
 *     html_tree       tokens -> blocks and runs; html_builder keeps them, html_collapse and html_entities make their text,
 *                     html_head what the page says about itself, html_code what it says about its code
 *     html_main       which runs are the main text, by html_hints (what blocks are called) and html_letters (what they hold)
 *     html_text       those runs as plain text or Markdown, with html_writer
 */
#ifndef QUERN_CORPUS_HTML_EXTRACT_H
#define QUERN_CORPUS_HTML_EXTRACT_H

#include "corpus/html/html_text.h"

enum html_scope { HTML_SCOPE_ARTICLE, HTML_SCOPE_ALL };

struct html_options {
    enum html_scope scope;
    bool markdown; /* headings, lists, tables and code as Markdown: html_text.h */
    bool heading;  /* keep the page's own heading (h1) at the top of the text */
};

/* One per thread; zeroed is ready. Used again, it allocates nothing but for a larger page. It holds a page's text twice (as read and as written, each seldom a
 * tenth of the page) and about 64 bytes a node, of which there are at most HTML_NODES_MAX. */
struct html_extractor {
    struct html_tree tree;
    struct html_main main;
    struct html_text text;
};

/* Strings borrow from the extractor until its next use. */
struct html_page {
    q_string text;
    q_string title; /* the h1 where the <title> holds it too, else og:title, else <title> */
    q_string lang;  /* as the page says: <html lang> */
    q_string url;   /* canonical, where the page says so */
    q_string date;
    bool cut; /* a limit of html_tree was met */
};

/* page: UTF-8, at most HTML_PAGE_BYTES_MAX (else Q_ERR_INPUT). Otherwise fails for want of memory only. */
q_status html_extract(struct html_extractor *extractor, const struct html_options *options, q_string page,
                      struct html_page *out) Q_MUST_USE;
void html_extractor_release(struct html_extractor *extractor);

#endif
