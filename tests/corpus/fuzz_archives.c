/* Archives and compressed files that nobody wrote: every format and filter that the reader opens, archives in archives, and pieces of all of them. Whatever the bytes
 * are, reading ends without an error; items are numbered one by one, named by valid UTF-8 without control characters, and no more comes out than the bounds allow.
 */
#include "base/check.h"
#include "corpus/read/reader.h"
#include "tests/base/fuzz.h"
#include "tests/corpus/item_places.h"
#include "tests/corpus/make_archive.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ITEM_BYTES_MAX = 1 << 16, RATIO_MAX = 300, SECONDS_MAX = 20 };

static void check_item(const struct corpus_item *item, struct item_place *next)
{
    fuzz_must(item_follows(next, item), "an item is not the next one");
    fuzz_must(item->reason ? !item->bytes.size : item->bytes.size && item->bytes.size <= ITEM_BYTES_MAX, "its bytes");
    fuzz_must(item->name.size <= CORPUS_NAME_BYTES_MAX + 4 && q_utf8_valid(item->name), "its name");
    for (size_t i = 0; i < item->name.size; i++)
        fuzz_must((unsigned char)item->name.data[i] >= 0x20, "a control character in its name");
}

static void read_all(const char *path, uint64_t size, enum q_input_format format)
{
    const struct corpus_reader_options options = {
        .item_bytes_max = ITEM_BYTES_MAX, .unpack_ratio_max = RATIO_MAX, .depth_max = 3, .format = format};
    struct corpus_reader *reader;
    struct corpus_item item;
    struct item_place next = {0};
    uint64_t given = 0;
    bool more = true;
    const double start = fuzz_seconds();
    fuzz_must(corpus_reader_open(path, &options, &reader) == Q_OK, "open");
    for (;;) {
        fuzz_must(corpus_reader_next(reader, &item, &more) == Q_OK, "next");
        if (!more)
            break;
        check_item(&item, &next);
        given += item.bytes.size;
    }
    fuzz_must(given <= CORPUS_UNPACK_FREE_BYTES + RATIO_MAX * size, "more came out than may");
    fuzz_must(fuzz_seconds() - start < SECONDS_MAX, "slow");
    corpus_reader_close(reader);
}

/* The file under several names: what a name says decides where bytes do not. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char path[64];
    int file = memfd_create("fuzzed.tar", 0);
    fuzz_must(file >= 0 && write(file, bytes, size) == (ssize_t)size, "file");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    read_all(path, size, Q_FORMAT_AUTO);
    read_all(path, size, Q_FORMAT_JSONL);
    close(file);
    return 0;
}

#ifndef FUZZ_LIBRARY
#define WORDS "The mill stands by the river, and its wheel turns day and night.\n"

static void make_files(void)
{
    static const char *const formats[] = {"tar", "pax", "zip", "7z", "cpio", "ar", "iso"};
    static const char *const filters[] = {"gzip", "xz", "zstd", "bzip2", "lzma", "lz4"};
    static const struct made_entry entries[] = {{"a/one.txt", WORDS WORDS, 0},
                                                {"two.jsonl",
                                                 "{\"text\":\""
                                                 "b"
                                                 "\"}\n\n{\"text\":\"c\"}\n",
                                                 0},
                                                {"../three.html", "<p>" WORDS, 0},
                                                {"four",
                                                 "\x7F"
                                                 "ELF\0\0",
                                                 6}};
    struct q_buffer inner = {0}, outer = {0};
    for (size_t f = 0; f < Q_COUNT_OF(formats); f++) {
        make_archive(formats[f], "", entries, Q_COUNT_OF(entries), &inner);
        fuzz_made(q_buffer_string(&inner));
        const struct made_entry nested[] = {{"inner", inner.data, inner.size}, entries[0]};
        make_archive("zip", "", nested, 2, &outer);
        fuzz_made(q_buffer_string(&outer));
    }
    for (size_t f = 0; f < Q_COUNT_OF(filters); f++) {
        make_archive("raw", filters[f], entries, 1, &inner);
        fuzz_made(q_buffer_string(&inner));
        make_archive("tar", filters[f], entries, Q_COUNT_OF(entries), &inner);
        fuzz_made(q_buffer_string(&inner));
    }
    make_debian_package(entries, Q_COUNT_OF(entries), &inner);
    fuzz_made(q_buffer_string(&inner));
    q_buffer_release(&inner);
    q_buffer_release(&outer);
}

int main(int argc, char **argv)
{
    static const char *const parts[] = {"PK\x03\x04",
                                        "PK\x01\x02",
                                        "PK\x05\x06",
                                        "\x1F\x8B\x08",
                                        "\x28\xB5\x2F\xFD",
                                        "\xFD"
                                        "7zXZ",
                                        "7z\xBC\xAF\x27\x1C",
                                        "BZh9",
                                        "\x04\x22\x4D\x18",
                                        "!<arch>\n",
                                        "070701",
                                        "CD001",
                                        "ustar",
                                        "77777777777",
                                        "00000000000",
                                        "\xFF\xFF\xFF\xFF",
                                        "\x80",
                                        "/",
                                        "../",
                                        "x.gz",
                                        "#1/99",
                                        " 99 path=",
                                        "GNU.sparse.size=",
                                        "\n",
                                        NULL};
    make_files();
    return fuzz_main(argc, argv, parts);
}
#endif
