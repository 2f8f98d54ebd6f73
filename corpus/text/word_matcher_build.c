/* The word matcher's automaton, made of its entries. */
#include "base/check.h"
#include "corpus/text/unicode_nfc.h"
#include "corpus/text/word_matcher_private.h"

enum {
    PAIRS = 512, /* a byte, and 256 where it begins a character behind a word character */
    BEHIND_WORD = 256,
    ADDED_PAIRS_MAX = CORPUS_MATCHER_BYTES_MAX * 2,
    ROW_BYTES = 1 << 20, /* of all rows */
};

q_status corpus_matcher_create(bool anywhere, struct corpus_matcher **out)
{
    Q_TRY(q_alloc_zero(1, sizeof **out, out));
    (*out)->anywhere = anywhere;
    (*out)->characters = corpus_matcher_characters();
    return Q_OK;
}

void corpus_matcher_release(struct corpus_matcher *m)
{
    if (!m)
        return;
    q_buffer_release(&m->added);
    q_buffer_release(&m->normal);
    q_release(m->rows);
    q_release(m->first);
    q_release(m->fall);
    q_release(m->symbol);
    q_release(m->ends);
    q_release(m->filter);
    q_release(m);
}

uint64_t corpus_matcher_entries(const struct corpus_matcher *m)
{
    return m->entries;
}

/* --- adding ------------------------------------------------------------------------------------------------------------------------ */

/* In m->added an entry is this, and behind it its pairs, uint16_t each. */
struct shape {
    uint32_t size; /* pairs */
    uint8_t ends;
    uint8_t first, last, any; /* kinds of the first and last character, and of all together */
};

static q_status append_character(struct corpus_matcher *m, uint32_t c, struct shape *shape)
{
    uint8_t bytes[4];
    const size_t count = corpus_matcher_utf8(c, bytes);
    const unsigned kind = corpus_matcher_kind(m->characters, c);
    for (size_t i = 0; i < count; i++) {
        const bool behind = i == 0 && shape->last & CORPUS_KIND_WORD;
        const uint16_t pair = (uint16_t)(bytes[i] + (behind ? BEHIND_WORD : 0));
        Q_TRY(q_buffer_append(&m->added, &pair, sizeof pair));
    }
    shape->first = shape->size ? shape->first : (uint8_t)kind;
    shape->last = (uint8_t)kind;
    shape->any |= (uint8_t)kind;
    shape->size += (uint32_t)count;
    return Q_OK;
}

/* White space at the ends is left out, a run of it inside is one space. */
static q_status append_pairs(struct corpus_matcher *m, q_string entry, struct shape *shape)
{
    const uint8_t *at = (const uint8_t *)entry.data, *end = at + entry.size;
    bool space = false;
    for (size_t size; at < end; at += size) {
        const uint32_t c = corpus_matcher_fold(m->characters, corpus_character_at(at, &size));
        if (c != ' ' && space)
            Q_TRY(append_character(m, ' ', shape));
        if (c != ' ')
            Q_TRY(append_character(m, c, shape));
        space = c == ' ' && shape->size;
    }
    return Q_OK;
}

static bool append_normal(void *context, const char *bytes, size_t count)
{
    return q_buffer_append(context, bytes, count) == Q_OK;
}

static q_status normalise(struct corpus_matcher *m, q_string *entry)
{
    if (corpus_nfc_is(entry->data, entry->size))
        return Q_OK;
    q_buffer_clear(&m->normal);
    if (!corpus_nfc_write(entry->data, entry->size, append_normal, &m->normal))
        return q_fail(Q_ERR_MEMORY, "no memory for an entry in NFC");
    *entry = q_buffer_string(&m->normal);
    return Q_OK;
}

/* The same entry once more, for where it begins behind a word character. */
static q_status append_variant(struct corpus_matcher *m, size_t from)
{
    const size_t size = m->added.size - from;
    uint16_t pair;
    Q_TRY(q_buffer_reserve(&m->added, size));
    char *copy = m->added.data + m->added.size;
    memcpy(copy, m->added.data + from, size);
    memcpy(&pair, copy + sizeof(struct shape), sizeof pair);
    pair += BEHIND_WORD;
    memcpy(copy + sizeof(struct shape), &pair, sizeof pair);
    m->added.size += size;
    return Q_OK;
}

q_status corpus_matcher_add(struct corpus_matcher *m, q_string entry, bool *taken)
{
    const unsigned no_sides = CORPUS_KIND_DENSE | CORPUS_KIND_SPARSE;
    const size_t from = m->added.size;
    struct shape shape = {0};
    *taken = false;
    if (entry.size > CORPUS_MATCHER_BYTES_MAX)
        return q_fail(Q_ERR_INPUT, "an entry of %zu bytes is too long", entry.size);
    Q_TRY(normalise(m, &entry));
    Q_TRY(q_buffer_append(&m->added, &shape, sizeof shape));
    Q_TRY(append_pairs(m, entry, &shape));
    *taken = shape.any != 0;
    if (!*taken) {
        m->added.size = from;
        return Q_OK;
    }
    shape.ends = m->anywhere || shape.last & no_sides ? CORPUS_ENDS : CORPUS_ENDS_ALONE;
    memcpy(m->added.data + from, &shape, sizeof shape);
    const bool twice = m->anywhere || shape.first & no_sides;
    if (twice)
        Q_TRY(append_variant(m, from));
    m->added_entries += 1 + twice;
    m->added_pairs += (uint64_t)shape.size * (1 + twice);
    return m->added_pairs <= ADDED_PAIRS_MAX
               ? Q_OK
               : q_fail(Q_ERR_INPUT, "more than %d bytes of entries", CORPUS_MATCHER_BYTES_MAX);
}

/* --- states ------------------------------------------------------------------------------------------------------------------------ */

struct entry {
    const uint16_t *pairs;
    uint32_t size;
    uint32_t ends;
};

static int compare_entries(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    for (uint32_t i = 0; i < left->size && i < right->size; i++)
        if (left->pairs[i] != right->pairs[i])
            return left->pairs[i] < right->pairs[i] ? -1 : 1;
    return (left->size > right->size) - (left->size < right->size);
}

static void sort_entries(struct corpus_matcher *m, struct entry *entries)
{
    const char *at = m->added.data;
    for (uint64_t i = 0; i < m->added_entries; i++) {
        struct shape shape;
        memcpy(&shape, at, sizeof shape);
        at += sizeof shape;
        entries[i] = (struct entry){(const uint16_t *)(const void *)at, shape.size, shape.ends};
        at += shape.size * sizeof(uint16_t);
    }
    if (m->added_entries)
        qsort(entries, m->added_entries, sizeof *entries, compare_entries);
}

/* Counts the states and the different entries; symbols are numbers of the pairs there are, in their order. Returns how many symbols, 0 included. */
static uint32_t survey(struct corpus_matcher *m, const struct entry *entries)
{
    bool used[PAIRS] = {false};
    uint32_t symbols = 1;
    m->states = 1;
    for (uint64_t i = 0; i < m->added_entries; i++) {
        const struct entry *e = &entries[i], *before = i ? e - 1 : NULL;
        uint32_t same = 0;
        while (before && same < e->size && same < before->size && e->pairs[same] == before->pairs[same])
            same++;
        m->states += e->size - same;
        m->entries += same < e->size && e->pairs[0] < BEHIND_WORD;
        for (; same < e->size; same++)
            used[e->pairs[same]] = true;
    }
    used[' '] |= used[' ' + BEHIND_WORD]; /* a second space stands behind no word */
    for (uint32_t pair = 0; pair < PAIRS; pair++)
        if (used[pair])
            m->symbols[pair / BEHIND_WORD][pair % BEHIND_WORD] = (uint16_t)symbols++;
    return symbols;
}

/* What is folded to an ASCII character has its symbols. */
static void alias_symbols(struct corpus_matcher *m)
{
    for (unsigned byte = 0; byte < 0x80; byte++)
        for (unsigned behind = 0; behind < 2; behind++)
            m->symbols[behind][byte] = m->symbols[behind][m->characters->folded[byte]];
}

/* The entries that begin with a state's text. */
struct range {
    uint64_t from, to;
};

/* States by depth: a state's entries are cut by their next symbol into those of its children. */
static void number_states(struct corpus_matcher *m, const struct entry *entries, struct range *ranges)
{
    uint32_t made = 1, depth = 0, level_end = 1;
    ranges[0] = (struct range){0, m->added_entries};
    for (uint32_t s = 0; s < m->states; s++) {
        if (s == level_end) {
            depth++;
            level_end = made;
        }
        uint64_t i = ranges[s].from, to = ranges[s].to;
        for (; i < to && entries[i].size == depth; i++)
            m->ends[s] |= (uint8_t)entries[i].ends;
        m->first[s] = made;
        while (i < to) {
            const uint16_t pair = entries[i].pairs[depth];
            ranges[made].from = i;
            while (i < to && entries[i].pairs[depth] == pair)
                i++;
            ranges[made].to = i;
            m->symbol[made++] = m->symbols[pair / BEHIND_WORD][pair % BEHIND_WORD];
        }
    }
    q_check(made == m->states);
    m->first[m->states] = made;
}

/* A state falls to where its parent's falls lead by the same symbol; what ends there ends here too. */
static void set_falls(struct corpus_matcher *m)
{
    for (uint32_t parent = 1; parent < m->states; parent++)
        for (uint32_t s = m->first[parent]; s < m->first[parent + 1]; s++) {
            uint32_t at = m->fall[parent], to;
            while (!(to = corpus_matcher_child(m, at, m->symbol[s])) && at)
                at = m->fall[at];
            m->fall[s] = to;
            m->ends[s] |= m->ends[to];
        }
}

/* A row is that of the state to fall to, which is shorter and so has one, with the state's own children. */
static q_status make_rows(struct corpus_matcher *m, uint32_t symbols)
{
    while (1u << m->row_shift < symbols)
        m->row_shift++;
    m->row_states = Q_MIN(m->states, (uint32_t)(ROW_BYTES / sizeof *m->rows) >> m->row_shift);
    m->row_places = m->row_states << m->row_shift;
    Q_TRY(q_alloc_zero(m->row_places, sizeof *m->rows, &m->rows));
    for (uint32_t s = 0; s < m->row_states; s++) {
        uint32_t *row = m->rows + ((size_t)s << m->row_shift);
        if (s)
            memcpy(row, m->rows + ((size_t)m->fall[s] << m->row_shift), sizeof *row << m->row_shift);
        for (uint32_t child = m->first[s]; child < m->first[s + 1]; child++)
            row[m->symbol[child]] = corpus_matcher_place(m, child);
        if (corpus_matcher_is_space(m, m->symbol[s])) /* the space goes on */
            row[m->symbols[0][' ']] = corpus_matcher_place(m, s);
    }
    return Q_OK;
}

static q_status make_states(struct corpus_matcher *m, const struct entry *entries)
{
    struct range *ranges;
    Q_TRY(q_alloc_zero((size_t)m->states + 1, sizeof *m->first, &m->first));
    Q_TRY(q_alloc_zero(m->states, sizeof *m->fall, &m->fall));
    Q_TRY(q_alloc_zero(m->states, sizeof *m->symbol, &m->symbol));
    Q_TRY(q_alloc_zero(m->states, sizeof *m->ends, &m->ends));
    Q_TRY(q_alloc(m->states, sizeof *ranges, &ranges));
    number_states(m, entries, ranges);
    q_release(ranges);
    set_falls(m);
    return Q_OK;
}

/* --- the filter -------------------------------------------------------------------------------------------------------------------- */

/* Whether the entry begins with a character or a word that skip() can look for: *key is the word's, 0 where it is none of ASCII. */
static bool filter_key(const struct corpus_matcher *m, const struct entry *e, uint64_t *key)
{
    uint32_t size = 0;
    *key = 0;
    for (; size < e->size && (e->pairs[size] & 0xFF) < 0x80 && m->characters->kinds[e->pairs[size] & 0xFF]; size++)
        if (size < 8)
            *key |= (uint64_t)((e->pairs[size] & 0xFF) | 0x20) << 8 * size;
    return size || (e->pairs[0] & 0xFF) >= 0x80;
}

static uint32_t first_character(const struct entry *e)
{
    uint8_t bytes[4];
    size_t size;
    for (uint32_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i < e->size ? (uint8_t)e->pairs[i] : 0;
    return corpus_character_at(bytes, &size);
}

static q_status make_filter(struct corpus_matcher *m, const struct entry *entries)
{
    enum { BITS_PER_ENTRY = 32, LOG_BITS_MIN = 12, LOG_BITS_MAX = 24 };
    unsigned log_bits = LOG_BITS_MIN;
    uint64_t key;
    for (uint64_t i = 0; i < m->added_entries; i++)
        if (m->anywhere || !filter_key(m, &entries[i], &key))
            return Q_OK;
    while (log_bits < LOG_BITS_MAX && (uint64_t)1 << log_bits < m->added_entries * BITS_PER_ENTRY)
        log_bits++;
    Q_TRY(q_alloc_zero(((size_t)1 << log_bits) / 64, sizeof *m->filter, &m->filter));
    m->filter_shift = 64 - log_bits;
    for (uint64_t i = 0; i < m->added_entries; i++) {
        filter_key(m, &entries[i], &key);
        const uint64_t bit = corpus_matcher_filter_bit(m, key);
        m->filter[bit / 64] |= (uint64_t)1 << bit % 64;
        const uint32_t c = first_character(&entries[i]) % CORPUS_CLASS_TABLE;
        m->firsts[c / 64] |= (uint64_t)1 << c % 64;
    }
    return Q_OK;
}

q_status corpus_matcher_finish(struct corpus_matcher *m)
{
    struct entry *entries;
    Q_TRY(q_alloc(m->added_entries, sizeof *entries, &entries));
    sort_entries(m, entries);
    const uint32_t symbols = survey(m, entries);
    q_status status = make_states(m, entries);
    if (status == Q_OK)
        status = make_filter(m, entries);
    q_release(entries);
    Q_TRY(status);
    alias_symbols(m);
    Q_TRY(make_rows(m, symbols));
    q_buffer_release(&m->added);
    q_buffer_release(&m->normal);
    return Q_OK;
}
