/* Files that recipes name (models, profiles), and one mapping laid over another. */
#include "base/check.h"
#include "base/fs.h"
#include "base/recipe.h"

q_status q_recipe_find(const char *kind, const char *name, const char *recipe_folder, struct q_arena *arena,
                       const char **out)
{
    const char *program, *folder = recipe_folder ? recipe_folder : ".";
    bool exists;
    if (strchr(name, '/') || q_string_ends(q_string_of(name), ".yaml"))
        return q_fs_join(arena, folder, name, out);
    Q_TRY(q_program_folder(arena, &program));
    const char *const places[][2] = {{folder, ""}, {program, "../../recipes/"}, {program, "../share/quern/recipes/"}};
    for (size_t i = 0; i < Q_COUNT_OF(places); i++) {
        Q_TRY(q_arena_printf(arena, out, "%s/%s%ss/%s.yaml", places[i][0], places[i][1], kind, name));
        Q_TRY(q_fs_look(*out, &exists, NULL));
        if (exists)
            return Q_OK;
    }
    return q_fail(Q_ERR_USAGE, "no %s '%s': there is no '%ss/%s.yaml' beside the recipe or the program", kind, name,
                  kind, name);
}

/* A copy of the node without its children, behind *link. */
static q_status append_copy(const struct q_node *node, struct q_arena *arena, struct q_node ***link)
{
    struct q_node *copy;
    Q_TRY(q_arena_alloc(arena, 1, sizeof(*copy), &copy));
    *copy = *node;
    copy->next = NULL;
    **link = copy;
    *link = &copy->next;
    return Q_OK;
}

q_status q_node_merge(const struct q_node *under, const struct q_node *over, struct q_arena *arena,
                      const struct q_node **out)
{
    if (!under || !over || under->kind != Q_NODE_MAP || over->kind != Q_NODE_MAP) {
        *out = over ? over : under;
        return Q_OK;
    }
    struct q_node *merged, **link;
    Q_TRY(q_arena_alloc(arena, 1, sizeof(*merged), &merged));
    *merged = *over;
    merged->next = merged->children = NULL;
    link = &merged->children;
    for (const struct q_node *child = under->children; child; child = child->next) {
        const struct q_node *own;
        Q_TRY(q_node_merge(child, q_node_child(over, child->key.data), arena, &own));
        Q_TRY(append_copy(own, arena, &link));
    }
    for (const struct q_node *child = over->children; child; child = child->next)
        if (!q_node_child(under, child->key.data))
            Q_TRY(append_copy(child, arena, &link));
    *out = merged;
    return Q_OK;
}
