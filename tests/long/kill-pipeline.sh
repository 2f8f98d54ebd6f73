# Kills the whole pipeline at random moments (SIGKILL, the whole process group) and starts it again, until it is through: the bytes are those of a run that
# was left alone. Rounds: QUERN_KILL_ROUNDS, 20 where it is not set.
. "$QUERN_SOURCE/tests/tiny/pipeline-lib.sh"
rounds=${QUERN_KILL_ROUNDS-20}
tiny_setup whole
quern run whole/recipe.yaml -q >whole/out 2>&1 || { cat whole/out; exit 1; }
tiny_fingerprint whole >whole/fingerprint
kills=0
for round in $(seq "$rounds"); do
    rm -rf killed
    tiny_setup killed
    threads=$((round % 2 + 1))
    for attempt in $(seq 400); do
        setsid quern run killed/recipe.yaml -q -j $threads >killed/out 2>&1 &
        pid=$!
        # 5 to 900 ms, more as the attempts go on, so that every run gets through in the end.
        sleep "$(awk -v r="$round" -v a="$attempt" 'BEGIN {srand(r * 1000 + a); printf "%.3f", 0.005 + rand() * (0.3 + a * 0.05)}')"
        if kill -KILL -- "-$pid" 2>/dev/null; then kills=$((kills + 1)); fi
        wait "$pid" 2>/dev/null
        code=$?
        [ $code -ne 0 ] || break
        [ $code -eq 137 ] || { echo "round $round, attempt $attempt: exit $code"; cat killed/out; exit 1; }
    done
    tiny_fingerprint killed >killed/fingerprint
    diff whole/fingerprint killed/fingerprint || { echo "round $round: other bytes after the kills"; exit 1; }
done
echo "$rounds rounds, $kills kills: the same bytes"
