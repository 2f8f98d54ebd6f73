/* Attention through cuDNN (cuda_dnn.cc, op_attention_dnn.cu), with a strict cudnn-frontend over the emulated device (emulated_cudnn.cc): beside the plain
 * operations, in calls of any size, and where the library refuses; its plans, in graphs too; its failures, and what is said where there is no such library.
 * dlopen, dlsym and cuda_dnn_calls_of come here first (--wrap). */
#include "emulated_dnn.h"
#include "tests/train/cuda/given_numbers.h"
#include "tests/train/ops_report.h"
#include "train/cuda/cuda_context.h"
#include "train/cuda/cuda_dnn.h"
#include "train/cuda/cuda_dnn_plan.h"
#include "train/cuda/cuda_ops.h"

#include "base/check.h"
#include "base/log.h"

#include <dlfcn.h>
#include <string.h>

static bool library_missing;
static const char *symbol_missing;
static char library_names[64];
static struct cuda_dnn_calls at_most; /* of a call; none: what there is room for */

void *__real_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags);
void *__real_dlsym(void *library, const char *name);
void *__wrap_dlsym(void *library, const char *name);
struct cuda_dnn_calls __real_cuda_dnn_calls_of(const struct op_attention *attention, enum cuda_dnn_pass pass,
                                               size_t room);
struct cuda_dnn_calls __wrap_cuda_dnn_calls_of(const struct op_attention *attention, enum cuda_dnn_pass pass,
                                               size_t room);

void *__wrap_dlopen(const char *name, int flags)
{
    if (!strstr(name, "cudnn"))
        return __real_dlopen(name, flags);
    (void)snprintf(library_names, sizeof library_names, "%s", name);
    return library_missing ? NULL : __real_dlopen(name, flags);
}

void *__wrap_dlsym(void *library, const char *name)
{
    return symbol_missing && strcmp(name, symbol_missing) == 0 ? NULL : __real_dlsym(library, name);
}

struct cuda_dnn_calls __wrap_cuda_dnn_calls_of(const struct op_attention *attention, enum cuda_dnn_pass pass,
                                               size_t room)
{
    const struct cuda_dnn_calls calls = __real_cuda_dnn_calls_of(attention, pass, room);
    if (at_most.heads == 0)
        return calls;
    if (at_most.heads >= calls.heads)
        return (struct cuda_dnn_calls){Q_MIN(calls.sequences, at_most.sequences), calls.heads};
    return (struct cuda_dnn_calls){1, at_most.heads};
}

/* --- beside the plain operations ------------------------------------------------------------------------------------------------------ */

static void make_table(struct op_table *table, bool deterministic)
{
    cuda_table_dnn_bf16(table);
    if (!deterministic)
        cuda_context_install_nondeterministic(table);
}

static void check_attention(bool deterministic)
{
    struct op_table table;
    const struct ops_wanted wanted = {.table = &table, .threads = 3, .operation = "attention"};
    size_t failed, cases = 0;
    make_table(&table, deterministic);
    assert_ok(ops_check(&wanted, print_result, &cases, &failed));
    assert_true(cases > 20);
    assert_int_equal(failed, 0);
    assert_int_equal(emulated_dnn.alive, 0);
}

static void reset(void)
{
    emulated_dnn = (struct emulated_dnn){0};
    at_most = (struct cuda_dnn_calls){0};
}

/* Of the cases, each called twice, 4 suit it forward and 4 backward. */
static void attention_is_the_plain_one(void **state)
{
    (void)state;
    for (int deterministic = 0; deterministic < 2; deterministic++) {
        reset();
        check_attention(deterministic);
        assert_int_equal(emulated_dnn.executed, 4 * 4);
        assert_int_equal(emulated_dnn.any_order, deterministic ? 0 : 4 * 2);
    }
}

/* One of them has 2 sequences of 3 heads, one 2 of one. */
static void it_is_so_head_by_head(void **state)
{
    (void)state;
    reset();
    at_most = (struct cuda_dnn_calls){1, 1};
    check_attention(true);
    assert_int_equal(emulated_dnn.executed, 4 * (6 + 2 + 1 + 1));
    reset();
}

/* lse of the one way is what the other one's backward reads. */
static void a_backward_that_is_refused_is_the_plain_one(void **state)
{
    (void)state;
    reset();
    emulated_dnn.refuses_backward = true;
    check_attention(true);
    assert_int_equal(emulated_dnn.executed, 2 * 4);
    reset();
}

/* --- calls by hand -------------------------------------------------------------------------------------------------------------------- */

enum { BATCH = 3, TOKENS = 20, HEADS = 3, NOPE = 16, ROPE = 8, VALUE = 24, ROWS = BATCH * TOKENS };
enum { Q_BYTES = ROWS * HEADS * (NOPE + ROPE) * 2, KV_BYTES = ROWS * HEADS * (NOPE + VALUE) * 2 };
enum { ROPE_BYTES = ROWS * ROPE * 2, OUT_BYTES = ROWS * HEADS * VALUE * 2, LSE_BYTES = ROWS * HEADS * 4 };

/* Outputs lie behind each other. */
enum { WRITTEN_BYTES = OUT_BYTES + LSE_BYTES + Q_BYTES + KV_BYTES + ROPE_BYTES };

struct fixture {
    struct op_table table;
    struct op_context *context;
    char *read, *written;
    struct op_attention attention;
};

static void set_up_as(struct fixture *f, bool deterministic)
{
    enum { READ_BYTES = Q_BYTES + KV_BYTES + ROPE_BYTES + OUT_BYTES };
    static uint16_t numbers[READ_BYTES / 2];
    static const struct op_limits limits = {
        .batch = BATCH, .sequence = TOKENS, .heads = HEADS, .nope = NOPE, .rope = ROPE, .v = VALUE, .width = 64};
    reset();
    make_table(&f->table, deterministic);
    assert_ok(f->table.create(NULL, &f->context));
    assert_ok(f->table.reserve(f->context, &limits));
    assert_ok(f->table.memory_create(f->context, WRITTEN_BYTES, &f->written));
    fill(numbers, Q_COUNT_OF(numbers), 3, "attention");
    f->read = give(&f->table, f->context, numbers, sizeof numbers);
    char *kv = f->read + Q_BYTES, *k_rope = kv + KV_BYTES, *lse = f->written + OUT_BYTES, *dq = lse + LSE_BYTES;
    f->attention = (struct op_attention){.batch = BATCH,
                                         .sequence = TOKENS,
                                         .heads = HEADS,
                                         .nope = NOPE,
                                         .rope = ROPE,
                                         .v = VALUE,
                                         .scale = 0.2F,
                                         .q = (op_real *)(void *)f->read,
                                         .kv = (op_real *)(void *)kv,
                                         .k_rope = (op_real *)(void *)k_rope,
                                         .k_rope_stride = ROPE,
                                         .out = (op_real *)(void *)f->written,
                                         .lse = (op_acc *)(void *)lse,
                                         .dout = (op_real *)(void *)(k_rope + ROPE_BYTES),
                                         .dq = (op_real *)(void *)dq,
                                         .dkv = (op_real *)(void *)(dq + Q_BYTES),
                                         .dk_rope = (op_real *)(void *)(dq + Q_BYTES + KV_BYTES),
                                         .dk_rope_stride = ROPE};
}

static void set_up(struct fixture *f)
{
    set_up_as(f, true);
}

static void tear_down(struct fixture *f)
{
    f->table.memory_release(f->context, f->read);
    f->table.memory_release(f->context, f->written);
    f->table.release(f->context);
    assert_int_equal(emulated_dnn.alive, 0);
}

static void work(void *argument)
{
    const struct fixture *f = argument;
    f->table.attention(f->context, &f->attention);
    f->table.attention_backward(f->context, &f->attention);
}

/* What it leaves; the same bits again. */
static void run(struct fixture *f, char *out)
{
    static char again[WRITTEN_BYTES];
    for (int i = 0; i < 2; i++) {
        f->table.copy_in(f->context, f->written, memset(again, 0x5a + i, WRITTEN_BYTES), WRITTEN_BYTES);
        work(f);
        f->table.copy_out(f->context, i == 0 ? out : again, f->written, WRITTEN_BYTES);
    }
    assert_ok(f->table.synchronize(f->context));
    assert_memory_equal(out, again, WRITTEN_BYTES);
}

/* Calls of any size give the same bits: sums over heads go on where they were. */
static void the_size_of_calls_changes_nothing(void **state)
{
    (void)state;
    static const struct cuda_dnn_calls sizes[] = {{2, HEADS}, {1, HEADS}, {1, 2}, {1, 1}};
    static char whole[WRITTEN_BYTES], parts[WRITTEN_BYTES];
    struct fixture f;
    set_up(&f);
    run(&f, whole);
    assert_int_equal(emulated_dnn.executed, 4);
    for (size_t i = 0; i < Q_COUNT_OF(sizes); i++) {
        at_most = sizes[i];
        run(&f, parts);
        assert_memory_equal(whole, parts, WRITTEN_BYTES);
    }
    assert_int_equal(emulated_dnn.executed, 4 * (1 + 2 + 3 + 6 + 9));
    tear_down(&f);
}

/* By our own kernels: the bits of the backend without cuDNN. */
static void run_without(char *out)
{
    struct fixture f;
    struct op_context *with;
    set_up(&f);
    with = f.context;
    struct cuda_dnn *dnn = with->dnn;
    with->dnn = NULL;
    run(&f, out);
    with->dnn = dnn;
    tear_down(&f);
}

static void what_is_refused_is_computed(void **state)
{
    (void)state;
    static char own[WRITTEN_BYTES], given[WRITTEN_BYTES];
    run_without(own);
    for (int refusal = DNN_REFUSES_TO_VALIDATE; refusal < DNN_REFUSALS; refusal++) {
        struct fixture f;
        set_up(&f);
        emulated_dnn.refusal = (enum emulated_dnn_refusal)refusal;
        run(&f, given);
        assert_memory_equal(own, given, WRITTEN_BYTES);
        assert_int_equal(emulated_dnn.executed, 0);
        tear_down(&f);
    }
}

/* Of one micro-batch, over what was written before. */
static void run_repeated(struct fixture *f, char *out)
{
    f->table.zero(f->context, f->written, WRITTEN_BYTES);
    f->table.repeat(f->context, "key", 3, work, f);
    f->table.copy_out(f->context, out, f->written, WRITTEN_BYTES);
    assert_ok(f->table.synchronize(f->context));
}

/* The first time plans are built; the second time what runs is captured. */
static void plans_run_in_graphs(void **state)
{
    (void)state;
    static char first[WRITTEN_BYTES], again[WRITTEN_BYTES];
    struct fixture f;
    set_up(&f);
    const unsigned long launches = emulated_device.graph_launches;
    run_repeated(&f, first);
    for (int i = 0; i < 2; i++) {
        run_repeated(&f, again);
        assert_memory_equal(first, again, WRITTEN_BYTES);
    }
    assert_int_equal(emulated_device.graph_launches - launches, 2);
    assert_int_equal(emulated_dnn.built, 2);
    assert_int_equal(emulated_dnn.executed, 6);
    tear_down(&f);
}

/* Calls of another shape have plans of their own; behind 64 of them they begin again. */
static void plans_are_kept(void **state)
{
    (void)state;
    enum { SHAPES = 150, KEPT = 64 };
    struct fixture f;
    set_up(&f);
    for (size_t i = 1; i <= SHAPES; i++) {
        f.attention.scale = 0.01F * (float)i;
        for (int twice = 0; twice < 2; twice++)
            f.table.attention(f.context, &f.attention);
        assert_int_equal(emulated_dnn.built, i);
        assert_true(emulated_dnn.alive <= 1 + KEPT);
    }
    assert_int_equal(emulated_dnn.executed, 2 * SHAPES);
    for (size_t i = SHAPES; i > SHAPES - 10; i--) {
        f.attention.scale = 0.01F * (float)i;
        f.table.attention(f.context, &f.attention);
    }
    assert_int_equal(emulated_dnn.built, SHAPES);
    f.attention.heads = 1;
    f.table.attention(f.context, &f.attention);
    assert_int_equal(emulated_dnn.built, SHAPES + 1);
    assert_ok(f.table.synchronize(f.context));
    tear_down(&f);
}

/* What is refused is not asked again. */
static void a_refusal_is_kept(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    emulated_dnn.refusal = DNN_REFUSES_SUPPORT;
    f.table.attention(f.context, &f.attention);
    emulated_dnn.refusal = DNN_REFUSES_NOTHING;
    work(&f);
    assert_int_equal(emulated_dnn.built, 1); /* the backward one */
    assert_int_equal(emulated_dnn.executed, 1);
    assert_ok(f.table.synchronize(f.context));
    tear_down(&f);
}

/* Once a plan was built its failure is one. */
static void a_failure_comes_out(void **state)
{
    (void)state;
    for (int thrown = 0; thrown < 2; thrown++)
        for (int backward = 0; backward < 2; backward++) {
            struct fixture f;
            set_up(&f);
            emulated_dnn.fails = !thrown;
            emulated_dnn.throws = thrown;
            at_most = (struct cuda_dnn_calls){1, 1};
            (backward ? f.table.attention_backward : f.table.attention)(f.context, &f.attention);
            assert_int_equal(f.table.synchronize(f.context), Q_ERR_SYSTEM);
            assert_non_null(strstr(q_error_text(),
                                   backward ? "the GPU: attention backward, cuDNN: " : "the GPU: attention, cuDNN: "));
            assert_int_equal(emulated_dnn.built, 1); /* what comes behind does nothing */
            tear_down(&f);
        }
}

/* Where the same bits are wanted each time, that is what is asked of cuDNN, and the gradients of scores are in its workspace; else less is. What is planned
 * is taken. */
static void the_order_of_sums_is_chosen(void **state)
{
    (void)state;
    static const struct op_limits limits = {
        .batch = 1, .sequence = 2048, .heads = 6, .nope = 128, .rope = 64, .v = 128, .width = 64};
    size_t bytes[2];
    for (int deterministic = 0; deterministic < 2; deterministic++) {
        struct fixture f;
        struct op_context *context;
        set_up_as(&f, deterministic);
        assert_int_equal(f.table.nondeterministic, !deterministic);
        assert_string_equal(f.table.name, deterministic ? "cuda-dnn-bf16" : "cuda-dnn-bf16-nondeterministic");
        work(&f);
        assert_ok(f.table.synchronize(f.context));
        assert_int_equal(emulated_dnn.executed, 2);
        assert_int_equal(emulated_dnn.any_order, !deterministic);
        assert_ok(f.table.create(NULL, &context));
        assert_ok(f.table.reserve(context, &limits));
        bytes[deterministic] = f.table.workspace_bytes(context);
        assert_int_equal(bytes[deterministic], f.table.workspace_plan(&limits, 1));
        f.table.release(context);
        tear_down(&f);
    }
    assert_true(bytes[1] > bytes[0]);
}

/* --- the library ---------------------------------------------------------------------------------------------------------------------- */

static void assert_no_context(const char *why)
{
    struct op_table table;
    struct op_context *context = NULL;
    cuda_table_dnn_bf16(&table);
    assert_int_equal(table.create(NULL, &context), Q_ERR_SYSTEM);
    assert_string_equal(q_error_text(), why);
    assert_null(context);
    assert_int_equal(emulated_dnn.alive, 0);
}

/* First: what was loaded stays. The others do not want it. */
static void without_the_library_it_says_so(void **state)
{
    (void)state;
    struct op_table table;
    struct op_context *context;
    library_missing = true;
    assert_no_context("there is no cuDNN (libcudnn.so.9) for attention; install it, add its folder to LD_LIBRARY_PATH, "
                      "or choose the backend 'cuda'");
    assert_string_equal(library_names, "libcudnn.so.9");
    library_names[0] = 0;
    cuda_table_bf16(&table);
    assert_ok(table.create(NULL, &context));
    table.release(context);
    assert_string_equal(library_names, "");
    library_missing = false;
}

static void a_library_that_cannot_be_used_is_refused(void **state)
{
    (void)state;
    emulated_dnn.no_start = true;
    assert_no_context("cuDNN does not start on this GPU; choose the backend 'cuda'");
    emulated_dnn.no_start = false;
    symbol_missing = "cudnnCreate";
    assert_no_context("cuDNN cannot be used: Unable to find symbol cudnnCreate; choose the backend 'cuda'");
    symbol_missing = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_library_it_says_so),
        cmocka_unit_test(a_library_that_cannot_be_used_is_refused),
        cmocka_unit_test(attention_is_the_plain_one),
        cmocka_unit_test(it_is_so_head_by_head),
        cmocka_unit_test(a_backward_that_is_refused_is_the_plain_one),
        cmocka_unit_test(the_size_of_calls_changes_nothing),
        cmocka_unit_test(what_is_refused_is_computed),
        cmocka_unit_test(plans_run_in_graphs),
        cmocka_unit_test(plans_are_kept),
        cmocka_unit_test(a_refusal_is_kept),
        cmocka_unit_test(a_failure_comes_out),
        cmocka_unit_test(the_order_of_sums_is_chosen),
    };
    q_log_set_level(Q_LOG_ERROR); /* refusals are warned of */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
