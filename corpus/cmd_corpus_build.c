/* quern-corpus build, plan. */
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/plan.h"
#include "base/progress.h"
#include "corpus/cmd_corpus.h"
#include "corpus/corpus_build.h"

#include <stdio.h>

/* The parts of this task that have no record yet: build them, or only sum up their bytes. */
static q_status for_missing(const struct corpus_plan *plan, struct q_step *step, struct q_task task,
                            struct q_pool *pool, uint64_t *bytes)
{
    for (uint64_t part = 0; part < plan->part_count; part++) {
        bool done;
        if (!q_task_has(task, part))
            continue;
        Q_TRY(q_step_part_done(step, part, &done));
        if (done)
            continue;
        if (pool)
            Q_TRY(corpus_build_part(plan, step, part, pool));
        else
            *bytes += corpus_part_bytes(plan, &plan->parts[part]);
    }
    return Q_OK;
}

static q_status build_parts(struct corpus_plan *plan, struct q_step *step, const struct q_common *common)
{
    struct q_pool *pool;
    uint64_t bytes = 0;
    Q_TRY(corpus_plan_models(plan));
    Q_TRY(for_missing(plan, step, common->task, NULL, &bytes));
    Q_TRY(q_pool_create((unsigned)common->threads, &pool));
    q_progress_start("corpus", "bytes", bytes);
    q_status status = for_missing(plan, step, common->task, pool, &bytes);
    q_progress_finish();
    q_pool_release(pool);
    return status;
}

static q_status finish(const struct corpus_plan *plan, struct q_step *step, double seconds)
{
    struct q_accounting sum = {0};
    struct q_finish finish = {.parts = plan->part_count,
                              .held_out = plan->settings.held_out,
                              .held_out_seed = plan->settings.held_out_seed,
                              .program = "quern-corpus"};
    Q_TRY(corpus_build_statistics(plan, step, &finish.statistics));
    q_status status = q_step_finish(step, &finish, &sum);
    if (status == Q_OK)
        q_accounting_print(&sum, "corpus", q_seconds() - seconds);
    q_accounting_release(&sum);
    return status;
}

static q_status build(struct corpus_plan *plan, struct q_step *step, const struct q_common *common,
                      const char *const *arguments, size_t count)
{
    double begun = q_seconds();
    Q_TRY(corpus_plan_begin(common->recipe, &common->set, plan));
    Q_TRY(corpus_plan_files(plan, arguments, count));
    Q_TRY(corpus_plan_parts(plan));
    Q_TRY(corpus_plan_step(plan, step));
    step->threads = (unsigned)common->threads;
    Q_TRY(q_step_open(step, common->out, common->force));
    if (step->done) {
        fprintf(stderr, "corpus: already built: %s\n", common->out);
        return Q_OK;
    }
    Q_TRY(build_parts(plan, step, common));
    return common->task.count > 1 ? Q_OK : finish(plan, step, begun);
}

q_status corpus_build_verb(void *options, const char *const *arguments, size_t count)
{
    const struct q_common *common = options;
    struct corpus_plan plan = {0};
    struct q_step step = {0};
    if (!common->out)
        return q_fail(Q_ERR_USAGE, "there is no folder for the result; give -o DIR");
    if (common->step && strcmp(common->step, "build") != 0)
        return q_fail(Q_ERR_USAGE, "there is no step '%s'; the corpus has one, 'build'", common->step);
    q_status status = build(&plan, &step, common, arguments, count);
    q_step_release(&step);
    corpus_plan_release(&plan);
    return status;
}

/* --- plan -------------------------------------------------------------------------------------------------------------------------- */

static q_status print_plan(const struct corpus_plan *plan, const struct q_step *step, bool as_json)
{
    struct q_buffer out = {0};
    char bytes[32];
    q_status status;
    if (as_json) {
        struct q_json json = q_json_begin(&out);
        q_json_open(&json, NULL, '{');
        const struct q_plan_step build = {.step = step, .kind = "map", .parts = plan->part_count};
        status = q_plan_put(&json, "corpus", &build, step != NULL);
        if (step)
            q_json_put_u64(&json, "bytes", plan->bytes);
        q_json_close(&json, '}');
        q_json_newline(&json);
        if (status == Q_OK)
            status = q_json_end(&json);
    } else if (step) {
        status = q_buffer_printf(&out, "corpus %s: %zu inputs, %zu parts, %s\n", step->key, plan->source_count,
                                 plan->part_count, q_format_bytes(bytes, (double)plan->bytes));
    } else {
        status = q_buffer_printf(&out, "corpus: the recipe's section is right; it has no inputs\n");
    }
    if (status == Q_OK)
        status = corpus_print(q_buffer_string(&out));
    q_buffer_release(&out);
    return status;
}

static q_status plan_step(struct corpus_plan *plan, struct q_step *step, const struct q_common *common,
                          const char *const *arguments, size_t count)
{
    Q_TRY(corpus_plan_begin(common->recipe, &common->set, plan));
    if (!count && !plan->recipe.inputs.count)
        return print_plan(plan, NULL, common->json);
    Q_TRY(corpus_plan_files(plan, arguments, count));
    Q_TRY(corpus_plan_parts(plan));
    Q_TRY(corpus_plan_step(plan, step));
    return print_plan(plan, step, common->json);
}

q_status corpus_plan_verb(void *options, const char *const *arguments, size_t count)
{
    struct corpus_plan plan = {0};
    struct q_step step = {0};
    q_status status = plan_step(&plan, &step, options, arguments, count);
    q_step_release(&step);
    corpus_plan_release(&plan);
    return status;
}
