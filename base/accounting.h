/* Accounting: in = kept + dropped by each named reason + failed by each named reason, in documents and in bytes, always.
 *
 * Bytes are those of the unit that came in (a document's text as the stage received it), so that they balance; what came out has
 * its own count. q_accounting_check is called before a part and before a manifest is written.
 */
#ifndef QUERN_BASE_ACCOUNTING_H
#define QUERN_BASE_ACCOUNTING_H

#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdint.h>

struct q_tally {
    uint64_t documents;
    uint64_t bytes;
};

struct q_reason {
    char name[64]; /* [a-z0-9_-]+: "gopher-quality.words" also '.' */
    bool failed;   /* could not be read, as against dropped by a rule */
    struct q_tally tally;
};

struct q_accounting {
    struct q_tally in;
    struct q_tally kept;
    uint64_t out_bytes; /* text bytes of what was kept, as written */
    struct q_reason *reasons; /* sorted by name */
    size_t reason_count, reason_capacity;
};

void q_accounting_release(struct q_accounting *accounting);
/* Each call counts one document in, and where it went. */
q_status q_account_kept(struct q_accounting *accounting, uint64_t in_bytes, uint64_t out_bytes) Q_MUST_USE;
q_status q_account_dropped(struct q_accounting *accounting, const char *reason, uint64_t in_bytes) Q_MUST_USE;
q_status q_account_failed(struct q_accounting *accounting, const char *reason, uint64_t in_bytes) Q_MUST_USE;
/* More bytes of a document that was counted by one of the first two calls: a text that came in parts. reason NULL: it was kept. */
q_status q_account_more(struct q_accounting *accounting, const char *reason, uint64_t in_bytes,
                        uint64_t out_bytes) Q_MUST_USE;
q_status q_accounting_add(struct q_accounting *sum, const struct q_accounting *part) Q_MUST_USE;
/* The law itself; aborts where it is broken, for only a defect of ours can. */
void q_accounting_check(const struct q_accounting *accounting);
q_status q_accounting_json(const struct q_accounting *accounting, json_t **out) Q_MUST_USE;
/* From a manifest; the law is checked: Q_ERR_INPUT. */
q_status q_accounting_parse(const json_t *object, const char *name, struct q_accounting *out) Q_MUST_USE;
/* The line at the end of every build: "corpus: in 1,204 documents (12.3 MB) = kept 1,100 + dropped 100 (words 60, ...) + failed 4; out 9.1 MB;
 * 3.2 s, 3.8 MB/s", on standard error, also with -q. */
void q_accounting_print(const struct q_accounting *accounting, const char *what, double seconds);
/* The same line, without its end, appended. Reasons are in the order of their documents, the most first. */
q_status q_accounting_line(const struct q_accounting *accounting, const char *what, double seconds,
                           struct q_buffer *out) Q_MUST_USE;

#endif
