/* The command line of a verb into its struct, by the tables. */
#include "base/options.h"

#include "base/check.h"
#include "base/json_private.h"
#include "base/options_private.h"
#include "base/threads.h"

#include <stdio.h>

enum { SHOWN = 120, THREADS_MAX = 1024, TASKS_MAX = 1000000 };

#define COMMON(member) offsetof(struct q_common, member)

bool q_texts_equal(const struct q_texts *a, const struct q_texts *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

static const struct q_common_option common_options[] = {
    {{"out", 'o', Q_OPTION_TEXT, COMMON(out), "PATH", "where the result goes"}, Q_TAKES_OUT},
    {{"recipe", 0, Q_OPTION_TEXT, COMMON(recipe), "FILE",
      "the run's recipe (YAML); its section holds this stage's settings"},
     Q_TAKES_RECIPE},
    {{"set", 0, Q_OPTION_TEXTS, COMMON(set), "NAME=VALUE",
      "override one setting of the recipe, as corpus.part_bytes=1MiB"},
     Q_TAKES_RECIPE},
    {{"threads", 'j', Q_OPTION_U64, COMMON(threads), "N", "threads to work with; all cores where not given"},
     Q_TAKES_THREADS},
    {{"task", 0, Q_OPTION_TASK, COMMON(task), "I/N", "only the parts p with p mod N = I; any N gives the same bytes"},
     Q_TAKES_TASK},
    {{"step", 0, Q_OPTION_TEXT, COMMON(step), "NAME", "only this step; what it needs must be done"}, Q_TAKES_TASK},
    {{"force", 0, Q_OPTION_FLAG, COMMON(force), NULL, "replace a result of other settings or inputs"}, Q_TAKES_FORCE},
    {{"json", 0, Q_OPTION_FLAG, COMMON(json), NULL, "the result as one JSON object on standard output"}, Q_TAKES_JSON},
    {{"quiet", 'q', Q_OPTION_FLAG, COMMON(quiet), NULL, "no progress, warnings only"}, 0},
    {{"verbose", 'v', Q_OPTION_FLAG, COMMON(verbose), NULL, "say more"}, 0},
    {{NULL, 0, Q_OPTION_END, 0, NULL, NULL}, 0},
};

const struct q_common_option *q_common_options(void)
{
    return common_options;
}

bool q_verb_takes(const struct q_verb *verb, const struct q_common_option *common)
{
    if ((verb->takes & common->takes) != common->takes)
        return false;
    /* A verb's own option of the same name stands in its place (--out DIR with other words). */
    for (const struct q_option *own = verb->options; own && own->type; own++)
        if (!strcmp(own->name, common->option.name))
            return false;
    return true;
}

/* The command line on its way. */
struct parse {
    const struct q_verb *verb;
    struct q_arena *arena;
    char *options;
    int argc;
    char **argv;
    int at; /* next argument */
};

/* The option of this name (name.size > 0) or letter; NULL: none. */
static const struct q_option *find_option(const struct q_verb *verb, q_string name, char letter)
{
    for (const struct q_option *own = verb->options; own && own->type; own++)
        if (name.size ? q_string_is(name, own->name) : own->letter && own->letter == letter)
            return own;
    for (const struct q_common_option *common = common_options; common->option.type; common++)
        if (q_verb_takes(verb, common) &&
            (name.size ? q_string_is(name, common->option.name) : common->option.letter == letter && letter))
            return &common->option;
    return NULL;
}

static q_status unknown_option(const struct q_verb *verb, q_string name)
{
    enum { NAMES_MAX = 127 };
    const char *names[NAMES_MAX + 1] = {NULL};
    char shown[SHOWN];
    size_t count = 0;
    for (const struct q_option *own = verb->options; own && own->type && count < NAMES_MAX; own++)
        names[count++] = own->name;
    for (const struct q_common_option *common = common_options; common->option.type && count < NAMES_MAX; common++)
        if (q_verb_takes(verb, common))
            names[count++] = common->option.name;
    if (count < NAMES_MAX)
        names[count++] = "help";
    const char *nearest = q_nearest_name(name, names);
    q_show(shown, sizeof(shown), name);
    if (nearest)
        return q_fail(Q_ERR_USAGE, "unknown option '--%s'; did you mean '--%s'?", shown, nearest);
    return q_fail(Q_ERR_USAGE, "unknown option '--%s'; --help lists them", shown);
}

static q_status parse_task(q_string value, struct q_task *out)
{
    size_t slash = q_string_find(value, Q_STRING("/"), 0);
    uint64_t index, count;
    bool good = slash != SIZE_MAX && !q_parse_u64(q_string_slice(value, 0, slash), &index) &&
                !q_parse_u64(q_string_slice(value, slash + 1, value.size), &count);
    if (!good || index >= count || count > TASKS_MAX)
        return q_fail(Q_ERR_USAGE, "it must be I/N with I from 0 to N - 1, such as 0/4");
    *out = (struct q_task){index, count};
    return Q_OK;
}

static q_status append_text(struct q_arena *arena, struct q_texts *texts, const char *text)
{
    if (texts->count == texts->capacity) {
        /* The arena keeps the old list until the end: twice as long each time, it is no more than the new one. */
        size_t capacity = texts->capacity ? 2 * texts->capacity : 8;
        const char **items;
        Q_TRY(q_arena_alloc(arena, capacity, sizeof(*items), &items));
        if (texts->count)
            memcpy(items, texts->items, texts->count * sizeof(*items));
        texts->items = items;
        texts->capacity = capacity;
    }
    texts->items[texts->count++] = text;
    return Q_OK;
}

static q_status store(struct parse *parse, const struct q_option *option, const char *value)
{
    void *to = parse->options + option->offset;
    q_string text = q_string_of(value);
    switch (option->type) {
    case Q_OPTION_TEXT:
        return q_arena_cstring(parse->arena, text, (const char **)to);
    case Q_OPTION_TEXTS:
        Q_TRY(q_arena_cstring(parse->arena, text, &value));
        return append_text(parse->arena, to, value);
    case Q_OPTION_U64:
        return q_parse_u64(text, to);
    case Q_OPTION_DOUBLE:
        return q_parse_double(text, to);
    case Q_OPTION_BYTES:
        return q_parse_bytes(text, to);
    case Q_OPTION_COUNT:
        return q_parse_count(text, to);
    case Q_OPTION_TASK:
        return parse_task(text, to);
    case Q_OPTION_FLAG:
    case Q_OPTION_END:
        break;
    }
    q_check(false && "an option's type");
    return Q_OK;
}

/* `given` is the option as it was written; `value` is what stood in the same argument, NULL where nothing did. */
static q_status take(struct parse *parse, const struct q_option *option, const char *given, const char *value)
{
    if (option->type == Q_OPTION_FLAG) {
        if (value)
            return q_fail(Q_ERR_USAGE, "option '%s' takes no value", given);
        *(bool *)(void *)(parse->options + option->offset) = true;
        return Q_OK;
    }
    if (!value) {
        /* `--out --json` is a forgotten value more often than a folder named '--json'; `--out=--json` says that one. */
        bool there = parse->at < parse->argc && strncmp(parse->argv[parse->at], "--", 2) != 0;
        if (!there)
            return q_fail(Q_ERR_USAGE, "option '%s' needs a value: %s", given,
                          option->metavar ? option->metavar : "VALUE");
        value = parse->argv[parse->at++];
    }
    return q_context(store(parse, option, value), "option '%s'", given);
}

static q_status parse_long(struct parse *parse, const char *argument)
{
    q_string all = q_string_of(argument + 2);
    char given[SHOWN];
    size_t equals = q_string_find(all, Q_STRING("="), 0);
    q_string name = q_string_slice(all, 0, equals);
    const struct q_option *option = find_option(parse->verb, name, 0);
    if (!option || name.size == 0)
        return unknown_option(parse->verb, name);
    (void)snprintf(given, sizeof(given), "--%s", option->name);
    return take(parse, option, given, equals < all.size ? argument + 2 + equals + 1 : NULL);
}

/* -o DIR, -oDIR, -qv */
static q_status parse_short(struct parse *parse, const char *argument)
{
    for (const char *at = argument + 1; *at; at++) {
        char given[3] = {'-', *at, '\0'}, shown[8];
        const struct q_option *option = find_option(parse->verb, (q_string){0}, *at);
        if (!option)
            return q_fail(Q_ERR_USAGE, "unknown option '-%s'; --help lists them",
                          q_show(shown, sizeof(shown), (q_string){at, 1}));
        if (option->type != Q_OPTION_FLAG)
            return take(parse, option, given, at[1] ? at + 1 : NULL);
        Q_TRY(take(parse, option, given, NULL));
    }
    return Q_OK;
}

static q_status check_count(const struct q_program *program, const struct q_verb *verb, const struct q_texts *arguments)
{
    char shown[SHOWN];
    if (arguments->count < verb->arguments_min)
        return q_fail(Q_ERR_USAGE, "too few arguments; use: %s %s %s", program->name, verb->name, verb->synopsis);
    if (arguments->count > verb->arguments_max)
        return q_fail(Q_ERR_USAGE, "unexpected argument '%s'; use: %s %s %s",
                      q_show(shown, sizeof(shown), q_string_of(arguments->items[verb->arguments_max])), program->name,
                      verb->name, verb->synopsis);
    return Q_OK;
}

q_status q_options_parse(const struct q_program *program, const struct q_verb *verb, int argc, char **argv,
                         struct q_arena *arena, void *options, const char ***out_arguments, size_t *out_count)
{
    struct parse parse = {.verb = verb, .arena = arena, .options = options, .argc = argc, .argv = argv};
    struct q_common *common = options;
    struct q_texts arguments = {0};
    bool only_arguments = false;
    common->task = (struct q_task){0, 1};
    while (parse.at < argc) {
        const char *argument = argv[parse.at++];
        if (only_arguments || argument[0] != '-' || !argument[1]) {
            const char *copy;
            Q_TRY(q_arena_cstring(arena, q_string_of(argument), &copy));
            Q_TRY(append_text(arena, &arguments, copy));
        } else if (!strcmp(argument, "--")) {
            only_arguments = true;
        } else {
            Q_TRY(argument[1] == '-' ? parse_long(&parse, argument) : parse_short(&parse, argument));
        }
    }
    if (common->out && !*common->out)
        return q_fail(Q_ERR_USAGE, "option '--out' is empty; it must be a path");
    if (common->threads > THREADS_MAX)
        return q_fail(Q_ERR_USAGE, "option '--threads': it must be 1 to 1024, or 0 for all cores");
    if (common->threads == 0)
        common->threads = q_cpu_count();
    *out_arguments = arguments.items;
    *out_count = arguments.count;
    return check_count(program, verb, &arguments);
}
