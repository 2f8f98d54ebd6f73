#include "train/ops_check/ops_cases.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

size_t ops_element_bytes(enum ops_type type, size_t real_bytes)
{
    switch (type) {
    case OPS_REAL:
        return real_bytes;
    case OPS_ACC:
        return sizeof(float);
    case OPS_BF16:
        return sizeof(uint16_t);
    case OPS_I32:
        return sizeof(int32_t);
    default:
        return sizeof(int64_t);
    }
}

void ops_format_shape(const struct ops_case *c, char out[OPS_SHAPE_MAX])
{
    size_t used = 0, last = OPS_SIZES;
    while (last > 1 && c->size[last - 1] == 0)
        last--;
    for (size_t i = 0; i < last; i++)
        used += (size_t)snprintf(out + used, OPS_SHAPE_MAX - used, i ? " %zu" : "%zu", c->size[i]);
    (void)snprintf(out + used, OPS_SHAPE_MAX - used, "%s%s", c->views ? ", views" : "", c->narrow ? ", narrow" : "");
}

static void add(struct ops_case *c, const char *name, enum ops_type type, enum ops_role role, enum ops_fill fill,
                size_t count)
{
    q_check(c->tensor_count < OPS_TENSORS_MAX);
    c->tensors[c->tensor_count++] = (struct ops_tensor){name, type, role, fill, count, 0, false};
}

/* The tensor that was added last has rows with a stride. */
static void strided(struct ops_case *c)
{
    c->tensors[c->tensor_count - 1].strided = true;
}

static void add_ids(struct ops_case *c, const char *name, enum ops_fill fill, size_t count, size_t bound)
{
    add(c, name, OPS_I32, OPS_IN, fill, count);
    c->tensors[c->tensor_count - 1].bound = bound;
}

static void add_in(struct ops_case *c, const char *name, enum ops_type type, size_t count)
{
    add(c, name, type, OPS_IN, OPS_NORMAL, count);
}

static void add_out(struct ops_case *c, const char *name, enum ops_type type, size_t count)
{
    add(c, name, type, OPS_OUT, OPS_NORMAL, count);
}

static void add_sum(struct ops_case *c, const char *name, enum ops_type type, size_t count)
{
    add(c, name, type, OPS_INOUT, OPS_NORMAL, count);
}

/* What a gradient of weights is. */
static enum ops_type gradient_type(const struct ops_case *c)
{
    return c->narrow ? OPS_REAL : OPS_ACC;
}

static void add_derived(struct ops_case *c, const char *name, enum ops_type type, size_t count)
{
    add(c, name, type, OPS_IN, OPS_DERIVED, count);
}

/* size: N, H, V */
static void describe_embed(struct ops_case *c)
{
    size_t n = c->size[0], h = c->size[1], v = c->size[2];
    c->operation = c->kind == OPS_EMBED ? "embed" : "embed_backward";
    if (c->kind == OPS_EMBED) {
        add_out(c, "out", OPS_REAL, n * h);
        add_in(c, "table", OPS_REAL, v * h);
    } else {
        add_sum(c, "dtable", gradient_type(c), v * h);
        add_in(c, "dout", OPS_REAL, n * h);
    }
    add_ids(c, "ids", OPS_IDS, n, v);
}

/* size: rows, width, stride of x (and dx), accumulate */
static void describe_rmsnorm(struct ops_case *c)
{
    size_t n = c->size[0], w = c->size[1], stride = c->size[2], span = (n - 1) * stride + w;
    if (c->kind == OPS_RMSNORM_BACKWARD) {
        c->operation = "rmsnorm_backward";
        add_sum(c, "dx", OPS_REAL, span);
        strided(c);
        add_sum(c, "dweight", gradient_type(c), w);
        add_in(c, "dout", OPS_REAL, n * w);
        add_in(c, "x", OPS_REAL, span);
        strided(c);
        add_derived(c, "rstd", OPS_ACC, n);
        add(c, "weight", OPS_ACC, OPS_IN, OPS_NEAR_ONE, w);
        return;
    }
    c->operation = c->kind == OPS_RMSNORM ? "rmsnorm" : "rmsnorm with sum";
    add_out(c, "out", OPS_REAL, n * w);
    add_out(c, "rstd", OPS_ACC, n);
    const enum ops_fill fill = c->kind == OPS_RMSNORM_SUM ? OPS_COARSE : OPS_NORMAL; /* the sum is not rounded then */
    add(c, "x", OPS_REAL, OPS_IN, fill, span);
    strided(c);
    add(c, "weight", OPS_ACC, OPS_IN, OPS_NEAR_ONE, w);
    if (c->kind == OPS_RMSNORM_SUM) {
        add_out(c, "sum", OPS_REAL, n * w);
        add(c, "delta", OPS_REAL, OPS_IN, fill, n * w);
    }
}

/* size: product (enum op_product), m, n, k, accumulate, padding of each row, wide */
static void describe_matmul(struct ops_case *c)
{
    static const char *const names[] = {"matmul NT", "matmul NN", "matmul TN"};
    size_t m = c->size[1], n = c->size[2], k = c->size[3], pad = c->size[5];
    static const char *const wide_names[] = {"matmul NT wide", "matmul NN wide", "matmul TN wide"};
    const bool wide = c->size[6], weights = c->size[0] == 2, logits = wide && c->size[0] == 0;
    c->operation = wide ? wide_names[c->size[0]] : names[c->size[0]];
    add_sum(c, "c",
            weights  ? gradient_type(c)
            : logits ? OPS_ACC
                     : OPS_REAL,
            (m - 1) * (n + pad) + n); /* the padding between rows must stay */
    strided(c);
    add_in(c, "a", wide && !logits ? OPS_ACC : OPS_REAL, weights ? k * (m + pad) : m * (k + pad));
    strided(c);
    add_in(c, "b", OPS_REAL, c->size[0] == 0 ? n * (k + pad) : k * (n + pad));
    strided(c);
    c->flop = 2.0 * (double)m * (double)n * (double)k;
}

/* size: product, E, m, n, k, tokens, top_k, accumulate. S = tokens * top_k. */
static void describe_grouped(struct ops_case *c)
{
    static const char *const names[] = {"grouped NT", "grouped NN", "grouped TN"};
    size_t e = c->size[1], m = c->size[2], n = c->size[3], k = c->size[4], slots = c->size[5] * c->size[6];
    c->operation = names[c->size[0]];
    bool weights = c->size[0] == 2;
    add(c, "c", weights ? gradient_type(c) : OPS_REAL, c->size[7] ? OPS_INOUT : OPS_OUT, OPS_NORMAL,
        weights ? e * m * n : slots * n);
    add_in(c, "a", OPS_REAL, slots * (weights ? m : k));
    add_in(c, "b", OPS_REAL, weights ? slots * n : e * n * k);
    add_ids(c, "chosen", OPS_CHOSEN, slots, e);
    c->tensors[c->tensor_count - 1].bound = e;
    add_derived(c, "offsets", OPS_I32, e + 1);
    add_derived(c, "source", OPS_I32, slots);
    add_derived(c, "position", OPS_I32, slots);
    c->flop = 2.0 * (double)slots * (double)n * (double)(weights ? m : k);
}

/* size: B, T, groups, rope, piece (elements between groups), inverse */
static void describe_rope(struct ops_case *c)
{
    size_t n = c->size[0] * c->size[1];
    c->operation = c->size[5] ? "rope inverse" : "rope";
    add_sum(c, "x", OPS_REAL, n * c->size[2] * c->size[4]);
    strided(c);
    add_derived(c, "table", OPS_ACC, c->size[1] * c->size[3]);
}

size_t ops_depth(const struct ops_case *c)
{
    if (c->kind == OPS_MATMUL)
        return c->size[3];
    if (c->kind != OPS_GROUPED)
        return 0;
    return c->size[0] == 2 ? c->size[5] * c->size[6] : c->size[4];
}

/* size: B, T, heads, nope, rope, v, stride of the shared key */
static void describe_attention(struct ops_case *c)
{
    size_t n = c->size[0] * c->size[1], heads = c->size[2], key = c->size[3] + c->size[4], v = c->size[5];
    bool backward = c->kind == OPS_ATTENTION_BACKWARD;
    c->operation = backward ? "attention_backward" : "attention";
    add_in(c, "q", OPS_REAL, n * heads * key);
    add_in(c, "kv", OPS_REAL, n * heads * (c->size[3] + v));
    add_in(c, "k_rope", OPS_REAL, n * c->size[6]);
    strided(c);
    double pairs = (double)(n * heads) * ((double)c->size[1] + 1) / 2;
    c->flop = pairs * 2 * (double)(key + v) * (backward ? 2 : 1);
    if (!backward) {
        add_out(c, "out", OPS_REAL, n * heads * v);
        add_out(c, "lse", OPS_ACC, n * heads);
        return;
    }
    add_derived(c, "out", OPS_REAL, n * heads * v);
    add_derived(c, "lse", OPS_ACC, n * heads);
    add_in(c, "dout", OPS_REAL, n * heads * v);
    add_out(c, "dq", OPS_REAL, n * heads * key);
    add_out(c, "dkv", OPS_REAL, n * heads * (c->size[3] + v));
    add_sum(c, "dk_rope", OPS_REAL, n * c->size[6]); /* the columns of others stay */
    strided(c);
}

/* size: rows, inner */
static void describe_swiglu(struct ops_case *c)
{
    size_t rows = c->size[0], inner = c->size[1];
    c->operation = c->kind == OPS_SWIGLU ? "swiglu" : "swiglu_backward";
    if (c->kind == OPS_SWIGLU) {
        add_out(c, "out", OPS_REAL, rows * inner);
    } else {
        add_out(c, "dgate_up", OPS_REAL, rows * 2 * inner);
        add_in(c, "dout", OPS_REAL, rows * inner);
    }
    add_in(c, "gate_up", OPS_REAL, rows * 2 * inner);
}

/* size: N, E, K, groups, top groups, normalise, (backward) with scores' gradient */
static void describe_router(struct ops_case *c)
{
    size_t n = c->size[0], e = c->size[1], k = c->size[2];
    bool backward = c->kind == OPS_ROUTER_BACKWARD;
    c->operation = backward ? "router_backward" : "router";
    add_in(c, "logits", OPS_ACC, n * e);
    add(c, "bias", OPS_ACC, OPS_IN, OPS_SQUARES, e);
    if (!backward) {
        add_out(c, "scores", OPS_ACC, n * e);
        add(c, "chosen", OPS_I32, OPS_OUT, OPS_IDS, n * k);
        add_out(c, "weights", OPS_ACC, n * k);
        add(c, "counts", OPS_I64, OPS_INOUT, OPS_IDS, e);
        return;
    }
    add_derived(c, "scores", OPS_ACC, n * e);
    add_derived(c, "chosen", OPS_I32, n * k);
    add_derived(c, "weights", OPS_ACC, n * k);
    add_in(c, "dweights", OPS_ACC, n * k);
    add_in(c, "dscores", OPS_ACC, n * e);
    add_out(c, "dlogits", OPS_ACC, n * e);
}

/* size: B, T, E, K */
static void describe_balance(struct ops_case *c)
{
    size_t n = c->size[0] * c->size[1], e = c->size[2];
    c->operation = "balance";
    add(c, "scores", OPS_ACC, OPS_IN, OPS_SQUARES, n * e);
    add_out(c, "loss", OPS_ACC, c->size[0]);
    add_out(c, "dscores", OPS_ACC, n * e);
}

/* size: N, E, K, H */
static void describe_permutation(struct ops_case *c)
{
    static const char *const names[] = {"route", "gather", "gather_backward", "combine", "combine_backward"};
    size_t n = c->size[0], e = c->size[1], slots = n * c->size[2], h = c->size[3];
    c->operation = names[c->kind - OPS_ROUTE];
    add_ids(c, "chosen", OPS_CHOSEN, slots, e);
    if (c->kind == OPS_ROUTE) {
        add(c, "offsets", OPS_I32, OPS_OUT, OPS_IDS, e + 1);
        add(c, "source", OPS_I32, OPS_OUT, OPS_IDS, slots);
        add(c, "position", OPS_I32, OPS_OUT, OPS_IDS, slots);
        add(c, "choice", OPS_I32, OPS_OUT, OPS_IDS, slots);
        return;
    }
    add_derived(c, "offsets", OPS_I32, e + 1);
    add_derived(c, "source", OPS_I32, slots);
    add_derived(c, "position", OPS_I32, slots);
    if (c->kind == OPS_GATHER) {
        add_out(c, "out", OPS_REAL, slots * h);
        add_in(c, "x", OPS_REAL, n * h);
    } else if (c->kind == OPS_GATHER_BACKWARD) {
        add_sum(c, "dx", OPS_REAL, n * h);
        add_in(c, "dout", OPS_REAL, slots * h);
    } else if (c->kind == OPS_COMBINE) {
        add_out(c, "out", OPS_REAL, n * h);
        add_in(c, "base", OPS_REAL, n * h);
        add_in(c, "y", OPS_REAL, slots * h);
        add_in(c, "weights", OPS_ACC, slots);
    } else {
        add_out(c, "dweights", OPS_ACC, slots);
        add_sum(c, "dinner", OPS_REAL, slots * h);
        add_sum(c, "inner", OPS_REAL, slots * h);
        add(c, "weights", OPS_ACC, OPS_IN, OPS_NEAR_ONE,
            slots); /* both are multiplied, again and again where it is timed */
    }
}

/* size: N, H, V, with gradients, with z-loss */
static void describe_cross_entropy(struct ops_case *c)
{
    size_t n = c->size[0], h = c->size[1], v = c->size[2];
    c->operation = c->size[3] ? "cross_entropy" : "cross_entropy, losses only";
    add_in(c, "x", OPS_REAL, n * h);
    add_in(c, "weight", OPS_REAL, v * h);
    add_ids(c, "targets", OPS_TARGETS, n, v);
    add_out(c, "losses", OPS_ACC, n);
    if (c->size[4])
        add_out(c, "log_z", OPS_ACC, n);
    if (c->size[3]) {
        add_out(c, "dx", OPS_REAL, n * h);
        add_sum(c, "dweight", gradient_type(c), v * h);
    }
    c->flop = (c->size[3] ? 6.0 : 2.0) * (double)n * (double)h * (double)v;
}

/* size: elements, (adamw) of the first run, moments as BF16 */
static void describe_optimizer(struct ops_case *c)
{
    size_t n = c->size[0];
    if (c->kind == OPS_SUM_SQUARES) {
        c->operation = "sum_squares";
        add(c, "sum", OPS_DOUBLE, OPS_OUT, OPS_NORMAL, 1);
        add_in(c, "x", gradient_type(c), n);
    } else if (c->kind == OPS_ADAMW) {
        const enum ops_type moments = c->size[2] ? OPS_BF16 : OPS_ACC;
        c->operation = c->size[2] ? "adamw, BF16 moments" : "adamw";
        add_sum(c, "parameters", OPS_ACC, n);
        add_sum(c, "gradients", gradient_type(c), n);
        add(c, "m", moments, OPS_INOUT, OPS_NORMAL, n);
        add(c, "v", moments, OPS_INOUT, OPS_SQUARES, n);
    } else if (c->kind == OPS_AVERAGE) {
        c->operation = "average";
        add_sum(c, "average", OPS_ACC, n);
        add_in(c, "x", OPS_ACC, n);
    } else if (c->kind == OPS_NARROW) {
        c->operation = "narrow";
        add_out(c, "out", OPS_REAL, n);
        add_in(c, "x", OPS_ACC, n);
    } else {
        c->operation = "bias_update";
        add_sum(c, "bias", OPS_ACC, n);
        add(c, "counts", OPS_I64, OPS_IN, OPS_IDS, n);
    }
}

/* Bytes of the tensors, twice of what is added to; of an embedding's table only the rows that tokens name, of
 * rope what is turned. */
static double bytes_of(const struct ops_case *c, size_t real_bytes)
{
    const double n = (double)c->size[0] * (double)c->size[1], real = (double)real_bytes;
    double bytes = 0;
    if (c->kind == OPS_EMBED)
        return 2 * real * n;
    if (c->kind == OPS_EMBED_BACKWARD)
        return (2 * (double)ops_element_bytes(gradient_type(c), real_bytes) + real) * n;
    if (c->kind == OPS_ROPE)
        return 2 * real * n * (double)(c->size[2] * c->size[3]);
    for (size_t i = 0; i < c->tensor_count; i++)
        bytes += (double)ops_element_bytes(c->tensors[i].type, real_bytes) * (c->tensors[i].role == OPS_INOUT ? 2 : 1) *
                 (double)c->tensors[i].count;
    return bytes;
}

void ops_describe(struct ops_case *c, size_t real_bytes)
{
    static void (*const describe[OPS_KINDS])(struct ops_case *) = {
        [OPS_EMBED] = describe_embed,
        [OPS_EMBED_BACKWARD] = describe_embed,
        [OPS_RMSNORM] = describe_rmsnorm,
        [OPS_RMSNORM_SUM] = describe_rmsnorm,
        [OPS_RMSNORM_BACKWARD] = describe_rmsnorm,
        [OPS_MATMUL] = describe_matmul,
        [OPS_GROUPED] = describe_grouped,
        [OPS_ROPE] = describe_rope,
        [OPS_ATTENTION] = describe_attention,
        [OPS_ATTENTION_BACKWARD] = describe_attention,
        [OPS_SWIGLU] = describe_swiglu,
        [OPS_SWIGLU_BACKWARD] = describe_swiglu,
        [OPS_ROUTER] = describe_router,
        [OPS_ROUTER_BACKWARD] = describe_router,
        [OPS_BALANCE] = describe_balance,
        [OPS_ROUTE] = describe_permutation,
        [OPS_GATHER] = describe_permutation,
        [OPS_GATHER_BACKWARD] = describe_permutation,
        [OPS_COMBINE] = describe_permutation,
        [OPS_COMBINE_BACKWARD] = describe_permutation,
        [OPS_CROSS_ENTROPY] = describe_cross_entropy,
        [OPS_SUM_SQUARES] = describe_optimizer,
        [OPS_ADAMW] = describe_optimizer,
        [OPS_AVERAGE] = describe_optimizer,
        [OPS_NARROW] = describe_optimizer,
        [OPS_BIAS_UPDATE] = describe_optimizer,
    };
    describe[c->kind](c);
    c->bytes = bytes_of(c, real_bytes);
}

bool ops_is_named(const struct ops_case *c, const char *operation)
{
    struct ops_case described = *c;
    ops_describe(&described, sizeof(float));
    return !operation || strncmp(described.operation, operation, strlen(operation)) == 0;
}
