/* Which pair is next, and what it is called.
 *
 * Two facts carry the design. Both hold because tokens only grow: a border between two tokens that stands at the end has always stood, so what happens
 * between two such borders does not depend on what is outside.
 *
 *   1. The same bytes, as a token, are always made of the same two tokens. So a merge makes a new token, one that no place holds yet (its bytes may
 *      be a special token's, but such a one is in no piece); and all places of a pair are made by one merge and known from then on.
 *   2. After that the pair's count only falls. So a pair that starts below the least count is never needed, and a lazy queue is exact.
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
    struct bpe_side *sides[] = {&t->left, &t->right};
    for (size_t i = 0; i < Q_COUNT_OF(sides); i++) {
        q_release(sides[i]->index_of);
        q_release(sides[i]->neighbours);
        q_release(sides[i]->records);
    }
    q_release(t->length);
    q_release(t->by_bytes);
    bpe_words_release(&t->words);
    bpe_pairs_release(&t->pairs);
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
    Q_TRY(q_alloc(size, sizeof(uint32_t), &t->left.index_of));
    Q_TRY(q_alloc(size, sizeof(uint32_t), &t->right.index_of));
    for (size_t i = 0; i < size; i++)
        t->left.index_of[i] = t->right.index_of[i] = BPE_END;
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

/* Writes the merge down and applies it. */
static q_status merge(struct bpe_trainer *t, const struct bpe_candidate *candidate, struct q_buffer *bytes)
{
    struct vocabulary *out = t->out;
    uint32_t left = (uint32_t)(candidate->pair >> 32), right = (uint32_t)candidate->pair, made;
    bool is_new;
    q_buffer_clear(bytes);
    Q_TRY(q_buffer_append_string(bytes, out->tokens[left]));
    Q_TRY(q_buffer_append_string(bytes, out->tokens[right]));
    Q_TRY(token_of(t, q_buffer_string(bytes), &made, &is_new));
    Q_TRY(q_grow(&out->merges, &t->merge_capacity, out->merge_count + 1, sizeof(*out->merges)));
    out->merges[out->merge_count++] = (struct vocabulary_merge){left, right, made};
    return bpe_apply(t, candidate, made);
}

static q_status merge_all(struct bpe_trainer *t)
{
    struct q_buffer bytes = {0};
    q_status status = Q_OK;
    while (t->out->size < t->options->vocab_size) {
        struct bpe_candidate candidate;
        bool any;
        Q_TRY_GOTO(done, bpe_queue_take(&t->queue, &candidate, &any));
        if (!any)
            break;
        int64_t count = bpe_pairs_find(&t->pairs, candidate.pair)->count;
        q_check(count >= 0 && (uint64_t)count <= candidate.count);
        if (candidate.count != (uint64_t)count) {
            candidate.count = (uint64_t)count;
            if (count < t->least)
                bpe_places_drop(&t->places, candidate.places);
            else
                Q_TRY_GOTO(done, bpe_queue_add(&t->queue, candidate));
            continue;
        }
        Q_TRY_GOTO(done, merge(t, &candidate, &bytes));
        q_progress_add(1);
        if (t->out->merge_count % STOP_EVERY == 0 && q_stop_requested()) {
            status = q_fail(Q_STOPPED, "stopped before the vocabulary was full");
            goto done;
        }
    }
done:
    q_buffer_release(&bytes);
    return status;
}

/* The merges grew outside the arena, which is to own them. */
static q_status settle(struct bpe_trainer *t)
{
    struct vocabulary_merge *merges = NULL;
    q_status status = q_arena_alloc(&t->out->arena, t->out->merge_count, sizeof(*merges), &merges);
    if (!status && t->out->merge_count)
        memcpy(merges, t->out->merges, t->out->merge_count * sizeof(*merges));
    q_release(t->out->merges);
    t->out->merges = merges;
    if (status)
        t->out->merge_count = 0;
    return status;
}

q_status bpe_train_check(const struct bpe_train_options *options)
{
    if (options->vocab_size < options->special_count + 256 || options->vocab_size > VOCABULARY_SIZE_MAX)
        return q_fail(Q_ERR_USAGE,
                      "a vocabulary of %llu; it holds %zu special tokens and 256 bytes, and at most %d in all",
                      (unsigned long long)options->vocab_size, options->special_count, VOCABULARY_SIZE_MAX);
    return Q_OK;
}

q_status bpe_train(struct counts *counts, const struct bpe_train_options *options, struct vocabulary *out)
{
    struct bpe_trainer t = {
        .options = options, .out = out, .least = (int64_t)Q_MIN(Q_MAX(options->min_frequency, 1), INT64_MAX)};
    Q_TRY(bpe_train_check(options));
    out->pretokenizer = pretokenizer_keep(counts->pretokenizer);
    q_progress_start("train", "tokens", options->vocab_size - options->special_count - 256);
    q_status status = trainer_init(&t);
    if (!status)
        status = add_special(&t);
    if (!status)
        status = add_bytes(&t);
    if (!status)
        status = bpe_words_create(counts, out->byte_id, &t.words);
    if (!status)
        status = bpe_apply_start(&t);
    if (!status)
        status = merge_all(&t);
    if (!status)
        status = vocabulary_complete(out);
    q_status settled = settle(&t);
    q_progress_finish();
    trainer_release(&t);
    return status ? status : settled;
}
