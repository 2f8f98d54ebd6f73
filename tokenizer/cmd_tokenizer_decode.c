/* quern-tokenizer decode: ids to text, by blocks, so that files may be of any length.
 *
 * Every file is gone through twice, at first only to look at all ids, so that nothing is written where one is wrong. Standard input can be read once and is
 * kept for that.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "tokenizer/cmd_tokenizer.h"

#include <stdio.h>
#include <unistd.h>

enum {
    BLOCK = 1 << 20,
    WORD_BYTES_MAX = 64, /* longer ones are no ids */
};

#define AT(member) offsetof(struct encode_options, member)

const struct q_option decode_table[] = {
    {"tokenizer", 't', Q_OPTION_TEXT, AT(tokenizer), "PATH", "a tokenizer.json, or a folder that holds one"},
    {"format", 0, Q_OPTION_TEXT, AT(format), "FORMAT", "text (standard), or jsonl: an object per line of ids"},
    {"binary", 0, Q_OPTION_FLAG, AT(binary), NULL, "the ids are u32, little-endian"},
    {0},
};

struct decoding {
    const struct tokenizer *tokenizer;
    bool binary, json;
    bool checking;        /* the first time */
    struct q_buffer kept; /* standard input */
    size_t kept_at;       /* how much of it was gone through the second time */
    struct tokenizer_ids ids;
    struct q_buffer text, out;
};

/* A file on its way. */
struct ids_file {
    const char *path;
    int fd; /* -1: what was kept of standard input */
    struct q_buffer block;
    uint64_t bytes, lines; /* before the block */
};

static q_status open_file(const struct decoding *decoding, const char *path, struct ids_file *file)
{
    *file = (struct ids_file){.path = path, .fd = -1};
    if (strcmp(path, "-") != 0)
        return q_fs_open_read(path, &file->fd);
    file->fd = decoding->checking ? STDIN_FILENO : -1;
    return Q_OK;
}

static void close_file(struct ids_file *file)
{
    if (file->fd != STDIN_FILENO)
        q_fs_close(file->fd);
    q_buffer_release(&file->block);
}

/* Appends up to BLOCK bytes to the block; *got = 0 at the end. */
static q_status read_more(struct decoding *decoding, struct ids_file *file, size_t *got)
{
    struct q_buffer *block = &file->block;
    Q_TRY(q_buffer_reserve(block, BLOCK));
    if (file->fd < 0) {
        q_string rest = q_string_slice(q_buffer_string(&decoding->kept), decoding->kept_at, decoding->kept.size);
        *got = Q_MIN(rest.size, (size_t)BLOCK);
        decoding->kept_at += *got;
        return q_buffer_append_string(block, q_string_slice(rest, 0, *got));
    }
    Q_TRY(q_fs_read_some(file->fd, file->path, block->data + block->size, BLOCK, got));
    if (file->fd == STDIN_FILENO)
        Q_TRY(q_buffer_append(&decoding->kept, block->data + block->size, *got));
    block->size += *got;
    return Q_OK;
}

/* How much of a block is whole ids, or lines where each is a text of its own. Nothing that ends was in it before `from`. */
static size_t whole_bytes(const struct decoding *decoding, q_string block, size_t from)
{
    if (decoding->binary)
        return block.size - block.size % sizeof(uint32_t);
    for (size_t size = block.size; size > from; size--) {
        char last = block.data[size - 1];
        if (last == '\n' || (!decoding->json && (last == ' ' || last == '\t')))
            return size;
    }
    return !decoding->json && block.size > WORD_BYTES_MAX ? block.size : 0;
}

static q_status parse_binary(const struct ids_file *file, q_string bytes, struct tokenizer_ids *ids)
{
    ids->count = 0;
    if (bytes.size % sizeof(uint32_t))
        return q_fail(Q_ERR_INPUT, "%llu bytes are no whole number of u32",
                      (unsigned long long)(file->bytes + bytes.size));
    for (size_t at = 0; at < bytes.size; at += sizeof(uint32_t))
        Q_TRY(tokenizer_ids_append(ids, q_load_u32(bytes.data + at)));
    return Q_OK;
}

static q_status parse_line(q_string line, struct tokenizer_ids *ids)
{
    ids->count = 0;
    for (line = q_string_trim(line); line.size; line = q_string_trim(line)) {
        size_t end = 0;
        uint64_t id;
        while (end < line.size && line.data[end] != ' ' && line.data[end] != '\t')
            end++;
        if (end > WORD_BYTES_MAX || q_parse_u64(q_string_slice(line, 0, end), &id) || id > UINT32_MAX)
            return q_fail(Q_ERR_INPUT, "'%.*s' is no id", (int)Q_MIN(end, (size_t)40), line.data);
        Q_TRY(tokenizer_ids_append(ids, (uint32_t)id));
        line = q_string_slice(line, end, line.size);
    }
    return Q_OK;
}

static q_status put_json(struct decoding *decoding)
{
    q_buffer_clear(&decoding->out);
    struct q_json json = q_json_begin(&decoding->out);
    q_json_open(&json, NULL, '{');
    q_json_put_string(&json, "text", q_buffer_string(&decoding->text));
    q_json_close(&json, '}');
    q_json_newline(&json);
    return q_json_end(&json);
}

/* The ids that were parsed: looked at, or written as text. */
static q_status use_ids(struct decoding *decoding)
{
    const struct q_buffer *out = decoding->json ? &decoding->out : &decoding->text;
    const struct tokenizer_ids *ids = &decoding->ids;
    if (decoding->checking)
        return tokenizer_check_ids(decoding->tokenizer, ids->ids, ids->count);
    q_buffer_clear(&decoding->text);
    Q_TRY(tokenizer_decode(decoding->tokenizer, ids->ids, ids->count, &decoding->text));
    if (decoding->json)
        Q_TRY(put_json(decoding));
    fwrite(out->data, 1, out->size, stdout); /* failures are found when the program ends */
    return Q_OK;
}

static q_status use_lines(struct decoding *decoding, struct ids_file *file, q_string lines)
{
    q_string line;
    while (q_string_next_line(&lines, &line)) {
        q_status status = parse_line(line, &decoding->ids);
        if (!status)
            status = use_ids(decoding);
        if (status)
            return q_context(status, "'%s', line %llu", file->path, (unsigned long long)file->lines + 1);
        file->lines += lines.data > line.data + line.size; /* else it goes on in the next block */
    }
    return Q_OK;
}

/* The first `size` bytes of the block, which may be its last. */
static q_status use_block(struct decoding *decoding, struct ids_file *file, size_t size)
{
    q_string bytes = q_string_slice(q_buffer_string(&file->block), 0, size);
    if (!decoding->binary)
        return use_lines(decoding, file, bytes);
    q_status status = parse_binary(file, bytes, &decoding->ids);
    if (!status)
        status = use_ids(decoding);
    return q_context(status, "'%s'", file->path);
}

static q_status use_file(struct decoding *decoding, struct ids_file *file)
{
    size_t got, size;
    do {
        if (q_stop_requested())
            return q_fail(Q_STOPPED, "stopped while decoding");
        Q_TRY(read_more(decoding, file, &got));
        q_string block = q_buffer_string(&file->block);
        size = got ? whole_bytes(decoding, block, block.size - got) : block.size;
        if (size == 0)
            continue;
        Q_TRY(use_block(decoding, file, size));
        file->bytes += size;
        file->block.size -= size;
        memmove(file->block.data, file->block.data + size, file->block.size);
    } while (got);
    return Q_OK;
}

static q_status use_files(struct decoding *decoding, const char *const *paths, size_t count)
{
    static const char *const standard_input[] = {"-"};
    q_status status = Q_OK;
    paths = count ? paths : standard_input;
    for (size_t i = 0; i < Q_MAX(count, (size_t)1) && !status; i++) {
        struct ids_file file;
        Q_TRY(open_file(decoding, paths[i], &file));
        status = use_file(decoding, &file);
        close_file(&file);
    }
    return status;
}

q_status cmd_decode(void *given, const char *const *arguments, size_t count)
{
    const struct encode_options *options = given;
    struct decoding decoding = {.binary = options->binary, .checking = true};
    struct tokenizer *tokenizer;
    enum text_format format;
    Q_TRY(parse_format(options->format, &format));
    decoding.json = format == TEXT_FORMAT_JSONL;
    Q_TRY(load_tokenizer(options->tokenizer, &tokenizer));
    decoding.tokenizer = tokenizer;
    q_status status = use_files(&decoding, arguments, count);
    decoding.checking = false;
    if (!status)
        status = use_files(&decoding, arguments, count);
    q_buffer_release(&decoding.kept);
    tokenizer_ids_release(&decoding.ids);
    q_buffer_release(&decoding.text);
    q_buffer_release(&decoding.out);
    tokenizer_release(tokenizer);
    return status;
}
