/* fastText's reader on files that nobody wrote.
 *
 *     fuzz_fasttext SECONDS SEED      mutates made models of every kind, by dice, ROUNDS_MIN at least: numbers of extremes put in, bytes flipped, pieces cut out, doubled
 *                                     and moved
 *
 * With clang -fsanitize=fuzzer the same function is libFuzzer's (-DFUZZ_LIBRARY). What is loaded must answer, with probabilities.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "corpus/lang/fasttext.h"
#include "tests/base/fuzz.h"
#include "tests/corpus/make_fasttext.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ROUNDS_MIN = 500 };

/* Whether the name stands in the file, a 0 behind it. */
static bool holds_name(q_string file, q_string name)
{
    for (size_t at = 0; (at = q_string_find(file, name, at)) != SIZE_MAX; at++)
        if (at + name.size < file.size && !file.data[at + name.size])
            return true;
    return false;
}

static void use(const struct fasttext_model *model, q_string file)
{
    static const char text[] = "the mill </s\n M\xC3\xBChle \xFF\xFE __label__en a b c d \xE6\xB0\xB4";
    struct fasttext_scratch *scratch;
    const float *p;
    fuzz_must(fasttext_scratch_create(model, &scratch) == Q_OK, "scratch");
    fuzz_must(fasttext_predict(model, scratch, (q_string){text, sizeof text - 1}, &p) == Q_OK, "predict");
    for (uint32_t i = 0; i < fasttext_label_count(model); i++) {
        q_string label = fasttext_label(model, i);
        fuzz_must(!p || (p[i] >= 0 && p[i] <= 1), "a probability");
        fuzz_must(holds_name(file, label), "a label that the file does not have");
    }
    fasttext_scratch_release(scratch);
}

/* The reader reads files: these lie in memory. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static int file = -1;
    static char path[64];
    struct fasttext_model *model;
    if (file < 0) {
        file = memfd_create("model", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    fuzz_must(file >= 0 && ftruncate(file, 0) == 0 && pwrite(file, bytes, size, 0) == (ssize_t)size, "memory");
    q_status status = fasttext_load(path, &model);
    fuzz_must(status == Q_OK || status == Q_ERR_INPUT, "load");
    if (status == Q_OK) {
        use(model, (q_string){(const char *)bytes, size});
        fasttext_release(model);
    }
    return 0;
}

#ifndef FUZZ_LIBRARY
static void make(struct q_buffer *out)
{
    struct made_fasttext made = {.version = 11 + (int)fuzz_below(2),
                                 .dimensions = 1 + (int)fuzz_below(6),
                                 .word_ngrams = (int)fuzz_below(4),
                                 .loss = 1 + (int)fuzz_below(4),
                                 .buckets = 60,
                                 .minn = (int)fuzz_below(3),
                                 .maxn = (int)fuzz_below(5),
                                 .words = {"</s>", "the", "mill", "a"},
                                 .labels = {"__label__en", "__label__de", "__label__x"},
                                 .quantised = fuzz_below(2),
                                 .norms = fuzz_below(2),
                                 .part = 1 + (int)fuzz_below(3),
                                 .pruned = -1,
                                 .dice = fuzz_below(SIZE_MAX)};
    struct made_matrices matrices;
    made.quantised_output = made.quantised && fuzz_below(2);
    if (made.quantised && fuzz_below(2))
        made.pruned = (int)fuzz_below(30);
    make_fasttext(&made, out, &matrices);
    q_release(matrices.input);
    q_release(matrices.output);
}

static void mutate(struct q_buffer *model)
{
    static const uint32_t extremes[] = {0, 1, 2, 12, 255, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FC00000, 0x01000000};
    const size_t numbers = Q_MIN(model->size, (size_t)400); /* where the counts are */
    size_t at = fuzz_below(fuzz_below(2) ? numbers : model->size), count = fuzz_below(16);
    if (model->size < 32)
        return;
    at = Q_MIN(at, model->size - 16);
    switch (fuzz_below(4)) {
    case 0:
        q_store_u32(model->data + at, extremes[fuzz_below(Q_COUNT_OF(extremes))]);
        break;
    case 1:
        model->data[at] = (char)fuzz_below(256);
        break;
    case 2:
        memmove(model->data + at, model->data + at + count, model->size - at - count);
        model->size -= count;
        break;
    default:
        memmove(model->data + at, model->data + fuzz_below(model->size - 16), count);
    }
}

int main(int argc, char **argv)
{
    struct q_buffer model = {0};
    unsigned long rounds = 0;
    if (argc != 3) {
        fprintf(stderr, "usage: fuzz_fasttext SECONDS SEED\n");
        return 2;
    }
    const uint64_t seed = strtoull(argv[2], NULL, 10);
    const double end = q_seconds() + strtod(argv[1], NULL);
    for (; rounds < ROUNDS_MIN || q_seconds() < end; rounds++) {
        fuzz_seed(seed + rounds);
        make(&model);
        for (size_t changes = fuzz_below(4); changes > 0; changes--)
            mutate(&model);
        LLVMFuzzerTestOneInput((const uint8_t *)model.data, model.size);
    }
    printf("%lu inputs\n", rounds);
    q_buffer_release(&model);
    return 0;
}
#endif
