/* Inside of the readers: the stack of levels. Only reader*.c include this. */
#ifndef QUERN_CORPUS_READER_LEVEL_H
#define QUERN_CORPUS_READER_LEVEL_H

#include "corpus/read/reader.h"

#include <archive.h>
#include <archive_entry.h>

enum { CORPUS_BLOCK_BYTES = 128 * 1024, CORPUS_NOTE_MAX = 200 };

enum corpus_level_kind {
    CORPUS_LEVEL_ARCHIVE,
    CORPUS_LEVEL_LINES,
    CORPUS_LEVEL_RECORDS,
    CORPUS_LEVEL_CSV,
    CORPUS_LEVEL_TSV,
    CORPUS_LEVEL_PARQUET
};

/* A container that is open. Its bytes come from the entry at which the level outside stands, or from the file where there is none: first
 * those that were peeked at (`head`), then the rest. */
struct corpus_level {
    struct corpus_reader *reader;
    struct corpus_level *outer;
    enum corpus_level_kind kind;
    struct archive *archive;     /* of an archive */
    struct archive_entry *entry; /* at which the archive stands */
    struct q_buffer head;        /* bytes of this level's source read ahead; the whole source where `whole` */
    size_t head_at;
    struct corpus_records *records; /* of records */
    struct corpus_table *table;     /* of rows */
    struct corpus_parquet *parquet; /* of those of Parquet */
    char *block;                    /* CORPUS_BLOCK_BYTES: what libarchive, lines or rows are read from */
    size_t block_at, block_size;
    uint64_t block_offset; /* of lines: plain bytes before the block */
    bool whole;
    bool source_ended;   /* the source gave its last byte: an error after it means a cut file */
    const char *failure; /* reading the current entry failed for this reason */
    bool fatal;          /* and nothing behind it can be read */
    bool single;         /* a compressed file without an archive in it: its entry has the level's own name */
    const char *data; /* libarchive's current block of the entry, `data_left` bytes of it to come behind `gap` zeros */
    size_t data_left;
    uint64_t gap, data_at;  /* data_at: offset in the entry of what comes next */
    bool debian;            /* an ar with debian-binary in it: only data.tar is of interest */
    bool data_seen;         /* and it was there */
    uint64_t given;         /* bytes that libarchive got */
    uint64_t entries;       /* of any kind */
    size_t name_size;       /* of the level's own name at the beginning of reader->name */
    size_t entry_name_size; /* of the current entry's name, the level's in front */
    unsigned retries;       /* headers in a row that could not be read */
};

struct corpus_reader {
    struct corpus_reader_options options;
    const char *path;
    int fd;
    uint64_t offset, size;
    uint64_t end;                    /* of what is read */
    uint64_t stored;                 /* bytes of the file, or of the piece */
    uint64_t unpacked, unpacked_max; /* bytes out of all levels */
    struct corpus_level *top;
    unsigned depth;
    bool begun;
    uint64_t index;
    struct q_buffer name;  /* of the current entry: names of the levels and its own, joined by '/' */
    struct q_buffer head;  /* first bytes of the current entry */
    struct q_buffer bytes; /* of the current item */
    q_status status;       /* the machine's failure, noticed inside libarchive */
    struct q_error error;
    char note[CORPUS_NOTE_MAX];
};

/* Bytes of the source of a level whose outside is `outer` (NULL: the file), up to `size`; 0 at its end; -1: it failed and outer->failure or
 * reader->status says why. Counts against the bomb limit. */
int64_t corpus_source_read(struct corpus_reader *reader, struct corpus_level *outer, void *bytes, size_t size);
/* Reads on into `to` up to `max` bytes in all. *ended: the source has no more. *good = false: it failed. */
q_status corpus_source_fill(struct corpus_reader *reader, struct corpus_level *outer, struct q_buffer *to, uint64_t max,
                            bool *ended, bool *good) Q_MUST_USE;
/* As corpus_source_read, through the level's head. */
int64_t corpus_level_read(struct corpus_level *level, void *bytes, size_t size);
/* More bytes into the level's block. *ended: there are none, or the source failed (level->outer->failure then says why). */
q_status corpus_level_fill(struct corpus_level *level, bool *ended) Q_MUST_USE;
/* Size of a source where somebody says so, else 0: for the accounting of what is not read. A lie is cut to what keeps sums sane. */
uint64_t corpus_entry_bytes(const struct corpus_reader *reader, const struct corpus_level *outer);

/* libarchive (reader_archive.c). open: *reason is NULL on success. */
q_status corpus_archive_open(struct corpus_level *level, const char **reason) Q_MUST_USE;
enum corpus_step { CORPUS_STEP_ENTRY, CORPUS_STEP_SKIP, CORPUS_STEP_END, CORPUS_STEP_FAILED };
/* Goes to the next regular file; its name is appended to reader->name. */
q_status corpus_archive_step(struct corpus_level *level, enum corpus_step *step, const char **reason) Q_MUST_USE;
/* Bytes of the current entry: up to `size`; 0 at its end; an error of libarchive (< 0) only when nothing is left before it. */
int64_t corpus_archive_read(struct corpus_level *level, void *bytes, size_t size);
/* Why libarchive failed: by what it says and whether the source was at its end. */
const char *corpus_archive_reason(struct corpus_level *level);

/* Counts bytes that came out of a level; false, and the level's failure is set, where they are too many for the file they came out of. */
bool corpus_count_unpacked(struct corpus_reader *reader, struct corpus_level *level, uint64_t bytes);

/* Records of the web (records_look.c, reader_records.c). look: whether bytes that begin like `head`, under that name, hold records, and how. */
struct corpus_records_look {
    bool records, arc;
    enum corpus_coding coding;
};
q_status corpus_records_look(q_string name, q_string head, struct corpus_records_look *look) Q_MUST_USE;
/* *reason is NULL on success. */
q_status corpus_records_open(struct corpus_level *level, const struct corpus_records_look *look,
                             const char **reason) Q_MUST_USE;
void corpus_records_release(struct corpus_records *records); /* NULL is allowed */
/* Goes to the piece that the reader's options name: behind corpus_records_open, with which the dictionary of zstd frames was read. */
q_status corpus_records_seek(struct corpus_level *level) Q_MUST_USE;
/* *ended: no record was left, or the level has failed. */
q_status corpus_records_next(struct corpus_level *level, struct corpus_item *item, bool *ended) Q_MUST_USE;

/* Lines (reader_lines.c). *ended: no line was left. */
q_status corpus_lines_next(struct corpus_level *level, struct corpus_item *item, bool *ended) Q_MUST_USE;

/* Rows of CSV and TSV (reader_table.c). *ended: no row was left. */
q_status corpus_table_open(struct corpus_level *level) Q_MUST_USE;
void corpus_table_release(struct corpus_table *table); /* NULL is allowed */
q_status corpus_table_next(struct corpus_level *level, struct corpus_item *item, bool *ended) Q_MUST_USE;

/* Rows of Parquet (reader_parquet.c); the level is the file itself, or `whole`. *reason is NULL on success. */
q_status corpus_parquet_open(struct corpus_level *level, const char **reason) Q_MUST_USE;
void corpus_parquet_release(struct corpus_parquet *parquet); /* NULL is allowed */
q_status corpus_parquet_next(struct corpus_level *level, struct corpus_item *item, bool *ended) Q_MUST_USE;

/* Whether the level holds all of the file, packed or not: its items are named after their places. */
bool corpus_level_is_file(const struct corpus_level *level);
/* Fills `item` with the reader's current name and counts it. */
void corpus_item_begin(struct corpus_reader *reader, struct corpus_item *item);
/* The same with a reason. */
void corpus_item_refuse(struct corpus_reader *reader, struct corpus_item *item, const char *reason, bool failed,
                        uint64_t in_bytes);

#endif
