/* Block lists (block_list.h): domains, URLs and words of URLs as RefinedWeb and FineWeb filter by them (Penedo et al. 2023, G.1), words of the text as C4
 * does (Raffel et al. 2020, 2.2; in datatrove C4BadWordsFilter). The lists are the user's own files. Where none is named the family is not asked, and a
 * document without a URL passes the rules about URLs.
 */
#include "corpus/rules/block_list.h"
#include "corpus/rules/rules.h"
#include "corpus/rules/rules_tables.h"
#include "corpus/text/word_matcher.h"

#include <math.h>

#define FILES(text, kind, words)                                                                                       \
    {                                                                                                                  \
        .name = text, .type = Q_SETTING_TEXTS, .tag = Q_TAG_OPERATIONAL,                                               \
        .offset = offsetof(struct corpus_lists_settings, files[kind]), .meaning = words                                \
    }
#define BOUND(field, default_text, words) CORPUS_ROW_BOUND(corpus_lists_settings, field, default_text, 0, 1e9, words)

static const struct q_setting rows[] = {
    CORPUS_ROW_ENABLED(corpus_lists_settings, "true"),
    FILES("domains", CORPUS_LIST_DOMAINS,
          "files of domains, one a line, as all lists here, relative to the recipe; their bytes are in the identity, "
          "not their paths. Documents from one, or from below one, are dropped as lists.domain"),
    FILES("urls", CORPUS_LIST_URLS,
          "files of URLs, or their beginnings with a '*' behind: documents from there are dropped as lists.url"),
    FILES("url_words", CORPUS_LIST_URL_WORDS, "files of words (runs of letters and digits) of URLs"),
    BOUND(url_words_max, "0", "more different ones of these in the URL: dropped as lists.url-words"),
    FILES("url_soft_words", CORPUS_LIST_URL_SOFT_WORDS, "files of words that may stand in a URL alone"),
    BOUND(url_soft_words_max, "1", "more different ones of these in the URL: dropped as lists.url-soft-words"),
    FILES("url_substrings", CORPUS_LIST_URL_SUBSTRINGS,
          "files of substrings of URLs, of which only letters and digits count: dropped as lists.url-substring"),
    FILES("words", CORPUS_LIST_WORDS, "files of words and phrases of the text"),
    BOUND(words_max, "0", "more occurrences of these, if they are also more than the share: dropped as lists.words"),
    BOUND(words_share_max, "0", "occurrences per word of text that are let pass, however many they are"),
    {0}};

const struct q_settings_table corpus_lists_table = {"lists", rows, sizeof(struct corpus_lists_settings)};

/* --- URLs -------------------------------------------------------------------------------------------------------------------------- */

/* The list of the kind, and the document's URL, where there are both; else NULL. */
static const struct corpus_block_list *list_for_url(const struct corpus_subject *s, enum corpus_list_kind kind,
                                                    struct corpus_url *url)
{
    const struct corpus_block_list *list = s->rules->lists.lists[kind];
    if (!list || !s->url.size)
        return NULL;
    corpus_url_cut(s->url, url);
    return list;
}

static double domain(const struct corpus_subject *s)
{
    struct corpus_url url;
    const struct corpus_block_list *list = list_for_url(s, CORPUS_LIST_DOMAINS, &url);
    return list ? corpus_block_list_has_domain(list, &url) : NAN;
}

static double whole_url(const struct corpus_subject *s)
{
    struct corpus_url url;
    const struct corpus_block_list *list = list_for_url(s, CORPUS_LIST_URLS, &url);
    return list ? corpus_block_list_has_url(list, &url) : NAN;
}

static double url_words(const struct corpus_subject *s)
{
    struct corpus_url url;
    const struct corpus_block_list *list = list_for_url(s, CORPUS_LIST_URL_WORDS, &url);
    return list ? (double)corpus_block_list_url_words(list, &url) : NAN;
}

static double url_soft_words(const struct corpus_subject *s)
{
    struct corpus_url url;
    const struct corpus_block_list *list = list_for_url(s, CORPUS_LIST_URL_SOFT_WORDS, &url);
    return list ? (double)corpus_block_list_url_words(list, &url) : NAN;
}

static double url_substring(const struct corpus_subject *s)
{
    struct corpus_url url;
    const struct corpus_block_list *list = list_for_url(s, CORPUS_LIST_URL_SUBSTRINGS, &url);
    return list ? (double)corpus_block_list_url_substrings(list, &url) : NAN;
}

/* --- the text ---------------------------------------------------------------------------------------------------------------------- */

/* The words of the text are counted only where that may let it pass. */
static double words(const struct corpus_subject *s)
{
    const struct corpus_lists_settings *lists = &s->rules->lists;
    if (!lists->lists[CORPUS_LIST_WORDS])
        return NAN;
    const uint64_t count = corpus_block_list_words(lists->lists[CORPUS_LIST_WORDS], s->text);
    const bool few = (double)count > lists->words_max && lists->words_share_max > 0 &&
                     corpus_ratio(count, corpus_word_runs(s->text)) <= lists->words_share_max;
    return few ? NAN : (double)count;
}

#define AT(field) offsetof(struct corpus_rules, lists.field)

static const struct corpus_rule rules[] = {
    {"lists.domain", domain, CORPUS_NO_BOUND, AT(none), 0, 1},
    {"lists.url", whole_url, CORPUS_NO_BOUND, AT(none), 0, 1},
    {"lists.url-words", url_words, CORPUS_NO_BOUND, AT(url_words_max), 0, CORPUS_URL_WORDS_MAX},
    {"lists.url-soft-words", url_soft_words, CORPUS_NO_BOUND, AT(url_soft_words_max), 0, CORPUS_URL_WORDS_MAX},
    {"lists.url-substring", url_substring, CORPUS_NO_BOUND, AT(none), 0, CORPUS_URL_BYTES_MAX},
    {"lists.words", words, CORPUS_NO_BOUND, AT(words_max), 0, INFINITY},
    {0}};

const struct corpus_rule_family corpus_lists_family = {.name = "lists",
                                                       .flags = CORPUS_WITHOUT_METRICS,
                                                       .enabled = offsetof(struct corpus_rules, lists.asked),
                                                       .rules = rules};
