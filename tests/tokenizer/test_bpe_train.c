/* Training against its plain twin, on corpora with many ties, and its edges. */
#include "tests/base/cmocka_all.h"
#include "tests/tokenizer/train_twin.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/train/bpe_train.h"
#include "tokenizer/vocabulary/byte_alphabet.h"

#include <string.h>

static const char *const three[] = {"<s>", "</s>", "<pad>"};

static struct bpe_train_options options_of(uint64_t vocab_size)
{
    return (struct bpe_train_options){
        .vocab_size = vocab_size, .min_frequency = 1, .special = three, .special_count = 3};
}

static void merges_are_those_of_the_twin(void **state)
{
    static struct vocabulary_merge want[1024];
    uint64_t dice = 11;
    (void)state;
    for (int round = 0; round < 200; round++) {
        struct counts counts = {.pretokenizer = pretokenizers[0]};
        struct vocabulary vocabulary = {0};
        struct bpe_train_options options = options_of(260 + dice_roll(&dice) % 200);
        options.min_frequency = dice_roll(&dice) % 4;
        options.max_token_length = dice_roll(&dice) % 3 ? 0 : 2 + dice_roll(&dice) % 8;
        for (size_t k = 1 + dice_roll(&dice) % 3; k > 0; k--)
            train_twin_corpus(&dice, &counts);
        train_twin_tune(&dice, &options);
        size_t wanted = train_twin(&counts, &options, want);
        assert_ok(bpe_train(&counts, &options, &vocabulary));
        assert_int_equal(vocabulary.merge_count, wanted);
        for (size_t i = 0; i < wanted; i++) {
            assert_int_equal(vocabulary.merges[i].left, want[i].left);
            assert_int_equal(vocabulary.merges[i].right, want[i].right);
            assert_int_equal(vocabulary.merges[i].id, want[i].id);
        }
        assert_int_equal(vocabulary.size, 259 + wanted);
        vocabulary_release(&vocabulary);
        counts_release(&counts);
    }
}

/* Added in another order, and through files of counts in two halves, the counts give the same vocabulary. */
static void order_of_the_counts_does_not_matter(void **state)
{
    static const char *const pieces[] = {" mill",  " stone",   " millstone", " mills", "stones",
                                         " grind", "grinding", " m",         "st"};
    enum { PIECES = sizeof(pieces) / sizeof(pieces[0]) };
    struct vocabulary made[2];
    (void)state;
    memset(made, 0, sizeof(made));
    for (int turn = 0; turn < 2; turn++) {
        struct counts counts = {.pretokenizer = pretokenizers[0]};
        struct bpe_train_options options = options_of(300);
        for (int i = 0; i < PIECES; i++) {
            int k = turn ? PIECES - 1 - i : i;
            assert_ok(counts_add(&counts, q_string_of(pieces[k]), (uint64_t)(1 + k % 3)));
        }
        assert_ok(bpe_train(&counts, &options, &made[turn]));
    }
    assert_int_equal(made[0].merge_count, made[1].merge_count);
    assert_memory_equal(made[0].merges, made[1].merges, made[0].merge_count * sizeof(*made[0].merges));
    vocabulary_release(&made[0]);
    vocabulary_release(&made[1]);
}

static void ids_are_special_tokens_then_bytes_then_merges(void **state)
{
    struct counts counts = {.pretokenizer = pretokenizers[0]};
    struct vocabulary vocabulary = {0};
    struct bpe_train_options options = options_of(260);
    (void)state;
    assert_ok(counts_add(&counts, Q_STRING("zz"), 5));
    assert_ok(bpe_train(&counts, &options, &vocabulary));
    assert_int_equal(vocabulary.size, 260);
    assert_true(q_string_is(vocabulary.tokens[0], "<s>"));
    assert_true(q_string_is(vocabulary.tokens[2], "<pad>"));
    for (unsigned rank = 0; rank < 256; rank++) {
        assert_int_equal(vocabulary.tokens[3 + rank].size, 1);
        assert_int_equal((uint8_t)vocabulary.tokens[3 + rank].data[0], byte_alphabet_at(rank));
        assert_int_equal(vocabulary.byte_id[byte_alphabet_at(rank)], 3 + rank);
        if (rank)
            assert_true(byte_alphabet_code(byte_alphabet_at(rank)) > byte_alphabet_code(byte_alphabet_at(rank - 1)));
    }
    assert_int_equal(byte_alphabet_at(0), '!');
    assert_true(q_string_is(vocabulary.tokens[259], "zz"));
    vocabulary_release(&vocabulary);
}

/* "ab" is a special token's text: its merge gives that token's id, and the vocabulary does not grow by it. */
static void a_merge_may_give_a_special_tokens_id(void **state)
{
    static const char *const special[] = {"ab"};
    struct counts counts = {.pretokenizer = pretokenizers[0]};
    struct vocabulary vocabulary = {0};
    struct bpe_train_options options = {.vocab_size = 258, .special = special, .special_count = 1};
    (void)state;
    assert_ok(counts_add(&counts, Q_STRING("abc"), 5));
    assert_ok(bpe_train(&counts, &options, &vocabulary));
    assert_int_equal(vocabulary.size, 258);
    assert_int_equal(vocabulary.merge_count, 2);
    assert_int_equal(vocabulary.merges[0].id, 0);
    assert_int_equal(vocabulary.merges[1].left, 0);
    assert_true(q_string_is(vocabulary.tokens[257], "abc"));
    vocabulary_release(&vocabulary);
}

/* Counts beyond 32 bits keep their order; 32-bit counts would wrap. */
static void counts_are_of_64_bits(void **state)
{
    struct counts counts = {.pretokenizer = pretokenizers[0]};
    struct vocabulary vocabulary = {0};
    struct bpe_train_options options = options_of(261);
    (void)state;
    assert_ok(counts_add(&counts, Q_STRING("ab"), (1ull << 32) + 1));
    assert_ok(counts_add(&counts, Q_STRING("cd"), 1000));
    assert_ok(bpe_train(&counts, &options, &vocabulary));
    assert_true(q_string_is(vocabulary.tokens[259], "ab"));
    assert_true(q_string_is(vocabulary.tokens[260], "cd"));
    vocabulary_release(&vocabulary);
    assert_ok(counts_add(&counts, Q_STRING("ab"), 1ull << 60));
    assert_fails(bpe_train(&counts, &options, &vocabulary), Q_ERR_INPUT, "2^60");
    vocabulary_release(&vocabulary);
    counts_release(&counts);
}

static void nothing_to_merge_is_a_vocabulary_of_bytes(void **state)
{
    struct counts counts = {.pretokenizer = pretokenizers[0]};
    struct vocabulary vocabulary = {0};
    struct bpe_train_options options = options_of(1000);
    (void)state;
    assert_ok(bpe_train(&counts, &options, &vocabulary));
    assert_int_equal(vocabulary.size, 259);
    assert_int_equal(vocabulary.merge_count, 0);
    vocabulary_release(&vocabulary);
    options.vocab_size = 258;
    assert_fails(bpe_train(&counts, &options, &vocabulary), Q_ERR_USAGE, "258");
    vocabulary_release(&vocabulary);
}

/* One piece of 300,000 letters: long pieces must not make training slow, for every merge touches it. */
static void a_long_piece_trains_in_no_time(void **state)
{
    struct counts counts = {.pretokenizer = pretokenizers[0]};
    struct vocabulary vocabulary = {0};
    struct bpe_train_options options = options_of(20000);
    struct q_buffer text = {0};
    uint64_t dice = 5;
    (void)state;
    for (int i = 0; i < 300000; i++)
        assert_ok(q_buffer_append_byte(&text, (char)('a' + dice_roll(&dice) % 26)));
    assert_ok(counts_add_text(&counts, q_buffer_string(&text)));
    assert_int_equal(counts.used, 1);
    assert_ok(bpe_train(&counts, &options, &vocabulary));
    assert_int_equal(vocabulary.size, 20000);
    vocabulary_release(&vocabulary);
    q_buffer_release(&text);
}

static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) {
        struct counts counts = {.pretokenizer = pretokenizers[0]};
        struct vocabulary vocabulary = {0};
        struct bpe_train_options options = options_of(280);
        uint64_t dice = 2;
        train_twin_corpus(&dice, &counts);
        q_memory_fail_at(k, 0);
        q_status status = bpe_train(&counts, &options, &vocabulary);
        uint64_t calls = q_memory_fail_at(0, 0);
        if (status)
            assert_int_equal(status, Q_ERR_MEMORY);
        vocabulary_release(&vocabulary);
        counts_release(&counts);
        if (calls < k) {
            assert_int_equal(status, Q_OK);
            break;
        }
        assert_int_not_equal(status, Q_OK);
    }
}

/* What a report shows of a training. */
static void counts_of_merges_are_kept(void **state)
{
    static const uint64_t wanted[] = {9, 7, 5}; /* "aa" of 7 "aab" and 2 "aa"; "aab"; "xy" */
    struct counts counts = {.pretokenizer = pretokenizers[0]};
    const struct bpe_train_options options = {.vocab_size = 1000};
    struct vocabulary vocabulary = {0};
    (void)state;
    assert_ok(counts_add(&counts, Q_STRING("aab"), 7));
    assert_ok(counts_add(&counts, Q_STRING("aa"), 2));
    assert_ok(counts_add(&counts, Q_STRING("xy"), 5));
    assert_ok(bpe_train(&counts, &options, &vocabulary));
    assert_int_equal(vocabulary.merge_count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(vocabulary.merge_counts[i], wanted[i]);
    assert_int_equal(vocabulary.counted_bytes, 7 * 3 + 2 * 2 + 5 * 2);
    vocabulary_release(&vocabulary);
    counts_release(&counts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_are_those_of_the_twin),
        cmocka_unit_test(order_of_the_counts_does_not_matter),
        cmocka_unit_test(ids_are_special_tokens_then_bytes_then_merges),
        cmocka_unit_test(a_merge_may_give_a_special_tokens_id),
        cmocka_unit_test(counts_are_of_64_bits),
        cmocka_unit_test(nothing_to_merge_is_a_vocabulary_of_bytes),
        cmocka_unit_test(a_long_piece_trains_in_no_time),
        cmocka_unit_test(every_failed_allocation_is_survived),
        cmocka_unit_test(counts_of_merges_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
