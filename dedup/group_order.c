/* Grouping, passes rank and exact: who is better, and who is the same. */
#include "base/check.h"
#include "base/clock.h"
#include "dedup/group.h"

/* --- the cursor --------------------------------------------------------------------------------------------------- */

static q_status open_part(struct group *group, struct group_cursor *cursor)
{
    const char *path;
    Q_TRY(q_step_part_path(group->sign, cursor->part, ".sig.zst", &path));
    Q_TRY(signature_file_open(&cursor->file, path));
    const struct signature_shape *shape = &cursor->file.shape;
    if (shape->bands != group->shape.bands || shape->rows != group->shape.rows || shape->words != group->shape.words)
        return q_fail(Q_ERR_INPUT, "'%s' was signed with other settings", path);
    cursor->block = 0;
    cursor->open = true;
    return Q_OK;
}

q_status group_cursor_next(struct group *group, struct group_cursor *cursor, bool *more)
{
    if (q_stop_requested())
        return q_fail(Q_STOPPED, "stopped; run the same command again");
    cursor->first += cursor->count;
    cursor->count = 0;
    if (cursor->open)
        cursor->block++;
    for (; cursor->part < group->build->part_count; cursor->part++, cursor->open = false) {
        if (!cursor->open)
            Q_TRY(open_part(group, cursor));
        if (cursor->block < cursor->file.blocks) {
            *more = true;
            return signature_file_heads(&cursor->file, cursor->block, &cursor->heads, &cursor->capacity,
                                        &cursor->count);
        }
    }
    *more = false;
    return Q_OK;
}

void group_cursor_close(struct group_cursor *cursor)
{
    signature_file_close(&cursor->file);
    q_release(cursor->heads);
    *cursor = (struct group_cursor){0};
}

/* --- rank --------------------------------------------------------------------------------------------------------- */

/* The larger, the better. */
static uint64_t merit(const struct signature_head *head, enum dedup_survivor rule)
{
    uint64_t length = head->text_bytes;
    uint32_t quality = 0;
    switch (rule) {
    case DEDUP_SURVIVOR_QUALITY:
        /* Floats that are not negative are in the order of their bits. */
        if (head->quality >= 0) {
            memcpy(&quality, &head->quality, sizeof(quality));
            quality++;
        }
        return (uint64_t)quality << 32 | length;
    case DEDUP_SURVIVOR_NEWEST:
        return (uint64_t)head->date << 32 | length;
    case DEDUP_SURVIVOR_LONGEST:
        break;
    }
    return length;
}

static q_status add_merits(struct group *group, struct record_sorter *sorter)
{
    struct group_cursor cursor = {0};
    bool more = true;
    q_status status;
    for (;;) {
        Q_TRY_GOTO(out, group_cursor_next(group, &cursor, &more));
        if (!more)
            break;
        for (uint32_t i = 0; i < cursor.count; i++) {
            const struct signature_head *head = &cursor.heads[i];
            uint64_t best = ~merit(head, (enum dedup_survivor)group->build->settings.survivor);
            /* The number of the document comes last, for ids that are not unique after all. */
            const uint64_t record[4] = {best, head->key.high, head->key.low, cursor.first + i};
            Q_TRY_GOTO(out, record_sorter_add(sorter, record));
        }
    }
out:
    group_cursor_close(&cursor);
    return status;
}

q_status group_rank(struct group *group)
{
    struct record_sorter sorter;
    q_status status;
    record_sorter_init(&sorter, 4, group->build->settings.memory, group->folder);
    Q_TRY_GOTO(out, add_merits(group, &sorter));
    Q_TRY_GOTO(out, record_sorter_finish(&sorter));
    bool more = true;
    for (uint64_t rank = 0;; rank++) {
        uint64_t record[4];
        Q_TRY_GOTO(out, record_sorter_next(&sorter, record, &more));
        if (!more)
            break;
        group->rank_of[record[3]] = (uint32_t)rank;
        group->leader[rank] = (uint32_t)rank;
    }
out:
    record_sorter_release(&sorter);
    return status;
}

/* --- exact -------------------------------------------------------------------------------------------------------- */

static q_status add_texts(struct group *group, struct record_sorter *sorter)
{
    struct group_cursor cursor = {0};
    bool more = true;
    q_status status;
    for (;;) {
        Q_TRY_GOTO(out, group_cursor_next(group, &cursor, &more));
        if (!more)
            break;
        for (uint32_t i = 0; i < cursor.count; i++) {
            q_hash text = cursor.heads[i].text;
            const uint64_t record[3] = {text.high, text.low, group->rank_of[cursor.first + i]};
            Q_TRY_GOTO(out, record_sorter_add(sorter, record));
        }
    }
out:
    group_cursor_close(&cursor);
    return status;
}

q_status group_exact(struct group *group)
{
    struct record_sorter sorter;
    q_status status;
    record_sorter_init(&sorter, 3, group->build->settings.memory, group->folder);
    Q_TRY_GOTO(out, add_texts(group, &sorter));
    Q_TRY_GOTO(out, record_sorter_finish(&sorter));
    bool more = true, any = false;
    uint64_t first[3] = {0}; /* of the class at hand: its best, for records come in the order of (text, rank) */
    for (;;) {
        uint64_t record[3];
        Q_TRY_GOTO(out, record_sorter_next(&sorter, record, &more));
        if (!more)
            break;
        if (any && record_compare(record, first, 2) == 0) {
            group->leader[record[2]] = group->common[record[2]] = (uint32_t)first[2];
            group->flags[record[2]] |= GROUP_EXACT_COPY;
            group->flags[first[2]] |= GROUP_EXACT_FIRST;
        } else {
            memcpy(first, record, sizeof(first));
            any = true;
        }
    }
out:
    record_sorter_release(&sorter);
    return status;
}
