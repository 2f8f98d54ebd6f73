# A small corpus with exact and near duplicates: what goes, what stays, and that nothing but the input decides.
# $1 words, numbered from $2, one of them changed at $3.
words() { awk -v n="$1" -v from="$2" -v odd="${3:--1}" 'BEGIN {for (i = 0; i < n; i++) printf "%sword%c%c", i ? " " : "", 97 + (i == odd ? 25 : (from + i) % 25), 97 + int((from + i) / 25)}'; }
document() { printf '{"id":"%s","text":"%s"}\n' "$1" "$2"; }
{
    document original "$(words 80 0)"
    document copy "$(words 80 0 | tr 'a-z' 'A-Z')"
    document near "$(words 80 0 60)"
    document other "$(words 80 200)"
    document longer "$(words 80 200), and more"
    document alone "$(words 80 400)"
    document nothing ""
    document stars "***"
} >input.jsonl
plain() { sed -E 's/^[0-9:]{8} //; s/; [0-9.]+ s, .*/; .../; s/[0-9a-f]{12}/KEY/g'; }
quern-corpus build input.jsonl -o corpus --set corpus.gopher.enabled=false -q 2>/dev/null

echo "# build"
quern-dedup build corpus -o one -j1 2>&1 | plain
zstdcat one/part-00000.evidence.jsonl.zst
zstdcat one/part-00000.jsonl.zst | sed -E 's/"text":"[^"]*"/"text":"..."/; s/"lang[^,]*,//g'
echo "# again"
quern-dedup build corpus -o one 2>&1 | plain

echo "# other threads, and by steps and tasks: the same bytes"
quern-dedup build corpus -o two -j2 -q 2>&1 | plain
for step in sign group filter; do
    for task in 0/3 1/3 2/3; do quern-dedup build corpus -o three --step $step --task $task -q 2>&1 | plain; done
    quern-dedup build corpus -o three --step $step -q 2>&1 | plain
done
quern-dedup build corpus -o four --work elsewhere -q 2>&1 | plain
diff -r -x provenance.json -x work one four && diff -r -x provenance.json one/work elsewhere && echo same
for other in two three; do diff -r -x provenance.json one $other && echo same; done

echo "# the result of the result"
quern-dedup build one -o five -q 2>&1 | plain
quern-dedup build corpus one -o six -q 2>&1 | plain
