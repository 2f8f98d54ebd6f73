/* Guards: what is a spike; what a run does about one; and that it then ends with the bits of a clean run that leaves out the same samples. */
#include "base/fs.h"
#include "base/journal.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"
#include "tests/train/trainer_fixture.h"
#include "train/guard.h"
#include "train/model/model.h"
#include "train/skips.h"

#include <math.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct guard_settings six = {.window = 8, .deviations = 6};

/* 4.00, 4.01, 4.00, 4.01, ... */
static void fill_window(struct guard_window *window, const struct guard_settings *settings, size_t count)
{
    window->count = 0;
    for (size_t i = 0; i < count; i++)
        guard_accept(settings, window, 4 + 0.01 * (double)(i % 2), 1 + 0.1 * (double)(i % 2));
}

static void test_what_is_a_spike(void **state)
{
    (void)state;
    static struct guard_window window;
    assert_int_equal(guard_check(&six, &window, NAN, 1), GUARD_NOT_FINITE);
    assert_int_equal(guard_check(&six, &window, 1, INFINITY), GUARD_NOT_FINITE);
    assert_int_equal(guard_check(&six, &window, 1e30, 1e30), GUARD_FINE); /* nothing to compare with yet */
    fill_window(&window, &six, 3);
    assert_int_equal(guard_check(&six, &window, 5, 1), GUARD_FINE); /* less than half of the window */
    fill_window(&window, &six, 8);
    /* mean 4.005, deviation 0.005345: the bound is 4.0371; of the norms 1.05 and 0.05345: 1.3707 */
    assert_int_equal(guard_check(&six, &window, 4.037, 1.37), GUARD_FINE);
    assert_int_equal(guard_check(&six, &window, 4.038, 1), GUARD_LOSS_SPIKE);
    assert_int_equal(guard_check(&six, &window, 4, 1.38), GUARD_NORM_SPIKE);
    assert_int_equal(guard_check(&six, &window, 1, 0), GUARD_FINE); /* downwards is no spike */
    struct guard_settings none = six, bound = {.window = 8, .norm_max = 2};
    none.deviations = 0;
    assert_int_equal(guard_check(&none, &window, 1e30, 1e30), GUARD_FINE);
    assert_int_equal(guard_check(&bound, &window, 4, 2), GUARD_FINE);
    assert_int_equal(guard_check(&bound, &window, 4, 2.001), GUARD_NORM_BOUND);
    /* Only the newest `window` count, and a smaller window than the one that was kept takes its newest. */
    fill_window(&window, &six, 100);
    assert_int_equal(window.count, 8);
    struct guard_settings four = six;
    four.window = 4;
    for (size_t i = 0; i < 4; i++)
        guard_accept(&six, &window, 9 + 0.01 * (double)(i % 2), 1 + 0.1 * (double)(i % 2));
    assert_int_equal(guard_check(&four, &window, 9.1, 1), GUARD_LOSS_SPIKE);
    assert_int_equal(guard_check(&six, &window, 9.1, 1), GUARD_FINE);
}

static void test_window_goes_through_json(void **state)
{
    (void)state;
    static struct guard_window window, back;
    json_t *json, *bad;
    for (size_t i = 0; i < 8; i++)
        guard_accept(&six, &window, 1.0 / (double)(i + 3), sqrt((double)i + 2) * 1e-30);
    struct q_buffer text = {0};
    assert_ok(guard_window_json(&window, &json));
    assert_ok(q_json_dump(json, 1, &text));
    json_decref(json);
    assert_ok(q_json_parse(q_buffer_string(&text), "test", &json));
    assert_ok(guard_window_read(json, "test", &back));
    assert_int_equal(back.count, 8);
    assert_memory_equal(back.losses, window.losses, 8 * sizeof(double));
    assert_memory_equal(back.norms, window.norms, 8 * sizeof(double));
    assert_ok(guard_window_read(NULL, "test", &back));
    assert_int_equal(back.count, 0);
    assert_ok(q_json_parse(Q_STRING("{\"losses\":[1,2],\"norms\":[1]}"), "test", &bad));
    assert_fails(guard_window_read(bad, "test", &back), Q_ERR_INPUT, "2 losses and 1 norms");
    json_decref(bad);
    assert_ok(q_json_parse(Q_STRING("{\"losses\":[1,\"x\"],\"norms\":[1,2]}"), "test", &bad));
    assert_fails(guard_window_read(bad, "test", &back), Q_ERR_INPUT, "no number");
    json_decref(bad);
    json_decref(json);
    q_buffer_release(&text);
}

static void test_ranges_join(void **state)
{
    (void)state;
    struct skips skips = {0};
    assert_int_equal(skips_next(&skips, 7), 7);
    assert_ok(skips_add(&skips, 10, 20));
    assert_ok(skips_add(&skips, 40, 50));
    assert_ok(skips_add(&skips, 20, 25)); /* touches */
    assert_int_equal(skips.count, 2);
    assert_int_equal(skips_next(&skips, 9), 9);
    assert_int_equal(skips_next(&skips, 10), 25);
    assert_int_equal(skips_next(&skips, 24), 25);
    assert_int_equal(skips_next(&skips, 25), 25);
    assert_int_equal(skips_ahead(&skips, 0), 25);
    assert_int_equal(skips_ahead(&skips, 22), 13);
    assert_int_equal(skips_ahead(&skips, 50), 0);
    assert_ok(skips_add(&skips, 1, 3));
    assert_ok(skips_add(&skips, 24, 41)); /* joins two */
    assert_int_equal(skips.count, 2);
    assert_int_equal(skips_next(&skips, 10), 50);
    assert_int_equal(skips_next(&skips, 2), 3);
    assert_int_equal(skips.decisions, 5);
    skips_release(&skips);
}

/* A machine or a batch that errs. */
struct trouble {
    uint64_t from, to;  /* of the samples that begin a step */
    unsigned attempts;  /* 1: the second attempt is fine; 2: both are wrong */
    double loss_factor; /* of the loss; 0: a number in the gradients instead: */
    float gradient;     /* 0: a NaN */
    uint64_t die_at;    /* the process ends when it comes to this step; 0: never */
};

static void make_trouble(void *context, struct model *model, uint64_t step, uint64_t samples, unsigned attempt,
                         double *loss)
{
    const struct trouble *trouble = context;
    if (trouble->die_at && step >= trouble->die_at)
        _exit(99);
    if (samples < trouble->from || samples >= trouble->to || attempt >= trouble->attempts)
        return;
    if (trouble->loss_factor > 0)
        *loss *= trouble->loss_factor;
    else
        ((op_acc *)model_gradient_arena(model))[7] = trouble->gradient > 0 ? trouble->gradient : NAN;
}

static q_status train_in_trouble(struct trouble *trouble, const struct fixture_run *run, struct fixture_end *end)
{
    const struct guard_fault fault = {trouble, make_trouble};
    guard_fault_replace(&fault);
    q_status status = fixture_train(run, end);
    guard_fault_replace(NULL);
    return status;
}

/* A run that was told by its journal to leave out samples from .. to - 1, and saw no trouble; with a setting (NULL: none). */
static void train_clean_with(const char *setting, const char *folder, uint64_t from, uint64_t to,
                             struct fixture_end *end)
{
    struct q_arena arena = {0};
    struct q_journal *journal;
    const char *path;
    char hex[Q_HASH_HEX];
    assert_ok(q_fs_make_directories(folder));
    assert_ok(q_fs_join(&arena, folder, "journal", &path));
    assert_ok(q_journal_open(path, &journal));
    if (to > from)
        assert_ok(q_journal_append(journal, "skipped",
                                   json_pack("{s:s,s:I,s:I}", "run", q_hash_hex(fixture_identity, hex), "from",
                                             (json_int_t)from, "to", (json_int_t)to)));
    /* Another run's decision means nothing here. */
    assert_ok(q_journal_append(
        journal, "skipped", json_pack("{s:s,s:i,s:i}", "run", "00000000000000000000000000000000", "from", 0, "to", 9)));
    q_journal_close(journal);
    assert_ok(fixture_train(&(struct fixture_run){.folder = folder, .set = {setting}}, end));
    q_arena_release(&arena);
}

static void train_clean(const char *folder, uint64_t from, uint64_t to, struct fixture_end *end)
{
    train_clean_with(NULL, folder, from, to, end);
}

/* The losses of metrics.jsonl, line by line, as text; and that each step is there once. */
static void assert_same_losses(const char *a, const char *b)
{
    const char *folders[] = {a, b};
    struct q_buffer text = {0}, losses[2] = {{0}, {0}};
    struct q_arena arena = {0};
    for (int i = 0; i < 2; i++) {
        const char *path;
        uint64_t wanted = 1, step;
        double loss;
        assert_ok(q_fs_join(&arena, folders[i], "metrics.jsonl", &path));
        scratch_read(path, &text);
        q_string rest = q_buffer_string(&text), line;
        while (q_string_next_line(&rest, &line)) {
            json_t *json;
            assert_ok(q_json_parse(line, path, &json));
            assert_ok(q_json_get_u64(json, path, "step", &step));
            assert_ok(q_json_get_double(json, path, "loss", &loss));
            assert_int_equal(step, wanted++);
            assert_ok(q_buffer_append(&losses[i], &loss, sizeof loss));
            json_decref(json);
        }
        assert_int_equal(wanted, FIXTURE_STEPS + 1);
    }
    assert_int_equal(losses[0].size, losses[1].size);
    assert_memory_equal(losses[0].data, losses[1].data, losses[0].size);
    for (int i = 0; i < 2; i++)
        q_buffer_release(&losses[i]);
    q_buffer_release(&text);
    q_arena_release(&arena);
}

static void assert_same_end(const struct fixture_end *a, const struct fixture_end *b)
{
    assert_true(q_hash_equal(a->state, b->state));
    assert_int_equal(a->position.step, b->position.step);
    assert_int_equal(a->position.samples, b->position.samples);
    assert_int_equal(a->position.tokens, b->position.tokens);
}

/* Step 12 has the samples 44 .. 47. */
static void test_the_machine_errs_once(void **state)
{
    (void)state;
    struct fixture_end clean, rerun;
    json_t *line;
    train_clean("alone", 0, 0, &clean);
    assert_int_equal(clean.position.step, FIXTURE_STEPS);
    assert_int_equal(clean.position.samples, FIXTURE_STEPS * FIXTURE_BATCH);
    struct trouble once = {.from = 44, .to = 48, .attempts = 1};
    assert_ok(train_in_trouble(&once, &(struct fixture_run){.folder = "once"}, &rerun));
    assert_same_end(&clean, &rerun);
    assert_same_losses("alone", "once");
    assert_int_equal(fixture_events("once", "rerun", &line), 1);
    assert_true(json_is_true(json_object_get(line, "believed")));
    assert_true(json_is_false(json_object_get(line, "same")));
    assert_string_equal(json_string_value(json_object_get(line, "norm")), "nan");
    assert_int_equal(json_integer_value(json_object_get(line, "step")), 11);
    json_decref(line);
    assert_int_equal(fixture_events("once", "skipped", NULL), 0);
}

static void test_skipped(void **state)
{
    (void)state;
    struct fixture_end clean, skipped, other;
    json_t *line;
    train_clean("clean-skip", 44, 48, &clean);
    assert_int_equal(clean.position.samples, (FIXTURE_STEPS + 1) * FIXTURE_BATCH);
    assert_int_equal(clean.position.tokens, FIXTURE_STEPS * FIXTURE_BATCH * FIXTURE_SEQUENCE);
    struct trouble twice = {.from = 44, .to = 48, .attempts = 2};
    const struct fixture_run run = {.folder = "skip", .set = {"train.guard.rule=skip"}};
    assert_ok(train_in_trouble(&twice, &run, &skipped));
    assert_same_end(&clean, &skipped);
    assert_same_losses("clean-skip", "skip");
    assert_int_equal(fixture_events("skip", "skipped", &line), 1);
    assert_int_equal(json_integer_value(json_object_get(line, "from")), 44);
    assert_int_equal(json_integer_value(json_object_get(line, "to")), 48);
    json_decref(line);
    train_clean("not-skipped", 0, 0, &other); /* the comparison can fail */
    assert_false(q_hash_equal(other.state, skipped.state));
}

/* A loss that is too high to believe, by the window, on two threads. */
static void test_spike_goes_back(void **state)
{
    (void)state;
    struct fixture_end clean, back;
    /* The checkpoint before is of step 10: samples 40 on. */
    train_clean("clean-back", 40, 52, &clean);
    struct trouble spike = {.from = 48, .to = 52, .attempts = 2, .loss_factor = 3};
    const struct fixture_run run = {
        .folder = "back",
        .threads = 2,
        .set = {"train.guard.rule=back", "train.guard.deviations=6", "train.guard.window=8"}};
    assert_ok(train_in_trouble(&spike, &run, &back));
    assert_same_end(&clean, &back);
    assert_same_losses("clean-back", "back");
    assert_int_equal(back.position.samples, FIXTURE_STEPS * FIXTURE_BATCH + 12);
    assert_int_equal(fixture_events("back", "rerun", NULL), 1);
}

/* Before the first checkpoint the run goes back to its beginning. */
static void test_back_to_the_beginning(void **state)
{
    (void)state;
    struct fixture_end clean, back;
    train_clean("clean-beginning", 0, 12, &clean);
    struct trouble early = {.from = 8, .to = 12, .attempts = 2};
    const struct fixture_run run = {.folder = "beginning", .set = {"train.guard.rule=back"}};
    assert_ok(train_in_trouble(&early, &run, &back));
    assert_same_end(&clean, &back);
    assert_same_losses("clean-beginning", "beginning");
}

/* The process ends behind the decision and before the next checkpoint; what goes on sees no trouble any more, and does as was decided. */
static void test_decisions_are_kept(void **state)
{
    (void)state;
    static const char *const rules[] = {"train.guard.rule=skip", "train.guard.rule=back"};
    static const char *const folders[] = {"kept-skip", "kept-back"}, *const clean_folders[] = {"k-skip", "k-back"};
    for (int i = 0; i < 2; i++) {
        struct fixture_end clean, end;
        int code;
        train_clean(clean_folders[i], i ? 40 : 48, 52, &clean);
        const struct fixture_run run = {.folder = folders[i], .set = {rules[i]}};
        pid_t child = fork();
        if (child == 0) {
            struct trouble twice = {.from = 48, .to = 52, .attempts = 2, .die_at = 14};
            (void)!train_in_trouble(&twice, &run, NULL);
            _exit(0);
        }
        assert_true(child > 0 && waitpid(child, &code, 0) == child);
        assert_int_equal(WEXITSTATUS(code), 99);
        assert_int_equal(fixture_events(folders[i], "skipped", NULL), 1);
        assert_ok(fixture_train(&(struct fixture_run){.folder = folders[i]}, &end));
        assert_same_end(&clean, &end);
        assert_same_losses(clean_folders[i], folders[i]);
    }
}

/* The window is part of the state: a run that went on from a checkpoint decides as one left alone. */
static void test_window_is_kept(void **state)
{
    (void)state;
    struct fixture_end whole, end;
    struct trouble spike = {.from = 48, .to = 52, .attempts = 2, .loss_factor = 3};
    const struct fixture_run run = {
        .folder = "window-whole",
        .set = {"train.guard.rule=skip", "train.guard.deviations=6", "train.guard.window=16"}};
    assert_ok(train_in_trouble(&spike, &run, &whole));
    assert_int_equal(fixture_events("window-whole", "skipped", NULL), 1);
    struct fixture_run again = run;
    int code;
    again.folder = "window-again";
    pid_t child = fork();
    if (child == 0) {
        struct trouble die = {.die_at = 11};
        (void)!train_in_trouble(&die, &again, NULL);
        _exit(0);
    }
    assert_true(child > 0 && waitpid(child, &code, 0) == child);
    assert_int_equal(WEXITSTATUS(code), 99);
    assert_ok(train_in_trouble(&spike, &again, &end)); /* from step 10 on: eight steps would not be there yet */
    assert_same_end(&whole, &end);
}

static void test_stop_and_bound(void **state)
{
    (void)state;
    struct fixture_end clean, end;
    train_clean("clean-stop", 0, 0, &clean);
    struct trouble twice = {.from = 48, .to = 52, .attempts = 2};
    const struct fixture_run stop = {.folder = "stop"};
    assert_fails(train_in_trouble(&twice, &stop, NULL), Q_ERR_INPUT, "no number any more at step 13, twice");
    assert_ok(fixture_train(&stop, &end));
    assert_same_end(&clean, &end);
    /* Trouble without an end: bounded, and what was trained stands. */
    struct trouble always = {.from = 48, .to = UINT64_MAX, .attempts = 2};
    const struct fixture_run bounded = {.folder = "bounded",
                                        .set = {"train.guard.rule=skip", "train.guard.skips_max=3"}};
    assert_fails(train_in_trouble(&always, &bounded, NULL), Q_ERR_INPUT, "skipped 3 times already");
    assert_int_equal(fixture_events("bounded", "skipped", NULL), 3);
    assert_fails(train_in_trouble(&always, &bounded, NULL), Q_ERR_INPUT, "skipped 3 times already");
    assert_int_equal(fixture_events("bounded", "skipped", NULL), 3);
}

/* A gradient of 1e30 at step 7, unclipped: its square is infinite, and with it a moment, while losses stay fine. The checkpoint of step 10 is refused, whether
 * it is written at once or aside. What was saved stands: without the trouble the run goes on from there, and by the rule it goes back by itself. */
static void test_a_state_that_is_not_finite(void **state)
{
    (void)state;
    static const char unclipped[] = "train.optimizer.clip=0";
    static const char *const ways[] = {"train.checkpoint.background=no", "train.checkpoint.background=yes"};
    static const char *const stop_folders[] = {"refused-now", "refused-aside"};
    static const char *const back_folders[] = {"back-now", "back-aside"};
    struct trouble large = {.from = 24, .to = 28, .attempts = 1, .gradient = 1e30F};
    struct fixture_end clean, clean_back, end;
    json_t *line;
    train_clean_with(unclipped, "clean-refused", 0, 0, &clean);
    train_clean_with(unclipped, "clean-refused-back", 20, 40, &clean_back);
    for (int i = 0; i < 2; i++) {
        struct fixture_run run = {.folder = stop_folders[i],
                                  .set = {unclipped, ways[i], "train.checkpoint.keep_last=1"}};
        assert_fails(train_in_trouble(&large, &run, NULL), Q_ERR_INPUT, "checkpoint of step 10: not written, for '");
        assert_ok(fixture_train(&run, &end));
        assert_int_equal(fixture_events(run.folder, "resumed", &line), 1);
        assert_int_equal(json_integer_value(json_object_get(line, "step")), 5);
        json_decref(line);
        assert_same_end(&clean, &end);

        run = (struct fixture_run){.folder = back_folders[i], .set = {unclipped, ways[i], "train.guard.rule=back"}};
        assert_ok(train_in_trouble(&large, &run, &end));
        assert_same_end(&clean_back, &end);
        assert_same_losses("clean-refused-back", run.folder);
        assert_int_equal(fixture_events(run.folder, "skipped", &line), 1);
        assert_int_equal(json_integer_value(json_object_get(line, "from")), 20);
        assert_int_equal(json_integer_value(json_object_get(line, "to")), 40);
        json_decref(line);
    }
    /* The loss is no number a step later, while the checkpoint may still be under way: the decision is the same. A checkpoint every step, or every third. */
    struct trouble twice = {.from = 24, .to = UINT64_MAX, .attempts = 2, .gradient = 1e30F};
    const struct fixture_run bounded = {
        .folder = "back-bounded",
        .set = {unclipped, "train.guard.rule=back", "train.guard.skips_max=2", "train.checkpoint.every=1"}};
    assert_fails(train_in_trouble(&twice, &bounded, NULL), Q_ERR_INPUT, "checkpoint of step 7: not written, for '");
    assert_int_equal(fixture_events("back-bounded", "skipped", NULL), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_a_spike),
        cmocka_unit_test(test_window_goes_through_json),
        cmocka_unit_test(test_ranges_join),
        cmocka_unit_test(test_the_machine_errs_once),
        cmocka_unit_test(test_skipped),
        cmocka_unit_test(test_spike_goes_back),
        cmocka_unit_test(test_back_to_the_beginning),
        cmocka_unit_test(test_decisions_are_kept),
        cmocka_unit_test(test_window_is_kept),
        cmocka_unit_test(test_stop_and_bound),
        cmocka_unit_test(test_a_state_that_is_not_finite),
    };
    return cmocka_run_group_tests(tests, trainer_fixture_enter, trainer_fixture_leave);
}
