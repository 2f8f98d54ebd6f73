/* Rules that are not built in, as Hugging Face's `tokenizers` applies them.
 *
 * Each rule is a pass that asks the pass before it for a piece, takes it for a text of its own (so ^ and what looks back see nothing before it), and hands out
 * what it cuts it into:
 *
 *     text --> pass 0 --piece--> pass 1 --piece--> ... --> ends
 *
 * A pass makes elements, the matches and what lies between them in turn, and pieces of one or more elements as its rule's behavior says. It keeps one
 * element ahead and nothing else, so memory does not grow with the text. An element may be empty (a pattern may match nothing); a piece may not, and is
 * dropped.
 */
#include "tokenizer/pretokenize/pretokenize_general.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "tokenizer/pretokenize/pretokenize_regex.h"
#include "tokenizer/unicode/unicode_classes.h"
#include "tokenizer/unicode/utf8_decode.h"

#include <stdatomic.h>
#include <stdio.h>

struct pretokenize_general {
    struct pretokenizer pretokenizer;
    atomic_uint owners;
    char name[24];
    struct pretokenize_rule rules[PRETOKENIZE_RULES_MAX];
    struct q_buffer patterns[PRETOKENIZE_RULES_MAX];
    struct pretokenize_regex *regexes[PRETOKENIZE_RULES_MAX]; /* NULL for the other kinds */
};

struct element {
    size_t start, end;
    bool match; /* after `invert` */
};

struct pass {
    const struct pretokenize_rule *rule;
    const struct pretokenize_regex *regex;
    struct pretokenize_matcher *matcher;
    size_t start, end;  /* the piece that is cut */
    size_t search;      /* where the next match is looked for */
    size_t told;        /* all before it is in elements */
    size_t behind_last; /* the end of the last match; SIZE_MAX: none */
    bool open;          /* there may be more elements in the piece */
    bool over;          /* there are no more matches */
    struct element waiting, ahead;
    bool has_waiting, has_ahead;
};

struct pretokenize_passes {
    struct q_buffer repaired;  /* the text with U+FFFD for what is broken; empty where nothing is */
    q_string text;             /* that, or the caller's */
    size_t caller_at, text_at; /* the same place in both */
    bool begun;
    size_t count;
    struct pass passes[PRETOKENIZE_RULES_MAX];
};

void pretokenize_passes_release(struct pretokenize_passes *passes)
{
    if (!passes)
        return;
    q_buffer_release(&passes->repaired);
    for (size_t i = 0; i < passes->count; i++)
        pretokenize_matcher_release(passes->passes[i].matcher);
    q_release(passes);
}

static q_status create_passes(const struct pretokenize_general *general, struct pretokenize_passes **out)
{
    struct pretokenize_passes *passes;
    Q_TRY(q_alloc_zero(1, sizeof(*passes), &passes));
    for (; passes->count < general->pretokenizer.rule_count; passes->count++) {
        struct pass *pass = &passes->passes[passes->count];
        pass->rule = &general->rules[passes->count];
        pass->regex = general->regexes[passes->count];
        q_status status = pass->regex ? pretokenize_matcher_create(pass->regex, &pass->matcher) : Q_OK;
        if (status) {
            pretokenize_passes_release(passes);
            return status;
        }
    }
    *out = passes;
    return Q_OK;
}

/* The first number from `from` on. */
static bool find_number(q_string text, size_t from, size_t *start, size_t *end)
{
    const uint8_t *bytes = (const uint8_t *)text.data;
    while (from < text.size) {
        struct utf8_code decoded = utf8_decode(bytes + from, bytes + text.size);
        *start = from;
        *end = from += decoded.bytes;
        if (unicode_class(decoded.code) & UNICODE_NUMBER)
            return true;
    }
    return false;
}

static q_status find_match(struct pass *pass, q_string piece, size_t from, bool *found, size_t *start, size_t *end)
{
    switch (pass->rule->kind) {
    case PRETOKENIZE_STRING:
        *start = pass->rule->pattern.size ? q_string_find(piece, pass->rule->pattern, from) : SIZE_MAX;
        *found = *start != SIZE_MAX;
        *end = *found ? *start + pass->rule->pattern.size : 0;
        return Q_OK;
    case PRETOKENIZE_DIGITS:
        *found = find_number(piece, from, start, end);
        return Q_OK;
    default:
        return pretokenize_regex_find(pass->regex, pass->matcher, piece, from, found, start, end);
    }
}

/* Finds the next match of the piece, places being those of the text. A match of nothing right behind the last match does not count. */
static q_status next_match(struct pass *pass, q_string text, bool *found, size_t *start, size_t *end)
{
    q_string piece = q_string_slice(text, pass->start, pass->end);
    for (*found = false; !pass->over && pass->search <= pass->end;) {
        bool any;
        Q_TRY(find_match(pass, piece, pass->search - pass->start, &any, start, end));
        if (!any)
            break;
        *start += pass->start;
        *end += pass->start;
        if (*start == *end && *end == pass->behind_last) {
            const uint8_t *at = (const uint8_t *)text.data + pass->search,
                          *behind = (const uint8_t *)text.data + pass->end;
            pass->search += at < behind ? utf8_decode(at, behind).bytes : 1;
            continue;
        }
        pass->search = pass->behind_last = *end;
        *found = true;
        return Q_OK;
    }
    pass->over = true;
    return Q_OK;
}

/* The next element of the piece; *more = false at its end. */
static q_status make_element(struct pass *pass, q_string text, struct element *out, bool *more)
{
    bool invert = pass->rule->invert, found;
    size_t start, end;
    *more = true;
    if (pass->has_waiting) {
        pass->has_waiting = false;
        *out = pass->waiting;
        return Q_OK;
    }
    Q_TRY(next_match(pass, text, &found, &start, &end));
    if (!found) {
        *out = (struct element){pass->told, pass->end, invert};
        *more = pass->told < pass->end;
        pass->told = pass->end;
        return Q_OK;
    }
    struct element match = {start, end, !invert};
    if (pass->told < start) {
        *out = (struct element){pass->told, start, invert};
        pass->waiting = match;
        pass->has_waiting = true;
    } else {
        *out = match;
    }
    pass->told = end;
    return Q_OK;
}

static q_status take_element(struct pass *pass, q_string text, struct element *out, bool *more)
{
    *more = true;
    if (!pass->has_ahead)
        return make_element(pass, text, out, more);
    *out = pass->ahead;
    pass->has_ahead = false;
    return Q_OK;
}

/* Whether the element behind `first` goes into its piece. */
static bool belongs(enum pretokenize_behavior behavior, struct element first, struct element behind)
{
    switch (behavior) {
    case PRETOKENIZE_CONTIGUOUS:
        return first.match == behind.match;
    case PRETOKENIZE_MERGED_WITH_PREVIOUS:
        return !first.match && behind.match;
    case PRETOKENIZE_MERGED_WITH_NEXT:
        return first.match && !behind.match;
    default:
        return false;
    }
}

/* The next piece of the pass's piece; *more = false at its end. */
static q_status next_of_piece(struct pass *pass, q_string text, struct element *out, bool *more)
{
    enum pretokenize_behavior behavior = pass->rule->behavior;
    Q_TRY(take_element(pass, text, out, more));
    while (*more && behavior != PRETOKENIZE_ISOLATED) {
        struct element ahead;
        bool any;
        Q_TRY(take_element(pass, text, &ahead, &any));
        pass->ahead = ahead;
        pass->has_ahead = any;
        if (!pass->has_ahead || !belongs(behavior, *out, pass->ahead))
            break;
        pass->has_ahead = false;
        out->end = pass->ahead.end;
        if (behavior != PRETOKENIZE_CONTIGUOUS)
            break;
    }
    return Q_OK;
}

/* The next piece behind the first `count` passes, which is not empty; *more = false at the end of the text. */
static q_status next_piece(struct pretokenize_passes *passes, size_t count, struct element *out, bool *more)
{
    if (count == 0) {
        *out = (struct element){0, passes->text.size, false};
        *more = !passes->begun && passes->text.size;
        passes->begun = true;
        return Q_OK;
    }
    struct pass *pass = &passes->passes[count - 1];
    for (;;) {
        while (pass->open) {
            Q_TRY(next_of_piece(pass, passes->text, out, &pass->open));
            if (pass->open && out->start < out->end) {
                *more = true;
                return Q_OK;
            }
        }
        struct element piece;
        Q_TRY(next_piece(passes, count - 1, &piece, more));
        if (!*more)
            return Q_OK;
        pass->start = pass->search = pass->told = piece.start;
        pass->end = piece.end;
        pass->behind_last = SIZE_MAX;
        pass->open = true;
        pass->over = pass->has_waiting = pass->has_ahead = false;
    }
}

/* The place in the caller's text of a place in the repaired one; both only move forward. */
static size_t caller_place(struct pretokenize_passes *passes, q_string caller, size_t place)
{
    const uint8_t *bytes = (const uint8_t *)caller.data, *repaired = (const uint8_t *)passes->text.data;
    while (passes->text_at < place) {
        passes->caller_at += utf8_decode(bytes + passes->caller_at, bytes + caller.size).bytes;
        passes->text_at += utf8_decode(repaired + passes->text_at, repaired + passes->text.size).bytes;
    }
    return passes->caller_at;
}

static q_status begin_text(struct pretokenize_passes *passes, q_string text)
{
    uint64_t replaced;
    for (size_t i = 0; i < passes->count; i++)
        passes->passes[i].open = false;
    passes->begun = false;
    passes->caller_at = passes->text_at = 0;
    passes->text = text;
    q_buffer_clear(&passes->repaired);
    if (q_utf8_valid(text))
        return Q_OK;
    Q_TRY(q_utf8_repair(text, &passes->repaired, &replaced));
    passes->text = q_buffer_string(&passes->repaired);
    return Q_OK;
}

q_status pretokenize_general_cut(const struct pretokenize_general *general, struct pretokenize_passes **passes,
                                 q_string text, size_t *at, size_t *ends, size_t max, size_t *count)
{
    struct element piece;
    bool more = true;
    *count = 0;
    if (!*passes)
        Q_TRY(create_passes(general, passes));
    if (*at == 0)
        Q_TRY(begin_text(*passes, text));
    while (*count < max && *at < text.size) {
        Q_TRY(next_piece(*passes, (*passes)->count, &piece, &more));
        q_check(more); /* pieces are all of the text */
        *at = ends[(*count)++] = (*passes)->repaired.size ? caller_place(*passes, text, piece.end) : piece.end;
    }
    return Q_OK;
}

/* The name: a hash of all that the rules say. */
static q_status name_rules(struct pretokenize_general *general)
{
    struct q_buffer all = {0};
    q_status status = Q_OK;
    for (size_t i = 0; i < general->pretokenizer.rule_count && !status; i++) {
        const struct pretokenize_rule *rule = &general->rules[i];
        status = q_buffer_printf(&all, "%d %d %d %d %zu ", (int)rule->kind, (int)rule->behavior, rule->invert,
                                 rule->individual_digits, rule->pattern.size);
        if (!status)
            status = q_buffer_append_string(&all, rule->pattern);
    }
    if (!status)
        (void)snprintf(general->name, sizeof(general->name), "rules-%016llx",
                       (unsigned long long)q_hash64(all.data, all.size, 0));
    q_buffer_release(&all);
    return status;
}

void pretokenize_general_keep(const struct pretokenize_general *general)
{
    atomic_fetch_add(&((struct pretokenize_general *)(uintptr_t)general)->owners, 1);
}

void pretokenize_general_release(const struct pretokenize_general *released)
{
    struct pretokenize_general *general = (struct pretokenize_general *)(uintptr_t)released;
    if (atomic_fetch_sub(&general->owners, 1) != 1)
        return;
    for (size_t i = 0; i < PRETOKENIZE_RULES_MAX; i++) {
        pretokenize_regex_release(general->regexes[i]);
        q_buffer_release(&general->patterns[i]);
    }
    q_release(general);
}

static q_status add_rule(struct pretokenize_general *general, const struct pretokenize_rule *rule)
{
    size_t i = general->pretokenizer.rule_count++;
    if (rule->pattern.size > PRETOKENIZE_PATTERN_BYTES_MAX)
        return q_fail(Q_ERR_INPUT, "a pretokenizer's pattern has %zu bytes; at most %d", rule->pattern.size,
                      PRETOKENIZE_PATTERN_BYTES_MAX);
    if (!q_utf8_valid(rule->pattern))
        return q_fail(Q_ERR_INPUT, "a pretokenizer's pattern is not UTF-8");
    general->rules[i] = *rule;
    Q_TRY(q_buffer_append_string(&general->patterns[i], rule->pattern));
    general->rules[i].pattern = q_buffer_string(&general->patterns[i]);
    if (rule->kind == PRETOKENIZE_DIGITS)
        general->rules[i].behavior = rule->individual_digits ? PRETOKENIZE_ISOLATED : PRETOKENIZE_CONTIGUOUS;
    return rule->kind == PRETOKENIZE_REGEX ? pretokenize_regex_create(general->rules[i].pattern, &general->regexes[i])
                                           : Q_OK;
}

q_status pretokenize_general_create(const struct pretokenize_rule *rules, size_t count, const struct pretokenizer **out)
{
    struct pretokenize_general *general;
    q_status status = Q_OK;
    if (count > PRETOKENIZE_RULES_MAX)
        return q_fail(Q_ERR_INPUT, "a pretokenizer of %zu rules; at most %d", count, PRETOKENIZE_RULES_MAX);
    Q_TRY(q_alloc_zero(1, sizeof(*general), &general));
    atomic_init(&general->owners, 1);
    general->pretokenizer = (struct pretokenizer){general->name, general->rules, 0, general};
    for (size_t i = 0; i < count && !status; i++)
        status = add_rule(general, &rules[i]);
    if (!status)
        status = name_rules(general);
    if (status) {
        pretokenize_general_release(general);
        return status;
    }
    *out = &general->pretokenizer;
    return Q_OK;
}
