/* Safetensors: what is written reads back and is byte for byte as documented; every truncation, every flipped byte of the header and hostile headers are refused
 * or harmless; failing calls and allocations leave nothing. */
#include "base/check.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"
#include "train/files/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const float floats[] = {1.5F, -2, 0, 3, 4, 1e-30F};
static const int64_t numbers[] = {-1, 1LL << 40};

static q_status write_sample(const char *path)
{
    struct safetensors_writer writer = {0};
    const uint64_t matrix[] = {2, 3}, list[] = {2}, none[] = {0, 5};
    q_status status;
    Q_TRY_GOTO(done, safetensors_declare(&writer, "b.weight", SAFETENSORS_F32, 2, matrix));
    Q_TRY_GOTO(done, safetensors_declare(&writer, "a", SAFETENSORS_I64, 1, list));
    Q_TRY_GOTO(done, safetensors_declare(&writer, "empty", SAFETENSORS_F32, 2, none));
    Q_TRY_GOTO(done, safetensors_begin(&writer, path));
    Q_TRY_GOTO(done, safetensors_write_floats(&writer, floats, 6));
    Q_TRY_GOTO(done, safetensors_write_i64(&writer, numbers, 2));
    Q_TRY_GOTO(done, safetensors_write_floats(&writer, floats, 0));
    status = safetensors_commit(&writer, NULL);
done:
    if (status != Q_OK)
        safetensors_abandon(&writer);
    return status;
}

static void a_file_reads_back(void **state)
{
    (void)state;
    struct safetensors file;
    float values[6];
    int64_t whole[2];
    assert_int_equal(write_sample("s"), Q_OK);
    assert_int_equal(safetensors_open("s", &file), Q_OK);
    assert_int_equal(file.count, 3);
    const struct safetensors_tensor *b = safetensors_find(&file, "b.weight"), *a = safetensors_find(&file, "a");
    assert_true(a && b && safetensors_find(&file, "empty") && !safetensors_find(&file, "c"));
    assert_true(b->rank == 2 && b->shape[0] == 2 && b->shape[1] == 3 && b->count == 6 && b->type == SAFETENSORS_F32);
    assert_int_equal(safetensors_read_floats(&file, b, values), Q_OK);
    assert_memory_equal(values, floats, sizeof(floats));
    assert_int_equal(safetensors_read_i64(&file, a, whole), Q_OK);
    assert_memory_equal(whole, numbers, sizeof(numbers));
    assert_int_equal(safetensors_read_floats(&file, a, values), Q_ERR_INPUT);
    assert_string_equal(q_error_text(), "s: tensor 'a' of type I64 cannot be read as floats");
    safetensors_close(&file);
}

static void pieces_make_the_same_file(void **state)
{
    (void)state;
    struct safetensors_writer writer = {0};
    const uint64_t matrix[] = {2, 3}, list[] = {2}, none[] = {0, 5};
    struct q_buffer whole = {0}, pieces = {0};
    struct safetensors file;
    float values[3];
    assert_int_equal(write_sample("s"), Q_OK);
    assert_int_equal(safetensors_declare(&writer, "b.weight", SAFETENSORS_F32, 2, matrix), Q_OK);
    assert_int_equal(safetensors_declare(&writer, "a", SAFETENSORS_I64, 1, list), Q_OK);
    assert_int_equal(safetensors_declare(&writer, "empty", SAFETENSORS_F32, 2, none), Q_OK);
    assert_int_equal(safetensors_begin(&writer, "p"), Q_OK);
    assert_int_equal(safetensors_write_floats(&writer, floats, 1), Q_OK);
    assert_int_equal(safetensors_write_floats(&writer, floats + 1, 5), Q_OK);
    assert_int_equal(safetensors_write_i64(&writer, numbers, 1), Q_OK);
    assert_int_equal(safetensors_write_i64(&writer, numbers + 1, 1), Q_OK);
    assert_int_equal(safetensors_write_floats(&writer, floats, 0), Q_OK);
    assert_int_equal(safetensors_commit(&writer, NULL), Q_OK);
    scratch_read("s", &whole);
    scratch_read("p", &pieces);
    assert_int_equal(whole.size, pieces.size);
    assert_memory_equal(whole.data, pieces.data, whole.size);
    assert_int_equal(safetensors_open("p", &file), Q_OK);
    struct safetensors_tensor part = safetensors_part(safetensors_find(&file, "b.weight"), 2, 3);
    assert_int_equal(safetensors_read_floats(&file, &part, values), Q_OK);
    assert_memory_equal(values, floats + 2, sizeof(values));
    safetensors_close(&file);
    q_buffer_release(&whole);
    q_buffer_release(&pieces);
}

static void the_bytes_are_as_documented(void **state)
{
    (void)state;
    static const char header[] = "{\"__metadata__\":{\"format\":\"pt\"},"
                                 "\"b.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                                 "\"a\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[24,40]},"
                                 "\"empty\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[40,40]}}";
    struct q_buffer bytes = {0};
    assert_int_equal(write_sample("s"), Q_OK);
    scratch_read("s", &bytes);
    uint64_t length;
    memcpy(&length, bytes.data, sizeof(length));
    assert_int_equal(length % 8, 0);
    assert_true(length >= sizeof(header) - 1 && length < sizeof(header) - 1 + 8);
    assert_memory_equal(bytes.data + 8, header, sizeof(header) - 1);
    for (size_t i = sizeof(header) - 1; i < length; i++)
        assert_int_equal(bytes.data[8 + i], ' ');
    assert_int_equal(bytes.size, 8 + length + 40);
    assert_memory_equal(bytes.data + 8 + length, floats, sizeof(floats));
    assert_memory_equal(bytes.data + 8 + length + 24, numbers, sizeof(numbers));
    q_buffer_release(&bytes);
}

/* A file of this header and so many bytes of data. */
static void write_raw(const char *header, size_t data)
{
    struct q_buffer bytes = {0};
    static const char zeros[64] = {0};
    uint64_t length = strlen(header);
    assert_true(data <= sizeof(zeros));
    assert_int_equal(q_buffer_append(&bytes, &length, sizeof(length)), Q_OK);
    assert_int_equal(q_buffer_append(&bytes, header, (size_t)length), Q_OK);
    assert_int_equal(q_buffer_append(&bytes, zeros, data), Q_OK);
    scratch_write("x", bytes.data, bytes.size);
    q_buffer_release(&bytes);
}

static void hostile_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header, *text; /* text: part of the error */
        size_t data;
    } cases[] = {
        {"[]", "not a JSON object", 0},
        {"{\"a\":1}", "no object", 0},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}", "x:", 8},
        {"{\"a\":{\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]}}", "unknown type 'F33'", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", "no list of sizes", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,12]}}", "does not lie inside", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", "does not lie inside", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", "do not make", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", "more elements", 0},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", "do not make", 0},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
         "overlaps", 12},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", "leaves a gap", 12},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", "belong to none", 9},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", "dimensions", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}",
         "x:", 16},
    };
    for (size_t i = 0; i < Q_COUNT_OF(cases); i++) {
        struct safetensors file;
        write_raw(cases[i].header, cases[i].data);
        if (safetensors_open("x", &file) != Q_ERR_INPUT)
            fail_msg("accepted: %s", cases[i].header);
        if (!strstr(q_error_text(), cases[i].text))
            fail_msg("%s: %s", cases[i].header, q_error_text());
        safetensors_close(&file);
    }
}

/* Any prefix is refused; any flipped byte of length or header is refused or read without harm (a changed name or shape). */
static void damage_is_refused_or_harmless(void **state)
{
    (void)state;
    struct q_buffer bytes = {0};
    struct safetensors file;
    float values[16];
    assert_int_equal(write_sample("s"), Q_OK);
    scratch_read("s", &bytes);
    for (size_t cut = 0; cut < bytes.size; cut++) {
        scratch_write("x", bytes.data, cut);
        assert_int_equal(safetensors_open("x", &file), Q_ERR_INPUT);
        safetensors_close(&file);
    }
    for (size_t i = 0; i < bytes.size - 40; i++)
        for (int bit = 0; bit < 8; bit++) {
            bytes.data[i] = (char)(bytes.data[i] ^ (1 << bit));
            scratch_write("x", bytes.data, bytes.size);
            if (safetensors_open("x", &file) == Q_OK)
                for (size_t t = 0; t < file.count; t++) {
                    assert_true(file.tensors[t].begin + file.tensors[t].bytes <= bytes.size);
                    if (file.tensors[t].count > Q_COUNT_OF(values))
                        continue;
                    q_status status = safetensors_read_floats(&file, &file.tensors[t], values);
                    assert_true(status == Q_OK || status == Q_ERR_INPUT); /* another type by now */
                }
            safetensors_close(&file);
            bytes.data[i] = (char)(bytes.data[i] ^ (1 << bit));
        }
    q_buffer_release(&bytes);
}

static void half_and_brain_floats_are_widened(void **state)
{
    (void)state;
    struct q_buffer bytes = {0};
    struct safetensors file;
    const char *header =
        "{\"h\":{\"dtype\":\"F16\",\"shape\":[5],\"data_offsets\":[0,10]},\"b\":{\"dtype\":\"BF16\",\"shape\":[2],"
        "\"data_offsets\":[10,14]}}";
    const uint16_t data[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x3fc0, 0xc2f7};
    const float half[] = {1, -2, 0x1p-24F, 65504, __builtin_inff()}, brain[] = {1.5F, -123.5F};
    float values[5];
    uint64_t length = strlen(header);
    assert_int_equal(q_buffer_append(&bytes, &length, sizeof(length)), Q_OK);
    assert_int_equal(q_buffer_append(&bytes, header, (size_t)length), Q_OK);
    assert_int_equal(q_buffer_append(&bytes, data, sizeof(data)), Q_OK);
    scratch_write("x", bytes.data, bytes.size);
    assert_int_equal(safetensors_open("x", &file), Q_OK);
    assert_int_equal(safetensors_read_floats(&file, safetensors_find(&file, "h"), values), Q_OK);
    assert_memory_equal(values, half, sizeof(half));
    assert_int_equal(safetensors_read_floats(&file, safetensors_find(&file, "b"), values), Q_OK);
    assert_memory_equal(values, brain, sizeof(brain));
    safetensors_close(&file);
    q_buffer_release(&bytes);
}

static void failing_calls_are_told(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) {
        scratch_write("s", "old", 3);
        fault_fs_start(FAULT_FAIL, k);
        q_status status = write_sample("s");
        if (!fault_fs_stop())
            break;
        struct safetensors file;
        bool whole = safetensors_open("s", &file) == Q_OK;
        safetensors_close(&file);
        assert_true(status == Q_OK || whole || scratch_holds("s", "old"));
    }
    assert_int_equal(write_sample("s"), Q_OK);
    for (uint64_t k = 1;; k++) {
        struct safetensors file;
        fault_fs_start(FAULT_FAIL, k);
        q_status status = safetensors_open("s", &file);
        bool reached = fault_fs_stop();
        safetensors_close(&file);
        if (!reached)
            break;
        assert_true(status == Q_ERR_SYSTEM || status == Q_OK); /* a failed close loses nothing */
    }
}

static void failing_allocations_are_told(void **state)
{
    (void)state;
    q_status status = Q_ERR_MEMORY;
    for (uint64_t k = 1; status != Q_OK; k++) {
        (void)q_memory_fail_at(k, 0);
        status = write_sample("s");
        (void)q_memory_fail_at(0, 0);
        assert_true(status == Q_OK || status == Q_ERR_MEMORY);
    }
    status = Q_ERR_MEMORY;
    for (uint64_t k = 1; status != Q_OK; k++) {
        struct safetensors file;
        (void)q_memory_fail_at(k, 0);
        status = safetensors_open("s", &file);
        (void)q_memory_fail_at(0, 0);
        assert_true(status == Q_OK || status == Q_ERR_MEMORY);
        safetensors_close(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_reads_back),
        cmocka_unit_test(pieces_make_the_same_file),
        cmocka_unit_test(the_bytes_are_as_documented),
        cmocka_unit_test(hostile_headers_are_refused),
        cmocka_unit_test(damage_is_refused_or_harmless),
        cmocka_unit_test(half_and_brain_floats_are_widened),
        cmocka_unit_test(failing_calls_are_told),
        cmocka_unit_test(failing_allocations_are_told),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
