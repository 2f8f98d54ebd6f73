/* The shared table: 64 parts, each with a lock of its own. */
#include "base/check.h"
#include "tokenizer/count/counter_private.h"

enum { CAPACITY_FIRST = 1 << 10, CHUNK_BYTES_MIN = 1 << 14, CHUNK_BYTES_MAX = 1 << 20 };

/* Where a hash's search begins. Order is kept: a larger table has the pieces in the same order, so growing reads and writes from one end to the other. */
static inline size_t home(uint64_t hash, size_t capacity)
{
    __extension__ typedef unsigned __int128 wide;
    return (size_t)(((wide)(hash << COUNTER_PART_BITS) * capacity) >> 64);
}

q_status counter_create_parts(struct counter *counter)
{
    Q_TRY(q_alloc_aligned(COUNTER_PARTS, sizeof(*counter->parts), &counter->parts));
    memset(counter->parts, 0, COUNTER_PARTS * sizeof(*counter->parts));
    for (unsigned i = 0; i < COUNTER_PARTS; i++)
        (void)pthread_mutex_init(&counter->parts[i].lock, NULL);
    return Q_OK;
}

void counter_release_part(struct counter *counter, struct counter_part *part)
{
    atomic_fetch_sub(&counter->slot_bytes, part->capacity * sizeof(*part->slots));
    q_release_pages(part->slots, part->capacity * sizeof(*part->slots));
    for (struct counter_chunk *chunk = part->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        atomic_fetch_sub(&counter->chunk_bytes, chunk->bytes);
        q_release_pages(chunk, chunk->bytes);
    }
    part->slots = NULL;
    part->chunks = NULL;
    part->capacity = part->used = 0;
}

static q_status grow(struct counter *counter, struct counter_part *part, size_t capacity)
{
    struct piece_slot *slots;
    Q_TRY(q_alloc_pages(capacity * sizeof(*slots), &slots));
    for (size_t i = 0; i < part->capacity; i++) {
        const struct piece_slot *old = &part->slots[i];
        if (!old->count)
            continue;
        size_t at = home(piece_hash_slot(old), capacity);
        while (slots[at].count)
            at = at + 1 < capacity ? at + 1 : 0;
        slots[at] = *old;
    }
    q_release_pages(part->slots, part->capacity * sizeof(*slots));
    atomic_fetch_add(&counter->slot_bytes, (capacity - part->capacity) * sizeof(*slots));
    part->slots = slots;
    part->capacity = capacity;
    return Q_OK;
}

/* The capacity to grow to; 0 where the memory is used up. Hashes spread pieces evenly, so all parts grow at about the same time: there must be room for that.
 * Long pieces get an eighth more than they have. */
static size_t next_capacity(const struct counter *counter, size_t capacity)
{
    const uint64_t limit = counter->options.table_bytes, chunks = atomic_load(&counter->chunk_bytes) / 8 * 9;
    const uint64_t slots = limit > chunks ? (limit - chunks) / (COUNTER_PARTS * sizeof(struct piece_slot)) : 0;
    if (capacity == 0)
        return Q_MIN((uint64_t)CAPACITY_FIRST, Q_MAX(slots, (uint64_t)COUNTER_BATCH * 2));
    if (slots >= 2 * capacity)
        return 2 * capacity;
    return slots >= capacity + capacity / 4 ? slots : 0;
}

/* Room for a batch more: three quarters full is full, as linear probing goes. Where the table may not grow it is said to be full, and what threads have still
 * at hand goes into the last quarter; only where even that is used up does it grow beyond its bound. */
static q_status make_room(struct counter *counter, struct counter_part *part, size_t more)
{
    const size_t wanted = part->used + more, capacity = part->capacity;
    if (wanted <= capacity / 4 * 3)
        return Q_OK;
    size_t larger = next_capacity(counter, capacity);
    if (!larger) {
        counter_set_full(counter);
        if (wanted <= capacity / 16 * 15)
            return Q_OK;
        larger = capacity + capacity / 4 + more;
    }
    return grow(counter, part, larger);
}

/* A copy of a long piece's bytes. */
static q_status keep_bytes(struct counter *counter, struct counter_part *part, struct piece_slot *slot)
{
    const q_string piece = piece_of(slot);
    struct counter_chunk *chunk = part->chunks;
    if (!chunk || chunk->bytes - chunk->used < piece.size) {
        const size_t share = (size_t)(counter->options.table_bytes / COUNTER_PARTS / 16);
        size_t bytes = Q_MIN(Q_MAX(share, (size_t)CHUNK_BYTES_MIN), (size_t)CHUNK_BYTES_MAX);
        bytes = Q_MAX(bytes, piece.size + sizeof(*chunk));
        Q_TRY(q_alloc_pages(bytes, &chunk));
        *chunk = (struct counter_chunk){part->chunks, bytes, sizeof(*chunk)};
        part->chunks = chunk;
        const uint64_t chunks = atomic_fetch_add(&counter->chunk_bytes, bytes) + bytes;
        if (chunks + atomic_load(&counter->slot_bytes) > counter->options.table_bytes)
            counter_set_full(counter);
    }
    char *copy = (char *)chunk + chunk->used;
    memcpy(copy, piece.data, piece.size);
    chunk->used += piece.size;
    slot->word[1] = (uintptr_t)copy;
    return Q_OK;
}

static q_status add_slot(struct counter *counter, struct counter_part *part, const struct piece_slot *more,
                         uint64_t hash)
{
    size_t at = home(hash, part->capacity);
    struct piece_slot *slot = &part->slots[at];
    while (slot->count) {
        if (piece_equal(slot, more)) {
            slot->count += more->count; /* at most the sum of all, which is checked */
            return Q_OK;
        }
        at = at + 1 < part->capacity ? at + 1 : 0;
        slot = &part->slots[at];
    }
    struct piece_slot added = *more;
    if (piece_is_long(&added))
        Q_TRY(keep_bytes(counter, part, &added));
    *slot = added;
    part->used++;
    return Q_OK;
}

q_status counter_add_batch(struct counter *counter, unsigned number, struct counter_batch *batch)
{
    struct counter_part *part = &counter->parts[number];
    (void)pthread_mutex_lock(&part->lock);
    q_status status = make_room(counter, part, batch->size);
    if (!status) {
        for (size_t i = 0; i < batch->size; i++)
            __builtin_prefetch(&part->slots[home(batch->hash[i], part->capacity)], 1);
        for (size_t i = 0; i < batch->size && !status; i++)
            status = add_slot(counter, part, &batch->slots[i], batch->hash[i]);
    }
    (void)pthread_mutex_unlock(&part->lock);
    batch->size = 0;
    return status;
}
