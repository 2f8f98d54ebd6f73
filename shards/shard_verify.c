/* The deep validator of a shard file: everything that the file says twice must agree. */
#include "shards/shard_file.h"

#include "base/check.h"
#include "base/json.h"

struct verification {
    struct shard_file *file;
    struct q_arena arena;
    struct shard_statistics said; /* the file's own statistics */
    struct shard_document *documents;
    uint64_t *counts; /* [vocabulary]: as found */
    uint32_t *ids;    /* [frame_ids] */
    uint64_t begins;  /* documents whose begin has been seen, in order */
    uint64_t ends;
};

/* Begin and end tokens stand where the document table says. They may stand elsewhere too: nothing forbids an id, only its meaning. */
static q_status check_places(struct verification *v, uint64_t first, uint64_t count)
{
    const struct shard_header *header = &v->file->header;
    while (v->begins < header->documents && v->documents[v->begins].first < first + count) {
        if (v->ids[v->documents[v->begins].first - first] != header->begin_id)
            return q_fail(Q_ERR_INPUT, "shard '%s': document %llu does not begin with the begin token", v->file->path,
                          (unsigned long long)v->begins);
        v->begins++;
    }
    for (; v->ends < header->documents; v->ends++) {
        const uint64_t last = v->documents[v->ends].first + v->documents[v->ends].tokens - 1;
        if (last >= first + count)
            break;
        if (v->ids[last - first] != header->end_id)
            return q_fail(Q_ERR_INPUT, "shard '%s': document %llu does not end with the end token", v->file->path,
                          (unsigned long long)v->ends);
    }
    return Q_OK;
}

static q_status verify_frames(struct verification *v)
{
    const struct shard_header *header = &v->file->header;
    for (uint32_t frame = 0; frame < v->file->frames; frame++) {
        const uint64_t first = (uint64_t)frame * header->frame_ids;
        const uint64_t count = Q_MIN(header->frame_ids, header->tokens - first);
        Q_TRY(shard_file_ids(v->file, first, count, v->ids));
        if (frame > 0 && v->ids[0] != v->file->boundaries[frame - 1])
            return q_fail(Q_ERR_INPUT, "shard '%s': the boundary table differs from the first id of data frame %u",
                          v->file->path, frame);
        for (uint64_t i = 0; i < count; i++)
            v->counts[v->ids[i]]++;
        Q_TRY(check_places(v, first, count));
    }
    return Q_OK;
}

/* The statistics made again from the document table and the ids. */
static q_status verify_statistics(const struct verification *v)
{
    struct shard_language *languages;
    struct q_arena arena = {0};
    uint64_t lengths[SHARD_LENGTH_BINS] = {0};
    bool same = memcmp(v->counts, v->said.counts, v->said.vocabulary * sizeof(uint64_t)) == 0;
    Q_TRY(q_arena_alloc(&arena, v->said.language_count, sizeof *languages, &languages));
    for (uint64_t i = 0; i < v->file->header.documents; i++) {
        const struct shard_document *document = &v->documents[i];
        languages[document->language].documents++;
        languages[document->language].tokens += document->tokens;
        languages[document->language].text_bytes += document->text_bytes;
        lengths[shard_length_bin(document->tokens)]++;
    }
    for (size_t i = 0; i < v->said.language_count; i++) {
        const struct shard_language *said = &v->said.languages[i], *found = &languages[i];
        same = same && said->documents == found->documents && said->tokens == found->tokens &&
               said->text_bytes == found->text_bytes;
    }
    same = same && memcmp(lengths, v->said.lengths, sizeof lengths) == 0;
    q_arena_release(&arena);
    return same ? Q_OK
                : q_fail(Q_ERR_INPUT, "shard '%s': the statistics are not those of its documents and ids",
                         v->file->path);
}

static q_status verify_provenance(struct shard_file *file)
{
    struct q_buffer bytes = {0};
    json_t *json = NULL;
    Q_TRY(shard_file_provenance(file, &bytes));
    const q_status status = q_json_parse(q_buffer_string(&bytes), "provenance", &json);
    json_decref(json);
    q_buffer_release(&bytes);
    return q_context(status, "shard '%s'", file->path);
}

static q_status verify_all(struct verification *v)
{
    const struct shard_header *header = &v->file->header;
    Q_TRY(shard_file_statistics(v->file, &v->arena, &v->said));
    Q_TRY(shard_file_documents(v->file, v->said.language_count, &v->arena, &v->documents));
    Q_TRY(q_arena_alloc(&v->arena, header->vocabulary, sizeof(uint64_t), &v->counts));
    Q_TRY(q_arena_alloc(&v->arena, header->frame_ids, sizeof(uint32_t), &v->ids));
    Q_TRY(verify_frames(v));
    Q_TRY(verify_statistics(v));
    return verify_provenance(v->file);
}

q_status shard_file_verify(struct shard_file *file)
{
    struct verification v = {.file = file};
    const q_status status = verify_all(&v);
    q_arena_release(&v.arena);
    return status;
}
