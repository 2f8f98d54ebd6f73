/* quern-bench: runs a command several times, keeps the figures, makes the page. Driven by bench/run; not installed. */
#include "base/check.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/options.h"
#include "base/publish.h"
#include "bench/figures.h"
#include "bench/gpu_page.h"

#include <stdio.h>

struct run_options {
    struct q_common common;
    const char *name, *what, *unit;
    uint64_t amount, runs;
    const char *amount_of, *reported, *prepare;
    const char *peer, *peer_command, *peer_reported;
    uint64_t peer_runs;
    double scale, peer_scale, peer_per_second, wanted, wanted_memory;
};

struct page_options {
    struct q_common common;
    const char *title, *data, *notes;
};

struct gpu_page_options {
    struct q_common common;
    const char *chip, *without;
    bool quick;
};

#define RUN(member) offsetof(struct run_options, member)
#define PAGE(member) offsetof(struct page_options, member)
#define GPU(member) offsetof(struct gpu_page_options, member)

static const struct q_option run_table[] = {
    {"name", 0, Q_OPTION_TEXT, RUN(name), "NAME", "of the figure, for programs: dedup.sign"},
    {"what", 0, Q_OPTION_TEXT, RUN(what), "TEXT", "of the figure, for people"},
    {"unit", 0, Q_OPTION_TEXT, RUN(unit), "UNIT", "of the amount: bytes, documents, tokens"},
    {"amount", 0, Q_OPTION_U64, RUN(amount), "N", "what one run works on"},
    {"amount-of", 0, Q_OPTION_TEXT, RUN(amount_of), "FILE:A.B",
     "the same, from a member of a JSON file (after the runs)"},
    {"reported", 0, Q_OPTION_TEXT, RUN(reported), "A.B", "the rate is this member of the JSON that the command prints"},
    {"scale", 0, Q_OPTION_DOUBLE, RUN(scale), "X", "times this, where it is said in another unit: 1e6 for MB"},
    {"runs", 0, Q_OPTION_U64, RUN(runs), "N", "how often (standard: 3)"},
    {"prepare", 0, Q_OPTION_TEXT, RUN(prepare), "COMMAND", "a shell's command before each run, not measured"},
    {"peer", 0, Q_OPTION_TEXT, RUN(peer), "NAME", "what it is compared with"},
    {"peer-per-second", 0, Q_OPTION_DOUBLE, RUN(peer_per_second), "RATE", "of the peer, in the same unit"},
    {"peer-command", 0, Q_OPTION_TEXT, RUN(peer_command), "COMMAND",
     "a shell's command that is the peer: run in turn with ours; where it fails, it was not measured"},
    {"peer-reported", 0, Q_OPTION_TEXT, RUN(peer_reported), "A.B",
     "its rate is this member of the JSON that it prints"},
    {"peer-scale", 0, Q_OPTION_DOUBLE, RUN(peer_scale), "X", "times this"},
    {"peer-runs", 0, Q_OPTION_U64, RUN(peer_runs), "N", "how often (standard: as --runs)"},
    {"wanted", 0, Q_OPTION_DOUBLE, RUN(wanted), "RATIO", "what our rate should be to the peer's, at least"},
    {"wanted-memory", 0, Q_OPTION_DOUBLE, RUN(wanted_memory), "RATIO",
     "what our memory should be to the peer's, at most"},
    {0}};

static const struct q_option page_table[] = {
    {"title", 0, Q_OPTION_TEXT, PAGE(title), "TEXT", "of the page"},
    {"data", 0, Q_OPTION_TEXT, PAGE(data), "TEXT", "what was worked on"},
    {"notes", 0, Q_OPTION_TEXT, PAGE(notes), "FILE", "Markdown to stand behind the table"},
    {0}};

static const struct q_option gpu_page_table[] = {
    {"chip", 0, Q_OPTION_TEXT, GPU(chip), "NAME", "of the GPU"},
    {"without", 0, Q_OPTION_TEXT, GPU(without), "WAYS", "what QUERN_CUDA_WITHOUT left out"},
    {"quick", 0, Q_OPTION_FLAG, GPU(quick), NULL,
     "it was only tried whether all runs: nothing is wanted of the figures"},
    {0}};

/* The value at "a.b.c" in a JSON object. */
static q_status find_number(const json_t *object, const char *name, const char *path, double *out)
{
    q_string rest = q_string_of(path);
    while (object && rest.size) {
        char key[64];
        size_t dot = Q_MIN(q_string_find(rest, Q_STRING("."), 0), rest.size);
        if (dot >= sizeof(key))
            return q_fail(Q_ERR_USAGE, "'%s' is no member's path", path);
        (void)snprintf(key, sizeof(key), "%.*s", (int)dot, rest.data);
        object = json_object_get(object, key);
        rest = q_string_slice(rest, dot + 1, rest.size);
    }
    if (!json_is_number(object))
        return q_fail(Q_ERR_INPUT, "%s has no number '%s'", name, path);
    *out = json_number_value(object);
    return Q_OK;
}

static q_status read_amount(const char *amount_of, uint64_t *amount)
{
    struct q_arena arena = {0};
    json_t *object = NULL;
    const char *file;
    double value = 0;
    size_t colon = q_string_find(q_string_of(amount_of), Q_STRING(":"), 0);
    if (colon == SIZE_MAX)
        return q_fail(Q_ERR_USAGE, "--amount-of wants FILE:A.B, not '%s'", amount_of);
    q_status status = q_arena_cstring(&arena, (q_string){amount_of, colon}, &file);
    if (status == Q_OK)
        status = q_json_read_file(file, 1 << 30, &object);
    if (status == Q_OK)
        status = find_number(object, file, amount_of + colon + 1, &value);
    *amount = value > 0 ? (uint64_t)value : 0;
    json_decref(object);
    q_arena_release(&arena);
    return status;
}

static q_status read_reported(struct q_buffer *output, const char *member, double *rate)
{
    json_t *object;
    Q_TRY(q_json_parse(q_string_trim(q_buffer_string(output)), "the command's output", &object));
    q_status status = find_number(object, "the command's output", member, rate);
    json_decref(object);
    return status;
}

static q_status prepare(const char *command)
{
    struct measured_run ignored;
    const char *const shell[] = {"sh", "-c", command, NULL};
    return command ? measure_run(shell, NULL, &ignored) : Q_OK;
}

/* The command as one would type it; arguments with spaces in quotes. */
static q_status join_command(const char *const *arguments, size_t count, struct q_buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        const char *quote = strpbrk(arguments[i], " $*\"") ? "'" : "";
        Q_TRY(q_buffer_printf(out, "%s%s%s%s", i ? " " : "", quote, arguments[i], quote));
    }
    return q_buffer_terminate(out);
}

/* Appends the figure as a line to a file of this run of the benchmark; the subject's file is published whole later. */
static q_status append_line(const char *path, const json_t *figure)
{
    struct q_buffer text = {0};
    bool exists;
    q_status status = q_fs_look(path, &exists, NULL);
    if (status == Q_OK && exists)
        status = q_fs_read_file(path, 1 << 30, &text);
    if (status == Q_OK)
        status = q_json_dump(figure, 0, &text);
    if (status == Q_OK)
        status = q_publish_bytes(path, text.data, text.size, NULL);
    q_buffer_release(&text);
    return status;
}

/* The runs of one command as they come. */
struct series {
    struct measured_run runs[FIGURE_RUNS_MAX];
    double reported[FIGURE_RUNS_MAX];
    size_t count;
};

static struct figure_runs runs_of(const struct series *series, const char *member)
{
    return (struct figure_runs){series->runs, member ? series->reported : NULL, series->count};
}

/* One more run of it; `member` of what it prints is its rate where that is not NULL. */
static q_status run_once(const char *const *arguments, const char *member, double scale, struct series *series)
{
    struct q_buffer output = {0};
    q_status status = measure_run(arguments, member ? &output : NULL, &series->runs[series->count]);
    if (status == Q_OK && member)
        status = read_reported(&output, member, &series->reported[series->count]);
    series->reported[series->count] *= scale;
    series->count += status == Q_OK;
    q_buffer_release(&output);
    return status;
}

/* Ours and the peer in turn, so that both see the same hours of the machine. A peer that fails was not measured. */
static q_status run_all(const struct run_options *options, const char *const *arguments, struct series *ours,
                        struct series *peer)
{
    const char *const shell[] = {"sh", "-c", options->peer_command, NULL};
    size_t times = options->runs ? (size_t)options->runs : 3;
    size_t peer_times = !options->peer_command ? 0 : options->peer_runs ? (size_t)options->peer_runs : times;
    for (size_t i = 0; i < Q_MAX(times, peer_times); i++) {
        if (i < times) {
            Q_TRY(prepare(options->prepare));
            Q_TRY(run_once(arguments, options->reported, options->scale > 0 ? options->scale : 1, ours));
        }
        if (i < peer_times &&
            run_once(shell, options->peer_reported, options->peer_scale > 0 ? options->peer_scale : 1, peer) != Q_OK) {
            q_log_warning("%s: %s was not measured: %s", options->name, options->peer, q_error_text());
            peer_times = peer->count = 0;
        }
    }
    return Q_OK;
}

static void log_figure(const json_t *figure, const struct run_options *options)
{
    char number[32];
    double rate = json_number_value(json_object_get(figure, "per_second"));
    bool bytes = strcmp(options->unit, "bytes") == 0;
    q_log_info("%s: %s%s%s/s", options->name, bytes ? q_format_bytes(number, rate) : q_format_count(number, rate),
               bytes ? "" : " ", bytes ? "" : options->unit);
}

static q_status check_run(const struct run_options *options)
{
    if (!options->common.out || !options->name || !options->what || !options->unit)
        return q_fail(Q_ERR_USAGE, "-o, --name, --what and --unit must be given");
    if (options->amount && options->amount_of)
        return q_fail(Q_ERR_USAGE, "only one of --amount and --amount-of can be given");
    if (!options->amount && !options->amount_of && !options->reported)
        return q_fail(Q_ERR_USAGE, "--amount, --amount-of or --reported must be given");
    if (options->runs > FIGURE_RUNS_MAX || options->peer_runs > FIGURE_RUNS_MAX)
        return q_fail(Q_ERR_USAGE, "at most %d runs", FIGURE_RUNS_MAX);
    if (!options->peer && (options->peer_command || options->wanted > 0 || options->wanted_memory > 0))
        return q_fail(Q_ERR_USAGE, "what is compared needs a name: --peer");
    return Q_OK;
}

static q_status cmd_run(void *opaque, const char *const *arguments, size_t count)
{
    const struct run_options *options = opaque;
    struct series ours = {0}, peer = {0};
    struct q_buffer command = {0};
    const char **terminated = NULL;
    json_t *figure = NULL;
    uint64_t amount = options->amount;
    q_status status;
    Q_TRY(check_run(options));
    Q_TRY(q_alloc_zero(count + 1, sizeof(*terminated), &terminated));
    memcpy(terminated, arguments, count * sizeof(*terminated));
    Q_TRY_GOTO(out, join_command(arguments, count, &command));
    Q_TRY_GOTO(out, run_all(options, terminated, &ours, &peer));
    if (options->amount_of)
        Q_TRY_GOTO(out, read_amount(options->amount_of, &amount));
    const struct figure_about about = {.name = options->name,
                                       .what = options->what,
                                       .unit = options->unit,
                                       .command = command.data,
                                       .threads = options->common.threads,
                                       .amount = amount,
                                       .peer = options->peer,
                                       .peer_per_second = options->peer_per_second,
                                       .peer_command = options->peer_command,
                                       .wanted_ratio = options->wanted,
                                       .wanted_memory = options->wanted_memory};
    struct figure_runs our_runs = runs_of(&ours, options->reported), peer_runs = runs_of(&peer, options->peer_reported);
    Q_TRY_GOTO(out, figure_make(&about, &our_runs, &peer_runs, &figure));
    Q_TRY_GOTO(out, append_line(options->common.out, figure));
    log_figure(figure, options);
out:
    json_decref(figure);
    q_buffer_release(&command);
    q_release(terminated);
    return status;
}

/* The lines of `run` as an array. New reference. */
static q_status read_figures(const char *path, json_t **out)
{
    struct q_buffer text = {0};
    json_t *array = json_array();
    q_status status = q_fs_read_file(path, 1 << 30, &text);
    q_string rest = q_buffer_string(&text), line;
    while (status == Q_OK && q_string_next_line(&rest, &line)) {
        json_t *figure;
        status = q_json_parse(line, path, &figure);
        if (status == Q_OK)
            status = q_json_push(array, figure);
    }
    q_buffer_release(&text);
    if (status == Q_OK)
        *out = array;
    else
        json_decref(array);
    return status;
}

/* FOLDER/NAME.json and the page beside it. */
static q_status publish(const json_t *subject, const struct q_buffer *page, const char *folder, const char *name)
{
    struct q_arena arena = {0};
    const char *file, *path;
    q_status status;
    Q_TRY_GOTO(out, q_fs_make_directories(folder));
    Q_TRY_GOTO(out, q_arena_printf(&arena, &file, "%s.json", name));
    Q_TRY_GOTO(out, q_fs_join(&arena, folder, file, &path));
    Q_TRY_GOTO(out, q_json_publish(path, subject));
    Q_TRY_GOTO(out, q_arena_printf(&arena, &file, "%s.md", name));
    Q_TRY_GOTO(out, q_fs_join(&arena, folder, file, &path));
    Q_TRY_GOTO(out, q_publish_bytes(path, page->data, page->size, NULL));
    q_log_info("%s", path);
out:
    q_arena_release(&arena);
    return status;
}

static q_status cmd_page(void *opaque, const char *const *arguments, size_t count)
{
    const struct page_options *options = opaque;
    struct q_buffer page = {0}, notes = {0};
    json_t *figures, *subject;
    (void)count;
    if (!options->common.out || !options->title || !options->data)
        return q_fail(Q_ERR_USAGE, "-o, --title and --data must be given");
    Q_TRY(read_figures(arguments[1], &figures));
    Q_TRY(figures_subject(arguments[0], options->title, options->data, figures, &subject));
    q_status status = options->notes ? q_fs_read_file(options->notes, 1 << 24, &notes) : Q_OK;
    if (status == Q_OK)
        status = figures_page(subject, arguments[1], q_buffer_string(&notes), &page);
    if (status == Q_OK)
        status = publish(subject, &page, options->common.out, arguments[0]);
    json_decref(subject);
    q_buffer_release(&page);
    q_buffer_release(&notes);
    return status;
}

static q_status cmd_gpu_page(void *opaque, const char *const *arguments, size_t count)
{
    const struct gpu_page_options *options = opaque;
    const struct gpu_about about = {arguments[0], options->chip, options->without, options->quick};
    struct q_buffer page = {0};
    json_t *subject;
    (void)count;
    if (!options->common.out || !options->chip)
        return q_fail(Q_ERR_USAGE, "-o and --chip must be given");
    Q_TRY(gpu_subject(&about, arguments[1], &subject));
    q_status status = gpu_page(subject, arguments[1], &page);
    if (status == Q_OK)
        status = publish(subject, &page, options->common.out, arguments[0]);
    json_decref(subject);
    q_buffer_release(&page);
    return status;
}

static const struct q_verb verbs[] = {
    {.name = "run",
     .synopsis = "-o FIGURES --name NAME --what TEXT --unit UNIT --amount N -- COMMAND...",
     .summary = "run a command several times and append its figure to a file of lines",
     .details =
         "  quern-bench run -o lines --name dedup.sign --what 'dedup: sign' --unit bytes --amount-of "
         "corpus/manifest.json:accounting.out_bytes --prepare 'rm -rf dedup' -- quern-dedup build corpus -o dedup "
         "--step sign",
     .takes = Q_TAKES_OUT | Q_TAKES_THREADS,
     .options = run_table,
     .options_size = sizeof(struct run_options),
     .arguments_min = 1,
     .arguments_max = 1000,
     .run = cmd_run},
    {.name = "page",
     .synopsis = "SUBJECT FIGURES -o FOLDER --title TEXT --data TEXT",
     .summary = "write FOLDER/SUBJECT.json from such lines, and the page beside it",
     .takes = Q_TAKES_OUT,
     .options = page_table,
     .options_size = sizeof(struct page_options),
     .arguments_min = 2,
     .arguments_max = 2,
     .run = cmd_page},
    {.name = "gpu-page",
     .synopsis = "SUBJECT PARTS -o FOLDER --chip NAME",
     .summary = "write FOLDER/SUBJECT.json from what the parts of bench/gpu/run have left in the folder PARTS, and the "
                "page beside it",
     .details = "  quern-bench gpu-page h100 parts -o bench/results/gpu --chip 'NVIDIA H100'",
     .takes = Q_TAKES_OUT,
     .options = gpu_page_table,
     .options_size = sizeof(struct gpu_page_options),
     .arguments_min = 2,
     .arguments_max = 2,
     .run = cmd_gpu_page},
    {0}};

static const struct q_program program = {
    .name = "quern-bench", .summary = "figures of the programs, for bench/results", .verbs = verbs};

int main(int argc, char **argv)
{
    return q_program_main(&program, argc, argv);
}
