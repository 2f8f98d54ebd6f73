#include "train/preflight.h"

#include "base/check.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/memory.h"
#include "train/checkpoint.h"
#include "train/model/model.h"
#include "train/schedule.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum {
    REST_BYTES = 96 << 20, /* the program, shards' frames and tables, buffers: some 40 to 80 MB were measured */
    FILES_BYTES =
        64 << 10,  /* of a model's folder or a checkpoint: small files, and the rest of the last block of each file */
    ID_BYTES = 64, /* of the tokenizer for each id of the vocabulary; 39 were measured of ours, 60 of DeepSeek-V3's */
    TENSOR_BYTES =
        256, /* of a model's folder for each tensor: its entry in a header and in the index; 191 were measured */
    STATE_BYTES = 1024, /* of a checkpoint beyond that: trainer.json, headers of two moments and an average */
    LINE_BYTES = 1000,  /* of metrics, beside the experts' loads */
    LOAD_BYTES = 6      /* of an expert's load in a line */
};

/* Saturating: what is too much to add up is too much for any machine. */
static uint64_t plus(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return q_add_u64(a, b, &sum) ? sum : UINT64_MAX;
}

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t product;
    return q_mul_u64(a, b, &product) ? product : UINT64_MAX;
}

q_status preflight_plan(const struct model_config *config, const struct train_settings *settings,
                        uint64_t sequence_tokens, unsigned threads, unsigned ranks, struct preflight *out)
{
    const unsigned expert_ranks = (unsigned)settings->expert_parallel;
    const struct model_shape shape = {.batch = train_micro_batch(settings),
                                      .sequence = (size_t)sequence_tokens,
                                      .training = true,
                                      .recompute = (enum model_recompute)settings->recompute,
                                      .expert_ranks = expert_ranks};
    const struct op_table *ops;
    struct model *outline;
    size_t bytes[4], tensors;
    const uint64_t moment_bytes = settings->optimizer.moments == MOMENTS_BF16 ? sizeof(uint16_t) : sizeof(op_acc);
    const bool ema = settings->ema.decay > 0;
    uint64_t steps, tokens;
    Q_TRY(op_table_of((enum op_device)settings->backend, (enum op_precision)settings->precision, &ops));
    Q_TRY(model_outline(config, ops, &shape, threads, &outline));
    model_memory(outline, bytes);
    const size_t shared = model_shared_elements(outline), experts = model_parameter_elements(outline) - shared;
    const uint64_t whole = plus(times(shared, sizeof(op_acc)), times(times(experts, expert_ranks), sizeof(op_acc)));
    const uint64_t own = /* of each of the optimizer's arenas; rank 0 has the most */
        (comm_slice(shared, ranks, 0).count + comm_slice(experts, ranks / expert_ranks, 0).count) * sizeof(op_acc);
    *out = (struct preflight){.parameters = bytes[0],
                              .gradients = bytes[1],
                              .activations = bytes[2],
                              .workspace = bytes[3],
                              .moments = times(2, own) / sizeof(op_acc) * moment_bytes,
                              .ema = ema * own,
                              .rest = REST_BYTES,
                              .on_device = settings->backend == OP_CUDA};
    const uint64_t arenas = plus(times(2, whole) / sizeof(op_acc) * moment_bytes, ema * whole); /* of all ranks */
    if (!out->on_device && (settings->checkpoint.background != CHECKPOINT_NO || ranks > 1))
        out->snapshot = plus(model_shadow_bytes(outline), arenas);
    (void)model_parameters(outline, &tensors);
    model_release(outline);
    out->model =
        plus(plus(whole, FILES_BYTES), plus(times(model_config_ids(config), ID_BYTES), times(tensors, TENSOR_BYTES)));
    out->checkpoint = plus(plus(out->model, arenas), times(tensors, STATE_BYTES));
    schedule_length(settings, sequence_tokens, 0, &steps, &tokens);
    out->checkpoints_kept = settings->checkpoint.keep_last;
    if (settings->checkpoint.keep_every)
        out->checkpoints_kept = plus(out->checkpoints_kept, steps / settings->checkpoint.keep_every);
    const uint64_t loads = times(model_config_routers(config), config->n_routed_experts);
    out->metrics = times(steps / settings->log_every + 1, plus(LINE_BYTES, times(LOAD_BYTES, loads)));
    return Q_OK;
}

uint64_t preflight_memory(const struct preflight *plan, bool with_snapshot)
{
    uint64_t sum = plus(plus(plan->parameters, plan->gradients), plus(plan->moments, plan->activations));
    sum = plus(plus(sum, plan->ema), plus(plan->workspace, plan->rest));
    return with_snapshot ? plus(sum, plan->snapshot) : sum;
}

uint64_t preflight_disk(const struct preflight *plan, uint64_t checkpoints_there)
{
    const uint64_t most = plus(plan->checkpoints_kept, 1), more = most - Q_MIN(most - 1, checkpoints_there);
    return plus(times(more, plan->checkpoint), plus(plan->metrics, plan->model));
}

static char *text_of(char text[32], uint64_t bytes)
{
    return q_format_bytes(text, (double)bytes);
}

q_status preflight_check_memory(const struct preflight *plan, int background, uint64_t available, uint64_t beside,
                                bool *in_background)
{
    char t[10][32];
    const uint64_t without = preflight_memory(plan, false), with = preflight_memory(plan, true);
    const bool fits = available == 0 || plus(with, beside) <= available;
    *in_background = background == CHECKPOINT_YES || (background == CHECKPOINT_AUTO && fits);
    const uint64_t needed = *in_background ? with : without;
    if (available == 0 || plus(needed, beside) <= available)
        return Q_OK;
    return q_fail(
        Q_ERR_MEMORY,
        "the run needs %s of memory, %s is available%s%s: parameters %s, gradients %s, moments %s%s%s, activations %s, "
        "workspace %s%s%s, other %s; choose a smaller model or 'train.micro_batch'%s",
        text_of(t[0], needed), text_of(t[1], available), beside ? " for it and other ranks, which need " : "",
        beside ? text_of(t[8], beside) : "", text_of(t[2], plan->parameters), text_of(t[3], plan->gradients),
        text_of(t[4], plan->moments), plan->ema ? ", average " : "", plan->ema ? text_of(t[9], plan->ema) : "",
        text_of(t[5], plan->activations), text_of(t[6], plan->workspace),
        *in_background ? ", copy for checkpoints " : "",
        *in_background ? q_format_bytes((char[32]){0}, (double)plan->snapshot) : "", text_of(t[7], plan->rest),
        *in_background && beside == 0 ? ", or 'train.checkpoint.background: no'" : "");
}

q_status preflight_check_disk(const struct preflight *plan, uint64_t checkpoints_there, uint64_t free_bytes,
                              const char *run_folder)
{
    char t[5][32];
    const uint64_t needed = preflight_disk(plan, checkpoints_there);
    if (needed <= free_bytes)
        return Q_OK;
    return q_fail(
        Q_ERR_SYSTEM,
        "the run needs %s more where '%s' lies, %s is free: %" PRIu64
        " checkpoints and the one being written, of %s each (%" PRIu64
        " are there), metrics %s, the model %s; make room, or lower 'train.checkpoint.keep_last' or 'keep_every'",
        text_of(t[0], needed), run_folder, text_of(t[1], free_bytes), plan->checkpoints_kept,
        text_of(t[2], plan->checkpoint), checkpoints_there, text_of(t[3], plan->metrics), text_of(t[4], plan->model));
}

static q_status count_checkpoints(const char *run_folder, uint64_t *out)
{
    struct q_arena arena = {0};
    const char *folder, **names;
    size_t count = 0;
    uint64_t step;
    *out = 0;
    q_status status = q_fs_join(&arena, run_folder, "checkpoints", &folder);
    if (!status && q_fs_is_directory(folder))
        status = q_fs_list(folder, &arena, &names, &count);
    for (size_t i = 0; i < count && !status; i++)
        *out += checkpoint_step_of(names[i], &step);
    q_arena_release(&arena);
    return status;
}

/* What the other ranks on this machine need. All ranks call it. */
static q_status count_beside(struct comm *comm, uint64_t needed, uint64_t *beside)
{
    enum { FACTS = 3 }; /* of a rank: its machine's name, hashed, and what it needs */
    char name[256] = "";
    const unsigned rank = comm_rank(comm), ranks = comm_ranks(comm);
    uint64_t *facts;
    (void)gethostname(name, sizeof name - 1);
    const q_hash host = q_hash_string(q_string_of(name));
    Q_TRY(q_alloc_zero((size_t)ranks * FACTS, sizeof *facts, &facts));
    memcpy(facts + rank * FACTS, (uint64_t[FACTS]){host.high, host.low, needed}, FACTS * sizeof *facts);
    q_status status =
        comm_sum(comm, facts, (size_t)ranks * FACTS, COMM_I64); /* with zeros, bit by bit what they were */
    *beside = 0;
    for (unsigned r = 0; r < ranks && !status; r++)
        if (r != rank && facts[r * FACTS] == host.high && facts[r * FACTS + 1] == host.low)
            *beside = plus(*beside, facts[r * FACTS + 2]);
    q_release(facts);
    return status;
}

static q_status check_disk(const struct preflight *plan, const char *run_folder)
{
    uint64_t there, free_bytes;
    Q_TRY(count_checkpoints(run_folder, &there));
    Q_TRY(q_fs_free_bytes(run_folder, &free_bytes));
    return preflight_check_disk(plan, there, free_bytes, run_folder);
}

/* A GPU says itself what it has no room for: of the machine's memory there is only the allowance. */
static q_status check_device(const struct preflight *plan, const struct train_settings *settings,
                             const char *run_folder, const struct comm *comm, bool *background)
{
    const struct preflight host = {.rest = plan->rest};
    if (comm && comm_ranks(comm) > 1)
        return q_fail(Q_ERR_USAGE, "'train.backend' is cuda: that is for one rank as yet; start one process");
    if (settings->checkpoint.background == CHECKPOINT_YES)
        return q_fail(Q_ERR_USAGE,
                      "'train.checkpoint.background' is yes, 'train.backend' cuda: from a GPU the training "
                      "itself writes checkpoints as yet; set background to auto");
    Q_TRY(preflight_check_memory(&host, CHECKPOINT_NO, q_memory_available_bytes(), 0, background));
    return check_disk(plan, run_folder);
}

q_status preflight_check(const struct preflight *plan, const struct train_settings *settings, const char *run_folder,
                         struct comm *comm, bool *background)
{
    if (plan->on_device)
        return check_device(plan, settings, run_folder, comm, background);
    const uint64_t available = q_memory_available_bytes();
    const bool leads = !comm || comm_rank(comm) == 0, alone = !comm || comm_ranks(comm) == 1;
    int wanted = settings->checkpoint.background;
    uint64_t beside = 0;
    if (!alone && wanted == CHECKPOINT_NO)
        return q_fail(Q_ERR_USAGE, "'train.checkpoint.background' is no: over ranks the first one writes from a copy, "
                                   "in which the moments come together; set it to auto");
    if (!alone) { /* rank 0 has the copy */
        wanted = leads ? CHECKPOINT_YES : CHECKPOINT_NO;
        Q_TRY(count_beside(comm, preflight_memory(plan, leads), &beside));
    }
    q_status status = preflight_check_memory(plan, wanted, available, beside, background);
    if (!status && leads)
        status = check_disk(plan, run_folder);
    *background = *background || !alone;
    return alone ? status : comm_agree(comm, status);
}

void preflight_put(const struct preflight *plan, struct q_json *json)
{
    q_json_open(json, "disk", '{');
    q_json_put_u64(json, "checkpoint", plan->checkpoint);
    q_json_put_u64(json, "checkpoints", plus(plan->checkpoints_kept, 1));
    q_json_put_u64(json, "metrics", plan->metrics);
    q_json_put_u64(json, "model", plan->model);
    q_json_put_u64(json, "total", preflight_disk(plan, 0));
    q_json_close(json, '}');
    q_json_open(json, plan->on_device ? "gpu" : "memory", '{');
    q_json_put_u64(json, "activations", plan->activations);
    q_json_put_u64(json, "ema", plan->ema);
    q_json_put_u64(json, "gradients", plan->gradients);
    q_json_put_u64(json, "moments", plan->moments);
    q_json_put_u64(json, "other", plan->rest);
    q_json_put_u64(json, "parameters", plan->parameters);
    q_json_put_u64(json, "snapshot", plan->snapshot);
    q_json_put_u64(json, "total", preflight_memory(plan, true));
    q_json_put_u64(json, "workspace", plan->workspace);
    q_json_close(json, '}');
}
