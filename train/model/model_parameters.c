/* The parameter table: names and shapes as Hugging Face has them, places in the arena as the products want them. */
#include "base/check.h"
#include "train/model/model_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { ALIGN = 16 }; /* floats: whole tensors begin on a cache line */

void model_sizes_of(const struct model_config *config, size_t expert_ranks, struct model_sizes *s)
{
    *s = (struct model_sizes){
        .layers = config->num_hidden_layers,
        .dense_layers = config->first_k_dense_replace,
        .hidden = config->hidden_size,
        .vocabulary = model_config_ids(config),
        .rows = config->vocab_size,
        .modules = config->num_nextn_predict_layers,
        .heads = config->num_attention_heads,
        .q_lora = config->q_lora_rank,
        .kv_lora = config->kv_lora_rank,
        .nope = config->qk_nope_head_dim,
        .rope = config->qk_rope_head_dim,
        .v = config->v_head_dim,
        .key = config->qk_nope_head_dim + config->qk_rope_head_dim,
        .low = config->q_lora_rank + config->kv_lora_rank + config->qk_rope_head_dim,
        .dense_inner = config->intermediate_size,
        .expert_inner = config->moe_intermediate_size,
        .shared_inner = config->n_shared_experts * config->moe_intermediate_size,
        .experts = config->n_routed_experts,
        .own_experts = config->n_routed_experts / expert_ranks,
        .top_k = config->num_experts_per_tok,
    };
}

/* Walks the model twice: first to count, then, with the norms' place known, to fill the table. */
struct walk {
    struct model *model;
    bool fill;
    size_t count;                            /* parameters */
    size_t matrices, norms, experts, biases; /* elements so far */
    int layer;                               /* -1 outside of layers */
    q_status status;
};

static void add(struct walk *walk, const char *name, enum model_parameter_kind kind, size_t rows, size_t columns,
                size_t offset, int expert)
{
    size_t index = walk->count++;
    if (!walk->fill || walk->status)
        return;
    struct model_parameter *p = &walk->model->parameters[index];
    *p = (struct model_parameter){.kind = kind,
                                  .rank = columns ? 2 : 1,
                                  .shape = {rows, columns ? columns : 1},
                                  .count = rows * (columns ? columns : 1),
                                  .offset = offset,
                                  .layer = walk->layer,
                                  .expert = expert};
    struct q_arena *arena = &walk->model->arena;
    if (walk->layer < 0)
        walk->status = q_arena_printf(arena, &p->name, "%s", name);
    else if (expert < 0)
        walk->status = q_arena_printf(arena, &p->name, "model.layers.%d.%s.weight", walk->layer, name);
    else
        walk->status =
            q_arena_printf(arena, &p->name, "model.layers.%d.mlp.experts.%d.%s.weight", walk->layer, expert, name);
    if (!walk->status && kind == MODEL_BIAS)
        walk->status = q_arena_printf(arena, &p->name, "model.layers.%d.mlp.gate.e_score_correction_bias", walk->layer);
}

static void align_up(size_t *elements)
{
    *elements = (*elements + ALIGN - 1) / ALIGN * ALIGN;
}

/* A matrix behind the last one, without a gap; returns its place. */
static size_t add_matrix(struct walk *walk, const char *name, size_t rows, size_t columns)
{
    size_t offset = walk->matrices;
    add(walk, name, MODEL_MATRIX, rows, columns, offset, -1);
    walk->matrices += rows * columns;
    return offset;
}

static size_t add_lone_matrix(struct walk *walk, const char *name, size_t rows, size_t columns)
{
    align_up(&walk->matrices);
    return add_matrix(walk, name, rows, columns);
}

static size_t add_norm(struct walk *walk, const char *name, size_t width)
{
    size_t offset = walk->model->weights.matrix_elements + walk->norms; /* right in the second walk */
    add(walk, name, MODEL_NORM, width, 0, offset, -1);
    walk->norms += width;
    align_up(&walk->norms);
    return offset;
}

static void walk_attention(struct walk *walk, struct layer_weights *w)
{
    const struct model_sizes *s = &walk->model->sizes;
    align_up(&walk->matrices);
    w->attention_in = walk->matrices;
    if (s->q_lora) {
        add_matrix(walk, "self_attn.q_a_proj", s->q_lora, s->hidden);
        w->q_norm = add_norm(walk, "self_attn.q_a_layernorm", s->q_lora);
    }
    add_matrix(walk, "self_attn.kv_a_proj_with_mqa", s->kv_lora + s->rope, s->hidden);
    w->kv_norm = add_norm(walk, "self_attn.kv_a_layernorm", s->kv_lora);
    if (s->q_lora)
        w->q = add_lone_matrix(walk, "self_attn.q_b_proj", s->heads * s->key, s->q_lora);
    else
        w->q = add_lone_matrix(walk, "self_attn.q_proj", s->heads * s->key, s->hidden);
    w->kv_b = add_lone_matrix(walk, "self_attn.kv_b_proj", s->heads * (s->nope + s->v), s->kv_lora);
    w->o = add_lone_matrix(walk, "self_attn.o_proj", s->hidden, s->heads * s->v);
}

/* A place for `each` elements of every expert that a rank has, behind the experts' matrices so far: right in the second walk. */
static size_t add_experts(struct walk *walk, size_t each)
{
    size_t offset = walk->model->weights.shared_elements + walk->experts;
    walk->experts += walk->model->sizes.own_experts * each;
    align_up(&walk->experts);
    return offset;
}

/* Every rank's experts lie in its arena as those of any other do in that one's, so that a tensor's offset is the same whoever has it. */
static void walk_experts(struct walk *walk, struct layer_weights *w)
{
    const struct model_sizes *s = &walk->model->sizes;
    const size_t size = s->expert_inner * s->hidden;
    w->experts_gate_up = add_experts(walk, 2 * size);
    w->experts_down = add_experts(walk, size);
    for (size_t e = 0; e < s->experts; e++) {
        const size_t gate = w->experts_gate_up + e % s->own_experts * 2 * size;
        add(walk, "gate_proj", MODEL_MATRIX, s->expert_inner, s->hidden, gate, (int)e);
        add(walk, "up_proj", MODEL_MATRIX, s->expert_inner, s->hidden, gate + size, (int)e);
    }
    for (size_t e = 0; e < s->experts; e++)
        add(walk, "down_proj", MODEL_MATRIX, s->hidden, s->expert_inner, w->experts_down + e % s->own_experts * size,
            (int)e);
}

static void walk_feedforward(struct walk *walk, struct layer_weights *w, bool dense)
{
    const struct model_sizes *s = &walk->model->sizes;
    size_t inner = dense ? s->dense_inner : s->shared_inner;
    if (!dense) {
        w->router = add_lone_matrix(walk, "mlp.gate", s->experts, s->hidden);
        add(walk, "", MODEL_BIAS, s->experts, 0, walk->biases, -1);
        walk->biases += s->experts;
        walk_experts(walk, w);
    }
    if (inner == 0)
        return;
    w->gate_up = add_lone_matrix(walk, dense ? "mlp.gate_proj" : "mlp.shared_experts.gate_proj", inner, s->hidden);
    add_matrix(walk, dense ? "mlp.up_proj" : "mlp.shared_experts.up_proj", inner, s->hidden);
    w->down = add_lone_matrix(walk, dense ? "mlp.down_proj" : "mlp.shared_experts.down_proj", s->hidden, inner);
}

static void walk_layer(struct walk *walk, size_t layer)
{
    struct layer_weights *w = &walk->model->weights.layers[layer];
    size_t hidden = walk->model->sizes.hidden;
    walk->layer = (int)layer;
    w->input_norm = add_norm(walk, "input_layernorm", hidden);
    walk_attention(walk, w);
    w->post_norm = add_norm(walk, "post_attention_layernorm", hidden);
    walk_feedforward(walk, w, model_is_dense(walk->model, layer));
}

/* Module d, whose layer stands behind the model's last and those of the modules before. */
static void walk_module(struct walk *walk, size_t depth)
{
    struct weights *weights = &walk->model->weights;
    struct module_weights *w = &weights->modules[depth - 1];
    size_t hidden = walk->model->sizes.hidden, layer = walk->model->sizes.layers + depth - 1;
    walk->layer = (int)layer;
    w->embedding_norm = add_norm(walk, "enorm", hidden);
    w->hidden_norm = add_norm(walk, "hnorm", hidden);
    w->projection = add_lone_matrix(walk, "eh_proj", hidden, 2 * hidden);
    walk_layer(walk, layer);
    weights->norms[depth] = add_norm(walk, "shared_head.norm", hidden);
}

static void walk_model(struct walk *walk)
{
    struct model *model = walk->model;
    const struct model_sizes *s = &model->sizes;
    walk->layer = -1;
    model->weights.embedding = add_lone_matrix(walk, "model.embed_tokens.weight", s->rows, s->hidden);
    for (size_t i = 0; i < s->layers; i++)
        walk_layer(walk, i);
    walk->layer = -1;
    model->weights.norms[0] = add_norm(walk, "model.norm.weight", s->hidden);
    model->weights.head = model->config.tie_word_embeddings
                              ? model->weights.embedding
                              : add_lone_matrix(walk, "lm_head.weight", s->rows, s->hidden);
    for (size_t d = 1; d <= s->modules; d++)
        walk_module(walk, d);
    align_up(&walk->matrices);
}

/* `layer` -1: of the model itself. */
static q_status add_copy(struct model *model, int layer, const char *name, const char *of)
{
    struct model_parameter *copy = &model->copies[model->copy_count++];
    *copy = *model_find_parameter(model, of);
    copy->layer = layer;
    if (layer < 0)
        return q_arena_printf(&model->arena, &copy->name, "%s.weight", name);
    return q_arena_printf(&model->arena, &copy->name, "model.layers.%d.%s.weight", layer, name);
}

static q_status plan_copies(struct model *model)
{
    const struct model_sizes *s = &model->sizes;
    const bool tied = model->config.tie_word_embeddings;
    const char *embedding = "model.embed_tokens.weight", *head = tied ? embedding : "lm_head.weight";
    Q_TRY(q_arena_alloc(&model->arena, 2 * s->modules + 1, sizeof *model->copies, &model->copies));
    for (size_t d = 1; d <= s->modules; d++) {
        Q_TRY(add_copy(model, (int)(s->layers + d - 1), "embed_tokens", embedding));
        Q_TRY(add_copy(model, (int)(s->layers + d - 1), "shared_head.head", head));
    }
    return tied ? add_copy(model, -1, "lm_head", embedding) : Q_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const struct model_parameter *const *)a)->name, (*(const struct model_parameter *const *)b)->name);
}

q_status model_plan_parameters(struct model *model)
{
    const struct model_sizes *s = &model->sizes;
    struct weights *weights = &model->weights;
    Q_TRY(q_arena_alloc(&model->arena, s->layers + s->modules, sizeof(struct layer_weights), &weights->layers));
    Q_TRY(q_arena_alloc(&model->arena, 1 + s->modules, sizeof(size_t), &weights->norms));
    Q_TRY(q_arena_alloc(&model->arena, s->modules, sizeof(struct module_weights), &weights->modules));
    struct walk walk = {.model = model};
    walk_model(&walk);
    model->weights.matrix_elements = walk.matrices;
    model->weights.shared_elements = walk.matrices + walk.norms;
    model->weights.elements = walk.matrices + walk.norms + walk.experts;
    model->bias_elements = walk.biases;
    model->parameter_count = walk.count;
    Q_TRY(q_arena_alloc(&model->arena, walk.count, sizeof(struct model_parameter), &model->parameters));
    Q_TRY(q_arena_alloc(&model->arena, walk.count, sizeof(*model->by_name), &model->by_name));
    walk = (struct walk){.model = model, .fill = true};
    walk_model(&walk);
    Q_TRY(walk.status);
    for (size_t i = 0; i < walk.count; i++)
        model->by_name[i] = &model->parameters[i];
    qsort(model->by_name, walk.count, sizeof(*model->by_name), compare_names);
    return plan_copies(model);
}

const struct model_parameter *model_find_parameter(const struct model *model, const char *name)
{
    struct model_parameter key = {.name = name};
    const struct model_parameter *wanted = &key;
    const struct model_parameter **found =
        bsearch(&wanted, model->by_name, model->parameter_count, sizeof(*model->by_name), compare_names);
    return found ? *found : NULL;
}
