/* YAML as a tree of nodes that know their lines: libyaml's events, less what a recipe has no use for. */
#include "base/check.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/json_private.h"
#include "base/recipe.h"
#include "base/recipe_private.h"

#include <yaml.h>

enum { YAML_BYTES_MAX = 1 << 20, YAML_DEPTH_MAX = 32, KEY_SHOWN = 80 };

/* Libyaml's memory is its own (malloc); what becomes of it here lives in the arena. */
struct reader {
    yaml_parser_t parser;
    const char *file;
    bool lines; /* whether lines mean something to the one who wrote this */
    struct q_arena *arena;
};

bool q_node_is_null(const struct q_node *node)
{
    return node->kind == Q_NODE_SCALAR && !node->quoted &&
           (node->text.size == 0 || q_string_is(node->text, "~") || q_string_is(node->text, "null"));
}

q_status q_node_context(const struct q_node *node, q_status status)
{
    if (node->line == 0)
        return q_context(status, "%s", node->file);
    return q_context(status, "%s:%u", node->file, node->line);
}

const struct q_node *q_node_child(const struct q_node *map, const char *key)
{
    if (!map || map->kind != Q_NODE_MAP)
        return NULL;
    for (const struct q_node *child = map->children; child; child = child->next)
        if (q_string_is(child->key, key))
            return child;
    return NULL;
}

q_status q_node_path(struct q_arena *arena, const char *parent, q_string key, const char **out)
{
    char shown[KEY_SHOWN];
    return q_arena_printf(arena, out, "%s%s%s", parent, parent[0] ? "." : "", q_show(shown, sizeof(shown), key));
}

static unsigned line_of(const struct reader *reader, const yaml_event_t *event)
{
    return reader->lines ? (unsigned)event->start_mark.line + 1 : 0;
}

static q_status fail_at(const struct reader *reader, unsigned line, const char *what)
{
    if (line == 0)
        return q_fail(Q_ERR_USAGE, "%s: %s", reader->file, what);
    return q_fail(Q_ERR_USAGE, "%s:%u: %s", reader->file, line, what);
}

static const char no_anchors[] = "anchors and aliases (& and *) are not read; put the text in quotes";

/* Libyaml's own words: "did not find expected key". But `path: *.deb` is for us to explain. */
static q_status parser_failed(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    char shown[160];
    if (parser->error == YAML_MEMORY_ERROR)
        return q_fail(Q_ERR_MEMORY, "out of memory for '%s'", reader->file);
    const char *problem = parser->problem ? parser->problem : "is no YAML";
    if (parser->context && (strstr(parser->context, "an alias") || strstr(parser->context, "an anchor")))
        problem = no_anchors;
    /* Of the characters that cannot, it is nearly always a tab. */
    if (strcmp(problem, "found character that cannot start any token") == 0)
        problem = "found character that cannot start any token; indent with spaces, not with tabs";
    unsigned line = reader->lines ? (unsigned)parser->problem_mark.line + 1 : 0;
    return fail_at(reader, line, q_show(shown, sizeof(shown), q_string_of(problem)));
}

/* The next event; the caller deletes it. Anchors, aliases and tags end here. */
static q_status next_event(struct reader *reader, yaml_event_t *event)
{
    if (!yaml_parser_parse(&reader->parser, event))
        return parser_failed(reader);
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    q_status status = Q_OK;
    if (anchor || event->type == YAML_ALIAS_EVENT)
        status = fail_at(reader, line_of(reader, event), no_anchors);
    else if (tag)
        status = fail_at(reader, line_of(reader, event), "tags (!) are not read; put the text in quotes");
    if (status)
        yaml_event_delete(event);
    return status;
}

static q_status new_node(struct reader *reader, const yaml_event_t *event, const char *path, struct q_node **out)
{
    struct q_node *node;
    Q_TRY(q_arena_alloc(reader->arena, 1, sizeof(*node), &node));
    node->file = reader->file;
    node->line = line_of(reader, event);
    node->path = path;
    *out = node;
    return Q_OK;
}

static q_status scalar_text(struct reader *reader, const yaml_event_t *event, q_string *out)
{
    q_string text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    if (memchr(text.data, 0, text.size))
        return fail_at(reader, line_of(reader, event), "a text holds a NUL character");
    return q_arena_string(reader->arena, text, out);
}

static q_status read_node(struct reader *reader, const yaml_event_t *event, const char *path, unsigned depth,
                          struct q_node **out);

/* Reads the node that begins with the next event. *out is NULL where that event ends the collection instead. */
static q_status read_next(struct reader *reader, const char *path, unsigned depth, struct q_node **out)
{
    yaml_event_t event;
    Q_TRY(next_event(reader, &event));
    q_status status = Q_OK;
    *out = NULL;
    if (event.type != YAML_SEQUENCE_END_EVENT && event.type != YAML_MAPPING_END_EVENT)
        status = read_node(reader, &event, path, depth, out);
    yaml_event_delete(&event);
    return status;
}

static q_status read_list(struct reader *reader, struct q_node *list, unsigned depth)
{
    struct q_node **tail = &list->children;
    for (unsigned index = 0;; index++) {
        char number[16];
        const char *path;
        (void)snprintf(number, sizeof(number), "%u", index);
        Q_TRY(q_node_path(reader->arena, list->path, q_string_of(number), &path));
        Q_TRY(read_next(reader, path, depth, tail));
        if (!*tail)
            return Q_OK;
        tail = &(*tail)->next;
    }
}

/* A key's text and line, or *end. */
static q_status read_key(struct reader *reader, q_string *key, unsigned *line, bool *end)
{
    yaml_event_t event;
    Q_TRY(next_event(reader, &event));
    q_status status = Q_OK;
    *end = event.type == YAML_MAPPING_END_EVENT;
    *line = line_of(reader, &event);
    if (!*end && event.type != YAML_SCALAR_EVENT)
        status = fail_at(reader, *line, "a key must be a name");
    else if (!*end)
        status = scalar_text(reader, &event, key);
    yaml_event_delete(&event);
    return status;
}

static q_status given_twice(const struct reader *reader, const char *path, unsigned line, const struct q_node *first)
{
    char text[512];
    if (first->line)
        (void)snprintf(text, sizeof(text), "'%.400s' is given twice, first on line %u", path, first->line);
    else
        (void)snprintf(text, sizeof(text), "'%.400s' is given twice", path);
    return fail_at(reader, line, text);
}

static const struct q_node *child_of_key(const struct q_node *map, q_string key)
{
    for (const struct q_node *child = map->children; child; child = child->next)
        if (q_string_equal(child->key, key))
            return child;
    return NULL;
}

/* Duplicates are looked for one by one. A mapping has tens of keys; MAP_KEYS_MAX keeps a hostile one from taking the square of a million. */
static q_status read_map(struct reader *reader, struct q_node *map, unsigned depth)
{
    enum { MAP_KEYS_MAX = 4096 };
    struct q_node **tail = &map->children;
    for (unsigned count = 0;; count++) {
        q_string key = {0};
        unsigned line = 0;
        bool end = false;
        const char *path;
        Q_TRY(read_key(reader, &key, &line, &end));
        if (end)
            return Q_OK;
        Q_TRY(q_node_path(reader->arena, map->path, key, &path));
        const struct q_node *first = child_of_key(map, key);
        if (first)
            return given_twice(reader, path, line, first);
        if (count == MAP_KEYS_MAX)
            return fail_at(reader, line, "a mapping has more than 4,096 keys");
        Q_TRY(read_next(reader, path, depth, tail));
        if (!*tail)
            return fail_at(reader, line, "a key has no value");
        (*tail)->key = key;
        (*tail)->line = line;
        tail = &(*tail)->next;
    }
}

static q_status read_node(struct reader *reader, const yaml_event_t *event, const char *path, unsigned depth,
                          struct q_node **out)
{
    struct q_node *node;
    if (depth > YAML_DEPTH_MAX)
        return fail_at(reader, line_of(reader, event), "is nested deeper than 32");
    Q_TRY(new_node(reader, event, path, &node));
    *out = node;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        return scalar_text(reader, event, &node->text);
    case YAML_SEQUENCE_START_EVENT:
        node->kind = Q_NODE_LIST;
        return read_list(reader, node, depth + 1);
    case YAML_MAPPING_START_EVENT:
        node->kind = Q_NODE_MAP;
        return read_map(reader, node, depth + 1);
    default:
        return fail_at(reader, line_of(reader, event), "is not a recipe's kind of YAML");
    }
}

/* stream start, [document start, node, document end], stream end. */
static q_status read_stream(struct reader *reader, const char *path, struct q_node **out)
{
    yaml_event_t event;
    for (unsigned documents = 0;;) {
        Q_TRY(next_event(reader, &event));
        yaml_event_type_t type = event.type;
        unsigned line = line_of(reader, &event);
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT)
            return Q_OK;
        if (type != YAML_DOCUMENT_START_EVENT)
            continue;
        if (++documents > 1)
            return fail_at(reader, line, "a second YAML document (---) begins; there must be one");
        Q_TRY(read_next(reader, path, 0, out));
    }
}

static q_status check_text(const struct reader *reader, q_string text)
{
    if (text.size > YAML_BYTES_MAX)
        return q_fail(Q_ERR_USAGE, "%s: is longer than 1 MiB", reader->file);
    if (q_utf8_valid(text))
        return Q_OK;
    q_string rest = text, row;
    unsigned line = 0;
    while (q_string_next_line(&rest, &row) && ++line && q_utf8_valid(row))
        ;
    return fail_at(reader, reader->lines ? line : 0, "is not UTF-8");
}

q_status q_yaml_tree(q_string text, const struct q_yaml_source *source, struct q_arena *arena, struct q_node **out)
{
    struct reader reader = {.file = source->file, .lines = source->lines, .arena = arena};
    struct q_node *root = NULL;
    Q_TRY(check_text(&reader, text));
    if (!yaml_parser_initialize(&reader.parser))
        return q_fail(Q_ERR_MEMORY, "out of memory for '%s'", source->file);
    /* Not guessed from a byte order mark: a recipe is UTF-8. */
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)(text.data ? text.data : ""), text.size);
    q_status status = read_stream(&reader, source->path, &root);
    yaml_parser_delete(&reader.parser);
    if (!status && !root) {
        status = q_arena_alloc(arena, 1, sizeof(*root), &root);
        if (!status)
            *root = (struct q_node){.kind = Q_NODE_MAP, .file = source->file, .path = source->path};
    }
    if (!status)
        *out = root;
    return status;
}

q_status q_yaml_parse(q_string text, const char *file, struct q_arena *arena, struct q_node **out)
{
    const char *name;
    Q_TRY(q_arena_cstring(arena, q_string_of(file), &name));
    return q_yaml_tree(text, &(struct q_yaml_source){.file = name, .path = "", .lines = true}, arena, out);
}

q_status q_yaml_read(const char *file, struct q_arena *arena, struct q_node **out)
{
    struct q_buffer text = {0};
    q_status status = q_fs_read_file(file, YAML_BYTES_MAX, &text);
    if (!status)
        status = q_yaml_parse(q_buffer_string(&text), strcmp(file, "-") != 0 ? file : "standard input", arena, out);
    q_buffer_release(&text);
    /* A recipe that is not there is found before any work, as one that is wrong. */
    return status == Q_ERR_INPUT ? Q_ERR_USAGE : status;
}
