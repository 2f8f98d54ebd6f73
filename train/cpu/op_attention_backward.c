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
    factor *queries_by_column, *dout_by_column; /* panels of Q^T [key][T] and dO^T [v][T] */
    factor *queries, *dout;                     /* panels of Q [T][key] and dO [T][v] */
    float *lse, *inner;                         /* [T], whole vectors long: lse and D */
    number *key;                                /* this block's K [CPU_KEYS][key] */
    factor *key_panels, *key_rows,
        *value_rows;                /* K as panels; K and V as factors, where numbers have to be made such */
    float *p, *ds;                  /* [CPU_KEYS][ATTENTION_ROW] */
    number *p_numbers, *ds_numbers; /* the same as numbers, where those are not floats */
    factor *ds_by_column;           /* dS^T, where numbers have to be made factors */
    float *dkey, *dvalue;           /* [CPU_KEYS][key], [CPU_KEYS][v] */
    struct cpu_sum dq;              /* [T][key] */
};

struct job {
    struct op_context *context;
    const struct op_attention *attention;
};

static void carve(struct room *room, const struct attention_head *h, float **floats)
{
    const size_t columns = gemm_panels(h->length), rows = attention_panel(h->length), block = CPU_KEYS * ATTENTION_ROW;
    room->queries_by_column = attention_take_factors(floats, columns * attention_panel(h->key));
    room->dout_by_column = attention_take_factors(floats, columns * attention_panel(h->v));
    room->queries = attention_take_factors(floats, gemm_panels(h->key) * rows);
    room->dout = attention_take_factors(floats, gemm_panels(h->v) * rows);
    room->lse = attention_take(floats, cpu_round_up(h->length, CPU_PADDING));
    room->inner = attention_take(floats, cpu_round_up(h->length, CPU_PADDING));
    room->key = attention_take_numbers(floats, CPU_KEYS * h->key);
    room->key_panels = attention_take_factors(floats, gemm_panels(h->key) * attention_panel(CPU_KEYS));
    room->key_rows = attention_take_paired(floats, gemm_a_room(CPU_KEYS, h->key));
    room->value_rows = attention_take_paired(floats, gemm_a_room(CPU_KEYS, h->v));
    room->p = attention_take(floats, block);
    room->ds = attention_take(floats, block);
    room->p_numbers = (number *)(void *)attention_take_paired(floats, block / FACTOR_DEPTH);
    room->ds_numbers = (number *)(void *)attention_take_paired(floats, block / FACTOR_DEPTH);
    room->ds_by_column = attention_take_paired(floats, gemm_a_room(CPU_SPAN, CPU_KEYS));
    room->dkey = attention_take(floats, CPU_KEYS * h->key);
    room->dvalue = attention_take(floats, CPU_KEYS * h->v);
}

static void prepare(const struct op_attention *a, const struct attention_head *h, struct room *room, float **floats)
{
    const struct cpu_numbers dout = attention_numbers(a->dout, h->out_start, h->out_stride, h->length, h->v, floats);
    gemm_pack_columns(room->queries_by_column, attention_panel(h->key), h->q.data, h->q.stride, h->key, h->length);
    gemm_pack_rows(room->queries, attention_panel(h->length), h->q.data, h->q.stride, h->length, h->key);
    gemm_pack_columns(room->dout_by_column, attention_panel(h->v), dout.data, dout.stride, h->v, h->length);
    gemm_pack_rows(room->dout, attention_panel(h->length), dout.data, dout.stride, h->length, h->v);
    room->dq = cpu_sum_begin(reals_out(a->dq) + h->q_start, h->q_stride, h->length, h->key, false,
                             CPU_NARROW ? attention_take(floats, h->length * h->key) : NULL);
    float *row = CPU_NARROW ? attention_take(floats, 2 * h->v) : NULL;
    for (size_t t = 0; t < h->length; t++) {
        memset(room->dq.data + t * room->dq.stride, 0, h->key * sizeof(float));
        const size_t at = h->out_start + t * h->out_stride;
        room->inner[t] = vec_dot(cpu_floats(reals(a->out) + at, h->v, 1, h->v, row).data,
                                 cpu_floats(reals(a->dout) + at, h->v, 1, h->v, row + h->v).data, h->v);
        room->lse[t] = a->lse[h->lse_start + t];
    }
    for (size_t t = h->length; t < cpu_round_up(h->length, CPU_PADDING);
         t++) /* columns that no query has: finite, unused */
        room->inner[t] = room->lse[t] = 0;
}

/* C[rows, count] = A[rows, k] of keys first .. times panels of queries start .. . On the diagonal a panel meets only the
 * keys up to its last query; what is left out is set to zero by softmax_row and ds_row. */
static void multiply_seen(float *c, struct gemm_a a, const factor *panels, size_t k, size_t first, size_t rows,
                          size_t start, size_t count)
{
    size_t padded = cpu_round_up(count, GEMM_COLUMNS), panel = attention_panel(k), column = 0;
    panels = attention_columns(panels, start, k);
    for (; column < padded && start + column + GEMM_COLUMNS < first + rows; column += GEMM_COLUMNS) {
        size_t end = start + column + GEMM_COLUMNS;
        if (end > first)
            gemm_multiply(c + column, ATTENTION_ROW, a, attention_columns(panels, column, k), panel, end - first,
                          GEMM_COLUMNS, k, false);
    }
    gemm_multiply(c + column, ATTENTION_ROW, a, attention_columns(panels, column, k), panel, rows, padded - column, k,
                  false);
}

/* p: scores to probabilities for `count` queries from `start` on; the first `unseen` of them stand before the key. */
static void softmax_row(const struct room *room, float *p, size_t unseen, size_t start, size_t count, float scale)
{
    vec scales = vec_set(scale);
    for (size_t i = unseen / VEC_LANES * VEC_LANES; i < count; i += VEC_LANES) /* the row is padded to whole vectors */
        vec_store(p + i, vec_exp(vec_fma(vec_load(p + i), scales, -vec_load(room->lse + start + i))));
    memset(p, 0, unseen * sizeof(float));
}

/* ds holds dP: becomes P (dP - D) scale. */
static void ds_row(const struct room *room, const float *p, float *ds, size_t unseen, size_t start, size_t count,
                   float scale)
{
    vec scales = vec_set(scale);
    for (size_t i = unseen / VEC_LANES * VEC_LANES; i < count; i += VEC_LANES)
        vec_store(ds + i, vec_load(p + i) * (vec_load(ds + i) - vec_load(room->inner + start + i)) * scales);
    memset(ds, 0, unseen * sizeof(float));
}

/* Queries of the span that stand before the key. */
static size_t unseen_of(size_t token, size_t start, size_t count)
{
    return token > start ? Q_MIN(token - start, count) : 0;
}

/* C[rows, n] = or += P or dS [rows, count] times panels of the span's queries: dV and dK. On the diagonal, ATTENTION_STEP keys at a time leave out the queries
 * before them, for which they have zeros. */
static void sum_over_queries(float *c, size_t n, struct cpu_numbers p, const factor *panels, size_t panel_stride,
                             size_t first, size_t rows, size_t start, size_t count, bool accumulate)
{
    const struct gemm_a a = gemm_a_rows(p.data, p.stride);
    size_t done = unseen_of(first + rows, start, count) ? 0 : rows; /* behind the diagonal: all at once */
    panels = attention_depth(panels, start);
    if (done)
        gemm_multiply(c, n, a, panels, panel_stride, rows, n, count, accumulate);
    for (; done < rows; done += ATTENTION_STEP) {
        size_t unseen = unseen_of(first + done, start, count), keys = Q_MIN((size_t)ATTENTION_STEP, rows - done);
        gemm_multiply(c + done * n, n, gemm_a_part(a, done, unseen), attention_depth(panels, unseen), panel_stride,
                      keys, n, count - unseen, accumulate);
    }
}

/* dQ of the span += dS^T K: a query of the diagonal has the keys up to its own. */
static void sum_over_keys(const struct attention_head *h, const struct room *room, struct cpu_numbers ds, size_t first,
                          size_t rows, size_t start, size_t count)
{
    const size_t stride = room->dq.stride;
    const struct gemm_a a = gemm_a_of_columns(ds.data, ds.stride, rows, count, room->ds_by_column);
    for (size_t done = 0, queries; done < count; done += queries) {
        size_t seen = start + done + ATTENTION_STEP > first ? start + done + ATTENTION_STEP - first : 0;
        queries = seen < rows ? Q_MIN((size_t)ATTENTION_STEP, count - done) : count - done;
        if (seen > 0)
            gemm_multiply(room->dq.data + (start + done) * stride, stride, gemm_a_part(a, done, 0), room->key_panels,
                          attention_panel(rows), queries, h->key, Q_MIN(seen, rows), true);
    }
}

/* Keys first .. first + rows, as A, and so their values. */
struct block {
    size_t first, rows;
    struct gemm_a keys, values;
};

/* A block of keys against the queries of one span. */
static void key_span(const struct op_attention *a, const struct attention_head *h, struct room *room,
                     const struct block *block, size_t start, size_t count, bool later)
{
    const size_t key = h->key, panel = attention_panel(h->length), first = block->first, rows = block->rows;
    multiply_seen(room->p, block->keys, room->queries_by_column, key, first, rows, start, count);
    for (size_t row = 0; row < rows; row++)
        softmax_row(room, room->p + row * ATTENTION_ROW, unseen_of(first + row, start, count), start, count, a->scale);
    sum_over_queries(room->dvalue, h->v, attention_scores(room->p, rows, count, room->p_numbers), room->dout, panel,
                     first, rows, start, count, later);
    multiply_seen(room->ds, block->values, room->dout_by_column, h->v, first, rows, start, count);
    for (size_t row = 0; row < rows; row++)
        ds_row(room, room->p + row * ATTENTION_ROW, room->ds + row * ATTENTION_ROW,
               unseen_of(first + row, start, count), start, count, a->scale);
    const struct cpu_numbers ds = attention_scores(room->ds, rows, count, room->ds_numbers);
    sum_over_queries(room->dkey, key, ds, room->queries, panel, first, rows, start, count, later);
    sum_over_keys(h, room, ds, first, rows, start, count);
}

static void key_block(struct op_context *context, const struct op_attention *a, const struct attention_head *h,
                      struct room *room, size_t first, size_t rows, size_t task)
{
    attention_join_keys(room->key, h, first, rows);
    gemm_pack_rows(room->key_panels, attention_panel(rows), room->key, h->key, rows, h->key);
    const struct block block = {
        first, rows, gemm_a_of_rows(room->key, h->key, rows, h->key, room->key_rows),
        gemm_a_of_rows(h->value.data + first * h->value.stride, h->value.stride, rows, h->v, room->value_rows)};
    size_t begin = first / GEMM_COLUMNS * GEMM_COLUMNS; /* panels of queries begin at whole columns */
    for (size_t start = begin; start < h->length; start += CPU_SPAN)
        key_span(a, h, room, &block, start, Q_MIN((size_t)CPU_SPAN, h->length - start), start > begin);
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
