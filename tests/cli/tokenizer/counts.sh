# Counts: weights, samples, bounded memory, pairs in and out, merges of any files; and what is refused.
try() { "$@"; local code=$?; [ $code -eq 0 ] || echo "exit $code"; }

cat >texts.jsonl <<'END'
{"id":"1","lang":"en","source":"wiki","text":"the mill, the stone"}
{"id":"2","lang":"en","source":"web","text":"the mill\n\nthe \"stone\""}
{"id":"3","lang":"de","source":"wiki","text":"die Mühle"}
END
echo "== plain"
quern-tokenizer count texts.jsonl -o plain.counts -q 2>/dev/null
quern-tokenizer counts plain.counts
echo "== weighted; what has no weight is left out by name"
quern-tokenizer count texts.jsonl -o weighted.counts --weight lang:en=0.5 --weight source:wiki=3 --weight lang:de=0 -q 2>&1 | sed 's/; out.*//'
quern-tokenizer counts weighted.counts
echo "== both scales together"
quern-tokenizer merge-counts plain.counts weighted.counts -o both.counts
quern-tokenizer counts both.counts plain.counts | grep -E '"the"|hle'
echo "== out and in again"
quern-tokenizer counts plain.counts >pairs.jsonl
quern-tokenizer count --from-pairs pairs.jsonl -o again.counts
cmp <(quern-tokenizer counts again.counts) pairs.jsonl && echo the same
quern-tokenizer counts both.counts | quern-tokenizer count --from-pairs --fractions - -o again.counts 2>/dev/null
cmp <(quern-tokenizer counts again.counts) <(quern-tokenizer counts both.counts) && echo the same
printf 'a\xff\xfe b' >broken.txt
quern-tokenizer count broken.txt -o broken.counts -q 2>/dev/null
quern-tokenizer counts broken.counts
echo "== a sample is the same each time, and all of it is all"
quern-tokenizer count texts.jsonl -o one.counts --sample-documents 0.5 --seed 3 -q 2>/dev/null
quern-tokenizer count texts.jsonl -o two.counts --sample-documents 0.5 --seed 3 -j 1 -q 2>/dev/null
cmp one.counts two.counts && echo the same
quern-tokenizer count texts.jsonl -o all.counts --sample-documents 1 -q 2>/dev/null
cmp all.counts plain.counts && echo the same

echo "== memory and threads do not show"
awk 'BEGIN {srand(4); for (d = 0; d < 600; d++) {printf "{\"text\":\""; for (w = 0; w < 900; w++) printf "%c%c%x ", 97 + rand() * 26, 97 + rand() * 26, rand() * 1e9; print "\"}"}}' >words.jsonl
quern-tokenizer count words.jsonl -o roomy.counts -j 2 -q 2>/dev/null
for threads in 1 2; do
    quern-tokenizer count words.jsonl -o tight.counts -j $threads --memory 72M -q 2>/dev/null
    cmp roomy.counts tight.counts && echo the same
done
for part in 0 1 2; do awk "NR % 3 == $part" words.jsonl >part.jsonl; quern-tokenizer count part.jsonl -o part$part.counts -q 2>/dev/null; done
quern-tokenizer merge-counts part2.counts part0.counts part1.counts -o merged.counts --memory 72M 2>/dev/null
cmp roomy.counts merged.counts && echo the same
ls -d *.work 2>/dev/null

echo "== refused"
try quern-tokenizer count texts.jsonl -o x.counts --memory 1M -j 1 2>&1 | sed 's/give [0-9]* MiB/give N MiB/'
try quern-tokenizer merge-counts plain.counts -o x.counts --memory 1M -j 1 2>&1 | sed 's/give [0-9]* MiB/give N MiB/'
try quern-tokenizer count texts.jsonl -o x.counts --weight en=1
try quern-tokenizer count texts.jsonl -o x.counts --weight lang:en=1 --weight lang:en=2
try quern-tokenizer count texts.jsonl -o x.counts --sample-documents 2
try quern-tokenizer count texts.jsonl -o x.counts --fractions
try quern-tokenizer count texts.jsonl -o x.counts --from-pairs --weight lang:en=1
try quern-tokenizer count --from-pairs texts.jsonl -o x.counts
try quern-tokenizer counts texts.jsonl
mkdir x.counts.work && touch x.counts.work/thesis
try quern-tokenizer count texts.jsonl -o x.counts
ls x.counts* 2>/dev/null
