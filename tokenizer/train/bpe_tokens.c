#include "tokenizer/train/bpe_tokens.h"

#include "base/check.h"
#include "tokenizer/pretokenize/piece_hash.h"
#include "tokenizer/vocabulary/byte_alphabet.h"

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
static q_status token_of(struct bpe_trainer *t, q_string bytes, uint32_t *id)
{
    uint32_t *entry = entry_of(t, bytes);
    if (*entry == 0) {
        q_check(t->out->size < t->options->vocab_size);
        *id = t->out->size;
        Q_TRY(q_arena_string(&t->out->arena, bytes, &t->out->tokens[*id]));
        t->length[*id] = (uint32_t)bytes.size;
        *entry = ++t->out->size;
    }
    *id = *entry - 1;
    return Q_OK;
}

/* What is kept of the vocabulary that is extended: everything. Tokens that BPE can give are found by their bytes, so a merge that would make one of them again
 * gives its id. */
static q_status copy_base(struct bpe_trainer *t)
{
    const struct vocabulary *base = t->options->base;
    struct vocabulary *out = t->out;
    out->normalization = base->normalization;
    out->prefix_space = base->prefix_space;
    out->ignore_merges = base->ignore_merges;
    memcpy(out->byte_id, base->byte_id, sizeof(out->byte_id));
    for (; out->size < base->size; out->size++) {
        q_string token = base->tokens[out->size];
        if (!token.data)
            continue;
        Q_TRY(q_arena_string(&out->arena, token, &out->tokens[out->size]));
        t->length[out->size] = (uint32_t)token.size;
        if ((base->kinds[out->size] & VOCABULARY_BYTES) && *entry_of(t, token) == 0)
            *entry_of(t, token) = out->size + 1;
    }
    for (size_t i = 0; i < base->added_count; i++) {
        struct vocabulary_added *added = &out->added[out->added_count++];
        *added = base->added[i];
        added->text = out->tokens[added->id];
        Q_TRY(q_arena_string(&out->arena, base->added[i].match, &added->match));
    }
    Q_TRY(q_grow(&out->merges, &t->merge_capacity, base->merge_count, sizeof(*out->merges)));
    if (base->merge_count)
        memcpy(out->merges, base->merges, base->merge_count * sizeof(*out->merges));
    Q_TRY(q_grow(&out->merge_counts, &t->merge_counts_capacity, base->merge_count, sizeof(*out->merge_counts)));
    for (size_t i = 0; i < base->merge_count; i++)
        out->merge_counts[i] = 0;
    out->merge_count = base->merge_count;
    return Q_OK;
}

static bool is_added(const struct vocabulary *vocabulary, q_string text)
{
    for (size_t i = 0; i < vocabulary->added_count; i++)
        if (q_string_equal(vocabulary->added[i].text, text))
            return true;
    return false;
}

/* Special tokens come first. One of visible ASCII alone is also the token of its bytes, as ByteLevel's characters for these are the same. */
static q_status add_special(struct bpe_trainer *t)
{
    struct vocabulary *out = t->out;
    for (size_t i = 0; i < t->options->special_count; i++) {
        q_string text = q_string_of(t->options->special[i]);
        bool visible = true;
        uint32_t id = out->size;
        if (t->options->base && is_added(out, text))
            continue;
        for (size_t k = 0; k < text.size; k++)
            visible = visible && text.data[k] > ' ' && text.data[k] <= '~';
        if (visible) {
            Q_TRY(token_of(t, text, &id));
        } else {
            q_check(out->size < t->options->vocab_size);
            Q_TRY(q_arena_string(&out->arena, text, &out->tokens[id]));
            out->size++;
        }
        out->added[out->added_count++] =
            (struct vocabulary_added){.text = out->tokens[id], .match = out->tokens[id], .id = id, .special = true};
    }
    return Q_OK;
}

static q_status add_bytes(struct bpe_trainer *t)
{
    for (unsigned rank = 0; rank < 256; rank++) {
        char byte = (char)byte_alphabet_at(rank);
        Q_TRY(token_of(t, (q_string){&byte, 1}, &t->out->byte_id[(uint8_t)byte]));
    }
    return Q_OK;
}

q_status bpe_tokens_init(struct bpe_trainer *t)
{
    const struct vocabulary *base = t->options->base;
    size_t size = (size_t)t->options->vocab_size;
    t->by_bytes_capacity = 1024;
    while (t->by_bytes_capacity < 2 * size)
        t->by_bytes_capacity *= 2;
    Q_TRY(q_alloc_zero(size, sizeof(*t->length), &t->length));
    Q_TRY(q_alloc_zero(t->by_bytes_capacity, sizeof(*t->by_bytes), &t->by_bytes));
    Q_TRY(q_arena_alloc(&t->out->arena, size, sizeof(*t->out->tokens), &t->out->tokens));
    size_t added = t->options->special_count + (base ? base->added_count : 0);
    Q_TRY(q_arena_alloc(&t->out->arena, added, sizeof(*t->out->added), &t->out->added));
    if (base)
        Q_TRY(copy_base(t));
    Q_TRY(add_special(t));
    return base ? Q_OK : add_bytes(t);
}

bool bpe_tokens_have(const struct bpe_trainer *t, uint32_t left, uint32_t right)
{
    const struct vocabulary *out = t->out;
    return left < out->size && right < out->size && t->length[left] > 0 && t->length[right] > 0 &&
           out->size < t->options->vocab_size && t->length[left] + t->length[right] <= VOCABULARY_TOKEN_BYTES_MAX;
}

q_status bpe_tokens_merge(struct bpe_trainer *t, bpe_pair pair, uint64_t count, uint32_t *made)
{
    struct vocabulary *out = t->out;
    q_string left = out->tokens[pair >> 32], right = out->tokens[(uint32_t)pair];
    size_t at = out->merge_count;
    q_buffer_clear(&t->scratch);
    Q_TRY(q_buffer_append_string(&t->scratch, left));
    Q_TRY(q_buffer_append_string(&t->scratch, right));
    Q_TRY(token_of(t, q_buffer_string(&t->scratch), made));
    Q_TRY(q_grow(&out->merges, &t->merge_capacity, at + 1, sizeof(*out->merges)));
    Q_TRY(q_grow(&out->merge_counts, &t->merge_counts_capacity, at + 1, sizeof(*out->merge_counts)));
    out->merges[at] = (struct vocabulary_merge){(uint32_t)(pair >> 32), (uint32_t)pair, *made};
    out->merge_counts[at] = count;
    out->merge_count++;
    return Q_OK;
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

q_status bpe_tokens_settle(struct bpe_trainer *t)
{
    struct vocabulary *out = t->out;
    q_status merges =
        settle_array(&out->arena, out->merge_count, sizeof(*out->merges), out->merges, (void *)&out->merges);
    q_status counts = settle_array(&out->arena, out->merge_count, sizeof(*out->merge_counts), out->merge_counts,
                                   (void *)&out->merge_counts);
    out->counted_bytes = t->words.weight;
    if (t->options->base)
        out->merge_counts = NULL; /* those of the old merges are not known */
    if (merges)
        out->merge_count = 0;
    return merges ? merges : counts;
}

/* Old ids keep what they were; the texts that added tokens are looked for by keep their normal form. */
q_status bpe_tokens_complete(struct bpe_trainer *t)
{
    const struct vocabulary *base = t->options->base;
    struct vocabulary *out = t->out;
    Q_TRY(vocabulary_complete(out));
    if (!base)
        return Q_OK;
    memcpy(out->kinds, base->kinds, base->size);
    for (size_t i = 0; i < base->added_count; i++)
        Q_TRY(q_arena_string(&out->arena, base->added[i].match, &out->added[i].match));
    return Q_OK;
}
