/* What is in shards, summed from the statistics inside the files: for the verbs stats and report. The data frames are not read. */
#ifndef QUERN_SHARDS_SHARDS_SURVEY_H
#define QUERN_SHARDS_SHARDS_SURVEY_H

#include "shards/shard_file.h"
#include "shards/shards_read.h"

/* Documents of one language of one source in one split. */
struct survey_row {
    enum shards_split split;
    const char *source;
    q_string language;
    uint64_t documents, tokens, text_bytes;
};

struct survey_split {
    uint64_t files, documents, fim_documents, tokens, sequences, tail_tokens, text_bytes;
    uint64_t stored_bytes;                     /* of the files */
    uint64_t kind_bytes[SHARD_PROVENANCE + 1]; /* of these, frames that are no data, by enum shard_kind */
    uint64_t data_frames, data_bytes;          /* stored bytes of the data frames */
    uint64_t lengths[SHARD_LENGTH_BINS];
    uint64_t *counts; /* [vocabulary] */
};

struct survey {
    struct q_arena arena;
    uint32_t sequence_tokens, frame_ids, vocabulary;
    unsigned id_bytes;
    q_hash tokenizer;
    struct survey_row *rows; /* by split, then source in the folder's order, then language */
    size_t row_count, row_capacity;
    struct survey_split splits[2];
};

/* PATH is a folder of shards or one shard file. Zeroed before; survey_release also after a failure. */
q_status survey_path(struct survey *survey, const char *path) Q_MUST_USE;
void survey_release(struct survey *survey);

#endif
