/* A batch of documents on its way to ids: parsed and encoded by any thread, a pure function of the lines. */
#ifndef QUERN_SHARDS_SHARDS_ENCODE_H
#define QUERN_SHARDS_SHARDS_ENCODE_H

#include "base/document.h"
#include "shards/shards_part.h"

struct encoded_document {
    q_string id, source, language; /* in the batch's arena */
    q_hash key;
    uint64_t tokens; /* begin and end included; 0: dropped, there is no text */
    uint64_t text_bytes;
    enum shards_split split;
    bool fim;
};

struct encoded_batch {
    struct q_buffer lines;
    const char *file;
    uint64_t first_line; /* of the file, from 1 */
    struct q_arena arena;
    struct encoded_document *documents;
    size_t count, capacity;
    struct tokenizer_ids ids; /* all documents' ids, end to end */
};

void encoded_batch_release(struct encoded_batch *batch);

/* What a thread needs of its own. */
struct encode_worker {
    struct q_jsonl_parser *parser;
    struct tokenizer_scratch *scratch;
};

q_status encode_worker_init(struct encode_worker *worker, const struct tokenizer *tokenizer) Q_MUST_USE;
void encode_worker_release(struct encode_worker *worker);

/* Encodes batch->lines. Q_ERR_INPUT names the file and the line. */
q_status encode_batch(const struct shards_encoding *encoding, struct encode_worker *worker,
                      struct encoded_batch *batch) Q_MUST_USE;

#endif
