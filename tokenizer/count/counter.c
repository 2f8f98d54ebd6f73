#include "tokenizer/count/counter.h"

#include "base/check.h"
#include "base/fs.h"
#include "tokenizer/count/counter_private.h"

enum { ENDS = 512, STAGE_BYTES = 1 << 17 };

static q_status create_worker(struct counter_worker *worker)
{
    Q_TRY(q_alloc_aligned(COUNTER_FRONT_SETS, sizeof(*worker->front), &worker->front));
    memset(worker->front, 0, COUNTER_FRONT_SETS * sizeof(*worker->front));
    Q_TRY(q_alloc_zero(COUNTER_PARTS, sizeof(*worker->batches), &worker->batches));
    return q_alloc(STAGE_BYTES, 1, &worker->stage);
}

static void release_worker(struct counter_worker *worker)
{
    q_release(worker->front);
    q_release(worker->batches);
    q_release(worker->stage);
    pretokenize_scratch_release(&worker->scratch);
}

q_status counter_create(const struct counter_options *options, struct counter **out)
{
    struct counter *counter;
    q_status status;
    Q_TRY(q_alloc_zero(1, sizeof(*counter), &counter));
    counter->options = *options;
    counter->threads = q_pool_threads(options->pool);
    counter->piece_bytes_max = options->table_bytes / 8;
    (void)pthread_mutex_init(&counter->runs_lock, NULL);
    Q_TRY_GOTO(failed, counter_create_parts(counter));
    Q_TRY_GOTO(failed, q_alloc_zero(counter->threads, sizeof(*counter->workers), &counter->workers));
    for (unsigned i = 0; i < counter->threads; i++)
        Q_TRY_GOTO(failed, create_worker(&counter->workers[i]));
    *out = counter;
    return Q_OK;
failed:
    counter_release(counter);
    return status;
}

void counter_release(struct counter *counter)
{
    if (!counter)
        return;
    counter_release_reading(counter);
    for (unsigned i = 0; counter->parts && i < COUNTER_PARTS; i++) {
        counter_release_part(counter, &counter->parts[i]);
        (void)pthread_mutex_destroy(&counter->parts[i].lock);
    }
    for (unsigned i = 0; counter->workers && i < counter->threads; i++)
        release_worker(&counter->workers[i]);
    (void)pthread_mutex_destroy(&counter->runs_lock);
    q_release(counter->parts);
    q_release(counter->workers);
    q_arena_release(&counter->arena);
    q_release(counter);
}

bool counter_is_full(const struct counter *counter)
{
    return atomic_load_explicit(&counter->full, memory_order_relaxed);
}

void counter_set_full(struct counter *counter)
{
    atomic_store_explicit(&counter->full, true, memory_order_relaxed);
}

uint64_t counter_table_bytes(const struct counter *counter)
{
    return atomic_load(&counter->slot_bytes) + atomic_load(&counter->chunk_bytes);
}

uint32_t counter_runs(const struct counter *counter)
{
    return counter->runs;
}

static inline q_status push(struct counter *counter, struct counter_worker *worker, const struct piece_slot *slot,
                            uint64_t hash)
{
    const unsigned part = (unsigned)(hash >> (64 - COUNTER_PART_BITS));
    struct counter_batch *batch = &worker->batches[part];
    batch->hash[batch->size] = hash;
    batch->slots[batch->size++] = *slot;
    return batch->size == COUNTER_BATCH ? counter_add_batch(counter, part, batch) : Q_OK;
}

/* A set holds the piece that has come again first, the latest one second. So a piece that comes once pushes out another such, not a common one. */
static inline q_status add_short(struct counter *counter, struct counter_worker *worker, const struct piece_slot *slot)
{
    const uint64_t hash = piece_hash_words(slot->word);
    struct piece_slot *set = worker->front[hash & (COUNTER_FRONT_SETS - 1)];
    if (piece_equal(&set[0], slot)) {
        set[0].count += slot->count;
        return Q_OK;
    }
    if (piece_equal(&set[1], slot)) {
        struct piece_slot risen = set[1];
        risen.count += slot->count;
        set[1] = set[0];
        set[0] = risen;
        return Q_OK;
    }
    const struct piece_slot out = set[1];
    set[1] = *slot;
    return out.count ? push(counter, worker, &out, piece_hash_words(out.word)) : Q_OK;
}

static q_status flush_batches(struct counter *counter, struct counter_worker *worker)
{
    for (unsigned part = 0; part < COUNTER_PARTS; part++)
        if (worker->batches[part].size)
            Q_TRY(counter_add_batch(counter, part, &worker->batches[part]));
    worker->staged = 0;
    return Q_OK;
}

/* Long pieces are seldom common: they go to the batches at once, their bytes to the stage. Those that would fill it go to the table alone. */
static q_status add_long(struct counter *counter, struct counter_worker *worker, q_string piece, uint64_t weight)
{
    const uint64_t hash = q_hash64(piece.data, piece.size, 0);
    struct piece_slot slot = {.count = weight};
    if (piece.size > UINT32_MAX)
        return q_fail(Q_ERR_INPUT, "a piece of %zu bytes is too long to count; at most 4 GiB", piece.size);
    if (piece.size > counter->piece_bytes_max)
        return counter_write_piece(counter, piece, weight);
    if (piece.size > STAGE_BYTES / 4) {
        struct counter_batch alone = {.hash = {hash}, .size = 1};
        piece_set_long(&alone.slots[0], piece, hash);
        alone.slots[0].count = weight;
        return counter_add_batch(counter, (unsigned)(hash >> (64 - COUNTER_PART_BITS)), &alone);
    }
    if (worker->staged + piece.size > STAGE_BYTES)
        Q_TRY(flush_batches(counter, worker));
    char *staged = worker->stage + worker->staged;
    memcpy(staged, piece.data, piece.size);
    worker->staged += piece.size;
    piece_set_long(&slot, (q_string){staged, piece.size}, hash);
    return push(counter, worker, &slot, hash);
}

static q_status add_pieces(struct counter *counter, struct counter_worker *worker, q_string text, size_t start,
                           const size_t *ends, size_t count, uint64_t weight)
{
    struct piece_slot slot = {.count = weight};
    for (size_t i = 0; i < count; start = ends[i++]) {
        const size_t size = ends[i] - start;
        if (size > PIECE_SHORT_MAX) {
            Q_TRY(add_long(counter, worker, q_string_slice(text, start, ends[i]), weight));
            continue;
        }
        piece_set_short(&slot, text.data + start, size, text.size - start >= sizeof(slot.word));
        Q_TRY(add_short(counter, worker, &slot));
    }
    return Q_OK;
}

q_status counter_add_piece(struct counter *counter, unsigned number, q_string piece, uint64_t count)
{
    struct counter_worker *worker = &counter->workers[number];
    const size_t end = piece.size;
    if (!q_add_u64(worker->total.pieces, count, &worker->total.pieces))
        return q_fail(Q_ERR_INPUT, "the counts of all pieces do not fit 64 bits");
    return add_pieces(counter, worker, piece, 0, &end, 1, count);
}

/* Built-in cuts go on from any cut; the others begin again, and what was counted already is cut once more and left out. */
q_status counter_add_text(struct counter *counter, unsigned number, q_string text, uint64_t weight, size_t *at)
{
    struct counter_worker *worker = &counter->workers[number];
    const struct pretokenizer *pretokenizer = counter->options.pretokenizer;
    const bool built_in = pretokenizer_named(q_string_of(pretokenizer->name)) != NULL;
    size_t cut = built_in ? *at : 0, ends[ENDS], count;
    for (;;) {
        size_t start = cut, first = 0;
        Q_TRY(pretokenizer_cut(pretokenizer, &worker->scratch, text, &cut, ends, ENDS, &count));
        if (count == 0)
            return Q_OK;
        while (start < *at && first < count)
            start = ends[first++];
        if (start < *at)
            continue;
        uint64_t weights;
        if (!q_mul_u64(weight, count - first, &weights) ||
            !q_add_u64(worker->total.pieces, weights, &worker->total.pieces))
            return q_fail(Q_ERR_INPUT, "the counts of all pieces do not fit 64 bits");
        Q_TRY(add_pieces(counter, worker, text, start, ends + first, count - first, weight));
        *at = ends[count - 1];
        if (*at < text.size && counter_is_full(counter))
            return Q_OK;
    }
}

void counter_add_documents(struct counter *counter, unsigned number, uint64_t documents, uint64_t bytes)
{
    struct counts_total *total = &counter->workers[number].total;
    total->documents += documents;
    total->bytes += bytes; /* of texts that were in memory: no wrap in any lifetime */
}

q_status counter_flush(struct counter *counter)
{
    for (unsigned i = 0; i < counter->threads; i++) {
        struct counter_worker *worker = &counter->workers[i];
        for (size_t set = 0; set < COUNTER_FRONT_SETS; set++) {
            for (unsigned k = 0; k < 2; k++) {
                struct piece_slot *slot = &worker->front[set][k];
                if (slot->count)
                    Q_TRY(push(counter, worker, slot, piece_hash_words(slot->word)));
                slot->count = 0;
                slot->word[2] = 0; /* equal to no piece */
            }
        }
        Q_TRY(flush_batches(counter, worker));
    }
    return Q_OK;
}

void counter_info(const struct counter *counter, struct count_info *out)
{
    const char *name = counter->options.pretokenizer->name;
    *out = (struct count_info){.scale = counter->options.scale};
    q_check(strlen(name) < sizeof(out->pretokenizer));
    memcpy(out->pretokenizer, name, strlen(name));
    for (unsigned i = 0; i < counter->threads; i++) {
        const struct counts_total *total = &counter->workers[i].total;
        out->total.documents += total->documents;
        out->total.bytes += total->bytes;
        out->total.pieces += total->pieces;
    }
}
