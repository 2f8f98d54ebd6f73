/* A piece as the chain of its tokens, with the merges of neighbours in a heap: merging as the definition has it, near-linear in the piece, whatever the
 * merges and whatever their order. For what goes no faster way: merges that are not in order, and BPE dropout.
 *
 *     nodes   a token in the slot of its first byte, with the slots of its neighbours
 *     heap    rank * 2^32 + slot of the left token: the lowest rank first, then the leftmost. An entry is out of date when its slot's rank is another by now
 */
#ifndef QUERN_TOKENIZER_BPE_CHAIN_H
#define QUERN_TOKENIZER_BPE_CHAIN_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tokenizer;

/* Ready when zeroed; serves one piece after another. */
struct bpe_chain {
    struct bpe_node *nodes;
    size_t node_capacity;
    uint64_t *
        heap; /* room for 2 * size: each merge takes one entry off and adds two at most, and there are fewer merges than bytes */
    size_t heap_capacity;
    size_t queued;
    uint32_t size; /* bytes of the piece */
};

void bpe_chain_release(struct bpe_chain *chain);

/* The bytes of a piece, and the merges of each two. Q_ERR_MEMORY also for a piece of 4 GiB. */
q_status bpe_chain_begin(struct bpe_chain *chain, const struct tokenizer *tokenizer, const uint8_t *piece,
                         size_t bytes) Q_MUST_USE;

/* Takes the first merge off the heap, with all before it that are out of date; false: there is none. */
bool bpe_chain_next(struct bpe_chain *chain, uint64_t *merge);
/* Puts one back that was taken off. */
void bpe_chain_return(struct bpe_chain *chain, uint64_t merge);
/* Carries one out that was taken off, and queues those that it makes possible. */
void bpe_chain_merge(struct bpe_chain *chain, const struct tokenizer *tokenizer, uint64_t merge);

/* The tokens; how many. ids: room for `size`. */
size_t bpe_chain_ids(const struct bpe_chain *chain, uint32_t *ids);

#endif
