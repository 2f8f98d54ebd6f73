/* What a file is, by its name and by its first bytes. */
#ifndef QUERN_CORPUS_SNIFF_H
#define QUERN_CORPUS_SNIFF_H

#include "base/string.h"

enum corpus_format {
    CORPUS_UNKNOWN, /* the name does not say */
    CORPUS_EMPTY,   /* no bytes */
    CORPUS_ARCHIVE, /* archive or compressed file: opened */
    CORPUS_RECORDS, /* WARC, WET, WAT or ARC, compressed or not: opened */
    CORPUS_JSONL,   /* JSON lines */
    CORPUS_HTML,
    CORPUS_CSV, /* a table: rows of fields between commas, semicolons or tabs */
    CORPUS_TSV, /* between tabs */
    CORPUS_PARQUET,
    CORPUS_TEXT,      /* plain text */
    CORPUS_MAN,       /* manual page (troff with man or mdoc macros) */
    CORPUS_SCRIPT,    /* JavaScript or TypeScript: text where the rules for code are asked, else dropped as "format" */
    CORPUS_NOT_PROSE, /* text for machines: style sheets, markup, vector graphics: dropped as "format" */
    CORPUS_BINARY,    /* dropped as "not-text" */
};

const char *corpus_format_name(enum corpus_format format); /* "html" */

/* By the name's ending, compression endings looked through ("x.pdf.gz" is binary, "x.1.gz" an archive that holds a manual page). */
enum corpus_format corpus_format_by_name(q_string name);

/* Whether the format is that of a table: read where it is the input's own file, and inside archives only where the recipe says so. */
bool corpus_is_table(enum corpus_format format);

/* Whether the name is one of source code, by its ending (".c", ".py"), compression looked through. */
bool corpus_is_code_name(q_string name);

enum { CORPUS_SNIFF_BYTES = 64 * 1024 };

/* Whether the bytes begin an archive or compressed file that the readers open. */
bool corpus_is_archive(q_string head);
/* Those of them that must be read with seeking (zip, 7z, iso). */
bool corpus_needs_seek(q_string head);

/* By the first bytes (up to CORPUS_SNIFF_BYTES) and the name: never CORPUS_UNKNOWN. Binary content outweighs any name. */
enum corpus_format corpus_format_of(q_string name, q_string head);

#endif
