/* Which pair is next.
 *
 * Two facts carry the design. Both hold because tokens only grow: a border between two tokens that stands at the end has always stood, so what happens
 * between two such borders does not depend on what is outside.
 *
 *   1. The same bytes, as a token, are always made of the same two tokens. So a merge makes a new token, one that no place holds yet (its bytes may
 *      be a special token's, but such a one is in no piece); a token is known by its bytes; and all places of a pair are made by one merge and known from
 *      then on.
 *   2. After that the pair's count only falls. So a queue that knows what the count once was is exact, if it looks again at the pair that comes first;
 *      and a pair that starts below the least count is never needed.
 *
 * A vocabulary that is extended may make a token in several ways. Within the same bytes between two borders its merges still do the same everywhere, so where
 * (ab, c) stands at the end of them, "abc" never is one token, and both facts hold for what is merged from there on.
 */
#include "tokenizer/train/bpe_train.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/progress.h"
#include "tokenizer/train/bpe_checkpoint.h"
#include "tokenizer/train/bpe_tokens.h"
#include "tokenizer/train/bpe_trainer.h"
#include "tokenizer/train/train_pace.h"

enum {
    STOP_EVERY = 256, /* steps between two looks at the clock, and whether we are to stop */
    FLOOR_FALLS_BY = 4,
    CHUNK_BYTES = 1 << 20, /* of the arena of places */
    CHUNK_BYTES_MIN = 1 << 12,
    CHUNKS_LEAST = 16,       /* of the budget */
    WALK_STANDARD = 1 << 18, /* places that a thread keeps, 24 bytes each */
    WALK_MIN = 1 << 14,
    WALK_SHARE = 1 << 11, /* of the memory: a place for each so many bytes */
};

/* Of the memory: what malloc may lose, and what the vocabulary still takes. */
#define SLACK_BYTES (6ull << 20)
#define BYTES_OF_TOKEN 96
/* For the queue and the lists, at the least. */
#define BUDGET_MIN (4ull << 20)

static void trainer_release(struct bpe_trainer *t)
{
    bpe_apply_release(t);
    q_release(t->length);
    q_release(t->by_bytes);
    q_buffer_release(&t->scratch);
    bpe_words_release(&t->words);
    bpe_queue_release(&t->queue);
    bpe_places_release(&t->places);
    q_pool_release(t->pool);
}

/* Looks at the first candidate: it is merged where its count is what the queue believed, or still the highest. */
static q_status step(struct bpe_trainer *t, struct bpe_candidate *candidate, struct q_buffer *bytes)
{
    uint64_t count;
    uint32_t made;
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
    if (is_first) {
        Q_TRY(bpe_tokens_merge(t, candidate->pair, count, &made));
        Q_TRY(bpe_apply_merge(t, made));
        q_progress_add(1);
    } else {
        Q_TRY(bpe_apply_put_back(t, count));
    }
    t->job.candidate.places = BPE_NO_LIST; /* nothing is in hand */
    return bpe_lists_tidy(t);
}

static q_status save(const struct bpe_trainer *t)
{
    const struct bpe_train_options *options = t->options;
    const struct vocabulary *out = t->out;
    size_t old = options->base ? options->base->merge_count : 0;
    if (!options->checkpoint)
        return Q_OK;
    return bpe_checkpoint_write(options->checkpoint, t->identity, out->merges + old, out->merge_counts + old,
                                out->merge_count - old);
}

/* Between two merges: a checkpoint where it is time, or where there is a stop. */
static q_status look_up(struct bpe_trainer *t, struct train_pace *pace, double *saved)
{
    const struct bpe_train_options *options = t->options;
    const double now = q_seconds();
    const bool stop = q_stop_requested() || (t->tuning.stop_after && t->out->merge_count >= t->tuning.stop_after);
    train_pace_note(pace, t->out->merge_count, now);
    q_progress_left(train_pace_left(pace, t->out->merge_count + (options->vocab_size - t->out->size)));
    if (stop || (options->checkpoint_s > 0 && now - *saved >= options->checkpoint_s)) {
        Q_TRY(save(t));
        *saved = now;
    }
    if (stop)
        return q_fail(Q_STOPPED, "stopped after %zu merges%s", t->out->merge_count,
                      options->checkpoint ? "; --resume goes on" : "");
    return Q_OK;
}

/* A floor that is hardly ever reached. The count of the last merges is about the text's bytes over 25 times the size of the vocabulary, on text in 35
 * languages; what lies far below is not worth keeping. */
static uint64_t first_floor(const struct bpe_trainer *t)
{
    uint64_t guess = t->words.weight / t->options->vocab_size / t->tuning.floor_share;
    return Q_MAX(guess, t->least);
}

/* The floor that a new count should have: at once the first one, if it was the bound on memory that raised it; the scan keeps to what there is room for. */
static uint64_t next_floor(const struct bpe_trainer *t)
{
    return Q_MAX(Q_MIN(t->floor / FLOOR_FALLS_BY, first_floor(t)), t->least);
}

static q_status merge_all(struct bpe_trainer *t)
{
    struct q_buffer bytes = {0};
    struct train_pace pace = {0};
    double saved = q_seconds();
    q_status status = Q_OK;
    for (uint64_t steps = 0; t->out->size < t->options->vocab_size; steps++) {
        struct bpe_candidate candidate;
        bool any;
        if (steps % STOP_EVERY == 0 || t->tuning.stop_after)
            Q_TRY_GOTO(done, look_up(t, &pace, &saved));
        Q_TRY_GOTO(done, bpe_queue_take(&t->queue, &candidate, &any));
        if (any) {
            Q_TRY_GOTO(done, step(t, &candidate, &bytes));
        } else if (t->floor > t->least || t->floor_pair != BPE_NO_PAIR) {
            Q_TRY_GOTO(done, bpe_scan(t, next_floor(t)));
        } else {
            break;
        }
    }
done:
    q_buffer_release(&bytes);
    return status;
}

q_status bpe_train_check(const struct bpe_train_options *options)
{
    if (options->base && options->vocab_size <= options->base->size)
        return q_fail(Q_ERR_USAGE, "a vocabulary of %llu; the one that is to be extended has %u tokens",
                      (unsigned long long)options->vocab_size, options->base->size);
    uint64_t least = options->special_count + (options->base ? options->base->size : 256);
    if (options->vocab_size < least || options->vocab_size > VOCABULARY_SIZE_MAX)
        return q_fail(Q_ERR_USAGE,
                      "a vocabulary of %llu; it holds %zu special tokens and %llu %s, and at most %d in all",
                      (unsigned long long)options->vocab_size, options->special_count,
                      (unsigned long long)least - options->special_count, options->base ? "others" : "bytes",
                      VOCABULARY_SIZE_MAX);
    return Q_OK;
}

/* What the merges follow from: docs/formats/merges.md. */
static q_status identify(struct bpe_trainer *t)
{
    const struct bpe_train_options *options = t->options;
    struct q_buffer text = {0};
    q_status status = q_buffer_printf(&text, "%s %llu %llu %llu %llu %u %llu %llu", t->out->pretokenizer->name,
                                      (unsigned long long)t->words.identity, (unsigned long long)t->words.weight,
                                      (unsigned long long)t->words.pieces, (unsigned long long)t->words.bytes, t->scale,
                                      (unsigned long long)t->least, (unsigned long long)options->max_token_length);
    for (size_t i = 0; i < options->special_count && !status; i++)
        status = q_buffer_append(&text, options->special[i], strlen(options->special[i]) + 1);
    if (options->base && !status)
        status = vocabulary_write(options->base, &text);
    if (!status)
        t->identity = q_hash_string(q_buffer_string(&text));
    q_buffer_release(&text);
    return status;
}

static q_status take_checkpoint(struct bpe_trainer *t)
{
    struct bpe_checkpoint checkpoint = {0};
    q_status status = bpe_checkpoint_read(t->options->checkpoint, t->identity, &checkpoint);
    if (status == Q_ERR_INPUT && t->options->resume == BPE_RESUME_IF_SAME) {
        checkpoint.count = 0; /* of other counts, or broken: begin anew */
        status = Q_OK;
    }
    for (size_t i = 0; i < checkpoint.count && !status && t->out->size < t->options->vocab_size; i++) {
        uint32_t left, right, made;
        uint64_t count;
        bpe_checkpoint_get(&checkpoint, i, &left, &right, &count);
        if (bpe_tokens_have(t, left, right))
            status = bpe_tokens_merge(t, bpe_pair_of(left, right), count, &made);
        else
            status = q_fail(Q_ERR_INPUT, "'%s': merge %zu joins a token that is not there", t->options->checkpoint, i);
    }
    q_buffer_release(&checkpoint.file);
    return status;
}

/* The merges that are known, from the vocabulary that is extended and from the checkpoint, are done on the words. *any: there are some. */
static q_status begin_with_known(struct bpe_trainer *t, bool *any)
{
    const struct bpe_train_options *options = t->options;
    bool exists = false;
    if (options->checkpoint && options->resume)
        Q_TRY(q_fs_look(options->checkpoint, &exists, NULL));
    if (exists)
        Q_TRY(take_checkpoint(t));
    *any = t->out->merge_count > 0;
    if (!*any)
        return Q_OK;
    uint64_t needed = bpe_replay_memory(t, t->out->merge_count);
    if (options->memory && q_memory_resident_bytes() + needed + SLACK_BYTES > options->memory)
        return q_fail(Q_ERR_USAGE, "a memory of %llu MB is too little to do known merges again; at least %llu MB",
                      (unsigned long long)options->memory / 1000000,
                      (unsigned long long)(q_memory_resident_bytes() + needed + SLACK_BYTES) / 1000000 + 1);
    return bpe_replay(t, t->out->merges, t->out->merge_count, t->out->ignore_merges);
}

/* What is left of the memory when all that has a fixed size is there. */
static void set_budget(struct bpe_trainer *t)
{
    const struct bpe_train_options *options = t->options;
    t->budget = UINT64_MAX;
    if (options->memory) {
        uint64_t taken = q_memory_resident_bytes() + SLACK_BYTES + options->memory / 32 +
                         (options->vocab_size - t->out->size) * BYTES_OF_TOKEN + bpe_apply_memory(t);
        t->budget = options->memory > taken ? options->memory - taken : 0;
        t->budget = Q_MAX(t->budget, BUDGET_MIN);
    }
    if (t->tuning.budget)
        t->budget = t->tuning.budget;
    t->places.chunk_bytes =
        (size_t)Q_MAX(Q_MIN(t->budget / CHUNKS_LEAST, (uint64_t)CHUNK_BYTES), (uint64_t)CHUNK_BYTES_MIN);
}

/* What is taken besides the words at the least, whatever comes. */
static uint64_t others(const struct bpe_trainer *t)
{
    const uint64_t threads = q_pool_threads(t->pool);
    return SLACK_BYTES + BUDGET_MIN + t->options->memory / 32 + t->options->vocab_size * BYTES_OF_TOKEN +
           threads * t->tuning.chunk * (2 * sizeof(uint64_t) + BPE_SIDES * sizeof(uint32_t)) +
           (threads + 1) * 256 * 256 * sizeof(struct bpe_sum); /* bpe_first.c */
}

static q_status train(struct bpe_trainer *t, struct bpe_source *source)
{
    const struct bpe_train_options *options = t->options;
    bool known;
    Q_TRY(bpe_words_create(source, q_pool_threads(t->pool), options->memory ? options->memory : UINT64_MAX, others(t),
                           &t->words));
    Q_TRY(bpe_tokens_init(t));
    Q_TRY(identify(t));
    Q_TRY(begin_with_known(t, &known));
    Q_TRY(bpe_apply_init(t));
    set_budget(t);
    t->floor = first_floor(t);
    q_progress_start("train", "tokens", options->vocab_size - t->out->size);
    q_status status = known ? bpe_scan(t, t->floor) : bpe_first_count(t);
    if (!status)
        status = merge_all(t);
    q_progress_finish();
    return status;
}

static uint64_t walk_places(uint64_t memory)
{
    uint64_t places = memory ? memory / WALK_SHARE : WALK_STANDARD;
    return Q_MAX(Q_MIN(places, (uint64_t)WALK_STANDARD), (uint64_t)WALK_MIN);
}

static void set_tuning(struct bpe_trainer *t)
{
    if (!t->tuning.chunk)
        t->tuning.chunk = walk_places(t->options->memory);
    if (!t->tuning.shared_bytes)
        t->tuning.shared_bytes = 1 << 13;
    if (!t->tuning.floor_share)
        t->tuning.floor_share = 48;
}

q_status bpe_train_source(struct bpe_source *source, const struct pretokenizer *pretokenizer, uint32_t scale,
                          const struct bpe_train_options *options, struct vocabulary *out)
{
    struct bpe_trainer t = {
        .options = options, .tuning = options->tuning, .out = out, .scale = scale, .floor_pair = BPE_NO_PAIR};
    Q_TRY(bpe_train_check(options));
    if (!q_mul_u64(Q_MAX(options->min_frequency, 1), scale, &t.least))
        return q_fail(Q_ERR_USAGE, "a pair never occurs %llu times", (unsigned long long)options->min_frequency);
    if (options->base && strcmp(options->base->pretokenizer->name, pretokenizer->name) != 0)
        return q_fail(Q_ERR_INPUT, "counts of pretokenizer '%s' do not extend a vocabulary of '%s'", pretokenizer->name,
                      options->base->pretokenizer->name);
    t.job.candidate.places = BPE_NO_LIST;
    set_tuning(&t);
    Q_TRY(q_pool_create(options->threads ? options->threads : 1, &t.pool));
    out->pretokenizer = pretokenizer_keep(pretokenizer);
    q_status status = train(&t, source);
    q_status settled = bpe_tokens_settle(&t);
    if (!status)
        status = settled;
    if (!status)
        status = bpe_tokens_complete(&t);
    trainer_release(&t);
    return status;
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
