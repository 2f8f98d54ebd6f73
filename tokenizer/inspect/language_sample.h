/* Some text of each language: how well a vocabulary does on it is what a report says of it.
 *
 * The count step, which sees every document anyway, keeps the first documents of each language of its part beside the counts; the train step makes one file
 * of these, which lies beside the vocabulary: so a report can set any other vocabulary against it on the same texts, when the corpus is long gone.
 *
 *     part 0: en en de | part 1: en fr | ...  -->  sample.jsonl.zst: at most LANGUAGE_SAMPLE_BYTES_MAX of a language, an even share of each part
 *
 * Held-out documents are taken too: nothing is learned from a sample.
 */
#ifndef QUERN_TOKENIZER_LANGUAGE_SAMPLE_H
#define QUERN_TOKENIZER_LANGUAGE_SAMPLE_H

#include "base/manifest.h"
#include "base/publish.h"
#include "base/status.h"
#include "tokenizer/count/text_source.h"

enum { LANGUAGE_SAMPLE_BYTES_MAX = 1 << 20 };

struct language_sample;

/* Begins the file of documents `path`. */
q_status language_sample_create(const char *path, struct language_sample **out) Q_MUST_USE;
/* Takes the source's documents, in order; a language takes no more when it has `bytes_max` of text, of this source and those before. */
q_status language_sample_take(struct language_sample *sample, struct text_source *source,
                              uint64_t bytes_max) Q_MUST_USE;
/* Publishes the file. */
q_status language_sample_commit(struct language_sample *sample, struct q_file_identity *identity) Q_MUST_USE;
void language_sample_release(struct language_sample *sample); /* a file that was not committed is not there */

/* Puts the samples of a finished count step, its files that end in `suffix`, together in `path`. */
q_status language_sample_join(struct q_manifest *counted, const char *suffix, const char *path,
                              struct q_file_identity *identity) Q_MUST_USE;

#endif
