#include "tokenizer/bpe_places.h"

#include "base/memory.h"

enum { CHUNK_WORDS = 1 << 18 };

void bpe_places_release(struct bpe_places *places)
{
    for (size_t i = 0; i < places->chunk_count; i++)
        q_release(places->chunks[i].words);
    q_release(places->chunks);
    *places = (struct bpe_places){0};
}

static q_status open_chunk(struct bpe_places *places, size_t words)
{
    Q_TRY(q_grow(&places->chunks, &places->chunk_capacity, places->chunk_count + 1, sizeof(*places->chunks)));
    struct bpe_places_chunk chunk = {0};
    places->room = words > CHUNK_WORDS ? words : CHUNK_WORDS;
    Q_TRY(q_alloc(places->room, sizeof(*chunk.words), &chunk.words));
    places->chunks[places->chunk_count++] = chunk;
    places->used = 0;
    return Q_OK;
}

q_status bpe_places_add(struct bpe_places *places, uint32_t count, uint64_t *out_handle, uint32_t **out_positions)
{
    size_t words = (size_t)count + 1;
    if (places->chunk_count == 0 || places->room - places->used < words)
        Q_TRY(open_chunk(places, words));
    size_t chunk = places->chunk_count - 1;
    uint32_t *list = places->chunks[chunk].words + places->used;
    *out_handle = (uint64_t)chunk << 32 | places->used;
    list[0] = count;
    *out_positions = list + 1;
    places->used += words;
    places->chunks[chunk].live++;
    return Q_OK;
}

const uint32_t *bpe_places_get(const struct bpe_places *places, uint64_t handle, uint32_t *one, uint32_t *out_count)
{
    if (handle & BPE_ONE_PLACE) {
        *one = (uint32_t)handle;
        *out_count = 1;
        return one;
    }
    const uint32_t *list = places->chunks[handle >> 32].words + (uint32_t)handle;
    *out_count = list[0];
    return list + 1;
}

void bpe_places_drop(struct bpe_places *places, uint64_t handle)
{
    if (handle & BPE_ONE_PLACE)
        return;
    struct bpe_places_chunk *chunk = &places->chunks[handle >> 32];
    if (--chunk->live == 0 && chunk != &places->chunks[places->chunk_count - 1]) {
        q_release(chunk->words);
        chunk->words = NULL;
    }
}
