#include "train/metrics.h"

#include "base/check.h"
#include "base/document.h"
#include "base/fs.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>

enum { BATCH_BYTES = 1 << 20 };

struct metrics {
    struct q_arena arena;
    const char *path;
    int fd;
    struct q_buffer line;
};

/* Whether a line is a whole one of a step up to `step`. */
static bool is_kept(q_string line, const char *path, uint64_t step)
{
    json_t *value = NULL;
    uint64_t seen = 0;
    bool kept = q_json_parse(line, path, &value) == Q_OK && q_json_get_u64(value, path, "step", &seen) == Q_OK && seen <= step;
    json_decref(value);
    return kept;
}

/* *kept: bytes of the lines to keep. Reads the file in batches: a long run's lines fill gigabytes. */
static q_status bytes_to_keep(const char *path, uint64_t step, uint64_t *kept)
{
    struct q_lines_reader *reader;
    struct q_buffer batch = {0};
    bool more = true;
    *kept = 0;
    Q_TRY(q_lines_open(path, &reader));
    q_status status = Q_OK;
    while (more && !(status = q_lines_next(reader, BATCH_BYTES, &batch)) && batch.size > 0) {
        q_string rest = q_buffer_string(&batch), line;
        while (more && q_string_next_line(&rest, &line)) {
            more = is_kept(line, path, step) && line.data + line.size < batch.data + batch.size; /* its end is there */
            *kept += more ? line.size + 1 : 0;
        }
    }
    q_buffer_release(&batch);
    q_lines_close(reader);
    return status;
}

static q_status cut_behind(const char *path, uint64_t step)
{
    bool exists;
    struct stat stat;
    uint64_t kept;
    Q_TRY(q_fs_look(path, &exists, &stat));
    if (!exists)
        return Q_OK;
    Q_TRY(bytes_to_keep(path, step, &kept));
    if (kept == (uint64_t)stat.st_size)
        return Q_OK;
    int fd = q_fs()->open(path, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return q_fail_errno(errno, "cannot open '%s'", path);
    q_status status = q_fs()->ftruncate(fd, (off_t)kept) == 0 ? Q_OK : q_fail_errno(errno, "cannot cut '%s'", path);
    q_fs_close(fd);
    return status;
}

q_status metrics_open(const char *run_folder, uint64_t step, struct metrics **out)
{
    struct metrics *metrics;
    Q_TRY(q_alloc_zero(1, sizeof *metrics, &metrics));
    metrics->fd = -1;
    q_status status = q_fs_join(&metrics->arena, run_folder, "metrics.jsonl", &metrics->path);
    if (!status)
        status = cut_behind(metrics->path, step);
    if (!status) {
        metrics->fd = q_fs()->open(metrics->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (metrics->fd < 0)
            status = q_fail_errno(errno, "cannot open '%s'", metrics->path);
    }
    if (status)
        metrics_close(metrics);
    else
        *out = metrics;
    return status;
}

void metrics_close(struct metrics *metrics)
{
    if (!metrics)
        return;
    q_fs_close(metrics->fd);
    q_buffer_release(&metrics->line);
    q_arena_release(&metrics->arena);
    q_release(metrics);
}

double metrics_violation(const int64_t *counts, size_t layers, size_t experts)
{
    double sum = 0;
    for (size_t layer = 0; layer < layers; layer++) {
        int64_t largest = 0, total = 0;
        for (size_t e = 0; e < experts; e++) {
            largest = Q_MAX(largest, counts[layer * experts + e]);
            total += counts[layer * experts + e];
        }
        if (total > 0)
            sum += (double)largest * (double)experts / (double)total - 1;
    }
    return layers ? sum / (double)layers : 0;
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

static void put_load(struct q_json *json, const struct metrics_step *step)
{
    q_json_open(json, "load", '[');
    for (size_t layer = 0; layer < step->layers; layer++) {
        q_json_open(json, NULL, '[');
        for (size_t e = 0; e < step->experts; e++)
            q_json_put_i64(json, NULL, step->counts[layer * step->experts + e]);
        q_json_close(json, ']');
    }
    q_json_close(json, ']');
}

q_status metrics_write(struct metrics *metrics, const struct metrics_step *step)
{
    q_buffer_clear(&metrics->line);
    struct q_json json = q_json_begin(&metrics->line);
    q_json_open(&json, NULL, '{');
    q_json_put_u64(&json, "step", step->position.step);
    q_json_put_u64(&json, "samples", step->position.samples);
    q_json_put_u64(&json, "tokens", step->position.tokens);
    q_json_put_double(&json, "loss", step->loss);
    q_json_put_double(&json, "balance_loss", step->balance_loss);
    q_json_put_double(&json, "gradient_norm", step->gradient_norm);
    q_json_put_double(&json, "rate", step->point.rate);
    q_json_put_u64(&json, "batch", step->point.sequences);
    q_json_put_fixed(&json, "violation", metrics_violation(step->counts, step->layers, step->experts), 4);
    q_json_put_fixed(&json, "seconds", step->seconds, 4);
    put_sources(&json, step);
    put_load(&json, step);
    q_json_close(&json, '}');
    q_json_newline(&json);
    Q_TRY(q_json_end(&json));
    return q_fs_write_all(metrics->fd, metrics->path, metrics->line.data, metrics->line.size);
}
