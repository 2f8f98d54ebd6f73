/* Bodies of HTTP messages: chunks and codings undone, where they are there. */
#include "base/check.h"
#include "corpus/read/http_message.h"

enum { BOMB_FREE_BYTES = 1 << 20, ROOM_BYTES = 64 * 1024, SIZE_DIGITS_MAX = 15 };

/* --- chunks ------------------------------------------------------------------------------------------------------------------------ */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* "1a3f;extension" and its line's end, off *rest. */
static bool take_chunk_size(q_string *rest, uint64_t *size)
{
    size_t digits = 0;
    for (*size = 0; digits < rest->size && hex(rest->data[digits]) >= 0; digits++) {
        if (digits == SIZE_DIGITS_MAX)
            return false;
        *size = *size * 16 + (unsigned)hex(rest->data[digits]);
    }
    q_string line;
    if (!digits || !q_string_next_line(rest, &line))
        return false;
    line = q_string_trim(q_string_slice(line, digits, line.size));
    return !line.size || line.data[0] == ';';
}

/* The line's end behind a chunk; a body that ends there is cut, not wrong. */
static bool take_line_end(q_string *rest)
{
    size_t size = rest->size && rest->data[0] == '\r';
    if (rest->size > size && rest->data[size] != '\n')
        return false;
    *rest = q_string_slice(*rest, size + 1, rest->size);
    return true;
}

/* What has no chunks at its beginning has none; where they break off in the middle, the rest is taken as it stands. */
q_status http_unchunk(q_string body, struct q_buffer *out, bool *chunked)
{
    q_string rest = body;
    q_buffer_clear(out);
    *chunked = false;
    while (rest.size) {
        q_string before = rest;
        uint64_t size;
        bool good = take_chunk_size(&rest, &size);
        q_string chunk = good ? q_string_slice(rest, 0, (size_t)Q_MIN(size, (uint64_t)rest.size)) : rest;
        rest = q_string_slice(rest, chunk.size, rest.size);
        good = good && (size == 0 || take_line_end(&rest));
        if (!good && !*chunked)
            return Q_OK;
        *chunked = true;
        if (!good)
            return q_buffer_append_string(out, before);
        if (size == 0)
            return Q_OK; /* trailers follow, if anything */
        Q_TRY(q_buffer_append_string(out, chunk));
    }
    return Q_OK;
}

/* --- codings ----------------------------------------------------------------------------------------------------------------------- */

struct bounds {
    uint64_t bytes_max, bomb_bytes;
};

/* All members of `in` into `out`, and how that ended: BAD, one is damaged; MORE, the last is cut. *behind: bytes of `in` that belong to nobody.
 * *reason where there is too much of it. */
static q_status decompress(struct corpus_decompressor *d, enum corpus_coding coding, q_string in,
                           const struct bounds *bounds, struct q_buffer *out, enum corpus_unpacked *unpacked,
                           size_t *behind, const char **reason)
{
    q_buffer_clear(out);
    Q_TRY(corpus_decompressor_begin(d, coding));
    for (;;) {
        Q_TRY(q_buffer_reserve(out, ROOM_BYTES));
        *unpacked = corpus_decompressor_step(d, &in, out);
        *behind = in.size;
        *reason = out->size > bounds->bomb_bytes ? "archive-bomb" : out->size > bounds->bytes_max ? "too-large" : NULL;
        if (*reason)
            return Q_OK;
        if (*unpacked == CORPUS_UNPACKED_BAD || (*unpacked == CORPUS_UNPACKED_MORE && out->size < out->capacity))
            return Q_OK; /* in the second case it has room, so it wants input */
        if (*unpacked == CORPUS_UNPACKED_END) {
            if (coding != CORPUS_GZIP || !q_string_starts(in, "\x1F\x8B"))
                return Q_OK;
            Q_TRY(corpus_decompressor_begin(d, coding));
        }
    }
}

/* By their first bytes; deflate without a zlib header and brotli have none. */
static bool begins(q_string in, enum http_coding coding)
{
    const unsigned char *b = (const unsigned char *)in.data;
    switch (coding) {
    case HTTP_CODING_GZIP:
        return q_string_starts(in, "\x1F\x8B");
    case HTTP_CODING_ZSTD:
        return q_string_starts(in, "\x28\xB5\x2F\xFD");
    case HTTP_CODING_DEFLATE:
        return in.size >= 2 && (b[0] & 0x0F) == 8 && (b[0] * 256 + b[1]) % 31 == 0;
    default:
        return false;
    }
}

/* How a body is unpacked, and what says so. */
struct guess {
    enum corpus_coding coding;
    bool headed; /* its first bytes are those of the coding */
    bool sure;   /* and text does not begin with them, as it may with a zlib header: "80", "hb", "x^" */
};

static struct guess guess_of(enum http_coding coding, q_string in)
{
    static const enum corpus_coding by_header[] = {
        [HTTP_CODING_GZIP] = CORPUS_GZIP, [HTTP_CODING_DEFLATE] = CORPUS_ZLIB, [HTTP_CODING_ZSTD] = CORPUS_ZSTD};
    if (begins(in, coding))
        return (struct guess){by_header[coding], true, coding != HTTP_CODING_DEFLATE};
    if (coding == HTTP_CODING_DEFLATE)
        return (struct guess){.coding = CORPUS_DEFLATE};
    bool brotli = coding == HTTP_CODING_BROTLI && corpus_decompressor_knows(CORPUS_BROTLI);
    return (struct guess){.coding = brotli ? CORPUS_BROTLI : CORPUS_PLAIN};
}

static q_status undo(struct corpus_decompressor *d, enum http_coding coding, const struct bounds *bounds, q_string *in,
                     struct q_buffer *out, const char **reason)
{
    const struct guess guess = guess_of(coding, *in);
    enum corpus_unpacked unpacked = CORPUS_UNPACKED_BAD;
    size_t behind = 0;
    if (guess.coding != CORPUS_PLAIN)
        Q_TRY(decompress(d, guess.coding, *in, bounds, out, &unpacked, &behind, reason));
    if (*reason)
        return Q_OK;
    bool text =
        !guess.sure && corpus_format_of((q_string){0}, q_string_slice(*in, 0, CORPUS_SNIFF_BYTES)) != CORPUS_BINARY;
    /* Without a header to know it by, one text in 22 "decodes" to some bytes, and nearly all of it is left over: a stream's end must be the body's. What
     * looks like text is no cut stream, nor one of nothing (which brotli reads out of "Z5"). */
    bool whole = unpacked == CORPUS_UNPACKED_END && (guess.headed || (!behind && (out->size || !text)));
    bool cut = unpacked == CORPUS_UNPACKED_MORE && out->size && !text;
    if (whole || cut)
        *in = q_buffer_string(out);
    else if (!text)
        *reason = "http-coding"; /* else the header says what is not so: text as it stands */
    return Q_OK;
}

q_status http_decode(struct http_decoder *decoder, const struct http_message *message, q_string body,
                     uint64_t bytes_max, uint64_t ratio_max, q_string *out, const char **reason)
{
    struct bounds bounds = {bytes_max, 0};
    unsigned turn = 0;
    *reason = NULL;
    *out = body;
    if (message->chunked) {
        bool chunked;
        Q_TRY(http_unchunk(body, &decoder->buffers[turn], &chunked));
        if (chunked)
            *out = q_buffer_string(&decoder->buffers[turn++]);
    }
    if (message->coding_count && !decoder->decompressor)
        Q_TRY(corpus_decompressor_create(&decoder->decompressor));
    if (!q_mul_u64(ratio_max, body.size, &bounds.bomb_bytes) ||
        !q_add_u64(bounds.bomb_bytes, BOMB_FREE_BYTES, &bounds.bomb_bytes))
        bounds.bomb_bytes = UINT64_MAX;
    for (unsigned i = message->coding_count; i-- > 0 && !*reason && out->size;) {
        struct q_buffer *to = &decoder->buffers[turn % 2];
        Q_TRY(undo(decoder->decompressor, (enum http_coding)message->codings[i], &bounds, out, to, reason));
        turn += out->data == to->data;
    }
    if (*reason)
        *out = (q_string){0};
    return Q_OK;
}

void http_decoder_release(struct http_decoder *decoder)
{
    corpus_decompressor_release(decoder->decompressor);
    q_buffer_release(&decoder->buffers[0]);
    q_buffer_release(&decoder->buffers[1]);
    *decoder = (struct http_decoder){0};
}
