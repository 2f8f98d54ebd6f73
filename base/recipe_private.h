/* What the files that read recipes share. */
#ifndef QUERN_BASE_RECIPE_PRIVATE_H
#define QUERN_BASE_RECIPE_PRIVATE_H

#include "base/recipe.h"

/* Where a YAML text comes from. `file` and `path` must live as long as the nodes. */
struct q_yaml_source {
    const char *file; /* for errors */
    const char *path; /* of the root node: "" or "corpus.part_bytes" */
    bool lines;       /* whether lines are numbered in errors */
};

q_status q_yaml_tree(q_string text, const struct q_yaml_source *source, struct q_arena *arena,
                     struct q_node **out) Q_MUST_USE;

/* PARENT.KEY, fit to be shown; KEY alone where the parent is "". */
q_status q_node_path(struct q_arena *arena, const char *parent, q_string key, const char **out) Q_MUST_USE;

#endif
