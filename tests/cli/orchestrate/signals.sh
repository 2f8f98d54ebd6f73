# A stop saves and exits 75; SIGKILL takes the program along, and the next run goes on at once; a second run of the same folder waits its turn.
. "$QUERN_SOURCE/tests/cli/orchestrate/mill.sh"
slow="--set corpus.pause_ms=100 --set corpus.parts=30"
# The work has begun when a part is there.
first_part() { for _ in $(seq 500); do ls run/corpus/*/part-00001.json >/dev/null 2>&1 && return; sleep 0.02; done; echo "no part"; }
set -m
{
    for signal in INT TERM USR2; do
        echo "== $signal"
        rm -rf run
        quern run mill.yaml -q --stages 1 $slow & run=$!
        first_part
        kill -$signal $run; wait $run; echo "exit $?"
        ls run/corpus/*/manifest.json 2>/dev/null
    done
    echo "== KILL"
    rm -rf run
    quern run mill.yaml -q --stages 1 $slow & run=$!
    first_part
    kill -KILL $run; wait $run 2>/dev/null
    ls run/corpus/*/manifest.json 2>/dev/null
    quern run mill.yaml -q --stages 1 --set corpus.parts=30; echo "exit $?"
    quern verify mill.yaml --set corpus.parts=30
    echo "== two at once"
    rm -rf run
    quern run mill.yaml -q --stages 1 $slow & run=$!
    first_part
    quern status mill.yaml $slow | head -n 1
    kill -STOP $run
    quern run mill.yaml -q --stages 1 $slow; echo "exit $?"
    kill -CONT $run; wait $run; echo "exit $?"
} 2>&1 | steady
