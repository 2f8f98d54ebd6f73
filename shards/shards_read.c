#include "shards/shards.h"

#include "base/check.h"
#include "base/json.h"
#include "base/manifest.h"
#include "shards/shard_file.h"
#include "shards/shards_read.h"

const char *const shards_split_names[2] = {"train", "heldout"};

q_status shards_split_suffix(enum shards_split split, struct q_arena *arena, const char **out)
{
    return q_arena_printf(arena, out, ".%s.zst", shards_split_names[split]);
}

/* The file of a part that holds this split; NULL where the part has none. */
static const struct q_manifest_file *split_file(const struct q_manifest_part *part, const char *suffix)
{
    for (size_t i = 0; i < part->file_count; i++) {
        if (q_string_ends(q_string_of(part->files[i].name), suffix))
            return &part->files[i];
    }
    return NULL;
}

/* The source of this name, added where it is new. */
static q_status source_index(struct shards *shards, q_string name, uint32_t *out)
{
    for (size_t i = 0; i < shards->source_count; i++) {
        if (q_string_is(name, shards->sources[i].name)) {
            *out = (uint32_t)i;
            return Q_OK;
        }
    }
    struct shards_source *source =
        &shards->sources[shards->source_count]; /* room for one a part: a part has one source */
    Q_TRY(q_arena_cstring(&shards->arena, name, &source->name));
    *out = (uint32_t)shards->source_count++;
    return Q_OK;
}

/* A part's record of a split into `file`. */
static q_status read_record(struct shards *shards, const struct q_manifest_part *part, const char *suffix,
                            struct shards_file *file)
{
    const struct q_manifest_file *entry = split_file(part, suffix);
    const char *name = "manifest.json";
    json_t *statistics, *split;
    q_string source;
    file->sequences = 0;
    file->path = NULL;
    if (!entry)
        return Q_OK;
    Q_TRY(q_json_get_object(part->record, name, "statistics", &statistics));
    Q_TRY(q_json_get_object(statistics, name, shards_split_names[shards->split], &split));
    Q_TRY(q_json_get_string(split, name, "source", &source));
    Q_TRY(q_json_get_u64(split, name, "sequences", &file->sequences));
    Q_TRY(q_json_get_u64(split, name, "tokens", &file->tokens));
    Q_TRY(q_json_get_u64(split, name, "text_bytes", &file->text_bytes));
    if (file->tokens < 2 || file->sequences != (file->tokens - 1) / shards->sequence_tokens)
        return q_fail(Q_ERR_INPUT, "manifest.json says %llu tokens and %llu sequences of '%s'",
                      (unsigned long long)file->tokens, (unsigned long long)file->sequences, entry->name);
    Q_TRY(q_fs_join(&shards->arena, shards->folder, entry->name, &file->path));
    return source_index(shards, source, &file->source);
}

/* Sums by source, and the files put in the order of their numbering: by source, then by part. */
static q_status number_sequences(struct shards *shards, const struct shards_file *by_part, size_t parts)
{
    Q_TRY(q_arena_alloc(&shards->arena, parts, sizeof *shards->files, &shards->files));
    for (uint32_t s = 0; s < shards->source_count; s++) {
        struct shards_source *source = &shards->sources[s];
        source->first_sequence = shards->sequences;
        for (size_t p = 0; p < parts; p++) {
            if (!by_part[p].path || by_part[p].source != s)
                continue;
            struct shards_file *file = &shards->files[shards->file_count++];
            *file = by_part[p];
            file->first_sequence = shards->sequences;
            source->sequences += file->sequences;
            source->tokens += file->tokens;
            source->text_bytes += file->text_bytes;
            shards->tail_tokens +=
                file->sequences ? file->tokens - 1 - file->sequences * shards->sequence_tokens : file->tokens;
            if (!q_add_u64(shards->sequences, file->sequences, &shards->sequences) ||
                !q_add_u64(shards->tokens, file->tokens, &shards->tokens))
                return q_fail(Q_ERR_INPUT, "manifest.json says more sequences than can be numbered");
        }
        shards->text_bytes += source->text_bytes;
    }
    return Q_OK;
}

static q_status read_shape(struct shards *shards, const struct q_manifest *manifest)
{
    const char *name = "manifest.json";
    json_t *statistics;
    q_string tokenizer;
    uint64_t sequence_tokens, vocabulary;
    if (strcmp(manifest->stage, "shards") != 0)
        return q_fail(Q_ERR_INPUT, "'%s' is a result of stage '%s', not of shards", shards->folder, manifest->stage);
    Q_TRY(q_json_get_object(manifest->json, name, "statistics", &statistics));
    Q_TRY(q_json_get_u64(statistics, name, "sequence_tokens", &sequence_tokens));
    Q_TRY(q_json_get_u64(statistics, name, "vocabulary", &vocabulary));
    Q_TRY(q_json_get_string(statistics, name, "tokenizer", &tokenizer));
    Q_TRY(q_hash_parse(tokenizer, &shards->tokenizer));
    if (sequence_tokens == 0 || sequence_tokens > SHARD_SEQUENCE_TOKENS_MAX || vocabulary == 0 ||
        vocabulary > SHARD_VOCABULARY_MAX)
        return q_fail(Q_ERR_INPUT, "manifest.json says %llu tokens a sequence and a vocabulary of %llu",
                      (unsigned long long)sequence_tokens, (unsigned long long)vocabulary);
    shards->sequence_tokens = (uint32_t)sequence_tokens;
    shards->vocabulary = (uint32_t)vocabulary;
    shards->fingerprint = manifest->hash;
    return Q_OK;
}

static q_status open_from_manifest(struct shards *shards, const struct q_manifest *manifest)
{
    struct shards_file *by_part;
    const char *suffix;
    Q_TRY(read_shape(shards, manifest));
    Q_TRY(shards_split_suffix(shards->split, &shards->arena, &suffix));
    Q_TRY(q_arena_alloc(&shards->arena, manifest->part_count, sizeof *shards->sources, &shards->sources));
    Q_TRY(q_alloc_zero(manifest->part_count, sizeof *by_part, &by_part));
    q_status status = Q_OK;
    for (size_t p = 0; p < manifest->part_count && !status; p++)
        status = read_record(shards, &manifest->parts[p], suffix, &by_part[p]);
    if (!status)
        status = number_sequences(shards, by_part, manifest->part_count);
    q_release(by_part);
    return status;
}

q_status shards_open(const char *folder, enum shards_split split, struct shards **out)
{
    struct shards *shards;
    struct q_manifest manifest = {0};
    Q_TRY(q_alloc_zero(1, sizeof *shards, &shards));
    shards->split = split;
    q_status status = q_arena_cstring(&shards->arena, q_string_of(folder), &shards->folder);
    if (!status)
        status = q_manifest_read(folder, &manifest);
    if (!status)
        status = q_context(open_from_manifest(shards, &manifest), "'%s'", folder);
    q_manifest_release(&manifest);
    if (status)
        shards_close(shards);
    else
        *out = shards;
    return status;
}

void shards_close(struct shards *shards)
{
    if (!shards)
        return;
    q_arena_release(&shards->arena);
    q_release(shards);
}

/* The last file that begins at or before the sequence and is not empty. */
static size_t find_file(const struct shards *shards, uint64_t sequence)
{
    size_t low = 0, high = shards->file_count;
    q_check(sequence < shards->sequences);
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (shards->files[middle].first_sequence <= sequence)
            low = middle;
        else
            high = middle;
    }
    return low;
}

void shards_find(const struct shards *shards, uint64_t sequence, struct shards_place *out)
{
    const struct shards_file *file = &shards->files[find_file(shards, sequence)];
    *out = (struct shards_place){file->path, file->source, sequence - file->first_sequence};
}

/* Files kept open, the one unused for longest making room: training reads at random over all files, and opening one costs its seek table. */
enum { CURSOR_FILES = 64 };

struct cursor_slot {
    struct shard_file *file;
    size_t number; /* in shards->files */
    uint64_t used; /* the cursor's clock at the last read */
};

struct shards_cursor {
    const struct shards *shards;
    struct cursor_slot slots[CURSOR_FILES];
    uint64_t clock;
};

q_status shards_cursor_create(const struct shards *shards, struct shards_cursor **out)
{
    Q_TRY(q_alloc_zero(1, sizeof **out, out));
    (*out)->shards = shards;
    return Q_OK;
}

void shards_cursor_release(struct shards_cursor *cursor)
{
    if (!cursor)
        return;
    for (size_t i = 0; i < CURSOR_FILES; i++)
        shard_file_close(cursor->slots[i].file);
    q_release(cursor);
}

q_status shards_file_check(const struct shards *shards, const struct shards_file *said, const struct shard_file *file)
{
    const struct shard_header *header = &file->header;
    const bool same = header->split == shards->split && header->sequence_tokens == shards->sequence_tokens &&
                      header->vocabulary == shards->vocabulary && header->sequences == said->sequences &&
                      header->tokens == said->tokens && header->text_bytes == said->text_bytes &&
                      q_hash_equal(header->tokenizer, shards->tokenizer) &&
                      q_string_is(header->source, shards->sources[said->source].name);
    return same ? Q_OK
                : q_fail(Q_ERR_INPUT, "shard '%s' is not the one that the manifest beside it speaks of", said->path);
}

/* The slot that holds the file, opened where none does. */
static q_status open_slot(struct shards_cursor *cursor, size_t number, struct shard_file **out)
{
    struct cursor_slot *oldest = &cursor->slots[0];
    const uint64_t now = ++cursor->clock;
    for (size_t i = 0; i < CURSOR_FILES; i++) {
        struct cursor_slot *slot = &cursor->slots[i];
        if (slot->file && slot->number == number) {
            slot->used = now;
            *out = slot->file;
            return Q_OK;
        }
        if (slot->used < oldest->used)
            oldest = slot;
    }
    shard_file_close(oldest->file);
    *oldest = (struct cursor_slot){0};
    struct shard_file *file;
    Q_TRY(shard_file_open(cursor->shards->files[number].path, &file));
    const q_status status = shards_file_check(cursor->shards, &cursor->shards->files[number], file);
    if (status) {
        shard_file_close(file);
        return status;
    }
    *oldest = (struct cursor_slot){file, number, now};
    *out = file;
    return Q_OK;
}

q_status shards_read(struct shards_cursor *cursor, uint64_t sequence, uint32_t *ids)
{
    const size_t number = find_file(cursor->shards, sequence);
    struct shard_file *file;
    Q_TRY(open_slot(cursor, number, &file));
    return shard_file_sequence(file, sequence - cursor->shards->files[number].first_sequence, ids);
}

q_status shards_token_counts(const struct shards *shards, uint64_t *counts)
{
    memset(counts, 0, shards->vocabulary * sizeof *counts);
    for (size_t f = 0; f < shards->file_count; f++) {
        struct shard_file *file;
        struct shard_statistics statistics;
        struct q_arena arena = {0};
        Q_TRY(shard_file_open(shards->files[f].path, &file));
        q_status status = shards_file_check(shards, &shards->files[f], file);
        if (!status)
            status = shard_file_statistics(file, &arena, &statistics);
        for (uint32_t id = 0; !status && id < shards->vocabulary; id++)
            counts[id] += statistics.counts[id];
        q_arena_release(&arena);
        shard_file_close(file);
        if (status)
            return status;
    }
    return Q_OK;
}
