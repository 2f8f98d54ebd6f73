/* Log lines. Each is put together first and written at once, so that lines of several processes do not mix. */
#include "base/log.h"

#include "base/progress.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LINE_BYTES_MAX = 4096 };

static atomic_int current_level = Q_LOG_INFO;
static char program_name[64] = "quern";

void q_log_set_level(enum q_log_level level)
{
    atomic_store(&current_level, (int)level);
}

enum q_log_level q_log_get_level(void)
{
    return (enum q_log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

void q_log_set_program(const char *name)
{
    (void)snprintf(program_name, sizeof(program_name), "%s", name);
}

/* "21:30:05 quern-corpus: warning: " in local time; returns its length. */
static size_t write_prefix(char line[LINE_BYTES_MAX], enum q_log_level level)
{
    static const char *const words[] = {
        [Q_LOG_ERROR] = "error: ", [Q_LOG_WARNING] = "warning: ", [Q_LOG_INFO] = "", [Q_LOG_DEBUG] = "debug: "};
    time_t now = time(NULL);
    struct tm local = {0};
    (void)localtime_r(&now, &local);
    size_t used = strftime(line, LINE_BYTES_MAX, "%H:%M:%S ", &local);
    int length = snprintf(line + used, LINE_BYTES_MAX - used, "%s: %s", program_name, words[level]);
    return used + (length < 0 ? 0 : (size_t)length);
}

void q_log(enum q_log_level level, const char *format, ...)
{
    if (level > q_log_get_level())
        return;
    char line[LINE_BYTES_MAX];
    size_t used = write_prefix(line, level);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line + used, sizeof(line) - used, format, arguments);
    va_end(arguments);
    used += length < 0 ? 0 : (size_t)length;
    used = used < sizeof(line) - 1 ? used : sizeof(line) - 1; /* room for the line end in place of the NUL */
    line[used] = '\n';

    q_progress_hide();
    (void)fwrite(line, 1, used + 1, stderr);
    q_progress_show();
}
