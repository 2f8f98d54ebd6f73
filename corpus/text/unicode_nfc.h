/* NFC by ICU, behind C: UTF-8 in, UTF-8 out, no detour over UTF-16. */
#ifndef QUERN_CORPUS_UNICODE_NFC_H
#define QUERN_CORPUS_UNICODE_NFC_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whether valid UTF-8 is in NFC. Sizes up to 2^31 - 1. */
bool corpus_nfc_is(const char *text, size_t size);

/* Gives the text in NFC piece by piece to `append`, which returns false to stop. False: stopped, or ICU failed (its data is missing). */
bool corpus_nfc_write(const char *text, size_t size, bool (*append)(void *context, const char *bytes, size_t count),
                      void *context);

/* Marks are put in order one by one, each by a walk over those behind which it belongs: of a hundred thousand in a row that takes hours. So of a row of
 * characters that cannot begin a normal form the first CORPUS_NFC_ROW_MAX stay, and the others are taken out, in place: before NFC and behind it, where a
 * mark may have become three. Gives the size that is left; *removed gets how many characters are gone. Linear. */
enum { CORPUS_NFC_ROW_MAX = 1024 };
size_t corpus_nfc_shorten_rows(char *text, size_t size, size_t *removed);

/* "72.1/15": ICU's version and its Unicode's, for a step's identity: NFC is stable for characters assigned in both, charset detection is not. */
const char *corpus_icu_version(void);

#ifdef __cplusplus
}
#endif

#endif
