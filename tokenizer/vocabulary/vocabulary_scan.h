/* A tokenizer.json is small but for two values, model.vocab and model.merges, which may have a million entries. These are read straight from the bytes by the
 * scanner here; the rest, with the two cut out, goes through base/json.h.
 *
 *     {"version": ..., "model": {"type": "BPE", "vocab": {"a": 0, ...}, "merges": [["a", "b"], ...]}}
 *                                                        `-- vocab --'            `--- merges ---'
 *
 * So a file of n bytes costs a few times n of memory, whatever it holds.
 */
#ifndef QUERN_TOKENIZER_VOCABULARY_SCAN_H
#define QUERN_TOKENIZER_VOCABULARY_SCAN_H

#include "base/memory.h"
#include "base/status.h"
#include "base/string.h"

#include <stdbool.h>
#include <stdint.h>

/* A place in a JSON text. `escaped` holds the last string that had a backslash in it. */
struct vocabulary_scan {
    const char *name; /* of the file, for errors */
    const char *begin, *at, *end;
    struct q_buffer escaped;
};

/* Where model.vocab and model.merges lie: from their first bracket to behind the last. NULL where the file has none, or something else in their place. */
struct vocabulary_spans {
    q_string vocab, merges;
};

/* Finds the two, and appends to `rest` the text with `null` in their place, and as many line ends, so that lines keep their numbers. Q_ERR_INPUT: brackets that
 * do not match, too deep (200), or `rest` above 32 MiB. Grammar is looked at no closer than that takes. */
q_status vocabulary_scan_spans(q_string text, const char *name, struct vocabulary_spans *spans,
                               struct q_buffer *rest) Q_MUST_USE;

/* White space and then this character: true, and behind it; else false, and only the white space is gone. */
bool vocabulary_scan_take(struct vocabulary_scan *scan, char c);
/* A string; *out is good until the next one (it lies in the text where there is no backslash). `*is_string` false: something else is here. */
q_status vocabulary_scan_string(struct vocabulary_scan *scan, q_string *out, bool *is_string) Q_MUST_USE;
/* A whole number from 0 to `max`; false: something else is here. */
bool vocabulary_scan_number(struct vocabulary_scan *scan, uint64_t max, uint64_t *out);
/* Q_ERR_INPUT: "NAME: line 7: WHAT", as of base/json.h. */
q_status vocabulary_scan_fail(const struct vocabulary_scan *scan, const char *what);

#endif
