/* One part of documents, encoded into memory and sorted: what becomes one shard file per split.
 *
 * Documents are encoded by all threads in batches and merged in the order they are read, so memory holds the ids of one part (about as many bytes
 * as its text with u32, half of it with u16), never its text. The stream's order is that of the documents' keys, not of arrival: neighbours in
 * an archive are alike, and neighbours in the stream share sequences.
 */
#ifndef QUERN_SHARDS_SHARDS_PART_H
#define QUERN_SHARDS_SHARDS_PART_H

#include "base/accounting.h"
#include "base/threads.h"
#include "shards/shard_writer.h"
#include "shards/shards_settings.h"
#include "tokenizer/tokenizer.h"

/* What every part of a build has in common. */
struct shards_encoding {
    const struct tokenizer *tokenizer;
    const struct shards_settings *settings;
    uint64_t seed;   /* of fill in the middle, dropout and boundary splits */
    double held_out; /* of the documents' manifest */
    uint64_t held_out_seed;
    q_hash tokenizer_hash;
    q_hash input_hash;
};

/* The documents of one split. */
struct shards_part_split {
    struct q_buffer ids; /* as stored, in order of arrival */
    struct shard_document *documents;
    q_hash *keys;
    uint64_t *places;
    size_t count, document_capacity, key_capacity, place_capacity;
};

struct shards_part {
    struct q_arena arena; /* ids and names of documents */
    unsigned id_bytes;
    struct shards_part_split splits[2]; /* by enum shards_split */
    bool has_source;
    q_string source;
    q_string *languages; /* in order of arrival, of both splits */
    size_t language_count, language_capacity;
    struct q_accounting accounting; /* dropped: "empty", documents without text */
};

/* Bytes an id takes: 2 where the vocabulary is at most 65,536, else 4. */
unsigned shards_id_bytes(uint32_t vocabulary);

/* Whether the vocabulary has the special tokens that a build with these settings needs; Q_ERR_INPUT names the first that is missing. */
q_status shards_encoding_check(const struct shards_encoding *encoding) Q_MUST_USE;

/* Reads and encodes the documents of `files` (one after the other). Q_ERR_INPUT for a line that is no document, an id that occurs twice, or documents
 * of two sources; Q_STOPPED between batches. `part` is initialised here; release it also after a failure. */
q_status shards_part_read(const struct shards_encoding *encoding, struct q_pool *pool, const char *const *files,
                          size_t file_count, struct shards_part *part) Q_MUST_USE;
void shards_part_release(struct shards_part *part);

/* Publishes the shard file of one split, which must have documents. *header gets what the file says of itself; header->source borrows from `part`. */
q_status shards_part_write(const struct shards_encoding *encoding, struct q_pool *pool, struct shards_part *part,
                           uint32_t number, enum shards_split split, q_string provenance, const char *path,
                           struct shard_header *header, struct q_file_identity *identity) Q_MUST_USE;

#endif
