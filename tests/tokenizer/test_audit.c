/* The audit: each reason why no text gives a token, on a vocabulary made for it; and that what texts give is never called unreachable. */
#include "base/json.h"
#include "tests/base/cmocka_all.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/encode/bpe_index.h"
#include "tokenizer/inspect/audit.h"

#include <stdlib.h>
#include <string.h>

#define GOLDEN QUERN_SOURCE "/tests/tokenizer/golden/"

enum { FIRST_MERGE = 256, SIZE = 512 };

/* Ids are bytes, then a token per merge. Those that tests ask for have a name here. */
static struct vocabulary made;
static uint32_t digit_letter, not_merged, crossed, line_space, chinese_pair, upper, spaced, twelve, breaks, long_one,
    added;

static uint32_t merge(const char *left_bytes, const char *right_bytes)
{
    struct vocabulary_merge *out = &made.merges[made.merge_count++];
    q_string parts[2] = {q_string_of(left_bytes), q_string_of(right_bytes)};
    uint32_t ids[2] = {UINT32_MAX, UINT32_MAX};
    const char *bytes;
    for (int i = 0; i < 2; i++)
        for (uint32_t id = 0; id < made.size; id++)
            if (made.tokens[id].size && q_string_equal(made.tokens[id], parts[i]))
                ids[i] = id;
    assert_true(ids[0] != UINT32_MAX && ids[1] != UINT32_MAX);
    uint32_t id = (uint32_t)(FIRST_MERGE + made.merge_count - 1);
    assert_ok(q_arena_printf(&made.arena, &bytes, "%s%s", left_bytes, right_bytes));
    made.tokens[id] = q_string_of(bytes);
    *out = (struct vocabulary_merge){ids[0], ids[1], id};
    return id;
}

/* "\x80z" only where no lead byte and no second byte merges with \x80 before: all of them do. */
static void merge_crossing(void)
{
    for (unsigned byte = 0x80; byte <= 0xDF; byte++) {
        char lead[2] = {(char)byte, 0};
        if (byte < 0xC0 || byte >= 0xC2)
            (void)merge(lead, "\x80");
    }
    (void)merge("\x80\x80", "\x80"); /* F1 80 80 80 would leave its last byte alone */
    crossed = merge("\x80", "z");
}

static void fill_vocabulary(void)
{
    static char bytes[256];
    made.pretokenizer = pretokenizer_named(Q_STRING("deepseek-v3"));
    made.size = SIZE;
    assert_ok(q_arena_alloc(&made.arena, SIZE, sizeof(q_string), &made.tokens));
    assert_ok(q_arena_alloc(&made.arena, SIZE, sizeof(*made.merges), &made.merges));
    assert_ok(q_arena_alloc(&made.arena, 2, sizeof(*made.added), &made.added));
    for (unsigned byte = 0; byte < 256; byte++) {
        bytes[byte] = (char)byte;
        made.byte_id[byte] = byte;
        made.tokens[byte] = (q_string){&bytes[byte], 1};
    }
    merge_crossing();
    digit_letter = merge("1", "a");
    (void)merge("q", "x");
    (void)merge("x", "j");
    not_merged = merge("q", "xj");
    line_space = merge("\n", " ");
    (void)merge("\xE7", "\x9F");
    chinese_pair = merge("\xB3", "\xE7\x9F"); /* the end of one character and most of the next */
    upper = merge("T", "h");
    (void)merge("t", "h");
    spaced = merge(" ", "th");
    twelve = merge("1", "2");
    breaks = merge(".", "\n");
    long_one = merge("-", "-");
    long_one = merge("--", "--");
    added = SIZE - 1;
    made.added[0] = (struct vocabulary_added){.text = Q_STRING("<｜User｜>"), .id = added, .special = true};
    made.added[1] = (struct vocabulary_added){.text = Q_STRING("<｜place▁holder▁no▁3｜>"), .id = added - 1};
    made.added_count = 2;
    made.tokens[added] = made.added[0].text;
    made.tokens[added - 1] = made.added[1].text;
    assert_ok(vocabulary_complete(&made));
}

static struct tokenizer *tokenizer;
static struct q_pool *pool;
static struct audit audit;

static int run(void **state)
{
    (void)state;
    fill_vocabulary();
    return tokenizer_create(&made, &tokenizer) || q_pool_create(2, &pool) || audit_run(&audit, tokenizer, NULL, pool);
}

static int release(void **state)
{
    (void)state;
    audit_release(&audit);
    q_pool_release(pool);
    tokenizer_release(tokenizer);
    return 0;
}

static void every_reason_is_found(void **state)
{
    (void)state;
    assert_int_equal(audit.reach[digit_letter], TOKEN_CUT);
    assert_int_equal(audit.reach[not_merged], TOKEN_NOT_MERGED);
    assert_int_equal(audit.reach[crossed], TOKEN_CROSSED);
    assert_int_equal(audit.reach[0xC0], TOKEN_BROKEN);
    assert_int_equal(audit.reach[0xFF], TOKEN_BROKEN);
    assert_int_equal(audit.reach[added], TOKEN_ADDED);
    assert_int_equal(audit.reach[added - 2], TOKEN_MISSING);
    assert_int_equal(audit.reach_counts[TOKEN_CUT], 1);
    assert_int_equal(audit.reach_counts[TOKEN_NOT_MERGED], 1);
    assert_int_equal(audit.reach_counts[TOKEN_CROSSED], 1);
    assert_int_equal(audit.reach_counts[TOKEN_BROKEN], 13); /* C0, C1, F5..FF */
    assert_int_equal(audit.unreachable.count, 16);
}

static void what_only_a_context_gives_is_reached(void **state)
{
    (void)state;
    assert_int_equal(audit.reach[line_space], TOKEN_REACHED);   /* before another line break */
    assert_int_equal(audit.reach[chinese_pair], TOKEN_REACHED); /* between two characters of Chinese */
    assert_int_equal(audit.reach[0xF1], TOKEN_REACHED);         /* unassigned characters are valid UTF-8 */
    assert_int_equal(audit.reach[0xE7], TOKEN_REACHED);
    assert_int_equal(audit.reach[0x80], TOKEN_REACHED); /* in the middle of E1 80 B3 */
}

static void tokens_are_counted_by_what_they_are(void **state)
{
    (void)state;
    assert_int_equal(audit.digits[1], 10);
    assert_int_equal(audit.digits[2], 1);
    assert_int_equal(audit.digits[3] + audit.digits[0], 0);
    assert_true(audit.has_digits[10 + 12]);
    assert_false(audit.has_digits[10 + 21]);
    assert_int_equal(audit.line_breaks.count, 1);
    assert_int_equal(audit.line_breaks.ids[0], breaks);
    assert_int_equal(audit.longest[0], long_one);
    assert_int_equal(audit.space_twins, 1);     /* " th" */
    assert_int_equal(audit.case_twins, 26 + 1); /* "Th" */
    assert_int_equal(audit.either_twins, 26 + 2);
    assert_int_equal(audit.single_byte, 128);
    assert_int_equal(audit.head, 1 + 64 + 1); /* "\x80z", and those of two tail bytes */
    assert_int_equal(audit.tail, 1);          /* E7 9F */
    assert_int_equal(audit.both, 1);          /* B3 E7 9F */
    assert_int_equal(audit.partial.count, audit.head + audit.tail + audit.both);
    assert_int_equal(audit.coverage[unicode_script('a')].one, 52 + 8); /* and C3 80 to CA 80, which are Latin */
}

static void ids_are_laid_out_in_ranges(void **state)
{
    static const char *const kinds[] = {"byte", "token", "none", "placeholder", "added"};
    (void)state;
    assert_int_equal(audit.range_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(audit.ranges[i].kind, kinds[i]);
    assert_int_equal(audit.ranges[0].last, 255);
    assert_int_equal(audit.ranges[2].last, added - 2);
    assert_int_equal(audit.ranges[4].first, added);
}

/* Ids that any text of valid UTF-8 encodes to are reached. */
static void what_texts_give_is_reached(void **state)
{
    struct tokenizer_scratch *scratch;
    struct tokenizer_ids ids = {0};
    struct q_buffer text = {0};
    uint64_t dice = 7;
    (void)state;
    assert_ok(tokenizer_scratch_create(tokenizer, &scratch));
    for (int round = 0; round < 3000; round++) {
        random_text(&dice, 40, false, &text);
        assert_true(q_utf8_valid(q_buffer_string(&text)));
        ids.count = 0;
        assert_ok(tokenizer_encode(tokenizer, scratch, q_buffer_string(&text), TOKENIZER_SPECIAL_AS_TEXT, &ids));
        for (size_t i = 0; i < ids.count; i++)
            assert_int_equal(audit.reach[ids.ids[i]], TOKEN_REACHED);
    }
    tokenizer_ids_release(&ids);
    q_buffer_release(&text);
    tokenizer_scratch_release(scratch);
}

/* Reach by merges against the definition, and the same for any number of threads. */
static void a_trained_vocabulary_is_all_reached(void **state)
{
    struct tokenizer *golden;
    struct q_pool *one;
    uint8_t *reach[2];
    (void)state;
    assert_ok(tokenizer_load(GOLDEN "tokenizer.json", &golden));
    assert_ok(q_pool_create(1, &one));
    for (int i = 0; i < 2; i++) {
        assert_ok(q_alloc_zero(tokenizer_size(golden), 1, &reach[i]));
        assert_ok(audit_reach(golden, i ? one : pool, reach[i]));
    }
    assert_memory_equal(reach[0], reach[1], tokenizer_size(golden));
    for (uint32_t id = 0; id < tokenizer_size(golden); id++) {
        q_string token = tokenizer_bytes(golden, id);
        uint32_t ids[256];
        if (reach[0][id] == TOKEN_ADDED)
            continue;
        bool merges = bpe_merge_plain(golden, (const uint8_t *)token.data, token.size, ids) == 1 && ids[0] == id;
        assert_int_equal(merges, reach[0][id] != TOKEN_NOT_MERGED);
        assert_true(reach[0][id] == TOKEN_REACHED || token.size == 1);
    }
    q_release(reach[0]);
    q_release(reach[1]);
    q_pool_release(one);
    tokenizer_release(golden);
}

static void failing_allocations_leave_nothing_behind(void **state)
{
    struct q_pool *one;
    (void)state;
    assert_ok(q_pool_create(1, &one));
    for (uint64_t k = 1;; k += 1 + k) {
        struct audit failing = {0};
        q_memory_fail_at(k, 1);
        q_status status = audit_run(&failing, tokenizer, NULL, one);
        uint64_t reached = q_memory_fail_at(0, 0);
        audit_release(&failing);
        if (reached < k) {
            assert_ok(status);
            break;
        }
        assert_int_equal(status, Q_ERR_MEMORY);
    }
    q_pool_release(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_is_found),
        cmocka_unit_test(what_only_a_context_gives_is_reached),
        cmocka_unit_test(tokens_are_counted_by_what_they_are),
        cmocka_unit_test(ids_are_laid_out_in_ranges),
        cmocka_unit_test(what_texts_give_is_reached),
        cmocka_unit_test(a_trained_vocabulary_is_all_reached),
        cmocka_unit_test(failing_allocations_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, run, release);
}
