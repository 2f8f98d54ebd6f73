/* tokenizer.json in (docs/formats/tokenizer.md). What is read is checked in full, so that the rest of the folder may trust a struct vocabulary: ids below the
 * bound and given once, all 256 bytes there, each merge between tokens that exist and longer than its parts (so that no merge leads back to its own parts). */
#include "tokenizer/vocabulary/vocabulary.h"

#include "base/check.h"
#include "base/fs.h"
#include "base/json.h"
#include "tokenizer/pretokenize/piece_hash.h"
#include "tokenizer/vocabulary/byte_alphabet.h"
#include "tokenizer/vocabulary/vocabulary_pipeline.h"
#include "tokenizer/vocabulary/vocabulary_scan.h"
#include "tokenizer/vocabulary/vocabulary_tiktoken.h"

enum { FILE_BYTES_MAX = 1 << 28, ADDED_BYTES_MAX = 1 << 24 };

/* A member of `vocab`; the key lies in the file, or in the arena where it had escapes. */
struct entry {
    q_string key;
    uint32_t id;
};

struct reader {
    const char *name; /* of the file, for errors */
    struct vocabulary *out;
    struct vocabulary_scan scan;
    struct entry *entries;
    size_t entry_count, entry_capacity;
    struct vocabulary_merge *merges;
    size_t merge_capacity;
    struct q_buffer buffer, whole; /* scratch */
    uint32_t *by_bytes;            /* id + 1 by hash; 0: empty */
    size_t by_bytes_capacity;
};

enum { SHOWN = 100 /* bytes of a token in an error */ };
#define SHOW(string) (int)Q_MIN((string).size, (size_t)SHOWN), (string).data

static q_status read_vocab_entry(struct reader *r)
{
    q_string key;
    uint64_t id;
    bool is_string;
    Q_TRY(vocabulary_scan_string(&r->scan, &key, &is_string));
    if (!is_string || !vocabulary_scan_take(&r->scan, ':'))
        return vocabulary_scan_fail(&r->scan, "the vocab has no token and ':' here");
    if (key.size == 0 || key.size > 2 * VOCABULARY_TOKEN_BYTES_MAX)
        return q_fail(Q_ERR_INPUT, "'%s': a token of %zu bytes; 1 to %d are allowed", r->name, key.size,
                      VOCABULARY_TOKEN_BYTES_MAX);
    if (!vocabulary_scan_number(&r->scan, VOCABULARY_SIZE_MAX - 1, &id))
        return q_fail(Q_ERR_INPUT, "'%s': the id of token '%.*s' is no number below %d", r->name, SHOW(key),
                      VOCABULARY_SIZE_MAX);
    if (key.data == r->scan.escaped.data)
        Q_TRY(q_arena_string(&r->out->arena, key, &key));
    if (r->entry_count == VOCABULARY_SIZE_MAX)
        return q_fail(Q_ERR_INPUT, "'%s' has more than %d tokens", r->name, VOCABULARY_SIZE_MAX);
    if (r->entry_count == r->entry_capacity)
        Q_TRY(q_grow(&r->entries, &r->entry_capacity, r->entry_count + 1, sizeof(*r->entries)));
    r->entries[r->entry_count++] = (struct entry){key, (uint32_t)id};
    return Q_OK;
}

static void scan_from(struct reader *r, q_string span)
{
    r->scan.at = span.data + 1;
    r->scan.end = span.data + span.size;
}

static q_status read_vocab_entries(struct reader *r, q_string span)
{
    scan_from(r, span);
    if (vocabulary_scan_take(&r->scan, '}'))
        return Q_OK;
    do
        Q_TRY(read_vocab_entry(r));
    while (vocabulary_scan_take(&r->scan, ','));
    return vocabulary_scan_take(&r->scan, '}') ? Q_OK
                                               : vocabulary_scan_fail(&r->scan, "',' or '}' is missing in the vocab");
}

/* The highest id decides the size. */
static q_status make_room(struct reader *r, const json_t *added)
{
    uint32_t size = 0;
    for (size_t i = 0; i < r->entry_count; i++)
        size = Q_MAX(size, r->entries[i].id + 1);
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *id = json_object_get(json_array_get(added, i), "id");
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= VOCABULARY_SIZE_MAX)
            return q_fail(Q_ERR_INPUT, "'%s': the id of added token %zu is no number below %d", r->name, i,
                          VOCABULARY_SIZE_MAX);
        size = Q_MAX(size, (uint32_t)json_integer_value(id) + 1);
    }
    r->out->size = size;
    for (r->by_bytes_capacity = 1024; r->by_bytes_capacity < 2 * r->entry_count;)
        r->by_bytes_capacity *= 2;
    Q_TRY(q_alloc_zero(r->by_bytes_capacity, sizeof(*r->by_bytes), &r->by_bytes));
    Q_TRY(q_arena_alloc(&r->out->arena, size, sizeof(*r->out->kinds), &r->out->kinds));
    return q_arena_alloc(&r->out->arena, size, sizeof(*r->out->tokens), &r->out->tokens);
}

/* The place in the table of the token with these bytes: of those spelled in ByteLevel's characters, or of the others. */
static uint32_t *entry_of(const struct reader *r, q_string bytes, bool spelled)
{
    size_t at = (size_t)piece_hash((const uint8_t *)bytes.data, bytes.size) & (r->by_bytes_capacity - 1);
    for (; r->by_bytes[at]; at = (at + 1) & (r->by_bytes_capacity - 1)) {
        uint32_t id = r->by_bytes[at] - 1;
        if (!(r->out->kinds[id] & VOCABULARY_BYTES) == !spelled && q_string_equal(r->out->tokens[id], bytes))
            break;
    }
    return &r->by_bytes[at];
}

/* The token that a key of the vocab is; UINT32_MAX where there is none. */
static q_status find_token(struct reader *r, q_string key, uint32_t *id)
{
    bool spelled;
    q_buffer_clear(&r->buffer);
    Q_TRY(byte_alphabet_read(key, &r->buffer, &spelled));
    *id = *entry_of(r, spelled ? q_buffer_string(&r->buffer) : key, spelled) - 1;
    return Q_OK;
}

static q_status place_token(struct reader *r, const struct entry *entry)
{
    struct vocabulary *out = r->out;
    uint32_t id = entry->id;
    bool spelled;
    q_buffer_clear(&r->buffer);
    Q_TRY(byte_alphabet_read(entry->key, &r->buffer, &spelled));
    q_string bytes = spelled ? q_buffer_string(&r->buffer) : entry->key;
    if (bytes.size > VOCABULARY_TOKEN_BYTES_MAX)
        return q_fail(Q_ERR_INPUT, "'%s': token %u has %zu bytes; 1 to %d are allowed", r->name, id, bytes.size,
                      VOCABULARY_TOKEN_BYTES_MAX);
    uint32_t *place = entry_of(r, bytes, spelled);
    if (*place)
        return q_fail(Q_ERR_INPUT, "'%s': token '%.*s' is given twice, as %u and %u", r->name, SHOW(entry->key),
                      *place - 1, id);
    if (out->tokens[id].data)
        return q_fail(Q_ERR_INPUT, "'%s': id %u is given to two tokens, '%.*s' the second", r->name, id,
                      SHOW(entry->key));
    *place = id + 1;
    out->kinds[id] = VOCABULARY_MODEL | (spelled ? VOCABULARY_BYTES : 0);
    return q_arena_string(&out->arena, bytes, &out->tokens[id]);
}

static q_status place_tokens(struct reader *r)
{
    for (size_t i = 0; i < r->entry_count; i++)
        Q_TRY(place_token(r, &r->entries[i]));
    for (unsigned b = 0; b < 256; b++) {
        char byte = (char)b;
        r->out->byte_id[b] = *entry_of(r, (q_string){&byte, 1}, true) - 1;
        if (r->out->byte_id[b] == UINT32_MAX)
            return q_fail(Q_ERR_INPUT, "'%s' has no token for byte 0x%02x", r->name, b);
    }
    return Q_OK;
}

/* One part of a merge, or both together: its token, which must be there and be of bytes. */
static q_status merge_token(struct reader *r, q_string characters, uint32_t *id)
{
    Q_TRY(find_token(r, characters, id));
    if (*id == UINT32_MAX)
        return q_fail(Q_ERR_INPUT, "'%s': merge %zu needs '%.*s', which is no token", r->name, r->out->merge_count,
                      SHOW(characters));
    if (!(r->out->kinds[*id] & VOCABULARY_BYTES))
        return q_fail(Q_ERR_INPUT, "'%s': merge %zu holds '%.*s', which is not in ByteLevel's characters", r->name,
                      r->out->merge_count, SHOW(characters));
    return Q_OK;
}

static q_status not_two_tokens(const struct reader *r)
{
    return q_fail(Q_ERR_INPUT, "'%s': merge %zu is not two tokens", r->name, r->out->merge_count);
}

/* "left right" or ["left", "right"], into r->whole without what is between; *cut is where the left one ends. */
static q_status read_merge_parts(struct reader *r, size_t *cut)
{
    struct vocabulary_scan *scan = &r->scan;
    bool list = vocabulary_scan_take(scan, '['), is_string;
    q_string part;
    q_buffer_clear(&r->whole);
    Q_TRY(vocabulary_scan_string(scan, &part, &is_string));
    if (!is_string)
        return not_two_tokens(r);
    if (!list) {
        *cut = q_string_find(part, Q_STRING(" "), 0);
        if (*cut == SIZE_MAX || q_string_find(part, Q_STRING(" "), *cut + 1) != SIZE_MAX)
            return not_two_tokens(r);
        Q_TRY(q_buffer_append(&r->whole, part.data, *cut));
        return q_buffer_append(&r->whole, part.data + *cut + 1, part.size - *cut - 1);
    }
    Q_TRY(q_buffer_append_string(&r->whole, part));
    *cut = part.size;
    if (!vocabulary_scan_take(scan, ','))
        return not_two_tokens(r);
    Q_TRY(vocabulary_scan_string(scan, &part, &is_string));
    Q_TRY(q_buffer_append_string(&r->whole, is_string ? part : (q_string){0}));
    return is_string && vocabulary_scan_take(scan, ']') ? Q_OK : not_two_tokens(r);
}

static q_status read_merge(struct reader *r)
{
    struct vocabulary_merge merge;
    size_t cut, *count = &r->out->merge_count;
    Q_TRY(read_merge_parts(r, &cut));
    q_string whole = q_buffer_string(&r->whole);
    Q_TRY(merge_token(r, q_string_slice(whole, 0, cut), &merge.left));
    Q_TRY(merge_token(r, q_string_slice(whole, cut, whole.size), &merge.right));
    Q_TRY(merge_token(r, whole, &merge.id));
    if (*count == VOCABULARY_SIZE_MAX)
        return q_fail(Q_ERR_INPUT, "'%s' has more than %d merges", r->name, VOCABULARY_SIZE_MAX);
    if (*count == r->merge_capacity)
        Q_TRY(q_grow(&r->merges, &r->merge_capacity, *count + 1, sizeof(*r->merges)));
    r->merges[(*count)++] = merge;
    return Q_OK;
}

static q_status read_merges(struct reader *r, q_string span)
{
    scan_from(r, span);
    bool empty = vocabulary_scan_take(&r->scan, ']');
    while (!empty) {
        Q_TRY(read_merge(r));
        if (!vocabulary_scan_take(&r->scan, ','))
            break;
    }
    if (!empty && !vocabulary_scan_take(&r->scan, ']'))
        return vocabulary_scan_fail(&r->scan, "',' or ']' is missing in the merges");
    Q_TRY(q_arena_alloc(&r->out->arena, r->out->merge_count, sizeof(*r->merges), &r->out->merges));
    if (r->out->merge_count)
        memcpy(r->out->merges, r->merges, r->out->merge_count * sizeof(*r->merges));
    return Q_OK;
}

static q_status read_flag(const struct reader *r, const json_t *entry, const char *key, bool *out)
{
    const json_t *value = json_object_get(entry, key);
    if (value && !json_is_null(value) && !json_is_boolean(value))
        return q_fail(Q_ERR_INPUT, "'%s': '%s' of an added token is neither true nor false", r->name, key);
    *out = json_is_true(value);
    return Q_OK;
}

static q_status read_flags(const struct reader *r, const json_t *entry, struct vocabulary_added *added)
{
    Q_TRY(read_flag(r, entry, "special", &added->special));
    Q_TRY(read_flag(r, entry, "normalized", &added->normalized));
    Q_TRY(read_flag(r, entry, "single_word", &added->single_word));
    Q_TRY(read_flag(r, entry, "lstrip", &added->lstrip));
    return read_flag(r, entry, "rstrip", &added->rstrip);
}

/* Hugging Face's reader takes no notice of `id`: a token that the vocab has keeps that id, others get the next one behind vocab and added tokens. A file that
 * says otherwise would give other ids there than here. */
static q_status check_id(struct reader *r, const struct vocabulary_added *added, int64_t highest)
{
    uint32_t in_vocab;
    Q_TRY(find_token(r, added->text, &in_vocab));
    int64_t count = (int64_t)r->entry_count;
    int64_t wanted = in_vocab != UINT32_MAX ? in_vocab : Q_MAX(count, highest + 1);
    if (wanted != added->id)
        return q_fail(Q_ERR_INPUT, "'%s': added token '%.*s' has id %u, where Hugging Face's library gives it %lld",
                      r->name, SHOW(added->text), added->id, (long long)wanted);
    if (in_vocab == UINT32_MAX && r->out->tokens[added->id].data)
        return q_fail(Q_ERR_INPUT, "'%s': id %u of added token '%.*s' is another token's", r->name, added->id,
                      SHOW(added->text));
    return Q_OK;
}

static q_status place_added(struct reader *r, struct vocabulary_added *added)
{
    struct vocabulary *out = r->out;
    if (out->kinds[added->id] & VOCABULARY_ADDED)
        return q_fail(Q_ERR_INPUT, "'%s': added token '%.*s' is given twice", r->name, SHOW(added->text));
    out->kinds[added->id] |= VOCABULARY_ADDED;
    if (!(out->kinds[added->id] & VOCABULARY_BYTES)) /* else the id is that of bytes, and decodes to them */
        out->tokens[added->id] = added->text;
    added->match = added->text;
    if (!added->normalized || out->normalization == NORMALIZATION_NONE)
        return Q_OK;
    q_buffer_clear(&r->buffer);
    Q_TRY(normalization_apply(out->normalization, added->text, &r->buffer, NULL));
    return q_arena_string(&out->arena, q_buffer_string(&r->buffer), &added->match);
}

static q_status read_added(struct reader *r, const json_t *list)
{
    struct vocabulary *out = r->out;
    int64_t highest = -1;
    size_t bytes = 0;
    Q_TRY(q_arena_alloc(&out->arena, json_array_size(list), sizeof(*out->added), &out->added));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        struct vocabulary_added *added = &out->added[out->added_count];
        q_string text;
        Q_TRY(q_json_get_string(entry, r->name, "content", &text));
        bytes += text.size;
        if (text.size == 0 || text.size > VOCABULARY_TOKEN_BYTES_MAX || bytes > ADDED_BYTES_MAX)
            return q_fail(Q_ERR_INPUT, "'%s': added token %zu has %zu bytes; 1 to %d are allowed, %d for all together",
                          r->name, i, text.size, VOCABULARY_TOKEN_BYTES_MAX, ADDED_BYTES_MAX);
        added->id = (uint32_t)json_integer_value(json_object_get(entry, "id"));
        Q_TRY(q_arena_string(&out->arena, text, &added->text));
        Q_TRY(read_flags(r, entry, added));
        Q_TRY(check_id(r, added, highest));
        Q_TRY(place_added(r, added));
        highest = Q_MAX(highest, (int64_t)added->id);
        out->added_count++;
    }
    return Q_OK;
}

/* `root` is the file without vocab and merges, which `spans` has. */
static q_status read_tokens(struct reader *r, const json_t *root, const struct vocabulary_spans *spans)
{
    json_t *added = NULL;
    if (!spans->vocab.data || !spans->merges.data)
        return q_fail(Q_ERR_INPUT, "'%s': the model's '%s' is missing or not %s", r->name,
                      spans->vocab.data ? "merges" : "vocab", spans->vocab.data ? "an array" : "an object");
    const json_t *member = json_object_get(root, "added_tokens");
    if (member && !json_is_null(member))
        Q_TRY(q_json_get_array(root, r->name, "added_tokens", &added));
    Q_TRY(read_vocab_entries(r, spans->vocab));
    Q_TRY(make_room(r, added));
    Q_TRY(place_tokens(r));
    Q_TRY(read_merges(r, spans->merges));
    return read_added(r, added);
}

q_status vocabulary_parse(q_string text, const char *name, struct vocabulary *out)
{
    struct reader r = {.name = name, .out = out, .scan = {.name = name, .begin = text.data}};
    struct vocabulary_spans spans;
    struct q_buffer rest = {0};
    json_t *root = NULL;
    q_status status = Q_OK;
    if (text.size >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0)
        return q_fail(Q_ERR_INPUT, "'%s' begins with a byte order mark, which is no JSON", name);
    if (!q_utf8_valid(text))
        return q_fail(Q_ERR_INPUT, "'%s' is not UTF-8", name);
    Q_TRY_GOTO(done, vocabulary_scan_spans(text, name, &spans, &rest));
    Q_TRY_GOTO(done, q_json_parse(q_buffer_string(&rest), name, &root));
    Q_TRY_GOTO(done, vocabulary_read_pipeline(root, name, out));
    status = read_tokens(&r, root, &spans);
done:
    json_decref(root);
    q_buffer_release(&rest);
    q_buffer_release(&r.buffer);
    q_buffer_release(&r.whole);
    q_buffer_release(&r.scan.escaped);
    q_release(r.entries);
    q_release(r.merges);
    q_release(r.by_bytes);
    return status;
}

q_status vocabulary_read(const char *path, struct vocabulary *out)
{
    struct q_buffer bytes = {0};
    struct q_arena arena = {0};
    q_status status = Q_OK;
    if (vocabulary_is_tiktoken(path))
        return vocabulary_read_tiktoken(path, NULL, out);
    if (q_fs_is_directory(path))
        status = q_fs_join(&arena, path, "tokenizer.json", &path);
    if (!status)
        status = q_fs_read_file(path, FILE_BYTES_MAX, &bytes);
    if (!status)
        status = vocabulary_parse(q_buffer_string(&bytes), path, out);
    q_buffer_release(&bytes);
    q_arena_release(&arena);
    return status;
}
