#include "dedup/shingle_store.h"

#include "base/check.h"

enum { ALIGN = 8 };

static size_t id_space(uint32_t id_bytes)
{
    return ((size_t)id_bytes + ALIGN - 1) / ALIGN * ALIGN;
}

q_status shingle_entry_write(q_string id, uint32_t weight, const struct shingle_set *set, struct q_buffer *out)
{
    if (id.size > UINT32_MAX)
        return q_fail(Q_ERR_INPUT, "an id of %zu bytes is too long", id.size);
    static const char zeros[ALIGN];
    struct shingle_head head = {(uint32_t)id.size, weight, set ? set->count : 0};
    Q_TRY(q_buffer_append(out, &head, sizeof(head)));
    Q_TRY(q_buffer_append_string(out, id));
    Q_TRY(q_buffer_append(out, zeros, id_space(head.id_bytes) - id.size));
    return head.count ? q_buffer_append(out, set->hashes, set->count * sizeof(*set->hashes)) : Q_OK;
}

q_status shingle_entry_head(const struct spool *store, uint64_t place, struct shingle_head *head)
{
    return spool_read(store, place, head, sizeof(*head));
}

q_status shingle_entry_id(const struct spool *store, uint64_t place, struct q_buffer *id)
{
    struct shingle_head head;
    q_buffer_clear(id);
    Q_TRY(shingle_entry_head(store, place, &head));
    Q_TRY(q_buffer_reserve(id, head.id_bytes));
    id->size = head.id_bytes;
    return spool_read(store, place + sizeof(head), id->data, id->size);
}

q_status shingle_entry_set(const struct spool *store, uint64_t place, struct shingle_set *set)
{
    struct shingle_head head;
    set->count = 0;
    Q_TRY(shingle_entry_head(store, place, &head));
    Q_TRY(q_grow(&set->hashes, &set->capacity, (size_t)head.count, sizeof(*set->hashes)));
    Q_TRY(spool_read(store, place + sizeof(head) + id_space(head.id_bytes), set->hashes,
                     (size_t)head.count * sizeof(*set->hashes)));
    set->count = (size_t)head.count;
    return Q_OK;
}
