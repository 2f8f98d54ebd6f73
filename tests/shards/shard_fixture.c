#include "tests/shards/shard_fixture.h"

#include "base/check.h"
#include "base/document.h"
#include "base/random.h"

#include <stdio.h>

static int by_key(const void *a, const void *b)
{
    return q_hash_compare(q_document_key(((const struct shard_document *)a)->id),
                          q_document_key(((const struct shard_document *)b)->id));
}

/* Random lengths, and ids that repeat enough for zstd to find something. */
static q_status invent(const struct fixture_shape *shape, struct fixture *out)
{
    const q_random_key key = q_random_key_of(shape->seed, "fixture", 0, 0);
    const size_t count = shape->exact_tokens ? 1 : shape->documents;
    struct shard_document *documents;
    Q_TRY(q_arena_alloc(&out->arena, count, sizeof *documents, &documents));
    for (size_t i = 0; i < count; i++) {
        char id[64];
        const int size = snprintf(id, sizeof id, "source/path/%zu.txt#%zu", i, i % 3);
        Q_TRY(q_arena_string(&out->arena, (q_string){id, (size_t)size}, &documents[i].id));
        documents[i].tokens =
            shape->exact_tokens ? shape->exact_tokens : 2 + q_random_below(key, 2 * i, shape->length_max - 1);
        documents[i].text_bytes = 3 * (documents[i].tokens - 2);
        documents[i].language = count < 3 ? 0 : (uint32_t)(i % 3);
        documents[i].fim = i % 5 == 4;
        out->tokens += documents[i].tokens;
    }
    qsort(documents, count, sizeof *documents, by_key);
    out->stream.documents = documents;
    out->stream.count = count;
    return Q_OK;
}

static void fill_ids(const struct fixture_shape *shape, struct fixture *out)
{
    const q_random_key key = q_random_key_of(shape->seed, "fixture ids", 0, 0);
    uint64_t place = 0;
    for (size_t i = 0; i < out->stream.count; i++) {
        const uint64_t tokens = out->stream.documents[i].tokens;
        for (uint64_t t = 0; t < tokens; t++) {
            const uint64_t draw = q_random_below(key, place + t, shape->vocabulary - 2);
            out->ids[place + t] = t == 0 ? 0 : t == tokens - 1 ? 1 : (uint32_t)(2 + draw * draw / shape->vocabulary);
        }
        place += tokens;
    }
}

q_status fixture_create(const struct fixture_shape *shape, struct fixture *out)
{
    static const q_string languages[] = {{"de", 2}, {"en", 2}, {"zh", 2}};
    *out = (struct fixture){0};
    Q_TRY(invent(shape, out));
    struct shard_header *header = &out->stream.header;
    *header = (struct shard_header){
        .id_bytes = shape->vocabulary <= 65536 ? 2 : 4,
        .split = SHARDS_TRAIN,
        .part = 3,
        .sequence_tokens = shape->sequence_tokens,
        .frame_ids = shape->sequence_tokens * shape->frame_sequences,
        .vocabulary = shape->vocabulary,
        .begin_id = 0,
        .end_id = 1,
        .tokenizer = {1, 2},
        .input = {3, 4},
        .source = Q_STRING("source"),
    };
    out->stream.languages = languages;
    out->stream.language_count = out->stream.count < 3 ? 1 : 3;
    out->stream.provenance = Q_STRING("{\"step\":\"0123456789ab\"}\n");
    Q_TRY(q_arena_alloc(&out->arena, out->tokens, sizeof *out->ids, &out->ids));
    fill_ids(shape, out);

    /* In memory the last document comes first: places are not sums. */
    char *stored;
    uint64_t *places, place = 0, from = out->tokens;
    Q_TRY(q_arena_alloc(&out->arena, out->tokens, header->id_bytes, &stored));
    Q_TRY(q_arena_alloc(&out->arena, out->stream.count, sizeof *places, &places));
    for (size_t i = out->stream.count; i-- > 0;) {
        const uint64_t tokens = out->stream.documents[i].tokens;
        from -= tokens;
        places[i] = place;
        shard_ids_narrow(out->ids + from, tokens, header->id_bytes, stored + place * header->id_bytes);
        place += tokens;
    }
    out->stream.ids = stored;
    out->stream.places = places;
    return Q_OK;
}

void fixture_release(struct fixture *fixture)
{
    q_arena_release(&fixture->arena);
}

q_status fixture_write(struct fixture *fixture, const char *path, unsigned threads)
{
    struct q_pool *pool;
    struct q_file_identity identity;
    Q_TRY(q_pool_create(threads, &pool));
    const q_status status = shard_write(path, 3, pool, &fixture->stream, &identity);
    q_pool_release(pool);
    return status;
}
