/* Where the library differs from the programs: it is a guest in other people's. Linked into libquern_tokenizer only. */
#include "base/json.h"
#include "base/json_private.h"

/* jansson's allocator is a matter of the whole process: it is left alone (base/json.c). */
extern const bool q_json_is_a_guest;
const bool q_json_is_a_guest = true;

/* The plain one: the programs' has simdjson in it, and whoever links a C library should not need a C++ runtime for that. */
bool q_utf8_valid(q_string bytes)
{
    return q_utf8_valid_plain(bytes);
}
