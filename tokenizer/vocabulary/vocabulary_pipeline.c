/* The pipeline of a tokenizer.json, in and out (docs/formats/tokenizer.md has the table of what is read and what is refused). */
#include "tokenizer/vocabulary/vocabulary_pipeline.h"

#include "base/check.h"

enum { NESTING_MAX = 8 /* of Sequences in Sequences */ };

q_status vocabulary_refuse(const char *name, const char *what, q_string value)
{
    return q_fail(Q_ERR_INPUT, "'%s' has %s '%.*s', which quern cannot reproduce", name, what,
                  (int)Q_MIN(value.size, (size_t)200), value.data ? value.data : "");
}

static bool is_null(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return !value || json_is_null(value);
}

/* The member is absent, null, false, 0 or "": all mean "not used". */
static bool is_off(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return is_null(object, key) || json_is_false(value) || (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_number(value) && json_number_value(value) == 0);
}

static q_status read_bool(const json_t *object, const char *name, const char *key, bool absent, bool *out)
{
    const json_t *value = json_object_get(object, key);
    if (value && !json_is_null(value) && !json_is_boolean(value))
        return q_fail(Q_ERR_INPUT, "'%s': '%s' is neither true nor false", name, key);
    *out = json_is_boolean(value) ? json_is_true(value) : absent;
    return Q_OK;
}

/* The normal form of a normal form: a compatible one stays compatible, and the last says whether it is composed. */
static enum normalization then(enum normalization first, enum normalization second)
{
    if (first == NORMALIZATION_NONE || second == NORMALIZATION_NONE)
        return first == NORMALIZATION_NONE ? second : first;
    bool compatible = first >= NORMALIZATION_NFKC || second >= NORMALIZATION_NFKC;
    bool composed = second == NORMALIZATION_NFC || second == NORMALIZATION_NFKC;
    return compatible ? (composed ? NORMALIZATION_NFKC : NORMALIZATION_NFKD)
                      : (composed ? NORMALIZATION_NFC : NORMALIZATION_NFD);
}

static q_status read_normalizer(const json_t *entry, const char *name, unsigned depth, enum normalization *form)
{
    static const enum normalization forms[] = {NORMALIZATION_NFC, NORMALIZATION_NFD, NORMALIZATION_NFKC,
                                               NORMALIZATION_NFKD};
    q_string type;
    json_t *list;
    Q_TRY(q_json_get_string(entry, name, "type", &type));
    for (size_t i = 0; i < Q_COUNT_OF(forms); i++) {
        if (q_string_is(type, normalization_name(forms[i]))) {
            *form = then(*form, forms[i]);
            return Q_OK;
        }
    }
    if (!q_string_is(type, "Sequence") || depth == NESTING_MAX)
        return vocabulary_refuse(name, "a normalizer", type);
    Q_TRY(q_json_get_array(entry, name, "normalizers", &list));
    for (size_t i = 0; i < json_array_size(list); i++)
        Q_TRY(read_normalizer(json_array_get(list, i), name, depth + 1, form));
    return Q_OK;
}

/* The rules so far, while the pretokenizer's sequence is walked. */
struct rules {
    struct pretokenize_rule list[PRETOKENIZE_RULES_MAX];
    size_t count;
    bool byte_level; /* ByteLevel has come: what follows would see its characters, not the text's */
    struct vocabulary *out;
    const char *name;
};

static q_status add_rule(struct rules *rules, struct pretokenize_rule rule)
{
    if (rules->count == PRETOKENIZE_RULES_MAX)
        return q_fail(Q_ERR_INPUT, "'%s' has more than %d pretokenizers in sequence", rules->name,
                      PRETOKENIZE_RULES_MAX);
    rules->list[rules->count++] = rule;
    return Q_OK;
}

static q_status read_split(struct rules *rules, const json_t *entry)
{
    static const struct {
        const char *name;
        enum pretokenize_behavior behavior;
    } behaviors[] = {{"Isolated", PRETOKENIZE_ISOLATED},
                     {"MergedWithPrevious", PRETOKENIZE_MERGED_WITH_PREVIOUS},
                     {"MergedWithNext", PRETOKENIZE_MERGED_WITH_NEXT},
                     {"Contiguous", PRETOKENIZE_CONTIGUOUS}};
    struct pretokenize_rule rule = {.kind = PRETOKENIZE_REGEX};
    json_t *pattern;
    q_string behavior;
    size_t i = 0;
    Q_TRY(q_json_get_object(entry, rules->name, "pattern", &pattern));
    if (json_object_get(pattern, "String"))
        rule.kind = PRETOKENIZE_STRING;
    Q_TRY(q_json_get_string(pattern, rules->name, rule.kind == PRETOKENIZE_STRING ? "String" : "Regex", &rule.pattern));
    if (!rule.pattern.size)
        return q_fail(Q_ERR_INPUT, "'%s' has a Split with an empty pattern", rules->name);
    Q_TRY(q_json_get_string(entry, rules->name, "behavior", &behavior));
    while (i < Q_COUNT_OF(behaviors) && !q_string_is(behavior, behaviors[i].name))
        i++;
    if (i == Q_COUNT_OF(behaviors)) /* Removed, which loses bytes, or one that is yet to come */
        return vocabulary_refuse(rules->name, "a Split of behavior", behavior);
    rule.behavior = behaviors[i].behavior;
    Q_TRY(read_bool(entry, rules->name, "invert", false, &rule.invert));
    return add_rule(rules, rule);
}

/* add_prefix_space works on each piece that comes to ByteLevel, so behind another rule it would put spaces inside the text. */
static q_status read_byte_level(struct rules *rules, const json_t *entry)
{
    struct pretokenize_rule rule = {.kind = PRETOKENIZE_REGEX, .pattern = Q_STRING(VOCABULARY_BYTE_LEVEL_PATTERN)};
    bool use_regex;
    Q_TRY(read_bool(entry, rules->name, "add_prefix_space", true, &rules->out->prefix_space));
    Q_TRY(read_bool(entry, rules->name, "use_regex", true, &use_regex));
    if (rules->out->prefix_space && rules->count)
        return vocabulary_refuse(rules->name, "a ByteLevel behind another pretokenizer with",
                                 Q_STRING("add_prefix_space"));
    rules->byte_level = true;
    return use_regex ? add_rule(rules, rule) : Q_OK;
}

static q_status read_digits(struct rules *rules, const json_t *entry)
{
    struct pretokenize_rule rule = {.kind = PRETOKENIZE_DIGITS};
    Q_TRY(read_bool(entry, rules->name, "individual_digits", false, &rule.individual_digits));
    rule.behavior = rule.individual_digits ? PRETOKENIZE_ISOLATED : PRETOKENIZE_CONTIGUOUS;
    return add_rule(rules, rule);
}

static q_status read_rule(struct rules *rules, const json_t *entry, unsigned depth)
{
    q_string type;
    json_t *list;
    Q_TRY(q_json_get_string(entry, rules->name, "type", &type));
    if (q_string_is(type, "Sequence") && depth < NESTING_MAX) {
        Q_TRY(q_json_get_array(entry, rules->name, "pretokenizers", &list));
        for (size_t i = 0; i < json_array_size(list); i++)
            Q_TRY(read_rule(rules, json_array_get(list, i), depth + 1));
        return Q_OK;
    }
    if (rules->byte_level)
        return vocabulary_refuse(rules->name, "behind its ByteLevel the pretokenizer", type);
    if (q_string_is(type, "Split"))
        return read_split(rules, entry);
    if (q_string_is(type, "Digits"))
        return read_digits(rules, entry);
    return q_string_is(type, "ByteLevel") ? read_byte_level(rules, entry)
                                          : vocabulary_refuse(rules->name, "a pretokenizer", type);
}

static q_status read_pretokenizer(const json_t *root, const char *name, struct vocabulary *out)
{
    struct rules rules = {.out = out, .name = name};
    json_t *entry;
    Q_TRY(q_json_get_object(root, name, "pre_tokenizer", &entry));
    Q_TRY(read_rule(&rules, entry, 0));
    if (!rules.byte_level)
        return q_fail(Q_ERR_INPUT, "'%s' has no ByteLevel pretokenizer, and quern knows byte-level BPE only", name);
    return q_context(pretokenizer_create(rules.list, rules.count, &out->pretokenizer), "'%s'", name);
}

/* ByteLevel, or a Sequence of it and of Fuse, which has nothing left to do. */
static q_status read_decoder(const json_t *entry, const char *name, unsigned depth, unsigned *byte_levels)
{
    q_string type;
    json_t *list;
    Q_TRY(q_json_get_string(entry, name, "type", &type));
    if (q_string_is(type, "Sequence") && depth < NESTING_MAX) {
        Q_TRY(q_json_get_array(entry, name, "decoders", &list));
        for (size_t i = 0; i < json_array_size(list); i++)
            Q_TRY(read_decoder(json_array_get(list, i), name, depth + 1, byte_levels));
        return Q_OK;
    }
    if (q_string_is(type, "ByteLevel"))
        return ++*byte_levels == 1 ? Q_OK : vocabulary_refuse(name, "a second decoder", type);
    return q_string_is(type, "Fuse") ? Q_OK : vocabulary_refuse(name, "a decoder", type);
}

/* unk_token, fuse_unk and byte_fallback say what becomes of characters that are no token: there are none, as all bytes are tokens. */
static q_status read_model(const json_t *root, const char *name, struct vocabulary *out)
{
    static const char *const off[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix"};
    q_string type;
    json_t *model;
    Q_TRY(q_json_get_object(root, name, "model", &model));
    if (!is_null(model, "type")) { /* files of before 2020 have none */
        Q_TRY(q_json_get_string(model, name, "type", &type));
        if (!q_string_is(type, "BPE"))
            return vocabulary_refuse(name, "a model", type);
    }
    for (size_t i = 0; i < Q_COUNT_OF(off); i++)
        if (!is_off(model, off[i]))
            return vocabulary_refuse(name, "the model's setting", q_string_of(off[i]));
    return read_bool(model, name, "ignore_merges", false, &out->ignore_merges);
}

q_status vocabulary_read_pipeline(const json_t *root, const char *name, struct vocabulary *out)
{
    unsigned byte_levels = 0;
    json_t *decoder;
    Q_TRY(read_model(root, name, out));
    if (!is_null(root, "truncation") || !is_null(root, "padding"))
        return vocabulary_refuse(name, "the setting", q_string_of(is_null(root, "padding") ? "truncation" : "padding"));
    if (!is_null(root, "normalizer"))
        Q_TRY(read_normalizer(json_object_get(root, "normalizer"), name, 0, &out->normalization));
    Q_TRY(q_json_get_object(root, name, "decoder", &decoder));
    Q_TRY(read_decoder(decoder, name, 0, &byte_levels));
    if (!byte_levels)
        return q_fail(Q_ERR_INPUT, "'%s' has no ByteLevel decoder, and quern knows byte-level BPE only", name);
    return read_pretokenizer(root, name, out);
}

q_status vocabulary_put_quoted(struct q_buffer *out, q_string text)
{
    struct q_json json = q_json_begin(out);
    q_json_put_string(&json, NULL, text);
    return q_json_end(&json);
}

static q_status put_rule(const struct pretokenize_rule *rule, struct q_buffer *out)
{
    static const char *const behaviors[] = {[PRETOKENIZE_ISOLATED] = "Isolated",
                                            [PRETOKENIZE_MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
                                            [PRETOKENIZE_MERGED_WITH_NEXT] = "MergedWithNext",
                                            [PRETOKENIZE_CONTIGUOUS] = "Contiguous"};
    if (rule->kind == PRETOKENIZE_DIGITS)
        return q_buffer_printf(out, "      {\"type\": \"Digits\", \"individual_digits\": %s},\n",
                               rule->individual_digits ? "true" : "false");
    Q_TRY(q_buffer_printf(out, "      {\"type\": \"Split\", \"pattern\": {\"%s\": ",
                          rule->kind == PRETOKENIZE_STRING ? "String" : "Regex"));
    Q_TRY(vocabulary_put_quoted(out, rule->pattern));
    return q_buffer_printf(out, "}, \"behavior\": \"%s\", \"invert\": %s},\n", behaviors[rule->behavior],
                           rule->invert ? "true" : "false");
}

/* Splits and then a ByteLevel that does not split; but where it adds a space it is alone, and the pattern its own. */
static q_status put_pretokenizer(const struct vocabulary *vocabulary, struct q_buffer *out)
{
    const struct pretokenizer *pretokenizer = vocabulary->pretokenizer;
    if (vocabulary->prefix_space)
        return q_buffer_printf(out,
                               "  \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, "
                               "\"trim_offsets\": true, \"use_regex\": %s},\n",
                               pretokenizer->rule_count ? "true" : "false");
    Q_TRY(q_buffer_printf(out, "  \"pre_tokenizer\": {\n    \"type\": \"Sequence\",\n    \"pretokenizers\": [\n"));
    for (size_t i = 0; i < pretokenizer->rule_count; i++)
        Q_TRY(put_rule(&pretokenizer->rules[i], out));
    return q_buffer_printf(
        out,
        "      {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": false}\n"
        "    ]\n  },\n");
}

q_status vocabulary_write_pipeline(const struct vocabulary *vocabulary, struct q_buffer *out)
{
    if (vocabulary->normalization == NORMALIZATION_NONE)
        Q_TRY(q_buffer_printf(out, "  \"normalizer\": null,\n"));
    else
        Q_TRY(q_buffer_printf(out, "  \"normalizer\": {\"type\": \"%s\"},\n",
                              normalization_name(vocabulary->normalization)));
    Q_TRY(put_pretokenizer(vocabulary, out));
    return q_buffer_printf(out, "  \"post_processor\": null,\n"
                                "  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, "
                                "\"trim_offsets\": true, \"use_regex\": true},\n");
}
