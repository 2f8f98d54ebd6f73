#include "tokenizer/count/count_pairs.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/document.h"
#include "base/json.h"
#include "base/progress.h"

#include <inttypes.h>

enum { BATCH_BYTES = 1 << 18 };

/* The count as occurrences: exact, since 1/1024 has ten decimal places. */
static q_status put_count(uint64_t count, uint32_t scale, struct q_buffer *out)
{
    const uint64_t whole = count / scale;
    uint64_t fraction = count % scale * (10000000000ull / COUNT_SCALE);
    unsigned digits = 10;
    if (fraction == 0)
        return q_buffer_printf(out, "%" PRIu64, whole);
    for (; fraction % 10 == 0; fraction /= 10)
        digits--;
    return q_buffer_printf(out, "%" PRIu64 ".%0*" PRIu64, whole, (int)digits, fraction);
}

static q_status put_hex(q_string bytes, struct q_buffer *out)
{
    static const char digits[] = "0123456789abcdef";
    Q_TRY(q_buffer_reserve(out, 2 * bytes.size));
    for (size_t i = 0; i < bytes.size; i++) {
        out->data[out->size++] = digits[(uint8_t)bytes.data[i] >> 4];
        out->data[out->size++] = digits[bytes.data[i] & 15];
    }
    return Q_OK;
}

q_status count_pair_write(const struct count_entry *entry, uint32_t scale, struct q_buffer *out)
{
    if (q_utf8_valid(entry->piece)) {
        struct q_json json = q_json_begin(out);
        q_json_open(&json, NULL, '{');
        q_json_put_string(&json, "piece", entry->piece);
        Q_TRY(json.status);
    } else {
        Q_TRY(q_buffer_printf(out, "{\"hex\":\""));
        Q_TRY(put_hex(entry->piece, out));
        Q_TRY(q_buffer_append_byte(out, '"'));
    }
    Q_TRY(q_buffer_printf(out, ",\"count\":"));
    Q_TRY(put_count(entry->count, scale, out));
    return q_buffer_printf(out, "}\n");
}

struct pair_reading {
    const struct count_texts_options *options;
    bool fractions;
    struct q_pool *pool;
    struct counter *counter;
    struct q_jsonl_parser *parser;
    struct q_buffer batch, bytes; /* lines; the bytes that a piece in hexadecimal stands for */
};

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit = (char)(digit | 0x20);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static q_status parse_hex(q_string hex, struct q_buffer *out)
{
    q_buffer_clear(out);
    for (size_t i = 0; i < hex.size; i += 2) {
        const int high = hex_value(hex.data[i]), low = i + 1 < hex.size ? hex_value(hex.data[i + 1]) : -1;
        if (high < 0 || low < 0)
            return q_fail(Q_ERR_INPUT, "the member 'hex' is not pairs of hexadecimal digits");
        Q_TRY(q_buffer_append_byte(out, (char)(high << 4 | low)));
    }
    return Q_OK;
}

static q_status parse_count(const struct q_jsonl_member *member, bool fractions, uint64_t *out)
{
    const bool whole = q_parse_u64(member->text, out) == Q_OK;
    bool fits = true;
    if (member->type != Q_JSONL_NUMBER || !(whole || member->number >= 0))
        return q_fail(Q_ERR_INPUT, "the member 'count' is no number from 0");
    if (whole) {
        fits = !fractions || q_mul_u64(*out, COUNT_SCALE, out);
    } else if (fractions) {
        fits = member->number * COUNT_SCALE < 0x1p63;
        *out = fits ? (uint64_t)(member->number * COUNT_SCALE + 0.5) : 0;
    } else {
        return q_fail(Q_ERR_INPUT, "the member 'count' is no whole number below 2^64; --fractions keeps others to "
                                   "1/1024");
    }
    return fits ? Q_OK : q_fail(Q_ERR_INPUT, "the count does not fit 64 bits in units of 1/1024");
}

static q_status parse_pair(struct pair_reading *reading, q_string line, q_string *piece, uint64_t *count)
{
    const struct q_jsonl_member *members;
    size_t member_count;
    bool has_piece = false, has_count = false;
    Q_TRY(q_jsonl_parse(reading->parser, line, &members, &member_count));
    for (size_t i = 0; i < member_count; i++) {
        const struct q_jsonl_member *member = &members[i];
        if (q_string_is(member->key, "count")) {
            Q_TRY(parse_count(member, reading->fractions, count));
            has_count = true;
        } else if (member->type == Q_JSONL_TEXT && !has_piece && q_string_is(member->key, "piece")) {
            *piece = member->text;
            has_piece = true;
        } else if (member->type == Q_JSONL_TEXT && !has_piece && q_string_is(member->key, "hex")) {
            Q_TRY(parse_hex(member->text, &reading->bytes));
            *piece = q_buffer_string(&reading->bytes);
            has_piece = true;
        } else {
            return q_fail(Q_ERR_INPUT, "the line has the member '%.*s'; a pair is {\"piece\": TEXT, \"count\": N}",
                          Q_STRING_ARGS(member->key));
        }
    }
    if (!has_piece || !has_count || piece->size == 0)
        return q_fail(Q_ERR_INPUT,
                      "the line is no pair {\"piece\": TEXT, \"count\": N} with a piece that is not empty");
    return Q_OK;
}

static q_status add_line(struct pair_reading *reading, q_string line)
{
    q_string piece = {0};
    uint64_t count = 0;
    Q_TRY(parse_pair(reading, line, &piece, &count));
    if (count)
        Q_TRY(counter_add_piece(reading->counter, 0, piece, count));
    return counter_is_full(reading->counter) ? counter_spill(reading->counter) : Q_OK;
}

static q_status add_file(struct pair_reading *reading, struct q_lines_reader *lines, const char *path)
{
    uint64_t position = 0;
    for (uint64_t number = 1;;) {
        Q_TRY(q_lines_next(lines, BATCH_BYTES, &reading->batch));
        q_string rest = q_buffer_string(&reading->batch), line;
        if (!rest.size)
            return Q_OK;
        if (q_stop_requested())
            return q_fail(Q_STOPPED, "stopped while counting");
        for (; q_string_next_line(&rest, &line); number++) {
            if (q_string_trim(line).size)
                Q_TRY(q_context(add_line(reading, line), "'%s', line %llu", path, (unsigned long long)number));
        }
        q_progress_add(q_lines_position(lines) - position);
        position = q_lines_position(lines);
    }
}

static q_status add_files(struct pair_reading *reading, const char *const *paths, size_t count)
{
    Q_TRY(q_jsonl_create(&reading->parser));
    for (size_t i = 0; i < count; i++) {
        struct q_lines_reader *lines;
        Q_TRY(q_lines_open(paths[i], &lines));
        q_status status = add_file(reading, lines, paths[i]);
        q_lines_close(lines);
        Q_TRY(status);
    }
    return Q_OK;
}

q_status count_pairs(const char *const *paths, size_t count, bool fractions, const struct count_texts_options *options,
                     struct q_pool *pool, struct counter **out)
{
    struct pair_reading reading = {.options = options, .fractions = fractions, .pool = pool};
    Q_TRY(count_create_counter(options, fractions ? COUNT_SCALE : 1, pool, &reading.counter));
    q_progress_start("count", "bytes", 0);
    q_status status = add_files(&reading, paths, count);
    q_progress_finish();
    q_jsonl_release(reading.parser);
    q_buffer_release(&reading.batch);
    q_buffer_release(&reading.bytes);
    if (status)
        counter_release(reading.counter);
    else
        *out = reading.counter;
    return status;
}
