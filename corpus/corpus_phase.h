/* Where the time of documents goes, phase by phase: for `quern-corpus phases`. Whoever works on a document says when a phase is over. */
#ifndef QUERN_CORPUS_PHASE_H
#define QUERN_CORPUS_PHASE_H

#include "base/clock.h"

#include <stddef.h>
#include <stdint.h>

enum corpus_phase {
    CORPUS_PHASE_READ,     /* stored bytes to items */
    CORPUS_PHASE_BODY,     /* transfer and content codings of HTTP */
    CORPUS_PHASE_LINE,     /* JSON lines to members */
    CORPUS_PHASE_CHARSET,  /* to UTF-8 */
    CORPUS_PHASE_EXTRACT,  /* pages and manuals to text */
    CORPUS_PHASE_MOJIBAKE, /* texts that were read in a wrong charset */
    CORPUS_PHASE_NORMALISE,
    CORPUS_PHASE_LANGUAGE,
    CORPUS_PHASE_RULES,
    CORPUS_PHASE_QUALITY, /* the model */
    CORPUS_PHASE_PII,
    CORPUS_PHASE_WRITE, /* documents to frames of zstd */
    CORPUS_PHASES,
};

/* One per thread. Zeroed: nothing was timed yet; begin sets `last`. */
struct corpus_clock {
    double last; /* q_seconds at which the phase at hand began */
    struct {
        double seconds;
        uint64_t bytes; /* that went in */
        uint64_t calls;
    } phases[CORPUS_PHASES];
};

/* Now is the end of the phase, which took `bytes` in, and the beginning of the next one. clock may be NULL: nobody wants to know. */
static inline void corpus_clock_end(struct corpus_clock *clock, enum corpus_phase phase, size_t bytes)
{
    if (!clock)
        return;
    double now = q_seconds();
    clock->phases[phase].seconds += now - clock->last;
    clock->phases[phase].bytes += bytes;
    clock->phases[phase].calls++;
    clock->last = now;
}

#endif
