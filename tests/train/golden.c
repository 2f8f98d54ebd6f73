#include "golden.h"

#include "base/check.h"
#include "base/fs.h"
#include "base/threads.h"
#include "train/files/model_files.h"
#include "train/files/safetensors.h"
#include "train/optimizer.h"

#include <math.h>
#include <stdio.h>

struct golden {
    struct q_arena arena;
    const char *folder;
    struct model_config config;
    struct q_pool *pool;
    const struct op_table *ops;
    struct op_context *context;
    struct model *model;
    struct optimizer *optimizer;
    struct safetensors expect;
    json_t *numbers;
    size_t steps, batch, sequence;
    int32_t *ids, *targets; /* [steps, batch, sequence] */
    struct golden_differences *out;
};

static q_status read_ids(struct golden *g, const struct safetensors *file, const char *name, int32_t **out)
{
    const struct safetensors_tensor *tensor = safetensors_find(file, name);
    q_check(tensor && tensor->rank == 3);
    g->steps = (size_t)tensor->shape[0];
    g->batch = (size_t)tensor->shape[1];
    g->sequence = (size_t)tensor->shape[2];
    int64_t *wide;
    Q_TRY(q_arena_alloc(&g->arena, (size_t)tensor->count, sizeof(*wide), &wide));
    Q_TRY(q_arena_alloc(&g->arena, (size_t)tensor->count, sizeof(**out), out));
    Q_TRY(safetensors_read_i64(file, tensor, wide));
    for (size_t i = 0; i < tensor->count; i++)
        (*out)[i] = (int32_t)wide[i];
    return Q_OK;
}

static q_status read_batch(struct golden *g)
{
    const char *path;
    struct safetensors file;
    Q_TRY(q_fs_join(&g->arena, g->folder, "batch.safetensors", &path));
    q_status status = safetensors_open(path, &file);
    if (status == Q_OK)
        status = read_ids(g, &file, "ids", &g->ids);
    if (status == Q_OK)
        status = read_ids(g, &file, "targets", &g->targets);
    safetensors_close(&file);
    return status;
}

static q_status load(struct golden *g, unsigned threads)
{
    const char *path;
    /* AdamW as reference.py and transformers' example take it: every parameter decays. */
    struct optimizer_settings adamw = {
        .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1, .decay_norms = true, .clip = 1};
    Q_TRY(q_fs_join(&g->arena, g->folder, "model", &path));
    Q_TRY(model_config_read(path, &g->config));
    Q_TRY(read_batch(g));
    Q_TRY(q_pool_create(threads, &g->pool));
    Q_TRY(g->ops->create(g->pool, &g->context));
    struct model_shape shape = {.batch = g->batch, .sequence = g->sequence, .training = true};
    Q_TRY(model_create(&g->config, g->ops, g->context, &shape, &g->model));
    Q_TRY(model_files_read(g->model, path));
    Q_TRY(optimizer_create(g->model, &adamw, NULL, &g->optimizer));
    Q_TRY(q_fs_join(&g->arena, g->folder, "expect.safetensors", &path));
    Q_TRY(safetensors_open(path, &g->expect));
    Q_TRY(q_fs_join(&g->arena, g->folder, "expect.json", &path));
    return q_json_read_file(path, 1 << 20, &g->numbers);
}

static void release(struct golden *g)
{
    optimizer_release(g->optimizer);
    model_release(g->model);
    g->ops->release(g->context);
    q_pool_release(g->pool);
    safetensors_close(&g->expect);
    json_decref(g->numbers);
    q_arena_release(&g->arena);
}

static struct model_batch batch_of(const struct golden *g, size_t step)
{
    size_t at = step * g->batch * g->sequence;
    return (struct model_batch){g->batch, g->sequence, g->ids + at, g->targets + at};
}

/* How far `ours` is from the tensor PREFIX + name. */
static q_status compare(struct golden *g, const char *prefix, const char *name, const float *ours, uint64_t count,
                        double *difference)
{
    const char *full;
    float *expect;
    double distance = 0, length = 0;
    Q_TRY(q_arena_printf(&g->arena, &full, "%s%s", prefix, name));
    const struct safetensors_tensor *tensor = safetensors_find(&g->expect, full);
    if (!tensor || tensor->count != count)
        return q_fail(Q_ERR_INPUT, "%s: '%s' is not expected there, or of another size", g->expect.path, full);
    Q_TRY(q_alloc((size_t)count, sizeof *expect, &expect));
    q_status status = safetensors_read_floats(&g->expect, tensor, expect);
    for (size_t i = 0; i < count && !status; i++) {
        distance += ((double)ours[i] - (double)expect[i]) * ((double)ours[i] - (double)expect[i]);
        length += (double)expect[i] * (double)expect[i];
    }
    q_release(expect);
    *difference = sqrt(distance) / (length > 0 ? sqrt(length) : 1);
    return status;
}

static q_status compare_logits(struct golden *g)
{
    size_t tokens = g->batch * g->sequence, count = tokens * (size_t)g->config.vocab_size;
    struct model_batch batch = batch_of(g, 0);
    float *logits;
    Q_TRY(model_forward(g->model, &batch, NULL));
    Q_TRY(q_arena_alloc(&g->arena, count, sizeof *logits, &logits));
    Q_TRY(model_logits(g->model, 0, tokens, logits));
    return compare(g, "logits", "", logits, count, &g->out->logits);
}

/* A NaN is the worst there is, and stays. */
static bool is_worse(double seen, double worst)
{
    return !isnan(worst) && !(seen <= worst);
}

/* Every trained tensor against PREFIX + its name; the worst one. */
static q_status compare_tensors(struct golden *g, bool gradients)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(g->model, &count);
    double *worst = gradients ? &g->out->gradient : &g->out->after, difference;
    char *name = gradients ? g->out->gradient_name : g->out->after_name;
    for (size_t i = 0; i < count; i++) {
        const struct model_parameter *p = &parameters[i];
        if (p->kind == MODEL_BIAS)
            continue;
        float *ours;
        Q_TRY(q_alloc(p->count, sizeof *ours, &ours));
        if (gradients)
            model_get_gradient(g->model, p, ours);
        else
            model_get(g->model, p, ours);
        q_status status = compare(g, gradients ? "grad." : "after.", p->name, ours, p->count, &difference);
        q_release(ours);
        Q_TRY(status);
        if (is_worse(difference, *worst)) {
            *worst = difference;
            (void)snprintf(name, sizeof g->out->after_name, "%s", p->name);
        }
    }
    return Q_OK;
}

static q_status compare_counts(struct golden *g)
{
    size_t size = model_counts_size(g->model), experts = (size_t)g->config.n_routed_experts;
    int64_t *counts;
    Q_TRY(q_arena_alloc(&g->arena, size, sizeof *counts, &counts));
    model_get_counts(g->model, counts);
    g->out->counts_equal = true;
    for (size_t i = 0; i < size; i++) {
        char layer[32];
        (void)snprintf(layer, sizeof(layer), "%zu", i / experts + (size_t)g->config.first_k_dense_replace);
        const json_t *expect = json_object_get(json_object_get(g->numbers, "tokens_per_expert"), layer);
        const json_t *tokens = json_array_get(expect, i % experts);
        g->out->counts_equal &= json_is_integer(tokens) && counts[i] == json_integer_value(tokens);
    }
    return Q_OK;
}

static q_status backward(struct golden *g, size_t step, double *loss)
{
    size_t tokens = g->batch * g->sequence;
    struct model_batch batch = batch_of(g, step);
    struct model_scale scale = {.loss = 1.0 / (double)tokens,
                                .mtp = json_number_value(json_object_get(g->numbers, "mtp_weight"))};
    float *losses;
    Q_TRY(q_arena_alloc(&g->arena, tokens, sizeof *losses, &losses));
    Q_TRY(model_forward_backward(g->model, &batch, &scale, losses, NULL));
    *loss = 0;
    for (size_t i = 0; i < tokens; i++)
        *loss += (double)losses[i] / (double)tokens;
    return Q_OK;
}

static double relative(const struct golden *g, const char *key, size_t step, double ours)
{
    double expect = json_number_value(json_array_get(json_object_get(g->numbers, key), step));
    return fabs(ours - expect) / expect;
}

/* The MTP modules' losses behind `backward`; the worst of them joins the losses'. */
static q_status compare_modules(struct golden *g, size_t step)
{
    const json_t *expected = json_array_get(json_object_get(g->numbers, "mtp_losses"), step);
    for (size_t d = 1; d <= g->config.num_nextn_predict_layers; d++) {
        double expect = json_number_value(json_array_get(expected, d - 1)), sum = 0;
        float *losses;
        Q_TRY(q_arena_alloc(&g->arena, g->batch * g->sequence, sizeof *losses, &losses));
        size_t count = model_mtp_losses(g->model, d, losses);
        for (size_t i = 0; i < count; i++)
            sum += (double)losses[i];
        double difference = fabs(sum / (double)count - expect) / expect;
        if (is_worse(difference, g->out->loss))
            g->out->loss = difference;
    }
    return Q_OK;
}

static q_status take_steps(struct golden *g)
{
    struct golden_differences *out = g->out;
    for (size_t step = 0; step < g->steps; step++) {
        double loss, norm;
        Q_TRY(backward(g, step, &loss));
        Q_TRY(compare_modules(g, step));
        if (step == 0) {
            Q_TRY(compare_counts(g));
            Q_TRY(compare_tensors(g, true));
        }
        Q_TRY(optimizer_step(g->optimizer, 3e-3, &norm));
        norm = relative(g, "gradient_norms", step, norm);
        if (step == 0)
            out->first_norm = norm;
        if (is_worse(norm, out->norm))
            out->norm = norm;
        loss = relative(g, "losses", step, loss);
        if (is_worse(loss, out->loss))
            out->loss = loss;
    }
    return compare_tensors(g, false);
}

q_status golden_compare(const char *folder, const struct op_table *ops, unsigned threads,
                        struct golden_differences *out)
{
    struct golden g = {.folder = folder, .ops = ops, .expect = {.fd = -1}, .out = out};
    *out = (struct golden_differences){0};
    q_status status = load(&g, threads);
    if (!status)
        status = compare_logits(&g);
    if (!status)
        status = take_steps(&g);
    release(&g);
    return status;
}

/* The tensor of the same name in both files, "loss" and those behind the steps apart. */
static q_status compare_output(struct golden *g, const struct safetensors *output)
{
    struct golden_differences *out = g->out;
    for (size_t i = 0; i < g->expect.count; i++) {
        const struct safetensors_tensor *expect = &g->expect.tensors[i], *tensor;
        double difference;
        float *ours;
        if (strncmp(expect->name, "after.", 6) == 0 || expect->count == 0)
            continue;
        tensor = safetensors_find(output, expect->name);
        if (!tensor || tensor->count != expect->count || tensor->rank != expect->rank)
            return q_fail(Q_ERR_INPUT, "%s: tensor '%s' is absent or of another shape", output->path, expect->name);
        Q_TRY(q_arena_alloc(&g->arena, (size_t)tensor->count, sizeof *ours, &ours));
        Q_TRY(safetensors_read_floats(output, tensor, ours));
        Q_TRY(compare(g, "", expect->name, ours, expect->count, &difference));
        bool gradient = strcmp(expect->name, "logits") != 0;
        if (!is_worse(difference, gradient ? out->gradient : out->logits))
            continue;
        *(gradient ? &out->gradient : &out->logits) = difference;
        if (gradient)
            (void)snprintf(out->gradient_name, sizeof out->gradient_name, "%s", expect->name);
    }
    const struct safetensors_tensor *tensor = safetensors_find(output, "loss");
    float loss;
    if (!tensor || tensor->count != 1)
        return q_fail(Q_ERR_INPUT, "%s: there is no 'loss'", output->path);
    Q_TRY(safetensors_read_floats(output, tensor, &loss));
    out->loss = relative(g, "losses", 0, (double)loss);
    out->counts_equal = true; /* the file does not say */
    return Q_OK;
}

q_status golden_compare_output(const char *file, const char *folder, struct golden_differences *out)
{
    struct golden g = {.folder = folder, .ops = op_table_cpu(OP_FP32), .expect = {.fd = -1}, .out = out};
    struct safetensors output = {.fd = -1};
    *out = (struct golden_differences){0};
    const char *path;
    q_status status = q_fs_join(&g.arena, folder, "expect.safetensors", &path);
    if (!status)
        status = safetensors_open(path, &g.expect);
    if (!status)
        status = q_fs_join(&g.arena, folder, "expect.json", &path);
    if (!status)
        status = q_json_read_file(path, 1 << 20, &g.numbers);
    if (!status)
        status = safetensors_open(file, &output);
    if (!status)
        status = compare_output(&g, &output);
    safetensors_close(&output);
    release(&g);
    return status;
}

bool golden_within_bounds(const struct golden_differences *d)
{
    return d->logits < 1e-5 && d->gradient < 1e-5 && d->first_norm < 1e-5 && d->loss < 2e-6 && d->norm < 1e-4 &&
           d->after < 1e-3 && d->counts_equal;
}

void golden_print(const char *folder, const struct golden_differences *d)
{
    printf("%s: logits %.2g, gradients %.2g (%s), losses %.2g, norms %.2g (first %.2g), after the steps %.2g (%s), "
           "tokens per expert %s\n",
           folder, d->logits, d->gradient, d->gradient_name, d->loss, d->norm, d->first_norm, d->after, d->after_name,
           d->counts_equal ? "equal" : "DIFFERENT");
}
