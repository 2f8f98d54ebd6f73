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

static q_status put_runs(json_t *figure, const char *key, const struct figure_runs *of)
{
    json_t *array = json_array();
    Q_TRY(q_json_set(figure, key, array)); /* which owns it from here on */
    for (size_t i = 0; i < of->count; i++) {
        json_t *run = json_object();
        Q_TRY(q_json_push(array, run));
        Q_TRY(q_json_set(run, "seconds", json_real(of->runs[i].seconds)));
        Q_TRY(q_json_set(run, "cpu_seconds", json_real(of->runs[i].cpu_seconds)));
        Q_TRY(put_u64(run, "peak_bytes", of->runs[i].peak_bytes));
        if (of->reported)
            Q_TRY(q_json_set(run, "per_second", json_real(of->reported[i])));
    }
    return Q_OK;
}

/* What the runs come to. */
struct summary {
    double seconds, cpu_seconds, per_second; /* medians */
    uint64_t peak_bytes;                     /* the largest */
};

static double rate_of(const struct figure_runs *of, uint64_t amount, size_t run)
{
    return of->reported ? of->reported[run] : (double)amount / of->runs[run].seconds;
}

static struct summary summary_of(const struct figure_runs *of, uint64_t amount)
{
    double seconds[FIGURE_RUNS_MAX], cpu[FIGURE_RUNS_MAX], rates[FIGURE_RUNS_MAX];
    uint64_t peak = 0;
    q_check(of->count > 0 && of->count <= FIGURE_RUNS_MAX);
    for (size_t i = 0; i < of->count; i++) {
        seconds[i] = of->runs[i].seconds;
        cpu[i] = of->runs[i].cpu_seconds;
        rates[i] = rate_of(of, amount, i);
        peak = Q_MAX(peak, of->runs[i].peak_bytes);
    }
    return (struct summary){figure_median(seconds, of->count), figure_median(cpu, of->count),
                            figure_median(rates, of->count), peak};
}

static q_status put_ours(json_t *figure, const struct figure_about *about, const struct figure_runs *ours)
{
    struct summary summary = summary_of(ours, about->amount);
    Q_TRY(put_runs(figure, "runs", ours));
    Q_TRY(q_json_set(figure, "seconds", json_real(summary.seconds)));
    Q_TRY(q_json_set(figure, "cpu_seconds", json_real(summary.cpu_seconds)));
    Q_TRY(q_json_set(figure, "per_second", json_real(summary.per_second)));
    return put_u64(figure, "peak_bytes", summary.peak_bytes);
}

static json_t *real_or_null(double value)
{
    return value > 0 ? json_real(value) : json_null();
}

/* Our rate to the peer's. Of runs in turn the median of each run's to the one behind it: a machine may be half as fast in the next minute, and is so to both.
 * With the lowest and the highest of these, so that one sees how far to trust it. */
static q_status put_ratio(json_t *figure, const struct figure_about *about, const struct figure_runs *ours,
                          const struct figure_runs *peer)
{
    double ratios[FIGURE_RUNS_MAX];
    double theirs = json_number_value(json_object_get(figure, "peer_per_second"));
    if (!(theirs > 0))
        return Q_OK;
    if (peer->count < 2 || peer->count != ours->count)
        return q_json_set(figure, "ratio",
                          json_real(json_number_value(json_object_get(figure, "per_second")) / theirs));
    for (size_t i = 0; i < ours->count; i++)
        ratios[i] = rate_of(ours, about->amount, i) / rate_of(peer, about->amount, i);
    Q_TRY(q_json_set(figure, "ratio", json_real(figure_median(ratios, ours->count))));
    Q_TRY(q_json_set(figure, "ratio_lowest", json_real(ratios[0]))); /* they are sorted now */
    return q_json_set(figure, "ratio_highest", json_real(ratios[ours->count - 1]));
}

/* The peer as it was run in turn with ours, or the rate that was given for it, or that it was not measured. */
static q_status put_peer(json_t *figure, const struct figure_about *about, const struct figure_runs *peer)
{
    double per_second = about->peer ? about->peer_per_second : 0;
    Q_TRY(put_text(figure, "peer", about->peer));
    if (peer->count) {
        struct summary summary = summary_of(peer, about->amount);
        per_second = summary.per_second;
        Q_TRY(put_text(figure, "peer_command", about->peer_command));
        Q_TRY(put_runs(figure, "peer_runs", peer));
        Q_TRY(put_u64(figure, "peer_peak_bytes", summary.peak_bytes));
    }
    Q_TRY(q_json_set(figure, "peer_per_second", real_or_null(per_second)));
    if (about->wanted_ratio > 0)
        Q_TRY(q_json_set(figure, "wanted_ratio", json_real(about->wanted_ratio)));
    if (about->wanted_memory > 0)
        Q_TRY(q_json_set(figure, "wanted_memory", json_real(about->wanted_memory)));
    return Q_OK;
}

static q_status put_about(json_t *figure, const struct figure_about *about)
{
    Q_TRY(put_text(figure, "name", about->name));
    Q_TRY(put_text(figure, "what", about->what));
    Q_TRY(put_text(figure, "unit", about->unit));
    Q_TRY(put_text(figure, "command", about->command));
    Q_TRY(put_u64(figure, "threads", about->threads));
    return put_u64(figure, "amount", about->amount);
}

q_status figure_make(const struct figure_about *about, const struct figure_runs *ours, const struct figure_runs *peer,
                     json_t **out)
{
    json_t *figure = json_object();
    if (!figure)
        return q_fail(Q_ERR_MEMORY, "out of memory: a figure");
    q_status status = put_about(figure, about);
    if (status == Q_OK)
        status = put_ours(figure, about, ours);
    if (status == Q_OK)
        status = put_peer(figure, about, peer);
    if (status == Q_OK)
        status = put_ratio(figure, about, ours, peer);
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
