/* Tables on input that nobody wrote. Rows of CSV and TSV are what the plain twin reads, and the same in a compressed file; each line is one object of JSON, or
 * not UTF-8. Whatever a Parquet file is, reading it ends without an error, and its items are numbered upwards.
 */
#include "base/json.h"
#include "base/jsonl.h"
#include "corpus/read/reader.h"
#include "tests/base/fuzz.h"
#include "tests/corpus/make_records.h"
#include "tests/corpus/plain_table.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ITEM_BYTES_MAX = 1 << 12, RATIO_MAX = 300 };

static void check_line(q_string line)
{
    static struct q_jsonl_parser *parser;
    const struct q_jsonl_member *members;
    size_t count;
    fuzz_must(parser || q_jsonl_create(&parser) == Q_OK, "parser");
    fuzz_must(line.size <= ITEM_BYTES_MAX, "bounds");
    fuzz_must(q_jsonl_parse(parser, line, &members, &count) == Q_OK || !q_utf8_valid(line), "a line that is no JSON");
}

/* The bytes as a file of the format; its items as lines. */
static void read_items(q_string bytes, enum q_input_format format, struct q_buffer *lines)
{
    const struct corpus_reader_options options = {
        .item_bytes_max = ITEM_BYTES_MAX, .unpack_ratio_max = RATIO_MAX, .depth_max = 4, .format = format};
    struct corpus_reader *reader;
    struct corpus_item item;
    bool more = true;
    char path[64];
    int file = memfd_create("fuzzed", 0);
    fuzz_must(file >= 0 && write(file, bytes.data, bytes.size) == (ssize_t)bytes.size, "file");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    fuzz_must(corpus_reader_open(path, &options, &reader) == Q_OK, "open");
    for (uint64_t next = 0;; next = item.index + 1) {
        fuzz_must(corpus_reader_next(reader, &item, &more) == Q_OK, "next");
        if (!more)
            break;
        fuzz_must(item.index >= next && (item.reason || item.bytes.size), "an item that is none");
        if (!item.reason && corpus_is_table(item.format))
            check_line(item.bytes);
        table_item_line(&item, lines);
    }
    corpus_reader_close(reader);
    close(file);
}

static void fuzz_rows(q_string bytes, bool tabs)
{
    const enum q_input_format format = tabs ? Q_FORMAT_TSV : Q_FORMAT_CSV;
    struct q_buffer lines = {0}, wanted = {0};
    read_items(bytes, format, &lines);
    enum corpus_format seen = corpus_format_of((q_string){0}, q_string_slice(bytes, 0, CORPUS_SNIFF_BYTES));
    if (seen != CORPUS_EMPTY && seen != CORPUS_BINARY && seen != CORPUS_ARCHIVE && !q_string_starts(bytes, "WARC/") &&
        !q_string_starts(bytes, "filedesc:")) {
        plain_table(bytes, tabs, "text", ITEM_BYTES_MAX, &wanted);
        fuzz_must(q_string_equal(q_buffer_string(&lines), q_buffer_string(&wanted)), "the plain twin reads other rows");
        struct q_buffer packed = {0};
        add_member(&packed, "gzip", bytes.data, bytes.size);
        q_buffer_clear(&wanted);
        read_items(q_buffer_string(&packed), format, &wanted);
        fuzz_must(q_string_equal(q_buffer_string(&lines), q_buffer_string(&wanted)), "compressed it is another table");
        q_buffer_release(&packed);
    }
    q_buffer_release(&lines);
    q_buffer_release(&wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const q_string text = {(const char *)bytes, size};
    struct q_buffer lines = {0};
    if (!q_string_starts(text, "PAR1")) {
        fuzz_rows(text, false);
        fuzz_rows(text, true);
    }
    if (corpus_reads_parquet())
        read_items(text, Q_FORMAT_PARQUET, &lines);
    q_buffer_release(&lines);
    return 0;
}

#ifndef FUZZ_LIBRARY
int main(int argc, char **argv)
{
    static const char *const parts[] = {
        "text,b\n", "\"text\";b\r\n", "text\tb\n", "\"", "\"\"", "\",\"",    "\"\n",         ",",    ";",
        "\t",       "\r\n",           "\n",        "\r", "PAR1", "\x15\x04", "\xEF\xBB\xBF", "\xFF", NULL};
    return fuzz_main(argc, argv, parts);
}
#endif
