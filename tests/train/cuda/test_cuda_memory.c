/* The memory plan beside what the CUDA backend takes: of an emulated device, to the byte that is asked for, and to what the device rounds each piece up to. */
#include "tests/train/counted_memory.h"
#include "tests/train/cuda/emulated/cuda_runtime_api.h"
#include "train/cuda/cuda_ops.h"
#include "train/plan/preflight.h"

enum { PIECE_BYTES = 4096 }; /* the emulated device gives whole ones */

static void check_device(struct op_context *context, uint64_t planned, size_t pieces)
{
    size_t free_bytes, all_bytes;
    assert_ok(counted_real->memory_room(context, &free_bytes, &all_bytes));
    assert_true(free_bytes < all_bytes);
    assert_in_range(all_bytes - free_bytes, planned, planned + pieces * PIECE_BYTES);
}

static void test_planned_is_taken(void **state)
{
    (void)state;
    struct op_table fp32, bf16, dnn_bf16;
    const struct op_table *const tables[] = {&fp32, &bf16}, *const dnn_tables[] = {&fp32, &dnn_bf16};
    cuda_table_fp32(&fp32);
    cuda_table_bf16(&bf16);
    cuda_table_dnn_bf16(&dnn_bf16);
    check_counted_settings(&two_modules, 3, 40, OP_CUDA, tables, check_device);
    check_counted_settings(&two_modules, 1, 17, OP_CUDA, tables, check_device);
    check_counted_settings(&two_modules, 3, 40, OP_CUDA_DNN, dnn_tables, check_device);
}

/* What fits by the plan can be taken; a device with less says so before. */
static void test_little_memory(void **state)
{
    (void)state;
    const struct counted_case c = {&two_modules, 3, 40, 1, OP_BF16, MODEL_RECOMPUTE_NONE, MOMENTS_FP32, false, OP_FP32};
    const struct train_settings settings = counted_settings(&c, OP_CUDA);
    const struct memory_request request = {&two_modules, &settings, 40, 1, 1};
    struct preflight plan;
    struct op_table table;
    struct op_context *context;
    size_t free_bytes, all_bytes;
    cuda_table_bf16(&table);
    assert_ok(preflight_plan(&request, &plan));
    emulated_device.memory_bytes = memory_plan_total(plan.memory.device, false);
    check_counted(&c, OP_CUDA, &table, check_device);
    assert_ok(table.create(NULL, &context));
    assert_ok(table.memory_room(context, &free_bytes, &all_bytes));
    assert_int_equal(all_bytes, emulated_device.memory_bytes);
    assert_ok(preflight_check_device(&plan, free_bytes, all_bytes));
    assert_fails(preflight_check_device(&plan, free_bytes - 1, all_bytes), Q_ERR_MEMORY,
                 "; less would be taken with 'train.micro_batch: 1'");
    emulated_device.fail_at = 1;
    emulated_device.fail_with = cudaErrorIllegalAddress;
    assert_fails(table.memory_room(context, &free_bytes, &all_bytes), Q_ERR_SYSTEM, "the GPU: its free memory");
    table.release(context);
    emulated_device.memory_bytes = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planned_is_taken),
        cmocka_unit_test(test_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
