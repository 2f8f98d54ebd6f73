/* Progress of long work: on a terminal one line that is redrawn, with a bar, rate and time left, and lines of the work's own above it; elsewhere one
 * JSON line on standard error every few seconds: {"progress":"corpus","done":..,"total":..,"unit":"bytes","rate":..,"left_s":..}. Silent with -q.
 *
 * Updating is an atomic add; any thread may. One progress at a time per process. */
#ifndef QUERN_BASE_PROGRESS_H
#define QUERN_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* what: "corpus"; unit: "bytes" (shown as MB), "documents", "tokens"; total: 0 where unknown. */
void q_progress_start(const char *what, const char *unit, uint64_t total);
void q_progress_add(uint64_t done);
/* A short remark behind the bar ("loss 4.213"), for the terminal and the JSON line ("note"). */
void q_progress_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Lines above the bar, '\n' between them, each cut at the terminal's width ("": none): for a terminal alone, and only while it is high enough for them and
 * the bar; the remark is then left out. They stand until they are replaced or the progress ends. */
void q_progress_lines(const char *text);
/* Whether such lines would be seen, so that nobody makes them in vain; and whether they may have more than ASCII. */
bool q_progress_is_live(void);
bool q_progress_is_utf8(void);
/* How long it will still take from now on, for who knows better than the rate; INFINITY: nobody can tell yet; < 0: the rate again. Until the next progress
 * starts. */
void q_progress_left(double seconds);
void q_progress_finish(void);
/* The line is wiped / drawn again: log.c calls these around its output. */
void q_progress_hide(void);
void q_progress_show(void);

#endif
