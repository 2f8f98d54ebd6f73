/* What a page says about itself: title, language, address, date of publication. */
#ifndef QUERN_CORPUS_HTML_HEAD_H
#define QUERN_CORPUS_HTML_HEAD_H

#include "base/memory.h"
#include "corpus/html/html_token.h"

/* Decoded, "" where absent. Zeroed is empty. */
struct html_head {
    struct q_buffer title, og_title, lang, url, date;
    unsigned date_rank; /* of where the date stands: enum in html_head.c */
    bool manual;        /* made by a program for manuals (DocBook, Sphinx, ...), as its generator or style sheet says */
};

void html_head_clear(struct html_head *head);
void html_head_release(struct html_head *head);

/* Opening tags that say something: html, meta, link, time. */
q_status html_head_tag(struct html_head *head, const struct html_token *token) Q_MUST_USE;
/* What <title> holds. */
q_status html_head_title(struct html_head *head, q_string text) Q_MUST_USE;
/* What <script type="application/ld+json"> holds: its first "datePublished" (schema.org). Looked for as text, since many are not JSON. */
q_status html_head_json(struct html_head *head, q_string text) Q_MUST_USE;

#endif
