/* Layouts of ids: the same merges under other numbers, and DeepSeek-V3's borders at DeepSeek-V3's size. */
#include "base/fs.h"
#include "tests/base/cmocka_all.h"
#include "tokenizer/encode/bpe_index.h"
#include "tokenizer/tokenizer_settings.h"

#include <string.h>

#define GOLDEN QUERN_SOURCE "/tests/tokenizer/golden/"

enum { SIZE = 1300, PLACEHOLDERS = SIZE / 161, NAMED = 15, FIRST_BYTE = 3 };

static struct vocabulary plain, laid_out;

static q_status train(enum vocabulary_layout layout, uint64_t size, struct vocabulary *out)
{
    struct tokenizer_settings settings = {.vocab_size = size, .min_frequency = 1, .layout = (int)layout};
    struct counts counts = {.pretokenizer = pretokenizers[0]};
    struct bpe_train_options options;
    struct q_buffer words = {0};
    struct q_arena arena = {0};
    q_status status;
    Q_TRY_GOTO(done, q_fs_read_file(GOLDEN "words.txt", 1 << 24, &words));
    Q_TRY_GOTO(done, counts_add_text(&counts, q_buffer_string(&words)));
    Q_TRY_GOTO(done, tokenizer_train_options(&settings, &arena, &options));
    Q_TRY_GOTO(done, bpe_train(&counts, &options, out));
    status = vocabulary_layout_apply(layout, out);
done:
    counts_release(&counts);
    q_buffer_release(&words);
    q_arena_release(&arena);
    return status;
}

/* The plain one has as many merges: it has no placeholders. */
static int train_both(void **state)
{
    (void)state;
    return train(VOCABULARY_PLAIN, SIZE - PLACEHOLDERS, &plain) || train(VOCABULARY_DEEPSEEK_V3, SIZE, &laid_out);
}

static int release_both(void **state)
{
    (void)state;
    vocabulary_release(&plain);
    vocabulary_release(&laid_out);
    return 0;
}

static void the_borders_at_128815_are_deepseeks(void **state)
{
    struct q_arena arena = {0};
    const char *const *texts;
    size_t count;
    (void)state;
    assert_ok(vocabulary_layout_special(VOCABULARY_DEEPSEEK_V3, 128815, &arena, &texts, &count));
    assert_int_equal(count, 818); /* so 128,815 - 818 - 256 = 127,741 merges, and the last is 127,999 */
    assert_string_equal(texts[2], "<｜▁pad▁｜>");
    assert_string_equal(texts[3], "<｜place▁holder▁no▁0｜>");
    assert_string_equal(texts[802], "<｜place▁holder▁no▁799｜>");
    assert_string_equal(texts[803], "<｜fim▁hole｜>");
    assert_string_equal(texts[804], "<｜fim▁begin｜>");
    assert_string_equal(texts[805], "<｜fim▁end｜>");
    assert_string_equal(texts[806], "<｜User｜>");
    assert_string_equal(texts[817], "<｜tool▁sep｜>");
    q_arena_release(&arena);
}

static void merges_are_the_same_bytes(void **state)
{
    (void)state;
    assert_int_equal(laid_out.size, SIZE);
    assert_int_equal(laid_out.merge_count, SIZE - 256 - 3 - PLACEHOLDERS - NAMED);
    assert_int_equal(plain.merge_count, laid_out.merge_count);
    for (size_t i = 0; i < plain.merge_count; i++) {
        const struct vocabulary_merge *a = &plain.merges[i], *b = &laid_out.merges[i];
        assert_true(q_string_equal(plain.tokens[a->left], laid_out.tokens[b->left]));
        assert_true(q_string_equal(plain.tokens[a->right], laid_out.tokens[b->right]));
        assert_true(q_string_equal(plain.tokens[a->id], laid_out.tokens[b->id]));
    }
}

static void every_id_is_where_the_layout_says(void **state)
{
    (void)state;
    for (unsigned rank = 0; rank < 256; rank++)
        assert_int_equal(laid_out.tokens[FIRST_BYTE + rank].size, 1);
    for (unsigned byte = 0; byte < 256; byte++)
        assert_int_equal((uint8_t)laid_out.tokens[laid_out.byte_id[byte]].data[0], byte);
    for (size_t i = 0; i < laid_out.merge_count; i++)
        assert_int_equal(laid_out.merges[i].id, FIRST_BYTE + 256 + i);
    for (uint32_t id = FIRST_BYTE; id < FIRST_BYTE + 256 + laid_out.merge_count; id++)
        assert_int_equal(laid_out.kinds[id], VOCABULARY_MODEL | VOCABULARY_BYTES);
    assert_int_equal(laid_out.added_count, 3 + PLACEHOLDERS + NAMED);
    for (size_t i = 0; i < laid_out.added_count; i++) {
        const struct vocabulary_added *added = &laid_out.added[i];
        assert_int_equal(added->id, i < 3 ? i : SIZE - laid_out.added_count + i);
        assert_true(q_string_equal(laid_out.tokens[added->id], added->text));
        assert_int_equal(vocabulary_is_placeholder(added->text), i >= 3 && i < 3 + PLACEHOLDERS);
        assert_int_equal(added->normalized, i >= 3 + PLACEHOLDERS);
        assert_int_equal(added->special, i < 3 + PLACEHOLDERS || q_string_is(added->text, "<|EOT|>"));
        assert_int_equal(laid_out.kinds[added->id],
                         i < 3 ? VOCABULARY_ADDED | VOCABULARY_MODEL : VOCABULARY_ADDED); /* as in DeepSeek-V3's file */
    }
    assert_true(q_string_is(laid_out.tokens[SIZE - 1], "<｜tool▁sep｜>"));
}

/* Written, read, and used: the same pieces as with the plain layout, and special tokens found by their texts. */
static void it_encodes_as_the_plain_one(void **state)
{
    static const char text[] = "The mill grinds: Mühle, 石磨, мельница. 12345 stones\n\n<｜User｜> and so on";
    struct tokenizer *tokenizers[2];
    struct tokenizer_ids ids[2] = {{0}, {0}};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct vocabulary back = {0};
        struct q_buffer file = {0};
        struct tokenizer_scratch *scratch;
        assert_ok(vocabulary_write(i ? &laid_out : &plain, &file));
        assert_ok(vocabulary_parse(q_buffer_string(&file), "written", &back));
        assert_ok(tokenizer_create(&back, &tokenizers[i]));
        assert_ok(tokenizer_scratch_create(tokenizers[i], &scratch));
        assert_ok(tokenizer_encode(tokenizers[i], scratch, q_string_of(text), TOKENIZER_SPECIAL_PARSE, &ids[i]));
        tokenizer_scratch_release(scratch);
        q_buffer_release(&file);
    }
    assert_int_equal(ids[0].count, ids[1].count);
    for (size_t i = 0; i < ids[0].count; i++)
        assert_true(q_string_equal(tokenizer_bytes(tokenizers[0], ids[0].ids[i]),
                                   tokenizer_bytes(tokenizers[1], ids[1].ids[i])));
    assert_int_equal(tokenizer_special_id(tokenizers[1], TOKENIZER_BEGIN), 0);
    assert_int_equal(tokenizer_special_id(tokenizers[1], TOKENIZER_PADDING), 2);
    assert_int_equal(tokenizer_special_id(tokenizers[1], TOKENIZER_FIM_HOLE), SIZE - NAMED);
    for (int i = 0; i < 2; i++) {
        tokenizer_release(tokenizers[i]);
        tokenizer_ids_release(&ids[i]);
    }
}

/* Where the words have no more to merge there are fewer ids, and still none is left out. */
static void no_id_is_left_out_of_a_short_one(void **state)
{
    struct vocabulary all = {0};
    (void)state;
    assert_ok(train(VOCABULARY_DEEPSEEK_V3, 128815, &all));
    assert_in_range(all.size, 3 + 256 + 800 + NAMED + 1, 128814);
    assert_int_equal(all.size, 818 + 256 + all.merge_count);
    for (uint32_t id = 0; id < all.size; id++)
        assert_true(all.tokens[id].size > 0);
    assert_true(q_string_is(all.tokens[all.size - NAMED - 1], "<｜place▁holder▁no▁799｜>"));
    vocabulary_release(&all);
}

/* A special token of visible ASCII that merging gives too stays a token of the model, and then all of them do. */
static void a_merged_special_token_keeps_all_in_the_model(void **state)
{
    struct tokenizer_settings settings = {.vocab_size = 600, .min_frequency = 1, .layout = VOCABULARY_DEEPSEEK_V3};
    struct counts counts = {.pretokenizer = pretokenizers[0]};
    struct bpe_train_options options;
    struct q_arena arena = {0};
    struct vocabulary v = {0};
    (void)state;
    assert_ok(counts_add(&counts, Q_STRING("<|EOT|>"), 9));
    assert_ok(tokenizer_train_options(&settings, &arena, &options));
    assert_ok(bpe_train(&counts, &options, &v));
    assert_ok(vocabulary_layout_apply(VOCABULARY_DEEPSEEK_V3, &v));
    assert_int_equal(v.merge_count, 6);
    assert_int_equal(v.merges[5].id, v.size - 10);
    assert_true(q_string_is(v.tokens[v.merges[5].id], "<|EOT|>"));
    for (size_t i = 0; i < v.added_count; i++)
        assert_true(v.kinds[v.added[i].id] & VOCABULARY_MODEL);
    vocabulary_release(&v);
    counts_release(&counts);
    q_arena_release(&arena);
}

static void a_failing_allocation_changes_nothing(void **state)
{
    struct vocabulary trained = {0};
    struct q_buffer before = {0}, after = {0};
    (void)state;
    assert_ok(train(VOCABULARY_PLAIN, 600, &trained));
    assert_ok(vocabulary_write(&trained, &before));
    q_memory_fail_at(1, 1);
    q_status status = vocabulary_layout_apply(VOCABULARY_DEEPSEEK_V3, &trained);
    q_memory_fail_at(0, 0);
    assert_int_equal(status, Q_ERR_MEMORY);
    assert_ok(vocabulary_write(&trained, &after));
    assert_true(q_string_equal(q_buffer_string(&before), q_buffer_string(&after)));
    q_buffer_release(&before);
    q_buffer_release(&after);
    vocabulary_release(&trained);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_borders_at_128815_are_deepseeks),
        cmocka_unit_test(merges_are_the_same_bytes),
        cmocka_unit_test(every_id_is_where_the_layout_says),
        cmocka_unit_test(it_encodes_as_the_plain_one),
        cmocka_unit_test(no_id_is_left_out_of_a_short_one),
        cmocka_unit_test(a_merged_special_token_keeps_all_in_the_model),
        cmocka_unit_test(a_failing_allocation_changes_nothing),
    };
    return cmocka_run_group_tests(tests, train_both, release_both);
}
