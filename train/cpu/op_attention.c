/* attention, forward: a head of a sequence per tile. Blocks of CPU_QUERIES queries meet spans of CPU_SPAN keys; the softmax is carried on over spans (Milakov
 * and Gimelshein, arXiv 1805.02867; FlashAttention, arXiv 2205.14135), so that no more than one block of scores exists.
 *
 *     keys 0 ........ s0 ......... i1         scores S [queries, span] = Q K^T   (K^T packed once per head)
 *     queries i0..i1  [   span    ]           P = exp(scale S - max), O = O e^(old max - max) + P V (V packed once per head)          */
#include "train/cpu/cpu_attention.h"
#include "train/cpu/cpu_ops.h"

#include "base/check.h"

struct room {
    factor *keys, *values; /* panels: K^T [key][T] by columns, V [T][v] */
    number *joined;        /* keys of a block, [CPU_KEYS][key] */
    factor *queries;       /* a block's, where numbers are made factors */
    float *scores;         /* [CPU_QUERIES][ATTENTION_ROW] */
    number *probabilities; /* the same as numbers, where those are not floats */
    float *out;            /* [CPU_QUERIES][v] */
    float max[CPU_QUERIES], sum[CPU_QUERIES];
};

struct job {
    const struct op_context *context;
    const struct op_attention *attention;
};

static void pack_head(const struct attention_head *h, struct room *room)
{
    const size_t stride = attention_panel(h->key);
    for (size_t first = 0; first < h->length; first += CPU_KEYS) { /* whole panels */
        const size_t rows = Q_MIN((size_t)CPU_KEYS, h->length - first);
        attention_join_keys(room->joined, h, first, rows);
        gemm_pack_columns(room->keys + first / GEMM_COLUMNS * stride, stride, room->joined, h->key, h->key, rows);
    }
    gemm_pack_rows(room->values, attention_panel(h->length), h->value.data, h->value.stride, h->length, h->v);
}

/* One row of scores to probabilities of the softmax so far: the first `valid` become exp(scale s - max), those up to `count` zero; the row's sum and
 * output so far are brought to the new maximum. */
static void online_softmax_row(struct room *room, size_t row, size_t valid, size_t count, float scale, size_t v,
                               bool first)
{
    float *s = room->scores + row * ATTENTION_ROW, *out = room->out + row * v;
    vec scales = vec_set(scale), top = vec_set(-INFINITY), total = vec_zero();
    for (size_t i = valid; i < cpu_round_up(valid, VEC_LANES); i++)
        s[i] = -INFINITY;
    for (size_t i = 0; i < valid; i += VEC_LANES)
        top = vec_at_least(top, vec_load(s + i));
    float old = first ? -INFINITY : room->max[row], now = vec_max(top) * scale;
    now = now > old || isnan(now) ? now : old;
    vec shift = vec_set(-now);
    for (size_t i = 0; i < valid; i += VEC_LANES) {
        vec p = vec_exp(vec_fma(vec_load(s + i), scales, shift));
        vec_store(s + i, p);
        total += p; /* lanes beyond `valid` add e^-87 */
    }
    for (size_t i = valid; i < count; i++)
        s[i] = 0;
    float keep = first ? 0 : expf(old - now);
    room->sum[row] = (first ? 0 : room->sum[row] * keep) + vec_sum(total);
    room->max[row] = now;
    if (!first && keep != 1.0F)
        for (size_t i = 0; i < v; i++)
            out[i] *= keep;
}

/* Scores of a block of queries with the keys start .. start + count. Panels of keys that all of them see go in one product; on the diagonal, a
 * panel meets only the queries from its first key on (whole groups of the kernel's rows). What is left out nobody reads. */
static void score_block(const struct attention_head *h, struct room *room, struct gemm_a queries, size_t first,
                        size_t rows, size_t start, size_t count)
{
    size_t padded = cpu_round_up(count, GEMM_COLUMNS), stride = attention_panel(h->key);
    size_t seen = first + 1 > start ? Q_MIN((first + 1 - start) / GEMM_COLUMNS * GEMM_COLUMNS, padded) : 0;
    const factor *panels = attention_columns(room->keys, start, h->key);
    gemm_multiply(room->scores, ATTENTION_ROW, queries, panels, stride, rows, seen, h->key, false);
    for (size_t column = seen; column < padded; column += GEMM_COLUMNS) {
        size_t skip = start + column > first ? (start + column - first) / GEMM_ROWS * GEMM_ROWS : 0;
        if (skip >= rows)
            break;
        gemm_multiply(room->scores + skip * ATTENTION_ROW + column, ATTENTION_ROW, gemm_a_part(queries, skip, 0),
                      attention_columns(panels, column, h->key), stride, rows - skip, GEMM_COLUMNS, h->key, false);
    }
}

/* O = or += P V. On the diagonal ATTENTION_STEP queries at a time leave out the keys behind them, for which they have zeros. */
static void mix_values(const struct attention_head *h, struct room *room, size_t first, size_t rows, size_t start,
                       size_t count)
{
    size_t step = start + count > first + 1 ? (size_t)ATTENTION_STEP : rows;
    const struct cpu_numbers numbers = attention_scores(room->scores, rows, count, room->probabilities);
    const struct gemm_a p = gemm_a_rows(numbers.data, numbers.stride);
    for (size_t done = 0; done < rows; done += step) {
        size_t queries = Q_MIN(step, rows - done), end = first + done + queries;
        if (end > start)
            gemm_multiply(room->out + done * h->v, h->v, gemm_a_part(p, done, 0), attention_depth(room->values, start),
                          attention_panel(h->length), queries, h->v, Q_MIN(count, end - start), start > 0);
    }
}

static void query_block(const struct op_attention *a, const struct attention_head *h, struct room *room, size_t first,
                        size_t rows)
{
    size_t end = first + rows; /* keys that the last query sees */
    const struct gemm_a queries =
        gemm_a_of_rows(h->q.data + first * h->q.stride, h->q.stride, rows, h->key, room->queries);
    for (size_t start = 0; start < end; start += CPU_SPAN) {
        size_t count = Q_MIN((size_t)CPU_SPAN, end - start);
        score_block(h, room, queries, first, rows, start, count);
        for (size_t row = 0; row < rows; row++) {
            size_t seen = first + row + 1; /* keys of this query */
            online_softmax_row(room, row, seen > start ? Q_MIN(count, seen - start) : 0, count, a->scale, h->v,
                               start == 0);
        }
        mix_values(h, room, first, rows, start, count);
    }
    for (size_t row = 0; row < rows; row++) {
        float inverse = 1.0F / room->sum[row];
        real *out = reals_out(a->out) + h->out_start + (first + row) * h->out_stride;
        for (size_t i = 0; i < h->v; i++)
            out[i] = real_of(room->out[row * h->v + i] * inverse);
        a->lse[h->lse_start + first + row] = room->max[row] + logf(room->sum[row]);
    }
}

static void head_tile(void *context, unsigned worker, size_t task)
{
    const struct job *job = context;
    float *floats = cpu_scratch(job->context, worker);
    struct attention_head h = attention_head_of(job->attention, task, &floats);
    struct room room;
    room.keys = attention_take_factors(&floats, gemm_panels(h.length) * attention_panel(h.key));
    room.values = attention_take_factors(&floats, gemm_panels(h.v) * attention_panel(h.length));
    room.joined = attention_take_numbers(&floats, CPU_KEYS * h.key);
    room.queries = attention_take_paired(&floats, gemm_a_room(CPU_QUERIES, h.key));
    room.scores = attention_take(&floats, CPU_QUERIES * ATTENTION_ROW);
    room.probabilities = (number *)(void *)attention_take_paired(&floats, CPU_QUERIES * ATTENTION_ROW / FACTOR_DEPTH);
    room.out = attention_take(&floats, CPU_QUERIES * h.v);
    pack_head(&h, &room);
    for (size_t first = 0; first < h.length; first += CPU_QUERIES)
        query_block(job->attention, &h, &room, first, Q_MIN((size_t)CPU_QUERIES, h.length - first));
}

static void attention(struct op_context *context, const struct op_attention *a)
{
    q_check(a->sequence <= context->limits.sequence &&
            a->batch * a->sequence <= context->limits.batch * context->limits.sequence);
    struct job job = {context, a};
    q_pool_for(context->pool, a->batch * a->heads, head_tile, &job);
}

void CPU_NAME(op_attention)(struct op_table *table)
{
    table->attention = attention;
}
