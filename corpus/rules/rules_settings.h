/* The bounds of all families of rules. A struct of these is for one language, or for all that have none of their own. A bound at the
 * end of what its measure can reach turns the rule off; one beyond it does, too, but lint takes it for a mistake. */
#ifndef QUERN_CORPUS_RULES_SETTINGS_H
#define QUERN_CORPUS_RULES_SETTINGS_H

#include "base/settings.h"

/* rules_lists.c */
enum corpus_list_kind {
    CORPUS_LIST_DOMAINS,
    CORPUS_LIST_URLS,
    CORPUS_LIST_URL_WORDS,
    CORPUS_LIST_URL_SOFT_WORDS,
    CORPUS_LIST_URL_SUBSTRINGS,
    CORPUS_LIST_WORDS,
    CORPUS_LIST_KINDS
};
struct corpus_lists_settings {
    bool enabled;
    struct q_texts files[CORPUS_LIST_KINDS];
    double url_words_max, url_soft_words_max;
    double words_max, words_share_max;
    double none; /* no setting: 0, the bound of what may not occur at all */
    /* Not settings either: what corpus_list_files_load made of the files. Before that the family is not asked. */
    bool asked;
    const struct corpus_block_list *lists[CORPUS_LIST_KINDS]; /* NULL: no file is named */
};

/* rules_repetition.c */
struct corpus_repetition_settings {
    bool enabled;
    int counting; /* enum corpus_counting */
    double lines_max, line_characters_max;
    double paragraphs_max, paragraph_characters_max;
    double top_2_max, top_3_max, top_4_max;
    double grams_5_max, grams_6_max, grams_7_max, grams_8_max, grams_9_max, grams_10_max;
};
enum corpus_counting { CORPUS_COUNT_EXTRA, CORPUS_COUNT_EVERY };

/* rules_gopher.c */
struct corpus_gopher_settings {
    bool enabled;
    double words_min, words_max;
    double word_length_min, word_length_max;
    double hash_ratio_max, ellipsis_ratio_max;
    double bullet_lines_max, ellipsis_lines_max;
    double letter_words_min;
    double stop_words_min;
    bool symbols_are_words;
    struct q_texts stop_words;
};

/* rules_c4.c */
struct corpus_c4_settings {
    bool enabled;
    bool terminal_punctuation, citations, javascript, policies;
    double word_length_max, line_words_min;
    double lorem_ipsum_max, curly_brackets_max;
    double sentences_min;
};

/* rules_fineweb.c */
struct corpus_fineweb_settings {
    bool enabled;
    double stopped_lines_min, short_lines_max, duplicate_characters_max, newlines_per_word_max;
};

/* rules_dclm.c */
struct corpus_dclm_settings {
    bool enabled;
    double uppercase_max, digits_max, line_words_min;
    bool counters, boilerplate;
    double removed_words_max;
};

/* rules_code.c */
struct corpus_code_settings {
    bool enabled;
    double line_length_max, mean_line_length_max;
    double alphanumeric_min, letters_min;
    double generated_max;
    bool licence_header;
    struct q_texts sources;
};

/* rules_words.c: how a language's texts are cut into words (text/words.h). */
struct corpus_words_settings {
    int unspaced; /* enum corpus_unspaced */
    bool hyphens, elisions;
};
enum corpus_unspaced { CORPUS_UNSPACED_LETTERS, CORPUS_UNSPACED_DICTIONARY };

struct corpus_rules {
    struct corpus_words_settings words;
    struct corpus_lists_settings lists;
    struct corpus_repetition_settings repetition;
    struct corpus_gopher_settings gopher;
    struct corpus_c4_settings c4;
    struct corpus_fineweb_settings fineweb;
    struct corpus_dclm_settings dclm;
    struct corpus_code_settings code;
};

struct corpus_dictionary;
struct corpus_word_style;
/* The style of the settings. *dictionary is made where they want one and it is NULL; the caller releases it. */
q_status corpus_word_style(const struct corpus_words_settings *settings, struct corpus_dictionary **dictionary,
                           struct corpus_word_style *out) Q_MUST_USE;

extern const struct q_settings_table corpus_words_table, corpus_lists_table, corpus_repetition_table,
    corpus_gopher_table, corpus_c4_table, corpus_fineweb_table, corpus_dclm_table, corpus_code_table;

#endif
