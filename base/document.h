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
    q_string url, title, date;
    double quality;   /* 0..1; < 0: absent */
    q_string license;
    q_string cluster; /* id of the near-duplicate cluster's survivor */
    uint64_t cluster_size; /* 0: absent */
    q_string meta;    /* a JSON object with everything else, as it came ("id": the user's own); empty: none */
};

q_hash q_document_key(q_string id);

/* Whether a document is held out of tokenizer and training: the one function that decides it. `held_out` is a share of documents, 0..1, of
 * the stage that made the documents; it travels in the manifests. */
bool q_document_held_out(q_string id, uint64_t seed, double held_out);

/* Appends the document as one JSON line, members in the order above, absent ones left out, `lang_score` only beside a `lang`; scores with four
 * digits. Broken UTF-8 becomes U+FFFD. Q_ERR_INPUT where the id is empty, a score is not 0..1, `meta` is not a JSON object on one line, or
 * the line would pass Q_DOCUMENT_LINE_BYTES_MAX; then nothing is appended. */
q_status q_document_write(const struct q_document *document, struct q_buffer *out) Q_MUST_USE;
/* One line. *out borrows from the parser until its next call. Unknown members, a missing id or text, and values out of their range are
 * Q_ERR_INPUT. What q_document_write made is read back the same. */
q_status q_document_parse(struct q_jsonl_parser *parser, q_string line, struct q_document *out) Q_MUST_USE;

enum {
    Q_DOCUMENT_BYTES_MAX = 1 << 29,                       /* of a text */
    Q_DOCUMENT_LINE_BYTES_MAX = (1 << 30) - (1 << 20), /* of a line, its end counted: so that a frame has room for it */
    Q_DOCUMENTS_FRAME_BYTES = 1 << 20, /* a frame is closed by the first line that reaches it */
};

/* Writes one part: whole lines in frames. Appended documents must come in their final order. Appending nothing is allowed. A line that is refused
 * (Q_ERR_INPUT) leaves the writer as it was. */
struct q_documents_writer;
struct q_file_identity;
q_status q_documents_create(const char *path, struct q_documents_writer **out) Q_MUST_USE;
q_status q_documents_append(struct q_documents_writer *writer, const struct q_document *document) Q_MUST_USE;
q_status q_documents_append_line(struct q_documents_writer *writer, q_string line_with_end) Q_MUST_USE;
q_status q_documents_commit(struct q_documents_writer *writer, struct q_file_identity *identity) Q_MUST_USE; /* releases */
void q_documents_abandon(struct q_documents_writer *writer);

/* Reads a file of JSON lines in batches of whole lines, so that workers can parse. A path is a file, seekable zstd, any zstd or plain as its first bytes say,
 * or "-". (Other compressions are stage 1's business, which has libarchive.) A file cut inside a frame or damaged is Q_ERR_INPUT: zstd's checksums are verified
 * where a file has them, and ours always have. A file cut exactly between two frames is whole to any zstd reader; manifests find that by its size. */
struct q_lines_reader;
q_status q_lines_open(const char *path, struct q_lines_reader **out) Q_MUST_USE;
/* Refills `batch` with whole lines, about `bytes` of them, more where one line is longer; batch->size = 0 at the end. A line without an end at the
 * file's end counts. A line longer than Q_DOCUMENT_LINE_BYTES_MAX is Q_ERR_INPUT. */
q_status q_lines_next(struct q_lines_reader *reader, size_t bytes, struct q_buffer *batch) Q_MUST_USE;
/* A smaller bound on a line than Q_DOCUMENT_LINE_BYTES_MAX, for who has little memory: a longer one is Q_ERR_INPUT. */
void q_lines_bound(struct q_lines_reader *reader, size_t line_bytes_max);
uint64_t q_lines_position(const struct q_lines_reader *reader); /* bytes of the stored file consumed */
void q_lines_close(struct q_lines_reader *reader);

#endif
