/* Graphs (cuda_graph.h) on the emulated device, which does what was captured when the graph is launched and with the arguments of then: micro-batches that
 * are launched as one have the bits of those that are launched call by call, whatever changes between them; what cannot be captured, or fails, is launched
 * call by call or comes out; and all memory goes back. */
#include "base/check.h"
#include "tests/train/cuda/ways_taken.h"
#include "tests/train/two_modules.h"
#include "train/cuda/cuda_context.h"
#include "train/cuda/cuda_ops.h"
#include "train/op_timing.h"

#include "emulated_blas.h"

/* --- a model ------------------------------------------------------------------------------------------------------------------------- */

enum { SHORT = 10, SHORT_TOKENS = BATCH * SHORT };

struct pass {
    size_t batch;
    struct model_scale scale;
};

struct outcome {
    op_acc losses[SHORT_TOKENS], of_modules[MODULES][SHORT_TOKENS];
    int64_t counts[8 * EXPERTS];
    double balance, squared_log_z;
};

static void run_pass(struct fixture *f, const struct pass *pass, int number, struct outcome *out)
{
    const struct model_batch batch = {pass->batch, SHORT, f->ids, f->ids + 1};
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i <= SHORT_TOKENS; i++)
        f->ids[i] = (f->ids[i] * 3 + number) % VOCABULARY;
    assert_ok(model_forward_backward(f->model, &batch, &pass->scale, out->losses, &out->balance));
    for (size_t d = 1; d <= MODULES; d++)
        (void)model_mtp_losses(f->model, d, out->of_modules[d - 1]);
    out->squared_log_z = model_squared_log_z(f->model);
    assert_true(model_counts_size(f->model) <= Q_COUNT_OF(out->counts));
    model_get_counts(f->model, out->counts);
}

static void assert_same_gradients(const struct fixture *a, const struct fixture *b)
{
    size_t count;
    const struct model_parameter *p = model_parameters(a->model, &count);
    for (size_t i = 0; i < count; i++) {
        op_acc *x, *y;
        if (p[i].kind == MODEL_BIAS)
            continue;
        assert_ok(q_alloc(p[i].count, sizeof *x, &x));
        assert_ok(q_alloc(p[i].count, sizeof *y, &y));
        model_get_gradient(a->model, &p[i], x);
        model_get_gradient(b->model, model_find_parameter(b->model, p[i].name), y);
        assert_memory_equal(x, y, p[i].count * sizeof *x);
        q_release(x);
        q_release(y);
    }
}

/* One pass on both: the same bits. Whether the first launched a graph. */
static bool pass_on_both(struct fixture *graphs, struct fixture *plain, const struct pass *pass, int number)
{
    struct outcome with, without;
    const unsigned long launched = emulated_device.graph_launches, captures = emulated_device.captures,
                        before = emulated_device.submitted;
    run_pass(graphs, pass, number, &with);
    const unsigned long between = emulated_device.submitted;
    const bool used = emulated_device.graph_launches > launched;
    run_pass(plain, pass, number, &without);
    assert_int_equal(emulated_device.graph_launches, launched + used);
    assert_memory_equal(&with, &without, sizeof with);
    assert_same_gradients(graphs, plain);
    if (used && emulated_device.captures == captures) /* copies, and one launch */
        assert_true(between - before < 30 && emulated_device.submitted - between > 200);
    return used;
}

static void train_on_both(const struct op_table *cuda, enum model_recompute recompute)
{
    enum { ALL, NO_MODULES, NO_BALANCE, FEWER, OTHER_WEIGHT, OVER_BATCH, KINDS };
    static const struct model_scale all = {
        .loss = 1.0 / SHORT_TOKENS, .balance_alpha = 1e-3, .balance = 1.0 / BATCH, .mtp = 0.3, .z_loss = 1e-3};
    const struct model_shape shape = {.batch = BATCH, .sequence = SHORT, .training = true, .recompute = recompute};
    struct pass passes[KINDS];
    static const int order[] = {ALL,        ALL,        ALL, FEWER,      FEWER,        NO_MODULES,   NO_MODULES,
                                NO_BALANCE, NO_BALANCE, ALL, OVER_BATCH, OTHER_WEIGHT, OTHER_WEIGHT, FEWER};
    static const bool used[] = {0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 0};
    struct op_table without = *cuda;
    struct fixture graphs, plain;
    for (int i = 0; i < KINDS; i++)
        passes[i] = (struct pass){BATCH, all};
    passes[NO_MODULES].scale.mtp = 0;
    passes[NO_BALANCE].scale.balance_alpha = 0;
    passes[FEWER].batch = BATCH - 1;
    passes[OVER_BATCH].scale.balance_over_batch = true;
    passes[OTHER_WEIGHT].scale.mtp = 0.1;
    without.repeat = op_repeat_plainly;
    set_up_model(&graphs, &two_modules, &shape, cuda, 1, &fixture_adamw);
    set_up_model(&plain, &two_modules, &shape, &without, 1, &fixture_adamw);
    for (int i = 0; i < (int)Q_COUNT_OF(order); i++) {
        assert_int_equal(pass_on_both(&graphs, &plain, &passes[order[i]], i), used[i]);
        if (i % 4 == 3) { /* parameters and biases change, where they are */
            model_update_bias(graphs.model, 0.001);
            model_update_bias(plain.model, 0.001);
            assert_ok(optimizer_step(graphs.optimizer, 1e-3, NULL));
            assert_ok(optimizer_step(plain.optimizer, 1e-3, NULL));
            assert_equal_parameters(&graphs, &plain);
        }
    }
    tear_down(&graphs);
    tear_down(&plain);
    assert_int_equal(emulated_device.graphs, 0);
}

static void micro_batches_are_launched_as_one(void **state)
{
    (void)state;
    struct op_table cuda;
    cuda_table_fp32(&cuda);
    train_on_both(&cuda, MODEL_RECOMPUTE_NONE);
}

static void so_are_those_of_bf16_that_are_computed_again(void **state)
{
    (void)state;
    struct op_table cuda;
    cuda_table_bf16(&cuda);
    train_on_both(&cuda, MODEL_RECOMPUTE_PROJECTIONS);
}

/* --- a few operations ---------------------------------------------------------------------------------------------------------------- */

enum { SIDE = 8, NUMBERS = SIDE * SIDE };

enum forbidden { NOTHING, WAITS, COPIES_OUT, COPIES_IN, MARKS, FORBIDDEN };

struct job {
    const struct op_table *table;
    struct op_context *context;
    float *x, *y, *z, share;
    enum forbidden forbidden;
};

/* y += share (x - y), z += y x^T: not the same when it is done twice. */
static void do_job(void *argument)
{
    const struct job *job = argument;
    float number = 1;
    const struct op_matmul product = {.kind = OP_NT,
                                      .m = SIDE,
                                      .n = SIDE,
                                      .k = SIDE,
                                      .a = job->y,
                                      .a_stride = SIDE,
                                      .b = (const op_real *)(const void *)job->x,
                                      .b_stride = SIDE,
                                      .c = job->z,
                                      .c_stride = SIDE,
                                      .accumulate = true};
    job->table->average(job->context, job->y, job->x, NUMBERS, job->share);
    if (job->forbidden == WAITS)
        (void)job->table->synchronize(job->context);
    if (job->forbidden == COPIES_OUT)
        job->table->copy_out(job->context, &number, job->y, sizeof number);
    if (job->forbidden == COPIES_IN)
        job->table->copy_in(job->context, job->x, &number, sizeof number);
    if (job->forbidden == MARKS)
        job->table->mark(job->context, 0);
    job->table->matmul(job->context, &product);
}

static void repeat(struct job *job, float key)
{
    job->table->repeat(job->context, &key, sizeof key, do_job, job);
}

static q_status take_memory(struct job *job)
{
    const struct op_limits limits = {.batch = 1, .sequence = SIDE, .hidden = SIDE, .vocabulary = SIDE, .width = SIDE};
    const struct op_table *table = job->table;
    float numbers[NUMBERS];
    for (int i = 0; i < NUMBERS; i++)
        numbers[i] = (float)((i * 37 + 11) % 101) / 64;
    Q_TRY(table->reserve(job->context, &limits));
    Q_TRY(table->memory_create(job->context, sizeof numbers, &job->x));
    Q_TRY(table->memory_create(job->context, sizeof numbers, &job->y));
    Q_TRY(table->memory_create(job->context, sizeof numbers, &job->z));
    table->copy_in(job->context, job->x, numbers, sizeof numbers);
    return table->synchronize(job->context);
}

static q_status open_job(struct job *job, const struct op_table *table)
{
    *job = (struct job){.table = table, .share = 0.25F};
    Q_TRY(table->create(NULL, &job->context));
    return take_memory(job);
}

static void close_job(struct job *job)
{
    if (!job->context)
        return;
    job->table->memory_release(job->context, job->x);
    job->table->memory_release(job->context, job->y);
    job->table->memory_release(job->context, job->z);
    job->table->release(job->context);
    assert_int_equal(emulated_device.graphs, 0);
}

static q_status read_job(struct job *job, float out[NUMBERS])
{
    job->table->copy_out(job->context, out, job->z, NUMBERS * sizeof *out);
    return job->table->synchronize(job->context);
}

enum { TIMES = 5 };

/* So many times with one key, on a context of its own. *failed: whether the call that is to fail was one of these; what fails while all is released has
 * nobody to tell. */
static q_status run_job(const struct op_table *table, enum forbidden forbidden, bool *failed, float out[NUMBERS])
{
    struct job job;
    q_status status = open_job(&job, table);
    job.forbidden = forbidden;
    for (int i = 0; i < TIMES && !status; i++)
        repeat(&job, 1);
    if (!status)
        status = read_job(&job, out);
    *failed = emulated_device.fail_at == 0;
    close_job(&job);
    return status;
}

/* What TIMES calls come to. */
static void expect_job(const struct op_table *table, enum forbidden forbidden, float out[NUMBERS])
{
    struct op_table plain = *table;
    bool failed;
    plain.repeat = op_repeat_plainly;
    assert_ok(run_job(&plain, forbidden, &failed, out));
}

static void what_cannot_be_captured_is_launched_plainly(void **state)
{
    (void)state;
    struct op_table table;
    float expect[NUMBERS], out[NUMBERS];
    bool failed;
    cuda_table_fp32(&table);
    for (enum forbidden forbidden = NOTHING; forbidden < FORBIDDEN; forbidden++) {
        expect_job(&table, forbidden, expect);
        const unsigned long captures = emulated_device.captures, launched = emulated_device.graph_launches;
        assert_ok(run_job(&table, forbidden, &failed, out));
        assert_memory_equal(out, expect, sizeof out);
        assert_int_equal(emulated_device.captures, captures + 1); /* and not again and again */
        assert_int_equal(emulated_device.graph_launches, launched + (forbidden == NOTHING ? TIMES - 1 : 0));
    }
}

/* So often with one key: what was taken, and as what. */
static void assert_counted(enum forbidden forbidden, const char *left_out, uint64_t captured, uint64_t launched,
                           uint64_t call_by_call, const char *refused)
{
    struct op_table table;
    struct job job;
    assert_int_equal(setenv("QUERN_CUDA_WITHOUT", left_out, 1), 0);
    cuda_table_fp32(&table);
    assert_ok(open_job(&job, &table));
    job.forbidden = forbidden;
    for (int i = 0; i < TIMES; i++)
        repeat(&job, 1);
    assert_ok(table.synchronize(job.context));
    const struct op_ways *ways = table.ways(job.context);
    assert_int_equal(times_taken(ways, "graphs", "captured"), captured);
    assert_int_equal(times_taken(ways, "graphs", "launched"), launched);
    assert_int_equal(times_taken(ways, "graphs", "call by call"), call_by_call);
    assert_int_equal(times_taken(ways, "graphs", "refused"), refused != NULL);
    if (refused)
        assert_string_equal(way_taken(ways, "graphs", "refused")->why, refused);
    close_job(&job);
    assert_int_equal(setenv("QUERN_CUDA_WITHOUT", "", 1), 0);
}

static void graphs_are_counted(void **state)
{
    (void)state;
    assert_counted(NOTHING, "", 1, TIMES - 1, 1, NULL);
    assert_counted(MARKS, "", 0, 0, TIMES, "a mark: an emulated failure");
    const unsigned long captures = emulated_device.captures;
    assert_counted(NOTHING, "graphs", 0, 0, TIMES, NULL);
    assert_int_equal(emulated_device.captures, captures);
}

/* Each call in its turn: the right numbers, or a status. */
static void every_failure_comes_out_or_does_not_matter(void **state)
{
    (void)state;
    struct op_table table;
    float expect[NUMBERS], out[NUMBERS];
    unsigned k = 0, harmless = 0;
    bool failed;
    cuda_table_fp32(&table);
    expect_job(&table, NOTHING, expect);
    do {
        const unsigned long launched = emulated_device.graph_launches;
        emulated_device.fail_at = ++k;
        emulated_device.fail_with = k % 2 ? cudaErrorMemoryAllocation : cudaErrorLaunchFailure;
        const q_status status = run_job(&table, NOTHING, &failed, out);
        if (status)
            assert_non_null(strstr(q_error_text(), "GPU"));
        else
            assert_memory_equal(out, expect, sizeof out);
        if (!status && failed) {
            harmless++;
            assert_int_equal(emulated_device.graph_launches, launched); /* the capture has failed */
        }
    } while (failed);
    emulated_device.fail_at = 0;
    assert_int_equal(harmless, 4); /* it begins, a kernel, it ends, it is made ready; cuBLASLt counts its own calls */
    assert_true(k > 20);
}

static void a_product_that_fails_while_captured_does_not_matter(void **state)
{
    (void)state;
    struct op_table table;
    float expect[NUMBERS], out[NUMBERS];
    struct job job;
    cuda_table_fp32(&table);
    expect_job(&table, NOTHING, expect);
    assert_ok(open_job(&job, &table));
    repeat(&job, 1);
    emulated_blas.fail_at = 1;
    emulated_blas.fail_with = CUBLAS_STATUS_EXECUTION_FAILED;
    for (int i = 1; i < TIMES; i++)
        repeat(&job, 1);
    assert_int_equal(emulated_blas.fail_at, 0);
    assert_ok(read_job(&job, out));
    assert_memory_equal(out, expect, sizeof out);
    close_job(&job);
}

/* Of the oldest nothing is kept, and nothing at all where memory changes. */
static void a_few_graphs_are_kept(void **state)
{
    (void)state;
    const struct op_limits limits = {.batch = 1, .sequence = SIDE, .hidden = SIDE, .vocabulary = SIDE, .width = SIDE};
    struct op_table table;
    struct job job;
    float *other;
    cuda_table_fp32(&table);
    assert_ok(open_job(&job, &table));
    for (int key = 0; key < 2 * CUDA_GRAPHS; key++) {
        for (int i = 0; i < 2; i++)
            repeat(&job, (float)key);
        assert_int_equal(emulated_device.graphs, Q_MIN(key + 1, (int)CUDA_GRAPHS));
    }
    assert_ok(table.reserve(job.context, &limits));
    assert_int_equal(emulated_device.graphs, 0);
    for (int i = 0; i < 2; i++)
        repeat(&job, 1);
    assert_int_equal(emulated_device.graphs, 1);
    assert_ok(table.memory_create(job.context, 1, &other));
    assert_int_equal(emulated_device.graphs, 1);
    table.memory_release(job.context, other);
    assert_int_equal(emulated_device.graphs, 0);
    close_job(&job);
}

/* The device of the tests can find something: an argument that changes without the key. */
static void what_the_key_does_not_say_is_seen(void **state)
{
    (void)state;
    struct op_table table;
    float out[2][NUMBERS];
    struct job job;
    cuda_table_fp32(&table);
    for (int in_key = 0; in_key < 2; in_key++) {
        assert_ok(open_job(&job, &table));
        for (int i = 0; i < TIMES; i++) {
            job.share = i < 3 ? 0.25F : 0.5F;
            repeat(&job, in_key ? job.share : 1);
        }
        assert_ok(read_job(&job, out[in_key]));
        close_job(&job);
    }
    assert_memory_not_equal(out[0], out[1], sizeof out[0]);
    expect_job(&table, NOTHING, out[1]);
    assert_memory_equal(out[0], out[1], sizeof out[0]); /* as if it had not changed */
}

static void what_is_timed_is_launched_plainly(void **state)
{
    (void)state;
    struct op_table table;
    struct op_timing rows[OP_TIMING_MAX];
    float expect[NUMBERS], out[NUMBERS];
    cuda_table_fp32(&table);
    expect_job(&table, NOTHING, expect);
    const unsigned long captures = emulated_device.captures;
    struct job job;
    assert_ok(open_job(&job, op_timing_begin(&table)));
    for (int i = 0; i < TIMES; i++)
        repeat(&job, 1);
    const size_t count = op_timing_read(rows);
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].name, "matmul NT") == 0)
            assert_int_equal(rows[i].calls, TIMES);
    assert_ok(read_job(&job, out));
    (void)op_timing_read(rows);
    assert_memory_equal(out, expect, sizeof out);
    assert_int_equal(emulated_device.captures, captures);
    close_job(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(micro_batches_are_launched_as_one),
        cmocka_unit_test(so_are_those_of_bf16_that_are_computed_again),
        cmocka_unit_test(what_cannot_be_captured_is_launched_plainly),
        cmocka_unit_test(graphs_are_counted),
        cmocka_unit_test(every_failure_comes_out_or_does_not_matter),
        cmocka_unit_test(a_product_that_fails_while_captured_does_not_matter),
        cmocka_unit_test(a_few_graphs_are_kept),
        cmocka_unit_test(what_the_key_does_not_say_is_seen),
        cmocka_unit_test(what_is_timed_is_launched_plainly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
