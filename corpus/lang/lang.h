/* The language of a text. C face; what is behind it today is CLD2 with its built-in tables (lang_cld2.cc), and lang_script.h for two scripts that these
 * lack. */
#ifndef QUERN_CORPUS_LANG_H
#define QUERN_CORPUS_LANG_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CORPUS_LANG_CODE_SIZE = 16, CORPUS_LANGS_MAX = 3 };

struct corpus_lang {
    char code[CORPUS_LANG_CODE_SIZE]; /* BCP-47: "de", "zh-Hans", "zh-Hant", "nb"; "und" where it could not be told */
    double score;                     /* share of the text that is in it, 0..1; 0 for "und" */
};

/* Languages of one text, the one with most of it first. */
struct corpus_langs {
    struct corpus_lang langs[CORPUS_LANGS_MAX];
    unsigned count; /* at least 1 */
};

/* text: valid UTF-8. Of one of 2,048 bytes and more, glances at the beginning, the middle and the end are taken first; where these do not agree on one
 * language, windows there are looked at (or all of a text that is no longer than these). So the work on a text has a bound. Thread-safe, pure. */
enum { CORPUS_LANG_WINDOW_BYTES = 2048, CORPUS_LANG_GLANCE_BYTES = 320 };
void corpus_lang_identify(const char *text, size_t size, struct corpus_langs *out);

/* BCP-47 of a classifier's label: "__label__zh" is "zh", "__label__eng_Latn" "en", "__label__srp_Latn" "sr-Latn", "__label__nob_Latn" "nb"; codes of Wikipedia
 * that mean another language elsewhere are those of BCP-47 ("als" is "gsw"). false where it is no language. Thread-safe. */
bool corpus_lang_tag(const char *label, size_t size, char out[CORPUS_LANG_CODE_SIZE]);

/* What identifies: part of a step's identity. */
const char *corpus_lang_version(void);

#ifdef __cplusplus
}
#endif

#endif
