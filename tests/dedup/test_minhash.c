/* Shingles and MinHash: sets against a naive count, the kernel against its plain twin, agreement against theory. */
#include "dedup/minhash.h"
#include "dedup/processor.h"
#include "dedup/shingles.h"

#include "base/hash.h"
#include "base/random.h"
#include "tests/base/cmocka_all.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 700 };

static void fill_words(uint64_t seed, uint64_t *words, size_t count, uint64_t vocabulary)
{
    for (size_t i = 0; i < count; i++)
        words[i] = q_hash64(&(uint64_t){q_random_below(q_random_key_of(seed, "test", 0, 0), i, vocabulary)}, 8, 7);
}

static void test_shingles_do_not_depend_on_the_place(void **state)
{
    (void)state;
    uint64_t words[60], all[60], one;
    fill_words(1, words, 60, 1000);
    for (unsigned size = 1; size <= 8; size++) {
        size_t count = shingles_count(60, size);
        assert_int_equal(count, 61 - size);
        shingles_hash(words, 60, size, 0, count, all);
        for (size_t i = 0; i < count; i++) {
            shingles_hash(words, 60, size, i, 1, &one);
            assert_true(one == all[i]);
            /* The same words elsewhere give the same shingle. */
            shingles_hash(words + i, size, size, 0, 1, &one);
            assert_true(one == all[i]);
        }
    }
    assert_int_equal(shingles_count(0, 5), 0);
    assert_int_equal(shingles_count(3, 5), 1);
    assert_int_equal(shingles_count(5, 5), 1);
    assert_int_equal(shingles_count(6, 5), 2);
}

/* A set by comparing words with words. */
static size_t naive_set(const uint64_t *words, size_t count, unsigned size, size_t *starts)
{
    size_t n = 0;
    for (size_t i = 0; i < shingles_count(count, size); i++) {
        size_t width = count < size ? count : size, j = 0;
        while (j < n && memcmp(words + starts[j], words + i, width * sizeof(*words)) != 0)
            j++;
        if (j == n)
            starts[n++] = i;
    }
    return n;
}

static void test_sets(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 60; round++) {
        uint64_t a[120], b[120];
        size_t a_count = q_random_below(q_random_key_of(round, "a", 0, 0), 0, 120);
        size_t b_count = q_random_below(q_random_key_of(round, "b", 0, 0), 0, 120);
        size_t a_starts[120], b_starts[120], common = 0;
        unsigned size = 1 + (unsigned)(round % 4);
        fill_words(round, a, a_count, 4);
        fill_words(round + 1, b, b_count, 4);
        size_t a_size = naive_set(a, a_count, size, a_starts), b_size = naive_set(b, b_count, size, b_starts);
        bool comparable = (a_count >= size) == (b_count >= size) && (a_count >= size || a_count == b_count);
        for (size_t i = 0; comparable && i < a_size; i++)
            for (size_t j = 0; j < b_size; j++)
                common += memcmp(a + a_starts[i], b + b_starts[j], (a_count < size ? a_count : size) * sizeof(*a)) == 0;
        struct shingle_set left = {0}, right = {0};
        assert_ok(shingle_set_fill(&left, a, a_count, size));
        assert_ok(shingle_set_fill(&right, b, b_count, size));
        assert_int_equal(left.count, a_size);
        assert_int_equal(right.count, b_size);
        for (size_t i = 1; i < left.count; i++)
            assert_true(left.hashes[i - 1] < left.hashes[i]);
        assert_int_equal(shingle_sets_common(left.hashes, left.count, right.hashes, right.count), common);
        assert_int_equal(shingle_sets_common(right.hashes, right.count, left.hashes, left.count), common);
        shingle_set_release(&left);
        shingle_set_release(&right);
    }
    assert_true(shingles_jaccard(0, 0, 0) == 0.0);
    assert_true(shingles_jaccard(4, 4, 4) == 1.0);
    assert_true(shingles_jaccard(3, 4, 2) == 0.4);
}

/* All shapes up to a few registers, and those of three rounds. */
static void test_kernel_equals_its_twin(void **state)
{
    (void)state;
    if (!processor_has_avx2())
        skip();
    static const unsigned shapes[][2] = {{1, 1},  {1, 7},  {1, 8},   {3, 3},   {7, 8},
                                         {14, 8}, {20, 5}, {26, 11}, {16, 64}, {256, 4}};
    uint64_t words[WORDS];
    fill_words(3, words, WORDS, 1000000);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
        struct minhash minhash;
        uint64_t fast[MINHASH_BANDS_MAX], plain[MINHASH_BANDS_MAX];
        assert_ok(minhash_create(&minhash, shapes[i][0], shapes[i][1]));
        for (size_t count = 0; count <= WORDS; count += count < 20 ? 1 : 97) {
            minhash_digests(&minhash, words, count, 5, fast);
            minhash_digests_plain(&minhash, words, count, 5, plain);
            assert_memory_equal(fast, plain, minhash.bands * sizeof(*fast));
        }
        minhash_release(&minhash);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    struct minhash minhash;
    static const unsigned bad[][2] = {{0, 8}, {14, 0}, {257, 1}, {1, 65}, {256, 64}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(minhash_create(&minhash, bad[i][0], bad[i][1]), Q_ERR_USAGE);
        minhash_release(&minhash);
    }
}

/* Signatures are kept in files: the same words must give the same digests for ever. */
static void test_digests_are_fixed(void **state)
{
    (void)state;
    struct minhash minhash;
    uint64_t words[20], digests[14];
    for (size_t i = 0; i < 20; i++)
        words[i] = (i + 1) * 0x123456789abcdefu;
    assert_ok(minhash_create(&minhash, 14, 8));
    minhash_digests(&minhash, words, 20, 5, digests);
    assert_true(digests[0] == 0x42a25ca2f31ad178u);
    assert_true(digests[13] == 0x163fe7401f42af58u);
    minhash_digests(&minhash, words, 0, 5, digests);
    assert_true(digests[0] == 0 && digests[13] == 0);
    minhash_release(&minhash);
}

/* Two documents whose shingles agree to a share J have each minimum in common with probability J: 200 pairs of 1,024
 * functions each; the share of equal minima must lie within 5 standard errors. Rows of one: a band is a minimum. */
static void test_agreement_is_the_jaccard_index(void **state)
{
    (void)state;
    enum { PAIRS = 40, BANDS = 256, TOTAL = 400, SHARED = 280 }; /* J = 280 / (800 - 280) = 0.538 */
    struct minhash minhash;
    double agree = 0, expected = (double)SHARED / (2 * TOTAL - SHARED);
    assert_ok(minhash_create(&minhash, BANDS, 1));
    for (uint64_t pair = 0; pair < PAIRS; pair++) {
        uint64_t a[TOTAL], b[TOTAL], left[BANDS], right[BANDS];
        fill_words(1000 + pair, a, TOTAL, UINT32_MAX);
        fill_words(2000 + pair, b, TOTAL, UINT32_MAX);
        memcpy(b, a, SHARED * sizeof(*a));
        minhash_digests(&minhash, a, TOTAL, 1, left); /* one word to the shingle: the sets are the words */
        minhash_digests(&minhash, b, TOTAL, 1, right);
        for (unsigned band = 0; band < BANDS; band++)
            agree += left[band] == right[band];
    }
    agree /= PAIRS * BANDS;
    double error = sqrt(expected * (1 - expected) / (PAIRS * BANDS));
    if (fabs(agree - expected) > 5 * error)
        fail_msg("%.4f of the minima agree, expected %.4f +- %.4f", agree, expected, error);
    minhash_release(&minhash);
}

static void test_candidate_probability(void **state)
{
    (void)state;
    assert_float_equal(minhash_candidate_probability(14, 8, 0.5), 0.0534, 0.0005);
    assert_float_equal(minhash_candidate_probability(14, 8, 0.7), 0.565, 0.005);
    assert_float_equal(minhash_candidate_probability(14, 8, 0.8), 0.924, 0.005);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shingles_do_not_depend_on_the_place),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_kernel_equals_its_twin),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_digests_are_fixed),
        cmocka_unit_test(test_agreement_is_the_jaccard_index),
        cmocka_unit_test(test_candidate_probability),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
