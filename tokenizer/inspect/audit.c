#include "tokenizer/inspect/audit.h"

#include "base/check.h"
#include "base/json.h"
#include "tokenizer/encode/bpe_index.h"
#include "tokenizer/inspect/token_kinds.h"
#include "tokenizer/unicode/unicode_classes.h"
#include "tokenizer/unicode/utf8_decode.h"
#include "tokenizer/vocabulary/vocabulary_layout.h"

#include <stdlib.h>

enum { RARE_MAX = 2 };

static void ids_release(struct audit_ids *ids)
{
    q_release(ids->ids);
    *ids = (struct audit_ids){0};
}

static q_status add_id(struct audit_ids *ids, uint32_t id)
{
    Q_TRY(q_grow(&ids->ids, &ids->capacity, ids->count + 1, sizeof(*ids->ids)));
    ids->ids[ids->count++] = id;
    return Q_OK;
}

void audit_release(struct audit *audit)
{
    q_release(audit->reach);
    q_release(audit->ranges);
    q_release(audit->kinds);
    ids_release(&audit->unreachable);
    ids_release(&audit->partial);
    ids_release(&audit->line_breaks);
    ids_release(&audit->unused);
    ids_release(&audit->rare);
    if (audit->measured)
        text_measure_release(&audit->measure);
    *audit = (struct audit){0};
}

static const char *range_kind(const struct audit *audit, uint32_t id)
{
    q_string bytes = tokenizer_bytes(audit->tokenizer, id);
    if (audit->reach[id] == TOKEN_MISSING)
        return "none";
    if (audit->reach[id] == TOKEN_ADDED)
        return vocabulary_is_placeholder(bytes) ? "placeholder" : "added";
    return bytes.size == 1 ? "byte" : "token";
}

static q_status add_to_range(struct audit *audit, uint32_t id)
{
    const char *kind = range_kind(audit, id);
    struct audit_range *last = audit->range_count ? &audit->ranges[audit->range_count - 1] : NULL;
    if (last && !strcmp(last->kind, kind)) {
        last->last = id;
        return Q_OK;
    }
    Q_TRY(q_grow(&audit->ranges, &audit->range_capacity, audit->range_count + 1, sizeof(*audit->ranges)));
    audit->ranges[audit->range_count++] = (struct audit_range){id, id, kind};
    return Q_OK;
}

static q_status add_to_kind(struct audit *audit, const char *name)
{
    for (size_t i = 0; i < audit->kind_count; i++)
        if (!strcmp(audit->kinds[i].name, name)) {
            audit->kinds[i].tokens++;
            return Q_OK;
        }
    Q_TRY(q_grow(&audit->kinds, &audit->kind_capacity, audit->kind_count + 1, sizeof(*audit->kinds)));
    audit->kinds[audit->kind_count++] = (struct audit_kind){name, 1};
    return Q_OK;
}

static int by_falling_tokens(const void *left, const void *right)
{
    const struct audit_kind *a = left, *b = right;
    return a->tokens != b->tokens ? (a->tokens < b->tokens) - (a->tokens > b->tokens) : strcmp(a->name, b->name);
}

static q_status add_shape(struct audit *audit, uint32_t id, q_string bytes)
{
    struct token_shape shape = token_shape(bytes);
    if (shape.head + shape.tail == 0 && !shape.broken)
        return Q_OK;
    if (bytes.size == 1) {
        audit->single_byte++;
        return Q_OK;
    }
    audit->both += shape.head && shape.tail;
    audit->head += shape.head && !shape.tail;
    audit->tail += shape.tail && !shape.head;
    return add_id(&audit->partial, id);
}

static void add_digits(struct audit *audit, q_string bytes)
{
    static const size_t first_of[4] = {0, 0, 10, 110};
    size_t number = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        if (bytes.data[i] < '0' || bytes.data[i] > '9')
            return;
        number = i < 3 ? number * 10 + (size_t)(bytes.data[i] - '0') : 0;
    }
    if (bytes.size <= 3)
        audit->has_digits[first_of[bytes.size] + number] = true;
    audit->digits[bytes.size <= 3 ? bytes.size : 0]++;
}

/* Line breaks behind at least one sign, and nothing else but blanks before it. */
static bool joins_line_breaks(q_string bytes)
{
    const uint8_t *at = (const uint8_t *)bytes.data, *end = at + bytes.size;
    bool signs = false, breaks = false;
    while (at < end) {
        struct utf8_code decoded = utf8_decode(at, end);
        unsigned class = unicode_class(decoded.code);
        bool is_break = decoded.code == '\n' || decoded.code == '\r';
        if (breaks && !is_break)
            return false;
        if (!is_break && decoded.code != ' ' && !(class & (UNICODE_PUNCTUATION | UNICODE_SYMBOL)))
            return false;
        signs = signs || class & (UNICODE_PUNCTUATION | UNICODE_SYMBOL);
        breaks = breaks || is_break;
        at += decoded.bytes;
    }
    return signs && breaks && q_utf8_valid(bytes);
}

/* The longest so far, by falling bytes, the lower id first. */
static void add_longest(struct audit *audit, uint32_t id, size_t size)
{
    size_t at = audit->longest_count;
    while (at > 0 && tokenizer_bytes(audit->tokenizer, audit->longest[at - 1]).size < size)
        at--;
    if (at == AUDIT_LONGEST)
        return;
    audit->longest_count = Q_MIN(audit->longest_count + 1, (size_t)AUDIT_LONGEST);
    for (size_t i = audit->longest_count - 1; i > at; i--)
        audit->longest[i] = audit->longest[i - 1];
    audit->longest[at] = id;
}

static q_status add_token(struct audit *audit, uint32_t id)
{
    q_string bytes = tokenizer_bytes(audit->tokenizer, id);
    audit->reach_counts[audit->reach[id]]++;
    Q_TRY(add_to_range(audit, id));
    if (audit->reach[id] == TOKEN_MISSING)
        return Q_OK;
    if (audit->reach[id] == TOKEN_ADDED)
        return add_to_kind(audit, "special");
    audit->tokens++;
    Q_TRY(add_to_kind(audit, token_kind(bytes)));
    if (audit->reach[id] != TOKEN_REACHED)
        Q_TRY(add_id(&audit->unreachable, id));
    Q_TRY(add_shape(audit, id, bytes));
    add_digits(audit, bytes);
    add_longest(audit, id, bytes.size);
    return joins_line_breaks(bytes) ? add_id(&audit->line_breaks, id) : Q_OK;
}

q_status audit_cover(struct audit *audit)
{
    struct bpe_workspace workspace = {0};
    q_status status = Q_OK;
    for (uint32_t code = 0; code < UNICODE_CODE_POINTS && !status; code++) {
        struct audit_coverage *coverage = &audit->coverage[unicode_script(code)];
        uint8_t bytes[4];
        uint32_t ids[4];
        size_t count;
        if (coverage == &audit->coverage[UNICODE_SCRIPT_UNKNOWN])
            continue;
        status = bpe_merge(audit->tokenizer, &workspace, bytes, utf8_encode(code, bytes), ids, &count);
        coverage->characters++;
        coverage->one += count == 1;
        coverage->two += count == 2;
        coverage->more += count > 2;
    }
    bpe_workspace_release(&workspace);
    return status;
}

static q_status list_uses(struct audit *audit)
{
    for (uint32_t id = 0; id < tokenizer_size(audit->tokenizer); id++) {
        uint64_t uses = audit->measure.uses[0][id];
        if (audit->reach[id] != TOKEN_REACHED || uses > RARE_MAX)
            continue;
        Q_TRY(add_id(uses ? &audit->rare : &audit->unused, id));
    }
    return Q_OK;
}

q_status audit_run(struct audit *audit, const struct tokenizer *tokenizer, struct text_source *source,
                   struct q_pool *pool)
{
    *audit = (struct audit){.tokenizer = tokenizer};
    Q_TRY(q_alloc_zero(tokenizer_size(tokenizer), sizeof(*audit->reach), &audit->reach));
    Q_TRY(audit_reach(tokenizer, pool, audit->reach));
    for (uint32_t id = 0; id < tokenizer_size(tokenizer); id++)
        Q_TRY(add_token(audit, id));
    if (audit->kind_count)
        qsort(audit->kinds, audit->kind_count, sizeof(*audit->kinds), by_falling_tokens);
    Q_TRY(audit_cover(audit));
    Q_TRY(audit_twins(audit));
    if (!source)
        return Q_OK;
    audit->measured = true;
    Q_TRY(text_measure(source, pool, &tokenizer, 1, false, &audit->measure));
    return list_uses(audit);
}
