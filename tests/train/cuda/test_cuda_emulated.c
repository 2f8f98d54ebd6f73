/* The emulated device must be able to find something: a race gives other bits when threads run backwards, what was never written is NaN, a barrier that not all come to and memory touched by the host
 * end the program. And the context's failures: no device, one that there is no code for, shapes too large, no memory, a call that fails at any place. */
#include "tests/base/cmocka_all.h"
#include "tests/train/cuda/defects.h"
#include "tests/train/cuda/defects_hopper.h"
#include "train/bfloat16.h"
#include "train/cuda/cuda_ops.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 64 };

/* Two contexts made one after the other: on the second one's stream threads run backwards. */
struct both {
    struct op_table table;
    struct op_context *contexts[2];
};

static void set_up(struct both *both)
{
    cuda_table_fp32(&both->table);
    for (int i = 0; i < 2; i++)
        assert_ok(both->table.create(NULL, &both->contexts[i]));
}

static void tear_down(struct both *both)
{
    for (int i = 0; i < 2; i++)
        both->table.release(both->contexts[i]);
}

static void sums_of(const struct both *both, int i, bool barrier, float *out)
{
    float *there;
    struct op_context *context = both->contexts[i];
    assert_ok(both->table.memory_create(context, THREADS * sizeof *there, &there));
    sum_neighbours(context, there, barrier);
    both->table.copy_out(context, out, there, THREADS * sizeof *out);
    assert_ok(both->table.synchronize(context));
    both->table.memory_release(context, there);
}

static void a_race_is_seen(void **state)
{
    (void)state;
    struct both both;
    float sums[2][THREADS];
    set_up(&both);
    for (int barrier = 1; barrier >= 0; barrier--) {
        for (int i = 0; i < 2; i++)
            sums_of(&both, i, barrier, sums[i]);
        assert_true((memcmp(sums[0], sums[1], sizeof sums[0]) == 0) == barrier);
    }
    tear_down(&both);
}

static void unwritten_memory_is_rubbish(void **state)
{
    (void)state;
    const struct op_limits limits = {.vocabulary = THREADS, .width = 8};
    struct both both;
    float numbers[THREADS], *there;
    set_up(&both);
    struct op_context *context = both.contexts[0];
    assert_ok(both.table.reserve(context, &limits));
    assert_ok(both.table.memory_create(context, sizeof numbers, &there));
    read_unwritten(context, there);
    both.table.copy_out(context, numbers, there, sizeof numbers);
    for (int i = 0; i < THREADS; i++)
        assert_true(isnan(numbers[i]));
    for (int again = 0; again < 2; again++) { /* what an operation left in its workspace */
        size_t used = 0;
        float *piece = cuda_take(context, &used, THREADS, sizeof *piece);
        both.table.copy_out(context, numbers, piece, sizeof numbers);
        for (int i = 0; i < THREADS; i++)
            assert_true(isnan(numbers[i]));
        both.table.zero(context, piece, sizeof numbers);
    }
    assert_ok(both.table.synchronize(context));
    both.table.memory_release(context, there);
    tear_down(&both);
}

enum { NUMBERS = THREADS * 8 };

static void copies_of(const struct both *both, int i, struct copy_defects how, const uint16_t *in, uint16_t *out)
{
    uint16_t *there;
    struct op_context *context = both->contexts[i];
    assert_ok(both->table.memory_create(context, 2 * NUMBERS * sizeof *there, &there));
    both->table.copy_in(context, there, in, NUMBERS * sizeof *in);
    copy_through(context, there + NUMBERS, there, how);
    both->table.copy_out(context, out, there + NUMBERS, NUMBERS * sizeof *out);
    assert_ok(both->table.synchronize(context));
    both->table.memory_release(context, there);
}

/* Whatever the order of threads: all that is right comes, and where something is missing not all of it. */
static void copies_come_when_they_are_waited_for(void **state)
{
    (void)state;
    struct both both;
    uint16_t in[NUMBERS], expect[NUMBERS], out[NUMBERS];
    set_up(&both);
    for (unsigned how = 0; how < 8; how++) {
        const struct copy_defects defects = {.turned = how & 4, .wait = how & 2, .barrier = how & 1};
        for (unsigned i = 0; i < NUMBERS; i++)
            in[i] = (uint16_t)i;
        for (unsigned i = 0; i < NUMBERS; i++)
            expect[i] = defects.turned ? in[i / 64 * 64 + i % 8 * 8 + i / 8 % 8] : in[i];
        bool right[2];
        for (int i = 0; i < 2; i++) {
            copies_of(&both, i, defects, in, out);
            right[i] = memcmp(out, expect, sizeof out) == 0;
        }
        assert_int_equal(right[0] && right[1], defects.wait && defects.barrier);
    }
    tear_down(&both);
}

static void groups_come_in_their_order(void **state)
{
    enum { ALL = COPY_GROUPS * NUMBERS };
    (void)state;
    struct both both;
    uint16_t in[ALL], out[ALL], *there;
    set_up(&both);
    for (unsigned i = 0; i < ALL; i++)
        in[i] = (uint16_t)i;
    for (int i = 0; i < 2; i++) {
        struct op_context *context = both.contexts[i];
        assert_ok(both.table.memory_create(context, 2 * sizeof in, &there));
        both.table.copy_in(context, there, in, sizeof in);
        copy_groups(context, there + ALL, there);
        both.table.copy_out(context, out, there + ALL, sizeof out);
        assert_ok(both.table.synchronize(context));
        both.table.memory_release(context, there);
        assert_memory_equal(out, in, 2 * NUMBERS * sizeof *in);
        for (unsigned k = 2 * NUMBERS; k < ALL; k++)
            assert_int_equal(out[k], 0xffff);
    }
    tear_down(&both);
}

/* How a process ends that does this to one of the contexts: the signal. */
static int end_of_one(void (*defect)(struct op_context *context), int which)
{
    struct both both;
    int status;
    set_up(&both);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        (void)signal(SIGSEGV, SIG_DFL); /* cmocka's own would say so and go on */
        (void)signal(SIGABRT, SIG_DFL);
        defect(both.contexts[which]);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    tear_down(&both);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static int end_of(void (*defect)(struct op_context *context))
{
    return end_of_one(defect, 0);
}

static void touch(struct op_context *context)
{
    struct op_table table;
    volatile float *there;
    cuda_table_fp32(&table);
    if (table.memory_create(context, sizeof *there, &there) == Q_OK)
        *there = 1;
}

static void defects_end_the_program(void **state)
{
    (void)state;
    assert_int_equal(end_of(wait_apart), SIGABRT);
    assert_int_equal(end_of(exchange_apart), SIGABRT);
    assert_int_equal(end_of(leave_a_copy), SIGABRT);
    assert_int_equal(end_of(copy_askew), SIGABRT);
    assert_int_equal(end_of(copy_outside), SIGABRT);
    assert_int_equal(end_of(read_same_banks), SIGABRT);
    assert_int_equal(end_of(touch), SIGSEGV);
}

enum { X_COUNT = 512 * 64, SUMS = 64 * 256 };

/* Numbers of BF16 that are whole. */
static void multiply_on_hopper(struct op_context *context, enum hopper_defect defect, float *out)
{
    struct op_table table;
    static uint16_t x[X_COUNT];
    void *there;
    float *sums;
    cuda_table_fp32(&table);
    for (unsigned i = 0; i < X_COUNT; i++)
        x[i] = bfloat16_of_float((float)(i * 2654435761U >> 28) - 8);
    assert_ok(table.memory_create(context, sizeof x, &there));
    assert_ok(table.memory_create(context, SUMS * sizeof *sums, &sums));
    table.copy_in(context, there, x, sizeof x);
    hopper_multiply(context, sums, there, defect);
    table.copy_out(context, out, sums, SUMS * sizeof *out);
    assert_ok(table.synchronize(context));
    table.memory_release(context, sums);
    table.memory_release(context, there);
}

static void a_stage_that_is_overwritten_is_seen(void **state)
{
    (void)state;
    struct both both;
    static float sums[4][SUMS];
    emulated_device.hopper = true;
    set_up(&both);
    for (int i = 0; i < 2; i++) {
        multiply_on_hopper(both.contexts[i], HOPPER_RIGHT, sums[i]);
        multiply_on_hopper(both.contexts[i], HOPPER_OVERWRITTEN, sums[2 + i]);
    }
    assert_memory_equal(sums[0], sums[1], sizeof sums[0]);
    assert_memory_equal(sums[0], sums[3], sizeof sums[0]); /* TMA came late */
    assert_memory_not_equal(sums[0], sums[2], sizeof sums[0]);
    tear_down(&both);
    emulated_device.hopper = false;
}

#define DEFECT(name, defect)                                                                                           \
    static void name(struct op_context *context)                                                                       \
    {                                                                                                                  \
        static float out[SUMS];                                                                                        \
        multiply_on_hopper(context, defect, out);                                                                      \
    }
DEFECT(right, HOPPER_RIGHT)
DEFECT(no_wait_for_tma, HOPPER_NO_WAIT_FOR_TMA)
DEFECT(no_wait_for_products, HOPPER_NO_WAIT_FOR_PRODUCTS)
DEFECT(too_few_bytes, HOPPER_TOO_FEW_BYTES)
DEFECT(too_many_bytes, HOPPER_TOO_MANY_BYTES)
DEFECT(no_fence, HOPPER_NO_FENCE)
DEFECT(not_made, HOPPER_NOT_MADE)

static void share_on_hopper(struct op_context *context, enum hopper_defect defect)
{
    struct op_table table;
    static const uint16_t x[X_COUNT];
    void *there;
    cuda_table_fp32(&table);
    assert_ok(table.memory_create(context, sizeof x, &there));
    table.copy_in(context, there, x, sizeof x);
    hopper_share(context, there, defect);
    assert_ok(table.synchronize(context));
    table.memory_release(context, there);
}

#define SHARED_DEFECT(name, defect)                                                                                    \
    static void name(struct op_context *context)                                                                       \
    {                                                                                                                  \
        share_on_hopper(context, defect);                                                                              \
    }
SHARED_DEFECT(shared, HOPPER_RIGHT)
SHARED_DEFECT(apart_first, HOPPER_APART_FIRST)
SHARED_DEFECT(apart_last, HOPPER_APART_LAST)

static void defects_of_hopper_end_the_program(void **state)
{
    (void)state;
    emulated_device.hopper = true;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(end_of_one(right, i), 0);
        assert_int_equal(end_of_one(no_wait_for_products, i), SIGABRT);
        assert_int_equal(end_of_one(too_few_bytes, i), SIGABRT);
        assert_int_equal(end_of_one(too_many_bytes, i), SIGABRT);
        assert_int_equal(end_of_one(no_fence, i), SIGABRT);
        assert_int_equal(end_of_one(not_made, i), SIGABRT);
        assert_int_equal(end_of_one(shared, i), 0);
        assert_int_equal(end_of_one(apart_last, i), SIGABRT);
    }
    assert_int_equal(end_of_one(apart_first, 0), SIGABRT);     /* backwards TMA comes when both blocks wait */
    assert_int_equal(end_of_one(no_wait_for_tma, 1), SIGABRT); /* forwards TMA is there at once */
    emulated_device.hopper = false;
}

/* One token of 256 and 256 numbers, whose tiles want 128 KiB: its value comes out. */
static void attend(const struct op_table *table, struct op_context *context)
{
    enum { NOPE = 128, ROPE = 128, V = 256, SUM = NOPE + ROPE, ONE = 0x3f80 };
    const struct op_limits limits = {.batch = 1, .sequence = 1, .hidden = 1, .heads = 1};
    uint16_t *there, out[V] = {0}, kv[NOPE + V] = {0};
    assert_ok(table->reserve(context, &limits));
    assert_ok(table->memory_create(context, (SUM + NOPE + V + ROPE + V + 2) * sizeof *there, &there));
    struct op_attention a = {.batch = 1, .sequence = 1, .heads = 1, .nope = NOPE, .rope = ROPE, .v = V, .scale = 1};
    a.q = (const op_real *)(const void *)there;
    a.kv = (const op_real *)(const void *)(there + SUM);
    a.k_rope = (const op_real *)(const void *)(there + SUM + NOPE + V);
    a.k_rope_stride = ROPE;
    a.out = (op_real *)(void *)(there + SUM + NOPE + V + ROPE);
    a.lse = (float *)(void *)(there + SUM + NOPE + V + ROPE + V);
    kv[NOPE + V - 1] = ONE;
    table->copy_in(context, there + SUM, kv, sizeof kv);
    table->attention(context, &a);
    table->copy_out(context, out, a.out, sizeof out);
    assert_ok(table->synchronize(context));
    assert_int_equal(out[0], 0);
    assert_int_equal(out[V - 1], ONE);
    table->memory_release(context, there);
}

static void small_devices_attend_too(void **state)
{
    (void)state;
    struct op_table table;
    struct op_context *context;
    cuda_table_bf16(&table);
    const size_t most = emulated_device.shared_max;
    for (int small = 0; small < 2; small++) {
        emulated_device.shared_max = small ? 99 << 10 : most;
        assert_ok(table.create(NULL, &context));
        attend(&table, context);
        table.release(context);
    }
    emulated_device.shared_max = most;
}

static void without_a_device_it_says_so(void **state)
{
    (void)state;
    struct op_table table;
    struct op_context *context = NULL;
    cuda_table_fp32(&table);
    emulated_device.absent = true;
    const q_status status = table.create(NULL, &context);
    emulated_device.absent = false;
    assert_int_equal(status, Q_ERR_SYSTEM);
    assert_string_equal(q_error_text(),
                        "there is no GPU to train on: no CUDA-capable device is detected; choose the backend 'cpu'");
    assert_null(context);
}

static void an_older_device_is_named(void **state)
{
    (void)state;
    struct op_table table;
    struct op_context *context = NULL;
    cuda_table_bf16(&table);
    emulated_device.older = true;
    const q_status status = table.create(NULL, &context);
    emulated_device.older = false;
    assert_int_equal(status, Q_ERR_SYSTEM);
    assert_string_equal(q_error_text(),
                        "the GPU has compute capability 7.5, and this quern has code for 80-real, 90a-real alone; "
                        "build it with that one in QUERN_CUDA_ARCHITECTURES (8.0 is the least), name another GPU in "
                        "CUDA_VISIBLE_DEVICES, or choose the backend 'cpu'");
    assert_null(context);
}

/* Before anything runs, and the context stays as it was. */
static void shapes_without_room_are_refused(void **state)
{
    (void)state;
    const struct op_limits small = {.vocabulary = 8, .width = 8}, large = {.experts = 6145};
    struct op_table table;
    struct op_context *context;
    cuda_table_fp32(&table);
    assert_ok(table.create(NULL, &context));
    assert_ok(table.reserve(context, &small));
    const size_t bytes = table.workspace_bytes(context);
    assert_int_equal(table.reserve(context, &large), Q_ERR_USAGE);
    assert_string_equal(q_error_text(),
                        "the GPU's router has room for 6144 experts, not for 6145; choose the backend 'cpu'");
    assert_int_equal(table.workspace_bytes(context), bytes);
    assert_ok(table.synchronize(context));
    table.release(context);
}

/* *failed: whether the call that is to fail was one of these; what fails while all is released has nobody to tell. */
static q_status use(const struct op_table *table, bool *failed)
{
    const struct op_limits limits = {
        .batch = 1, .sequence = 8, .hidden = 8, .vocabulary = 8, .width = 8, .parameters = 8};
    struct op_context *context;
    float numbers[8] = {1, 2}, *there = NULL;
    double sum;
    *failed = true;
    Q_TRY(table->create(NULL, &context));
    q_status status = table->reserve(context, &limits);
    if (!status && !(status = table->memory_create(context, sizeof numbers, &there))) {
        table->copy_in(context, there, numbers, sizeof numbers);
        const struct op_matmul product = {.kind = OP_NT,
                                          .m = 2,
                                          .n = 2,
                                          .k = 2,
                                          .a = there,
                                          .a_stride = 2,
                                          .b = (op_real *)(void *)there,
                                          .b_stride = 2,
                                          .c = there + 4,
                                          .c_stride = 2};
        table->sum_squares(context, &sum, there, false, 8);
        table->matmul(context, &product);
        status = table->synchronize(context);
        assert_true(status || sum == 5);
        *failed = emulated_device.fail_at == 0;
        table->memory_release(context, there);
    }
    table->release(context);
    return status;
}

/* Each call in its turn: a status, never a number that is wrong. On Hopper, which is asked more. */
static void every_failure_comes_out(void **state)
{
    (void)state;
    emulated_device.hopper = true;
    struct op_table table;
    unsigned k = 0;
    q_status status;
    bool failed;
    cuda_table_fp32(&table);
    do {
        emulated_device.fail_at = ++k;
        emulated_device.fail_with = k % 2 ? cudaErrorMemoryAllocation : cudaErrorIllegalAddress;
        status = use(&table, &failed);
        assert_true(status == Q_OK || strstr(q_error_text(), "GPU") != NULL);
        assert_int_equal(status == Q_OK, !failed);
    } while (status != Q_OK);
    emulated_device.fail_at = 0;
    emulated_device.hopper = false;
    assert_true(k > 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_race_is_seen),
        cmocka_unit_test(unwritten_memory_is_rubbish),
        cmocka_unit_test(copies_come_when_they_are_waited_for),
        cmocka_unit_test(groups_come_in_their_order),
        cmocka_unit_test(defects_end_the_program),
        cmocka_unit_test(a_stage_that_is_overwritten_is_seen),
        cmocka_unit_test(defects_of_hopper_end_the_program),
        cmocka_unit_test(small_devices_attend_too),
        cmocka_unit_test(without_a_device_it_says_so),
        cmocka_unit_test(an_older_device_is_named),
        cmocka_unit_test(shapes_without_room_are_refused),
        cmocka_unit_test(every_failure_comes_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
