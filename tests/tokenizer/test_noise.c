/* Texts encoded with dropout and boundary splits, both through tokenizer_encode_noisy: the text comes back, nothing but the key matters, and
 * documents may be encoded in parts. */
#include "tests/base/cmocka_all.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/encode/bpe_dropout.h"

#include <math.h>
#include <string.h>

#define GOLDEN QUERN_SOURCE "/tests/tokenizer/golden/"

static struct tokenizer *tokenizer;
static struct tokenizer_scratch *scratch;

static int load(void **state)
{
    (void)state;
    return tokenizer_load(GOLDEN "tokenizer.json", &tokenizer) || tokenizer_scratch_create(tokenizer, &scratch);
}

static int release(void **state)
{
    (void)state;
    tokenizer_scratch_release(scratch);
    tokenizer_release(tokenizer);
    return 0;
}

static void encode(struct tokenizer_scratch *with, q_string text, const struct tokenizer_noise *noise,
                   struct tokenizer_ids *ids)
{
    ids->count = 0;
    if (noise)
        assert_ok(tokenizer_encode_noisy(tokenizer, with, text, TOKENIZER_SPECIAL_PARSE, noise, ids));
    else
        assert_ok(tokenizer_encode(tokenizer, with, text, TOKENIZER_SPECIAL_PARSE, ids));
}

static bool same(const struct tokenizer_ids *a, const struct tokenizer_ids *b)
{
    return a->count == b->count && (a->count == 0 || memcmp(a->ids, b->ids, a->count * sizeof(*a->ids)) == 0);
}

static struct tokenizer_noise random_noise(uint64_t *dice)
{
    static const double shares[] = {0, 0.1, 0.5, 1};
    return (struct tokenizer_noise){
        .dropout = shares[dice_roll(dice) % 4],
        .boundary_split = shares[dice_roll(dice) % 4],
        .seed = dice_roll(dice) % 8,
        .document = {dice_roll(dice), dice_roll(dice)},
        .position = dice_roll(dice) % 1000,
    };
}

static void the_text_comes_back_and_the_thread_does_not_matter(void **state)
{
    struct tokenizer_scratch *other;
    struct tokenizer_ids ids = {0}, again = {0};
    struct q_buffer text = {0}, back = {0};
    uint64_t dice = 6;
    (void)state;
    assert_ok(tokenizer_scratch_create(tokenizer, &other));
    for (int round = 0; round < 3000; round++) {
        struct tokenizer_noise noise = random_noise(&dice);
        random_text(&dice, 60, true, &text);
        if (round % 2)
            assert_ok(q_buffer_append_string(&text, Q_STRING("The mill.\n<｜User｜>It grinds!\n\n{\n")));
        encode(scratch, q_buffer_string(&text), &noise, &ids);
        encode(other, Q_STRING("what this scratch saw before"), round % 3 ? &noise : NULL, &again);
        encode(other, q_buffer_string(&text), &noise, &again);
        assert_true(same(&ids, &again));
        q_buffer_clear(&back);
        assert_ok(tokenizer_decode(tokenizer, ids.ids, ids.count, &back));
        assert_true(q_string_equal(q_buffer_string(&text), q_buffer_string(&back)));
    }
    q_buffer_release(&text);
    q_buffer_release(&back);
    tokenizer_ids_release(&ids);
    tokenizer_ids_release(&again);
    tokenizer_scratch_release(other);
}

static void without_noise_ids_are_the_ordinary_ones(void **state)
{
    struct tokenizer_ids ids = {0}, plain = {0};
    struct q_buffer text = {0};
    uint64_t dice = 9;
    (void)state;
    for (int round = 0; round < 300; round++) {
        struct tokenizer_noise noise = random_noise(&dice);
        noise.dropout = noise.boundary_split = 0;
        random_text(&dice, 60, true, &text);
        encode(scratch, q_buffer_string(&text), &noise, &ids);
        encode(scratch, q_buffer_string(&text), NULL, &plain);
        assert_true(same(&ids, &plain));
    }
    q_buffer_release(&text);
    tokenizer_ids_release(&ids);
    tokenizer_ids_release(&plain);
}

/* Piece by piece with bpe_dropout_merge alone, at the places where the pretokenizer cuts. */
static void dropout_is_that_of_each_piece(void **state)
{
    struct tokenizer_ids ids = {0};
    struct q_buffer text = {0};
    struct pretokenize_scratch cut = {0};
    struct bpe_workspace workspace = {0};
    uint64_t dice = 15;
    (void)state;
    for (int round = 0; round < 1000; round++) {
        struct tokenizer_noise noise = random_noise(&dice);
        noise.boundary_split = 0;
        noise.dropout = noise.dropout > 0 ? noise.dropout : 0.02;
        struct bpe_dropout dropout = bpe_dropout_of(noise.dropout, noise.seed, noise.document);
        random_text(&dice, 60, true, &text);
        encode(scratch, q_buffer_string(&text), &noise, &ids);
        size_t at = 0, start = 0, end, pieces, next = 0, count;
        uint32_t wanted[1024];
        for (;; start = end) {
            assert_ok(pretokenizer_cut(tokenizer->vocabulary.pretokenizer, &cut, q_buffer_string(&text), &at, &end, 1,
                                       &pieces));
            if (pieces == 0)
                break;
            assert_true(end - start <= 1024);
            assert_ok(bpe_dropout_merge(tokenizer, &workspace, &dropout, noise.position + start,
                                        (const uint8_t *)text.data + start, end - start, wanted, &count));
            assert_true(next + count <= ids.count);
            assert_memory_equal(ids.ids + next, wanted, count * sizeof(*wanted));
            next += count;
        }
        assert_int_equal(next, ids.count);
    }
    pretokenize_scratch_release(&cut);
    bpe_workspace_release(&workspace);
    q_buffer_release(&text);
    tokenizer_ids_release(&ids);
}

/* A document cut where its pieces are cut anyway has the same ids in two parts as in one, if the second part's position is told. */
static void a_document_may_be_encoded_in_parts(void **state)
{
    static const char first[] = "The mill grinds the grain.", second[] = " The stones turn and the grain falls.\n";
    char whole[sizeof(first) + sizeof(second)];
    struct tokenizer_noise noise = {.dropout = 0.4, .seed = 2, .document = {3, 4}};
    struct tokenizer_ids ids = {0}, one = {0}, two = {0};
    size_t differ = 0;
    (void)state;
    (void)snprintf(whole, sizeof(whole), "%s%s", first, second);
    for (noise.seed = 0; noise.seed < 50; noise.seed++) {
        noise.position = 0;
        encode(scratch, q_string_of(whole), &noise, &ids);
        encode(scratch, q_string_of(first), &noise, &one);
        noise.position = sizeof(first) - 1;
        encode(scratch, q_string_of(second), &noise, &two);
        assert_int_equal(one.count + two.count, ids.count);
        assert_memory_equal(one.ids, ids.ids, one.count * sizeof(*one.ids));
        assert_memory_equal(two.ids, ids.ids + one.count, two.count * sizeof(*two.ids));
        noise.position = 0;
        encode(scratch, q_string_of(second), &noise, &one);
        differ += !same(&one, &two);
    }
    assert_true(differ > 25);
    tokenizer_ids_release(&ids);
    tokenizer_ids_release(&one);
    tokenizer_ids_release(&two);
}

static void shares_out_of_range_are_refused(void **state)
{
    const double bad[] = {-0.1, 1.1, NAN, INFINITY};
    struct tokenizer_ids ids = {0};
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct tokenizer_noise noise = {0};
        *(i < 4 ? &noise.dropout : &noise.boundary_split) = bad[i % 4];
        assert_fails(tokenizer_encode_noisy(tokenizer, scratch, Q_STRING("a"), TOKENIZER_SPECIAL_AS_TEXT, &noise, &ids),
                     Q_ERR_USAGE, "not 0 to 1");
    }
    assert_int_equal(ids.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_comes_back_and_the_thread_does_not_matter),
        cmocka_unit_test(without_noise_ids_are_the_ordinary_ones),
        cmocka_unit_test(dropout_is_that_of_each_piece),
        cmocka_unit_test(a_document_may_be_encoded_in_parts),
        cmocka_unit_test(shares_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, load, release);
}
