/* The memory plan: to the byte what is taken of the processor's memory, by hand for one shape, and what takes less. */
#include "base/check.h"
#include "tests/train/counted_memory.h"
#include "tests/train/small_model.h"

static struct model_config dense(void)
{
    struct model_config config = two_modules;
    config.first_k_dense_replace = config.num_hidden_layers;
    config.num_nextn_predict_layers = 0;
    config.n_routed_experts = config.num_experts_per_tok = config.n_shared_experts = 0;
    config.n_group = config.topk_group = 1;
    config.q_lora_rank = 0;
    return config;
}

static void test_planned_is_taken(void **state)
{
    (void)state;
    const struct op_table *const tables[] = {op_table_cpu(OP_FP32), op_table_cpu(OP_BF16)};
    const struct model_config plain = dense(), small = small_model(300);
    check_counted_settings(&two_modules, 3, 40, OP_CPU, tables, NULL);
    check_counted_settings(&two_modules, 1, 17, OP_CPU, tables, NULL);
    check_counted_settings(&small, 5, 8, OP_CPU, tables, NULL);
    check_counted_settings(&plain, 2, 33, OP_CPU, tables, NULL);
}

/* The copy that checkpoints are written from, and the room for a tensor on its way to a file. */
static void test_checkpoints(void **state)
{
    (void)state;
    struct counted_case c = {&two_modules, 2, 16, 1, OP_BF16, MODEL_RECOMPUTE_NONE, MOMENTS_BF16, true, OP_FP32};
    struct train_settings settings = counted_settings(&c, OP_CPU);
    const struct optimizer_settings adamw = train_optimizer_settings(&settings);
    const struct memory_request request = {&two_modules, &settings, 16, 1, 1};
    const struct model_shape shape = {.batch = 2, .sequence = 16, .training = true};
    struct model *shadow;
    struct optimizer *optimizer;
    struct memory_plan plan, without;
    struct fixture f;
    set_up_model(&f, &two_modules, &shape, op_table_cpu(OP_BF16), 1, &adamw);
    assert_ok(memory_plan_make(&request, &plan));
    const struct op_table host = counted_table(op_table_cpu(OP_FP32));
    assert_ok(model_shadow_create(f.model, &host, &shadow));
    assert_ok(optimizer_shadow_create(f.optimizer, shadow, &optimizer));
    assert_int_equal(counted_bytes, plan.host[MEMORY_SNAPSHOT]);
    assert_int_equal(plan.host[MEMORY_BUFFER], (size_t)VOCABULARY * HIDDEN * sizeof(float));
    settings.checkpoint.background = CHECKPOINT_NO;
    assert_ok(memory_plan_make(&request, &without));
    assert_int_equal(without.host[MEMORY_SNAPSHOT], 0);
    assert_int_equal(memory_plan_total(plan.host, false), memory_plan_total(without.host, true));
    optimizer_release(optimizer);
    model_release(shadow);
    tear_down(&f);
}

/* A model whose figures can be counted by hand: one dense layer, without latent queries, and a tied head. */
static void test_by_hand(void **state)
{
    (void)state;
    struct model_config config = dense();
    config.num_hidden_layers = config.first_k_dense_replace = 1;
    config.tie_word_embeddings = true;
    const struct counted_case c = {&config, 2, 16, 1, OP_BF16, MODEL_RECOMPUTE_NONE, MOMENTS_FP32, true, OP_FP32};
    struct train_settings settings = counted_settings(&c, OP_CUDA);
    const struct memory_request request = {&config, &settings, 16, 1, 1};
    struct memory_plan plan, cpu;
    assert_ok(memory_plan_make(&request, &plan));
    /* embedding 101 x 24; norms 24 each, of the key-value latent 8; attention: 8 + 4 rows of 24, 2 heads of 10 rows of 24 for queries, of 16 rows of 8 for keys
     * and values, 24 rows of 20; feed-forward 3 x 30 x 24. Each is padded to 16 elements, so that rows begin at 64 bytes. */
    const size_t elements = 2424 + (24 + 24 + 24 + 8) + 12 * 24 + 20 * 24 + 32 * 8 + 24 * 20 + 3 * 30 * 24;
    assert_true(plan.on_device);
    assert_in_range(plan.device[MEMORY_PARAMETERS], elements * 4, (elements + 16 * 11) * 4);
    assert_int_equal(plan.device[MEMORY_WEIGHTS] * 2, plan.device[MEMORY_PARAMETERS]);
    assert_int_equal(plan.device[MEMORY_GRADIENTS], plan.device[MEMORY_PARAMETERS]);
    assert_int_equal(plan.device[MEMORY_MOMENTS], 2 * plan.device[MEMORY_PARAMETERS]);
    assert_int_equal(plan.device[MEMORY_EMA], plan.device[MEMORY_PARAMETERS]);
    assert_int_equal(plan.device[MEMORY_TABLES], 16 * 4 * sizeof(float)); /* positions alone: there is no router */
    assert_int_equal(plan.device[MEMORY_SNAPSHOT], 0);
    assert_int_equal(plan.host[MEMORY_SNAPSHOT], 4 * plan.device[MEMORY_PARAMETERS]);
    assert_int_equal(plan.host[MEMORY_PARAMETERS], 0);
    settings.gradients = OP_BF16;
    assert_ok(memory_plan_make(&request, &plan));
    assert_int_equal(plan.device[MEMORY_GRADIENTS] * 2, plan.device[MEMORY_PARAMETERS]);
    settings.backend = OP_CPU;
    assert_ok(memory_plan_make(&request, &cpu));
    assert_false(cpu.on_device);
    assert_int_equal(memory_plan_total(cpu.device, true), 0);
    for (int kind = MEMORY_PARAMETERS; kind < MEMORY_WORKSPACE; kind++)
        assert_int_equal(cpu.host[kind], plan.device[kind]);
}

/* What is said to take less does, by so much; what is chosen already is not said again. */
static void test_savings(void **state)
{
    (void)state;
    static const char *const names[] = {"train.micro_batch: 2", "train.precision: bf16", "train.recompute: norms",
                                        "train.recompute: projections", "train.optimizer.moments: bf16"};
    const struct counted_case c = {&two_modules, 4,     100,    1, OP_FP32, MODEL_RECOMPUTE_NONE,
                                   MOMENTS_FP32, false, OP_FP32};
    struct train_settings settings = counted_settings(&c, OP_CUDA);
    const struct memory_request request = {&two_modules, &settings, 100, 1, 1};
    struct memory_plan plan, less;
    struct memory_saving savings[MEMORY_SAVINGS_MAX];
    size_t count;
    assert_ok(memory_plan_make(&request, &plan));
    assert_ok(memory_plan_savings(&request, &plan, savings, &count));
    assert_int_equal(count, Q_COUNT_OF(names));
    for (size_t i = 0; i < count; i++)
        assert_string_equal(savings[i].setting, names[i]);
    settings.recompute = MODEL_RECOMPUTE_PROJECTIONS;
    assert_ok(memory_plan_make(&request, &less));
    assert_int_equal(memory_plan_total(plan.device, false) - memory_plan_total(less.device, false), savings[3].bytes);
    settings.precision = OP_BF16;
    settings.optimizer.moments = MOMENTS_BF16;
    settings.micro_batch = 1;
    assert_ok(memory_plan_make(&request, &less));
    assert_ok(memory_plan_savings(&request, &less, savings, &count));
    assert_int_equal(count, 1); /* as there is BF16 now */
    assert_string_equal(savings[0].setting, "train.gradients: bf16");
    assert_int_equal(savings[0].bytes * 2, less.device[MEMORY_GRADIENTS]);
    settings.gradients = OP_BF16;
    assert_ok(memory_plan_make(&request, &less));
    assert_ok(memory_plan_savings(&request, &less, savings, &count));
    assert_int_equal(count, 0);
}

/* cuDNN's attention alone takes less where its sums may come in any order. */
static void test_any_order(void **state)
{
    (void)state;
    struct model_config config = two_modules;
    config.max_position_embeddings = 8192;
    const struct counted_case c = {&config,      1,     8192,   1, OP_BF16, MODEL_RECOMPUTE_PROJECTIONS,
                                   MOMENTS_BF16, false, OP_BF16};
    struct train_settings settings = counted_settings(&c, OP_CUDA_DNN);
    const struct memory_request request = {&config, &settings, 8192, 1, 1};
    struct memory_plan plan, less;
    struct memory_saving savings[MEMORY_SAVINGS_MAX];
    size_t count;
    assert_true(settings.deterministic);
    assert_ok(memory_plan_make(&request, &plan));
    assert_ok(memory_plan_savings(&request, &plan, savings, &count));
    assert_int_equal(count, 1);
    assert_string_equal(savings[0].setting, "train.deterministic: false");
    settings.deterministic = false;
    assert_ok(memory_plan_make(&request, &less));
    assert_int_equal(plan.device[MEMORY_WORKSPACE] - less.device[MEMORY_WORKSPACE], savings[0].bytes);
    assert_int_equal(memory_plan_total(plan.device, false) - memory_plan_total(less.device, false), savings[0].bytes);
    for (int backend = OP_CPU; backend <= OP_CUDA; backend++) {
        settings.backend = backend;
        settings.deterministic = true;
        assert_ok(memory_plan_make(&request, &plan));
        settings.deterministic = false;
        assert_ok(memory_plan_make(&request, &less));
        assert_memory_equal(plan.device, less.device, sizeof plan.device);
        assert_memory_equal(plan.host, less.host, sizeof plan.host);
    }
}

static void test_words(void **state)
{
    (void)state;
    const uint64_t bytes[MEMORY_KINDS] = {
        [MEMORY_PARAMETERS] = 6000, [MEMORY_ACTIVATIONS] = 3000, [MEMORY_SNAPSHOT] = 1000};
    struct q_buffer text = {0};
    assert_ok(memory_plan_describe(bytes, false, &text));
    assert_true(q_string_is(q_buffer_string(&text), "parameters 6.00 kB, activations 3.00 kB"));
    q_buffer_clear(&text);
    assert_ok(memory_plan_table(bytes, &text));
    assert_true(q_string_is(q_buffer_string(&text), "  parameters (FP32)                   6.00 kB   60.0%\n"
                                                    "  activations                         3.00 kB   30.0%\n"
                                                    "  copy for checkpoints                1.00 kB   10.0%\n"
                                                    "  total                               10.0 kB\n"));
    q_buffer_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planned_is_taken), cmocka_unit_test(test_checkpoints), cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_savings),          cmocka_unit_test(test_any_order),   cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
