#include "corpus/corpus_settings.h"

#define GOPHER(field, default_text, least, most, words)                                                                \
    {                                                                                                                  \
        .name = #field, .type = Q_SETTING_DOUBLE, .offset = offsetof(struct corpus_gopher_settings, field),            \
        .standard = default_text, .min = least, .max = most, .meaning = words                                          \
    }

static const struct q_setting gopher_rows[] = {
    {.name = "enabled",
     .type = Q_SETTING_BOOL,
     .offset = offsetof(struct corpus_gopher_settings, enabled),
     .standard = "true",
     .meaning = "whether the family's rules drop documents"},
    GOPHER(words_min, "50", 0, 1e9, "fewer words: dropped as gopher.words"),
    GOPHER(words_max, "100000", 1, 1e12, "more words: dropped as gopher.words"),
    GOPHER(word_length_min, "3", 0, 1e6, "shorter mean word, in characters: dropped as gopher.mean-word-length"),
    GOPHER(word_length_max, "10", 0, 1e6, "longer mean word: dropped as gopher.mean-word-length"),
    GOPHER(hash_ratio_max, "0.1", 0, 1e6, "more '#' per word: dropped as gopher.hash-ratio"),
    GOPHER(ellipsis_ratio_max, "0.1", 0, 1e6, "more ellipses per word: dropped as gopher.ellipsis-ratio"),
    GOPHER(bullet_lines_max, "0.9", 0, 1,
           "larger share of lines that begin with a bullet: dropped as gopher.bullet-lines"),
    GOPHER(ellipsis_lines_max, "0.3", 0, 1,
           "larger share of lines that end in an ellipsis: dropped as gopher.ellipsis-lines"),
    GOPHER(letter_words_min, "0.8", 0, 1, "smaller share of words with a letter: dropped as gopher.letter-words"),
    GOPHER(stop_words_min, "2", 0, 8,
           "fewer of {the, be, to, of, and, that, have, with}, English only: dropped as gopher.stop-words"),
    {0}};

static const struct q_settings_table gopher_table = {"gopher", gopher_rows, sizeof(struct corpus_gopher_settings)};

static const char *const html_choices[] = {"article", "all", NULL};

#define ROW(field) .name = #field, .offset = offsetof(struct corpus_settings, field)

static const struct q_setting rows[] = {
    {ROW(part_bytes), .type = Q_SETTING_BYTES, .unit = "bytes", .standard = "64MiB", .min = 1, .max = 1e15,
     .meaning = "stored input per part: a part takes files until it has so many bytes; a file is not cut"},
    {ROW(held_out), .type = Q_SETTING_DOUBLE, .standard = "0.01", .min = 0, .max = 1,
     .meaning = "share of documents kept from tokenizer and training, for evaluation"},
    {ROW(held_out_seed), .type = Q_SETTING_U64, .standard = "0",
     .meaning =
         "of the choice of held-out documents: apart from the run's `seed`, so that trainings with other seeds share "
         "one corpus"},
    {ROW(html), .type = Q_SETTING_CHOICE, .standard = "article", .choices = html_choices,
     .meaning = "what is taken of a page: its main text, or all that is not hidden"},
    {ROW(markdown), .type = Q_SETTING_BOOL, .standard = "false",
     .meaning = "mark a page's headings with '#' and fence its preformatted text"},
    {ROW(depth_max), .type = Q_SETTING_U64, .standard = "4", .min = 0, .max = 16,
     .meaning = "archives within archives that are opened; a .deb with .gz files inside has 3 levels"},
    {ROW(item_bytes_max), .type = Q_SETTING_BYTES, .unit = "bytes", .standard = "64MiB", .min = 1, .max = 268435456,
     .meaning = "a larger page, file or line fails as too-large"},
    {ROW(unpack_ratio_max), .type = Q_SETTING_U64, .standard = "300", .min = 1, .max = 1000000,
     .meaning = "unpacked bytes per stored byte of a file, beyond the first 64 MiB; more fails as archive-bomb"},
    {ROW(languages), .type = Q_SETTING_TEXTS, .meaning = "languages to keep (BCP-47); none: all"},
    {ROW(lang_score_min), .type = Q_SETTING_DOUBLE, .standard = "0", .min = 0, .max = 1,
     .meaning = "documents with less of their text in their language are dropped as lang-score"},
    {ROW(samples), .type = Q_SETTING_U64, .unit = "documents", .standard = "8", .min = 0, .max = 1000,
     .meaning = "samples kept of what each reason dropped"},
    {ROW(gopher), .type = Q_SETTING_SECTION, .table = &gopher_table,
     .meaning = "the quality rules of Gopher (Rae et al. 2021, A1.1)"},
    {0}};

const struct q_settings_table corpus_settings_table = {"corpus", rows, sizeof(struct corpus_settings)};
