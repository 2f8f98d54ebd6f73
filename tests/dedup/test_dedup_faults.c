/* Deduplication when calls and allocations fail and when it is killed: a failure is said, and going on gives the
 * same bytes. */
#include "base/fs.h"
#include "base/manifest.h"
#include "base/random.h"
#include "dedup/signature_file.h"
#include "dedup/verdicts.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"
#include "tests/dedup/made_corpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct dedup_settings standard;
static const char corpus[] = "corpus", whole[] = "whole", broken[] = "broken";

/* Small, but with everything in it: exact and near duplicates, an empty part. */
static int make_corpus(void **state)
{
    struct made_documents documents = {0};
    if (scratch_enter(state) != 0)
        return -1;
    made_settings(&standard, NULL);
    made_documents_random(&documents, 5, 60, 20);
    made_corpus_write(corpus, &documents, 3, 16);
    assert_ok(made_dedup(corpus, whole, &standard, 1));
    made_documents_release(&documents);
    return 0;
}

static q_status build(unsigned threads)
{
    return made_dedup(corpus, broken, &standard, threads);
}

/* Every file of the two results is the same, but what is allowed to differ. */
static void expect_whole(void)
{
    struct q_arena arena = {0};
    const char **names, **others;
    size_t count, other_count;
    assert_ok(q_fs_list_tree(whole, &arena, &names, &count));
    assert_ok(q_fs_list_tree(broken, &arena, &others, &other_count));
    assert_int_equal(count, other_count);
    for (size_t i = 0; i < count; i++) {
        const char *path, *other;
        uint64_t bytes;
        q_hash hash, other_hash;
        assert_string_equal(names[i], others[i]);
        if (strstr(names[i], "provenance.json"))
            continue;
        assert_ok(q_fs_join(&arena, whole, names[i], &path));
        assert_ok(q_fs_join(&arena, broken, names[i], &other));
        assert_ok(q_fs_hash_file(path, &bytes, &hash));
        assert_ok(q_fs_hash_file(other, &bytes, &other_hash));
        if (!q_hash_equal(hash, other_hash))
            fail_msg("'%s' differs", names[i]);
    }
    q_arena_release(&arena);
}

/* Goes on after what happened, and starts from nothing again the next time. */
static void expect_recovery(void)
{
    assert_ok(build(1));
    expect_whole();
    assert_ok(q_fs_remove_tree(broken));
}

/* The calls of a whole build are some hundreds: a few of them, spread out, each time others. */
static uint64_t count_calls(void)
{
    fault_fs_start(FAULT_NONE, 0);
    assert_ok(build(1));
    (void)fault_fs_stop();
    uint64_t calls = fault_fs_calls();
    assert_ok(q_fs_remove_tree(broken));
    return calls;
}

static int run_build(void *context)
{
    (void)context;
    return build(1) == Q_OK ? 0 : 1;
}

static void test_killed_anywhere(void **state)
{
    (void)state;
    enum { KILLS = 14 };
    uint64_t calls = count_calls();
    assert_true(calls > 100);
    for (uint64_t i = 0; i < KILLS; i++) {
        int code;
        uint64_t k = 1 + calls * i / KILLS + q_random_below(q_random_key_of(1, "kill", 0, 0), i, calls / KILLS);
        (void)fault_fs_killed(k, run_build, NULL, &code);
        expect_recovery();
    }
}

static void test_failing_calls(void **state)
{
    (void)state;
    enum { FAULTS = 14 };
    uint64_t calls = count_calls();
    for (uint64_t i = 0; i < FAULTS; i++) {
        fault_fs_start(i % 2 ? FAULT_DISK_FULL : FAULT_FAIL, 1 + calls * i / FAULTS + i % 5);
        q_status status = build(1);
        (void)fault_fs_stop();
        /* What a failed call was about decides which failure it is; that there is one, and that it has a text,
         * matters here. Some calls may fail unseen (a close, an unlink of what is not there). */
        if (status != Q_OK)
            assert_true(strlen(q_error_text()) > 10);
        expect_recovery();
    }
}

static void test_failing_allocations(void **state)
{
    (void)state;
    enum { FAULTS = 60 };
    q_memory_fail_at(0, 0);
    assert_ok(build(1));
    uint64_t allocations = q_memory_fail_at(0, 0);
    assert_ok(q_fs_remove_tree(broken));
    for (uint64_t i = 0; i < FAULTS; i++) {
        q_memory_fail_at(1 + allocations * i / FAULTS + i % 7, 0);
        q_status status = build(1);
        q_memory_fail_at(0, 0);
        assert_true(status == Q_ERR_MEMORY || status == Q_OK);
        if (i % 10 == 9)
            expect_recovery(); /* else the next one goes on from here: more places fail */
    }
    expect_recovery();
}

/* --- damaged files ------------------------------------------------------------------------------------------------ */

/* Wherever a byte of a signature file is flipped or the file is cut, reading it fails, and reads nothing outside. */
static void test_damaged_signatures(void **state)
{
    (void)state;
    struct q_buffer bytes = {0};
    struct signature_shape shape = {.bands = 2, .rows = 3, .words = 4};
    struct q_seekable_writer *writer;
    struct signature_head head = {.key = {1, 2},
                                  .text = {3, 4},
                                  .offset = 5,
                                  .line_bytes = 6,
                                  .text_bytes = 7,
                                  .words = 8,
                                  .quality = 0.5f,
                                  .date = 20261121};
    unsigned char heads[2 * SIGNATURE_HEAD_BYTES];
    uint64_t digests[4] = {9, 10, 11, 12};
    size_t harmless = 0;
    signature_head_write(&head, heads);
    signature_head_write(&head, heads + SIGNATURE_HEAD_BYTES);
    assert_ok(signature_file_create("some.sig.zst", &shape, &writer));
    assert_ok(q_seekable_add_frame(writer, heads, sizeof(heads)));
    assert_ok(q_seekable_add_frame(writer, digests, sizeof(digests)));
    assert_ok(q_seekable_commit(writer, NULL));
    scratch_read("some.sig.zst", &bytes);
    for (size_t i = 0; i < 2 * bytes.size; i++) {
        struct signature_file file = {0};
        struct signature_head *read = NULL;
        const uint64_t *read_digests;
        size_t capacity = 0, cut = i < bytes.size ? bytes.size : i - bytes.size;
        uint32_t count;
        if (i < bytes.size)
            bytes.data[i] ^= 0x10;
        scratch_write("bad.sig.zst", bytes.data, cut);
        if (i < bytes.size)
            bytes.data[i] ^= 0x10;
        q_status status = signature_file_open(&file, "bad.sig.zst");
        if (status == Q_OK)
            status = signature_file_heads(&file, 0, &read, &capacity, &count);
        if (status == Q_OK)
            status = signature_file_digests(&file, 0, &read_digests);
        /* zstd has bits that mean nothing: where one of them flips, all must be as it was. */
        if (status == Q_OK) {
            assert_true(file.documents == 2 && file.shape.bands == 2 && read[1].date == 20261121);
            assert_memory_equal(read_digests, digests, sizeof(digests));
            harmless++;
        } else {
            assert_int_equal(status, Q_ERR_INPUT);
        }
        signature_file_close(&file);
        q_release(read);
    }
    assert_true(harmless <= 2);
    q_buffer_release(&bytes);
}

static void test_signatures_of_other_shapes(void **state)
{
    (void)state;
    struct signature_file file = {0};
    struct signature_shape shape = {.bands = 2, .rows = 3, .words = 4};
    static const size_t bad[][2] = {{56, 0}, {55, 16}, {112, 16}, {0, 16}};
    char zeros[128] = {0};
    for (size_t i = 0; i < 4; i++) {
        struct q_seekable_writer *writer;
        assert_ok(signature_file_create("bad.sig.zst", &shape, &writer));
        assert_ok(q_seekable_add_frame(writer, zeros, bad[i][0]));
        assert_ok(q_seekable_add_frame(writer, zeros, bad[i][1]));
        assert_ok(q_seekable_commit(writer, NULL));
        assert_fails(signature_file_open(&file, "bad.sig.zst"), Q_ERR_INPUT, "block 0");
        signature_file_close(&file);
    }
    struct q_seekable_writer *writer;
    assert_ok(q_seekable_create("bad.sig.zst", 1, &writer));
    assert_ok(q_seekable_add_skippable(writer, 0, zeros, 24));
    assert_ok(q_seekable_commit(writer, NULL));
    assert_fails(signature_file_open(&file, "bad.sig.zst"), Q_ERR_INPUT, "no signature file");
    signature_file_close(&file);
}

/* docs/formats/signatures.md, byte by byte. */
static void test_golden_head(void **state)
{
    (void)state;
    static const unsigned char golden[SIGNATURE_HEAD_BYTES] = {
        0x08, 7,    6,    5,    4,    3,    2,    1,
        0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, /* key: high, low */
        0x28, 0,    0,    0,    0,    0,    0,    0,
        0x38, 0,    0,    0,    0,    0,    0,    0, /* text */
        0x01, 2,    0,    0,    3,    0,    0,    0,
        4,    0,    0,    0,    5,    0,    0,    0,     /* offset, line, text, words */
        0,    0,    0,    0x3f, 0x91, 0x28, 0x35, 0x01}; /* 0.5f, 20261009 */
    struct signature_head head;
    unsigned char bytes[SIGNATURE_HEAD_BYTES];
    signature_head_read(golden, &head);
    assert_true(head.key.high == 0x0102030405060708u && head.key.low == 0x1112131415161718u);
    assert_true(head.text.high == 0x28 && head.text.low == 0x38);
    assert_int_equal(head.offset, 0x201);
    assert_int_equal(head.line_bytes, 3);
    assert_int_equal(head.text_bytes, 4);
    assert_int_equal(head.words, 5);
    assert_true(head.quality == 0.5f);
    assert_int_equal(head.date, 20261009);
    signature_head_write(&head, bytes);
    assert_memory_equal(bytes, golden, sizeof(golden));
}

static q_status read_verdicts(const char *lines, struct verdict_list *list)
{
    struct q_seekable_writer *writer;
    struct q_seekable_reader *reader;
    struct q_jsonl_parser *parser;
    assert_ok(q_seekable_create("verdicts.zst", 1, &writer));
    assert_ok(q_seekable_add_frame(writer, lines, strlen(lines)));
    assert_ok(q_seekable_commit(writer, NULL));
    assert_ok(q_seekable_open("verdicts.zst", &reader));
    assert_ok(q_jsonl_create(&parser));
    q_status status = verdict_list_read(list, reader, 0, "verdicts.zst", parser);
    q_jsonl_release(parser);
    q_seekable_close(reader);
    return status;
}

static void test_verdicts(void **state)
{
    (void)state;
    static const char golden[] =
        "{\"frame\":0,\"line\":3,\"kind\":\"kept\",\"id\":\"a\",\"cluster_size\":3}\n"
        "{\"frame\":2,\"line\":0,\"kind\":\"exact\",\"id\":\"b\",\"survivor\":\"a\",\"jaccard\":1,\"containment\":1}\n"
        "{\"frame\":2,\"line\":7,\"kind\":\"near\",\"id\":\"c "
        "\\\"d\\\"\",\"survivor\":\"a\",\"jaccard\":0.75,\"containment\":0.9}\n";
    static const char out_of_order[] = "{\"frame\":1,\"line\":0,\"kind\":\"kept\",\"id\":\"a\",\"cluster_size\":3}\n"
                                       "{\"frame\":0,\"line\":9,\"kind\":\"kept\",\"id\":\"b\",\"cluster_size\":3}\n";
    static const char *const bad[] = {
        "x\n",
        "{}\n",
        "{\"frame\":0,\"line\":0,\"kind\":\"other\",\"id\":\"a\",\"cluster_size\":3}\n",
        "{\"frame\":0,\"line\":0,\"kind\":\"kept\",\"id\":\"a\"}\n",
        "{\"frame\":0,\"line\":0,\"kind\":\"near\",\"id\":\"a\"}\n",
        "{\"frame\":-1,\"line\":0,\"kind\":\"kept\",\"id\":\"a\",\"cluster_size\":3}\n",
        "{\"frame\":0.5,\"line\":0,\"kind\":\"kept\",\"id\":\"a\",\"cluster_size\":3}\n",
        out_of_order,
        "{\"frame\":1,\"line\":0,\"kind\":\"kept\",\"id\":\"a\",\"cluster_size\":3,\"more\":1}\n",
        "{\"frame\":1,\"line\":0,\"kind\":\"near\",\"id\":\"a\",\"survivor\":\"b\",\"jaccard\":2,\"containment\":1}\n"};
    struct verdict_list list = {0};
    struct q_buffer again = {0};
    size_t count;
    assert_ok(read_verdicts(golden, &list));
    assert_int_equal(list.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_ok(verdict_write(&list.verdicts[i], &again));
    assert_true(q_string_is(q_buffer_string(&again), golden));
    assert_int_equal(verdict_list_frame(&list, 2, &count)->line, 0);
    assert_int_equal(count, 2);
    (void)verdict_list_frame(&list, 1, &count);
    assert_int_equal(count, 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(read_verdicts(bad[i], &list), Q_ERR_INPUT);
    q_buffer_release(&again);
    verdict_list_release(&list);
}

/* Verdicts that are not about these documents are found out before anything is dropped. */
static void test_verdicts_of_other_documents(void **state)
{
    (void)state;
    struct made_documents documents = {0}, others = {0};
    made_documents_random(&documents, 6, 40, 20);
    made_documents_random(&others, 6, 40, 20);
    for (size_t i = 0; i < others.count; i++)
        others.items[i].id[0] = 'e';
    made_corpus_write("first", &documents, 1, 16);
    made_corpus_write("second", &others, 1, 16);
    assert_ok(made_dedup("first", "first-out", &standard, 1));
    /* The documents under a finished group step are exchanged; sizes agree, so only reading them tells. */
    struct q_buffer bytes = {0};
    scratch_read("second/part-00000.jsonl.zst", &bytes);
    scratch_write("first/part-00000.jsonl.zst", bytes.data, bytes.size);
    assert_ok(q_fs_unlink("first-out/manifest.json"));
    assert_ok(q_fs_unlink("first-out/part-00000.json"));
    q_status status = made_dedup("first", "first-out", &standard, 1);
    assert_int_equal(status, Q_ERR_INPUT);
    q_buffer_release(&bytes);
    made_documents_release(&documents);
    made_documents_release(&others);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_anywhere),
        cmocka_unit_test(test_failing_calls),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_damaged_signatures),
        cmocka_unit_test(test_signatures_of_other_shapes),
        cmocka_unit_test(test_golden_head),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_verdicts_of_other_documents),
    };
    return cmocka_run_group_tests(tests, make_corpus, scratch_leave);
}
