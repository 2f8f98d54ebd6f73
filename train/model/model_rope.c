/* Rotary positions: plain, and YaRN as transformers computes it (modeling_rope_utils.py, _compute_yarn_parameters). */
#include "train/model/model_internal.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

/* 0.1 m ln(factor) + 1: how much sharper attention gets when positions are stretched. */
static double yarn_mscale(double factor, double m)
{
    return factor <= 1.0 ? 1.0 : 0.1 * m * log(factor) + 1.0;
}

/* The pair whose wave turns `turns` times over the original length. */
static double yarn_pair(const struct model_config *c, double turns)
{
    double length = (double)c->rope_scaling.original_max_position_embeddings;
    return (double)c->qk_rope_head_dim * log(length / (turns * 2.0 * PI)) / (2.0 * log(c->rope_theta));
}

/* Pairs that turn often keep their frequency, those that turn less than once are stretched by the factor, a ramp lies between. */
static double yarn_frequency(const struct model_config *c, size_t pair, double plain)
{
    double last = (double)c->qk_rope_head_dim - 1.0;
    double low = fmax(floor(yarn_pair(c, c->rope_scaling.beta_fast)), 0.0);
    double high = fmin(ceil(yarn_pair(c, c->rope_scaling.beta_slow)), last);
    if (low == high)
        high += 0.001;
    double ramp = fmin(fmax(((double)pair - low) / (high - low), 0.0), 1.0);
    return plain / c->rope_scaling.factor * ramp + plain * (1.0 - ramp);
}

void model_rope_fill(const struct model_config *c, size_t sequence, op_acc *table)
{
    bool yarn = c->rope_scaling.type == MODEL_ROPE_YARN;
    const struct model_rope_scaling *s = &c->rope_scaling;
    double factor = 1.0; /* on cosine and sine */
    if (yarn)
        factor = s->mscale != 0.0 && s->mscale_all_dim != 0.0
                     ? yarn_mscale(s->factor, s->mscale) / yarn_mscale(s->factor, s->mscale_all_dim)
                     : yarn_mscale(s->factor, 1.0);
    for (size_t i = 0; i < c->qk_rope_head_dim / 2; i++) {
        double frequency = 1.0 / pow(c->rope_theta, 2.0 * (double)i / (double)c->qk_rope_head_dim);
        if (yarn)
            frequency = yarn_frequency(c, i, frequency);
        for (size_t t = 0; t < sequence; t++) {
            double angle = (double)t * frequency;
            table[t * c->qk_rope_head_dim + 2 * i] = (op_acc)(cos(angle) * factor);
            table[t * c->qk_rope_head_dim + 2 * i + 1] = (op_acc)(sin(angle) * factor);
        }
    }
}

double model_attention_scale(const struct model_config *c)
{
    double scale = 1.0 / sqrt((double)(c->qk_nope_head_dim + c->qk_rope_head_dim));
    if (c->rope_scaling.type == MODEL_ROPE_YARN && c->rope_scaling.mscale_all_dim != 0.0) {
        double m = yarn_mscale(c->rope_scaling.factor, c->rope_scaling.mscale_all_dim);
        scale *= m * m;
    }
    return scale;
}
