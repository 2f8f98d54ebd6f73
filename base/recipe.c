#include "base/recipe.h"

#include "base/fs.h"
#include "base/json_private.h"

#define INPUT(member) offsetof(struct q_input, member)

static const char *const input_formats[] = {"auto", "jsonl", "html", "text", "csv", "tsv", "parquet", NULL};

static const struct q_setting input_rows[] = {
    {.name = "name",
     .type = Q_SETTING_TEXT,
     .tag = Q_TAG_IDENTITY,
     .offset = INPUT(name),
     .meaning = "must be given: the `source` of the input's documents and the start of their ids: a-z, 0-9, '.', '_', "
                "'-'; unique"},
    {.name = "path",
     .type = Q_SETTING_TEXTS,
     .tag = Q_TAG_OPERATIONAL,
     .offset = INPUT(path),
     .meaning = "must be given: files, folders or patterns, relative to the recipe; what is in them is what counts, "
                "not where they are"},
    {.name = "format",
     .steps = Q_INPUT_FOR_CORPUS,
     .type = Q_SETTING_CHOICE,
     .tag = Q_TAG_IDENTITY,
     .offset = INPUT(format),
     .standard = "auto",
     .choices = input_formats,
     .meaning = "how files are read; `auto` goes by name and content, and leaves tables inside archives out"},
    {.name = "text_field",
     .steps = Q_INPUT_FOR_CORPUS,
     .type = Q_SETTING_TEXT,
     .tag = Q_TAG_IDENTITY,
     .offset = INPUT(text_field),
     .standard = "text",
     .meaning = "JSON lines: the member that is the text; tables: the column"},
    {.name = "lang",
     .steps = Q_INPUT_FOR_CORPUS,
     .type = Q_SETTING_TEXT,
     .tag = Q_TAG_IDENTITY,
     .offset = INPUT(lang),
     .meaning = "the language (BCP-47) where it is known; else it is identified"},
    {.name = "weight",
     .steps = Q_INPUT_FOR_TRAIN,
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_IDENTITY,
     .offset = INPUT(weight),
     .standard = "1",
     .max = 1e6,
     .meaning = "how often its sequences are seen in one pass of the mixture; 1: as they are"},
    {.name = "epochs_max",
     .steps = Q_INPUT_FOR_TRAIN,
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_IDENTITY,
     .offset = INPUT(epochs_max),
     .standard = "0",
     .max = 1e6,
     .meaning = "passes over the input at most; 0: no bound"},
    {0}};
const struct q_settings_table q_input_table = {"inputs", input_rows, sizeof(struct q_input)};

/* The sections are trees here: what may be in them is in the tables of their stages. */
enum { SECTION_COUNT = 8 };
struct top_level {
    const char *name, *dir;
    uint64_t seed;
    struct q_setting_list inputs;
    struct q_node *sections[SECTION_COUNT];
};

#define TOP(member) offsetof(struct top_level, member)
#define SECTION(index, title, which, text)                                                                             \
    {                                                                                                                  \
        .name = (title), .type = Q_SETTING_TREE, .tag = (which), .offset = TOP(sections[index]), .meaning = (text)     \
    }

static const struct q_setting top_rows[] = {
    {.name = "name",
     .type = Q_SETTING_TEXT,
     .tag = Q_TAG_OPERATIONAL,
     .offset = TOP(name),
     .meaning = "of the run; the file's name without its ending where it is not given"},
    {.name = "dir",
     .type = Q_SETTING_TEXT,
     .tag = Q_TAG_OPERATIONAL,
     .offset = TOP(dir),
     .meaning = "folder of the run, relative to the recipe; `runs/NAME` where it is not given"},
    {.name = "seed",
     .type = Q_SETTING_U64,
     .tag = Q_TAG_IDENTITY,
     .offset = TOP(seed),
     .standard = "0",
     .meaning = "of every draw; a step that draws nothing does not depend on it"},
    {.name = "inputs",
     .type = Q_SETTING_LIST,
     .tag = Q_TAG_IDENTITY,
     .offset = TOP(inputs),
     .table = &q_input_table,
     .meaning = "what is read, in this order"},
    SECTION(0, "corpus", Q_TAG_IDENTITY, "stage 1: [corpus.md](corpus.md)"),
    SECTION(1, "dedup", Q_TAG_IDENTITY, "stage 2: [dedup.md](dedup.md)"),
    SECTION(2, "tokenizer", Q_TAG_IDENTITY, "stage 3: [tokenizer.md](tokenizer.md)"),
    SECTION(3, "shards", Q_TAG_IDENTITY, "stage 4: [shards.md](shards.md)"),
    SECTION(
        4, "model", Q_TAG_IDENTITY,
        "a name of recipes/models/, or the model's shape as such a file has it, or `name` and what is to be otherwise"),
    SECTION(5, "train", Q_TAG_IDENTITY, "stage 5: [train.md](train.md)"),
    SECTION(6, "eval", Q_TAG_IDENTITY, "stage 6: [eval.md](eval.md)"),
    SECTION(7, "executor", Q_TAG_OPERATIONAL, "where the run's programs run, and their limits"),
    {0}};
const struct q_settings_table q_recipe_table = {"recipe", top_rows, sizeof(struct top_level)};

static bool is_input_name(const char *name)
{
    static const char characters[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strlen(name);
    return length > 0 && length <= 64 && strspn(name, characters) == length && !strchr("._-", name[0]);
}

/* Line and name of the input at `index`, for errors. */
static const struct q_node *input_node(const struct q_recipe *recipe, size_t index)
{
    const struct q_node *list = q_node_child(recipe->root, "inputs"), *node = list ? list->children : NULL;
    while (node && index-- > 0)
        node = node->next;
    return node ? node : recipe->root;
}

static q_status check_input(const struct q_recipe *recipe, size_t index)
{
    const struct q_input *inputs = recipe->inputs.items, *input = &inputs[index];
    char shown[80];
    if (!input->name)
        return q_fail(Q_ERR_USAGE, "'inputs.%zu.name' must be given", index);
    if (!is_input_name(input->name))
        return q_fail(Q_ERR_USAGE,
                      "'inputs.%zu.name' is '%s'; it must be 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with "
                      "a letter or digit",
                      index, q_show(shown, sizeof(shown), q_string_of(input->name)));
    if (input->path.count == 0)
        return q_fail(Q_ERR_USAGE, "'inputs.%zu.path' must be given: where '%s' is read from", index, input->name);
    for (size_t i = 0; i < input->path.count; i++)
        if (!input->path.items[i][0])
            return q_fail(Q_ERR_USAGE, "'inputs.%zu.path' holds an empty path", index);
    if (!input->text_field[0])
        return q_fail(Q_ERR_USAGE, "'inputs.%zu.text_field' is empty; it names a member or a column", index);
    for (size_t i = 0; i < index; i++)
        if (!strcmp(inputs[i].name, input->name))
            return q_fail(Q_ERR_USAGE, "two inputs are named '%s', the first one on line %u", input->name,
                          input_node(recipe, i)->line);
    return Q_OK;
}

/* A section is a mapping; a model may be a name. */
static q_status check_section(const struct q_node *node)
{
    bool name = q_string_is(node->key, "model") && node->kind == Q_NODE_SCALAR;
    if (node->kind == Q_NODE_MAP || name || q_node_is_null(node))
        return Q_OK;
    return q_node_context(
        node, q_fail(Q_ERR_USAGE, "'%s' must be a mapping: lines of 'setting: value' below it", node->path));
}

static q_status check_top(struct q_recipe *recipe)
{
    struct top_level top;
    if (recipe->root->kind != Q_NODE_MAP && !q_node_is_null(recipe->root))
        return q_node_context(recipe->root, q_fail(Q_ERR_USAGE, "a recipe must be a mapping: lines of 'name: value'"));
    Q_TRY(q_settings_load(&q_recipe_table, recipe->root, &recipe->arena, &top));
    recipe->name = top.name;
    recipe->dir = top.dir;
    recipe->seed = top.seed;
    recipe->inputs = top.inputs;
    for (const struct q_node *child = recipe->root->children; child; child = child->next)
        for (size_t i = 0; top_rows[i].type; i++)
            if (top_rows[i].type == Q_SETTING_TREE && q_string_is(child->key, top_rows[i].name))
                Q_TRY(check_section(child));
    for (size_t i = 0; i < recipe->inputs.count; i++)
        Q_TRY(q_node_context(input_node(recipe, i), check_input(recipe, i)));
    return Q_OK;
}

/* What is not given: the name from the file's, the folder of the run from the name. */
/* Whether "FOLDER/.." is the folder that FOLDER's name stands in: not where it is a link, nor for "." and "..". */
static bool can_step_out(const char *folder)
{
    const char *name = q_fs_base_name(folder);
    struct stat st;
    return name[0] && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && lstat(folder, &st) == 0 &&
           S_ISDIR(st.st_mode);
}

/* The run's folder as a person would write it: "recipes" and "../demo/run" make "demo/run". */
static q_status resolve_dir(struct q_recipe *recipe)
{
    const char *folder = recipe->folder, *dir = recipe->dir;
    while (strncmp(dir, "../", 3) == 0 && can_step_out(folder)) {
        Q_TRY(q_fs_parent(&recipe->arena, folder, &folder));
        dir += 3;
    }
    return q_fs_join(&recipe->arena, folder, dir, &recipe->dir);
}

static q_status fill_names(struct q_recipe *recipe)
{
    struct q_arena *arena = &recipe->arena;
    const struct q_node *node = q_node_child(recipe->root, "name");
    if (!recipe->name) {
        const char *base = q_fs_base_name(recipe->file);
        const char *dot = strrchr(base, '.');
        size_t length = dot && dot > base ? (size_t)(dot - base) : strlen(base);
        Q_TRY(q_arena_cstring(arena, (q_string){base, length}, &recipe->name));
    } else if (!recipe->name[0] || recipe->name[0] == '.' || strpbrk(recipe->name, "/\n\r\t\x1b")) {
        return q_node_context(
            node, q_fail(Q_ERR_USAGE, "'name' must be a plain name, without '/' and not beginning with '.'"));
    }
    if (!recipe->dir)
        Q_TRY(q_arena_printf(arena, &recipe->dir, "runs/%s", recipe->name));
    return resolve_dir(recipe);
}

q_status q_recipe_load(const char *file, const struct q_texts *overrides, struct q_recipe *recipe)
{
    *recipe = (struct q_recipe){0};
    struct q_arena *arena = &recipe->arena;
    bool is_file = file && strcmp(file, "-") != 0;
    Q_TRY(q_arena_cstring(arena, q_string_of(is_file ? file : "recipe"), &recipe->file));
    if (is_file)
        Q_TRY(q_fs_parent(arena, file, &recipe->folder));
    else
        recipe->folder = ".";
    if (file)
        Q_TRY(q_yaml_read(file, arena, &recipe->root));
    else
        Q_TRY(q_yaml_parse(Q_STRING(""), "recipe", arena, &recipe->root));
    for (size_t i = 0; overrides && i < overrides->count; i++)
        Q_TRY(q_yaml_set(recipe->root, overrides->items[i], arena));
    Q_TRY(check_top(recipe));
    return fill_names(recipe);
}

void q_recipe_release(struct q_recipe *recipe)
{
    q_arena_release(&recipe->arena);
    *recipe = (struct q_recipe){0};
}

const struct q_node *q_recipe_section(const struct q_recipe *recipe, const char *name)
{
    const struct q_node *node = q_node_child(recipe->root, name);
    return node && !q_node_is_null(node) ? node : NULL;
}
