# The reader of fastText's models on mutated ones, under AddressSanitizer and UndefinedBehaviorSanitizer. QUERN_FUZZ_SECONDS (300) and QUERN_DICE (1) choose how long and which.
set -eu
seconds=${QUERN_FUZZ_SECONDS-300} dice=${QUERN_DICE-1}
cmake -G Ninja -S "$QUERN_SOURCE" -B asan -DQUERN_SANITIZE=address,undefined -DCMAKE_BUILD_TYPE=RelWithDebInfo >log 2>&1 && ninja -C asan fuzz_fasttext >>log 2>&1 || { tail -n 40 log; exit 1; }
asan/tests/fuzz_fasttext "$seconds" "$dice" || { echo "QUERN_DICE=$dice"; exit 1; }
