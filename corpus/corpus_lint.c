#include "corpus/corpus_lint.h"

#include "base/check.h"
#include "corpus/rules/rules.h"

#include <math.h>
#include <unicode/uloc.h>

struct lint {
    struct corpus_plan *plan;
    struct corpus_words words; /* scratch */
    struct corpus_dictionary *dictionary;
    struct corpus_findings *findings;
};

void corpus_findings_release(struct corpus_findings *findings)
{
    q_release(findings->items);
    *findings = (struct corpus_findings){0};
}

/* setting, text: in the plan's arena, or constants. */
static q_status add(struct lint *l, const char *kind, const char *setting, const char *text)
{
    struct corpus_findings *f = l->findings;
    Q_TRY(q_grow(&f->items, &f->capacity, f->count + 1, sizeof *f->items));
    f->items[f->count++] = (struct corpus_finding){kind, setting, text};
    return Q_OK;
}

#define ADD(lint, kind, setting, ...)                                                                                  \
    do {                                                                                                               \
        const char *text_;                                                                                             \
        Q_TRY(q_arena_printf(&(lint)->plan->arena, &text_, __VA_ARGS__));                                              \
        Q_TRY(add(lint, kind, setting, text_));                                                                        \
    } while (0)

/* --- languages --------------------------------------------------------------------------------------------------------------------- */

/* Whether an input states it: documents then bear it as it is. */
static bool is_stated(const struct lint *l, const char *lang)
{
    const struct q_input *inputs = l->plan->recipe.inputs.items;
    for (size_t i = 0; i < l->plan->recipe.inputs.count; i++)
        if (inputs[i].lang && strcmp(inputs[i].lang, lang) == 0)
            return true;
    return false;
}

/* Documents bear the shortest code of ISO 639 and, of Chinese, the script. */
static q_status check_language(struct lint *l, const char *setting, const char *lang)
{
    char language[ULOC_LANG_CAPACITY] = "";
    UErrorCode error = U_ZERO_ERROR;
    uloc_getLanguage(lang, language, sizeof language, &error);
    size_t primary = strcspn(lang, "-_");
    if (U_FAILURE(error) || !*uloc_getISO3Language(lang))
        ADD(l, "language", setting, "'%s' is no language of ISO 639", lang);
    else if (is_stated(l, lang))
        return Q_OK;
    else if (strlen(language) != primary || strncmp(language, lang, primary) != 0)
        ADD(l, "language", setting, "documents never bear '%s'; write '%s'", lang, language);
    else if (strchr(lang, '_'))
        ADD(l, "language", setting, "documents never bear '%s': BCP-47 has hyphens", lang);
    else if (strcmp(lang, "zh") == 0 && strstr(setting, "by_language") == NULL)
        ADD(l, "language", setting, "documents never bear 'zh' alone; write 'zh-Hans', 'zh-Hant' or both");
    else if (strcmp(lang, "no") == 0)
        ADD(l, "language", setting, "documents never bear 'no'; write 'nb' or 'nn'");
    return Q_OK;
}

/* Whether documents that bear it are kept. */
static bool is_kept(const struct q_texts *languages, const char *lang)
{
    for (size_t i = 0; i < languages->count; i++)
        if (strcmp(languages->items[i], lang) == 0)
            return true;
    return languages->count == 0;
}

/* Whether rules of this language hold for documents that are kept: those of "zh" do for "zh-Hans". */
static bool has_kept(const struct q_texts *languages, const char *lang)
{
    size_t size = strlen(lang);
    for (size_t i = 0; i < languages->count; i++)
        if (strncmp(languages->items[i], lang, size) == 0 &&
            (!languages->items[i][size] || languages->items[i][size] == '-'))
            return true;
    return languages->count == 0;
}

/* How many elements of by_language the recipe has itself: they come before the profile's others. */
static size_t own_elements(const struct lint *l)
{
    const struct q_node *list = q_node_child(q_recipe_section(&l->plan->recipe, "corpus"), "by_language");
    size_t count = 0;
    for (const struct q_node *element = list ? list->children : NULL; element; element = element->next)
        count++;
    return count;
}

static q_status check_languages(struct lint *l)
{
    const struct corpus_settings *s = &l->plan->settings;
    const struct corpus_language_rules *rules = s->by_language.items;
    const struct q_input *inputs = l->plan->recipe.inputs.items;
    const size_t own = own_elements(l); /* those of the profile are for whoever needs them */
    for (size_t i = 0; i < s->languages.count; i++)
        Q_TRY(check_language(l, "corpus.languages", s->languages.items[i]));
    for (size_t i = 0; i < s->by_language.count; i++) {
        const char *setting;
        Q_TRY(q_arena_printf(&l->plan->arena, &setting, "corpus.by_language[%s]", rules[i].lang));
        Q_TRY(check_language(l, setting, rules[i].lang));
        if (i < own && !has_kept(&s->languages, rules[i].lang))
            ADD(l, "unused", setting, "'%s' is not among the languages that are kept", rules[i].lang);
    }
    for (size_t i = 0; i < l->plan->recipe.inputs.count; i++) {
        const char *setting;
        if (!inputs[i].lang)
            continue;
        Q_TRY(q_arena_printf(&l->plan->arena, &setting, "inputs.%zu.lang", i));
        Q_TRY(check_language(l, setting, inputs[i].lang));
        if (!is_kept(&s->languages, inputs[i].lang))
            ADD(l, "always", setting,
                "every document of '%s' is dropped: '%s' is not among the languages that are kept", inputs[i].name,
                inputs[i].lang);
    }
    return Q_OK;
}

/* --- rules ------------------------------------------------------------------------------------------------------------------------- */

/* A bound that is the end of the range is how a rule is switched off; one beyond it (30 of a share) is meant for another unit. */
static bool is_switched_off(const struct corpus_rule *rule, const struct corpus_verdict *v)
{
    return v->min == rule->least || v->max == rule->most;
}

/* What follows is asked of the rules of all languages, and of those of one. `general`: the rules of all languages where they ask the same family, whose
 * findings are not said again; else NULL. */
static q_status check_rule(struct lint *l, const char *section, const struct corpus_rules *rules,
                           const struct corpus_rules *general, const struct corpus_rule *rule)
{
    struct corpus_verdict v = corpus_rule_bounds(rule, rules);
    const char *setting;
    if (general) {
        struct corpus_verdict g = corpus_rule_bounds(rule, general);
        if (g.min == v.min && g.max == v.max)
            return Q_OK;
    }
    Q_TRY(q_arena_printf(&l->plan->arena, &setting, "%s.%s", section, rule->name));
    if (v.min > v.max)
        ADD(l, "always", setting, "every document is dropped: the least, %g, is above the most, %g", v.min, v.max);
    else if (v.min > rule->most || v.max < rule->least)
        ADD(l, "always", setting, "every document is dropped: the measure lies between %g and %g", rule->least,
            rule->most);
    else if (v.min <= rule->least && v.max >= rule->most && !is_switched_off(rule, &v))
        ADD(l, "never", setting, "no document can fail it: the measure lies between %g and %g", rule->least,
            rule->most);
    return Q_OK;
}

/* Where every copy counts, what lies in repeated n+1 words lies in repeated n words: a bound that is no lower never comes into play. */
static bool is_idle_gram(const struct corpus_rules *rules, unsigned i)
{
    const struct corpus_repetition_settings *r = &rules->repetition;
    const double bounds[] = {r->grams_5_max, r->grams_6_max, r->grams_7_max,
                             r->grams_8_max, r->grams_9_max, r->grams_10_max};
    return r->counting == CORPUS_COUNT_EVERY && bounds[i] >= bounds[i - 1];
}

static q_status check_grams(struct lint *l, const char *section, const struct corpus_rules *rules,
                            const struct corpus_rules *general)
{
    for (unsigned i = 1; i < CORPUS_DUPLICATE_GRAMS; i++) {
        const char *setting;
        if (!is_idle_gram(rules, i) || (general && is_idle_gram(general, i)))
            continue;
        Q_TRY(q_arena_printf(&l->plan->arena, &setting, "%s.repetition.grams-%u", section, i + 5));
        ADD(l, "never", setting,
            "its bound is no lower than that of repetition.grams-%u, which such a document fails first", i + 4);
    }
    return Q_OK;
}

/* The standard list is asked of English only. lang: NULL: all languages. */
static bool asks_stop_words(const struct corpus_rules *rules, const char *lang)
{
    return rules->gopher.stop_words.count || !lang || (strcspn(lang, "-") == 2 && strncmp(lang, "en", 2) == 0);
}

static bool wants_too_many(const struct corpus_rules *rules)
{
    return rules->gopher.stop_words_min > (double)corpus_stop_words_of(&rules->gopher).count;
}

/* Words that this is cut into by itself; 1 also of one that only stands before another ("l'"). */
static q_status count_words(struct lint *l, const char *text, size_t *count)
{
    const char *followed;
    Q_TRY(q_arena_printf(&l->plan->arena, &followed, "%sa", text));
    Q_TRY(corpus_words_cut(q_string_of(followed), &l->words));
    const bool first = l->words.count == 2 && l->words.items[0].hash == corpus_word_hash(q_string_of(text));
    Q_TRY(corpus_words_cut(q_string_of(text), &l->words));
    *count = first ? 1 : l->words.count;
    return Q_OK;
}

/* How many there are, and that each is one word (words.h): the text's words are compared with them whole. */
static q_status check_stop_words(struct lint *l, const char *section, const char *lang,
                                 const struct corpus_rules *rules, const struct corpus_rules *general)
{
    const struct q_texts *list = &rules->gopher.stop_words;
    const char *setting;
    if (asks_stop_words(rules, lang) && wants_too_many(rules) && !(general && wants_too_many(general))) {
        Q_TRY(q_arena_printf(&l->plan->arena, &setting, "%s.gopher.stop_words_min", section));
        ADD(l, "always", setting, "every document is dropped: there are %zu stop words",
            corpus_stop_words_of(&rules->gopher).count);
    }
    if (general && q_texts_equal(list, &general->gopher.stop_words))
        return Q_OK;
    Q_TRY(q_arena_printf(&l->plan->arena, &setting, "%s.gopher.stop_words", section));
    Q_TRY(corpus_word_style(&rules->words, &l->dictionary, &l->words.style));
    for (size_t i = 0; i < list->count; i++) {
        size_t count;
        Q_TRY(count_words(l, list->items[i], &count));
        if (count != 1)
            ADD(l, "never", setting, "'%s' is cut into %zu words, and no text has it as one", list->items[i], count);
    }
    return Q_OK;
}

static q_status check_rules(struct lint *l, const char *section, const char *lang, const struct corpus_rules *rules,
                            const struct corpus_rules *general)
{
    for (size_t f = 0; corpus_rule_families[f]; f++) {
        const struct corpus_rule_family *family = corpus_rule_families[f];
        if (!corpus_family_enabled(family, rules))
            continue;
        const struct corpus_rules *said = general && corpus_family_enabled(family, general) ? general : NULL;
        for (const struct corpus_rule *rule = family->rules; rule->name; rule++)
            Q_TRY(check_rule(l, section, rules, said, rule));
        if (family == &corpus_gopher_family)
            Q_TRY(check_stop_words(l, section, lang, rules, said));
        if (family == &corpus_repetition_family)
            Q_TRY(check_grams(l, section, rules, said));
    }
    return Q_OK;
}

/* --- settings that change nothing -------------------------------------------------------------------------------------------------- */

static bool enabled_in_a_language(const struct corpus_settings *settings, const struct corpus_rule_family *family)
{
    const struct corpus_language_rules *languages = settings->by_language.items;
    for (size_t i = 0; i < settings->by_language.count; i++)
        if (corpus_family_enabled(family, &languages[i].rules))
            return true;
    return false;
}

/* What the section gives of all languages holds for each of by_language, too. */
static q_status check_families(struct lint *l, const char *section, const struct q_node *node,
                               const struct corpus_rules *rules)
{
    const struct corpus_settings *s = &l->plan->settings;
    for (size_t f = 0; corpus_rule_families[f]; f++) {
        const struct corpus_rule_family *family = corpus_rule_families[f];
        const struct q_node *own = q_node_child(node, family->name);
        if (corpus_family_enabled(family, rules) || (rules == &s->rules && enabled_in_a_language(s, family)))
            continue;
        for (const struct q_node *child = own ? own->children : NULL; child; child = child->next) {
            const char *setting;
            if (q_string_is(child->key, "enabled"))
                continue;
            Q_TRY(q_arena_printf(&l->plan->arena, &setting, "%s.%s.%.*s", section, family->name,
                                 Q_STRING_ARGS(child->key)));
            if (family == &corpus_lists_family && rules->lists.enabled)
                ADD(l, "unused", setting, "no list is named");
            else
                ADD(l, "unused", setting, "the family '%s' is not enabled", family->name);
        }
    }
    return Q_OK;
}

static q_status check_sources(struct lint *l)
{
    const struct q_texts *sources = &l->plan->settings.rules.code.sources;
    const struct q_input *inputs = l->plan->recipe.inputs.items;
    for (size_t i = 0; i < sources->count; i++) {
        bool there = l->plan->recipe.inputs.count == 0;
        for (size_t k = 0; k < l->plan->recipe.inputs.count; k++)
            there |= strcmp(inputs[k].name, sources->items[i]) == 0;
        if (!there)
            ADD(l, "unused", "corpus.code.sources", "there is no input '%s'", sources->items[i]);
    }
    return Q_OK;
}

/* Entries of lists. A language's list that is the section's, too, was looked at there. */
static q_status check_lists(struct lint *l, const char *section, const struct corpus_lists_settings *lists,
                            const struct corpus_lists_settings *general)
{
    for (size_t kind = 0; kind < CORPUS_LIST_KINDS; kind++) {
        const struct corpus_block_list *list = lists->lists[kind];
        const char *setting;
        if (!list || (general && general->lists[kind] == list))
            continue;
        const struct corpus_block_list_summary s = corpus_block_list_summary(list);
        Q_TRY(q_arena_printf(&l->plan->arena, &setting, "%s.lists.%s", section,
                             corpus_list_name((enum corpus_list_kind)kind)));
        if (!s.entries)
            ADD(l, "never", setting, "the list is empty");
        if (s.useless)
            ADD(l, "never", setting, "no document can be listed by %llu entr%s; the first is line %llu of '%s'",
                (unsigned long long)s.useless, s.useless == 1 ? "y" : "ies", (unsigned long long)s.useless_line,
                s.useless_file);
        if (s.duplicates)
            ADD(l, "unused", setting, "%llu entr%s there already", (unsigned long long)s.duplicates,
                s.duplicates == 1 ? "y is" : "ies are");
    }
    return Q_OK;
}

static q_status check_all(struct lint *l)
{
    const struct corpus_settings *s = &l->plan->settings;
    const struct corpus_language_rules *languages = s->by_language.items;
    const struct q_node *section = q_recipe_section(&l->plan->recipe, "corpus"),
                        *list = q_node_child(section, "by_language");
    Q_TRY(corpus_plan_lists(l->plan));
    Q_TRY(check_languages(l));
    Q_TRY(check_lists(l, "corpus", &s->rules.lists, NULL));
    Q_TRY(check_rules(l, "corpus", NULL, &s->rules, NULL));
    Q_TRY(check_families(l, "corpus", section, &s->rules));
    const struct q_node *element = list ? list->children : NULL;
    for (size_t i = 0; i < s->by_language.count; i++, element = element ? element->next : NULL) {
        const char *name;
        Q_TRY(q_arena_printf(&l->plan->arena, &name, "corpus.by_language[%s]", languages[i].lang));
        Q_TRY(check_lists(l, name, &languages[i].rules.lists, &s->rules.lists));
        Q_TRY(check_rules(l, name, languages[i].lang, &languages[i].rules, &s->rules));
        Q_TRY(check_families(l, name, element, &languages[i].rules));
    }
    return check_sources(l);
}

q_status corpus_lint(struct corpus_plan *plan, struct corpus_findings *out)
{
    struct lint l = {.plan = plan, .findings = out};
    q_status status = check_all(&l);
    corpus_words_release(&l.words);
    corpus_dictionary_release(l.dictionary);
    return status;
}
