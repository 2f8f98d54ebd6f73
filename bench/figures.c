#include "bench/figures.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/manifest.h"
#include "base/options.h"
#include "base/threads.h"

#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

double figure_median(double *values, size_t count)
{
    q_check(count > 0);
    qsort(values, count, sizeof(*values), compare);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static q_status put_text(json_t *object, const char *key, const char *text)
{
    return q_json_set(object, key, text ? q_json_string(q_string_of(text)) : json_null());
}

static q_status put_u64(json_t *object, const char *key, uint64_t value)
{
    return q_json_set(object, key, json_integer((json_int_t)value));
}

static q_status put_runs(json_t *figure, const struct measured_run *runs, const double *reported, size_t count)
{
    json_t *array = json_array();
    Q_TRY(q_json_set(figure, "runs", array)); /* which owns it from here on */
    for (size_t i = 0; i < count; i++) {
        json_t *run = json_object();
        Q_TRY(q_json_push(array, run));
        Q_TRY(q_json_set(run, "seconds", json_real(runs[i].seconds)));
        Q_TRY(q_json_set(run, "cpu_seconds", json_real(runs[i].cpu_seconds)));
        Q_TRY(put_u64(run, "peak_bytes", runs[i].peak_bytes));
        if (reported)
            Q_TRY(q_json_set(run, "per_second", json_real(reported[i])));
    }
    return Q_OK;
}

static q_status put_summary(json_t *figure, const struct figure_about *about, const struct measured_run *runs,
                            const double *reported, size_t count)
{
    double seconds[FIGURE_RUNS_MAX], cpu[FIGURE_RUNS_MAX], rates[FIGURE_RUNS_MAX];
    uint64_t peak = 0;
    for (size_t i = 0; i < count; i++) {
        seconds[i] = runs[i].seconds;
        cpu[i] = runs[i].cpu_seconds;
        rates[i] = reported ? reported[i] : (double)about->amount / runs[i].seconds;
        peak = Q_MAX(peak, runs[i].peak_bytes);
    }
    Q_TRY(q_json_set(figure, "seconds", json_real(figure_median(seconds, count))));
    Q_TRY(q_json_set(figure, "cpu_seconds", json_real(figure_median(cpu, count))));
    Q_TRY(q_json_set(figure, "per_second", json_real(figure_median(rates, count))));
    return put_u64(figure, "peak_bytes", peak);
}

static q_status put_about(json_t *figure, const struct figure_about *about)
{
    Q_TRY(put_text(figure, "name", about->name));
    Q_TRY(put_text(figure, "what", about->what));
    Q_TRY(put_text(figure, "unit", about->unit));
    Q_TRY(put_text(figure, "command", about->command));
    Q_TRY(put_u64(figure, "threads", about->threads));
    Q_TRY(put_u64(figure, "amount", about->amount));
    Q_TRY(put_text(figure, "peer", about->peer));
    bool measured = about->peer && about->peer_per_second > 0;
    return q_json_set(figure, "peer_per_second", measured ? json_real(about->peer_per_second) : json_null());
}

q_status figure_make(const struct figure_about *about, const struct measured_run *runs, const double *reported,
                     size_t count, json_t **out)
{
    q_check(count > 0 && count <= FIGURE_RUNS_MAX);
    json_t *figure = json_object();
    if (!figure)
        return q_fail(Q_ERR_MEMORY, "out of memory: a figure");
    q_status status = put_about(figure, about);
    if (status == Q_OK)
        status = put_runs(figure, runs, reported, count);
    if (status == Q_OK)
        status = put_summary(figure, about, runs, reported, count);
    if (status == Q_OK)
        *out = figure;
    else
        json_decref(figure);
    return status;
}

static q_status put_machine(json_t *subject)
{
    char processor[128];
    struct utsname system;
    json_t *machine = json_object();
    Q_TRY(q_json_set(subject, "machine", machine));
    q_processor_name(processor, sizeof(processor));
    if (uname(&system) != 0)
        system = (struct utsname){0};
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    uint64_t memory = pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes : 0;
    Q_TRY(put_text(machine, "processor", processor));
    Q_TRY(put_u64(machine, "cores", q_cpu_count()));
    Q_TRY(put_u64(machine, "memory_bytes", memory));
    Q_TRY(put_text(machine, "system", system.sysname));
    return put_text(machine, "architecture", system.machine);
}

static q_status put_subject(json_t *object, const char *subject, const char *title, const char *data)
{
    char date[21];
    q_time_text(date);
    Q_TRY(put_u64(object, "format", FIGURES_VERSION));
    Q_TRY(put_text(object, "subject", subject));
    Q_TRY(put_text(object, "title", title));
    Q_TRY(put_text(object, "data", data));
    Q_TRY(put_text(object, "date", date));
    Q_TRY(put_text(object, "version", q_version()));
    return put_machine(object);
}

q_status figures_subject(const char *subject, const char *title, const char *data, json_t *figures, json_t **out)
{
    json_t *object = json_object();
    q_status status = object ? q_json_set(object, "figures", figures) : q_fail(Q_ERR_MEMORY, "out of memory: figures");
    if (!object)
        json_decref(figures);
    if (status == Q_OK)
        status = put_subject(object, subject, title, data);
    if (status == Q_OK)
        *out = object;
    else
        json_decref(object);
    return status;
}
