/* provenance.json: how a result came about. It differs from run to run and is never part of an identity. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/json_private.h"
#include "base/manifest_private.h"

#include <sys/utsname.h>

void q_processor_name(char *out, size_t out_size)
{
    struct q_buffer text = {0};
    q_string rest, line;
    out[0] = '\0';
    if (!q_fs_read_file("/proc/cpuinfo", 16 << 20, &text)) {
        rest = q_buffer_string(&text);
        while (!out[0] && q_string_next_line(&rest, &line)) {
            size_t colon = q_string_find(line, Q_STRING(":"), 0);
            if (colon < line.size && q_string_starts(line, "model name"))
                q_show(out, out_size, q_string_trim(q_string_slice(line, colon + 1, line.size)));
        }
    }
    q_buffer_release(&text);
}

static q_status fill(const struct q_step *step, const char *program, json_t *object)
{
    char time[21], processor[128], hex[Q_HASH_HEX] = "";
    struct utsname system;
    q_hash hash;
    Q_TRY(q_program_hash(&hash));
    q_time_text(time);
    q_processor_name(processor, sizeof(processor));
    if (uname(&system) != 0)
        system = (struct utsname){0};
    Q_TRY(q_json_set(object, "format", json_integer(Q_MANIFEST_FORMAT)));
    Q_TRY(q_json_set(object, "program", json_string(program ? program : "")));
    Q_TRY(q_json_set(object, "program_hash", json_string(q_hash_hex(hash, hex))));
    Q_TRY(q_json_set(object, "version", json_string(q_version())));
    Q_TRY(q_json_set(object, "finished", json_string(time)));
    Q_TRY(q_json_set(object, "seconds", json_real(q_seconds() - step->started)));
    Q_TRY(q_json_set(object, "threads", json_integer(step->threads)));
    Q_TRY(q_json_set(object, "memory_peak_bytes", json_integer((json_int_t)q_memory_peak_bytes())));
    Q_TRY(q_json_set(object, "processor", q_json_string(q_string_of(processor))));
    Q_TRY(q_json_set(object, "system", q_json_string(q_string_of(system.sysname))));
    return q_json_set(object, "machine", q_json_string(q_string_of(system.machine)));
}

q_status q_provenance_publish(struct q_step *step, const char *program)
{
    const char *path;
    json_t *object = json_object();
    if (!object)
        return q_fail(Q_ERR_MEMORY, "out of memory for the provenance");
    q_status status = fill(step, program, object);
    if (!status)
        status = q_step_path(step, "provenance.json", &path);
    if (!status)
        status = q_json_publish(path, object);
    json_decref(object);
    return status;
}
