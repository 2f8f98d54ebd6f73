/* worst_texts: texts that an encoder may be slow on, of any length, the same bytes every time: one byte again and again, text without a
 * single cut, Fibonacci's word (the most repetitive one without a period), marks in the wrong order.
 *
 *     quern-bench-texts KIND BYTES     to standard output, whole characters, at most BYTES of them; KIND: one of the names below
 */
#include "base/check.h"
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kind {
    const char *name;
    const char *alphabet;  /* characters of UTF-8, drawn at random; or the text that is repeated; NULL: see `first` */
    bool repeated;         /* the alphabet, again and again */
    uint32_t first, count; /* code points first..first + count - 1 drawn at random; 0: none */
};

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static const struct kind kinds[] = {
    {"byte", "a", true, 0, 0},
    {"spaces", " ", true, 0, 0},
    {"newlines", "\n", true, 0, 0},
    {"digits", "0123456789", false, 0, 0},
    {"base64", base64, false, 0, 0},
    {"letters", NULL, false, 'a', 26},
    {"cjk", NULL, false, 0x4E00, 20902},
    {"thai", NULL, false, 0x0E01, 46},
    {"hangul", NULL, false, 0xAC00, 11172},
    /* Each pair in the order that normalisation turns round. */
    {"marks", "\xcc\x80\xcc\xa3", true, 0, 0},
    {"noise", NULL, false, 0, 0}, /* any bytes */
    {"fibonacci", NULL, false, 0, 0},
};

/* The i-th letter of Fibonacci's word abaababa...: a where the golden ratio steps by two. In integers: floor((i + 2) / phi) - floor((i +
 * 1) / phi) with 1/phi as a fraction of 2^64, right below 2^31 letters. */
static char fibonacci_letter(uint64_t i)
{
    const unsigned __int128 inverse = 0x9E3779B97F4A7C15u;
    uint64_t step = (uint64_t)(((i + 2) * inverse) >> 64) - (uint64_t)(((i + 1) * inverse) >> 64);
    return step ? 'a' : 'b';
}

/* UTF-8 of a code point of one or three bytes. */
static size_t encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    out[0] = (char)(0xE0 | (code >> 12));
    out[1] = (char)(0x80 | (code >> 6 & 0x3F));
    out[2] = (char)(0x80 | (code & 0x3F));
    return 3;
}

/* The next character, at most 4 bytes; its length. */
static size_t next(const struct kind *kind, q_random_key key, uint64_t i, char out[4])
{
    size_t letters = kind->alphabet ? strlen(kind->alphabet) : 0;
    if (kind->count)
        return encode(kind->first + (uint32_t)q_random_below(key, i, kind->count), out);
    if (kind->alphabet)
        out[0] = kind->alphabet[kind->repeated ? i % letters : q_random_below(key, i, letters)];
    else
        out[0] = kind->name[0] == 'f' ? fibonacci_letter(i) : (char)q_random_below(key, i, 256);
    return 1;
}

static int usage(void)
{
    fprintf(stderr, "usage: quern-bench-texts KIND BYTES; KIND:");
    for (size_t i = 0; i < Q_COUNT_OF(kinds); i++)
        fprintf(stderr, " %s", kinds[i].name);
    fprintf(stderr, "\n");
    return 2;
}

int main(int argc, char **argv)
{
    const struct kind *kind = NULL;
    for (size_t i = 0; argc == 3 && i < Q_COUNT_OF(kinds); i++) {
        if (strcmp(kinds[i].name, argv[1]) == 0)
            kind = &kinds[i];
    }
    char *end = NULL, character[4];
    uint64_t bytes = kind ? strtoull(argv[2], &end, 10) : 0, at = 0;
    if (!kind || *end)
        return usage();
    q_random_key key = q_random_key_of(1, kind->name, 0, 0);
    for (uint64_t i = 0;; i++) {
        size_t size = next(kind, key, i, character);
        if (at + size > bytes)
            break;
        fwrite(character, 1, size, stdout);
        at += size;
    }
    return fflush(stdout) == 0 ? 0 : 4;
}
