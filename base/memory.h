/* Memory: allocation that can be made to fail, growing buffers, arenas.
 *
 * Every allocation of quern goes through q_alloc, so that a test can fail the k-th one (q_memory_fail_at) and see that
 * nothing leaks and nothing is half done. Sizes are given as count x size, multiplied with a check.
 *
 *   struct q_buffer   bytes that grow at the end; `data` may move on every append
 *   struct q_arena    many small things released together; what it gave never moves
 *
 * Both are ready when zeroed: `struct q_buffer b = {0};`. Release is safe on a zeroed one and may be called twice.
 */
#ifndef QUERN_BASE_MEMORY_H
#define QUERN_BASE_MEMORY_H

#include "base/status.h"
#include "base/string.h"

#include <stdint.h>

/* count x size bytes, uninitialised / zeroed, aligned to 64 bytes by q_alloc_aligned and to 16 by the others. *out is untouched
 * on failure (Q_ERR_MEMORY). A request of zero bytes gives a pointer that may be released. From 2 MiB on q_alloc_aligned asks for huge
 * pages, as q_alloc_pages does. */
q_status q_alloc(size_t count, size_t size, void *out_pointer) Q_MUST_USE;
q_status q_alloc_zero(size_t count, size_t size, void *out_pointer) Q_MUST_USE;
q_status q_alloc_aligned(size_t count, size_t size, void *out_pointer) Q_MUST_USE;

/* *pointer (NULL or from q_alloc, q_alloc_zero, q_grow) to hold `count` x `size` bytes; old content kept; on failure unchanged. */
q_status q_resize(void *pointer_to_pointer, size_t count, size_t size) Q_MUST_USE;

/* Makes room for `needed` elements, growing by half, so that appending one by one is linear. *capacity is in elements. */
q_status q_grow(void *pointer_to_pointer, size_t *capacity, size_t needed, size_t size) Q_MUST_USE;

/* Releases what any of the above gave; NULL is allowed. */
void q_release(void *pointer);

/* For tests: the k-th allocation from now fails (1 is the next), all later ones too when `for_ever`; 0 turns it off. The count of
 * allocations since the last call is returned. Thread-safe, but meant for tests with one thread. */
uint64_t q_memory_fail_at(uint64_t k, int for_ever);

/* The largest resident set of this process so far, in bytes (getrusage). */
uint64_t q_memory_peak_bytes(void);

/* The resident set of this process now, in bytes; 0 where the system does not say. */
uint64_t q_memory_resident_bytes(void);

/* What this process may use at most: the machine's memory, or its container's (cgroup v2) where that is less. 0 where the system does not say. */
uint64_t q_memory_machine_bytes(void);

/* What this process may still take: what the machine has available, or what is left of its container's bound (cgroup v2; the page cache counts as
 * left) where that is less. 0 where the system does not say. */
uint64_t q_memory_available_bytes(void);

/* From now on blocks of 256 KiB and more go back to the system when they are released, where malloc would otherwise learn to keep them: for programs that
 * promise a bound. Nothing where malloc cannot be told. */
void q_memory_return_blocks(void);

enum { Q_HUGE_PAGE = 1 << 21 };

/* `bytes` > 0 of zeroed pages, which go back to the system when they are released: for what counts against a bound on memory, since blocks of malloc may
 * stay with the process. From 2 MiB on they are aligned for huge pages, and these are asked for: a table that is looked up at random lives by its TLB. */
q_status q_alloc_pages(size_t bytes, void *out_pointer) Q_MUST_USE;
void q_release_pages(void *pointer, size_t bytes); /* the same bytes; NULL is allowed */

struct q_buffer {
    char *data;
    size_t size;
    size_t capacity;
};

void q_buffer_release(struct q_buffer *buffer);
static inline void q_buffer_clear(struct q_buffer *buffer)
{
    buffer->size = 0;
}
/* Room for `more` bytes behind `size` (size itself unchanged). */
q_status q_buffer_reserve(struct q_buffer *buffer, size_t more) Q_MUST_USE;
q_status q_buffer_append(struct q_buffer *buffer, const void *bytes, size_t count) Q_MUST_USE;
q_status q_buffer_append_string(struct q_buffer *buffer, q_string string) Q_MUST_USE;
q_status q_buffer_append_byte(struct q_buffer *buffer, char byte) Q_MUST_USE;
q_status q_buffer_printf(struct q_buffer *buffer, const char *format, ...) Q_PRINTF(2, 3) Q_MUST_USE;
/* Puts a NUL behind the bytes without counting it, so that `data` is a C string. */
q_status q_buffer_terminate(struct q_buffer *buffer) Q_MUST_USE;
static inline q_string q_buffer_string(const struct q_buffer *buffer)
{
    return (q_string){buffer->data, buffer->size};
}

/* Blocks of memory chained newest first; each is twice the one before, up to 1 MiB, or as large as a request needs. */
struct q_arena {
    struct q_arena_block *newest;
    size_t used; /* in the newest block */
};

void q_arena_release(struct q_arena *arena);
/* Forgets everything but keeps the largest block for use again. */
void q_arena_clear(struct q_arena *arena);
/* A block of so many bytes, and what the last huge page has beyond these, for what is asked for next: tables that are read here and there, side by side. */
q_status q_arena_reserve_pages(struct q_arena *arena, size_t bytes) Q_MUST_USE;
q_status q_arena_alloc(struct q_arena *arena, size_t count, size_t size,
                       void *out_pointer) Q_MUST_USE;                                      /* zeroed, aligned to 16 */
q_status q_arena_string(struct q_arena *arena, q_string string, q_string *out) Q_MUST_USE; /* copy, NUL behind it */
q_status q_arena_cstring(struct q_arena *arena, q_string string, const char **out) Q_MUST_USE;
q_status q_arena_printf(struct q_arena *arena, const char **out, const char *format, ...) Q_PRINTF(3, 4) Q_MUST_USE;

#endif
