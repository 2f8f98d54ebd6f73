/* The public functions against the ones they stand for, and with any arguments: random bytes, random options, ids of all kinds, no memory. */
#include "base/fs.h"
#include "base/log.h"
#include "tests/base/cmocka_all.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/library/quern_tokenizer.h"
#include "tokenizer/tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define GOLDEN QUERN_SOURCE "/tests/tokenizer/golden/"

static struct quern_tokenizer *tokenizer;
static struct quern_tokenizer_context *context;
static struct tokenizer *core;
static struct tokenizer_scratch *scratch;

#define assert_fine(expression)                                                                                        \
    do {                                                                                                               \
        if ((expression) != QUERN_TOKENIZER_OK)                                                                        \
            fail_msg("%s: %s", #expression, quern_tokenizer_error());                                                  \
    } while (0)

#define assert_refused(expression, wanted, part)                                                                       \
    do {                                                                                                               \
        assert_int_equal((expression), (wanted));                                                                      \
        assert_non_null(strstr(quern_tokenizer_error(), (part)));                                                      \
    } while (0)

static int load(void **state)
{
    (void)state;
    return quern_tokenizer_load(GOLDEN "tokenizer.json", &tokenizer) ||
           quern_tokenizer_context_create(tokenizer, 2, &context) || tokenizer_load(GOLDEN, &core) ||
           tokenizer_scratch_create(core, &scratch);
}

static int release(void **state)
{
    (void)state;
    quern_tokenizer_context_release(context);
    quern_tokenizer_release(tokenizer);
    tokenizer_scratch_release(scratch);
    tokenizer_release(core);
    return 0;
}

static void random_bytes(uint64_t *dice, struct q_buffer *text)
{
    if (dice_roll(dice) % 2) {
        random_text(dice, (unsigned)(dice_roll(dice) % 80), true, text);
        if (dice_roll(dice) % 2)
            assert_ok(q_buffer_append_string(text, Q_STRING("<｜User｜>grinds.\n\n<｜end▁of▁sentence｜>")));
        return;
    }
    q_buffer_clear(text);
    for (size_t i = dice_roll(dice) % 300; i > 0; i--)
        assert_ok(q_buffer_append_byte(text, (char)dice_roll(dice)));
}

/* Options of which some are bad, and whether they are. */
static bool random_options(uint64_t *dice, struct quern_tokenizer_options *out)
{
    static const double shares[] = {0, 0, 0.1, 1, 0.5, 1e-300, -1, 2, NAN, INFINITY};
    const size_t one = dice_roll(dice) % 100, other = dice_roll(dice) % 100;
    *out = (struct quern_tokenizer_options){
        .size = sizeof(*out),
        .parse_special = (int)(dice_roll(dice) % 3) - 1,
        .dropout = shares[one < 10 ? one : one % 6],
        .boundary_split = shares[other < 10 ? other : other % 6],
        .seed = dice_roll(dice),
        .document = dice_roll(dice) % 2 ? "a document" : NULL,
        .position = dice_roll(dice) % 3 ? dice_roll(dice) : 0,
    };
    out->document_size = out->document ? dice_roll(dice) % 10 : dice_roll(dice) % 40 == 0;
    return (one >= 6 && one < 10) || (other >= 6 && other < 10) || (!out->document && out->document_size);
}

static void any_bytes_and_options_encode_as_inside_and_come_back(void **state)
{
    struct q_buffer text = {0};
    struct tokenizer_ids wanted = {0};
    uint64_t dice = 31;
    size_t refused = 0;
    (void)state;
    for (int round = 0; round < 4000; round++) {
        struct quern_tokenizer_options options;
        struct quern_tokenizer_ids ids = {NULL, 77};
        struct quern_tokenizer_text back;
        const bool bad = random_options(&dice, &options);
        random_bytes(&dice, &text);
        const enum quern_tokenizer_status status =
            quern_tokenizer_encode(context, text.data, text.size, &options, &ids);
        assert_int_equal(status, bad ? QUERN_TOKENIZER_ERR_USAGE : QUERN_TOKENIZER_OK);
        if (bad) {
            assert_true(!ids.ids && ids.count == 77 && quern_tokenizer_error()[0]);
            refused++;
            continue;
        }
        const q_string document =
            options.document ? (q_string){options.document, options.document_size} : q_buffer_string(&text);
        const struct tokenizer_noise noise = {options.dropout, options.boundary_split, options.seed,
                                              q_hash_string(document), options.position};
        wanted.count = 0;
        assert_ok(tokenizer_encode_noisy(core, scratch, q_buffer_string(&text),
                                         options.parse_special ? TOKENIZER_SPECIAL_PARSE : TOKENIZER_SPECIAL_AS_TEXT,
                                         &noise, &wanted));
        assert_int_equal(ids.count, wanted.count);
        if (ids.count)
            assert_memory_equal(ids.ids, wanted.ids, ids.count * sizeof(*ids.ids));
        assert_fine(quern_tokenizer_decode(context, ids.ids, ids.count, 0, &back));
        assert_int_equal(back.size, text.size);
        assert_int_equal(back.bytes[back.size], 0);
        if (back.size)
            assert_memory_equal(back.bytes, text.data, back.size);
    }
    assert_true(refused > 100);
    q_buffer_release(&text);
    tokenizer_ids_release(&wanted);
}

/* Batches of all shapes, for one thread and for three, are their texts one by one. */
static void a_batch_is_its_texts(void **state)
{
    enum { TEXTS = 400, BIG = 1 << 19 };
    static const char *texts[TEXTS];
    static size_t sizes[TEXTS];
    struct quern_tokenizer_context *three;
    struct q_buffer all = {0}, text = {0};
    uint64_t dice = 12;
    (void)state;
    assert_fine(quern_tokenizer_context_create(tokenizer, 3, &three));
    for (size_t i = 0; i < TEXTS; i++) {
        random_bytes(&dice, &text);
        for (int times = i % 100 == 50 ? BIG / 100 : 1; times > 0; times--)
            assert_ok(q_buffer_append_string(&all, q_buffer_string(&text)));
        sizes[i] = all.size;
    }
    for (size_t i = TEXTS; i-- > 0;) {
        const size_t first = i ? sizes[i - 1] : 0;
        texts[i] = sizes[i] > first ? all.data + first : NULL;
        sizes[i] -= first;
    }
    for (size_t round = 0; round < 6; round++) {
        struct quern_tokenizer_options options = {
            .size = sizeof(options), .parse_special = round % 2, .dropout = 0.1 * (double)(round / 2), .seed = round};
        const size_t count = round == 5 ? 0 : round == 4 ? 1 : TEXTS;
        struct quern_tokenizer_batch batch;
        struct quern_tokenizer_ids ids;
        assert_fine(quern_tokenizer_encode_batch(round % 3 ? three : context, texts, sizes, count, &options, &batch));
        struct quern_tokenizer_context *mine = round % 3 ? context : three;
        assert_int_equal(batch.firsts[0], 0);
        for (size_t i = 0; i < count; i++) {
            assert_fine(quern_tokenizer_encode(mine, texts[i], sizes[i], &options, &ids));
            assert_int_equal(batch.firsts[i + 1] - batch.firsts[i], ids.count);
            if (ids.count)
                assert_memory_equal(batch.ids + batch.firsts[i], ids.ids, ids.count * sizeof(*ids.ids));
        }
    }
    quern_tokenizer_context_release(three);
    q_buffer_release(&all);
    q_buffer_release(&text);
}

static void tokens_are_found_by_id_and_by_bytes(void **state)
{
    size_t size;
    (void)state;
    assert_int_equal(quern_tokenizer_size(tokenizer), tokenizer_size(core));
    for (uint32_t id = 0; id < tokenizer_size(core); id++) {
        const char *bytes = quern_tokenizer_token(tokenizer, id, &size);
        assert_true(q_string_equal((q_string){bytes, size}, tokenizer_bytes(core, id)));
        assert_int_equal(quern_tokenizer_find(tokenizer, bytes, size), id);
        assert_int_equal(quern_tokenizer_is_special(tokenizer, id), tokenizer_is_special(core, id));
    }
    assert_null(quern_tokenizer_token(tokenizer, tokenizer_size(core), &size));
    assert_int_equal(size, 0);
    assert_null(quern_tokenizer_token(tokenizer, QUERN_TOKENIZER_NO_ID, &size));
    assert_int_equal(quern_tokenizer_find(tokenizer, "no token is this", 16), QUERN_TOKENIZER_NO_ID);
    assert_int_equal(quern_tokenizer_find(tokenizer, "", 0), QUERN_TOKENIZER_NO_ID);
    assert_int_equal(quern_tokenizer_find(tokenizer, NULL, 0), QUERN_TOKENIZER_NO_ID);
    for (int i = 0; i < TOKENIZER_SPECIAL_COUNT; i++)
        assert_int_equal(quern_tokenizer_special_id(tokenizer, (enum quern_tokenizer_special)i),
                         tokenizer_special_id(core, (enum tokenizer_special)i));
    assert_int_equal(quern_tokenizer_special_id(tokenizer, (enum quern_tokenizer_special)TOKENIZER_SPECIAL_COUNT),
                     QUERN_TOKENIZER_NO_ID);
    assert_int_equal(quern_tokenizer_special_id(tokenizer, (enum quern_tokenizer_special) - 1), QUERN_TOKENIZER_NO_ID);
}

static void ids_decode_with_and_without_special_ones(void **state)
{
    struct quern_tokenizer_ids ids;
    struct quern_tokenizer_text text = {NULL, 5};
    const struct quern_tokenizer_options options = {.size = sizeof(options), .parse_special = 1};
    uint32_t unknown[] = {20, tokenizer_size(core)};
    uint64_t dice = 4;
    (void)state;
    static const char marked[] = "<｜User｜>a<｜User｜><｜User｜>b";
    assert_fine(quern_tokenizer_encode(context, marked, sizeof(marked) - 1, &options, &ids));
    assert_fine(quern_tokenizer_decode(context, ids.ids, ids.count, 1, &text));
    assert_string_equal(text.bytes, "ab");
    for (int skip = 0; skip < 2; skip++) {
        text = (struct quern_tokenizer_text){NULL, 5};
        assert_refused(quern_tokenizer_decode(context, unknown, 2, skip, &text), QUERN_TOKENIZER_ERR_INPUT, "1200");
        assert_true(!text.bytes && text.size == 5);
        assert_fine(quern_tokenizer_decode(context, NULL, 0, skip, &text));
        assert_string_equal(text.bytes, "");
    }
    for (int round = 0; round < 1000; round++) { /* any ids: unknown ones are found, wherever they stand */
        uint32_t some[40];
        size_t count = dice_roll(&dice) % 40;
        bool bad = false;
        for (size_t i = 0; i < count; i++) {
            some[i] = (uint32_t)(dice_roll(&dice) % (dice_roll(&dice) % 100 ? 1200 : UINT32_MAX));
            bad |= some[i] >= 1200;
        }
        assert_int_equal(quern_tokenizer_decode(context, some, count, round % 2, &text),
                         bad ? QUERN_TOKENIZER_ERR_INPUT : QUERN_TOKENIZER_OK);
    }
}

static void a_vocabulary_is_loaded_from_memory(void **state)
{
    struct quern_tokenizer *other = NULL;
    struct q_buffer file = {0};
    (void)state;
    assert_ok(q_fs_read_file(GOLDEN "tokenizer.json", 1 << 24, &file));
    assert_fine(quern_tokenizer_load_memory(file.data, file.size, &other));
    assert_int_equal(quern_tokenizer_size(other), quern_tokenizer_size(tokenizer));
    quern_tokenizer_release(other);
    other = NULL;
    for (size_t cut = 0; cut < file.size; cut += 1 + file.size / 50)
        assert_int_equal(quern_tokenizer_load_memory(file.data, cut, &other), QUERN_TOKENIZER_ERR_INPUT);
    assert_refused(quern_tokenizer_load_memory("[1]", 3, &other), QUERN_TOKENIZER_ERR_INPUT, "the bytes given");
    assert_refused(quern_tokenizer_load("/no/such/file", &other), QUERN_TOKENIZER_ERR_INPUT, "/no/such/file");
    assert_null(other);
    q_buffer_release(&file);
}

static void arguments_out_of_range_are_refused(void **state)
{
    const char *texts[] = {"a", NULL};
    const size_t sizes[] = {1, 1};
    struct quern_tokenizer *other;
    struct quern_tokenizer_context *mine;
    struct quern_tokenizer_ids ids;
    struct quern_tokenizer_batch batch;
    struct quern_tokenizer_text text;
    struct {
        struct quern_tokenizer_options options;
        char later[8]; /* what a later version may have there */
    } newer = {.options = {.size = sizeof(newer)}};
    struct quern_tokenizer_options older = {.size = 4},
                                   named = {.size = sizeof(named), .document = "d", .document_size = 1};
    const enum quern_tokenizer_status usage = QUERN_TOKENIZER_ERR_USAGE;
    (void)state;
    assert_refused(quern_tokenizer_load(NULL, &other), usage, "NULL");
    assert_refused(quern_tokenizer_load("x", NULL), usage, "NULL");
    assert_refused(quern_tokenizer_load_memory(NULL, 1, &other), usage, "NULL");
    assert_refused(quern_tokenizer_context_create(NULL, 1, &mine), usage, "NULL");
    assert_refused(quern_tokenizer_context_create(tokenizer, 0, &mine), usage, "1 to 1024");
    assert_refused(quern_tokenizer_context_create(tokenizer, 1025, &mine), usage, "1 to 1024");
    assert_refused(quern_tokenizer_encode(NULL, "a", 1, NULL, &ids), usage, "NULL");
    assert_refused(quern_tokenizer_encode(context, NULL, 1, NULL, &ids), usage, "NULL");
    assert_refused(quern_tokenizer_encode(context, "a", 1, NULL, NULL), usage, "NULL");
    assert_refused(quern_tokenizer_encode(context, "a", 1, &older, &ids), usage,
                   "is 4; set it to sizeof(struct quern_tokenizer_options)");
    assert_fine(quern_tokenizer_encode(context, "a", 1, &newer.options, &ids));
    newer.later[7] = 1;
    assert_refused(quern_tokenizer_encode(context, "a", 1, &newer.options, &ids), usage, "does not know");
    assert_refused(quern_tokenizer_encode_batch(context, NULL, sizes, 1, NULL, &batch), usage, "NULL");
    assert_refused(quern_tokenizer_encode_batch(context, texts, sizes, 2, NULL, &batch), usage, "text 1");
    assert_refused(quern_tokenizer_encode_batch(context, texts, sizes, 1, &named, &batch), usage, "many");
    assert_refused(quern_tokenizer_decode(context, NULL, 1, 0, &text), usage, "NULL");
    assert_fine(quern_tokenizer_encode(context, NULL, 0, NULL, &ids));
    assert_int_equal(ids.count, 0);
    quern_tokenizer_release(NULL);
    quern_tokenizer_context_release(NULL);
}

/* The golden vocabulary, from the text it is made of, at once and in parts, and from pieces with counts. */
static void a_vocabulary_is_trained(void **state)
{
    struct quern_tokenizer_trainer *trainer;
    struct quern_tokenizer_training training = {.size = sizeof(training),
                                                .vocab_size = 1200,
                                                .special = tokenizer_special_texts,
                                                .special_count = tokenizer_special_texts_count};
    struct quern_tokenizer_text json;
    struct quern_tokenizer *trained;
    struct q_buffer words = {0}, wanted = {0};
    (void)state;
    q_log_set_level(Q_LOG_ERROR);
    assert_ok(q_fs_read_file(GOLDEN "words.txt", 1 << 24, &words));
    assert_ok(q_fs_read_file(GOLDEN "tokenizer.json", 1 << 24, &wanted));
    assert_fine(quern_tokenizer_trainer_create(NULL, &trainer));
    for (int turn = 0; turn < 2; turn++) { /* again: the counts of before are used up */
        training.threads = turn ? 2 : 0;
        assert_fine(quern_tokenizer_trainer_add_text(trainer, words.data, words.size));
        assert_fine(quern_tokenizer_trainer_train(trainer, &training, &json));
        assert_int_equal(json.size, wanted.size);
        assert_memory_equal(json.bytes, wanted.data, wanted.size);
    }
    training = (struct quern_tokenizer_training){.size = sizeof(training), .vocab_size = 258};
    assert_fine(quern_tokenizer_trainer_add_piece(trainer, "abab", 4, 1ull << 40));
    assert_fine(quern_tokenizer_trainer_add_piece(trainer, "cd", 2, 3));
    assert_fine(quern_tokenizer_trainer_train(trainer, &training, &json));
    assert_fine(quern_tokenizer_load_memory(json.bytes, json.size, &trained));
    assert_int_equal(quern_tokenizer_find(trained, "ab", 2), 256);
    assert_int_equal(quern_tokenizer_find(trained, "abab", 4), 257);
    assert_int_equal(quern_tokenizer_size(trained), 258);
    quern_tokenizer_release(trained);
    quern_tokenizer_trainer_release(trainer);
    q_buffer_release(&words);
    q_buffer_release(&wanted);
}

static void training_out_of_range_is_refused(void **state)
{
    const char *const special[] = {"<a>", NULL};
    struct quern_tokenizer_trainer *trainer, *none = NULL;
    struct quern_tokenizer_training training = {.size = 3};
    struct quern_tokenizer_text json = {NULL, 9};
    const enum quern_tokenizer_status usage = QUERN_TOKENIZER_ERR_USAGE;
    (void)state;
    assert_refused(quern_tokenizer_trainer_create("no such", &none), usage, "no such");
    assert_refused(quern_tokenizer_trainer_create(NULL, NULL), usage, "NULL");
    assert_fine(quern_tokenizer_trainer_create("deepseek-v3", &trainer));
    assert_refused(quern_tokenizer_trainer_add_text(trainer, NULL, 1), usage, "NULL");
    assert_refused(quern_tokenizer_trainer_add_piece(trainer, "a", 0, 1), usage, "empty");
    assert_refused(quern_tokenizer_trainer_add_piece(trainer, "a", 1, 0), usage, "no count");
    assert_refused(quern_tokenizer_trainer_train(trainer, NULL, &json), usage, "NULL");
    assert_refused(quern_tokenizer_trainer_train(trainer, &training, &json), usage, "is 3; set it");
    training.size = sizeof(training);
    assert_int_equal(quern_tokenizer_trainer_train(trainer, &training, &json), usage); /* no room for the bytes */
    training.vocab_size = 300;
    training.special_count = 1;
    assert_refused(quern_tokenizer_trainer_train(trainer, &training, &json), usage, "NULL");
    training.special = special;
    training.special_count = 2;
    assert_refused(quern_tokenizer_trainer_train(trainer, &training, &json), usage, "token 1 is NULL");
    training.special_count = 1;
    training.threads = 5000;
    assert_refused(quern_tokenizer_trainer_train(trainer, &training, &json), usage, "threads");
    assert_true(!json.bytes && json.size == 9);
    quern_tokenizer_trainer_release(trainer);
    quern_tokenizer_trainer_release(NULL);
}

static void spans_are_where_ids_came_from(void **state)
{
    struct quern_tokenizer_options options = {.size = sizeof(options)};
    struct quern_tokenizer_ids plain, ids;
    const struct quern_tokenizer_span *spans;
    struct tokenizer_ids copy = {0};
    struct q_buffer text = {0};
    uint64_t dice = 9;
    (void)state;
    for (int round = 0; round < 500; round++) {
        options.parse_special = round % 2;
        random_bytes(&dice, &text);
        assert_fine(quern_tokenizer_encode(context, text.data, text.size, &options, &plain));
        assert_ok(q_grow(&copy.ids, &copy.capacity, plain.count + 1, sizeof(*copy.ids)));
        for (copy.count = 0; copy.count < plain.count; copy.count++)
            copy.ids[copy.count] = plain.ids[copy.count];
        assert_fine(quern_tokenizer_encode_spans(context, text.data, text.size, &options, &ids, &spans));
        assert_int_equal(ids.count, copy.count);
        size_t at = 0;
        for (size_t i = 0; i < ids.count; i++) {
            size_t size;
            const char *token = quern_tokenizer_token(tokenizer, ids.ids[i], &size);
            assert_int_equal(ids.ids[i], copy.ids[i]);
            assert_int_equal(spans[i].start, at);
            at = spans[i].end;
            assert_true(
                q_string_equal((q_string){token, size}, q_string_slice(q_buffer_string(&text), spans[i].start, at)));
        }
        assert_int_equal(at, text.size);
    }
    options.dropout = 0.1;
    assert_refused(quern_tokenizer_encode_spans(context, "a", 1, &options, &ids, &spans), QUERN_TOKENIZER_ERR_USAGE,
                   "no spans");
    assert_refused(quern_tokenizer_encode_spans(context, "a", 1, NULL, &ids, NULL), QUERN_TOKENIZER_ERR_USAGE, "NULL");
    q_buffer_release(&text);
    tokenizer_ids_release(&copy);
}

/* Texts and ids in parts of any size are those that come as a whole. */
static void streams_give_what_the_whole_gives(void **state)
{
    struct quern_tokenizer_stream *stream;
    struct quern_tokenizer_decoder *decoder;
    struct quern_tokenizer_ids whole, part;
    struct quern_tokenizer_text piece;
    struct tokenizer_ids ids = {0};
    struct q_buffer text = {0}, back = {0};
    uint64_t dice = 3;
    (void)state;
    for (int round = 0; round < 400; round++) {
        const struct quern_tokenizer_options options = {.size = sizeof(options), .parse_special = round % 2};
        random_bytes(&dice, &text);
        assert_fine(quern_tokenizer_encode(context, text.data, text.size, &options, &whole));
        assert_fine(quern_tokenizer_stream_create(tokenizer, round % 2, &stream));
        for (int turn = 0; turn < 2; turn++) { /* a stream serves text after text */
            ids.count = 0;
            for (size_t at = 0, end; at <= text.size; at = end) {
                const bool last = at == text.size;
                end = last ? at + 1 : at + 1 + dice_roll(&dice) % 20;
                end = !last && end > text.size ? text.size : end;
                assert_fine(last ? quern_tokenizer_stream_finish(stream, &part)
                                 : quern_tokenizer_stream_feed(stream, text.data + at, end - at, &part));
                assert_ok(q_grow(&ids.ids, &ids.capacity, ids.count + part.count, sizeof(*ids.ids)));
                for (size_t i = 0; i < part.count; i++)
                    ids.ids[ids.count++] = part.ids[i];
            }
            assert_int_equal(ids.count, whole.count);
            if (ids.count)
                assert_memory_equal(ids.ids, whole.ids, ids.count * sizeof(*ids.ids));
        }
        quern_tokenizer_stream_release(stream);
        assert_fine(
            quern_tokenizer_decoder_create(tokenizer, (enum quern_tokenizer_characters)(round / 2 % 2), &decoder));
        q_buffer_clear(&back);
        for (size_t at = 0; at <= ids.count; at++) {
            assert_fine(at < ids.count ? quern_tokenizer_decoder_feed(decoder, ids.ids + at, 1, &piece)
                                       : quern_tokenizer_decoder_finish(decoder, &piece));
            assert_int_equal(piece.bytes[piece.size], 0);
            assert_ok(q_buffer_append(&back, piece.bytes, piece.size));
        }
        assert_true(q_string_equal(q_buffer_string(&back), q_buffer_string(&text)));
        quern_tokenizer_decoder_release(decoder);
    }
    q_buffer_release(&text);
    q_buffer_release(&back);
    tokenizer_ids_release(&ids);
}

static void decoders_wait_for_whole_characters(void **state)
{
    struct quern_tokenizer_decoder *decoder, *none = NULL;
    struct quern_tokenizer_stream *stream;
    struct quern_tokenizer_text text;
    struct quern_tokenizer_ids ids;
    const uint32_t euro[] = {quern_tokenizer_find(tokenizer, "\xe2", 1), quern_tokenizer_find(tokenizer, "\x82", 1),
                             quern_tokenizer_find(tokenizer, "\xac", 1), quern_tokenizer_size(tokenizer)};
    const enum quern_tokenizer_status usage = QUERN_TOKENIZER_ERR_USAGE;
    (void)state;
    assert_fine(quern_tokenizer_decoder_create(tokenizer, QUERN_TOKENIZER_REPLACED_CHARACTERS, &decoder));
    assert_fine(quern_tokenizer_decoder_feed(decoder, euro, 2, &text));
    assert_string_equal(text.bytes, "");
    assert_refused(quern_tokenizer_decoder_feed(decoder, euro + 2, 2, &text), QUERN_TOKENIZER_ERR_INPUT, "1200");
    assert_fine(quern_tokenizer_decoder_feed(decoder, euro + 2, 1, &text));
    assert_string_equal(text.bytes, "€");
    assert_fine(quern_tokenizer_decoder_feed(decoder, euro, 1, &text));
    assert_fine(quern_tokenizer_decoder_finish(decoder, &text));
    assert_string_equal(text.bytes, "\xef\xbf\xbd");
    assert_refused(quern_tokenizer_decoder_feed(decoder, NULL, 1, &text), usage, "NULL");
    assert_refused(quern_tokenizer_decoder_finish(NULL, &text), usage, "NULL");
    quern_tokenizer_decoder_release(decoder);
    assert_refused(quern_tokenizer_decoder_create(tokenizer, (enum quern_tokenizer_characters)3, &none), usage,
                   "3 is no");
    assert_refused(quern_tokenizer_decoder_create(NULL, QUERN_TOKENIZER_BYTES, &none), usage, "NULL");
    assert_refused(quern_tokenizer_stream_create(NULL, 0, &stream), usage, "NULL");
    assert_fine(quern_tokenizer_stream_create(tokenizer, 0, &stream));
    assert_refused(quern_tokenizer_stream_feed(stream, NULL, 1, &ids), usage, "NULL");
    assert_refused(quern_tokenizer_stream_finish(stream, NULL), usage, "NULL");
    quern_tokenizer_stream_release(stream);
    quern_tokenizer_stream_release(NULL);
    quern_tokenizer_decoder_release(NULL);
}

/* What programs linked with libquern_tokenizer.so.0 have built in; on machines with 64-bit pointers. A change here is a new soname. */
static void the_structures_are_those_of_soname_0(void **state)
{
    (void)state;
    if (sizeof(void *) != 8)
        skip();
    assert_true(sizeof(struct quern_tokenizer_options) >= 64); /* it may grow, and begins so: */
    assert_int_equal(offsetof(struct quern_tokenizer_options, parse_special), 8);
    assert_int_equal(offsetof(struct quern_tokenizer_options, dropout), 16);
    assert_int_equal(offsetof(struct quern_tokenizer_options, boundary_split), 24);
    assert_int_equal(offsetof(struct quern_tokenizer_options, seed), 32);
    assert_int_equal(offsetof(struct quern_tokenizer_options, document), 40);
    assert_int_equal(offsetof(struct quern_tokenizer_options, document_size), 48);
    assert_int_equal(offsetof(struct quern_tokenizer_options, position), 56);
    assert_true(sizeof(struct quern_tokenizer_training) >= 56);
    assert_int_equal(offsetof(struct quern_tokenizer_training, vocab_size), 8);
    assert_int_equal(offsetof(struct quern_tokenizer_training, min_frequency), 16);
    assert_int_equal(offsetof(struct quern_tokenizer_training, max_token_length), 24);
    assert_int_equal(offsetof(struct quern_tokenizer_training, special), 32);
    assert_int_equal(offsetof(struct quern_tokenizer_training, special_count), 40);
    assert_int_equal(offsetof(struct quern_tokenizer_training, threads), 48);
    assert_int_equal(sizeof(struct quern_tokenizer_ids), 16);
    assert_int_equal(sizeof(struct quern_tokenizer_span), 16);
    assert_int_equal(sizeof(struct quern_tokenizer_batch), 16);
    assert_int_equal(sizeof(struct quern_tokenizer_text), 16);
    assert_int_equal(QUERN_TOKENIZER_FIM_END, 5);
    assert_int_equal(QUERN_TOKENIZER_ERR_MEMORY, 4);
}

static void the_versions_agree(void **state)
{
    char version[32];
    (void)state;
    (void)snprintf(version, sizeof(version), "%d.%d.%d", QUERN_TOKENIZER_VERSION_MAJOR, QUERN_TOKENIZER_VERSION_MINOR,
                   QUERN_TOKENIZER_VERSION_PATCH);
    assert_string_equal(quern_tokenizer_version(), version);
}

/* Everything once, with the k-th allocation failing: an error, nothing leaked, and the objects good for another try. */
static enum quern_tokenizer_status use_everything(struct quern_tokenizer *with)
{
    static const char *const texts[] = {"The mill.\n\n", "grinds", "", "\xff"};
    static const size_t sizes[] = {11, 6, 0, 1};
    struct quern_tokenizer_options options = {.size = sizeof(options), .dropout = 0.2, .boundary_split = 1};
    struct quern_tokenizer_context *own = NULL;
    struct quern_tokenizer_ids ids;
    struct quern_tokenizer_batch batch;
    struct quern_tokenizer_text text;
    enum quern_tokenizer_status status = quern_tokenizer_context_create(with, 2, &own);
    if (!status)
        status = quern_tokenizer_encode(own, texts[0], sizes[0], &options, &ids);
    if (!status)
        status = quern_tokenizer_decode(own, ids.ids, ids.count, 0, &text);
    if (!status)
        status = quern_tokenizer_encode_batch(own, texts, sizes, 4, NULL, &batch);
    if (own && status) { /* again, with what the failure left */
        q_memory_fail_at(0, 0);
        assert_fine(quern_tokenizer_encode_batch(own, texts, sizes, 4, &options, &batch));
    }
    quern_tokenizer_context_release(own);
    return status;
}

static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) {
        q_memory_fail_at(k, 0);
        const enum quern_tokenizer_status status = use_everything(tokenizer);
        const uint64_t calls = q_memory_fail_at(0, 0);
        if (!status) {
            assert_true(calls < k);
            break;
        }
        assert_int_equal(status, QUERN_TOKENIZER_ERR_MEMORY);
    }
    for (uint64_t k = 1;; k += 1 + k / 4) {
        struct quern_tokenizer *own = NULL;
        q_memory_fail_at(k, 0);
        const enum quern_tokenizer_status status = quern_tokenizer_load(GOLDEN, &own);
        const uint64_t calls = q_memory_fail_at(0, 0);
        quern_tokenizer_release(own);
        if (!status) {
            assert_true(calls < k);
            break;
        }
        assert_int_equal(status, QUERN_TOKENIZER_ERR_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_and_options_encode_as_inside_and_come_back),
        cmocka_unit_test(a_batch_is_its_texts),
        cmocka_unit_test(tokens_are_found_by_id_and_by_bytes),
        cmocka_unit_test(ids_decode_with_and_without_special_ones),
        cmocka_unit_test(a_vocabulary_is_loaded_from_memory),
        cmocka_unit_test(arguments_out_of_range_are_refused),
        cmocka_unit_test(spans_are_where_ids_came_from),
        cmocka_unit_test(streams_give_what_the_whole_gives),
        cmocka_unit_test(decoders_wait_for_whole_characters),
        cmocka_unit_test(a_vocabulary_is_trained),
        cmocka_unit_test(training_out_of_range_is_refused),
        cmocka_unit_test(the_structures_are_those_of_soname_0),
        cmocka_unit_test(the_versions_agree),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, load, release);
}
