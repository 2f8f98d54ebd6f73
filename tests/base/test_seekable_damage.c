/* Seekable zstd that is damaged, cut or made to harm: found, or harmless; never a crash, never other data. */
#include "base/bytes.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/seekable.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"

#include <string.h>

enum { GUARD_BYTES = 24, ENTRY_BYTES = 12, FOOTER_BYTES = 9, HEADER_BYTES = 8 };

/* A whole file of six frames, and what each holds. */
static struct q_buffer whole;
static struct q_buffer content[6];
static size_t table_offset;

static void add(struct q_seekable_writer *writer, unsigned frame, int kind, const void *bytes, size_t count)
{
    assert_ok(q_buffer_append(&content[frame], bytes, count));
    if (kind < 0)
        assert_ok(q_seekable_add_frame(writer, bytes, count));
    else
        assert_ok(q_seekable_add_skippable(writer, (unsigned)kind, bytes, count));
}

static int make_whole(void **state)
{
    if (scratch_enter(state) != 0)
        return 1;
    char runs[3000];
    for (size_t i = 0; i < sizeof(runs); i++)
        runs[i] = (char)('a' + i / 100 % 7);
    struct q_seekable_writer *writer;
    assert_ok(q_seekable_create("whole.zst", 3, &writer));
    add(writer, 0, 0, "a header", 8);
    add(writer, 1, -1, "stored as it is\n", 16);
    add(writer, 2, -1, NULL, 0);
    add(writer, 3, -1, runs, sizeof(runs));
    add(writer, 4, 3, NULL, 0);
    add(writer, 5, 7, "statistics", 10);
    assert_ok(q_seekable_commit(writer, NULL));
    scratch_read("whole.zst", &whole);
    table_offset = whole.size - (HEADER_BYTES + 7 * ENTRY_BYTES + FOOTER_BYTES);
    return 0;
}

static int release_whole(void **state)
{
    q_buffer_release(&whole);
    for (size_t i = 0; i < 6; i++)
        q_buffer_release(&content[i]);
    return scratch_leave(state);
}

enum finding { FOUND, SAME, OTHER };
static bool refused_at_open; /* of what was examined last */

/* Opens the bytes as a file and reads every frame: found damaged, or the same as the whole file's. */
static enum finding examine(const char *bytes, size_t count)
{
    struct q_seekable_reader *reader;
    struct q_buffer got = {0};
    scratch_write("damaged.zst", bytes, count);
    q_status status = q_seekable_open("damaged.zst", &reader);
    refused_at_open = status != Q_OK;
    if (refused_at_open) {
        assert_int_equal(status, Q_ERR_INPUT);
        assert_non_null(strstr(q_error_text(), "'damaged.zst'"));
        return FOUND;
    }
    enum finding finding = q_seekable_frame_count(reader) == 6 && q_seekable_plain_bytes(reader) == 3016 ? SAME : OTHER;
    for (uint32_t i = 0; i < q_seekable_frame_count(reader); i++) {
        struct q_frame_info info;
        status = q_seekable_frame(reader, i, &info);
        if (status == Q_OK)
            status = q_seekable_read_frame(reader, i, &got);
        if (status != Q_OK) {
            assert_int_equal(status, Q_ERR_INPUT);
            finding = FOUND;
            break;
        }
        static const unsigned kinds[6] = {0, 0, 0, 0, 3, 7};
        if (i >= 6 || info.kind != (i == 0 || i > 3 ? Q_FRAME_SKIPPABLE : Q_FRAME_DATA) ||
            info.skippable_kind != kinds[i] || !q_string_equal(q_buffer_string(&got), q_buffer_string(&content[i])))
            finding = OTHER;
    }
    q_seekable_close(reader);
    q_buffer_release(&got);
    return finding;
}

static void test_whole_file_is_whole(void **state)
{
    (void)state;
    assert_int_equal(examine(whole.data, whole.size), SAME);
}

/* Outside zstd's own frames every bit counts; inside, a few header bits may mean nothing, but never other data. */
static void test_each_flipped_bit(void **state)
{
    (void)state;
    size_t harmless = 0;
    for (size_t bit = 0; bit < 8 * whole.size; bit++) {
        whole.data[bit / 8] = (char)(whole.data[bit / 8] ^ 1 << bit % 8);
        enum finding finding = examine(whole.data, whole.size);
        whole.data[bit / 8] = (char)(whole.data[bit / 8] ^ 1 << bit % 8);
        if (finding == OTHER)
            fail_msg("bit %zu of byte %zu gave other data", bit % 8, bit / 8);
        harmless += finding == SAME;
        if (bit / 8 >= table_offset - GUARD_BYTES && !refused_at_open)
            fail_msg("bit %zu of byte %zu in guard or table was not seen at once", bit % 8, bit / 8);
    }
    assert_true(harmless <= 8); /* of some 2,500 */
}

static void test_each_truncation_and_some_growth(void **state)
{
    (void)state;
    for (size_t size = 0; size < whole.size; size++)
        assert_true(examine(whole.data, size) == FOUND && refused_at_open);
    struct q_buffer longer = {0};
    assert_ok(q_buffer_append(&longer, whole.data, whole.size));
    for (int i = 0; i < 20; i++) {
        assert_ok(q_buffer_append_byte(&longer, i % 2 ? 'x' : 0));
        assert_true(examine(longer.data, longer.size) == FOUND && refused_at_open);
    }
    /* Two whole files one behind the other: each table speaks of its own file only. */
    longer.size = whole.size;
    assert_ok(q_buffer_append(&longer, whole.data, whole.size));
    assert_int_equal(examine(longer.data, longer.size), FOUND);
    /* Bytes missing from, or put into, the front. */
    assert_int_equal(examine(longer.data + 1, whole.size - 1), FOUND);
    assert_int_equal(examine(longer.data + whole.size - 1, whole.size + 1), FOUND);
    q_buffer_release(&longer);
}

/* Somebody who changes the table and recomputes the guard's hashes. */
static void reseal(char *file, size_t count)
{
    char *guard = file + table_offset - GUARD_BYTES;
    q_store_u64(guard + 8, q_hash64(file + table_offset, count - table_offset, 0));
    q_store_u64(guard + 16, q_hash64(guard + 8, 8, 15));
}

static void test_reseal_is_right(void **state)
{
    (void)state;
    struct q_buffer copy = {0};
    assert_ok(q_buffer_append(&copy, whole.data, whole.size));
    reseal(copy.data, copy.size);
    assert_memory_equal(copy.data, whole.data, whole.size);
    q_buffer_release(&copy);
}

static void test_hostile_table_entries(void **state)
{
    (void)state;
    static const uint32_t values[] = {0,     1, 8, 9, 24, 0x7fffffff, 0x80000000, 0xffffffff, 1u << 30, (1u << 30) + 1,
                                      131072};
    struct q_buffer copy = {0};
    assert_ok(q_buffer_append(&copy, whole.data, whole.size));
    for (size_t word = 0; word < 7 * ENTRY_BYTES / 4; word++) {
        char *at = copy.data + table_offset + HEADER_BYTES + 4 * word;
        const uint32_t before = q_load_u32(at);
        for (size_t i = 0; i < 2 + sizeof(values) / sizeof(values[0]); i++) {
            uint32_t value = i == 0 ? before + 1 : i == 1 ? before - 1 : values[i - 2];
            if (value == before)
                continue;
            q_store_u32(at, value);
            reseal(copy.data, copy.size);
            /* The checksum word of a frame without data is the one figure that must be right and says nothing. */
            if (examine(copy.data, copy.size) != FOUND)
                fail_msg("word %zu as %u went unseen", word, (unsigned)value);
        }
        q_store_u32(at, before);
    }
    q_buffer_release(&copy);
}

/* Sizes moved from one entry to another: the sum stays, so only the frames themselves can tell. */
static void test_hostile_sums(void **state)
{
    (void)state;
    struct q_buffer copy = {0};
    assert_ok(q_buffer_append(&copy, whole.data, whole.size));
    for (size_t from = 0; from < 7; from++) {
        for (size_t to = 0; to < 7; to++) {
            char *a = copy.data + table_offset + HEADER_BYTES + from * ENTRY_BYTES;
            char *b = copy.data + table_offset + HEADER_BYTES + to * ENTRY_BYTES;
            const uint32_t old_a = q_load_u32(a), old_b = q_load_u32(b);
            for (uint32_t moved = 1; from != to && moved <= old_a; moved++) {
                q_store_u32(a, old_a - moved);
                q_store_u32(b, old_b + moved);
                reseal(copy.data, copy.size);
                assert_int_equal(examine(copy.data, copy.size), FOUND);
            }
            q_store_u32(a, old_a);
            q_store_u32(b, old_b);
        }
    }
    q_buffer_release(&copy);
}

static void test_hostile_counts(void **state)
{
    (void)state;
    static const uint32_t counts[] = {0, 1, 2, 6, 8, 100, 0x8000000, 0x8000001, 0x15555556, 0x7fffffff, 0xffffffff};
    struct q_buffer copy = {0};
    assert_ok(q_buffer_append(&copy, whole.data, whole.size));
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        q_store_u32(copy.data + copy.size - FOOTER_BYTES, counts[i]);
        reseal(copy.data, copy.size);
        assert_int_equal(examine(copy.data, copy.size), FOUND);
        q_store_u32(copy.data + table_offset + 4, counts[i] * ENTRY_BYTES + FOOTER_BYTES);
        reseal(copy.data, copy.size);
        assert_int_equal(examine(copy.data, copy.size), FOUND);
    }
    q_buffer_release(&copy);
}

/* One entry for two frames, its figures right for the first and its checksum for the second: zstd alone would decode both. */
static void test_hostile_double_frame(void **state)
{
    (void)state;
    struct q_buffer copy = {0};
    assert_ok(q_buffer_append(&copy, whole.data, whole.size));
    char *first = copy.data + table_offset + HEADER_BYTES + ENTRY_BYTES, *second = first + ENTRY_BYTES;
    q_store_u32(first, q_load_u32(first) + q_load_u32(second));
    memcpy(first + 8, second + 8, 4);
    memmove(second, second + ENTRY_BYTES, (size_t)(copy.data + copy.size - second - ENTRY_BYTES));
    copy.size -= ENTRY_BYTES;
    q_store_u32(copy.data + table_offset + 4, 6 * ENTRY_BYTES + FOOTER_BYTES);
    q_store_u32(copy.data + copy.size - FOOTER_BYTES, 6);
    reseal(copy.data, copy.size);
    assert_int_equal(examine(copy.data, copy.size), FOUND);
    assert_false(refused_at_open);
    assert_non_null(strstr(q_error_text(), "frame 1: it does not have the stored size"));
    q_buffer_release(&copy);
}

/* The size that a frame itself claims, with a table that agrees. */
static void test_hostile_frame_size(void **state)
{
    (void)state;
    struct q_buffer copy = {0};
    assert_ok(q_buffer_append(&copy, whole.data, whole.size));
    char *frame = copy.data + 24, *entry = copy.data + table_offset + HEADER_BYTES + ENTRY_BYTES;
    assert_int_equal(q_load_u32(frame), 0xFD2FB528);
    assert_int_equal(frame[5], 16); /* one byte of size */
    for (unsigned claim = 0; claim < 256; claim++) {
        frame[5] = (char)claim;
        q_store_u32(entry + 4, claim);
        reseal(copy.data, copy.size);
        if (claim != 16)
            assert_int_equal(examine(copy.data, copy.size), FOUND);
    }
    q_buffer_release(&copy);
}

static void test_other_files_are_refused(void **state)
{
    (void)state;
    static const char text[] =
        "just some text that is no zstd at all, long enough to hold a table and a guard in front of it, is it not?";
    assert_int_equal(examine(text, sizeof(text)), FOUND);
    assert_int_equal(examine(whole.data + 24, 29), FOUND); /* a plain zstd frame */
    assert_int_equal(examine("", 0), FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_file_is_whole),
        cmocka_unit_test(test_each_flipped_bit),
        cmocka_unit_test(test_each_truncation_and_some_growth),
        cmocka_unit_test(test_reseal_is_right),
        cmocka_unit_test(test_hostile_table_entries),
        cmocka_unit_test(test_hostile_sums),
        cmocka_unit_test(test_hostile_counts),
        cmocka_unit_test(test_hostile_frame_size),
        cmocka_unit_test(test_hostile_double_frame),
        cmocka_unit_test(test_other_files_are_refused),
    };
    return cmocka_run_group_tests_name("seekable_damage", tests, make_whole, release_whole);
}
