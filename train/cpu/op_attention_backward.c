/* attention, backward: a head of a sequence per tile, blocks of CPU_KEYS keys against spans of the queries that see them. Scores stand transposed, [keys,
 * queries], so that the sums for dK and dV run over queries in one product each, and lse and D are rows to subtract.
 *
 *     S = K Q^T    P = exp(scale S - lse)    dV = P dO    dP = V dO^T    dS = P (dP - D) scale    dK = dS Q    dQ += dS^T K
 *     D[t] = out[t] . dout[t]
 *
 * (FlashAttention, arXiv 2205.14135, algorithm 4.) The shared rotary key gets a part from every head: kept apart, summed in order at the end. */
#include "train/cpu/cpu_attention.h"
#include "train/cpu/cpu_ops.h"

#include "base/check.h"

struct room {
    float *queries_by_column, *dout_by_column; /* panels of Q^T [key][T] and dO^T [v][T] */
    float *queries, *dout;                     /* panels of Q [T][key] and dO [T][v] */
    float *lse, *inner;                        /* [T], whole vectors long: lse and D */
    float *key, *key_panels;                   /* this block's K [CPU_KEYS][key], and as panels */
    float *p, *ds;                             /* [CPU_KEYS][ATTENTION_ROW] */
    float *dkey, *dvalue;                      /* [CPU_KEYS][key], [CPU_KEYS][v] */
    struct cpu_sum dq;                         /* [T][key] */
};

struct job {
    struct op_context *context;
    const struct op_attention *attention;
};

static void carve(struct room *room, const struct attention_head *h, float **floats)
{
    size_t padded = cpu_round_up(h->length, GEMM_COLUMNS), key = cpu_round_up(h->key, GEMM_COLUMNS);
    room->queries_by_column = attention_take(floats, padded * h->key);
    room->dout_by_column = attention_take(floats, padded * h->v);
    room->queries = attention_take(floats, h->length * key);
    room->dout = attention_take(floats, h->length * cpu_round_up(h->v, GEMM_COLUMNS));
    room->lse = attention_take(floats, padded);
    room->inner = attention_take(floats, padded);
    room->key = attention_take(floats, CPU_KEYS * h->key);
    room->key_panels = attention_take(floats, CPU_KEYS * key);
    room->p = attention_take(floats, CPU_KEYS * ATTENTION_ROW);
    room->ds = attention_take(floats, CPU_KEYS * ATTENTION_ROW);
    room->dkey = attention_take(floats, CPU_KEYS * h->key);
    room->dvalue = attention_take(floats, CPU_KEYS * h->v);
}

static void prepare(const struct op_attention *a, const struct attention_head *h, struct room *room, float **floats)
{
    const struct cpu_floats dout = attention_floats(a->dout, h->out_start, h->out_stride, h->length, h->v, floats),
                            out = attention_floats(a->out, h->out_start, h->out_stride, h->length, h->v, floats);
    gemm_pack_columns(room->queries_by_column, h->key * GEMM_COLUMNS, h->q.data, h->q.stride, h->key, h->length);
    gemm_pack_rows(room->queries, h->length * GEMM_COLUMNS, h->q.data, h->q.stride, h->length, h->key);
    gemm_pack_columns(room->dout_by_column, h->v * GEMM_COLUMNS, dout.data, dout.stride, h->v, h->length);
    gemm_pack_rows(room->dout, h->length * GEMM_COLUMNS, dout.data, dout.stride, h->length, h->v);
    room->dq = cpu_sum_begin(reals_out(a->dq) + h->q_start, h->q_stride, h->length, h->key, false,
                             attention_take_widened(floats, h->length * h->key));
    for (size_t t = 0; t < h->length; t++) {
        memset(room->dq.data + t * room->dq.stride, 0, h->key * sizeof(float));
        room->inner[t] = vec_dot(out.data + t * out.stride, dout.data + t * dout.stride, h->v);
        room->lse[t] = a->lse[h->lse_start + t];
    }
    for (size_t t = h->length; t < cpu_round_up(h->length, GEMM_COLUMNS);
         t++) /* columns that no query has: finite, unused */
        room->inner[t] = room->lse[t] = 0;
}

/* C[rows, count] = A[rows, k] of keys first .. times panels of queries start .. . On the diagonal a panel meets only the
 * keys up to its last query; what is left out is set to zero by soften_row and slope_row. */
static void multiply_seen(float *c, struct gemm_a a, const float *panels, size_t k, size_t first, size_t rows,
                          size_t start, size_t count)
{
    size_t padded = cpu_round_up(count, GEMM_COLUMNS), column = 0;
    for (; column < padded && start + column + GEMM_COLUMNS < first + rows; column += GEMM_COLUMNS) {
        size_t end = start + column + GEMM_COLUMNS;
        if (end > first)
            gemm_multiply(c + column, ATTENTION_ROW, a, panels + column * k, k * GEMM_COLUMNS, end - first,
                          GEMM_COLUMNS, k, false);
    }
    gemm_multiply(c + column, ATTENTION_ROW, a, panels + column * k, k * GEMM_COLUMNS, rows, padded - column, k, false);
}

/* p: scores to probabilities for `count` queries from `start` on; the first `unseen` of them stand before the key. */
static void soften_row(const struct room *room, float *p, size_t unseen, size_t start, size_t count, float scale)
{
    vec factor = vec_set(scale);
    for (size_t i = unseen / VEC_LANES * VEC_LANES; i < count; i += VEC_LANES) /* the row is padded to whole vectors */
        vec_store(p + i, vec_exp(vec_fma(vec_load(p + i), factor, -vec_load(room->lse + start + i))));
    memset(p, 0, unseen * sizeof(float));
}

/* ds holds dP: becomes P (dP - D) scale. */
static void slope_row(const struct room *room, const float *p, float *ds, size_t unseen, size_t start, size_t count,
                      float scale)
{
    vec factor = vec_set(scale);
    for (size_t i = unseen / VEC_LANES * VEC_LANES; i < count; i += VEC_LANES)
        vec_store(ds + i, vec_load(p + i) * (vec_load(ds + i) - vec_load(room->inner + start + i)) * factor);
    memset(ds, 0, unseen * sizeof(float));
}

/* Queries of the span that stand before the key. */
static size_t unseen_of(size_t token, size_t start, size_t count)
{
    return token > start ? Q_MIN(token - start, count) : 0;
}

/* C[rows, n] = or += P or dS [rows, count] times panels of the span's queries: dV and dK. On the diagonal, ATTENTION_STEP keys at a time leave out the queries
 * before them, for which they have zeros. */
static void sum_over_queries(float *c, size_t n, const float *p, const float *panels, size_t panel_stride, size_t first,
                             size_t rows, size_t start, size_t count, bool accumulate)
{
    size_t done = unseen_of(first + rows, start, count) ? 0 : rows; /* behind the diagonal: all at once */
    if (done)
        gemm_multiply(c, n, gemm_a_rows(p, ATTENTION_ROW), panels, panel_stride, rows, n, count, accumulate);
    for (; done < rows; done += ATTENTION_STEP) {
        size_t unseen = unseen_of(first + done, start, count), keys = Q_MIN((size_t)ATTENTION_STEP, rows - done);
        gemm_multiply(c + done * n, n, gemm_a_rows(p + done * ATTENTION_ROW + unseen, ATTENTION_ROW),
                      panels + unseen * GEMM_COLUMNS, panel_stride, keys, n, count - unseen, accumulate);
    }
}

/* dQ of the span += dS^T K: a query of the diagonal has the keys up to its own. */
static void sum_over_keys(const struct attention_head *h, const struct room *room, size_t first, size_t rows,
                          size_t start, size_t count)
{
    size_t panel_stride = rows * GEMM_COLUMNS, stride = room->dq.stride;
    for (size_t done = 0, queries; done < count; done += queries) {
        size_t seen = start + done + ATTENTION_STEP > first ? start + done + ATTENTION_STEP - first : 0;
        queries = seen < rows ? Q_MIN((size_t)ATTENTION_STEP, count - done) : count - done;
        if (seen > 0)
            gemm_multiply(room->dq.data + (start + done) * stride, stride,
                          gemm_a_columns(room->ds + done, ATTENTION_ROW), room->key_panels, panel_stride, queries,
                          h->key, Q_MIN(seen, rows), true);
    }
}

/* Keys first .. first + rows against the queries of one span. */
static void key_span(const struct op_attention *a, const struct attention_head *h, struct room *room, size_t first,
                     size_t rows, size_t start, size_t count, bool later)
{
    size_t key = h->key, panel = h->length * GEMM_COLUMNS;
    multiply_seen(room->p, gemm_a_rows(room->key, key), room->queries_by_column + start * key, key, first, rows, start,
                  count);
    for (size_t row = 0; row < rows; row++)
        soften_row(room, room->p + row * ATTENTION_ROW, unseen_of(first + row, start, count), start, count, a->scale);
    sum_over_queries(room->dvalue, h->v, room->p, room->dout + start * GEMM_COLUMNS, panel, first, rows, start, count,
                     later);
    multiply_seen(room->ds, gemm_a_rows(h->value.data + first * h->value.stride, h->value.stride),
                  room->dout_by_column + start * h->v, h->v, first, rows, start, count);
    for (size_t row = 0; row < rows; row++)
        slope_row(room, room->p + row * ATTENTION_ROW, room->ds + row * ATTENTION_ROW,
                  unseen_of(first + row, start, count), start, count, a->scale);
    sum_over_queries(room->dkey, key, room->ds, room->queries + start * GEMM_COLUMNS, panel, first, rows, start, count,
                     later);
    sum_over_keys(h, room, first, rows, start, count);
}

static void key_block(struct op_context *context, const struct op_attention *a, const struct attention_head *h,
                      struct room *room, size_t first, size_t rows, size_t task)
{
    for (size_t row = 0; row < rows; row++) {
        memcpy(room->key + row * h->key, h->k_nope.data + (first + row) * h->k_nope.stride, h->nope * sizeof(float));
        memcpy(room->key + row * h->key + h->nope, h->k_rope.data + (first + row) * h->k_rope.stride,
               h->rope * sizeof(float));
    }
    gemm_pack_rows(room->key_panels, rows * GEMM_COLUMNS, room->key, h->key, rows, h->key);
    size_t begin = first / GEMM_COLUMNS * GEMM_COLUMNS; /* panels of queries begin at whole columns */
    for (size_t start = begin; start < h->length; start += CPU_SPAN)
        key_span(a, h, room, first, rows, start, Q_MIN((size_t)CPU_SPAN, h->length - start), start > begin);
    size_t b = task / a->heads, head = task % a->heads;
    real *dkv = reals_out(a->dkv) + h->kv_start;
    for (size_t row = 0; row < rows; row++) {
        size_t t = first + row;
        real_round(dkv + t * h->kv_stride, room->dkey + row * h->key, h->nope);
        real_round(dkv + t * h->kv_stride + h->nope, room->dvalue + row * h->v, h->v);
        memcpy(context->shared + ((b * a->sequence + t) * a->heads + head) * h->rope,
               room->dkey + row * h->key + h->nope, h->rope * sizeof(float));
    }
}

static void head_tile(void *context, unsigned worker, size_t task)
{
    const struct job *job = context;
    const struct op_attention *a = job->attention;
    float *floats = cpu_scratch(job->context, worker);
    struct attention_head h = attention_head_of(a, task, &floats);
    struct room room;
    carve(&room, &h, &floats);
    prepare(a, &h, &room, &floats);
    for (size_t first = 0; first < h.length; first += CPU_KEYS)
        key_block(job->context, a, &h, &room, first, Q_MIN((size_t)CPU_KEYS, h.length - first), task);
    cpu_sum_end(&room.dq);
}

/* The shared rotary key's gradient: the heads' parts in order. */
static void sum_heads(void *context, unsigned worker, size_t token)
{
    const struct job *job = context;
    const struct op_attention *a = job->attention;
    const float *parts = job->context->shared + token * a->heads * a->rope;
    struct cpu_sum sum = cpu_sum_begin(reals_out(a->dk_rope) + token * a->dk_rope_stride, a->rope, 1, a->rope, false,
                                       cpu_scratch(job->context, worker));
    memcpy(sum.data, parts, a->rope * sizeof(float));
    for (size_t head = 1; head < a->heads; head++)
        for (size_t i = 0; i < a->rope; i++)
            sum.data[i] += parts[head * a->rope + i];
    cpu_sum_end(&sum);
}

static void attention_backward(struct op_context *context, const struct op_attention *a)
{
    size_t tokens = a->batch * a->sequence;
    q_check(a->sequence <= context->limits.sequence && tokens * a->heads * a->rope <= context->shared_floats);
    struct job job = {context, a};
    q_pool_for(context->pool, a->batch * a->heads, head_tile, &job);
    q_pool_for(context->pool, tokens, sum_heads, &job);
}

void CPU_NAME(op_attention_backward)(struct op_table *table)
{
    table->attention_backward = attention_backward;
}
