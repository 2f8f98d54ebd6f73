/* The order of sequences: a bijection for every size, random to the eye of a chi-square test, and a mixture that keeps its weights and repeats
 * nothing before it must. `test_mixture --bench` prints the time of an index. */
#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "shards/mixture.h"
#include "shards/order.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void every_small_order_is_a_bijection(void **state)
{
    (void)state;
    static unsigned char seen[2000];
    for (uint64_t count = 1; count <= 2000; count++) {
        struct order order;
        order_init(&order, 7, "test", count, 0, count);
        memset(seen, 0, count);
        for (uint64_t i = 0; i < count; i++) {
            const uint64_t thing = order_at(&order, i);
            assert_true(thing < count);
            assert_int_equal(seen[thing], 0);
            seen[thing] = 1;
            assert_int_equal(order_place(&order, thing), i);
        }
    }
}

static void large_orders_invert(void **state)
{
    (void)state;
    const q_random_key key = q_random_key_of(1, "test sizes", 0, 0);
    for (uint64_t round = 0; round < 2000; round++) {
        const uint64_t limit = UINT64_C(1) << (1 + q_random_below(key, 3 * round, 63));
        const uint64_t count = 1 + q_random_below(key, 3 * round + 1, limit);
        struct order order;
        order_init(&order, round, "test", 0, 0, count);
        const uint64_t index = q_random_below(key, 3 * round + 2, count);
        assert_true(order_at(&order, index) < count);
        assert_int_equal(order_place(&order, order_at(&order, index)), index);
        assert_int_equal(order_index(round, "test", 0, count, index), order_at(&order, index));
    }
    struct order widest;
    order_init(&widest, 1, "test", 0, 0, UINT64_C(1) << 63);
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(order_place(&widest, order_at(&widest, i << 50 | i)), i << 50 | i);
}

/* Chi-square of counts that should all be `expected`, against its mean + 5 deviations: a fair order fails one in some millions, and the seeds
 * are fixed. */
static void check_uniform(const uint64_t *counts, size_t bins, double expected)
{
    double chi = 0;
    for (size_t i = 0; i < bins; i++)
        chi += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
    const double freedom = (double)(bins - 1), limit = freedom + 5 * __builtin_sqrt(2 * freedom);
    assert_true(chi < limit);
}

static void places_are_uniform_over_epochs(void **state)
{
    (void)state;
    enum { EPOCHS = 4000, SIZES = 7 };
    static const uint64_t sizes[SIZES] = {2, 3, 5, 16, 17, 64, 100};
    for (size_t s = 0; s < SIZES; s++) {
        uint64_t counts[100] = {0};
        for (uint64_t epoch = 0; epoch < EPOCHS; epoch++)
            counts[order_index(3, "test", epoch, sizes[s], 1)]++;
        check_uniform(counts, sizes[s], (double)EPOCHS / (double)sizes[s]);
    }
}

/* Every order of five things (a network of even permutations, or of too few rounds, shows here), and all pairs of places of two neighbours among 12. */
static void permutations_are_uniform(void **state)
{
    (void)state;
    enum { DRAWS = 60000 };
    static uint64_t orders[5 * 5 * 5 * 5 * 5];
    uint64_t used[120], pairs[144] = {0}, off_diagonal[132];
    for (uint64_t epoch = 0; epoch < DRAWS; epoch++) {
        unsigned code = 0;
        for (uint64_t i = 0; i < 5; i++)
            code = code * 5 + (unsigned)order_index(5, "test", epoch, 5, i);
        orders[code]++;
        pairs[order_index(6, "test", epoch, 12, 3) * 12 + order_index(6, "test", epoch, 12, 4)]++;
    }
    size_t count = 0, n = 0;
    for (size_t i = 0; i < Q_COUNT_OF(orders); i++) {
        if (orders[i] == 0)
            continue;
        assert_true(count < 120);
        used[count++] = orders[i];
    }
    assert_int_equal(count, 120);
    for (size_t i = 0; i < 144; i++) {
        if (i % 13 != 0)
            off_diagonal[n++] = pairs[i];
        else
            assert_int_equal(pairs[i], 0);
    }
    check_uniform(used, 120, DRAWS / 120.0);
    check_uniform(off_diagonal, 132, DRAWS / 132.0);
}

static void orders_differ_by_seed_purpose_and_epoch(void **state)
{
    (void)state;
    unsigned same_seed = 0, same_purpose = 0, same_epoch = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        const uint64_t here = order_index(1, "a", 0, 1000, i);
        same_seed += here == order_index(2, "a", 0, 1000, i);
        same_purpose += here == order_index(1, "b", 0, 1000, i);
        same_epoch += here == order_index(1, "a", 1, 1000, i);
    }
    assert_true(same_seed < 10 && same_purpose < 10 && same_epoch < 10); /* 1 expected of each */
}

/* A struct shards without files: mixtures look at its sources only. */
static struct shards *make_shards(struct shards *shards, struct shards_source *sources, const uint64_t *sequences,
                                  size_t count)
{
    static const char *const names[] = {"help", "handbook", "guide", "novels"};
    *shards = (struct shards){.folder = "test", .sources = sources, .source_count = count};
    for (size_t i = 0; i < count; i++) {
        sources[i] =
            (struct shards_source){.name = names[i], .first_sequence = shards->sequences, .sequences = sequences[i]};
        shards->sequences += sequences[i];
    }
    return shards;
}

static struct mixture_sample sample_at(const struct mixture *mixture, uint64_t position)
{
    struct mixture_sample sample;
    assert_int_equal(mixture_at(mixture, position, &sample), Q_OK);
    return sample;
}

static void equal_weights_show_everything_once_a_pass(void **state)
{
    (void)state;
    struct shards shards;
    struct shards_source sources[3];
    make_shards(&shards, sources, (const uint64_t[]){70, 0, 31}, 3);
    struct mixture *mixture;
    assert_int_equal(mixture_create(&shards, 1, NULL, &mixture), Q_OK);
    assert_int_equal(mixture_pass(mixture), 101);
    assert_true(mixture_positions(mixture) == UINT64_MAX);
    uint64_t first[101];
    unsigned moved = 0;
    for (uint64_t pass = 0; pass < 3; pass++) {
        bool seen[101] = {false};
        for (uint64_t i = 0; i < 101; i++) {
            const struct mixture_sample sample = sample_at(mixture, pass * 101 + i);
            assert_true(sample.sequence < 101 && !seen[sample.sequence]);
            assert_int_equal(sample.epoch, pass);
            assert_int_equal(sample.source, sample.sequence < 70 ? 0 : 2);
            seen[sample.sequence] = true;
            if (pass == 0)
                first[i] = sample.sequence;
            else
                moved += first[i] != sample.sequence;
        }
    }
    assert_true(moved > 180); /* of 202: another order in each pass */
    mixture_release(mixture);
}

/* Weights 0.4, 2.5 and 1 over many passes: each pass has its share, and no source shows a sequence twice within one of its epochs, though epochs end
 * in the middle of passes. */
static void weights_are_kept_and_epochs_repeat_nothing(void **state)
{
    (void)state;
    enum { PASSES = 20 };
    const uint64_t sequences[3] = {50, 20, 7}, draws[3] = {20, 50, 7};
    struct shards shards;
    struct shards_source sources[3];
    make_shards(&shards, sources, sequences, 3);
    struct mixture *mixture;
    const struct mixture_weight weights[3] = {{0.4, 0}, {2.5, 0}, {1, 0}};
    assert_int_equal(mixture_create(&shards, 9, weights, &mixture), Q_OK);
    assert_int_equal(mixture_pass(mixture), 77);
    static unsigned shown[3][64][50]; /* [source][epoch][sequence] */
    memset(shown, 0, sizeof shown);
    for (uint64_t pass = 0; pass < PASSES; pass++) {
        uint64_t counts[3] = {0};
        for (uint64_t i = 0; i < 77; i++) {
            const struct mixture_sample sample = sample_at(mixture, pass * 77 + i);
            counts[sample.source]++;
            assert_true(sample.epoch < 64);
            shown[sample.source][sample.epoch][sample.sequence - sources[sample.source].first_sequence]++;
        }
        for (int s = 0; s < 3; s++) {
            assert_int_equal(counts[s], draws[s]);
            assert_int_equal(mixture_pass_of(mixture, (uint32_t)s), draws[s]);
        }
    }
    for (unsigned s = 0; s < 3; s++) {
        const uint64_t total = PASSES * draws[s];
        for (uint64_t epoch = 0; epoch < 64; epoch++) {
            uint64_t sum = 0;
            for (uint64_t q = 0; q < sequences[s]; q++) {
                assert_true(shown[s][epoch][q] <= 1);
                sum += shown[s][epoch][q];
            }
            const uint64_t begun = epoch * sequences[s];
            assert_int_equal(sum, begun >= total ? 0 : Q_MIN(total - begun, sequences[s]));
        }
    }
    mixture_release(mixture);
}

static void epochs_max_ends_sources(void **state)
{
    (void)state;
    struct shards shards;
    struct shards_source sources[3];
    make_shards(&shards, sources, (const uint64_t[]){10, 6, 8}, 3);
    struct mixture *mixture;
    /* help: 10 a pass, 25 in all; handbook: 12 a pass, 12 in all; guide: 4 a pass, 24 in all. */
    const struct mixture_weight weights[3] = {{1, 2.5}, {2, 2}, {0.5, 3}};
    assert_int_equal(mixture_create(&shards, 4, weights, &mixture), Q_OK);
    assert_int_equal(mixture_positions(mixture), 25 + 12 + 24);
    uint64_t counts[3] = {0}, times[24] = {0};
    for (uint64_t position = 0; position < 61; position++) {
        const struct mixture_sample sample = sample_at(mixture, position);
        counts[sample.source]++;
        times[sample.sequence]++;
        /* Passes: 26 (10 + 12 + 4), 14 (10 + 4), 9 (5 + 4), then guide alone. */
        assert_true(sample.source != 1 || position < 26);
        assert_true(sample.source != 0 || position < 26 + 14 + 9);
    }
    assert_int_equal(counts[0], 25);
    assert_int_equal(counts[1], 12);
    assert_int_equal(counts[2], 24);
    for (int i = 0; i < 24; i++)
        assert_true(i < 10 ? times[i] == 2 || times[i] == 3 : i < 16 ? times[i] == 2 : times[i] == 3);
    struct mixture_sample sample;
    assert_int_equal(mixture_at(mixture, 61, &sample), Q_ERR_INPUT);
    assert_non_null(strstr(q_error_text(), "epochs_max"));
    mixture_release(mixture);
}

/* One bounded source among unbounded ones ends; the others go on for ever. */
static void bounded_and_unbounded(void **state)
{
    (void)state;
    struct shards shards;
    struct shards_source sources[2];
    make_shards(&shards, sources, (const uint64_t[]){5, 9}, 2);
    struct mixture *mixture;
    const struct mixture_weight weights[2] = {{1, 0.2}, {1, 0}};
    assert_int_equal(mixture_create(&shards, 4, weights, &mixture), Q_OK);
    assert_true(mixture_positions(mixture) == UINT64_MAX);
    uint64_t bounded = 0;
    for (uint64_t position = 0; position < 1000; position++)
        bounded += sample_at(mixture, position).source == 0;
    assert_int_equal(bounded, 1);
    assert_int_equal(sample_at(mixture, UINT64_MAX / 2).source, 1);
    mixture_release(mixture);
}

/* In every run of 64 samples each source has its share, within two draws; small sources do not meet. */
static void blocks_have_their_shares(void **state)
{
    (void)state;
    struct shards shards;
    struct shards_source sources[4];
    const uint64_t sequences[4] = {5000, 3000, 1990, 10};
    make_shards(&shards, sources, sequences, 4);
    struct mixture *mixture;
    assert_int_equal(mixture_create(&shards, 3, NULL, &mixture), Q_OK);
    uint64_t seen[4] = {0};
    for (uint64_t position = 0; position < 30000; position++) {
        seen[sample_at(mixture, position).source]++;
        for (size_t s = 0; s < 4; s++) {
            const double share = (double)sequences[s] / 10000 * (double)(position + 1);
            assert_true(fabs((double)seen[s] - share) < 64);
            if ((position + 1) % 10000 == 0)
                assert_int_equal(seen[s], sequences[s] * ((position + 1) / 10000));
        }
    }
    mixture_release(mixture);
}

enum { CHANGE_SAMPLES = 6000 };

/* Samples of a mixture whose weights change at `at` (0: never), and again at 4,500. */
static void changed_samples(struct shards *shards, uint64_t at, struct mixture_sample *samples, q_hash *hash)
{
    struct mixture *mixture;
    assert_int_equal(mixture_create(shards, 3, (const struct mixture_weight[]){{1, 0}, {1, 0}, {1, 3}}, &mixture),
                     Q_OK);
    if (at) {
        assert_int_equal(mixture_change(mixture, at, (const double[]){0.5, 2, 1}), Q_OK);
        assert_int_equal(mixture_change(mixture, 4500, (const double[]){0, 1, 1}), Q_OK);
    }
    for (uint64_t position = 0; position < CHANGE_SAMPLES; position++)
        samples[position] = sample_at(mixture, position);
    for (size_t i = 0; i < 3; i++)
        hash[i] = mixture_hash(mixture, (uint64_t)i * 2000);
    mixture_release(mixture);
}

/* Whatever the place of a change: what comes before is as it was; from the next block on the new weights hold; and no source leaves a sequence of its epoch out
 * or shows it again. */
static void weights_change_at_any_place(void **state)
{
    (void)state;
    struct shards shards;
    struct shards_source sources[3];
    const uint64_t sequences[3] = {900, 500, 300};
    static struct mixture_sample still[CHANGE_SAMPLES], changed[CHANGE_SAMPLES];
    static unsigned shown[3][64][900];
    q_hash hash_still[3], hash[3];
    make_shards(&shards, sources, sequences, 3);
    changed_samples(&shards, 0, still, hash_still);
    for (uint64_t at = 1700; at < 3500; at += 61) {
        uint64_t drawn[3] = {0}, late[3] = {0};
        changed_samples(&shards, at, changed, hash);
        assert_memory_equal(still, changed, at * sizeof *still);
        assert_true(q_hash_equal(hash[0], hash_still[0]));
        if (at + 128 <= 2000 || at >= 2000)
            assert_true(q_hash_equal(hash[1], hash_still[1]) == (at >= 2000));
        assert_true(!q_hash_equal(hash[2], hash_still[2]));
        memset(shown, 0, sizeof shown);
        for (size_t i = 0; i < CHANGE_SAMPLES; i++) {
            const struct mixture_sample *sample = &changed[i];
            assert_true(sample->epoch < 64);
            drawn[sample->source]++;
            shown[sample->source][sample->epoch][sample->sequence - sources[sample->source].first_sequence]++;
            late[sample->source] += i >= 4500 + 100;
        }
        assert_int_equal(late[0], 0);
        assert_int_equal(drawn[2], 900); /* its bound */
        for (size_t s = 0; s < 3; s++)
            for (uint64_t epoch = 0, left = drawn[s]; epoch < 64; epoch++) {
                const uint64_t wanted = Q_MIN(left, sequences[s]);
                uint64_t sum = 0;
                for (uint64_t i = 0; i < sequences[s]; i++) {
                    assert_true(shown[s][epoch][i] <= 1);
                    sum += shown[s][epoch][i];
                }
                assert_true(left < sequences[s] + 64 || sum == wanted); /* the last one is under way */
                left -= wanted;
            }
    }
}

static void changes_that_cannot_be(void **state)
{
    (void)state;
    struct shards shards;
    struct shards_source sources[2];
    make_shards(&shards, sources, (const uint64_t[]){100, 50}, 2);
    struct mixture *mixture;
    /* Behind the end of all sources; to nothing; and at the very end, where a source comes in. */
    assert_int_equal(mixture_create(&shards, 1, (const struct mixture_weight[]){{1, 2}, {0, 0}}, &mixture), Q_OK);
    assert_int_equal(mixture_positions(mixture), 200);
    assert_int_equal(mixture_change(mixture, 201, (const double[]){1, 1}), Q_ERR_INPUT);
    assert_int_equal(mixture_change(mixture, 200, (const double[]){1, 1}), Q_OK);
    assert_true(mixture_positions(mixture) == UINT64_MAX);
    assert_int_equal(sample_at(mixture, 199).source, 0);
    assert_int_equal(sample_at(mixture, 200).source, 1);
    assert_int_equal(mixture_change(mixture, 300, (const double[]){1, -1}), Q_ERR_USAGE);
    assert_int_equal(mixture_change(mixture, 300, (const double[]){1, 0}), Q_ERR_INPUT);
    mixture_release(mixture);
    /* From the first sample on: as if it had been so from the beginning. */
    struct mixture *plain;
    assert_int_equal(mixture_create(&shards, 1, NULL, &mixture), Q_OK);
    assert_int_equal(mixture_change(mixture, 0, (const double[]){0.3, 2}), Q_OK);
    assert_int_equal(mixture_create(&shards, 1, (const struct mixture_weight[]){{0.3, 0}, {2, 0}}, &plain), Q_OK);
    for (uint64_t i = 0; i < 500; i++)
        assert_int_equal(sample_at(mixture, i).sequence, sample_at(plain, i).sequence);
    mixture_release(mixture);
    mixture_release(plain);
}

/* A source's own order does not depend on the other sources. */
static void adding_a_source_keeps_the_others_orders(void **state)
{
    (void)state;
    struct shards one, two;
    struct shards_source sources_one[1], sources_two[2];
    make_shards(&one, sources_one, (const uint64_t[]){40}, 1);
    make_shards(&two, sources_two, (const uint64_t[]){40, 25}, 2);
    struct mixture *alone, *both;
    assert_int_equal(mixture_create(&one, 4, NULL, &alone), Q_OK);
    assert_int_equal(mixture_create(&two, 4, (const struct mixture_weight[]){{0.5, 0}, {1, 0}}, &both), Q_OK);
    /* The first epoch's sequences in the first half of it: the same set, for the draws are the same. */
    bool shown[40] = {false};
    unsigned count = 0;
    for (uint64_t position = 0; position < 45; position++) {
        const struct mixture_sample sample = sample_at(both, position);
        if (sample.source == 0) {
            shown[sample.sequence] = true;
            count++;
        }
    }
    assert_int_equal(count, 20);
    struct order order;
    order_init(&order, 4, "shards source epoch", 0, q_hash64("help", 4, 0), 40);
    for (uint64_t i = 0; i < 20; i++)
        assert_true(shown[order_at(&order, i)]);
    mixture_release(alone);
    mixture_release(both);
}

static void bad_weights_are_refused(void **state)
{
    (void)state;
    struct shards shards;
    struct shards_source sources[1];
    struct mixture *mixture = NULL;
    make_shards(&shards, sources, (const uint64_t[]){5}, 1);
    static const struct mixture_weight bad[] = {
        {-1, 0}, {1e9, 0}, {__builtin_nan(""), 0}, {1, -1}, {1, __builtin_nan("")}, {1, __builtin_inf()}};
    for (size_t i = 0; i < Q_COUNT_OF(bad); i++) {
        assert_int_equal(mixture_create(&shards, 1, &bad[i], &mixture), Q_ERR_USAGE);
        assert_null(mixture);
    }
    assert_int_equal(mixture_create(&shards, 1, &(struct mixture_weight){0, 0}, &mixture), Q_ERR_INPUT);
    make_shards(&shards, sources, (const uint64_t[]){0}, 1);
    assert_int_equal(mixture_create(&shards, 1, NULL, &mixture), Q_ERR_INPUT);
    make_shards(&shards, sources, NULL, 0);
    assert_int_equal(mixture_create(&shards, 1, NULL, &mixture), Q_ERR_INPUT);
    assert_null(mixture);
}

static void failing_allocations_leak_nothing(void **state)
{
    (void)state;
    struct shards shards;
    struct shards_source sources[2];
    make_shards(&shards, sources, (const uint64_t[]){5, 9}, 2);
    q_status status = Q_ERR_MEMORY;
    for (uint64_t k = 1; status != Q_OK; k++) {
        struct mixture *mixture = NULL;
        q_memory_fail_at(k, 0);
        status = mixture_create(&shards, 1, NULL, &mixture);
        if (!status && mixture_change(mixture, 7, (const double[]){1, 2}) != Q_OK) {
            status = Q_ERR_MEMORY;
            mixture_release(mixture);
            mixture = NULL;
        }
        q_memory_fail_at(0, 0);
        assert_true(status == Q_OK || status == Q_ERR_MEMORY);
        assert_true((mixture != NULL) == (status == Q_OK));
        mixture_release(mixture);
        assert_true(k < 100);
    }
}

static int bench(void)
{
    enum { DRAWS = 1000000 };
    struct shards shards;
    struct shards_source sources[3];
    make_shards(&shards, sources, (const uint64_t[]){700000, 300000, 2100000}, 3);
    struct mixture *mixture;
    if (mixture_create(&shards, 1, NULL, &mixture))
        return 1;
    struct order order;
    order_init(&order, 1, "bench", 0, 0, 3100000);
    uint64_t sum = 0;
    double from = q_seconds();
    for (uint64_t i = 0; i < DRAWS; i++)
        sum += order_at(&order, i);
    const double at = q_seconds() - from;
    from = q_seconds();
    for (uint64_t i = 0; i < DRAWS; i++) {
        struct mixture_sample sample = {0};
        if (mixture_at(mixture, i, &sample))
            return 1;
        sum += sample.sequence;
    }
    printf("order_at %.0f ns, mixture_at %.0f ns (%llu)\n", at / DRAWS * 1e9, (q_seconds() - from) / DRAWS * 1e9,
           (unsigned long long)sum);
    mixture_release(mixture);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        return bench();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_small_order_is_a_bijection),
        cmocka_unit_test(large_orders_invert),
        cmocka_unit_test(places_are_uniform_over_epochs),
        cmocka_unit_test(permutations_are_uniform),
        cmocka_unit_test(orders_differ_by_seed_purpose_and_epoch),
        cmocka_unit_test(equal_weights_show_everything_once_a_pass),
        cmocka_unit_test(weights_are_kept_and_epochs_repeat_nothing),
        cmocka_unit_test(epochs_max_ends_sources),
        cmocka_unit_test(bounded_and_unbounded),
        cmocka_unit_test(blocks_have_their_shares),
        cmocka_unit_test(weights_change_at_any_place),
        cmocka_unit_test(changes_that_cannot_be),
        cmocka_unit_test(adding_a_source_keeps_the_others_orders),
        cmocka_unit_test(bad_weights_are_refused),
        cmocka_unit_test(failing_allocations_leak_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
