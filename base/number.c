/* Numbers read from text, and figures written for people (string.h). Nothing here looks at the locale. */
#include "base/check.h"
#include "base/string.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static q_status not_a(q_string string, const char *what)
{
    return q_fail(Q_ERR_USAGE, "'%.*s' is not %s", Q_STRING_ARGS(string), what);
}

static q_status too_large(q_string string)
{
    return q_fail(Q_ERR_USAGE, "'%.*s' is too large", Q_STRING_ARGS(string));
}

/* Digits from *at on into *out; *at moves behind them. False where the number does not fit. */
static bool take_digits(q_string string, size_t *at, uint64_t *out)
{
    uint64_t value = 0;
    for (; *at < string.size && is_digit(string.data[*at]); (*at)++)
        if (!q_mul_u64(value, 10, &value) || !q_add_u64(value, (uint64_t)(string.data[*at] - '0'), &value))
            return false;
    *out = value;
    return true;
}

q_status q_parse_u64(q_string string, uint64_t *out)
{
    uint64_t value;
    size_t at = 0;
    if (!take_digits(string, &at, &value))
        return too_large(string);
    if (at == 0 || at != string.size)
        return not_a(string, "a whole number of 0 or more");
    *out = value;
    return Q_OK;
}

q_status q_parse_i64(q_string string, int64_t *out)
{
    bool negative = string.size > 0 && string.data[0] == '-';
    size_t at = negative;
    uint64_t value;
    if (!take_digits(string, &at, &value) || value > (uint64_t)INT64_MAX + negative)
        return too_large(string);
    if (at == negative || at != string.size)
        return not_a(string, "a whole number");
    *out = (int64_t)(negative ? 0 - value : value);
    return Q_OK;
}

/* [-+] digits [. digits] [eE [-+] digits], with a digit before or behind the point: what strtod takes less "inf",
 * "nan", hexadecimal numbers and leading spaces. */
static bool is_decimal(q_string string)
{
    size_t at = 0, digits = 0;
    if (at < string.size && (string.data[at] == '-' || string.data[at] == '+'))
        at++;
    for (; at < string.size && is_digit(string.data[at]); at++)
        digits++;
    if (at < string.size && string.data[at] == '.')
        for (at++; at < string.size && is_digit(string.data[at]); at++)
            digits++;
    if (digits > 0 && at < string.size && (string.data[at] == 'e' || string.data[at] == 'E')) {
        at++;
        if (at < string.size && (string.data[at] == '-' || string.data[at] == '+'))
            at++;
        for (digits = 0; at < string.size && is_digit(string.data[at]); at++)
            digits++;
    }
    return digits > 0 && at == string.size;
}

q_status q_parse_double(q_string string, double *out)
{
    char text[512]; /* strtod wants a NUL behind it */
    if (!is_decimal(string) || string.size >= sizeof(text))
        return not_a(string, "a decimal number");
    memcpy(text, string.data, string.size);
    text[string.size] = 0;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* a constant of the C library's, nothing to free */
    double value = plain ? strtod_l(text, NULL, plain) : strtod(text, NULL);
    if (!isfinite(value))
        return too_large(string);
    *out = value;
    return Q_OK;
}

/* The factor of a suffix: a letter of K, M, G (or B, for counts), T, then for bytes nothing or "iB" (powers of 1,024)
 * or "B" (of 1,000). 0: not a suffix. */
static uint64_t suffix_factor(q_string suffix, bool bytes)
{
    if (suffix.size == 0 || (bytes && q_string_is(suffix, "B")))
        return 1;
    static const char byte_letters[] = "KMGT", count_letters[] = "KMBT";
    const char *letters = bytes ? byte_letters : count_letters;
    char letter = suffix.data[0] >= 'a' && suffix.data[0] <= 'z' ? (char)(suffix.data[0] - 'a' + 'A') : suffix.data[0];
    const char *found = letter ? strchr(letters, letter) : NULL;
    if (!found)
        return 0;
    q_string rest = q_string_slice(suffix, 1, suffix.size);
    uint64_t base = 1000;
    if (bytes && (rest.size == 0 || q_string_is(rest, "iB")))
        base = 1024;
    else if (rest.size != 0 && !(bytes && q_string_is(rest, "B")))
        return 0;
    uint64_t factor = base;
    for (; found > letters; found--)
        factor *= base;
    return factor;
}

/* DIGITS[.DIGITS]SUFFIX in whole units, exactly: "14.8T" is 14,800,000,000,000 and "1.5" is refused. */
static q_status parse_quantity(q_string string, bool bytes, uint64_t *out)
{
    enum { FRACTION_DIGITS_MAX = 15 };
    const char *what =
        bytes ? "a number of bytes such as 65536, 64K, 1.5MiB or 2GB" : "a number such as 2000, 2K, 3M or 14.8T";
    uint64_t whole = 0, fraction = 0, scale = 1;
    size_t at = 0;
    if (!take_digits(string, &at, &whole))
        return too_large(string);
    size_t digits = at;
    if (at < string.size && string.data[at] == '.') {
        size_t from = ++at;
        if (!take_digits(string, &at, &fraction) || at - from > FRACTION_DIGITS_MAX)
            return not_a(string, what);
        digits = Q_MIN(digits, at - from); /* digits on both sides */
        for (; from < at; from++)
            scale *= 10;
    }
    uint64_t factor = suffix_factor(q_string_slice(string, at, string.size), bytes);
    if (digits == 0 || factor == 0)
        return not_a(string, what);
    unsigned __int128 parts = (unsigned __int128)fraction * factor; /* < 10^15 x 2^40: fits */
    if (parts % scale != 0)
        return not_a(string, bytes ? "a whole number of bytes" : "a whole number");
    if (!q_mul_u64(whole, factor, &whole) || !q_add_u64(whole, (uint64_t)(parts / scale), &whole))
        return too_large(string);
    *out = whole;
    return Q_OK;
}

q_status q_parse_bytes(q_string string, uint64_t *out_bytes)
{
    return parse_quantity(string, true, out_bytes);
}

q_status q_parse_count(q_string string, uint64_t *out_count)
{
    return parse_quantity(string, false, out_count);
}

enum { FORMAT_BYTES = 32 };

/* Three digits that count and a unit: "12.3 MB", "512 B", "1.24 M". Whole numbers below 1,000 stand as they are. */
static char *format_scaled(char *out, double value, const char *const units[6])
{
    size_t unit = 0;
    double size = fabs(value);
    while (size >= 999.5 && unit + 1 < 6) { /* 999.5 would print as 1000 */
        size /= 1000.0;
        value /= 1000.0;
        unit++;
    }
    int decimals = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
    if (unit == 0 && value == trunc(value))
        decimals = 0;
    if (!isfinite(value))
        (void)snprintf(out, FORMAT_BYTES, "?");
    else if (size >= 1e6)
        (void)snprintf(out, FORMAT_BYTES, "%.3g%s%s", value, *units[unit] ? " " : "", units[unit]);
    else
        (void)snprintf(out, FORMAT_BYTES, "%.*f%s%s", decimals, value, *units[unit] ? " " : "", units[unit]);
    return out;
}

char *q_format_bytes(char *out, double bytes)
{
    static const char *const units[6] = {"B", "kB", "MB", "GB", "TB", "PB"};
    return format_scaled(out, bytes, units);
}

char *q_format_count(char *out, double count)
{
    static const char *const units[6] = {"", "K", "M", "B", "T", "Q"};
    return format_scaled(out, count, units);
}

char *q_format_duration(char *out, double seconds)
{
    if (!isfinite(seconds) || seconds < 0.0 || seconds >= 1e11) {
        (void)snprintf(out, FORMAT_BYTES, "?");
    } else if (seconds < 59.5) {
        /* "0.42 s", "4.2 s", "12 s": two digits that count, and none that say nothing. */
        int decimals = seconds < 0.995 ? 2 : seconds < 9.95 ? 1 : 0;
        if (seconds == trunc(seconds))
            decimals = 0;
        (void)snprintf(out, FORMAT_BYTES, "%.*f s", decimals, seconds);
    } else {
        unsigned long long whole = (unsigned long long)(seconds + 0.5), minutes = (whole + 30) / 60;
        if (whole < 3600)
            (void)snprintf(out, FORMAT_BYTES, "%llu m %02llu s", whole / 60, whole % 60);
        else if (minutes < 1440)
            (void)snprintf(out, FORMAT_BYTES, "%llu h %02llu m", minutes / 60, minutes % 60);
        else
            (void)snprintf(out, FORMAT_BYTES, "%llu d %02llu h", minutes / 1440, minutes % 1440 / 60);
    }
    return out;
}
