#include "corpus/text/words.h"

#include "base/bytes.h"
#include "base/check.h"
#include "corpus/text/character_class.h"

struct cutter {
    const uint8_t *text, *text_end;
    const uint16_t *classes;
    struct corpus_words *words;
    unsigned place; /* CORPUS_WORD_BEGINS_ flags of the next word */
};

/* --- one word ---------------------------------------------------------------------------------------------------------------------- */

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xD6E8FEB86659FD93u);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Up to 8 bytes as a number; bytes behind `size` do not count. */
static uint64_t load_few(const uint8_t *at, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, at, size);
    return value;
}

static uint64_t hash_of(const uint8_t *at, size_t size)
{
    uint64_t hash = size;
    for (; size > 8; at += 8, size -= 8)
        hash = fold(hash, q_load_u64(at));
    return fold(hash, load_few(at, size));
}

/* The same where 8 bytes may be read at `at` whatever the size. */
static inline uint64_t hash_near(const uint8_t *at, size_t size)
{
    return size <= 8 ? fold(size, size ? q_load_u64(at) & UINT64_MAX >> (64 - 8 * size) : 0) : hash_of(at, size);
}

uint64_t corpus_word_hash(q_string word)
{
    return hash_of((const uint8_t *)word.data, word.size);
}

static q_status add(struct cutter *c, uint64_t hash, uint32_t characters, unsigned flags)
{
    struct corpus_words *words = c->words;
    if (words->count == words->capacity)
        Q_TRY(q_grow(&words->items, &words->capacity, words->count + 1, sizeof *words->items));
    words->items[words->count++] =
        (struct corpus_word){.hash = hash, .characters = characters, .flags = flags | c->place};
    c->place = 0;
    return Q_OK;
}

/* A word of ASCII letters. */
static inline q_status add_letters(struct cutter *c, const uint8_t *from, const uint8_t *to)
{
    size_t size = (size_t)(to - from);
    uint64_t hash = c->text_end - from >= 8 ? hash_near(from, size) : hash_of(from, size);
    return add(c, hash, (uint32_t)Q_MIN(size, UINT32_MAX), CORPUS_WORD_LETTER | CORPUS_WORD_PLAIN);
}

static q_status add_any(struct cutter *c, const uint8_t *from, const uint8_t *to, unsigned more)
{
    unsigned seen = 0, common = ~0u;
    uint32_t characters = 0;
    bool plain = false;
    for (const uint8_t *at = from; at < to;) {
        size_t size;
        unsigned class = corpus_character_class(c->classes, corpus_character_at(at, &size));
        seen |= class;
        common &= class;
        plain |= !(class & CORPUS_SYMBOL);
        characters += characters < UINT32_MAX;
        at += size;
    }
    unsigned flags = more | (seen & CORPUS_LETTER ? CORPUS_WORD_LETTER : 0) | (plain ? CORPUS_WORD_PLAIN : 0);
    if (common & CORPUS_PUNCTUATION)
        flags |= CORPUS_WORD_PUNCTUATION;
    if (characters == 1 && common & CORPUS_SENTENCE_END)
        flags |= CORPUS_WORD_END;
    return add(c, hash_of(from, (size_t)(to - from)), characters, flags);
}

/* --- inside of a chunk ------------------------------------------------------------------------------------------------------------- */

static unsigned class_at(const struct cutter *c, const uint8_t *at, size_t *size)
{
    return corpus_character_class(c->classes, corpus_character_at(at, size));
}

static unsigned class_before(const struct cutter *c, const uint8_t *from, const uint8_t *end, size_t *size)
{
    return corpus_character_class(c->classes, corpus_character_before(from, end, size));
}

static bool equals(const uint8_t *from, const uint8_t *to, const char *word)
{
    size_t size = strlen(word);
    return (size_t)(to - from) == size && memcmp(from, word, size) == 0;
}

static bool is_letter(uint8_t byte)
{
    return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
}

/* Words that keep their full stop: spaCy's English exceptions, the frequent ones, each behind a blank. */
static const char *abbreviations_with(uint8_t first)
{
    switch (first) {
    case 'A':
        return " Adm. Apr. Aug. Ave.";
    case 'B':
        return " Blvd. Bros.";
    case 'C':
        return " Co. Corp.";
    case 'D':
        return " Dec. Dr.";
    case 'E':
        return " E.g.";
    case 'F':
        return " Feb.";
    case 'G':
        return " Gen. Gov.";
    case 'I':
        return " I.e. Inc.";
    case 'J':
        return " Jan. Jr. Jul. Jun.";
    case 'L':
        return " Lt. Ltd.";
    case 'M':
        return " Mar. Messrs. Mr. Mrs. Ms. Mt.";
    case 'N':
        return " Nov.";
    case 'O':
        return " Oct.";
    case 'P':
        return " Ph.D. Prof.";
    case 'R':
        return " Rep. Rev.";
    case 'S':
        return " Sen. Sep. Sept. Sr. St.";
    case 'a':
        return " a.m.";
    case 'c':
        return " co.";
    case 'e':
        return " e.g.";
    case 'i':
        return " i.e.";
    case 'p':
        return " p.m.";
    case 'v':
        return " v.s. vs.";
    default:
        return "";
    }
}

/* Those, and single small letters. */
static bool is_abbreviation(const uint8_t *from, const uint8_t *to)
{
    size_t size = (size_t)(to - from);
    if (size == 2 && from[0] >= 'a' && from[0] <= 'z')
        return true;
    if (size < 3 || size > 7)
        return false;
    for (const char *at = abbreviations_with(*from); *at; at += strcspn(at + 1, " ") + 1)
        if (strncmp(at + 1, (const char *)from, size) == 0 && (at[size + 1] == ' ' || at[size + 1] == 0))
            return true;
    return false;
}

/* Where the dots that end at `end` begin. */
static const uint8_t *dots_before(const uint8_t *from, const uint8_t *end)
{
    while (end > from && end[-1] == '.')
        end--;
    return end;
}

static bool follows_stop(const struct cutter *c, const uint8_t *from, const uint8_t *dot)
{
    size_t size, second;
    if (dot == from)
        return false;
    unsigned class = class_before(c, from, dot, &size);
    if (class & (CORPUS_DIGIT | CORPUS_LOWER | CORPUS_SUFFIX) || strchr("%-+", dot[-1]))
        return true;
    return class & CORPUS_UPPER && dot - size > from && class_before(c, from, dot - size, &second) & CORPUS_UPPER;
}

/* Letters of a unit behind a number ("10km", "5%"): how many, 0: none. */
static size_t unit_before(const uint8_t *from, const uint8_t *end)
{
    static const char *const units[] = {"%",  "km", "m",  "cm", "mm", "ha",  "nm",  "yd",  "in",   "ft",   "kg",  "g",
                                        "mg", "t",  "lb", "oz", "mb", "MB",  "kb",  "KB",  "gb",   "GB",   "tb",  "TB",
                                        "T",  "G",  "M",  "K",  "Pa", "hPa", "kmh", "mph", "mbar", "km/h", "m/s", NULL};
    size_t size = 0;
    while (size < 5 && end - size > from && !(end[-(ptrdiff_t)size - 1] >= '0' && end[-(ptrdiff_t)size - 1] <= '9'))
        size++;
    if (!size || size > 4 || end - size == from)
        return 0;
    for (size_t i = 0; units[i]; i++)
        if (equals(end - size, end, units[i]))
            return size;
    return 0;
}

/* "'s" at the end of a longer word. */
static size_t possessive_before(const uint8_t *from, const uint8_t *end)
{
    if (end - from > 2 && (end[-1] | 0x20) == 's' && end[-2] == '\'')
        return 2;
    if (end - from > 4 && (end[-1] | 0x20) == 's' && memcmp(end - 4, "\xE2\x80\x99", 3) == 0)
        return 4;
    return 0;
}

/* How many bytes go off the end of [from, end) as a word of their own; 0: none. */
static size_t suffix_before(const struct cutter *c, const uint8_t *from, const uint8_t *end)
{
    size_t size, before;
    if (end[-1] == '.') {
        const uint8_t *dots = dots_before(from, end);
        if (end - dots > 1)
            return (size_t)(end - dots);
        return !is_abbreviation(from, end) && follows_stop(c, from, dots) ? 1 : 0;
    }
    unsigned class = class_before(c, from, end, &size);
    if (class & CORPUS_SUFFIX)
        return size;
    size_t possessive = possessive_before(from, end);
    if (possessive)
        return possessive;
    if (class & CORPUS_CURRENCY || end[-1] == '+')
        return end - size > from && class_before(c, from, end - size, &before) & CORPUS_DIGIT ? size : 0;
    return unit_before(from, end);
}

/* The clitic that ends a word: "n't", "'ll", "'ve", "'re", "'d", "'m". */
static size_t clitic_before(const uint8_t *from, const uint8_t *end)
{
    for (size_t letters = 1; letters <= 2 && end - from > (ptrdiff_t)letters + 1; letters++) {
        const uint8_t *quote = end - letters - 1;
        size_t size = letters + 1;
        if ((*quote & 0xC0) == 0x80 && quote - from > 2 && memcmp(quote - 2, "\xE2\x80\x99", 3) == 0) {
            quote -= 2;
            size += 2;
        } else if (*quote != '\'') {
            continue;
        }
        const uint8_t *tail = end - letters;
        if (letters == 1 && *tail == 't' && quote > from && (quote[-1] | 0x20) == 'n' && quote - 1 > from)
            return size + 1;
        if (letters == 1 ? *tail == 'd' || *tail == 'm'
                         : equals(tail, end, "ll") || equals(tail, end, "ve") || equals(tail, end, "re"))
            return size;
    }
    return 0;
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* Whether a core reads like an address from its first byte on: letters and "://", or labels with dots between them, the last one of letters, and a path,
 * a query or nothing behind. An '@' counts as a dot, so that mail is an address too. */
static bool is_address(const uint8_t *from, const uint8_t *to)
{
    const uint8_t *at = from, *label = from;
    unsigned dots = 0;
    while (at < to && is_letter(*at))
        at++;
    if (at > from && to - at > 3 && memcmp(at, "://", 3) == 0)
        return true;
    bool letters = true;
    for (at = from; at < to && *at != '/' && *at != ':' && *at != '?' && *at != '#'; at++) {
        if (*at == '.' || *at == '@') {
            if (at == label)
                return false;
            label = at + 1;
            letters = true;
            dots++;
        } else if (*at < 'a' || *at > 'z') { /* no top-level domain has capitals */
            letters = false;
            if (!is_letter(*at) && !is_digit(*at) && *at < 0x80 && (at == label || (*at != '-' && *at != '_')))
                return false;
        }
    }
    return dots && letters && at - label >= 2 && (at == to || *at != ':' || (to - at > 1 && is_digit(at[1])));
}

/* Bytes of the hyphen at `at`: "-", "--", "---", "~", and the dashes; 0: none. */
static size_t hyphen_at(const uint8_t *at, const uint8_t *to)
{
    size_t size = 0;
    if (*at == '~')
        return 1;
    while (size < 3 && at + size < to && at[size] == '-')
        size++;
    if (!size && to - at >= 3 && memcmp(at, "\xE2\x80", 2) == 0 && (at[2] == 0x93 || at[2] == 0x94))
        size = 3;
    return size;
}

/* Bytes of what cuts a word in its middle at `at` as a word of its own, class and `before` being those of the character there and the one before; 0:
 * nothing. */
static size_t infix_at(const struct cutter *c, const uint8_t *at, const uint8_t *to, unsigned class, size_t size,
                       unsigned before)
{
    size_t next_size, dots = 0;
    if (class & CORPUS_ICON)
        return size;
    while (at + dots < to && at[dots] == '.')
        dots++;
    if (dots > 1)
        return dots;
    if (size == 3 && memcmp(at, "\xE2\x80\xA6", 3) == 0)
        return size;
    size_t hyphen = hyphen_at(at, to);
    const uint8_t *behind = at + (hyphen ? hyphen : size);
    if (behind >= to)
        return 0;
    unsigned after = class_at(c, behind, &next_size);
    if (hyphen && !c->words->style.keep_hyphens && before & (CORPUS_LETTER | CORPUS_DIGIT) && after & CORPUS_LETTER)
        return hyphen;
    if (*at == '.')
        return before & (CORPUS_LOWER | CORPUS_QUOTE) && after & (CORPUS_UPPER | CORPUS_QUOTE) ? 1 : 0;
    if (*at == ',')
        return before & after & CORPUS_LETTER ? 1 : 0;
    if (size == 1 && strchr(":<>=/", *at))
        return before & (CORPUS_LETTER | CORPUS_DIGIT) && after & CORPUS_LETTER ? 1 : 0;
    if (size == 1 && strchr("+-*^", *at) && before & CORPUS_DIGIT)
        return class_at(c, at + 1, &next_size) & CORPUS_DIGIT || at[1] == '-' ? 1 : 0;
    return 0;
}

/* A run of letters of a script without spaces, by the dictionary. */
static q_status add_found(struct cutter *c, const uint8_t *from, const uint8_t *to)
{
    struct corpus_dictionary *dictionary = c->words->style.dictionary;
    const uint8_t *word = from;
    Q_TRY(corpus_dictionary_begin(dictionary, (q_string){(const char *)from, (size_t)(to - from)}));
    for (size_t end; (end = corpus_dictionary_next(dictionary)) != SIZE_MAX; word = from + end)
        Q_TRY(add_any(c, word, from + end, 0));
    return Q_OK;
}

/* The same, so many letters to a word. */
static q_status add_estimated(struct cutter *c, const uint8_t *from, const uint8_t *to, unsigned letters)
{
    if (c->words->style.dictionary)
        return add_found(c, from, to);
    const uint8_t *word = from;
    unsigned count = 0;
    for (const uint8_t *at = from; at < to;) {
        size_t size;
        corpus_character_at(at, &size);
        at += size;
        if (++count == letters || at == to) {
            Q_TRY(add_any(c, word, at, CORPUS_WORD_ESTIMATED));
            word = at;
            count = 0;
        }
    }
    return Q_OK;
}

/* Bytes of an apostrophe between letters, behind which a language that elides is cut ("l'|eau"); 0: none. */
static size_t elision_at(const struct cutter *c, const uint8_t *at, const uint8_t *to, unsigned before)
{
    size_t size = *at == '\'' ? 1 : to - at > 3 && memcmp(at, "\xE2\x80\x99", 3) == 0 ? 3 : 0, next;
    if (!size || !c->words->style.cut_elisions || !(before & CORPUS_LETTER) || at + size >= to)
        return 0;
    return class_at(c, at + size, &next) & CORPUS_LETTER ? size : 0;
}

/* A word of its own, but for the zero-width spaces that Khmer, Thai, Lao and Burmese part their words with. */
static q_status add_between(struct cutter *c, const uint8_t *from, const uint8_t *to)
{
    const uint8_t *at = from;
    while (to - at >= 3 && memcmp(at, "\xE2\x80\x8B", 3) == 0)
        at += 3;
    return at == to ? Q_OK : add_any(c, from, to, 0);
}

/* What lies between the ends of a chunk: cut at infixes, and where scripts without spaces begin and end. */
static q_status cut_core(struct cutter *c, const uint8_t *from, const uint8_t *to)
{
    const unsigned crowded = CORPUS_DENSE | CORPUS_SPARSE;
    const uint8_t *word = from;
    unsigned before = 0;
    for (const uint8_t *at = from; at < to;) {
        size_t size;
        unsigned class = class_at(c, at, &size);
        if (at > word && (before ^ class) & crowded) {
            Q_TRY(before & crowded ? add_estimated(c, word, at, before & CORPUS_DENSE ? 2 : 4)
                                   : add_between(c, word, at));
            word = at;
        }
        size_t elided = at > word ? elision_at(c, at, to, before) : 0;
        if (elided) {
            Q_TRY(add_any(c, word, at + elided, 0));
            word = at + elided;
            before = 0;
            at = word;
            continue;
        }
        size_t infix =
            class & (CORPUS_LETTER | CORPUS_DIGIT) || at == from ? 0 : infix_at(c, at, to, class, size, before);
        if (infix) {
            if (at > word)
                Q_TRY(add_any(c, word, at, 0));
            Q_TRY(add_any(c, at, at + infix, 0));
            word = at + infix;
            class = 0;
            size = infix;
        }
        before = class;
        at += size;
    }
    if (word == to)
        return Q_OK;
    return before & crowded ? add_estimated(c, word, to, before & CORPUS_DENSE ? 2 : 4) : add_between(c, word, to);
}

/* Bytes of the word that a chunk's beginning or end is cut into at `at`: dots together, a clitic, a unit, else a character. */
static size_t affix_at(const struct cutter *c, const uint8_t *at, const uint8_t *to)
{
    size_t size = 0;
    while (at + size < to && at[size] == '.')
        size++;
    if (size > 1)
        return size;
    unsigned class = class_at(c, at, &size);
    const uint8_t *behind = at + size;
    if (class & CORPUS_QUOTE && behind < to && (*behind | 0x20) == 's')
        return size + 1;
    while (class & CORPUS_LETTER && behind < to && (is_letter(*behind) || *behind == '/'))
        behind++;
    return (size_t)(behind - at);
}

/* A chunk between white space that is more than letters. */
static q_status cut_chunk(struct cutter *c, const uint8_t *from, const uint8_t *to)
{
    size_t size;
    while (from < to) {
        unsigned class = class_at(c, from, &size);
        if (*from == '.' && to - from > 1 && from[1] == '.')
            size = affix_at(c, from, to);
        else if (!(class & CORPUS_PREFIX) || (*from == '+' && from + 1 < to && is_digit(from[1])))
            break;
        Q_TRY(add_any(c, from, from + size, 0));
        from += size;
    }
    const uint8_t *core_end = to;
    while (core_end > from && (size = suffix_before(c, from, core_end)) > 0)
        core_end -= size;
    if (core_end > from && (is_address(from, core_end) || equals(from, core_end, "and/or"))) {
        Q_TRY(add_any(c, from, core_end, 0));
    } else if (core_end > from) {
        size_t clitic = equals(from, core_end, "cannot") ? 3 : clitic_before(from, core_end);
        Q_TRY(cut_core(c, from, core_end - clitic));
        if (clitic)
            Q_TRY(add_any(c, core_end - clitic, core_end, 0));
    }
    for (from = core_end; from < to; from += size) {
        size = affix_at(c, from, to);
        Q_TRY(add_any(c, from, from + size, 0));
    }
    return Q_OK;
}

/* --- chunks ------------------------------------------------------------------------------------------------------------------------ */

/* A chunk between ASCII white space: other spaces cut it further. */
static q_status cut_spaces(struct cutter *c, const uint8_t *from, const uint8_t *to)
{
    const uint8_t *chunk = from;
    for (const uint8_t *at = from; at < to;) {
        size_t size;
        bool space = class_at(c, at, &size) & CORPUS_SPACE;
        if (space && at > chunk)
            Q_TRY(cut_chunk(c, chunk, at));
        at += size;
        if (space) {
            chunk = at;
            c->place |= CORPUS_WORD_BEGINS_CHUNK;
        }
    }
    return chunk < to ? cut_chunk(c, chunk, to) : Q_OK;
}

/* A chunk of nothing but ASCII letters is a word, "cannot" two; any other goes where it is cut. seen: the classes of its bytes. */
static q_status cut_plain(struct cutter *c, const uint8_t *from, const uint8_t *to, unsigned seen)
{
    if (!(seen & ~(unsigned)(CORPUS_LETTER | CORPUS_UPPER | CORPUS_LOWER)))
        return equals(from, to, "cannot") ? cut_chunk(c, from, to) : add_letters(c, from, to);
    return seen & CORPUS_WIDE ? cut_spaces(c, from, to) : cut_chunk(c, from, to);
}

q_status corpus_words_cut(q_string text, struct corpus_words *words)
{
    const uint8_t *at = (const uint8_t *)text.data, *end = at + text.size;
    struct cutter c = {.text = at, .text_end = end, .classes = corpus_character_classes(), .words = words};
    unsigned place = CORPUS_WORD_BEGINS_LINE | CORPUS_WORD_BEGINS_CHUNK;
    words->count = 0;
    while (at < end) {
        for (; at < end && (*at == ' ' || (*at >= '\t' && *at <= '\r')); at++)
            place |= *at == '\n' ? CORPUS_WORD_BEGINS_LINE : 0;
        const uint8_t *from = at;
        unsigned seen = 0;
        for (; at < end; at++) {
            unsigned class = *at < 0x80 ? c.classes[*at] : CORPUS_WIDE;
            if (class & CORPUS_SPACE)
                break;
            seen |= class;
        }
        c.place |= place;
        place = CORPUS_WORD_BEGINS_CHUNK;
        if (at > from)
            Q_TRY(cut_plain(&c, from, at, seen));
    }
    return Q_OK;
}

void corpus_words_release(struct corpus_words *words)
{
    q_release(words->items);
    *words = (struct corpus_words){0};
}
