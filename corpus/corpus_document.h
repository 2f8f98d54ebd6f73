/* From an item to a document, and the verdict on it: the work of stage 1 that needs no other document, and so runs on any thread.
 *
 *     item --decode (HTTP, charset)--> UTF-8 --extract (HTML, manual page, JSON line)--> text --mojibake, normalise--> --identify-->
 *     --measure--> --judge--> --replace personal data-->
 *
 * Reasons (dropped): empty, language, lang-score, the rules' names, quality, sampling. Reasons (failed): charset, json, utf-8, no-text; http-coding,
 * archive-bomb, too-large (bodies of HTTP: http_message.h), besides the readers'.
 *
 * A document's `url` is the address that it was fetched from, and what the page calls canonical where nobody knows that; its `date` is the page's own, and the
 * day of the crawl where it has none. Of a record, meta has `warc-date` and `warc-record-id`.
 */
#ifndef QUERN_CORPUS_DOCUMENT_H
#define QUERN_CORPUS_DOCUMENT_H

#include "base/document.h"
#include "corpus/corpus_settings.h"
#include "corpus/lang/classify.h"
#include "corpus/read/reader.h"
#include "corpus/rules/rules.h"
#include "corpus/text/normalise.h"

/* One per thread. It keeps its memory from item to item, but for what one of more than CORPUS_LARGE_BYTES (reader.h) took. */
struct corpus_worker;

/* settings and models (those that the settings name) must outlive it. */
q_status corpus_worker_create(const struct corpus_settings *settings, const struct corpus_models *models,
                              struct corpus_worker **out) Q_MUST_USE;
void corpus_worker_release(struct corpus_worker *worker); /* NULL is allowed */

/* Where an item comes from. */
struct corpus_origin {
    const struct q_input *input;
    const char *file; /* the file's name within the input: the second piece of an id */
};

/* What became of an item. Strings borrow from the worker until its next use. */
struct corpus_outcome {
    struct q_document document; /* whole where `readable`: also for what the rules drop */
    bool readable;              /* there is a text that was measured */
    bool mixed;                 /* a second language has at least corpus.lang_mixed_min of it */
    enum corpus_format format;  /* the item's, or what its bytes showed */
    const char *reason;         /* NULL: kept */
    bool failed;
    struct corpus_changes changes;
    struct corpus_line_count lines[CORPUS_LINE_REASONS_MAX]; /* what rules took out of the text */
};

/* visitor (may be NULL) sees the verdict of every rule that is asked. Fails for the machine's reasons only. */
q_status corpus_work(struct corpus_worker *worker, const struct corpus_origin *origin, const struct corpus_item *item,
                     const struct corpus_verdict_visitor *visitor, struct corpus_outcome *out) Q_MUST_USE;

/* INPUT/FILE[/NAME]#INDEX, appended. */
q_status corpus_document_id(const struct corpus_origin *origin, const struct corpus_item *item,
                            struct q_buffer *out) Q_MUST_USE;

#endif
