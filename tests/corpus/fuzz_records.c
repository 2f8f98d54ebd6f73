/* Records of the web and HTTP messages on input that nobody wrote. Whatever the bytes are, reading ends without an error and each item has a place behind the last one's; what a
 * plain file gives, the same bytes give in one gzip member; a body decodes to something or to a reason, within its bounds.
 */
#include "base/check.h"
#include "base/hash.h"
#include "corpus/read/reader.h"
#include "corpus/read/warc_record.h"
#include "tests/base/fuzz.h"
#include "tests/corpus/item_places.h"
#include "tests/corpus/make_records.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ITEM_BYTES_MAX = 1 << 16, RATIO_MAX = 300 };

/* The bytes as a file; its items as lines, but for what the notes say of places. */
static void read_items(q_string bytes, struct q_buffer *lines)
{
    static const struct corpus_reader_options options = {
        .item_bytes_max = ITEM_BYTES_MAX, .unpack_ratio_max = RATIO_MAX, .depth_max = 4};
    static struct http_decoder decoder;
    struct corpus_reader *reader;
    struct corpus_item item;
    bool more = true;
    struct item_place next = {0};
    char path[64];
    int file = memfd_create("fuzzed", 0);
    fuzz_must(file >= 0 && write(file, bytes.data, bytes.size) == (ssize_t)bytes.size, "file");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    fuzz_must(corpus_reader_open(path, &options, &reader) == Q_OK, "open");
    for (;;) {
        fuzz_must(corpus_reader_next(reader, &item, &more) == Q_OK, "next");
        if (!more)
            break;
        fuzz_must(item.reason || item.bytes.size, "an item that is none");
        fuzz_must(item_follows(&next, &item), "two at one place");
        q_hash hash = q_hash_bytes(item.bytes.data, item.bytes.size);
        fuzz_must(q_buffer_printf(lines, "%s %llx %.*s %llu\n", item.reason ? item.reason : "-",
                                  (unsigned long long)hash.low, Q_STRING_ARGS(item.url),
                                  (unsigned long long)item.in_bytes) == Q_OK,
                  "memory");
        q_string text;
        const char *reason;
        fuzz_must(http_decode(&decoder, &item.http, item.bytes, ITEM_BYTES_MAX, RATIO_MAX, &text, &reason) == Q_OK,
                  "decode");
        fuzz_must(text.size <= ITEM_BYTES_MAX && (!reason || !text.size), "bounds");
    }
    corpus_reader_close(reader);
    close(file);
}

static void fuzz_file(q_string bytes)
{
    struct q_buffer lines = {0}, packed = {0}, again = {0};
    read_items(bytes, &lines);
    if (warc_begins(bytes, false)) {
        add_member(&packed, "gzip", bytes.data, bytes.size);
        read_items(q_buffer_string(&packed), &again);
        fuzz_must(q_string_equal(q_buffer_string(&lines), q_buffer_string(&again)), "in a member it is another file");
    }
    q_buffer_release(&lines);
    q_buffer_release(&packed);
    q_buffer_release(&again);
}

static void fuzz_http(q_string bytes)
{
    static struct http_decoder decoder;
    struct http_message message;
    size_t body = 0;
    q_string text;
    const char *reason;
    bool good = http_parse(bytes, &message, &body);
    fuzz_must(body <= bytes.size && message.coding_count <= HTTP_CODINGS_MAX, "head");
    if (!good)
        message = (struct http_message){.chunked = true, .coding_count = 1, .codings = {(uint8_t)(bytes.size % 5)}};
    fuzz_must(http_decode(&decoder, &message, q_string_slice(bytes, body, bytes.size), ITEM_BYTES_MAX, RATIO_MAX, &text,
                          &reason) == Q_OK,
              "decode");
    fuzz_must(text.size <= Q_MAX((size_t)ITEM_BYTES_MAX, bytes.size), "bounds");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    q_string text = {(const char *)bytes, size};
    fuzz_file(text);
    fuzz_http(text);
    return 0;
}

#ifndef FUZZ_LIBRARY
int main(int argc, char **argv)
{
    static const char *const parts[] = {"WARC/1.0\r\n",
                                        "\nWARC/1.1\n",
                                        "WARC-Type: response\r\n",
                                        "Content-Length: 9\r\n",
                                        "Content-Length: 70000\r\n",
                                        "Content-Length: 18446744073709551615\r\n",
                                        "\r\n\r\n",
                                        "\n",
                                        "HTTP/1.1 200 OK\r\n",
                                        "Content-Encoding: gzip\r\n",
                                        "Content-Encoding: deflate, br\r\n",
                                        "Transfer-Encoding: chunked\r\n",
                                        "Content-Type: text/html; charset=x\r\n",
                                        "ffff\r\n",
                                        "0\r\n\r\n",
                                        "\x1F\x8B\x08",
                                        "\x28\xB5\x2F\xFD",
                                        "\x5D\x2A\x4D\x18\x10",
                                        "http://a/ 192.0.2.7 20240518015801 text/html 12\n",
                                        "filedesc://a 192.0.2.7 20240518015801 text/plain 0\n",
                                        "-1",
                                        "<",
                                        " ",
                                        "\xFF",
                                        NULL};
    return fuzz_main(argc, argv, parts);
}
#endif
