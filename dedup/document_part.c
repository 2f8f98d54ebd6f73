#include "dedup/document_part.h"

#include "base/check.h"

q_status document_part_open(struct document_part *part, const char *path)
{
    document_part_close(part);
    part->path = path;
    Q_TRY(q_seekable_open(path, &part->reader));
    uint32_t all = q_seekable_frame_count(part->reader);
    Q_TRY(q_alloc(all, sizeof(*part->frames), &part->frames));
    for (uint32_t i = 0; i < all; i++) {
        struct q_frame_info info;
        Q_TRY(q_seekable_frame(part->reader, i, &info));
        if (info.kind == Q_FRAME_DATA)
            part->frames[part->frame_count++] = i;
    }
    return Q_OK;
}

void document_part_close(struct document_part *part)
{
    if (part->reader)
        q_seekable_close(part->reader);
    q_release(part->frames);
    q_buffer_release(&part->plain);
    *part = (struct document_part){0};
}

q_status document_part_read(struct document_part *part, uint32_t frame)
{
    q_check(frame < part->frame_count);
    Q_TRY(q_seekable_read_frame(part->reader, part->frames[frame], &part->plain));
    if (part->plain.size && part->plain.data[part->plain.size - 1] != '\n')
        return q_fail(Q_ERR_INPUT,
                      "'%s': frame %u does not end with a line's end; documents are whole lines in each frame",
                      part->path, part->frames[frame]);
    return Q_OK;
}
