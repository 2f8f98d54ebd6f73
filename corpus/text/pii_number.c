/* Phone numbers, IBANs and payment cards; the rules are in pii.h. */
#include "base/check.h"
#include "corpus/text/pii_match.h"

/* --- phone numbers ----------------------------------------------------------------------------------------------------------------- */

enum { PHONE_DIGITS_MIN = 8, PHONE_DIGITS_MAX = 15, AMERICAN_DIGITS = 11, PHONE_BYTES_MAX = 40 };

/* One separator, or ") " or " (" or the like: the bytes of it, 0 where there is none. */
static size_t phone_separator(q_string text, size_t at)
{
    size_t size = 0;
    while (size < 3 && pii_byte(text, at + size) && strchr(size ? " ()" : " ()-/", pii_byte(text, at + size)))
        size++;
    return size;
}

/* +49 (30) 901820 from its first digit on: the end of the last group that leaves it a number, 0 where none does. Behind country code 1 it has 11 digits. */
static size_t read_international(q_string text, size_t at)
{
    size_t end = at, good = 0;
    unsigned digits = 0, open = 0, most = pii_byte(text, at) == '1' ? AMERICAN_DIGITS : PHONE_DIGITS_MAX;
    if (pii_byte(text, at) == '0')
        return 0;
    while (end < at + PHONE_BYTES_MAX && digits <= most) {
        for (; pii_is_digit(pii_byte(text, end)) && digits <= most; end++)
            digits++;
        if (digits >= PHONE_DIGITS_MIN && digits <= most && pii_ends(text, end))
            good = end;
        size_t separator = phone_separator(text, end);
        for (size_t i = 0; i < separator; i++)
            open += pii_byte(text, end + i) == '(';
        if (!separator || open > 1 || !pii_is_digit(pii_byte(text, end + separator)))
            break;
        end += separator;
    }
    return good;
}

/* Reads `count` digits, the first from `first` on; the new position, 0 where they are not there. */
static size_t read_digits(q_string text, size_t at, unsigned count, unsigned char first)
{
    for (unsigned i = 0; i < count; i++)
        if (!pii_is_digit(pii_byte(text, at + i)) || (!i && pii_byte(text, at) < first))
            return 0;
    return at + count;
}

/* 212-867-5309, 212.867.5309, and behind an opening bracket 212) 867-5309: the end, 0 where it is none (North American Numbering Plan). */
static size_t read_american(q_string text, size_t at, bool bracket)
{
    at = read_digits(text, at, 3, '2');
    if (!at)
        return 0;
    unsigned char first = pii_byte(text, at++);
    if (bracket ? first != ')' : !first || !strchr("-. ", first))
        return 0;
    at += bracket && pii_byte(text, at) == ' ';
    at = read_digits(text, at, 3, '2');
    if (!at)
        return 0;
    unsigned char second = pii_byte(text, at++);
    if (bracket ? !second || !strchr("-. ", second) : second != first)
        return 0;
    at = read_digits(text, at, 4, '0');
    return at && pii_ends(text, at) ? at : 0;
}

bool pii_match_phone(q_string text, size_t from, size_t at, struct pii_match *match)
{
    unsigned char before = at > from ? pii_byte(text, at - 1) : 0;
    size_t start = at - (before == '+' || before == '('), end;
    if (!pii_begins(text, start))
        return false;
    end = before == '+' ? read_international(text, at) : read_american(text, at, before == '(');
    *match = (struct pii_match){.from = start, .to = end};
    return end != 0;
}

/* --- IBAN -------------------------------------------------------------------------------------------------------------------------- */

/* Country and length (IBAN registry of SWIFT, ISO 13616). */
static unsigned iban_length(unsigned char first, unsigned char second)
{
    static const char lengths[] =
        "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27"
        "GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22"
        "MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28"
        "TL23TN24TR26UA29VA22VG24XK20YE30";
    for (const char *at = lengths; *at; at += 4)
        if ((unsigned char)at[0] == first && (unsigned char)at[1] == second)
            return (unsigned)((at[2] - '0') * 10 + (at[3] - '0'));
    return 0;
}

static unsigned iban_mod(unsigned rest, unsigned char c)
{
    return pii_is_digit(c) ? (rest * 10 + (unsigned)(c - '0')) % 97 : (rest * 100 + (unsigned)(c - 'A') + 10) % 97;
}

bool pii_match_iban(q_string text, size_t from, size_t at, struct pii_match *match)
{
    enum { LENGTH_MAX = 34 };
    unsigned char letters[LENGTH_MAX];
    if (at < from + 2 || (at > 2 && pii_is_word(pii_byte(text, at - 3))))
        return false;
    size_t start = at - 2, end = start;
    unsigned length = iban_length(pii_byte(text, start), pii_byte(text, start + 1)), rest = 0;
    bool groups = pii_byte(text, start + 4) == ' ';
    for (unsigned i = 0; i < length; i++, end++) {
        if (groups && i && i % 4 == 0 && pii_byte(text, end++) != ' ')
            return false;
        letters[i] = pii_byte(text, end);
        if (!pii_is_digit(letters[i]) && (letters[i] < 'A' || letters[i] > 'Z'))
            return false;
    }
    if (!length || !pii_ends(text, end))
        return false;
    for (unsigned i = 4; i < length + 4; i++) /* the first four count last */
        rest = iban_mod(rest, letters[i % length]);
    *match = (struct pii_match){.from = start, .to = end};
    return rest == 1;
}

/* --- payment cards ----------------------------------------------------------------------------------------------------------------- */

enum { CARD_DIGITS_MIN = 13, CARD_DIGITS_MAX = 19 };

static bool luhn(const unsigned char *digits, unsigned count)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned digit = (unsigned)(digits[count - 1 - i] - '0') << (i & 1);
        sum += digit > 9 ? digit - 9 : digit;
    }
    return sum % 10 == 0;
}

/* Whether cards of this many digits begin so: the first four digits lie in a range of an issuer (ISO/IEC 7812 numbers as the networks publish them). */
static bool is_issued(unsigned prefix, unsigned count)
{
    static const struct {
        unsigned first, last, least, most;
    } ranges[] = {{4000, 4999, 13, 19},                       /* Visa */
                  {5100, 5599, 16, 16}, {2221, 2720, 16, 16}, /* Mastercard */
                  {3400, 3499, 15, 15}, {3700, 3799, 15, 15}, /* American Express */
                  {6011, 6011, 16, 19}, {6440, 6599, 16, 19}, /* Discover */
                  {3528, 3589, 16, 19},                       /* JCB */
                  {3000, 3059, 14, 19}, {3095, 3095, 14, 19}, {3600, 3699, 14, 19}, {3800, 3999, 14, 19}, /* Diners */
                  {6200, 6299, 16, 19},                                                                   /* UnionPay */
                  {2200, 2204, 16, 19},                                                                   /* Mir */
                  {5018, 5018, 13, 19}, {5020, 5020, 13, 19}, {5038, 5038, 13, 19}, {6304, 6304, 13, 19},
                  {6759, 6759, 13, 19}, {6761, 6763, 13, 19}}; /* Maestro */
    for (size_t i = 0; i < Q_COUNT_OF(ranges); i++)
        if (prefix >= ranges[i].first && prefix <= ranges[i].last && count >= ranges[i].least &&
            count <= ranges[i].most)
            return prefix < 4000 || prefix > 4999 || count == 13 || count == 16 || count == 19;
    return false;
}

/* Whether `group` digits may end at digit `count`: groups of four with a shorter or equal last one, or 4-6-5 and 4-6-4. */
static bool grouped_well(const unsigned *groups, unsigned count)
{
    if (count == 1)
        return true;
    if (count == 3 && groups[0] == 4 && groups[1] == 6)
        return groups[2] == 5 || groups[2] == 4;
    for (unsigned i = 0; i + 1 < count; i++)
        if (groups[i] != 4)
            return false;
    return groups[count - 1] <= 4;
}

bool pii_match_card(q_string text, size_t at, struct pii_match *match)
{
    enum { GROUPS_MAX = 5 };
    unsigned char digits[CARD_DIGITS_MAX], separator = 0;
    unsigned groups[GROUPS_MAX] = {0}, count = 0, group = 0;
    bool found = false;
    if (!pii_begins(text, at))
        return false;
    for (size_t end = at; group < GROUPS_MAX; end++, group++) {
        for (; pii_is_digit(pii_byte(text, end)); end++, groups[group]++) {
            if (count == CARD_DIGITS_MAX)
                return found;
            digits[count++] = pii_byte(text, end);
        }
        unsigned char next = pii_byte(text, end);
        if (!groups[group] || !pii_ends(text, end))
            return found;
        unsigned prefix = 0;
        for (unsigned i = 0; i < 4 && count >= CARD_DIGITS_MIN; i++)
            prefix = prefix * 10 + (unsigned)(digits[i] - '0');
        if (count >= CARD_DIGITS_MIN && grouped_well(groups, group + 1) && is_issued(prefix, count) &&
            luhn(digits, count)) {
            *match = (struct pii_match){.from = at, .to = end};
            found = true;
        }
        if ((next != ' ' && next != '-') || (separator && next != separator))
            return found;
        separator = next;
    }
    return found;
}
