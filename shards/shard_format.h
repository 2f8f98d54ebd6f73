/* The bytes of a shard file (docs/formats/shards.md): its header and tables, to and from memory. Nothing here touches a file.
 *
 *     frame 0          skippable, kind 0   header
 *     frames 1..D      data                ids, frame_ids each (the last one the rest)
 *     frame D + 1      skippable, kind 1   boundary ids: the first id of data frames 2..D
 *     frame D + 2      skippable, kind 2   statistics
 *     frame D + 3      skippable, kind 3   documents
 *     frame D + 4      skippable, kind 4   provenance (JSON)
 *     frame D + 5      the seek table (base/seekable.h)
 *
 * Parsers believe no length: every one is compared with what remains. Every value has one encoding only, so that a file that parses writes back as
 * the same bytes.
 */
#ifndef QUERN_SHARDS_SHARD_FORMAT_H
#define QUERN_SHARDS_SHARD_FORMAT_H

#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "shards/shards.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SHARD_VERSION = 1,
    SHARD_FRAMES_AROUND = 5, /* skippable ones: the header and four tables */
    SHARD_SEQUENCE_TOKENS_MAX = 1 << 22,
    SHARD_FRAME_IDS_MAX = 1 << 24,
    SHARD_VOCABULARY_MAX = 1 << 24,
    SHARD_NAME_MAX = 255, /* bytes of a source's or language's name */
    SHARD_LENGTH_BINS = 64,
};

enum shard_kind { SHARD_HEADER, SHARD_BOUNDARIES, SHARD_STATISTICS, SHARD_DOCUMENTS, SHARD_PROVENANCE };

struct shard_header {
    uint8_t id_bytes; /* 2 where the vocabulary is at most 65,536, else 4 */
    enum shards_split split;
    uint32_t part;             /* in the folder */
    uint32_t sequence_tokens;  /* T >= 1 */
    uint32_t frame_ids;        /* of every data frame but the last: a multiple of T */
    uint32_t vocabulary;       /* ids are below it */
    uint32_t begin_id, end_id; /* each document is begin ids... end */
    uint64_t tokens;           /* N >= 2: ids in the stream */
    uint64_t sequences;        /* (N - 1) / T, rounded down */
    uint64_t documents;
    uint64_t fim_documents; /* of these, rearranged to fill in the middle */
    uint64_t text_bytes;
    q_hash tokenizer; /* of tokenizer.json's bytes */
    q_hash input;     /* of the manifest whose documents these are */
    q_string source;  /* the input's name in the recipe */
};

/* Data frames: ceil(tokens / frame_ids). */
static inline uint64_t shard_data_frames(const struct shard_header *header)
{
    return header->tokens / header->frame_ids + (header->tokens % header->frame_ids != 0);
}

/* Ids behind the last whole sequence: stored, but no training sequence holds them. The last id of the last sequence is not among them. */
static inline uint64_t shard_tail(const struct shard_header *header)
{
    return header->sequences == 0 ? header->tokens : header->tokens - 1 - header->sequences * header->sequence_tokens;
}

q_status shard_header_write(const struct shard_header *header, struct q_buffer *out) Q_MUST_USE;
/* Checks every field alone and against the others. out->source borrows from `bytes`. Q_ERR_INPUT. */
q_status shard_header_parse(q_string bytes, struct shard_header *out) Q_MUST_USE;

/* Documents of one language. Tokens count every id of the stream, begin and end included, so that sums are the header's. */
struct shard_language {
    q_string name; /* BCP-47; "und" */
    uint64_t documents, tokens, text_bytes;
};

struct shard_statistics {
    struct shard_language *languages; /* sorted by name */
    size_t language_count;
    uint64_t lengths[SHARD_LENGTH_BINS]; /* [b]: documents of 2^b .. 2^(b+1) - 1 tokens */
    uint64_t *counts;                    /* [vocabulary]: how often each id occurs */
    uint32_t vocabulary;
};

q_status shard_statistics_write(const struct shard_statistics *statistics, struct q_buffer *out) Q_MUST_USE;
/* Everything is allocated in the arena; sums are compared with the header's. Q_ERR_INPUT. */
q_status shard_statistics_parse(q_string bytes, const struct shard_header *header, struct q_arena *arena,
                                struct shard_statistics *out) Q_MUST_USE;

struct shard_document {
    q_string id;
    uint64_t first;  /* place of its begin token in the stream */
    uint64_t tokens; /* begin and end included: >= 2 */
    uint64_t text_bytes;
    uint32_t language; /* in the statistics' list */
    bool fim;
};

q_status shard_documents_write(const struct shard_document *documents, size_t count, struct q_buffer *out) Q_MUST_USE;
/* *out: header->documents of them in the order of the stream, in the arena, ids too. Checked: keys ascend, places add up, sums are the header's. */
q_status shard_documents_parse(q_string bytes, const struct shard_header *header, size_t language_count,
                               struct q_arena *arena, struct shard_document **out) Q_MUST_USE;

/* Ids as stored (little-endian, id_bytes wide) to u32 and back. The result of widen is the largest of the ids, to be compared with the vocabulary. */
uint32_t shard_ids_widen(const void *stored, size_t count, unsigned id_bytes, uint32_t *ids);
void shard_ids_narrow(const uint32_t *ids, size_t count, unsigned id_bytes, void *stored);

/* LEB128, lowest seven bits first, shortest form only. */
q_status shard_varint_write(uint64_t value, struct q_buffer *out) Q_MUST_USE;
q_status shard_varint_read(q_string *rest, uint64_t *out) Q_MUST_USE;

/* Bin of the histogram of lengths: floor(log2(tokens)), tokens > 0. */
static inline unsigned shard_length_bin(uint64_t tokens)
{
    return 63 - (unsigned)__builtin_clzll(tokens);
}

#endif
