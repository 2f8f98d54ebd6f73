/* Which parts of bench/gpu/run the page shows where, and what is wanted of them; and looking them up. */
#include "bench/gpu_page.h"

#include <math.h>

const struct gpu_part gpu_parts[] = {
    {.name = "ceilings", .kind = GPU_CEILINGS},
    {.name = "steps", .kind = GPU_STEPS, .beside_torch = true, .wanted_share = 0.4, .wanted_times_torch = 2},
    {.name = "steps-no-graphs", .kind = GPU_STEPS, .beside_torch = true},
    {.name = "small", .kind = GPU_STEPS},
    {.name = "small-no-graphs", .kind = GPU_STEPS},
    {.name = "steps-dnn", .kind = GPU_STEPS, .beside_torch = true},
    {.name = "steps-nondeterministic", .kind = GPU_STEPS, .beside_torch = true},
    {.name = "torch", .kind = GPU_TORCH},
    {.name = "torch-compiled", .kind = GPU_TORCH},
    {.name = "moe", .kind = GPU_BLOCK, .wanted_flop_per_s = 600e12},
    {.name = "moe-no-clusters", .kind = GPU_BLOCK},
    {.name = "moe-bf16-gradients", .kind = GPU_BLOCK, .wanted_flop_per_s = 600e12},
    {.name = "moe-skewed", .kind = GPU_BLOCK, .wanted_flop_per_s = 600e12},
    {.name = "attention", .kind = GPU_BLOCK, .wanted_share = 0.5},
    {.name = "attention-dnn", .kind = GPU_BLOCK, .wanted_share = 0.5},
    {.name = "attention-dnn-nondeterministic", .kind = GPU_BLOCK},
    {.name = "layer", .kind = GPU_BLOCK, .wanted_share = 0.5},
    {.name = "moe-profile", .kind = GPU_PROFILE},
    {.name = "layer-profile", .kind = GPU_PROFILE},
    {.name = "steps-profile", .kind = GPU_PROFILE},
    {.name = "perf", .kind = GPU_OPERATIONS},
    {.name = "perf-dnn", .kind = GPU_OPERATIONS},
    {.name = "perf-dnn-nondeterministic", .kind = GPU_OPERATIONS},
    {.name = "libraries", .kind = GPU_LIBRARIES},
    {.name = "parity", .kind = GPU_PARITY},
    {.name = "ops", .kind = GPU_CHECK},
    {.name = "ops-bf16", .kind = GPU_CHECK},
    {.name = "ops-bf16-without-clusters", .kind = GPU_CHECK, .optional = true},
    {.name = "ops-bf16-without", .kind = GPU_CHECK, .optional = true},
    {.name = "ops-dnn", .kind = GPU_CHECK},
    {.name = "ops-nondeterministic", .kind = GPU_CHECK},
    {.name = "ops-cpu-bf16", .kind = GPU_CHECK},
    {.name = "memcheck", .kind = GPU_SANITIZER},
    {.name = "racecheck", .kind = GPU_SANITIZER},
    {0}};

const char *gpu_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

const json_t *gpu_part_find(const json_t *subject, const char *name)
{
    const json_t *parts = json_object_get(subject, "parts");
    for (size_t i = 0; i < json_array_size(parts); i++)
        if (strcmp(gpu_text(json_array_get(parts, i), "name"), name) == 0)
            return json_array_get(parts, i);
    return NULL;
}

const json_t *gpu_part_result(const json_t *part)
{
    const json_t *result = json_object_get(part, "result");
    bool whole = strcmp(gpu_text(part, "state"), "passed") == 0 && !json_is_true(json_object_get(part, "cut_off"));
    return whole && json_is_object(result) ? result : NULL;
}

double gpu_number(const json_t *object, const char *key)
{
    const json_t *number = json_object_get(object, key);
    return json_is_number(number) ? json_number_value(number) : NAN;
}

double gpu_ratio(double a, double b)
{
    return b > 0 ? a / b : NAN;
}

double gpu_ceiling(const json_t *subject)
{
    return gpu_number(gpu_part_result(gpu_part_find(subject, "ceilings")), "matrix_flop_per_s");
}

double gpu_torch_rate(const json_t *subject)
{
    double best = NAN;
    for (const struct gpu_part *row = gpu_parts; row->name; row++)
        if (row->kind == GPU_TORCH)
            best = fmax(best, gpu_number(gpu_part_result(gpu_part_find(subject, row->name)), "tokens_per_s"));
    return best;
}

double gpu_wanted_flop_per_s(const json_t *subject, const struct gpu_part *row)
{
    return row->wanted_flop_per_s > gpu_ceiling(subject) ? 0 : row->wanted_flop_per_s;
}
