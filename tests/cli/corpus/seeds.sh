# The files that fuzzing begins with, and those that it found to go wrong once: as they are. (tests/long/fuzz-*.sh throws the dice.)
for target in archives documents fasttext html records tables text; do
    files=()
    [ ! -d "$QUERN_SOURCE/tests/corpus/seeds/$target" ] || files=("$QUERN_SOURCE/tests/corpus/seeds/$target"/*)
    [ $target != tables ] || files+=("$QUERN_SOURCE/tests/corpus/golden/rows.parquet")
    echo "$target: $("$QUERN_BUILD/tests/fuzz_$target" 0 1 "${files[@]}" 2>&1)"
done
