/* Lists of positions, each written once and read once: an arena of u32.
 *
 * A handle is 64 bits. The commonest list by far has one position, and is the handle itself:
 *
 *     BPE_ONE_PLACE | position          one position
 *     chunk * 2^32 + offset             in that chunk: count, position, position, ...
 */
#ifndef QUERN_TOKENIZER_BPE_PLACES_H
#define QUERN_TOKENIZER_BPE_PLACES_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

#define BPE_ONE_PLACE (1ull << 63)

struct bpe_places_chunk {
    uint32_t *words;
    uint32_t live; /* lists in it that were not dropped */
};

/* Ready when zeroed. */
struct bpe_places {
    struct bpe_places_chunk *chunks;
    size_t chunk_count, chunk_capacity;
    size_t used, room; /* words of the newest chunk */
};

void bpe_places_release(struct bpe_places *places);
/* A list of count > 1 positions for the caller to fill: *out_positions, which stays where it is. */
q_status bpe_places_add(struct bpe_places *places, uint32_t count, uint64_t *out_handle,
                        uint32_t **out_positions) Q_MUST_USE;
/* The list of a handle. `one` is the caller's, for a list that is its own handle. */
const uint32_t *bpe_places_get(const struct bpe_places *places, uint64_t handle, uint32_t *one, uint32_t *out_count);
/* The list is not needed any more; a chunk without lists goes back to the system. */
void bpe_places_drop(struct bpe_places *places, uint64_t handle);

#endif
