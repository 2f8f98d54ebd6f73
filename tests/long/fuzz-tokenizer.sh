# The tokenizer's unit tests that throw dice, with ever other dice: every way of cutting against the plain one, every way of merging against the definition on vocabularies made at random,
# training against its twin, any bytes back, streams against the whole. For QUERN_FUZZ_SECONDS (600 where it is not set), from QUERN_FUZZ_FIRST on; what fails is said with the number that repeats it.
cd "$QUERN_BUILD/tests" || exit 4
tests=()
for source in "$QUERN_SOURCE"/tests/tokenizer/test_*.c; do
    name=$(basename "$source" .c)
    grep -qE 'dice|random_text' "$source" && [ -x "$name" ] && tests+=("$PWD/$name")
done
[ ${#tests[@]} -gt 4 ] || { echo "only ${#tests[@]} tests throw dice"; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 4
first=${QUERN_FUZZ_FIRST-1}
for ((dice = first; SECONDS < ${QUERN_FUZZ_SECONDS-600}; dice++)); do
    for test in "${tests[@]}"; do
        QUERN_DICE=$dice "$test" >log 2>&1 || { echo "QUERN_DICE=$dice $(basename "$test")"; grep -av 'OK \]\|RUN  ' log | tail -n 40; exit 1; }
    done
done
echo "${#tests[@]} tests, dice $first to $((dice - 1)): all pass"
