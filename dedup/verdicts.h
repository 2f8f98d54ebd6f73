/* Verdicts (docs/formats/verdicts.md): what the group step decided about each document that is not alone, as JSON
 * lines in one file with one data frame per part, in the order of the documents. A document without a verdict is
 * kept and is alone.
 */
#ifndef QUERN_DEDUP_VERDICTS_H
#define QUERN_DEDUP_VERDICTS_H

#include "base/jsonl.h"
#include "base/memory.h"
#include "base/seekable.h"
#include "base/status.h"
#include "base/string.h"

#include <stdint.h>

enum verdict_kind {
    VERDICT_KEPT,  /* the survivor of a cluster of more than itself */
    VERDICT_EXACT, /* dropped: its normalised text is the survivor's */
    VERDICT_NEAR,  /* dropped: enough of its shingles are the survivor's */
};

struct verdict {
    uint32_t frame, line; /* which document: data frame of the part, line in it, both from 0 */
    enum verdict_kind kind;
    q_string id;
    uint64_t cluster_size; /* kept: documents that it stands for, itself included */
    q_string survivor;     /* dropped: the id of the one that stays */
    double jaccard,
        containment; /* dropped: of the two sets of shingles; of the dropped one's shingles, the share that the survivor has */
};

const char *verdict_kind_name(enum verdict_kind kind); /* "kept", "exact", "near" */

/* Appends the line. */
q_status verdict_write(const struct verdict *verdict, struct q_buffer *out) Q_MUST_USE;

/* The verdicts of one part. Ready when zeroed. */
struct verdict_list {
    struct q_arena arena; /* holds the ids */
    struct verdict *verdicts;
    size_t count, capacity;
};

void verdict_list_release(struct verdict_list *list);
/* Reads data frame `part` of the file, replacing what the list held. Q_ERR_INPUT for lines that are not verdicts in
 * order. */
q_status verdict_list_read(struct verdict_list *list, struct q_seekable_reader *reader, uint32_t part, const char *path,
                           struct q_jsonl_parser *parser) Q_MUST_USE;
/* Of the verdicts in `frame`: the first (NULL: none), and how many. */
const struct verdict *verdict_list_frame(const struct verdict_list *list, uint32_t frame, size_t *count);

#endif
