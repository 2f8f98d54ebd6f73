/* Event files: checksums by their published values, the bytes of a small file, and that a restart, a torn record or a changed byte leaves whole records of earlier steps. */
#include "base/fs.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"
#include "train/watch/tensorboard.h"

#include <stdio.h>
#include <string.h>

static const char first_file[] = "run/tensorboard/events.out.tfevents.0000000001.quern";
static const char second_file[] = "run/tensorboard/events.out.tfevents.0000000002.quern";

static void crc_has_the_published_values(void **state)
{
    (void)state;
    uint8_t bytes[32];
    assert_int_equal(events_crc("123456789", 9), 0xe3069283U); /* the check value of CRC-32C */
    memset(bytes, 0, sizeof bytes);                            /* RFC 3720, appendix B.4 */
    assert_int_equal(events_crc(bytes, 32), 0x8a9136aaU);
    memset(bytes, 255, sizeof bytes);
    assert_int_equal(events_crc(bytes, 32), 0x62a8ab43U);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(events_crc(bytes, 32), 0x46dd794eU);
    assert_int_equal(events_masked_crc(bytes, 32), (0x46dd794eU >> 15 | 0x46dd794eU << 17) + 0xa282ead8U);
}

static void fresh_run(void)
{
    assert_ok(q_fs_remove_tree("run"));
    assert_ok(q_fs_make_directories("run"));
}

static q_status write_step(struct events *events, uint64_t step)
{
    const double values[] = {0.25, 1, 1, 5.5};
    events_begin(events, step, 1700000000.5);
    events_put_scalar(events, "loss", 2.5);
    events_put_scalar(events, "loss_by_source/web", 0.1);
    if (step % 2 == 0)
        events_put_histogram(events, "expert_load/layer_01", values, 4);
    return events_end(events);
}

static q_status write_file(uint64_t from, uint64_t to)
{
    struct events *events;
    Q_TRY(events_open("run", from, 1700000000, &events));
    q_status status = Q_OK;
    for (uint64_t step = from + 1; !status && step <= to; step++)
        status = write_step(events, step);
    events_close(events);
    return status;
}

/* The offsets behind each whole record of a file, checked against their checksums; the number of records. */
static size_t records_of(const struct q_buffer *file, size_t *ends, size_t room)
{
    size_t count = 0, at = 0;
    while (at < file->size) {
        uint64_t length;
        uint32_t crc;
        assert_true(file->size - at >= 16 && count < room);
        memcpy(&length, file->data + at, 8);
        memcpy(&crc, file->data + at + 8, 4);
        assert_int_equal(crc, events_masked_crc(file->data + at, 8));
        assert_true(length <= file->size - at - 16);
        memcpy(&crc, file->data + at + 12 + length, 4);
        assert_int_equal(crc, events_masked_crc(file->data + at + 12, (size_t)length));
        at += 16 + (size_t)length;
        ends[count++] = at;
    }
    return count;
}

/* tests/train/golden/events.golden was read by the real tensorboard (tests/peers/tensorboard.sh). */
static void bytes_are_the_golden_ones(void **state)
{
    (void)state;
    struct q_buffer ours = {0}, golden = {0};
    fresh_run();
    assert_ok(write_file(0, 3));
    scratch_read(first_file, &ours);
    scratch_read(QUERN_SOURCE "/tests/train/golden/events.golden", &golden);
    assert_int_equal(ours.size, golden.size);
    assert_memory_equal(ours.data, golden.data, ours.size);
    q_buffer_release(&ours);
    q_buffer_release(&golden);
}

static void a_restart_leaves_each_step_once(void **state)
{
    (void)state;
    struct q_buffer whole = {0}, cut = {0};
    size_t ends[16];
    fresh_run();
    assert_ok(write_file(0, 5));
    scratch_read(first_file, &whole);
    assert_int_equal(records_of(&whole, ends, 16), 7); /* version, session start, five steps */
    assert_ok(write_file(3, 4));
    scratch_read(first_file, &cut);
    assert_int_equal(cut.size, ends[4]); /* the first three steps are left as they were */
    assert_memory_equal(cut.data, whole.data, cut.size);
    scratch_read(second_file, &cut);
    assert_int_equal(records_of(&cut, ends, 16), 3);
    /* Back to the beginning: nothing is left of either but the version, and their names are not used again. */
    assert_ok(write_file(0, 1));
    scratch_read(first_file, &cut);
    assert_int_equal(records_of(&cut, ends, 16), 1);
    scratch_read(second_file, &cut);
    assert_int_equal(records_of(&cut, ends, 16), 1);
    scratch_read("run/tensorboard/events.out.tfevents.0000000003.quern", &cut);
    assert_int_equal(records_of(&cut, ends, 16), 3);
    /* A file of another program is let alone. */
    scratch_write("run/tensorboard/events.out.tfevents.123.other", "x", 1);
    assert_ok(write_file(0, 1));
    assert_true(scratch_holds("run/tensorboard/events.out.tfevents.123.other", "x"));
    q_buffer_release(&whole);
    q_buffer_release(&cut);
}

/* Cut at every byte, and every byte changed: what is left are whole records from the start, and not fewer than stand before the damage. */
static void damage_is_cut_off(void **state)
{
    (void)state;
    struct q_buffer whole = {0}, left = {0};
    size_t ends[16], left_ends[16];
    fresh_run();
    assert_ok(write_file(0, 2));
    scratch_read(first_file, &whole);
    size_t count = records_of(&whole, ends, 16);
    for (size_t at = 0; at < 2 * whole.size; at++) {
        size_t place = at / 2, before = 0;
        fresh_run();
        assert_ok(q_fs_make_directories("run/tensorboard"));
        if (at % 2) {
            whole.data[place] = (char)(whole.data[place] ^ 0x10);
            scratch_write(first_file, whole.data, whole.size);
            whole.data[place] = (char)(whole.data[place] ^ 0x10);
        } else {
            scratch_write(first_file, whole.data, place);
        }
        while (before < count && ends[before] <= place)
            before++;
        assert_ok(write_file(2, 2));
        scratch_read(first_file, &left);
        assert_int_equal(records_of(&left, left_ends, 16), before);
        assert_memory_equal(left.data, whole.data, left.size);
    }
    q_buffer_release(&whole);
    q_buffer_release(&left);
}

/* Whatever a failure left behind: behind the next start, which goes on at step 3, and one more, the steps are there once. */
static void assert_each_step_once(void)
{
    struct q_arena arena = {0};
    struct q_buffer file = {0};
    const char **names;
    size_t count, ends[16], steps = 0;
    assert_ok(write_file(3, 5));
    assert_ok(write_file(5, 5));
    assert_ok(q_fs_list("run/tensorboard", &arena, &names, &count));
    for (size_t i = 0; i < count; i++) {
        const char *path;
        assert_ok(q_fs_join(&arena, "run/tensorboard", names[i], &path));
        scratch_read(path, &file);
        size_t records = records_of(&file, ends, 16);
        steps += records > 2 ? records - 2 : 0; /* the version and the session's start */
    }
    assert_int_equal(steps, 5);
    q_buffer_release(&file);
    q_arena_release(&arena);
}

/* Failed at any file call or allocation: an error, and the next start is none the worse. */
static void failures_are_told(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) { /* every start adds a file, and with it calls: so each begins alike */
        fresh_run();
        assert_ok(write_file(0, 5));
        (void)q_memory_fail_at(k, 0);
        q_status status = write_file(3, 5);
        (void)q_memory_fail_at(0, 0);
        if (status == Q_OK)
            break;
        assert_int_equal(status, Q_ERR_MEMORY);
    }
    for (uint64_t k = 1;; k++) {
        fresh_run();
        assert_ok(write_file(0, 5));
        fault_fs_start(FAULT_DISK_FULL, k);
        q_status status = write_file(3, 5);
        if (!fault_fs_stop())
            break;
        assert_true(status == Q_OK || status == Q_ERR_SYSTEM);
        assert_each_step_once();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_has_the_published_values),
        cmocka_unit_test(bytes_are_the_golden_ones),
        cmocka_unit_test(a_restart_leaves_each_step_once),
        cmocka_unit_test(damage_is_cut_off),
        cmocka_unit_test(failures_are_told),
    };
    return cmocka_run_group_tests_name("tensorboard", tests, scratch_enter, scratch_leave);
}
