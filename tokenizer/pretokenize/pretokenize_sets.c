#include "tokenizer/pretokenize/pretokenize_sets.h"

#include "base/check.h"
#include "tokenizer/unicode/unicode_classes.h"
#include "tokenizer/unicode/unicode_scripts.h"

#include <stdlib.h>

void code_set_add(struct code_set *set, uint32_t first, uint32_t last)
{
    for (uint32_t code = first; code <= last; code++) {
        if (code % 64 == 0 && last - code >= 63) {
            set->words[code / 64] = UINT64_MAX;
            code += 63;
        } else {
            set->words[code / 64] |= 1ull << (code % 64);
        }
    }
}

void code_set_add_categories(struct code_set *set, uint32_t categories)
{
    for (uint32_t code = 0; code < UNICODE_CODE_POINTS; code++)
        if (unicode_class(code) & categories)
            set->words[code / 64] |= 1ull << (code % 64);
}

void code_set_add_set(struct code_set *set, const struct code_set *other)
{
    for (size_t i = 0; i < CODE_SET_WORDS; i++)
        set->words[i] |= other->words[i];
}

void code_set_intersect(struct code_set *set, const struct code_set *other)
{
    for (size_t i = 0; i < CODE_SET_WORDS; i++)
        set->words[i] &= other->words[i];
}

void code_set_complement(struct code_set *set)
{
    for (size_t i = 0; i < CODE_SET_WORDS; i++)
        set->words[i] = ~set->words[i];
}

/* The categories by their names of PropertyValueAliases.txt. */
static const struct {
    const char *name, *long_name;
    uint32_t categories;
} category_names[] = {
    {"L", "Letter", UNICODE_LETTER},
    {"LC", "Cased_Letter", UNICODE_RANGE(UNICODE_LU, UNICODE_LT)},
    {"Lu", "Uppercase_Letter", UNICODE_BIT(UNICODE_LU)},
    {"Ll", "Lowercase_Letter", UNICODE_BIT(UNICODE_LL)},
    {"Lt", "Titlecase_Letter", UNICODE_BIT(UNICODE_LT)},
    {"Lm", "Modifier_Letter", UNICODE_BIT(UNICODE_LM)},
    {"Lo", "Other_Letter", UNICODE_BIT(UNICODE_LO)},
    {"M", "Mark", UNICODE_MARK},
    {"Mn", "Nonspacing_Mark", UNICODE_BIT(UNICODE_MN)},
    {"Mc", "Spacing_Mark", UNICODE_BIT(UNICODE_MC)},
    {"Me", "Enclosing_Mark", UNICODE_BIT(UNICODE_ME)},
    {"N", "Number", UNICODE_NUMBER},
    {"Nd", "Decimal_Number", UNICODE_BIT(UNICODE_ND)},
    {"Nl", "Letter_Number", UNICODE_BIT(UNICODE_NL)},
    {"No", "Other_Number", UNICODE_BIT(UNICODE_NO)},
    {"P", "Punctuation", UNICODE_PUNCTUATION},
    {"Pc", "Connector_Punctuation", UNICODE_BIT(UNICODE_PC)},
    {"Pd", "Dash_Punctuation", UNICODE_BIT(UNICODE_PD)},
    {"Ps", "Open_Punctuation", UNICODE_BIT(UNICODE_PS)},
    {"Pe", "Close_Punctuation", UNICODE_BIT(UNICODE_PE)},
    {"Pi", "Initial_Punctuation", UNICODE_BIT(UNICODE_PI)},
    {"Pf", "Final_Punctuation", UNICODE_BIT(UNICODE_PF)},
    {"Po", "Other_Punctuation", UNICODE_BIT(UNICODE_PO)},
    {"S", "Symbol", UNICODE_SYMBOL},
    {"Sm", "Math_Symbol", UNICODE_BIT(UNICODE_SM)},
    {"Sc", "Currency_Symbol", UNICODE_BIT(UNICODE_SC)},
    {"Sk", "Modifier_Symbol", UNICODE_BIT(UNICODE_SK)},
    {"So", "Other_Symbol", UNICODE_BIT(UNICODE_SO)},
    {"Z", "Separator", UNICODE_RANGE(UNICODE_ZS, UNICODE_ZP)},
    {"Zs", "Space_Separator", UNICODE_BIT(UNICODE_ZS)},
    {"Zl", "Line_Separator", UNICODE_BIT(UNICODE_ZL)},
    {"Zp", "Paragraph_Separator", UNICODE_BIT(UNICODE_ZP)},
    {"C", "Other", UNICODE_RANGE(UNICODE_CN, UNICODE_CC_SPACE)},
    {"Cc", "Control", UNICODE_BIT(UNICODE_CC) | UNICODE_BIT(UNICODE_CC_SPACE)},
    {"Cf", "Format", UNICODE_BIT(UNICODE_CF)},
    {"Cn", "Unassigned", UNICODE_BIT(UNICODE_CN)},
    {"Co", "Private_Use", UNICODE_BIT(UNICODE_CO)},
    {"Cs", "Surrogate", UNICODE_BIT(UNICODE_CS)},
    {"White_Space", "Space", UNICODE_SPACE},
    {"Any", "Any", UINT32_MAX},
};

/* The next character that counts in a name, in lower case; 0 at its end. */
static char next_letter(const char **at, const char *end)
{
    while (*at < end && (**at == ' ' || **at == '_' || **at == '-'))
        (*at)++;
    if (*at == end)
        return 0;
    char letter = *(*at)++;
    return letter >= 'A' && letter <= 'Z' ? (char)(letter + 32) : letter;
}

static bool same_name(q_string name, const char *wanted)
{
    const char *a = name.data, *a_end = a + name.size, *b = wanted, *b_end = b + strlen(wanted);
    for (;;) {
        char x = next_letter(&a, a_end), y = next_letter(&b, b_end);
        if (x != y)
            return false;
        if (!x)
            return true;
    }
}

bool code_set_add_property(struct code_set *set, q_string name, bool *cased)
{
    const uint32_t cases = UNICODE_RANGE(UNICODE_LU, UNICODE_LT);
    for (size_t i = 0; i < Q_COUNT_OF(category_names); i++) {
        uint32_t categories = category_names[i].categories;
        if (!same_name(name, category_names[i].name) && !same_name(name, category_names[i].long_name))
            continue;
        *cased |= categories & cases && (categories & cases) != cases;
        code_set_add_categories(set, categories);
        return true;
    }
    for (unsigned script = UNICODE_SCRIPT_COMMON; script < UNICODE_SCRIPTS; script++) {
        if (!same_name(name, unicode_script_names[script]))
            continue;
        for (uint32_t code = 0; code < UNICODE_CODE_POINTS; code++)
            if (unicode_script(code) == script)
                set->words[code / 64] |= 1ull << (code % 64);
        return true;
    }
    return false;
}

void code_set_add_word(struct code_set *set)
{
    code_set_add_categories(set, UNICODE_LETTER | UNICODE_MARK | UNICODE_RANGE(UNICODE_ND, UNICODE_NL) |
                                     UNICODE_BIT(UNICODE_PC));
    code_set_add(set, 0xB2, 0xB3); /* superscripts and fractions of Latin-1, which its tables count in */
    code_set_add(set, 0xB9, 0xB9);
    code_set_add(set, 0xBC, 0xBE);
    code_set_add(set, 0x24B6, 0x24E9); /* Other_Alphabetic of PropList.txt, as far as it is not in M */
    code_set_add(set, 0x1F130, 0x1F149);
    code_set_add(set, 0x1F150, 0x1F169);
    code_set_add(set, 0x1F170, 0x1F189);
}

struct range {
    uint32_t first, last;
};

static int by_width(const void *left, const void *right)
{
    const struct range *a = left, *b = right;
    uint32_t x = a->last - a->first, y = b->last - b->first;
    if (x != y)
        return x > y ? -1 : 1;
    return a->first < b->first ? -1 : 1;
}

q_status code_set_write(const struct code_set *set, bool negated, struct q_buffer *out)
{
    struct q_buffer ranges = {0};
    q_status status = Q_OK;
    for (uint32_t code = 0; code < UNICODE_CODE_POINTS && !status; code++) {
        uint32_t first = code;
        while (code < UNICODE_CODE_POINTS && code - 0xD800 >= 0x800 && code_set_has(set, code))
            code++;
        if (code > first)
            status = q_buffer_append(&ranges, &(struct range){first, code - 1}, sizeof(struct range));
    }
    size_t count = ranges.size / sizeof(struct range);
    struct range *list = (struct range *)(void *)ranges.data;
    if (count)
        qsort(list, count, sizeof(*list), by_width);
    if (!status) /* an empty class is written as one that nothing is in */
        status = q_buffer_printf(out, "[%s%s", (count == 0) != negated ? "^" : "", count ? "" : "\\x{0}-\\x{10FFFF}");
    for (size_t i = 0; i < count && !status; i++)
        status = q_buffer_printf(out, "\\x{%X}-\\x{%X}", list[i].first, list[i].last);
    if (!status)
        status = q_buffer_append_byte(out, ']');
    q_buffer_release(&ranges);
    return status;
}
