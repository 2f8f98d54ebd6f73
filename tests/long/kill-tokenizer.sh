# Kills counting in bounded memory (SIGKILL, at random moments) and starts it again until it is through, on one thread or two: the bytes are those of a run in as much memory as it likes, and
# nothing is left behind. The same for training. Rounds: QUERN_KILL_ROUNDS, 12 where it is not set.
rounds=${QUERN_KILL_ROUNDS-12}
# 24 MB with a million different words, so that little memory is too little.
awk 'BEGIN {
    srand(1)
    for (i = 0; i < 120; i++) syllable[i] = substr("bdfgklmnprstvwz", 1 + i % 15, 1) substr("aeiouyhj", 1 + int(i / 15), 1)
    for (i = 0; i < 40000; i++) {
        printf "{\"id\": \"%d\", \"text\": \"", i
        for (w = 0; w < 80; w++) printf "%s%s", w ? " " : "", rand() < 0.6 ? substr("thewheatmillgrindsstones", 1 + rand() * 18, 2 + rand() * 5) : syllable[int(rand() * 120)] syllable[int(rand() * 120)] syllable[int(rand() * 120)]
        print "\"}"
    }
}' >texts.jsonl
quern-tokenizer count texts.jsonl -o whole.counts -q 2>/dev/null || exit 1
quern-tokenizer train texts.jsonl -o whole.json --vocab-size 4000 -q 2>/dev/null || exit 1
# until_through NAME COMMAND...: kills and starts again; sets `kills`.
kills=0 spilled=0
until_through() {
    local name=$1 attempt pid code
    shift
    for attempt in $(seq 200); do
        setsid "$@" >"$name.log" 2>&1 &
        pid=$!
        sleep "$(awk -v s="$RANDOM$attempt" -v a="$attempt" 'BEGIN {srand(s); printf "%.3f", 0.01 + rand() * (0.8 + a * 0.1)}')"
        if kill -KILL -- "-$pid" 2>/dev/null; then kills=$((kills + 1)); fi
        wait "$pid" 2>/dev/null
        code=$?
        [ $code -ne 0 ] || return 0
        [ ! -e killed.counts.work ] || spilled=1
        [ $code -eq 137 ] || { echo "$name, attempt $attempt: exit $code"; cat "$name.log"; exit 1; }
    done
    echo "$name: not through after 200 attempts"
    exit 1
}
same() { cmp "$1" "$2" || { echo "$1: other bytes"; exit 1; }; }
memory() { quern-tokenizer "$1" --help | grep -q -- --memory && echo "--memory $2"; }
RANDOM=11
for round in $(seq "$rounds"); do
    threads=$((round % 2 + 1))
    # shellcheck disable=SC2046
    until_through count quern-tokenizer count texts.jsonl -o killed.counts -q -j $threads $(memory count 64M)
    same killed.counts whole.counts
    # shellcheck disable=SC2046
    until_through train quern-tokenizer train --counts killed.counts -o killed.json --vocab-size 4000 -q -j $threads --resume --set tokenizer.checkpoint_s=0.02 $(memory train 64M)
    same killed.json whole.json
    rm killed.counts killed.json
    left=$(ls | grep -vE '^(texts.jsonl|whole.counts|whole.json|count.log|train.log)$')
    [ -z "$left" ] || { echo "left behind: $left"; exit 1; }
done
[ $spilled -eq 1 ] || { echo "counting never had to put anything aside: the test is too small"; exit 1; }
echo "$rounds rounds, $kills kills: the same bytes"
