/* quern-tokenizer bench: how fast texts become ids, the first time they are seen and again. */
#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/threads.h"
#include "tokenizer/cmd_tokenizer.h"

#include <stdio.h>

const struct q_option bench_table[] = {
    {"tokenizer", 't', Q_OPTION_TEXT, offsetof(struct encode_options, tokenizer), "PATH",
     "a tokenizer.json, or a folder that holds one"},
    {"format", 0, Q_OPTION_TEXT, offsetof(struct encode_options, format), "FORMAT", "auto (by name), text or jsonl"},
    {"dropout", 0, Q_OPTION_DOUBLE, offsetof(struct encode_options, noise.dropout), "P",
     "as encode's: leave merges out with this probability"},
    {"boundary-split", 0, Q_OPTION_DOUBLE, offsetof(struct encode_options, noise.boundary_split), "SHARE",
     "as encode's: split this share of the tokens that join punctuation with line breaks"},
    {0},
};

enum { TILE_BYTES = 1 << 18 }; /* documents are handed to threads in tiles of about this much text */

struct bench_text {
    size_t offset, size;
};

struct bench {
    const struct tokenizer *tokenizer;
    const struct tokenizer_noise *noise; /* NULL: none */
    struct q_buffer bytes;
    struct bench_text *texts;
    size_t text_count, text_capacity;
    size_t *tiles; /* first text of each, and text_count at the end */
    size_t tile_count, tile_capacity;
    struct tokenizer_scratch **scratch; /* per worker */
    struct tokenizer_ids *ids;          /* per worker */
    uint64_t *tokens;                   /* per tile */
    q_status *statuses;                 /* per tile */
};

static q_status keep_text(void *context, const struct text_document *document)
{
    struct bench *bench = context;
    Q_TRY(q_grow(&bench->texts, &bench->text_capacity, bench->text_count + 1, sizeof(*bench->texts)));
    bench->texts[bench->text_count++] = (struct bench_text){bench->bytes.size, document->text.size};
    return q_buffer_append_string(&bench->bytes, document->text);
}

static q_status cut_tiles(struct bench *bench)
{
    size_t in_tile = TILE_BYTES;
    for (size_t i = 0; i <= bench->text_count; i++) {
        if (in_tile >= TILE_BYTES || i == bench->text_count) {
            Q_TRY(q_grow(&bench->tiles, &bench->tile_capacity, bench->tile_count + 1, sizeof(*bench->tiles)));
            bench->tiles[bench->tile_count++] = i;
            in_tile = 0;
        }
        in_tile += i < bench->text_count ? bench->texts[i].size : 0;
    }
    bench->tile_count--;
    Q_TRY(q_alloc_zero(bench->tile_count, sizeof(*bench->tokens), &bench->tokens));
    return q_alloc_zero(bench->tile_count, sizeof(*bench->statuses), &bench->statuses);
}

static q_status encode_text(const struct bench *bench, struct tokenizer_scratch *scratch, q_string text,
                            struct tokenizer_ids *ids)
{
    if (!bench->noise)
        return tokenizer_encode(bench->tokenizer, scratch, text, TOKENIZER_SPECIAL_AS_TEXT, ids);
    const struct text_document document = {.text = text};
    const struct tokenizer_noise noise = document_noise(bench->noise, &document);
    return tokenizer_encode_noisy(bench->tokenizer, scratch, text, TOKENIZER_SPECIAL_AS_TEXT, &noise, ids);
}

static void encode_tile(void *context, unsigned worker, size_t tile)
{
    struct bench *bench = context;
    struct tokenizer_ids *ids = &bench->ids[worker];
    q_status status = Q_OK;
    bench->tokens[tile] = 0;
    if (!bench->scratch[worker])
        status = tokenizer_scratch_create(bench->tokenizer, &bench->scratch[worker]);
    for (size_t i = bench->tiles[tile]; i < bench->tiles[tile + 1] && !status; i++) {
        q_string text = {bench->bytes.data + bench->texts[i].offset, bench->texts[i].size};
        ids->count = 0;
        status = encode_text(bench, bench->scratch[worker], text, ids);
        bench->tokens[tile] += ids->count;
    }
    bench->statuses[tile] = status;
}

static q_status encode_once(struct bench *bench, struct q_pool *pool, double *seconds, uint64_t *tokens)
{
    double start = q_seconds();
    q_pool_for(pool, bench->tile_count, encode_tile, bench);
    *seconds = q_seconds() - start;
    *tokens = 0;
    for (size_t i = 0; i < bench->tile_count; i++) {
        if (bench->statuses[i])
            return q_fail(bench->statuses[i], "encoding failed; out of memory?");
        *tokens += bench->tokens[i];
    }
    return Q_OK;
}

static q_status print_bench(const struct bench *bench, const double seconds[2], uint64_t tokens, unsigned threads)
{
    struct q_buffer text = {0};
    struct q_json json = q_json_begin(&text);
    double megabytes = (double)bench->bytes.size / 1e6;
    q_json_open(&json, NULL, '{');
    q_json_put_fixed(&json, "mb_per_s_first", megabytes / seconds[0], 2);
    q_json_put_fixed(&json, "mb_per_s_warm", megabytes / seconds[1], 2);
    q_json_put_u64(&json, "tokens", tokens);
    q_json_put_u64(&json, "threads", threads);
    q_json_put_u64(&json, "bytes", bench->bytes.size);
    q_json_put_u64(&json, "documents", bench->text_count);
    q_json_put_u64(&json, "peak_bytes", q_memory_peak_bytes());
    q_json_close(&json, '}');
    q_json_newline(&json);
    q_status status = q_json_end(&json);
    if (!status)
        fwrite(text.data, 1, text.size, stdout);
    q_buffer_release(&text);
    return status;
}

static q_status run_bench(struct bench *bench, unsigned threads)
{
    struct q_pool *pool;
    double seconds[2];
    uint64_t tokens;
    Q_TRY(cut_tiles(bench));
    Q_TRY(q_alloc_zero(threads, sizeof(struct tokenizer_scratch *), &bench->scratch));
    Q_TRY(q_alloc_zero(threads, sizeof(*bench->ids), &bench->ids));
    Q_TRY(q_pool_create(threads, &pool));
    q_status status = encode_once(bench, pool, &seconds[0], &tokens);
    if (!status)
        status = encode_once(bench, pool, &seconds[1], &tokens);
    q_pool_release(pool);
    return status ? status : print_bench(bench, seconds, tokens, threads);
}

static void bench_release(struct bench *bench, unsigned threads)
{
    for (unsigned i = 0; i < threads; i++) {
        if (bench->scratch)
            tokenizer_scratch_release(bench->scratch[i]);
        if (bench->ids)
            tokenizer_ids_release(&bench->ids[i]);
    }
    q_release(bench->scratch);
    q_release(bench->ids);
    q_release(bench->texts);
    q_release(bench->tiles);
    q_release(bench->tokens);
    q_release(bench->statuses);
    q_buffer_release(&bench->bytes);
}

q_status cmd_bench(void *given, const char *const *arguments, size_t count)
{
    const struct encode_options *options = given;
    unsigned threads = (unsigned)options->common.threads;
    struct tokenizer *tokenizer = NULL;
    struct text_source *source = NULL;
    struct bench bench = {0};
    q_status status;
    Q_TRY(tokenizer_noise_check(&options->noise));
    if (options->noise.dropout > 0 || options->noise.boundary_split > 0)
        bench.noise = &options->noise;
    Q_TRY_GOTO(done, load_tokenizer(options->tokenizer, &tokenizer));
    Q_TRY_GOTO(done, open_texts(arguments, count, options->format, &source));
    Q_TRY_GOTO(done, text_source_each(source, keep_text, &bench));
    bench.tokenizer = tokenizer;
    if (bench.bytes.size == 0)
        status = q_fail(Q_ERR_INPUT, "the files hold no text to encode");
    else
        status = run_bench(&bench, threads);
done:
    bench_release(&bench, threads);
    text_source_close(source);
    tokenizer_release(tokenizer);
    return status;
}
