/* Counting in bounded memory: against the plain table of counts.h, with any memory and any threads, through runs, merges in several passes, and failures. */
#include "base/check.h"
#include "base/fs.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/count/count_pairs.h"
#include "tokenizer/count/count_texts.h"
#include "tokenizer/count/counter.h"
#include "tokenizer/count/counts.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXTS = 1200, ROOMY = 64 << 20, TIGHT = 200 << 10 };

/* Texts with short pieces, long ones, and some that come again and again. */
static void make_text(uint64_t *dice, unsigned i, struct q_buffer *text)
{
    random_text(dice, 40 + 400 * (i % 7 == 0), i % 2, text);
    for (unsigned k = 0; k < i % 60; k++)
        assert_ok(q_buffer_append(text, "mill", 4));
    assert_ok(q_buffer_printf(text, " the mill and the stone\n%u", i % 13));
}

/* The plain twin: one table, one thread. */
static void count_plainly(struct counts *counts)
{
    struct q_buffer text = {0};
    uint64_t dice = 5;
    *counts = (struct counts){.pretokenizer = pretokenizers[0]};
    for (unsigned i = 0; i < TEXTS; i++) {
        make_text(&dice, i, &text);
        assert_ok(counts_add_text(counts, q_buffer_string(&text)));
    }
    q_buffer_release(&text);
}

struct adding {
    struct counter *counter;
    struct q_buffer *texts;
    size_t *at;
};

static void add_some(void *context, unsigned worker, size_t i)
{
    struct adding *adding = context;
    if (adding->at[i] < adding->texts[i].size && !counter_is_full(adding->counter))
        q_check(!counter_add_text(adding->counter, worker, q_buffer_string(&adding->texts[i]), 1, &adding->at[i]));
}

/* The same texts by many threads; runs of the counter are told. */
static struct counter *count_together(unsigned threads, uint64_t table_bytes, struct work_folder *folder,
                                      struct q_pool **pool)
{
    struct q_buffer texts[TEXTS] = {0};
    size_t at[TEXTS] = {0}, left;
    uint64_t dice = 5;
    struct adding adding = {.texts = texts, .at = at};
    assert_ok(q_pool_create(threads, pool));
    const struct counter_options options = {pretokenizers[0], 1, table_bytes, ROOMY, folder, *pool};
    assert_ok(counter_create(&options, &adding.counter));
    for (unsigned i = 0; i < TEXTS; i++) {
        make_text(&dice, i, &texts[i]);
        counter_add_documents(adding.counter, 0, 1, texts[i].size);
    }
    do {
        q_pool_for(*pool, TEXTS, add_some, &adding);
        if (counter_is_full(adding.counter))
            assert_ok(counter_spill(adding.counter));
        left = 0;
        for (unsigned i = 0; i < TEXTS; i++)
            left += at[i] < texts[i].size;
    } while (left);
    for (unsigned i = 0; i < TEXTS; i++)
        q_buffer_release(&texts[i]);
    return adding.counter;
}

static void assert_same_files(const char *a, const char *b)
{
    struct q_buffer first = {0}, second = {0};
    scratch_read(a, &first);
    scratch_read(b, &second);
    assert_true(first.size > 0 && q_string_equal(q_buffer_string(&first), q_buffer_string(&second)));
    q_buffer_release(&first);
    q_buffer_release(&second);
}

static void any_memory_and_threads_give_the_twins_file(void **state)
{
    static const unsigned threads[] = {1, 2, 5};
    struct counts plain;
    (void)state;
    count_plainly(&plain);
    assert_ok(counts_write(&plain, "plain.counts", NULL));
    for (unsigned i = 0; i < 6; i++) {
        struct work_folder folder = {0};
        struct count_info info;
        struct q_pool *pool;
        assert_ok(work_folder_open(&folder, "together.counts"));
        struct counter *counter = count_together(threads[i / 2], i % 2 ? TIGHT : ROOMY, &folder, &pool);
        if (i < 2) /* the fronts of more threads may hold so little text for themselves */
            assert_int_equal(counter_runs(counter) > 1, i % 2);
        assert_ok(counter_write(counter, "together.counts", &info, NULL));
        assert_int_equal(info.entries, plain.used);
        assert_int_equal(info.total.pieces, plain.total.pieces);
        assert_same_files("plain.counts", "together.counts");
        counter_release(counter);
        work_folder_close(&folder);
        assert_int_not_equal(access("together.counts.work", F_OK), 0);
        q_pool_release(pool);
    }
    counts_release(&plain);
}

/* Entries come in order, all of them, twice. */
static void assert_stream(struct count_stream *stream, const struct counts *plain, bool sorted)
{
    struct count_entry entry;
    struct q_buffer last = {0};
    for (int pass = 0; pass < 2; pass++) {
        size_t entries = 0;
        q_buffer_clear(&last);
        count_stream_rewind(stream);
        for (;; entries++) {
            assert_ok(count_stream_next(stream, &entry));
            if (!entry.piece.data)
                break;
            assert_true(!sorted || q_string_compare(q_buffer_string(&last), entry.piece) < 0);
            assert_int_equal(counts_of(plain, entry.piece), entry.count);
            q_buffer_clear(&last);
            assert_ok(q_buffer_append_string(&last, entry.piece));
        }
        assert_int_equal(entries, plain->used);
    }
    assert_int_equal(count_stream_info(stream)->total.pieces, plain->total.pieces);
    assert_int_equal(count_stream_info(stream)->total.documents, plain->total.documents);
    q_buffer_release(&last);
}

static void streams_give_what_was_counted(void **state)
{
    struct counts plain;
    (void)state;
    count_plainly(&plain);
    for (unsigned i = 0; i < 4; i++) {
        struct work_folder folder = {0};
        struct count_stream *stream;
        struct q_pool *pool;
        assert_ok(work_folder_open(&folder, "stream"));
        struct counter *counter = count_together(1 + i % 2, i / 2 ? TIGHT : ROOMY, &folder, &pool);
        assert_ok(counter_stream(counter, NULL, 0, &stream));
        assert_stream(stream, &plain, true);
        count_stream_close(stream);
        counter_release(counter);
        work_folder_close(&folder);
        q_pool_release(pool);
    }
    counts_release(&plain);
}

/* A table that has no room for the list of its slots streams out of the merge. */
static void a_full_table_streams_without_a_list(void **state)
{
    struct work_folder folder = {0};
    struct count_stream *stream;
    struct counts plain;
    struct q_pool *pool;
    (void)state;
    count_plainly(&plain);
    assert_ok(work_folder_open(&folder, "merge"));
    /* Its slots alone take more than half: 8 bytes more for each do not fit. */
    uint64_t bytes = ROOMY;
    struct counter *counter = count_together(2, bytes, &folder, &pool);
    bytes = counter_table_bytes(counter) + 64;
    counter_release(counter);
    q_pool_release(pool);
    counter = count_together(2, bytes, &folder, &pool);
    if (!counter_runs(counter)) {
        assert_ok(counter_stream(counter, NULL, 0, &stream));
        assert_stream(stream, &plain, true);
        count_stream_close(stream);
    }
    counter_release(counter);
    work_folder_close(&folder);
    q_pool_release(pool);
    counts_release(&plain);
}

static void pieces_longer_than_the_table_are_runs(void **state)
{
    struct work_folder folder = {0};
    struct counts plain = {.pretokenizer = pretokenizers[0]};
    struct counter *counter;
    struct q_pool *pool;
    struct q_buffer text = {0};
    (void)state;
    for (unsigned i = 0; i < 300000; i++)
        assert_ok(q_buffer_append_byte(&text, "ab"[i % 1000 == 7]));
    assert_ok(q_pool_create(1, &pool));
    assert_ok(work_folder_open(&folder, "long.counts"));
    const struct counter_options options = {pretokenizers[0], 1, 1 << 20, ROOMY, &folder, pool};
    assert_ok(counter_create(&options, &counter));
    for (unsigned i = 0; i < 8; i++) {
        const q_string part = q_string_slice(q_buffer_string(&text), 0, 30000u << i % 4);
        for (size_t at = 0; at < part.size;) {
            assert_ok(counter_add_text(counter, 0, part, 1, &at));
            if (counter_is_full(counter))
                assert_ok(counter_spill(counter));
        }
        counter_add_documents(counter, 0, 1, part.size);
        assert_ok(counts_add_text(&plain, part));
    }
    assert_true(counter_runs(counter) >= 2);
    assert_ok(counter_write(counter, "long.counts", NULL, NULL));
    assert_ok(counts_write(&plain, "long-plain.counts", NULL));
    assert_same_files("long.counts", "long-plain.counts");
    counter_release(counter);
    work_folder_close(&folder);
    q_pool_release(pool);
    counts_release(&plain);
    q_buffer_release(&text);
}

/* More files than the memory has readers for. */
static void merges_take_as_many_passes_as_they_need(void **state)
{
    enum { FILES = 40 };
    char names[FILES][32];
    const char *paths[FILES];
    struct counts sum = {.pretokenizer = pretokenizers[0]};
    struct work_folder folder = {0};
    struct count_stream *stream;
    struct q_buffer text = {0};
    uint64_t dice = 3;
    (void)state;
    for (unsigned i = 0; i < FILES; i++) {
        struct counts one = {.pretokenizer = pretokenizers[0]};
        for (unsigned k = 0; k < 20; k++) {
            random_text(&dice, 100, false, &text);
            assert_ok(counts_add_text(&one, q_buffer_string(&text)));
            assert_ok(counts_add_text(&sum, q_buffer_string(&text)));
        }
        snprintf(names[i], sizeof(names[i]), "file-%u.counts", i);
        paths[i] = names[i];
        assert_ok(counts_write(&one, paths[i], NULL));
        counts_release(&one);
    }
    /* Readers of small files take half a megabyte, the writer of a pass ten. */
    struct count_stream_options options = {.memory = 12 << 20};
    assert_fails(count_stream_open(paths, FILES, &options, &stream), Q_ERR_MEMORY, "more than can be read at once");
    assert_ok(work_folder_open(&folder, "merged.counts"));
    options.work = &folder;
    assert_ok(count_stream_open(paths, FILES, &options, &stream));
    assert_int_equal(access("merged.counts.work", F_OK), 0);
    assert_stream(stream, &sum, true);
    count_stream_close(stream);
    work_folder_close(&folder);
    assert_int_not_equal(access("merged.counts.work", F_OK), 0);
    options.memory = 1 << 20;
    assert_fails(count_stream_open(paths, FILES, &options, &stream), Q_ERR_USAGE, "MiB do");
    counts_release(&sum);
    q_buffer_release(&text);
}

static uint64_t count_in(const char *path, const char *piece, struct count_info *info)
{
    struct counts_reader *reader;
    struct count_entry entry;
    uint64_t count = 0;
    assert_ok(counts_reader_open(path, &reader));
    *info = *counts_reader_info(reader);
    while (!counts_reader_next(reader, &entry) && entry.piece.data)
        if (q_string_is(entry.piece, piece))
            count = entry.count;
    counts_reader_close(reader);
    return count;
}

/* Files of different scale are brought to the finer one, exactly, by every way there is. */
static void scales_meet(void **state)
{
    static const char *const paths[] = {"whole.counts", "fine.counts"};
    const struct count_stream_options options = {0};
    struct counts whole = {.pretokenizer = pretokenizers[0]}, fine = whole, both = {0};
    struct count_stream *stream;
    struct count_entry entry;
    (void)state;
    fine.scale = COUNT_SCALE;
    assert_ok(counts_add(&whole, Q_STRING("a"), 3));
    assert_ok(counts_add(&fine, Q_STRING("a"), 512));
    assert_ok(counts_write(&whole, paths[0], NULL));
    assert_ok(counts_write(&fine, paths[1], NULL));
    assert_ok(count_stream_open(paths, 2, &options, &stream));
    assert_int_equal(count_stream_info(stream)->scale, COUNT_SCALE);
    assert_int_equal(count_stream_info(stream)->total.pieces, 3 * 1024 + 512);
    assert_ok(count_stream_next(stream, &entry));
    assert_int_equal(entry.count, 3 * 1024 + 512);
    count_stream_close(stream);
    for (int i = 0; i < 2; i++) {
        assert_ok(counts_read(&both, paths[i]));
        assert_ok(counts_read(&both, paths[1 - i]));
        assert_int_equal(both.scale, COUNT_SCALE);
        assert_int_equal(counts_of(&both, Q_STRING("a")), 3 * 1024 + 512);
        counts_release(&both);
        both = (struct counts){0};
    }
    assert_ok(counts_add(&whole, Q_STRING("b"), UINT64_MAX / 2));
    assert_ok(counts_write(&whole, paths[0], NULL));
    assert_fails(count_stream_open(paths, 2, &options, &stream), Q_ERR_INPUT, "64 bits");
    counts_release(&whole);
    counts_release(&fine);
}

static void the_golden_file_of_version_2_is_read(void **state)
{
    static const char golden[] = QUERN_SOURCE "/tests/tokenizer/golden/version-2.counts";
    struct count_info info;
    struct counts counts = {0};
    (void)state;
    assert_int_equal(count_in(golden, " mill", &info), 3 * 512 + 3072);
    assert_int_equal(info.scale, COUNT_SCALE);
    assert_int_equal(info.total.documents, 2);
    assert_int_equal(info.total.bytes, 43);
    assert_ok(counts_read(&counts, golden));
    assert_int_equal(counts.used, info.entries);
    counts_release(&counts);
}

static void weights_are_units(void **state)
{
    static const char *rules[] = {"lang:en=0.5", "lang:*=2", "source:wiki=3", "lang:de=0", "source:a=b=0.001"};
    static const char *bad[] = {"en=1",         "lang:en",      "lang:=1",   "lang:en=-1",   "lang:en=2000",
                                "lang:en=1e-9", "colour:red=1", "lang:en=x", "source:wiki=4"};
    struct q_texts texts = {rules, Q_COUNT_OF(rules), Q_COUNT_OF(rules)};
    struct count_weights weights = {0};
    (void)state;
    assert_int_equal(count_weights_scale(&weights), 1);
    assert_int_equal(count_weights_units(&weights, Q_STRING("en"), Q_STRING("")), 1);
    assert_ok(count_weights_add(&weights, &texts));
    assert_int_equal(count_weights_scale(&weights), COUNT_SCALE);
    assert_int_equal(count_weights_units(&weights, Q_STRING("en"), Q_STRING("")), 512);
    assert_int_equal(count_weights_units(&weights, Q_STRING("en"), Q_STRING("wiki")), 1536);
    assert_int_equal(count_weights_units(&weights, Q_STRING(""), Q_STRING("wiki")), 6144);
    assert_int_equal(count_weights_units(&weights, Q_STRING("de"), Q_STRING("wiki")), 0);
    assert_int_equal(count_weights_units(&weights, Q_STRING("en"), Q_STRING("a=b")), 1); /* never nothing by rounding */
    for (size_t i = 0; i < Q_COUNT_OF(bad); i++) {
        texts = (struct q_texts){&bad[i], 1, 1};
        assert_fails(count_weights_add(&weights, &texts), Q_ERR_USAGE, bad[i][0] == 's' ? "two weights" : bad[i]);
    }
    count_weights_release(&weights);
}

/* A share of the documents, the same ones every time, more of them in a larger one. */
static void samples_are_functions_of_the_id(void **state)
{
    unsigned in = 0, in_half = 0;
    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        char id[32];
        snprintf(id, sizeof(id), "corpus/%u", i);
        const bool tenth = count_sample_has(0.1, 1, q_string_of(id)), half = count_sample_has(0.5, 1, q_string_of(id));
        assert_int_equal(tenth, count_sample_has(0.1, 1, q_string_of(id)));
        assert_true(half || !tenth);
        assert_true(count_sample_has(1, 1, q_string_of(id)));
        assert_false(count_sample_has(0, 1, q_string_of(id)));
        in += tenth;
        in_half += half != count_sample_has(0.5, 2, q_string_of(id));
    }
    assert_in_range(in, 850, 1150);
    assert_in_range(in_half, 4500, 5500);
}

/* Documents in JSON lines, some long, and a plain text that comes in parts: counted in `memory` to `path`. */
static q_status count_files(const char *const *paths, size_t count, unsigned threads, uint64_t memory,
                            const struct count_weights *weights, const char *path, struct q_accounting *accounting)
{
    struct work_folder folder = {0};
    struct text_source *source = NULL;
    struct counter *counter = NULL;
    struct q_pool *pool = NULL;
    struct count_texts_options options = {
        .pretokenizer = pretokenizers[0], .weights = weights, .sample = 1, .memory = memory, .folder = &folder};
    q_status status;
    Q_TRY_GOTO(done, q_pool_create(threads, &pool));
    Q_TRY_GOTO(done, work_folder_open(&folder, path));
    Q_TRY_GOTO(done, text_source_open(paths, count, TEXT_FORMAT_AUTO, &source));
    Q_TRY_GOTO(done, count_texts(source, pool, &options, accounting, &counter));
    Q_TRY_GOTO(done, counter_write(counter, path, NULL, NULL));
done:
    counter_release(counter);
    work_folder_close(&folder);
    text_source_close(source);
    q_pool_release(pool);
    return status;
}

/* Words that hardly ever come again, so that tables fill. */
static void put_words(uint64_t *dice, size_t bytes, struct q_buffer *out)
{
    while (bytes > 0) {
        char word[24];
        *dice = *dice * 6364136223846793005ull + 1442695040888963407ull;
        size_t size = 4 + (*dice >> 60);
        for (size_t k = 0; k < size; k++)
            word[k] = (char)('a' + (*dice >> (3 * k + 2)) % 26);
        word[size++] = ' ';
        size = Q_MIN(size, bytes);
        assert_ok(q_buffer_append(out, word, size));
        bytes -= size;
    }
}

static void make_lines(const char *path, unsigned documents, size_t bytes, size_t long_bytes)
{
    struct q_buffer file = {0};
    uint64_t dice = 11;
    for (unsigned i = 0; i < documents; i++) {
        assert_ok(q_buffer_printf(&file, "{\"id\":\"%u\",\"lang\":\"%s\",\"source\":\"%s\",\"text\":\"", i,
                                  i % 3 ? "en" : "de", i % 2 ? "wiki" : "web"));
        put_words(&dice, i == documents / 2 ? long_bytes : bytes, &file);
        assert_ok(q_buffer_printf(&file, "\"}\n"));
    }
    scratch_write(path, file.data, file.size);
    q_buffer_release(&file);
}

/* What counting 24 MB of words in little memory takes, in a process of its own. */
static int count_in_child(unsigned threads, uint64_t memory)
{
    static const char *const paths[] = {"words.jsonl", "words.txt"};
    int result;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct q_accounting accounting = {0};
        q_status status = count_files(paths, 2, threads, memory, NULL, "child.counts", &accounting);
        if (status)
            fprintf(stderr, "%s\n", q_error_text());
        const uint64_t peak = q_memory_peak_bytes();
        if (peak > memory)
            fprintf(stderr, "%llu of %llu bytes\n", (unsigned long long)peak, (unsigned long long)memory);
        _exit(status ? 1 : peak > memory ? 2 : 0);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    return WEXITSTATUS(result);
}

static void the_promise_is_kept(void **state)
{
    static const char *const paths[] = {"words.jsonl", "words.txt"};
    struct q_accounting accounting = {0};
    struct q_buffer text = {0};
    uint64_t dice = 7;
    (void)state;
    make_lines("words.jsonl", 1500, 8 << 10, 4 << 20);
    put_words(&dice, 8 << 20, &text);
    scratch_write("words.txt", text.data, text.size);
    q_buffer_release(&text);
    assert_ok(count_files(paths, 2, 2, 1ull << 30, NULL, "roomy.counts", &accounting));
    assert_int_equal(accounting.in.documents, 1501);
    q_accounting_release(&accounting);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their own memory is many times ours */
    assert_int_equal(count_in_child(1, 64 << 20), 0);
    assert_same_files("roomy.counts", "child.counts");
    assert_int_equal(count_in_child(2, 88 << 20), 0);
    assert_same_files("roomy.counts", "child.counts");
#endif
    assert_int_not_equal(access("child.counts.work", F_OK), 0);
    assert_fails(count_files(paths, 2, 2, 16 << 20, NULL, "little.counts", &accounting), Q_ERR_USAGE, "or more");
    assert_int_not_equal(access("little.counts", F_OK), 0);
}

static void documents_are_weighed_and_accounted(void **state)
{
    static const char *const paths[] = {"some.jsonl"};
    static const char *rules[] = {"lang:de=0", "source:wiki=0.25"};
    static const char lines[] = "{\"text\":\"mill\",\"lang\":\"en\",\"source\":\"wiki\"}\n"
                                "{\"text\":\"mill\",\"lang\":\"de\"}\n"
                                "{\"text\":\"mill\"}\n";
    struct q_texts texts = {rules, 2, 2};
    struct count_weights weights = {0};
    struct q_accounting accounting = {0};
    struct count_info info;
    (void)state;
    scratch_write(paths[0], lines, sizeof(lines) - 1);
    assert_ok(count_weights_add(&weights, &texts));
    assert_ok(count_files(paths, 1, 1, 0, &weights, "some.counts", &accounting));
    assert_int_equal(count_in("some.counts", "mill", &info), 1024 + 256);
    assert_int_equal(info.scale, 1024);
    assert_int_equal(info.total.documents, 2);
    assert_int_equal(accounting.in.documents, 3);
    assert_int_equal(accounting.kept.documents, 2);
    assert_int_equal(accounting.reason_count, 1);
    assert_string_equal(accounting.reasons[0].name, "weight-0");
    q_accounting_release(&accounting);
    count_weights_release(&weights);
}

/* A plain text in parts has the pieces of the whole, wherever the parts end. */
static void parts_of_a_text_are_the_text(void **state)
{
    static const char *const paths[] = {"plain.txt"};
    const struct text_bounds bounds = {1 << 10, 1 << 20, pretokenizers[0]};
    struct counts whole = {.pretokenizer = pretokenizers[0]}, parts = whole;
    struct text_source *source;
    struct text_batch batch = {0};
    struct q_buffer text = {0}, more = {0};
    uint64_t dice = 21;
    bool any = true;
    unsigned batches = 0, begun = 0;
    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        random_text(&dice, 60, i % 3 == 0, &more);
        assert_ok(q_buffer_append_string(&text, q_buffer_string(&more)));
    }
    scratch_write(paths[0], text.data, text.size);
    assert_ok(counts_add_text(&whole, q_buffer_string(&text)));
    assert_ok(text_source_open(paths, 1, TEXT_FORMAT_AUTO, &source));
    text_source_bound(source, &bounds);
    for (;; batches++) {
        assert_ok(text_source_next(source, &batch, &any));
        if (!any)
            break;
        begun += !batch.continued;
        assert_ok(counts_add_text(&parts, q_buffer_string(&batch.bytes)));
    }
    assert_true(batches > 10);
    assert_int_equal(begun, 1);
    parts.total = whole.total;
    assert_ok(counts_write(&whole, "a.counts", NULL));
    assert_ok(counts_write(&parts, "b.counts", NULL));
    assert_same_files("a.counts", "b.counts");
    text_source_close(source);
    text_batch_release(&batch);
    counts_release(&whole);
    counts_release(&parts);
    q_buffer_release(&text);
    q_buffer_release(&more);
}

/* One run of everything that writes: it spills, merges and publishes. */
static q_status count_with_faults(void)
{
    struct work_folder folder = {0};
    struct counter *counter = NULL;
    struct q_pool *pool = NULL;
    struct q_buffer text = {0};
    size_t at;
    q_status status;
    Q_TRY_GOTO(done, q_pool_create(1, &pool));
    Q_TRY_GOTO(done, work_folder_open(&folder, "faulty.counts"));
    const struct counter_options options = {pretokenizers[0], 1, TIGHT, ROOMY, &folder, pool};
    Q_TRY_GOTO(done, counter_create(&options, &counter));
    for (unsigned i = 0; i < 3; i++) {
        Q_TRY_GOTO(done,
                   q_buffer_printf(&text, " some pieces %u and a piece that is longer than any slot can hold%u", i, i));
        at = 0;
        Q_TRY_GOTO(done, counter_add_text(counter, 0, q_buffer_string(&text), 1, &at));
        if (i < 2)
            Q_TRY_GOTO(done, counter_spill(counter));
    }
    status = counter_write(counter, "faulty.counts", NULL, NULL);
done:
    counter_release(counter);
    work_folder_close(&folder);
    q_pool_release(pool);
    q_buffer_release(&text);
    return status;
}

static void failing_calls_leave_nothing_half_done(void **state)
{
    (void)state;
    assert_ok(count_with_faults());
    struct q_buffer want = {0};
    scratch_read("faulty.counts", &want);
    scratch_write("want.counts", want.data, want.size);
    q_buffer_release(&want);
    for (uint64_t k = 1;; k++) {
        scratch_write("faulty.counts", "old", 3);
        fault_fs_start(FAULT_FAIL, k);
        q_status status = count_with_faults();
        if (!fault_fs_stop()) {
            assert_int_equal(status, Q_OK);
            break;
        }
        if (status == Q_OK || !scratch_holds("faulty.counts", "old")) /* behind the rename the new one stands */
            assert_same_files("want.counts", "faulty.counts");
    }
    assert_same_files("want.counts", "faulty.counts");
}

static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) {
        q_memory_fail_at(k, 0);
        q_status status = count_with_faults();
        uint64_t calls = q_memory_fail_at(0, 0);
        if (calls < k) {
            assert_int_equal(status, Q_OK);
            break;
        }
        if (status) /* else it was in the clearing up, which the next run does again */
            assert_int_equal(status, Q_ERR_MEMORY);
        else
            assert_same_files("want.counts", "faulty.counts");
    }
    assert_int_not_equal(access("faulty.counts.work", F_OK), 0);
}

static int count_to_be_killed(void *context)
{
    (void)context;
    return count_with_faults();
}

/* Killed at any call, the next run takes away what is left and gives the same file. */
static void kills_are_cleaned_up(void **state)
{
    int code;
    (void)state;
    for (uint64_t k = 1; fault_fs_killed(k, count_to_be_killed, NULL, &code); k += 5) {
        assert_ok(count_with_faults());
        assert_int_not_equal(access("faulty.counts.work", F_OK), 0);
        assert_same_files("want.counts", "faulty.counts");
    }
    assert_int_equal(code, 0);
}

static void a_folder_of_others_is_not_touched(void **state)
{
    struct work_folder folder = {0}, second = {0};
    (void)state;
    assert_ok(q_fs_make_directories("mine.work"));
    scratch_write("mine.work/thesis.tex", "years", 5);
    assert_fails(work_folder_open(&folder, "mine"), Q_ERR_USAGE, "thesis.tex");
    work_folder_close(&folder);
    assert_true(scratch_holds("mine.work/thesis.tex", "years"));
    assert_ok(work_folder_open(&folder, "shared"));
    assert_ok(work_folder_make(&folder));
    assert_fails(work_folder_open(&second, "shared"), Q_ERR_SYSTEM, "another process");
    work_folder_close(&second);
    assert_int_equal(access("shared.work/lock", F_OK), 0);
    work_folder_close(&folder);
    assert_int_not_equal(access("shared.work", F_OK), 0);
}

static q_status read_pairs(const char *text, bool fractions, const char *out)
{
    static const char *const paths[] = {"pairs.jsonl"};
    const struct count_texts_options options = {.pretokenizer = pretokenizers[0], .sample = 1};
    struct counter *counter;
    struct q_pool *pool;
    scratch_write(paths[0], text, strlen(text));
    assert_ok(q_pool_create(1, &pool));
    q_status status = count_pairs(paths, 1, fractions, &options, pool, &counter);
    if (!status) {
        status = counter_write(counter, out, NULL, NULL);
        counter_release(counter);
    }
    q_pool_release(pool);
    return status;
}

static void pairs_come_in_and_go_out(void **state)
{
    static const struct {
        const char *line, *why;
    } bad[] = {{"{\"piece\":\"a\"}", "no pair"},
               {"{\"count\":1}", "no pair"},
               {"{\"piece\":\"\",\"count\":1}", "not empty"},
               {"{\"piece\":\"a\",\"count\":-1}", "no number"},
               {"{\"piece\":\"a\",\"count\":\"1\"}", "no number"},
               {"{\"piece\":\"a\",\"count\":1.5}", "--fractions"},
               {"{\"piece\":\"a\",\"count\":99999999999999999999}", "--fractions"},
               {"{\"hex\":\"abc\",\"count\":1}", "hexadecimal"},
               {"{\"hex\":\"zz\",\"count\":1}", "hexadecimal"},
               {"{\"word\":\"a\",\"count\":1}", "'word'"},
               {"[]", "line 2"}};
    struct count_info info;
    struct q_buffer line = {0};
    (void)state;
    assert_ok(read_pairs("{\"piece\":\"a\",\"count\":18446744073709551000}\n\n{\"count\":2,\"hex\":\"FF20\"}\n"
                         "{\"piece\":\"a\",\"count\":5}\n{\"piece\":\"none\",\"count\":0}",
                         false, "pairs.counts"));
    assert_int_equal(count_in("pairs.counts", "a", &info), 18446744073709551005ull);
    assert_int_equal(count_in("pairs.counts", "\xFF ", &info), 2);
    assert_int_equal(info.entries, 2);
    assert_fails(read_pairs("{\"piece\":\"a\",\"count\":18446744073709551000}\n{\"piece\":\"a\",\"count\":999}", false,
                            "big.counts"),
                 Q_ERR_INPUT, "64 bits");
    assert_ok(read_pairs("{\"piece\":\"a\",\"count\":1.5}\n{\"piece\":\"a\",\"count\":2}", true, "pairs.counts"));
    assert_int_equal(count_in("pairs.counts", "a", &info), 3584);
    assert_int_equal(info.scale, COUNT_SCALE);
    for (size_t i = 0; i < Q_COUNT_OF(bad); i++) {
        struct q_buffer text = {0};
        assert_ok(q_buffer_printf(&text, "{\"piece\":\"x\",\"count\":1}\n%s", bad[i].line));
        assert_ok(q_buffer_terminate(&text));
        assert_fails(read_pairs(text.data, false, "no.counts"), Q_ERR_INPUT, bad[i].why);
        q_buffer_release(&text);
    }
    const struct count_entry entries[] = {
        {Q_STRING("\"q\"\n"), 3}, {Q_STRING("\xFF "), 1}, {Q_STRING("a"), 1024 + 512}};
    for (size_t i = 0; i < 3; i++)
        assert_ok(count_pair_write(&entries[i], i < 2 ? 1 : 1024, &line));
    const struct count_entry least = {Q_STRING("b"), 1};
    assert_ok(count_pair_write(&least, 1024, &line));
    assert_true(q_string_is(q_buffer_string(&line),
                            "{\"piece\":\"\\\"q\\\"\\n\",\"count\":3}\n{\"hex\":\"ff20\",\"count\":1}\n"
                            "{\"piece\":\"a\",\"count\":1.5}\n"
                            "{\"piece\":\"b\",\"count\":0.0009765625}\n"));
    q_buffer_release(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_memory_and_threads_give_the_twins_file),
        cmocka_unit_test(streams_give_what_was_counted),
        cmocka_unit_test(a_full_table_streams_without_a_list),
        cmocka_unit_test(pieces_longer_than_the_table_are_runs),
        cmocka_unit_test(merges_take_as_many_passes_as_they_need),
        cmocka_unit_test(scales_meet),
        cmocka_unit_test(the_golden_file_of_version_2_is_read),
        cmocka_unit_test(weights_are_units),
        cmocka_unit_test(samples_are_functions_of_the_id),
        cmocka_unit_test(the_promise_is_kept),
        cmocka_unit_test(documents_are_weighed_and_accounted),
        cmocka_unit_test(parts_of_a_text_are_the_text),
        cmocka_unit_test(failing_calls_leave_nothing_half_done),
        cmocka_unit_test(every_failed_allocation_is_survived),
        cmocka_unit_test(kills_are_cleaned_up),
        cmocka_unit_test(a_folder_of_others_is_not_touched),
        cmocka_unit_test(pairs_come_in_and_go_out),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
