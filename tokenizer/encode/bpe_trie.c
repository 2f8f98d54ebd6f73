#include "tokenizer/encode/bpe_trie.h"

#include "base/check.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 256,
    FREE = 256,  /* the label of a free unit */
    TRIES = 128, /* free units looked at for a place of many children, before a new block is taken */
};

/* The free units are a ring, linked in both directions through their own bits: next << 32 | previous << 9 | FREE. Unit 0 is its head: it never is anybody's. */
struct building {
    struct bpe_trie trie;
    size_t capacity;
    uint64_t *taken; /* a bit per base */
    size_t taken_capacity;
    const struct bpe_trie_key *keys;
};

/* Keys [first, last) share their first `depth` bytes; `unit` is where that prefix ends (0: the root). */
struct range {
    size_t first, last, depth;
    uint32_t unit;
};

static uint32_t next_free(const struct building *b, uint32_t unit)
{
    return (uint32_t)(b->trie.units[unit] >> 32);
}

static uint32_t previous_free(const struct building *b, uint32_t unit)
{
    return (uint32_t)b->trie.units[unit] >> 9;
}

static bool is_free(const struct building *b, uint32_t unit)
{
    return (b->trie.units[unit] & 511) == FREE;
}

static void link_units(struct building *b, uint32_t left, uint32_t right)
{
    uint64_t *units = b->trie.units;
    units[left] = (uint64_t)right << 32 | (uint32_t)units[left];
    units[right] = units[right] >> 32 << 32 | left << 9 | FREE;
}

static q_status add_block(struct building *b)
{
    uint32_t first = (uint32_t)b->trie.count;
    Q_TRY(q_grow(&b->trie.units, &b->capacity, first + BLOCK, sizeof(*b->trie.units)));
    Q_TRY(q_grow(&b->taken, &b->taken_capacity, (first + BLOCK) / 64, sizeof(*b->taken)));
    b->trie.count += BLOCK;
    for (uint32_t i = first; i < first + BLOCK; i++)
        b->trie.units[i] = FREE;
    for (uint32_t i = first / 64; i < (first + BLOCK) / 64; i++)
        b->taken[i] = 0;
    if (first == 0) /* the empty block: its units are never linked, and unit 0 heads the ring */
        return Q_OK;
    for (uint32_t i = first; i < first + BLOCK; i++) {
        link_units(b, previous_free(b, 0), i);
        link_units(b, i, 0);
    }
    return Q_OK;
}

/* The children's bytes, in order; how many. */
static size_t children(const struct building *b, const struct range *range, uint8_t labels[BLOCK])
{
    size_t count = 0;
    for (size_t i = range->first; i < range->last; i++) {
        if (b->keys[i].text.size == range->depth)
            continue;
        uint8_t byte = (uint8_t)b->keys[i].text.data[range->depth];
        if (count == 0 || labels[count - 1] != byte)
            labels[count++] = byte;
    }
    return count;
}

static bool fits(const struct building *b, uint32_t base, const uint8_t *labels, size_t count)
{
    if (b->taken[base / 64] >> (base % 64) & 1)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!is_free(b, base ^ labels[i]))
            return false;
    return true;
}

static q_status find_base(struct building *b, const uint8_t *labels, size_t count, uint32_t *base)
{
    uint32_t unit = next_free(b, 0);
    for (int tries = 0; unit && tries < TRIES; tries++, unit = next_free(b, unit)) {
        *base = unit ^ labels[0];
        if (fits(b, *base, labels, count))
            return Q_OK;
    }
    *base = (uint32_t)b->trie.count ^ labels[0]; /* any base of an empty block fits */
    return add_block(b);
}

static void take(struct building *b, uint32_t unit, uint8_t label)
{
    link_units(b, previous_free(b, unit), next_free(b, unit));
    b->trie.units[unit] = (uint64_t)BPE_TRIE_NONE << 32 | label;
}

/* Places the children of one prefix, and puts their ranges on the stack, the first on top. */
static q_status place(struct building *b, const struct range *range, struct range *stack, size_t *depth)
{
    uint8_t labels[BLOCK];
    uint32_t base;
    size_t count = children(b, range, labels), at = range->last;
    if (count == 0)
        return Q_OK;
    Q_TRY(find_base(b, labels, count, &base));
    b->taken[base / 64] |= 1ull << (base % 64);
    if (range->unit)
        b->trie.units[range->unit] |= (uint64_t)base << 9;
    else
        b->trie.root = base;
    while (count-- > 0) {
        struct range child = {0, at, range->depth + 1, base ^ labels[count]};
        take(b, child.unit, labels[count]);
        while (at > range->first && b->keys[at - 1].text.size > range->depth &&
               (uint8_t)b->keys[at - 1].text.data[range->depth] == labels[count])
            at--;
        child.first = at;
        if (b->keys[at].text.size == child.depth)
            b->trie.units[child.unit] = (uint64_t)b->keys[at].value << 32 | (uint32_t)b->trie.units[child.unit];
        stack[(*depth)++] = child;
    }
    return Q_OK;
}

static int by_text(const void *left, const void *right)
{
    return q_string_compare(((const struct bpe_trie_key *)left)->text, ((const struct bpe_trie_key *)right)->text);
}

/* Depth first, so that a token's units lie near each other. The stack holds disjoint ranges of keys, so `count` of them are room enough. */
static q_status build(struct building *b, size_t count, struct range *stack, bool *full)
{
    size_t depth = 0;
    Q_TRY(add_block(b));
    stack[depth++] = (struct range){.last = count};
    while (depth > 0) {
        struct range range = stack[--depth];
        Q_TRY(place(b, &range, stack, &depth));
        *full = b->trie.count + BLOCK > BPE_TRIE_UNITS_MAX;
        if (*full)
            return Q_OK;
    }
    for (uint32_t unit = next_free(b, 0), next; unit; unit = next) {
        next = next_free(b, unit);
        b->trie.units[unit] = FREE;
    }
    b->trie.units[0] = FREE;
    return Q_OK;
}

/* As large as it came to be, and in huge pages. */
static q_status into_pages(const struct bpe_trie *built, struct bpe_trie *out)
{
    size_t bytes = built->count * sizeof(*built->units);
    uint64_t *units;
    Q_TRY(q_alloc_pages(bytes, &units));
    memcpy(units, built->units, bytes);
    *out = (struct bpe_trie){units, built->count, built->root};
    return Q_OK;
}

q_status bpe_trie_create(struct bpe_trie_key *keys, size_t count, struct bpe_trie *out, bool *full)
{
    struct building b = {.keys = keys};
    struct range *stack;
    *full = false;
    Q_TRY(q_alloc(count + 1, sizeof(*stack), &stack));
    qsort(keys, count, sizeof(*keys), by_text);
    q_status status = build(&b, count, stack, full);
    q_release(stack);
    q_release(b.taken);
    if (!status && !*full)
        status = into_pages(&b.trie, out);
    q_release(b.trie.units);
    return status;
}

void bpe_trie_release(struct bpe_trie *trie)
{
    q_release_pages(trie->units, trie->count * sizeof(*trie->units));
    *trie = (struct bpe_trie){0};
}
