# Sourced by the scripts that fuzz: a target is built under AddressSanitizer and UndefinedBehaviorSanitizer, and run on its seeds and on what dice make of them. What it
# says last is how many inputs that were.
#
#   QUERN_FUZZ_SECONDS (600)   how long, for each target
#   QUERN_DICE (1)             which dice; where something is found, the number that repeats it is said
seconds=${QUERN_FUZZ_SECONDS-600} dice=${QUERN_DICE-1}

fuzz_build() { # TARGET...
    cmake -G Ninja -S "$QUERN_SOURCE" -B asan -DQUERN_SANITIZE=address,undefined -DQUERN_CUDA=OFF -DCMAKE_BUILD_TYPE=RelWithDebInfo >log 2>&1 && ninja -C asan "$@" >>log 2>&1 || { tail -n 40 log; exit 1; }
}

fuzz_run() { # TARGET FILE...
    local target=$1
    shift
    "asan/tests/$target" "$seconds" "$dice" "$@" || { echo "QUERN_DICE=$dice"; exit 1; }
}

# The reader of stage 1 that is called so, on its seeds in tests/corpus/seeds/NAME.
fuzz_corpus() { # NAME
    local files=()
    [ ! -d "$QUERN_SOURCE/tests/corpus/seeds/$1" ] || files=("$QUERN_SOURCE/tests/corpus/seeds/$1"/*)
    fuzz_build "fuzz_$1"
    fuzz_run "fuzz_$1" "${files[@]}"
}
