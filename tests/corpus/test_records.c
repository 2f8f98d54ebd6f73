/* WARC and ARC: every kind of record and of file, what is refused and why, and damage, behind which nothing may be lost. */
#include "base/check.h"
#include "base/fs.h"
#include "corpus/read/reader.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"
#include "tests/corpus/item_places.h"
#include "tests/corpus/make_archive.h"
#include "tests/corpus/make_records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct corpus_reader_options usual = {.item_bytes_max = 1 << 20, .unpack_ratio_max = 300, .depth_max = 4};
static struct q_buffer log_text, file, notes;
static struct {
    unsigned records, pages, failed;
} counted;

#define PAGE "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>"
#define HTTP "application/http; msgtype=response"

/* A line an item: "INDEX FORMAT URL BODY" or "INDEX !REASON" (failed), "INDEX -REASON" (dropped); the notes of failed ones in `notes`. */
static q_status read_all(const char *path, const struct corpus_reader_options *options)
{
    struct corpus_reader *reader;
    struct corpus_item item;
    bool more = true;
    q_buffer_clear(&log_text);
    q_buffer_clear(&notes);
    memset(&counted, 0, sizeof counted);
    struct item_place next = {0};
    Q_TRY(corpus_reader_open(path, options, &reader));
    q_status status = Q_OK;
    for (unsigned index = 0;; index++) {
        status = corpus_reader_next(reader, &item, &more);
        if (status != Q_OK || !more)
            break;
        assert_true(item_follows(&next, &item));
        counted.records++;
        counted.pages += !item.reason;
        counted.failed += item.failed;
        if (item.note)
            status = q_buffer_printf(&notes, "%s\n", item.note);
        if (item.reason)
            status = q_buffer_printf(&log_text, "%d %c%s\n", (int)index, item.failed ? '!' : '-', item.reason);
        else
            status = q_buffer_printf(&log_text, "%d %s %.*s %.*s\n", (int)index, corpus_format_name(item.format),
                                     Q_STRING_ARGS(item.url), Q_STRING_ARGS(q_string_slice(item.bytes, 0, 40)));
        if (status != Q_OK)
            break;
    }
    corpus_reader_close(reader);
    if (status == Q_OK)
        status = q_buffer_terminate(&notes);
    return status == Q_OK ? q_buffer_terminate(&log_text) : status;
}

static void expect_with(const struct corpus_reader_options *options, const char *name, const char *wanted)
{
    scratch_write(name, file.data, file.size);
    assert_ok(read_all(name, options));
    assert_string_equal(log_text.data, wanted);
}

static void expect(const char *name, const char *wanted)
{
    expect_with(&usual, name, wanted);
}

static const char *name_of(const char *coding)
{
    return coding[0] == 'g' ? "made.warc.gz" : coding[0] == 'z' ? "made.warc.zst" : "made.warc";
}

/* One record, or several, a member each. */
static void add(const char *coding, unsigned first, const struct made_record *records, size_t count)
{
    struct q_buffer one = {0};
    for (size_t i = 0; i < count; i++) {
        q_buffer_clear(&one);
        add_record(&one, first + (unsigned)i, &records[i]);
        add_member(&file, coding, one.data, one.size);
    }
    q_buffer_release(&one);
}

/* --- kinds ------------------------------------------------------------------------------------------------------------------------- */

static const struct made_record kinds[] = {
    {"warcinfo", NULL, "application/warc-fields", "software: made\r\n", 0, NULL},
    {"request", "http://a/", "application/http; msgtype=request", "GET / HTTP/1.1\r\n\r\n", 0, NULL},
    {"response", "http://a/", HTTP, PAGE "one", 0, NULL},
    {"metadata", "http://a/", "application/warc-fields", "fetchTimeMs: 1\r\n", 0, NULL},
    {"revisit", "http://a/", HTTP, "HTTP/1.1 304 Not Modified\r\n\r\n", 0, NULL},
    {"response", "<http://b/>", HTTP, "HTTP/1.1 404 Not Found\r\n\r\n<p>gone", 0, NULL},
    {"resource", "file:///b.txt", "text/plain", "two", 0, NULL},
    {"response", "dns:a", "text/dns", "20240518\na. IN A 192.0.2.7\n", 0, NULL},
    {"conversion", "http://c/", "text/plain", "three", 0, NULL},
    {"continuation", "http://c/", NULL, "more", 0, NULL},
    {"response", "http://d/", HTTP, "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n\x89PNG", 0, NULL},
    {"response", "<http://e/>", HTTP, "HTTP/1.1 200 OK\n\n{}", 0, NULL},
    {"response", "http://f/", HTTP, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", 0, NULL},
    {"response", "http://g/", HTTP, "ICY 200 OK\r\n\r\n", 0, NULL},
    {"unheard-of", "http://h/", NULL, "x", 0, NULL},
};
#define KINDS                                                                                                          \
    "0 -warc-warcinfo\n1 -warc-request\n2 html http://a/ <p>one\n3 -warc-metadata\n4 -warc-revisit\n5 -http-status\n"  \
    "6 text file:///b.txt two\n7 -format\n8 text http://c/ three\n9 -warc-continuation\n10 -not-text\n"                \
    "11 unknown http://e/ {}\n12 -empty\n13 !http-head\n14 -warc-other\n"

static void test_kinds_of_records_and_files(void **state)
{
    (void)state;
    static const char *const codings[] = {"", "gzip", "zstd"}, *const names[] = {"a.warc", "a.warc.gz", "a", "a.txt"};
    for (size_t c = 0; c < Q_COUNT_OF(codings); c++)
        for (size_t n = 0; n < Q_COUNT_OF(names); n++) {
            q_buffer_clear(&file);
            add(codings[c], 0, kinds, Q_COUNT_OF(kinds));
            expect(names[n], KINDS);
        }
    struct q_buffer plain = {0}, tar = {0};
    q_buffer_clear(&file);
    add("", 0, kinds, Q_COUNT_OF(kinds));
    assert_ok(q_buffer_append(&plain, file.data, file.size));
    static const char *const whole[] = {"gzip", "zstd", "xz", "bzip2"};
    for (size_t i = 0; i < Q_COUNT_OF(whole); i++) {
        q_buffer_clear(&file);
        make_archive("raw", whole[i], &(struct made_entry){"", plain.data, plain.size}, 1, &file);
        expect("whole.warc.gz", KINDS);
    }
    q_buffer_clear(&file);
    add("gzip", 0, kinds, Q_COUNT_OF(kinds));
    const struct made_entry entries[] = {{"x/a.warc.gz", file.data, file.size}, {"x/b.warc", plain.data, plain.size}};
    make_archive("tar", "xz", entries, 2, &tar);
    scratch_write("in.tar.xz", tar.data, tar.size);
    assert_ok(read_all("in.tar.xz", &usual));
    assert_memory_equal(log_text.data, KINDS, strlen(KINDS));
    assert_non_null(strstr(log_text.data, "23 text http://c/ three\n"));
    assert_true(q_string_ends(q_buffer_string(&log_text), "28 !http-head\n29 -warc-other\n"));
    q_buffer_release(&plain);
    q_buffer_release(&tar);
}

static void test_fields(void **state)
{
    (void)state;
    struct corpus_reader *reader;
    struct corpus_item item;
    bool more;
    static const char text[] =
        "WARC/0.18\nwarc-type: Response\nWARC-DATE:  2008-10-294T05:21:46-0700 \nX: folded\n  on\n"
        "Content-type: Application/HTTP;msgtype=response\nWARC-Target-URI: http://a/\n"
        "WARC-Record-ID: <urn:x>\ncontent-length: 65\n\n"
        "HTTP/1.1 200 OK\nContent-Type: text/html; charset=EUC-JP\n\n<p>page!\n\n\n";
    scratch_write("f.warc", text, sizeof text - 1);
    assert_ok(corpus_reader_open("f.warc", &usual, &reader));
    assert_ok(corpus_reader_next(reader, &item, &more));
    assert_true(more && !item.reason);
    assert_true(q_string_is(item.bytes, "<p>page!"));
    assert_true(q_string_is(item.date, "2008-10-294T05:21:46-0700"));
    assert_true(q_string_is(item.record, "urn:x"));
    assert_true(q_string_is(item.url, "http://a/"));
    assert_int_equal(item.name.size, 0); /* ids hold no URL */
    assert_int_equal(item.in_bytes, 65);
    assert_string_equal(item.http.charset, "EUC-JP");
    assert_ok(corpus_reader_next(reader, &item, &more));
    assert_false(more);
    corpus_reader_close(reader);
}

static void test_arc(void **state)
{
    (void)state;
    static const struct made_record records[] = {
        {NULL, "http://a/", "text/html", "HTTP/1.1 200 OK\nContent-Type: text/html\n\n<p>one", 0, NULL},
        {NULL, "dns:a", "text/dns", "192.0.2.7", 0, NULL},
        {NULL, "http://a/b c", "text/html", "HTTP/1.1 302 Found\n\n", 0, NULL},
        {NULL, "http://b/", "text/plain", "bare", 0, NULL},
        {NULL, "http://c/", "text/html 200 SUM - 0 made.arc", PAGE "two", 0, NULL}};
    static const char wanted[] = "0 -warc-warcinfo\n1 html http://a/ <p>one\n2 -format\n3 -http-status\n"
                                 "4 text http://b/ bare\n5 html http://c/ <p>two\n";
    static const char *const codings[] = {"", "gzip"};
    for (size_t c = 0; c < Q_COUNT_OF(codings); c++) {
        struct q_buffer begin = {0};
        q_buffer_clear(&file);
        add_arc_begin(&begin);
        add_member(&file, codings[c], begin.data, begin.size);
        add(codings[c], 0, records, Q_COUNT_OF(records));
        expect("a.arc", wanted);
        expect("a.gz", wanted);
        q_buffer_release(&begin);
    }
    q_buffer_clear(&file);
    add_arc_begin(&file);
    add("", 0, &(struct made_record){NULL, "http://a/", "text/plain", "one", 0, "300"}, 1);
    add("", 0, &records[3], 1);
    expect("lie.arc", "0 -warc-warcinfo\n1 !archive-damaged\n2 text http://b/ bare\n");
    q_buffer_clear(&file);
    add_arc_begin(&file);
    assert_ok(q_buffer_printf(&file, "http://a/ 192.0.2.7 20240518015801 text/plain many\nxyz\n"));
    add("", 0, &records[3], 1);
    expect("bad.arc", "0 -warc-warcinfo\n1 !archive-damaged\n2 text http://b/ bare\n");
}

static void test_zstd_dictionary(void **state)
{
    (void)state;
    const q_string dictionary = Q_STRING("WARC/1.0\r\nWARC-Type: response\r\nWARC-Date: 2024-05-18T01:58:00Z\r\n" PAGE);
    for (int packed = 0; packed < 2; packed++) {
        q_buffer_clear(&file);
        add_dictionary(&file, dictionary, packed);
        for (unsigned i = 0; i < 3; i++) {
            struct q_buffer one = {0};
            add_record(&one, i, &kinds[i]);
            add_dictionary_frame(&file, dictionary, one.data, one.size);
            q_buffer_release(&one);
        }
        expect("d.warc.zst", "0 -warc-warcinfo\n1 -warc-request\n2 html http://a/ <p>one\n");
        expect("d", "0 -warc-warcinfo\n1 -warc-request\n2 html http://a/ <p>one\n");
        file.size = 20;
        expect("cut", "0 !archive-damaged\n");
    }
}

/* The magic of a dictionary with tables, and none behind it: zstd calls that want of memory. */
static void test_damaged_zstd_dictionary(void **state)
{
    (void)state;
    static const char damaged[64] = "\x37\xA4\x30\xEC";
    for (int packed = 0; packed < 2; packed++) {
        q_buffer_clear(&file);
        add_dictionary(&file, (q_string){damaged, sizeof damaged}, packed);
        add("zstd", 0, kinds, 3);
        expect("x.warc.zst", "0 !archive-damaged\n");
    }
}

static void test_stated_formats(void **state)
{
    (void)state;
    struct corpus_reader_options options = usual;
    q_buffer_clear(&file);
    add("", 0, &kinds[2], 1);
    add("", 1, &kinds[6], 1);
    options.format = Q_FORMAT_HTML;
    expect_with(&options, "f.warc", "0 html http://a/ <p>one\n1 -format\n");
    options.format = Q_FORMAT_TEXT;
    expect_with(&options, "f.warc", "0 -format\n1 text file:///b.txt two\n");
}

static void test_files_without_records(void **state)
{
    (void)state;
    q_buffer_clear(&file);
    expect("empty.warc", "0 -empty\n");
    assert_ok(q_buffer_append(&file, "\r\n\r\n", 4));
    expect("blank.warc", "0 -empty\n");
    assert_ok(q_buffer_append(&file, "no record", 9));
    expect("none.warc", "0 !archive-damaged\n");
    assert_string_equal(notes.data, "record at byte 4: what is there belongs to no record\n");
    q_buffer_clear(&file);
    add_member(&file, "gzip", "", 0);
    expect("nothing.warc.gz", "0 -empty\n");
    q_buffer_clear(&file);
    add_member(&file, "gzip", "some text", 9);
    expect("text.warc.gz", "0 !archive-damaged\n");
    expect("text.gz", "0 text  some text\n"); /* and this is none */
}

/* --- lies -------------------------------------------------------------------------------------------------------------------------- */

/* One record with a wrong length between two good ones. */
static void lie(const char *coding, const char *length, const char *wanted)
{
    const struct made_record liar = {"response", "http://l/", HTTP, PAGE "lie", 0, length};
    q_buffer_clear(&file);
    add(coding, 0, &kinds[2], 1);
    add(coding, 1, &liar, 1);
    add(coding, 2, &kinds[2], 1);
    expect(name_of(coding), wanted);
}

static void test_wrong_lengths(void **state)
{
    (void)state;
#define BETWEEN(middle) "0 html http://a/ <p>one\n" middle " html http://a/ <p>one\n"
    static const char *const codings[] = {"", "gzip", "zstd"};
    static const char *const far[] = {"70", "200", "100000", "4000000", "9223372036854775808", "18446744073709551616",
                                      "-1", "",    "12x",    "0x10"};
    for (size_t c = 0; c < Q_COUNT_OF(codings); c++) {
        for (size_t i = 0; i < Q_COUNT_OF(far); i++)
            lie(codings[c], far[i], BETWEEN("1 !archive-damaged\n2"));
        /* too short: what it says is taken, the rest belongs to nobody */
        lie(codings[c], "63", BETWEEN("1 html http://l/ <p>l\n2 !archive-damaged\n3"));
        lie(codings[c], "61", BETWEEN("1 html http://l/ <p\n2 !archive-damaged\n3"));
    }
}

static void test_headers_without_bounds(void **state)
{
    (void)state;
    struct q_buffer bad = {0};
    for (int kind = 0; kind < 3; kind++) {
        q_buffer_clear(&bad);
        assert_ok(q_buffer_append(&bad, "WARC/1.0\r\n", 10));
        for (unsigned i = 0; i < 20000; i++)
            assert_ok(kind == 0   ? q_buffer_append(&bad, "Name: value\r\n", 13)
                      : kind == 1 ? q_buffer_append(&bad, "xxxxxxxxxxxxx", 13)
                                  : q_buffer_append(&bad,
                                                    i < 600    ? "a:b\n"
                                                    : i == 600 ? "\n"
                                                               : "",
                                                    i < 600 ? 4 : i == 600));
        assert_ok(q_buffer_append(&bad, "\r\n\r\n", 4));
        for (int packed = 0; packed < 2; packed++) {
            q_buffer_clear(&file);
            add_member(&file, packed ? "gzip" : "", bad.data, bad.size);
            add(packed ? "gzip" : "", 2, &kinds[2], 1);
            expect("head.warc", "0 !archive-damaged\n1 html http://a/ <p>one\n");
            assert_non_null(strstr(notes.data, kind == 2 ? "too many fields" : "the header is too long"));
        }
    }
    q_buffer_release(&bad);
}

/* Records that begin, line after line, and do not end; with one blank line behind many of them, too. When each of them was searched for its end, 360 kB took
 * seconds, and 8 MiB would take minutes. */
static void test_beginnings_without_end(void **state)
{
    (void)state;
    static const char *const lines[] = {"WARC/1.0\n", "WARC/1.1\r\nno colon\r\n", "WARC/1.0\nWARC-Type: response\n"};
    struct q_buffer many = {0};
    for (size_t i = 0; i < Q_COUNT_OF(lines); i++)
        for (unsigned every = 0; every < 2; every++) {
            struct corpus_reader *reader;
            struct corpus_item item;
            bool more = true;
            unsigned begun = 0, failed = 0;
            q_buffer_clear(&many);
            for (; many.size < 8 << 20; begun++) {
                assert_ok(q_buffer_append(&many, lines[i], strlen(lines[i])));
                if (every && begun % 4000 == 3999)
                    assert_ok(q_buffer_append(&many, "\n", 1));
            }
            add_record(&many, 0, &kinds[2]);
            scratch_write("many.warc", many.data, many.size);
            assert_ok(corpus_reader_open("many.warc", &usual, &reader));
            assert_ok(corpus_reader_next(reader, &item, &more));
            for (; more && item.failed; failed++)
                assert_ok(corpus_reader_next(reader, &item, &more));
            assert_int_equal(failed, begun);
            assert_true(more && q_string_is(item.bytes, "<p>one"));
            corpus_reader_close(reader);
        }
    q_buffer_release(&many);
}

/* A header without its blank line costs its own record and not the next. */
static void test_header_without_end(void **state)
{
    (void)state;
    q_buffer_clear(&file);
    assert_ok(q_buffer_printf(&file, "WARC/1.0\r\nWARC-Type: response\r\nX: WARC/1.0\r\n"));
    add("", 0, &kinds[2], 1);
    expect("open.warc", "0 !archive-damaged\n1 html http://a/ <p>one\n");
    assert_string_equal(notes.data, "record at byte 0: another record begins in its header\n");
}

static void test_large_blocks(void **state)
{
    (void)state;
    struct corpus_reader_options small = usual;
    struct q_buffer block = {0};
    small.item_bytes_max = 1000;
    static const char *const heads[] = {PAGE, "HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n"};
    static const char *const wanted[] = {"!too-large", "-not-text"};
    for (size_t h = 0; h < 2; h++)
        for (int packed = 0; packed < 2; packed++) {
            char line[100];
            q_buffer_clear(&block);
            assert_ok(q_buffer_append(&block, heads[h], strlen(heads[h])));
            for (unsigned i = 0; i < 50000; i++)
                assert_ok(q_buffer_printf(&block, "line %u\r\n\r\n", i * 7919));
            const struct made_record large = {"response", "http://l/", HTTP, block.data, block.size, NULL};
            q_buffer_clear(&file);
            add(packed ? "gzip" : "", 0, &large, 1);
            add(packed ? "gzip" : "", 1, &kinds[2], 1);
            snprintf(line, sizeof line, "0 %s\n1 html http://a/ <p>one\n", wanted[h]);
            expect_with(&small, "large.warc", line);
        }
    q_buffer_release(&block);
}

/* --- damage ------------------------------------------------------------------------------------------------------------------------ */

enum { RECORDS = 6 };
static size_t begins_at[RECORDS + 1];

/* Some records of a few hundred bytes that do not press well, a member each. */
static void make_members(const char *coding)
{
    uint64_t dice = 4711;
    struct q_buffer block = {0};
    q_buffer_clear(&file);
    for (unsigned i = 0; i < RECORDS; i++) {
        q_buffer_clear(&block);
        assert_ok(q_buffer_printf(&block, PAGE "page %u ", i));
        for (unsigned k = 0; k < 150; k++)
            assert_ok(q_buffer_append_byte(&block, (char)('a' + dice_roll(&dice) % 26)));
        begins_at[i] = file.size;
        add(coding, i, &(struct made_record){"response", "http://a/", HTTP, block.data, block.size, NULL}, 1);
    }
    begins_at[RECORDS] = file.size;
    q_buffer_release(&block);
}

static bool has_page(unsigned i)
{
    char page[20];
    snprintf(page, sizeof page, "<p>page %u ", i);
    return strstr(log_text.data, page) != NULL;
}

/* Any one byte changed costs at most the record that it is in, and does not go unnoticed where members have checksums. */
static void test_flipped_bytes(void **state)
{
    (void)state;
    uint64_t dice = 99;
    static const char *const codings[] = {"gzip", "zstd"};
    for (size_t c = 0; c < Q_COUNT_OF(codings); c++) {
        make_members(codings[c]);
        for (size_t at = 0; at < file.size; at++) {
            char was = file.data[at];
            unsigned hit = 0;
            while (begins_at[hit + 1] <= at)
                hit++;
            file.data[at] ^= (char)(1 << dice_roll(&dice) % 8);
            scratch_write(name_of(codings[c]), file.data, file.size);
            file.data[at] = was;
            assert_ok(read_all(name_of(codings[c]), &usual));
            for (unsigned i = 0; i < RECORDS; i++)
                if (i != hit && !has_page(i))
                    fail_msg("%s: byte %zu of record %u (%zu) lost record %u:\n%s%s", codings[c], at, hit,
                             begins_at[hit], i, log_text.data, notes.data);
            if (c == 0 && !has_page(hit)) { /* frames of zstd need not have a checksum */
                char place[40];
                snprintf(place, sizeof place, "member at byte %zu:", begins_at[hit]);
                assert_non_null(strstr(log_text.data, " !archive-damaged\n"));
                assert_non_null(strstr(notes.data, place));
            }
        }
    }
}

/* Cut at any byte: the records before the cut, and one that failed unless the cut is between two. */
static void test_truncation(void **state)
{
    (void)state;
    static const char *const codings[] = {"", "gzip", "zstd"};
    for (size_t c = 0; c < Q_COUNT_OF(codings); c++) {
        make_members(codings[c]);
        for (size_t size = 1; size < file.size; size++) {
            unsigned whole = 0;
            while (whole < RECORDS &&
                   begins_at[whole + 1] <=
                       size + (codings[c][0] ? 0 : 4)) /* the blank lines at the end of a plain one do not matter */
                whole++;
            bool clean =
                codings[c][0] ? size == begins_at[whole] : size >= begins_at[whole] - 4 && size <= begins_at[whole];
            scratch_write(name_of(codings[c]), file.data, size);
            assert_ok(read_all(name_of(codings[c]), &usual));
            for (unsigned i = 0; i < RECORDS; i++)
                assert_int_equal(has_page(i), i < whole);
            const char *bad = strstr(log_text.data, "!");
            assert_int_equal(bad != NULL, !(clean && whole));
            if (bad && codings[c][0] && size - begins_at[whole] > 20)
                assert_int_equal(strncmp(bad, "!archive-truncated\n", 19), 0);
        }
    }
}

static void test_garbage_between(void **state)
{
    (void)state;
    struct q_buffer good = {0};
    static const char *const codings[] = {"", "gzip", "zstd"};
    for (size_t c = 0; c < Q_COUNT_OF(codings); c++) {
        char wanted[200];
        make_members(codings[c]);
        q_buffer_clear(&good);
        assert_ok(q_buffer_append(&good, file.data, file.size));
        q_buffer_clear(&file);
        assert_ok(q_buffer_append(&file, good.data, begins_at[2]));
        for (unsigned i = 0; i < 300000; i++) /* more than a block, with beginnings of members and of records in it */
            assert_ok(i % 1000 == 0   ? q_buffer_append(&file, "\x1F\x8B\x08\0\0\0", 6)
                      : i % 1000 == 1 ? q_buffer_append(&file, "\x28\xB5\x2F\xFD", 4)
                      : i % 1000 == 2 ? q_buffer_append(&file, "\nWARC/x\n", 8)
                                      : q_buffer_append_byte(&file, (char)(i * 2654435761u >> 24 & 0x7F)));
        assert_ok(q_buffer_append(&file, codings[c][0] ? "" : "\n", codings[c][0] ? 0 : 1));
        assert_ok(q_buffer_append(&file, good.data + begins_at[2], good.size - begins_at[2]));
        scratch_write(name_of(codings[c]), file.data, file.size);
        assert_ok(read_all(name_of(codings[c]), &usual));
        for (unsigned i = 0; i < RECORDS; i++)
            assert_true(has_page(i));
        snprintf(wanted, sizeof wanted, "%s at byte %zu: %s\n", codings[c][0] ? "member" : "record", begins_at[2],
                 codings[c][0] ? "it is damaged" : "what is there belongs to no record");
        assert_string_equal(notes.data, wanted);
    }
    q_buffer_release(&good);
}

/* A record that goes on in the next members, as some writers make them, and one that is not there to its end. */
static void test_records_over_members(void **state)
{
    (void)state;
    struct q_buffer one = {0};
    q_buffer_clear(&file);
    add_record(&one, 0, &kinds[2]);
    for (size_t at = 0; at < one.size; at += 7)
        add_member(&file, "gzip", one.data + at, Q_MIN(one.size - at, 7u));
    add_member(&file, "gzip", "", 0);
    size_t first = file.size;
    add_member(&file, "gzip", one.data, one.size - 10);
    add_member(&file, "gzip", one.data, one.size);
    expect("over.warc.gz", "0 html http://a/ <p>one\n1 !archive-damaged\n2 html http://a/ <p>one\n");
    char wanted[100];
    snprintf(wanted, sizeof wanted, "member at byte %zu: its Content-Length reaches into the next record\n", first);
    assert_string_equal(notes.data, wanted);
    q_buffer_release(&one);
}

/* A damaged member that is longer than the window: what lies behind it is found all the same. */
static void test_long_damaged_member(void **state)
{
    (void)state;
    struct q_buffer block = {0};
    struct corpus_reader_options wide = usual;
    uint64_t dice = 5;
    wide.item_bytes_max = 8 << 20;
    assert_ok(q_buffer_append(&block, PAGE, strlen(PAGE)));
    while (block.size < 3 << 20) {
        uint64_t roll = dice_roll(&dice);
        assert_ok(q_buffer_append(&block, &roll, sizeof roll));
    }
    for (int end = 0; end < 2; end++) {
        q_buffer_clear(&file);
        add("gzip", 0, &(struct made_record){"response", "http://l/", HTTP, block.data, block.size, NULL}, 1);
        file.data[end ? file.size - 6 : file.size / 2] ^= 0x55;
        add("gzip", 1, &kinds[2], 1);
        expect_with(&wide, "long.warc.gz", "0 !archive-damaged\n1 html http://a/ <p>one\n");
        assert_string_equal(notes.data, "member at byte 0: it is damaged\n");
    }
    q_buffer_release(&block);
}

static void test_bombs(void **state)
{
    (void)state;
    size_t size = 100 << 20;
    char *spaces;
    assert_ok(q_alloc(size, 1, &spaces));
    memset(spaces, ' ', size);
    struct q_buffer one = {0};
    q_buffer_clear(&file);
    add("gzip", 0, &kinds[2], 1);
    assert_ok(q_buffer_printf(&one, "WARC/1.0\r\nWARC-Type: resource\r\nContent-Length: %zu\r\n\r\n", size));
    assert_ok(q_buffer_append(&one, spaces, size));
    add_member(&file, "gzip", one.data, one.size);
    expect("bomb.warc.gz", "0 html http://a/ <p>one\n1 !archive-bomb\n");
    q_buffer_release(&one);
    q_release(spaces);
}

/* --- the machine ------------------------------------------------------------------------------------------------------------------- */

static void test_failing_disk_and_memory(void **state)
{
    (void)state;
    static const char *const codings[] = {"", "gzip", "zstd"};
    for (size_t c = 0; c < Q_COUNT_OF(codings); c++) {
        q_buffer_clear(&file);
        if (c == 2)
            add_dictionary(&file, Q_STRING("WARC/1.0"), true);
        add(codings[c], 0, kinds, Q_COUNT_OF(kinds));
        scratch_write("m.warc", file.data, file.size);
        fault_fs_start(FAULT_SHORT, 1);
        assert_ok(read_all("m.warc", &usual));
        fault_fs_stop();
        assert_string_equal(log_text.data, KINDS);
        for (uint64_t k = 1;; k++) {
            fault_fs_start(FAULT_FAIL, k);
            q_status status = read_all("m.warc", &usual);
            if (!fault_fs_stop())
                break;
            assert_true(status == Q_ERR_SYSTEM || status == Q_ERR_INPUT || status == Q_OK);
            assert_true(status != Q_OK || strcmp(log_text.data, KINDS) == 0);
        }
        for (uint64_t k = 1;; k++) {
            q_buffer_release(&log_text);
            q_buffer_release(&notes);
            q_memory_fail_at(k, 0);
            q_status status = read_all("m.warc", &usual);
            q_memory_fail_at(0, 0);
            if (status == Q_OK) {
                assert_string_equal(log_text.data, KINDS);
                break;
            }
            assert_int_equal(status, Q_ERR_MEMORY);
            assert_true(k < 1000);
        }
    }
}

/* --- real files -------------------------------------------------------------------------------------------------------------------- */

/* Records as FastWARC and warcio count them; what these stop at, as their files are damaged, is counted by hand. */
static void test_real_files(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned records, pages, failed;
        const char *note;
    } real[] = {{"example.warc.gz", 822, 129, 0, ""},
                {"resiliparse-clipped.warc.gz", 1, 0, 1, "member at byte 0: it ends too soon\n"},
                {"resiliparse-clueweb-quirk.warc.gz", 30, 29, 0, ""},
                {"resiliparse-warcfile.warc.gz", 50, 16, 0, ""},
                {"warcio-example-iana.org-chunked.warc", 3, 1, 0, ""},
                {"warcio-example-trunc.warc", 5, 1, 1, "record at byte 2560: what is there belongs to no record\n"},
                {"warcio-example-wget-bad-target-uri.warc.gz", 6, 3, 0, ""},
                {"warcio-example-wrong-chunks.warc.gz", 2, 1, 0, ""},
                {"warcio-example.arc.gz", 2, 1, 0, ""},
                {"whirlwind.warc.gz", 4, 1, 0, ""},
                {"whirlwind.warc.wet.gz", 2, 1, 0, ""}};
    const char *folder = getenv("QUERN_DATA");
    if (!folder) {
        print_message("QUERN_DATA is unset\n");
        skip();
    }
    for (size_t i = 0; i < Q_COUNT_OF(real); i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/warc/%s", folder, real[i].name);
        assert_ok(read_all(path, &(struct corpus_reader_options){
                                     .item_bytes_max = 64 << 20, .unpack_ratio_max = 300, .depth_max = 4}));
        if (counted.records != real[i].records || counted.pages != real[i].pages || counted.failed != real[i].failed)
            fail_msg("%s: %u records, %u pages, %u failed", real[i].name, counted.records, counted.pages,
                     counted.failed);
        assert_string_equal(notes.data, real[i].note);
    }
}

static int leave(void **state)
{
    q_buffer_release(&log_text);
    q_buffer_release(&notes);
    q_buffer_release(&file);
    return scratch_leave(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kinds_of_records_and_files),
                                       cmocka_unit_test(test_fields),
                                       cmocka_unit_test(test_arc),
                                       cmocka_unit_test(test_zstd_dictionary),
                                       cmocka_unit_test(test_damaged_zstd_dictionary),
                                       cmocka_unit_test(test_stated_formats),
                                       cmocka_unit_test(test_files_without_records),
                                       cmocka_unit_test(test_wrong_lengths),
                                       cmocka_unit_test(test_headers_without_bounds),
                                       cmocka_unit_test(test_beginnings_without_end),
                                       cmocka_unit_test(test_header_without_end),
                                       cmocka_unit_test(test_large_blocks),
                                       cmocka_unit_test(test_flipped_bytes),
                                       cmocka_unit_test(test_truncation),
                                       cmocka_unit_test(test_garbage_between),
                                       cmocka_unit_test(test_records_over_members),
                                       cmocka_unit_test(test_long_damaged_member),
                                       cmocka_unit_test(test_bombs),
                                       cmocka_unit_test(test_failing_disk_and_memory),
                                       cmocka_unit_test(test_real_files)};
    return cmocka_run_group_tests(tests, scratch_enter, leave);
}
