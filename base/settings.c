/* A recipe's section into a struct, by its table. */
#include "base/settings.h"

#include "base/check.h"
#include "base/json_private.h"
#include "base/recipe_private.h"
#include "base/settings_private.h"

#include <math.h>

enum { SHOWN = 80 };

struct loader {
    struct q_arena *arena;
    const struct q_node *section; /* where the settings are, or should be; NULL: nowhere */
    const char *path;             /* of the section: "corpus" */
};

static q_status load_table(const struct loader *loader, const struct q_settings_table *table, char *settings);
static q_status load_value(const struct loader *loader, const struct q_setting *row, const struct q_node *node,
                           char *to);

static q_status full_name(const struct loader *loader, const struct q_setting *row, const char **out)
{
    return q_node_path(loader->arena, loader->path, q_string_of(row->name), out);
}

static q_status at_section(const struct loader *loader, q_status status)
{
    return loader->section ? q_node_context(loader->section, status) : status;
}

/* "'corpus.held_out' is 1.5; it must be 0 to 1", with file and line. */
static q_status must_be(const struct q_node *node, const char *what)
{
    char shown[SHOWN];
    const char *kind = node->kind == Q_NODE_LIST ? "a list" : "a mapping";
    q_status status;
    if (node->kind != Q_NODE_SCALAR)
        status = q_fail(Q_ERR_USAGE, "'%s' is %s; it must be %s", node->path, kind, what);
    else
        status = q_fail(Q_ERR_USAGE, "'%s' is '%s'; it must be %s", node->path,
                        q_show(shown, sizeof(shown), node->text), what);
    return q_node_context(node, status);
}

static q_status out_of_range(const struct q_setting *row, const struct q_node *node)
{
    char range[Q_RANGE_TEXT], shown[SHOWN];
    return q_node_context(node, q_fail(Q_ERR_USAGE, "'%s' is %s; it must be %s", node->path,
                                       q_show(shown, sizeof(shown), node->text), q_setting_range(row, range)));
}

/* What a number of the type is called in an error. */
static const char *number_words(enum q_setting_type type)
{
    switch (type) {
    case Q_SETTING_I64:
        return "a whole number";
    case Q_SETTING_U64:
        return "a whole number from 0 up";
    case Q_SETTING_BYTES:
        return "a number of bytes, such as 65536, 64KiB or 2GB";
    case Q_SETTING_COUNT:
        return "a whole number, such as 2000, 3M or 14.8T";
    default:
        return "a number";
    }
}

/* A quoted number is a text: "64" where 64 is meant shows that something else was thought of. It is taken all the same. */
static q_status load_number(const struct q_setting *row, const struct q_node *node, char *to)
{
    uint64_t whole = 0;
    int64_t sign = 0;
    double value = 0;
    q_status status = Q_ERR_USAGE;
    if (node->kind != Q_NODE_SCALAR)
        return must_be(node, number_words(row->type));
    if (row->type == Q_SETTING_DOUBLE)
        status = q_parse_double(node->text, &value);
    else if (row->type == Q_SETTING_I64)
        status = q_parse_i64(node->text, &sign);
    else if (row->type == Q_SETTING_U64)
        status = q_parse_u64(node->text, &whole);
    else if (row->type == Q_SETTING_BYTES)
        status = q_parse_bytes(node->text, &whole);
    else
        status = q_parse_count(node->text, &whole);
    if (status)
        return must_be(node, number_words(row->type));
    /* The identity is JSON, whose whole numbers end at 2^63 - 1. */
    if (whole > INT64_MAX)
        return must_be(node, "less than 2^63");
    if (row->type != Q_SETTING_DOUBLE)
        value = row->type == Q_SETTING_I64 ? (double)sign : (double)whole;
    if (!q_setting_in_range(row, value))
        return out_of_range(row, node);
    if (row->type == Q_SETTING_DOUBLE)
        memcpy(to, &value, sizeof(value));
    else if (row->type == Q_SETTING_I64)
        memcpy(to, &sign, sizeof(sign));
    else
        memcpy(to, &whole, sizeof(whole));
    return Q_OK;
}

static q_status load_choice(const struct q_setting *row, const struct q_node *node, char *to)
{
    char words[512];
    for (int i = 0; row->choices[i]; i++)
        if (node->kind == Q_NODE_SCALAR && q_string_is(node->text, row->choices[i])) {
            memcpy(to, &i, sizeof(i));
            return Q_OK;
        }
    return must_be(node, q_setting_choices(row, words, sizeof(words)));
}

static q_status load_bool(const struct q_node *node, char *to)
{
    bool value = node->kind == Q_NODE_SCALAR && q_string_is(node->text, "true");
    if (!value && !(node->kind == Q_NODE_SCALAR && q_string_is(node->text, "false")))
        return must_be(node, "true or false");
    memcpy(to, &value, sizeof(value));
    return Q_OK;
}

static q_status load_text(const struct loader *loader, const struct q_node *node, char *to)
{
    const char *text;
    if (node->kind != Q_NODE_SCALAR)
        return must_be(node, "a text");
    Q_TRY(q_arena_cstring(loader->arena, node->text, &text));
    memcpy(to, &text, sizeof(text));
    return Q_OK;
}

static size_t child_count(const struct q_node *node)
{
    size_t count = 0;
    for (const struct q_node *child = node->children; child; child = child->next)
        count++;
    return count;
}

static q_status load_texts(const struct loader *loader, const struct q_node *node, char *to)
{
    struct q_texts texts = {0};
    if (node->kind == Q_NODE_MAP)
        return must_be(node, "a text or a list of texts");
    size_t count = node->kind == Q_NODE_LIST ? child_count(node) : 1;
    Q_TRY(q_arena_alloc(loader->arena, count + 1, sizeof(*texts.items), &texts.items));
    const struct q_node *item = node->kind == Q_NODE_LIST ? node->children : node;
    for (; texts.count < count; item = item->next)
        Q_TRY(load_text(loader, item, (char *)&texts.items[texts.count++]));
    texts.capacity = count;
    memcpy(to, &texts, sizeof(texts));
    return Q_OK;
}

static q_status load_section(const struct loader *loader, const struct q_setting *row, const struct q_node *node,
                             char *to)
{
    struct loader nested = {.arena = loader->arena, .section = node};
    if (node && node->kind != Q_NODE_MAP)
        return must_be(node, "a mapping: lines of 'setting: value' below it");
    if (!node)
        nested.section = loader->section;
    Q_TRY(full_name(loader, row, &nested.path));
    if (node)
        return load_table(&nested, row->table, to);
    /* Nothing of it was given: every setting has its standard, or is missed at the section around it. */
    struct q_node nothing = {.kind = Q_NODE_MAP, .file = "", .path = nested.path};
    if (nested.section) {
        nothing.file = nested.section->file;
        nothing.line = nested.section->line;
        nested.section = &nothing;
    }
    return load_table(&nested, row->table, to);
}

static q_status load_list(const struct loader *loader, const struct q_setting *row, const struct q_node *node, char *to)
{
    struct q_setting_list list = {0};
    if (node->kind != Q_NODE_LIST)
        return must_be(node, "a list: lines that begin with '- '");
    Q_TRY(q_arena_alloc(loader->arena, child_count(node) + 1, row->table->size, &list.items));
    for (const struct q_node *item = node->children; item; item = item->next) {
        struct loader nested = {.arena = loader->arena, .section = item, .path = item->path};
        if (item->kind != Q_NODE_MAP)
            return must_be(item, "a mapping: lines of 'setting: value'");
        Q_TRY(load_table(&nested, row->table, (char *)list.items + list.count++ * row->table->size));
    }
    memcpy(to, &list, sizeof(list));
    return Q_OK;
}

/* `node` is a given value or made from the standard. */
static q_status load_value(const struct loader *loader, const struct q_setting *row, const struct q_node *node,
                           char *to)
{
    switch (row->type) {
    case Q_SETTING_BOOL:
        return load_bool(node, to);
    case Q_SETTING_I64:
    case Q_SETTING_U64:
    case Q_SETTING_DOUBLE:
    case Q_SETTING_BYTES:
    case Q_SETTING_COUNT:
        return load_number(row, node, to);
    case Q_SETTING_TEXT:
        return load_text(loader, node, to);
    case Q_SETTING_CHOICE:
        return load_choice(row, node, to);
    case Q_SETTING_TEXTS:
        return load_texts(loader, node, to);
    case Q_SETTING_SECTION:
        return load_section(loader, row, node, to);
    case Q_SETTING_LIST:
        return load_list(loader, row, node, to);
    case Q_SETTING_TREE:
        memcpy(to, &node, sizeof(node));
        return Q_OK;
    case Q_SETTING_END:
        break;
    }
    q_check(false && "a setting's type");
    return Q_OK;
}

static bool may_be_absent(enum q_setting_type type)
{
    return type == Q_SETTING_TEXT || type == Q_SETTING_TEXTS || type == Q_SETTING_LIST || type == Q_SETTING_TREE;
}

static q_status load_standard(const struct loader *loader, const struct q_setting *row, char *to)
{
    const char *path;
    if (row->type == Q_SETTING_SECTION)
        return load_section(loader, row, NULL, to);
    if (!row->standard && may_be_absent(row->type))
        return Q_OK;
    Q_TRY(full_name(loader, row, &path));
    if (!row->standard)
        return at_section(loader, q_fail(Q_ERR_USAGE, "'%s' must be given", path));
    struct q_node *node;
    Q_TRY(q_arena_alloc(loader->arena, 1, sizeof(*node), &node));
    *node = (struct q_node){.file = "standard", .path = path, .text = q_string_of(row->standard)};
    return load_value(loader, row, node, to);
}

/* "unknown setting 'corpus.part_byte'; did you mean 'part_bytes'?" */
static q_status unknown_setting(const struct q_settings_table *table, const struct q_node *node)
{
    enum { NAMES_MAX = 255 };
    const char *names[NAMES_MAX + 1] = {NULL};
    char known[400] = "";
    size_t used = 0;
    for (size_t i = 0; table->rows[i].type && i < NAMES_MAX; i++) {
        names[i] = table->rows[i].name;
        if (used < sizeof(known))
            used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "", names[i]);
    }
    const char *nearest = q_nearest_name(node->key, names);
    q_status status;
    if (nearest)
        status = q_fail(Q_ERR_USAGE, "unknown setting '%s'; did you mean '%s'?", node->path, nearest);
    else
        status = q_fail(Q_ERR_USAGE, "unknown setting '%s'; known are: %s%s", node->path, known,
                        used >= sizeof(known) ? "..." : "");
    return q_node_context(node, status);
}

static q_status check_keys(const struct q_settings_table *table, const struct q_node *section)
{
    for (const struct q_node *child = section->children; child; child = child->next) {
        const struct q_setting *row = table->rows;
        while (row->type && !q_string_is(child->key, row->name))
            row++;
        if (!row->type)
            return unknown_setting(table, child);
    }
    return Q_OK;
}

static q_status load_table(const struct loader *loader, const struct q_settings_table *table, char *settings)
{
    if (loader->section)
        Q_TRY(check_keys(table, loader->section));
    for (const struct q_setting *row = table->rows; row->type; row++) {
        const struct q_node *node = q_node_child(loader->section, row->name);
        if (node && !q_node_is_null(node))
            Q_TRY(load_value(loader, row, node, settings + row->offset));
        else
            Q_TRY(load_standard(loader, row, settings + row->offset));
    }
    return Q_OK;
}

q_status q_settings_load(const struct q_settings_table *table, const struct q_node *section, struct q_arena *arena,
                         void *settings)
{
    bool given = section && !q_node_is_null(section);
    struct loader loader = {.arena = arena, .section = given ? section : NULL};
    /* The root of a recipe has no name: its settings go without one. */
    loader.path = section ? section->path : table->section;
    memset(settings, 0, table->size);
    if (given && section->kind != Q_NODE_MAP)
        return must_be(section, "a mapping: lines of 'setting: value' below it");
    return load_table(&loader, table, settings);
}
