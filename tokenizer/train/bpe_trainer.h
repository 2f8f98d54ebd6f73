/* The state of a training, shared by the files that make it up. Private to these.
 *
 *     bpe_train.c    which pair is next, and what it is called
 *     bpe_apply.c    what a merge changes
 *     bpe_lists.c    which of the new pairs are kept, and where their places go; the bound on memory
 *     bpe_first.c    the first count, of pairs of bytes
 *     bpe_scan.c     a count of all pairs, when the floor has to fall
 *     bpe_tokens.c   the tokens and what they are called
 *     bpe_replay.c   merges that are known already
 */
#ifndef QUERN_TOKENIZER_BPE_TRAINER_H
#define QUERN_TOKENIZER_BPE_TRAINER_H

#include "base/threads.h"
#include "tokenizer/train/bpe_places.h"
#include "tokenizer/train/bpe_queue.h"
#include "tokenizer/train/bpe_train.h"
#include "tokenizer/train/bpe_words.h"

#define BPE_NONE UINT32_MAX

struct bpe_trainer;

/* One new pair, in one portion of the words: a neighbour of the token that a merge makes. */
struct bpe_sum {
    uint64_t key;         /* the neighbour's bytes where they are 8 at most, else their hash */
    uint64_t weight;      /* the sum of the counts of its places */
    uint64_t first, last; /* places of the pair; while the list is written, `last` is the one written last */
    uint64_t bytes;       /* of the list without the first place */
    uint8_t *at;          /* where its list goes on; NULL: none is written */
    uint8_t *end;         /* of that list */
    uint32_t length;      /* of the neighbour */
    uint32_t total;       /* index of the pair over all portions */
};

/* The neighbours on one side, found by their bytes. */
struct bpe_side {
    struct bpe_sum *sums;
    size_t count, capacity;
    uint32_t *index;       /* open addressing: index of a sum + 1; 0: empty */
    size_t index_capacity; /* 2^(64 - index_shift) */
    unsigned index_shift;
};

enum { BPE_LEFT, BPE_RIGHT, BPE_SIDES };

/* The places of a candidate, portion after portion: from its list, or by looking through the words. */
struct bpe_reader {
    const struct bpe_portion *table; /* NULL where the list has none */
    const uint8_t *at, *end;         /* of the list, or of its portion */
    const uint8_t *next;             /* where the next portion begins */
    uint64_t position;               /* the last one; by looking: the next to look at */
    uint64_t position_end;           /* by looking: of the segment */
    unsigned portion, portion_end;   /* the next portion, and where they end */
    bool looks, is_one;
};

/* What one thread has for its portion of a merge. */
struct bpe_worker {
    struct bpe_side sides[BPE_SIDES];
    uint64_t *position;          /* [chunk] places that hold the pair */
    uint64_t *count;             /* [chunk] their counts */
    uint32_t *record[BPE_SIDES]; /* [chunk] the neighbour; BPE_NONE: a piece's border, or what the other side notes */
    size_t used;
    bool complete;       /* the chunk has all places of the portion */
    uint64_t read, held; /* places in the list, and that hold the pair */
    uint64_t first_held;
    uint64_t weight;       /* the sum of the counts of these */
    uint64_t previous_end; /* of the token made at the last place */
    uint64_t written;      /* bytes of the portion, when its list was written anew */
    q_status status;
};

/* The merge at hand. */
struct bpe_job {
    struct bpe_candidate candidate;
    uint32_t left, right, made; /* bytes of the two tokens and of the new one */
    bool twice;                 /* both are the same, so places may overlap */
    q_string bytes;             /* of the new token */
    unsigned portions;          /* that are worked on one by one: 1, or one for each segment */
    void (*pass)(struct bpe_trainer *trainer, struct bpe_worker *worker, struct bpe_reader *reader);
};

struct bpe_trainer {
    const struct bpe_train_options *options;
    struct bpe_train_tuning tuning;
    uint64_t least;      /* max(1, min_frequency): a pair below it is no candidate */
    uint64_t floor;      /* a pair below it is not kept; at least `least` */
    bpe_pair floor_pair; /* of those on the floor: the last that is kept; BPE_NO_PAIR: all are */
    uint64_t budget;     /* bytes for queue and lists; UINT64_MAX: no bound */
    struct vocabulary *out;
    uint32_t *length;   /* [vocab_size] bytes of a token */
    uint32_t *by_bytes; /* open addressing over tokens: id + 1, 0 is empty */
    size_t by_bytes_capacity;
    struct bpe_words words;
    struct bpe_queue queue;
    struct bpe_places places;
    struct bpe_job job;
    struct q_pool *pool;
    struct bpe_worker *workers; /* [segments] */
    struct bpe_side totals[BPE_SIDES];
    size_t merge_capacity, merge_counts_capacity;
    struct q_buffer scratch;
    q_hash identity; /* of the counts and the options (docs/formats/merges.md) */
    uint32_t scale;  /* counts are in units of 1/scale */
};

/* The id of the token with these bytes; BPE_NONE where there is none. */
uint32_t bpe_trainer_id(const struct bpe_trainer *trainer, q_string bytes);

/* bpe_reader.c. All places of the candidate in hand, or those of one portion. */
struct bpe_reader bpe_reader_of(const struct bpe_trainer *trainer, unsigned portion, bool all);
/* Up to `room` >= 64 rising places, which may not hold the pair any more; 0: no more. */
size_t bpe_reader_next(struct bpe_reader *reader, const struct bpe_trainer *trainer, uint64_t *places, size_t room);

/* The key of a token of 1 to 8 bytes: these, as a number. */
static inline uint64_t bpe_side_key(const uint8_t *bytes, uint32_t length)
{
    return bpe_load8(bytes) & UINT64_MAX >> (64 - 8 * length);
}

/* The high bits of a product know of all the others. */
static inline size_t bpe_side_slot(const struct bpe_side *side, uint64_t key, uint32_t length)
{
    return (size_t)((key + length) * 0x9E3779B97F4A7C15ull >> side->index_shift);
}

/* bpe_side.c. The sum of the neighbour at `token`, which lies `offset` behind its pair's place; made where there is none. BPE_NONE: no memory. */
uint32_t bpe_side_find_slowly(struct bpe_side *side, const uint8_t *text, uint64_t token, uint32_t length,
                              uint32_t offset);

/* The same; nearly always a short token that is in the first slot. */
static inline uint32_t bpe_side_find(struct bpe_side *side, const uint8_t *text, uint64_t token, uint32_t length,
                                     uint32_t offset)
{
    if (length <= 8 && side->count > 0) {
        uint64_t key = bpe_side_key(text + token, length);
        uint32_t found = side->index[bpe_side_slot(side, key, length)];
        if (found && side->sums[found - 1].key == key && side->sums[found - 1].length == length)
            return found - 1;
    }
    return bpe_side_find_slowly(side, text, token, length, offset);
}

/* Adds a place, which is behind all that were added. The first costs the list no bytes here (bpe_side_find sets -1, its difference from itself is one). */
static inline void bpe_sum_add(struct bpe_sum *sum, uint64_t place, uint64_t count)
{
    sum->weight += count;
    sum->bytes += bpe_place_bytes(place - sum->last);
    sum->last = place;
}

void bpe_side_clear(struct bpe_side *side);
void bpe_side_release(struct bpe_side *side);

/* Room for the workers' chunks. */
q_status bpe_apply_init(struct bpe_trainer *trainer) Q_MUST_USE;
uint64_t bpe_apply_memory(const struct bpe_trainer *trainer); /* bytes of these */
void bpe_apply_release(struct bpe_trainer *trainer);
/* Takes a candidate in hand and looks at all its places: *count is what they sum up to now. bytes: of the token that the pair would be. */
q_status bpe_apply_look(struct bpe_trainer *trainer, const struct bpe_candidate *candidate, q_string bytes,
                        uint64_t *count) Q_MUST_USE;
/* Puts the candidate in hand back into the queue with this count; its list loses the places that do not hold the pair any more. */
q_status bpe_apply_put_back(struct bpe_trainer *trainer, uint64_t count) Q_MUST_USE;
/* Merges the pair in hand at all its places and queues the new pairs. */
q_status bpe_apply_merge(struct bpe_trainer *trainer, uint32_t made) Q_MUST_USE;

/* bpe_lists.c. Sums are made portion by portion; those of a pair are joined to a total, with `total` its index, in the order of the portions. A single
 * portion's sums are the totals themselves.
 *
 *     sums by portion --join--> totals --room, make--> queue and lists --deal--> sums by portion know where they write */
void bpe_sum_join(struct bpe_sum *total, const struct bpe_sum *portion);
struct bpe_totals {
    struct bpe_sum *sums; /* [count]; one that must not be queued has weight 0 */
    size_t count;
    bpe_pair (*pair_of)(const struct bpe_trainer *trainer, const void *context, const struct bpe_sum *total);
    const void *context;
};
/* Sees to it that the lists of these totals can be made within the bound on memory: the floor may rise, and all lists may move. */
q_status bpe_lists_room(struct bpe_trainer *trainer, const struct bpe_totals *totals, size_t sets) Q_MUST_USE;
/* Queues every total that is not below the floor, and allocates its list. *any is set where one is to be written. */
q_status bpe_lists_make(struct bpe_trainer *trainer, const struct bpe_totals *totals, unsigned portions,
                        bool *any) Q_MUST_USE;
void bpe_sum_deal(struct bpe_sum *total, struct bpe_sum *portion, unsigned number);
/* Writes one place of a pair, where its list is kept. */
static inline void bpe_sum_write(struct bpe_sum *sum, uint64_t position)
{
    if (!sum->at)
        return;
    sum->at = bpe_place_put(sum->at, sum->end, position - sum->last);
    sum->last = position;
}
static inline bool bpe_is_kept(const struct bpe_trainer *trainer, uint64_t count, bpe_pair pair)
{
    return count > trainer->floor || (count == trainer->floor && pair <= trainer->floor_pair);
}
/* Whether a pair with tokens of so many bytes may be merged. */
bool bpe_may_grow(const struct bpe_trainer *trainer, uint32_t left, uint32_t right);
/* Moves the living lists together where most are dead. No pointer into a list may be held; the list in hand moves too. */
q_status bpe_lists_tidy(struct bpe_trainer *trainer) Q_MUST_USE;

/* Counts the first pairs, those of two bytes, and queues them. */
q_status bpe_first_count(struct bpe_trainer *trainer) Q_MUST_USE;
/* Counts all pairs that the words hold and queues those that are not below a new floor: `wanted`, or less where nothing is above it, or more where there is
 * no room. The queue must be empty. */
q_status bpe_scan(struct bpe_trainer *trainer, uint64_t wanted) Q_MUST_USE;

/* Does known merges on words that have none, in their order. whole_tokens: a piece that is a token is that token (ignore_merges). Q_ERR_INPUT where a merge
 * joins what a later one makes. */
q_status bpe_replay(struct bpe_trainer *trainer, const struct vocabulary_merge *merges, size_t count,
                    bool whole_tokens) Q_MUST_USE;
/* Bytes that bpe_replay takes at most. */
uint64_t bpe_replay_memory(const struct bpe_trainer *trainer, size_t merge_count);

#endif
