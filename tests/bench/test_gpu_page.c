/* The page of bench/gpu/run: an output that is cut off anywhere, or is anything else, gives no figure and no failure; memory may run out anywhere. */
#include "base/fs.h"
#include "bench/gpu_page.h"
#include "tests/base/cmocka_all.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct gpu_about about = {"h100", "H100", NULL, false};

static void put_file(const char *name, const char *text, size_t size)
{
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* A folder with three parts: the ceilings, a layer, whose output is put there by each test, and the sanitizer. */
static int put_folder(void **state)
{
    static const char parts[] = "ceilings\tpassed\t1\t1\t0\tceilings\trun\t\nmoe\tpassed\t2\t1\t0.5\ta layer\trun\t\n"
                                "memcheck\tpassed\t2\t1\t0.5\tmemory\trun\t\n";
    static const char ceilings[] = "{\"matrix_flop_per_s\": 8e14, \"copy_bytes_per_s\": 1e12}\n";
    static const char memcheck[] = "========= ERROR SUMMARY: 0 errors\n";
    (void)state;
    assert_ok(q_fs_make_directories("parts"));
    put_file("parts/parts", parts, sizeof(parts) - 1);
    put_file("parts/ceilings.out", ceilings, sizeof(ceilings) - 1);
    put_file("parts/memcheck.out", memcheck, sizeof(memcheck) - 1);
    return 0;
}

static void put_output(const char *output, size_t size)
{
    put_file("parts/moe.out", output, size);
}

static q_status make(struct q_buffer *page, size_t *figures)
{
    json_t *subject;
    Q_TRY(gpu_subject(&about, "parts", &subject));
    q_status status = gpu_page(subject, "h100", page);
    *figures = json_array_size(json_object_get(subject, "figures"));
    json_decref(subject);
    return status;
}

static void expect(const struct q_buffer *page, const char *text, bool wanted)
{
    bool found = q_string_find(q_buffer_string(page), q_string_of(text), 0) != SIZE_MAX;
    if (found != wanted)
        fail_msg("'%s' is %sin:\n%.*s", text, found ? "" : "not ", Q_STRING_ARGS(q_buffer_string(page)));
}

static const char layer[] = "{\"flop_per_s\":600000000000000,\"forward_ms\":1.5,\"load_max\":1.25,"
                            "\"ways\":{\"grouped, wgmma\":12}}\n";

static void test_whole(void **state)
{
    (void)state;
    struct q_buffer page = {0};
    size_t figures;
    put_output(layer, sizeof(layer) - 1);
    assert_ok(make(&page, &figures));
    assert_int_equal(figures, 1);
    expect(&page, "| moe | 600 TFLOP/s | 600 TFLOP/s | reached |\n", true);
    expect(&page, "| moe | a layer | 1.500 | - | - | - | - | - | 600.0 | 75.0% | 1.25 |\n", true);
    expect(&page, "- moe: 12 x grouped, wgmma\n", true);
    expect(&page, "- memcheck: ERROR SUMMARY: 0 errors\n", true);
    q_buffer_release(&page);
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof(layer) - 2; size++) { /* the line's end may be missing */
        struct q_buffer page = {0};
        size_t figures;
        put_output(layer, size);
        assert_ok(make(&page, &figures));
        assert_int_equal(figures, 0);
        expect(&page,
               size ? "| moe | not measured: what it printed is cut off |"
                    : "| moe | not measured: it printed no figures |",
               true);
        expect(&page, "not measured: what it printed is cut off |\n", size > 0);
        q_buffer_release(&page);
    }
}

/* Any byte another one: it may be another number, but never a failure. */
static void test_changed_anywhere(void **state)
{
    (void)state;
    static const char bytes[] = "\0{}[]\",:0x\n\xff";
    for (size_t at = 0; at < sizeof(layer) - 1; at++)
        for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
            struct q_buffer page = {0};
            char changed[sizeof(layer)];
            size_t figures;
            memcpy(changed, layer, sizeof(layer));
            changed[at] = bytes[i];
            put_output(changed, sizeof(layer) - 1);
            assert_ok(make(&page, &figures));
            q_buffer_release(&page);
        }
}

static void test_memory(void **state)
{
    (void)state;
    put_output(layer, sizeof(layer) - 1);
    for (uint64_t k = 1;; k++) {
        struct q_buffer page = {0};
        size_t figures;
        q_memory_fail_at(k, 0);
        q_status status = make(&page, &figures);
        bool reached = q_memory_fail_at(0, 0) >= k;
        if (status == Q_OK) { /* it did without that memory: for the processor's name, say */
            assert_int_equal(figures, 1);
            expect(&page, "| moe | 600 TFLOP/s | 600 TFLOP/s | reached |\n", true);
        } else {
            assert_int_equal(status, Q_ERR_MEMORY);
        }
        q_buffer_release(&page);
        if (!reached)
            break;
    }
}

static void test_table(void **state)
{
    (void)state;
    for (const struct gpu_part *row = gpu_parts; row->name; row++)
        for (const struct gpu_part *other = gpu_parts; other < row; other++)
            assert_string_not_equal(row->name, other->name);
    assert_true(isnan(gpu_ratio(NAN, 1)) && isnan(gpu_ratio(1, NAN)) && isnan(gpu_ratio(1, 0)));
    assert_true(gpu_ratio(1, 2) == 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),  cmocka_unit_test(test_cut_anywhere), cmocka_unit_test(test_changed_anywhere),
        cmocka_unit_test(test_memory), cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, put_folder, NULL);
}
