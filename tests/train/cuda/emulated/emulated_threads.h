/* What emulations of instructions want of the emulated device: its threads, and its shared memory. */
#ifndef QUERN_TESTS_EMULATED_THREADS_H
#define QUERN_TESTS_EMULATED_THREADS_H

#include <stdint.h>

enum {
    EMULATED_THREADS_MAX = 1024,           /* of a block, and of all blocks of a cluster */
    EMULATED_CLUSTER_MAX = 2,              /* blocks */
    EMULATED_SHARED_BYTES_MAX = 227 << 10, /* Hopper's */
    EMULATED_SHARED_BEGIN = 1024,          /* addresses of shared memory: the first kibibyte is the system's */
    EMULATED_SHARED_AHEAD = 128            /* what a kernel has begins at no multiple of 1,024 */
};

unsigned emulated_thread(void); /* the number in its cluster of the one that runs: block after block */
unsigned emulated_block(void);  /* its block's number in the cluster */
bool emulated_block_has_ended(unsigned block);
bool emulated_is_backwards(void);
[[noreturn]] void emulated_die(const char *what);

/* The other threads run until `ready` says true of `what`. */
void emulated_wait_until(bool (*ready)(const void *what), const void *what);

/* Shared memory by its addresses, as on Hopper; `bytes` of it must be there. An address of the cluster's ("shared::cluster") has the block's number and 1
 * above its 24 low bits; without them it is of the block of the thread that runs. */
enum { EMULATED_BLOCK_SHIFT = 24 };
extern char emulated_dynamic_shared[EMULATED_CLUSTER_MAX][EMULATED_SHARED_AHEAD + EMULATED_SHARED_BYTES_MAX];
static inline char *emulated_shared_at(uint32_t address, uint32_t bytes)
{
    const uint32_t above = address >> EMULATED_BLOCK_SHIFT, block = above ? above - 1 : emulated_block(),
                   at = address & ((1U << EMULATED_BLOCK_SHIFT) - 1);
    if (block >= EMULATED_CLUSTER_MAX || at < EMULATED_SHARED_BEGIN ||
        at + bytes > EMULATED_SHARED_BEGIN + sizeof emulated_dynamic_shared[0])
        emulated_die("an address outside of shared memory");
    return emulated_dynamic_shared[block] + (at - EMULATED_SHARED_BEGIN);
}

/* emulated_hopper.cc: blocks of so many threads in all begin, or have ended; no thread can go on: false where there is nothing under way. */
void emulated_hopper_begin(unsigned threads);
void emulated_hopper_end(unsigned threads);
bool emulated_hopper_go_on(void);

#endif
