/* Some text of each language: how well a vocabulary does on it is what a report says of it.
 *
 * The count step, which sees every document anyway, keeps the first documents of each language of its part in a file of documents beside the counts; the
 * train step encodes these files and never reads the corpus.
 */
#ifndef QUERN_TOKENIZER_LANGUAGE_SAMPLE_H
#define QUERN_TOKENIZER_LANGUAGE_SAMPLE_H

#include "base/json.h"
#include "base/publish.h"
#include "base/status.h"
#include "tokenizer/text_source.h"
#include "tokenizer/tokenizer.h"

struct language_sample;

/* bytes_max: a language takes no more documents when it has this much text. */
q_status language_sample_create(uint64_t bytes_max, struct language_sample **out) Q_MUST_USE;
void language_sample_release(struct language_sample *sample);

/* Publishes at `path` the documents that the sample takes of the source, in order. Held-out ones are taken too: nothing is learned from them. */
q_status language_sample_copy(struct language_sample *sample, struct text_source *source, const char *path,
                              struct q_file_identity *identity) Q_MUST_USE;
/* Encodes the documents that the sample takes of the source. */
q_status language_sample_encode(struct language_sample *sample, struct text_source *source,
                                const struct tokenizer *tokenizer) Q_MUST_USE;
/* What was taken: {"LANG": {"documents": 3, "bytes": 1200, "tokens": 310}, ...}; texts without a language are "und". New reference. */
q_status language_sample_json(const struct language_sample *sample, json_t **out) Q_MUST_USE;

#endif
