# What a vocabulary's tokens are, without and with texts.
T=$QUERN_SOURCE/tests/tokenizer/golden
quern-tokenizer audit -t "$T" -q
echo "-- lists"
quern-tokenizer audit -t "$T" -q --list unreachable | head -n 3
quern-tokenizer audit -t "$T" -q --list longest | head -n 3
quern-tokenizer audit -t "$T" -q --list added | head -n 2
quern-tokenizer audit -t "$T" -q --list all | wc -l
echo "-- with texts"
quern-tokenizer audit -t "$T" "$T/words.txt" -q | tail -n 3
quern-tokenizer audit -t "$T" "$T/words.txt" -q --list rare | head -n 3
echo "-- threads change nothing"
quern-tokenizer audit -t "$T" "$T/words.txt" -q --json -j 1 > one.json
quern-tokenizer audit -t "$T" "$T/words.txt" -q --json -j 3 | cmp - one.json && echo same
grep -o '"reach":{[^}]*}' one.json | head -n 1
echo "-- a page"
quern-tokenizer audit -t "$T" -o page.html -q > /dev/null
grep -c 'Tokens that no text gives' page.html
echo "-- the layout of DeepSeek-V3"
quern-tokenizer train "$T/words.txt" -o v3.json --vocab-size 1000 --layout deepseek-v3 -q 2>/dev/null
quern-tokenizer audit -t v3.json -q | head -n 7
echo "-- what is wrong"
try() { "$@"; echo "exit $?"; }
try quern-tokenizer audit
try quern-tokenizer audit -t "$T" --list everything
try quern-tokenizer audit -t "$T" --list unused
try quern-tokenizer audit -t nowhere
