# The model folders that fuzzing begins with, and those that it found to go wrong once: as they are. (tests/long/fuzz-model.sh throws the dice.)
files=()
[ ! -d "$QUERN_SOURCE/tests/train/seeds" ] || files=("$QUERN_SOURCE/tests/train/seeds"/*)
"$QUERN_BUILD/tests/fuzz_model" 0 1 "${files[@]}" 2>&1
