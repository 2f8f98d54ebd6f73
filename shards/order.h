/* A random order that needs no memory: a bijection on [0, count), computed one index at a time.
 *
 * A balanced Feistel network over the smallest even number of bits that holds `count` is a bijection on [0, 4^half_bits); indices that land outside
 * [0, count) are sent through again until they land inside (cycle walking: Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002),
 * which keeps it a bijection on [0, count). The domain is below 4 x count, so fewer than 4 turns are expected.
 *
 * Luby and Rackoff ask for 4 rounds of a random function; ours has 8, each a 64-bit mix under a round key of its own (Philox under the caller's key), and
 * 24 where a half is so short that few round functions exist. Such a network makes even permutations only (from 2 bits a half on), so
 * an own bit of the key swaps the first two things: every order of a handful of sequences is then as likely as any other (test_mixture.c).
 *
 * 50 ns an index once initialised (test_mixture --bench).
 */
#ifndef QUERN_SHARDS_ORDER_H
#define QUERN_SHARDS_ORDER_H

#include <stdint.h>

enum { ORDER_ROUNDS = 8, ORDER_ROUNDS_SMALL = 24, ORDER_SMALL_BITS = 8 };

struct order {
    uint64_t keys[ORDER_ROUNDS_SMALL];
    uint64_t count;
    unsigned half_bits; /* 0 where count is 1 */
    unsigned rounds;
    uint64_t odd; /* 1: the first two things of the domain change places */
};

/* The order of `count` things (1..2^63) under (seed, purpose, a, b); purpose is a fixed string, as for q_random_key_of. */
void order_init(struct order *order, uint64_t seed, const char *purpose, uint64_t a, uint64_t b, uint64_t count);

/* The thing at place `index` (< count). */
uint64_t order_at(const struct order *order, uint64_t index);

/* The place of a thing: order_place(order_at(i)) = i. */
uint64_t order_place(const struct order *order, uint64_t thing);

#endif
