/* Readers: every container, archives in archives, damage, bombs, names; what a file is. */
#include "base/check.h"
#include "base/json.h"
#include "corpus/read/reader.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"
#include "tests/corpus/make_archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct corpus_reader_options usual = {.item_bytes_max = 1 << 20, .unpack_ratio_max = 300, .depth_max = 4};
static struct q_buffer log_text, packed;

/* Reads a file to its end into log_text, a line an item: "NAME#INDEX format: bytes" or "NAME#INDEX !reason" (failed) or "... -reason". */
static q_status read_all(const char *path, const struct corpus_reader_options *options)
{
    struct corpus_reader *reader;
    struct corpus_item item;
    bool more = true;
    q_buffer_clear(&log_text);
    Q_TRY(corpus_reader_open(path, options, &reader));
    q_status status = Q_OK;
    while (status == Q_OK) {
        status = corpus_reader_next(reader, &item, &more);
        if (status != Q_OK || !more)
            break;
        assert_true(q_utf8_valid(item.name));
        if (item.reason)
            status = q_buffer_printf(&log_text, "%.*s#%d %c%s\n", Q_STRING_ARGS(item.name), (int)item.index,
                                     item.failed ? '!' : '-', item.reason);
        else
            status = q_buffer_printf(&log_text, "%.*s#%d %s: %.*s\n", Q_STRING_ARGS(item.name), (int)item.index,
                                     corpus_format_name(item.format), Q_STRING_ARGS(q_string_slice(item.bytes, 0, 60)));
    }
    corpus_reader_close(reader);
    return status == Q_OK ? q_buffer_terminate(&log_text) : status;
}

static void expect(const char *path, const void *bytes, size_t size, const struct corpus_reader_options *options,
                   const char *wanted)
{
    scratch_write(path, bytes, size);
    assert_ok(read_all(path, options));
    assert_string_equal(log_text.data ? log_text.data : "", wanted);
}
#define EXPECT(path, literal, wanted) expect(path, literal, sizeof(literal) - 1, &usual, wanted)
#define EXPECT_PACKED(path, wanted) expect(path, packed.data, packed.size, &usual, wanted)

static void test_single_files(void **state)
{
    (void)state;
    EXPECT("a.txt", "some text\n", "#0 text: some text\n\n");
    EXPECT("a", "<!doctype html><p>x", "#0 html: <!doctype html><p>x\n");
    EXPECT("a.html", "<p>x", "#0 html: <p>x\n");
    EXPECT("b", ".TH X 1\n.SH NAME\n", "#0 man: .TH X 1\n.SH NAME\n\n");
    EXPECT("m", ".de1 X\n\\\\$1 level\n..\n.\n'br\n.if n \\\n \\{\\\n.TH X 1\nm\n",
           "#0 man: .de1 X\n\\\\$1 level\n..\n.\n'br\n.if n \\\n \\{\\\n.TH X 1\nm\n\n");
    EXPECT("n", ".profile is read\nfirst\n.TH X 1\n", "#0 text: .profile is read\nfirst\n.TH X 1\n\n");
    EXPECT("a.jsonl", "{\"text\":1}\n\n{\"text\":2}", "#0 jsonl: {\"text\":1}\n#12 jsonl: {\"text\":2}\n");
    EXPECT("data.json", "{\"a\":1}\n{\"a\":2}\n", "#0 jsonl: {\"a\":1}\n#8 jsonl: {\"a\":2}\n");
    EXPECT("one.json", "{\n \"a\": 1\n}\n", "#0 -format\n");
    EXPECT("mill.pas", "{ a comment }\n{ another }\n", "#0 text: { a comment }\n{ another }\n\n");
    EXPECT("empty", "", "#0 -empty\n");
    EXPECT("empty.jsonl", "", "#0 -empty\n");
    EXPECT("x.png", "\x89PNG\r\n\x1A\n\0\0", "#0 -not-text\n");
    EXPECT("x.txt", "abc\0def", "#0 -not-text\n");
    EXPECT("x.css", "p { margin: 0 }", "#0 -format\n");
    EXPECT("x.mjs", "let x = 1;", "#0 script: let x = 1;\n");
    EXPECT("x.tsx", "{\"a\": 1}", "#0 script: {\"a\": 1}\n");        /* whatever it looks like, */
    EXPECT("x.ts", "\xEF\xBB\xBF<!DOCTYPE TS><TS>", "#0 -format\n"); /* but for Qt's translations */
    EXPECT("y.ts", "<?xml version='1.0'?>", "#0 -format\n");
    EXPECT("z.ts", "G@\x11\0", "#0 -not-text\n"); /* and streams of MPEG */
    EXPECT("old.tar.gz", "not an archive", "#0 !archive-damaged\n");
    EXPECT("y", "<?xml version='1.0'?><svg/>", "#0 -format\n");
    EXPECT("wide.txt", "\xFF\xFEh\0i\0", "#0 text: \xFF\xFEh\n"); /* UTF-16 is text (printed up to its NUL) */
}

static void test_absent_file(void **state)
{
    (void)state;
    assert_fails(read_all("nowhere", &usual), Q_ERR_INPUT, "nowhere");
}

static const struct made_entry pages[] = {
    {"./docs/a.html", "<p>a", 0}, {"docs/pic.png", "\x89PNG", 0}, {"docs/b.txt", "b", 0}};
#define PAGES "docs/a.html#0 html: <p>a\ndocs/pic.png#1 -not-text\ndocs/b.txt#2 text: b\n"

static void test_every_archive(void **state)
{
    (void)state;
    static const char *const formats[] = {"tar", "pax", "zip", "7z", "cpio"}, *const filters[] = {"", "gzip", "xz",
                                                                                                  "zstd", "bzip2"};
    for (size_t f = 0; f < Q_COUNT_OF(formats); f++)
        for (size_t c = 0; c < Q_COUNT_OF(filters); c++) {
            bool own =
                strcmp(formats[f], "zip") == 0 || strcmp(formats[f], "7z") == 0; /* they compress by themselves */
            if (own && c)
                continue;
            make_archive(formats[f], filters[c], pages, 3, &packed);
            EXPECT_PACKED("packed", PAGES); /* by content, the name says nothing */
        }
    make_archive("raw", "gzip", &pages[0], 1, &packed);
    EXPECT_PACKED("page.html.gz", "#0 html: <p>a\n");
    make_archive("raw", "gzip", &(struct made_entry){"", "", 0}, 1, &packed);
    EXPECT_PACKED("empty.txt.gz", "#0 -empty\n");
    const struct made_entry lines = {"", "{\"text\":\"1\"}\n{\"text\":\"2\"}\n", 0};
    make_archive("raw", "zstd", &lines, 1, &packed);
    EXPECT_PACKED("lines.jsonl.zst", "#0 jsonl: {\"text\":\"1\"}\n#13 jsonl: {\"text\":\"2\"}\n");
}

static void test_archives_within(void **state)
{
    (void)state;
    struct q_buffer lines = {0}, zip = {0}, seven = {0};
    make_archive("raw", "gzip", &(struct made_entry){"", "{\"text\":\"x\"}\n", 0}, 1, &lines);
    make_archive("zip", "", pages, 3, &zip);
    make_archive("7z", "", pages, 1, &seven);
    const struct made_entry entries[] = {{"./usr/share/doc/a.html", "<p>a", 0},
                                         {"./usr/share/doc/l.jsonl.gz", lines.data, lines.size},
                                         {"./usr/share/doc/p.zip", zip.data, zip.size},
                                         {"./usr/share/doc/p.7z", seven.data, seven.size},
                                         {"./usr/share/doc/last.txt", "last", 0}};
    make_debian_package(entries, 5, &packed);
    const char *wanted = "data.tar.xz/usr/share/doc/a.html#0 html: <p>a\n"
                         "data.tar.xz/usr/share/doc/l.jsonl.gz#1 jsonl: {\"text\":\"x\"}\n"
                         "data.tar.xz/usr/share/doc/p.zip/docs/a.html#2 html: <p>a\n"
                         "data.tar.xz/usr/share/doc/p.zip/docs/pic.png#3 -not-text\n"
                         "data.tar.xz/usr/share/doc/p.zip/docs/b.txt#4 text: b\n"
                         "data.tar.xz/usr/share/doc/p.7z/docs/a.html#5 html: <p>a\n"
                         "data.tar.xz/usr/share/doc/last.txt#6 text: last\n";
    EXPECT_PACKED("made.deb", wanted);
    struct corpus_reader_options shallow = usual;
    shallow.depth_max = 2;
    expect("made.deb", packed.data, packed.size, &shallow,
           "data.tar.xz/usr/share/doc/a.html#0 html: <p>a\n"
           "data.tar.xz/usr/share/doc/l.jsonl.gz#1 !too-deep\n"
           "data.tar.xz/usr/share/doc/p.zip#2 !too-deep\n"
           "data.tar.xz/usr/share/doc/p.7z#3 !too-deep\n"
           "data.tar.xz/usr/share/doc/last.txt#4 text: last\n");
    q_buffer_release(&lines);
    q_buffer_release(&zip);
    q_buffer_release(&seven);
}

static void test_stated_formats(void **state)
{
    (void)state;
    struct corpus_reader_options options = usual;
    options.format = Q_FORMAT_HTML;
    expect("odd.txt", "just text", 9, &options, "#0 html: just text\n"); /* the file itself: as stated */
    make_archive("tar", "", pages, 3, &packed);
    expect("p.tar", packed.data, packed.size, &options,
           "docs/a.html#0 html: <p>a\ndocs/pic.png#1 -not-text\ndocs/b.txt#2 -format\n");
    options.format = Q_FORMAT_TEXT;
    expect("p.tar", packed.data, packed.size, &options,
           "docs/a.html#0 -format\ndocs/pic.png#1 -not-text\ndocs/b.txt#2 text: b\n");
    options.format = Q_FORMAT_JSONL;
    expect("lines", "{}\nnot json\n", 12, &options, "#0 jsonl: {}\n#3 jsonl: not json\n");
}

static void test_names_stay_names(void **state)
{
    (void)state;
    char longest[5000];
    memset(longest, 'n', sizeof longest);
    longest[sizeof longest - 1] = 0;
    const struct made_entry entries[] = {{"../../etc/passwd", "a", 0},
                                         {"/abs/olute", "b", 0},
                                         {"line\nend\x01", "c", 0},
                                         {"bad\xFF", "d", 0},
                                         {longest, "e", 0}};
    make_archive("cpio", "", entries, 5, &packed);
    scratch_write("names", packed.data, packed.size);
    assert_ok(read_all("names", &usual));
    assert_non_null(
        strstr(log_text.data,
               "../../etc/passwd#0 text: a\nabs/olute#1 text: b\nline?end?#2 text: c\nbad\xEF\xBF\xBD#3 text: d\n"));
    assert_non_null(strstr(log_text.data, "#4 !name-too-long\n"));
}

static void test_too_large(void **state)
{
    (void)state;
    struct corpus_reader_options small = usual;
    small.item_bytes_max = 10;
    expect("a.txt", "0123456789", 10, &small, "#0 text: 0123456789\n");
    expect("a.txt", "0123456789x", 11, &small, "#0 !too-large\n");
    expect("a.jsonl", "{\"a\":1}\n{\"a\":12345678}\n{\"a\":2}\n", 31, &small,
           "#0 jsonl: {\"a\":1}\n#8 !too-large\n#23 jsonl: {\"a\":2}\n");
    const struct made_entry entries[] = {{"big.txt", "0123456789x", 0}, {"ok.txt", "ok", 0}};
    make_archive("tar", "gzip", entries, 2, &packed);
    expect("t.tgz", packed.data, packed.size, &small, "big.txt#0 !too-large\nok.txt#1 text: ok\n");
    /* a line far larger than any block */
    size_t size = 3 << 20;
    char *line;
    assert_ok(q_alloc(size, 1, &line));
    memset(line, 'x', size);
    memcpy(line, "{\"a\":1}\n", 8);
    memcpy(line + size - 9, "\n{\"b\":2}\n", 9);
    expect("long.jsonl", line, size, &usual, "#0 jsonl: {\"a\":1}\n#8 !too-large\n#3145720 jsonl: {\"b\":2}\n");
    q_release(line);
}

/* 200 MB of zeros in some KB, alone, as an entry and two levels deep: refused soon, what stands before it is read. */
static void test_bombs(void **state)
{
    (void)state;
    size_t size = 200 << 20;
    char *zeros;
    struct q_buffer inner = {0};
    assert_ok(q_alloc_zero(size, 1, &zeros));
    memset(zeros, ' ', size);
    struct corpus_reader_options wide = usual;
    wide.item_bytes_max = 1 << 28;
    make_archive("raw", "zstd", &(struct made_entry){"", zeros, size}, 1, &inner);
    assert_true(inner.size < 100000);
    expect("bomb.txt.zst", inner.data, inner.size, &wide, "#0 !archive-bomb\n");
    expect("bomb.jsonl.zst", inner.data, inner.size, &wide, "#0 !archive-bomb\n"); /* one line without end */
    const struct made_entry entries[] = {
        {"first.txt", "first", 0}, {"bomb.txt.zst", inner.data, inner.size}, {"after.txt", "after", 0}};
    make_archive("tar", "", entries, 3, &packed);
    expect("b.tar", packed.data, packed.size, &wide, "first.txt#0 text: first\nbomb.txt.zst#1 !archive-bomb\n");
    const struct made_entry skipped[] = {
        {"first.txt", "first", 0}, {"bomb.png", zeros, size}, {"after.txt", "after", 0}};
    make_archive("tar", "zstd", skipped, 3, &packed);
    expect("s.tar.zst", packed.data, packed.size, &wide, "first.txt#0 text: first\nbomb.png#1 !archive-bomb\n");
    q_release(zeros);
    q_buffer_release(&inner);
}

/* A package cut at any byte: what could be read comes, then one failed item at most, and never an error of the program. */
static void test_truncation(void **state)
{
    (void)state;
    make_debian_package(pages, 3, &packed);
    size_t failed = 0, truncated = 0;
    for (size_t cut = 0; cut < packed.size; cut++) {
        scratch_write("cut.deb", packed.data, cut);
        assert_ok(read_all("cut.deb", &usual));
        const char *bad = strstr(log_text.data, " !");
        failed += bad != NULL;
        if (bad) {
            assert_null(strstr(bad + 1, " !"));
            truncated += strncmp(bad, " !archive-truncated", 19) == 0;
            assert_ptr_equal(strchr(bad, '\n') + 1, log_text.data + log_text.size); /* the last line */
        }
        assert_true(bad || cut == 0 ||
                    cut == 8); /* no cut goes unnoticed, but for a file that is empty or an archive's first word */
    }
    assert_int_equal(failed, packed.size - 2);
    assert_int_equal(truncated, failed - 7); /* in the first word it is not known for an archive */
}

static void test_truncated_lines(void **state)
{
    (void)state;
    struct q_buffer lines = {0};
    for (unsigned i = 0; i < 40000; i++)
        assert_ok(q_buffer_printf(&lines, "{\"text\":\"%u\",\"n\":%u}\n", i * 7919 % 10007, i));
    make_archive("raw", "gzip", &(struct made_entry){"", lines.data, lines.size}, 1, &packed);
    scratch_write("cut.jsonl.gz", packed.data, packed.size / 2);
    assert_ok(read_all("cut.jsonl.gz", &usual));
    q_string rest = q_buffer_string(&log_text), line, last = {0};
    size_t count = 0;
    while (q_string_next_line(&rest, &line)) {
        last = line;
        count +=
            q_string_find(line, Q_STRING("jsonl: {"), 0) != SIZE_MAX && q_string_ends(line, "}"); /* whole lines only */
    }
    assert_true(q_string_ends(last, "!archive-truncated"));
    assert_in_range(count, 5000, 39000);
    q_buffer_release(&lines);
}

/* Any one byte changed: items or a reason, never an error, never a hang. */
static void test_flipped_bytes(void **state)
{
    (void)state;
    static const char *const formats[] = {"tar", "zip", "7z", "cpio"};
    uint64_t dice = 17;
    for (size_t f = 0; f < Q_COUNT_OF(formats); f++) {
        make_archive(formats[f], f ? "" : "xz", pages, 3, &packed);
        for (unsigned round = 0; round < 400; round++) {
            size_t at = dice_roll(&dice) % packed.size;
            char was = packed.data[at];
            packed.data[at] = (char)dice_roll(&dice);
            scratch_write("flipped", packed.data, packed.size);
            assert_ok(read_all("flipped", &usual));
            packed.data[at] = was;
        }
    }
}

/* The machine's failures are statuses, not items. */
static void test_failing_disk_and_memory(void **state)
{
    (void)state;
    make_debian_package(pages, 3, &packed);
    scratch_write("d.deb", packed.data, packed.size);
    for (uint64_t k = 1;; k++) {
        fault_fs_start(FAULT_FAIL, k);
        q_status status = read_all("d.deb", &usual);
        if (!fault_fs_stop())
            break;
        assert_true(status == Q_ERR_SYSTEM || status == Q_ERR_INPUT ||
                    status == Q_OK); /* a failed close loses nothing */
        if (status == Q_OK)
            assert_non_null(strstr(log_text.data, "b.txt"));
    }
    fault_fs_start(FAULT_SHORT, 1);
    assert_ok(read_all("d.deb", &usual));
    fault_fs_stop();
    assert_non_null(strstr(log_text.data, "data.tar.xz/docs/b.txt#2 text: b\n"));
    for (uint64_t k = 1;; k++) {
        struct q_buffer keep = log_text;
        log_text = (struct q_buffer){0};
        q_memory_fail_at(k, 0);
        q_status status = read_all("d.deb", &usual);
        q_memory_fail_at(0, 0);
        q_buffer_release(&log_text);
        log_text = keep;
        if (status == Q_OK)
            break;
        assert_int_equal(status, Q_ERR_MEMORY);
        assert_true(k < 1000);
    }
}

static int leave(void **state)
{
    q_buffer_release(&log_text);
    q_buffer_release(&packed);
    return scratch_leave(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_files),   cmocka_unit_test(test_absent_file),
        cmocka_unit_test(test_every_archive),  cmocka_unit_test(test_archives_within),
        cmocka_unit_test(test_stated_formats), cmocka_unit_test(test_names_stay_names),
        cmocka_unit_test(test_too_large),      cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_truncation),     cmocka_unit_test(test_truncated_lines),
        cmocka_unit_test(test_flipped_bytes),  cmocka_unit_test(test_failing_disk_and_memory)};
    return cmocka_run_group_tests(tests, scratch_enter, leave);
}
