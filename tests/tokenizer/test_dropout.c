/* BPE dropout: against the definition with the same draws, against the definition's distribution, p = 0 and p = 1, damage. */
#include "tests/base/cmocka_all.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/encode/bpe_dropout.h"

#include <math.h>
#include <string.h>

#define GOLDEN QUERN_SOURCE "/tests/tokenizer/golden/"

enum { PIECE_MAX = 4096 };

static struct tokenizer *tokenizer;
static struct bpe_workspace workspace;

static int load(void **state)
{
    (void)state;
    return (int)tokenizer_load(GOLDEN "tokenizer.json", &tokenizer);
}

static int release(void **state)
{
    (void)state;
    bpe_workspace_release(&workspace);
    tokenizer_release(tokenizer);
    return 0;
}

struct candidate {
    uint32_t rank, id;
    size_t place;
};

/* All pairs that have a merge, by rank and place: sorted by insertion, which nobody can get wrong. */
static size_t list_candidates(const uint32_t *ids, size_t count, struct candidate *out)
{
    size_t found = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        const struct bpe_merge_slot *merge = bpe_find_merge(tokenizer, ids[i], ids[i + 1]);
        size_t at = found;
        if (!merge)
            continue;
        for (; at > 0 && out[at - 1].rank > merge->rank; at--)
            out[at] = out[at - 1];
        out[at] = (struct candidate){merge->rank, merge->id, i};
        found++;
    }
    return found;
}

static size_t start_with_bytes(const uint8_t *piece, size_t size, uint32_t *ids)
{
    for (size_t i = 0; i < size; i++)
        ids[i] = tokenizer->vocabulary.byte_id[piece[i]];
    return size;
}

static size_t apply(const struct candidate *candidate, uint32_t *ids, size_t count)
{
    ids[candidate->place] = candidate->id;
    memmove(ids + candidate->place + 1, ids + candidate->place + 2, (count - candidate->place - 2) * sizeof(*ids));
    return count - 1;
}

static double number(const struct bpe_dropout *dropout, uint64_t index)
{
    uint32_t words[4];
    q_random_words(dropout->key, index / 4, words);
    return words[index % 4] * 0x1p-32;
}

/* The header's four steps, with the header's draws. */
static size_t twin(const struct bpe_dropout *dropout, uint64_t position, const uint8_t *piece, size_t size,
                   uint32_t *ids)
{
    static struct candidate candidates[PIECE_MAX];
    size_t count = start_with_bytes(piece, size, ids);
    for (uint64_t step = 0;; step++) {
        size_t found = list_candidates(ids, count, candidates), left_out = 0;
        double u = number(dropout, position + step);
        for (double power = dropout->rate; left_out < found && u < power; power *= dropout->rate)
            left_out++;
        if (left_out == found)
            return count;
        count = apply(&candidates[left_out], ids, count);
    }
}

/* The paper's algorithm 1, a coin for each candidate: no draw in common with the code under test. */
static size_t paper(double rate, uint64_t *dice, const uint8_t *piece, size_t size, uint32_t *ids)
{
    struct candidate candidates[64];
    size_t count = start_with_bytes(piece, size, ids);
    for (;;) {
        size_t found = list_candidates(ids, count, candidates), first = 0;
        while (first < found && (double)(dice_roll(dice) >> 11) * 0x1p-53 < rate)
            first++;
        if (first == found)
            return count;
        count = apply(&candidates[first], ids, count);
    }
}

/* Where the short cut says that nothing is left out, nothing is. */
static void check_spared(const struct bpe_dropout *dropout, uint64_t position, const uint8_t *piece, size_t size,
                         const uint32_t *wanted, size_t wanted_count)
{
    static uint32_t ordinary[PIECE_MAX];
    size_t count = bpe_merge_plain(tokenizer, piece, size, ordinary);
    bool spared = true;
    for (size_t step = 0; step < size - count; step++)
        spared &= number(dropout, position + step) >= dropout->rate;
    assert_int_equal(bpe_dropout_spares(dropout, position, size - count), spared);
    if (spared) {
        assert_int_equal(count, wanted_count);
        assert_memory_equal(ordinary, wanted, count * sizeof(*ordinary));
    }
}

static void check_piece(double rate, uint64_t position, const uint8_t *piece, size_t size)
{
    static uint32_t wanted[PIECE_MAX], got[PIECE_MAX];
    struct bpe_dropout dropout = bpe_dropout_of(rate, 5, (q_hash){1, 2});
    size_t count, wanted_count = twin(&dropout, position, piece, size, wanted);
    assert_ok(bpe_dropout_long(tokenizer, &workspace, &dropout, position, piece, size, got, &count));
    assert_int_equal(count, wanted_count);
    assert_memory_equal(got, wanted, count * sizeof(*got));
    if (size <= BPE_DROPOUT_SHORT_MAX) {
        assert_int_equal(bpe_dropout_short(tokenizer, &dropout, position, piece, size, got), wanted_count);
        assert_memory_equal(got, wanted, count * sizeof(*got));
    }
    check_spared(&dropout, position, piece, size, wanted, wanted_count);
    memset(got, 0xFF, sizeof(got));
    assert_ok(bpe_dropout_merge(tokenizer, &workspace, &dropout, position, piece, size, got, &count));
    assert_int_equal(count, wanted_count);
    assert_memory_equal(got, wanted, count * sizeof(*got));
}

static void every_way_is_the_definition(void **state)
{
    static const double rates[] = {0, 1e-9, 0.05, 0.1, 0.3, 0.5, 0.9, 0.99, 1};
    uint8_t piece[PIECE_MAX];
    struct q_buffer text = {0};
    uint64_t dice = 8;
    (void)state;
    for (int round = 0; round < 3000; round++) { /* token after token, whose borders are where merges compete */
        size_t size = 0, wanted = 1 + dice_roll(&dice) % (round % 20 ? 40 : 300);
        while (size < wanted) {
            q_string token = tokenizer_bytes(tokenizer, (uint32_t)(dice_roll(&dice) % tokenizer_size(tokenizer)));
            memcpy(piece + size, token.data, token.size);
            size += token.size;
        }
        check_piece(rates[round % 9], dice_roll(&dice), piece, size);
    }
    for (int round = 0; round < 300; round++) {
        random_text(&dice, 40, true, &text);
        if (text.size)
            check_piece(rates[round % 9], 0, (const uint8_t *)text.data, text.size);
    }
    memset(piece, 'e', sizeof(piece));
    for (size_t size = 1; size < 300; size += 7)
        check_piece(rates[size % 9], size, piece, size);
    q_buffer_release(&text);
}

static void none_left_out_is_ordinary_merging_and_all_left_out_is_bytes(void **state)
{
    uint32_t wanted[256], got[256];
    struct bpe_dropout none = bpe_dropout_of(0, 1, (q_hash){0, 0}), all = bpe_dropout_of(1, 1, (q_hash){0, 0});
    struct q_buffer text = {0};
    uint64_t dice = 3;
    size_t count;
    (void)state;
    for (int round = 0; round < 1000; round++) {
        random_text(&dice, 30, true, &text);
        size_t size = text.size < 256 ? text.size : 256;
        const uint8_t *piece = (const uint8_t *)text.data;
        if (size == 0)
            continue;
        size_t wanted_count = bpe_merge_plain(tokenizer, piece, size, wanted);
        assert_ok(bpe_dropout_merge(tokenizer, &workspace, &none, 9, piece, size, got, &count));
        assert_int_equal(count, wanted_count);
        assert_memory_equal(got, wanted, count * sizeof(*got));
        assert_ok(bpe_dropout_merge(tokenizer, &workspace, &all, 9, piece, size, got, &count));
        assert_int_equal(count, size);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(got[i], tokenizer->vocabulary.byte_id[piece[i]]);
    }
    assert_ok(bpe_dropout_merge(tokenizer, &workspace, &none, 9, NULL, 0, got, &count));
    assert_int_equal(count, 0);
    q_buffer_release(&text);
}

/* The divisions of a word and how often each came, by the two ways. */
enum { DIVISIONS_MAX = 512, ROUNDS = 20000 };

struct divisions {
    struct {
        uint32_t ids[16];
        size_t count;
        double ours, papers;
    } all[DIVISIONS_MAX];
    size_t count;
};

static void add_division(struct divisions *divisions, const uint32_t *ids, size_t count, bool ours)
{
    size_t i = 0;
    while (i < divisions->count &&
           !(divisions->all[i].count == count && memcmp(divisions->all[i].ids, ids, count * sizeof(*ids)) == 0))
        i++;
    assert_true(i < DIVISIONS_MAX);
    if (i == divisions->count) {
        memcpy(divisions->all[i].ids, ids, count * sizeof(*ids));
        divisions->all[i].count = count;
        divisions->count++;
    }
    if (ours)
        divisions->all[i].ours++;
    else
        divisions->all[i].papers++;
}

/* Two samples of the same distribution: the sum of (a - b)^2 / (a + b) over n divisions is chi-square with n - 1 degrees, whose mean is that and whose variance
 * is twice it. Rare divisions are put together. Five deviations: the seeds are fixed, so this passes always or never. */
static void check_distribution(const char *word, double rate)
{
    static struct divisions divisions;
    uint32_t ids[64];
    uint64_t dice = 12345;
    size_t size = strlen(word), count, classes = 0;
    double chi = 0, rare_ours = 0, rare_papers = 0;
    divisions = (struct divisions){0};
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct bpe_dropout dropout = bpe_dropout_of(rate, 7, (q_hash){round, 99});
        assert_ok(bpe_dropout_merge(tokenizer, &workspace, &dropout, 3, (const uint8_t *)word, size, ids, &count));
        add_division(&divisions, ids, count, true);
        count = paper(rate, &dice, (const uint8_t *)word, size, ids);
        add_division(&divisions, ids, count, false);
    }
    for (size_t i = 0; i < divisions.count; i++) {
        double a = divisions.all[i].ours, b = divisions.all[i].papers;
        if (a + b < 40) {
            rare_ours += a;
            rare_papers += b;
            continue;
        }
        chi += (a - b) * (a - b) / (a + b);
        classes++;
    }
    if (rare_ours + rare_papers > 0) {
        chi += (rare_ours - rare_papers) * (rare_ours - rare_papers) / (rare_ours + rare_papers);
        classes++;
    }
    assert_true(classes > 3); /* else it was no test */
    double degrees = (double)(classes - 1);
    assert_true(chi < degrees + 5 * sqrt(2 * degrees));
}

static void the_distribution_is_the_papers(void **state)
{
    (void)state;
    check_distribution(" grinds", 0.1);
    check_distribution(" miller", 0.3);
    check_distribution("the stone", 0.1);
    check_distribution(" millstones", 0.5);
}

/* Draws of one piece do not depend on other pieces, and those of two documents or seeds differ. */
static void draws_belong_to_seed_document_and_place(void **state)
{
    static const char word[] = " millstones";
    uint32_t first[16], other[16];
    size_t count, other_count, differ[3] = {0};
    (void)state;
    for (uint64_t i = 0; i < 200; i++) {
        struct bpe_dropout dropout = bpe_dropout_of(0.5, i, (q_hash){i, 1});
        struct bpe_dropout others[3] = {bpe_dropout_of(0.5, i + 1, (q_hash){i, 1}),
                                        bpe_dropout_of(0.5, i, (q_hash){i, 2}), dropout};
        assert_ok(bpe_dropout_merge(tokenizer, &workspace, &dropout, 40, (const uint8_t *)word, 11, first, &count));
        for (int k = 0; k < 3; k++) {
            uint64_t position = k == 2 ? 51 : 40;
            assert_ok(bpe_dropout_merge(tokenizer, &workspace, &others[k], position, (const uint8_t *)word, 11, other,
                                        &other_count));
            differ[k] += other_count != count || memcmp(first, other, count * sizeof(*first)) != 0;
        }
    }
    for (int k = 0; k < 3; k++)
        assert_in_range(differ[k], 60, 199);
}

/* A megabyte without a cut: near-linear, or this test would not end. */
static void a_long_piece_is_merged(void **state)
{
    enum { SIZE = 1 << 20 };
    static uint8_t piece[SIZE];
    static uint32_t ids[SIZE];
    struct bpe_dropout dropout = bpe_dropout_of(0.3, 1, (q_hash){0, 0});
    size_t count, bytes = 0;
    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        piece[i] = (uint8_t) "the mill grinds "[i * i % 16];
    assert_ok(bpe_dropout_merge(tokenizer, &workspace, &dropout, 0, piece, SIZE, ids, &count));
    for (size_t i = 0; i < count; i++) {
        q_string token = tokenizer_bytes(tokenizer, ids[i]);
        assert_memory_equal(token.data, piece + bytes, token.size);
        bytes += token.size;
    }
    assert_int_equal(bytes, SIZE);
}

static void a_failed_allocation_is_survived(void **state)
{
    struct bpe_dropout dropout = bpe_dropout_of(0.3, 1, (q_hash){0, 0});
    uint8_t piece[200] = {0};
    uint32_t ids[200];
    size_t count;
    (void)state;
    for (uint64_t k = 1; k <= 2; k++) {
        struct bpe_workspace own = {0};
        q_memory_fail_at(k, 0);
        assert_fails(bpe_dropout_merge(tokenizer, &own, &dropout, 0, piece, sizeof(piece), ids, &count), Q_ERR_MEMORY,
                     "out of memory");
        q_memory_fail_at(0, 0);
        assert_ok(bpe_dropout_merge(tokenizer, &own, &dropout, 0, piece, sizeof(piece), ids, &count));
        bpe_workspace_release(&own);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_is_the_definition),
        cmocka_unit_test(none_left_out_is_ordinary_merging_and_all_left_out_is_bytes),
        cmocka_unit_test(the_distribution_is_the_papers),
        cmocka_unit_test(draws_belong_to_seed_document_and_place),
        cmocka_unit_test(a_long_piece_is_merged),
        cmocka_unit_test(a_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, load, release);
}
