/* A level of records: WARC, WET, WAT or ARC, plain or in members. Each record is an item.
 *
 * `plain` is a window of plain bytes, in which a record lies whole while it is looked at:
 *
 *      | done | blank lines | header | block | what was read ahead: of the same member only |
 *             ^ at                                                                  plain.size
 *
 * A record may go on in the next member, unless that begins with a record: then the length that the header says is wrong. So it may be where there is
 * neither the source's end nor another record behind the block: then the block is searched for one. What cannot be read, or belongs to no record, is one
 * item that failed, with its place in the note, up to the next line or member that begins a record.
 *
 * Memory: the largest item (item_bytes_max) and a block, besides that of members.h. A larger block is passed over.
 */
#include "base/check.h"
#include "corpus/read/http_message.h"
#include "corpus/read/members.h"
#include "corpus/read/warc_record.h"

#include <stdio.h>

enum { AHEAD_BYTES = 4096 /* as many show whether a record begins there */ };

struct corpus_records {
    struct corpus_level *level;
    struct corpus_members members;
    struct q_buffer plain;
    size_t at;
    uint64_t plain_offset;        /* plain bytes before the window */
    uint64_t member_at;           /* plain bytes before the current member */
    enum corpus_member_step step; /* what reading said last */
    bool arc;
    bool cut;    /* the current member begins with a record */
    bool damage; /* some was passed over */
    /* the record at hand */
    uint64_t start;           /* plain bytes before it */
    uint64_t start_member;    /* offset of its member in the source; plain: its own */
    uint64_t start_member_at; /* plain bytes before that member */
    uint64_t start_inside;    /* plain bytes of the member before it */
    struct q_buffer head;
    struct warc_record record;
};

/* --- opening ----------------------------------------------------------------------------------------------------------------------- */

q_status corpus_records_open(struct corpus_level *level, const struct corpus_records_look *look, const char **reason)
{
    Q_TRY(q_alloc_zero(1, sizeof *level->records, &level->records));
    level->records->level = level;
    level->records->arc = look->arc;
    level->records->step = look->coding == CORPUS_PLAIN ? CORPUS_MEMBER_BYTES : CORPUS_MEMBER_END;
    return corpus_members_open(level, look->coding, &level->records->members, reason);
}

void corpus_records_release(struct corpus_records *r)
{
    if (!r)
        return;
    corpus_members_release(&r->members);
    q_buffer_release(&r->plain);
    q_buffer_release(&r->head);
    q_release(r);
}

/* --- bytes ------------------------------------------------------------------------------------------------------------------------- */

static size_t left(const struct corpus_records *r)
{
    return r->plain.size - r->at;
}

static q_string ahead(const struct corpus_records *r)
{
    return q_string_slice(q_buffer_string(&r->plain), r->at, r->plain.size);
}

static uint64_t position(const struct corpus_records *r)
{
    return r->plain_offset + r->at;
}

/* No more comes, for whatever reason. */
static bool is_over(const struct corpus_records *r)
{
    return r->step == CORPUS_MEMBERS_END || r->step == CORPUS_MEMBER_BAD || r->step == CORPUS_MEMBER_CUT ||
           r->level->failure;
}

static bool is_damaged(const struct corpus_records *r)
{
    return r->step == CORPUS_MEMBER_BAD || r->step == CORPUS_MEMBER_CUT;
}

static q_status read_more(struct corpus_records *r)
{
    size_t had = r->plain.size;
    Q_TRY(corpus_members_read(&r->members, &r->plain, &r->step));
    if (r->members.coding != CORPUS_PLAIN)
        corpus_count_unpacked(r->level->reader, r->level, r->plain.size - had);
    return Q_OK;
}

/* Into the next member, and as far as it takes to see whether it begins with a record. */
static q_status cross(struct corpus_records *r)
{
    r->member_at = r->plain_offset + r->plain.size;
    r->step = CORPUS_MEMBER_BYTES;
    while (r->step == CORPUS_MEMBER_BYTES && r->plain_offset + r->plain.size - r->member_at < AHEAD_BYTES &&
           !is_over(r))
        Q_TRY(read_more(r));
    size_t from = (size_t)(r->member_at - r->plain_offset);
    r->cut = warc_begins(q_string_slice(q_buffer_string(&r->plain), from, r->plain.size), r->arc);
    return Q_OK;
}

/* `count` bytes from r->at on, of this member only or of more; fewer where there are not so many. */
static q_status need(struct corpus_records *r, uint64_t count, bool more_members)
{
    while (left(r) < count && !is_over(r) && !(r->cut && more_members)) {
        if (r->step != CORPUS_MEMBER_END)
            Q_TRY(read_more(r));
        else if (more_members)
            Q_TRY(cross(r));
        else
            return Q_OK;
    }
    return Q_OK;
}

/* Forgets what lies before r->at, when that pays for moving the rest. */
static void forget(struct corpus_records *r)
{
    if (!r->at || r->at < left(r))
        return;
    memmove(r->plain.data, r->plain.data + r->at, left(r));
    r->plain.size -= r->at;
    r->plain_offset += r->at;
    r->at = 0;
}

/* --- what went wrong --------------------------------------------------------------------------------------------------------------- */

static void begin_record(struct corpus_records *r)
{
    r->cut = false;
    r->start = position(r);
    if (r->members.coding == CORPUS_PLAIN) {
        r->start_member = r->start_member_at = r->start;
    } else if (r->start >=
               r->member_at) { /* else we came back behind damage: still in the member of the record before */
        r->start_member = r->members.member;
        r->start_member_at = r->member_at;
    }
    r->start_inside = r->start - r->start_member_at;
}

/* Says in the item's note where in the file the record at hand is, and what is wrong with it. */
static void note(const struct corpus_records *r, const char *wrong)
{
    struct corpus_reader *reader = r->level->reader;
    char inside[48] = "";
    if (r->start_inside)
        snprintf(inside, sizeof inside, ", %llu bytes into it", (unsigned long long)r->start_inside);
    snprintf(reader->note, sizeof reader->note, "%s at byte %llu%s: %s",
             r->members.coding == CORPUS_PLAIN ? "record" : "member", (unsigned long long)r->start_member, inside,
             wrong);
}

/* One failed item for what lies between the beginning of the record at hand and r->at. */
static void refuse(struct corpus_records *r, const char *reason, const char *wrong, struct corpus_item *item)
{
    note(r, wrong);
    corpus_item_refuse(r->level->reader, item, reason, true, position(r) - r->start);
}

static bool level_failed(const struct corpus_records *r)
{
    return r->level->failure || (r->level->outer && r->level->outer->failure);
}

/* The member is damaged: what there is of the record goes with it, and the search for another one begins. */
static q_status leave_member(struct corpus_records *r, struct corpus_item *item)
{
    bool found, cut = r->step == CORPUS_MEMBER_CUT;
    r->at = r->plain.size;
    r->start_member = r->members.member;
    r->start_member_at = r->member_at;
    r->start_inside = 0;
    Q_TRY(corpus_members_resume(&r->members, warc_begins, r->arc, &found));
    if (cut && !found)
        refuse(r, "archive-truncated", "it ends too soon", item);
    else
        refuse(r, "archive-damaged", "it is damaged", item);
    r->step = found ? CORPUS_MEMBER_END : CORPUS_MEMBERS_END;
    return Q_OK;
}

/* On to the next line or member that begins a record; *found = false: to the end of what can be read. */
static q_status find_next(struct corpus_records *r, bool *found)
{
    for (;;) {
        size_t end = r->cut ? (size_t)(r->member_at - r->plain_offset) : r->plain.size, again;
        size_t next = warc_find(q_string_slice(q_buffer_string(&r->plain), r->at, end), r->arc, &again);
        *found = next != SIZE_MAX || r->cut;
        r->at = next != SIZE_MAX ? r->at + next : r->cut ? end : r->at + again;
        if (*found)
            return Q_OK;
        if (is_over(r)) {
            r->at = r->plain.size;
            return Q_OK;
        }
        forget(r);
        Q_TRY(need(r, left(r) + 1, true));
    }
}

/* The record at hand is none, or cannot be read to its end: one failed item, and on to the next. wrong = NULL: it is its length that is not right. */
static q_status leave_record(struct corpus_records *r, const char *wrong, struct corpus_item *item, bool *ended)
{
    bool found;
    if (r->start >= r->plain_offset)
        r->at = (size_t)(r->start - r->plain_offset);
    Q_TRY(find_next(r, &found));
    if (!found && level_failed(r)) {
        *ended = true; /* that level says why */
        return Q_OK;
    }
    if (!found && is_damaged(r))
        return leave_member(r, item);
    if (!found && !wrong)
        refuse(r, "archive-truncated", "it ends too soon", item);
    else
        refuse(r, "archive-damaged", wrong ? wrong : "its Content-Length reaches into the next record", item);
    return Q_OK;
}

/* --- blocks ------------------------------------------------------------------------------------------------------------------------ */

/* What the record is: NULL, or why it is not wanted. *body: where the document begins in the block, of which the beginning is known. */
static const char *judge(const struct corpus_records *r, q_string block, struct http_message *http, size_t *body,
                         bool *failed)
{
    const struct warc_record *record = &r->record;
    const char *dropped = warc_type_reason(record->type);
    *http = (struct http_message){0};
    *body = 0;
    *failed = false;
    if (dropped || !block.size)
        return dropped ? dropped : "empty";
    bool says_http = q_string_starts_any_case(record->content_type, "application/http");
    bool may_be = (says_http || r->arc || !record->content_type.size) && record->type != WARC_CONVERSION;
    if (may_be && q_string_starts(block, "HTTP/")) {
        *failed = !http_parse(block, http, body);
        if (*failed || http->status != 200)
            return *failed ? "http-head" : "http-status";
    } else if (says_http) {
        *failed = true;
        return "http-head";
    } else {
        http_content_type(record->content_type, http);
    }
    if (http->format == CORPUS_BINARY)
        return "not-text";
    bool wanted =
        http->format == CORPUS_UNKNOWN || corpus_format_wanted(r->level->reader->options.format, http->format);
    return !wanted ? "format" : *body == record->length ? "empty" : NULL;
}

/* Passes over a block that is too long to be read. *found: another record was in it, and r->at stands there; else *whole says whether it was all there. */
static q_status skip_block(struct corpus_records *r, uint64_t size, bool *found, bool *whole)
{
    *found = false;
    for (;;) {
        q_string part = q_string_slice(ahead(r), 0, (size_t)Q_MIN(size, (uint64_t)left(r)));
        size_t again, next = warc_find(part, r->arc, &again);
        *found = next != SIZE_MAX;
        *whole = part.size == size;
        size_t done = *found ? next : *whole ? part.size : again;
        r->at += done;
        size -= done;
        forget(r);
        if (*found || *whole || is_over(r) || r->cut)
            return Q_OK;
        Q_TRY(need(r, left(r) + 1, true));
    }
}

static q_status take_large_block(struct corpus_records *r, struct corpus_item *item, bool *ended)
{
    struct http_message http;
    bool failed, found, whole;
    size_t body;
    Q_TRY(need(r, Q_MIN(r->record.length, (uint64_t)HTTP_HEAD_BYTES_MAX), true));
    const char *reason = judge(r, ahead(r), &http, &body, &failed);
    Q_TRY(skip_block(r, r->record.length, &found, &whole));
    if (!found && !whole)
        return leave_record(r, NULL, item, ended);
    if (found)
        refuse(r, "archive-damaged", "its Content-Length reaches into the next record", item);
    else if (reason && !failed)
        corpus_item_refuse(r->level->reader, item, reason, false, r->record.length);
    else
        refuse(r, "too-large", "it is larger than corpus.item_bytes_max", item);
    return Q_OK;
}

/* Whether another record begins before `end`: looked for where what lies behind the block is not what should be there. */
static bool holds_record(const struct corpus_records *r, size_t end)
{
    size_t again, next = warc_find(q_string_slice(ahead(r), 0, end - r->at + AHEAD_BYTES), r->arc, &again);
    return next != SIZE_MAX && next < end - r->at;
}

/* Behind the block: whether there is what there should be, blank lines and then the end of the member or another record. *damaged: the member's end is. */
static q_status look_behind(struct corpus_records *r, size_t end, bool *good, bool *damaged)
{
    const size_t at = r->at;
    r->at = end;
    Q_TRY(need(r, AHEAD_BYTES, false));
    q_string rest = ahead(r);
    while (rest.size && (rest.data[0] == '\r' || rest.data[0] == '\n'))
        rest = q_string_slice(rest, 1, rest.size);
    *good = !rest.size || warc_begins(rest, r->arc);
    *damaged = !rest.size && is_damaged(r);
    r->at = at;
    return Q_OK;
}

static q_status take_block(struct corpus_records *r, struct corpus_item *item, bool *ended)
{
    struct http_message http;
    const uint64_t size = r->record.length;
    bool failed, good, damaged;
    size_t body;
    Q_TRY(need(r, size, true));
    if (left(r) < size)
        return leave_record(r, NULL, item, ended);
    const size_t end = r->at + (size_t)size;
    Q_TRY(look_behind(r, end, &good, &damaged));
    if (damaged)
        return leave_member(r, item);
    if (!good && holds_record(r, end))
        return leave_record(r, NULL, item, ended);
    q_string block = q_string_slice(q_buffer_string(&r->plain), r->at, end);
    const char *reason = judge(r, block, &http, &body, &failed);
    r->at = end;
    if (failed) {
        refuse(r, reason, "it holds no HTTP message", item);
    } else if (reason) {
        corpus_item_refuse(r->level->reader, item, reason, false, size);
    } else {
        corpus_item_begin(r->level->reader, item);
        item->bytes = q_string_slice(block, body, block.size);
        item->in_bytes = size;
        item->format = http.format;
        item->http = http;
        item->http.record = true;
        item->url = r->record.url;
        item->date = r->record.date;
        item->record = r->record.id;
    }
    return Q_OK;
}

/* --- records ----------------------------------------------------------------------------------------------------------------------- */

static q_status take_head(struct corpus_records *r, const char **wrong, bool *whole)
{
    size_t size, scanned = 0;
    *wrong = NULL;
    while (!(size = warc_head_size(ahead(r), r->arc, &scanned)) && left(r) < WARC_HEAD_BYTES_MAX && !r->cut &&
           !is_over(r))
        Q_TRY(need(r, left(r) + 1, true));
    *whole = size > 0 && size != SIZE_MAX;
    if (size == SIZE_MAX)
        *wrong = "another record begins in its header";
    if (!size && left(r) >= WARC_HEAD_BYTES_MAX)
        *wrong = "the header is too long";
    if (!*whole)
        return Q_OK;
    q_buffer_clear(&r->head);
    Q_TRY(q_buffer_append(&r->head, r->plain.data + r->at, size));
    *wrong = warc_parse(q_buffer_string(&r->head), r->arc, &r->record);
    r->at += size;
    return Q_OK;
}

/* To the first byte that is no blank line; left(r) = 0: there is none. */
static q_status skip_blank(struct corpus_records *r)
{
    for (;;) {
        while (left(r) && (r->plain.data[r->at] == '\r' || r->plain.data[r->at] == '\n'))
            r->at++;
        if (left(r) || is_over(r))
            return Q_OK;
        r->cut = false;
        forget(r);
        Q_TRY(need(r, 1, true));
    }
}

static q_status take_record(struct corpus_records *r, struct corpus_item *item, bool *ended)
{
    const char *wrong;
    bool whole;
    if (!left(r))
        return leave_member(r, item);
    Q_TRY(need(r, AHEAD_BYTES, false));
    if (left(r) < WARC_BEGIN_BYTES)
        Q_TRY(need(r, WARC_BEGIN_BYTES, true));
    if (!warc_begins(ahead(r), r->arc))
        return leave_record(r, "what is there belongs to no record", item, ended);
    Q_TRY(take_head(r, &wrong, &whole));
    if (wrong || !whole)
        return leave_record(r, wrong, item, ended);
    return r->record.length > r->level->reader->options.item_bytes_max ? take_large_block(r, item, ended)
                                                                       : take_block(r, item, ended);
}

/* --- pieces ------------------------------------------------------------------------------------------------------------------------ */

q_status corpus_records_seek(struct corpus_level *level)
{
    struct corpus_records *r = level->records;
    struct corpus_reader *reader = level->reader;
    const struct corpus_piece *piece = &reader->options.piece;
    bool found;
    level->head_at = level->head.size;
    reader->offset = piece->from;
    if (r->members.coding == CORPUS_PLAIN)
        r->plain_offset = piece->from;
    else
        corpus_members_seek(&r->members, piece->from);
    if (piece->kind == CORPUS_PIECE_OF_RECORDS)
        return Q_OK;
    reader->end = piece->to;
    if (piece->kind == CORPUS_LOOK_AT_RECORDS)
        return Q_OK;
    if (r->members.coding == CORPUS_PLAIN)
        return find_next(r, &found);
    Q_TRY(corpus_members_resume(&r->members, warc_begins, r->arc, &found));
    r->step = found ? CORPUS_MEMBER_END : CORPUS_MEMBERS_END;
    return Q_OK;
}

/* Where the piece ends; far away where there is none. */
static uint64_t piece_end(const struct corpus_records *r)
{
    const struct corpus_piece *piece = &r->level->reader->options.piece;
    return piece->kind == CORPUS_PIECE_OF_RECORDS ? piece->to : UINT64_MAX;
}

/* The piece is over at the stored byte `reached`. Where no damage was passed over that is its end, else the end was chosen inside of a record. */
static q_status check_piece_end(const struct corpus_records *r, uint64_t reached)
{
    const struct corpus_reader *reader = r->level->reader;
    if (reached <= piece_end(r) || r->damage)
        return Q_OK;
    return q_fail(
        Q_ERR_INPUT,
        "'%s' cannot be cut at byte %llu: a record that holds others lies there; set corpus.part_bytes to %llu "
        "or more, so that it is read as one part",
        reader->path, (unsigned long long)piece_end(r), (unsigned long long)reader->size / 2 + 1);
}

q_status corpus_records_next(struct corpus_level *level, struct corpus_item *item, bool *ended)
{
    struct corpus_records *r = level->records;
    bool plain = r->members.coding == CORPUS_PLAIN;
    *ended = false;
    forget(r);
    Q_TRY(skip_blank(r));
    begin_record(r);
    if (left(r) && r->start_member >= piece_end(r)) {
        *ended = true;
        return check_piece_end(r, r->start_member);
    }
    if (!left(r) && (!is_damaged(r) || level->failure)) {
        *ended = level->entries > 0 || level_failed(r);
        if (!*ended) /* nothing at all: said, so that no file goes unmentioned */
            corpus_item_refuse(level->reader, item, "empty", false, 0);
        level->entries++;
        return check_piece_end(r, plain ? position(r) : corpus_members_position(&r->members));
    }
    level->entries++;
    Q_TRY(take_record(r, item, ended));
    if (*ended)
        return Q_OK;
    r->damage |= item->failed && q_string_starts(q_string_of(item->reason), "archive-");
    if (corpus_level_is_file(level)) {
        item->index = r->start_member;
        item->inside = r->start_inside;
    }
    return Q_OK;
}
