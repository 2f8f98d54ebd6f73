/* The model's life: memory, single tensors in and out, counts and biases. */
#include "train/model/model.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/threads.h"
#include "train/bfloat16.h"
#include "train/comm/comm.h"
#include "train/model/model_internal.h"

#include <math.h>

struct op_limits model_limits(const struct model *model)
{
    const struct model_sizes *s = &model->sizes;
    size_t width = Q_MAX(Q_MAX(s->hidden, s->low), Q_MAX(s->heads * s->key, s->heads * (s->nope + s->v)));
    width = Q_MAX(width, 2 * Q_MAX(s->dense_inner, Q_MAX(s->expert_inner, s->shared_inner)));
    return (struct op_limits){.batch = model->shape.batch,
                              .sequence = model->shape.sequence,
                              .hidden = s->hidden,
                              .vocabulary = s->vocabulary,
                              .heads = s->heads,
                              .nope = s->nope,
                              .rope = s->rope,
                              .v = s->v,
                              .experts = s->experts,
                              .top_k = s->top_k,
                              .width = width,
                              .parameters = model->weights.elements};
}

/* Products read a copy of the parameters, where op_real is not op_acc. */
static bool has_copy(const struct model *model)
{
    return model->ops->real_bytes != sizeof(op_acc);
}

static q_status plan_memory(struct model *model)
{
    const struct model_sizes *s = &model->sizes;
    const size_t elements = model->weights.elements;
    Q_TRY(q_arena_alloc(&model->arena, s->layers + s->modules, sizeof(struct layer_activations), &model->layers));
    Q_TRY(q_arena_alloc(&model->arena, 1 + s->modules, sizeof(struct depth_activations), &model->depths));
    model->memory =
        (struct model_memory){.parameters = elements * sizeof(op_acc),
                              .gradients = model->shape.training ? elements * model_gradient_bytes(model) : 0,
                              .weights = has_copy(model) ? elements * model->ops->real_bytes : 0,
                              .biases = model->bias_elements * sizeof(op_acc),
                              .counts = model->bias_elements * sizeof(int64_t),
                              .positions = model->shape.sequence * s->rope * sizeof(op_acc),
                              .activations = model_plan_activations(model, NULL),
                              .shared_rows = expert_sharing_bytes(model)};
    return Q_OK;
}

/* The rotary table is computed on the host. */
static q_status create_positions(struct model *model)
{
    const size_t bytes = model->memory.positions;
    op_acc *host;
    Q_TRY(q_alloc(bytes, 1, &host));
    model_rope_fill(&model->config, model->shape.sequence, host);
    const q_status status = model->ops->memory_create(model->context, bytes, &model->rope_table);
    if (status == Q_OK)
        model->ops->copy_in(model->context, model->rope_table, host, bytes);
    q_release(host);
    return status;
}

/* Everything in the backend's memory. */
static q_status take_memory(struct model *model)
{
    const struct op_table *ops = model->ops;
    struct op_context *context = model->context;
    struct model_memory *memory = &model->memory;
    struct op_limits limits = model_limits(model);
    Q_TRY(ops->reserve(context, &limits));
    memory->workspace = ops->workspace_bytes(context);
    Q_TRY(ops->memory_create(context, memory->parameters, &model->parameter_arena));
    model->weight_arena = (op_real *)(void *)model->parameter_arena;
    if (has_copy(model)) {
        model->weight_arena = NULL;
        Q_TRY(ops->memory_create(context, memory->weights, &model->weight_arena));
    }
    if (model->shape.training)
        Q_TRY(ops->memory_create(context, memory->gradients, &model->gradient_arena));
    Q_TRY(ops->memory_create(context, memory->biases, &model->biases));
    Q_TRY(ops->memory_create(context, memory->counts, &model->counts));
    Q_TRY(ops->memory_create(context, memory->activations, &model->activation_memory));
    (void)model_plan_activations(model, model->activation_memory);
    if (model->shape.expert_ranks > 1)
        Q_TRY(expert_sharing_create(model));
    Q_TRY(
        q_alloc(Q_MAX((size_t)MODEL_STAGING, model_routers(model) * model->shape.batch), sizeof(op_acc), &model->host));
    return create_positions(model);
}

/* About what a micro-batch's activations take, in floating point: within a factor of two of the plan. */
static double rough_activations(const struct model_config *c, const struct op_table *ops,
                                const struct model_shape *shape)
{
    const double h = (double)c->hidden_size, heads = (double)c->num_attention_heads, k = (double)c->num_experts_per_tok;
    const double latents = (double)(c->q_lora_rank + c->kv_lora_rank + c->qk_rope_head_dim);
    const double shared = (double)c->n_shared_experts * (double)c->moe_intermediate_size;
    const double attention =
        6 * h + 2 * latents + heads * (double)(model_config_qk_head_dim(c) + c->qk_nope_head_dim + 2 * c->v_head_dim);
    const double inner = 3 * Q_MAX((double)c->intermediate_size, shared);
    const double experts = k * (2 * h + 3 * (double)c->moe_intermediate_size) + (double)c->n_routed_experts;
    const double blocks = shape->training ? (double)(c->num_hidden_layers + c->num_nextn_predict_layers) + 1 : 1;
    return (double)ops->real_bytes * (double)shape->batch * (double)shape->sequence * blocks *
           (attention + inner + experts);
}

static q_status check_shape(const struct model_config *config, const struct op_table *ops,
                            const struct model_shape *shape)
{
    Q_TRY(model_config_check(config));
    if (shape->batch == 0 || shape->sequence == 0 || shape->batch > 1U << 20 || shape->sequence > 1U << 24 ||
        shape->batch * shape->sequence > (size_t)INT32_MAX / Q_MAX(config->num_experts_per_tok, (uint64_t)1))
        return q_fail(Q_ERR_USAGE, "a micro-batch of %zu x %zu tokens is out of range", shape->batch, shape->sequence);
    char text[32];
    if (rough_activations(config, ops, shape) > 0x1p56) /* and so every sum of the plan fits */
        return q_fail(Q_ERR_USAGE, "a micro-batch of %zu x %zu tokens is out of range: its activations take %s",
                      shape->batch, shape->sequence, q_format_bytes(text, rough_activations(config, ops, shape)));
    if (shape->sequence > config->max_position_embeddings)
        return q_fail(Q_ERR_USAGE,
                      "sequences of %zu tokens are longer than the model's 'max_position_embeddings', %llu",
                      shape->sequence, (unsigned long long)config->max_position_embeddings);
    if (shape->expert_ranks > 1 && (config->n_routed_experts == 0 || config->n_routed_experts % shape->expert_ranks))
        return q_fail(Q_ERR_USAGE, "%u ranks cannot share the %llu experts of a layer evenly", shape->expert_ranks,
                      (unsigned long long)config->n_routed_experts);
    if (shape->training && shape->sequence <= config->num_nextn_predict_layers)
        return q_fail(Q_ERR_USAGE, "sequences of %zu tokens are too short for %llu MTP modules", shape->sequence,
                      (unsigned long long)config->num_nextn_predict_layers);
    return Q_OK;
}

q_status model_begin(const struct model_config *config, const struct op_table *ops, struct op_context *context,
                     const struct model_shape *shape, struct model **out)
{
    Q_TRY(check_shape(config, ops, shape));
    struct model *model;
    Q_TRY(q_alloc_zero(1, sizeof(*model), &model));
    model->config = *config;
    if (!shape->training && !shape->mtp)
        model->config.num_nextn_predict_layers = 0;
    model->shape = *shape;
    model->ops = ops;
    model->context = context;
    model->attention_scale = (op_acc)model_attention_scale(config);
    model_sizes_of(&model->config, Q_MAX(shape->expert_ranks, 1U), &model->sizes);
    q_status status = model_plan_parameters(model);
    if (status == Q_OK)
        status = plan_memory(model);
    if (status == Q_OK)
        *out = model;
    else
        model_release(model);
    return status;
}

q_status model_create(const struct model_config *config, const struct op_table *ops, struct op_context *context,
                      const struct model_shape *shape, struct model **out)
{
    struct model *model;
    q_check(shape->expert_ranks <= 1 || (shape->training && comm_ranks(shape->experts) == shape->expert_ranks));
    Q_TRY(model_begin(config, ops, context, shape, &model));
    q_status status = take_memory(model);
    if (status != Q_OK) {
        const struct model_memory *memory = &model->memory;
        double bytes = (double)(memory->parameters + memory->weights + memory->gradients) + (double)memory->activations;
        char text[32];
        model_release(model);
        return q_context(status, "a model that needs %s", q_format_bytes(text, bytes));
    }
    *out = model;
    return Q_OK;
}

void model_release(struct model *model)
{
    if (!model)
        return;
    expert_sharing_release(model);
    void *memory[] = {model->parameter_arena,
                      model->gradient_arena,
                      model->biases,
                      model->counts,
                      model->rope_table,
                      model->activation_memory,
                      has_copy(model) ? model->weight_arena : NULL};
    for (size_t i = 0; i < Q_COUNT_OF(memory); i++)
        if (memory[i]) /* an outline has none, and its table perhaps no way to release any (op_table_outline) */
            model->ops->memory_release(model->context, memory[i]);
    q_release(model->host);
    q_arena_release(&model->arena);
    q_release(model);
}

const struct model_config *model_get_config(const struct model *model)
{
    return &model->config;
}

const struct model_parameter *model_parameters(const struct model *model, size_t *count)
{
    *count = model->parameter_count;
    return model->parameters;
}

bool model_is_vocabulary(const struct model *model, const struct model_parameter *parameter)
{
    const struct weights *w = &model->weights;
    return parameter->kind == MODEL_MATRIX && (parameter->offset == w->embedding || parameter->offset == w->head);
}

size_t model_largest_parameter(const struct model *model)
{
    size_t largest = 0;
    for (size_t i = 0; i < model->parameter_count; i++)
        largest = Q_MAX(largest, model->parameters[i].count);
    return largest;
}

const struct model_parameter *model_copies(const struct model *model, size_t *count)
{
    *count = model->copy_count;
    return model->copies;
}

const struct model_parameter *model_original(const struct model *model, const struct model_parameter *copy)
{
    size_t i = 0;
    while (model->parameters[i].offset != copy->offset || model->parameters[i].kind == MODEL_BIAS)
        i++;
    return &model->parameters[i];
}

size_t model_parameter_elements(const struct model *model)
{
    return model->weights.elements;
}

size_t model_matrix_elements(const struct model *model)
{
    return model->weights.matrix_elements;
}

size_t model_shared_elements(const struct model *model)
{
    return model->weights.shared_elements;
}

struct model_memory model_memory(const struct model *model)
{
    return model->memory;
}

unsigned model_expert_ranks(const struct model *model)
{
    return Q_MAX(model->shape.expert_ranks, 1U);
}

unsigned model_owner(const struct model *model, const struct model_parameter *parameter)
{
    return parameter->expert < 0 ? 0 : (unsigned)((size_t)parameter->expert / model->sizes.own_experts);
}

bool model_holds(const struct model *model, const struct model_parameter *parameter)
{
    return parameter->expert < 0 || model->shape.expert_ranks <= 1 ||
           model_owner(model, parameter) == comm_rank(model->shape.experts);
}

static op_acc *place_of(const struct model *model, const struct model_parameter *parameter)
{
    q_check(model_holds(model, parameter));
    return (parameter->kind == MODEL_BIAS ? model->biases : model->parameter_arena) + parameter->offset;
}

/* A shadow has no copy. */
static void narrow(struct model *model, size_t first, size_t count)
{
    if (has_copy(model) && model->weight_arena)
        model->ops->narrow(model->context, model_real_at(model, model->weight_arena, first),
                           model->parameter_arena + first, count);
}

void model_narrow(struct model *model)
{
    narrow(model, 0, model->weights.elements);
}

enum { TILE = 1024 };

struct drawing {
    q_random_key key;
    size_t first, count, drawn; /* numbers of a parameter; behind `drawn` of it there are zeros */
    double deviation;
    op_acc *to;
};

static void draw_tile(void *context, unsigned worker, size_t tile)
{
    const struct drawing *d = context;
    double numbers[TILE];
    const size_t begin = tile * TILE, count = Q_MIN((size_t)TILE, d->count - begin);
    (void)worker;
    q_random_normals(d->key, d->first + begin, numbers, count);
    for (size_t i = 0; i < count; i++)
        d->to[begin + i] = d->first + begin + i < d->drawn ? (op_acc)(float)(numbers[i] * d->deviation) : 0;
}

/* A number depends on the parameter's name and its place alone. */
static void init_matrix(struct model *model, const struct model_parameter *p, uint64_t seed, struct q_pool *pool)
{
    const q_hash hash = q_hash_string(q_string_of(p->name));
    struct drawing d = {.key = q_random_key_of(seed, "parameter", hash.high, hash.low),
                        .drawn = model_is_vocabulary(model, p) ? model->sizes.vocabulary * p->shape[1] : p->count,
                        .deviation = model->config.initializer_range,
                        .to = model->host};
    for (; d.first < p->count; d.first += MODEL_STAGING) {
        d.count = Q_MIN((size_t)MODEL_STAGING, p->count - d.first);
        q_pool_for(pool, (d.count + TILE - 1) / TILE, draw_tile, &d);
        model->ops->copy_in(model->context, place_of(model, p) + d.first, model->host, d.count * sizeof(op_acc));
    }
}

static void fill(struct model *model, const struct model_parameter *p, op_acc value)
{
    for (size_t first = 0; first < p->count; first += MODEL_STAGING) {
        size_t count = Q_MIN((size_t)MODEL_STAGING, p->count - first);
        for (size_t i = 0; i < count; i++)
            model->host[i] = value;
        model->ops->copy_in(model->context, place_of(model, p) + first, model->host, count * sizeof(op_acc));
    }
}

q_status model_init(struct model *model, uint64_t seed, struct q_pool *pool)
{
    for (size_t i = 0; i < model->parameter_count; i++) {
        const struct model_parameter *p = &model->parameters[i];
        if (!model_holds(model, p))
            continue;
        if (p->kind == MODEL_MATRIX)
            init_matrix(model, p, seed, pool);
        else
            fill(model, p, p->kind == MODEL_NORM ? 1 : 0);
    }
    model_narrow(model);
    return model->ops->synchronize(model->context);
}

q_status model_check_finite(const struct model_parameter *parameter, const op_acc *values)
{
    for (size_t i = 0; i < parameter->count; i++)
        if (!isfinite(values[i]))
            return q_fail(Q_ERR_INPUT, "tensor '%s' holds a number that is not finite at %zu", parameter->name, i);
    return Q_OK;
}

q_status model_put(struct model *model, const struct model_parameter *parameter, const op_acc *values)
{
    Q_TRY(model_check_finite(parameter, values));
    if (!model_holds(model, parameter))
        return Q_OK;
    model->ops->copy_in(model->context, place_of(model, parameter), values, parameter->count * sizeof(op_acc));
    if (parameter->kind != MODEL_BIAS)
        narrow(model, parameter->offset, parameter->count);
    return Q_OK;
}

void model_get(const struct model *model, const struct model_parameter *parameter, op_acc *values)
{
    model->ops->copy_out(model->context, values, place_of(model, parameter), parameter->count * sizeof(op_acc));
}

void model_get_gradient(const struct model *model, const struct model_parameter *parameter, op_acc *values)
{
    q_check(parameter->kind != MODEL_BIAS && model->gradient_arena && model_holds(model, parameter));
    const size_t bytes = model_gradient_bytes(model);
    const char *from = model_gradient(model, parameter->offset);
    if (bytes == sizeof(op_acc)) {
        model->ops->copy_out(model->context, values, from, parameter->count * bytes);
        return;
    }
    const uint16_t *host = (const uint16_t *)(const void *)model->host;
    for (size_t first = 0; first < parameter->count; first += MODEL_STAGING) {
        const size_t count = Q_MIN((size_t)MODEL_STAGING, parameter->count - first);
        model->ops->copy_out(model->context, model->host, from + first * bytes, count * bytes);
        for (size_t i = 0; i < count; i++)
            values[first + i] = (op_acc)bfloat16_to_float(host[i]);
    }
}

size_t model_counts_size(const struct model *model)
{
    return model->bias_elements;
}

void model_get_counts(const struct model *model, int64_t *counts)
{
    model->ops->copy_out(model->context, counts, model->counts, model->bias_elements * sizeof(int64_t));
}

void model_put_counts(struct model *model, const int64_t *counts)
{
    model->ops->copy_in(model->context, model->counts, counts, model->bias_elements * sizeof(int64_t));
}

void model_update_bias(struct model *model, double gamma)
{
    size_t experts = model->sizes.experts;
    for (size_t first = 0; gamma != 0.0 && first < model->bias_elements; first += experts)
        model->ops->bias_update(model->context, model->biases + first, model->counts + first, experts, gamma);
    model->ops->zero(model->context, model->counts, model->bias_elements * sizeof(int64_t));
}

void model_clear_gradients(struct model *model)
{
    model->ops->zero(model->context, model->gradient_arena, model->memory.gradients);
}

op_acc *model_parameter_arena(struct model *model)
{
    return model->parameter_arena;
}

void *model_gradient_arena(struct model *model)
{
    return model->gradient_arena;
}

size_t model_gradient_bytes(const struct model *model)
{
    return model_is_narrow(model) ? model->ops->real_bytes : sizeof(op_acc);
}

const struct op_table *model_ops(const struct model *model)
{
    return model->ops;
}

struct op_context *model_context(const struct model *model)
{
    return model->context;
}
