/* Whole builds: what goes in comes out again, the same bytes by threads, tasks and kills; the reader is the plain stream cut by arithmetic. */
#include "base/check.h"
#include "base/clock.h"
#include "base/document.h"
#include "base/log.h"
#include "shards/mixture.h"
#include "shards/shards_build.h"
#include "shards/shards_export.h"
#include "shards/shards_fim.h"
#include "shards/shards_read.h"
#include "shards/shards_survey.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"
#include "tests/shards/shards_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct fixture_documents DOCUMENTS = {
    .parts = 5, .documents = 40, .words_max = 60, .held_out = 0.2, .seed = 1};

struct arguments {
    const char *out, *tokenizer;
    const char *set[4];
    uint64_t threads;
    struct q_task task;
    bool force;
};

static q_status build_with(const struct arguments *arguments)
{
    struct shards_build build = {0};
    const char *const folders[] = {"documents"};
    struct q_common common = {.out = arguments->out,
                              .threads = arguments->threads ? arguments->threads : 1,
                              .force = arguments->force,
                              .task = arguments->task.count ? arguments->task : (struct q_task){0, 1}};
    const char *set[4];
    common.set.items = set;
    while (common.set.count < 4 && arguments->set[common.set.count]) {
        set[common.set.count] = arguments->set[common.set.count];
        common.set.count++;
    }
    q_status status = shards_build_settings(&build, &common);
    if (!status)
        status = shards_build_load(&build, folders, 1, arguments->tokenizer ? arguments->tokenizer : "tokenizer.json");
    if (!status)
        status = shards_build_run(&build, &common);
    shards_build_release(&build);
    return status;
}

static int enter(void **state)
{
    q_log_set_level(Q_LOG_ERROR);
    if (scratch_enter(state))
        return 1;
    assert_int_equal(fixture_documents("documents", &DOCUMENTS), Q_OK);
    assert_int_equal(fixture_tokenizer("tokenizer.json", 300, true), Q_OK);
    assert_int_equal(fixture_tokenizer("large.json", 70000, true), Q_OK);
    assert_int_equal(fixture_tokenizer("plain.json", 300, false), Q_OK);
    assert_int_equal(
        build_with(&(struct arguments){.out = "shards", .set = {"shards.sequence_tokens=16", "shards.frame_bytes=96"}}),
        Q_OK);
    return 0;
}

/* The same files with the same bytes; provenance.json differs by nature. */
static void assert_same_folder(const char *a, const char *b)
{
    struct q_arena arena = {0};
    const char **names_a, **names_b, *path_a, *path_b;
    size_t count_a, count_b;
    struct q_buffer bytes_a = {0}, bytes_b = {0};
    assert_int_equal(q_fs_list(a, &arena, &names_a, &count_a), Q_OK);
    assert_int_equal(q_fs_list(b, &arena, &names_b, &count_b), Q_OK);
    assert_int_equal(count_a, count_b);
    assert_true(count_a > 8);
    for (size_t i = 0; i < count_a; i++) {
        assert_string_equal(names_a[i], names_b[i]);
        if (strcmp(names_a[i], "provenance.json") == 0)
            continue;
        assert_int_equal(q_fs_join(&arena, a, names_a[i], &path_a), Q_OK);
        assert_int_equal(q_fs_join(&arena, b, names_b[i], &path_b), Q_OK);
        scratch_read(path_a, &bytes_a);
        scratch_read(path_b, &bytes_b);
        assert_int_equal(bytes_a.size, bytes_b.size);
        assert_memory_equal(bytes_a.data, bytes_b.data, bytes_a.size);
    }
    q_buffer_release(&bytes_a);
    q_buffer_release(&bytes_b);
    q_arena_release(&arena);
}

/* Every document of the input, encoded here one by one and sorted by key, is the stream of its part's file. */
struct expected {
    q_hash key;
    size_t first, count; /* in ids */
};

static int by_key(const void *a, const void *b)
{
    return q_hash_compare(((const struct expected *)a)->key, ((const struct expected *)b)->key);
}

static void encode_one(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch,
                       const struct q_document *document, const struct tokenizer_noise *noise,
                       struct tokenizer_ids *ids)
{
    if (!noise) {
        assert_int_equal(tokenizer_encode(tokenizer, scratch, document->text, TOKENIZER_SPECIAL_AS_TEXT, ids), Q_OK);
        return;
    }
    struct tokenizer_noise own = *noise;
    own.document = q_document_key(document->id);
    assert_int_equal(tokenizer_encode_noisy(tokenizer, scratch, document->text, TOKENIZER_SPECIAL_AS_TEXT, &own, ids),
                     Q_OK);
}

static void encode_plainly(const char *path, enum shards_split split, const struct tokenizer *tokenizer,
                           const struct tokenizer_noise *noise, struct tokenizer_ids *stream)
{
    struct q_lines_reader *reader;
    struct q_jsonl_parser *parser;
    struct tokenizer_scratch *scratch;
    struct q_buffer batch = {0};
    struct tokenizer_ids ids = {0};
    struct expected documents[100];
    size_t count = 0;
    assert_int_equal(q_lines_open(path, &reader), Q_OK);
    assert_int_equal(q_jsonl_create(&parser), Q_OK);
    assert_int_equal(tokenizer_scratch_create(tokenizer, &scratch), Q_OK);
    assert_int_equal(q_lines_next(reader, 1 << 24, &batch), Q_OK);
    q_string rest = q_buffer_string(&batch), line;
    while (q_string_next_line(&rest, &line)) {
        struct q_document document;
        assert_int_equal(q_document_parse(parser, line, &document), Q_OK);
        if (document.text.size == 0 ||
            q_document_held_out(document.id, 7, DOCUMENTS.held_out) != (split == SHARDS_HELDOUT))
            continue;
        documents[count].key = q_document_key(document.id);
        documents[count].first = ids.count;
        encode_one(tokenizer, scratch, &document, noise, &ids);
        documents[count].count = ids.count - documents[count].first;
        count++;
    }
    qsort(documents, count, sizeof *documents, by_key);
    stream->count = 0;
    assert_int_equal(q_grow(&stream->ids, &stream->capacity, ids.count + 2 * count, sizeof *stream->ids), Q_OK);
    for (size_t i = 0; i < count; i++) {
        stream->ids[stream->count++] = tokenizer_special_id(tokenizer, TOKENIZER_BEGIN);
        memcpy(stream->ids + stream->count, ids.ids + documents[i].first, documents[i].count * sizeof *ids.ids);
        stream->count += documents[i].count;
        stream->ids[stream->count++] = tokenizer_special_id(tokenizer, TOKENIZER_END);
    }
    tokenizer_ids_release(&ids);
    tokenizer_scratch_release(scratch);
    q_jsonl_release(parser);
    q_lines_close(reader);
    q_buffer_release(&batch);
}

/* noise: of all documents of the split; NULL: none. */
static void check_noisy_split(const char *folder, enum shards_split split, const struct tokenizer *tokenizer,
                              uint32_t T, const struct tokenizer_noise *noise)
{
    struct shards *shards;
    struct shards_cursor *cursor;
    struct tokenizer_ids stream = {0};
    uint32_t ids[64];
    uint64_t sequence = 0, tokens = 0, tail = 0;
    assert_int_equal(shards_open(folder, split, &shards), Q_OK);
    assert_int_equal(shards->sequence_tokens, T);
    assert_int_equal(shards->source_count, 2);
    assert_int_equal(shards_cursor_create(shards, &cursor), Q_OK);
    for (uint64_t part = 0; part < DOCUMENTS.parts; part++) {
        char path[64];
        (void)snprintf(path, sizeof path, "documents/part-%05llu.jsonl.zst", (unsigned long long)part);
        encode_plainly(path, split, tokenizer, noise, &stream);
        for (size_t first = 0; first + T + 1 <= stream.count; first += T, sequence++) {
            assert_int_equal(shards_read(cursor, sequence, ids), Q_OK);
            assert_memory_equal(ids, stream.ids + first, (T + 1) * sizeof *ids);
            struct shards_place place;
            shards_find(shards, sequence, &place);
            assert_int_equal(place.sequence, first / T);
            assert_string_equal(shards->sources[place.source].name, 2 * part < DOCUMENTS.parts ? "novels" : "papers");
        }
        tokens += stream.count;
        if (stream.count > 0)
            tail += (stream.count - 1) % T;
    }
    assert_true(sequence > 20);
    assert_int_equal(shards->sequences, sequence);
    assert_int_equal(shards->tokens, tokens);
    assert_int_equal(shards->tail_tokens, tail);
    assert_int_equal(shards->sources[0].sequences + shards->sources[1].sequences, sequence);
    assert_int_equal(shards->sources[1].first_sequence, shards->sources[0].sequences);
    tokenizer_ids_release(&stream);
    shards_cursor_release(cursor);
    shards_close(shards);
}

static void check_split(const char *folder, enum shards_split split, const struct tokenizer *tokenizer, uint32_t T)
{
    check_noisy_split(folder, split, tokenizer, T, NULL);
}

static void shards_are_the_documents(void **state)
{
    (void)state;
    struct tokenizer *tokenizer;
    assert_int_equal(tokenizer_load("tokenizer.json", &tokenizer), Q_OK);
    check_split("shards", SHARDS_TRAIN, tokenizer, 16);
    check_split("shards", SHARDS_HELDOUT, tokenizer, 16);
    tokenizer_release(tokenizer);
}

static void wide_ids(void **state)
{
    (void)state;
    struct tokenizer *tokenizer;
    assert_int_equal(
        build_with(&(struct arguments){.out = "wide", .tokenizer = "large.json", .set = {"shards.sequence_tokens=20"}}),
        Q_OK);
    assert_int_equal(tokenizer_load("large.json", &tokenizer), Q_OK);
    check_split("wide", SHARDS_TRAIN, tokenizer, 20);
    struct survey survey = {0};
    assert_int_equal(survey_path(&survey, "wide"), Q_OK);
    assert_int_equal(survey.id_bytes, 4);
    survey_release(&survey);
    tokenizer_release(tokenizer);
}

static void sequences_of_one_token(void **state)
{
    (void)state;
    struct tokenizer *tokenizer;
    assert_int_equal(build_with(&(struct arguments){.out = "ones", .set = {"shards.sequence_tokens=1"}}), Q_OK);
    assert_int_equal(tokenizer_load("tokenizer.json", &tokenizer), Q_OK);
    check_split("ones", SHARDS_TRAIN, tokenizer, 1);
    tokenizer_release(tokenizer);
}

static void threads_and_tasks_give_the_same_bytes(void **state)
{
    (void)state;
    const struct arguments same = {.set = {"shards.sequence_tokens=16", "shards.frame_bytes=96"}};
    struct arguments two = same, task = same;
    two.out = "two";
    two.threads = 2;
    assert_int_equal(build_with(&two), Q_OK);
    assert_same_folder("shards", "two");
    task.out = "tasks";
    for (uint64_t i = 0; i < 3; i++) {
        task.task = (struct q_task){2 - i, 3};
        assert_int_equal(build_with(&task), Q_OK);
        bool done;
        assert_int_equal(q_manifest_done("tasks", &done), Q_OK);
        assert_false(done);
    }
    task.task = (struct q_task){0, 1};
    assert_int_equal(build_with(&task), Q_OK);
    assert_same_folder("shards", "tasks");
    /* What is done is not built again: not a byte is written. */
    struct stat before, after;
    bool exists;
    assert_int_equal(q_fs_look("tasks/manifest.json", &exists, &before), Q_OK);
    assert_int_equal(build_with(&task), Q_OK);
    assert_int_equal(q_fs_look("tasks/manifest.json", &exists, &after), Q_OK);
    assert_int_equal(before.st_ino, after.st_ino);
}

static void another_setting_is_refused(void **state)
{
    (void)state;
    struct arguments other = {.out = "other", .set = {"shards.sequence_tokens=16"}};
    assert_int_equal(build_with(&other), Q_OK);
    other.set[0] = "shards.sequence_tokens=17";
    assert_int_equal(build_with(&other), Q_ERR_USAGE);
    assert_non_null(strstr(q_error_text(), "sequence_tokens"));
    other.force = true;
    assert_int_equal(build_with(&other), Q_OK);
    struct shards *shards;
    assert_int_equal(shards_open("other", SHARDS_TRAIN, &shards), Q_OK);
    assert_int_equal(shards->sequence_tokens, 17);
    shards_close(shards);
}

static int build_killed(void *context)
{
    return build_with(context) == Q_OK ? 0 : 1;
}

/* Killed at some hundred calls of the file system, each time going on where the last kill left it; then the bytes are those of the run that nobody
 * disturbed. */
static void kills_change_nothing(void **state)
{
    (void)state;
    struct arguments arguments = {.out = "killed", .set = {"shards.sequence_tokens=16", "shards.frame_bytes=96"}};
    int code = -1;
    unsigned kills = 0;
    for (uint64_t k = 3; fault_fs_killed(k, build_killed, &arguments, &code); k += 5) {
        assert_true(++kills < 1000);
        if (k % 3 == 0) /* sometimes from the beginning, so that early calls die late as well */
            assert_int_equal(q_fs_remove_tree("killed"), Q_OK);
    }
    assert_int_equal(code, 0);
    assert_true(kills > 10);
    assert_same_folder("shards", "killed");
}

static int build_stopped(void *context)
{
    q_stop_request();
    return q_exit_code(build_with(context));
}

static void a_stop_leaves_nothing_that_looks_whole(void **state)
{
    (void)state;
    struct arguments arguments = {.out = "stopped", .set = {"shards.sequence_tokens=16", "shards.frame_bytes=96"}};
    int code = -1;
    bool done;
    assert_false(fault_fs_killed(UINT64_MAX, build_stopped, &arguments, &code));
    assert_int_equal(code, 75);
    assert_int_equal(q_manifest_done("stopped", &done), Q_OK);
    assert_false(done);
    assert_int_equal(build_with(&arguments), Q_OK);
    assert_same_folder("shards", "stopped");
}

static void failing_files_leave_no_false_result(void **state)
{
    (void)state;
    struct arguments arguments = {.out = "faults", .set = {"shards.sequence_tokens=16", "shards.frame_bytes=96"}};
    bool done = false;
    for (uint64_t k = 1; !done; k += 7) {
        fault_fs_start(k % 2 ? FAULT_FAIL : FAULT_DISK_FULL, k);
        const q_status status = build_with(&arguments);
        const bool reached = fault_fs_stop();
        if (!reached)
            assert_int_equal(status, Q_OK);
        assert_int_equal(q_manifest_done("faults", &done), Q_OK);
        assert_true(!done || status == Q_OK || reached);
    }
    assert_same_folder("shards", "faults");
}

static void failing_allocations(void **state)
{
    (void)state;
    struct arguments arguments = {.out = "memory", .set = {"shards.sequence_tokens=16", "shards.frame_bytes=96"}};
    q_status status = Q_ERR_MEMORY;
    for (uint64_t k = 1; status != Q_OK; k += 1 + k / 16) {
        q_memory_fail_at(k, 0);
        status = build_with(&arguments);
        q_memory_fail_at(0, 0);
        assert_true(status == Q_OK || status == Q_ERR_MEMORY);
    }
    assert_same_folder("shards", "memory");
}

static void statistics_add_up(void **state)
{
    (void)state;
    struct survey survey = {0};
    struct shards *shards;
    uint64_t *counts, sum = 0, rows = 0, lengths = 0;
    assert_int_equal(survey_path(&survey, "shards"), Q_OK);
    assert_int_equal(shards_open("shards", SHARDS_TRAIN, &shards), Q_OK);
    assert_int_equal(q_alloc(shards->vocabulary, sizeof *counts, &counts), Q_OK);
    assert_int_equal(shards_token_counts(shards, counts), Q_OK);
    for (uint32_t id = 0; id < shards->vocabulary; id++) {
        assert_int_equal(counts[id], survey.splits[SHARDS_TRAIN].counts[id]);
        sum += counts[id];
    }
    assert_int_equal(sum, shards->tokens);
    for (size_t i = 0; i < survey.row_count; i++)
        rows += survey.rows[i].split == SHARDS_TRAIN ? survey.rows[i].tokens : 0;
    assert_int_equal(rows, shards->tokens);
    for (size_t bin = 0; bin < SHARD_LENGTH_BINS; bin++)
        lengths += survey.splits[SHARDS_TRAIN].lengths[bin];
    assert_int_equal(lengths, survey.splits[SHARDS_TRAIN].documents);
    assert_int_equal(survey.splits[SHARDS_TRAIN].tokens, shards->tokens);
    assert_int_equal(survey.splits[SHARDS_TRAIN].text_bytes, shards->text_bytes);
    /* 4 parts of 40 documents, every eleventh of a part without text: 3 of 40. */
    assert_int_equal(survey.splits[SHARDS_TRAIN].documents + survey.splits[SHARDS_HELDOUT].documents, 4 * 37);
    q_release(counts);
    shards_close(shards);
    survey_release(&survey);
}

/* A part's files are found by name, but believed by content: two of them exchanged are noticed before an id is used. */
static void exchanged_files_are_noticed(void **state)
{
    (void)state;
    struct shards *shards;
    struct shards_cursor *cursor;
    uint32_t ids[64];
    assert_int_equal(build_with(&(struct arguments){.out = "exchanged",
                                                    .set = {"shards.sequence_tokens=16", "shards.frame_bytes=96"}}),
                     Q_OK);
    assert_int_equal(shards_open("exchanged", SHARDS_TRAIN, &shards), Q_OK);
    assert_int_equal(rename("exchanged/part-00000.train.zst", "exchanged/keep"), 0);
    assert_int_equal(rename("exchanged/part-00001.train.zst", "exchanged/part-00000.train.zst"), 0);
    assert_int_equal(shards_cursor_create(shards, &cursor), Q_OK);
    assert_int_equal(shards_read(cursor, 0, ids), Q_ERR_INPUT);
    assert_non_null(strstr(q_error_text(), "not the one"));
    assert_int_equal(shards_read(cursor, shards->sources[1].first_sequence, ids), Q_OK);
    assert_int_equal(rename("exchanged/keep", "exchanged/part-00000.train.zst"), 0);
    assert_int_equal(shards_read(cursor, 0, ids), Q_OK);
    shards_cursor_release(cursor);
    shards_close(shards);
}

static void fim_keeps_every_byte(void **state)
{
    (void)state;
    struct tokenizer *tokenizer;
    struct shard_file *file;
    struct shard_statistics statistics;
    struct shard_document *documents;
    struct q_arena arena = {0};
    assert_int_equal(
        build_with(&(struct arguments){.out = "fim", .set = {"shards.sequence_tokens=16", "shards.fim_rate=0.5"}}),
        Q_OK);
    assert_int_equal(tokenizer_load("tokenizer.json", &tokenizer), Q_OK);
    assert_int_equal(shard_file_open("fim/part-00000.train.zst", &file), Q_OK);
    assert_int_equal(shard_file_verify(file), Q_OK);
    assert_int_equal(shard_file_statistics(file, &arena, &statistics), Q_OK);
    assert_int_equal(shard_file_documents(file, statistics.language_count, &arena, &documents), Q_OK);
    assert_in_range(file->header.fim_documents, file->header.documents / 4, 3 * file->header.documents / 4);
    for (uint64_t i = 0; i < file->header.documents; i++) {
        uint32_t ids[4096];
        struct q_buffer text = {0};
        uint64_t bytes = 0;
        assert_true(documents[i].tokens <= 4096);
        assert_int_equal(shard_file_ids(file, documents[i].first, documents[i].tokens, ids), Q_OK);
        const bool marked = ids[1] == tokenizer_special_id(tokenizer, TOKENIZER_FIM_BEGIN);
        assert_int_equal(marked, documents[i].fim);
        for (uint64_t t = 0; t < documents[i].tokens; t++)
            bytes += tokenizer_is_special(tokenizer, ids[t]) ? 0 : tokenizer_bytes(tokenizer, ids[t]).size;
        assert_int_equal(bytes, documents[i].text_bytes);
        q_buffer_release(&text);
    }
    shard_file_close(file);
    /* Held-out documents stay as they are. */
    struct survey survey = {0};
    assert_int_equal(survey_path(&survey, "fim"), Q_OK);
    assert_int_equal(survey.splits[SHARDS_HELDOUT].fim_documents, 0);
    survey_release(&survey);
    tokenizer_release(tokenizer);
    q_arena_release(&arena);
}

/* The bytes of all documents of a file are those of their texts, whatever was done to their ids; how many ids there are. */
static uint64_t check_texts(const char *path, const struct tokenizer *tokenizer)
{
    struct shard_file *file;
    struct shard_statistics statistics;
    struct shard_document *documents;
    struct q_arena arena = {0};
    assert_int_equal(shard_file_open(path, &file), Q_OK);
    assert_int_equal(shard_file_statistics(file, &arena, &statistics), Q_OK);
    assert_int_equal(shard_file_documents(file, statistics.language_count, &arena, &documents), Q_OK);
    for (uint64_t i = 0; i < file->header.documents; i++) {
        uint32_t ids[4096];
        uint64_t bytes = 0;
        assert_true(documents[i].tokens <= 4096);
        assert_int_equal(shard_file_ids(file, documents[i].first, documents[i].tokens, ids), Q_OK);
        for (uint64_t t = 0; t < documents[i].tokens; t++)
            bytes += tokenizer_is_special(tokenizer, ids[t]) ? 0 : tokenizer_bytes(tokenizer, ids[t]).size;
        assert_int_equal(bytes, documents[i].text_bytes);
    }
    const uint64_t tokens = file->header.tokens;
    shard_file_close(file);
    q_arena_release(&arena);
    return tokens;
}

static void noise_is_in_training_documents_alone(void **state)
{
    (void)state;
    struct tokenizer *tokenizer;
    struct arguments noisy = {
        .out = "noisy", .set = {"shards.sequence_tokens=16", "shards.bpe_dropout=0.3", "shards.boundary_split=0.5"}};
    const struct tokenizer_noise noise = {.dropout = 0.3, .boundary_split = 0.5};
    assert_int_equal(build_with(&noisy), Q_OK);
    assert_int_equal(tokenizer_load("tokenizer.json", &tokenizer), Q_OK);
    check_noisy_split("noisy", SHARDS_TRAIN, tokenizer, 16, &noise);
    check_split("noisy", SHARDS_HELDOUT, tokenizer, 16);
    const uint64_t tokens = check_texts("noisy/part-00000.train.zst", tokenizer);
    assert_true(tokens > check_texts("shards/part-00000.train.zst", tokenizer));
    noisy.out = "noisy-too";
    noisy.threads = 3;
    assert_int_equal(build_with(&noisy), Q_OK);
    assert_same_folder("noisy", "noisy-too");
    /* With documents in another order, too. */
    noisy.out = "noisy-fim";
    noisy.set[3] = "shards.fim_rate=0.5";
    assert_int_equal(build_with(&noisy), Q_OK);
    (void)check_texts("noisy-fim/part-00000.train.zst", tokenizer);
    tokenizer_release(tokenizer);
}

/* Cuts lie between characters of valid UTF-8 and inside any other bytes; the rate is kept; the draws belong to the document. */
static void fim_cuts(void **state)
{
    (void)state;
    const q_string text = Q_STRING("a\xc3\xa4\xe6\xb0\xb4\xf0\x9f\x8c\x8a z"),
                   junk = Q_STRING("\x80\x80\x80\x80\x80\x80\x80");
    unsigned drawn = 0, places[16] = {0};
    for (uint64_t i = 0; i < 2000; i++) {
        struct fim_cuts cuts, again;
        if (!fim_draw(3, 0.25, (q_hash){i, 1}, text, &cuts))
            continue;
        drawn++;
        assert_true(cuts.first <= cuts.second && cuts.second <= text.size);
        places[cuts.first]++;
        assert_true(fim_draw(3, 0.25, (q_hash){i, 1}, text, &again));
        assert_int_equal(cuts.first, again.first);
        assert_true(fim_draw(3, 1, (q_hash){i, 1}, junk, &cuts));
        assert_true(cuts.first <= cuts.second && cuts.second <= junk.size);
        assert_true(fim_draw(3, 1, (q_hash){i, 1}, (q_string){"", 0}, &cuts));
        assert_true(cuts.first == 0 && cuts.second == 0);
    }
    assert_in_range(drawn, 400, 600);
    assert_true(places[0] && places[1] && places[3] && places[6]);
    assert_true(!places[2] && !places[4] && !places[5] && !places[7] && !places[8] && !places[9]);
    struct fim_cuts cuts;
    assert_false(fim_draw(3, 0, (q_hash){1, 1}, text, &cuts));
}

static void tokenizers_without_their_tokens(void **state)
{
    (void)state;
    assert_int_equal(
        build_with(&(struct arguments){.out = "none", .tokenizer = "plain.json", .set = {"shards.fim_rate=0.5"}}),
        Q_ERR_INPUT);
    assert_non_null(strstr(q_error_text(), "fim"));
    assert_int_equal(build_with(&(struct arguments){
                         .out = "plain", .tokenizer = "plain.json", .set = {"shards.sequence_tokens=100000"}}),
                     Q_OK);
    struct shards *shards; /* no sequence is whole, and that is no failure */
    assert_int_equal(shards_open("plain", SHARDS_TRAIN, &shards), Q_OK);
    assert_int_equal(shards->sequences, 0);
    assert_int_equal(shards->tail_tokens, shards->tokens);
    assert_int_equal(shards->source_count, 2);
    shards_close(shards);
    assert_int_equal(build_with(&(struct arguments){.out = "absent", .tokenizer = "absent.json"}), Q_ERR_INPUT);
}

static void hostile_manifests_are_refused(void **state)
{
    (void)state;
    struct shards *shards = NULL;
    assert_int_equal(shards_open("documents", SHARDS_TRAIN, &shards), Q_ERR_INPUT);
    assert_non_null(strstr(q_error_text(), "stage"));
    assert_int_equal(shards_open("nowhere", SHARDS_TRAIN, &shards), Q_ERR_INPUT);
    assert_null(shards);
}

/* Megatron's reader in a few lines: the documents of the export are those of the shards. */
static void megatron_export(void **state)
{
    (void)state;
    struct shards *shards;
    struct q_buffer bin = {0}, idx = {0};
    assert_int_equal(shards_open("shards", SHARDS_TRAIN, &shards), Q_OK);
    assert_int_equal(shards_export_megatron(shards, "export"), Q_OK);
    scratch_read("export.bin", &bin);
    scratch_read("export.idx", &idx);
    uint64_t sequences, documents, version, next = 0, place = 0;
    assert_memory_equal(idx.data, "MMIDIDX\0\0", 9);
    memcpy(&version, idx.data + 9, 8);
    memcpy(&sequences, idx.data + 18, 8);
    memcpy(&documents, idx.data + 26, 8);
    assert_int_equal(version, 1);
    assert_int_equal(idx.data[17], 8);
    assert_int_equal(documents, sequences + 1);
    assert_int_equal(idx.size, 34 + 12 * sequences + 8 * documents);
    assert_int_equal(bin.size, 2 * shards->tokens);
    for (uint64_t i = 0; i < sequences; i++) {
        int32_t length;
        int64_t start, document;
        uint16_t first, last;
        memcpy(&length, idx.data + 34 + 4 * i, 4);
        memcpy(&start, idx.data + 34 + 4 * sequences + 8 * i, 8);
        memcpy(&document, idx.data + 34 + 12 * sequences + 8 * i, 8);
        assert_int_equal(start, next);
        assert_int_equal(document, i);
        memcpy(&first, bin.data + start, 2);
        memcpy(&last, bin.data + start + 2 * length - 2, 2);
        assert_int_equal(first, 0);
        assert_int_equal(last, 1);
        next += 2 * (uint64_t)length;
    }
    assert_int_equal(next, bin.size);
    for (size_t f = 0; f < shards->file_count; f++) { /* the ids themselves */
        struct shard_file *file;
        uint32_t *ids;
        assert_int_equal(shard_file_open(shards->files[f].path, &file), Q_OK);
        assert_int_equal(q_alloc(file->header.tokens, sizeof *ids, &ids), Q_OK);
        assert_int_equal(shard_file_ids(file, 0, file->header.tokens, ids), Q_OK);
        for (uint64_t i = 0; i < file->header.tokens; i++, place++) {
            uint16_t id;
            memcpy(&id, bin.data + 2 * place, 2);
            assert_int_equal(id, ids[i]);
        }
        q_release(ids);
        shard_file_close(file);
    }
    q_buffer_release(&bin);
    q_buffer_release(&idx);
    shards_close(shards);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_are_the_documents),
        cmocka_unit_test(wide_ids),
        cmocka_unit_test(sequences_of_one_token),
        cmocka_unit_test(threads_and_tasks_give_the_same_bytes),
        cmocka_unit_test(another_setting_is_refused),
        cmocka_unit_test(kills_change_nothing),
        cmocka_unit_test(a_stop_leaves_nothing_that_looks_whole),
        cmocka_unit_test(failing_files_leave_no_false_result),
        cmocka_unit_test(failing_allocations),
        cmocka_unit_test(statistics_add_up),
        cmocka_unit_test(exchanged_files_are_noticed),
        cmocka_unit_test(fim_keeps_every_byte),
        cmocka_unit_test(fim_cuts),
        cmocka_unit_test(noise_is_in_training_documents_alone),
        cmocka_unit_test(tokenizers_without_their_tokens),
        cmocka_unit_test(hostile_manifests_are_refused),
        cmocka_unit_test(megatron_export),
    };
    return cmocka_run_group_tests(tests, enter, scratch_leave);
}
