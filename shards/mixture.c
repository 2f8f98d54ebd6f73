#include "shards/mixture.h"

#include "base/check.h"
#include "base/recipe.h"
#include "shards/order.h"

#include <math.h>

/* A stretch of passes that are alike: source s is drawn ends[s] - ends[s - 1] times in each. A bounded source with draws d per pass and m
 * draws in all has three kinds of passes: floor(m / d) full ones, perhaps one with the rest, then none. So n sources make at most 2n + 1 stretches. */
struct stretch {
    uint64_t first_pass;
    uint64_t first_position;
    uint64_t passes; /* UINT64_MAX: for ever */
    uint64_t per_pass;
    uint64_t *ends; /* [sources]: running sums of the draws of one pass */
};

struct mixture_source {
    uint64_t draws;     /* per full pass */
    uint64_t draws_max; /* in all; UINT64_MAX: no bound */
    uint64_t name_hash; /* keys its orders, so that they do not depend on which other sources there are */
};

struct mixture {
    struct q_arena arena;
    const struct shards *shards;
    uint64_t seed;
    struct mixture_source *sources;
    struct stretch *stretches;
    size_t stretch_count;
    uint64_t positions;
};

static const uint64_t UNBOUNDED = UINT64_MAX;
static const double WEIGHT_MAX = 1048576.0;
static const uint64_t DRAWS_MAX = UINT64_C(1) << 62; /* samples per pass: what order.h can hold, with room */

uint64_t order_index(uint64_t seed, const char *purpose, uint64_t epoch, uint64_t count, uint64_t index)
{
    struct order order;
    order_init(&order, seed, purpose, epoch, 0, count);
    return order_at(&order, index);
}

static q_status source_init(const struct shards_source *source, const struct mixture_weight *weight,
                            struct mixture_source *out)
{
    const bool sane =
        weight->weight >= 0 && weight->weight <= WEIGHT_MAX && weight->epochs_max >= 0 && isfinite(weight->epochs_max);
    if (!sane)
        return q_fail(
            Q_ERR_USAGE,
            "weight %g and epochs_max %g of source '%s' are out of range; weight is 0 to %.0f, epochs_max not negative",
            weight->weight, weight->epochs_max, source->name, WEIGHT_MAX);
    const double draws = weight->weight * (double)source->sequences;
    const double most = weight->epochs_max * (double)source->sequences;
    if (draws > (double)(DRAWS_MAX / 2))
        return q_fail(Q_ERR_USAGE, "weight %g of source '%s' asks for %g sequences a pass, more than can be numbered",
                      weight->weight, source->name, draws);
    out->draws = draws > 0 ? Q_MAX((uint64_t)llround(draws), 1) : 0;
    /* Rounded, so that 0.1 epochs of 10 sequences is 1 and not 0.99.. */
    out->draws_max = weight->epochs_max > 0 && most < 0x1p62 ? (uint64_t)llround(most) : UNBOUNDED;
    out->name_hash = q_hash64(source->name, strlen(source->name), 0);
    return Q_OK;
}

/* Draws of a source in pass `pass`. */
static uint64_t draws_in(const struct mixture_source *source, uint64_t pass)
{
    if (source->draws_max == UNBOUNDED || source->draws == 0)
        return source->draws;
    const uint64_t full = source->draws_max / source->draws;
    if (pass < full)
        return source->draws;
    return pass == full ? source->draws_max % source->draws : 0;
}

/* The first pass behind `pass` where the draws of this source change; UNBOUNDED where none. */
static uint64_t next_change(const struct mixture_source *source, uint64_t pass)
{
    if (source->draws_max == UNBOUNDED || source->draws == 0)
        return UNBOUNDED;
    const uint64_t full = source->draws_max / source->draws;
    if (pass < full)
        return full;
    return pass == full ? full + 1 : UNBOUNDED;
}

/* Appends the stretch that begins at (pass, position); *more = false when there is none, or it is the last. */
static q_status add_stretch(struct mixture *mixture, uint64_t *pass, uint64_t *position, bool *more)
{
    const size_t count = mixture->shards->source_count;
    struct stretch *stretch = &mixture->stretches[mixture->stretch_count];
    *stretch = (struct stretch){.first_pass = *pass, .first_position = *position};
    Q_TRY(q_arena_alloc(&mixture->arena, count, sizeof(uint64_t), &stretch->ends));
    uint64_t change = UNBOUNDED;
    for (size_t s = 0; s < count; s++) {
        if (!q_add_u64(stretch->per_pass, draws_in(&mixture->sources[s], *pass), &stretch->per_pass) ||
            stretch->per_pass > DRAWS_MAX)
            return q_fail(Q_ERR_USAGE, "the sources' weights ask for more sequences a pass than can be numbered");
        stretch->ends[s] = stretch->per_pass;
        change = Q_MIN(change, next_change(&mixture->sources[s], *pass));
    }
    *more = stretch->per_pass > 0 || change != UNBOUNDED;
    if (!*more)
        return Q_OK;
    mixture->stretch_count++;
    stretch->passes = change == UNBOUNDED ? UNBOUNDED : change - *pass;
    uint64_t length, end;
    if (stretch->passes == UNBOUNDED || !q_mul_u64(stretch->passes, stretch->per_pass, &length) ||
        !q_add_u64(*position, length, &end)) {
        mixture->positions = UNBOUNDED;
        *more = false;
        return Q_OK;
    }
    *pass = change;
    *position = mixture->positions = end;
    return Q_OK;
}

static q_status mixture_init(struct mixture *mixture, const struct mixture_weight *weights)
{
    static const struct mixture_weight as_it_is = {.weight = 1, .epochs_max = 0};
    const struct shards *shards = mixture->shards;
    Q_TRY(q_arena_alloc(&mixture->arena, shards->source_count, sizeof(struct mixture_source), &mixture->sources));
    for (size_t s = 0; s < shards->source_count; s++)
        Q_TRY(source_init(&shards->sources[s], weights ? &weights[s] : &as_it_is, &mixture->sources[s]));
    Q_TRY(q_arena_alloc(&mixture->arena, 2 * shards->source_count + 1, sizeof(struct stretch), &mixture->stretches));
    uint64_t pass = 0, position = 0;
    for (bool more = true; more;)
        Q_TRY(add_stretch(mixture, &pass, &position, &more));
    if (mixture->positions == 0)
        return q_fail(
            Q_ERR_INPUT,
            "nothing is left to show of the shards in '%s'; they hold no sequence of a source whose weight is above 0",
            shards->folder);
    return Q_OK;
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

static struct mixture_weight weight_of(const struct q_recipe *recipe, const char *source)
{
    const struct q_input *inputs = recipe->inputs.items;
    for (size_t i = 0; i < recipe->inputs.count; i++) {
        if (strcmp(inputs[i].name, source) == 0)
            return (struct mixture_weight){inputs[i].weight, inputs[i].epochs_max};
    }
    return (struct mixture_weight){.weight = 1, .epochs_max = 0};
}

q_status mixture_from_recipe(const struct shards *shards, const struct q_recipe *recipe, struct mixture **out)
{
    struct mixture_weight *weights;
    Q_TRY(q_alloc(shards->source_count, sizeof *weights, &weights));
    for (size_t i = 0; i < shards->source_count; i++)
        weights[i] = weight_of(recipe, shards->sources[i].name);
    const q_status status = mixture_create(shards, recipe->seed, weights, out);
    q_release(weights);
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
    const uint64_t *ends = mixture->stretches[0].ends;
    return ends[source] - (source ? ends[source - 1] : 0);
}

static const struct stretch *find_stretch(const struct mixture *mixture, uint64_t position)
{
    size_t low = 0,
           high = mixture->stretch_count; /* the last stretch that begins at or before the position and is not empty */
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (mixture->stretches[middle].first_position <= position)
            low = middle;
        else
            high = middle;
    }
    return &mixture->stretches[low];
}

q_status mixture_at(const struct mixture *mixture, uint64_t position, struct mixture_sample *out)
{
    if (position >= mixture->positions)
        return q_fail(Q_ERR_INPUT,
                      "every source has ended by its epochs_max after %llu sequences; position %llu is behind that",
                      (unsigned long long)mixture->positions, (unsigned long long)position);
    const struct stretch *stretch = find_stretch(mixture, position);
    const uint64_t within = position - stretch->first_position;
    const uint64_t pass = stretch->first_pass + within / stretch->per_pass;
    struct order order;
    order_init(&order, mixture->seed, "shards mixture pass", pass, 0, stretch->per_pass);
    const uint64_t slot = order_at(&order, within % stretch->per_pass);

    uint32_t source = 0;
    while (stretch->ends[source] <= slot)
        source++;
    const struct mixture_source *drawn = &mixture->sources[source];
    const uint64_t sequences = mixture->shards->sources[source].sequences;
    /* All passes before this one drew the source in full: only its last may be a part. */
    const uint64_t draw = pass * drawn->draws + (slot - (source ? stretch->ends[source - 1] : 0));
    order_init(&order, mixture->seed, "shards source epoch", draw / sequences, drawn->name_hash, sequences);
    *out = (struct mixture_sample){.sequence = mixture->shards->sources[source].first_sequence +
                                               order_at(&order, draw % sequences),
                                   .source = source,
                                   .epoch = draw / sequences};
    return Q_OK;
}
