/* Arenas (memory.h): blocks chained newest first, each handed out from its start.
 *
 *     arena.newest --> [ older | size | bytes ........used........ free ]
 *                         |
 *                         +--> [ older | size | full ] --> NULL
 */
#include "base/check.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ALIGNMENT = 16, BLOCK_BYTES_FIRST = 4096, BLOCK_BYTES_MAX = 1 << 20 };

struct q_arena_block {
    struct q_arena_block *older;
    size_t size;  /* of `bytes` */
    size_t pages; /* in bytes, where the block is pages; 0: it is of q_alloc */
    _Alignas(ALIGNMENT) char bytes[];
};

static void release_chain(struct q_arena_block *block)
{
    while (block) {
        struct q_arena_block *older = block->older;
        if (block->pages)
            q_release_pages(block, block->pages);
        else
            q_release(block);
        block = older;
    }
}

void q_arena_release(struct q_arena *arena)
{
    release_chain(arena->newest);
    *arena = (struct q_arena){0};
}

void q_arena_clear(struct q_arena *arena)
{
    struct q_arena_block **largest = &arena->newest;
    for (struct q_arena_block **link = &arena->newest; *link; link = &(*link)->older)
        if ((*link)->size > (*largest)->size)
            largest = link;
    struct q_arena_block *kept = *largest;
    if (kept) {
        *largest = kept->older; /* unchained, so that the rest can go */
        release_chain(arena->newest);
        kept->older = NULL;
    }
    arena->newest = kept;
    arena->used = 0;
}

static void push_block(struct q_arena *arena, struct q_arena_block *block)
{
    block->older = arena->newest;
    arena->newest = block;
    arena->used = 0;
}

static q_status add_block(struct q_arena *arena, size_t bytes)
{
    size_t size = BLOCK_BYTES_FIRST;
    if (arena->newest)
        size = Q_MIN(arena->newest->size, (size_t)BLOCK_BYTES_MAX / 2) * 2;
    size = Q_MAX(size, bytes);
    size_t total;
    if (!q_add_size(size, sizeof(struct q_arena_block), &total))
        return q_fail(Q_ERR_MEMORY, "out of memory: %zu bytes were asked for", bytes);
    struct q_arena_block *block;
    Q_TRY(q_alloc(1, total, &block));
    *block = (struct q_arena_block){.size = size};
    push_block(arena, block);
    return Q_OK;
}

q_status q_arena_reserve_pages(struct q_arena *arena, size_t bytes)
{
    size_t total;
    struct q_arena_block *block;
    if (!q_add_size(bytes, sizeof(*block) + Q_HUGE_PAGE - 1, &total))
        return q_fail(Q_ERR_MEMORY, "out of memory: %zu bytes were asked for", bytes);
    total = total / Q_HUGE_PAGE * Q_HUGE_PAGE;
    Q_TRY(q_alloc_pages(total, &block));
    *block = (struct q_arena_block){.size = total - sizeof(*block), .pages = total};
    push_block(arena, block);
    return Q_OK;
}

q_status q_arena_alloc(struct q_arena *arena, size_t count, size_t size, void *out_pointer)
{
    size_t bytes;
    if (!q_mul_size(count, size, &bytes) || bytes > PTRDIFF_MAX)
        return q_fail(Q_ERR_MEMORY, "out of memory: %zu times %zu bytes were asked for", count, size);
    bytes = (Q_MAX(bytes, (size_t)1) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!arena->newest || arena->newest->size - arena->used < bytes)
        Q_TRY(add_block(arena, bytes));
    void *memory = arena->newest->bytes + arena->used;
    arena->used += bytes;
    memset(memory, 0, bytes);
    memcpy(out_pointer, &memory, sizeof(memory)); /* a T ** of the caller's, see store_pointer in memory.c */
    return Q_OK;
}

q_status q_arena_string(struct q_arena *arena, q_string string, q_string *out)
{
    size_t room;
    if (!q_add_size(string.size, 1, &room))
        return q_fail(Q_ERR_MEMORY, "out of memory: a string of %zu bytes", string.size);
    char *copy;
    Q_TRY(q_arena_alloc(arena, room, 1, &copy));
    if (string.size)
        memcpy(copy, string.data, string.size);
    *out = (q_string){copy, string.size};
    return Q_OK;
}

q_status q_arena_cstring(struct q_arena *arena, q_string string, const char **out)
{
    q_string copy;
    Q_TRY(q_arena_string(arena, string, &copy));
    *out = copy.data;
    return Q_OK;
}

q_status q_arena_printf(struct q_arena *arena, const char **out, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = NULL;
    q_status status = length < 0 ? q_fail(Q_ERR_SYSTEM, "a text could not be formatted")
                                 : q_arena_alloc(arena, (size_t)length + 1, 1, &text);
    if (status == Q_OK) {
        (void)vsnprintf(text, (size_t)length + 1, format, again);
        *out = text;
    }
    va_end(again);
    return status;
}
