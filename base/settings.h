/* Settings: the typed schema of a recipe's section. One table per section; the parser, the errors, `--set`, the identity of a
 * step and the page in docs/settings/ are all made from it.
 *
 *     struct corpus_settings { uint64_t part_bytes; bool gopher; ... };
 *     static const struct q_setting rows[] = {
 *         {.name = "part_bytes", .type = Q_SETTING_BYTES, .offset = offsetof(struct corpus_settings, part_bytes), .unit = "bytes",
 *          .standard = "64MiB", .min = 1, .max = 1e15, .tag = Q_TAG_IDENTITY, .meaning = "input per part"},
 *         {0}};
 *     const struct q_settings_table corpus_settings_table = {"corpus", rows, sizeof(struct corpus_settings)};
 *
 * Tags (docs/design.md): identity - a change is another result; schedule - may change after the present position of a run;
 * operational - free, never in an identity (threads, memory, log intervals).
 */
#ifndef QUERN_BASE_SETTINGS_H
#define QUERN_BASE_SETTINGS_H

#include "base/json.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum q_setting_type {
    Q_SETTING_END = 0,
    Q_SETTING_BOOL,    /* bool */
    Q_SETTING_I64,     /* int64_t */
    Q_SETTING_U64,     /* uint64_t */
    Q_SETTING_DOUBLE,  /* double */
    Q_SETTING_BYTES,   /* uint64_t: 64MiB */
    Q_SETTING_COUNT,   /* uint64_t: 3M */
    Q_SETTING_TEXT,    /* const char *, NULL where absent and no standard */
    Q_SETTING_CHOICE,  /* int: index into `choices` */
    Q_SETTING_TEXTS,   /* struct q_texts: list of strings; one string stands for a list of one */
    Q_SETTING_SECTION, /* nested struct at offset, `table` */
    Q_SETTING_LIST,    /* struct q_setting_list of nested structs, `table` */
    Q_SETTING_TREE,    /* struct q_node *: checked by the stage (the model: a name or a mapping) */
};

enum q_tag { Q_TAG_IDENTITY, Q_TAG_SCHEDULE, Q_TAG_OPERATIONAL };

struct q_setting {
    const char *name;
    enum q_setting_type type;
    enum q_tag tag;
    size_t offset;
    const char *unit;             /* "bytes", "tokens"; NULL where there is none */
    const char *standard;         /* the default as one would write it; NULL: must be given (TEXT, TEXTS, LIST, TREE: absent) */
    double min, max;              /* numbers; both 0: no bound */
    const char *const *choices;   /* CHOICE, ended by NULL */
    const struct q_settings_table *table; /* SECTION, LIST */
    uint32_t steps;               /* bits of the stage's steps that it matters to; 0: all */
    const char *meaning;          /* one line of the page */
};

struct q_settings_table {
    const char *section;
    const struct q_setting *rows;
    size_t size; /* of the struct */
};

struct q_setting_list {
    void *items; /* count structs of the nested table */
    size_t count;
};

struct q_node; /* recipe.h */

/* Fills `settings` (a struct of the table) from a section of the recipe (NULL: all standard). Texts and lists live in the arena. Errors are
 * Q_ERR_USAGE and say file, line, the key in full, and the nearest key or the allowed values. */
q_status q_settings_load(const struct q_settings_table *table, const struct q_node *section, struct q_arena *arena,
                         void *settings) Q_MUST_USE;

/* The settings as a JSON object, all keys present: those with the tag, and of the steps in the mask (0: any). New reference.
 * What a step's identity hashes is this with Q_TAG_IDENTITY. */
q_status q_settings_json(const struct q_settings_table *table, const void *settings, enum q_tag tag, uint32_t steps,
                         json_t **out) Q_MUST_USE;

/* The page of docs/settings/: a Markdown table of name, type, unit, default, range, tag, meaning. */
q_status q_settings_markdown(const struct q_settings_table *table, struct q_buffer *out) Q_MUST_USE;

#endif
