/* XXH3 by xxhash's header alone (XXH_INLINE_ALL): fast on short keys, and no state's size shared with a library that
 * may be newer. */
#include "base/hash.h"

#include "base/memory.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct q_hasher {
    XXH3_state_t state; /* aligned to 64 bytes */
};

static q_hash of_xxh(XXH128_hash_t hash)
{
    return (q_hash){.high = hash.high64, .low = hash.low64};
}

q_hash q_hash_bytes(const void *bytes, size_t size)
{
    return of_xxh(XXH3_128bits(bytes, size));
}

uint64_t q_hash64(const void *bytes, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, size, seed);
}

int q_hash_compare(q_hash a, q_hash b)
{
    if (a.high != b.high)
        return a.high < b.high ? -1 : 1;
    return (a.low > b.low) - (a.low < b.low);
}

char *q_hash_hex(q_hash hash, char out[Q_HASH_HEX])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        out[i] = digits[hash.high >> (60 - 4 * i) & 15];
        out[16 + i] = digits[hash.low >> (60 - 4 * i) & 15];
    }
    out[32] = 0;
    return out;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1; /* upper case too: a hash has one spelling */
}

q_status q_hash_parse(q_string hex, q_hash *out)
{
    q_hash hash = {0, 0};
    bool good = hex.size == Q_HASH_HEX - 1;
    for (size_t i = 0; good && i < hex.size; i++) {
        int value = digit_value(hex.data[i]);
        uint64_t *half = i < 16 ? &hash.high : &hash.low;
        *half = *half << 4 | (uint64_t)(value & 15);
        good = value >= 0;
    }
    if (!good)
        return q_fail(Q_ERR_INPUT, "'%.*s' is not a hash of 32 lower-case hex digits", Q_STRING_ARGS(hex));
    *out = hash;
    return Q_OK;
}

q_status q_hasher_create(struct q_hasher **out)
{
    struct q_hasher *hasher;
    Q_TRY(q_alloc_aligned(1, sizeof(*hasher), &hasher));
    XXH3_INITSTATE(&hasher->state);
    q_hasher_reset(hasher);
    *out = hasher;
    return Q_OK;
}

void q_hasher_add(struct q_hasher *hasher, const void *bytes, size_t size)
{
    (void)XXH3_128bits_update(&hasher->state, bytes, size); /* fails on NULL states only */
}

q_hash q_hasher_digest(const struct q_hasher *hasher)
{
    return of_xxh(XXH3_128bits_digest(&hasher->state));
}

void q_hasher_reset(struct q_hasher *hasher)
{
    (void)XXH3_128bits_reset(&hasher->state);
}

void q_hasher_release(struct q_hasher *hasher)
{
    q_release(hasher);
}
