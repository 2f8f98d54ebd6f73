/* A level of rows: CSV and TSV (RFC 4180, and what is met besides). Each row behind the header is an item, as a line of JSON (table_columns.h).
 *
 * Fields stand between delimiters; one of CSV that begins with a quote goes on to the next quote that stands alone (two are one of the text), over line
 * ends too. In TSV a quote is text. A row ends with LF, CRs before it are none of it; a lone CR is text. Empty lines are no rows. The delimiter of CSV is
 * the one of , ; and tab that stands most often outside quotes in the header row, the first of them where two are as often.
 *
 * Reading is one pass over blocks cut anywhere; its whole state is `struct corpus_table`. Memory: a row, at most item_bytes_max of it and of its line of
 * JSON.
 *
 * Reasons (failed): row-fields: another number of fields than the header; row-quote: text behind a closing quote, or a quote left open at the end; those of
 * table_columns.h.
 */
#include "base/check.h"
#include "base/json.h"
#include "corpus/read/reader_level.h"
#include "corpus/read/table_columns.h"

#include <stdio.h>

enum place {
    AT_FIELD, /* a field begins */
    IN_PLAIN,
    IN_QUOTED,
    AT_QUOTE /* behind a quote in a quoted field: its end, or the first of two */
};

struct corpus_table {
    char delimiter;
    bool quotes;     /* they mean something */
    bool stops[256]; /* what ends a run of plain text: the delimiter, LF, CR */
    struct table_columns columns;
    bool begun;           /* the header is read */
    bool unread;          /* and it was no use */
    uint64_t rows, bytes; /* behind us, those of the header too */
    /* the row at hand */
    enum place place;
    uint64_t crs;  /* just seen: of the text, unless LF comes */
    uint64_t from; /* bytes before it */
    uint64_t size; /* bytes so far, without its LF */
    size_t fields; /* begun */
    bool blank;    /* nothing so far */
    bool too_large;
    const char *wrong; /* with its quotes */
};

q_status corpus_table_open(struct corpus_level *level)
{
    return q_alloc_zero(1, sizeof *level->table, &level->table);
}

void corpus_table_release(struct corpus_table *t)
{
    if (!t)
        return;
    table_columns_release(&t->columns);
    q_release(t);
}

/* --- the row at hand --------------------------------------------------------------------------------------------------------------- */

/* Whether what is read of the row is of no use any more. */
static bool is_lost(const struct corpus_table *t)
{
    return t->too_large || t->wrong || (t->begun && t->fields > t->columns.count);
}

/* Text of the field at hand. Of the header it is kept as it is, with a NUL behind each field. */
static q_status put(struct corpus_table *t, struct q_buffer *out, const char *text, size_t size)
{
    t->blank = false;
    if (is_lost(t) || (t->begun && !t->columns.items[t->fields - 1].member_size))
        return Q_OK;
    return t->begun ? q_json_append_escaped(out, (q_string){text, size}) : q_buffer_append(out, text, size);
}

static q_status put_crs(struct corpus_table *t, struct q_buffer *out)
{
    for (; t->crs; t->crs--)
        Q_TRY(put(t, out, "\r", 1));
    return Q_OK;
}

static q_status begin_field(struct corpus_table *t, struct q_buffer *out)
{
    t->fields++;
    if (!t->begun || is_lost(t) || !t->columns.items[t->fields - 1].member_size)
        return Q_OK;
    Q_TRY(q_buffer_append_string(out, table_column_member(&t->columns, t->fields - 1)));
    return q_buffer_append_byte(out, '"');
}

static q_status end_field(struct corpus_table *t, struct q_buffer *out)
{
    t->place = AT_FIELD;
    if (!t->begun)
        return q_buffer_append_byte(out, 0);
    return is_lost(t) || !t->columns.items[t->fields - 1].member_size ? Q_OK : q_buffer_append_byte(out, '"');
}

static q_status take_plain(struct corpus_table *t, struct q_buffer *out, const char **at, const char *end, bool *whole)
{
    const char *from = *at, *stop = from;
    while (stop < end && !t->stops[(unsigned char)*stop])
        stop++;
    if (stop > from) {
        Q_TRY(put_crs(t, out));
        Q_TRY(put(t, out, from, (size_t)(stop - from)));
    }
    *at = stop;
    if (stop == end)
        return Q_OK;
    ++*at;
    if (*stop == '\r')
        return t->crs++, Q_OK;
    *whole = *stop == '\n';
    if (*whole)
        return Q_OK;
    Q_TRY(put_crs(t, out));
    t->blank = false;
    return end_field(t, out);
}

static q_status take_quoted(struct corpus_table *t, struct q_buffer *out, const char **at, const char *end)
{
    const char *quote = memchr(*at, '"', (size_t)(end - *at)), *stop = quote ? quote : end;
    Q_TRY(put(t, out, *at, (size_t)(stop - *at)));
    *at = stop + (quote != NULL);
    t->place = quote ? AT_QUOTE : IN_QUOTED;
    return Q_OK;
}

static q_status take_behind_quote(struct corpus_table *t, struct q_buffer *out, const char **at, bool *whole)
{
    const char byte = **at;
    ++*at;
    *whole = byte == '\n';
    if (*whole)
        return Q_OK;
    if (byte == '\r')
        return t->crs++, Q_OK;
    if (byte == '"' && !t->crs) {
        t->place = IN_QUOTED;
        return put(t, out, "\"", 1);
    }
    if (byte == t->delimiter && !t->crs)
        return end_field(t, out);
    t->wrong = "text behind a closing quote";
    t->place = IN_PLAIN;
    --*at;
    return Q_OK;
}

/* Reads on in the row up to `end` or behind its LF; *whole: it has ended. */
static q_status take_bytes(struct corpus_table *t, struct q_buffer *out, const char **at, const char *end, bool *whole)
{
    while (*at < end && !*whole) {
        switch (t->place) {
        case AT_FIELD:
            Q_TRY(begin_field(t, out));
            t->place = t->quotes && **at == '"' ? IN_QUOTED : IN_PLAIN;
            *at += t->place == IN_QUOTED;
            t->blank = t->blank && t->place != IN_QUOTED;
            break;
        case IN_PLAIN:
            Q_TRY(take_plain(t, out, at, end, whole));
            break;
        case IN_QUOTED:
            Q_TRY(take_quoted(t, out, at, end));
            break;
        case AT_QUOTE:
            Q_TRY(take_behind_quote(t, out, at, whole));
            break;
        }
    }
    return Q_OK;
}

/* --- rows -------------------------------------------------------------------------------------------------------------------------- */

static void begin_row(struct corpus_table *t)
{
    t->place = AT_FIELD;
    t->crs = t->size = t->fields = 0;
    t->from = t->bytes;
    t->blank = true;
    t->too_large = false;
    t->wrong = NULL;
}

/* The next row that is not blank into reader->bytes; *ended: there is none, or what there is was cut by damage. */
static q_status take_row(struct corpus_level *level, uint64_t max, bool *ended)
{
    struct corpus_table *t = level->table;
    struct q_buffer *out = &level->reader->bytes;
    do {
        bool whole = false;
        begin_row(t);
        q_buffer_clear(out);
        *ended = false;
        while (!whole && !*ended) {
            if (level->block_at == level->block_size)
                Q_TRY(corpus_level_fill(level, ended));
            const char *from = level->block + level->block_at, *at = from;
            Q_TRY(take_bytes(t, out, &at, level->block + level->block_size, &whole));
            level->block_at += (size_t)(at - from);
            t->bytes += (size_t)(at - from);
            t->size += (size_t)(at - from) - whole;
            t->too_large |= t->size > max || out->size > max;
        }
    } while (t->blank && !*ended);
    if (*ended && level->outer && level->outer->failure)
        return Q_OK;
    *ended = t->blank;
    if (*ended)
        return Q_OK;
    if (t->place == IN_QUOTED)
        t->wrong = "a quote is left open";
    if (t->place == AT_FIELD) /* the end of the file behind a delimiter */
        Q_TRY(begin_field(t, out));
    t->rows++;
    Q_TRY(end_field(t, out));
    t->too_large |= t->begun && out->size >= max; /* with the brace to come */
    return Q_OK;
}

/* --- the header -------------------------------------------------------------------------------------------------------------------- */

/* Of the header row, which begins `head`. */
static char find_delimiter(q_string head)
{
    static const char delimiters[] = ",;\t";
    size_t counts[sizeof delimiters - 1] = {0}, best = 0;
    bool quoted = false, begun = false;
    for (size_t i = 0; i < head.size && (quoted || !begun || head.data[i] != '\n'); i++) {
        const char *found = quoted || !head.data[i] ? NULL : strchr(delimiters, head.data[i]);
        if (found)
            counts[found - delimiters]++;
        quoted ^= head.data[i] == '"';
        begun |= head.data[i] != '\n' && head.data[i] != '\r';
    }
    for (size_t i = 1; i < Q_COUNT_OF(counts); i++)
        if (counts[i] > counts[best])
            best = i;
    return delimiters[best];
}

static void begin_table(struct corpus_level *level)
{
    struct corpus_table *t = level->table;
    if (q_string_starts(q_buffer_string(&level->head), "\xEF\xBB\xBF"))
        level->head_at = 3;
    t->bytes = level->head_at;
    t->quotes = level->kind != CORPUS_LEVEL_TSV;
    t->delimiter = level->kind == CORPUS_LEVEL_TSV
                       ? '\t'
                       : find_delimiter(q_string_slice(q_buffer_string(&level->head), level->head_at, SIZE_MAX));
    t->stops[(unsigned char)t->delimiter] = t->stops['\n'] = t->stops['\r'] = true;
}

/* Reads the header row. *reason: why nothing can be read by it. *ended: there is none. */
static q_status take_header(struct corpus_level *level, const char **reason, bool *ended)
{
    struct corpus_table *t = level->table;
    struct corpus_reader *reader = level->reader;
    const char *field = reader->options.text_field ? reader->options.text_field : "text";
    size_t text;
    *reason = NULL;
    begin_table(level);
    Q_TRY(take_row(level, CORPUS_SNIFF_BYTES, ended));
    if (*ended)
        return Q_OK;
    if (t->too_large || t->wrong) {
        *reason = "table-header";
        snprintf(reader->note, sizeof reader->note, "%s",
                 t->too_large ? "the header row is longer than 64 KiB" : t->wrong);
        return Q_OK;
    }
    q_string rest = q_buffer_string(&reader->bytes);
    while (rest.size) {
        const char *end = memchr(rest.data, 0, rest.size);
        Q_TRY(table_columns_add(&t->columns, q_string_slice(rest, 0, (size_t)(end - rest.data))));
        rest = q_string_slice(rest, (size_t)(end - rest.data) + 1, rest.size);
    }
    if (t->columns.count != t->fields) {
        *reason = "table-header";
        snprintf(reader->note, sizeof reader->note, "a NUL in the header row");
        return Q_OK;
    }
    return table_columns_judge(&t->columns, field, reader->note, sizeof reader->note, reason, &text);
}

/* --- items ------------------------------------------------------------------------------------------------------------------------- */

static void refuse(struct corpus_level *level, const char *reason, const char *wrong, struct corpus_item *item)
{
    struct corpus_table *t = level->table;
    struct corpus_reader *reader = level->reader;
    snprintf(reader->note, sizeof reader->note, "row %llu, at byte %llu: %s", (unsigned long long)t->rows,
             (unsigned long long)t->from, wrong);
    corpus_item_refuse(reader, item, reason, true, t->size);
}

static q_status give_row(struct corpus_level *level, struct corpus_item *item)
{
    struct corpus_table *t = level->table;
    struct corpus_reader *reader = level->reader;
    if (t->too_large) {
        refuse(level, "too-large", "it is larger than corpus.item_bytes_max", item);
    } else if (t->wrong) {
        refuse(level, "row-quote", t->wrong, item);
    } else if (t->fields != t->columns.count) {
        char wrong[64];
        snprintf(wrong, sizeof wrong, "%zu fields, the header has %zu", t->fields, t->columns.count);
        refuse(level, "row-fields", wrong, item);
    } else {
        reader->bytes.data[0] = '{';
        Q_TRY(q_buffer_append_byte(&reader->bytes, '}'));
        corpus_item_begin(reader, item);
        item->format = level->kind == CORPUS_LEVEL_TSV ? CORPUS_TSV : CORPUS_CSV;
        item->bytes = q_buffer_string(&reader->bytes);
        item->in_bytes = t->size;
    }
    return Q_OK;
}

q_status corpus_table_next(struct corpus_level *level, struct corpus_item *item, bool *ended)
{
    struct corpus_table *t = level->table;
    struct corpus_reader *reader = level->reader;
    const char *reason = NULL;
    *ended = t->unread;
    if (*ended)
        return Q_OK;
    if (!t->begun) {
        Q_TRY(take_header(level, &reason, ended));
        t->unread = reason != NULL;
        t->begun = true;
    }
    if (reason) {
        corpus_item_refuse(reader, item, reason, true, Q_MAX(corpus_entry_bytes(reader, level->outer), t->bytes));
        return Q_OK;
    }
    if (!*ended)
        Q_TRY(take_row(level, reader->options.item_bytes_max, ended));
    if (!*ended)
        return give_row(level, item);
    if (t->rows > 1 || (level->outer && level->outer->failure))
        return Q_OK;
    t->unread = true; /* nothing at all: said, so that no file goes unmentioned */
    t->rows = 2;
    *ended = false;
    corpus_item_refuse(reader, item, "empty", false, 0);
    return Q_OK;
}
