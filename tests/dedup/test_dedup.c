/* The whole stage on made corpora: against brute force, and against itself in other orders, parts, threads and
 * memories. */
#include "base/fs.h"
#include "base/manifest.h"
#include "dedup/normal_words.h"
#include "dedup/shingles.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"
#include "tests/dedup/made_corpus.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- brute force -------------------------------------------------------------------------------------------------- */

struct brute_document {
    const struct made_document *made;
    q_hash key;
    struct shingle_set set;
    q_hash text;
};

static void brute_prepare(const struct made_documents *documents, struct brute_document *brute)
{
    struct normal_words words = {0};
    for (size_t i = 0; i < documents->count; i++) {
        q_string text = q_string_of(documents->items[i].text);
        brute[i] = (struct brute_document){.made = &documents->items[i],
                                           .key = q_document_key(q_string_of(documents->items[i].id))};
        assert_ok(normal_words_split_plain(&words, text));
        brute[i].text = normal_text_hash(&words, text);
        assert_ok(shingle_set_fill(&brute[i].set, words.hashes, words.count, 5));
    }
    normal_words_release(&words);
}

static void brute_release(struct brute_document *brute, size_t count)
{
    for (size_t i = 0; i < count; i++)
        shingle_set_release(&brute[i].set);
    free(brute);
}

/* The longer text is better, then the smaller key. */
static int brute_order(const void *a, const void *b)
{
    const struct brute_document *left = a, *right = b;
    size_t left_size = strlen(left->made->text), right_size = strlen(right->made->text);
    if (left_size != right_size)
        return left_size > right_size ? -1 : 1;
    return q_hash_compare(left->key, right->key);
}

static double brute_jaccard(const struct brute_document *a, const struct brute_document *b)
{
    size_t common = 0;
    for (size_t i = 0; i < a->set.count; i++)
        for (size_t j = 0; j < b->set.count; j++)
            common += a->set.hashes[i] == b->set.hashes[j];
    return shingles_jaccard(a->set.count, b->set.count, common);
}

/* kept[i] for documents in the order of rank: kept where no better one that is kept is alike. An exact copy is
 * dropped in any case. */
static void brute_decide(const struct brute_document *brute, size_t count, double threshold, bool *kept)
{
    for (size_t i = 0; i < count; i++) {
        kept[i] = true;
        for (size_t j = 0; j < i && kept[i]; j++)
            kept[i] = !q_hash_equal(brute[i].text, brute[j].text) &&
                      !(kept[j] && brute_jaccard(&brute[i], &brute[j]) >= threshold);
    }
}

static const struct brute_document *brute_find(const struct brute_document *brute, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(brute[i].made->id, id) == 0)
            return &brute[i];
    }
    fail_msg("no document '%s'", id);
    return NULL;
}

static bool has_id(const struct made_documents *documents, const char *id)
{
    for (size_t i = 0; i < documents->count; i++) {
        if (strcmp(documents->items[i].id, id) == 0)
            return true;
    }
    return false;
}

/* Whatever the bands found: everything is kept or has evidence, and the evidence is true. */
static void check_evidence(const char *folder, const struct brute_document *brute, size_t count, double threshold)
{
    struct made_documents kept = {0};
    struct made_evidences evidences = {0};
    made_corpus_read(folder, &kept);
    made_evidence_read(folder, &evidences);
    assert_int_equal(kept.count + evidences.count, count);
    size_t in_clusters = 0;
    for (size_t i = 0; i < kept.count; i++)
        in_clusters += kept.items[i].cluster_size ? kept.items[i].cluster_size : 1;
    assert_int_equal(in_clusters, count);
    for (size_t i = 0; i < evidences.count; i++) {
        const struct made_evidence *evidence = &evidences.items[i];
        const struct brute_document *dropped = brute_find(brute, count, evidence->id),
                                    *survivor = brute_find(brute, count, evidence->survivor);
        assert_false(has_id(&kept, evidence->id));
        assert_true(has_id(&kept, evidence->survivor));
        assert_true(brute_order(survivor, dropped) < 0);
        bool equal = q_hash_equal(dropped->text, survivor->text);
        assert_string_equal(evidence->kind, equal ? "exact" : "near");
        double jaccard = equal ? 1 : brute_jaccard(dropped, survivor);
        assert_true(jaccard >= threshold);
        assert_true(fabs(jaccard - evidence->jaccard) < 1e-6);
        assert_true(evidence->containment >= evidence->jaccard - 1e-6 && evidence->containment <= 1);
    }
    made_documents_release(&kept);
    q_release(evidences.items);
}

static void test_equals_brute_force(void **state)
{
    (void)state;
    /* With one row to the band and 500 bands, whoever has a tenth of the shingles in common is a candidate, so that
     * nothing is missed. */
    static const char *const sure[] = {"dedup.bands=250", "dedup.rows=1", "dedup.jaccard=0.6", "dedup.compare_max=1000",
                                       NULL};
    static const char *const usual[] = {"dedup.jaccard=0.6", NULL};
    for (uint64_t seed = 1; seed <= 4; seed++) {
        enum { COUNT = 160 };
        struct made_documents documents = {0}, kept = {0};
        struct dedup_settings settings;
        char folder[64], out[64];
        bool expected[COUNT];
        (void)snprintf(folder, sizeof(folder), "brute-%d", (int)seed);
        made_documents_random(&documents, seed, COUNT, 30 + 20 * seed);
        made_corpus_write(folder, &documents, 1 + seed, 11);
        struct brute_document *brute = malloc(COUNT * sizeof(*brute));
        brute_prepare(&documents, brute);
        qsort(brute, COUNT, sizeof(*brute), brute_order);
        brute_decide(brute, COUNT, 0.6, expected);

        made_settings(&settings, sure);
        (void)snprintf(out, sizeof(out), "sure-%d", (int)seed);
        assert_ok(made_dedup(folder, out, &settings, 2));
        made_corpus_read(out, &kept);
        size_t survivors = 0;
        for (size_t i = 0; i < COUNT; i++) {
            survivors += expected[i];
            if (expected[i] != has_id(&kept, brute[i].made->id))
                fail_msg("seed %d: '%s' should be %s", (int)seed, brute[i].made->id, expected[i] ? "kept" : "dropped");
        }
        assert_true(survivors > COUNT / 3 && survivors < COUNT * 3 / 4); /* the corpus is a test at all */
        check_evidence(out, brute, COUNT, 0.6);

        made_settings(&settings, usual);
        (void)snprintf(out, sizeof(out), "usual-%d", (int)seed);
        assert_ok(made_dedup(folder, out, &settings, 1));
        check_evidence(out, brute, COUNT, 0.6);
        brute_release(brute, COUNT);
        made_documents_release(&documents);
        made_documents_release(&kept);
    }
}

/* --- the same in other ways --------------------------------------------------------------------------------------- */

/* A hash over the names and bytes of all files of a result but provenance. */
static q_hash folder_hash(const char *folder)
{
    struct q_arena arena = {0};
    struct q_buffer sum = {0};
    const char **names;
    size_t count;
    assert_ok(q_fs_list_tree(folder, &arena, &names, &count));
    for (size_t i = 0; i < count; i++) {
        const char *path;
        uint64_t bytes;
        q_hash hash;
        if (strstr(names[i], "provenance.json"))
            continue;
        assert_ok(q_fs_join(&arena, folder, names[i], &path));
        assert_ok(q_fs_hash_file(path, &bytes, &hash));
        assert_ok(q_buffer_append(&sum, names[i], strlen(names[i]) + 1));
        assert_ok(q_buffer_append(&sum, &hash, sizeof(hash)));
    }
    assert_true(count > 5);
    q_hash all = q_hash_string(q_buffer_string(&sum));
    q_buffer_release(&sum);
    q_arena_release(&arena);
    return all;
}

static void test_threads_and_memory_do_not_matter(void **state)
{
    (void)state;
    struct made_documents documents = {0};
    struct dedup_settings settings, small;
    made_documents_random(&documents, 9, 3000, 40);
    made_corpus_write("many", &documents, 5, 100);
    made_settings(&settings, NULL);
    small = settings;
    small.memory = 1; /* the sorters raise it to their least: some 20 runs of the bands */
    assert_ok(made_dedup("many", "many-1", &settings, 1));
    assert_ok(made_dedup("many", "many-4", &settings, 4));
    assert_ok(made_dedup("many", "many-small", &small, 3));
    q_hash hash = folder_hash("many-1");
    assert_true(q_hash_equal(hash, folder_hash("many-4")));
    assert_true(q_hash_equal(hash, folder_hash("many-small")));
    made_documents_release(&documents);
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct made_document *)a)->id, ((const struct made_document *)b)->id);
}

static int by_evidence_id(const void *a, const void *b)
{
    return strcmp(((const struct made_evidence *)a)->id, ((const struct made_evidence *)b)->id);
}

static void test_order_and_parts_do_not_matter(void **state)
{
    (void)state;
    struct made_documents documents = {0}, kept[2] = {0};
    struct made_evidences evidences[2] = {0};
    struct dedup_settings settings;
    made_settings(&settings, NULL);
    made_documents_random(&documents, 10, 600, 40);
    made_corpus_write("ordered", &documents, 3, 50);
    made_documents_shuffle(&documents, 1);
    made_corpus_write("shuffled", &documents, 7, 9);
    static const char *const folders[2][2] = {{"ordered", "ordered-out"}, {"shuffled", "shuffled-out"}};
    for (int i = 0; i < 2; i++) {
        assert_ok(made_dedup(folders[i][0], folders[i][1], &settings, 2));
        made_corpus_read(folders[i][1], &kept[i]);
        made_evidence_read(folders[i][1], &evidences[i]);
        qsort(kept[i].items, kept[i].count, sizeof(*kept[i].items), by_id);
        qsort(evidences[i].items, evidences[i].count, sizeof(*evidences[i].items), by_evidence_id);
    }
    assert_int_equal(kept[0].count, kept[1].count);
    assert_int_equal(evidences[0].count, evidences[1].count);
    assert_true(evidences[0].count > 100);
    for (size_t i = 0; i < kept[0].count; i++) {
        assert_string_equal(kept[0].items[i].id, kept[1].items[i].id);
        assert_int_equal(kept[0].items[i].cluster_size, kept[1].items[i].cluster_size);
    }
    for (size_t i = 0; i < evidences[0].count; i++) {
        assert_string_equal(evidences[0].items[i].id, evidences[1].items[i].id);
        assert_string_equal(evidences[0].items[i].survivor, evidences[1].items[i].survivor);
    }
    for (int i = 0; i < 2; i++) {
        made_documents_release(&kept[i]);
        q_release(evidences[i].items);
    }
    made_documents_release(&documents);
}

static void test_again_drops_nothing(void **state)
{
    (void)state;
    /* A bound of one comparison a bucket: what it leaves out the first time it leaves out again. */
    static const char *const bounds[] = {"dedup.compare_max=64", "dedup.compare_max=1"};
    for (int i = 0; i < 2; i++) {
        const char *const overrides[] = {bounds[i], "dedup.bands=40", "dedup.rows=2", NULL};
        struct made_documents documents = {0}, once = {0}, twice = {0};
        struct made_evidences evidences = {0};
        struct dedup_settings settings;
        char folder[3][32];
        for (int j = 0; j < 3; j++)
            (void)snprintf(folder[j], sizeof(folder[j]), "again-%d-%d", i, j);
        made_settings(&settings, overrides);
        made_documents_random(&documents, 11, 600, 40);
        made_corpus_write(folder[0], &documents, 2, 64);
        assert_ok(made_dedup(folder[0], folder[1], &settings, 2));
        assert_ok(made_dedup(folder[1], folder[2], &settings, 2));
        made_corpus_read(folder[1], &once);
        made_corpus_read(folder[2], &twice);
        made_evidence_read(folder[2], &evidences);
        assert_true(once.count < documents.count);
        assert_int_equal(evidences.count, 0);
        assert_int_equal(once.count, twice.count);
        for (size_t k = 0; k < once.count; k++) {
            assert_string_equal(once.items[k].id, twice.items[k].id);
            assert_int_equal(once.items[k].cluster_size, twice.items[k].cluster_size);
        }
        made_documents_release(&documents);
        made_documents_release(&once);
        made_documents_release(&twice);
        q_release(evidences.items);
    }
}

/* --- special documents -------------------------------------------------------------------------------------------- */

static void build_and_read(const char *name, const struct made_documents *documents, const char *const *overrides,
                           struct made_documents *kept)
{
    struct dedup_settings settings;
    char out[64];
    (void)snprintf(out, sizeof(out), "%s-out", name);
    made_settings(&settings, overrides);
    made_corpus_write(name, documents, 2, 5);
    assert_ok(made_dedup(name, out, &settings, 1));
    made_corpus_read(out, kept);
}

static void test_without_words(void **state)
{
    (void)state;
    struct made_documents documents = {0}, kept = {0};
    made_documents_add(&documents, "empty-1", "");
    made_documents_add(&documents, "empty-2", "");
    made_documents_add(&documents, "stars-1", "***");
    made_documents_add(&documents, "stars-2", "***");
    made_documents_add(&documents, "lines", "---");
    made_documents_add(&documents, "word", "word");
    made_documents_add(&documents, "Word", "Word!");
    made_documents_add(&documents, "two", "word two");
    build_and_read("wordless", &documents, NULL, &kept);
    assert_int_equal(kept.count, 5);
    assert_true(has_id(&kept, "lines") && has_id(&kept, "two") && has_id(&kept, "Word"));
    made_documents_release(&documents);
    made_documents_release(&kept);
}

static void test_empty_corpus(void **state)
{
    (void)state;
    struct made_documents documents = {0}, kept = {0};
    build_and_read("nothing", &documents, NULL, &kept);
    assert_int_equal(kept.count, 0);
}

static void test_who_survives(void **state)
{
    (void)state;
    static const char text[] = "the same seven words stand in here";
    static const struct {
        const char *override, *survivor;
    } cases[] = {
        {"dedup.survivor=quality", "good"}, {"dedup.survivor=newest", "new"}, {"dedup.survivor=longest", "long"}};
    for (size_t i = 0; i < 3; i++) {
        struct made_documents documents = {0}, kept = {0};
        const char *const overrides[] = {cases[i].override, NULL};
        char name[32], longer[100];
        (void)snprintf(name, sizeof(name), "who-%zu", i);
        (void)snprintf(longer, sizeof(longer), "%s!!!", text);
        made_documents_add(&documents, "plain", text);
        made_documents_add(&documents, "good", text);
        documents.items[1].quality = 0.5;
        made_documents_add(&documents, "poor", text);
        documents.items[2].quality = 0;
        made_documents_add(&documents, "new", text);
        documents.items[3].date = "2026-11-21T00:00:00Z";
        made_documents_add(&documents, "old", text);
        documents.items[4].date = "2025-12-31";
        made_documents_add(&documents, "long", longer);
        build_and_read(name, &documents, overrides, &kept);
        assert_int_equal(kept.count, 1);
        assert_string_equal(kept.items[0].id, cases[i].survivor);
        assert_int_equal(kept.items[0].cluster_size, 6);
        made_documents_release(&documents);
        made_documents_release(&kept);
    }
}

/* Clusters that were found before count with all that they stood for. */
static void test_clusters_add_up(void **state)
{
    (void)state;
    struct made_documents documents = {0}, kept = {0};
    made_documents_add(&documents, "a", "one two three four five six");
    made_documents_add(&documents, "b", "one two three four five six");
    made_documents_add(&documents, "c", "something else altogether stands here now");
    for (size_t i = 0; i < 3; i++)
        documents.items[i].cluster_size = 10;
    build_and_read("clusters", &documents, NULL, &kept);
    assert_int_equal(kept.count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(kept.items[i].cluster_size, strcmp(kept.items[i].id, "c") == 0 ? 10 : 20);
    made_documents_release(&documents);
    made_documents_release(&kept);
}

static void test_switches(void **state)
{
    (void)state;
    static const char *const no_exact[] = {"dedup.exact=false", NULL}, *const no_near[] = {"dedup.near=false", NULL},
                             *const neither[] = {"dedup.near=false", "dedup.exact=false", NULL};
    static const char *const *const settings[] = {NULL, no_exact, no_near, neither};
    static const size_t expected[] = {1, 1, 2, 3};
    char text[400] = "", other[400];
    for (int i = 0; i < 40; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "word%c%c ", 'a' + i % 26, 'a' + i / 26);
    (void)snprintf(other, sizeof(other), "%s another", text);
    for (size_t i = 0; i < 4; i++) {
        struct made_documents documents = {0}, kept = {0};
        char name[32];
        (void)snprintf(name, sizeof(name), "switch-%zu", i);
        made_documents_add(&documents, "a", text);
        made_documents_add(&documents, "b", text);
        made_documents_add(&documents, "c", other);
        build_and_read(name, &documents, settings[i], &kept);
        assert_int_equal(kept.count, expected[i]);
        made_documents_release(&documents);
        made_documents_release(&kept);
    }
}

/* 10,000 copies of one text and 3,000 that differ from it in a word: as many comparisons as documents, not as pairs. */
static void test_giant_cluster(void **state)
{
    (void)state;
    enum { EQUAL = 10000, NEAR = 3000 };
    struct made_documents documents = {0}, kept = {0};
    struct q_manifest manifest;
    struct dedup_settings settings;
    char text[600] = "", other[700], id[32];
    for (int i = 0; i < 60; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "word%c%c ", 'a' + i % 26, 'a' + i / 26);
    for (int i = 0; i < EQUAL + NEAR; i++) {
        (void)snprintf(id, sizeof(id), "%d", i);
        (void)snprintf(other, sizeof(other), "%sx%c%c%c", text, 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676);
        made_documents_add(&documents, id, i < EQUAL ? text : other);
    }
    made_corpus_write("giant", &documents, 1, 1000);
    made_settings(&settings, NULL);
    assert_ok(made_dedup("giant", "giant-out", &settings, 2));
    made_corpus_read("giant-out", &kept);
    assert_int_equal(kept.count, 1);
    assert_int_equal(kept.items[0].cluster_size, EQUAL + NEAR);
    assert_ok(q_manifest_read("giant-out", &manifest));
    json_t *group = json_object_get(json_object_get(manifest.json, "statistics"), "group");
    assert_true(json_integer_value(json_object_get(group, "compared")) <= NEAR);
    assert_int_equal(json_integer_value(json_object_get(group, "exact")) +
                         json_integer_value(json_object_get(group, "near")),
                     EQUAL + NEAR - 1);
    assert_true(manifest.held_out == 0 && manifest.part_count == 1); /* held_out is the program's to carry over */
    q_manifest_release(&manifest);
    made_documents_release(&documents);
    made_documents_release(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_brute_force),
        cmocka_unit_test(test_threads_and_memory_do_not_matter),
        cmocka_unit_test(test_order_and_parts_do_not_matter),
        cmocka_unit_test(test_again_drops_nothing),
        cmocka_unit_test(test_without_words),
        cmocka_unit_test(test_empty_corpus),
        cmocka_unit_test(test_who_survives),
        cmocka_unit_test(test_clusters_add_up),
        cmocka_unit_test(test_switches),
        cmocka_unit_test(test_giant_cluster),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
