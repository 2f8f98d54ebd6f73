/* Every fast way to cut that this processor has, for every built-in pattern, against the plain way. */
#include "tests/base/cmocka_all.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/pretokenize/pretokenize_pattern.h"

#include <stdio.h>
#include <string.h>

enum { BYTES_MAX = 1 << 13 };

static size_t cut(const struct pretokenize_way *way, int pattern, q_string text, size_t from, size_t batch,
                  size_t *ends)
{
    size_t at = from, count = 0, got;
    while ((got = way->cut[pattern](text, &at, ends + count, batch)) > 0) {
        assert_true(got <= batch);
        count += got;
        assert_int_equal(at, ends[count - 1]);
    }
    assert_int_equal(at, text.size);
    return count;
}

static void fail_with(const char *way, int pattern, q_string text, size_t batch)
{
    print_error("%s, %s, batches of %zu:", way, pretokenizers[pattern]->name, batch);
    for (size_t i = 0; i < text.size; i++)
        print_error(" %02X", (uint8_t)text.data[i]);
    fail_msg("cut otherwise than by the plain way");
}

/* All ways and patterns on one text, from its start and from a cut in it. */
static void check_text(q_string text, size_t batch)
{
    static size_t want[BYTES_MAX], got[BYTES_MAX + 64];
    const struct pretokenize_way *ways[4];
    size_t count = pretokenize_ways(ways);
    assert_true(text.size < BYTES_MAX);
    for (int pattern = 0; pattern < PRETOKENIZE_BUILT_INS; pattern++) {
        size_t wanted = cut(&pretokenize_plain, pattern, text, 0, BYTES_MAX, want);
        for (size_t i = 0; i + 1 < count; i++) {
            size_t skip = wanted / 3;
            if (cut(ways[i], pattern, text, 0, batch, got) != wanted || memcmp(want, got, wanted * sizeof(*got)) != 0)
                fail_with(ways[i]->name, pattern, text, batch);
            if (skip && (cut(ways[i], pattern, text, want[skip - 1], batch, got) != wanted - skip ||
                         memcmp(want + skip, got, (wanted - skip) * sizeof(*got)) != 0))
                fail_with(ways[i]->name, pattern, text, batch);
        }
    }
}

static void there_is_a_way(void **state)
{
    const struct pretokenize_way *ways[4];
    size_t count = pretokenize_ways(ways);
    (void)state;
    assert_ptr_equal(ways[count - 1], &pretokenize_plain);
    for (size_t i = 0; i < count; i++)
        print_message("           compared: %s\n", ways[i]->name);
}

static void random_texts(void **state)
{
    struct q_buffer text = {0};
    uint64_t dice = 11;
    (void)state;
    for (int round = 0; round < 6000; round++) {
        random_text(&dice, 1 + (unsigned)(dice_roll(&dice) % 120), round % 2, &text);
        check_text(q_buffer_string(&text), (size_t[]){1, 7, 64, 100, BYTES_MAX}[round % 5]);
    }
    q_buffer_release(&text);
}

/* What the patterns name, and what stands at the borders of the fast ways' ranges. */
static const char *const characters[] = {
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "\v",
    "a",
    "e",
    "s",
    "S",
    "t",
    "ll",
    "L",
    "ve",
    "VE",
    "re",
    "d",
    "m",
    "Ma",
    "'",
    "'",
    "'s",
    "'ll",
    "/",
    "//",
    "!",
    "?!",
    "_",
    "0",
    "12",
    "345",
    "7",
    "\x01",
    "\x7F",
    "é",
    "É",
    "ß",
    "ſ",
    "ǅ",
    "ʰ",
    "ª",
    "º",
    "́",
    "̈",
    "²",
    "½",
    "٣",
    "१",
    "Ⅷ",
    "с",
    "Я",
    "ё",
    "҂",
    "ҁ",
    "ӿ",
    "\xC2\xA0",
    "\xC2\x85",
    "\xE2\x80\x8B",
    "\xE2\x80\x83",
    "\xE3\x80\x80",
    "\xE2\x80\xA8",
    "—",
    "“",
    "”",
    "’",
    "…",
    "。",
    "，",
    "、",
    "「",
    "・",
    "ー",
    "゛",
    "々",
    "〇",
    "\xE3\x81\x80",
    "あ",
    "ん",
    "ゖ",
    "\xE3\x82\x97",
    "゙",
    "ゟ",
    "゠",
    "ア",
    "ヺ",
    "ヿ",
    "㄀",
    "䶿",
    "䷀",
    "䷿",
    "一",
    "的",
    "中文字",
    "龥",
    "龦",
    "鿿",
    "ꀀ",
    "꯰",
    "가",
    "힣",
    "\xED\x9E\xA4",
    "한국",
    "ก",
    "ไทย",
    "ั",
    "฿",
    "๏",
    "๑",
    "๛",
    "ا",
    "ع",
    "ш",
    "क",
    "ि",
    "।",
    "😀",
    "\xF0\xA0\x80\x80",
    "\xF4\x8F\xBF\xBF",
    "\xEF\xBF\xBD",
    "\x80",
    "\xBF",
    "\xC0",
    "\xC3",
    "\xD0",
    "\xE4",
    "\xE4\xB8",
    "\xE9\xBE",
    "\xEA\xB0",
    "\xED\xA0\x80",
    "\xE0\x80\x80",
    "\xF0\x9F",
    "\xF0\x9F\x98",
    "\xF5",
    "\xFF",
};

/* A text of few kinds of characters, in runs: so that runs get long and their ends meet the windows' ends everywhere. */
static void runs_of_few_characters(void **state)
{
    struct q_buffer text = {0};
    uint64_t dice = 29;
    (void)state;
    for (int round = 0; round < 40000; round++) {
        const char *few[6];
        unsigned kinds = 1 + (unsigned)(dice_roll(&dice) % 6), longest = 1u << dice_roll(&dice) % 7;
        size_t size = dice_roll(&dice) % 300;
        for (unsigned i = 0; i < kinds; i++)
            few[i] = characters[dice_roll(&dice) % (sizeof(characters) / sizeof(characters[0]))];
        q_buffer_clear(&text);
        while (text.size < size) {
            const char *one = few[dice_roll(&dice) % kinds];
            for (uint64_t i = dice_roll(&dice) % longest + 1; i > 0; i--)
                assert_ok(q_buffer_append_string(&text, q_string_of(one)));
        }
        check_text(q_buffer_string(&text), (size_t[]){1, 7, 64, 100, BYTES_MAX}[round % 5]);
    }
    q_buffer_release(&text);
}

/* Prose with one of the characters at every offset from the start: every border of a window is met. */
static void every_offset_in_a_window(void **state)
{
    const char *prose = "It's the miller's 12th sack, we'll weigh 1234567 grains \n\n  of it (twice);  they've\tsaid: "
                        "\"don't!\" Zu früh?";
    struct q_buffer text = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(characters) / sizeof(characters[0]); i++)
        for (size_t offset = 0; offset < 80; offset++) {
            q_buffer_clear(&text);
            assert_ok(q_buffer_append(&text, prose, offset));
            assert_ok(q_buffer_append_string(&text, q_string_of(characters[i])));
            assert_ok(q_buffer_append_string(&text, q_string_of(prose + 20)));
            check_text(q_buffer_string(&text), BYTES_MAX);
        }
    q_buffer_release(&text);
}

/* Every code point between letters, spaces and signs: the classes of the fast ways are those of the tables. */
static void every_code_point(void **state)
{
    struct q_buffer text = {0};
    (void)state;
    for (uint32_t code = 0x80; code < 0x110000; code++) {
        char bytes[4];
        size_t size = 0;
        if (code >= 0x10000)
            bytes[size++] = (char)(0xF0 | code >> 18);
        if (code >= 0x800)
            bytes[size++] = (char)((code >= 0x10000 ? 0x80 : 0xE0) | (code >> 12 & (code >= 0x10000 ? 0x3F : 0x0F)));
        bytes[size++] = (char)((code >= 0x800 ? 0x80 : 0xC0) | (code >> 6 & (code >= 0x800 ? 0x3F : 0x1F)));
        bytes[size++] = (char)(0x80 | (code & 0x3F));
        assert_ok(q_buffer_append(&text, bytes, size));
        assert_ok(q_buffer_append(&text, "a\n !1b,c  " + code % 7, 1 + code % 4));
        if (text.size > BYTES_MAX - 16 || code == 0x10FFFF) {
            check_text(q_buffer_string(&text), BYTES_MAX);
            q_buffer_clear(&text);
        }
    }
    q_buffer_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_a_way),         cmocka_unit_test(random_texts),
        cmocka_unit_test(runs_of_few_characters), cmocka_unit_test(every_offset_in_a_window),
        cmocka_unit_test(every_code_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
