#include "corpus/text/character_class.h"

#include "base/check.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <unicode/uchar.h>

static uint16_t table[CORPUS_CLASS_TABLE];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* What spaCy 3 cuts off both ends of a word (lang/char_classes.py: LIST_PUNCT, LIST_QUOTES) in every language. */
static const uint16_t affixes[] = {',',    ':',    ';',    '!',    '?',    0xBF,   0x61F,  0xA1,   '(',  ')',
                                   '[',    ']',    '{',    '}',    '<',    '>',    '_',    '#',    '*',  '&',
                                   0x3002, 0xFF1F, 0xFF01, 0xFF0C, 0x3001, 0xFF1B, 0xFF1A, 0xFF5E, 0xB7, 0x964,
                                   0x60C,  0x6D4,  0x61B,  0x66A,  0x2026, 0x2014, 0x2013};
static const uint16_t quotes[] = {'\'',   '"',    0x201D, 0x201C, '`',    0x2018, 0xB4,   0x2019, 0x201A, 0x201E,
                                  0xBB,   0xAB,   0x300C, 0x300D, 0x300E, 0x300F, 0xFF08, 0xFF09, 0x3014, 0x3015,
                                  0x3010, 0x3011, 0x300A, 0x300B, 0x3008, 0x3009, 0x27E6, 0x27E7};
/* Symbols that are no punctuation by their category, or letters of none of datatrove's set. */
static const uint16_t symbols[] = {0xFF05, 0xFF11, 0x3008, 0x3001, 0x2501, 0x3010, 0x300C, 0x300D, 0xFF0C,
                                   0x3011, 0xFF1B, 0x201C, 0x300A, 0x201E, 0x2019, 0x2236, 0xB4,   0xFF0E,
                                   0xFF08, 0x2013, 0xFF1F, 0xFF01, 0xFF1A, 0xFF5E, 0xAB,   0x3009, 0x300B,
                                   0xFF09, 0x3002, 0x2026, 0x25BA, 0xBB,   0x2014, 0x201D};

static bool is_one_of(const uint16_t *list, size_t count, uint32_t c)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == c)
            return true;
    return false;
}

static unsigned script_bits(uint32_t c)
{
    if ((c >= 0x0E00 && c <= 0x109F) || (c >= 0x1780 && c <= 0x17FF) || (c >= 0xAA60 && c <= 0xAA7F))
        return CORPUS_SPARSE; /* Thai, Lao, Tibetan, Myanmar; Khmer */
    if ((c >= 0x3005 && c <= 0x3007) || (c >= 0x3041 && c <= 0x30FF && c != 0x30FB) || (c >= 0x31F0 && c <= 0x31FF) ||
        (c >= 0x3400 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFF66 && c <= 0xFF9F) ||
        (c >= 0x20000 && c <= 0x3FFFF))
        return CORPUS_DENSE; /* the middle dot of kana is punctuation */
    return 0;
}

static unsigned letter_bits(uint32_t c, UCharCategory category)
{
    unsigned bits = script_bits(c);
    if (!u_isalpha((UChar32)c)) /* Thai vowel signs are marks, and belong to its words */
        return bits & CORPUS_SPARSE && U_GET_GC_MASK((UChar32)c) & U_GC_M_MASK ? bits : 0;
    bits |= CORPUS_LETTER;
    if (category != U_LOWERCASE_LETTER)
        bits |= CORPUS_UPPER;
    if (category != U_UPPERCASE_LETTER)
        bits |= CORPUS_LOWER;
    return bits;
}

/* datatrove's TERMINAL_PUNCTUATION is Unicode's Sentence_Terminal and three signs of Khmer. */
static bool ends_sentence(uint32_t c)
{
    return u_hasBinaryProperty((UChar32)c, UCHAR_S_TERM) || c == 0x17D6 || c == 0x17D9 || c == 0x17DA;
}

static unsigned cut_bits(uint32_t c)
{
    bool quote = is_one_of(quotes, Q_COUNT_OF(quotes), c);
    unsigned bits = quote ? CORPUS_QUOTE : 0;
    if (quote || is_one_of(affixes, Q_COUNT_OF(affixes), c))
        bits |= CORPUS_PREFIX | CORPUS_SUFFIX;
    if (c == 0xA7 || c == '%' || c == '=' || c == '+')
        bits |= CORPUS_PREFIX;
    return bits;
}

uint16_t corpus_character_class_far(uint32_t c)
{
    UCharCategory category = (UCharCategory)u_charType((UChar32)c);
    unsigned bits = letter_bits(c, category) | cut_bits(c);
    if (c >= '0' && c <= '9')
        bits |= CORPUS_DIGIT;
    if (u_isUWhiteSpace((UChar32)c))
        bits |= CORPUS_SPACE;
    if (U_MASK(category) & U_GC_P_MASK)
        bits |= CORPUS_PUNCTUATION;
    if (ends_sentence(c))
        bits |= CORPUS_SENTENCE_END | CORPUS_SYMBOL;
    bool ascii = c < 0x80 && !(bits & (CORPUS_LETTER | CORPUS_DIGIT | CORPUS_SPACE));
    if (ascii || category == U_CONTROL_CHAR || is_one_of(symbols, Q_COUNT_OF(symbols), c))
        bits |= CORPUS_SYMBOL;
    if (category == U_OTHER_SYMBOL)
        bits |= CORPUS_ICON | CORPUS_PREFIX | CORPUS_SUFFIX;
    if (category == U_CURRENCY_SYMBOL)
        bits |= CORPUS_CURRENCY | CORPUS_PREFIX;
    return (uint16_t)bits;
}

static void make_table(void)
{
    for (uint32_t c = 0; c < CORPUS_CLASS_TABLE; c++)
        table[c] = corpus_character_class_far(c);
}

const uint16_t *corpus_character_classes(void)
{
    pthread_once(&once, make_table);
    return table;
}
