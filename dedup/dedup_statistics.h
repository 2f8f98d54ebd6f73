/* What the filter step counts, part by part, and the report shows. Sums of parts in any order are the same. */
#ifndef QUERN_DEDUP_DEDUP_STATISTICS_H
#define QUERN_DEDUP_DEDUP_STATISTICS_H

#include "base/accounting.h"
#include "base/document.h"
#include "base/json.h"
#include "base/memory.h"
#include "dedup/verdicts.h"

enum {
    DEDUP_SIZE_BINS = 32,    /* clusters of 2^i .. 2^(i+1) - 1 documents */
    DEDUP_JACCARD_BINS = 50, /* of 0.02 each */
    DEDUP_SAMPLES = 10,
    DEDUP_SAMPLE_BYTES = 600,
};

/* Of a language or a source: what became of its documents, by enum verdict_kind. */
struct dedup_share {
    const char *name;
    struct q_tally tallies[3];
};

struct dedup_shares {
    struct dedup_share *items; /* sorted by name */
    size_t count, capacity;
};

/* The start of a document that the report shows. */
struct dedup_sample {
    const char *id, *survivor; /* survivor: of a dropped one, else NULL */
    double order;              /* the larger first: cluster_size, or 1 - jaccard */
    const char *text;
};

struct dedup_samples {
    struct dedup_sample items[DEDUP_SAMPLES + 1]; /* sorted; one place to put a new one in */
    size_t count;
};

struct dedup_statistics {
    struct q_arena arena;
    struct dedup_shares languages, sources;
    uint64_t sizes[DEDUP_SIZE_BINS];
    uint64_t jaccard[DEDUP_JACCARD_BINS]; /* of documents dropped as near */
    struct dedup_samples largest;         /* survivors of the largest clusters */
    struct dedup_samples least_alike;     /* near duplicates that passed by the least */
};

void dedup_statistics_release(struct dedup_statistics *statistics); /* zeroed is ready, and allowed here */
/* Counts a document; verdict NULL: kept and alone. */
q_status dedup_statistics_count(struct dedup_statistics *statistics, const struct q_document *document,
                                const struct verdict *verdict) Q_MUST_USE;
q_status dedup_statistics_add(struct dedup_statistics *sum, const struct dedup_statistics *part) Q_MUST_USE;

q_status dedup_statistics_json(const struct dedup_statistics *statistics, json_t **out) Q_MUST_USE; /* new reference */
/* The inverse, added to *sum; `name` for errors (Q_ERR_INPUT). */
q_status dedup_statistics_parse(const json_t *object, const char *name, struct dedup_statistics *sum) Q_MUST_USE;

#endif
