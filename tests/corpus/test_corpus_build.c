/* Builds: the plan's names and parts, the same bytes for any threads, tasks, kills and failures, and the balance of the accounting. */
#include "base/check.h"
#include "base/clock.h"
#include "base/document.h"
#include "base/json.h"
#include "corpus/corpus_build.h"
#include "corpus/corpus_statistics.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"
#include "tests/corpus/make_archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SENTENCE                                                                                                       \
    "The mill stands by the river, and its wheel turns day and night, grinding what the farmers bring to it. "
#define GOOD SENTENCE SENTENCE SENTENCE SENTENCE

/* One build as the program does it. */
struct run {
    const char *folder;
    unsigned threads;
    struct q_task task;
    const char *sets[4]; /* overrides, NULL ends */
    const char *inputs[3];
};

static q_status run_build(const struct run *run, struct q_accounting *sum)
{
    struct corpus_plan plan = {0};
    struct q_step step = {0};
    struct q_pool *pool = NULL;
    q_accounting_release(sum);
    struct q_texts sets = {.items = (const char **)(uintptr_t)run->sets};
    size_t inputs = 0;
    while (sets.count < 4 && run->sets[sets.count])
        sets.count++;
    while (inputs < 3 && run->inputs[inputs])
        inputs++;
    q_status status = corpus_plan_begin(NULL, &sets, &plan);
    if (status == Q_OK)
        status = corpus_plan_files(&plan, run->inputs, inputs);
    if (status == Q_OK)
        status = corpus_plan_parts(&plan);
    if (status == Q_OK)
        status = corpus_plan_step(&plan, &step);
    if (status == Q_OK)
        status = q_step_open(&step, run->folder, false);
    if (status == Q_OK)
        status = q_pool_create(run->threads, &pool);
    for (uint64_t p = 0; p < plan.part_count && status == Q_OK && !step.done; p++) {
        bool done;
        status = q_step_part_done(&step, p, &done);
        if (status == Q_OK && !done && q_task_has(run->task, p))
            status = corpus_build_part(&plan, &step, p, pool);
    }
    if (status == Q_OK && !step.done && run->task.count <= 1) {
        struct q_finish finish = {
            .parts = plan.part_count, .held_out = plan.settings.held_out, .program = "quern-corpus"};
        status = corpus_build_statistics(&plan, &step, &finish.statistics);
        if (status == Q_OK)
            status = q_step_finish(&step, &finish, sum);
    }
    struct q_error error;
    if (status != Q_OK)
        q_error_take(&error, status);
    q_pool_release(pool);
    q_step_release(&step);
    corpus_plan_release(&plan);
    return status == Q_OK ? Q_OK : q_error_put(&error);
}

/* Folder `in`: pages, lines, an archive and damage, in several files. */
static void write_inputs(void)
{
    struct q_buffer text = {0};
    mkdir("in", 0755);
    mkdir("in/sub", 0755);
    for (unsigned i = 0; i < 40; i++)
        assert_ok(q_buffer_printf(
            &text, "{\"id\":\"user-%u\",\"text\":\"Number %u. " GOOD "\",\"url\":\"u%u\",\"n\":%u}\n", i, i, i, i));
    assert_ok(q_buffer_printf(&text, "not json\n{\"text\":7}\n{\"text\":\"short\"}\n{\"text\":\"\xFF\"}\n"));
    scratch_write("in/a.jsonl", text.data, text.size);
    scratch_write("in/b.html", "<h1>Mill</h1><p>" GOOD, strlen("<h1>Mill</h1><p>" GOOD));
    scratch_write("in/c.bin", "\0\1\2", 3);
    const struct made_entry pages[] = {
        {"x.html", "<p>" GOOD GOOD, 0}, {"y.txt", "Only a few words.", 0}, {"z.txt", "More. " GOOD, 0}};
    make_archive("tar", "gzip", pages, 3, &text);
    scratch_write("in/sub/d.tar.gz", text.data, text.size);
    make_debian_package(pages, 3, &text);
    scratch_write("in/sub/e.deb", text.data, text.size - 40);
    q_buffer_release(&text);
}

static const struct run usual = {
    .folder = "out", .threads = 1, .sets = {"corpus.part_bytes=500", "corpus.held_out=0.2"}, .inputs = {"in"}};

static bool same_file(const char *a, const char *b)
{
    struct q_buffer left = {0}, right = {0};
    scratch_read(a, &left);
    scratch_read(b, &right);
    bool same = left.size == right.size && memcmp(left.data, right.data, left.size) == 0;
    q_buffer_release(&left);
    q_buffer_release(&right);
    return same;
}

/* Manifest and documents of two builds are the same bytes. */
static void assert_same_builds(const char *a, const char *b)
{
    struct q_manifest manifest = {0};
    char left[256], right[256];
    assert_ok(q_manifest_read(a, &manifest));
    assert_ok(q_manifest_verify(&manifest));
    snprintf(left, sizeof left, "%s/manifest.json", a);
    snprintf(right, sizeof right, "%s/manifest.json", b);
    assert_true(same_file(left, right));
    for (size_t p = 0; p < manifest.part_count; p++)
        for (size_t f = 0; f < manifest.parts[p].file_count; f++) {
            snprintf(left, sizeof left, "%s/%s", a, manifest.parts[p].files[f].name);
            snprintf(right, sizeof right, "%s/%s", b, manifest.parts[p].files[f].name);
            assert_true(same_file(left, right));
        }
    assert_true(manifest.part_count > 2);
    q_manifest_release(&manifest);
}

static uint64_t reason_count(const struct q_accounting *a, const char *name)
{
    for (size_t i = 0; i < a->reason_count; i++)
        if (strcmp(a->reasons[i].name, name) == 0)
            return a->reasons[i].tally.documents;
    return 0;
}

static void test_accounting(void **state)
{
    (void)state;
    struct q_accounting sum = {0};
    assert_ok(run_build(&usual, &sum));
    q_accounting_check(&sum);
    assert_int_equal(sum.in.documents, 44 + 1 + 1 + 3 + 1);
    assert_int_equal(sum.kept.documents, 40 + 1 + 2);
    assert_int_equal(reason_count(&sum, "json"), 1);
    assert_int_equal(reason_count(&sum, "utf-8"), 1);
    assert_int_equal(reason_count(&sum, "no-text"), 1);
    assert_int_equal(reason_count(&sum, "gopher.words"), 2);
    assert_int_equal(reason_count(&sum, "not-text"), 1);
    assert_int_equal(reason_count(&sum, "archive-truncated"), 1);
    q_accounting_release(&sum);
}

/* All lines of a build, its parts one behind the other. */
static void read_build(const char *folder, struct q_buffer *out)
{
    struct q_manifest manifest = {0};
    struct q_buffer batch = {0};
    q_buffer_clear(out);
    assert_ok(q_manifest_read(folder, &manifest));
    for (size_t p = 0; p < manifest.part_count; p++) {
        struct q_lines_reader *reader;
        char path[256];
        snprintf(path, sizeof path, "%s/%s", folder, manifest.parts[p].files[0].name);
        assert_ok(q_lines_open(path, &reader));
        do {
            assert_ok(q_lines_next(reader, 1 << 20, &batch));
            assert_ok(q_buffer_append_string(out, q_buffer_string(&batch)));
        } while (batch.size);
        q_lines_close(reader);
    }
    q_buffer_release(&batch);
    q_manifest_release(&manifest);
}

/* Documents read back: ids, the user's members, the fields. */
static void test_documents(void **state)
{
    (void)state;
    struct q_jsonl_parser *parser;
    struct q_buffer lines = {0}, file = {0};
    struct q_document document;
    assert_ok(q_jsonl_create(&parser));
    read_build("out", &lines);
    scratch_read("in/a.jsonl", &file);
    q_string rest = q_buffer_string(&lines), line, source = q_buffer_string(&file);
    for (unsigned i = 0; i < 40; i++) {
        char id[64], meta[64];
        size_t place = file.size - source.size;
        assert_true(q_string_next_line(&source, &line));
        assert_true(q_string_next_line(&rest, &line));
        assert_ok(q_document_parse(parser, line, &document));
        snprintf(id, sizeof id, "in/a.jsonl#%zu", place);
        snprintf(meta, sizeof meta, "{\"id\":\"user-%u\",\"n\":%u}", i, i);
        assert_true(q_string_is(document.id, id));
        assert_true(q_string_is(document.meta, meta));
        assert_true(q_string_is(document.source, "in"));
        assert_true(q_string_is(document.lang, "en"));
        assert_true(document.lang_score > 0.9);
        assert_true(q_string_ends(document.text, "bring to it.")); /* trimmed */
    }
    q_jsonl_release(parser);
    q_buffer_release(&file);
    q_buffer_release(&lines);
}

/* A file of lines of any length, some blank, some longer than a part, is cut at any size: the same documents, ids included, and the same accounting. */
static void test_pieces(void **state)
{
    (void)state;
    struct q_buffer file = {0}, whole = {0}, cut = {0};
    struct q_accounting sum = {0};
    uint64_t dice = 17;
    for (unsigned i = 0; i < 300; i++) {
        unsigned copies = dice_roll(&dice) % 40 ? 4 : 60;
        assert_ok(q_buffer_printf(&file, "%s{\"text\": \"", dice_roll(&dice) % 5 ? "" : " \t\r\n\n"));
        for (unsigned k = 0; k < copies; k++)
            assert_ok(q_buffer_printf(&file, SENTENCE));
        assert_ok(q_buffer_printf(&file, "\"}%s", i % 7 ? "\n" : i < 299 ? "\n  \n" : ""));
        if (i % 50 == 9) /* longer than an item may be, and yet none */
            assert_ok(q_buffer_printf(&file, "\n%40000s\n", ""));
    }
    scratch_write("lines.jsonl", file.data, file.size);
    struct run run = {.folder = "uncut",
                      .threads = 2,
                      .sets = {"corpus.part_bytes=1TB", "corpus.item_bytes_max=30000"},
                      .inputs = {"lines.jsonl"}};
    assert_ok(run_build(&run, &sum));
    assert_int_equal(sum.kept.documents, 300);
    read_build("uncut", &whole);
    static const char *const sizes[] = {"1", "400", "5000", "17000", "60000"};
    for (size_t i = 0; i < Q_COUNT_OF(sizes); i++) {
        char folder[32], setting[64];
        snprintf(folder, sizeof folder, "cut%zu", i);
        snprintf(setting, sizeof setting, "corpus.part_bytes=%s", sizes[i]);
        run.folder = folder;
        run.sets[0] = setting;
        assert_ok(run_build(&run, &sum));
        assert_int_equal(sum.in.documents, 300);
        read_build(folder, &cut);
        assert_true(q_string_equal(q_buffer_string(&whole), q_buffer_string(&cut)));
        struct q_manifest manifest = {0};
        assert_ok(q_manifest_read(folder, &manifest));
        assert_true(i ? manifest.part_count > 1 : manifest.part_count >= 300);
        q_manifest_release(&manifest);
    }
    q_accounting_release(&sum);
    q_buffer_release(&file);
    q_buffer_release(&whole);
    q_buffer_release(&cut);
}

/* What a file is does not depend on whether it is cut: lines under an archive's name are an archive that is damaged, records are records. */
static void test_pieces_of_what_is_none(void **state)
{
    (void)state;
    struct q_accounting sum = {0};
    struct q_buffer file = {0};
    for (unsigned i = 0; i < 40; i++)
        assert_ok(q_buffer_printf(&file, "{\"text\": \"" GOOD "\"}\n"));
    scratch_write("lines.jsonl.gz", file.data, file.size);
    static const char *const sizes[] = {"corpus.part_bytes=1TB", "corpus.part_bytes=500"};
    for (size_t i = 0; i < Q_COUNT_OF(sizes); i++) {
        struct run run = {
            .folder = i ? "gz-cut" : "gz", .threads = 1, .sets = {sizes[i]}, .inputs = {"lines.jsonl.gz"}};
        assert_fails(run_build(&run, &sum), Q_ERR_INPUT, "nothing of it can be read (archive-damaged)");
    }
    q_accounting_release(&sum);
    q_buffer_release(&file);
}

static void test_threads_and_tasks(void **state)
{
    (void)state;
    struct run other = usual;
    struct q_accounting sum = {0};
    other.folder = "threads";
    other.threads = 3;
    assert_ok(run_build(&other, &sum));
    assert_same_builds("out", "threads");
    other.folder = "tasks";
    for (uint64_t i = 3; i-- > 0;) { /* any order */
        other.task = (struct q_task){i, 3};
        other.threads = 1 + (unsigned)i;
        assert_ok(run_build(&other, &sum));
    }
    other.task = (struct q_task){0, 1};
    assert_ok(run_build(&other, &sum));
    assert_same_builds("out", "tasks");
    q_accounting_release(&sum);
}

static void test_parts_and_names(void **state)
{
    (void)state;
    struct corpus_plan plan = {0};
    const char *inputs[] = {"in", "in/*.html", "in/b.html"};
    struct q_texts sets = {0};
    assert_ok(corpus_plan_begin(NULL, &sets, &plan));
    assert_fails(corpus_plan_files(&plan, inputs + 2, 0), Q_ERR_USAGE, "there is no input");
    assert_ok(corpus_plan_files(&plan, inputs, 1));
    assert_ok(corpus_plan_parts(&plan));
    assert_int_equal(plan.part_count, 1); /* all within 64 MiB */
    assert_int_equal(corpus_part_bytes(&plan, plan.parts), plan.bytes);
    assert_int_equal(plan.sources[0].file_count, 5);
    assert_string_equal(plan.sources[0].files[0].name, "a.jsonl");
    assert_string_equal(plan.sources[0].files[4].name, "sub/e.deb");
    corpus_plan_release(&plan);
    assert_ok(corpus_plan_begin(NULL, &sets, &plan));
    const char *absent[] = {"in/none.html"}, *unmatched[] = {"in/*.none"}, *twice[] = {"in/b.html", "in/../in/b.html"};
    assert_fails(corpus_plan_files(&plan, absent, 1), Q_ERR_INPUT, "none.html");
    assert_fails(corpus_plan_files(&plan, unmatched, 1), Q_ERR_INPUT, "no file is there for 'in/*.none'");
    assert_fails(corpus_plan_files(&plan, twice, 2), Q_ERR_USAGE, "would both be called 'b.html'");
    corpus_plan_release(&plan);
    const struct {
        const char *path, *name;
    } names[] = {
        {"/a/b/My File (1).DEB", "my-file-1-.deb"}, {"x/", "x"}, {"..", "input"}, {"\xC3\xA9.txt", "txt"}, {"_a", "a"}};
    struct q_arena arena = {0};
    for (size_t i = 0; i < Q_COUNT_OF(names); i++) {
        const char *name;
        assert_ok(corpus_input_name(&arena, names[i].path, &name));
        assert_string_equal(name, names[i].name);
    }
    q_arena_release(&arena);
}

static void test_unreadable_input(void **state)
{
    (void)state;
    struct q_accounting sum = {0};
    scratch_write("broken.deb", "!<arch>\ndebian-binary   ", 24);
    struct run run = {.folder = "broken", .threads = 1, .inputs = {"broken.deb"}};
    assert_fails(run_build(&run, &sum), Q_ERR_INPUT, "nothing of it can be read (archive-truncated)");
    bool done;
    assert_ok(q_manifest_done("broken", &done));
    assert_false(done);
    q_accounting_release(&sum);
}

/* Killed in place of every call to the file system in turn: the next run ends with the bytes of an undisturbed one. */
static int build_once(void *context)
{
    struct q_accounting sum = {0};
    return run_build(context, &sum) == Q_OK ? 0 : 1;
}

static void test_killed_at_every_call(void **state)
{
    (void)state;
    struct run run = usual;
    struct q_accounting sum = {0};
    run.folder = "killed";
    run.sets[0] = "corpus.part_bytes=1TB"; /* one part: fewer calls; the others are tested above */
    struct run whole = run;
    whole.folder = "whole";
    assert_ok(run_build(&whole, &sum));
    for (uint64_t k = 1;; k++) {
        int code = -1;
        assert_ok(q_fs_remove_tree("killed"));
        if (!fault_fs_killed(k, build_once, &run, &code)) {
            assert_int_equal(code, 0);
            break;
        }
        bool done;
        assert_ok(q_manifest_done("killed", &done));
        assert_ok(run_build(&run, &sum));
        assert_true(same_file("whole/manifest.json", "killed/manifest.json"));
        assert_true(same_file("whole/part-00000.jsonl.zst", "killed/part-00000.jsonl.zst"));
        assert_true(k < 2000);
    }
    q_accounting_release(&sum);
}

/* A stop that was asked for: Q_STOPPED, nothing that looks whole, and the next run ends well. */
static int build_stopped(void *context)
{
    struct q_accounting sum = {0};
    q_stop_request();
    q_status status = run_build(context, &sum);
    return q_exit_code(status);
}

static void test_stopped(void **state)
{
    (void)state;
    struct run run = usual;
    struct q_accounting sum = {0};
    int code = -1;
    bool done;
    run.folder = "stopped";
    assert_false(fault_fs_killed(UINT64_MAX, build_stopped, &run, &code));
    assert_int_equal(code, 75);
    assert_ok(q_manifest_done("stopped", &done));
    assert_false(done);
    assert_ok(run_build(&run, &sum));
    assert_same_builds("out", "stopped");
    q_accounting_release(&sum);
}

/* Each call failing, and a disk that fills up: a status, nothing that looks whole, and the next run ends well. */
static void test_failing_disk(void **state)
{
    (void)state;
    struct run run = usual;
    run.folder = "failing";
    run.sets[0] = "corpus.part_bytes=1TB";
    static const enum fault_kind kinds[] = {FAULT_FAIL, FAULT_DISK_FULL};
    for (size_t kind = 0; kind < Q_COUNT_OF(kinds); kind++)
        for (uint64_t k = 1;; k += kind ? 7 : 1) {
            struct q_accounting sum = {0};
            assert_ok(q_fs_remove_tree("failing"));
            fault_fs_start(kinds[kind], k);
            q_status status = run_build(&run, &sum);
            bool reached = fault_fs_stop();
            q_accounting_release(&sum);
            if (!reached)
                break;
            if (status != Q_OK) {
                bool done;
                assert_ok(q_manifest_done("failing", &done));
                if (kinds[kind] == FAULT_DISK_FULL)
                    assert_false(done);
                assert_ok(run_build(&run, &sum));
                q_accounting_release(&sum);
            }
            assert_true(same_file("whole/manifest.json", "failing/manifest.json"));
        }
}

static void test_statistics_add_in_any_order(void **state)
{
    (void)state;
    struct corpus_statistics all = {0}, halves[2], sum = {0}, back = {0};
    memset(halves, 0, sizeof halves);
    for (unsigned i = 0; i < 200; i++) {
        char id[32], lang[8];
        snprintf(id, sizeof id, "in/%u", i);
        snprintf(lang, sizeof lang, "l%u", i % 7);
        struct corpus_statistics *each[] = {&all, &halves[i * 7 % 3 == 0]};
        for (size_t j = 0; j < 2; j++) {
            assert_ok(corpus_statistics_kept(each[j], q_string_of(lang), i * i, i % 5 == 0));
            assert_ok(corpus_statistics_sample(each[j], i % 2 ? "odd" : "even", q_string_of(id), Q_STRING("text"), 5));
        }
    }
    assert_int_equal(all.sample_count, 10);
    assert_ok(corpus_statistics_add(&sum, &halves[1], 5));
    assert_ok(corpus_statistics_add(&sum, &halves[0], 5));
    json_t *one, *two, *three;
    assert_ok(corpus_statistics_json(&all, &one));
    assert_ok(corpus_statistics_json(&sum, &two));
    assert_true(json_equal(one, two));
    assert_ok(corpus_statistics_parse(one, "test", 5, &back));
    assert_ok(corpus_statistics_json(&back, &three));
    assert_true(json_equal(one, three));
    json_object_del(one, "lengths");
    assert_fails(corpus_statistics_parse(one, "test", 5, &back), Q_ERR_INPUT, "lengths");
    json_decref(one);
    json_decref(two);
    json_decref(three);
    struct corpus_statistics *each[] = {&all, &halves[0], &halves[1], &sum, &back};
    for (size_t i = 0; i < Q_COUNT_OF(each); i++)
        corpus_statistics_release(each[i]);
}

static int enter(void **state)
{
    if (scratch_enter_memory(state) != 0)
        return 1;
    write_inputs();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_accounting),
                                       cmocka_unit_test(test_documents),
                                       cmocka_unit_test(test_pieces),
                                       cmocka_unit_test(test_pieces_of_what_is_none),
                                       cmocka_unit_test(test_threads_and_tasks),
                                       cmocka_unit_test(test_parts_and_names),
                                       cmocka_unit_test(test_unreadable_input),
                                       cmocka_unit_test(test_killed_at_every_call),
                                       cmocka_unit_test(test_failing_disk),
                                       cmocka_unit_test(test_stopped),
                                       cmocka_unit_test(test_statistics_add_in_any_order)};
    return cmocka_run_group_tests(tests, enter, scratch_leave);
}
