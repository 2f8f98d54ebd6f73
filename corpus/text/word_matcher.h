/* Word matcher: how often any of many listed words and phrases stands in a text.
 *
 * An occurrence is a place where an entry ends that does not overlap the occurrence before: the text is read from its beginning, and behind one the search
 * begins anew. Upper and lower case are the same (Unicode's simple case folding, text and entries in NFC), a run of white space is one space. An entry
 * stands only where no word character is beside it, a word character being a letter, mark, number or connector (Unicode's general categories L, M, N, Pc):
 * "ass" is not in "class", "c++" not in "c++x". Scripts that are written without spaces (CORPUS_DENSE, CORPUS_SPARSE of character_class.h) have no such
 * sides: there an entry is found anywhere, and their letters beside others are no word characters. Where datatrove's C4BadWordsFilter finds something in
 * such a language it finds Latin words within words too; and a mark is no word character to it, so that in Hindi it finds beginnings of words.
 *
 * It is the automaton of Aho and Corasick ("Efficient string matching: an aid to bibliographic search", 1975) over pairs of a byte and whether a word
 * character stands before it; so sides cost nothing and the time is linear in the text, whatever it holds. States are numbered by depth: the first ones,
 * where a text mostly is, have a row with every next state, the others a list of children and a state to fall back to.
 *
 *     states   0 (nothing read) | 1 .. of one byte | .. of two bytes | ..
 *              <-------- rows, 1 MiB in all ---------><--- 11 bytes a state --->
 *
 * Before the automaton stands a filter: where all entries begin with a word, ASCII text is passed by 64 bytes at a time, and only words whose first eight
 * bytes are those of an entry's first word are looked at, beyond ASCII only characters that an entry begins with.
 *
 * Memory: at most 3 MiB for rows and filter, and 11 bytes for each byte of the entries that no other entry begins with (in scripts without spaces twice);
 * three times that and 30 bytes an entry more while it is made.
 */
#ifndef QUERN_CORPUS_WORD_MATCHER_H
#define QUERN_CORPUS_WORD_MATCHER_H

#include "base/memory.h"

enum { CORPUS_MATCHER_BYTES_MAX = 1 << 28 }; /* of all entries */

struct corpus_matcher;

/* anywhere: entries have no sides in any script. Add entries, then finish; from then on it is only read, by any number of threads. */
q_status corpus_matcher_create(bool anywhere, struct corpus_matcher **out) Q_MUST_USE;
/* entry: valid UTF-8. *taken is false where it has no word character, and so is not searched for. Q_ERR_INPUT where all entries are larger than
 * CORPUS_MATCHER_BYTES_MAX. */
q_status corpus_matcher_add(struct corpus_matcher *matcher, q_string entry, bool *taken) Q_MUST_USE;
q_status corpus_matcher_finish(struct corpus_matcher *matcher) Q_MUST_USE;
void corpus_matcher_release(struct corpus_matcher *matcher); /* NULL is allowed */

/* Different entries that were taken. */
uint64_t corpus_matcher_entries(const struct corpus_matcher *matcher);

/* Occurrences in a text: valid UTF-8, in NFC. */
uint64_t corpus_matcher_count(const struct corpus_matcher *matcher, q_string text);

/* Words as occurrences are shares of: runs of word characters; in scripts without spaces two letters, or four, are one (as in words.h). */
uint64_t corpus_word_runs(q_string text);

#endif
