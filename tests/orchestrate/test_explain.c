/* Why a step is built anew, in words. */
#include "base/fs.h"
#include "orchestrate/explain.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"

#include <stdio.h>
#include <string.h>

static void assert_difference(const char *before, const char *now, const char *wanted)
{
    json_t *a, *b;
    struct q_buffer text = {0};
    assert_ok(q_json_parse(q_string_of(before), "before", &a));
    assert_ok(q_json_parse(q_string_of(now), "now", &b));
    assert_ok(explain_difference(a, b, &text));
    assert_ok(q_buffer_terminate(&text));
    assert_string_equal(text.data, wanted);
    json_decref(a);
    json_decref(b);
    q_buffer_release(&text);
}

static void test_differences(void **state)
{
    (void)state;
    const char *base = "{\"step\":\"build\",\"seed\":1,\"settings\":{\"part_bytes\":64,\"rules\":{\"words\":true}},"
                       "\"inputs\":[{\"name\":\"corpus\",\"hash\":\"aa\"}]}";
    assert_difference(base, base, "");
    assert_difference(base,
                      "{\"step\":\"build\",\"seed\":1,\"settings\":{\"part_bytes\":128,\"rules\":{\"words\":false}},"
                      "\"inputs\":[{\"name\":\"corpus\",\"hash\":\"bb\"}]}",
                      "setting 'part_bytes' 64 -> 128, setting 'rules.words' true -> false, input 'corpus' changed");
    assert_difference(base,
                      "{\"step\":\"build\",\"seed\":2,\"settings\":{\"rules\":{\"words\":true},\"lang\":\"de\"},"
                      "\"inputs\":[{\"name\":\"wiki\",\"hash\":\"aa\"}]}",
                      "setting 'part_bytes' 64 -> none, setting 'lang' none -> \"de\", input 'corpus' is gone, input "
                      "'wiki' is new and 1 more");
    assert_difference("{}", "{\"seed\":2}", "its 'seed' none -> 2");
    assert_difference("{\"settings\":{\"t\":\"x\"}}",
                      "{\"settings\":{\"t\":\"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\"}}",
                      "setting 't' \"x\" -> \"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy...");
    /* What is no identity at all is compared as far as it goes, and never crashes. */
    assert_difference("[]", "{\"settings\":3,\"inputs\":{\"a\":1}}", "");
}

static void write_identity(const char *key, const char *text)
{
    char folder[64], path[96];
    snprintf(folder, sizeof folder, "work/%s", key);
    snprintf(path, sizeof path, "%s/step.json", folder);
    assert_ok(q_fs_make_directories(folder));
    scratch_write(path, text, strlen(text));
}

static void test_newest_other_of_the_same_step(void **state)
{
    (void)state;
    struct graph_stage stage = {.work = "work"};
    struct graph_step step = {.name = "build", .key = "cccccccccccc", .folder = "work/cccccccccccc"};
    struct q_buffer text = {0};
    assert_ok(explain_step(&stage, &step, &text)); /* no identity yet: nothing to say */
    assert_int_equal(text.size, 0);
    write_identity("cccccccccccc", "{\"step\":\"build\",\"settings\":{\"n\":3}}");
    assert_ok(explain_step(&stage, &step, &text)); /* the first of its kind */
    assert_int_equal(text.size, 0);
    write_identity("aaaaaaaaaaaa", "{\"step\":\"sign\",\"settings\":{\"n\":1}}");
    write_identity("bbbbbbbbbbbb", "{\"step\":\"build\",\"settings\":{\"n\":2}}");
    write_identity("dddddddddddd", "damaged");
    write_identity("not-a-key", "{\"step\":\"build\",\"settings\":{\"n\":9}}");
    assert_ok(explain_step(&stage, &step, &text));
    assert_ok(q_buffer_terminate(&text));
    assert_string_equal(text.data, "setting 'n' 2 -> 3; before: bbbbbbbbbbbb");
    q_buffer_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_newest_other_of_the_same_step),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
