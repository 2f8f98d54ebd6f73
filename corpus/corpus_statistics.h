/* Statistics of stage 1: what the report shows and later stages ask for, gathered beside the accounting.
 *
 * Adding is commutative and associative, samples included (the smallest document keys of each reason win), so that jobs, parts and steps sum
 * up to the same whatever the order.
 */
#ifndef QUERN_CORPUS_STATISTICS_H
#define QUERN_CORPUS_STATISTICS_H

#include "base/accounting.h"
#include "base/hash.h"
#include "base/json.h"
#include "corpus/text/normalise.h"

enum {
    CORPUS_LENGTH_BINS = 40,   /* bin b: kept documents of [2^b, 2^(b+1)) bytes */
    CORPUS_SAMPLE_BYTES = 400, /* a sample is cut there, at a character */
    CORPUS_COUNT_NAME = 64,
    CORPUS_COUNT_LANG = 16, /* "sr-Latn": a language is counted by itself and its script, what is none as "other" */
};

/* Named tallies, sorted by name. */
struct corpus_count {
    char name[CORPUS_COUNT_NAME];
    struct q_tally tally;
};
struct corpus_counts {
    struct corpus_count *items;
    size_t count, capacity;
};

struct corpus_sample {
    char reason[64];
    q_hash key;        /* of the id */
    q_string id, text; /* one allocation, beginning at id.data */
};

struct corpus_statistics {
    struct corpus_counts languages; /* kept documents, text bytes */
    struct corpus_counts formats;   /* documents in, item bytes */
    struct corpus_counts losses;    /* documents that rules dropped, by "LANGUAGE/FAMILY", their text's bytes */
    struct corpus_counts lines;     /* what rules took out of kept documents: lines, and their bytes */
    struct q_tally held_out;        /* of the kept ones */
    struct q_tally mixed;           /* of the kept ones: in two languages or more (corpus.lang_mixed_min) */
    uint64_t lengths[CORPUS_LENGTH_BINS];
    struct corpus_changes changes;
    struct corpus_sample *samples; /* sorted by reason, then key */
    size_t sample_count, sample_capacity;
};

/* To nothing counted; the arrays are kept for the next counts, the samples' texts are freed. Zeroed statistics are allowed. */
void corpus_statistics_clear(struct corpus_statistics *statistics);
void corpus_statistics_release(struct corpus_statistics *statistics);

/* Adds each count of `one` to that of *sum. */
void corpus_changes_add(struct corpus_changes *sum, const struct corpus_changes *one);
q_status corpus_count_add(struct corpus_counts *counts, const char *name, struct q_tally tally) Q_MUST_USE;
/* A document that was read and is dropped under `reason`, whose family is what stands before its dot. */
q_status corpus_statistics_lost(struct corpus_statistics *statistics, q_string lang, const char *reason,
                                uint64_t text_bytes) Q_MUST_USE;
/* A kept document. */
q_status corpus_statistics_kept(struct corpus_statistics *statistics, q_string lang, uint64_t text_bytes,
                                bool held_out) Q_MUST_USE;
/* A dropped one that could be read: kept as a sample if its key is among the `samples_max` smallest of its reason. */
q_status corpus_statistics_sample(struct corpus_statistics *statistics, const char *reason, q_string id, q_string text,
                                  size_t samples_max) Q_MUST_USE;
/* Adds all of `part`, which stays as it is and may be released: samples are copied, of each reason the `samples_max` smallest keys of both are left.
 * Fails for want of memory only; *sum then has some of it. */
q_status corpus_statistics_add(struct corpus_statistics *sum, const struct corpus_statistics *part,
                               size_t samples_max) Q_MUST_USE;

/* {"languages": {"de": {"documents": 1, "bytes": 2}}, "formats": {...}, "losses": {"de/gopher": {"documents": 1, "bytes": 2}}, "lines":
 * {"c4.line-words": {"lines": 3, "bytes": 40}}, "held_out": {...}, "mixed": {...}, "lengths": [...], "changes": {...}, "samples": {"gopher.words":
 * [{"id": "...", "text": "..."}]}}; docs/formats/corpus-statistics.md. New reference. */
q_status corpus_statistics_json(const struct corpus_statistics *statistics, json_t **out) Q_MUST_USE;
/* Added to *sum. Q_ERR_INPUT where it is not that. */
q_status corpus_statistics_parse(const json_t *object, const char *name, size_t samples_max,
                                 struct corpus_statistics *sum) Q_MUST_USE;

#endif
