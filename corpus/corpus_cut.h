/* Cutting a large file into parts where its format allows: plain JSON lines, at the first line that begins at or behind each multiple of `part_bytes`.
 *
 * The number of the items before a cut is part of ids, so that these do not depend on where the file is cut; it is counted while the file is hashed.
 */
#ifndef QUERN_CORPUS_CUT_H
#define QUERN_CORPUS_CUT_H

#include "base/hash.h"
#include "base/memory.h"
#include "base/recipe.h"

/* Where a piece of a file begins. */
struct corpus_cut {
    uint64_t offset; /* in bytes */
    uint64_t index;  /* items before it */
};

/* The pieces of the file: *count is 1 where it is not cut, cuts[0] is its beginning. All have at least part_bytes, but for lines that reach over a multiple. In
 * the arena; the indices are 0 until corpus_cut_count. */
q_status corpus_cut_file(const char *path, uint64_t bytes, const struct q_input *input, uint64_t part_bytes,
                         struct q_arena *arena, struct corpus_cut **cuts, size_t *count) Q_MUST_USE;

/* Hashes the file as q_fs_hash_file does, and counts the items before each cut: lines that are not blank. */
q_status corpus_cut_count(const char *path, struct corpus_cut *cuts, size_t count, uint64_t *bytes,
                          q_hash *hash) Q_MUST_USE;

#endif
