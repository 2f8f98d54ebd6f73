/* ldmatrix and cp.async, on the processor (see cuda_runtime.h). */
#ifndef QUERN_TESTS_EMULATED_TILE_H
#define QUERN_TESTS_EMULATED_TILE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ldmatrix.m8n8.x4 (PTX ISA): x[i] of lane l is row l / 4, numbers 2 (l % 4) and the next, of the matrix whose row r lane 8 i + r gives; `turned`: of its transpose. Rows of a matrix that are in the
 * same banks, which a GPU reads one after the other, end the program. */
void emulated_ldmatrix(uint32_t *x, const void *row, bool turned);

/* cp.async: from now on the destination is rubbish; what was there at the source comes when the thread waits for the copy's group, and no earlier. A copy that is still under way at the block's end ends
 * the program, as does one that is not aligned to its size or reads behind the end of a piece of memory. */
void emulated_copy(void *to, const void *from, unsigned bytes, bool there);
void emulated_copies_commit(void);
void emulated_copies_wait(unsigned groups); /* until no more than so many of the last groups are under way */

/* Between blocks: whether a copy is under way. */
bool emulated_copies_left(void);

#ifdef __cplusplus
}
#endif
#endif
