# The page of a trained vocabulary: alone, beside others, as part of a run's page; what is not there is said on the page.
T=$QUERN_SOURCE/tests/tokenizer/golden
for i in $(seq 60); do printf '{"text": "The mill grinds %d stones and the miller counts them, one after the other.", "lang": "en"}\n' "$i"; done > en.jsonl
for i in $(seq 60); do printf '{"text": "Die Mühle mahlt %d Steine, und der Müller zählt sie, einen nach dem anderen.", "lang": "de"}\n' "$i"; done > de.jsonl
printf 'name: r\ndir: run\ninputs:\n  - {name: texts, path: "*.jsonl"}\ncorpus: {gopher: {enabled: false}}\ndedup: {near: false}\nmodel: nano\ntokenizer:\n  vocab_size: 600\n  compare: ["golden=golden.json"]\n' > recipe.yaml
cp "$T/tokenizer.json" golden.json
quern run recipe.yaml --stages 1..3 -q > log 2>&1 || cat log
dir=$(ls -d run/tokenizer/*/tokenizer.json | head -n 1)
dir=${dir%/tokenizer.json}
titles() { grep -o '<h[23][^>]*>[^<]*' "$1" | sed 's/<[^>]*>//'; }
echo "-- alone"
quern-tokenizer report "$dir" -o alone.html -q > /dev/null
titles alone.html
grep -o 'train</td><td[^>]*>[0-9]' alone.html | wc -l
echo "-- beside others: of the command line, and of the recipe"
quern-tokenizer report "$dir" -o both.html -t golden.json -q > /dev/null
grep -c 'also in golden' both.html
quern-tokenizer report "$dir" -o recipe.html --recipe recipe.yaml -q > /dev/null
grep -c 'also in golden' recipe.html
grep -c 'also in golden' run/report.html
quern-tokenizer report "$dir" --fragment --recipe recipe.yaml -q | grep -c 'What the size is worth'
echo "-- one that is not there is said on the page"
quern-tokenizer report "$dir" -o missing.html -t nowhere.json -q > /dev/null && grep -o "no comparison: [^<]*" missing.html
