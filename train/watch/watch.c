#include "train/watch/watch.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/progress.h"
#include "train/watch/expert_load.h"
#include "train/watch/op_peak.h"
#include "train/watch/step_log.h"
#include "train/watch/tensorboard.h"
#include "train/watch/train_view.h"

#include <math.h>
#include <stdio.h>

enum {
    WINDOW_TOKENS = 1000000, /* the window of the load's violation: what the loss-free balancing is judged by */
    ENTROPY_TOKENS = 512, /* the entropy of a step is that of so many tokens: a logarithm per score is no small thing */
};

/* The peak is measured at the start, and again now and then: what else runs on the machine may have held it down the first time. */
static const double PEAK_S = 0.1, PEAK_AGAIN_S = 0.05, PEAK_EVERY_S = 60;

struct watch {
    struct watch_setup setup;
    bool leads; /* this rank writes */
    struct q_arena arena;
    struct step_log *metrics, *experts;
    struct events *events;    /* NULL: not wanted */
    struct expert_load *load; /* NULL: the model has no router */
    struct train_view view;
    struct q_buffer line;
    size_t routers, experts_count, top_k;
    const struct model_parameter **biases;         /* [routers] */
    int *layers;                                   /* [routers] */
    double flop_per_token, resting_flop_per_token; /* with the MTP modules; while they rest */
    double peak, peak_at;                          /* peak_at: when it was last measured */

    bool logged;          /* the present step has a line */
    bool entropies_known; /* of the present step */
    int32_t *chosen;      /* [tokens, K] of a micro-batch */
    op_acc *scores;       /* [tokens, E] */
    op_acc *bias;         /* [E] */
    int64_t *window;      /* [routers, E] */
    uint64_t *source_tokens;
    double *shares;                                                  /* [E] */
    double *violations, *window_violations, *entropies, *bias_norms; /* [routers]; of entropies one more */
    double seconds_since, flop_since;                                /* of the steps since the last line */
    uint64_t tokens_since;
};

/* The routing biases in the order of the counts. */
static q_status find_biases(struct watch *watch)
{
    size_t count;
    const struct model_parameter *all = model_parameters(watch->setup.model, &count);
    Q_TRY(q_arena_alloc(&watch->arena, watch->routers, sizeof(*watch->biases), &watch->biases));
    Q_TRY(q_arena_alloc(&watch->arena, watch->routers, sizeof(*watch->layers), &watch->layers));
    for (size_t i = 0; i < count; i++)
        if (all[i].kind == MODEL_BIAS) {
            size_t router = all[i].offset / watch->experts_count;
            q_check(router < watch->routers);
            watch->biases[router] = &all[i];
            watch->layers[router] = all[i].layer;
        }
    return Q_OK;
}

static q_status create_buffers(struct watch *watch)
{
    const size_t tokens = watch->setup.micro_batch * watch->setup.sequence, routers = watch->routers;
    struct q_arena *arena = &watch->arena;
    Q_TRY(find_biases(watch));
    Q_TRY(q_arena_alloc(arena, tokens * watch->top_k, sizeof(int32_t), &watch->chosen));
    Q_TRY(q_arena_alloc(arena, tokens * watch->experts_count, sizeof(op_acc), &watch->scores));
    Q_TRY(q_arena_alloc(arena, watch->experts_count, sizeof(op_acc), &watch->bias));
    Q_TRY(q_arena_alloc(arena, routers * watch->experts_count, sizeof(int64_t), &watch->window));
    Q_TRY(q_arena_alloc(arena, watch->setup.source_count, sizeof(uint64_t), &watch->source_tokens));
    Q_TRY(q_arena_alloc(arena, watch->experts_count, sizeof(double), &watch->shares));
    Q_TRY(q_arena_alloc(arena, routers, sizeof(double), &watch->violations));
    Q_TRY(q_arena_alloc(arena, routers, sizeof(double), &watch->window_violations));
    Q_TRY(q_arena_alloc(arena, routers + 1, sizeof(double), &watch->entropies));
    Q_TRY(q_arena_alloc(arena, routers, sizeof(double), &watch->bias_norms));
    const struct expert_load_shape shape = {.routers = routers,
                                            .experts = watch->experts_count,
                                            .top_k = watch->top_k,
                                            .sources = watch->setup.source_count,
                                            .window_tokens = WINDOW_TOKENS};
    return expert_load_create(&shape, &watch->load);
}

static bool maps_wanted(const struct watch *watch)
{
    return watch->load && watch->setup.settings->watch.experts_every > 0;
}

/* The best that was ever seen stays. Ranks measure at the same time: some may share a machine. */
static q_status measure_peak(struct watch *watch, double seconds)
{
    double peak = 0;
    q_status status = op_peak(model_ops(watch->setup.model), watch->setup.pool, seconds, &peak);
    if (watch->setup.comm) {
        Q_TRY(comm_agree(watch->setup.comm, status));
        status = comm_sum(watch->setup.comm, &peak, 1, COMM_F64);
    }
    Q_TRY(status);
    watch->peak = Q_MAX(watch->peak, peak);
    watch->peak_at = q_seconds();
    return Q_OK;
}

static q_status open_files(struct watch *watch)
{
    const struct watch_setup *setup = &watch->setup;
    Q_TRY(step_log_open(setup->run_folder, "metrics.jsonl", setup->position.step, &watch->metrics));
    if (watch->load) /* also where none are wanted any more: what stands behind the checkpoint goes */
        Q_TRY(step_log_open(setup->run_folder, "experts.jsonl", setup->position.step, &watch->experts));
    return setup->settings->watch.tensorboard
               ? events_open(setup->run_folder, setup->position.step, q_time_seconds(), &watch->events)
               : Q_OK;
}

static q_status create_all(struct watch *watch)
{
    const struct watch_setup *setup = &watch->setup;
    watch->leads = !setup->comm || comm_rank(setup->comm) == 0;
    const struct model_config *config = model_get_config(setup->model);
    watch->routers = model_routers(setup->model);
    watch->experts_count = (size_t)config->n_routed_experts;
    watch->top_k = (size_t)config->num_experts_per_tok;
    struct model_config resting = *config;
    resting.num_nextn_predict_layers = 0;
    watch->flop_per_token = model_config_flop_per_token(config, setup->sequence);
    watch->resting_flop_per_token = model_config_flop_per_token(&resting, setup->sequence);
    watch->view.steps_total = setup->steps_total;
    watch->peak = setup->settings->watch.peak_flop_per_s;
    if (watch->peak <= 0) /* first, for it is done by all ranks together */
        Q_TRY(measure_peak(watch, PEAK_S));
    if (watch->routers)
        Q_TRY(create_buffers(watch));
    if (watch->leads)
        Q_TRY(open_files(watch));
    return Q_OK;
}

q_status watch_create(const struct watch_setup *setup, struct watch **out)
{
    struct watch *watch;
    Q_TRY(q_alloc_zero(1, sizeof *watch, &watch));
    watch->setup = *setup;
    q_status status = create_all(watch);
    if (status)
        watch_release(watch);
    else
        *out = watch;
    return status;
}

void watch_release(struct watch *watch)
{
    if (!watch)
        return;
    step_log_close(watch->metrics);
    step_log_close(watch->experts);
    events_close(watch->events);
    expert_load_release(watch->load);
    q_buffer_release(&watch->line);
    q_arena_release(&watch->arena);
    q_release(watch);
}

void watch_begin_step(struct watch *watch, uint64_t step)
{
    watch->logged = step % watch->setup.settings->log_every == 0 || step == watch->setup.steps_total;
    watch->entropies_known = false;
    if (watch->load)
        expert_load_begin_step(watch->load);
}

void watch_micro_batch(struct watch *watch, const uint32_t *sources, size_t sequences)
{
    const bool entropies = watch->logged && !watch->entropies_known, maps = maps_wanted(watch);
    for (size_t router = 0; (entropies || maps) && router < watch->routers; router++) {
        const size_t length = model_router_length(watch->setup.model, router), tokens = sequences * length;
        if (tokens == 0) { /* of an MTP module that rests */
            watch->entropies[router] = 0;
            continue;
        }
        model_get_routing(watch->setup.model, router, maps ? watch->chosen : NULL, entropies ? watch->scores : NULL);
        if (maps)
            expert_load_add(watch->load, router, watch->chosen, sources, sequences, length);
        if (entropies)
            watch->entropies[router] = expert_load_entropy(watch->scores, tokens, watch->experts_count,
                                                           (size_t)q_ceil_div(tokens, ENTROPY_TOKENS));
    }
    watch->entropies_known = watch->entropies_known || entropies;
}

/* MTP modules that weigh nothing are not run. */
static bool modules_rest(const struct schedule_point *point)
{
    return point->lambda == 0.0;
}

/* The routers that saw the step: those of MTP modules are the last. */
static size_t routers_run(const struct watch *watch, const struct schedule_point *point)
{
    const int layers = (int)model_get_config(watch->setup.model)->num_hidden_layers;
    size_t count = watch->routers;
    while (count > 0 && modules_rest(point) && watch->layers[count - 1] >= layers)
        count--;
    return count;
}

/* What is known of the routers behind the step. */
static void fill_routers(struct watch *watch, struct metrics_step *step, const int64_t *counts)
{
    const size_t experts = watch->experts_count, routers = routers_run(watch, &step->point);
    step->routers = routers;
    step->violations = watch->violations;
    step->entropies = watch->entropies;
    step->bias_norms = watch->bias_norms;
    if (watch->load)
        expert_load_window(watch->load, watch->window, &step->window_tokens);
    for (size_t router = 0; router < routers; router++) {
        double squares = 0;
        model_get(watch->setup.model, watch->biases[router], watch->bias);
        for (size_t e = 0; e < experts; e++)
            squares += (double)watch->bias[e] * (double)watch->bias[e];
        watch->bias_norms[router] = sqrt(squares);
        watch->violations[router] = expert_load_violation(counts + router * experts, experts);
        watch->window_violations[router] = expert_load_violation(watch->window + router * experts, experts);
    }
    step->violation = metrics_violation_of(watch->violations, watch->layers, routers);
    step->window_violation = metrics_violation_of(watch->window_violations, watch->layers, routers);
}

/* Rank 0 says when the peak is measured again. */
static q_status look_at_peak(struct watch *watch)
{
    const bool given = watch->setup.settings->watch.peak_flop_per_s > 0;
    bool due = !given && q_seconds() - watch->peak_at >= PEAK_EVERY_S;
    if (watch->setup.comm)
        Q_TRY(comm_broadcast(watch->setup.comm, &due, sizeof due, 0));
    return due ? measure_peak(watch, PEAK_AGAIN_S) : Q_OK;
}

/* The mean over the ranks that had a micro-batch in this step. */
static q_status sum_entropies(struct watch *watch)
{
    if (!watch->setup.comm || watch->routers == 0)
        return Q_OK;
    for (size_t router = 0; router < watch->routers; router++)
        watch->entropies[router] *= watch->entropies_known;
    watch->entropies[watch->routers] = watch->entropies_known;
    Q_TRY(comm_sum(watch->setup.comm, watch->entropies, watch->routers + 1, COMM_F64));
    for (size_t router = 0; router < watch->routers; router++)
        watch->entropies[router] /= Q_MAX(watch->entropies[watch->routers], 1.0);
    return Q_OK;
}

static void fill_speed(struct watch *watch, struct metrics_step *step)
{
    step->tokens_per_s = watch->seconds_since > 0 ? (double)watch->tokens_since / watch->seconds_since : (double)NAN;
    step->flop_per_s = watch->seconds_since > 0 ? watch->flop_since / watch->seconds_since : (double)NAN;
    step->flop_share = step->flop_per_s / watch->peak;
    watch->seconds_since = watch->flop_since = 0;
    watch->tokens_since = 0;
}

/* The step's numbers as one event: under their names in metrics.jsonl, those by source and layer below a slash. */
static q_status write_events(struct watch *watch, const struct metrics_step *step)
{
    struct metrics_scalar scalars[METRICS_SCALARS_MAX];
    const size_t count = metrics_scalars(step, scalars);
    char tag[256];
    events_begin(watch->events, step->position.step, q_time_seconds());
    events_put_scalar(watch->events, "tokens", (double)step->position.tokens);
    for (size_t i = 0; i < count; i++)
        events_put_scalar(watch->events, scalars[i].name, scalars[i].value);
    for (size_t i = 0; i < step->source_count; i++)
        if (step->sources[i].targets) {
            snprintf(tag, sizeof tag, "loss_by_source/%s", step->sources[i].name);
            events_put_scalar(watch->events, tag, step->sources[i].loss / (double)step->sources[i].targets);
        }
    return events_end(watch->events);
}

/* What there is of every layer and expert is written at the maps' interval: hundreds of curves a step would fill the disk. */
static q_status write_expert_events(struct watch *watch, const struct train_position *position)
{
    const size_t experts = watch->experts_count, cells = watch->routers * experts;
    const int64_t *map = expert_load_map(watch->load);
    char tag[64];
    events_begin(watch->events, position->step, q_time_seconds());
    for (size_t router = 0; router < watch->routers; router++) {
        double total = 0;
        for (size_t e = 0; e < experts; e++) {
            watch->shares[e] = 0;
            for (size_t s = 0; s < watch->setup.source_count; s++)
                watch->shares[e] += (double)map[s * cells + router * experts + e];
            total += watch->shares[e];
        }
        for (size_t e = 0; e < experts; e++)
            watch->shares[e] *= total > 0 ? (double)experts / total : 0;
        snprintf(tag, sizeof tag, "expert_load/layer_%02d", watch->layers[router]);
        events_put_histogram(watch->events, tag, watch->shares, experts);
    }
    return events_end(watch->events);
}

static q_status write_map(struct watch *watch, const struct train_position *position)
{
    for (size_t i = 0; i < watch->setup.source_count; i++)
        watch->source_tokens[i] = expert_load_map_tokens(watch->load, i);
    const struct metrics_map map = {.position = *position,
                                    .routers = watch->routers,
                                    .experts = watch->experts_count,
                                    .source_count = watch->setup.source_count,
                                    .layers = watch->layers,
                                    .sources = watch->setup.sources,
                                    .source_tokens = watch->source_tokens,
                                    .counts = expert_load_map(watch->load)};
    q_buffer_clear(&watch->line);
    Q_TRY(metrics_put_map(&watch->line, &map));
    Q_TRY(step_log_append(watch->experts, &watch->line));
    if (watch->events)
        Q_TRY(write_expert_events(watch, position));
    return Q_OK;
}

/* The lines above the bar, where there is a terminal to see them. */
static q_status show(struct watch *watch, const struct metrics_step *step)
{
    if (!q_progress_is_live())
        return Q_OK;
    q_buffer_clear(&watch->line);
    Q_TRY(train_view_put(&watch->view, step, q_progress_is_utf8(), &watch->line));
    Q_TRY(q_buffer_terminate(&watch->line));
    q_progress_lines(watch->line.data);
    return Q_OK;
}

/* A line of the step, and its event. */
static q_status log_step(struct watch *watch, const struct metrics_step *step, const int64_t *counts)
{
    struct metrics_step whole = *step;
    fill_routers(watch, &whole, counts);
    fill_speed(watch, &whole);
    q_buffer_clear(&watch->line);
    Q_TRY(metrics_put_step(&watch->line, &whole));
    Q_TRY(step_log_append(watch->metrics, &watch->line));
    if (watch->events)
        Q_TRY(write_events(watch, &whole));
    return show(watch, &whole);
}

q_status watch_end_step(struct watch *watch, const struct metrics_step *step, const int64_t *counts)
{
    const uint64_t number = step->position.step, every = watch->setup.settings->watch.experts_every;
    const bool map = maps_wanted(watch) && (number % every == 0 || number == watch->setup.steps_total);
    uint64_t tokens = step->point.sequences * watch->setup.sequence;
    watch->seconds_since += step->seconds;
    watch->flop_since +=
        (double)tokens * (modules_rest(&step->point) ? watch->resting_flop_per_token : watch->flop_per_token);
    watch->tokens_since += tokens;
    train_view_add_loss(&watch->view, step->loss);
    if (watch->load)
        expert_load_end_step(watch->load, counts, tokens);
    if (watch->logged) {
        Q_TRY(look_at_peak(watch));
        Q_TRY(sum_entropies(watch));
    }
    if (map && watch->setup.comm)
        Q_TRY(expert_load_sum_map(watch->load, watch->setup.comm));
    if (watch->logged && watch->leads)
        Q_TRY(log_step(watch, step, counts));
    if (map && watch->leads)
        Q_TRY(write_map(watch, &step->position));
    if (map)
        expert_load_clear_map(watch->load);
    return Q_OK;
}
