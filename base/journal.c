#include "base/journal.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>

enum { JOURNAL_BYTES_MAX = 1 << 30, CHAIN_HEX = 17 };

struct q_journal {
    int fd;
    char *path;
    uint64_t lines;
    uint64_t bytes; /* of whole lines */
    char previous[CHAIN_HEX];
};

/* What a walk over the lines has learnt. */
struct chain {
    uint64_t lines;
    uint64_t bytes; /* of whole lines */
    char previous[CHAIN_HEX];
};

static void link_of(q_string line, char out[CHAIN_HEX])
{
    snprintf(out, CHAIN_HEX, "%016" PRIx64, q_hash64(line.data, line.size, 0));
}

/* Checks one line and goes on to the next; `entries` (may be NULL) collects it. */
static q_status follow(struct chain *chain, q_string line, const char *path, json_t *entries)
{
    char name[512];
    snprintf(name, sizeof name, "%.400s: line %" PRIu64, path, chain->lines + 1);
    json_t *entry = NULL;
    Q_TRY(q_json_parse(line, name, &entry));
    q_string previous;
    uint64_t n;
    q_status status = q_json_get_string(entry, name, "previous", &previous);
    if (!status)
        status = q_json_get_u64(entry, name, "n", &n);
    if (!status && (!q_string_is(previous, chain->previous) || n != chain->lines))
        status =
            q_fail(Q_ERR_INPUT, "%s does not follow the line before; the journal was changed by hand or damaged", name);
    if (!status && entries)
        status = q_json_push(entries, json_incref(entry));
    json_decref(entry);
    Q_TRY(status);
    link_of(line, chain->previous);
    chain->lines++;
    chain->bytes += line.size + 1;
    return Q_OK;
}

/* Walks over the whole lines; what stands behind the last line end is a torn line and is left out. */
static q_status walk(q_string text, const char *path, struct chain *chain, json_t *entries)
{
    *chain = (struct chain){.previous = "0000000000000000"};
    while (text.size > chain->bytes) {
        q_string rest = q_string_slice(text, chain->bytes, text.size);
        const char *end = memchr(rest.data, '\n', rest.size);
        if (!end)
            break;
        Q_TRY(follow(chain, q_string_slice(rest, 0, (size_t)(end - rest.data)), path, entries));
    }
    return Q_OK;
}

/* Reads what is there, finds where the whole lines end, and cuts a torn line off. */
static q_status resume(struct q_journal *journal)
{
    struct q_buffer text = {0};
    struct chain chain;
    q_status status = q_fs_read_file(journal->path, JOURNAL_BYTES_MAX, &text);
    if (!status)
        status = walk(q_buffer_string(&text), journal->path, &chain, NULL);
    if (!status && chain.bytes < text.size && q_fs()->ftruncate(journal->fd, (off_t)chain.bytes) != 0)
        status = q_fail_errno(errno, "cannot cut the torn last line off '%s'", journal->path);
    if (!status) {
        journal->lines = chain.lines;
        journal->bytes = chain.bytes;
        memcpy(journal->previous, chain.previous, CHAIN_HEX);
    }
    q_buffer_release(&text);
    return status;
}

q_status q_journal_open(const char *path, struct q_journal **out)
{
    struct q_journal *journal;
    bool taken;
    Q_TRY(q_alloc_zero(1, sizeof *journal, &journal));
    journal->fd = -1;
    size_t size = strlen(path) + 1;
    q_status status = q_alloc(size, 1, &journal->path);
    if (status)
        goto failed;
    memcpy(journal->path, path, size);
    journal->fd = q_fs()->open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (journal->fd < 0) {
        status = q_fail_errno(errno, "cannot open '%s'", path);
        goto failed;
    }
    Q_TRY_GOTO(failed, q_fs_lock(journal->fd, path, LOCK_EX, &taken));
    if (!taken) {
        status = q_fail(Q_ERR_SYSTEM, "another process is writing '%s'; wait for it or stop it", path);
        goto failed;
    }
    Q_TRY_GOTO(failed, resume(journal));
    *out = journal;
    return Q_OK;
failed:
    q_journal_close(journal);
    return status;
}

void q_journal_close(struct q_journal *journal)
{
    if (!journal)
        return;
    q_fs_close(journal->fd);
    q_release(journal->path);
    q_release(journal);
}

/* The line without its end: n, at, event, the fields, previous. */
static q_status compose(const struct q_journal *journal, const char *event, const json_t *fields, struct q_buffer *out)
{
    char now[21];
    q_time_text(now);
    struct q_json json = q_json_begin(out);
    q_json_open(&json, NULL, '{');
    q_json_put_u64(&json, "n", journal->lines);
    q_json_put_string(&json, "at", q_string_of(now));
    q_json_put_string(&json, "event", q_string_of(event));
    struct q_buffer value = {0};
    const char *key;
    json_t *member;
    q_status status = Q_OK;
    json_object_foreach((json_t *)fields, key, member)
    {
        q_buffer_clear(&value);
        Q_TRY_GOTO(done, q_json_dump(member, 0, &value));
        q_json_put_raw(&json, key, q_string_trim(q_buffer_string(&value)));
    }
    q_json_put_string(&json, "previous", q_string_of(journal->previous));
    q_json_close(&json, '}');
    status = q_json_end(&json);
done:
    q_buffer_release(&value);
    return status;
}

q_status q_journal_append(struct q_journal *journal, const char *event, json_t *fields)
{
    struct q_buffer line = {0};
    q_status status = compose(journal, event, fields, &line);
    json_decref(fields);
    char next[CHAIN_HEX];
    if (!status) {
        link_of(q_buffer_string(&line), next);
        status = q_buffer_append_byte(&line, '\n');
    }
    if (!status)
        status = q_fs_write_all(journal->fd, journal->path, line.data, line.size);
    if (!status && q_fs()->fsync(journal->fd) != 0)
        status = q_fail_errno(errno, "cannot flush '%s'", journal->path);
    if (!status) {
        memcpy(journal->previous, next, CHAIN_HEX);
        journal->lines++;
        journal->bytes += line.size;
    } else if (q_fs()->ftruncate(journal->fd, (off_t)journal->bytes) != 0) {
        /* Half a line may stay: the next one to open the journal takes it off. */
        status = q_context(status, "'%s' keeps a torn line", journal->path);
    }
    q_buffer_release(&line);
    return status;
}

q_status q_journal_read(const char *path, json_t **out)
{
    bool exists;
    Q_TRY(q_fs_look(path, &exists, NULL));
    json_t *entries = json_array();
    if (!entries)
        return q_fail(Q_ERR_MEMORY, "no memory for the journal '%s'", path);
    struct q_buffer text = {0};
    struct chain chain;
    q_status status = exists ? q_fs_read_file(path, JOURNAL_BYTES_MAX, &text) : Q_OK;
    if (!status)
        status = walk(q_buffer_string(&text), path, &chain, entries);
    q_buffer_release(&text);
    if (status)
        json_decref(entries);
    else
        *out = entries;
    return status;
}
