/* Strings: comparing, searching, lines, and which name was meant. Numbers: number.c. */
#include "base/string.h"

#include "base/check.h"

#include <string.h>
#include <strings.h>

int q_string_compare(q_string a, q_string b)
{
    size_t common = Q_MIN(a.size, b.size);
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

bool q_string_starts(q_string string, const char *prefix)
{
    size_t size = strlen(prefix);
    return string.size >= size && (size == 0 || memcmp(string.data, prefix, size) == 0);
}

bool q_string_starts_any_case(q_string string, const char *prefix)
{
    size_t size = strlen(prefix);
    return string.size >= size && (size == 0 || strncasecmp(string.data, prefix, size) == 0);
}

bool q_string_is_any_case(q_string string, const char *wanted)
{
    return string.size == strlen(wanted) && q_string_starts_any_case(string, wanted);
}

bool q_string_ends(q_string string, const char *suffix)
{
    size_t size = strlen(suffix);
    return string.size >= size && (size == 0 || memcmp(string.data + string.size - size, suffix, size) == 0);
}

size_t q_string_find(q_string string, q_string needle, size_t from)
{
    if (from > string.size)
        return SIZE_MAX;
    if (needle.size == 0)
        return from;
    if (string.size == from) /* also keeps a NULL string away from memmem */
        return SIZE_MAX;
    const char *found = memmem(string.data + from, string.size - from, needle.data, needle.size);
    return found ? (size_t)(found - string.data) : SIZE_MAX;
}

bool q_string_next_line(q_string *rest, q_string *line)
{
    if (rest->size == 0)
        return false;
    const char *end = memchr(rest->data, '\n', rest->size);
    size_t length = end ? (size_t)(end - rest->data) : rest->size;
    *line = (q_string){rest->data, length};
    *rest = q_string_slice(*rest, length + (end != NULL), rest->size);
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

q_string q_string_trim(q_string string)
{
    size_t from = 0, to = string.size;
    while (from < to && is_space(string.data[from]))
        from++;
    while (to > from && is_space(string.data[to - 1]))
        to--;
    return q_string_slice(string, from, to);
}

/* Optimal string alignment: Levenshtein's table with one more case, two neighbours swapped. Row i needs rows i-1 and
 * i-2 only. */
size_t q_edit_distance(q_string a, q_string b, size_t limit)
{
    enum { NAME_BYTES_MAX = 128 }; /* names, not texts: a longer one is as far as can be */
    if (a.size > NAME_BYTES_MAX || b.size > NAME_BYTES_MAX)
        return limit;
    size_t rows[3][NAME_BYTES_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b.size; j++)
        above[j] = before[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t replace = above[j - 1] + (a.data[i - 1] != b.data[j - 1]);
            row[j] = Q_MIN(replace, Q_MIN(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1])
                row[j] = Q_MIN(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return Q_MIN(above[b.size], limit);
}

const char *q_nearest_name(q_string name, const char *const *candidates)
{
    const char *nearest = NULL;
    size_t best = (name.size + 2) / 3 + 1; /* a third of the length, rounded up: "lr" may be "lrs" */
    for (; *candidates; candidates++) {
        size_t distance = q_edit_distance(name, q_string_of(*candidates), best);
        if (distance < best) { /* of equals the first in the list */
            best = distance;
            nearest = *candidates;
        }
    }
    return nearest;
}
