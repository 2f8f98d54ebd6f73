# report: one page, and a fragment for a run's page.
for i in 1 2 3 4 5 6; do printf '{"id":"%s","text":"the same <seven> words stand in here"}\n' "$i"; done >input.jsonl
quern-corpus build input.jsonl -o corpus --set corpus.gopher.enabled=false -q 2>/dev/null
quern-dedup build corpus -o out -q 2>/dev/null
quern-dedup report out -o page.html -q
grep -c '<html' page.html
for text in 'What was dropped' 'Clusters' 'Near duplicates' '14 bands of 8 rows' '6 documents: ' 'the same &lt;seven&gt; words'; do
    grep -q "$text" page.html && echo "has: $text"
done
quern-dedup report out --fragment | grep -c '<html'
quern-dedup report out && test -s out/report.html
quern-dedup report out -o again.html -q && cmp page.html again.html && echo same
