/* The recipe's section `corpus` (docs/settings/corpus.md). */
#ifndef QUERN_CORPUS_SETTINGS_H
#define QUERN_CORPUS_SETTINGS_H

#include "base/recipe.h"
#include "corpus/rules/rules_settings.h"

/* Rules of one language: the section's own, with what is said for the language in their place. */
struct corpus_language_rules {
    const char *lang;      /* BCP-47; it holds for its regions too, where they have none of their own */
    double lang_model_min; /* least probability by the section's lang_model */
    struct corpus_rules rules;
};

/* Personal data that is replaced (text/pii.h). */
struct corpus_pii_settings {
    bool email, ip, phone, iban, card;
};

struct corpus_settings {
    uint64_t part_bytes;
    double held_out;
    uint64_t held_out_seed;
    int html; /* enum html_scope */
    bool markdown;
    bool mojibake;
    uint64_t depth_max;
    uint64_t item_bytes_max;
    uint64_t unpack_ratio_max;
    struct q_texts languages;
    double lang_score_min;
    const char *lang_model; /* path; NULL: none */
    double lang_mixed_min;
    const char *quality_model;
    const char *quality_label;
    double quality_min, quality_alpha;
    uint64_t quality_seed;
    uint64_t samples;
    const char *profile;
    struct corpus_rules rules;
    struct q_setting_list by_language; /* of struct corpus_language_rules */
    struct corpus_pii_settings pii;
};

extern const struct q_settings_table corpus_settings_table;

/* From the recipe's section (NULL: all standard): what the section leaves open is the profile's, where it names one, and what a language leaves open
 * the section's. A language of the section's by_language is laid over the profile's element of that language. recipe_folder (may be NULL) is what the
 * profile's path is relative to. Texts live in the arena. Q_ERR_USAGE with file and line. */
q_status corpus_settings_load(const struct q_node *section, const char *recipe_folder, struct q_arena *arena,
                              struct corpus_settings *settings) Q_MUST_USE;

/* The rules for a document of this language. */
const struct corpus_rules *corpus_rules_for(const struct corpus_settings *settings, q_string lang);
/* The least `lang_score` of such a document: with a lang_model the language's own bound, where that is the greater one. */
double corpus_lang_score_min(const struct corpus_settings *settings, q_string lang);

#endif
