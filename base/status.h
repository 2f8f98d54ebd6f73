/* Status: how every quern function says that it failed, and why.
 *
 * A function that can fail returns a `q_status`. Zero is success. Anything else names who has to act (the caller's
 * arguments, the input, the machine), and the text of the failure waits in the calling thread until it is read:
 *
 *     q_status load(const char *path, struct q_buffer *out)
 *     {
 *         if (!path[0])
 *             return q_fail(Q_ERR_USAGE, "the path is empty");
 *         Q_TRY(q_fs_read_file(path, LOAD_BYTES_MAX, out));      // returns on failure, text untouched
 *         return Q_OK;
 *     }
 *     ...
 *     if ((status = load(path, &bytes)))
 *         return q_context(status, "tokenizer '%s'", path);       // "tokenizer 'x': no such file"
 *
 * Rules: a library function never exits, prints or aborts on input. Texts are one line: lower case, the subject in single
 * quotes, no full stop, what to do after a semicolon. The text lives in a fixed buffer of the thread, so that running
 * out of memory can be reported. A failure that crosses threads travels in a `struct q_error`.
 */
#ifndef QUERN_BASE_STATUS_H
#define QUERN_BASE_STATUS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum q_status {
    Q_OK = 0,
    Q_ERR_USAGE,  /* arguments or recipe, found before any work: exit 2 */
    Q_ERR_INPUT,  /* the input is not what it should be: exit 3 */
    Q_ERR_SYSTEM, /* disk, permission, another program: exit 4 */
    Q_ERR_MEMORY, /* an allocation failed or a stated bound would be passed: exit 4 */
    Q_STOPPED,    /* asked to stop; state is saved, run again: exit 75 */
} q_status;

enum { Q_ERROR_TEXT_MAX = 2048 };

/* A failure out of its thread: see q_error_take. */
struct q_error {
    q_status status;
    char text[Q_ERROR_TEXT_MAX];
};

#define Q_MUST_USE __attribute__((warn_unused_result))
#define Q_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* Sets this thread's error text and returns `status`, which must not be Q_OK. Long texts are cut with "...". */
q_status q_fail(q_status status, const char *format, ...) Q_PRINTF(2, 3);

/* The same for a failed system call: appends ": " and the system's words for `error_number` (an errno). ENOMEM becomes Q_ERR_MEMORY,
 * all else Q_ERR_SYSTEM. */
q_status q_fail_errno(int error_number, const char *format, ...) Q_PRINTF(2, 3);

/* A failure is never Q_OK: said so that the compiler, too, knows that what follows a Q_TRY was written. */
static inline q_status q_is_failure(q_status status)
{
    if (status == Q_OK)
        __builtin_unreachable();
    return status;
}
#define q_fail(...) q_is_failure(q_fail(__VA_ARGS__))
#define q_fail_errno(...) q_is_failure(q_fail_errno(__VA_ARGS__))

/* Puts "CONTEXT: " before the text where `status` is a failure; returns `status`. Q_OK passes through untouched. */
q_status q_context(q_status status, const char *format, ...) Q_PRINTF(2, 3);

/* The text of this thread's last failure; valid until the next one. Never NULL. */
const char *q_error_text(void);

/* Moves this thread's failure into `error` (status given), and back out in another thread (returns its status). */
void q_error_take(struct q_error *error, q_status status);
q_status q_error_put(const struct q_error *error);

/* The program's exit code for a status (docs/cli.md): 0, 2, 3, 4 or 75. */
int q_exit_code(q_status status);

/* Returns from the calling function when the expression fails. */
#define Q_TRY(expression)                                                                                              \
    do {                                                                                                               \
        q_status q_try_status_ = (expression);                                                                         \
        if (q_try_status_ != Q_OK)                                                                                     \
            return q_try_status_;                                                                                      \
    } while (0)

/* For functions with something to release: sets the local `status` and goes to `label` when the expression fails. */
#define Q_TRY_GOTO(label, expression)                                                                                  \
    do {                                                                                                               \
        status = (expression);                                                                                         \
        if (status != Q_OK)                                                                                            \
            goto label;                                                                                                \
    } while (0)

#ifdef __cplusplus
}
#endif

#endif
