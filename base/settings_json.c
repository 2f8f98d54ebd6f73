/* Settings as JSON: what a step's identity hashes. */
#include "base/check.h"
#include "base/recipe.h"
#include "base/settings.h"

/* Which rows are wanted: those with the tag, and of the steps in the mask (0: any). */
struct filter {
    enum q_tag tag;
    uint32_t steps;
};

static q_status table_json(const struct q_settings_table *table, const char *settings, struct filter filter,
                           json_t **out);

static bool of_steps(const struct q_setting *row, struct filter filter)
{
    return row->steps == 0 || filter.steps == 0 || (row->steps & filter.steps) != 0;
}

/* A tree as it was written, scalars as strings: no type is guessed from how a word looks. */
static q_status tree_json(const struct q_node *node, json_t **out)
{
    if (!node || q_node_is_null(node)) {
        *out = json_null();
        return Q_OK;
    }
    if (node->kind == Q_NODE_SCALAR) {
        *out = q_json_string(node->text);
        return *out ? Q_OK : q_fail(Q_ERR_MEMORY, "out of memory for a setting");
    }
    json_t *tree = node->kind == Q_NODE_MAP ? json_object() : json_array();
    q_status status = tree ? Q_OK : q_fail(Q_ERR_MEMORY, "out of memory for a setting");
    for (const struct q_node *child = node->children; child && !status; child = child->next) {
        json_t *value;
        char key[512];
        status = tree_json(child, &value);
        if (status)
            break;
        if (node->kind == Q_NODE_LIST) {
            status = q_json_push(tree, value);
        } else if (child->key.size < sizeof(key)) {
            memcpy(key, child->key.data, child->key.size);
            key[child->key.size] = '\0';
            status = q_json_set(tree, key, value);
        } else {
            json_decref(value);
            status = q_node_context(child, q_fail(Q_ERR_USAGE, "a key is longer than 511 bytes"));
        }
    }
    if (status)
        json_decref(tree);
    else
        *out = tree;
    return status;
}

static q_status texts_json(const struct q_texts *texts, json_t **out)
{
    json_t *list = json_array();
    q_status status = list ? Q_OK : q_fail(Q_ERR_MEMORY, "out of memory for a setting");
    for (size_t i = 0; i < texts->count && !status; i++)
        status = q_json_push(list, q_json_string(q_string_of(texts->items[i])));
    if (status)
        json_decref(list);
    else
        *out = list;
    return status;
}

static q_status list_json(const struct q_setting *row, const struct q_setting_list *items, struct filter filter,
                          json_t **out)
{
    json_t *list = json_array();
    q_status status = list ? Q_OK : q_fail(Q_ERR_MEMORY, "out of memory for a setting");
    for (size_t i = 0; i < items->count && !status; i++) {
        json_t *item;
        status = table_json(row->table, (const char *)items->items + i * row->table->size, filter, &item);
        if (!status)
            status = q_json_push(list, item);
    }
    if (status)
        json_decref(list);
    else
        *out = list;
    return status;
}

/* Numbers and texts; *out may be NULL where memory ran out (q_json_set says so). */
static json_t *scalar_json(const struct q_setting *row, const char *from)
{
    union {
        bool truth;
        int64_t sign;
        uint64_t whole;
        double real;
        const char *text;
        int choice;
    } value;
    switch (row->type) {
    case Q_SETTING_BOOL:
        memcpy(&value.truth, from, sizeof(value.truth));
        return json_boolean(value.truth);
    case Q_SETTING_I64:
        memcpy(&value.sign, from, sizeof(value.sign));
        return json_integer(value.sign);
    case Q_SETTING_DOUBLE:
        memcpy(&value.real, from, sizeof(value.real));
        return json_real(value.real == 0 ? 0 : value.real); /* -0 is 0 */
    case Q_SETTING_TEXT:
        memcpy(&value.text, from, sizeof(value.text));
        return value.text ? q_json_string(q_string_of(value.text)) : json_null();
    case Q_SETTING_CHOICE:
        memcpy(&value.choice, from, sizeof(value.choice));
        return json_string(row->choices[value.choice]);
    default:
        memcpy(&value.whole, from, sizeof(value.whole));
        q_check(value.whole <= INT64_MAX);
        return json_integer((json_int_t)value.whole);
    }
}

static q_status value_json(const struct q_setting *row, const char *from, struct filter filter, json_t **out)
{
    const struct q_node *tree;
    switch (row->type) {
    case Q_SETTING_TEXTS:
        return texts_json((const struct q_texts *)(const void *)from, out);
    case Q_SETTING_SECTION:
        return table_json(row->table, from, filter, out);
    case Q_SETTING_LIST:
        return list_json(row, (const struct q_setting_list *)(const void *)from, filter, out);
    case Q_SETTING_TREE:
        memcpy(&tree, from, sizeof(tree));
        return tree_json(tree, out);
    default:
        *out = scalar_json(row, from);
        return Q_OK;
    }
}

/* Whether any row below has the tag: an empty section or a list of empty elements says nothing. */
static bool any_wanted(const struct q_setting *row, struct filter filter)
{
    if (!of_steps(row, filter))
        return false;
    if (row->type != Q_SETTING_SECTION && row->type != Q_SETTING_LIST)
        return row->tag == filter.tag;
    for (const struct q_setting *inner = row->table->rows; inner->type; inner++)
        if (any_wanted(inner, filter))
            return true;
    return false;
}

static q_status table_json(const struct q_settings_table *table, const char *settings, struct filter filter,
                           json_t **out)
{
    json_t *object = json_object();
    q_status status = object ? Q_OK : q_fail(Q_ERR_MEMORY, "out of memory for the settings");
    for (const struct q_setting *row = table->rows; row->type && !status; row++) {
        json_t *value;
        if (!any_wanted(row, filter))
            continue;
        status = value_json(row, settings + row->offset, filter, &value);
        if (!status)
            status = q_json_set(object, row->name, value);
    }
    if (status)
        json_decref(object);
    else
        *out = object;
    return status;
}

q_status q_settings_json(const struct q_settings_table *table, const void *settings, enum q_tag tag, uint32_t steps,
                         json_t **out)
{
    return table_json(table, settings, (struct filter){tag, steps}, out);
}
