/* Grouping, pass bands: buckets of documents that share a digest, and components of buckets that share a document. */
#include "base/check.h"
#include "dedup/disjoint_sets.h"
#include "dedup/group.h"

/* Every digest of every document that is not a copy, as (digest, rank). */
static q_status add_digests(struct group *group, struct record_sorter *sorter)
{
    struct group_cursor cursor = {0};
    unsigned bands = group->shape.bands;
    bool more = true;
    q_status status;
    for (;;) {
        const uint64_t *digests;
        Q_TRY_GOTO(out, group_cursor_next(group, &cursor, &more));
        if (!more)
            break;
        Q_TRY_GOTO(out, signature_file_digests(&cursor.file, cursor.block, &digests));
        for (uint64_t i = 0; i < cursor.count; i++) {
            uint32_t rank = group->rank_of[cursor.first + i];
            if (cursor.heads[i].words == 0 || group->flags[rank] & GROUP_EXACT_COPY)
                continue;
            for (unsigned band = 0; band < bands; band++) {
                const uint64_t record[2] = {digests[i * bands + band], rank};
                Q_TRY_GOTO(out, record_sorter_add(sorter, record));
            }
        }
    }
out:
    group_cursor_close(&cursor);
    return status;
}

/* Reads (digest, rank) records and gives those whose digest another one has too: a look-ahead of one. */
struct shared_reader {
    struct record_sorter *sorter;
    uint64_t ahead[2];
    bool has_ahead, in_bucket; /* in_bucket: the record given last has the digest of `ahead` */
    uint64_t first;            /* rank of the best in the bucket */
};

static q_status shared_next(struct shared_reader *reader, uint64_t record[2], bool *more)
{
    for (;;) {
        memcpy(record, reader->ahead, sizeof(reader->ahead));
        bool had = reader->has_ahead, continues = reader->in_bucket;
        Q_TRY(record_sorter_next(reader->sorter, reader->ahead, &reader->has_ahead));
        if (!had && !reader->has_ahead) {
            *more = false;
            return Q_OK;
        }
        if (!had)
            continue; /* the very first: now it is ahead */
        bool begins = reader->has_ahead && reader->ahead[0] == record[0];
        reader->in_bucket = begins;
        if (!continues)
            reader->first = record[1];
        if (begins || continues) {
            *more = true;
            return Q_OK;
        }
    }
}

static q_status join_buckets(struct group *group, struct record_sorter *sorter)
{
    struct shared_reader reader = {.sorter = sorter};
    uint64_t record[2];
    bool more = true;
    for (;;) {
        Q_TRY(shared_next(&reader, record, &more));
        if (!more)
            return Q_OK;
        group->flags[record[1]] |= GROUP_IN_BUCKET;
        disjoint_sets_join(group->parents, (uint32_t)reader.first, (uint32_t)record[1]);
    }
}

static q_status list_members(struct group *group, struct record_sorter *sorter)
{
    struct shared_reader reader = {.sorter = sorter};
    uint64_t record[2];
    bool more = true;
    for (;;) {
        Q_TRY(shared_next(&reader, record, &more));
        if (!more)
            return Q_OK;
        const uint64_t member[3] = {disjoint_sets_find(group->parents, (uint32_t)record[1]), record[1], record[0]};
        Q_TRY(record_sorter_add(&group->members, member));
    }
}

q_status group_bands(struct group *group)
{
    struct record_sorter sorter;
    q_status status;
    uint64_t memory = group->build->settings.memory / 2;
    record_sorter_init(&sorter, 2, memory, group->folder);
    record_sorter_init(&group->members, 3, memory, group->folder);
    disjoint_sets_init(group->parents, (size_t)group->documents);
    Q_TRY_GOTO(out, add_digests(group, &sorter));
    Q_TRY_GOTO(out, record_sorter_finish(&sorter));
    Q_TRY_GOTO(out, join_buckets(group, &sorter));
    Q_TRY_GOTO(out, record_sorter_rewind(&sorter));
    Q_TRY_GOTO(out, list_members(group, &sorter));
    status = record_sorter_finish(&group->members);
out:
    record_sorter_release(&sorter);
    return status;
}
