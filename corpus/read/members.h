/* A level's stored bytes as plain bytes, member by member: gzip members, zstd frames, or the source itself where it is plain. What a crawler writes has a
 * record to a member, so that behind a damaged one the next can be found.
 *
 * Of the current member the last CORPUS_MEMBER_WINDOW stored bytes are kept: the search behind damage begins there, right behind the member's first byte where
 * it is not longer. (Damage is noticed late: a broken member may have swallowed the ones behind it.) Bytes are gone through again at most as often as there
 * are bytes read and a window more, so the work stays linear whatever the file; beyond that the search begins where the damage was noticed.
 *
 * zstd frames may need the dictionary that a skippable frame at the file's beginning holds ("Zstandard Compression for WARC Files 1.0", IIPC).
 *
 * Memory: two windows, a block, and the decompressor.
 */
#ifndef QUERN_CORPUS_MEMBERS_H
#define QUERN_CORPUS_MEMBERS_H

#include "corpus/read/decompress.h"
#include "corpus/read/reader_level.h"

enum { CORPUS_MEMBER_WINDOW = 1 << 20, CORPUS_DICTIONARY_BYTES_MAX = 16 << 20 };

struct corpus_members {
    struct corpus_level *level; /* the source */
    enum corpus_coding coding;
    struct corpus_decompressor *decompressor; /* NULL: plain */
    struct q_buffer stored;                   /* the window: stored bytes from `stored_offset` on */
    size_t at;                                /* in `stored`: of what comes next */
    uint64_t stored_offset;                   /* in the source */
    uint64_t member;         /* offset in the source at which the current member begins, or begun last */
    uint64_t from, searched; /* where reading began; stored bytes gone through again behind damage */
    bool open;               /* inside a member */
};

enum corpus_member_step {
    CORPUS_MEMBER_BYTES, /* plain bytes were appended, perhaps none */
    CORPUS_MEMBER_END,   /* the member is over; the next call begins another */
    CORPUS_MEMBER_BAD,   /* it is damaged: go on with corpus_members_resume */
    CORPUS_MEMBER_CUT,   /* the source ended inside of it: likewise */
    CORPUS_MEMBERS_END,  /* the source is over, or failed, which its own level reports */
};

/* *reason = NULL, or why the source cannot be read (archive-damaged: its dictionary). Release also after a failure. */
q_status corpus_members_open(struct corpus_level *level, enum corpus_coding coding, struct corpus_members *members,
                             const char **reason) Q_MUST_USE;
void corpus_members_release(struct corpus_members *members);
/* To the stored byte `offset` of the source, which is there next: a member is to begin with it. */
void corpus_members_seek(struct corpus_members *members, uint64_t offset);
/* Stored bytes before what comes next. */
uint64_t corpus_members_position(const struct corpus_members *members);

/* Up to CORPUS_BLOCK_BYTES of plain bytes, all of one member, appended to `out`. */
q_status corpus_members_read(struct corpus_members *members, struct q_buffer *out,
                             enum corpus_member_step *step) Q_MUST_USE;

/* Goes to the next member behind the damaged one whose plain bytes are as `begins` wants them; false: there is none, and the source is over. */
q_status corpus_members_resume(struct corpus_members *members, bool (*begins)(q_string head, bool arc), bool arc,
                               bool *found) Q_MUST_USE;

/* Plain bytes at the beginning of `head`, stored bytes of this coding, up to the capacity of `out`. */
q_status corpus_members_peek(struct corpus_decompressor *decompressor, enum corpus_coding coding, q_string head,
                             struct q_buffer *out) Q_MUST_USE;
/* The coding that the first bytes say. */
enum corpus_coding corpus_coding_of(q_string head);

#endif
