# Several vocabularies on the same texts: tables, JSON, a page; the same for any threads.
T=$QUERN_SOURCE/tests/tokenizer/golden
quern-tokenizer train "$T/words.txt" -o small.json --vocab-size 400 -q 2>/dev/null
printf '{"text": "The mill grinds. The stone turns, and the mill grinds the grain.", "lang": "en"}
{"text": "Die Mühle mahlt, und der Stein dreht sich.", "lang": "de"}
{"text": "石磨转动，磨坊磨面。", "lang": "zh"}
{"text": "no language is given"}\n' > texts.jsonl
quern-tokenizer compare -t golden="$T" -t small.json texts.jsonl -q
echo "-- one alone, another figure"
quern-tokenizer compare -t small.json texts.jsonl --figure words -q
echo "-- threads change nothing"
for i in $(seq 400); do sed "s/mill/mill $i/" texts.jsonl; done > many.jsonl
quern-tokenizer compare -t golden="$T" -t small.json many.jsonl --json -j 1 -q > one.json
quern-tokenizer compare -t golden="$T" -t small.json many.jsonl --json -j 4 -q | cmp - one.json && echo same
quern-tokenizer compare -t golden="$T" -t small.json texts.jsonl --json -q
echo "-- a page"
quern-tokenizer compare -t golden="$T" -t small.json texts.jsonl -o page.html -q > /dev/null
grep -c 'Compared with other vocabularies' page.html
echo "-- what is wrong"
try() { "$@"; echo "exit $?"; }
try quern-tokenizer compare texts.jsonl
try quern-tokenizer compare -t small.json -t ./small.json texts.jsonl
try quern-tokenizer compare -t small.json texts.jsonl --figure pixels
try quern-tokenizer compare -t small.json nowhere.jsonl
: > empty.txt
try quern-tokenizer compare -t small.json empty.txt -q
