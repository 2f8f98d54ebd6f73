/* Readers of tokenizers on input that nobody wrote: tokenizer.json, .tiktoken with what lies beside it, and normalization. What is read without an error must
 * work: it is written and read again, a text is encoded and decoded.
 */
#include "base/json.h"
#include "tests/base/fuzz.h"
#include "tokenizer/encode/bpe_index.h"
#include "tokenizer/unicode/normalization.h"
#include "tokenizer/vocabulary/vocabulary_tiktoken.h"

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
    fuzz_must(tokenizer_create(vocabulary, &tokenizer) == Q_OK, "create");
    fuzz_must(tokenizer_scratch_create(tokenizer, &scratch) == Q_OK, "scratch");
    q_status status = tokenizer_encode(tokenizer, scratch, all, TOKENIZER_SPECIAL_AS_TEXT, &ids);
    if (!status) {
        fuzz_must(tokenizer_decode(tokenizer, ids.ids, ids.count, &back) == Q_OK, "decode");
        fuzz_must(!same || q_string_equal(q_buffer_string(&back), all), "the text does not come back");
        status = tokenizer_encode(tokenizer, scratch, all, TOKENIZER_SPECIAL_PARSE, &ids);
    }
    fuzz_must(status == Q_OK || status == Q_ERR_INPUT, "encode"); /* a pattern may take too many steps */
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
    fuzz_must(status == Q_OK || status == Q_ERR_INPUT, "parse");
    if (!status) {
        fuzz_must(vocabulary_write(&vocabulary, &written) == Q_OK, "write");
        fuzz_must(vocabulary_parse(q_buffer_string(&written), "written", &again) == Q_OK,
                  "what is written cannot be read");
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
    fuzz_must(status == Q_OK || status == Q_ERR_INPUT, "ranks");
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
        fuzz_must(normalization_apply(form, text, &once, &edits) == Q_OK, "normalize");
        fuzz_must(normalization_apply(form, q_buffer_string(&once), &twice, NULL) == Q_OK, "normalize again");
        fuzz_must(q_string_equal(q_buffer_string(&once), q_buffer_string(&twice)), "a normal form has another one");
        size_t final = normalization_final_prefix(form, q_string_slice(text, 0, text.size / 2));
        fuzz_must(normalization_apply(form, q_string_slice(text, 0, final), &parts, NULL) == Q_OK, "first part");
        fuzz_must(normalization_apply(form, q_string_slice(text, final, text.size), &parts, NULL) == Q_OK,
                  "second part");
        fuzz_must(q_string_equal(q_buffer_string(&once), q_buffer_string(&parts)), "parts have another form");
        fuzz_must(q_utf8_valid(text) == q_utf8_valid(q_buffer_string(&once)), "broken bytes came or went");
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
int main(int argc, char **argv)
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
                                        "\"id\": 256",
                                        NULL};
    return fuzz_main(argc, argv, parts);
}
#endif
