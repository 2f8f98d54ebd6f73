/* Documents (docs/formats/documents.md): what flows from stage 1 to stage 4, as JSON lines in seekable zstd.
 *
 * A document's order and every choice about it come from its key, the XXH3-128 of its id, never from arrival.
 */
#ifndef QUERN_BASE_DOCUMENT_H
#define QUERN_BASE_DOCUMENT_H

#include "base/hash.h"
#include "base/jsonl.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/string.h"

#include <stdbool.h>
#include <stdint.h>

/* Texts are UTF-8; an empty one is absent and is not written. */
struct q_document {
    q_string id;      /* INPUT/PATH-INSIDE#INDEX: required, unique */
    q_string text;    /* required, may be "" */
    q_string source;  /* the input's name in the recipe */
    q_string lang;    /* BCP-47; "und" where it could not be told */
    double lang_score; /* 0..1 */
    q_string url, title, date, license;
    double quality;   /* 0..1; < 0: absent */
    q_string cluster; /* id of the near-duplicate cluster's survivor */
    uint64_t cluster_size; /* 0: absent */
    q_string meta;    /* a JSON object with everything else, as it came ("id": the user's own); empty: none */
};

q_hash q_document_key(q_string id);

/* Whether a document is held out of tokenizer and training: the one function that decides it. `held_out` is a share of documents, 0..1, of
 * the stage that made the documents; it travels in the manifests. */
bool q_document_held_out(q_string id, uint64_t seed, double held_out);

/* Appends the document as one JSON line, fields in the order above. */
q_status q_document_write(const struct q_document *document, struct q_buffer *out) Q_MUST_USE;
/* One line. *out borrows from the parser until its next call. Unknown members and a missing id or text are Q_ERR_INPUT. */
q_status q_document_parse(struct q_jsonl_parser *parser, q_string line, struct q_document *out) Q_MUST_USE;

enum {
    Q_DOCUMENT_BYTES_MAX = 1 << 30,
    Q_DOCUMENTS_FRAME_BYTES = 1 << 20, /* a frame is closed by the first line that reaches it */
};

/* Writes one part: whole lines in frames. Appended documents must come in their final order. */
struct q_documents_writer;
struct q_file_identity;
q_status q_documents_create(const char *path, struct q_documents_writer **out) Q_MUST_USE;
q_status q_documents_append(struct q_documents_writer *writer, const struct q_document *document) Q_MUST_USE;
q_status q_documents_append_line(struct q_documents_writer *writer, q_string line_with_end) Q_MUST_USE;
q_status q_documents_commit(struct q_documents_writer *writer, struct q_file_identity *identity) Q_MUST_USE; /* releases */
void q_documents_abandon(struct q_documents_writer *writer);

/* Reads JSON lines file after file, as batches of whole lines, so that workers can parse. A path is a file of documents (seekable zstd, any
 * zstd, gzip or plain) or "-". */
struct q_lines_reader;
q_status q_lines_open(const char *path, struct q_lines_reader **out) Q_MUST_USE;
/* Refills `batch` with whole lines, about `bytes` (one longer line alone); batch->size = 0 at the end. A line without an end at the file's
 * end counts. */
q_status q_lines_next(struct q_lines_reader *reader, size_t bytes, struct q_buffer *batch) Q_MUST_USE;
uint64_t q_lines_position(const struct q_lines_reader *reader); /* bytes of the stored file consumed */
void q_lines_close(struct q_lines_reader *reader);

#endif
