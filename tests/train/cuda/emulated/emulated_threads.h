/* What emulations of instructions want of the emulated device: its threads, and its shared memory. */
#ifndef QUERN_TESTS_EMULATED_THREADS_H
#define QUERN_TESTS_EMULATED_THREADS_H

#include <stdint.h>

enum {
    EMULATED_THREADS_MAX = 1024,
    EMULATED_SHARED_BYTES_MAX = 227 << 10, /* Hopper's */
    EMULATED_SHARED_BEGIN = 1024,          /* addresses of shared memory: the first kibibyte is the system's */
    EMULATED_SHARED_AHEAD = 128            /* what a kernel has begins at no multiple of 1,024 */
};

unsigned emulated_thread(void); /* the number in its block of the one that runs */
bool emulated_is_backwards(void);
[[noreturn]] void emulated_die(const char *what);

/* The other threads run until `ready` says true of `what`. */
void emulated_wait_until(bool (*ready)(const void *what), const void *what);

/* Shared memory by its addresses, as on Hopper; `bytes` of it must be there. */
extern char emulated_dynamic_shared[EMULATED_SHARED_AHEAD + EMULATED_SHARED_BYTES_MAX];
static inline char *emulated_shared_at(uint32_t address, uint32_t bytes)
{
    if (address < EMULATED_SHARED_BEGIN || address + bytes > EMULATED_SHARED_BEGIN + sizeof emulated_dynamic_shared)
        emulated_die("an address outside of shared memory");
    return emulated_dynamic_shared + (address - EMULATED_SHARED_BEGIN);
}

/* emulated_hopper.cc: a block of so many threads begins, or has ended; no thread can go on: false where there is nothing under way. */
void emulated_hopper_begin(unsigned threads);
void emulated_hopper_end(unsigned threads);
bool emulated_hopper_go_on(void);

#endif
