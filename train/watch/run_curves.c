#include "train/watch/run_curves.h"

#include "base/check.h"
#include "base/document.h"
#include "base/fs.h"

#include <math.h>
#include <stdio.h>

enum { BATCH_BYTES = 1 << 20, NAME_BYTES = 512, MAPS_MAX = 16 };

struct column {
    const char *name;
    double *sums;     /* [points_max] */
    uint64_t *counts; /* [points_max] lines that had it */
    double last;      /* of the last line */
};

struct run_curves {
    struct q_arena arena;
    size_t points_max, points;
    uint64_t stride, part; /* lines in a stretch; in the last one */
    struct column *columns;
    size_t count, capacity;
    size_t hint; /* the column behind the one used last: lines are alike */
};

static size_t find(const struct run_curves *curves, const char *name)
{
    for (size_t i = 0; i < curves->count; i++) {
        size_t at = (curves->hint + i) % curves->count;
        if (strcmp(curves->columns[at].name, name) == 0)
            return at;
    }
    return SIZE_MAX;
}

static q_status add(struct run_curves *curves, const char *name, double value)
{
    size_t at = find(curves, name);
    if (at == SIZE_MAX) {
        Q_TRY(q_grow(&curves->columns, &curves->capacity, curves->count + 1, sizeof(struct column)));
        struct column *fresh = &curves->columns[curves->count];
        *fresh = (struct column){.last = (double)NAN};
        Q_TRY(q_arena_cstring(&curves->arena, q_string_of(name), &fresh->name));
        Q_TRY(q_arena_alloc(&curves->arena, curves->points_max, sizeof(double), &fresh->sums));
        Q_TRY(q_arena_alloc(&curves->arena, curves->points_max, sizeof(uint64_t), &fresh->counts));
        at = curves->count++;
    }
    struct column *column = &curves->columns[at];
    curves->hint = at + 1;
    column->sums[curves->points - 1] += value;
    column->counts[curves->points - 1]++;
    column->last = value;
    return Q_OK;
}

/* A number under its name, or all those inside an object or a list. */
static q_status add_member(struct run_curves *curves, const char *name, const json_t *value)
{
    char inner[NAME_BYTES];
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_number(value))
        return add(curves, name, json_number_value(value));
    if (json_is_object(value))
        json_object_foreach((json_t *)(uintptr_t)value, key, item) if (json_is_number(item))
        {
            (void)snprintf(inner, sizeof inner, "%s/%s", name, key);
            Q_TRY(add(curves, inner, json_number_value(item)));
        }
    if (json_is_array(value))
        json_array_foreach(value, i, item) if (json_is_number(item))
        {
            (void)snprintf(inner, sizeof inner, "%s/%zu", name, i);
            Q_TRY(add(curves, inner, json_number_value(item)));
        }
    return Q_OK;
}

/* Each two stretches become one. */
static void join_pairs(struct run_curves *curves)
{
    for (size_t c = 0; c < curves->count; c++) {
        struct column *column = &curves->columns[c];
        for (size_t i = 0; i < curves->points; i++) {
            double sum = column->sums[i];
            uint64_t count = column->counts[i];
            column->sums[i] = 0;
            column->counts[i] = 0;
            column->sums[i / 2] += sum;
            column->counts[i / 2] += count;
        }
    }
    curves->points /= 2;
    curves->stride *= 2;
}

static q_status add_line(struct run_curves *curves, json_t *line)
{
    const char *key;
    json_t *value;
    if (curves->points == 0 || curves->part == curves->stride) {
        if (curves->points == curves->points_max)
            join_pairs(curves);
        curves->points++;
        curves->part = 0;
    }
    curves->part++;
    for (size_t c = 0; c < curves->count; c++)
        curves->columns[c].last = (double)NAN;
    json_object_foreach(line, key, value) Q_TRY(add_member(curves, key, value));
    return Q_OK;
}

typedef q_status take_line(void *context, json_t *line);

/* Calls `take` for each whole line of RUN/NAME, in order. */
static q_status read_lines(const char *run_folder, const char *name, bool required, take_line *take, void *context)
{
    struct q_arena arena = {0};
    struct q_lines_reader *reader = NULL;
    struct q_buffer batch = {0};
    const char *path;
    bool exists = false, more = true;
    q_status status = q_fs_join(&arena, run_folder, name, &path);
    if (!status)
        status = q_fs_look(path, &exists, NULL);
    if (!status && (exists || required))
        status = q_lines_open(path, &reader);
    while (reader && more && !status && !(status = q_lines_next(reader, BATCH_BYTES, &batch)) && batch.size > 0) {
        q_string rest = q_buffer_string(&batch), line;
        while (more && !status && q_string_next_line(&rest, &line)) {
            json_t *value;
            q_status parsed = q_json_parse(line, path, &value);
            more = parsed == Q_OK;
            if (!more) {
                status = parsed == Q_ERR_MEMORY ? parsed : Q_OK;
                break;
            }
            status = json_is_object(value) ? take(context, value) : Q_OK;
            json_decref(value);
        }
    }
    if (reader)
        q_lines_close(reader);
    q_buffer_release(&batch);
    q_arena_release(&arena);
    return status;
}

static q_status take_step(void *context, json_t *line)
{
    return add_line(context, line);
}

q_status run_curves_read(const char *run_folder, size_t points_max, struct run_curves **out)
{
    struct run_curves *curves;
    q_check(points_max >= 2 && points_max % 2 == 0);
    Q_TRY(q_alloc_zero(1, sizeof *curves, &curves));
    curves->points_max = points_max;
    curves->stride = 1;
    q_status status = read_lines(run_folder, "metrics.jsonl", true, take_step, curves);
    for (size_t c = 0; c < curves->count; c++) /* from here on the sums are means */
        for (size_t i = 0; i < curves->points; i++) {
            uint64_t count = curves->columns[c].counts[i];
            curves->columns[c].sums[i] = count ? curves->columns[c].sums[i] / (double)count : (double)NAN;
        }
    if (status)
        run_curves_release(curves);
    else
        *out = curves;
    return status;
}

void run_curves_release(struct run_curves *curves)
{
    if (!curves)
        return;
    q_release(curves->columns);
    q_arena_release(&curves->arena);
    q_release(curves);
}

size_t run_curves_points(const struct run_curves *curves)
{
    return curves->points;
}

const double *run_curves_column(const struct run_curves *curves, const char *name)
{
    size_t at = find(curves, name);
    return at == SIZE_MAX ? NULL : curves->columns[at].sums;
}

size_t run_curves_columns(const struct run_curves *curves)
{
    return curves->count;
}

const char *run_curves_name(const struct run_curves *curves, size_t column)
{
    return curves->columns[column].name;
}

double run_curves_last(const struct run_curves *curves, const char *name)
{
    size_t at = find(curves, name);
    return at == SIZE_MAX ? (double)NAN : curves->columns[at].last;
}

/* The newest lines of experts.jsonl, a ring. */
struct maps {
    json_t *lines[MAPS_MAX];
    size_t taken;
};

static q_status take_map(void *context, json_t *line)
{
    struct maps *maps = context;
    json_t **place = &maps->lines[maps->taken++ % MAPS_MAX];
    json_decref(*place);
    *place = json_incref(line);
    return Q_OK;
}

static double tokens_of(const json_t *line)
{
    double sum = 0;
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(line, "source_tokens"), name, value) sum += json_number_value(value);
    return sum;
}

static size_t find_source(struct run_experts *out, const char *name)
{
    size_t s = 0;
    while (s < out->source_count && strcmp(out->sources[s], name) != 0)
        s++;
    return s;
}

/* Shapes from the newest line; the sources of all lines used. */
static q_status shape_of(struct run_experts *out, json_t *const *lines, size_t count)
{
    const json_t *layers = json_object_get(lines[0], "layers");
    size_t room = 0, cells;
    const char *name;
    json_t *value;
    out->routers = json_array_size(layers);
    for (size_t i = 0; i < count; i++)
        room += json_object_size(json_object_get(lines[i], "load_by_source"));
    Q_TRY(q_arena_alloc(&out->arena, room, sizeof *out->sources, &out->sources));
    Q_TRY(q_arena_alloc(&out->arena, room, sizeof(double), &out->source_tokens));
    Q_TRY(q_arena_alloc(&out->arena, out->routers, sizeof(int), &out->layers));
    for (size_t r = 0; r < out->routers; r++)
        out->layers[r] = (int)json_integer_value(json_array_get(layers, r));
    for (size_t i = 0; i < count; i++)
        json_object_foreach(json_object_get(lines[i], "load_by_source"), name, value)
        {
            out->experts = Q_MAX(out->experts, json_array_size(json_array_get(value, 0)));
            if (find_source(out, name) < out->source_count)
                continue;
            Q_TRY(q_arena_cstring(&out->arena, q_string_of(name), &out->sources[out->source_count]));
            out->source_count++;
        }
    if (!q_mul_size(out->routers, out->experts, &cells) || !q_mul_size(cells, out->source_count, &room))
        return q_fail(Q_ERR_MEMORY, "experts.jsonl names too many experts");
    Q_TRY(q_arena_alloc(&out->arena, room, sizeof(double), &out->shares));
    return q_arena_alloc(&out->arena, cells, sizeof(double), &out->all);
}

/* Adds a line's shares, weighted by tokens. */
static void add_map(struct run_experts *out, const json_t *line)
{
    const json_t *tokens = json_object_get(line, "source_tokens");
    const size_t cells = out->routers * out->experts;
    const char *name;
    json_t *load;
    json_object_foreach(json_object_get(line, "load_by_source"), name, load)
    {
        size_t s = find_source(out, name);
        double weight = json_number_value(json_object_get(tokens, name));
        out->source_tokens[s] += weight;
        out->tokens += weight;
        for (size_t r = 0; r < out->routers; r++)
            for (size_t e = 0; e < out->experts; e++)
                out->shares[s * cells + r * out->experts + e] +=
                    weight * json_number_value(json_array_get(json_array_get(load, r), e)) / 1000;
    }
}

static void swap_sources(struct run_experts *out, size_t a, size_t b)
{
    const size_t cells = out->routers * out->experts;
    const char *name = out->sources[a];
    double tokens = out->source_tokens[a];
    out->sources[a] = out->sources[b];
    out->sources[b] = name;
    out->source_tokens[a] = out->source_tokens[b];
    out->source_tokens[b] = tokens;
    for (size_t i = 0; i < cells; i++) {
        double share = out->shares[a * cells + i];
        out->shares[a * cells + i] = out->shares[b * cells + i];
        out->shares[b * cells + i] = share;
    }
}

/* From weighted sums to means; the largest source first. */
static void finish_map(struct run_experts *out)
{
    const size_t cells = out->routers * out->experts;
    for (size_t s = 0; s < out->source_count; s++)
        for (size_t i = 0; i < cells; i++) {
            out->all[i] += out->shares[s * cells + i] / Q_MAX(out->tokens, 1.0);
            out->shares[s * cells + i] /= Q_MAX(out->source_tokens[s], 1.0);
        }
    for (size_t a = 0; a < out->source_count; a++)
        for (size_t b = a + 1; b < out->source_count; b++)
            if (out->source_tokens[b] > out->source_tokens[a])
                swap_sources(out, a, b);
}

static q_status merge(struct run_experts *out, const struct maps *maps, double tokens)
{
    json_t *lines[MAPS_MAX];
    size_t count = 0;
    double sum = 0;
    for (; count < Q_MIN(maps->taken, (size_t)MAPS_MAX) && sum < tokens; count++) {
        lines[count] = maps->lines[(maps->taken - 1 - count) % MAPS_MAX];
        sum += tokens_of(lines[count]);
    }
    if (count == 0)
        return Q_OK;
    Q_TRY(shape_of(out, lines, count));
    for (size_t i = 0; i < count; i++)
        add_map(out, lines[i]);
    finish_map(out);
    return Q_OK;
}

q_status run_experts_read(const char *run_folder, double tokens, struct run_experts *out)
{
    struct maps maps = {0};
    *out = (struct run_experts){0};
    q_status status = read_lines(run_folder, "experts.jsonl", false, take_map, &maps);
    if (!status)
        status = merge(out, &maps, tokens);
    for (size_t i = 0; i < MAPS_MAX; i++)
        json_decref(maps.lines[i]);
    if (status)
        run_experts_release(out);
    return status;
}

void run_experts_release(struct run_experts *experts)
{
    q_arena_release(&experts->arena);
    *experts = (struct run_experts){0};
}

double run_experts_specialisation(const struct run_experts *experts, size_t router)
{
    const size_t cells = experts->routers * experts->experts;
    double sum = 0;
    for (size_t s = 0; s < experts->source_count; s++) {
        double apart = 0;
        for (size_t e = 0; e < experts->experts; e++) {
            size_t cell = router * experts->experts + e;
            apart += fabs(experts->shares[s * cells + cell] - experts->all[cell]);
        }
        sum += apart / 2 / (double)experts->experts * experts->source_tokens[s];
    }
    return experts->tokens > 0 ? sum / experts->tokens : 0;
}
