#include "corpus/text/repetition.h"

#include "base/check.h"
#include "base/hash.h"
#include "corpus/text/count_bytes.h"

void corpus_repetition_release(struct corpus_repetition_scratch *scratch)
{
    corpus_hash_set_release(&scratch->set);
    q_release(scratch->grams);
    q_release(scratch->starts);
    q_release(scratch->places);
    q_release(scratch->repeated);
    q_release(scratch->slots);
    *scratch = (struct corpus_repetition_scratch){0};
}

/* --- paragraphs -------------------------------------------------------------------------------------------------------------------- */

/* Takes the next paragraph off *rest; false at the end. (By the line ends one after the other: memmem is slow for two bytes.) */
static bool next_paragraph(q_string *rest, q_string *paragraph)
{
    size_t end = 0, behind;
    const char *newline;
    if (!rest->size)
        return false;
    while ((newline = memchr(rest->data + end, '\n', rest->size - end)) != NULL) {
        end = (size_t)(newline - rest->data);
        if (end + 1 < rest->size && newline[1] == '\n')
            break;
        end++;
    }
    end = newline ? end : rest->size;
    for (behind = end; behind < rest->size && rest->data[behind] == '\n';)
        behind++;
    *paragraph = q_string_slice(*rest, 0, end);
    *rest = q_string_slice(*rest, behind, rest->size);
    return true;
}

/* `before`: how many like it there were. */
static void add_paragraph(q_string paragraph, uint32_t before, struct corpus_repetition *out)
{
    if (!before)
        return;
    uint64_t characters = corpus_count_characters(paragraph), copies = before == 1 ? 2 : 1;
    out->extra_paragraphs++;
    out->extra_paragraph_characters += characters;
    out->every_paragraphs += copies;
    out->every_paragraph_characters += (characters - corpus_count_byte(paragraph, '\n')) * copies;
}

static q_status count_paragraphs(q_string text, struct corpus_hash_set *set, struct corpus_repetition *out)
{
    q_string rest = text, paragraph;
    Q_TRY(corpus_hash_set_begin(set, (size_t)corpus_count_byte(text, '\n') / 2 + 1, corpus_hash_key(text)));
    for (; next_paragraph(&rest, &paragraph); out->paragraphs++)
        add_paragraph(paragraph, corpus_hash_set_slot(set, q_hash64(paragraph.data, paragraph.size, 0))->count++, out);
    return Q_OK;
}

/* --- n-grams ----------------------------------------------------------------------------------------------------------------------- */

static inline uint64_t longer_gram(uint64_t gram, uint64_t word)
{
    unsigned __int128 product = (unsigned __int128)(gram ^ 0xA0761D6478BD642Fu) * (word ^ 0xE7037ED1A0B428DBu);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static q_status prepare(const struct corpus_words *words, struct corpus_repetition_scratch *s)
{
    size_t count = words->count;
    Q_TRY(q_grow(&s->grams, &s->capacity[0], count, sizeof *s->grams));
    Q_TRY(q_grow(&s->starts, &s->capacity[1], count + 1, sizeof *s->starts));
    Q_TRY(q_grow(&s->places, &s->capacity[2], count, sizeof *s->places));
    Q_TRY(q_grow(&s->repeated, &s->capacity[3], count, sizeof *s->repeated));
    uint32_t start = 0;
    for (size_t i = 0; i < count; i++) {
        s->grams[i] = words->items[i].hash;
        s->starts[i] = start;
        s->repeated[i] = 1;
        start += words->items[i].characters;
    }
    s->starts[count] = start;
    return Q_OK;
}

/* The most frequent n-gram so far: the first and the longest of those that are as frequent. */
struct top {
    uint32_t count, first, longest;
};

static uint32_t gram_characters(const struct corpus_repetition_scratch *s, uint32_t place, unsigned n)
{
    return s->starts[place + n] - s->starts[place];
}

/* An empty table with room for `count` n-grams. */
static q_status begin_grams(struct corpus_repetition_scratch *s, size_t count)
{
    s->slot_count = 256;
    s->slot_shift = 56;
    while (s->slot_count < count + count / 2) {
        s->slot_count *= 2;
        s->slot_shift--;
    }
    Q_TRY(q_grow(&s->slots, &s->slot_capacity, s->slot_count, sizeof *s->slots));
    memset(s->slots, 0, s->slot_count * sizeof *s->slots);
    return Q_OK;
}

static size_t slot_of(const struct corpus_repetition_scratch *s, uint64_t gram)
{
    return (gram * s->slot_key) >> s->slot_shift;
}

/* The slot of the n-gram at `place`, new (count 0) where the table did not have it. */
static inline struct corpus_gram_slot *find_gram(struct corpus_repetition_scratch *s, uint32_t place)
{
    const uint64_t gram = s->grams[place];
    for (size_t at = slot_of(s, gram);; at = (at + 1) & (s->slot_count - 1)) {
        struct corpus_gram_slot *slot = &s->slots[at];
        if (!slot->first)
            *slot = (struct corpus_gram_slot){.gram = gram, .first = place + 1};
        if (slot->gram == gram)
            return slot;
    }
}

/* Counts one n-gram; it and the first of its kind are marked once there are two. */
static inline void count_gram(struct corpus_repetition_scratch *s, uint32_t place, unsigned n, struct top *top)
{
    struct corpus_gram_slot *slot = find_gram(s, place);
    uint32_t count = ++slot->count, first = slot->first - 1;
    if (count == 1)
        return;
    if (count == 2)
        s->repeated[first] = (uint8_t)n;
    s->repeated[place] = (uint8_t)n;
    if (count > top->count) {
        *top = (struct top){count, first, first};
    } else if (count == top->count) {
        top->first = Q_MIN(top->first, first);
        if (gram_characters(s, first, n) > gram_characters(s, top->longest, n))
            top->longest = first;
    }
}

/* All pairs of words: the one table that is as large as the text. */
static q_status count_pairs(const struct corpus_words *words, struct corpus_repetition_scratch *s, struct top *top)
{
    uint32_t count = (uint32_t)words->count;
    Q_TRY(begin_grams(s, count - 1));
    for (uint32_t i = 0; i + 1 < count; i++)
        s->grams[i] = longer_gram(s->grams[i], words->items[i + 1].hash);
    for (uint32_t i = 0; i + 1 < count; i++) {
        if (i + 17 < count)
            __builtin_prefetch(&s->slots[slot_of(s, s->grams[i + 16])]);
        count_gram(s, i, 2, top);
    }
    s->place_count = 0;
    for (uint32_t i = 0; i + 1 < count; i++) {
        s->places[s->place_count] = i;
        s->place_count += s->repeated[i] == 2;
    }
    return Q_OK;
}

/* From the places of repeated (n-1)-grams to those of repeated n-grams. */
static q_status count_longer(const struct corpus_words *words, struct corpus_repetition_scratch *s, unsigned n,
                             struct top *top)
{
    size_t candidates = 0;
    for (size_t i = 0; i + 1 < s->place_count; i++) {
        uint32_t place = s->places[i];
        if (s->places[i + 1] != place + 1 || place + n > words->count)
            continue;
        s->grams[place] = longer_gram(s->grams[place], words->items[place + n - 1].hash);
        s->places[candidates++] = place;
    }
    Q_TRY(begin_grams(s, candidates));
    for (size_t i = 0; i < candidates; i++)
        count_gram(s, s->places[i], n, top);
    s->place_count = 0;
    for (size_t i = 0; i < candidates; i++) {
        s->places[s->place_count] = s->places[i];
        s->place_count += s->repeated[s->places[i]] == n;
    }
    return Q_OK;
}

/* Goes over the text: an n-gram that was seen counts and is stepped over, any other is seen from now on. Those that are there once need no look. */
static q_status count_extra(struct corpus_repetition_scratch *s, unsigned n, uint64_t *characters)
{
    uint32_t behind = 0;
    Q_TRY(begin_grams(s, s->place_count));
    for (size_t i = 0; i < s->place_count; i++) {
        uint32_t place = s->places[i];
        if (place < behind || find_gram(s, place)->count++ == 0)
            continue;
        *characters += gram_characters(s, place, n);
        behind = place + n;
    }
    return Q_OK;
}

/* Words that lie in one of the repeated n-grams. */
static uint64_t count_every(const struct corpus_repetition_scratch *s, unsigned n)
{
    uint64_t characters = 0;
    uint32_t behind = 0;
    for (size_t i = 0; i < s->place_count; i++) {
        uint32_t from = Q_MAX(s->places[i], behind);
        behind = s->places[i] + n;
        characters += s->starts[behind] - s->starts[from];
    }
    return characters;
}

/* Where every n-gram is there once, all are as frequent, and `every` wants the longest. */
static uint32_t longest_gram(const struct corpus_repetition_scratch *s, const struct corpus_words *words, unsigned n)
{
    uint32_t longest = 0;
    for (uint32_t i = 1; i + n <= words->count; i++)
        if (gram_characters(s, i, n) > gram_characters(s, longest, n))
            longest = i;
    return longest;
}

q_status corpus_repetition_measure(q_string text, const struct corpus_words *words, struct corpus_repetition_scratch *s,
                                   struct corpus_repetition *out)
{
    *out = (struct corpus_repetition){0};
    Q_TRY(count_paragraphs(text, &s->set, out));
    Q_TRY(prepare(words, s));
    s->slot_key = corpus_hash_key(text);
    out->word_characters = s->starts[words->count];
    for (unsigned n = CORPUS_TOP_GRAM_MIN; n <= CORPUS_DUPLICATE_GRAM_MAX && words->count >= n; n++) {
        struct top top = {.count = 1};
        if (n > CORPUS_TOP_GRAM_MAX && s->place_count < 2)
            break; /* nothing is there twice */
        Q_TRY(n == 2 ? count_pairs(words, s, &top) : count_longer(words, s, n, &top));
        if (n <= CORPUS_TOP_GRAM_MAX) {
            unsigned i = n - CORPUS_TOP_GRAM_MIN;
            if (top.count == 1)
                top.longest = longest_gram(s, words, n);
            out->extra_top_grams[i] = (uint64_t)top.count * (gram_characters(s, top.first, n) + n - 1);
            out->every_top_grams[i] = (uint64_t)top.count * gram_characters(s, top.longest, n);
        } else {
            out->every_grams[n - CORPUS_DUPLICATE_GRAM_MIN] = count_every(s, n);
            Q_TRY(count_extra(s, n, &out->extra_grams[n - CORPUS_DUPLICATE_GRAM_MIN]));
        }
    }
    return Q_OK;
}

/* --- the plain twin ---------------------------------------------------------------------------------------------------------------- */

static uint64_t whole_gram(const struct corpus_words *words, size_t place, unsigned n)
{
    uint64_t gram = words->items[place].hash;
    for (unsigned i = 1; i < n; i++)
        gram = longer_gram(gram, words->items[place + i].hash);
    return gram;
}

static uint64_t characters_of(const struct corpus_words *words, size_t place, unsigned n)
{
    uint64_t characters = 0;
    for (unsigned i = 0; i < n; i++)
        characters += words->items[place + i].characters;
    return characters;
}

/* The counts of all n-grams, in the set. */
static q_status plain_counts(const struct corpus_words *words, struct corpus_hash_set *set, unsigned n)
{
    Q_TRY(corpus_hash_set_begin(set, words->count, 1));
    for (size_t i = 0; i + n <= words->count; i++)
        corpus_hash_set_slot(set, whole_gram(words, i, n))->count++;
    return Q_OK;
}

static q_status plain_top(const struct corpus_words *words, struct corpus_hash_set *set, unsigned n,
                          struct corpus_repetition *out)
{
    uint64_t most = 0, first = 0, longest = 0;
    Q_TRY(plain_counts(words, set, n));
    for (size_t i = 0; i + n <= words->count; i++) {
        uint64_t count = corpus_hash_set_slot(set, whole_gram(words, i, n))->count,
                 characters = characters_of(words, i, n);
        if (count > most) {
            most = count;
            first = longest = characters;
        } else if (count == most) {
            longest = Q_MAX(longest, characters);
        }
    }
    out->extra_top_grams[n - CORPUS_TOP_GRAM_MIN] = most * (most ? first + n - 1 : 0);
    out->every_top_grams[n - CORPUS_TOP_GRAM_MIN] = most * longest;
    return Q_OK;
}

static q_status plain_every(const struct corpus_words *words, struct corpus_hash_set *set, unsigned n, uint64_t *out)
{
    Q_TRY(plain_counts(words, set, n));
    for (size_t word = 0; word < words->count; word++) {
        bool repeated = false;
        for (size_t i = word < n ? 0 : word - n + 1; i <= word && i + n <= words->count; i++)
            repeated |= corpus_hash_set_slot(set, whole_gram(words, i, n))->count > 1;
        *out += repeated ? words->items[word].characters : 0;
    }
    return Q_OK;
}

static q_status plain_extra(const struct corpus_words *words, struct corpus_hash_set *set, unsigned n, uint64_t *out)
{
    Q_TRY(corpus_hash_set_begin(set, words->count, 1));
    for (size_t i = 0; i + n <= words->count;) {
        bool seen = corpus_hash_set_slot(set, whole_gram(words, i, n))->count++ > 0;
        *out += seen ? characters_of(words, i, n) : 0;
        i += seen ? n : 1;
    }
    return Q_OK;
}

q_status corpus_repetition_plain(q_string text, const struct corpus_words *words, struct corpus_repetition_scratch *s,
                                 struct corpus_repetition *out)
{
    *out = (struct corpus_repetition){0};
    Q_TRY(count_paragraphs(text, &s->set, out));
    for (size_t i = 0; i < words->count; i++)
        out->word_characters += words->items[i].characters;
    for (unsigned n = CORPUS_TOP_GRAM_MIN; n <= CORPUS_TOP_GRAM_MAX; n++)
        Q_TRY(plain_top(words, &s->set, n, out));
    for (unsigned n = CORPUS_DUPLICATE_GRAM_MIN; n <= CORPUS_DUPLICATE_GRAM_MAX; n++) {
        Q_TRY(plain_extra(words, &s->set, n, &out->extra_grams[n - CORPUS_DUPLICATE_GRAM_MIN]));
        Q_TRY(plain_every(words, &s->set, n, &out->every_grams[n - CORPUS_DUPLICATE_GRAM_MIN]));
    }
    return Q_OK;
}
