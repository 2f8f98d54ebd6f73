#include "dedup/verdicts.h"

#include "base/check.h"
#include "base/json.h"

static const char *const kind_names[] = {"kept", "exact", "near"};

const char *verdict_kind_name(enum verdict_kind kind)
{
    return kind_names[kind];
}

q_status verdict_write(const struct verdict *verdict, struct q_buffer *out)
{
    struct q_json json = q_json_begin(out);
    q_json_open(&json, NULL, '{');
    q_json_put_u64(&json, "frame", verdict->frame);
    q_json_put_u64(&json, "line", verdict->line);
    q_json_put_string(&json, "kind", q_string_of(verdict_kind_name(verdict->kind)));
    q_json_put_string(&json, "id", verdict->id);
    if (verdict->kind == VERDICT_KEPT) {
        q_json_put_u64(&json, "cluster_size", verdict->cluster_size);
    } else {
        q_json_put_string(&json, "survivor", verdict->survivor);
        q_json_put_fixed(&json, "jaccard", verdict->jaccard, 6);
        q_json_put_fixed(&json, "containment", verdict->containment, 6);
    }
    q_json_close(&json, '}');
    q_json_newline(&json);
    return q_json_end(&json);
}

void verdict_list_release(struct verdict_list *list)
{
    q_arena_release(&list->arena);
    q_release(list->verdicts);
    *list = (struct verdict_list){0};
}

/* A whole number of at most `most` from a JSON number. */
static bool as_count(const struct q_jsonl_member *member, double most, uint64_t *out)
{
    if (member->type != Q_JSONL_NUMBER || !(member->number >= 0 && member->number <= most) ||
        member->number != (double)(uint64_t)member->number)
        return false;
    *out = (uint64_t)member->number;
    return true;
}

static bool as_share(const struct q_jsonl_member *member, double *out)
{
    *out = member->number;
    return member->type == Q_JSONL_NUMBER && member->number >= 0 && member->number <= 1;
}

static bool as_kind(const struct q_jsonl_member *member, enum verdict_kind *out)
{
    for (size_t i = 0; member->type == Q_JSONL_TEXT && i < Q_COUNT_OF(kind_names); i++) {
        if (q_string_is(member->text, kind_names[i])) {
            *out = (enum verdict_kind)i;
            return true;
        }
    }
    return false;
}

/* One member into the verdict; *good = false where it is not what it should be. */
static q_status take_member(struct verdict_list *list, const struct q_jsonl_member *member, struct verdict *verdict,
                            bool *good)
{
    uint64_t count = 0;
    *good = true;
    if (q_string_is(member->key, "frame")) {
        *good = as_count(member, UINT32_MAX, &count);
        verdict->frame = (uint32_t)count;
    } else if (q_string_is(member->key, "line")) {
        *good = as_count(member, UINT32_MAX, &count);
        verdict->line = (uint32_t)count;
    } else if (q_string_is(member->key, "kind")) {
        *good = as_kind(member, &verdict->kind);
    } else if (q_string_is(member->key, "cluster_size")) {
        *good = as_count(member, 9e15, &verdict->cluster_size);
    } else if (q_string_is(member->key, "jaccard")) {
        *good = as_share(member, &verdict->jaccard);
    } else if (q_string_is(member->key, "containment")) {
        *good = as_share(member, &verdict->containment);
    } else if (q_string_is(member->key, "id") || q_string_is(member->key, "survivor")) {
        *good = member->type == Q_JSONL_TEXT;
        return q_arena_string(&list->arena, member->text,
                              q_string_is(member->key, "id") ? &verdict->id : &verdict->survivor);
    } else {
        *good = false;
    }
    return Q_OK;
}

/* Behind the last one, whole, and with what its kind needs. */
static bool fits(const struct verdict_list *list, const struct verdict *verdict)
{
    if (list->count) {
        const struct verdict *last = &list->verdicts[list->count - 1];
        if (verdict->frame < last->frame || (verdict->frame == last->frame && verdict->line <= last->line))
            return false;
    }
    return verdict->id.size > 0 &&
           (verdict->kind == VERDICT_KEPT ? verdict->cluster_size > 0 : verdict->survivor.size > 0);
}

static q_status add_line(struct verdict_list *list, q_string line, const char *path, struct q_jsonl_parser *parser)
{
    const struct q_jsonl_member *members;
    size_t count;
    struct verdict verdict = {0};
    bool good = true;
    Q_TRY(q_jsonl_parse(parser, line, &members, &count));
    for (size_t i = 0; i < count && good; i++)
        Q_TRY(take_member(list, &members[i], &verdict, &good));
    if (!good || !fits(list, &verdict))
        return q_fail(Q_ERR_INPUT, "'%s': no verdict in order: %.*s", path,
                      Q_STRING_ARGS(q_string_slice(line, 0, 200)));
    Q_TRY(q_grow(&list->verdicts, &list->capacity, list->count + 1, sizeof(*list->verdicts)));
    list->verdicts[list->count++] = verdict;
    return Q_OK;
}

q_status verdict_list_read(struct verdict_list *list, struct q_seekable_reader *reader, uint32_t part, const char *path,
                           struct q_jsonl_parser *parser)
{
    list->count = 0;
    q_arena_clear(&list->arena);
    struct q_buffer plain = {0};
    q_status status = q_seekable_read_frame(reader, part, &plain);
    q_string rest = q_buffer_string(&plain), line;
    while (status == Q_OK && q_string_next_line(&rest, &line))
        status = add_line(list, line, path, parser);
    q_buffer_release(&plain);
    return status;
}

const struct verdict *verdict_list_frame(const struct verdict_list *list, uint32_t frame, size_t *count)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list->verdicts[middle].frame < frame)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < list->count && list->verdicts[end].frame == frame)
        end++;
    *count = end - low;
    return *count ? list->verdicts + low : NULL;
}
