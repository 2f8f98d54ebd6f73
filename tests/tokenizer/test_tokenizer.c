/* Encoding and decoding: the golden texts of Hugging Face, the plain twin, round trips, special tokens, worst cases. */
#include "base/fs.h"
#include "base/json.h"
#include "base/jsonl.h"
#include "tests/base/cmocka_all.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/encode/bpe_index.h"
#include "tokenizer/tokenizer.h"

#include <string.h>

#define GOLDEN QUERN_SOURCE "/tests/tokenizer/golden/"

static struct tokenizer *tokenizer;
static struct tokenizer_scratch *scratch;

static int load(void **state)
{
    (void)state;
    return tokenizer_load(GOLDEN "tokenizer.json", &tokenizer) || !tokenizer->trees.ordered ||
           tokenizer_scratch_create(tokenizer, &scratch);
}

static int release(void **state)
{
    (void)state;
    tokenizer_scratch_release(scratch);
    tokenizer_release(tokenizer);
    return 0;
}

static void encode(q_string text, enum tokenizer_special_mode mode, struct tokenizer_ids *ids)
{
    ids->count = 0;
    assert_ok(tokenizer_encode(tokenizer, scratch, text, mode, ids));
}

/* The pieces' lengths in bytes. */
static void check_pieces(q_string text, const json_t *lengths)
{
    struct pretokenize_scratch cut = {0};
    size_t at = 0, start = 0, end, count, i = 0;
    for (;;) {
        assert_ok(pretokenizer_cut(tokenizer->vocabulary.pretokenizer, &cut, text, &at, &end, 1, &count));
        if (count == 0)
            break;
        assert_int_equal(end - start, json_integer_value(json_array_get(lengths, i++)));
        start = end;
    }
    pretokenize_scratch_release(&cut);
    assert_int_equal(i, json_array_size(lengths));
}

static void check_ids(const struct tokenizer_ids *ids, const json_t *wanted)
{
    assert_int_equal(ids->count, json_array_size(wanted));
    for (size_t i = 0; i < ids->count; i++)
        assert_int_equal(ids->ids[i], json_integer_value(json_array_get(wanted, i)));
}

/* A line {"text": ..., "ids": [...], "pieces": [...]}. */
static void check_line(q_string text, q_string ids_json, q_string pieces_json)
{
    json_t *wanted, *lengths;
    struct tokenizer_ids ids = {0};
    struct q_buffer back = {0};
    assert_ok(q_json_parse(ids_json, "ids", &wanted));
    assert_ok(q_json_parse(pieces_json, "pieces", &lengths));
    for (int turn = 0; turn < 2; turn++) { /* without and with what the cache has learned */
        encode(text, TOKENIZER_SPECIAL_AS_TEXT, &ids);
        check_ids(&ids, wanted);
    }
    check_pieces(text, lengths);
    assert_ok(tokenizer_decode(tokenizer, ids.ids, ids.count, &back));
    assert_true(q_string_equal(q_buffer_string(&back), text));
    q_buffer_release(&back);
    tokenizer_ids_release(&ids);
    json_decref(wanted);
    json_decref(lengths);
}

static void ids_and_pieces_are_hugging_faces(void **state)
{
    struct q_jsonl_parser *parser;
    struct q_buffer file = {0};
    q_string rest, line;
    size_t lines = 0;
    (void)state;
    assert_ok(q_jsonl_create(&parser));
    assert_ok(q_fs_read_file(GOLDEN "texts.jsonl", 1 << 24, &file));
    for (rest = q_buffer_string(&file); q_string_next_line(&rest, &line); lines++) {
        const struct q_jsonl_member *members;
        size_t count;
        assert_ok(q_jsonl_parse(parser, line, &members, &count));
        assert_int_equal(count, 3);
        assert_true(q_string_is(members[0].key, "text") && q_string_is(members[1].key, "ids") &&
                    q_string_is(members[2].key, "pieces"));
        check_line(members[0].text, members[1].text, members[2].text);
    }
    assert_true(lines > 250);
    q_jsonl_release(parser);
    q_buffer_release(&file);
}

static void check_numbers(const uint32_t *numbers, size_t count, const uint32_t *ids, size_t wanted)
{
    assert_int_equal(count, wanted);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(tokenizer->trees.ids[numbers[i]], ids[i]);
}

/* Every way to merge gives what the definition gives. */
static void check_merge(const uint8_t *piece, size_t size)
{
    static uint32_t plain[4096], got[4096];
    struct bpe_workspace workspace = {0};
    size_t wanted = bpe_merge_plain(tokenizer, piece, size, plain), count;
    assert_true(size <= 4096);
    assert_ok(bpe_merge_long(tokenizer, &workspace, piece, size, got, &count));
    assert_int_equal(count, wanted);
    assert_memory_equal(got, plain, count * sizeof(*got));
    assert_ok(bpe_match_numbers(&tokenizer->trees, &workspace, BPE_NO_TREE, piece, size, got, &count));
    check_numbers(got, count, plain, wanted);
    count = bpe_short(&tokenizer->trees, piece, size, got);
    if (count)
        check_numbers(got, count, plain, wanted);
    assert_ok(bpe_merge(tokenizer, &workspace, piece, size, got, &count));
    assert_int_equal(count, wanted);
    assert_memory_equal(got, plain, count * sizeof(*got));
    bpe_workspace_release(&workspace);
}

static void all_ways_of_merging_agree(void **state)
{
    uint8_t piece[2048];
    uint64_t dice = 21;
    struct q_buffer text = {0};
    (void)state;
    for (int round = 0; round < 3000; round++) { /* token after token, whose borders are where merges compete */
        size_t size = 0, wanted = 1 + dice_roll(&dice) % 150;
        while (size < wanted) {
            q_string token = tokenizer_bytes(tokenizer, (uint32_t)(dice_roll(&dice) % tokenizer_size(tokenizer)));
            memcpy(piece + size, token.data, token.size);
            size += token.size;
        }
        check_merge(piece, size);
    }
    for (int round = 0; round < 500; round++) {
        random_text(&dice, 60, true, &text);
        if (text.size)
            check_merge((const uint8_t *)text.data, text.size);
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        memset(piece, (int)byte, 300);
        check_merge(piece, 1 + byte);
    }
    q_buffer_release(&text);
}

/* Fibonacci strings: every merge opens another, at every length. */
static void fibonacci_strings_merge_as_by_the_twin(void **state)
{
    uint8_t piece[2048] = "ab", before[2048] = "a";
    size_t size = 2, before_size = 1;
    (void)state;
    while (size + before_size <= sizeof(piece)) {
        uint8_t old[2048];
        memcpy(old, piece, size);
        memcpy(piece + size, before, before_size);
        memcpy(before, old, size);
        size_t sum = size + before_size;
        before_size = size;
        size = sum;
        check_merge(piece, size);
    }
}

static void any_bytes_come_back(void **state)
{
    struct q_buffer text = {0}, back = {0};
    struct tokenizer_ids ids = {0};
    uint64_t dice = 77;
    (void)state;
    encode((q_string){NULL, 0}, TOKENIZER_SPECIAL_PARSE, &ids);
    assert_int_equal(ids.count, 0);
    for (int round = 0; round < 4000; round++) {
        if (round % 2) {
            random_text(&dice, 50, true, &text);
        } else {
            q_buffer_clear(&text);
            for (size_t i = dice_roll(&dice) % 200; i > 0; i--)
                assert_ok(q_buffer_append_byte(&text, (char)dice_roll(&dice)));
        }
        encode(q_buffer_string(&text), TOKENIZER_SPECIAL_AS_TEXT, &ids);
        q_buffer_clear(&back);
        assert_ok(tokenizer_decode(tokenizer, ids.ids, ids.count, &back));
        assert_true(q_string_equal(q_buffer_string(&text), q_buffer_string(&back)));
    }
    q_buffer_release(&text);
    q_buffer_release(&back);
    tokenizer_ids_release(&ids);
}

/* A word that is the same for the same number, and its ids behind those of the words before it. */
static void append_word(uint64_t number, struct bpe_workspace *workspace, struct q_buffer *text, uint32_t *ids,
                        size_t *count)
{
    uint64_t dice = number;
    size_t start = text->size, more;
    assert_ok(q_buffer_append_byte(text, ' '));
    for (size_t i = dice_roll(&dice) % 18; i > 0; i--)
        assert_ok(q_buffer_append_byte(text, "etaoinshrdlucmfw"[dice_roll(&dice) % (number % 2 ? 4 : 16)]));
    assert_ok(q_buffer_append_byte(text, 'x'));
    assert_ok(
        bpe_merge(tokenizer, workspace, (const uint8_t *)text->data + start, text->size - start, ids + *count, &more));
    *count += more;
}

/* More words than the cache has lines, of one token and of many, many of them again and again; before the vocabulary is filled in, and behind that. */
static void a_full_cache_gives_the_same(void **state)
{
    enum { TEXTS = 12000, WORDS = 48 };
    struct bpe_workspace workspace = {0};
    struct q_buffer text = {0};
    struct tokenizer_ids ids = {0};
    uint32_t wanted[20 * WORDS];
    uint64_t dice = 5;
    (void)state;
    tokenizer_scratch_release(scratch);
    assert_ok(tokenizer_scratch_create(tokenizer, &scratch));
    for (uint64_t i = 0; i < TEXTS; i++) {
        size_t count = 0;
        q_buffer_clear(&text);
        for (uint64_t word = 0; word < WORDS; word++)
            append_word(word % 4 ? i * WORDS + word : dice_roll(&dice) % 2000, &workspace, &text, wanted, &count);
        encode(q_buffer_string(&text), TOKENIZER_SPECIAL_AS_TEXT, &ids);
        assert_int_equal(ids.count, count);
        assert_memory_equal(ids.ids, wanted, count * sizeof(*wanted));
    }
    q_buffer_release(&text);
    tokenizer_ids_release(&ids);
    bpe_workspace_release(&workspace);
}

/* A megabyte without a cut, of one byte and of many: near-linear, or this test would not end. */
static void long_pieces_are_encoded(void **state)
{
    enum { SIZE = 1 << 20 };
    struct q_buffer text = {0}, back = {0};
    struct tokenizer_ids ids = {0};
    uint64_t dice = 4;
    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        q_buffer_clear(&text);
        q_buffer_clear(&back);
        for (int i = 0; i < SIZE; i++)
            assert_ok(q_buffer_append_byte(&text, turn ? (char)('a' + dice_roll(&dice) % 26) : 'e'));
        encode(q_buffer_string(&text), TOKENIZER_SPECIAL_AS_TEXT, &ids);
        assert_ok(tokenizer_decode(tokenizer, ids.ids, ids.count, &back));
        assert_true(q_string_equal(q_buffer_string(&text), q_buffer_string(&back)));
    }
    q_buffer_release(&text);
    q_buffer_release(&back);
    tokenizer_ids_release(&ids);
}

static void special_tokens_are_parsed_only_when_asked_for(void **state)
{
    struct tokenizer_ids ids = {0};
    uint32_t user = UINT32_MAX, begin = tokenizer_special_id(tokenizer, TOKENIZER_BEGIN);
    (void)state;
    for (uint32_t id = 0; id < tokenizer_size(tokenizer); id++)
        if (q_string_is(tokenizer_bytes(tokenizer, id), "<｜User｜>"))
            user = id;
    assert_int_equal(begin, 0);
    assert_true(tokenizer_is_special(tokenizer, user));
    assert_false(tokenizer_is_special(tokenizer, tokenizer_size(tokenizer) - 1));
    assert_false(tokenizer_is_special(tokenizer, UINT32_MAX));
    encode(Q_STRING("<｜begin▁of▁sentence｜><｜User｜><｜User"), TOKENIZER_SPECIAL_PARSE, &ids);
    assert_true(ids.count > 3);
    assert_int_equal(ids.ids[0], begin);
    assert_int_equal(ids.ids[1], user);
    for (size_t i = 2; i < ids.count; i++)
        assert_false(tokenizer_is_special(tokenizer, ids.ids[i]));
    encode(Q_STRING("<｜begin▁of▁sentence｜><｜User｜><｜User"), TOKENIZER_SPECIAL_AS_TEXT, &ids);
    for (size_t i = 0; i < ids.count; i++)
        assert_false(tokenizer_is_special(tokenizer, ids.ids[i]));
    for (int i = 0; i < TOKENIZER_SPECIAL_COUNT; i++)
        assert_true(q_string_is(tokenizer_bytes(tokenizer, tokenizer_special_id(tokenizer, (enum tokenizer_special)i)),
                                tokenizer_special_texts[i]));
    tokenizer_ids_release(&ids);
}

static void an_unknown_id_is_refused(void **state)
{
    uint32_t ids[2] = {5, tokenizer_size(tokenizer)};
    struct q_buffer text = {0};
    (void)state;
    assert_fails(tokenizer_decode(tokenizer, ids, 2, &text), Q_ERR_INPUT, "not below 1200");
    assert_int_equal(tokenizer_bytes(tokenizer, ids[1]).size, 0);
    q_buffer_release(&text);
}

static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k += 1 + k / 8) { /* thousands: near the start each, then ever fewer */
        struct tokenizer *own = NULL;
        struct tokenizer_scratch *mine = NULL;
        struct tokenizer_ids ids = {0};
        q_memory_fail_at(k, 0);
        q_status status = tokenizer_load(GOLDEN "tokenizer.json", &own);
        if (!status)
            status = tokenizer_scratch_create(own, &mine);
        if (!status)
            status =
                tokenizer_encode(own, mine, Q_STRING("die Handmühle, the quern; 石磨"), TOKENIZER_SPECIAL_PARSE, &ids);
        uint64_t calls = q_memory_fail_at(0, 0);
        tokenizer_ids_release(&ids);
        tokenizer_scratch_release(mine);
        if (own)
            tokenizer_release(own);
        if (calls < k) {
            assert_int_equal(status, Q_OK);
            break;
        }
        assert_int_not_equal(status, Q_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_and_pieces_are_hugging_faces),
        cmocka_unit_test(all_ways_of_merging_agree),
        cmocka_unit_test(fibonacci_strings_merge_as_by_the_twin),
        cmocka_unit_test(any_bytes_come_back),
        cmocka_unit_test(a_full_cache_gives_the_same),
        cmocka_unit_test(long_pieces_are_encoded),
        cmocka_unit_test(special_tokens_are_parsed_only_when_asked_for),
        cmocka_unit_test(an_unknown_id_is_refused),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, load, release);
}
