/* Readers of tokenizers on input that nobody wrote: tokenizer.json, .tiktoken with what lies beside it, and normalization.
 *
 *     fuzz_readers SECONDS SEED FILE...      mutates the files, by dice: bytes flipped, cut, doubled, numbers and brackets put in, parts of one file put into another
 *
 * With clang -fsanitize=fuzzer the same function is libFuzzer's (-DFUZZ_LIBRARY). What is read without an error must work: it is written and read again, a text
 * is encoded and decoded.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "tokenizer/encode/bpe_index.h"
#include "tokenizer/unicode/normalization.h"
#include "tokenizer/vocabulary/vocabulary_tiktoken.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "fuzz_readers: %s: %s\n", what, q_error_text());
    abort();
}

/* Any bytes come back, but for the normal form and a space before them. */
static void use(struct vocabulary *vocabulary)
{
    static const char text[] = "The mill \xFF grinds e\xCC\x81 12 <s>\n\n  <|end|>\xE4\xB8\xAD";
    const q_string all = {text, sizeof(text) - 1};
    struct tokenizer *tokenizer = NULL;
    struct tokenizer_scratch *scratch = NULL;
    struct tokenizer_ids ids = {0};
    struct q_buffer back = {0};
    bool same = vocabulary->normalization == NORMALIZATION_NONE && !vocabulary->prefix_space;
    must(tokenizer_create(vocabulary, &tokenizer) == Q_OK, "create");
    must(tokenizer_scratch_create(tokenizer, &scratch) == Q_OK, "scratch");
    q_status status = tokenizer_encode(tokenizer, scratch, all, TOKENIZER_SPECIAL_AS_TEXT, &ids);
    if (!status) {
        must(tokenizer_decode(tokenizer, ids.ids, ids.count, &back) == Q_OK, "decode");
        must(!same || q_string_equal(q_buffer_string(&back), all), "the text does not come back");
        status = tokenizer_encode(tokenizer, scratch, all, TOKENIZER_SPECIAL_PARSE, &ids);
    }
    must(status == Q_OK || status == Q_ERR_INPUT, "encode"); /* a pattern may take too many steps */
    tokenizer_ids_release(&ids);
    q_buffer_release(&back);
    tokenizer_scratch_release(scratch);
    tokenizer_release(tokenizer);
}

static void fuzz_json(q_string text)
{
    struct vocabulary vocabulary = {0}, again = {0};
    struct q_buffer written = {0};
    q_status status = vocabulary_parse(text, "fuzzed", &vocabulary);
    must(status == Q_OK || status == Q_ERR_INPUT, "parse");
    if (!status) {
        must(vocabulary_write(&vocabulary, &written) == Q_OK, "write");
        must(vocabulary_parse(q_buffer_string(&written), "written", &again) == Q_OK, "what is written cannot be read");
        use(&vocabulary);
    }
    vocabulary_release(&vocabulary);
    vocabulary_release(&again);
    q_buffer_release(&written);
}

/* A line "====" divides the ranks from what lies beside them. */
static void fuzz_tiktoken(q_string text)
{
    struct vocabulary vocabulary = {0};
    size_t cut = q_string_find(text, Q_STRING("====\n"), 0);
    q_string beside =
        cut == SIZE_MAX ? Q_STRING("{\"pretokenizer\": \"gpt2\"}") : q_string_slice(text, cut + 5, text.size);
    q_status status = vocabulary_parse_tiktoken(q_string_slice(text, 0, cut), "fuzzed", &vocabulary);
    if (!status)
        status = vocabulary_parse_tiktoken_companion(beside, "beside", NULL, &vocabulary);
    must(status == Q_OK || status == Q_ERR_INPUT, "ranks");
    if (!status)
        use(&vocabulary);
    vocabulary_release(&vocabulary);
}

/* A normal form of a normal form is itself; in parts it is the same; broken bytes stay. */
static void fuzz_normalization(q_string text)
{
    for (enum normalization form = NORMALIZATION_NFC; form <= NORMALIZATION_NFKD; form++) {
        struct q_buffer once = {0}, twice = {0}, parts = {0};
        struct normalization_edits edits = {0};
        must(normalization_apply(form, text, &once, &edits) == Q_OK, "normalize");
        must(normalization_apply(form, q_buffer_string(&once), &twice, NULL) == Q_OK, "normalize again");
        must(q_string_equal(q_buffer_string(&once), q_buffer_string(&twice)), "a normal form has another one");
        size_t final = normalization_final_prefix(form, q_string_slice(text, 0, text.size / 2));
        must(normalization_apply(form, q_string_slice(text, 0, final), &parts, NULL) == Q_OK, "first part");
        must(normalization_apply(form, q_string_slice(text, final, text.size), &parts, NULL) == Q_OK, "second part");
        must(q_string_equal(q_buffer_string(&once), q_buffer_string(&parts)), "parts have another form");
        must(q_utf8_valid(text) == q_utf8_valid(q_buffer_string(&once)), "broken bytes came or went");
        q_buffer_release(&once);
        q_buffer_release(&twice);
        q_buffer_release(&parts);
        normalization_edits_release(&edits);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    q_string text = {(const char *)bytes, size};
    fuzz_json(text);
    fuzz_tiktoken(text);
    fuzz_normalization(q_string_slice(text, 0, 4096));
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
    static const char *const parts[] = {"{",
                                        "}",
                                        "[",
                                        "]",
                                        "\"",
                                        ",",
                                        ":",
                                        "null",
                                        "true",
                                        "0",
                                        "-1",
                                        "1e9",
                                        "16777215",
                                        "\\u0000",
                                        "\\ud800",
                                        "\xFF",
                                        "\xCC\x81",
                                        "\xE0\xB8",
                                        "\n",
                                        "=",
                                        " ",
                                        "\"a\"",
                                        "\"normalized\": true",
                                        "\"NFKC\"",
                                        "\"String\"",
                                        "\"ignore_merges\": true",
                                        "====\n",
                                        "\"id\": 256"};
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
        fprintf(stderr, "usage: fuzz_readers SECONDS SEED FILE...\n");
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
        for (size_t changes = 1 + below(4); changes > 0; changes--)
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
