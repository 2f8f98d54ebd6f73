/* What a merge changes.
 *
 * At each place of the pair (a, b), between neighbours x and y, the piece goes from  x a b y  to  x c y: a start is taken away, and the pairs (x, c) and
 * (c, y) have come. Nothing is written down about the pairs (x, a) and (b, y), whose counts fell: that is seen when such a pair is next in the
 * queue and its places are looked at.
 *
 *     look    the places that still hold the pair, and the sum of their counts: is it what the queue believed?
 *     merge   the starts go; then, with all of them gone, the neighbours are summed by their bytes: few neighbours, many places
 *     write   each new pair that is not below the floor gets the list of its places
 *
 * Each is a walk over the places, portion by portion where threads share a long list. When a portion's places fit a worker's chunk, they are read once
 * for all three. A new token whose neighbour is a new token itself (x c c y) is noted by the one on its left only.
 */
#include "tokenizer/train/bpe_trainer.h"

#include "base/check.h"

enum { BLOCK = 64, AHEAD = 16 };

static size_t chunk_of(const struct bpe_trainer *t)
{
    return Q_MAX((size_t)t->tuning.chunk, (size_t)BLOCK);
}

q_status bpe_apply_init(struct bpe_trainer *t)
{
    size_t chunk = chunk_of(t);
    Q_TRY(q_alloc_zero(t->words.segment_count, sizeof(*t->workers), &t->workers));
    for (unsigned s = 0; s < t->words.segment_count; s++) {
        struct bpe_worker *worker = &t->workers[s];
        Q_TRY(q_alloc(chunk, sizeof(*worker->position), &worker->position));
        Q_TRY(q_alloc(chunk, sizeof(*worker->count), &worker->count));
        for (int side = 0; side < BPE_SIDES; side++)
            Q_TRY(q_alloc(chunk, sizeof(*worker->record[side]), &worker->record[side]));
    }
    return Q_OK;
}

uint64_t bpe_apply_memory(const struct bpe_trainer *t)
{
    return t->words.segment_count * chunk_of(t) * (2 * sizeof(uint64_t) + BPE_SIDES * sizeof(uint32_t));
}

void bpe_apply_release(struct bpe_trainer *t)
{
    for (unsigned s = 0; t->workers && s < t->words.segment_count; s++) {
        struct bpe_worker *worker = &t->workers[s];
        q_release(worker->position);
        q_release(worker->count);
        for (int side = 0; side < BPE_SIDES; side++) {
            q_release(worker->record[side]);
            bpe_side_release(&worker->sides[side]);
        }
    }
    q_release(t->workers);
    for (int side = 0; side < BPE_SIDES; side++)
        bpe_side_release(&t->totals[side]);
}

static void run_portion(void *context, unsigned thread, size_t portion)
{
    struct bpe_trainer *t = context;
    struct bpe_reader reader = bpe_reader_of(t, (unsigned)portion, t->job.portions == 1);
    (void)thread;
    t->job.pass(t, &t->workers[portion], &reader);
}

/* One walk over all portions. */
static q_status run(struct bpe_trainer *t, void (*pass)(struct bpe_trainer *, struct bpe_worker *, struct bpe_reader *))
{
    t->job.pass = pass;
    if (t->job.portions == 1)
        run_portion(t, 0, 0);
    else
        q_pool_for(t->pool, t->job.portions, run_portion, t);
    for (unsigned k = 0; k < t->job.portions; k++)
        if (t->workers[k].status)
            return q_fail(Q_ERR_MEMORY, "no memory for the neighbours of a pair");
    return Q_OK;
}

/* The new token stands nowhere but where this merge has put it. */
static bool is_merged(const struct bpe_trainer *t, uint64_t position)
{
    return bpe_is_start(&t->words, position) && bpe_length(&t->words, position) == t->job.left + t->job.right;
}

/* Keeps those of the places that hold the pair (merged: that held it); returns how many. Nearly always the starts that must stand are within one word. */
static size_t select_places(const struct bpe_trainer *t, bool merged, const uint64_t *places, size_t count,
                            uint64_t *out)
{
    const struct bpe_words *words = &t->words;
    const uint32_t left = t->job.left, right = t->job.right, both = left + right;
    size_t used = 0;
    if (both >= 64) {
        for (size_t i = 0; i < count; i++) {
            out[used] = places[i];
            used += merged ? is_merged(t, places[i]) : bpe_holds(words, places[i], left, right);
        }
        return used;
    }
    const uint64_t pattern = 1 | 1ull << both | (merged ? 0 : 1ull << left), mask = 1ull << both | ((1ull << both) - 1);
    for (size_t i = 0; i < count; i++) {
        out[used] = places[i];
        used += (bpe_starts(words, places[i]) & mask) == pattern;
    }
    return used;
}

/* The next places that hold the pair (merged: that held it), up to a chunk. false: there are no more, and the chunk has what is left. */
static bool fill(const struct bpe_trainer *t, struct bpe_worker *worker, struct bpe_reader *reader, bool merged)
{
    const size_t room = chunk_of(t);
    uint64_t block[BLOCK];
    size_t count = 1;
    worker->used = 0;
    while (count > 0 && worker->used + BLOCK <= room) {
        count = bpe_reader_next(reader, t, block, BLOCK);
        worker->read += count;
        worker->used += select_places(t, merged, block, count, worker->position + worker->used);
    }
    return count > 0;
}

static void count_chunk(const struct bpe_trainer *t, struct bpe_worker *worker, struct bpe_cursor *cursor)
{
    uint64_t weight = 0;
    for (size_t i = 0; i < worker->used; i++)
        weight += worker->count[i] = bpe_count_at(&t->words, cursor, worker->position[i]);
    worker->weight += weight;
}

static void look_pass(struct bpe_trainer *t, struct bpe_worker *worker, struct bpe_reader *reader)
{
    struct bpe_cursor cursor = {0};
    bool more;
    worker->read = worker->held = worker->weight = 0;
    worker->complete = true;
    do {
        more = fill(t, worker, reader, false);
        count_chunk(t, worker, &cursor);
        if (worker->held == 0 && worker->used > 0)
            worker->first_held = worker->position[0];
        worker->held += worker->used;
        worker->complete = worker->complete && !more;
    } while (more);
}

/* Takes away the second token's start at the places of the chunk. Where the pair is of one token twice, a place may lie within the one before, and goes. */
static void clear_starts(struct bpe_trainer *t, struct bpe_worker *worker)
{
    const uint32_t left = t->job.left, right = t->job.right;
    struct bpe_marks *const marks = t->words.marks;
    size_t used = 0;
    for (size_t i = 0; !t->job.twice && i < worker->used; i++) {
        uint64_t second = worker->position[i] + left;
        marks[second >> 6].starts &= ~(1ull << (second & 63));
    }
    for (size_t i = 0; t->job.twice && i < worker->used; i++) {
        uint64_t position = worker->position[i], second = position + left;
        if (!bpe_holds(&t->words, position, left, right))
            continue;
        marks[second >> 6].starts &= ~(1ull << (second & 63));
        worker->position[used] = position;
        worker->count[used++] = worker->count[i];
    }
    if (t->job.twice)
        worker->used = used;
}

/* The neighbours at the places of the chunk, all of whose starts are gone; `sums`: they are summed, or else only recorded for writing. */
static void note_neighbours(struct bpe_trainer *t, struct bpe_worker *worker, bool sums)
{
    const struct bpe_words *words = &t->words;
    const uint32_t made = t->job.left + t->job.right;
    struct bpe_side *left = &worker->sides[BPE_LEFT], *right = &worker->sides[BPE_RIGHT];
    uint64_t previous_end = worker->previous_end;
    bool failed = false;
    for (size_t i = 0; i < worker->used; i++) {
        const uint64_t position = worker->position[i], after = position + made;
        uint32_t record = BPE_NONE;
        if (i + AHEAD < worker->used)
            __builtin_prefetch(words->text + worker->position[i + AHEAD]);
        if (position != previous_end && !bpe_is_piece(words, position)) {
            const uint32_t length = bpe_length_before(words, position);
            record = bpe_side_find(left, words->text, position - length, length, 0);
            if (record == BPE_NONE)
                failed = true;
            else if (sums)
                bpe_sum_add(&left->sums[record], position - length, worker->count[i]);
        }
        worker->record[BPE_LEFT][i] = record;
        record = BPE_NONE;
        if (!bpe_is_piece(words, after)) {
            record = bpe_side_find(right, words->text, after, bpe_length(words, after), made);
            if (record == BPE_NONE)
                failed = true;
            else if (sums)
                bpe_sum_add(&right->sums[record], position, worker->count[i]);
        }
        worker->record[BPE_RIGHT][i] = record;
        previous_end = after;
    }
    worker->previous_end = previous_end;
    if (failed)
        worker->status = Q_ERR_MEMORY;
}

/* A chunk that has all places needs no second reading. Else all starts must go before neighbours are looked at, as the last place of a chunk may be beside
 * the first of the next. */
static void merge_pass(struct bpe_trainer *t, struct bpe_worker *worker, struct bpe_reader *reader)
{
    worker->previous_end = UINT64_MAX;
    if (worker->complete) {
        clear_starts(t, worker);
        note_neighbours(t, worker, true);
        return;
    }
    struct bpe_reader again = *reader;
    bool more;
    do {
        more = fill(t, worker, reader, false);
        clear_starts(t, worker);
    } while (more);
    struct bpe_cursor cursor = {0};
    do {
        more = fill(t, worker, &again, true);
        count_chunk(t, worker, &cursor);
        note_neighbours(t, worker, true);
    } while (more);
}

static void write_chunk(struct bpe_worker *worker)
{
    for (size_t i = 0; i < worker->used; i++) {
        uint32_t left = worker->record[BPE_LEFT][i], right = worker->record[BPE_RIGHT][i];
        if (left != BPE_NONE) {
            struct bpe_sum *sum = &worker->sides[BPE_LEFT].sums[left];
            bpe_sum_write(sum, worker->position[i] - sum->length);
        }
        if (right != BPE_NONE)
            bpe_sum_write(&worker->sides[BPE_RIGHT].sums[right], worker->position[i]);
    }
}

static void write_pass(struct bpe_trainer *t, struct bpe_worker *worker, struct bpe_reader *reader)
{
    bool more = !worker->complete;
    worker->previous_end = UINT64_MAX;
    if (worker->complete)
        write_chunk(worker);
    while (more) {
        more = fill(t, worker, reader, true);
        note_neighbours(t, worker, false);
        write_chunk(worker);
    }
}

/* Writes the places that hold the pair over the list, from its beginning: what has been read is never less than what is written, since a difference that is
 * the sum of two takes no more bytes than both. */
static void compact_pass(struct bpe_trainer *t, struct bpe_worker *worker, struct bpe_reader *reader)
{
    uint64_t last = reader->table ? bpe_portion_base(&reader->table[reader->portion]) : 0;
    const uint8_t *from = reader->table ? reader->next : reader->at;
    uint8_t *start = (uint8_t *)(uintptr_t)from, *at = start; /* the arena's own bytes */
    bool more = !worker->complete;
    do {
        if (!worker->complete)
            more = fill(t, worker, reader, false);
        for (size_t i = 0; i < worker->used; i++) {
            at = bpe_place_put_exact(at, worker->position[i] - last);
            last = worker->position[i];
        }
    } while (more);
    worker->written = (uint64_t)(at - start);
}

q_status bpe_apply_look(struct bpe_trainer *t, const struct bpe_candidate *candidate, q_string bytes, uint64_t *count)
{
    struct bpe_job *job = &t->job;
    uint64_t handle = candidate->places;
    bool shared = handle == BPE_NO_LIST || (!(handle & BPE_ONE_PLACE) && bpe_places_is_indexed(&t->places, handle));
    *job = (struct bpe_job){.candidate = *candidate,
                            .left = t->length[candidate->pair >> 32],
                            .right = t->length[(uint32_t)candidate->pair],
                            .twice = candidate->pair >> 32 == (uint32_t)candidate->pair,
                            .bytes = bytes,
                            .portions = shared ? t->words.segment_count : 1};
    Q_TRY(run(t, look_pass));
    *count = 0;
    for (unsigned k = 0; k < job->portions; k++)
        *count += t->workers[k].weight;
    return Q_OK;
}

/* The sizes of a list that was written anew. */
static void shrink_list(struct bpe_trainer *t)
{
    uint64_t handle = t->job.candidate.places, first = t->workers[0].first_held;
    uint32_t bytes;
    bool indexed;
    uint8_t *list = bpe_places_get(&t->places, handle, &bytes, &indexed);
    if (!indexed) {
        if (t->workers[0].held == 1) {
            bpe_places_drop(&t->places, handle);
            t->job.candidate.places = BPE_ONE_PLACE | first;
        } else {
            bpe_places_shrink(&t->places, handle, (uint32_t)t->workers[0].written);
        }
        return;
    }
    struct bpe_portion *table = (struct bpe_portion *)(void *)list;
    uint8_t *from = list + t->job.portions * sizeof(*table), *to = from;
    for (unsigned k = 0; k < t->job.portions; k++) {
        table[k].bytes = (uint32_t)t->workers[k].written;
        memmove(to, from, table[k].bytes);
        from += table[k].room;
        to += table[k].room = table[k].bytes;
    }
    bpe_places_shrink(&t->places, handle, (uint32_t)(to - list));
}

q_status bpe_apply_put_back(struct bpe_trainer *t, uint64_t count)
{
    uint64_t read = 0, held = 0;
    for (unsigned k = 0; k < t->job.portions; k++) {
        read += t->workers[k].read;
        held += t->workers[k].held;
    }
    t->job.candidate.count = count;
    if (!bpe_is_kept(t, count, t->job.candidate.pair)) {
        bpe_places_drop(&t->places, t->job.candidate.places);
        return Q_OK;
    }
    if (!(t->job.candidate.places & BPE_ONE_PLACE) && held < read) {
        Q_TRY(run(t, compact_pass));
        shrink_list(t);
    }
    return bpe_queue_add(&t->queue, t->job.candidate);
}

struct new_pairs {
    int side;
    uint32_t made, made_length;
};

static bpe_pair new_pair(const struct bpe_trainer *t, const void *context, const struct bpe_sum *sum)
{
    const struct new_pairs *pairs = context;
    uint64_t token = sum->first + (pairs->side == BPE_RIGHT ? pairs->made_length : 0);
    uint32_t id = bpe_trainer_id(t, (q_string){(const char *)t->words.text + token, sum->length});
    q_check(id != BPE_NONE);
    return pairs->side == BPE_LEFT ? bpe_pair_of(id, pairs->made) : bpe_pair_of(pairs->made, id);
}

/* The sums of all portions, in their order, joined by neighbour. */
static q_status join(struct bpe_trainer *t, int side, uint32_t offset)
{
    struct bpe_side *totals = &t->totals[side];
    bpe_side_clear(totals);
    for (unsigned k = 0; k < t->job.portions; k++) {
        struct bpe_side *mine = &t->workers[k].sides[side];
        for (size_t i = 0; i < mine->count; i++) {
            struct bpe_sum *sum = &mine->sums[i];
            uint32_t total = bpe_side_find(totals, t->words.text, sum->first + offset, sum->length, offset);
            if (total == BPE_NONE)
                return q_fail(Q_ERR_MEMORY, "no memory for the neighbours of a pair");
            sum->total = total;
            bpe_sum_join(&totals->sums[total], sum);
        }
    }
    return Q_OK;
}

static void deal(struct bpe_trainer *t, int side)
{
    for (unsigned k = 0; k < t->job.portions; k++) {
        struct bpe_side *mine = &t->workers[k].sides[side];
        for (size_t i = 0; i < mine->count; i++)
            bpe_sum_deal(&t->totals[side].sums[mine->sums[i].total], &mine->sums[i], k);
    }
}

static q_status make_lists(struct bpe_trainer *t, uint32_t made, bool *any)
{
    const uint32_t length = t->job.left + t->job.right;
    const unsigned portions = t->job.portions;
    struct bpe_side *totals = portions == 1 ? t->workers[0].sides : t->totals;
    const struct new_pairs pairs[BPE_SIDES] = {{BPE_LEFT, made, length}, {BPE_RIGHT, made, length}};
    struct bpe_totals sets[BPE_SIDES];
    for (int side = 0; side < BPE_SIDES; side++) {
        if (portions > 1)
            Q_TRY(join(t, side, side == BPE_RIGHT ? length : 0));
        for (size_t i = 0; i < totals[side].count; i++)
            if (!bpe_may_grow(t, totals[side].sums[i].length, length))
                totals[side].sums[i].weight = 0;
        sets[side] = (struct bpe_totals){totals[side].sums, totals[side].count, new_pair, &pairs[side]};
    }
    Q_TRY(bpe_lists_room(t, sets, BPE_SIDES));
    for (int side = 0; side < BPE_SIDES; side++) {
        Q_TRY(bpe_lists_make(t, &sets[side], portions, any));
        if (portions > 1)
            deal(t, side);
    }
    return Q_OK;
}

q_status bpe_apply_merge(struct bpe_trainer *t, uint32_t made)
{
    bool any = false;
    Q_TRY(run(t, merge_pass));
    Q_TRY(make_lists(t, made, &any));
    if (any)
        Q_TRY(run(t, write_pass));
    bpe_places_drop(&t->places, t->job.candidate.places);
    for (unsigned k = 0; k < t->job.portions; k++)
        for (int side = 0; side < BPE_SIDES; side++)
            bpe_side_clear(&t->workers[k].sides[side]);
    return Q_OK;
}
