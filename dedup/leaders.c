#include "dedup/leaders.h"

#include "base/check.h"
#include "dedup/record_sort.h"
#include "dedup/shingle_store.h"

enum { RECORD = 3 }; /* numbers in a record: root, rank, digest */
enum { NONE = UINT32_MAX };

/* A bucket: its survivors as a chain of entries. Free where count is 0. */
struct leader_bucket {
    uint64_t digest;
    uint32_t first; /* entry */
    uint32_t count;
};

struct leader_entry {
    uint32_t rank;
    uint32_t next; /* entry; NONE ends the chain */
};

void leader_scratch_release(struct leader_scratch *scratch)
{
    q_release(scratch->buckets);
    q_release(scratch->entries);
    q_release(scratch->candidates);
    shingle_set_release(&scratch->own);
    shingle_set_release(&scratch->other);
    *scratch = (struct leader_scratch){0};
}

/* An empty table with room for `count` buckets, at most half full. */
static q_status clear_buckets(struct leader_scratch *scratch, size_t count)
{
    size_t size = 64;
    while (size < 2 * count)
        size *= 2;
    Q_TRY(q_grow(&scratch->buckets, &scratch->bucket_capacity, size, sizeof(*scratch->buckets)));
    memset(scratch->buckets, 0, size * sizeof(*scratch->buckets));
    scratch->bucket_mask = size - 1;
    scratch->entry_count = 0;
    scratch->own_rank = scratch->other_rank = 0;
    return Q_OK;
}

/* The bucket of the digest, or the free place for it. Digests are hashes: their low bits are as good as any. */
static struct leader_bucket *find_bucket(struct leader_scratch *scratch, uint64_t digest)
{
    size_t at = digest & scratch->bucket_mask;
    while (scratch->buckets[at].count && scratch->buckets[at].digest != digest)
        at = (at + 1) & scratch->bucket_mask;
    return &scratch->buckets[at];
}

static q_status enter_survivor(struct leader_scratch *scratch, uint32_t rank, uint64_t digest, uint64_t compare_max)
{
    struct leader_bucket *bucket = find_bucket(scratch, digest);
    if (bucket->count >= compare_max)
        return Q_OK;
    Q_TRY(q_grow(&scratch->entries, &scratch->entry_capacity, scratch->entry_count + 1, sizeof(*scratch->entries)));
    scratch->entries[scratch->entry_count] = (struct leader_entry){rank, bucket->count ? bucket->first : NONE};
    *bucket = (struct leader_bucket){digest, (uint32_t)scratch->entry_count++, bucket->count + 1};
    return Q_OK;
}

/* The survivors in the document's buckets, each once, in the order in which they are compared. */
static q_status gather(struct leader_scratch *scratch, const uint64_t *records, size_t count)
{
    scratch->candidate_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct leader_bucket *bucket = find_bucket(scratch, records[i * RECORD + 2]);
        Q_TRY(q_grow(&scratch->candidates, &scratch->candidate_capacity, scratch->candidate_count + bucket->count,
                     sizeof(*scratch->candidates)));
        for (uint32_t entry = bucket->count ? bucket->first : NONE; entry != NONE; entry = scratch->entries[entry].next)
            scratch->candidates[scratch->candidate_count++] = scratch->entries[entry].rank;
    }
    uint64_t *candidates = scratch->candidates;
    record_sort(candidates, scratch->candidate_count, 1);
    size_t kept = 0;
    for (size_t i = 0, end; i < scratch->candidate_count; i = end) {
        for (end = i + 1; end < scratch->candidate_count && candidates[end] == candidates[i];)
            end++;
        /* Most buckets in common first, then the better rank. */
        candidates[kept++] = (uint64_t)(UINT32_MAX - (uint32_t)(end - i)) << 32 | candidates[i];
    }
    scratch->candidate_count = kept;
    record_sort(candidates, kept, 1);
    return Q_OK;
}

/* *out: the shingles in common, where the Jaccard index reaches the threshold; else 0. */
static q_status compare(const struct leader_field *field, struct leader_scratch *scratch, uint32_t rank,
                        uint32_t survivor, uint32_t *out, struct leader_counts *counts)
{
    *out = 0;
    if (scratch->own_rank != rank + 1) {
        Q_TRY(shingle_entry_set(field->store, field->place[rank], &scratch->own));
        scratch->own_rank = rank + 1;
    }
    size_t own = scratch->own.count;
    if (scratch->other_rank != survivor + 1) {
        struct shingle_head head;
        Q_TRY(shingle_entry_head(field->store, field->place[survivor], &head));
        /* Sets of such different sizes cannot be alike enough: the index is at most the ratio. */
        if ((double)Q_MIN(head.count, own) < field->jaccard * (double)Q_MAX(head.count, own))
            return Q_OK;
        scratch->other_rank = 0;
        Q_TRY(shingle_entry_set(field->store, field->place[survivor], &scratch->other));
        scratch->other_rank = survivor + 1;
    }
    size_t common = shingle_sets_common(scratch->own.hashes, own, scratch->other.hashes, scratch->other.count);
    counts->compared++;
    if (shingles_jaccard(own, scratch->other.count, common) >= field->jaccard) {
        *out = (uint32_t)common;
        counts->verified++;
    }
    return Q_OK;
}

/* One document, by its `count` records. */
static q_status decide(const struct leader_field *field, struct leader_scratch *scratch, const uint64_t *records,
                       size_t count, struct leader_counts *counts)
{
    uint32_t rank = (uint32_t)records[1];
    Q_TRY(gather(scratch, records, count));
    for (size_t i = 0; i < scratch->candidate_count; i++) {
        uint32_t survivor = (uint32_t)scratch->candidates[i], common;
        Q_TRY(compare(field, scratch, rank, survivor, &common, counts));
        if (common) {
            q_check(survivor < rank && field->leader[survivor] == survivor);
            field->leader[rank] = survivor;
            field->common[rank] = common;
            return Q_OK;
        }
    }
    for (size_t i = 0; i < count; i++)
        Q_TRY(enter_survivor(scratch, rank, records[i * RECORD + 2], field->compare_max));
    return Q_OK;
}

q_status leaders_decide(const struct leader_field *field, struct leader_scratch *scratch, const uint64_t *records,
                        size_t count, struct leader_counts *counts)
{
    if (count >= UINT32_MAX)
        return q_fail(Q_ERR_INPUT,
                      "documents that hang together by their bands have %zu entries; at most %u; raise dedup.rows",
                      count, UINT32_MAX - 1);
    /* One table for all components: no digest is in two. */
    Q_TRY(clear_buckets(scratch, count));
    uint64_t members = 0;
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && records[end * RECORD + 1] == records[i * RECORD + 1];)
            end++;
        Q_TRY(decide(field, scratch, records + i * RECORD, end - i, counts));
        members++;
        if (end == count || records[end * RECORD] != records[i * RECORD]) {
            counts->components++;
            counts->largest = Q_MAX(counts->largest, members);
            members = 0;
        }
    }
    return Q_OK;
}
