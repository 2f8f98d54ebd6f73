/* Readers: one face for everything that holds documents. A file goes in; items come out, one after the other, in the file's order.
 *
 *     file.deb            ar          level 1
 *       data.tar.xz       tar in xz   level 2
 *         usr/.../a.html              an item, "data.tar.xz/usr/.../a.html"
 *         usr/.../b.jsonl.gz          level 3 and, in it, lines: an item each
 *
 *     crawl.warc.gz       records     level 1: an item each, numbered
 *     table.csv.zst       rows        level 2, in a compressed file: an item each, as a line of JSON
 *
 * The stack of open levels is the whole state; only one item is in memory, at most `item_bytes_max`. Names inside archives are names: they go into
 * documents' ids and never to the file system. What cannot be read is an item too, with the reason in it, so that nothing is lost silently: a
 * truncated archive gives its items up to the damage and then one failed item. Behind a damaged record of a crawl reading goes on at the next one.
 *
 * Reasons (failed): archive-truncated, archive-damaged, archive-bomb, archive-encrypted, too-deep, too-large, name-too-long; http-head: no HTTP message
 * where a record says one; of tables: table-header, no-text-column (the whole table), row-fields, row-quote (reader_table.c), parquet-damaged, no-arrow
 * (reader_parquet.c).
 * Reasons (dropped): empty, not-text, format; of records: warc-request, warc-metadata, warc-warcinfo, warc-revisit, warc-continuation, warc-other;
 * http-status: a page that says to be none; column: one of Parquet that cannot be a member.
 *
 * A table (CSV, TSV, Parquet) is read where it is the file itself, compressed or not; inside archives only where `format` says so, else it is dropped as
 * "format" with everything that is for machines.
 */
#ifndef QUERN_CORPUS_READER_H
#define QUERN_CORPUS_READER_H

#include "base/memory.h"
#include "base/recipe.h"
#include "corpus/read/http_message.h"

struct corpus_reader;

/* What of a file is read. Pieces are of plain lines of JSON, or of records (WARC, ARC; plain or in members). */
enum corpus_piece_kind {
    CORPUS_WHOLE_FILE,
    CORPUS_PIECE_OF_LINES,
    CORPUS_PIECE_OF_RECORDS,
    CORPUS_LOOK_AT_RECORDS, /* such a piece, but nothing behind `to` is read, and there is no bound on what comes out */
    CORPUS_SEARCH_OF_RECORDS, /* the same, which may begin anywhere: with the first record behind `from` */
};

/* From the line or record, or member of records, that begins at `from` up to the one that begins at `to`. All zero: the whole file. */
struct corpus_piece {
    enum corpus_piece_kind kind;
    uint64_t from, to; /* stored bytes */
};

struct corpus_reader_options {
    uint64_t item_bytes_max;
    uint64_t unpack_ratio_max; /* bytes out of all levels per stored byte, beyond CORPUS_UNPACK_FREE_BYTES */
    unsigned depth_max;
    enum q_input_format
        format; /* of the file; inside archives only items of this format are taken, others dropped as "format" */
    struct corpus_piece piece;
    const char *text_field; /* of tables: the column that is the text; NULL: text */
};

enum { CORPUS_UNPACK_FREE_BYTES = 64 << 20, CORPUS_NAME_BYTES_MAX = 4096 };

/* What a larger item took is not kept for the next ones, here (but for a crawl's records, up to its end) and on the item's way to a document. */
enum { CORPUS_LARGE_BYTES = 4 << 20 };

/* Strings are valid until the next call. */
struct corpus_item {
    q_string name; /* inside the file; empty: the file itself. Valid UTF-8 */
    /* Number of the item in the file, from 0; those with a reason count too, and the rows in damage of Parquet. Where the file, packed or not, is one of
     * lines or records, the byte at which the item begins in what is unpacked of it; of a record in members of gzip or zstd the stored byte at which its
     * member begins, and `inside` the plain byte of the member. So it does not depend on what was read before. */
    uint64_t index, inside;
    /* HTML, TEXT, MAN; JSONL: one line; CSV, TSV, PARQUET: one row, as a line of JSON; UNKNOWN: what `http` and `bytes` say once decoded. */
    enum corpus_format format;
    q_string bytes; /* as they stand there, but for rows; empty where there is a reason */
    /* Of a record of WARC or ARC: its target, when that was fetched, its id. As they stand there, without <>. */
    q_string url, date, record;
    struct http_message http; /* how `bytes` are coded, and in which charset; zeroed: as they are */
    /* For the accounting: size of `bytes`, of a record's block, of a row, or of what was not read as far as it is known. */
    uint64_t in_bytes;
    const char *reason; /* NULL: read `bytes`. Else why not */
    bool failed;        /* with a reason: damage, as against not wanted */
    const char *note;   /* with a reason: what the library said, or where in the file it is; may be NULL */
};

/* Whether items of the format are taken where the recipe wants `wanted`. */
bool corpus_format_wanted(enum q_input_format wanted, enum corpus_format format);

/* In pieces of which kind a file that begins with `head` (CORPUS_SNIFF_BYTES, or all of it) may be read; CORPUS_WHOLE_FILE: in none. */
q_status corpus_piece_kind_of(const char *path, q_string head, const struct corpus_reader_options *options,
                              enum corpus_piece_kind *kind) Q_MUST_USE;

/* Whether this program was built with what reads Parquet. */
bool corpus_reads_parquet(void);

/* path: a file of the machine. Q_ERR_INPUT where it is absent. */
q_status corpus_reader_open(const char *path, const struct corpus_reader_options *options,
                            struct corpus_reader **out) Q_MUST_USE;
/* *more = false at the end. Fails for the machine's reasons only (disk, memory), and with Q_ERR_INPUT where a piece's end lies within a record. */
q_status corpus_reader_next(struct corpus_reader *reader, struct corpus_item *item, bool *more) Q_MUST_USE;
uint64_t
corpus_reader_position(const struct corpus_reader *reader); /* stored bytes consumed, of the piece: for progress */
void corpus_reader_close(struct corpus_reader *reader);     /* NULL is allowed */

#endif
