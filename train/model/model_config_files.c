/* The model's shape from recipes and from Hugging Face's config.json, and back. */
#include "base/check.h"
#include "base/fs.h"
#include "train/model/model_config.h"

#include <inttypes.h>

enum { CONFIG_BYTES_MAX = 1 << 20 };

static q_status load_tree(const struct q_node *node, struct q_arena *arena, struct model_config *out)
{
    Q_TRY(q_settings_load(&model_config_table, node, arena, out));
    return q_context(model_config_check(out), "%s", node->file);
}

static q_status read_named(const char *name, const char *recipe_folder, struct q_arena *arena, struct q_node **tree)
{
    const char *file;
    Q_TRY(q_recipe_find("model", name, recipe_folder, arena, &file));
    return q_yaml_read(file, arena, tree);
}

q_status model_config_named(const char *name, const char *recipe_folder, struct q_arena *arena,
                            struct model_config *out)
{
    struct q_node *tree;
    Q_TRY(read_named(name, recipe_folder, arena, &tree));
    return load_tree(tree, arena, out);
}

/* A mapping's own settings over those of the file that its `name` names. */
static q_status put_over_named(const struct q_node *node, const struct q_node *named, const char *recipe_folder,
                               struct q_arena *arena, const struct q_node **out)
{
    const char *name;
    struct q_node *tree, *own, **link;
    Q_TRY(q_arena_cstring(arena, named->text, &name));
    Q_TRY(q_node_context(named, read_named(name, recipe_folder, arena, &tree)));
    Q_TRY(q_arena_alloc(arena, 1, sizeof *own, &own));
    *own = *node;
    link = &own->children;
    for (const struct q_node *child = node->children; child; child = child->next) {
        if (child == named)
            continue;
        Q_TRY(q_arena_alloc(arena, 1, sizeof **link, link));
        **link = *child;
        link = &(*link)->next;
    }
    *link = NULL;
    return q_node_merge(tree, own, arena, out);
}

q_status model_config_load(const struct q_node *node, const char *recipe_folder, struct q_arena *arena,
                           struct model_config *out)
{
    if (!node)
        return q_fail(Q_ERR_USAGE, "the recipe has no 'model'; give a name such as 'nano', or a mapping");
    const struct q_node *named = node->kind == Q_NODE_MAP ? q_node_child(node, "name") : NULL;
    if (named)
        Q_TRY(put_over_named(node, named, recipe_folder, arena, &node));
    if (node->kind == Q_NODE_MAP)
        return load_tree(node, arena, out);
    if (node->kind != Q_NODE_SCALAR)
        return q_fail(Q_ERR_USAGE, "%s:%u: 'model' is neither a name nor a mapping", node->file, node->line);
    const char *name, *folder;
    Q_TRY(q_arena_cstring(arena, node->text, &name));
    Q_TRY(q_fs_join(arena, recipe_folder, name, &folder));
    if (strchr(name, '/') && q_fs_is_directory(folder))
        return q_context(model_config_read(folder, out), "%s:%u", node->file, node->line);
    return q_context(model_config_named(name, recipe_folder, arena, out), "%s:%u", node->file, node->line);
}

/* Members that are other numbers to transformers where they are absent (those of DeepSeek-V3) than the standards here. */
static bool must_be_said(const char *member)
{
    static const char *const members[] = {"first_k_dense_replace",
                                          "q_lora_rank",
                                          "moe_intermediate_size",
                                          "n_routed_experts",
                                          "num_experts_per_tok",
                                          "n_group",
                                          "topk_group"};
    for (size_t i = 0; i < Q_COUNT_OF(members); i++)
        if (strcmp(member, members[i]) == 0)
            return true;
    return false;
}

/* Sets one number from a JSON object. An absent or null member leaves the standard, where that is transformers' too. */
static q_status read_member(const struct q_setting *row, const json_t *object, const char *name, void *settings)
{
    char *place = (char *)settings + row->offset;
    const json_t *value = json_object_get(object, row->name);
    if (json_is_array(value) && strcmp(row->name, "eos_token_id") == 0)
        value = json_array_get(value, 0); /* several end a text; one is named where this model is written */
    if (!value || json_is_null(value)) {
        const bool none = value && strcmp(row->name, "q_lora_rank") == 0; /* null: there is no latent */
        return row->standard && (none || !must_be_said(row->name))
                   ? Q_OK
                   : q_fail(Q_ERR_INPUT, "%s: '%s' is missing", name, row->name);
    }
    double number = json_number_value(value);
    bool fits = row->min == 0 && row->max == 0 ? true : number >= row->min && number <= row->max;
    if (row->type == Q_SETTING_BOOL && json_is_boolean(value)) {
        *(bool *)place = json_is_true(value);
    } else if (row->type == Q_SETTING_U64 && json_is_integer(value) && fits) {
        *(uint64_t *)(void *)place = (uint64_t)json_integer_value(value);
    } else if (row->type == Q_SETTING_I64 && json_is_integer(value) && fits) {
        *(int64_t *)(void *)place = json_integer_value(value);
    } else if (row->type == Q_SETTING_DOUBLE && json_is_number(value) && fits) {
        *(double *)(void *)place = number;
    } else {
        return q_fail(Q_ERR_INPUT, "%s: '%s' has a wrong type or is out of range", name, row->name);
    }
    return Q_OK;
}

/* What would change the computation, and the one value of it that we compute. Absent members have that value in transformers. */
struct demand {
    const char *key, *text; /* text NULL: a truth value or null */
    bool truth;
};

static q_status check_demands(const json_t *object, const char *name)
{
    static const struct demand demands[] = {
        {"model_type", "deepseek_v3", false}, {"hidden_act", "silu", false},   {"scoring_func", "sigmoid", false},
        {"topk_method", "noaux_tc", false},   {"attention_bias", NULL, false}, {"rope_interleave", NULL, true},
    };
    for (size_t i = 0; i < Q_COUNT_OF(demands); i++) {
        const struct demand *d = &demands[i];
        const json_t *value = json_object_get(object, d->key);
        bool as_wanted = !value || json_is_null(value) ||
                         (d->text ? json_is_string(value) && strcmp(json_string_value(value), d->text) == 0
                                  : json_is_boolean(value) && json_is_true(value) == d->truth);
        if (!as_wanted)
            return q_fail(Q_ERR_INPUT, "%s: '%s' asks for what quern does not compute; it must be %s", name, d->key,
                          d->text    ? d->text
                          : d->truth ? "true"
                                     : "false or absent");
    }
    return Q_OK;
}

/* Published weights are FP8 in blocks of 128 x 128 with a scale each: how they are stored, which readers of tensors undo (train/files/tensor_set.h). */
static q_status check_quantization(const json_t *config, const char *name)
{
    const json_t *object = json_object_get(config, "quantization_config");
    if (!object || json_is_null(object))
        return Q_OK;
    const json_t *method = json_object_get(object, "quant_method"), *format = json_object_get(object, "fmt"),
                 *block = json_object_get(object, "weight_block_size");
    bool known = json_is_string(method) && strcmp(json_string_value(method), "fp8") == 0 &&
                 (!format || (json_is_string(format) && strcmp(json_string_value(format), "e4m3") == 0)) &&
                 json_array_size(block) == 2 && json_integer_value(json_array_get(block, 0)) == 128 &&
                 json_integer_value(json_array_get(block, 1)) == 128;
    return known
               ? Q_OK
               : q_fail(
                     Q_ERR_INPUT,
                     "%s: 'quantization_config' is none that quern reads; it must be fp8, e4m3, in blocks of 128 x 128",
                     name);
}

/* The type that an object of positions names, "default" where it names none; NULL: two at once, or not a text. */
static const char *rope_type(const json_t *rope)
{
    const json_t *type = json_object_get(rope, "rope_type"), *older = json_object_get(rope, "type");
    if (type && older && !json_equal(type, older))
        return NULL;
    type = type ? type : older;
    return type ? json_string_value(type) : "default";
}

/* The row of a name that the table has. */
static const struct q_setting *row_of(const char *name)
{
    const struct q_setting *row = model_config_table.rows;
    while (strcmp(row->name, name) != 0)
        row++;
    return row;
}

/* The table's rows of rope_scaling: YaRN's members. */
static const struct q_setting *yarn_rows(void)
{
    return row_of("rope_scaling")->table->rows;
}

/* Members that every object of positions may have, and YaRN's. */
static bool is_rope_member(const char *member, const json_t *value, bool yarn)
{
    static const char *const always[] = {"type", "rope_type", "rope_theta"};
    for (size_t i = 0; i < Q_COUNT_OF(always); i++)
        if (strcmp(member, always[i]) == 0)
            return true;
    if (strcmp(member, "partial_rotary_factor") == 0)
        return json_is_number(value) && json_number_value(value) == 1;
    if (strcmp(member, "truncate") == 0)
        return json_is_true(value);
    for (const struct q_setting *row = yarn_rows(); yarn && row->type != Q_SETTING_END; row++)
        if (strcmp(member, row->name) == 0)
            return true;
    return false;
}

static q_status read_yarn(const json_t *rope, const char *name, struct model_config *out)
{
    const json_t *factor = json_object_get(rope, "factor");
    if (!factor || json_is_null(factor))
        return q_fail(Q_ERR_INPUT, "%s: positions by 'yarn' lack their 'factor'", name);
    out->rope_scaling.type = MODEL_ROPE_YARN;
    /* transformers: absent means not applied, and the length is the model's */
    out->rope_scaling.mscale = out->rope_scaling.mscale_all_dim = 0;
    out->rope_scaling.original_max_position_embeddings = out->max_position_embeddings;
    for (const struct q_setting *row = yarn_rows(); row->type != Q_SETTING_END; row++)
        if (row->type != Q_SETTING_CHOICE)
            Q_TRY(read_member(row, rope, name, &out->rope_scaling));
    return Q_OK;
}

/* The base of the frequencies may stand in the object (transformers 5), beside it, or in both places alike. */
static q_status read_inner_theta(const json_t *config, const json_t *rope, const char *key, const char *name,
                                 struct model_config *out)
{
    const json_t *inner = json_object_get(rope, "rope_theta"), *outer = json_object_get(config, "rope_theta");
    if (!inner || json_is_null(inner))
        return Q_OK;
    if (outer && !json_is_null(outer) && json_number_value(outer) != json_number_value(inner))
        return q_fail(Q_ERR_INPUT, "%s: 'rope_theta' is another in '%s' than beside it", name, key);
    return read_member(row_of("rope_theta"), rope, name, out);
}

/* `key` is rope_scaling, of transformers before 5, or rope_parameters. *given: it is there. */
static q_status read_rope(const json_t *config, const char *key, const char *name, struct model_config *out,
                          bool *given)
{
    json_t *rope = json_object_get(config, key), *value;
    const char *member;
    *given = rope && !json_is_null(rope);
    if (!*given)
        return Q_OK;
    const char *type = json_is_object(rope) ? rope_type(rope) : NULL;
    const bool yarn = type && strcmp(type, "yarn") == 0;
    if (!type || (!yarn && strcmp(type, "default") != 0))
        return q_fail(Q_ERR_INPUT, "%s: '%s' is neither null nor 'default' nor 'yarn'", name, key);
    json_object_foreach(rope, member, value)
    {
        if (!json_is_null(value) && !is_rope_member(member, value, yarn))
            return q_fail(Q_ERR_INPUT, "%s: '%s' asks by '%s' for what quern does not compute", name, key, member);
    }
    Q_TRY(read_inner_theta(config, rope, key, name, out));
    return yarn ? read_yarn(rope, name, out) : Q_OK;
}

static bool same_positions(const struct model_config *a, const struct model_config *b)
{
    const struct model_rope_scaling *x = &a->rope_scaling, *y = &b->rope_scaling;
    return a->rope_theta == b->rope_theta && x->type == y->type && x->factor == y->factor &&
           x->original_max_position_embeddings == y->original_max_position_embeddings && x->beta_fast == y->beta_fast &&
           x->beta_slow == y->beta_slow && x->mscale == y->mscale && x->mscale_all_dim == y->mscale_all_dim;
}

static q_status read_positions(const json_t *config, const char *name, struct model_config *out)
{
    struct model_config newer = *out;
    bool given, newer_given;
    Q_TRY(read_rope(config, "rope_scaling", name, out, &given));
    Q_TRY(read_rope(config, "rope_parameters", name, &newer, &newer_given));
    if (given && newer_given && !same_positions(out, &newer))
        return q_fail(Q_ERR_INPUT, "%s: 'rope_scaling' and 'rope_parameters' disagree", name);
    if (newer_given)
        *out = newer;
    return Q_OK;
}

/* What other models of the family have and this one has not: fewer heads of keys than of queries, dense layers between the others. */
static q_status check_alike(const json_t *config, const char *name, const struct model_config *c)
{
    const struct {
        const char *key;
        uint64_t wanted;
    } members[] = {{"num_key_value_heads", c->num_attention_heads}, {"moe_layer_freq", 1}};
    for (size_t i = 0; i < Q_COUNT_OF(members); i++) {
        const json_t *value = json_object_get(config, members[i].key);
        if (value && !json_is_null(value) &&
            !(json_is_integer(value) && json_integer_value(value) == (json_int_t)members[i].wanted))
            return q_fail(Q_ERR_INPUT, "%s: '%s' asks for what quern does not compute; it must be %" PRIu64, name,
                          members[i].key, members[i].wanted);
    }
    return Q_OK;
}

static q_status from_json(const json_t *config, const char *name, struct model_config *out)
{
    Q_TRY(check_demands(config, name));
    Q_TRY(check_quantization(config, name));
    for (const struct q_setting *row = model_config_table.rows; row->type != Q_SETTING_END; row++)
        if (row->type != Q_SETTING_SECTION)
            Q_TRY(read_member(row, config, name, out));
    Q_TRY(read_positions(config, name, out));
    Q_TRY(check_alike(config, name, out));
    if (model_config_check(out) != Q_OK) /* here the file is wrong, not the caller */
        return q_context(Q_ERR_INPUT, "%s", name);
    return Q_OK;
}

/* Every number at its standard; those without one at 0. */
static void set_standards(struct model_config *out)
{
    *out = (struct model_config){.first_k_dense_replace = 1,
                                 .n_group = 1,
                                 .topk_group = 1,
                                 .n_shared_experts = 1,
                                 .routed_scaling_factor = 2.5,
                                 .norm_topk_prob = true,
                                 .rms_norm_eps = 1e-6,
                                 .rope_theta = 10000,
                                 .rope_scaling = {MODEL_ROPE_PLAIN, 40, 4096, 32, 1, 1, 1},
                                 .max_position_embeddings = 4096,
                                 .initializer_range = 0.006,
                                 .bos_token_id = -1,
                                 .eos_token_id = -1};
}

q_status model_config_read(const char *folder, struct model_config *out)
{
    struct q_arena arena = {0};
    json_t *json = NULL;
    const char *file = folder;
    q_status status;
    set_standards(out);
    Q_TRY_GOTO(done, q_fs_join(&arena, folder, "config.json", &file));
    Q_TRY_GOTO(done, q_json_read_file(file, CONFIG_BYTES_MAX, &json));
    if (!json_is_object(json))
        status = q_fail(Q_ERR_INPUT, "%s: not a JSON object", file);
    else
        status = from_json(json, file, out);
done:
    json_decref(json);
    q_arena_release(&arena);
    return status;
}

static q_status put_rows(const struct q_settings_table *table, const void *settings, json_t *object)
{
    for (const struct q_setting *row = table->rows; row->type != Q_SETTING_END; row++) {
        const char *place = (const char *)settings + row->offset;
        if (row->type == Q_SETTING_U64)
            Q_TRY(q_json_set(object, row->name, json_integer((json_int_t) * (const uint64_t *)(const void *)place)));
        else if (row->type == Q_SETTING_DOUBLE)
            Q_TRY(q_json_set(object, row->name, json_real(*(const double *)(const void *)place)));
        else if (row->type == Q_SETTING_BOOL)
            Q_TRY(q_json_set(object, row->name, json_boolean(*(const bool *)place)));
    }
    return Q_OK;
}

static q_status put_rope_scaling(const struct model_rope_scaling *scaling, json_t *object)
{
    if (scaling->type == MODEL_ROPE_PLAIN)
        return q_json_set(object, "rope_scaling", json_null());
    json_t *inner = json_object();
    Q_TRY(q_json_set(object, "rope_scaling", inner));
    for (const struct q_setting *row = model_config_table.rows; row->type != Q_SETTING_END; row++)
        if (row->type == Q_SETTING_SECTION)
            Q_TRY(put_rows(row->table, scaling, inner));
    Q_TRY(q_json_set(inner, "type", json_string("yarn")));
    return q_json_set(inner, "rope_type", json_string("yarn"));
}

/* The members that are not numbers of the table. */
static q_status put_rest(const struct model_config *c, json_t *object)
{
    json_t *architectures = json_array();
    Q_TRY(q_json_set(object, "architectures", architectures));
    Q_TRY(q_json_push(architectures, json_string("DeepseekV3ForCausalLM")));
    Q_TRY(q_json_set(object, "model_type", json_string("deepseek_v3")));
    Q_TRY(q_json_set(object, "hidden_act", json_string("silu")));
    Q_TRY(q_json_set(object, "scoring_func", json_string("sigmoid")));
    Q_TRY(q_json_set(object, "topk_method", json_string("noaux_tc")));
    Q_TRY(q_json_set(object, "torch_dtype", json_string("float32")));
    Q_TRY(q_json_set(object, "attention_bias", json_false()));
    Q_TRY(q_json_set(object, "attention_dropout", json_real(0.0)));
    Q_TRY(q_json_set(object, "rope_interleave", json_true()));
    Q_TRY(q_json_set(object, "moe_layer_freq", json_integer(1)));
    Q_TRY(q_json_set(object, "num_key_value_heads", json_integer((json_int_t)c->num_attention_heads)));
    if (c->unpadded_vocab_size == 0) /* a key of ours: other readers need not see it */
        (void)json_object_del(object, "unpadded_vocab_size");
    if (c->q_lora_rank == 0)
        Q_TRY(q_json_set(object, "q_lora_rank", json_null()));
    Q_TRY(q_json_set(object, "bos_token_id", c->bos_token_id < 0 ? json_null() : json_integer(c->bos_token_id)));
    Q_TRY(q_json_set(object, "eos_token_id", c->eos_token_id < 0 ? json_null() : json_integer(c->eos_token_id)));
    return put_rope_scaling(&c->rope_scaling, object);
}

q_status model_config_json(const struct model_config *config, json_t **out)
{
    json_t *object = json_object();
    if (!object)
        return q_fail(Q_ERR_MEMORY, "out of memory");
    q_status status = put_rows(&model_config_table, config, object);
    if (status == Q_OK)
        status = put_rest(config, object);
    if (status != Q_OK) {
        json_decref(object);
        return status;
    }
    *out = object;
    return Q_OK;
}
