/* Where files of records are cut, and that their pieces hold what the whole file does, at the same places. (Lines: test_corpus_build.c.) */
#include "base/check.h"
#include "base/hash.h"
#include "corpus/corpus_cut.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"
#include "tests/corpus/make_records.h"

#include <string.h>

static const struct corpus_reader_options usual = {.item_bytes_max = 1 << 25, .unpack_ratio_max = 300, .depth_max = 4};
static struct q_buffer file, block;

/* Appends a line "PLACE REASON URL HASH" for each item. */
static q_status read_piece(const char *path, const struct corpus_piece *piece, struct q_buffer *out)
{
    struct corpus_reader_options options = usual;
    struct corpus_reader *reader;
    struct corpus_item item;
    bool more = true;
    if (piece)
        options.piece = *piece;
    Q_TRY(corpus_reader_open(path, &options, &reader));
    q_status status = Q_OK;
    while ((status = corpus_reader_next(reader, &item, &more)) == Q_OK && more) {
        q_hash hash = q_hash_bytes(item.bytes.data, item.bytes.size);
        status = q_buffer_printf(out, "%llu+%llu %s %.*s %llx\n", (unsigned long long)item.index,
                                 (unsigned long long)item.inside, item.reason ? item.reason : "-",
                                 Q_STRING_ARGS(item.url), (unsigned long long)hash.low);
        if (status != Q_OK)
            break;
    }
    corpus_reader_close(reader);
    return status;
}

/* All pieces of the file, one behind the other; *count of them. */
static q_status read_pieces(const char *path, uint64_t part_bytes, struct q_buffer *out, size_t *count)
{
    struct q_arena arena = {0};
    struct corpus_pieces pieces;
    q_buffer_clear(out);
    q_status status = corpus_cut_file(path, file.size, &usual, part_bytes, &arena, &pieces);
    *count = status == Q_OK ? pieces.count : 0;
    for (size_t i = 0; i < *count && status == Q_OK; i++) {
        const struct corpus_piece piece = {
            .kind = pieces.kind, .from = pieces.cuts[i], .to = i + 1 < *count ? pieces.cuts[i + 1] : file.size};
        assert_true(i == 0 || piece.from >= i * part_bytes);
        status = read_piece(path, &piece, out);
    }
    q_arena_release(&arena);
    return status;
}

/* The pieces at this size hold the same as the whole file; how many they are. */
static size_t compare(const char *path, uint64_t part_bytes)
{
    struct q_buffer whole = {0}, cut = {0};
    size_t count;
    assert_ok(read_piece(path, NULL, &whole));
    assert_ok(q_buffer_terminate(&whole));
    assert_ok(read_pieces(path, part_bytes, &cut, &count));
    assert_ok(q_buffer_terminate(&cut));
    assert_string_equal(whole.data, cut.data);
    q_buffer_release(&whole);
    q_buffer_release(&cut);
    return count;
}

static void expect_same(const char *path, size_t at_least)
{
    static const uint64_t sizes[] = {1, 700, 5000, 20000, 1 << 20};
    size_t count = 0;
    scratch_write(path, file.data, file.size);
    for (size_t i = 0; i < Q_COUNT_OF(sizes); i++) {
        count = compare(path, sizes[i]);
        assert_true(i > 0 || count >= at_least);
    }
    assert_int_equal(count, 1);
}

/* Bytes that do not press. */
static void fill_block(uint64_t *dice, size_t size)
{
    q_buffer_clear(&block);
    assert_ok(q_buffer_append_string(&block, Q_STRING("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")));
    for (size_t i = 0; i < size; i++)
        assert_ok(q_buffer_append_byte(&block, (char)(dice_roll(dice) & 0xFF)));
}

static struct made_record made(const char *type)
{
    return (struct made_record){type, "http://a/", "application/http; msgtype=response", block.data, block.size, NULL};
}

enum { RECORDS = 60 };

static void add_records(const char *coding, const char *type, uint64_t *dice, q_string dictionary)
{
    struct q_buffer one = {0};
    for (unsigned i = 0; i < RECORDS; i++) {
        const uint64_t in_member = dictionary.size ? 1 : 1 + dice_roll(dice) % 3;
        q_buffer_clear(&one);
        for (uint64_t k = 0; k < in_member; k++) {
            fill_block(dice, dice_roll(dice) % 10 ? dice_roll(dice) % 900 : 9000);
            struct made_record record = made(type);
            add_record(&one, i, &record);
        }
        if (dictionary.size)
            add_dictionary_frame(&file, dictionary, one.data, one.size);
        else
            add_member(&file, coding, one.data, one.size);
    }
    q_buffer_release(&one);
}

static void test_pieces_hold_the_whole(void **state)
{
    (void)state;
    uint64_t dice = 5;
    static const char *const codings[] = {"", "gzip", "zstd"}, *const names[] = {"a.warc", "a.warc.gz", "a.warc.zst"};
    for (size_t i = 0; i < Q_COUNT_OF(codings); i++) {
        q_buffer_clear(&file);
        add_records(codings[i], "response", &dice, (q_string){0});
        expect_same(names[i], RECORDS / 2);
        q_buffer_clear(&file);
        struct q_buffer begin = {0};
        add_arc_begin(&begin);
        add_member(&file, codings[i], begin.data, begin.size);
        q_buffer_release(&begin);
        add_records(codings[i], NULL, &dice, (q_string){0});
        expect_same("a.arc", RECORDS / 2);
    }
    const q_string dictionary = Q_STRING("WARC/1.0\r\nWARC-Type: response\r\nWARC-Date: 2024-05-18T01:58:00Z\r\n");
    q_buffer_clear(&file);
    add_dictionary(&file, dictionary, true);
    add_records("zstd", "response", &dice, dictionary);
    expect_same("d.warc.zst", RECORDS / 2);
}

/* A record's place is where it is found without reading what lies before it. */
static void test_places(void **state)
{
    (void)state;
    static const char *const codings[] = {"", "gzip", "zstd"};
    for (size_t i = 0; i < Q_COUNT_OF(codings); i++) {
        struct q_buffer one = {0}, lines = {0};
        uint64_t dice = 9;
        char wanted[200];
        q_buffer_clear(&file);
        fill_block(&dice, 300);
        struct made_record record = made("response");
        add_record(&one, 1, &record);
        const size_t inside = one.size;
        add_member(&file, codings[i], one.data, one.size);
        const size_t second = file.size;
        add_record(&one, 2, &record);
        add_member(&file, codings[i], one.data, one.size);
        scratch_write("places", file.data, file.size);
        assert_ok(read_piece("places", NULL, &lines));
        assert_ok(q_buffer_terminate(&lines));
        snprintf(wanted, sizeof wanted, "\n%zu+%zu - http://a/", *codings[i] ? second : 2 * second,
                 *codings[i] ? inside : 0);
        assert_non_null(strstr(lines.data, wanted));
        snprintf(wanted, sizeof wanted, "\n%zu+0 - http://a/", second);
        assert_non_null(strstr(lines.data, wanted));
        assert_int_equal(strncmp(lines.data, "0+0 - http://a/", 15), 0);
        q_buffer_release(&one);
        q_buffer_release(&lines);
    }
}

/* What is damaged is the same item in the whole file and in the piece that it lies in. */
static void test_damage(void **state)
{
    (void)state;
    uint64_t dice = 11;
    static const char *const codings[] = {"", "gzip", "zstd"};
    for (size_t i = 0; i < Q_COUNT_OF(codings); i++) {
        q_buffer_clear(&file);
        add_records(codings[i], "response", &dice, (q_string){0});
        for (unsigned k = 1; k < 6; k++)
            memset(file.data + k * file.size / 7, 'X', 40);
        expect_same("damaged", RECORDS / 2);
    }
}

/* Parts so large that the search for a cut begins in the middle of a file, and of a record. */
static void test_search_within_a_file(void **state)
{
    (void)state;
    static const char *const codings[] = {"", "gzip", "zstd"};
    for (size_t i = 0; i < Q_COUNT_OF(codings); i++) {
        struct q_buffer one = {0};
        uint64_t dice = 31;
        q_buffer_clear(&file);
        while (file.size < 3 * CORPUS_CUT_LEAD_BYTES) {
            fill_block(&dice, 40000 + dice_roll(&dice) % 9000);
            struct made_record record = made("response");
            q_buffer_clear(&one);
            add_record(&one, 1, &record);
            add_member(&file, codings[i], one.data, one.size);
        }
        scratch_write("large", file.data, file.size);
        assert_int_equal(compare("large", CORPUS_CUT_LEAD_BYTES + CORPUS_CUT_LEAD_BYTES / 4), 2);
        q_buffer_release(&one);
    }
}

static void test_one_member_is_one_piece(void **state)
{
    (void)state;
    uint64_t dice = 3;
    struct q_buffer plain = {0};
    size_t count;
    q_buffer_clear(&file);
    add_records("", "response", &dice, (q_string){0});
    plain = file;
    file = (struct q_buffer){0};
    add_member(&file, "gzip", plain.data, plain.size);
    scratch_write("one.warc.gz", file.data, file.size);
    assert_ok(read_pieces("one.warc.gz", 3000, &plain, &count));
    assert_int_equal(count, 1);
    q_buffer_release(&plain);
}

/* A crawl within a record: a cut in the middle of it is wrong, and that is said; where the search begins before it, none lies in it. */
static void test_crawl_within_a_crawl(void **state)
{
    (void)state;
    static const char *const codings[] = {"", "gzip"};
    for (size_t i = 0; i < Q_COUNT_OF(codings); i++) {
        uint64_t dice = 21;
        struct q_buffer inner = {0}, one = {0}, lines = {0};
        size_t count;
        while (inner.size < 3 * CORPUS_CUT_LEAD_BYTES) {
            fill_block(&dice, 3000);
            struct made_record record = made("response");
            q_buffer_clear(&one);
            add_record(&one, 1, &record);
            add_member(&inner, codings[i], one.data, one.size);
        }
        q_buffer_clear(&file);
        for (unsigned k = 0; k < 3; k++) {
            q_buffer_clear(&one);
            struct made_record record = made("resource");
            if (k == 1) {
                record.block = inner.data;
                record.size = inner.size;
                record.content_type = "application/warc";
            }
            q_buffer_clear(&one);
            add_record(&one, k, &record);
            add_member(&file, codings[i], one.data, one.size);
        }
        scratch_write("nested.warc.gz", file.data, file.size);
        assert_fails(read_pieces("nested.warc.gz", file.size / 2 - 1, &lines, &count), Q_ERR_INPUT,
                     "a record that holds others lies there; set corpus.part_bytes to");
        assert_int_equal(compare("nested.warc.gz", file.size / 2 + 1), 1);
        q_buffer_release(&inner);
        q_buffer_release(&one);
        q_buffer_release(&lines);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_hold_the_whole),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_search_within_a_file),
        cmocka_unit_test(test_one_member_is_one_piece),
        cmocka_unit_test(test_crawl_within_a_crawl),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
