#include "dedup/dedup_settings.h"

#include "dedup/minhash.h"

#include <stddef.h>

static const char *const survivors[] = {"quality", "longest", "newest", NULL};

/* What does not matter to sign. A step's identity holds the settings of the steps before it too, so that an error about
 * a folder of another identity names the setting. */
enum { LATER = DEDUP_GROUP | DEDUP_FILTER };

#define AT(member) .offset = offsetof(struct dedup_settings, member)

/* 14 bands of 8 rows make half of the pairs at Jaccard 0.72 candidates. A threshold of 0.7 beside it gives the
 * verified result an edge as sharp as verification can make it: nothing below it is dropped, and most of what the
 * bands find above it is. */
static const struct q_setting rows[] = {
    {.name = "exact",
     .type = Q_SETTING_BOOL,
     AT(exact),
     .standard = "true",
     .steps = LATER,
     .meaning = "drop documents whose normalised text is that of another one"},
    {.name = "near",
     .type = Q_SETTING_BOOL,
     AT(near),
     .standard = "true",
     .meaning = "drop documents that share most of their shingles with another one"},
    {.name = "words",
     .type = Q_SETTING_U64,
     AT(words),
     .unit = "words",
     .standard = "5",
     .min = 1,
     .max = 32,
     .meaning = "words in a shingle"},
    {.name = "bands",
     .type = Q_SETTING_U64,
     AT(bands),
     .standard = "14",
     .min = 1,
     .max = MINHASH_BANDS_MAX,
     .meaning = "bands of a signature: documents with one in common are candidates"},
    {.name = "rows",
     .type = Q_SETTING_U64,
     AT(rows),
     .standard = "8",
     .min = 1,
     .max = MINHASH_ROWS_MAX,
     .meaning = "minima in a band; bands x rows at most 1024"},
    {.name = "jaccard",
     .type = Q_SETTING_DOUBLE,
     AT(jaccard),
     .standard = "0.7",
     .min = 0.01,
     .max = 1,
     .steps = LATER,
     .meaning =
         "a candidate is dropped only where the Jaccard index of its shingles and the survivor's is at least this"},
    {.name = "survivor",
     .type = Q_SETTING_CHOICE,
     AT(survivor),
     .standard = "quality",
     .choices = survivors,
     .steps = LATER,
     .meaning =
         "which one stays: by quality then length, by length, or by date then length; last by the key of its id"},
    {.name = "compare_max",
     .type = Q_SETTING_U64,
     AT(compare_max),
     .unit = "documents",
     .standard = "64",
     .min = 1,
     .max = 1000000,
     .steps = LATER,
     .meaning = "survivors that share one band with a document and are compared with it, best first: a bound on work"},
    {.name = "memory",
     .type = Q_SETTING_BYTES,
     .tag = Q_TAG_OPERATIONAL,
     AT(memory),
     .unit = "bytes",
     .standard = "1GiB",
     .min = 1 << 20,
     .max = 0x1p50,
     .meaning = "for sorting in the group step, besides 25 bytes a document; what is more goes to disk"},
    {0}};

const struct q_settings_table dedup_settings_table = {"dedup", rows, sizeof(struct dedup_settings)};
