/* The public face of the tokenizer: loading and the vocabulary; encoding and decoding are in quern_tokenizer_context.c. quern_tokenizer.h is the
 * manual. */
#include "tokenizer/library/quern_tokenizer.h"

#include "tokenizer/encode/bpe_index.h"
#include "tokenizer/library/quern_tokenizer_private.h"
#include "tokenizer/pretokenize/piece_hash.h"

/* A status goes out as it is, and a special token has one number. */
#define SAME(a, b) _Static_assert((int)(a) == (int)(b), #a " is " #b)
SAME(QUERN_TOKENIZER_OK, Q_OK);
SAME(QUERN_TOKENIZER_ERR_USAGE, Q_ERR_USAGE);
SAME(QUERN_TOKENIZER_ERR_INPUT, Q_ERR_INPUT);
SAME(QUERN_TOKENIZER_ERR_SYSTEM, Q_ERR_SYSTEM);
SAME(QUERN_TOKENIZER_ERR_MEMORY, Q_ERR_MEMORY);
SAME(QUERN_TOKENIZER_BEGIN, TOKENIZER_BEGIN);
SAME(QUERN_TOKENIZER_END, TOKENIZER_END);
SAME(QUERN_TOKENIZER_PADDING, TOKENIZER_PADDING);
SAME(QUERN_TOKENIZER_FIM_HOLE, TOKENIZER_FIM_HOLE);
SAME(QUERN_TOKENIZER_FIM_BEGIN, TOKENIZER_FIM_BEGIN);
SAME(QUERN_TOKENIZER_FIM_END, TOKENIZER_FIM_END);

const char *quern_tokenizer_version(void)
{
    return QUERN_VERSION;
}

const char *quern_tokenizer_error(void)
{
    return q_error_text();
}

q_status quern_tokenizer_read_struct(const void *given, const char *name, size_t first, size_t known, void *out)
{
    const unsigned char *bytes = given;
    size_t size;
    memcpy(&size, given, sizeof(size));
    if (size < first)
        return q_fail(Q_ERR_USAGE, "the size of %s is %zu; set it to sizeof(%s)", name, size, name);
    for (size_t i = known; i < size; i++)
        if (bytes[i])
            return q_fail(Q_ERR_USAGE, "%s has an option that this library (version %s) does not know yet", name,
                          QUERN_VERSION);
    memset(out, 0, known);
    memcpy(out, given, size < known ? size : known);
    return Q_OK;
}

/* The slot of a token's bytes, or the empty one where it would go. */
static size_t slot_of(const struct quern_tokenizer *tokenizer, q_string bytes)
{
    size_t mask = tokenizer->capacity - 1;
    size_t at = (size_t)piece_hash((const uint8_t *)bytes.data, bytes.size) & mask;
    while (tokenizer->by_bytes[at] &&
           !q_string_equal(tokenizer_bytes(tokenizer->core, tokenizer->by_bytes[at] - 1), bytes))
        at = (at + 1) & mask;
    return at;
}

static q_status index_tokens(struct quern_tokenizer *tokenizer)
{
    uint32_t size = tokenizer_size(tokenizer->core);
    for (tokenizer->capacity = 16; tokenizer->capacity < 2 * (size_t)size;)
        tokenizer->capacity *= 2;
    Q_TRY(q_alloc_zero(tokenizer->capacity, sizeof(*tokenizer->by_bytes), &tokenizer->by_bytes));
    for (uint32_t id = 0; id < size; id++) {
        q_string bytes = tokenizer_bytes(tokenizer->core, id);
        size_t slot = bytes.size ? slot_of(tokenizer, bytes) : 0;
        if (bytes.size && !tokenizer->by_bytes[slot])
            tokenizer->by_bytes[slot] = id + 1;
    }
    return Q_OK;
}

/* Takes the core over, also on failure. */
static q_status wrap(struct tokenizer *core, struct quern_tokenizer **out)
{
    struct quern_tokenizer *tokenizer;
    q_status status = q_alloc_zero(1, sizeof(*tokenizer), &tokenizer);
    if (status) {
        tokenizer_release(core);
        return status;
    }
    tokenizer->core = core;
    status = index_tokens(tokenizer);
    if (status)
        quern_tokenizer_release(tokenizer);
    else
        *out = tokenizer;
    return status;
}

enum quern_tokenizer_status quern_tokenizer_load(const char *path, struct quern_tokenizer **out)
{
    struct tokenizer *core;
    if (!path || !out)
        return FACE(q_fail(Q_ERR_USAGE, "the path or the place for the tokenizer is NULL"));
    q_status status = tokenizer_load(path, &core);
    return FACE(status ? status : wrap(core, out));
}

enum quern_tokenizer_status quern_tokenizer_load_memory(const void *bytes, size_t size, struct quern_tokenizer **out)
{
    struct vocabulary vocabulary = {0};
    struct tokenizer *core;
    if ((!bytes && size) || !out)
        return FACE(q_fail(Q_ERR_USAGE, "the bytes or the place for the tokenizer are NULL"));
    q_status status = vocabulary_parse((q_string){bytes, size}, "the bytes given", &vocabulary);
    if (status) {
        vocabulary_release(&vocabulary);
        return FACE(q_context(status, "tokenizer"));
    }
    status = tokenizer_create(&vocabulary, &core);
    return FACE(status ? status : wrap(core, out));
}

void quern_tokenizer_release(struct quern_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    tokenizer_release(tokenizer->core);
    q_release(tokenizer->by_bytes);
    q_release(tokenizer);
}

uint32_t quern_tokenizer_size(const struct quern_tokenizer *tokenizer)
{
    return tokenizer_size(tokenizer->core);
}

const char *quern_tokenizer_token(const struct quern_tokenizer *tokenizer, uint32_t id, size_t *size)
{
    q_string bytes = tokenizer_bytes(tokenizer->core, id);
    *size = bytes.size;
    return bytes.size ? bytes.data : NULL;
}

uint32_t quern_tokenizer_find(const struct quern_tokenizer *tokenizer, const char *bytes, size_t size)
{
    if (!bytes || size == 0)
        return QUERN_TOKENIZER_NO_ID;
    uint32_t found = tokenizer->by_bytes[slot_of(tokenizer, (q_string){bytes, size})];
    return found ? found - 1 : QUERN_TOKENIZER_NO_ID;
}

int quern_tokenizer_is_special(const struct quern_tokenizer *tokenizer, uint32_t id)
{
    return tokenizer_is_special(tokenizer->core, id);
}

uint32_t quern_tokenizer_special_id(const struct quern_tokenizer *tokenizer, enum quern_tokenizer_special special)
{
    if ((unsigned)special >= TOKENIZER_SPECIAL_COUNT) /* from C any number may come */
        return QUERN_TOKENIZER_NO_ID;
    return tokenizer_special_id(tokenizer->core, (enum tokenizer_special)special);
}
