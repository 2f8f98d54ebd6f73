/* What this process and its machine have of memory. By itself, since it reads files, which themselves want memory. */
#include "base/fs.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

uint64_t q_memory_peak_bytes(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0 || usage.ru_maxrss < 0)
        return 0;
    return (uint64_t)usage.ru_maxrss * 1024; /* Linux counts in KiB */
}

/* A short file of the system, as text behind which a NUL stands; "" where it cannot be read. */
static void read_short(const char *path, char *text, size_t room)
{
    size_t got = 0;
    int fd;
    text[0] = 0;
    if (q_fs_open_read(path, &fd) != Q_OK)
        return;
    if (q_fs_read_some(fd, path, text, room - 1, &got) != Q_OK)
        got = 0;
    q_fs_close(fd);
    text[got] = 0;
}

uint64_t q_memory_resident_bytes(void)
{
    char text[128];
    unsigned long long pages, resident;
    read_short("/proc/self/statm", text, sizeof(text));
    return sscanf(text, "%llu %llu", &pages, &resident) == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

uint64_t q_memory_machine_bytes(void)
{
    char text[64];
    uint64_t bytes = 0, bound;
    const long pages = sysconf(_SC_PHYS_PAGES);
    if (pages > 0)
        bytes = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
    read_short("/sys/fs/cgroup/memory.max", text, sizeof(text)); /* "max" where there is no bound */
    if (q_parse_u64(q_string_trim(q_string_of(text)), &bound) == Q_OK && (bytes == 0 || bound < bytes))
        bytes = bound;
    return bytes;
}

/* The number behind `key` in a text of lines "key number"; 0 where there is none. */
static uint64_t number_of(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    unsigned long long number;
    return at && sscanf(at + strlen(key), "%llu", &number) == 1 ? number : 0;
}

uint64_t q_memory_available_bytes(void)
{
    char text[4096];
    uint64_t bound, used, left;
    read_short("/proc/meminfo", text, sizeof(text));
    uint64_t bytes = number_of(text, "MemAvailable:") * 1024;
    read_short("/sys/fs/cgroup/memory.max", text, sizeof(text));
    if (q_parse_u64(q_string_trim(q_string_of(text)), &bound) != Q_OK)
        return bytes;
    read_short("/sys/fs/cgroup/memory.current", text, sizeof(text));
    if (q_parse_u64(q_string_trim(q_string_of(text)), &used) != Q_OK)
        return bytes;
    read_short("/sys/fs/cgroup/memory.stat", text, sizeof(text));
    const uint64_t cache = number_of(text, "\ninactive_file ") + number_of(text, "\nactive_file ");
    used -= cache < used ? cache : used;
    left = used < bound ? bound - used : 0;
    return bytes == 0 || left < bytes ? left : bytes;
}
