/* Accounting: the law, its JSON and its line. */
#include "base/accounting.h"
#include "base/check.h"
#include "tests/base/cmocka_all.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void fill(struct q_accounting *accounting)
{
    for (int i = 0; i < 1100; i++)
        assert_ok(q_account_kept(accounting, 11000, 8000));
    for (int i = 0; i < 60; i++)
        assert_ok(q_account_dropped(accounting, "gopher-quality.words", 100));
    for (int i = 0; i < 100; i++)
        assert_ok(q_account_dropped(accounting, "lang", 50));
    assert_ok(q_account_failed(accounting, "utf-8", 7));
    assert_ok(q_account_failed(accounting, "lang", 3)); /* the same name, failed: another reason */
}

static void expect_line(const struct q_accounting *accounting, double seconds, const char *expected)
{
    struct q_buffer line = {0};
    assert_ok(q_accounting_line(accounting, "corpus", seconds, &line));
    assert_ok(q_buffer_terminate(&line));
    assert_string_equal(line.data, expected);
    q_buffer_release(&line);
}

static void lines(void **state)
{
    (void)state;
    struct q_accounting accounting = {0};
    expect_line(&accounting, 0, "corpus: in 0 documents (0 B) = kept 0 + dropped 0 + failed 0; out 0 B; 0 s, 0 B/s");
    fill(&accounting);
    q_accounting_check(&accounting);
    expect_line(&accounting, 3.2,
                "corpus: in 1,262 documents (12.1 MB) = kept 1,100 + dropped 160 (lang 100, gopher-quality.words 60) + "
                "failed 2 "
                "(lang 1, utf-8 1); out 8.80 MB; 3.2 s, 3.78 MB/s");
    assert_int_equal(accounting.reason_count, 4);
    q_accounting_release(&accounting);
}

static void sums(void **state)
{
    (void)state;
    struct q_accounting one = {0}, two = {0}, all = {0}, together = {0};
    fill(&one);
    assert_ok(q_account_dropped(&two, "a", 5));
    assert_ok(q_account_dropped(&two, "zz", 5));
    assert_ok(q_accounting_add(&all, &two));
    assert_ok(q_accounting_add(&all, &one));
    q_accounting_check(&all);
    fill(&together);
    assert_ok(q_account_dropped(&together, "zz", 5));
    assert_ok(q_account_dropped(&together, "a", 5));
    assert_int_equal(all.in.documents, together.in.documents);
    assert_int_equal(all.in.bytes, together.in.bytes);
    assert_int_equal(all.reason_count, together.reason_count);
    assert_memory_equal(all.reasons, together.reasons, all.reason_count * sizeof(*all.reasons)); /* in any order */
    struct q_accounting huge = {.in = {1, UINT64_MAX}, .kept = {1, UINT64_MAX}};
    assert_fails(q_accounting_add(&all, &huge), Q_ERR_INPUT, "too large");
    q_accounting_release(&one);
    q_accounting_release(&two);
    q_accounting_release(&all);
    q_accounting_release(&together);
}

static void json(void **state)
{
    (void)state;
    struct q_accounting accounting = {0}, back;
    struct q_buffer first = {0}, second = {0};
    json_t *object;
    fill(&accounting);
    assert_ok(q_accounting_json(&accounting, &object));
    assert_ok(q_json_dump(object, 0, &first));
    assert_ok(q_buffer_terminate(&first));
    assert_string_equal(first.data,
                        "{\"dropped\":{\"gopher-quality.words\":{\"bytes\":6000,\"documents\":60},\"lang\":{\"bytes\":"
                        "5000,\"documents\":100}},"
                        "\"failed\":{\"lang\":{\"bytes\":3,\"documents\":1},\"utf-8\":{\"bytes\":7,\"documents\":1}},"
                        "\"in\":{\"bytes\":12111010,\"documents\":1262},\"kept\":{\"bytes\":12100000,\"documents\":"
                        "1100},\"out_bytes\":8800000}\n");
    assert_ok(q_accounting_parse(object, "m", &back));
    json_decref(object);
    assert_ok(q_accounting_json(&back, &object));
    assert_ok(q_json_dump(object, 0, &second));
    assert_true(q_string_equal(q_buffer_string(&first), q_buffer_string(&second)));
    json_decref(object);
    q_accounting_release(&accounting);
    q_accounting_release(&back);
    q_buffer_release(&first);
    q_buffer_release(&second);
}

static void refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"{}", "'in' is missing"},
        {"[]", "no JSON object"},
        {"{\"in\":{\"documents\":2,\"bytes\":1},\"kept\":{\"documents\":1,\"bytes\":1},\"out_bytes\":0,\"dropped\":{},"
         "\"failed\":{}}",
         "does not balance"},
        {"{\"in\":{\"documents\":1,\"bytes\":2},\"kept\":{\"documents\":1,\"bytes\":1},\"out_bytes\":0,\"dropped\":{},"
         "\"failed\":{}}",
         "does not balance"},
        {"{\"in\":{\"documents\":0,\"bytes\":0},\"kept\":{\"documents\":0,\"bytes\":0},\"out_bytes\":-1,\"dropped\":{},"
         "\"failed\":{}}",
         "'out_bytes'"},
        {"{\"in\":{\"documents\":0,\"bytes\":0},\"kept\":{\"documents\":0,\"bytes\":0},\"out_bytes\":0,\"dropped\":{"
         "\"A b\":{}},\"failed\":{}}",
         "no name"},
        {"{\"in\":{\"documents\":0,\"bytes\":0},\"kept\":{\"documents\":0,\"bytes\":0},\"out_bytes\":0,\"dropped\":{"
         "\"a\":{}},\"failed\":{}}",
         "'documents' is missing"},
        {"{\"in\":{\"documents\":0,\"bytes\":0},\"kept\":{\"documents\":0,\"bytes\":0},\"out_bytes\":0,\"dropped\":[],"
         "\"failed\":{}}",
         "'dropped' is not an object"},
        /* Sums that wrap around to the right figure. */
        {"{\"in\":{\"documents\":0,\"bytes\":0},\"kept\":{\"documents\":9223372036854775807,\"bytes\":0},\"out_bytes\":"
         "0,\"dropped\":"
         "{\"a\":{\"documents\":9223372036854775807,\"bytes\":0},\"b\":{\"documents\":2,\"bytes\":0}},\"failed\":{}}",
         "does not balance"},
    };
    for (size_t i = 0; i < Q_COUNT_OF(bad); i++) {
        json_t *object;
        struct q_accounting accounting;
        assert_ok(q_json_parse(q_string_of(bad[i][0]), "m", &object));
        assert_fails(q_accounting_parse(object, "m", &accounting), Q_ERR_INPUT, bad[i][1]);
        assert_null(accounting.reasons);
        json_decref(object);
    }
}

/* Only a defect of ours can break the law, and then nothing more is written. */
static void broken_law_aborts(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        (void)close(2);
        (void)signal(SIGABRT, SIG_DFL);
        struct q_accounting accounting = {.in = {3, 10}, .kept = {2, 10}};
        q_accounting_check(&accounting);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static q_status count_some(void)
{
    struct q_accounting accounting = {0}, sum = {0}, back = {0};
    json_t *object = NULL;
    q_status status = q_account_dropped(&accounting, "b", 1);
    if (!status)
        status = q_account_failed(&accounting, "a", 1);
    q_accounting_check(&accounting); /* also half way */
    if (!status)
        status = q_accounting_add(&sum, &accounting);
    if (!status)
        status = q_accounting_json(&sum, &object);
    if (!status)
        status = q_accounting_parse(object, "m", &back);
    json_decref(object);
    q_accounting_release(&accounting);
    q_accounting_release(&sum);
    q_accounting_release(&back);
    return status;
}

static void allocations(void **state)
{
    (void)state;
    for (int for_ever = 0; for_ever <= 1; for_ever++) {
        q_status status = Q_ERR_MEMORY;
        for (uint64_t k = 1; status; k++) {
            q_memory_fail_at(k, for_ever);
            status = count_some();
            q_memory_fail_at(0, 0);
            assert_true(status == Q_OK || status == Q_ERR_MEMORY);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(sums),
        cmocka_unit_test(json),
        cmocka_unit_test(refused),
        cmocka_unit_test(broken_law_aborts),
        cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests_name("accounting", tests, NULL, NULL);
}
