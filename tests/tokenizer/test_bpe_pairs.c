/* The table of merges: what was entered is found and nothing else, in full regions, in empty ones and behind the table's end. */
#include "tests/base/cmocka_all.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/encode/bpe_pairs.h"

enum { PAIRS = 3000 };

struct entry {
    uint8_t first;
    uint32_t left, right;
};

static bool is_among(const struct entry *entries, uint32_t count, struct entry entry)
{
    for (uint32_t i = 0; i < count; i++)
        if (entries[i].first == entry.first && entries[i].left == entry.left && entries[i].right == entry.right)
            return true;
    return false;
}

static void check_all(const struct bpe_pairs *pairs, const struct entry *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(bpe_pairs_find(pairs, entries[i].first, entries[i].left, entries[i].right), i);
}

static void create(struct bpe_pairs *pairs, const struct entry *entries, uint32_t count, struct q_arena *arena)
{
    uint32_t counts[256] = {0};
    for (uint32_t i = 0; i < count; i++)
        counts[entries[i].first]++;
    assert_ok(bpe_pairs_create(pairs, counts, arena));
}

static void what_is_entered_is_found(void **state)
{
    static struct entry entries[PAIRS];
    struct q_arena arena = {0};
    struct bpe_pairs pairs;
    uint64_t dice = 3;
    (void)state;
    for (uint32_t i = 0; i < PAIRS; i++) {
        const uint8_t first[3] = {0, 0xE4, (uint8_t)dice_roll(&dice)};
        do
            entries[i] = (struct entry){first[i % 3], (uint32_t)(dice_roll(&dice) % BPE_PAIRS_MAX),
                                        (uint32_t)(dice_roll(&dice) % BPE_PAIRS_MAX)};
        while (is_among(entries, i, entries[i]));
    }
    create(&pairs, entries, PAIRS, &arena);
    for (uint32_t i = 0; i < PAIRS; i++)
        bpe_pairs_add(&pairs, entries[i].first, entries[i].left, entries[i].right, i);
    check_all(&pairs, entries, PAIRS);
    for (uint32_t i = 0; i < PAIRS; i++) {
        struct entry other = {entries[i].first, entries[i].right, entries[i].left};
        if (!is_among(entries, PAIRS, other))
            assert_int_equal(bpe_pairs_find(&pairs, other.first, other.left, other.right), BPE_NO_NUMBER);
    }
    q_arena_release(&arena);
}

/* The first `count` pairs from left number `from` on whose place is the last slot of the region. */
static uint32_t pairs_of_last_slot(const struct bpe_pairs *pairs, uint8_t first, uint32_t from, struct entry *out,
                                   uint32_t count)
{
    size_t last = (size_t)(pairs->regions[first].from + pairs->regions[first].lines) * BPE_PAIRS_LINE - 1;
    for (uint32_t found = 0; found < count; from++) {
        uint64_t hash = bpe_pair_hash(bpe_pair_key(from, 7));
        if (bpe_pair_slot(bpe_pair_line(pairs, first, hash), hash) == last)
            out[found++] = (struct entry){first, from, 7};
    }
    return from;
}

/* The last slot of all, or of a region whose neighbour has pairs of its own: those that want it go on behind it. */
static void check_overflow(uint8_t first)
{
    struct entry entries[6], others[40];
    struct q_arena arena = {0};
    struct bpe_pairs pairs;
    for (uint32_t i = 0; i < 6; i++)
        entries[i] = (struct entry){i < 4 ? first : (uint8_t)(first + 1), i, i};
    create(&pairs, entries, 6, &arena);
    uint32_t next = pairs_of_last_slot(&pairs, first, 0, entries, 4);
    pairs_of_last_slot(&pairs, first, next, others, 40);
    for (uint32_t i = 0; i < 6; i++)
        bpe_pairs_add(&pairs, entries[i].first, entries[i].left, entries[i].right, i);
    check_all(&pairs, entries, 6);
    for (int i = 0; i < 40; i++)
        assert_int_equal(bpe_pairs_find(&pairs, first, others[i].left, others[i].right), BPE_NO_NUMBER);
    q_arena_release(&arena);
}

static void a_full_region_goes_on_behind_its_end(void **state)
{
    (void)state;
    check_overflow(0xE4);
    check_overflow(0xFF); /* whose end is the table's */
}

static void an_empty_table_has_nothing(void **state)
{
    struct q_arena arena = {0};
    struct bpe_pairs pairs;
    (void)state;
    create(&pairs, NULL, 0, &arena);
    for (unsigned first = 0; first < 256; first++)
        assert_int_equal(bpe_pairs_find(&pairs, (uint8_t)first, first, 1), BPE_NO_NUMBER);
    q_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_entered_is_found),
        cmocka_unit_test(a_full_region_goes_on_behind_its_end),
        cmocka_unit_test(an_empty_table_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
