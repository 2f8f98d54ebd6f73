/* quern-train inspect: what a model folder or a checkpoint holds, from its headers alone. */
#include "base/check.h"
#include "base/fs.h"
#include "base/json.h"
#include "train/cmd_train.h"
#include "train/files/tensor_set.h"
#include "train/model/model_config.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { TRAINER_JSON_BYTES_MAX = 1 << 28 };

const struct q_option train_inspect_table[] = {{"tensors", 0, Q_OPTION_FLAG,
                                                offsetof(struct train_inspect_options, tensors), NULL,
                                                "every tensor by its name, not in groups"},
                                               {0}};

/* Tensors that differ in numbers of their names alone: "model.layers.*.mlp.experts.*.up_proj.weight". */
struct group {
    const char *pattern;
    const struct safetensors_tensor *first;
    uint64_t count;
};

struct set {
    const char *stem;
    struct tensor_set tensors;
    struct group *groups;
    size_t group_count;
    uint64_t elements, bytes;
};

struct inspection {
    const struct train_inspect_options *options;
    const char *folder;
    struct q_arena arena;
    struct model_config config;
    bool checkpoint;
    uint64_t step, samples, tokens;
    struct set weights, optimizer, ema;
};

/* Numbers between dots become stars. */
static q_status pattern_of(struct q_arena *arena, const char *name, const char **out)
{
    struct q_buffer text = {0};
    q_status status = Q_OK;
    for (size_t i = 0; name[i] && !status;) {
        size_t digits = strspn(name + i, "0123456789");
        bool number =
            digits > 0 && (i == 0 || name[i - 1] == '.') && (name[i + digits] == '.' || name[i + digits] == '\0');
        status = q_buffer_append_byte(&text, number ? '*' : name[i]);
        i += number ? digits : 1;
    }
    if (!status)
        status = q_arena_cstring(arena, q_buffer_string(&text), out);
    q_buffer_release(&text);
    return status;
}

static bool same_kind(const struct safetensors_tensor *a, const struct safetensors_tensor *b)
{
    return a->type == b->type && a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0;
}

static int compare_groups(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    int order = strcmp(x->pattern, y->pattern);
    return order ? order : strcmp(x->first->name, y->first->name);
}

/* One group a tensor, sorted, then neighbours of one kind put together. */
static q_status group(struct q_arena *arena, struct set *set, bool each)
{
    size_t kept = 0;
    Q_TRY(q_arena_alloc(arena, set->tensors.count, sizeof *set->groups, &set->groups));
    for (size_t i = 0; i < set->tensors.count; i++) {
        const struct safetensors_tensor *tensor = set->tensors.entries[i].tensor;
        set->groups[i] = (struct group){.pattern = tensor->name, .first = tensor, .count = 1};
        if (!each)
            Q_TRY(pattern_of(arena, tensor->name, &set->groups[i].pattern));
        set->elements += tensor->count;
        set->bytes += tensor->bytes;
    }
    qsort(set->groups, set->tensors.count, sizeof *set->groups, compare_groups);
    for (size_t i = 0; i < set->tensors.count; i++) {
        struct group *last = kept ? &set->groups[kept - 1] : NULL;
        if (last && strcmp(last->pattern, set->groups[i].pattern) == 0 && same_kind(last->first, set->groups[i].first))
            last->count++;
        else
            set->groups[kept++] = set->groups[i];
    }
    set->group_count = kept;
    return Q_OK;
}

static q_status read_set(struct inspection *inspection, const char *stem, struct set *set)
{
    set->stem = stem;
    Q_TRY(tensor_set_open(inspection->folder, stem, &set->tensors));
    return group(&inspection->arena, set, inspection->options->tensors);
}

static q_status read_position(struct inspection *inspection)
{
    const char *path;
    json_t *json;
    Q_TRY(q_fs_join(&inspection->arena, inspection->folder, "trainer.json", &path));
    Q_TRY(q_fs_look(path, &inspection->checkpoint, NULL));
    if (!inspection->checkpoint)
        return Q_OK;
    Q_TRY(q_json_read_file(path, TRAINER_JSON_BYTES_MAX, &json));
    q_status status = q_json_get_u64(json, path, "step", &inspection->step);
    if (!status)
        status = q_json_get_u64(json, path, "samples", &inspection->samples);
    if (!status)
        status = q_json_get_u64(json, path, "tokens", &inspection->tokens);
    json_decref(json);
    return status;
}

/* "[32, 16]" */
static void shape_text(const struct safetensors_tensor *tensor, char *text, size_t size)
{
    int used = snprintf(text, size, "[");
    for (unsigned i = 0; i < tensor->rank && used > 0 && (size_t)used < size; i++)
        used += snprintf(text + used, size - (size_t)used, "%s%" PRIu64, i ? ", " : "", tensor->shape[i]);
    if (used > 0 && (size_t)used < size)
        (void)snprintf(text + used, size - (size_t)used, "]");
}

static void print_set(const struct set *set, bool names)
{
    char size[32], shape[256];
    printf("\n%s: %zu tensors in %zu file%s, %" PRIu64 " elements, %s\n", set->stem, set->tensors.count,
           set->tensors.file_count, set->tensors.file_count == 1 ? "" : "s", set->elements,
           q_format_bytes(size, (double)set->bytes));
    for (size_t i = 0; names && i < set->group_count; i++) {
        const struct group *g = &set->groups[i];
        char times[32] = "";
        if (g->count > 1)
            (void)snprintf(times, sizeof times, " x %" PRIu64, g->count);
        shape_text(g->first, shape, sizeof shape);
        printf("  %-64s  %-7s  %s%s\n", g->pattern, safetensors_type_name(g->first->type), shape, times);
    }
}

static void print_text(const struct inspection *inspection)
{
    const struct model_config *c = &inspection->config;
    if (inspection->checkpoint)
        printf("checkpoint of step %" PRIu64 ": %" PRIu64 " samples, %" PRIu64 " tokens\n", inspection->step,
               inspection->samples, inspection->tokens);
    printf("%" PRIu64 " parameters, %" PRIu64 " active\n", model_config_parameters(c),
           model_config_active_parameters(c));
    printf("vocabulary %" PRIu64 ", hidden %" PRIu64 ", %" PRIu64 " layers (%" PRIu64 " dense), %" PRIu64
           " positions%s\n",
           c->vocab_size, c->hidden_size, c->num_hidden_layers, c->first_k_dense_replace, c->max_position_embeddings,
           c->rope_scaling.type == MODEL_ROPE_YARN ? " by YaRN" : "");
    printf("%" PRIu64 " heads of %" PRIu64 " + %" PRIu64 " and %" PRIu64 ", latents %" PRIu64 " (queries) and %" PRIu64
           "\n",
           c->num_attention_heads, c->qk_nope_head_dim, c->qk_rope_head_dim, c->v_head_dim, c->q_lora_rank,
           c->kv_lora_rank);
    if (model_config_moe_layers(c) > 0)
        printf("%" PRIu64 " experts of %" PRIu64 ", %" PRIu64 " chosen in %" PRIu64 " of %" PRIu64 " groups, %" PRIu64
               " shared\n",
               c->n_routed_experts, c->moe_intermediate_size, c->num_experts_per_tok, c->topk_group, c->n_group,
               c->n_shared_experts);
    print_set(&inspection->weights, true);
    if (inspection->optimizer.tensors.count) /* whose names follow from the weights' */
        print_set(&inspection->optimizer, inspection->options->tensors);
    if (inspection->ema.tensors.count)
        print_set(&inspection->ema, inspection->options->tensors);
}

static void put_set(struct q_json *json, const struct set *set)
{
    q_json_open(json, set->stem, '{');
    q_json_put_u64(json, "bytes", set->bytes);
    q_json_put_u64(json, "elements", set->elements);
    q_json_put_u64(json, "files", set->tensors.file_count);
    q_json_put_u64(json, "count", set->tensors.count);
    q_json_open(json, "tensors", '[');
    for (size_t i = 0; i < set->group_count; i++) {
        const struct group *g = &set->groups[i];
        q_json_open(json, NULL, '{');
        q_json_put_string(json, "name", q_string_of(g->pattern));
        q_json_put_string(json, "dtype", q_string_of(safetensors_type_name(g->first->type)));
        q_json_open(json, "shape", '[');
        for (unsigned d = 0; d < g->first->rank; d++)
            q_json_put_u64(json, NULL, g->first->shape[d]);
        q_json_close(json, ']');
        q_json_put_u64(json, "count", g->count);
        q_json_close(json, '}');
    }
    q_json_close(json, ']');
    q_json_close(json, '}');
}

static q_status print_json(const struct inspection *inspection)
{
    struct q_buffer text = {0}, config = {0};
    json_t *shape = NULL;
    q_status status = model_config_json(&inspection->config, &shape);
    if (!status)
        status = q_json_dump(shape, 0, &config);
    json_decref(shape);
    struct q_json json = q_json_begin(&text);
    q_json_open(&json, NULL, '{');
    if (inspection->checkpoint) {
        q_json_put_u64(&json, "step", inspection->step);
        q_json_put_u64(&json, "samples", inspection->samples);
        q_json_put_u64(&json, "tokens", inspection->tokens);
    }
    q_json_put_u64(&json, "parameters", model_config_parameters(&inspection->config));
    q_json_put_u64(&json, "active_parameters", model_config_active_parameters(&inspection->config));
    q_json_put_raw(&json, "config", q_string_trim(q_buffer_string(&config)));
    put_set(&json, &inspection->weights);
    if (inspection->optimizer.tensors.count)
        put_set(&json, &inspection->optimizer);
    if (inspection->ema.tensors.count)
        put_set(&json, &inspection->ema);
    q_json_close(&json, '}');
    q_json_newline(&json);
    if (!status)
        status = q_json_end(&json);
    if (!status)
        fwrite(text.data, 1, text.size, stdout);
    q_buffer_release(&text);
    q_buffer_release(&config);
    return status;
}

static q_status inspect(struct inspection *inspection)
{
    Q_TRY(model_config_read(inspection->folder, &inspection->config));
    Q_TRY(read_position(inspection));
    Q_TRY(read_set(inspection, "model", &inspection->weights));
    Q_TRY(read_set(inspection, "optimizer", &inspection->optimizer));
    Q_TRY(read_set(inspection, "ema", &inspection->ema));
    if (inspection->options->common.json)
        return print_json(inspection);
    print_text(inspection);
    return Q_OK;
}

q_status train_inspect(void *options, const char *const *arguments, size_t count)
{
    (void)count;
    struct inspection inspection = {.options = options, .folder = arguments[0]};
    q_status status = inspect(&inspection);
    tensor_set_close(&inspection.weights.tensors);
    tensor_set_close(&inspection.optimizer.tensors);
    tensor_set_close(&inspection.ema.tensors);
    q_arena_release(&inspection.arena);
    return status;
}
