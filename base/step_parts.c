/* Parts of a step: their records, and the sum of them all. */
#include "base/check.h"
#include "base/fs.h"
#include "base/manifest_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

q_status q_step_part_path(struct q_step *step, uint64_t part, const char *suffix, const char **out)
{
    char name[128];
    q_check(part < Q_PARTS_MAX && strlen(suffix) < 64);
    (void)snprintf(name, sizeof(name), "part-%05" PRIu64 "%s", part, suffix);
    return q_step_path(step, name, out);
}

static q_status check_record(const json_t *record, const char *path, uint64_t part)
{
    uint64_t format, number;
    Q_TRY(q_json_get_u64(record, path, "format", &format));
    Q_TRY(q_json_get_u64(record, path, "part", &number));
    if (format != Q_MANIFEST_FORMAT || number != part)
        return q_fail(Q_ERR_INPUT, "%s: is not the record of part %" PRIu64 " in format %d", path, part,
                      Q_MANIFEST_FORMAT);
    return Q_OK;
}

/* Every file of the record is there with its size. */
static q_status check_files(const struct q_step *step, const json_t *record, const char *path)
{
    struct q_arena arena = {0};
    struct q_manifest_file *files = NULL;
    size_t count = 0;
    q_status status = q_record_files(record, path, &arena, &files, &count);
    for (size_t i = 0; i < count && !status; i++)
        status = q_check_file_size(step->folder, &files[i]);
    q_arena_release(&arena);
    return status;
}

q_status q_step_part_record(struct q_step *step, uint64_t part, json_t **out)
{
    const char *path;
    json_t *record = NULL;
    Q_TRY(q_step_part_path(step, part, ".json", &path));
    q_status status = q_json_read_file(path, Q_RECORD_BYTES_MAX, &record);
    if (!status)
        status = check_record(record, path, part);
    if (!status)
        status = check_files(step, record, path);
    if (status)
        json_decref(record);
    else
        *out = record;
    return status;
}

/* A record that is absent, damaged or without its files is a part to be built: the folder's step.json says that it is ours to write. */
q_status q_step_part_done(struct q_step *step, uint64_t part, bool *done)
{
    json_t *record = NULL;
    q_status status = q_step_part_record(step, part, &record);
    *done = status == Q_OK;
    json_decref(record);
    return status == Q_ERR_INPUT ? Q_OK : status;
}

q_status q_step_first_missing(struct q_step *step, uint64_t parts, uint64_t *out)
{
    bool done = true;
    uint64_t part = 0;
    while (part < parts) {
        Q_TRY(q_step_part_done(step, part, &done));
        if (!done)
            break;
        part++;
    }
    *out = part;
    return Q_OK;
}

bool q_is_record_name(const char *name)
{
    q_string string = q_string_of(name);
    return !strncmp(name, "part-", 5) && strspn(name + 5, "0123456789") >= 5 && q_string_ends(string, ".json") &&
           strspn(name + 5, "0123456789") + 5 + 5 == string.size;
}

static bool is_own_name(const char *name)
{
    q_string string = q_string_of(name);
    return q_is_record_name(name) || q_string_is(string, "step.json") || q_string_is(string, "manifest.json") ||
           q_string_is(string, "provenance.json");
}

static q_status file_json(const struct q_part_file *file, json_t *list)
{
    char hex[Q_HASH_HEX];
    json_t *object = json_object();
    Q_TRY(q_json_push(list, object));
    Q_TRY(q_json_set(object, "name", q_json_string(q_string_of(file->name))));
    Q_TRY(q_json_set(object, "bytes", json_integer((json_int_t)file->identity.bytes)));
    return q_json_set(object, "hash", json_string(q_hash_hex(file->identity.hash, hex)));
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct q_part_file *const *)a)->name, (*(const struct q_part_file *const *)b)->name);
}

/* Sorted by name: the order in which a stage happens to list its files is not part of a result. */
static q_status files_json(json_t *record, const struct q_part_file *files, size_t count)
{
    const struct q_part_file **order;
    json_t *list = json_array();
    Q_TRY(q_json_set(record, "files", list));
    Q_TRY(q_alloc(count, sizeof(const struct q_part_file *), &order));
    for (size_t i = 0; i < count; i++) {
        q_check(q_is_plain_name(q_string_of(files[i].name)) && !is_own_name(files[i].name));
        order[i] = &files[i];
    }
    qsort(order, count, sizeof(const struct q_part_file *), by_name);
    q_status status = Q_OK;
    for (size_t i = 0; i < count && !status; i++) {
        q_check(i == 0 || strcmp(order[i - 1]->name, order[i]->name) != 0);
        status = file_json(order[i], list);
    }
    q_release(order);
    return status;
}

static q_status fill_record(json_t *record, uint64_t part, const struct q_part_file *files, size_t file_count,
                            const struct q_accounting *accounting)
{
    json_t *counts;
    Q_TRY(q_json_set(record, "format", json_integer(Q_MANIFEST_FORMAT)));
    Q_TRY(q_json_set(record, "part", json_integer((json_int_t)part)));
    Q_TRY(files_json(record, files, file_count));
    if (!accounting)
        return Q_OK;
    q_accounting_check(accounting);
    Q_TRY(q_accounting_json(accounting, &counts));
    return q_json_set(record, "accounting", counts);
}

/* Publishes what a reader will take: one larger than its bound would be there and look whole, and could never be read. */
static q_status publish_bounded(const char *path, const json_t *value, uint64_t bytes_max)
{
    struct q_buffer text = {0};
    q_status status = q_json_dump(value, 1, &text);
    if (!status && text.size > bytes_max)
        status =
            q_fail(Q_ERR_USAGE,
                   "'%s' would have %zu bytes, more than the %" PRIu64 " that are read; make fewer or smaller parts",
                   path, text.size, bytes_max);
    if (!status)
        status = q_publish_bytes(path, text.data, text.size, NULL);
    q_buffer_release(&text);
    return status;
}

q_status q_step_part_publish(struct q_step *step, uint64_t part, const struct q_part_file *files, size_t file_count,
                             const struct q_accounting *accounting, json_t *statistics)
{
    const char *path;
    json_t *record = json_object();
    if (!record) {
        json_decref(statistics);
        return q_fail(Q_ERR_MEMORY, "out of memory for a part's record");
    }
    q_status status = statistics ? q_json_set(record, "statistics", statistics) : Q_OK;
    if (!status)
        status = fill_record(record, part, files, file_count, accounting);
    if (!status)
        status = q_step_part_path(step, part, ".json", &path);
    if (!status)
        status = publish_bounded(path, record, Q_RECORD_BYTES_MAX);
    json_decref(record);
    return status;
}

/* What a manifest sums up. */
struct sum {
    json_t *parts;
    uint64_t bytes, files;
    bool counted; /* some part has an accounting */
    struct q_accounting accounting;
};

static q_status add_part(struct q_step *step, uint64_t part, struct sum *sum)
{
    const char *path;
    json_t *record;
    struct q_accounting counts = {0};
    Q_TRY(q_step_part_path(step, part, ".json", &path));
    q_status status = q_step_part_record(step, part, &record);
    if (status == Q_ERR_INPUT)
        return q_fail(Q_ERR_SYSTEM, "part %" PRIu64 " of '%s' is not built (no whole '%s'); run its task again", part,
                      step->name, path);
    Q_TRY(status);
    Q_TRY(q_json_push(sum->parts, record)); /* which keeps it from here on */
    json_t *files = json_object_get(record, "files"), *accounting = json_object_get(record, "accounting");
    for (size_t i = 0; i < json_array_size(files); i++) {
        uint64_t bytes = (uint64_t)json_integer_value(json_object_get(json_array_get(files, i), "bytes"));
        if (!q_add_u64(sum->bytes, bytes, &sum->bytes) || sum->bytes > INT64_MAX)
            return q_fail(Q_ERR_INPUT, "%s: the sizes of its files are too large to be true", path);
        sum->files++;
    }
    if (!accounting)
        return Q_OK;
    sum->counted = true;
    status = q_accounting_parse(accounting, path, &counts);
    if (!status)
        status = q_accounting_add(&sum->accounting, &counts);
    q_accounting_release(&counts);
    return status;
}

static q_status fill_manifest(struct q_step *step, const struct q_finish *finish, const struct sum *sum,
                              json_t *manifest)
{
    json_t *counts;
    Q_TRY(q_json_set(manifest, "format", json_integer(Q_MANIFEST_FORMAT)));
    Q_TRY(q_json_set(manifest, "key", json_string(step->key)));
    Q_TRY(q_json_set(manifest, "identity", json_incref(step->identity)));
    Q_TRY(q_json_set(manifest, "held_out", json_real(finish->held_out)));
    Q_TRY(q_json_set(manifest, "held_out_seed", json_integer((json_int_t)finish->held_out_seed)));
    Q_TRY(q_json_set(manifest, "bytes", json_integer((json_int_t)sum->bytes)));
    Q_TRY(q_json_set(manifest, "file_count", json_integer((json_int_t)sum->files)));
    Q_TRY(q_json_set(manifest, "parts", json_incref(sum->parts)));
    if (!sum->counted)
        return Q_OK;
    q_accounting_check(&sum->accounting);
    Q_TRY(q_accounting_json(&sum->accounting, &counts));
    return q_json_set(manifest, "accounting", counts);
}

static q_status publish_manifest(struct q_step *step, const struct q_finish *finish, const struct sum *sum,
                                 json_t *manifest)
{
    const char *path;
    q_check(finish->held_out >= 0 && finish->held_out <= 1 && finish->held_out_seed <= INT64_MAX);
    Q_TRY(fill_manifest(step, finish, sum, manifest));
    Q_TRY(q_provenance_publish(step, finish->program));
    Q_TRY(q_step_path(step, "manifest.json", &path));
    return publish_bounded(path, manifest, Q_MANIFEST_BYTES_MAX);
}

/* Nothing got lost between the stages: what comes in is what the inputs kept, as they wrote it. */
static q_status check_inputs(const struct q_step *step, const struct q_finish *finish, const struct q_tally *in)
{
    struct q_tally kept = {0};
    for (size_t i = 0; i < finish->input_count; i++) {
        kept.documents += finish->inputs[i].accounting.kept.documents;
        kept.bytes += finish->inputs[i].accounting.out_bytes;
    }
    if (!finish->inputs || (kept.documents == in->documents && kept.bytes == in->bytes))
        return Q_OK;
    return q_fail(Q_ERR_INPUT,
                  "step '%s' counts %" PRIu64 " documents (%" PRIu64 " bytes) where its inputs have %" PRIu64
                  " (%" PRIu64 "); remove the folder and build again",
                  step->name, in->documents, in->bytes, kept.documents, kept.bytes);
}

q_status q_step_finish(struct q_step *step, const struct q_finish *finish, struct q_accounting *sum)
{
    struct sum total = {.parts = json_array()};
    json_t *manifest = json_object();
    q_status status = manifest && total.parts ? Q_OK : q_fail(Q_ERR_MEMORY, "out of memory for a manifest");
    /* What is given is taken, whatever comes. */
    json_t *given[] = {finish->statistics, finish->schedule};
    static const char *const keys[] = {"statistics", "schedule"};
    for (size_t i = 0; i < Q_COUNT_OF(given); i++) {
        if (status)
            json_decref(given[i]);
        else if (given[i])
            status = q_json_set(manifest, keys[i], given[i]);
    }
    for (uint64_t part = 0; part < finish->parts && !status; part++)
        status = add_part(step, part, &total);
    if (!status)
        status = check_inputs(step, finish, &total.accounting.in);
    if (!status)
        status = publish_manifest(step, finish, &total, manifest);
    if (!status && sum) {
        *sum = total.accounting;
        total.accounting = (struct q_accounting){0};
    }
    q_accounting_release(&total.accounting);
    json_decref(total.parts);
    json_decref(manifest);
    return status;
}
