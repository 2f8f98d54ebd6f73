#include "dedup/shingles.h"

#include "base/check.h"
#include "dedup/record_sort.h"

/* The base of the polynomial (odd, from the digits of the golden ratio) and a constant for the last mixing (from
 * those of sqrt(2)). */
static const uint64_t base_word = 0x9e3779b97f4a7c15, last_word = 0x6a09e667f3bcc909;

static inline uint64_t mix(uint64_t sum)
{
    unsigned __int128 product = (unsigned __int128)(sum ^ last_word) * base_word;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* A shingle is the polynomial w[0] B^(k-1) + ... + w[k-1] modulo 2^64, mixed; the next one follows from it with two
 * products. */
void shingles_hash(const uint64_t *words, size_t word_count, unsigned size, size_t first, size_t count, uint64_t *out)
{
    q_check(first + count <= shingles_count(word_count, size));
    if (count == 0)
        return;
    size_t width = word_count < size ? word_count : size;
    uint64_t sum = 0, oldest = 1; /* B^(k-1) */
    for (size_t i = 0; i < width; i++) {
        sum = sum * base_word + words[first + i];
        oldest *= i ? base_word : 1;
    }
    out[0] = mix(sum);
    for (size_t i = 1; i < count; i++) {
        sum = (sum - words[first + i - 1] * oldest) * base_word + words[first + i - 1 + width];
        out[i] = mix(sum);
    }
}

void shingle_set_release(struct shingle_set *set)
{
    q_release(set->hashes);
    *set = (struct shingle_set){0};
}

q_status shingle_set_fill(struct shingle_set *set, const uint64_t *words, size_t word_count, unsigned size)
{
    size_t count = shingles_count(word_count, size);
    set->count = 0;
    Q_TRY(q_grow(&set->hashes, &set->capacity, count, sizeof(*set->hashes)));
    shingles_hash(words, word_count, size, 0, count, set->hashes);
    record_sort(set->hashes, count, 1);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || set->hashes[i] != set->hashes[i - 1])
            set->hashes[set->count++] = set->hashes[i];
    }
    return Q_OK;
}

/* Without a branch on the comparison: it is a coin toss for documents that are not alike. */
size_t shingle_sets_common(const uint64_t *a, size_t a_count, const uint64_t *b, size_t b_count)
{
    size_t common = 0;
    if (a_count == 0 || b_count == 0)
        return 0;
    const uint64_t *a_end = a + a_count, *b_end = b + b_count;
    while (a < a_end && b < b_end) {
        uint64_t left = *a, right = *b;
        common += left == right;
        a += left <= right;
        b += right <= left;
    }
    return common;
}
