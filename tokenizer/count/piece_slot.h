/* A piece and its count in 32 bytes: what the table, its buffers and its sorting all hold.
 *
 *     up to 23 bytes    | the bytes, zeros behind them ................. | size |   count |
 *     longer            | first 8 bytes | address | size (4), hash (3) | 0xFF |     count |
 *                         word 0          word 1    word 2                          count 0: empty
 *
 * Nine pieces of ten are short, so that a probe is one cache line and a comparison three words. Where the bytes stand in memory order, the words taken
 * as big-endian numbers have the order of the pieces: zeros end a piece, and of two that differ in zeros only the shorter one has the smaller size.
 */
#ifndef QUERN_TOKENIZER_PIECE_SLOT_H
#define QUERN_TOKENIZER_PIECE_SLOT_H

#include "base/hash.h"
#include "base/string.h"
#include "tokenizer/pretokenize/piece_hash.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { PIECE_SHORT_MAX = 23, PIECE_LONG = 0xFF };

struct piece_slot {
    uint64_t word[3];
    uint64_t count;
};

static inline bool piece_is_long(const struct piece_slot *slot)
{
    return slot->word[2] >> 56 == PIECE_LONG;
}

/* The piece; of a short one in the slot itself. */
static inline q_string piece_of(const struct piece_slot *slot)
{
    if (piece_is_long(slot))
        return (q_string){(const char *)(uintptr_t)slot->word[1], (uint32_t)slot->word[2]};
    return (q_string){(const char *)slot->word, slot->word[2] >> 56};
}

static inline uint64_t piece_hash_words(const uint64_t word[3])
{
    return piece_hash_fold(piece_hash_fold(word[0] ^ 0xA0761D6478BD642Full, word[1] ^ 0xE7037ED1A0B428DBull) ^ word[2],
                           0x8EBC6AF09C88C6E3ull);
}

/* The low bytes of a word that belong to a piece of `size` bytes of which `before` are in the words before. */
static inline uint64_t piece_mask(size_t size, size_t before)
{
    return size >= before + 8 ? UINT64_MAX : size <= before ? 0 : UINT64_MAX >> (8 * (before + 8 - size));
}

/* A short piece of which 24 bytes may be read (`room`), or only its own. */
static inline void piece_set_short(struct piece_slot *slot, const char *bytes, size_t size, bool room)
{
    char copy[24] = {0};
    if (!room) {
        memcpy(copy, bytes, size);
        bytes = copy;
    }
    memcpy(slot->word, bytes, 24);
    slot->word[0] &= piece_mask(size, 0);
    slot->word[1] &= piece_mask(size, 8);
    slot->word[2] = (slot->word[2] & piece_mask(size, 16)) | (uint64_t)size << 56;
}

/* A long one, whose bytes stay where they are. */
static inline void piece_set_long(struct piece_slot *slot, q_string piece, uint64_t hash)
{
    memcpy(slot->word, piece.data, 8);
    slot->word[1] = (uintptr_t)piece.data;
    slot->word[2] = (uint64_t)PIECE_LONG << 56 | (hash & 0xFFFFFF) << 32 | (uint32_t)piece.size;
}

static inline uint64_t piece_hash_slot(const struct piece_slot *slot)
{
    if (!piece_is_long(slot))
        return piece_hash_words(slot->word);
    q_string piece = piece_of(slot);
    return q_hash64(piece.data, piece.size, 0);
}

static inline bool piece_equal(const struct piece_slot *a, const struct piece_slot *b)
{
    if (a->word[0] != b->word[0] || a->word[2] != b->word[2])
        return false;
    if (a->word[1] == b->word[1])
        return true;
    return piece_is_long(a) && q_string_equal(piece_of(a), piece_of(b));
}

/* < 0, 0, > 0 by the pieces' bytes. */
static inline int piece_compare(const struct piece_slot *a, const struct piece_slot *b)
{
    for (int i = 0; i < 3; i++) {
        uint64_t left = __builtin_bswap64(a->word[i]), right = __builtin_bswap64(b->word[i]);
        if (left != right && (i == 0 || !(piece_is_long(a) || piece_is_long(b))))
            return left < right ? -1 : 1;
    }
    return piece_is_long(a) || piece_is_long(b) ? q_string_compare(piece_of(a), piece_of(b)) : 0;
}

#endif
