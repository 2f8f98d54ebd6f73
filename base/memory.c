/* Allocation with a switch for failing it, and growing buffers. Arenas: arena.c; what the machine has: memory_machine.c. */
#include "base/memory.h"

#include "base/check.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ALIGNMENT = 64 /* a cache line, and the widest vector */ };

/* The failing allocation, see q_memory_fail_at. `fail_at` is compared with the number of allocations made; 0 is off. */
static atomic_uint_fast64_t allocations_made;
static atomic_uint_fast64_t fail_at;
static atomic_bool fail_for_ever;

uint64_t q_memory_fail_at(uint64_t k, int for_ever)
{
    atomic_store(&fail_at, 0);
    uint64_t made = atomic_exchange(&allocations_made, 0);
    atomic_store(&fail_for_ever, for_ever != 0);
    atomic_store(&fail_at, k);
    return made;
}

static bool must_fail(void)
{
    uint64_t number = atomic_fetch_add_explicit(&allocations_made, 1, memory_order_relaxed) + 1;
    uint64_t k = atomic_load_explicit(&fail_at, memory_order_relaxed);
    return k != 0 && (number == k || (number > k && atomic_load_explicit(&fail_for_ever, memory_order_relaxed)));
}

/* count x size into *bytes, at least 1 so that malloc's NULL always means failure. */
static q_status request_bytes(size_t count, size_t size, size_t *bytes)
{
    if (!q_mul_size(count, size, bytes) || *bytes > PTRDIFF_MAX)
        return q_fail(Q_ERR_MEMORY, "out of memory: %zu times %zu bytes were asked for", count, size);
    *bytes = Q_MAX(*bytes, (size_t)1);
    return Q_OK;
}

static q_status out_of_memory(size_t bytes)
{
    return q_fail(Q_ERR_MEMORY, "out of memory: %zu bytes were asked for", bytes);
}

/* `out_pointer` is the address of some T *; writing it as a void ** would break the aliasing rules, memcpy does not. */
static void store_pointer(void *out_pointer, void *pointer)
{
    memcpy(out_pointer, &pointer, sizeof(pointer));
}

q_status q_alloc(size_t count, size_t size, void *out_pointer)
{
    size_t bytes;
    Q_TRY(request_bytes(count, size, &bytes));
    void *memory = must_fail() ? NULL : malloc(bytes);
    if (!memory)
        return out_of_memory(bytes);
    store_pointer(out_pointer, memory);
    return Q_OK;
}

q_status q_alloc_zero(size_t count, size_t size, void *out_pointer)
{
    size_t bytes;
    Q_TRY(request_bytes(count, size, &bytes));
    void *memory = must_fail() ? NULL : calloc(1, bytes); /* fresh pages need no clearing */
    if (!memory)
        return out_of_memory(bytes);
    store_pointer(out_pointer, memory);
    return Q_OK;
}

q_status q_alloc_aligned(size_t count, size_t size, void *out_pointer)
{
    size_t bytes;
    Q_TRY(request_bytes(count, size, &bytes));
    const bool large = bytes >= Q_HUGE_PAGE;
    void *memory;
    if (must_fail() || posix_memalign(&memory, large ? (size_t)Q_HUGE_PAGE : (size_t)ALIGNMENT, bytes))
        return out_of_memory(bytes);
    if (large) /* a wish; whole huge pages only, what lies behind them may be others' */
        (void)madvise(memory, bytes / Q_HUGE_PAGE * Q_HUGE_PAGE, MADV_HUGEPAGE);
    store_pointer(out_pointer, memory);
    return Q_OK;
}

q_status q_resize(void *pointer_to_pointer, size_t count, size_t size)
{
    size_t bytes;
    Q_TRY(request_bytes(count, size, &bytes));
    void *old;
    memcpy(&old, pointer_to_pointer, sizeof(old));
    void *memory = must_fail() ? NULL : realloc(old, bytes);
    if (!memory)
        return out_of_memory(bytes);
    store_pointer(pointer_to_pointer, memory);
    return Q_OK;
}

q_status q_grow(void *pointer_to_pointer, size_t *capacity, size_t needed, size_t size)
{
    enum { FIRST_BYTES = 64 };
    if (needed <= *capacity)
        return Q_OK;
    size_t wanted = *capacity;
    if (!q_add_size(wanted, wanted / 2, &wanted) || wanted < needed)
        wanted = needed;
    wanted = Q_MAX(wanted, FIRST_BYTES / Q_MAX(size, (size_t)1));
    Q_TRY(q_resize(pointer_to_pointer, wanted, size));
    *capacity = wanted;
    return Q_OK;
}

void q_release(void *pointer)
{
    free(pointer);
}

void q_memory_return_blocks(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, 256 << 10); /* once set it stays, and so does M_TRIM_THRESHOLD */
    (void)mallopt(M_TRIM_THRESHOLD, 512 << 10);
#endif
}

q_status q_alloc_pages(size_t bytes, void *out_pointer)
{
    const size_t slack = bytes >= Q_HUGE_PAGE ? Q_HUGE_PAGE : 0;
    size_t room;
    q_check(bytes > 0);
    if (!q_add_size(bytes, slack, &room) || room > PTRDIFF_MAX || must_fail())
        return out_of_memory(bytes);
    char *memory = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return out_of_memory(bytes);
    if (slack) {
        /* What lies before the first border of a huge page, and what is left behind, goes back. */
        const size_t page = (size_t)sysconf(_SC_PAGESIZE), used = (bytes + page - 1) / page * page;
        const size_t before = (Q_HUGE_PAGE - (uintptr_t)memory % Q_HUGE_PAGE) % Q_HUGE_PAGE;
        if (before)
            (void)munmap(memory, before);
        memory += before;
        if (room > before + used)
            (void)munmap(memory + used, room - before - used);
        (void)madvise(memory, bytes, MADV_HUGEPAGE); /* a wish: without it the table is only slower */
    }
    store_pointer(out_pointer, memory);
    return Q_OK;
}

void q_release_pages(void *pointer, size_t bytes)
{
    if (pointer)
        (void)munmap(pointer, bytes);
}

void q_buffer_release(struct q_buffer *buffer)
{
    q_release(buffer->data);
    *buffer = (struct q_buffer){0};
}

q_status q_buffer_reserve(struct q_buffer *buffer, size_t more)
{
    size_t needed;
    if (!q_add_size(buffer->size, more, &needed))
        return q_fail(Q_ERR_MEMORY, "out of memory: %zu bytes were asked for behind %zu", more, buffer->size);
    return q_grow(&buffer->data, &buffer->capacity, needed, 1);
}

q_status q_buffer_append(struct q_buffer *buffer, const void *bytes, size_t count)
{
    if (count == 0) /* bytes may be NULL then, which memcpy must not see */
        return Q_OK;
    Q_TRY(q_buffer_reserve(buffer, count));
    memcpy(buffer->data + buffer->size, bytes, count);
    buffer->size += count;
    return Q_OK;
}

q_status q_buffer_append_string(struct q_buffer *buffer, q_string string)
{
    return q_buffer_append(buffer, string.data, string.size);
}

q_status q_buffer_append_byte(struct q_buffer *buffer, char byte)
{
    if (buffer->size == buffer->capacity)
        Q_TRY(q_buffer_reserve(buffer, 1));
    buffer->data[buffer->size++] = byte;
    return Q_OK;
}

q_status q_buffer_printf(struct q_buffer *buffer, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    /* First try in the room that is there; a text that does not fit says how long it is. */
    size_t room = buffer->capacity - buffer->size;
    int length = vsnprintf(room ? buffer->data + buffer->size : NULL, room, format, arguments);
    va_end(arguments);
    q_status status = length < 0 ? q_fail(Q_ERR_SYSTEM, "a text could not be formatted") : Q_OK;
    if (status == Q_OK && (size_t)length >= room) {
        status = q_buffer_reserve(buffer, (size_t)length + 1);
        if (status == Q_OK)
            (void)vsnprintf(buffer->data + buffer->size, (size_t)length + 1, format, again);
    }
    va_end(again);
    if (status == Q_OK)
        buffer->size += (size_t)length;
    return status;
}

q_status q_buffer_terminate(struct q_buffer *buffer)
{
    Q_TRY(q_buffer_reserve(buffer, 1));
    buffer->data[buffer->size] = 0;
    return Q_OK;
}
