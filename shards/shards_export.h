/* The ids of a folder of shards in the formats of other programs. */
#ifndef QUERN_SHARDS_SHARDS_EXPORT_H
#define QUERN_SHARDS_SHARDS_EXPORT_H

#include "shards/shards_read.h"

/* Megatron-LM's indexed dataset (megatron/core/datasets/indexed_dataset.py): PREFIX.bin, the ids of all documents end to end in the order of the
 * folder's numbering, u16 or i32, little-endian; and PREFIX.idx:
 *
 *     offset        size  description
 *     0             9     "MMIDIDX\0\0"
 *     9             8     version, 1
 *     17            1     type of an id: 8 = u16, 4 = i32
 *     18            8     S: sequences; here one for each document, begin and end token included
 *     26            8     D: documents + 1
 *     34            4 S   i32: length of each sequence in ids
 *     34 + 4 S      8 S   i64: where it begins in PREFIX.bin, in bytes
 *     34 + 12 S     8 D   i64: the first sequence of each document, and S
 *
 * Tails are exported too. .idx is published behind .bin, so that a killed export has no index. */
q_status shards_export_megatron(const struct shards *shards, const char *prefix) Q_MUST_USE;

#endif
