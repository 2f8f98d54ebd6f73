#include "shards/mixture.h"

#include "base/bytes.h"
#include "base/check.h"
#include "shards/order.h"

#include <math.h>

/* A stretch of passes that are alike, up to where the next one begins, which may be within a pass behind a change of the weights. A bounded source with
 * draws d per pass and m draws in all has three kinds of passes: floor(m / d) full ones, perhaps one with the rest, then none. So n sources and c changes make
 * at most 2n + 2c + 1 stretches. */
struct stretch {
    uint64_t first_pass;
    uint64_t first_position;
    uint64_t per_pass;
    uint64_t blocks; /* of a pass */
    uint64_t *draws; /* [sources]: of one pass */
    uint64_t *drawn; /* [sources]: before it */
};

struct mixture_source {
    uint64_t draws;     /* per full pass, by the newest weights */
    uint64_t draws_max; /* in all; UINT64_MAX: no bound */
    uint64_t name_hash; /* keys its orders, so that they do not depend on which other sources there are */
};

struct mixture {
    struct q_arena arena;
    const struct shards *shards;
    uint64_t seed;
    struct mixture_source *sources;
    struct stretch *stretches;
    size_t stretch_count, stretch_capacity;
    uint64_t positions;
};

/* Where a stretch begins, or a course ends. */
struct place {
    uint64_t pass, position;
    uint64_t *drawn; /* [sources] */
};

enum { BLOCK = 64 /* samples, about */ };

static const uint64_t UNBOUNDED = UINT64_MAX;
static const double WEIGHT_MAX = 1048576.0;
static const uint64_t DRAWS_MAX = UINT64_C(1) << 62; /* samples per pass: what order.h can hold, with room */

uint64_t order_index(uint64_t seed, const char *purpose, uint64_t epoch, uint64_t count, uint64_t index)
{
    struct order order;
    order_init(&order, seed, purpose, epoch, 0, count);
    return order_at(&order, index);
}

static q_status set_weight(const struct shards_source *source, double weight, struct mixture_source *out)
{
    if (!(weight >= 0 && weight <= WEIGHT_MAX))
        return q_fail(Q_ERR_USAGE, "weight %g of source '%s' is out of range; it is 0 to %.0f", weight, source->name,
                      WEIGHT_MAX);
    const double draws = weight * (double)source->sequences;
    if (draws > (double)(DRAWS_MAX / 2))
        return q_fail(Q_ERR_USAGE, "weight %g of source '%s' asks for %g sequences a pass, more than can be numbered",
                      weight, source->name, draws);
    out->draws = draws > 0 ? Q_MAX((uint64_t)llround(draws), 1) : 0;
    return Q_OK;
}

static q_status source_init(const struct shards_source *source, const struct mixture_weight *weight,
                            struct mixture_source *out)
{
    const double most = weight->epochs_max * (double)source->sequences;
    if (!(weight->epochs_max >= 0 && isfinite(weight->epochs_max)))
        return q_fail(Q_ERR_USAGE, "epochs_max %g of source '%s' is out of range; it is not negative",
                      weight->epochs_max, source->name);
    /* Rounded, so that 0.1 epochs of 10 sequences is 1 and not 0.99.. */
    out->draws_max = weight->epochs_max > 0 && most < 0x1p62 ? (uint64_t)llround(most) : UNBOUNDED;
    out->name_hash = q_hash64(source->name, strlen(source->name), 0);
    return set_weight(source, weight->weight, out);
}

static q_status push_stretch(struct mixture *mixture, struct stretch **out)
{
    const size_t count = mixture->shards->source_count;
    if (mixture->stretch_count == mixture->stretch_capacity) {
        struct stretch *larger;
        Q_TRY(q_arena_alloc(&mixture->arena, 2 * mixture->stretch_capacity + 2, sizeof *larger, &larger));
        if (mixture->stretch_count)
            memcpy(larger, mixture->stretches, mixture->stretch_count * sizeof *larger);
        mixture->stretches = larger;
        mixture->stretch_capacity = 2 * mixture->stretch_capacity + 2;
    }
    struct stretch *stretch = &mixture->stretches[mixture->stretch_count];
    *stretch = (struct stretch){0};
    Q_TRY(q_arena_alloc(&mixture->arena, count, sizeof(uint64_t), &stretch->draws));
    Q_TRY(q_arena_alloc(&mixture->arena, count, sizeof(uint64_t), &stretch->drawn));
    *out = stretch;
    return Q_OK;
}

/* Appends the stretch that begins at the place and moves the place to its end; *more = false where nothing is left to draw, or the stretch is the last. */
static q_status add_stretch(struct mixture *mixture, struct place *place, bool *more)
{
    const size_t count = mixture->shards->source_count;
    struct stretch *stretch;
    uint64_t alike = UNBOUNDED, length, end;
    Q_TRY(push_stretch(mixture, &stretch));
    stretch->first_pass = place->pass;
    stretch->first_position = mixture->positions = place->position;
    for (size_t s = 0; s < count; s++) {
        const struct mixture_source *source = &mixture->sources[s];
        const uint64_t left = source->draws_max - place->drawn[s]; /* without a bound: as good as endless */
        stretch->drawn[s] = place->drawn[s];
        stretch->draws[s] = Q_MIN(source->draws, left);
        if (source->draws_max != UNBOUNDED && stretch->draws[s] > 0)
            alike = Q_MIN(alike, left / stretch->draws[s]);
        if (!q_add_u64(stretch->per_pass, stretch->draws[s], &stretch->per_pass) || stretch->per_pass > DRAWS_MAX)
            return q_fail(Q_ERR_USAGE, "the sources' weights ask for more sequences a pass than can be numbered");
    }
    *more = stretch->per_pass > 0;
    if (!*more)
        return Q_OK;
    stretch->blocks = q_ceil_div(stretch->per_pass, BLOCK);
    mixture->stretch_count++;
    if (alike == UNBOUNDED || !q_mul_u64(alike, stretch->per_pass, &length) ||
        !q_add_u64(place->position, length, &end)) {
        mixture->positions = UNBOUNDED;
        *more = false;
        return Q_OK;
    }
    place->pass += alike;
    place->position = end;
    for (size_t s = 0; s < count; s++)
        place->drawn[s] += alike * stretch->draws[s];
    return Q_OK;
}

/* All stretches from the place on, by the weights that the sources have. */
static q_status add_stretches(struct mixture *mixture, struct place *place)
{
    const uint64_t from = place->position;
    for (bool more = true; more;)
        Q_TRY(add_stretch(mixture, place, &more));
    if (mixture->positions == from)
        return q_fail(
            Q_ERR_INPUT,
            "nothing is left to show of the shards in '%s' from sample %llu on; they hold no sequence of a source "
            "whose weight is above 0",
            mixture->shards->folder, (unsigned long long)from);
    return Q_OK;
}

static q_status mixture_init(struct mixture *mixture, const struct mixture_weight *weights)
{
    static const struct mixture_weight as_it_is = {.weight = 1, .epochs_max = 0};
    const struct shards *shards = mixture->shards;
    Q_TRY(q_arena_alloc(&mixture->arena, shards->source_count, sizeof(struct mixture_source), &mixture->sources));
    for (size_t s = 0; s < shards->source_count; s++)
        Q_TRY(source_init(&shards->sources[s], weights ? &weights[s] : &as_it_is, &mixture->sources[s]));
    struct place place = {0};
    Q_TRY(q_arena_alloc(&mixture->arena, shards->source_count, sizeof(uint64_t), &place.drawn));
    return add_stretches(mixture, &place);
}

q_status mixture_create(const struct shards *shards, uint64_t seed, const struct mixture_weight *weights,
                        struct mixture **out)
{
    struct mixture *mixture;
    Q_TRY(q_alloc_zero(1, sizeof *mixture, &mixture));
    mixture->shards = shards;
    mixture->seed = seed;
    const q_status status = mixture_init(mixture, weights);
    if (status)
        mixture_release(mixture);
    else
        *out = mixture;
    return status;
}

void mixture_release(struct mixture *mixture)
{
    if (!mixture)
        return;
    q_arena_release(&mixture->arena);
    q_release(mixture);
}

uint64_t mixture_positions(const struct mixture *mixture)
{
    return mixture->positions;
}

uint64_t mixture_pass(const struct mixture *mixture)
{
    return mixture->stretches[0].per_pass;
}

uint64_t mixture_pass_of(const struct mixture *mixture, uint32_t source)
{
    return mixture->stretches[0].draws[source];
}

/* The last stretch that begins at or before the position. */
static size_t find_stretch(const struct mixture *mixture, uint64_t position)
{
    size_t low = 0, high = mixture->stretch_count;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (mixture->stretches[middle].first_position <= position)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Draws of source s in the first `blocks` blocks of a pass: its share, rounded up or down; where, goes by its name, so that the few draws of many small
 * sources do not meet in one block. */
static uint64_t draws_before(const struct mixture *mixture, const struct stretch *stretch, size_t s, uint64_t blocks)
{
    const uint64_t phase = mixture->sources[s].name_hash % stretch->blocks;
    return (uint64_t)(((unsigned __int128)stretch->draws[s] * blocks + phase) / stretch->blocks);
}

/* The slot of a pass that the block begins with. */
static uint64_t block_start(const struct mixture *mixture, const struct stretch *stretch, uint64_t block)
{
    uint64_t start = 0;
    for (size_t s = 0; s < mixture->shards->source_count; s++)
        start += draws_before(mixture, stretch, s, block);
    return start;
}

/* The block that a slot (< per_pass) is in. By rounding, the guess is off by as many slots as there are sources at most. */
static uint64_t block_of(const struct mixture *mixture, const struct stretch *stretch, uint64_t slot)
{
    uint64_t block = (uint64_t)((unsigned __int128)slot * stretch->blocks / stretch->per_pass);
    while (block_start(mixture, stretch, block) > slot)
        block--;
    while (block_start(mixture, stretch, block + 1) <= slot)
        block++;
    return block;
}

/* The end of the first block that ends at or behind the position. */
static q_status place_behind(struct mixture *mixture, const struct stretch *stretch, uint64_t position,
                             struct place *out)
{
    const size_t count = mixture->shards->source_count;
    const uint64_t passes = (position - stretch->first_position) / stretch->per_pass;
    const uint64_t slot = (position - stretch->first_position) % stretch->per_pass;
    uint64_t block = slot ? block_of(mixture, stretch, slot) : 0;
    if (block_start(mixture, stretch, block) < slot)
        block++;
    out->pass = stretch->first_pass + passes + (block > 0);
    out->position = position - slot + block_start(mixture, stretch, block);
    Q_TRY(q_arena_alloc(&mixture->arena, count, sizeof(uint64_t), &out->drawn));
    for (size_t s = 0; s < count; s++)
        out->drawn[s] = stretch->drawn[s] + passes * stretch->draws[s] + draws_before(mixture, stretch, s, block);
    return Q_OK;
}

q_status mixture_change(struct mixture *mixture, uint64_t position, const double *weights)
{
    const size_t last = find_stretch(mixture, position);
    struct place place;
    if (position > mixture->positions)
        return q_fail(
            Q_ERR_INPUT,
            "every source has ended by its epochs_max after %llu sequences, before the mixture changes at %llu",
            (unsigned long long)mixture->positions, (unsigned long long)position);
    Q_TRY(place_behind(mixture, &mixture->stretches[last], position, &place));
    for (size_t s = 0; s < mixture->shards->source_count; s++)
        Q_TRY(set_weight(&mixture->shards->sources[s], weights[s], &mixture->sources[s]));
    mixture->stretch_count = last + (place.position > mixture->stretches[last].first_position);
    return add_stretches(mixture, &place);
}

q_hash mixture_hash(const struct mixture *mixture, uint64_t position)
{
    q_hash hash = {0};
    for (size_t i = 0; i < mixture->stretch_count && mixture->stretches[i].first_position < position; i++) {
        const struct stretch *stretch = &mixture->stretches[i];
        for (size_t s = 0; s < mixture->shards->source_count; s++) {
            unsigned char link[40];
            q_store_u64(link, hash.high);
            q_store_u64(link + 8, hash.low);
            q_store_u64(link + 16, stretch->first_position);
            q_store_u64(link + 24, stretch->first_pass);
            q_store_u64(link + 32, stretch->draws[s]);
            hash = q_hash_bytes(link, sizeof link);
        }
    }
    return hash;
}

q_status mixture_at(const struct mixture *mixture, uint64_t position, struct mixture_sample *out)
{
    if (position >= mixture->positions)
        return q_fail(Q_ERR_INPUT,
                      "every source has ended by its epochs_max after %llu sequences; position %llu is behind that",
                      (unsigned long long)mixture->positions, (unsigned long long)position);
    const struct stretch *stretch = &mixture->stretches[find_stretch(mixture, position)];
    const uint64_t passes = (position - stretch->first_position) / stretch->per_pass;
    const uint64_t slot = (position - stretch->first_position) % stretch->per_pass;
    const uint64_t block = block_of(mixture, stretch, slot), start = block_start(mixture, stretch, block);
    struct order order;
    order_init(&order, mixture->seed, "shards mixture pass", stretch->first_pass + passes, block,
               block_start(mixture, stretch, block + 1) - start);
    uint64_t within = order_at(&order, slot - start); /* the block's draws, source by source */

    uint32_t source = 0;
    uint64_t before, draws;
    for (;; source++) {
        before = draws_before(mixture, stretch, source, block);
        draws = draws_before(mixture, stretch, source, block + 1) - before;
        if (within < draws)
            break;
        within -= draws;
    }
    const uint64_t sequences = mixture->shards->sources[source].sequences;
    const uint64_t draw = stretch->drawn[source] + passes * stretch->draws[source] + before + within;
    order_init(&order, mixture->seed, "shards source epoch", draw / sequences, mixture->sources[source].name_hash,
               sequences);
    *out = (struct mixture_sample){.sequence = mixture->shards->sources[source].first_sequence +
                                               order_at(&order, draw % sequences),
                                   .source = source,
                                   .epoch = draw / sequences};
    return Q_OK;
}
