/* bench_shards_read FOLDER [SECONDS]: random sequences of a folder of shards, in the order of training, by one thread. Prints one JSON object. */
#include "base/check.h"
#include "base/clock.h"
#include "shards/mixture.h"

#include <stdio.h>
#include <stdlib.h>

struct bench {
    struct shards *shards;
    struct shards_cursor *cursor;
    struct mixture *mixture;
    uint32_t *ids;
};

static q_status run(struct bench *bench, const char *folder, double seconds)
{
    uint64_t sequences = 0, sum = 0;
    Q_TRY(shards_open(folder, SHARDS_TRAIN, &bench->shards));
    Q_TRY(shards_cursor_create(bench->shards, &bench->cursor));
    Q_TRY(mixture_create(bench->shards, 1, NULL, &bench->mixture));
    Q_TRY(q_alloc((size_t)bench->shards->sequence_tokens + 1, sizeof *bench->ids, &bench->ids));
    const double from = q_seconds();
    double now = from;
    for (; now - from < seconds; now = q_seconds()) {
        for (int i = 0; i < 64; i++) {
            struct mixture_sample sample;
            Q_TRY(mixture_at(bench->mixture, sequences++, &sample));
            Q_TRY(shards_read(bench->cursor, sample.sequence, bench->ids));
            sum += bench->ids[0]; /* so that the read is used */
        }
    }
    const double tokens = (double)sequences * bench->shards->sequence_tokens;
    printf("{\"sequence_tokens\":%u,\"vocabulary\":%u,\"sequences\":%llu,\"seconds\":%.2f,\"tokens_per_s\":%.0f,"
           "\"check\":%llu}\n",
           bench->shards->sequence_tokens, bench->shards->vocabulary, (unsigned long long)sequences, now - from,
           tokens / (now - from), (unsigned long long)sum);
    return Q_OK;
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    double seconds = 3;
    q_status status = Q_OK;
    if (argc < 2)
        status = q_fail(Q_ERR_USAGE, "use: bench_shards_read FOLDER [SECONDS]");
    if (!status && argc > 2)
        status = q_parse_double(q_string_of(argv[2]), &seconds);
    if (!status)
        status = run(&bench, argv[1], seconds);
    if (status)
        (void)fprintf(stderr, "bench_shards_read: %s\n", q_error_text());
    q_release(bench.ids);
    mixture_release(bench.mixture);
    shards_cursor_release(bench.cursor);
    shards_close(bench.shards);
    return q_exit_code(status);
}
