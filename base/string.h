/* Strings: a pointer and a length, not owned, not terminated, any bytes. A q_string is passed by value. */
#ifndef QUERN_BASE_STRING_H
#define QUERN_BASE_STRING_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct q_string {
    const char *data;
    size_t size; /* bytes */
} q_string;

/* A literal as q_string. */
#define Q_STRING(literal) ((q_string){"" literal, sizeof(literal) - 1})
/* For printf: printf("%.*s", Q_STRING_ARGS(s)); cut at INT_MAX. */
#define Q_STRING_ARGS(string) (int)((string).size > 0x7fffffff ? 0x7fffffff : (string).size), ((string).data ? (string).data : "")

static inline q_string q_string_of(const char *terminated)
{
    return (q_string){terminated, terminated ? strlen(terminated) : 0};
}

static inline bool q_string_equal(q_string a, q_string b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool q_string_is(q_string a, const char *terminated)
{
    return q_string_equal(a, q_string_of(terminated));
}

/* Bytes from `from` (cut to the size) up to `to` (cut to the size). */
static inline q_string q_string_slice(q_string string, size_t from, size_t to)
{
    to = to < string.size ? to : string.size;
    from = from < to ? from : to;
    return (q_string){string.data ? string.data + from : NULL, to - from};
}

/* Order by bytes as unsigned numbers, the shorter first where one begins the other. */
int q_string_compare(q_string a, q_string b);
bool q_string_starts(q_string string, const char *prefix);
/* Letters of ASCII in any case. */
bool q_string_starts_any_case(q_string string, const char *prefix);
bool q_string_is_any_case(q_string string, const char *wanted);
bool q_string_ends(q_string string, const char *suffix);
/* Offset of the first occurrence at or behind `from`, SIZE_MAX where there is none. */
size_t q_string_find(q_string string, q_string needle, size_t from);
/* Takes the next line off *rest: without its LF (a CR before it stays); false at the end. */
bool q_string_next_line(q_string *rest, q_string *line);
/* ASCII spaces, tabs and line ends cut from both ends. */
q_string q_string_trim(q_string string);

/* Whole numbers and quantities, without locale; the whole string must be used. Q_ERR_USAGE with the text of what is wrong. */
q_status q_parse_i64(q_string string, int64_t *out) Q_MUST_USE;
q_status q_parse_u64(q_string string, uint64_t *out) Q_MUST_USE;
q_status q_parse_double(q_string string, double *out) Q_MUST_USE;         /* finite decimal numbers only */
q_status q_parse_bytes(q_string string, uint64_t *out_bytes) Q_MUST_USE;  /* "65536", "64K", "64KiB" (1024), "64KB" (1000), M, G, T */
q_status q_parse_count(q_string string, uint64_t *out_count) Q_MUST_USE;  /* "14.8T", "469B", "3M", "2K": powers of 1,000 */

/* How alike two names are: the number of single-character edits (insert, delete, replace, swap neighbours), at most `limit`. */
size_t q_edit_distance(q_string a, q_string b, size_t limit);
/* The candidate nearest to `name` within a third of its length, NULL where none is: for "did you mean". NULL ends the list. */
const char *q_nearest_name(q_string name, const char *const *candidates);

/* Human figures into a caller's array of at least 32 bytes; returns it. "12.3 MB" (powers of 1,000), "1.24 M", "2 m 05 s". */
char *q_format_bytes(char *out, double bytes);
char *q_format_count(char *out, double count);
char *q_format_duration(char *out, double seconds);

#endif
