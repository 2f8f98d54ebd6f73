/* A stage's program that follows docs/steps.md and does nothing else: the tests of quern run, status, verify and
 * submit put it under the names quern-corpus ... quern-eval. It is which stage by the name it was called with; its
 * parts hold a line each.
 *
 * Settings of its section: `parts` (of the first stage; later ones have those of their input), `word` (goes into the
 * output), `pause_ms` (a part), `exit` (fails with this code at the second part), `kill` (ends itself by SIGKILL
 * there).
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/manifest.h"
#include "base/options.h"
#include "base/recipe.h"
#include "base/report.h"

#include "orchestrate/stages.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct fake_settings {
    uint64_t parts, pause_ms, rounds, exit;
    const char *word;
    bool kill;
};

static const struct q_setting setting_rows[] = {
    {.name = "parts",
     .type = Q_SETTING_U64,
     .offset = offsetof(struct fake_settings, parts),
     .standard = "3",
     .min = 1,
     .max = 10000},
    {.name = "word", .type = Q_SETTING_TEXT, .offset = offsetof(struct fake_settings, word), .standard = "flour"},
    {.name = "rounds",
     .type = Q_SETTING_U64,
     .tag = Q_TAG_SCHEDULE,
     .offset = offsetof(struct fake_settings, rounds),
     .standard = "1",
     .min = 1,
     .max = 10000},
    {.name = "pause_ms",
     .type = Q_SETTING_U64,
     .tag = Q_TAG_OPERATIONAL,
     .offset = offsetof(struct fake_settings, pause_ms),
     .standard = "0"},
    {.name = "exit",
     .type = Q_SETTING_U64,
     .tag = Q_TAG_OPERATIONAL,
     .offset = offsetof(struct fake_settings, exit),
     .standard = "0"},
    {.name = "kill",
     .type = Q_SETTING_BOOL,
     .tag = Q_TAG_OPERATIONAL,
     .offset = offsetof(struct fake_settings, kill),
     .standard = "false"},
    {0}};
static struct q_settings_table table = {"fake", setting_rows, sizeof(struct fake_settings)};

struct fake_options {
    struct q_common common;
    const char *work, *tokenizer, *shards, *model;
    bool fragment;
};

static const struct q_option option_rows[] = {
    {"work", 0, Q_OPTION_TEXT, offsetof(struct fake_options, work), "DIR", "earlier steps"},
    {"tokenizer", 't', Q_OPTION_TEXT, offsetof(struct fake_options, tokenizer), "DIR", "tokenizer"},
    {"shards", 0, Q_OPTION_TEXT, offsetof(struct fake_options, shards), "DIR", "shards"},
    {"model", 0, Q_OPTION_TEXT, offsetof(struct fake_options, model), "DIR", "model"},
    {"fragment", 0, Q_OPTION_FLAG, offsetof(struct fake_options, fragment), NULL, "the report as a fragment"},
    {0}};

static const struct stage *self; /* by argv[0] */

struct job {
    struct q_arena arena;
    const struct fake_options *options;
    struct q_recipe recipe;
    struct fake_settings settings;
    struct q_step steps[STAGE_STEPS_MAX];
    uint64_t parts; /* of map steps */
};

/* The folder given for an input. */
static const char *input_folder(const struct job *job, const char *const *arguments, size_t count, size_t i)
{
    const char *option = self->inputs[i].option;
    if (!option)
        return count ? arguments[0] : NULL;
    return !strcmp(option, "-t")        ? job->options->tokenizer
           : !strcmp(option, "--model") ? job->options->model
                                        : job->options->shards;
}

static q_status begin_step(struct job *job, size_t s, const char *const *arguments, size_t count)
{
    json_t *settings;
    struct q_step *step = &job->steps[s];
    Q_TRY(q_settings_json(&table, &job->settings, Q_TAG_IDENTITY, 0, &settings));
    Q_TRY(q_step_begin(step, self->name, self->steps[s].name, 1, job->recipe.seed, settings));
    if (s > 0) /* an inner step hangs on the one before it by its key: that is known before it is built */
        Q_TRY(q_step_add_input(step, self->steps[s - 1].name, q_hash_bytes(job->steps[s - 1].key, Q_KEY_SIZE - 1)));
    for (size_t i = 0; s == 0 && i < self->input_count; i++) {
        struct q_manifest manifest = {0};
        Q_TRY(q_manifest_read(input_folder(job, arguments, count, i), &manifest));
        if (i == 0)
            job->parts = manifest.part_count;
        Q_TRY(q_step_add_input(step, stages[self->inputs[i].from].name, manifest.hash));
        q_manifest_release(&manifest);
    }
    return q_step_seal(step);
}

static q_status open_job(struct job *job, const struct fake_options *options, const char *const *arguments,
                         size_t count, bool inputs)
{
    job->options = options;
    if (!options->common.recipe)
        return q_fail(Q_ERR_USAGE, "give --recipe");
    Q_TRY(q_recipe_load(options->common.recipe, &options->common.set, &job->recipe));
    Q_TRY(q_settings_load(&table, q_recipe_section(&job->recipe, self->name), &job->arena, &job->settings));
    job->parts = job->settings.parts;
    for (size_t s = 0; inputs && s < self->step_count; s++)
        Q_TRY(begin_step(job, s, arguments, count));
    return Q_OK;
}

static uint64_t parts_of(const struct job *job, size_t s)
{
    return self->steps[s].kind == STEP_MAP ? job->parts : self->steps[s].kind == STEP_GANG ? job->settings.rounds : 1;
}

static q_status plan_job(struct job *job, const struct fake_options *options, const char *const *arguments,
                         size_t count)
{
    bool inputs = self->input_count == 0 || count || options->shards || options->tokenizer;
    Q_TRY(open_job(job, options, arguments, count, inputs));
    printf("{\"stage\": \"%s\"", self->name);
    if (inputs)
        printf(", \"output\": \"%s\", \"steps\": [", job->steps[self->step_count - 1].key);
    for (size_t s = 0; inputs && s < self->step_count; s++) {
        printf("%s{\"name\": \"%s\", \"kind\": \"%s\", \"key\": \"%s\", \"parts\": %llu, \"needs\": [", s ? ", " : "",
               self->steps[s].name, step_kind_name(self->steps[s].kind), job->steps[s].key,
               (unsigned long long)parts_of(job, s));
        printf(s ? "\"%s\"]" : "]", s ? self->steps[s - 1].name : "");
        if (self->steps[s].kind == STEP_GANG)
            printf(", \"schedule\": {\"rounds\": %llu}", (unsigned long long)job->settings.rounds);
        putchar('}');
    }
    puts(inputs ? "]}" : "}");
    return Q_OK;
}

static q_status build_part(struct job *job, struct q_step *step, uint64_t part)
{
    const char *path, *text;
    struct q_part_file file = {0};
    struct q_accounting accounting = {0};
    if (part == 1 && job->settings.kill)
        (void)raise(SIGKILL);
    if (part == 1 && job->settings.exit)
        return q_fail(job->settings.exit == 3    ? Q_ERR_INPUT
                      : job->settings.exit == 75 ? Q_STOPPED
                                                 : Q_ERR_SYSTEM,
                      "told to fail");
    (void)nanosleep(&(struct timespec){.tv_sec = (time_t)(job->settings.pause_ms / 1000),
                                       .tv_nsec = (long)(job->settings.pause_ms % 1000) * 1000000},
                    NULL);
    Q_TRY(q_step_part_path(step, part, ".txt", &path));
    Q_TRY(q_arena_printf(&step->arena, &text, "%s %s of %s, part %llu\n", self->name, job->settings.word, step->key,
                         (unsigned long long)part));
    Q_TRY(q_publish_bytes(path, text, strlen(text), &file.identity));
    file.name = q_fs_base_name(path);
    for (int i = 0; i < 9; i++)
        Q_TRY(q_account_kept(&accounting, 100, 90));
    Q_TRY(q_account_dropped(&accounting, "chaff", 100));
    q_status status = q_step_part_publish(step, part, &file, 1, &accounting, NULL);
    q_accounting_release(&accounting);
    return status;
}

/* A finished gang whose schedule has become another is not done. */
static q_status go_on(struct job *job, struct q_step *step, json_t **schedule)
{
    struct q_manifest manifest = {0};
    Q_TRY(q_settings_json(&table, &job->settings, Q_TAG_SCHEDULE, 0, schedule));
    if (!step->done)
        return Q_OK;
    Q_TRY(q_manifest_read(step->folder, &manifest));
    step->done = json_equal(*schedule, json_object_get(manifest.json, "schedule"));
    q_manifest_release(&manifest);
    return Q_OK;
}

static q_status build_step(struct job *job, size_t s, const char *folder)
{
    struct q_step *step = &job->steps[s];
    const struct q_task task = job->options->common.task;
    json_t *schedule = NULL;
    Q_TRY(q_step_open(step, folder, false));
    if (self->steps[s].kind == STEP_GANG)
        Q_TRY(go_on(job, step, &schedule));
    if (step->done)
        return Q_OK;
    for (uint64_t part = 0; part < parts_of(job, s); part++) {
        bool done;
        Q_TRY(q_step_part_done(step, part, &done));
        if (done || !q_task_has(task, part))
            continue;
        if (q_stop_requested())
            return q_fail(Q_STOPPED, "stopped between parts");
        Q_TRY(build_part(job, step, part));
    }
    if (task.count > 1)
        return Q_OK;
    struct q_accounting sum = {0};
    Q_TRY(q_step_finish(
        step, &(struct q_finish){.parts = parts_of(job, s), .schedule = schedule, .program = self->program}, &sum));
    fprintf(stderr, "%s %s: %llu parts\n", self->name, step->name, (unsigned long long)parts_of(job, s));
    q_accounting_release(&sum);
    return Q_OK;
}

static q_status build_job(struct job *job, const struct fake_options *options, const char *const *arguments,
                          size_t count)
{
    Q_TRY(open_job(job, options, arguments, count, true));
    for (size_t s = 0; s < self->step_count; s++) {
        const char *folder = options->common.out;
        if (options->common.step && strcmp(options->common.step, self->steps[s].name) != 0)
            continue;
        if (s + 1 < self->step_count)
            Q_TRY(q_fs_join(&job->arena, options->work, job->steps[s].key, &folder));
        Q_TRY(build_step(job, s, folder));
    }
    return Q_OK;
}

static q_status with_job(q_status (*work)(struct job *, const struct fake_options *, const char *const *, size_t),
                         void *options, const char *const *arguments, size_t count)
{
    struct job job = {0};
    q_status status = work(&job, options, arguments, count);
    for (size_t s = 0; s < STAGE_STEPS_MAX; s++)
        q_step_release(&job.steps[s]);
    q_recipe_release(&job.recipe);
    q_arena_release(&job.arena);
    return status;
}

static q_status run_plan(void *options, const char *const *arguments, size_t count)
{
    return with_job(plan_job, options, arguments, count);
}

static q_status run_build(void *options, const char *const *arguments, size_t count)
{
    return with_job(build_job, options, arguments, count);
}

static q_status run_report(void *options, const char *const *arguments, size_t count)
{
    struct q_report *report;
    struct q_buffer text = {0};
    char title[32];
    (void)options;
    (void)count;
    snprintf(title, sizeof title, "%c%s", self->name[0] - 'a' + 'A', self->name + 1);
    Q_TRY(q_report_create(title, &report));
    q_report_heading(report, "Parts");
    q_report_text(report, "Of the folder %s.", q_fs_base_name(arguments[0]));
    q_status status = q_report_fragment(report, &text);
    fwrite(text.data, 1, text.size, stdout);
    q_report_release(report);
    q_buffer_release(&text);
    return status;
}

#define VERB(NAME, TAKES, RUN)                                                                                         \
    {                                                                                                                  \
        .name = NAME, .synopsis = "", .summary = NAME, .takes = TAKES, .options = option_rows,                         \
        .options_size = sizeof(struct fake_options), .arguments_max = 4, .run = RUN                                    \
    }
enum { TAKES_BUILD = Q_TAKES_OUT | Q_TAKES_THREADS | Q_TAKES_RECIPE | Q_TAKES_TASK };
static const struct q_verb verbs[] = {VERB("plan", Q_TAKES_RECIPE | Q_TAKES_JSON, run_plan),
                                      VERB("build", TAKES_BUILD, run_build),
                                      VERB("train", TAKES_BUILD, run_build),
                                      VERB("run", TAKES_BUILD, run_build),
                                      VERB("report", 0, run_report),
                                      {0}};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < STAGE_COUNT; i++)
        if (!strcmp(q_fs_base_name(argv[0]), stages[i].program))
            self = &stages[i];
    if (!self) {
        fputs("fake_stage: call it quern-corpus, quern-dedup, ...\n", stderr);
        return 2;
    }
    table.section = self->name;
    const struct q_program program = {.name = self->program, .summary = "a fake", .verbs = verbs};
    return q_program_main(&program, argc, argv);
}
