/* From the folder of bench/gpu/run to the subject's JSON. */
#include "base/check.h"
#include "base/fs.h"
#include "base/log.h"
#include "bench/figures.h"
#include "bench/gpu_page.h"

#include <math.h>
#include <stdio.h>

enum { OUTPUT_BYTES_MAX = 1 << 26, SAID_LINES_MAX = 40, SAID_BYTES_MAX = 300 };
enum { NAME, STATE, SECONDS, USER, SYSTEM, WHAT, COMMAND, WHY, COLUMNS };

static q_status put_text(json_t *object, const char *key, q_string text)
{
    return q_json_set(object, key, q_json_string(text));
}

static q_status put_number(json_t *object, const char *key, double value)
{
    return q_json_set(object, key, isfinite(value) ? json_real(value) : json_null());
}

static q_status put_true(json_t *object, const char *key)
{
    return q_json_set(object, key, json_true());
}

static bool contains(q_string text, const char *needle)
{
    return q_string_find(text, q_string_of(needle), 0) != SIZE_MAX;
}

/* A file's bytes, appended; nothing where it is not there. `*cut` where it is too large to be read. */
static q_status read_output(const char *folder, q_string name, const char *kind, struct q_buffer *out, bool *cut)
{
    struct q_arena arena = {0};
    const char *file, *path;
    struct stat found;
    bool exists;
    q_status status;
    Q_TRY_GOTO(out, q_arena_printf(&arena, &file, "%.*s.%s", Q_STRING_ARGS(name), kind));
    Q_TRY_GOTO(out, q_fs_join(&arena, folder, file, &path));
    Q_TRY_GOTO(out, q_fs_look(path, &exists, &found));
    *cut = exists && found.st_size > OUTPUT_BYTES_MAX;
    if (exists && !*cut)
        status = q_fs_read_file(path, OUTPUT_BYTES_MAX, out);
out:
    q_arena_release(&arena);
    return status;
}

/* A line of an output: JSON to `results`, else text to `said`, whose last lines are kept. A line of JSON that is none was cut off. */
static q_status take_line(q_string line, json_t *results, json_t *said, bool *cut)
{
    json_t *value;
    if (!line.size)
        return Q_OK;
    if (line.data[0] == '{') {
        q_status status = q_json_parse(line, "output", &value);
        *cut |= status == Q_ERR_INPUT;
        return status == Q_OK ? q_json_push(results, value) : status == Q_ERR_INPUT ? Q_OK : status;
    }
    if (json_array_size(said) == SAID_LINES_MAX)
        (void)json_array_remove(said, 0);
    return q_json_push(said, q_json_string(q_string_slice(line, 0, SAID_BYTES_MAX)));
}

/* One line of JSON is its result, several are a list of them. */
static q_status put_results(json_t *part, json_t *results)
{
    size_t count = json_array_size(results);
    if (count > 1)
        return q_json_set(part, "results", json_incref(results));
    return count ? q_json_set(part, "result", json_incref(json_array_get(results, 0))) : Q_OK;
}

static q_status put_output(json_t *part, const char *folder, q_string name)
{
    struct q_buffer text = {0};
    json_t *results = json_array(), *said = json_array();
    bool cut = false;
    q_string rest, line;
    q_status status = results && said ? Q_OK : q_fail(Q_ERR_MEMORY, "out of memory: a part's output");
    if (status == Q_OK)
        status = read_output(folder, name, "out", &text, &cut);
    rest = q_buffer_string(&text);
    while (status == Q_OK && q_string_next_line(&rest, &line))
        status = take_line(q_string_trim(line), results, said, &cut);
    if (status == Q_OK)
        status = put_results(part, results);
    if (status == Q_OK && json_array_size(said))
        status = q_json_set(part, "said", json_incref(said));
    if (status == Q_OK && cut)
        status = put_true(part, "cut_off");
    json_decref(results);
    json_decref(said);
    q_buffer_release(&text);
    return status;
}

/* "... 12345 tokens/s best, ...", as train_torch.py says it, is a result too. */
static q_status put_torch(json_t *part)
{
    const json_t *said = json_object_get(part, "said");
    for (size_t i = json_array_size(said); i-- > 0;) {
        q_string line = q_string_of(json_string_value(json_array_get(said, i)));
        size_t end = q_string_find(line, Q_STRING(" tokens/s best"), 0), start = end;
        double rate;
        if (end == SIZE_MAX)
            continue;
        while (start > 0 && line.data[start - 1] != ' ')
            start--;
        if (q_parse_double(q_string_slice(line, start, end), &rate) != Q_OK)
            continue;
        json_t *result = json_object();
        Q_TRY(q_json_set(part, "result", result));
        return put_number(result, "tokens_per_s", rate);
    }
    return Q_OK;
}

/* The last line with SUMMARY, wherever compute-sanitizer wrote it. */
static q_status put_summary(json_t *part, const char *folder, q_string name)
{
    static const char *const kinds[] = {"out", "err"};
    struct q_buffer text = {0};
    q_string rest, line, summary = {0};
    q_status status = Q_OK;
    bool cut;
    for (size_t i = 0; i < Q_COUNT_OF(kinds) && status == Q_OK; i++)
        status = read_output(folder, name, kinds[i], &text, &cut);
    rest = q_buffer_string(&text);
    while (status == Q_OK && q_string_next_line(&rest, &line))
        if (contains(line, "SUMMARY"))
            summary = q_string_trim(line);
    while (q_string_starts(summary, "="))
        summary = q_string_slice(summary, 1, summary.size);
    if (status == Q_OK && summary.size)
        status = put_text(part, "summary", q_string_slice(q_string_trim(summary), 0, SAID_BYTES_MAX));
    q_buffer_release(&text);
    return status;
}

static double seconds_of(q_string text)
{
    double value;
    return q_parse_double(text, &value) == Q_OK ? value : NAN;
}

static const struct gpu_part *row_of(q_string name)
{
    const struct gpu_part *row = gpu_parts;
    while (row->name && !q_string_is(name, row->name))
        row++;
    return row->name ? row : NULL;
}

static q_status fill_part(json_t *part, const char *folder, const q_string columns[COLUMNS])
{
    const struct gpu_part *row = row_of(columns[NAME]);
    Q_TRY(put_text(part, "name", columns[NAME]));
    Q_TRY(put_text(part, "what", columns[WHAT]));
    Q_TRY(put_text(part, "state", columns[STATE]));
    Q_TRY(put_text(part, "why", columns[WHY]));
    Q_TRY(put_text(part, "command", columns[COMMAND]));
    Q_TRY(put_number(part, "seconds", seconds_of(columns[SECONDS])));
    Q_TRY(put_number(part, "cpu_seconds", seconds_of(columns[USER]) + seconds_of(columns[SYSTEM])));
    Q_TRY(put_output(part, folder, columns[NAME]));
    if (row && row->kind == GPU_TORCH)
        Q_TRY(put_torch(part));
    if (row && row->kind == GPU_SANITIZER)
        Q_TRY(put_summary(part, folder, columns[NAME]));
    return Q_OK;
}

/* False where these are not all columns, or the name is none of a file. */
static bool split(q_string line, q_string columns[COLUMNS])
{
    for (size_t i = 0; i < COLUMNS; i++) {
        size_t tab = Q_MIN(q_string_find(line, Q_STRING("\t"), 0), line.size);
        if (tab == line.size && i + 1 < COLUMNS)
            return false;
        columns[i] = q_string_slice(line, 0, tab);
        line = q_string_slice(line, tab + 1, line.size);
    }
    return columns[NAME].size && !contains(columns[NAME], "/");
}

static q_status put_parts(json_t *subject, const char *folder)
{
    struct q_buffer text = {0};
    struct q_arena arena = {0};
    json_t *parts = json_array();
    const char *path;
    q_string rest, line, columns[COLUMNS];
    q_status status = q_json_set(subject, "parts", parts);
    if (status == Q_OK)
        status = q_fs_join(&arena, folder, "parts", &path);
    if (status == Q_OK)
        status = q_fs_read_file(path, OUTPUT_BYTES_MAX, &text);
    rest = q_buffer_string(&text);
    while (status == Q_OK && q_string_next_line(&rest, &line)) {
        if (!split(line, columns)) {
            q_log_warning("'%s' has a line that is no part's, and is left out", path);
            continue;
        }
        json_t *part = json_object();
        status = q_json_push(parts, part);
        if (status == Q_OK)
            status = fill_part(part, folder, columns);
    }
    q_arena_release(&arena);
    q_buffer_release(&text);
    return status;
}

static double or_zero(double value)
{
    return value > 0 ? value : 0;
}

/* A layer's rate beside the chip's product of matrices, whole steps' beside PyTorch's of the same model. */
static q_status put_figure(json_t *figures, const json_t *subject, const struct gpu_part *row)
{
    const json_t *part = gpu_part_find(subject, row->name), *result = gpu_part_result(part);
    const bool steps = row->kind == GPU_STEPS, quick = json_is_true(json_object_get(subject, "quick"));
    const double rate = gpu_number(result, steps ? "tokens_per_s" : "flop_per_s"), ceiling = gpu_ceiling(subject);
    const double wanted = gpu_wanted_flop_per_s(subject, row);
    const double share = wanted > 0 ? gpu_ratio(wanted, ceiling) : row->wanted_share;
    const struct measured_run run = {.seconds = or_zero(gpu_number(part, "seconds")),
                                     .cpu_seconds = or_zero(gpu_number(part, "cpu_seconds")),
                                     .peak_bytes = (uint64_t)or_zero(gpu_number(result, "peak_bytes"))};
    const struct figure_runs ours = {&run, &rate, 1}, none = {0};
    const struct figure_about about = {
        .name = row->name,
        .what = gpu_text(part, "what"),
        .unit = steps ? "tokens" : "flop",
        .command = gpu_text(part, "command"),
        .threads = (uint64_t)or_zero(gpu_number(result, "threads")),
        .peer = !steps              ? "the chip's product of matrices"
                : row->beside_torch ? "PyTorch, transformers"
                                    : NULL,
        .peer_per_second = or_zero(steps ? gpu_torch_rate(subject) : ceiling),
        .wanted_ratio = quick ? 0 : or_zero(steps ? row->wanted_times_torch : share),
    };
    json_t *figure;
    if (isnan(rate))
        return Q_OK;
    Q_TRY(figure_make(&about, &ours, &none, &figure));
    return q_json_push(figures, figure);
}

static q_status put_all(json_t *subject, const struct gpu_about *about, const char *folder)
{
    if (about->without && *about->without)
        Q_TRY(put_text(subject, "without", q_string_of(about->without)));
    if (about->quick)
        Q_TRY(put_true(subject, "quick"));
    Q_TRY(put_parts(subject, folder));
    for (const struct gpu_part *row = gpu_parts; row->name; row++)
        if (row->kind == GPU_STEPS || row->kind == GPU_BLOCK)
            Q_TRY(put_figure(json_object_get(subject, "figures"), subject, row));
    return Q_OK;
}

q_status gpu_subject(const struct gpu_about *about, const char *folder, json_t **out)
{
    char title[256];
    json_t *subject;
    (void)snprintf(title, sizeof(title), "The trainer on a GPU: %s", about->chip);
    Q_TRY(figures_subject(about->subject, title,
                          "made-up tokens and, for parity, made-up text; times by the clock of the device",
                          json_array(), &subject));
    q_status status = put_all(subject, about, folder);
    if (status == Q_OK)
        *out = subject;
    else
        json_decref(subject);
    return status;
}
