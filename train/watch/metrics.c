#include "train/watch/metrics.h"

#include "base/check.h"

#include <math.h>

struct metrics_violation metrics_violation_of(const double *violations, const int *layers, size_t routers)
{
    struct metrics_violation out = {.mean = NAN, .worst = NAN, .worst_layer = -1};
    double sum = 0;
    for (size_t i = 0; i < routers; i++) {
        sum += violations[i];
        if (i == 0 || violations[i] > out.worst) {
            out.worst = violations[i];
            out.worst_layer = layers[i];
        }
    }
    if (routers)
        out.mean = sum / (double)routers;
    return out;
}

static double mean(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return count ? sum / (double)count : NAN;
}

static double layer_number(int layer)
{
    return layer < 0 ? (double)NAN : (double)layer;
}

size_t metrics_scalars(const struct metrics_step *step, struct metrics_scalar *out)
{
    const struct metrics_violation *now = &step->violation, *window = &step->window_violation;
    const bool routed = step->routers > 0;
    const struct metrics_scalar all[] = {
        {"loss", step->loss, METRICS_SHORTEST},
        {"mtp_loss", step->mtp_loss, METRICS_SHORTEST},
        {"z_loss", step->z_loss > 0 ? step->z_loss : (double)NAN, METRICS_SHORTEST},
        {"balance_loss", step->balance_loss, METRICS_SHORTEST},
        {"gradient_norm", step->gradient_norm, METRICS_SHORTEST},
        {"rate", step->point.rate, METRICS_SHORTEST},
        {"batch", (double)step->point.sequences, 0},
        {"violation", now->mean, 4},
        {"violation_max", now->worst, 4},
        {"violation_max_layer", layer_number(now->worst_layer), 0},
        {"window_tokens", routed ? (double)step->window_tokens : (double)NAN, 0},
        {"window_violation", window->mean, 4},
        {"window_violation_max", window->worst, 4},
        {"window_violation_max_layer", layer_number(window->worst_layer), 0},
        {"router_entropy", mean(step->entropies, step->routers), 4},
        {"bias_norm", mean(step->bias_norms, step->routers), 5},
        {"seconds", step->seconds, 4},
        {"tokens_per_s", step->tokens_per_s, 1},
        {"flop_per_s", step->flop_per_s, 0},
        {"flop_share", step->flop_share, 4},
    };
    size_t count = 0;
    for (size_t i = 0; i < Q_COUNT_OF(all); i++)
        if (!isnan(all[i].value))
            out[count++] = all[i];
    return count;
}

static void put_layers(struct q_json *json, const char *key, const double *values, size_t count, int digits)
{
    if (count == 0)
        return;
    q_json_open(json, key, '[');
    for (size_t i = 0; i < count; i++)
        q_json_put_fixed(json, NULL, values[i], digits);
    q_json_close(json, ']');
}

static void put_sources(struct q_json *json, const struct metrics_step *step)
{
    q_json_open(json, "loss_by_source", '{');
    for (size_t i = 0; i < step->source_count; i++) {
        const struct metrics_source *source = &step->sources[i];
        if (source->targets)
            q_json_put_fixed(json, source->name, source->loss / (double)source->targets, 6);
    }
    q_json_close(json, '}');
}

q_status metrics_put_step(struct q_buffer *line, const struct metrics_step *step)
{
    struct metrics_scalar scalars[METRICS_SCALARS_MAX];
    size_t count = metrics_scalars(step, scalars);
    struct q_json json = q_json_begin(line);
    q_json_open(&json, NULL, '{');
    q_json_put_u64(&json, "step", step->position.step);
    q_json_put_u64(&json, "samples", step->position.samples);
    q_json_put_u64(&json, "tokens", step->position.tokens);
    for (size_t i = 0; i < count; i++)
        if (scalars[i].digits == METRICS_SHORTEST)
            q_json_put_double(&json, scalars[i].name, scalars[i].value);
        else
            q_json_put_fixed(&json, scalars[i].name, scalars[i].value, scalars[i].digits);
    put_sources(&json, step);
    put_layers(&json, "violation_by_layer", step->violations, step->routers, 3);
    put_layers(&json, "router_entropy_by_layer", step->entropies, step->routers, 4);
    put_layers(&json, "bias_norm_by_layer", step->bias_norms, step->routers, 4);
    q_json_close(&json, '}');
    q_json_newline(&json);
    return q_json_end(&json);
}

/* Thousandths of an expert's fair share, [routers][experts]: five characters a cell, whatever the number of tokens. */
static void put_loads(struct q_json *json, const char *name, const int64_t *counts, size_t routers, size_t experts)
{
    q_json_open(json, name, '[');
    for (size_t r = 0; r < routers; r++, counts += experts) {
        int64_t total = 0;
        for (size_t e = 0; e < experts; e++)
            total += counts[e];
        q_json_open(json, NULL, '[');
        for (size_t e = 0; e < experts; e++)
            q_json_put_i64(json, NULL, llround((double)counts[e] * (double)experts * 1000 / (double)Q_MAX(total, 1)));
        q_json_close(json, ']');
    }
    q_json_close(json, ']');
}

q_status metrics_put_map(struct q_buffer *line, const struct metrics_map *map)
{
    struct q_json json = q_json_begin(line);
    q_json_open(&json, NULL, '{');
    q_json_put_u64(&json, "step", map->position.step);
    q_json_put_u64(&json, "tokens", map->position.tokens);
    q_json_open(&json, "layers", '[');
    for (size_t r = 0; r < map->routers; r++)
        q_json_put_i64(&json, NULL, map->layers[r]);
    q_json_close(&json, ']');
    q_json_open(&json, "source_tokens", '{');
    for (size_t s = 0; s < map->source_count; s++)
        if (map->source_tokens[s])
            q_json_put_u64(&json, map->sources[s], map->source_tokens[s]);
    q_json_close(&json, '}');
    q_json_open(&json, "load_by_source", '{');
    for (size_t s = 0; s < map->source_count; s++)
        if (map->source_tokens[s])
            put_loads(&json, map->sources[s], map->counts + s * map->routers * map->experts, map->routers,
                      map->experts);
    q_json_close(&json, '}');
    q_json_close(&json, '}');
    q_json_newline(&json);
    return q_json_end(&json);
}
