/* fastText's models: predictions against the definition, files that are none, what classifiers make of them. */
#include "base/bytes.h"
#include "base/check.h"
#include "corpus/lang/classify.h"
#include "corpus/lang/fasttext_private.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"
#include "tests/corpus/make_fasttext.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- the definition: lists of rows as fastText makes them, no tables ---------------------------------------------------------------- */

struct rows {
    uint32_t at[20000];
    size_t count;
};

struct plain {
    const struct made_fasttext *made;
    struct made_matrices matrices;
    struct rows rows;
    uint32_t hashes[2000];
    size_t hash_count;
};

static uint32_t plain_hash(const char *bytes, size_t size)
{
    uint64_t hash = 2166136261;
    for (size_t i = 0; i < size; i++) {
        const unsigned char byte = (unsigned char)bytes[i];
        hash = ((hash ^ (byte < 128 ? byte : 0xFFFFFF00u + byte)) * 16777619) & 0xFFFFFFFF;
    }
    return (uint32_t)hash;
}

static int plain_find(const char *const *names, const char *name)
{
    for (int i = 0; i < MADE_NAMES_MAX && names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

static uint32_t word_total(const struct made_fasttext *made)
{
    uint32_t count = 0;
    while (made->words[count])
        count++;
    return count;
}

static void plain_row(struct plain *p, uint32_t row)
{
    assert_true(p->rows.count < Q_COUNT_OF(p->rows.at) && row < p->matrices.rows);
    p->rows.at[p->rows.count++] = row;
}

static void plain_bucket(struct plain *p, uint32_t bucket)
{
    const uint32_t words = word_total(p->made);
    if (p->made->pruned < 0)
        plain_row(p, words + bucket);
    else if (bucket % 2 && bucket / 2 < (uint32_t)p->made->pruned)
        plain_row(p, words + (uint32_t)p->made->pruned - 1 - bucket / 2);
}

static void plain_subwords(struct plain *p, const char *word)
{
    char marked[256];
    const size_t size = (size_t)snprintf(marked, sizeof marked, "<%s>", word);
    for (size_t from = 0; from < size; from++)
        for (size_t to = from + 1; to <= size; to++) {
            int characters = 0;
            if ((marked[from] & 0xC0) == 0x80 || (to < size && (marked[to] & 0xC0) == 0x80))
                continue;
            for (size_t i = from; i < to; i++)
                characters += i == from || (marked[i] & 0xC0) != 0x80;
            const bool mark = characters == 1 && (from == 0 || to == size);
            if (characters >= p->made->minn && characters <= p->made->maxn && !mark)
                plain_bucket(p, plain_hash(marked + from, to - from) % (uint32_t)p->made->buckets);
        }
}

static void plain_word(struct plain *p, const char *word)
{
    const int at = plain_find(p->made->words, word);
    if (at < 0 && (plain_find(p->made->labels, word) >= 0 || strncmp(word, "__label__", 9) == 0))
        return;
    if (at >= 0)
        plain_row(p, (uint32_t)at);
    if (p->made->maxn > 0 && p->made->version == 12 && strcmp(word, "</s>") != 0)
        plain_subwords(p, word);
    p->hashes[p->hash_count++] = plain_hash(word, strlen(word));
}

static void plain_text(struct plain *p, const char *text)
{
    char copy[4096], *save, *word;
    p->rows.count = p->hash_count = 0;
    snprintf(copy, sizeof copy, "%s </s>", text);
    for (word = strtok_r(copy, " \t\n\r\v\f", &save); word; word = strtok_r(NULL, " \t\n\r\v\f", &save)) {
        plain_word(p, word);
        if (strcmp(word, "</s>") == 0)
            break;
    }
    for (size_t i = 0; i < p->hash_count && p->made->word_ngrams > 1; i++) {
        uint64_t hash = (uint64_t)(int64_t)(int32_t)p->hashes[i];
        for (size_t j = i + 1; j < p->hash_count && j < i + (size_t)p->made->word_ngrams; j++) {
            hash = hash * 116049371 + (uint64_t)(int64_t)(int32_t)p->hashes[j];
            plain_bucket(p, (uint32_t)(hash % (uint64_t)p->made->buckets));
        }
    }
}

/* Product of the mean of the rows with a label's row, in floats and in this order, for a table's steps depend on every bit. */
static float plain_product(const struct plain *p, size_t label)
{
    const size_t columns = (size_t)p->made->dimensions;
    float sum = 0;
    for (size_t c = 0; c < columns; c++) {
        float hidden = 0;
        for (size_t r = 0; r < p->rows.count; r++)
            hidden += p->matrices.input[p->rows.at[r] * columns + c];
        sum += p->matrices.output[label * columns + c] * (hidden * (float)(1.0 / (double)p->rows.count));
    }
    return sum;
}

/* Probability of a label in the tree over uses 10, 8, 6 ... 1, built by looking for the two rarest each time. */
static double plain_tree(const struct plain *p, size_t label)
{
    double uses[2 * MADE_NAMES_MAX];
    size_t parent[2 * MADE_NAMES_MAX] = {0}, labels = p->matrices.labels, nodes = labels;
    bool used[2 * MADE_NAMES_MAX] = {false}, right[2 * MADE_NAMES_MAX] = {false};
    for (size_t i = 0; i < labels; i++)
        uses[i] = i + 1 < labels ? 10 - 2 * (double)Q_MIN(i, (size_t)4) : 1;
    for (; nodes < 2 * labels - 1; nodes++) {
        uses[nodes] = 0;
        for (int side = 0; side < 2; side++) {
            size_t best = SIZE_MAX; /* of equals: an older node before a label, a later label before an earlier one */
            for (size_t i = labels; i < nodes; i++)
                if (!used[i] && (best == SIZE_MAX || uses[i] < uses[best]))
                    best = i;
            for (size_t i = labels; i-- > 0;)
                if (!used[i] && (best == SIZE_MAX || uses[i] < uses[best]))
                    best = i;
            used[best] = true;
            parent[best] = nodes;
            right[best] = side;
            uses[nodes] += uses[best];
        }
    }
    double probability = 1;
    for (size_t i = label; i < nodes - 1; i = parent[i]) {
        const double f = 1 / (1 + exp(-(double)plain_product(p, parent[i] - labels)));
        probability *= (right[i] ? f : 1 - f) + 1e-5;
    }
    return probability;
}

static double plain_probability(const struct plain *p, size_t label)
{
    double sum = 0;
    const float x = plain_product(p, label);
    switch (p->made->loss) {
    case 1:
        return plain_tree(p, label);
    case 3:
        for (size_t i = 0; i < p->matrices.labels; i++)
            sum += exp((double)plain_product(p, i));
        return exp((double)x) / sum + 1e-5;
    default:
        return (x < -8 ? 0 : x > 8 ? 1 : 1 / (1 + exp(-(floor((double)(x + 8) * 32) / 32 - 8)))) + 1e-5;
    }
}

/* --- predictions ------------------------------------------------------------------------------------------------------------------- */

#define WORDS                                                                                                          \
    {                                                                                                                  \
        "</s>", "the", "mill", "M\xC3\xBChle", "\xE6\xB0\xB4", "a", NULL                                               \
    }
#define LABELS                                                                                                         \
    {                                                                                                                  \
        "__label__en", "__label__de", "__label__zh", "__label__nob_Latn", "__label__hq", NULL                          \
    }

static const struct made_fasttext models[] = {
    {12, 3, 1, 3, 0, 0, 0, WORDS, LABELS, false, false, false, 1, -1, 1},
    {12, 4, 1, 1, 50, 2, 4, WORDS, LABELS, false, false, false, 1, -1, 2},
    {12, 5, 3, 4, 37, 0, 0, WORDS, LABELS, false, false, false, 1, -1, 3},
    {12, 2, 2, 2, 16, 1, 3, WORDS, LABELS, false, false, false, 1, -1, 4},
    {11, 4, 1, 1, 50, 2, 4, WORDS, LABELS, false, false, false, 1, -1, 5},
    {12, 5, 2, 3, 40, 3, 6, WORDS, LABELS, true, true, true, 2, 9, 6},
    {12, 4, 1, 1, 40, 2, 4, WORDS, LABELS, true, false, false, 4, -1, 7},
    {12, 6, 1, 1, 2000, 2, 4, WORDS, LABELS, true, true, false, 4, 700, 8},
    {12, 3, 1, 3, 40, 2, 4, WORDS, LABELS, true, true, false, 2, 0, 9},
    {12, 1, 1, 1, 0, 0, 0, {"</s>", NULL}, {"__label__one", NULL}, false, false, false, 1, -1, 10},
};

static const char *const texts[] = {
    "the mill",
    "",
    "  the\nM\xC3\xBChle \t mahlt the \xE6\xB0\xB4\xE8\xBB\x8A\n",
    "the </s> mill",
    "__label__en __label__other the mill</s>",
    "a b c d e a b c < > <a> \xC3\xA9 \xF0\x9F\x98\x80 broken \xC3 \x80\x80",
    "aReallyLongWordThatIsInNoDictionaryAndHasManySubwordsIndeedMoreThanAnyOther",
};

static struct q_buffer file;

static void write_model(const struct made_fasttext *made, struct made_matrices *matrices)
{
    make_fasttext(made, &file, matrices);
    scratch_write("model.bin", file.data, file.size);
}

static void release_matrices(struct made_matrices *matrices)
{
    q_release(matrices->input);
    q_release(matrices->output);
}

static void compare(struct plain *p, const struct fasttext_model *model, struct fasttext_scratch *s, const char *text)
{
    const float *probabilities;
    plain_text(p, text);
    assert_ok(fasttext_predict(model, s, q_string_of(text), &probabilities));
    assert_int_equal(probabilities == NULL, p->rows.count == 0);
    for (size_t i = 0; probabilities && i < p->matrices.labels; i++)
        if (!(fabs((double)probabilities[i] - Q_MIN(1.0, plain_probability(p, i))) < 1e-6))
            fail_msg("model %llu, '%s', label %zu: %g is not %g", (unsigned long long)p->made->dice, text, i,
                     (double)probabilities[i], plain_probability(p, i));
}

static void test_predictions(void **state)
{
    (void)state;
    static struct plain p;
    for (size_t m = 0; m < Q_COUNT_OF(models); m++) {
        struct fasttext_model *model;
        struct fasttext_scratch *s;
        p.made = &models[m];
        write_model(&models[m], &p.matrices);
        assert_ok(fasttext_load("model.bin", &model));
        assert_ok(fasttext_scratch_create(model, &s));
        assert_int_equal(fasttext_label_count(model), p.matrices.labels);
        assert_true(q_string_is(fasttext_label(model, 0), models[m].labels[0]));
        assert_true(q_hash_equal(fasttext_hash(model), q_hash_bytes(file.data, file.size)));
        for (size_t t = 0; t < Q_COUNT_OF(texts); t++)
            compare(&p, model, s, texts[t]);
        fasttext_scratch_release(s);
        fasttext_release(model);
        release_matrices(&p.matrices);
    }
}

/* --- files that are no models ------------------------------------------------------------------------------------------------------ */

/* What is loaded at all can be asked, and answers with numbers in 0..1. */
static void use(const struct fasttext_model *model)
{
    struct fasttext_scratch *s;
    const float *probabilities;
    assert_ok(fasttext_scratch_create(model, &s));
    for (size_t t = 0; t < Q_COUNT_OF(texts); t++) {
        assert_ok(fasttext_predict(model, s, q_string_of(texts[t]), &probabilities));
        for (uint32_t i = 0; probabilities && i < fasttext_label_count(model); i++)
            assert_true(probabilities[i] >= 0 && probabilities[i] <= 1);
    }
    fasttext_scratch_release(s);
}

static q_status try_bytes(const char *bytes, size_t size)
{
    struct fasttext_model *model;
    scratch_write("damaged.bin", bytes, size);
    q_status status = fasttext_load("damaged.bin", &model);
    if (status == Q_OK) {
        use(model);
        fasttext_release(model);
    } else if (status != Q_ERR_INPUT) {
        fail_msg("%s", q_error_text());
    }
    return status;
}

/* Every length but the whole; then a 32-bit number of extremes at every place of what is not weights. */
static void test_damaged_files(void **state)
{
    (void)state;
    static const uint32_t extremes[] = {0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FC00000, 0x10000};
    static const size_t chosen[] = {1, 5, 7};
    for (size_t c = 0; c < Q_COUNT_OF(chosen); c++) {
        struct made_matrices matrices;
        write_model(&models[chosen[c]], &matrices);
        release_matrices(&matrices);
        const size_t interesting = 700, step = file.size / 400 + 1;
        for (size_t size = 0; size < file.size; size += size < interesting ? 1 : step)
            assert_int_equal(try_bytes(file.data, size), Q_ERR_INPUT);
        assert_ok(q_buffer_append_byte(&file, 0));
        assert_int_equal(try_bytes(file.data, file.size), Q_ERR_INPUT);
        assert_int_equal(try_bytes(file.data, --file.size), Q_OK);
        for (size_t at = 0; at + 4 <= file.size; at += at < interesting ? 1 : step)
            for (size_t e = 0; e < Q_COUNT_OF(extremes); e++) {
                char kept[4];
                memcpy(kept, file.data + at, 4);
                q_store_u32(file.data + at, extremes[e]);
                (void)try_bytes(file.data, file.size);
                memcpy(file.data + at, kept, 4);
            }
    }
}

static void test_error_texts(void **state)
{
    (void)state;
    struct fasttext_model *model;
    struct made_fasttext made = models[0];
    struct made_matrices matrices;
    assert_fails(fasttext_load("none.bin", &model), Q_ERR_INPUT, "none.bin");
    scratch_write("text.bin", "just some words of a text", 25);
    assert_fails(fasttext_load("text.bin", &model), Q_ERR_INPUT, "'text.bin': its first number is");
    made.words[1] = "mill";
    write_model(&made, &matrices);
    release_matrices(&matrices);
    assert_fails(fasttext_load("model.bin", &model), Q_ERR_INPUT, "a word is there twice");
    made = models[0];
    made.maxn = 2;
    write_model(&made, &matrices);
    release_matrices(&matrices);
    assert_fails(fasttext_load("model.bin", &model), Q_ERR_INPUT, "n-grams, but no buckets");
}

/* Words whose hashes all lie in one place of the table would make a search of every look-up: some are allowed, too many are not. */
static void test_words_that_crowd(void **state)
{
    (void)state;
    enum { CROWDED = 600, SLOTS = 2048 };
    static char names[CROWDED][12];
    struct made_fasttext made = models[0];
    struct made_matrices matrices;
    struct fasttext_model *model;
    unsigned found = 0;
    for (unsigned i = 0; found < CROWDED; i++) {
        const int size = snprintf(names[found], sizeof names[found], "w%u", i);
        if (fasttext_hash_bytes(names[found], (size_t)size) % SLOTS == 5)
            made.words[found] = names[found], found++;
    }
    write_model(&made, &matrices);
    release_matrices(&matrices);
    assert_fails(fasttext_load("model.bin", &model), Q_ERR_INPUT, "crowd, as they do in no trained model");
    made.words[FASTTEXT_RUN_MAX - 100] = NULL;
    write_model(&made, &matrices);
    release_matrices(&matrices);
    assert_ok(fasttext_load("model.bin", &model));
    fasttext_release(model);
}

static q_status load_and_ask(void)
{
    struct fasttext_model *model = NULL;
    struct fasttext_scratch *s = NULL;
    const float *probabilities;
    q_status status = fasttext_load("model.bin", &model);
    if (status == Q_OK)
        status = fasttext_scratch_create(model, &s);
    if (status == Q_OK)
        status = fasttext_predict(model, s, Q_STRING("the mill"), &probabilities);
    fasttext_scratch_release(s);
    fasttext_release(model);
    return status;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    struct made_matrices matrices;
    write_model(&models[5], &matrices);
    release_matrices(&matrices);
    for (uint64_t k = 1;; k++) {
        q_memory_fail_at(k, 0);
        q_status status = load_and_ask();
        const uint64_t taken = q_memory_fail_at(0, 0);
        if (taken < k) {
            assert_ok(status);
            assert_true(k > 10);
            return;
        }
        assert_int_equal(status, Q_ERR_MEMORY);
    }
}

/* cmocka's own compares floats. */
#define assert_near(value, wanted, tolerance) assert_true(fabs((value) - (wanted)) <= (tolerance))

/* --- classifiers ------------------------------------------------------------------------------------------------------------------- */

static void test_tags(void **state)
{
    (void)state;
    static const char *const tags[][2] = {{"__label__en", "en"},       {"__label__eng_Latn", "en"},
                                          {"__label__nob_Latn", "nb"}, {"__label__no", "nb"},
                                          {"__label__zh", "zh"},       {"__label__zho_Hans", "zh-Hans"},
                                          {"__label__cmn_Hani", "zh"}, {"__label__srp_Latn", "sr-Latn"},
                                          {"__label__srp_Cyrl", "sr"}, {"__label__als", "gsw"},
                                          {"__label__als_Latn", "sq"}, {"__label__arb_Arab", "ar"},
                                          {"__label__zsm_Latn", "ms"}, {"__label__iw", "he"},
                                          {"__label__ceb", "ceb"},     {"deu_Latn", "de"},
                                          {"__label__zxx", "und"},     {"__label__tgl_Latn", "fil"}};
    char tag[CORPUS_LANG_CODE_SIZE];
    for (size_t i = 0; i < Q_COUNT_OF(tags); i++) {
        assert_true(corpus_lang_tag(tags[i][0], strlen(tags[i][0]), tag));
        assert_string_equal(tag, tags[i][1]);
    }
    static const char *const none[] = {"__label__hq",           "__label__5", "", "__label__",
                                       "__label__high_quality", "__label__x"};
    for (size_t i = 1; i < Q_COUNT_OF(none); i++)
        assert_false(corpus_lang_tag(none[i], strlen(none[i]), tag));
}

/* A model of two labels whose answer is known: "mill" is English, "fluss" German, as sure as a weight of 2 makes it. */
static void write_two_languages(const char *path, const char *first, const char *second)
{
    struct made_fasttext made = {.version = 12,
                                 .dimensions = 1,
                                 .word_ngrams = 1,
                                 .loss = 3,
                                 .part = 1,
                                 .pruned = -1,
                                 .words = {"mill", "fluss", NULL},
                                 .labels = {first, second, NULL}};
    struct made_matrices matrices;
    static const float weights[] = {2, -2, 1, -1};
    make_fasttext(&made, &file, &matrices);
    const size_t output = file.size - 2 * 4, input = output - 17 - 2 * 4; /* kind, rows, columns between them */
    for (size_t i = 0; i < 4; i++)
        memcpy(file.data + (i < 2 ? input + 4 * i : output + 4 * (i - 2)), &weights[i], 4);
    scratch_write(path, file.data, file.size);
    release_matrices(&matrices);
}

static void expect_lang(struct corpus_classifier *classifier, const char *text, const char *stated, const char *code,
                        double score)
{
    struct corpus_langs shares = {.langs = {{"zh-Hant", 0.7}, {"en", 0.3}}, .count = 2};
    struct corpus_lang lang;
    assert_ok(corpus_classify_lang(classifier, q_string_of(text), &shares, q_string_of(stated), &lang));
    assert_string_equal(lang.code, code);
    assert_near(lang.score, score, 1e-4);
}

static void test_languages_of_a_model(void **state)
{
    (void)state;
    struct corpus_settings settings = {.lang_model = "lang.bin"};
    struct corpus_models loaded = {0};
    struct corpus_classifier classifier = {0};
    const double sure = 1 / (1 + exp(-4));
    assert_ok(corpus_classifier_init(&classifier, &loaded));
    expect_lang(&classifier, "mill", "", "zh-Hant", 0.7); /* without a model: by shares */
    expect_lang(&classifier, "mill", "en", "en", 0.3);
    expect_lang(&classifier, "mill", "fr", "und", 0);
    expect_lang(&classifier, "mill", "en-GB", "en", 0.3);
    expect_lang(&classifier, "mill", "zh", "zh-Hant", 0.7);
    expect_lang(&classifier, "mill", "zh-TW", "zh-Hant", 0.7);
    expect_lang(&classifier, "mill", "zh-Hant-TW", "zh-Hant", 0.7);
    expect_lang(&classifier, "mill", "zh-Hans", "und", 0);
    expect_lang(&classifier, "mill", "e", "und", 0);
    corpus_classifier_release(&classifier);
    write_two_languages("lang.bin", "__label__eng_Latn", "__label__zh");
    assert_ok(corpus_models_load(&settings, &loaded));
    assert_ok(corpus_classifier_init(&classifier, &loaded));
    expect_lang(&classifier, "mill", "", "en", sure);
    expect_lang(&classifier, "mill", "zh-Hant", "zh-Hant", 1 - sure);
    expect_lang(&classifier, "mill", "zh", "zh-Hant", 1 - sure);
    expect_lang(&classifier, "mill", "en-GB", "en", sure);
    expect_lang(&classifier, "mill", "fr", "und", 0);
    expect_lang(&classifier, "fluss fluss", "", "zh-Hant", sure); /* the script is CLD2's */
    expect_lang(&classifier, "unknown", "", "und", 0);
    corpus_classifier_release(&classifier);
    corpus_models_release(&loaded);
    write_two_languages("lang.bin", "__label__en", "__label__good");
    assert_fails(corpus_models_load(&settings, &loaded), Q_ERR_INPUT, "label '__label__good' is no language");
    corpus_models_release(&loaded);
}

static void test_quality(void **state)
{
    (void)state;
    struct corpus_settings settings = {.quality_model = "quality.bin", .quality_label = "__label__hq"};
    struct corpus_models loaded = {0};
    struct corpus_classifier classifier = {0};
    double quality;
    assert_ok(corpus_classifier_init(&classifier, &loaded));
    assert_ok(corpus_classify_quality(&classifier, Q_STRING("mill"), &quality));
    assert_true(quality < 0);
    write_two_languages("quality.bin", "__label__cc", "__label__hq");
    assert_ok(corpus_models_load(&settings, &loaded));
    assert_ok(corpus_classifier_init(&classifier, &loaded));
    assert_ok(corpus_classify_quality(&classifier, Q_STRING("fluss"), &quality));
    assert_near(quality, 1 / (1 + exp(-4)), 1e-4);
    assert_ok(corpus_classify_quality(&classifier, Q_STRING("unknown"), &quality));
    assert_true(quality == 0);
    corpus_classifier_release(&classifier);
    corpus_models_release(&loaded);
    settings.quality_label = "__label__good";
    assert_fails(corpus_models_load(&settings, &loaded), Q_ERR_USAGE, "has no label '__label__good'");
    corpus_models_release(&loaded);
    assert_true(corpus_quality_share(0.3, 0) == 1);
    assert_true(corpus_quality_share(1, 9) == 1);
    assert_near(corpus_quality_share(0, 9), 1.0 / 512, 1e-9);
    assert_near(corpus_quality_share(0.5, 2), 1 / 2.25, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_predictions),          cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_error_texts),          cmocka_unit_test(test_words_that_crowd),
        cmocka_unit_test(test_failing_allocations),  cmocka_unit_test(test_tags),
        cmocka_unit_test(test_languages_of_a_model), cmocka_unit_test(test_quality),
    };
    int failed = cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
    q_buffer_release(&file);
    return failed;
}
