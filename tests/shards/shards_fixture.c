#include "tests/shards/shards_fixture.h"

#include "base/check.h"
#include "base/document.h"
#include "base/manifest.h"
#include "base/random.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary/vocabulary.h"

#include <stdio.h>

static const char *const words[] = {
    "the ", "mill ", "grinds ", "a stone ", "Mehl ", "und ", "Wasser, ", "wind.\n", "\xe6\xb0\xb4\xe8\xbd\xa6 ", "42 "};

static void add_token(struct vocabulary *vocabulary, uint32_t id, q_string text, bool special)
{
    vocabulary->tokens[id] = text;
    vocabulary->added[vocabulary->added_count++] =
        (struct vocabulary_added){.text = text, .id = id, .special = special};
}

static q_status fill(struct vocabulary *vocabulary, uint32_t size, bool with_fim)
{
    static const char merged[][3] = {"th", "in", "un", "in", "he", ".\n"}; /* "in" twice: only its first counts below */
    static char bytes[256];
    uint32_t id = 0;
    vocabulary->pretokenizer = pretokenizers[0];
    vocabulary->size = size;
    Q_TRY(q_arena_alloc(&vocabulary->arena, size, sizeof(q_string), &vocabulary->tokens));
    Q_TRY(q_arena_alloc(&vocabulary->arena, 16, sizeof(struct vocabulary_added), &vocabulary->added));
    Q_TRY(q_arena_alloc(&vocabulary->arena, Q_COUNT_OF(merged), sizeof(struct vocabulary_merge), &vocabulary->merges));
    for (int special = 0; special < (with_fim ? TOKENIZER_SPECIAL_COUNT : TOKENIZER_FIM_HOLE); special++)
        add_token(vocabulary, id++, q_string_of(tokenizer_special_texts[special]), true);
    for (int byte = 0; byte < 256; byte++) {
        bytes[byte] = (char)byte;
        vocabulary->byte_id[byte] = id;
        vocabulary->tokens[id++] = (q_string){&bytes[byte], 1};
    }
    for (size_t i = 0; i < Q_COUNT_OF(merged); i++) {
        if (i == 3)
            continue;
        vocabulary->merges[vocabulary->merge_count++] = (struct vocabulary_merge){
            vocabulary->byte_id[(unsigned char)merged[i][0]], vocabulary->byte_id[(unsigned char)merged[i][1]], id};
        vocabulary->tokens[id++] = (q_string){merged[i], 2};
    }
    add_token(vocabulary, size - 1, Q_STRING("<last>"), false);
    return vocabulary_complete(vocabulary);
}

q_status fixture_tokenizer(const char *path, uint32_t size, bool with_fim)
{
    struct vocabulary vocabulary = {0};
    struct q_buffer out = {0};
    q_status status = fill(&vocabulary, size, with_fim);
    if (!status)
        status = vocabulary_write(&vocabulary, &out);
    if (!status)
        status = q_publish_bytes(path, out.data, out.size, NULL);
    q_buffer_release(&out);
    vocabulary_release(&vocabulary);
    return status;
}

/* One document of some words; every eleventh has no text. */
static q_status invent(q_random_key key, uint64_t number, uint64_t words_max, struct q_buffer *text)
{
    q_buffer_clear(text);
    const uint64_t count = number % 11 == 10 ? 0 : 1 + q_random_below(key, 0, words_max);
    for (uint64_t i = 0; i < count; i++)
        Q_TRY(q_buffer_append_string(text, q_string_of(words[q_random_below(key, 1 + i, Q_COUNT_OF(words))])));
    return Q_OK;
}

static q_status write_part(struct q_step *step, uint64_t part, const struct fixture_documents *shape)
{
    static const char *const languages[] = {"de", "en", ""};
    struct q_documents_writer *writer;
    struct q_accounting accounting = {0};
    struct q_buffer text = {0};
    struct q_part_file file;
    const char *path;
    const bool novels = 2 * part < shape->parts;
    Q_TRY(q_step_part_path(step, part, ".jsonl.zst", &path));
    Q_TRY(q_documents_create(path, &writer));
    for (uint64_t i = 0; i < (part + 1 == shape->parts ? 0 : shape->documents); i++) {
        char id[64];
        Q_TRY(invent(q_random_key_of(shape->seed, "fixture text", part, i), i, shape->words_max, &text));
        (void)snprintf(id, sizeof id, "%s/%llu/%llu.txt#0", novels ? "novels" : "papers", (unsigned long long)part,
                       (unsigned long long)i);
        const struct q_document document = {.id = q_string_of(id),
                                            .text = q_buffer_string(&text),
                                            .source = q_string_of(novels ? "novels" : "papers"),
                                            .lang = q_string_of(languages[i % 3]),
                                            .quality = -1};
        Q_TRY(q_documents_append(writer, &document));
        Q_TRY(q_account_kept(&accounting, text.size, text.size));
    }
    Q_TRY(q_documents_commit(writer, &file.identity));
    file.name = q_fs_base_name(path);
    q_buffer_release(&text);
    const q_status status = q_step_part_publish(step, part, &file, 1, &accounting, NULL);
    q_accounting_release(&accounting);
    return status;
}

q_status fixture_documents(const char *folder, const struct fixture_documents *shape)
{
    struct q_step step = {0};
    Q_TRY(q_step_begin(&step, "dedup", "filter", 1, shape->seed, json_object()));
    Q_TRY(q_step_seal(&step));
    Q_TRY(q_step_open(&step, folder, false));
    for (uint64_t part = 0; part < shape->parts && !step.done; part++)
        Q_TRY(write_part(&step, part, shape));
    const struct q_finish finish = {
        .parts = shape->parts, .held_out = shape->held_out, .held_out_seed = 7, .program = "fixture"};
    const q_status status = step.done ? Q_OK : q_step_finish(&step, &finish, NULL);
    q_step_release(&step);
    return status;
}
