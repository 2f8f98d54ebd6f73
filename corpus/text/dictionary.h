/* Words of scripts without spaces by ICU's dictionaries (Chinese and Japanese, Thai, Lao, Khmer, Burmese). Tibetan has none there: a run between its marks
 * of syllables is one word. */
#ifndef QUERN_CORPUS_DICTIONARY_H
#define QUERN_CORPUS_DICTIONARY_H

#include "base/status.h"
#include "base/string.h"

/* One per thread. Fails (Q_ERR_SYSTEM) where ICU's data is missing. */
struct corpus_dictionary;
q_status corpus_dictionary_create(struct corpus_dictionary **out) Q_MUST_USE;
void corpus_dictionary_release(struct corpus_dictionary *dictionary); /* NULL is allowed */

/* The words of a run of letters, which must stay where it is meanwhile: begin, then next until it gives SIZE_MAX. next: bytes of the run up to the end of
 * the next word. Work is linear in the run. begin: valid UTF-8; fails for want of memory only. */
q_status corpus_dictionary_begin(struct corpus_dictionary *dictionary, q_string run) Q_MUST_USE;
size_t corpus_dictionary_next(struct corpus_dictionary *dictionary);

#endif
