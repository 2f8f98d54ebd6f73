#include "corpus/corpus_funnel.h"

#include "base/check.h"
#include "corpus/rules/rules.h"

#include <stdio.h>

enum { LOSS_ALARM_PERCENT = 90, STEPS_MAX = 24, CELLS_MAX = STEPS_MAX + 4 };

/* A step: what it drops are the reasons of its family, which is what stands before the dot. The first one is reading: all that has no dot and is of no other
 * step; then come the language, the families in their order and the quality, the last one takes what is of none of these. */
struct steps {
    const char *names[STEPS_MAX];
    size_t count;
};

static struct steps all_steps(void)
{
    struct steps steps = {.names = {"read", "language"}, .count = 2};
    for (size_t f = 0; corpus_rule_families[f]; f++)
        steps.names[steps.count++] = corpus_rule_families[f]->name;
    steps.names[steps.count++] = "quality";
    steps.names[steps.count++] = "other rules";
    q_check(steps.count <= STEPS_MAX);
    return steps;
}

/* Of a reason or of its family alone. */
static size_t step_of(const struct steps *steps, const char *reason)
{
    static const struct {
        const char *reason, *step;
    } odd[] = {{"lang-score", "language"}, {"sampling", "quality"}, {"empty", "read"}};
    size_t size = strcspn(reason, ".");
    q_string family = {reason, size};
    for (size_t i = 0; i < Q_COUNT_OF(odd); i++)
        if (q_string_is(family, odd[i].reason))
            family = q_string_of(odd[i].step);
    for (size_t i = 0; i < steps->count; i++)
        if (q_string_is(family, steps->names[i]))
            return i;
    return reason[size] ? steps->count - 1 : 0;
}

/* A row: documents in, what each step dropped, text out. */
struct row {
    const char *name;
    uint64_t in, dropped[STEPS_MAX], out_bytes;
};

struct rows {
    struct row *items;
    size_t count;
};

static uint64_t lost(const struct row *row, const struct steps *steps)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < steps->count; i++)
        sum += row->dropped[i];
    return sum;
}

static void alarm(struct q_report *report, const char *what, const struct row *row, uint64_t gone)
{
    if (row->in && gone * 100 > row->in * LOSS_ALARM_PERCENT)
        q_report_warning(report, "Of %s '%s' %.1f%% of the documents were lost.", what, row->name,
                         100.0 * (double)gone / (double)row->in);
}

/* The table: a column per step that dropped anything at all, with what is left behind it. */
static q_status put_table(struct q_report *report, struct q_arena *arena, const char *what, const struct steps *steps,
                          const struct rows *rows)
{
    const char *header[CELLS_MAX], **cells;
    size_t shown[STEPS_MAX], columns = 0, used = 0;
    header[columns++] = what;
    header[columns++] = "in";
    for (size_t i = 0; i < steps->count; i++) {
        uint64_t sum = 0;
        for (size_t r = 0; r < rows->count; r++)
            sum += rows->items[r].dropped[i];
        if (sum) {
            shown[used++] = i;
            header[columns++] = steps->names[i];
        }
    }
    header[columns++] = "kept";
    header[columns++] = "text out";
    Q_TRY(q_arena_alloc(arena, rows->count * columns, sizeof *cells, &cells));
    for (size_t r = 0; r < rows->count; r++) {
        const struct row *row = &rows->items[r];
        const char **cell = cells + r * columns;
        char bytes[32];
        uint64_t left = row->in, gone = lost(row, steps);
        *cell++ = row->name;
        Q_TRY(q_arena_printf(arena, cell++, "%llu", (unsigned long long)left));
        for (size_t i = 0; i < used; i++) {
            left -= row->dropped[shown[i]];
            Q_TRY(q_arena_printf(arena, cell++, "%llu", (unsigned long long)left));
        }
        Q_TRY(
            q_arena_printf(arena, cell++, "%.1f%%", row->in ? 100.0 * (double)(row->in - gone) / (double)row->in : 0));
        Q_TRY(q_arena_printf(arena, cell++, "%s", q_format_bytes(bytes, (double)row->out_bytes)));
        alarm(report, what, row, gone);
    }
    q_report_table(report,
                   &(struct q_table){.header = header, .columns = columns, .cells = cells, .rows = rows->count});
    return Q_OK;
}

/* --- by source --------------------------------------------------------------------------------------------------------------------- */

static q_status fill_source(const struct steps *steps, const char *name, const json_t *object, struct row *row)
{
    struct q_accounting a = {0};
    q_status status = q_accounting_parse(object, name, &a);
    *row = (struct row){.name = name, .in = a.in.documents, .out_bytes = a.out_bytes};
    for (size_t i = 0; i < a.reason_count; i++)
        row->dropped[a.reasons[i].failed ? 0 : step_of(steps, a.reasons[i].name)] += a.reasons[i].tally.documents;
    q_accounting_release(&a);
    return status;
}

static q_status put_sources(struct q_report *report, struct q_arena *arena, const struct steps *steps,
                            const json_t *sources)
{
    struct rows rows = {0};
    json_t *list = (json_t *)(uintptr_t)sources;
    Q_TRY(q_arena_alloc(arena, json_object_size(sources), sizeof *rows.items, &rows.items));
    for (void *at = json_object_iter(list); at; at = json_object_iter_next(list, at))
        Q_TRY(fill_source(steps, json_object_iter_key(at), json_object_iter_value(at), &rows.items[rows.count++]));
    return put_table(report, arena, "source", steps, &rows);
}

/* --- by language ------------------------------------------------------------------------------------------------------------------- */

static struct row *row_of(struct rows *rows, const char *name, size_t size)
{
    for (size_t i = 0; i < rows->count; i++)
        if (strlen(rows->items[i].name) == size && strncmp(rows->items[i].name, name, size) == 0)
            return &rows->items[i];
    return &rows->items[rows->count++];
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *left = a, *right = b;
    return left->in != right->in ? left->in < right->in ? 1 : -1 : strcmp(left->name, right->name);
}

/* Of documents that were read only: what could not be read has no language. */
static q_status put_languages(struct q_report *report, struct q_arena *arena, const struct steps *steps,
                              const struct corpus_statistics *s)
{
    struct rows rows = {0};
    Q_TRY(q_arena_alloc(arena, s->languages.count + s->losses.count, sizeof *rows.items, &rows.items));
    for (size_t i = 0; i < s->languages.count; i++) {
        const struct corpus_count *kept = &s->languages.items[i];
        rows.items[rows.count++] =
            (struct row){.name = kept->name, .in = kept->tally.documents, .out_bytes = kept->tally.bytes};
    }
    for (size_t i = 0; i < s->losses.count; i++) {
        const struct corpus_count *loss = &s->losses.items[i];
        size_t size = strcspn(loss->name, "/");
        struct row *row = row_of(&rows, loss->name, size);
        if (!row->name)
            Q_TRY(q_arena_cstring(arena, (q_string){loss->name, size}, &row->name));
        char reason[CORPUS_COUNT_NAME + 1]; /* a family, as a reason of it */
        snprintf(reason, sizeof reason, "%s.", loss->name + size + (loss->name[size] == '/'));
        row->in += loss->tally.documents;
        row->dropped[step_of(steps, reason)] += loss->tally.documents;
    }
    if (rows.count)
        qsort(rows.items, rows.count, sizeof *rows.items, compare_rows);
    return put_table(report, arena, "language", steps, &rows);
}

q_status corpus_report_funnels(struct q_report *report, struct q_arena *arena, const json_t *sources,
                               struct corpus_statistics *statistics)
{
    struct steps steps = all_steps();
    q_report_heading(report, "What is left behind each step");
    Q_TRY(put_sources(report, arena, &steps, sources));
    return put_languages(report, arena, &steps, statistics);
}
