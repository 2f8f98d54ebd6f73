/* Encoding with vocabularies made at random, in order and out of it: every way gives what the definition of merging gives. */
#include "base/check.h"
#include "tests/base/cmocka_all.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/encode/bpe_index.h"

#include <string.h>

enum { MERGES = 60, TEXT = 120 };

static size_t short_pieces; /* tried */

/* The characters of the texts: few, so that merges compete; some of several bytes, which share bytes, so that tokens begin and end within them. */
static const char *const characters[] = {
    "a",
    "b",
    "c",
    "\xC3\xA9",
    "\xC3\xA8",
    "\xE4\xB8\xAD",
    "\xE4\xB8\xAE",
    "\xE4\xB9\xAD",
    "\xE0\xB8\x81",
    "\xF0\x9F\x98\x80",
};

struct making {
    struct vocabulary vocabulary;
    uint64_t dice;
    size_t alphabet; /* characters in use */
};

static q_string token_text(struct making *m, q_string left, q_string right)
{
    char *bytes;
    assert_ok(q_arena_alloc(&m->vocabulary.arena, left.size + right.size + 1, 1, &bytes));
    memcpy(bytes, left.data, left.size);
    memcpy(bytes + left.size, right.data, right.size);
    return (q_string){bytes, left.size + right.size};
}

static uint32_t find_token(const struct vocabulary *v, q_string text)
{
    for (uint32_t id = 0; id < v->size; id++)
        if (q_string_equal(v->tokens[id], text))
            return id;
    return UINT32_MAX;
}

static void bytes_as_tokens(struct making *m)
{
    struct vocabulary *v = &m->vocabulary;
    v->pretokenizer = pretokenizers[0];
    assert_ok(q_arena_alloc(&v->arena, 256 + MERGES, sizeof(*v->tokens), &v->tokens));
    assert_ok(q_arena_alloc(&v->arena, (MERGES + 1) * 16, sizeof(*v->merges), &v->merges));
    for (unsigned byte = 0; byte < 256; byte++) {
        char one = (char)byte;
        v->byte_id[255 - byte] = v->size;
        one = (char)(255 - byte);
        assert_ok(q_arena_string(&v->arena, (q_string){&one, 1}, &v->tokens[v->size++]));
    }
}

/* A token of the characters in use, or a part of one. */
static uint32_t roll_token(struct making *m)
{
    const struct vocabulary *v = &m->vocabulary;
    if (v->size > 256 && dice_roll(&m->dice) % 3)
        return 256 + (uint32_t)(dice_roll(&m->dice) % (v->size - 256));
    const char *character = characters[dice_roll(&m->dice) % m->alphabet];
    return v->byte_id[(uint8_t)character[dice_roll(&m->dice) % strlen(character)]];
}

static bool has_merge(const struct vocabulary *v, uint32_t left, uint32_t right)
{
    for (size_t i = 0; i < v->merge_count; i++)
        if (v->merges[i].left == left && v->merges[i].right == right)
            return true;
    return false;
}

/* Merges as training gives them: each of two tokens that are there. */
static void merges_of_pairs(struct making *m)
{
    struct vocabulary *v = &m->vocabulary;
    for (int i = 0; i < MERGES; i++) {
        uint32_t left = roll_token(m), right = roll_token(m);
        q_string text = token_text(m, v->tokens[left], v->tokens[right]);
        uint32_t id = find_token(v, text);
        if (text.size > 40 || has_merge(v, left, right)) /* of two merges of a pair the later one would count */
            continue;
        if (id == UINT32_MAX)
            v->tokens[id = v->size++] = text;
        v->merges[v->merge_count++] = (struct vocabulary_merge){left, right, id};
    }
}

/* Merges as they come from a list of tokens alone: every way to part a token, in the order of the tokens. */
static void merges_of_tokens(struct making *m)
{
    struct vocabulary *v = &m->vocabulary;
    merges_of_pairs(m);
    v->merge_count = 0;
    for (uint32_t id = 256; id < v->size; id++)
        for (size_t at = 1; at < v->tokens[id].size; at++) {
            uint32_t left = find_token(v, q_string_slice(v->tokens[id], 0, at)),
                     right = find_token(v, q_string_slice(v->tokens[id], at, v->tokens[id].size));
            if (left != UINT32_MAX && right != UINT32_MAX && v->merge_count < (MERGES + 1) * 16)
                v->merges[v->merge_count++] = (struct vocabulary_merge){left, right, id};
        }
}

static void shuffle_merges(struct making *m)
{
    struct vocabulary *v = &m->vocabulary;
    for (size_t i = v->merge_count; i > 1; i--) {
        size_t j = dice_roll(&m->dice) % i;
        struct vocabulary_merge merge = v->merges[i - 1];
        v->merges[i - 1] = v->merges[j];
        v->merges[j] = merge;
    }
}

static void roll_text(struct making *m, struct q_buffer *out)
{
    q_buffer_clear(out);
    while (out->size < TEXT) {
        if (dice_roll(&m->dice) % 40 == 0) {
            assert_ok(q_buffer_append_byte(out, (char)(dice_roll(&m->dice) % 2 ? ' ' : dice_roll(&m->dice))));
        } else if (dice_roll(&m->dice) % 4 == 0) {
            assert_ok(q_buffer_append_string(out, m->vocabulary.tokens[roll_token(m)]));
        } else {
            const char *character = characters[dice_roll(&m->dice) % m->alphabet];
            for (size_t i = dice_roll(&m->dice) % 8 ? 1 : dice_roll(&m->dice) % 20; i > 0; i--)
                assert_ok(q_buffer_append(out, character, strlen(character)));
        }
    }
}

static void check_ids(const uint32_t *got, size_t count, const uint32_t *wanted, size_t wanted_count)
{
    assert_int_equal(count, wanted_count);
    assert_memory_equal(got, wanted, count * sizeof(*got));
}

/* Pieces from anywhere in the text, also from within characters. */
static void check_short(const struct tokenizer *tokenizer, const uint8_t *bytes, size_t size)
{
    uint32_t wanted[BPE_SHORT_BYTES], got[BPE_SHORT_BYTES];
    for (size_t start = 0; start < size; start++) {
        size_t piece = Q_MIN(1 + start * 7 % 48, size - start), count;
        count = tokenizer->trees.ordered ? bpe_short(&tokenizer->trees, bytes + start, piece, got) : 0;
        if (count == 0)
            continue;
        for (size_t i = 0; i < count; i++)
            got[i] = tokenizer->trees.ids[got[i]];
        check_ids(got, count, wanted, bpe_merge_plain(tokenizer, bytes + start, piece, wanted));
        short_pieces++;
    }
}

static void check_text(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, q_string text)
{
    static uint32_t wanted[4 * TEXT], got[4 * TEXT];
    struct bpe_workspace workspace = {0};
    struct pretokenize_scratch cut = {0};
    struct tokenizer_ids ids = {0};
    const uint8_t *bytes = (const uint8_t *)text.data;
    size_t at = 0, start = 0, end, count, all = 0;
    size_t wanted_count = bpe_merge_plain(tokenizer, bytes, text.size, wanted);
    assert_true(text.size <= 4 * TEXT);
    assert_ok(bpe_merge_long(tokenizer, &workspace, bytes, text.size, got, &count));
    check_ids(got, count, wanted, wanted_count);
    assert_ok(bpe_merge(tokenizer, &workspace, bytes, text.size, got, &count));
    check_ids(got, count, wanted, wanted_count);
    check_short(tokenizer, bytes, text.size);
    for (;;) {
        assert_ok(pretokenizer_cut(tokenizer->vocabulary.pretokenizer, &cut, text, &at, &end, 1, &count));
        if (count == 0)
            break;
        all += bpe_merge_plain(tokenizer, bytes + start, end - start, wanted + all);
        start = end;
    }
    for (int turn = 0; turn < 2; turn++) {
        ids.count = 0;
        assert_ok(tokenizer_encode(tokenizer, scratch, text, TOKENIZER_SPECIAL_AS_TEXT, &ids));
        check_ids(ids.ids, ids.count, wanted, all);
    }
    tokenizer_ids_release(&ids);
    bpe_workspace_release(&workspace);
}

/* How many of the vocabularies were ordered. */
static int check_vocabularies(uint64_t seed, int rounds, bool pairs, bool shuffled)
{
    int ordered = 0;
    struct q_buffer text = {0};
    for (int round = 0; round < rounds; round++) {
        struct making m = {.dice = seed + (uint64_t)round};
        struct making texts = m;
        struct tokenizer *tokenizer;
        struct tokenizer_scratch *scratch;
        m.alphabet = 1 + dice_roll(&m.dice) % Q_COUNT_OF(characters);
        bytes_as_tokens(&m);
        if (pairs)
            merges_of_pairs(&m);
        else
            merges_of_tokens(&m);
        if (shuffled)
            shuffle_merges(&m);
        assert_ok(vocabulary_complete(&m.vocabulary));
        texts.alphabet = m.alphabet;
        assert_ok(tokenizer_create(&m.vocabulary, &tokenizer));
        texts.vocabulary = tokenizer->vocabulary; /* to read its tokens only */
        assert_ok(tokenizer_scratch_create(tokenizer, &scratch));
        ordered += tokenizer->trees.ordered;
        for (int i = 0; i < 40; i++) {
            roll_text(&texts, &text);
            check_text(tokenizer, scratch, q_buffer_string(&text));
        }
        tokenizer_scratch_release(scratch);
        tokenizer_release(tokenizer);
    }
    q_buffer_release(&text);
    return ordered;
}

static void vocabularies_of_pairs(void **state)
{
    (void)state;
    short_pieces = 0;
    assert_true(check_vocabularies(1000, 150, true, false) > 100);
    assert_true(short_pieces > 100000);
}

static void vocabularies_of_tokens(void **state)
{
    (void)state;
    assert_true(check_vocabularies(2000, 100, false, false) > 50);
}

static void vocabularies_out_of_order(void **state)
{
    (void)state;
    assert_true(check_vocabularies(3000, 100, true, true) < 50);
}

static void add_doubles(struct making *m, uint8_t byte)
{
    struct vocabulary *v = &m->vocabulary;
    for (uint32_t id = v->byte_id[byte], i = 0; i < 3; i++) {
        v->tokens[v->size] = token_text(m, v->tokens[id], v->tokens[id]);
        v->merges[v->merge_count++] = (struct vocabulary_merge){id, id, v->size};
        id = v->size++;
    }
}

/* A long piece of few tokens whose first 16 bytes are zeros and ones all over: no mark in the cache looks like it. */
static void a_piece_may_be_any_bytes(void **state)
{
    struct making m = {0};
    struct tokenizer *tokenizer;
    struct tokenizer_scratch *scratch;
    (void)state;
    bytes_as_tokens(&m);
    add_doubles(&m, 0);
    add_doubles(&m, 0xFF);
    m.vocabulary.pretokenizer = pretokenizer_named(Q_STRING("gpt2")); /* leaves all of it in one piece */
    assert_ok(vocabulary_complete(&m.vocabulary));
    assert_ok(tokenizer_create(&m.vocabulary, &tokenizer));
    assert_ok(tokenizer_scratch_create(tokenizer, &scratch));
    check_text(tokenizer, scratch, Q_STRING("\0\0\0\0\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF!?"));
    check_text(tokenizer, scratch, Q_STRING("\0\0\0\0\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF?!"));
    tokenizer_scratch_release(scratch);
    tokenizer_release(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vocabularies_of_pairs),
        cmocka_unit_test(vocabularies_of_tokens),
        cmocka_unit_test(vocabularies_out_of_order),
        cmocka_unit_test(a_piece_may_be_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
