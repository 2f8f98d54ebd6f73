/* Time, for progress and provenance only: no result may depend on it. And the wish to stop. */
#ifndef QUERN_BASE_CLOCK_H
#define QUERN_BASE_CLOCK_H

#include <stdbool.h>

double q_seconds(void);                       /* monotonic, from an arbitrary point */
double q_time_seconds(void);                  /* now, seconds since 1970, UTC */
void q_time_text(char out[21]);               /* now, UTC: 2026-11-21T21:30:00Z */

/* SIGINT, SIGTERM and SIGUSR2 (Slurm's warning) ask a program to save and stop; a second SIGINT ends it at once. Long loops look at
 * q_stop_requested and return Q_STOPPED at a point from which they can go on. */
void q_stop_on_signals(void);
bool q_stop_requested(void);
void q_stop_request(void); /* what the signal does; for tests */

#endif
