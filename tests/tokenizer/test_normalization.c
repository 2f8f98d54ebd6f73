/* Normal forms: as Hugging Face gives them (golden/normal-forms.txt), in pieces as in whole, broken bytes kept, and every result traced to its source. */
#include "tokenizer/unicode/normalization.h"

#include "base/fs.h"
#include "base/json.h"
#include "tests/base/cmocka_all.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/unicode/unicode_normal.h"

#include <stdlib.h>

static const enum normalization forms[] = {NORMALIZATION_NFC, NORMALIZATION_NFD, NORMALIZATION_NFKC,
                                           NORMALIZATION_NFKD};
enum { FORMS = 4 };

/* "0041 0301" as UTF-8. */
static void put_codes(struct q_buffer *out, q_string line)
{
    q_buffer_clear(out);
    while (line.size) {
        char *end;
        put_code((uint32_t)strtoul(line.data, &end, 16), out);
        line = q_string_slice(line, (size_t)(end - line.data), line.size);
        if (line.size && line.data[0] == ' ')
            line = q_string_slice(line, 1, line.size);
    }
}

static void assert_form(enum normalization form, q_string text, q_string wanted)
{
    struct q_buffer out = {0};
    assert_ok(normalization_apply(form, text, &out, NULL));
    if (!q_string_equal(q_buffer_string(&out), wanted))
        fail_msg("%s of '%.*s' is '%.*s', not '%.*s'", normalization_name(form), Q_STRING_ARGS(text), (int)out.size,
                 out.data, Q_STRING_ARGS(wanted));
    q_buffer_release(&out);
}

static void the_golden_strings_have_their_normal_forms(void **state)
{
    struct q_buffer file = {0}, columns[1 + FORMS] = {{0}};
    unsigned lines = 0;
    (void)state;
    assert_ok(q_fs_read_file(QUERN_SOURCE "/tests/tokenizer/golden/normal-forms.txt", 1 << 24, &file));
    assert_ok(q_buffer_terminate(&file));
    q_string rest = q_buffer_string(&file), line;
    for (; q_string_next_line(&rest, &line); lines++) {
        for (int i = 0; i <= FORMS; i++) {
            size_t end = q_string_find(line, Q_STRING(";"), 0);
            put_codes(&columns[i], q_string_slice(line, 0, end));
            line = end == SIZE_MAX ? (q_string){0} : q_string_slice(line, end + 1, line.size);
        }
        for (int i = 0; i < FORMS; i++) {
            assert_form(forms[i], q_buffer_string(&columns[0]), q_buffer_string(&columns[1 + i]));
            assert_form(forms[i], q_buffer_string(&columns[1 + i]), q_buffer_string(&columns[1 + i]));
        }
    }
    assert_int_equal(lines, 360);
    for (int i = 0; i <= FORMS; i++)
        q_buffer_release(&columns[i]);
    q_buffer_release(&file);
}

static uint64_t below(uint64_t *dice, uint64_t bound)
{
    return dice_roll(dice) % bound;
}

/* A text of marks, letters that join, Hangul, plain runs longer than a block and, where `broken`, bytes that are not UTF-8. */
static void random_marks(struct q_buffer *out, uint64_t seed, bool broken)
{
    static const uint32_t codes[] = {'a',    'e',    ' ',    0xE9,    0xC5,    0x1A1,  0x300,  0x301,  0x323,
                                     0x334,  0x345,  0x5B0,  0x93C,   0x928,   0x9C7,  0x9BE,  0x9D7,  0xE01,
                                     0xE38,  0xE48,  0x1100, 0x1161,  0x11A8,  0xAC00, 0xAC01, 0x1E69, 0x2000,
                                     0x2002, 0x212B, 0x304B, 0x3099,  0x3042,  0x4E00, 0x9FFF, 0xFB1D, 0xFDFA,
                                     0xFF76, 0xFF9E, 0xFFFD, 0x2F800, 0x1D15E, 0x1F600};
    uint64_t dice = seed;
    q_buffer_clear(out);
    for (uint64_t count = below(&dice, 40); count > 0; count--) {
        uint64_t what = below(&dice, 20);
        if (what == 0)
            for (uint64_t run = below(&dice, 60); run > 0; run--)
                put_code(below(&dice, 2) ? 0x416 : 0x4E2D, out);
        else if (what == 1 && broken)
            assert_ok(q_buffer_append_byte(out, (char)below(&dice, 256)));
        else if (what == 2)
            for (uint64_t run = below(&dice, 60); run > 0; run--)
                put_code(codes[6 + below(&dice, 5)], out);
        else
            put_code(codes[below(&dice, sizeof(codes) / sizeof(codes[0]))], out);
    }
    if (broken && out->size)
        out->size -= below(&dice, 3) % out->size; /* in the middle of a character */
}

/* The form of the repaired text is the repaired form. */
static void broken_bytes_are_kept_and_join_nothing(void **state)
{
    struct q_buffer text = {0}, repaired = {0}, form = {0}, form_repaired = {0};
    uint64_t replaced;
    (void)state;
    for (uint64_t seed = 0; seed < 4000; seed++) {
        random_marks(&text, seed, true);
        q_buffer_clear(&repaired);
        q_buffer_clear(&form);
        q_buffer_clear(&form_repaired);
        assert_ok(q_utf8_repair(q_buffer_string(&text), &repaired, &replaced));
        assert_ok(normalization_apply(forms[seed % FORMS], q_buffer_string(&text), &form, NULL));
        assert_ok(q_utf8_repair(q_buffer_string(&form), &form_repaired, &replaced));
        assert_form(forms[seed % FORMS], q_buffer_string(&repaired), q_buffer_string(&form_repaired));
    }
    q_buffer_release(&text);
    q_buffer_release(&repaired);
    q_buffer_release(&form);
    q_buffer_release(&form_repaired);
}

static void the_normal_prefix_is_normal_whatever_follows(void **state)
{
    struct q_buffer text = {0}, whole = {0};
    (void)state;
    for (uint64_t seed = 0; seed < 4000; seed++) {
        enum normalization form = forms[seed % FORMS];
        random_marks(&text, seed, seed % 3 == 0);
        size_t prefix = normalization_normal_prefix(form, q_buffer_string(&text));
        q_buffer_clear(&whole);
        assert_ok(normalization_apply(form, q_buffer_string(&text), &whole, NULL));
        assert_true(prefix <= text.size && prefix <= whole.size);
        assert_true(!prefix || memcmp(text.data, whole.data, prefix) == 0);
        assert_true(prefix < text.size || whole.size == prefix);
    }
    q_buffer_release(&text);
    q_buffer_release(&whole);
}

/* Block by block, each cut where normalization_final_prefix says, as an encoder of a stream does it. */
static void a_text_in_blocks_has_the_form_of_the_whole(void **state)
{
    struct q_buffer text = {0}, whole = {0}, parts = {0};
    (void)state;
    for (uint64_t seed = 0; seed < 4000; seed++) {
        enum normalization form = forms[seed % FORMS];
        uint64_t dice = seed;
        random_marks(&text, seed, seed % 3 == 0);
        q_buffer_clear(&whole);
        q_buffer_clear(&parts);
        assert_ok(normalization_apply(form, q_buffer_string(&text), &whole, NULL));
        for (size_t done = 0, seen = 0; done < text.size;) {
            seen += 1 + below(&dice, 8);
            seen = seen < text.size ? seen : text.size;
            q_string have = q_string_slice(q_buffer_string(&text), done, seen);
            size_t final = seen == text.size ? have.size : normalization_final_prefix(form, have);
            assert_true(final <= have.size);
            assert_ok(normalization_apply(form, q_string_slice(have, 0, final), &parts, NULL));
            done += final;
        }
        assert_true(q_string_equal(q_buffer_string(&parts), q_buffer_string(&whole)));
    }
    q_buffer_release(&text);
    q_buffer_release(&whole);
    q_buffer_release(&parts);
}

/* Between the edits both texts are the same bytes, and normalization_original finds the way back from every byte, in order and out of order. */
static void edits_lead_back_to_the_original(void **state)
{
    struct q_buffer text = {0}, out = {0};
    struct normalization_edits edits = {0};
    (void)state;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        random_marks(&text, seed, false);
        q_buffer_clear(&out);
        edits.count = 0;
        assert_ok(normalization_apply(forms[seed % FORMS], q_buffer_string(&text), &out, &edits));
        size_t from = 0, to = 0, hint = 0, any = 0, start, end;
        for (size_t i = 0; i <= edits.count; i++) {
            struct normalization_edit last = {text.size, text.size, out.size, out.size};
            const struct normalization_edit *edit = i < edits.count ? &edits.items[i] : &last;
            assert_true(edit->from >= from && edit->to - to == edit->from - from);
            assert_true(edit->to == to || memcmp(text.data + from, out.data + to, edit->to - to) == 0);
            for (; to < edit->to; to++, from++) {
                normalization_original(&edits, &hint, to, to + 1, &start, &end);
                assert_true(start == from && end == from + 1);
            }
            for (; to < edit->to_end; to++) {
                normalization_original(&edits, &hint, to, to + 1, &start, &end);
                assert_true(start == edit->from && end == edit->from_end);
                normalization_original(&edits, &any, (to * 7919) % out.size, out.size, &start, &end);
                assert_true(end == text.size && start <= end);
            }
            from = edit->from_end;
        }
    }
    q_buffer_release(&text);
    q_buffer_release(&out);
    normalization_edits_release(&edits);
}

/* A million marks in the worst order behind one letter: by counting, or this test would take hours. */
static void long_runs_of_marks_are_sorted_by_counting(void **state)
{
    enum { MARKS = 1000000 };
    struct q_buffer text = {0}, out = {0};
    (void)state;
    assert_ok(q_buffer_append_byte(&text, 'q'));
    for (int i = 0; i < MARKS; i++)
        put_code(i % 2 ? 0x323 : 0x301, &text);
    assert_ok(normalization_apply(NORMALIZATION_NFC, q_buffer_string(&text), &out, NULL));
    assert_int_equal(out.size, text.size);
    assert_true(memcmp(out.data, "q\xCC\xA3\xCC\xA3", 5) == 0);
    assert_true(memcmp(out.data + out.size - 4, "\xCC\x81\xCC\x81", 4) == 0);
    q_buffer_release(&text);
    q_buffer_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_golden_strings_have_their_normal_forms),
        cmocka_unit_test(broken_bytes_are_kept_and_join_nothing),
        cmocka_unit_test(the_normal_prefix_is_normal_whatever_follows),
        cmocka_unit_test(a_text_in_blocks_has_the_form_of_the_whole),
        cmocka_unit_test(edits_lead_back_to_the_original),
        cmocka_unit_test(long_runs_of_marks_are_sorted_by_counting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
