/* Stage 3 as steps: any threads, any tasks, any kill, any failing call, and the same bytes. */
#include "base/document.h"
#include "base/fs.h"
#include "base/manifest.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"
#include "tokenizer/count/counts.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_stage.h"

#include <string.h>

enum { PARTS = 3, DOCUMENTS = 12 };
static const double held_out = 0.3;
static const uint64_t held_out_seed = 5;

static const char *const words[] = {"the",  "mill",     "grinds", "stone", "Mühle",
                                    "石磨", "мельница", "flour",  "x86",   "12345"};

static void write_part(struct q_step *step, uint64_t part)
{
    struct q_documents_writer *writer;
    struct q_accounting accounting = {0};
    struct q_part_file file;
    struct q_buffer text = {0};
    const char *path;
    uint64_t dice = 100 + part;
    assert_ok(q_step_part_path(step, part, ".jsonl.zst", &path));
    file.name = q_fs_base_name(path);
    assert_ok(q_documents_create(path, &writer));
    for (int i = 0; i < DOCUMENTS; i++) {
        struct q_buffer id = {0};
        q_buffer_clear(&text);
        for (int k = 0; k < 60; k++)
            assert_ok(q_buffer_printf(&text, "%s%c%c%s", words[dice_roll(&dice) % 10],
                                      (int)('a' + dice_roll(&dice) % 26), (int)('a' + dice_roll(&dice) % 26),
                                      k % 9 ? " " : ".\n"));
        assert_ok(q_buffer_printf(&id, "words/part%d#%d", (int)part, i));
        struct q_document document = {.id = q_buffer_string(&id),
                                      .text = q_buffer_string(&text),
                                      .source = Q_STRING("words"),
                                      .lang = q_string_of(i % 2 ? "en" : "de"),
                                      .lang_score = 1,
                                      .quality = -1};
        assert_ok(q_documents_append(writer, &document));
        assert_ok(q_account_kept(&accounting, text.size, text.size));
        q_buffer_release(&id);
    }
    assert_ok(q_documents_commit(writer, &file.identity));
    assert_ok(q_step_part_publish(step, part, &file, 1, &accounting, NULL));
    q_accounting_release(&accounting);
    q_buffer_release(&text);
}

/* A finished folder of documents, as stage 2 leaves one. */
static int make_documents(void **state)
{
    struct q_step step;
    struct q_finish finish = {.parts = PARTS, .held_out = held_out, .held_out_seed = held_out_seed, .program = "test"};
    if (scratch_enter(state))
        return 1;
    assert_ok(q_step_begin(&step, "dedup", "filter", 1, 0, json_object()));
    assert_ok(q_step_seal(&step));
    assert_ok(q_step_open(&step, "documents", false));
    for (uint64_t part = 0; part < PARTS; part++)
        write_part(&step, part);
    assert_ok(q_step_finish(&step, &finish, NULL));
    q_step_release(&step);
    return 0;
}

/* What a command line would say. */
static struct q_common command(const char *out, uint64_t threads)
{
    static const char *sets[] = {"tokenizer.vocab_size=600"};
    return (struct q_common){.out = out, .threads = threads, .quiet = true, .set = {sets, 1, 1}, .task = {0, 1}};
}

static q_status build(const struct q_common *common)
{
    struct tokenizer_stage stage = {0};
    q_status status = tokenizer_stage_open(&stage, common, "documents");
    if (!status)
        status = tokenizer_stage_build(&stage, NULL);
    tokenizer_stage_release(&stage);
    return status;
}

static void assert_same_file(const char *left, const char *right)
{
    struct q_buffer a = {0}, b = {0};
    scratch_read(left, &a);
    scratch_read(right, &b);
    assert_true(q_string_equal(q_buffer_string(&a), q_buffer_string(&b)));
    q_buffer_release(&a);
    q_buffer_release(&b);
}

/* The folder holds what the first build made. */
static void assert_as_first(const char *folder)
{
    static const char *const names[] = {"step.json",        "tokenizer.json",  "tokenizer_config.json",
                                        "sample.jsonl.zst", "part-00000.json", "manifest.json"};
    struct q_arena arena = {0};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *a, *b;
        assert_ok(q_fs_join(&arena, "first", names[i], &a));
        assert_ok(q_fs_join(&arena, folder, names[i], &b));
        assert_same_file(a, b);
    }
    q_arena_release(&arena);
}

static void the_first_build(void **state)
{
    struct q_common common = command("first", 1);
    struct q_manifest manifest;
    struct tokenizer *tokenizer;
    (void)state;
    assert_ok(build(&common));
    assert_ok(q_manifest_read("first", &manifest));
    assert_ok(q_manifest_verify(&manifest));
    assert_string_equal(manifest.stage, "tokenizer");
    assert_string_equal(manifest.step, "train");
    json_t *statistics = json_object_get(manifest.json, "statistics");
    assert_int_equal(json_integer_value(json_object_get(statistics, "vocabulary")), 600);
    json_t *sample = json_object_get(statistics, "sample"), *curve = json_object_get(statistics, "merge_counts");
    assert_int_equal(json_object_size(sample), 2);
    assert_true(json_integer_value(json_object_get(json_object_get(sample, "en"), "characters")) > 0);
    assert_true(json_array_size(json_object_get(curve, "ranks")) > 10);
    assert_int_equal(json_array_size(json_object_get(curve, "ranks")),
                     json_array_size(json_object_get(curve, "per_million_bytes")));
    q_manifest_release(&manifest);
    assert_ok(tokenizer_load("first", &tokenizer));
    assert_int_equal(tokenizer_size(tokenizer), 600);
    tokenizer_release(tokenizer);
}

static void held_out_documents_are_not_counted(void **state)
{
    struct q_common common = command("first", 1);
    struct tokenizer_stage stage = {0};
    struct q_manifest manifest;
    struct q_buffer id = {0};
    uint64_t held = 0;
    const char *folder;
    (void)state;
    for (int part = 0; part < PARTS; part++)
        for (int i = 0; i < DOCUMENTS; i++) {
            q_buffer_clear(&id);
            assert_ok(q_buffer_printf(&id, "words/part%d#%d", part, i));
            held += q_document_held_out(q_buffer_string(&id), held_out_seed, held_out);
        }
    assert_in_range(held, 1, PARTS * DOCUMENTS - 1);
    assert_ok(tokenizer_stage_open(&stage, &common, "documents"));
    assert_ok(q_fs_join(&stage.recipe.arena, "first/work", stage.count.key, &folder));
    assert_ok(q_manifest_read(folder, &manifest));
    assert_int_equal(manifest.part_count, PARTS);
    assert_int_equal(manifest.accounting.in.documents, PARTS * DOCUMENTS);
    assert_int_equal(manifest.accounting.kept.documents, PARTS * DOCUMENTS - held);
    assert_int_equal(manifest.accounting.reason_count, 1);
    assert_string_equal(manifest.accounting.reasons[0].name, "held-out");
    q_manifest_release(&manifest);
    tokenizer_stage_release(&stage);
    q_buffer_release(&id);
}

static void threads_do_not_matter(void **state)
{
    struct q_common common = command("threads", 3);
    (void)state;
    assert_ok(build(&common));
    assert_as_first("threads");
}

static void tasks_do_not_matter(void **state)
{
    struct q_common common = command("tasks", 1);
    bool done;
    (void)state;
    common.step = "count";
    for (uint64_t task = 0; task < 2; task++) {
        common.task = (struct q_task){1 - task, 2};
        assert_ok(build(&common));
    }
    common.task = (struct q_task){0, 1};
    common.step = "train";
    assert_fails(build(&common), Q_ERR_INPUT, "--step count"); /* the count is not summed up */
    assert_ok(q_manifest_done("tasks", &done));
    assert_false(done);
    common.step = "count";
    assert_ok(build(&common));
    common.step = "train";
    assert_ok(build(&common));
    assert_as_first("tasks");
}

static void a_done_step_is_not_built_again(void **state)
{
    struct q_common common = command("first", 2), other = command("first", 2);
    static const char *sets[] = {"tokenizer.vocab_size=700"};
    (void)state;
    assert_ok(build(&common));
    assert_as_first("first");
    other.set.items = sets;
    assert_fails(build(&other), Q_ERR_USAGE, "vocab_size");
    assert_as_first("first");
}

static void wrong_steps_and_tasks_are_refused(void **state)
{
    struct q_common common = command("refused", 1);
    (void)state;
    common.step = "merge";
    assert_fails(build(&common), Q_ERR_USAGE, "count and train");
    common.step = "train";
    common.task = (struct q_task){1, 2};
    assert_fails(build(&common), Q_ERR_USAGE, "--task");
}

static int build_killed(void *context)
{
    return build(context) ? 1 : 0;
}

/* SIGKILL in place of the k-th call to the file system, then once more to the end. */
static void killed_at_any_call_it_ends_the_same(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k += 1 + k / 6) {
        struct q_common common = command("killed", 1);
        int code;
        assert_ok(q_fs_remove_tree("killed"));
        bool killed = fault_fs_killed(k, build_killed, &common, &code);
        assert_ok(build(&common));
        assert_as_first("killed");
        if (!killed) {
            assert_int_equal(code, 0);
            break;
        }
    }
}

static void failing_at_any_call_it_says_so(void **state)
{
    static const enum fault_kind kinds[] = {FAULT_FAIL, FAULT_DISK_FULL};
    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        for (uint64_t k = 1;; k += 1 + k / 4) {
            struct q_common common = command("failed", 1);
            bool done;
            assert_ok(q_fs_remove_tree("failed"));
            fault_fs_start(kinds[i], k);
            q_status status = build(&common);
            bool reached = fault_fs_stop();
            assert_ok(q_manifest_done("failed", &done));
            if (status == Q_OK)
                assert_true(done);
            assert_ok(build(&common));
            assert_as_first("failed");
            if (!reached)
                break;
        }
}

static void a_damaged_part_of_counts_is_an_error(void **state)
{
    struct q_common common = command("damaged", 1);
    struct tokenizer_stage stage = {0};
    struct q_buffer bytes = {0};
    const char *folder, *path;
    (void)state;
    common.step = "count";
    assert_ok(build(&common));
    assert_ok(tokenizer_stage_open(&stage, &common, "documents"));
    assert_ok(q_fs_join(&stage.recipe.arena, "damaged/work", stage.count.key, &folder));
    assert_ok(q_fs_join(&stage.recipe.arena, folder, "part-00001.counts", &path));
    scratch_read(path, &bytes);
    bytes.data[bytes.size / 2] ^= 1;
    scratch_write(path, bytes.data, bytes.size);
    common.step = NULL;
    assert_fails(build(&common), Q_ERR_INPUT, "part-00001.counts");
    tokenizer_stage_release(&stage);
    q_buffer_release(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_build),
        cmocka_unit_test(held_out_documents_are_not_counted),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(tasks_do_not_matter),
        cmocka_unit_test(a_done_step_is_not_built_again),
        cmocka_unit_test(wrong_steps_and_tasks_are_refused),
        cmocka_unit_test(killed_at_any_call_it_ends_the_same),
        cmocka_unit_test(failing_at_any_call_it_says_so),
        cmocka_unit_test(a_damaged_part_of_counts_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_documents, scratch_leave);
}
