/* Leaders: which documents of a component stay, and whom the others follow.
 *
 * Documents are taken from the best to the last. Each is compared with the survivors that share a bucket with it,
 * those that share most buckets first, the better first among those that share as many. It follows the first one
 * whose Jaccard index with it reaches the threshold; where none does, it becomes a survivor and is entered in its
 * buckets.
 *
 * A bucket holds at most compare_max survivors, the best ones. So a document is compared with at most bands x
 * compare_max others; and a cluster of n copies takes n comparisons, since each finds the one survivor at once. What
 * is left out this way would be left out again over the survivors alone, because only survivors are ever counted.
 */
#ifndef QUERN_DEDUP_LEADERS_H
#define QUERN_DEDUP_LEADERS_H

#include "dedup/shingles.h"
#include "dedup/spool.h"

/* What the documents of all components share. */
struct leader_field {
    const struct spool *store;
    const uint64_t *place; /* of each rank's entry */
    double jaccard;        /* the threshold */
    uint64_t compare_max;
    uint32_t *leader; /* out, by rank: leader[rank] = rank on the way in; components write apart from each other */
    uint32_t *common; /* out: shingles in common with the leader */
};

/* One thread's working memory. Ready when zeroed. */
struct leader_scratch {
    struct leader_bucket *buckets; /* a hash table, bucket_mask + 1 places */
    size_t bucket_mask, bucket_capacity;
    struct leader_entry *entries; /* survivors in buckets */
    size_t entry_count, entry_capacity;
    uint64_t *candidates;
    size_t candidate_count, candidate_capacity;
    struct shingle_set own, other;
    uint32_t own_rank, other_rank; /* + 1: whose sets these are */
};

struct leader_counts {
    uint64_t components, largest, compared, verified;
};

void leader_scratch_release(struct leader_scratch *scratch);

/* Decides whole components given as `count` records (root, rank, digest), sorted. Adds to *counts. */
q_status leaders_decide(const struct leader_field *field, struct leader_scratch *scratch, const uint64_t *records,
                        size_t count, struct leader_counts *counts) Q_MUST_USE;

#endif
