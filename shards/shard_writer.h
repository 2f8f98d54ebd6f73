/* Writes one shard file from a stream of ids that lies in memory (docs/formats/shards.md). */
#ifndef QUERN_SHARDS_SHARD_WRITER_H
#define QUERN_SHARDS_SHARD_WRITER_H

#include "base/publish.h"
#include "base/threads.h"
#include "shards/shard_format.h"

/* The stream, by its documents: document i is tokens_i ids from place_i of `ids` on. `ids` is in order of arrival, the stream in order of keys. */
struct shard_stream {
    struct shard_header
        header; /* tokens, sequences, documents, fim_documents and text_bytes are counted by shard_write */
    struct shard_document *documents; /* in the order of the stream; `first` is set by shard_write */
    const uint64_t *places;
    size_t count;              /* documents, at least 1 */
    const void *ids;           /* header.id_bytes wide */
    const q_string *languages; /* names, sorted; documents[].language is an index; each has at least one document */
    size_t language_count;
    q_string provenance; /* JSON */
};

/* Frames are compressed by all threads of the pool and written in order: the same bytes for any number. Publishes PATH; Q_STOPPED between frames
 * when a stop was asked for, and then nothing shows under the name. header gets what was counted. */
q_status shard_write(const char *path, int level, struct q_pool *pool, struct shard_stream *stream,
                     struct q_file_identity *identity) Q_MUST_USE;

#endif
