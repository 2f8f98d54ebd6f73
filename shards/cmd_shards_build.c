/* quern-shards build, plan: documents and a tokenizer to a folder of shards. */
#include "shards/cmd_shards.h"

#include "base/plan.h"
#include "shards/shards_build.h"

#include <stdio.h>

static q_status load(struct shards_build *build, const struct shards_build_options *options, const char *const *folders,
                     size_t count)
{
    if (!options->tokenizer)
        return q_fail(Q_ERR_USAGE, "no tokenizer; give one with -t");
    return shards_build_load(build, folders, count, options->tokenizer);
}

q_status cmd_shards_build(void *opaque, const char *const *arguments, size_t count)
{
    const struct shards_build_options *options = opaque;
    struct shards_build build = {0};
    if (!options->common.out)
        return q_fail(Q_ERR_USAGE, "no folder for the result; give one with -o");
    if (options->common.step && strcmp(options->common.step, "build") != 0)
        return q_fail(Q_ERR_USAGE, "there is no step '%s'; the only one is 'build'", options->common.step);
    q_status status = shards_build_settings(&build, &options->common);
    if (!status)
        status = load(&build, options, arguments, count);
    if (!status)
        status = shards_build_run(&build, &options->common);
    shards_build_release(&build);
    return status;
}

static q_status print_plan(const struct shards_build *build, bool planned)
{
    const struct q_plan_step step = {.step = &build->step, .kind = "map", .parts = build->parts};
    return q_plan_print("shards", &step, planned);
}

q_status cmd_shards_plan(void *opaque, const char *const *arguments, size_t count)
{
    const struct shards_build_options *options = opaque;
    struct shards_build build = {0};
    q_status status = shards_build_settings(&build, &options->common);
    if (!status && count > 0)
        status = load(&build, options, arguments, count);
    if (!status && options->common.json)
        status = print_plan(&build, count > 0);
    else if (!status && count > 0)
        printf("shards: step build, a map over %llu part%s, key %s\n", (unsigned long long)build.parts,
               build.parts == 1 ? "" : "s", build.step.key);
    else if (!status)
        printf("shards: the recipe's section is good\n");
    shards_build_release(&build);
    return status;
}
