/* Grouping: from signatures to verdicts. Internal to the group step; group_step.c runs its passes in this order.
 *
 *     rank      every document gets its place in the order of survivors: 0 is the best. From here on a document is its
 *               rank, so that "the better of two" is the smaller number, whatever order the documents came in
 *     exact     those with the same hash of the normalised text follow the best of them
 *     bands     the others, sorted by (digest, rank): those that share a digest are in one bucket and are candidates of
 *               each other. Buckets that share a document make a component (disjoint sets); no candidates reach over
 *               components
 *     store     the shingle sets and ids of all that are in a bucket or an exact class, read in the documents' order
 *     leaders   in each component, from the best to the last: a document follows the first survivor in its buckets that
 *               is verified to be like enough; where none is, it is a survivor itself (leaders.h)
 *     verdicts  in the documents' order
 *
 * The result is a function of the set of documents and of the settings. Every dropped document was compared with the
 * survivor that stays, and no two survivors that were compared are alike: so a second run over the result drops
 * nothing.
 *
 * Memory: 25 bytes a document; `memory` for the sorters and the store; 24 bytes for each bucket entry of the largest
 * component.
 */
#ifndef QUERN_DEDUP_GROUP_H
#define QUERN_DEDUP_GROUP_H

#include "dedup/dedup_build.h"
#include "dedup/record_sorter.h"
#include "dedup/signature_file.h"
#include "dedup/spool.h"

enum { GROUP_DOCUMENTS_MAX = UINT32_MAX - 1 };

/* Bits of group.flags. */
enum {
    GROUP_EXACT_COPY = 1 << 0,  /* follows another one of the same normalised text */
    GROUP_EXACT_FIRST = 1 << 1, /* is followed so */
    GROUP_IN_BUCKET = 1 << 2,   /* shares a digest with another document */
};

struct group {
    struct dedup_build *build;
    struct q_step *sign, *step;
    const char *folder; /* of the step: where spools are */
    struct signature_shape shape;
    uint64_t documents; /* of all parts */
    uint32_t *rank_of;  /* by number of the document (parts in order) */
    /* By rank. */
    uint8_t *flags;
    uint32_t *leader; /* whom it follows; itself: a survivor */
    uint32_t
        *parents; /* disjoint sets of the components, until the leaders are found; then: weight of those that follow */
    uint32_t *common; /* near duplicates: shingles in common with the leader; exact copies: whom they are a copy of */
    uint64_t *place;  /* of its entry in the store, where it has any flag */
    struct record_sorter members; /* (root of the component, rank, digest) of every bucket entry */
    struct spool store;
    /* Statistics. */
    uint64_t exact, near, in_buckets, components, component_max, compared, verified;
};

/* Goes through all heads, block by block. Zeroed, then group_cursor_next; group_cursor_close at the end. */
struct group_cursor {
    uint64_t part;
    uint32_t block;
    bool open;
    struct signature_file file;
    struct signature_head *heads;
    size_t capacity;
    uint32_t count; /* in heads */
    uint64_t first; /* number of the document heads[0] */
};

/* The next block; *more = false behind the last one. cursor->part and cursor->block say where it is from. Q_STOPPED
 * on request. */
q_status group_cursor_next(struct group *group, struct group_cursor *cursor, bool *more) Q_MUST_USE;
void group_cursor_close(struct group_cursor *cursor);

/* The passes. */
q_status group_rank(struct group *group) Q_MUST_USE;
q_status group_exact(struct group *group) Q_MUST_USE;
q_status group_bands(struct group *group) Q_MUST_USE;
q_status group_store(struct group *group) Q_MUST_USE;
q_status group_leaders(struct group *group) Q_MUST_USE;
q_status group_verdicts(struct group *group) Q_MUST_USE;

#endif
