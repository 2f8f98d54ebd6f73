# A whole run, a second that does nothing, a changed setting that says why it builds, and what the run leaves.
. "$QUERN_SOURCE/tests/cli/orchestrate/mill.sh"
{
    echo "== dry run"; quern run mill.yaml --dry-run
    ls -d run 2>/dev/null
    echo "== first"; quern run mill.yaml
    echo "== second"; quern run mill.yaml
    echo "== one stage"; quern run mill.yaml --stages 2
    echo "== changed"; quern run mill.yaml --set dedup.word=oats --stages dedup..tokenizer
    echo "== back again"; quern run mill.yaml
    echo "== quiet"; quern run mill.yaml -q --set eval.word=rye
} 2>&1 | steady
echo "== left behind"
ls run
grep -o '"event":"[a-z]*"' run/journal | sort | uniq -c | sed 's/^ *//'
grep -o '"state":"done"' run/status | wc -l
grep -c '<h2 ' run/report.html
cat run/corpus/*/part-00001.txt | sed 's/ of [0-9a-f]*/ of KEY/'
cat run/logs/corpus-*.log
