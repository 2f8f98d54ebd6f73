#include "tests/corpus/make_records.h"

#include "base/bytes.h"
#include "tests/corpus/make_archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

static void must(bool good)
{
    if (good)
        return;
    fprintf(stderr, "make_records: no memory\n");
    exit(4);
}

static void add(struct q_buffer *out, const void *bytes, size_t size)
{
    must(q_buffer_append(out, bytes, size) == Q_OK);
}

void add_record(struct q_buffer *out, unsigned number, const struct made_record *record)
{
    size_t size = record->size ? record->size : strlen(record->block);
    char truth[24];
    snprintf(truth, sizeof truth, "%zu", size);
    const char *length = record->length ? record->length : truth;
    if (!record->type) {
        must(q_buffer_printf(out, "%s 192.0.2.7 202405180158%02u %s %s\n", record->url, number % 60,
                             record->content_type, length) == Q_OK);
        add(out, record->block, size);
        add(out, "\n", 1);
        return;
    }
    must(q_buffer_printf(out, "WARC/1.0\r\nWARC-Type: %s\r\nWARC-Date: 2024-05-18T01:58:%02uZ\r\n", record->type,
                         number % 60) == Q_OK);
    must(q_buffer_printf(out, "WARC-Record-ID: <urn:test:%u>\r\n", number) == Q_OK);
    if (record->url)
        must(q_buffer_printf(out, "WARC-Target-URI: %s\r\n", record->url) == Q_OK);
    if (record->content_type)
        must(q_buffer_printf(out, "Content-Type: %s\r\n", record->content_type) == Q_OK);
    must(q_buffer_printf(out, "Content-Length: %s\r\n\r\n", length) == Q_OK);
    add(out, record->block, size);
    add(out, "\r\n\r\n", 4);
}

void add_arc_begin(struct q_buffer *out)
{
    static const char text[] = "1 0 Made\nURL IP-address Archive-date Content-type Archive-length\n";
    must(q_buffer_printf(out, "filedesc://made.arc 127.0.0.1 20240518015800 text/plain %zu\n%s\n", sizeof text - 1,
                         text) == Q_OK);
}

void add_member(struct q_buffer *out, const char *coding, const void *bytes, size_t size)
{
    struct q_buffer member = {0};
    if (!coding[0]) {
        add(out, bytes, size);
        return;
    }
    make_archive("raw", coding, &(struct made_entry){"", bytes, size}, 1, &member);
    if (strcmp(coding, "gzip") == 0)
        memset(member.data + 4, 0, 4); /* the time */
    add(out, member.data, member.size);
    q_buffer_release(&member);
}

static void add_zstd(struct q_buffer *out, q_string dictionary, const void *bytes, size_t size)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    must(context && q_buffer_reserve(out, ZSTD_compressBound(size)) == Q_OK);
    out->size += ZSTD_compress_usingDict(context, out->data + out->size, out->capacity - out->size, bytes, size,
                                         dictionary.data, dictionary.size, 3);
    ZSTD_freeCCtx(context);
}

void add_dictionary(struct q_buffer *out, q_string dictionary, bool packed)
{
    struct q_buffer frame = {0};
    char size[4];
    if (packed)
        add_zstd(&frame, (q_string){0}, dictionary.data, dictionary.size);
    else
        add(&frame, dictionary.data, dictionary.size);
    q_store_u32(size, (uint32_t)frame.size);
    add(out, "\x5D\x2A\x4D\x18", 4);
    add(out, size, 4);
    add(out, frame.data, frame.size);
    q_buffer_release(&frame);
}

void add_dictionary_frame(struct q_buffer *out, q_string dictionary, const void *bytes, size_t size)
{
    add_zstd(out, dictionary, bytes, size);
}

/* RFC 1950, 1951: stored blocks. */
void add_deflate(struct q_buffer *out, bool zlib, q_string text)
{
    uint32_t a = 1, b = 0;
    if (zlib)
        add(out, "\x78\x01", 2);
    for (size_t at = 0; at == 0 || at < text.size;) {
        q_string part = q_string_slice(text, at, at + 65535);
        at += part.size + (part.size == 0);
        char head[5] = {at >= text.size};
        q_store_u16(head + 1, (uint16_t)part.size);
        q_store_u16(head + 3, (uint16_t)~part.size);
        add(out, head, 5);
        add(out, part.data, part.size);
    }
    for (size_t i = 0; i < text.size; i++) {
        a = (a + (unsigned char)text.data[i]) % 65521;
        b = (b + a) % 65521;
    }
    const char sum[4] = {(char)(b >> 8), (char)b, (char)(a >> 8), (char)a};
    if (zlib)
        add(out, sum, 4);
}

/* RFC 7932, 9.2: one meta-block that is not compressed, and an empty last one. */
void add_brotli(struct q_buffer *out, q_string text)
{
    uint32_t bits = (uint32_t)(text.size - 1) << 4 | 1u << 20;
    const char head[3] = {(char)bits, (char)(bits >> 8), (char)(bits >> 16)};
    add(out, head, 3);
    add(out, text.data, text.size);
    add(out, "\x03", 1);
}
