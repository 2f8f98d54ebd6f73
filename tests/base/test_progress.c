/* Progress and log lines, as a terminal and as a file see them. The clock is ours (q_seconds below takes the place of clock.c's), so that
 * seconds pass at once and what is drawn is exact. */
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "tests/base/cmocka_all.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static double now = 1000.0;

double q_seconds(void)
{
    return now;
}

/* Standard error goes to a pipe or to a terminal of `columns`, and what came out into `text`. */
static int saved_error, reading_end;
static char text[65536];

static void capture(int columns)
{
    int writing_end;
    if (columns > 0) {
        reading_end = posix_openpt(O_RDWR | O_NOCTTY);
        if (reading_end < 0 || grantpt(reading_end) != 0 || unlockpt(reading_end) != 0)
            skip(); /* no terminals to be had, as in a bare chroot */
        writing_end = open(ptsname(reading_end), O_RDWR | O_NOCTTY);
        const struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
        assert_int_equal(ioctl(writing_end, TIOCSWINSZ, &size), 0);
    } else {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        reading_end = ends[0];
        writing_end = ends[1];
    }
    assert_true(writing_end >= 0);
    saved_error = dup(STDERR_FILENO);
    assert_true(dup2(writing_end, STDERR_FILENO) >= 0);
    (void)close(writing_end);
    (void)setenv("TERM", "xterm", 1);
    (void)setenv("LC_ALL", "C.UTF-8", 1);
}

/* What was written since capture. A terminal hands it over piece by piece, and a piece may end with any line of it: so we write an end
 * of our own and read up to that. */
static const char *captured(void)
{
    static const char end[] = "<end of capture>";
    assert_int_equal(write(STDERR_FILENO, end, sizeof(end) - 1), sizeof(end) - 1);
    assert_int_equal(write(STDERR_FILENO, "\n", 1), 1); /* a terminal in line mode gives out whole lines */
    char *found = NULL;
    for (size_t size = 0; !found; found = strstr(text, end)) {
        ssize_t n = read(reading_end, text + size, sizeof(text) - 1 - size);
        assert_true(n > 0);
        size += (size_t)n;
        text[size] = 0;
    }
    *found = 0;
    assert_true(dup2(saved_error, STDERR_FILENO) >= 0);
    (void)close(saved_error);
    (void)close(reading_end);
    return text;
}

/* Takes `seconds` for `done` in steps of an eighth of a second, which a double holds exactly. */
static void work(double seconds, uint64_t done)
{
    const int steps = (int)(seconds * 8.0);
    for (int i = 0; i < steps; i++) {
        now += 0.125;
        q_progress_add(done / (uint64_t)steps);
    }
}

/* The last line drawn: behind the last "\r\033[K". */
static const char *last_line(const char *all)
{
    const char *line = all;
    for (const char *next = all; (next = strstr(next, "\r\033[K")); next += 4)
        line = next + 4;
    return line;
}

static void test_terminal_shows_a_bar(void **state)
{
    (void)state;
    capture(100);
    q_progress_start("corpus", "bytes", 24100000);
    work(4.0, 12320000);
    assert_string_equal(last_line(captured()),
                        "corpus  ▕███████████████▎              ▏   51%  12.3 of 24.1 MB  3.08 MB/s  4 s left");
    q_progress_finish();
}

static void test_ascii_where_the_locale_is_not_utf8(void **state)
{
    (void)state;
    capture(80);
    (void)setenv("LC_ALL", "C", 1);
    q_progress_start("dedup", "documents", 1000);
    work(2.0, 480);
    q_progress_note("loss %.3f", 4.2131);
    work(0.25, 0);
    assert_string_equal(last_line(captured()),
                        "dedup  [####......]   48%  480 of 1.00 K documents  213/s  2 s left  loss 4.213");
    q_progress_finish();
}

static void test_narrow_terminals_never_wrap(void **state)
{
    (void)state;
    for (int columns = 1; columns < 90; columns++) {
        capture(columns);
        (void)setenv("LC_ALL", "C", 1);
        q_progress_start("corpus", "bytes", 24100000);
        work(1.0, 3000000);
        const char *line = last_line(captured());
        if (columns > 20)
            assert_true(strlen(line) < (size_t)columns);
        q_progress_finish();
    }
}

static void test_unknown_total(void **state)
{
    (void)state;
    capture(80);
    q_progress_start("tokens", "tokens", 0);
    work(2.0, 3200);
    assert_string_equal(last_line(captured()), "tokens  3.20 K tokens  1.60 K/s  2 s");
    q_progress_finish();
}

/* Ends the progress where nobody sees it. */
static void finish(void)
{
    capture(0);
    q_progress_finish();
    (void)captured();
}

/* What a terminal shows in the end: knows text, CR, LF, "up" and "erase to the end of the line", and columns as code points. */
enum { SCREEN_ROWS = 40, SCREEN_BYTES = 600 };
static char screen[SCREEN_ROWS][SCREEN_BYTES];

static size_t show(const char *all)
{
    size_t row = 0, used = 0, highest = 0;
    memset(screen, 0, sizeof(screen));
    for (const char *at = all; *at; at++) {
        assert_true(row < SCREEN_ROWS);
        if (*at == '\r') {
            used = 0;
        } else if (*at == '\n') {
            row++;
            used = 0; /* the terminal puts the CR */
        } else if (strncmp(at, "\033[A", 3) == 0) {
            assert_true(row > 0); /* never above what it has drawn */
            row--;
            at += 2;
        } else if (strncmp(at, "\033[K", 3) == 0) {
            memset(screen[row] + used, 0, SCREEN_BYTES - used);
            at += 2;
        } else {
            assert_true(used + 1 < SCREEN_BYTES);
            screen[row][used++] = *at;
        }
        highest = row > highest ? row : highest;
    }
    return highest;
}

static void test_lines_above_the_bar(void **state)
{
    (void)state;
    capture(60);
    q_progress_start("train", "tokens", 1000);
    assert_true(q_progress_is_live() && q_progress_is_utf8());
    q_progress_note("not shown beside lines");
    q_progress_lines("step 1\nloss 4.2 \xe2\x96\x88\xe2\x96\x81");
    work(1.0, 200);
    q_progress_lines("step 2\nloss 4.1 \xe2\x96\x88\xe2\x96\x82\nthree");
    work(1.0, 200);
    q_log_warning("careful"); /* stands above them from then on */
    q_progress_lines("step 3");
    work(1.0, 200);
    (void)show(captured());
    assert_non_null(strstr(screen[0], "warning: careful"));
    assert_string_equal(screen[1], "step 3");
    assert_non_null(strstr(screen[2], "train  "));
    assert_non_null(strstr(screen[2], "600 of 1.00 K tokens"));
    assert_null(strstr(screen[2], "not shown"));
    for (size_t row = 3; row < 6; row++)
        assert_string_equal(screen[row], "");
    finish();
}

static void test_finish_wipes_the_lines(void **state)
{
    (void)state;
    capture(60);
    q_progress_start("train", "tokens", 1000);
    q_progress_lines("one\ntwo\nthree");
    work(1.0, 200);
    q_progress_finish();
    assert_int_equal(show(captured()), 3);
    for (size_t row = 0; row < 5; row++)
        assert_string_equal(screen[row], "");
    assert_false(q_progress_is_live());
}

/* Lines wider than the terminal are cut on a character; a terminal too low for them shows the bar alone, with the remark. */
static void test_lines_fit_the_terminal(void **state)
{
    (void)state;
    for (int columns = 1; columns < 40; columns++) {
        capture(columns);
        q_progress_start("train", "tokens", 1000);
        q_progress_lines("\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88 and then some more text than there is room for\nx");
        work(1.0, 200);
        (void)show(captured());
        size_t seen = 0;
        for (const char *at = screen[0]; *at; at++)
            seen += ((unsigned char)*at & 0xc0) != 0x80;
        assert_true(seen < (size_t)columns);
        assert_int_equal(strlen(screen[0]) - seen,
                         2 * (seen < 3 ? seen : 3)); /* whole characters: three have two bytes more */
        finish();
    }
    capture(80);
    const struct winsize low = {.ws_row = 3, .ws_col = 80};
    assert_int_equal(ioctl(STDERR_FILENO, TIOCSWINSZ, &low), 0);
    q_progress_start("train", "tokens", 1000);
    q_progress_lines("one\ntwo");
    work(1.0, 200);
    q_progress_lines("one\ntwo\nthree");
    q_progress_note("a remark");
    work(1.0, 200);
    assert_int_equal(show(captured()), 2);
    assert_non_null(strstr(screen[0], "train  "));
    assert_non_null(strstr(screen[0], "a remark"));
    assert_string_equal(screen[1], "");
    finish();
}

static void test_lines_are_not_in_the_json(void **state)
{
    (void)state;
    capture(0);
    q_progress_start("train", "tokens", 1000);
    assert_false(q_progress_is_live());
    q_progress_lines("step 1\nloss 4.2");
    work(5.0, 200);
    q_progress_finish();
    assert_null(strstr(captured(), "loss"));
}

static size_t count_of(const char *all, const char *part)
{
    size_t count = 0;
    for (; (all = strstr(all, part)); all++)
        count++;
    return count;
}

static void test_draws_ten_times_a_second_at_most(void **state)
{
    (void)state;
    capture(80);
    q_progress_start("corpus", "bytes", 1000000);
    for (int i = 0; i < 10000; i++) { /* two seconds */
        now += 0.0002;
        q_progress_add(100);
    }
    assert_in_range(count_of(captured(), "\r\033[K"), 18, 20);
    q_progress_finish();
}

static void test_finish_wipes_the_line(void **state)
{
    (void)state;
    capture(80);
    q_progress_start("corpus", "bytes", 1000);
    work(1.0, 500);
    q_progress_finish();
    assert_string_equal(last_line(captured()), "");
}

static void test_json_elsewhere(void **state)
{
    (void)state;
    capture(0);
    q_progress_start("a \"name\"", "bytes", 1000);
    work(4.875, 390);
    q_progress_note("loss \\ 4.2\n");
    work(0.125, 10);
    work(4.0, 320);
    q_progress_finish();
    assert_string_equal(captured(),
                        "{\"progress\":\"a \\\"name\\\"\",\"done\":400,\"total\":1000,\"unit\":\"bytes\",\"rate\":80,"
                        "\"left_s\":8,\"note\":\"loss \\\\ 4.2 \"}\n"
                        "{\"progress\":\"a \\\"name\\\"\",\"done\":720,\"total\":1000,\"unit\":\"bytes\",\"rate\":80,"
                        "\"left_s\":4,\"note\":\"loss \\\\ 4.2 \"}\n");
}

static void test_short_work_leaves_no_line(void **state)
{
    (void)state;
    capture(0);
    q_progress_start("corpus", "bytes", 1000);
    work(4.0, 1000);
    q_progress_finish();
    assert_string_equal(captured(), "");
}

static void test_quiet_is_silent(void **state)
{
    (void)state;
    capture(80);
    q_log_set_level(Q_LOG_WARNING);
    q_progress_start("corpus", "bytes", 1000);
    work(20.0, 1000);
    q_progress_finish();
    q_log_info("not shown");
    q_log_set_level(Q_LOG_INFO);
    assert_string_equal(captured(), "");
}

/* "HH:MM:SS " cut from every line. */
static void without_times(char *out, const char *all)
{
    while (*all) {
        assert_true(strlen(all) > 9 && all[2] == ':' && all[5] == ':' && all[8] == ' ');
        const char *end = strchr(all, '\n');
        assert_non_null(end);
        memcpy(out, all + 9, (size_t)(end + 1 - (all + 9)));
        out += end + 1 - (all + 9);
        all = end + 1;
    }
    *out = 0;
}

static void test_log_lines(void **state)
{
    (void)state;
    char lines[8192];
    capture(0);
    q_log_set_program("quern-corpus");
    q_log_warning("'%s' is odd", "x");
    q_log_info("read %d", 3);
    q_log_debug("not shown");
    q_log(Q_LOG_ERROR, "bad");
    q_log_set_level(Q_LOG_DEBUG);
    q_log_debug("shown");
    q_log_set_level(Q_LOG_INFO);
    without_times(lines, captured());
    assert_string_equal(lines, "quern-corpus: warning: 'x' is odd\nquern-corpus: read 3\nquern-corpus: error: bad\n"
                               "quern-corpus: debug: shown\n");
}

static void test_long_log_line_is_cut(void **state)
{
    (void)state;
    static char longer[10000];
    memset(longer, 'x', sizeof(longer) - 1);
    capture(0);
    q_log_info("%s", longer);
    const char *line = captured();
    assert_in_range(strlen(line), 4000, 4096);
    assert_int_equal(line[strlen(line) - 1], '\n');
    assert_int_equal(count_of(line, "\n"), 1);
}

static void test_log_breaks_into_the_bar(void **state)
{
    (void)state;
    capture(80);
    q_progress_start("corpus", "bytes", 1000);
    work(1.0, 500);
    q_log_warning("careful");
    const char *all = captured();
    const char *warning = strstr(all, "warning: careful\r\n"); /* the terminal puts the CR */
    assert_non_null(warning);
    const char *wiped = warning;
    while (wiped > all && strncmp(wiped, "\r\033[K", 4) != 0)
        wiped--;
    assert_null(
        memchr(wiped + 4, '%', (size_t)(warning - wiped - 4))); /* nothing of the bar between the wipe and the text */
    assert_non_null(strstr(warning, "\r\033[Kcorpus  "));       /* drawn again below it */
    q_progress_finish();
}

static void *add_many(void *unused)
{
    (void)unused;
    for (int i = 0; i < 20000; i++) {
        q_progress_add(1);
        if (i % 5000 == 0)
            q_log_debug("hidden");
    }
    return NULL;
}

static void test_any_thread_may_add(void **state)
{
    (void)state;
    pthread_t threads[4];
    capture(0);
    q_progress_start("corpus", "documents", 80000);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    now += 5.0;
    q_progress_add(0);
    q_progress_finish();
    assert_int_equal(count_of(captured(), "\"done\":80000,\"total\":80000"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terminal_shows_a_bar),
        cmocka_unit_test(test_ascii_where_the_locale_is_not_utf8),
        cmocka_unit_test(test_narrow_terminals_never_wrap),
        cmocka_unit_test(test_unknown_total),
        cmocka_unit_test(test_draws_ten_times_a_second_at_most),
        cmocka_unit_test(test_finish_wipes_the_line),
        cmocka_unit_test(test_lines_above_the_bar),
        cmocka_unit_test(test_finish_wipes_the_lines),
        cmocka_unit_test(test_lines_fit_the_terminal),
        cmocka_unit_test(test_lines_are_not_in_the_json),
        cmocka_unit_test(test_json_elsewhere),
        cmocka_unit_test(test_short_work_leaves_no_line),
        cmocka_unit_test(test_quiet_is_silent),
        cmocka_unit_test(test_log_lines),
        cmocka_unit_test(test_long_log_line_is_cut),
        cmocka_unit_test(test_log_breaks_into_the_bar),
        cmocka_unit_test(test_any_thread_may_add),
    };
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
