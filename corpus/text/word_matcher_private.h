/* What word_matcher.c and word_matcher_build.c share. */
#ifndef QUERN_CORPUS_WORD_MATCHER_PRIVATE_H
#define QUERN_CORPUS_WORD_MATCHER_PRIVATE_H

#include "corpus/text/character_class.h"
#include "corpus/text/word_matcher.h"

/* --- characters -------------------------------------------------------------------------------------------------------------------- */

enum corpus_matcher_kind {
    CORPUS_KIND_WORD = 1, /* a word character of a script with spaces; */
    CORPUS_KIND_DENSE = 2,
    CORPUS_KIND_SPARSE = 4, /* letters of the others */
};

struct corpus_matcher_characters {
    uint16_t folded[CORPUS_CLASS_TABLE]; /* in lower case; all white space is ' ' */
    uint8_t kinds[CORPUS_CLASS_TABLE];
};

/* Made at the first call (thread-safe). */
const struct corpus_matcher_characters *corpus_matcher_characters(void);
uint32_t corpus_matcher_fold_far(uint32_t character); /* of characters beyond the table */
unsigned corpus_matcher_kind_far(uint32_t character);

static inline uint32_t corpus_matcher_fold(const struct corpus_matcher_characters *table, uint32_t c)
{
    return c < CORPUS_CLASS_TABLE ? table->folded[c] : corpus_matcher_fold_far(c);
}

static inline unsigned corpus_matcher_kind(const struct corpus_matcher_characters *table, uint32_t c)
{
    return c < CORPUS_CLASS_TABLE ? table->kinds[c] : corpus_matcher_kind_far(c);
}

/* The character's bytes; returns how many. */
static inline size_t corpus_matcher_utf8(uint32_t c, uint8_t out[4])
{
    if (c < 0x80)
        return out[0] = (uint8_t)c, 1;
    const size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = size; --i; c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 0x3F));
    out[0] = (uint8_t)(0xF00 >> size | c);
    return size;
}

/* --- the automaton ----------------------------------------------------------------------------------------------------------------- */

/* A place is a state as the loop over a text has it: the offset of its row or, behind all rows, its number among the states that have none; and above it
 * what ends there. */
enum {
    CORPUS_PLACE_BITS = 30,
    CORPUS_PLACE_MASK = (1 << CORPUS_PLACE_BITS) - 1,
    CORPUS_ENDS_ALONE = 1, /* an entry ends in the state, if no word character follows; */
    CORPUS_ENDS = 2,       /* an entry ends, whatever follows */
};

struct corpus_matcher {
    const struct corpus_matcher_characters *characters;
    bool anywhere;
    struct q_buffer added, normal; /* while it is made: entries as they are searched for; an entry in NFC */
    uint64_t added_entries, added_pairs, entries;

    uint16_t symbols[2]
                    [256]; /* of a byte, [1]: that begins a character behind a word character; 0: it is in no entry */
    uint32_t *rows;        /* places */
    uint32_t row_states, row_shift, row_places; /* states with a row, 1 << row_shift long; their product */
    uint32_t states;
    uint32_t *
        first; /* of states + 1: the first child; children are numbered one behind the other, sorted by symbol, up to those of the next state */
    uint32_t *fall;   /* the longest other state that the state's text ends with */
    uint16_t *symbol; /* that leads to the state */
    uint8_t *ends;

    uint64_t *filter; /* bits of the first words that entries have; NULL: entries begin otherwise, too */
    unsigned filter_shift;
    uint64_t firsts[CORPUS_CLASS_TABLE /
                    64]; /* with a filter: bits of the characters that entries begin with, modulo 65,536 */
};

/* The bit of a word of ASCII letters, digits and '_', of which `key` has the first eight bytes, without their case and with zeros behind a shorter one. */
static inline uint64_t corpus_matcher_filter_bit(const struct corpus_matcher *m, uint64_t key)
{
    return (key * 0x9E3779B97F4A7C15u) >> m->filter_shift;
}
#define CORPUS_FILTER_CASE 0x2020202020202020u

/* 0: none. */
uint32_t corpus_matcher_child(const struct corpus_matcher *matcher, uint32_t state, uint16_t symbol);

static inline uint32_t corpus_matcher_place(const struct corpus_matcher *m, uint32_t state)
{
    const uint32_t place = state < m->row_states ? state << m->row_shift : m->row_places + (state - m->row_states);
    return place | (uint32_t)m->ends[state] << CORPUS_PLACE_BITS;
}

/* Whether the symbol is white space. A state that ends in it stays where more of it follows. */
static inline bool corpus_matcher_is_space(const struct corpus_matcher *m, uint16_t symbol)
{
    return symbol && (symbol == m->symbols[0][' '] || symbol == m->symbols[1][' ']);
}

#endif
