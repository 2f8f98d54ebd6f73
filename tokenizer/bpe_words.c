#include "tokenizer/bpe_words.h"

#include "base/check.h"

#include <stdlib.h>

/* A piece on its way into the array. */
struct placed {
    uint64_t count;
    uint64_t offset;
    uint32_t size;
};

enum { SMALL_COUNT = 1 << 12 };

static int by_falling_count(const void *left, const void *right)
{
    uint64_t a = ((const struct placed *)left)->count, b = ((const struct placed *)right)->count;
    return (a < b) - (a > b);
}

/* The slots as pieces by falling count, in one array. Most counts are small: they are sorted by counting, only the large ones by comparing. Within a
 * count the order is the table's, which nothing depends on. */
static q_status sort_by_count(const struct counts *counts, struct placed **out)
{
    size_t *starts;
    Q_TRY(q_alloc_zero(SMALL_COUNT + 2, sizeof(*starts), &starts));
    q_status status = q_alloc(counts->used, sizeof(**out), out);
    if (status) {
        q_release(starts);
        return status;
    }
    /* starts[c]: where count c goes; all of SMALL_COUNT and above go first. */
    for (size_t i = 0; i < counts->capacity; i++)
        if (counts->slots[i].count)
            starts[Q_MIN(counts->slots[i].count, SMALL_COUNT)]++;
    size_t sum = 0;
    for (size_t c = SMALL_COUNT + 1; c-- > 0;) {
        size_t here = starts[c];
        starts[c] = sum;
        sum += here;
    }
    size_t large = starts[SMALL_COUNT - 1];
    for (size_t i = 0; i < counts->capacity; i++) {
        const struct counts_slot *slot = &counts->slots[i];
        if (slot->count)
            (*out)[starts[Q_MIN(slot->count, SMALL_COUNT)]++] = (struct placed){slot->count, slot->offset, slot->size};
    }
    q_release(starts);
    qsort(*out, large, sizeof(**out), by_falling_count);
    return Q_OK;
}

static q_status lay_out(const struct placed *pieces, size_t count, const char *bytes, const uint32_t *byte_id,
                        struct bpe_words *out)
{
    uint32_t at = 0;
    size_t capacity = 0;
    out->slots[at++] = BPE_END;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *piece = (const uint8_t *)bytes + pieces[i].offset;
        for (uint32_t k = 0; k < pieces[i].size; k++)
            out->slots[at++] = byte_id[piece[k]];
        out->slots[at++] = BPE_END;
        if (i + 1 == count || pieces[i + 1].count != pieces[i].count) {
            Q_TRY(q_grow(&out->regions, &capacity, out->region_count + 1, sizeof(*out->regions)));
            out->regions[out->region_count++] = (struct bpe_region){at, pieces[i].count};
        }
    }
    q_check(at == out->slot_count);
    return Q_OK;
}

/* No pair can have a count above that of all bytes together: one check for all sums of training. */
static q_status check_sum(const struct counts *counts)
{
    uint64_t sum = 0, bytes;
    for (size_t i = 0; i < counts->capacity; i++)
        if (!q_mul_u64(counts->slots[i].count, counts->slots[i].size, &bytes) || !q_add_u64(sum, bytes, &sum) ||
            sum > BPE_SUM_MAX)
            return q_fail(Q_ERR_INPUT, "the counts stand for more than 2^60 bytes of text");
    return Q_OK;
}

q_status bpe_words_create(struct counts *counts, const uint32_t *byte_id, struct bpe_words *out)
{
    struct placed *pieces = NULL;
    *out = (struct bpe_words){0};
    uint64_t slots = (uint64_t)counts->bytes.size + counts->used + 1;
    if (slots >= BPE_GAP)
        return q_fail(Q_ERR_MEMORY, "%zu bytes of distinct pieces; training holds less than 4 GiB of them",
                      counts->bytes.size);
    Q_TRY(check_sum(counts));
    q_status status = sort_by_count(counts, &pieces);
    if (status)
        return status;
    size_t count = counts->used;
    q_release(counts->slots); /* from here on only the bytes are needed */
    counts->slots = NULL;
    counts->capacity = counts->used = 0;
    out->slot_count = (uint32_t)slots;
    Q_TRY_GOTO(done, q_alloc(out->slot_count, sizeof(*out->slots), &out->slots));
    status = lay_out(pieces, count, counts->bytes.data, byte_id, out);
done:
    q_release(pieces);
    counts_release(counts);
    if (status)
        bpe_words_release(out);
    return status;
}

void bpe_words_release(struct bpe_words *words)
{
    q_release(words->slots);
    q_release(words->regions);
    *words = (struct bpe_words){0};
}
