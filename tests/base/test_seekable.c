/* Seekable zstd: what is written is read back, by us and by zstd; the bytes are those of docs/formats/seekable.md.
 * Damage: test_seekable_damage.c. */
#include "base/bytes.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/seekable.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* docs/formats/seekable.md, version 1, field by field. Frames this small are stored as they are, so that no zstd
 * version matters. */
static const unsigned char golden[] = {
    0x50, 0x2a, 0x4d, 0x18, 12,   0,    0,    0,    'h',  'e',  'a',  'd', /* skippable, kind 0, 4 + 8 bytes */
    0x77, 0xf0, 0xb1, 0x68, 0x94, 0x6b, 0xc8, 0x71,                        /* XXH3-64 of "head", seed 0 */
    0x28, 0xb5, 0x2f, 0xfd, 0x24, 6,    0x31, 0,    0, /* zstd frame: one segment, checksum, 6 bytes, last raw block */
    'h',  'e',  'l',  'l',  'o',  '\n', 0x53, 0x88, 0xbd, 0x91, /* content, low XXH64 */
    0x5f, 0x2a, 0x4d, 0x18, 16,   0,    0,    0,                /* the guard: kind 15 */
    0x9c, 0x16, 0x99, 0x2a, 0xb6, 0xae, 0x3c, 0x2a,             /* XXH3-64 of all that follows the guard, seed 0 */
    0xa3, 0xc3, 0xe4, 0x65, 0x0e, 0x70, 0x48, 0xb0,             /* XXH3-64 of the line above, seed 15 */
    0x5e, 0x2a, 0x4d, 0x18, 45,   0,    0,    0,                /* the table: kind 14, 3 entries and footer */
    20,   0,    0,    0,    0,    0,    0,    0,    0x99, 0xe9, 0xd8, 0x51, /* stored, plain, low XXH64 (of nothing) */
    19,   0,    0,    0,    6,    0,    0,    0,    0x53, 0x88, 0xbd, 0x91, /* the data frame */
    24,   0,    0,    0,    0,    0,    0,    0,    0x99, 0xe9, 0xd8, 0x51, /* the guard */
    3,    0,    0,    0,    0x80, 0xb1, 0xea, 0x92, 0x8f,                   /* footer: frames, descriptor, magic */
};

static void test_golden_bytes(void **state)
{
    (void)state;
    struct q_seekable_writer *writer;
    struct q_buffer bytes = {0};
    assert_ok(q_seekable_create("golden.zst", Q_SEEKABLE_LEVEL, &writer));
    assert_ok(q_seekable_add_skippable(writer, 0, "head", 4));
    assert_ok(q_seekable_add_frame(writer, "hello\n", 6));
    assert_ok(q_seekable_commit(writer, NULL));
    scratch_read("golden.zst", &bytes);
    assert_int_equal(bytes.size, sizeof(golden));
    assert_memory_equal(bytes.data, golden, sizeof(golden));
    q_buffer_release(&bytes);
}

static void test_golden_is_read(void **state)
{
    (void)state;
    struct q_seekable_reader *reader;
    struct q_frame_info info;
    struct q_buffer bytes = {0};
    scratch_write("golden.zst", golden, sizeof(golden));
    assert_ok(q_seekable_open("golden.zst", &reader));
    assert_int_equal(q_seekable_frame_count(reader), 2);
    assert_int_equal(q_seekable_plain_bytes(reader), 6);
    assert_ok(q_seekable_frame(reader, 0, &info));
    assert_true(info.kind == Q_FRAME_SKIPPABLE && info.skippable_kind == 0 && info.offset == 0 &&
                info.stored_bytes == 20);
    assert_ok(q_seekable_read_frame(reader, 0, &bytes));
    assert_true(q_string_is(q_buffer_string(&bytes), "head"));
    assert_ok(q_seekable_frame(reader, 1, &info));
    assert_true(info.kind == Q_FRAME_DATA && info.offset == 20 && info.stored_bytes == 19 && info.plain_bytes == 6);
    assert_ok(q_seekable_read_frame(reader, 1, &bytes));
    assert_true(q_string_is(q_buffer_string(&bytes), "hello\n"));
    uint32_t checksum;
    q_string stored = q_seekable_stored_frame(reader, &checksum);
    assert_int_equal(stored.size, 19);
    assert_memory_equal(stored.data, golden + 20, 19);
    assert_int_equal(checksum, 0x91bd8853);
    assert_fails(q_seekable_read_frame(reader, 2, &bytes), Q_ERR_INPUT, "has no frame 2");
    assert_fails(q_seekable_frame(reader, UINT32_MAX, &info), Q_ERR_INPUT, "has no frame");
    q_seekable_close(reader);
    q_buffer_release(&bytes);
}

/* `count` bytes that compress somewhat: words of a small vocabulary. */
static void make_text(uint64_t seed, size_t count, struct q_buffer *out)
{
    static const char *const words[] = {"the ",  "mill ",    "grinds ", "corn ", "and ",
                                        "rye\n", "slowly, ", "stone ",  "on ",   "42 "};
    q_random_key key = q_random_key_of(seed, "text", count, 0);
    q_buffer_clear(out);
    for (uint64_t i = 0; out->size < count; i++)
        assert_ok(q_buffer_printf(out, "%s", words[q_random_below(key, i, 10)]));
    out->size = count;
}

static const size_t frame_sizes[] = {0, 1, 100, 65536, 300000, 0, 16384};
enum { FRAMES = 7 };

/* A skippable frame, then data frames of frame_sizes with a skippable one behind each. `plain` gets all data, if not
 * NULL. */
static q_status write_frames(const char *path, uint64_t seed, struct q_buffer *plain)
{
    struct q_seekable_writer *writer;
    struct q_buffer text = {0};
    q_status status = q_seekable_create(path, Q_SEEKABLE_LEVEL, &writer);
    if (status != Q_OK)
        return status;
    status = q_seekable_add_skippable(writer, 0, "header", 6);
    for (unsigned i = 0; i < FRAMES && status == Q_OK; i++) {
        make_text(seed + i, frame_sizes[i], &text);
        status = q_seekable_add_frame(writer, text.data, text.size);
        if (status == Q_OK)
            status = q_seekable_add_skippable(writer, i + 1, text.data, text.size / 3);
        if (plain)
            assert_ok(q_buffer_append(plain, text.data, text.size));
    }
    q_buffer_release(&text);
    if (status == Q_OK)
        return q_seekable_commit(writer, NULL);
    q_seekable_abandon(writer);
    return status;
}

static void test_round_trip_in_any_order(void **state)
{
    (void)state;
    struct q_seekable_reader *reader;
    struct q_buffer bytes = {0}, text = {0};
    assert_ok(write_frames("trip.zst", 1, NULL));
    assert_ok(q_seekable_open("trip.zst", &reader));
    assert_int_equal(q_seekable_frame_count(reader), 1 + 2 * FRAMES);
    for (unsigned step = 0; step < 2 * FRAMES; step++) {
        unsigned i = step * 5 % (2 * FRAMES), frame = i / 2;
        struct q_frame_info info;
        assert_ok(q_seekable_frame(reader, 1 + i, &info));
        assert_int_equal(info.kind, i % 2 ? Q_FRAME_SKIPPABLE : Q_FRAME_DATA);
        assert_int_equal(info.skippable_kind, i % 2 ? frame + 1 : 0);
        assert_int_equal(info.plain_bytes, i % 2 ? 0 : frame_sizes[frame]);
        assert_ok(q_seekable_read_frame(reader, 1 + i, &bytes));
        make_text(1 + frame, frame_sizes[frame], &text);
        assert_int_equal(bytes.size, i % 2 ? text.size / 3 : text.size);
        if (bytes.size > 0)
            assert_memory_equal(bytes.data, text.data, bytes.size);
    }
    q_seekable_close(reader);
    q_buffer_release(&bytes);
    q_buffer_release(&text);
}

static void test_empty_file(void **state)
{
    (void)state;
    struct q_seekable_writer *writer;
    struct q_seekable_reader *reader;
    struct q_file_identity identity;
    uint64_t size;
    q_hash hash;
    assert_ok(q_seekable_create("empty.zst", Q_SEEKABLE_LEVEL, &writer));
    assert_ok(q_seekable_commit(writer, &identity));
    assert_ok(q_seekable_open("empty.zst", &reader));
    assert_int_equal(q_seekable_frame_count(reader), 0);
    q_seekable_close(reader);
    assert_ok(q_fs_hash_file("empty.zst", &size, &hash));
    assert_true(size == identity.bytes && q_hash_equal(hash, identity.hash));
}

/* Any zstd tool decodes the file, skipping what is not data. */
static void test_zstd_decodes_it(void **state)
{
    (void)state;
    if (system("zstd --version >/dev/null 2>&1") != 0)
        skip();
    struct q_buffer plain = {0}, decoded = {0};
    assert_ok(write_frames("tool.zst", 2, &plain));
    assert_int_equal(system("zstd -q -t tool.zst && zstd -q -d -f tool.zst -o tool.out"), 0);
    scratch_read("tool.out", &decoded);
    assert_int_equal(decoded.size, plain.size);
    assert_memory_equal(decoded.data, plain.data, plain.size);
    q_buffer_release(&plain);
    q_buffer_release(&decoded);
}

/* Parallel writers rely on it: a frame's bytes depend on its content and level alone, whatever the context compressed
 * before. */
static void test_compressing_is_pure(void **state)
{
    (void)state;
    static const int levels[] = {-1, 1, 3, 6, 9, 13};
    struct q_buffer text = {0}, reused = {0}, fresh = {0};
    for (size_t l = 0; l < sizeof(levels) / sizeof(levels[0]); l++) {
        struct q_compressor *old, *new;
        assert_ok(q_compressor_create(levels[l], &old));
        for (unsigned i = 0; i < 2 * FRAMES; i++) {
            uint32_t reused_checksum, fresh_checksum;
            make_text(i, frame_sizes[i % FRAMES], &text);
            assert_ok(q_compressor_create(levels[l], &new));
            assert_ok(q_seekable_compress(old, text.data, text.size, &reused, &reused_checksum));
            assert_ok(q_seekable_compress(new, text.data, text.size, &fresh, &fresh_checksum));
            assert_int_equal(reused_checksum, fresh_checksum);
            assert_int_equal(reused.size, fresh.size);
            assert_memory_equal(reused.data, fresh.data, fresh.size);
            q_compressor_release(new);
        }
        q_compressor_release(old);
    }
    q_buffer_release(&text);
    q_buffer_release(&reused);
    q_buffer_release(&fresh);
}

static void test_frames_compressed_elsewhere(void **state)
{
    (void)state;
    struct q_seekable_writer *writer;
    struct q_compressor *compressor;
    struct q_buffer text = {0}, stored = {0}, one = {0}, other = {0};
    uint32_t checksum;
    make_text(3, 5000, &text);
    assert_ok(q_seekable_create("here.zst", 3, &writer));
    assert_ok(q_seekable_add_frame(writer, text.data, text.size));
    assert_int_equal(q_seekable_frames(writer), 1);
    assert_ok(q_seekable_commit(writer, NULL));
    assert_ok(q_compressor_create(3, &compressor));
    assert_ok(q_seekable_compress(compressor, text.data, text.size, &stored, &checksum));
    assert_ok(q_seekable_create("elsewhere.zst", 3, &writer));
    assert_ok(q_seekable_add_compressed(writer, stored.data, stored.size, text.size, checksum));
    assert_ok(q_seekable_commit(writer, NULL));
    scratch_read("here.zst", &one);
    scratch_read("elsewhere.zst", &other);
    assert_true(q_string_equal(q_buffer_string(&one), q_buffer_string(&other)));
    q_compressor_release(compressor);
    q_buffer_release(&text);
    q_buffer_release(&stored);
    q_buffer_release(&one);
    q_buffer_release(&other);
}

static void test_refuses_what_does_not_fit(void **state)
{
    (void)state;
    struct q_seekable_writer *writer;
    struct q_seekable_reader *reader;
    assert_fails(q_seekable_create("x.zst", 99, &writer), Q_ERR_USAGE, "no level '99'");
    assert_int_equal(access("x.zst.partial", F_OK), -1);
    assert_ok(q_seekable_create("x.zst", 1, &writer));
    assert_fails(q_seekable_add_skippable(writer, 14, "x", 1), Q_ERR_USAGE, "'14' is no kind");
    assert_fails(q_seekable_add_skippable(writer, 15, "x", 1), Q_ERR_USAGE, "'15' is no kind");
    assert_fails(q_seekable_add_frame(writer, "x", (size_t)Q_SEEKABLE_FRAME_BYTES_MAX + 1), Q_ERR_INPUT, "too many");
    q_seekable_abandon(writer);
    q_seekable_abandon(NULL);
    q_seekable_close(NULL);
    assert_int_equal(access("x.zst", F_OK), -1);
    assert_fails(q_seekable_open("absent.zst", &reader), Q_ERR_INPUT, "cannot open 'absent.zst'");
    assert_fails(q_seekable_open(".", &reader), Q_ERR_INPUT, "not a regular file");
}

/* Old or new, whatever goes wrong: compared byte by byte with the files that a good run writes. */
static struct q_buffer old_file, new_file;

static void assert_old_or_new(void)
{
    struct q_buffer now = {0};
    scratch_read("file.zst", &now);
    assert_true(q_string_equal(q_buffer_string(&now), q_buffer_string(&old_file)) ||
                q_string_equal(q_buffer_string(&now), q_buffer_string(&new_file)));
    q_buffer_release(&now);
}

static int write_new(void *context)
{
    (void)context;
    return q_exit_code(write_frames("file.zst", 20, NULL));
}

static void test_faults_leave_old_or_new(void **state)
{
    (void)state;
    static const enum fault_kind kinds[] = {FAULT_FAIL, FAULT_FAIL_AFTER, FAULT_DISK_FULL};
    assert_ok(write_frames("file.zst", 20, NULL));
    scratch_read("file.zst", &new_file);
    assert_ok(write_frames("file.zst", 10, NULL));
    scratch_read("file.zst", &old_file);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        bool reached = true;
        for (uint64_t k = 1; reached; k++) {
            scratch_write("file.zst", old_file.data, old_file.size);
            fault_fs_start(kinds[i], k);
            (void)write_new(NULL);
            reached = fault_fs_stop();
            assert_old_or_new();
        }
    }
    int exit_code;
    for (uint64_t k = 1; fault_fs_killed(k, write_new, NULL, &exit_code); k++) {
        assert_old_or_new();
        scratch_write("file.zst", old_file.data, old_file.size);
    }
    assert_int_equal(exit_code, 0);
    for (uint64_t k = 1;; k++) {
        scratch_write("file.zst", old_file.data, old_file.size);
        (void)q_memory_fail_at(k, 0);
        struct q_seekable_writer *writer = NULL;
        q_status status = q_seekable_create("file.zst", Q_SEEKABLE_LEVEL, &writer);
        if (status == Q_OK)
            status = q_seekable_add_frame(writer, "abc", 3);
        if (status == Q_OK)
            status = q_seekable_add_skippable(writer, 1, "abc", 3);
        if (status == Q_OK)
            status = q_seekable_commit(writer, NULL);
        else
            q_seekable_abandon(writer);
        uint64_t made = q_memory_fail_at(0, 0);
        if (status == Q_OK) {
            assert_true(made < k);
            break;
        }
        assert_int_equal(status, Q_ERR_MEMORY);
        assert_old_or_new();
    }
    q_buffer_release(&old_file);
    q_buffer_release(&new_file);
}

static q_status read_all(const char *path)
{
    struct q_seekable_reader *reader;
    struct q_buffer bytes = {0};
    Q_TRY(q_seekable_open(path, &reader));
    q_status status = Q_OK;
    for (uint32_t i = 0; i < q_seekable_frame_count(reader) && status == Q_OK; i++)
        status = q_seekable_read_frame(reader, i, &bytes);
    q_seekable_close(reader);
    q_buffer_release(&bytes);
    return status;
}

static void test_reader_survives_faults(void **state)
{
    (void)state;
    assert_ok(write_frames("file.zst", 30, NULL));
    for (uint64_t k = 1, made = 1; made >= k; k++) {
        (void)q_memory_fail_at(k, 0);
        q_status status = read_all("file.zst");
        made = q_memory_fail_at(0, 0);
        assert_int_equal(status, made >= k ? Q_ERR_MEMORY : Q_OK);
    }
    bool reached = true;
    for (uint64_t k = 1; reached; k++) {
        fault_fs_start(FAULT_FAIL, k);
        q_status status = read_all("file.zst");
        uint64_t calls = fault_fs_calls();
        reached = fault_fs_stop();
        assert_true(status == Q_ERR_SYSTEM || (status == Q_OK && k >= calls)); /* the last is the close */
    }
    fault_fs_start(FAULT_SHORT, 1);
    q_status status = read_all("file.zst");
    (void)fault_fs_stop();
    assert_ok(status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_bytes),
        cmocka_unit_test(test_golden_is_read),
        cmocka_unit_test(test_round_trip_in_any_order),
        cmocka_unit_test(test_empty_file),
        cmocka_unit_test(test_zstd_decodes_it),
        cmocka_unit_test(test_compressing_is_pure),
        cmocka_unit_test(test_frames_compressed_elsewhere),
        cmocka_unit_test(test_refuses_what_does_not_fit),
        cmocka_unit_test(test_faults_leave_old_or_new),
        cmocka_unit_test(test_reader_survives_faults),
    };
    return cmocka_run_group_tests_name("seekable", tests, scratch_enter, scratch_leave);
}
