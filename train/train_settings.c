#include "train/train_settings.h"

#include "base/check.h"
#include "shards/mixture.h"

#include <stddef.h>

static const char *const balance_overs[] = {"sequence", "micro_batch", NULL};
static const char *const moments_kinds[] = {"fp32", "bf16", NULL};
static const char *const rate_kinds[] = {"constant", "linear", "cosine", "root", NULL};

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
     .meaning = "how the rate goes from where it is to `to`; root: by 1 - sqrt(share of the piece)"},
    {.name = "to",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_SCHEDULE,
     .offset = offsetof(struct rate_segment, to),
     .standard = "0",
     .max = 1,
     .meaning = "the rate at the end of the piece, 0 too; a constant piece where it is 0: the rate it begins with"},
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
     .meaning = "AdamW: decay of the mean of gradients, below 1"},
    {.name = "beta2",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_IDENTITY,
     .offset = IN(optimizer, beta2),
     .standard = "0.95",
     .max = 1,
     .meaning = "AdamW: decay of the mean of squared gradients, below 1"},
    {.name = "epsilon",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_IDENTITY,
     .offset = IN(optimizer, epsilon),
     .standard = "1e-8",
     .min = 1e-30,
     .max = 1,
     .meaning = "AdamW: added to the root, so that nothing is divided by 0"},
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
    {.name = "moments",
     .type = Q_SETTING_CHOICE,
     .tag = Q_TAG_IDENTITY,
     .offset = IN(optimizer, moments),
     .standard = "fp32",
     .choices = moments_kinds,
     .meaning = "what both means are kept in, in memory and in checkpoints; bf16: rounded to the nearest, as in the "
                "report: 4 bytes less a parameter"},
    {0}};
static const struct q_settings_table optimizer_table = {"optimizer", optimizer_rows,
                                                        sizeof(((struct train_settings *)0)->optimizer)};

static const struct q_setting ema_rows[] = {
    {.name = "decay",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_SCHEDULE,
     .offset = IN(ema, decay),
     .standard = "0",
     .max = 1,
     .meaning =
         "what the average of the steps before weighs at each step, such as 0.999; 0: no average is kept. Where a run "
         "goes on from a checkpoint without one, it begins as the parameters there"},
    {.name = "result",
     .type = Q_SETTING_BOOL,
     .tag = Q_TAG_SCHEDULE,
     .offset = IN(ema, result),
     .standard = "false",
     .meaning = "whether the finished run gives the average as its model; the parameters stay in its last checkpoint"},
    {0}};
static const struct q_settings_table ema_table = {"ema", ema_rows, sizeof(((struct train_settings *)0)->ema)};

static const struct q_setting balance_rows[] = {
    {.name = "rate",
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
     .meaning = "alpha: weight of the balance loss; 0: none"},
    {.name = "loss_over",
     .type = Q_SETTING_CHOICE,
     .tag = Q_TAG_SCHEDULE,
     .offset = IN(balance, loss_over),
     .standard = "sequence",
     .choices = balance_overs,
     .meaning = "what the balance loss wants evenly loaded: each `sequence`, as in "
                "the report; or each `micro_batch` of a rank as a whole, the "
                "report's batch-wise loss where that is a rank's whole batch"},
    {0}};
static const struct q_settings_table balance_table = {"balance", balance_rows,
                                                      sizeof(((struct train_settings *)0)->balance)};

static const struct q_setting mtp_rows[] = {
    {.name = "weight",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_SCHEDULE,
     .offset = IN(mtp, weight),
     .standard = "0.3",
     .max = 100,
     .meaning = "lambda: weight of the mean of the modules' losses; 0: the modules rest"},
    {.name = "until",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_SCHEDULE,
     .offset = IN(mtp, until),
     .unit = "tokens",
     .standard = "0",
     .max = 1e18,
     .meaning = "from here on the weight is `later`; 0: it stays (the report: 10T)"},
    {.name = "later",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_SCHEDULE,
     .offset = IN(mtp, later),
     .standard = "0.1",
     .max = 100,
     .meaning = "the weight behind `until`"},
    {0}};
static const struct q_settings_table mtp_table = {"mtp", mtp_rows, sizeof(((struct train_settings *)0)->mtp)};

static const char *const background_choices[] = {"auto", "yes", "no", NULL};

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
    {.name = "background",
     .type = Q_SETTING_CHOICE,
     .tag = Q_TAG_OPERATIONAL,
     .offset = IN(checkpoint, background),
     .standard = "auto",
     .choices = background_choices,
     .meaning = "whether they are written while training goes on, from a copy of parameters and moments in memory; "
                "auto: where there is room for it; over ranks always"},
    {0}};
static const struct q_settings_table checkpoint_table = {"checkpoint", checkpoint_rows,
                                                         sizeof(((struct train_settings *)0)->checkpoint)};

static const char *const guard_rules[] = {"stop", "skip", "back", NULL};

static const struct q_setting guard_rows[] = {
    {.name = "rule",
     .type = Q_SETTING_CHOICE,
     .tag = Q_TAG_SCHEDULE,
     .offset = offsetof(struct guard_settings, rule),
     .standard = "stop",
     .choices = guard_rules,
     .meaning = "after a loss or gradient that is no number, or a spike, which a second try repeats: `stop` the run; "
                "`skip` the step's samples; go `back` to "
                "the last checkpoint and skip the samples from there up to behind it, which it does as well where the "
                "parameters or moments at a checkpoint are not finite"},
    {.name = "deviations",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_SCHEDULE,
     .offset = offsetof(struct guard_settings, deviations),
     .unit = "standard deviations",
     .standard = "0",
     .max = 1e6,
     .meaning = "a loss or gradient norm so far above the mean of the window is a spike; 0: none is looked for. "
                "OLMo-core's is 6"},
    {.name = "window",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_SCHEDULE,
     .offset = offsetof(struct guard_settings, window),
     .unit = "steps",
     .standard = "128",
     .min = 2,
     .max = GUARD_WINDOW_MAX,
     .meaning =
         "the newest steps that mean and deviation are taken of; spikes are looked for once half of them are there"},
    {.name = "norm_max",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_SCHEDULE,
     .offset = offsetof(struct guard_settings, norm_max),
     .standard = "0",
     .max = 1e30,
     .meaning = "a norm of the gradient before clipping above this is a spike too; 0: none is"},
    {.name = "skips_max",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_SCHEDULE,
     .offset = offsetof(struct guard_settings, skips_max),
     .unit = "decisions",
     .standard = "10",
     .max = 1e6,
     .meaning = "how often `skip` and `back` are done in a run; then it stops"},
    {0}};
static const struct q_settings_table guard_table = {"guard", guard_rows, sizeof(struct guard_settings)};

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
    {.name = "ema",
     .type = Q_SETTING_SECTION,
     .tag = Q_TAG_SCHEDULE,
     .offset = AT(ema),
     .table = &ema_table,
     .meaning = "exponential moving average of the parameters, in FP32, in checkpoints beside them"},
    {.name = "balance",
     .type = Q_SETTING_SECTION,
     .tag = Q_TAG_SCHEDULE,
     .offset = AT(balance),
     .table = &balance_table,
     .meaning = "keeping the experts evenly loaded"},
    {.name = "mixture",
     .type = Q_SETTING_LIST,
     .tag = Q_TAG_SCHEDULE,
     .offset = AT(mixture),
     .table = &mixture_piece_table,
     .meaning =
         "the sources' weights as a function of tokens: pieces, each up to where the next one begins; before the "
         "first one `inputs[].weight`. What a run has been shown cannot be changed any more"},
    {.name = "backend",
     .type = Q_SETTING_CHOICE,
     .tag = Q_TAG_SCHEDULE,
     .offset = AT(backend),
     .standard = "cpu",
     .choices = op_device_names,
     .meaning =
         "what computes: processors, or a GPU (one rank as yet); cuda-dnn is a GPU too, with attention of BF16 by "
         "cuDNN where that has a way for its shapes. A run may go on with another: parameters and moments are "
         "the same, to the last bit as they are stored"},
    {.name = "deterministic",
     .type = Q_SETTING_BOOL,
     .tag = Q_TAG_OPERATIONAL,
     .offset = AT(deterministic),
     .standard = "true",
     .meaning = "whether a GPU's libraries must give the same bits each time, so that a training that is run again or "
                "gone on with comes to the same ones. false: they may add in whatever order is fastest, cuBLASLt the "
                "parts of a product into FP32, cuDNN those of attention's gradients; rounding differs from run to "
                "run, and the journal says so. Processors and our own kernels give the same bits either way"},
    {.name = "precision",
     .type = Q_SETTING_CHOICE,
     .tag = Q_TAG_SCHEDULE,
     .offset = AT(precision),
     .standard = "fp32",
     .choices = op_precision_names,
     .meaning =
         "of activations and of the weights that products and embeddings read; sums, statistics, router, losses, "
         "optimizer and checkpoints are FP32 either way, so that a run may go on in the "
         "other. bf16: half of the activations' memory; multiplied by a processor's instructions for it (AVX-512 BF16, "
         "AMX), and about as fast as fp32 where there are none"},
    {.name = "gradients",
     .type = Q_SETTING_CHOICE,
     .tag = Q_TAG_SCHEDULE,
     .offset = AT(gradients),
     .standard = "fp32",
     .choices = op_precision_names,
     .meaning = "what gradients of weights are accumulated in, over micro-batches and over ranks. bf16, with "
                "`precision: bf16`: half of their memory; each sum that is added to one is FP32, and rounded "
                "together with it, to the nearest, so that what is below a 512th of it is lost"},
    {.name = "recompute",
     .type = Q_SETTING_CHOICE,
     .tag = Q_TAG_OPERATIONAL,
     .offset = AT(recompute),
     .standard = "none",
     .choices = model_recompute_names,
     .meaning = "what the backward computes again instead of keeping it, to the same bits: `norms`: what norms and "
                "SwiGLU give, for a hundredth of the time; `projections`: MLA's up-projections too, as in the report"},
    {.name = "expert_parallel",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_OPERATIONAL,
     .offset = AT(expert_parallel),
     .unit = "ranks",
     .standard = "1",
     .min = 1,
     .max = 65536,
     .meaning = "that share the experts of each layer among them, so that each holds a part; it divides the number of "
                "ranks (`--ranks`) and that of the experts. "
                "All ranks are data parallel, whatever it is"},
    {.name = "z_loss",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_SCHEDULE,
     .offset = AT(z_loss),
     .standard = "0",
     .max = 100,
     .meaning =
         "weight of the mean over the targets of log(Z)^2, Z being the softmax's denominator (PaLM: 1e-4); 0: none"},
    {.name = "mtp",
     .type = Q_SETTING_SECTION,
     .tag = Q_TAG_SCHEDULE,
     .offset = AT(mtp),
     .table = &mtp_table,
     .meaning = "multi-token prediction, where the model has modules for it (`model.num_nextn_predict_layers`)"},
    {.name = "checkpoint",
     .type = Q_SETTING_SECTION,
     .tag = Q_TAG_OPERATIONAL,
     .offset = AT(checkpoint),
     .table = &checkpoint_table,
     .meaning = "saving"},
    {.name = "guard",
     .type = Q_SETTING_SECTION,
     .tag = Q_TAG_SCHEDULE,
     .offset = AT(guard),
     .table = &guard_table,
     .meaning = "losses and gradients that are not to be believed"},
    {.name = "from",
     .type = Q_SETTING_TEXT,
     .tag = Q_TAG_OPERATIONAL,
     .offset = AT(from),
     .meaning =
         "model folder whose weights the run begins with, relative to the recipe (F32, BF16, F16, or FP8 with scales; "
         "the config.json of which says the same as `model`); none: random ones. Its bytes are in the identity, not "
         "its path"},
    {.name = "hash_every",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_OPERATIONAL,
     .offset = AT(hash_every),
     .unit = "steps",
     .standard = "0",
     .max = 1e9,
     .meaning = "steps between hashes of parameters and moments in the journal, by which runs are compared; 0: with "
                "each checkpoint alone"},
    {.name = "log_every",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_OPERATIONAL,
     .offset = AT(log_every),
     .unit = "steps",
     .standard = "1",
     .min = 1,
     .max = 1e6,
     .meaning = "steps between lines of metrics.jsonl"},
    {.name = "watch",
     .type = Q_SETTING_SECTION,
     .tag = Q_TAG_OPERATIONAL,
     .offset = AT(watch),
     .table = &watch_settings_table,
     .meaning = "what is written down of a run for those who watch it"},
    {0}};

const struct q_settings_table train_settings_table = {"train", rows, sizeof(struct train_settings)};

/* A moment that no gradient reaches falls by 1 - beta a step. Where that is less than half a unit of BF16's last place, 1/256 of the number at most,
 * rounding puts it back where it was, and it never falls. */
static q_status check_bf16(double beta, const char *name, const char *recipe)
{
    if (1 - beta > 1.0 / 256)
        return Q_OK;
    return q_fail(Q_ERR_USAGE,
                  "%s: 'train.optimizer.%s' is %g: in BF16 such a moment would never fall; it must be below %g, or "
                  "'moments' fp32",
                  recipe, name, beta, 255.0 / 256);
}

q_status train_settings_check(const struct train_settings *settings, const char *recipe)
{
    const struct rate_segment *segments = settings->rate.segments.items;
    for (size_t i = 1; i < settings->rate.segments.count; i++)
        if (segments[i].until <= segments[i - 1].until)
            return q_fail(
                Q_ERR_USAGE,
                "%s: 'train.rate.segments' must go forward: piece %zu ends where the one before does or earlier",
                recipe, i + 1);
    if (settings->batch.from > settings->batch.sequences)
        return q_fail(Q_ERR_USAGE, "%s: 'train.batch.from' is larger than 'train.batch.sequences'; a batch only grows",
                      recipe);
    if ((settings->batch.from == 0) != (settings->batch.ramp == 0))
        return q_fail(Q_ERR_USAGE,
                      "%s: 'train.batch.from' and 'train.batch.ramp' belong together; give both or neither", recipe);
    if (settings->optimizer.beta1 >= 1 || settings->optimizer.beta2 >= 1)
        return q_fail(Q_ERR_USAGE, "%s: 'train.optimizer.beta1' and 'beta2' must be below 1", recipe);
    if (settings->optimizer.moments == MOMENTS_BF16) {
        Q_TRY(check_bf16(settings->optimizer.beta1, "beta1", recipe));
        Q_TRY(check_bf16(settings->optimizer.beta2, "beta2", recipe));
    }
    if (settings->gradients == OP_BF16 && settings->precision != OP_BF16)
        return q_fail(Q_ERR_USAGE, "%s: 'train.gradients' is bf16, which wants 'train.precision' bf16 too", recipe);
    if (settings->ema.decay >= 1)
        return q_fail(Q_ERR_USAGE, "%s: 'train.ema.decay' must be below 1", recipe);
    if (settings->ema.result && settings->ema.decay <= 0)
        return q_fail(Q_ERR_USAGE, "%s: 'train.ema.result' wants an average; give 'train.ema.decay'", recipe);
    return Q_OK;
}

size_t train_micro_batch(const struct train_settings *settings)
{
    return (size_t)Q_MIN((uint64_t)settings->micro_batch, (uint64_t)settings->batch.sequences);
}

struct optimizer_settings train_optimizer_settings(const struct train_settings *settings)
{
    return (struct optimizer_settings){.beta1 = settings->optimizer.beta1,
                                       .beta2 = settings->optimizer.beta2,
                                       .epsilon = settings->optimizer.epsilon,
                                       .weight_decay = settings->optimizer.weight_decay,
                                       .decay_norms = settings->optimizer.decay_norms,
                                       .clip = settings->optimizer.clip,
                                       .bf16_moments = settings->optimizer.moments == MOMENTS_BF16,
                                       .ema_decay = settings->ema.decay};
}
