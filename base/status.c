/* Status texts: one fixed buffer per thread, so that even running out of memory can be told. */
#include "base/status.h"

#include "base/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char thread_text[Q_ERROR_TEXT_MAX];

/* Keeps the promise of one line: file names and input may hold line ends and escape codes. A text that was cut ends in
 * "...", behind a whole UTF-8 character. */
static void make_one_line(char text[Q_ERROR_TEXT_MAX], bool cut)
{
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    if (!cut)
        return;
    size_t end = Q_ERROR_TEXT_MAX - sizeof("...");
    while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
        end--;
    memcpy(text + end, "...", sizeof("..."));
}

/* Makes PREFIX SEPARATOR SUFFIX this thread's text. Built aside first: the arguments may point into the old text. */
Q_PRINTF(3, 0)
static void set_text(const char *separator, const char *suffix, const char *format, va_list arguments)
{
    char text[Q_ERROR_TEXT_MAX];
    int length = vsnprintf(text, sizeof(text), format, arguments);
    size_t used = length < 0 ? 0 : (size_t)length;
    if (length < 0)
        text[0] = 0;
    if (used < sizeof(text)) {
        length = snprintf(text + used, sizeof(text) - used, "%s%s", separator, suffix);
        used += length < 0 ? 0 : (size_t)length;
    }
    make_one_line(text, used >= sizeof(text));
    memcpy(thread_text, text, sizeof(text));
}

q_status(q_fail)(q_status status, const char *format, ...)
{
    q_check(status != Q_OK);
    va_list arguments;
    va_start(arguments, format);
    set_text("", "", format, arguments);
    va_end(arguments);
    return status;
}

q_status(q_fail_errno)(int error_number, const char *format, ...)
{
    /* "No such file or directory" in the house's lower case; words like "RFS" keep theirs. */
    char words[128];
    const char *known = strerrordesc_np(error_number); /* not localised, thread-safe; NULL for an unknown number */
    if (known)
        (void)snprintf(words, sizeof(words), "%s", known);
    else
        (void)snprintf(words, sizeof(words), "system error %d", error_number);
    if (words[0] >= 'A' && words[0] <= 'Z' && words[1] >= 'a' && words[1] <= 'z')
        words[0] = (char)(words[0] - 'A' + 'a');

    va_list arguments;
    va_start(arguments, format);
    set_text(": ", words, format, arguments);
    va_end(arguments);
    return error_number == ENOMEM ? Q_ERR_MEMORY : Q_ERR_SYSTEM;
}

q_status q_context(q_status status, const char *format, ...)
{
    if (status == Q_OK)
        return Q_OK;
    va_list arguments;
    va_start(arguments, format);
    set_text(": ", thread_text, format, arguments);
    va_end(arguments);
    return status;
}

const char *q_error_text(void)
{
    return thread_text;
}

void q_error_take(struct q_error *error, q_status status)
{
    error->status = status;
    error->text[0] = 0;
    if (status != Q_OK)
        memcpy(error->text, thread_text, sizeof(error->text));
}

q_status q_error_put(const struct q_error *error)
{
    if (error->status != Q_OK)
        memcpy(thread_text, error->text, sizeof(thread_text));
    return error->status;
}

int q_exit_code(q_status status)
{
    switch (status) {
    case Q_OK:
        return 0;
    case Q_ERR_USAGE:
        return 2;
    case Q_ERR_INPUT:
        return 3;
    case Q_ERR_SYSTEM:
    case Q_ERR_MEMORY:
        return 4;
    case Q_STOPPED:
        return 75;
    }
    return 4;
}
