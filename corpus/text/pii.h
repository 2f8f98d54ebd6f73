/* Personal data: e-mail addresses, public IP addresses, phone numbers, IBANs and payment card numbers are replaced by placeholders.
 *
 * What is found:
 *   e-mail   the addresses that datatrove 0.9's PIIFormatter finds (the dot-atom of RFC 5322 behind a word boundary, '@', two labels or more, or an IPv4
 *            address in brackets), but for these:
 *              - what hangs together goes together: "@user@mill.social", "a@mill.org/b@mill.org" are one;
 *              - the last label has two characters or more and begins with a letter: "left-pad@1.3.0" is a package, "icon@2x.png" a picture;
 *              - behind a letter outside ASCII an address begins all the same: Chinese has no spaces, and datatrove finds nothing there;
 *              - example.com, .net, .org and what lies under .example, .invalid, .localhost and .test is nobody's (RFC 2606) and stays.
 *   IP       IPv4 as datatrove finds it: four numbers up to 255 without leading zeros that are public; but
 *              - the number has ends: neither a letter, a digit nor another ".7" touches it, so "1.2.3.4.5" holds none; nor does a name with a point
 *                before it;
 *              - one of the four is 32 or more: "6.3.6.1" is a section, "4.14.0.24" a version (nine in ten of datatrove's in the manuals we measured),
 *                and one public address in 4,096 is lost;
 *              - multicast is not public here; to Python's is_global it is.
 *            IPv6 (datatrove has none): full, compressed, with IPv4 inside; three groups or more of 2000::/3, public. What follows it ("/64", "%eth0", a
 *            full stop) stays.
 *   phone    +, country code and number with 8 to 15 digits in all (E.164), and North American numbers with separators: (212) 867-5309
 *   IBAN     in one piece or in groups of four: country, length and check digits are right (ISO 13616)
 *   card     13 to 19 digits in one piece or grouped as on cards: the issuer's prefix, its lengths and the check digit (Luhn, ISO/IEC 7812) are right
 * Public is what the IANA registries of special-purpose addresses call globally reachable (RFC 6890 and later), 6to4 by the IPv4 address inside.
 *
 * E-mail comes first, then everything else between, from left to right; at one place the order is IBAN, card, phone, IP. The placeholder depends on the
 * matched bytes alone (a keyed hash chooses among a few), so the same address is the same in every document, whatever else there is. Placeholders lie in
 * what is set apart for documentation and fiction and are themselves left alone or replaced by themselves: doing it twice is doing it once.
 *
 * Linear: every byte is looked at a bounded number of times, whatever the text.
 */
#ifndef QUERN_CORPUS_PII_H
#define QUERN_CORPUS_PII_H

#include "corpus/text/normalise.h"

enum pii_kind { PII_EMAIL = 1, PII_IP = 2, PII_PHONE = 4, PII_IBAN = 8, PII_CARD = 16 };

/* Appends `text` (UTF-8) with everything of the `kinds` replaced to `out` and sets *found; where nothing is found, *found is false and `out` is untouched.
 * Counts places in `emails`, `ips`, `phones`, `ibans`, `cards`. Fails for want of memory only. */
q_status pii_replace(q_string text, unsigned kinds, struct q_buffer *out, bool *found,
                     struct corpus_changes *changes) Q_MUST_USE;

#endif
