/* Sorting records: in memory, in runs on disk, and when memory or disk fail. */
#include "dedup/record_sorter.h"

#include "base/fs.h"
#include "base/memory.h"
#include "base/random.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"

#include <stdlib.h>
#include <string.h>

/* Nothing is left in the folder. */
static void expect_empty_folder(void)
{
    struct q_arena arena = {0};
    const char **names;
    size_t count;
    assert_ok(q_fs_list(".", &arena, &names, &count));
    assert_int_equal(count, 0);
    q_arena_release(&arena);
}

static unsigned compared_width;

static int compare(const void *a, const void *b)
{
    return record_compare(a, b, compared_width);
}

/* Records of which `spread` says how many values each number takes: 1 makes them all equal. */
static uint64_t *make_records(size_t count, unsigned width, uint64_t spread, uint64_t seed)
{
    uint64_t *records = malloc((count ? count : 1) * width * sizeof(*records));
    q_random_key key = q_random_key_of(seed, "records", 0, 0);
    for (size_t i = 0; i < count * width; i++)
        records[i] = spread ? q_random_below(key, i, spread) * 0x9e3779b97f4a7c15u : q_random_u64(key, i);
    return records;
}

static void test_sort(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 3, 24, 25, 100, 5000};
    static const uint64_t spreads[] = {0, 1, 2, 7};
    for (unsigned width = 1; width <= RECORD_WIDTH_MAX; width++) {
        for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++) {
            for (size_t s = 0; s < sizeof(spreads) / sizeof(*spreads); s++) {
                size_t count = counts[c];
                uint64_t *records = make_records(count, width, spreads[s], c + s),
                         *expected = make_records(count, width, spreads[s], c + s);
                compared_width = width;
                qsort(expected, count, width * sizeof(*expected), compare);
                record_sort(records, count, width);
                assert_memory_equal(records, expected, count * width * sizeof(*records));
                free(records);
                free(expected);
            }
        }
    }
}

/* Sorts with so much memory; returns the records in order (malloc), or NULL and *status. */
static uint64_t *sort_with(uint64_t memory, const uint64_t *records, size_t count, unsigned width, q_status *status,
                           size_t *runs)
{
    struct record_sorter sorter;
    uint64_t *out = malloc((count + 1) * width * sizeof(*out));
    record_sorter_init(&sorter, width, memory, ".");
    *status = Q_OK;
    for (size_t i = 0; i < count && *status == Q_OK; i++)
        *status = record_sorter_add(&sorter, records + i * width);
    if (*status == Q_OK)
        *status = record_sorter_finish(&sorter);
    /* Twice: reading again from the start gives the same. */
    for (int pass = 0; pass < 2 && *status == Q_OK; pass++) {
        bool more = true;
        size_t got = 0;
        if (pass)
            *status = record_sorter_rewind(&sorter);
        while (*status == Q_OK && more) {
            uint64_t record[RECORD_WIDTH_MAX];
            *status = record_sorter_next(&sorter, record, &more);
            if (*status == Q_OK && more) {
                assert_true(got < count);
                memcpy(out + got++ * width, record, width * sizeof(*out));
            }
        }
        if (*status == Q_OK)
            assert_int_equal(got, count);
    }
    *runs = sorter.run_count;
    record_sorter_release(&sorter);
    return out;
}

static void test_runs_do_not_change_the_order(void **state)
{
    (void)state;
    enum { COUNT = 30000 };
    for (unsigned width = 2; width <= 3; width++) {
        uint64_t *records = make_records(COUNT, width, width == 2 ? 0 : 9, width);
        q_status status;
        size_t runs;
        uint64_t *small = sort_with(SORTER_MEMORY_MIN, records, COUNT, width, &status, &runs);
        assert_int_equal(status, Q_OK);
        assert_true(runs > 4);
        uint64_t *large = sort_with(1 << 30, records, COUNT, width, &status, &runs);
        assert_int_equal(status, Q_OK);
        assert_int_equal(runs, 0);
        compared_width = width;
        qsort(records, COUNT, width * sizeof(*records), compare);
        assert_memory_equal(small, records, COUNT * width * sizeof(*records));
        assert_memory_equal(large, records, COUNT * width * sizeof(*records));
        free(records);
        free(small);
        free(large);
    }
    expect_empty_folder();
}

static void test_empty(void **state)
{
    (void)state;
    q_status status;
    size_t runs;
    free(sort_with(0, NULL, 0, 2, &status, &runs));
    assert_int_equal(status, Q_OK);
}

static void test_failing_disk(void **state)
{
    (void)state;
    enum { COUNT = 12000 };
    uint64_t *records = make_records(COUNT, 2, 0, 1);
    for (uint64_t k = 1;; k++) {
        q_status status;
        size_t runs;
        fault_fs_start(FAULT_FAIL, k);
        free(sort_with(SORTER_MEMORY_MIN, records, COUNT, 2, &status, &runs));
        if (!fault_fs_stop()) {
            assert_int_equal(status, Q_OK);
            break;
        }
        /* The only call that may fail unseen is the close at the end. */
        assert_true(status == Q_ERR_SYSTEM || status == Q_OK);
    }
    fault_fs_start(FAULT_SHORT, 1);
    q_status status;
    size_t runs;
    free(sort_with(SORTER_MEMORY_MIN, records, 5000, 2, &status, &runs));
    (void)fault_fs_stop();
    assert_int_equal(status, Q_OK);
    free(records);
}

static void test_no_memory(void **state)
{
    (void)state;
    enum { COUNT = 12000 };
    uint64_t *records = make_records(COUNT, 2, 0, 1);
    for (uint64_t k = 1;; k++) {
        q_status status;
        size_t runs;
        q_memory_fail_at(k, 0);
        free(sort_with(SORTER_MEMORY_MIN, records, COUNT, 2, &status, &runs));
        bool failed = q_memory_fail_at(0, 0) >= k;
        if (!failed) {
            assert_int_equal(status, Q_OK);
            break;
        }
        assert_int_equal(status, Q_ERR_MEMORY);
    }
    free(records);
}

/* What was appended is read back whole, in memory, in the file, and over the edge between the two. */
static void test_spool(void **state)
{
    (void)state;
    static const uint64_t memories[] = {0, 100000, 1u << 30};
    for (size_t m = 0; m < 3; m++) {
        struct spool spool;
        enum { COUNT = 6000 };
        uint64_t places[COUNT];
        char piece[1000], read[1000];
        spool_init(&spool, ".", memories[m]);
        for (size_t i = 0; i < COUNT; i++) {
            memset(piece, (int)(i % 251), sizeof(piece));
            assert_ok(spool_append(&spool, piece, i % sizeof(piece), &places[i]));
        }
        assert_true(spool.has_file == (memories[m] < 2000000));
        for (size_t i = 0; i < COUNT; i++) {
            memset(piece, (int)(i % 251), sizeof(piece));
            assert_ok(spool_read(&spool, places[i], read, i % sizeof(piece)));
            assert_memory_equal(piece, read, i % sizeof(piece));
        }
        char *all = malloc((size_t)spool_size(&spool));
        assert_ok(spool_read(&spool, 0, all, (size_t)spool_size(&spool)));
        assert_int_equal((unsigned char)all[places[5999]], 5999 % 251);
        free(all);
        spool_release(&spool);
    }
    expect_empty_folder();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sort),      cmocka_unit_test(test_runs_do_not_change_the_order),
        cmocka_unit_test(test_empty),     cmocka_unit_test(test_failing_disk),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_spool),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
