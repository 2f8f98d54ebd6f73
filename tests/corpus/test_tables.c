/* Rows of CSV and TSV: against the plain twin, over blocks cut anywhere; what is met in the wild; where tables are read and where not. */
#include "base/check.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/jsonl.h"
#include "corpus/read/reader.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"
#include "tests/corpus/make_archive.h"
#include "tests/corpus/plain_table.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct corpus_reader_options usual = {.item_bytes_max = 1 << 20, .unpack_ratio_max = 300, .depth_max = 4};
static struct q_buffer items, wanted, packed;

/* The items of a file as lines (table_item_line); with names: "NAME " before each. */
static q_status read_all(const char *path, const struct corpus_reader_options *options, bool names)
{
    struct corpus_reader *reader;
    struct corpus_item item;
    bool more = true;
    q_buffer_clear(&items);
    Q_TRY(corpus_reader_open(path, options, &reader));
    q_status status = Q_OK;
    while (status == Q_OK) {
        status = corpus_reader_next(reader, &item, &more);
        if (status != Q_OK || !more)
            break;
        if (names)
            status = q_buffer_printf(&items, "%.*s ", Q_STRING_ARGS(item.name));
        if (status == Q_OK)
            table_item_line(&item, &items);
    }
    corpus_reader_close(reader);
    return status == Q_OK ? q_buffer_terminate(&items) : status;
}

static void expect_with(const struct corpus_reader_options *options, const char *path, const void *bytes, size_t size,
                        const char *lines)
{
    scratch_write(path, bytes, size);
    assert_ok(read_all(path, options, false));
    assert_string_equal(items.data, lines);
}
#define EXPECT(path, literal, lines) expect_with(&usual, path, literal, sizeof(literal) - 1, lines)

/* --- what rows are ----------------------------------------------------------------------------------------------------------------- */

static void test_rows(void **state)
{
    (void)state;
    EXPECT("a.csv", "text,id\none,1\ntwo,2",
           "0 5: {\"text\":\"one\",\"id\":\"1\"}\n1 5: {\"text\":\"two\",\"id\":\"2\"}\n");
    EXPECT("a.csv", "\xEF\xBB\xBFid;text\r\n1;\"a \"\"b\"\";\r\nc\"\r\n\r\n2;x\"y\r\n",
           "0 16: {\"id\":\"1\",\"text\":\"a \\\"b\\\";\\r\\nc\"}\n1 6: {\"id\":\"2\",\"text\":\"x\\\"y\"}\n");
    EXPECT("a.tsv", "text\ta,b;c\n1,2\t\"3\" 4\n\"\t5\n",
           "0 9: {\"text\":\"1,2\",\"a,b;c\":\"\\\"3\\\" 4\"}\n1 3: {\"text\":\"\\\"\",\"a,b;c\":\"5\"}\n");
    EXPECT("a.csv", "a\ttext\n\t\n", "0 1: {\"a\":\"\",\"text\":\"\"}\n"); /* CSV by name, with tabs */
    EXPECT("a.csv", "\"a,b,c\";text\n1;2\n", "0 3: {\"a,b,c\":\"1\",\"text\":\"2\"}\n");
    EXPECT("a.csv", "text\na\rb\n\nc\r\r\n", "0 3: {\"text\":\"a\\rb\"}\n1 3: {\"text\":\"c\"}\n");
    EXPECT("a.csv", ",text,\n0,a,\n",
           "0 4: {\"text\":\"a\"}\n"); /* columns without a name, as spreadsheets write them */
    EXPECT("a.csv", "text\n\xFF\n", "0 1: {\"text\":\"\xFF\"}\n"); /* who reads the line says that it is not UTF-8 */
}

static void test_bad_rows(void **state)
{
    (void)state;
    EXPECT("a.csv", "text,b\n1\n1,2\n1,2,3\n1,\"2\"x\n1,2\n1,\"2\n3,4\n",
           "0 1 !row-fields: row 2, at byte 7: 1 fields, the header has 2\n"
           "1 3: {\"text\":\"1\",\"b\":\"2\"}\n"
           "2 5 !row-fields: row 4, at byte 13: 3 fields, the header has 2\n"
           "3 6 !row-quote: row 5, at byte 19: text behind a closing quote\n"
           "4 3: {\"text\":\"1\",\"b\":\"2\"}\n"
           "5 9 !row-quote: row 7, at byte 30: a quote is left open\n");
    struct corpus_reader_options small = usual;
    small.item_bytes_max = 20;
    static const char rows[] = "text\n123456789\n1234567890\n\"\"\"\"\"\"\"\"\"\"\"\"\"\"\n1\n";
    expect_with(&small, "a.csv", rows, sizeof rows - 1,
                "0 9: {\"text\":\"123456789\"}\n" /* 20 bytes */
                "1 10 !too-large: row 3, at byte 15: it is larger than corpus.item_bytes_max\n"
                "2 14 !too-large: row 4, at byte 26: it is larger than corpus.item_bytes_max\n"
                "3 1: {\"text\":\"1\"}\n");
}

static void test_no_table(void **state)
{
    (void)state;
    struct q_buffer header = {0};
    EXPECT("a.csv", "a,b\n1,2\n1,2\n1,2\n", "0 !no-text-column\n");
    EXPECT("a.csv", "text,a,text\n1,2,3\n", "0 !table-header\n");
    EXPECT("a.csv", "text,\"a\n1,2,3\n", "0 !table-header\n");
    EXPECT("a.csv", "text,\xE9\n1,2\n", "0 !table-header\n");
    EXPECT("a.csv", "text,\0\n1,2\n", "0 !table-header\n");
    EXPECT("a.csv", "\xFF\xFEt\0e\0", "0 !table-header\n");
    EXPECT("a.csv", "text,a\n", "0 0 -empty: \n");
    EXPECT("a.csv", "\r\n\n", "0 0 -empty: \n");
    EXPECT("a.csv", "", "0 0 -empty: \n");
    for (unsigned i = 0; i < 127; i++)
        assert_ok(q_buffer_append_byte(&header, 'n'));
    assert_ok(q_buffer_append_string(&header, Q_STRING(",text\n1,2\n")));
    scratch_write("a.csv", header.data, header.size);
    assert_ok(read_all("a.csv", &usual, false));
    assert_non_null(strstr(items.data, "\"text\":\"2\"}"));
    q_buffer_clear(&header);
    for (unsigned i = 0; i < 128; i++)
        assert_ok(q_buffer_append_byte(&header, 'n'));
    assert_ok(q_buffer_append_string(&header, Q_STRING(",text\n1,2\n")));
    expect_with(&usual, "a.csv", header.data, header.size, "0 !table-header\n");
    q_buffer_clear(&header);
    for (unsigned i = 0; header.size <= CORPUS_SNIFF_BYTES; i++)
        assert_ok(q_buffer_printf(&header, "c%u,", i));
    assert_ok(q_buffer_append_string(&header, Q_STRING("text\n1,2\n")));
    expect_with(&usual, "a.csv", header.data, header.size, "0 !table-header\n");
    q_buffer_release(&header);
}

/* What is wrong with a table is said once, and with what there is instead. */
static void test_notes_of_tables(void **state)
{
    (void)state;
    struct corpus_reader *reader;
    struct corpus_item item;
    bool more;
    scratch_write("a.csv", "id,bo\ndy,url\n1,2,3\n", 19);
    struct corpus_reader_options options = usual;
    options.text_field = "content";
    assert_ok(corpus_reader_open("a.csv", &options, &reader));
    assert_ok(corpus_reader_next(reader, &item, &more));
    assert_true(more && item.failed && item.in_bytes == 19);
    assert_string_equal(item.note,
                        "no column is named 'content'; say which one is the text with text_field: 'id', 'bo'");
    assert_ok(corpus_reader_next(reader, &item, &more));
    assert_false(more);
    corpus_reader_close(reader);
    options.text_field = "bo";
    expect_with(&options, "a.csv", "id,bo\n1,2\n", 10, "0 3: {\"id\":\"1\",\"bo\":\"2\"}\n");
}

/* --- where they are ---------------------------------------------------------------------------------------------------------------- */

static void test_archives(void **state)
{
    (void)state;
    struct q_buffer gz = {0};
    struct corpus_reader_options csv = usual, tsv = usual, html = usual;
    csv.format = Q_FORMAT_CSV;
    tsv.format = Q_FORMAT_TSV;
    html.format = Q_FORMAT_HTML;
    const struct made_entry one = {"", "text,a\n1,2\n", 0};
    make_archive("raw", "gzip", &one, 1, &gz);
    expect_with(&usual, "one.csv.gz", gz.data, gz.size, "0 3: {\"text\":\"1\",\"a\":\"2\"}\n");
    const struct made_entry tabs = {"", "a,b\ttext\n1\t2\n", 0};
    make_archive("raw", "zstd", &tabs, 1, &packed);
    expect_with(&usual, "one.tsv.zst", packed.data, packed.size, "0 3: {\"a,b\":\"1\",\"text\":\"2\"}\n");
    const struct made_entry entries[] = {{"a.csv", "text\nx\n", 0},       {"b.csv.gz", gz.data, gz.size},
                                         {"c.txt", "prose", 0},           {"d.csv", "no,table\n1,2\n", 0},
                                         {"e.tsv", "text\tb\nx\ty\n", 0}, {"f.csv", "text\nz\n", 0}};
    make_archive("tar", "xz", entries, Q_COUNT_OF(entries), &packed);
    scratch_write("t.tar.xz", packed.data, packed.size);
    assert_ok(read_all("t.tar.xz", &usual, true));
    assert_string_equal(items.data,
                        "a.csv 0 7 -format: \nb.csv.gz 1 11 -format: \nc.txt 2 5: prose\nd.csv 3 13 -format: \n"
                        "e.tsv 4 11 -format: \nf.csv 5 7 -format: \n");
    assert_ok(read_all("t.tar.xz", &csv, true));
    assert_string_equal(items.data, "a.csv 0 1: {\"text\":\"x\"}\nb.csv.gz 1 3: {\"text\":\"1\",\"a\":\"2\"}\n"
                                    "c.txt 2 5 -format: \nd.csv 3 !no-text-column\ne.tsv 4 11 -format: \n"
                                    "f.csv 5 1: {\"text\":\"z\"}\n");
    assert_ok(read_all("t.tar.xz", &tsv, true));
    assert_non_null(strstr(items.data, "e.tsv 4 3: {\"text\":\"x\",\"b\":\"y\"}\n"));
    assert_non_null(strstr(items.data, "a.csv 0 7 -format"));
    expect_with(&csv, "rows", "text;b\n1;2\n", 11,
                "0 3: {\"text\":\"1\",\"b\":\"2\"}\n"); /* the file itself: as stated */
    expect_with(&tsv, "rows", "text;b\n1;2\n", 11, "0 !no-text-column\n");
    expect_with(&html, "a.csv", "text;b\n1;2\n", 11, "0 11: text;b\n1;2\n\n");
    q_buffer_release(&gz);
}

/* A row that the damage of the file around it cut is none. */
static void test_truncated(void **state)
{
    (void)state;
    struct q_buffer rows = {0};
    assert_ok(q_buffer_append_string(&rows, Q_STRING("n,text\n")));
    for (unsigned i = 0; i < 40000; i++)
        assert_ok(q_buffer_printf(&rows, "%u,\"%u\"\n", i, i * 7919 % 10007));
    make_archive("raw", "gzip", &(struct made_entry){"", rows.data, rows.size}, 1, &packed);
    scratch_write("cut.csv.gz", packed.data, packed.size / 2);
    assert_ok(read_all("cut.csv.gz", &usual, false));
    const char *bad = strchr(items.data, '!');
    assert_non_null(bad);
    assert_int_equal(strncmp(bad, "!archive-truncated", 18), 0);
    assert_null(strchr(bad + 1, '!'));
    assert_ptr_equal(strchr(bad, '\n') + 1, items.data + items.size);
    assert_in_range(items.size, 100000, 2000000);
    q_buffer_release(&rows);
}

/* --- the twin ---------------------------------------------------------------------------------------------------------------------- */

static uint64_t dice;
static size_t piece_max;

static ssize_t short_pread(int fd, void *bytes, size_t count, off_t offset)
{
    size_t size = 1 + dice_roll(&dice) % piece_max;
    return pread(fd, bytes, Q_MIN(count, size), offset);
}

static void compare(const char *path, const struct corpus_reader_options *options, q_string bytes)
{
    q_buffer_clear(&wanted);
    plain_table(bytes, q_string_ends(q_string_of(path), ".tsv"), "text", options->item_bytes_max, &wanted);
    assert_ok(q_buffer_terminate(&wanted));
    scratch_write(path, bytes.data, bytes.size);
    assert_ok(read_all(path, options, false));
    assert_string_equal(items.data, wanted.data);
}

static void roll_rows(struct q_buffer *out, size_t count)
{
    static const char *const parts[] = {"\"", "\"\"", ",", ",",    "\n",   "\n", "\r\n", "\r", ";",          "\t",
                                        "a",  "b c",  "x", "\xC3", "\xA9", "\\", "\x01", "\0", "\",\"words", "\"\n"};
    for (size_t i = 0; i < count; i++) {
        size_t k = dice_roll(&dice) % Q_COUNT_OF(parts);
        assert_ok(q_buffer_append(out, parts[k], Q_MAX(strlen(parts[k]), (size_t)1)));
    }
}

/* Random rows, small enough to be read in one block. */
static void test_twin(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "text,b\n", "a,text,\n", "text\n", "\"text\";b;c\r\n", "\xEF\xBB\xBF\ntext\tb\n", ""};
    struct q_buffer rows = {0};
    struct corpus_reader_options options = usual;
    dice = 1 + dice_turn();
    for (unsigned round = 0; round < 6000; round++) {
        q_buffer_clear(&rows);
        assert_ok(q_buffer_append_string(&rows, q_string_of(headers[round % Q_COUNT_OF(headers)])));
        roll_rows(&rows, dice_roll(&dice) % 40);
        options.item_bytes_max = round % 3 ? 1 << 20 : 24 + dice_roll(&dice) % 20;
        if (rows.size && !corpus_is_archive(q_buffer_string(&rows)))
            compare(round % 5 ? "t.csv" : "t.tsv", &options, q_buffer_string(&rows));
    }
    q_buffer_release(&rows);
}

/* The same rows behind so many empty lines that they lie behind what is peeked at, in blocks of a few bytes each. */
static void test_blocks(void **state)
{
    (void)state;
    struct q_fs_calls calls = q_fs_system;
    struct q_buffer rows = {0};
    calls.pread = short_pread;
    dice = 2 + dice_turn();
    for (unsigned round = 0; round < 60; round++) {
        q_buffer_clear(&rows);
        assert_ok(q_buffer_append_string(&rows, Q_STRING("text,b\n")));
        while (rows.size < CORPUS_SNIFF_BYTES - 10)
            assert_ok(q_buffer_append_byte(&rows, '\n'));
        roll_rows(&rows, 300);
        piece_max = CORPUS_SNIFF_BYTES;
        compare("t.csv", &usual, q_buffer_string(&rows));
        struct q_buffer whole = items;
        items = (struct q_buffer){0};
        piece_max = 1 + round % 7;
        q_fs_replace(&calls);
        q_status status = read_all("t.csv", &usual, false);
        q_fs_replace(NULL);
        assert_ok(status);
        assert_string_equal(items.data, whole.data);
        q_buffer_release(&whole);
    }
    q_buffer_release(&rows);
}

/* A row far larger than a block, whose fields come through many of them. */
static void test_long_rows(void **state)
{
    (void)state;
    struct q_buffer rows = {0};
    assert_ok(q_buffer_append_string(&rows, Q_STRING("a,text\n1,\"")));
    for (unsigned i = 0; i < 60000; i++)
        assert_ok(q_buffer_printf(&rows, "line %u, \"\"quoted\"\"\r\n", i));
    assert_ok(q_buffer_append_string(&rows, Q_STRING("\"\n2,short\n")));
    struct corpus_reader_options wide = usual;
    wide.item_bytes_max = 4 << 20;
    compare("t.csv", &wide, q_buffer_string(&rows));
    assert_true(q_string_starts(q_buffer_string(&items), "0 1"));
    compare("t.csv", &usual, q_buffer_string(&rows)); /* too large, and the next one is not */
    assert_non_null(strstr(items.data, "!too-large"));
    assert_non_null(strstr(items.data, "1 7: {\"a\":\"2\",\"text\":\"short\"}\n"));
    q_buffer_release(&rows);
}

/* --- the machine ------------------------------------------------------------------------------------------------------------------- */

static void test_failing_disk_and_memory(void **state)
{
    (void)state;
    static const char rows[] = "text,b\n1,2\n3\n\"4\n";
    scratch_write("a.csv", rows, sizeof rows - 1);
    for (uint64_t k = 1;; k++) {
        fault_fs_start(FAULT_FAIL, k);
        q_status status = read_all("a.csv", &usual, false);
        if (!fault_fs_stop())
            break;
        assert_true(status == Q_ERR_SYSTEM || status == Q_ERR_INPUT ||
                    status == Q_OK); /* a failed close loses nothing */
    }
    for (uint64_t k = 1;; k++) {
        struct corpus_reader *reader = NULL;
        struct corpus_item item;
        bool more = true;
        q_memory_fail_at(k, 0);
        q_status status = corpus_reader_open("a.csv", &usual, &reader);
        while (status == Q_OK && more)
            status = corpus_reader_next(reader, &item, &more);
        q_memory_fail_at(0, 0);
        corpus_reader_close(reader);
        if (status == Q_OK)
            break;
        assert_int_equal(status, Q_ERR_MEMORY);
        assert_true(k < 1000);
    }
}

static int leave(void **state)
{
    q_buffer_release(&items);
    q_buffer_release(&wanted);
    q_buffer_release(&packed);
    return scratch_leave(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),      cmocka_unit_test(test_bad_rows),
        cmocka_unit_test(test_no_table),  cmocka_unit_test(test_notes_of_tables),
        cmocka_unit_test(test_archives),  cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_twin),      cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_long_rows), cmocka_unit_test(test_failing_disk_and_memory),
    };
    return cmocka_run_group_tests(tests, scratch_enter, leave);
}
