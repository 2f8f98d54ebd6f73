/* The places of the candidate in hand, whatever way they are known. */
#include "tokenizer/train/bpe_trainer.h"

struct bpe_reader bpe_reader_of(const struct bpe_trainer *t, unsigned portion, bool all)
{
    uint64_t handle = t->job.candidate.places;
    unsigned segments = t->words.segment_count;
    struct bpe_reader reader = {.portion = all ? 0 : portion, .portion_end = all ? segments : portion + 1};
    if (handle == BPE_NO_LIST) {
        reader.looks = true;
        return reader;
    }
    if (handle & BPE_ONE_PLACE) {
        reader.is_one = true;
        reader.position = handle & ~BPE_ONE_PLACE;
        reader.portion = reader.portion_end;
        return reader;
    }
    uint32_t bytes;
    bool indexed;
    const uint8_t *list = bpe_places_get(&t->places, handle, &bytes, &indexed);
    if (!indexed) {
        reader.at = list;
        reader.end = list + bytes;
        reader.portion = reader.portion_end;
        return reader;
    }
    reader.table = (const struct bpe_portion *)(const void *)list;
    reader.next = list + segments * sizeof(*reader.table);
    for (unsigned k = 0; k < reader.portion; k++)
        reader.next += reader.table[k].room;
    return reader;
}

static void next_portion(struct bpe_reader *reader, const struct bpe_words *words)
{
    unsigned portion = reader->portion++;
    if (reader->looks) {
        reader->position = words->segments[portion].begin;
        reader->position_end = words->segments[portion].end;
        return;
    }
    reader->position = bpe_portion_base(&reader->table[portion]);
    reader->at = reader->next;
    reader->end = reader->at + reader->table[portion].bytes;
    reader->next += reader->table[portion].room;
}

/* Starts at which the pair's bytes stand. A segment ends at a start whose bytes are not looked at. */
static size_t look(struct bpe_reader *reader, const struct bpe_trainer *t, uint64_t *places, size_t room)
{
    const struct bpe_words *words = &t->words;
    const q_string bytes = t->job.bytes;
    const uint8_t first = (uint8_t)bytes.data[0];
    size_t count = 0;
    while (reader->position < reader->position_end && count + 64 <= room) {
        uint64_t base = reader->position & ~63ull, starts = words->marks[base >> 6].starts;
        for (; starts; starts &= starts - 1) {
            uint64_t p = base + (unsigned)__builtin_ctzll(starts);
            if (p < reader->position_end && words->text[p] == first && reader->position_end - p >= bytes.size &&
                memcmp(words->text + p, bytes.data, bytes.size) == 0)
                places[count++] = p;
        }
        reader->position = base + 64;
    }
    return count;
}

static size_t decode(struct bpe_reader *reader, const struct bpe_trainer *t, uint64_t *places, size_t room)
{
    const uint8_t *at = reader->at, *const end = reader->end;
    uint64_t position = reader->position, difference;
    size_t count = 0;
    for (; at < end && count < room; count++) {
        at = bpe_place_get(at, &difference);
        position += difference;
        places[count] = position;
        __builtin_prefetch(&t->words.marks[position >> 6], 1);
    }
    reader->at = at;
    reader->position = position;
    return count;
}

size_t bpe_reader_next(struct bpe_reader *reader, const struct bpe_trainer *t, uint64_t *places, size_t room)
{
    if (reader->is_one) {
        reader->is_one = false;
        places[0] = reader->position;
        return 1;
    }
    for (;;) {
        size_t count = reader->looks ? look(reader, t, places, room) : decode(reader, t, places, room);
        if (count > 0)
            return count;
        if (reader->looks && reader->position < reader->position_end)
            continue;
        if (reader->portion == reader->portion_end)
            return 0;
        next_portion(reader, &t->words);
    }
}
