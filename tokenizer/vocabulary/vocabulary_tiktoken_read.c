#include "base/check.h"
#include "base/fs.h"
#include "base/json.h"
#include "tokenizer/vocabulary/tiktoken_merges.h"
#include "tokenizer/vocabulary/vocabulary_tiktoken.h"

enum { FILE_BYTES_MAX = 32 << 20, COMPANION_BYTES_MAX = 16 << 20, SPECIAL_MAX = 5 };

/* What tiktoken itself knows of the files that OpenAI has published (tiktoken_ext/openai_public.py of 0.14). */
static const struct known {
    const char *file, *pretokenizer;
    struct {
        const char *text;
        uint32_t id;
    } special[SPECIAL_MAX];
} known_files[] = {
    {"r50k_base.tiktoken", "gpt2", {{"<|endoftext|>", 50256}}},
    {"p50k_base.tiktoken", "gpt2", {{"<|endoftext|>", 50256}}},
    {"cl100k_base.tiktoken",
     "cl100k",
     {{"<|endoftext|>", 100257},
      {"<|fim_prefix|>", 100258},
      {"<|fim_middle|>", 100259},
      {"<|fim_suffix|>", 100260},
      {"<|endofprompt|>", 100276}}},
    {"o200k_base.tiktoken", "o200k", {{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}}},
};

bool vocabulary_is_tiktoken(const char *path)
{
    return q_string_ends(q_string_of(path), ".tiktoken");
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters are three bytes; at the end "=" fills up. *valid false: no base64. */
static q_status decode_base64(q_string text, struct q_buffer *out, bool *valid)
{
    uint32_t bits = 0;
    unsigned held = 0;
    *valid = text.size % 4 == 0;
    for (size_t fill = 0; fill < 2 && text.size && text.data[text.size - 1] == '='; fill++)
        text.size--;
    for (size_t i = 0; i < text.size && *valid; i++) {
        int digit = base64_digit(text.data[i]);
        *valid = digit >= 0;
        bits = bits << 6 | (uint32_t)(digit & 63);
        held += 6;
        if (held >= 8) {
            held -= 8;
            Q_TRY(q_buffer_append_byte(out, (char)(bits >> held & 0xFF)));
        }
    }
    *valid = *valid && held < 6 && !(bits & ((1u << held) - 1)); /* what is left over is zero */
    return Q_OK;
}

/* The arrays by id, for `size` ids; what they hold is kept. */
static q_status make_room(struct vocabulary *out, uint32_t size)
{
    q_string *tokens;
    uint8_t *kinds;
    if (size <= out->size)
        return Q_OK;
    Q_TRY(q_arena_alloc(&out->arena, size, sizeof(*tokens), &tokens));
    Q_TRY(q_arena_alloc(&out->arena, size, sizeof(*kinds), &kinds));
    if (out->size) {
        memcpy(tokens, out->tokens, out->size * sizeof(*tokens));
        memcpy(kinds, out->kinds, out->size * sizeof(*kinds));
    }
    out->tokens = tokens;
    out->kinds = kinds;
    out->size = size;
    return Q_OK;
}

/* Lines as they are read: a token and its rank. */
struct ranks {
    const char *name;
    struct rank {
        q_string bytes;
        uint32_t id;
    } * items;
    size_t count, capacity;
    struct q_buffer scratch;
};

static q_status read_line(struct ranks *ranks, struct vocabulary *out, q_string line, size_t number)
{
    size_t space = q_string_find(line, Q_STRING(" "), 0);
    struct rank rank;
    uint64_t id;
    bool valid;
    q_buffer_clear(&ranks->scratch);
    Q_TRY(decode_base64(q_string_slice(line, 0, space), &ranks->scratch, &valid));
    if (!valid || !ranks->scratch.size || ranks->scratch.size > TIKTOKEN_TOKEN_BYTES_MAX)
        return q_fail(Q_ERR_INPUT, "%s: line %zu: no token in base64 of 1 to %d bytes", ranks->name, number,
                      TIKTOKEN_TOKEN_BYTES_MAX);
    if (space == SIZE_MAX || q_parse_u64(q_string_slice(line, space + 1, line.size), &id) || id >= VOCABULARY_SIZE_MAX)
        return q_fail(Q_ERR_INPUT, "%s: line %zu: no rank below %d", ranks->name, number, VOCABULARY_SIZE_MAX);
    rank.id = (uint32_t)id;
    Q_TRY(q_arena_string(&out->arena, q_buffer_string(&ranks->scratch), &rank.bytes));
    if (ranks->count == ranks->capacity)
        Q_TRY(q_grow(&ranks->items, &ranks->capacity, ranks->count + 1, sizeof(*ranks->items)));
    ranks->items[ranks->count++] = rank;
    return Q_OK;
}

static q_status read_lines(struct ranks *ranks, struct vocabulary *out, q_string text)
{
    q_string line;
    for (size_t number = 1; q_string_next_line(&text, &line); number++) {
        line = q_string_trim(line);
        if (line.size)
            Q_TRY(read_line(ranks, out, line, number));
    }
    return Q_OK;
}

static q_status place_tokens(const struct ranks *ranks, struct token_table *table, struct vocabulary *out)
{
    uint32_t size = 0;
    for (size_t i = 0; i < ranks->count; i++)
        size = Q_MAX(size, ranks->items[i].id + 1);
    Q_TRY(make_room(out, size));
    Q_TRY(token_table_create(ranks->count, table));
    table->tokens = out->tokens;
    for (size_t i = 0; i < ranks->count; i++) {
        const struct rank *rank = &ranks->items[i];
        uint32_t *slot = token_table_slot(table, rank->bytes);
        if (*slot || out->kinds[rank->id])
            return q_fail(Q_ERR_INPUT, "'%s': rank %u is given twice, or its token", ranks->name, rank->id);
        *slot = rank->id + 1;
        out->tokens[rank->id] = rank->bytes;
        out->kinds[rank->id] = VOCABULARY_MODEL | VOCABULARY_BYTES;
    }
    for (unsigned b = 0; b < 256; b++) {
        char byte = (char)b;
        out->byte_id[b] = token_table_find(table, (q_string){&byte, 1});
        if (out->byte_id[b] == UINT32_MAX)
            return q_fail(Q_ERR_INPUT, "'%s' has no token for byte 0x%02x", ranks->name, b);
    }
    return Q_OK;
}

static q_status place_merges(const struct token_table *table, struct vocabulary *out)
{
    struct vocabulary_merge *merges = NULL;
    size_t count = 0, capacity = 0;
    q_status status = tiktoken_merges(table, out->size, &merges, &count, &capacity);
    if (!status)
        status = q_arena_alloc(&out->arena, count, sizeof(*merges), &out->merges);
    if (!status && count)
        memcpy(out->merges, merges, count * sizeof(*merges));
    out->merge_count = status ? 0 : count;
    q_release(merges);
    return status;
}

q_status vocabulary_parse_tiktoken(q_string text, const char *name, struct vocabulary *out)
{
    struct ranks ranks = {.name = name};
    struct token_table table = {0};
    q_status status = read_lines(&ranks, out, text);
    if (!status)
        status = place_tokens(&ranks, &table, out);
    if (!status)
        status = place_merges(&table, out);
    /* Where each token is what merging its bytes gives, to look the whole piece up first changes nothing. */
    out->ignore_merges = ranks.count > 256 + out->merge_count;
    token_table_release(&table);
    q_release(ranks.items);
    q_buffer_release(&ranks.scratch);
    return status;
}

/* Ids above all so far are common; one that is a token's already is an error. */
static q_status add_special(struct vocabulary *out, const char *name, q_string text, uint64_t id)
{
    if (id >= VOCABULARY_SIZE_MAX || (id < out->size && out->kinds[id]))
        return q_fail(Q_ERR_INPUT, "'%s': special token '%.*s' has an id that is taken or not below %d", name,
                      (int)Q_MIN(text.size, (size_t)100), text.data, VOCABULARY_SIZE_MAX);
    if (!text.size || text.size > VOCABULARY_TOKEN_BYTES_MAX)
        return q_fail(Q_ERR_INPUT, "'%s': a special token of %zu bytes; 1 to %d are allowed", name, text.size,
                      VOCABULARY_TOKEN_BYTES_MAX);
    struct vocabulary_added *added = &out->added[out->added_count];
    Q_TRY(make_room(out, (uint32_t)id + 1));
    Q_TRY(q_arena_string(&out->arena, text, &added->text));
    added->match = added->text;
    added->id = (uint32_t)id;
    added->special = true;
    out->tokens[id] = added->text;
    out->kinds[id] = VOCABULARY_ADDED;
    out->added_count++;
    return Q_OK;
}

static q_status add_specials(struct vocabulary *out, const char *name, json_t *special)
{
    const char *text;
    json_t *id;
    uint32_t highest = 0;
    Q_TRY(q_arena_alloc(&out->arena, json_object_size(special), sizeof(*out->added), &out->added));
    json_object_foreach(special, text, id)
    {
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= VOCABULARY_SIZE_MAX)
            return q_fail(Q_ERR_INPUT, "'%s': the id of special token '%.100s' is no number below %d", name, text,
                          VOCABULARY_SIZE_MAX);
        highest = Q_MAX(highest, (uint32_t)json_integer_value(id));
    }
    Q_TRY(make_room(out, json_object_size(special) ? highest + 1 : 0)); /* once, not for each */
    json_object_foreach(special, text, id)
        Q_TRY(add_special(out, name, q_string_of(text), (uint64_t)json_integer_value(id)));
    return Q_OK;
}

/* A built-in's name, or a regular expression. */
static q_status set_pattern(struct vocabulary *out, const char *name, q_string pattern)
{
    const struct pretokenize_rule rule = {.kind = PRETOKENIZE_REGEX, .pattern = pattern};
    out->pretokenizer = pretokenizer_named(pattern);
    return out->pretokenizer ? Q_OK : q_context(pretokenizer_create(&rule, 1, &out->pretokenizer), "'%s'", name);
}

static q_status read_companion(const json_t *root, const char *name, q_string *pattern, json_t **special)
{
    static const char *const members[] = {"name", "pretokenizer", "pat_str", "special_tokens", "explicit_n_vocab"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)root, key, value)
    {
        size_t i = 0;
        while (i < Q_COUNT_OF(members) && strcmp(key, members[i]) != 0)
            i++;
        if (i == Q_COUNT_OF(members))
            return q_fail(Q_ERR_INPUT, "'%s' has the member '%.100s', which is not known", name, key);
    }
    *pattern = (q_string){0};
    if (json_object_get(root, "pretokenizer")) {
        Q_TRY(q_json_get_string(root, name, "pretokenizer", pattern));
        if (!pretokenizer_named(*pattern))
            return q_fail(Q_ERR_INPUT, "'%s': there is no pretokenizer '%.*s'", name, Q_STRING_ARGS(*pattern));
    } else if (json_object_get(root, "pat_str")) {
        Q_TRY(q_json_get_string(root, name, "pat_str", pattern));
    }
    return json_object_get(root, "special_tokens") ? q_json_get_object(root, name, "special_tokens", special) : Q_OK;
}

q_status vocabulary_parse_tiktoken_companion(q_string text, const char *name, const char *pattern,
                                             struct vocabulary *out)
{
    json_t *root = NULL, *special = NULL;
    q_string said;
    q_status status;
    Q_TRY_GOTO(done, q_json_parse(text, name, &root));
    if (!json_is_object(root))
        Q_TRY_GOTO(done, q_fail(Q_ERR_INPUT, "'%s' is no JSON object", name));
    Q_TRY_GOTO(done, read_companion(root, name, &said, &special));
    if (pattern)
        said = q_string_of(pattern);
    if (!said.size)
        Q_TRY_GOTO(done, q_fail(Q_ERR_INPUT, "'%s' has neither 'pretokenizer' nor 'pat_str'", name));
    Q_TRY_GOTO(done, set_pattern(out, name, said));
    status = special ? add_specials(out, name, special) : Q_OK;
done:
    json_decref(root);
    return status;
}

/* Without a companion: a file that is known by its name, or one whose pattern the caller gives. */
static q_status use_known(const char *path, const char *pattern, struct vocabulary *out)
{
    const char *slash = strrchr(path, '/');
    for (size_t i = 0; i < Q_COUNT_OF(known_files); i++) {
        const struct known *known = &known_files[i];
        if (strcmp(slash ? slash + 1 : path, known->file) != 0)
            continue;
        Q_TRY(set_pattern(out, path, q_string_of(pattern ? pattern : known->pretokenizer)));
        Q_TRY(q_arena_alloc(&out->arena, SPECIAL_MAX, sizeof(*out->added), &out->added));
        for (size_t k = 0; k < SPECIAL_MAX && known->special[k].text; k++)
            Q_TRY(add_special(out, path, q_string_of(known->special[k].text), known->special[k].id));
        return Q_OK;
    }
    if (pattern)
        return set_pattern(out, path, q_string_of(pattern));
    return q_fail(Q_ERR_INPUT,
                  "'%s' does not say its pattern, nor does '%s.json', which is not there; see "
                  "docs/formats/tokenizer.md, or 'quern-tokenizer export --pattern'",
                  path, path);
}

static q_status read_beside(const char *path, const char *pattern, struct q_arena *arena, struct vocabulary *out)
{
    struct q_buffer bytes = {0};
    const char *companion;
    bool exists;
    Q_TRY(q_arena_printf(arena, &companion, "%s.json", path));
    Q_TRY(q_fs_look(companion, &exists, NULL));
    if (!exists)
        return use_known(path, pattern, out);
    q_status status = q_fs_read_file(companion, COMPANION_BYTES_MAX, &bytes);
    if (!status)
        status = vocabulary_parse_tiktoken_companion(q_buffer_string(&bytes), companion, pattern, out);
    q_buffer_release(&bytes);
    return status;
}

q_status vocabulary_read_tiktoken(const char *path, const char *pattern, struct vocabulary *out)
{
    struct q_buffer bytes = {0};
    struct q_arena arena = {0};
    q_status status = q_fs_read_file(path, FILE_BYTES_MAX, &bytes);
    if (!status)
        status = vocabulary_parse_tiktoken(q_buffer_string(&bytes), path, out);
    if (!status)
        status = read_beside(path, pattern, &arena, out);
    q_buffer_release(&bytes);
    q_arena_release(&arena);
    return status;
}
