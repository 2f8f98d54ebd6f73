/* What the files of JSON share among themselves and with their tests. */
#ifndef QUERN_BASE_JSON_PRIVATE_H
#define QUERN_BASE_JSON_PRIVATE_H

#include "base/memory.h"
#include "base/string.h"

#include <stddef.h>

enum {
    Q_JSON_DEPTH_MAX = 200,
    Q_JSON_NUMBER_MAX = 32,   /* bytes of the longest shortest double, with NUL: "-2.2250738585072014e-308" and room */
    Q_JSON_ESCAPE_MAX = 6,    /* bytes that one byte becomes at most: a control character as \u001f */
    Q_JSON_ESCAPE_SLACK = 16, /* bytes behind the result that the fast path may scribble on */
};

/* Copies `count` bytes to `to` as the inside of a JSON string: ", \ and control characters escaped (\n \t \r \b \f, else \u00xx), all other
 * bytes as they are. `to` has room for count * Q_JSON_ESCAPE_MAX + Q_JSON_ESCAPE_SLACK bytes. Returns the end of what was written.
 * Both give the same bytes: the plain one a byte at a time, the fast one 16 at a time (SSE2, NEON) where the processor can. */
char *q_json_escape(char *to, const char *from, size_t count);
char *q_json_escape_plain(char *to, const char *from, size_t count);

/* A string with its quotes appended; broken UTF-8 becomes U+FFFD. On failure `out` is as it was. */
q_status q_json_append_string(struct q_buffer *out, q_string value) Q_MUST_USE;

/* The shortest decimal that reads back as the same double, always with a point or an exponent, so that it stays a real number: "0.1", "1.0",
 * "1e+30". No locale. `value` is finite. Returns the length. */
size_t q_json_double_text(char out[Q_JSON_NUMBER_MAX], double value);
/* Whatever the locale's decimal point is becomes '.'; returns the new length. */
size_t q_json_unlocalise(char *text);

/* q_utf8_valid, a byte at a time. */
bool q_utf8_valid_plain(q_string bytes);

/* The inside of an error text: at most `bytes_max` bytes of untrusted text, cut on a character with "...", control characters and broken UTF-8
 * as '?'. Writes at most out_size bytes, NUL included, and returns `out`. */
char *q_show(char *out, size_t out_size, q_string text);

#endif
