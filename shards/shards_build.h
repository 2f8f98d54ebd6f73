/* The step of stage 4: documents and a tokenizer in, a folder of shards out (docs/steps.md). One step, `build`, a map over the documents' parts. */
#ifndef QUERN_SHARDS_SHARDS_BUILD_H
#define QUERN_SHARDS_SHARDS_BUILD_H

#include "base/manifest.h"
#include "base/options.h"
#include "base/recipe.h"
#include "shards/shards_part.h"

/* Raised by hand when the files differ for the same input and settings. */
enum { SHARDS_OUTPUT_VERSION = 1 };

struct shards_build {
    struct q_recipe recipe;
    struct shards_settings settings;
    struct q_manifest *inputs; /* finished folders of documents, in the order given; their parts are numbered through */
    size_t input_count;
    uint64_t parts;
    struct tokenizer *tokenizer;
    q_hash tokenizer_hash; /* of tokenizer.json's bytes: a file and the folder that it lies in give the same step */
    struct q_step step;    /* sealed by shards_build_load */
};

/* Reads the recipe's settings (recipe NULL: all standard). Zeroed before; shards_build_release also after a failure. */
q_status shards_build_settings(struct shards_build *build, const struct q_common *common) Q_MUST_USE;
/* Reads the manifests and the tokenizer, and fixes the step's key. After shards_build_settings. */
q_status shards_build_load(struct shards_build *build, const char *const *folders, size_t count,
                           const char *tokenizer) Q_MUST_USE;
void shards_build_release(struct shards_build *build);

/* Builds what is missing of the task's parts in FOLDER, and the manifest where the task is everything. Prints the accounting. */
q_status shards_build_run(struct shards_build *build, const struct q_common *common) Q_MUST_USE;

#endif
