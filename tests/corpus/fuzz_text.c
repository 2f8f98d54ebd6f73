/* Mojibake, normal form and personal data on text that nobody wrote.
 *
 *     fuzz_text SECONDS SEED FILE...      mutates the files, by dice: bytes flipped, cut, doubled, pieces that matter put in, parts of one file put into another
 *
 * With clang -fsanitize=fuzzer the same function is libFuzzer's (-DFUZZ_LIBRARY). Any bytes are made UTF-8; what comes out of each must be UTF-8, and doing it
 * twice must be doing it once. That work is linear shows in that the hours of a run bring no slow input: one of 64 KiB may take a second.
 */
#include "base/json.h"
#include "corpus/text/mojibake.h"
#include "corpus/text/pii.h"
#include "tests/base/fuzz.h"

enum { INPUT_BYTES_MAX = 1 << 16, KINDS = 32 };

static struct corpus_changes changes;

static void fuzz_mojibake(q_string text)
{
    static struct mojibake *mojibake;
    struct q_buffer once = {0}, twice = {0}, scratch = {0};
    bool found, again;
    fuzz_must(mojibake || mojibake_create(&mojibake) == Q_OK, "charsets");
    fuzz_must(mojibake_repair(mojibake, text, &once, &scratch, &found, &changes) == Q_OK, "mojibake");
    if (found) {
        fuzz_must(q_utf8_valid(q_buffer_string(&once)) && once.size < text.size, "mojibake made no shorter text");
        fuzz_must(mojibake_repair(mojibake, q_buffer_string(&once), &twice, &scratch, &again, &changes) == Q_OK,
                  "again");
        fuzz_must(!again, "mojibake left mojibake");
    }
    q_buffer_release(&once);
    q_buffer_release(&twice);
    q_buffer_release(&scratch);
}

static void fuzz_normal_form(q_string text)
{
    struct q_buffer once = {0}, twice = {0}, scratch = {0};
    fuzz_must(corpus_normalise(text, &once, &scratch, &changes) == Q_OK, "normalise");
    fuzz_must(q_utf8_valid(q_buffer_string(&once)), "a normal form that is not UTF-8");
    fuzz_must(corpus_normalise(q_buffer_string(&once), &twice, &scratch, &changes) == Q_OK, "normalise again");
    fuzz_must(q_string_equal(q_buffer_string(&once), q_buffer_string(&twice)), "a normal form has another one");
    q_buffer_release(&once);
    q_buffer_release(&twice);
    q_buffer_release(&scratch);
}

static void fuzz_pii(q_string text, unsigned kinds)
{
    struct q_buffer once = {0}, twice = {0};
    bool found, again;
    fuzz_must(pii_replace(text, kinds, &once, &found, &changes) == Q_OK, "replace");
    if (found) {
        fuzz_must(q_utf8_valid(q_buffer_string(&once)), "a replacement that is not UTF-8");
        fuzz_must(pii_replace(q_buffer_string(&once), kinds, &twice, &again, &changes) == Q_OK, "replace again");
        fuzz_must(!again || q_string_equal(q_buffer_string(&once), q_buffer_string(&twice)),
                  "placeholders are replaced");
    }
    q_buffer_release(&once);
    q_buffer_release(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct q_buffer text = {0};
    uint64_t replaced;
    double start = fuzz_seconds();
    q_string given = {(const char *)bytes, size < INPUT_BYTES_MAX ? size : INPUT_BYTES_MAX};
    fuzz_must(q_utf8_repair(given, &text, &replaced) == Q_OK, "memory");
    fuzz_mojibake(q_buffer_string(&text));
    fuzz_normal_form(q_buffer_string(&text));
    fuzz_pii(q_buffer_string(&text), KINDS - 1);
    fuzz_pii(q_buffer_string(&text), PII_EMAIL | PII_IP);
    fuzz_pii(q_buffer_string(&text), (unsigned)size % KINDS);
    fuzz_must(fuzz_seconds() - start < 1, "slow");
    q_buffer_release(&text);
    return 0;
}

#ifndef FUZZ_LIBRARY
int main(int argc, char **argv)
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
                                        "e",
                                        NULL};
    return fuzz_main(argc, argv, parts);
}
#endif
