#include "train/watch/expert_load.h"

#include "base/check.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { STRETCHES = 18 }; /* of the ring: sixteen make the window, one is growing, one is leaving */

struct stretch {
    int64_t *counts; /* [routers, experts] */
    uint64_t tokens;
};

struct expert_load {
    struct expert_load_shape shape;
    size_t cells;       /* routers x experts */
    int64_t *step;      /* [sources, routers, experts] */
    int64_t *map;       /* alike */
    int64_t *ring_room; /* [STRETCHES, routers, experts] */
    struct stretch ring[STRETCHES];
    size_t newest; /* in the ring: the one that grows */
};

q_status expert_load_create(const struct expert_load_shape *shape, struct expert_load **out)
{
    struct expert_load *load;
    size_t cells, map;
    q_check(shape->window_tokens > 0 && shape->top_k > 0 && shape->sources > 0);
    if (!q_mul_size(shape->routers, shape->experts, &cells) || !q_mul_size(cells, shape->sources, &map))
        return q_fail(Q_ERR_MEMORY, "too many experts and sources to count");
    Q_TRY(q_alloc_zero(1, sizeof *load, &load));
    load->shape = *shape;
    load->cells = cells;
    q_status status = q_alloc_zero(map, sizeof(int64_t), &load->step);
    if (!status)
        status = q_alloc_zero(map, sizeof(int64_t), &load->map);
    if (!status)
        status = q_alloc_zero(STRETCHES * cells, sizeof(int64_t), &load->ring_room);
    for (size_t i = 0; !status && i < STRETCHES; i++)
        load->ring[i].counts = load->ring_room + i * cells;
    if (status)
        expert_load_release(load);
    else
        *out = load;
    return status;
}

void expert_load_release(struct expert_load *load)
{
    if (!load)
        return;
    q_release(load->step);
    q_release(load->map);
    q_release(load->ring_room);
    q_release(load);
}

void expert_load_begin_step(struct expert_load *load)
{
    memset(load->step, 0, load->shape.sources * load->cells * sizeof(int64_t));
}

void expert_load_add(struct expert_load *load, size_t router, const int32_t *chosen, const uint32_t *sources,
                     size_t sequences, size_t length)
{
    const size_t slots = length * load->shape.top_k;
    q_check(router < load->shape.routers);
    for (size_t i = 0; i < sequences; i++) {
        q_check(sources[i] < load->shape.sources);
        int64_t *counts = load->step + sources[i] * load->cells + router * load->shape.experts;
        for (size_t slot = 0; slot < slots; slot++)
            counts[chosen[i * slots + slot]]++;
    }
}

void expert_load_end_step(struct expert_load *load, const int64_t *counts, uint64_t tokens)
{
    struct stretch *newest = &load->ring[load->newest];
    if (newest->tokens >= q_ceil_div(load->shape.window_tokens, 16)) { /* whole: the next one begins */
        load->newest = (load->newest + 1) % STRETCHES;
        newest = &load->ring[load->newest];
        newest->tokens = 0;
        memset(newest->counts, 0, load->cells * sizeof(int64_t));
    }
    for (size_t i = 0; i < load->cells; i++)
        newest->counts[i] += counts[i];
    newest->tokens += tokens;
    for (size_t i = 0; i < load->shape.sources * load->cells; i++)
        load->map[i] += load->step[i];
}

const int64_t *expert_load_map(const struct expert_load *load)
{
    return load->map;
}

uint64_t expert_load_map_tokens(const struct expert_load *load, size_t source)
{
    const int64_t *counts = load->map + source * load->cells; /* any router saw each token K times */
    int64_t sum = 0;
    for (size_t e = 0; load->shape.routers && e < load->shape.experts; e++)
        sum += counts[e];
    return (uint64_t)sum / load->shape.top_k;
}

q_status expert_load_sum_map(struct expert_load *load, struct comm *comm)
{
    return comm_sum(comm, load->map, load->shape.sources * load->cells, COMM_I64);
}

void expert_load_clear_map(struct expert_load *load)
{
    memset(load->map, 0, load->shape.sources * load->cells * sizeof(int64_t));
}

void expert_load_window(const struct expert_load *load, int64_t *counts, uint64_t *tokens)
{
    memset(counts, 0, load->cells * sizeof(int64_t));
    *tokens = 0;
    for (size_t i = 0; i < STRETCHES && *tokens < load->shape.window_tokens; i++) {
        const struct stretch *stretch = &load->ring[(load->newest + STRETCHES - i) % STRETCHES];
        for (size_t cell = 0; cell < load->cells; cell++)
            counts[cell] += stretch->counts[cell];
        *tokens += stretch->tokens;
    }
}

double expert_load_violation(const int64_t *counts, size_t experts)
{
    int64_t largest = 0, total = 0;
    for (size_t e = 0; e < experts; e++) {
        largest = Q_MAX(largest, counts[e]);
        total += counts[e];
    }
    return total > 0 ? (double)largest * (double)experts / (double)total - 1 : 0;
}

double expert_load_entropy(const float *scores, size_t tokens, size_t experts, size_t stride)
{
    double total = 0;
    size_t seen = 0;
    for (size_t i = 0; i < tokens; i += stride, seen++) {
        double sum = 0, weighted = 0; /* H = ln S - (sum of s ln s) / S */
        for (size_t e = 0; e < experts; e++) {
            double s = (double)scores[i * experts + e];
            sum += s;
            weighted += s > 0 ? s * log(s) : 0;
        }
        total += sum > 0 ? log(sum) - weighted / sum : 0;
    }
    return seen ? total / (double)seen : 0;
}
