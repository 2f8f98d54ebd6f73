/* Launches and workspace, counted by hand. */
#include "base/check.h"
#include "train/cuda/cuda_dnn_plan.h"
#include "train/cuda/cuda_plan.h"
#include "train/cuda/cuda_workspace.h"

#include "base/check.h"
#include "base/random.h"
#include "tests/base/cmocka_all.h"

static void assert_plan(struct cuda_plan plan, unsigned grid_x, unsigned grid_y, unsigned threads_x, unsigned threads_y)
{
    assert_int_equal(plan.grid_x, grid_x);
    assert_int_equal(plan.grid_y, grid_y);
    assert_int_equal(plan.threads_x, threads_x);
    assert_int_equal(plan.threads_y, threads_y);
    assert_int_equal(plan.shared, 0);
}

static void items_are_shared_out(void **state)
{
    (void)state;
    assert_plan(cuda_plan_items(0), 1, 1, 256, 1);
    assert_plan(cuda_plan_items(1), 1, 1, 256, 1);
    assert_plan(cuda_plan_items(257), 2, 1, 256, 1);
    assert_plan(cuda_plan_items((size_t)1 << 33), 4096, 1, 256, 1);
}

/* A warp takes 4 packs a lane: 1,024 elements of BF16 by eights; V3's width of 7,168 needs 7 warps, so 8 of them. */
static void rows_have_threads_enough(void **state)
{
    (void)state;
    assert_plan(cuda_plan_rows(0, 64, 8), 0, 1, 32, 8);
    assert_plan(cuda_plan_rows(17, 1024, 8), 3, 1, 32, 8);
    assert_plan(cuda_plan_rows(17, 1025, 8), 17, 1, 64, 1);
    assert_plan(cuda_plan_rows(4096, 7168, 8), 4096, 1, 256, 1);
    assert_plan(cuda_plan_rows(4096, 129280, 1), 4096, 1, 1024, 1);
    assert_plan(cuda_plan_warps(9), 2, 1, 32, 8);
    assert_plan(cuda_plan_blocks(7, 96), 7, 1, 96, 1);
}

/* 512 floats are 2 kB, 8 of them; 4,000 are 16 kB, and 48 KiB hold 3 of them. */
static void warps_share_the_room(void **state)
{
    (void)state;
    const struct cuda_plan eight = cuda_plan_room(17, 512), three = cuda_plan_room(17, 4000);
    assert_int_equal(eight.grid_x, 3);
    assert_int_equal(eight.threads_y, 8);
    assert_int_equal(eight.shared, 8 * 2048);
    assert_int_equal(three.grid_x, 6);
    assert_int_equal(three.threads_y, 3);
    assert_int_equal(three.shared, 48000);
}

static void heads_have_kernels_that_hold_them(void **state)
{
    (void)state;
    assert_int_equal(cuda_flash_size(16, 16), 0);
    assert_int_equal(cuda_flash_size(64, 64), 0);
    assert_int_equal(cuda_flash_size(48, 80), 1);
    assert_int_equal(cuda_flash_size(80, 16), 1);
    assert_int_equal(cuda_flash_size(192, 128), 2);
    assert_int_equal(cuda_flash_size(192, 144), 3);
    assert_int_equal(cuda_flash_size(256, 256), 3);
    assert_int_equal(cuda_flash_size(272, 16), CUDA_FLASH_SIZES);
    assert_int_equal(cuda_flash_size(16, 272), CUDA_FLASH_SIZES);
}

static void assert_flash(struct cuda_plan plan, unsigned grid, unsigned threads, size_t shared)
{
    assert_int_equal(plan.shared, shared);
    plan.shared = 0;
    assert_plan(plan, grid, 1, threads, 1);
}

/* V3's heads: 128 queries and 64 keys of 384 bytes, 64 values of 256; backward 64 rows of both, 640 bytes, twice 32 more, and twice 64 floats. An A100 has
 * 164 KiB a multiprocessor, 1 KiB of them for each block: two blocks of the backward; and 99 KiB are what its smaller brothers have. */
static void tiles_of_attention_fit(void **state)
{
    (void)state;
    enum { HEADS = 3 * 128, A100 = 164 << 10, SMALLEST = 99 << 10 };
    assert_flash(cuda_plan_flash(2, HEADS, 4096), HEADS * 32, 128, 192 * 384 + 64 * 256);
    assert_flash(cuda_plan_flash(2, 1, 129), 2, 128, 90112);
    assert_flash(cuda_plan_flash(0, 5, 1), 5, 128, 192 * 128 + 64 * 128);
    assert_flash(cuda_plan_flash(3, 1, 0), 0, 256, 192 * 512 + 64 * 512);
    assert_flash(cuda_plan_flash_backward(2, HEADS, 4096), HEADS * 64, 128, 128 * 640 + 512);
    assert_flash(cuda_plan_flash_backward(0, 2, 65), 4, 128, 128 * 256 + 512);
    assert_flash(cuda_plan_flash_backward(3, 0, 65), 0, 128, 128 * 1024 + 512);
    assert_true(2 * (cuda_plan_flash_backward(2, 1, 1).shared + 1024) <= A100);
    assert_true(cuda_plan_flash(3, 1, 1).shared + 1024 <= A100);
    for (unsigned size = 0; size < 3; size++) {
        assert_true(cuda_plan_flash(size, 1, 1).shared <= SMALLEST);
        assert_true(cuda_plan_flash_backward(size, 1, 1).shared <= SMALLEST);
    }
}

static void columns_are_cut_by_rows_alone(void **state)
{
    (void)state;
    assert_int_equal(cuda_chunk_rows(1), 32);
    assert_int_equal(cuda_chunk_rows(2048), 32);
    assert_int_equal(cuda_chunk_rows(16384), 256);
    assert_plan(cuda_plan_columns(33, 45), 2, 2, 32, 8);
    assert_plan(cuda_plan_columns(16384, 7168), 224, 64, 32, 8);
}

/* V3: a row of logits is 129,280 of 4 bytes and of 2 beside it: 776 kB, and 256 MiB hold 346 of them. */
static void logits_fit(void **state)
{
    (void)state;
    assert_int_equal(cuda_logits_rows(16384, 129280, 2), 346);
    assert_int_equal(cuda_logits_rows(100, 129280, 2), 100);
    assert_int_equal(cuda_logits_rows(16384, 1 << 22, 2), 128);
}

static void rows_of_logits_are_aligned(void **state)
{
    (void)state;
    assert_int_equal(cuda_logits_stride(1), 64);
    assert_int_equal(cuda_logits_stride(129280), 129280);
    assert_int_equal(cuda_logits_stride(128815), 128832);
    assert_int_equal(cuda_logits_rows(16384, 128815, 2), (256 << 20) / 6 / 128832);
}

/* 256 MiB of 4 + 2 bytes each, or 128 rows. */
static void logits_have_a_most(void **state)
{
    (void)state;
    assert_int_equal(cuda_logits_max(16384, 129280, 2), (256 << 20) / 6);
    assert_int_equal(cuda_logits_max(100, 129280, 2), 100 * 129280);
    assert_int_equal(cuda_logits_max(16384, 1 << 22, 2), (size_t)128 << 22);
    for (size_t tokens = 1; tokens < 5000; tokens += tokens / 3 + 1)
        for (size_t vocabulary = 1; vocabulary < 1 << 23; vocabulary += vocabulary / 7 + 1) {
            const size_t most = cuda_logits_max(tokens, vocabulary, 2);
            assert_true(cuda_logits_rows(tokens, vocabulary, 2) * cuda_logits_stride(vocabulary) <= most);
            for (size_t fewer = vocabulary / 2 + 1; fewer <= vocabulary; fewer += fewer / 5 + 1)
                assert_true(cuda_logits_rows(tokens - tokens / 5, fewer, 2) * cuda_logits_stride(fewer) <= most);
        }
}

/* Any shapes within others: each of the limits is drawn below theirs. */
static void the_workspace_is_enough_for_anything_smaller(void **state)
{
    (void)state;
    static const size_t largest[] = {16, 8192, 8192, 300000, 128, 512, 512, 512, 6144, 16, 20000, 1 << 30};
    enum { MEMBERS = sizeof(struct op_limits) / sizeof(size_t), TRIES = 20000 };
    const q_random_key key = q_random_key_of(7, "workspace", 0, 0);
    uint64_t draw = 0;
    assert_int_equal(Q_COUNT_OF(largest), MEMBERS);
    for (int try = 0; try < TRIES; try++) {
        size_t sizes[2][MEMBERS];
        struct op_limits large, small;
        for (size_t i = 0; i < MEMBERS; i++) {
            sizes[0][i] = q_random_below(key, draw++, largest[i] + 1);
            sizes[1][i] = q_random_below(key, draw++, sizes[0][i] + 1);
        }
        memcpy(&large, sizes[0], sizeof large);
        memcpy(&small, sizes[1], sizeof small);
        for (size_t real_bytes = 2; real_bytes <= 4; real_bytes += 2)
            assert_true(cuda_workspace_bytes(&small, real_bytes, false, true) <=
                        cuda_workspace_bytes(&large, real_bytes, false, true));
        for (int deterministic = 0; deterministic < 2; deterministic++)
            assert_true(cuda_workspace_bytes(&small, 2, true, deterministic) <=
                        cuda_workspace_bytes(&large, 2, true, deterministic));
    }
}

static void shapes_have_room_in_shared_memory(void **state)
{
    (void)state;
    const struct op_limits fitting = {.experts = 6144, .nope = 4096, .rope = 1024, .v = 1024},
                           experts = {.experts = 6145}, heads = {.nope = 4096, .rope = 1024, .v = 1025};
    assert_ok(cuda_limits_check(&fitting));
    assert_int_equal(cuda_plan_room(1, 2 * fitting.experts).threads_y, 1);
    assert_int_equal(cuda_limits_check(&experts), Q_ERR_USAGE);
    assert_int_equal(cuda_limits_check(&heads), Q_ERR_USAGE);
    assert_string_equal(q_error_text(), "the GPU's attention has room for heads whose key and value have 6144 numbers "
                                        "together, not 6145; choose the backend 'cpu'");
}

static void moves_are_aligned(void **state)
{
    (void)state;
    assert_true(cuda_is_packed((void *)64, 16, 24));
    assert_false(cuda_is_packed((void *)68, 16, 24));
    assert_false(cuda_is_packed((void *)64, 12, 24));
    assert_false(cuda_is_packed((void *)64, 16, 20));
    assert_true(cuda_is_packed(NULL, 16, 16));
}

/* An A100 has 163 KiB for a block, its smaller brothers 99. */
static void mma_has_the_stages_that_fit(void **state)
{
    (void)state;
    static const size_t shared_max[] = {99 << 10, 163 << 10, 227 << 10};
    static const unsigned stages[] = {2, 3, 3};
    for (size_t i = 0; i < Q_COUNT_OF(stages); i++) {
        assert_int_equal(cuda_mma_stages(shared_max[i]), stages[i]);
        const struct cuda_plan plan = cuda_plan_mma(108, stages[i]);
        assert_int_equal(plan.grid_x, 108);
        assert_int_equal(plan.grid_y, 1);
        assert_int_equal(plan.threads_x, 256);
        assert_int_equal(plan.threads_y, 1);
        assert_int_equal(plan.shared, stages[i] * 49152);
        assert_true(plan.shared <= shared_max[i]);
    }
}

/* A stage is 128 + 256 rows of 64 numbers of 2 bytes, 48 KiB; four of them, 8 barriers of 8 bytes and 1,024 to align them. */
static void hopper_has_a_block_for_each_multiprocessor(void **state)
{
    (void)state;
    const struct cuda_plan plan = cuda_plan_hopper(132, false);
    assert_int_equal(plan.grid_x, 132);
    assert_int_equal(plan.grid_y, 1);
    assert_int_equal(plan.threads_x, 384);
    assert_int_equal(plan.threads_y, 1);
    assert_int_equal(plan.shared, 4 * 49152 + 64 + 1024);
    assert_int_equal(plan.cluster, 0);
}

/* A multiprocessor that is left over has no block. */
static void hopper_has_clusters_of_two(void **state)
{
    (void)state;
    const unsigned multiprocessors[] = {132, 115, 2, 1}, blocks[] = {132, 114, 2, 1}, clusters[] = {2, 2, 2, 0};
    for (size_t i = 0; i < Q_COUNT_OF(blocks); i++) {
        const struct cuda_plan plan = cuda_plan_hopper(multiprocessors[i], true);
        assert_int_equal(plan.grid_x, blocks[i]);
        assert_int_equal(plan.cluster, clusters[i]);
    }
}

/* V3's gate and up: 32 experts of 7,168 to 4,096, 32,768 rows. */
static struct op_grouped v3_product(enum op_product kind)
{
    return (struct op_grouped){.kind = kind,
                               .experts = 32,
                               .m = kind == OP_TN ? 4096 : 32768,
                               .n = kind == OP_NT ? 4096 : 7168,
                               .k = kind == OP_NT   ? 7168
                                    : kind == OP_NN ? 4096
                                                    : 32768,
                               .a = (const op_real *)(uintptr_t)64,
                               .b = (const op_real *)(uintptr_t)128,
                               .c = (void *)(uintptr_t)256,
                               .expert_stride = (size_t)4096 * 7168};
}

static void grouped_products_take_whole_packs(void **state)
{
    (void)state;
    for (int kind = OP_NT; kind <= OP_TN; kind++) {
        const struct op_grouped good = v3_product((enum op_product)kind);
        struct op_grouped odd[7] = {good, good, good, good, good, good, good};
        odd[0].n = 4100;
        odd[1].expert_stride += 4; /* of TN that of C */
        odd[2].a = (const op_real *)(uintptr_t)72;
        odd[3].c = (void *)(uintptr_t)264;
        odd[4].k = 0;
        odd[5].experts = 0;
        odd[6].m = ((size_t)1 << 30) + 8;
        assert_true(cuda_suits_hopper(&good));
        assert_true(cuda_suits_mma(&good));
        for (size_t i = 0; i < Q_COUNT_OF(odd); i++) {
            assert_false(cuda_suits_hopper(&odd[i]));
            assert_false(cuda_suits_mma(&odd[i]));
        }
    }
    struct op_grouped rows = v3_product(OP_NT), depth = rows;
    rows.m = 13; /* rows need not be packs, what is contiguous must */
    depth.k = 7172;
    assert_true(cuda_suits_hopper(&rows));
    assert_false(cuda_suits_hopper(&depth));
    assert_true(cuda_suits_mma(&rows));
    assert_false(cuda_suits_mma(&depth));
}

static void assert_box(const struct cuda_box *box, uintptr_t base, uint64_t size_0, uint64_t size_1, uint64_t size_2,
                       uint64_t stride_2)
{
    assert_int_equal((uintptr_t)box->base, base);
    assert_int_equal(box->size[0], size_0);
    assert_int_equal(box->size[1], size_1);
    assert_int_equal(box->size[2], size_2);
    assert_int_equal(box->stride[0], size_0 * 2);
    assert_int_equal(box->stride[1], stride_2);
    assert_int_equal(box->box[0], 64);
    assert_int_equal(box->box[1], 64);
    assert_int_equal(box->box[2], 1);
}

/* 4,096 x 7,168 numbers of an expert are 58,720,256 bytes; 32,768 rows of 7,168 are 8 times that. */
static void hopper_loads_boxes(void **state)
{
    (void)state;
    const struct op_grouped nt = v3_product(OP_NT), nn = v3_product(OP_NN), tn = v3_product(OP_TN);
    struct cuda_boxes boxes = cuda_hopper_boxes(&nt);
    assert_box(&boxes.a, 64, 7168, 32768, 1, 469762048);
    assert_box(&boxes.b, 128, 7168, 4096, 32, 58720256);
    boxes = cuda_hopper_boxes(&nn);
    assert_box(&boxes.a, 64, 4096, 32768, 1, 268435456);
    assert_box(&boxes.b, 128, 7168, 4096, 32, 58720256);
    boxes = cuda_hopper_boxes(&tn);
    assert_box(&boxes.a, 64, 4096, 32768, 1, 268435456);
    assert_box(&boxes.b, 128, 7168, 32768, 1, 469762048);
}

static struct op_attention v3_attention(void)
{
    return (struct op_attention){.batch = 3,
                                 .sequence = 4096,
                                 .heads = 128,
                                 .nope = 128,
                                 .rope = 64,
                                 .v = 128,
                                 .scale = 0.07F,
                                 .q = (const op_real *)(uintptr_t)64,
                                 .kv = (const op_real *)(uintptr_t)128,
                                 .k_rope = (const op_real *)(uintptr_t)1024, /* behind 512 latent numbers */
                                 .k_rope_stride = 576,
                                 .out = (op_real *)(uintptr_t)256,
                                 .dout = (const op_real *)(uintptr_t)512,
                                 .dq = (op_real *)(uintptr_t)2048,
                                 .dkv = (op_real *)(uintptr_t)4096};
}

/* V3's heads: 128 queries of 384 bytes, twice 128 keys and values of 640, 9 barriers of 8 bytes and 1,024 to align them; Hopper has 227 KiB. */
static void attention_on_hopper_fits(void **state)
{
    (void)state;
    assert_flash(cuda_plan_attention_hopper(192, 3 * 128, 4096), 384 * 32, 384, 49152 + 2 * 81920 + 72 + 1024);
    assert_flash(cuda_plan_attention_hopper(192, 2, 129), 4, 384, 214088);
    assert_flash(cuda_plan_attention_hopper(128, 5, 128), 5, 384, 32768 + 2 * 65536 + 72 + 1024);
    assert_flash(cuda_plan_attention_hopper(128, 0, 1), 0, 384, 164936);
    assert_true(cuda_plan_attention_hopper(192, 1, 1).shared <= 227 << 10);
}

static void attention_on_hopper_takes_what_tma_can_bring(void **state)
{
    (void)state;
    const struct op_attention good = v3_attention();
    struct op_attention odd[13], shorter = good;
    for (size_t i = 0; i < Q_COUNT_OF(odd); i++)
        odd[i] = good;
    odd[0].nope = 96;
    odd[1].rope = 0;
    odd[2].rope = 128; /* a key of 256 */
    odd[3].v = 64;
    odd[4].k_rope_stride = 572;
    odd[5].q = (const op_real *)(uintptr_t)72;
    odd[6].kv = (const op_real *)(uintptr_t)72;
    odd[7].k_rope = (const op_real *)(uintptr_t)1028;
    odd[8].out = (op_real *)(uintptr_t)260;
    odd[9].scale = -1;
    odd[10].sequence = 0;
    odd[11].heads = ((size_t)1 << 20) + 1;
    odd[12].batch = 0;
    shorter.nope = 64;
    assert_true(cuda_suits_attention_hopper(&good));
    for (size_t i = 0; i < Q_COUNT_OF(odd); i++)
        assert_false(cuda_suits_attention_hopper(&odd[i]));
    assert_true(cuda_suits_attention_hopper(&shorter)); /* a key of 128 */
    shorter.rope = 128;
    assert_true(cuda_suits_attention_hopper(&shorter));
}

/* Own tiles are 128 tokens of 640 bytes: 81,920 bytes; three stages of 64 with 512 bytes of floats, or two of 96; 7 and 5 barriers. */
static void attention_backward_on_hopper_fits(void **state)
{
    (void)state;
    assert_flash(cuda_plan_hopper_keys(192, 3 * 128, 4096), 384 * 32, 384, 81920 + 3 * (40960 + 512) + 56 + 1024);
    assert_flash(cuda_plan_hopper_keys(128, 2, 129), 4, 384, 65536 + 3 * (32768 + 512) + 56 + 1024);
    assert_flash(cuda_plan_hopper_queries(192, 3 * 128, 4096), 384 * 32, 384, 81920 + 2 * 61440 + 40 + 1024);
    assert_flash(cuda_plan_hopper_queries(128, 0, 1), 0, 384, 65536 + 2 * 49152 + 40 + 1024);
    assert_true(cuda_plan_hopper_keys(192, 1, 1).shared <= 227 << 10);
    assert_true(cuda_plan_hopper_queries(192, 1, 1).shared <= 227 << 10);
    assert_int_equal(cuda_attention_sums(3, 128, 4096), 3 * 128 * 4096 * 2);
    assert_int_equal(cuda_attention_sums(2, 5, 129), 2 * 5 * 256 * 2);
    assert_int_equal(cuda_attention_sums(1, 1, 0), 0);
}

static void attention_backward_on_hopper_takes_less(void **state)
{
    (void)state;
    const struct op_attention good = v3_attention();
    struct op_attention odd[4] = {good, good, good, good};
    odd[0].dout = (const op_real *)(uintptr_t)520;
    odd[1].dq = (op_real *)(uintptr_t)2056;
    odd[2].dkv = (op_real *)(uintptr_t)4104;
    odd[3].v = 64;
    assert_true(cuda_suits_attention_backward_hopper(&good));
    for (size_t i = 0; i < Q_COUNT_OF(odd); i++)
        assert_false(cuda_suits_attention_backward_hopper(&odd[i]));
}

static void assert_tokens(const struct cuda_box *box, uintptr_t base, uint64_t width, uint64_t stride, uint32_t height)
{
    assert_int_equal((uintptr_t)box->base, base);
    assert_int_equal(box->size[0], width);
    assert_int_equal(box->size[1], 4096);
    assert_int_equal(box->size[2], 3);
    assert_int_equal(box->stride[0], stride);
    assert_int_equal(box->stride[1], 4096 * stride);
    assert_int_equal(box->box[0], 64);
    assert_int_equal(box->box[1], height);
    assert_int_equal(box->box[2], 1);
}

/* A token has 128 queries of 192 numbers, 128 times 256 of keys and values, 64 that all heads share, and 128 outputs of 128. */
static void attention_on_hopper_loads_boxes(void **state)
{
    (void)state;
    const struct op_attention v3 = v3_attention();
    const struct cuda_token_boxes boxes = cuda_attention_boxes(&v3, 64, 96);
    assert_tokens(&boxes.q, 64, 24576, 49152, 64);
    assert_tokens(&boxes.kv, 128, 32768, 65536, 96);
    assert_tokens(&boxes.k_rope, 1024, 64, 1152, 96);
    assert_tokens(&boxes.dout, 512, 16384, 32768, 64);
}

static void the_workspace_is_that_of_the_largest(void **state)
{
    (void)state;
    const struct op_limits v3 = {.batch = 4,
                                 .sequence = 4096,
                                 .hidden = 7168,
                                 .vocabulary = 129280,
                                 .heads = 128,
                                 .nope = 128,
                                 .rope = 64,
                                 .v = 128,
                                 .experts = 256,
                                 .top_k = 8,
                                 .width = 18432,
                                 .parameters = 1000000};
    assert_int_equal(cuda_workspace_piece(0, 4), 0);
    assert_int_equal(cuda_workspace_piece(65, 4), 512);
    assert_int_equal(cuda_route_chunks(16384 * 8), 256);
    /* attention's: two numbers for each query of each head, and 64 for the shared key: 2,097,152 x 66 x 4 bytes */
    assert_int_equal(cuda_workspace_bytes(&v3, 2, false, true), (size_t)2097152 * 66 * 4);
    /* cuDNN's: what a call may take, and the sums of 64 numbers of each token */
    assert_int_equal(cuda_workspace_bytes(&v3, 2, true, true), CUDA_DNN_ROOM + (size_t)16384 * 64 * 4);
    /* in any order all heads of a sequence find room: keys and their gradients, parts of dq and a float for each query, a MiB to spare, and those sums */
    struct op_limits one = v3;
    one.batch = 1;
    assert_int_equal(cuda_workspace_bytes(&one, 2, true, true), CUDA_DNN_ROOM + (size_t)4096 * 64 * 4);
    assert_int_equal(cuda_workspace_bytes(&one, 2, true, false),
                     (size_t)524288 * (2 * 192 * 2 + 192 * 4 + 4) + (1 << 20) + (size_t)4096 * 64 * 4);
    size_t before = 0; /* shorter keys may want more of cuDNN, and have it */
    for (one.nope = 8, one.rope = 0; one.nope <= 256; one.nope += 8) {
        const size_t bytes = cuda_dnn_workspace(&one, false);
        assert_true(bytes >= before);
        before = bytes;
    }
}

/* V3's heads by hand; then no call has more than its room, and one head is refused only where it has none. */
static void calls_of_cudnn_have_room(void **state)
{
    (void)state;
    enum { MIB = 1 << 20 };
    struct op_attention a = {.batch = 4, .sequence = 4096, .heads = 128, .nope = 128, .rope = 64, .v = 128};
    struct cuda_dnn_calls calls = cuda_dnn_calls_of(&a, CUDA_DNN_BACKWARD, CUDA_DNN_ROOM);
    assert_int_equal(calls.sequences, 1);
    assert_int_equal(calls.heads, 26); /* 29 fit: 5 calls of a sequence, as equal as they can be */
    calls = cuda_dnn_calls_of(&a, CUDA_DNN_BACKWARD_NONDETERMINISTIC, CUDA_DNN_ROOM);
    assert_int_equal(calls.sequences, 1);
    assert_int_equal(calls.heads, 128);
    calls = cuda_dnn_calls_of(&a, CUDA_DNN_FORWARD, CUDA_DNN_ROOM);
    assert_int_equal(calls.sequences, 4);
    assert_int_equal(calls.heads, 128);
    a.sequence = 1 << 20; /* one head has too many scores, forward has none */
    assert_int_equal(cuda_dnn_calls_of(&a, CUDA_DNN_BACKWARD, CUDA_DNN_ROOM).heads, 0);
    assert_int_equal(cuda_dnn_calls_of(&a, CUDA_DNN_FORWARD, CUDA_DNN_ROOM).heads, 2);
    for (a.sequence = 2; a.sequence < 5000; a.sequence += a.sequence / 3 + 1)
        for (size_t room = 0; room < (size_t)2048 * MIB; room += room / 5 + 3 * MIB)
            for (int i = CUDA_DNN_FORWARD; i <= CUDA_DNN_BACKWARD_NONDETERMINISTIC; i++) {
                const enum cuda_dnn_pass pass = (enum cuda_dnn_pass)i;
                calls = cuda_dnn_calls_of(&a, pass, room);
                const size_t heads = calls.sequences * calls.heads;
                if (heads == 0) {
                    assert_true(cuda_dnn_call_bytes(1, a.sequence, 192, pass) + 1024 > room);
                    continue;
                }
                assert_true(calls.sequences == 1 || calls.heads == a.heads);
                assert_true(calls.sequences <= a.batch && calls.heads <= a.heads);
                assert_true(cuda_dnn_call_bytes(heads, a.sequence, 192, pass) <= room);
            }
}

/* On a device that is not asked, so any place will do. */
static void what_suits_cudnn_is_told_apart(void **state)
{
    (void)state;
    static _Alignas(16) char place[32];
    op_real *const there = (op_real *)(void *)place, *const view = (op_real *)(void *)(place + 4);
    const struct op_attention good = {.batch = 1,
                                      .sequence = 2,
                                      .heads = 3,
                                      .nope = 128,
                                      .rope = 64,
                                      .v = 128,
                                      .q = there,
                                      .kv = there,
                                      .k_rope = there,
                                      .k_rope_stride = 576,
                                      .out = there};
    struct op_attention each[12];
    for (size_t i = 0; i < Q_COUNT_OF(each); i++)
        each[i] = good;
    assert_true(cuda_suits_dnn(&good));
    each[0].sequence = 1;
    each[1].batch = 0;
    each[2].heads = 0;
    each[3].nope = 124;
    each[4].rope = 4;
    each[5].v = 132;
    each[6].nope = 200; /* 264 in all */
    each[7].v = 264;
    each[8].k_rope_stride = 580;
    each[9].kv = view;
    each[10].dkv = view;
    each[11].rope = 0;
    for (size_t i = 0; i < Q_COUNT_OF(each); i++)
        assert_false(cuda_suits_dnn(&each[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_shared_out),
        cmocka_unit_test(rows_have_threads_enough),
        cmocka_unit_test(warps_share_the_room),
        cmocka_unit_test(heads_have_kernels_that_hold_them),
        cmocka_unit_test(tiles_of_attention_fit),
        cmocka_unit_test(columns_are_cut_by_rows_alone),
        cmocka_unit_test(logits_fit),
        cmocka_unit_test(rows_of_logits_are_aligned),
        cmocka_unit_test(logits_have_a_most),
        cmocka_unit_test(the_workspace_is_enough_for_anything_smaller),
        cmocka_unit_test(shapes_have_room_in_shared_memory),
        cmocka_unit_test(moves_are_aligned),
        cmocka_unit_test(mma_has_the_stages_that_fit),
        cmocka_unit_test(hopper_has_a_block_for_each_multiprocessor),
        cmocka_unit_test(hopper_has_clusters_of_two),
        cmocka_unit_test(grouped_products_take_whole_packs),
        cmocka_unit_test(hopper_loads_boxes),
        cmocka_unit_test(attention_on_hopper_fits),
        cmocka_unit_test(attention_on_hopper_takes_what_tma_can_bring),
        cmocka_unit_test(attention_on_hopper_loads_boxes),
        cmocka_unit_test(attention_backward_on_hopper_fits),
        cmocka_unit_test(attention_backward_on_hopper_takes_less),
        cmocka_unit_test(the_workspace_is_that_of_the_largest),
        cmocka_unit_test(calls_of_cudnn_have_room),
        cmocka_unit_test(what_suits_cudnn_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
