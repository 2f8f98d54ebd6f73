/* The text of job scripts. What a value may hold is checked here: a script is a program, and a recipe's texts go into
 * it. */
#include "slurm/jobs.h"

#include "base/check.h"

/* A word in single quotes for the shell. */
static q_status put_quoted(struct q_buffer *out, const char *word)
{
    Q_TRY(q_buffer_append_byte(out, '\''));
    for (; *word; word++)
        Q_TRY(*word == '\'' ? q_buffer_append_string(out, Q_STRING("'\\''")) : q_buffer_append_byte(out, *word));
    return q_buffer_append_byte(out, '\'');
}

/* Values of the recipe stand bare on an #SBATCH line: printable ASCII without spaces, quotes, backslashes and '#'. */
static q_status put_option(struct q_buffer *out, const char *option, const char *setting, const char *value)
{
    if (!value || !value[0])
        return Q_OK;
    for (const char *c = value; *c; c++)
        if (*c <= ' ' || *c > '~' || strchr("'\"\\#`$", *c))
            return q_fail(Q_ERR_USAGE, "executor.slurm.%s '%s' has a character that cannot stand in a job script",
                          setting, value);
    return q_buffer_printf(out, "#SBATCH --%s=%s\n", option, value);
}

/* A path inside double quotes on an #SBATCH line, where '%' begins a pattern of Slurm's. */
static q_status put_path(struct q_buffer *out, const char *path)
{
    for (; *path; path++) {
        if ((unsigned char)*path < ' ' || *path == '"' || *path == '\\')
            return q_fail(Q_ERR_USAGE,
                          "the run's folder has a character in its name that cannot stand in a job script");
        if (*path == '%')
            Q_TRY(q_buffer_append_byte(out, '%'));
        Q_TRY(q_buffer_append_byte(out, *path));
    }
    return Q_OK;
}

/* A job's name: letters, digits, '.', '_' and '-' of the recipe's name, with stage and step. */
static q_status put_name(struct q_buffer *out, const struct graph *graph, const struct job *job)
{
    Q_TRY(q_buffer_append_string(out, Q_STRING("#SBATCH --job-name=")));
    for (const char *c = graph->recipe.name; *c; c++) {
        bool plain =
            (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || strchr("._-", *c);
        Q_TRY(q_buffer_append_byte(out, plain ? *c : '-'));
    }
    if (job->kind == JOB_REPORT)
        return q_buffer_append_string(out, Q_STRING("-report\n"));
    bool end = job->kind == JOB_STEP && job->step_kind == STEP_MAP;
    return q_buffer_printf(out, "-%s-%s%s\n", stages[job->stage].name, job->step, end ? "-end" : "");
}

static const char *either(const char *first, const char *second)
{
    return first && first[0] ? first : second;
}

static q_status put_memory(struct q_buffer *out, uint64_t bytes)
{
    return bytes ? q_buffer_printf(out, "#SBATCH --mem=%lluM\n", (unsigned long long)q_ceil_div(bytes, 1 << 20)) : Q_OK;
}

static q_status put_resources(struct q_buffer *out, const struct executor_slurm *slurm, bool gang)
{
    const struct executor_gang *own = &slurm->gang;
    Q_TRY(put_option(out, "partition", gang && own->partition ? "gang.partition" : "partition",
                     gang ? either(own->partition, slurm->partition) : slurm->partition));
    Q_TRY(put_option(out, "account", "account", slurm->account));
    Q_TRY(put_option(out, "qos", "qos", slurm->qos));
    Q_TRY(put_option(out, "time", gang && own->time ? "gang.time" : "time",
                     gang ? either(own->time, slurm->time) : slurm->time));
    Q_TRY(put_option(out, "constraint", gang && own->constraint ? "gang.constraint" : "constraint",
                     gang ? either(own->constraint, slurm->constraint) : slurm->constraint));
    Q_TRY(put_option(out, "exclude", "exclude", slurm->exclude));
    Q_TRY(
        q_buffer_printf(out, "#SBATCH --nodes=1\n#SBATCH --ntasks=1\n#SBATCH --cpus-per-task=%llu\n",
                        (unsigned long long)(gang && own->cpus_per_task ? own->cpus_per_task : slurm->cpus_per_task)));
    Q_TRY(put_memory(out, gang && own->memory_bytes ? own->memory_bytes : slurm->memory_bytes));
    if (gang && own->gpus_per_node)
        Q_TRY(q_buffer_printf(out, "#SBATCH --gpus-per-node=%llu\n", (unsigned long long)own->gpus_per_node));
    return Q_OK;
}

static q_status put_header(struct q_buffer *out, const struct graph *graph, const struct job *job,
                           const struct job_place *place)
{
    Q_TRY(q_buffer_append_string(out, Q_STRING("#!/bin/bash\n")));
    if (job->kind == JOB_ARRAY)
        Q_TRY(q_buffer_printf(out, "# %s, step %s: tasks %llu to %llu of %llu\n", stages[job->stage].name, job->step,
                              (unsigned long long)job->task_first,
                              (unsigned long long)(job->task_first + job->task_count - 1),
                              (unsigned long long)job->tasks));
    else if (job->kind == JOB_STEP)
        Q_TRY(q_buffer_printf(out, "# %s, step %s: %s\n", stages[job->stage].name, job->step,
                              job->step_kind == STEP_MAP ? "what its tasks left, summed up" : "all of it"));
    else
        Q_TRY(q_buffer_append_string(out, Q_STRING("# the run's report\n")));
    Q_TRY(put_name(out, graph, job));
    Q_TRY(put_resources(out, &graph->executor.slurm, job->step_kind == STEP_GANG));
    if (job->kind == JOB_ARRAY)
        Q_TRY(q_buffer_printf(out, "#SBATCH --array=0-%llu\n", (unsigned long long)(job->task_count - 1)));
    Q_TRY(q_buffer_printf(
        out, "#SBATCH --signal=B:USR2@%llu\n#SBATCH --requeue\n#SBATCH --open-mode=append\n#SBATCH --output=\"",
        (unsigned long long)graph->executor.slurm.signal_seconds));
    Q_TRY(put_path(out, place->run));
    return q_buffer_printf(out, "/logs/slurm-%%x-%%%s.log\"\n", job->kind == JOB_ARRAY ? "A_%a" : "j");
}

/* The command of the job, without the shell around it. */
static q_status put_command(struct q_buffer *out, const struct graph *graph, const struct job *job,
                            const struct job_place *place)
{
    Q_TRY(put_quoted(out, place->quern));
    Q_TRY(q_buffer_append_string(out, job->kind == JOB_REPORT ? Q_STRING(" status ") : Q_STRING(" run ")));
    Q_TRY(put_quoted(out, place->recipe));
    for (size_t i = 0; graph->set && i < graph->set->count; i++) {
        Q_TRY(q_buffer_append_string(out, Q_STRING(" --set ")));
        Q_TRY(put_quoted(out, graph->set->items[i]));
    }
    if (job->kind == JOB_REPORT) {
        Q_TRY(q_buffer_append_string(out, Q_STRING(" --html ")));
        Q_TRY(put_quoted(out, place->run));
        return q_buffer_append_string(out, Q_STRING("/report.html"));
    }
    Q_TRY(q_buffer_printf(out, " --stages %s --step %s", stages[job->stage].name, job->step));
    if (job->kind == JOB_ARRAY && job->task_first)
        Q_TRY(q_buffer_printf(out, " --task \"$((SLURM_ARRAY_TASK_ID + %llu))/%llu\"",
                              (unsigned long long)job->task_first, (unsigned long long)job->tasks));
    else if (job->kind == JOB_ARRAY)
        Q_TRY(q_buffer_printf(out, " --task \"$SLURM_ARRAY_TASK_ID/%llu\"", (unsigned long long)job->tasks));
    return q_buffer_append_string(out, Q_STRING(" -j \"$SLURM_CPUS_PER_TASK\""));
}

/* What stands around the command. The warning reaches the batch shell alone (B:), so the shell hands it on; `wait` returns
 * at every signal, so it is asked again while the program lives. Exit 75 means that the work is saved and wants to go on:
 * the same job is queued again. */
static const char before[] = "child=\n"
                             "trap '[ -z \"$child\" ] || kill -USR2 \"$child\" 2>/dev/null' USR2 TERM\n";
static const char behind[] =
    " &\n"
    "child=$!\n"
    "code=0\n"
    "wait \"$child\" || code=$?\n"
    "while kill -0 \"$child\" 2>/dev/null; do\n"
    "    code=0\n"
    "    wait \"$child\" || code=$?\n"
    "done\n"
    "if [ \"$code\" -eq 75 ] && [ \"${SLURM_RESTART_COUNT:-0}\" -lt %llu ]; then\n"
    "    scontrol requeue \"$SLURM_JOB_ID\" && sleep 60 # Slurm ends the job here and starts it anew\n"
    "fi\n"
    "exit \"$code\"\n";

q_status jobs_write_script(const struct graph *graph, const struct job *job, const struct job_place *place,
                           struct q_buffer *out)
{
    Q_TRY(put_header(out, graph, job, place));
    Q_TRY(q_buffer_append_string(out, Q_STRING("cd ")));
    Q_TRY(put_quoted(out, place->folder));
    Q_TRY(q_buffer_append_string(out, Q_STRING(" || exit 4\n")));
    if (job->kind == JOB_REPORT) {
        Q_TRY(put_command(out, graph, job, place));
        return q_buffer_append_byte(out, '\n');
    }
    Q_TRY(q_buffer_append_string(out, q_string_of(before)));
    Q_TRY(put_command(out, graph, job, place));
    return q_buffer_printf(out, behind, (unsigned long long)graph->executor.slurm.requeues_max);
}

q_status jobs_write_submit(const struct graph *graph, const struct job_list *list, const struct job_place *place,
                           struct q_buffer *out)
{
    Q_TRY(q_buffer_printf(out, "#!/bin/bash\n# Submits the %zu jobs of '", list->count));
    for (const char *c = graph->recipe.name; *c; c++)
        Q_TRY(q_buffer_append_byte(out, (unsigned char)*c < ' ' ? ' ' : *c));
    Q_TRY(q_buffer_append_string(
        out, Q_STRING("'; each waits for those it takes from, and goes when one of them fails.\nset -eu\n"
                      "cd \"$(dirname \"$0\")\"\nmkdir -p ")));
    Q_TRY(put_quoted(out, place->run));
    Q_TRY(q_buffer_append_string(out, Q_STRING("/logs\n")));
    for (size_t i = 0; i < list->count; i++) {
        const struct job *job = &list->jobs[i];
        Q_TRY(q_buffer_printf(out, "job_%zu=$(sbatch --parsable", i + 1));
        for (size_t k = 0; k < job->after_count; k++)
            Q_TRY(q_buffer_printf(out, "%s\"${job_%zu%%%%;*}\"",
                                  k ? ":" : " --kill-on-invalid-dep=yes --dependency=afterok:", job->after[k] + 1));
        Q_TRY(q_buffer_printf(out, " %s)\n", job->file));
    }
    Q_TRY(q_buffer_append_string(out, Q_STRING("echo \"submitted:")));
    for (size_t i = 0; i < list->count; i++)
        Q_TRY(q_buffer_printf(out, " ${job_%zu%%%%;*}", i + 1));
    return q_buffer_append_string(out, Q_STRING("\"\n"));
}
