/* quern-tokenizer encode. */
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/threads.h"
#include "tokenizer/cmd_tokenizer.h"
#include "tokenizer/encode/tokenizer_stream.h"

#include <stdio.h>
#include <unistd.h>

#define AT(member) offsetof(struct encode_options, member)

const struct q_option encode_table[] = {
    {"tokenizer", 't', Q_OPTION_TEXT, AT(tokenizer), "PATH", "a tokenizer.json, or a folder that holds one"},
    {"format", 0, Q_OPTION_TEXT, AT(format), "FORMAT", "auto (by name), text or jsonl"},
    {"special", 0, Q_OPTION_TEXT, AT(special), "MODE",
     "what a special token's text is: text (standard), or parse: the token"},
    {"binary", 0, Q_OPTION_FLAG, AT(binary), NULL, "ids as u32, little-endian, documents end to end"},
    {"offsets", 0, Q_OPTION_FLAG, AT(offsets), NULL,
     "each id as ID:START-END, the bytes of the document that it stands for"},
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

/* A batch of documents on its way through: texts in, lines of ids out. */
struct encode_job {
    struct text_batch batch;
    struct q_buffer out;
};

struct encode_worker {
    struct tokenizer_scratch *scratch;
    struct q_jsonl_parser *parser;
    struct tokenizer_ids ids;
    struct tokenizer_spans spans;
};

struct encoding {
    const struct tokenizer *tokenizer;
    struct text_source *source;
    struct encode_worker *workers;
    enum tokenizer_special_mode mode;
    const struct tokenizer_noise *noise; /* NULL: none */
    bool binary, offsets;
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

static void put_decimal(struct q_buffer *out, uint64_t id)
{
    char digits[20];
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

/* ID:START-END, where offsets are wanted. */
static q_status put_spans(const struct tokenizer_ids *ids, const struct tokenizer_spans *spans, struct q_buffer *out)
{
    enum { BYTES_PER_SPAN = 10 + 20 + 20 + 3 };
    for (size_t i = 0; i < ids->count; i++) {
        Q_TRY(q_buffer_reserve(out, BYTES_PER_SPAN));
        if (i)
            out->data[out->size++] = ' ';
        put_decimal(out, ids->ids[i]);
        out->data[out->size++] = ':';
        put_decimal(out, spans->items[i].start);
        out->data[out->size++] = '-';
        put_decimal(out, spans->items[i].end);
    }
    return q_buffer_append_byte(out, '\n');
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
    if (encoding->offsets) {
        struct tokenizer_spans *spans = &one->worker->spans;
        spans->count = 0;
        Q_TRY(tokenizer_encode_spans(encoding->tokenizer, one->worker->scratch, document->text, encoding->mode, ids,
                                     spans));
        return put_spans(ids, spans, one->out);
    }
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
        tokenizer_spans_release(&encoding->workers[i].spans);
    }
    q_release(encoding->workers);
    return status;
}

/* One text that is read as it is needed: of any length, in little memory, by one thread. */
static q_status encode_stream(const struct encoding *encoding, const char *path)
{
    enum { BLOCK = 1 << 20 };
    struct tokenizer_stream *stream = NULL;
    struct tokenizer_ids ids = {0};
    struct q_buffer block = {0}, out = {0};
    q_status status;
    size_t got = 0;
    bool begun = false;
    int fd = -1;
    Q_TRY_GOTO(done, q_buffer_reserve(&block, BLOCK));
    Q_TRY_GOTO(done, tokenizer_stream_create(encoding->tokenizer, encoding->mode, &stream));
    fd = strcmp(path, "-") == 0 ? STDIN_FILENO : -1;
    if (fd < 0)
        Q_TRY_GOTO(done, q_fs_open_read(path, &fd));
    do {
        if (q_stop_requested())
            Q_TRY_GOTO(done, q_fail(Q_STOPPED, "stopped while encoding"));
        Q_TRY_GOTO(done, q_fs_read_some(fd, path, block.data, BLOCK, &got));
        ids.count = 0;
        Q_TRY_GOTO(done, got ? tokenizer_stream_feed(stream, (q_string){block.data, got}, &ids)
                             : tokenizer_stream_finish(stream, &ids));
        q_buffer_clear(&out);
        if (begun && ids.count && !encoding->binary)
            Q_TRY_GOTO(done, q_buffer_append_byte(&out, ' '));
        begun |= ids.count > 0;
        Q_TRY_GOTO(done, put_ids(&ids, encoding->binary, &out));
        out.size -= got && !encoding->binary;  /* the line goes on */
        fwrite(out.data, 1, out.size, stdout); /* failures are found when the program ends */
    } while (got);
done:
    if (fd != STDIN_FILENO)
        q_fs_close(fd);
    tokenizer_stream_release(stream);
    tokenizer_ids_release(&ids);
    q_buffer_release(&block);
    q_buffer_release(&out);
    return status;
}

/* Whether the input is one plain text. Its name tells, as in text_source.c. */
static bool is_one_text(const struct encode_options *options, const char *const *arguments, size_t count)
{
    enum text_format format;
    const char *path = count ? arguments[0] : "-";
    if (count > 1 || parse_format(options->format, &format) || format == TEXT_FORMAT_JSONL || q_fs_is_directory(path))
        return false;
    return format == TEXT_FORMAT_PLAIN ||
           (!strstr(q_fs_base_name(path), ".jsonl") && !strstr(q_fs_base_name(path), ".ndjson"));
}

q_status cmd_encode(void *given, const char *const *arguments, size_t count)
{
    const struct encode_options *options = given;
    struct encoding encoding = {.binary = options->binary, .offsets = options->offsets};
    struct tokenizer *tokenizer = NULL;
    q_status status;
    Q_TRY(parse_special(options->special, &encoding.mode));
    Q_TRY(tokenizer_noise_check(&options->noise));
    if (options->noise.dropout > 0 || options->noise.boundary_split > 0)
        encoding.noise = &options->noise;
    if (options->offsets && (options->binary || encoding.noise))
        return q_fail(Q_ERR_USAGE, "'--offsets' does not go with --binary, --dropout or --boundary-split");
    Q_TRY_GOTO(done, load_tokenizer(options->tokenizer, &tokenizer));
    encoding.tokenizer = tokenizer;
    if (!encoding.noise && !encoding.offsets && is_one_text(options, arguments, count)) {
        status = encode_stream(&encoding, count ? arguments[0] : "-");
        goto done;
    }
    Q_TRY_GOTO(done, open_texts(arguments, count, options->format, &encoding.source));
    status = encode_all(&encoding, (unsigned)options->common.threads);
done:
    text_source_close(encoding.source);
    tokenizer_release(tokenizer);
    return status;
}
