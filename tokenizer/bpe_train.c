/* Which pair is next, and what it is called.
 *
 * Two facts carry the design. Both hold because tokens only grow: a border between two tokens that stands at the end has always stood, so what happens
 * between two such borders does not depend on what is outside.
 *
 *   1. The same bytes, as a token, are always made of the same two tokens. So a merge makes a new token, one that no place holds yet (its bytes may
 *      be a special token's, but such a one is in no piece); a token is known by its bytes; and all places of a pair are made by one merge and known from
 *      then on.
 *   2. After that the pair's count only falls. So a queue that knows what the count once was is exact, if it looks again at the pair that comes first;
 *      and a pair that starts below the least count is never needed.
 */
#include "tokenizer/bpe_train.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/progress.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/piece_hash.h"

enum { STOP_EVERY = 256 }; /* merges between two looks at whether we are to stop */

static void trainer_release(struct bpe_trainer *t)
{
    bpe_apply_release(t);
    q_release(t->length);
    q_release(t->by_bytes);
    bpe_words_release(&t->words);
    bpe_queue_release(&t->queue);
    bpe_places_release(&t->places);
}

static q_status trainer_init(struct bpe_trainer *t)
{
    size_t size = (size_t)t->options->vocab_size;
    t->by_bytes_capacity = 1024;
    while (t->by_bytes_capacity < 2 * size)
        t->by_bytes_capacity *= 2;
    Q_TRY(q_alloc_zero(size, sizeof(*t->length), &t->length));
    Q_TRY(q_alloc_zero(t->by_bytes_capacity, sizeof(*t->by_bytes), &t->by_bytes));
    return q_arena_alloc(&t->out->arena, size, sizeof(*t->out->tokens), &t->out->tokens);
}

/* The entry of the table for these bytes: *entry is id + 1, or 0 where no token has them. */
static uint32_t *entry_of(const struct bpe_trainer *t, q_string bytes)
{
    size_t at = piece_hash((const uint8_t *)bytes.data, bytes.size) & (t->by_bytes_capacity - 1);
    while (t->by_bytes[at] && !q_string_equal(t->out->tokens[t->by_bytes[at] - 1], bytes))
        at = (at + 1) & (t->by_bytes_capacity - 1);
    return &t->by_bytes[at];
}

uint32_t bpe_trainer_id(const struct bpe_trainer *t, q_string bytes)
{
    return *entry_of(t, bytes) - 1; /* 0 - 1 is BPE_NONE */
}

/* The token with these bytes, made where there is none. The vocabulary must have room. */
static q_status token_of(struct bpe_trainer *t, q_string bytes, uint32_t *id, bool *is_new)
{
    uint32_t *entry = entry_of(t, bytes);
    *is_new = *entry == 0;
    if (*is_new) {
        q_check(t->out->size < t->options->vocab_size);
        *id = t->out->size;
        Q_TRY(q_arena_string(&t->out->arena, bytes, &t->out->tokens[*id]));
        t->length[*id] = (uint32_t)bytes.size;
        *entry = ++t->out->size;
    }
    *id = *entry - 1;
    return Q_OK;
}

/* Special tokens come first. One of visible ASCII alone is also the token of its bytes, as ByteLevel's characters for these are the same. */
static q_status add_special(struct bpe_trainer *t)
{
    struct vocabulary *out = t->out;
    Q_TRY(q_arena_alloc(&out->arena, t->options->special_count, sizeof(*out->added), &out->added));
    for (size_t i = 0; i < t->options->special_count; i++) {
        q_string text = q_string_of(t->options->special[i]);
        bool visible = true, is_new;
        uint32_t id = out->size;
        for (size_t k = 0; k < text.size; k++)
            visible = visible && text.data[k] > ' ' && text.data[k] <= '~';
        if (visible) {
            Q_TRY(token_of(t, text, &id, &is_new));
        } else {
            Q_TRY(q_arena_string(&out->arena, text, &out->tokens[id]));
            out->size++;
        }
        out->added[out->added_count++] = (struct vocabulary_added){.text = out->tokens[id], .id = id, .special = true};
    }
    return Q_OK;
}

static q_status add_bytes(struct bpe_trainer *t)
{
    for (unsigned rank = 0; rank < 256; rank++) {
        char byte = (char)byte_alphabet_at(rank);
        bool is_new;
        Q_TRY(token_of(t, (q_string){&byte, 1}, &t->out->byte_id[(uint8_t)byte], &is_new));
    }
    return Q_OK;
}

/* Writes the merge in hand down and applies it. */
static q_status merge(struct bpe_trainer *t, uint64_t count)
{
    struct vocabulary *out = t->out;
    uint32_t made;
    bool is_new;
    Q_TRY(token_of(t, t->job.bytes, &made, &is_new));
    Q_TRY(q_grow(&out->merges, &t->merge_capacity, out->merge_count + 1, sizeof(*out->merges)));
    Q_TRY(q_grow(&out->merge_counts, &t->merge_counts_capacity, out->merge_count + 1, sizeof(*out->merge_counts)));
    out->merge_counts[out->merge_count] = count;
    bpe_pair pair = t->job.candidate.pair;
    out->merges[out->merge_count++] = (struct vocabulary_merge){(uint32_t)(pair >> 32), (uint32_t)pair, made};
    return bpe_apply_merge(t, made);
}

/* Looks at the first candidate: it is merged where its count is what the queue believed, or still the highest. */
static q_status step(struct bpe_trainer *t, struct bpe_candidate *candidate, struct q_buffer *bytes)
{
    uint64_t count;
    q_buffer_clear(bytes);
    Q_TRY(q_buffer_append_string(bytes, t->out->tokens[candidate->pair >> 32]));
    Q_TRY(q_buffer_append_string(bytes, t->out->tokens[(uint32_t)candidate->pair]));
    Q_TRY(bpe_apply_look(t, candidate, q_buffer_string(bytes), &count));
    q_check(count <= candidate->count);
    bool is_first = count == candidate->count;
    if (!is_first) {
        candidate->count = count;
        is_first = bpe_is_kept(t, count, candidate->pair) && bpe_queue_is_first(&t->queue, candidate);
    }
    Q_TRY(is_first ? merge(t, count) : bpe_apply_put_back(t, count));
    t->job.candidate.places = BPE_NO_LIST; /* nothing is in hand */
    if (is_first)
        q_progress_add(1);
    return bpe_lists_tidy(t);
}

static q_status merge_all(struct bpe_trainer *t)
{
    struct q_buffer bytes = {0};
    q_status status = Q_OK;
    for (uint64_t steps = 0; t->out->size < t->options->vocab_size; steps++) {
        struct bpe_candidate candidate;
        bool any;
        if (steps % STOP_EVERY == 0 && q_stop_requested()) {
            status = q_fail(Q_STOPPED, "stopped before the vocabulary was full");
            goto done;
        }
        Q_TRY_GOTO(done, bpe_queue_take(&t->queue, &candidate, &any));
        if (any) {
            Q_TRY_GOTO(done, step(t, &candidate, &bytes));
        } else if (t->floor > t->least || t->floor_pair != BPE_NO_PAIR) {
            Q_TRY_GOTO(done, bpe_scan(t));
        } else {
            break;
        }
    }
done:
    q_buffer_release(&bytes);
    return status;
}

/* An array that grew outside the arena, which is to own it; NULL on failure. */
static q_status settle_array(struct q_arena *arena, size_t count, size_t size, void *grown, void *out_pointer)
{
    void *kept = NULL;
    q_status status = q_arena_alloc(arena, count, size, &kept);
    if (!status && count)
        memcpy(kept, grown, count * size);
    q_release(grown);
    memcpy(out_pointer, &kept, sizeof(kept));
    return status;
}

static q_status settle(struct bpe_trainer *t)
{
    struct vocabulary *out = t->out;
    q_status merges =
        settle_array(&out->arena, out->merge_count, sizeof(*out->merges), out->merges, (void *)&out->merges);
    q_status counts = settle_array(&out->arena, out->merge_count, sizeof(*out->merge_counts), out->merge_counts,
                                   (void *)&out->merge_counts);
    out->counted_bytes = t->words.weight;
    if (merges)
        out->merge_count = 0;
    return merges ? merges : counts;
}

q_status bpe_train_check(const struct bpe_train_options *options)
{
    if (options->vocab_size < options->special_count + 256 || options->vocab_size > VOCABULARY_SIZE_MAX)
        return q_fail(Q_ERR_USAGE,
                      "a vocabulary of %llu; it holds %zu special tokens and 256 bytes, and at most %d in all",
                      (unsigned long long)options->vocab_size, options->special_count, VOCABULARY_SIZE_MAX);
    return Q_OK;
}

/* A floor that is hardly ever reached. The count of the last merges is about the text's bytes over 25 times the size of the vocabulary, on text in 35
 * languages and on English alone; what lies far below is not worth keeping. */
static uint64_t first_floor(const struct bpe_trainer *t)
{
    uint64_t guess = t->words.weight / t->options->vocab_size / t->tuning.floor_share;
    return Q_MAX(guess, t->least);
}

static q_status train(struct bpe_trainer *t, struct bpe_source *source)
{
    Q_TRY(trainer_init(t));
    Q_TRY(add_special(t));
    Q_TRY(add_bytes(t));
    Q_TRY(bpe_words_create(source, q_pool_threads(t->pool), &t->words));
    Q_TRY(bpe_apply_init(t));
    t->floor = first_floor(t);
    Q_TRY(bpe_first_count(t));
    Q_TRY(merge_all(t));
    return vocabulary_complete(t->out);
}

q_status bpe_train_source(struct bpe_source *source, const struct pretokenizer *pretokenizer, uint32_t scale,
                          const struct bpe_train_options *options, struct vocabulary *out)
{
    struct bpe_trainer t = {.options = options,
                            .tuning = options->tuning,
                            .out = out,
                            .least = Q_MAX(options->min_frequency, 1),
                            .floor_pair = BPE_NO_PAIR,
                            .budget = UINT64_MAX};
    Q_TRY(bpe_train_check(options));
    if (!q_mul_u64(t.least, scale, &t.least))
        return q_fail(Q_ERR_USAGE, "a pair never occurs %llu times", (unsigned long long)options->min_frequency);
    if (!t.tuning.chunk)
        t.tuning.chunk = 1 << 16;
    if (!t.tuning.shared_bytes)
        t.tuning.shared_bytes = 1 << 13;
    if (!t.tuning.floor_share)
        t.tuning.floor_share = 64;
    t.places.chunk_bytes = 1 << 20;
    t.job.candidate.places = BPE_NO_LIST;
    if (options->memory)
        t.budget = options->memory, t.places.chunk_bytes = Q_MAX(Q_MIN(options->memory / 16, 1 << 20), 4096);
    Q_TRY(q_pool_create(options->threads ? options->threads : 1, &t.pool));
    out->pretokenizer = pretokenizer_keep(pretokenizer);
    q_progress_start("train", "tokens", options->vocab_size - options->special_count - 256);
    q_status status = train(&t, source);
    q_status settled = settle(&t);
    q_progress_finish();
    trainer_release(&t);
    q_pool_release(t.pool);
    return status ? status : settled;
}

q_status bpe_train(struct counts *counts, const struct bpe_train_options *options, struct vocabulary *out)
{
    struct bpe_table_source table;
    struct bpe_source source;
    bpe_table_source_init(&table, counts, &source);
    q_status status = bpe_train_source(&source, counts->pretokenizer, Q_MAX(counts->scale, 1u), options, out);
    bpe_table_source_release(&table);
    return status;
}
