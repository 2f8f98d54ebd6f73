/* Time and the wish to stop. */
#include "base/clock.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

/* Lock-free, so a signal handler may set it and any thread may read it. */
static atomic_bool stop_requested;
static atomic_bool interrupted;

double q_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double q_time_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void q_time_text(char out[21])
{
    time_t now = time(NULL);
    struct tm utc;
    if (!gmtime_r(&now, &utc) || strftime(out, 21, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        out[0] = 0;
}

static void on_signal(int number)
{
    /* The second Ctrl-C means it: the default action ends the process here. Files are safe at any moment (publish.h).
     * */
    if (number == SIGINT && atomic_exchange(&interrupted, true)) {
        (void)signal(SIGINT, SIG_DFL);
        (void)raise(SIGINT);
        return;
    }
    atomic_store(&stop_requested, true);
}

void q_stop_on_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGUSR2};
    struct sigaction action = {0};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART; /* the libraries underneath need not know */
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        (void)sigaction(numbers[i], &action, NULL);
}

bool q_stop_requested(void)
{
    return atomic_load_explicit(&stop_requested, memory_order_relaxed);
}

void q_stop_request(void)
{
    atomic_store(&stop_requested, true);
}
