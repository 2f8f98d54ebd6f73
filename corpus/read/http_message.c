#include "corpus/read/http_message.h"

#include "base/check.h"
#include "corpus/read/warc_record.h"

enum { FIELDS_MAX = 1024, FOLD_BYTES = 1024 };

/* --- types ------------------------------------------------------------------------------------------------------------------------- */

/* Types that say nothing are looked at as if they were not there. */
static enum corpus_format format_of(q_string type)
{
    static const char *const html[] = {"text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml"},
                             *const text[] = {"text/plain", "text/markdown", "text/x-markdown", "text/x-rst"},
                             *const unknown[] = {"unknown/unknown", "application/unknown", "no-type", "unk", "*/*"},
                             *const prose_not[] = {"text/",
                                                   "application/json",
                                                   "application/javascript",
                                                   "application/x-javascript",
                                                   "application/ecmascript",
                                                   "application/ld+json",
                                                   "application/xml",
                                                   "image/svg"};
    for (size_t i = 0; i < Q_COUNT_OF(html); i++)
        if (q_string_is_any_case(type, html[i]))
            return CORPUS_HTML;
    for (size_t i = 0; i < Q_COUNT_OF(text); i++)
        if (q_string_is_any_case(type, text[i]))
            return CORPUS_TEXT;
    for (size_t i = 0; i < Q_COUNT_OF(unknown); i++)
        if (q_string_is_any_case(type, unknown[i]))
            return CORPUS_UNKNOWN;
    for (size_t i = 0; i < Q_COUNT_OF(prose_not); i++)
        if (q_string_starts_any_case(type, prose_not[i]))
            return CORPUS_NOT_PROSE;
    return type.size > 4 && q_string_starts_any_case(q_string_slice(type, type.size - 4, type.size), "+xml")
               ? CORPUS_NOT_PROSE
               : CORPUS_BINARY;
}

/* The piece before the next `mark`, trimmed, off *rest. */
static bool next_piece(q_string *rest, char mark, q_string *piece)
{
    if (!rest->size)
        return false;
    const char *end = memchr(rest->data, mark, rest->size);
    size_t size = end ? (size_t)(end - rest->data) : rest->size;
    *piece = q_string_trim(q_string_slice(*rest, 0, size));
    *rest = q_string_slice(*rest, size + 1, rest->size);
    return true;
}

static void take_charset(q_string label, struct http_message *message)
{
    while (label.size && strchr("\"' ", label.data[0]))
        label = q_string_slice(label, 1, label.size);
    size_t size = 0;
    while (size < label.size && label.data[size] > ' ' && label.data[size] < 0x7F && !strchr("\"',", label.data[size]))
        size++;
    if (!size || size > HTTP_CHARSET_MAX)
        return;
    memcpy(message->charset, label.data, size);
    message->charset[size] = 0;
}

void http_content_type(q_string value, struct http_message *message)
{
    q_string piece;
    if (!next_piece(&value, ';', &piece) || !piece.size)
        return;
    message->format = format_of(piece);
    while (next_piece(&value, ';', &piece))
        if (q_string_starts_any_case(piece, "charset"))
            for (size_t at = 7; at < piece.size; at++)
                if (piece.data[at] == '=') {
                    take_charset(q_string_slice(piece, at + 1, piece.size), message);
                    break;
                }
}

/* --- head -------------------------------------------------------------------------------------------------------------------------- */

static bool add_codings(q_string value, struct http_message *message)
{
    static const struct {
        const char *name;
        enum http_coding coding;
    } known[] = {{"gzip", HTTP_CODING_GZIP},
                 {"x-gzip", HTTP_CODING_GZIP},
                 {"deflate", HTTP_CODING_DEFLATE},
                 {"zstd", HTTP_CODING_ZSTD},
                 {"br", HTTP_CODING_BROTLI}};
    q_string name;
    while (next_piece(&value, ',', &name)) {
        if (q_string_is_any_case(name, "chunked"))
            message->chunked = true;
        if (!name.size || q_string_is_any_case(name, "identity") || q_string_is_any_case(name, "chunked") ||
            q_string_is_any_case(name, "none") || q_string_find(name, Q_STRING("/"), 0) != SIZE_MAX ||
            q_string_is_any_case(name, "utf-8"))
            continue; /* types and charsets have been seen there */
        enum http_coding coding = HTTP_CODING_UNKNOWN;
        for (size_t i = 0; i < Q_COUNT_OF(known); i++)
            if (q_string_is_any_case(name, known[i].name))
                coding = known[i].coding;
        if (message->coding_count == HTTP_CODINGS_MAX)
            return false;
        message->codings[message->coding_count++] = (uint8_t)coding;
    }
    return true;
}

/* "HTTP/1.1 200 OK", "HTTP/1.0  200". */
static bool parse_status(q_string line, unsigned *status)
{
    size_t at = 0;
    if (!q_string_starts_any_case(line, "HTTP"))
        return false;
    while (at < line.size && line.data[at] != ' ')
        at++;
    while (at < line.size && line.data[at] == ' ')
        at++;
    size_t digits = 0;
    for (*status = 0;
         digits < 3 && at + digits < line.size && line.data[at + digits] >= '0' && line.data[at + digits] <= '9';
         digits++)
        *status = *status * 10 + (unsigned)(line.data[at + digits] - '0');
    return digits == 3;
}

/* The headers end at a blank line, or where a line begins with '<': a page whose blank line is missing. */
static bool head_ends(q_string rest)
{
    return rest.size && rest.data[0] == '<';
}

bool http_parse(q_string bytes, struct http_message *message, size_t *body)
{
    q_string rest = q_string_slice(bytes, 0, HTTP_HEAD_BYTES_MAX), line, name, value;
    char fold[FOLD_BYTES];
    unsigned fields = 0;
    *message = (struct http_message){0};
    if (!q_string_next_line(&rest, &line) || !parse_status(line, &message->status))
        return false;
    while (!head_ends(rest) && warc_next_field(&rest, fold, sizeof fold, &name, &value)) {
        if (++fields > FIELDS_MAX)
            return false;
        bool coding = q_string_is_any_case(name, "Content-Encoding") || q_string_is_any_case(name, "Transfer-Encoding");
        if (coding && !add_codings(value, message))
            return false;
        if (q_string_is_any_case(name, "Content-Type"))
            http_content_type(value, message);
    }
    *body = (size_t)(rest.data - bytes.data);
    return rest.size > 0 || bytes.size <= HTTP_HEAD_BYTES_MAX;
}
