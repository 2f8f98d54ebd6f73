/* E-mail and IP addresses; the rules are in pii.h. */
#include "base/check.h"
#include "corpus/text/pii_match.h"

#include <arpa/inet.h>

/* --- e-mail ------------------------------------------------------------------------------------------------------------------------ */

/* atext of RFC 5322, 3.2.3. */
static bool is_atom(unsigned char c)
{
    return pii_is_word(c) || (c && strchr("!#$%&'*+/=?^`{|}~-", c));
}

static bool is_label(unsigned char c)
{
    return pii_is_digit(c) || pii_is_letter(c) || c == '-';
}

static bool is_alphanumeric(unsigned char c)
{
    return pii_is_digit(c) || pii_is_letter(c);
}

/* Where the dot-atom before `at` begins, at its first word boundary; `at` where there is none. */
static size_t local_part(q_string text, size_t from, size_t at)
{
    size_t start = at;
    while (start > from) {
        unsigned char c = pii_byte(text, start - 1);
        bool dot = c == '.' && start < at && is_atom(pii_byte(text, start)) && start - 1 > from &&
                   is_atom(pii_byte(text, start - 2));
        if (!is_atom(c) && !dot)
            break;
        start--;
    }
    while (start < at && (!pii_is_word(pii_byte(text, start)) || (start && pii_is_word(pii_byte(text, start - 1)))))
        start++;
    return start;
}

static bool is_picture(q_string label)
{
    static const char *const suffixes[] = {"png", "jpg", "jpeg", "gif", "svg", "webp"};
    for (size_t i = 0; i < Q_COUNT_OF(suffixes); i++)
        if (q_string_is(label, suffixes[i]))
            return true;
    return false;
}

/* A last label: of .com and .museum, not of version 1.3.0. */
static bool is_top_level(q_string text, size_t from, size_t to)
{
    return to - from >= 2 && pii_is_letter(pii_byte(text, from)) && !is_picture(q_string_slice(text, from, to));
}

/* The end of the longest domain name of two labels or more that begins at `at`; 0 where there is none. */
static size_t domain_end(q_string text, size_t at)
{
    size_t good = 0;
    for (bool first = true;; first = false) {
        size_t end = at;
        while (is_label(pii_byte(text, end)))
            end++;
        size_t last = end;
        while (last > at && !is_alphanumeric(pii_byte(text, last - 1)))
            last--;
        if (last == at || !is_alphanumeric(pii_byte(text, at)))
            return good;
        if (!first && is_top_level(text, at, last))
            good = last;
        if (last != end || pii_byte(text, end) != '.')
            return good;
        at = end + 1;
    }
}

/* RFC 2606: names that nobody can have. `name` is a domain or one under it. */
static bool is_reserved(q_string domain)
{
    static const char *const names[] = {"example.com", "example.net", "example.org", "example",
                                        "invalid",     "localhost",   "test"};
    for (size_t i = 0; i < Q_COUNT_OF(names); i++) {
        size_t size = strlen(names[i]);
        if (domain.size < size || (domain.size > size && domain.data[domain.size - size - 1] != '.'))
            continue;
        size_t k = 0;
        while (k < size && (domain.data[domain.size - size + k] | 0x20) == (names[i][k] | 0x20))
            k++;
        if (k == size)
            return true;
    }
    return false;
}

/* --- IPv4 -------------------------------------------------------------------------------------------------------------------------- */

/* Reads a number up to 255 without leading zeros; the new position, 0 where there is none. */
static size_t read_octet(q_string text, size_t at, uint32_t *value)
{
    size_t end = at;
    *value = 0;
    while (end < at + 3 && pii_is_digit(pii_byte(text, end)))
        *value = *value * 10 + (uint32_t)(pii_byte(text, end++) - '0');
    return end == at || *value > 255 || (pii_byte(text, at) == '0' && end != at + 1) ? 0 : end;
}

/* The end of four numbers with points between; 0 where there are none. */
static size_t read_quad(q_string text, size_t at, uint32_t *address)
{
    uint32_t octet;
    *address = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (i && pii_byte(text, at++) != '.')
            return 0;
        at = read_octet(text, at, &octet);
        if (!at)
            return 0;
        *address = *address << 8 | octet;
    }
    return at;
}

/* IANA IPv4 Special-Purpose Address Registry, and multicast. */
static bool is_public_quad(uint32_t address)
{
    static const struct {
        uint32_t network;
        unsigned bits;
    } special[] = {{0x00000000, 8},  {0x0A000000, 8},  {0x64400000, 10}, {0x7F000000, 8},  {0xA9FE0000, 16},
                   {0xAC100000, 12}, {0xC0000000, 24}, {0xC0000200, 24}, {0xC0A80000, 16}, {0xC6120000, 15},
                   {0xC6336400, 24}, {0xCB007100, 24}, {0xE0000000, 3}};
    if (address == 0xC0000009 || address == 0xC000000A)
        return true; /* anycast services within 192.0.0.0/24 */
    for (size_t i = 0; i < Q_COUNT_OF(special); i++)
        if ((address ^ special[i].network) >> (32 - special[i].bits) == 0)
            return false;
    return true;
}

/* Sections and versions count up from small numbers. */
static bool has_large_octet(uint32_t address)
{
    return (address & 0xE0E0E0E0) != 0;
}

static bool match_quad(q_string text, size_t at, struct pii_match *match)
{
    uint32_t address;
    size_t end = read_quad(text, at, &address);
    if (!end || pii_is_word(pii_byte(text, end)) ||
        (pii_byte(text, end) == '.' && pii_is_digit(pii_byte(text, end + 1))))
        return false;
    *match = (struct pii_match){.from = at, .to = end};
    return is_public_quad(address) && has_large_octet(address);
}

/* --- IPv6 -------------------------------------------------------------------------------------------------------------------------- */

static bool is_hex(unsigned char c)
{
    return pii_is_digit(c) || (unsigned char)((c | 0x20) - 'a') < 6;
}

/* 2000::/3 without what the IANA IPv6 Special-Purpose Address Registry takes out of it; b: 16 bytes. */
static bool is_public_groups(const unsigned char *b)
{
    uint32_t high = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    if (high >> 29 != 1)
        return false;
    if (high >> 16 == 0x2002) /* 6to4: the IPv4 address is in it */
        return is_public_quad((uint32_t)b[2] << 24 | (uint32_t)b[3] << 16 | (uint32_t)b[4] << 8 | b[5]);
    return high >> 9 != 0x20010000u >> 9 && high != 0x20010DB8 && high >> 12 != 0x3FFF0;
}

/* The groups that are written; the IPv4 part counts as one. */
static unsigned count_groups(const char *address)
{
    unsigned groups = 0;
    for (size_t i = 0; address[i]; i++)
        groups += address[i] != ':' && (i == 0 || address[i - 1] == ':');
    return groups;
}

static bool match_groups(q_string text, size_t at, struct pii_match *match)
{
    char address[INET6_ADDRSTRLEN];
    unsigned char bytes[16], before = at ? pii_byte(text, at - 1) : 0;
    size_t size = 0;
    if ((pii_byte(text, at) != '2' && pii_byte(text, at) != '3') || pii_byte(text, at + 4) != ':' || before == ':')
        return false;
    for (unsigned char c; c = pii_byte(text, at + size), is_hex(c) || c == ':' || c == '.'; size++) {
        if (size + 1 >= sizeof address)
            return false;
        address[size] = (char)c;
    }
    if (pii_is_word(pii_byte(text, at + size)))
        return false;
    if (address[size - 1] == '.') /* of the sentence */
        size--;
    else if (address[size - 1] == ':' && address[size - 2] != ':')
        size--;
    address[size] = 0;
    *match = (struct pii_match){.from = at, .to = at + size};
    return inet_pton(AF_INET6, address, bytes) == 1 && count_groups(address) >= 3 && is_public_groups(bytes);
}

/* --- faces ------------------------------------------------------------------------------------------------------------------------- */

/* The address around the '@' at `at`, alone. */
static bool match_address(q_string text, size_t from, size_t at, struct pii_match *match)
{
    uint32_t address;
    size_t start = local_part(text, from, at), end = 0;
    if (start == at)
        return false;
    if (pii_byte(text, at + 1) == '[') {
        end = read_quad(text, at + 2, &address);
        end = end && pii_byte(text, end) == ']' && pii_ends(text, end + 1) && !is_label(pii_byte(text, end + 1))
                  ? end + 1
                  : 0;
    } else {
        end = domain_end(text, at + 1);
    }
    *match = (struct pii_match){start, end, is_reserved(q_string_slice(text, at + 1, end))};
    return end != 0;
}

bool pii_match_email(q_string text, size_t from, size_t at, struct pii_match *match)
{
    struct pii_match more;
    if (!match_address(text, from, at, match))
        return false;
    while (match->from > from && pii_byte(text, match->from - 1) == '@' &&
           (match->from - 1 == from || pii_byte(text, match->from - 2) != '.'))
        match->from = local_part(text, from, match->from - 1);
    for (unsigned char c; at++, c = pii_byte(text, at), is_atom(c) || c == '.' || c == '@';)
        if (c == '@' && at >= match->to && match_address(text, match->to, at, &more)) {
            match->to = more.to;
            match->keep &= more.keep;
        }
    return true;
}

bool pii_match_ip(q_string text, size_t at, struct pii_match *match, bool *version_6)
{
    if (!pii_begins(text, at) || (at && pii_byte(text, at - 1) == '+'))
        return false;
    *version_6 = match_groups(text, at, match);
    return *version_6 || match_quad(text, at, match);
}
