/* HTTP messages as crawlers store them: heads, chunks, codings, and what is not so. */
#include "base/check.h"
#include "corpus/read/http_message.h"
#include "tests/base/cmocka_all.h"
#include "tests/corpus/make_records.h"

#include <stdio.h>
#include <string.h>

static struct http_decoder decoder;

/* "STATUS FORMAT CHARSET chunked codings|BODY", or "none". */
static const char *head(const char *text, size_t size)
{
    static char out[256];
    struct http_message m;
    size_t body;
    if (!http_parse((q_string){text, size}, &m, &body))
        return "none";
    snprintf(out, sizeof out, "%u %s %s%s", m.status, corpus_format_name(m.format), m.charset,
             m.chunked ? " chunked" : "");
    for (unsigned i = 0; i < m.coding_count; i++)
        snprintf(out + strlen(out), sizeof out - strlen(out), " %u", m.codings[i]);
    snprintf(out + strlen(out), sizeof out - strlen(out), "|%.*s", (int)(size - body), text + body);
    return out;
}
#define HEAD(text, wanted) assert_string_equal(head(text, sizeof(text) - 1), wanted)

static void test_heads(void **state)
{
    (void)state;
    HEAD("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=UTF-8\r\n\r\nbody", "200 html UTF-8|body");
    HEAD("HTTP/1.0 404 Not Found\nCONTENT-TYPE:text/plain\n\nbody", "404 text |body");
    HEAD("HTTP/2 200\r\n\r\n", "200 unknown |");
    HEAD("HTTP/1.1  200 OK\r\nContent-Type:\r\n  text/html;\r\n\tcharset=\"koi8-r\"\r\nX: y\r\n\r\nb",
         "200 html koi8-r|b");
    HEAD("HTTP/1.1 200 OK\r\nno colon here\r\nContent-Type: application/xhtml+xml\r\n<html>", "200 html |<html>");
    HEAD("HTTP/1.1 200 OK\nContent-Type: text/html", "200 html |");
    HEAD("HTTP/1.1 200 OK\nTransfer-Encoding: Chunked\nContent-Encoding: X-GZIP, br\n\n", "200 unknown  chunked 0 3|");
    HEAD("HTTP/1.1 200 OK\nContent-Encoding: utf-8\nContent-Encoding: none\n\n", "200 unknown |");
    HEAD("HTTP/1.1 200 OK\nContent-Encoding: compress\n\n", "200 unknown  4|");
    HEAD("HTTP/1.1 200 OK\nContent-Type: text/html; Charset = 'utf-8'; x=y\n\n", "200 html utf-8|");
    HEAD("HTTP/1.1 200 OK\nContent-Type: text/html; charset=\n\n", "200 html |");
    HEAD("HTTP/1.1 200 OK\nContent-Type: text/plain\nContent-Type: text/html\n\n", "200 html |");
    static const char *const types[][2] = {{"image/png", "binary"},
                                           {"application/pdf", "binary"},
                                           {"application/json", "not-prose"},
                                           {"text/css", "not-prose"},
                                           {"application/rss+xml", "not-prose"},
                                           {"IMAGE/SVG+XML", "not-prose"},
                                           {"unknown/unknown", "unknown"},
                                           {"text/markdown", "text"}};
    for (size_t i = 0; i < Q_COUNT_OF(types); i++) {
        struct http_message m = {0};
        http_content_type(q_string_of(types[i][0]), &m);
        assert_string_equal(corpus_format_name(m.format), types[i][1]);
    }
}

static void test_heads_that_are_none(void **state)
{
    (void)state;
    HEAD("", "none");
    HEAD("HTTP", "none");
    HEAD("HTTP/1.1 OK\r\n\r\n", "none");
    HEAD("HTTP/1.1 20\r\n\r\n", "none");
    HEAD("<html>", "none");
    HEAD("HTTP/1.1 200 OK\nContent-Encoding: gzip, gzip, gzip, gzip, gzip\n\n", "none");
    struct q_buffer text = {0};
    struct http_message m;
    size_t body;
    assert_ok(q_buffer_append(&text, "HTTP/1.1 200 OK\n", 16));
    for (unsigned i = 0; i < 1025; i++)
        assert_ok(q_buffer_append(&text, "A: b\n", 5));
    assert_false(http_parse(q_buffer_string(&text), &m, &body)); /* too many */
    text.size = 16;
    while (text.size <= HTTP_HEAD_BYTES_MAX)
        assert_ok(q_buffer_append(&text, "no colon, no end\n", 17));
    assert_false(http_parse(q_buffer_string(&text), &m, &body)); /* too long */
    q_buffer_release(&text);
}

static void unchunk(const char *body, bool chunked, const char *wanted)
{
    struct q_buffer out = {0};
    bool really;
    assert_ok(http_unchunk(q_string_of(body), &out, &really));
    assert_int_equal(really, chunked);
    if (chunked) {
        assert_ok(q_buffer_terminate(&out));
        assert_string_equal(out.data, wanted);
    }
    q_buffer_release(&out);
}

static void test_chunks(void **state)
{
    (void)state;
    unchunk("5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n", true, "hello world");
    unchunk("000005\nhello\n0\n\n", true, "hello");
    unchunk("5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n", true, "hello");
    unchunk("5\r\nhello\r\n", true, "hello"); /* no last chunk */
    unchunk("5\r\nhel", true, "hel");         /* cut */
    unchunk("0\r\n\r\n", true, "");
    unchunk("5\r\nhello\r\n<p>", true, "hello<p>"); /* breaks off: the rest as it stands */
    unchunk("5\r\nhello\r\n3\r\nabcd", true, "hello3\r\nabcd");
    unchunk("<!doctype html>", false, ""); /* stored without its chunks */
    unchunk("face to face\n", false, "");
    unchunk("face\nto face\nand then some more\n", true,
            "to face\nand then some more\n");    /* as cut as it is possible to tell */
    unchunk("3\nabcdef\n", false, "");           /* a number, but no chunk */
    unchunk("ffffffffffffffff\r\nx", false, ""); /* more than 2^60 */
    unchunk("", false, "");
}

/* What the body decodes to, or its reason behind '!'. */
static const char *decode(unsigned count, const uint8_t *codings, const struct q_buffer *body)
{
    static struct q_buffer out;
    struct http_message m = {.record = true, .coding_count = (uint8_t)count};
    const char *reason;
    q_string text;
    memcpy(m.codings, codings, count);
    assert_ok(http_decode(&decoder, &m, q_buffer_string(body), 1 << 22, 300, &text, &reason));
    q_buffer_clear(&out);
    assert_ok(reason ? q_buffer_printf(&out, "!%s", reason) : q_buffer_append_string(&out, text));
    assert_ok(q_buffer_terminate(&out));
    static char copy[1 << 16];
    snprintf(copy, sizeof copy, "%s", out.data);
    q_buffer_release(&out);
    return copy;
}
#define ONE(coding)                                                                                                    \
    1, (const uint8_t[])                                                                                               \
    {                                                                                                                  \
        coding                                                                                                         \
    }

static void test_codings(void **state)
{
    (void)state;
    struct q_buffer body = {0}, twice = {0};
    const q_string page = Q_STRING("<p>The mill grinds, the mill grinds, the mill grinds.");
    add_member(&body, "gzip", page.data, page.size);
    assert_string_equal(decode(ONE(HTTP_CODING_GZIP), &body), page.data);
    add_member(&body, "gzip", "<p>second", 9);
    assert_ok(q_buffer_append(&body, "\0\0behind", 8));
    assert_string_equal(decode(ONE(HTTP_CODING_GZIP), &body),
                        "<p>The mill grinds, the mill grinds, the mill grinds.<p>second");
    add_member(&twice, "gzip", body.data, body.size);
    assert_string_equal(decode(2, (const uint8_t[]){HTTP_CODING_GZIP, HTTP_CODING_GZIP}, &twice),
                        "<p>The mill grinds, the mill grinds, the mill grinds.<p>second");
    q_buffer_clear(&body);
    add_deflate(&body, true, page);
    assert_string_equal(decode(ONE(HTTP_CODING_DEFLATE), &body), page.data);
    q_buffer_clear(&body);
    add_deflate(&body, false, page);
    assert_string_equal(decode(ONE(HTTP_CODING_DEFLATE), &body), page.data);
    q_buffer_clear(&body);
    add_member(&body, "zstd", page.data, page.size);
    assert_string_equal(decode(ONE(HTTP_CODING_ZSTD), &body), page.data);
    q_buffer_clear(&body);
    add_brotli(&body, page);
    assert_string_equal(decode(ONE(HTTP_CODING_BROTLI), &body),
                        corpus_decompressor_knows(CORPUS_BROTLI) ? page.data : "!http-coding");
    assert_string_equal(decode(ONE(HTTP_CODING_UNKNOWN), &body), "!http-coding");
    q_buffer_release(&body);
    q_buffer_release(&twice);
}

/* Plain text under a header that says more; the same bytes damaged, cut, and far too many. */
static void test_codings_that_are_none(void **state)
{
    (void)state;
    struct q_buffer body = {0}, bomb = {0}, zeros = {0};
    const char *page = "<!doctype html><p>The mill grinds.";
    assert_ok(q_buffer_append(&body, page, strlen(page)));
    for (uint8_t coding = 0; coding <= HTTP_CODING_UNKNOWN; coding++)
        assert_string_equal(decode(ONE(coding), &body), page);
    q_buffer_clear(&body);
    assert_string_equal(decode(ONE(HTTP_CODING_GZIP), &body), "");
    add_member(&body, "gzip", page, strlen(page));
    body.data[body.size - 6] ^= 1; /* its checksum */
    assert_string_equal(decode(ONE(HTTP_CODING_GZIP), &body), "!http-coding");
    q_buffer_clear(&body);
    add_deflate(&body, true, q_string_of(page));
    body.size -= 10; /* cut: what there is */
    assert_string_equal(decode(ONE(HTTP_CODING_DEFLATE), &body), "<!doctype html><p>The mill g");
    body.size = 4;
    assert_string_equal(decode(ONE(HTTP_CODING_DEFLATE), &body), "!http-coding"); /* and there is nothing */
    assert_ok(q_buffer_reserve(&zeros, 4 << 20));
    memset(zeros.data, ' ', 4 << 20);
    add_member(&bomb, "gzip", zeros.data, 4 << 20);
    assert_true(bomb.size < 8192);
    assert_string_equal(decode(ONE(HTTP_CODING_GZIP), &bomb), "!archive-bomb");
    q_buffer_clear(&bomb);
    assert_ok(q_buffer_reserve(&bomb, 5 << 20));
    memset(bomb.data, 'x', bomb.size = 5 << 20);
    q_buffer_clear(&zeros);
    add_deflate(&zeros, false, q_buffer_string(&bomb));
    assert_string_equal(decode(ONE(HTTP_CODING_DEFLATE), &zeros), "!too-large");
    q_buffer_release(&body);
    q_buffer_release(&bomb);
    q_buffer_release(&zeros);
}

/* Text that begins as a stream does: raw deflate takes nearly any byte for a block's beginning, and "80", "hb", "x^" are headers of zlib. */
static void test_text_under_false_codings(void **state)
{
    (void)state;
    struct q_buffer body = {0};
    static const char *const more[] = {"80 mills", "hb", "x^2 + y^2", "x^"};
    for (int first = ' '; first < 127; first++)
        for (int second = ' '; second < 127; second++) {
            q_buffer_clear(&body);
            assert_ok(
                q_buffer_printf(&body, "%c%c\"id\": 7, the mill grinds what the farmers bring to it.", first, second));
            assert_ok(q_buffer_terminate(&body));
            for (uint8_t coding = 0; coding <= HTTP_CODING_UNKNOWN; coding++)
                assert_string_equal(decode(ONE(coding), &body), body.data);
        }
    for (size_t i = 0; i < Q_COUNT_OF(more); i++) {
        q_buffer_clear(&body);
        assert_ok(q_buffer_append(&body, more[i], strlen(more[i])));
        assert_string_equal(decode(ONE(HTTP_CODING_DEFLATE), &body), more[i]);
    }
    /* what is no text is no text: a stream with bytes behind it, and one that is cut */
    q_buffer_clear(&body);
    add_deflate(&body, false, Q_STRING("<p>The mill grinds."));
    assert_ok(q_buffer_append(&body, "behind", 6));
    assert_string_equal(decode(ONE(HTTP_CODING_DEFLATE), &body), "!http-coding");
    body.size -= 10;
    assert_string_equal(decode(ONE(HTTP_CODING_DEFLATE), &body), "<p>The mill gri");
    q_buffer_release(&body);
}

static void test_failing_memory(void **state)
{
    (void)state;
    struct q_buffer body = {0};
    struct http_message m = {.record = true, .chunked = true, .coding_count = 1, .codings = {HTTP_CODING_GZIP}};
    assert_ok(q_buffer_append(&body, "17\r\n", 4));
    add_member(&body, "gzip", "x", 1);
    char size[3];
    snprintf(size, sizeof size, "%02x", (unsigned)(body.size - 4));
    memcpy(body.data, size, 2);
    for (uint64_t k = 1;; k++) {
        struct http_decoder fresh = {0};
        q_string text;
        const char *reason;
        q_memory_fail_at(k, 0);
        q_status status = http_decode(&fresh, &m, q_buffer_string(&body), 1 << 20, 300, &text, &reason);
        q_memory_fail_at(0, 0);
        bool good = status == Q_OK && q_string_is(text, "x");
        http_decoder_release(&fresh);
        if (good)
            break;
        assert_int_equal(status, Q_ERR_MEMORY);
        assert_true(k < 100);
    }
    q_buffer_release(&body);
}

static int leave(void **state)
{
    (void)state;
    http_decoder_release(&decoder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_heads),
                                       cmocka_unit_test(test_heads_that_are_none),
                                       cmocka_unit_test(test_chunks),
                                       cmocka_unit_test(test_codings),
                                       cmocka_unit_test(test_codings_that_are_none),
                                       cmocka_unit_test(test_text_under_false_codings),
                                       cmocka_unit_test(test_failing_memory)};
    return cmocka_run_group_tests(tests, NULL, leave);
}
