#include "tests/base/fuzz.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FILES_MAX = 64, FILE_BYTES_MAX = 1 << 24 };

void fuzz_must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "fuzz: %s: %s\n", what, q_error_text());
    abort();
}

double fuzz_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static uint64_t state;

void fuzz_seed(uint64_t seed)
{
    state = seed * 0x9E3779B97F4A7C15ull + 1;
}

size_t fuzz_below(size_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return bound ? (size_t)((state * 0x2545F4914F6CDD1Dull >> 11) % bound) : 0;
}

static void put(struct q_buffer *text, size_t at, size_t over, q_string with)
{
    struct q_buffer out = {0};
    q_string all = q_buffer_string(text);
    fuzz_must(q_buffer_append_string(&out, q_string_slice(all, 0, at)) == Q_OK &&
                  q_buffer_append_string(&out, with) == Q_OK &&
                  q_buffer_append_string(&out, q_string_slice(all, at + over, all.size)) == Q_OK,
              "memory");
    q_buffer_release(text);
    *text = out;
}

static void mutate(struct q_buffer *text, const struct q_buffer *files, size_t count, const char *const *parts,
                   size_t part_count)
{
    size_t at = fuzz_below(text->size + 1), other = fuzz_below(count), from = fuzz_below(files[other].size);
    const char *part = parts[fuzz_below(part_count)];
    char byte = (char)fuzz_below(256);
    switch (fuzz_below(6)) {
    case 0:
        put(text, at, 1, (q_string){&byte, 1});
        break;
    case 1:
        put(text, at, fuzz_below(2) ? fuzz_below(8) : fuzz_below(text->size), (q_string){"", 0});
        break;
    case 2:
        put(text, at, 0, q_string_slice(q_buffer_string(&files[other]), from, from + fuzz_below(200)));
        break;
    default:
        put(text, at, fuzz_below(3), q_string_of(part));
    }
}

/* Mutations of the files until the time is over; the number of them. */
static unsigned long throw_dice(double seconds, uint64_t seed, const struct q_buffer *files, size_t count,
                                const char *const *parts)
{
    struct q_buffer text = {0};
    unsigned long rounds = 0;
    size_t part_count = 0;
    while (parts[part_count])
        part_count++;
    for (const double end = q_seconds() + seconds; q_seconds() < end; rounds++) {
        fuzz_seed(seed + rounds);
        q_buffer_clear(&text);
        fuzz_must(q_buffer_append_string(&text, q_buffer_string(&files[fuzz_below(count)])) == Q_OK, "memory");
        for (size_t changes = 1 + fuzz_below(4); changes > 0; changes--)
            mutate(&text, files, count, parts, part_count);
        LLVMFuzzerTestOneInput((const uint8_t *)text.data, text.size);
    }
    q_buffer_release(&text);
    return rounds;
}

static struct q_buffer files[FILES_MAX];
static size_t file_count;

void fuzz_made(q_string file)
{
    fuzz_must(file_count < FILES_MAX, "too many files");
    fuzz_must(q_buffer_append_string(&files[file_count++], file) == Q_OK, "memory");
}

int fuzz_main(int argc, char **argv, const char *const *parts)
{
    const size_t made = file_count, given = argc > 3 ? (size_t)argc - 3 : 0;
    if (argc < 3 || made + given < 1 || made + given > FILES_MAX) {
        fprintf(stderr, "usage: %s SECONDS SEED FILE...\n", argv[0]);
        return 2;
    }
    for (; file_count < made + given; file_count++)
        fuzz_must(q_fs_read_file(argv[3 + file_count - made], FILE_BYTES_MAX, &files[file_count]) == Q_OK, "read");
    for (size_t i = 0; i < file_count; i++)
        LLVMFuzzerTestOneInput((const uint8_t *)files[i].data, files[i].size);
    unsigned long rounds = throw_dice(strtod(argv[1], NULL), strtoull(argv[2], NULL, 10), files, file_count, parts);
    printf("%zu files, %lu mutations\n", file_count, rounds);
    for (; file_count; file_count--)
        q_buffer_release(&files[file_count - 1]);
    return 0;
}
