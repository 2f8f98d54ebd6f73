/* Checkpoints: what is written is read back to the bit; killed or failed at any file call there is the old one or the new one; damage is found. */
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"
#include "tests/train/model_fixture.h"
#include "tests/train/small_model.h"
#include "train/checkpoint/checkpoint.h"
#include "train/checkpoint/checkpoint_writer.h"
#include "train/files/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const q_hash data = {1, 2};
static const struct checkpoint_keep keep_two = {.last = 2};

/* A model and its optimizer. */
struct rig {
    struct fixture f;
    uint64_t seed; /* that it was filled by */
};

/* `full`: with all that an optimizer may have: moments in BF16 and an EMA. */
static void rig_create_as(struct rig *rig, bool full)
{
    struct model_shape shape = {.batch = 1, .sequence = 8, .training = true};
    struct optimizer_settings adamw = {
        .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .clip = 1, .bf16_moments = full, .ema_decay = full ? 0.9 : 0};
    const struct model_config small = small_model(32);
    set_up_model(&rig->f, &small, &shape, op_table_cpu(OP_FP32), 1, &adamw);
}

static void rig_create(struct rig *rig)
{
    rig_create_as(rig, false);
}

static void rig_release(struct rig *rig)
{
    tear_down(&rig->f);
}

/* Every tensor of the rig filled by a seed. */
static void rig_fill(struct rig *rig, uint64_t seed)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(rig->f.model, &count);
    rig->seed = seed;
    for (size_t i = 0; i < count; i++) {
        float values[1024];
        assert_true(parameters[i].count <= 1024);
        q_random_normal_floats(q_random_key_of(seed, "weight", i, 0), 0, 1, values, parameters[i].count);
        assert_ok(model_put(rig->f.model, &parameters[i], values));
        if (parameters[i].kind == MODEL_BIAS)
            continue;
        q_random_normal_floats(q_random_key_of(seed, "mean", i, 0), 0, 1, values, parameters[i].count);
        assert_ok(optimizer_put(rig->f.optimizer, OPTIMIZER_M, &parameters[i], values));
        for (size_t j = 0; j < parameters[i].count; j++)
            values[j] = values[j] * values[j];
        assert_ok(optimizer_put(rig->f.optimizer, OPTIMIZER_V, &parameters[i], values));
        q_random_normal_floats(q_random_key_of(seed, "average", i, 0), 0, 1, values, parameters[i].count);
        if (optimizer_element_bytes(rig->f.optimizer, OPTIMIZER_EMA))
            assert_ok(optimizer_put(rig->f.optimizer, OPTIMIZER_EMA, &parameters[i], values));
    }
}

/* XXH3 of everything that a checkpoint must bring back. */
static q_hash rig_hash(const struct rig *rig)
{
    size_t count;
    struct q_hasher *hasher;
    const struct model_parameter *parameters = model_parameters(rig->f.model, &count);
    assert_ok(q_hasher_create(&hasher));
    for (size_t i = 0; i < count; i++) {
        float values[1024];
        model_get(rig->f.model, &parameters[i], values);
        q_hasher_add(hasher, values, parameters[i].count * sizeof(float));
        for (int m = 0; m < OPTIMIZER_ARENAS && parameters[i].kind != MODEL_BIAS; m++) {
            if (!optimizer_element_bytes(rig->f.optimizer, (enum optimizer_arena)m))
                continue;
            assert_int_equal(optimizer_get(rig->f.optimizer, (enum optimizer_arena)m, &parameters[i], values), Q_OK);
            q_hasher_add(hasher, values, parameters[i].count * sizeof(float));
        }
    }
    q_hash hash = q_hasher_digest(hasher);
    q_hasher_release(hasher);
    return hash;
}

static struct train_position at_step(uint64_t step)
{
    return (struct train_position){.step = step, .samples = step * 3, .tokens = step * 24};
}

static q_status write_state(const struct rig *rig, struct train_position position, const struct checkpoint_keep *keep)
{
    const struct checkpoint_state state = {
        .model = rig->f.model, .optimizer = rig->f.optimizer, .position = position, .run = data};
    return checkpoint_write("run", &state, keep, NULL);
}

static q_status write_step(const struct rig *rig, uint64_t step)
{
    return write_state(rig, at_step(step), &keep_two);
}

/* The same by a checkpoint writer, while all numbers of the rig become others. */
static q_status write_step_aside(struct rig *rig, uint64_t step)
{
    const uint64_t seed = rig->seed;
    static struct guard_window window;
    const struct checkpoint_state state = {.model = rig->f.model, .optimizer = rig->f.optimizer, .run = data};
    const struct train_position position = at_step(step);
    struct train_position seen;
    struct checkpoint_writer *writer;
    struct checkpoint_written written;
    bool finished;
    Q_TRY(checkpoint_writer_create("run", &state, &writer));
    q_status status = checkpoint_writer_start(writer, &position, &window, &keep_two);
    rig_fill(rig, seed + 100);
    if (!status) {
        status = checkpoint_writer_poll(writer, true, &finished, &seen, &written);
        assert_true(finished && seen.step == step);
    }
    checkpoint_writer_release(writer);
    rig_fill(rig, seed);
    return status;
}

typedef q_status write_function(struct rig *rig, uint64_t step);
static q_status write_step_at_once(struct rig *rig, uint64_t step)
{
    return write_step(rig, step);
}
static write_function *const write_functions[] = {write_step_at_once, write_step_aside};

static void fresh_run(void)
{
    assert_ok(q_fs_remove_tree("run"));
    assert_ok(q_fs_make_directories("run"));
}

static void written_is_read_back(bool full)
{
    struct rig one = {0}, two = {0};
    bool found;
    fresh_run();
    rig_create_as(&one, full);
    rig_create_as(&two, full);
    rig_fill(&one, 1);
    rig_fill(&two, 2);
    assert_ok(checkpoint_find("run", data, false, &found));
    assert_false(found);
    assert_ok(write_step(&one, 7));
    assert_ok(checkpoint_find("run", data, false, &found));
    assert_true(found);
    struct train_position position;
    assert_ok(checkpoint_read("run", two.f.model, two.f.optimizer, data, &position, NULL));
    assert_int_equal(position.step, 7);
    assert_int_equal(position.samples, 21);
    assert_int_equal(position.tokens, 168);
    assert_int_equal(optimizer_steps(two.f.optimizer), 7);
    assert_true(q_hash_equal(rig_hash(&one), rig_hash(&two)));
    assert_fails(checkpoint_read("run", two.f.model, two.f.optimizer, (q_hash){9, 9}, &position, NULL), Q_ERR_INPUT,
                 "another run");
    rig_release(&one);
    rig_release(&two);
}

static void test_written_is_read_back(void **state)
{
    (void)state;
    written_is_read_back(false);
    written_is_read_back(true);
}

/* An EMA begins as the parameters where a checkpoint has none, and is left where the run has none. The rest is what was written. */
static void test_average_comes_and_goes(void **state)
{
    (void)state;
    struct rig with = {0}, without = {0};
    struct train_position position;
    struct state_hashes written, read;
    const struct model_parameter *parameter;
    float values[1024], average[1024];
    bool hashed;
    rig_create(&without);
    const struct optimizer_settings adamw = {
        .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .clip = 1, .ema_decay = 0.99};
    rig_create(&with);
    optimizer_release(with.f.optimizer);
    assert_ok(optimizer_create(with.f.model, &adamw, NULL, &with.f.optimizer));

    fresh_run();
    rig_fill(&without, 1);
    rig_fill(&with, 2);
    assert_ok(write_step(&without, 4));
    assert_ok(checkpoint_hashes("run/checkpoints/step-00000004", &position, &written, &hashed));
    assert_true(hashed && !written.has_ema);
    assert_ok(checkpoint_read("run", with.f.model, with.f.optimizer, data, &position, NULL));
    parameter = model_find_parameter(with.f.model, "model.layers.1.mlp.experts.2.up_proj.weight");
    model_get(with.f.model, parameter, values);
    assert_ok(optimizer_get(with.f.optimizer, OPTIMIZER_EMA, parameter, average));
    assert_memory_equal(values, average, parameter->count * sizeof *values);

    rig_fill(&with, 2);
    assert_ok(write_step(&with, 5));
    assert_ok(checkpoint_hashes("run/checkpoints/step-00000005", &position, &written, &hashed));
    assert_true(hashed && written.has_ema);
    assert_ok(state_hash_files("run/checkpoints/step-00000005", with.f.model, &read));
    assert_true(read.has_ema && !state_hashes_differ(&written, &read));
    assert_ok(checkpoint_read("run", without.f.model, without.f.optimizer, data, &position, NULL));
    assert_ok(state_hash(without.f.model, without.f.optimizer, &read));
    assert_true(!read.has_ema && !state_hashes_differ(&written, &read));
    rig_release(&with);
    rig_release(&without);
}

static void test_old_ones_go(void **state)
{
    (void)state;
    struct rig rig = {0};
    struct checkpoint_keep keep = {.last = 2, .every = 4};
    fresh_run();
    rig_create(&rig);
    rig_fill(&rig, 1);
    for (uint64_t step = 1; step <= 6; step++) {
        struct train_position position = at_step(step);
        assert_ok(write_state(&rig, position, &keep));
    }
    struct q_arena arena = {0};
    const char **names;
    size_t count;
    assert_ok(q_fs_list("run/checkpoints", &arena, &names, &count));
    assert_int_equal(count, 3);
    assert_string_equal(names[0], "step-00000004"); /* a multiple to be kept */
    assert_string_equal(names[1], "step-00000005");
    assert_string_equal(names[2], "step-00000006");
    q_arena_release(&arena);
    rig_release(&rig);
}

/* Two states, and a rig to read into. */
struct trio {
    struct rig one, two, scratch;
    q_hash first, second; /* of one and two */
};

static void trio_create(struct trio *trio, bool full)
{
    rig_create_as(&trio->one, full);
    rig_create_as(&trio->two, full);
    rig_create_as(&trio->scratch, full);
    rig_fill(&trio->one, 1);
    rig_fill(&trio->two, 2);
    trio->first = rig_hash(&trio->one);
    trio->second = rig_hash(&trio->two);
}

static void trio_release(struct trio *trio)
{
    rig_release(&trio->one);
    rig_release(&trio->two);
    rig_release(&trio->scratch);
}

/* `latest` set back by hand: the course that was given up is neither taken for the new one nor counted among the newest. */
static void test_set_back(void **state)
{
    (void)state;
    struct trio trio;
    bool found;
    struct train_position position;
    fresh_run();
    trio_create(&trio, false);
    struct checkpoint_keep all = {.last = 9}, last = {.last = 1};
    for (uint64_t step = 10; step <= 40; step += 10) {
        position = at_step(step);
        assert_ok(write_state(&trio.one, position, &all));
    }
    scratch_write("run/latest", "step-00000010", 13);
    position = at_step(15);
    assert_ok(write_state(&trio.two, position, &last));
    assert_true(q_fs_is_directory("run/checkpoints/step-00000015"));
    assert_false(q_fs_is_directory("run/checkpoints/step-00000010"));
    assert_true(q_fs_is_directory("run/checkpoints/step-00000020"));
    position = at_step(20);
    assert_ok(write_state(&trio.two, position, &last));
    assert_ok(checkpoint_read("run", trio.scratch.f.model, trio.scratch.f.optimizer, data, &position, NULL));
    assert_int_equal(position.step, 20);
    assert_true(q_hash_equal(rig_hash(&trio.scratch), trio.second));
    assert_ok(checkpoint_find("run", data, true, &found));
    assert_true(found);
    assert_fails(checkpoint_find("run", (q_hash){9, 9}, false, &found), Q_ERR_INPUT, "checkpoints of another run");
    assert_ok(checkpoint_find("run", (q_hash){9, 9}, true, &found));
    assert_false(found);
    assert_false(q_fs_is_directory("run/checkpoints"));
    trio_release(&trio);
}

/* A number that is not finite: nothing is written, `latest` stays, and the good one is not pruned for it. */
static void test_not_finite_is_refused(void **state)
{
    (void)state;
    struct rig rig = {0}, scratch = {0};
    struct train_position position;
    struct checkpoint_written written;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    const struct checkpoint_keep last = {.last = 1};
    rig_create_as(&rig, true);
    rig_create_as(&scratch, true);
    fresh_run();
    rig_fill(&rig, 1);
    const q_hash good = rig_hash(&rig);
    assert_ok(write_state(&rig, at_step(1), &last));
    for (size_t i = 0; i < 3; i++) {
        const struct model_parameter *parameter =
            model_find_parameter(rig.f.model, "model.layers.1.mlp.experts.2.up_proj.weight");
        model_parameter_arena(rig.f.model)[parameter->offset + parameter->count - 1] = bad[i];
        const struct checkpoint_state bad_state = {
            .model = rig.f.model, .optimizer = rig.f.optimizer, .position = at_step(2), .run = data};
        assert_fails(checkpoint_write("run", &bad_state, &last, &written), Q_ERR_INPUT,
                     "checkpoint of step 2: not written, for 'model.layers.1.mlp.experts.2.up_proj.weight'");
        assert_string_equal(written.hashes.not_finite, parameter->name);
        assert_false(q_fs_is_directory("run/checkpoints/step-00000002"));
        assert_ok(checkpoint_read("run", scratch.f.model, scratch.f.optimizer, data, &position, NULL));
        assert_int_equal(position.step, 1);
        assert_true(q_hash_equal(rig_hash(&scratch), good));
    }
    rig_release(&rig);
    rig_release(&scratch);
}

/* What the file system is asked for, in turn, of the metrics and of `latest`: 'm' the metrics are opened, 'f' they are flushed, 'l' a new `latest`. */
static char asked[16];
static size_t asked_count;
static int metrics_fd;

static void note(char what)
{
    if (asked_count + 1 < sizeof asked)
        asked[asked_count++] = what;
}

static int noting_open(const char *path, int flags, mode_t mode)
{
    const int fd = q_fs_system.open(path, flags, mode);
    if (strcmp(path, "run/metrics.jsonl") == 0) {
        metrics_fd = fd;
        note('m');
    }
    return fd;
}

static int noting_fsync(int fd)
{
    if (fd == metrics_fd)
        note('f');
    metrics_fd = -1;
    return q_fs_system.fsync(fd);
}

static int noting_rename(const char *from, const char *to)
{
    if (strcmp(to, "run/latest") == 0)
        note('l');
    return q_fs_system.rename(from, to);
}

/* The lines of the steps before a checkpoint are on the disk before `latest` names it: they are not written again. */
static void test_metrics_are_flushed_first(void **state)
{
    (void)state;
    struct rig rig = {0};
    struct q_fs_calls calls = q_fs_system;
    calls.open = noting_open;
    calls.fsync = noting_fsync;
    calls.rename = noting_rename;
    fresh_run();
    rig_create(&rig);
    rig_fill(&rig, 1);
    scratch_write("run/metrics.jsonl", "{}\n", 3);
    metrics_fd = -1;
    q_fs_replace(&calls);
    const q_status status = write_step(&rig, 1);
    q_fs_replace(NULL);
    assert_int_equal(status, Q_OK);
    assert_string_equal(asked, "mfl");
    rig_release(&rig);
}

/* A kill between the new checkpoint and the removal of the oldest leaves one too many; the run that goes on takes it away. */
static void test_a_left_over_one_goes(void **state)
{
    (void)state;
    struct rig rig = {0};
    struct q_arena arena = {0};
    struct checkpoint_keep keep_all = {.last = 9};
    const char **names;
    size_t count;
    fresh_run();
    rig_create(&rig);
    rig_fill(&rig, 1);
    for (uint64_t step = 1; step <= 3; step++) {
        struct train_position position = at_step(step);
        assert_ok(write_state(&rig, position, &keep_all));
    }
    assert_ok(checkpoint_prune("run", 3, &keep_two));
    assert_ok(q_fs_list("run/checkpoints", &arena, &names, &count));
    assert_int_equal(count, 2);
    assert_string_equal(names[0], "step-00000002");
    q_arena_release(&arena);
    rig_release(&rig);
}

/* What a run finds after an interrupted write of step 2 over a whole step 1: one of the two, whole. */
static void assert_one_of_two(struct rig *scratch, q_hash first, q_hash second)
{
    bool found;
    struct train_position position;
    assert_ok(checkpoint_find("run", data, false, &found));
    assert_true(found);
    assert_ok(checkpoint_read("run", scratch->f.model, scratch->f.optimizer, data, &position, NULL));
    assert_true(position.step == 1 || position.step == 2);
    assert_true(q_hash_equal(rig_hash(scratch), position.step == 1 ? first : second));
}

struct writing {
    struct rig *rig;
    uint64_t step;
    write_function *write;
};

static int write_in_child(void *context)
{
    struct writing *writing = context;
    return writing->write(writing->rig, writing->step) == Q_OK ? 0 : 1;
}

static void killed_at_every_call(write_function *write, bool full)
{
    struct trio trio;
    trio_create(&trio, full);
    for (uint64_t k = 1;; k++) {
        int code;
        fresh_run();
        assert_ok(write_step(&trio.one, 1));
        bool killed = fault_fs_killed(k, write_in_child, &(struct writing){&trio.two, 2, write}, &code);
        assert_one_of_two(&trio.scratch, trio.first, trio.second);
        /* And the run goes on: the same step comes again. */
        assert_ok(write_step(&trio.two, 2));
        struct train_position position;
        assert_ok(checkpoint_read("run", trio.scratch.f.model, trio.scratch.f.optimizer, data, &position, NULL));
        assert_int_equal(position.step, 2);
        if (!killed) {
            assert_int_equal(code, 0);
            assert_true(k > 20);
            break;
        }
    }
    trio_release(&trio);
}

static void every_call_fails_once(write_function *write, bool full)
{
    static const enum fault_kind kinds[] = {FAULT_FAIL, FAULT_DISK_FULL};
    struct trio trio;
    trio_create(&trio, full);
    for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
        for (uint64_t k = 1;; k++) {
            fresh_run();
            assert_ok(write_step(&trio.one, 1));
            fault_fs_start(kinds[kind], k);
            q_status status = write(&trio.two, 2);
            bool reached = fault_fs_stop();
            assert_one_of_two(&trio.scratch, trio.first, trio.second);
            if (!reached) {
                assert_int_equal(status, Q_OK);
                break;
            }
        }
    }
    trio_release(&trio);
}

static void test_killed_at_every_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++)
        killed_at_every_call(write_functions[i], i == 1);
}

static void test_every_call_fails_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++)
        every_call_fails_once(write_functions[i], i == 1);
}

/* Every allocation of writing and reading fails once: nothing is lost, and with memory again it goes on. */
static void test_every_allocation_fails_once(void **state)
{
    (void)state;
    struct trio trio;
    trio_create(&trio, true);
    fresh_run();
    assert_ok(write_step(&trio.one, 1));
    bool reached = true;
    for (uint64_t k = 1; reached; k++) {
        scratch_write("run/latest", "step-00000001", 13); /* or a whole step 2 would be left as it is */
        (void)q_memory_fail_at(k, 0);
        const q_status status = write_step(&trio.two, 2);
        reached = q_memory_fail_at(0, 0) >= k;
        assert_true(status == Q_OK || status == Q_ERR_MEMORY);
        assert_true(reached || status == Q_OK);
        assert_one_of_two(&trio.scratch, trio.first, trio.second);
    }
    reached = true;
    for (uint64_t k = 1; reached; k++) {
        struct train_position position;
        (void)q_memory_fail_at(k, 0);
        const q_status status =
            checkpoint_read("run", trio.scratch.f.model, trio.scratch.f.optimizer, data, &position, NULL);
        reached = q_memory_fail_at(0, 0) >= k;
        assert_int_equal(status, reached ? Q_ERR_MEMORY : Q_OK);
    }
    assert_true(q_hash_equal(rig_hash(&trio.scratch), trio.second));
    trio_release(&trio);
}

/* Every file of the checkpoint of a step, one hash. */
static q_hash folder_hash(const char *folder)
{
    struct q_arena arena = {0};
    struct q_buffer all = {0}, bytes = {0};
    const char **names, *path;
    size_t count;
    assert_ok(q_fs_list(folder, &arena, &names, &count));
    assert_true(count >= 5);
    for (size_t i = 0; i < count; i++) {
        assert_ok(q_fs_join(&arena, folder, names[i], &path));
        scratch_read(path, &bytes);
        assert_ok(q_buffer_append_string(&all, q_string_of(names[i])));
        assert_ok(q_buffer_append_string(&all, q_buffer_string(&bytes)));
    }
    const q_hash hash = q_hash_string(q_buffer_string(&all));
    q_buffer_release(&all);
    q_buffer_release(&bytes);
    q_arena_release(&arena);
    return hash;
}

static void test_aside_is_the_same(void **state)
{
    (void)state;
    struct rig rig = {0};
    q_hash hashes[2];
    rig_create(&rig);
    for (size_t i = 0; i < 2; i++) {
        fresh_run();
        rig_fill(&rig, 1);
        assert_ok(write_functions[i](&rig, 5));
        hashes[i] = folder_hash("run/checkpoints/step-00000005");
    }
    assert_true(q_hash_equal(hashes[0], hashes[1]));
    fresh_run();
    rig_fill(&rig, 2);
    assert_ok(write_step_aside(&rig, 5));
    assert_false(q_hash_equal(folder_hash("run/checkpoints/step-00000005"), hashes[0]));
    rig_release(&rig);
}

/* A byte changed in any file of the checkpoint, a file cut, a file gone: found before a tensor is believed. */
static void test_damage_is_found(void **state)
{
    (void)state;
    struct rig rig = {0};
    struct q_arena arena = {0};
    struct q_buffer bytes = {0};
    struct train_position position;
    const char **names, *path;
    size_t count;
    fresh_run();
    rig_create(&rig);
    rig_fill(&rig, 1);
    assert_ok(write_step(&rig, 3));
    const char *folder = "run/checkpoints/step-00000003";
    assert_ok(checkpoint_verify(folder, &position, NULL));
    assert_ok(q_fs_list(folder, &arena, &names, &count));
    assert_true(count >= 5);
    for (size_t i = 0; i < count; i++) {
        bool itself = strcmp(names[i], "trainer.json") == 0; /* where damage may also be bad JSON */
        assert_ok(q_fs_join(&arena, folder, names[i], &path));
        scratch_read(path, &bytes);
        for (size_t at = 0; at < bytes.size; at += 1 + bytes.size / 50) {
            bytes.data[at] = (char)(bytes.data[at] ^ 16);
            scratch_write(path, bytes.data, bytes.size);
            assert_fails(checkpoint_read("run", rig.f.model, rig.f.optimizer, data, &position, NULL), Q_ERR_INPUT,
                         itself ? "no checkpoint before it is whole" : "damaged");
            bytes.data[at] = (char)(bytes.data[at] ^ 16);
        }
        scratch_write(path, bytes.data, bytes.size - 1);
        if (!itself) /* whose last byte is only a line end */
            assert_fails(checkpoint_verify(folder, &position, NULL), Q_ERR_INPUT, "damaged");
        assert_int_equal(unlink(path), 0);
        assert_int_equal(checkpoint_verify(folder, &position, NULL), Q_ERR_INPUT);
        scratch_write(path, bytes.data, bytes.size);
    }
    assert_ok(checkpoint_verify(folder, &position, NULL));
    scratch_write("run/latest", "step-00000004", 13);
    assert_int_equal(checkpoint_read("run", rig.f.model, rig.f.optimizer, data, &position, NULL), Q_ERR_INPUT);
    scratch_write("run/latest", "../../../etc", 12);
    assert_fails(checkpoint_read("run", rig.f.model, rig.f.optimizer, data, &position, NULL), Q_ERR_INPUT,
                 "does not name a checkpoint");
    q_buffer_release(&bytes);
    q_arena_release(&arena);
    rig_release(&rig);
}

/* Steps 2 and 3, `latest` at 3; and what reading them says: the tensor, and that one can go on from step 2. */
static void two_steps(struct rig *rig)
{
    fresh_run();
    rig_create(rig);
    rig_fill(rig, 1);
    assert_ok(write_step(rig, 2));
    assert_ok(write_step(rig, 3));
}

static void assert_refused(struct rig *rig, const char *about)
{
    static const char offer[] =
        "; 'step-00000002' before it is whole: write that name into 'run/latest' to go on from there";
    struct train_position position;
    assert_fails(checkpoint_read("run", rig->f.model, rig->f.optimizer, data, &position, NULL), Q_ERR_INPUT, about);
    if (!strstr(q_error_text(), offer))
        fail_msg("no offer: %s", q_error_text());
}

static const char latest_model[] = "run/checkpoints/step-00000003/model-00001-of-00001.safetensors";
static const char latest_optimizer[] = "run/checkpoints/step-00000003/optimizer-00001-of-00001.safetensors";

static void flip_bit(const char *path, size_t at)
{
    struct q_buffer bytes = {0};
    scratch_read(path, &bytes);
    bytes.data[at] = (char)(bytes.data[at] ^ 1);
    scratch_write(path, bytes.data, bytes.size);
    q_buffer_release(&bytes);
}

static void test_flipped_bits_have_a_name(void **state)
{
    (void)state;
    struct rig rig = {0};
    struct train_position position;
    two_steps(&rig);
    const char *const paths[] = {latest_model, latest_optimizer};
    for (size_t f = 0; f < 2; f++) {
        struct safetensors file;
        assert_ok(safetensors_open(paths[f], &file));
        for (size_t i = 0; i < file.count; i++) {
            char text[256];
            (void)snprintf(text, sizeof text, "the numbers of tensor '%s' are not those", file.tensors[i].name);
            flip_bit(paths[f], (size_t)(file.tensors[i].begin + file.tensors[i].bytes / 2));
            assert_refused(&rig, text);
            flip_bit(paths[f], (size_t)(file.tensors[i].begin + file.tensors[i].bytes / 2));
        }
        safetensors_close(&file);
    }
    flip_bit(latest_model, 0); /* the header's length */
    assert_refused(&rig, "is damaged");
    flip_bit(latest_model, 0);
    flip_bit(latest_model, 12); /* a name in the header */
    assert_refused(&rig, "is damaged");
    flip_bit(latest_model, 12);
    assert_ok(checkpoint_read("run", rig.f.model, rig.f.optimizer, data, &position, NULL));
    assert_int_equal(position.step, 3);

    struct q_buffer bytes = {0};
    scratch_read(latest_optimizer, &bytes);
    assert_int_equal(unlink(latest_optimizer), 0);
    assert_refused(&rig, "is missing, and with it 80 tensors such as '");
    scratch_write(latest_optimizer, bytes.data, bytes.size / 2);
    assert_refused(&rig, "is damaged: ");
    scratch_write(latest_optimizer, bytes.data, bytes.size);
    q_buffer_release(&bytes);

    /* Gone back, as the offer says; nothing to offer where the one before is damaged too. */
    flip_bit(latest_model, 5000);
    scratch_write("run/latest", "step-00000002", 13);
    assert_ok(checkpoint_read("run", rig.f.model, rig.f.optimizer, data, &position, NULL));
    assert_int_equal(position.step, 2);
    scratch_write("run/latest", "step-00000003", 13);
    flip_bit("run/checkpoints/step-00000002/model-00001-of-00001.safetensors", 5000);
    assert_fails(checkpoint_read("run", rig.f.model, rig.f.optimizer, data, &position, NULL), Q_ERR_INPUT,
                 "; no checkpoint before it is whole, so train anew in another folder");
    rig_release(&rig);
}

/* `latest` gone: nothing begins at step 0 over checkpoints unless it is wanted. Of the first checkpoint it may be a kill that came before it was named. */
static void test_latest_is_lost(void **state)
{
    (void)state;
    struct rig rig = {0};
    struct q_buffer text = {0};
    bool found;
    static const q_hash other = {9, 9};
    two_steps(&rig);
    assert_int_equal(unlink("run/latest"), 0);
    assert_fails(checkpoint_find("run", data, false, &found), Q_ERR_INPUT,
                 "'run/latest' is missing; the newest whole checkpoint is 'step-00000003': write that name into it");
    flip_bit(latest_model, 5000);
    assert_fails(checkpoint_find("run", data, false, &found), Q_ERR_INPUT, "whole checkpoint is 'step-00000002'");
    assert_fails(
        checkpoint_find("run", other, false, &found), Q_ERR_INPUT,
        "no checkpoint in 'run/checkpoints' is a whole one of this run; choose another folder, or give --force");
    assert_ok(checkpoint_find("run", data, true, &found));
    assert_false(found);
    assert_false(q_fs_is_directory("run/checkpoints"));

    assert_ok(write_step(&rig, 2));
    assert_int_equal(unlink("run/latest"), 0);
    assert_ok(checkpoint_find("run", data, false, &found));
    assert_true(found);
    scratch_read("run/latest", &text);
    assert_true(q_string_is(q_buffer_string(&text), "step-00000002"));
    q_buffer_release(&text);
    rig_release(&rig);
}

/* What tells of the newest checkpoint damaged or gone: the one before it is offered all the same, and none is taken for another run's. */
static void test_trainer_json_is_lost(void **state)
{
    (void)state;
    static const char path[] = "run/checkpoints/step-00000003/trainer.json";
    static const char offer[] = "; 'step-00000002' before it is whole: write that name into 'run/latest'";
    static const char *const names[] = {"", "\n", "nothing", "step-4"};
    struct rig rig = {0};
    struct q_buffer bytes = {0};
    bool found;
    two_steps(&rig);
    scratch_read(path, &bytes);
    const char *run = memmem(bytes.data, bytes.size, "\"run\"", 5);
    assert_non_null(run);
    const size_t cuts[] = {0, bytes.size / 2}, at = (size_t)(run - bytes.data) + 20;
    for (size_t i = 0; i < 2; i++) {
        scratch_write(path, bytes.data, cuts[i]);
        assert_fails(checkpoint_find("run", data, true, &found), Q_ERR_INPUT, offer);
    }
    scratch_write(path, bytes.data, bytes.size);
    flip_bit(path, at);
    assert_fails(checkpoint_find("run", data, true, &found), Q_ERR_INPUT, offer);
    assert_int_equal(unlink(path), 0);
    assert_fails(checkpoint_find("run", data, true, &found), Q_ERR_INPUT, offer);
    assert_ok(q_fs_remove_tree("run/checkpoints/step-00000003"));
    assert_fails(checkpoint_find("run", data, true, &found), Q_ERR_INPUT, offer);
    for (size_t i = 0; i < 4; i++) {
        scratch_write("run/latest", names[i], strlen(names[i]));
        assert_fails(checkpoint_find("run", data, true, &found), Q_ERR_INPUT, "; 'step-00000002' is whole: write");
    }
    q_buffer_release(&bytes);
    rig_release(&rig);
}

/* trainer.json with the hashes of the files as they are now: damage that no hash tells. */
static void make_hashes_right(void)
{
    static const char path[] = "run/checkpoints/step-00000003/trainer.json";
    json_t *json, *entry;
    size_t i;
    char hex[Q_HASH_HEX], name[256];
    struct q_buffer text = {0};
    assert_ok(q_json_read_file(path, 1 << 20, &json));
    json_array_foreach(json_object_get(json, "files"), i, entry)
    {
        uint64_t bytes;
        q_hash hash;
        (void)snprintf(name, sizeof name, "run/checkpoints/step-00000003/%s",
                       json_string_value(json_object_get(entry, "name")));
        bool exists;
        assert_ok(q_fs_look(name, &exists, NULL));
        if (!exists)
            continue;
        assert_ok(q_fs_hash_file(name, &bytes, &hash));
        assert_ok(q_json_set(entry, "bytes", json_integer((json_int_t)bytes)));
        assert_ok(q_json_set(entry, "hash", json_string(q_hash_hex(hash, hex))));
    }
    (void)json_object_del(json, "hash");
    assert_ok(q_json_dump(json, 1, &text));
    assert_ok(q_json_set(json, "hash", json_string(q_hash_hex(q_hash_string(q_buffer_string(&text)), hex))));
    assert_ok(q_json_publish(path, json));
    json_decref(json);
    q_buffer_release(&text);
}

/* The file with one text of its header replaced, and bytes of its data: hashes made right. */
static void forge(const char *path, const struct q_buffer *whole, const char *from, const char *to, size_t cut)
{
    struct q_buffer header = {0}, file = {0};
    uint64_t length;
    memcpy(&length, whole->data, sizeof length);
    const char *begin = whole->data + 8, *at = memmem(begin, (size_t)length, from, strlen(from));
    assert_non_null(at);
    assert_ok(q_buffer_append(&header, begin, (size_t)(at - begin)));
    assert_ok(q_buffer_append_string(&header, q_string_of(to)));
    at += strlen(from);
    assert_ok(q_buffer_append(&header, at, (size_t)(begin + length - at)));
    uint64_t now = header.size;
    assert_ok(q_buffer_append(&file, &now, sizeof now));
    assert_ok(q_buffer_append_string(&file, q_buffer_string(&header)));
    assert_ok(q_buffer_append(&file, begin + length, whole->size - 8 - (size_t)length - cut));
    scratch_write(path, file.data, file.size);
    make_hashes_right();
    q_buffer_release(&header);
    q_buffer_release(&file);
}

/* One number of a tensor replaced, the hashes made right. */
static void poison(const char *path, const char *tensor, float value)
{
    struct safetensors file;
    struct q_buffer bytes = {0};
    assert_ok(safetensors_open(path, &file));
    scratch_read(path, &bytes);
    memcpy(bytes.data + safetensors_find(&file, tensor)->begin + 8, &value, sizeof value);
    scratch_write(path, bytes.data, bytes.size);
    make_hashes_right();
    safetensors_close(&file);
    q_buffer_release(&bytes);
}

static void test_damage_with_right_hashes(void **state)
{
    (void)state;
    struct rig rig = {0};
    struct q_buffer model = {0}, optimizer = {0}, index = {0};
    struct train_position position;
    two_steps(&rig);
    scratch_read(latest_model, &model);
    scratch_read(latest_optimizer, &optimizer);
    scratch_read("run/checkpoints/step-00000003/model.safetensors.index.json", &index);
    poison(latest_model, "model.layers.1.mlp.experts.2.up_proj.weight", NAN);
    assert_refused(&rig, "'model.layers.1.mlp.experts.2.up_proj.weight' holds a number that is not finite at 2");
    poison(latest_model, "model.layers.1.mlp.experts.2.up_proj.weight", 0);
    poison(latest_model, "model.layers.1.mlp.gate.e_score_correction_bias", -INFINITY);
    assert_refused(&rig, "'model.layers.1.mlp.gate.e_score_correction_bias' holds a number that is not finite at 2");
    scratch_write(latest_model, model.data, model.size);
    poison(latest_optimizer, "lm_head.weight.mean", INFINITY);
    assert_refused(&rig, "tensor 'lm_head.weight.mean'");
    scratch_write(latest_optimizer, optimizer.data, optimizer.size);
    poison(latest_optimizer, "model.norm.weight.square", -1);
    assert_refused(&rig, "tensor 'model.norm.weight.square'");
    scratch_write(latest_optimizer, optimizer.data, optimizer.size);

    static const struct {
        const char *from, *to, *text;
        size_t cut;
    } forgeries[] = {
        {"\"shape\":[32,16],\"data_offsets\":[0,2048]", "\"shape\":[16,32],\"data_offsets\":[0,2048]",
         "tensor 'model.embed_tokens.weight' has 512 elements in another shape than the model's 32 x 16", 0},
        {"[2048,2112]", "[2044,2108]", "tensor 'model.layers.0.input_layernorm.weight' overlaps another one", 0},
        {"\"data_offsets\":[0,2048]", "\"data_offsets\":[0,2044]",
         "tensor 'model.embed_tokens.weight' has 2044 bytes, which its shape and type do not make", 0},
        {"\"model.norm.weight\"", "\"model.norm.waits\"", "tensor 'model.norm.weight' is not in", 0},
        {"\"model.norm.weight\"", "\"model.layers.7.norm.weight\"", "tensor 'model.norm.weight' is not in", 0},
        {"\"model.norm.weight\"", "\"lm_head.weight\"", "lm_head.weight", 0},
        {"\"lm_head.weight\"", "\"lm_head.weight\"", "tensor 'lm_head.weight' does not lie inside the file", 4},
        {"\"dtype\":\"F32\",\"shape\":[32,16],\"data_offsets\":[0,2048]",
         "\"dtype\":\"I32\",\"shape\":[32,16],\"data_offsets\":[0,2048]",
         "tensor 'model.embed_tokens.weight' of type I32 cannot be read as floats", 0},
    };
    for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
        forge(latest_model, &model, forgeries[i].from, forgeries[i].to, forgeries[i].cut);
        assert_refused(&rig, forgeries[i].text);
    }
    /* What an index would have told, in folders that have none. */
    assert_int_equal(unlink("run/checkpoints/step-00000003/model.safetensors.index.json"), 0);
    forge(latest_model, &model, "\"model.norm.weight\"", "\"model.norm.waits\"", 0);
    assert_fails(model_files_read(rig.f.model, "run/checkpoints/step-00000003"), Q_ERR_INPUT,
                 "tensor 'model.norm.waits' is none of this model's");
    forge(latest_model, &model, "\"model.norm.weight\"", "\"model.layers.7.norm.weight\"", 0);
    assert_fails(model_files_read(rig.f.model, "run/checkpoints/step-00000003"), Q_ERR_INPUT,
                 "tensor 'model.layers.7.norm.weight' is none of this model's"); /* no MTP module either */
    scratch_write("run/checkpoints/step-00000003/model.safetensors.index.json", index.data, index.size);
    /* And the same way back is whole, so that the tests above see what they are meant to see. */
    forge(latest_model, &model, "\"lm_head.weight\"", "\"lm_head.weight\"", 0);
    assert_ok(checkpoint_read("run", rig.f.model, rig.f.optimizer, data, &position, NULL));
    /* Numbers that are finite but not those that were trained: what the state's own hash is for. */
    poison(latest_model, "lm_head.weight", 0.25F);
    assert_refused(&rig, "the parameters are not those that were written");
    q_buffer_release(&model);
    q_buffer_release(&optimizer);
    q_buffer_release(&index);
    rig_release(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_is_read_back),     cmocka_unit_test(test_old_ones_go),
        cmocka_unit_test(test_a_left_over_one_goes),     cmocka_unit_test(test_set_back),
        cmocka_unit_test(test_latest_is_lost),           cmocka_unit_test(test_metrics_are_flushed_first),
        cmocka_unit_test(test_trainer_json_is_lost),     cmocka_unit_test(test_not_finite_is_refused),
        cmocka_unit_test(test_killed_at_every_call),     cmocka_unit_test(test_every_call_fails_once),
        cmocka_unit_test(test_damage_is_found),          cmocka_unit_test(test_flipped_bits_have_a_name),
        cmocka_unit_test(test_damage_with_right_hashes), cmocka_unit_test(test_aside_is_the_same),
        cmocka_unit_test(test_average_comes_and_goes),   cmocka_unit_test(test_every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, scratch_enter_memory, scratch_leave);
}
