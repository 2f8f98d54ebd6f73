/* Frame streams: the documents of all parts, frame by frame, worked on by many threads and merged in order.
 *
 * What a step of dedup does with documents has always this form: a worker takes one frame of a part, and one thread
 * puts the results together in the order of parts and frames. So parts of one frame keep all threads busy as well as
 * one part of many frames.
 */
#ifndef QUERN_DEDUP_FRAME_STREAM_H
#define QUERN_DEDUP_FRAME_STREAM_H

#include "dedup/dedup_build.h"
#include "dedup/document_part.h"

/* A job: the caller's own job begins with this. */
struct frame_job {
    uint64_t part;
    uint32_t frame;
    bool empty;       /* a part without frames: one job without data, so that begin and end are called */
    bool first, last; /* of its part */
};

struct frame_stream {
    void *context;
    size_t job_size; /* of the caller's job; zeroed when new, and used again as it was left */

    /* Whether the part is to be done at all; NULL: every part. */
    q_status (*wants_part)(void *context, uint64_t part, bool *wanted);
    /* Called in order for each frame of a wanted part; may fill the job. A frame not wanted is passed over; NULL:
     * every frame. With this, first and last are not set, and parts without frames are passed over. */
    q_status (*wants_frame)(void *context, struct frame_job *job, bool *wanted);
    /* By many workers at once: `part` has just read the frame; NULL where job->empty. */
    q_status (*work)(void *context, unsigned worker, struct frame_job *job, const struct document_part *part);
    /* In order, by one thread at a time. */
    q_status (*merge)(void *context, struct frame_job *job);
    void (*release_job)(struct frame_job *job); /* what hangs from it, not the job itself; NULL: nothing does */
};

/* Q_STOPPED where a stop was asked for; else the first failure in order. Memory: two frames a thread, and what hangs
 * from the jobs. */
q_status frame_stream_run(const struct frame_stream *stream, const struct dedup_build *build) Q_MUST_USE;

#endif
