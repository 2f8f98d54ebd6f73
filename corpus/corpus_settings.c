#include "corpus/corpus_settings.h"

#include "base/check.h"

/* The families of rules, for every language or for one. */
#define FAMILY(owner, family, words)                                                                                   \
    {                                                                                                                  \
        .name = #family, .type = Q_SETTING_SECTION, .offset = offsetof(struct owner, rules.family),                    \
        .table = &corpus_##family##_table, .meaning = words                                                            \
    }
#define FAMILIES(owner)                                                                                                \
    FAMILY(owner, words, "how a text is cut into words for the rules"),                                                \
        FAMILY(owner, lists, "what the user's own lists of domains, URLs and words drop"),                             \
        FAMILY(owner, repetition, "the repetition rules of Gopher (Rae et al. 2021, table A1)"),                       \
        FAMILY(owner, gopher, "the quality rules of Gopher (Rae et al. 2021, A1.1)"),                                  \
        FAMILY(owner, c4, "the lines and documents that C4 takes out (Raffel et al. 2020, 2.2)"),                      \
        FAMILY(owner, fineweb, "the rules that FineWeb added (Penedo et al. 2024, 3.6)"),                              \
        FAMILY(owner, dclm, "the lines that RefinedWeb and DCLM take out (Penedo et al. 2023, G.2)"),                  \
        FAMILY(owner, code, "rules for source code, after The Stack and StarCoder")

static const struct q_setting language_rows[] = {
    {.name = "lang",
     .type = Q_SETTING_TEXT,
     .offset = offsetof(struct corpus_language_rules, lang),
     .meaning =
         "must be given: the language (BCP-47); it holds for its regions too, where they have none of their own"},
    {.name = "lang_model_min",
     .type = Q_SETTING_DOUBLE,
     .offset = offsetof(struct corpus_language_rules, lang_model_min),
     .standard = "0",
     .max = 1,
     .meaning = "its documents to which `lang_model` gives a lower probability are dropped as lang-score; not asked of "
                "CLD2's shares"},
    FAMILIES(corpus_language_rules),
    {0}};

static const struct q_settings_table language_table = {"by_language", language_rows,
                                                       sizeof(struct corpus_language_rules)};

#define PII(field, words)                                                                                              \
    {                                                                                                                  \
        .name = #field, .type = Q_SETTING_BOOL, .offset = offsetof(struct corpus_pii_settings, field),                 \
        .standard = "false", .meaning = words                                                                          \
    }

static const struct q_setting pii_rows[] = {
    PII(email, "e-mail addresses"),
    PII(ip, "public IPv4 and IPv6 addresses"),
    PII(phone, "phone numbers: international ones, and North American ones with separators"),
    PII(iban, "international bank account numbers"),
    PII(card, "payment card numbers"),
    {0}};

static const struct q_settings_table pii_table = {"pii", pii_rows, sizeof(struct corpus_pii_settings)};

static const char *const html_choices[] = {"article", "all", NULL};

#define ROW(field) .name = #field, .offset = offsetof(struct corpus_settings, field)

static const struct q_setting rows[] = {
    {ROW(part_bytes), .type = Q_SETTING_BYTES, .unit = "bytes", .standard = "64MiB", .min = 1, .max = 1e15,
     .meaning = "stored input per part: a part takes files until it has so many bytes; of files only plain JSON lines "
                "and those of records (WARC, ARC) are cut"},
    {ROW(held_out), .type = Q_SETTING_DOUBLE, .standard = "0.01", .min = 0, .max = 1,
     .meaning = "share of documents kept from tokenizer and training, for evaluation"},
    {ROW(held_out_seed), .type = Q_SETTING_U64, .standard = "0",
     .meaning =
         "of the choice of held-out documents: apart from the run's `seed`, so that trainings with other seeds share "
         "one corpus"},
    {ROW(html), .type = Q_SETTING_CHOICE, .standard = "article", .choices = html_choices,
     .meaning = "what is taken of a page: its main text, or all that is not hidden"},
    {ROW(markdown), .type = Q_SETTING_BOOL, .standard = "false",
     .meaning = "write a page's headings, lists, tables and code as Markdown"},
    {ROW(mojibake), .type = Q_SETTING_BOOL, .standard = "true",
     .meaning = "repair UTF-8 that was read in another charset and written again"},
    {ROW(depth_max), .type = Q_SETTING_U64, .standard = "4", .min = 0, .max = 16,
     .meaning = "archives within archives that are opened; a .deb with .gz files inside has 3 levels"},
    {ROW(item_bytes_max), .type = Q_SETTING_BYTES, .unit = "bytes", .standard = "64MiB", .min = 1, .max = 268435456,
     .meaning = "a larger page, file or line fails as too-large"},
    {ROW(unpack_ratio_max), .type = Q_SETTING_U64, .standard = "300", .min = 1, .max = 1000000,
     .meaning = "unpacked bytes per stored byte of a file, beyond the first 64 MiB; more fails as archive-bomb"},
    {ROW(languages), .type = Q_SETTING_TEXTS, .meaning = "languages to keep (BCP-47); none: all"},
    {ROW(lang_score_min), .type = Q_SETTING_DOUBLE, .standard = "0", .min = 0, .max = 1,
     .meaning =
         "documents with a lower `lang_score` are dropped as lang-score: the share of their text that is in their "
         "language or, with `lang_model`, its probability (FineWeb: 0.65)"},
    {ROW(lang_model), .type = Q_SETTING_TEXT, .tag = Q_TAG_OPERATIONAL,
     .meaning = "fastText model that names languages (lid.176.bin, .ftz, GlotLID); none: CLD2. Its bytes are in the "
                "identity, not its path"},
    {ROW(lang_mixed_min), .type = Q_SETTING_DOUBLE, .standard = "0.2", .min = 0, .max = 1,
     .meaning = "share of the text in a second language from which a document counts as mixed and `meta.langs` gives "
                "the shares (CLD2's)"},
    {ROW(quality_model), .type = Q_SETTING_TEXT, .tag = Q_TAG_OPERATIONAL,
     .meaning =
         "fastText model that sets `quality`; none: no such member. Its bytes are in the identity, not its path"},
    {ROW(quality_label), .type = Q_SETTING_TEXT, .standard = "__label__hq",
     .meaning = "the model's label whose probability is the quality"},
    {ROW(quality_min), .type = Q_SETTING_DOUBLE, .standard = "0", .min = 0, .max = 1,
     .meaning = "documents with a lower quality are dropped as quality"},
    {ROW(quality_alpha), .type = Q_SETTING_DOUBLE, .standard = "0", .min = 0, .max = 1000,
     .meaning = "a document is kept with probability (2 - quality)^-alpha, else dropped as sampling; 0: all are kept "
                "(GPT-3: 9)"},
    {ROW(quality_seed), .type = Q_SETTING_U64, .standard = "0",
     .meaning = "of that choice, which depends on nothing else but the document's id"},
    {ROW(samples), .type = Q_SETTING_U64, .unit = "documents", .standard = "8", .min = 0, .max = 1000,
     .meaning = "samples kept of what each reason dropped"},
    {ROW(profile), .type = Q_SETTING_TEXT, .tag = Q_TAG_OPERATIONAL,
     .meaning = "a name of recipes/profiles/, or a file: the standard of every setting that is not given; `fineweb`, "
                "`fineweb-2`, `c4`, `gopher`, `dclm`, `deepseek`"},
    FAMILIES(corpus_settings),
    {ROW(by_language), .type = Q_SETTING_LIST, .table = &language_table,
     .meaning =
         "for documents of one language: what is not given of a family is as in the section. An element is laid over "
         "the profile's of that `lang`, the profile's others stay; null: none of them"},
    {ROW(pii), .type = Q_SETTING_SECTION, .table = &pii_table,
     .meaning = "personal data in texts, not in titles, addresses and `meta`, replaced by placeholders behind the "
                "rules, in samples of what is dropped too"},
    {0}};

const struct q_settings_table corpus_settings_table = {"corpus", rows, sizeof(struct corpus_settings)};

/* --- loading ----------------------------------------------------------------------------------------------------------------------- */

static const struct q_node *with_lang(const struct q_node *list, const struct q_node *lang)
{
    const struct q_node *element = list->children, *own;
    while (element && !((own = q_node_child(element, "lang")) && q_string_equal(own->text, lang->text)))
        element = element->next;
    return element;
}

/* By itself, without siblings. */
static q_status copy_node(const struct q_node *node, struct q_arena *arena, struct q_node **out)
{
    Q_TRY(q_arena_alloc(arena, 1, sizeof **out, out));
    **out = *node;
    (*out)->next = NULL;
    return Q_OK;
}

static q_status append_copy(const struct q_node *node, struct q_arena *arena, struct q_node ***link)
{
    Q_TRY(copy_node(node, arena, *link));
    *link = &(**link)->next;
    return Q_OK;
}

/* Two lists of languages as one: the elements of `over` stay where they are, so that their numbers are those of the recipe, each laid over that of `under`
 * with the same `lang`; the others of `under` follow. */
static q_status merge_languages(const struct q_node *under, const struct q_node *over, struct q_arena *arena,
                                struct q_node **out)
{
    struct q_node *merged, **link;
    Q_TRY(copy_node(over, arena, &merged));
    merged->children = NULL;
    link = &merged->children;
    for (const struct q_node *element = over->children; element; element = element->next) {
        const struct q_node *lang = q_node_child(element, "lang"), *whole;
        Q_TRY(q_node_merge(lang ? with_lang(under, lang) : NULL, element, arena, &whole));
        Q_TRY(append_copy(whole, arena, &link));
    }
    for (const struct q_node *element = under->children; element; element = element->next) {
        const struct q_node *lang = q_node_child(element, "lang");
        if (!lang || !with_lang(over, lang))
            Q_TRY(append_copy(element, arena, &link));
    }
    *out = merged;
    return Q_OK;
}

/* The section laid over the profile; lists are the section's where it has them, but for by_language. */
static q_status over_profile(const struct q_node *profile, const struct q_node *section, struct q_arena *arena,
                             const struct q_node **out)
{
    const struct q_node *under = q_node_child(profile, "by_language"), *over = q_node_child(section, "by_language");
    struct q_node *languages;
    Q_TRY(q_node_merge(profile, section, arena, out));
    if (!under || !over || under->kind != Q_NODE_LIST || over->kind != Q_NODE_LIST)
        return Q_OK;
    Q_TRY(merge_languages(under, over, arena, &languages));
    const struct q_node only = {
        .kind = Q_NODE_MAP, .file = section->file, .line = section->line, .path = section->path, .children = languages};
    return q_node_merge(*out, &only, arena, out);
}

/* What the profile says, the section being laid over it. */
static q_status with_profile(const struct q_node *section, const char *recipe_folder, struct q_arena *arena,
                             const struct q_node **out)
{
    const struct q_node *name = q_node_child(section, "profile");
    const char *profile, *file;
    struct q_node *tree;
    *out = section;
    if (!name || q_node_is_null(name))
        return Q_OK;
    if (name->kind != Q_NODE_SCALAR)
        return q_node_context(name, q_fail(Q_ERR_USAGE, "'%s' must be the name of a profile", name->path));
    Q_TRY(q_arena_cstring(arena, name->text, &profile));
    q_status status = q_recipe_find("profile", profile, recipe_folder, arena, &file);
    if (status != Q_OK)
        return q_node_context(name, status);
    Q_TRY(q_yaml_read(file, arena, &tree));
    return over_profile(tree, section, arena, out);
}

/* The element of `by_language` laid over the families of the section. */
static q_status with_section(const struct q_node *section, const struct q_node *element, struct q_arena *arena,
                             const struct q_node **out)
{
    struct q_node families = {.kind = Q_NODE_MAP, .file = section->file, .line = section->line, .path = section->path};
    struct q_node **link = &families.children;
    for (const struct q_setting *row = language_rows; row->type; row++) {
        const struct q_node *family = q_node_child(section, row->name);
        if (!family || row->type != Q_SETTING_SECTION)
            continue;
        Q_TRY(append_copy(family, arena, &link));
    }
    return q_node_merge(&families, element, arena, out);
}

/* Whether an input is source code is asked before a document's language is known. */
static q_status refuse_sources(const struct q_node *element)
{
    const struct q_node *code = q_node_child(element, "code"), *sources = code ? q_node_child(code, "sources") : NULL;
    if (!sources)
        return Q_OK;
    return q_node_context(
        sources,
        q_fail(Q_ERR_USAGE, "'%s' cannot be given for one language; write 'corpus.code.sources'", sources->path));
}

static q_status load_languages(const struct q_node *section, struct q_arena *arena, struct corpus_settings *settings)
{
    const struct q_node *list = q_node_child(section, "by_language");
    struct corpus_language_rules *rules = settings->by_language.items;
    size_t i = 0;
    if (!list || list->kind != Q_NODE_LIST)
        return Q_OK;
    for (const struct q_node *element = list->children; element; element = element->next, i++) {
        const struct q_node *whole;
        Q_TRY(refuse_sources(element));
        Q_TRY(with_section(section, element, arena, &whole));
        Q_TRY(q_settings_load(&language_table, whole, arena, &rules[i]));
        if (!rules[i].lang)
            return q_node_context(element, q_fail(Q_ERR_USAGE, "'%s.lang' must be given", element->path));
        for (size_t k = 0; k < i; k++)
            if (strcmp(rules[k].lang, rules[i].lang) == 0)
                return q_node_context(
                    element, q_fail(Q_ERR_USAGE, "'%s.lang' '%s' is there twice", element->path, rules[i].lang));
    }
    return Q_OK;
}

q_status corpus_settings_load(const struct q_node *section, const char *recipe_folder, struct q_arena *arena,
                              struct corpus_settings *settings)
{
    const struct q_node *whole;
    Q_TRY(with_profile(section, recipe_folder, arena, &whole));
    Q_TRY(q_settings_load(&corpus_settings_table, whole, arena, settings));
    return load_languages(whole, arena, settings);
}

/* --- languages --------------------------------------------------------------------------------------------------------------------- */

/* The element that holds for the language; NULL: none. */
static const struct corpus_language_rules *element_for(const struct corpus_settings *settings, q_string lang)
{
    const struct corpus_language_rules *rules = settings->by_language.items;
    for (size_t size = lang.size; size; size--) { /* "zh-Hant-TW", "zh-Hant", "zh" */
        if (size < lang.size && lang.data[size] != '-')
            continue;
        for (size_t i = 0; i < settings->by_language.count; i++)
            if (q_string_equal(q_string_of(rules[i].lang), q_string_slice(lang, 0, size)))
                return &rules[i];
    }
    return NULL;
}

const struct corpus_rules *corpus_rules_for(const struct corpus_settings *settings, q_string lang)
{
    const struct corpus_language_rules *element = element_for(settings, lang);
    return element ? &element->rules : &settings->rules;
}

double corpus_lang_score_min(const struct corpus_settings *settings, q_string lang)
{
    const struct corpus_language_rules *element = settings->lang_model ? element_for(settings, lang) : NULL;
    return element ? Q_MAX(element->lang_model_min, settings->lang_score_min) : settings->lang_score_min;
}
