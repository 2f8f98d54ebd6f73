# A step's tasks one by one, in any order and number, then the finishing run: the bytes of a run in one piece.
. "$QUERN_SOURCE/tests/cli/orchestrate/mill.sh"
set -e
quern run mill.yaml -q --set dir=whole --set corpus.parts=7
{
    for task in 4 0 2 1 3; do quern run mill.yaml -q --set corpus.parts=7 --stages corpus --step build --task $task/5; done
    quern status mill.yaml --set corpus.parts=7 | sed -n 3p
    quern run mill.yaml --set corpus.parts=7 --stages corpus --step build
    quern run mill.yaml --set corpus.parts=7 --stages corpus --step build --task 1/5
    for step in sign group filter; do
        [ $step = group ] || for task in 1 0; do quern run mill.yaml -q --set corpus.parts=7 --stages dedup --step $step --task $task/2 & done; wait
        quern run mill.yaml -q --set corpus.parts=7 --stages dedup --step $step
    done
} 2>&1 | sort | steady
ls run/logs | sed -E 's/-[0-9a-f]{12}/-KEY/'
for stage in corpus dedup; do diff -r -x provenance.json whole/$stage run/$stage && echo "$stage: the same bytes"; done
