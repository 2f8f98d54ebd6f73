/* A level of lines: each line that is not blank is an item. */
#include "base/check.h"
#include "corpus/read/reader_level.h"

/* One line into reader->bytes (without its end), or past a line that is too long: *size is its length. *blank: there is only white space in it. */
static q_status take_line(struct corpus_level *level, uint64_t *size, bool *too_large, bool *blank, bool *ended)
{
    struct corpus_reader *reader = level->reader;
    struct q_buffer *line = &reader->bytes;
    q_buffer_clear(line);
    *size = 0;
    *too_large = false;
    *blank = true;
    for (;;) {
        if (level->block_at == level->block_size) {
            Q_TRY(corpus_level_fill(level, ended));
            if (*ended)
                return Q_OK; /* what is in `line` is the last line, without an end */
        }
        const char *from = level->block + level->block_at;
        size_t left = level->block_size - level->block_at;
        const char *stop = memchr(from, '\n', left);
        size_t count = stop ? (size_t)(stop - from) : left;
        *size += count;
        *blank = *blank && q_string_trim((q_string){from, count}).size == 0;
        *too_large |= *size > reader->options.item_bytes_max;
        if (!*too_large)
            Q_TRY(q_buffer_append(line, from, count));
        level->block_at += count + (stop != NULL);
        if (stop)
            return Q_OK;
    }
}

q_status corpus_lines_next(struct corpus_level *level, struct corpus_item *item, bool *ended)
{
    struct corpus_reader *reader = level->reader;
    *ended = false;
    while (!*ended) {
        const uint64_t place = level->block_offset + level->block_at;
        uint64_t size;
        bool too_large, blank;
        Q_TRY(take_line(level, &size, &too_large, &blank, ended));
        if (*ended && level->outer && level->outer->failure)
            return Q_OK; /* a line that the damage cut is not a line */
        if (blank)
            continue; /* however long */
        if (too_large)
            corpus_item_refuse(reader, item, "too-large", true, size);
        else
            corpus_item_begin(reader, item);
        item->format = CORPUS_JSONL;
        item->bytes = too_large ? (q_string){0} : q_buffer_string(&reader->bytes);
        item->in_bytes = size;
        if (corpus_level_is_file(level))
            item->index = place;
        *ended = false;
        return Q_OK;
    }
    return Q_OK;
}
