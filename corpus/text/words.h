/* Words: a text cut into what the rules count and compare.
 *
 * The cuts are those of spaCy 3's English tokenizer, which datatrove's filters use, so that verdicts agree with theirs: runs between white space; off
 * both ends punctuation, quotes, currencies and icons, a character a word, two or more dots one word; inside, at hyphens between letters, at commas,
 * colons, slashes between letters, at a full stop between lower and upper case; clitics ("do|n't", "John|'s"). Full stops stay with abbreviations
 * ("Mr.", "e.g."). What looks like an address of the web is one word. Of spaCy's 1,300 exceptions only the frequent ones are here; docs/rules.md has
 * the differences seen.
 *
 * Scripts that are written without spaces (Han, kana; Thai, Lao, Khmer, Myanmar, Tibetan) have no such runs: there a word is two letters, or four; or, with
 * a dictionary, what ICU finds there. That goes by script, not by the document's language: mixed text needs no switch, and a wrong language breaks nothing.
 *
 * Linear in the text. Memory: 16 bytes per word.
 */
#ifndef QUERN_CORPUS_WORDS_H
#define QUERN_CORPUS_WORDS_H

#include "base/memory.h"
#include "corpus/text/dictionary.h"

enum corpus_word_flag {
    CORPUS_WORD_LETTER = 1 << 0,       /* has a letter */
    CORPUS_WORD_PLAIN = 1 << 1,        /* has a character that is no CORPUS_SYMBOL */
    CORPUS_WORD_END = 1 << 2,          /* is one mark that ends sentences */
    CORPUS_WORD_PUNCTUATION = 1 << 3,  /* has nothing but punctuation */
    CORPUS_WORD_BEGINS_LINE = 1 << 4,  /* is the first one of its line */
    CORPUS_WORD_BEGINS_CHUNK = 1 << 5, /* stands behind white space, or begins the text */
    CORPUS_WORD_ESTIMATED = 1 << 6,    /* of a script without spaces: cut by number of letters */
};

struct corpus_word {
    uint64_t hash; /* of its bytes, exact case */
    uint32_t characters;
    uint32_t flags; /* enum corpus_word_flag */
};

/* How languages differ. */
struct corpus_word_style {
    struct corpus_dictionary *dictionary; /* borrowed; NULL: scripts without spaces are cut by number of letters */
    bool keep_hyphens;                    /* words are not cut at hyphens */
    bool cut_elisions;                    /* "l'eau" is "l'|eau" */
};

struct corpus_words {
    struct corpus_word *items;
    size_t count, capacity;
    struct corpus_word_style style;
};

/* text: valid UTF-8. The words replace what was there; set words->style before. Fails for want of memory only. */
q_status corpus_words_cut(q_string text, struct corpus_words *words) Q_MUST_USE;
void corpus_words_release(struct corpus_words *words);

/* The hash that a word of these bytes has. */
uint64_t corpus_word_hash(q_string word);

#endif
