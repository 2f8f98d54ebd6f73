/* Cases of operations: shapes and tensors, written once, called with any table whose op_acc is float and with the plain one in double. Used by ops_check.c. */
#ifndef QUERN_TRAIN_OPS_CASES_H
#define QUERN_TRAIN_OPS_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ops_kind {
    OPS_EMBED,
    OPS_EMBED_BACKWARD,
    OPS_RMSNORM,
    OPS_RMSNORM_SUM,
    OPS_RMSNORM_BACKWARD,
    OPS_MATMUL,
    OPS_GROUPED,
    OPS_ROPE,
    OPS_ATTENTION,
    OPS_ATTENTION_BACKWARD,
    OPS_SWIGLU,
    OPS_SWIGLU_BACKWARD,
    OPS_ROUTER,
    OPS_ROUTER_BACKWARD,
    OPS_BALANCE,
    OPS_ROUTE,
    OPS_GATHER,
    OPS_GATHER_BACKWARD,
    OPS_COMBINE,
    OPS_COMBINE_BACKWARD,
    OPS_CROSS_ENTROPY,
    OPS_SUM_SQUARES,
    OPS_ADAMW,
    OPS_AVERAGE,
    OPS_NARROW,
    OPS_BIAS_UPDATE,
    OPS_KINDS,
};

enum ops_type {
    OPS_REAL, /* op_real of the table */
    OPS_ACC,
    OPS_BF16, /* for every table; a number halfway between two may be rounded to either */
    OPS_I32,
    OPS_I64,
    OPS_DOUBLE /* host, double for every table */
};

enum ops_role {
    OPS_IN,    /* must not change */
    OPS_OUT,   /* poisoned before: every element must be written */
    OPS_INOUT, /* added to, or in place */
};

enum ops_fill {
    OPS_NORMAL,   /* deviation 1 */
    OPS_NEAR_ONE, /* 1 + 0.1 normal */
    OPS_COARSE,   /* eighths of at most 8: their sums are numbers of BF16 too */
    OPS_SQUARES,  /* normal squared, times 0.01 */
    OPS_IDS,      /* below `bound` */
    OPS_TARGETS,  /* below `bound`, some -1 */
    OPS_CHOSEN,   /* K different experts for each token */
    OPS_DERIVED,  /* by the plain operations in double: what a forward leaves, a sorted order, a table of cosines */
};

enum { OPS_TENSORS_MAX = 16, OPS_SIZES = 8 };

struct ops_tensor {
    const char *name;
    enum ops_type type;
    enum ops_role role;
    enum ops_fill fill;
    size_t count;
    uint64_t bound;
    bool strided; /* its rows have a stride: it may be a view into others, aligned to 4 bytes */
};

/* What the numbers of `size` are, the kind's describe function in ops_cases.c says. */
struct ops_case {
    enum ops_kind kind;
    const char *operation; /* "matmul NT" */
    size_t size[OPS_SIZES];
    bool views;  /* what may be a view begins 4 bytes behind 64 */
    bool narrow; /* gradients of weights are op_real */
    struct ops_tensor tensors[OPS_TENSORS_MAX];
    size_t tensor_count;
    double flop, bytes; /* of one call: the least that must be computed and moved */
};

/* Fills in everything from kind and size; `bytes` for op_real of so many. */
void ops_describe(struct ops_case *c, size_t real_bytes);

/* Of an element in a backend's memory, op_real being of so many; the oracle's op_real and op_acc are double. */
size_t ops_element_bytes(enum ops_type type, size_t real_bytes);
/* The numbers of `size`, without the zeros behind them, and whether there are views, or narrow gradients. */
enum { OPS_SHAPE_MAX = 96 };
void ops_format_shape(const struct ops_case *c, char out[OPS_SHAPE_MAX]);

/* The cases with odd shapes that every backend is checked with; kind OPS_KINDS behind the last. */
extern const struct ops_case ops_check_cases[];
/* And larger ones, for a GPU's kernels: their rings of buffers go round, their blocks come to several tiles. A processor takes seconds for them, the
 * emulated device minutes. */
extern const struct ops_case ops_large_cases[];

/* How many products a number is the sum of, where the operation is a product of matrices; else 0. */
size_t ops_depth(const struct ops_case *c);

/* Whether the operation's name begins so; NULL: every name does. */
bool ops_is_named(const struct ops_case *c, const char *operation);
/* Draws the first `count` numbers of a tensor: double for op_real and op_acc, else what the type says. Of OPS_CHOSEN whole tokens. */
void ops_fill(const struct ops_case *c, size_t tensor, size_t count, void *out);

/* The shapes of a model's layers, embedding, head and optimizer for a micro-batch of batch x sequence tokens: what is timed. Every product once forward
 * and twice backward; of arenas some hundred megabytes at most. Returns how many. */
enum { OPS_MODEL_CASES_MAX = 96 };
struct model_config;
size_t ops_model_cases(const struct model_config *config, size_t batch, size_t sequence,
                       struct ops_case out[OPS_MODEL_CASES_MAX]);

struct op_table;
struct op_context;

/* ops_calls.c, compiled for float and for double: runs the case with a table of that op_acc on its tensors' data. */
void ops_call_float(const struct ops_case *c, const struct op_table *table, struct op_context *context,
                    void *const *data);
void ops_call_double(const struct ops_case *c, const struct op_table *table, struct op_context *context,
                     void *const *data);
/* Fills the OPS_DERIVED tensors that come from another operation with the table, plain or a backend's. */
void ops_derive_float(const struct ops_case *c, const struct op_table *table, struct op_context *context,
                      void *const *data);
void ops_derive_double(const struct ops_case *c, const struct op_table *table, struct op_context *context,
                       void *const *data);
/* The others, in the host's memory: rstd of rmsnorm_backward from its x, the table of rope. */
void ops_derive_numbers(const struct ops_case *c, void *const *data);

#endif
