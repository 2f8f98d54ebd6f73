#include "shards/shards_encode.h"

#include "base/check.h"
#include "shards/shards_fim.h"

void encoded_batch_release(struct encoded_batch *batch)
{
    q_buffer_release(&batch->lines);
    q_arena_release(&batch->arena);
    q_release(batch->documents);
    tokenizer_ids_release(&batch->ids);
    *batch = (struct encoded_batch){0};
}

q_status encode_worker_init(struct encode_worker *worker, const struct tokenizer *tokenizer)
{
    Q_TRY(q_jsonl_create(&worker->parser));
    return tokenizer_scratch_create(tokenizer, &worker->scratch);
}

void encode_worker_release(struct encode_worker *worker)
{
    q_jsonl_release(worker->parser);
    tokenizer_scratch_release(worker->scratch);
    *worker = (struct encode_worker){0};
}

static q_status append_id(struct tokenizer_ids *ids, uint32_t id)
{
    Q_TRY(q_grow(&ids->ids, &ids->capacity, ids->count + 1, sizeof *ids->ids));
    ids->ids[ids->count++] = id;
    return Q_OK;
}

static q_status append_special(const struct shards_encoding *encoding, enum tokenizer_special special,
                               struct tokenizer_ids *ids)
{
    return append_id(ids, tokenizer_special_id(encoding->tokenizer, special));
}

/* A document's text and what is done to it. */
struct document_text {
    q_string text;
    const struct tokenizer_noise *noise; /* NULL: none */
};

/* The ids of text[from, to). */
static q_status append_text(const struct shards_encoding *encoding, struct encode_worker *worker,
                            const struct document_text *document, size_t from, size_t to, struct tokenizer_ids *ids)
{
    const q_string part = q_string_slice(document->text, from, to);
    if (!document->noise)
        return tokenizer_encode(encoding->tokenizer, worker->scratch, part, TOKENIZER_SPECIAL_AS_TEXT, ids);
    struct tokenizer_noise noise = *document->noise;
    noise.position = from;
    return tokenizer_encode_noisy(encoding->tokenizer, worker->scratch, part, TOKENIZER_SPECIAL_AS_TEXT, &noise, ids);
}

/* fim_begin PREFIX fim_hole SUFFIX fim_end MIDDLE */
static q_status append_fim(const struct shards_encoding *encoding, struct encode_worker *worker,
                           const struct document_text *document, struct fim_cuts cuts, struct tokenizer_ids *ids)
{
    Q_TRY(append_special(encoding, TOKENIZER_FIM_BEGIN, ids));
    Q_TRY(append_text(encoding, worker, document, 0, cuts.first, ids));
    Q_TRY(append_special(encoding, TOKENIZER_FIM_HOLE, ids));
    Q_TRY(append_text(encoding, worker, document, cuts.second, document->text.size, ids));
    Q_TRY(append_special(encoding, TOKENIZER_FIM_END, ids));
    return append_text(encoding, worker, document, cuts.first, cuts.second, ids);
}

/* begin ids... end */
static q_status encode_document(const struct shards_encoding *encoding, struct encode_worker *worker, q_string text,
                                struct encoded_document *out, struct tokenizer_ids *ids)
{
    const struct shards_settings *settings = encoding->settings;
    const size_t before = ids->count;
    const bool train = out->split == SHARDS_TRAIN; /* held-out documents measure bits per byte: they stay as they are */
    const struct tokenizer_noise noise = {.dropout = settings->bpe_dropout,
                                          .boundary_split = settings->boundary_split,
                                          .seed = encoding->seed,
                                          .document = out->key};
    const bool noisy = train && (noise.dropout > 0 || noise.boundary_split > 0);
    const struct document_text document = {text, noisy ? &noise : NULL};
    struct fim_cuts cuts;
    out->fim = train && fim_draw(encoding->seed, settings->fim_rate, out->key, text, &cuts);
    Q_TRY(append_special(encoding, TOKENIZER_BEGIN, ids));
    if (out->fim)
        Q_TRY(append_fim(encoding, worker, &document, cuts, ids));
    else
        Q_TRY(append_text(encoding, worker, &document, 0, text.size, ids));
    Q_TRY(append_special(encoding, TOKENIZER_END, ids));
    out->tokens = ids->count - before;
    return Q_OK;
}

static q_status encode_line(const struct shards_encoding *encoding, struct encode_worker *worker, q_string line,
                            struct encoded_batch *batch)
{
    struct q_document document;
    Q_TRY(q_document_parse(worker->parser, line, &document));
    if (document.source.size > SHARD_NAME_MAX || document.lang.size > SHARD_NAME_MAX)
        return q_fail(Q_ERR_INPUT, "the name of the document's source or language is longer than %d bytes",
                      SHARD_NAME_MAX);
    Q_TRY(q_grow(&batch->documents, &batch->capacity, batch->count + 1, sizeof *batch->documents));
    struct encoded_document *out = &batch->documents[batch->count];
    *out = (struct encoded_document){.key = q_document_key(document.id), .text_bytes = document.text.size};
    Q_TRY(q_arena_string(&batch->arena, document.id, &out->id));
    Q_TRY(q_arena_string(&batch->arena, document.source, &out->source));
    Q_TRY(q_arena_string(&batch->arena, document.lang.size ? document.lang : Q_STRING("und"), &out->language));
    out->split =
        q_document_held_out(document.id, encoding->held_out_seed, encoding->held_out) ? SHARDS_HELDOUT : SHARDS_TRAIN;
    if (document.text.size > 0)
        Q_TRY(encode_document(encoding, worker, document.text, out, &batch->ids));
    batch->count++;
    return Q_OK;
}

q_status encode_batch(const struct shards_encoding *encoding, struct encode_worker *worker, struct encoded_batch *batch)
{
    q_string rest = q_buffer_string(&batch->lines), line;
    q_arena_clear(&batch->arena);
    batch->count = batch->ids.count = 0;
    for (uint64_t number = batch->first_line; q_string_next_line(&rest, &line); number++) {
        const q_status status = encode_line(encoding, worker, line, batch);
        if (status)
            return q_context(status, "'%s', line %llu", batch->file, (unsigned long long)number);
    }
    return Q_OK;
}
