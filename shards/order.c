#include "shards/order.h"

#include "base/check.h"
#include "base/random.h"

void order_init(struct order *order, uint64_t seed, const char *purpose, uint64_t a, uint64_t b, uint64_t count)
{
    q_check(count >= 1 && count <= UINT64_C(1) << 63);
    const q_random_key key = q_random_key_of(seed, purpose, a, b);
    order->count = count;
    order->half_bits = 0;
    while (order->half_bits < 32 && count - 1 >= UINT64_C(1) << (2 * order->half_bits))
        order->half_bits++;
    order->rounds = order->half_bits < ORDER_SMALL_BITS ? ORDER_ROUNDS_SMALL : ORDER_ROUNDS;
    order->odd = q_random_u64(key, 0) & 1;
    for (unsigned round = 0; round < order->rounds; round++)
        order->keys[round] = q_random_u64(key, 1 + round);
}

/* The round function: any function of (half, key) makes a bijection of the network; a good one makes it look random. This is the finaliser of
 * SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). Its high bits are the best mixed. */
static uint64_t round_bits(uint64_t half, uint64_t key, unsigned bits)
{
    uint64_t x = half + key;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (x ^ (x >> 31)) >> (64 - bits);
}

static uint64_t swap_first(const struct order *order, uint64_t thing)
{
    return thing < 2 ? thing ^ order->odd : thing;
}

static uint64_t network(const struct order *order, uint64_t index)
{
    const unsigned bits = order->half_bits;
    uint64_t left = index >> bits, right = index & ((UINT64_C(1) << bits) - 1);
    for (unsigned round = 0; round < order->rounds; round++) {
        const uint64_t next = left ^ round_bits(right, order->keys[round], bits);
        left = right;
        right = next;
    }
    return swap_first(order, left << bits | right);
}

static uint64_t network_inverse(const struct order *order, uint64_t thing)
{
    thing = swap_first(order, thing);
    const unsigned bits = order->half_bits;
    uint64_t left = thing >> bits, right = thing & ((UINT64_C(1) << bits) - 1);
    for (unsigned round = order->rounds; round-- > 0;) {
        const uint64_t previous = right ^ round_bits(left, order->keys[round], bits);
        right = left;
        left = previous;
    }
    return left << bits | right;
}

uint64_t order_at(const struct order *order, uint64_t index)
{
    q_check(index < order->count);
    if (order->half_bits == 0)
        return 0;
    do {
        index = network(order, index);
    } while (index >= order->count);
    return index;
}

uint64_t order_place(const struct order *order, uint64_t thing)
{
    q_check(thing < order->count);
    if (order->half_bits == 0)
        return 0;
    do {
        thing = network_inverse(order, thing);
    } while (thing >= order->count);
    return thing;
}
