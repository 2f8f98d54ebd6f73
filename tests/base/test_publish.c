/* Publishing under fire: whatever call fails, wherever the process dies, the old file or the new one stands, never a
 * mix. */
#include "base/memory.h"
#include "base/publish.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#define OLD "the old content, as it was"
#define NEW "the new content, which is longer than the old one"

/* The new content in two pieces, so that a death can fall between them. */
static q_status publish_new(void)
{
    struct q_publish publish;
    Q_TRY(q_publish_open(&publish, "file"));
    q_status status = q_publish_write(&publish, NEW, 20);
    if (status == Q_OK)
        status = q_publish_write(&publish, &NEW[20], strlen(NEW) - 20);
    if (status == Q_OK)
        return q_publish_commit(&publish, NULL);
    q_publish_abandon(&publish);
    return status;
}

static void assert_old_or_new(void)
{
    assert_true(scratch_holds("file", OLD) || scratch_holds("file", NEW));
}

static void test_publishes(void **state)
{
    (void)state;
    struct q_file_identity identity;
    assert_ok(q_publish_bytes("first", NEW, strlen(NEW), &identity));
    assert_true(scratch_holds("first", NEW));
    assert_int_equal(identity.bytes, strlen(NEW));
    assert_true(q_hash_equal(identity.hash, q_hash_bytes(NEW, strlen(NEW))));
    assert_int_equal(access("first.partial", F_OK), -1);
    assert_ok(q_publish_bytes("empty", NULL, 0, &identity));
    assert_int_equal(identity.bytes, 0);
    assert_true(scratch_holds("empty", ""));
    assert_fails(q_publish_bytes("no/such/folder", "x", 1, NULL), Q_ERR_SYSTEM, "'no/such/folder.partial'");
    struct q_publish zeroed = {0};
    q_publish_abandon(&zeroed);
}

/* The order that makes it durable: content before name, name before success; and the lock before the content is cut. */
static void test_order_of_calls(void **state)
{
    (void)state;
    fault_fs_start(FAULT_NONE, 0);
    q_status status = publish_new();
    (void)fault_fs_stop();
    assert_ok(status);
    assert_string_equal(fault_fs_trace(),
                        "stat open flock fstat stat ftruncate write fsync pread rename open fsync close ");
}

/* Only a regular file is ever replaced: `-o /dev/null` must not take the machine's null device away. */
static void test_leaves_what_is_no_file(void **state)
{
    (void)state;
    struct q_publish publish;
    struct stat info;
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(mkdir("folder", 0700), 0);
    assert_int_equal(q_publish_open(&publish, "pipe"), Q_ERR_SYSTEM);
    assert_string_equal(q_error_text(), "cannot write 'pipe': it is no regular file; choose another name");
    assert_int_equal(q_publish_open(&publish, "folder"), Q_ERR_SYSTEM);
    assert_int_equal(q_publish_open(&publish, ""), Q_ERR_USAGE);
    assert_int_equal(stat("pipe", &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    assert_int_not_equal(stat("pipe.partial", &info), 0);
    assert_int_equal(unlink("pipe"), 0);
    assert_int_equal(rmdir("folder"), 0);
}

/* What a killed run left is overwritten, also where it is longer. */
static void test_takes_over_a_partial_file(void **state)
{
    (void)state;
    char long_rest[1000];
    memset(long_rest, '?', sizeof(long_rest));
    scratch_write("file.partial", long_rest, sizeof(long_rest));
    assert_ok(publish_new());
    assert_true(scratch_holds("file", NEW));
}

static void test_abandon_leaves_the_old(void **state)
{
    (void)state;
    struct q_publish publish;
    scratch_write("file", OLD, strlen(OLD));
    assert_ok(q_publish_open(&publish, "file"));
    assert_ok(q_publish_write(&publish, NEW, 10));
    assert_true(scratch_holds("file", OLD));
    q_publish_abandon(&publish);
    q_publish_abandon(&publish);
    assert_true(scratch_holds("file", OLD));
    assert_int_equal(access("file.partial", F_OK), -1);
}

/* Runs publish_new with the k-th call going wrong, for every k. */
static void fail_each_call(enum fault_kind kind)
{
    for (uint64_t k = 1;; k++) {
        scratch_write("file", OLD, strlen(OLD));
        fault_fs_start(kind, k);
        q_status status = publish_new();
        bool reached = fault_fs_stop();
        assert_old_or_new();
        if (status == Q_OK)
            assert_true(scratch_holds("file", NEW));
        else
            assert_true(strstr(q_error_text(), "file") || strstr(q_error_text(), "folder"));
        if (!reached) {
            assert_true(k > 10); /* open, flock, fstat, stat, ftruncate, 2 writes, fsync, reads, rename, ... */
            break;
        }
        (void)unlink("file.partial");
    }
}

static void test_each_call_fails(void **state)
{
    (void)state;
    fail_each_call(FAULT_FAIL);
    fail_each_call(FAULT_FAIL_AFTER);
}

static void test_disk_fills_up(void **state)
{
    (void)state;
    fail_each_call(FAULT_DISK_FULL);
    scratch_write("file", OLD, strlen(OLD));
    fault_fs_start(FAULT_DISK_FULL, 1);
    q_status status = publish_new();
    (void)fault_fs_stop();
    assert_int_equal(status, Q_ERR_SYSTEM);
    assert_non_null(strstr(q_error_text(), "cannot write 'file.partial': no space left on device"));
    assert_true(scratch_holds("file", OLD));
    assert_int_equal(access("file.partial", F_OK), -1);
}

/* Which failures must come out: every call but the closes, whose files are whole by then. */
static void test_failures_are_reported(void **state)
{
    (void)state;
    uint64_t silent = 0, calls = 0;
    for (uint64_t k = 1;; k++) {
        fault_fs_start(FAULT_FAIL, k);
        q_status status = publish_new();
        calls = fault_fs_calls();
        if (!fault_fs_stop())
            break;
        silent += status == Q_OK;
    }
    assert_int_equal(silent, 2); /* of the folder and of the file */
    assert_in_range(calls, 12, 40);
}

static void test_short_and_interrupted_calls(void **state)
{
    (void)state;
    static const enum fault_kind kinds[] = {FAULT_SHORT, FAULT_INTERRUPT};
    for (size_t i = 0; i < 2; i++) {
        scratch_write("file", OLD, strlen(OLD));
        fault_fs_start(kinds[i], 1);
        q_status status = publish_new();
        assert_true(fault_fs_stop());
        assert_ok(status);
        assert_true(scratch_holds("file", NEW));
    }
}

static int publish_in_child(void *context)
{
    (void)context;
    return q_exit_code(publish_new());
}

/* SIGKILL at every call; the next run succeeds over what was left. */
static void test_killed_at_each_call(void **state)
{
    (void)state;
    int exit_code = -1;
    uint64_t k = 1;
    for (;; k++) {
        scratch_write("file", OLD, strlen(OLD));
        if (!fault_fs_killed(k, publish_in_child, NULL, &exit_code))
            break;
        assert_old_or_new();
        assert_ok(publish_new());
        assert_true(scratch_holds("file", NEW));
    }
    assert_int_equal(exit_code, 0);
    assert_true(k > 10);
}

static void test_each_allocation_fails(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) {
        scratch_write("file", OLD, strlen(OLD));
        (void)q_memory_fail_at(k, 0);
        q_status status = publish_new();
        uint64_t made = q_memory_fail_at(0, 0);
        assert_true(status == Q_OK || status == Q_ERR_MEMORY);
        assert_old_or_new();
        assert_int_equal(access("file.partial", F_OK), -1);
        if (made < k) {
            assert_ok(status);
            break;
        }
    }
}

/* Another living writer keeps its file; a dead one does not. */
static void test_two_writers(void **state)
{
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct q_publish publish;
        if (q_publish_open(&publish, "shared") != Q_OK || q_publish_write(&publish, "half", 4) != Q_OK)
            _exit(1);
        (void)!write(ready[1], "x", 1);
        for (;;)
            (void)pause();
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    struct q_publish publish;
    assert_fails(q_publish_open(&publish, "shared"), Q_ERR_SYSTEM, "being written by another process");
    assert_true(scratch_holds("shared.partial", "half"));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_ok(q_publish_open(&publish, "shared"));
    q_publish_abandon(&publish);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

/* The other writer publishes between our open and our lock: the file that we opened is now the published one and must
 * not be emptied. */
static int flocks;

static int flock_after_rename(int fd, int operation)
{
    if (flocks++ == 0) {
        ssize_t size = (ssize_t)strlen(OLD);
        if (pwrite(fd, OLD, strlen(OLD), 0) != size || rename("race.partial", "race") != 0)
            return -1;
    }
    return flock(fd, operation);
}

static void test_lock_is_for_the_named_file(void **state)
{
    (void)state;
    struct q_fs_calls calls = q_fs_system;
    calls.flock = flock_after_rename;
    flocks = 0;
    q_fs_replace(&calls);
    struct q_publish publish;
    q_status status = q_publish_open(&publish, "race");
    q_fs_replace(NULL);
    assert_ok(status);
    assert_int_equal(flocks, 2);
    assert_true(scratch_holds("race", OLD));
    assert_ok(q_publish_write(&publish, NEW, strlen(NEW)));
    assert_ok(q_publish_commit(&publish, NULL));
    assert_true(scratch_holds("race", NEW));
}

/* A disk that gives back other bytes, or fewer, than it took. */
static ssize_t pread_flipped(int fd, void *bytes, size_t count, off_t offset)
{
    ssize_t n = pread(fd, bytes, count, offset);
    if (n > 0)
        ((char *)bytes)[n - 1] ^= 1;
    return n;
}

static ssize_t pread_cut(int fd, void *bytes, size_t count, off_t offset)
{
    ssize_t n = pread(fd, bytes, count, offset);
    return n > 0 && offset == 0 ? n - 1 : 0;
}

static void test_read_back_finds_a_bad_disk(void **state)
{
    (void)state;
    scratch_write("file", OLD, strlen(OLD));
    struct q_fs_calls calls = q_fs_system;
    calls.pread = pread_flipped;
    q_fs_replace(&calls);
    q_status flipped = publish_new();
    calls.pread = pread_cut;
    q_status cut = publish_new();
    q_fs_replace(NULL);
    assert_int_equal(flipped, Q_ERR_SYSTEM);
    assert_int_equal(cut, Q_ERR_SYSTEM);
    assert_non_null(strstr(q_error_text(), "does not read back"));
    assert_true(scratch_holds("file", OLD));
    assert_int_equal(access("file.partial", F_OK), -1);
}

static int flock_unknown(int fd, int operation)
{
    (void)fd;
    (void)operation;
    errno = ENOSYS;
    return -1;
}

static void test_file_system_without_locks(void **state)
{
    (void)state;
    struct q_fs_calls calls = q_fs_system;
    calls.flock = flock_unknown;
    q_fs_replace(&calls);
    q_status status = publish_new();
    q_fs_replace(NULL);
    assert_ok(status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publishes),
        cmocka_unit_test(test_order_of_calls),
        cmocka_unit_test(test_leaves_what_is_no_file),
        cmocka_unit_test(test_takes_over_a_partial_file),
        cmocka_unit_test(test_abandon_leaves_the_old),
        cmocka_unit_test(test_each_call_fails),
        cmocka_unit_test(test_disk_fills_up),
        cmocka_unit_test(test_failures_are_reported),
        cmocka_unit_test(test_short_and_interrupted_calls),
        cmocka_unit_test(test_killed_at_each_call),
        cmocka_unit_test(test_each_allocation_fails),
        cmocka_unit_test(test_two_writers),
        cmocka_unit_test(test_lock_is_for_the_named_file),
        cmocka_unit_test(test_read_back_finds_a_bad_disk),
        cmocka_unit_test(test_file_system_without_locks),
    };
    return cmocka_run_group_tests_name("publish", tests, scratch_enter, scratch_leave);
}
