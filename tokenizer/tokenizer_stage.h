/* Stage 3 as steps (docs/steps.md): count (map over the parts of the documents) and train (one).
 *
 *     DEDUP part 0 --> WORK/COUNT_KEY/part-00000.counts --+
 *     DEDUP part 1 --> WORK/COUNT_KEY/part-00001.counts --+--> OUT/tokenizer.json, tokenizer_config.json
 *     ...                                               --+
 */
#ifndef QUERN_TOKENIZER_TOKENIZER_STAGE_H
#define QUERN_TOKENIZER_TOKENIZER_STAGE_H

#include "base/manifest.h"
#include "base/options.h"
#include "base/recipe.h"
#include "tokenizer/count/count_weights.h"
#include "tokenizer/tokenizer_settings.h"

/* What a build did, for the program to say. */
struct tokenizer_build {
    bool already; /* the result was there */
    bool counted; /* the count was finished here: */
    struct q_accounting accounting;
    double count_seconds;
    bool trained; /* the vocabulary was made here: */
    uint32_t tokens;
    size_t merges;
    uint64_t distinct_pieces, text_bytes;
    double train_seconds;
};

struct tokenizer_stage {
    const struct q_common *common;
    struct q_recipe recipe;
    struct tokenizer_settings settings;
    struct count_weights weights;
    struct q_manifest documents;
    struct q_step count, train;
    struct tokenizer_build build;
};

/* Reads the recipe's section; with `documents` (a finished folder) also both steps' identities. Release also after a failure. */
q_status tokenizer_stage_open(struct tokenizer_stage *stage, const struct q_common *common,
                              const char *documents) Q_MUST_USE;
void tokenizer_stage_release(struct tokenizer_stage *stage);
/* The plan as JSON on standard output. */
q_status tokenizer_stage_plan(const struct tokenizer_stage *stage) Q_MUST_USE;
/* Builds what common->step and common->task ask for. work: folder of the step before; NULL: OUT/work. */
q_status tokenizer_stage_build(struct tokenizer_stage *stage, const char *work) Q_MUST_USE;

#endif
