/* A file system that fails on purpose: the k-th call of base/fs.h's table goes wrong, the others are the system's.
 *
 *     for (uint64_t k = 1;; k++) {
 *         fault_fs_start(FAULT_FAIL, k);
 *         q_status status = publish_something();
 *         if (!fault_fs_stop())
 *             break;                          // it ran through before the k-th call: every call has failed once
 *         assert_true(status != Q_OK ...);    // and the old or the new file stands
 *     }
 *
 * Calls count from fault_fs_start on, in this process, over all threads.
 */
#ifndef QUERN_TESTS_FAULT_FS_H
#define QUERN_TESTS_FAULT_FS_H

#include <stdbool.h>
#include <stdint.h>

enum fault_kind {
    FAULT_NONE,       /* count only */
    FAULT_FAIL,       /* the k-th call fails with EIO; it has not happened */
    FAULT_FAIL_AFTER, /* the k-th call happens, then says EIO (rename, unlink and close do that on networks) */
    FAULT_DISK_FULL,  /* the k-th call, where it writes, writes half; every write from then on fails with ENOSPC */
    FAULT_SHORT,      /* every read and write from the k-th call on moves one byte */
    FAULT_INTERRUPT,  /* every second call from the k-th on fails with EINTR first, where POSIX lets it */
    FAULT_KILL,       /* SIGKILL in place of the k-th call; a write has written half */
};

void fault_fs_start(enum fault_kind kind, uint64_t k);
/* Puts the system's table back; true where the k-th call was reached. */
bool fault_fs_stop(void);
uint64_t fault_fs_calls(void); /* since fault_fs_start */
const char *
fault_fs_trace(void); /* their names, each with a space behind it, repeated ones once: "open write fsync close " */

/* Runs work(context) in a child process with SIGKILL at its k-th call. True: it was killed there. False: it ran
 * through, and `*exit_code` is what `work` returned. */
bool fault_fs_killed(uint64_t k, int (*work)(void *context), void *context, int *exit_code);

#endif
