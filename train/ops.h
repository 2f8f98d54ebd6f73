/* Operations: what the model asks of a machine. One table of functions, several implementations:
 *
 *     train/plain/   loops one can read, compiled for float and for double: the oracle of the tests
 *     train/cpu/     vectors and threads: the default
 *     train/cuda/    the same table on a GPU
 *
 * The model (train/model/) is written once over this table and never looks behind it. A table with a hole in it is refused at start
 * (op_table_check). `op_context` is a backend's own: threads, workspace, streams.
 *
 * Common to all operations
 *   memory      Tensors lie in memory of memory_create, rows contiguous unless a row stride (`*_stride`, in elements) is given.
 *               Starts are aligned to 64 bytes for whole tensors; a view into a row needs 4. Nothing outside a tensor is written.
 *   aliasing    Outputs do not overlap inputs, unless an operation says "in place".
 *   accumulate  "=" writes (old content may be anything, NaN included), "+=" adds to what is there.
 *   nothing     Tokens, rows, slots and sequences may be none: what is written for each of them is left alone, what is summed over them gets nothing added.
 *   workspace   Taken once by `reserve` for the largest shapes to come; an operation allocates nothing.
 *   failure     Operations return nothing. What goes wrong inside (a device lost) sticks and comes out of `synchronize`. Wrong shapes
 *               are a defect of the caller (q_check). NaN and infinities flow through as in IEEE arithmetic.
 *   time        A backend may run operations later, in the order called; copy_out and synchronize wait.
 *   bits        The same inputs give the same bits on the same backend and instruction set, for any number of threads: sums run
 *               over fixed tiles in a fixed order. A table that is `nondeterministic` promises that no more.
 *
 * Types: op_real are activations and the weights that products and embeddings read; op_acc is what must never be less than FP32: statistics, router logits and
 * scores, losses, norms' weights, master weights, moments (unless BF16 was chosen for those). What op_real is, a table says
 * (real_bytes): FP32, or BF16 (train/bfloat16.h), so that one program may hold tables of both. Callers see pointers alone (op_real_at). Sums are in op_acc
 * whatever op_real is, and what is written as op_real is rounded once, to the nearest, ties to even.
 *
 * Gradients of weights are op_acc, or op_real where a call says `narrow`, norms' too. What a call adds to one is a sum in op_acc of all its rows, and old
 * number and sum are rounded once, together. Only cross_entropy adds several times, once for each block of its tokens.
 *
 * Letters: N tokens of a micro-batch = B sequences x T; H hidden; V vocabulary; E experts; K experts chosen per token; S = N K slots,
 * a slot being one (token, chosen expert).
 */
#ifndef QUERN_TRAIN_OPS_H
#define QUERN_TRAIN_OPS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef OP_FLOAT /* the plain twins and the model are compiled a second time with double, for finite differences */
#define OP_FLOAT float
#endif
typedef OP_FLOAT op_acc;
typedef struct op_real op_real; /* never defined: a backend knows its own */

struct op_context;
struct q_pool;

/* What op_real is. */
enum op_precision { OP_FP32, OP_BF16 };
extern const char *const op_precision_names[]; /* "fp32", "bf16", NULL */

/* What computes. OP_CUDA_DNN is OP_CUDA with attention of BF16 by cuDNN, where that has a way for it: other bits, so that it is chosen and not found. */
enum op_device { OP_CPU, OP_CUDA, OP_CUDA_DNN };
extern const char *const op_device_names[]; /* "cpu", "cuda", "cuda-dnn", NULL */

/* The largest shapes that will be asked for: what workspace is planned from. */
struct op_limits {
    size_t batch, sequence;      /* B, T */
    size_t hidden, vocabulary;   /* H, V */
    size_t heads, nope, rope, v; /* of attention */
    size_t experts, top_k;       /* E, K; 0 where there are none */
    size_t width;                /* the widest row of any product */
    size_t parameters;           /* elements of the largest parameter arena: for the norm */
};

/* C[m,n] = or += a product of two row-major matrices, by the letters of BLAS (T: transposed in memory):
 *   NT  C = A[m,k] B[n,k]^T   y = x W^T       forward, W as Hugging Face stores it [out, in]
 *   NN  C = A[m,k] B[k,n]     dx = dy W       gradient of the input
 *   TN  C = A[k,m]^T B[k,n]   dW += dy^T x    gradient of the weight                                                      */
enum op_product { OP_NT, OP_NN, OP_TN };

struct op_matmul {
    enum op_product kind;
    size_t m, n, k;
    const void *a; /* op_real; wide, of NN and TN: op_acc */
    size_t a_stride;
    const op_real *b;
    size_t b_stride;
    void *c; /* op_real; of TN unless narrow, and wide of NT: op_acc */
    size_t c_stride;
    bool accumulate;
    bool wide;   /* y of y = x W^T and its gradient dy are op_acc: the router's logits */
    bool narrow; /* the gradient of a weight, c of TN, is op_real */
};

/* E products over runs of slots, no row padded: expert e has the rows offsets[e] .. offsets[e+1]. An empty run is no error.
 *   NT  C[rows,n] = A[rows,k] B_e[n,k]^T      B_e = b + e * expert_stride
 *   NN  C[rows,n] = A[rows,k] B_e[k,n]
 *   TN  C_e[m,n] += A[rows,m]^T B[rows,n]     C_e = c + e * expert_stride; an empty run adds nothing                          */
struct op_grouped {
    enum op_product kind;
    size_t experts;
    size_t m, n, k;         /* NT, NN: m is S; TN: k is S: the rows there are, of which the runs take the first ones */
    const int32_t *offsets; /* [E+1], ascending from 0 to S at most */
    const op_real *a;       /* [S, k] or [S, m], contiguous */
    const op_real *b;       /* [E, ...] or [S, n], contiguous in each expert */
    void *c;                /* op_real; of TN unless narrow: op_acc */
    size_t expert_stride;   /* elements between experts, in b (NT, NN) or c (TN) */
    bool accumulate;
    bool narrow; /* of TN: c is op_real */
};

/* Rotary positions on interleaved pairs (x[2i], x[2i+1]), in place, on `groups` pieces of `rope` elements in each row: piece g starts
 * at x + row * stride + g * group_stride. The position of row r is r mod T. Su et al., arXiv 2104.09864. */
struct op_rope {
    size_t rows, sequence;
    size_t groups, group_stride, stride, rope;
    op_real *x;
    const op_acc *table; /* [T, rope]: cosine and sine of pair i at 2i, 2i+1, YaRN's factor included */
    bool inverse;        /* rotates back: the gradient */
};

/* Causal attention of MLA in its expanded form (DeepSeek-V2, section 2.1): head h of token t has
 *   query [nope + rope] at q[t, h], key = (nope part of kv[t, h], k_rope[t] shared by all heads), value = v part of kv[t, h].
 * out[t, h] = sum over s <= t of softmax(scale * q.k)_s value_s, sequences apart. lse is the log of the softmax's denominator (natural,
 * scale included): what the backward rebuilds the probabilities from; no score matrix is kept. */
struct op_attention {
    size_t batch, sequence, heads, nope, rope, v;
    op_acc scale;
    const op_real *q;      /* [N, heads, nope + rope], rotated */
    const op_real *kv;     /* [N, heads, nope + v] */
    const op_real *k_rope; /* [N, rope], rotated */
    size_t k_rope_stride;
    op_real *out;        /* [N, heads, v] = (forward), read (backward) */
    op_acc *lse;         /* [B, heads, T] = (forward), read (backward) */
    const op_real *dout; /* backward only, as out */
    op_real *dq, *dkv;   /* =, as q and kv */
    op_real *dk_rope;    /* =, summed over heads */
    size_t dk_rope_stride;
};

/* DeepSeek-V3's router (report, section 2.1.2): s = sigmoid(logits); c = s + bias; a group's score is the sum of its two best c; of the
 * `top_groups` best groups the top_k best c are chosen; weights are their s (without bias), divided by their sum where `normalise`, times
 * scaling. Ties go to the lower index. `chosen` of a token is in falling order of c. */
struct op_router {
    size_t tokens, experts, top_k, groups, top_groups;
    bool normalise;
    op_acc scaling;
    const op_acc *logits;   /* [N, E] */
    const op_acc *bias;     /* [E] */
    op_acc *scores;         /* [N, E] = s; read by the backward */
    int32_t *chosen;        /* [N, K] = */
    op_acc *weights;        /* [N, K] = */
    int64_t *counts;        /* [E] += tokens of each expert; NULL: not counted (recomputation) */
    const op_acc *dweights; /* backward: [N, K] */
    const op_acc *dscores;  /* backward: [N, E] added where not NULL (from balance) */
    op_acc *dlogits;        /* backward: [N, E] = */
};

/* Sequence-wise balance loss (report, equations 17-20): per sequence alpha * sum_i f_i P_i; f_i = E / (K T) * how often i is in the top
 * K of s alone, P_i = mean over t of s_i / sum_j s_j. f is constant for the gradient. Batch-wise (section 4.5.3) it is that of one sequence of all tokens. */
struct op_balance {
    size_t batch, sequence, experts, top_k;
    const op_acc *scores; /* [N, E] */
    op_acc alpha;
    op_acc *loss;    /* [B] = alpha sum_i f_i P_i of each sequence */
    op_acc *dscores; /* [N, E] = grad_scale * d loss / d s */
    op_acc grad_scale;
};

/* Slots sorted by expert, tokens in order within an expert (a counting sort).
 *   offsets[E+1]   expert e has the sorted rows offsets[e] .. offsets[e+1]
 *   source[S]      sorted row -> token
 *   position[N,K]  (token, choice) -> sorted row
 *   choice[S]      sorted row -> (token, choice): the inverse of position; NULL: not wanted           */
struct op_route {
    size_t tokens, experts, top_k;
    const int32_t *chosen;
    int32_t *offsets, *source, *position, *choice;
};

/* Cross-entropy of the head's product, in blocks of tokens, so that the logits [N, V] never exist whole. losses[i] = -log softmax(x_i
 * W^T)[target_i]; a target below 0 is none: loss 0, no gradient. With dx: also dx[N,H] = and dweight[V,H] +=, the gradients of
 * grad_scale * sum of (losses[i] + z_loss * log_z[i]^2), log_z being the log of the softmax's denominator (PaLM, arXiv 2204.02311, section 5). */
struct op_cross_entropy {
    size_t tokens, hidden, vocabulary;
    const op_real *x;      /* [N, H] */
    const op_real *weight; /* [V, H] */
    const int32_t *targets;
    op_acc *losses; /* [N] = */
    op_acc *log_z;  /* [N] =, 0 where there is no target; NULL: not wanted */
    op_acc grad_scale, z_loss;
    op_real *dx;   /* NULL: losses only */
    void *dweight; /* op_acc; narrow: op_real */
    bool narrow;
};

/* A run of parameters that AdamW treats alike. */
struct op_segment {
    size_t start, count;
    op_acc decay; /* weight decay of this run */
};

/* AdamW (Loshchilov and Hutter, arXiv 1711.05101), decoupled: p -= rate * decay * p, then p -= rate * m^ / (sqrt(v^) + epsilon) with
 * m^ = m / (1 - beta1^step), v^ = v / (1 - beta2^step). Gradients are read times grad_scale (clipping) and set to zero behind.
 *
 * Moments may be kept as BF16 (DeepSeek-V3's report, section 3.3.2): the step is taken with what they come to in op_acc, and what is stored of them is
 * rounded to the nearest, ties to even. A moment between the smallest normal numbers of FP32 (2^-126) is stored as zero, so that parameters that no gradient
 * reaches come to rest: processors are slow with smaller numbers. */
struct op_adamw {
    op_acc *parameters; /* arenas of one layout */
    void *gradients;    /* op_acc; narrow: op_real */
    bool narrow;
    void *m, *v; /* op_acc; bf16: uint16_t */
    bool bf16;
    const struct op_segment *segments; /* host memory */
    size_t segment_count;
    double rate, beta1, beta2, epsilon;
    uint64_t step; /* from 1 */
    double grad_scale;
};

enum { OP_MARKS = 1024, OP_KEY_MAX = 128 };

/* How often an operation took one of the ways that there are: "grouped" by "wgmma". Texts stay. `why`: where a better way could not be taken, what the
 * operation was when that happened first, and why; else "". */
enum { OP_WAYS_MAX = 48, OP_WAYS_TEXT = 160 };
struct op_way {
    const char *operation, *way;
    uint64_t times;
    char why[OP_WAYS_TEXT];
};
struct op_ways {
    size_t count;
    struct op_way rows[OP_WAYS_MAX];
    char left_out[OP_WAYS_TEXT]; /* ways that are not taken because someone wants it so: "graphs,cublaslt"; "": none */
};

struct op_table {
    const char *name;  /* "cpu-avx2" */
    size_t real_bytes; /* of an op_real */
    /* What an operation computes and multiplies again, probabilities of attention and gradients of logits, is rounded to op_real in between: matrix
     * units take nothing wider. */
    bool rounds_factors;
    /* Libraries that it asks may add in another order each time (train.deterministic: false): rounding alone differs. */
    bool nondeterministic;
    /* The ways that were taken in this context so far; they are the context's. What a device does again by itself (`repeat`) is counted when it is first
     * called. NULL: there is one way for each operation. */
    const struct op_ways *(*ways)(const struct op_context *context);

    /* A context over the pool (borrowed; backends of a device ignore it), and its workspace. reserve may be called again. */
    q_status (*create)(struct q_pool *pool, struct op_context **out);
    void (*release)(struct op_context *context); /* NULL is allowed */
    q_status (*reserve)(struct op_context *context, const struct op_limits *limits);
    size_t (*workspace_bytes)(const struct op_context *context);
    size_t (*workspace_plan)(const struct op_limits *limits, unsigned threads); /* what reserve would take */
    q_status (*memory_create)(struct op_context *context, size_t bytes, void *out_pointer); /* zeroed, aligned to 64 */
    void (*memory_release)(struct op_context *context,
                           void *memory); /* NULL memory is allowed, without a context too */
    /* Bytes of that memory: free, and in all. 0 and 0: it is the host's. */
    q_status (*memory_room)(struct op_context *context, size_t *free_bytes, size_t *all_bytes);
    /* From the host's memory, or from memory of the same backend. */
    void (*copy_in)(struct op_context *context, void *to, const void *host, size_t bytes);
    void (*copy_out)(struct op_context *context, void *host, const void *from, size_t bytes);
    void (*zero)(struct op_context *context, void *memory, size_t bytes);
    q_status (*synchronize)(struct op_context *context);

    /* Times. Mark i < OP_MARKS is the moment when all that was called before is through: on a device its own, nobody waits for it. Until it is made again
     * it stands. mark_seconds waits until mark `to` has passed, and says how long behind mark `from` that was. */
    void (*mark)(struct op_context *context, size_t i);
    double (*mark_seconds)(struct op_context *context, size_t from, size_t to);

    /* Calls work(argument), which calls operations. The key (OP_KEY_MAX bytes at most) says everything that decides on them: as often as it comes again they
     * are the same ones in the same order, with the same arguments and memory, until memory is released or `reserve` is called. A device may then do again
     * what they were without a call of work. So work leaves nothing behind on the host, and makes no copy to or from there, no mark, and nothing that waits. */
    void (*repeat)(struct op_context *context, const void *key, size_t key_bytes, void (*work)(void *argument),
                   void *argument);

    /* out[N,H] = table[ids]. Backward: dtable[V,H] (op_acc; narrow: op_real) += dout at ids, tokens in order. 0 <= id < V. */
    void (*embed)(struct op_context *context, op_real *out, const op_real *table, const int32_t *ids, size_t tokens,
                  size_t hidden);
    void (*embed_backward)(struct op_context *context, void *dtable, bool narrow, const op_real *dout,
                           const int32_t *ids, size_t tokens, size_t hidden, size_t vocabulary);

    /* With delta: sum[rows,width] = x + delta first, and x below is that sum as it is stored (sum may be x itself: in place). out = x * rstd * weight,
     * rstd[rows] = 1 / sqrt(mean of x^2 + epsilon). Zhang and Sennrich, arXiv 1910.07467. delta and sum: NULL together. */
    void (*rmsnorm)(struct op_context *context, op_real *out, op_acc *rstd, op_real *sum, const op_real *x,
                    size_t x_stride, const op_real *delta, const op_acc *weight, size_t rows, size_t width,
                    double epsilon);
    /* dx = or += (the residual stream adds), dweight[width] (op_acc; narrow: op_real) +=. x is what was normed (the sum). */
    void (*rmsnorm_backward)(struct op_context *context, op_real *dx, size_t dx_stride, bool accumulate, void *dweight,
                             bool narrow, const op_real *dout, const op_real *x, size_t x_stride, const op_acc *rstd,
                             const op_acc *weight, size_t rows, size_t width);

    void (*matmul)(struct op_context *context, const struct op_matmul *product);
    void (*grouped)(struct op_context *context, const struct op_grouped *product);
    void (*rope)(struct op_context *context, const struct op_rope *rope);
    void (*attention)(struct op_context *context, const struct op_attention *attention);
    void (*attention_backward)(struct op_context *context, const struct op_attention *attention);

    /* out[rows,I] = silu(gate) * up of gate_up[rows, 2I] (gate first). Shazeer, arXiv 2002.05202. Backward: dgate_up = . */
    void (*swiglu)(struct op_context *context, op_real *out, const op_real *gate_up, size_t rows, size_t inner);
    void (*swiglu_backward)(struct op_context *context, op_real *dgate_up, const op_real *dout, const op_real *gate_up,
                            size_t rows, size_t inner);

    void (*router)(struct op_context *context, const struct op_router *router);
    void (*router_backward)(struct op_context *context, const struct op_router *router);
    void (*balance)(struct op_context *context, const struct op_balance *balance);

    void (*route)(struct op_context *context, const struct op_route *route);
    /* out[S] = x[source], rows of so many bytes, whatever their type. Backward: dx[N,H] += the sum over a token's K rows of dout[position], choices in
     * order. */
    void (*gather)(struct op_context *context, void *out, const void *x, const int32_t *source, size_t slots,
                   size_t row_bytes);
    void (*gather_backward)(struct op_context *context, op_real *dx, const op_real *dout, const int32_t *position,
                            size_t tokens, size_t top_k, size_t hidden);
    /* out[N,H] = base + sum over k of weights[n,k] * y[position[n,k]]; base NULL: 0; base may be out (in place).
     * base's gradient is dout itself. */
    void (*combine)(struct op_context *context, op_real *out, const op_real *base, const op_real *y,
                    const int32_t *position, const op_acc *weights, size_t tokens, size_t top_k, size_t hidden);
    /* combine's backward where y = inner W^T: inner[S,I] is all that it needs of y. With p = position[n,k], and dinner[p] = dout[n] W, without the weight:
     * dweights[n,k] = dinner[p] . inner[p]; then dinner[p] and inner[p] are multiplied by weights[n,k], in place. So dinner is the gradient of inner, and
     * the rows of dout, transposed, times inner are that of W. */
    void (*combine_backward)(struct op_context *context, op_acc *dweights, op_real *dinner, op_real *inner,
                             const int32_t *position, const op_acc *weights, size_t tokens, size_t top_k, size_t width);

    void (*cross_entropy)(struct op_context *context, const struct op_cross_entropy *loss);

    /* *out (host) = sum of squares of count elements (op_acc; narrow: op_real): in double, by fixed blocks in order. Waits. */
    void (*sum_squares)(struct op_context *context, double *out, const void *x, bool narrow, size_t count);
    void (*adamw)(struct op_context *context, const struct op_adamw *adamw);
    /* Moving average: average[i] += share * (x[i] - average[i]). Of share 1 over zeros comes x. */
    void (*average)(struct op_context *context, op_acc *average, const op_acc *x, size_t count, double share);
    /* out = x: the copy of the master weights that products read, where op_real is not op_acc. */
    void (*narrow)(struct op_context *context, op_real *out, const op_acc *x, size_t count);
    /* Loss-free balancing (Wang et al., arXiv 2408.15664): bias[e] += gamma * sign(mean of counts - counts[e]); counts of the whole
     * global batch. */
    void (*bias_update)(struct op_context *context, op_acc *bias, const int64_t *counts, size_t experts, double gamma);
};

/* Q_ERR_USAGE that names the first operation the table lacks. */
q_status op_table_check(const struct op_table *table) Q_MUST_USE;

/* `repeat` where nothing is gained by doing it again: on the host, and where each operation is timed. */
static inline void op_repeat_plainly(struct op_context *context, const void *key, size_t key_bytes,
                                     void (*work)(void *argument), void *argument)
{
    (void)context, (void)key, (void)key_bytes;
    work(argument);
}

/* `elements` on from x. */
static inline op_real *op_real_at(const struct op_table *table, op_real *x, size_t elements)
{
    return (op_real *)(void *)((char *)x + elements * table->real_bytes);
}

/* The best table for this processor; and by name ("cpu", "cpu-generic", "cpu-avx2", "cpu-avx512", "cuda", each with "-bf16" too, "cpu-avx512-dot-bf16",
 * "cpu-amx-bf16", "cuda-dnn-bf16", a GPU's with "-nondeterministic" behind it too; Q_ERR_USAGE lists the names, or says that CUDA is not in this build).
 * Whether there is a GPU its `create` finds out. A processor's table is deterministic, whatever is asked for. */
const struct op_table *op_table_cpu(enum op_precision precision);
q_status op_table_find(const char *name, const struct op_table **out) Q_MUST_USE;
q_status op_table_of(enum op_device device, enum op_precision precision, bool deterministic,
                     const struct op_table **out) Q_MUST_USE;
/* A table to plan by: name, real_bytes, nondeterministic and workspace_plan, and of a GPU's no more than these. In every build, and where there is no GPU. */
const struct op_table *op_table_outline(enum op_device device, enum op_precision precision, bool deterministic);

#ifdef __cplusplus
}
#endif

#endif
