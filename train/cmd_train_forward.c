/* quern-train forward: what a model makes of one batch, as tensors that any other implementation's can be compared with. */
#include "base/check.h"
#include "base/log.h"
#include "train/cmd_train.h"
#include "train/files/opened_model.h"
#include "train/files/safetensors.h"

#include <inttypes.h>

const struct q_option train_forward_table[] = {
    {"batch", 0, Q_OPTION_TEXT, offsetof(struct train_forward_options, batch), "FILE",
     "safetensors with 'ids' and 'targets' [steps, B, T]"},
    {"gradients", 0, Q_OPTION_FLAG, offsetof(struct train_forward_options, gradients), NULL,
     "write grad.NAME of every parameter too"},
    {0}};

enum { LOGITS_ROWS = 256 }; /* rows of logits in memory at a time */

struct pass {
    const struct train_forward_options *options;
    struct q_arena arena;
    size_t batch, sequence;
    int32_t *ids, *targets; /* [batch, sequence] of step 0 */
    size_t target_count;    /* those that are real */
    struct opened_model opened;
    double loss; /* mean over the targets, nats */
};

/* Step 0 of a tensor [steps, B, T]; B and T are taken from the first one and must be those of the second. */
static q_status read_step(struct pass *pass, const struct safetensors *file, const char *name, int32_t **out)
{
    const struct safetensors_tensor *tensor = safetensors_find(file, name);
    if (!tensor)
        return q_fail(Q_ERR_INPUT, "%s: there is no tensor '%s'", file->path, name);
    if (tensor->rank != 3 || tensor->count == 0)
        return q_fail(Q_ERR_INPUT, "%s: tensor '%s' is not of the shape [steps, B, T]", file->path, name);
    if (pass->batch == 0) {
        pass->batch = (size_t)tensor->shape[1];
        pass->sequence = (size_t)tensor->shape[2];
    }
    if (tensor->shape[1] != pass->batch || tensor->shape[2] != pass->sequence)
        return q_fail(Q_ERR_INPUT, "%s: tensor '%s' has another shape than 'ids'", file->path, name);
    struct safetensors_tensor step = safetensors_part(tensor, 0, pass->batch * pass->sequence);
    int64_t *wide;
    Q_TRY(q_arena_alloc(&pass->arena, (size_t)step.count, sizeof *wide, &wide));
    Q_TRY(q_arena_alloc(&pass->arena, (size_t)step.count, sizeof **out, out));
    Q_TRY(safetensors_read_i64(file, &step, wide));
    for (size_t i = 0; i < step.count; i++) {
        if (wide[i] < INT32_MIN || wide[i] > INT32_MAX)
            return q_fail(Q_ERR_INPUT, "%s: tensor '%s' holds %" PRId64 ", which is no id", file->path, name, wide[i]);
        (*out)[i] = (int32_t)wide[i];
    }
    return Q_OK;
}

static q_status read_batch(struct pass *pass)
{
    struct safetensors file;
    q_status status = safetensors_open(pass->options->batch, &file);
    if (!status)
        status = read_step(pass, &file, "ids", &pass->ids);
    if (!status)
        status = read_step(pass, &file, "targets", &pass->targets);
    for (size_t i = 0; !status && i < pass->batch * pass->sequence; i++)
        pass->target_count += pass->targets[i] >= 0;
    if (!status && pass->target_count == 0)
        status = q_fail(Q_ERR_INPUT, "%s: step 0 of 'targets' has no target", pass->options->batch);
    safetensors_close(&file);
    return status;
}

/* The forward comes last: model_logits reads its activations. */
static q_status compute(struct pass *pass)
{
    size_t tokens = pass->batch * pass->sequence;
    struct model_batch batch = {pass->batch, pass->sequence, pass->ids, pass->targets};
    struct model_scale scale = {.loss = 1.0 / (double)pass->target_count};
    op_acc *losses;
    Q_TRY(q_arena_alloc(&pass->arena, tokens, sizeof *losses, &losses));
    if (pass->options->gradients)
        Q_TRY(model_forward_backward(pass->opened.model, &batch, &scale, losses, NULL));
    Q_TRY(model_forward(pass->opened.model, &batch, losses));
    for (size_t i = 0; i < tokens; i++)
        pass->loss += (double)losses[i];
    pass->loss /= (double)pass->target_count;
    return Q_OK;
}

static q_status declare(struct pass *pass, struct safetensors_writer *writer)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(pass->opened.model, &count);
    const uint64_t logits[] = {pass->batch, pass->sequence, pass->opened.config.vocab_size};
    Q_TRY(safetensors_declare(writer, "logits", SAFETENSORS_F32, 3, logits));
    Q_TRY(safetensors_declare(writer, "loss", SAFETENSORS_F32, 0, NULL));
    for (size_t i = 0; pass->options->gradients && i < count; i++) {
        const char *name;
        const uint64_t shape[] = {parameters[i].shape[0], parameters[i].shape[1]};
        if (parameters[i].kind == MODEL_BIAS)
            continue;
        Q_TRY(q_arena_printf(&pass->arena, &name, "grad.%s", parameters[i].name));
        Q_TRY(safetensors_declare(writer, name, SAFETENSORS_F32, parameters[i].rank, shape));
    }
    return Q_OK;
}

static q_status write_logits(struct pass *pass, struct safetensors_writer *writer)
{
    size_t tokens = pass->batch * pass->sequence, vocabulary = (size_t)pass->opened.config.vocab_size;
    float *rows;
    q_status status = Q_OK;
    Q_TRY(q_alloc(Q_MIN(tokens, (size_t)LOGITS_ROWS) * vocabulary, sizeof *rows, &rows));
    for (size_t first = 0; first < tokens && !status; first += LOGITS_ROWS) {
        size_t count = Q_MIN((size_t)LOGITS_ROWS, tokens - first);
        status = model_logits(pass->opened.model, first, count, rows);
        if (!status)
            status = safetensors_write_floats(writer, rows, count * vocabulary);
    }
    q_release(rows);
    return status;
}

static q_status write_gradients(struct pass *pass, struct safetensors_writer *writer)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(pass->opened.model, &count);
    float *values;
    q_status status = Q_OK;
    Q_TRY(q_alloc(model_largest_parameter(pass->opened.model), sizeof *values, &values));
    for (size_t i = 0; i < count && !status; i++) {
        if (parameters[i].kind == MODEL_BIAS)
            continue;
        model_get_gradient(pass->opened.model, &parameters[i], values);
        status = safetensors_write_floats(writer, values, parameters[i].count);
    }
    q_release(values);
    return status;
}

static q_status write_tensors(struct pass *pass)
{
    struct safetensors_writer writer = {0};
    float loss = (float)pass->loss;
    q_status status = declare(pass, &writer);
    if (!status)
        status = safetensors_begin(&writer, pass->options->common.out);
    if (!status)
        status = write_logits(pass, &writer);
    if (!status)
        status = safetensors_write_floats(&writer, &loss, 1);
    if (!status && pass->options->gradients)
        status = write_gradients(pass, &writer);
    if (!status)
        return safetensors_commit(&writer, NULL);
    safetensors_abandon(&writer);
    return status;
}

static q_status forward_in(struct pass *pass, const char *folder)
{
    const struct train_forward_options *options = pass->options;
    if (!options->batch || !options->common.out)
        return q_fail(Q_ERR_USAGE, "give the batch (--batch FILE) and where to (-o FILE)");
    Q_TRY(q_publish_check(options->common.out));
    Q_TRY(read_batch(pass));
    struct model_shape shape = {.batch = pass->batch, .sequence = pass->sequence, .training = options->gradients};
    Q_TRY(opened_model_open(folder, &shape, (unsigned)options->common.threads, &pass->opened));
    Q_TRY(q_context(compute(pass), "%s", options->batch));
    Q_TRY(write_tensors(pass));
    q_log_info("%zu x %zu tokens, loss %.6f over %zu targets", pass->batch, pass->sequence, pass->loss,
               pass->target_count);
    return Q_OK;
}

q_status train_forward(void *options, const char *const *arguments, size_t count)
{
    (void)count;
    struct pass pass = {.options = options};
    q_status status = forward_in(&pass, arguments[0]);
    opened_model_close(&pass.opened);
    q_arena_release(&pass.arena);
    return status;
}
