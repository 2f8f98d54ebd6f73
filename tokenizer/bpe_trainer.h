/* The state of a training, shared by bpe_train.c (which pair is next) and bpe_apply.c (what a merge changes). Private to these. */
#ifndef QUERN_TOKENIZER_BPE_TRAINER_H
#define QUERN_TOKENIZER_BPE_TRAINER_H

#include "tokenizer/bpe_pairs.h"
#include "tokenizer/bpe_places.h"
#include "tokenizer/bpe_train.h"
#include "tokenizer/bpe_words.h"

/* A token that stood beside the merged pair: on the left before it, on the right behind it. */
struct bpe_neighbour {
    int64_t weight; /* the sum of the counts of its places */
    uint32_t *list; /* where its positions go; NULL: none or one */
    uint32_t id;
    uint32_t places; /* how many */
    uint32_t first;  /* the first of them */
};

struct bpe_record {
    uint32_t neighbour; /* index */
    uint32_t position;  /* of the new pair's left token */
};

struct bpe_side {
    uint32_t *index_of; /* [vocab_size]: of the neighbour with that id; BPE_END: none */
    struct bpe_neighbour *neighbours;
    size_t count, capacity;
    struct bpe_record *records; /* in the order met: rising positions */
    size_t record_count, record_capacity;
};

struct bpe_trainer {
    const struct bpe_train_options *options;
    int64_t least; /* max(1, min_frequency): a pair below it is no candidate */
    struct vocabulary *out;
    uint32_t *length;   /* [vocab_size] bytes of a token */
    uint32_t *by_bytes; /* open addressing over tokens: id + 1, 0 is empty */
    size_t by_bytes_capacity;
    struct bpe_words words;
    struct bpe_pairs pairs;
    struct bpe_queue queue;
    struct bpe_places places;
    struct bpe_side left, right;
    size_t merge_capacity;
};

/* Counts the first pairs, those of two bytes, and queues them. */
q_status bpe_apply_start(struct bpe_trainer *trainer) Q_MUST_USE;

/* Puts `made`, which no place holds yet, in all places of the candidate's pair; brings counts up to date and queues the new pairs. */
q_status bpe_apply(struct bpe_trainer *trainer, const struct bpe_candidate *candidate, uint32_t made) Q_MUST_USE;

#endif
