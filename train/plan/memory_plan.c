#include "train/plan/memory_plan.h"

#include "base/check.h"
#include "train/optimizer.h"

#include <inttypes.h>
#include <stdio.h>

#define HOST_REST_BYTES ((uint64_t)96 << 20) /* some 40 to 80 MB were measured */
/* Kernels, ours and cuBLASLt's, come to the GPU when they are first called; a dozen allocations are each rounded up to 2 MiB. */
#define DEVICE_REST_BYTES ((uint64_t)256 << 20)

/* clang-format off */
static const struct {
    const char *member, *name, *title;
} kinds[MEMORY_KINDS] = {
    [MEMORY_PARAMETERS] = {"parameters", "parameters", "parameters (FP32)"},
    [MEMORY_WEIGHTS] = {"weights", "weights in BF16", "their copy in BF16"},
    [MEMORY_GRADIENTS] = {"gradients", "gradients", "gradients of weights"},
    [MEMORY_MOMENTS] = {"moments", "moments", "moments of AdamW"},
    [MEMORY_EMA] = {"ema", "average", "moving average"},
    [MEMORY_ACTIVATIONS] = {"activations", "activations", "activations"},
    [MEMORY_TABLES] = {"tables", "tables", "biases, counts, positions"},
    [MEMORY_WORKSPACE] = {"workspace", "workspace", "workspace of operations"},
    [MEMORY_SNAPSHOT] = {"snapshot", "copy for checkpoints", "copy for checkpoints"},
    [MEMORY_BUFFER] = {"buffer", "buffer for checkpoints", "largest tensor, to a file"},
    [MEMORY_REST] = {"other", "other", "other (an allowance)"},
};
/* clang-format on */

/* Saturating: what is too much to add up is too much for any machine. */
static uint64_t plus(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return q_add_u64(a, b, &sum) ? sum : UINT64_MAX;
}

uint64_t memory_plan_total(const uint64_t bytes[MEMORY_KINDS], bool with_snapshot)
{
    uint64_t sum = 0;
    for (int kind = 0; kind < MEMORY_KINDS; kind++)
        if (kind != MEMORY_SNAPSHOT || with_snapshot)
            sum = plus(sum, bytes[kind]);
    return sum;
}

static q_status outline(const struct memory_request *request, unsigned expert_ranks, struct model **out)
{
    const struct train_settings *settings = request->settings;
    const struct model_shape shape = {.batch = train_micro_batch(settings),
                                      .sequence = (size_t)request->sequence_tokens,
                                      .training = true,
                                      .narrow_gradients = settings->gradients == OP_BF16,
                                      .recompute = (enum model_recompute)settings->recompute,
                                      .expert_ranks = expert_ranks};
    const struct op_table *ops = op_table_outline((enum op_device)settings->backend,
                                                  (enum op_precision)settings->precision, settings->deterministic);
    return model_outline(request->config, ops, &shape, request->threads, out);
}

/* What the first rank takes where the tensors are. */
static void count_tensors(const struct memory_request *request, const struct model *model, uint64_t bytes[MEMORY_KINDS])
{
    const struct optimizer_settings settings = train_optimizer_settings(request->settings);
    const struct model_memory memory = model_memory(model);
    size_t arenas[OPTIMIZER_ARENAS];
    optimizer_memory(model, &settings, request->ranks, 0, arenas);
    bytes[MEMORY_PARAMETERS] = memory.parameters;
    bytes[MEMORY_WEIGHTS] = memory.weights;
    bytes[MEMORY_GRADIENTS] = memory.gradients;
    bytes[MEMORY_MOMENTS] = plus(arenas[OPTIMIZER_M], arenas[OPTIMIZER_V]);
    bytes[MEMORY_EMA] = arenas[OPTIMIZER_EMA];
    bytes[MEMORY_ACTIVATIONS] = plus(memory.activations, memory.shared_rows);
    bytes[MEMORY_TABLES] = memory.biases + memory.counts + memory.positions;
    bytes[MEMORY_WORKSPACE] = memory.workspace;
}

/* `whole`: the outline of the model with all its experts. Over ranks the first has a copy whatever the setting says: there a checkpoint comes together. */
static void count_checkpoints(const struct memory_request *request, const struct model *whole,
                              uint64_t bytes[MEMORY_KINDS])
{
    const struct optimizer_settings settings = train_optimizer_settings(request->settings);
    size_t arenas[OPTIMIZER_ARENAS];
    bytes[MEMORY_BUFFER] = (uint64_t)model_largest_parameter(whole) * sizeof(op_acc);
    if (request->settings->checkpoint.background == CHECKPOINT_NO && request->ranks == 1)
        return;
    optimizer_memory(whole, &settings, 1, 0, arenas);
    bytes[MEMORY_SNAPSHOT] = model_shadow_bytes(whole);
    for (int i = 0; i < OPTIMIZER_ARENAS; i++)
        bytes[MEMORY_SNAPSHOT] = plus(bytes[MEMORY_SNAPSHOT], arenas[i]);
}

q_status memory_plan_make(const struct memory_request *request, struct memory_plan *out)
{
    struct model *own = NULL, *whole = NULL;
    q_status status = outline(request, (unsigned)request->settings->expert_parallel, &own);
    if (!status)
        status = outline(request, 1, &whole);
    *out = (struct memory_plan){.on_device = request->settings->backend != OP_CPU};
    if (!status) {
        count_tensors(request, own, out->on_device ? out->device : out->host);
        count_checkpoints(request, whole, out->host);
        out->host[MEMORY_REST] = HOST_REST_BYTES;
        out->device[MEMORY_REST] = out->on_device ? DEVICE_REST_BYTES : 0;
    }
    model_release(own);
    model_release(whole);
    return status;
}

static uint64_t needed(const struct memory_plan *plan)
{
    return memory_plan_total(plan->on_device ? plan->device : plan->host, false);
}

/* A setting at what may take less, and how that is written in a recipe; false: it is there already. */
enum { HALF_BATCH, NARROW, AGAIN_NORMS, AGAIN_PROJECTIONS, NARROW_GRADIENTS, NARROW_MOMENTS, ANY_ORDER, CHANGES };

static bool change(int which, struct train_settings *settings, struct memory_saving *saving)
{
    const struct train_settings before = *settings;
    char *text = saving->setting;
    const size_t room = sizeof saving->setting;
    if (which == HALF_BATCH) {
        settings->micro_batch = (int64_t)train_micro_batch(&before) / 2;
        snprintf(text, room, "train.micro_batch: %" PRIi64, settings->micro_batch);
        return settings->micro_batch > 0;
    }
    if (which == NARROW) {
        settings->precision = OP_BF16;
        snprintf(text, room, "train.precision: %s", op_precision_names[OP_BF16]);
        return settings->precision != before.precision;
    }
    if (which == NARROW_GRADIENTS) {
        settings->gradients = OP_BF16;
        snprintf(text, room, "train.gradients: %s", op_precision_names[OP_BF16]);
        return settings->gradients != before.gradients && settings->precision == OP_BF16;
    }
    if (which == NARROW_MOMENTS) {
        settings->optimizer.moments = MOMENTS_BF16;
        snprintf(text, room, "train.optimizer.moments: bf16");
        return settings->optimizer.moments != before.optimizer.moments;
    }
    if (which == ANY_ORDER) {
        settings->deterministic = false;
        snprintf(text, room, "train.deterministic: false");
        return before.deterministic;
    }
    settings->recompute = which == AGAIN_NORMS ? MODEL_RECOMPUTE_NORMS : MODEL_RECOMPUTE_PROJECTIONS;
    snprintf(text, room, "train.recompute: %s", model_recompute_names[settings->recompute]);
    return settings->recompute > before.recompute;
}

q_status memory_plan_savings(const struct memory_request *request, const struct memory_plan *plan,
                             struct memory_saving out[MEMORY_SAVINGS_MAX], size_t *count)
{
    *count = 0;
    for (int which = 0; which < CHANGES; which++) {
        struct train_settings settings = *request->settings;
        struct memory_request other = *request;
        struct memory_plan less;
        other.settings = &settings;
        if (!change(which, &settings, &out[*count]))
            continue;
        Q_TRY(memory_plan_make(&other, &less));
        if (needed(&less) < needed(plan))
            out[(*count)++].bytes = needed(plan) - needed(&less);
    }
    return Q_OK;
}

q_status memory_plan_describe(const uint64_t bytes[MEMORY_KINDS], bool with_snapshot, struct q_buffer *out)
{
    char text[32];
    for (int kind = 0, described = 0; kind < MEMORY_KINDS; kind++)
        if (bytes[kind] && (kind != MEMORY_SNAPSHOT || with_snapshot))
            Q_TRY(q_buffer_printf(out, "%s%s %s", described++ ? ", " : "", kinds[kind].name,
                                  q_format_bytes(text, (double)bytes[kind])));
    return Q_OK;
}

q_status memory_plan_table(const uint64_t bytes[MEMORY_KINDS], struct q_buffer *out)
{
    char text[32];
    const uint64_t total = memory_plan_total(bytes, true);
    for (int kind = 0; kind < MEMORY_KINDS; kind++)
        if (bytes[kind])
            Q_TRY(q_buffer_printf(out, "  %-32s %10s %6.1f%%\n", kinds[kind].title,
                                  q_format_bytes(text, (double)bytes[kind]),
                                  100 * (double)bytes[kind] / (double)total));
    return q_buffer_printf(out, "  %-32s %10s\n", "total", q_format_bytes(text, (double)total));
}

void memory_plan_put(const uint64_t bytes[MEMORY_KINDS], struct q_json *json)
{
    for (int kind = 0; kind < MEMORY_KINDS; kind++)
        q_json_put_u64(json, kinds[kind].member, bytes[kind]);
    q_json_put_u64(json, "total", memory_plan_total(bytes, true));
}
