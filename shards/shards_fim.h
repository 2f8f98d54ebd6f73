/* Fill in the middle: some documents are rearranged so that a model learns to write what is missing between two pieces of text.
 *
 * Prefix, suffix, middle (PSM) at document level, before packing: begin fim_begin PREFIX fim_hole SUFFIX fim_end MIDDLE end, for a share of the documents
 * (0.1 in DeepSeek-V3: arXiv 2412.19437, 4.1; Bavarian et al., arXiv 2207.14255). The cuts lie between characters, not between tokens, so that a
 * prompt cut inside a word is nothing new to the model; the three pieces are encoded one by one.
 */
#ifndef QUERN_SHARDS_SHARDS_FIM_H
#define QUERN_SHARDS_SHARDS_FIM_H

#include "base/hash.h"
#include "base/string.h"

#include <stdbool.h>

/* PREFIX is text[0, first), MIDDLE text[first, second), SUFFIX text[second, size); each may be empty. */
struct fim_cuts {
    size_t first, second;
};

/* Whether the document of this key is rearranged, and where it is cut: a pure function of (seed, key, text). rate: 0..1. */
bool fim_draw(uint64_t seed, double rate, q_hash key, q_string text, struct fim_cuts *cuts);

#endif
