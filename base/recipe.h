/* Recipes: one YAML file that describes one run (docs/formats/recipe.md).
 *
 * Read as a tree that knows its lines, so that every error can say where. The subset: mappings, lists, scalars; no anchors, no tags, no
 * duplicate keys, depth at most 32, size at most 1 MiB. Which keys a section may have is its stage's business (settings.h); which sections
 * there are is fixed here.
 */
#ifndef QUERN_BASE_RECIPE_H
#define QUERN_BASE_RECIPE_H

#include "base/memory.h"
#include "base/options.h"
#include "base/settings.h"
#include "base/status.h"

#include <stdint.h>

enum q_node_kind { Q_NODE_SCALAR, Q_NODE_LIST, Q_NODE_MAP };

struct q_node {
    enum q_node_kind kind;
    const char *file; /* "demo.yaml", or "--set" */
    unsigned line;    /* from 1; 0: not from a file */
    const char *path; /* "train.optimizer.rate": for errors */
    q_string key;     /* in a mapping, any characters; `path` is fit to be shown */
    q_string text;    /* scalar; `quoted` says that it was in quotes, so that "null" is a string */
    bool quoted;
    struct q_node *children; /* first; NULL: none */
    struct q_node *next;     /* sibling */
};

enum q_input_format { /* how the bytes of an input are read; auto goes by name and content */
    Q_FORMAT_AUTO, Q_FORMAT_JSONL, Q_FORMAT_HTML, Q_FORMAT_TEXT, Q_FORMAT_CSV, Q_FORMAT_TSV, Q_FORMAT_PARQUET,
};

/* Whom a setting of an input matters to: the `steps` of the rows of q_input_table. */
enum { Q_INPUT_FOR_CORPUS = 1 << 0, Q_INPUT_FOR_TRAIN = 1 << 1 };

/* An entry of `inputs:`. */
struct q_input {
    const char *name;     /* [a-z0-9][a-z0-9._-]*, unique: the `source` of its documents and the start of their ids */
    struct q_texts path;  /* files, folders or patterns, as written: relative to the recipe's folder */
    int format;           /* enum q_input_format */
    const char *text_field; /* jsonl: the member that is the text; csv, tsv, parquet: the column */
    const char *lang;     /* BCP-47, where it is known; NULL: identified */
    double weight;        /* how often its sequences are seen in one pass of the mixture; 1 = as they are */
    double epochs_max;    /* passes over the input at most; 0 = no bound */
};

/* The top level of a recipe. Sections are NULL where the recipe has none. */
struct q_recipe {
    struct q_arena arena;
    const char *file;      /* as given */
    const char *folder;    /* of the recipe: what paths in it are relative to */
    const char *name;
    const char *dir;       /* RUN: resolved against `folder` */
    uint64_t seed;
    struct q_setting_list inputs; /* of struct q_input */
    struct q_node *root;
};

extern const struct q_settings_table q_recipe_table; /* the top level, for docs/settings/recipe.md */
extern const struct q_settings_table q_input_table;  /* of struct q_input: what of an input belongs to an identity */

/* Reads FILE ("-": standard input; NULL: an empty recipe, so that a program can be used with --set alone), applies the --set overrides in order,
 * checks the top level. What is wrong is Q_ERR_USAGE, a file that is not there too. q_recipe_release also after a failure. */
q_status q_recipe_load(const char *file, const struct q_texts *overrides, struct q_recipe *recipe) Q_MUST_USE;
void q_recipe_release(struct q_recipe *recipe);
/* The node of corpus, dedup, tokenizer, shards, model, train, eval or executor; NULL where absent. */
const struct q_node *q_recipe_section(const struct q_recipe *recipe, const char *name);
const struct q_node *q_node_child(const struct q_node *map, const char *key);

/* Any YAML file as a tree (recipes/models/). Q_ERR_USAGE with file and line. */
q_status q_yaml_read(const char *file, struct q_arena *arena, struct q_node **out) Q_MUST_USE;
/* The same for text at hand; `file` is what errors call it. */
q_status q_yaml_parse(q_string text, const char *file, struct q_arena *arena, struct q_node **out) Q_MUST_USE;
/* One override, "a.b=value": makes or replaces the node a.b under `root` (a mapping); elements of lists by number, the number behind the last one adds
 * one. A value that begins with [ { ' or " is YAML, any other is the text itself; an empty one takes the setting back to its standard. */
q_status q_yaml_set(struct q_node *root, const char *override, struct q_arena *arena) Q_MUST_USE;

/* FOLDER/KINDs/NAME.yaml, FOLDER being where the recipe, the build tree or the installation keeps recipes; KIND is "model" or "profile". A NAME with a
 * '/' or with .yaml at its end is a file itself, relative to the recipe. Q_ERR_USAGE where there is none. recipe_folder may be NULL. */
q_status q_recipe_find(const char *kind, const char *name, const char *recipe_folder, struct q_arena *arena,
                       const char **out) Q_MUST_USE;
/* A mapping with what `over` says, and what `under` says where `over` says nothing; mappings in it likewise, lists and scalars whole. Nodes of the
 * result that are in both are new, others are shared. Either may be NULL. */
q_status q_node_merge(const struct q_node *under, const struct q_node *over, struct q_arena *arena,
                      const struct q_node **out) Q_MUST_USE;

/* Whether nothing was given: the plain scalars `null`, `~` and the empty one. */
bool q_node_is_null(const struct q_node *node);
/* Puts "FILE:LINE: " before the text of a failure about the node. */
q_status q_node_context(const struct q_node *node, q_status status);

#endif
