/* Watching a real model: what stands in the files is what the model did, and a restart leaves each step there once. */
#include "base/json.h"
#include "tests/base/scratch.h"
#include "tests/train/model_fixture.h"
#include "tests/train/small_model.h"
#include "train/watch/watch.h"

#include <math.h>
#include <string.h>

enum {
    BATCH = 2,
    LENGTH = 16,
    MICRO_BATCHES = 3,
    TOKENS = BATCH * LENGTH * MICRO_BATCHES,
    EXPERTS = 8,
    ROUTERS = 2,
    STEPS = 7
};

static const char *const names[] = {"web", "code"};

struct rig {
    struct fixture trained;
    struct train_settings settings;
    struct watch_setup setup;
    double lambda;                    /* of the modules, in the steps to come */
    int64_t total[ROUTERS * EXPERTS]; /* over all steps */
    int64_t counts[ROUTERS * EXPERTS];
};

/* modules: how many of the ROUTERS are of MTP modules. */
static void rig_create(struct rig *rig, uint64_t modules)
{
    const struct model_shape shape = {.batch = BATCH, .sequence = LENGTH, .training = true};
    struct model_config config = small_model(64);
    config.num_hidden_layers = ROUTERS + 1 - modules;
    config.num_nextn_predict_layers = modules;
    config.n_routed_experts = EXPERTS;
    config.max_position_embeddings = 32;
    config.initializer_range = 0.1;
    *rig = (struct rig){
        .settings = {.log_every = 2, .watch = {.experts_every = 3, .tensorboard = true, .peak_flop_per_s = 1e12}}};
    set_up_model(&rig->trained, &config, &shape, op_table_cpu(OP_FP32), 1, &fixture_adamw);
    rig->setup = (struct watch_setup){.run_folder = ".",
                                      .settings = &rig->settings,
                                      .model = rig->trained.model,
                                      .pool = rig->trained.pool,
                                      .sources = names,
                                      .source_count = 2,
                                      .micro_batch = BATCH,
                                      .sequence = LENGTH,
                                      .steps_total = STEPS};
}

static void rig_release(struct rig *rig)
{
    tear_down(&rig->trained);
}

/* Step number `step` (from 1); the first sequence of a micro-batch is web, of tokens below 8, the other one code. `again`: a guard takes it twice. */
static void take_step(struct rig *rig, struct watch *watch, uint64_t step, bool again)
{
    const struct model_scale scale = {.loss = 1.0 / TOKENS, .mtp = rig->lambda};
    const uint32_t sources[BATCH] = {0, 1};
    struct metrics_source sums[2] = {{"web", 0, 0}, {"code", 0, 0}};
    for (int turn = again ? 0 : 1; turn < 2; turn++) {
        watch_begin_step(watch, step);
        for (uint64_t micro = 0; micro < MICRO_BATCHES; micro++) {
            int32_t ids[BATCH * LENGTH + 1];
            op_acc losses[BATCH * LENGTH];
            q_random_key key = q_random_key_of(1, "test", step, micro + 10 * (uint64_t)turn);
            for (size_t i = 0; i <= BATCH * LENGTH; i++)
                ids[i] = (int32_t)q_random_below(key, i, i < LENGTH ? 8 : 64);
            const struct model_batch batch = {BATCH, LENGTH, ids, ids + 1};
            assert_ok(model_forward_backward(rig->trained.model, &batch, &scale, losses, NULL));
            watch_micro_batch(watch, sources, BATCH);
            for (size_t i = 0; turn == 1 && i < BATCH * LENGTH; i++) {
                sums[i / LENGTH].loss += (double)losses[i];
                sums[i / LENGTH].targets++;
            }
        }
        if (turn == 0)
            model_update_bias(rig->trained.model, 0); /* forgets the counts */
    }
    model_get_counts(rig->trained.model, rig->counts);
    model_update_bias(rig->trained.model, 0.01);
    for (size_t i = 0; i < ROUTERS * EXPERTS; i++)
        rig->total[i] += rig->counts[i];
    const struct metrics_step done = {.position = {step, step * BATCH * MICRO_BATCHES, step * TOKENS},
                                      .point = {.sequences = BATCH * MICRO_BATCHES, .lambda = rig->lambda},
                                      .loss = (sums[0].loss + sums[1].loss) / TOKENS,
                                      .mtp_loss = (double)NAN,
                                      .seconds = 0.5,
                                      .sources = sums,
                                      .source_count = 2};
    assert_ok(watch_end_step(watch, &done, rig->counts));
}

/* The lines of a file as a JSON array. */
static json_t *lines_of(const char *path)
{
    struct q_buffer text = {0};
    json_t *lines = json_array(), *value;
    scratch_read(path, &text);
    q_string rest = q_buffer_string(&text), line;
    while (q_string_next_line(&rest, &line)) {
        assert_ok(q_json_parse(line, path, &value));
        assert_ok(q_json_push(lines, value));
    }
    q_buffer_release(&text);
    return lines;
}

static json_int_t step_of(const json_t *lines, size_t i)
{
    return json_integer_value(json_object_get(json_array_get(lines, i), "step"));
}

/* Tokens of expert e of a router, out of the shares by source of every line. */
static double load_in(const json_t *lines, size_t router, size_t e)
{
    double sum = 0;
    for (size_t i = 0; i < json_array_size(lines); i++)
        for (size_t s = 0; s < 2; s++) {
            const json_t *line = json_array_get(lines, i);
            const json_t *load = json_object_get(json_object_get(line, "load_by_source"), names[s]);
            double tokens = json_number_value(json_object_get(json_object_get(line, "source_tokens"), names[s]));
            double share = json_number_value(json_array_get(json_array_get(load, router), e));
            sum += share / 1000 * tokens * 2 / EXPERTS;
        }
    return sum;
}

static void files_tell_what_the_model_did(void **state)
{
    (void)state;
    struct rig rig;
    struct watch *watch;
    rig_create(&rig, 0);
    assert_ok(watch_create(&rig.setup, &watch));
    for (uint64_t step = 1; step <= STEPS; step++)
        take_step(&rig, watch, step, step == 3);
    watch_release(watch);

    json_t *lines = lines_of("metrics.jsonl"), *maps = lines_of("experts.jsonl"), *value;
    assert_int_equal(json_array_size(lines), 4); /* steps 2, 4, 6 and the last */
    assert_int_equal(step_of(lines, 2), 6);
    assert_int_equal(step_of(lines, 3), 7);
    const json_t *last = json_array_get(lines, 3);
    assert_true(json_number_value(json_object_get(last, "tokens_per_s")) ==
                TOKENS * 2); /* one step since the line before */
    assert_true(json_number_value(json_object_get(last, "flop_per_s")) ==
                round(TOKENS * 2 * model_config_flop_per_token(model_get_config(rig.trained.model), LENGTH)));
    const json_t *norms = json_object_get(last, "bias_norm_by_layer"),
                 *entropies = json_object_get(last, "router_entropy_by_layer"),
                 *violations = json_object_get(last, "violation_by_layer");
    assert_int_equal(json_array_size(norms), ROUTERS);
    size_t i;
    json_array_foreach(norms, i, value)
    {
        char name[64];
        op_acc bias[EXPERTS];
        double squares = 0, most = 0;
        snprintf(name, sizeof name, "model.layers.%zu.mlp.gate.e_score_correction_bias", i + 1);
        model_get(rig.trained.model, model_find_parameter(rig.trained.model, name), bias);
        for (size_t e = 0; e < EXPERTS; e++) {
            squares += (double)bias[e] * (double)bias[e];
            most = fmax(most, (double)rig.counts[i * EXPERTS + e]);
        }
        assert_true(squares > 0 && fabs(json_number_value(value) - sqrt(squares)) < 1e-4);
        assert_true(fabs(json_number_value(json_array_get(violations, i)) - (most * EXPERTS / (TOKENS * 2) - 1)) <
                    1e-3);
        double entropy = json_number_value(json_array_get(entropies, i));
        assert_true(entropy > 1 && entropy <= log(EXPERTS) + 1e-4);
    }
    assert_int_equal(json_array_size(maps), 3); /* steps 3, 6 and the last */
    assert_int_equal(step_of(maps, 2), 7);
    for (size_t router = 0; router < ROUTERS; router++)
        for (size_t e = 0; e < EXPERTS; e++) /* a share is rounded to half a thousandth of a quarter of the tokens */
            assert_true(fabs(load_in(maps, router, e) - (double)rig.total[router * EXPERTS + e]) < 0.5);
    json_decref(lines);
    json_decref(maps);
    rig_release(&rig);
}

static size_t numbers_in(const json_t *line, const char *name)
{
    return json_array_size(json_object_get(line, name));
}

static void modules_that_rest_are_not_counted(void **state)
{
    (void)state;
    struct rig rig;
    struct watch *watch;
    rig_create(&rig, 1);
    assert_ok(watch_create(&rig.setup, &watch));
    for (uint64_t step = 1; step <= STEPS; step++) {
        rig.lambda = step <= 4 ? 0.3 : 0;
        take_step(&rig, watch, step, false);
    }
    watch_release(watch);

    json_t *lines = lines_of("metrics.jsonl");
    const json_t *run = json_array_get(lines, 1), *rest = json_array_get(lines, 3);
    struct model_config config = *model_get_config(rig.trained.model);
    assert_int_equal(numbers_in(run, "violation_by_layer"), ROUTERS);
    assert_true(json_number_value(json_object_get(run, "flop_per_s")) ==
                round(TOKENS * 2 * model_config_flop_per_token(&config, LENGTH)));
    config.num_nextn_predict_layers = 0;
    assert_true(json_number_value(json_object_get(rest, "flop_per_s")) ==
                round(TOKENS * 2 * model_config_flop_per_token(&config, LENGTH)));
    static const char *const members[] = {"violation", "router_entropy", "bias_norm"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        char by_layer[64];
        snprintf(by_layer, sizeof by_layer, "%s_by_layer", members[i]);
        assert_int_equal(numbers_in(rest, by_layer), ROUTERS - 1);
        assert_true(fabs(json_number_value(json_object_get(rest, members[i])) -
                         json_number_value(json_array_get(json_object_get(rest, by_layer), 0))) < 1e-3);
    }
    json_decref(lines);
    rig_release(&rig);
}

static void a_restart_leaves_each_step_once(void **state)
{
    (void)state;
    struct rig rig;
    struct watch *watch;
    rig_create(&rig, 0);
    rig.setup.position = (struct train_position){.step = 5, .samples = 5 * BATCH * MICRO_BATCHES, .tokens = 5 * TOKENS};
    assert_ok(watch_create(&rig.setup, &watch));
    for (uint64_t step = 6; step <= STEPS; step++)
        take_step(&rig, watch, step, false);
    watch_release(watch);
    json_t *lines = lines_of("metrics.jsonl"), *maps = lines_of("experts.jsonl");
    static const json_int_t steps[] = {2, 4, 6, 7}, map_steps[] = {3, 6, 7};
    assert_int_equal(json_array_size(lines), 4);
    assert_int_equal(json_array_size(maps), 3);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(step_of(lines, i), steps[i]);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(step_of(maps, i), map_steps[i]);
    json_decref(lines);
    json_decref(maps);
    rig_release(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_tell_what_the_model_did),
        cmocka_unit_test(modules_that_rest_are_not_counted),
        cmocka_unit_test(a_restart_leaves_each_step_once),
    };
    return cmocka_run_group_tests_name("watch", tests, scratch_enter, scratch_leave);
}
