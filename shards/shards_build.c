#include "shards/shards_build.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/progress.h"
#include "shards/shards_read.h"

q_status shards_build_settings(struct shards_build *build, const struct q_common *common)
{
    Q_TRY(q_recipe_load(common->recipe, &common->set, &build->recipe));
    return q_settings_load(&shards_settings_table, q_recipe_section(&build->recipe, "shards"), &build->recipe.arena,
                           &build->settings);
}

static q_status load_tokenizer(struct shards_build *build, const char *path)
{
    const char *file = path;
    uint64_t bytes;
    if (q_fs_is_directory(path))
        Q_TRY(q_fs_join(&build->recipe.arena, path, "tokenizer.json", &file));
    Q_TRY(tokenizer_load(file, &build->tokenizer));
    return q_fs_hash_file(file, &bytes, &build->tokenizer_hash);
}

/* A tokenizer out of a run must not have seen what these documents hold out: it would be measured on its own training text. One given as a bare
 * file is taken as it is. */
static q_status check_held_out(const struct shards_build *build, const char *path)
{
    bool done = false;
    if (q_fs_is_directory(path))
        Q_TRY(q_manifest_done(path, &done));
    if (!done)
        return Q_OK;
    struct q_manifest trained;
    Q_TRY(q_manifest_read(path, &trained));
    q_status status = Q_OK;
    for (size_t i = 0; i < build->input_count && !status; i++) {
        const struct q_manifest *input = &build->inputs[i];
        if (input->held_out > 0 && (input->held_out > trained.held_out || input->held_out_seed != trained.held_out_seed))
            status = q_fail(Q_ERR_USAGE,
                            "the tokenizer in '%s' has seen documents that '%s' holds out; train it on these documents, or name its "
                            "tokenizer.json to use it all the same",
                            path, input->folder);
    }
    q_manifest_release(&trained);
    return status;
}

static q_status seal_step(struct shards_build *build)
{
    json_t *settings;
    const struct shards_settings *given = &build->settings;
    /* Where nothing is drawn another seed is the same step. */
    const bool draws = given->fim_rate > 0 || given->bpe_dropout > 0 || given->boundary_split > 0;
    const uint64_t seed = draws ? build->recipe.seed : 0;
    Q_TRY(q_settings_json(&shards_settings_table, &build->settings, Q_TAG_IDENTITY, 0, &settings));
    Q_TRY(q_step_begin(&build->step, "shards", "build", SHARDS_OUTPUT_VERSION, seed, settings));
    for (size_t i = 0; i < build->input_count; i++) {
        const char *name = "documents";
        if (i > 0)
            Q_TRY(q_arena_printf(&build->recipe.arena, &name, "documents-%zu", i + 1));
        Q_TRY(q_step_add_input(&build->step, name, build->inputs[i].hash));
    }
    Q_TRY(q_step_add_input(&build->step, "tokenizer", build->tokenizer_hash));
    return q_step_seal(&build->step);
}

q_status shards_build_load(struct shards_build *build, const char *const *folders, size_t count, const char *tokenizer)
{
    Q_TRY(q_alloc_zero(count, sizeof *build->inputs, &build->inputs));
    for (; build->input_count < count; build->input_count++) {
        Q_TRY(q_manifest_read(folders[build->input_count], &build->inputs[build->input_count]));
        build->parts += build->inputs[build->input_count].part_count;
    }
    if (build->parts > Q_PARTS_MAX)
        return q_fail(Q_ERR_INPUT, "the documents have %llu parts, more than the %d that a step may have",
                      (unsigned long long)build->parts, Q_PARTS_MAX);
    Q_TRY(check_held_out(build, tokenizer));
    Q_TRY(load_tokenizer(build, tokenizer));
    const struct shards_encoding encoding = {.tokenizer = build->tokenizer, .settings = &build->settings};
    Q_TRY(q_context(shards_encoding_check(&encoding), "'%s'", tokenizer));
    return seal_step(build);
}

void shards_build_release(struct shards_build *build)
{
    q_step_release(&build->step);
    tokenizer_release(build->tokenizer);
    for (size_t i = 0; i < build->input_count; i++)
        q_manifest_release(&build->inputs[i]);
    q_release(build->inputs);
    q_recipe_release(&build->recipe);
    *build = (struct shards_build){0};
}

/* Part `part` of the build is a part of one of its inputs. */
struct part_input {
    struct q_manifest *manifest;
    uint64_t part;
    const struct q_manifest_file *documents;
};

static q_status find_part(const struct shards_build *build, uint64_t part, struct part_input *out)
{
    size_t i = 0;
    while (part >= build->inputs[i].part_count)
        part -= build->inputs[i++].part_count;
    *out = (struct part_input){.manifest = &build->inputs[i], .part = part};
    return q_manifest_documents(out->manifest, (size_t)part, &out->documents);
}

/* What a shard says of where it came from: the step's identity and the part. The same on every machine. */
static q_status write_provenance(struct shards_build *build, const struct part_input *input, struct q_buffer *out)
{
    struct q_buffer identity = {0};
    struct q_json json = q_json_begin(out);
    char hash[Q_HASH_HEX];
    q_status status = q_json_dump(build->step.identity, 0, &identity);
    q_json_open(&json, NULL, '{');
    q_json_put_string(&json, "step", q_string_of(build->step.key));
    q_json_put_raw(&json, "identity", q_string_trim(q_buffer_string(&identity)));
    q_json_open(&json, "documents", '{');
    q_json_put_string(&json, "manifest", q_string_of(q_hash_hex(input->manifest->hash, hash)));
    q_json_put_string(&json, "key", q_string_of(input->manifest->key));
    q_json_put_u64(&json, "part", input->part);
    q_json_close(&json, '}');
    q_json_close(&json, '}');
    q_json_newline(&json);
    q_buffer_release(&identity);
    return status ? status : q_json_end(&json);
}

static q_status new_object(json_t **out)
{
    *out = json_object();
    return *out ? Q_OK : q_fail(Q_ERR_MEMORY, "out of memory for a record");
}

/* A split's numbers for the part's record: what shards_open reads instead of every header. */
static q_status split_statistics(const struct shard_header *header, uint64_t stored_bytes, json_t **out)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"documents", header->documents}, {"fim_documents", header->fim_documents}, {"tokens", header->tokens},
        {"sequences", header->sequences}, {"tail_tokens", shard_tail(header)},      {"text_bytes", header->text_bytes},
        {"stored_bytes", stored_bytes},
    };
    json_t *json;
    Q_TRY(new_object(&json));
    q_status status = q_json_set(json, "source", q_json_string(header->source));
    for (size_t i = 0; i < Q_COUNT_OF(rows) && !status; i++)
        status = q_json_set(json, rows[i].name, json_integer((json_int_t)rows[i].value));
    if (status)
        json_decref(json);
    else
        *out = json;
    return status;
}

/* One part on its way: the files published so far, and their record. */
struct part_result {
    struct q_part_file files[2];
    size_t file_count;
    json_t *statistics;
};

static q_status write_split(struct shards_build *build, const struct shards_encoding *encoding, struct q_pool *pool,
                            struct shards_part *part, uint64_t number, enum shards_split split, q_string provenance,
                            struct part_result *result)
{
    const char *suffix, *path;
    struct shard_header header;
    struct q_part_file *file = &result->files[result->file_count];
    json_t *statistics;
    if (part->splits[split].count == 0)
        return Q_OK;
    Q_TRY(shards_split_suffix(split, &build->step.arena, &suffix));
    Q_TRY(q_step_part_path(&build->step, number, suffix, &path));
    Q_TRY(shards_part_write(encoding, pool, part, (uint32_t)number, split, provenance, path, &header, &file->identity));
    file->name = q_fs_base_name(path);
    result->file_count++;
    Q_TRY(split_statistics(&header, file->identity.bytes, &statistics));
    return q_json_set(result->statistics, shards_split_names[split], statistics);
}

static q_status publish_part(struct shards_build *build, const struct shards_encoding *encoding, struct q_pool *pool,
                             struct shards_part *part, uint64_t number, const struct part_input *input)
{
    struct part_result result = {.file_count = 0};
    struct q_buffer provenance = {0};
    Q_TRY(new_object(&result.statistics));
    q_status status = write_provenance(build, input, &provenance);
    for (int split = 0; split < 2 && !status; split++)
        status = write_split(build, encoding, pool, part, number, (enum shards_split)split,
                             q_buffer_string(&provenance), &result);
    if (!status) /* takes the reference */
        status = q_step_part_publish(&build->step, number, result.files, result.file_count, &part->accounting,
                                     result.statistics);
    else
        json_decref(result.statistics);
    q_buffer_release(&provenance);
    return status;
}

static q_status build_part(struct shards_build *build, struct q_pool *pool, uint64_t number, struct q_accounting *sum)
{
    struct part_input input;
    struct shards_part part = {0};
    const char *path;
    Q_TRY(find_part(build, number, &input));
    Q_TRY(q_manifest_path(input.manifest, input.documents->name, &path));
    const struct shards_encoding encoding = {
        .tokenizer = build->tokenizer,
        .settings = &build->settings,
        .seed = build->recipe.seed,
        .held_out = input.manifest->held_out,
        .held_out_seed = input.manifest->held_out_seed,
        .tokenizer_hash = build->tokenizer_hash,
        .input_hash = input.manifest->hash,
    };
    q_status status = shards_part_read(&encoding, pool, &path, 1, &part);
    if (!status)
        status = publish_part(build, &encoding, pool, &part, number, &input);
    if (!status)
        status = q_accounting_add(sum, &part.accounting);
    shards_part_release(&part);
    return status;
}

/* The task's parts that have no record yet, and the stored bytes of their documents. */
static q_status find_missing(struct shards_build *build, struct q_task task, struct q_arena *arena,
                             uint64_t **out_parts, size_t *out_count, uint64_t *out_bytes)
{
    Q_TRY(q_arena_alloc(arena, build->parts, sizeof **out_parts, out_parts));
    *out_count = 0;
    *out_bytes = 0;
    for (uint64_t number = 0; number < build->parts; number++) {
        struct part_input input;
        bool done;
        if (!q_task_has(task, number))
            continue;
        Q_TRY(q_step_part_done(&build->step, number, &done));
        if (done)
            continue;
        Q_TRY(find_part(build, number, &input));
        (*out_parts)[(*out_count)++] = number;
        *out_bytes += input.documents->bytes;
    }
    return Q_OK;
}

static q_status build_missing(struct shards_build *build, const struct q_common *common, struct q_accounting *sum)
{
    struct q_arena arena = {0};
    struct q_pool *pool = NULL;
    uint64_t *parts, bytes;
    size_t count;
    q_status status;
    Q_TRY_GOTO(out, find_missing(build, common->task, &arena, &parts, &count, &bytes));
    Q_TRY_GOTO(out, q_pool_create((unsigned)common->threads, &pool));
    q_progress_start("shards", "bytes", bytes);
    for (size_t i = 0; i < count && !status; i++)
        status = build_part(build, pool, parts[i], sum);
    q_progress_finish();
out:
    q_pool_release(pool);
    q_arena_release(&arena);
    return status;
}

/* Adds the numbers of one part's split to the step's. */
static q_status add_split(json_t *sum, const json_t *record, const char *split)
{
    static const char *const names[] = {"documents",   "fim_documents", "tokens",      "sequences",
                                        "tail_tokens", "text_bytes",    "stored_bytes"};
    const json_t *part = json_object_get(json_object_get(record, "statistics"), split);
    json_t *total = json_object_get(sum, split);
    for (size_t i = 0; i < Q_COUNT_OF(names); i++) {
        uint64_t before = 0, more = 0;
        if (json_object_get(total, names[i]))
            Q_TRY(q_json_get_u64(total, "sum", names[i], &before));
        if (part)
            Q_TRY(q_json_get_u64(part, "part record", names[i], &more));
        Q_TRY(q_json_set(total, names[i], json_integer((json_int_t)(before + more))));
    }
    return Q_OK;
}

static q_status sum_statistics(struct shards_build *build, json_t *out)
{
    char hash[Q_HASH_HEX];
    Q_TRY(q_json_set(out, "sequence_tokens", json_integer((json_int_t)build->settings.sequence_tokens)));
    Q_TRY(q_json_set(out, "vocabulary", json_integer((json_int_t)tokenizer_size(build->tokenizer))));
    Q_TRY(q_json_set(out, "id_bytes", json_integer(shards_id_bytes(tokenizer_size(build->tokenizer)))));
    Q_TRY(q_json_set(out, "tokenizer", json_string(q_hash_hex(build->tokenizer_hash, hash))));
    for (int split = 0; split < 2; split++)
        Q_TRY(q_json_set(out, shards_split_names[split], json_object()));
    for (uint64_t part = 0; part < build->parts; part++) {
        json_t *record;
        Q_TRY(q_step_part_record(&build->step, part, &record));
        q_status status = add_split(out, record, shards_split_names[SHARDS_TRAIN]);
        if (!status)
            status = add_split(out, record, shards_split_names[SHARDS_HELDOUT]);
        json_decref(record);
        Q_TRY(status);
    }
    return Q_OK;
}

static q_status finish(struct shards_build *build, struct q_accounting *sum)
{
    json_t *statistics;
    Q_TRY(new_object(&statistics));
    const q_status status = sum_statistics(build, statistics);
    if (status) {
        json_decref(statistics);
        return status;
    }
    return q_step_finish(&build->step,
                         &(struct q_finish){.parts = build->parts,
                                            .statistics = statistics,
                                            .program = "quern-shards",
                                            .inputs = build->inputs,
                                            .input_count = build->input_count},
                         sum);
}

q_status shards_build_run(struct shards_build *build, const struct q_common *common)
{
    struct q_accounting built = {0}, sum = {0};
    const double started = q_seconds();
    build->step.threads = (unsigned)common->threads;
    Q_TRY(q_step_open(&build->step, common->out, common->force));
    if (build->step.done) {
        q_log_info("shards: already built: %s", common->out);
        return Q_OK;
    }
    const bool everything = common->task.count <= 1;
    q_status status = build_missing(build, common, &built);
    if (!status && everything)
        status = finish(build, &sum);
    if (!status)
        q_accounting_print(everything ? &sum : &built, "shards", q_seconds() - started);
    q_accounting_release(&built);
    q_accounting_release(&sum);
    return status;
}
