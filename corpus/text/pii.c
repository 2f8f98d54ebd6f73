#include "corpus/text/pii.h"

#include "base/bytes16.h"
#include "base/check.h"
#include "base/hash.h"
#include "corpus/text/pii_match.h"

/* "pii" in ASCII: the key of the choice of placeholders, for ever. */
enum { PLACEHOLDER_KEY = 0x706969 };

/* Where replacing stands. */
struct pii_work {
    q_string text;
    unsigned kinds;
    struct q_buffer *out;
    size_t done; /* bytes of the text that are in `out`, or left as they are for good */
    size_t copied;
    struct corpus_changes *changes;
};

/* E-mail: datatrove's. Addresses of RFC 5737 and RFC 3849, numbers of the 555-01xx that are set apart for fiction, an IBAN of the registry's examples,
 * a card number that every network gives to testers. A kind with several chooses by hash. */
static const char *const emails[] = {"email@example.com", "firstname.lastname@example.org"};
static const char *const addresses[] = {"192.0.2.17",     "192.0.2.146", "198.51.100.42",
                                        "198.51.100.203", "203.0.113.8", "203.0.113.117"};
static const char *const long_addresses[] = {"2001:db8:1::17", "2001:db8:52::8a2e", "2001:db8:85a3::7334"};
static const char *const networks[] = {"2001:db8:1::", "2001:db8:52::", "2001:db8:85a3::"};
static const char *const phones[] = {"+1-202-555-0143"};
static const char *const ibans[] = {"GB29NWBK60161331926819"};
static const char *const cards[] = {"4111111111111111"};

static const char *placeholder(const struct pii_work *w, const struct pii_match *match, const char *const *choices,
                               size_t count)
{
    uint64_t hash = q_hash64(w->text.data + match->from, match->to - match->from, PLACEHOLDER_KEY);
    return choices[hash % count];
}
#define PLACEHOLDER(w, match, choices) placeholder(w, match, choices, Q_COUNT_OF(choices))

/* Everything up to the match, and its placeholder. */
static q_status put(struct pii_work *w, const struct pii_match *match, const char *with, uint64_t *counter)
{
    q_check(match->from >= w->done && match->to <= w->text.size);
    w->done = match->to;
    if (match->keep)
        return Q_OK;
    Q_TRY(q_buffer_append_string(w->out, q_string_slice(w->text, w->copied, match->from)));
    Q_TRY(q_buffer_append_string(w->out, q_string_of(with)));
    w->copied = match->to;
    ++*counter;
    return Q_OK;
}

/* Whether a digit of the 16 bytes at `at` may begin something; for IP addresses the last digit of a number, or the first of a group of four. */
static bool may_begin(q_string text, size_t at, bool ip_only)
{
    const char *bytes = text.data + at;
    q_bytes16 first = q_bytes16_load(bytes), digits = Q_IN16(first, '0', '9');
    if (!ip_only || !q_bytes16_any(digits))
        return q_bytes16_any(digits);
    q_bytes16 third = q_bytes16_load(bytes + 2);
    q_bytes16 quad = digits & Q_IS16(q_bytes16_load(bytes + 1), '.') & Q_IN16(third, '0', '9');
    q_bytes16 group = Q_IN16(first, '2', '3') & Q_IS16(q_bytes16_load(bytes + 4), ':');
    return q_bytes16_any(quad | group);
}

/* The first digit of [from, to) that may begin something, or `to`; it may be any digit, or one inside a run. */
static size_t next_digit(q_string text, unsigned kinds, size_t from, size_t to)
{
    enum { LOOKED_AT = sizeof(q_bytes16) + 4, OCTET_REST = 2 };
    size_t at = from;
    while (at + LOOKED_AT <= to && !may_begin(text, at, !(kinds & ~(unsigned)(PII_EMAIL | PII_IP))))
        at += sizeof(q_bytes16);
    at -= Q_MIN(at - from, (size_t)OCTET_REST); /* where the number began whose last digit was seen */
    while (at < to && !pii_is_digit(pii_byte(text, at)))
        at++;
    return at;
}

static q_status put_ip(struct pii_work *w, const struct pii_match *match, bool version_6)
{
    const char *with = !version_6                           ? PLACEHOLDER(w, match, addresses)
                       : w->text.data[match->to - 1] == ':' ? PLACEHOLDER(w, match, networks)
                                                            : PLACEHOLDER(w, match, long_addresses);
    return put(w, match, with, &w->changes->ips);
}

/* What begins with the digit at `at` and ends at `to` at the latest, if anything. */
static q_status replace_number(struct pii_work *w, size_t at, size_t to)
{
    const q_string text = q_string_slice(w->text, 0, to); /* what an e-mail address has is no part of a number */
    struct pii_match match;
    bool version_6;
    if (w->kinds & PII_IBAN && pii_match_iban(text, w->done, at, &match))
        return put(w, &match, PLACEHOLDER(w, &match, ibans), &w->changes->ibans);
    if (w->kinds & PII_CARD && pii_match_card(text, at, &match))
        return put(w, &match, PLACEHOLDER(w, &match, cards), &w->changes->cards);
    if (w->kinds & PII_PHONE && pii_match_phone(text, w->done, at, &match))
        return put(w, &match, PLACEHOLDER(w, &match, phones), &w->changes->phones);
    if (w->kinds & PII_IP && pii_match_ip(text, at, &match, &version_6))
        return put_ip(w, &match, version_6);
    return Q_OK;
}

/* Everything but e-mail up to `to`, where an e-mail address or the end is. */
static q_status replace_numbers(struct pii_work *w, size_t to)
{
    if (!(w->kinds & ~(unsigned)PII_EMAIL))
        return Q_OK;
    for (size_t at = next_digit(w->text, w->kinds, w->done, to); at < to; at = next_digit(w->text, w->kinds, at, to)) {
        Q_TRY(replace_number(w, at, to));
        at = Q_MAX(at, w->done);
        while (at < to && pii_is_digit(pii_byte(w->text, at)))
            at++;
    }
    return Q_OK;
}

q_status pii_replace(q_string text, unsigned kinds, struct q_buffer *out, bool *found, struct corpus_changes *changes)
{
    struct pii_work w = {.text = text, .kinds = kinds, .out = out, .changes = changes};
    for (size_t at = 0, from = 0; kinds & PII_EMAIL && at < text.size; at++) {
        struct pii_match match;
        const char *sign = memchr(text.data + at, '@', text.size - at);
        if (!sign)
            break;
        at = (size_t)(sign - text.data);
        if (!pii_match_email(text, from, at, &match))
            continue;
        Q_TRY(replace_numbers(&w, match.from));
        Q_TRY(put(&w, &match, PLACEHOLDER(&w, &match, emails), &changes->emails));
        from = match.to;
        at = match.to - 1;
    }
    Q_TRY(replace_numbers(&w, text.size));
    *found = w.copied != 0;
    return *found ? q_buffer_append_string(out, q_string_slice(text, w.copied, text.size)) : Q_OK;
}
