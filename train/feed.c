#include "train/feed.h"

#include "base/check.h"

q_status feed_create(const struct shards *shards, const struct q_recipe *recipe, struct feed *out)
{
    *out = (struct feed){.shards = shards};
    q_status status = mixture_from_recipe(shards, recipe, &out->mixture);
    if (!status)
        status = shards_cursor_create(shards, &out->cursor);
    if (!status)
        status = q_alloc((size_t)shards->sequence_tokens + 1, sizeof *out->sequence, &out->sequence);
    if (status)
        feed_release(out);
    return status;
}

void feed_release(struct feed *feed)
{
    mixture_release(feed->mixture);
    shards_cursor_release(feed->cursor);
    q_release(feed->sequence);
    *feed = (struct feed){0};
}

void feed_split(const uint32_t *sequence, size_t sequence_tokens, int32_t *ids, int32_t *targets)
{
    for (size_t i = 0; i < sequence_tokens; i++) {
        ids[i] = (int32_t)sequence[i];
        targets[i] = (int32_t)sequence[i + 1];
    }
}

q_status feed_read(struct feed *feed, const struct skips *skips, uint64_t *position, size_t count, int32_t *ids,
                   int32_t *targets, uint32_t *sources)
{
    size_t length = feed->shards->sequence_tokens;
    for (size_t i = 0; i < count; i++) {
        struct mixture_sample sample;
        uint64_t at = skips_next(skips, *position);
        Q_TRY(mixture_at(feed->mixture, at, &sample));
        Q_TRY(shards_read(feed->cursor, sample.sequence, feed->sequence));
        feed_split(feed->sequence, length, ids + i * length, targets + i * length);
        sources[i] = sample.source;
        *position = at + 1;
    }
    return Q_OK;
}
