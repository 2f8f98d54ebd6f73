#include "train/watch/tensorboard.h"

#include "base/check.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <stdio.h>

/* A record of ours is far smaller; a length beyond this is damage. */
enum { RECORD_BYTES_MAX = 1 << 28, HEADER_BYTES = 12, FOOTER_BYTES = 4 };

/* Numbers of the fields in tensorflow/core/util/event.proto and framework/summary.proto. */
enum {
    EVENT_WALL_TIME = 1, /* double */
    EVENT_STEP = 2,      /* int64 */
    EVENT_FILE_VERSION = 3,
    EVENT_SUMMARY = 5,
    EVENT_SESSION_LOG = 7,
    SESSION_STATUS = 1, /* SessionStatus: START = 1 */
    SUMMARY_VALUE = 1,  /* repeated Value */
    VALUE_TAG = 1,
    VALUE_SIMPLE = 2, /* float */
    VALUE_HISTOGRAM = 5,
    HISTOGRAM_MIN = 1, /* doubles: min, max, num, sum, sum_squares = 1 .. 5 */
    HISTOGRAM_LIMITS = 6,
    HISTOGRAM_BUCKETS = 7, /* both packed doubles */
};

/* Protocol buffers' wire types. */
enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct events {
    struct q_arena arena;
    const char *path;
    int fd;
    uint64_t step;
    double now;
    q_status status;                                     /* of events_put_*: sticks until events_end */
    struct q_buffer summary, part, inner, event, record; /* messages from the inside out */
};

uint32_t events_crc(const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82f63b78U & (0U - (crc & 1U)));
    }
    return ~crc;
}

uint32_t events_masked_crc(const void *bytes, size_t count)
{
    uint32_t crc = events_crc(bytes, count);
    return (crc >> 15 | crc << 17) + 0xa282ead8U;
}

/* Little-endian, `size` bytes. */
static q_status put_fixed(struct q_buffer *out, uint64_t value, int size)
{
    char bytes[8];
    for (int i = 0; i < size; i++)
        bytes[i] = (char)(value >> 8 * i & 255);
    return q_buffer_append(out, bytes, (size_t)size);
}

static q_status put_varint(struct q_buffer *out, uint64_t value)
{
    for (; value >= 128; value >>= 7)
        Q_TRY(q_buffer_append_byte(out, (char)((value & 127) | 128)));
    return q_buffer_append_byte(out, (char)value);
}

static q_status put_key(struct q_buffer *out, unsigned field, unsigned wire)
{
    return put_varint(out, field << 3 | wire);
}

static q_status put_double(struct q_buffer *out, unsigned field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    Q_TRY(put_key(out, field, WIRE_64));
    return put_fixed(out, bits, 8);
}

static q_status put_bytes(struct q_buffer *out, unsigned field, q_string bytes)
{
    Q_TRY(put_key(out, field, WIRE_BYTES));
    Q_TRY(put_varint(out, bytes.size));
    return q_buffer_append_string(out, bytes);
}

static q_status put_doubles(struct q_buffer *out, unsigned field, const double *values, size_t count)
{
    Q_TRY(put_key(out, field, WIRE_BYTES));
    Q_TRY(put_varint(out, count * 8));
    for (size_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        Q_TRY(put_fixed(out, bits, 8));
    }
    return Q_OK;
}

/* One Event with a message or text in one of its fields, framed, written. */
static q_status write_event(struct events *events, unsigned field, q_string content)
{
    struct q_buffer *event = &events->event, *record = &events->record;
    q_buffer_clear(event);
    q_buffer_clear(record);
    Q_TRY(put_double(event, EVENT_WALL_TIME, events->now));
    if (events->step) {
        Q_TRY(put_key(event, EVENT_STEP, WIRE_VARINT));
        Q_TRY(put_varint(event, events->step));
    }
    Q_TRY(put_bytes(event, field, content));
    Q_TRY(put_fixed(record, event->size, 8));
    Q_TRY(put_fixed(record, events_masked_crc(record->data, 8), 4));
    Q_TRY(q_buffer_append(record, event->data, event->size));
    Q_TRY(put_fixed(record, events_masked_crc(event->data, event->size), 4));
    return q_fs_write_all(events->fd, events->path, record->data, record->size);
}

static uint64_t fixed_at(const uint8_t *bytes, int size)
{
    uint64_t value = 0;
    for (int i = 0; i < size; i++)
        value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

static bool take_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

/* The step of an Event; 0 where it has none, as that is how 0 is stored. */
static bool step_of(const uint8_t *at, size_t size, uint64_t *step)
{
    const uint8_t *end = at + size;
    *step = 0;
    while (at < end) {
        uint64_t key, value;
        if (!take_varint(&at, end, &key))
            return false;
        size_t fixed = (key & 7) == WIRE_64 ? 8 : (key & 7) == WIRE_32 ? 4 : 0;
        if (!fixed && !take_varint(&at, end, &value))
            return false;
        if (!fixed && (key & 7) == WIRE_BYTES) {
            if (value > (uint64_t)(end - at))
                return false;
            fixed = (size_t)value;
        } else if (!fixed && key == (EVENT_STEP << 3 | WIRE_VARINT)) {
            *step = value;
        } else if (!fixed && (key & 7) != WIRE_VARINT) {
            return false;
        }
        if (fixed > (size_t)(end - at))
            return false;
        at += fixed;
    }
    return true;
}

/* Reads the record at `offset`. *whole = false where there is none, it is cut short or a checksum is wrong. */
static q_status read_record(int fd, const char *path, uint64_t offset, uint64_t size, struct q_buffer *record,
                            bool *whole, uint64_t *step)
{
    uint8_t header[HEADER_BYTES];
    *whole = false;
    if (size - offset < HEADER_BYTES + FOOTER_BYTES)
        return Q_OK;
    Q_TRY(q_fs_read_at(fd, path, offset, header, sizeof header));
    uint64_t length = fixed_at(header, 8);
    if (fixed_at(header + 8, 4) != events_masked_crc(header, 8) || length > RECORD_BYTES_MAX ||
        length > size - offset - HEADER_BYTES - FOOTER_BYTES)
        return Q_OK;
    q_buffer_clear(record);
    Q_TRY(q_buffer_reserve(record, (size_t)length + FOOTER_BYTES));
    Q_TRY(q_fs_read_at(fd, path, offset + HEADER_BYTES, record->data, (size_t)length + FOOTER_BYTES));
    const uint8_t *bytes = (const uint8_t *)record->data;
    record->size = (size_t)length;
    *whole =
        fixed_at(bytes + length, 4) == events_masked_crc(bytes, (size_t)length) && step_of(bytes, (size_t)length, step);
    return Q_OK;
}

/* Cuts what stands behind `step`, or is no whole record, off one file. The file stays, be it empty: numbers are never used again. */
static q_status cut_file(const char *path, uint64_t step, struct q_buffer *record)
{
    bool exists, whole = true;
    struct stat stat;
    uint64_t kept = 0, seen = 0;
    Q_TRY(q_fs_look(path, &exists, &stat));
    int fd = q_fs()->open(path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0)
        return q_fail_errno(errno, "cannot open '%s'", path);
    const uint64_t size = (uint64_t)stat.st_size;
    q_status status = Q_OK;
    while (!status && kept < size) {
        status = read_record(fd, path, kept, size, record, &whole, &seen);
        if (status || !whole || seen > step)
            break;
        kept += HEADER_BYTES + record->size + FOOTER_BYTES;
    }
    if (!status && kept < size && q_fs()->ftruncate(fd, (off_t)kept) != 0)
        status = q_fail_errno(errno, "cannot cut '%s'", path);
    q_fs_close(fd);
    return status;
}

/* Cuts every file of ours in the folder; *next: a number that none has. */
static q_status cut_behind(struct events *events, const char *folder, uint64_t step, unsigned *next)
{
    const char **names;
    size_t count;
    *next = 1;
    Q_TRY(q_fs_list(folder, &events->arena, &names, &count));
    for (size_t i = 0; i < count; i++) {
        const char *path;
        unsigned number;
        int end = 0;
        if (sscanf(names[i], "events.out.tfevents.%10u.quern%n", &number, &end) != 1 || end == 0 || names[i][end])
            continue; /* somebody else's */
        *next = Q_MAX(*next, number + 1);
        Q_TRY(q_fs_join(&events->arena, folder, names[i], &path));
        Q_TRY(cut_file(path, step, &events->record));
    }
    return Q_OK;
}

static q_status open_in(struct events *events, const char *run_folder, uint64_t step)
{
    const char *folder, *name;
    unsigned next;
    Q_TRY(q_fs_join(&events->arena, run_folder, "tensorboard", &folder));
    Q_TRY(q_fs_make_directories(folder));
    Q_TRY(cut_behind(events, folder, step, &next));
    Q_TRY(q_arena_printf(&events->arena, &name, "events.out.tfevents.%010u.quern", next));
    Q_TRY(q_fs_join(&events->arena, folder, name, &events->path));
    events->fd = q_fs()->open(events->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (events->fd < 0)
        return q_fail_errno(errno, "cannot open '%s'", events->path);
    Q_TRY(write_event(events, EVENT_FILE_VERSION, Q_STRING("brain.Event:2")));
    events->step = step + 1; /* what was read of this step and later ones is void */
    return write_event(events, EVENT_SESSION_LOG, (q_string){"\x08\x01", 2}); /* status = START */
}

q_status events_open(const char *run_folder, uint64_t step, double now, struct events **out)
{
    struct events *events;
    Q_TRY(q_alloc_zero(1, sizeof *events, &events));
    events->fd = -1;
    events->now = now;
    q_status status = open_in(events, run_folder, step);
    if (status)
        events_close(events);
    else
        *out = events;
    return status;
}

void events_close(struct events *events)
{
    if (!events)
        return;
    struct q_buffer *buffers[] = {&events->summary, &events->part, &events->inner, &events->event, &events->record};
    q_fs_close(events->fd);
    for (size_t i = 0; i < Q_COUNT_OF(buffers); i++)
        q_buffer_release(buffers[i]);
    q_arena_release(&events->arena);
    q_release(events);
}

void events_begin(struct events *events, uint64_t step, double now)
{
    events->step = step;
    events->now = now;
    events->status = Q_OK;
    q_buffer_clear(&events->summary);
}

static q_status put_scalar(struct events *events, const char *tag, double value)
{
    struct q_buffer *part = &events->part;
    float narrow = (float)value;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    q_buffer_clear(part);
    Q_TRY(put_bytes(part, VALUE_TAG, q_string_of(tag)));
    Q_TRY(put_key(part, VALUE_SIMPLE, WIRE_32));
    Q_TRY(put_fixed(part, bits, 4));
    return put_bytes(&events->summary, SUMMARY_VALUE, q_buffer_string(part));
}

void events_put_scalar(struct events *events, const char *tag, double value)
{
    if (!events->status)
        events->status = put_scalar(events, tag, value);
}

static q_status put_histogram(struct events *events, const char *tag, const double *values, size_t count)
{
    enum { BUCKETS = 41 };
    double limits[BUCKETS], buckets[BUCKETS] = {0}, figures[5] = {INFINITY, -INFINITY, (double)count, 0, 0};
    size_t first = BUCKETS - 1,
           last = 0; /* with something in them: readers take the first to begin at min, the last to end at max */
    struct q_buffer *part = &events->part, *inner = &events->inner;
    for (int i = 0; i < BUCKETS; i++)
        limits[i] = i < BUCKETS - 1 ? (double)(i + 1) / 10 : DBL_MAX;
    for (size_t i = 0; i < count; i++) {
        size_t bucket = 0;
        while (values[i] > limits[bucket])
            bucket++;
        buckets[bucket]++;
        first = Q_MIN(first, bucket);
        last = Q_MAX(last, bucket);
        figures[0] = fmin(figures[0], values[i]);
        figures[1] = fmax(figures[1], values[i]);
        figures[3] += values[i];
        figures[4] += values[i] * values[i];
    }
    q_buffer_clear(inner);
    for (unsigned i = 0; i < 5; i++)
        Q_TRY(put_double(inner, HISTOGRAM_MIN + i, figures[i]));
    Q_TRY(put_doubles(inner, HISTOGRAM_LIMITS, limits + first, last - first + 1));
    Q_TRY(put_doubles(inner, HISTOGRAM_BUCKETS, buckets + first, last - first + 1));
    q_buffer_clear(part);
    Q_TRY(put_bytes(part, VALUE_TAG, q_string_of(tag)));
    Q_TRY(put_bytes(part, VALUE_HISTOGRAM, q_buffer_string(inner)));
    return put_bytes(&events->summary, SUMMARY_VALUE, q_buffer_string(part));
}

void events_put_histogram(struct events *events, const char *tag, const double *values, size_t count)
{
    if (!events->status && count > 0)
        events->status = put_histogram(events, tag, values, count);
}

q_status events_end(struct events *events)
{
    Q_TRY(events->status);
    return events->summary.size ? write_event(events, EVENT_SUMMARY, q_buffer_string(&events->summary)) : Q_OK;
}
