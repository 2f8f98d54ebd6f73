/* What emulations of instructions want of the emulated device: its threads, and its shared memory. */
#ifndef QUERN_TESTS_EMULATED_THREADS_H
#define QUERN_TESTS_EMULATED_THREADS_H

#include <stdint.h>

enum { EMULATED_THREADS_MAX = 1024 };

unsigned emulated_thread(void); /* the number in its block of the one that runs */
bool emulated_is_backwards(void);
[[noreturn]] void emulated_die(const char *what);

/* The other threads run until `ready` says true of `what`. */
void emulated_wait_until(bool (*ready)(const void *what), const void *what);

/* Shared memory by its addresses, which begin at 1,024 as on Hopper; `bytes` of it must be there. */
char *emulated_shared_at(uint32_t address, uint32_t bytes);

/* emulated_hopper.cc: a block begins, or has ended; no thread can go on: false where there is nothing under way. */
void emulated_hopper_begin(void);
void emulated_hopper_end(void);
bool emulated_hopper_go_on(void);

#endif
