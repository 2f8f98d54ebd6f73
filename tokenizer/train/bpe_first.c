/* The first count: the pairs of bytes, of which there are so few that a table has one row for each. */
#include "tokenizer/train/bpe_trainer.h"

#include "base/check.h"

enum { PAIRS = 256 * 256 };

struct first_count {
    struct bpe_trainer *trainer;
    struct bpe_sum **sums; /* [segment][PAIRS]: left byte * 256 + right byte */
    struct bpe_sum *totals;
};

static unsigned pair_at(const struct bpe_words *words, uint64_t position)
{
    return (unsigned)words->text[position] << 8 | words->text[position + 1];
}

/* A segment's sums, region by region so that the count is at hand. A pair's places are all positions but the last of each piece. */
static void count_segment(void *context, unsigned thread, size_t number)
{
    const struct first_count *first = context;
    const struct bpe_words *words = &first->trainer->words;
    const struct bpe_segment *segment = &words->segments[number];
    struct bpe_sum *sums = first->sums[number];
    uint64_t p = segment->begin;
    (void)thread;
    for (size_t r = 0; r < segment->region_count; r++) {
        for (; p < segment->regions[r].end; p++) {
            struct bpe_sum *sum = &sums[pair_at(words, p)];
            if (bpe_is_piece(words, p + 1))
                continue;
            if (sum->weight == 0)
                sum->first = p;
            else
                sum->bytes += bpe_place_bytes(p - sum->last);
            sum->last = p;
            sum->weight += segment->regions[r].count;
        }
    }
}

static void write_segment(void *context, unsigned thread, size_t number)
{
    const struct first_count *first = context;
    const struct bpe_words *words = &first->trainer->words;
    const struct bpe_segment *segment = &words->segments[number];
    (void)thread;
    for (uint64_t p = segment->begin; p < segment->end; p++) {
        struct bpe_sum *sum = &first->sums[number][pair_at(words, p)];
        if (sum->at && !bpe_is_piece(words, p + 1))
            bpe_sum_write(sum, p);
    }
}

static bpe_pair first_pair(const struct bpe_trainer *t, const void *context, const struct bpe_sum *total)
{
    unsigned pair = (unsigned)(total - ((const struct first_count *)context)->totals);
    return bpe_pair_of(t->out->byte_id[pair >> 8], t->out->byte_id[pair & 255]);
}

static q_status count_first(struct first_count *first)
{
    struct bpe_trainer *t = first->trainer;
    const unsigned segments = t->words.segment_count;
    const struct bpe_totals totals = {first->totals, PAIRS, first_pair, first};
    bool any = false;
    q_pool_for(t->pool, segments, count_segment, first);
    for (unsigned k = 0; segments > 1 && k < segments; k++)
        for (unsigned pair = 0; pair < PAIRS; pair++)
            if (first->sums[k][pair].weight)
                bpe_sum_join(&first->totals[pair], &first->sums[k][pair]);
    Q_TRY(bpe_lists_room(t, &totals, 1));
    Q_TRY(bpe_lists_make(t, &totals, segments, &any));
    for (unsigned k = 0; segments > 1 && k < segments; k++)
        for (unsigned pair = 0; pair < PAIRS; pair++)
            if (first->sums[k][pair].weight)
                bpe_sum_deal(&first->totals[pair], &first->sums[k][pair], k);
    if (any)
        q_pool_for(t->pool, segments, write_segment, first);
    return Q_OK;
}

q_status bpe_first_count(struct bpe_trainer *t)
{
    const unsigned segments = t->words.segment_count;
    struct first_count first = {.trainer = t};
    q_status status;
    Q_TRY(q_alloc_zero(segments, sizeof(*first.sums), &first.sums));
    for (unsigned k = 0; k < segments; k++)
        Q_TRY_GOTO(done, q_alloc_pages(PAIRS * sizeof(**first.sums), &first.sums[k]));
    first.totals = first.sums[0];
    if (segments > 1)
        Q_TRY_GOTO(done, q_alloc_pages(PAIRS * sizeof(*first.totals), &first.totals));
    status = count_first(&first);
done:
    for (unsigned k = 0; k < segments; k++)
        q_release_pages(first.sums[k], PAIRS * sizeof(**first.sums));
    if (segments > 1)
        q_release_pages(first.totals, PAIRS * sizeof(*first.totals));
    q_release(first.sums);
    return status;
}
