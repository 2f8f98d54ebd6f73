/* Personal data: what is found and what is not, against a plain twin, and in linear time. */
#include "base/clock.h"
#include "base/json.h"
#include "corpus/text/pii.h"
#include "tests/base/cmocka_all.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { PII_ALL = PII_EMAIL | PII_IP | PII_PHONE | PII_IBAN | PII_CARD };

static struct q_buffer out;
static struct corpus_changes changes;

/* The text with every placeholder shown as its kind. */
static const char *replaced(const char *text, unsigned kinds)
{
    static const char *const marks[][2] = {{"email@example.com", "<email>"},
                                           {"firstname.lastname@example.org", "<email>"},
                                           {"192.0.2.", "<ip>"},
                                           {"198.51.100.", "<ip>"},
                                           {"203.0.113.", "<ip>"},
                                           {"2001:db8:1::17", "<ip6>"},
                                           {"2001:db8:52::8a2e", "<ip6>"},
                                           {"2001:db8:85a3::7334", "<ip6>"},
                                           {"2001:db8:1::", "<ip6>"},
                                           {"2001:db8:52::", "<ip6>"},
                                           {"2001:db8:85a3::", "<ip6>"},
                                           {"+1-202-555-0143", "<phone>"},
                                           {"GB29NWBK60161331926819", "<iban>"},
                                           {"4111111111111111", "<card>"}};
    static char shown[4096];
    size_t used = 0;
    bool found;
    changes = (struct corpus_changes){0};
    q_buffer_clear(&out);
    assert_ok(pii_replace(q_string_of(text), kinds, &out, &found, &changes));
    if (!found) {
        assert_int_equal(out.size, 0);
        return text;
    }
    assert_ok(q_buffer_terminate(&out));
    for (const char *at = out.data; *at;) {
        size_t i = 0;
        while (i < sizeof marks / sizeof *marks && strncmp(at, marks[i][0], strlen(marks[i][0])) != 0)
            i++;
        if (i == sizeof marks / sizeof *marks) {
            shown[used++] = *at++;
            continue;
        }
        used += (size_t)snprintf(shown + used, sizeof shown - used, "%s", marks[i][1]);
        at += strlen(marks[i][0]);
        if (i >= 2 && i <= 4) /* the rest of the address */
            at += strspn(at, "0123456789");
    }
    shown[used] = 0;
    return shown;
}

#define SAME(text) assert_string_equal(replaced(text, PII_ALL), text)
#define BECOMES(text, wanted) assert_string_equal(replaced(text, PII_ALL), wanted)

static void test_emails(void **state)
{
    (void)state;
    BECOMES("mail a.b@mill.org, or <c+d@sub.mill.co.uk>.", "mail <email>, or <<email>>.");
    assert_int_equal(changes.emails, 2);
    BECOMES("'x@mill.org'", "'<email>'");
    BECOMES("mailto:x@mill.org?y", "mailto:<email>?y");
    BECOMES("x@mill.org.", "<email>.");
    BECOMES("x@mill.org-", "<email>-");
    BECOMES("x@mill.org.7", "<email>.7");
    BECOMES("x@[8.8.8.77]", "<email>");
    BECOMES("(a@b@mill.org) @user@mill.social x@y.org@z@w.org", "(<email>) <email> <email>");
    BECOMES("a..b@mill.org", "a..<email>");
    BECOMES("\xE8\xAF\xB7x@mill.org\xE3\x80\x82", "\xE8\xAF\xB7<email>\xE3\x80\x82"); /* Chinese has no spaces */
    SAME("x@mill x@.org @mill.org x@mill.o x@-mill.org x@mill-.org");
    SAME("left-pad@1.3.0 icon@2x.png std@12.5");
    SAME("x@example.com y@mail.example.ORG z@a.test me@localhost.");
    BECOMES("x@myexample.com", "<email>");
    assert_string_equal(replaced("x@mill.org", PII_ALL & ~PII_EMAIL), "x@mill.org");
}

static void test_ip_4(void **state)
{
    (void)state;
    BECOMES("from 82.50.72.202:8080/24, [5.9.200.1] 217.0.0.1.", "from <ip>:8080/24, [<ip>] <ip>.");
    assert_int_equal(changes.ips, 3);
    SAME("10.0.50.1 127.0.0.55 192.168.1.99 172.16.40.1 169.254.99.1 100.64.99.1 224.0.0.251 255.255.255.255 0.0.0.99");
    SAME("192.0.2.77 198.51.100.77 203.0.113.77 198.18.0.99 192.0.0.99 240.0.0.99");
    BECOMES("172.15.40.1 172.32.40.1 100.63.99.1 100.128.0.1 192.0.1.99 198.17.0.1 198.20.0.1 223.0.0.99",
            "<ip> <ip> <ip> <ip> <ip> <ip> <ip> <ip>");
    SAME("82.50.72 82.50.72.256 82.50.72.2022 82.50.072.1 1.82.50.72.202 82.50.72.202.7 v82.50.72.20 82.50.72.20th");
    SAME("section 6.3.6.1 and 31.31.31.31");
    BECOMES("82.50.72.202.org", "<ip>.org");
    assert_string_equal(replaced("82.50.72.202", PII_ALL & ~PII_IP), "82.50.72.202");
    BECOMES("root@82.50.72.202", "root@<ip>");
    BECOMES("82.50.72.202@mill.org", "<email>");
}

static void test_ip_6(void **state)
{
    (void)state;
    BECOMES("2a00:1450:4001:81b:0:0:0:200e", "<ip6>");
    BECOMES("[2a00:1450:4001:81b::200e]:443, 2A00:1450:4001:81B::/64.", "[<ip6>]:443, <ip6>/64.");
    BECOMES("2001:4860:4860::8888%eth0", "<ip6>%eth0");
    BECOMES("2001:4860:4860::8888.", "<ip6>.");
    BECOMES("2001:4860:4860::8888: it", "<ip6>: it");
    BECOMES("2600:1f18::82.50.72.202", "<ip6>");
    BECOMES("::ffff:82.50.72.202", "::ffff:<ip>");
    BECOMES("2002:5232:48ca:2::20", "<ip6>"); /* 6to4 of 82.50.72.202 */
    SAME("2002:0a00:0001:2::20");             /* of 10.0.0.1 */
    SAME("::1 :: fe80::1:2:3 fd00::1:2:3 ff02::1:ff00:42 2001:db8:1:2::3 3fff:123::1 2001:0:1::2");
    SAME("at 12:30:45, 00:1a:2b:3c:4d:5e, std::vector, 2a00::abc, 2024::5, face::b00c:1:2");
    SAME("2a00:1450:4001:81b:0:0:0:200e:1 2a00:1450:4001:81b::1::2 2a00:1450:4001:81b::g 2a00:14500:4001:81b::1");
    SAME("x2a00:1450:4001:81b::1 1:2a00:1450:4001:81b::1 2a00:1450:4001:81b:0:0:0:200e0:ffff:1:2:3:4:5:6:7:8:9");
}

static void test_phones(void **state)
{
    (void)state;
    BECOMES("+49 30 901820, +49 (30) 9018-20; +4930901820", "<phone>, <phone>; <phone>");
    BECOMES("call (212) 867-5309 or 212-867-5309 or 212.867.5309.", "call <phone> or <phone> or <phone>.");
    BECOMES("+1 212 867 5309 12", "<phone> 12");
    assert_int_equal(changes.phones, 1);
    SAME("+49 30 9 +1234567 x+4930901820 112-867-5309 212-167-5309 212-867-53091 212-867.5309 2128675309 +0123456789");
    BECOMES("+49 30 9018 2090 1820 901820", "<phone> 1820 901820");
}

static void test_ibans(void **state)
{
    (void)state;
    BECOMES("DE89370400440532013000, DE89 3704 0044 0532 0130 00.", "<iban>, <iban>.");
    BECOMES("NO9386011117947 FR1420041010050500013M02606", "<iban> <iban>");
    assert_int_equal(changes.ibans, 2);
    SAME("DE88370400440532013000 DE8937040044053201300 DE893704004405320130001 XX89370400440532013000");
    SAME("DE89 3704 0044 05320 130 00 ADE89370400440532013000 de89370400440532013000");
}

static void test_cards(void **state)
{
    (void)state;
    BECOMES("4012888888881881 4012-8888-8888-1881 5105 1051 0510 5100", "<card> <card> <card>");
    BECOMES("3782 822463 10005, 378282246310005, 6011000990139424", "<card>, <card>, <card>");
    assert_int_equal(changes.cards, 3);
    BECOMES("5 4012 8888 8888 1881 3", "5 <card> 3");
    SAME("4012888888881882 1012888888881881 40128888 88881881 4012 8888-8888 1881 401288888888188 44012888888881881");
    SAME("4012.8888.8888.1881 4012888888881881x");
}

/* The placeholder depends on the match alone; all of a kind come up. */
static void test_same_match_same_placeholder(void **state)
{
    (void)state;
    char text[256], first[64], wanted[128];
    bool found;
    unsigned seen = 0;
    for (unsigned i = 0; i < 64; i++) {
        snprintf(text, sizeof text, "x%u@mill.org", i);
        q_buffer_clear(&out);
        assert_ok(pii_replace(q_string_of(text), PII_ALL, &out, &found, &changes));
        snprintf(first, sizeof first, "%.*s", Q_STRING_ARGS(q_buffer_string(&out)));
        seen |= strcmp(first, "email@example.com") == 0 ? 1 : 2;
        snprintf(text, sizeof text, "y@mill.org 82.50.72.202 x%u@mill.org", i);
        q_buffer_clear(&out);
        assert_ok(pii_replace(q_string_of(text), PII_ALL, &out, &found, &changes));
        snprintf(wanted, sizeof wanted, " %s", first);
        assert_true(q_string_ends(q_buffer_string(&out), wanted));
    }
    assert_int_equal(seen, 3);
}

/* --- the plain twin ---------------------------------------------------------------------------------------------------------------- */

/* E-mail and IP addresses by trying every beginning with every end, the longest first: no anchors, no vectors. */
static bool word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static bool twin_local(const char *t, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        bool dot = t[i] == '.' && i > from && i + 1 < to && t[i - 1] != '.';
        if (!dot && !word(t[i]) && !strchr("!#$%&'*+/=?^`{|}~-", t[i]))
            return false;
    }
    return from < to && word(t[from]) && (from == 0 || !word(t[from - 1]));
}

static bool twin_domain(const char *t, size_t from, size_t to)
{
    size_t label = from, labels = 0;
    for (size_t i = from; i <= to; i++) {
        if (i < to && t[i] != '.') {
            if (!isalnum((unsigned char)t[i]) && t[i] != '-')
                return false;
            continue;
        }
        if (i == label || t[label] == '-' || t[i - 1] == '-')
            return false;
        if (i < to)
            label = i + 1;
        labels++;
    }
    /* what follows does not go on with the last label */
    return labels >= 2 && to - label >= 2 && isalpha((unsigned char)t[label]) &&
           strncmp(t + label, "png", to - label) != 0;
}

/* The last label is taken whole, but for hyphens at its end. */
static bool twin_domain_ends(const char *t, size_t size, size_t to)
{
    size_t i = to;
    while (i < size && t[i] == '-')
        i++;
    return i == size || !isalnum((unsigned char)t[i]);
}

/* [82.50.72.202] */
static bool twin_literal(const char *t, size_t from, size_t to)
{
    char address[16] = "";
    unsigned char b[4];
    if (to - from < 9 || to - from > 17 || t[from] != '[' || t[to - 1] != ']')
        return false;
    memcpy(address, t + from + 1, to - from - 2);
    return inet_pton(AF_INET, address, b) == 1;
}

static bool twin_free(const char *t, size_t size, size_t at)
{
    char next = at < size ? t[at] : 0, after = at + 1 < size ? t[at + 1] : 0;
    return !word(next) && next != '-' && !((next == '.' || next == ':') && word(after));
}

static bool twin_address(const char *t, size_t size, size_t from, size_t *to)
{
    for (size_t at = from + 1; at < size && t[at - 1] != '@'; at++)
        if (t[at] == '@' && twin_local(t, from, at))
            for (*to = size; *to > at; --*to)
                if ((twin_literal(t, at + 1, *to) && twin_free(t, size, *to)) ||
                    (twin_domain(t, at + 1, *to) && twin_domain_ends(t, size, *to)))
                    return true;
    return false;
}

/* Public, and no section number. */
static bool twin_public(const unsigned char *b)
{
    if (b[0] == 0 || b[0] == 10 || b[0] == 127 || b[0] >= 224 || (b[0] == 100 && b[1] >= 64 && b[1] < 128) ||
        (b[0] == 169 && b[1] == 254) || (b[0] == 172 && b[1] >= 16 && b[1] < 32) || (b[0] == 192 && b[1] == 168) ||
        (b[0] == 192 && b[1] == 0 && (b[2] == 0 || b[2] == 2)) || (b[0] == 198 && (b[1] == 18 || b[1] == 19)) ||
        (b[0] == 198 && b[1] == 51 && b[2] == 100) || (b[0] == 203 && b[1] == 0 && b[2] == 113))
        return false;
    return b[0] >= 32 || b[1] >= 32 || b[2] >= 32 || b[3] >= 32;
}

static bool of_address(char c)
{
    return c && (word(c) || strchr("!#$%&'*+/=?^`{|}~-.@", c));
}

/* Finds the address whose local part begins at *from, and all that hangs together with it. */
static bool twin_email(const char *t, size_t size, size_t last, size_t *from, size_t *to)
{
    size_t next;
    if (!twin_address(t, size, *from, to))
        return false;
    while (*from > last && t[*from - 1] == '@' && (*from - 1 == last || t[*from - 2] != '.')) {
        size_t start = last;
        --*from;
        while (start < *from && !twin_local(t, start, *from))
            start++;
        *from = start;
    }
    for (size_t i = *to; i < size && of_address(t[i]); i++)
        if (twin_address(t, size, i, &next))
            *to = next, i = next - 1;
    return true;
}

/* Groups of an IPv6 address that are written. */
static unsigned twin_groups(const char *address)
{
    unsigned groups = 0;
    for (const char *at = address; *at; at++)
        groups += *at != ':' && (at == address || at[-1] == ':');
    return groups;
}

static bool twin_ip(const char *t, size_t size, size_t from, size_t *to)
{
    char address[64];
    unsigned char b[16];
    if (!isdigit((unsigned char)t[from]) || (from && (word(t[from - 1]) || t[from - 1] == '+')) ||
        (from > 1 && t[from - 1] == '.' && word(t[from - 2])))
        return false;
    for (*to = from + 45 < size ? from + 45 : size; *to > from; --*to) {
        char next = *to < size ? t[*to] : 0, after = *to + 1 < size ? t[*to + 1] : 0;
        memcpy(address, t + from, *to - from);
        address[*to - from] = 0;
        if (word(next))
            continue;
        if (inet_pton(AF_INET, address, b) == 1 && !(next == '.' && isdigit((unsigned char)after)))
            return twin_public(b);
        if (inet_pton(AF_INET6, address, b) == 1 && (from == 0 || t[from - 1] != ':') &&
            !((next == ':' || next == '.') && (word(after) || after == ':' || after == '.')) && b[0] >> 5 == 1 &&
            !(next == ':' && t[*to - 1] == ':'))
            return twin_groups(address) >= 3;
    }
    return false;
}

static size_t twin(const char *t, size_t size, char *marks)
{
    size_t found = 0;
    memset(marks, '.', size);
    marks[size] = 0;
    for (size_t i = 0, last = 0, from, to; from = i, i < size; i++) /* e-mail everywhere first */
        if (twin_email(t, size, last, &from, &to)) {
            memset(marks + from, 'e', to - from);
            last = to;
            i = to - 1;
            found++;
        }
    for (size_t i = 0, to; i < size; i++)
        if (marks[i] == '.' && twin_ip(t, i + strspn(marks + i, "."), i, &to)) {
            memset(marks + i, 'i', to - i);
            i = to - 1;
            found++;
        }
    return found;
}

static void test_against_twin(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "a",  "b.c",  "@",         "@mill.org", ".",        "-",   "_",    " ",           "8.8.8.88", "82.50.72.202",
        "9",  "0",    ":",         "::",        "2a00:1",   ":1",  "/",    "2a00:1:2::3", ".7",       "\xC3\xA9",
        "f",  "+",    "[",         "]",         "x@y.de",   "png", "com",  ".co",         "\n",       "255",
        "z1", "2a00", ":82.5.6.7", ":abcd",     "2a00:12:", "8.8", ".8.8", "@b.",         "..",       "\xE4\xB8\xAD"};
    uint64_t dice = 21, matches = 0;
    for (unsigned round = 0; round < 200000; round++) {
        char text[256], marks[256];
        size_t size = 0;
        for (unsigned i = 0, count = 1 + (unsigned)(dice_roll(&dice) % 16); i < count; i++)
            size += (size_t)snprintf(text + size, sizeof text - size, "%s",
                                     pieces[dice_roll(&dice) % (sizeof pieces / sizeof *pieces)]);
        size_t wanted = twin(text, size, marks);
        bool found;
        changes = (struct corpus_changes){0};
        q_buffer_clear(&out);
        assert_ok(pii_replace((q_string){text, size}, PII_EMAIL | PII_IP, &out, &found, &changes));
        marks[size] = 0;
        if (changes.emails + changes.ips != wanted || found != (wanted != 0))
            fail_msg("'%s' '%s': %zu wanted, %u e-mail, %u IP", text, marks, wanted, (unsigned)changes.emails,
                     (unsigned)changes.ips);
        matches += wanted;
        /* what stays, stays as it was */
        size_t at = 0;
        for (size_t i = 0; i < size && found; i++)
            if (marks[i] == '.') {
                while (at < out.size && out.data[at] != text[i])
                    at++;
                if (at++ >= out.size)
                    fail_msg("'%s' '%s' became '%.*s'", text, marks, Q_STRING_ARGS(q_buffer_string(&out)));
            }
        if (!found)
            continue;
        struct q_buffer again = {0};
        assert_ok(pii_replace(q_buffer_string(&out), PII_EMAIL | PII_IP, &again, &found, &changes));
        if (found)
            fail_msg("'%s' became '%.*s', and that '%.*s'", text, Q_STRING_ARGS(q_buffer_string(&out)),
                     Q_STRING_ARGS(q_buffer_string(&again)));
    }
    assert_true(matches > 100000);
}

/* Twice is once, with all kinds: on digits, separators and whole numbers thrown together. */
static void test_twice_is_once(void **state)
{
    (void)state;
    static const char *const pieces[] = {"1",
                                         "4",
                                         "12",
                                         "4111",
                                         "8888",
                                         " ",
                                         "-",
                                         ".",
                                         "+",
                                         "(",
                                         ")",
                                         "/",
                                         "a",
                                         "DE89",
                                         "@b.de",
                                         "x",
                                         "GB29",
                                         "82.50.72.202",
                                         "4012888888881881",
                                         "+4930901820",
                                         "212-867-5309",
                                         "(212) 867-5309",
                                         "DE89370400440532013000",
                                         "2a00:1:2::3",
                                         "867",
                                         "5309",
                                         "4012 8888 8888 1881"};
    uint64_t dice = 4;
    struct q_buffer twice = {0};
    for (unsigned round = 0; round < 200000; round++) {
        char text[512];
        size_t size = 0;
        bool found, again;
        for (unsigned i = 0, count = 1 + (unsigned)(dice_roll(&dice) % 12); i < count; i++)
            size += (size_t)snprintf(text + size, sizeof text - size, "%s",
                                     pieces[dice_roll(&dice) % (sizeof pieces / sizeof *pieces)]);
        q_buffer_clear(&out);
        q_buffer_clear(&twice);
        assert_ok(pii_replace((q_string){text, size}, PII_ALL, &out, &found, &changes));
        if (!found)
            continue;
        assert_ok(pii_replace(q_buffer_string(&out), PII_ALL, &twice, &again, &changes));
        if (again && !q_string_equal(q_buffer_string(&out), q_buffer_string(&twice)))
            fail_msg("'%s' became '%.*s', and that '%.*s'", text, Q_STRING_ARGS(q_buffer_string(&out)),
                     Q_STRING_ARGS(q_buffer_string(&twice)));
    }
    q_buffer_release(&twice);
}

/* A mebibyte of what is hardest takes hundredths of a second; were the work quadratic, it would take minutes. */
static void test_linear(void **state)
{
    (void)state;
    static const char *const attacks[] = {"a@",    "a",      "1",    "1.",     "1:", "a.", "@a.",  "+1 ", "4111 ",
                                          "2a00:", "(212) ", "DE89", "a@b.c-", ":",  "1-", "a@b.", "1 (", "2a00:1:"};
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        struct q_buffer text = {0};
        bool found;
        while (text.size < 1u << 20)
            assert_ok(q_buffer_append_string(&text, q_string_of(attacks[i])));
        q_buffer_clear(&out);
        double start = q_seconds();
        assert_ok(pii_replace(q_buffer_string(&text), PII_ALL, &out, &found, &changes));
        assert_true(q_seconds() - start < 5);
        q_buffer_release(&text);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    const q_string text = Q_STRING("x@mill.org and 82.50.72.202 and +49 30 901820");
    for (uint64_t k = 1;; k++) {
        struct q_buffer fresh = {0};
        bool found;
        q_memory_fail_at(k, 0);
        q_status status = pii_replace(text, PII_ALL, &fresh, &found, &changes);
        bool failed = q_memory_fail_at(0, 0) >= k;
        assert_int_equal(status, failed ? Q_ERR_MEMORY : Q_OK);
        q_buffer_release(&fresh);
        if (!failed) {
            assert_true(k > 1);
            break;
        }
    }
}

static int stop(void **state)
{
    (void)state;
    q_buffer_release(&out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_emails),
                                       cmocka_unit_test(test_ip_4),
                                       cmocka_unit_test(test_ip_6),
                                       cmocka_unit_test(test_phones),
                                       cmocka_unit_test(test_ibans),
                                       cmocka_unit_test(test_cards),
                                       cmocka_unit_test(test_same_match_same_placeholder),
                                       cmocka_unit_test(test_against_twin),
                                       cmocka_unit_test(test_twice_is_once),
                                       cmocka_unit_test(test_linear),
                                       cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, stop);
}
