/* Parquet through Arrow: the same lines as JSON lines of the same rows, damage, bounds. Where the build has no Arrow: a reason that says so. */
#include "base/check.h"
#include "base/fs.h"
#include "corpus/read/parquet.h"
#include "corpus/read/reader.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"
#include "tests/corpus/make_archive.h"
#include "tests/corpus/plain_table.h"

#include <stdio.h>
#include <string.h>

#define GOLDEN QUERN_SOURCE "/tests/corpus/golden/"
enum { ROWS = 10, GROUP_ROWS = 4 };

static const struct corpus_reader_options usual = {.item_bytes_max = 1 << 20, .unpack_ratio_max = 300, .depth_max = 4};
static struct q_buffer parquet, lines, items;

/* The items of a file as table_item_line writes them, the name first where there is one. */
static q_status read_all(const char *path, const struct corpus_reader_options *options)
{
    struct corpus_reader *reader;
    struct corpus_item item;
    bool more = true;
    q_buffer_clear(&items);
    Q_TRY(corpus_reader_open(path, options, &reader));
    q_status status = Q_OK;
    uint64_t next = 0;
    while (status == Q_OK) {
        status = corpus_reader_next(reader, &item, &more);
        if (status != Q_OK || !more)
            break;
        assert_true(item.index >= next);
        next = item.index + 1;
        if (item.name.size)
            status = q_buffer_printf(&items, "%.*s ", Q_STRING_ARGS(item.name));
        table_item_line(&item, &items);
    }
    corpus_reader_close(reader);
    return status == Q_OK ? q_buffer_terminate(&items) : status;
}

static int enter(void **state)
{
    assert_ok(q_fs_read_file(GOLDEN "rows.parquet", 1 << 20, &parquet));
    assert_ok(q_fs_read_file(GOLDEN "rows.jsonl", 1 << 20, &lines));
    return scratch_enter(state);
}

static int leave(void **state)
{
    q_buffer_release(&parquet);
    q_buffer_release(&lines);
    q_buffer_release(&items);
    return scratch_leave(state);
}

static void need_arrow(void)
{
    if (!corpus_reads_parquet())
        skip();
}

/* Appends what the reader says of the rows from..to of rows.jsonl, under a name; `raw`: the column that is left out too. */
static void expect_rows(struct q_buffer *out, const char *name, size_t from, size_t to, bool raw)
{
    q_string rest = q_buffer_string(&lines), line;
    for (size_t i = 0; q_string_next_line(&rest, &line); i++)
        if (i >= from && i < to)
            assert_ok(q_buffer_printf(out, "%s%s%zu %zu: %.*s\n", name, name[0] ? " " : "", i, line.size,
                                      Q_STRING_ARGS(line)));
    if (raw)
        assert_ok(q_buffer_printf(out, "%s%sraw %d 0 -column: \n", name, name[0] ? "/" : "", ROWS));
    assert_ok(q_buffer_terminate(out));
}

static void test_without_arrow(void **state)
{
    (void)state;
    if (corpus_reads_parquet())
        skip();
    scratch_write("a.parquet", parquet.data, parquet.size);
    assert_ok(read_all("a.parquet", &usual));
    assert_non_null(strstr(items.data, " !no-arrow: this program was built without Arrow C++"));
    assert_null(strchr(strchr(items.data, '\n') + 1, '\n'));
}

static void test_rows(void **state)
{
    (void)state;
    struct q_buffer wanted = {0}, packed = {0};
    struct corpus_reader_options stated = usual;
    stated.format = Q_FORMAT_PARQUET;
    need_arrow();
    expect_rows(&wanted, "", 0, ROWS, true);
    scratch_write("a.parquet", parquet.data, parquet.size);
    assert_ok(read_all("a.parquet", &usual));
    assert_string_equal(items.data, wanted.data);
    scratch_write("unnamed", parquet.data, parquet.size);
    assert_ok(read_all("unnamed", &usual));
    assert_string_equal(items.data, wanted.data);
    make_archive("raw", "gzip", &(struct made_entry){"", parquet.data, parquet.size}, 1, &packed);
    scratch_write("a.parquet.gz", packed.data, packed.size);
    assert_ok(read_all("a.parquet.gz", &usual));
    assert_string_equal(items.data, wanted.data);
    const struct made_entry entry = {"in/a.parquet", parquet.data, parquet.size};
    make_archive("tar", "zstd", &entry, 1, &packed);
    scratch_write("a.tar.zst", packed.data, packed.size);
    assert_ok(read_all("a.tar.zst", &usual)); /* nobody asked for tables */
    assert_non_null(strstr(items.data, "in/a.parquet 0 "));
    assert_non_null(strstr(items.data, " -format: \n"));
    assert_ok(read_all("a.tar.zst", &stated));
    q_buffer_clear(&wanted);
    expect_rows(&wanted, "in/a.parquet", 0, ROWS, true);
    assert_string_equal(items.data, wanted.data);
    stated.format = Q_FORMAT_JSONL; /* a folder may hold both */
    assert_ok(read_all("a.parquet", &stated));
    assert_true(q_string_starts(q_buffer_string(&items), "0 ") &&
                q_string_ends(q_buffer_string(&items), "-not-text: \n"));
    stated.format = Q_FORMAT_PARQUET;
    stated.item_bytes_max = parquet.size - 1;
    assert_ok(read_all("a.tar.zst", &stated));
    assert_non_null(strstr(items.data, " !too-large: "));
    q_buffer_release(&wanted);
    q_buffer_release(&packed);
}

static void test_other_columns(void **state)
{
    (void)state;
    struct corpus_reader_options options = usual;
    need_arrow();
    scratch_write("a.parquet", parquet.data, parquet.size);
    options.text_field = "title";
    assert_ok(read_all("a.parquet", &options));
    assert_non_null(strstr(items.data, "\"title\":\"Row 9\"")); /* the same row: who reads it takes the other member */
    options.text_field = "raw";                                 /* bytes may be a text */
    assert_ok(read_all("a.parquet", &options));
    assert_non_null(strstr(items.data, "\"raw\":\"\xFF"
                                       "9\""));
    assert_null(strstr(items.data, "-column"));
    options.text_field = "score";
    assert_ok(read_all("a.parquet", &options));
    assert_non_null(strstr(items.data, "0 !no-text-column\n"));
    options.text_field = "body";
    assert_ok(read_all("a.parquet", &options));
    assert_string_equal(items.data, "0 !no-text-column\n");
    options = usual;
    options.item_bytes_max = 300;
    assert_ok(read_all("a.parquet", &options));
    assert_non_null(strstr(items.data, "!too-large: row 9: "));
}

/* A page of the second row group is damaged: its rows are one failed item, the other groups are read, and all have the numbers that they had. */
static void test_damaged_group(void **state)
{
    (void)state;
    need_arrow();
    struct q_buffer wanted = {0};
    size_t found = 0;
    for (size_t at = 4; at + 4 < parquet.size; at++) {
        if (memcmp(parquet.data + at, "\x28\xB5\x2F\xFD", 4) != 0 ||
            ++found != 3) /* zstd: text, tags; text of the second */
            continue;
        parquet.data[at] ^= 1;
        scratch_write("a.parquet", parquet.data, parquet.size);
        parquet.data[at] ^= 1;
        assert_ok(read_all("a.parquet", &usual));
    }
    expect_rows(&wanted, "", 0, GROUP_ROWS, false);
    assert_true(q_string_starts(q_buffer_string(&items), wanted.data));
    const char *bad = items.data + wanted.size;
    assert_int_equal(strncmp(bad, "4 0 !parquet-damaged: row 4: ", 29), 0);
    q_buffer_clear(&wanted);
    expect_rows(&wanted, "", 2 * GROUP_ROWS, ROWS, true);
    assert_string_equal(strchr(bad, '\n') + 1, wanted.data);
    q_buffer_release(&wanted);
}

/* Cut anywhere, or any one byte changed: items or reasons. */
static void test_damage(void **state)
{
    (void)state;
    need_arrow();
    uint64_t dice = 3 + dice_turn();
    for (size_t cut = 1; cut < parquet.size; cut += 97) {
        scratch_write("a.parquet", parquet.data, cut);
        assert_ok(read_all("a.parquet", &usual));
        assert_true(q_string_starts(q_buffer_string(&items), "0 "));
        assert_non_null(strstr(items.data, " !parquet-damaged: "));
    }
    for (unsigned round = 0; round < 1500; round++) {
        size_t at = round % 2 ? parquet.size - 1 - dice_roll(&dice) % 4000 : dice_roll(&dice) % parquet.size;
        char was = parquet.data[at];
        parquet.data[at] = (char)dice_roll(&dice);
        scratch_write("a.parquet", parquet.data, parquet.size);
        parquet.data[at] = was;
        assert_ok(read_all("a.parquet", &usual));
        assert_true(items.size > 0);
    }
    static const char lies[] = "PAR1....\xFF\xFF\xFF\x7FPAR1", encrypted[] = "PAR1....\4\0\0\0PARE";
    scratch_write("a.parquet", lies, sizeof lies - 1);
    assert_ok(read_all("a.parquet", &usual));
    assert_non_null(strstr(items.data, "!parquet-damaged: its footer says to be of 2147483647 bytes"));
    scratch_write("a.parquet", encrypted, sizeof encrypted - 1);
    assert_ok(read_all("a.parquet", &usual));
    assert_non_null(strstr(items.data, "!parquet-damaged: it is encrypted"));
}

#ifdef QUERN_ARROW
static bool read_bytes(void *context, uint64_t offset, void *bytes, size_t size, q_status *status)
{
    (void)context, (void)status;
    assert_true(offset <= parquet.size && size <= parquet.size - offset);
    memcpy(bytes, parquet.data + offset, size);
    return true;
}

/* What there is no memory for is refused, group by group; with enough the same file is read. */
static void test_memory_limit(void **state)
{
    (void)state;
    const struct parquet_source source = {NULL, parquet.size, read_bytes};
    struct parquet_result result;
    struct parquet_file *file;
    bool opened = false, whole = false;
    for (uint64_t limit = 1 << 10; !whole; limit *= 2) {
        const struct parquet_options options = {"text", limit, 1 << 20};
        assert_ok(parquet_open(&source, &options, &file, &result));
        assert_true(!file == !!result.reason);
        if (!file) {
            assert_string_equal(result.reason, "too-large");
            assert_false(opened);
            continue;
        }
        opened = true;
        unsigned rows = 0, bad = 0;
        do {
            q_buffer_clear(&items);
            assert_ok(parquet_next(file, &items, &result));
            rows += result.step == PARQUET_ROW;
            bad += result.step == PARQUET_BAD;
            if (result.step == PARQUET_BAD)
                assert_string_equal(result.reason, "too-large");
        } while (result.step != PARQUET_END);
        assert_true((rows == ROWS && !bad) || (rows < ROWS && bad));
        whole = rows == ROWS;
        parquet_close(file);
        assert_true(limit < (64 << 20));
    }
}

#else
static void test_memory_limit(void **state)
{
    (void)state;
    skip();
}
#endif

/* The disk's failures are statuses. */
static void test_failing_disk(void **state)
{
    (void)state;
    need_arrow();
    scratch_write("a.parquet", parquet.data, parquet.size);
    unsigned failed = 0;
    for (uint64_t k = 1;; k++) {
        fault_fs_start(FAULT_FAIL, k);
        q_status status = read_all("a.parquet", &usual);
        if (!fault_fs_stop())
            break;
        failed += status != Q_OK;
        assert_true(status == Q_ERR_SYSTEM || status == Q_ERR_INPUT || status == Q_OK);
        if (status == Q_OK) /* a failed close loses nothing */
            assert_non_null(strstr(items.data, "\"title\":\"Row 9\""));
    }
    assert_true(failed > 20); /* every page of every column */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_arrow), cmocka_unit_test(test_rows),   cmocka_unit_test(test_other_columns),
        cmocka_unit_test(test_damaged_group), cmocka_unit_test(test_damage), cmocka_unit_test(test_memory_limit),
        cmocka_unit_test(test_failing_disk),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
