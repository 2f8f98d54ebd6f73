/* A part of documents on its way to disk: lines gather in `frame` until it is full. */
#include "base/check.h"
#include "base/document.h"
#include "base/seekable.h"

struct q_documents_writer {
    struct q_seekable_writer *file;
    struct q_buffer frame; /* whole lines, fewer than Q_DOCUMENTS_FRAME_BYTES between calls */
};

q_status q_documents_create(const char *path, struct q_documents_writer **out)
{
    struct q_documents_writer *writer;
    Q_TRY(q_alloc_zero(1, sizeof(*writer), &writer));
    q_status status = q_seekable_create(path, Q_SEEKABLE_LEVEL, &writer->file);
    if (status)
        q_release(writer);
    else
        *out = writer;
    return status;
}

static q_status write_frame(struct q_documents_writer *writer)
{
    Q_TRY(q_seekable_add_frame(writer->file, writer->frame.data, writer->frame.size));
    q_buffer_clear(&writer->frame);
    return Q_OK;
}

static q_status write_full_frame(struct q_documents_writer *writer)
{
    return writer->frame.size >= Q_DOCUMENTS_FRAME_BYTES ? write_frame(writer) : Q_OK;
}

q_status q_documents_append(struct q_documents_writer *writer, const struct q_document *document)
{
    Q_TRY(q_document_write(document, &writer->frame));
    return write_full_frame(writer);
}

q_status q_documents_append_line(struct q_documents_writer *writer, q_string line_with_end)
{
    q_check(line_with_end.size > 0 && line_with_end.data[line_with_end.size - 1] == '\n');
    if (line_with_end.size > Q_DOCUMENT_LINE_BYTES_MAX)
        return q_fail(Q_ERR_INPUT, "a document's line is longer than 1 GiB");
    Q_TRY(q_buffer_append_string(&writer->frame, line_with_end));
    return write_full_frame(writer);
}

q_status q_documents_commit(struct q_documents_writer *writer, struct q_file_identity *identity)
{
    q_status status = writer->frame.size > 0 ? write_frame(writer) : Q_OK;
    if (status)
        q_seekable_abandon(writer->file);
    else
        status = q_seekable_commit(writer->file, identity); /* which releases the file either way */
    writer->file = NULL;
    q_documents_abandon(writer);
    return status;
}

void q_documents_abandon(struct q_documents_writer *writer)
{
    if (!writer)
        return;
    q_seekable_abandon(writer->file);
    q_buffer_release(&writer->frame);
    q_release(writer);
}
