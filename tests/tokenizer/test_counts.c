/* Counts in memory and in files: they add, they come back, and a damaged file is found. */
#include "base/bytes.h"
#include "base/seekable.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/count/counts.h"

#include <string.h>

static struct counts new_counts(void)
{
    return (struct counts){.pretokenizer = pretokenizers[0]};
}

static void assert_same(const struct counts *a, const struct counts *b)
{
    assert_int_equal(a->used, b->used);
    assert_memory_equal(&a->total, &b->total, sizeof(a->total));
    for (size_t i = 0; i < a->capacity; i++)
        if (a->slots[i].count)
            assert_int_equal(a->slots[i].count, counts_of(b, counts_piece(a, &a->slots[i])));
}

static void pieces_are_counted(void **state)
{
    struct counts counts = new_counts();
    (void)state;
    assert_int_equal(counts_of(&counts, Q_STRING("x")), 0);
    assert_ok(counts_add_text(&counts, Q_STRING("the mill, the stone, the mill")));
    assert_int_equal(counts_of(&counts, Q_STRING(" the")), 2);
    assert_int_equal(counts_of(&counts, Q_STRING("the")), 1);
    assert_int_equal(counts_of(&counts, Q_STRING(" mill")), 2);
    assert_int_equal(counts_of(&counts, Q_STRING(",")), 2);
    assert_int_equal(counts_of(&counts, Q_STRING("mill")), 0);
    assert_int_equal(counts.total.documents, 1);
    assert_int_equal(counts.total.bytes, 29);
    assert_int_equal(counts.total.pieces, 8);
    assert_ok(counts_add(&counts, Q_STRING("x"), UINT64_MAX - 8));
    assert_fails(counts_add(&counts, Q_STRING("x"), 1), Q_ERR_INPUT, "64 bits");
    counts_release(&counts);
}

/* Adding up halves, in either order and through files, is counting the whole; the file is the same to the byte. */
static void halves_add_up_to_the_whole(void **state)
{
    struct counts whole = new_counts(), halves[2] = {new_counts(), new_counts()}, sum = new_counts(), read = {0};
    struct q_buffer text = {0}, first = {0}, second = {0};
    uint64_t dice = 9;
    (void)state;
    for (int i = 0; i < 4000; i++) {
        random_text(&dice, 40, i % 2, &text);
        assert_ok(counts_add_text(&whole, q_buffer_string(&text)));
        assert_ok(counts_add_text(&halves[i % 3 == 0], q_buffer_string(&text)));
    }
    assert_ok(counts_add_all(&sum, &halves[0]));
    assert_ok(counts_add_all(&sum, &halves[1]));
    assert_same(&sum, &whole);
    assert_ok(counts_write(&whole, "whole.counts", NULL));
    assert_ok(counts_write(&halves[1], "half.counts", NULL));
    assert_ok(counts_write(&halves[0], "other.counts", NULL));
    assert_ok(counts_read(&read, "half.counts"));
    assert_ptr_equal(read.pretokenizer, pretokenizers[0]);
    assert_same(&read, &halves[1]);
    assert_ok(counts_read(&read, "other.counts"));
    assert_same(&read, &whole);
    assert_ok(counts_write(&read, "sum.counts", NULL));
    scratch_read("whole.counts", &first);
    scratch_read("sum.counts", &second);
    assert_true(q_string_equal(q_buffer_string(&first), q_buffer_string(&second)));
    struct counts *all[] = {&whole, &halves[0], &halves[1], &sum, &read};
    for (int i = 0; i < 5; i++)
        counts_release(all[i]);
    q_buffer_release(&text);
    q_buffer_release(&first);
    q_buffer_release(&second);
}

/* The format's golden file, made once by version 1 and kept. */
static void the_golden_file_is_read(void **state)
{
    struct counts counts = {0};
    (void)state;
    assert_ok(counts_read(&counts, QUERN_SOURCE "/tests/tokenizer/golden/version-1.counts"));
    assert_int_equal(counts.used, 5);
    assert_int_equal(counts.total.documents, 2);
    assert_int_equal(counts.total.bytes, 41);
    assert_int_equal(counts.total.pieces, 11);
    assert_int_equal(counts_of(&counts, Q_STRING(" the")), 3);
    assert_int_equal(counts_of(&counts, Q_STRING(" mill")), 3);
    assert_int_equal(counts_of(&counts, Q_STRING(" stone")), 1);
    counts_release(&counts);
}

static void make_small(void)
{
    struct counts counts = new_counts();
    assert_ok(counts_add_text(&counts, Q_STRING("the mill, the stone, the mill")));
    assert_ok(counts_write(&counts, "small.counts", NULL));
    counts_release(&counts);
}

static void cut_and_flipped_files_are_refused(void **state)
{
    struct q_buffer bytes = {0};
    (void)state;
    make_small();
    scratch_read("small.counts", &bytes);
    for (size_t size = 0; size < bytes.size; size++) {
        struct counts counts = {0};
        scratch_write("cut.counts", bytes.data, size);
        assert_int_equal(counts_read(&counts, "cut.counts"), Q_ERR_INPUT);
        assert_non_null(strstr(q_error_text(), "'cut.counts'"));
        counts_release(&counts);
    }
    for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
        struct counts counts = {0}, want = {0};
        bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ 1 << bit % 8);
        scratch_write("flipped.counts", bytes.data, bytes.size);
        q_status status = counts_read(&counts, "flipped.counts");
        if (status) {
            assert_int_equal(status, Q_ERR_INPUT);
        } else { /* a bit that zstd does not use */
            assert_ok(counts_read(&want, "small.counts"));
            assert_same(&counts, &want);
        }
        bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ 1 << bit % 8);
        counts_release(&counts);
        counts_release(&want);
    }
    q_buffer_release(&bytes);
}

/* A file whose checksums hold and whose content does not. */
static void write_hostile(const uint8_t *header, size_t header_bytes, const void *entries, size_t entry_bytes)
{
    struct q_seekable_writer *writer;
    assert_ok(q_seekable_create("hostile.counts", 3, &writer));
    if (header)
        assert_ok(q_seekable_add_skippable(writer, 0, header, header_bytes));
    if (entries)
        assert_ok(q_seekable_add_frame(writer, entries, entry_bytes));
    assert_ok(q_seekable_commit(writer, NULL));
}

static void refuse(const uint8_t *header, size_t header_bytes, const void *entries, size_t entry_bytes, const char *why)
{
    struct counts counts = {0};
    write_hostile(header, header_bytes, entries, entry_bytes);
    assert_fails(counts_read(&counts, "hostile.counts"), Q_ERR_INPUT, why);
    counts_release(&counts);
}

static void hostile_files_are_refused(void **state)
{
    struct q_seekable_reader *reader;
    struct q_buffer frame = {0};
    uint8_t header[96], bad[96];
    (void)state;
    make_small();
    assert_ok(q_seekable_open("small.counts", &reader));
    assert_ok(q_seekable_read_frame(reader, 0, &frame));
    assert_int_equal(frame.size, sizeof(header));
    memcpy(header, frame.data, sizeof(header));
    /* The same as version 1 has it, so that a file is a header and entries. */
    assert_ok(q_seekable_read_frame(reader, 2, &frame));
    refuse(header, 96, NULL, 0, "end with its totals");
    header[8] = 1;
    header[12] = 0;
    memcpy(header + 16, frame.data, 32);
    assert_ok(q_seekable_read_frame(reader, 1, &frame));
    q_seekable_close(reader);
    refuse(NULL, 0, frame.data, frame.size, "header");
    refuse(header, 95, frame.data, frame.size, "another version");
    refuse(header, 4, frame.data, frame.size, "begin as one");
    refuse(header, 96, NULL, 0, "other numbers");
    refuse(header, 96, frame.data, frame.size - 1, "an entry's");
    memcpy(bad, header, sizeof(bad));
    bad[8] = 3;
    refuse(bad, 96, frame.data, frame.size, "another version");
    bad[8] = 2;
    refuse(bad, 96, frame.data, frame.size, "end with its totals");
    bad[12] = 7;
    refuse(bad, 96, frame.data, frame.size, "a scale");
    memcpy(bad, header, sizeof(bad));
    bad[48] = 'x';
    refuse(bad, 96, frame.data, frame.size, "'xeepseek-v3'");
    memset(bad + 48, 'x', 32);
    refuse(bad, 96, frame.data, frame.size, "no end");
    memcpy(bad, header, sizeof(bad));
    bad[81] = '5';
    refuse(bad, 96, frame.data, frame.size, "Unicode 15");
    memcpy(bad, header, sizeof(bad));
    q_store_u64(bad + 16, 9);
    refuse(bad, 96, frame.data, frame.size, "other numbers");
    /* shared, size, bytes, count */
    refuse(header, 96, "\0\1b\1\0\1a\1", 8, "order");
    refuse(header, 96, "\0\1a\1\1\0\1", 7, "order");
    refuse(header, 96, "\1\1a\1", 4, "lengths");
    refuse(header, 96,
           "\0\x7f"
           "a\1",
           4, "lengths");
    refuse(header, 96, "\0\1a\0", 4, "count");
    refuse(header, 96, "\0\0\1", 3, "count");
    refuse(header, 96, "\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11, "lengths");
    refuse(header, 96, "\0\1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\0\1b\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 26,
           "64 bits");
    q_buffer_release(&frame);
}

/* After any failing call the old file or the new one stands. */
static void failing_calls_leave_the_old_file(void **state)
{
    struct counts counts = new_counts(), read;
    (void)state;
    assert_ok(counts_add(&counts, Q_STRING("old"), 1));
    assert_ok(counts_write(&counts, "kept.counts", NULL));
    assert_ok(counts_add(&counts, Q_STRING("new"), 1));
    for (uint64_t k = 1;; k++) {
        fault_fs_start(FAULT_FAIL, k);
        q_status status = counts_write(&counts, "kept.counts", NULL);
        if (!fault_fs_stop()) {
            assert_int_equal(status, Q_OK);
            break;
        }
        read = new_counts();
        assert_ok(counts_read(&read, "kept.counts"));
        assert_int_equal(counts_of(&read, Q_STRING("old")), 1);
        counts_release(&read);
    }
    counts_release(&counts);
}

static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    make_small();
    for (uint64_t k = 1;; k++) {
        struct counts counts = {0};
        q_memory_fail_at(k, 0);
        q_status status = counts_read(&counts, "small.counts");
        if (!status)
            status = counts_write(&counts, "again.counts", NULL);
        uint64_t calls = q_memory_fail_at(0, 0);
        counts_release(&counts);
        if (calls < k) {
            assert_int_equal(status, Q_OK);
            break;
        }
        assert_int_equal(status, Q_ERR_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_counted),
        cmocka_unit_test(halves_add_up_to_the_whole),
        cmocka_unit_test(the_golden_file_is_read),
        cmocka_unit_test(cut_and_flipped_files_are_refused),
        cmocka_unit_test(hostile_files_are_refused),
        cmocka_unit_test(failing_calls_leave_the_old_file),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
