/* Whether a file holds records of WARC or ARC: by what it begins with, packed or not, and where that is damaged by its name. */
#include "corpus/read/members.h"
#include "corpus/read/warc_record.h"

enum { PEEK_BYTES = 4096 };

/* What begins as nothing that is known: damaged, if the name says that it holds records. */
static void look_at_name(q_string name, q_string head, struct corpus_records_look *look)
{
    look->records = head.size && !corpus_is_archive(head) && corpus_format_by_name(name) == CORPUS_RECORDS;
    look->coding = q_string_ends(name, ".gz") ? CORPUS_GZIP : q_string_ends(name, ".zst") ? CORPUS_ZSTD : CORPUS_PLAIN;
}

q_status corpus_records_look(q_string name, q_string head, struct corpus_records_look *look)
{
    *look = (struct corpus_records_look){.coding = corpus_coding_of(head)};
    if (look->coding == CORPUS_PLAIN) {
        look->arc = q_string_starts(head, "filedesc:") && warc_begins(head, true);
        look->records = look->arc || warc_begins(head, false);
        if (!look->records)
            look_at_name(name, head, look);
        return Q_OK;
    }
    look->records = corpus_format_by_name(name) == CORPUS_RECORDS;
    /* a zstd file that begins with a dictionary is a WARC; nobody else does that */
    look->records |= look->coding == CORPUS_ZSTD && head.data[0] == 0x5D;
    struct corpus_decompressor *decompressor;
    struct q_buffer plain = {0};
    Q_TRY(corpus_decompressor_create(&decompressor));
    q_status status = q_buffer_reserve(&plain, PEEK_BYTES);
    if (status == Q_OK)
        status = corpus_members_peek(decompressor, look->coding, head, &plain);
    if (status == Q_OK) {
        q_string begin = q_buffer_string(&plain);
        look->arc = q_string_starts(begin, "filedesc:") && warc_begins(begin, true);
        look->records |= look->arc || warc_begins(begin, false);
    }
    q_buffer_release(&plain);
    corpus_decompressor_release(decompressor);
    return status;
}
