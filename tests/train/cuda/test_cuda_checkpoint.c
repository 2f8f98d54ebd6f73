/* Checkpoints from a GPU, an emulated one: beside the training the same as by it, whatever the training does to its state meanwhile; and none of a state that a
 * failing device did not give. */
#include "tests/base/scratch.h"
#include "tests/train/cuda/emulated/cuda_runtime_api.h"
#include "tests/train/model_fixture.h"
#include "tests/train/small_model.h"
#include "train/checkpoint/checkpoint_writer.h"
#include "train/cuda/cuda_ops.h"

enum { TOKENS = 8 };

static const struct checkpoint_keep keep = {.last = 2};
static const struct train_position position = {.step = 3, .samples = 24, .tokens = 192};
static const struct guard_window window;

static void step(struct fixture *f)
{
    const struct model_batch batch = {1, TOKENS, f->ids, f->ids + 1};
    const struct model_scale scale = {.loss = 1.0 / TOKENS};
    assert_ok(model_forward_backward(f->model, &batch, &scale, NULL, NULL));
    assert_ok(optimizer_step(f->optimizer, 0.01, NULL));
}

/* With all that an optimizer may have, behind a step. */
static void set_up(struct fixture *f, struct op_table *table)
{
    const struct model_config small = small_model(32);
    const struct model_shape shape = {.batch = 1, .sequence = TOKENS, .training = true};
    const struct optimizer_settings adamw = {
        .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .clip = 1, .bf16_moments = true, .ema_decay = 0.9};
    cuda_table_bf16(table);
    set_up_model(f, &small, &shape, table, 1, &adamw);
    optimizer_clear(f->optimizer);
    step(f);
}

static struct checkpoint_state state_of(const struct fixture *f)
{
    return (struct checkpoint_state){
        .model = f->model, .optimizer = f->optimizer, .window = &window, .position = position, .run = {1, 2}};
}

static void assert_same_state(const struct checkpoint_written *a, const struct checkpoint_written *b)
{
    assert_int_equal(a->bytes, b->bytes);
    assert_true(q_hash_equal(a->hashes.parameters, b->hashes.parameters));
    assert_true(q_hash_equal(a->hashes.moments, b->hashes.moments));
    assert_true(a->hashes.has_ema && q_hash_equal(a->hashes.ema, b->hashes.ema));
}

static void test_beside_the_training(void **unused)
{
    (void)unused;
    struct op_table table;
    struct fixture f;
    struct checkpoint_writer *writer;
    struct checkpoint_written direct, beside, later;
    struct train_position seen;
    bool finished;
    set_up(&f, &table);
    const struct checkpoint_state state = state_of(&f);
    assert_ok(checkpoint_writer_create("beside", &state, &writer));
    assert_ok(checkpoint_write("direct", &state, &keep, &direct));
    assert_ok(checkpoint_writer_start(writer, &position, &window, &keep));
    step(&f);
    assert_ok(checkpoint_writer_poll(writer, true, &finished, &seen, &beside));
    assert_true(finished);
    assert_same_state(&beside, &direct);
    assert_ok(checkpoint_verify("beside/checkpoints/step-00000003", &seen, NULL));
    assert_ok(checkpoint_write("later", &state, &keep, &later));
    assert_false(q_hash_equal(later.hashes.parameters, direct.hashes.parameters)); /* the step was one */
    checkpoint_writer_release(writer);
    tear_down(&f);
}

/* The k-th call to the device fails: whether one did. */
static bool fails_at(unsigned k, bool in_background)
{
    struct op_table table;
    struct fixture f;
    struct checkpoint_writer *writer = NULL;
    q_status status;
    bool latest;
    set_up(&f, &table);
    const struct checkpoint_state state = state_of(&f);
    if (in_background)
        assert_ok(checkpoint_writer_create("failing", &state, &writer));
    emulated_device.fail_at = k;
    emulated_device.fail_with = cudaErrorIllegalAddress;
    status = in_background ? checkpoint_writer_start(writer, &position, &window, &keep)
                           : checkpoint_write("failing", &state, &keep, NULL);
    const bool failed = emulated_device.fail_at == 0;
    emulated_device.fail_at = 0;
    assert_int_equal(status, failed ? Q_ERR_SYSTEM : Q_OK);
    if (failed)
        if (!strstr(q_error_text(), "the GPU: "))
            fail_msg("call %u: %s", k, q_error_text());
    checkpoint_writer_release(writer); /* waits */
    assert_ok(q_fs_look("failing/latest", &latest, NULL));
    assert_int_equal(latest, !failed);
    tear_down(&f);
    return failed;
}

static void test_a_device_that_fails(void **unused)
{
    (void)unused;
    unsigned k = 1;
    while (fails_at(k, true))
        k++;
    assert_int_equal(
        k, 12); /* parameters, biases, both moments, average: two calls for each copy; and the one that asks */
    assert_ok(q_fs_remove_tree("failing"));
    for (k = 1; fails_at(k, false); k += 37)
        ;
    assert_true(k > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_beside_the_training, scratch_enter, scratch_leave),
        cmocka_unit_test_setup_teardown(test_a_device_that_fails, scratch_enter, scratch_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
