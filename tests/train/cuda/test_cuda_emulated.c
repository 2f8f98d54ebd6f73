/* The emulated device must be able to find something: a race gives other bits when threads run backwards, a barrier that not all come to and memory touched by the host end the program. And the
 * context's failures: no device, no memory, a call that fails at any place. */
#include "tests/base/cmocka_all.h"
#include "tests/train/cuda/defects.h"
#include "train/cuda/cuda_ops.h"

#include <fcntl.h>
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

/* How a process ends that does this to a context: the signal. */
static int end_of(void (*defect)(struct op_context *context))
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
        defect(both.contexts[0]);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    tear_down(&both);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
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
    assert_int_equal(end_of(touch), SIGSEGV);
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
        table->sum_squares(context, &sum, there, 8);
        status = table->synchronize(context);
        assert_true(status || sum == 5);
        *failed = emulated_device.fail_at == 0;
        table->memory_release(context, there);
    }
    table->release(context);
    return status;
}

/* Each call in its turn: a status, never a number that is wrong. */
static void every_failure_comes_out(void **state)
{
    (void)state;
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
    assert_true(k > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_race_is_seen),
        cmocka_unit_test(defects_end_the_program),
        cmocka_unit_test(without_a_device_it_says_so),
        cmocka_unit_test(every_failure_comes_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
