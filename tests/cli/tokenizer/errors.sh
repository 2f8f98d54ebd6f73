# What is wrong is said in one line, with the right exit code, and nothing is left behind.
T=$QUERN_SOURCE/tests/tokenizer/golden
try() { "$@"; echo "exit $?"; }
echo hello > t.txt
echo "-- usage: 2"
try quern-tokenizer encode t.txt
try quern-tokenizer encode -t "$T" t.txt --format pdf
try quern-tokenizer encode -t "$T" t.txt --special yes
try quern-tokenizer train t.txt
try quern-tokenizer train -o t.json
try quern-tokenizer train t.txt -o t.json --vocab-size 100
try quern-tokenizer train t.txt -o t.json --set tokenizer.vocabsize=1000
try quern-tokenizer train t.txt -o t.json --set tokenizer.pretokenizer=gpt9
try quern-tokenizer train a b -o folder
try quern-tokenizer train t.txt -o folder --vocab-size 1000
try quern-tokenizer polish -t "$T"
echo "-- input: 3"
try quern-tokenizer encode -t nowhere t.txt
try quern-tokenizer encode -t t.txt t.txt
try quern-tokenizer encode -t "$T" nowhere.txt
printf '{"text": "good"}\n{"text": 7}\n' > bad.jsonl
try quern-tokenizer encode -t "$T" bad.jsonl
printf '{"text": "good"}\n{"text": "cut\n' > cut.jsonl
try quern-tokenizer train cut.jsonl -o t.json --vocab-size 1000 -q
echo '5 6 1200' | try quern-tokenizer decode -t "$T"
echo '5 six' | try quern-tokenizer decode -t "$T"
printf 'abc' | try quern-tokenizer decode -t "$T" --binary
try quern-tokenizer train t.txt -o folder
quern-tokenizer count t.txt -o t.counts -q 2>/dev/null
head -c 100 t.counts > cut.counts
try quern-tokenizer merge-counts t.counts cut.counts -o sum.counts
try quern-tokenizer train --counts t.txt -o t.json --vocab-size 1000 -q
: > empty.txt
try quern-tokenizer bench -t "$T" empty.txt
echo "-- nothing was made"
ls
