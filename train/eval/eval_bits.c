#include "train/eval/eval_bits.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/progress.h"
#include "train/feed.h"

#include <math.h>

struct eval_selection eval_select(const struct shards *shards, uint64_t sequences_max)
{
    uint64_t count = shards->sequences;
    if (sequences_max > 0 && sequences_max < count)
        count = sequences_max;
    return (struct eval_selection){shards, count};
}

uint64_t eval_selected(const struct eval_selection *selection, uint64_t index)
{
    q_check(index < selection->count);
    return (uint64_t)((unsigned __int128)index * selection->shards->sequences / selection->count);
}

static size_t source_of(const struct shards *shards, uint64_t sequence)
{
    size_t source = 0;
    while (source + 1 < shards->source_count && sequence >= shards->sources[source + 1].first_sequence)
        source++;
    return source;
}

/* Memory for one micro-batch. */
struct batch_memory {
    struct shards_cursor *cursor;
    uint32_t *sequence;     /* [T + 1] */
    int32_t *ids, *targets; /* [B, T] */
    op_acc *losses;         /* [B, T] */
};

static void release(struct batch_memory *memory)
{
    shards_cursor_release(memory->cursor);
    q_release(memory->sequence);
    q_release(memory->ids);
    q_release(memory->targets);
    q_release(memory->losses);
}

static q_status create(const struct shards *shards, size_t batch, struct batch_memory *memory)
{
    size_t length = shards->sequence_tokens;
    Q_TRY(shards_cursor_create(shards, &memory->cursor));
    Q_TRY(q_alloc(length + 1, sizeof *memory->sequence, &memory->sequence));
    Q_TRY(q_alloc(batch * length, sizeof *memory->ids, &memory->ids));
    Q_TRY(q_alloc(batch * length, sizeof *memory->targets, &memory->targets));
    return q_alloc(batch * length, sizeof *memory->losses, &memory->losses);
}

/* Adds one sequence's losses where its source is counted. */
static void add(struct eval_bits *bits, const op_acc *losses, const int32_t *targets, size_t length,
                const uint32_t *token_bytes)
{
    for (size_t t = 0; t < length; t++) {
        bits->nats += (double)losses[t];
        bits->bytes += token_bytes[targets[t]];
    }
    bits->targets += length;
}

static q_status run_batch(const struct eval_selection *selection, struct opened_model *model,
                          struct batch_memory *memory, uint64_t first, size_t count, const uint32_t *token_bytes,
                          struct eval_bits *by_source)
{
    const struct shards *shards = selection->shards;
    size_t length = shards->sequence_tokens;
    for (size_t i = 0; i < count; i++) {
        Q_TRY(shards_read(memory->cursor, eval_selected(selection, first + i), memory->sequence));
        feed_split(memory->sequence, length, memory->ids + i * length, memory->targets + i * length);
    }
    struct model_batch batch = {.batch = count, .sequence = length, .ids = memory->ids, .targets = memory->targets};
    Q_TRY(model_forward(model->model, &batch, memory->losses));
    for (size_t i = 0; i < count; i++)
        add(&by_source[source_of(shards, eval_selected(selection, first + i))], memory->losses + i * length,
            memory->targets + i * length, length, token_bytes);
    q_progress_add(count * length);
    return Q_OK;
}

q_status eval_bits_of_model(const struct eval_selection *selection, struct opened_model *model,
                            const uint32_t *token_bytes, struct eval_bits *by_source)
{
    struct batch_memory memory = {0};
    size_t batch = model->shape.batch;
    q_status status = create(selection->shards, batch, &memory);
    memset(by_source, 0, selection->shards->source_count * sizeof *by_source);
    for (uint64_t first = 0; first < selection->count && !status; first += batch) {
        if (q_stop_requested())
            status = q_fail(Q_STOPPED, "stopped; nothing is kept of an evaluation, run again");
        else
            status = run_batch(selection, model, &memory, first,
                               (size_t)Q_MIN((uint64_t)batch, selection->count - first), token_bytes, by_source);
    }
    release(&memory);
    return status;
}

/* -log p of every id. */
static q_status unigram_losses(const uint64_t *counts, uint32_t vocabulary, op_acc **out)
{
    uint64_t total = 0;
    Q_TRY(q_alloc(vocabulary, sizeof **out, out));
    for (uint32_t id = 0; id < vocabulary; id++)
        total += counts[id];
    for (uint32_t id = 0; id < vocabulary; id++)
        (*out)[id] = (op_acc)(log((double)total + (double)vocabulary) - log((double)counts[id] + 1));
    return Q_OK;
}

q_status eval_bits_of_unigram(const struct eval_selection *selection, const uint64_t *counts,
                              const uint32_t *token_bytes, struct eval_bits *by_source)
{
    const struct shards *shards = selection->shards;
    size_t length = shards->sequence_tokens;
    struct batch_memory memory = {0};
    op_acc *losses = NULL;
    memset(by_source, 0, shards->source_count * sizeof *by_source);
    q_status status = create(shards, 1, &memory);
    if (!status)
        status = unigram_losses(counts, shards->vocabulary, &losses);
    for (uint64_t i = 0; i < selection->count && !status; i++) {
        uint64_t sequence = eval_selected(selection, i);
        status = shards_read(memory.cursor, sequence, memory.sequence);
        if (status)
            break;
        feed_split(memory.sequence, length, memory.ids, memory.targets);
        for (size_t t = 0; t < length; t++)
            memory.losses[t] = losses[memory.targets[t]];
        add(&by_source[source_of(shards, sequence)], memory.losses, memory.targets, length, token_bytes);
    }
    q_release(losses);
    release(&memory);
    return status;
}

struct eval_bits eval_bits_sum(const struct eval_bits *parts, size_t count)
{
    struct eval_bits sum = {0};
    for (size_t i = 0; i < count; i++) {
        sum.nats += parts[i].nats;
        sum.targets += parts[i].targets;
        sum.bytes += parts[i].bytes;
    }
    return sum;
}

void eval_token_bytes(const struct tokenizer *tokenizer, uint32_t vocabulary, uint32_t *bytes)
{
    for (uint32_t id = 0; id < vocabulary; id++)
        bytes[id] = id < tokenizer_size(tokenizer) && !tokenizer_is_special(tokenizer, id)
                        ? (uint32_t)tokenizer_bytes(tokenizer, id).size
                        : 0;
}
