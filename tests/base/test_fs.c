/* Files and folders: whole reads and writes over faults, lists in byte order, names. */
#include "base/fs.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static void test_reads_whole_files(void **state)
{
    (void)state;
    struct q_buffer bytes = {0};
    scratch_write("file", "0123456789", 10);
    assert_ok(q_fs_read_file("file", 10, &bytes));
    assert_ok(q_fs_read_file("file", 10, &bytes)); /* appends */
    assert_true(q_string_is(q_buffer_string(&bytes), "01234567890123456789"));
    assert_fails(q_fs_read_file("file", 9, &bytes), Q_ERR_INPUT, "'file' is larger than the 9 bytes allowed");
    assert_int_equal(bytes.size, 20);
    assert_fails(q_fs_read_file("absent", 9, &bytes), Q_ERR_INPUT, "cannot open 'absent': no such file or directory");
    assert_fails(q_fs_read_file("file/below", 9, &bytes), Q_ERR_INPUT, "cannot open 'file/below'");
    assert_fails(q_fs_read_file(".", 9, &bytes), Q_ERR_INPUT, "'.' is a folder");
    scratch_write("empty", "", 0);
    assert_ok(q_fs_read_file("empty", 0, &bytes));
    assert_int_equal(bytes.size, 20);
    q_buffer_release(&bytes);
}

/* A file whose size says nothing (a pipe, /proc) is read to its end. */
static void test_reads_files_without_size(void **state)
{
    (void)state;
    struct q_buffer bytes = {0};
    int ends[2], standard_input = dup(0);
    assert_int_equal(pipe(ends), 0);
    char piece[40000];
    memset(piece, 'p', sizeof(piece));
    assert_int_equal(write(ends[1], piece, sizeof(piece)), (int)sizeof(piece));
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(dup2(ends[0], 0), 0);
    q_status status = q_fs_read_file("-", 1 << 20, &bytes);
    assert_int_equal(dup2(standard_input, 0), 0);
    assert_ok(status);
    assert_int_equal(bytes.size, sizeof(piece));
    (void)close(ends[0]);
    (void)close(standard_input);
    q_buffer_release(&bytes);
}

static q_status read_in_all_ways(struct q_buffer *out)
{
    int fd;
    char bytes[10];
    size_t got;
    uint64_t size;
    q_hash hash;
    q_buffer_clear(out);
    Q_TRY(q_fs_read_file("file", 100, out));
    Q_TRY(q_fs_hash_file("file", &size, &hash));
    Q_TRY(q_fs_open_read("file", &fd));
    q_status status = q_fs_read_at(fd, "file", 2, bytes, 5);
    if (status == Q_OK)
        status = q_fs_read_some(fd, "file", bytes, 1, &got);
    q_fs_close(fd);
    return status;
}

static void test_reading_over_faults(void **state)
{
    (void)state;
    struct q_buffer bytes = {0};
    scratch_write("file", "0123456789", 10);
    static const enum fault_kind harmless[] = {FAULT_SHORT, FAULT_INTERRUPT};
    for (size_t i = 0; i < 2; i++) {
        fault_fs_start(harmless[i], 1);
        q_status status = read_in_all_ways(&bytes);
        assert_true(fault_fs_stop());
        assert_ok(status);
        assert_true(q_string_is(q_buffer_string(&bytes), "0123456789"));
    }
    bool reached = true;
    for (uint64_t k = 1; reached; k++) {
        fault_fs_start(FAULT_FAIL, k);
        q_status status = read_in_all_ways(&bytes);
        reached = fault_fs_stop();
        assert_true(status == Q_OK || (status == Q_ERR_SYSTEM && strstr(q_error_text(), "'file'")));
        assert_true(status != Q_OK || q_string_is(q_buffer_string(&bytes), "0123456789"));
    }
    q_buffer_release(&bytes);
}

static void test_reads_at_offsets(void **state)
{
    (void)state;
    int fd;
    char bytes[10];
    scratch_write("file", "0123456789", 10);
    assert_ok(q_fs_open_read("file", &fd));
    assert_ok(q_fs_read_at(fd, "file", 7, bytes, 3));
    assert_memory_equal(bytes, "789", 3);
    assert_ok(q_fs_read_at(fd, "file", 10, bytes, 0));
    assert_fails(q_fs_read_at(fd, "file", 7, bytes, 4), Q_ERR_INPUT, "'file' is cut short at byte 10");
    assert_fails(q_fs_read_at(fd, "file", UINT64_MAX, bytes, 4), Q_ERR_INPUT, "'file' is cut short");
    assert_fails(q_fs_read_at(fd, "file", INT64_MAX, bytes, 4), Q_ERR_INPUT, "'file' is cut short");
    q_fs_close(fd);
    q_fs_close(-1);
}

static void test_writes_on_over_short_writes(void **state)
{
    (void)state;
    int fd = open("written", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    assert_true(fd >= 0);
    fault_fs_start(FAULT_SHORT, 1);
    q_status status = q_fs_write_all(fd, "written", "abcdef", 6);
    assert_int_equal(fault_fs_calls(), 6);
    (void)fault_fs_stop();
    assert_ok(status);
    fault_fs_start(FAULT_DISK_FULL, 1);
    status = q_fs_write_all(fd, "written", "ghij", 4);
    (void)fault_fs_stop();
    assert_int_equal(status, Q_ERR_SYSTEM);
    assert_string_equal(q_error_text(), "cannot write 'written': no space left on device");
    (void)close(fd);
    assert_true(scratch_holds("written", "abcdefgh"));
}

static void test_looks_and_hashes(void **state)
{
    (void)state;
    bool exists;
    struct stat info;
    uint64_t size;
    q_hash hash;
    scratch_write("file", "0123456789", 10);
    assert_ok(q_fs_look("file", &exists, &info));
    assert_true(exists && info.st_size == 10);
    assert_ok(q_fs_look("absent", &exists, NULL));
    assert_false(exists);
    assert_ok(q_fs_look("file/below", &exists, NULL));
    assert_false(exists);
    assert_true(q_fs_is_directory(".") && !q_fs_is_directory("file") && !q_fs_is_directory("absent"));
    assert_ok(q_fs_hash_file("file", &size, &hash));
    assert_true(size == 10 && q_hash_equal(hash, q_hash_bytes("0123456789", 10)));
    assert_fails(q_fs_hash_file("absent", &size, &hash), Q_ERR_INPUT, "'absent'");
}

static void test_makes_and_removes_trees(void **state)
{
    (void)state;
    assert_ok(q_fs_make_directories("tree/a//b/c/"));
    assert_ok(q_fs_make_directories("tree/a/b/c"));
    assert_true(q_fs_is_directory("tree/a/b/c"));
    scratch_write("tree/a/file", "x", 1);
    assert_fails(q_fs_make_directories("tree/a/file/d"), Q_ERR_SYSTEM, "cannot make the folder 'tree/a/file'");
    assert_ok(q_fs_make_directories("outside"));
    scratch_write("outside/kept", "x", 1);
    assert_int_equal(symlink("../../outside", "tree/a/link"), 0);
    assert_int_equal(symlink("nowhere", "tree/dangling"), 0);
    assert_ok(q_fs_remove_tree("tree"));
    assert_int_equal(access("tree", F_OK), -1);
    assert_true(scratch_holds("outside/kept", "x")); /* the link went, not what it leads to */
    assert_ok(q_fs_remove_tree("tree"));
    assert_ok(q_fs_remove_tree("outside/kept"));
    assert_ok(q_fs_unlink("outside/kept"));
    /* The folder that a link names is left, too, where the link itself is what is to be removed. */
    assert_int_equal(symlink("outside", "link"), 0);
    assert_ok(q_fs_remove_tree("link"));
    assert_true(q_fs_is_directory("outside"));
}

static void test_making_folders_over_faults(void **state)
{
    (void)state;
    bool reached = true;
    for (uint64_t k = 1; reached; k++) {
        assert_ok(q_fs_remove_tree("deep"));
        fault_fs_start(FAULT_FAIL, k);
        q_status status = q_fs_make_directories("deep/er/est");
        reached = fault_fs_stop();
        assert_true(status == Q_ERR_SYSTEM || q_fs_is_directory("deep/er/est"));
        assert_ok(q_fs_make_directories("deep/er/est")); /* goes on where it stood */
    }
}

static void assert_names(const char **names, size_t count, const char *const *expected)
{
    for (size_t i = 0; i < count; i++) {
        assert_non_null(expected[i]);
        assert_string_equal(names[i], expected[i]);
    }
    assert_null(expected[count]);
}

static void make_listed_tree(void)
{
    assert_ok(q_fs_make_directories("list/b/c"));
    assert_ok(q_fs_make_directories("list/.hidden"));
    assert_ok(q_fs_make_directories("list/empty"));
    assert_ok(q_fs_make_directories("elsewhere"));
    scratch_write("elsewhere/file", "x", 1);
    scratch_write("list-not", "x", 1); /* beside `list`, beginning alike */
    static const char *const files[] = {"b.txt", "b/c/x", "a", "b/y", ".dot", ".hidden/z", "\xc3\xa4", "B"};
    for (size_t i = 0; i < 8; i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "list/%s", files[i]);
        scratch_write(path, "x", 1);
    }
    assert_int_equal(symlink("../a", "list/b/inside"), 0);
    assert_int_equal(symlink("../elsewhere/file", "list/out"), 0);
    assert_int_equal(symlink("../list-not", "list/out2"), 0);
    assert_int_equal(symlink("..", "list/b/loop"), 0);
    assert_int_equal(symlink("nowhere", "list/dangling"), 0);
    assert_int_equal(mkfifo("list/pipe", 0666), 0);
}

static void test_lists_in_byte_order(void **state)
{
    (void)state;
    struct q_arena arena = {0};
    const char **names;
    size_t count;
    make_listed_tree();
    assert_ok(q_fs_list_tree("list", &arena, &names, &count));
    assert_names(names, count, (const char *const[]){"B", "a", "b.txt", "b/c/x", "b/inside", "b/y", "\xc3\xa4", NULL});
    assert_ok(q_fs_list_tree("list/", &arena, &names, &count));
    assert_int_equal(count, 7);
    assert_ok(q_fs_list_tree("list/a", &arena, &names, &count));
    assert_names(names, count, (const char *const[]){"", NULL});
    assert_ok(q_fs_list_tree("list/empty", &arena, &names, &count));
    assert_int_equal(count, 0);
    assert_fails(q_fs_list_tree("absent", &arena, &names, &count), Q_ERR_INPUT, "'absent' does not exist");
    assert_ok(q_fs_list("list/b", &arena, &names, &count));
    assert_names(names, count, (const char *const[]){"c", "inside", "loop", "y", NULL});
    assert_fails(q_fs_list("absent", &arena, &names, &count), Q_ERR_INPUT, "'absent'");
    assert_ok(q_fs_glob("list/*[!t]", &arena, &names, &count)); /* no leading dot */
    assert_true(count > 3);
    assert_ok(q_fs_glob("list/b*", &arena, &names, &count));
    assert_names(names, count, (const char *const[]){"list/b", "list/b.txt", NULL});
    assert_ok(q_fs_glob("absent/*.txt", &arena, &names, &count));
    assert_int_equal(count, 0);
    q_arena_release(&arena);
}

static void test_lists_without_memory(void **state)
{
    (void)state;
    make_listed_tree();
    for (uint64_t k = 1, made = 1; made >= k; k++) {
        struct q_arena arena = {0};
        const char **names;
        size_t count;
        (void)q_memory_fail_at(k, 0);
        q_status status = q_fs_list_tree("list", &arena, &names, &count);
        made = q_memory_fail_at(0, 0);
        assert_int_equal(status, made >= k ? Q_ERR_MEMORY : Q_OK);
        q_arena_release(&arena);
    }
}

static int clean(void **state)
{
    (void)state;
    static const char *const names[] = {"list", "elsewhere", "list-not", "outside", "tree"};
    for (size_t i = 0; i < 5; i++)
        assert_ok(q_fs_remove_tree(names[i]));
    return 0;
}

static void test_names(void **state)
{
    (void)state;
    static const char *const joins[][3] = {{".", "", "."},    {"a", "b", "a/b"}, {"a/", "b", "a/b"},
                                           {"a", "/b", "/b"}, {"", "b", "b"},    {".", "b", "b"},
                                           {"a", "", "a"},    {"/", "b", "/b"},  {"", "", ""}};
    static const char *const parents[][2] = {{"a/b", "a"}, {"a", "."},    {"", "."},     {"/a", "/"},  {"/", "/"},
                                             {"a/", "."},  {"a/b/", "a"}, {"a//b", "a"}, {"//a", "/"}, {"/a/b", "/a"}};
    struct q_arena arena = {0};
    const char *path;
    for (size_t i = 0; i < sizeof(joins) / sizeof(joins[0]); i++) {
        assert_ok(q_fs_join(&arena, joins[i][0], joins[i][1], &path));
        assert_string_equal(path, joins[i][2]);
    }
    for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
        assert_ok(q_fs_parent(&arena, parents[i][0], &path));
        assert_string_equal(path, parents[i][1]);
    }
    q_arena_release(&arena);
    assert_string_equal(q_fs_base_name("a/b.txt"), "b.txt");
    assert_string_equal(q_fs_base_name("b.txt"), "b.txt");
    assert_string_equal(q_fs_base_name("a/"), "");
}

static void test_free_bytes(void **state)
{
    (void)state;
    uint64_t here, below;
    assert_ok(q_fs_free_bytes(".", &here));
    assert_ok(q_fs_free_bytes("not/there/yet", &below));
    assert_true(here > 0 && below > 0);
}

static int no_locks(int fd, int operation)
{
    (void)fd;
    (void)operation;
    errno = ENOSYS;
    return -1;
}

/* One holder at a time, readers together; and a file system that has no locks stops nobody. */
static void test_locks(void **state)
{
    (void)state;
    bool taken;
    scratch_write("locked", "", 0);
    int one = open("locked", O_RDWR | O_CLOEXEC), two = open("locked", O_RDWR | O_CLOEXEC);
    assert_ok(q_fs_lock(one, "locked", LOCK_SH, &taken));
    assert_true(taken);
    assert_ok(q_fs_lock(two, "locked", LOCK_SH, &taken));
    assert_true(taken);
    assert_ok(q_fs_lock(two, "locked", LOCK_EX, &taken));
    assert_false(taken);
    struct q_fs_calls calls = q_fs_system;
    calls.flock = no_locks;
    q_fs_replace(&calls);
    assert_ok(q_fs_lock(two, "locked", LOCK_EX, &taken));
    assert_true(taken);
    q_fs_replace(NULL);
    close(one);
    assert_ok(q_fs_lock(two, "locked", LOCK_EX, &taken));
    assert_true(taken);
    close(two);
    assert_fails(q_fs_lock(two, "locked", LOCK_EX, &taken), Q_ERR_SYSTEM, "cannot lock 'locked'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_whole_files),
        cmocka_unit_test(test_reads_files_without_size),
        cmocka_unit_test(test_reading_over_faults),
        cmocka_unit_test(test_locks),
        cmocka_unit_test(test_reads_at_offsets),
        cmocka_unit_test(test_writes_on_over_short_writes),
        cmocka_unit_test(test_looks_and_hashes),
        cmocka_unit_test(test_makes_and_removes_trees),
        cmocka_unit_test(test_making_folders_over_faults),
        cmocka_unit_test_setup_teardown(test_lists_in_byte_order, clean, clean),
        cmocka_unit_test_setup_teardown(test_lists_without_memory, clean, clean),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_free_bytes),
    };
    return cmocka_run_group_tests_name("fs", tests, scratch_enter, scratch_leave);
}
