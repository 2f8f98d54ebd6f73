#include "tests/train/trainer_fixture.h"

#include "base/check.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/journal.h"
#include "base/log.h"
#include "shards/shards_build.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"
#include "tests/shards/shards_fixture.h"
#include "tests/train/small_model.h"

#include <stdio.h>
#include <string.h>

const q_hash fixture_identity = {3, 4};

static const char recipe_text[] = "name: fixture\n"
                                  "seed: 5\n"
                                  "train:\n"
                                  "  tokens: 1920\n" /* 30 steps */
                                  "  micro_batch: 2\n"
                                  "  rate: {peak: 0.01, warmup_steps: 3}\n"
                                  "  batch: {sequences: 4}\n"
                                  "  checkpoint: {every: 5}\n";

static q_status build_shards(void)
{
    const struct fixture_documents documents = {
        .parts = 3, .documents = 30, .words_max = 60, .held_out = 0.1, .seed = 1};
    const char *set[] = {"shards.sequence_tokens=16", "shards.frame_bytes=96"};
    const char *const folders[] = {"documents"};
    struct q_common common = {.out = "shards", .threads = 1, .task = {0, 1}, .set = {.items = set, .count = 2}};
    struct shards_build build = {0};
    Q_TRY(fixture_documents("documents", &documents));
    Q_TRY(fixture_tokenizer("tokenizer.json", 300, false));
    q_status status = shards_build_settings(&build, &common);
    if (!status)
        status = shards_build_load(&build, folders, 1, "tokenizer.json");
    if (!status)
        status = shards_build_run(&build, &common);
    shards_build_release(&build);
    return status;
}

int trainer_fixture_enter(void **state)
{
    q_log_set_level(Q_LOG_ERROR);
    if (scratch_enter(state))
        return 1;
    assert_ok(build_shards());
    scratch_write("recipe.yaml", recipe_text, sizeof recipe_text - 1);
    return 0;
}

int trainer_fixture_leave(void **state)
{
    return scratch_leave(state);
}

static q_status train(const struct fixture_run *run, struct q_recipe *recipe, struct fixture_end *end)
{
    struct train_settings settings;
    struct trainer *trainer;
    const char *items[Q_COUNT_OF(run->set)];
    struct q_texts set = {.items = items};
    while (set.count < Q_COUNT_OF(run->set) && run->set[set.count]) {
        items[set.count] = run->set[set.count];
        set.count++;
    }
    Q_TRY(q_fs_make_directories(run->folder));
    Q_TRY(q_recipe_load("recipe.yaml", &set, recipe));
    Q_TRY(q_settings_load(&train_settings_table, q_recipe_section(recipe, "train"), &recipe->arena, &settings));
    Q_TRY(train_settings_check(&settings, recipe->file));
    const struct model_config small = small_model(300);
    const struct trainer_setup setup = {.recipe = recipe,
                                        .settings = &settings,
                                        .config = &small,
                                        .shards_folder = "shards",
                                        .run_folder = run->folder,
                                        .run = fixture_identity,
                                        .comm = run->comm,
                                        .threads = run->threads ? run->threads : 1};
    Q_TRY(trainer_create(&setup, &trainer));
    q_status status = trainer_run(trainer);
    struct trainer_summary summary;
    trainer_summary(trainer, &summary);
    trainer_release(trainer);
    if (!status && end)
        *end = (struct fixture_end){summary.position, fixture_latest_hash(run->folder)};
    return status;
}

q_status fixture_train(const struct fixture_run *run, struct fixture_end *end)
{
    struct q_recipe recipe = {0};
    q_status status = train(run, &recipe, end);
    q_recipe_release(&recipe);
    return status;
}

q_hash fixture_latest_hash(const char *folder)
{
    struct q_arena arena = {0};
    struct q_buffer text = {0}, hashes = {0};
    const char *path, **names;
    size_t count;
    assert_ok(q_fs_join(&arena, folder, "latest", &path));
    assert_ok(q_fs_read_file(path, 64, &text));
    assert_ok(q_arena_printf(&arena, &path, "%s/checkpoints/%.*s", folder,
                             Q_STRING_ARGS(q_string_trim(q_buffer_string(&text)))));
    assert_ok(q_fs_list(path, &arena, &names, &count));
    for (size_t i = 0; i < count; i++) {
        const char *file;
        uint64_t bytes;
        q_hash hash;
        if (strcmp(names[i], "trainer.json") == 0)
            continue;
        assert_ok(q_fs_join(&arena, path, names[i], &file));
        assert_ok(q_fs_hash_file(file, &bytes, &hash));
        assert_ok(q_buffer_append(&hashes, &hash, sizeof hash));
    }
    q_hash all = q_hash_string(q_buffer_string(&hashes));
    q_buffer_release(&text);
    q_buffer_release(&hashes);
    q_arena_release(&arena);
    return all;
}

size_t fixture_events(const char *folder, const char *event, json_t **out)
{
    struct q_arena arena = {0};
    const char *path;
    json_t *lines, *line, *newest = NULL;
    size_t i, count = 0;
    assert_ok(q_fs_join(&arena, folder, "journal", &path));
    assert_ok(q_journal_read(path, &lines));
    json_array_foreach(lines, i, line)
    {
        if (strcmp(json_string_value(json_object_get(line, "event")), event) != 0)
            continue;
        count++;
        newest = line;
    }
    if (out)
        *out = json_incref(newest);
    json_decref(lines);
    q_arena_release(&arena);
    return count;
}
