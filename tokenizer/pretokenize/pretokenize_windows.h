/* The fast way to cut by a built-in pattern: 64 bytes at a time, as bit masks. Included by one file per instruction set, which defines, before:
 *
 *     load(const uint8_t *bytes)       64 bytes
 *     range(x, first, last)            a mask with a bit per byte: which are first..last
 *     equal(x, byte)
 *     set_bits(x, bits)                every byte | bits
 *     low_six_in(x, set)               of which bytes the low six bits are in the set of 64
 *
 * A window begins where a piece begins, or inside a word that goes on. Every byte of a character has the character's classes, so that runs are runs of bits:
 *
 *     text       G o   4 2   m i l e s . \n \n I t
 *     word       1 1 0 0 0 0 1 1 1 1 1 0 0  0  1 1
 *     number     0 0 0 1 1 0 0 0 0 0 0 0 0  0  0 0
 *     space      0 0 1 0 0 1 0 0 0 0 0 0 1  1  0 0
 *     starts     1 0 1 1 0 1 0 0 0 0 0 1 0  0  1 0        a word takes the space before it, a sign the line ends behind it
 *
 * What is told from what lies behind (to whom does the last space of a run belong?) is not certain for a run that touches the window's end: the next window
 * begins at the last start that is. Where there is none the plain way makes one step. So any text, any length of piece is right by the plain
 * way, and the masks only have to be right where they answer.
 */
#ifndef QUERN_TOKENIZER_PRETOKENIZE_WINDOWS_H
#define QUERN_TOKENIZER_PRETOKENIZE_WINDOWS_H

#include "tokenizer/pretokenize/pretokenize_pattern.h"
#include "tokenizer/unicode/utf8_decode.h"

#include <string.h>

enum { WINDOW = 64, WINDOW_ROOM = 80 /* with what a load of four bytes at its last byte may touch */ };

struct ascii_masks {
    uint64_t letter, upper, number, space, line_end, blank, control; /* blank: U+0020; control: below it, or DEL */
    uint64_t apostrophe, slash;
    uint64_t high; /* above 0x7F */
};

/* Characters that can be told to be letters by their first two bytes at most: bits at their first bytes. What is behind is to be checked. */
struct high_masks {
    uint64_t tail; /* 80..BF */
    uint64_t two;  /* D0, D1: Cyrillic; of these: */
    uint64_t two_upper, two_lower;
    uint64_t latin_two;   /* C3..C9, all but U+00D7 and U+00F7 */
    uint64_t latin_three; /* E1 B8..BB: Vietnamese */
    uint64_t han;         /* E4 B8..E9 BD: all of UNICODE_CJK */
    uint64_t kana;        /* E3 81..83, without the characters there that are no letters; UNICODE_CJK */
    uint64_t hangul;      /* EA B0..ED 9D */
};

/* The classes of a window's bytes. Masks hold nothing at and behind `size`. */
struct window {
    const uint8_t *bytes;
    unsigned size;
    bool last; /* the text ends with it */
    uint64_t word, sign, number, space, none;
    uint64_t line_end, blank, cjk, ascii_letter;
    uint64_t upper, lower, both, mark; /* of words: only for `cases` */
    uint64_t apostrophe, slash;
    uint64_t high, inner; /* inner: the bytes of a character but its first */
};

/* What is known of the byte before a window. */
struct before {
    bool open; /* it is in a word, whose piece goes on */
    uint64_t cjk, upper, lower, both;
};

/* What a pattern does not use the compiler leaves out. */
static ALWAYS_INLINE void classify(const uint8_t *bytes, struct ascii_masks *out)
{
    __typeof__(load(bytes)) x = load(bytes);
    out->letter = range(set_bits(x, 0x20), 'a', 'z');
    out->upper = range(x, 'A', 'Z');
    out->number = range(x, '0', '9');
    out->blank = equal(x, ' ');
    out->space = out->blank | range(x, '\t', '\r');
    out->line_end = equal(x, '\n') | equal(x, '\r');
    out->control = range(x, 0, 0x1F) | equal(x, 0x7F);
    out->apostrophe = equal(x, '\'');
    out->slash = equal(x, '/');
    out->high = range(x, 0x80, 0xFF);
}

/* A text has few scripts, mostly the same: only those are looked for that a window has first bytes of. */
static ALWAYS_INLINE void classify_high(const uint8_t *bytes, struct high_masks *out)
{
    __typeof__(load(bytes)) x = load(bytes);
    *out = (struct high_masks){.tail = range(x, 0x80, 0xBF)};
    if (range(x, 0xC3, 0xC9))
        out->latin_two = range(x, 0xC3, 0xC9) & ~((equal(x, 0xC3) & (equal(x, 0x97) | equal(x, 0xB7)) >> 1));
    if (range(x, 0xD0, 0xD1)) {
        out->two = range(x, 0xD0, 0xD1);
        out->two_upper = equal(x, 0xD0) & range(x, 0x80, 0xAF) >> 1;
        out->two_lower = (equal(x, 0xD0) & range(x, 0xB0, 0xBF) >> 1) | (equal(x, 0xD1) & range(x, 0x80, 0x9F) >> 1);
    }
    if (range(x, 0xE4, 0xE9))
        out->han = range(x, 0xE5, 0xE8) | (equal(x, 0xE4) & range(x, 0xB8, 0xBF) >> 1) |
                   (equal(x, 0xE9) & range(x, 0x80, 0xBD) >> 1);
    if (equal(x, 0xE1))
        out->latin_three = equal(x, 0xE1) & range(x, 0xB8, 0xBB) >> 1;
    if (range(x, 0xEA, 0xED))
        out->hangul = range(x, 0xEB, 0xEC) | (equal(x, 0xEA) & range(x, 0xB0, 0xBF) >> 1) |
                      (equal(x, 0xED) & range(x, 0x80, 0x9D) >> 1);
    uint64_t e3 = equal(x, 0xE3) & range(x, 0x81, 0x83) >> 1;
    if (e3) { /* without 3040, 3097-309C and 30A0 (of which two are marks), 30FB */
        uint64_t hiragana = equal(x, 0x81) >> 1 & ~(equal(x, 0x80) >> 2),
                 katakana = equal(x, 0x83) >> 1 & ~(equal(x, 0xBB) >> 2);
        uint64_t both = equal(x, 0x82) >> 1 & ~((range(x, 0x97, 0x9C) | equal(x, 0xA0)) >> 2);
        out->kana = e3 & (hiragana | katakana | both);
    }
}

static ALWAYS_INLINE unsigned lowest(uint64_t mask) /* mask != 0 */
{
    return (unsigned)__builtin_ctzll(mask);
}
static ALWAYS_INLINE unsigned highest(uint64_t mask) /* mask != 0 */
{
    return 63u - (unsigned)__builtin_clzll(mask);
}
/* Bits 0..count), count <= 64. */
static ALWAYS_INLINE uint64_t low_bits(unsigned count)
{
    return count < 64 ? (1ull << count) - 1 : ~0ull;
}

/* Puts the character of `entry` at the bytes `bits` into the classes. Without branches, for words and signs. */
static ALWAYS_INLINE void put_class(const struct pretokenize_pattern *pattern, struct window *w, uint8_t entry,
                                    uint64_t bits)
{
    uint32_t category = entry & (UNICODE_CJK - 1u), class = 1u << category;
    if (pattern->borders)
        w->cjk |= bits & (0 - (uint64_t)(entry / UNICODE_CJK));
    if (pattern->cases) {
        w->upper |= class & PRETOKENIZE_UPPER ? bits : 0;
        w->lower |= class & UNICODE_BIT(UNICODE_LL) ? bits : 0;
        w->both |= class & PRETOKENIZE_BOTH ? bits : 0;
        w->mark |= class & UNICODE_MARK ? bits : 0;
    }
    if (class & pattern->word) {
        w->word |= bits;
    } else if (class & pattern->sign) {
        w->sign |= bits;
    } else if (class & UNICODE_SPACE) {
        w->space |= bits;
    } else if (class & UNICODE_NUMBER) {
        w->number |= bits;
    } else {
        w->none |= bits;
    }
}

/* The character at `at`, from whose first byte at least four may be read. */
static ALWAYS_INLINE struct utf8_code decode_high(const uint8_t *at, const uint8_t *end)
{
    uint32_t four;
    memcpy(&four, at, sizeof(four));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    four = __builtin_bswap32(four);
#endif
    if ((four & 0xC0C0F0) == 0x8080E0) {
        uint32_t code = (four & 0x0F) << 12 | (four & 0x3F00) >> 2 | (four >> 16 & 0x3F);
        if (code >= 0x800 && code - 0xD800 >= 0x800)
            return (struct utf8_code){code, 3};
    } else if ((four & 0xC0E0) == 0x80C0 && (four & 0x1E)) {
        return (struct utf8_code){(four & 0x1F) << 6 | (four >> 8 & 0x3F), 2};
    }
    return utf8_decode(at, end);
}

/* A block that several characters of a window are in, as those of most scripts are: looks at all of them at once. `leads` are characters that are not told yet;
 * at: the first of them. Returns those of its block; puts those that are letters or marks (and whole) into the classes, adds their
 * first bytes to *told and all their bytes to *covered. */
static ALWAYS_INLINE uint64_t put_block(const struct pretokenize_pattern *pattern, struct window *w, uint64_t leads,
                                        unsigned at, uint64_t one, uint64_t two, uint64_t *told, uint64_t *covered)
{
    __typeof__(load(w->bytes)) x = load(w->bytes);
    uint8_t lead = w->bytes[at], second = w->bytes[at + 1]; /* a window has bytes behind it */
    bool long_one = lead >= 0xE0;
    uint64_t same = leads & equal(x, lead);
    if (long_one)
        same &= equal(x, second) >> 1;
    if (lead < 0xC2 || lead >= 0xF0 || __builtin_popcountll(same) < 3)
        return same | 1ull << at;
    uint32_t number = long_one ? (lead & 0x0Fu) << 6 | (second & 0x3Fu) : lead & 0x1Fu;
    const struct unicode_words *words = &unicode_block_words[unicode_block_of[number]];
    const uint8_t *entries = unicode_blocks[unicode_block_of[number]];
    if (pattern->borders && (entries[0] ^ entries[UNICODE_BLOCK - 1]) & UNICODE_CJK)
        return same;
    uint64_t wanted =
        words->other | (pattern->cases ? 0 : words->cased) | (pattern->word & UNICODE_MARK ? words->marks : 0);
    uint64_t found = low_six_in(x, wanted);
    found = same & (long_one ? two & found >> 2 : one & found >> 1);
    if (lead == 0xE0 && second < 0xA0) /* an overlong form; surrogates are not in `wanted` */
        found = 0;
    *told |= found;
    uint64_t bits = found | found << 1 | (long_one ? found << 2 : 0);
    *covered |= bits;
    w->word |= bits;
    if (pattern->borders && entries[0] & UNICODE_CJK)
        w->cjk |= bits;
    if (pattern->cases) {
        w->both |= bits;
        w->mark |= words->marks ? bits : 0; /* some of them */
    }
    return same;
}

/* The classes of all characters above U+007F. */
static ALWAYS_INLINE void put_high(const struct pretokenize_pattern *pattern, struct window *w, const uint8_t *end)
{
    struct high_masks high;
    classify_high(w->bytes, &high);
    uint64_t valid = low_bits(w->size), tail = high.tail & valid;
    uint64_t one = tail >> 1, two = one & tail >> 2; /* one, two bytes of a character follow */
    uint64_t pairs = (pattern->cases ? high.two_upper | high.two_lower : high.two | high.latin_two) & one,
             cjk = (high.han | high.kana) & two, hangul = (high.hangul | (pattern->cases ? 0 : high.latin_three)) & two;
    uint64_t three = cjk | hangul, done = pairs | three;
    uint64_t covered = done | done << 1 | three << 2;
    w->word |= covered;
    if (pattern->borders)
        w->cjk |= cjk | cjk << 1 | cjk << 2;
    if (pattern->cases) {
        uint64_t upper = high.two_upper & one, lower = high.two_lower & one;
        w->upper |= upper | upper << 1;
        w->lower |= lower | lower << 1;
        w->both |= three | three << 1 | three << 2;
    }
    uint64_t rest = w->high & ~tail & ~covered, told = 0;
    uint64_t strays = rest & ~one; /* nothing follows that belongs to it */
    rest ^= strays;
    for (uint64_t leads = rest; __builtin_popcountll(leads) >= 3;)
        leads &= ~put_block(pattern, w, leads, lowest(leads), one, two, &told, &covered);
    for (rest &= ~told; rest; rest &= rest - 1) {
        unsigned at = lowest(rest);
        struct utf8_code decoded = decode_high(w->bytes + at, end);
        uint64_t bits = low_bits(decoded.bytes) << at;
        covered |= bits;
        put_class(pattern, w, unicode_entry(decoded.code), bits);
    }
    w->inner = tail & covered;
    strays |= tail & ~covered;
    if (strays) { /* each is a broken character of its own */
        put_class(pattern, w, unicode_entry(UTF8_REPLACEMENT), strays);
        w->inner &= ~strays;
    }
}

/* How much of a window can be looked at: up to a character, or an apostrophe, that may go on behind it. 0: the plain way is to be asked. */
static ALWAYS_INLINE unsigned trim(const struct pretokenize_pattern *pattern, const uint8_t *bytes,
                                   const struct ascii_masks *ascii)
{
    unsigned size = WINDOW;
    for (unsigned back = 1; ascii->high >> 61 && back <= 3; back++) {
        uint8_t byte = bytes[WINDOW - back];
        if (byte >= 0xC0 && (byte >= 0xF0 ? 4u : byte >= 0xE0 ? 3u : 2u) > back)
            size = WINDOW - back;
    }
    uint64_t near = pattern->contraction ? ascii->apostrophe >> (size - 3) & 7 : 0;
    while (near) { /* again: what ends in front of an apostrophe may be a contraction, too */
        size = size - 3 + lowest(near);
        if (size < 8)
            return 0;
        near = ascii->apostrophe >> (size - 3) & 7;
    }
    return size;
}

static ALWAYS_INLINE void look_at(const struct pretokenize_pattern *pattern, struct window *w, const uint8_t *end)
{
    struct ascii_masks ascii;
    classify(w->bytes, &ascii);
    if (!w->last)
        w->size = trim(pattern, w->bytes, &ascii);
    uint64_t valid = low_bits(w->size), unmatched = pattern->borders ? ascii.control & ~ascii.space : 0;
    w->high = ascii.high & valid;
    w->ascii_letter = w->word = ascii.letter & valid;
    w->number = ascii.number & valid;
    w->space = ascii.space & valid;
    w->none = unmatched & valid;
    w->sign = ~(ascii.letter | ascii.number | ascii.space | ascii.high | unmatched) & valid;
    w->line_end = ascii.line_end & valid;
    w->blank = ascii.blank & valid;
    w->apostrophe = ascii.apostrophe & valid;
    w->slash = ascii.slash & valid;
    w->upper = ascii.upper & valid;
    w->lower = w->ascii_letter & ~ascii.upper;
    w->cjk = w->both = w->mark = w->inner = 0;
    if (w->high)
        put_high(pattern, w, end);
}

/* The first bytes of the characters that lie before those at `mask`. */
static ALWAYS_INLINE uint64_t characters_before(const struct window *w, uint64_t mask)
{
    uint64_t back = mask >> 1, firsts = back & ~w->inner;
    if (w->inner)
        for (int i = 0; i < 3; i++) {
            back = (back & w->inner) >> 1;
            firsts |= back & ~w->inner;
        }
    return firsts;
}

/* The places behind the characters whose first bytes are `mask`. */
static ALWAYS_INLINE uint64_t behind_characters(const struct window *w, uint64_t mask)
{
    uint64_t next = mask << 1, ends = next & ~w->inner;
    if (w->inner)
        for (int i = 0; i < 3; i++) {
            next = (next & w->inner) << 1;
            ends |= next & ~w->inner;
        }
    return ends;
}

/* Numbers from the start of each run on, `max` in a piece. */
static ALWAYS_INLINE uint64_t cut_numbers(const struct window *w, uint64_t starts, unsigned max)
{
    uint64_t all = starts, first = w->number & ~w->inner;
    if (max == 0 || !w->number)
        return starts;
    if (max == 1)
        return first;
    if (!(w->number & w->high)) {
        for (uint64_t next = starts; (next = ((next << 1 & w->number) << 1 & w->number) << 1 & w->number); all |= next)
            continue;
        return all;
    }
    unsigned run = 0;
    for (uint64_t rest = first; rest; rest &= rest - 1) {
        uint64_t bit = rest & (0 - rest);
        run = starts & bit ? 0 : run + 1;
        all |= run % max == 0 ? bit : 0;
    }
    return all;
}

/* White space that begins a piece inside its run: what is behind the last line end, and the last character, which is left to what follows.
 * borders: bits of characters before which the last character is not left alone. */
static ALWAYS_INLINE uint64_t cut_space(const struct pretokenize_pattern *pattern, const struct window *w,
                                        uint64_t space, uint64_t borders)
{
    uint64_t line_end = pattern->line_ends ? w->line_end & space : 0, plain = space & ~line_end;
    uint64_t starts = plain & line_end << 1;
    if (starts) {
        uint64_t runs = plain & ~(plain << 1), behind = (plain + runs) & ~plain;
        for (uint64_t bad = behind & line_end; bad; bad &= bad - 1) { /* a line end follows: it was not the last */
            uint64_t below = ~plain & low_bits(lowest(bad));
            starts &= ~(below ? 1ull << highest(below) << 1 : 1ull);
        }
    }
    uint64_t last = space & ~(space >> 1) & plain & ~(borders >> 1);
    if (w->last)
        last &= ~(1ull << (w->size - 1));
    return starts | characters_before(w, last << 1); /* one at the 64th byte is not certain, or the last of the text */
}

/* The contractions at the apostrophes `at`, in order: what is cut, and what is not. */
static ALWAYS_INLINE uint64_t cut_contractions(const struct pretokenize_pattern *pattern, const struct window *w,
                                               uint64_t at, uint64_t starts)
{
    unsigned behind_last = WINDOW + 1;
    for (; at; at &= at - 1) {
        unsigned place = lowest(at);
        if (pattern->contraction == PRETOKENIZE_CONTRACTION_BEHIND && place == behind_last)
            continue; /* the word before it has one already */
        unsigned bytes = pretokenize_contraction(pattern->contraction, w->bytes + place + 1, w->bytes + w->size);
        if (bytes == 0)
            continue;
        behind_last = place + 1 + bytes;
        starts &= ~(low_bits(bytes) << 1 << place); /* letters of the contraction */
        if (pattern->contraction == PRETOKENIZE_CONTRACTION_BEHIND)
            starts &= ~(1ull << place);
        if (behind_last < WINDOW)
            starts |= 1ull << behind_last & w->word;
    }
    return starts;
}

/* Whether the masks do not tell a pattern with cases all: characters of both cases beside others (the pattern goes back over them), marks in a run of
 * signs, slashes behind line ends. */
static ALWAYS_INLINE bool is_hard(const struct window *w, const struct before *before, uint64_t unjoined)
{
    uint64_t cased = w->upper | w->lower, beside = cased << 1 | cased >> 1 | before->upper | before->lower;
    return (w->both & beside) | (cased & before->both) | (unjoined & w->mark & w->sign << 1) |
           (w->slash & w->line_end << 1);
}

/* Where pieces start, as far as the window tells; bit 0 may be wrong where `before` is not open. False: the plain way is to be asked.
 * Line ends that belong to signs are taken out of `space`. */
static ALWAYS_INLINE bool find_starts(const struct pretokenize_pattern *pattern, struct window *w,
                                      const struct before *before, uint64_t *out)
{
    uint64_t cjk_before = before->open ? before->cjk : w->cjk & 1;
    uint64_t border = pattern->borders ? (w->cjk ^ (w->cjk << 1 | cjk_before)) | (w->number ^ w->number << 1) : 0;
    uint64_t word_before = w->word << 1 | before->open;
    uint64_t word_starts = w->word & (~word_before | border);
    uint64_t sign_starts = w->sign & (~(w->sign << 1) | border);
    uint64_t behind_blank = w->blank << 1 & ~border;
    uint64_t lone = sign_starts & ~behind_blank; /* the first sign of its run begins a piece */
    uint64_t none_starts = w->none & (~(w->none << 1) | border);
    uint64_t number_starts = w->number & ~(w->number << 1);
    uint64_t tails = pattern->line_ends ? w->line_end & ~(w->line_end + (w->line_end & (w->sign & ~w->cjk) << 1)) : 0;
    uint64_t space = w->space &= ~tails;

    uint64_t joined = 0, prefixed = word_starts & behind_blank;
    if (pattern->join == PRETOKENIZE_JOIN_ASCII) {
        joined = word_starts & w->ascii_letter & (lone & ~w->high) << 1;
        uint64_t behind_letters = (w->ascii_letter + joined) & ~w->ascii_letter;
        word_starts |= behind_letters & w->word & w->ascii_letter << 1 & -(uint64_t)(joined != 0);
    } else if (pattern->join == PRETOKENIZE_JOIN_ANY) {
        joined = word_starts & behind_characters(w, lone);
    }
    if (pattern->any_prefix)
        prefixed = word_starts & ((space & ~w->line_end) | w->none) << 1 & ~border;
    if (pattern->digits_max == 0)
        number_starts &= ~behind_blank;

    uint64_t starts = border | (word_starts & ~joined & ~prefixed) | lone | none_starts | (space & ~(space << 1));
    starts |= cut_numbers(w, number_starts, pattern->digits_max);
    if (w->space)
        starts |= cut_space(pattern, w, space, border);
    if (w->none)
        starts |= characters_before(w, prefixed & w->none << 1);
    if (pattern->cases)
        starts |= w->upper & (w->lower << 1 | before->lower);
    if (pattern->contraction && w->apostrophe) {
        uint64_t letters = pattern->contraction == PRETOKENIZE_CONTRACTION_BEHIND ? word_before : lone;
        starts = cut_contractions(pattern, w, w->apostrophe & letters & w->word >> 1, starts);
    }
    *out = starts & low_bits(w->size);
    return !pattern->cases || !is_hard(w, before, word_starts & ~joined);
}

/* Those that nothing behind the window can change: in a run of white space or unmatched characters at its end, the run's start alone. */
static ALWAYS_INLINE uint64_t keep_certain(const struct pretokenize_pattern *pattern, const struct window *w,
                                           uint64_t starts)
{
    if (w->last && !pattern->last_space_whole)
        return starts;
    uint64_t open = w->last ? w->space : w->space | w->none, rest = ~(open << (WINDOW - w->size));
    unsigned run = rest ? (unsigned)__builtin_clzll(rest) : w->size;
    return run ? starts & low_bits(w->size - run + 1) : starts;
}

/* The ends at the bits of `mask`, as offsets from `base`; up to 64 are written, in fours, and their number returned. */
static ALWAYS_INLINE size_t write_ends(uint64_t mask, size_t base, size_t *ends)
{
    size_t count = (size_t)__builtin_popcountll(mask);
    for (size_t *end = ends; mask; end += 4)
        for (size_t k = 0; k < 4; k++, mask &= mask - 1)
            end[k] = base + (mask ? (unsigned)__builtin_ctzll(mask) : 64u); /* as the instruction gives it for 0 */
    return count;
}

/* The state of a cut: all before `here` is told, up to the piece that began at `start`. There is room for one more end. */
struct cutting {
    const uint8_t *bytes, *end, *start, *here;
    struct before before;
    size_t *ends;
    size_t count, max;
};

/* Cuts at the bits of `starts`, of bytes from `here` on; false where there is no more room. */
static ALWAYS_INLINE bool cut_at(struct cutting *c, uint64_t starts)
{
    size_t base = (size_t)(c->here - c->bytes), room = c->max - c->count, some[WINDOW];
    if (starts == 0)
        return true;
    if (room >= WINDOW) {
        c->count += write_ends(starts, base, c->ends + c->count);
        c->start = c->here + highest(starts);
    } else {
        size_t found = write_ends(starts, base, some), kept = found < room ? found : room;
        memcpy(c->ends + c->count, some, kept * sizeof(*some));
        c->count += kept;
        c->start = c->bytes + some[kept - 1];
    }
    return c->count < c->max;
}

/* One step of the plain way from the piece that is open; false where there is no more room. */
static inline bool cut_step(const struct pretokenize_pattern *pattern, struct cutting *c)
{
    c->start = c->here = pretokenize_step(pattern, c->start, c->end);
    c->before = (struct before){0};
    c->ends[c->count++] = (size_t)(c->start - c->bytes);
    return c->count < c->max;
}

/* One window; false where there is no more room. */
static ALWAYS_INLINE bool cut_window(const struct pretokenize_pattern *pattern, struct cutting *c)
{
    uint8_t copy[WINDOW_ROOM];
    struct window w = {.bytes = c->here, .size = WINDOW};
    const uint8_t *end = c->end;
    size_t left = (size_t)(end - c->here);
    if (left < WINDOW_ROOM) {
        memset(copy, 0, sizeof(copy));
        memcpy(copy, c->here, left);
        w.bytes = copy;
        end = copy + left;
        w.last = left <= WINDOW;
        w.size = w.last ? (unsigned)left : WINDOW;
    }
    uint64_t starts;
    look_at(pattern, &w, end);
    if (w.size == 0)
        return cut_step(pattern, c);
    if (!find_starts(pattern, &w, &c->before, &starts)) {
        const uint8_t *behind = c->here + w.size;
        do {
            if (!cut_step(pattern, c))
                return false;
        } while (c->here < behind);
        return true;
    }
    starts = keep_certain(pattern, &w, starts);
    if (!c->before.open)
        starts &= ~1ull;
    unsigned last = w.size - 1;
    uint64_t begin = starts ? highest(starts) : 0;
    bool ascii_word = pattern->join == PRETOKENIZE_JOIN_ASCII && (starts || !c->before.open) && w.sign >> begin & 1;
    bool open = !w.last && w.word >> last & 1 && !ascii_word;
    if (!open && !w.last && starts == 0)
        return cut_step(pattern, c);
    if (!cut_at(c, starts))
        return false;
    if (open || w.last) {
        c->here += w.size;
        c->before =
            (struct before){open, w.cjk >> last & 1, w.upper >> last & 1, w.lower >> last & 1, w.both >> last & 1};
    } else {
        c->here = c->start;
        c->before = (struct before){0};
    }
    return true;
}

static ALWAYS_INLINE size_t cut_by_windows(const struct pretokenize_pattern *pattern, q_string text, size_t *at,
                                           size_t *ends, size_t max)
{
    if (*at >= text.size || max == 0) /* an empty text may have no address */
        return 0;
    const uint8_t *bytes = (const uint8_t *)text.data;
    struct cutting c = {
        .bytes = bytes, .end = bytes + text.size, .start = bytes + *at, .here = bytes + *at, .ends = ends, .max = max};
    bool room = true;
    while (room && c.here < c.end)
        room = cut_window(pattern, &c);
    if (room && c.start < c.end && c.count < max) { /* the last piece */
        c.start = c.end;
        ends[c.count++] = text.size;
    }
    *at = (size_t)(c.start - bytes);
    return c.count;
}

/* The functions of a struct pretokenize_way, and itself. */
#define PRETOKENIZE_CUT(name, which)                                                                                   \
    static size_t name(q_string text, size_t *at, size_t *ends, size_t max)                                            \
    {                                                                                                                  \
        return cut_by_windows(&pretokenize_patterns[which], text, at, ends, max);                                      \
    }
#define PRETOKENIZE_WAY(name)                                                                                          \
    PRETOKENIZE_CUT(cut_deepseek_v3, PRETOKENIZE_DEEPSEEK_V3)                                                          \
    PRETOKENIZE_CUT(cut_gpt2, PRETOKENIZE_GPT2)                                                                        \
    PRETOKENIZE_CUT(cut_cl100k, PRETOKENIZE_CL100K)                                                                    \
    PRETOKENIZE_CUT(cut_o200k, PRETOKENIZE_O200K)                                                                      \
    PRETOKENIZE_CUT(cut_llama3, PRETOKENIZE_LLAMA3)                                                                    \
    PRETOKENIZE_CUT(cut_qwen2, PRETOKENIZE_QWEN2)                                                                      \
    const struct pretokenize_way pretokenize_##name = {                                                                \
        #name, {cut_deepseek_v3, cut_gpt2, cut_cl100k, cut_o200k, cut_llama3, cut_qwen2}}

#endif
