#include "train/plan/preflight.h"

#include "base/check.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/memory.h"
#include "train/checkpoint/checkpoint.h"
#include "train/model/model.h"
#include "train/schedule.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum {
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

static q_status plan_disk(const struct memory_request *request, struct preflight *out)
{
    const struct model_config *config = request->config;
    const struct train_settings *settings = request->settings;
    const struct optimizer_settings optimizer = train_optimizer_settings(settings);
    const struct model_shape shape = {.batch = 1, .sequence = (size_t)request->sequence_tokens, .training = true};
    struct model *outline;
    size_t tensors, arenas[OPTIMIZER_ARENAS];
    uint64_t steps, tokens;
    Q_TRY(model_outline(config, op_table_cpu(OP_FP32), &shape, 1, &outline));
    (void)model_parameters(outline, &tensors);
    optimizer_memory(outline, &optimizer, 1, 0, arenas);
    out->model = plus(plus(model_memory(outline).parameters, FILES_BYTES),
                      plus(times(model_config_ids(config), ID_BYTES), times(tensors, TENSOR_BYTES)));
    model_release(outline);
    out->checkpoint = plus(out->model, times(tensors, STATE_BYTES));
    for (int i = 0; i < OPTIMIZER_ARENAS; i++)
        out->checkpoint = plus(out->checkpoint, arenas[i]);
    schedule_length(settings, request->sequence_tokens, 0, &steps, &tokens);
    out->checkpoints_kept = settings->checkpoint.keep_last;
    if (settings->checkpoint.keep_every)
        out->checkpoints_kept = plus(out->checkpoints_kept, steps / settings->checkpoint.keep_every);
    const uint64_t loads = times(model_config_routers(config), config->n_routed_experts);
    out->metrics = times(steps / settings->log_every + 1, plus(LINE_BYTES, times(LOAD_BYTES, loads)));
    return Q_OK;
}

q_status preflight_plan(const struct memory_request *request, struct preflight *out)
{
    *out = (struct preflight){.request = *request};
    Q_TRY(memory_plan_make(request, &out->memory));
    return plan_disk(request, out);
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

/* "'train.recompute: norms' would take 1.2 GB less, ...", and of the machine's memory the copy for checkpoints where it may be left out. */
static q_status describe_savings(const struct preflight *plan, bool device, bool snapshot, struct q_buffer *out)
{
    char text[32];
    struct memory_saving savings[MEMORY_SAVINGS_MAX];
    size_t count = 0;
    if (plan->memory.on_device == device)
        Q_TRY(memory_plan_savings(&plan->request, &plan->memory, savings, &count));
    for (size_t i = 0; i < count; i++)
        Q_TRY(q_buffer_printf(out, "%s'%s' %s", i ? ", " : "; less would be taken with ", savings[i].setting,
                              text_of(text, savings[i].bytes)));
    if (snapshot)
        Q_TRY(q_buffer_printf(out, "%s'train.checkpoint.background: no' %s",
                              count ? ", " : "; less would be taken with ",
                              text_of(text, plan->memory.host[MEMORY_SNAPSHOT])));
    return count || snapshot ? Q_OK : q_buffer_printf(out, "; choose a smaller model");
}

/* `head`: what is needed and what there is. */
static q_status fail_room(const struct preflight *plan, bool device, bool snapshot, bool needless, const char *head)
{
    struct q_buffer text = {0};
    q_status status = memory_plan_describe(device ? plan->memory.device : plan->memory.host, snapshot, &text);
    if (!status)
        status = describe_savings(plan, device, needless, &text);
    if (!status)
        status = q_fail(Q_ERR_MEMORY, "%s: %.*s", head, (int)text.size, text.data);
    q_buffer_release(&text);
    return status;
}

q_status preflight_check_memory(const struct preflight *plan, int background, uint64_t available, uint64_t beside,
                                bool *in_background)
{
    char t[3][32], head[256];
    const uint64_t *bytes = plan->memory.host;
    const bool fits = available == 0 || plus(memory_plan_total(bytes, true), beside) <= available;
    *in_background = background == CHECKPOINT_YES || (background == CHECKPOINT_AUTO && fits);
    const uint64_t needed = memory_plan_total(bytes, *in_background);
    if (available == 0 || plus(needed, beside) <= available)
        return Q_OK;
    snprintf(head, sizeof head, "the run needs %s of memory, %s is available%s%s", text_of(t[0], needed),
             text_of(t[1], available), beside ? " for it and other ranks, which need " : "",
             beside ? text_of(t[2], beside) : "");
    return fail_room(plan, false, *in_background, *in_background && beside == 0, head);
}

q_status preflight_check_device(const struct preflight *plan, uint64_t device_free, uint64_t device_all)
{
    char t[3][32], head[256];
    const uint64_t needed = memory_plan_total(plan->memory.device, false);
    if (needed <= device_free)
        return Q_OK;
    snprintf(head, sizeof head, "the run needs %s of the GPU's memory, %s of its %s is free", text_of(t[0], needed),
             text_of(t[1], device_free), text_of(t[2], device_all));
    return fail_room(plan, true, false, false, head);
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

/* Behind it *wanted is what this rank is to do, *beside what the others on this machine need. */
static q_status check_ranks(const struct preflight *plan, struct comm *comm, int *wanted, uint64_t *beside)
{
    const bool leads = comm_rank(comm) == 0;
    if (plan->memory.on_device)
        return q_fail(Q_ERR_USAGE, "'train.backend' is a GPU: that is for one rank as yet; start one process");
    if (*wanted == CHECKPOINT_NO)
        return q_fail(Q_ERR_USAGE, "'train.checkpoint.background' is no: over ranks the first one writes from a copy, "
                                   "in which the moments come together; set it to auto");
    *wanted = leads ? CHECKPOINT_YES : CHECKPOINT_NO; /* rank 0 has the copy */
    return count_beside(comm, memory_plan_total(plan->memory.host, leads), beside);
}

q_status preflight_check(const struct preflight *plan, const struct train_settings *settings, const char *run_folder,
                         struct comm *comm, uint64_t device_free, uint64_t device_all, bool *background)
{
    const uint64_t available = q_memory_available_bytes();
    const bool leads = !comm || comm_rank(comm) == 0, alone = !comm || comm_ranks(comm) == 1;
    int wanted = settings->checkpoint.background;
    uint64_t beside = 0;
    if (!alone)
        Q_TRY(check_ranks(plan, comm, &wanted, &beside));
    q_status status = plan->memory.on_device ? preflight_check_device(plan, device_free, device_all) : Q_OK;
    if (!status)
        status = preflight_check_memory(plan, wanted, available, beside, background);
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
    if (plan->memory.on_device) {
        q_json_open(json, "gpu", '{');
        memory_plan_put(plan->memory.device, json);
        q_json_close(json, '}');
    }
    q_json_open(json, "memory", '{');
    memory_plan_put(plan->memory.host, json);
    q_json_close(json, '}');
}
