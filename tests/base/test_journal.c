/* Journals: what is appended is read back, a torn line is taken off, any other damage is found. */
#include "base/journal.h"
#include "base/publish.h"
#include "tests/base/cmocka_all.h"

#include <string.h>
#include <unistd.h>

static const char *const path = "journal";

static void append(const char *event, int64_t step)
{
    struct q_journal *journal;
    assert_int_equal(q_journal_open(path, &journal), Q_OK);
    assert_int_equal(q_journal_append(journal, event, json_pack("{s:I}", "step", (json_int_t)step)), Q_OK);
    q_journal_close(journal);
}

static size_t lines_read(void)
{
    json_t *entries;
    assert_int_equal(q_journal_read(path, &entries), Q_OK);
    size_t count = json_array_size(entries);
    json_decref(entries);
    return count;
}

static void put(const struct q_buffer *text, size_t size)
{
    assert_int_equal(q_publish_bytes(path, text->data, size, NULL), Q_OK);
}

static int fresh(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void test_absent_is_empty(void **state)
{
    (void)state;
    assert_int_equal(lines_read(), 0);
}

static void test_appends_are_read_back(void **state)
{
    (void)state;
    append("started", 0);
    append("checkpoint", 400);
    json_t *entries;
    assert_int_equal(q_journal_read(path, &entries), Q_OK);
    assert_int_equal(json_array_size(entries), 2);
    json_t *second = json_array_get(entries, 1);
    assert_string_equal(json_string_value(json_object_get(second, "event")), "checkpoint");
    assert_int_equal(json_integer_value(json_object_get(second, "step")), 400);
    assert_int_equal(json_integer_value(json_object_get(second, "n")), 1);
    json_decref(entries);
}

/* Cut anywhere, the journal holds the whole lines, and goes on from them. */
static void test_every_cut_leaves_whole_lines(void **state)
{
    (void)state;
    append("started", 0);
    append("checkpoint", 1);
    struct q_buffer text = {0};
    assert_int_equal(q_fs_read_file(path, 1 << 20, &text), Q_OK);
    size_t first = (size_t)((char *)memchr(text.data, '\n', text.size) - text.data) + 1;
    for (size_t size = 0; size <= text.size; size++) {
        put(&text, size);
        size_t whole = size == text.size ? 2 : size >= first ? 1 : 0;
        assert_int_equal(lines_read(), whole);
        append("resumed", 2);
        assert_int_equal(lines_read(), whole + 1);
    }
    q_buffer_release(&text);
}

/* A bit flipped in any line but the last is found by the chain, or by the JSON. (The last line has nothing behind it
 * that vouches for it.) */
static void test_damage_is_found(void **state)
{
    (void)state;
    append("started", 0);
    append("checkpoint", 1);
    struct q_buffer text = {0};
    assert_int_equal(q_fs_read_file(path, 1 << 20, &text), Q_OK);
    size_t first = (size_t)((char *)memchr(text.data, '\n', text.size) - text.data) + 1;
    for (size_t i = 0; i < first; i++) {
        text.data[i] = (char)(text.data[i] ^ 1);
        put(&text, text.size);
        struct q_journal *journal;
        assert_int_equal(q_journal_open(path, &journal), Q_ERR_INPUT);
        text.data[i] = (char)(text.data[i] ^ 1);
    }
    q_buffer_release(&text);
}

static void test_a_second_writer_is_refused(void **state)
{
    (void)state;
    struct q_journal *one, *two;
    assert_int_equal(q_journal_open(path, &one), Q_OK);
    assert_int_equal(q_journal_open(path, &two), Q_ERR_SYSTEM);
    q_journal_close(one);
    assert_int_equal(q_journal_open(path, &two), Q_OK);
    q_journal_close(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_absent_is_empty, fresh),
        cmocka_unit_test_setup(test_appends_are_read_back, fresh),
        cmocka_unit_test_setup(test_every_cut_leaves_whole_lines, fresh),
        cmocka_unit_test_setup(test_damage_is_found, fresh),
        cmocka_unit_test_setup(test_a_second_writer_is_refused, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
