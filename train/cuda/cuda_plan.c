#include "train/cuda/cuda_plan.h"

#include "base/check.h"

struct cuda_plan cuda_plan_items(size_t items)
{
    const size_t blocks = Q_MAX((size_t)1, (size_t)q_ceil_div(items, CUDA_THREADS));
    return (struct cuda_plan){.grid_x = (unsigned)Q_MIN(blocks, (size_t)CUDA_ITEM_BLOCKS),
                              .grid_y = 1,
                              .threads_x = CUDA_THREADS,
                              .threads_y = 1};
}

struct cuda_plan cuda_plan_rows(size_t rows, size_t width, unsigned pack)
{
    enum { EACH = 4 }; /* packs of a thread before a row gets more threads */
    unsigned threads = CUDA_WARP;
    while (threads < CUDA_ROW_THREADS_MAX && (size_t)threads * pack * EACH < width)
        threads *= 2;
    const unsigned side = threads == CUDA_WARP ? CUDA_THREADS / CUDA_WARP : 1;
    return (struct cuda_plan){
        .grid_x = (unsigned)q_ceil_div(rows, side), .grid_y = 1, .threads_x = threads, .threads_y = side};
}

struct cuda_plan cuda_plan_warps(size_t rows)
{
    return cuda_plan_rows(rows, 0, 1);
}

struct cuda_plan cuda_plan_room(size_t rows, size_t floats)
{
    enum { WARPS_MAX = CUDA_THREADS / CUDA_WARP };
    const size_t bytes = floats * sizeof(float), warps = Q_MIN(CUDA_SHARED_BYTES / bytes, (size_t)WARPS_MAX);
    q_check(warps > 0);
    return (struct cuda_plan){.grid_x = (unsigned)q_ceil_div(rows, warps),
                              .grid_y = 1,
                              .threads_x = CUDA_WARP,
                              .threads_y = (unsigned)warps,
                              .shared = warps * bytes};
}

struct cuda_plan cuda_plan_blocks(size_t blocks, unsigned threads)
{
    return (struct cuda_plan){.grid_x = (unsigned)blocks, .grid_y = 1, .threads_x = threads, .threads_y = 1};
}

const struct cuda_flash cuda_flash_sizes[CUDA_FLASH_SIZES] = {{64, 64, 4}, {128, 128, 4}, {192, 128, 4}, {256, 256, 8}};

unsigned cuda_flash_size(size_t key, size_t v)
{
    unsigned size = 0;
    while (size < CUDA_FLASH_SIZES && (key > cuda_flash_sizes[size].key || v > cuda_flash_sizes[size].v))
        size++;
    return size;
}

enum { BF16_BYTES = 2 };

static struct cuda_plan plan_tiles(size_t heads, size_t sequence, unsigned rows, unsigned warps, size_t shared)
{
    const size_t tiles = (size_t)q_ceil_div(sequence, rows);
    q_check(sequence == 0 || heads <= UINT32_MAX / sequence); /* kernels count rows of heads by 32 bits */
    struct cuda_plan plan = cuda_plan_blocks(heads * tiles, warps * CUDA_WARP);
    plan.shared = shared;
    return plan;
}

struct cuda_plan cuda_plan_flash(unsigned size, size_t heads, size_t sequence)
{
    const struct cuda_flash *s = &cuda_flash_sizes[size];
    const size_t numbers = (CUDA_FLASH_QUERIES + CUDA_FLASH_KEYS) * s->key + CUDA_FLASH_KEYS * s->v;
    return plan_tiles(heads, sequence, CUDA_FLASH_QUERIES, s->warps, numbers * BF16_BYTES);
}

struct cuda_plan cuda_plan_flash_backward(unsigned size, size_t heads, size_t sequence)
{
    const struct cuda_flash *s = &cuda_flash_sizes[size];
    const size_t rows = CUDA_FLASH_OWN + 2 * CUDA_FLASH_OTHER, floats = 2 * 2 * CUDA_FLASH_OTHER;
    return plan_tiles(heads, sequence, CUDA_FLASH_OWN, CUDA_FLASH_OWN_WARPS,
                      rows * (s->key + s->v) * BF16_BYTES + floats * sizeof(float));
}

size_t cuda_chunk_rows(size_t rows)
{
    return Q_MAX((size_t)CUDA_CHUNK_ROWS_MIN, (size_t)q_ceil_div(rows, CUDA_CHUNKS_MAX));
}

struct cuda_plan cuda_plan_columns(size_t rows, size_t width)
{
    return (struct cuda_plan){.grid_x = (unsigned)q_ceil_div(width, CUDA_WARP),
                              .grid_y = (unsigned)q_ceil_div(rows, cuda_chunk_rows(rows)),
                              .threads_x = CUDA_WARP,
                              .threads_y = CUDA_CHUNK_THREADS};
}

size_t cuda_logits_stride(size_t vocabulary)
{
    enum { NUMBERS = 64 };
    return (size_t)q_ceil_div(Q_MAX(vocabulary, (size_t)1), NUMBERS) * NUMBERS;
}

size_t cuda_logits_rows(size_t tokens, size_t vocabulary, size_t real_bytes)
{
    const size_t row = cuda_logits_stride(vocabulary) * (sizeof(float) + real_bytes);
    return Q_MIN(Q_MAX(tokens, (size_t)1), Q_MAX(CUDA_LOGITS_BYTES / row, (size_t)CUDA_LOGITS_ROWS_MIN));
}

size_t cuda_logits_max(size_t tokens, size_t vocabulary, size_t real_bytes)
{
    const size_t fitting = CUDA_LOGITS_BYTES / (sizeof(float) + real_bytes);
    const size_t stride = cuda_logits_stride(vocabulary);
    return Q_MIN(Q_MAX(tokens, (size_t)1) * stride, Q_MAX(fitting, CUDA_LOGITS_ROWS_MIN * stride));
}

unsigned cuda_mma_stages(size_t shared_max)
{
    return shared_max >= (size_t)MMA_STAGES_MAX * MMA_STAGE_BYTES ? MMA_STAGES_MAX : 2;
}

struct cuda_plan cuda_plan_mma(unsigned multiprocessors, unsigned stages)
{
    struct cuda_plan plan = cuda_plan_blocks(multiprocessors, MMA_THREADS);
    plan.shared = (size_t)stages * MMA_STAGE_BYTES;
    return plan;
}

/* There is something to multiply, and ints have room for tiles' ends. */
static bool fits_ints(const struct op_grouped *p)
{
    const size_t all[] = {p->experts, p->m, p->n, p->k}, largest = (size_t)1 << 30;
    for (size_t i = 0; i < Q_COUNT_OF(all); i++)
        if (all[i] == 0 || all[i] > largest)
            return false;
    return true;
}

bool cuda_suits_mma(const struct op_grouped *p)
{
    const size_t width = p->kind == OP_TN ? p->m : p->k;
    return fits_ints(p) && cuda_is_packed(p->a, width, width) && cuda_is_packed(p->b, p->n, p->expert_stride) &&
           cuda_is_packed(p->c, p->n, p->expert_stride);
}

struct cuda_plan cuda_plan_hopper(unsigned multiprocessors, bool clusters)
{
    enum { BARRIERS = HOPPER_STAGES * 16, ATOM = 1024 };
    const unsigned cluster = clusters && multiprocessors >= HOPPER_CLUSTER ? HOPPER_CLUSTER : 1;
    struct cuda_plan plan = cuda_plan_blocks(multiprocessors / cluster * cluster, HOPPER_THREADS);
    plan.cluster = cluster > 1 ? cluster : 0;
    plan.shared = HOPPER_STAGES * HOPPER_STAGE_BYTES + BARRIERS + ATOM;
    return plan;
}

/* Rows of `width`, one after the other, in `pieces` that are `stride` elements apart: 64 x 64 at a time, of C's rows or columns and of k. */
static struct cuda_box box_of(const void *base, size_t width, size_t rows, size_t pieces, size_t stride)
{
    return (struct cuda_box){.base = base,
                             .size = {width, rows, pieces},
                             .stride = {width * 2, stride * 2},
                             .box = {HOPPER_DEPTH, HOPPER_DEPTH, 1}};
}

struct cuda_boxes cuda_hopper_boxes(const struct op_grouped *p)
{
    switch (p->kind) {
    case OP_NT:
        return (struct cuda_boxes){box_of(p->a, p->k, p->m, 1, p->m * p->k),
                                   box_of(p->b, p->k, p->n, p->experts, p->expert_stride)};
    case OP_NN:
        return (struct cuda_boxes){box_of(p->a, p->k, p->m, 1, p->m * p->k),
                                   box_of(p->b, p->n, p->k, p->experts, p->expert_stride)};
    default:
        return (struct cuda_boxes){box_of(p->a, p->m, p->k, 1, p->k * p->m), box_of(p->b, p->n, p->k, 1, p->k * p->n)};
    }
}

/* What the manual of cuTensorMapEncodeTiled asks for: multiples of 16 bytes, each stride one of the stride before, below 2^40. */
static bool suits_tma(const struct cuda_box *box)
{
    return (uintptr_t)box->base % 16 == 0 && box->stride[0] % 16 == 0 && box->stride[1] % box->stride[0] == 0 &&
           box->stride[1] < (uint64_t)1 << 40;
}

bool cuda_suits_hopper(const struct op_grouped *p)
{
    if (!fits_ints(p))
        return false;
    const struct cuda_boxes boxes = cuda_hopper_boxes(p);
    return suits_tma(&boxes.a) && suits_tma(&boxes.b) && cuda_is_packed(p->c, p->n, p->expert_stride);
}

struct cuda_plan cuda_plan_attention_hopper(size_t key, size_t heads, size_t sequence)
{
    enum { BARRIERS = (1 + 4 * HOPPER_KEY_STAGES) * 8, ATOM = 1024, WARPS = HOPPER_THREADS / CUDA_WARP };
    const size_t numbers = HOPPER_QUERIES * key + HOPPER_KEY_STAGES * HOPPER_KEYS * (key + HOPPER_VALUE);
    return plan_tiles(heads, sequence, HOPPER_QUERIES, WARPS, numbers * BF16_BYTES + BARRIERS + ATOM);
}

/* `width` numbers of each token, those of two tokens `stride` apart, of so many tokens at a time. */
static struct cuda_box tokens_of(const struct op_attention *p, const void *base, size_t width, size_t stride,
                                 uint32_t rows)
{
    const uint64_t bytes = stride * BF16_BYTES;
    return (struct cuda_box){.base = base,
                             .size = {width, p->sequence, p->batch},
                             .stride = {bytes, bytes * p->sequence},
                             .box = {64, rows, 1}};
}

struct cuda_token_boxes cuda_attention_boxes(const struct op_attention *p, uint32_t queries, uint32_t keys)
{
    const size_t q = p->heads * (p->nope + p->rope), kv = p->heads * (p->nope + p->v), out = p->heads * p->v;
    return (struct cuda_token_boxes){tokens_of(p, p->q, q, q, queries), tokens_of(p, p->kv, kv, kv, keys),
                                     tokens_of(p, p->k_rope, p->rope, p->k_rope_stride, keys),
                                     tokens_of(p, p->dout, out, out, queries)};
}

static bool is_sixty_fours(size_t width)
{
    return width > 0 && width % 64 == 0;
}

bool cuda_suits_attention_hopper(const struct op_attention *p)
{
    const size_t all[] = {p->batch, p->sequence, p->heads, p->k_rope_stride}, largest = (size_t)1 << 20;
    for (size_t i = 0; i < Q_COUNT_OF(all); i++)
        if (all[i] == 0 || all[i] > largest) /* ints have room for places in a row */
            return false;
    const size_t key = p->nope + p->rope;
    if (!is_sixty_fours(p->nope) || !is_sixty_fours(p->rope) || (key != 128 && key != 192) || p->v != HOPPER_VALUE)
        return false;
    const struct cuda_token_boxes boxes = cuda_attention_boxes(p, HOPPER_QUERIES, HOPPER_KEYS);
    return suits_tma(&boxes.q) && suits_tma(&boxes.kv) && suits_tma(&boxes.k_rope) &&
           cuda_is_packed(p->out, p->v, p->v) && p->scale > 0; /* the largest score gives the largest probability */
}

static struct cuda_plan plan_backward(size_t key, size_t heads, size_t sequence, size_t met, size_t stages,
                                      size_t floats)
{
    enum { ATOM = 1024, WARPS = HOPPER_THREADS / CUDA_WARP };
    const size_t numbers = (HOPPER_OWN + stages * met) * (key + HOPPER_VALUE), barriers = (1 + 2 * stages) * 8;
    return plan_tiles(heads, sequence, HOPPER_OWN, WARPS,
                      numbers * BF16_BYTES + stages * floats * sizeof(float) + barriers + ATOM);
}

struct cuda_plan cuda_plan_hopper_keys(size_t key, size_t heads, size_t sequence)
{
    return plan_backward(key, heads, sequence, HOPPER_MET_QUERIES, HOPPER_QUERY_STAGES, 2 * HOPPER_MET_QUERIES);
}

struct cuda_plan cuda_plan_hopper_queries(size_t key, size_t heads, size_t sequence)
{
    return plan_backward(key, heads, sequence, HOPPER_MET_KEYS, HOPPER_MET_KEY_STAGES, 0);
}

bool cuda_suits_attention_backward_hopper(const struct op_attention *p)
{
    return cuda_suits_attention_hopper(p) && cuda_is_packed(p->dout, p->v, p->v) &&
           cuda_is_packed(p->dq, p->nope, p->rope) && cuda_is_packed(p->dkv, p->nope, p->v);
}

size_t cuda_attention_sums(size_t batch, size_t heads, size_t sequence)
{
    return batch * heads * (size_t)q_ceil_div(sequence, HOPPER_OWN) * HOPPER_OWN * 2;
}

bool cuda_is_packed(const void *address, size_t width, size_t stride)
{
    return (uintptr_t)address % 16 == 0 && width % CUDA_PACK == 0 && stride % CUDA_PACK == 0;
}
