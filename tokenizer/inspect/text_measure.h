/* What several vocabularies make of the same texts: tokens by language, how often each token is used, and whether everything comes back.
 *
 * The texts are read once; every document is encoded with each vocabulary by whichever thread has it, and only sums are kept, so memory does not depend on
 * how much text there is, and the result not on the threads.
 *
 *     language   documents  bytes  characters  words    tokens[vocabulary 0], [1], ...
 *     de         12         81,204 80,011      11,930   20,102                19,377
 *
 * A character is a code point. A word is a run of characters other than white space that holds a letter or a number; languages a fifth of whose
 * letters are of scripts written without blanks (Han, kana, Thai, Lao, Khmer, Myanmar, Tibetan) have no count of words worth showing.
 */
#ifndef QUERN_TOKENIZER_TEXT_MEASURE_H
#define QUERN_TOKENIZER_TEXT_MEASURE_H

#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/threads.h"
#include "tokenizer/count/text_source.h"
#include "tokenizer/tokenizer.h"

#include <stdbool.h>
#include <stdint.h>

enum { TEXT_MEASURE_VOCABULARIES_MAX = 16 };

struct measured_language {
    q_string name;                                /* "und" where the documents say none; "all" is the sum */
    uint64_t documents, bytes, characters, words; /* words of `all`: 0 where one of the languages has none */
    uint64_t letters, unspaced;                   /* unspaced: those of scripts written without blanks */
    uint64_t tokens[TEXT_MEASURE_VOCABULARIES_MAX];
};

struct text_measure {
    const struct tokenizer *tokenizers[TEXT_MEASURE_VOCABULARIES_MAX]; /* borrowed */
    size_t count;
    struct q_arena arena;
    struct measured_language *languages; /* by falling bytes, then by name */
    size_t language_count, language_capacity;
    struct measured_language all;
    uint64_t *uses[TEXT_MEASURE_VOCABULARIES_MAX]; /* [tokenizer_size]: how often each id was given */
    /* Documents whose ids do not decode to the same bytes: those that a normaliser changes. */
    uint64_t changed[TEXT_MEASURE_VOCABULARIES_MAX];
};

/* Measures all that is left of the source, or only its held-out documents, which no vocabulary of the run was trained on.
 * 1 <= count <= TEXT_MEASURE_VOCABULARIES_MAX. Progress is the caller's to start and finish, in stored bytes.
 * Q_STOPPED when asked to stop. Release also after a failure. */
q_status text_measure(struct text_source *source, struct q_pool *pool, const struct tokenizer *const *tokenizers,
                      size_t count, bool held_out_only, struct text_measure *out) Q_MUST_USE;
void text_measure_release(struct text_measure *measure);

/* Whether words may be counted in a language. */
bool measured_words_make_sense(const struct measured_language *language);

/* How evenly the tokens are used: Renyi entropy of order 2.5 of their frequencies over that of an even use of the whole vocabulary, 0..1 (Zouhar et al.
 * 2023, "Tokenization and the Noiseless Channel"). 0 where nothing was measured. */
double measured_evenness(const struct text_measure *measure, size_t vocabulary);
/* Ids that were given at least once. */
uint32_t measured_used(const struct text_measure *measure, size_t vocabulary);

/* Appends the language's members to an open JSON object: documents, bytes, characters, words (null where they make no sense). */
void measured_language_json(const struct measured_language *language, struct q_json *json);

#endif
