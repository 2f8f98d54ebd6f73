/* The recipe's section `corpus` (docs/settings/corpus.md). */
#ifndef QUERN_CORPUS_SETTINGS_H
#define QUERN_CORPUS_SETTINGS_H

#include "base/settings.h"

/* Bounds of the Gopher quality rules (Rae et al., "Scaling language models", 2021, appendix A1.1). A bound outside what its measure can reach turns the
 * rule off. */
struct corpus_gopher_settings {
    bool enabled;
    double words_min, words_max;
    double word_length_min, word_length_max;
    double hash_ratio_max, ellipsis_ratio_max;
    double bullet_lines_max, ellipsis_lines_max;
    double letter_words_min;
    double stop_words_min;
};

struct corpus_settings {
    uint64_t part_bytes;
    double held_out;
    uint64_t held_out_seed;
    int html; /* enum html_scope */
    bool markdown;
    uint64_t depth_max;
    uint64_t item_bytes_max;
    uint64_t unpack_ratio_max;
    struct q_texts languages;
    double lang_score_min;
    uint64_t samples;
    struct corpus_gopher_settings gopher;
};

extern const struct q_settings_table corpus_settings_table;

#endif
