#include "tokenizer/pretokenize/pretokenize_regex.h"

#include "base/check.h"

#if defined(QUERN_PCRE2)
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    STEPS_MAX = 10000000, /* for one place where a match may begin: a pattern that takes more goes back and back */
    STACK_BYTES_FIRST = 1 << 15,
    STACK_BYTES_MAX = 1 << 22,
    HEAP_KIB_MAX = 1 << 16,
};

struct pretokenize_regex {
    pcre2_general_context *memory;
    pcre2_code *code;
    char name[128]; /* the pattern's beginning, for errors */
};

struct pretokenize_matcher {
    pcre2_general_context *memory;
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

static void *take(PCRE2_SIZE size, void *unused)
{
    void *memory = NULL;
    (void)unused;
    return q_alloc(1, size, &memory) ? NULL : memory;
}

static void give(void *memory, void *unused)
{
    (void)unused;
    q_release(memory);
}

static q_status no_memory(void)
{
    return q_fail(Q_ERR_MEMORY, "no memory for a regular expression");
}

static q_status compile(q_string rewritten, struct pretokenize_regex *regex)
{
    int error;
    PCRE2_SIZE at;
    PCRE2_UCHAR text[256];
    pcre2_compile_context *context = pcre2_compile_context_create(regex->memory);
    if (!context)
        return no_memory();
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    /* ^ and $ are those of a line, as in Oniguruma; UCP only for the pairs of upper and lower case, since no class is left. */
    regex->code =
        pcre2_compile((PCRE2_SPTR)rewritten.data, rewritten.size,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &at, context);
    pcre2_compile_context_free(context);
    if (!regex->code && error == PCRE2_ERROR_HEAP_FAILED)
        return no_memory();
    if (!regex->code) {
        (void)pcre2_get_error_message(error, text, sizeof(text));
        return q_fail(Q_ERR_INPUT, "the pretokenizer's pattern '%s' is no regular expression that quern knows: %s",
                      regex->name, (const char *)text);
    }
    (void)pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE); /* where there is none it is interpreted */
    return Q_OK;
}

q_status pretokenize_regex_create(q_string pattern, struct pretokenize_regex **out)
{
    struct pretokenize_regex *regex;
    struct q_buffer rewritten = {0};
    q_status status;
    Q_TRY(q_alloc_zero(1, sizeof(*regex), &regex));
    size_t shown = Q_MIN(pattern.size, sizeof(regex->name) - 1);
    memcpy(regex->name, pattern.data, shown);
    Q_TRY_GOTO(failed, pretokenize_rewrite(pattern, &rewritten));
    regex->memory = pcre2_general_context_create(take, give, NULL);
    Q_TRY_GOTO(failed, regex->memory ? Q_OK : no_memory());
    Q_TRY_GOTO(failed, compile(q_buffer_string(&rewritten), regex));
    q_buffer_release(&rewritten);
    *out = regex;
    return Q_OK;
failed:
    q_buffer_release(&rewritten);
    pretokenize_regex_release(regex);
    return status;
}

void pretokenize_regex_release(struct pretokenize_regex *regex)
{
    if (!regex)
        return;
    pcre2_code_free(regex->code);
    pcre2_general_context_free(regex->memory);
    q_release(regex);
}

q_status pretokenize_matcher_create(const struct pretokenize_regex *regex, struct pretokenize_matcher **out)
{
    struct pretokenize_matcher *matcher;
    Q_TRY(q_alloc_zero(1, sizeof(*matcher), &matcher));
    matcher->memory = pcre2_general_context_create(take, give, NULL);
    if (matcher->memory) {
        matcher->data = pcre2_match_data_create_from_pattern(regex->code, matcher->memory);
        matcher->context = pcre2_match_context_create(matcher->memory);
        matcher->stack = pcre2_jit_stack_create(STACK_BYTES_FIRST, STACK_BYTES_MAX, matcher->memory);
    }
    if (!matcher->data || !matcher->context) { /* no stack: no JIT */
        pretokenize_matcher_release(matcher);
        return no_memory();
    }
    pcre2_set_match_limit(matcher->context, STEPS_MAX);
    pcre2_set_heap_limit(matcher->context, HEAP_KIB_MAX);
    if (matcher->stack)
        pcre2_jit_stack_assign(matcher->context, NULL, matcher->stack);
    *out = matcher;
    return Q_OK;
}

void pretokenize_matcher_release(struct pretokenize_matcher *matcher)
{
    if (!matcher)
        return;
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->context);
    if (matcher->stack)
        pcre2_jit_stack_free(matcher->stack);
    pcre2_general_context_free(matcher->memory);
    q_release(matcher);
}

q_status pretokenize_regex_find(const struct pretokenize_regex *regex, struct pretokenize_matcher *matcher,
                                q_string subject, size_t from, bool *found, size_t *start, size_t *end)
{
    int result = pcre2_match(regex->code, (PCRE2_SPTR)subject.data, subject.size, from, PCRE2_NO_UTF_CHECK,
                             matcher->data, matcher->context);
    *found = result >= 0;
    if (result == PCRE2_ERROR_NOMATCH)
        return Q_OK;
    if (result == PCRE2_ERROR_NOMEMORY)
        return no_memory();
    if (result < 0) { /* MATCHLIMIT, JIT_STACKLIMIT, HEAPLIMIT, DEPTHLIMIT */
        PCRE2_UCHAR text[256];
        (void)pcre2_get_error_message(result, text, sizeof(text));
        return q_fail(Q_ERR_INPUT, "the pretokenizer's pattern '%s' takes too many steps on this text: %s", regex->name,
                      (const char *)text);
    }
    const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(matcher->data);
    *start = offsets[0];
    *end = offsets[1];
    return Q_OK;
}

#else

q_status pretokenize_regex_create(q_string pattern, struct pretokenize_regex **out)
{
    *out = NULL;
    return q_fail(Q_ERR_INPUT,
                  "the pretokenizer's pattern '%.*s' is not built in, and this quern was built without PCRE2",
                  (int)Q_MIN(pattern.size, (size_t)200), pattern.data);
}

void pretokenize_regex_release(struct pretokenize_regex *regex)
{
    (void)regex;
}

q_status pretokenize_matcher_create(const struct pretokenize_regex *regex, struct pretokenize_matcher **out)
{
    (void)regex;
    *out = NULL;
    return Q_OK;
}

void pretokenize_matcher_release(struct pretokenize_matcher *matcher)
{
    (void)matcher;
}

q_status pretokenize_regex_find(const struct pretokenize_regex *regex, struct pretokenize_matcher *matcher,
                                q_string subject, size_t from, bool *found, size_t *start, size_t *end)
{
    (void)regex, (void)matcher, (void)subject, (void)from, (void)start, (void)end;
    *found = false;
    return Q_OK; /* no regular expression can have been made */
}
#endif
