# Programs that fail: their exit codes, the log that is named, and that the same command goes on afterwards.
. "$QUERN_SOURCE/tests/cli/orchestrate/mill.sh"
try() {
    echo "== $*"
    "$@"
    echo "exit $?"
}
{
    for code in 3 75 9; do try quern run mill.yaml --stages 1 --set "corpus.exit=$code"; done
    try quern run mill.yaml --stages 1 --set corpus.kill=true
    ls run/corpus/*/ | sort
    try quern run mill.yaml --stages 1
    echo "== the page says what failed"
    quern run mill.yaml -q --set tokenizer.exit=3 --set dir=other --set corpus.parts=2 2>/dev/null
    grep -oE '<li class="(done|failed|missing)">' other/report.html
    quern run mill.yaml -q --set tokenizer.kill=true --set dir=other --set corpus.parts=2
    quern run mill.yaml -q --set dir=other --set corpus.parts=2; grep -c '<li class="done">' other/report.html
    echo "== journal"
    sed -E 's/.*"event":"([a-z]+)".*/\1/; t; d' run/journal | uniq -c | sed 's/^ *//'
    grep -o '"exit":[0-9]*' run/journal
    echo "== a tail torn off by a kill is put right, damage is not"
    printf '{"n":99,"at":"2026' >>run/journal
    try quern run mill.yaml --stages 2
    tail -c 1 run/journal | od -An -c
    sed -i '2s/corpus/CORPUS/' run/journal
    try quern run mill.yaml --stages 3
} 2>&1 | steady
