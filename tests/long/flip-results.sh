# One bit flipped, or the end cut off, at random in the files of a finished run: 'quern verify' finds every one of them, and the stage behind it either refuses the result
# or makes the bytes it would have made (where the damage is in what it does not read). Rounds: QUERN_FLIP_ROUNDS, 200 where it is not set.
. "$QUERN_SOURCE/tests/tiny/badinput-lib.sh"
badinput_whole
mapfile -t files < <(find "$C" "$D" "$T" "$S" "$M" "$E" -maxdepth 1 -type f \( -name 'part-*.zst' -o -name '*.safetensors' -o -name 'tokenizer*.json' -o -name '*config.json' \
    -o -name results.json -o -name manifest.json \) | sort)
RANDOM=7
refused=0
# read_by FOLDER BROKEN OUT: the next stage's command on the broken copy.
read_by() {
    case $1 in
        "$C") quern-dedup build "$2" --recipe $R -o "$3" -q ;;
        "$D") quern-shards build "$2" -t "$T" --recipe $R -o "$3" -q ;;
        "$T") quern-shards build "$D" -t "$2" --recipe $R -o "$3" -q ;;
        "$S") quern-eval run --model "$M" --shards "$2" -t "$T" --recipe $R -o "$3" -q ;;
        "$M") quern-eval run --model "$2" --shards "$S" -t "$T" --recipe $R -o "$3" -q ;;
        *) return 3 ;;
    esac
}
result_of() { case $1 in "$C") echo "$D" ;; "$D"|"$T") echo "$S" ;; *) echo "$E" ;; esac; }
for round in $(seq "${QUERN_FLIP_ROUNDS-200}"); do
    file=${files[$((RANDOM % ${#files[@]}))]}
    folder=$(dirname "$file")
    size=$(stat -c %s "$file")
    at=$(((RANDOM * 32768 + RANDOM) % size))
    rm -rf copy broken out
    cp -r whole copy
    cp -r "$folder" broken
    for broken in "copy/${file#whole/}" "broken/$(basename "$file")"; do
        if [ $((round % 5)) -eq 0 ]; then truncate -s $at "$broken"; else flip "$broken" $at; fi
    done
    # A manifest has no hash of its own: what is changed there is found by its rules, or shows in the identity of the next step.
    if [ "$(basename "$file")" != manifest.json ]; then
        quern verify copy/recipe.yaml >log 2>&1
        [ $? -eq 3 ] || { echo "round $round: $file at $at: not found"; cat log; exit 1; }
    fi
    read_by "$folder" broken out >log 2>&1
    code=$?
    case $code in
        0) [ "$(basename "$file")" = manifest.json ] || diff -rq -x provenance.json -x work -x log out "$(result_of "$folder")" >log ||
               { echo "round $round: $file at $at: other bytes"; cat log; exit 1; } ;;
        2|3) refused=$((refused + 1)); looks_whole out | grep . && exit 1 ;;
        *) echo "round $round: $file at $at: exit $code"; cat log; exit 1 ;;
    esac
done
echo "$round rounds: all found, $refused refused by the next stage"
