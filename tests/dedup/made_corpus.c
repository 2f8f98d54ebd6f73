#include "tests/dedup/made_corpus.h"

#include "base/fs.h"
#include "base/manifest.h"
#include "base/random.h"
#include "base/recipe.h"
#include "base/seekable.h"
#include "dedup/dedup_build.h"
#include "tests/base/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void made_documents_add(struct made_documents *documents, const char *id, const char *text)
{
    assert_ok(q_grow(&documents->items, &documents->capacity, documents->count + 1, sizeof(*documents->items)));
    struct made_document *document = &documents->items[documents->count++];
    *document = (struct made_document){.text = strdup(text), .quality = -1};
    (void)snprintf(document->id, sizeof(document->id), "%s", id);
}

void made_documents_release(struct made_documents *documents)
{
    for (size_t i = 0; i < documents->count; i++)
        free(documents->items[i].text);
    q_release(documents->items);
    *documents = (struct made_documents){0};
}

void made_documents_random(struct made_documents *documents, uint64_t seed, size_t count, size_t words)
{
    uint64_t *vocabulary = malloc(count * words * sizeof(*vocabulary));
    char *text = malloc(words * 12 + 1);
    for (size_t i = 0; i < count; i++) {
        q_random_key key = q_random_key_of(seed, "made", i, 0);
        uint64_t *own = vocabulary + i * words;
        const uint64_t *from = i % 2 ? vocabulary + q_random_below(key, 0, i) * words : NULL;
        /* At most a tenth of the words change, often none: each takes five shingles with it. */
        double share = q_random_unit(key, 1) < 0.2 ? 0 : q_random_unit(key, 2) * 0.1;
        size_t used = 0;
        for (size_t w = 0; w < words; w++) {
            bool fresh = !from || q_random_unit(key, 10 + 2 * w) < share;
            own[w] = fresh ? q_random_below(key, 11 + 2 * w, 10000000) : from[w];
            used += (size_t)snprintf(text + used, words * 12 + 1 - used, "w%c%llu ", (char)('a' + own[w] % 26),
                                     (unsigned long long)own[w]);
        }
        text[used] = 0;
        char id[32];
        (void)snprintf(id, sizeof(id), "d%zu", i);
        made_documents_add(documents, id, text);
    }
    free(vocabulary);
    free(text);
}

void made_documents_shuffle(struct made_documents *documents, uint64_t seed)
{
    q_random_key key = q_random_key_of(seed, "shuffle", 0, 0);
    for (size_t i = documents->count; i > 1; i--) {
        size_t j = q_random_below(key, i, i);
        struct made_document other = documents->items[i - 1];
        documents->items[i - 1] = documents->items[j];
        documents->items[j] = other;
    }
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void write_part(struct q_step *step, uint64_t part, const struct made_document *documents, size_t count,
                       size_t frame_documents)
{
    const char *path;
    struct q_seekable_writer *writer;
    struct q_buffer frame = {0};
    struct q_accounting accounting = {0};
    struct q_part_file file;
    assert_ok(q_step_part_path(step, part, ".jsonl.zst", &path));
    assert_ok(q_seekable_create(path, 1, &writer));
    for (size_t i = 0; i < count; i++) {
        const struct q_document document = {
            .id = q_string_of(documents[i].id),
            .text = q_string_of(documents[i].text),
            .source = Q_STRING("made"),
            .lang = q_string_of(documents[i].lang ? documents[i].lang : "en"),
            .date = documents[i].date ? q_string_of(documents[i].date) : (q_string){0},
            .quality = documents[i].quality,
            .cluster = documents[i].cluster_size ? q_string_of(documents[i].id) : (q_string){0},
            .cluster_size = documents[i].cluster_size,
        };
        assert_ok(q_document_write(&document, &frame));
        assert_ok(q_account_kept(&accounting, document.text.size, document.text.size));
        if ((i + 1) % frame_documents == 0 || i + 1 == count) {
            assert_ok(q_seekable_add_frame(writer, frame.data, frame.size));
            q_buffer_clear(&frame);
        }
    }
    assert_ok(q_seekable_commit(writer, &file.identity));
    file.name = q_fs_base_name(path);
    assert_ok(q_step_part_publish(step, part, &file, 1, &accounting, NULL));
    q_accounting_release(&accounting);
    q_buffer_release(&frame);
}

void made_corpus_write(const char *folder, const struct made_documents *documents, size_t parts, size_t frame_documents)
{
    struct q_step step;
    q_hash all = q_hash_string(q_string_of(folder));
    assert_ok(q_step_begin(&step, "corpus", "build", 1, 0, json_object()));
    for (size_t i = 0; i < documents->count; i++) {
        q_hash one = q_hash_string(q_string_of(documents->items[i].text));
        all.high = all.high * 31 + one.high;
    }
    assert_ok(q_step_add_input(&step, "made", all));
    assert_ok(q_step_seal(&step));
    assert_ok(q_step_open(&step, folder, false));
    size_t share = (documents->count + parts - 1) / parts, from = 0;
    for (size_t part = 0; part < parts; part++) {
        size_t count = documents->count - from < share ? documents->count - from : share;
        write_part(&step, part, documents->count ? documents->items + from : NULL, count, frame_documents);
        from += count;
    }
    assert_ok(q_step_finish(
        &step, &(struct q_finish){.parts = parts, .held_out = 0.125, .held_out_seed = 7, .program = "test"}, NULL));
    q_step_release(&step);
}

/* --- building ----------------------------------------------------------------------------------------------------- */

void made_settings(struct dedup_settings *settings, const char *const *overrides)
{
    static struct q_arena arena; /* the settings' texts live as long as the test program */
    struct q_texts texts = {0};
    struct q_recipe recipe;
    while (overrides && overrides[texts.count])
        texts.count++;
    texts.items = (const char **)(uintptr_t)overrides;
    assert_ok(q_recipe_load(NULL, &texts, &recipe));
    assert_ok(q_settings_load(&dedup_settings_table, q_recipe_section(&recipe, "dedup"), &arena, settings));
    q_recipe_release(&recipe);
}

static q_status build_steps(struct dedup_build *build, const char *out, unsigned threads)
{
    static q_status (*const runs[DEDUP_STEPS])(struct dedup_build *) = {dedup_sign, dedup_group, dedup_filter};
    char work[256];
    (void)snprintf(work, sizeof(work), "%s/work", out);
    Q_TRY(q_pool_create(threads, &build->pool));
    Q_TRY(dedup_step_open(build, DEDUP_STEP_FILTER, out, work, false));
    for (int step = 0; step < DEDUP_STEPS; step++) {
        if (step != DEDUP_STEP_FILTER)
            Q_TRY(dedup_step_open(build, (enum dedup_step)step, out, work, false));
        if (build->steps[step].done)
            continue;
        Q_TRY(runs[step](build));
        struct q_finish finish = {.parts = dedup_step_parts(build, (enum dedup_step)step), .program = "test"};
        if (step == DEDUP_STEP_FILTER)
            Q_TRY(dedup_filter_statistics(build, &finish.statistics));
        Q_TRY(q_step_finish(&build->steps[step], &finish, NULL));
    }
    return Q_OK;
}

q_status made_dedup(const char *corpus, const char *out, const struct dedup_settings *settings, unsigned threads)
{
    struct dedup_build build;
    q_status status = dedup_build_init(&build, settings, &corpus, 1);
    if (status == Q_OK)
        status = build_steps(&build, out, threads);
    dedup_build_release(&build);
    return status;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* The lines of all files of a folder whose names end so. */
static void read_lines(const char *folder, const char *suffix, void (*line)(void *context, q_string line),
                       void *context)
{
    struct q_manifest manifest;
    struct q_buffer batch = {0};
    assert_ok(q_manifest_read(folder, &manifest));
    assert_ok(q_manifest_verify(&manifest));
    for (size_t i = 0; i < manifest.part_count; i++) {
        for (size_t j = 0; j < manifest.parts[i].file_count; j++) {
            const char *name = manifest.parts[i].files[j].name, *path;
            struct q_lines_reader *reader;
            if (strcmp(strchr(name, '.'), suffix) != 0)
                continue;
            assert_ok(q_manifest_path(&manifest, name, &path));
            assert_ok(q_lines_open(path, &reader));
            for (;;) {
                assert_ok(q_lines_next(reader, 1 << 16, &batch));
                if (batch.size == 0)
                    break;
                q_string rest = q_buffer_string(&batch), one;
                while (q_string_next_line(&rest, &one))
                    line(context, one);
            }
            q_lines_close(reader);
        }
    }
    q_buffer_release(&batch);
    q_manifest_release(&manifest);
}

static void add_document_line(void *context, q_string line)
{
    struct made_documents *documents = context;
    static struct q_jsonl_parser *parser;
    struct q_document document;
    if (!parser)
        assert_ok(q_jsonl_create(&parser));
    assert_ok(q_document_parse(parser, line, &document));
    char id[32], *text = strndup(document.text.data, document.text.size);
    (void)snprintf(id, sizeof(id), "%.*s", Q_STRING_ARGS(document.id));
    made_documents_add(documents, id, text);
    documents->items[documents->count - 1].cluster_size = (unsigned)document.cluster_size;
    free(text);
}

void made_corpus_read(const char *folder, struct made_documents *documents)
{
    read_lines(folder, ".jsonl.zst", add_document_line, documents);
}

static void add_evidence_line(void *context, q_string line)
{
    struct made_evidences *evidences = context;
    json_t *object;
    assert_ok(q_json_parse(line, "evidence", &object));
    assert_ok(q_grow(&evidences->items, &evidences->capacity, evidences->count + 1, sizeof(*evidences->items)));
    struct made_evidence *evidence = &evidences->items[evidences->count++];
    (void)snprintf(evidence->id, sizeof(evidence->id), "%s", json_string_value(json_object_get(object, "id")));
    (void)snprintf(evidence->survivor, sizeof(evidence->survivor), "%s",
                   json_string_value(json_object_get(object, "survivor")));
    (void)snprintf(evidence->kind, sizeof(evidence->kind), "%s", json_string_value(json_object_get(object, "kind")));
    evidence->jaccard = json_number_value(json_object_get(object, "jaccard"));
    evidence->containment = json_number_value(json_object_get(object, "containment"));
    json_decref(object);
}

void made_evidence_read(const char *folder, struct made_evidences *evidences)
{
    read_lines(folder, ".evidence.jsonl.zst", add_evidence_line, evidences);
}
