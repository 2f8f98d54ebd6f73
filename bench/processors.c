/* processors: what the machine's processors give together: a loop of sums that waits for nothing, on so many threads at once. Where two processors are two
 * threads of one core, or others work on that core too, this is less than twice one; a program that waits for memory may then gain more, or less.
 *
 *     quern-bench-processors THREADS     prints {"per_second": ...}: sums of all threads
 */
#include "base/clock.h"
#include "base/string.h"
#include "base/threads.h"

#include <stdio.h>

enum { LANES = 4, STEPS = 200000000 };

/* Each sum depends on the one before, four at a time: what keeps a processor busy. */
static void add(void *context, unsigned worker, size_t tile)
{
    uint64_t a = 1, b = 2, c = 3, d = 4;
    (void)context;
    (void)worker;
    (void)tile;
    for (uint64_t i = 0; i < STEPS; i++) {
        a += i ^ a >> 7;
        b += i ^ b >> 7;
        c += i ^ c >> 7;
        d += i ^ d >> 7;
        __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d)); /* all are wanted, each time */
    }
}

int main(int argc, char **argv)
{
    struct q_pool *pool;
    uint64_t threads = 0;
    if (argc != 2 || q_parse_u64(q_string_of(argv[1]), &threads) != Q_OK || threads == 0 || threads > 1024) {
        fprintf(stderr, "usage: quern-bench-processors THREADS\n");
        return 2;
    }
    if (q_pool_create((unsigned)threads, &pool) != Q_OK) {
        fprintf(stderr, "quern-bench-processors: %s\n", q_error_text());
        return 1;
    }
    double start = q_seconds();
    q_pool_for(pool, (size_t)threads, add, NULL);
    printf("{\"per_second\": %.0f}\n", (double)(threads * LANES) * STEPS / (q_seconds() - start));
    q_pool_release(pool);
    return 0;
}
