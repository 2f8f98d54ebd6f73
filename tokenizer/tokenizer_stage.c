#include "tokenizer/tokenizer_stage.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/plan.h"
#include "base/progress.h"
#include "base/threads.h"
#include "tokenizer/count/count_texts.h"
#include "tokenizer/encode/bpe_index.h"
#include "tokenizer/inspect/language_sample.h"
#include "tokenizer/stage_statistics.h"
#include "tokenizer/train/train_counts.h"

#include <stdio.h>

/* Raised by hand when a step's output changes for the same input and settings. */
enum { COUNT_OUTPUT_VERSION = 2, TRAIN_OUTPUT_VERSION = 2 };

static const char counts_suffix[] = ".counts", sample_suffix[] = ".sample.jsonl.zst";

static q_status begin_step(struct tokenizer_stage *stage, struct q_step *step, const char *name, uint32_t version,
                           uint32_t bit)
{
    json_t *settings;
    Q_TRY(q_settings_json(&tokenizer_settings_table, &stage->settings, Q_TAG_IDENTITY, bit, &settings));
    /* The seed chooses the sample, and matters where there is one. */
    const bool seeded = bit == TOKENIZER_STEP_COUNT && stage->settings.sample < 1;
    Q_TRY(q_step_begin(step, "tokenizer", name, version, seeded ? stage->recipe.seed : 0, settings));
    step->threads = (unsigned)stage->common->threads;
    return q_step_add_input(step, stage->documents.stage, stage->documents.hash);
}

q_status tokenizer_stage_open(struct tokenizer_stage *stage, const struct q_common *common, const char *documents)
{
    stage->common = common;
    Q_TRY(q_recipe_load(common->recipe, &common->set, &stage->recipe));
    Q_TRY(q_settings_load(&tokenizer_settings_table, q_recipe_section(&stage->recipe, "tokenizer"),
                          &stage->recipe.arena, &stage->settings));
    Q_TRY(count_weights_add(&stage->weights, &stage->settings.weights));
    if (!documents)
        return Q_OK;
    Q_TRY(q_manifest_read(documents, &stage->documents));
    Q_TRY(begin_step(stage, &stage->count, "count", COUNT_OUTPUT_VERSION, TOKENIZER_STEP_COUNT));
    Q_TRY(q_step_seal(&stage->count));
    Q_TRY(begin_step(stage, &stage->train, "train", TRAIN_OUTPUT_VERSION, TOKENIZER_STEP_TRAIN));
    q_hash count;
    Q_TRY(q_step_hash(&stage->count, &count));
    Q_TRY(q_step_add_input(&stage->train, "count", count));
    return q_step_seal(&stage->train);
}

void tokenizer_stage_release(struct tokenizer_stage *stage)
{
    q_accounting_release(&stage->build.accounting);
    count_weights_release(&stage->weights);
    q_step_release(&stage->count);
    q_step_release(&stage->train);
    q_manifest_release(&stage->documents);
    q_recipe_release(&stage->recipe);
}

q_status tokenizer_stage_plan(const struct tokenizer_stage *stage)
{
    const struct q_plan_step steps[] = {{.step = &stage->count, .kind = "map", .parts = stage->documents.part_count},
                                        {.step = &stage->train, .kind = "one", .parts = 1}};
    return q_plan_print("tokenizer", steps, stage->documents.json ? Q_COUNT_OF(steps) : 0);
}

/* What a part gave. */
struct counted {
    struct count_info info;
    struct q_accounting accounting;
    struct q_file_identity file;
};

/* The documents of a part, those held out marked. */
static q_status open_documents(struct tokenizer_stage *stage, size_t part, struct text_source **out)
{
    const struct q_manifest_file *documents;
    const char *path;
    Q_TRY(q_manifest_documents(&stage->documents, part, &documents));
    Q_TRY(q_manifest_path(&stage->documents, documents->name, &path));
    return text_source_open_part(path, stage->documents.held_out, stage->documents.held_out_seed, out);
}

/* The pieces of a part's documents, as a file. */
static q_status count_documents(struct tokenizer_stage *stage, size_t part, struct q_pool *pool,
                                const struct count_texts_options *options, const char *path, struct counted *out)
{
    struct text_source *source;
    struct counter *counter = NULL;
    Q_TRY(open_documents(stage, part, &source));
    q_status status = count_texts(source, pool, options, &out->accounting, &counter);
    if (!status)
        status = counter_write(counter, path, &out->info, &out->file);
    counter_release(counter);
    text_source_close(source);
    return status;
}

static q_status write_sample(struct tokenizer_stage *stage, size_t part, const char *path,
                             struct q_file_identity *identity)
{
    struct language_sample *sample;
    struct text_source *source;
    Q_TRY(language_sample_create(path, &sample));
    q_status status = open_documents(stage, part, &source);
    if (!status) {
        status = language_sample_take(sample, source, stage->settings.sample_bytes);
        text_source_close(source);
    }
    if (!status)
        status = language_sample_commit(sample, identity);
    language_sample_release(sample);
    return status;
}

static q_status publish_part(struct tokenizer_stage *stage, size_t part, const char *path,
                             const struct counted *counted)
{
    const char *sample;
    struct q_part_file files[2] = {{.identity = counted->file}};
    Q_TRY(q_step_part_path(&stage->count, part, sample_suffix, &sample));
    Q_TRY(write_sample(stage, part, sample, &files[1].identity));
    files[0].name = q_fs_base_name(path);
    files[1].name = q_fs_base_name(sample);
    json_t *statistics =
        json_pack("{s:I,s:I}", "pieces", (json_int_t)(counted->info.total.pieces / counted->info.scale),
                  "distinct_pieces", (json_int_t)counted->info.entries);
    if (!statistics)
        return q_fail(Q_ERR_MEMORY, "no memory for the statistics of a part");
    return q_step_part_publish(&stage->count, part, files, Q_COUNT_OF(files), &counted->accounting, statistics);
}

static q_status count_part(struct tokenizer_stage *stage, size_t part, struct q_pool *pool)
{
    struct counted counted = {0};
    struct work_folder folder = {0};
    const struct count_texts_options options = {.pretokenizer = pretokenizers[stage->settings.pretokenizer],
                                                .weights = &stage->weights,
                                                .sample = stage->settings.sample,
                                                .sample_seed = stage->recipe.seed,
                                                .memory = stage->settings.memory,
                                                .folder = &folder};
    const char *path;
    q_status status = q_step_part_path(&stage->count, part, counts_suffix, &path);
    if (!status)
        status = work_folder_open(&folder, path);
    if (!status)
        status = count_documents(stage, part, pool, &options, path, &counted);
    work_folder_close(&folder); /* before the record: a part that is done has left nothing */
    if (!status)
        status = publish_part(stage, part, path, &counted);
    q_accounting_release(&counted.accounting);
    return status;
}

static q_status count_parts(struct tokenizer_stage *stage, struct q_pool *pool)
{
    for (size_t part = 0; part < stage->documents.part_count; part++) {
        bool done;
        if (!q_task_has(stage->common->task, part))
            continue;
        Q_TRY(q_step_part_done(&stage->count, part, &done));
        if (done)
            continue;
        if (q_stop_requested())
            return q_fail(Q_STOPPED, "stopped; run again to go on");
        Q_TRY(q_context(count_part(stage, part, pool), "part %zu", part));
    }
    return Q_OK;
}

/* Stored bytes of the documents that this task has still to count. */
static q_status bytes_to_count(struct tokenizer_stage *stage, uint64_t *out)
{
    *out = 0;
    for (size_t part = 0; part < stage->documents.part_count; part++) {
        bool done;
        Q_TRY(q_step_part_done(&stage->count, part, &done));
        if (done || !q_task_has(stage->common->task, part))
            continue;
        const struct q_manifest_file *documents;
        Q_TRY(q_manifest_documents(&stage->documents, part, &documents));
        *out += documents->bytes;
    }
    return Q_OK;
}

static q_status build_count(struct tokenizer_stage *stage, const char *work)
{
    const char *folder;
    struct q_pool *pool;
    uint64_t bytes;
    Q_TRY(q_fs_join(&stage->count.arena, work, stage->count.key, &folder));
    Q_TRY(q_step_open(&stage->count, folder, stage->common->force));
    if (stage->count.done)
        return Q_OK;
    double start = q_seconds();
    Q_TRY(count_memory_check(stage->settings.memory, (unsigned)stage->common->threads));
    Q_TRY(bytes_to_count(stage, &bytes));
    Q_TRY(q_pool_create((unsigned)stage->common->threads, &pool));
    q_progress_start("tokenizer count", "bytes", bytes);
    q_status status = count_parts(stage, pool);
    q_progress_finish();
    q_pool_release(pool);
    if (status || stage->common->task.count > 1)
        return status;
    struct q_finish finish = {.parts = stage->documents.part_count,
                              .program = "quern-tokenizer",
                              .inputs = &stage->documents,
                              .input_count = 1};
    stage->build.counted = true;
    status = q_step_finish(&stage->count, &finish, &stage->build.accounting);
    stage->build.count_seconds = q_seconds() - start;
    return status;
}

/* The counted parts' files of one kind, one after the other. */
static q_status each_file(struct q_manifest *counted, const char *suffix,
                          q_status (*file)(void *context, const char *path), void *context)
{
    for (size_t part = 0; part < counted->part_count; part++) {
        for (size_t i = 0; i < counted->parts[part].file_count; i++) {
            const char *name = counted->parts[part].files[i].name, *path;
            if (!q_string_ends(q_string_of(name), suffix))
                continue;
            Q_TRY(q_manifest_path(counted, name, &path));
            Q_TRY(file(context, path));
        }
    }
    return Q_OK;
}

/* The paths of the count files. */
struct count_files {
    const char **paths;
    size_t count, capacity;
};

static q_status add_count_file(void *context, const char *path)
{
    struct count_files *files = context;
    Q_TRY(q_grow(&files->paths, &files->capacity, files->count + 1, sizeof(*files->paths)));
    files->paths[files->count++] = path;
    return Q_OK;
}

static q_status publish_text(struct q_step *step, const char *name, const struct q_buffer *text,
                             struct q_part_file *file)
{
    const char *path;
    Q_TRY(q_fs_join(&step->arena, step->folder, name, &path));
    file->name = name;
    return q_publish_bytes(path, text->data, text->size, &file->identity);
}

static q_status publish_vocabulary(struct q_step *step, const struct vocabulary *vocabulary,
                                   struct q_part_file files[2])
{
    struct q_buffer text = {0};
    q_status status = vocabulary_write(vocabulary, &text);
    if (!status)
        status = publish_text(step, "tokenizer.json", &text, &files[0]);
    q_buffer_clear(&text);
    if (!status)
        status = vocabulary_write_config(vocabulary, &text);
    if (!status)
        status = publish_text(step, "tokenizer_config.json", &text, &files[1]);
    q_buffer_release(&text);
    return status;
}

/* The vocabulary from the counts of all parts. A run that was stopped or killed left its merges; they are gone on from where they are of this training. */
static q_status make_vocabulary(struct tokenizer_stage *stage, struct train_counts *counts,
                                struct vocabulary *vocabulary)
{
    const struct tokenizer_settings *settings = &stage->settings;
    struct bpe_train_options options;
    Q_TRY(tokenizer_train_options(settings, &stage->recipe.arena, &options));
    options.threads = (unsigned)stage->common->threads;
    options.memory = settings->memory ? settings->memory : count_memory_standard();
    options.checkpoint_s = settings->checkpoint_s;
    options.resume = BPE_RESUME_IF_SAME;
    Q_TRY(q_fs_join(&stage->train.arena, stage->train.folder, "merges.checkpoint", &options.checkpoint));
    Q_TRY(bpe_train_source(&counts->source, pretokenizers[settings->pretokenizer], counts->info.scale, &options,
                           vocabulary));
    Q_TRY(vocabulary_layout_apply((enum vocabulary_layout)settings->layout, vocabulary));
    return q_fs_unlink(options.checkpoint);
}

static q_status train_counted(struct tokenizer_stage *stage, struct q_manifest *counted, struct train_counts *counts,
                              struct vocabulary *vocabulary)
{
    struct counts_total total = counts->info.total;
    total.pieces /= counts->info.scale; /* occurrences */
    struct q_part_file files[3] = {[2] = {.name = "sample.jsonl.zst"}};
    const char *sample;
    json_t *statistics;
    Q_TRY(make_vocabulary(stage, counts, vocabulary));
    const uint64_t distinct = counts->from_stream.pieces;
    stage->build.tokens = vocabulary->size;
    stage->build.merges = vocabulary->merge_count;
    stage->build.distinct_pieces = distinct;
    stage->build.text_bytes = total.bytes;
    Q_TRY(publish_vocabulary(&stage->train, vocabulary, files));
    Q_TRY(q_fs_join(&stage->train.arena, stage->train.folder, files[2].name, &sample));
    Q_TRY(language_sample_join(counted, sample_suffix, sample, &files[2].identity));
    Q_TRY(stage_statistics(vocabulary, &total, distinct, sample, (unsigned)stage->common->threads, &statistics));
    json_incref(statistics);
    q_status status = q_step_part_publish(&stage->train, 0, files, Q_COUNT_OF(files), NULL, statistics);
    if (status) {
        json_decref(statistics);
        return status;
    }
    struct q_finish finish = {.parts = 1,
                              .statistics = statistics,
                              .held_out = stage->documents.held_out, /* what the vocabulary has not seen */
                              .held_out_seed = stage->documents.held_out_seed,
                              .program = "quern-tokenizer"};
    Q_TRY(q_step_finish(&stage->train, &finish, NULL));
    stage->build.trained = true;
    return Q_OK;
}

static q_status open_counted(struct tokenizer_stage *stage, struct q_manifest *counted, struct count_files *files,
                             struct train_counts *counts)
{
    struct train_counts_options options = {
        .counting = {.pretokenizer = pretokenizers[stage->settings.pretokenizer], .memory = stage->settings.memory},
        .threads = (unsigned)stage->common->threads};
    Q_TRY(each_file(counted, counts_suffix, add_count_file, files));
    Q_TRY(q_fs_join(&stage->train.arena, stage->train.folder, "counts", &options.beside));
    options.files = files->paths;
    options.file_count = files->count;
    return train_counts_open(counts, &options);
}

/* `folder` holds the finished count. */
static q_status train_folder(struct tokenizer_stage *stage, const char *folder)
{
    struct train_counts counts = {0};
    struct count_files files = {0};
    struct vocabulary vocabulary = {0};
    struct q_manifest counted = {0};
    double start = q_seconds();
    q_status status = q_manifest_read(folder, &counted);
    if (!status)
        status = open_counted(stage, &counted, &files, &counts);
    if (!status)
        status = train_counted(stage, &counted, &counts, &vocabulary);
    train_counts_close(&counts);
    q_release(files.paths);
    vocabulary_release(&vocabulary);
    q_manifest_release(&counted);
    stage->build.train_seconds = q_seconds() - start;
    return status;
}

static q_status build_train(struct tokenizer_stage *stage, const char *work)
{
    const char *folder;
    bool done;
    Q_TRY(q_fs_join(&stage->count.arena, work, stage->count.key, &folder));
    Q_TRY(q_manifest_done(folder, &done));
    if (!done)
        return q_fail(Q_ERR_INPUT, "the step count is not done in '%s'; build it first with --step count", folder);
    return train_folder(stage, folder);
}

q_status tokenizer_stage_build(struct tokenizer_stage *stage, const char *work)
{
    const char *only = stage->common->step, *out = stage->common->out;
    bool count = !only || !strcmp(only, "count"), train = !only || !strcmp(only, "train"),
         is_task = stage->common->task.count > 1;
    if (!count && !train)
        return q_fail(Q_ERR_USAGE, "'--step' is '%s'; the steps are count and train", only);
    if (is_task && only && train)
        return q_fail(Q_ERR_USAGE, "'--task' is for the step count; train is one piece of work");
    if (!work)
        Q_TRY(q_fs_join(&stage->recipe.arena, out, "work", &work));
    if (train && !is_task) {
        Q_TRY(q_step_open(&stage->train, out, stage->common->force));
        if (stage->train.done) {
            stage->build.already = true;
            return Q_OK;
        }
    }
    if (count)
        Q_TRY(build_count(stage, work));
    return train && !is_task ? build_train(stage, work) : Q_OK;
}
