/* The model's shape: DeepSeek-V3's, under the names of Hugging Face's config.json, from one table (docs/settings/model.md).
 *
 * Three ways in, one check: a name of recipes/models/ ("nano"), a mapping in the recipe, a config.json. What the file asks for and we do not
 * compute (another activation, biases in attention ...) is refused, never ignored.
 */
#ifndef QUERN_TRAIN_MODEL_CONFIG_H
#define QUERN_TRAIN_MODEL_CONFIG_H

#include "base/json.h"
#include "base/recipe.h"
#include "base/settings.h"

enum model_rope_type { MODEL_ROPE_PLAIN, MODEL_ROPE_YARN };

/* YaRN (Peng et al., arXiv 2309.00071) as transformers computes it; only read where type is MODEL_ROPE_YARN. */
struct model_rope_scaling {
    int type; /* enum model_rope_type */
    double factor;
    uint64_t original_max_position_embeddings;
    double beta_fast, beta_slow;
    double mscale, mscale_all_dim;
};

struct model_config {
    uint64_t vocab_size;          /* rows of embedding and head */
    uint64_t unpadded_vocab_size; /* ids that there are: the rows behind are padding; 0: all */
    bool tie_word_embeddings;     /* the head is the embedding */
    uint64_t hidden_size;
    uint64_t num_hidden_layers;
    uint64_t first_k_dense_replace;    /* layers 0 .. this - 1 are dense, the others mixtures of experts */
    uint64_t num_nextn_predict_layers; /* MTP modules, for training only */
    uint64_t num_attention_heads;
    uint64_t q_lora_rank; /* 0: queries straight from the hidden state */
    uint64_t kv_lora_rank;
    uint64_t qk_nope_head_dim, qk_rope_head_dim, v_head_dim;
    uint64_t intermediate_size;     /* of a dense layer's feed-forward */
    uint64_t moe_intermediate_size; /* of one expert; the shared experts are one of n_shared_experts times this */
    uint64_t n_routed_experts, num_experts_per_tok, n_group, topk_group, n_shared_experts;
    double routed_scaling_factor;
    bool norm_topk_prob;
    double rms_norm_eps;
    double rope_theta;
    struct model_rope_scaling rope_scaling;
    uint64_t max_position_embeddings;
    double initializer_range;
    int64_t bos_token_id,
        eos_token_id; /* -1: the config names none. Written to config.json for its readers; not used here */
};

extern const struct q_settings_table model_config_table;

/* Every relation between the numbers that the code relies on, sizes bounded so that products fit; Q_ERR_USAGE names key and value. */
q_status model_config_check(const struct model_config *config) Q_MUST_USE;

/* Whether weights trained in a model of `source` are the same function in one of `config`: Q_ERR_USAGE names the first member that says otherwise, with both
 * values. May differ: what is only of a start or for readers (initializer_range, ids of begin and end), the longest sequence, fewer MTP modules, rows of
 * padding, and a rope_scaling where the source has none, which stretches what was trained. */
q_status model_config_check_source(const struct model_config *config, const struct model_config *source) Q_MUST_USE;

/* From the recipe's `model:` (a name, a mapping, or a folder). A mapping with a `name` is that one's shape but for what it says itself. A name is looked
 * for as FOLDER/models/NAME.yaml beside the recipe, then beside the program (build tree and installation); one with a slash that is a folder, seen from the
 * recipe, is a model's, and its config.json says the shape. `node` NULL is Q_ERR_USAGE. Checked. */
q_status model_config_load(const struct q_node *node, const char *recipe_folder, struct q_arena *arena,
                           struct model_config *out) Q_MUST_USE;
/* The same for a name alone ("nano"), or a path of a YAML file. */
q_status model_config_named(const char *name, const char *recipe_folder, struct q_arena *arena,
                            struct model_config *out) Q_MUST_USE;

/* FOLDER/config.json of a Hugging Face model (DeepseekV3ForCausalLM). Q_ERR_INPUT names file and key. Checked. */
q_status model_config_read(const char *folder, struct model_config *out) Q_MUST_USE;
/* config.json as transformers loads it; new reference. */
q_status model_config_json(const struct model_config *config, json_t **out) Q_MUST_USE;

/* Parameters of the model in all, and those a token meets (embedding rows and unchosen experts not counted, the head counted). Those of the MTP
 * modules are counted apart: what they have of their own, without the embedding and head they share. */
uint64_t model_config_parameters(const struct model_config *config);
uint64_t model_config_active_parameters(const struct model_config *config);
uint64_t model_config_mtp_parameters(const struct model_config *config);
/* Floating-point operations of forward and backward for one token in a sequence of T, MTP modules included: products and causal attention, nothing
 * twice. */
double model_config_flop_per_token(const struct model_config *config, uint64_t sequence);
/* The same of the last layer alone: of its attention with its projections, and of its feed-forward. */
double model_config_attention_flop(const struct model_config *config, uint64_t sequence);
double model_config_feedforward_flop(const struct model_config *config);

static inline uint64_t model_config_qk_head_dim(const struct model_config *config)
{
    return config->qk_nope_head_dim + config->qk_rope_head_dim;
}

/* Ids that a batch may hold and the model may predict. */
static inline uint64_t model_config_ids(const struct model_config *config)
{
    return config->unpadded_vocab_size ? config->unpadded_vocab_size : config->vocab_size;
}

/* The same model without rows of padding: what readers that know nothing of them are given. */
static inline struct model_config model_config_unpadded(const struct model_config *config)
{
    struct model_config plain = *config;
    plain.vocab_size = model_config_ids(config);
    plain.unpadded_vocab_size = 0;
    return plain;
}

static inline uint64_t model_config_moe_layers(const struct model_config *config)
{
    return config->num_hidden_layers - config->first_k_dense_replace;
}

/* The MoE layers, and the MTP modules where they are mixtures of experts too: as the layers behind the last one would be. */
static inline uint64_t model_config_routers(const struct model_config *config)
{
    return model_config_moe_layers(config) + (config->n_routed_experts ? config->num_nextn_predict_layers : 0);
}

#endif
