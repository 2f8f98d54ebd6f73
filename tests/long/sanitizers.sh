# Every unit test under AddressSanitizer and UndefinedBehaviorSanitizer; those of the pool, of streams, of progress and of ranks under ThreadSanitizer.
set -eu

# build SANITIZERS FOLDER TARGET...
build() {
    local sanitizers=$1 folder=$2
    shift 2
    cmake -G Ninja -S "$QUERN_SOURCE" -B "$folder" -DQUERN_SANITIZE="$sanitizers" -DQUERN_CUDA=OFF -DCMAKE_BUILD_TYPE=RelWithDebInfo >log 2>&1 &&
        ninja -C "$folder" "$@" >>log 2>&1 || { tail -n 40 log; exit 1; }
}

# run FOLDER TEST...: all of them, then fail where one did
run() {
    local folder=$1 failed=0 test
    shift
    for test in "$@"; do
        (mkdir -p "work-$test" && cd "work-$test" && "../$folder/tests/$test") >log 2>&1 || { echo "$folder: $test"; tail -n 60 log; failed=1; }
    done
    return $failed
}

build address,undefined asan all
run asan $(cd asan/tests && ls -d test_*)
build thread tsan test_threads test_progress test_comm test_ranks
run tsan test_threads test_progress test_comm test_ranks
