/* quern-tokenizer encode and decode. */
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/threads.h"
#include "tokenizer/cmd_tokenizer.h"

#include <stdio.h>

#define AT(member) offsetof(struct encode_options, member)

const struct q_option encode_table[] = {
    {"tokenizer", 't', Q_OPTION_TEXT, AT(tokenizer), "PATH", "a tokenizer.json, or a folder that holds one"},
    {"format", 0, Q_OPTION_TEXT, AT(format), "FORMAT", "auto (by name), text or jsonl"},
    {"special", 0, Q_OPTION_TEXT, AT(special), "MODE",
     "what a special token's text is: text (standard), or parse: the token"},
    {"binary", 0, Q_OPTION_FLAG, AT(binary), NULL, "ids as u32, little-endian, documents end to end"},
    {"dropout", 0, Q_OPTION_DOUBLE, AT(noise.dropout), "P", "leave merges out with this probability (BPE dropout)"},
    {"boundary-split", 0, Q_OPTION_DOUBLE, AT(noise.boundary_split), "SHARE",
     "split this share of the tokens that join punctuation with line breaks"},
    {"seed", 0, Q_OPTION_U64, AT(noise.seed), "N", "of --dropout and --boundary-split (standard 0)"},
    {0},
};

struct tokenizer_noise document_noise(const struct tokenizer_noise *noise, const struct text_document *document)
{
    struct tokenizer_noise own = *noise;
    own.document = q_hash_string(document->id.size ? document->id : document->text);
    return own;
}

const struct q_option decode_table[] = {
    {"tokenizer", 't', Q_OPTION_TEXT, AT(tokenizer), "PATH", "a tokenizer.json, or a folder that holds one"},
    {"format", 0, Q_OPTION_TEXT, AT(format), "FORMAT", "text (standard), or jsonl: an object per line of ids"},
    {"binary", 0, Q_OPTION_FLAG, AT(binary), NULL, "the ids are u32, little-endian"},
    {0},
};

/* A batch of documents on its way through: texts in, lines of ids out. */
struct encode_job {
    struct text_batch batch;
    struct q_buffer out;
};

struct encode_worker {
    struct tokenizer_scratch *scratch;
    struct q_jsonl_parser *parser;
    struct tokenizer_ids ids;
};

struct encoding {
    const struct tokenizer *tokenizer;
    struct text_source *source;
    struct encode_worker *workers;
    enum tokenizer_special_mode mode;
    const struct tokenizer_noise *noise; /* NULL: none */
    bool binary;
};

static q_status encode_next(void *context, void **slot, bool *more)
{
    struct encoding *encoding = context;
    struct encode_job *job = *slot;
    if (q_stop_requested())
        return q_fail(Q_STOPPED, "stopped while encoding");
    if (!job) {
        Q_TRY(q_alloc_zero(1, sizeof(*job), &job));
        *slot = job;
    }
    return text_source_next(encoding->source, &job->batch, more);
}

static void put_decimal(struct q_buffer *out, uint32_t id)
{
    char digits[10];
    size_t count = 0;
    do
        digits[count++] = (char)('0' + id % 10);
    while (id /= 10);
    while (count > 0)
        out->data[out->size++] = digits[--count];
}

static q_status put_ids(const struct tokenizer_ids *ids, bool binary, struct q_buffer *out)
{
    enum { BYTES_PER_ID = 11 };
    size_t room;
    if (!q_mul_size(ids->count, BYTES_PER_ID, &room))
        return q_fail(Q_ERR_MEMORY, "too many ids for a line");
    Q_TRY(q_buffer_reserve(out, room + 1));
    for (size_t i = 0; i < ids->count; i++) {
        if (binary) {
            q_store_u32(out->data + out->size, ids->ids[i]);
            out->size += sizeof(uint32_t);
            continue;
        }
        if (i)
            out->data[out->size++] = ' ';
        put_decimal(out, ids->ids[i]);
    }
    if (!binary)
        out->data[out->size++] = '\n';
    return Q_OK;
}

struct encode_one {
    struct encoding *encoding;
    struct encode_worker *worker;
    struct q_buffer *out;
};

static q_status encode_document(void *context, const struct text_document *document)
{
    struct encode_one *one = context;
    struct tokenizer_ids *ids = &one->worker->ids;
    ids->count = 0;
    const struct encoding *encoding = one->encoding;
    if (encoding->noise) {
        const struct tokenizer_noise noise = document_noise(encoding->noise, document);
        Q_TRY(tokenizer_encode_noisy(encoding->tokenizer, one->worker->scratch, document->text, encoding->mode, &noise,
                                     ids));
    } else {
        Q_TRY(tokenizer_encode(encoding->tokenizer, one->worker->scratch, document->text, encoding->mode, ids));
    }
    return put_ids(ids, encoding->binary, one->out);
}

static q_status encode_work(void *context, unsigned index, void *slot)
{
    struct encoding *encoding = context;
    struct encode_worker *worker = &encoding->workers[index];
    struct encode_job *job = slot;
    if (!worker->scratch)
        Q_TRY(tokenizer_scratch_create(encoding->tokenizer, &worker->scratch));
    if (!worker->parser)
        Q_TRY(q_jsonl_create(&worker->parser));
    struct encode_one one = {encoding, worker, &job->out};
    q_buffer_clear(&job->out);
    return text_batch_each(&job->batch, worker->parser, encode_document, &one);
}

static q_status encode_merge(void *context, void *slot)
{
    struct encode_job *job = slot;
    (void)context;
    fwrite(job->out.data, 1, job->out.size, stdout); /* failures are found when the program ends */
    return Q_OK;
}

static void encode_release(void *context, void *slot)
{
    struct encode_job *job = slot;
    (void)context;
    text_batch_release(&job->batch);
    q_buffer_release(&job->out);
    q_release(job);
}

static q_status encode_all(struct encoding *encoding, unsigned threads)
{
    struct q_stream stream = {encoding, encode_next, encode_work, encode_merge, encode_release};
    struct q_pool *pool;
    Q_TRY(q_alloc_zero(threads, sizeof(*encoding->workers), &encoding->workers));
    q_status status = q_pool_create(threads, &pool);
    if (!status) {
        status = q_pool_stream(pool, 2 * (size_t)threads, &stream);
        q_pool_release(pool);
    }
    for (unsigned i = 0; i < threads; i++) {
        tokenizer_scratch_release(encoding->workers[i].scratch);
        q_jsonl_release(encoding->workers[i].parser);
        tokenizer_ids_release(&encoding->workers[i].ids);
    }
    q_release(encoding->workers);
    return status;
}

q_status cmd_encode(void *given, const char *const *arguments, size_t count)
{
    const struct encode_options *options = given;
    struct encoding encoding = {.binary = options->binary};
    struct tokenizer *tokenizer = NULL;
    q_status status;
    Q_TRY(parse_special(options->special, &encoding.mode));
    Q_TRY(tokenizer_noise_check(&options->noise));
    if (options->noise.dropout > 0 || options->noise.boundary_split > 0)
        encoding.noise = &options->noise;
    Q_TRY_GOTO(done, load_tokenizer(options->tokenizer, &tokenizer));
    Q_TRY_GOTO(done, open_texts(arguments, count, options->format, &encoding.source));
    encoding.tokenizer = tokenizer;
    status = encode_all(&encoding, (unsigned)options->common.threads);
done:
    text_source_close(encoding.source);
    tokenizer_release(tokenizer);
    return status;
}

/* The ids of one line, or of the whole file where they are binary. */
static q_status parse_ids(q_string text, bool binary, struct tokenizer_ids *ids)
{
    ids->count = 0;
    if (binary) {
        if (text.size % sizeof(uint32_t))
            return q_fail(Q_ERR_INPUT, "%zu bytes are no whole number of u32", text.size);
        Q_TRY(q_grow(&ids->ids, &ids->capacity, text.size / sizeof(uint32_t), sizeof(*ids->ids)));
        for (; ids->count < text.size / sizeof(uint32_t); ids->count++)
            ids->ids[ids->count] = q_load_u32(text.data + sizeof(uint32_t) * ids->count);
        return Q_OK;
    }
    for (text = q_string_trim(text); text.size; text = q_string_trim(text)) {
        size_t end = 0;
        uint64_t id;
        while (end < text.size && text.data[end] != ' ' && text.data[end] != '\t')
            end++;
        if (q_parse_u64(q_string_slice(text, 0, end), &id) || id > UINT32_MAX)
            return q_fail(Q_ERR_INPUT, "'%.*s' is no id", (int)Q_MIN(end, (size_t)40), text.data);
        Q_TRY(q_grow(&ids->ids, &ids->capacity, ids->count + 1, sizeof(*ids->ids)));
        ids->ids[ids->count++] = (uint32_t)id;
        text = q_string_slice(text, end, text.size);
    }
    return Q_OK;
}

struct decoding {
    const struct tokenizer *tokenizer;
    struct tokenizer_ids ids;
    struct q_buffer text, out;
    bool binary, json;
};

static q_status decode_line(struct decoding *decoding, q_string line)
{
    q_buffer_clear(&decoding->text);
    q_buffer_clear(&decoding->out);
    Q_TRY(parse_ids(line, decoding->binary, &decoding->ids));
    Q_TRY(tokenizer_decode(decoding->tokenizer, decoding->ids.ids, decoding->ids.count, &decoding->text));
    if (!decoding->json) {
        fwrite(decoding->text.data, 1, decoding->text.size, stdout);
        return Q_OK;
    }
    struct q_json json = q_json_begin(&decoding->out);
    q_json_open(&json, NULL, '{');
    q_json_put_string(&json, "text", q_buffer_string(&decoding->text));
    q_json_close(&json, '}');
    q_json_newline(&json);
    Q_TRY(q_json_end(&json));
    fwrite(decoding->out.data, 1, decoding->out.size, stdout);
    return Q_OK;
}

static q_status decode_file(struct decoding *decoding, const char *path)
{
    struct q_buffer bytes = {0};
    q_status status = q_fs_read_file(path, UINT64_MAX, &bytes);
    q_string rest = q_buffer_string(&bytes), line;
    if (!status && decoding->binary)
        status = q_context(decode_line(decoding, rest), "'%s'", path);
    for (uint64_t number = 1; !status && !decoding->binary && q_string_next_line(&rest, &line); number++)
        status = q_context(decode_line(decoding, line), "'%s', line %llu", path, (unsigned long long)number);
    q_buffer_release(&bytes);
    return status;
}

q_status cmd_decode(void *given, const char *const *arguments, size_t count)
{
    const struct encode_options *options = given;
    struct decoding decoding = {.binary = options->binary};
    struct tokenizer *tokenizer;
    enum text_format format;
    Q_TRY(parse_format(options->format, &format));
    decoding.json = format == TEXT_FORMAT_JSONL;
    Q_TRY(load_tokenizer(options->tokenizer, &tokenizer));
    decoding.tokenizer = tokenizer;
    q_status status = count ? Q_OK : decode_file(&decoding, "-");
    for (size_t i = 0; i < count && !status; i++)
        status = decode_file(&decoding, arguments[i]);
    tokenizer_ids_release(&decoding.ids);
    q_buffer_release(&decoding.text);
    q_buffer_release(&decoding.out);
    tokenizer_release(tokenizer);
    return status;
}
