/* HTTP messages as crawlers store them (RFC 9112), and what browsers make of bad ones: folded lines, LF alone, no blank line before the body, headers that say
 * what is not so. Common Crawl stores bodies without their chunks and encodings and keeps the headers; clueweb09 says gzip of plain pages.
 *
 * The head is looked at where records are read, so that what is not wanted is not carried on; the body is decoded on any thread. Between the two goes a
 * struct http_message, which borrows nothing.
 */
#ifndef QUERN_CORPUS_HTTP_MESSAGE_H
#define QUERN_CORPUS_HTTP_MESSAGE_H

#include "corpus/read/decompress.h"
#include "corpus/read/sniff.h"

enum { HTTP_HEAD_BYTES_MAX = 256 * 1024, HTTP_CODINGS_MAX = 4, HTTP_CHARSET_MAX = 40 };

enum http_coding { HTTP_CODING_GZIP, HTTP_CODING_DEFLATE, HTTP_CODING_ZSTD, HTTP_CODING_BROTLI, HTTP_CODING_UNKNOWN };

/* Zeroed: bytes as they are. */
struct http_message {
    bool record;               /* this is of a record at all: what it does not say is found out from the body */
    unsigned status;           /* 200; 0: no HTTP */
    enum corpus_format format; /* HTML, TEXT; NOT_PROSE, BINARY; UNKNOWN: the message does not say */
    char charset[HTTP_CHARSET_MAX + 1]; /* of Content-Type, as it stands there; "": none */
    bool chunked;                       /* says Transfer-Encoding */
    uint8_t coding_count;
    uint8_t codings[HTTP_CODINGS_MAX]; /* enum http_coding, in the order in which they were applied */
};

/* The head of the message: false where there is none (no status line, too long, too many codings). *body: offset of what follows it. */
bool http_parse(q_string bytes, struct http_message *message, size_t *body);
/* "text/html; charset=utf-8" into format and charset; an empty type changes nothing. */
void http_content_type(q_string value, struct http_message *message);

/* Undoes the message's chunks and codings where the body really has them: *out borrows from `body` or from `buffers`. *reason = NULL, or why not:
 * http-coding (damaged, or none that the build knows), archive-bomb (over 1 MiB and ratio_max bytes per byte), too-large (over bytes_max). A body that ends too
 * soon gives what it has; text that is not coded as the header says stays as it is. Fails for want of memory only. */
struct http_decoder {
    struct corpus_decompressor *decompressor; /* made when one is needed */
    struct q_buffer buffers[2];
};
q_status http_decode(struct http_decoder *decoder, const struct http_message *message, q_string body,
                     uint64_t bytes_max, uint64_t ratio_max, q_string *out, const char **reason) Q_MUST_USE;
void http_decoder_release(struct http_decoder *decoder);

/* The body of a chunked message (RFC 9112, 7.1) into `out`, cleared first; false: it is not in chunks. */
q_status http_unchunk(q_string body, struct q_buffer *out, bool *chunked) Q_MUST_USE;

#endif
