/* Figures: what a benchmark found, on their way to bench/results/SUBJECT.json (docs/formats/figures.md) and the page
 * made from it.
 */
#ifndef QUERN_BENCH_FIGURES_H
#define QUERN_BENCH_FIGURES_H

#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"
#include "bench/measure.h"

enum { FIGURE_RUNS_MAX = 100, FIGURES_VERSION = 1 };

/* A figure is kept as its JSON object from the start: it is only put together, written, and read for the page. */

/* What one measurement is about. Texts are borrowed. */
struct figure_about {
    const char *name;    /* "dedup.sign": for programs; unique in its subject */
    const char *what;    /* a line for people */
    const char *unit;    /* of the amount: "bytes", "documents", "tokens" */
    const char *command; /* as one would type it */
    uint64_t threads;
    uint64_t amount;          /* that one run works on; 0 where the rate is reported */
    const char *peer;         /* name of what it is compared with; NULL: nothing */
    double peer_per_second;   /* in the same unit, where it was measured elsewhere; 0: not */
    const char *peer_command; /* what was run in turn with ours; NULL: nothing */
    double wanted_ratio;      /* at least, of our rate to the peer's; 0: nothing is wanted */
    double wanted_memory;     /* at most, of our largest memory to the peer's; 0: nothing is wanted */
};

/* The runs of one command. Borrowed. */
struct figure_runs {
    const struct measured_run *runs;
    const double *reported; /* the rates that it said itself; NULL: they come from the seconds */
    size_t count;           /* 0: not measured */
};

/* The object: with the median of the runs' seconds, and the rate from it; or, where reported is not NULL, the median
 * of the rates that the command said itself. The same of the peer, where it was run. New reference. */
q_status figure_make(const struct figure_about *about, const struct figure_runs *ours, const struct figure_runs *peer,
                     json_t **out) Q_MUST_USE;

/* The median of count > 0 numbers: of an even count, the mean of the middle two. Sorts them. */
double figure_median(double *values, size_t count);

/* The whole subject: when, where, with what, and its figures (an array, reference taken). New reference. */
q_status figures_subject(const char *subject, const char *title, const char *data, json_t *figures,
                         json_t **out) Q_MUST_USE;

/* Pieces of pages, appended: the title, and when and where it was measured (Q_ERR_INPUT where the object is no subject); a cell
 * of a table and the bar behind it, where the text's own bars and ends of lines do no harm. */
q_status figures_put_head(const json_t *subject, const char *name, struct q_buffer *out) Q_MUST_USE;
q_status figures_put_cell(q_string text, struct q_buffer *out) Q_MUST_USE;

/* The page of a subject, appended; `notes` (Markdown, may be empty) stands behind the table. Q_ERR_INPUT where the object
 * is not one. */
q_status figures_page(const json_t *subject, const char *name, q_string notes, struct q_buffer *out) Q_MUST_USE;

#endif
