#include "corpus/corpus_plan.h"

#include "base/check.h"
#include "corpus/corpus_build.h"
#include "corpus/lang/lang.h"
#include "corpus/read/decompress.h"
#include "corpus/read/reader.h"
#include "corpus/text/unicode_nfc.h"

/* --- names ------------------------------------------------------------------------------------------------------------------------- */

q_status corpus_input_name(struct q_arena *arena, const char *path, const char **out)
{
    enum { NAME_MAX_BYTES = 100 };
    q_string whole = q_string_of(path);
    while (whole.size > 1 && whole.data[whole.size - 1] == '/')
        whole.size--;
    const char *trimmed;
    Q_TRY(q_arena_cstring(arena, whole, &trimmed));
    q_string base = q_string_slice(q_string_of(q_fs_base_name(trimmed)), 0, NAME_MAX_BYTES);
    char name[NAME_MAX_BYTES + 1];
    size_t size = 0;
    for (size_t i = 0; i < base.size; i++) {
        char c = base.data[i];
        c = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (plain || (size && strchr("._-", c)))
            name[size++] = c;
        else if (size && name[size - 1] != '-')
            name[size++] = '-';
    }
    return q_arena_cstring(arena, size ? (q_string){name, size} : Q_STRING("input"), out);
}

/* The folder in front of the first wildcard of a pattern: "a/b/" of "a/b/c*.deb", as its size. */
static size_t fixed_size(const char *pattern)
{
    size_t wild = strcspn(pattern, "*?["), size = 0;
    for (size_t i = 0; i < wild && pattern[i]; i++)
        if (pattern[i] == '/')
            size = i + 1;
    return size;
}

/* --- files ------------------------------------------------------------------------------------------------------------------------- */

struct list {
    struct corpus_file *items;
    size_t count, capacity;
};

/* A file's name as ids and identities have it: control characters as %0A, and where it is not UTF-8 every byte beyond ASCII as well, so that two names
 * stay two. (That a third file bears such a name by itself is found with the duplicates.) */
static q_status text_name(struct q_arena *arena, const char *name, const char **out)
{
    const bool text = q_utf8_valid(q_string_of(name));
    struct q_buffer clean = {0};
    q_status status = Q_OK;
    for (const unsigned char *at = (const unsigned char *)name; *at && status == Q_OK; at++)
        if (*at < 0x20 || *at == 0x7F || (*at >= 0x80 && !text))
            status = q_buffer_printf(&clean, "%%%02X", *at);
        else
            status = q_buffer_append_byte(&clean, (char)*at);
    if (status == Q_OK)
        status = q_arena_cstring(arena, q_buffer_string(&clean), out);
    q_buffer_release(&clean);
    return status;
}

static q_status add_file(struct q_arena *arena, struct list *list, const char *name, const char *path)
{
    struct stat stat;
    bool exists;
    Q_TRY(q_fs_look(path, &exists, &stat));
    if (!exists && strcmp(path, "-") == 0)
        return q_fail(Q_ERR_USAGE, "standard input can be read only once, and inputs are hashed before they are read; "
                                   "write it into a file");
    if (!exists)
        return q_fail(Q_ERR_INPUT, "'%s' is not there", path);
    if (!S_ISREG(stat.st_mode))
        return q_fail(Q_ERR_INPUT, "'%s' is not a regular file", path);
    Q_TRY(text_name(arena, name, &name));
    Q_TRY(q_grow(&list->items, &list->capacity, list->count + 1, sizeof *list->items));
    list->items[list->count++] =
        (struct corpus_file){.name = name, .path = path, .bytes = (uint64_t)stat.st_size, .modified = stat.st_mtim};
    return Q_OK;
}

/* All files below a folder; `prefix` goes before their names ("" or "sub/folder/"). */
static q_status add_folder(struct q_arena *arena, struct list *list, const char *prefix, const char *folder)
{
    const char **names, *name, *path;
    size_t count;
    Q_TRY(q_fs_list_tree(folder, arena, &names, &count));
    for (size_t i = 0; i < count; i++) {
        Q_TRY(q_fs_join(arena, folder, names[i], &path));
        Q_TRY(q_arena_printf(arena, &name, "%s%s", prefix, names[i]));
        Q_TRY(add_file(arena, list, name, path));
    }
    return Q_OK;
}

static q_status add_matches(struct q_arena *arena, struct list *list, const char *pattern)
{
    const char **paths, *prefix;
    size_t count, fixed = fixed_size(pattern);
    Q_TRY(q_fs_glob(pattern, arena, &paths, &count));
    for (size_t i = 0; i < count; i++) {
        const char *name = strlen(paths[i]) > fixed ? paths[i] + fixed : q_fs_base_name(paths[i]);
        if (!q_fs_is_directory(paths[i])) {
            Q_TRY(add_file(arena, list, name, paths[i]));
            continue;
        }
        Q_TRY(q_arena_printf(arena, &prefix, "%s/", name));
        Q_TRY(add_folder(arena, list, prefix, paths[i]));
    }
    return Q_OK;
}

/* Adds what one `path` of an input names. */
static q_status add_path(struct q_arena *arena, struct list *list, const char *path)
{
    size_t before = list->count;
    bool exists;
    Q_TRY(q_fs_look(path, &exists, NULL));
    if (exists && q_fs_is_directory(path))
        Q_TRY(add_folder(arena, list, "", path));
    else if (exists || !strpbrk(path, "*?["))
        Q_TRY(add_file(arena, list, q_fs_base_name(path), path));
    else
        Q_TRY(add_matches(arena, list, path));
    return list->count > before ? Q_OK : q_fail(Q_ERR_INPUT, "no file is there for '%s'", path);
}

static int compare_files(const void *a, const void *b)
{
    const struct corpus_file *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    return order ? order : strcmp(left->path, right->path);
}

/* Sorts by name; a file that two patterns match is there once, two files of one name are an error. */
static q_status settle(struct list *list)
{
    size_t kept = 0;
    if (list->count)
        qsort(list->items, list->count, sizeof *list->items, compare_files);
    for (size_t i = 0; i < list->count; i++) {
        if (kept && strcmp(list->items[i].path, list->items[kept - 1].path) == 0)
            continue;
        if (kept && strcmp(list->items[i].name, list->items[kept - 1].name) == 0)
            return q_fail(Q_ERR_USAGE,
                          "'%s' and '%s' would have the same name; give their folder, or make them two inputs",
                          list->items[kept - 1].path, list->items[i].path);
        list->items[kept++] = list->items[i];
    }
    list->count = kept;
    return Q_OK;
}

static q_status find_files(struct corpus_plan *plan, struct corpus_source *source, const char *folder)
{
    struct list list = {0};
    q_status status = Q_OK;
    for (size_t i = 0; i < source->input->path.count && status == Q_OK; i++) {
        const char *path;
        status = q_fs_join(&plan->arena, folder, source->input->path.items[i], &path);
        if (status == Q_OK)
            status = add_path(&plan->arena, &list, path);
    }
    if (status == Q_OK)
        status = settle(&list);
    if (status == Q_OK)
        status = q_arena_alloc(&plan->arena, list.count, sizeof *list.items, &source->files);
    if (status == Q_OK && list.count)
        memcpy(source->files, list.items, list.count * sizeof *list.items);
    source->file_count = list.count;
    q_release(list.items);
    return q_context(status, "input '%s'", source->input->name);
}

/* --- inputs ------------------------------------------------------------------------------------------------------------------------ */

/* Inputs from the command line: each path is one, named after itself. */
static q_status argument_inputs(struct corpus_plan *plan, const char *const *arguments, size_t count,
                                const struct q_input **out)
{
    struct q_input *inputs;
    Q_TRY(q_arena_alloc(&plan->arena, count, sizeof *inputs, &inputs));
    for (size_t i = 0; i < count; i++) {
        const char **path;
        Q_TRY(q_arena_alloc(&plan->arena, 1, sizeof *path, &path));
        *path = arguments[i];
        inputs[i] = (struct q_input){.path = {path, 1, 1}, .text_field = "text", .weight = 1};
        Q_TRY(corpus_input_name(&plan->arena, arguments[i], &inputs[i].name));
        for (size_t j = 0; j < i; j++)
            if (strcmp(inputs[i].name, inputs[j].name) == 0)
                return q_fail(Q_ERR_USAGE, "'%s' and '%s' would both be called '%s'; name them in a recipe",
                              arguments[j], arguments[i], inputs[i].name);
    }
    *out = inputs;
    return Q_OK;
}

static q_status add_part(struct corpus_plan *plan, size_t *capacity, struct corpus_part part)
{
    if (plan->part_count >= Q_PARTS_MAX)
        return q_fail(Q_ERR_USAGE, "there are more than %d parts; raise corpus.part_bytes", Q_PARTS_MAX);
    Q_TRY(q_grow(&plan->parts, capacity, plan->part_count + 1, sizeof *plan->parts));
    plan->parts[plan->part_count++] = part;
    return Q_OK;
}

struct corpus_reader_options corpus_plan_reader(const struct corpus_plan *plan, const struct corpus_source *source)
{
    const struct corpus_settings *settings = &plan->settings;
    return (struct corpus_reader_options){.item_bytes_max = settings->item_bytes_max,
                                          .unpack_ratio_max = settings->unpack_ratio_max,
                                          .depth_max = (unsigned)settings->depth_max,
                                          .format = (enum q_input_format)source->input->format,
                                          .text_field = source->input->text_field};
}

/* Files until they have part_bytes; a file that can be cut and is larger is parts of its own. */
static q_status cut_source(struct corpus_plan *plan, size_t s, size_t *capacity)
{
    const uint64_t part_bytes = plan->settings.part_bytes;
    const struct corpus_reader_options options = corpus_plan_reader(plan, &plan->sources[s]);
    uint64_t bytes = part_bytes; /* of the part at hand: it is full */
    for (size_t i = 0; i < plan->sources[s].file_count; i++) {
        struct corpus_file *file = &plan->sources[s].files[i];
        Q_TRY(corpus_cut_file(file->path, file->bytes, &options, part_bytes, &plan->arena, &file->pieces));
        plan->bytes += file->bytes;
        if (file->pieces.count == 1 && bytes < part_bytes) {
            plan->parts[plan->part_count - 1].count++;
            bytes += file->bytes;
            continue;
        }
        for (size_t piece = 0; piece < file->pieces.count; piece++)
            Q_TRY(add_part(plan, capacity, (struct corpus_part){.source = s, .first = i, .count = 1, .piece = piece}));
        bytes = file->pieces.count == 1 ? file->bytes : part_bytes;
    }
    return Q_OK;
}

q_status corpus_plan_parts(struct corpus_plan *plan)
{
    size_t capacity = 0;
    for (size_t s = 0; s < plan->source_count; s++)
        Q_TRY(cut_source(plan, s, &capacity));
    return Q_OK;
}

uint64_t corpus_part_bytes(const struct corpus_plan *plan, const struct corpus_part *part)
{
    const struct corpus_file *files = plan->sources[part->source].files + part->first;
    uint64_t bytes = 0, from, to;
    for (size_t i = 0; i < part->count; i++) {
        corpus_piece_range(&files[i], part->piece, &from, &to);
        bytes += to - from;
    }
    return bytes;
}

/* Models are named from the recipe's folder, as inputs are. */
static q_status place_models(struct corpus_plan *plan)
{
    struct corpus_settings *settings = &plan->settings;
    const char *folder = plan->recipe.folder ? plan->recipe.folder : "";
    if (!settings->quality_model && (settings->quality_min > 0 || settings->quality_alpha > 0))
        return q_fail(Q_ERR_USAGE, "corpus.quality_min and corpus.quality_alpha need a corpus.quality_model");
    if (settings->lang_model)
        Q_TRY(q_fs_join(&plan->arena, folder, settings->lang_model, &settings->lang_model));
    if (settings->quality_model)
        Q_TRY(q_fs_join(&plan->arena, folder, settings->quality_model, &settings->quality_model));
    return Q_OK;
}

/* The settings of lists: the section's, and behind it those of the languages; NULL behind the last. */
static struct corpus_lists_settings *lists_at(struct corpus_plan *plan, size_t i)
{
    struct corpus_language_rules *languages = plan->settings.by_language.items;
    if (i == 0)
        return &plan->settings.rules.lists;
    return i <= plan->settings.by_language.count ? &languages[i - 1].rules.lists : NULL;
}

static q_status place_lists(struct corpus_plan *plan)
{
    const char *folder = plan->recipe.folder ? plan->recipe.folder : "";
    struct corpus_lists_settings *lists;
    for (size_t i = 0; (lists = lists_at(plan, i)); i++)
        Q_TRY(corpus_list_files_place(lists, folder, &plan->arena));
    return Q_OK;
}

q_status corpus_plan_begin(const char *recipe, const struct q_texts *overrides, struct corpus_plan *plan)
{
    *plan = (struct corpus_plan){0};
    Q_TRY(q_recipe_load(recipe, overrides, &plan->recipe));
    Q_TRY(corpus_settings_load(q_recipe_section(&plan->recipe, "corpus"), plan->recipe.folder, &plan->arena,
                               &plan->settings));
    Q_TRY(place_models(plan));
    return place_lists(plan);
}

q_status corpus_plan_files(struct corpus_plan *plan, const char *const *arguments, size_t count)
{
    const struct q_input *inputs = plan->recipe.inputs.items;
    const char *folder = plan->recipe.folder ? plan->recipe.folder : "";
    size_t input_count = plan->recipe.inputs.count;
    if (count) {
        Q_TRY(argument_inputs(plan, arguments, count, &inputs));
        input_count = count;
        folder = "";
    }
    if (!input_count)
        return q_fail(Q_ERR_USAGE, "there is no input; name files, or a recipe that has `inputs`");
    Q_TRY(q_arena_alloc(&plan->arena, input_count, sizeof *plan->sources, &plan->sources));
    plan->source_count = input_count;
    for (size_t i = 0; i < input_count; i++) {
        plan->sources[i].input = &inputs[i];
        Q_TRY(find_files(plan, &plan->sources[i], folder));
    }
    return Q_OK;
}

/* --- identity ---------------------------------------------------------------------------------------------------------------------- */

static q_status set_model(json_t *models, const char *name, q_hash hash)
{
    char hex[Q_HASH_HEX];
    return hash.high || hash.low ? q_json_set(models, name, json_string(q_hash_hex(hash, hex))) : Q_OK;
}

/* The settings of the section, of each input what matters to its documents, and the versions of what decides about text. */
static q_status identity_settings(const struct corpus_plan *plan, json_t **out)
{
    json_t *settings, *inputs = json_object(), *libraries = json_object(), *one;
    q_status status = q_settings_json(&corpus_settings_table, &plan->settings, Q_TAG_IDENTITY, 0, &settings);
    if (status != Q_OK) {
        json_decref(inputs);
        json_decref(libraries);
        return status;
    }
    status = q_json_set(settings, "inputs", inputs);
    q_status second = q_json_set(settings, "libraries", libraries);
    if (status == Q_OK)
        status = second;
    for (size_t i = 0; i < plan->source_count && status == Q_OK; i++) {
        status = q_settings_json(&q_input_table, plan->sources[i].input, Q_TAG_IDENTITY, Q_INPUT_FOR_CORPUS, &one);
        if (status == Q_OK)
            status = q_json_set(inputs, plan->sources[i].input->name, one);
    }
    if (status == Q_OK)
        status = q_json_set(libraries, "icu", json_string(corpus_icu_version()));
    if (status == Q_OK)
        status = q_json_set(libraries, "cld2", json_string(corpus_lang_version()));
    if (status == Q_OK) /* whether pages coded with it can be read */
        status = q_json_set(libraries, "brotli", json_boolean(corpus_decompressor_knows(CORPUS_BROTLI)));
    if (status == Q_OK)
        status = q_json_set(libraries, "parquet", json_boolean(corpus_reads_parquet()));
    if (status == Q_OK)
        status = set_model(settings, "lang_model", plan->lang_model);
    if (status == Q_OK)
        status = set_model(settings, "quality_model", plan->quality_model);
    if (status != Q_OK) {
        json_decref(settings);
        return status;
    }
    *out = settings;
    return Q_OK;
}

/* The hashes of the files of lists, in the settings that name them. */
static q_status set_lists(struct corpus_plan *plan, json_t *settings)
{
    struct corpus_lists_settings *lists;
    json_t *languages, *object;
    Q_TRY(q_json_get_array(settings, "settings", "by_language", &languages));
    for (size_t i = 0; (lists = lists_at(plan, i)); i++) {
        json_t *rules = i ? json_array_get(languages, i - 1) : settings;
        Q_TRY(q_json_get_object(rules, "settings", "lists", &object));
        Q_TRY(corpus_list_files_hash(&plan->lists, lists, object));
    }
    return Q_OK;
}

/* Hash of a source: its lines "NAME<tab>BYTES<tab>HASH", sorted by name (docs/steps.md). */
static q_status hash_source(struct corpus_source *source, q_hash *out)
{
    struct q_buffer lines = {0};
    char hex[Q_HASH_HEX];
    q_status status = Q_OK;
    for (size_t i = 0; i < source->file_count && status == Q_OK; i++) {
        struct corpus_file *file = &source->files[i];
        status = q_fs_hash_file(file->path, &file->bytes, &file->hash);
        if (status == Q_OK)
            status = q_buffer_printf(&lines, "%s\t%llu\t%s\n", file->name, (unsigned long long)file->bytes,
                                     q_hash_hex(file->hash, hex));
    }
    *out = q_hash_bytes(lines.data, lines.size);
    q_buffer_release(&lines);
    return status;
}

q_status corpus_file_unchanged(const struct corpus_file *file)
{
    struct stat stat;
    bool exists;
    Q_TRY(q_fs_look(file->path, &exists, &stat));
    if (exists && (uint64_t)stat.st_size == file->bytes && stat.st_mtim.tv_sec == file->modified.tv_sec &&
        stat.st_mtim.tv_nsec == file->modified.tv_nsec)
        return Q_OK;
    return q_fail(Q_ERR_INPUT, "'%s' was changed while it was read; run again", file->path);
}

static q_status hash_model(const char *path, q_hash *out)
{
    uint64_t bytes;
    return path ? q_fs_hash_file(path, &bytes, out) : Q_OK;
}

q_status corpus_plan_step(struct corpus_plan *plan, struct q_step *step)
{
    json_t *settings;
    Q_TRY(hash_model(plan->settings.lang_model, &plan->lang_model));
    Q_TRY(hash_model(plan->settings.quality_model, &plan->quality_model));
    Q_TRY(identity_settings(plan, &settings));
    q_status status = set_lists(plan, settings);
    if (status != Q_OK) {
        json_decref(settings);
        return status;
    }
    /* Nothing is drawn by the run's seed: a training with another one shares this result. */
    Q_TRY(q_step_begin(step, "corpus", "build", CORPUS_OUTPUT_VERSION, 0, settings));
    for (size_t i = 0; i < plan->source_count; i++) {
        q_hash hash;
        Q_TRY(q_context(hash_source(&plan->sources[i], &hash), "input '%s'", plan->sources[i].input->name));
        Q_TRY(q_step_add_input(step, plan->sources[i].input->name, hash));
    }
    return q_step_seal(step);
}

static q_status check_model(const struct fasttext_model *model, q_hash planned, const char *path)
{
    if (!model || (!planned.high && !planned.low) || q_hash_equal(fasttext_hash(model), planned))
        return Q_OK;
    return q_fail(Q_ERR_INPUT, "'%s' was changed while it was read; run again", path);
}

q_status corpus_plan_lists(struct corpus_plan *plan)
{
    struct corpus_lists_settings *lists;
    for (size_t i = 0; (lists = lists_at(plan, i)); i++)
        Q_TRY(corpus_list_files_load(&plan->lists, lists));
    return Q_OK;
}

q_status corpus_plan_models(struct corpus_plan *plan)
{
    Q_TRY(corpus_plan_lists(plan));
    Q_TRY(corpus_models_load(&plan->settings, &plan->models));
    Q_TRY(check_model(plan->models.lang, plan->lang_model, plan->settings.lang_model));
    return check_model(plan->models.quality, plan->quality_model, plan->settings.quality_model);
}

void corpus_plan_release(struct corpus_plan *plan)
{
    corpus_models_release(&plan->models);
    corpus_list_files_release(&plan->lists);
    q_release(plan->parts);
    q_recipe_release(&plan->recipe);
    q_arena_release(&plan->arena);
}
