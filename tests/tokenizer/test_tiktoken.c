/* Ranks of a .tiktoken file: their merges give what tiktoken's own rule gives, for ranks that no training would make too. */
#include "base/fs.h"
#include "tests/base/cmocka_all.h"
#include "tokenizer/encode/bpe_index.h"
#include "tokenizer/vocabulary/vocabulary_tiktoken.h"

static void put_base64(struct q_buffer *out, q_string bytes, unsigned rank)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.size; i += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < bytes.size ? (uint8_t)bytes.data[i + k] : 0u);
        for (size_t k = 0; k < 4; k++)
            assert_ok(q_buffer_append_byte(out, i + k > bytes.size ? '=' : digits[bits >> (18 - 6 * k) & 63]));
    }
    assert_ok(q_buffer_printf(out, " %u\n", rank));
}

/* All bytes and up to 40 tokens of a few letters, in random order. */
static void random_ranks(uint64_t *dice, struct q_buffer *out)
{
    enum { MOST = 300 };
    char tokens[MOST][8];
    size_t sizes[MOST], count = 256;
    for (size_t b = 0; b < 256; b++) {
        tokens[b][0] = (char)b;
        sizes[b] = 1;
    }
    for (int tries = 0; tries < 40; tries++) {
        bool is_new = true;
        sizes[count] = 2 + dice_roll(dice) % 6;
        for (size_t i = 0; i < sizes[count]; i++)
            tokens[count][i] = (char)('a' + dice_roll(dice) % 3);
        for (size_t i = 256; i < count; i++)
            is_new = is_new && (sizes[i] != sizes[count] || memcmp(tokens[i], tokens[count], sizes[i]) != 0);
        count += is_new;
    }
    q_buffer_clear(out);
    uint32_t order[MOST];
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (size_t i = count; i > 1; i--) {
        size_t other = dice_roll(dice) % i;
        uint32_t kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
    for (uint32_t i = 0; i < count; i++)
        put_base64(out, (q_string){tokens[order[i]], sizes[order[i]]}, i);
}

static uint32_t rank_of(const struct vocabulary *v, const char *bytes, size_t size)
{
    for (uint32_t id = 0; id < v->size; id++)
        if (v->tokens[id].size == size && memcmp(v->tokens[id].data, bytes, size) == 0)
            return id;
    return UINT32_MAX;
}

/* tiktoken's rule as it is written down: the whole piece, else the two neighbours whose bytes have the lowest rank, again and again. */
static size_t encode_by_rule(const struct vocabulary *v, const char *piece, size_t size, uint32_t *ids)
{
    size_t starts[64], count = size;
    if (rank_of(v, piece, size) != UINT32_MAX) {
        ids[0] = rank_of(v, piece, size);
        return 1;
    }
    for (size_t i = 0; i <= size; i++)
        starts[i] = i;
    for (;;) {
        uint32_t best = UINT32_MAX;
        size_t place = 0;
        for (size_t i = 0; i + 2 <= count; i++) {
            uint32_t rank = rank_of(v, piece + starts[i], starts[i + 2] - starts[i]);
            if (rank < best) {
                best = rank;
                place = i;
            }
        }
        if (best == UINT32_MAX)
            break;
        count--;
        memmove(&starts[place + 1], &starts[place + 2], (count - place) * sizeof(*starts));
    }
    for (size_t i = 0; i < count; i++)
        ids[i] = rank_of(v, piece + starts[i], starts[i + 1] - starts[i]);
    return count;
}

static void pieces_become_what_tiktoken_makes_of_them(void **state)
{
    struct q_buffer file = {0};
    uint64_t dice = 4;
    (void)state;
    for (int round = 0; round < 100; round++) {
        struct vocabulary vocabulary = {0};
        struct tokenizer *tokenizer;
        struct tokenizer_scratch *scratch;
        struct tokenizer_ids ids = {0};
        random_ranks(&dice, &file);
        assert_ok(vocabulary_parse_tiktoken(q_buffer_string(&file), "random", &vocabulary));
        assert_ok(
            vocabulary_parse_tiktoken_companion(Q_STRING("{\"pretokenizer\": \"gpt2\"}"), "beside", NULL, &vocabulary));
        assert_ok(tokenizer_create(&vocabulary, &tokenizer));
        assert_ok(tokenizer_scratch_create(tokenizer, &scratch));
        for (int i = 0; i < 50; i++) {
            char piece[32];
            uint32_t wanted[32];
            size_t size = 1 + dice_roll(&dice) % sizeof(piece);
            for (size_t k = 0; k < size; k++)
                piece[k] = (char)('a' + dice_roll(&dice) % 3);
            size_t count = encode_by_rule(&tokenizer->vocabulary, piece, size, wanted);
            ids.count = 0;
            assert_ok(tokenizer_encode(tokenizer, scratch, (q_string){piece, size}, TOKENIZER_SPECIAL_AS_TEXT, &ids));
            assert_int_equal(ids.count, count);
            assert_memory_equal(ids.ids, wanted, count * sizeof(*wanted));
        }
        tokenizer_ids_release(&ids);
        tokenizer_scratch_release(scratch);
        tokenizer_release(tokenizer);
    }
    q_buffer_release(&file);
}

/* Written, read and written again: the same bytes, and the merges that were trained. */
static void the_golden_vocabulary_comes_back(void **state)
{
    struct vocabulary vocabulary = {0}, again = {0};
    struct q_buffer ranks[2] = {{0}}, beside[2] = {{0}};
    size_t left_out;
    (void)state;
    assert_ok(vocabulary_read(QUERN_SOURCE "/tests/tokenizer/golden", &vocabulary));
    assert_ok(vocabulary_write_tiktoken(&vocabulary, "golden", &ranks[0], &beside[0], &left_out));
    assert_int_equal(left_out, 0);
    assert_ok(vocabulary_parse_tiktoken(q_buffer_string(&ranks[0]), "ranks", &again));
    assert_ok(vocabulary_parse_tiktoken_companion(q_buffer_string(&beside[0]), "beside", NULL, &again));
    assert_int_equal(again.merge_count, vocabulary.merge_count);
    assert_memory_equal(again.merges, vocabulary.merges, again.merge_count * sizeof(*again.merges));
    assert_int_equal(again.size, vocabulary.size);
    assert_string_equal(again.pretokenizer->name, "deepseek-v3");
    assert_false(again.ignore_merges);
    assert_ok(vocabulary_write_tiktoken(&again, "again", &ranks[1], &beside[1], &left_out));
    assert_true(q_string_equal(q_buffer_string(&ranks[0]), q_buffer_string(&ranks[1])));
    assert_true(q_string_equal(q_buffer_string(&beside[0]), q_buffer_string(&beside[1])));
    for (int i = 0; i < 2; i++) {
        q_buffer_release(&ranks[i]);
        q_buffer_release(&beside[i]);
    }
    vocabulary_release(&vocabulary);
    vocabulary_release(&again);
}

/* One allocation after the other fails: an error each time, nothing lost. */
static void memory_may_run_out_anywhere(void **state)
{
    struct q_buffer file = {0};
    uint64_t dice = 9;
    q_status status = Q_ERR_MEMORY;
    (void)state;
    random_ranks(&dice, &file);
    for (uint64_t k = 1; status; k++) {
        struct vocabulary vocabulary = {0};
        q_memory_fail_at(k, 1);
        status = vocabulary_parse_tiktoken(q_buffer_string(&file), "random", &vocabulary);
        if (!status)
            status = vocabulary_parse_tiktoken_companion(
                Q_STRING("{\"pretokenizer\": \"gpt2\", \"special_tokens\": {\"<s>\": 5000}}"), "beside", NULL,
                &vocabulary);
        q_memory_fail_at(0, 0);
        assert_true(status == Q_OK || status == Q_ERR_MEMORY);
        vocabulary_release(&vocabulary);
    }
    q_buffer_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_become_what_tiktoken_makes_of_them),
        cmocka_unit_test(the_golden_vocabulary_comes_back),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
