/* Progress: a counter that any thread adds to; whoever adds when a redraw is due draws.
 *
 * `done` and `due` are atomics, so that q_progress_add costs an addition and a look at the clock. Everything else
 * belongs to the holder of `lock`. q_progress_hide takes the lock and q_progress_show gives it back: nothing is drawn
 * into a log line.
 */
#include "base/progress.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/string.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    LINE_BYTES_MAX = 1024,
    BAR_CELLS_MAX = 30,
    BAR_CELLS_MIN = 8,
    COLUMNS_STANDARD = 80,
    NOTE_BYTES = 96,
    TEXT_BYTES = 2048
};

static const double REDRAW_S = 0.1; /* on a terminal */
static const double REPORT_S = 5.0; /* elsewhere */
static const double MEMORY_S = 8.0; /* the rate forgets what is older */

static struct {
    pthread_mutex_t lock;
    bool active;
    bool terminal;
    bool utf8;
    bool drawn;    /* the line stands on the terminal */
    bool reported; /* a JSON line was written */
    char what[32], unit[24], note[NOTE_BYTES], text[TEXT_BYTES];
    size_t rows; /* lines of `text` that stand above the bar */
    uint64_t total;
    double started, last_time, rate; /* seconds, seconds, units per second */
    double left_s, left_at;          /* what q_progress_left said, and when; < 0: nothing */
    uint64_t last_done;
} line = {.lock = PTHREAD_MUTEX_INITIALIZER};

static atomic_uint_fast64_t done_count;
static _Atomic double due = 1e300; /* q_seconds of the next drawing; far away while nothing is active */

static bool locale_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"}; /* the first that is set decides, as in POSIX */
    for (size_t i = 0; i < Q_COUNT_OF(names); i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

static bool is_terminal(void)
{
    const char *kind = getenv("TERM");
    return isatty(STDERR_FILENO) && kind && *kind && strcmp(kind, "dumb") != 0;
}

static size_t terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return COLUMNS_STANDARD;
}

/* The mean since the start for MEMORY_S seconds, an exponential mean with that memory from then on. */
static void update_rate(uint64_t done, double now)
{
    double elapsed = now - line.started, step = now - line.last_time;
    if (step <= 0.0 || elapsed <= 0.0)
        return;
    double weight = Q_MIN(1.0, Q_MAX(step / elapsed, step / MEMORY_S));
    line.rate += weight * ((double)(done - line.last_done) / step - line.rate);
    line.last_done = done;
    line.last_time = now;
}

/* < 0 where it cannot be told. */
static double seconds_left(uint64_t done)
{
    if (line.left_s > 1e300)
        return -1.0;
    if (line.left_s >= 0.0)
        return Q_MAX(line.left_s - (q_seconds() - line.left_at), 0.0);
    if (line.total == 0 || line.rate <= 0.0)
        return -1.0;
    return done >= line.total ? 0.0 : (double)(line.total - done) / line.rate;
}

/* A whole UTF-8 bar of `cells` cells, the last one drawn to an eighth; or one of '#' and '.'. */
static void draw_bar(char *out, size_t room, size_t cells, double share)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    size_t filled = (size_t)(share * (double)(cells * 8)); /* in eighths */
    size_t full = filled / 8, used = 0;
    const char *partial = line.utf8 && full < cells ? eighths[filled % 8] : "";
    const char *const parts[] = {line.utf8 ? "▕" : "[", line.utf8 ? "█" : "#", line.utf8 ? " " : ".",
                                 line.utf8 ? "▏" : "]"};
    used += (size_t)snprintf(out + used, room - used, "%s", parts[0]);
    for (size_t i = 0; i < full; i++)
        used += (size_t)snprintf(out + used, room - used, "%s", parts[1]);
    used += (size_t)snprintf(out + used, room - used, "%s", partial);
    for (size_t i = full + (*partial != 0); i < cells; i++)
        used += (size_t)snprintf(out + used, room - used, "%s", parts[2]);
    (void)snprintf(out + used, room - used, "%s", parts[3]);
}

/* "12.3 MB" or "1.24 M": bytes have their unit in the figure, all else has it once behind the whole. */
static char *format_figure(char out[32], double amount)
{
    return strcmp(line.unit, "bytes") == 0 ? q_format_bytes(out, amount) : q_format_count(out, amount);
}

/* "12.3 of 24.1 MB", "500 of 1.00 K documents": the scale once where both have the same. */
static void format_done(char out[128], uint64_t done)
{
    char now[32], whole[32];
    const char *unit = strcmp(line.unit, "bytes") == 0 ? "" : line.unit, *gap = *unit ? " " : "";
    format_figure(now, (double)done);
    if (line.total == 0) {
        (void)snprintf(out, 128, "%s%s%s", now, gap, unit);
        return;
    }
    format_figure(whole, (double)line.total);
    char *scale = strchr(now, ' ');
    const char *whole_scale = strchr(whole, ' ');
    if (scale && whole_scale && strcmp(scale, whole_scale) == 0)
        *scale = 0;
    (void)snprintf(out, 128, "%s of %s%s%s", now, whole, gap, unit);
}

/* The words behind the bar: done, rate, time, note. */
static void format_tail(char *out, size_t room, uint64_t done, double now)
{
    char amount[128], rate[32], time[32];
    format_done(amount, done);
    format_figure(rate, line.rate);
    double left = seconds_left(done);
    /* Whole seconds: a tenth that flickers tells nothing. */
    q_format_duration(time, (double)(uint64_t)((left >= 0.0 ? left : now - line.started) + 0.5));
    int used = snprintf(out, room, "%s  %s/s  %s%s", amount, rate, time, left >= 0.0 ? " left" : "");
    if (line.note[0] && !line.rows && used > 0 && (size_t)used < room)
        (void)snprintf(out + used, room - (size_t)used, "  %s", line.note);
}

/* Appends what takes the bar and the lines above it off the terminal. */
static size_t put_wipe(char *out, size_t room)
{
    size_t used = 0;
    if (!line.drawn)
        return 0;
    used += (size_t)snprintf(out, room, "\r\033[K");
    for (size_t i = 0; i < line.rows && used + 8 < room; i++)
        used += (size_t)snprintf(out + used, room - used, "\033[A\033[K");
    return used;
}

static void wipe(void)
{
    char text[LINE_BYTES_MAX];
    (void)fwrite(text, 1, put_wipe(text, sizeof(text)), stderr);
    line.drawn = false;
    line.rows = 0;
}

/* How many lines of `text` the terminal has room for above the bar: all or none. */
static size_t rows_wanted(void)
{
    struct winsize size;
    size_t rows = line.text[0] != 0;
    for (const char *at = line.text; (at = strchr(at, '\n')); at++)
        rows++;
    bool high = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_row > rows;
    return high ? rows : 0;
}

/* Appends the lines, each cut to one column less than there are: a code point is taken for a column. */
static size_t put_lines(char *out, size_t room, size_t columns)
{
    size_t used = 0, column = 0;
    for (const char *at = line.text; *at && used + 8 < room; at++) {
        bool begins = ((unsigned char)*at & 0xc0) != 0x80; /* a character, not its further bytes */
        column += begins && *at != '\n';
        if (*at == '\n')
            column = 0;
        if (*at == '\n' || column < columns)
            out[used++] = *at;
    }
    out[used++] = '\n';
    return used;
}

/* The bar with all that is right of it; returns its bytes. */
static size_t put_bar(char *text, size_t room, uint64_t done, double now, size_t columns)
{
    char tail[512], bar[4 * BAR_CELLS_MAX + 16] = "", percent[16] = "";
    format_tail(tail, sizeof(tail), done, now);
    if (line.total) {
        double share = Q_MIN(1.0, (double)done / (double)line.total);
        (void)snprintf(percent, sizeof(percent), "%3d%%  ", (int)(share * 100.0));
        size_t others =
            strlen(line.what) + strlen(percent) + strlen(tail) + 7; /* two frame cells, gaps, the last column free */
        size_t cells = columns > others ? Q_MIN(columns - others, (size_t)BAR_CELLS_MAX) : 0;
        if (cells >= BAR_CELLS_MIN) {
            draw_bar(bar, sizeof(bar) - 2, cells, share);
            memcpy(bar + strlen(bar), "  ", 3);
        }
    }
    /* A line longer than the terminal would wrap and could not be wiped; without the bar all is ASCII but the note. */
    int precision =
        *bar ? (int)sizeof(tail) : (int)Q_MAX(0, (int)columns - 1 - (int)(strlen(line.what) + strlen(percent) + 2));
    int length = snprintf(text, room, "\r\033[K%s  %s%s%.*s", line.what, bar, percent, precision, tail);
    return length > 0 ? Q_MIN((size_t)length, room - 1) : 0;
}

/* All in one write, so that nothing flickers. */
static void draw(double now)
{
    char text[LINE_BYTES_MAX + TEXT_BYTES + LINE_BYTES_MAX];
    uint64_t done = atomic_load(&done_count);
    size_t columns = terminal_columns(), rows = rows_wanted();
    size_t used = line.rows || rows ? put_wipe(text, LINE_BYTES_MAX) : 0;
    update_rate(done, now);
    line.rows = rows;
    if (rows)
        used += put_lines(text + used, TEXT_BYTES, columns);
    used += put_bar(text + used, LINE_BYTES_MAX, done, now, columns);
    (void)fwrite(text, 1, used, stderr);
    line.drawn = true;
}

/* The bytes of a JSON string's inside; controls become spaces. */
static void escape(char *out, size_t room, const char *text)
{
    size_t used = 0;
    for (; *text && used + 3 < room; text++) {
        if (*text == '"' || *text == '\\')
            out[used++] = '\\';
        out[used++] = (unsigned char)*text < 0x20 ? ' ' : *text;
    }
    out[used] = 0;
}

static void report(double now)
{
    uint64_t done = atomic_load(&done_count);
    update_rate(done, now);
    char what[64], unit[64], note[2 * NOTE_BYTES], total[32] = "null", left[32] = "null", text[LINE_BYTES_MAX];
    escape(what, sizeof(what), line.what);
    escape(unit, sizeof(unit), line.unit);
    escape(note, sizeof(note), line.note);
    if (line.total)
        (void)snprintf(total, sizeof(total), "%llu", (unsigned long long)line.total);
    if (seconds_left(done) >= 0.0)
        (void)snprintf(left, sizeof(left), "%.0f", seconds_left(done));
    int length = snprintf(
        text, sizeof(text),
        "{\"progress\":\"%s\",\"done\":%llu,\"total\":%s,\"unit\":\"%s\",\"rate\":%.6g,\"left_s\":%s%s%s%s}\n", what,
        (unsigned long long)done, total, unit, line.rate, left, *note ? ",\"note\":\"" : "", note, *note ? "\"" : "");
    if (length > 0)
        (void)fwrite(text, 1, Q_MIN((size_t)length, sizeof(text) - 1), stderr);
    line.reported = true;
}

void q_progress_start(const char *what, const char *unit, uint64_t total)
{
    q_progress_finish();
    if (q_log_get_level() < Q_LOG_INFO)
        return;
    (void)pthread_mutex_lock(&line.lock);
    line.active = true;
    line.terminal = is_terminal();
    line.utf8 = locale_is_utf8();
    line.drawn = line.reported = false;
    (void)snprintf(line.what, sizeof(line.what), "%s", what);
    (void)snprintf(line.unit, sizeof(line.unit), "%s", unit);
    line.note[0] = line.text[0] = 0;
    line.rows = 0;
    line.total = total;
    line.started = line.last_time = q_seconds();
    line.rate = 0.0;
    line.left_s = -1.0;
    line.last_done = 0;
    atomic_store(&done_count, 0);
    atomic_store(&due, line.started + (line.terminal ? REDRAW_S : REPORT_S));
    (void)pthread_mutex_unlock(&line.lock);
}

void q_progress_add(uint64_t done)
{
    (void)atomic_fetch_add_explicit(&done_count, done, memory_order_relaxed);
    double now = q_seconds();
    if (now < atomic_load_explicit(&due, memory_order_relaxed) || pthread_mutex_trylock(&line.lock) != 0)
        return; /* not yet, or somebody is drawing or logging: nobody waits for a picture */
    if (line.active && now >= atomic_load(&due)) {
        atomic_store(&due, now + (line.terminal ? REDRAW_S : REPORT_S));
        if (line.terminal)
            draw(now);
        else
            report(now);
    }
    (void)pthread_mutex_unlock(&line.lock);
}

void q_progress_note(const char *format, ...)
{
    char note[NOTE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(note, sizeof(note), format, arguments);
    va_end(arguments);
    (void)pthread_mutex_lock(&line.lock);
    memcpy(line.note, note, sizeof(note));
    (void)pthread_mutex_unlock(&line.lock);
}

void q_progress_lines(const char *text)
{
    (void)pthread_mutex_lock(&line.lock);
    (void)snprintf(line.text, sizeof(line.text), "%s", text);
    (void)pthread_mutex_unlock(&line.lock);
}

bool q_progress_is_live(void)
{
    (void)pthread_mutex_lock(&line.lock);
    bool live = line.active && line.terminal;
    (void)pthread_mutex_unlock(&line.lock);
    return live;
}

bool q_progress_is_utf8(void)
{
    (void)pthread_mutex_lock(&line.lock);
    bool utf8 = line.utf8;
    (void)pthread_mutex_unlock(&line.lock);
    return utf8;
}

void q_progress_left(double seconds)
{
    (void)pthread_mutex_lock(&line.lock);
    line.left_s = seconds;
    line.left_at = q_seconds();
    (void)pthread_mutex_unlock(&line.lock);
}

void q_progress_finish(void)
{
    (void)pthread_mutex_lock(&line.lock);
    if (line.active) {
        wipe();
        if (line.reported) /* long work ends with its whole count; short work leaves no line at all */
            report(q_seconds());
    }
    line.active = false;
    atomic_store(&due, 1e300);
    (void)pthread_mutex_unlock(&line.lock);
}

void q_progress_hide(void)
{
    (void)pthread_mutex_lock(&line.lock);
    wipe();
}

void q_progress_show(void)
{
    if (line.active && line.terminal)
        draw(q_seconds());
    (void)pthread_mutex_unlock(&line.lock);
}
