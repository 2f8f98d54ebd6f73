#include "train/skips.h"

#include "base/check.h"
#include "base/memory.h"

#include <string.h>

void skips_release(struct skips *skips)
{
    q_release(skips->ranges);
    *skips = (struct skips){0};
}

q_status skips_add(struct skips *skips, uint64_t from, uint64_t to)
{
    q_check(from < to);
    Q_TRY(q_grow(&skips->ranges, &skips->capacity, skips->count + 1, sizeof *skips->ranges));
    struct skips_range *ranges = skips->ranges;
    size_t first = 0, end;
    while (first < skips->count && ranges[first].to < from)
        first++;
    /* Ranges first .. end - 1 overlap or touch the new one and become part of it. */
    for (end = first; end < skips->count && ranges[end].from <= to; end++) {
        from = Q_MIN(from, ranges[end].from);
        to = Q_MAX(to, ranges[end].to);
    }
    memmove(ranges + first + 1, ranges + end, (skips->count - end) * sizeof *ranges);
    ranges[first] = (struct skips_range){from, to};
    skips->count = skips->count + 1 - (end - first);
    skips->decisions++;
    return Q_OK;
}

uint64_t skips_next(const struct skips *skips, uint64_t position)
{
    for (size_t i = 0; i < skips->count && skips->ranges[i].from <= position; i++)
        position = Q_MAX(position, skips->ranges[i].to);
    return position;
}

uint64_t skips_ahead(const struct skips *skips, uint64_t position)
{
    uint64_t ahead = 0;
    for (size_t i = 0; i < skips->count; i++)
        if (skips->ranges[i].to > position)
            ahead += skips->ranges[i].to - Q_MAX(position, skips->ranges[i].from);
    return ahead;
}

q_status skips_from_journal(const json_t *lines, q_hash run, struct skips *out)
{
    char own[Q_HASH_HEX];
    const json_t *line;
    size_t i;
    (void)q_hash_hex(run, own);
    json_array_foreach(lines, i, line)
    {
        const char *event = json_string_value(json_object_get(line, "event")),
                   *of = json_string_value(json_object_get(line, "run"));
        uint64_t from, to;
        if (!event || strcmp(event, "skipped") != 0 || !of || strcmp(of, own) != 0)
            continue;
        Q_TRY(q_json_get_u64(line, "the journal", "from", &from));
        Q_TRY(q_json_get_u64(line, "the journal", "to", &to));
        if (from >= to)
            return q_fail(Q_ERR_INPUT, "line %zu of the journal skips nothing: from %llu to %llu", i + 1,
                          (unsigned long long)from, (unsigned long long)to);
        Q_TRY(skips_add(out, from, to));
    }
    return Q_OK;
}
