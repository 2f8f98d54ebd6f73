# A vocabulary in the formats of other tools, and back.
T=golden.json
cp "$QUERN_SOURCE/tests/tokenizer/golden/tokenizer.json" "$T"
printf 'The mill grinds 1234 stones,\n\n  and 漢字 too.\n' > page.txt
quern-tokenizer encode -t "$T" page.txt > ids

echo "-- a folder as transformers wants it"
quern-tokenizer export -q -t "$T" -o folder && ls folder
cmp folder/tokenizer.json "$T" && cat folder/tokenizer_config.json folder/special_tokens_map.json

echo "-- ranks, and what they do not say beside them"
quern-tokenizer export -t "$T" --format tiktoken -o ours.tiktoken
sed -n '1,3p' ours.tiktoken; wc -l < ours.tiktoken; head -c 60 ours.tiktoken.json; echo; tail -n 5 ours.tiktoken.json
quern-tokenizer encode -t ours.tiktoken page.txt | cmp - ids && echo "same ids"
quern-tokenizer export -t ours.tiktoken -o back && quern-tokenizer encode -t back page.txt | cmp - ids && echo "same ids"
quern-tokenizer export -t back --format tiktoken -o again.tiktoken && cmp ours.tiktoken again.tiktoken && cmp ours.tiktoken.json again.tiktoken.json && echo "same files"

echo "-- a pattern of one's own choice, for ranks that stand alone"
cp ours.tiktoken alone.tiktoken
quern-tokenizer encode -t alone.tiktoken page.txt; echo "exit $?"
quern-tokenizer export -t alone.tiktoken --pattern gpt2 -o gpt2 --format gpt2 && ls gpt2 && head -n 2 gpt2/merges.txt && head -n 3 gpt2/vocab.json
quern-tokenizer encode -t gpt2 page.txt | quern-tokenizer decode -t gpt2 | cmp - page.txt && echo "same text"

echo "-- what cannot be said is refused, and nothing is written"
refused() { "$@"; echo "exit $?"; ls -d out* 2>/dev/null; }
sed 's/"normalizer": null/"normalizer": {"type": "NFC"}/' "$T" > nfc.json
refused quern-tokenizer export -t nfc.json --format tiktoken -o out.tiktoken
sed '0,/"lstrip": false/s//"lstrip": true/' "$T" > lstrip.json
refused quern-tokenizer export -t lstrip.json --format tiktoken -o out.tiktoken
awk '/"merges": \[/ {print; getline a; getline b; print b; print a; next} {print}' "$T" > order.json
refused quern-tokenizer export -t order.json --format tiktoken -o out.tiktoken
refused quern-tokenizer export -t "$T" --format gpt2 -o out
refused quern-tokenizer export -t "$T" --format tiktoken -o out
refused quern-tokenizer export -t "$T" --format onnx -o out
refused quern-tokenizer export -t "$T" --pattern gpt2 -o out
refused quern-tokenizer export -o out

echo "-- ranks that are none"
bad() { cat > bad.tiktoken; echo '{"pretokenizer": "gpt2"}' > bad.tiktoken.json; quern-tokenizer encode -t bad.tiktoken page.txt; echo "exit $?"; }
: | bad
echo 'IQ==' | bad
echo 'IQ= 0' | bad
echo 'IR== 0' | bad
echo 'IQ== -1' | bad
echo 'IQ== 16777216' | bad
echo ' 7' | bad
{ cat ours.tiktoken; echo 'IQ== 5000'; } | bad
{ cat ours.tiktoken; echo 'enp6eno= 30'; } | bad
sed 1d ours.tiktoken | bad
cp ours.tiktoken told.tiktoken
told() { cat > told.tiktoken.json; quern-tokenizer encode -t told.tiktoken page.txt; echo "exit $?"; }
echo '{"pat_str": ""}' | told
echo '{"pretokenizer": "gpt3"}' | told
echo '{"pretokenizer": "gpt2", "patern": ""}' | told
echo '{"pretokenizer": "gpt2", "special_tokens": {"<s>": 300}}' | told
echo '{"pretokenizer": "gpt2", "special_tokens": {"<s>": 3e9}}' | told
echo '[]' | told
