/* Extraction against the public article benchmark, where QUERN_DATA names the folder that has it: 4-word shingles with counts, normalised per page,
 * as the benchmark's own scorer. The bound is a ratchet: it may only rise. */
#include "base/check.h"
#include "base/fs.h"
#include "base/json.h"
#include "corpus/html/html_extract.h"
#include "corpus/read/reader.h"
#include "tests/base/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#define F1_MIN 0.975

struct shingles {
    uint64_t *items;
    size_t count, capacity;
};

static bool is_word(UChar32 c)
{
    int8_t type = u_charType(c);
    return c == '_' || u_isalnum(c) || type == U_LETTER_NUMBER || type == U_OTHER_NUMBER;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static void add_word(struct shingles *s, uint64_t words[4], size_t *seen, q_string word)
{
    memmove(words, words + 1, 3 * sizeof *words);
    words[3] = q_hash64(word.data, word.size, 0);
    if (++*seen < 4)
        return;
    assert_ok(q_grow(&s->items, &s->capacity, s->count + 1, sizeof *s->items));
    s->items[s->count++] = q_hash64(words, 4 * sizeof *words, 1);
}

static struct shingles shingle(q_string text)
{
    struct shingles s = {0};
    uint64_t words[4] = {0};
    size_t seen = 0, from = SIZE_MAX;
    const uint8_t *bytes = (const uint8_t *)text.data;
    for (size_t at = 0; at < text.size;) {
        size_t begin = at;
        UChar32 c;
        U8_NEXT(bytes, at, text.size, c);
        if (c >= 0 && is_word(c)) {
            from = from == SIZE_MAX ? begin : from;
            continue;
        }
        if (from != SIZE_MAX)
            add_word(&s, words, &seen, q_string_slice(text, from, begin));
        from = SIZE_MAX;
    }
    if (from != SIZE_MAX)
        add_word(&s, words, &seen, q_string_slice(text, from, text.size));
    if (s.count)
        qsort(s.items, s.count, sizeof *s.items, compare);
    return s;
}

struct score {
    double true_positive, false_positive, false_negative;
    size_t pages;
};

static void add_page(struct score *score, q_string gold, q_string found)
{
    struct shingles a = shingle(gold), b = shingle(found);
    size_t both = 0, i = 0, j = 0;
    while (i < a.count && j < b.count) {
        int order = compare(&a.items[i], &b.items[j]);
        both += order == 0;
        i += order <= 0;
        j += order >= 0;
    }
    double all = (double)(a.count + b.count - both);
    if (all > 0) {
        score->true_positive += (double)both / all;
        score->false_positive += (double)(b.count - both) / all;
        score->false_negative += (double)(a.count - both) / all;
    }
    score->pages++;
    q_release(a.items);
    q_release(b.items);
}

static void score_archive(const char *path, json_t **gold, struct score *score)
{
    const struct corpus_reader_options options = {.item_bytes_max = 64 << 20, .unpack_ratio_max = 1000, .depth_max = 2};
    const struct html_options article = {.scope = HTML_SCOPE_ARTICLE};
    struct html_extractor extractor = {0};
    struct corpus_reader *reader;
    bool more = true;
    assert_ok(corpus_reader_open(path, &options, &reader));
    while (more) {
        struct corpus_item item;
        struct html_page page;
        char key[128];
        q_string body;
        assert_ok(corpus_reader_next(reader, &item, &more));
        if (!more || item.reason || item.format != CORPUS_HTML)
            continue;
        size_t size = item.name.size, base = size;
        while (base && item.name.data[base - 1] != '/')
            base--;
        snprintf(key, sizeof key, "%.*s", (int)(size - base - 5), item.name.data + base);
        json_t *entry = json_object_get(*gold, key);
        if (!entry)
            continue;
        assert_ok(q_json_get_string(entry, path, "articleBody", &body));
        assert_ok(html_extract(&extractor, &article, item.bytes, &page));
        add_page(score, body, page.text);
    }
    corpus_reader_close(reader);
    html_extractor_release(&extractor);
}

/* The gold texts, wherever in the archive they stand. */
static void read_gold(const char *path, json_t **gold)
{
    /* By tar: to the readers here a .json file is no prose. */
    char command[1024];
    struct q_buffer text = {0};
    snprintf(command, sizeof command, "tar --zstd -xOf '%s' --wildcards '*ground-truth.json' 2>/dev/null", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    char block[65536];
    size_t got;
    while ((got = fread(block, 1, sizeof block, pipe)) > 0)
        assert_ok(q_buffer_append(&text, block, got));
    pclose(pipe);
    if (text.size)
        assert_ok(q_json_parse(q_buffer_string(&text), "ground-truth.json", gold));
    q_buffer_release(&text);
}

static void test_article_benchmark(void **state)
{
    (void)state;
    char path[4096];
    const char *data = getenv("QUERN_DATA");
    json_t *gold = NULL;
    if (!data)
        skip(); /* QUERN_DATA is not set */
    snprintf(path, sizeof path, "%s/html/article-extraction-benchmark.tar.zst", data);
    read_gold(path, &gold);
    if (!gold)
        skip(); /* the benchmark, or tar with zstd, is not there */
    struct score score = {0};
    score_archive(path, &gold, &score);
    json_decref(gold);
    double precision = score.true_positive / (score.true_positive + score.false_positive);
    double recall = score.true_positive / (score.true_positive + score.false_negative);
    double f1 = 2 * precision * recall / (precision + recall);
    print_message("%zu pages: precision %.3f recall %.3f F1 %.3f\n", score.pages, precision, recall, f1);
    assert_int_equal(score.pages, 181);
    assert_true(f1 >= F1_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_article_benchmark)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
