#include "dedup/dedup_statistics.h"

#include "base/check.h"

void dedup_statistics_release(struct dedup_statistics *statistics)
{
    q_release(statistics->languages.items);
    q_release(statistics->sources.items);
    q_arena_release(&statistics->arena);
    *statistics = (struct dedup_statistics){0};
}

/* The share of that name, made where it is new. */
static q_status find_share(struct dedup_shares *shares, struct q_arena *arena, q_string name, struct dedup_share **out)
{
    size_t low = 0, high = shares->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (q_string_compare(q_string_of(shares->items[middle].name), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == shares->count || !q_string_is(name, shares->items[low].name)) {
        const char *copy;
        Q_TRY(q_arena_cstring(arena, name, &copy));
        Q_TRY(q_grow(&shares->items, &shares->capacity, shares->count + 1, sizeof(*shares->items)));
        memmove(shares->items + low + 1, shares->items + low, (shares->count - low) * sizeof(*shares->items));
        shares->items[low] = (struct dedup_share){.name = copy};
        shares->count++;
    }
    *out = &shares->items[low];
    return Q_OK;
}

static void add_tally(struct q_tally *sum, struct q_tally part)
{
    q_check(q_add_u64(sum->documents, part.documents, &sum->documents) &&
            q_add_u64(sum->bytes, part.bytes, &sum->bytes));
}

/* Whether `a` is shown before `b`: the larger order, then the smaller id. */
static bool comes_before(const struct dedup_sample *a, const struct dedup_sample *b)
{
    if (a->order != b->order)
        return a->order > b->order;
    return q_string_compare(q_string_of(a->id), q_string_of(b->id)) < 0;
}

/* Puts a sample in its place, if it is among the first DEDUP_SAMPLES; its strings stay the caller's. */
static void put_sample(struct dedup_samples *samples, const struct dedup_sample *sample)
{
    size_t at = samples->count;
    while (at > 0 && comes_before(sample, &samples->items[at - 1]))
        at--;
    memmove(samples->items + at + 1, samples->items + at, (samples->count - at) * sizeof(*samples->items));
    samples->items[at] = *sample;
    samples->count = Q_MIN(samples->count + 1, (size_t)DEDUP_SAMPLES);
}

static bool has_room(const struct dedup_samples *samples, double order)
{
    return samples->count < DEDUP_SAMPLES || order >= samples->items[DEDUP_SAMPLES - 1].order;
}

/* The text's first bytes, cut between characters. */
static q_string start_of(q_string text)
{
    size_t end = Q_MIN(text.size, (size_t)DEDUP_SAMPLE_BYTES);
    while (end > 0 && end < text.size && ((unsigned char)text.data[end] & 0xc0) == 0x80)
        end--;
    return q_string_slice(text, 0, end);
}

static q_status take_sample(struct dedup_statistics *statistics, struct dedup_samples *samples,
                            const struct q_document *document, q_string survivor, double order)
{
    struct dedup_sample sample = {.order = order};
    if (!has_room(samples, order))
        return Q_OK;
    Q_TRY(q_arena_cstring(&statistics->arena, document->id, &sample.id));
    Q_TRY(q_arena_cstring(&statistics->arena, start_of(document->text), &sample.text));
    if (survivor.size)
        Q_TRY(q_arena_cstring(&statistics->arena, survivor, &sample.survivor));
    put_sample(samples, &sample);
    return Q_OK;
}

static unsigned size_bin(uint64_t size)
{
    unsigned bin = 0;
    while (size > 1 && bin < DEDUP_SIZE_BINS - 1)
        size /= 2, bin++;
    return bin;
}

q_status dedup_statistics_count(struct dedup_statistics *statistics, const struct q_document *document,
                                const struct verdict *verdict)
{
    enum verdict_kind kind = verdict ? verdict->kind : VERDICT_KEPT;
    struct q_tally one = {1, document->text.size};
    struct dedup_share *share;
    q_string lang = document->lang.size ? document->lang : Q_STRING("und");
    q_string source = document->source.size ? document->source : Q_STRING("none");
    Q_TRY(find_share(&statistics->languages, &statistics->arena, lang, &share));
    add_tally(&share->tallies[kind], one);
    Q_TRY(find_share(&statistics->sources, &statistics->arena, source, &share));
    add_tally(&share->tallies[kind], one);
    if (kind == VERDICT_KEPT) {
        uint64_t size = verdict ? verdict->cluster_size : Q_MAX(document->cluster_size, (uint64_t)1);
        statistics->sizes[size_bin(size)]++;
        return size > 1 ? take_sample(statistics, &statistics->largest, document, (q_string){0}, (double)size) : Q_OK;
    }
    if (kind == VERDICT_EXACT)
        return Q_OK;
    unsigned bin = (unsigned)(verdict->jaccard * DEDUP_JACCARD_BINS);
    statistics->jaccard[Q_MIN(bin, (unsigned)DEDUP_JACCARD_BINS - 1)]++;
    return take_sample(statistics, &statistics->least_alike, document, verdict->survivor, 1 - verdict->jaccard);
}

static q_status add_shares(struct dedup_shares *sum, const struct dedup_shares *part, struct q_arena *arena)
{
    for (size_t i = 0; i < part->count; i++) {
        struct dedup_share *share;
        Q_TRY(find_share(sum, arena, q_string_of(part->items[i].name), &share));
        for (int kind = 0; kind < 3; kind++)
            add_tally(&share->tallies[kind], part->items[i].tallies[kind]);
    }
    return Q_OK;
}

static q_status copy_text(struct q_arena *arena, const char **text)
{
    return *text ? q_arena_cstring(arena, q_string_of(*text), text) : Q_OK;
}

static q_status add_samples(struct dedup_samples *sum, const struct dedup_samples *part, struct q_arena *arena)
{
    for (size_t i = 0; i < part->count; i++) {
        struct dedup_sample sample = part->items[i];
        if (!has_room(sum, sample.order))
            return Q_OK;
        Q_TRY(copy_text(arena, &sample.id));
        Q_TRY(copy_text(arena, &sample.text));
        Q_TRY(copy_text(arena, &sample.survivor));
        put_sample(sum, &sample);
    }
    return Q_OK;
}

q_status dedup_statistics_add(struct dedup_statistics *sum, const struct dedup_statistics *part)
{
    Q_TRY(add_shares(&sum->languages, &part->languages, &sum->arena));
    Q_TRY(add_shares(&sum->sources, &part->sources, &sum->arena));
    for (size_t i = 0; i < DEDUP_SIZE_BINS; i++)
        sum->sizes[i] += part->sizes[i];
    for (size_t i = 0; i < DEDUP_JACCARD_BINS; i++)
        sum->jaccard[i] += part->jaccard[i];
    Q_TRY(add_samples(&sum->largest, &part->largest, &sum->arena));
    return add_samples(&sum->least_alike, &part->least_alike, &sum->arena);
}
