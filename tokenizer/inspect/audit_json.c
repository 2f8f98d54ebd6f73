/* An audit as one JSON object. */
#include "base/json.h"
#include "tokenizer/inspect/audit.h"
#include "tokenizer/inspect/token_kinds.h"

/* {"id": 5, "text": "the"}, with "bytes" in hexadecimal where they are not UTF-8. */
static void put_token(const struct audit *audit, uint32_t id, struct q_json *json)
{
    static const char digits[] = "0123456789abcdef";
    q_string bytes = tokenizer_bytes(audit->tokenizer, id);
    q_json_open(json, NULL, '{');
    q_json_put_u64(json, "id", id);
    q_json_put_string(json, "text", bytes);
    if (!q_utf8_valid(bytes)) {
        struct q_buffer hex = {0};
        q_status status = Q_OK;
        for (size_t i = 0; i < bytes.size && !status; i++) {
            char pair[2] = {digits[(uint8_t)bytes.data[i] >> 4], digits[(uint8_t)bytes.data[i] & 15]};
            status = q_buffer_append(&hex, pair, sizeof(pair));
        }
        q_json_put_string(json, "bytes", q_buffer_string(&hex));
        if (status)
            json->status = status;
        q_buffer_release(&hex);
    }
    q_json_put_string(json, "reach", q_string_of(token_reach_keys[audit->reach[id]]));
    if (audit->measured)
        q_json_put_u64(json, "uses", audit->measure.uses[0][id]);
    q_json_close(json, '}');
}

static void put_tokens(const struct audit *audit, const char *key, const uint32_t *ids, size_t count,
                       struct q_json *json)
{
    q_json_open(json, key, '[');
    for (size_t i = 0; i < count; i++)
        put_token(audit, ids[i], json);
    q_json_close(json, ']');
}

static void put_ranges(const struct audit *audit, struct q_json *json)
{
    q_json_open(json, "layout", '[');
    for (size_t i = 0; i < audit->range_count; i++) {
        q_json_open(json, NULL, '{');
        q_json_put_u64(json, "first", audit->ranges[i].first);
        q_json_put_u64(json, "last", audit->ranges[i].last);
        q_json_put_string(json, "kind", q_string_of(audit->ranges[i].kind));
        q_json_close(json, '}');
    }
    q_json_close(json, ']');
}

static void put_coverage(const struct audit *audit, struct q_json *json)
{
    q_json_open(json, "coverage", '{');
    for (size_t i = UNICODE_SCRIPT_COMMON; i < UNICODE_SCRIPTS; i++) {
        const struct audit_coverage *coverage = &audit->coverage[i];
        q_json_open(json, unicode_script_names[i], '{');
        q_json_put_u64(json, "characters", coverage->characters);
        q_json_put_u64(json, "one_token", coverage->one);
        q_json_put_u64(json, "two_tokens", coverage->two);
        q_json_put_u64(json, "more_tokens", coverage->more);
        q_json_close(json, '}');
    }
    q_json_close(json, '}');
}

/* The strings of up to three digits that are no token. */
static void put_digits(const struct audit *audit, struct q_json *json)
{
    static const char *const keys[] = {"longer", "one", "two", "three"};
    static const size_t firsts[] = {0, 10, 110, 1110};
    q_json_open(json, "digits", '{');
    for (size_t i = 1; i <= 4; i++)
        q_json_put_u64(json, keys[i % 4], audit->digits[i % 4]);
    q_json_open(json, "missing", '[');
    for (size_t length = 1; length <= 3; length++)
        for (size_t i = firsts[length - 1]; i < firsts[length]; i++) {
            char text[3] = {0};
            size_t number = i - firsts[length - 1];
            if (audit->has_digits[i])
                continue;
            for (size_t k = length; k-- > 0; number /= 10)
                text[k] = (char)('0' + number % 10);
            q_json_put_string(json, NULL, (q_string){text, length});
        }
    q_json_close(json, ']');
    q_json_close(json, '}');
}

static void put_counts(const struct audit *audit, struct q_json *json)
{
    q_json_put_u64(json, "size", tokenizer_size(audit->tokenizer));
    q_json_put_u64(json, "tokens", audit->tokens);
    q_json_open(json, "reach", '{');
    for (size_t i = 0; i < TOKEN_REACH_COUNT; i++)
        q_json_put_u64(json, token_reach_keys[i], audit->reach_counts[i]);
    q_json_close(json, '}');
    q_json_open(json, "kinds", '{');
    for (size_t i = 0; i < audit->kind_count; i++)
        q_json_put_u64(json, audit->kinds[i].name, audit->kinds[i].tokens);
    q_json_close(json, '}');
    q_json_open(json, "characters", '{');
    q_json_put_u64(json, "begin_within", audit->head);
    q_json_put_u64(json, "end_within", audit->tail);
    q_json_put_u64(json, "both", audit->both);
    q_json_put_u64(json, "single_bytes", audit->single_byte);
    q_json_close(json, '}');
    q_json_open(json, "twins", '{');
    q_json_put_u64(json, "space", audit->space_twins);
    q_json_put_u64(json, "case", audit->case_twins);
    q_json_put_u64(json, "either", audit->either_twins);
    q_json_close(json, '}');
}

q_status audit_json(const struct audit *audit, struct q_buffer *out)
{
    struct q_json json = q_json_begin(out);
    q_json_open(&json, NULL, '{');
    put_counts(audit, &json);
    put_ranges(audit, &json);
    put_digits(audit, &json);
    put_coverage(audit, &json);
    put_tokens(audit, "unreachable", audit->unreachable.ids, audit->unreachable.count, &json);
    put_tokens(audit, "partial", audit->partial.ids, audit->partial.count, &json);
    put_tokens(audit, "line_breaks", audit->line_breaks.ids, audit->line_breaks.count, &json);
    put_tokens(audit, "longest", audit->longest, audit->longest_count, &json);
    if (audit->measured) {
        q_json_put_u64(&json, "measured_tokens", audit->measure.all.tokens[0]);
        put_tokens(audit, "unused", audit->unused.ids, audit->unused.count, &json);
        put_tokens(audit, "rare", audit->rare.ids, audit->rare.count, &json);
    }
    q_json_close(&json, '}');
    q_json_newline(&json);
    return q_json_end(&json);
}
