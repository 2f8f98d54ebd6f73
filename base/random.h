/* Random numbers that are pure functions of their key: no state, so any number may be asked for in any order, from any
 * thread, after any restart.
 *
 *     q_random_key key = q_random_key_of(seed, "fim", document_key.high, document_key.low);
 *     double u = q_random_unit(key, 0);           // the 0th draw under that key
 *
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). The key is 64 bits of XXH3 over (seed,
 * purpose, a, b); the draw's index is the counter. Purposes keep streams apart: one per use, a fixed string.
 */
#ifndef QUERN_BASE_RANDOM_H
#define QUERN_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct q_random_key {
    uint64_t value;
} q_random_key;

q_random_key q_random_key_of(uint64_t seed, const char *purpose, uint64_t a, uint64_t b);

/* Philox4x32-10 of the 128-bit counter (index, 0) under the key; out[0..3]. The published test vectors hold for
 * q_philox4x32(counter[4], key[2]). */
void q_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* The whole of draw `index`, for those who need many small numbers: q_random_u64 is out[0] + out[1] * 2^32. */
void q_random_words(q_random_key key, uint64_t index, uint32_t out[4]);
uint64_t q_random_u64(q_random_key key, uint64_t index);
double q_random_unit(q_random_key key, uint64_t index);                     /* [0, 1), 53 bits */
uint64_t q_random_below(q_random_key key, uint64_t index, uint64_t bound);  /* [0, bound), bound > 0; bias < 2^-64 * bound */
double q_random_normal(q_random_key key, uint64_t index);                   /* mean 0, deviation 1 (Box-Muller, cosine branch) */
/* The same of draws index, index + 1, ..., to the bit, several times as fast. */
void q_random_normals(q_random_key key, uint64_t index, double *out, size_t count);
/* As floats with the given deviation: the start of parameters. */
void q_random_normal_floats(q_random_key key, uint64_t index, double deviation, float *out, size_t count);

#endif
