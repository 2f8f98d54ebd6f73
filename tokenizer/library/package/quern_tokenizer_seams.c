/* Where the library differs from the programs: it is a guest in other people's. Linked into libquern_tokenizer only. */
#include "base/json.h"
#include "base/json_private.h"
#include "base/progress.h"

/* jansson's allocator is a matter of the whole process: it is left alone (base/json.c). */
extern const bool q_json_is_a_guest;
const bool q_json_is_a_guest = true;

/* No progress on other people's standard error. */
void q_progress_start(const char *what, const char *unit, uint64_t total)
{
    (void)what, (void)unit, (void)total;
}

void q_progress_add(uint64_t done)
{
    (void)done;
}

void q_progress_note(const char *format, ...)
{
    (void)format;
}

void q_progress_left(double seconds)
{
    (void)seconds;
}

void q_progress_finish(void)
{
}

void q_progress_hide(void)
{
}

void q_progress_show(void)
{
}

/* The plain one: the programs' has simdjson in it, and whoever links a C library should not need a C++ runtime for that. */
bool q_utf8_valid(q_string bytes)
{
    return q_utf8_valid_plain(bytes);
}
