/* The table of the model's shape, its checks, and what follows from the numbers. */
#include "train/model/model_config.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const rope_types[] = {"plain", "yarn", NULL};

#define SCALING(member) offsetof(struct model_rope_scaling, member)
static const struct q_setting rope_rows[] = {
    {.name = "type",
     .type = Q_SETTING_CHOICE,
     .offset = SCALING(type),
     .standard = "plain",
     .choices = rope_types,
     .meaning = "rotary positions as they are, or stretched by YaRN for contexts beyond the original length"},
    {.name = "factor",
     .type = Q_SETTING_DOUBLE,
     .offset = SCALING(factor),
     .standard = "40",
     .min = 1,
     .max = 1e6,
     .meaning = "how many times longer than the original length (YaRN)"},
    {.name = "original_max_position_embeddings",
     .type = Q_SETTING_U64,
     .offset = SCALING(original_max_position_embeddings),
     .unit = "tokens",
     .standard = "4096",
     .min = 1,
     .max = 1e9,
     .meaning = "length trained with before (YaRN)"},
    {.name = "beta_fast",
     .type = Q_SETTING_DOUBLE,
     .offset = SCALING(beta_fast),
     .standard = "32",
     .min = 1e-3,
     .max = 1e6,
     .meaning = "pairs that turn more often than this over the original length keep their frequency (YaRN)"},
    {.name = "beta_slow",
     .type = Q_SETTING_DOUBLE,
     .offset = SCALING(beta_slow),
     .standard = "1",
     .min = 1e-3,
     .max = 1e6,
     .meaning = "pairs that turn less often than this are stretched in full (YaRN)"},
    {.name = "mscale",
     .type = Q_SETTING_DOUBLE,
     .offset = SCALING(mscale),
     .standard = "1",
     .min = 0,
     .max = 100,
     .meaning = "weight of 0.1 ln(factor) in the scale of rotated keys and queries (YaRN)"},
    {.name = "mscale_all_dim",
     .type = Q_SETTING_DOUBLE,
     .offset = SCALING(mscale_all_dim),
     .standard = "1",
     .min = 0,
     .max = 100,
     .meaning = "the same for whole keys and queries: its square multiplies the softmax scale (YaRN)"},
    {0},
};
static const struct q_settings_table rope_table = {"rope_scaling", rope_rows, sizeof(struct model_rope_scaling)};

#define AT(member) offsetof(struct model_config, member)
#define SIZE(member, least, most, text)                                                                                \
    {                                                                                                                  \
        .name = #member, .type = Q_SETTING_U64, .offset = AT(member), .min = least, .max = most, .meaning = text       \
    }
#define SIZE_OR(member, usual, least, most, text)                                                                      \
    {                                                                                                                  \
        .name = #member, .type = Q_SETTING_U64, .offset = AT(member), .standard = usual, .min = least, .max = most,    \
        .meaning = text                                                                                                \
    }

/* Without a standard a number must be given; those with one are what DeepSeek-V3 and its readers take for granted. */
static const struct q_setting rows[] = {
    SIZE(vocab_size, 2, 1 << 24, "rows of embedding and head; at least the tokenizer's ids"),
    SIZE_OR(unpadded_vocab_size, "0", 0, 1 << 24,
            "ids that there are; the rows behind them are padding, zero, never predicted and in checkpoints alone; 0: "
            "no padding"),
    {.name = "tie_word_embeddings",
     .type = Q_SETTING_BOOL,
     .offset = AT(tie_word_embeddings),
     .standard = "false",
     .meaning = "whether the head is the embedding"},
    SIZE(hidden_size, 1, 1 << 20, "width of the residual stream"),
    SIZE(num_hidden_layers, 1, 4096, "layers"),
    SIZE_OR(first_k_dense_replace, "1", 0, 4096,
            "layers at the start with a dense feed-forward; the others are mixtures of experts"),
    SIZE_OR(num_nextn_predict_layers, "0", 0, 64,
            "MTP modules: further blocks behind the last layer, each predicting one token further ahead; for training "
            "only"),
    SIZE(num_attention_heads, 1, 4096, "attention heads"),
    SIZE_OR(q_lora_rank, "0", 0, 1 << 20,
            "width of the query's latent; 0: none, queries come straight from the stream"),
    SIZE(kv_lora_rank, 1, 1 << 20, "width of the latent of keys and values"),
    SIZE(qk_nope_head_dim, 1, 4096, "part of a head's query and key without position"),
    SIZE(qk_rope_head_dim, 2, 4096, "part with rotary position, even; the key's is shared by all heads"),
    SIZE(v_head_dim, 1, 4096, "a head's value"),
    SIZE(intermediate_size, 1, 1 << 24, "inner width of a dense feed-forward"),
    SIZE_OR(moe_intermediate_size, "0", 0, 1 << 24, "inner width of an expert"),
    SIZE_OR(n_routed_experts, "0", 0, 1 << 14, "routed experts of a layer"),
    SIZE_OR(num_experts_per_tok, "0", 0, 1024, "routed experts that a token meets"),
    SIZE_OR(n_group, "1", 1, 1024, "groups of experts"),
    SIZE_OR(topk_group, "1", 1, 1024, "groups that a token may reach"),
    SIZE_OR(n_shared_experts, "1", 0, 1024, "shared experts, one feed-forward of so many times moe_intermediate_size"),
    {.name = "routed_scaling_factor",
     .type = Q_SETTING_DOUBLE,
     .offset = AT(routed_scaling_factor),
     .standard = "2.5",
     .min = 0,
     .max = 1e6,
     .meaning = "factor on the routed experts' weights"},
    {.name = "norm_topk_prob",
     .type = Q_SETTING_BOOL,
     .offset = AT(norm_topk_prob),
     .standard = "true",
     .meaning = "whether the weights of the chosen experts are divided by their sum"},
    {.name = "rms_norm_eps",
     .type = Q_SETTING_DOUBLE,
     .offset = AT(rms_norm_eps),
     .standard = "1e-6",
     .min = 0,
     .max = 1,
     .meaning = "added to the mean square in the norms of the stream; in those of the latents it is 1e-6, as in "
                "DeepSeek's code"},
    {.name = "rope_theta",
     .type = Q_SETTING_DOUBLE,
     .offset = AT(rope_theta),
     .standard = "10000",
     .min = 1,
     .max = 1e12,
     .meaning = "base of the rotary frequencies"},
    {.name = "rope_scaling",
     .type = Q_SETTING_SECTION,
     .offset = AT(rope_scaling),
     .table = &rope_table,
     .meaning = "positions beyond the length trained with"},
    {.name = "max_position_embeddings",
     .type = Q_SETTING_U64,
     .offset = AT(max_position_embeddings),
     .unit = "tokens",
     .standard = "4096",
     .min = 1,
     .max = 1 << 24,
     .meaning = "longest sequence"},
    {.name = "initializer_range",
     .type = Q_SETTING_DOUBLE,
     .offset = AT(initializer_range),
     .standard = "0.006",
     .min = 0,
     .max = 10,
     .meaning = "standard deviation of matrices at the start (0.006 is the report's)"},
    {.name = "bos_token_id",
     .type = Q_SETTING_I64,
     .offset = AT(bos_token_id),
     .standard = "-1",
     .min = -1,
     .max = 1 << 24,
     .meaning = "id of the begin token for readers of the checkpoint; -1: not named"},
    {.name = "eos_token_id",
     .type = Q_SETTING_I64,
     .offset = AT(eos_token_id),
     .standard = "-1",
     .min = -1,
     .max = 1 << 24,
     .meaning = "id of the end token, in the same way"},
    {0},
};
const struct q_settings_table model_config_table = {"model", rows, sizeof(struct model_config)};

static q_status refuse(const char *key, uint64_t value, const char *why)
{
    return q_fail(Q_ERR_USAGE, "model: '%s' %llu %s", key, (unsigned long long)value, why);
}

static q_status check_experts(const struct model_config *c)
{
    if (c->n_routed_experts == 0 || c->moe_intermediate_size == 0)
        return refuse(c->n_routed_experts ? "moe_intermediate_size" : "n_routed_experts", 0,
                      "is too small for layers of experts");
    if (c->num_experts_per_tok == 0 || c->num_experts_per_tok > c->n_routed_experts)
        return refuse("num_experts_per_tok", c->num_experts_per_tok, "is not between 1 and 'n_routed_experts'");
    if (c->n_group == 0 || c->n_routed_experts % c->n_group != 0)
        return refuse("n_group", c->n_group, "does not divide 'n_routed_experts'");
    if (c->topk_group == 0 || c->topk_group > c->n_group)
        return refuse("topk_group", c->topk_group, "is not between 1 and 'n_group'");
    if (c->num_experts_per_tok > c->n_routed_experts / c->n_group * c->topk_group)
        return refuse("num_experts_per_tok", c->num_experts_per_tok, "is more than the experts of 'topk_group' groups");
    return Q_OK;
}

/* The table's bounds hold for what a file gave; numbers set in code are checked here too. */
static q_status check_ranges(const struct model_config *c)
{
    for (const struct q_setting *row = rows; row->type != Q_SETTING_END; row++) {
        if (row->type != Q_SETTING_U64)
            continue;
        uint64_t value;
        memcpy(&value, (const char *)c + row->offset, sizeof(value));
        if ((double)value < row->min || (double)value > row->max)
            return refuse(row->name, value, "is out of range");
    }
    return Q_OK;
}

/* Parameters, MTP modules and all, in floating point: no product of the table's bounds is too large for it. */
static double rough_parameters(const struct model_config *c)
{
    const double h = (double)c->hidden_size, heads = (double)c->num_attention_heads, q = (double)c->q_lora_rank;
    const double key = (double)model_config_qk_head_dim(c), kv = (double)c->kv_lora_rank, v = (double)c->v_head_dim;
    const double blocks = (double)c->num_hidden_layers + (double)c->num_nextn_predict_layers;
    const double dense = (double)c->first_k_dense_replace, experts = (double)c->n_routed_experts;
    const double attention = h * (q + kv + (double)c->qk_rope_head_dim) + (q > 0 ? q : h) * heads * key +
                             kv * heads * ((double)c->qk_nope_head_dim + v) + heads * v * h;
    const double expert = 3 * h * (double)c->moe_intermediate_size * (experts + (double)c->n_shared_experts);
    return blocks * (attention + h * experts) + dense * 3 * h * (double)c->intermediate_size +
           (blocks - dense) * expert + 2 * (double)c->vocab_size * h + (double)c->num_nextn_predict_layers * 2 * h * h;
}

/* What can be counted in 64 bits and listed tensor by tensor: further than any model, so that all later sums and products fit. */
static q_status check_size(const struct model_config *c)
{
    static const double parameters_max = 0x1p45;
    static const uint64_t experts_max = 1 << 20;
    char most[32], all[32];
    uint64_t experts = model_config_routers(c) * c->n_routed_experts;
    if (rough_parameters(c) > parameters_max)
        return q_fail(Q_ERR_USAGE, "model: its sizes make %s parameters; more than %s are out of range",
                      q_format_count(all, rough_parameters(c)), q_format_count(most, parameters_max));
    if (experts > experts_max)
        return q_fail(Q_ERR_USAGE, "model: 'n_routed_experts' makes %s experts in all; more than %s are out of range",
                      q_format_count(all, (double)experts), q_format_count(most, (double)experts_max));
    return Q_OK;
}

q_status model_config_check(const struct model_config *c)
{
    Q_TRY(check_ranges(c));
    if (c->unpadded_vocab_size > c->vocab_size)
        return refuse("unpadded_vocab_size", c->unpadded_vocab_size, "is more than 'vocab_size'");
    if (c->unpadded_vocab_size == 1)
        return refuse("unpadded_vocab_size", c->unpadded_vocab_size, "is too small: nothing is left to predict");
    if (c->qk_rope_head_dim % 2 != 0)
        return refuse("qk_rope_head_dim", c->qk_rope_head_dim, "is odd");
    if (c->first_k_dense_replace > c->num_hidden_layers)
        return refuse("first_k_dense_replace", c->first_k_dense_replace, "is more than 'num_hidden_layers'");
    if (model_config_routers(c) > 0)
        Q_TRY(check_experts(c));
    if (c->num_attention_heads * (model_config_qk_head_dim(c) + c->v_head_dim) > 1 << 20)
        return refuse("num_attention_heads", c->num_attention_heads, "times a head's width is out of range");
    if (!(c->rms_norm_eps >= 0) || !(c->initializer_range >= 0) || !(c->rope_theta >= 1))
        return q_fail(Q_ERR_USAGE, "model: 'rms_norm_eps', 'initializer_range' or 'rope_theta' is out of range");
    return check_size(c);
}

enum { VALUE_BYTES = 32 };

static void write_value(const struct q_setting *row, const void *place, char text[VALUE_BYTES])
{
    if (row->type == Q_SETTING_U64)
        snprintf(text, VALUE_BYTES, "%" PRIu64, *(const uint64_t *)place);
    else if (row->type == Q_SETTING_DOUBLE)
        snprintf(text, VALUE_BYTES, "%.15g", *(const double *)place);
    else if (row->type == Q_SETTING_BOOL)
        snprintf(text, VALUE_BYTES, "%s", *(const bool *)place ? "true" : "false");
    else
        snprintf(text, VALUE_BYTES, "%s", row->choices[*(const int *)place]);
}

static q_status check_same(const struct q_setting *row, const char *section, const void *config, const void *source)
{
    char ours[VALUE_BYTES], theirs[VALUE_BYTES];
    write_value(row, (const char *)config + row->offset, ours);
    write_value(row, (const char *)source + row->offset, theirs);
    if (strcmp(ours, theirs) == 0)
        return Q_OK;
    return q_fail(
        Q_ERR_USAGE,
        "'%s%s' is %s in its config.json and %s in 'model'; make them the same, or let 'model' name the folder",
        section, row->name, theirs, ours);
}

/* Without a word on padding in the source, rows behind the model's ids are taken for it, as in published weights. */
static bool same_vocabulary(const struct model_config *config, const struct model_config *source)
{
    return model_config_ids(config) == model_config_ids(source) ||
           (source->unpadded_vocab_size == 0 && source->vocab_size == config->vocab_size);
}

q_status model_config_check_source(const struct model_config *config, const struct model_config *source)
{
    const bool modules = config->num_nextn_predict_layers <= source->num_nextn_predict_layers;
    const bool ids = same_vocabulary(config, source);
    for (const struct q_setting *row = rows; row->type != Q_SETTING_END; row++) {
        const size_t at = row->offset;
        const bool padding = at == AT(vocab_size) || at == AT(unpadded_vocab_size);
        const bool free = at == AT(max_position_embeddings) || at == AT(initializer_range) || at == AT(bos_token_id) ||
                          at == AT(eos_token_id) || row->type == Q_SETTING_SECTION;
        if (free || (padding && ids) || (at == AT(num_nextn_predict_layers) && modules))
            continue;
        Q_TRY(check_same(row, "", config, source));
    }
    if (source->rope_scaling.type == MODEL_ROPE_PLAIN)
        return Q_OK;
    for (const struct q_setting *row = rope_rows; row->type != Q_SETTING_END; row++)
        Q_TRY(check_same(row, "rope_scaling.", &config->rope_scaling, &source->rope_scaling));
    return Q_OK;
}

/* Elements of attention's matrices in one layer. */
static uint64_t attention_matrices(const struct model_config *c)
{
    uint64_t heads = c->num_attention_heads, key = model_config_qk_head_dim(c), h = c->hidden_size;
    uint64_t query = c->q_lora_rank ? h * c->q_lora_rank + c->q_lora_rank * heads * key : h * heads * key;
    return query + h * (c->kv_lora_rank + c->qk_rope_head_dim) +
           c->kv_lora_rank * heads * (c->qk_nope_head_dim + c->v_head_dim) + heads * c->v_head_dim * h;
}

/* Elements of the matrices that `experts` routed experts, the shared ones and the router of one layer have. */
static uint64_t moe_matrices(const struct model_config *c, uint64_t experts)
{
    return 3 * c->hidden_size * c->moe_intermediate_size * (experts + c->n_shared_experts) +
           c->hidden_size * c->n_routed_experts;
}

/* Elements of one layer: its matrices with so many routed experts counted, and its norms. A layer without experts to route to is dense. */
static uint64_t layer_matrices(const struct model_config *c, bool dense, uint64_t experts)
{
    return attention_matrices(c) + (dense ? 3 * c->hidden_size * c->intermediate_size : moe_matrices(c, experts));
}

static uint64_t layer_norms(const struct model_config *c)
{
    return 2 * c->hidden_size + c->q_lora_rank + c->kv_lora_rank;
}

/* Matrices of the model's layers, without embedding and head. */
static uint64_t all_matrices(const struct model_config *c, uint64_t experts)
{
    return c->first_k_dense_replace * layer_matrices(c, true, experts) +
           model_config_moe_layers(c) * layer_matrices(c, false, experts);
}

static uint64_t all_norms(const struct model_config *c)
{
    return c->num_hidden_layers * layer_norms(c) + c->hidden_size;
}

/* Matrices of one MTP module: a layer, and the projection of embedding and hidden state. */
static uint64_t module_matrices(const struct model_config *c, uint64_t experts)
{
    return layer_matrices(c, c->n_routed_experts == 0, experts) + 2 * c->hidden_size * c->hidden_size;
}

uint64_t model_config_parameters(const struct model_config *c)
{
    return all_matrices(c, c->n_routed_experts) + all_norms(c) +
           (c->tie_word_embeddings ? 1 : 2) * c->vocab_size * c->hidden_size;
}

uint64_t model_config_active_parameters(const struct model_config *c)
{
    return all_matrices(c, c->num_experts_per_tok) + all_norms(c) + c->vocab_size * c->hidden_size;
}

uint64_t model_config_mtp_parameters(const struct model_config *c)
{
    return c->num_nextn_predict_layers *
           (module_matrices(c, c->n_routed_experts) + layer_norms(c) + 3 * c->hidden_size);
}

/* Of the tokens of one sequence in one layer: a query meets (T + 1) / 2 keys on average, with a product of key's and one of value's width, forward, and
 * twice that backward. */
static double attention_flop(const struct model_config *c, double tokens)
{
    return 6.0 * tokens * (tokens + 1.0) / 2.0 *
           (double)(c->num_attention_heads * (model_config_qk_head_dim(c) + c->v_head_dim));
}

double model_config_attention_flop(const struct model_config *c, uint64_t sequence)
{
    const double length = (double)sequence;
    return 6.0 * (double)attention_matrices(c) + attention_flop(c, length) / length;
}

double model_config_feedforward_flop(const struct model_config *c)
{
    const bool dense = model_config_moe_layers(c) == 0;
    return 6.0 * (double)(layer_matrices(c, dense, c->num_experts_per_tok) - attention_matrices(c));
}

double model_config_flop_per_token(const struct model_config *c, uint64_t sequence)
{
    /* A matrix costs 2 per element forward and 4 backward. */
    double head = (double)(model_config_ids(c) * c->hidden_size), length = (double)sequence;
    double flop = length * 6.0 * ((double)all_matrices(c, c->num_experts_per_tok) + head) +
                  (double)c->num_hidden_layers * attention_flop(c, length);
    /* Module d sees the sequence without its last d tokens. */
    for (uint64_t d = 1; d <= c->num_nextn_predict_layers && d < sequence; d++)
        flop += (length - (double)d) * 6.0 * ((double)module_matrices(c, c->num_experts_per_tok) + head) +
                attention_flop(c, length - (double)d);
    return flop / length;
}
