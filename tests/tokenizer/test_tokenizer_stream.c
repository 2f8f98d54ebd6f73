/* Streams give what the whole gives, however the text is parted; and hold little. */
#include "base/check.h"
#include "base/json.h"
#include "tests/base/cmocka_all.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/encode/bpe_index.h"
#include "tokenizer/encode/tokenizer_stream.h"

#include <string.h>

#define GOLDEN QUERN_SOURCE "/tests/tokenizer/golden/"

static struct tokenizer *tokenizer;
static struct tokenizer_scratch *scratch;

static int load(void **state)
{
    (void)state;
    return tokenizer_load(GOLDEN "tokenizer.json", &tokenizer) || tokenizer_scratch_create(tokenizer, &scratch);
}

static int release(void **state)
{
    (void)state;
    tokenizer_scratch_release(scratch);
    tokenizer_release(tokenizer);
    return 0;
}

/* Parts of 1 to `part` bytes. Returns the most that was held. */
static size_t check_stream(const struct tokenizer *t, struct tokenizer_scratch *s, enum tokenizer_special_mode mode,
                           q_string text, size_t part, uint64_t *dice)
{
    struct tokenizer_stream *stream;
    struct tokenizer_ids wanted = {0}, got = {0};
    size_t most = 0;
    assert_ok(tokenizer_encode(t, s, text, mode, &wanted));
    assert_ok(tokenizer_stream_create(t, mode, &stream));
    for (int turn = 0; turn < 2; turn++) { /* the second text of a stream is like the first */
        got.count = 0;
        for (size_t at = 0, end; at < text.size; at = end) {
            size_t wanted_end = at + 1 + dice_roll(dice) % part;
            end = Q_MIN(text.size, wanted_end);
            assert_ok(tokenizer_stream_feed(stream, q_string_slice(text, at, end), &got));
            most = Q_MAX(most, tokenizer_stream_held(stream));
        }
        assert_ok(tokenizer_stream_finish(stream, &got));
        assert_int_equal(tokenizer_stream_held(stream), 0);
        assert_int_equal(got.count, wanted.count);
        assert_true(got.count == 0 || memcmp(got.ids, wanted.ids, got.count * sizeof(*got.ids)) == 0);
    }
    tokenizer_stream_release(stream);
    tokenizer_ids_release(&wanted);
    tokenizer_ids_release(&got);
    return most;
}

/* A text with added tokens, whole and broken, among random characters. */
static void roll_text(const struct tokenizer *t, uint64_t *dice, size_t parts, struct q_buffer *out)
{
    struct q_buffer some = {0};
    q_buffer_clear(out);
    for (size_t i = 0; i < parts; i++) {
        const struct vocabulary *v = &t->vocabulary;
        q_string added = v->added[dice_roll(dice) % v->added_count].text;
        random_text(dice, 40, true, &some);
        assert_ok(q_buffer_append_string(out, q_buffer_string(&some)));
        if (dice_roll(dice) % 3 == 0)
            assert_ok(q_buffer_append_string(out, q_string_slice(added, 0, 1 + dice_roll(dice) % added.size)));
        if (dice_roll(dice) % 2)
            assert_ok(q_buffer_append_string(out, added));
        if (dice_roll(dice) % 4 == 0)
            assert_ok(q_buffer_append(out, "  \n ", 1 + dice_roll(dice) % 4));
        if (dice_roll(dice) % 4 == 0)
            assert_ok(q_buffer_append(out, "e\xCC\x81\xCC\xA3", 5));
    }
    q_buffer_release(&some);
}

static void check_random_texts(const struct tokenizer *t, struct tokenizer_scratch *s, uint64_t dice)
{
    static const size_t parts[] = {1, 70, 300, 5000, 100000};
    struct q_buffer text = {0};
    for (int round = 0; round < 40; round++) {
        roll_text(t, &dice, dice_roll(&dice) % 200, &text);
        check_stream(t, s, round % 3 ? TOKENIZER_SPECIAL_PARSE : TOKENIZER_SPECIAL_AS_TEXT, q_buffer_string(&text),
                     parts[round % 5], &dice);
    }
    q_buffer_release(&text);
}

static void random_texts(void **state)
{
    (void)state;
    check_random_texts(tokenizer, scratch, 11);
}

/* The same with all that a tokenizer.json may ask for. */
static void random_texts_with_normal_forms_and_flags(void **state)
{
    (void)state;
    for (unsigned flags = 1; flags < 32; flags += 3) {
        struct vocabulary vocabulary = {0};
        struct tokenizer *t;
        struct tokenizer_scratch *s;
        assert_ok(vocabulary_read(GOLDEN "tokenizer.json", &vocabulary));
        vocabulary.normalization = flags & 1 ? NORMALIZATION_NFC : NORMALIZATION_NONE;
        vocabulary.prefix_space = flags & 2;
        for (size_t i = 0; i < vocabulary.added_count; i++) {
            struct vocabulary_added *added = &vocabulary.added[i];
            added->lstrip = flags & 4 && i % 3 == 0;
            added->rstrip = flags & 4 && i % 3 == 1;
            added->single_word = flags & 8 && i % 2 == 0;
            added->normalized = flags & 16 && i % 4 == 0;
        }
        assert_ok(tokenizer_create(&vocabulary, &t));
        assert_ok(tokenizer_scratch_create(t, &s));
        check_random_texts(t, s, 100 + flags);
        tokenizer_scratch_release(s);
        tokenizer_release(t);
    }
}

/* Each id's span holds its bytes; with a normal form and flags they at least rise, and end where the text does. */
static void check_spans(const struct tokenizer *t, struct tokenizer_scratch *s, q_string text, bool exact)
{
    struct tokenizer_ids ids = {0}, wanted = {0};
    struct tokenizer_spans spans = {0};
    assert_ok(tokenizer_encode(t, s, text, TOKENIZER_SPECIAL_PARSE, &wanted));
    assert_ok(tokenizer_encode_spans(t, s, text, TOKENIZER_SPECIAL_PARSE, &ids, &spans));
    assert_int_equal(ids.count, wanted.count);
    assert_int_equal(spans.count, ids.count);
    size_t at = 0;
    for (size_t i = 0; i < spans.count; i++) {
        struct tokenizer_span span = spans.items[i];
        assert_int_equal(ids.ids[i], wanted.ids[i]);
        assert_true(span.start <= span.end && span.end <= text.size && span.end >= at);
        if (exact) {
            assert_int_equal(span.start, at);
            assert_true(q_string_equal(q_string_slice(text, span.start, span.end), tokenizer_bytes(t, ids.ids[i])));
        }
        at = span.end;
    }
    assert_int_equal(at, text.size);
    tokenizer_spans_release(&spans);
    tokenizer_ids_release(&ids);
    tokenizer_ids_release(&wanted);
}

static void spans_are_of_the_text_as_it_came(void **state)
{
    struct vocabulary vocabulary = {0};
    struct tokenizer *t;
    struct tokenizer_scratch *s;
    struct q_buffer text = {0};
    struct tokenizer_ids ids = {0};
    struct tokenizer_spans spans = {0};
    uint64_t dice = 31;
    (void)state;
    assert_ok(vocabulary_read(GOLDEN "tokenizer.json", &vocabulary));
    vocabulary.normalization = NORMALIZATION_NFC;
    vocabulary.prefix_space = true;
    assert_ok(tokenizer_create(&vocabulary, &t));
    assert_ok(tokenizer_scratch_create(t, &s));
    for (int round = 0; round < 60; round++) {
        roll_text(t, &dice, 1 + dice_roll(&dice) % 30, &text);
        check_spans(tokenizer, scratch, q_buffer_string(&text), true);
        check_spans(t, s, q_buffer_string(&text), false);
    }
    /* "e" and two marks become one character of three bytes and one of two; a space is put before it all. */
    assert_ok(
        tokenizer_encode_spans(t, s, q_string_of("12e\xCC\x81\xCC\xA3 3"), TOKENIZER_SPECIAL_AS_TEXT, &ids, &spans));
    assert_int_equal(spans.items[0].start, 0);
    assert_int_equal(spans.items[spans.count - 1].start, 8);
    assert_int_equal(spans.items[spans.count - 1].end, 9);
    bool met = false;
    for (size_t i = 0; i < spans.count; i++)
        met |= spans.items[i].start == 2 && spans.items[i].end == 7;
    assert_true(met);
    q_buffer_release(&text);
    tokenizer_ids_release(&ids);
    tokenizer_spans_release(&spans);
    tokenizer_scratch_release(s);
    tokenizer_release(t);
}

static void fill(struct q_buffer *text, size_t size, const char *characters, size_t count, uint64_t *dice)
{
    q_buffer_clear(text);
    assert_ok(q_buffer_reserve(text, size + 8));
    while (text->size < size) {
        size_t width = (uint8_t)characters[0] >= 0xE0 ? 3 : 1, which = dice_roll(dice) % count;
        assert_ok(q_buffer_append(text, characters + width * which, width));
    }
}

/* Pieces of two megabytes: what is held does not grow with them. */
static void endless_pieces(void **state)
{
    enum { SIZE = 3 << 19, HELD = 3 << 18 };
    static const struct {
        const char *characters;
        size_t count;
    } kinds[] = {{"e", 1}, {"ab", 2}, {"etaoinshr", 9}, {" ", 1}, {"-", 1}, {"!?", 2}, {"\xE4\xB8\xAD\xE5\x9B\xBD", 2}};
    struct q_buffer text = {0};
    uint64_t dice = 5;
    (void)state;
    for (size_t i = 0; i < Q_COUNT_OF(kinds); i++) {
        fill(&text, SIZE, kinds[i].characters, kinds[i].count, &dice);
        assert_ok(q_buffer_append(&text, "!abc 12", 7));
        assert_in_range(
            check_stream(tokenizer, scratch, TOKENIZER_SPECIAL_PARSE, q_buffer_string(&text), 1 << 17, &dice), 1, HELD);
    }
    char *fibonacci = text.data; /* a, ab, aba, abaab, ... */
    size_t size = 2, before = 1;
    memcpy(fibonacci, "ab", 2);
    while (size + before <= SIZE) {
        memcpy(fibonacci + size, fibonacci, before); /* each begins with the one before */
        size += before;
        before = size - before;
    }
    text.size = size;
    assert_in_range(check_stream(tokenizer, scratch, TOKENIZER_SPECIAL_AS_TEXT, q_buffer_string(&text), 1 << 17, &dice),
                    1, HELD);
    q_buffer_release(&text);
}

static void decode_in_parts(const struct tokenizer_ids *ids, enum tokenizer_characters characters, uint64_t *dice,
                            struct q_buffer *out)
{
    struct tokenizer_decoding decoding = {.tokenizer = tokenizer, .characters = characters};
    q_buffer_clear(out);
    for (size_t at = 0, end; at < ids->count; at = end) {
        size_t wanted = at + 1 + dice_roll(dice) % 3;
        end = Q_MIN(ids->count, wanted);
        assert_ok(tokenizer_decoding_feed(&decoding, ids->ids + at, end - at, out));
        if (characters == TOKENIZER_REPLACED_CHARACTERS)
            assert_true(q_utf8_valid(q_buffer_string(out)));
    }
    assert_ok(tokenizer_decoding_finish(&decoding, out));
}

static void decoding_in_parts(void **state)
{
    struct q_buffer text = {0}, out = {0}, repaired = {0};
    struct tokenizer_ids ids = {0};
    uint64_t dice = 8;
    (void)state;
    for (int round = 0; round < 500; round++) {
        random_text(&dice, 60, true, &text);
        ids.count = 0;
        assert_ok(tokenizer_encode(tokenizer, scratch, q_buffer_string(&text), TOKENIZER_SPECIAL_AS_TEXT, &ids));
        for (int characters = TOKENIZER_BYTES; characters <= TOKENIZER_WHOLE_CHARACTERS; characters++) {
            decode_in_parts(&ids, (enum tokenizer_characters)characters, &dice, &out);
            assert_true(q_string_equal(q_buffer_string(&out), q_buffer_string(&text)));
        }
        q_buffer_clear(&repaired);
        assert_ok(q_utf8_repair(q_buffer_string(&text), &repaired, NULL));
        decode_in_parts(&ids, TOKENIZER_REPLACED_CHARACTERS, &dice, &out);
        assert_true(q_string_equal(q_buffer_string(&out), q_buffer_string(&repaired)));
    }
    struct tokenizer_decoding decoding = {.tokenizer = tokenizer};
    uint32_t wrong[] = {300, UINT32_MAX};
    q_buffer_clear(&out);
    assert_int_equal(tokenizer_decoding_feed(&decoding, wrong, 2, &out), Q_ERR_INPUT);
    assert_int_equal(out.size, 0);
    q_buffer_release(&text);
    q_buffer_release(&out);
    q_buffer_release(&repaired);
    tokenizer_ids_release(&ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_texts),
        cmocka_unit_test(random_texts_with_normal_forms_and_flags),
        cmocka_unit_test(spans_are_of_the_text_as_it_came),
        cmocka_unit_test(endless_pieces),
        cmocka_unit_test(decoding_in_parts),
    };
    return cmocka_run_group_tests(tests, load, release);
}
