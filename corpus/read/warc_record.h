/* Headers of records: WARC 0.17 to 1.1 (ISO 28500) and ARC 1.0, 1.1 and 2.0 ("ARC_IA File Format", Internet Archive), as crawlers write them: lines may end in
 * LF alone, names have any case, values may be folded, targets may be in <>.
 *
 *     WARC/1.0                                  http://example.com/ 93.184.216.119 20140216050221 text/html 1591
 *     WARC-Type: response                       HTTP/1.1 200 OK
 *     Content-Length: 1591
 *
 *     HTTP/1.1 200 OK
 *
 * These functions look at bytes and keep nothing.
 */
#ifndef QUERN_CORPUS_WARC_RECORD_H
#define QUERN_CORPUS_WARC_RECORD_H

#include "base/string.h"

enum {
    WARC_HEAD_BYTES_MAX = 128 * 1024, /* of a header, its blank line counted */
    WARC_BEGIN_BYTES = 16,            /* as many show a WARC record's beginning; of ARC it takes a whole line */
};
#define WARC_LENGTH_MAX ((uint64_t)1 << 62)

enum warc_type {
    WARC_RESPONSE,
    WARC_RESOURCE,
    WARC_CONVERSION,
    WARC_REQUEST,
    WARC_METADATA,
    WARC_WARCINFO,
    WARC_REVISIT,
    WARC_CONTINUATION,
    WARC_OTHER,
};

/* Strings borrow from the header, but for an ARC's date. */
struct warc_record {
    enum warc_type type;
    q_string url, date, id, content_type; /* empty where absent */
    uint64_t length;                      /* of the block behind the header, in bytes */
    char arc_date[24];                    /* "2014-02-16T05:02:21Z" */
};

/* Why records of a type are dropped: "warc-request"; NULL for response, resource and conversion. */
const char *warc_type_reason(enum warc_type type);

/* Whether a record begins at the first byte: "WARC/" with a version, or the line of an ARC record. False also where `bytes` end too soon to tell. */
bool warc_begins(q_string bytes, bool arc);
/* The first line behind the first one that begins a record, as its offset; SIZE_MAX: none, and what lies before *again need not be looked at again. */
size_t warc_find(q_string bytes, bool arc, size_t *again);
/* Size of the header at the beginning, its blank line counted; 0: its end is not among `bytes`, and *scanned (0 at first) is where the search goes on
 * once there are more of them; SIZE_MAX: another WARC record begins before that. So no header holds the beginning of another, and a file in which record
 * after record begins and none ends is gone through once. */
size_t warc_head_size(q_string bytes, bool arc, size_t *scanned);
/* NULL: *record is filled in. Else what is wrong with the header. */
const char *warc_parse(q_string head, bool arc, struct warc_record *record);

/* Takes the next header off *rest, of lines "Name: value": false at a blank line or the end. A value that is folded is joined in `fold` (of `fold_size`
 * bytes, cut there). Lines without a colon are passed over. Shared with HTTP, whose headers look the same. */
bool warc_next_field(q_string *rest, char *fold, size_t fold_size, q_string *name, q_string *value);

#endif
