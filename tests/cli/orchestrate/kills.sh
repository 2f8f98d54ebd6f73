# Killed at random moments, many times, the run ends with the bytes of one that was left alone, and with a journal that is whole.
. "$QUERN_SOURCE/tests/cli/orchestrate/mill.sh"
work="--set corpus.parts=6"
for stage in corpus dedup tokenizer shards train eval; do work="$work --set $stage.pause_ms=5"; done
quern run mill.yaml -q --set dir=calm --set corpus.parts=6 2>/dev/null || echo "the calm run failed"
RANDOM=7
kills=0
for _ in $(seq 25); do
    quern run mill.yaml -q $work 2>>said & run=$!
    sleep "0.$(printf %03d $((RANDOM % 250)))"
    if kill -KILL $run 2>/dev/null; then kills=$((kills + 1)); fi
    wait $run 2>/dev/null
done
quern run mill.yaml -q $work 2>>said; echo "exit $?"
[ $kills -gt 0 ] && echo "killed"
grep -v ' parts$' said
for stage in corpus dedup tokenizer shards train eval; do
    diff -r -x provenance.json calm/$stage run/$stage && echo "$stage: the same bytes"
done
quern verify mill.yaml $work | tail -n 1
quern run mill.yaml $work 2>&1
