/* The split of tokens that join punctuation with line breaks: which, where, how often, and that the text stays. */
#include "tests/base/cmocka_all.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/encode/boundary_split.h"

#include <math.h>
#include <string.h>

#define GOLDEN QUERN_SOURCE "/tests/tokenizer/golden/"

static struct tokenizer *tokenizer;
static struct tokenizer_scratch *scratch;
static struct boundary_split_workspace workspace;

static int load(void **state)
{
    (void)state;
    return tokenizer_load(GOLDEN "tokenizer.json", &tokenizer) || tokenizer_scratch_create(tokenizer, &scratch);
}

static int release(void **state)
{
    (void)state;
    boundary_split_workspace_release(&workspace);
    tokenizer_scratch_release(scratch);
    tokenizer_release(tokenizer);
    return 0;
}

static void places_are_between_punctuation_and_a_line_break(void **state)
{
    static const struct {
        const char *token;
        size_t places, first;
    } cases[] = {
        {".\n", 1, 1},        {" {\n\n", 1, 2},     {".\r\n", 1, 1},      {"+\n", 1, 1},
        {"。\n", 1, 3},       {"\n", 0, 0},         {"\n.", 0, 0},        {" \n", 0, 0},
        {"a\n", 0, 0},        {"\x82\n", 0, 0},     {"\x80\x82\n", 0, 0}, {"\xef\xbf\xbd\n", 1, 3},
        {"\xff\n", 0, 0},     {"\xe3\x80\n", 0, 0}, {".\n;\n", 2, 1},     {"\n/\n", 1, 2},
        {"\xc2\xa0\n", 0, 0}, {".", 0, 0},          {"", 0, 0},           {"😀\n", 1, 4},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        q_string token = q_string_of(cases[i].token);
        assert_int_equal(boundary_split_places(token), cases[i].places);
        if (cases[i].places)
            assert_int_equal(boundary_split_place(token, 0), cases[i].first);
    }
    assert_int_equal(boundary_split_place(Q_STRING(".\n;\r\n"), 1), 3);
}

static void encode(q_string text, struct tokenizer_ids *ids)
{
    ids->count = 0;
    assert_ok(tokenizer_encode(tokenizer, scratch, text, TOKENIZER_SPECIAL_AS_TEXT, ids));
}

/* The header's definition, a token at a time into another list. */
static void twin(const struct boundary_split *split, uint64_t position, const struct tokenizer_ids *in,
                 struct tokenizer_ids *out)
{
    out->count = 0;
    for (size_t i = 0; i < in->count; i++) {
        q_string token = tokenizer_bytes(tokenizer, in->ids[i]);
        size_t places = boundary_split_places(token);
        assert_ok(q_grow(&out->ids, &out->capacity, out->count + token.size, sizeof(*out->ids)));
        if (places == 0 || q_random_unit(split->key, 2 * (position + i)) >= split->share) {
            out->ids[out->count++] = in->ids[i];
            continue;
        }
        size_t which = (size_t)(q_random_unit(split->key, 2 * (position + i) + 1) * (double)places);
        size_t place = boundary_split_place(token, which);
        const uint8_t *bytes = (const uint8_t *)token.data;
        out->count += bpe_merge_plain(tokenizer, bytes, place, out->ids + out->count);
        out->count += bpe_merge_plain(tokenizer, bytes + place, token.size - place, out->ids + out->count);
    }
}

static void check_text(q_string text, double share, uint64_t seed)
{
    struct boundary_split split = boundary_split_of(share, seed, (q_hash){seed, 4});
    struct tokenizer_ids ids = {0}, plain = {0}, wanted = {0};
    struct q_buffer back = {0};
    encode(text, &plain);
    twin(&split, 17, &plain, &wanted);
    encode(text, &ids);
    assert_ok(boundary_split_apply(tokenizer, &workspace, &split, 17, 0, &ids));
    assert_int_equal(ids.count, wanted.count);
    if (ids.count)
        assert_memory_equal(ids.ids, wanted.ids, ids.count * sizeof(*ids.ids));
    if (share == 0)
        assert_int_equal(ids.count, plain.count);
    assert_ok(tokenizer_decode(tokenizer, ids.ids, ids.count, &back));
    assert_true(q_string_equal(q_buffer_string(&back), text));
    q_buffer_release(&back);
    tokenizer_ids_release(&ids);
    tokenizer_ids_release(&plain);
    tokenizer_ids_release(&wanted);
}

static void splits_are_the_definitions_and_the_text_stays(void **state)
{
    static const char *const parts[] = {".\n", ").\n",  " }\n\n", "。\n", "the", " mill",
                                        "\n",  ":\r\n", ";\n",    " ",    "石",  "!\n"};
    struct q_buffer text = {0};
    uint64_t dice = 5;
    (void)state;
    for (int round = 0; round < 600; round++) {
        if (round % 3) {
            q_buffer_clear(&text);
            for (size_t i = dice_roll(&dice) % 60; i > 0; i--)
                assert_ok(q_buffer_append_string(&text, q_string_of(parts[dice_roll(&dice) % 12])));
        } else {
            random_text(&dice, 60, true, &text);
        }
        check_text(q_buffer_string(&text), (double)(round % 5) / 4, 1 + dice_roll(&dice) % 1000);
    }
    q_buffer_release(&text);
}

/* What comes before `from` is another document's and stays; the share is kept, and all are split at 1. */
static void the_share_is_kept(void **state)
{
    enum { TOKENS = 20000 };
    struct tokenizer_ids ids = {0}, one = {0};
    (void)state;
    encode(Q_STRING(".\n"), &one);
    assert_int_equal(one.count, 1);
    for (int turn = 0; turn < 2; turn++) {
        double share = turn ? 1 : 0.1;
        struct boundary_split split = boundary_split_of(share, 3, (q_hash){8, 9});
        ids.count = 0;
        assert_ok(q_grow(&ids.ids, &ids.capacity, TOKENS + 1, sizeof(*ids.ids)));
        while (ids.count < TOKENS + 1)
            ids.ids[ids.count++] = one.ids[0];
        assert_ok(boundary_split_apply(tokenizer, &workspace, &split, 0, 1, &ids));
        assert_int_equal(ids.ids[0], one.ids[0]);
        double splits = (double)(ids.count - TOKENS - 1);
        assert_true(fabs(splits - share * TOKENS) <= 5 * sqrt(share * (1 - share) * TOKENS));
    }
    tokenizer_ids_release(&ids);
    tokenizer_ids_release(&one);
}

static void a_failed_allocation_leaves_the_ids(void **state)
{
    struct boundary_split split = boundary_split_of(1, 3, (q_hash){8, 9});
    struct tokenizer_ids ids = {0};
    (void)state;
    for (uint64_t k = 1;; k++) {
        struct boundary_split_workspace own = {0};
        encode(Q_STRING("The mill.\nThe stone.\nThe grain.\n\n"), &ids);
        size_t before = ids.count;
        q_memory_fail_at(k, 0);
        q_status status = boundary_split_apply(tokenizer, &own, &split, 0, 0, &ids);
        uint64_t calls = q_memory_fail_at(0, 0);
        boundary_split_workspace_release(&own);
        if (calls < k) {
            assert_int_equal(status, Q_OK);
            assert_true(ids.count > before);
            break;
        }
        assert_int_equal(status, Q_ERR_MEMORY);
        assert_int_equal(ids.count, before);
    }
    tokenizer_ids_release(&ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_between_punctuation_and_a_line_break),
        cmocka_unit_test(splits_are_the_definitions_and_the_text_stays),
        cmocka_unit_test(the_share_is_kept),
        cmocka_unit_test(a_failed_allocation_leaves_the_ids),
    };
    return cmocka_run_group_tests(tests, load, release);
}
