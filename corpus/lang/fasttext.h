/* Supervised fastText models (.bin, .ftz): a text's labels with their probabilities.
 *
 * Reads what fastText 0.9 writes (format versions 11 and 12): softmax, hierarchical softmax, one-vs-all and negative-sampling losses; subwords, word
 * n-grams; quantised matrices with or without norms, pruned by a cutoff. Labels and probabilities are those of its `predict` on the text as one line
 * (https://github.com/facebookresearch/fastText, src/dictionary.cc, src/loss.cc; Joulin et al., "Bag of tricks for efficient text classification", 2016; the
 * quantised form: "FastText.zip", 2016), within 1e-6, its habits included: a word that begins with "__label__" is no word, a word "</s>" ends the
 * text, and 1e-5 is added to every probability (for a hierarchical softmax: to every decision on the way).
 *
 * The library is not used because it trusts its file: a damaged one ends in std::bad_alloc, a read beyond an array or an endless loop. Here every count
 * is checked against the file's size before anything is allocated for it, and every index before it is used.
 *
 * A model never changes once it is loaded: any number of threads may ask it, each with a scratch of its own. Both matrices are kept as 32-bit floats,
 * quantised ones too, so that one way of adding rows serves all: memory is 4 bytes x (rows of input + labels) x dimensions, and the words.
 */
#ifndef QUERN_CORPUS_FASTTEXT_H
#define QUERN_CORPUS_FASTTEXT_H

#include "base/hash.h"
#include "base/memory.h"

struct fasttext_model;
struct fasttext_scratch;

enum {
    FASTTEXT_DIMENSIONS_MAX = 1 << 14,
    FASTTEXT_NGRAM_MAX = 64, /* of characters in a subword, of words in an n-gram: the work per byte is bounded by it */
    FASTTEXT_LABELS_MAX = 1 << 24, /* one-vs-all models have a label per tag, not per language */
};
#define FASTTEXT_MATRIX_BYTES_MAX ((uint64_t)16 << 30) /* of either matrix as floats */

/* Q_ERR_INPUT where the file is no supervised fastText model, is damaged or has more behind its end; the text names the file and what is wrong. */
q_status fasttext_load(const char *path, struct fasttext_model **out) Q_MUST_USE;
void fasttext_release(struct fasttext_model *model); /* NULL is allowed */

q_hash fasttext_hash(const struct fasttext_model *model); /* of the file's bytes */
uint32_t fasttext_label_count(const struct fasttext_model *model);
/* As the file has it, with "__label__" in front. Borrowed from the model. */
q_string fasttext_label(const struct fasttext_model *model, uint32_t label);

q_status fasttext_scratch_create(const struct fasttext_model *model, struct fasttext_scratch **out) Q_MUST_USE;
void fasttext_scratch_release(struct fasttext_scratch *scratch); /* NULL is allowed */

/* Probabilities of all labels, by label, 0..1 (a one-vs-all model's do not sum to 1), valid until the scratch is used again; *probabilities is NULL where
 * nothing of the text is known to the model. text: any bytes; line ends are spaces. Time is linear in the text; the scratch grows to 2 bytes per byte of
 * it at most where the model has word n-grams. Fails for memory only. */
q_status fasttext_predict(const struct fasttext_model *model, struct fasttext_scratch *scratch, q_string text,
                          const float **probabilities) Q_MUST_USE;

#endif
