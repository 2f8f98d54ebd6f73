/* Near pairs: all pairs of documents in some files that their bands make candidates and whose Jaccard index reaches
 * the threshold.
 *
 * Unlike a build, which drops documents and compares with survivors only, this lists every pair, so its output (and
 * work) is quadratic in the size of a cluster. Equal texts are compared once for all their copies.
 *
 * A file is JSON lines, plain or zstd ("text" is the text; the id is `meta.id`, else `id`, else FILE#LINE counted
 * from 0), or, where it does not begin with '{', a text that is one document with the file's name as its id.
 */
#ifndef QUERN_DEDUP_NEAR_PAIRS_H
#define QUERN_DEDUP_NEAR_PAIRS_H

#include "base/threads.h"
#include "dedup/dedup_settings.h"

/* Called in the order of the documents: of the first one of the pair, then of the second. */
typedef q_status near_pair_found(void *context, q_string first, q_string second, double jaccard);

/* folder: for what does not fit into settings->memory. Memory besides: 20 bytes a document. Q_ERR_INPUT names file
 * and line. */
q_status near_pairs_find(const struct dedup_settings *settings, const char *const *files, size_t count,
                         struct q_pool *pool, const char *folder, near_pair_found *found, void *context) Q_MUST_USE;

#endif
