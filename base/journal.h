/* Journals: what happened to a run, line by line, appended and never rewritten (docs/formats/journal.md).
 *
 *     {"n":12,"at":"2026-11-21T21:30:00Z","event":"checkpoint","step":400,...,"previous":"9c1f0d2e5a7b3344"}
 *
 * `previous` is the XXH3-64 of the line before (without its line end), so that a line changed, lost or put in later shows. Each line is
 * flushed before the call returns. A last line that a kill cut short is taken off when the journal is opened again; damage anywhere else is an error.
 * One process writes at a time (flock).
 */
#ifndef QUERN_BASE_JOURNAL_H
#define QUERN_BASE_JOURNAL_H

#include "base/json.h"
#include "base/status.h"

#include <stdint.h>

struct q_journal;

/* Opens or makes the journal and checks its chain. Q_ERR_INPUT where a line is damaged (path, line and what can be kept are named), Q_ERR_SYSTEM where another
 * process has it open. */
q_status q_journal_open(const char *path, struct q_journal **out) Q_MUST_USE;
void q_journal_close(struct q_journal *journal);
/* Appends one line. `fields` (an object, may be NULL) is taken; n, at, event and previous are put beside its members. */
q_status q_journal_append(struct q_journal *journal, const char *event, json_t *fields) Q_MUST_USE;

/* Every line of a journal as a JSON array, its chain checked; a torn last line is left out. An absent journal is an empty array. Needs no lock. */
q_status q_journal_read(const char *path, json_t **out) Q_MUST_USE;

#endif
