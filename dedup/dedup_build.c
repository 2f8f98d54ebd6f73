#include "dedup/dedup_build.h"

#include "base/check.h"
#include "base/fs.h"

#include <stdlib.h>

const char *const dedup_step_names[DEDUP_STEPS + 1] = {"sign", "group", "filter", NULL};

static const uint32_t versions[DEDUP_STEPS] = {DEDUP_SIGN_VERSION, DEDUP_GROUP_VERSION, DEDUP_FILTER_VERSION};

bool dedup_step_find(const char *name, enum dedup_step *step)
{
    for (int i = 0; i < DEDUP_STEPS; i++) {
        if (strcmp(name, dedup_step_names[i]) == 0) {
            *step = (enum dedup_step)i;
            return true;
        }
    }
    return false;
}

uint64_t dedup_step_parts(const struct dedup_build *build, enum dedup_step step)
{
    return step == DEDUP_STEP_GROUP ? 1 : build->part_count;
}

/* --- inputs ------------------------------------------------------------------------------------------------------- */

static q_status add_part(struct dedup_build *build, struct q_manifest *input, size_t part)
{
    const struct q_manifest_file *file;
    Q_TRY(q_manifest_documents(input, part, &file));
    Q_TRY(q_grow(&build->documents, &build->part_capacity, build->part_count + 1, sizeof(*build->documents)));
    return q_manifest_path(input, file->name, &build->documents[build->part_count++]);
}

static q_status add_input(struct dedup_build *build, const char *folder)
{
    struct q_manifest *input = &build->inputs[build->input_count];
    Q_TRY(q_manifest_read(folder, input));
    build->input_count++;
    if (build->input_count == 1) {
        build->held_out = input->held_out;
        build->held_out_seed = input->held_out_seed;
    } else if (input->held_out != build->held_out || input->held_out_seed != build->held_out_seed) {
        return q_fail(Q_ERR_USAGE, "'%s' and '%s' hold out different documents; build both with one recipe",
                      build->inputs[0].folder, folder);
    }
    build->text_bytes += input->accounting.out_bytes;
    if (build->part_count + input->part_count > Q_PARTS_MAX)
        return q_fail(Q_ERR_INPUT, "more than %d parts", Q_PARTS_MAX);
    for (size_t part = 0; part < input->part_count; part++)
        Q_TRY(add_part(build, input, part));
    return Q_OK;
}

/* --- identities --------------------------------------------------------------------------------------------------- */

static q_status begin_step(struct dedup_build *build, enum dedup_step index)
{
    struct q_step *step = &build->steps[index];
    json_t *settings;
    Q_TRY(q_settings_json(&dedup_settings_table, &build->settings, Q_TAG_IDENTITY, 1u << index, &settings));
    Q_TRY(q_step_begin(step, "dedup", dedup_step_names[index], versions[index], 0, settings));
    for (size_t i = 0; i < build->input_count; i++) {
        const char *name = "corpus";
        if (build->input_count > 1)
            Q_TRY(q_arena_printf(&build->arena, &name, "corpus-%zu", i));
        Q_TRY(q_step_add_input(step, name, build->inputs[i].hash));
    }
    if (index > 0) {
        q_hash hash;
        Q_TRY(q_step_hash(&build->steps[index - 1], &hash));
        Q_TRY(q_step_add_input(step, dedup_step_names[index - 1], hash));
    }
    return q_step_seal(step);
}

q_status dedup_build_init(struct dedup_build *build, const struct dedup_settings *settings, const char *const *folders,
                          size_t count)
{
    *build = (struct dedup_build){.settings = *settings, .task = {0, 1}};
    if (settings->bands * settings->rows > 1024)
        return q_fail(Q_ERR_USAGE, "dedup.bands x dedup.rows is %llu; at most 1024",
                      (unsigned long long)(settings->bands * settings->rows));
    Q_TRY(q_alloc_zero(count, sizeof(*build->inputs), &build->inputs));
    for (size_t i = 0; i < count; i++)
        Q_TRY(add_input(build, folders[i]));
    for (int step = 0; step < DEDUP_STEPS; step++)
        Q_TRY(begin_step(build, (enum dedup_step)step));
    return Q_OK;
}

void dedup_build_release(struct dedup_build *build)
{
    for (int step = 0; step < DEDUP_STEPS; step++)
        q_step_release(&build->steps[step]);
    for (size_t i = 0; i < build->input_count; i++)
        q_manifest_release(&build->inputs[i]);
    q_release(build->inputs);
    q_release(build->documents);
    q_arena_release(&build->arena);
    if (build->pool)
        q_pool_release(build->pool);
    *build = (struct dedup_build){0};
}

q_status dedup_step_open(struct dedup_build *build, enum dedup_step index, const char *out, const char *work,
                         bool force)
{
    struct q_step *step = &build->steps[index];
    const char *folder = out;
    if (index != DEDUP_STEP_FILTER)
        Q_TRY(q_fs_join(&build->arena, work, step->key, &folder));
    step->threads = build->pool ? q_pool_threads(build->pool) : 1;
    return q_step_open(step, folder, force);
}
