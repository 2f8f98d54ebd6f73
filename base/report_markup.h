/* Inside of reports: what report_*.c and plot_*.c share. Not for other folders (they use report.h).
 *
 * A report is one buffer of markup that grows at its end, and a list of the headings in it with their offsets: as a
 * page they become <h2> under the title's <h1>, as a fragment of another page <h3> under an <h2>.
 *
 *     body      ....markup....|....markup....|....
 *     headings                ^ offset, id, text      (text is written when the page is put together)
 */
#ifndef QUERN_BASE_REPORT_MARKUP_H
#define QUERN_BASE_REPORT_MARKUP_H

#include "base/memory.h"
#include "base/report.h"
#include "base/status.h"
#include "base/string.h"

struct q_report_heading {
    size_t offset;  /* in the body, where it stands */
    unsigned level; /* 0: a section of this report; 2, 3: already in the body (inserted), listed in the contents only */
    const char *id; /* unique in the page: "corpus-what-was-kept" */
    const char *text; /* plain, not yet escaped; of an inserted heading: escaped already */
};

struct q_report {
    struct q_arena arena;
    struct q_buffer body;
    struct q_report_heading *headings;
    size_t heading_count, heading_capacity;
    const char *title;
    const char *slug;     /* the title as an id */
    bool tiles_open;      /* the last block was a figure: the next figure shares its row */
    struct q_error error; /* the first failure; status Q_OK while all is well */
};

/* Appends markup as it is, formatted; nothing after the first failure. */
void q_report_put(struct q_report *report, const char *format, ...) Q_PRINTF(2, 3);
/* Appends text with < > & " escaped, broken UTF-8 as U+FFFD and control characters other than tab and line end left
 * out. */
void q_report_put_text(struct q_report *report, q_string text);
/* Ends what the next block must not be part of (a row of figures). Every block but a figure begins with it. */
void q_report_block(struct q_report *report);
/* A text as an id: small letters and digits, all else a single '-'; "section" where nothing is left. In the arena. */
q_status q_report_slug(struct q_arena *arena, const char *text, const char **out) Q_MUST_USE;
/* Keeps the first failure. */
void q_report_note(struct q_report *report, q_status status);

/* The style sheet of every page. */
extern const char q_report_style[];

#endif
