/* Training that is stopped and gone on with, at any merge and in any way, and vocabularies that are extended. */
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"
#include "tests/tokenizer/train_twin.h"
#include "tokenizer/train/bpe_checkpoint.h"
#include "tokenizer/train/bpe_train.h"

#include <string.h>
#include <unistd.h>

static const char *const three[] = {"<s>", "</s>", "<pad>"};
static const char checkpoint[] = "t.json.merges";

static struct bpe_train_options options_of(uint64_t vocab_size)
{
    return (struct bpe_train_options){
        .vocab_size = vocab_size, .min_frequency = 1, .special = three, .special_count = 3, .checkpoint = checkpoint};
}

/* The same corpus for the same seed: bpe_train takes its counts apart. */
static void corpus_of(uint64_t seed, struct counts *counts)
{
    uint64_t dice = seed;
    *counts = (struct counts){.pretokenizer = pretokenizers[0]};
    for (size_t k = 1 + seed % 3; k > 0; k--)
        train_twin_corpus(&dice, counts);
}

static void assert_same(const struct vocabulary *a, const struct vocabulary *b)
{
    struct q_buffer one = {0}, other = {0};
    assert_int_equal(a->merge_count, b->merge_count);
    assert_memory_equal(a->merges, b->merges, a->merge_count * sizeof(*a->merges));
    assert_ok(vocabulary_write(a, &one));
    assert_ok(vocabulary_write(b, &other));
    assert_int_equal(one.size, other.size);
    assert_memory_equal(one.data, other.data, one.size);
    q_buffer_release(&one);
    q_buffer_release(&other);
}

static void a_stopped_training_goes_on_to_the_same(void **state)
{
    uint64_t dice = 3;
    (void)state;
    for (uint64_t round = 0; round < 60; round++) {
        struct counts counts;
        struct vocabulary whole = {0}, stopped = {0}, resumed = {0};
        struct bpe_train_options options = options_of(262 + dice_roll(&dice) % 150);
        corpus_of(round + 1, &counts);
        assert_ok(bpe_train(&counts, &options, &whole));
        options.tuning.stop_after = 1 + dice_roll(&dice) % (whole.merge_count + 1);
        bool stops = options.tuning.stop_after <= whole.merge_count && whole.size < options.vocab_size;
        stops = stops || options.tuning.stop_after < whole.merge_count;
        corpus_of(round + 1, &counts);
        q_status status = bpe_train(&counts, &options, &stopped);
        assert_int_equal(status, stops ? Q_STOPPED : Q_OK);
        counts_release(&counts);
        if (stops) {
            train_twin_tune(&dice, &options);
            options.resume = BPE_RESUME;
            corpus_of(round + 1, &counts);
            assert_ok(bpe_train(&counts, &options, &resumed));
            assert_same(&whole, &resumed);
            assert_memory_equal(whole.merge_counts, resumed.merge_counts,
                                whole.merge_count * sizeof(*whole.merge_counts));
            assert_int_equal(unlink(checkpoint), 0);
        }
        vocabulary_release(&whole);
        vocabulary_release(&stopped);
        vocabulary_release(&resumed);
    }
}

static void another_trainings_checkpoint_is_refused_or_left_alone(void **state)
{
    struct counts counts;
    struct vocabulary first = {0}, refused = {0}, anew = {0};
    struct bpe_train_options options = options_of(300);
    (void)state;
    options.tuning.stop_after = 3;
    corpus_of(7, &counts);
    assert_fails(bpe_train(&counts, &options, &first), Q_STOPPED, "3 merges");
    options.tuning.stop_after = 0;
    options.resume = BPE_RESUME;
    options.min_frequency = 2;
    corpus_of(7, &counts);
    assert_fails(bpe_train(&counts, &options, &refused), Q_ERR_INPUT, "other options");
    options.resume = BPE_RESUME_IF_SAME;
    corpus_of(7, &counts);
    assert_ok(bpe_train(&counts, &options, &anew));
    vocabulary_release(&first);
    vocabulary_release(&refused);
    vocabulary_release(&anew);
}

static void a_damaged_checkpoint_is_refused(void **state)
{
    struct vocabulary_merge merges[2] = {{3, 4, 259}, {5, 6, 260}};
    const uint64_t merge_counts[2] = {9, 8};
    const q_hash identity = {1, 2};
    struct q_buffer file = {0};
    (void)state;
    assert_ok(bpe_checkpoint_write(checkpoint, identity, merges, merge_counts, 2));
    scratch_read(checkpoint, &file);
    for (size_t i = 0; i <= file.size; i++) {
        struct bpe_checkpoint read = {0};
        if (i < file.size)
            file.data[i] ^= 4;
        scratch_write(checkpoint, file.data, file.size);
        q_status status = bpe_checkpoint_read(checkpoint, identity, &read);
        assert_int_equal(status, i < file.size ? Q_ERR_INPUT : Q_OK);
        q_buffer_release(&read.file);
        if (i < file.size) {
            file.data[i] ^= 4;
            scratch_write(checkpoint, file.data, i);
            struct bpe_checkpoint cut = {0};
            assert_int_equal(bpe_checkpoint_read(checkpoint, identity, &cut), Q_ERR_INPUT);
            q_buffer_release(&cut.file);
        }
    }
    q_buffer_release(&file);
}

/* A base from one corpus, extended on another. */
static void an_extended_vocabulary_is_that_of_the_twin(void **state)
{
    static struct vocabulary_merge want[1024];
    uint64_t dice = 17;
    (void)state;
    for (uint64_t round = 0; round < 80; round++) {
        struct counts counts;
        struct vocabulary base = {0}, extended = {0};
        struct bpe_train_options options = options_of(262 + dice_roll(&dice) % 60);
        corpus_of(round + 100, &counts);
        assert_ok(bpe_train(&counts, &options, &base));
        options = options_of(base.size + 1 + dice_roll(&dice) % 60);
        options.special_count = 0;
        options.base = &base;
        train_twin_tune(&dice, &options);
        corpus_of(round % 2 ? round + 100 : round + 500, &counts);
        size_t wanted = train_twin(&counts, &options, want);
        assert_ok(bpe_train(&counts, &options, &extended));
        assert_int_equal(extended.merge_count, base.merge_count + wanted);
        assert_memory_equal(extended.merges, base.merges, base.merge_count * sizeof(*base.merges));
        assert_memory_equal(extended.merges + base.merge_count, want, wanted * sizeof(*want));
        for (uint32_t id = 0; id < base.size; id++)
            assert_true(q_string_equal(extended.tokens[id], base.tokens[id]));
        assert_int_equal(extended.added_count, base.added_count);
        vocabulary_release(&base);
        vocabulary_release(&extended);
    }
}

/* On the same counts, a vocabulary that is extended is what it would have been in one go. */
static void extending_on_the_same_text_is_training_in_one_go(void **state)
{
    struct counts counts;
    struct vocabulary whole = {0}, part = {0}, extended = {0};
    struct bpe_train_options options = options_of(400);
    (void)state;
    corpus_of(5, &counts);
    assert_ok(bpe_train(&counts, &options, &whole));
    options.vocab_size = 290;
    corpus_of(5, &counts);
    assert_ok(bpe_train(&counts, &options, &part));
    options.vocab_size = 400;
    options.base = &part;
    corpus_of(5, &counts);
    assert_ok(bpe_train(&counts, &options, &extended)); /* its special tokens are there already */
    assert_same(&whole, &extended);
    vocabulary_release(&whole);
    vocabulary_release(&part);
    vocabulary_release(&extended);
}

static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) {
        struct counts counts;
        struct vocabulary vocabulary = {0}, stopped = {0};
        struct bpe_train_options options = options_of(275);
        options.tuning.stop_after = 5;
        corpus_of(2, &counts);
        assert_fails(bpe_train(&counts, &options, &stopped), Q_STOPPED, "5 merges");
        vocabulary_release(&stopped);
        options.tuning = (struct bpe_train_tuning){.chunk = 64, .shared_bytes = 1, .floor_share = 1, .budget = 8192};
        options.threads = 2;
        options.resume = BPE_RESUME;
        corpus_of(2, &counts);
        q_memory_fail_at(k, 0);
        q_status status = bpe_train(&counts, &options, &vocabulary);
        uint64_t calls = q_memory_fail_at(0, 0);
        /* A table of pairs that cannot grow is no failure: there are more and smaller ones then. */
        assert_true(status == Q_OK ? vocabulary.size == 275 : status == Q_ERR_MEMORY);
        vocabulary_release(&vocabulary);
        counts_release(&counts);
        if (calls < k)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stopped_training_goes_on_to_the_same, scratch_enter, scratch_leave),
        cmocka_unit_test_setup_teardown(another_trainings_checkpoint_is_refused_or_left_alone, scratch_enter,
                                        scratch_leave),
        cmocka_unit_test_setup_teardown(a_damaged_checkpoint_is_refused, scratch_enter, scratch_leave),
        cmocka_unit_test_setup_teardown(an_extended_vocabulary_is_that_of_the_twin, scratch_enter, scratch_leave),
        cmocka_unit_test_setup_teardown(extending_on_the_same_text_is_training_in_one_go, scratch_enter, scratch_leave),
        cmocka_unit_test_setup_teardown(every_failed_allocation_is_survived, scratch_enter, scratch_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
