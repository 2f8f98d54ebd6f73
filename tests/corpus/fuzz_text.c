/* Mojibake, normal form and personal data on text that nobody wrote.
 *
 *     fuzz_text SECONDS SEED FILE...      mutates the files, by dice: bytes flipped, cut, doubled, pieces that matter put in, parts of one file put into another
 *
 * With clang -fsanitize=fuzzer the same function is libFuzzer's (-DFUZZ_LIBRARY). Any bytes are made UTF-8; what comes out of each must be UTF-8, and doing it
 * twice must be doing it once. That work is linear shows in that the hours of a run bring no slow input: one of 64 KiB may take a second.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "corpus/text/mojibake.h"
#include "corpus/text/pii.h"

#include <stdio.h>
#include <stdlib.h>

enum { INPUT_BYTES_MAX = 1 << 16, KINDS = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct corpus_changes changes;

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "fuzz_text: %s: %s\n", what, q_error_text());
    abort();
}

static void fuzz_mojibake(q_string text)
{
    static struct mojibake *mojibake;
    struct q_buffer once = {0}, twice = {0}, scratch = {0};
    bool found, again;
    must(mojibake || mojibake_create(&mojibake) == Q_OK, "charsets");
    must(mojibake_repair(mojibake, text, &once, &scratch, &found, &changes) == Q_OK, "mojibake");
    if (found) {
        must(q_utf8_valid(q_buffer_string(&once)) && once.size < text.size, "mojibake made no shorter text");
        must(mojibake_repair(mojibake, q_buffer_string(&once), &twice, &scratch, &again, &changes) == Q_OK, "again");
        must(!again, "mojibake left mojibake");
    }
    q_buffer_release(&once);
    q_buffer_release(&twice);
    q_buffer_release(&scratch);
}

static void fuzz_normal_form(q_string text)
{
    struct q_buffer once = {0}, twice = {0}, scratch = {0};
    must(corpus_normalise(text, &once, &scratch, &changes) == Q_OK, "normalise");
    must(q_utf8_valid(q_buffer_string(&once)), "a normal form that is not UTF-8");
    must(corpus_normalise(q_buffer_string(&once), &twice, &scratch, &changes) == Q_OK, "normalise again");
    must(q_string_equal(q_buffer_string(&once), q_buffer_string(&twice)), "a normal form has another one");
    q_buffer_release(&once);
    q_buffer_release(&twice);
    q_buffer_release(&scratch);
}

static void fuzz_pii(q_string text, unsigned kinds)
{
    struct q_buffer once = {0}, twice = {0};
    bool found, again;
    must(pii_replace(text, kinds, &once, &found, &changes) == Q_OK, "replace");
    if (found) {
        must(q_utf8_valid(q_buffer_string(&once)), "a replacement that is not UTF-8");
        must(pii_replace(q_buffer_string(&once), kinds, &twice, &again, &changes) == Q_OK, "replace again");
        must(!again || q_string_equal(q_buffer_string(&once), q_buffer_string(&twice)), "placeholders are replaced");
    }
    q_buffer_release(&once);
    q_buffer_release(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct q_buffer text = {0};
    uint64_t replaced;
    double start = q_seconds();
    q_string given = {(const char *)bytes, size < INPUT_BYTES_MAX ? size : INPUT_BYTES_MAX};
    must(q_utf8_repair(given, &text, &replaced) == Q_OK, "memory");
    fuzz_mojibake(q_buffer_string(&text));
    fuzz_normal_form(q_buffer_string(&text));
    fuzz_pii(q_buffer_string(&text), KINDS - 1);
    fuzz_pii(q_buffer_string(&text), PII_EMAIL | PII_IP);
    fuzz_pii(q_buffer_string(&text), (unsigned)size % KINDS);
    must(q_seconds() - start < 1, "slow");
    q_buffer_release(&text);
    return 0;
}

#ifndef FUZZ_LIBRARY
static uint64_t state;

static size_t below(size_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return bound ? (size_t)((state * 0x2545F4914F6CDD1Dull >> 11) % bound) : 0;
}

static void put(struct q_buffer *text, size_t at, size_t over, q_string with)
{
    struct q_buffer out = {0};
    q_string all = q_buffer_string(text);
    must(q_buffer_append_string(&out, q_string_slice(all, 0, at)) == Q_OK &&
             q_buffer_append_string(&out, with) == Q_OK &&
             q_buffer_append_string(&out, q_string_slice(all, at + over, all.size)) == Q_OK,
         "memory");
    q_buffer_release(text);
    *text = out;
}

static void mutate(struct q_buffer *text, const struct q_buffer *files, size_t count)
{
    static const char *const parts[] = {"@",
                                        ".",
                                        ":",
                                        "::",
                                        "a@b.de",
                                        "8.8.8.88",
                                        "2a00:1:2::3",
                                        "+49 30 901820",
                                        "-",
                                        "212-867-5309",
                                        "(",
                                        ") ",
                                        "DE89370400440532013000",
                                        "4012888888881881",
                                        " ",
                                        "\n",
                                        "\n\n\n",
                                        " \t\n",
                                        "\r",
                                        "\u00C3",
                                        "\u00A9",
                                        "\u00E2\u20AC\u2122",
                                        "\u0420\u00B0",
                                        "\u251C",
                                        "\u2310",
                                        "\u00C3\u0192\u00C2\u00A9",
                                        "\u200B",
                                        "\u00AD",
                                        "\u202E",
                                        "\u0301",
                                        "\u1780",
                                        "\uFEFF",
                                        "\xC2\x85",
                                        "\u00F0\u0178\u02DC\u20AC",
                                        "\u4E2D",
                                        "e"};
    size_t at = below(text->size + 1), other = below(count), from = below(files[other].size);
    const char *part = parts[below(sizeof(parts) / sizeof(parts[0]))];
    char byte = (char)below(256);
    switch (below(6)) {
    case 0:
        put(text, at, 1, (q_string){&byte, 1});
        break;
    case 1:
        put(text, at, below(2) ? below(8) : below(text->size), (q_string){"", 0});
        break;
    case 2:
        put(text, at, 0, q_string_slice(q_buffer_string(&files[other]), from, from + below(200)));
        break;
    default:
        put(text, at, below(3), q_string_of(part));
    }
}

int main(int argc, char **argv)
{
    struct q_buffer files[16] = {{0}}, text = {0};
    size_t count = argc > 3 ? (size_t)argc - 3 : 0;
    unsigned long rounds = 0;
    if (count < 1 || count > 16) {
        fprintf(stderr, "usage: fuzz_text SECONDS SEED FILE...\n");
        return 2;
    }
    for (size_t i = 0; i < count; i++)
        must(q_fs_read_file(argv[3 + i], 1 << 24, &files[i]) == Q_OK, "read");
    uint64_t seed = strtoull(argv[2], NULL, 10);
    const double end = q_seconds() + strtod(argv[1], NULL);
    for (; q_seconds() < end; rounds++) {
        state = (seed + rounds) * 0x9E3779B97F4A7C15ull + 1;
        q_buffer_clear(&text);
        must(q_buffer_append_string(&text, q_buffer_string(&files[below(count)])) == Q_OK, "memory");
        for (size_t times = 1 + below(8); times > 0; times--)
            mutate(&text, files, count);
        LLVMFuzzerTestOneInput((const uint8_t *)text.data, text.size);
    }
    printf("%lu inputs\n", rounds);
    for (size_t i = 0; i < count; i++)
        q_buffer_release(&files[i]);
    q_buffer_release(&text);
    return 0;
}
#endif
