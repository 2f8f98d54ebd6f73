#include "orchestrate/run_report.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/journal.h"
#include "base/report.h"

#include "orchestrate/launch.h"

#include <stdio.h>

enum { EVENTS_MAX = 40, LINES = 3, ACCOUNT_COLUMNS = 8, EVENT_COLUMNS = 5 };

struct page {
    struct graph *graph;
    struct q_report *report;
    size_t failed;                            /* stage */
    struct q_manifest manifests[STAGE_COUNT]; /* of the stages that are done; zero otherwise */
};

/* A stage's name as a title: "Corpus". */
static q_status title_of(struct q_arena *arena, size_t stage, const char **out)
{
    const char *name = stages[stage].name;
    return q_arena_printf(arena, out, "%c%s", name[0] - 'a' + 'A', name + 1);
}

/* Where its chapter begins, whatever title its program gives it. */
static q_status anchor_of(struct q_arena *arena, size_t stage, const char **out)
{
    return q_arena_printf(arena, out, "stage-%s", stages[stage].name);
}

static q_status read_manifests(struct page *page)
{
    for (size_t i = 0; i < STAGE_COUNT; i++)
        if (page->graph->stages[i].state == GRAPH_DONE)
            Q_TRY(q_manifest_read(page->graph->stages[i].folder, &page->manifests[i]));
    return Q_OK;
}

/* "48,201" */
static q_status count_text(struct q_arena *arena, uint64_t count, const char **out)
{
    char digits[32], grouped[48];
    int size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    size_t used = 0;
    for (int i = 0; i < size; i++) {
        if (i && (size - i) % 3 == 0)
            grouped[used++] = ',';
        grouped[used++] = digits[i];
    }
    return q_arena_cstring(arena, (q_string){grouped, used}, out);
}

/* The short figures in a stage's box. */
static q_status box_lines(struct page *page, size_t stage, const char **lines, size_t *count)
{
    struct q_arena *arena = &page->graph->arena;
    const struct graph_stage *resolved = &page->graph->stages[stage];
    const struct graph_step *last = &resolved->steps[resolved->step_count - 1];
    char bytes[32];
    *count = 0;
    if (resolved->state == GRAPH_DONE) {
        const struct q_accounting *accounting = &page->manifests[stage].accounting;
        if (accounting->kept.documents) {
            const char *documents;
            Q_TRY(count_text(arena, accounting->kept.documents, &documents));
            Q_TRY(q_arena_printf(arena, &lines[(*count)++], "%s documents", documents));
        }
        Q_TRY(q_arena_printf(arena, &lines[(*count)++], "%s in files", q_format_bytes(bytes, (double)last->bytes)));
    } else if (last->parts) {
        Q_TRY(q_arena_printf(arena, &lines[(*count)++], "%llu of %llu parts", (unsigned long long)last->parts_done,
                             (unsigned long long)last->parts));
    }
    if (resolved->resolved)
        lines[(*count)++] = resolved->key;
    return Q_OK;
}

static q_status put_flow(struct page *page)
{
    struct q_flow_box boxes[STAGE_COUNT] = {0};
    const char *lines[STAGE_COUNT][LINES];
    for (size_t i = 0; i < STAGE_COUNT; i++) {
        const struct graph_stage *stage = &page->graph->stages[i];
        boxes[i].state = stage->state == GRAPH_DONE      ? Q_FLOW_DONE
                         : stage->state == GRAPH_PARTIAL ? Q_FLOW_PARTIAL
                                                         : Q_FLOW_MISSING;
        if (i == page->failed)
            boxes[i].state = Q_FLOW_FAILED;
        Q_TRY(title_of(&page->graph->arena, i, &boxes[i].name));
        Q_TRY(box_lines(page, i, lines[i], &boxes[i].line_count));
        boxes[i].lines = lines[i];
        if (stage->state == GRAPH_DONE)
            Q_TRY(anchor_of(&page->graph->arena, i, &boxes[i].link));
    }
    q_report_flow(page->report, boxes, STAGE_COUNT);
    return Q_OK;
}

static uint64_t sum_reasons(const struct q_accounting *accounting, bool failed)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < accounting->reason_count; i++)
        if (accounting->reasons[i].failed == failed)
            sum += accounting->reasons[i].tally.documents;
    return sum;
}

static q_status account_row(struct q_arena *arena, size_t stage, const struct q_accounting *accounting,
                            const char **cells)
{
    char text[32];
    Q_TRY(title_of(arena, stage, &cells[0]));
    Q_TRY(count_text(arena, accounting->in.documents, &cells[1]));
    Q_TRY(count_text(arena, accounting->kept.documents, &cells[2]));
    Q_TRY(count_text(arena, sum_reasons(accounting, false), &cells[3]));
    Q_TRY(count_text(arena, sum_reasons(accounting, true), &cells[4]));
    Q_TRY(q_arena_cstring(arena, q_string_of(q_format_bytes(text, (double)accounting->in.bytes)), &cells[5]));
    Q_TRY(q_arena_cstring(arena, q_string_of(q_format_bytes(text, (double)accounting->kept.bytes)), &cells[6]));
    return q_arena_cstring(arena, q_string_of(q_format_bytes(text, (double)accounting->out_bytes)), &cells[7]);
}

static q_status put_accounting(struct page *page)
{
    static const char *const header[ACCOUNT_COLUMNS] = {"stage",  "documents in", "kept",         "dropped",
                                                        "failed", "text in",      "text of kept", "text out"};
    const char *cells[STAGE_COUNT * ACCOUNT_COLUMNS];
    size_t rows = 0;
    for (size_t i = 0; i < STAGE_COUNT; i++)
        if (page->manifests[i].accounting.in.documents)
            Q_TRY(
                account_row(&page->graph->arena, i, &page->manifests[i].accounting, &cells[rows++ * ACCOUNT_COLUMNS]));
    if (!rows)
        return Q_OK;
    q_report_heading(page->report, "Accounting");
    q_report_text(page->report,
                  "Documents in = kept + dropped by a rule + failed to be read. Reasons are in each stage's chapter.");
    q_report_table(page->report, &(struct q_table){header, ACCOUNT_COLUMNS, cells, rows});
    return Q_OK;
}

static const char *member_text(const json_t *event, const char *name)
{
    const char *text = json_string_value(json_object_get(event, name));
    return text ? text : "";
}

/* The journal's builds that ended, the latest ones. */
static q_status put_events(struct page *page, const json_t *journal)
{
    static const char *const header[EVENT_COLUMNS] = {"ended", "stage", "key", "took", "result"};
    struct q_arena *arena = &page->graph->arena;
    const char *cells[EVENTS_MAX * EVENT_COLUMNS];
    size_t rows = 0;
    for (size_t i = json_array_size(journal); i-- > 0 && rows < EVENTS_MAX;) {
        const json_t *event = json_array_get(journal, i);
        const char **row = &cells[rows * EVENT_COLUMNS];
        char duration[32];
        if (strcmp(member_text(event, "event"), "ended") != 0)
            continue;
        json_int_t code = json_integer_value(json_object_get(event, "exit"));
        row[0] = member_text(event, "at");
        row[1] = member_text(event, "stage");
        row[2] = member_text(event, "key");
        q_format_duration(duration, json_number_value(json_object_get(event, "seconds")));
        Q_TRY(q_arena_cstring(arena, q_string_of(duration), &row[3]));
        row[4] = code == 0 ? "built" : code == 75 ? "stopped, work saved" : member_text(event, "reason");
        rows++;
    }
    if (!rows)
        return Q_OK;
    q_report_heading(page->report, "What happened");
    q_report_table(page->report, &(struct q_table){header, EVENT_COLUMNS, cells, rows});
    return Q_OK;
}

static q_status put_journal(struct page *page)
{
    const char *path;
    json_t *journal;
    Q_TRY(q_fs_join(&page->graph->arena, page->graph->run, "journal", &path));
    Q_TRY(q_journal_read(path, &journal));
    q_status status = put_events(page, journal);
    json_decref(journal);
    return status;
}

/* What makes a stage's own report. */
static q_status report_command(struct graph *graph, size_t stage, struct graph_command *out)
{
    const char *program;
    if (stages[stage].report_reads_recipe) {
        Q_TRY(graph_command(graph, stage, "report", false, out));
    } else {
        *out = (struct graph_command){0};
        Q_TRY(launch_find(&graph->arena, stages[stage].program, &program));
        Q_TRY(graph_command_add(graph, out, program));
        Q_TRY(graph_command_add(graph, out, "report"));
    }
    Q_TRY(graph_command_add(graph, out, graph->stages[stage].folder));
    Q_TRY(graph_command_add(graph, out, "--fragment"));
    if (stages[stage].report_decodes) {
        Q_TRY(graph_command_add(graph, out, "-t"));
        Q_TRY(graph_command_add(graph, out, graph->stages[STAGE_TOKENIZER].folder));
    }
    return Q_OK;
}

/* A stage's own report, as its program makes it. */
static q_status put_chapter(struct page *page, size_t stage)
{
    struct graph *graph = page->graph;
    struct graph_command command;
    const char *anchor;
    Q_TRY(report_command(graph, stage, &command));
    Q_TRY(anchor_of(&graph->arena, stage, &anchor));
    struct q_buffer out = {0}, error = {0};
    struct launch_end end = {0};
    q_report_anchor(page->report, anchor);
    q_status status = launch_capture(command.arguments, &out, &error, &end);
    if (status == Q_OK && end.code == 0) {
        q_report_insert(page->report, q_buffer_string(&out));
    } else {
        const char *title;
        q_string said = q_string_trim(q_buffer_string(&error));
        status = title_of(&graph->arena, stage, &title);
        if (status == Q_OK) {
            q_report_heading(page->report, title);
            q_report_warning(page->report, "'%s report' failed with exit code %d: %.*s", stages[stage].program,
                             end.code, Q_STRING_ARGS(q_string_slice(said, 0, 500)));
        }
    }
    q_buffer_release(&out);
    q_buffer_release(&error);
    return status;
}

static q_status put_page(struct page *page)
{
    char now[21];
    q_time_text(now);
    Q_TRY(read_manifests(page));
    q_report_text(page->report, "From the recipe '%s' by %s; this page was made at %s.",
                  q_fs_base_name(page->graph->recipe_path), q_version(), now);
    q_report_heading(page->report, "The run");
    Q_TRY(put_flow(page));
    Q_TRY(put_accounting(page));
    Q_TRY(put_journal(page));
    for (size_t i = 0; i < STAGE_COUNT; i++)
        if (page->graph->stages[i].state == GRAPH_DONE)
            Q_TRY(put_chapter(page, i));
    return Q_OK;
}

q_status run_report_publish(struct graph *graph, const char *path, size_t failed)
{
    struct page page = {.graph = graph, .failed = failed};
    Q_TRY(q_report_create(graph->recipe.name, &page.report));
    q_status status = put_page(&page);
    if (status == Q_OK)
        status = q_report_publish(page.report, path);
    for (size_t i = 0; i < STAGE_COUNT; i++)
        q_manifest_release(&page.manifests[i]);
    q_report_release(page.report);
    return status;
}
