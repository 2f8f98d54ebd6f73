/* Texts from files: what every verb that reads text reads it with.
 *
 * A path is a folder of documents (a finished step of stage 1 or 2), a file of JSON lines with a member "text", or a plain text file, which is one
 * document. They come as batches, so that one thread reads and many parse:
 *
 *     text_source_next (one thread)  -->  batch  -->  text_batch_each (any thread)  -->  document, document, ...
 */
#ifndef QUERN_TOKENIZER_TEXT_SOURCE_H
#define QUERN_TOKENIZER_TEXT_SOURCE_H

#include "base/document.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/string.h"
#include "tokenizer/pretokenize/pretokenize.h"

#include <stdbool.h>
#include <stdint.h>

enum text_format {
    TEXT_FORMAT_AUTO, /* JSON lines where the name has ".jsonl" or ".ndjson" in it, else plain */
    TEXT_FORMAT_PLAIN,
    TEXT_FORMAT_JSONL,
};

struct text_batch {
    struct q_buffer bytes;
    bool lines;          /* JSON lines; else one text */
    const char *name;    /* of the file; the source's */
    uint64_t first_line; /* number of the batch's first line, from 1 */
    uint64_t stored;     /* bytes of the file that this batch came from: for progress */
    bool continued;      /* a later part of a plain text that comes in parts */
    double held_out;     /* share and seed of the folder of documents; 0: none */
    uint64_t held_out_seed;
};

struct text_document {
    q_string id, text, lang, source; /* empty where the line has none */
    bool held_out;
    bool continued; /* the document was seen before: this is more of its text */
};

struct text_source;

/* `paths` are kept by reference. Names are checked and folders read here, files when their turn comes. */
q_status text_source_open(const char *const *paths, size_t count, enum text_format format,
                          struct text_source **out) Q_MUST_USE;
/* One file of documents, with the share and seed of its folder. */
q_status text_source_open_part(const char *path, double held_out, uint64_t held_out_seed,
                               struct text_source **out) Q_MUST_USE;
/* For those who have little memory; before the first batch. batch_bytes: about so much in a batch. text_bytes_max: a longer line, or a longer text that cannot
 * be cut, is Q_ERR_INPUT. cut: plain texts longer than a batch come in parts that end where this pretokenizer cuts whatever follows, so that the parts'
 * pieces are the text's; NULL: whole. */
struct text_bounds {
    size_t batch_bytes, text_bytes_max;
    const struct pretokenizer *cut;
};
void text_source_bound(struct text_source *source, const struct text_bounds *bounds);
void text_source_close(struct text_source *source);
uint64_t
text_source_bytes(const struct text_source *source); /* of all files as stored; 0 where standard input is among them */

/* Refills the batch, which is zeroed at first; bytes.size = 0 and lines at the end. */
q_status text_source_next(struct text_source *source, struct text_batch *batch, bool *more) Q_MUST_USE;
void text_batch_release(struct text_batch *batch);

/* Calls `document` for each document of the batch, in order. A line that is no JSON object with a text is Q_ERR_INPUT with file and line. */
q_status text_batch_each(const struct text_batch *batch, struct q_jsonl_parser *parser,
                         q_status (*document)(void *context, const struct text_document *document),
                         void *context) Q_MUST_USE;

/* Both in one thread: calls `document` for each document of all that is left of the source. */
q_status text_source_each(struct text_source *source,
                          q_status (*document)(void *context, const struct text_document *document),
                          void *context) Q_MUST_USE;

#endif
