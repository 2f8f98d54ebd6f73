/* TensorBoard's event files, written by ourselves (docs/formats/events.md): RUN/tensorboard/events.out.tfevents.NNNNNNNNNN.quern, one file per start
 * of the run.
 *
 *     file = records; record = length u64 | masked CRC32C of it | bytes of an Event message | masked CRC32C of them
 *
 * On a start the records of later steps, and a torn one, are cut off the files that are there, so that each step is in one file only; the new file
 * begins with a session start, by which a TensorBoard that has read the old ones already forgets those steps too. Not flushed to the disk: only ever
 * for looking at. */
#ifndef QUERN_TRAIN_TENSORBOARD_H
#define QUERN_TRAIN_TENSORBOARD_H

#include "base/memory.h"

#include <stdint.h>

struct events;

/* Opens a new file in RUN/tensorboard for going on behind `step`. now: seconds since 1970, here and below. */
q_status events_open(const char *run_folder, uint64_t step, double now, struct events **out) Q_MUST_USE;
void events_close(struct events *events);

/* Collects values for one step, then writes them as one record. A value is a float in these files. */
void events_begin(struct events *events, uint64_t step, double now);
void events_put_scalar(struct events *events, const char *tag, double value);
/* The distribution of count finite values >= 0, in buckets a tenth wide up to 4. */
void events_put_histogram(struct events *events, const char *tag, const double *values, size_t count);
q_status events_end(struct events *events) Q_MUST_USE;

/* CRC32C (Castagnoli, reflected, as in iSCSI) of the bytes, and as it is stored: rotated right by 15 bits plus a constant, since a CRC of data that
 * hold CRCs is a weak one. */
uint32_t events_crc(const void *bytes, size_t count);
uint32_t events_masked_crc(const void *bytes, size_t count);

#endif
