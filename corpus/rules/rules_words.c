/* How texts are cut into words for the rules: what languages, and the programs that bounds were found with, do in different ways. */
#include "corpus/rules/rules_settings.h"
#include "corpus/rules/rules_tables.h"
#include "corpus/text/words.h"

static const char *const unspaced_choices[] = {"letters", "dictionary", NULL};

static const struct q_setting rows[] = {
    {.name = "unspaced",
     .type = Q_SETTING_CHOICE,
     .offset = offsetof(struct corpus_words_settings, unspaced),
     .standard = "letters",
     .choices = unspaced_choices,
     .meaning = "scripts without spaces are cut every two letters (Han, kana) or four (Thai, Lao, Khmer, Myanmar, "
                "Tibetan), or by ICU's dictionaries, which takes longer"},
    CORPUS_ROW_SWITCH(corpus_words_settings, hyphens, "true", "whether words are cut at hyphens between letters"),
    CORPUS_ROW_SWITCH(corpus_words_settings, elisions, "false",
                      "whether words are cut behind an apostrophe between letters (`l'|eau`)"),
    {0}};

const struct q_settings_table corpus_words_table = {"words", rows, sizeof(struct corpus_words_settings)};

q_status corpus_word_style(const struct corpus_words_settings *settings, struct corpus_dictionary **dictionary,
                           struct corpus_word_style *out)
{
    const bool wanted = settings->unspaced == CORPUS_UNSPACED_DICTIONARY;
    if (wanted && !*dictionary)
        Q_TRY(corpus_dictionary_create(dictionary));
    *out = (struct corpus_word_style){.dictionary = wanted ? *dictionary : NULL,
                                      .keep_hyphens = !settings->hyphens,
                                      .cut_elisions = settings->elisions};
    return Q_OK;
}
