#include "base/bytes.h"
#include "base/check.h"
#include "corpus/text/word_matcher_private.h"

#include <pthread.h>
#include <unicode/uchar.h>

/* --- characters -------------------------------------------------------------------------------------------------------------------- */

static struct corpus_matcher_characters characters;
static pthread_once_t once = PTHREAD_ONCE_INIT;

uint32_t corpus_matcher_fold_far(uint32_t c)
{
    return u_isUWhiteSpace((UChar32)c) ? ' ' : (uint32_t)u_foldCase((UChar32)c, U_FOLD_CASE_DEFAULT);
}

unsigned corpus_matcher_kind_far(uint32_t c)
{
    const unsigned class = corpus_character_class(corpus_character_classes(), c);
    if (class & (CORPUS_DENSE | CORPUS_SPARSE))
        return class & CORPUS_DENSE ? CORPUS_KIND_DENSE : CORPUS_KIND_SPARSE;
    return U_GET_GC_MASK((UChar32)c) & (U_GC_L_MASK | U_GC_M_MASK | U_GC_N_MASK | U_GC_PC_MASK) ? CORPUS_KIND_WORD : 0;
}

static void make_characters(void)
{
    for (uint32_t c = 0; c < CORPUS_CLASS_TABLE; c++) {
        characters.folded[c] = (uint16_t)corpus_matcher_fold_far(c); /* none of these is folded to one beyond */
        characters.kinds[c] = (uint8_t)corpus_matcher_kind_far(c);
    }
}

const struct corpus_matcher_characters *corpus_matcher_characters(void)
{
    pthread_once(&once, make_characters);
    return &characters;
}

/* --- searching --------------------------------------------------------------------------------------------------------------------- */

uint32_t corpus_matcher_child(const struct corpus_matcher *m, uint32_t state, uint16_t symbol)
{
    uint32_t low = m->first[state], high = m->first[state + 1], end = high;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (m->symbol[middle] < symbol)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end && m->symbol[low] == symbol ? low : 0;
}

/* From a state without a row. Each fall shortens what the state stands for, which grows by one a byte: two steps a byte at most in the long run. */
static uint32_t step_far(const struct corpus_matcher *m, uint32_t place, uint16_t symbol)
{
    uint32_t state = place - m->row_places + m->row_states, child;
    if (!symbol)
        return 0;
    if (corpus_matcher_is_space(m, symbol) && corpus_matcher_is_space(m, m->symbol[state]))
        return place; /* the space goes on */
    while (!(child = corpus_matcher_child(m, state, symbol))) {
        state = m->fall[state];
        if (state < m->row_states)
            return m->rows[(state << m->row_shift) + symbol];
    }
    return corpus_matcher_place(m, child);
}

static inline uint32_t step(const struct corpus_matcher *m, uint32_t place, uint16_t symbol)
{
    return place < m->row_places ? m->rows[place + symbol] : step_far(m, place, symbol);
}

static bool word_follows(const struct corpus_matcher *m, const uint8_t *at, const uint8_t *end)
{
    size_t size;
    if (at == end)
        return false;
    return corpus_matcher_kind(m->characters, corpus_matcher_fold(m->characters, corpus_character_at(at, &size))) &
           CORPUS_KIND_WORD;
}

/* A character beyond ASCII; returns its bytes. */
static size_t step_wide(const struct corpus_matcher *m, const uint8_t *at, uint32_t *place, unsigned *behind_word)
{
    uint8_t bytes[4];
    size_t size;
    const uint32_t c = corpus_matcher_fold(m->characters, corpus_character_at(at, &size));
    const size_t count = corpus_matcher_utf8(c, bytes);
    *place = step(m, *place, m->symbols[*behind_word][bytes[0]]);
    for (size_t i = 1; i < count; i++)
        *place = step(m, *place, m->symbols[0][bytes[i]]);
    *behind_word = corpus_matcher_kind(m->characters, c) & CORPUS_KIND_WORD;
    return size;
}

#define EVERY 0x0101010101010101u

/* Of eight bytes, the top bit of each that is an ASCII letter, digit or '_'. */
static inline uint64_t word_bytes(uint64_t eight)
{
    const uint64_t top = 0x80 * EVERY, low = eight & ~top, lower = low | CORPUS_FILTER_CASE;
    const uint64_t letter = (lower + (0x80 - 'a') * EVERY) & ~(lower + (0x7F - 'z') * EVERY);
    const uint64_t digit = (low + (0x80 - '0') * EVERY) & ~(low + (0x7F - '9') * EVERY);
    const uint64_t connector = ~((low ^ '_' * EVERY) + 0x7F * EVERY);
    return (letter | digit | connector) & ~eight & top;
}

/* The top bits of eight bytes as the lowest bits. */
static inline uint64_t gather(uint64_t tops)
{
    return (tops >> 7) * 0x0102040810204080u >> 56;
}

static inline uint64_t eight_at(const uint8_t *at, const uint8_t *end)
{
    uint8_t last[8] = {0};
    if (end - at >= 8)
        return q_load_u64(at);
    memcpy(last, at, (size_t)(end - at));
    return q_load_u64(last);
}

/* Whether an entry may begin with the word that begins at `at`. */
static inline bool is_listed(const struct corpus_matcher *m, const uint8_t *at, const uint8_t *end)
{
    const uint64_t eight = eight_at(at, end), others = ~word_bytes(eight) & 0x80 * EVERY;
    const uint64_t of_word = ((others & (0 - others)) >> 7) - 1; /* all bytes below the first other one */
    const uint64_t bit = corpus_matcher_filter_bit(m, (eight | CORPUS_FILTER_CASE) & of_word);
    return m->filter[bit / 64] >> bit % 64 & 1;
}

/* Whether the word that begins at `at` goes on beyond ASCII. */
static bool goes_on_wide(const struct corpus_matcher *m, const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at < 0x80 && m->characters->kinds[*at])
        at++;
    return at < end && *at >= 0x80;
}

/* Whether an entry may begin with this character, of which it says the size and whether it is a word character. */
static inline bool begins_wide(const struct corpus_matcher *m, const uint8_t *at, uint64_t before, size_t *size,
                               uint64_t *is_word)
{
    const uint32_t c = corpus_matcher_fold(m->characters, corpus_character_at(at, size));
    const unsigned kind = corpus_matcher_kind(m->characters, c);
    const bool sided = !(kind & (CORPUS_KIND_DENSE | CORPUS_KIND_SPARSE));
    *is_word = kind & CORPUS_KIND_WORD;
    return !(before && sided) && m->firsts[c % CORPUS_CLASS_TABLE / 64] >> c % 64 & 1;
}

/* From the automaton's beginning: the next character by which it may leave it, or the end. That is one beyond ASCII that an entry begins with, or the
 * first of a word that one begins with or that goes on beyond ASCII. The others, which are most words of a text, are passed by here at several times the
 * automaton's speed. */
static const uint8_t *skip(const struct corpus_matcher *m, const uint8_t *at, const uint8_t *end, unsigned *behind_word)
{
    enum { BLOCK = 64 };
    uint64_t before = *behind_word != 0;
    while (at < end) {
        if (*at >= 0x80) {
            size_t bytes;
            uint64_t is_word;
            if (begins_wide(m, at, before, &bytes, &is_word))
                break;
            before = is_word;
            at += bytes;
            continue;
        }
        unsigned size = (unsigned)Q_MIN(BLOCK, end - at), first = 0;
        uint64_t words = 0, wide = 0;
        for (unsigned i = 0; i < size; i += 8) {
            const uint64_t eight = eight_at(at + i, end);
            words |= gather(word_bytes(eight)) << i;
            wide |= gather(eight & 0x80 * EVERY) << i;
        }
        size = wide ? (unsigned)__builtin_ctzll(wide) : size;
        const uint64_t last = (uint64_t)1 << (size - 1);
        uint64_t starts = words & ~(words << 1 | before) & (last - 1 + last);
        const bool began = starts != 0;
        for (; starts; starts &= starts - 1) {
            first = (unsigned)__builtin_ctzll(starts);
            if (is_listed(m, at + first, end))
                return *behind_word = 0, at + first;
        }
        if (began && words & last && goes_on_wide(m, at + first, end))
            return *behind_word = 0, at + first;
        before = (words & last) != 0;
        at += size;
    }
    return *behind_word = (unsigned)before, at;
}

uint64_t corpus_matcher_count(const struct corpus_matcher *m, q_string text)
{
    const uint8_t *at = (const uint8_t *)text.data, *end = at + text.size;
    const uint8_t *kinds = m->characters->kinds;
    uint32_t place = 0;
    unsigned behind_word = 0;
    uint64_t count = 0;
    while (at < end) {
        if (place == 0 && m->filter && (at = skip(m, at, end, &behind_word)) == end)
            break;
        if (*at < 0x80) {
            place = step(m, place, m->symbols[behind_word][*at]);
            behind_word = kinds[*at++];
        } else {
            at += step_wide(m, at, &place, &behind_word);
        }
        if (place <= CORPUS_PLACE_MASK)
            continue;
        const bool ends = place >> CORPUS_PLACE_BITS & CORPUS_ENDS || !word_follows(m, at, end);
        place = ends ? 0 : place & CORPUS_PLACE_MASK;
        count += ends;
    }
    return count;
}

uint64_t corpus_word_runs(q_string text)
{
    const struct corpus_matcher_characters *table = corpus_matcher_characters();
    const uint8_t *at = (const uint8_t *)text.data, *end = at + text.size;
    uint64_t runs = 0, dense = 0, sparse = 0;
    unsigned before = 0;
    for (size_t size; at < end; at += size) {
        const unsigned kind = corpus_matcher_kind(table, corpus_character_at(at, &size));
        runs += kind & ~before & CORPUS_KIND_WORD;
        dense += (kind & CORPUS_KIND_DENSE) != 0;
        sparse += (kind & CORPUS_KIND_SPARSE) != 0;
        before = kind;
    }
    return runs + (dense + 1) / 2 + (sparse + 3) / 4;
}
