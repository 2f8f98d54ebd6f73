/* Sets of tensors as published models have them: sharded with and without an index, BF16, F16, FP8 with scales. Every number of FP8 and the rounding to BF16 by the definition, in double; what is
 * wrong with a set is refused by the tensor's name. */
#include "base/check.h"
#include "base/fs.h"
#include "base/random.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"
#include "train/files/tensor_set.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A file of tensors, put together by hand. */
struct raw {
    struct q_buffer header, data;
};

static void raw_add(struct raw *raw, const char *name, const char *type, const char *shape, const void *data,
                    size_t bytes)
{
    assert_ok(q_buffer_printf(&raw->header, "%c\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
                              raw->header.size ? ',' : '{', name, type, shape, raw->data.size, raw->data.size + bytes));
    assert_ok(q_buffer_append(&raw->data, data, bytes));
}

static void raw_write(struct raw *raw, const char *path)
{
    struct q_buffer file = {0};
    assert_ok(q_buffer_append_byte(&raw->header, '}'));
    uint64_t length = raw->header.size;
    assert_ok(q_buffer_append(&file, &length, sizeof length));
    assert_ok(q_buffer_append_string(&file, q_buffer_string(&raw->header)));
    assert_ok(q_buffer_append_string(&file, q_buffer_string(&raw->data)));
    scratch_write(path, file.data, file.size);
    q_buffer_release(&file);
    q_buffer_release(&raw->header);
    q_buffer_release(&raw->data);
}

static void fresh(void)
{
    assert_ok(q_fs_remove_tree("m"));
    assert_ok(q_fs_make_directories("m"));
}

/* E4M3FN by its definition: (-1)^s 2^(e - 7) (1 + m / 8), without the one and with e = 1 where e is 0; s 1111 111 is NaN. */
static double f8_value(unsigned code)
{
    unsigned exponent = code >> 3 & 15, fraction = code & 7;
    double value = exponent ? ldexp(1 + fraction / 8.0, (int)exponent - 7) : ldexp(fraction / 8.0, -6);
    return code & 128 ? -value : value;
}

static void every_fp8_code_has_its_value(void **state)
{
    (void)state;
    struct raw raw = {0};
    struct safetensors file;
    uint8_t codes[256];
    float values[256];
    for (unsigned i = 0; i < 256; i++)
        codes[i] = (uint8_t)i;
    raw_add(&raw, "w", "F8_E4M3", "[256]", codes, sizeof codes);
    raw_write(&raw, "x");
    assert_ok(safetensors_open("x", &file));
    assert_ok(safetensors_read_floats(&file, safetensors_find(&file, "w"), values));
    safetensors_close(&file);
    for (unsigned i = 0; i < 256; i++) {
        if ((i & 127) == 127) {
            assert_true(isnan(values[i]));
            continue;
        }
        assert_true((double)values[i] == f8_value(i));
        assert_true(!signbit(values[i]) == (i < 128)); /* zeros too */
    }
    /* Numbers of the paper's table: the largest, the smallest normal one, the largest and the smallest below. */
    assert_true(values[0x7e] == 448 && values[0x08] == 0x1p-6F && values[0x07] == 0.875F * 0x1p-6F &&
                values[0x01] == 0x1p-9F && values[0xb8] == -1);
}

enum { ROWS = 130, COLUMNS = 259 }; /* 2 x 3 blocks, the last ones narrow */

static void blocks_are_scaled(void **state)
{
    (void)state;
    static const float scales[6] = {1, 0.5F, 3, -2, 0x1p-20F, 1.1F};
    struct raw raw = {0}, other = {0};
    static uint8_t codes[ROWS * COLUMNS];
    static float values[ROWS * COLUMNS];
    struct tensor_set set;
    for (size_t i = 0; i < sizeof codes; i++)
        codes[i] = (uint8_t)(i * 7 % 127 + (i % 2) * 128);
    fresh();
    raw_add(&raw, "w", "F8_E4M3", "[130,259]", codes, sizeof codes);
    raw_write(&raw, "m/model-00001-of-00002.safetensors"); /* the scales in another file */
    raw_add(&other, "w_scale_inv", "F32", "[2,3]", scales, sizeof scales);
    raw_write(&other, "m/model-00002-of-00002.safetensors");
    assert_ok(tensor_set_open("m", "model", &set));
    assert_int_equal(set.count, 2);
    const struct tensor_set_entry *w = tensor_set_find(&set, "w"), *s = tensor_set_find(&set, "w_scale_inv");
    assert_true(w && s && w->scale == s && s->is_scale && !w->is_scale && !tensor_set_find(&set, "v"));
    assert_ok(tensor_set_read(w, values));
    for (size_t row = 0; row < ROWS; row++)
        for (size_t column = 0; column < COLUMNS; column++) {
            float expect = (float)f8_value(codes[row * COLUMNS + column]) * scales[row / 128 * 3 + column / 128];
            assert_true(values[row * COLUMNS + column] == expect);
        }
    tensor_set_close(&set);
}

static void assert_refused(const char *part)
{
    struct tensor_set set;
    assert_fails(tensor_set_open("m", "model", &set), Q_ERR_INPUT, part);
    tensor_set_close(&set);
}

static void wrong_scales_are_refused(void **state)
{
    (void)state;
    static const uint8_t codes[256] = {0};
    static const float scales[4] = {1, INFINITY, 1, 1};
    static const struct {
        const char *shape, *scale, *type, *scale_shape, *text;
        size_t bytes, scale_bytes;
    } cases[] = {
        {"[2,128]", "v_scale_inv", "F32", "[1,1]", "tensor 'w' is FP8 and has no scales; 'w_scale_inv' is missing", 256,
         4},
        {"[256]", "w_scale_inv", "F32", "[2]", "tensor 'w' is FP8 and no matrix", 256, 8},
        {"[2,128]", "w_scale_inv", "F32", "[1,2]", "tensor 'w_scale_inv' is not F32 of 1 x 1", 256, 8},
        {"[1,129]", "w_scale_inv", "F32", "[1,1]", "tensor 'w_scale_inv' is not F32 of 1 x 2", 129, 4},
        {"[1,129]", "w_scale_inv", "F32", "[2]", "tensor 'w_scale_inv' is not F32 of 1 x 2", 129, 8},
        {"[2,128]", "w_scale_inv", "BF16", "[1,1]", "tensor 'w_scale_inv' is not F32 of 1 x 1", 256, 2},
    };
    for (size_t i = 0; i < Q_COUNT_OF(cases); i++) {
        struct raw raw = {0};
        fresh();
        raw_add(&raw, "w", "F8_E4M3", cases[i].shape, codes, cases[i].bytes);
        raw_add(&raw, cases[i].scale, cases[i].type, cases[i].scale_shape, scales, cases[i].scale_bytes);
        raw_write(&raw, "m/model.safetensors");
        assert_refused(cases[i].text);
    }
    struct raw raw = {0}, orphan = {0};
    struct tensor_set set;
    float values[129];
    fresh();
    raw_add(&raw, "w", "F8_E4M3", "[1,129]", codes, 129);
    raw_add(&raw, "w_scale_inv", "F32", "[1,2]", scales, 8);
    raw_write(&raw, "m/model.safetensors");
    assert_ok(tensor_set_open("m", "model", &set));
    assert_fails(tensor_set_read(tensor_set_find(&set, "w"), values), Q_ERR_INPUT,
                 "tensor 'w_scale_inv' holds a number that is not finite at 1");
    tensor_set_close(&set);
    fresh();
    raw_add(&orphan, "w", "F32", "[1]", scales, 4);
    raw_add(&orphan, "w_scale_inv", "F32", "[1]", scales, 4);
    raw_write(&orphan, "m/model.safetensors");
    assert_refused("tensor 'w_scale_inv' scales nothing");
}

/* Two files with two tensors, and an index of this text. */
static void write_indexed(const char *second_name, const char *index)
{
    static const float numbers[] = {1, 2};
    struct raw one = {0}, two = {0};
    fresh();
    raw_add(&one, "a", "F32", "[1]", numbers, 4);
    raw_write(&one, "m/model-00001-of-00002.safetensors");
    raw_add(&two, second_name, "F32", "[2]", numbers, 8);
    raw_write(&two, "m/model-00002-of-00002.safetensors");
    if (index)
        scratch_write("m/model.safetensors.index.json", index, strlen(index));
}

static void an_index_says_where_tensors_are(void **state)
{
    (void)state;
    struct tensor_set set;
    write_indexed("b", "{\"weight_map\":{\"b\":\"model-00002-of-00002.safetensors\",\"a\":"
                       "\"model-00001-of-00002.safetensors\"}}");
    scratch_write("m/consolidated.safetensors", "x", 1); /* not of the set */
    scratch_write("m/model-of-another.safetensors", "x", 1);
    assert_ok(tensor_set_open("m", "model", &set));
    assert_true(set.file_count == 2 && set.count == 2 && tensor_set_find(&set, "a") && tensor_set_find(&set, "b"));
    tensor_set_close(&set);
    write_indexed("b", NULL);
    assert_ok(tensor_set_open("m", "model", &set));
    assert_true(set.file_count == 2 && set.count == 2);
    tensor_set_close(&set);
    fresh();
    assert_ok(tensor_set_open("m", "model", &set));
    assert_int_equal(set.count, 0);
    tensor_set_close(&set);
    assert_fails(tensor_set_open("none", "model", &set), Q_ERR_INPUT, "none");
    tensor_set_close(&set);
}

static void what_is_amiss_with_files_is_refused(void **state)
{
    (void)state;
    write_indexed("a", NULL);
    assert_refused("the tensor 'a' is there twice, in 'm/model-00001-of-00002.safetensors' and in "
                   "'m/model-00002-of-00002.safetensors'");
    write_indexed("b", "{\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\",\"c\":"
                       "\"model-00002-of-00002.safetensors\"}}");
    assert_refused("the tensor 'c' is not in 'model-00002-of-00002.safetensors', where it should be");
    write_indexed("b", "{\"weight_map\":{\"b\":\"model-00001-of-00002.safetensors\",\"a\":"
                       "\"model-00002-of-00002.safetensors\"}}");
    assert_refused("where it should be");
    write_indexed("b", "{\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\",\"b\":\"model-3.safetensors\"}}");
    assert_refused("'m/model-3.safetensors' is missing; the index has the tensor 'b' in it");
    write_indexed("b", "{\"weight_map\":{\"a\":\"../model-00001-of-00002.safetensors\"}}");
    assert_refused("the tensor 'a' is in no file with a name of the folder");
    write_indexed("b", "{\"weight_map\":{\"a\":1}}");
    assert_refused("the tensor 'a' is in no file with a name of the folder");
    write_indexed("b", "{\"weight_map\":{\"a\":\"x\"}}");
    assert_refused("the tensor 'a' is in no file with a name of the folder");
    write_indexed("b", "{\"weight_map\":[]}");
    assert_refused("weight_map");
    write_indexed("b", "{\"a\":");
    assert_refused("model.safetensors.index.json");
    write_indexed("b", NULL);
    scratch_write("m/model-00002-of-00002.safetensors", "x", 1);
    assert_refused("model-00002-of-00002.safetensors");
}

/* The nearest BF16 of many numbers, found by looking at both neighbours in double. */
static void bf16_is_the_nearest(void **state)
{
    (void)state;
    enum { COUNT = 70001 }; /* more than a chunk */
    static float values[COUNT], back[COUNT];
    const uint64_t shape[] = {COUNT};
    struct safetensors_writer writer = {0};
    struct safetensors file;
    q_random_key key = q_random_key_of(1, "bf16", 0, 0);
    for (size_t i = 0; i < COUNT; i++) {
        uint32_t bits = (uint32_t)q_random_below(key, i, 0x7f7f0000);
        bits |= i % 2 ? 0x80000000U : 0;
        if (i % 5 == 0)
            bits = (bits & 0xffff0000U) | 0x8000; /* a tie */
        memcpy(&values[i], &bits, sizeof bits);
    }
    assert_ok(safetensors_declare(&writer, "w", SAFETENSORS_BF16, 1, shape));
    assert_ok(safetensors_begin(&writer, "b"));
    assert_ok(safetensors_write_floats(&writer, values, COUNT));
    assert_ok(safetensors_commit(&writer, NULL));
    assert_ok(safetensors_open("b", &file));
    assert_ok(safetensors_read_floats(&file, safetensors_find(&file, "w"), back));
    safetensors_close(&file);
    for (size_t i = 0; i < COUNT; i++) {
        uint32_t bits;
        float low, high;
        memcpy(&bits, &values[i], sizeof bits);
        uint32_t below = bits & 0xffff0000U, above = below + 0x10000;
        memcpy(&low, &below, sizeof low);
        memcpy(&high, &above, sizeof high);
        double to_low = fabs((double)values[i] - (double)low), to_high = fabs((double)values[i] - (double)high);
        bool up = to_high < to_low || (to_high == to_low && (below >> 16 & 1));
        assert_true(memcmp(&back[i], up ? &high : &low, sizeof low) == 0);
    }
    const float large = 3.4e38F;
    assert_ok(safetensors_declare(&writer, "w", SAFETENSORS_BF16, 0, NULL));
    assert_ok(safetensors_begin(&writer, "b"));
    assert_fails(safetensors_write_floats(&writer, &large, 1), Q_ERR_INPUT, "tensor 'w' holds 3.4e+38, which BF16");
    safetensors_abandon(&writer);
}

static void failing_allocations_are_told(void **state)
{
    (void)state;
    q_status status = Q_ERR_MEMORY;
    write_indexed("b", "{\"weight_map\":{\"b\":\"model-00002-of-00002.safetensors\",\"a\":"
                       "\"model-00001-of-00002.safetensors\"}}");
    for (uint64_t k = 1; status != Q_OK; k++) {
        struct tensor_set set;
        (void)q_memory_fail_at(k, 0);
        status = tensor_set_open("m", "model", &set);
        (void)q_memory_fail_at(0, 0);
        assert_true(status == Q_OK || status == Q_ERR_MEMORY);
        tensor_set_close(&set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fp8_code_has_its_value),
        cmocka_unit_test(blocks_are_scaled),
        cmocka_unit_test(wrong_scales_are_refused),
        cmocka_unit_test(an_index_says_where_tensors_are),
        cmocka_unit_test(what_is_amiss_with_files_is_refused),
        cmocka_unit_test(bf16_is_the_nearest),
        cmocka_unit_test(failing_allocations_are_told),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
