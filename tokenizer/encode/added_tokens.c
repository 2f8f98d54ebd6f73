/* The automaton of added tokens. States are in the order of a breadth-first walk, so that the children of a state lie together:
 *
 *     state 0  start         children 1..3
 *     state 1  "<"           children 4..4     fail 0
 *     state 4  "<s"          ...
 *
 * `byte` of a state is the edge that leads to it. Built from the tokens sorted by their bytes: all that share a prefix are a range of the list.
 */
#include "tokenizer/encode/added_tokens.h"

#include "base/check.h"
#include "tokenizer/unicode/unicode_classes.h"
#include "tokenizer/unicode/unicode_word.h"
#include "tokenizer/unicode/utf8_decode.h"

#include <stdlib.h>

enum { START = 0 };
#define NOWHERE UINT32_MAX /* the state that ends a search; no token; no child */

struct state {
    uint32_t first, last; /* children: first..last, none where first > last */
    uint32_t fail;  /* the state of the longest proper suffix that begins a token; NOWHERE: the search ends here */
    uint32_t token; /* the longest token that ends here: index in vocabulary.added; NOWHERE */
    uint8_t byte;
};

struct added_tokens {
    const struct vocabulary *vocabulary;
    struct state *states;
    size_t state_count, capacity;
    bool starts[256]; /* some token begins with this byte */
    uint8_t only_start;
    unsigned start_count;
};

/* While building: the tokens sorted by text, and for each state the range of those that begin with its string. */
struct builder {
    struct added_tokens *added;
    const struct vocabulary_added **sorted;
    size_t count;
    struct span {
        uint32_t from, to, depth;
    } * spans;
    size_t span_capacity;
};

static int by_match(const void *left, const void *right)
{
    const struct vocabulary_added *const *a = left, *const *b = right;
    int order = q_string_compare((*a)->match, (*b)->match);
    return order ? order : (*a > *b) - (*a < *b);
}

static q_status add_state(struct builder *b, uint8_t byte, struct span span)
{
    struct added_tokens *added = b->added;
    if (added->state_count == NOWHERE - 1)
        return q_fail(Q_ERR_MEMORY, "the added tokens are too long together");
    Q_TRY(q_grow(&added->states, &added->capacity, added->state_count + 1, sizeof(*added->states)));
    Q_TRY(q_grow(&b->spans, &b->span_capacity, added->state_count + 1, sizeof(*b->spans)));
    b->spans[added->state_count] = span;
    added->states[added->state_count++] = (struct state){1, 0, START, NOWHERE, byte};
    return Q_OK;
}

/* The children of a state: the bytes that go on behind its string. Of two tokens with one text (their normal forms may be the same) the later one counts. */
static q_status add_children(struct builder *b, uint32_t at)
{
    struct span span = b->spans[at];
    uint32_t from = span.from;
    for (; from < span.to && b->sorted[from]->match.size == span.depth; from++)
        b->added->states[at].token = (uint32_t)(b->sorted[from] - b->added->vocabulary->added);
    b->added->states[at].first = (uint32_t)b->added->state_count;
    while (from < span.to) {
        uint8_t byte = (uint8_t)b->sorted[from]->match.data[span.depth];
        uint32_t to = from + 1;
        while (to < span.to && (uint8_t)b->sorted[to]->match.data[span.depth] == byte)
            to++;
        Q_TRY(add_state(b, byte, (struct span){from, to, span.depth + 1}));
        from = to;
    }
    b->added->states[at].last = (uint32_t)b->added->state_count - 1;
    return Q_OK;
}

static uint32_t child_of(const struct added_tokens *added, uint32_t at, uint8_t byte)
{
    uint32_t low = added->states[at].first, end = added->states[at].last + 1, high = end;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (added->states[middle].byte < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end && added->states[low].byte == byte ? low : NOWHERE;
}

/* The state behind a byte; from START a byte that begins nothing leads back to it. */
static inline uint32_t step(const struct added_tokens *added, uint32_t at, uint8_t byte)
{
    while (at != NOWHERE) {
        uint32_t child = child_of(added, at, byte);
        if (child != NOWHERE)
            return child;
        if (at == START)
            return START;
        at = added->states[at].fail;
    }
    return NOWHERE;
}

/* In the order of states, so that shorter strings are done. A state where a token ends, and all below it, fail to nowhere. */
static void set_fails(struct added_tokens *added)
{
    for (uint32_t at = 0; at < added->state_count; at++) {
        struct state *parent = &added->states[at];
        for (uint32_t i = parent->first; i <= parent->last && parent->first <= parent->last; i++) {
            struct state *child = &added->states[i];
            if (child->token != NOWHERE) {
                child->fail = NOWHERE;
                continue;
            }
            child->fail = at == START ? START : step(added, parent->fail, child->byte);
            if (child->fail != NOWHERE) /* a shorter token, which began later, ends here too */
                child->token = added->states[child->fail].token;
        }
    }
}

static q_status build(struct builder *b, bool normalized)
{
    const struct vocabulary *v = b->added->vocabulary;
    Q_TRY(q_alloc(v->added_count, sizeof(struct vocabulary_added *), &b->sorted));
    for (size_t i = 0; i < v->added_count; i++)
        if (v->added[i].normalized == normalized)
            b->sorted[b->count++] = &v->added[i];
    qsort(b->sorted, b->count, sizeof(*b->sorted), by_match);
    Q_TRY(add_state(b, 0, (struct span){0, (uint32_t)b->count, 0}));
    for (uint32_t at = 0; at < b->added->state_count; at++)
        Q_TRY(add_children(b, at));
    set_fails(b->added);
    for (size_t i = 0; i < b->count; i++) {
        uint8_t byte = (uint8_t)b->sorted[i]->match.data[0];
        b->added->start_count += !b->added->starts[byte];
        b->added->starts[byte] = true;
        b->added->only_start = byte;
    }
    return Q_OK;
}

q_status added_tokens_create(const struct vocabulary *vocabulary, bool normalized, struct added_tokens **out)
{
    struct builder builder = {0};
    Q_TRY(q_alloc_zero(1, sizeof(*builder.added), &builder.added));
    builder.added->vocabulary = vocabulary;
    q_status status = build(&builder, normalized);
    q_release(builder.sorted);
    q_release(builder.spans);
    if (status)
        added_tokens_release(builder.added);
    else
        *out = builder.added;
    return status;
}

void added_tokens_release(struct added_tokens *added)
{
    if (added)
        q_release(added->states);
    q_release(added);
}

bool added_tokens_none(const struct added_tokens *added)
{
    return added->start_count == 0;
}

/* The first byte at or behind `at` that begins a token; `end` where there is none. */
static const uint8_t *skip_to_start(const struct added_tokens *added, const uint8_t *at, const uint8_t *end)
{
    if (added->start_count == 1) {
        const uint8_t *found = memchr(at, added->only_start, (size_t)(end - at));
        return found ? found : end;
    }
    while (at < end && !added->starts[*at])
        at++;
    return at;
}

/* The leftmost longest token in text[at, size): its index, and where it ends. NOWHERE: none. */
static uint32_t find(const struct added_tokens *added, q_string text, size_t at, size_t *token_end)
{
    const uint8_t *here = (const uint8_t *)text.data + at, *end = (const uint8_t *)text.data + text.size;
    uint32_t state = START, found = NOWHERE;
    while (here < end) {
        if (state == START && (here = skip_to_start(added, here, end)) == end)
            break;
        state = step(added, state, *here++);
        if (state == NOWHERE)
            break;
        if (added->states[state].token != NOWHERE) {
            found = added->states[state].token;
            *token_end = (size_t)(here - (const uint8_t *)text.data);
        }
    }
    return found;
}

static bool is_space(uint32_t code)
{
    return unicode_class(code) & UNICODE_SPACE;
}

/* A word character on either side of text[start, end)? */
static bool touches_word(q_string text, size_t start, size_t end)
{
    const uint8_t *begin = (const uint8_t *)text.data, *stop = begin + text.size;
    if (start > 0 && unicode_is_word(utf8_decode(utf8_before(begin, begin + start), begin + start).code))
        return true;
    return end < text.size && unicode_is_word(utf8_decode(begin + end, stop).code);
}

static size_t space_before(q_string text, size_t start)
{
    const uint8_t *begin = (const uint8_t *)text.data, *at = begin + start;
    while (at > begin) {
        const uint8_t *before = utf8_before(begin, at);
        if (!is_space(utf8_decode(before, at).code))
            break;
        at = before;
    }
    return (size_t)(at - begin);
}

static size_t space_behind(q_string text, size_t end)
{
    const uint8_t *begin = (const uint8_t *)text.data, *at = begin + end, *stop = begin + text.size;
    while (at < stop) {
        struct utf8_code decoded = utf8_decode(at, stop);
        if (!is_space(decoded.code))
            break;
        at += decoded.bytes;
    }
    return (size_t)(at - begin);
}

bool added_tokens_next(const struct added_tokens *added, q_string text, struct added_walk *walk,
                       struct added_match *match)
{
    size_t end = 0;
    uint32_t index;
    while (walk->at < text.size && added->start_count && (index = find(added, text, walk->at, &end)) != NOWHERE) {
        const struct vocabulary_added *token = &added->vocabulary->added[index];
        size_t start = end - token->match.size;
        walk->at = end;
        if (token->single_word && touches_word(text, start, end))
            continue;
        if (token->lstrip)
            start = Q_MAX(space_before(text, start), walk->done);
        if (token->rstrip)
            end = space_behind(text, end);
        if (start >=
            end) /* all of it was taken by an rstrip before (where more than all, Hugging Face's library panics) */
            continue;
        *match = (struct added_match){walk->done, start, end, token->id};
        walk->done = end;
        return true;
    }
    return false;
}
