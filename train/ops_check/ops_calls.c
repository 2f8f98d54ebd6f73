/* From a case's sizes and tensors to the call: once, for tables of either type. */
#include "train/ops_check/ops_cases.h"

#include "base/check.h"
#include "train/ops.h"

#include <math.h>

/* op_acc: double for the oracle, float for the rest; the build says which. */
#ifndef OPS_SUFFIX
#define OPS_SUFFIX float
#endif
#define OPS_JOIN2(a, b) a##_##b
#define OPS_JOIN(a, b) OPS_JOIN2(a, b)
#define ops_call OPS_JOIN(ops_call, OPS_SUFFIX)

struct call {
    const struct ops_case *c;
    const struct op_table *ops;
    struct op_context *context;
    void *const *data;
};

/* The data of the tensor of that name. */
static void *at(const struct call *call, const char *name)
{
    size_t i = 0;
    while (i < call->c->tensor_count && strcmp(call->c->tensors[i].name, name) != 0)
        i++;
    q_check(i < call->c->tensor_count);
    return call->data[i];
}

static void call_embed(const struct call *k)
{
    const size_t *s = k->c->size;
    if (k->c->kind == OPS_EMBED)
        k->ops->embed(k->context, at(k, "out"), at(k, "table"), at(k, "ids"), s[0], s[1]);
    else
        k->ops->embed_backward(k->context, at(k, "dtable"), k->c->narrow, at(k, "dout"), at(k, "ids"), s[0], s[1],
                               s[2]);
}

static void call_rmsnorm(const struct call *k)
{
    const size_t *s = k->c->size;
    bool sum = k->c->kind == OPS_RMSNORM_SUM;
    if (k->c->kind == OPS_RMSNORM_BACKWARD)
        k->ops->rmsnorm_backward(k->context, at(k, "dx"), s[2], s[3], at(k, "dweight"), k->c->narrow, at(k, "dout"),
                                 at(k, "x"), s[2], at(k, "rstd"), at(k, "weight"), s[0], s[1]);
    else
        k->ops->rmsnorm(k->context, at(k, "out"), at(k, "rstd"), sum ? at(k, "sum") : NULL, at(k, "x"), s[2],
                        sum ? at(k, "delta") : NULL, at(k, "weight"), s[0], s[1], 1e-6);
}

static void call_matmul(const struct call *k)
{
    const size_t *s = k->c->size;
    size_t m = s[1], n = s[2], depth = s[3], pad = s[5];
    struct op_matmul product = {.kind = (enum op_product)s[0],
                                .m = m,
                                .n = n,
                                .k = depth,
                                .a = at(k, "a"),
                                .a_stride = (s[0] == OP_TN ? m : depth) + pad,
                                .b = at(k, "b"),
                                .b_stride = (s[0] == OP_NT ? depth : n) + pad,
                                .c = at(k, "c"),
                                .c_stride = n + pad,
                                .accumulate = s[4],
                                .wide = s[6],
                                .narrow = k->c->narrow};
    k->ops->matmul(k->context, &product);
}

static void call_grouped(const struct call *k)
{
    const size_t *s = k->c->size, slots = s[5] * s[6];
    struct op_grouped product = {.kind = (enum op_product)s[0],
                                 .experts = s[1],
                                 .m = s[0] == OP_TN ? s[2] : slots,
                                 .n = s[3],
                                 .k = s[0] == OP_TN ? slots : s[4],
                                 .offsets = at(k, "offsets"),
                                 .a = at(k, "a"),
                                 .b = at(k, "b"),
                                 .c = at(k, "c"),
                                 .expert_stride = s[0] == OP_TN ? s[2] * s[3] : s[3] * s[4],
                                 .accumulate = s[7],
                                 .narrow = k->c->narrow};
    k->ops->grouped(k->context, &product);
}

static void call_rope(const struct call *k)
{
    const size_t *s = k->c->size;
    struct op_rope rope = {.rows = s[0] * s[1],
                           .sequence = s[1],
                           .groups = s[2],
                           .group_stride = s[4],
                           .stride = s[2] * s[4],
                           .rope = s[3],
                           .x = at(k, "x"),
                           .table = at(k, "table"),
                           .inverse = s[5]};
    k->ops->rope(k->context, &rope);
}

static struct op_attention attention_of(const struct call *k)
{
    const size_t *s = k->c->size;
    return (struct op_attention){.batch = s[0],
                                 .sequence = s[1],
                                 .heads = s[2],
                                 .nope = s[3],
                                 .rope = s[4],
                                 .v = s[5],
                                 .scale = (op_acc)0.25,
                                 .q = at(k, "q"),
                                 .kv = at(k, "kv"),
                                 .k_rope = at(k, "k_rope"),
                                 .k_rope_stride = s[6],
                                 .out = at(k, "out"),
                                 .lse = at(k, "lse")};
}

static void call_attention(const struct call *k)
{
    struct op_attention attention = attention_of(k);
    if (k->c->kind == OPS_ATTENTION) {
        k->ops->attention(k->context, &attention);
        return;
    }
    attention.dout = at(k, "dout");
    attention.dq = at(k, "dq");
    attention.dkv = at(k, "dkv");
    attention.dk_rope = at(k, "dk_rope");
    attention.dk_rope_stride = k->c->size[6];
    k->ops->attention_backward(k->context, &attention);
}

static void call_swiglu(const struct call *k)
{
    const size_t *s = k->c->size;
    if (k->c->kind == OPS_SWIGLU)
        k->ops->swiglu(k->context, at(k, "out"), at(k, "gate_up"), s[0], s[1]);
    else
        k->ops->swiglu_backward(k->context, at(k, "dgate_up"), at(k, "dout"), at(k, "gate_up"), s[0], s[1]);
}

static struct op_router router_of(const struct call *k)
{
    const size_t *s = k->c->size;
    return (struct op_router){.tokens = s[0],
                              .experts = s[1],
                              .top_k = s[2],
                              .groups = s[3],
                              .top_groups = s[4],
                              .normalise = s[5],
                              .scaling = (op_acc)2.5,
                              .logits = at(k, "logits"),
                              .bias = at(k, "bias"),
                              .scores = at(k, "scores"),
                              .chosen = at(k, "chosen"),
                              .weights = at(k, "weights")};
}

static void call_router(const struct call *k)
{
    struct op_router router = router_of(k);
    if (k->c->kind == OPS_ROUTER) {
        router.counts = at(k, "counts");
        k->ops->router(k->context, &router);
        return;
    }
    router.dweights = at(k, "dweights");
    router.dscores = k->c->size[6] ? at(k, "dscores") : NULL;
    router.dlogits = at(k, "dlogits");
    k->ops->router_backward(k->context, &router);
}

static void call_balance(const struct call *k)
{
    const size_t *s = k->c->size;
    struct op_balance balance = {.batch = s[0],
                                 .sequence = s[1],
                                 .experts = s[2],
                                 .top_k = s[3],
                                 .scores = at(k, "scores"),
                                 .alpha = (op_acc)0.5,
                                 .loss = at(k, "loss"),
                                 .dscores = at(k, "dscores"),
                                 .grad_scale = (op_acc)0.25};
    k->ops->balance(k->context, &balance);
}

static struct op_route route_of(const struct call *k, size_t tokens, size_t experts, size_t top_k)
{
    return (struct op_route){.tokens = tokens,
                             .experts = experts,
                             .top_k = top_k,
                             .chosen = at(k, "chosen"),
                             .offsets = at(k, "offsets"),
                             .source = at(k, "source"),
                             .position = at(k, "position")};
}

static void call_permutation(const struct call *k)
{
    const size_t *s = k->c->size;
    size_t n = s[0], top_k = s[2], h = s[3];
    if (k->c->kind == OPS_ROUTE) {
        struct op_route route = route_of(k, n, s[1], top_k);
        route.choice = at(k, "choice");
        k->ops->route(k->context, &route);
    } else if (k->c->kind == OPS_GATHER) {
        k->ops->gather(k->context, at(k, "out"), at(k, "x"), at(k, "source"), n * top_k, h * k->ops->real_bytes);
    } else if (k->c->kind == OPS_GATHER_BACKWARD) {
        k->ops->gather_backward(k->context, at(k, "dx"), at(k, "dout"), at(k, "position"), n, top_k, h);
    } else if (k->c->kind == OPS_COMBINE) {
        k->ops->combine(k->context, at(k, "out"), at(k, "base"), at(k, "y"), at(k, "position"), at(k, "weights"), n,
                        top_k, h);
    } else {
        k->ops->combine_backward(k->context, at(k, "dweights"), at(k, "dinner"), at(k, "inner"), at(k, "position"),
                                 at(k, "weights"), n, top_k, h);
    }
}

static void call_cross_entropy(const struct call *k)
{
    const size_t *s = k->c->size;
    struct op_cross_entropy loss = {.tokens = s[0],
                                    .hidden = s[1],
                                    .vocabulary = s[2],
                                    .x = at(k, "x"),
                                    .weight = at(k, "weight"),
                                    .targets = at(k, "targets"),
                                    .losses = at(k, "losses"),
                                    .log_z = s[4] ? at(k, "log_z") : NULL,
                                    .grad_scale = (op_acc)0.125,
                                    .z_loss = s[4] ? (op_acc)0.05 : 0,
                                    .dx = s[3] ? at(k, "dx") : NULL,
                                    .dweight = s[3] ? at(k, "dweight") : NULL,
                                    .narrow = k->c->narrow};
    k->ops->cross_entropy(k->context, &loss);
}

static void call_optimizer(const struct call *k)
{
    size_t n = k->c->size[0], first = k->c->size[1];
    if (k->c->kind == OPS_SUM_SQUARES) {
        k->ops->sum_squares(k->context, at(k, "sum"), at(k, "x"), k->c->narrow, n);
    } else if (k->c->kind == OPS_AVERAGE) {
        k->ops->average(k->context, at(k, "average"), at(k, "x"), n, 0.125);
    } else if (k->c->kind == OPS_NARROW) {
        k->ops->narrow(k->context, at(k, "out"), at(k, "x"), n);
    } else if (k->c->kind == OPS_BIAS_UPDATE) {
        k->ops->bias_update(k->context, at(k, "bias"), at(k, "counts"), n, 0.001);
    } else {
        const struct op_segment segments[] = {{0, first, (op_acc)0.1}, {first, n - first, 0}};
        struct op_adamw adamw = {.parameters = at(k, "parameters"),
                                 .gradients = at(k, "gradients"),
                                 .narrow = k->c->narrow,
                                 .m = at(k, "m"),
                                 .v = at(k, "v"),
                                 .bf16 = k->c->size[2] != 0,
                                 .segments = segments,
                                 .segment_count = 2,
                                 .rate = 0.01,
                                 .beta1 = 0.9,
                                 .beta2 = 0.95,
                                 .epsilon = 1e-8,
                                 .step = 3,
                                 .grad_scale = 0.5};
        k->ops->adamw(k->context, &adamw);
    }
}

void ops_call(const struct ops_case *c, const struct op_table *table, struct op_context *context, void *const *data)
{
    static void (*const calls[OPS_KINDS])(const struct call *) = {
        [OPS_EMBED] = call_embed,
        [OPS_EMBED_BACKWARD] = call_embed,
        [OPS_RMSNORM] = call_rmsnorm,
        [OPS_RMSNORM_SUM] = call_rmsnorm,
        [OPS_RMSNORM_BACKWARD] = call_rmsnorm,
        [OPS_MATMUL] = call_matmul,
        [OPS_GROUPED] = call_grouped,
        [OPS_ROPE] = call_rope,
        [OPS_ATTENTION] = call_attention,
        [OPS_ATTENTION_BACKWARD] = call_attention,
        [OPS_SWIGLU] = call_swiglu,
        [OPS_SWIGLU_BACKWARD] = call_swiglu,
        [OPS_ROUTER] = call_router,
        [OPS_ROUTER_BACKWARD] = call_router,
        [OPS_BALANCE] = call_balance,
        [OPS_ROUTE] = call_permutation,
        [OPS_GATHER] = call_permutation,
        [OPS_GATHER_BACKWARD] = call_permutation,
        [OPS_COMBINE] = call_permutation,
        [OPS_COMBINE_BACKWARD] = call_permutation,
        [OPS_CROSS_ENTROPY] = call_cross_entropy,
        [OPS_SUM_SQUARES] = call_optimizer,
        [OPS_ADAMW] = call_optimizer,
        [OPS_AVERAGE] = call_optimizer,
        [OPS_NARROW] = call_optimizer,
        [OPS_BIAS_UPDATE] = call_optimizer,
    };
    struct call call = {c, table, context, data};
    calls[c->kind](&call);
}

#define ops_derive OPS_JOIN(ops_derive, OPS_SUFFIX)

void ops_derive(const struct ops_case *c, const struct op_table *table, struct op_context *context, void *const *data)
{
    struct call k = {c, table, context, data};
    const size_t *s = c->size;
    if (c->kind == OPS_ATTENTION_BACKWARD) {
        struct op_attention attention = attention_of(&k);
        table->attention(context, &attention);
    } else if (c->kind == OPS_ROUTER_BACKWARD) {
        struct op_router router = router_of(&k);
        table->router(context, &router);
    } else if (c->kind == OPS_GROUPED) {
        struct op_route route = route_of(&k, s[5], s[1], s[6]);
        table->route(context, &route);
    } else if (c->kind > OPS_ROUTE && c->kind <= OPS_COMBINE_BACKWARD) {
        struct op_route route = route_of(&k, s[0], s[1], s[2]);
        table->route(context, &route);
    }
}

#ifdef OPS_DERIVE
static void derive_rstd(const struct call *k)
{
    const size_t *s = k->c->size;
    const double *x = at(k, "x");
    double *rstd = at(k, "rstd");
    for (size_t row = 0; row < s[0]; row++) {
        double squares = 0;
        for (size_t i = 0; i < s[1]; i++)
            squares += x[row * s[2] + i] * x[row * s[2] + i];
        rstd[row] = 1.0 / sqrt(squares / (double)s[1] + 1e-6);
    }
}

static void derive_rope(const struct call *k)
{
    const size_t *s = k->c->size;
    double *rope = at(k, "table");
    for (size_t t = 0; t < s[1]; t++)
        for (size_t i = 0; i < s[3]; i += 2) {
            rope[t * s[3] + i] = cos((double)t / (1.0 + (double)i));
            rope[t * s[3] + i + 1] = sin((double)t / (1.0 + (double)i));
        }
}

void ops_derive_numbers(const struct ops_case *c, void *const *data)
{
    const struct call k = {c, NULL, NULL, data};
    if (c->kind == OPS_RMSNORM_BACKWARD)
        derive_rstd(&k);
    else if (c->kind == OPS_ROPE)
        derive_rope(&k);
}
#endif
