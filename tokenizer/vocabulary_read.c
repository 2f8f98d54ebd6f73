/* tokenizer.json in (docs/formats/tokenizer.md). What is read is checked in full, so that the rest of the folder may trust a struct vocabulary: ids below the
 * bound and given once, all 256 bytes there, each merge between tokens that exist and longer than its parts. */
#include "tokenizer/vocabulary.h"

#include "base/check.h"
#include "base/fs.h"
#include "base/json.h"
#include "tokenizer/byte_alphabet.h"

enum { FILE_BYTES_MAX = 1 << 28 };

struct reader {
    const char *name; /* of the file, for errors */
    struct vocabulary *out;
    const json_t *vocab;    /* the object: characters to id */
    struct q_buffer buffer; /* scratch */
};

static q_status refuse(const struct reader *r, const char *what, q_string value)
{
    return q_fail(Q_ERR_INPUT, "'%s' has %s '%.*s', which quern cannot reproduce", r->name, what,
                  (int)Q_MIN(value.size, (size_t)200), value.data ? value.data : "");
}

static bool is_null(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return !value || json_is_null(value);
}

/* The member is absent, null, false or "": all mean "not used". */
static bool is_off(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return is_null(object, key) || json_is_false(value) || (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_number(value) && json_number_value(value) == 0);
}

/* The `type` of a member that is an object or null ("" for null). */
static q_status type_of(const struct reader *r, const json_t *object, const char *key, q_string *out)
{
    json_t *member;
    *out = (q_string){"", 0};
    if (is_null(object, key))
        return Q_OK;
    Q_TRY(q_json_get_object(object, r->name, key, &member));
    return q_json_get_string(member, r->name, "type", out);
}

static q_status read_normalizer(const struct reader *r, const json_t *root)
{
    q_string type;
    Q_TRY(type_of(r, root, "normalizer", &type));
    if (type.size == 0)
        return Q_OK;
    json_t *list;
    if (!q_string_is(type, "Sequence"))
        return refuse(r, "a normalizer", type);
    Q_TRY(q_json_get_array(json_object_get(root, "normalizer"), r->name, "normalizers", &list));
    return json_array_size(list) ? refuse(r, "a normalizer", type) : Q_OK;
}

/* One entry of the pretokenizer's sequence that is a Split: its pattern. */
static q_status read_split(const struct reader *r, const json_t *entry, q_string *pattern)
{
    json_t *object;
    q_string behavior;
    Q_TRY(q_json_get_object(entry, r->name, "pattern", &object));
    Q_TRY(q_json_get_string(object, r->name, "Regex", pattern));
    Q_TRY(q_json_get_string(entry, r->name, "behavior", &behavior));
    if (!q_string_is(behavior, "Isolated"))
        return refuse(r, "a Split of behavior", behavior);
    return is_off(entry, "invert") ? Q_OK : refuse(r, "an inverted Split of", *pattern);
}

static q_status read_pretokenizer(const struct reader *r, const json_t *root)
{
    json_t *sequence, *list;
    q_string type;
    struct pretokenize_rule rules[PRETOKENIZE_RULES_MAX] = {0};
    size_t count = 0;
    bool bytes = false;
    Q_TRY(q_json_get_object(root, r->name, "pre_tokenizer", &sequence));
    Q_TRY(q_json_get_string(sequence, r->name, "type", &type));
    if (!q_string_is(type, "Sequence"))
        return refuse(r, "a pretokenizer", type);
    Q_TRY(q_json_get_array(sequence, r->name, "pretokenizers", &list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        Q_TRY(q_json_get_string(entry, r->name, "type", &type));
        if (q_string_is(type, "Split") && !bytes && count < PRETOKENIZE_RULES_MAX) {
            Q_TRY(read_split(r, entry, &rules[count++].pattern));
        } else if (q_string_is(type, "ByteLevel") && !bytes && is_off(entry, "add_prefix_space") &&
                   is_off(entry, "use_regex")) {
            bytes = true;
        } else {
            return refuse(r, "in its pretokenizer", type);
        }
    }
    if (!bytes)
        return q_fail(Q_ERR_INPUT, "'%s' has no ByteLevel pretokenizer, which is all that quern knows", r->name);
    return q_context(pretokenizer_create(rules, count, &r->out->pretokenizer), "'%s'", r->name);
}

/* All of the file but the tokens: what must be off, or as this build does it. */
static q_status read_frame(const struct reader *r, const json_t *root, const json_t *model)
{
    static const char *const off[] = {
        "dropout",       "unk_token",    "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
        "byte_fallback", "ignore_merges"};
    q_string type;
    Q_TRY(q_json_get_string(model, r->name, "type", &type));
    if (!q_string_is(type, "BPE"))
        return refuse(r, "a model", type);
    for (size_t i = 0; i < Q_COUNT_OF(off); i++)
        if (!is_off(model, off[i]))
            return refuse(r, "the model's setting", q_string_of(off[i]));
    if (!is_null(root, "truncation") || !is_null(root, "padding"))
        return refuse(r, "the setting", q_string_of(is_null(root, "padding") ? "truncation" : "padding"));
    Q_TRY(type_of(r, root, "decoder", &type));
    if (!q_string_is(type, "ByteLevel"))
        return refuse(r, "a decoder", type);
    Q_TRY(read_normalizer(r, root));
    return read_pretokenizer(r, root);
}

static q_status read_id(const struct reader *r, const json_t *value, q_string token, uint32_t *id)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) >= VOCABULARY_SIZE_MAX)
        return q_fail(Q_ERR_INPUT, "'%s': the id of token '%.*s' is no number below %d", r->name,
                      (int)Q_MIN(token.size, (size_t)100), token.data, VOCABULARY_SIZE_MAX);
    *id = (uint32_t)json_integer_value(value);
    return Q_OK;
}

/* The highest id decides the size. */
static q_status find_size(struct reader *r, const json_t *added)
{
    const char *key;
    json_t *value;
    uint32_t id, size = 0;
    json_object_foreach((json_t *)(uintptr_t)r->vocab, key, value)
    {
        Q_TRY(read_id(r, value, q_string_of(key), &id));
        size = Q_MAX(size, id + 1);
    }
    for (size_t i = 0; i < json_array_size(added); i++) {
        Q_TRY(read_id(r, json_object_get(json_array_get(added, i), "id"), Q_STRING("of added_tokens"), &id));
        size = Q_MAX(size, id + 1);
    }
    r->out->size = size;
    Q_TRY(q_arena_alloc(&r->out->arena, size, sizeof(*r->out->kinds), &r->out->kinds));
    return q_arena_alloc(&r->out->arena, size, sizeof(*r->out->tokens), &r->out->tokens);
}

static q_status read_vocab(struct reader *r)
{
    const char *key;
    json_t *value;
    bool has[256] = {0}, spelled;
    json_object_foreach((json_t *)(uintptr_t)r->vocab, key, value)
    {
        q_string characters = q_string_of(key);
        uint32_t id = (uint32_t)json_integer_value(value);
        if (characters.size == 0 || characters.size > VOCABULARY_TOKEN_BYTES_MAX)
            return q_fail(Q_ERR_INPUT, "'%s': token %u has %zu bytes; 1 to %d are allowed", r->name, id,
                          characters.size, VOCABULARY_TOKEN_BYTES_MAX);
        if (r->out->tokens[id].data)
            return q_fail(Q_ERR_INPUT, "'%s': id %u is given to two tokens", r->name, id);
        q_buffer_clear(&r->buffer);
        Q_TRY(byte_alphabet_read(characters, &r->buffer, &spelled));
        q_string bytes = spelled ? q_buffer_string(&r->buffer) : characters;
        Q_TRY(q_arena_string(&r->out->arena, bytes, &r->out->tokens[id]));
        r->out->kinds[id] = VOCABULARY_MODEL | (spelled ? VOCABULARY_BYTES : 0);
        if (spelled && bytes.size == 1) {
            has[(uint8_t)bytes.data[0]] = true;
            r->out->byte_id[(uint8_t)bytes.data[0]] = id;
        }
    }
    for (unsigned b = 0; b < 256; b++)
        if (!has[b])
            return q_fail(Q_ERR_INPUT, "'%s' has no token for byte 0x%02x", r->name, b);
    return Q_OK;
}

static q_status find_token(const struct reader *r, const char *characters, size_t rank, uint32_t *id)
{
    const json_t *value = json_object_get(r->vocab, characters);
    if (!value)
        return q_fail(Q_ERR_INPUT, "'%s': merge %zu needs '%.100s', which is no token", r->name, rank, characters);
    *id = (uint32_t)json_integer_value(value);
    if (!(r->out->kinds[*id] & VOCABULARY_BYTES))
        return q_fail(Q_ERR_INPUT, "'%s': merge %zu holds '%.100s', which is not in ByteLevel's characters", r->name,
                      rank, characters);
    return Q_OK;
}

/* A merge is a string "left right" or an array of the two. */
static q_status merge_parts(const struct reader *r, const json_t *entry, size_t rank, q_string *left, q_string *right)
{
    if (json_is_array(entry) && json_array_size(entry) == 2 && json_is_string(json_array_get(entry, 0)) &&
        json_is_string(json_array_get(entry, 1))) {
        *left = q_string_of(json_string_value(json_array_get(entry, 0)));
        *right = q_string_of(json_string_value(json_array_get(entry, 1)));
        return Q_OK;
    }
    q_string both = q_string_of(json_string_value(entry));
    size_t space = q_string_find(both, Q_STRING(" "), 0);
    if (space == SIZE_MAX || q_string_find(both, Q_STRING(" "), space + 1) != SIZE_MAX)
        return q_fail(Q_ERR_INPUT, "'%s': merge %zu is not two tokens", r->name, rank);
    *left = q_string_slice(both, 0, space);
    *right = q_string_slice(both, space + 1, both.size);
    return Q_OK;
}

static q_status read_merges(struct reader *r, const json_t *list)
{
    size_t count = json_array_size(list);
    Q_TRY(q_arena_alloc(&r->out->arena, count, sizeof(*r->out->merges), &r->out->merges));
    for (size_t rank = 0; rank < count; rank++) {
        struct vocabulary_merge *merge = &r->out->merges[rank];
        q_string parts[2];
        uint32_t *ids[2] = {&merge->left, &merge->right};
        Q_TRY(merge_parts(r, json_array_get(list, rank), rank, &parts[0], &parts[1]));
        for (int i = 0; i < 2; i++) {
            q_buffer_clear(&r->buffer);
            Q_TRY(q_buffer_append_string(&r->buffer, parts[i]));
            Q_TRY(q_buffer_terminate(&r->buffer));
            Q_TRY(find_token(r, r->buffer.data, rank, ids[i]));
        }
        q_buffer_clear(&r->buffer);
        Q_TRY(q_buffer_append_string(&r->buffer, parts[0]));
        Q_TRY(q_buffer_append_string(&r->buffer, parts[1]));
        Q_TRY(q_buffer_terminate(&r->buffer));
        Q_TRY(find_token(r, r->buffer.data, rank, &merge->id));
        r->out->merge_count++;
    }
    return Q_OK;
}

static q_status read_added(struct reader *r, const json_t *list)
{
    static const char *const off[] = {"single_word", "lstrip", "rstrip"};
    struct vocabulary *out = r->out;
    Q_TRY(q_arena_alloc(&out->arena, json_array_size(list), sizeof(*out->added), &out->added));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        struct vocabulary_added *added = &out->added[out->added_count];
        q_string text;
        Q_TRY(q_json_get_string(entry, r->name, "content", &text));
        if (text.size == 0 || text.size > VOCABULARY_TOKEN_BYTES_MAX)
            return q_fail(Q_ERR_INPUT, "'%s': an added token has %zu bytes; 1 to %d are allowed", r->name, text.size,
                          VOCABULARY_TOKEN_BYTES_MAX);
        for (size_t k = 0; k < Q_COUNT_OF(off); k++)
            if (!is_off(entry, off[k]))
                return refuse(r, "an added token with the flag", q_string_of(off[k]));
        added->id = (uint32_t)json_integer_value(json_object_get(entry, "id"));
        Q_TRY(q_arena_string(&out->arena, text, &added->text));
        const json_t *in_vocab = json_object_get(r->vocab, added->text.data);
        if (in_vocab ? (uint32_t)json_integer_value(in_vocab) != added->id : out->tokens[added->id].data != NULL)
            return q_fail(Q_ERR_INPUT, "'%s': added token '%.*s' has id %u, which the vocabulary gives otherwise",
                          r->name, Q_STRING_ARGS(text), added->id);
        added->special = !is_off(entry, "special");
        added->normalized = !is_off(entry, "normalized");
        added->match = added->text;
        out->kinds[added->id] |= VOCABULARY_ADDED;
        out->tokens[added->id] = added->text;
        out->added_count++;
    }
    return Q_OK;
}

static q_status read_tokens(struct reader *r, const json_t *root, const json_t *model)
{
    json_t *added = NULL, *merges, *vocab;
    Q_TRY(q_json_get_object(model, r->name, "vocab", &vocab));
    Q_TRY(q_json_get_array(model, r->name, "merges", &merges));
    if (!is_null(root, "added_tokens"))
        Q_TRY(q_json_get_array(root, r->name, "added_tokens", &added));
    r->vocab = vocab;
    Q_TRY(find_size(r, added));
    Q_TRY(read_vocab(r));
    Q_TRY(read_merges(r, merges));
    return read_added(r, added);
}

q_status vocabulary_parse(q_string text, const char *name, struct vocabulary *out)
{
    struct reader r = {.name = name, .out = out};
    json_t *root = NULL, *model;
    q_status status;
    Q_TRY_GOTO(done, q_json_parse(text, name, &root));
    Q_TRY_GOTO(done, q_json_get_object(root, name, "model", &model));
    Q_TRY_GOTO(done, read_frame(&r, root, model));
    status = read_tokens(&r, root, model);
done:
    json_decref(root);
    q_buffer_release(&r.buffer);
    return status;
}

q_status vocabulary_read(const char *path, struct vocabulary *out)
{
    struct q_buffer bytes = {0};
    struct q_arena arena = {0};
    q_status status = Q_OK;
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
