/* Token shards: what training reads (docs/formats/shards.md).
 *
 * A folder of shards is the result of stage 4. For each part there are up to two files, part-00000.train.zst and part-00000.heldout.zst. A file
 * is one stream of ids, cut into sequences: sequence i is the T + 1 ids from i * T on: T inputs and T targets, the last id of one sequence being the
 * first of the next, so that every id but the stream's first is a target exactly once. A stream is the part's documents end to end, each `begin ids... end`.
 *
 * In memory ids are u32. A struct shards is read-only once open and shared by threads; a struct shards_cursor (file handles, decompressor, the last
 * frame) belongs to one.
 */
#ifndef QUERN_SHARDS_SHARDS_H
#define QUERN_SHARDS_SHARDS_H

#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum shards_split { SHARDS_TRAIN, SHARDS_HELDOUT };

struct shards_source {
    const char *name;        /* the input's name in the recipe */
    uint64_t first_sequence; /* sequences of one source are neighbours in the folder's numbering */
    uint64_t sequences;      /* may be 0: documents, but no whole sequence */
    uint64_t tokens;
    uint64_t text_bytes;
};

struct shards {
    struct q_arena arena;
    const char *folder;
    enum shards_split split;
    uint32_t sequence_tokens; /* T */
    uint32_t vocabulary;      /* ids are below it */
    uint64_t sequences;   /* of this split, numbered 0.. over sources in the recipe's order, then parts, then place */
    uint64_t tokens;      /* ids in this split's streams, tails included */
    uint64_t tail_tokens; /* of these, behind the last whole sequence of their file: no sequence holds them */
    uint64_t text_bytes;  /* bytes of text they stand for */
    struct shards_source *sources;
    size_t source_count;
    q_hash tokenizer;          /* of the bytes of the tokenizer.json that made the ids */
    q_hash fingerprint;        /* of the data: manifest hash; a run that goes on with other data is an error */
    struct shards_file *files; /* private: shards_read.c */
    size_t file_count;
};

/* Opens one split of a finished folder from its manifest; no shard file is touched. A split without sequences is allowed (sequences = 0; sources are
 * those that have documents in the split). Q_ERR_INPUT where the folder is no finished result of stage 4. */
q_status shards_open(const char *folder, enum shards_split split, struct shards **out) Q_MUST_USE;
void shards_close(struct shards *shards);

struct shards_cursor;
q_status shards_cursor_create(const struct shards *shards, struct shards_cursor **out) Q_MUST_USE;
void shards_cursor_release(struct shards_cursor *cursor);
/* ids[0..T]: T + 1 ids, verified by checksum and against the vocabulary; sequence < shards->sequences. One frame is decompressed, none where it is the
 * one that the read before used. Q_ERR_INPUT for a file that is damaged or not the one that the manifest speaks of. */
q_status shards_read(struct shards_cursor *cursor, uint64_t sequence, uint32_t *ids) Q_MUST_USE;

/* Where a sequence lies: file (index), and its number in it. */
struct shards_place {
    const char *path;
    uint32_t source;
    uint64_t sequence; /* of the file */
};
void shards_find(const struct shards *shards, uint64_t sequence, struct shards_place *out);

/* How often each id is a token of the train split: counts[vocabulary], from the statistics inside the shards. */
q_status shards_token_counts(const struct shards *shards, uint64_t *counts) Q_MUST_USE;

#endif
