/* Merges that are known, done again on the words: of a vocabulary that is extended, or of a training that goes on.
 *
 * No counts are needed, so pieces do not depend on each other: a window of them is taken at a time, small enough for a cache, and all merges are done in
 * it. Each position that begins a token with a neighbour stands in the list of the merge that joins these two, if there is one:
 *
 *     first[merge] --> position <--> position <--> ...        next, previous: linked both ways, so that a pair that goes leaves its list
 *
 * The merges are walked once, by rank. That is exact if what a merge joins is made by merges before it, which is checked; then a merge only ever adds to lists
 * that are still to come.
 *
 * Memory per thread: 16 bytes for each byte of the window, which is no smaller than the longest piece.
 */
#include "tokenizer/train/bpe_trainer.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/progress.h"

enum { WINDOW = 1 << 18, NOWHERE = UINT32_MAX };

/* Marks `previous` of a list's first position: the rest is the merge. So a merge's rank has 31 bits, a window 2^31 positions. */
#define IS_FIRST (1u << 31)

struct rank_slot {
    uint64_t pair; /* BPE_NO_PAIR: empty */
    uint32_t rank;
};

struct replay {
    struct bpe_trainer *trainer;
    const struct vocabulary_merge *merges;
    size_t merge_count;
    struct rank_slot *ranks;
    size_t rank_capacity;
    struct replay_window *windows; /* [segments] */
    bool whole_tokens;             /* a piece that is a token is that token */
};

/* One thread's window. Positions count from its begin. */
struct replay_window {
    uint32_t *first;           /* [merges] */
    uint32_t *id;              /* [capacity] of the token that begins there */
    uint32_t *next, *previous; /* [capacity]; previous = NOWHERE: in no list */
    size_t capacity;
    uint64_t begin, end;
    struct q_error error;
};

static uint32_t rank_of(const struct replay *replay, uint32_t left, uint32_t right)
{
    bpe_pair pair = bpe_pair_of(left, right);
    size_t at = (size_t)((pair * 0x9E3779B97F4A7C15ull) >> 20) & (replay->rank_capacity - 1);
    while (replay->ranks[at].pair != pair) {
        if (replay->ranks[at].pair == BPE_NO_PAIR)
            return NOWHERE;
        at = (at + 1) & (replay->rank_capacity - 1);
    }
    return replay->ranks[at].rank;
}

static q_status index_ranks(struct replay *replay)
{
    replay->rank_capacity = 1024;
    while (replay->rank_capacity < 2 * replay->merge_count)
        replay->rank_capacity *= 2;
    Q_TRY(q_alloc(replay->rank_capacity, sizeof(*replay->ranks), &replay->ranks));
    for (size_t i = 0; i < replay->rank_capacity; i++)
        replay->ranks[i].pair = BPE_NO_PAIR;
    for (size_t i = 0; i < replay->merge_count; i++) {
        bpe_pair pair = bpe_pair_of(replay->merges[i].left, replay->merges[i].right);
        size_t at = (size_t)((pair * 0x9E3779B97F4A7C15ull) >> 20) & (replay->rank_capacity - 1);
        while (replay->ranks[at].pair != BPE_NO_PAIR && replay->ranks[at].pair != pair)
            at = (at + 1) & (replay->rank_capacity - 1);
        if (replay->ranks[at].pair == BPE_NO_PAIR) /* of two merges of one pair the first counts */
            replay->ranks[at] = (struct rank_slot){pair, (uint32_t)i};
    }
    return Q_OK;
}

/* Whether every token is made before it is joined. last[id]: the last merge that makes it. */
static q_status check_order(const struct replay *replay)
{
    uint32_t *last;
    q_status status = Q_OK;
    Q_TRY(q_alloc_zero(replay->trainer->out->size, sizeof(*last), &last));
    for (size_t i = 0; i < replay->merge_count; i++)
        last[replay->merges[i].id] = (uint32_t)i + 1;
    for (size_t i = 0; i < replay->merge_count && !status; i++)
        if (last[replay->merges[i].left] > i || last[replay->merges[i].right] > i)
            status =
                q_fail(Q_ERR_INPUT,
                       "merge %zu joins a token that a later merge makes; such a vocabulary cannot be extended", i);
    q_release(last);
    return status;
}

static void unlink_position(struct replay_window *window, uint32_t at)
{
    uint32_t previous = window->previous[at], next = window->next[at];
    if (previous == NOWHERE)
        return;
    if (previous & IS_FIRST)
        window->first[previous & ~IS_FIRST] = next;
    else
        window->next[previous] = next;
    if (next != NOWHERE)
        window->previous[next] = previous;
    window->previous[at] = NOWHERE;
}

/* Puts the position whose token has `right` as its neighbour into the list of the merge of both. */
static void link_position(const struct replay *replay, struct replay_window *window, uint32_t at, uint32_t right)
{
    uint32_t rank = rank_of(replay, window->id[at], right);
    if (rank == NOWHERE)
        return;
    uint32_t next = window->first[rank];
    window->next[at] = next;
    window->previous[at] = IS_FIRST | rank;
    if (next != NOWHERE)
        window->previous[next] = at;
    window->first[rank] = at;
}

/* The pair at a position becomes one token; returns the position behind it. */
static uint64_t join(const struct replay *replay, struct replay_window *window, uint64_t place,
                     const struct vocabulary_merge *merge)
{
    struct bpe_words *words = &replay->trainer->words;
    const uint32_t *length = replay->trainer->length;
    const uint64_t second = place + length[merge->left], after = second + length[merge->right];
    const uint32_t at = (uint32_t)(place - window->begin);
    unlink_position(window, at);
    unlink_position(window, (uint32_t)(second - window->begin));
    words->marks[second >> 6].starts &= ~(1ull << (second & 63));
    window->id[at] = merge->id;
    if (!bpe_is_piece(words, place)) {
        uint32_t before = (uint32_t)(place - bpe_length_before(words, place) - window->begin);
        unlink_position(window, before);
        link_position(replay, window, before, merge->id);
    }
    if (!bpe_is_piece(words, after))
        link_position(replay, window, at, window->id[after - window->begin]);
    return after;
}

/* All places of a merge. Of a token that meets itself again and again, the pairs are taken from the left: from the first of the row. */
static void join_all(const struct replay *replay, struct replay_window *window, uint32_t rank)
{
    const struct vocabulary_merge *merge = &replay->merges[rank];
    const struct bpe_words *words = &replay->trainer->words;
    const uint32_t step = replay->trainer->length[merge->left];
    while (window->first[rank] != NOWHERE) {
        uint64_t place = window->begin + window->first[rank];
        if (merge->left == merge->right) {
            while (!bpe_is_piece(words, place) && bpe_length_before(words, place) == step &&
                   window->id[place - step - window->begin] == merge->left)
                place -= step;
            for (;;) {
                uint64_t second = place + step;
                if (bpe_is_piece(words, second) || window->id[second - window->begin] != merge->right)
                    break;
                place = join(replay, window, place, merge);
                if (bpe_is_piece(words, place) || window->id[place - window->begin] != merge->left)
                    break;
            }
        } else {
            (void)join(replay, window, place, merge);
        }
    }
}

static void fill_window(const struct replay *replay, struct replay_window *window)
{
    const struct bpe_trainer *t = replay->trainer;
    const struct bpe_words *words = &t->words;
    for (uint64_t p = window->begin; p < window->end; p++) {
        window->id[p - window->begin] = t->out->byte_id[words->text[p]];
        window->previous[p - window->begin] = NOWHERE;
    }
    for (uint64_t p = window->begin; p + 1 < window->end; p++)
        if (!bpe_is_piece(words, p + 1))
            link_position(replay, window, (uint32_t)(p - window->begin), window->id[p + 1 - window->begin]);
}

/* Pieces that are tokens as they are lose their inner starts; their positions are taken out of all lists. */
static void take_whole_tokens(const struct replay *replay, struct replay_window *window)
{
    const struct bpe_trainer *t = replay->trainer;
    struct bpe_words *words = &replay->trainer->words;
    for (uint64_t p = window->begin, end; p < window->end; p = end) {
        for (end = p + 1; !bpe_is_piece(words, end); end++)
            ;
        uint32_t id = bpe_trainer_id(t, (q_string){(const char *)words->text + p, end - p});
        if (id == BPE_NONE)
            continue;
        for (uint64_t k = p; k < end; k++) {
            unlink_position(window, (uint32_t)(k - window->begin));
            if (k > p)
                words->marks[k >> 6].starts &= ~(1ull << (k & 63));
        }
        window->id[p - window->begin] = id;
    }
}

static q_status reserve(struct replay_window *window, uint64_t size)
{
    if (size <= window->capacity)
        return Q_OK;
    window->capacity = 0;
    Q_TRY(q_resize(&window->id, size, sizeof(*window->id)));
    Q_TRY(q_resize(&window->next, size, sizeof(*window->next)));
    Q_TRY(q_resize(&window->previous, size, sizeof(*window->previous)));
    window->capacity = size;
    return Q_OK;
}

/* Where the window that begins at `begin` ends: behind as many pieces as fit, and one at least. */
static uint64_t window_end(const struct bpe_words *words, uint64_t begin, uint64_t end)
{
    uint64_t at = begin + WINDOW;
    if (at >= end)
        return end;
    while (at > begin && !bpe_is_piece(words, at))
        at--;
    if (at > begin)
        return at;
    for (at = begin + WINDOW; !bpe_is_piece(words, at); at++)
        ;
    return at;
}

static q_status replay_segment(const struct replay *replay, const struct bpe_segment *segment,
                               struct replay_window *window)
{
    const struct bpe_words *words = &replay->trainer->words;
    Q_TRY(q_alloc(replay->merge_count, sizeof(*window->first), &window->first));
    for (size_t i = 0; i < replay->merge_count; i++)
        window->first[i] = NOWHERE;
    for (uint64_t begin = segment->begin; begin < segment->end; begin = window->end) {
        if (q_stop_requested())
            return q_fail(Q_STOPPED, "stopped before the known merges were done again");
        window->begin = begin;
        window->end = window_end(words, begin, segment->end);
        if (window->end - window->begin >= IS_FIRST)
            return q_fail(Q_ERR_INPUT, "a piece of %llu bytes; known merges are done again on pieces below 2 GiB",
                          (unsigned long long)(window->end - window->begin));
        Q_TRY(reserve(window, window->end - window->begin));
        fill_window(replay, window);
        if (replay->whole_tokens)
            take_whole_tokens(replay, window);
        for (size_t rank = 0; rank < replay->merge_count; rank++)
            if (window->first[rank] != NOWHERE)
                join_all(replay, window, (uint32_t)rank);
        q_progress_add(window->end - window->begin);
    }
    return Q_OK;
}

static void replay_one(void *context, unsigned thread, size_t k)
{
    struct replay *replay = context;
    struct replay_window *window = &replay->windows[k];
    (void)thread;
    q_status status = replay_segment(replay, &replay->trainer->words.segments[k], window);
    if (status)
        q_error_take(&window->error, status);
}

/* A piece's length is told by its mark and the next one. */
static uint64_t longest_piece(const struct bpe_words *words)
{
    uint64_t longest = 0, last = 0;
    for (uint64_t p = 0; p < words->size; p += 64) {
        for (uint64_t bits = words->marks[p >> 6].pieces; bits; bits &= bits - 1) {
            uint64_t at = p + (unsigned)__builtin_ctzll(bits);
            longest = Q_MAX(longest, at - last);
            last = at;
        }
    }
    return longest;
}

uint64_t bpe_replay_memory(const struct bpe_trainer *t, size_t merge_count)
{
    uint64_t window = Q_MAX(longest_piece(&t->words), (uint64_t)WINDOW), slots = 1024;
    while (slots < 2 * merge_count)
        slots *= 2;
    return t->words.segment_count * (window * 12 + merge_count * sizeof(uint32_t)) + slots * sizeof(struct rank_slot);
}

q_status bpe_replay(struct bpe_trainer *t, const struct vocabulary_merge *merges, size_t count, bool whole_tokens)
{
    const unsigned segments = t->words.segment_count;
    struct replay replay = {.trainer = t, .merges = merges, .merge_count = count, .whole_tokens = whole_tokens};
    q_status status;
    Q_TRY_GOTO(done, check_order(&replay));
    Q_TRY_GOTO(done, index_ranks(&replay));
    Q_TRY_GOTO(done, q_alloc_zero(segments, sizeof(*replay.windows), &replay.windows));
    q_progress_start("train, known merges", "bytes", t->words.bytes);
    q_pool_for(t->pool, segments, replay_one, &replay);
    q_progress_finish();
    for (unsigned k = 0; k < segments; k++) {
        struct replay_window *window = &replay.windows[k];
        if (window->error.status && !status)
            status = q_error_put(&window->error);
        q_release(window->first);
        q_release(window->id);
        q_release(window->next);
        q_release(window->previous);
    }
done:
    q_release(replay.windows);
    q_release(replay.ranks);
    return status;
}
