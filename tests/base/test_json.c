/* JSON: strict in, deterministic out; the fast escape against its plain twin; validators against each other. */
#include "base/check.h"
#include "base/json.h"
#include "base/json_private.h"
#include "base/jsonl.h"
#include "tests/base/cmocka_all.h"

#include <float.h>
#include <math.h>
#include <string.h>

static void expect_parse_error(const char *text, size_t size, const char *words)
{
    json_t *value;
    assert_fails(q_json_parse((q_string){text, size}, "x.json", &value), Q_ERR_INPUT, words);
    assert_memory_equal(q_error_text(), "x.json: line ", 13);
    assert_null(strchr(q_error_text(), '\n'));
}

#define refuses(text, words) expect_parse_error("" text, sizeof(text) - 1, words)

static void strict_in(void **state)
{
    (void)state;
    refuses("", "");
    refuses("{", "");
    refuses("{\"a\":1,\"a\":2}", "duplicate object key");
    refuses("{\"a\":{\"b\":1,\"b\":2}}", "duplicate object key");
    refuses("[1e999999]", "overflow");
    refuses("[99999999999999999999]", "too big");
    refuses("\"\xff\"", "unable to decode byte 0xff");
    refuses("\"\xed\xa0\x80\"", "unable to decode");
    refuses("\"\xc0\x80\"", "unable to decode");
    refuses("\"\\ud800\"", "");
    refuses("\"a\\u0000\"", "NUL");
    refuses("{\"a\\u0000\":1}", "NUL");
    refuses("[1] x", "end of file");
    refuses("[1]\0", "");
    refuses("[01]", "");
    refuses("[1.]", "");
    refuses("[NaN]", "");
    refuses("[\"a\nb\"]", "");
    refuses("{\n\n \"a\" 1}", "line 3");
    struct q_buffer deep = {0};
    json_t *value;
    for (int i = 0; i < 100000; i++)
        assert_ok(q_buffer_append_byte(&deep, '['));
    expect_parse_error(deep.data, deep.size, "nested deeper than 200");
    deep.size = 200;
    for (int i = 0; i < 200; i++)
        assert_ok(q_buffer_append_byte(&deep, ']'));
    assert_ok(q_json_parse(q_buffer_string(&deep), "x.json", &value));
    json_decref(value);
    q_buffer_release(&deep);
    /* Brackets and quotes inside strings are not brackets. */
    assert_ok(q_json_parse(Q_STRING("[\"\\\"[[[[\", \"\\\\\"]"), "x.json", &value));
    json_decref(value);
    assert_ok(q_json_parse(Q_STRING(" 7 "), "x.json", &value));
    assert_int_equal(json_integer_value(value), 7);
    json_decref(value);
}

static void expect_dump(const char *in, unsigned indent, const char *out)
{
    struct q_buffer text = {0};
    json_t *value;
    assert_ok(q_json_parse(q_string_of(in), "in", &value));
    assert_ok(q_json_dump(value, indent, &text));
    assert_ok(q_buffer_terminate(&text));
    assert_string_equal(text.data, out);
    json_decref(value);
    q_buffer_release(&text);
}

static void dumps(void **state)
{
    (void)state;
    expect_dump("{\"b\": [1, 2.50, {\"y\":null,\"x\":true}], \"a\":\"q\\u00e9\\n\", \"aa\":{}, \"B\":[]}", 0,
                "{\"B\":[],\"a\":\"q\xc3\xa9\\n\",\"aa\":{},\"b\":[1,2.5,{\"x\":true,\"y\":null}]}\n");
    expect_dump("{\"b\":[1,2.0],\"a\":{\"x\":{\"y\":[[1],[]]}},\"c\":{\"p\":1,\"o\":\"2\"},\"d\":{\"1\":1,\"2\":2,"
                "\"3\":3,\"4\":4,\"5\":5}}",
                1,
                "{\n \"a\": {\n  \"x\": {\n   \"y\": [\n    [1],\n    []\n   ]\n  }\n },\n \"b\": [1, 2.0],\n \"c\": "
                "{\"o\": \"2\", \"p\": 1},\n"
                " \"d\": {\n  \"1\": 1,\n  \"2\": 2,\n  \"3\": 3,\n  \"4\": 4,\n  \"5\": 5\n }\n}\n");
    expect_dump("{\"a\":1}", 2, "{\n  \"a\": 1\n}\n");
    expect_dump("-0.0", 0, "-0.0\n");
    expect_dump("1e300", 0, "1e+300\n");
    expect_dump("-9223372036854775808", 0, "-9223372036854775808\n");
}

static void members(void **state)
{
    (void)state;
    json_t *object, *out;
    q_string text;
    uint64_t u;
    double d;
    assert_ok(q_json_parse(Q_STRING("{\"o\":{},\"a\":[],\"s\":\"x\",\"u\":7,\"n\":-7,\"d\":1.5}"), "f", &object));
    assert_ok(q_json_get_object(object, "f", "o", &out));
    assert_ok(q_json_get_array(object, "f", "a", &out));
    assert_ok(q_json_get_string(object, "f", "s", &text));
    assert_ok(q_json_get_u64(object, "f", "u", &u));
    assert_ok(q_json_get_double(object, "f", "u", &d));
    assert_true(d == 7);
    assert_fails(q_json_get_u64(object, "f", "n", &u), Q_ERR_INPUT, "f: 'n' is not a whole number from 0");
    assert_fails(q_json_get_u64(object, "f", "d", &u), Q_ERR_INPUT, "f: 'd' is not a whole number from 0");
    assert_fails(q_json_get_u64(object, "f", "z", &u), Q_ERR_INPUT, "f: 'z' is missing");
    assert_fails(q_json_get_double(object, "f", "s", &d), Q_ERR_INPUT, "f: 's' is not a number");
    assert_fails(q_json_get_string(object, "f", "u", &text), Q_ERR_INPUT, "f: 'u' is not a string");
    assert_fails(q_json_get_object(object, "f", "a", &out), Q_ERR_INPUT, "f: 'a' is not an object");
    assert_fails(q_json_get_array(object, "f", "o", &out), Q_ERR_INPUT, "f: 'o' is not a list");
    assert_fails(q_json_get_u64(json_object_get(object, "a"), "f", "z", &u), Q_ERR_INPUT, "no JSON object");
    assert_fails(q_json_set(object, "bad", json_real(NAN)), Q_ERR_INPUT, "'bad': JSON cannot hold");
    assert_fails(q_json_set(object, "\xff", json_integer(1)), Q_ERR_INPUT, "'?'");
    assert_fails(q_json_push(json_object_get(object, "a"), NULL), Q_ERR_INPUT, "cannot hold");
    assert_ok(q_json_set(object, "s",
                         q_json_string(Q_STRING("a\xff"
                                                "b"))));
    assert_string_equal(json_string_value(json_object_get(object, "s")), "a\xef\xbf\xbd"
                                                                         "b");
    json_decref(object);
}

static void writer(void **state)
{
    (void)state;
    struct q_buffer out = {0};
    struct q_json json = q_json_begin(&out);
    q_json_open(&json, NULL, '{');
    q_json_put_string(&json, "s", Q_STRING("a\"\xff"));
    q_json_put_u64(&json, "u", UINT64_MAX);
    q_json_put_i64(&json, "i", INT64_MIN);
    q_json_put_double(&json, "d", 0.1);
    q_json_put_double(&json, "n", NAN);
    q_json_put_double(&json, "inf", INFINITY);
    q_json_put_double(&json, "one", 1);
    q_json_put_fixed(&json, "f", 0.50004, 4);
    q_json_put_fixed(&json, "g", -0.00001, 4);
    q_json_put_fixed(&json, "h", 1e300, 4);
    q_json_put_fixed(&json, "j", 100, 0);
    q_json_open(&json, "l", '[');
    q_json_put_bool(&json, NULL, true);
    q_json_put_raw(&json, NULL, Q_STRING("{}"));
    q_json_close(&json, ']');
    q_json_open(&json, "e", '{');
    q_json_close(&json, '}');
    q_json_close(&json, '}');
    q_json_newline(&json);
    q_json_open(&json, NULL, '[');
    q_json_close(&json, ']');
    q_json_newline(&json);
    assert_ok(q_json_end(&json));
    assert_ok(q_buffer_terminate(&out));
    assert_string_equal(
        out.data,
        "{\"s\":\"a\\\"\xef\xbf\xbd\",\"u\":18446744073709551615,\"i\":-9223372036854775808,\"d\":0.1,\"n\":null,"
        "\"inf\":null,\"one\":1.0,\"f\":0.5,\"g\":0,\"h\":1e+300,\"j\":100,\"l\":[true,{}],\"e\":{}}\n[]\n");
    q_buffer_release(&out);
}

static void expect_double(double value, const char *text)
{
    char out[Q_JSON_NUMBER_MAX];
    assert_int_equal(q_json_double_text(out, value), strlen(text));
    assert_string_equal(out, text);
}

static void doubles(void **state)
{
    (void)state;
    expect_double(0.1, "0.1");
    expect_double(0.30000000000000004, "0.30000000000000004");
    expect_double(1, "1.0");
    expect_double(-3, "-3.0");
    expect_double(1e22, "1e+22");
    expect_double(5e-324, "5e-324");
    expect_double(DBL_MIN, "2.2250738585072014e-308");
    expect_double(-DBL_MAX, "-1.7976931348623157e+308");
    expect_double(1.0 / 3, "0.3333333333333333");
    /* Any bits: what is written reads back the same. */
    uint64_t dice = 11;
    for (int i = 0; i < 50000; i++) {
        uint64_t bits = dice_roll(&dice);
        double value;
        char out[Q_JSON_NUMBER_MAX];
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        assert_true(q_json_double_text(out, value) < Q_JSON_NUMBER_MAX);
        assert_true(strtod(out, NULL) == value);
    }
    /* A locale with another decimal point. */
    char text[] = "-1,5e+10", two[] = "1\xd9\xab"
                                      "5";
    assert_int_equal(q_json_unlocalise(text), 8);
    assert_string_equal(text, "-1.5e+10");
    assert_int_equal(q_json_unlocalise(two), 3);
    assert_string_equal(two, "1.5");
}

static void escapes(void **state)
{
    (void)state;
    enum { SIZE = 300 };
    char from[SIZE], plain[SIZE * Q_JSON_ESCAPE_MAX + Q_JSON_ESCAPE_SLACK], fast[sizeof(plain)];
    uint64_t dice = 5;
    for (int round = 0; round < 20000; round++) {
        /* Mostly harmless bytes; in some rounds none but them. */
        uint64_t rare = 1 + dice_roll(&dice) % 64;
        size_t size = dice_roll(&dice) % SIZE;
        for (size_t i = 0; i < size; i++)
            from[i] = (char)(dice_roll(&dice) % rare == 0 ? dice_roll(&dice) : 'a' + dice_roll(&dice) % 26);
        size_t length = (size_t)(q_json_escape_plain(plain, from, size) - plain);
        assert_int_equal(q_json_escape(fast, from, size) - fast, length);
        assert_memory_equal(plain, fast, length);
    }
    for (int byte = 0; byte < 256; byte++) { /* each byte at each place of a block */
        for (size_t at = 0; at < 33; at++) {
            memset(from, 'x', 33);
            from[at] = (char)byte;
            size_t length = (size_t)(q_json_escape_plain(plain, from, 33) - plain);
            assert_int_equal(q_json_escape(fast, from, 33) - fast, length);
            assert_memory_equal(plain, fast, length);
        }
    }
    struct q_buffer pieces = {0}; /* the inside alone, cut in a character, and a byte that is no UTF-8 */
    assert_ok(q_json_append_escaped(&pieces, Q_STRING("a\"\xC3")));
    assert_ok(q_json_append_escaped(&pieces, Q_STRING("\xA9\n\xFF")));
    assert_true(q_string_equal(q_buffer_string(&pieces), Q_STRING("a\\\"\xC3\xA9\\n\xFF")));
    q_buffer_release(&pieces);
    /* Pieces of a long string meet without a seam. */
    struct q_buffer long_text = {0}, out = {0};
    for (int i = 0; i < 30000; i++)
        assert_ok(q_buffer_append_byte(&long_text, i % 8192 > 8185 || i % 8192 < 5 ? '"' : 'y'));
    assert_ok(q_json_append_string(&out, q_buffer_string(&long_text)));
    json_t *value;
    assert_ok(q_json_parse(q_buffer_string(&out), "x", &value));
    assert_int_equal(json_string_length(value), long_text.size);
    assert_memory_equal(json_string_value(value), long_text.data, long_text.size);
    json_decref(value);
    q_buffer_release(&long_text);
    q_buffer_release(&out);
}

static void expect_repair(const char *in, const char *expected, uint64_t replaced)
{
    struct q_buffer out = {0};
    uint64_t count;
    assert_ok(q_utf8_repair(q_string_of(in), &out, &count));
    assert_ok(q_buffer_terminate(&out));
    assert_string_equal(out.data, expected);
    assert_int_equal(count, replaced);
    assert_true(q_utf8_valid(q_string_of(in)) == (replaced == 0));
    q_buffer_release(&out);
}

#define FFFD "\xef\xbf\xbd"

/* The Unicode standard's own examples (15.0, section 3.9, tables 3-8 to 3-11), among others. */
static void utf8(void **state)
{
    (void)state;
    expect_repair("", "", 0);
    expect_repair("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 0);
    expect_repair("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82"
                  "A",
                  FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A", 8);
    expect_repair("\xed\xa0\x80\xed\xbf\xbf\xed\xaf"
                  "A",
                  FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A", 8);
    expect_repair("\xf4\x91\x92\x93\xff"
                  "A\x80\xbf"
                  "B",
                  FFFD FFFD FFFD FFFD FFFD "A" FFFD FFFD "B", 7);
    expect_repair("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"
                  "A",
                  FFFD FFFD FFFD FFFD "A", 4);
    expect_repair("x\xe2\x82", "x" FFFD, 1);
    uint64_t dice = 17;
    for (int round = 0; round < 50000; round++) {
        char bytes[64];
        static const char lead[] = "\xc3\xe2\xed\xf0\xf4\x80\xbf\xa0\x9f\x90\x8f"
                                   "a";
        size_t size = dice_roll(&dice) % sizeof(bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = lead[dice_roll(&dice) % (sizeof(lead) - 1)];
        q_string string = {bytes, dice_roll(&dice) % 2 ? size : Q_MIN(size, 5)};
        assert_true(q_utf8_valid(string) == q_utf8_valid_plain(string));
        struct q_buffer out = {0};
        assert_ok(q_utf8_repair(string, &out, NULL));
        assert_true(q_utf8_valid(q_buffer_string(&out)));
        q_buffer_release(&out);
    }
}

static void validity(void **state)
{
    (void)state;
    static const char *const good[] = {"{}",
                                       " [ ] ",
                                       "[1,-0,0.5,1e5,1E+5,-1.5e-5]",
                                       "\"\"",
                                       "true",
                                       "null",
                                       "[[[]],{\"a\":[{}]}]",
                                       "\"\\ud83d\\ude00\\u0000\\/\\b\"",
                                       "1e999999",
                                       "{\"a\":1,\"a\":2}",
                                       "123456789012345678901234567890"};
    static const char *const bad[] = {"",           " ",         "{",           "}",           "[",
                                      "[1,]",       "[,1]",      "{\"a\"}",     "{\"a\":}",    "{a:1}",
                                      "{\"a\":1,}", "01",        "-",           "1.",          ".5",
                                      "1e",         "+1",        "tru",         "truex",       "\"",
                                      "\"\\x\"",    "\"\\u12\"", "\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83d\\u0041\"",
                                      "\"\n\"",     "[1 2]",     "[1}",         "{\"a\":1]",   "1 1",
                                      "\"\xff\"",   "[]]",       "{\"a\" 1}"};
    for (size_t i = 0; i < Q_COUNT_OF(good); i++)
        assert_true(q_json_valid(q_string_of(good[i])));
    for (size_t i = 0; i < Q_COUNT_OF(bad); i++)
        assert_false(q_json_valid(q_string_of(bad[i])));
    char deep[402];
    memset(deep, '[', 201);
    memset(deep + 201, ']', 201);
    assert_false(q_json_valid((q_string){deep, 402}));
    assert_true(q_json_valid((q_string){deep + 1, 400}));
}

/* Three readers of JSON - jansson, simdjson with our checks, our own grammar - on the same mutated objects. */
static void readers_agree(void **state)
{
    (void)state;
    struct q_jsonl_parser *parser;
    static const char seed[] =
        "{\"id\":\"a\\u00e9#0\",\"n\":[1,-2.5e3,{\"x\":null}],\"t\":true,\"f\":false,\"z\":0.25,\"e\":{}}";
    static const char spice[] = "\"\\{}[]:,01e.-+tfnul \n\x01\xff\x80\xc3u";
    uint64_t dice = 23;
    unsigned agreed_good = 0;
    assert_ok(q_jsonl_create(&parser));
    for (int round = 0; round < 40000; round++) {
        char text[sizeof(seed)];
        memcpy(text, seed, sizeof(seed));
        q_string string = {text, sizeof(seed) - 1};
        for (uint64_t edits = 1 + dice_roll(&dice) % 3; edits > 0; edits--)
            text[dice_roll(&dice) % string.size] = spice[dice_roll(&dice) % (sizeof(spice) - 1)];
        if (dice_roll(&dice) % 8 == 0)
            string.size = dice_roll(&dice) % string.size;
        const struct q_jsonl_member *members;
        size_t count;
        json_t *value = NULL;
        bool ours = q_json_valid(string);
        q_status lines = q_jsonl_parse(parser, string, &members, &count);
        q_status tree = q_json_parse(string, "x", &value);
        /* Each refuses more than the grammar does, for reasons of its own; none takes what the grammar refuses. */
        assert_true(lines == Q_OK || lines == Q_ERR_INPUT);
        if (!lines || !tree)
            assert_true(ours);
        if (!tree && json_is_object(value) && lines)
            fail_msg("simdjson refuses what jansson takes: %.*s", Q_STRING_ARGS(string));
        agreed_good += !lines && !tree;
        json_decref(value);
    }
    assert_true(agreed_good > 1000);
    q_jsonl_release(parser);
}

static void line_members(void **state)
{
    (void)state;
    struct q_jsonl_parser *parser;
    const struct q_jsonl_member *members;
    size_t count;
    assert_ok(q_jsonl_create(&parser));
    assert_ok(q_jsonl_parse(
        parser,
        Q_STRING(" {\"a\":\"x\\n\" , \"b\":-1.5e1,\"c\":true,\"d\":null ,\"e\":[1, {\"y\":\"]\"}] ,\"f\":{ } } \r\n"),
        &members, &count));
    assert_int_equal(count, 6);
    assert_true(members[0].type == Q_JSONL_TEXT && q_string_is(members[0].text, "x\n"));
    assert_true(members[1].type == Q_JSONL_NUMBER && members[1].number == -15 &&
                q_string_is(members[1].text, "-1.5e1"));
    assert_true(members[2].type == Q_JSONL_BOOL && members[2].number == 1);
    assert_true(members[3].type == Q_JSONL_NULL && q_string_is(members[3].text, "null"));
    assert_true(members[4].type == Q_JSONL_TREE && q_string_is(members[4].text, "[1, {\"y\":\"]\"}]"));
    assert_true(members[5].type == Q_JSONL_TREE && q_string_is(members[5].text, "{ }"));
    assert_ok(q_jsonl_parse(parser, Q_STRING("{}"), &members, &count));
    assert_int_equal(count, 0);
    /* Keys are compared as they read, not as they are written. */
    assert_fails(q_jsonl_parse(parser, Q_STRING("{\"ab\":1,\"a\\u0062\":2}"), &members, &count), Q_ERR_INPUT,
                 "a key twice");
    assert_fails(q_jsonl_parse(parser, Q_STRING("{\"a\":[1 2]}"), &members, &count), Q_ERR_INPUT, "no JSON");
    assert_fails(q_jsonl_parse(parser, Q_STRING("{\"a\":[1}}"), &members, &count), Q_ERR_INPUT, "");
    assert_fails(q_jsonl_parse(parser, Q_STRING("{\"a\":tru}"), &members, &count), Q_ERR_INPUT, "");
    assert_fails(q_jsonl_parse(parser, Q_STRING("{\"a\":nul}"), &members, &count), Q_ERR_INPUT, "");
    assert_fails(q_jsonl_parse(parser, Q_STRING("{\"a\":01}"), &members, &count), Q_ERR_INPUT, "");
    struct q_buffer deep = {0};
    assert_ok(q_buffer_append_string(&deep, Q_STRING("{\"a\":")));
    for (int i = 0; i < 100000; i++)
        assert_ok(q_buffer_append_byte(&deep, '['));
    for (int i = 0; i < 100000; i++)
        assert_ok(q_buffer_append_byte(&deep, ']'));
    assert_ok(q_buffer_append_byte(&deep, '}'));
    assert_fails(q_jsonl_parse(parser, q_buffer_string(&deep), &members, &count), Q_ERR_INPUT, "no JSON");
    /* A hundred thousand keys take no square of it. */
    deep.size = 0;
    assert_ok(q_buffer_append_byte(&deep, '{'));
    for (int i = 0; i < 100000; i++)
        assert_ok(q_buffer_printf(&deep, "\"%d\":0,", i));
    assert_ok(q_buffer_append_string(&deep, Q_STRING("\"0\":1}")));
    assert_fails(q_jsonl_parse(parser, q_buffer_string(&deep), &members, &count), Q_ERR_INPUT, "a key twice");
    q_buffer_release(&deep);
    q_jsonl_release(parser);
}

/* jansson's lexer loses a character where it has no memory for it and goes on; nobody may see that. */
static void allocations(void **state)
{
    (void)state;
    static const char text[] =
        "{\"hash\":\"0123456789abcdef0123456789abcdef0123456789abcdef\",\"list\":[1,2.5,{\"k\":\"v\"}]}\n";
    for (int for_ever = 0; for_ever <= 1; for_ever++) {
        q_status status = Q_ERR_MEMORY;
        for (uint64_t k = 1; status; k++) {
            json_t *value = NULL;
            struct q_buffer out = {0};
            q_memory_fail_at(k, for_ever);
            status = q_json_parse(q_string_of(text), "x", &value);
            if (!status)
                status = q_json_set(value, "more", q_json_string(Q_STRING("\xff")));
            if (!status)
                status = q_json_dump(value, 1, &out);
            q_memory_fail_at(0, 0);
            if (status && status != Q_ERR_MEMORY)
                fail_msg("allocation %d: status %d, %s", (int)k, (int)status, q_error_text());
            json_decref(value);
            q_buffer_release(&out);
        }
    }
}

static void shown(void **state)
{
    (void)state;
    char out[12];
    assert_string_equal(q_show(out, sizeof(out), Q_STRING("short")), "short");
    assert_string_equal(q_show(out, sizeof(out),
                               Q_STRING("a\n\x1b\xff"
                                        "b\x7f")),
                        "a???b?");
    assert_string_equal(q_show(out, sizeof(out), Q_STRING("a text that is long")), "a text t...");
    assert_string_equal(q_show(out, sizeof(out), Q_STRING("1234567\xe2\x82\xac")), "1234567...");
    assert_string_equal(q_show(out, sizeof(out), (q_string){0}), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict_in),    cmocka_unit_test(dumps),       cmocka_unit_test(members),
        cmocka_unit_test(writer),       cmocka_unit_test(doubles),     cmocka_unit_test(escapes),
        cmocka_unit_test(utf8),         cmocka_unit_test(validity),    cmocka_unit_test(readers_agree),
        cmocka_unit_test(line_members), cmocka_unit_test(allocations), cmocka_unit_test(shown),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
