#include "tokenizer/train/bpe_places.h"

#include "base/check.h"
#include "base/memory.h"

#include <stdlib.h>

enum { HEADER = sizeof(uint32_t), BEHIND = BPE_PLACE_BYTES_MAX /* may be loaded */ };

void bpe_places_release(struct bpe_places *places)
{
    for (size_t i = 0; i < places->chunk_count; i++)
        q_release_pages(places->chunks[i].bytes, places->chunks[i].room);
    q_release(places->chunks);
    *places = (struct bpe_places){.chunk_bytes = places->chunk_bytes};
}

/* A list with its header, so that the next one is aligned. */
static size_t whole(uint32_t bytes)
{
    return ((size_t)bytes + HEADER + 3) & ~(size_t)3;
}

static size_t chunk_room(const struct bpe_places *places, size_t needed)
{
    return Q_MAX(needed + BEHIND, places->chunk_bytes);
}

static bool fits(const struct bpe_places *places, size_t needed)
{
    return places->chunk_count && places->chunks[places->chunk_count - 1].bytes &&
           places->chunks[places->chunk_count - 1].room - BEHIND - places->used >= needed;
}

static q_status open_chunk(struct bpe_places *places, size_t needed)
{
    Q_TRY(q_grow(&places->chunks, &places->chunk_capacity, places->chunk_count + 1, sizeof(*places->chunks)));
    struct bpe_places_chunk chunk = {.room = chunk_room(places, needed)};
    Q_TRY(q_alloc_pages(chunk.room, &chunk.bytes));
    places->chunks[places->chunk_count++] = chunk;
    places->held += chunk.room;
    places->used = 0;
    return Q_OK;
}

static void close_chunk(struct bpe_places *places, struct bpe_places_chunk *chunk)
{
    q_release_pages(chunk->bytes, chunk->room);
    places->held -= chunk->bytes ? chunk->room : 0;
    chunk->bytes = NULL;
}

q_status bpe_places_add(struct bpe_places *places, uint32_t bytes, bool indexed, uint64_t *out_handle, uint8_t **out)
{
    size_t needed = whole(bytes);
    q_check(bytes <= BPE_LIST_BYTES_MAX);
    if (!fits(places, needed))
        Q_TRY(open_chunk(places, needed));
    size_t chunk = places->chunk_count - 1;
    uint8_t *list = places->chunks[chunk].bytes + places->used;
    uint32_t header = bytes | (indexed ? BPE_INDEXED : 0);
    memcpy(list, &header, sizeof(header));
    *out_handle = (uint64_t)chunk << 32 | places->used;
    *out = list + HEADER;
    places->used += needed;
    places->chunks[chunk].live += needed;
    places->live += needed;
    return Q_OK;
}

static uint8_t *list_of(const struct bpe_places *places, uint64_t handle)
{
    return places->chunks[handle >> 32].bytes + (uint32_t)handle;
}

static uint32_t header_of(const struct bpe_places *places, uint64_t handle)
{
    uint32_t header;
    memcpy(&header, list_of(places, handle), HEADER);
    return header;
}

uint8_t *bpe_places_get(const struct bpe_places *places, uint64_t handle, uint32_t *bytes, bool *indexed)
{
    uint32_t header = header_of(places, handle);
    *bytes = header & ~BPE_INDEXED;
    *indexed = header & BPE_INDEXED;
    return list_of(places, handle) + HEADER;
}

bool bpe_places_is_indexed(const struct bpe_places *places, uint64_t handle)
{
    return header_of(places, handle) & BPE_INDEXED;
}

static void take_live(struct bpe_places *places, uint64_t handle, size_t bytes)
{
    places->chunks[handle >> 32].live -= bytes;
    places->live -= bytes;
}

void bpe_places_shrink(struct bpe_places *places, uint64_t handle, uint32_t bytes)
{
    uint32_t old = header_of(places, handle), header = bytes | (old & BPE_INDEXED);
    take_live(places, handle, whole(old & ~BPE_INDEXED) - whole(bytes));
    memcpy(list_of(places, handle), &header, HEADER);
}

void bpe_places_drop(struct bpe_places *places, uint64_t handle)
{
    if (handle & BPE_ONE_PLACE) /* BPE_NO_LIST too */
        return;
    struct bpe_places_chunk *chunk = &places->chunks[handle >> 32];
    take_live(places, handle, whole(header_of(places, handle) & ~BPE_INDEXED));
    if (chunk->live == 0 && chunk != &places->chunks[places->chunk_count - 1])
        close_chunk(places, chunk);
}

static int by_handle(const void *left, const void *right)
{
    uint64_t a = ((const struct bpe_places_owner *)left)->handle, b = ((const struct bpe_places_owner *)right)->handle;
    return (a > b) - (a < b);
}

/* In the order of the handles a list never moves to a later place than it has, so an old chunk is free as soon as the walk has passed it. */
q_status bpe_places_tidy(struct bpe_places *places, struct bpe_places_owner *owners, size_t count)
{
    struct bpe_places tidy = {.chunk_bytes = places->chunk_bytes};
    size_t passed = 0;
    q_status status = Q_OK;
    qsort(owners, count, sizeof(*owners), by_handle);
    for (size_t i = 0; i < count && !status; i++) {
        uint64_t handle = owners[i].handle;
        uint32_t bytes;
        bool indexed;
        uint8_t *to;
        if (handle & BPE_ONE_PLACE)
            break; /* so are all behind it */
        for (; passed < handle >> 32; passed++)
            close_chunk(places, &places->chunks[passed]);
        const uint8_t *from = bpe_places_get(places, handle, &bytes, &indexed);
        status = bpe_places_add(&tidy, bytes, indexed, owners[i].where, &to);
        if (!status)
            memcpy(to, from, bytes);
    }
    bpe_places_release(places);
    *places = tidy;
    return status;
}
