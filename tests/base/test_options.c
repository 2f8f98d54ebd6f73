/* Command lines: parsing, help, errors, and what a program's main() does with its output. */
#include "base/check.h"
#include "base/options.h"
#include "base/publish.h"
#include "base/settings.h"
#include "base/threads.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct demo {
    struct q_common common;
    bool binary;
    const char *format;
    struct q_texts counts;
    uint64_t number, memory, tokens;
    double share;
};

#define AT(member) offsetof(struct demo, member)
static const struct q_option demo_options[] = {
    {"binary", 'b', Q_OPTION_FLAG, AT(binary), NULL, "raw numbers in place of text"},
    {"format", 0, Q_OPTION_TEXT, AT(format), "NAME", "text or jsonl"},
    {"counts", 'c', Q_OPTION_TEXTS, AT(counts), "FILE", "a file of counts; may be given many times"},
    {"number", 'n', Q_OPTION_U64, AT(number), "N", "a whole number"},
    {"memory", 0, Q_OPTION_BYTES, AT(memory), "BYTES", "how much memory at most"},
    {"tokens", 0, Q_OPTION_COUNT, AT(tokens), "COUNT", "how many tokens"},
    {"share", 0, Q_OPTION_DOUBLE, AT(share), "SHARE",
     "a number between nothing and everything, described at such length that the line has to be broken"},
    {0}};

static q_status run_build(void *options, const char *const *arguments, size_t count)
{
    const struct demo *demo = options;
    for (size_t i = 0; i < count; i++)
        printf("%s\n", arguments[i]);
    for (uint64_t i = 0; i < demo->number; i++)
        printf("a line of output, number %u\n", (unsigned)i);
    return Q_OK;
}

static q_status run_fail(void *options, const char *const *arguments, size_t count)
{
    (void)options, (void)count;
    if (!strcmp(arguments[0], "stop"))
        return q_fail(Q_STOPPED, "stopped; run again");
    if (!strcmp(arguments[0], "input"))
        return q_fail(Q_ERR_INPUT, "'x' is broken");
    if (!strcmp(arguments[0], "memory"))
        return q_fail(Q_ERR_MEMORY, "out of memory");
    return q_fail(Q_ERR_USAGE, "not so");
}

static const struct q_verb verbs[] = {
    {.name = "build",
     .synopsis = "INPUT... -o DIR",
     .summary = "containers in, documents out",
     .details = "The inputs are files, folders or patterns. This paragraph\nis longer than a line may be, so that it "
                "has to be filled "
                "into\nlines.\n\nExamples:\n  quern-demo build a.zip -o out\n",
     .takes = Q_TAKES_OUT | Q_TAKES_THREADS | Q_TAKES_RECIPE | Q_TAKES_TASK | Q_TAKES_FORCE,
     .options = demo_options,
     .options_size = sizeof(struct demo),
     .arguments_min = 1,
     .arguments_max = SIZE_MAX,
     .run = run_build},
    {.name = "fail", .synopsis = "KIND", .summary = "fails", .arguments_min = 1, .arguments_max = 1, .run = run_fail},
    {0}};

static const struct q_setting rows[] = {{.name = "x", .type = Q_SETTING_U64, .standard = "1", .meaning = "a number"},
                                        {0}};
static const struct q_settings_table table = {"demo", rows, 8};
static const struct q_program program = {
    .name = "quern-demo", .summary = "a program for tests", .verbs = verbs, .section = "demo", .settings = &table};

static q_status parse(struct q_arena *arena, struct demo *demo, const char *line, const char ***arguments,
                      size_t *count)
{
    static char copy[512];
    char *argv[64];
    int argc = 0;
    *demo = (struct demo){0};
    (void)snprintf(copy, sizeof(copy), "%s", line);
    for (char *at = copy, *word; (word = strsep(&at, " "));)
        if (*word)
            argv[argc++] = word;
    return q_options_parse(&program, &verbs[0], argc, argv, arena, demo, arguments, count);
}

static void parsed(void **state)
{
    (void)state;
    struct q_arena arena = {0};
    struct demo demo;
    const char **arguments;
    size_t count;
    assert_ok(parse(
        &arena, &demo,
        "in1 -o out --format=jsonl in2 -b -c a --counts b -cc --number 7 --memory 512M --tokens 14.8T --share .25 "
        "-qv -j 3 --task 2/4 --step sign --set a=1 --set b.c=d=e --recipe r.yaml --force -- -x --y -",
        &arguments, &count));
    assert_int_equal(count, 5);
    assert_string_equal(arguments[0], "in1");
    assert_string_equal(arguments[1], "in2");
    assert_string_equal(arguments[2], "-x");
    assert_string_equal(arguments[4], "-");
    assert_string_equal(demo.common.out, "out");
    assert_string_equal(demo.format, "jsonl");
    assert_true(demo.binary && demo.common.quiet && demo.common.verbose && demo.common.force && !demo.common.json);
    assert_int_equal(demo.counts.count, 3);
    assert_string_equal(demo.counts.items[2], "c");
    assert_int_equal(demo.number, 7);
    assert_int_equal(demo.memory, 512 << 20);
    assert_int_equal(demo.tokens, 14800000000000);
    assert_true(demo.share == 0.25);
    assert_int_equal(demo.common.threads, 3);
    assert_int_equal(demo.common.task.index, 2);
    assert_int_equal(demo.common.task.count, 4);
    assert_string_equal(demo.common.step, "sign");
    assert_int_equal(demo.common.set.count, 2);
    assert_string_equal(demo.common.set.items[1], "b.c=d=e");
    assert_ok(parse(&arena, &demo, "-", &arguments, &count)); /* standard input is an argument */
    assert_int_equal(demo.common.threads, q_cpu_count());
    assert_int_equal(demo.common.task.count, 1);
    assert_ok(parse(&arena, &demo, "x -o a -o b", &arguments, &count)); /* the last one counts */
    assert_string_equal(demo.common.out, "b");
    assert_ok(parse(&arena, &demo, "x -n7 -j0", &arguments, &count));
    assert_int_equal(demo.number, 7);
    q_arena_release(&arena);
}

static void refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"", "too few arguments; use: quern-demo build INPUT... -o DIR"},
        {"x --fromat a", "unknown option '--fromat'; did you mean '--format'?"},
        {"x --thread=3", "unknown option '--thread'; did you mean '--threads'?"},
        {"x --zzzzzzzzz", "unknown option '--zzzzzzzzz'; --help lists them"},
        {"x --json", "unknown option '--json'; --help lists them"}, /* a common one that the verb does not take */
        {"x -z", "unknown option '-z'; --help lists them"},
        {"x --binary=1", "option '--binary' takes no value"},
        {"x --format", "option '--format' needs a value: NAME"},
        {"x --format --binary", "option '--format' needs a value: NAME"},
        {"x -o", "option '-o' needs a value: PATH"},
        {"x --number -3", "option '--number': '-3' is not a whole number of 0 or more"},
        {"x --number 3x", "option '--number': '3x' is not a whole number of 0 or more"},
        {"x --number=", "option '--number': '' is not a whole number of 0 or more"},
        {"x --share nan", "option '--share': 'nan' is not a decimal number"},
        {"x --share 1e999999", "option '--share': '1e999999' is too large"},
        {"x --memory 12parsecs", "option '--memory': "},
        {"x --task 4/4", "option '--task': it must be I/N with I from 0 to N - 1, such as 0/4"},
        {"x --task 1", "option '--task': it must be I/N"},
        {"x --task -1/4", "option '--task': it must be I/N"},
        {"x --task 0/0", "option '--task': it must be I/N"},
        {"x --task 0/99999999", "option '--task': it must be I/N"},
        {"x -j 2000", "option '--threads': it must be 1 to 1024, or 0 for all cores"},
    };
    struct q_arena arena = {0};
    struct demo demo;
    const char **arguments;
    size_t count;
    for (size_t i = 0; i < Q_COUNT_OF(bad); i++)
        assert_fails(parse(&arena, &demo, bad[i][0], &arguments, &count), Q_ERR_USAGE, bad[i][1]);
    q_arena_release(&arena);
}

/* A program's main() in a child: what it prints, and its exit code. `out` is where standard output leads (NULL: captured too). */
static int run_main(const char *line, const char *out, char text[8192])
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        static char copy[512];
        char *argv[32] = {(char *)"quern-demo"};
        int argc = 1;
        (void)snprintf(copy, sizeof(copy), "%s", line);
        for (char *at = copy, *word; (word = strsep(&at, " "));)
            if (*word)
                argv[argc++] = word;
        int to = out ? open(out, O_WRONLY) : fds[1];
        if (!out || strcmp(out, "closed") != 0)
            (void)dup2(to, 1);
        else
            (void)close(1);
        (void)dup2(fds[1], 2);
        (void)close(fds[0]);
        (void)close(fds[1]);
        _exit(q_program_main(&program, argc, argv));
    }
    (void)close(fds[1]);
    size_t used = 0;
    ssize_t got;
    while (used < 8191 && (got = read(fds[0], text + used, 8191 - used)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    (void)close(fds[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void mains(void **state)
{
    (void)state;
    char text[8192];
    assert_int_equal(run_main("--version", NULL, text), 0);
    assert_string_equal(text, "quern " QUERN_VERSION "\n");
    assert_int_equal(run_main("build a b", NULL, text), 0);
    assert_string_equal(text, "a\nb\n");
    assert_int_equal(run_main("fail usage", NULL, text), 2);
    assert_string_equal(text, "quern-demo fail: not so\n");
    assert_int_equal(run_main("fail input", NULL, text), 3);
    assert_string_equal(text, "quern-demo fail: 'x' is broken\n");
    assert_int_equal(run_main("fail memory", NULL, text), 4);
    assert_int_equal(run_main("fail stop", NULL, text), 75);
    assert_int_equal(run_main("fail", NULL, text), 2);
    assert_string_equal(text, "quern-demo fail: too few arguments; use: quern-demo fail KIND\n");
    assert_int_equal(run_main("fail a b", NULL, text), 2);
    assert_string_equal(text, "quern-demo fail: unexpected argument 'b'; use: quern-demo fail KIND\n");
    assert_int_equal(run_main("biuld", NULL, text), 2);
    assert_string_equal(text, "quern-demo: unknown verb 'biuld'; did you mean 'build'?\n");
    assert_int_equal(run_main("--frobnicate", NULL, text), 2);
    assert_string_equal(text, "quern-demo: unknown option '--frobnicate'; --help lists them\n");
    assert_int_equal(run_main("", NULL, text), 2);
    assert_non_null(strstr(text, "Usage:\n"));
    assert_non_null(strstr(text, "quern-demo: no verb given\n"));
    assert_int_equal(run_main("--settings", NULL, text), 0);
    assert_memory_equal(text, "# Settings: `demo`\n\n", 20);
    assert_non_null(strstr(text, "| `x` | whole number |  | `1` |  | identity | a number |\n"));
}

/* Output that does not get out is a failure, whenever it is noticed; a reader that had enough is none. */
static void broken_output(void **state)
{
    (void)state;
    char text[8192];
    if (access("/dev/full", W_OK) == 0) {
        assert_int_equal(run_main("build a", "/dev/full", text), 4);
        assert_string_equal(text, "quern-demo build: cannot write to standard output: no space left on device\n");
        assert_int_equal(run_main("build a -n 100000", "/dev/full", text), 4);
        assert_non_null(strstr(text, "quern-demo build: cannot write to standard output: "));
        assert_int_equal(run_main("--help", "/dev/full", text), 4);
    }
    assert_int_equal(run_main("build a", "closed", text), 4);
    assert_non_null(strstr(text, "cannot write to standard output"));
    assert_int_equal(mkfifo("fifo", 0600), 0);
    void (*before)(int) = signal(SIGPIPE, SIG_IGN); /* as many a parent leaves it to its children */
    int reader = open("fifo", O_RDONLY | O_NONBLOCK);
    pid_t closer = fork();
    if (closer == 0) { /* holds the reading end until the writer has opened its own, then leaves */
        (void)usleep(100000);
        _exit(0);
    }
    (void)close(reader);
    assert_int_equal(run_main("build a -n 100000", "fifo", text), 4);
    assert_string_equal(text, "");
    (void)waitpid(closer, NULL, 0);
    (void)signal(SIGPIPE, before);
}

static void help(void **state)
{
    (void)state;
    char text[8192];
    assert_int_equal(run_main("--help", NULL, text), 0);
    assert_string_equal(text, "quern-demo: a program for tests\n"
                              "\n"
                              "Usage:\n"
                              "  quern-demo build INPUT... -o DIR\n"
                              "  quern-demo fail KIND\n"
                              "\n"
                              "Verbs:\n"
                              "  build  containers in, documents out\n"
                              "  fail   fails\n"
                              "\n"
                              "Options:\n"
                              "      --help              this text; behind a verb, the verb's\n"
                              "      --version           the version\n"
                              "      --settings          the settings of the recipe's section, as a Markdown page\n");
    assert_int_equal(run_main("build x --help", NULL, text), 0);
    assert_string_equal(text,
                        "quern-demo build: containers in, documents out\n"
                        "\n"
                        "Usage: quern-demo build INPUT... -o DIR\n"
                        "\n"
                        "The inputs are files, folders or patterns. This paragraph is longer than a line may be, so\n"
                        "that it has to be filled into lines.\n"
                        "\n"
                        "Examples:\n"
                        "  quern-demo build a.zip -o out\n"
                        "\n"
                        "Options:\n"
                        "  -b, --binary            raw numbers in place of text\n"
                        "      --format NAME       text or jsonl\n"
                        "  -c, --counts FILE       a file of counts; may be given many times\n"
                        "  -n, --number N          a whole number\n"
                        "      --memory BYTES      how much memory at most\n"
                        "      --tokens COUNT      how many tokens\n"
                        "      --share SHARE       a number between nothing and everything, described at such length\n"
                        "                          that the line has to be broken\n"
                        "  -o, --out PATH          where the result goes\n"
                        "      --recipe FILE       the run's recipe (YAML); its section holds this stage's settings\n"
                        "      --set NAME=VALUE    override one setting of the recipe, as corpus.part_bytes=1MiB\n"
                        "  -j, --threads N         threads to work with; all cores where not given\n"
                        "      --task I/N          only the parts p with p mod N = I; any N gives the same bytes\n"
                        "      --step NAME         only this step; what it needs must be done\n"
                        "      --force             replace a result of other settings or inputs\n"
                        "  -q, --quiet             no progress, warnings only\n"
                        "  -v, --verbose           say more\n"
                        "      --help              this text\n");
}

static void allocations(void **state)
{
    (void)state;
    for (int for_ever = 0; for_ever <= 1; for_ever++) {
        q_status status = Q_ERR_MEMORY;
        for (uint64_t k = 1; status; k++) {
            struct q_arena arena = {0};
            struct q_buffer text = {0};
            struct demo demo;
            const char **arguments;
            size_t count;
            q_memory_fail_at(k, for_ever);
            status = parse(&arena, &demo, "a b c d e f g h i j k -c l -c m -o n", &arguments, &count);
            for (int i = 0; i < 2 && !status; i++)
                status = q_program_help(&program, i ? &verbs[0] : NULL, &text);
            if (!status)
                status = q_program_settings(&program, &text);
            q_memory_fail_at(0, 0);
            assert_true(status == Q_OK || status == Q_ERR_MEMORY);
            q_buffer_release(&text);
            q_arena_release(&arena);
        }
    }
}

static void own_program(void **state)
{
    (void)state;
    struct q_arena arena = {0};
    const char *folder;
    q_hash one, two;
    assert_ok(q_program_folder(&arena, &folder));
    assert_int_equal(folder[0], '/');
    assert_ok(q_program_hash(&one));
    assert_ok(q_program_hash(&two));
    assert_true(q_hash_equal(one, two));
    q_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parsed),      cmocka_unit_test(refused),       cmocka_unit_test(mains),
        cmocka_unit_test(help),        cmocka_unit_test(broken_output), cmocka_unit_test(own_program),
        cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests_name("options", tests, scratch_enter, scratch_leave);
}
