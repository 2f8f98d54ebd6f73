/* Languages that CLD2's built-in tables lack, where their script and a few signs of it tell them: Amharic and Tigrinya in the Ethiopic script, Tibetan and
 * Dzongkha in the Tibetan one. */
#ifndef QUERN_CORPUS_LANG_SCRIPT_H
#define QUERN_CORPUS_LANG_SCRIPT_H

#include "corpus/lang/lang.h"

#ifdef __cplusplus
extern "C" {
#endif

/* text: valid UTF-8; the first three windows' worth of it is looked at. False where less than half of its letters are of these scripts, and *out is left
 * alone. */
bool corpus_lang_by_script(const char *text, size_t size, struct corpus_lang *out);

#ifdef __cplusplus
}
#endif

#endif
