/* Fuzzing by dice, where there is no libFuzzer: a program that mutates files and gives them to LLVMFuzzerTestOneInput.
 *
 *     fuzz_X SECONDS SEED FILE...      every file as it is; then, for so long: bytes changed, cut out, parts put in, parts of one file put into another
 *
 * A program may make files of its own (fuzz_made) that stand before those.
 *
 * With clang -fsanitize=fuzzer -DFUZZ_LIBRARY the same function is libFuzzer's. */
#ifndef QUERN_TESTS_FUZZ_H
#define QUERN_TESTS_FUZZ_H

#include "base/string.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Says what does not hold, with the last error's text, and aborts. */
void fuzz_must(bool condition, const char *what);
/* The processor's time that this program has used: what an input takes does not depend on what else the machine does. */
double fuzz_seconds(void);
/* The dice: one seed throws the same numbers; a number below the bound, 0 where that is 0. */
void fuzz_seed(uint64_t seed);
size_t fuzz_below(size_t bound);
/* One more file to begin with, copied: before fuzz_main. */
void fuzz_made(q_string file);
/* The program; parts: what is worth putting in, NULL ends. */
int fuzz_main(int argc, char **argv, const char *const *parts);

#endif
