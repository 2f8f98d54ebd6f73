/* Models in the way of a document: language, quality, sampling, documents in two languages; and in the identity of a build. */
#include "base/check.h"
#include "corpus/corpus_document.h"
#include "corpus/corpus_plan.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"
#include "tests/corpus/make_fasttext.h"
#include "tests/corpus/plan_key.h"

#include <stdio.h>
#include <string.h>

#define ENGLISH "The mill stands by the river, and its wheel turns day and night, grinding what the farmers bring. "
#define GERMAN                                                                                                         \
    "Das Rad am Fluss dreht sich bei Tag und bei Nacht und mahlt das Korn der Bauern, die von weither kommen. "

/* mill: all but surely the first label; fluss: the second; the rest of the words are unknown to it. */
static void write_model(const char *path, const char *first, const char *second, float weight)
{
    const struct made_fasttext made = {.version = 12,
                                       .dimensions = 1,
                                       .word_ngrams = 1,
                                       .loss = 3,
                                       .part = 1,
                                       .pruned = -1,
                                       .words = {"mill", "Fluss", NULL},
                                       .labels = {first, second, NULL}};
    const float weights[] = {weight, -weight, 1, -1};
    struct q_buffer file = {0};
    struct made_matrices matrices;
    make_fasttext(&made, &file, &matrices);
    const size_t output = file.size - 2 * 4, input = output - 17 - 2 * 4;
    memcpy(file.data + input, weights, 8);
    memcpy(file.data + output, weights + 2, 8);
    scratch_write(path, file.data, file.size);
    q_release(matrices.input);
    q_release(matrices.output);
    q_buffer_release(&file);
}

/* --- documents --------------------------------------------------------------------------------------------------------------------- */

static struct corpus_plan plan;
static struct corpus_worker *worker;

static void start(const char *const *sets)
{
    struct q_texts texts = {.items = (const char **)(uintptr_t)sets};
    while (sets[texts.count])
        texts.count++;
    assert_ok(corpus_plan_begin(NULL, &texts, &plan));
    assert_ok(corpus_plan_models(&plan));
    assert_ok(corpus_worker_create(&plan.settings, &plan.models, &worker));
}

static void stop(void)
{
    corpus_worker_release(worker);
    corpus_plan_release(&plan);
}

static struct corpus_outcome work(const char *line, uint64_t index)
{
    static const struct q_input input = {.name = "in", .text_field = "text"};
    const struct corpus_origin origin = {&input, "a.jsonl"};
    const struct corpus_item item = {
        .bytes = q_string_of(line), .format = CORPUS_JSONL, .index = index, .in_bytes = strlen(line)};
    struct corpus_outcome outcome;
    assert_ok(corpus_work(worker, &origin, &item, NULL, &outcome));
    return outcome;
}

#define LINE(text) "{\"text\":\"" text "\"}"

static void test_language_and_quality(void **state)
{
    (void)state;
    static const char *const sets[] = {"corpus.gopher.enabled=false", "corpus.lang_model=lang.bin",
                                       "corpus.lang_score_min=0.65",  "corpus.quality_model=quality.bin",
                                       "corpus.quality_min=0.5",      NULL};
    write_model("lang.bin", "__label__fra_Latn", "__label__nob_Latn", 2);
    write_model("quality.bin", "__label__hq", "__label__lq", 1);
    start(sets);
    struct corpus_outcome outcome = work(LINE(ENGLISH), 0);
    assert_null(outcome.reason);
    assert_true(q_string_is(outcome.document.lang, "fr")); /* the model's word counts */
    assert_true(outcome.document.lang_score > 0.98 && outcome.document.lang_score < 0.9821);
    assert_true(outcome.document.quality > 0.88 && outcome.document.quality < 0.8809);
    outcome = work(LINE(GERMAN), 1);
    assert_true(q_string_is(outcome.document.lang, "nb"));
    assert_string_equal(outcome.reason, "quality");
    assert_false(outcome.failed);
    outcome = work("{\"lang\":\"nb\",\"text\":\"" ENGLISH "\"}", 2); /* stated, and hardly so */
    assert_string_equal(outcome.reason, "lang-score");
    assert_true(outcome.document.quality < 0); /* not asked */
    stop();
}

/* Of a thousand documents of one quality the share that is kept is (2 - quality)^-alpha, and which ones depends on their ids alone. */
static void test_sampling(void **state)
{
    (void)state;
    static const char *const sets[] = {"corpus.gopher.enabled=false", "corpus.quality_model=quality.bin",
                                       "corpus.quality_alpha=3", NULL};
    write_model("quality.bin", "__label__hq", "__label__lq", 1);
    start(sets);
    unsigned kept = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        struct corpus_outcome outcome = work(LINE(GERMAN), i), again = work(LINE(GERMAN), i);
        assert_true(!outcome.reason == !again.reason);
        if (outcome.reason)
            assert_string_equal(outcome.reason, "sampling");
        kept += !outcome.reason;
    }
    const double share = corpus_quality_share(0.11921, 3); /* 0.150: a deviation of 11 documents */
    assert_true(kept > 1000 * share - 45 && kept < 1000 * share + 45);
    stop();
    static const char *const without[] = {"corpus.quality_min=0.5"};
    struct q_texts texts = {.items = (const char **)(uintptr_t)without, .count = 1};
    assert_fails(corpus_plan_begin(NULL, &texts, &plan), Q_ERR_USAGE, "need a corpus.quality_model");
    corpus_plan_release(&plan);
}

static void expect_meta(const char *line, bool mixed, const char *meta)
{
    struct corpus_outcome outcome = work(line, 0);
    assert_int_equal(outcome.mixed, mixed);
    if (!q_string_is(outcome.document.meta, meta))
        fail_msg("%.*s is not %s", Q_STRING_ARGS(outcome.document.meta), meta);
}

static void test_mixed_documents(void **state)
{
    (void)state;
    static const char *const usual[] = {NULL}, *const strict[] = {"corpus.lang_mixed_min=0.6", NULL};
    start(usual);
    expect_meta(LINE(ENGLISH ENGLISH), false, "");
    expect_meta(LINE(ENGLISH ENGLISH ENGLISH ENGLISH GERMAN GERMAN GERMAN), true,
                "{\"langs\":{\"en\":0.61,\"de\":0.38}}");
    expect_meta("{\"id\":\"7\",\"text\":\"" ENGLISH ENGLISH ENGLISH ENGLISH GERMAN GERMAN GERMAN "\"}", true,
                "{\"id\":\"7\",\"langs\":{\"en\":0.61,\"de\":0.38}}");
    expect_meta("{\"langs\":5,\"text\":\"" ENGLISH ENGLISH ENGLISH ENGLISH GERMAN GERMAN GERMAN "\"}", true,
                "{\"langs\":5}"); /* the user's stands */
    expect_meta(LINE(GERMAN), false, "");
    stop();
    start(strict);
    expect_meta(LINE(ENGLISH ENGLISH ENGLISH ENGLISH GERMAN GERMAN GERMAN), false, "");
    stop();
}

/* --- memory ------------------------------------------------------------------------------------------------------------------------ */

/* What a large document took goes back to the system with the next one. */
static void test_memory_of_a_large_document(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* it keeps what is released */
#endif
    enum { BYTES = 24 << 20 };
    static const char *const sets[] = {"corpus.repetition.enabled=true", NULL};
    struct q_buffer line = {0};
    start(sets);
    work(LINE(ENGLISH), 0);
    assert_ok(q_buffer_append_string(&line, Q_STRING("{\"text\":\"")));
    while (line.size < BYTES)
        assert_ok(q_buffer_append_string(&line, Q_STRING("a b c d e f g h ")));
    assert_ok(q_buffer_append_string(&line, Q_STRING("\"}")));
    assert_ok(q_buffer_terminate(&line));
    const uint64_t before = q_memory_resident_bytes();
    assert_non_null(work(line.data, 1).reason);
    const uint64_t held = q_memory_resident_bytes();
    work(LINE(ENGLISH), 2);
    const uint64_t after = q_memory_resident_bytes();
    assert_true(held > before + 4 * (uint64_t)BYTES); /* else this measures nothing */
    assert_true(after < before + BYTES);
    q_buffer_release(&line);
    stop();
}

/* --- identity ---------------------------------------------------------------------------------------------------------------------- */

static void test_identity(void **state)
{
    (void)state;
    char none[64], first[64], copied[64], other[64];
    scratch_write("in.txt", ENGLISH, strlen(ENGLISH));
    write_model("lang.bin", "__label__en", "__label__de", 2);
    write_model("copy.bin", "__label__en", "__label__de", 2);
    plan_key(NULL, none);
    plan_key("corpus.lang_model=lang.bin", first);
    plan_key("corpus.lang_model=copy.bin", copied);
    write_model("lang.bin", "__label__en", "__label__de", 3);
    plan_key("corpus.lang_model=lang.bin", other);
    assert_string_equal(first, copied);
    assert_string_not_equal(first, other);
    assert_string_not_equal(first, none);
}

static void test_model_changed_behind_the_plan(void **state)
{
    (void)state;
    const char *sets[] = {"corpus.lang_model=lang.bin"}, *inputs[] = {"in.txt"};
    struct q_texts texts = {.items = sets, .count = 1};
    struct corpus_plan one = {0};
    struct q_step step = {0};
    write_model("lang.bin", "__label__en", "__label__de", 2);
    assert_ok(corpus_plan_begin(NULL, &texts, &one));
    assert_ok(corpus_plan_files(&one, inputs, 1));
    assert_ok(corpus_plan_step(&one, &step));
    write_model("lang.bin", "__label__en", "__label__de", 3);
    assert_fails(corpus_plan_models(&one), Q_ERR_INPUT, "'lang.bin' was changed while it was read");
    q_step_release(&step);
    corpus_plan_release(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_language_and_quality),
        cmocka_unit_test(test_sampling),
        cmocka_unit_test(test_mixed_documents),
        cmocka_unit_test(test_memory_of_a_large_document),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_model_changed_behind_the_plan),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
