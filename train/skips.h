/* Skips: the samples that a run leaves out, by decisions of its guards that stand in its journal.
 *
 * The data order is a pure function of (shards, seed, weights, position); a run's samples are those positions in their order without the
 * skipped ones. A range once skipped stays so, whatever checkpoint the run goes on from: so what a run sees is a function of its
 * place and its journal.
 *
 * A line of the journal (docs/formats/journal.md): event `skipped`, `run`, `from`, `to` (positions, `to` is the first one that is not skipped), and the
 * reason. It is written before the decision acts.
 */
#ifndef QUERN_TRAIN_SKIPS_H
#define QUERN_TRAIN_SKIPS_H

#include "base/hash.h"
#include "base/json.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

struct skips_range {
    uint64_t from, to; /* from < to */
};

/* Ready when zeroed. */
struct skips {
    struct skips_range *ranges; /* ascending, apart from each other */
    size_t count, capacity;
    uint64_t decisions; /* ranges added, before touching ones became one */
};

void skips_release(struct skips *skips);
/* Adds from .. to - 1; from < to. Q_ERR_MEMORY changes nothing. */
q_status skips_add(struct skips *skips, uint64_t from, uint64_t to) Q_MUST_USE;
/* The first position that is not skipped, at or behind `position`. */
uint64_t skips_next(const struct skips *skips, uint64_t position);
/* How many positions at or behind `position` are skipped. */
uint64_t skips_ahead(const struct skips *skips, uint64_t position);

/* The ranges of this run out of the lines of its journal (q_journal_read). Lines of other runs in the same folder are left alone. */
q_status skips_from_journal(const json_t *lines, q_hash run, struct skips *out) Q_MUST_USE;

#endif
