/* Repetition within a document (Rae et al., "Scaling language models", 2021, appendix A1.1, table A1). The paper does not say what is counted, and two
 * public programs differ: datatrove 0.9 (GopherRepetitionFilter) counts the copies beyond the first, over all characters of the text; DCLM
 * (massive_web_repetition_filters) counts every copy, over the characters of words. Both are here: `extra_` and `every_`.
 *
 * What makes it fast: an n-gram can only be there twice if both (n-1)-grams in it are. So the pairs of words are counted in a table, and each longer
 * n-gram only where its parts were found twice; of ordinary text hardly anything is left at n = 5. An n-gram is told by the first places of its two parts.
 * `corpus_repetition_plain` says the same without that.
 *
 * What bounds memory: where millions of n-grams are different, they are counted in up to 16 turns, each turn those whose hashes say so, in one small table.
 */
#ifndef QUERN_CORPUS_REPETITION_H
#define QUERN_CORPUS_REPETITION_H

#include "corpus/text/hash_set.h"
#include "corpus/text/words.h"

enum {
    CORPUS_TOP_GRAM_MIN = 2,
    CORPUS_TOP_GRAM_MAX = 4,
    CORPUS_DUPLICATE_GRAM_MIN = 5,
    CORPUS_DUPLICATE_GRAM_MAX = 10,
};

enum {
    CORPUS_TOP_GRAMS = CORPUS_TOP_GRAM_MAX - CORPUS_TOP_GRAM_MIN + 1,
    CORPUS_DUPLICATE_GRAMS = CORPUS_DUPLICATE_GRAM_MAX - CORPUS_DUPLICATE_GRAM_MIN + 1,
};

/* Sizes are in characters. */
struct corpus_repetition {
    uint64_t word_characters;
    uint64_t paragraphs; /* between two line ends or more */
    uint64_t extra_paragraphs, extra_paragraph_characters;
    uint64_t every_paragraphs, every_paragraph_characters; /* the characters without the line ends within */
    /* n = 2..4: the most frequent n-gram, as often as it is there. extra: with the blanks between its words; of those that are as frequent, the first.
     * every: without blanks, the longest of them */
    uint64_t extra_top_grams[CORPUS_TOP_GRAMS], every_top_grams[CORPUS_TOP_GRAMS];
    /* n = 5..10. extra: n-grams that were there before, going on behind each. every: words in n-grams that are there twice */
    uint64_t extra_grams[CORPUS_DUPLICATE_GRAMS], every_grams[CORPUS_DUPLICATE_GRAMS];
};

/* Kept from document to document; ready when zeroed. At most 13 bytes a word and a table of 32 MiB, or of 3 bytes a word where that is more. */
struct corpus_repetition_scratch {
    struct corpus_hash_set
        set;           /* of paragraphs, then of the n-grams of one length: of a share of them, where there are many */
    size_t turn_grams; /* different n-grams counted in a turn; 0: as many as a table of 32 MiB has room for */
    uint32_t *places;  /* words at which an n-gram begins that is there twice, in order */
    uint32_t *firsts, *next; /* of each place: the first place with the same n-gram; those of n-grams one word longer */
    uint8_t *repeated;       /* by word: the longest n of n-grams that begin there and are there twice */
    size_t capacity[4], place_count;
};
void corpus_repetition_release(struct corpus_repetition_scratch *scratch);

/* text as for corpus_measure. The text has less than 2^32 bytes. Fails for want of memory only. */
q_status corpus_repetition_measure(q_string text, const struct corpus_words *words,
                                   struct corpus_repetition_scratch *scratch, struct corpus_repetition *out) Q_MUST_USE;
/* The twin: every n-gram in a table of its own. */
q_status corpus_repetition_plain(q_string text, const struct corpus_words *words,
                                 struct corpus_repetition_scratch *scratch, struct corpus_repetition *out) Q_MUST_USE;

#endif
