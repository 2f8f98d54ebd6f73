/* JSON: jansson for trees (settings, manifests, tokenizer.json), an own writer for streams (documents, metrics).
 *
 * Deterministic on the way out: keys in the order written (writer) or sorted (q_json_dump), real numbers in the shortest form that reads back
 * as the same double and as a real ("1.0"), no locale. Strict on the way in: UTF-8, no duplicate keys, no \u0000, depth at most 200, bounded size.
 */
#ifndef QUERN_BASE_JSON_H
#define QUERN_BASE_JSON_H

#include "base/memory.h"
#include "base/status.h"
#include "base/string.h"

#include <jansson.h>

#include <stdbool.h>
#include <stdint.h>

/* Parses one JSON value; `name` (a path) begins the error: "NAME: line 3: ...". The caller owns *out (json_decref). Q_ERR_INPUT. */
q_status q_json_parse(q_string text, const char *name, json_t **out) Q_MUST_USE;
q_status q_json_read_file(const char *path, uint64_t bytes_max, json_t **out) Q_MUST_USE;
/* Appends the value with sorted keys, indented by `indent` spaces (0: one line; else lists of scalars, and inner objects of at most four scalars, are
 * on one line), and a line end. One value has one text. */
q_status q_json_dump(const json_t *value, unsigned indent, struct q_buffer *out) Q_MUST_USE;
q_status q_json_publish(const char *path, const json_t *value) Q_MUST_USE; /* indent 1 */

/* Members of an object with their type checked; Q_ERR_INPUT names the file and the key. *out borrows from the object. */
q_status q_json_get_object(const json_t *object, const char *name, const char *key, json_t **out) Q_MUST_USE;
q_status q_json_get_array(const json_t *object, const char *name, const char *key, json_t **out) Q_MUST_USE;
q_status q_json_get_string(const json_t *object, const char *name, const char *key, q_string *out) Q_MUST_USE;
q_status q_json_get_u64(const json_t *object, const char *name, const char *key, uint64_t *out) Q_MUST_USE;
q_status q_json_get_double(const json_t *object, const char *name, const char *key, double *out) Q_MUST_USE; /* integers too */

/* Puts `value` under `key` and takes the reference, also on failure. A NULL value, as jansson's constructors give it, is Q_ERR_MEMORY where memory
 * ran out, else Q_ERR_INPUT (a number that is not finite, broken UTF-8). */
q_status q_json_set(json_t *object, const char *key, json_t *value) Q_MUST_USE;
q_status q_json_push(json_t *array, json_t *value) Q_MUST_USE;
/* A JSON string of bytes that may not be UTF-8: broken ones become U+FFFD. */
json_t *q_json_string(q_string string);

/* The writer: appends to a buffer, puts commas by itself. Failures stick and are returned by q_json_end.
 *
 *     struct q_json json = q_json_begin(&buffer);
 *     q_json_open(&json, NULL, '{');
 *     q_json_put_string(&json, "id", id);
 *     q_json_close(&json, '}');
 *     Q_TRY(q_json_end(&json));
 *
 * `key` is NULL inside arrays and at the top. */
struct q_json {
    struct q_buffer *out;
    q_status status;
    bool comma;
};

struct q_json q_json_begin(struct q_buffer *out);
void q_json_open(struct q_json *json, const char *key, char bracket); /* '{' or '[' */
void q_json_close(struct q_json *json, char bracket);                 /* '}' or ']' */
void q_json_put_string(struct q_json *json, const char *key, q_string value); /* broken UTF-8 becomes U+FFFD */
void q_json_put_u64(struct q_json *json, const char *key, uint64_t value);
void q_json_put_i64(struct q_json *json, const char *key, int64_t value);
void q_json_put_double(struct q_json *json, const char *key, double value);     /* NaN and infinities become null */
void q_json_put_fixed(struct q_json *json, const char *key, double value, int digits); /* as %.*f, trailing zeros cut */
void q_json_put_bool(struct q_json *json, const char *key, bool value);
void q_json_put_raw(struct q_json *json, const char *key, q_string value); /* JSON already */
void q_json_newline(struct q_json *json); /* ends a line of JSON lines */
q_status q_json_end(struct q_json *json) Q_MUST_USE;

/* Appends the inside of a JSON string: ", \ and control characters escaped, all other bytes as they are, UTF-8 or not: who reads the line says so. A text may
 * come in pieces, cut anywhere. */
q_status q_json_append_escaped(struct q_buffer *out, q_string value) Q_MUST_USE;
/* The bytes with invalid UTF-8 replaced by U+FFFD (maximal subparts, as the Unicode standard recommends), appended. */
q_status q_utf8_repair(q_string bytes, struct q_buffer *out, uint64_t *out_replaced) Q_MUST_USE;
bool q_utf8_valid(q_string bytes);
/* Whether the bytes are exactly one JSON value, spaces around it allowed: RFC 8259, valid UTF-8, depth at most 200. Duplicate keys and the size of
 * numbers are not looked at. */
bool q_json_valid(q_string text);

#endif
