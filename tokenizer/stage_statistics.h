/* What the train step writes down of a vocabulary for reports, in its manifest (docs/formats/manifest.md): the same for any number of threads. */
#ifndef QUERN_TOKENIZER_STAGE_STATISTICS_H
#define QUERN_TOKENIZER_STAGE_STATISTICS_H

#include "base/json.h"
#include "base/status.h"
#include "tokenizer/count/counts.h"
#include "tokenizer/vocabulary/vocabulary.h"

/* {"vocabulary": 4096, "merges": 3822, "documents": .., "text_bytes": .., "pieces": .., "distinct_pieces": ..,
 *  "merge_counts": {"ranks": [0, 1, 2, ..], "per_million_bytes": [..]},      at even distances of the rank's logarithm; how often the pair was there
 *  "sample": {"LANG": {"documents": 3, "bytes": 1200, "characters": .., "words": .. or null, "tokens": 310}, ..}}
 *
 * of a vocabulary trained on `total` with `distinct` pieces, and of the documents in `sample`. Takes the vocabulary over (it is zeroed). New reference. */
q_status stage_statistics(struct vocabulary *vocabulary, const struct counts_total *total, uint64_t distinct,
                          const char *sample, unsigned threads, json_t **out) Q_MUST_USE;

#endif
