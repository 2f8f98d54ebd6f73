/* A folder of a test's own, and small files in it. Failures here are the machine's, so they end the test program. */
#ifndef QUERN_TESTS_SCRATCH_H
#define QUERN_TESTS_SCRATCH_H

#include "base/memory.h"

/* cmocka's group set-up and tear-down: enters a new empty folder / leaves and removes it. File names in tests are then
 * bare. */
int scratch_enter(void **state);
int scratch_leave(void **state);
/* The same in memory, where the machine has such a folder for us and TMPDIR names no other: for hundreds of writes with their fsyncs. */
int scratch_enter_memory(void **state);

/* The file holds exactly these bytes; not by publish.h, so no fsync and no fault. */
void scratch_write(const char *path, const void *bytes, size_t count);
/* The file's bytes, `out` cleared first. */
void scratch_read(const char *path, struct q_buffer *out);
/* Whether the file is there and holds this text. */
int scratch_holds(const char *path, const char *text);

#endif
