/* The public face of the tokenizer: encoding and decoding. quern_tokenizer.h is the manual. */
#include "base/check.h"
#include "base/threads.h"
#include "tokenizer/library/quern_tokenizer_private.h"

enum {
    OPTIONS_FIRST_BYTES = offsetof(struct quern_tokenizer_options, position) + sizeof(uint64_t),
    TILE_BYTES = 1 << 18, /* texts of a batch are handed to threads in tiles of about this many bytes */
};

/* What one thread of a batch has of its own. */
struct batch_worker {
    struct tokenizer_scratch *scratch;
    struct q_error error; /* its failure in the earliest tile */
    size_t error_tile;
};

/* Neighbouring texts of a batch. */
struct batch_tile {
    size_t first, end; /* texts */
    struct tokenizer_ids ids;
};

struct quern_tokenizer_context {
    const struct quern_tokenizer *tokenizer;
    unsigned threads;
    struct q_pool *pool;          /* NULL: not needed yet */
    struct batch_worker *workers; /* [threads]; the first one's scratch also encodes single texts */
    struct tokenizer_ids ids;
    struct tokenizer_spans spans; /* of the ids, where they were asked for */
    struct q_buffer text;
    size_t *firsts;
    size_t first_capacity;
    struct batch_tile *tiles; /* [tile_capacity], zeroed or with room for ids from earlier batches */
    size_t tile_capacity;
};

enum quern_tokenizer_status quern_tokenizer_context_create(const struct quern_tokenizer *tokenizer, unsigned threads,
                                                           struct quern_tokenizer_context **out)
{
    struct quern_tokenizer_context *context;
    if (!tokenizer || !out)
        return FACE(q_fail(Q_ERR_USAGE, "the tokenizer or the place for the context is NULL"));
    if (threads < 1 || threads > QUERN_TOKENIZER_THREADS_MAX)
        return FACE(
            q_fail(Q_ERR_USAGE, "%u threads were asked for; it is 1 to %d", threads, QUERN_TOKENIZER_THREADS_MAX));
    q_status status = q_alloc_zero(1, sizeof(*context), &context);
    if (status)
        return FACE(status);
    context->tokenizer = tokenizer;
    context->threads = threads;
    status = q_alloc_zero(threads, sizeof(*context->workers), &context->workers);
    if (!status)
        status = tokenizer_scratch_create(tokenizer->core, &context->workers[0].scratch);
    if (status)
        quern_tokenizer_context_release(context);
    else
        *out = context;
    return FACE(status);
}

void quern_tokenizer_context_release(struct quern_tokenizer_context *context)
{
    if (!context)
        return;
    if (context->pool)
        q_pool_release(context->pool);
    for (unsigned i = 0; context->workers && i < context->threads; i++)
        tokenizer_scratch_release(context->workers[i].scratch);
    for (size_t i = 0; i < context->tile_capacity; i++)
        tokenizer_ids_release(&context->tiles[i].ids);
    q_release(context->workers);
    q_release(context->tiles);
    q_release(context->firsts);
    tokenizer_ids_release(&context->ids);
    tokenizer_spans_release(&context->spans);
    q_buffer_release(&context->text);
    q_release(context);
}

/* The caller's options as this version knows them. */
static q_status read_options(const struct quern_tokenizer_options *given, struct quern_tokenizer_options *out)
{
    *out = (struct quern_tokenizer_options){.size = sizeof(*out)};
    if (!given)
        return Q_OK;
    Q_TRY(quern_tokenizer_read_struct(given, "struct quern_tokenizer_options", OPTIONS_FIRST_BYTES, sizeof(*out), out));
    if (!out->document && out->document_size)
        return q_fail(Q_ERR_USAGE, "options.document is NULL, and options.document_size is not 0");
    const struct tokenizer_noise noise = {.dropout = out->dropout, .boundary_split = out->boundary_split};
    return tokenizer_noise_check(&noise);
}

/* Appends the ids of a text. */
static q_status encode_one(const struct quern_tokenizer_context *context, struct tokenizer_scratch *scratch,
                           q_string text, const struct quern_tokenizer_options *options, struct tokenizer_ids *ids)
{
    const struct tokenizer *core = context->tokenizer->core;
    const enum tokenizer_special_mode mode =
        options->parse_special ? TOKENIZER_SPECIAL_PARSE : TOKENIZER_SPECIAL_AS_TEXT;
    if (options->dropout == 0 && options->boundary_split == 0)
        return tokenizer_encode(core, scratch, text, mode, ids);
    const struct tokenizer_noise noise = {
        .dropout = options->dropout,
        .boundary_split = options->boundary_split,
        .seed = options->seed,
        .document = options->document ? q_hash_bytes(options->document, options->document_size) : q_hash_string(text),
        .position = options->position,
    };
    return tokenizer_encode_noisy(core, scratch, text, mode, &noise, ids);
}

enum quern_tokenizer_status quern_tokenizer_encode(struct quern_tokenizer_context *context, const char *text,
                                                   size_t size, const struct quern_tokenizer_options *options,
                                                   struct quern_tokenizer_ids *out)
{
    struct quern_tokenizer_options checked;
    if (!context || (!text && size) || !out)
        return FACE(q_fail(Q_ERR_USAGE, "the context, the text or the place for the ids is NULL"));
    q_status status = read_options(options, &checked);
    if (status)
        return FACE(status);
    context->ids.count = 0;
    status = encode_one(context, context->workers[0].scratch, (q_string){text, size}, &checked, &context->ids);
    if (!status)
        *out = (struct quern_tokenizer_ids){context->ids.ids, context->ids.count};
    return FACE(status);
}

/* Spans go out as they are. */
_Static_assert(sizeof(struct quern_tokenizer_span) == sizeof(struct tokenizer_span) &&
                   offsetof(struct quern_tokenizer_span, end) == offsetof(struct tokenizer_span, end),
               "the same span inside and outside");

enum quern_tokenizer_status quern_tokenizer_encode_spans(struct quern_tokenizer_context *context, const char *text,
                                                         size_t size, const struct quern_tokenizer_options *options,
                                                         struct quern_tokenizer_ids *out,
                                                         const struct quern_tokenizer_span **spans)
{
    struct quern_tokenizer_options checked;
    if (!context || (!text && size) || !out || !spans)
        return FACE(q_fail(Q_ERR_USAGE, "the context, the text or the place for the ids or the spans is NULL"));
    q_status status = read_options(options, &checked);
    if (!status && (checked.dropout > 0 || checked.boundary_split > 0))
        status = q_fail(Q_ERR_USAGE, "with dropout or boundary_split there are no spans");
    if (status)
        return FACE(status);
    context->ids.count = context->spans.count = 0;
    status = tokenizer_encode_spans(context->tokenizer->core, context->workers[0].scratch, (q_string){text, size},
                                    checked.parse_special ? TOKENIZER_SPECIAL_PARSE : TOKENIZER_SPECIAL_AS_TEXT,
                                    &context->ids, &context->spans);
    if (!status) {
        *out = (struct quern_tokenizer_ids){context->ids.ids, context->ids.count};
        *spans = (const struct quern_tokenizer_span *)context->spans.items;
    }
    return FACE(status);
}

/* A batch on its way through the pool. */
struct batch {
    struct quern_tokenizer_context *context;
    const char *const *texts;
    const size_t *sizes;
    const struct quern_tokenizer_options *options;
    size_t tiles;
};

/* Cuts the texts into tiles of about TILE_BYTES. */
static q_status cut_batch(struct batch *batch, size_t count)
{
    struct quern_tokenizer_context *context = batch->context;
    size_t bytes = TILE_BYTES;
    for (size_t i = 0; i < count; i++) {
        if (bytes >= TILE_BYTES) {
            const size_t before = context->tile_capacity;
            Q_TRY(q_grow(&context->tiles, &context->tile_capacity, batch->tiles + 1, sizeof(*context->tiles)));
            for (size_t tile = before; tile < context->tile_capacity; tile++)
                context->tiles[tile] = (struct batch_tile){0};
            context->tiles[batch->tiles++].first = i;
            bytes = 0;
        }
        context->tiles[batch->tiles - 1].end = i + 1;
        bytes = batch->sizes[i] > TILE_BYTES ? TILE_BYTES : bytes + batch->sizes[i];
    }
    return Q_OK;
}

/* The ids of a tile's texts; how many each has goes to firsts[text + 1] for now. */
static q_status encode_texts(const struct batch *batch, struct batch_worker *worker, struct batch_tile *tile)
{
    struct quern_tokenizer_context *context = batch->context;
    if (!worker->scratch)
        Q_TRY(tokenizer_scratch_create(context->tokenizer->core, &worker->scratch));
    tile->ids.count = 0;
    for (size_t i = tile->first; i < tile->end; i++) {
        const q_string text = {batch->texts[i], batch->sizes[i]};
        const size_t before = tile->ids.count;
        Q_TRY(encode_one(context, worker->scratch, text, batch->options, &tile->ids));
        context->firsts[i + 1] = tile->ids.count - before;
    }
    return Q_OK;
}

static void encode_tile(void *given, unsigned index, size_t tile)
{
    const struct batch *batch = given;
    struct batch_worker *worker = &batch->context->workers[index];
    if (worker->error.status && worker->error_tile < tile)
        return;
    const q_status status = encode_texts(batch, worker, &batch->context->tiles[tile]);
    if (status) {
        q_error_take(&worker->error, status);
        worker->error_tile = tile;
    }
}

/* Runs the tiles; the failure of the earliest one wins. */
static q_status encode_tiles(struct batch *batch)
{
    struct quern_tokenizer_context *context = batch->context;
    const struct batch_worker *failed = NULL;
    if (!context->pool)
        Q_TRY(q_pool_create(context->threads, &context->pool));
    for (unsigned i = 0; i < context->threads; i++)
        context->workers[i].error.status = Q_OK;
    q_pool_for(context->pool, batch->tiles, encode_tile, batch);
    for (unsigned i = 0; i < context->threads; i++) {
        const struct batch_worker *worker = &context->workers[i];
        if (worker->error.status && (!failed || worker->error_tile < failed->error_tile))
            failed = worker;
    }
    return failed ? q_error_put(&failed->error) : Q_OK;
}

/* Puts the tiles' ids end to end. */
static q_status gather(struct batch *batch, size_t count)
{
    struct quern_tokenizer_context *context = batch->context;
    for (size_t i = 0; i < count; i++)
        context->firsts[i + 1] += context->firsts[i];
    struct tokenizer_ids *ids = &context->ids;
    Q_TRY(q_grow(&ids->ids, &ids->capacity, context->firsts[count], sizeof(*ids->ids)));
    for (size_t i = 0; i < batch->tiles; i++) {
        const struct batch_tile *tile = &context->tiles[i];
        if (tile->ids.count)
            memcpy(ids->ids + context->firsts[tile->first], tile->ids.ids, tile->ids.count * sizeof(*ids->ids));
    }
    ids->count = context->firsts[count];
    return Q_OK;
}

static q_status encode_batch(struct batch *batch, size_t count)
{
    struct quern_tokenizer_context *context = batch->context;
    size_t firsts;
    if (batch->options->document)
        return q_fail(Q_ERR_USAGE, "options.document names one document, and a batch has many; leave it NULL");
    for (size_t i = 0; i < count; i++)
        if (!batch->texts[i] && batch->sizes[i])
            return q_fail(Q_ERR_USAGE, "text %zu of the batch is NULL, and its size is not 0", i);
    if (!q_add_size(count, 1, &firsts))
        return q_fail(Q_ERR_MEMORY, "%zu texts are too many", count);
    Q_TRY(q_grow(&context->firsts, &context->first_capacity, firsts, sizeof(*context->firsts)));
    context->firsts[0] = 0;
    Q_TRY(cut_batch(batch, count));
    if (batch->tiles)
        Q_TRY(encode_tiles(batch));
    return gather(batch, count);
}

enum quern_tokenizer_status quern_tokenizer_encode_batch(struct quern_tokenizer_context *context,
                                                         const char *const *texts, const size_t *sizes, size_t count,
                                                         const struct quern_tokenizer_options *options,
                                                         struct quern_tokenizer_batch *out)
{
    struct quern_tokenizer_options checked;
    if (!context || ((!texts || !sizes) && count) || !out)
        return FACE(q_fail(Q_ERR_USAGE, "the context, the texts, their sizes or the place for the ids is NULL"));
    q_status status = read_options(options, &checked);
    struct batch batch = {context, texts, sizes, &checked, 0};
    if (!status)
        status = encode_batch(&batch, count);
    if (!status)
        *out = (struct quern_tokenizer_batch){context->ids.ids, context->firsts};
    return FACE(status);
}

/* Without special tokens: runs of other ids. */
static q_status decode_ordinary(const struct tokenizer *core, const uint32_t *ids, size_t count, struct q_buffer *text)
{
    for (size_t at = 0, end; at < count; at = end + 1) {
        for (end = at; end < count && !tokenizer_is_special(core, ids[end]);)
            end++;
        Q_TRY(tokenizer_decode(core, ids + at, end - at, text));
    }
    return Q_OK;
}

enum quern_tokenizer_status quern_tokenizer_decode(struct quern_tokenizer_context *context, const uint32_t *ids,
                                                   size_t count, int skip_special, struct quern_tokenizer_text *out)
{
    if (!context || (!ids && count) || !out)
        return FACE(q_fail(Q_ERR_USAGE, "the context, the ids or the place for the text is NULL"));
    const struct tokenizer *core = context->tokenizer->core;
    q_buffer_clear(&context->text);
    q_status status = skip_special ? decode_ordinary(core, ids, count, &context->text)
                                   : tokenizer_decode(core, ids, count, &context->text);
    if (!status)
        status = q_buffer_terminate(&context->text);
    if (!status)
        *out = (struct quern_tokenizer_text){context->text.data, context->text.size};
    return FACE(status);
}
