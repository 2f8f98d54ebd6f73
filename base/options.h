/* Programs and their command lines, from one table: parsing, --help and errors all read it.
 *
 *     struct build_options { const char *out; unsigned threads; bool force; };
 *     static const struct q_option build_table[] = {
 *         // the common ones (-o -j --json ...) come by the verb's `takes`
 *         {"out", 'o', Q_OPTION_TEXT, offsetof(struct build_options, out), "DIR", "folder of the result"},
 *         {0}};
 *
 * A program is a list of verbs; q_program_main is its main(). Conventions (docs/cli.md): long options with - or --name=value, a few short
 * ones, "--" ends options, "-" is standard input; --help and --version everywhere; unknown options name the nearest known one.
 */
#ifndef QUERN_BASE_OPTIONS_H
#define QUERN_BASE_OPTIONS_H

#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/string.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum q_option_type {
    Q_OPTION_END = 0,
    Q_OPTION_FLAG,   /* bool */
    Q_OPTION_TEXT,   /* const char * */
    Q_OPTION_TEXTS,  /* struct q_texts: may be given many times */
    Q_OPTION_U64,    /* uint64_t */
    Q_OPTION_DOUBLE, /* double */
    Q_OPTION_BYTES,  /* uint64_t, "512M" */
    Q_OPTION_COUNT,  /* uint64_t, "14.8T" */
    Q_OPTION_TASK,   /* struct q_task, "I/N" */
};

struct q_texts {
    const char **items;
    size_t count;
    size_t capacity;
};

/* The same texts in the same order. */
bool q_texts_equal(const struct q_texts *a, const struct q_texts *b);

/* --task I/N, 0 <= I < N; {0, 1} is everything. Task I builds the parts p with p mod N = I. */
struct q_task {
    uint64_t index;
    uint64_t count;
};

struct q_option {
    const char *name; /* without dashes */
    char letter;      /* 0: none */
    enum q_option_type type;
    size_t offset; /* in the verb's options, where the value goes */
    const char *metavar;
    const char *help;
};

/* What every verb has. Put it first in the verb's options, so that offsets below hold. */
struct q_common {
    const char *out;    /* -o, --out */
    uint64_t threads;   /* -j, --threads; 0 was "all cores" and is already replaced */
    bool quiet;         /* -q */
    bool verbose;       /* -v */
    bool json;          /* --json */
    bool force;         /* --force */
    const char *recipe; /* --recipe */
    struct q_texts set; /* --set a.b=value */
    struct q_task task; /* --task */
    const char *step;   /* --step */
};

/* Bits that say which of the common options a verb takes; -q, -v and --help are always there. */
enum {
    Q_TAKES_OUT = 1 << 0,
    Q_TAKES_THREADS = 1 << 1,
    Q_TAKES_JSON = 1 << 2,
    Q_TAKES_FORCE = 1 << 3,
    Q_TAKES_RECIPE = 1 << 4, /* --recipe and --set */
    Q_TAKES_TASK = 1 << 5,   /* --task and --step */
};

struct q_verb {
    const char *name;     /* "build"; NULL ends the list */
    const char *synopsis; /* "INPUT... -o DIR" */
    const char *summary;  /* one line */
    const char *
        details; /* for --help: neighbouring lines are filled as a paragraph, those that begin with a space (examples) stay; may be NULL */
    unsigned takes;                 /* Q_TAKES_... */
    const struct q_option *options; /* the verb's own, ended by {0}; NULL for none */
    size_t options_size;            /* of the struct that begins with struct q_common */
    size_t arguments_min, arguments_max;
    /* options: the struct, filled (defaults are zero bytes); arguments: what is not an option. */
    q_status (*run)(void *options, const char *const *arguments, size_t count);
};

struct q_settings_table; /* settings.h */

struct q_program {
    const char *name;    /* "quern-corpus" */
    const char *summary; /* one line */
    const struct q_verb *verbs;
    const char *section;                     /* the recipe's section, "corpus"; NULL: none */
    const struct q_settings_table *settings; /* of that section: `--settings` prints it as Markdown */
    const char *details;                     /* paragraphs and examples for --help; may be NULL */
};

/* Parses, runs the verb, prints the one line of a failure ("quern-corpus build: ...") on standard error, returns the exit code.
 * Also: signals to stop, log level by -q and -v, standard output flushed and checked (a full disk is exit 4, a closed pipe quiet). */
int q_program_main(const struct q_program *program, int argc, char **argv);

/* The parts of it, for tests. `arena` owns copies. */
q_status q_options_parse(const struct q_program *program, const struct q_verb *verb, int argc, char **argv,
                         struct q_arena *arena, void *options, const char ***out_arguments,
                         size_t *out_count) Q_MUST_USE;
q_status q_program_help(const struct q_program *program, const struct q_verb *verb, struct q_buffer *out) Q_MUST_USE;
q_status q_program_settings(const struct q_program *program,
                            struct q_buffer *out) Q_MUST_USE; /* the page of --settings */

/* The folder of the running program, and the version text ("quern 0.1.0"). */
q_status q_program_folder(struct q_arena *arena, const char **out) Q_MUST_USE;
const char *q_version(void);
/* XXH3-128 of the running program's file: provenance. */
q_status q_program_hash(q_hash *out) Q_MUST_USE;

#endif
