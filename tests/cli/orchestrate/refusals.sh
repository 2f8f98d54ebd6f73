# What is refused, with which words and which exit code, and that nothing was begun.
. "$QUERN_SOURCE/tests/cli/orchestrate/mill.sh"
try() {
    echo "== $*"
    "$@"
    echo "exit $?"
}
{
    try quern run
    try quern run no-such.yaml
    try quern run mill.yaml --stages 7
    try quern run mill.yaml --stages tokeniser
    try quern run mill.yaml --executor slurm
    try quern run mill.yaml --step sign
    try quern run mill.yaml --stages dedup --task 1/2
    try quern run mill.yaml --stages corpus --step sign
    try quern run mill.yaml --stages train
    try quern run mill.yaml --set eval.wrod=x
    try quern run mill.yaml --set executor.local.thread=2
    try quern run mill.yaml --set executor.local.threads=many
    mv bin/quern-eval away
    try quern run mill.yaml
    mv away bin/quern-eval
    ls -d run 2>/dev/null
    try quern grind
    try quern corpus plan
    printf 'not a folder' >file
    try quern run mill.yaml --set dir=file/run
} 2>&1 | sed "s|$PWD|HERE|g" | steady
