/* BPE dropout: a piece merged with some merges left out at random, so that a model sees its words in more than one division.
 *
 * Source: Provilkov, Emelianenko and Voita, "BPE-Dropout: Simple and Effective Subword Regularization", ACL 2020, section 3, algorithm 1. (Hugging Face's
 * `dropout`, in 0.23, is milder than the paper: a candidate that was left out has another turn there whenever an entry of the queue proves out of date. At
 * p = 0.1 English has 10% more tokens by it, and 21% by the paper and here.) In full, since ids depend on it:
 *
 *   1. the piece is its bytes;
 *   2. the candidates are all pairs of neighbours that have a merge, one for each place, by rank and then from left to right;
 *   3. each candidate is left out of this step with probability p, whatever happened to it before;
 *   4. the first that remains is merged, and it goes on with 2; where none remains, or there was none, the piece is done.
 *
 * So p = 0 is ordinary merging and p = 1 gives the bytes. In a piece with many candidates one that was left out soon has another turn: words change more than
 * long runs of Han do.
 *
 * The draws: with i = b + s for step s (from 0) of the piece that begins at byte b of its document, u is word i mod 4 of draw i / 4 under the key (seed, "bpe
 * dropout", document), over 2^32; the candidates left out are the first ones, as many as there are k >= 1 with u < p^k (at most all). That has the
 * distribution of 3, with one number a step. A piece of n bytes takes no more than n numbers, so no two pieces of a document share one, and the
 * ids are a pure function of (seed, document, place, piece, p).
 *
 * A piece of n bytes whose ordinary ids are m had n - m merges. Where none of the first n - m numbers is below p nothing was left out, and the ids are
 * these: so most short pieces need no merging here either (bpe_dropout_spares).
 */
#ifndef QUERN_TOKENIZER_BPE_DROPOUT_H
#define QUERN_TOKENIZER_BPE_DROPOUT_H

#include "base/hash.h"
#include "base/random.h"
#include "tokenizer/encode/bpe_index.h"

struct bpe_dropout {
    double rate; /* p, 0..1 */
    q_random_key key;
};

static inline struct bpe_dropout bpe_dropout_of(double rate, uint64_t seed, q_hash document)
{
    return (struct bpe_dropout){rate, q_random_key_of(seed, "bpe dropout", document.high, document.low)};
}

/* Whether a piece at byte `position` is merged as ever in its first `steps` steps. */
bool bpe_dropout_spares(const struct bpe_dropout *dropout, uint64_t position, size_t steps);

/* Merges a piece that begins at byte `position` of its document. ids: room for `size` of them; *count is how many came. Time: n log n / (1 - p) for
 * long pieces. Q_ERR_MEMORY also for a piece of 4 GiB. */
q_status bpe_dropout_merge(const struct tokenizer *tokenizer, struct bpe_workspace *workspace,
                           const struct bpe_dropout *dropout, uint64_t position, const uint8_t *piece, size_t size,
                           uint32_t *ids, size_t *count) Q_MUST_USE;
/* The two ways of it, for tests: a size of 1 to BPE_DROPOUT_SHORT_MAX; any size from 1 on. */
enum { BPE_DROPOUT_SHORT_MAX = 96 };
size_t bpe_dropout_short(const struct tokenizer *tokenizer, const struct bpe_dropout *dropout, uint64_t position,
                         const uint8_t *piece, size_t size, uint32_t *ids);
q_status bpe_dropout_long(const struct tokenizer *tokenizer, struct bpe_workspace *workspace,
                          const struct bpe_dropout *dropout, uint64_t position, const uint8_t *piece, size_t size,
                          uint32_t *ids, size_t *count) Q_MUST_USE;

#endif
