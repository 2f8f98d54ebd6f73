/* The optimizer: AdamW over the model's arenas, with clipping by the global norm.
 *
 *     struct optimizer *o; optimizer_create(model, &settings, NULL, &o); ... optimizer_step(o, rate, &norm) after the last micro-batch
 *
 * All parameters take every step, with a gradient of zero also (an expert that no token chose): decay and step count are one for all.
 *
 * Its arenas are laid out as the parameters are: both moments, FP32 or BF16, and where it is wanted the exponential moving average of the parameters (EMA),
 * FP32. The step count starts at 0 and is part of the state to save, with the arenas.
 *
 * The EMA is the mean of the parameters behind the t steps so far, step s weighing decay^(t - s): step t moves it by (1 - decay) / (1 - decay^t) of the way, so
 * that it knows nothing of the random start, as Adam's moments do not. Begun in the middle of a run it begins as the parameters of that place. Routing
 * biases are not in it. DeepSeek-V3's report keeps one to see early how the model will be once the rate has fallen (section 3.2.3).
 *
 * Over several ranks it is ZeRO's first stage (Rajbhandari et al., arXiv 1910.02054): of what several ranks have (comm_groups.h: the world, and of experts the
 * replicas) each has the arenas of its slice alone (comm_slice). A step sums the gradients into the slices, updates them, and spreads the parameters. All
 * ranks make the same calls.
 */
#ifndef QUERN_TRAIN_OPTIMIZER_H
#define QUERN_TRAIN_OPTIMIZER_H

#include "train/comm/comm_groups.h"
#include "train/model/model.h"

struct optimizer_settings {
    double beta1, beta2; /* 0.9, 0.95 in the report */
    double epsilon;      /* 1e-8 */
    double weight_decay; /* 0.1 */
    bool decay_norms;    /* decay norm weights too (transformers' default does, DeepSeek does not say) */
    double clip;         /* bound of the global norm of the gradients; 0: none */
    bool bf16_moments;   /* rounded to BF16 behind each step, to the nearest */
    double ema_decay;    /* of the EMA, by the step; 0: there is none */
};

enum optimizer_arena { OPTIMIZER_M, OPTIMIZER_V, OPTIMIZER_EMA, OPTIMIZER_ARENAS };

struct optimizer;

/* The model must have been created for training, for these groups, and outlive the optimizer; so must the communicators. groups NULL: one rank. */
q_status optimizer_create(struct model *model, const struct optimizer_settings *settings,
                          const struct comm_groups *groups, struct optimizer **out) Q_MUST_USE;
void optimizer_release(struct optimizer *optimizer);

/* Bytes of each arena that optimizer_create takes on a rank of so many, of the outline of that rank's model too. */
void optimizer_memory(const struct model *model, const struct optimizer_settings *settings, unsigned ranks,
                      unsigned rank, size_t bytes[OPTIMIZER_ARENAS]);

/* *norm (may be NULL): of the gradients before clipping, in double over fixed blocks. A norm that is not finite changes nothing (parameters,
 * moments and step count stay; the gradients stay too) and returns Q_OK: the caller decides by *norm. Else one AdamW step; gradients
 * are zero behind it. */
q_status optimizer_step(struct optimizer *optimizer, double rate, double *norm) Q_MUST_USE;

/* The two halves of optimizer_step, for who looks at the norm in between. optimizer_norm sums the gradients over the ranks, and so is called once for
 * each time that they were computed; it changes nothing else. optimizer_apply wants the norm finite. */
q_status optimizer_norm(struct optimizer *optimizer, double *norm) Q_MUST_USE;
q_status optimizer_apply(struct optimizer *optimizer, double rate, double norm) Q_MUST_USE;
/* Moments and step count of a run's beginning; the EMA begins as the parameters, which must be there. */
void optimizer_clear(struct optimizer *optimizer);
/* The EMA, where there is one, begins as the parameters are now. */
void optimizer_begin_ema(struct optimizer *optimizer);
/* Bytes of an element of the arena: 2 where it is BF16; 0 where there is none, which is said of the EMA alone. */
size_t optimizer_element_bytes(const struct optimizer *optimizer, enum optimizer_arena arena);

/* Rank 0, or the only one: what speaks for all. */
bool optimizer_leads(const struct optimizer *optimizer);

/* A shadow: the arenas alone, all of them whatever the ranks, to be copied from `optimizer` and read by optimizer_get while `optimizer` goes on. `model` is a
 * shadow too (model_shadow_create), in whose kind of memory it lies, and must outlive it; where ranks share experts, the copy brings those into it. Over ranks
 * all of them call the copy: rank 0 with the shadow, the others with NULL. */
q_status optimizer_shadow_create(const struct optimizer *optimizer, struct model *model,
                                 struct optimizer **out) Q_MUST_USE;
q_status optimizer_shadow_copy(struct optimizer *shadow, const struct optimizer *optimizer) Q_MUST_USE;

uint64_t optimizer_steps(const struct optimizer *optimizer);
void optimizer_set_steps(struct optimizer *optimizer, uint64_t steps);
/* What an arena has of one parameter (not MODEL_BIAS), count elements, host. optimizer_get gathers it on rank 0; on the others `values` is not written and may
 * be NULL. optimizer_put takes what this rank owns of it (moments in BF16: the nearest); Q_ERR_INPUT where a value is not finite, or a square below zero. */
q_status optimizer_get(const struct optimizer *optimizer, enum optimizer_arena arena,
                       const struct model_parameter *parameter, op_acc *values) Q_MUST_USE;
q_status optimizer_put(struct optimizer *optimizer, enum optimizer_arena arena, const struct model_parameter *parameter,
                       const op_acc *values) Q_MUST_USE;
/* A parameter itself (a bias too), on rank 0: as model_get, and where ranks share the experts from one that holds it. On the others `values` may be NULL, and
 * what it holds behind the call is nothing to go by. */
q_status optimizer_get_weight(const struct optimizer *optimizer, const struct model_parameter *parameter,
                              op_acc *values) Q_MUST_USE;

#endif
