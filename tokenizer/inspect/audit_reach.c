/* Which tokens a text can give (audit.h says why the search is enough). */
#include "base/check.h"
#include "base/json.h"
#include "tokenizer/encode/bpe_index.h"
#include "tokenizer/inspect/audit.h"
#include "tokenizer/inspect/token_kinds.h"
#include "tokenizer/unicode/unicode_classes.h"
#include "tokenizer/unicode/utf8_decode.h"

const char *const token_reach_texts[TOKEN_REACH_COUNT] = {
    "reached",
    "added: found by its text",
    "id without a token",
    "only in broken UTF-8",
    "merging its bytes gives others",
    "the normaliser changes it",
    "the pretokenizer cuts it",
    "merges cross its borders",
};
const char *const token_reach_keys[TOKEN_REACH_COUNT] = {
    "reached", "added", "missing", "broken", "not_merged", "not_normal", "cut", "crossed",
};

/* One of each kind that a pattern of today's vocabularies tells apart, and some that go together ("'s", line breaks behind blanks). What
 * stands before or behind a token decides whether it is cut through kind alone. */
static const char *const neighbours[] = {
    "",       " ",      "  ",     "\n", "\r\n", " \n", "\t",   "a",      "A",        "s", "'s", "'",
    "1",      "12",     ".",      "!",  "/",    "-",   "_",    "(",      "+",        "é", "É",  "ж",
    "ا",      "ก",      "中",     "あ", "カ",   "々",  "한",   "\u0301", "\u0E31",   "²", "、", "’",
    "\u00A0", "\u3000", "\u200B", "😀",  "\x01", ".\n", "\t\n", "\v\n",   "\u00A0\n",
};

enum {
    NEIGHBOURS = Q_COUNT_OF(neighbours),
    CONTEXTS_MAX = 320, /* found beside a token, on each side: one or two of each kind */
    FEW = 8,
    TILE = 256, /* tokens */
};

/* Texts that may stand before, or behind, the token at hand. */
struct contexts {
    struct q_arena arena;
    q_string items[NEIGHBOURS + CONTEXTS_MAX];
    size_t count;
    uint32_t kinds[NEIGHBOURS + CONTEXTS_MAX]; /* kind_of the character at the token */
};

struct reach_worker {
    struct tokenizer_scratch *scratch;
    struct pretokenize_scratch cut;
    struct bpe_workspace workspace;
    struct tokenizer_ids ids;
    struct q_buffer text;
    struct contexts left, right;
};

struct reaching {
    const struct tokenizer *tokenizer;
    struct reach_worker *workers;
    q_status *statuses; /* per tile */
    uint8_t *reach;
};

static q_status merge_bytes(const struct reaching *reaching, struct reach_worker *worker, q_string bytes)
{
    struct tokenizer_ids *ids = &worker->ids;
    Q_TRY(q_grow(&ids->ids, &ids->capacity, Q_MAX(bytes.size, (size_t)1), sizeof(*ids->ids)));
    return bpe_merge(reaching->tokenizer, &worker->workspace, (const uint8_t *)bytes.data, bytes.size, ids->ids,
                     &ids->count);
}

static q_status join(struct reach_worker *worker, q_string left, q_string token, q_string right)
{
    q_buffer_clear(&worker->text);
    Q_TRY(q_buffer_append_string(&worker->text, left));
    Q_TRY(q_buffer_append_string(&worker->text, token));
    return q_buffer_append_string(&worker->text, right);
}

/* Script, class and kibi-block of the character at a border: contexts of one kind need not all be tried. (Script and class are not enough: DeepSeek-V3's
 * pattern has U+4E00 to U+9FA5 apart from the rest of Han.) */
static uint32_t kind_of(uint32_t code)
{
    return (uint32_t)unicode_script(code) << 24 | (uint32_t)unicode_entry(code) << 16 | code >> 10;
}

static q_status keep_context(struct contexts *contexts, q_string text, uint32_t kind, size_t of_a_kind_max)
{
    size_t same = 0;
    for (size_t i = 0; i < contexts->count; i++)
        same += contexts->kinds[i] == kind;
    if (same >= of_a_kind_max || contexts->count == Q_COUNT_OF(contexts->items))
        return Q_OK;
    contexts->kinds[contexts->count] = kind;
    Q_TRY(q_arena_string(&contexts->arena, text, &contexts->items[contexts->count]));
    contexts->count++;
    return Q_OK;
}

static bool wants_context(const struct contexts *contexts, uint32_t kind, size_t of_a_kind_max)
{
    size_t same = 0;
    for (size_t i = 0; i < contexts->count; i++)
        same += contexts->kinds[i] == kind;
    return same < of_a_kind_max && contexts->count < Q_COUNT_OF(contexts->items);
}

/* Whether merging leaves the token whole beside the context, where a pretokenizer keeps both in one piece. */
static q_status stands_beside(const struct reaching *reaching, struct reach_worker *worker, q_string token, uint32_t id,
                              q_string context, bool before, bool *out)
{
    q_string none = {"", 0};
    Q_TRY(join(worker, before ? context : none, token, before ? none : context));
    Q_TRY(merge_bytes(reaching, worker, q_buffer_string(&worker->text)));
    *out = worker->ids.ids[before ? worker->ids.count - 1 : 0] == id;
    return Q_OK;
}

/* The search for what stands before, or behind, a token. */
struct completion {
    const struct reaching *reaching;
    struct reach_worker *worker;
    q_string token;
    uint32_t id;
    bool before;
};

/* A character that would be whole with the token's bytes, `known` of them; unassigned ones count, as valid UTF-8 may have them. */
static q_status try_character(const struct completion *c, const uint8_t *character, size_t length, size_t known)
{
    struct contexts *contexts = c->before ? &c->worker->left : &c->worker->right;
    struct utf8_code decoded = utf8_decode(character, character + length);
    bool stands;
    if (decoded.bytes != length)
        return Q_OK;
    uint32_t kind = kind_of(decoded.code);
    if (!wants_context(contexts, kind, 1))
        return Q_OK;
    q_string missing = {(const char *)character + (c->before ? 0 : known), length - known};
    Q_TRY(stands_beside(c->reaching, c->worker, c->token, c->id, missing, c->before, &stands));
    return stands ? keep_context(contexts, missing, kind, 1) : Q_OK;
}

/* All ways to fill character[from..to) with bytes of UTF-8. */
static q_status try_fillings(const struct completion *c, uint8_t *character, size_t length, size_t known, size_t from,
                             size_t to)
{
    if (from == to)
        return try_character(c, character, length, known);
    unsigned first = 0x80, last = 0xBF;
    if (from == 0) {
        first = length == 2 ? 0xC2 : length == 3 ? 0xE0 : 0xF0;
        last = length == 2 ? 0xDF : length == 3 ? 0xEF : 0xF4;
    }
    for (unsigned byte = first; byte <= last; byte++) {
        character[from] = (uint8_t)byte;
        Q_TRY(try_fillings(c, character, length, known, from + 1, to));
    }
    return Q_OK;
}

/* The characters that the token's first `known` bytes may end, or its last ones begin. */
static q_status complete(const struct completion *c, size_t known)
{
    uint8_t character[4];
    const uint8_t *bytes = (const uint8_t *)c->token.data;
    if (!c->before) {
        const uint8_t *start = bytes + c->token.size - known;
        size_t length = *start >= 0xF0 ? 4 : *start >= 0xE0 ? 3 : 2;
        memcpy(character, start, known);
        return try_fillings(c, character, length, known, known, length);
    }
    for (size_t length = known + 1; length <= 4; length++) {
        memcpy(character + length - known, bytes, known);
        Q_TRY(try_fillings(c, character, length, known, 0, length - known));
    }
    return Q_OK;
}

/* Whole tokens that may stand beside this one; for a token cut within a character, also those that bring the missing bytes. */
static q_status try_tokens(const struct completion *c, size_t known)
{
    const struct tokenizer *tokenizer = c->reaching->tokenizer;
    struct contexts *contexts = c->before ? &c->worker->left : &c->worker->right;
    for (uint32_t other = 0; other < tokenizer_size(tokenizer); other++) {
        q_string bytes = tokenizer_bytes(tokenizer, other);
        if (!bytes.size || bytes.size > 64 || tokenizer_is_special(tokenizer, other))
            continue;
        struct token_shape shape = token_shape(bytes);
        /* What lies at the token must make whole characters of both; what lies away from it must be whole. */
        if (shape.broken || (c->before ? shape.head : shape.tail) > 0)
            continue;
        size_t open = c->before ? shape.tail : shape.head;
        if ((open == 0) != (known == 0))
            continue;
        const uint8_t *start = (const uint8_t *)bytes.data, *end = start + bytes.size;
        uint8_t border[8];
        if (known) {
            memcpy(border, c->before ? end - open : (const uint8_t *)c->token.data + c->token.size - known,
                   c->before ? open : known);
            memcpy(border + (c->before ? open : known), c->before ? (const uint8_t *)c->token.data : start,
                   c->before ? known : open);
            if (utf8_decode(border, border + open + known).bytes != open + known ||
                !q_utf8_valid((q_string){(const char *)border, open + known}))
                continue;
            start = border;
        } else if (c->before) {
            start = end - 1;
            while (start > (const uint8_t *)bytes.data && utf8_is_tail(*start))
                start--;
        }
        uint32_t kind = kind_of(utf8_decode(start, start + (known ? open + known : (size_t)(end - start))).code);
        bool stands;
        if (!wants_context(contexts, kind, 3))
            continue;
        Q_TRY(stands_beside(c->reaching, c->worker, c->token, c->id, bytes, c->before, &stands));
        if (stands)
            Q_TRY(keep_context(contexts, bytes, kind, 3));
    }
    return Q_OK;
}

/* Whether the encoded text holds the token; *in_one_piece is set where no cut lies within it. */
static q_status try_text(const struct reaching *reaching, struct reach_worker *worker, q_string left, q_string token,
                         q_string right, uint32_t id, bool *found, bool *in_one_piece)
{
    const struct pretokenizer *pretokenizer = reaching->tokenizer->vocabulary.pretokenizer;
    size_t at = 0, end, count;
    Q_TRY(join(worker, left, token, right));
    q_string text = q_buffer_string(&worker->text);
    worker->ids.count = 0;
    Q_TRY(tokenizer_encode(reaching->tokenizer, worker->scratch, text, TOKENIZER_SPECIAL_AS_TEXT, &worker->ids));
    for (size_t i = 0; i < worker->ids.count; i++)
        *found = *found || worker->ids.ids[i] == id;
    if (*found || *in_one_piece)
        return Q_OK;
    *in_one_piece = true;
    do {
        Q_TRY(pretokenizer_cut(pretokenizer, &worker->cut, text, &at, &end, 1, &count));
        if (count && end > left.size && end < left.size + token.size)
            *in_one_piece = false;
    } while (count);
    return Q_OK;
}

/* Left with right texts: each with the first few of the other side. What may stand on one side does not depend on the other for merges, and for
 * pretokenizers hardly ever, so that not all pairs of hundreds need be tried. */
static q_status try_all(const struct reaching *reaching, struct reach_worker *worker, q_string token, uint32_t id,
                        bool *found, bool *in_one_piece)
{
    const struct contexts *left = &worker->left, *right = &worker->right;
    for (size_t r = 0; r < right->count; r++)
        for (size_t l = 0; l < left->count; l++) {
            if (l >= FEW && r >= FEW && (l >= NEIGHBOURS || r >= NEIGHBOURS))
                break;
            Q_TRY(try_text(reaching, worker, left->items[l], token, right->items[r], id, found, in_one_piece));
            if (*found)
                return Q_OK;
        }
    return Q_OK;
}

/* A token of tail bytes alone may lie in the middle of a character: all characters that have it at [from, from + size) are tried, each by itself. */
static q_status try_inside(const struct completion *c, uint8_t *character, size_t length, size_t from, size_t at,
                           bool *found)
{
    size_t behind = from + c->token.size;
    bool in_one_piece = true;
    if (*found)
        return Q_OK;
    if (at == from)
        return try_inside(c, character, length, from, behind, found);
    if (at < length) {
        unsigned first = at ? 0x80 : length == 3 ? 0xE0 : 0xF0, last = at ? 0xBF : length == 3 ? 0xEF : 0xF4;
        for (unsigned byte = first; byte <= last; byte++) {
            character[at] = (uint8_t)byte;
            Q_TRY(try_inside(c, character, length, from, at + 1, found));
        }
        return Q_OK;
    }
    q_string left = {(const char *)character, from}, right = {(const char *)character + behind, length - behind};
    if (utf8_decode(character, character + length).bytes != length)
        return Q_OK;
    Q_TRY(merge_bytes(c->reaching, c->worker, (q_string){(const char *)character, length}));
    for (size_t i = 0; i < c->worker->ids.count; i++)
        if (c->worker->ids.ids[i] == c->id)
            return try_text(c->reaching, c->worker, left, c->token, right, c->id, found, &in_one_piece);
    return Q_OK;
}

static q_status search_inside(const struct completion *c, bool *found)
{
    uint8_t character[4];
    for (size_t length = c->token.size + 2; length <= 4; length++)
        for (size_t from = 1; from + c->token.size < length; from++) {
            memcpy(character + from, c->token.data, c->token.size);
            Q_TRY(try_inside(c, character, length, from, 0, found));
        }
    return Q_OK;
}

static void start_contexts(struct contexts *contexts, bool open)
{
    q_arena_clear(&contexts->arena);
    contexts->count = 0;
    for (size_t i = 0; i < NEIGHBOURS && !open; i++) {
        contexts->kinds[contexts->count] = UINT32_MAX;
        contexts->items[contexts->count++] = q_string_of(neighbours[i]);
    }
}

/* Between other texts: first the plain ones, and for cut characters what completes them; then the other tokens of the vocabulary too. */
static q_status search(const struct reaching *reaching, struct reach_worker *worker, q_string token, uint32_t id,
                       struct token_shape shape, uint8_t *out)
{
    struct completion before = {reaching, worker, token, id, true}, behind = {reaching, worker, token, id, false};
    bool found = false, in_one_piece = false;
    if (shape.head == token.size)
        Q_TRY(search_inside(&before, &found));
    if (found) {
        *out = TOKEN_REACHED;
        return Q_OK;
    }
    start_contexts(&worker->left, shape.head > 0);
    start_contexts(&worker->right, shape.tail > 0);
    if (shape.head)
        Q_TRY(complete(&before, shape.head));
    if (shape.tail)
        Q_TRY(complete(&behind, shape.tail));
    Q_TRY(try_all(reaching, worker, token, id, &found, &in_one_piece));
    /* Other tokens are of no other kinds than the texts that stand for these: for a whole token they help against merges alone. */
    if (!found && (in_one_piece || shape.head || shape.tail)) {
        Q_TRY(try_tokens(&before, shape.head));
        Q_TRY(try_tokens(&behind, shape.tail));
        Q_TRY(try_all(reaching, worker, token, id, &found, &in_one_piece));
    }
    in_one_piece =
        in_one_piece || !worker->left.count || !worker->right.count; /* no way to complete it stands beside it */
    *out = found ? TOKEN_REACHED : in_one_piece ? TOKEN_CROSSED : TOKEN_CUT;
    return Q_OK;
}

static q_status is_normal(const struct reaching *reaching, struct reach_worker *worker, q_string token, bool *out)
{
    enum normalization form = reaching->tokenizer->vocabulary.normalization;
    *out = true;
    if (form == NORMALIZATION_NONE || !q_utf8_valid(token))
        return Q_OK;
    q_buffer_clear(&worker->text);
    Q_TRY(normalization_apply(form, token, &worker->text, NULL));
    *out = q_string_equal(q_buffer_string(&worker->text), token);
    return Q_OK;
}

static q_status reach_of(const struct reaching *reaching, struct reach_worker *worker, uint32_t id, uint8_t *out)
{
    const struct vocabulary *vocabulary = &reaching->tokenizer->vocabulary;
    q_string token = tokenizer_bytes(reaching->tokenizer, id);
    struct token_shape shape = token_shape(token);
    bool whole = shape.head + shape.tail == 0, normal, in_one_piece = true, found = false;
    if (!token.size || tokenizer_is_special(reaching->tokenizer, id)) {
        *out = token.size ? TOKEN_ADDED : TOKEN_MISSING;
        return Q_OK;
    }
    if (whole && !shape.broken) {
        q_string none = {"", 0};
        Q_TRY(try_text(reaching, worker, none, token, none, id, &found, &in_one_piece));
        *out = TOKEN_REACHED;
        if (found)
            return Q_OK;
    }
    Q_TRY(is_normal(reaching, worker, token, &normal));
    Q_TRY(merge_bytes(reaching, worker, token));
    bool merges = worker->ids.count == 1 && worker->ids.ids[0] == id;
    if (!merges && !vocabulary->ignore_merges)
        *out = TOKEN_NOT_MERGED;
    else if (shape.broken)
        *out = TOKEN_BROKEN;
    else if (!normal)
        *out = TOKEN_NOT_NORMAL;
    else
        return search(reaching, worker, token, id, shape, out);
    return Q_OK;
}

static void reach_tile(void *context, unsigned index, size_t tile)
{
    struct reaching *reaching = context;
    uint32_t size = tokenizer_size(reaching->tokenizer), first = (uint32_t)(tile * TILE);
    q_status status = Q_OK;
    for (uint32_t id = first; id < size && id - first < TILE && !status; id++)
        status = reach_of(reaching, &reaching->workers[index], id, &reaching->reach[id]);
    reaching->statuses[tile] = status;
}

static void worker_release(struct reach_worker *worker)
{
    tokenizer_scratch_release(worker->scratch);
    pretokenize_scratch_release(&worker->cut);
    bpe_workspace_release(&worker->workspace);
    tokenizer_ids_release(&worker->ids);
    q_buffer_release(&worker->text);
    q_arena_release(&worker->left.arena);
    q_arena_release(&worker->right.arena);
}

q_status audit_reach(const struct tokenizer *tokenizer, struct q_pool *pool, uint8_t *reach)
{
    struct reaching reaching = {.tokenizer = tokenizer, .reach = reach};
    size_t tiles = (tokenizer_size(tokenizer) + TILE - 1) / TILE;
    unsigned threads = q_pool_threads(pool);
    q_status status;
    Q_TRY_GOTO(done, q_alloc_zero(threads, sizeof(*reaching.workers), &reaching.workers));
    Q_TRY_GOTO(done, q_alloc_zero(tiles, sizeof(*reaching.statuses), &reaching.statuses));
    for (unsigned i = 0; i < threads; i++)
        Q_TRY_GOTO(done, tokenizer_scratch_create(tokenizer, &reaching.workers[i].scratch));
    q_pool_for(pool, tiles, reach_tile, &reaching);
    status = Q_OK;
    for (size_t i = 0; i < tiles && !status; i++)
        if (reaching.statuses[i])
            status = q_fail(reaching.statuses[i], "the search for texts that give each token failed; out of memory?");
done:
    for (unsigned i = 0; i < threads && reaching.workers; i++)
        worker_release(&reaching.workers[i]);
    q_release(reaching.workers);
    q_release(reaching.statuses);
    return status;
}
