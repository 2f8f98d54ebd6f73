#include "corpus/text/repetition.h"

#include "base/check.h"
#include "base/hash.h"
#include "corpus/text/count_bytes.h"

void corpus_repetition_release(struct corpus_repetition_scratch *scratch)
{
    corpus_hash_set_release(&scratch->set);
    q_release(scratch->places);
    q_release(scratch->firsts);
    q_release(scratch->next);
    q_release(scratch->repeated);
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

static q_status count_paragraphs(q_string text, uint64_t key, struct corpus_hash_set *set,
                                 struct corpus_repetition *out)
{
    const size_t most = (size_t)corpus_count_byte(text, '\n') / 2 + 1;
    q_string rest = text, paragraph;
    Q_TRY(corpus_hash_set_begin(set, Q_MIN(most, (size_t)CORPUS_HASH_SET_FEW), key));
    for (; next_paragraph(&rest, &paragraph); out->paragraphs++) {
        struct corpus_hash_slot *slot;
        Q_TRY(corpus_hash_set_take(set, q_hash64(paragraph.data, paragraph.size, 0), &slot));
        add_paragraph(paragraph, slot->count++, out);
    }
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
    Q_TRY(q_grow(&s->places, &s->capacity[0], words->count, sizeof *s->places));
    Q_TRY(q_grow(&s->firsts, &s->capacity[1], words->count, sizeof *s->firsts));
    Q_TRY(q_grow(&s->next, &s->capacity[2], words->count, sizeof *s->next));
    Q_TRY(q_grow(&s->repeated, &s->capacity[3], words->count, sizeof *s->repeated));
    memset(s->repeated, 0, words->count);
    s->place_count = 0;
    return Q_OK;
}

/* Of the words [from, to). */
static uint64_t characters_between(const struct corpus_words *words, size_t from, size_t to)
{
    uint64_t characters = 0;
    for (size_t i = from; i < to; i++)
        characters += words->items[i].characters;
    return characters;
}

/* The most frequent n-gram so far: the first of those that are as frequent, and the characters of the longest. */
struct top {
    uint32_t count, first;
    uint64_t longest;
};

/* Counting of n-grams of one length. */
struct counting {
    const struct corpus_words *words;
    struct corpus_repetition_scratch *s;
    unsigned n;
    uint64_t turn, turns; /* counted now: n-grams whose hash is `turn` modulo turns, a power of two */
    size_t room;          /* for so many more in the table; 0: it is full, and the turn is not over */
    struct top top;       /* up to CORPUS_TOP_GRAM_MAX */
};

static void look_at_top(struct counting *c, uint32_t count, uint32_t first)
{
    uint64_t characters = characters_between(c->words, first, first + c->n);
    if (count > c->top.count)
        c->top = (struct top){count, first, characters};
    c->top.first = Q_MIN(c->top.first, first);
    c->top.longest = Q_MAX(c->top.longest, characters);
}

/* A copy of what every n-gram needs, which no store of a mark can change. */
struct turn {
    struct corpus_hash_set set;
    uint64_t mask, own; /* in the turn are n-grams with hash & mask == own */
    uint8_t *repeated;
    size_t room;
};

static struct turn begin_turn(const struct counting *c)
{
    return (struct turn){c->s->set, c->turns - 1, c->turn, c->s->repeated, c->room};
}

/* Counts the n-gram at `place` and gives its first place; it and the first of its kind are marked once there are two. */
static inline uint32_t count_gram(struct counting *c, struct turn *turn, uint64_t gram, uint32_t place)
{
    struct corpus_hash_slot *slot = corpus_hash_set_slot(&turn->set, gram);
    const uint32_t count = ++slot->count;
    if (count == 1) {
        turn->room--;
        return slot->place = place;
    }
    const uint32_t first = slot->place;
    turn->repeated[first] = turn->repeated[place] = (uint8_t)c->n;
    if (count >= c->top.count && c->n <= CORPUS_TOP_GRAM_MAX)
        look_at_top(c, count, first);
    return first;
}

/* A table that is not in the nearest caches is asked AHEAD n-grams before. How many of `count` have so many behind them. */
enum { AHEAD = 16, NEAR_SLOTS = 1 << 14 };
static size_t far_grams(const struct turn *turn, size_t count)
{
    return turn->set.capacity > NEAR_SLOTS && count > AHEAD ? count - AHEAD : 0;
}

static inline void ask_ahead(const struct turn *turn, uint64_t gram)
{
    if ((gram & turn->mask) == turn->own)
        corpus_hash_set_prefetch(&turn->set, gram);
}

static void count_pairs(struct counting *c)
{
    struct turn turn = begin_turn(c);
    const struct corpus_word *items = c->words->items;
    const size_t count = c->words->count - 1, far = far_grams(&turn, count);
    uint32_t *firsts = c->s->firsts;
    for (size_t i = 0; i < count && turn.room; i++) {
        const uint64_t gram = longer_gram(items[i].hash, items[i + 1].hash);
        if (i < far)
            ask_ahead(&turn, longer_gram(items[i + AHEAD].hash, items[i + AHEAD + 1].hash));
        if ((gram & turn.mask) == turn.own)
            firsts[i] = count_gram(c, &turn, gram, (uint32_t)i);
    }
    c->room = turn.room;
}

/* Only where both (n-1)-grams of an n-gram are there twice it may be. */
static void count_longer(struct counting *c)
{
    struct turn turn = begin_turn(c);
    const uint32_t *places = c->s->places, *firsts = c->s->firsts;
    const size_t count = c->s->place_count - 1, far = far_grams(&turn, count);
    uint32_t *next = c->s->next;
    for (size_t i = 0; i < count && turn.room; i++) {
        if (i < far)
            ask_ahead(&turn, longer_gram(firsts[i + AHEAD], firsts[i + AHEAD + 1]));
        if (places[i] + 1 != places[i + 1])
            continue;
        const uint64_t gram = longer_gram(firsts[i], firsts[i + 1]);
        if ((gram & turn.mask) == turn.own)
            next[i] = count_gram(c, &turn, gram, places[i]);
    }
    c->room = turn.room;
}

/* In as many turns as it takes for the table of one to stay small; in the last resort with a larger table. What was counted before a table was full is so, and
 * is found again. */
static q_status count_in_turns(struct counting *c, size_t grams, uint64_t key, void (*count)(struct counting *c))
{
    enum { TURNS_MAX = 16, TURN_GRAMS = (1 << 21) / 3 * 2 };
    size_t room = Q_MIN(grams, c->s->turn_grams ? c->s->turn_grams : TURN_GRAMS);
    c->turns = 1;
    for (c->turn = 0; c->turn < c->turns;) {
        c->room = room + 1;
        Q_TRY(corpus_hash_set_begin(&c->s->set, room + 1, key));
        count(c);
        if (c->room) {
            c->turn++;
        } else if (c->turns < TURNS_MAX) {
            c->turns *= 2;
            c->turn = 0;
        } else {
            room = Q_MIN(grams, Q_MAX(room * 2, grams / TURNS_MAX + grams / TURNS_MAX / 8));
        }
    }
    return Q_OK;
}

/* From all words to the places of repeated pairs. */
static q_status keep_pairs(struct counting *c, uint64_t key)
{
    struct corpus_repetition_scratch *s = c->s;
    const size_t count = c->words->count - 1;
    const uint8_t *repeated = s->repeated;
    uint32_t *places = s->places, *firsts = s->firsts;
    size_t kept = 0;
    Q_TRY(count_in_turns(c, count, key, count_pairs));
    for (size_t i = 0; i < count; i++) {
        places[kept] = (uint32_t)i;
        firsts[kept] = firsts[i];
        kept += repeated[i] != 0;
    }
    s->place_count = kept;
    return Q_OK;
}

/* From the places of repeated (n-1)-grams to those of repeated n-grams. */
static q_status keep_longer(struct counting *c, uint64_t key)
{
    struct corpus_repetition_scratch *s = c->s;
    const uint8_t *repeated = s->repeated;
    uint32_t *places = s->places, *firsts = s->firsts;
    size_t kept = 0, grams = 0;
    for (size_t i = 0; i + 1 < s->place_count; i++)
        grams += places[i] + 1 == places[i + 1];
    if (grams)
        Q_TRY(count_in_turns(c, grams, key, count_longer));
    for (size_t i = 0; i < s->place_count && grams; i++) {
        const uint32_t place = places[i];
        places[kept] = place;
        firsts[kept] = s->next[i];
        kept += repeated[place] == c->n;
    }
    s->place_count = kept;
    return Q_OK;
}

/* Goes over the text: an n-gram that was seen counts and is stepped over, any other is seen from now on. Those that are there once need no look. */
static uint64_t count_extra(const struct corpus_words *words, struct corpus_repetition_scratch *s, unsigned n)
{
    enum { SEEN = 0x80 }; /* beside the n of `repeated` */
    uint64_t characters = 0;
    uint32_t behind = 0;
    for (size_t i = 0; i < s->place_count; i++) {
        uint32_t place = s->places[i];
        uint8_t *first = &s->repeated[s->firsts[i]];
        if (place < behind)
            continue;
        if (*first & SEEN) {
            characters += characters_between(words, place, place + n);
            behind = place + n;
        }
        *first |= SEEN;
    }
    return characters;
}

/* Words that lie in one of the repeated n-grams. */
static uint64_t count_every(const struct corpus_words *words, const struct corpus_repetition_scratch *s, unsigned n)
{
    uint64_t characters = 0;
    uint32_t behind = 0;
    for (size_t i = 0; i < s->place_count; i++) {
        uint32_t from = Q_MAX(s->places[i], behind);
        behind = s->places[i] + n;
        characters += characters_between(words, from, behind);
    }
    return characters;
}

/* Where every n-gram is there once, all are as frequent: the first one counts, and the characters of the longest. */
static struct top top_of_all(const struct corpus_words *words, unsigned n)
{
    uint64_t characters = characters_between(words, 0, n), longest = characters;
    for (size_t i = n; i < words->count; i++) {
        characters += (uint64_t)words->items[i].characters - words->items[i - n].characters;
        longest = Q_MAX(longest, characters);
    }
    return (struct top){1, 0, longest};
}

static void put_top(const struct counting *c, struct corpus_repetition *out)
{
    const struct top top = c->top.count > 1 ? c->top : top_of_all(c->words, c->n);
    const unsigned i = c->n - CORPUS_TOP_GRAM_MIN;
    out->extra_top_grams[i] = top.count * (characters_between(c->words, top.first, top.first + c->n) + c->n - 1);
    out->every_top_grams[i] = top.count * top.longest;
}

q_status corpus_repetition_measure(q_string text, const struct corpus_words *words, struct corpus_repetition_scratch *s,
                                   struct corpus_repetition *out)
{
    const uint64_t key = corpus_hash_key(text);
    *out = (struct corpus_repetition){0};
    Q_TRY(count_paragraphs(text, key, &s->set, out));
    Q_TRY(prepare(words, s));
    out->word_characters = characters_between(words, 0, words->count);
    for (unsigned n = CORPUS_TOP_GRAM_MIN; n <= CORPUS_DUPLICATE_GRAM_MAX && words->count >= n; n++) {
        struct counting c = {.words = words, .s = s, .n = n};
        if (n > CORPUS_TOP_GRAM_MAX && s->place_count < 2)
            break; /* nothing is there twice */
        Q_TRY(n == CORPUS_TOP_GRAM_MIN ? keep_pairs(&c, key) : keep_longer(&c, key));
        if (n <= CORPUS_TOP_GRAM_MAX) {
            put_top(&c, out);
        } else {
            const unsigned i = n - CORPUS_DUPLICATE_GRAM_MIN;
            out->every_grams[i] = count_every(words, s, n);
            out->extra_grams[i] = count_extra(words, s, n);
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
    Q_TRY(count_paragraphs(text, corpus_hash_key(text), &s->set, out));
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
