/* Random numbers: Random123's published vectors, distributions within their bounds, and bits that must never change. */
#include "base/hash.h"
#include "base/random.h"
#include "tests/base/cmocka_all.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Random123 1.14, tests/kat_vectors, "philox4x32 10". */
static void test_published_vectors(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } vectors[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t out[4];
        q_philox4x32(vectors[i].counter, vectors[i].key, out);
        assert_memory_equal(out, vectors[i].out, sizeof(out));
    }
}

static void test_draws_follow_from_philox(void **state)
{
    (void)state;
    const q_random_key key = {0x299f31d0a4093822u};
    const uint32_t counter[4] = {0x85a308d3, 0x243f6a88, 0, 0}, halves[2] = {0xa4093822, 0x299f31d0};
    uint32_t out[4];
    q_philox4x32(counter, halves, out);
    assert_true(q_random_u64(key, 0x243f6a8885a308d3u) == ((uint64_t)out[1] << 32 | out[0]));
}

static void test_keys_differ(void **state)
{
    (void)state;
    static const char *const purposes[] = {"", "a", "b", "ab"};
    uint64_t keys[4 * 3 * 3 * 3];
    size_t count = 0;
    for (uint64_t seed = 0; seed < 3; seed++)
        for (uint64_t a = 0; a < 3; a++)
            for (uint64_t b = 0; b < 3; b++)
                for (size_t p = 0; p < 4; p++)
                    keys[count++] = q_random_key_of(seed, purposes[p], a, b).value;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(keys[i] != keys[j]);
}

static void test_units_and_bounds(void **state)
{
    (void)state;
    enum { DRAWS = 200000, BINS = 10 };
    q_random_key key = q_random_key_of(1, "unit", 0, 0);
    double counts[BINS] = {0}, sum = 0.0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        double u = q_random_unit(key, i);
        assert_true(u >= 0.0 && u < 1.0);
        sum += u;
        uint64_t bin = q_random_below(key, i, BINS);
        assert_true(bin < BINS && bin == (uint64_t)(u * BINS)); /* the same draw, seen coarser */
        counts[bin]++;
        assert_int_equal(q_random_below(key, i, 1), 0);
        assert_true(q_random_below(key, i, UINT64_MAX) < UINT64_MAX);
    }
    assert_true(fabs(sum / DRAWS - 0.5) < 5 * sqrt(1.0 / 12 / DRAWS));
    double chi_square = 0.0;
    for (int i = 0; i < BINS; i++)
        chi_square += pow(counts[i] - DRAWS / BINS, 2) / (DRAWS / BINS);
    assert_true(chi_square < 40.0); /* 9 degrees of freedom: 1 in 100,000 */
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void test_normals_are_normal(void **state)
{
    (void)state;
    enum { DRAWS = 200000 };
    q_random_key key = q_random_key_of(1, "normal", 0, 0);
    double *draws = malloc(DRAWS * sizeof(*draws)), moments[5] = {0}, distance = 0.0;
    assert_non_null(draws);
    for (uint64_t i = 0; i < DRAWS; i++) {
        draws[i] = q_random_normal(key, i);
        for (int m = 1; m <= 4; m++)
            moments[m] += pow(draws[i], m) / DRAWS;
    }
    assert_true(fabs(moments[1]) < 5 * sqrt(1.0 / DRAWS));
    assert_true(fabs(moments[2] - 1.0) < 5 * sqrt(2.0 / DRAWS));
    assert_true(fabs(moments[3]) < 5 * sqrt(15.0 / DRAWS));
    assert_true(fabs(moments[4] - 3.0) < 5 * sqrt(96.0 / DRAWS));
    qsort(draws, DRAWS, sizeof(*draws), compare_doubles);
    for (int i = 0; i < DRAWS; i++) /* Kolmogorov-Smirnov */
        distance = fmax(distance, fabs(0.5 * erfc(-draws[i] / sqrt(2.0)) - (i + 0.5) / DRAWS));
    assert_true(distance < 2.2 / sqrt(DRAWS)); /* 1 in 10,000 */
    assert_true(draws[0] > -8.6 && draws[DRAWS - 1] < 8.6);
    free(draws);
}

/* The own logarithm and cosine against libm, to a few units in the last place of what goes into the float. */
static void test_normals_agree_with_libm(void **state)
{
    (void)state;
    q_random_key key = q_random_key_of(3, "libm", 0, 0);
    for (uint64_t i = 0; i < 100000; i++) {
        const uint32_t counter[4] = {(uint32_t)i, 0, 0, 0},
                       halves[2] = {(uint32_t)key.value, (uint32_t)(key.value >> 32)};
        uint32_t out[4];
        q_philox4x32(counter, halves, out);
        double u = (double)((((uint64_t)out[1] << 32 | out[0]) >> 11) + 1) * 0x1p-53;
        double v = (double)(((uint64_t)out[3] << 32 | out[2]) >> 11) * 0x1p-53;
        double expected = sqrt(-2.0 * log(u)) * cos(2.0 * acos(-1.0) * v);
        assert_true(fabs(q_random_normal(key, i) - expected) < 4e-15);
    }
}

/* Parameters start from these: the same bits on every machine and for ever. */
static void test_bits_stay(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    static double numbers[COUNT], again[COUNT];
    static float narrow[COUNT];
    char hex[Q_HASH_HEX];
    q_random_key key = q_random_key_of(42, "weights", 1, 2);
    q_random_normals(key, 5, numbers, COUNT);
    q_random_normal_floats(key, 5, (double)0.02f, narrow, COUNT);
    assert_string_equal(q_hash_hex(q_hash_bytes(narrow, sizeof(narrow)), hex), "44eedd56d193cb91565cadba17c82c5f");
    q_random_normals(key, 5, again, 703); /* in pieces, the same */
    q_random_normals(key, 708, again + 703, COUNT - 703);
    assert_memory_equal(numbers, again, sizeof(numbers));
    for (size_t i = 0; i < COUNT; i++) /* and one by one */
        again[i] = q_random_normal(key, 5 + i);
    assert_memory_equal(numbers, again, sizeof(numbers));
    assert_true(narrow[3] == (float)(q_random_normal(key, 8) * (double)0.02f));
    assert_true(q_random_key_of(42, "weights", 1, 2).value == 0x979670d0ba1bd24du);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vectors),  cmocka_unit_test(test_draws_follow_from_philox),
        cmocka_unit_test(test_keys_differ),        cmocka_unit_test(test_units_and_bounds),
        cmocka_unit_test(test_normals_are_normal), cmocka_unit_test(test_normals_agree_with_libm),
        cmocka_unit_test(test_bits_stay),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
