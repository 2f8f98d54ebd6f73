/* Grouping, the last pass: what was decided, in the documents' order, with ids and figures. */
#include "base/check.h"
#include "dedup/group.h"
#include "dedup/shingle_store.h"
#include "dedup/verdicts.h"

/* A survivor's leader is itself, so following leaders from the best down makes every chain one step long. The only
 * chains of two are a copy of a document that follows another one. */
static void shorten_chains(struct group *group)
{
    for (uint64_t rank = 0; rank < group->documents; rank++)
        group->leader[rank] = group->leader[group->leader[rank]];
}

/* weights[rank]: how many documents those stand for that follow it; what a document stood for before counts. */
static q_status weigh(struct group *group, uint32_t *weights)
{
    memset(weights, 0, (size_t)group->documents * sizeof(*weights));
    for (uint64_t rank = 0; rank < group->documents; rank++) {
        uint32_t leader = group->leader[rank];
        if (leader == rank)
            continue;
        struct shingle_head head;
        Q_TRY(shingle_entry_head(&group->store, group->place[rank], &head));
        weights[leader] = weights[leader] > UINT32_MAX - head.weight ? UINT32_MAX : weights[leader] + head.weight;
    }
    return Q_OK;
}

/* The figures of a near duplicate. A copy of one has the same shingles; they are those of the one that `bearer`
 * names, which was compared. */
static q_status measure(struct group *group, uint32_t bearer, uint32_t survivor, struct verdict *verdict)
{
    struct shingle_head own, other;
    Q_TRY(shingle_entry_head(&group->store, group->place[bearer], &own));
    Q_TRY(shingle_entry_head(&group->store, group->place[survivor], &other));
    uint32_t common = group->common[bearer];
    verdict->jaccard = shingles_jaccard((size_t)own.count, (size_t)other.count, common);
    verdict->containment = own.count ? (double)common / (double)own.count : 0;
    return Q_OK;
}

struct verdict_writer {
    struct group *group;
    const uint32_t *weights;
    struct q_buffer lines, id, survivor;
};

/* Whose comparison with the survivor a document's figures are: its own, or that of the one it is a copy of. */
static uint32_t bearer_of(const struct group *group, uint32_t rank)
{
    return group->flags[rank] & GROUP_EXACT_COPY ? group->common[rank] : rank;
}

static q_status write_verdict(struct verdict_writer *writer, uint32_t frame, uint32_t line, uint32_t rank)
{
    struct group *group = writer->group;
    uint32_t leader = group->leader[rank], bearer = bearer_of(group, rank);
    if (leader == rank && writer->weights[rank] == 0)
        return Q_OK;
    struct verdict verdict = {.frame = frame, .line = line, .kind = VERDICT_KEPT};
    Q_TRY(shingle_entry_id(&group->store, group->place[rank], &writer->id));
    verdict.id = q_buffer_string(&writer->id);
    if (leader == rank) {
        struct shingle_head head;
        Q_TRY(shingle_entry_head(&group->store, group->place[rank], &head));
        verdict.cluster_size = (uint64_t)head.weight + writer->weights[rank];
        return verdict_write(&verdict, &writer->lines);
    }
    Q_TRY(shingle_entry_id(&group->store, group->place[leader], &writer->survivor));
    verdict.survivor = q_buffer_string(&writer->survivor);
    verdict.jaccard = verdict.containment = 1;
    verdict.kind = bearer == leader ? VERDICT_EXACT : VERDICT_NEAR;
    if (verdict.kind == VERDICT_NEAR)
        Q_TRY(measure(group, bearer, leader, &verdict));
    group->exact += verdict.kind == VERDICT_EXACT;
    group->near += verdict.kind == VERDICT_NEAR;
    return verdict_write(&verdict, &writer->lines);
}

/* One frame for each part, also where it is empty. */
static q_status write_parts(struct verdict_writer *writer, struct q_seekable_writer *file)
{
    struct group *group = writer->group;
    struct group_cursor cursor = {0};
    uint64_t part = 0;
    bool more = true;
    q_status status;
    for (;;) {
        Q_TRY_GOTO(out, group_cursor_next(group, &cursor, &more));
        for (uint64_t end = more ? cursor.part : group->build->part_count; part < end; part++) {
            Q_TRY_GOTO(out, q_seekable_add_frame(file, writer->lines.data, writer->lines.size));
            q_buffer_clear(&writer->lines);
        }
        if (!more)
            break;
        for (uint32_t i = 0; i < cursor.count; i++)
            Q_TRY_GOTO(out, write_verdict(writer, cursor.block, i, group->rank_of[cursor.first + i]));
    }
out:
    group_cursor_close(&cursor);
    return status;
}

static q_status put_counts(const struct group *group, json_t *statistics)
{
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        {"documents", group->documents},   {"exact", group->exact},           {"near", group->near},
        {"in_buckets", group->in_buckets}, {"components", group->components}, {"component_max", group->component_max},
        {"compared", group->compared},     {"verified", group->verified},
    };
    for (size_t i = 0; i < Q_COUNT_OF(counts); i++)
        Q_TRY(q_json_set(statistics, counts[i].name, json_integer((json_int_t)counts[i].value)));
    return Q_OK;
}

static q_status publish(struct group *group, struct q_seekable_writer *writer)
{
    struct q_part_file file;
    const char *path;
    Q_TRY(q_seekable_commit(writer, &file.identity));
    Q_TRY(q_step_part_path(group->step, 0, ".verdicts.jsonl.zst", &path));
    file.name = q_fs_base_name(path);
    json_t *statistics = json_object();
    q_status status = put_counts(group, statistics);
    if (status != Q_OK) {
        json_decref(statistics);
        return status;
    }
    return q_step_part_publish(group->step, 0, &file, 1, NULL, statistics);
}

q_status group_verdicts(struct group *group)
{
    struct verdict_writer writer = {.group = group, .weights = group->parents};
    struct q_seekable_writer *file = NULL;
    const char *path;
    q_status status;
    shorten_chains(group);
    Q_TRY_GOTO(out, weigh(group, group->parents));
    Q_TRY_GOTO(out, q_step_part_path(group->step, 0, ".verdicts.jsonl.zst", &path));
    Q_TRY_GOTO(out, q_seekable_create(path, Q_SEEKABLE_LEVEL, &file));
    Q_TRY_GOTO(out, write_parts(&writer, file));
    struct q_seekable_writer *whole = file;
    file = NULL;
    status = publish(group, whole);
out:
    if (file)
        q_seekable_abandon(file);
    q_buffer_release(&writer.lines);
    q_buffer_release(&writer.id);
    q_buffer_release(&writer.survivor);
    return status;
}
