#include "train/train_settings.h"

#include <stddef.h>

static const char *const rate_kinds[] = {"constant", "linear", "cosine", NULL};

#define AT(member) offsetof(struct train_settings, member)

static const struct q_setting segment_rows[] = {
    {.name = "until",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_SCHEDULE,
     .offset = offsetof(struct rate_segment, until),
     .unit = "tokens",
     .standard = NULL,
     .min = 1,
     .max = 1e18,
     .meaning = "where the piece ends"},
    {.name = "kind",
     .type = Q_SETTING_CHOICE,
     .tag = Q_TAG_SCHEDULE,
     .offset = offsetof(struct rate_segment, kind),
     .standard = "constant",
     .choices = rate_kinds,
     .meaning = "how the rate goes from where it is to `to`"},
    {.name = "to",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_SCHEDULE,
     .offset = offsetof(struct rate_segment, to),
     .standard = "0",
     .max = 1,
     .meaning = "the rate at the end of the piece; 0 in a constant one: the rate it begins with"},
    {0}};
static const struct q_settings_table segment_table = {"segments", segment_rows, sizeof(struct rate_segment)};

/* Offsets of the rows of nested sections are from the start of the nested struct. */
#define IN(part, member) (offsetof(struct train_settings, part.member) - offsetof(struct train_settings, part))

static const struct q_setting rate_rows[] = {
    {.name = "peak",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_SCHEDULE,
     .offset = IN(rate, peak),
     .standard = "3e-4",
     .max = 1,
     .meaning = "learning rate after the warm-up"},
    {.name = "warmup_steps",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_SCHEDULE,
     .offset = IN(rate, warmup_steps),
     .unit = "steps",
     .standard = "2000",
     .max = 1e9,
     .meaning = "linear from 0 to the peak"},
    {.name = "segments",
     .type = Q_SETTING_LIST,
     .tag = Q_TAG_SCHEDULE,
     .offset = IN(rate, segments),
     .table = &segment_table,
     .meaning = "the course after the warm-up, piece by piece; behind the last one the rate stays"},
    {0}};
static const struct q_settings_table rate_table = {"rate", rate_rows, sizeof(((struct train_settings *)0)->rate)};

static const struct q_setting batch_rows[] = {
    {.name = "sequences",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_SCHEDULE,
     .offset = IN(batch, sequences),
     .unit = "sequences",
     .standard = "16",
     .min = 1,
     .max = 1e7,
     .meaning = "sequences per optimizer step"},
    {.name = "from",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_SCHEDULE,
     .offset = IN(batch, from),
     .unit = "sequences",
     .standard = "0",
     .max = 1e7,
     .meaning = "at the beginning; 0: `sequences` from the start"},
    {.name = "ramp",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_SCHEDULE,
     .offset = IN(batch, ramp),
     .unit = "tokens",
     .standard = "0",
     .max = 1e18,
     .meaning = "tokens over which the batch grows linearly from one to the other"},
    {0}};
static const struct q_settings_table batch_table = {"batch", batch_rows, sizeof(((struct train_settings *)0)->batch)};

static const struct q_setting optimizer_rows[] = {
    {.name = "beta1",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_IDENTITY,
     .offset = IN(optimizer, beta1),
     .standard = "0.9",
     .max = 1,
     .meaning = "AdamW: decay of the mean of gradients"},
    {.name = "beta2",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_IDENTITY,
     .offset = IN(optimizer, beta2),
     .standard = "0.95",
     .max = 1,
     .meaning = "AdamW: decay of the mean of squared gradients"},
    {.name = "epsilon",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_IDENTITY,
     .offset = IN(optimizer, epsilon),
     .standard = "1e-8",
     .max = 1,
     .meaning = "AdamW: added to the root"},
    {.name = "weight_decay",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_SCHEDULE,
     .offset = IN(optimizer, weight_decay),
     .standard = "0.1",
     .max = 1,
     .meaning = "decoupled weight decay, times the learning rate"},
    {.name = "clip",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_SCHEDULE,
     .offset = IN(optimizer, clip),
     .standard = "1",
     .max = 1e9,
     .meaning = "gradients are scaled down to this global norm; 0: never"},
    {.name = "decay_norms",
     .type = Q_SETTING_BOOL,
     .tag = Q_TAG_IDENTITY,
     .offset = IN(optimizer, decay_norms),
     .standard = "false",
     .meaning = "whether the weights of norms decay too"},
    {0}};
static const struct q_settings_table optimizer_table = {"optimizer", optimizer_rows,
                                                        sizeof(((struct train_settings *)0)->optimizer)};

static const struct q_setting balance_rows[] = {{.name = "rate",
                                                 .type = Q_SETTING_DOUBLE,
                                                 .tag = Q_TAG_SCHEDULE,
                                                 .offset = IN(balance, rate),
                                                 .standard = "0.001",
                                                 .max = 1,
                                                 .meaning = "gamma: how far the routing bias of an expert moves in a "
                                                            "step, up when it had too few tokens, down when too many"},
                                                {.name = "until",
                                                 .type = Q_SETTING_COUNT,
                                                 .tag = Q_TAG_SCHEDULE,
                                                 .offset = IN(balance, until),
                                                 .unit = "tokens",
                                                 .standard = "0",
                                                 .max = 1e18,
                                                 .meaning = "the biases stay as they are from here on; 0: never"},
                                                {.name = "loss",
                                                 .type = Q_SETTING_DOUBLE,
                                                 .tag = Q_TAG_SCHEDULE,
                                                 .offset = IN(balance, loss),
                                                 .standard = "0.0001",
                                                 .max = 1,
                                                 .meaning = "alpha: weight of the sequence-wise balance loss"},
                                                {0}};
static const struct q_settings_table balance_table = {"balance", balance_rows,
                                                      sizeof(((struct train_settings *)0)->balance)};

static const struct q_setting checkpoint_rows[] = {
    {.name = "every",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_OPERATIONAL,
     .offset = IN(checkpoint, every),
     .unit = "steps",
     .standard = "500",
     .min = 1,
     .max = 1e9,
     .meaning = "steps between checkpoints; one is always written at the end and on a stop"},
    {.name = "keep_last",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_OPERATIONAL,
     .offset = IN(checkpoint, keep_last),
     .unit = "checkpoints",
     .standard = "2",
     .min = 1,
     .max = 1e6,
     .meaning = "the newest ones that stay"},
    {.name = "keep_every",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_OPERATIONAL,
     .offset = IN(checkpoint, keep_every),
     .unit = "steps",
     .standard = "0",
     .max = 1e9,
     .meaning = "checkpoints at multiples of this stay for ever; 0: none"},
    {0}};
static const struct q_settings_table checkpoint_table = {"checkpoint", checkpoint_rows,
                                                         sizeof(((struct train_settings *)0)->checkpoint)};

static const struct q_setting rows[] = {
    {.name = "tokens",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_SCHEDULE,
     .offset = AT(tokens),
     .unit = "tokens",
     .standard = "1M",
     .min = 1,
     .max = 1e18,
     .meaning = "how long the run is, rounded up to whole steps"},
    {.name = "micro_batch",
     .type = Q_SETTING_I64,
     .tag = Q_TAG_IDENTITY,
     .offset = AT(micro_batch),
     .unit = "sequences",
     .standard = "8",
     .min = 1,
     .max = 65536,
     .meaning = "sequences in one forward and backward: more takes more memory; sums are rounded in this grouping"},
    {.name = "rate",
     .type = Q_SETTING_SECTION,
     .tag = Q_TAG_SCHEDULE,
     .offset = AT(rate),
     .table = &rate_table,
     .meaning = "learning rate as a function of tokens consumed"},
    {.name = "batch",
     .type = Q_SETTING_SECTION,
     .tag = Q_TAG_SCHEDULE,
     .offset = AT(batch),
     .table = &batch_table,
     .meaning = "batch size as a function of tokens consumed"},
    {.name = "optimizer",
     .type = Q_SETTING_SECTION,
     .tag = Q_TAG_IDENTITY,
     .offset = AT(optimizer),
     .table = &optimizer_table,
     .meaning = "AdamW"},
    {.name = "balance",
     .type = Q_SETTING_SECTION,
     .tag = Q_TAG_SCHEDULE,
     .offset = AT(balance),
     .table = &balance_table,
     .meaning = "keeping the experts evenly loaded"},
    {.name = "checkpoint",
     .type = Q_SETTING_SECTION,
     .tag = Q_TAG_OPERATIONAL,
     .offset = AT(checkpoint),
     .table = &checkpoint_table,
     .meaning = "saving"},
    {.name = "log_every",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_OPERATIONAL,
     .offset = AT(log_every),
     .unit = "steps",
     .standard = "1",
     .min = 1,
     .max = 1e6,
     .meaning = "steps between lines of metrics.jsonl"},
    {0}};

const struct q_settings_table train_settings_table = {"train", rows, sizeof(struct train_settings)};

q_status train_settings_check(const struct train_settings *settings, const char *recipe)
{
    const struct rate_segment *segments = settings->rate.segments.items;
    for (size_t i = 0; i < settings->rate.segments.count; i++) {
        if (i > 0 && segments[i].until <= segments[i - 1].until)
            return q_fail(
                Q_ERR_USAGE,
                "%s: 'train.rate.segments' must go forward: piece %zu ends where the one before does or earlier",
                recipe, i + 1);
        if (segments[i].kind != RATE_CONSTANT && segments[i].to <= 0)
            return q_fail(Q_ERR_USAGE, "%s: piece %zu of 'train.rate.segments' is %s and needs a rate in 'to'", recipe,
                          i + 1, rate_kinds[segments[i].kind]);
    }
    if (settings->batch.from > settings->batch.sequences)
        return q_fail(Q_ERR_USAGE, "%s: 'train.batch.from' is larger than 'train.batch.sequences'; a batch only grows",
                      recipe);
    if ((settings->batch.from == 0) != (settings->batch.ramp == 0))
        return q_fail(Q_ERR_USAGE,
                      "%s: 'train.batch.from' and 'train.batch.ramp' belong together; give both or neither", recipe);
    if (settings->optimizer.beta1 >= 1 || settings->optimizer.beta2 >= 1)
        return q_fail(Q_ERR_USAGE, "%s: 'train.optimizer.beta1' and 'beta2' must be below 1", recipe);
    return Q_OK;
}
