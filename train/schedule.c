#include "train/schedule.h"

#include "base/check.h"

#include <math.h>

/* The rate at `tokens` in a piece that begins at `start` tokens with `rate`. */
static double segment_rate(const struct rate_segment *segment, uint64_t start, double rate, uint64_t tokens)
{
    double share = (double)(tokens - start) / (double)(segment->until - start);
    switch ((enum rate_kind)segment->kind) {
    case RATE_CONSTANT:
        return segment->to > 0 ? segment->to : rate;
    case RATE_LINEAR:
        return rate + (segment->to - rate) * share;
    case RATE_ROOT:
        return segment->to + (rate - segment->to) * (1 - sqrt(share));
    case RATE_COSINE:
        return segment->to + (rate - segment->to) * 0.5 * (1 + cos(3.14159265358979323846 * share));
    }
    return rate;
}

double schedule_rate(const struct train_settings *settings, uint64_t step, uint64_t tokens)
{
    double rate = settings->rate.peak;
    if (step < settings->rate.warmup_steps)
        return rate * (double)(step + 1) / (double)settings->rate.warmup_steps;
    const struct rate_segment *segments = settings->rate.segments.items;
    uint64_t start = 0;
    for (size_t i = 0; i < settings->rate.segments.count; i++) {
        if (tokens < segments[i].until)
            return segment_rate(&segments[i], start, rate, tokens);
        rate = segment_rate(&segments[i], start, rate, segments[i].until);
        start = segments[i].until;
    }
    return rate;
}

uint64_t schedule_batch(const struct train_settings *settings, uint64_t tokens)
{
    uint64_t from = settings->batch.from, to = settings->batch.sequences, ramp = settings->batch.ramp;
    if (from == 0 || tokens >= ramp)
        return to;
    /* 128 bits: tokens may be trillions, and the product must be exact to be the same everywhere. */
    return from + (uint64_t)((unsigned __int128)(to - from) * tokens / ramp);
}

struct schedule_point schedule_at(const struct train_settings *settings, uint64_t sequence_tokens, uint64_t step,
                                  uint64_t tokens)
{
    struct schedule_point point = {.rate = schedule_rate(settings, step, tokens),
                                   .sequences = schedule_batch(settings, tokens),
                                   .gamma = settings->balance.rate,
                                   .alpha = settings->balance.loss,
                                   .lambda = settings->mtp.weight};
    if (settings->balance.until > 0 && tokens >= settings->balance.until)
        point.gamma = 0;
    if (settings->mtp.until > 0 && tokens >= settings->mtp.until)
        point.lambda = settings->mtp.later;
    q_check(sequence_tokens > 0 && point.sequences > 0);
    return point;
}

/* Where the ramp's steps of `batch` sequences end. */
static uint64_t batch_until(const struct train_settings *settings, uint64_t batch)
{
    const uint64_t grown = settings->batch.sequences - settings->batch.from, ramp = settings->batch.ramp;
    const uint64_t above = batch - settings->batch.from + 1; /* reached where grown * tokens / ramp is */
    if (above > grown)
        return ramp;
    return (uint64_t)(((unsigned __int128)above * ramp + grown - 1) / grown);
}

void schedule_advance(const struct train_settings *settings, uint64_t sequence_tokens, uint64_t until,
                      uint64_t steps_end, uint64_t *step, uint64_t *tokens)
{
    while (*tokens < until && *step < steps_end) {
        const bool grows = settings->batch.from > 0 && *tokens < settings->batch.ramp;
        const uint64_t batch = schedule_batch(settings, *tokens), step_tokens = batch * sequence_tokens;
        const uint64_t end = grows ? Q_MIN(batch_until(settings, batch), until) : until;
        const uint64_t same = Q_MIN(q_ceil_div(end - *tokens, step_tokens), steps_end - *step);
        *step += same;
        *tokens += same * step_tokens;
    }
}

void schedule_length(const struct train_settings *settings, uint64_t sequence_tokens, uint64_t from,
                     uint64_t *out_steps, uint64_t *out_tokens)
{
    uint64_t steps = 0, tokens = from;
    schedule_advance(settings, sequence_tokens, settings->tokens, UINT64_MAX, &steps, &tokens);
    *out_steps = steps;
    *out_tokens = tokens - from;
}
