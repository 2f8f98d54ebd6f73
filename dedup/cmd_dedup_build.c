/* quern-dedup build, plan: the three steps in order, or one of them. */
#include "dedup/cmd_dedup.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/plan.h"
#include "dedup/dedup_build.h"

#include <stdio.h>

/* What one call of `build` is to do. */
struct build_call {
    struct dedup_build build;
    const struct dedup_build_options *options;
    const char *work;
    double started;
};

static q_status run_step(struct dedup_build *build, enum dedup_step step)
{
    switch (step) {
    case DEDUP_STEP_SIGN:
        return dedup_sign(build);
    case DEDUP_STEP_GROUP:
        return dedup_group(build);
    case DEDUP_STEP_FILTER:
        return dedup_filter(build);
    }
    return Q_OK;
}

static q_status step_statistics(struct dedup_build *build, enum dedup_step step, json_t **statistics)
{
    *statistics = NULL;
    if (step == DEDUP_STEP_FILTER)
        return dedup_filter_statistics(build, statistics);
    if (step == DEDUP_STEP_GROUP) {
        json_t *record;
        Q_TRY(q_step_part_record(&build->steps[step], 0, &record));
        *statistics = json_incref(json_object_get(record, "statistics"));
        json_decref(record);
    }
    return Q_OK;
}

static q_status finish_step(struct build_call *call, enum dedup_step step)
{
    struct dedup_build *build = &call->build;
    struct q_accounting sum = {0};
    struct q_finish finish = {
        .parts = dedup_step_parts(build, step),
        .held_out = step == DEDUP_STEP_FILTER ? build->held_out : 0,
        .held_out_seed = step == DEDUP_STEP_FILTER ? build->held_out_seed : 0,
        .program = "quern-dedup",
        .inputs = step == DEDUP_STEP_FILTER ? build->inputs : NULL,
        .input_count = step == DEDUP_STEP_FILTER ? build->input_count : 0,
    };
    Q_TRY(step_statistics(build, step, &finish.statistics));
    q_status status = q_step_finish(&build->steps[step], &finish, &sum);
    if (status == Q_OK && step == DEDUP_STEP_FILTER)
        q_accounting_print(&sum, "dedup", q_seconds() - call->started);
    else if (status == Q_OK)
        q_log_info("dedup: %s is done", dedup_step_names[step]);
    q_accounting_release(&sum);
    return status;
}

/* Builds what is missing of a step that is open, and ends it unless others have their share of it. */
static q_status build_step(struct build_call *call, enum dedup_step step)
{
    if (call->build.steps[step].done)
        return Q_OK;
    Q_TRY(q_context(run_step(&call->build, step), "%s", dedup_step_names[step]));
    return call->build.task.count <= 1 ? finish_step(call, step) : Q_OK;
}

/* The step before must be whole: this call does not build it. */
static q_status require_step(struct build_call *call, enum dedup_step step)
{
    bool force = call->options->common.force;
    Q_TRY(dedup_step_open(&call->build, step, call->options->common.out, call->work, force));
    if (!call->build.steps[step].done)
        return q_fail(Q_ERR_INPUT, "step '%s' is not done; run the same command with --step %s first",
                      dedup_step_names[step], dedup_step_names[step]);
    return Q_OK;
}

static q_status build_steps(struct build_call *call)
{
    const struct q_common *common = &call->options->common;
    enum dedup_step first = DEDUP_STEP_SIGN, last = DEDUP_STEP_FILTER;
    if (common->step) {
        if (!dedup_step_find(common->step, &first))
            return q_fail(Q_ERR_USAGE, "there is no step '%s'; use sign, group or filter", common->step);
        last = first;
    } else if (common->task.count > 1) {
        return q_fail(Q_ERR_USAGE, "--task needs --step: only the parts of one step can be shared out");
    }
    /* The result's folder first: another identity is found before any work, and what else is put into it finds its
     * step.json there. */
    Q_TRY(dedup_step_open(&call->build, DEDUP_STEP_FILTER, common->out, call->work, common->force));
    if (call->build.steps[DEDUP_STEP_FILTER].done) {
        q_log_info("dedup: already built: %s", common->out);
        return Q_OK;
    }
    if (first > DEDUP_STEP_SIGN)
        Q_TRY(require_step(call, (enum dedup_step)(first - 1)));
    if (first == DEDUP_STEP_FILTER)
        return build_step(call, first);
    for (enum dedup_step step = first; step <= last; step++) {
        if (step != DEDUP_STEP_FILTER)
            Q_TRY(dedup_step_open(&call->build, step, common->out, call->work, common->force));
        Q_TRY(build_step(call, step));
    }
    return Q_OK;
}

q_status cmd_dedup_build(void *opaque, const char *const *arguments, size_t count)
{
    const struct dedup_build_options *options = opaque;
    struct build_call call = {.options = options, .work = options->work, .started = q_seconds()};
    struct q_arena arena = {0};
    struct dedup_settings settings;
    q_status status;
    if (!options->common.out)
        return q_fail(Q_ERR_USAGE, "no folder for the result; give one with -o");
    Q_TRY_GOTO(out, dedup_settings_read(&options->common, &arena, &settings));
    Q_TRY_GOTO(out, dedup_build_init(&call.build, &settings, arguments, count));
    Q_TRY_GOTO(out, q_pool_create((unsigned)options->common.threads, &call.build.pool));
    call.build.task = options->common.task;
    if (!call.work)
        Q_TRY_GOTO(out, q_fs_join(&arena, options->common.out, "work", &call.work));
    status = build_steps(&call);
out:
    dedup_build_release(&call.build);
    q_arena_release(&arena);
    return status;
}

static q_status print_plan(const struct dedup_build *build, bool planned)
{
    struct q_plan_step steps[DEDUP_STEP_FILTER + 1];
    for (enum dedup_step step = DEDUP_STEP_SIGN; step <= DEDUP_STEP_FILTER; step++)
        steps[step] = (struct q_plan_step){.step = &build->steps[step],
                                           .kind = step == DEDUP_STEP_GROUP ? "one" : "map",
                                           .parts = dedup_step_parts(build, step)};
    return q_plan_print("dedup", steps, planned ? Q_COUNT_OF(steps) : 0);
}

static void print_plan_text(const struct dedup_build *build, bool planned)
{
    if (!planned)
        printf("dedup: the recipe's section is good\n");
    for (enum dedup_step step = DEDUP_STEP_SIGN; planned && step <= DEDUP_STEP_FILTER; step++) {
        unsigned long long parts = dedup_step_parts(build, step);
        printf("dedup: step %s, %llu part%s, key %s\n", dedup_step_names[step], parts, parts == 1 ? "" : "s",
               build->steps[step].key);
    }
}

q_status cmd_dedup_plan(void *opaque, const char *const *arguments, size_t count)
{
    const struct dedup_build_options *options = opaque;
    struct dedup_build build = {0};
    struct q_arena arena = {0};
    struct dedup_settings settings;
    q_status status;
    Q_TRY_GOTO(out, dedup_settings_read(&options->common, &arena, &settings));
    Q_TRY_GOTO(out, dedup_build_init(&build, &settings, arguments, count));
    if (options->common.json)
        status = print_plan(&build, count > 0);
    else
        print_plan_text(&build, count > 0);
out:
    dedup_build_release(&build);
    q_arena_release(&arena);
    return status;
}
