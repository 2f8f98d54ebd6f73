/* --set a.b=value: one override of a recipe's tree. */
#include "base/check.h"
#include "base/json.h"
#include "base/json_private.h"
#include "base/recipe_private.h"

#include <stdio.h>

static const char source_name[] = "--set";

/* "0", "17": the number of a list's element. */
static bool as_index(q_string key, uint64_t *out)
{
    bool digits = key.size > 0 && key.size < 8;
    for (size_t i = 0; i < key.size; i++)
        digits = digits && key.data[i] >= '0' && key.data[i] <= '9';
    if (!digits)
        return false;
    *out = 0;
    for (size_t i = 0; i < key.size; i++)
        *out = *out * 10 + (uint64_t)(key.data[i] - '0');
    return true;
}

/* Finds or makes the child; a new one is an empty scalar, which is nothing yet. */
static q_status enter(struct q_node *parent, q_string key, struct q_arena *arena, struct q_node **out)
{
    uint64_t index = 0, count = 0;
    const char *path;
    Q_TRY(q_node_path(arena, parent->path, key, &path));
    if (q_node_is_null(parent))
        parent->kind = as_index(key, &index) ? Q_NODE_LIST : Q_NODE_MAP;
    if (parent->kind == Q_NODE_SCALAR)
        return q_fail(Q_ERR_USAGE, "%s: '%s' cannot be set: '%s' has a value of its own", source_name, path,
                      parent->path);
    if (parent->kind == Q_NODE_LIST && !as_index(key, &index))
        return q_fail(Q_ERR_USAGE, "%s: '%s' cannot be set: '%s' is a list; its elements are named by number",
                      source_name, path, parent->path);
    struct q_node **at = &parent->children;
    for (; *at; at = &(*at)->next, count++)
        if (parent->kind == Q_NODE_LIST ? count == index : q_string_equal((*at)->key, key))
            break;
    if (!*at && parent->kind == Q_NODE_LIST && count != index)
        return q_fail(Q_ERR_USAGE, "%s: '%s' cannot be set: the list has only %llu elements", source_name, path,
                      (unsigned long long)count);
    if (!*at) {
        struct q_node *child;
        Q_TRY(q_arena_alloc(arena, 1, sizeof(*child), &child));
        *child = (struct q_node){.kind = Q_NODE_SCALAR, .file = source_name, .path = path};
        if (parent->kind == Q_NODE_MAP)
            Q_TRY(q_arena_string(arena, key, &child->key));
        *at = child;
    }
    *out = *at;
    return Q_OK;
}

static q_status assign(struct q_node *node, q_string value, struct q_arena *arena)
{
    struct q_node *parsed, plain = {.kind = Q_NODE_SCALAR};
    bool yaml = value.size > 0 && strchr("[{'\"", value.data[0]);
    if (yaml) {
        Q_TRY(q_yaml_tree(value, &(struct q_yaml_source){.file = source_name, .path = node->path}, arena, &parsed));
    } else {
        if (!q_utf8_valid(value))
            return q_fail(Q_ERR_USAGE, "%s: '%s' is not UTF-8", source_name, node->path);
        Q_TRY(q_arena_string(arena, value, &plain.text));
        parsed = &plain;
    }
    node->kind = parsed->kind;
    node->text = parsed->text;
    node->quoted = parsed->quoted;
    node->children = parsed->children;
    node->file = source_name;
    node->line = 0;
    return Q_OK;
}

q_status q_yaml_set(struct q_node *root, const char *override, struct q_arena *arena)
{
    enum { PARTS_MAX = 32 };
    q_string all = q_string_of(override);
    char shown[120];
    size_t equals = q_string_find(all, Q_STRING("="), 0);
    if (equals == SIZE_MAX || equals == 0)
        return q_fail(Q_ERR_USAGE, "%s: '%s' is not NAME=VALUE, such as corpus.part_bytes=1MiB", source_name,
                      q_show(shown, sizeof(shown), all));
    q_string name = q_string_slice(all, 0, equals);
    struct q_node *node = root;
    for (size_t from = 0, parts = 0; from <= name.size; parts++) {
        size_t to = Q_MIN(q_string_find(name, Q_STRING("."), from), name.size);
        if (to == from || parts == PARTS_MAX)
            return q_fail(Q_ERR_USAGE, "%s: '%s' is no setting's name", source_name,
                          q_show(shown, sizeof(shown), name));
        Q_TRY(enter(node, q_string_slice(name, from, to), arena, &node));
        from = to + 1;
    }
    return assign(node, q_string_trim(q_string_slice(all, equals + 1, all.size)), arena);
}
