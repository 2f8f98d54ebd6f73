/* Not a test: what tests/peers/fasttext_peer.py asks for predictions.
 *
 *     fasttext_predictions MODEL K <LINES     for each line the K likeliest labels with their probabilities, "none" where the model knows nothing of it; on
 *                                             standard error at the end the processor's seconds and the bytes of the lines
 */
#include "base/bytes.h"
#include "base/fs.h"
#include "corpus/lang/fasttext.h"

#include <stdio.h>
#include <time.h>

static double processor_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The likeliest label that is less likely than the last, or as likely and behind it. */
static uint32_t next_best(const float *p, uint32_t count, uint32_t last)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        const bool behind = last == UINT32_MAX || p[i] < p[last] || (p[i] == p[last] && i > last);
        if (behind && (best == UINT32_MAX || p[i] > p[best]))
            best = i;
    }
    return best;
}

static void print(const struct fasttext_model *model, const float *p, uint64_t k)
{
    uint32_t last = UINT32_MAX;
    for (uint64_t i = 0; p && i < k && (last = next_best(p, fasttext_label_count(model), last)) != UINT32_MAX; i++)
        printf("%.*s %.9g ", Q_STRING_ARGS(fasttext_label(model, last)), (double)p[last]);
    puts(p ? "" : "none");
}

static q_status run(const char *path, uint64_t k)
{
    struct fasttext_model *model;
    struct fasttext_scratch *scratch;
    struct q_buffer lines = {0};
    double seconds = 0;
    Q_TRY(fasttext_load(path, &model));
    Q_TRY(fasttext_scratch_create(model, &scratch));
    Q_TRY(q_fs_read_file("-", UINT32_MAX, &lines));
    q_string rest = q_buffer_string(&lines), line;
    while (q_string_next_line(&rest, &line)) {
        const float *p;
        const double begun = processor_seconds();
        Q_TRY(fasttext_predict(model, scratch, line, &p));
        seconds += processor_seconds() - begun;
        print(model, p, k);
    }
    fprintf(stderr, "%.6f %zu\n", seconds, lines.size);
    q_buffer_release(&lines);
    fasttext_scratch_release(scratch);
    fasttext_release(model);
    return Q_OK;
}

int main(int argc, char **argv)
{
    uint64_t k;
    if (argc != 3 || q_parse_u64(q_string_of(argv[2]), &k) != Q_OK) {
        fprintf(stderr, "usage: fasttext_predictions MODEL K <LINES\n");
        return 2;
    }
    q_status status = run(argv[1], k);
    if (status != Q_OK)
        fprintf(stderr, "fasttext_predictions: %s\n", q_error_text());
    return q_exit_code(status);
}
