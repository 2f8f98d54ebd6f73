# status and verify: of nothing, of a run half done, of a whole one, of a damaged one.
. "$QUERN_SOURCE/tests/cli/orchestrate/mill.sh"
{
    echo "== nothing"; quern status mill.yaml; quern verify mill.yaml
    ls -d run 2>/dev/null
    echo "== half"; quern run mill.yaml -q --stages 1
    quern run mill.yaml -q --stages dedup --set dedup.exit=4 --set corpus.parts=3
    quern status mill.yaml
    quern run mill.yaml -q
    echo "== whole"; quern status mill.yaml; quern verify mill.yaml
    quern status mill.yaml --html page.html >/dev/null; grep -c '<h2 ' page.html
    echo "== json"; quern status mill.yaml --json | grep -o '"stage":"[a-z]*","state":"[a-z]*"'
    echo "== damaged"
    printf X | dd of="$(ls run/shards/*/part-00001.txt)" bs=1 seek=3 conv=notrunc 2>/dev/null
    quern verify mill.yaml; echo "exit $?"
    echo "== cut short"
    truncate -s 3 run/shards/*/part-00001.txt
    quern status mill.yaml; quern verify mill.yaml; echo "exit $?"
    echo "== mended"
    rm -r run/shards; quern run mill.yaml -q; quern verify mill.yaml | tail -n 1
}  2>&1 | steady
