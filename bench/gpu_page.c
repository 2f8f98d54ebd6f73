/* The Markdown page of a subject of bench/gpu/run. */
#include "bench/gpu_page.h"

#include "base/check.h"
#include "bench/figures.h"

#include <math.h>
#include <stdio.h>

/* What is written, and the first failure: nothing is written behind one. */
struct page {
    struct q_buffer *out;
    const json_t *subject;
    q_status status;
};

#define put(page, ...)                                                                                                 \
    do {                                                                                                               \
        if ((page)->status == Q_OK)                                                                                    \
            (page)->status = q_buffer_printf((page)->out, __VA_ARGS__);                                                \
    } while (0)

/* Behind what there is, so that headings and tables begin behind an empty line. */
static void put_gap(struct page *page)
{
    if (page->status == Q_OK && !q_string_ends(q_buffer_string(page->out), "\n\n"))
        put(page, "\n");
}

/* A table: its columns' names, with bars between them; cells; rows. */
static void put_columns(struct page *page, const char *names)
{
    put_gap(page);
    put(page, "| %s |\n|---|", names);
    for (const char *at = names; *at; at++)
        if (*at == '|')
            put(page, "---|");
    put(page, "\n");
}

static void put_cell(struct page *page, const char *text)
{
    if (page->status == Q_OK)
        page->status = figures_put_cell(q_string_of(text), page->out);
}

static void begin_row(struct page *page, const char *first)
{
    put(page, "| ");
    put_cell(page, first);
}

static void end_row(struct page *page)
{
    if (page->status == Q_OK && page->out->data[page->out->size - 1] == ' ')
        page->out->size--;
    put(page, "\n");
}

/* A number with its digits behind the point; "-" where it is missing. */
static void put_value(struct page *page, double value, int digits, const char *unit)
{
    if (isfinite(value))
        put(page, "%.*f%s", digits, value, unit);
    else
        put(page, "-");
}

static void put_number(struct page *page, double value, int digits, const char *unit)
{
    put_value(page, value, digits, unit);
    put(page, " | ");
}

/* TFLOP/s, and the share of the ceiling; nothing for what does no products. */
static void put_products(struct page *page, double flop_per_s, double share)
{
    if (flop_per_s == 0) {
        put_cell(page, "");
        put_cell(page, "");
        return;
    }
    put_number(page, flop_per_s / 1e12, 1, "");
    put_number(page, share * 100, 1, "%");
}

static void put_heading(struct page *page, const char *title, const char *text)
{
    put_gap(page);
    put(page, "## %s\n\n%s%s", title, text, *text ? "\n\n" : "");
}

static const json_t *part_of(const struct page *page, const struct gpu_part *row)
{
    return gpu_part_find(page->subject, row->name);
}

static bool shown(const struct page *page, const struct gpu_part *row)
{
    return !row->optional || part_of(page, row);
}

enum { WHY_MAX = 400 };

/* Why a part has no figures, or not all. */
static const char *why(char out[WHY_MAX], const json_t *part)
{
    const char *state = gpu_text(part, "state"), *reason = gpu_text(part, "why");
    if (!part)
        return "not run";
    if (strcmp(state, "passed") != 0)
        (void)snprintf(out, WHY_MAX, "%s%s%s", state, *reason ? ": " : "", reason);
    else
        (void)snprintf(out, WHY_MAX, "%s",
                       json_object_get(part, "cut_off") ? "what it printed is cut off" : "it printed no figures");
    return out;
}

static void put_missing_row(struct page *page, const struct gpu_part *row)
{
    char text[WHY_MAX + 16], reason[WHY_MAX];
    (void)snprintf(text, sizeof(text), "not measured: %s", why(reason, part_of(page, row)));
    begin_row(page, row->name);
    put_cell(page, text);
    end_row(page);
}

/* Begins the row of a part: its name, and what it is. What it printed; NULL, with a row that says why, where there is nothing. */
static const json_t *begin_part_row(struct page *page, const struct gpu_part *row)
{
    const json_t *part = part_of(page, row), *result = gpu_part_result(part);
    if (!result) {
        put_missing_row(page, row);
        return NULL;
    }
    begin_row(page, row->name);
    put_cell(page, gpu_text(part, "what"));
    return result;
}

/* Above what a part has of its own: its name, what it is, and why something is missing. */
static void put_part_heading(struct page *page, const struct gpu_part *row)
{
    const json_t *part = part_of(page, row);
    const bool printed = json_object_get(part, "result") || json_object_get(part, "results");
    char reason[WHY_MAX];
    put_gap(page);
    put(page, "### %s%s%s\n\n", row->name, part ? ": " : "", gpu_text(part, "what"));
    if (!printed || strcmp(gpu_text(part, "state"), "passed") != 0 || json_object_get(part, "cut_off"))
        put(page, "**%s.**\n\n", why(reason, part));
}

/* --- what is wanted ---------------------------------------------------------------------------------------------- */

/* Why a figure that is wanted is missing: its part has none, or the part that it is compared with. */
static const char *why_not_measured(char out[WHY_MAX], const struct page *page, const struct gpu_part *row,
                                    const char *beside)
{
    const json_t *part = part_of(page, row), *other = gpu_part_find(page->subject, beside);
    char reason[WHY_MAX];
    if (!gpu_part_result(part))
        return why(out, part);
    if (gpu_part_result(other))
        return "the figure is missing";
    (void)snprintf(out, WHY_MAX, "%s: %s", beside, why(reason, other));
    return out;
}

static void put_one_wanted(struct page *page, const struct gpu_part *row, double is, double wanted, const char *unit,
                           const char *beside)
{
    char number[64], reason[WHY_MAX];
    if (!(wanted > 0))
        return;
    begin_row(page, row->name);
    (void)snprintf(number, sizeof(number), "%.4g%s", wanted, unit);
    put_cell(page, number);
    (void)snprintf(number, sizeof(number), "%.4g%s", is, unit);
    put_cell(page, isfinite(is) ? number : "-");
    put(page, "%s", isfinite(is) ? "" : "not measured: ");
    put_cell(page, !isfinite(is)  ? why_not_measured(reason, page, row, beside)
                   : is >= wanted ? "reached"
                                  : "**not reached**");
    end_row(page);
}

static void put_wanted(struct page *page)
{
    const double ceiling = gpu_ceiling(page->subject), torch = gpu_torch_rate(page->subject);
    if (json_is_true(json_object_get(page->subject, "quick"))) {
        put(page,
            "Only tried whether all of it runs, on little: the times say nothing, and nothing is wanted of them.\n");
        return;
    }
    put_heading(page, "Wanted", "");
    put_columns(page, "part | at least | is | ");
    for (const struct gpu_part *row = gpu_parts; row->name; row++) {
        const json_t *result = gpu_part_result(part_of(page, row));
        const double flop_per_s = gpu_number(result, "flop_per_s"), tokens = gpu_number(result, "tokens_per_s");
        put_one_wanted(page, row, flop_per_s / 1e12, gpu_wanted_flop_per_s(page->subject, row) / 1e12, " TFLOP/s",
                       row->name);
        put_one_wanted(page, row, gpu_ratio(flop_per_s, ceiling) * 100, row->wanted_share * 100, "% of the product",
                       "ceilings");
        put_one_wanted(page, row, gpu_ratio(tokens, torch), row->wanted_times_torch, " times PyTorch", "torch");
    }
}

/* --- what was run ------------------------------------------------------------------------------------------------- */

static void put_run_row(struct page *page, const json_t *part)
{
    char memory[32];
    const double peak = gpu_number(json_object_get(part, "result"), "peak_bytes");
    begin_row(page, gpu_text(part, "name"));
    put_cell(page, gpu_text(part, "what"));
    put_cell(page, gpu_text(part, "state"));
    put_number(page, gpu_number(part, "seconds"), 1, " s");
    put_number(page, gpu_number(part, "cpu_seconds"), 1, " s");
    put_cell(page, peak > 0 ? q_format_bytes(memory, peak) : "");
    if (json_object_get(part, "cut_off"))
        put(page, "what it printed is cut off%s", *gpu_text(part, "why") ? "; " : "");
    put_cell(page, gpu_text(part, "why"));
    end_row(page);
}

static void put_run(struct page *page)
{
    const json_t *parts = json_object_get(page->subject, "parts");
    const char *before = "\nNot run: ";
    put_heading(page, "What was run", "");
    put_columns(page, "part | what | ended | time | processor time | memory of the host | ");
    for (size_t i = 0; i < json_array_size(parts); i++)
        put_run_row(page, json_array_get(parts, i));
    for (const struct gpu_part *row = gpu_parts; row->name; row++)
        if (!row->optional && !part_of(page, row)) {
            put(page, "%s%s", before, row->name);
            before = ", ";
        }
    put(page, "%s", *before == ',' ? ".\n" : "");
}

static void put_commands(struct page *page)
{
    const json_t *parts = json_object_get(page->subject, "parts");
    put_heading(page, "Commands", "");
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i);
        if (*gpu_text(part, "command"))
            put(page, "- %s: `%s`\n", gpu_text(part, "name"), gpu_text(part, "command"));
    }
}

/* --- figures ------------------------------------------------------------------------------------------------------ */

static void put_ceilings(struct page *page, const struct gpu_part *row)
{
    const json_t *result = gpu_part_result(part_of(page, row));
    char reason[WHY_MAX];
    if (!result) {
        put(page, "Not measured: %s. No share of them is known.\n", why(reason, part_of(page, row)));
        return;
    }
    put_columns(page, "| ceiling");
    begin_row(page, "a matrix product in BF16");
    put_number(page, gpu_number(result, "matrix_flop_per_s") / 1e12, 1, " TFLOP/s");
    end_row(page);
    begin_row(page, "a copy within the device's memory");
    put_number(page, gpu_number(result, "copy_bytes_per_s") / 1e9, 0, " GB/s");
    end_row(page);
}

static void put_steps(struct page *page, const struct gpu_part *row)
{
    const json_t *result = begin_part_row(page, row);
    const double rate = gpu_number(result, "tokens_per_s"), flop_per_s = gpu_number(result, "flop_per_s");
    if (!result)
        return;
    put_number(page, rate, 0, "");
    put_number(page, row->beside_torch ? gpu_ratio(rate, gpu_torch_rate(page->subject)) : NAN, 2, "");
    put_products(page, flop_per_s, gpu_ratio(flop_per_s, gpu_ceiling(page->subject)));
    put_number(page, gpu_number(result, "tensor_bytes") / 1e9, 1, "");
    put_number(page, gpu_number(result, "device_bytes") / 1e9, 1, "");
    end_row(page);
}

static void put_block(struct page *page, const struct gpu_part *row)
{
    const json_t *result = begin_part_row(page, row);
    const double ceiling = gpu_ceiling(page->subject);
    const double forward = gpu_number(result, "forward_flop_per_s");
    const double backward = gpu_number(result, "backward_flop_per_s"), both = gpu_number(result, "flop_per_s");
    if (!result)
        return;
    put_number(page, gpu_number(result, "forward_ms"), 3, "");
    put_products(page, forward, gpu_ratio(forward, ceiling));
    put_number(page, gpu_number(result, "backward_ms"), 3, "");
    put_products(page, backward, gpu_ratio(backward, ceiling));
    put_products(page, both, gpu_ratio(both, ceiling));
    put_number(page, gpu_number(result, "load_max"), 2, "");
    end_row(page);
}

/* "52 x matmul, cuBLASLt; 12 x grouped, wgmma": counts, or texts, by name. */
static void put_members(struct page *page, const char *before, json_t *object)
{
    const char *name;
    const json_t *value;
    json_object_foreach(object, name, value)
    {
        if (json_is_integer(value))
            put(page, "%s%lld x %s", before, (long long)json_integer_value(value), name);
        else
            put(page, "%s%s: %s", before, name, json_is_string(value) ? json_string_value(value) : "-");
        before = "; ";
    }
}

static void put_ways(struct page *page, const struct gpu_part *row)
{
    const json_t *result = gpu_part_result(part_of(page, row));
    const char *left_out = gpu_text(result, "left_out");
    if (!json_object_size(json_object_get(result, "ways")))
        return;
    put(page, "- %s: ", row->name);
    put_members(page, "", json_object_get(result, "ways"));
    put_members(page, ". Refused: ", json_object_get(result, "refused"));
    put(page, "%s%s\n", *left_out ? ". Left out: " : "", left_out);
}

static void put_profile(struct page *page, const struct gpu_part *row)
{
    const json_t *result = gpu_part_result(part_of(page, row)), *timing;
    const char *name;
    put_part_heading(page, row);
    if (!result)
        return;
    put_columns(page, "operation | calls | ms | share | TFLOP/s | of the product");
    json_object_foreach(json_object_get(result, "operations"), name, timing)
    {
        const double flop_per_s = gpu_number(timing, "flop_per_s");
        begin_row(page, name);
        put_number(page, gpu_number(timing, "calls"), 0, "");
        put_number(page, gpu_number(timing, "ms"), 3, "");
        put_number(page, gpu_number(timing, "share") * 100, 1, "%");
        put_products(page, flop_per_s, gpu_ratio(flop_per_s, gpu_ceiling(page->subject)));
        end_row(page);
    }
}

static void put_operations(struct page *page, const struct gpu_part *row)
{
    const json_t *result = gpu_part_result(part_of(page, row)), *operations = json_object_get(result, "operations");
    put_part_heading(page, row);
    if (!result)
        return;
    put(page, "Shares are of the ceilings that it measured: ");
    put_value(page, gpu_number(result, "matrix_flop_per_s") / 1e12, 1, " TFLOP/s");
    put(page, ", ");
    put_value(page, gpu_number(result, "copy_bytes_per_s") / 1e9, 0, " GB/s");
    put(page, ".\n\n");
    put_columns(page, "operation | shape | way | us | TFLOP/s | of the product | GB/s | of the copy");
    for (size_t i = 0; i < json_array_size(operations); i++) {
        const json_t *timed = json_array_get(operations, i);
        begin_row(page, gpu_text(timed, "operation"));
        put_cell(page, gpu_text(timed, "shape"));
        put_cell(page, gpu_text(timed, "way"));
        put_number(page, gpu_number(timed, "us"), 1, "");
        put_products(page, gpu_number(timed, "flop_per_s"), gpu_number(timed, "flop_share"));
        put_number(page, gpu_number(timed, "bytes_per_s") / 1e9, 0, "");
        put_number(page, gpu_number(timed, "bytes_share") * 100, 0, "%");
        end_row(page);
    }
}

/* --- libraries beside our operations -------------------------------------------------------------------------------- */

/* Microseconds that ours takes for the same, NAN where it was not timed. */
static double our_us(const json_t *operations, const json_t *theirs)
{
    for (size_t i = 0; i < json_array_size(operations); i++) {
        const json_t *ours = json_array_get(operations, i);
        if (strcmp(gpu_text(ours, "operation"), gpu_text(theirs, "operation")) == 0 &&
            strcmp(gpu_text(ours, "shape"), gpu_text(theirs, "shape")) == 0)
            return gpu_number(ours, "us");
    }
    return NAN;
}

static void put_libraries(struct page *page, const struct gpu_part *row)
{
    const json_t *part = part_of(page, row), *lines = json_object_get(part, "results");
    const json_t *perf = gpu_part_result(gpu_part_find(page->subject, "perf"));
    const json_t *head = json_array_get(lines, 0);
    put_part_heading(page, row);
    if (!lines) /* no more than the line of versions */
        return;
    put(page, "PyTorch %s, cuDNN ", gpu_text(head, "torch"));
    put_value(page, gpu_number(head, "cudnn"), 0, "");
    put(page, ". Above 1 ours is the faster.\n\n");
    put_columns(page, "operation | shape | us | library | us | times ours");
    for (size_t i = 1; i < json_array_size(lines); i++) {
        const json_t *theirs = json_array_get(lines, i);
        const double ours = our_us(json_object_get(perf, "operations"), theirs), us = gpu_number(theirs, "us");
        begin_row(page, gpu_text(theirs, "operation"));
        put_cell(page, gpu_text(theirs, "shape"));
        put_number(page, ours, 1, "");
        put_cell(page, gpu_text(theirs, "by"));
        put_number(page, us, 1, "");
        put_number(page, gpu_ratio(us, ours), 2, "");
        end_row(page);
    }
}

/* --- right ---------------------------------------------------------------------------------------------------------- */

static void put_parity(struct page *page, const struct gpu_part *row)
{
    const json_t *part = part_of(page, row), *said = json_object_get(part, "said"), *comparison;
    const char *name;
    char apart[32];
    put_part_heading(page, row);
    for (size_t i = 0; i < json_array_size(said); i++)
        put(page, "- %s\n", json_string_value(json_array_get(said, i)));
    if (!json_object_get(part, "result"))
        return;
    put_columns(page, "losses | steps | apart | allowed");
    json_object_foreach(json_object_get(part, "result"), name, comparison)
    {
        if (!json_is_object(comparison))
            continue;
        begin_row(page, name);
        put_number(page, gpu_number(comparison, "steps"), 0, "");
        (void)snprintf(apart, sizeof(apart), "%.2g", gpu_number(comparison, "apart"));
        put_cell(page, isfinite(gpu_number(comparison, "apart")) ? apart : "-");
        put_number(page, gpu_number(comparison, "allowed"), 3, "");
        end_row(page);
    }
}

static void put_failures(struct page *page, const json_t *failures)
{
    if (json_array_size(failures))
        put_columns(page, "what failed | shape | tensor | | way");
    for (size_t i = 0; i < json_array_size(failures); i++) {
        const json_t *failure = json_array_get(failures, i);
        begin_row(page, gpu_text(failure, "operation"));
        put_cell(page, gpu_text(failure, "shape"));
        put_cell(page, gpu_text(failure, "tensor"));
        put_cell(page, gpu_text(failure, "what"));
        put_cell(page, gpu_text(failure, "way"));
        end_row(page);
    }
}

/* Also of a part that failed: which of its operations, it says itself. */
static void put_check(struct page *page, const struct gpu_part *row)
{
    const json_t *result = json_object_get(part_of(page, row), "result"), *worst;
    const char *name;
    if (!shown(page, row))
        return;
    put_part_heading(page, row);
    if (!result)
        return;
    put_failures(page, json_object_get(result, "failures"));
    put_columns(page, "operation | shapes | failed | error | of the other | apart");
    json_object_foreach(json_object_get(result, "operations"), name, worst)
    {
        begin_row(page, name);
        put_number(page, gpu_number(worst, "shapes"), 0, "");
        put_number(page, gpu_number(worst, "failed"), 0, "");
        put_number(page, gpu_number(worst, "error"), 3, "");
        put_number(page, gpu_number(worst, "against_error"), 3, "");
        put_number(page, gpu_number(worst, "apart"), 3, "");
        end_row(page);
    }
}

static void put_sanitizer(struct page *page, const struct gpu_part *row)
{
    const json_t *part = part_of(page, row);
    const char *summary = gpu_text(part, "summary");
    char reason[WHY_MAX];
    put(page, "- %s: %s\n", row->name, *summary ? summary : why(reason, part));
}

/* --- all of it ------------------------------------------------------------------------------------------------------ */

/* Every part of a kind, below a heading of theirs. */
static const struct section {
    const char *title, *text, *columns;
    enum gpu_kind kind;
    void (*show)(struct page *page, const struct gpu_part *row);
} sections[] = {
    {"Ceilings", "The best of some calls in the same run; bytes read and written.", NULL, GPU_CEILINGS, put_ceilings},
    {"Whole steps", "Without graphs, forward and backward are given to the device call by call.",
     "part | what | tokens/s | times PyTorch | TFLOP/s | of the product | GB of tensors | of the device in all",
     GPU_STEPS, put_steps},
    {NULL, NULL, NULL, GPU_TORCH, put_steps},
    {"Forward and backward",
     "Load: the fullest expert, over the mean. Gradients of weights are accumulated in FP32, and where it says so in "
     "BF16.",
     "part | what | forward ms | TFLOP/s | of the product | backward ms | TFLOP/s | of the product | both TFLOP/s | of "
     "the product | load",
     GPU_BLOCK, put_block},
    {"Ways",
     "Which kernels or library each operation went through, how often; what cuBLASLt had no algorithm for, and what "
     "could not be captured.",
     NULL, GPU_STEPS, put_ways},
    {NULL, NULL, NULL, GPU_BLOCK, put_ways},
    {"Where the time goes", "Between marks on the device.", NULL, GPU_PROFILE, put_profile},
    {"Operations",
     "Median of a call, without waiting between calls. Nothing is counted twice: attention backward is twice its "
     "forward, where others count two and a half times.",
     NULL, GPU_OPERATIONS, put_operations},
    {"Libraries", "In the same run, beside our operations.", NULL, GPU_LIBRARIES, put_libraries},
    {"Parity",
     "A model on processors and on the GPU, from one checkpoint on: how far the losses are apart, on average over each "
     "tenth of the run.",
     NULL, GPU_PARITY, put_parity},
    {"Errors",
     "The largest of each operation over its shapes, in units of what passes: from the plain one in double, the same "
     "of the other backend, and between them.",
     NULL, GPU_CHECK, put_check},
    {"Memory and races", "What compute-sanitizer has found.", NULL, GPU_SANITIZER, put_sanitizer},
};

static void put_section(struct page *page, const struct section *section)
{
    if (section->title)
        put_heading(page, section->title, section->text);
    if (section->columns)
        put_columns(page, section->columns);
    for (const struct gpu_part *row = gpu_parts; row->name; row++)
        if (row->kind == section->kind)
            section->show(page, row);
}

q_status gpu_page(const json_t *subject, const char *name, struct q_buffer *out)
{
    struct page page = {.out = out, .subject = subject, .status = figures_put_head(subject, name, out)};
    const char *without = gpu_text(subject, "without");
    if (*without)
        put(&page, "Measured without %s (train/cuda/README.md).\n\n", without);
    put_wanted(&page);
    put_run(&page);
    for (size_t i = 0; i < Q_COUNT_OF(sections); i++)
        put_section(&page, &sections[i]);
    put_commands(&page);
    return page.status;
}
