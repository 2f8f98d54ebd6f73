/* main() of every program: verbs, --help, --version, --settings, and the last word on standard output and the exit code. */
#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json_private.h"
#include "base/log.h"
#include "base/options.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

const char *q_version(void)
{
    return "quern " QUERN_VERSION;
}

q_status q_program_folder(struct q_arena *arena, const char **out)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (length < 0)
        return q_fail_errno(errno, "cannot find the program's own folder");
    path[length] = '\0';
    return q_fs_parent(arena, path, out);
}

q_status q_program_hash(q_hash *out)
{
    uint64_t bytes;
    return q_fs_hash_file("/proc/self/exe", &bytes, out);
}

/* Where a caller closed one of the three standard descriptors, the first file opened would get its number, and what is printed would go
 * into that file. A descriptor open the wrong way round keeps the place: using it fails, as it should. */
static void keep_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)q_fs()->open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY, 0);
}

/* Standard output is part of the result: what did not get out is a failure, but for a reader that had enough. */
static q_status flush_output(bool *closed_pipe)
{
    int error = 0;
    if (fflush(stdout) != 0)
        error = errno;
    else if (ferror(stdout))
        error = EIO;
    *closed_pipe = error == EPIPE;
    return error ? q_fail_errno(error, "cannot write to standard output") : Q_OK;
}

static q_status print(q_status (*make)(const struct q_program *, struct q_buffer *), const struct q_program *program)
{
    struct q_buffer text = {0};
    q_status status = make(program, &text);
    if (!status)
        (void)fwrite(text.data, 1, text.size, stdout); /* flush_output tells */
    q_buffer_release(&text);
    return status;
}

static q_status print_help(const struct q_program *program, const struct q_verb *verb, FILE *to)
{
    struct q_buffer text = {0};
    q_status status = q_program_help(program, verb, &text);
    if (!status)
        (void)fwrite(text.data, 1, text.size, to);
    q_buffer_release(&text);
    return status;
}

/* --help anywhere before "--". */
static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return true;
    return false;
}

static q_status find_verb(const struct q_program *program, const char *name, const struct q_verb **out)
{
    enum { NAMES_MAX = 63 };
    const char *names[NAMES_MAX + 1] = {NULL};
    char shown[80];
    size_t count = 0;
    for (const struct q_verb *verb = program->verbs; verb->name; verb++) {
        if (!strcmp(verb->name, name)) {
            *out = verb;
            return Q_OK;
        }
        if (count < NAMES_MAX)
            names[count++] = verb->name;
    }
    static const char *const options[] = {"--help", "--version", "--settings", NULL};
    const char *kind = name[0] == '-' ? "option" : "verb";
    const char *nearest = q_nearest_name(q_string_of(name), name[0] == '-' ? options : names);
    q_show(shown, sizeof(shown), q_string_of(name));
    if (nearest)
        return q_fail(Q_ERR_USAGE, "unknown %s '%s'; did you mean '%s'?", kind, shown, nearest);
    return q_fail(Q_ERR_USAGE, "unknown %s '%s'; --help lists them", kind, shown);
}

static q_status run_verb(const struct q_program *program, const struct q_verb *verb, int argc, char **argv)
{
    struct q_arena arena = {0};
    struct q_common *common = NULL;
    const char **arguments = NULL;
    size_t count = 0, size = verb->options_size ? verb->options_size : sizeof(struct q_common);
    q_check(size >= sizeof(struct q_common));
    if (asks_for_help(argc, argv))
        return print_help(program, verb, stdout);
    q_status status = q_arena_alloc(&arena, 1, size, &common);
    if (!status)
        status = q_options_parse(program, verb, argc, argv, &arena, common, &arguments, &count);
    if (!status) {
        q_log_set_level(common->verbose ? Q_LOG_DEBUG : common->quiet ? Q_LOG_WARNING : Q_LOG_INFO);
        q_stop_on_signals();
        status = verb->run(common, arguments, count);
    }
    q_arena_release(&arena);
    return status;
}

static q_status print_version(const struct q_program *program, struct q_buffer *out)
{
    (void)program;
    return q_buffer_printf(out, "%s\n", q_version());
}

/* *verb is set once it is known. */
static q_status run_program(const struct q_program *program, int argc, char **argv, const struct q_verb **verb)
{
    if (argc < 2) {
        Q_TRY(print_help(program, NULL, stderr));
        return q_fail(Q_ERR_USAGE, "no verb given");
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
        return print_help(program, NULL, stdout);
    if (!strcmp(argv[1], "--version"))
        return print(print_version, program);
    if (!strcmp(argv[1], "--settings"))
        return print(q_program_settings, program);
    Q_TRY(find_verb(program, argv[1], verb));
    return run_verb(program, *verb, argc - 2, argv + 2);
}

int q_program_main(const struct q_program *program, int argc, char **argv)
{
    const struct q_verb *verb = NULL;
    bool closed_pipe = false;
    keep_standard_descriptors();
    q_log_set_program(program->name);
    q_status status = run_program(program, argc, argv, &verb);
    struct q_error error;
    if (status)
        q_error_take(&error, status);
    q_status flushed = flush_output(&closed_pipe);
    if (!status && flushed) {
        status = flushed;
        q_error_take(&error, status);
    }
    if (status && !closed_pipe)
        (void)fprintf(stderr, "%s%s%s: %s\n", program->name, verb ? " " : "", verb ? verb->name : "", error.text);
    return q_exit_code(status);
}
