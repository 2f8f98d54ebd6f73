/* Steps and manifests: identity, parts in any order, kills, hostile manifests, another identity in the folder. */
#include "base/check.h"
#include "base/document.h"
#include "base/fs.h"
#include "base/manifest.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int no_fsync(int fd)
{
    (void)fd;
    return 0;
}

/* Where it is not the disk that fails it need not be waited for. fault_fs_stop ends it. */
static void do_not_sync(void)
{
    static struct q_fs_calls quick;
    quick = q_fs_system;
    quick.fsync = no_fsync;
    q_fs_replace(&quick);
}

/* A step of three parts. The settings are JSON as q_settings_json gives it. */
static q_status begin(struct q_step *step, const char *settings, uint64_t seed, const char *input)
{
    json_t *json = NULL;
    Q_TRY(q_json_parse(q_string_of(settings), "settings", &json));
    Q_TRY(q_step_begin(step, "dedup", "sign", 3, seed, json));
    q_status status = q_step_add_input(step, "corpus", q_hash_string(q_string_of(input)));
    if (!status)
        status = q_step_add_input(step, "web.2", q_hash_string(Q_STRING("x")));
    if (!status)
        status = q_step_seal(step);
    if (status)
        q_step_release(step);
    return status;
}

static const char usual[] = "{\"part_bytes\":64,\"near\":{\"bands\":14,\"rows\":8},\"langs\":[\"de\",\"fr\"]}";

static q_status build_part(struct q_step *step, uint64_t part)
{
    struct q_accounting accounting = {0};
    struct q_part_file files[2] = {{0}};
    const char *paths[2];
    char text[64];
    json_t *statistics = NULL;
    int size = snprintf(text, sizeof(text), "the bytes of part %u\n", (unsigned)part);
    q_status status = Q_OK;
    for (int i = 0; i < 2 && !status; i++) {
        status = q_step_part_path(step, part, i ? ".a.txt" : ".b.txt", &paths[i]);
        if (!status)
            status = q_publish_bytes(paths[i], text, (size_t)size, &files[i].identity);
        if (!status)
            files[i].name = q_fs_base_name(paths[i]);
    }
    if (!status)
        status = q_account_kept(&accounting, 100, 80);
    if (!status)
        status = q_account_dropped(&accounting, part ? "words" : "near", 10 + part);
    if (!status)
        status = (statistics = json_pack("{s:i}", "tokens", 5)) ? Q_OK : q_fail(Q_ERR_MEMORY, "no memory");
    if (!status)
        status = q_step_part_publish(step, part, files, 2, &accounting, statistics);
    q_accounting_release(&accounting);
    return status;
}

static q_status build_in(struct q_step *step, const char *folder, const uint64_t order[3])
{
    struct q_accounting sum = {0};
    bool done;
    Q_TRY(q_step_open(step, folder, false));
    if (step->done)
        return Q_OK;
    for (int i = 0; i < 3; i++) {
        Q_TRY(q_step_part_done(step, order[i], &done));
        if (!done)
            Q_TRY(build_part(step, order[i]));
    }
    const struct q_finish finish = {.parts = 3, .held_out = 0.25, .held_out_seed = 7, .program = "quern-test"};
    q_status status = q_step_finish(step, &finish, &sum);
    if (!status)
        q_check(sum.in.documents == 6);
    q_accounting_release(&sum);
    return status;
}

static q_status build(const char *folder, const uint64_t order[3])
{
    struct q_step step;
    Q_TRY(begin(&step, usual, 7, "c"));
    q_status status = build_in(&step, folder, order);
    q_step_release(&step);
    return status;
}

static const uint64_t forward[3] = {0, 1, 2}, backward[3] = {2, 1, 0};

static void built_and_read(void **state)
{
    (void)state;
    struct q_manifest manifest;
    struct q_buffer text = {0}, identity = {0};
    assert_ok(build("a/b/c", forward));
    assert_ok(q_manifest_read("a/b/c", &manifest));
    assert_string_equal(manifest.stage, "dedup");
    assert_string_equal(manifest.step, "sign");
    assert_int_equal(strlen(manifest.key), 12);
    assert_int_equal(manifest.seed, 7);
    assert_true(manifest.held_out == 0.25);
    assert_int_equal(manifest.held_out_seed, 7);
    assert_int_equal(manifest.part_count, 3);
    assert_int_equal(manifest.parts[1].file_count, 2);
    assert_string_equal(manifest.parts[1].files[0].name, "part-00001.a.txt"); /* sorted, however they were listed */
    assert_int_equal(manifest.parts[1].files[0].bytes, 20);
    assert_int_equal(manifest.accounting.in.documents, 6);
    assert_int_equal(manifest.accounting.reason_count, 2);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(manifest.parts[0].record, "statistics"), "tokens")), 5);
    assert_ok(q_manifest_verify(&manifest));
    /* The key is the hash of step.json, and the manifest's hash that of its bytes. */
    char hex[Q_HASH_HEX];
    scratch_read("a/b/c/step.json", &identity);
    assert_memory_equal(q_hash_hex(q_hash_string(q_buffer_string(&identity)), hex), manifest.key, 12);
    scratch_read("a/b/c/manifest.json", &text);
    assert_true(q_hash_equal(q_hash_string(q_buffer_string(&text)), manifest.hash));
    /* Nothing of the machine is in it. */
    assert_ok(q_buffer_terminate(&text));
    char cwd[4096];
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    assert_null(strstr(text.data, cwd));
    assert_null(strstr(text.data, "a/b/c"));
    const char *path;
    assert_ok(q_manifest_path(&manifest, "x", &path));
    assert_string_equal(path, "a/b/c/x");
    q_manifest_release(&manifest);
    q_buffer_release(&text);
    q_buffer_release(&identity);
}

static void same_bytes_in_any_order(void **state)
{
    (void)state;
    struct q_buffer one = {0}, other = {0};
    assert_ok(build("forward", forward));
    assert_ok(build("backward", backward));
    static const char *const names[] = {"manifest.json", "step.json", "part-00000.json", "part-00002.json"};
    for (size_t i = 0; i < Q_COUNT_OF(names); i++) {
        char a[64], b[64];
        (void)snprintf(a, sizeof(a), "forward/%s", names[i]);
        (void)snprintf(b, sizeof(b), "backward/%s", names[i]);
        scratch_read(a, &one);
        scratch_read(b, &other);
        assert_true(q_string_equal(q_buffer_string(&one), q_buffer_string(&other)));
    }
    q_buffer_release(&one);
    q_buffer_release(&other);
}

/* Format 1, for ever: step.json, a record and a manifest as they were first written. */
static void golden(void **state)
{
    (void)state;
    struct q_buffer now = {0}, then = {0};
    static const char *const names[] = {"step.json", "part-00001.json", "manifest.json"};
    assert_ok(build("golden", forward));
    for (size_t i = 0; i < Q_COUNT_OF(names); i++) {
        char made[64], kept[512];
        (void)snprintf(made, sizeof(made), "golden/%s", names[i]);
        (void)snprintf(kept, sizeof(kept), QUERN_SOURCE "/tests/base/golden/step-1/%s", names[i]);
        scratch_read(made, &now);
        then.size = 0;
        assert_ok(q_fs_read_file(kept, 1 << 20, &then));
        assert_ok(q_buffer_terminate(&now));
        assert_ok(q_buffer_terminate(&then));
        assert_string_equal(now.data, then.data);
    }
    q_buffer_release(&now);
    q_buffer_release(&then);
}

static void open_other(const char *settings, uint64_t seed, const char *input, const char *words)
{
    struct q_step step;
    assert_ok(begin(&step, settings, seed, input));
    assert_fails(q_step_open(&step, "forward", false), Q_ERR_USAGE, words);
    assert_non_null(strstr(q_error_text(), "folder 'forward' holds another result: "));
    assert_non_null(strstr(q_error_text(), "; choose another folder or give --force"));
    q_step_release(&step);
}

static void other_identity_is_refused(void **state)
{
    (void)state;
    assert_ok(build("forward", forward));
    open_other("{\"part_bytes\":128,\"near\":{\"bands\":14,\"rows\":8},\"langs\":[\"de\",\"fr\"]}", 7, "c",
               "setting 'part_bytes' is 64 there, 128 here");
    open_other("{\"part_bytes\":64,\"near\":{\"bands\":14,\"rows\":9},\"langs\":[\"de\",\"fr\"]}", 7, "c",
               "setting 'near.rows' is 8 there, 9 here");
    open_other("{\"part_bytes\":64,\"near\":{\"bands\":14,\"rows\":8},\"langs\":[\"de\",\"es\"]}", 7, "c",
               "setting 'langs.1' is \"fr\" there, \"es\" here");
    open_other("{\"part_bytes\":64,\"near\":{\"bands\":14,\"rows\":8},\"langs\":[\"de\"]}", 7, "c",
               "setting 'langs' is [\"de\",\"fr\"] there, [\"de\"] here");
    open_other("{\"part_bytes\":64,\"near\":{\"bands\":14,\"rows\":8},\"langs\":[\"de\",\"fr\"],\"a\":1}", 7, "c",
               "setting 'a' is absent there, 1 here");
    open_other(usual, 8, "c", "its 'seed' is 7 there, 8 here");
    open_other(usual, 7, "d", "the input 'corpus' is not the same");
    struct q_step step;
    assert_ok(begin(&step, usual, 7, "c"));
    assert_ok(q_step_open(&step, "forward", false));
    assert_true(step.done);
    q_step_release(&step);
}

static unsigned count_names(const char *folder)
{
    struct q_arena arena = {0};
    const char **names;
    size_t count;
    assert_ok(q_fs_list(folder, &arena, &names, &count));
    q_arena_release(&arena);
    return (unsigned)count;
}

static void forced(void **state)
{
    (void)state;
    struct q_step step;
    assert_ok(build("forced", forward));
    scratch_write("forced/notes.txt", "mine", 4); /* not the step's: stays */
    scratch_write("outside", "kept", 4);
    assert_int_equal(symlink("../outside", "forced/part-00007.link"), 0);
    assert_ok(begin(&step, "{\"other\":1}", 7, "c"));
    assert_ok(q_step_open(&step, "forced", true));
    assert_false(step.done);
    assert_int_equal(count_names("forced"), 2); /* notes.txt, and the new step.json */
    assert_true(scratch_holds("forced/notes.txt", "mine"));
    assert_true(scratch_holds("outside", "kept"));
    q_step_release(&step);
}

static void foreign_folders(void **state)
{
    (void)state;
    struct q_step step;
    assert_ok(q_fs_make_directories("foreign/work"));
    scratch_write("foreign/thesis.tex", "x", 1);
    for (int force = 0; force <= 1; force++) {
        assert_ok(begin(&step, usual, 7, "c"));
        assert_fails(q_step_open(&step, "foreign", force), Q_ERR_USAGE,
                     "holds other things ('thesis.tex') and no step");
        q_step_release(&step);
    }
    assert_ok(q_fs_unlink("foreign/thesis.tex"));
    scratch_write("foreign/step.json.partial", "{", 1); /* a kill left it */
    assert_ok(begin(&step, usual, 7, "c"));
    assert_ok(q_step_open(&step, "foreign", false));
    q_step_release(&step);
    /* A damaged step.json: said, and replaced by force. */
    scratch_write("foreign/step.json", "{\"format\":", 10);
    assert_ok(begin(&step, usual, 7, "c"));
    assert_fails(q_step_open(&step, "foreign", false), Q_ERR_INPUT, "holds a damaged step, which --force replaces");
    assert_ok(q_step_open(&step, "foreign", true));
    q_step_release(&step);
    scratch_write("foreign/step.json", "[]", 2);
    assert_ok(begin(&step, usual, 7, "c"));
    assert_fails(q_step_open(&step, "foreign", false), Q_ERR_USAGE, "its 'stage' is absent there");
    q_step_release(&step);
}

static void unfinished(void **state)
{
    (void)state;
    struct q_step step;
    struct q_manifest manifest;
    bool done;
    uint64_t missing;
    assert_fails(q_manifest_read("nowhere", &manifest), Q_ERR_INPUT, "holds no finished result");
    assert_ok(begin(&step, usual, 7, "c"));
    assert_ok(q_step_open(&step, "half", false));
    assert_ok(build_part(&step, 0));
    assert_ok(build_part(&step, 2));
    assert_ok(q_step_first_missing(&step, 3, &missing));
    assert_int_equal(missing, 1);
    assert_fails(q_step_finish(&step, &(struct q_finish){.parts = 3}, NULL), Q_ERR_SYSTEM,
                 "part 1 of 'sign' is not built");
    assert_fails(q_manifest_read("half", &manifest), Q_ERR_INPUT, "run 'quern-dedup build' again");
    assert_ok(q_manifest_done("half", &done));
    assert_false(done);
    /* A record whose file is gone or has another size is no record. */
    scratch_write("half/part-00002.a.txt", "short", 5);
    assert_ok(q_step_part_done(&step, 2, &done));
    assert_false(done);
    assert_ok(q_fs_unlink("half/part-00000.b.txt"));
    assert_ok(q_step_first_missing(&step, 3, &missing));
    assert_int_equal(missing, 0);
    scratch_write("half/part-00002.json", "garbage", 7);
    assert_ok(q_step_part_done(&step, 2, &done));
    assert_false(done);
    q_step_release(&step);
    /* And the build goes on from there. */
    assert_ok(build("half", backward));
    assert_ok(q_manifest_done("half", &done));
    assert_true(done);
}

/* Changes one text of the manifest and looks what reading says. */
static void tamper(const char *from, const char *to, const char *words)
{
    struct q_buffer text = {0}, changed = {0};
    struct q_manifest manifest;
    bool done;
    scratch_read("tampered/manifest.json", &text);
    size_t at = q_string_find(q_buffer_string(&text), q_string_of(from), 0);
    assert_true(at != SIZE_MAX);
    assert_ok(q_buffer_append(&changed, text.data, at));
    assert_ok(q_buffer_append_string(&changed, q_string_of(to)));
    assert_ok(q_buffer_append(&changed, text.data + at + strlen(from), text.size - at - strlen(from)));
    scratch_write("tampered/manifest.json", changed.data, changed.size);
    assert_fails(q_manifest_read("tampered", &manifest), Q_ERR_INPUT, words);
    assert_ok(q_manifest_done("tampered", &done));
    assert_false(done);
    scratch_write("tampered/manifest.json", text.data, text.size);
    q_buffer_release(&text);
    q_buffer_release(&changed);
}

static void hostile(void **state)
{
    (void)state;
    struct q_manifest manifest;
    bool done;
    assert_ok(build("tampered", forward));
    tamper("\"part-00001.a.txt\"", "\"../forward/x\"", "is no name for a file of a step");
    tamper("\"part-00001.a.txt\"", "\"/etc/passwd\"", "is no name for a file of a step");
    tamper("\"part-00001.a.txt\"", "\"..\"", "is no name for a file of a step");
    tamper("\"part-00001.a.txt\"", "\"\"", "is no name for a file of a step");
    tamper("\"part-00001.a.txt\"", "\"a\\u0000b\"", "NUL");
    tamper("\"part-00001.a.txt\"", "7", "'name' is not a string");
    tamper("\"part-00001.a.txt\"", "\"absent\"", "'tampered/absent' is missing");
    tamper("\"bytes\": 20", "\"bytes\": 21", "has 20 bytes where its manifest says 21");
    tamper("\"bytes\": 20", "\"bytes\": -20", "'bytes' is not a whole number");
    tamper("\"bytes\": 20", "\"bytes\": 1e999999", "overflow");
    tamper("\"bytes\": 20", "\"bytes\": 99999999999999999999", "too big");
    tamper("\"part\": 1", "\"part\": 2", "part 1 is numbered 2");
    tamper("\"format\": 1", "\"format\": 2", "");
    tamper("\"held_out\": 0.25", "\"held_out\": 1.25", "'held_out' is not 0 to 1");
    tamper("\"seed\": 7", "\"seed\": 8", "the key is not that of the identity");
    tamper("\"stage\": \"dedup\"", "\"stage\": \"../x\"", "the key is not that of the identity");
    tamper("\"documents\": 6", "\"documents\": 7", "does not balance");
    tamper("\"key\"", "\"format\": 1, \"key\"", "duplicate");
    tamper("{", "", "");
    assert_ok(q_manifest_done("tampered", &done));
    assert_true(done);
    /* A byte of a file changed: the size is right, the hash is not. */
    scratch_write("tampered/part-00002.b.txt", "the bytes of part 3\n", 20);
    assert_ok(q_manifest_read("tampered", &manifest));
    assert_fails(q_manifest_verify(&manifest), Q_ERR_INPUT, "'tampered/part-00002.b.txt' is damaged: its hash is");
    q_manifest_release(&manifest);
}

/* A manifest of another key beside our step.json is not our result. */
static void foreign_manifest(void **state)
{
    (void)state;
    struct q_step step;
    struct q_buffer text = {0};
    assert_ok(build("mine", forward));
    assert_ok(begin(&step, "{\"other\":1}", 7, "c"));
    assert_ok(q_step_open(&step, "theirs", false));
    q_step_release(&step);
    static const char *const names[] = {"manifest.json",    "part-00000.a.txt", "part-00000.b.txt", "part-00001.a.txt",
                                        "part-00001.b.txt", "part-00002.a.txt", "part-00002.b.txt"};
    for (size_t i = 0; i < Q_COUNT_OF(names); i++) {
        char from[64], to[64];
        (void)snprintf(from, sizeof(from), "mine/%s", names[i]);
        (void)snprintf(to, sizeof(to), "theirs/%s", names[i]);
        scratch_read(from, &text);
        scratch_write(to, text.data, text.size);
    }
    assert_ok(begin(&step, "{\"other\":1}", 7, "c"));
    assert_ok(q_step_open(&step, "theirs", false));
    assert_false(step.done);
    q_step_release(&step);
    q_buffer_release(&text);
}

/* Bytes of manifest.json and step.json at random: an error or a manifest, never more. */
static void mutations(void **state)
{
    (void)state;
    struct q_buffer text = {0};
    uint64_t dice = 3;
    static const char spice[] = "\"\\{}[]:,0-9e.n \xff";
    assert_ok(build("mutated", forward));
    scratch_read("mutated/manifest.json", &text);
    for (int round = 0; round < 1500; round++) {
        struct q_manifest manifest;
        size_t at = dice_roll(&dice) % text.size, size = dice_roll(&dice) % 8 == 0 ? at : text.size;
        char old = text.data[at];
        text.data[at] = spice[dice_roll(&dice) % (sizeof(spice) - 1)];
        scratch_write("mutated/manifest.json", text.data, size);
        q_status status = q_manifest_read("mutated", &manifest);
        assert_true(status == Q_OK || status == Q_ERR_INPUT);
        if (!status) {
            status = q_manifest_verify(&manifest);
            assert_true(status == Q_OK || status == Q_ERR_INPUT);
            q_manifest_release(&manifest);
        }
        text.data[at] = old;
    }
    q_buffer_release(&text);
}

/* Eight tasks of an array begin at the same moment, each builds its parts, one sums up: the bytes of one process. */
static void tasks_at_once(void **state)
{
    (void)state;
    enum { TASKS = 8, ROUNDS = 5 };
    struct q_buffer whole = {0}, now = {0};
    assert_ok(build("whole", forward));
    scratch_read("whole/manifest.json", &whole);
    for (int round = 0; round < ROUNDS; round++) {
        pid_t children[TASKS];
        assert_ok(q_fs_remove_tree("tasks"));
        for (unsigned task = 0; task < TASKS; task++) {
            children[task] = fork();
            if (children[task] != 0)
                continue;
            struct q_step step;
            q_status status = begin(&step, usual, 7, "c");
            if (!status)
                status = q_step_open(&step, "tasks", false);
            for (uint64_t part = 0; part < 3 && !status; part++)
                if (q_task_has((struct q_task){task, TASKS}, part))
                    status = build_part(&step, part);
            if (status)
                (void)fprintf(stderr, "task %u: %s\n", task, q_error_text());
            _exit((int)status);
        }
        for (unsigned task = 0; task < TASKS; task++) {
            int code;
            assert_int_equal(waitpid(children[task], &code, 0), children[task]);
            assert_int_equal(code, 0);
        }
        assert_ok(build("tasks", forward));
        scratch_read("tasks/manifest.json", &now);
        assert_true(q_string_equal(q_buffer_string(&whole), q_buffer_string(&now)));
    }
    q_buffer_release(&whole);
    q_buffer_release(&now);
}

static int build_in_child(void *context)
{
    (void)context;
    return (int)build("killed", backward);
}

/* SIGKILL in place of every call to the file system, and each time the build goes on to the same bytes. */
static void killed_anywhere(void **state)
{
    (void)state;
    struct q_buffer whole = {0}, now = {0};
    assert_ok(build("whole", forward));
    scratch_read("whole/manifest.json", &whole);
    int code = 0;
    uint64_t kills = 0;
    for (uint64_t k = 1; k < 3000; k += 7) {
        bool done;
        assert_ok(q_fs_remove_tree("killed"));
        if (!fault_fs_killed(k, build_in_child, NULL, &code))
            break;
        kills++;
        assert_ok(q_manifest_done("killed", &done));
        assert_ok(build("killed", forward));
        scratch_read("killed/manifest.json", &now);
        assert_true(q_string_equal(q_buffer_string(&whole), q_buffer_string(&now)));
    }
    assert_int_equal(code, 0);
    assert_true(kills > 10);
    q_buffer_release(&whole);
    q_buffer_release(&now);
}

static void faults(void **state)
{
    (void)state;
    struct q_buffer whole = {0}, now = {0};
    assert_ok(build("whole", forward));
    scratch_read("whole/manifest.json", &whole);
    for (int for_ever = 0; for_ever <= 1; for_ever++) {
        q_status status = Q_ERR_MEMORY;
        for (uint64_t k = 1 + (uint64_t)for_ever; status; k += 31) {
            struct q_manifest manifest;
            assert_ok(q_fs_remove_tree("faulty"));
            q_memory_fail_at(k, for_ever);
            status = build("faulty", forward);
            if (!status)
                status = q_manifest_read("faulty", &manifest);
            else
                manifest = (struct q_manifest){0};
            q_memory_fail_at(0, 0);
            if (status && status != Q_ERR_MEMORY)
                fail_msg("allocation %d: status %d, %s", (int)k, (int)status, q_error_text());
            assert_true(k < 20000);
            q_manifest_release(&manifest);
        }
    }
    for (uint64_t k = 1; k < 3000; k += 11) {
        assert_ok(q_fs_remove_tree("faulty"));
        fault_fs_start(k % 2 ? FAULT_FAIL : FAULT_DISK_FULL, k);
        (void)build("faulty", forward);
        bool reached = fault_fs_stop();
        do_not_sync();
        if (!reached)
            break;
        assert_ok(build("faulty", backward));
        scratch_read("faulty/manifest.json", &now);
        assert_true(q_string_equal(q_buffer_string(&whole), q_buffer_string(&now)));
    }
    q_buffer_release(&whole);
    q_buffer_release(&now);
}

static int enter_quick(void **state)
{
    do_not_sync();
    return scratch_enter(state);
}

/* Three parts that take in 6 documents of 333 bytes: exactly what the inputs kept, or there is no manifest. */
static void compared_with_inputs(void **state)
{
    (void)state;
    const uint64_t documents[] = {6, 5, 7, 6}, bytes[] = {333, 333, 333, 332};
    struct q_step step;
    bool done;
    assert_ok(begin(&step, usual, 7, "c"));
    assert_ok(q_step_open(&step, "compared", false));
    for (uint64_t part = 0; part < 3; part++)
        assert_ok(build_part(&step, part));
    for (int i = 3; i >= 0; i--) {
        struct q_manifest inputs[2] = {0};
        const struct q_finish finish = {.parts = 3, .program = "quern-test", .inputs = inputs, .input_count = 2};
        inputs[0].accounting.kept.documents = 1;
        inputs[1].accounting.kept.documents = documents[i] - 1;
        inputs[1].accounting.out_bytes = bytes[i];
        if (i > 0)
            assert_fails(q_step_finish(&step, &finish, NULL), Q_ERR_INPUT,
                         "counts 6 documents (333 bytes) where its inputs have");
        else
            assert_ok(q_step_finish(&step, &finish, NULL));
        assert_ok(q_manifest_done("compared", &done));
        assert_true(done == (i == 0));
    }
    q_step_release(&step);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compared_with_inputs),
        cmocka_unit_test(built_and_read),
        cmocka_unit_test(same_bytes_in_any_order),
        cmocka_unit_test(golden),
        cmocka_unit_test(other_identity_is_refused),
        cmocka_unit_test(forced),
        cmocka_unit_test(foreign_folders),
        cmocka_unit_test(unfinished),
        cmocka_unit_test(hostile),
        cmocka_unit_test(foreign_manifest),
        cmocka_unit_test(mutations),
        cmocka_unit_test(killed_anywhere),
        cmocka_unit_test(faults),
        cmocka_unit_test(tasks_at_once),
    };
    return cmocka_run_group_tests_name("manifest", tests, enter_quick, scratch_leave);
}
