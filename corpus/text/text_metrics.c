#include "corpus/text/text_metrics.h"

#include "base/check.h"

#include <unicode/uchar.h>

enum class_of { SPACE, LETTER, OTHER, DENSE, SPARSE }; /* DENSE: two letters a word; SPARSE: four */

struct pass {
    struct corpus_metrics *m;
    /* the chunk between white space */
    const char *chunk; /* NULL: between chunks */
    uint64_t length, dense, sparse;
    bool letter;
    /* the line */
    bool line_begun, line_ellipsis;
    unsigned dots; /* '.' in a row */
    unsigned stop_mask;
};

static const char *const stop_words[] = {"the", "be", "to", "of", "and", "that", "have", "with"};

static enum class_of class_of(uint32_t c)
{
    if (c < 0x80) {
        if (c == ' ' || (c >= 0x09 && c <= 0x0D))
            return SPACE;
        return (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? LETTER : OTHER;
    }
    if (c == 0xA0 || c == 0x3000 || (c >= 0x2000 && c <= 0x200B) || c == 0x202F || c == 0x205F || c == 0x1680)
        return SPACE;
    if (c < 0x0E00)
        return u_isalpha((UChar32)c) ? LETTER : OTHER;
    if (c <= 0x109F || (c >= 0x1780 && c <= 0x17FF) || (c >= 0xAA60 && c <= 0xAA7F))
        return u_isalpha((UChar32)c) ? SPARSE : OTHER; /* Thai, Lao, Tibetan, Myanmar; Khmer */
    if ((c >= 0x3005 && c <= 0x3007) || (c >= 0x3041 && c <= 0x30FF) || (c >= 0x31F0 && c <= 0x31FF) ||
        (c >= 0x3400 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFF66 && c <= 0xFF9F) ||
        (c >= 0x20000 && c <= 0x3FFFF))
        return c == 0x30FB ? OTHER : DENSE; /* the middle dot of kana is punctuation */
    return u_isalpha((UChar32)c) ? LETTER : OTHER;
}

static bool is_bullet(uint32_t c)
{
    return c == '-' || c == '*' || c == 0x2022 || c == 0x2023 || c == 0x25CF || c == 0x25E6 || c == 0xB7;
}

/* Looks for the chunk among the stop words, ASCII punctuation at its ends aside. */
static unsigned stop_word_bit(const char *from, const char *to)
{
    while (from < to && !(((unsigned char)*from | 0x20) >= 'a' && ((unsigned char)*from | 0x20) <= 'z'))
        from++;
    while (to > from && !(((unsigned char)to[-1] | 0x20) >= 'a' && ((unsigned char)to[-1] | 0x20) <= 'z'))
        to--;
    size_t size = (size_t)(to - from);
    if (size < 2 || size > 4)
        return 0;
    char word[5] = {0};
    for (size_t i = 0; i < size; i++)
        word[i] = (char)(from[i] | 0x20);
    for (unsigned i = 0; i < Q_COUNT_OF(stop_words); i++)
        if (strcmp(word, stop_words[i]) == 0)
            return 1u << i;
    return 0;
}

static void end_chunk(struct pass *p, const char *end)
{
    struct corpus_metrics *m = p->m;
    uint64_t estimated = q_ceil_div(p->dense, 2) + q_ceil_div(p->sparse, 4);
    m->words += estimated;
    m->letter_words += estimated;
    if (p->letter || !estimated) {
        m->words++;
        m->spaced_words++;
        m->word_characters += p->length;
        m->letter_words += p->letter;
        if (end - p->chunk <= 8)
            p->stop_mask |= stop_word_bit(p->chunk, end);
    }
    p->chunk = NULL;
    p->length = p->dense = p->sparse = 0;
    p->letter = false;
}

static void end_line(struct pass *p)
{
    p->m->lines += p->line_begun;
    p->m->ellipsis_lines += p->line_begun && p->line_ellipsis;
    p->line_begun = p->line_ellipsis = false;
}

/* The next code point of valid UTF-8. */
static uint32_t decode(const unsigned char **at)
{
    const unsigned char *p = *at;
    if (p[0] < 0x80)
        return *at += 1, p[0];
    if (p[0] < 0xE0)
        return *at += 2, (uint32_t)(p[0] & 0x1F) << 6 | (p[1] & 0x3F);
    if (p[0] < 0xF0)
        return *at += 3, (uint32_t)(p[0] & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
    return *at += 4,
           (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 | (uint32_t)(p[2] & 0x3F) << 6 | (p[3] & 0x3F);
}

static void add_character(struct pass *p, uint32_t c, const char *at, enum class_of class)
{
    struct corpus_metrics *m = p->m;
    if (!p->line_begun) {
        p->line_begun = true;
        m->bullet_lines += is_bullet(c);
    }
    if (!p->chunk)
        p->chunk = at;
    p->dots = c == '.' ? p->dots + 1 : 0;
    bool ellipsis = c == 0x2026 || p->dots == 3;
    if (ellipsis)
        p->dots = 0;
    m->ellipses += ellipsis;
    p->line_ellipsis = ellipsis;
    m->hashes += c == '#';
    p->letter |= class == LETTER;
    if (class == DENSE)
        p->dense++;
    else if (class == SPARSE)
        p->sparse++;
    else
        p->length++;
}

void corpus_measure(q_string text, struct corpus_metrics *out)
{
    *out = (struct corpus_metrics){0};
    struct pass p = {.m = out};
    const unsigned char *at = (const unsigned char *)text.data, *end = at + text.size;
    while (at < end) {
        const char *from = (const char *)at;
        uint32_t c = decode(&at);
        enum class_of class = class_of(c);
        out->characters++;
        if (class != SPACE) {
            add_character(&p, c, from, class);
            continue;
        }
        p.dots = 0;
        if (p.chunk)
            end_chunk(&p, from);
        if (c == '\n')
            end_line(&p);
    }
    if (p.chunk)
        end_chunk(&p, (const char *)end);
    end_line(&p);
    out->stop_words = (unsigned)__builtin_popcount(p.stop_mask);
}
