#include "corpus/read/members.h"

#include "base/bytes.h"
#include "base/check.h"

enum {
    PEEK_BYTES = 4096,       /* plain bytes of a member that are looked at behind damage */
    CANDIDATE_BYTES = 16384, /* stored bytes in which these must be */
    DICTIONARY_HEAD = 8,     /* magic 5D 2A 4D 18 and the frame's size, little-endian */
};

enum corpus_coding corpus_coding_of(q_string head)
{
    if (q_string_starts(head, "\x1F\x8B"))
        return CORPUS_GZIP;
    return q_string_starts(head, "\x28\xB5\x2F\xFD") || q_string_starts(head, "\x5D\x2A\x4D\x18") ? CORPUS_ZSTD
                                                                                                  : CORPUS_PLAIN;
}

static q_string left(const struct corpus_members *m)
{
    return q_string_slice(q_buffer_string(&m->stored), m->at, m->stored.size);
}

/* Appends a block to the window; of what lies before `keep` (an offset in the source) as much goes as pays for moving the rest. */
static q_status refill(struct corpus_members *m, uint64_t keep, bool *ended)
{
    size_t from = keep > m->stored_offset ? (size_t)(keep - m->stored_offset) : 0;
    from = Q_MIN(from, m->at);
    if (from && from >= m->stored.size - from) {
        memmove(m->stored.data, m->stored.data + from, m->stored.size - from);
        m->stored.size -= from;
        m->at -= from;
        m->stored_offset += from;
    }
    Q_TRY(q_buffer_reserve(&m->stored, CORPUS_BLOCK_BYTES));
    int64_t got = corpus_level_read(m->level, m->stored.data + m->stored.size, CORPUS_BLOCK_BYTES);
    Q_TRY(m->level->reader->status);
    *ended = got <= 0;
    m->stored.size += got > 0 ? (size_t)got : 0;
    return Q_OK;
}

/* At least `count` bytes from m->at on, where the source has so many. */
static q_status ensure(struct corpus_members *m, size_t count, uint64_t keep)
{
    bool ended = false;
    while (!ended && m->stored.size - m->at < count)
        Q_TRY(refill(m, keep, &ended));
    return Q_OK;
}

/* --- opening ----------------------------------------------------------------------------------------------------------------------- */

q_status corpus_members_peek(struct corpus_decompressor *decompressor, enum corpus_coding coding, q_string head,
                             struct q_buffer *out)
{
    enum corpus_unpacked unpacked = CORPUS_UNPACKED_MORE;
    q_buffer_clear(out);
    Q_TRY(corpus_decompressor_begin(decompressor, coding));
    while (unpacked == CORPUS_UNPACKED_MORE && head.size && out->size < out->capacity) {
        size_t before = head.size, had = out->size;
        unpacked = corpus_decompressor_step(decompressor, &head, out);
        if (head.size == before && out->size == had)
            break;
    }
    return Q_OK;
}

/* A dictionary that is a zstd frame itself, as those of large crawls are. */
static q_status unpack_dictionary(struct corpus_members *m, q_string packed, struct q_buffer *plain, bool *good)
{
    enum corpus_unpacked unpacked = CORPUS_UNPACKED_MORE;
    Q_TRY(corpus_decompressor_begin(m->decompressor, CORPUS_ZSTD));
    while (unpacked == CORPUS_UNPACKED_MORE && packed.size && plain->size < CORPUS_DICTIONARY_BYTES_MAX) {
        Q_TRY(q_buffer_reserve(plain, CORPUS_BLOCK_BYTES));
        unpacked = corpus_decompressor_step(m->decompressor, &packed, plain);
    }
    *good = unpacked == CORPUS_UNPACKED_END;
    return Q_OK;
}

static q_status load_dictionary(struct corpus_members *m, q_string dictionary, bool *good)
{
    struct q_buffer plain = {0};
    q_status status = Q_OK;
    *good = true;
    if (corpus_coding_of(dictionary) == CORPUS_ZSTD) {
        status = unpack_dictionary(m, dictionary, &plain, good);
        dictionary = q_buffer_string(&plain);
    }
    if (status == Q_OK && *good)
        status = corpus_decompressor_dictionary(m->decompressor, dictionary, good);
    q_buffer_release(&plain);
    return status;
}

static q_status read_dictionary(struct corpus_members *m, const char **reason)
{
    bool good = false;
    Q_TRY(ensure(m, DICTIONARY_HEAD, 0));
    if (left(m).size < DICTIONARY_HEAD || memcmp(left(m).data, "\x5D\x2A\x4D\x18", 4) != 0)
        return Q_OK;
    size_t size = q_load_u32(left(m).data + 4);
    if (size <= CORPUS_DICTIONARY_BYTES_MAX) {
        Q_TRY(ensure(m, DICTIONARY_HEAD + size, 0));
        if (left(m).size >= DICTIONARY_HEAD + size) {
            m->at += DICTIONARY_HEAD;
            Q_TRY(load_dictionary(m, q_string_slice(left(m), 0, size), &good));
            m->at += size;
        }
    }
    *reason = good ? NULL : "archive-damaged";
    return Q_OK;
}

q_status corpus_members_open(struct corpus_level *level, enum corpus_coding coding, struct corpus_members *members,
                             const char **reason)
{
    *reason = NULL;
    *members = (struct corpus_members){.level = level, .coding = coding};
    if (coding == CORPUS_PLAIN)
        return Q_OK;
    Q_TRY(corpus_decompressor_create(&members->decompressor));
    return coding == CORPUS_ZSTD ? read_dictionary(members, reason) : Q_OK;
}

void corpus_members_release(struct corpus_members *members)
{
    corpus_decompressor_release(members->decompressor);
    q_buffer_release(&members->stored);
    *members = (struct corpus_members){0};
}

void corpus_members_seek(struct corpus_members *members, uint64_t offset)
{
    q_buffer_clear(&members->stored);
    members->at = 0;
    members->stored_offset = members->from = offset;
}

uint64_t corpus_members_position(const struct corpus_members *members)
{
    return members->stored_offset + members->at;
}

/* --- reading ----------------------------------------------------------------------------------------------------------------------- */

static q_status read_plain(struct corpus_members *m, struct q_buffer *out, enum corpus_member_step *step)
{
    Q_TRY(q_buffer_reserve(out, CORPUS_BLOCK_BYTES));
    int64_t got = corpus_level_read(m->level, out->data + out->size, CORPUS_BLOCK_BYTES);
    Q_TRY(m->level->reader->status);
    out->size += got > 0 ? (size_t)got : 0;
    *step = got > 0 ? CORPUS_MEMBER_BYTES : CORPUS_MEMBERS_END;
    return Q_OK;
}

/* What of the window must stay: the member, as far as the window goes. */
static uint64_t kept_from(const struct corpus_members *m)
{
    uint64_t now = corpus_members_position(m);
    return m->open && now - m->member <= CORPUS_MEMBER_WINDOW ? m->member : m->open ? now - CORPUS_MEMBER_WINDOW : now;
}

static bool source_failed(const struct corpus_members *m)
{
    return m->level->outer && m->level->outer->failure;
}

q_status corpus_members_read(struct corpus_members *m, struct q_buffer *out, enum corpus_member_step *step)
{
    if (m->coding == CORPUS_PLAIN)
        return read_plain(m, out, step);
    Q_TRY(ensure(m, m->open ? 1 : 4, kept_from(m)));
    q_string in = left(m);
    if (source_failed(m) || (!in.size && !m->open)) {
        *step = CORPUS_MEMBERS_END;
        return Q_OK;
    }
    if (!in.size) {
        *step = CORPUS_MEMBER_CUT;
        return Q_OK;
    }
    if (!m->open) {
        m->member = corpus_members_position(m);
        m->open = true;
        Q_TRY(corpus_decompressor_begin(m->decompressor, m->coding));
    }
    Q_TRY(q_buffer_reserve(out, CORPUS_BLOCK_BYTES));
    const size_t given = in.size, had = out->size;
    enum corpus_unpacked unpacked = corpus_decompressor_step(m->decompressor, &in, out);
    if (unpacked == CORPUS_UNPACKED_MORE && in.size == given && out->size == had)
        unpacked = CORPUS_UNPACKED_BAD; /* it takes nothing and gives nothing */
    m->at = m->stored.size - in.size;
    m->open = unpacked != CORPUS_UNPACKED_END;
    *step = unpacked == CORPUS_UNPACKED_END   ? CORPUS_MEMBER_END
            : unpacked == CORPUS_UNPACKED_BAD ? CORPUS_MEMBER_BAD
                                              : CORPUS_MEMBER_BYTES;
    return Q_OK;
}

/* --- behind damage ----------------------------------------------------------------------------------------------------------------- */

/* Steps back to right behind the member's first byte, or as far as the window and the bound on work allow. */
static void step_back(struct corpus_members *m)
{
    uint64_t now = corpus_members_position(m), to = Q_MAX(m->member + 1, m->stored_offset);
    if (to < now && m->searched + (now - to) <= now - m->from + CORPUS_MEMBER_WINDOW) {
        m->searched += now - to;
        m->at = (size_t)(to - m->stored_offset);
    }
}

/* Whether a member begins at m->at whose plain bytes are as they should. */
static q_status try_member(struct corpus_members *m, bool (*begins)(q_string head, bool arc), bool arc,
                           struct q_buffer *plain, bool *good)
{
    Q_TRY(ensure(m, CANDIDATE_BYTES, corpus_members_position(m)));
    q_string head = q_string_slice(left(m), 0, CANDIDATE_BYTES);
    if (corpus_coding_of(head) != m->coding)
        return Q_OK;
    Q_TRY(corpus_members_peek(m->decompressor, m->coding, head, plain));
    *good = begins(q_buffer_string(plain), arc);
    return Q_OK;
}

q_status corpus_members_resume(struct corpus_members *m, bool (*begins)(q_string head, bool arc), bool arc, bool *found)
{
    struct q_buffer plain = {0};
    *found = false;
    m->open = false;
    step_back(m);
    q_status status = q_buffer_reserve(&plain, PEEK_BYTES);
    while (status == Q_OK && !*found) {
        status = ensure(m, 1, corpus_members_position(m));
        if (status != Q_OK || !left(m).size || source_failed(m))
            break;
        const char *next = memchr(left(m).data, m->coding == CORPUS_GZIP ? 0x1F : 0x28, left(m).size);
        m->at = next ? (size_t)(next - m->stored.data) : m->stored.size;
        if (next)
            status = try_member(m, begins, arc, &plain, found);
        m->at += next && !*found;
    }
    q_buffer_release(&plain);
    return status;
}
